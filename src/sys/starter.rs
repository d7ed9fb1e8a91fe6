//! A process of its own that runs the command of directive `onchange`, so that the one that hears the network never has to.
//!
//! It is forked off while there is one thread, and keeps one thread all its life; the standard library starts the command.
//! Which command that is, and as whom, is settled before the fork: who takes over the daemon can only say what has changed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork};
use socket2::{Domain, Socket, Type};

use super::confinement::close_all_but;
use super::privileges::User;
use super::process;

/// What ps(1) shows, at most 15 bytes (PR_SET_NAME of prctl(2)): it is not another daemon.
const NAME: &std::ffi::CStr = c"slewd-commands";

/// The longest request: some variables, of which each is a line at most.
const MOST_BYTES: usize = 16 * 1024;

/// The request to kill what is running. One to run the command has variables.
const KILL: &[u8] = &[0];

/// What the other side says: one of the kinds below, and a number.
type News = [i32; 2];

/// The command has ended, with this status of wait(2).
const ENDED: i32 = 1;

/// The command could not be started, with this errno.
const NOT_STARTED: i32 = 2;

/// The process that runs the command, once at a time. It ends when this is dropped, or when we end, and the command with
/// it.
#[derive(Debug)]
pub struct Starter {
    socket: Socket,
    process: Pid,
}

/// The command, and the account that it runs as.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The program, as a path, and its arguments: no shell.
    pub words: &'a [String],
    /// The account; that of the starter if `None`.
    pub user: Option<&'a User>,
    /// Where the program finds others: its variable PATH.
    pub path: &'static str,
    /// The only variables that can be set beside it have names that begin like this.
    pub prefix: &'static str,
}

impl Starter {
    /// Forks it off, as who we are now, without descriptors of ours and with ordinary priority. `confine` is called in it
    /// before it waits for requests; it ends if that fails.
    ///
    /// Call it while there is one thread only.
    ///
    /// # Errors
    /// The errors of socketpair(2), fork(2) and opening /dev/null.
    pub fn fork_off(job: &Job<'_>, confine: impl FnOnce() -> Result<(), String>) -> io::Result<Self> {
        let (ours, its) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        // SAFETY: the caller has one thread, so nothing is locked or half written in the copy.
        match unsafe { fork() }? {
            ForkResult::Child => {
                let status = match confine().and_then(|()| serve(job, its, &null).map_err(|e| e.to_string())) {
                    Ok(()) => 0,
                    Err(_) => 1,
                };
                // SAFETY: _exit takes any status; exit handlers belong to the daemon.
                unsafe { libc::_exit(status) }
            }
            ForkResult::Parent { child } => {
                ours.set_nonblocking(true)?;
                Ok(Starter { socket: ours, process: child })
            }
        }
    }

    /// Runs the command with these variables: no standard streams, no other environment but PATH, in the directory `/`, in
    /// a process group of its own. Returns at once; [`Starter::ended`] has what became of it.
    ///
    /// # Errors
    /// BrokenPipe if the starter is gone.
    pub fn start(&self, variables: &[(&str, String)]) -> io::Result<()> {
        let text: String =
            variables.iter().map(|(name, value)| format!("{name}={}\0", value.replace('\0', ""))).collect();
        self.socket.send(text.as_bytes()).map(|_| ())
    }

    /// Kills it, with what it started in its process group. [`Starter::ended`] tells when that is done.
    pub fn kill(&self) {
        // A starter that is gone has nothing to kill.
        let _ = self.socket.send(KILL);
    }

    /// How the command ended, with the reason if that was not as it should; or `None` while it runs. Never blocks.
    ///
    /// # Errors
    /// BrokenPipe if the starter is gone.
    pub fn ended(&self) -> io::Result<Option<Result<(), String>>> {
        let mut bytes = [0; size_of::<News>()];
        let length = match (&self.socket).read(&mut bytes) {
            Err(reason) if reason.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            result => result?,
        };
        if length != bytes.len() {
            // It tells whom it leaves behind only by its end: its process is not to remain as a zombie.
            let _ = waitpid(self.process, Some(WaitPidFlag::WNOHANG));
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let [kind, number] = decode(bytes);
        Ok(Some(if kind == ENDED { verdict(ExitStatus::from_raw(number)) } else { Err(words_of(number)) }))
    }
}

/// Readable when the command has ended, or the starter.
impl AsFd for Starter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        // It ends as soon as the socket is closed. If that takes longer than we have, nobody misses it.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let _ = waitpid(self.process, Some(WaitPidFlag::WNOHANG));
    }
}

fn verdict(status: ExitStatus) -> Result<(), String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("exit status {code}")),
        (None, Some(number)) => Err(Signal::try_from(number).map_or_else(|_| number.to_string(), |s| s.to_string())),
        (None, None) => Err(status.to_string()),
    }
}

fn words_of(errno: i32) -> String {
    Errno::from_raw(errno).desc().to_owned()
}

fn encode(news: News) -> [u8; size_of::<News>()] {
    let [kind, number] = news.map(i32::to_ne_bytes);
    let mut bytes = [0; size_of::<News>()];
    bytes[..4].copy_from_slice(&kind);
    bytes[4..].copy_from_slice(&number);
    bytes
}

fn decode([a, b, c, d, e, f, g, h]: [u8; size_of::<News>()]) -> News {
    [i32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h])]
}

/// The life of the starter: until the other end of the socket is closed.
fn serve(job: &Job<'_>, mut socket: Socket, null: &File) -> io::Result<()> {
    let _ = (dup2_stdin(null), dup2_stdout(null), dup2_stderr(null));
    close_all_but(socket.as_raw_fd());
    // SAFETY: a string that lives for ever; the other arguments are not used.
    unsafe { libc::prctl(libc::PR_SET_NAME, NAME.as_ptr()) };
    // With the priority of the daemon the command could keep it from running. Who has none has nothing to lose.
    let _ = process::ordinary_priority();
    let ended = take_signals()?;
    let mut running = None::<Child>;
    let mut request = vec![0; MOST_BYTES];
    loop {
        let wanted = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut descriptors = [wanted(socket.as_fd()), wanted(ended.as_fd())];
        poll(&mut descriptors, PollTimeout::NONE)?;
        let is_asked = descriptors[0].any().unwrap_or(false);
        while ended.read_signal()?.is_some() {}
        if let Some(status) = running.as_mut().and_then(|child| child.try_wait().transpose()) {
            running = None;
            socket.write_all(&encode([ENDED, status?.into_raw()]))?;
        }
        if !is_asked {
            continue;
        }
        let length = socket.read(&mut request)?;
        match &request[..length] {
            [] => break,
            KILL => running.iter().for_each(kill_group),
            variables => match command(job, variables).spawn() {
                // One at a time: the daemon does not ask before it has heard of the end of the last one.
                Ok(child) => running = Some(child),
                Err(reason) => socket.write_all(&encode([NOT_STARTED, reason.raw_os_error().unwrap_or(libc::EIO)]))?,
            },
        }
    }
    running.iter().for_each(kill_group);
    Ok(())
}

/// All signals are blocked and none is ignored: the starter ends with the daemon, not with the terminal, and the command
/// unblocks them before it is loaded. What becomes readable is SIGCHLD.
fn take_signals() -> io::Result<SignalFd> {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: no handler is involved. Those that cannot be changed are errors.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    SigSet::all().thread_set_mask()?;
    Ok(SignalFd::with_flags(&SigSet::from(Signal::SIGCHLD), SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

/// The process has not been waited for, so that its number is not somebody else's.
fn kill_group(child: &Child) {
    let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
}

fn command(job: &Job<'_>, variables: &[u8]) -> Command {
    let (program, arguments) = job.words.split_first().map_or(("", job.words), |(first, rest)| (first, rest));
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", job.path).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(user) = job.user {
        // Beside that the standard library leaves all supplementary groups.
        command.uid(user.uid).gid(user.gid);
    }
    let text = String::from_utf8_lossy(variables);
    let pairs = text.split('\0').filter_map(|variable| variable.split_once('='));
    command.envs(pairs.filter(|(name, _)| name.starts_with(job.prefix)));
    // SAFETY: one system call.
    unsafe { command.pre_exec(|| Ok(SigSet::empty().thread_set_mask()?)) };
    command
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::{Duration, Instant};
    use std::{env, fs};

    use super::*;
    use crate::not_run::not_run;
    use crate::sys::privileges;

    const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

    fn starter(words: &[&str], user: Option<&User>) -> Starter {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let job = Job { words: &words, user, path: PATH, prefix: "SLEWD_" };
        Starter::fork_off(&job, || Ok(())).unwrap()
    }

    fn wait(starter: &Starter) -> Result<(), String> {
        let mut descriptors = [PollFd::new(starter.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut descriptors, PollTimeout::from(20_000u16)), Ok(1), "it does not end");
        starter.ended().unwrap().expect("that made it readable")
    }

    fn run(words: &[&str]) -> Result<(), String> {
        let starter = starter(words, None);
        starter.start(&[("SLEWD_EVENT", "step".to_owned())]).unwrap();
        wait(&starter)
    }

    /// What a shell finds out about itself.
    fn facts(name: &str, script: &str, variables: &[(&str, String)], user: Option<&User>) -> String {
        let directory = env::temp_dir().join(format!("slewd-starter-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let path = directory.join("facts");
        let script = format!("({script}) > {}", path.display());
        let starter = starter(&["/bin/sh", "-c", &script], user);
        starter.start(variables).unwrap();
        assert_eq!(wait(&starter), Ok(()));
        let text = fs::read_to_string(path).unwrap();
        fs::remove_dir_all(directory).unwrap();
        text
    }

    #[test]
    fn it_gets_its_variables_and_nothing_else() {
        let variables = [("SLEWD_EVENT", "step"), ("LD_PRELOAD", "/tmp/x.so"), ("SLEWD_SOURCE", "a=b\0c")];
        let variables = variables.map(|(name, value)| (name, value.to_owned()));
        let script = "env | grep -vE '^(_|SHLVL|PWD|OLDPWD)=' | sort; pwd; ls /proc/self/fd | wc -l";
        // The three standard streams, and the one through which ls reads.
        let expected = format!("PATH={PATH}\nSLEWD_EVENT=step\nSLEWD_SOURCE=a=bc\n/\n4\n");
        assert_eq!(facts("env", script, &variables, None), expected);
    }

    #[test]
    fn no_signal_is_blocked_or_ignored() {
        // SAFETY: no handler is involved; nothing in these tests writes more than it may.
        unsafe { nix::sys::signal::signal(Signal::SIGXFSZ, nix::sys::signal::SigHandler::SigIgn) }.unwrap();
        let blocked = SigSet::from_iter([Signal::SIGTERM, Signal::SIGUSR2]);
        blocked.thread_block().unwrap();
        let text = facts(
            "signals",
            "grep -E '^Sig(Blk|Ign):' /proc/self/status | cut -f2",
            &[("SLEWD_EVENT", String::new())],
            None,
        );
        blocked.thread_unblock().unwrap();
        let sets: Vec<u64> = text.lines().map(|set| u64::from_str_radix(set, 16).unwrap()).collect();
        // The first real-time signals belong to the C library, which lets nobody change them.
        let standard = |set: &u64| set & ((1 << 31) - 1);
        assert_eq!(sets.iter().map(standard).collect::<Vec<_>>(), [0, 0], "{text}");
    }

    #[test]
    fn root_and_its_capabilities_are_gone() {
        if !privileges::is_root() {
            return not_run("only root can become somebody else");
        }
        let nobody = privileges::find_user("nobody").unwrap().expect("Debian has nobody");
        let script = "id -u; id -G; grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | cut -f2 | sort -u";
        let text = facts("nobody", script, &[("SLEWD_EVENT", String::new())], Some(&nobody));
        assert_eq!(text.lines().collect::<Vec<_>>(), ["65534", "65534", "0000000000000000"]);
    }

    #[test]
    fn how_it_ended_is_told() {
        assert_eq!(run(&["/bin/true"]), Ok(()));
        assert_eq!(run(&["/bin/true", ""]), Ok(()));
        assert_eq!(run(&["/bin/sh", "-c", "exit 3"]), Err("exit status 3".to_owned()));
        // SIGPIPE, which we ignore, does what it does to everybody.
        assert_eq!(run(&["/bin/sh", "-c", "kill -PIPE $$"]), Err("SIGPIPE".to_owned()));
        assert_eq!(run(&["/no/such/program"]), Err("No such file or directory".to_owned()));
        assert_eq!(run(&["/etc/passwd"]), Err("Permission denied".to_owned()));
        assert_eq!(run(&["/bin/true", "\0"]), Err("I/O error".to_owned()));
    }

    #[test]
    fn a_starter_that_is_gone_is_an_error() {
        let starter = starter(&["/bin/true"], None);
        nix::sys::signal::kill(starter.process, Signal::SIGKILL).unwrap();
        let mut descriptors = [PollFd::new(starter.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut descriptors, PollTimeout::from(20_000u16)), Ok(1));
        assert_eq!(starter.ended().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(starter.start(&[]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_starter_that_cannot_be_confined_is_none() {
        let words = ["/bin/true".to_owned()];
        let job = Job { words: &words, user: None, path: PATH, prefix: "SLEWD_" };
        let starter = Starter::fork_off(&job, || Err("no".to_owned())).unwrap();
        let mut descriptors = [PollFd::new(starter.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut descriptors, PollTimeout::from(20_000u16)), Ok(1));
        assert!(starter.ended().is_err());
    }

    fn wait_for(what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_so() {
            assert!(Instant::now() < deadline, "not within 20 s: {what}");
            sleep(Duration::from_millis(5));
        }
    }

    fn children(process: Pid) -> Vec<Pid> {
        let list = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
        list.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
    }

    /// Starts a command with a child of its own, and returns its process group.
    fn start_sleepers(starter: &Starter) -> Pid {
        starter.start(&[("SLEWD_EVENT", String::new())]).unwrap();
        wait_for("the command", || children(starter.process).len() == 1);
        let group = children(starter.process)[0];
        wait_for("its children", || children(group).len() == 2);
        group
    }

    const SLEEPERS: [&str; 3] = ["/bin/sh", "-c", "sleep 1000 & sleep 1000; :"];

    #[test]
    fn what_it_started_is_killed_with_it() {
        let starter = starter(&SLEEPERS, None);
        let group = start_sleepers(&starter);
        assert!(starter.ended().unwrap().is_none());
        starter.kill();
        assert_eq!(wait(&starter), Err("SIGKILL".to_owned()));
        wait_for("the end of the group", || killpg(group, None).is_err());
    }

    #[test]
    fn all_ends_when_nobody_needs_it() {
        let starter = starter(&SLEEPERS, None);
        let (process, group) = (starter.process, start_sleepers(&starter));
        drop(starter);
        wait_for("the end of the command", || killpg(group, None).is_err());
        wait_for("the end of the starter", || {
            let _ = waitpid(process, Some(WaitPidFlag::WNOHANG));
            !process::is_alive(process.as_raw())
        });
    }
}
