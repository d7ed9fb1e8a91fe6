//! The course of the clock: where our own commands take it.
//!
//! The kernel takes out the phase of a slew in whole seconds of its own clock: as each begins, a constant share of what
//! is left is fixed as a rate for that second. A new slew replaces only what is left. The share in force goes on to the
//! end of its second whatever is commanded, so it must be subtracted from the next correction, or it counts twice
//! (measured on Linux 6.1, `tests/vm/run --only model`).
//!
//! What the clock does beyond its course is the kernel's own rounding, which is learnt, or somebody else.

use crate::core::api::command::Applied;
use crate::core::api::limits::MAX_FREQUENCY;
use crate::core::clock::slew;
use crate::time::{ClockReading, NANOS_PER_SEC, Raw, Span};

/// Shortest stretch from which the kernel's own rate error is learnt.
const MIN_RATE_STRETCH_S: f64 = 8.0;
/// Readings of the clock are no better than this (s).
const LEAST_WIDTH_S: f64 = 1e-8;
/// The rate error is never taken to be known better than this, so that it can still change.
const RATE_FLOOR: f64 = 1e-10;
/// A rate error beyond this is somebody else steering the clock, not rounding in the kernel.
const MAX_RATE_ERROR: f64 = 20e-6;
/// Once it is known this well...
const KNOWN_RATE_SD: f64 = 1e-7;
/// ...it changes by no more than this: the kernel's multiplier is a whole number, and another frequency rounds otherwise.
const RATE_CHANGE: f64 = 2e-6;
/// A clock this far off its course was set by somebody else, whatever the rest of the tolerance (s).
const LEAST_SET_S: f64 = 0.01;
/// A clock this far off its course, after a stretch from which a rate can be told, is steered by somebody else...
const LEAST_STEERED_S: f64 = 0.001;
/// ...unless an idle kernel was this late to notice that a second has begun, and let a share of a slew go on (s).
const MAX_IDLE_S: f64 = 64.0;

/// Knows what the clock was last told, and learns what it makes of it.
#[derive(Clone, Debug, Default)]
pub struct Course {
    leg: Option<Leg>,
    rate_error: RateError,
}

/// How far the clock is from where our own commands should have brought it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Deviation {
    /// Positive: it was moved forward.
    pub by: Span,
    /// Whose doing it is.
    pub cause: Cause,
}

/// Whose doing a deviation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The kernel's rounding, or the slew in progress.
    Ours,
    /// Somebody else set the clock: more than anything else can explain.
    Set,
    /// Somebody else gave it another rate or slew.
    Steered,
}

/// The course of the clock from one command to the next.
#[derive(Clone, Copy, Debug)]
struct Leg {
    start: ClockReading,
    frequency: f64,
    phase_s: f64,
    share: f64,
    /// Rate of the slew before this one, in force to the end of the second of `start`.
    carried: f64,
}

impl Course {
    /// The clock did this; `now` was read just after.
    pub fn applied(&mut self, applied: Applied, now: ClockReading) {
        match applied {
            Applied::Stepped { .. } => {
                let frequency = self.leg.map_or(0.0, |leg| leg.frequency);
                self.leg = Some(Leg { start: now, frequency, phase_s: 0.0, share: slew::share(0), carried: 0.0 });
            }
            Applied::Steered { frequency, phase, time_constant } if frequency.abs() <= MAX_FREQUENCY => {
                self.learn_rate(&now);
                let (phase_s, share) = (phase.secs_f64(), slew::share(time_constant));
                let carried = self.leg.map_or(0.0, |leg| leg.slew_rate(&now));
                self.leg = Some(Leg { start: now, frequency, phase_s, share, carried });
            }
            Applied::Steered { .. }
            | Applied::Reported
            | Applied::TaiSet { .. }
            | Applied::Observed { .. }
            | Applied::Failed { .. } => {}
        }
    }

    /// Somebody else set the clock, which ends any slew: what it does from `now` on is again ours to judge.
    pub fn accept(&mut self, now: ClockReading) {
        // Or it was the kernel's own rate that changed, with its clock source: then it is learnt again.
        self.rate_error.weight = 0.0;
        if let Some(leg) = &mut self.leg {
            *leg = Leg { start: now, phase_s: 0.0, carried: 0.0, ..*leg };
        }
    }

    /// The kernel has moved the clock by a leap second, as it was told; a slew goes on.
    pub fn leapt(&mut self, by: Span) {
        if let Some(leg) = &mut self.leg {
            leg.start.utc += by;
        }
    }

    /// Compares the clock with its course. `None` until something was commanded.
    pub fn deviation(&self, now: &ClockReading) -> Option<Deviation> {
        let leg = self.leg?;
        let elapsed_s = leg.elapsed_s(now.raw);
        let unexplained_s = leg.deviation_s(now) - self.rate_error.mean * elapsed_s;
        let slack_s = leg.slack_s(now);
        let steered_s = LEAST_STEERED_S + self.rate_error.bound() * elapsed_s + leg.idle_slack_s(now);
        let is_long = elapsed_s >= MIN_RATE_STRETCH_S;
        let cause = if unexplained_s.abs() > LEAST_SET_S + MAX_RATE_ERROR * elapsed_s + slack_s {
            Cause::Set
        } else if is_long && unexplained_s.abs() > steered_s + slack_s {
            Cause::Steered
        } else {
            Cause::Ours
        };
        Some(Deviation { by: Span::from_secs_f64(unexplained_s), cause })
    }

    /// What the slew will still move the clock by in this second, whatever is commanded now.
    pub fn in_flight(&self, now: &ClockReading) -> Span {
        self.leg.map_or(Span::ZERO, |leg| Span::from_secs_f64(leg.in_flight_s(now)))
    }

    /// Rate of the clock in its present second, as it was told.
    pub fn rate(&self, now: &ClockReading) -> f64 {
        self.leg.map_or(0.0, |leg| leg.frequency + leg.slew_rate(now))
    }

    /// What the kernel must be told so that the clock runs at `frequency`.
    pub fn compensated(&self, frequency: f64) -> f64 {
        frequency - self.rate_error.mean
    }

    /// Learns the kernel's rate error from the stretch between two commands, once for each.
    fn learn_rate(&mut self, now: &ClockReading) {
        let Some(leg) = self.leg else { return };
        let elapsed_s = leg.elapsed_s(now.raw);
        if elapsed_s >= MIN_RATE_STRETCH_S
            && self.deviation(now).is_some_and(|deviation| deviation.cause == Cause::Ours)
        {
            let width_s = (now.width + leg.start.width).secs_f64() + leg.slack_s(now) + LEAST_WIDTH_S;
            self.rate_error.learn(leg.deviation_s(now) / elapsed_s, width_s / elapsed_s);
        }
    }
}

impl Leg {
    fn elapsed_s(&self, now: Raw) -> f64 {
        (now - self.start.raw).secs_f64().max(0.0)
    }

    /// Seconds of the clock that have begun since the start.
    fn seconds_begun(&self, now: &ClockReading) -> f64 {
        let second = |reading: &ClockReading| reading.utc.nanos().div_euclid(NANOS_PER_SEC);
        second(now).saturating_sub(second(&self.start)).max(0) as f64
    }

    /// What is left of the phase after so many seconds have begun.
    fn left_s(&self, begun: f64) -> f64 {
        self.phase_s * libm::pow(1.0 - self.share, begun)
    }

    /// Rate of the slew in the present second.
    fn slew_rate(&self, now: &ClockReading) -> f64 {
        let begun = self.seconds_begun(now);
        if begun < 1.0 { self.carried } else { self.share * self.left_s(begun - 1.0) }
    }

    fn in_flight_s(&self, now: &ClockReading) -> f64 {
        let rate = self.slew_rate(now);
        rate * (1.0 - fraction_of_second(now)) / (1.0 + self.frequency + rate)
    }

    /// What the slews have done since the start.
    fn slewed_s(&self, now: &ClockReading) -> f64 {
        let begun = self.seconds_begun(now);
        if begun < 1.0 {
            return self.carried * self.elapsed_s(now.raw);
        }
        let rest_of_first = (1.0 - fraction_of_second(&self.start)) / (1.0 + self.frequency + self.carried);
        let rate = self.slew_rate(now);
        let this_second = fraction_of_second(now) / (1.0 + self.frequency + rate);
        self.carried * rest_of_first + self.whole_seconds_s(begun - 1.0) + rate * this_second
    }

    /// What so many whole seconds of the slew have done. They are seconds of the clock, which are short while it slews
    /// forward: each share `r` works for `1 - r` seconds, nearly.
    fn whole_seconds_s(&self, count: f64) -> f64 {
        let (share, rest) = (self.share, 1.0 - self.share);
        let squares = share * self.phase_s.powi(2) / (2.0 - share);
        let done = |power: f64| 1.0 - libm::pow(rest, power * count);
        self.phase_s * (1.0 - self.frequency) * done(1.0) - squares * done(2.0)
    }

    /// How far the clock is ahead of its course.
    fn deviation_s(&self, now: &ClockReading) -> f64 {
        let moved_s = (now.lead() - self.start.lead()).secs_f64();
        moved_s - self.frequency * self.elapsed_s(now.raw) - self.slewed_s(now)
    }

    /// How far the slew may be from its model: an idle kernel notices late that a second has begun, and
    /// [`Leg::whole_seconds_s`] stops at the second order.
    fn slack_s(&self, now: &ClockReading) -> f64 {
        let late = self.carried.abs() + self.share * self.left_s((self.seconds_begun(now) - 1.0).max(0.0)).abs();
        late + self.share.powi(2) * self.phase_s.abs().powi(3) / 2.0
    }

    /// How far the slew may be from its model if the kernel has slept for long with a share in force.
    fn idle_slack_s(&self, now: &ClockReading) -> f64 {
        let rate = self.carried.abs() + self.share * self.phase_s.abs();
        rate * self.elapsed_s(now.raw).min(MAX_IDLE_S)
    }
}

/// How much of the clock's present second has passed.
fn fraction_of_second(reading: &ClockReading) -> f64 {
    reading.utc.nanos().rem_euclid(NANOS_PER_SEC) as f64 / NANOS_PER_SEC as f64
}

/// The kernel rounds the length of its tick: CLOCK_REALTIME at frequency 0 runs up to some ppm off CLOCK_MONOTONIC_RAW,
/// by an amount that is constant until the next boot. Without this term the clock would saw-tooth between updates.
#[derive(Clone, Copy, Debug, Default)]
struct RateError {
    mean: f64,
    weight: f64,
}

impl RateError {
    /// How far the rate may be from the mean.
    fn bound(&self) -> f64 {
        if self.weight > KNOWN_RATE_SD.powi(-2) { RATE_CHANGE } else { MAX_RATE_ERROR }
    }

    fn learn(&mut self, observed: f64, sd: f64) {
        let weight = sd.max(RATE_FLOOR).powi(2).recip();
        let total = (self.weight + weight).min(RATE_FLOOR.powi(2).recip());
        self.mean += (observed - self.mean) * (weight / total).min(1.0);
        self.mean = self.mean.clamp(-MAX_RATE_ERROR, MAX_RATE_ERROR);
        self.weight = total;
    }
}
