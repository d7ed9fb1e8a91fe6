//! From the estimate to the clock: corrections, error bounds, leap seconds, the drift file, and gaps in time.

use crate::core::api::command::{Applied, ClockCommand, ClockReport};
use crate::core::api::event::{Event, Obstacle};
use crate::core::clock::discipline::{Decision, Occasion};
use crate::core::clock::drift::DriftRecord;
use crate::core::clock::expected_clock::{self, Deviation};
use crate::core::clock::foreign_adjustments::Sight;
use crate::core::clock::slew;
use crate::core::clock::update_history::Reference;
use crate::core::engine::acquisition::UNKNOWN_FREQUENCY;
use crate::core::engine::exchanges::UNREACHABLE_AFTER;
use crate::core::engine::selecting::frequency_bounds;
use crate::core::engine::{Engine, Floor, Mode, Output};
use crate::core::estimate::{Estimate, MAX_SOURCES};
use crate::core::source::Source;
use crate::time::{ClockReading, Leap, Raw, Span};

/// A frequency less certain than this is not worth keeping in the drift file: half of what is assumed without one.
pub(super) const KEEP_FREQUENCY_SD: f64 = 5e-5;

/// Bound of a normal error, in standard deviations.
pub(super) const BOUND_SIGMAS: f64 = 3.0;

/// A clock that is off a good estimate by more than this many standard deviations has strayed while nobody watched.
const STRAYED_SIGMAS: f64 = 2.0;

/// Sleep shorter than this is rounding between two clocks.
const LEAST_SLEEP: Span = Span::from_millis(100);

/// Woken this much too late, we were stopped: by a signal, a freezer, or the pause of a virtual machine.
const LATE: Span = Span::from_secs(10);

/// The raw counter may run at another rate after a sleep (another temperature, another host).
const FREQUENCY_SD_AFTER_SLEEP: f64 = 1e-6;

/// The kernel measures the length of a sleep by the hardware clock: to a second.
pub(super) const PHASE_SD_AFTER_SLEEP_S: f64 = 1.0;

impl Engine {
    /// The frequency is set before the first packet, and an impossible time is put right as far as it can be.
    pub(super) fn prepare_clock(&mut self, floor: Floor, now: &ClockReading) {
        if self.mode == Mode::MeasureOnce {
            return;
        }
        let frequency = self.discipline.coast(self.first_frequency());
        self.emit(Output::Clock(frequency));
        let behind = floor.utc - now.utc;
        if behind > Span::ZERO {
            self.emit(Output::Clock(ClockCommand::Step { by: behind }));
            self.tell(Event::MovedToFloor { from_drift_file: floor.from_drift_file, by: behind });
        }
        self.report_unsynchronised();
    }

    /// Brings the clock to the estimate.
    pub(super) fn correct(&mut self, occasion: Occasion, now: &ClockReading) {
        let Some(estimate) = self.estimator.estimate() else { return };
        let error = estimate.true_time(now.raw) - now.utc;
        if self.mode != Mode::Discipline {
            self.record_update(&estimate, now, error, Span::ZERO);
            return self.correct_once(error);
        }
        self.look_for_leap(&estimate, now.raw);
        let frequency = self.believable_frequency(&estimate);
        // What somebody else did, or a sleep, is no noise.
        let is_update = matches!(occasion, Occasion::Update { .. });
        let remaining = self.discipline.remaining(now);
        let has_strayed =
            self.memory.hurries(now.raw) && error.secs_f64().abs() > STRAYED_SIGMAS * estimate.offset_sd_s(now.raw);
        let decay_s = if is_update && !has_strayed { self.decay_s(&estimate, error) } else { 0.0 };
        let is_first = self.discipline.is_untouched();
        match self.discipline.decide(now, error, frequency, decay_s, occasion) {
            Decision::Command(command) => {
                if is_first && self.initial_until.is_some() {
                    self.tell(Event::InitialOffset(error, matches!(command, ClockCommand::Step { .. })));
                }
                self.fallback.update(frequency, now.raw);
                let is_known = occasion == Occasion::ForeignChange && self.rivalry.is_silent();
                if occasion != Occasion::Continuation && !is_known {
                    self.announce_error(error);
                }
                let is_step = matches!(command, ClockCommand::Step { .. });
                if is_step && occasion != Occasion::ForeignChange {
                    self.note_step(now.raw);
                }
                match command {
                    ClockCommand::Step { by } => self.step(by, frequency),
                    _ => self.emit(Output::Clock(command)),
                }
                self.note_update(&estimate, now, remaining - error, occasion, is_step);
                self.report(&estimate, now, if is_step { Span::ZERO } else { error.abs() });
                self.record_update(&estimate, now, error, remaining);
                self.save_when_due(&estimate, now.raw);
            }
            Decision::Refuse { limit_s, give_up } => {
                self.tell(Event::MaxChange { offset: error, limit_s, exiting: give_up });
                if give_up {
                    self.finish(false);
                }
            }
        }
    }

    /// Steps the clock, which then runs at this frequency.
    pub(super) fn step(&mut self, by: Span, frequency: f64) {
        self.emit(Output::Clock(ClockCommand::Step { by }));
        let steady = self.discipline.coast(frequency);
        self.emit(Output::Clock(steady));
    }

    /// For people: the sources have been obeyed, and the clock was `ahead` of where it was thought to be.
    fn note_update(&mut self, estimate: &Estimate, now: &ClockReading, ahead: Span, occasion: Occasion, is_step: bool) {
        let is_told = matches!(occasion, Occasion::Update { .. } | Occasion::ProvenGap);
        let known = self.chronicle.update.map(|update| update.reference);
        if let Some(reference) = self.reference().or(known).filter(|_| is_told) {
            self.chronicle.updated(now.raw, estimate.true_time(now.raw), reference, ahead, is_step);
        }
    }

    /// How fast a slew should take out the error, in seconds. The next news comes from whichever source is asked next.
    pub(super) fn decay_s(&self, estimate: &Estimate, error: Span) -> f64 {
        let active = self.selection.active;
        let members = self.sources.iter().filter(|source| active.contains(source.slot));
        let shortest = members.map(|source| source.schedule.interval()).min().unwrap_or(Span::ZERO);
        let news = shortest.scaled((active.len().max(1) as f64).recip());
        self.estimator.poll_terms(&active.list()).map_or(0.0, |terms| slew::decay_s(estimate, &terms, error, news))
    }

    /// The next part of a correction larger than one slew.
    pub(super) fn continue_slew(&mut self, now: &ClockReading) {
        if self.discipline.continue_at().is_some_and(|at| at <= now.raw)
            && let Some(estimate) = self.estimator.estimate()
        {
            let error = estimate.true_time(now.raw) - now.utc;
            let frequency = self.believable_frequency(&estimate);
            if let Decision::Command(command) =
                self.discipline.decide(now, error, frequency, 0.0, Occasion::Continuation)
            {
                self.emit(Output::Clock(command));
            }
        }
    }

    /// `fallbackdrift`: there has been no update for too long to trust the last frequency.
    pub(super) fn fall_back(&mut self, now: Raw) {
        let silence = self.estimator.estimate().map_or(Span::ZERO, |estimate| now - estimate.at);
        let Some(frequency) = self.fallback.take(now).filter(|_| self.mode == Mode::Discipline) else { return };
        let command = self.discipline.fall_back(now, frequency);
        self.emit(Output::Clock(command));
        self.report_unsynchronised();
        self.sync.hindered(Obstacle::NoSelectableSources { unreachable: self.sources.len() });
        self.tell(Event::FallenBack(silence, -frequency * 1e6));
    }

    /// The clock did this.
    pub(super) fn applied(&mut self, applied: Applied, now: ClockReading) {
        self.discipline.applied(applied, now);
        let was_refused = self.chronicle.is_refused;
        self.chronicle.applied(applied, now.raw);
        if self.chronicle.is_refused != was_refused && self.mode == Mode::Discipline {
            self.tell(if was_refused { Event::ClockObeys } else { Event::ClockRefused });
        }
        if self.announced.one_shot {
            self.finish(!self.chronicle.is_refused);
        }
        match applied {
            Applied::Stepped { .. } if self.leap.take_step() => self.stepped_for_leap(&now),
            Applied::Stepped { by } if self.mode == Mode::Discipline && self.has_target() => {
                if self.rivalry.was_silent_step() {
                    return;
                }
                self.tell(Event::Stepped(by));
            }
            Applied::Observed { is_step: true } if !self.announced.step_failed => {
                self.announced.step_failed = true;
                self.tell(Event::StepFailed);
            }
            Applied::TaiSet { tai_s } => self.tell(Event::TaiOffset(tai_s)),
            Applied::Failed { .. } => {
                self.leap.take_step();
            }
            _ => {}
        }
    }

    /// Has the machine slept, or has somebody else set the clock?
    pub(super) fn notice_gaps(&mut self, now: &ClockReading) {
        self.pass_leap(now);
        let slept = now.slept - self.slept;
        self.slept = now.slept;
        if slept > LEAST_SLEEP {
            self.tell(Event::Slept(slept));
            self.discipline.accept(*now);
            self.estimator.distrust(PHASE_SD_AFTER_SLEEP_S, FREQUENCY_SD_AFTER_SLEEP);
            return self.call_vote_after_gap(now.raw);
        }
        if self.promised.take().is_some_and(|at| now.raw - at > LATE) {
            // This process, or the whole machine, stood still while the counter went on: not a word is up to date.
            self.changes.note(now.raw);
        }
        match self.discipline.deviation(now) {
            Some(deviation) if deviation.cause != expected_clock::Cause::Ours => self.put_right(deviation, now),
            _ => self.rivalry.calm(),
        }
    }

    /// Undoes what somebody else did to the clock.
    fn put_right(&mut self, deviation: Deviation, now: &ClockReading) {
        let sight = self.rivalry.see(now.raw);
        match sight {
            Sight::TooSoon => return,
            Sight::Known => {}
            Sight::Rivalry => self.tell(Event::Interference),
            Sight::Single if deviation.cause == expected_clock::Cause::Set => {
                self.tell(Event::ForeignChange(deviation.by))
            }
            Sight::Single => self.tell(Event::ForeignSteering(deviation.by)),
        }
        self.chronicle.changed_by_others();
        if deviation.cause == expected_clock::Cause::Set {
            self.rivalry.was_set(deviation.by, now.raw);
        }
        self.discipline.accept(*now);
        if self.has_target() {
            // The estimate does not depend on the system clock: it is as good as before.
            self.correct(Occasion::ForeignChange, now);
            if sight == Sight::Single {
                self.sources.iter_mut().for_each(|source| source.schedule.hurry(now.raw));
            }
        }
    }

    /// Bound on the error of the estimate: what the best path can hide, but no less than what a minority of liars could have
    /// made of it.
    pub(super) fn bound(&self, estimate: &Estimate, now: Raw) -> Span {
        self.bound_by_best_path(estimate, now).max(self.bound_despite_liars(estimate, now))
    }

    /// The asymmetry of the best path counts in full, because no protocol can see it. It is about that source's own time,
    /// which the estimate may not share.
    fn bound_by_best_path(&self, estimate: &Estimate, now: Raw) -> Span {
        let active = self.sources.iter().filter(|source| self.selection.active.contains(source.slot));
        let asymmetry = active.filter_map(|source| Some(self.hidden_by_path(source)? + self.apart(source))).min();
        // Those it came from may have been deleted.
        let asymmetry = asymmetry.unwrap_or(self.backing.hidden());
        Span::from_secs_f64(BOUND_SIGMAS * estimate.offset_sd_s(now)) + asymmetry + self.strayed(estimate, now)
    }

    /// As long as a majority of the sources is honest, one of any f + 1 of them is, where f = floor((n - 1) / 2). True time
    /// lies in the interval of an honest source, so that the estimate is wrong by no more than the far end of that interval
    /// is away. The nearest of the far ends may be lies; the one after f nearer ones cannot be exceeded by all honest ones.
    fn bound_despite_liars(&self, estimate: &Estimate, now: Raw) -> Span {
        let rate = self.rate_bound().max(self.rate_despite_liars(estimate).min(UNKNOWN_FREQUENCY));
        let far_end_s = |source: &Source| {
            let interval = source.interval(now, estimate.frequency, rate);
            interval.map_or(f64::INFINITY, |(lead, distance_s)| {
                (lead - estimate.lead_at(now)).secs_f64().abs() + distance_s
            })
        };
        nearest_of_a_majority(self.present().map(far_end_s)).map_or(Span::ZERO, Span::from_secs_f64)
    }

    /// How far the frequency may be wrong by what a majority of the sources says of it, each by its own answers alone.
    fn rate_despite_liars(&self, estimate: &Estimate) -> f64 {
        let far_end = |source: &Source| {
            let bounds = frequency_bounds(source);
            bounds.map_or(f64::INFINITY, |(frequency, margin)| (frequency - estimate.frequency).abs() + margin)
        };
        nearest_of_a_majority(self.present().map(far_end)).unwrap_or(0.0)
    }

    /// Those that answer, or may still do so.
    fn present(&self) -> impl Iterator<Item = &Source> {
        let may_answer =
            |source: &Source| source.schedule.unanswered() < UNREACHABLE_AFTER && !source.schedule.is_offline();
        let is_present = move |source: &&Source| !source.options.no_select && (source.reach != 0 || may_answer(source));
        self.sources.iter().filter(is_present)
    }

    /// How far the estimate is from what this source says.
    pub(super) fn apart(&self, source: &Source) -> Span {
        Span::from_secs_f64(self.estimator.bias_s(source.slot).abs())
    }

    /// How far the clock may have strayed since the last sample (`maxclockerror`).
    pub(super) fn strayed(&self, estimate: &Estimate, now: Raw) -> Span {
        let since = (now - estimate.at).max(Span::ZERO);
        since.scaled(self.settings.max_clock_error_ppm * 1e-6) + self.strayed_by_rate(since)
    }

    /// The best source, as it describes itself.
    pub(super) fn reference(&self) -> Option<Reference> {
        let best = self.sources.iter().find(|source| self.selection.best == Some(source.slot))?;
        let last = best.last.as_ref()?;
        let path = self.estimator.path_noise(best.slot);
        let delay_s = path.map_or(last.sample.delay.secs_f64(), |path| path.min_delay_s);
        Some(Reference {
            address: best.address.ip(),
            stratum: last.stratum,
            root_delay_s: last.root_delay.secs_f64() + delay_s,
            root_dispersion_s: last.root_dispersion.secs_f64(),
        })
    }

    /// What the asymmetry of its path and the server's own bound may hide.
    pub(super) fn hidden_by_path(&self, source: &Source) -> Option<Span> {
        let path = self.estimator.path_noise(source.slot)?;
        Some(Span::from_secs_f64(0.5 * path.min_delay_s) + source.last?.root_bound())
    }

    fn correct_once(&mut self, error: Span) {
        let is_step = self.mode == Mode::SetOnce;
        self.tell(Event::OneShot(error, is_step));
        if !is_step {
            return self.finish(true);
        }
        self.announced.one_shot = true;
        self.emit(Output::Clock(ClockCommand::Step { by: error }));
    }

    /// `maxupdateskew`: an uncertain frequency is not applied, the one in force is kept.
    pub(super) fn believable_frequency(&self, estimate: &Estimate) -> f64 {
        if estimate.frequency_sd() * 1e6 > self.settings.max_update_skew_ppm {
            return self.discipline.frequency().unwrap_or(self.first_frequency());
        }
        estimate.frequency
    }

    /// A clock that may only be observed stays wrong: the same error is announced once.
    fn announce_error(&mut self, error: Span) {
        let limit = Span::from_secs_f64(self.settings.log_change_s);
        if (error - self.announced.error).abs() > limit {
            self.announced.error = error;
            if error.abs() > limit && !self.unrest.is_known() {
                self.tell(Event::ClockWrong(error));
            }
        }
    }

    /// `left` is still to be slewed.
    pub(super) fn report(&mut self, estimate: &Estimate, now: &ClockReading, left: Span) {
        let est_error = expected_error(estimate, now.raw, left);
        // The kernel lets its bound grow by 500 ppm only until it is told again.
        let until_news = self.next_request().map_or(Span::ZERO, |at| at - now.raw).max(Span::ZERO);
        let max_error = self.maximum_error(estimate, now.raw, left) + self.strayed_by_rate(until_news);
        let synchronized = self.settings.rtc_sync && self.is_synchronised();
        let report = ClockReport { synchronized, max_error, est_error, leap: self.leap.armed() };
        self.emit(Output::Clock(ClockCommand::Report(report)));
    }

    /// While there is a vote against what is known, either may be right; and so it is while our rate is in doubt.
    pub(super) fn report_contested(&mut self, now: &ClockReading) {
        let is_contested = self.sync.is_contested() || self.sync.is_decided() && self.is_rate_doubted();
        if let Some(estimate) = self.estimator.estimate().filter(|_| is_contested && self.mode == Mode::Discipline) {
            let left = (estimate.true_time(now.raw) - now.utc).abs();
            self.report(&estimate, now, left);
        }
    }

    pub(super) fn report_unsynchronised(&mut self) {
        let worst = Span::from_secs(16);
        let report = ClockReport { synchronized: false, max_error: worst, est_error: worst, leap: Leap::Normal };
        self.emit(Output::Clock(ClockCommand::Report(report)));
    }

    fn save_when_due(&mut self, estimate: &Estimate, now: Raw) {
        let age = now - *self.saved_at.get_or_insert(now);
        if age < self.drift_interval || estimate.frequency_sd() > KEEP_FREQUENCY_SD {
            return;
        }
        let record = DriftRecord::new(estimate.frequency - self.known_rate(), estimate.frequency_sd());
        if self.saved.is_none_or(|saved| saved.is_worth_replacing(&record, age)) {
            self.saved_at = Some(now);
            self.saved = Some(record);
            self.emit(Output::Save(record));
        }
    }
}

/// Root mean square of the error to be expected of a clock that is off the estimate by `left`.
pub(super) fn expected_error(estimate: &Estimate, now: Raw, left: Span) -> Span {
    Span::from_secs_f64(libm::hypot(estimate.offset_sd_s(now), left.secs_f64()))
}

/// With n sources of which a majority is honest, one of the f + 1 nearest is, where f = floor((n - 1) / 2). Those that have
/// said nothing count among the n, with a far end that is infinite. `None` if nobody has said anything.
fn nearest_of_a_majority(far_ends: impl Iterator<Item = f64>) -> Option<f64> {
    let mut list = [f64::INFINITY; MAX_SOURCES];
    let count = list.iter_mut().zip(far_ends).map(|(place, far_end)| *place = far_end).count();
    let list = &mut list[..count];
    list.sort_unstable_by(f64::total_cmp);
    let liars = count.saturating_sub(1) / 2;
    list[..(liars + 1).min(count)].iter().rev().copied().find(|far_end| far_end.is_finite())
}
