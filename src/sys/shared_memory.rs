//! A segment of System V shared memory (shmget(2)) in the layout that programs use to tell NTP daemons the time.

use std::io;
use std::ptr;
use std::sync::atomic::{Ordering, fence};

use libc::{c_int, c_uint};

/// C's `time_t`, which musl has in 64 bits on every machine.
#[cfg(target_env = "musl")]
type SegmentSeconds = i64;
#[cfg(not(target_env = "musl"))]
type SegmentSeconds = libc::time_t;

/// The structure in the segment: that of NTP's driver type 28, as wide as this machine's types.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SegmentLayout {
    /// How the record is guarded.
    pub mode: c_int,
    /// Counts what was written.
    pub count: c_int,
    /// The device's time, seconds.
    pub clock_s: SegmentSeconds,
    /// The microseconds of that time.
    pub clock_us: c_int,
    /// The system clock at the same moment, seconds.
    pub received_s: SegmentSeconds,
    /// The microseconds of that time.
    pub received_us: c_int,
    /// Leap warning.
    pub leap: c_int,
    /// log2 of seconds.
    pub precision: c_int,
    /// Of no use.
    pub samples: c_int,
    /// There is something to be read.
    pub valid: c_int,
    /// Nanoseconds of the device's time.
    pub clock_ns: c_uint,
    /// Nanoseconds of the system clock.
    pub received_ns: c_uint,
    /// Of no use.
    pub unused: [c_int; 8],
}

/// An attached segment.
#[derive(Debug)]
pub struct Segment(ptr::NonNull<SegmentLayout>);

impl Segment {
    /// Attaches the segment with this key; if there is none it is made with these permissions.
    ///
    /// # Errors
    /// The errors of shmget(2) and shmat(2): permissions, a segment that is smaller, a kernel without them.
    pub fn attach(key: u32, permissions: u32) -> io::Result<Self> {
        let flags = libc::IPC_CREAT | (permissions & 0o777) as c_int;
        // SAFETY: the call takes numbers only.
        let id = unsafe { libc::shmget(key as libc::key_t, size_of::<SegmentLayout>(), flags) };
        if id < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: without an address the kernel chooses one, at the beginning of a page of its own.
        let address = unsafe { libc::shmat(id, ptr::null(), 0) };
        if address.addr() == usize::MAX {
            return Err(io::Error::last_os_error());
        }
        ptr::NonNull::new(address.cast()).map(Segment).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The whole record, which somebody may be writing meanwhile.
    pub fn read(&self) -> SegmentLayout {
        // SAFETY: the segment is at least as large as the structure, aligned, stays attached as long as `self`, and any
        // bytes are a valid value. Others write to it, so that each read is made once and as it stands.
        let layout = unsafe { self.0.as_ptr().read_volatile() };
        fence(Ordering::SeqCst);
        layout
    }

    /// The count as it is now.
    pub fn count(&self) -> c_int {
        // SAFETY: as in `read`; the field lies within the structure.
        unsafe { (&raw const (*self.0.as_ptr()).count).read_volatile() }
    }

    /// What is there has been read.
    pub fn mark_read(&self) {
        // SAFETY: as in `read`; the field lies within the structure, and any number may be written to it.
        unsafe { (&raw mut (*self.0.as_ptr()).valid).write_volatile(0) };
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: the address is that of shmat, and nobody uses it any more.
        unsafe { libc::shmdt(self.0.as_ptr().cast()) };
    }
}
