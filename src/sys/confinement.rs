//! What a daemon gives up beyond its account: descriptors it was started with, rights it could regain, its memory to others.

use std::fs;
use std::os::fd::RawFd;

use libc::{c_int, c_uint};
use nix::sys::prctl;
use nix::sys::stat::{Mode, umask};

use super::privileges::Capability;

/// Capabilities have numbers below this one: two words of 32 bits hold them (capabilities(7)).
const MOST_CAPABILITIES: u8 = 64;

/// Where nobody can list the open descriptors, so many numbers are tried.
const NUMBERS_TRIED: RawFd = 1024;

/// Descriptors that this process was started with, beside the standard streams.
#[derive(Debug)]
pub struct Inherited(Vec<RawFd>);

impl Inherited {
    /// The descriptors of now: call this before anything is opened. One that is closed on exec was not inherited, but opened by a
    /// library that was loaded before `main`.
    pub fn now() -> Self {
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<RawFd>().ok();
        let listed = fs::read_dir("/proc/self/fd").map(|entries| entries.flatten().filter_map(number).collect());
        let numbers: Vec<RawFd> = listed.unwrap_or_else(|_| (0..NUMBERS_TRIED).collect());
        // The one that listed them is closed by now, or would be closed on exec.
        Inherited(numbers.into_iter().filter(|fd| *fd > libc::STDERR_FILENO && is_left_open(*fd)).collect())
    }

    /// Closes them all but one, which no command inherits.
    pub fn close_except(self, kept: Option<RawFd>) {
        for fd in self.0 {
            // SAFETY: nothing of this program was told of the number but `kept`, and `Inherited` is made before anything
            // is opened.
            unsafe {
                if Some(fd) == kept {
                    libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC)
                } else {
                    libc::close(fd)
                };
            }
        }
    }
}

/// Closes all descriptors but the standard streams and one. Makes system calls only.
pub(super) fn close_all_but(kept: RawFd) {
    let first = libc::STDERR_FILENO + 1;
    for (from, to) in [(first, kept - 1), (kept + 1, RawFd::MAX)] {
        if from > to {
            continue;
        }
        // SAFETY: numbers only. Since Linux 5.9.
        if close_range().is_some_and(|call| unsafe { call(from as c_uint, to as c_uint, 0) } == 0) {
            continue;
        }
        for fd in from..=to.min(NUMBERS_TRIED) {
            // SAFETY: the caller is a process that has forgotten its descriptors.
            unsafe { libc::close(fd) };
        }
    }
}

/// close_range(2) as libc declares it.
type CloseRange = unsafe extern "C" fn(c_uint, c_uint, c_int) -> c_int;

/// The C library's close_range, which glibc has since 2.34: looked up while running, so that older ones start slewd too.
fn close_range() -> Option<CloseRange> {
    // SAFETY: the name ends with a zero, and nothing keeps it.
    let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"close_range".as_ptr()) };
    // SAFETY: whoever defines this name defines it with this signature; a null pointer becomes `None`.
    unsafe { std::mem::transmute::<*mut libc::c_void, Option<CloseRange>>(symbol) }
}

fn is_left_open(fd: RawFd) -> bool {
    // SAFETY: numbers only; one that is not open is an error.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC == 0
}

/// Takes all but these capabilities out of the bounding set: nothing started from here can have them, even as root.
///
/// Needs CAP_SETPCAP. Who started us without it has set the bounds.
pub fn bound_capabilities(kept: &[Capability]) {
    for number in (0..MOST_CAPABILITIES).filter(|number| kept.iter().all(|kept| *kept as u8 != *number)) {
        // SAFETY: numbers only. Those that this kernel does not know are errors.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
    }
}

/// No program started from here gains privileges, nobody of this account reads or traces this process, and what it makes
/// is written by nobody else.
pub fn confine() {
    // Kernels before 3.5 know no such promise.
    let _ = prctl::set_no_new_privs();
    let _ = prctl::set_dumpable(false);
    let inherited = umask(Mode::empty());
    umask(inherited | Mode::S_IWGRP | Mode::S_IWOTH);
}
