//! Pulse-per-second devices (linux/pps.h, RFC 2783): when the kernel saw the last edges.
// The type of the number of a request differs between C libraries.
#![allow(clippy::unnecessary_cast)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use libc::c_int;
use nix::errno::Errno;
use nix::{request_code_read, request_code_readwrite, request_code_write};

/// The requests are numbered as if their arguments were pointers.
const POINTER: usize = size_of::<usize>();
const PPS_GETPARAMS: u64 = request_code_read!(b'p', 0xa1, POINTER) as u64;
const PPS_SETPARAMS: u64 = request_code_write!(b'p', 0xa2, POINTER) as u64;
const PPS_GETCAP: u64 = request_code_read!(b'p', 0xa3, POINTER) as u64;
const PPS_FETCH: u64 = request_code_readwrite!(b'p', 0xa4, POINTER) as u64;

/// Capture the rising edge, the falling one.
const CAPTURE_ASSERT: c_int = 0x01;
const CAPTURE_CLEAR: c_int = 0x02;

/// An open device.
#[derive(Debug)]
pub struct PpsDevice(File);

/// The last edge of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// Counts them; 0 before the first.
    pub sequence: u32,
    /// CLOCK_REALTIME in nanoseconds.
    pub at: i64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Time {
    sec: i64,
    nsec: i32,
    flags: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Parameters {
    api_version: c_int,
    mode: c_int,
    assert_offset: Time,
    clear_offset: Time,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Fetched {
    assert_sequence: u32,
    clear_sequence: u32,
    assert: Time,
    clear: Time,
    current_mode: c_int,
    timeout: Time,
}

impl PpsDevice {
    /// Opens a device and makes it capture one edge: the falling one if `clear`.
    ///
    /// # Errors
    /// The errors of open(2), ENOTTY for what is no such device, EOPNOTSUPP if it cannot capture that edge.
    pub fn open(path: &Path, clear: bool) -> io::Result<Self> {
        let device = PpsDevice(File::options().read(true).write(true).open(path)?);
        let edge = if clear { CAPTURE_CLEAR } else { CAPTURE_ASSERT };
        let mut capabilities: c_int = 0;
        // SAFETY: the request fills in an int.
        unsafe { device.request(PPS_GETCAP, &mut capabilities) }?;
        if capabilities & edge == 0 {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let mut parameters = Parameters::default();
        // SAFETY: the request fills in a structure of this type.
        unsafe { device.request(PPS_GETPARAMS, &mut parameters) }?;
        if parameters.mode & edge == 0 {
            parameters.mode |= edge;
            // SAFETY: the request reads a structure of this type.
            unsafe { device.request(PPS_SETPARAMS, &mut parameters) }?;
        }
        Ok(device)
    }

    /// The last edge: the falling one if `clear`. Never waits.
    ///
    /// # Errors
    /// ENODEV when the device has gone.
    pub fn last(&self, clear: bool) -> io::Result<Edge> {
        // A timeout of zero is none.
        let mut fetched = Fetched::default();
        // SAFETY: the request reads and fills in a structure of this type.
        unsafe { self.request(PPS_FETCH, &mut fetched) }?;
        let (sequence, time) = match clear {
            true => (fetched.clear_sequence, fetched.clear),
            false => (fetched.assert_sequence, fetched.assert),
        };
        Ok(Edge { sequence, at: time.sec.saturating_mul(1_000_000_000).saturating_add(i64::from(time.nsec)) })
    }

    /// # Safety
    /// The request must be one that reads and writes a `T`.
    unsafe fn request<T>(&self, request: u64, argument: &mut T) -> io::Result<()> {
        // SAFETY: the caller says that the request is about a `T`, and the reference is to one.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), request as libc::Ioctl, std::ptr::from_mut(argument)) };
        Errno::result(result).map(drop).map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[test]
    fn requests_have_the_numbers_of_the_kernel() {
        let numbers = [PPS_GETPARAMS, PPS_SETPARAMS, PPS_GETCAP, PPS_FETCH].map(|request| request as u32);
        assert_eq!(numbers, [0x8008_70a1, 0x4008_70a2, 0x8008_70a3, 0xc008_70a4]);
        assert_eq!((size_of::<Fetched>(), size_of::<Parameters>()), (64, 40));
    }

    #[test]
    fn what_is_no_such_device_is_refused() {
        let refused = PpsDevice::open(Path::new("/dev/null"), false).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ENOTTY));
    }
}
