//! What a daemon asks the kernel about itself and other processes: memory, priority, randomness, who is alive.

use std::fs::File;
use std::io::{self, Read};

use libc::c_int;
use nix::errno::Errno;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// Whether a process with this id exists (kill(2) with signal 0), of whatever user.
pub fn is_alive(pid: i32) -> bool {
    // Zero and negative ids address groups.
    pid > 0 && kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

/// Version of the running Linux (uname(2)), such as 6 and 1; `None` if it does not say.
pub fn kernel_version() -> Option<(u32, u32)> {
    // SAFETY: all bits zero is a value: empty strings.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is live.
    Errno::result(unsafe { libc::uname(&mut name) }).ok()?;
    let release =
        name.release.iter().map(|byte| byte.to_ne_bytes()[0]).take_while(|byte| *byte != 0).collect::<Vec<_>>();
    let release = String::from_utf8_lossy(&release);
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Keeps all memory, present and future, from being swapped out (mlockall(2), `lock_all`).
///
/// The limit of locked memory is lifted first, since it binds once root is dropped. Needs CAP_IPC_LOCK, or a limit that
/// suffices.
pub fn lock_memory() -> io::Result<()> {
    // Without the right to lift the limit, the present one may still do: mlockall tells.
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    Ok(mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE)?)
}

/// Gives this thread, and those it starts later, a real-time priority of 1 to 99 (SCHED_FIFO of sched(7), `sched_priority`).
///
/// # Errors
/// EINVAL outside that range, EPERM without CAP_SYS_NICE or a sufficient limit.
pub fn realtime_priority(priority: u8) -> io::Result<()> {
    set_scheduling(libc::SCHED_FIFO, priority)
}

/// Gives this thread the priority that everybody has (SCHED_OTHER of sched(7)).
///
/// # Errors
/// The errors of pthread_setschedparam(3); lowering one's priority needs no rights.
pub(super) fn ordinary_priority() -> io::Result<()> {
    set_scheduling(libc::SCHED_OTHER, 0)
}

fn set_scheduling(policy: c_int, priority: u8) -> io::Result<()> {
    // SAFETY: `sched_param` holds only numbers, for which all bits zero is a value.
    let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
    param.sched_priority = c_int::from(priority);
    // musl has sched_setscheduler(2) fail always, so the thread's own function is used.
    // SAFETY: the thread is this one, and `param` outlives the call.
    match unsafe { libc::pthread_setschedparam(libc::pthread_self(), policy, &param) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// 32 unpredictable bytes for seeding a generator.
///
/// Never waits: if the kernel has not gathered enough randomness yet (the first seconds of a boot) or has no getrandom(2),
/// the bytes come from /dev/urandom, which answers always.
pub fn random_seed() -> io::Result<[u8; 32]> {
    let mut seed = [0u8; 32];
    // SAFETY: the pointer and the length are those of `seed`.
    let got = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), libc::GRND_NONBLOCK) };
    // Up to 256 bytes come whole or not at all.
    if got != seed.len() as isize {
        File::open("/dev/urandom")?.read_exact(&mut seed)?;
    }
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};
    use std::thread;
    use std::{env, fs};

    use super::*;
    use crate::not_run::not_run;

    #[test]
    fn only_processes_that_exist_are_alive() {
        assert!(is_alive(id() as i32) && is_alive(1));
        assert!(!is_alive(0) && !is_alive(-1));
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(!is_alive(child.id() as i32));
    }

    /// Runs itself again in a process of its own, which locks its memory.
    #[test]
    fn all_memory_is_locked() {
        const ROLE: &str = "SLEWD_TEST_LOCKS_MEMORY";
        if env::var_os(ROLE).is_none() {
            let name = "sys::process::tests::all_memory_is_locked";
            let mut child = Command::new(env::current_exe().unwrap());
            let output = child.args(["--exact", name, "--nocapture"]).env(ROLE, "1").output().unwrap();
            return assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        match lock_memory() {
            Ok(()) => {
                let status = fs::read_to_string("/proc/self/status").unwrap();
                let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
                assert!(!locked.trim().starts_with("0 "), "{locked}");
            }
            Err(error) => {
                assert!([Some(libc::EPERM), Some(libc::ENOMEM)].contains(&error.raw_os_error()), "{error}");
                not_run("no CAP_IPC_LOCK");
            }
        }
    }

    #[test]
    fn this_kernel_has_a_version() {
        let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let (major, minor) = kernel_version().unwrap();
        assert!(text.starts_with(&format!("{major}.{minor}")), "{text}");
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(random_seed().unwrap(), random_seed().unwrap());
    }

    #[test]
    fn a_real_time_priority_is_taken_over_by_the_thread() {
        let result = thread::spawn(|| {
            realtime_priority(1)?;
            // SAFETY: all bits zero is a value, and both pointers are live.
            unsafe {
                let (mut policy, mut param): (c_int, libc::sched_param) = std::mem::zeroed();
                libc::pthread_getschedparam(libc::pthread_self(), &mut policy, &mut param);
                Ok::<_, io::Error>((policy, param.sched_priority))
            }
        });
        match result.join().unwrap() {
            Ok(scheduling) => assert_eq!(scheduling, (libc::SCHED_FIFO, 1)),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
                not_run("no CAP_SYS_NICE");
            }
        }
        assert_eq!(realtime_priority(100).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }
}
