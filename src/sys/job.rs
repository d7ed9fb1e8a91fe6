//! Other people's commands: run without privileges, without our descriptors, and not for ever.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use libc::{c_char, c_int, c_uint};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{
    ForkResult, Gid, Pid, Uid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, setgid, setgroups, setpgid, setuid,
};

use super::privileges::{self, User};

/// Where commands find others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command that was started. Killed if it still runs when this is dropped.
#[derive(Debug)]
pub struct Job {
    process: Pid,
    /// The child writes an errno here, unless it becomes the command.
    failure: PipeReader,
    is_over: bool,
}

impl Job {
    /// Runs a program with these arguments: no shell, no standard streams, no environment but `PATH` and `variables`, in
    /// the directory `/`, in a process group of its own, with ordinary priority and without capabilities; as `user`, or as
    /// who we are. Does not wait for it to be loaded.
    ///
    /// No descriptor of ours is inherited that was opened close-on-exec; see [`keep_descriptors`] for others.
    ///
    /// # Errors
    /// Those of pipe(2) and fork(2), and InvalidInput for zero bytes; what goes wrong in the child is for [`Job::ended`].
    pub fn start(
        program: &str,
        arguments: &[String],
        variables: &[(&str, String)],
        user: Option<&User>,
    ) -> io::Result<Self> {
        // `std::process::Command` would do the same in 35 kB more.
        let words = [program].into_iter().chain(arguments.iter().map(String::as_str)).map(CString::new);
        let words = words.collect::<Result<Vec<_>, _>>()?;
        let path = [CString::new(format!("PATH={PATH}"))];
        let variables = variables.iter().map(|(name, value)| CString::new(format!("{name}={value}")));
        let variables = path.into_iter().chain(variables).collect::<Result<Vec<_>, _>>()?;
        let (argv, envp) = (pointers(&words), pointers(&variables));
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let (failure, report) = io::pipe()?;
        // SAFETY: there may be other threads, so that the child makes system calls only: nothing that allocates, or takes
        // a lock that one of them may hold.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => {
                // Whoever of the two comes first: it can be killed from now on.
                let _ = setpgid(child, child);
                Ok(Job { process: child, failure, is_over: false })
            }
            ForkResult::Child => {
                let errno = prepare(&null, user).err().unwrap_or_else(|| {
                    // SAFETY: both lists end with null, and point to strings that live until the end of this process.
                    unsafe { libc::execve(argv[0], argv.as_ptr(), envp.as_ptr()) };
                    Errno::last()
                });
                let errno = errno as i32;
                // SAFETY: four bytes of a live variable; _exit takes any status, and runs nothing of ours.
                unsafe {
                    libc::write(report.as_raw_fd(), (&raw const errno).cast(), size_of_val(&errno));
                    libc::_exit(127)
                }
            }
        }
    }

    /// How it ended, with the reason if that was not as it should; or `None` while it runs. Never blocks.
    pub fn ended(&mut self) -> Option<Result<(), String>> {
        let status = match waitpid(self.process, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, status)) => Ok(status),
            Ok(WaitStatus::Signaled(_, signal, _)) => Err(signal),
            // It is our child, so that there is no error as long as it is not over.
            _ => return None,
        };
        self.is_over = true;
        let mut errno = [0; 4];
        // Nobody writes any more: this does not block.
        if self.failure.read_exact(&mut errno).is_ok() {
            return Some(Err(Errno::from_raw(i32::from_ne_bytes(errno)).desc().to_owned()));
        }
        Some(match status {
            Ok(0) => Ok(()),
            Ok(status) => Err(format!("exit status {status}")),
            Err(signal) => Err(signal.as_str().to_owned()),
        })
    }

    /// Kills it, with what it started in its process group. [`Job::ended`] tells when that is done.
    pub fn kill(&self) {
        if !self.is_over {
            let _ = killpg(self.process, Signal::SIGKILL);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.is_over && self.ended().is_none() {
            self.kill();
        }
    }
}

/// As execve(2) wants them.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
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

/// Has no command inherit the descriptors that this process was started with, except the standard streams.
pub fn keep_descriptors() {
    let first = libc::STDERR_FILENO as c_uint + 1;
    // SAFETY: numbers only, from the first after the standard streams to the last there can be. Since Linux 5.11.
    let set = |call: CloseRange| unsafe { call(first, c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as c_int) };
    if close_range().is_some_and(|call| set(call) == 0) {
        return;
    }
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<RawFd>().ok();
    for fd in entries.flatten().filter_map(number).filter(|fd| *fd > libc::STDERR_FILENO) {
        // SAFETY: numbers only; one that was closed meanwhile is an error, and no harm.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// In the child: leaves everything of ours behind.
fn prepare(null: &File, user: Option<&User>) -> nix::Result<()> {
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    dup2_stdin(null)?;
    dup2_stdout(null)?;
    dup2_stderr(null)?;
    if let Some(user) = user {
        setgroups(&[])?;
        setgid(Gid::from_raw(user.gid))?;
        setuid(Uid::from_raw(user.uid))?;
    }
    chdir("/")?;
    // SAFETY: all bits zero is a value, the thread is this one, and the pointer is live. The child of somebody with
    // real-time priority would have it too, and could keep us from running. Without the right to change it there is none.
    unsafe {
        let ordinary: libc::sched_param = std::mem::zeroed();
        libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_OTHER as c_int, &ordinary);
    }
    // Handlers go with exec(3); what is ignored or blocked stays so, by us (SIGPIPE) or by whoever started us.
    for signal in 1..libc::SIGRTMAX() + 1 {
        // SAFETY: no handler is involved. Those that cannot be changed are errors.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    SigSet::empty().thread_set_mask()?;
    privileges::drop_capabilities().map_err(|_| Errno::EPERM)
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    use super::*;

    fn wait(job: &mut Job) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(end) = job.ended() {
                return end;
            }
            assert!(Instant::now() < deadline, "it does not end");
            sleep(Duration::from_millis(5));
        }
    }

    /// What a shell finds out about itself.
    fn facts(name: &str, script: &str, user: Option<&User>) -> String {
        let directory = env::temp_dir().join(format!("slewd-job-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let path = directory.join("facts");
        let arguments = ["-c".to_owned(), format!("({script}) > {}", path.display())];
        let mut job = Job::start("/bin/sh", &arguments, &[("SLEWD_EVENT", "step".to_owned())], user).unwrap();
        assert_eq!(wait(&mut job), Ok(()));
        let text = fs::read_to_string(path).unwrap();
        fs::remove_dir_all(directory).unwrap();
        text
    }

    #[test]
    fn it_gets_its_variables_and_nothing_else() {
        keep_descriptors();
        let text = facts("env", "env | grep -vE '^(_|SHLVL|PWD|OLDPWD)=' | sort; pwd; ls /proc/self/fd | wc -l", None);
        // The three standard streams, and the one through which ls reads.
        assert_eq!(text, format!("PATH={PATH}\nSLEWD_EVENT=step\n/\n4\n"));
    }

    #[test]
    fn no_signal_is_blocked_or_ignored() {
        // SAFETY: no handler is involved; nothing in these tests writes more than it may.
        unsafe { nix::sys::signal::signal(Signal::SIGXFSZ, nix::sys::signal::SigHandler::SigIgn) }.unwrap();
        let blocked = SigSet::from_iter([Signal::SIGTERM, Signal::SIGUSR2]);
        blocked.thread_block().unwrap();
        let text = facts("signals", "grep -E '^Sig(Blk|Ign):' /proc/self/status | cut -f2", None);
        blocked.thread_unblock().unwrap();
        let sets: Vec<u64> = text.lines().map(|set| u64::from_str_radix(set, 16).unwrap()).collect();
        // The first real-time signals belong to the C library, which lets nobody change them.
        let standard = |set: &u64| set & ((1 << 31) - 1);
        assert_eq!(sets.iter().map(standard).collect::<Vec<_>>(), [0, 0], "{text}");
    }

    #[test]
    fn root_and_its_capabilities_are_gone() {
        if !privileges::is_root() {
            return eprintln!("skipped: only root can become somebody else");
        }
        let nobody = privileges::find_user("nobody").unwrap().expect("Debian has nobody");
        let text = facts(
            "nobody",
            "id -u; id -G; grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | cut -f2 | sort -u",
            Some(&nobody),
        );
        assert_eq!(text.lines().collect::<Vec<_>>(), ["65534", "65534", "0000000000000000"]);
    }

    #[test]
    fn how_it_ended_is_told() {
        let end = |program: &str, arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
            wait(&mut Job::start(program, &arguments, &[], None).unwrap())
        };
        assert_eq!(end("/bin/true", &[]), Ok(()));
        assert_eq!(end("/bin/sh", &["-c", "exit 3"]), Err("exit status 3".to_owned()));
        // SIGPIPE, which we ignore, does what it does to everybody.
        assert_eq!(end("/bin/sh", &["-c", "kill -PIPE $$"]), Err("SIGPIPE".to_owned()));
        assert_eq!(end("/no/such/program", &[]), Err("No such file or directory".to_owned()));
        assert_eq!(end("/etc/passwd", &[]), Err("Permission denied".to_owned()));
        assert!(Job::start("/bin/true", &["\0".to_owned()], &[], None).is_err());
    }

    #[test]
    fn what_it_started_is_killed_with_it() {
        let arguments = ["-c".to_owned(), "sleep 1000 & sleep 1000".to_owned()];
        let mut job = Job::start("/bin/sh", &arguments, &[], None).unwrap();
        let group = job.process;
        let deadline = Instant::now() + Duration::from_secs(20);
        let children = || {
            let children = fs::read_to_string(format!("/proc/{group}/task/{group}/children"));
            children.map_or(0, |children| children.split_whitespace().count())
        };
        while children() < 2 {
            assert!(Instant::now() < deadline && job.ended().is_none(), "it has no children");
            sleep(Duration::from_millis(5));
        }
        job.kill();
        assert_eq!(wait(&mut job), Err("SIGKILL".to_owned()));
        while killpg(group, None).is_ok() {
            assert!(Instant::now() < deadline, "something of the group is left");
            sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn descriptors_from_our_parent_are_kept() {
        let (reader, _writer) = io::pipe().unwrap();
        fcntl(&reader, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        keep_descriptors();
        let flags = fcntl(&reader, FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags, FdFlag::FD_CLOEXEC.bits(), "{}", reader.as_raw_fd());
    }
}
