//! Brings the clock to the estimate, tells the kernel how far it can be trusted, and notices what others do to it.

use crate::core::api::command::{Applied, ClockCommand};
use crate::core::api::drift::DriftRecord;
use crate::core::api::event::Event;
use crate::core::api::output::Outputs;
use crate::core::api::settings::{MakeStep, Mode, Settings};
use crate::core::clock::View;
use crate::core::clock::discipline::{Decision, Discipline, Occasion};
use crate::core::clock::expected_clock::Cause;
use crate::core::clock::fallback_drift::Fallback;
use crate::core::clock::foreign_adjustments::{ForeignAdjustments, Sight};
use crate::core::clock::leap::{LeapTable, LeapWatch};
use crate::core::clock::slew;
use crate::core::clock::temperature::{TempCorrection, Temperature};
use crate::core::clock::update_history::UpdateHistory;
use crate::core::estimate::Estimate;
use crate::core::selection::sync_state::SyncState;
use crate::core::true_time::TrueTime;
use crate::time::{ClockReading, Raw, Span};

/// A clock that is off a good estimate by more than this many standard deviations has strayed while nobody watched.
const STRAYED_SIGMAS: f64 = 2.0;

/// Sleep shorter than this is rounding between two clocks.
const LEAST_SLEEP: Span = Span::from_millis(100);

/// Woken this much too late, we were stopped: by a signal, a freezer, or the pause of a virtual machine.
const LATE: Span = Span::from_secs(10);

/// What the clock has strayed while nobody watched is no noise: the corrections of this long are quick, if it is known.
const HURRY: Span = Span::from_secs(16);

/// The clock, as it was told to run.
pub(in crate::core) struct ClockControl {
    pub(super) mode: Mode,
    pub(super) discipline: Discipline,
    fallback: Fallback,
    foreign: ForeignAdjustments,
    pub(super) temperature: Option<Temperature>,
    /// Leap seconds to come.
    pub(in crate::core) leap: LeapWatch,
    /// What has happened to the clock.
    pub(in crate::core) history: UpdateHistory,
    pub(super) drift_interval: Span,
    pub(super) saved_at: Option<Raw>,
    pub(super) saved: Option<DriftRecord>,
    slept: Span,
    /// A step that has been ordered, and not been made yet.
    ordered_step: Span,
    /// When the next wake-up was to be.
    promised: Option<Raw>,
    /// The clock is brought to the estimate without regard to smoothness until then.
    hurries_until: Option<Raw>,
    told_error: Span,
    has_told_of_failed_step: bool,
    /// One-shot mode: the clock was told to step, and the answer decides how the run ends.
    has_set_once: bool,
    /// `rtcsync`.
    pub(super) reports_synchronised: bool,
    log_change: Span,
    /// `maxupdateskew`.
    pub(in crate::core) max_update_skew_ppm: f64,
}

/// A correction that was made.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::core) struct Correction {
    /// What the clock is brought to.
    pub(in crate::core) estimate: Estimate,
    /// How far the clock was behind.
    pub(in crate::core) error: Span,
    /// How much of that was still to be slewed from before.
    pub(in crate::core) remaining: Span,
    /// The clock was stepped, and not only put back.
    pub(in crate::core) is_step: bool,
}

impl ClockControl {
    /// A clock that nothing has been done to.
    pub(in crate::core) fn new(
        settings: &Settings,
        mode: Mode,
        drift_interval: Span,
        leap_table: Option<LeapTable>,
        now: &ClockReading,
    ) -> Self {
        ClockControl {
            mode,
            discipline: Discipline::new(settings),
            fallback: Fallback::new(settings.fallback_drift),
            foreign: ForeignAdjustments::default(),
            temperature: settings.temp_comp.clone().map(|compensation| Temperature::new(compensation, now.raw)),
            leap: LeapWatch::new(settings, leap_table, now.raw),
            history: UpdateHistory::new(now.raw),
            drift_interval,
            saved_at: None,
            saved: None,
            ordered_step: Span::ZERO,
            slept: now.slept,
            promised: None,
            hurries_until: None,
            told_error: Span::ZERO,
            has_told_of_failed_step: false,
            has_set_once: false,
            reports_synchronised: settings.rtc_sync,
            log_change: Span::from_secs_f64(settings.log_change_s),
            max_update_skew_ppm: settings.max_update_skew_ppm,
        }
    }

    /// How often the clock was corrected.
    pub(in crate::core) fn updates(&self) -> u32 {
        self.discipline.updates()
    }

    /// Is the clock following the sources?
    pub(in crate::core) fn is_synchronised(&self, sync: &SyncState) -> bool {
        sync.is_synchronised() && !self.history.is_refused
    }

    /// The clock does as it is told, as far as it has been told anything.
    pub(in crate::core) fn is_controlled(&self) -> bool {
        !self.history.is_observed && !self.history.is_refused
    }

    /// The frequency in force, of true time against the counter.
    pub(in crate::core) fn frequency(&self, time: &TrueTime) -> f64 {
        self.discipline.frequency().unwrap_or(time.first_frequency())
    }

    /// The clock has been told where true time is.
    pub(in crate::core) fn has_target(&self) -> bool {
        self.discipline.frequency().is_some()
    }

    /// The clocks as they will be when a step that has been ordered has been made. What else is decided upon the same input
    /// goes by this: the step would be made twice otherwise.
    pub(in crate::core) fn after_ordered_step(&self, now: &ClockReading) -> ClockReading {
        ClockReading { utc: now.utc + self.ordered_step, ..*now }
    }

    /// What is left of the corrections decided so far. Positive: the clock is behind.
    pub(in crate::core) fn remaining(&self, now: &ClockReading) -> Span {
        self.discipline.remaining(now)
    }

    /// There has been no correction yet.
    pub(in crate::core) fn is_untouched(&self) -> bool {
        self.discipline.is_untouched()
    }

    /// The clock runs at this frequency; its phase is left alone.
    pub(in crate::core) fn coast(&mut self, frequency: f64, outputs: &mut Outputs) {
        outputs.command(self.discipline.coast(frequency));
    }

    /// Brings the clock to the estimate. `None`: nothing was done.
    pub(in crate::core) fn correct(
        &mut self,
        occasion: Occasion,
        view: &View<'_>,
        outputs: &mut Outputs,
    ) -> Option<Correction> {
        let (estimate, now) = (view.time.estimate()?, view.now);
        let error = view.error(&estimate);
        if self.mode != Mode::Discipline {
            self.correct_once(error, outputs);
            return Some(Correction { estimate, error, remaining: Span::ZERO, is_step: false });
        }
        self.look_for_leap(&estimate, view, outputs);
        let frequency = self.credible_frequency(&estimate, view.time);
        // What somebody else did, or a sleep, is no noise.
        let is_update = matches!(occasion, Occasion::Update { .. });
        let remaining = self.discipline.remaining(now);
        let hurries = self.hurries_until.is_some_and(|until| now.raw < until);
        let has_strayed = hurries && error.secs_f64().abs() > STRAYED_SIGMAS * estimate.offset_sd_s(now.raw);
        let decay_s = if is_update && !has_strayed { decay_s(&estimate, error, view) } else { 0.0 };
        let is_first = self.discipline.is_untouched();
        let command = match self.discipline.decide(now, error, frequency, decay_s, occasion) {
            Decision::Command(command) => command,
            Decision::Refuse { limit_s, give_up } => {
                outputs.tell(Event::MaxChange { offset: error, limit_s, exiting: give_up });
                if give_up {
                    outputs.finish(false);
                }
                return None;
            }
        };
        let is_step = matches!(command, ClockCommand::Step { .. });
        if is_first && view.sources.initial_until().is_some() {
            outputs.tell(Event::InitialOffset(error, is_step));
        }
        self.fallback.update(frequency, now.raw);
        let is_known = occasion == Occasion::ForeignChange && self.foreign.is_silent();
        if occasion != Occasion::Continuation && !is_known {
            self.tell_error(error, view.time, outputs);
        }
        match command {
            ClockCommand::Step { by } => self.step(by, frequency, outputs),
            _ => outputs.command(command),
        }
        self.note_update(&estimate, remaining - error, occasion, is_step, view);
        self.report(&estimate, if is_step { Span::ZERO } else { error.abs() }, view, outputs);
        self.save_when_due(&estimate, view, outputs);
        Some(Correction { estimate, error, remaining, is_step: is_step && occasion != Occasion::ForeignChange })
    }

    /// Steps the clock, which then runs at this frequency.
    fn step(&mut self, by: Span, frequency: f64, outputs: &mut Outputs) {
        if self.is_controlled() {
            self.ordered_step = by;
        }
        outputs.command(ClockCommand::Step { by });
        outputs.command(self.discipline.coast(frequency));
    }

    /// For people: the sources have been followed, and the clock was `ahead` of where it was thought to be.
    fn note_update(&mut self, estimate: &Estimate, ahead: Span, occasion: Occasion, is_step: bool, view: &View<'_>) {
        let is_told = matches!(occasion, Occasion::Update { .. } | Occasion::ProvenGap);
        let known = self.history.update.map(|update| update.reference);
        if let Some(reference) = view.reference().or(known).filter(|_| is_told) {
            let now = view.now.raw;
            self.history.updated(now, estimate.true_time(now), reference, ahead, is_step);
        }
    }

    fn correct_once(&mut self, error: Span, outputs: &mut Outputs) {
        let is_step = self.mode == Mode::SetOnce;
        outputs.tell(Event::OneShot(error, is_step));
        if !is_step {
            return outputs.finish(true);
        }
        self.has_set_once = true;
        outputs.command(ClockCommand::Step { by: error });
    }

    /// When the next part of a correction larger than one slew is due.
    pub(in crate::core) fn continue_at(&self) -> Option<Raw> {
        self.discipline.continue_at()
    }

    /// The next part of a correction larger than one slew.
    pub(in crate::core) fn continue_slew(&mut self, view: &View<'_>, outputs: &mut Outputs) {
        if self.continue_at().is_none_or(|at| at > view.now.raw) {
            return;
        }
        // After `reset sources` there is no estimate, and what was begun has to end nevertheless.
        let estimate = view.time.estimate();
        let frequency = match &estimate {
            Some(estimate) => self.credible_frequency(estimate, view.time),
            None => self.frequency(view.time),
        };
        let error = estimate.map_or(self.remaining(view.now), |estimate| view.error(&estimate));
        let decision = self.discipline.decide(view.now, error, frequency, 0.0, Occasion::Continuation);
        if let Decision::Command(command) = decision {
            outputs.command(command);
        }
    }

    /// What sources said is void: the corrections they asked for end with what the kernel has been told.
    pub(in crate::core) fn rest(&mut self) {
        self.discipline.rest();
    }

    /// When the last frequency cannot be trusted any more (`fallbackdrift`).
    pub(in crate::core) fn falls_back_at(&self) -> Option<Raw> {
        self.fallback.due()
    }

    /// There has been no update for too long to trust the last frequency. Returns whether another one is taken.
    pub(in crate::core) fn fall_back(&mut self, time: &TrueTime, now: Raw, outputs: &mut Outputs) -> bool {
        let silence = time.estimate().map_or(Span::ZERO, |estimate| now - estimate.at);
        let Some(frequency) = self.fallback.take(now).filter(|_| self.mode == Mode::Discipline) else { return false };
        outputs.command(self.discipline.fall_back(now, frequency));
        self.report_unsynchronised(outputs);
        outputs.tell(Event::FallenBack(silence, -frequency * 1e6));
        true
    }

    /// The clock did this. `is_followed`: it has somewhere to be. Returns whether it was stepped for a leap second.
    pub(in crate::core) fn applied(
        &mut self,
        applied: Applied,
        is_followed: bool,
        now: &ClockReading,
        outputs: &mut Outputs,
    ) -> bool {
        self.ordered_step = Span::ZERO;
        self.discipline.applied(applied, *now);
        let was_refused = self.history.is_refused;
        self.history.applied(applied, now.raw);
        if self.history.is_refused != was_refused && self.mode == Mode::Discipline {
            outputs.tell(if was_refused { Event::ClockObeys } else { Event::ClockRefused });
        }
        if self.has_set_once {
            outputs.finish(!self.history.is_refused);
        }
        match applied {
            Applied::Stepped { .. } if self.leap.take_step() => return true,
            Applied::Stepped { by } if self.mode == Mode::Discipline && is_followed => {
                let is_told = !self.foreign.was_silent_step();
                is_told.then(|| outputs.tell(Event::Stepped(by)));
            }
            Applied::Observed { is_step: true } if !self.has_told_of_failed_step => {
                self.has_told_of_failed_step = true;
                outputs.tell(Event::StepFailed);
            }
            Applied::TaiSet { tai_s } => outputs.tell(Event::TaiOffset(tai_s)),
            Applied::Failed { .. } => _ = self.leap.take_step(),
            _ => {}
        }
        false
    }

    /// `maxupdateskew`: an uncertain frequency is not applied, the one in force is kept.
    fn credible_frequency(&self, estimate: &Estimate, time: &TrueTime) -> f64 {
        if estimate.frequency_sd() * 1e6 > self.max_update_skew_ppm {
            return self.frequency(time);
        }
        estimate.frequency
    }

    /// A clock that may only be observed stays wrong: the same error is told once.
    fn tell_error(&mut self, error: Span, time: &TrueTime, outputs: &mut Outputs) {
        if (error - self.told_error).abs() > self.log_change {
            self.told_error = error;
            if error.abs() > self.log_change && !time.unrest.is_known() {
                outputs.tell(Event::ClockWrong(error));
            }
        }
    }

    /// The corrections to come are quick: the clock has strayed while nobody watched.
    pub(in crate::core) fn hurry(&mut self, now: Raw) {
        self.hurries_until = Some(now + HURRY);
    }
}

/// What the clock does without being told.
impl ClockControl {
    /// The next wake-up is to be at this moment.
    pub(in crate::core) fn promise(&mut self, at: Option<Raw>) {
        self.promised = at;
    }

    /// The wake-up came so late that this process, or the whole machine, must have stood still while the counter went on.
    pub(in crate::core) fn was_late(&mut self, now: Raw) -> bool {
        self.promised.take().is_some_and(|at| now - at > LATE)
    }

    /// How long the machine has slept since this was last called, if it has.
    pub(in crate::core) fn take_sleep(&mut self, now: &ClockReading) -> Option<Span> {
        let slept = now.slept - std::mem::replace(&mut self.slept, now.slept);
        (slept > LEAST_SLEEP).then_some(slept)
    }

    /// What the clock says now is what it is judged by from now on.
    pub(in crate::core) fn accept(&mut self, now: &ClockReading) {
        self.discipline.accept(*now);
    }

    /// How far the clock is from where our commands should have brought it.
    pub(in crate::core) fn deviation(&self, now: &ClockReading) -> Option<Span> {
        self.discipline.deviation(now).map(|deviation| deviation.by)
    }

    /// Has somebody else set or steered the clock? `Some`: so it is to be put right now.
    pub(in crate::core) fn notice_foreign_change(
        &mut self,
        now: &ClockReading,
        outputs: &mut Outputs,
    ) -> Option<Sight> {
        let Some(deviation) = self.discipline.deviation(now).filter(|deviation| deviation.cause != Cause::Ours) else {
            self.foreign.calm();
            return None;
        };
        let is_set = deviation.cause == Cause::Set;
        let sight = self.foreign.see(now.raw);
        match sight {
            Sight::TooSoon => return None,
            Sight::Known => {}
            Sight::Several => outputs.tell(Event::Interference),
            Sight::Single if is_set => outputs.tell(Event::ForeignChange(deviation.by)),
            Sight::Single => outputs.tell(Event::ForeignSteering(deviation.by)),
        }
        self.history.changed_by_others();
        if is_set {
            self.foreign.was_set(deviation.by, now.raw);
        }
        self.discipline.accept(*now);
        Some(sight)
    }

    /// Somebody else set the clock by about as much as true time has now jumped.
    pub(in crate::core) fn knew_of(&self, jump: Span, now: Raw) -> bool {
        self.foreign.knew_of(jump, now)
    }

    /// When what others do to the clock is put right.
    pub(in crate::core) fn foreign_due(&self) -> Option<Raw> {
        self.foreign.due()
    }
}

/// The temperature of the oscillator.
impl ClockControl {
    /// When the sensor is to be read again.
    pub(in crate::core) fn temperature_due(&self) -> Option<Raw> {
        self.temperature.as_ref().map(Temperature::due)
    }

    /// Asks for the temperature when it is time.
    pub(in crate::core) fn read_temperature_when_due(&mut self, now: Raw, outputs: &mut Outputs) {
        if let Some(temperature) = &mut self.temperature {
            temperature.read_when_due(now, outputs);
        }
    }

    /// The sensor says this.
    pub(in crate::core) fn take_temperature(
        &mut self,
        temperature: f64,
        outputs: &mut Outputs,
    ) -> Option<TempCorrection> {
        self.temperature.as_mut()?.take(temperature, outputs)
    }

    /// The clock follows the frequency at once; its phase is corrected as before.
    pub(in crate::core) fn retune(&mut self, view: &View<'_>, outputs: &mut Outputs) {
        if self.mode != Mode::Discipline {
            return;
        }
        let Some(estimate) = view.time.estimate().filter(|_| view.selector.sync.has_target()) else {
            return self.coast(view.time.first_frequency(), outputs);
        };
        let frequency = self.credible_frequency(&estimate, view.time);
        self.discipline.retune(view.now.raw, frequency);
        let decay_s = decay_s(&estimate, self.discipline.remaining(view.now), view);
        let error = view.error(&estimate);
        let decision = self.discipline.decide(view.now, error, frequency, decay_s, Occasion::Continuation);
        if let Decision::Command(command) = decision {
            outputs.command(command);
        }
    }
}

/// What people order.
impl ClockControl {
    /// From now on `makestep` is this, counted from the next update.
    pub(in crate::core) fn set_make_step(&mut self, policy: MakeStep) {
        self.discipline.set_make_step(policy);
    }

    /// The hosts of `initstepslew` have had their time.
    pub(in crate::core) fn end_initial(&mut self) {
        self.discipline.end_initial();
    }

    /// Steps the clock by all that is still to be slewed. `None`: it cannot.
    pub(in crate::core) fn make_step(&mut self, view: &View<'_>, outputs: &mut Outputs) -> Option<()> {
        let estimate = view.time.estimate().filter(|_| view.selector.sync.has_target())?;
        let frequency = self.discipline.frequency().filter(|_| self.is_controlled())?;
        let by = self.discipline.remaining(view.now);
        self.step(by, frequency, outputs);
        self.report(&estimate, (view.error(&estimate) - by).abs(), view, outputs);
        Some(())
    }

    /// True time runs faster by this rate than was thought.
    pub(in crate::core) fn turn(&mut self, now: Raw, rate: f64) {
        self.discipline.turn(now, rate);
    }

    /// True time is ahead by this of what was thought.
    pub(in crate::core) fn shift(&mut self, by: Span) {
        self.discipline.shift(by);
    }
}

/// How fast a slew should take out the error, in seconds. The next news comes from whichever source is asked next.
fn decay_s(estimate: &Estimate, error: Span, view: &View<'_>) -> f64 {
    let active = view.selector.active();
    let shortest = view.sources.of(active).map(|source| source.schedule.interval()).min().unwrap_or(Span::ZERO);
    let news = shortest.scaled((active.len().max(1) as f64).recip());
    view.time.poll_terms(active).map_or(0.0, |terms| slew::decay_s(estimate, &terms, error, news))
}
