//! A device compared with itself: one that stands still, runs at another speed or jumps is found out by its own readings.

use crate::core::api::flaw::Flaw;
use crate::core::api::reference_clock::tai;
use crate::time::{Raw, Span, Utc};

/// Between two readings a device may be off by this part of the time between them...
const RATE_TOLERANCE: f64 = 0.25;
/// ...and by this much (s), if it is read by a card...
const FINE_TOLERANCE_S: f64 = 1e-3;
/// ...or if programs write what they heard over a serial line.
const COARSE_TOLERANCE_S: f64 = 0.2;

/// Odd readings in a row, all to the same side, after which it is the speed that is wrong.
const ODD_READINGS: u32 = 4;
/// A device that makes less of a second than this stands still.
const STANDSTILL: f64 = 0.05;
/// Good readings in a row after which a device is well again.
const GOOD_READINGS: u32 = 8;

/// A smaller jump is noise.
const LEAST_JUMP: Span = Span::from_millis(500);
/// A jump by a whole number of seconds is one to within this.
const JUMP_MARGIN: Span = Span::from_millis(100);

/// What the readings of a device tell of it.
#[derive(Clone, Debug)]
pub(super) struct Health {
    tolerance_s: f64,
    last: Option<(Raw, Utc)>,
    /// Odd readings in a row, and what the device and the counter have made of them.
    odd: u32,
    odd_device: Span,
    odd_counter: Span,
    /// What the first odd reading was ahead by.
    leapt: Span,
    good: u32,
    flaw: Option<Flaw>,
}

/// What one reading tells.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Observation {
    /// The device goes on as before.
    Steady,
    /// The device has jumped by this much before the last reading, and goes on from there.
    Jumped(Span),
    /// The device cannot be believed, or not yet.
    Odd,
}

impl Health {
    /// Nothing is known of a device. `is_coarse`: its readings are off by up to tenths of a second.
    pub(super) fn new(is_coarse: bool) -> Self {
        Health {
            tolerance_s: if is_coarse { COARSE_TOLERANCE_S } else { FINE_TOLERANCE_S },
            last: None,
            odd: 0,
            odd_device: Span::ZERO,
            odd_counter: Span::ZERO,
            leapt: Span::ZERO,
            good: 0,
            flaw: None,
        }
    }

    /// The device said this `time` at this moment. The first reading has nothing to be compared with, and is odd.
    pub(super) fn observe(&mut self, at: Raw, time: Utc, tai_s: Option<i32>) -> Observation {
        let Some((last_at, last_time)) = self.last.replace((at, time)) else { return Observation::Odd };
        let (passed, told) = (at - last_at, time - last_time);
        if passed <= Span::ZERO {
            return Observation::Odd;
        }
        let excess = told - passed;
        let tolerance_s = RATE_TOLERANCE * passed.secs_f64() + self.tolerance_s;
        if told == Span::ZERO || excess.secs_f64().abs() > tolerance_s {
            self.note_odd(passed, told);
            return Observation::Odd;
        }
        let leapt = std::mem::replace(&mut self.leapt, Span::ZERO);
        (self.odd, self.odd_device, self.odd_counter) = (0, Span::ZERO, Span::ZERO);
        self.good = self.good.saturating_add(1);
        if leapt.abs() > LEAST_JUMP && !matches!(self.flaw, Some(Flaw::DeviceFrozen | Flaw::DeviceRate)) {
            return self.jumped(leapt, tai_s);
        }
        if self.good >= GOOD_READINGS && self.flaw != Some(Flaw::DeviceTai) {
            self.flaw = None;
        }
        if self.flaw.is_none() { Observation::Steady } else { Observation::Odd }
    }

    fn note_odd(&mut self, passed: Span, told: Span) {
        let excess = told - passed;
        let is_same_side = (self.odd_device >= self.odd_counter) == (excess >= Span::ZERO);
        if self.odd == 0 || !is_same_side {
            (self.odd, self.odd_device, self.odd_counter, self.leapt) = (0, Span::ZERO, Span::ZERO, excess);
        } else {
            self.leapt += excess;
        }
        self.good = 0;
        self.odd = self.odd.saturating_add(1);
        self.odd_device += told;
        self.odd_counter += passed;
        if self.odd >= ODD_READINGS {
            let speed = told.secs_f64() / passed.secs_f64();
            self.flaw = Some(if speed.abs() < STANDSTILL { Flaw::DeviceFrozen } else { Flaw::DeviceRate });
            self.leapt = Span::ZERO;
        }
    }

    /// A device that jumps from UTC to TAI is not believed until it jumps back.
    fn jumped(&mut self, by: Span, tai_s: Option<i32>) -> Observation {
        let tai = tai(tai_s);
        let is_by = |wanted: Span| (by - wanted).abs() < JUMP_MARGIN;
        if self.flaw == Some(Flaw::DeviceTai) {
            if is_by(-tai) || is_by(tai) {
                self.flaw = None;
            }
        } else if is_by(tai) || is_by(-tai) {
            self.flaw = Some(Flaw::DeviceTai);
        }
        if self.flaw.is_none() { Observation::Jumped(by) } else { Observation::Odd }
    }

    /// The next reading has nothing to be compared with.
    pub(super) fn interrupt(&mut self) {
        (self.last, self.leapt, self.odd) = (None, Span::ZERO, 0);
    }

    /// What is wrong with the device.
    pub(super) fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a device every quarter of a second; `says` is its time in seconds after so many readings.
    fn watched(is_coarse: bool, readings: u32, says: impl Fn(f64) -> f64) -> (Health, Vec<Observation>) {
        let mut health = Health::new(is_coarse);
        let observe = |reading| {
            let at_s = 0.25 * f64::from(reading);
            let time = Utc::from_secs(1_800_000_000) + Span::from_secs_f64(says(at_s));
            health.observe(Raw::from_nanos((1e9 * at_s) as i64), time, None)
        };
        let observations = (0..readings).map(observe).collect();
        (health, observations)
    }

    #[test]
    fn a_device_that_keeps_time_is_steady_from_its_second_reading_on() {
        let (health, seen) = watched(false, 20, |at_s| 1.0005 * at_s);
        assert_eq!(health.flaw(), None);
        assert!(seen[0] == Observation::Odd && seen[1..].iter().all(|one| *one == Observation::Steady), "{seen:?}");
    }

    #[test]
    fn a_device_that_freezes_or_runs_too_fast_is_found_out_and_never_collected() {
        let frozen = |at_s: f64| if at_s < 2.0 { at_s } else { 2.0 };
        let fast = |at_s: f64| if at_s < 2.0 { at_s } else { 2.0 + 2.5 * (at_s - 2.0) };
        for is_coarse in [false, true] {
            for (says, flaw) in [(&frozen as &dyn Fn(f64) -> f64, Flaw::DeviceFrozen), (&fast, Flaw::DeviceRate)] {
                let (health, seen) = watched(is_coarse, 20, says);
                assert_eq!(health.flaw(), Some(flaw));
                assert!(seen[9..].iter().all(|one| *one == Observation::Odd), "{seen:?}");
            }
        }
        let (health, _) = watched(false, 40, |at_s| if at_s < 2.0 { 0.0 } else { at_s });
        assert_eq!(health.flaw(), None, "it is well again");
    }

    #[test]
    fn a_jump_is_told_and_one_to_tai_is_not_followed_until_it_ends() {
        let (health, seen) = watched(false, 20, |at_s| if at_s < 2.0 { at_s } else { at_s + 5.0 });
        assert_eq!((health.flaw(), seen[8]), (None, Observation::Odd));
        assert!(matches!(seen[9], Observation::Jumped(by) if by.secs_f64() == 5.0), "{seen:?}");
        let tai = |at_s: f64| if (2.0..4.0).contains(&at_s) { at_s + 37.0 } else { at_s };
        let (health, seen) = watched(false, 15, tai);
        assert_eq!(health.flaw(), Some(Flaw::DeviceTai));
        assert!(seen[8..].iter().all(|one| *one == Observation::Odd), "{seen:?}");
        assert_eq!(watched(false, 30, tai).0.flaw(), None);
    }

    #[test]
    fn noise_of_a_serial_line_is_no_flaw() {
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<f64> = (0..400).map(|_| 0.1 * random.f64()).collect();
        let (health, seen) = watched(true, 400, |at_s| at_s + noise[(4.0 * at_s) as usize]);
        assert_eq!(health.flaw(), None);
        assert!(seen[1..].iter().all(|one| *one == Observation::Steady));
    }
}
