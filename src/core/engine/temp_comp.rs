//! The temperature of the oscillator, and what follows from it (`tempcomp`).

use crate::core::api::event::Event;
use crate::core::api::record::Entry;
use crate::core::clock::discipline::{Decision, Occasion};
use crate::core::clock::temp_comp::{LARGEST_PPM, TempComp};
use crate::core::engine::{Engine, Mode, Output};
use crate::time::{ClockReading, Raw};

/// Smaller changes wait until they have added up (ppm): the kernel's frequency is no finer than a 65th of this.
const LEAST_CHANGE_PPM: f64 = 0.001;

/// The sensor and what it last said.
#[derive(Clone, Debug)]
pub(super) struct Warmth {
    compensation: TempComp,
    due: Raw,
    applied_ppm: f64,
    is_beyond: bool,
}

impl Warmth {
    /// To be read at once.
    pub(super) fn new(compensation: TempComp, now: Raw) -> Self {
        Warmth { compensation, due: now, applied_ppm: 0.0, is_beyond: false }
    }
}

impl Engine {
    /// Asks for the temperature when it is time.
    pub(super) fn feel(&mut self, now: Raw) {
        if let Some(warmth) = self.warmth.as_mut().filter(|warmth| warmth.due <= now) {
            warmth.due = now + warmth.compensation.interval;
            self.emit(Output::ReadTemperature);
        }
    }

    /// When the sensor is to be read again.
    pub(super) fn next_feeling(&self) -> Option<Raw> {
        self.warmth.as_ref().map(|warmth| warmth.due)
    }

    /// What the compensation adds to the rate of true time against the counter.
    pub fn known_rate(&self) -> f64 {
        self.estimator.known_rate()
    }

    /// The frequency before there is an estimate.
    pub(super) fn first_frequency(&self) -> f64 {
        self.prior.frequency + self.known_rate()
    }

    /// The sensor says this.
    pub(super) fn felt(&mut self, temperature: f64, now: &ClockReading) {
        let Some(warmth) = &mut self.warmth else { return };
        let ppm = warmth.compensation.curve.ppm(temperature);
        let is_beyond = ppm.is_nan() || ppm.abs() > LARGEST_PPM;
        if is_beyond {
            if !std::mem::replace(&mut warmth.is_beyond, true) {
                self.tell(Event::CompensationBeyond(ppm));
            }
            return;
        }
        warmth.is_beyond = false;
        let is_change = (ppm - warmth.applied_ppm).abs() >= LEAST_CHANGE_PPM;
        if is_change {
            warmth.applied_ppm = ppm;
        }
        self.record_temperature(temperature, ppm);
        if is_change {
            self.estimator.compensate(now.raw, ppm * 1e-6);
            self.retune(now);
        }
    }

    /// The clock follows the frequency at once; its phase is corrected as before.
    fn retune(&mut self, now: &ClockReading) {
        if self.mode != Mode::Discipline {
            return;
        }
        let Some(estimate) = self.estimator.estimate().filter(|_| self.has_target()) else {
            let command = self.discipline.coast(self.first_frequency());
            return self.emit(Output::Clock(command));
        };
        let frequency = self.believable_frequency(&estimate);
        self.discipline.retune(now.raw, frequency);
        let decay_s = self.decay_s(&estimate, self.discipline.remaining(now));
        let error = estimate.true_time(now.raw) - now.utc;
        if let Decision::Command(command) =
            self.discipline.decide(now, error, frequency, decay_s, Occasion::Continuation)
        {
            self.emit(Output::Clock(command));
        }
    }

    fn record_temperature(&mut self, temperature: f64, ppm: f64) {
        if self.settings.records.temperature {
            self.record(None, Entry::Temperature { temperature, ppm });
        }
    }
}
