//! A raw counter whose rate is far off: an emulator, a counter that was badly calibrated, a crystal of another frequency.
//!
//! The estimator assumes a clock within some hundred ppm and takes what is beyond for mad replies; the vote takes it for a
//! jump of time. So each source's replies are also looked at as a line, whatever is believed. If more than half of the
//! sources that speak show the same rate, and it is not the one believed, it is ours, and the estimate begins anew with it.
//! That holds at the start, until the rate is known, and after several sources have agreed on a jump of time. Later a lone
//! source that shows another rate cannot be told from one that runs away: then only its phase is followed.

use crate::core::estimate::{Estimate, FrequencyPrior, MAX_SOURCES, MOST_WANDER, SlotSet};
use crate::core::source::{RateRange, Source};
use crate::core::true_time::{BOUND_SIGMAS, TrueTime, WEAK_PRIOR_SD};
use crate::time::{Raw, Span};

/// The kernel gives its clock no other rates than 1 give or take this (tick 9000 to 11000 and 500 ppm, adjtimex(2)).
const STEERABLE: f64 = 0.1005;

/// Rates that differ by less are the estimator's affair, which takes any oscillator to be within so much of its label.
const LEAST_DIFFERENCE: f64 = 300e-6;

/// The least difference once the range is narrower than the estimator's doubt, which then has had its chance.
const LEAST_STALE: f64 = 100e-6;

/// A clock that is off by more is not what clocks are, and people are told.
const ORDINARY: f64 = 500e-6;

/// The rate is known when replies show to within this that it is the one believed.
const KNOWN_WITHIN: f64 = 50e-6;

/// Replies of a lone source that must lie on a line, and none of those before may be beside it: two always do.
const LONE_REPLIES: usize = 3;
/// Replies of each of several sources that must lie on a line; these sources confirm each other.
const REPLIES: usize = 2;

/// A lone source that shows one rate after another shows none: the rate is found by its word no more often than this.
const LONE_FINDINGS: u32 = 2;

/// A doubt about the rate that is smaller is over.
const NEGLIGIBLE: f64 = 20e-6;
/// The number of replies since a jump that tell how far the rate is off.
const TELLING: usize = 4;

/// What is known of the rate of the raw counter.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct RateWatch {
    /// The rate may be any: nothing has shown yet that it is the one believed.
    is_open: bool,
    /// The kernel cannot correct it.
    is_beyond: bool,
    /// As far as replies tell, the rate may be off the one believed by this much.
    doubt: f64,
    /// What was known of it before any source had spoken.
    first: FrequencyPrior,
    /// How often the rate was found by the word of a lone source.
    lone_findings: u32,
}

/// The rate that most sources show.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Shown {
    /// The rates that they have in common.
    pub(in crate::core) range: RateRange,
    /// By so many replies of each source.
    replies: [usize; MAX_SOURCES],
    /// Only one source speaks.
    is_lone: bool,
}

/// What the sources show of the rate.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) enum RateFinding {
    /// The rate may be the one believed.
    Nothing,
    /// The rate is another one.
    Other(Shown),
    /// A lone source shows one rate after another: it is the source that is off, not the rate.
    Fickle,
    /// No steering of the kernel's can make up for it.
    Beyond(RateRange),
}

impl RateWatch {
    /// Nothing is known but what the prior says.
    pub(in crate::core) fn new(prior: &FrequencyPrior) -> RateWatch {
        let is_known = prior.sd < WEAK_PRIOR_SD;
        let doubt = if is_known { 0.0 } else { STEERABLE };
        RateWatch { is_open: true, is_beyond: false, doubt, first: *prior, lone_findings: 0 }
    }

    pub(super) fn is_doubted(&self) -> bool {
        self.doubt > 0.0
    }

    /// The rate is not off by more than this.
    pub(super) fn limit_doubt(&mut self, most: f64) {
        self.doubt = self.doubt.min(most);
    }
}

impl TrueTime {
    /// The rate may still turn out to be any.
    pub(in crate::core) fn is_rate_open(&self) -> bool {
        self.rate.is_open
    }

    /// The clock cannot be made to follow.
    pub(in crate::core) fn is_rate_beyond(&self) -> bool {
        self.rate.is_beyond
    }

    /// True time has jumped, and so may the rate have: several sources say so.
    pub(in crate::core) fn open_rate(&mut self) {
        self.rate.is_open = true;
    }

    /// A source has just answered. `is_followed`: the clock has somewhere to be.
    pub(in crate::core) fn watch_rate(
        &mut self,
        sources: &[Source],
        active: SlotSet,
        is_followed: bool,
    ) -> RateFinding {
        let is_followed = is_followed || self.rate.is_beyond;
        let Some(estimate) = self.estimate().filter(|_| self.rate.is_open && is_followed) else {
            return RateFinding::Nothing;
        };
        self.rate.doubt = self.rate_doubt(&estimate, sources, active);
        let Some(shown) = self.shown_rate(sources) else { return RateFinding::Nothing };
        let (range, is_other) = (shown.range, self.is_other(&shown.range, &estimate));
        if range.low > STEERABLE || range.high < -STEERABLE {
            let is_news = !std::mem::replace(&mut self.rate.is_beyond, true);
            return if is_news { RateFinding::Beyond(range) } else { RateFinding::Nothing };
        }
        if is_other && shown.is_lone && self.rate.lone_findings == LONE_FINDINGS {
            return RateFinding::Fickle;
        }
        if is_other || self.rate.is_beyond {
            return RateFinding::Other(shown);
        }
        if range.margin() < KNOWN_WITHIN && (range.middle() - estimate.frequency).abs() < 2.0 * KNOWN_WITHIN {
            (self.rate.is_open, self.rate.doubt) = (false, 0.0);
        }
        RateFinding::Nothing
    }

    /// How far the rate may be from the estimate's, by what replies have shown.
    fn rate_doubt(&self, estimate: &Estimate, sources: &[Source], active: SlotSet) -> f64 {
        let members = sources.iter().filter(|source| active.contains(source.slot));
        let told =
            members.filter_map(|source| self.rate_of(source)).map(|range| range.farthest_from(estimate.frequency));
        told.fold(self.rate.doubt, f64::min).max(LEAST_DIFFERENCE)
    }

    /// What may have come of it after so long.
    pub(in crate::core) fn strayed_by_rate(&self, since: Span) -> Span {
        since.scaled(self.rate.doubt)
    }

    /// This source may be called a falseticker only because our rate is not what it is taken for.
    pub(in crate::core) fn is_rate_in_question(&self, source: &Source) -> bool {
        let estimate = self.estimate().filter(|_| self.rate.is_open);
        let is_other = |estimate: Estimate| self.rate_of(source).is_some_and(|range| self.is_other(&range, &estimate));
        self.rate.is_beyond || estimate.is_some_and(is_other)
    }

    /// No rate within the range can be the estimate's. A drift file is not disproved by less than its own rule asks for.
    fn is_other(&self, range: &RateRange, estimate: &Estimate) -> bool {
        let doubt = if self.prior_is_proven {
            (BOUND_SIGMAS * estimate.frequency_sd()).min(range.margin()).max(LEAST_STALE)
        } else {
            LEAST_DIFFERENCE
        };
        range.low > estimate.frequency + doubt || range.high < estimate.frequency - doubt
    }

    /// So many of its last replies lie on a line, at whatever rate of it.
    pub(in crate::core) fn replies_on_a_line(&self, source: &Source) -> usize {
        self.rate_of(source).map_or(0, |range| range.replies)
    }

    /// A lone source has jumped, against a rate that is known: it may be running away. The rate follows it no faster than
    /// an oscillator wanders, and what that leaves is in the bound. Returns the doubt about the rate.
    pub(in crate::core) fn drift_with(&mut self, jump: Span, estimate: &Estimate, now: Raw) -> f64 {
        let since = (now - estimate.at).max(Span::ZERO);
        let since_s = since.secs_f64().max(1.0);
        let (rate, wandered) = (jump.secs_f64() / since_s, MOST_WANDER * since_s.sqrt());
        let turn = rate.clamp(-BOUND_SIGMAS * wandered, BOUND_SIGMAS * wandered);
        self.turn_rate(turn, now);
        self.rate.doubt = self.rate.doubt.max((rate - turn).abs().min(STEERABLE));
        wandered
    }

    /// There is one more reply since a jump: it may show that the rate is not off by as much as was feared.
    pub(in crate::core) fn calm_rate(&mut self, sources: &[Source], active: SlotSet) {
        let Some(estimate) = self.estimate().filter(|_| !self.rate.is_open && self.rate.doubt > 0.0) else { return };
        let members = sources.iter().filter(|source| active.contains(source.slot));
        let told = members.filter_map(|source| self.rate_of(source)).filter(|range| range.replies >= TELLING);
        let off = told.map(|range| range.farthest_from(estimate.frequency)).min_by(f64::total_cmp);
        let doubt = off.unwrap_or(self.rate.doubt);
        self.rate.doubt = if doubt > NEGLIGIBLE { doubt.min(STEERABLE) } else { 0.0 };
    }

    fn rate_of(&self, source: &Source) -> Option<RateRange> {
        source.rate_range(self.path_noise(source.slot).map_or(0.0, |noise| noise.jitter_s))
    }

    /// The rates that most of the sources that speak have in common.
    fn shown_rate(&self, sources: &[Source]) -> Option<Shown> {
        let is_voter = |source: &&Source| !source.options.no_select && !source.is_away() && source.last.is_some();
        let voters = sources.iter().filter(is_voter).count();
        let needed = if voters == 1 { LONE_REPLIES } else { REPLIES };
        let ranges = || {
            let told = sources.iter().filter(is_voter);
            told.filter_map(|source| Some((source.slot, self.rate_of(source)?)))
                .filter(|(_, range)| range.replies >= needed && (voters > 1 || range.is_whole))
        };
        // Most ranges have the lower end of one of them in common.
        let holding = |at: f64| ranges().filter(move |(_, range)| range.low <= at && at <= range.high);
        let (_, deepest) = ranges().max_by_key(|(_, range)| holding(range.low).count())?;
        let mut shown = Shown { range: deepest, replies: [0; MAX_SOURCES], is_lone: voters == 1 };
        for (slot, range) in holding(deepest.low) {
            shown.range.low = shown.range.low.max(range.low);
            shown.range.high = shown.range.high.min(range.high);
            shown.replies[slot.index()] = range.replies;
        }
        let showing = shown.replies.iter().filter(|&&replies| replies > 0).count();
        (2 * showing > voters).then_some(shown)
    }

    /// The estimate begins anew with the rate that these sources show; what they have said since they show it is to be fed
    /// once they have been selected.
    pub(in crate::core) fn begin_with_rate(&mut self, shown: &Shown, sources: &mut [Source]) {
        self.rate.is_beyond = false;
        self.rate.lone_findings += u32::from(shown.is_lone);
        self.prior_is_proven = true;
        let prior = FrequencyPrior::measured(shown.range.middle(), shown.range.margin());
        self.restart(FrequencyPrior { frequency: prior.frequency - self.known_rate(), ..prior }, sources);
        sources.iter_mut().for_each(|source| source.restore(shown.replies[source.slot.index()]));
    }

    /// The rate is in doubt, and what is claimed must grow with time.
    pub(in crate::core) fn is_rate_doubted(&self) -> bool {
        self.rate.is_doubted()
    }

    /// A lone source has shown a rate, and not yet that it is the one.
    pub(in crate::core) fn is_rate_on_trial(&self) -> bool {
        self.rate.is_open && self.rate.lone_findings > 0
    }

    /// The estimate begins anew with what was known of the rate before a lone source told one rate after another.
    pub(in crate::core) fn abandon_rate(&mut self, sources: &mut [Source]) {
        (self.rate.is_open, self.rate.is_beyond) = (false, false);
        self.rate.doubt = self.rate.first.sd.max(LEAST_DIFFERENCE);
        self.restart(self.rate.first, sources);
        sources.iter_mut().for_each(Source::forget_all_but_last);
    }

    /// The first frequency is worth a line when it is found wrong.
    pub(in crate::core) fn has_strong_prior(&self) -> bool {
        self.prior.sd < WEAK_PRIOR_SD
    }
}

/// Whether a clock that is off by this rate is what clocks are; people are told of others.
pub(in crate::core) fn is_extraordinary(rate: f64) -> bool {
    rate.abs() > ORDINARY
}
