//! Reference clocks: what a `refclock` line asks for, and what a device says when it is read.

use crate::core::api::flaw::Flaw;
use crate::core::api::settings::{SourceOptions, poll_interval};
use crate::core::api::source_id::ReferenceId;
use crate::time::{Leap, Raw, Span, Utc};

/// Whether reference clocks are part of this build (feature `refclock`). Without them all that reads or judges a device is
/// dropped by the compiler, for there never is one.
pub const IS_BUILT: bool = cfg!(feature = "refclock");

/// Names a reference clock: the place of its line among the `refclock` lines, from 0 on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClockId(pub usize);

/// One `refclock` line.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockConfig {
    /// `refid`.
    pub id: ReferenceId,
    /// The driver and its parameter.
    pub driver: Driver,
    /// `poll`: a sample is made of the readings of 2^poll seconds.
    pub poll: i8,
    /// `dpoll`: the device is read every 2^dpoll seconds; never above `poll`.
    pub dpoll: i8,
    /// `filter`: of the readings of one poll so many are kept, the newest.
    pub filter: usize,
    /// `rate`: pulses in a second.
    pub rate: u32,
    /// `lock`: pulses get their seconds from this reference clock.
    pub lock: Option<ReferenceId>,
    /// `maxlockage`: that clock is too old for a pulse after so many pulses.
    pub max_lock_age: u32,
    /// `width` of a pulse in seconds, if both edges are reported; 0 if only one is.
    pub width_s: f64,
    /// `pps`: of what the device says only the fraction of a second counts.
    pub pps: bool,
    /// `delay` in seconds: what the reading may be late by, unknown to the device.
    pub delay_s: f64,
    /// `precision` in seconds; `None`: as the device says, or that of the system clock.
    pub precision_s: Option<f64>,
    /// `maxdispersion` in seconds; `None` for no limit.
    pub max_dispersion_s: Option<f64>,
    /// `stratum`.
    pub stratum: u8,
    /// `tai`: the device keeps TAI.
    pub tai: bool,
    /// `offset`, the options for selection, `minsamples`, `maxsamples` and `maxunreach`.
    pub options: SourceOptions,
}

/// Where the time comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// `PHC`: a PTP hardware clock, of a network card or a hypervisor.
    Phc {
        /// The path of the device, or the name of a network interface.
        device: String,
        /// The device may be read by cross time stamps: `nocrossts` forbids it.
        cross: bool,
    },
    /// `PHC` with `extpps`: pulses on a pin of a PTP hardware clock, which stamps them.
    ExternalPulses {
        /// The path of the device, or the name of a network interface.
        device: String,
        /// The device may be read by cross time stamps: `nocrossts` forbids it.
        cross: bool,
        /// Where the pulses come in, and which edge counts.
        input: PulseInput,
    },
    /// `PPS`: a device that stamps pulses.
    Pps {
        /// The path of the device.
        device: String,
        /// `clear`: the falling edge counts.
        clear: bool,
    },
    /// `SHM`: a segment of System V shared memory, as gpsd writes it.
    Shm {
        /// The number of the segment.
        unit: u32,
        /// `perm`: its permissions, if it has to be made.
        permissions: u32,
    },
    /// `SOCK`: datagrams on this Unix socket.
    Sock {
        /// The path.
        path: String,
    },
}

/// Where a PTP hardware clock gets its pulses from.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PulseInput {
    /// `pin`: the number of the pin, if the clock has pins that can be told what to do.
    pub pin: u32,
    /// `channel`: the number of the unit that stamps.
    pub channel: u32,
    /// `clear`: the falling edge counts.
    pub clear: bool,
}

/// The name of a driver in the configuration.
impl Driver {
    /// The name of the driver as a `refclock` line has it.
    pub fn name(&self) -> &'static str {
        match self {
            Driver::Phc { .. } | Driver::ExternalPulses { .. } => "PHC",
            Driver::Pps { .. } => "PPS",
            Driver::Shm { .. } => "SHM",
            Driver::Sock { .. } => "SOCK",
        }
    }

    /// The parameter, for messages.
    pub fn parameter(&self) -> String {
        match self {
            Driver::Phc { device, .. } | Driver::ExternalPulses { device, .. } | Driver::Pps { device, .. } => {
                device.clone()
            }
            Driver::Shm { unit, .. } => unit.to_string(),
            Driver::Sock { path } => path.clone(),
        }
    }

    /// The device speaks when it has something to say, and is not read.
    pub fn is_heard(&self) -> bool {
        matches!(self, Driver::Sock { .. })
    }
}

impl ClockConfig {
    /// chrony's defaults.
    pub fn new(id: ReferenceId, driver: Driver) -> Self {
        let options = SourceOptions { max_unreach: 100_000, min_poll: 4, max_poll: 4, ..SourceOptions::default() };
        ClockConfig {
            id,
            driver,
            poll: 4,
            dpoll: 0,
            filter: 64,
            rate: 1,
            lock: None,
            max_lock_age: 2,
            width_s: 0.0,
            pps: false,
            delay_s: 1e-9,
            precision_s: None,
            max_dispersion_s: None,
            stratum: 0,
            tai: false,
            options,
        }
    }

    /// How often the device is read.
    pub fn device_interval(&self) -> Span {
        poll_interval(self.dpoll)
    }

    /// Readings of the device in one poll.
    pub fn readings(&self) -> u32 {
        1 << u32::try_from(self.poll - self.dpoll).unwrap_or(0).min(24)
    }
}

/// What came of reading a device.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Reading {
    /// The device tells the time.
    Time(DeviceTime),
    /// The device has nothing new to say.
    Nothing,
    /// The device is not well, and what it says is no time.
    Unwell(Flaw),
    /// The device cannot be opened, or not be read any more.
    Absent,
}

/// The time of a device at one moment.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DeviceTime {
    /// When, on our side.
    pub at: Moment,
    /// What the device said then.
    pub time: Utc,
    /// By so much the moment may be wrong, to either side: half of the time that the reading took.
    pub margin: Span,
    /// Only the fraction of the second counts: it is a pulse.
    pub is_pulse: bool,
    /// The leap warning of the device.
    pub leap: Leap,
    /// How precise it says it is, log2 of seconds.
    pub precision: Option<i8>,
}

/// How far TAI has been ahead of UTC since 2017, in case nobody says so.
const USUAL_TAI_S: i32 = 37;
/// A device this near to TAI keeps it: no system clock that is looked at is wrong by so many seconds by chance.
const TAI_MARGIN: Span = Span::from_secs(2);

/// How far TAI is ahead of UTC, if that is not known.
pub fn tai(tai_s: Option<i32>) -> Span {
    Span::from_secs(i64::from(tai_s.unwrap_or(USUAL_TAI_S)))
}

/// A device that is ahead of the system clock by this much keeps TAI, if the system clock is right.
pub fn looks_like_tai(ahead: Span, tai_s: Option<i32>) -> bool {
    (ahead - tai(tai_s)).abs() < TAI_MARGIN
}

/// A moment by one of our own clocks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Moment {
    /// By the system clock, as most devices are read.
    System(Utc),
    /// By the raw counter, with the time the machine has slept.
    Counter(Raw),
}
