//! Tests that run whole in a network namespace of their own, with an empty /run: they can bind any address there, and the
//! daemon its default sockets.
//!
//! Nobody in there has CAP_SYS_TIME, so that no mistake can reach the clock of this machine.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::any::type_name;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Long enough for anything on a busy machine: nothing is measured by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const ROLE: &str = "SLEWD_TEST_INSIDE";

/// Where the tests put their files, in there.
const DIRECTORY: &str = "/run/test";

/// Runs a test, given as a closure in the function of the test, in a process of its own inside.
pub(crate) fn inside<T: FnOnce()>(test: T) {
    if env::var_os(ROLE).is_some() {
        return test();
    }
    // The crate, the function of the test, and the closure in it.
    let name = type_name::<T>().split("::").nth(1).expect("a function");
    let prepare = "ip link set lo up && mount -t tmpfs -o mode=755 run /run && mkdir /run/test && \
                   exec setpriv --bounding-set=-sys_time --inh-caps=-sys_time -- \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "sh", "-c", prepare, "sh"]);
    command.arg(env::current_exe().expect("this program")).args(["--exact", name, "--nocapture"]).env(ROLE, "1");
    let output = command.output().expect("unshare runs: apt-get install util-linux iproute2, and be root");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "inside (which only root can be):\n{out}\n{err}");
    // The figures, with --nocapture.
    print!("{out}");
}

/// A path among the test's files.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// slewd as an observer, with a log.
pub(crate) struct Slewd {
    child: Child,
    log: PathBuf,
}

/// Starts it with these lines as configuration.
pub(crate) fn start(lines: &[&str]) -> Slewd {
    start_as("root", &["-x", "-d"], lines)
}

/// Starts it as a user from the beginning, with flags.
pub(crate) fn start_as(user: &str, flags: &[&str], lines: &[&str]) -> Slewd {
    let mut command = as_user(user, Path::new(env!("CARGO_BIN_EXE_slewd")));
    command.args(flags).args(lines);
    spawn(command)
}

/// Starts it through a program that replaces itself with it.
pub(crate) fn start_program(program: &str, arguments: &[&str]) -> Slewd {
    let mut command = Command::new(program);
    command.args(arguments);
    spawn(command)
}

fn spawn(mut command: Command) -> Slewd {
    static STARTED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = STARTED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let log = path(&format!("slewd.{number}.log"));
    let stderr = File::create(&log).expect("the test's directory is writable");
    let stdout = stderr.try_clone().expect("a log can be shared");
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    Slewd { child: command.spawn().expect("slewd starts"), log }
}

/// A program with the rights of a user.
pub(crate) fn as_user(user: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", if user == "root" { "root" } else { "nogroup" }, "--clear-groups", "--"]);
    command.arg(program);
    command
}

/// Runs a program to its end.
pub(crate) fn run(program: &str, arguments: &str) -> Output {
    let output = Command::new(program).args(arguments.split(' ')).output().expect("it runs");
    assert!(output.status.success(), "{program} {arguments}: {output:?}");
    output
}

impl Slewd {
    /// What it has logged up to now.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log is there")
    }

    /// Waits for something in the log.
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |slewd| slewd.log().contains(text));
    }

    /// Waits until something is so.
    pub(crate) fn wait_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            let ended = self.child.try_wait().expect("it is our child");
            let over = Instant::now() >= deadline || ended.is_some();
            assert!(!over, "no \"{what}\" (exit: {ended:?}):\n{}", self.log());
            sleep(Duration::from_millis(10));
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> String {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a process id"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it is our child");
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.log());
        self.log()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it is our child")
    }
}

impl Drop for Slewd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
