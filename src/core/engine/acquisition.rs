//! The vote: who may set the clock, at the start, after a sleep, and against what is already known.
//!
//! While all is well the estimate is confirmed with every answer. Answers that contradict it beyond every honest bound,
//! a majority though they may be of the few that speak, do not move it: they call a vote, for which the silent are
//! asked at once. The rules are those of the start (`quorum`), with what is known as one more piece of evidence.

use crate::core::api::event::{Event, Obstacle};
use crate::core::api::output::Output;
use crate::core::api::settings::Mode;
use crate::core::clock::discipline::Occasion;
use crate::core::engine::Engine;
use crate::core::selection::quorum::{Known, Verdict};
use crate::core::selection::sync_state::{Acquisition, VoteCause};
use crate::core::selection::votes::Vote;
use crate::core::source::poll::Urgency;
use crate::core::true_time::{Backing, PastUse};
use crate::time::{ClockReading, Raw, Span};

/// A jump that several sources confirm is a gap (the counter stood still) if it is larger than this; smaller ones are
/// slewed.
const GAP_JUMP: Span = Span::from_secs(10);

/// An answer that is younger when a vote is called may lie on a line with those that follow.
const RECENTLY: Span = Span::from_secs(12);

/// A Julian year, as near as anybody wants to know.
const YEAR: Span = Span::from_secs(31_557_600);

/// A lone source does not set the clock further than this at the start: devices are not left on the shelf for longer.
const LONE_CEILING: Span = Span::from_secs(20 * 31_557_600);

impl Engine {
    /// Runs the vote. Called at every wake-up until the clock is set, because patience may have run out.
    pub(super) fn acquire(&mut self, acquisition: Acquisition, now: &ClockReading) {
        let Some(first_answer) = acquisition.first_answer.filter(|_| !self.time.is_rate_beyond()) else { return };
        self.reselect(now.raw, None);
        let is_contested = acquisition.cause == VoteCause::Contradiction;
        let vote = Vote { is_contested, waited: now.raw - first_answer, now: now.raw };
        let has_required = self.selector.has_required(&self.sources);
        match self.selector.ballot(&vote, &self.sources, &self.time).verdict() {
            Verdict::Elected if has_required => match self.lone_and_far(acquisition.cause, now) {
                Some(years) => self.cannot_synchronise(Obstacle::LoneAndFar { years }),
                None => self.adopt(acquisition, now),
            },
            Verdict::Elected => {
                let awaited = self.selector.awaited(&vote, &self.sources, |line| line.config.options.require);
                if awaited == 0 {
                    self.cannot_synchronise(Obstacle::NoRequired);
                }
            }
            Verdict::NoMajority => self.cannot_synchronise(self.selector.no_majority(&self.sources)),
            Verdict::NotEnough => self.cannot_synchronise(Obstacle::NotEnough),
            Verdict::Undecided => {}
        }
    }

    /// How many years the time of a lone source is from the clock, if that is not to be believed: it is as far from the last
    /// time that is known. One server that somebody has broken, or forged, would else set any date.
    fn lone_and_far(&self, cause: VoteCause, now: &ClockReading) -> Option<i32> {
        let is_asked = cause == VoteCause::Start && self.mode != Mode::MeasureOnce;
        if !is_asked || self.selector.selection().agreeing.len() > 1 {
            return None;
        }
        let told = now.raw.with_lead(self.selector.agreed_lead(&self.sources, &self.time, now.raw));
        let (from_clock, from_floor) = (told - now.utc, told - self.floor);
        let is_far = from_clock.abs() > LONE_CEILING && from_floor.abs() > LONE_CEILING;
        is_far.then(|| (from_clock.nanos() / YEAR.nanos()) as i32)
    }

    /// The agreeing sources contradict what is known: those that have not spoken since it was last confirmed are asked too.
    pub(super) fn call_vote(&mut self, index: usize, now: Raw) {
        self.note_contradiction(now);
        let has_unrest = self.time.unrest.is_known();
        let is_lone = self.selector.selection().voters == 1;
        if is_lone && !has_unrest && self.selector.known(&self.sources, &self.time, now) == Known::Refutes {
            self.outputs.tell(Event::LoneSourceContradicted(self.sources.all()[index].label.clone()));
        }
        let confirmed = self.time.estimate().map_or(now, |estimate| estimate.at);
        let caller = self.sources.all()[index].slot;
        let agreeing = self.selector.selection().agreeing;
        // One that has gone on and on at another rate is on its line with the answers before.
        let has_jumped = !(self.time.is_rate_open() || has_unrest && is_lone);
        for source in self.sources.all_mut() {
            let is_news = source.slot == caller || source.last.is_some_and(|last| last.sample.at > confirmed);
            if has_jumped {
                source.forget_rate(source.last.is_some_and(|last| now - last.sample.at < RECENTLY));
            }
            if is_news && agreeing.contains(source.slot) {
                source.forget_all_but_last();
            } else {
                source.forget();
                if has_unrest {
                    source.schedule.consult(now);
                } else {
                    source.schedule.poll_now(now);
                }
            }
        }
        self.selector.sync.call_vote(VoteCause::Contradiction, Some(now));
        if !has_unrest {
            self.notices.forget_selected();
        }
        self.plan_next(index, Urgency::Contradicted, now);
    }

    /// Old answers say nothing about the time after a gap, and neither does what was known.
    pub(super) fn call_vote_after_gap(&mut self, now: Raw) {
        for source in self.sources.all_mut() {
            source.forget();
            source.forget_rate(false);
            // A reply to a request from before the gap says when it was asked, not when it is.
            if let Some(exchange) = source.expire() {
                self.outputs.push(Output::Close(exchange));
            }
        }
        self.sources.forget_archives();
        self.time.backing = Backing::default();
        self.selector.sync.call_vote(VoteCause::Gap, None);
        self.notices.forget_selected();
        self.sources.restart_polls(now);
    }

    /// The vote is over: these sources are right.
    fn adopt(&mut self, acquisition: Acquisition, now: &ClockReading) {
        self.selector.sync.elected();
        self.sources.judge_certificates_anew();
        let is_told_by_several = self.selector.selection().agreeing.len() > 1;
        let jump = self.jump(acquisition.cause, now.raw);
        if jump != Span::ZERO {
            let (low_s, high_s) = self.selector.agreed_s(&self.sources, &self.time, now.raw);
            self.time.follow_jump(jump, high_s - low_s, is_told_by_several, now.raw);
            self.sources.forget_archives();
        }
        if is_told_by_several || acquisition.cause == VoteCause::Gap {
            self.time.forget_lone_source(self.sources.all_mut());
        } else if jump != Span::ZERO {
            self.time.follow_lone_jump(jump, self.sources.all_mut(), now.raw);
        }
        let is_proven = match acquisition.cause {
            VoteCause::Start => false,
            VoteCause::Gap => true,
            VoteCause::Contradiction => {
                let is_gap = is_told_by_several && jump.abs() > GAP_JUMP;
                is_gap || self.time.backing.is_on_probation(now.raw) || self.clock.knew_of(jump, now.raw)
            }
        };
        if acquisition.cause != VoteCause::Start && is_told_by_several {
            self.time.open_rate();
        }
        if acquisition.cause == VoteCause::Contradiction && jump != Span::ZERO {
            self.note_jump(jump, now.raw);
        }
        match acquisition.cause {
            VoteCause::Start => self.feed_past_and_recent(now.raw),
            VoteCause::Gap | VoteCause::Contradiction => _ = self.feed_recent(),
        }
        self.announce_selection();
        self.correct(if is_proven { Occasion::ProvenGap } else { Occasion::Update { counts: true } }, now);
        self.note_followed(now.raw);
    }

    /// How far the elected time is from the estimate, if that cannot be chance.
    fn jump(&self, cause: VoteCause, now: Raw) -> Span {
        let Some(estimate) = self.time.estimate() else { return Span::ZERO };
        let jump = self.selector.agreed_lead(&self.sources, &self.time, now) - estimate.lead_at(now);
        let bound = || self.time.bound(&estimate, self.sources.all(), self.selector.active(), now);
        let is_real = match cause {
            VoteCause::Contradiction => self.selector.contradicts_estimate(&self.sources, &self.time, now),
            VoteCause::Start | VoteCause::Gap => jump.abs() > bound(),
        };
        if is_real { jump } else { Span::ZERO }
    }

    fn feed_recent(&mut self) -> bool {
        self.time.feed_recent(self.sources.all(), self.selector.active())
    }

    /// The vote of the start is over: what the elected have said in the last run goes into the estimate, and then what they
    /// say now. If that is a surprise, the past is wrong: the counter has stood still meanwhile, or the servers were set.
    fn feed_past_and_recent(&mut self, now: Raw) {
        debug_assert!(self.time.estimate().is_none(), "the past comes first");
        self.sources.forget_past();
        let began = self.clock.history.started;
        let past = self.time.feed_past(self.sources.all(), self.selector.active(), began);
        let is_contradicted =
            past == PastUse::Time && self.selector.contradicts_estimate(&self.sources, &self.time, now);
        if is_contradicted || !self.feed_recent() && past != PastUse::Nothing {
            self.outputs.tell(Event::PastContradicted);
            self.time.begin_anew(self.sources.all_mut());
            for source in self.sources.all_mut() {
                source.has_exact_past = source.has_exact_past.map(|_| false);
            }
            self.feed_recent();
        } else if past == PastUse::Time {
            self.sources.all_mut().iter_mut().for_each(|source| source.resume_polls(began, now));
            self.clock.hurry(now);
        }
        for source in self.sources.all_mut() {
            if source.has_exact_past.take() == Some(false) {
                // The phase of later samples is another one.
                source.archive.forget_before(began);
            }
        }
    }
}
