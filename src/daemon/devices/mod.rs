//! The devices of reference clocks: opened, read, and opened again when they come late or went away.

pub(in crate::daemon) mod hardware;
mod shared_memory;
mod socket;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use log::{debug, info, warn};

use crate::core::api::reference_clock::{ClockConfig, ClockId, Driver, IS_BUILT, Reading};
use crate::daemon::clock::Clock;
use crate::daemon::os_error::plain;
use crate::time::{Raw, Span};
use hardware::{HardwareClock, PinPulses, Pulses};
use shared_memory::SharedMemory;
use socket::ClockSocket;

/// A device that cannot be opened is tried again after this long: udev links and gpsd come late.
const RETRY: Span = Span::from_secs(2);

/// The devices, in the order of their lines.
#[derive(Debug, Default)]
pub struct Devices {
    devices: Vec<WaitedDevice>,
}

/// One device.
#[derive(Debug)]
struct WaitedDevice {
    config: ClockConfig,
    open: Option<OpenDevice>,
    /// Why it could not be opened or read when that was last tried, as the log has it.
    trouble: Option<String>,
    retry_at: Option<Raw>,
}

/// An open device.
#[derive(Debug)]
enum OpenDevice {
    Phc(HardwareClock),
    ExternalPulses(Box<PinPulses>),
    Pps(Pulses),
    Shm(SharedMemory),
    Sock(ClockSocket),
}

impl Devices {
    /// Opens what can be opened, as long as there are rights to.
    pub fn open(configured: &[ClockConfig], now: Raw) -> Self {
        let device =
            |config: &ClockConfig| WaitedDevice { config: config.clone(), open: None, trouble: None, retry_at: None };
        let mut devices: Vec<WaitedDevice> = configured.iter().map(device).collect();
        devices.iter_mut().for_each(|device| device.try_open(now));
        Devices { devices }
    }

    /// Reads a device.
    pub fn read(&mut self, clock: ClockId, ours: &mut dyn Clock) -> Reading {
        self.devices.get_mut(clock.0).map_or(Reading::Absent, |device| device.read(ours))
    }

    /// The descriptors to wait for, of the devices that speak by themselves.
    pub fn descriptors(&self) -> impl Iterator<Item = (ClockId, BorrowedFd<'_>)> {
        let places = self.devices.iter().enumerate();
        places.filter_map(|(place, device)| Some((ClockId(place), device.descriptor()?)))
    }
}

/// Whether a device can be opened.
///
/// # Errors
/// Why it cannot, in words.
pub fn why_closed(driver: &Driver) -> Result<(), String> {
    open(driver).map(drop).map_err(|reason| plain(&reason))
}

fn open(driver: &Driver) -> io::Result<OpenDevice> {
    if !IS_BUILT {
        return Err(io::ErrorKind::Unsupported.into());
    }
    match driver {
        Driver::Phc { device, cross } => HardwareClock::open(device, *cross).map(OpenDevice::Phc),
        Driver::ExternalPulses { device, cross, input } => {
            PinPulses::open(device, *cross, *input).map(|pulses| OpenDevice::ExternalPulses(Box::new(pulses)))
        }
        Driver::Pps { device, clear } => Pulses::open(device, *clear).map(OpenDevice::Pps),
        Driver::Shm { unit, permissions } => SharedMemory::open(*unit, *permissions).map(OpenDevice::Shm),
        Driver::Sock { path } => ClockSocket::open(path).map(OpenDevice::Sock),
    }
}

impl WaitedDevice {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.open {
            Some(OpenDevice::Sock(socket)) => Some(socket.as_fd()),
            _ => None,
        }
    }

    fn try_open(&mut self, now: Raw) {
        self.retry_at = Some(now + RETRY);
        match open(&self.config.driver) {
            Ok(open) => {
                if self.trouble.take().is_some() {
                    info!("Opened {}", self.name());
                }
                self.open = Some(open);
            }
            Err(reason) => self.complain("open", &reason, " (trying again)"),
        }
    }

    fn read(&mut self, ours: &mut dyn Clock) -> Reading {
        let now = ours.read();
        if self.open.is_none() && self.retry_at.is_none_or(|at| at <= now.raw) {
            self.try_open(now.raw);
        }
        let read = match &mut self.open {
            None => return Reading::Absent,
            Some(OpenDevice::Phc(clock)) => clock.read(&now),
            Some(OpenDevice::ExternalPulses(pulses)) => pulses.read(ours),
            Some(OpenDevice::Pps(pulses)) => pulses.read(),
            Some(OpenDevice::Shm(segment)) => segment.read(),
            Some(OpenDevice::Sock(socket)) => socket.read(),
        };
        read.unwrap_or_else(|reason| {
            self.complain("read", &reason, " (opening it again)");
            (self.open, self.retry_at) = (None, Some(now.raw + RETRY));
            Reading::Absent
        })
    }

    /// Said once, until it works again or fails in another way.
    fn complain(&mut self, what: &str, reason: &io::Error, next: &str) {
        let trouble = format!("Could not {what} {} : {}{next}", self.name(), plain(reason));
        if self.trouble.as_ref() == Some(&trouble) {
            debug!("{trouble}");
        } else {
            warn!("{trouble}");
            self.trouble = Some(trouble);
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.config.driver.name(), self.config.driver.parameter())
    }
}
