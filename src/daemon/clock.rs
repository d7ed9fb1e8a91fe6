//! The clocks the engine can be given: the kernel's, or the kernel's to look at only. `slewd demo` brings its own.

use log::{error, warn};

use crate::core::api::command::{Applied, ClockCommand, ClockReport};
use crate::sys::clock::{self, ClockError, ClockStatus, PhaseSlew};
use crate::time::{ClockReading, Raw, Span, Utc};

/// CLOCK_BOOTTIME and CLOCK_MONOTONIC differ by less than this unless the machine slept.
const LEAST_SLEEP: Span = Span::from_millis(10);

/// A clock that can be read, compared with the kernel's time stamps, and told what to do.
pub trait Clock {
    /// Looks at both scales.
    fn read(&mut self) -> ClockReading;

    /// The moment of the raw counter at which the kernel stamped a packet with this CLOCK_REALTIME, as of the last
    /// reading. Stamps are seconds old at most, so the rate between stamp and reading does not matter.
    fn raw_of(&self, stamp: Utc) -> Raw;

    /// Carries out a command, and says what really came of it.
    fn apply(&mut self, command: ClockCommand) -> Applied;
}

/// The system clock, steered.
pub struct KernelClock {
    reader: ClockReader,
    /// Said in the log; nothing has worked since.
    last_error: Option<ClockError>,
    /// The log says already that a step has failed.
    has_told_of_step: bool,
}

/// The system clock, looked at only.
pub struct ObservedClock {
    reader: ClockReader,
}

/// Reads the clocks; counts sleep into the raw scale without adding the noise of two more clock readings to it.
struct ClockReader {
    slept: Span,
    last: ClockReading,
    /// When the clock was last stepped by us, and by how much: packets may wait that were stamped before.
    stepped: Option<(Raw, Span)>,
}

impl KernelClock {
    /// The running system's clock. That the kernel will refuse to change it is said at once; each command tries all the
    /// same, for a right can come later.
    pub fn new() -> Self {
        let last_error = clock::try_control().inspect_err(|refusal| warn!("{refusal}")).err();
        KernelClock { reader: ClockReader::new(), last_error, has_told_of_step: false }
    }

    fn try_apply(&mut self, command: ClockCommand) -> Result<Applied, ClockError> {
        match command {
            ClockCommand::Step { by } => clock::step(by).map(|()| Applied::Stepped { by }),
            ClockCommand::Steer { frequency, phase, time_constant } => {
                let slew = PhaseSlew { amount: phase, time_constant };
                let state = clock::steer(frequency * 1e6, Some(slew))?;
                Ok(Applied::Steered {
                    frequency: state.frequency_ppm * 1e-6,
                    phase: state.phase,
                    time_constant: state.time_constant,
                })
            }
            ClockCommand::SetTai { tai_s } => clock::set_tai(tai_s).map(|()| Applied::TaiSet { tai_s }),
            ClockCommand::Report(report) => clock::set_status(status(&report)).map(|_| Applied::Reported),
        }
    }
}

impl Clock for KernelClock {
    fn read(&mut self) -> ClockReading {
        self.reader.read()
    }

    fn raw_of(&self, stamp: Utc) -> Raw {
        self.reader.raw_of(stamp)
    }

    /// The same failure is logged once until something works again.
    fn apply(&mut self, command: ClockCommand) -> Applied {
        match self.try_apply(command) {
            Ok(applied) => {
                (self.last_error, self.has_told_of_step) = (None, false);
                if let Applied::Stepped { by } = applied {
                    self.reader.stepped = Some((self.reader.read().raw, by));
                }
                applied
            }
            Err(failure) => {
                let is_step = matches!(command, ClockCommand::Step { .. });
                if is_step && !std::mem::replace(&mut self.has_told_of_step, true) {
                    error!("Could not step system clock");
                }
                if self.last_error.as_ref() != Some(&failure) {
                    warn!("{failure}");
                }
                self.last_error = Some(failure);
                Applied::Failed { disobeys: command.is_control() }
            }
        }
    }
}

impl Clock for ObservedClock {
    fn read(&mut self) -> ClockReading {
        self.reader.read()
    }

    fn raw_of(&self, stamp: Utc) -> Raw {
        self.reader.raw_of(stamp)
    }

    fn apply(&mut self, command: ClockCommand) -> Applied {
        Applied::Observed { is_step: matches!(command, ClockCommand::Step { .. }) }
    }
}

impl ClockReader {
    fn new() -> Self {
        let last = clock::read();
        let mut reader = ClockReader { slept: last.slept, last, stepped: None };
        reader.read();
        reader
    }

    fn read(&mut self) -> ClockReading {
        let reading = clock::read();
        if (reading.slept - self.slept).abs() > LEAST_SLEEP {
            self.slept = reading.slept;
        }
        self.last = ClockReading { raw: reading.raw + self.slept, slept: self.slept, ..reading };
        self.last
    }

    fn raw_of(&self, stamp: Utc) -> Raw {
        let at = self.last.raw + (stamp - self.last.utc);
        match self.stepped {
            Some((when, by)) if !(when..=self.last.raw).contains(&at) => at + by,
            _ => at,
        }
    }
}

impl Default for KernelClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ObservedClock {
    /// The running system's clock.
    pub fn new() -> Self {
        ObservedClock { reader: ClockReader::new() }
    }
}

impl Default for ObservedClock {
    fn default() -> Self {
        Self::new()
    }
}

fn status(report: &ClockReport) -> ClockStatus {
    ClockStatus {
        synchronized: report.synchronized,
        max_error: report.max_error,
        est_error: report.est_error,
        leap: report.leap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_stamped_before_a_step_are_placed_right() {
        let hour = Span::from_secs(3600);
        for by in [hour, Span::ZERO - hour] {
            let (stepped_at, now) = (Raw::from_nanos(1000), Raw::from_nanos(5000));
            let before_step = Utc::from_secs(2_000_000_000);
            let utc = before_step + (now - stepped_at) + by;
            let last = ClockReading { raw: now, utc, width: Span::ZERO, slept: Span::ZERO };
            let reader = ClockReader { slept: Span::ZERO, last, stepped: Some((stepped_at, by)) };
            let stamp_after = last.utc - Span::from_nanos(1500);
            let stamp_before = before_step - Span::from_nanos(400);
            assert_eq!(reader.raw_of(stamp_after), Raw::from_nanos(3500));
            assert_eq!(reader.raw_of(stamp_before), Raw::from_nanos(600));
        }
    }
}
