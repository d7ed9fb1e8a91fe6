//! Drivers PHC and PPS: clocks and pulses of hardware that the kernel has a driver for.

use std::io;
use std::path::{Path, PathBuf};

use log::debug;

use crate::core::api::reference_clock::{DeviceTime, Moment, PulseInput, Reading};
use crate::core::refclock::external_pulses::ExternalPulses;
use crate::core::refclock::phc::{self, ReadingWindow};
use crate::daemon::clock::Clock;
use crate::daemon::os_error::plain;
use crate::sys::network_card;
use crate::sys::pps::PpsDevice;
use crate::sys::ptp::{self, PtpClock, Triple};
use crate::time::{ClockReading, Leap, Raw, Span, Utc};

/// A PTP hardware clock, and the best way of reading it.
#[derive(Debug)]
pub(in crate::daemon) struct HardwareClock {
    clock: PtpClock,
    way: ReadingCall,
}

/// How it is read, best first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ReadingCall {
    /// PTP_SYS_OFFSET_PRECISE.
    Cross,
    /// PTP_SYS_OFFSET_EXTENDED with the raw counter.
    ExtendedByCounter,
    /// PTP_SYS_OFFSET_EXTENDED with the system clock.
    Extended,
    /// PTP_SYS_OFFSET.
    Basic,
}

impl HardwareClock {
    /// Opens the device at a path, or that of the interface of this name. `cross`: it may be read by cross time stamps.
    pub(in crate::daemon) fn open(device: &str, cross: bool) -> io::Result<Self> {
        Self::with(PtpClock::open(&path(device)?)?, cross)
    }

    fn with(clock: PtpClock, cross: bool) -> io::Result<Self> {
        let way = if cross && clock.capabilities()?.cross_timestamps {
            ReadingCall::Cross
        } else {
            ReadingCall::ExtendedByCounter
        };
        Ok(HardwareClock { clock, way })
    }

    /// Reads it in the best way that it allows.
    pub(in crate::daemon) fn read(&mut self, now: &ClockReading) -> io::Result<Reading> {
        loop {
            match self.read_in(self.way, now) {
                Ok(reading) => return Ok(reading),
                Err(reason) if is_unsupported(&reason) && self.way != ReadingCall::Basic => {
                    self.way = match self.way {
                        ReadingCall::Cross => ReadingCall::ExtendedByCounter,
                        ReadingCall::ExtendedByCounter => ReadingCall::Extended,
                        ReadingCall::Extended | ReadingCall::Basic => ReadingCall::Basic,
                    };
                    debug!("Reading a PTP hardware clock in another way: {:?}", self.way);
                }
                Err(reason) => return Err(reason),
            }
        }
    }

    fn read_in(&self, way: ReadingCall, now: &ClockReading) -> io::Result<Reading> {
        // The kernel's counter does not count sleep, and ours does.
        let counter = |ns: i64| Moment::Counter(Raw::from_nanos(ns) + now.slept);
        let system = |ns: i64| Moment::System(Utc::from_nanos(ns));
        match way {
            ReadingCall::Cross => {
                let (device, raw) = self.clock.cross_timestamp()?;
                Ok(phc::reading(&[ReadingWindow { before: raw, device, after: raw }], counter))
            }
            ReadingCall::ExtendedByCounter => Ok(phc::reading(&windows(self.clock.extended(true)?), counter)),
            ReadingCall::Extended => Ok(phc::reading(&windows(self.clock.extended(false)?), system)),
            ReadingCall::Basic => Ok(phc::reading(&windows(self.clock.basic()?), system)),
        }
    }
}

fn windows(triples: [Triple; ptp::READINGS]) -> [ReadingWindow; ptp::READINGS] {
    triples.map(|[before, device, after]| ReadingWindow { before, device, after })
}

/// The kernel or the driver does not know a request.
fn is_unsupported(reason: &io::Error) -> bool {
    matches!(reason.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EINVAL | libc::ENOTTY | libc::ENOSYS))
}

/// A name without a slash is that of a network interface.
fn path(device: &str) -> io::Result<PathBuf> {
    if device.contains('/') {
        return Ok(PathBuf::from(device));
    }
    let none = || io::Error::other("the interface has no PTP hardware clock");
    Ok(PathBuf::from(format!("/dev/ptp{}", network_card::abilities(device)?.clock.ok_or_else(none)?)))
}

/// Pulses at a pin of a PTP hardware clock.
#[derive(Debug)]
pub(super) struct PinPulses {
    clock: HardwareClock,
    input: PulseInput,
    pulses: ExternalPulses,
}

impl PinPulses {
    /// Opens the device as [`HardwareClock::open`] does, and makes it stamp pulses.
    pub(super) fn open(device: &str, cross: bool, input: PulseInput) -> io::Result<Self> {
        let PulseInput { pin, channel, clear } = input;
        let clock = PtpClock::open_for_pulses(&path(device)?)?;
        let able = clock.capabilities()?;
        if channel >= able.channels {
            let count = able.channels;
            return Err(io::Error::other(format!("channel {channel} is not among the {count} that stamp pulses")));
        }
        let refused =
            |what: &str, reason: io::Error| io::Error::new(reason.kind(), format!("{what}: {}", plain(&reason)));
        if able.pins > 0 {
            clock.make_input(pin, channel).map_err(|reason| refused(&format!("pin {pin} is no input"), reason))?;
        }
        clock.stamp_pulses(channel, clear).map_err(|reason| refused("it stamps no pulses", reason))?;
        Ok(PinPulses { clock: HardwareClock::with(clock, cross)?, input, pulses: ExternalPulses::default() })
    }

    /// The last pulse, if it is new.
    pub(super) fn read(&mut self, ours: &mut dyn Clock) -> io::Result<Reading> {
        let pulse = self.clock.clock.newest_pulse(self.input.channel)?.map(Utc::from_nanos);
        let reading = self.clock.read(&ours.read())?;
        Ok(self.pulses.take(reading, pulse, &ours.read()))
    }
}

impl Drop for PinPulses {
    fn drop(&mut self) {
        self.clock.clock.stop_pulses(self.input.pin, self.input.channel);
    }
}

/// A pulse-per-second device.
#[derive(Debug)]
pub(super) struct Pulses {
    device: PpsDevice,
    clear: bool,
    /// The last pulse that was told.
    last: u32,
}

impl Pulses {
    /// Opens the device. `clear`: the falling edge counts.
    pub(super) fn open(path: &str, clear: bool) -> io::Result<Self> {
        let device = PpsDevice::open(Path::new(path), clear)?;
        let last = device.last(clear)?.sequence;
        Ok(Pulses { device, clear, last })
    }

    /// The last pulse, if it is new.
    pub(super) fn read(&mut self) -> io::Result<Reading> {
        let edge = self.device.last(self.clear)?;
        if edge.sequence == self.last {
            return Ok(Reading::Nothing);
        }
        self.last = edge.sequence;
        Ok(Reading::Time(DeviceTime {
            at: Moment::System(Utc::from_nanos(edge.at)),
            // A pulse is the beginning of a second.
            time: Utc::from_nanos(0),
            margin: Span::ZERO,
            is_pulse: true,
            leap: Leap::Normal,
            precision: None,
        }))
    }
}
