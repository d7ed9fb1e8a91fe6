//! A raw counter whose rate is far off: an emulator, a counter that was badly calibrated, a crystal of another frequency.
//!
//! The estimator assumes a clock within some hundred ppm and takes what is beyond for mad replies; the vote takes it for a
//! jump of time. So each source's replies are also looked at as a line, whatever is believed. If more than half of the
//! sources that speak show the same rate, and it is not the one believed, it is ours, and the estimate begins anew with it.
//! That holds at the start, until the rate is known, and after several sources have agreed on a jump of time. Later a lone
//! source that shows another rate cannot be told from one that runs away: then only its phase is followed.

use crate::core::api::event::{Event, Obstacle};
use crate::core::clock::discipline::Occasion;
use crate::core::engine::{Engine, WEAK_PRIOR_SD};
use crate::core::estimate::{Estimate, FrequencyPrior, MAX_SOURCES};
use crate::core::selection::sync_state::VoteCause;
use crate::core::source::{RateRange, Source};
use crate::time::{ClockReading, Raw, Span};

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

/// Replies of a lone source that must lie on a line: two always do.
const LONE_REPLIES: usize = 3;
/// Replies of each of several sources that must lie on a line; these sources confirm each other.
const REPLIES: usize = 2;

/// No oscillator wanders more than this per square root of a second: a virtual machine's on a busy host.
const MOST_WANDER: f64 = 3e-7;

/// A doubt about the rate that is smaller is over.
const NEGLIGIBLE: f64 = 20e-6;
/// So many replies since a jump tell how far the rate is off.
const TELLING: usize = 4;

/// Bound of a normal error, in standard deviations.
const SIGMAS: f64 = 3.0;

/// What is known of the rate of the raw counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateWatch {
    /// It may be any: nothing has shown yet that it is the one believed.
    is_open: bool,
    /// The kernel cannot correct it.
    is_beyond: bool,
    /// As far as replies tell, it may be off the one believed by this much.
    doubt: f64,
}

/// What most sources say.
struct Shown {
    range: RateRange,
    /// By so many replies of each source.
    replies: [usize; MAX_SOURCES],
}

impl RateWatch {
    /// Nothing is known but what the prior says.
    pub(super) fn new(prior: &FrequencyPrior) -> RateWatch {
        let is_known = prior.sd < WEAK_PRIOR_SD;
        RateWatch { is_open: true, is_beyond: false, doubt: if is_known { 0.0 } else { STEERABLE } }
    }
}

impl Engine {
    /// The rate may still turn out to be any.
    pub(super) fn is_rate_open(&self) -> bool {
        self.rate.is_open
    }

    /// The clock cannot be made to follow.
    pub(super) fn is_rate_beyond(&self) -> bool {
        self.rate.is_beyond
    }

    /// True time has jumped, and so may the rate have: several sources say so.
    pub(super) fn open_rate(&mut self) {
        self.rate.is_open = true;
    }

    /// A source has just answered. Returns whether the estimate has been begun anew with another rate, this answer
    /// included.
    pub(super) fn heed_rate(&mut self, now: &ClockReading) -> bool {
        let is_followed = self.has_target() || self.rate.is_beyond;
        let Some(estimate) = self.estimator.estimate().filter(|_| self.rate.is_open && is_followed) else {
            return false;
        };
        self.rate.doubt = self.rate_doubt(&estimate, LEAST_DIFFERENCE);
        let Some(shown) = self.shown_rate() else { return false };
        let (range, is_other) = (shown.range, self.is_other(&shown.range, &estimate));
        if range.low > STEERABLE || range.high < -STEERABLE {
            self.give_up_rate(&range);
        } else if is_other || self.rate.is_beyond {
            self.follow_rate(&shown, now);
            return true;
        } else if range.margin() < KNOWN_WITHIN && (range.middle() - estimate.frequency).abs() < 2.0 * KNOWN_WITHIN {
            (self.rate.is_open, self.rate.doubt) = (false, 0.0);
        }
        false
    }

    /// How far the rate may be from the estimate's, by what replies have shown.
    fn rate_doubt(&self, estimate: &Estimate, least: f64) -> f64 {
        let active = self.sources.iter().filter(|source| self.selection.active.contains(source.slot));
        let off =
            |range: RateRange| (range.low - estimate.frequency).abs().max((range.high - estimate.frequency).abs());
        let told = active.filter_map(|source| self.rate_of(source)).map(off);
        told.fold(self.rate.doubt, f64::min).max(least)
    }

    /// What may have come of it after so long.
    pub(super) fn strayed_by_rate(&self, since: Span) -> Span {
        since.scaled(self.rate.doubt)
    }

    /// This source may be called a falseticker only because our rate is not what it is taken for.
    pub(super) fn is_rate_in_question(&self, source: &Source) -> bool {
        let estimate = self.estimator.estimate().filter(|_| self.rate.is_open);
        let is_other = |estimate: Estimate| self.rate_of(source).is_some_and(|range| self.is_other(&range, &estimate));
        self.rate.is_beyond || estimate.is_some_and(is_other)
    }

    /// No rate within the range can be the estimate's. A drift file is not disproved by less than its own rule asks for.
    fn is_other(&self, range: &RateRange, estimate: &Estimate) -> bool {
        let doubt = if self.prior_is_proven {
            (SIGMAS * estimate.frequency_sd()).min(range.margin()).max(LEAST_STALE)
        } else {
            LEAST_DIFFERENCE
        };
        range.low > estimate.frequency + doubt || range.high < estimate.frequency - doubt
    }

    /// The rate is in doubt, and what is claimed must grow with time.
    pub(super) fn is_rate_doubted(&self) -> bool {
        self.rate.doubt > 0.0
    }

    /// So many of its last replies lie on a line, at whatever rate of it.
    pub(super) fn replies_on_a_line(&self, source: &Source) -> usize {
        self.rate_of(source).map_or(0, |range| range.replies)
    }

    /// A lone source has jumped, against a rate that is known: it may be running away. The rate follows it no faster than
    /// an oscillator wanders, and what that leaves is in the bound. Returns the doubt about the rate.
    pub(super) fn drift_with(&mut self, jump: Span, estimate: &Estimate, now: Raw) -> f64 {
        let since = (now - estimate.at).max(Span::ZERO);
        let since_s = since.secs_f64().max(1.0);
        let (rate, wandered) = (jump.secs_f64() / since_s, MOST_WANDER * since_s.sqrt());
        let turn = rate.clamp(-SIGMAS * wandered, SIGMAS * wandered);
        // What the time is now is not changed by that.
        self.estimator.turn(turn);
        self.estimator.shift(-since.scaled(turn));
        self.rate.doubt = self.rate.doubt.max((rate - turn).abs().min(STEERABLE));
        wandered
    }

    /// There is one more reply since a jump: it may show that the rate is not off by as much as was feared.
    pub(super) fn calm_rate(&mut self) {
        if let Some(estimate) = self.estimator.estimate().filter(|_| !self.rate.is_open && self.rate.doubt > 0.0) {
            let off =
                |range: RateRange| (range.low - estimate.frequency).abs().max((range.high - estimate.frequency).abs());
            let active = self.sources.iter().filter(|source| self.selection.active.contains(source.slot));
            let told = active.filter_map(|source| self.rate_of(source)).filter(|range| range.replies >= TELLING);
            let doubt = told.map(off).min_by(f64::total_cmp).unwrap_or(self.rate.doubt);
            self.rate.doubt = if doubt > NEGLIGIBLE { doubt.min(STEERABLE) } else { 0.0 };
        }
    }

    fn rate_of(&self, source: &Source) -> Option<RateRange> {
        source.rate_range(self.estimator.path_noise(source.slot).map_or(0.0, |noise| noise.jitter_s))
    }

    /// The rates that most of the sources that speak have in common.
    fn shown_rate(&self) -> Option<Shown> {
        let is_voter = |source: &&Source| !source.options.no_select && !self.is_away(source) && source.last.is_some();
        let voters = self.sources.iter().filter(is_voter).count();
        let needed = if voters == 1 { LONE_REPLIES } else { REPLIES };
        let ranges = || {
            let told = self.sources.iter().filter(is_voter);
            told.filter_map(|source| Some((source.slot, self.rate_of(source)?)))
                .filter(|(_, range)| range.replies >= needed)
        };
        // Most ranges have the lower end of one of them in common.
        let holding = |at: f64| ranges().filter(move |(_, range)| range.low <= at && at <= range.high);
        let (_, deepest) = ranges().max_by_key(|(_, range)| holding(range.low).count())?;
        let mut shown = Shown { range: deepest, replies: [0; MAX_SOURCES] };
        for (slot, range) in holding(deepest.low) {
            shown.range.low = shown.range.low.max(range.low);
            shown.range.high = shown.range.high.min(range.high);
            shown.replies[slot.index()] = range.replies;
        }
        let showing = shown.replies.iter().filter(|&&replies| replies > 0).count();
        (2 * showing > voters).then_some(shown)
    }

    /// The estimate begins anew with the rate that these sources show, and with what they have said since they show it.
    fn follow_rate(&mut self, shown: &Shown, now: &ClockReading) {
        let prior = FrequencyPrior::measured(shown.range.middle(), shown.range.margin());
        if self.prior.sd < WEAK_PRIOR_SD {
            self.tell(Event::PriorDiscarded(-self.prior.frequency * 1e6));
        }
        if prior.frequency.abs() > ORDINARY {
            self.tell(Event::RateFound(-prior.frequency * 1e6));
        }
        self.rate.is_beyond = false;
        self.prior = FrequencyPrior { frequency: prior.frequency - self.known_rate(), ..prior };
        self.prior_is_proven = true;
        self.estimator.restart(self.prior);
        self.forget_archives();
        for index in 0..self.sources.len() {
            self.tune(index);
            let source = &mut self.sources[index];
            source.restore(shown.replies[source.slot.index()]);
        }
        self.sync.elected();
        self.reselect(now.raw, None);
        self.feed_recent();
        self.announce_selection();
        self.correct(Occasion::Update { counts: false }, now);
        self.note_backing(now.raw);
    }

    /// No steering of the kernel's can make up for such a rate: nothing is claimed of the time from now on.
    fn give_up_rate(&mut self, range: &RateRange) {
        if self.rate.is_beyond {
            return;
        }
        self.rate.is_beyond = true;
        self.sync.call_vote(VoteCause::Start, None);
        self.discipline.rest();
        self.cannot_synchronise(Obstacle::RateBeyond { ppm: (-range.middle() * 1e6) as i32 });
        self.report_unsynchronised();
    }
}
