//! From an estimate of true time to commands for the clock (RFC 5905 section 11.3, by the kernel's own slew).
//!
//! The kernel holds the plain frequency, and takes out phase errors by its own decaying slew, which ends by itself if
//! slewd dies. Larger errors are stepped where that is allowed, else fed to the same slew half a second at a time: no
//! frequency other than the best estimate is ever left in the kernel.

use crate::core::api::command::{Applied, ClockCommand};
use crate::core::api::limits::MAX_FREQUENCY;
use crate::core::api::settings::{MakeStep, MaxChange, Settings};
use crate::core::clock::expected_clock::{Course, Deviation};
use crate::core::clock::slew;
use crate::time::{ClockReading, Lead, Raw, Span};

/// Without `makestep`, a larger error is stepped when the clock is first set...
const DEFAULT_STEP_S: f64 = 0.1;
/// ...that is, in the first this many updates.
const DEFAULT_STEP_UPDATES: i32 = 3;

/// After a gap or a foreign change, a larger error is stepped.
const GAP_STEP_S: f64 = 0.5;

/// A leap second counts as slewed when no more than this is left.
const LEAP_SLEWED: Span = Span::from_millis(1);

/// chrony's default `corrtimeratio`: other values stretch the time of corrections in proportion.
const DEFAULT_CORR_TIME_RATIO: f64 = 3.0;

/// Why a correction is being made: decides whether it may be a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Occasion {
    /// A new sample. Only one of the selected source counts for `makestep` and `maxchange`.
    Update {
        /// The sample counts for `makestep` and `maxchange`.
        counts: bool,
    },
    /// What sources say differs from what was known, and is proven: by several of them, by a sleep of the machine, or
    /// because what was known came from a lone source not long ago.
    ProvenGap,
    /// Somebody else set the clock: it is put back.
    ForeignChange,
    /// The next part of a correction that is larger than one slew.
    Continuation,
}

/// What to do about the clock's error.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Decision {
    /// Carry this out.
    Command(ClockCommand),
    /// `maxchange` forbids it; `give_up` if it has been refused often enough.
    Refuse {
        /// The limit in seconds.
        limit_s: f64,
        /// slewd is to exit.
        give_up: bool,
    },
}

/// Turns errors into commands.
#[derive(Clone, Debug)]
pub struct Discipline {
    makestep: Option<MakeStep>,
    /// `initstepslew`: the first correction may be a step from this many seconds on.
    init_step_s: Option<f64>,
    gap_step: bool,
    max_change: Option<MaxChange>,
    max_slew_rate: f64,
    max_frequency: f64,
    stretch: f64,
    updates: u32,
    refusals: i32,
    target: Option<Target>,
    course: Course,
    continue_at: Option<Raw>,
    /// The kernel holds more phase than is wanted, for one second only.
    is_prepared: bool,
    /// What sources said is void: no second of full rate is begun any more.
    is_at_rest: bool,
    /// A leap second is being slewed: not a word of the sources, and not to be stepped after all.
    slews_leap: bool,
}

/// True time as sources told it when the clock last followed them.
#[derive(Clone, Copy, Debug)]
struct Target {
    at: Raw,
    lead: Lead,
    frequency: f64,
}

impl Discipline {
    /// The state in which nothing is known of the clock yet.
    pub fn new(settings: &Settings) -> Self {
        Discipline {
            makestep: settings.makestep,
            init_step_s: settings
                .init_step_slew
                .as_ref()
                .filter(|init| !init.hosts.is_empty())
                .map(|init| init.threshold_s),
            gap_step: settings.gap_step,
            max_change: settings.max_change,
            max_slew_rate: (settings.max_slew_rate_ppm * 1e-6).clamp(1e-9, MAX_FREQUENCY),
            max_frequency: (settings.max_drift_ppm * 1e-6).clamp(0.0, MAX_FREQUENCY),
            stretch: (settings.corr_time_ratio / DEFAULT_CORR_TIME_RATIO).clamp(1e-3, 1e3),
            updates: 0,
            refusals: 0,
            target: None,
            course: Course::default(),
            continue_at: None,
            is_prepared: false,
            is_at_rest: false,
            slews_leap: false,
        }
    }

    /// The hosts of `initstepslew` have had their time: its threshold is void, as if they had set the clock.
    pub fn end_initial(&mut self) {
        self.init_step_s = None;
    }

    /// How often the clock was corrected.
    pub fn updates(&self) -> u32 {
        self.updates
    }

    /// There has been no correction yet.
    pub fn is_untouched(&self) -> bool {
        self.updates == 0
    }

    /// When the next part of a large correction is due.
    pub fn continue_at(&self) -> Option<Raw> {
        self.continue_at
    }

    /// The frequency that the clock was last told to run at, of true time against the counter; `None` before the first
    /// correction.
    pub fn frequency(&self) -> Option<f64> {
        self.target.map(|target| target.frequency)
    }

    /// What is left of the corrections decided so far. Positive: the clock is behind.
    pub fn remaining(&self, now: &ClockReading) -> Span {
        self.target.map_or(Span::ZERO, |target| target.lead_at(now.raw) - now.lead())
    }

    /// Decides what to do about `error` (positive: the clock is behind) at the frequency the estimate wants.
    /// `decay_s` is how fast a slew should take it out.
    ///
    /// `maxchange` judges the word of the sources: how far they have moved true time from where the clock last followed them
    /// (at first, from the clock). Refused, that stays the target. So neither the rest of a slew nor a change made by
    /// somebody else counts against it, and neither lets in what was refused.
    pub fn decide(
        &mut self,
        now: &ClockReading,
        error: Span,
        frequency: f64,
        decay_s: f64,
        occasion: Occasion,
    ) -> Decision {
        let told = Target { at: now.raw, lead: now.lead() + error, frequency };
        let expected = self.target.map_or(now.lead(), |target| target.lead_at(now.raw));
        let target = match occasion {
            Occasion::Update { .. } | Occasion::ProvenGap => {
                if let Some(refusal) = self.refuse(told.lead - expected) {
                    return refusal;
                }
                self.target = Some(told);
                told
            }
            Occasion::ForeignChange | Occasion::Continuation => self.target.unwrap_or(told),
        };
        let error = target.lead_at(now.raw) - now.lead();
        self.slews_leap &= error.abs() > LEAP_SLEWED;
        self.is_at_rest &= occasion == Occasion::Continuation;
        let may_step = self.may_step(if self.slews_leap { told.lead - expected } else { error }, occasion);
        if occasion == (Occasion::Update { counts: true }) {
            self.updates = self.updates.saturating_add(1);
        }
        Decision::Command(if may_step {
            // What the slew before would go on with is what the step is about to do.
            (self.continue_at, self.is_prepared) = (None, false);
            ClockCommand::Step { by: error }
        } else {
            self.slew(now, error, target.frequency, decay_s)
        })
    }

    /// The command that runs the clock at `frequency` and leaves its phase alone.
    pub fn coast(&self, frequency: f64) -> ClockCommand {
        ClockCommand::Steer { frequency: self.plain(frequency), phase: Span::ZERO, time_constant: 0 }
    }

    /// No source is left: from now on true time is taken to run at this rate. The clock only changes its own.
    pub fn fall_back(&mut self, now: Raw, frequency: f64) -> ClockCommand {
        self.retune(now, frequency);
        self.continue_at = None;
        self.is_prepared = false;
        self.coast(frequency)
    }

    /// True time is known to run at another rate from now on, by no word of the sources.
    pub fn retune(&mut self, now: Raw, frequency: f64) {
        self.target = self.target.map(|target| Target { at: now, lead: target.lead_at(now), frequency });
    }

    /// What sources said is void: the corrections they asked for end with what the kernel has been told.
    pub fn rest(&mut self) {
        self.is_at_rest = true;
        self.continue_at = self.continue_at.filter(|_| self.is_prepared);
    }

    /// The command with which the kernel, left alone, takes out what is left of the last correction and no more; `None` if
    /// that is what it does anyway.
    pub fn tame(&self, now: &ClockReading) -> Option<ClockCommand> {
        let target = self.target.filter(|_| self.is_prepared)?;
        let phase = target.lead_at(now.raw) - now.lead() - self.course.in_flight(now);
        let limit = slew::largest_phase(self.max_slew_rate).nanos();
        let phase = Span::from_nanos(phase.nanos().clamp(-limit, limit));
        Some(ClockCommand::Steer { frequency: self.plain(target.frequency), phase, time_constant: 0 })
    }

    /// From now on true time is taken to run faster by this rate.
    pub fn turn(&mut self, now: Raw, rate: f64) {
        let turned = self.target.map(|target| target.frequency + rate);
        turned.into_iter().for_each(|frequency| self.retune(now, frequency));
    }

    /// From now on `makestep` is this, counted from the next update.
    pub fn set_make_step(&mut self, policy: MakeStep) {
        let limit = match policy.limit {
            ..=0 => policy.limit,
            limit => limit.saturating_add(i32::try_from(self.updates).unwrap_or(i32::MAX)),
        };
        self.makestep = Some(MakeStep { limit, ..policy });
    }

    /// The clock did this; `now` was read just after.
    pub fn applied(&mut self, applied: Applied, now: ClockReading) {
        if matches!(applied, Applied::Stepped { .. }) {
            self.continue_at = None;
            self.is_prepared = false;
        }
        self.course.applied(applied, now);
    }

    /// Compares the clock with where our commands should have brought it. `None` until something was commanded.
    pub fn deviation(&self, now: &ClockReading) -> Option<Deviation> {
        self.course.deviation(now)
    }

    /// Somebody else set the clock: what it does from `now` on is again ours to judge.
    pub fn accept(&mut self, now: ClockReading) {
        self.course.accept(now);
    }

    /// The leap second that has just moved true time is made up for by a slew, whatever `makestep` says.
    pub fn slew_leap(&mut self) {
        self.slews_leap = true;
    }

    /// True time has moved by this much: a leap second.
    pub fn shift(&mut self, by: Span) {
        self.target.iter_mut().for_each(|target| target.lead += by);
    }

    /// The kernel has moved the clock by this much: a leap second.
    pub fn clock_leapt(&mut self, by: Span) {
        self.course.leapt(by);
    }

    fn refuse(&mut self, change: Span) -> Option<Decision> {
        let limit = self.max_change?;
        if i64::from(self.updates) < i64::from(limit.start) || change.secs_f64().abs() <= limit.offset_s {
            return None;
        }
        let give_up = limit.ignore >= 0 && self.refusals >= limit.ignore;
        self.refusals = self.refusals.saturating_add(1);
        Some(Decision::Refuse { limit_s: limit.offset_s, give_up })
    }

    fn may_step(&self, error: Span, occasion: Occasion) -> bool {
        let default = match self.init_step_s {
            // Who writes `initstepslew` and no `makestep` wants no other threshold, and no other step.
            Some(threshold_s) => MakeStep { threshold_s, limit: 1 },
            None => MakeStep { threshold_s: DEFAULT_STEP_S, limit: DEFAULT_STEP_UPDATES },
        };
        let policy = self.makestep.unwrap_or(default);
        let size_s = error.secs_f64().abs();
        let is_first = self.updates == 0 && matches!(occasion, Occasion::Update { .. });
        if let Some(threshold_s) = self.init_step_s.filter(|_| is_first) {
            return size_s >= threshold_s;
        }
        match occasion {
            _ if policy.limit == 0 => false,
            Occasion::Continuation => false,
            Occasion::ProvenGap | Occasion::ForeignChange if self.gap_step => {
                size_s > policy.threshold_s.min(GAP_STEP_S)
            }
            Occasion::Update { .. } | Occasion::ProvenGap | Occasion::ForeignChange => {
                let is_early = policy.limit < 0 || i64::from(self.updates) < i64::from(policy.limit);
                is_early && size_s > policy.threshold_s
            }
        }
    }

    fn slew(&mut self, now: &ClockReading, error: Span, frequency: f64, decay_s: f64) -> ClockCommand {
        let (wanted, limit) = (error - self.course.in_flight(now), slew::largest_phase(self.max_slew_rate));
        let phase = Span::from_nanos(wanted.nanos().clamp(-limit.nanos(), limit.nanos()));
        let time_constant = slew::time_constant(decay_s * self.stretch, phase, self.max_slew_rate);
        let is_partial = phase != wanted;
        self.continue_at = is_partial.then(|| now.raw + Span::from_secs(1 << time_constant));
        self.is_prepared = false;
        let is_urgent = slew::is_urgent(decay_s * self.stretch, wanted, self.max_slew_rate);
        let moment = slew::SecondPart::of(now, self.course.rate(now));
        let (phase, time_constant) = match moment {
            _ if !is_urgent || self.is_at_rest => (phase, time_constant),
            slew::SecondPart::Within { until_eve } => {
                self.continue_at = Some(now.raw + until_eve);
                (phase, 0)
            }
            slew::SecondPart::Eve { until_noticed } => {
                self.continue_at = Some(now.raw + until_noticed);
                self.is_prepared = true;
                (slew::phase_for_one_second(wanted, self.max_slew_rate), 0)
            }
        };
        ClockCommand::Steer { frequency: self.plain(frequency), phase, time_constant }
    }

    /// What the kernel must be told so that the clock runs at `frequency`.
    fn plain(&self, frequency: f64) -> f64 {
        self.course.compensated(frequency).clamp(-self.max_frequency, self.max_frequency)
    }
}

impl Target {
    fn lead_at(&self, raw: Raw) -> Lead {
        self.lead + (raw - self.at).scaled(self.frequency)
    }
}
