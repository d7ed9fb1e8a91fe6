//! What a sample does: selection, the estimate, and the clock.

use crate::core::api::event::{Event, Obstacle};
use crate::core::api::measurement::Measurement;
use crate::core::api::settings::Mode;
use crate::core::clock::discipline::Occasion;
use crate::core::engine::Engine;
use crate::core::estimate::{Outcome, Slot};
use crate::core::selection::SourceStatus;
use crate::core::selection::sync_state::VoteCause;
use crate::core::source::poll::{Demand, Place, Urgency};
use crate::core::true_time::{RateFinding, Shown, is_extraordinary};
use crate::time::{ClockReading, Lead, Raw, Span};

impl Engine {
    /// A source has told the time.
    pub(super) fn measured(&mut self, index: usize, measurement: Measurement, now: &ClockReading) {
        let within = self.time.frequency_within(self.selector.sync.is_decided());
        let source = &mut self.sources.all_mut()[index];
        if source.has_turned(within) {
            // What it says now counts, not what it said before.
            source.forget_all_but_last();
        }
        if source.tuned_resolution != measurement.resolution {
            self.time.tune(source);
        }
        if source.reach == 1 {
            // It is back, and may not be the only one.
            self.sources.poll_unreachable_now(now.raw);
        }
        let dispersion_s = self.dispersion_s(&measurement, now);
        self.sources.keep(index, &measurement, dispersion_s);
        self.watch_for_smear(now.raw);
        if self.has_followed_rate(now) {
            return self.plan_next(index, Urgency::Calm, now.raw);
        }
        self.reselect(now.raw, Some(measurement.sample.slot));
        let source = &mut self.sources.all_mut()[index];
        source.conduct.judged(self.selector.is_refused(source.slot));
        if self.selector.sync.is_decided() {
            return self.follow(index, &measurement, now);
        }
        if !source.options.no_select {
            self.selector.sync.answered(now.raw);
        }
        let urgency = if self.selector.sync.is_contested() { Urgency::Contradicted } else { Urgency::Calm };
        self.plan_next(index, urgency, now.raw);
        self.sources.poll_silent_now(now.raw);
        self.report_contested(now);
    }

    /// A sample while the clock is being followed.
    fn follow(&mut self, index: usize, measurement: &Measurement, now: &ClockReading) {
        let slot = measurement.sample.slot;
        if let Some(obstacle) = self.selector.find_obstacle(&self.sources) {
            self.plan_next(index, Urgency::Calm, now.raw);
            return self.cannot_synchronise(obstacle);
        }
        let agrees = self.selector.selection().agreeing.contains(slot);
        if agrees && self.selector.contradicts_estimate(&self.sources, &self.time, now.raw) {
            self.call_vote(index, now.raw);
            return self.report_contested(now);
        }
        self.announce_selection();
        if !self.selector.active().contains(slot) {
            return self.plan_next(index, Urgency::Calm, now.raw);
        }
        if self.time.prior_is_wrong(&self.sources.all()[index]) {
            self.outputs.tell(Event::PriorDiscarded(-self.time.prior_frequency() * 1e6));
            self.time.discard_prior(self.sources.all_mut(), self.selector.active());
            self.plan_next(index, Urgency::Surprised, now.raw);
            return self.correct(Occasion::Update { counts: false }, now);
        }
        let before = self.time.estimate().map(|estimate| estimate.lead_at(now.raw));
        let outcome = self.time.feed(&measurement.sample, self.selector.active());
        let urgency = match outcome {
            Outcome::Used { surprise: false } => Urgency::Calm,
            Outcome::Used { surprise: true } | Outcome::Reacquired => Urgency::Surprised,
            Outcome::Held => Urgency::Contradicted,
        };
        self.plan_next(index, urgency, now.raw);
        if outcome != Outcome::Reacquired && self.selector.selection().agreeing.len() == 1 {
            self.time.follow_lone_source(outcome == Outcome::Held, self.sources.all_mut(), now.raw);
        }
        match outcome {
            Outcome::Used { .. } => {
                self.time.calm_rate(self.sources.all(), self.selector.active());
                self.note_followed(now.raw);
                let opinion = self.selector.opinion();
                self.sources.save_addresses_when_due(&opinion, now.raw, &mut self.outputs);
                let counts = self.selector.selection().best == Some(slot);
                self.correct(Occasion::Update { counts }, now);
            }
            Outcome::Reacquired => self.reacquired(before, now),
            // A jump is believed when most sources tell of it.
            Outcome::Held => {
                self.time.calm_rate(self.sources.all(), self.selector.active());
                self.sources.consult(now.raw);
                self.report_contested(now);
            }
        }
    }

    fn reacquired(&mut self, before: Option<Lead>, now: &ClockReading) {
        let after = self.time.estimate().map(|estimate| estimate.lead_at(now.raw));
        let jump = before.zip(after).map_or(Span::ZERO, |(before, after)| after - before);
        self.sources.forget_archives();
        self.note_contradiction(now.raw);
        if self.selector.selection().agreeing.len() == 1 {
            self.time.follow_lone_jump(jump, self.sources.all_mut(), now.raw);
            if self.time.estimate().is_none() {
                self.time.feed_recent(self.sources.all(), self.selector.active());
            }
        }
        self.note_jump(jump, now.raw);
        self.correct(Occasion::Update { counts: false }, now);
    }

    /// What was known has been found wrong.
    pub(super) fn note_contradiction(&mut self, now: Raw) {
        if self.time.unrest.see(now) {
            self.outputs.tell(Event::Unrest);
        }
    }

    /// True time has jumped against the estimate.
    pub(super) fn note_jump(&mut self, jump: Span, now: Raw) {
        if !self.time.unrest.is_known() {
            self.outputs.tell(Event::Reacquired(jump));
        }
        if self.time.unrest.may_burst(now) {
            // The frequency is in doubt too: a long interval would let the clock stray.
            self.sources.restart_polls(now);
        }
    }

    /// The agreeing sources have been followed.
    pub(super) fn note_followed(&mut self, now: Raw) {
        let selection = self.selector.selection();
        self.time.note_followed(self.sources.all(), selection.active, selection.agreeing.len(), now);
    }

    /// Decides when the source is asked again.
    pub(super) fn plan_next(&mut self, index: usize, urgency: Urgency, now: Raw) {
        let active = self.selector.active();
        // Beside a reference clock servers are only asked to watch it.
        let terms = self.time.poll_terms(active).filter(|_| !self.sources.has_clock(active));
        let demand = terms.map(|terms| Demand {
            active: active.len(),
            wander_squared: terms.wander_squared,
            noise_squared: terms.sample_variance,
        });
        let source = &mut self.sources.all_mut()[index];
        let position = active.iter().position(|member| member == source.slot).unwrap_or(0);
        let place = Place { index: position, of: active.len() };
        source.schedule.answered(now, demand, urgency, place, &mut self.random);
    }

    /// Something stands in the way. Said once, until a source is selected again.
    pub(super) fn cannot_synchronise(&mut self, obstacle: Obstacle) {
        if self.selector.sync.hindered(obstacle) && self.mode == Mode::Discipline {
            self.outputs.tell(Event::CannotSynchronise(obstacle));
        }
        self.notices.forget_selected();
    }

    /// The sources agree.
    pub(super) fn announce_selection(&mut self) {
        self.selector.sync.agreed();
        let best = self.selector.selection().best.and_then(|slot| self.sources.in_slot(slot));
        if let Some(best) = best.filter(|_| self.mode == Mode::Discipline) {
            self.notices.selected(&best.label, &mut self.outputs);
        }
    }

    /// Selects, and tells of sources that have newly fallen out. `fresh` has just answered.
    pub(super) fn reselect(&mut self, now: Raw, fresh: Option<Slot>) {
        let before = self.selector.select(&self.sources, &self.time, &self.settings, now, fresh);
        let (selection, is_decided) = (self.selector.selection(), self.selector.sync.is_decided());
        let mut has_dissent = before.is_majority && !selection.is_majority;
        for source in self.sources.all() {
            let slot = source.slot;
            let was_followed = before.active.contains(slot) && is_decided;
            let is_excused = || self.time.is_rate_in_question(source);
            let has_fallen_out = self.notices.judged(source, selection, is_excused, &self.settings, &mut self.outputs);
            // chronyd has no line for a source that is not trusted either: its letter in selectdata tells.
            let is_untrusted = selection.status[slot.index()] == Some(SourceStatus::Untrusted);
            if was_followed && (has_fallen_out || is_untrusted) {
                self.time.exclude(slot);
            }
            has_dissent |= has_fallen_out && before.agreeing.contains(slot);
        }
        self.recorder.note_selection();
        if has_dissent && is_decided {
            self.sources.consult(now);
        }
    }

    /// Selects, and says whom if that is somebody else.
    pub(super) fn select_anew(&mut self, now: Raw) {
        self.reselect(now, None);
        if self.is_synchronised() && self.selector.selection().is_majority {
            self.announce_selection();
        }
    }

    /// Do the replies show that the counter runs at another rate than was thought? Then the estimate has begun anew.
    fn has_followed_rate(&mut self, now: &ClockReading) -> bool {
        let is_followed = self.selector.sync.has_target();
        match self.time.watch_rate(self.sources.all(), self.selector.active(), is_followed) {
            RateFinding::Nothing => false,
            RateFinding::Other(shown) => {
                self.follow_rate(&shown, now);
                true
            }
            RateFinding::Fickle => {
                self.sources.forget_archives();
                self.time.abandon_rate(self.sources.all_mut());
                self.begin_with_recent(now);
                true
            }
            // Nothing is claimed of the time from now on.
            RateFinding::Beyond(range) => {
                self.selector.sync.call_vote(VoteCause::Start, None);
                self.clock.rest();
                self.cannot_synchronise(Obstacle::RateBeyond { ppm: (-range.middle() * 1e6) as i32 });
                self.clock.report_unsynchronised(&mut self.outputs);
                false
            }
        }
    }

    fn follow_rate(&mut self, shown: &Shown, now: &ClockReading) {
        let rate = shown.range.middle();
        if self.time.has_strong_prior() {
            self.outputs.tell(Event::PriorDiscarded(-self.time.prior_frequency() * 1e6));
        }
        if is_extraordinary(rate) {
            self.outputs.tell(Event::RateFound(-rate * 1e6));
        }
        self.sources.forget_archives();
        self.time.begin_with_rate(shown, self.sources.all_mut());
        self.begin_with_recent(now);
    }

    /// The estimate has begun anew: with what the sources have said last.
    fn begin_with_recent(&mut self, now: &ClockReading) {
        self.selector.sync.elected();
        self.reselect(now.raw, None);
        self.time.feed_recent(self.sources.all(), self.selector.active());
        self.announce_selection();
        self.correct(Occasion::Update { counts: false }, now);
        self.note_followed(now.raw);
    }
}
