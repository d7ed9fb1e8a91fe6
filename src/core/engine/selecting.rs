//! Whom to believe: selection, and what reaches the estimator.

use crate::core::api::event::{Event, Obstacle};
use crate::core::clock::discipline::Occasion;
use crate::core::engine::{Engine, Mode};
use crate::core::estimate::{FrequencyPrior, MAX_SOURCES, Outcome, Slot, Tuning};
use crate::core::selection::{Candidate, Status, select};
use crate::core::source::Source;
use crate::core::source::measurement::Measurement;
use crate::core::source::poll::{Demand, Place, Urgency};
use crate::time::{ClockReading, Lead, Raw, Span};

/// Frequency error assumed until enough samples are in: 100 ppm, more than a crystal is usually off.
const UNKNOWN_RATE: f64 = 1e-4;

/// The least assumed afterwards, in units of `maxclockerror`: our clock has one, and so has the server's.
const CLOCKS: f64 = 2.0;

/// Added to every interval: rounding and time stamping (s).
const INTERVAL_MARGIN_S: f64 = 1e-6;

/// Bounds on the frequency narrower than this prove the initial frequency right or wrong.
pub(super) const PROVEN_WITHIN: f64 = 10e-6;

impl Engine {
    pub(super) fn measured(&mut self, index: usize, measurement: Measurement, now: &ClockReading) {
        if self.has_turned(index) {
            // What it says now counts, not what it said before.
            self.sources[index].forget_all_but_last();
        }
        if self.sources[index].reach == 1 {
            // It is back, and may not be the only one.
            self.hurry_away(now.raw);
        }
        if self.sources[index].tuned_resolution != measurement.resolution {
            self.tune(index);
        }
        self.keep(index, &measurement);
        self.watch_for_smear(now.raw);
        if self.heed_rate(now) {
            return self.plan_next(index, Urgency::Calm, now.raw);
        }
        self.reselect(now.raw, Some(measurement.sample.slot));
        self.judge(index);
        if self.sync.is_decided() {
            return self.follow(index, &measurement, now);
        }
        if !self.sources[index].options.no_select {
            self.sync.answered(now.raw);
        }
        let urgency = if self.sync.is_contested() { Urgency::Contradicted } else { Urgency::Calm };
        self.plan_next(index, urgency, now.raw);
        self.hurry_silent(now.raw);
        self.report_contested(now);
    }

    /// A sample while the clock is being followed.
    fn follow(&mut self, index: usize, measurement: &Measurement, now: &ClockReading) {
        let slot = self.sources[index].slot;
        if !self.selection.is_majority {
            self.plan_next(index, Urgency::Calm, now.raw);
            return self.no_majority();
        }
        if self.selection.agreeing.len() < self.settings.min_sources {
            self.plan_next(index, Urgency::Calm, now.raw);
            return self.cannot_synchronise(Obstacle::NotEnough);
        }
        if !self.has_required() {
            self.plan_next(index, Urgency::Calm, now.raw);
            return self.cannot_synchronise(Obstacle::NoRequired);
        }
        if self.selection.agreeing.contains(slot) && self.contradicts_estimate(now.raw) {
            self.call_vote(index, now.raw);
            return self.report_contested(now);
        }
        self.announce_selection();
        if !self.selection.active.contains(slot) {
            return self.plan_next(index, Urgency::Calm, now.raw);
        }
        if self.prior_is_wrong(index) {
            self.discard_prior();
            self.plan_next(index, Urgency::Surprised, now.raw);
            return self.correct(Occasion::Update { counts: false }, now);
        }
        let before = self.estimator.estimate().map(|estimate| estimate.lead_at(now.raw));
        let outcome = self.estimator.feed(&measurement.sample, &self.selection.active.list());
        let urgency = match outcome {
            Outcome::Used { surprise: false } => Urgency::Calm,
            Outcome::Used { surprise: true } | Outcome::Reacquired => Urgency::Surprised,
            Outcome::Held => Urgency::Contradicted,
        };
        self.plan_next(index, urgency, now.raw);
        match outcome {
            Outcome::Used { .. } => {
                self.calm_rate();
                self.note_backing(now.raw);
                self.save_addresses_when_due(now.raw);
                self.correct(Occasion::Update { counts: self.selection.best == Some(slot) }, now);
            }
            Outcome::Reacquired => self.reacquired(before, now),
            // A jump is believed when most sources tell of it.
            Outcome::Held => {
                self.calm_rate();
                self.consult_all(now.raw);
                self.report_contested(now);
            }
        }
    }

    fn reacquired(&mut self, before: Option<Lead>, now: &ClockReading) {
        let after = self.estimator.estimate().map(|estimate| estimate.lead_at(now.raw));
        let jump = before.zip(after).map_or(Span::ZERO, |(before, after)| after - before);
        self.forget_archives();
        if self.unrest.see(now.raw) {
            self.tell(Event::Unrest);
        }
        self.note_jump(jump, now.raw);
        self.correct(Occasion::Update { counts: false }, now);
    }

    /// True time has jumped against the estimate.
    pub(super) fn note_jump(&mut self, jump: Span, now: Raw) {
        if !self.unrest.is_known() {
            self.tell(Event::Reacquired(jump));
        }
        if self.unrest.may_burst(now) {
            // The frequency is in doubt too: a long interval would let the clock stray.
            self.restart_all(now);
        }
    }

    /// A drift file can be wrong: two samples of one server bound the frequency, whatever the file says.
    fn prior_is_wrong(&mut self, index: usize) -> bool {
        if self.prior_is_proven {
            return false;
        }
        let Some((frequency, margin)) = frequency_bounds(&self.sources[index]) else { return false };
        self.prior_is_proven = margin < PROVEN_WITHIN;
        (self.first_frequency() - frequency).abs() > margin + 3.0 * self.prior.sd
    }

    fn discard_prior(&mut self) {
        self.tell(Event::PriorDiscarded(-self.prior.frequency * 1e6));
        self.prior = FrequencyPrior::unknown();
        self.prior_is_proven = true;
        self.estimator.restart(self.prior);
        for index in 0..self.sources.len() {
            self.tune(index);
        }
        self.feed_recent();
    }

    pub(super) fn plan_next(&mut self, index: usize, urgency: Urgency, now: Raw) {
        let demand = self.demand();
        let slot = self.sources[index].slot;
        let active = self.selection.active;
        let position = active.iter().position(|member| member == slot).unwrap_or(0);
        let place = Place { index: position, of: active.len() };
        self.sources[index].schedule.answered(now, demand, urgency, place, &mut self.random);
    }

    fn demand(&self) -> Option<Demand> {
        let active = self.selection.active.list();
        let terms = self.estimator.poll_terms(&active)?;
        Some(Demand {
            active: active.len(),
            wander_squared: terms.wander_squared,
            noise_squared: terms.sample_variance,
        })
    }

    pub(super) fn has_required(&self) -> bool {
        let mut required = self.sources.iter().filter(|source| source.options.require).peekable();
        let is_required = required.peek().is_some() || self.unresolved().any(|(_, line)| line.config.options.require);
        !is_required || required.any(|source| self.selection.agreeing.contains(source.slot))
    }

    pub(super) fn no_majority(&mut self) {
        if self.selection.voters == 0 {
            let unreachable = self.sources.iter().filter(|source| source.reach == 0).count();
            return self.cannot_synchronise(Obstacle::NoSelectableSources { unreachable });
        }
        let agreeing = self.selection.agreeing.len();
        self.cannot_synchronise(Obstacle::NoMajority { agreeing, voters: self.selection.voters });
    }

    /// Said once, until a source is selected again.
    pub(super) fn cannot_synchronise(&mut self, obstacle: Obstacle) {
        if self.sync.hindered(obstacle) && self.mode == Mode::Discipline {
            self.tell(Event::CannotSynchronise(obstacle));
        }
        self.announced.selected = None;
    }

    pub(super) fn announce_selection(&mut self) {
        self.sync.agreed();
        let best = self.selection.best.and_then(|slot| self.sources.iter().find(|source| source.slot == slot));
        let Some(label) = best.map(|source| source.label.clone()) else { return };
        if self.announced.selected.as_ref() != Some(&label) && self.mode == Mode::Discipline {
            self.tell(Event::Selected(label.clone()));
            self.announced.selected = Some(label);
        }
    }

    /// Selects, and tells of sources that have newly fallen out. `fresh` has just answered.
    pub(super) fn reselect(&mut self, now: Raw, fresh: Option<Slot>) {
        let (candidates, count) = self.candidates(now);
        let witness_s = self.witness_s(now);
        let selection = select(&candidates[..count], witness_s, &self.settings, &mut self.favourite, fresh);
        let mut has_dissent = false;
        for index in 0..self.sources.len() {
            let source = &self.sources[index];
            let status = selection.status[source.slot.index()];
            let is_news = status != self.announced.status[source.slot.index()];
            let label = || source.label.clone();
            if status == Some(Status::Untrusted)
                && self.selection.active.contains(source.slot)
                && self.sync.is_decided()
            {
                // chronyd has no line for that either: its letter in selectdata tells.
                self.estimator.exclude(source.slot);
            }
            let event = match status.filter(|_| is_news) {
                Some(Status::Falseticker) if selection.is_majority && !self.is_rate_in_question(source) => {
                    Event::Falseticker(label())
                }
                Some(Status::TooDistant) => Event::TooDistant(label(), self.settings.max_distance_s),
                Some(Status::TooJittery) => Event::TooJittery(label(), self.settings.max_jitter_s),
                Some(Status::BadStratum) if source.last.is_some_and(|m| m.stratum < self.settings.min_stratum) => {
                    Event::StratumBelow(label(), self.settings.min_stratum)
                }
                Some(Status::BadStratum) => Event::StratumAbove(label(), self.settings.max_stratum),
                _ => {
                    if status == Some(Status::Active) {
                        self.announced.status[source.slot.index()] = None;
                    }
                    continue;
                }
            };
            let slot = source.slot;
            self.announced.status[slot.index()] = status;
            has_dissent |= self.selection.agreeing.contains(slot);
            if self.selection.active.contains(slot) && self.sync.is_decided() {
                self.estimator.exclude(slot);
            }
            self.tell(event);
        }
        has_dissent |= self.selection.is_majority && !selection.is_majority;
        self.selection = selection;
        self.recorder.note_selection();
        if has_dissent && self.sync.is_decided() {
            self.consult_all(now);
        }
    }

    pub(super) fn candidates(&self, now: Raw) -> ([Candidate; MAX_SOURCES], usize) {
        let mut list = [Candidate::NONE; MAX_SOURCES];
        let mut count = 0;
        let (reference, rate) = (self.reference_lead(now), self.rate_bound());
        let frequency = self.estimator.estimate().map_or(self.first_frequency(), |estimate| estimate.frequency);
        for source in &self.sources {
            let is_unprotected = !source.authentication().is_sufficient();
            let is_out = source.options.no_select || is_unprotected || self.is_away(source);
            let Some((lead, bound_s)) = source.interval(now, frequency, rate).filter(|_| !is_out) else { continue };
            let stratum = source.last.map_or(16, |last| last.stratum);
            list[count] = Candidate {
                slot: source.slot,
                centre_s: (lead - reference).secs_f64(),
                distance_s: bound_s + INTERVAL_MARGIN_S,
                jitter_s: self.estimator.path_noise(source.slot).map_or(0.0, |noise| noise.jitter_s),
                stratum,
                trust: source.options.trust,
                prefer: source.options.prefer,
            };
            count += 1;
        }
        (list, count)
    }

    /// It has not answered for longer than its word counts, or is not to be asked.
    pub(super) fn is_away(&self, source: &Source) -> bool {
        let is_overdue = || source.empty_polls > source.options.max_unreach;
        source.reach == 0 && (source.schedule.is_offline() || is_overdue())
    }

    /// Any lead near the truth will do: it keeps the numbers small.
    pub(super) fn reference_lead(&self, now: Raw) -> Lead {
        let measured = || self.sources.iter().find_map(|source| source.last).map(|last| last.sample.lead);
        let estimated = self.estimator.estimate().map(|estimate| estimate.lead_at(now));
        estimated.or_else(measured).unwrap_or(Lead::from_nanos(0))
    }

    /// How fast an old answer loses its worth.
    pub(super) fn rate_bound(&self) -> f64 {
        let sd = self.estimator.estimate().map_or(self.prior.sd, |estimate| estimate.frequency_sd());
        let least = self.least_rate();
        (3.0 * sd).clamp(least, UNKNOWN_RATE.max(least))
    }

    /// How far clocks that are known well may stray all the same.
    pub(super) fn least_rate(&self) -> f64 {
        CLOCKS * self.settings.max_clock_error_ppm * 1e-6
    }

    /// Tells the estimator what the configuration says of a source.
    pub(super) fn tune(&mut self, index: usize) {
        let resolution = self.sources[index].last.map_or(Span::ZERO, |last| last.resolution);
        self.sources[index].tuned_resolution = resolution;
        let (options, settings) = (&self.sources[index].options, &self.settings);
        let tuning = Tuning {
            min_delay_s: options.min_delay_s,
            asymmetry: options.asymmetry,
            min_samples: options.min_samples.unwrap_or(settings.min_samples),
            max_samples: options.max_samples.unwrap_or(settings.max_samples),
            resolution_s: resolution.secs_f64(),
        };
        self.estimator.tune(self.sources[index].slot, tuning);
    }

    /// The middle of what the agreeing sources have in common.
    pub(super) fn agreed_lead(&self, now: Raw) -> Lead {
        let (low_s, high_s) = self.agreed_s(now);
        self.reference_lead(now) + Span::from_secs_f64(0.5 * (low_s + high_s))
    }

    /// The ends of what they have in common, from the reference lead.
    pub(super) fn agreed_s(&self, now: Raw) -> (f64, f64) {
        let (candidates, count) = self.candidates(now);
        let agreeing = candidates[..count].iter().filter(|c| self.selection.agreeing.contains(c.slot));
        agreeing.fold((f64::NEG_INFINITY, f64::INFINITY), |(low, high), c| {
            (low.max(c.centre_s - c.distance_s), high.min(c.centre_s + c.distance_s))
        })
    }
}

/// What the oldest and the newest recent answer of a source say about the frequency, with hard bounds.
pub(super) fn frequency_bounds(source: &Source) -> Option<(f64, f64)> {
    let (first, last) = (source.recent().next()?, source.recent().last()?);
    let apart_s = (last.sample.at - first.sample.at).secs_f64();
    let margin_s = ((first.sample.delay + last.sample.delay).half() + first.resolution + last.resolution).secs_f64();
    (apart_s > 1.0).then(|| ((last.sample.lead - first.sample.lead).secs_f64() / apart_s, margin_s / apart_s))
}
