//! The temperature of the oscillator, and what follows from it (`tempcomp`).

use crate::core::api::event::Event;
use crate::core::api::output::{Output, Outputs};
use crate::core::api::temp_comp::{LARGEST_PPM, TempComp};
use crate::time::Raw;

/// Smaller changes wait until they have added up (ppm): the kernel's frequency is no finer than a 65th of this.
const LEAST_CHANGE_PPM: f64 = 0.001;

/// The sensor and what it last said.
#[derive(Clone, Debug)]
pub(super) struct Temperature {
    compensation: TempComp,
    due: Raw,
    applied_ppm: f64,
    is_beyond: bool,
}

/// What a reading of the sensor means.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::core) struct TempCorrection {
    /// The compensation.
    pub(in crate::core) ppm: f64,
    /// The compensation differs from what is applied.
    pub(in crate::core) is_change: bool,
}

impl Temperature {
    /// A sensor that is to be read at once.
    pub(super) fn new(compensation: TempComp, now: Raw) -> Self {
        Temperature { compensation, due: now, applied_ppm: 0.0, is_beyond: false }
    }

    /// When the sensor is to be read again.
    pub(super) fn due(&self) -> Raw {
        self.due
    }

    /// Asks for the temperature when it is time.
    pub(super) fn read_when_due(&mut self, now: Raw, outputs: &mut Outputs) {
        if self.due <= now {
            self.due = now + self.compensation.interval;
            outputs.push(Output::ReadTemperature);
        }
    }

    /// The sensor says this. `None`: that makes no sense.
    pub(super) fn take(&mut self, temperature: f64, outputs: &mut Outputs) -> Option<TempCorrection> {
        let ppm = self.compensation.curve.ppm(temperature);
        let is_beyond = ppm.is_nan() || ppm.abs() > LARGEST_PPM;
        let was_beyond = std::mem::replace(&mut self.is_beyond, is_beyond);
        if is_beyond {
            if !was_beyond {
                outputs.tell(Event::CompensationBeyond(ppm));
            }
            return None;
        }
        let is_change = (ppm - self.applied_ppm).abs() >= LEAST_CHANGE_PPM;
        if is_change {
            self.applied_ppm = ppm;
        }
        Some(TempCorrection { ppm, is_change })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::api::temp_comp::Curve;
    use crate::time::Span;

    fn temperature() -> Temperature {
        let curve = Curve::Quadratic { t0: 20.0, k: [0.0, 1.0, 0.0] };
        Temperature::new(TempComp { interval: Span::from_secs(30), curve }, Raw::from_nanos(0))
    }

    #[test]
    fn small_changes_wait_until_they_have_added_up() {
        let (mut temperature, mut outputs) = (temperature(), Outputs::new());
        let mut change = |degrees: f64| temperature.take(degrees, &mut outputs).is_some_and(|taken| taken.is_change);
        assert_eq!([20.5, 20.5004, 20.5008, 20.5011].map(&mut change), [true, false, false, true]);
    }

    #[test]
    fn a_broken_sensor_is_told_of_once_until_it_makes_sense_again() {
        let (mut temperature, mut outputs) = (temperature(), Outputs::new());
        let mut told = 0;
        for degrees in [f64::NAN, 900.0, 21.0, 900.0] {
            temperature.take(degrees, &mut outputs);
            told += std::iter::from_fn(|| outputs.pop()).count();
        }
        assert_eq!(told, 2);
    }
}
