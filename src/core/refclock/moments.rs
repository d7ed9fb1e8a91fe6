//! When something happened, on the raw counter: devices are read by the system clock, which is steered meanwhile.

use crate::core::api::reference_clock::Moment;
use crate::time::{ClockReading, Raw, Span};

/// What happened longer ago cannot be placed: the clock may have been steered in many ways since.
const OLDEST: Span = Span::from_secs(16);

/// Readings of both clocks must be this far apart to tell the rate of one against the other.
const LEAST_BASE: Span = Span::from_millis(10);

/// No clock is steered faster (adjtimex(2): 10 % by its tick, and 500 ppm); beyond that somebody has set it.
const LARGEST_RATE: f64 = 0.11;

/// While the clock is slewed hard nobody knows how fast it ran between two readings: a moment is not placed if it may be
/// wrong by more than this (s), by devices that are read by cards...
const FINE_ERROR_S: f64 = 2e-6;
/// ...and by those that programs hear over a serial line.
const COARSE_ERROR_S: f64 = 1e-4;

/// Remembers where the clocks were when the device was read before, and how fast the one ran against the other.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    largest_error_s: f64,
    before: Option<ClockReading>,
    rate_before: Option<f64>,
}

impl Moments {
    /// The device has not been read. `is_coarse`: its readings are off by more anyway.
    pub(super) fn new(is_coarse: bool) -> Self {
        let largest_error_s = if is_coarse { COARSE_ERROR_S } else { FINE_ERROR_S };
        Moments { largest_error_s, before: None, rate_before: None }
    }

    /// The moment on the raw counter. `None` if it lies in the future, too long ago, or on the other side of a step.
    pub(super) fn on_counter(&self, at: Moment, now: &ClockReading) -> Option<Raw> {
        let utc = match at {
            Moment::Counter(raw) => return Some(raw).filter(|raw| (now.raw - OLDEST..=now.raw).contains(raw)),
            Moment::System(utc) => utc,
        };
        let since = now.utc - utc;
        if !(Span::ZERO - now.width..=OLDEST).contains(&since) {
            return None;
        }
        let rate = self.rate(now)?;
        let change = rate - self.rate_before.unwrap_or(rate);
        if change.abs() * since.secs_f64() > self.largest_error_s {
            return None;
        }
        Some(now.raw - since.scaled(1.0 / (1.0 + rate)))
    }

    /// How much faster the system clock has run than the counter since the device was read before; `None` if it was set.
    fn rate(&self, now: &ClockReading) -> Option<f64> {
        let Some(before) = self.before.filter(|before| now.raw - before.raw >= LEAST_BASE) else { return Some(0.0) };
        let gained = (now.lead() - before.lead()).secs_f64();
        let rate = gained / (now.raw - before.raw).secs_f64();
        (rate.abs() < LARGEST_RATE).then_some(rate)
    }

    /// The device has been read.
    pub(super) fn pass(&mut self, now: &ClockReading) {
        if self.before.is_none_or(|before| now.raw - before.raw >= LEAST_BASE) {
            self.rate_before = self.before.and_then(|_| self.rate(now));
            self.before = Some(*now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Utc;

    fn reading(raw_ms: i64, utc_ms: i64) -> ClockReading {
        ClockReading {
            raw: Raw::from_nanos(raw_ms * 1_000_000),
            utc: Utc::from_secs(1_800_000_000) + Span::from_millis(utc_ms),
            width: Span::ZERO,
            slept: Span::ZERO,
        }
    }

    #[test]
    fn the_rate_of_a_steered_clock_is_taken_out() {
        let mut moments = Moments::new(false);
        moments.pass(&reading(100_000, 0));
        // 1000 ms of the counter are 1050 ms of the clock.
        let now = reading(101_000, 1050);
        let at = moments.on_counter(Moment::System(now.utc - Span::from_millis(525)), &now);
        let error = at.expect("it can be placed") - Raw::from_nanos(100_500 * 1_000_000);
        assert!(error.abs() < Span::from_nanos(1000), "{error:?}");
    }

    #[test]
    fn what_was_stamped_while_the_rate_changed_is_placed_by_coarse_devices_only() {
        let placed = |is_coarse| {
            let mut moments = Moments::new(is_coarse);
            moments.pass(&reading(100_000, 0));
            moments.pass(&reading(101_000, 1000));
            // 40 us faster in this second than in the one before.
            let now = ClockReading { utc: reading(0, 2000).utc + Span::from_nanos(40_000), ..reading(102_000, 0) };
            moments.on_counter(Moment::System(now.utc - Span::from_millis(500)), &now).is_some()
        };
        assert_eq!((placed(false), placed(true)), (false, true));
    }

    #[test]
    fn what_cannot_be_placed_is_nothing() {
        let mut moments = Moments::new(false);
        moments.pass(&reading(100_000, 0));
        let now = reading(101_000, 1000);
        let at = |utc| moments.on_counter(Moment::System(utc), &now);
        assert_eq!(at(now.utc + Span::from_millis(1)), None, "the future");
        assert_eq!(at(now.utc - Span::from_secs(17)), None, "long ago");
        let stepped = reading(101_000, 4000);
        assert_eq!(moments.on_counter(Moment::System(stepped.utc), &stepped), None, "beyond a step");
        assert_eq!(moments.on_counter(Moment::Counter(now.raw + Span::from_nanos(1)), &now), None);
    }
}
