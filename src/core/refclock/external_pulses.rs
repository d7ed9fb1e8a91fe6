//! Pulses that come in at a pin of a PTP hardware clock (`extpps` of driver PHC).
//!
//! The clock stamps them by its own time, which may be any: its readings place the stamps on the raw counter, as those of
//! packets (`card_clock.rs`).

use crate::core::api::flaw::Flaw;
use crate::core::api::network_card::CardConfig;
use crate::core::api::reference_clock::{DeviceTime, Moment, Reading};
use crate::core::refclock::card_clock::{CardClock, CardFlaw};
use crate::time::{ClockReading, Leap, Utc};

/// The clock, and what it has stamped.
#[derive(Clone, Debug)]
pub struct ExternalPulses {
    clock: CardClock,
}

impl Default for ExternalPulses {
    /// Nothing has been read.
    fn default() -> Self {
        // Each reading is an input of its own, however often `dpoll` asks for one.
        let config = CardConfig { min_poll: i8::MIN, ..CardConfig::new("") };
        ExternalPulses { clock: CardClock::new(&config) }
    }
}

impl ExternalPulses {
    /// Takes a reading of the clock, made just before `now`, and the newest pulse that the clock has stamped before that reading.
    /// Returns the pulse as a reading of a reference clock.
    pub fn take(&mut self, clock: Reading, pulse: Option<Utc>, now: &ClockReading) -> Reading {
        self.clock.take(clock, now);
        match self.clock.flaw() {
            Some(CardFlaw::Frozen) => return Reading::Unwell(Flaw::DeviceFrozen),
            Some(CardFlaw::WrongSpeed) => return Reading::Unwell(Flaw::DeviceRate),
            // The clock is well again soon.
            Some(CardFlaw::Jumped(_)) => return Reading::Nothing,
            None => {}
        }
        let Some((at, margin)) = pulse.and_then(|stamp| self.clock.on_counter(stamp)) else { return Reading::Nothing };
        Reading::Time(DeviceTime {
            at: Moment::Counter(at),
            // A pulse is the beginning of a second.
            time: Utc::from_nanos(0),
            margin,
            is_pulse: true,
            leap: Leap::Normal,
            precision: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::random::Random;
    use crate::time::{Raw, Span};

    const START: i64 = 1_000_000_000_000;

    /// Reads a clock every quarter of a second and gives it a pulse at each second of the counter, 0.37 s after which the first
    /// reading is made. Returns what became of each reading.
    fn watch(seconds: i64, says: &dyn Fn(f64) -> f64) -> Vec<Reading> {
        let mut random = Random::new([1; 16]);
        let mut pulses = ExternalPulses::default();
        let card = |at_s: f64| Utc::from_secs(77_000) + Span::from_secs_f64(says(at_s));
        let reading = |quarter: i64| {
            let at_s = 0.37 + 0.25 * quarter as f64;
            let (raw, margin) = (Raw::from_nanos(START) + Span::from_secs_f64(at_s), Span::from_nanos(500));
            let at = Moment::Counter(raw + Span::from_secs_f64(5e-7 * (2.0 * random.fraction() - 1.0)));
            let time =
                DeviceTime { at, time: card(at_s), margin, is_pulse: false, leap: Leap::Normal, precision: None };
            let utc = Utc::from_secs(1_800_000_000);
            let now = ClockReading { raw: raw + margin, utc, width: Span::ZERO, slept: Span::ZERO };
            // The first reading after a second finds the stamp of its pulse.
            let pulse = (at_s.fract() < 0.25).then(|| card(at_s.floor()));
            pulses.take(Reading::Time(time), pulse, &now)
        };
        (0..4 * seconds).map(reading).collect()
    }

    #[test]
    fn pulses_are_placed_whatever_time_the_clock_keeps_and_how_fast_it_runs() {
        for pace in [1.0, 1.0 + 5e-5, 1.0 - 4e-4] {
            let readings = watch(20, &|at_s| pace * at_s);
            let placed = readings.iter().filter_map(|reading| match reading {
                Reading::Time(DeviceTime { at: Moment::Counter(at), margin, is_pulse: true, .. }) => {
                    Some((*at, *margin))
                }
                _ => None,
            });
            let placed: Vec<(Raw, Span)> = placed.collect();
            assert_eq!(placed.len(), 20, "{pace}");
            for (at, margin) in placed {
                let off_ns = (at - Raw::from_nanos(START)).nanos() % 1_000_000_000;
                let error = Span::from_nanos(if off_ns > 500_000_000 { off_ns - 1_000_000_000 } else { off_ns });
                assert!(error.abs() <= margin && margin < Span::from_nanos(3000), "{pace}: {error:?} of {margin:?}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_not_well_is_named_and_no_pulse_of_it_is_told() {
        for (speed, flaw) in [(0.0, Flaw::DeviceFrozen), (2.5, Flaw::DeviceRate)] {
            let readings = watch(20, &|at_s| speed * at_s);
            assert_eq!(readings.last(), Some(&Reading::Unwell(flaw)));
            assert!(readings.iter().all(|reading| !matches!(reading, Reading::Time(_))), "{readings:?}");
        }
        let jumped = watch(20, &|at_s| if at_s < 10.1 { at_s } else { at_s + 37.0 });
        let pulses = jumped.iter().filter(|reading| matches!(reading, Reading::Time(_))).count();
        assert!((15..19).contains(&pulses), "{pulses}");
    }
}
