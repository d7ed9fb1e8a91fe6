//! From an estimate of true time to commands for the clock (architecture: the actuator; design note section 12).
//!
//! The kernel holds the plain frequency, and takes out phase errors by its own decaying slew, which ends by itself if
//! slewd dies. Larger errors are stepped where that is allowed, else fed to the same slew half a second at a time: no
//! frequency other than the best estimate is ever left in the kernel.

use crate::core::settings::{MakeStep, MaxChange, Settings};
use crate::time::{ClockReading, Lead, Raw, Span};
use crate::wire::ntp::Leap;

/// The kernel's phase slew takes at most this much (MAXPHASE in the kernel's timex.h).
pub const MAX_PHASE: Span = Span::from_millis(500);

/// Largest time constant of the kernel's phase slew (MAXTC).
const MAX_TIME_CONSTANT: u8 = 10;

/// Without `makestep`, a larger error is stepped when the clock is first set...
const DEFAULT_STEP_S: f64 = 0.1;
/// ...that is, in the first this many updates.
const DEFAULT_STEP_UPDATES: i32 = 3;

/// After a gap or a foreign change, a larger error is stepped.
const GAP_STEP_S: f64 = 0.5;

/// Time a correction may take: half an interval, between these limits (design note section 12).
const MIN_SLEW_S: f64 = 1.0;
const MAX_SLEW_S: f64 = 512.0;

/// Updates after the start in which corrections are made as fast as possible.
const FAST_UPDATES: u32 = 8;

/// chrony's default `corrtimeratio`: other values stretch the time of corrections in proportion.
const DEFAULT_CORR_TIME_RATIO: f64 = 3.0;

/// The kernel cannot change the rate of its clock by more than a tenth (tick 9000 to 11000).
const MAX_FREQUENCY: f64 = 0.1;

/// Shortest stretch from which the kernel's own rate error is learnt.
const MIN_RATE_STRETCH_S: f64 = 8.0;
/// Readings of the clock are no better than this (s).
const LEAST_WIDTH_S: f64 = 1e-8;
/// Kernels measure the rest of a slew in seconds of their own clock. While they slew these are shorter or longer, and
/// the quickest slew of a phase `p` misses `p * p` times this.
const SLEW_MISS_PER_S: f64 = 1.0 / 7.0;
/// The rate error is never taken to be known better than this, so that it can still change.
const RATE_FLOOR: f64 = 1e-10;
/// A rate error beyond this is somebody else steering the clock, not rounding in the kernel.
const MAX_RATE_ERROR: f64 = 20e-6;

/// What the clock is to do.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ClockCommand {
    /// Jump by this much. Positive: forward. A slew in progress is cancelled.
    Step {
        /// By how much.
        by: Span,
    },
    /// Run at this rate, and take out `phase` by a decaying slew.
    Steer {
        /// Rate against the raw counter, minus one.
        frequency: f64,
        /// What is to be taken out, at most [`MAX_PHASE`]. Positive: the clock is behind.
        phase: Span,
        /// Each second 1/2^(2 + this) of the rest is taken out; 0 to 10.
        time_constant: u8,
    },
    /// Tell the kernel how good its time is.
    Report(ClockReport),
}

/// What the rest of the system may believe about the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockReport {
    /// Clears STA_UNSYNC, which also makes the kernel copy the time to the hardware clock every 11 minutes.
    pub synchronized: bool,
    /// Bound on the error.
    pub max_error: Span,
    /// Expected error.
    pub est_error: Span,
    /// Leap second to apply at the end of the day.
    pub leap: Leap,
}

/// What the clock really did.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Applied {
    /// It jumped.
    Stepped {
        /// By how much.
        by: Span,
    },
    /// It runs at this rate and takes out this phase.
    Steered {
        /// Rate against the raw counter, minus one, after rounding and limits.
        frequency: f64,
        /// Phase after rounding and limits.
        phase: Span,
        /// Time constant of the slew.
        time_constant: u8,
    },
    /// The report was taken.
    Reported,
    /// The clock may only be observed: nothing was done.
    Observed {
        /// A step would have been due.
        is_step: bool,
    },
    /// The kernel refused; the shell has logged why.
    Failed,
}

/// Why a correction is being made: decides whether it may be a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Occasion {
    /// A new sample; one of the selected source counts for `makestep` and `maxchange`.
    Update {
        /// It does.
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

/// Turns errors into commands, and knows what the clock was last told.
#[derive(Clone, Debug)]
pub struct Discipline {
    makestep: Option<MakeStep>,
    max_change: Option<MaxChange>,
    max_slew_rate: f64,
    max_frequency: f64,
    stretch: f64,
    updates: u32,
    refusals: i32,
    target: Option<Target>,
    relation: Option<Relation>,
    rate_error: RateError,
    continue_at: Option<Raw>,
}

/// True time as sources told it when they were last obeyed.
#[derive(Clone, Copy, Debug)]
struct Target {
    at: Raw,
    lead: Lead,
    frequency: f64,
}

/// What the clock was last told, and where it was then.
#[derive(Clone, Copy, Debug)]
struct Relation {
    reading: ClockReading,
    frequency: f64,
    phase: Span,
    time_constant: u8,
    /// What the previous slew may still do: kernels finish the second they are in (s).
    carried_s: f64,
}

/// How far the clock is from where our own commands should have brought it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Deviation {
    /// Positive: it was moved forward.
    pub by: Span,
    /// More than rate errors and the slew in progress can explain.
    pub is_foreign: bool,
}

impl Discipline {
    /// Nothing is known of the clock yet.
    pub fn new(settings: &Settings) -> Self {
        Discipline {
            makestep: settings.makestep,
            max_change: settings.max_change,
            max_slew_rate: (settings.max_slew_rate_ppm * 1e-6).clamp(1e-9, MAX_FREQUENCY),
            max_frequency: (settings.max_drift_ppm * 1e-6).clamp(0.0, MAX_FREQUENCY),
            stretch: (settings.corr_time_ratio / DEFAULT_CORR_TIME_RATIO).clamp(1e-3, 1e3),
            updates: 0,
            refusals: 0,
            target: None,
            relation: None,
            rate_error: RateError::default(),
            continue_at: None,
        }
    }

    /// When the next part of a large correction is due.
    pub fn continue_at(&self) -> Option<Raw> {
        self.continue_at
    }

    /// Decides what to do about `error` (positive: the clock is behind) at the frequency the estimate wants.
    /// `interval` is the time until the correction is out of date.
    ///
    /// `maxchange` judges the word of the sources: how far they have moved true time from where they were last obeyed
    /// (at first, from the clock). Refused, that stays the target. So neither the rest of a slew nor a change made by
    /// somebody else counts against it, and neither lets in what was refused.
    pub fn decide(
        &mut self,
        now: &ClockReading,
        error: Span,
        frequency: f64,
        interval: Span,
        occasion: Occasion,
    ) -> Decision {
        let told = Target { at: now.raw, lead: now.lead() + error, frequency };
        let target = match occasion {
            Occasion::Update { .. } | Occasion::ProvenGap => {
                let expected = self.target.map_or(now.lead(), |target| target.lead_at(now.raw));
                if let Some(refusal) = self.refuse(told.lead - expected) {
                    return refusal;
                }
                self.target = Some(told);
                told
            }
            Occasion::ForeignChange | Occasion::Continuation => self.target.unwrap_or(told),
        };
        let error = target.lead_at(now.raw) - now.lead();
        let may_step = self.may_step(error, occasion);
        if occasion == (Occasion::Update { counts: true }) {
            self.updates = self.updates.saturating_add(1);
        }
        Decision::Command(if may_step {
            ClockCommand::Step { by: error }
        } else {
            self.slew(now.raw, error, target.frequency, interval)
        })
    }

    /// The command that runs the clock at `frequency` and leaves its phase alone.
    pub fn coast(&self, frequency: f64) -> ClockCommand {
        ClockCommand::Steer { frequency: self.plain(frequency), phase: Span::ZERO, time_constant: 0 }
    }

    /// The clock did this; `now` was read just after.
    pub fn applied(&mut self, applied: Applied, now: ClockReading) {
        match applied {
            Applied::Stepped { .. } => {
                let frequency = self.relation.map_or(0.0, |relation| relation.frequency);
                let (phase, time_constant, carried_s) = (Span::ZERO, 0, 0.0);
                self.relation = Some(Relation { reading: now, frequency, phase, time_constant, carried_s });
                self.continue_at = None;
            }
            Applied::Steered { frequency, phase, time_constant } if frequency.abs() <= MAX_FREQUENCY => {
                self.learn_rate(&now);
                let carried_s = self.relation.map_or(0.0, |relation| relation.next_share_s(now.raw));
                self.relation = Some(Relation { reading: now, frequency, phase, time_constant, carried_s });
            }
            Applied::Steered { .. } | Applied::Reported | Applied::Observed { .. } | Applied::Failed => {}
        }
    }

    /// Compares the clock with where our commands should have brought it. `None` until something was commanded.
    pub fn deviation(&self, now: &ClockReading) -> Option<Deviation> {
        let relation = self.relation?;
        let elapsed_s = relation.elapsed_s(now.raw);
        let unexplained_s = relation.deviation_s(now) - self.rate_error.mean * elapsed_s;
        let tolerance_s = 0.01 + MAX_RATE_ERROR * elapsed_s + relation.slack_s(now.raw);
        let is_foreign = unexplained_s.abs() > tolerance_s;
        Some(Deviation { by: Span::from_secs_f64(unexplained_s), is_foreign })
    }

    /// Learns the kernel's rate error from the stretch between two commands, once for each.
    fn learn_rate(&mut self, now: &ClockReading) {
        let Some(relation) = self.relation else { return };
        let elapsed_s = relation.elapsed_s(now.raw);
        if elapsed_s >= MIN_RATE_STRETCH_S && self.deviation(now).is_some_and(|deviation| !deviation.is_foreign) {
            let width_s = (now.width + relation.reading.width).secs_f64() + relation.slack_s(now.raw) + LEAST_WIDTH_S;
            self.rate_error.learn(relation.deviation_s(now) / elapsed_s, width_s / elapsed_s);
        }
    }

    /// Somebody else set the clock: what it does from `now` on is again ours to judge.
    pub fn accept(&mut self, now: ClockReading) {
        if let Some(relation) = &mut self.relation {
            *relation = Relation { reading: now, phase: Span::ZERO, carried_s: 0.0, ..*relation };
        }
    }

    /// What the slew in progress has yet to take out.
    pub fn phase_left(&self, now: Raw) -> Span {
        self.relation.map_or(Span::ZERO, |relation| Span::from_secs_f64(relation.phase_left_s(now)))
    }

    /// The frequency the clock was last told to run at; rate against the raw counter, minus one.
    pub fn frequency(&self) -> f64 {
        self.relation.map_or(0.0, |relation| relation.frequency)
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
        let default = MakeStep { threshold_s: DEFAULT_STEP_S, limit: DEFAULT_STEP_UPDATES };
        let policy = self.makestep.unwrap_or(default);
        let size_s = error.secs_f64().abs();
        match occasion {
            _ if policy.limit == 0 => false,
            Occasion::Update { .. } => {
                let is_early = policy.limit < 0 || i64::from(self.updates) < i64::from(policy.limit);
                is_early && size_s > policy.threshold_s
            }
            Occasion::ProvenGap | Occasion::ForeignChange => size_s > policy.threshold_s.min(GAP_STEP_S),
            Occasion::Continuation => false,
        }
    }

    fn slew(&mut self, now: Raw, error: Span, frequency: f64, interval: Span) -> ClockCommand {
        let limit = self.largest_phase();
        let phase = Span::from_nanos(error.nanos().clamp(-limit.nanos(), limit.nanos()));
        let seconds = if self.updates <= FAST_UPDATES {
            MIN_SLEW_S
        } else {
            (interval.half().secs_f64() * self.stretch).clamp(MIN_SLEW_S, MAX_SLEW_S)
        };
        let time_constant = time_constant(seconds, phase, self.max_slew_rate);
        let is_partial = phase != error;
        self.continue_at = is_partial.then(|| now + Span::from_secs(1 << time_constant));
        ClockCommand::Steer { frequency: self.plain(frequency), phase, time_constant }
    }

    /// Renewed every second with time constant 0, this phase is taken out at `maxslewrate`. If the rate is so low that
    /// the part would be small, the kernel's largest phase and a longer time constant need fewer wake-ups.
    fn largest_phase(&self) -> Span {
        let part = Span::from_secs_f64(4.0 * self.max_slew_rate);
        if part < MAX_PHASE.half() { MAX_PHASE } else { part.min(MAX_PHASE) }
    }

    /// What the kernel must be told so that the clock runs at `frequency`.
    fn plain(&self, frequency: f64) -> f64 {
        (frequency - self.rate_error.mean).clamp(-self.max_frequency, self.max_frequency)
    }
}

impl Target {
    fn lead_at(&self, raw: Raw) -> Lead {
        self.lead + (raw - self.at).scaled(self.frequency)
    }
}

impl Relation {
    fn elapsed_s(&self, now: Raw) -> f64 {
        (now - self.reading.raw).secs_f64().max(0.0)
    }

    /// How far the clock is ahead of where frequency and slew should have brought it.
    fn deviation_s(&self, now: &ClockReading) -> f64 {
        let slewed_s = self.phase.secs_f64() - self.phase_left_s(now.raw);
        (now.lead() - self.reading.lead()).secs_f64() - self.frequency * self.elapsed_s(now.raw) - slewed_s
    }

    fn phase_left_s(&self, now: Raw) -> f64 {
        self.phase.secs_f64() * libm::pow(1.0 - self.share(), self.elapsed_s(now))
    }

    /// What is taken out of the rest each second.
    fn share(&self) -> f64 {
        libm::exp2(2.0 + f64::from(self.time_constant)).recip()
    }

    /// What the slew takes out in the second that has begun, or would have if it had begun a second earlier.
    fn next_share_s(&self, now: Raw) -> f64 {
        (self.phase_left_s(now) * self.share() / (1.0 - self.share())).abs()
    }

    /// How far the slew may be from its model.
    fn slack_s(&self, now: Raw) -> f64 {
        self.carried_s + self.next_share_s(now) + SLEW_MISS_PER_S * self.phase.secs_f64().powi(2)
    }
}

/// The kernel rounds the length of its tick: CLOCK_REALTIME at frequency 0 runs up to some ppm off CLOCK_MONOTONIC_RAW,
/// by an amount that is constant until the next boot. Without this term the clock would saw-tooth between updates.
#[derive(Clone, Copy, Debug, Default)]
struct RateError {
    mean: f64,
    weight: f64,
}

impl RateError {
    fn learn(&mut self, observed: f64, sd: f64) {
        let weight = sd.max(RATE_FLOOR).powi(2).recip();
        let total = (self.weight + weight).min(RATE_FLOOR.powi(2).recip());
        self.mean += (observed - self.mean) * (weight / total).min(1.0);
        self.mean = self.mean.clamp(-MAX_RATE_ERROR, MAX_RATE_ERROR);
        self.weight = total;
    }
}

/// The smallest time constant that takes about `seconds` and keeps below the fastest slew allowed.
fn time_constant(seconds: f64, phase: Span, max_slew_rate: f64) -> u8 {
    let wanted = libm::log2(seconds / 8.0).round().max(0.0);
    let fastest = libm::log2(phase.secs_f64().abs() / max_slew_rate).ceil() - 2.0;
    wanted.max(fastest).clamp(0.0, f64::from(MAX_TIME_CONSTANT)) as u8
}

/// The lead the system clock should have now.
pub fn error_of(reading: &ClockReading, truth: Lead) -> Span {
    truth - reading.lead()
}
