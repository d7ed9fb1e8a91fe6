//! Other people's commands: run without privileges, without our descriptors, and not for ever.

use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use libc::c_int;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::privileges::{self, User};

/// Where commands find others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command that was started. Killed if it still runs when this is dropped.
#[derive(Debug)]
pub struct Job(Child);

impl Job {
    /// Runs a program with these arguments: no shell, no standard streams, no environment but `PATH` and `variables`, in
    /// the directory `/`, in a process group of its own, with ordinary priority and without capabilities; as `user`, or as
    /// who we are.
    ///
    /// No descriptor of ours is inherited that was opened close-on-exec; see [`keep_descriptors`] for others.
    ///
    /// # Errors
    /// Those of fork(2), setuid(2) and execve(2): returned here, not in the child.
    pub fn start(
        program: &str,
        arguments: &[String],
        variables: &[(&str, String)],
        user: Option<&User>,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("PATH", PATH).current_dir("/").process_group(0);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(user) = user {
            // Supplementary groups are given up with them.
            command.uid(user.uid).gid(user.gid);
        }
        // SAFETY: `prepare` makes system calls only, and neither allocates nor takes a lock that another thread may hold.
        unsafe { command.pre_exec(prepare) };
        command.spawn().map(Job)
    }

    /// How it ended, or `None` while it runs. Never blocks.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        // It is our child, so that this cannot fail.
        self.0.try_wait().ok().flatten()
    }

    /// Kills it, with what it started in its process group. [`Job::ended`] tells when that is done.
    pub fn kill(&self) {
        let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
    }
}

/// Has no command inherit the descriptors that this process was started with, except the standard streams.
pub fn keep_descriptors() {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<RawFd>().ok();
    for fd in entries.flatten().filter_map(number).filter(|fd| *fd > libc::STDERR_FILENO) {
        // SAFETY: numbers only; one that was closed meanwhile is an error, and no harm.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// In the child, after it has become somebody else.
fn prepare() -> io::Result<()> {
    // SAFETY: all bits zero is a value, the thread is this one, and the pointer is live. The child of somebody with
    // real-time priority would have it too, and could keep us from running. Without the right to change it there is none.
    unsafe {
        let ordinary: libc::sched_param = std::mem::zeroed();
        libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_OTHER as c_int, &ordinary);
    }
    privileges::drop_capabilities()
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::os::fd::AsRawFd;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    use super::*;

    fn wait(job: &mut Job) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = job.ended() {
                return status;
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
        assert!(wait(&mut job).success());
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
    fn a_program_that_is_not_there_is_an_error_here() {
        assert_eq!(Job::start("/no/such/program", &[], &[], None).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_it_started_is_killed_with_it() {
        let arguments = ["-c".to_owned(), "sleep 1000 & sleep 1000".to_owned()];
        let mut job = Job::start("/bin/sh", &arguments, &[], None).unwrap();
        assert_eq!(job.ended(), None);
        let group = job.0.id() as i32;
        job.kill();
        assert!(!wait(&mut job).success());
        let deadline = Instant::now() + Duration::from_secs(20);
        while killpg(Pid::from_raw(group), None).is_ok() {
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
