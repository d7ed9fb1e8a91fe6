//! A filter of system calls (seccomp(2)): what slewd never does, nobody who takes it over does either.
//!
//! A call that is not allowed fails with ENOSYS, and its number is kept for the log: the C library, written for older
//! kernels too, then takes another way. The alternative is the end of the process by SIGSYS. No filter exists where
//! seccompiler knows no instructions for it (32-bit machines), nor without the feature `seccomp`.

#[cfg(all(feature = "seccomp", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
mod calls;
#[cfg(all(feature = "seccomp", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
mod program;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use super::privileges::{self, Capability};

/// What becomes of a call that is not allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Otherwise {
    /// The call fails, and [`refused`] tells of it.
    Fails,
    /// The process ends with SIGSYS.
    Ends,
}

/// Which calls are allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum List {
    /// The calls that a time daemon makes (`-F 1`).
    Needed,
    /// All but some that only administrators of a machine make (`-F 2`). Also for commands of others.
    Harmless,
    /// Harmless calls, but without setting the clock: for threads that only look something up.
    NoClock,
}

/// The number of the last call that was refused and nobody has asked for yet; negative for none.
static REFUSED: AtomicI32 = AtomicI32::new(-1);

/// There is a filter.
static IS_INSTALLED: AtomicBool = AtomicBool::new(false);

/// Filters the calls of this thread, and of all threads and processes that are started from it, for good.
///
/// # Errors
/// Unsupported on machines of 32 bits and without the feature `seccomp`; those of prctl(2): EINVAL from a kernel
/// without such filters, EACCES unless no_new_privs is set.
pub fn install(list: List, otherwise: Otherwise) -> io::Result<()> {
    program::install(list, otherwise)?;
    IS_INSTALLED.store(true, Ordering::Relaxed);
    Ok(())
}

/// Takes from this thread, which has one small thing to do, what the daemon has beyond everybody's rights: its capabilities
/// but these and, if calls are filtered at all, those that set the clock.
pub fn confine_thread(kept: &[Capability]) {
    let kept: Vec<_> = kept.iter().copied().filter(|right| privileges::holds(*right)).collect();
    // What cannot be given up was not there.
    let _ = privileges::keep_only(&kept);
    if IS_INSTALLED.load(Ordering::Relaxed) {
        let _ = install(List::NoClock, Otherwise::Fails);
    }
}

/// The number of a call that was refused since this was last asked.
pub fn refused() -> Option<i32> {
    Some(REFUSED.swap(-1, Ordering::Relaxed)).filter(|number| *number >= 0)
}

/// Nothing that could make filters for this machine was built.
#[cfg(not(all(feature = "seccomp", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))))]
mod program {
    use super::*;

    pub(super) fn install(_: List, _: Otherwise) -> io::Result<()> {
        let why = if cfg!(feature = "seccomp") {
            format!("there is no filter for machines called {}", std::env::consts::ARCH)
        } else {
            "this slewd was built without them".to_owned()
        };
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::net::ToSocketAddrs;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitStatus};
    use std::thread;

    use super::*;

    const ROLE: &str = "SLEWD_TEST_FILTERED";

    /// Runs itself again in a process of its own, which does what `ROLE` says.
    fn in_a_process(test: &str, role: &str) -> ExitStatus {
        let name = format!("sys::seccomp::tests::{test}");
        let mut child = Command::new(env::current_exe().unwrap());
        let output = child.args(["--exact", &name, "--nocapture"]).env(ROLE, role).output().unwrap();
        print!("{}", String::from_utf8_lossy(&output.stderr));
        output.status
    }

    fn role() -> Option<String> {
        env::var(ROLE).ok()
    }

    fn filter(list: List, otherwise: Otherwise) {
        crate::sys::confinement::confine();
        install(list, otherwise).unwrap();
    }

    /// unshare(2) of nothing changes nothing, needs no rights and is on no list. The errno, or 0.
    fn unshare() -> i32 {
        // SAFETY: a number only.
        if unsafe { libc::unshare(0) } == 0 { 0 } else { io::Error::last_os_error().raw_os_error().unwrap_or(-1) }
    }

    #[test]
    fn a_call_that_is_not_on_the_list_fails_and_is_told_of() {
        if role().is_none() {
            return assert!(in_a_process("a_call_that_is_not_on_the_list_fails_and_is_told_of", "fails").success());
        }
        filter(List::Needed, Otherwise::Fails);
        assert_eq!(refused(), None);
        assert_eq!(unshare(), libc::ENOSYS);
        assert_eq!((refused(), refused()), (Some(libc::SYS_unshare as i32), None));
        // Threads are needed, processes are not.
        assert_eq!(thread::spawn(|| 7).join().unwrap(), 7);
        assert_eq!(refused(), None);
        let process = Command::new("/bin/true").status();
        assert_eq!(process.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        // SAFETY: numbers only.
        assert_eq!(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) }, -1);
        assert_eq!(refused(), Some(libc::SYS_socket as i32));
        assert!(fs::read("/proc/self/status").is_ok() && refused().is_none());
    }

    #[test]
    fn a_call_that_is_not_on_the_list_ends_the_process_if_that_is_wanted() {
        let name = "a_call_that_is_not_on_the_list_ends_the_process_if_that_is_wanted";
        match role().as_deref() {
            None => {
                for list in ["needed", "harmless"] {
                    assert_eq!(in_a_process(name, list).signal(), Some(libc::SIGSYS), "{list}");
                }
            }
            Some("needed") => {
                assert_eq!(unshare(), 0);
                filter(List::Needed, Otherwise::Ends);
                unshare();
            }
            Some(_) => {
                filter(List::Harmless, Otherwise::Ends);
                assert!(Command::new("/bin/true").status().unwrap().success());
                unshare();
            }
        }
    }

    #[test]
    fn a_thread_that_looks_something_up_cannot_set_the_clock() {
        let name = "a_thread_that_looks_something_up_cannot_set_the_clock";
        if role().is_none() {
            return assert!(in_a_process(name, "thread").success());
        }
        filter(List::Needed, Otherwise::Fails);
        let can_read = || {
            // SAFETY: all bits zero asks for the state and changes nothing.
            let mut state: libc::timex = unsafe { std::mem::zeroed() };
            // SAFETY: the pointer is live.
            unsafe { libc::adjtimex(&mut state) >= 0 }
        };
        assert!(can_read());
        let in_thread = thread::spawn(move || {
            confine_thread(&[]);
            let status = fs::read_to_string("/proc/thread-self/status").unwrap();
            let resolves = ("localhost", 1).to_socket_addrs().is_ok();
            (can_read(), status.contains("CapEff:\t0000000000000000"), resolves)
        });
        assert_eq!(in_thread.join().unwrap(), (false, true, true));
        assert!(can_read(), "the others can");
    }
}
