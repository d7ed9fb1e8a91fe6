//! PTP hardware clocks (linux/ptp_clock.h): reading one together with a clock of the system.

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::path::Path;

use libc::{ptp_clock_caps, ptp_clock_time, ptp_sys_offset, ptp_sys_offset_extended, ptp_sys_offset_precise};
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
}

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

    /// What it can do.
    ///
    /// # Errors
    /// The errors of the device.
    pub fn capabilities(&self) -> io::Result<Capabilities> {
        // SAFETY: the structure has integers only, for which zeros are valid.
        let mut caps: ptp_clock_caps = unsafe { mem::zeroed() };
        // SAFETY: the request fills in a structure of this type.
        unsafe { self.request(libc::PTP_CLOCK_GETCAPS, &mut caps) }?;
        Ok(Capabilities { cross_timestamps: caps.cross_timestamping != 0 })
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
    }

    #[test]
    fn what_is_no_clock_is_refused() {
        assert_eq!(PtpClock::open(Path::new("/dev/null")).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
    }
}
