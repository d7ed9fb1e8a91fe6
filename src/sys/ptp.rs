//! PTP hardware clocks (linux/ptp_clock.h): reading one together with a clock of the system, and what they stamp themselves.

use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use libc::{
    ptp_clock_caps, ptp_clock_time, ptp_extts_request, ptp_pin_desc, ptp_sys_offset, ptp_sys_offset_extended,
    ptp_sys_offset_precise,
};
use nix::errno::Errno;

/// Readings made at once.
pub const READINGS: usize = 10;

/// An open device.
#[derive(Debug)]
pub struct PtpClock(File);

/// What a device can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// The device can be read at the very moment of a reading of the counter.
    pub cross_timestamps: bool,
    /// Units that stamp pulses from outside.
    pub channels: u32,
    /// Pins that can be told what they are for.
    pub pins: u32,
}

/// Length of what a device says of one pulse.
const EVENT_LEN: usize = 32;

/// What a request for stamps of pulses may say (linux/ptp_clock.h): that they are wanted, of which edge, and that the driver is
/// to refuse what it cannot do.
const ENABLE: u32 = 1;
const RISING_EDGE: u32 = 1 << 1;
const FALLING_EDGE: u32 = 1 << 2;
const STRICT: u32 = 1 << 3;

/// Our clock, the device, and our clock again, in nanoseconds.
pub type Triple = [i64; 3];

impl PtpClock {
    /// Opens a device, and makes sure that it is one.
    ///
    /// # Errors
    /// The errors of open(2), and ENOTTY for what is no PTP hardware clock.
    pub fn open(path: &Path) -> io::Result<Self> {
        let clock = PtpClock(File::open(path)?);
        clock.capabilities()?;
        Ok(clock)
    }

    /// Opens a device as [`PtpClock::open`] does, to be told to stamp pulses: that takes the right to write.
    ///
    /// # Errors
    /// Those of [`PtpClock::open`].
    pub fn open_for_pulses(path: &Path) -> io::Result<Self> {
        let clock = PtpClock(File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?);
        clock.capabilities()?;
        Ok(clock)
    }

    /// Makes a pin the input of a channel.
    ///
    /// # Errors
    /// EINVAL where the pin cannot be that, EBUSY where another program wants the channel.
    pub fn make_input(&self, pin: u32, channel: u32) -> io::Result<()> {
        self.set_pin(pin, channel, libc::PTP_PF_EXTTS)
    }

    fn set_pin(&self, pin: u32, channel: u32, function: u32) -> io::Result<()> {
        // SAFETY: as for the capabilities.
        let mut description: ptp_pin_desc = unsafe { mem::zeroed() };
        (description.index, description.func, description.chan) = (pin, function, channel);
        // SAFETY: the request reads a structure of this type.
        unsafe { self.request(libc::PTP_PIN_SETFUNC, &mut description) }
    }

    /// Makes a channel stamp one edge of pulses, the falling one if `clear`. Before Linux 5.4, and where a driver cannot tell the
    /// edges apart, it may stamp both.
    ///
    /// # Errors
    /// The errors of the device.
    pub fn stamp_pulses(&self, channel: u32, clear: bool) -> io::Result<()> {
        let edge = if clear { FALLING_EDGE } else { RISING_EDGE };
        let strictly = self.request_stamps(libc::PTP_EXTTS_REQUEST2, channel, ENABLE | edge | STRICT);
        strictly.or_else(|_| self.request_stamps(libc::PTP_EXTTS_REQUEST, channel, ENABLE | edge))
    }

    fn request_stamps(&self, request: libc::Ioctl, channel: u32, flags: u32) -> io::Result<()> {
        // SAFETY: as for the capabilities.
        let mut wanted: ptp_extts_request = unsafe { mem::zeroed() };
        (wanted.index, wanted.flags) = (channel, flags);
        // SAFETY: both requests read a structure of this type.
        unsafe { self.request(request, &mut wanted) }
    }

    /// Undoes what [`PtpClock::make_input`] and [`PtpClock::stamp_pulses`] have done, as far as the device lets us.
    pub fn stop_pulses(&self, pin: u32, channel: u32) {
        let _ = self.request_stamps(libc::PTP_EXTTS_REQUEST, channel, 0);
        let _ = self.set_pin(pin, channel, libc::PTP_PF_NONE);
    }

    /// The newest stamp of this channel since the last call, in nanoseconds of the device. Never waits.
    ///
    /// # Errors
    /// The errors of the device.
    pub fn newest_pulse(&mut self, channel: u32) -> io::Result<Option<i64>> {
        let mut newest = None;
        let mut buffer = [0; 16 * EVENT_LEN];
        loop {
            let length = match self.0.read(&mut buffer) {
                Ok(0) => return Ok(newest),
                Ok(length) => length,
                Err(reason) if reason.kind() == io::ErrorKind::WouldBlock => return Ok(newest),
                Err(reason) if reason.kind() == io::ErrorKind::Interrupted => continue,
                Err(reason) => return Err(reason),
            };
            let (events, _) = buffer.get(..length).unwrap_or_default().as_chunks();
            newest = events.iter().filter_map(|event| pulse(event, channel)).next_back().or(newest);
        }
    }

    /// What it can do.
    ///
    /// # Errors
    /// The errors of the device.
    pub fn capabilities(&self) -> io::Result<Capabilities> {
        // SAFETY: the structure has integers only, for which zeros are valid.
        let mut caps: ptp_clock_caps = unsafe { mem::zeroed() };
        // SAFETY: the request fills in a structure of this type.
        unsafe { self.request(libc::PTP_CLOCK_GETCAPS, &mut caps) }?;
        let number = |count| u32::try_from(count).unwrap_or(0);
        Ok(Capabilities {
            cross_timestamps: caps.cross_timestamping != 0,
            channels: number(caps.n_ext_ts),
            pins: number(caps.n_pins),
        })
    }

    /// The device's time, and CLOCK_MONOTONIC_RAW at the same moment, in nanoseconds.
    ///
    /// # Errors
    /// EOPNOTSUPP where the hardware cannot do it.
    pub fn cross_timestamp(&self) -> io::Result<(i64, i64)> {
        // SAFETY: as for the capabilities.
        let mut offset: ptp_sys_offset_precise = unsafe { mem::zeroed() };
        // SAFETY: the request fills in a structure of this type.
        unsafe { self.request(libc::PTP_SYS_OFFSET_PRECISE, &mut offset) }?;
        Ok((nanos(&offset.device), nanos(&offset.sys_monoraw)))
    }

    /// Readings between two readings of our clock each, made by the driver itself. `by_counter`: of CLOCK_MONOTONIC_RAW
    /// instead of CLOCK_REALTIME.
    ///
    /// # Errors
    /// EOPNOTSUPP where the driver cannot do it, EINVAL where the kernel (before 6.12) only knows CLOCK_REALTIME.
    pub fn extended(&self, by_counter: bool) -> io::Result<[Triple; READINGS]> {
        // SAFETY: as for the capabilities.
        let mut offset: ptp_sys_offset_extended = unsafe { mem::zeroed() };
        offset.n_samples = READINGS as u32;
        offset.clockid = if by_counter { libc::CLOCK_MONOTONIC_RAW } else { libc::CLOCK_REALTIME };
        // SAFETY: the request reads and fills in a structure of this type.
        unsafe { self.request(libc::PTP_SYS_OFFSET_EXTENDED, &mut offset) }?;
        let mut triples = [[0; 3]; READINGS];
        for (triple, stamps) in triples.iter_mut().zip(&offset.ts) {
            *triple = [nanos(&stamps[0]), nanos(&stamps[1]), nanos(&stamps[2])];
        }
        Ok(triples)
    }

    /// Readings between two readings of CLOCK_REALTIME each, made by the kernel: every driver can do this.
    ///
    /// # Errors
    /// The errors of the device.
    pub fn basic(&self) -> io::Result<[Triple; READINGS]> {
        // SAFETY: as for the capabilities.
        let mut offset: ptp_sys_offset = unsafe { mem::zeroed() };
        offset.n_samples = READINGS as u32;
        // SAFETY: the request reads and fills in a structure of this type.
        unsafe { self.request(libc::PTP_SYS_OFFSET, &mut offset) }?;
        let mut triples = [[0; 3]; READINGS];
        for (place, triple) in triples.iter_mut().enumerate() {
            *triple = [2 * place, 2 * place + 1, 2 * place + 2].map(|stamp| nanos(&offset.ts[stamp]));
        }
        Ok(triples)
    }

    /// # Safety
    /// The request must be one that reads and writes a `T`.
    unsafe fn request<T>(&self, request: libc::Ioctl, argument: &mut T) -> io::Result<()> {
        // SAFETY: the caller says that the request is about a `T`, and the reference is to one.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), request, std::ptr::from_mut(argument)) };
        Errno::result(result).map(drop).map_err(Into::into)
    }
}

/// The stamp of an event (struct ptp_extts_event: seconds, nanoseconds, 4 unused bytes, channel, and more) if it is of this channel.
fn pulse(event: &[u8; EVENT_LEN], channel: u32) -> Option<i64> {
    let sec = i64::from_ne_bytes(*event.first_chunk()?);
    let nsec = u32::from_ne_bytes(*event.get(8..)?.first_chunk()?);
    let index = u32::from_ne_bytes(*event.get(16..)?.first_chunk()?);
    (index == channel).then(|| nanos(&ptp_clock_time { sec, nsec, reserved: 0 }))
}

fn nanos(time: &ptp_clock_time) -> i64 {
    time.sec.saturating_mul(1_000_000_000).saturating_add(i64::from(time.nsec))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On x86-64 and ARM.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm"))]
    #[test]
    fn requests_have_the_numbers_of_the_kernel() {
        assert_eq!(libc::PTP_CLOCK_GETCAPS as u32, 0x8050_3d01);
        assert_eq!(libc::PTP_SYS_OFFSET as u32, 0x4340_3d05);
        assert_eq!(libc::PTP_SYS_OFFSET_PRECISE as u32, 0xc040_3d08);
        assert_eq!(libc::PTP_SYS_OFFSET_EXTENDED as u32, 0xc4c0_3d09);
        assert_eq!(libc::PTP_PIN_SETFUNC as u32, 0x4060_3d07);
        assert_eq!(libc::PTP_EXTTS_REQUEST as u32, 0x4010_3d02);
        assert_eq!(libc::PTP_EXTTS_REQUEST2 as u32, 0x4010_3d0b);
    }

    #[test]
    fn the_stamp_of_a_pulse_is_that_of_its_channel() {
        let words = [7_u32, 0, 2, 0, 0, 0].map(u32::to_ne_bytes);
        let event = [5_i64.to_ne_bytes().as_slice(), words.as_flattened()].concat();
        let event: [u8; EVENT_LEN] = event.try_into().expect("an event");
        assert_eq!(pulse(&event, 2), Some(5_000_000_007));
        assert_eq!(pulse(&event, 0), None);
    }

    #[test]
    fn what_is_no_clock_is_refused() {
        assert_eq!(PtpClock::open(Path::new("/dev/null")).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
    }
}
