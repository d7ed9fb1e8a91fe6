//! A clock in user space, wrong on purpose: the simulator's kernel clock over the real counter.

use crate::core::api::command::{Applied, ClockCommand};
use crate::daemon::clock::Clock;
use crate::sim::kernel::SimulatedKernel;
use crate::sys::clock;
use crate::time::{ClockReading, Raw, Span, Utc};

use super::servers::Truth;

/// The error is noted this often.
const NOTE_EVERY: Span = Span::from_millis(50);

/// Runs on a counter of its own that is faster than the real one, as a bad crystal's would be.
pub(super) struct WrongClock {
    truth: Truth,
    gains: f64,
    began: Raw,
    real: ClockReading,
    kernel: SimulatedKernel,
    next_note: Raw,
    history: Vec<(f64, f64)>,
}

impl WrongClock {
    /// Ahead of the truth by this much now, and gaining this many ppm.
    pub(super) fn new(truth: Truth, ahead: Span, gains_ppm: f64) -> Self {
        let real = clock::read();
        WrongClock {
            truth,
            gains: gains_ppm * 1e-6,
            began: real.raw,
            real,
            kernel: SimulatedKernel::new(real.raw, truth.at(real.raw) + ahead, 0.0),
            next_note: real.raw,
            history: Vec::with_capacity(512),
        }
    }

    /// How far it is ahead of the truth now.
    pub(super) fn error(&mut self) -> Span {
        self.read();
        self.kernel.utc() - self.truth.at(self.real.raw)
    }

    /// Seconds since the start, and the error in seconds then.
    pub(super) fn history(&self) -> &[(f64, f64)] {
        &self.history
    }

    fn counter(&self, real: Raw) -> Raw {
        real + (real - self.began).scaled(self.gains)
    }

    /// Notes the error at regular moments up to now. No wake-up is needed for it: the model knows its own past.
    fn catch_up(&mut self) {
        while self.next_note <= self.real.raw {
            self.kernel.advance(self.counter(self.next_note));
            let error = self.kernel.utc() - self.truth.at(self.next_note);
            self.history.push(((self.next_note - self.began).secs_f64(), error.secs_f64()));
            self.next_note += NOTE_EVERY;
        }
        self.kernel.advance(self.counter(self.real.raw));
    }
}

impl Clock for WrongClock {
    fn read(&mut self) -> ClockReading {
        self.real = clock::read();
        self.catch_up();
        let raw = self.counter(self.real.raw);
        ClockReading { raw, utc: self.kernel.utc(), width: self.real.width, slept: Span::ZERO }
    }

    fn raw_of(&self, stamp: Utc) -> Raw {
        self.counter(self.real.raw + (stamp - self.real.utc))
    }

    fn apply(&mut self, command: ClockCommand) -> Applied {
        self.kernel.apply(command)
    }
}
