//! Namespaces of our own (network, mounts, shared memory), the programs running in them, and their logs.
//!
//! Everything started here lacks CAP_SYS_TIME, so that no mistake of a client under test can reach the clock of this
//! machine, and ends when its handle is dropped.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A daemon starts well within this, also on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// A namespace with nothing but a loopback interface and no shared memory, and a directory for the files of its programs.
pub(crate) struct Namespace {
    holder: Child,
    directory: PathBuf,
}

/// A running program whose output goes to a file.
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

impl Namespace {
    /// A fresh namespace with loopback up. The name keeps the files of different tests apart.
    pub(crate) fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("slewd-{}-{name}", std::process::id()));
        // chronyd serves its commands only from a directory that is closed to others.
        fs::DirBuilder::new().recursive(true).mode(0o750).create(&directory).expect("a directory for the test's files");
        let mut unshare = Command::new("unshare");
        if !root() {
            unshare.arg("--map-root-user");
        }
        unshare.args(["--net", "--mount", "--ipc", "sh", "-c", "ip link set lo up && echo ready && exec cat"]);
        let mut holder = unshare
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs: apt-get install util-linux");
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("the namespace speaks");
        assert_eq!(line, "ready\n", "no network namespace: run as root or allow user namespaces, and install iproute2");
        Namespace { holder, directory }
    }

    /// Where a file of this test goes.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file of this test and returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let mut file = File::create(&path).expect("the test's directory is writable");
        file.write_all(text.as_bytes()).expect("the test's directory has space");
        path
    }

    /// What /etc/hosts says inside, besides nothing.
    pub(crate) fn hosts(&self, text: &str) {
        let is_mounted = self.path("hosts").exists();
        // The mount is of the file itself, which is therefore written in place.
        let path = self.file("hosts", text);
        if !is_mounted {
            let output = self.run(Path::new("mount"), &["--bind", &path.to_string_lossy(), "/etc/hosts"]);
            assert!(output.status.success(), "{output:?}");
        }
    }

    /// Starts a program inside; its output is logged.
    pub(crate) fn start(&self, program: &Path, arguments: &[&str]) -> Program {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        self.start_as(&name, program, arguments)
    }

    /// The same, with a name for its log.
    pub(crate) fn start_as(&self, name: &str, program: &Path, arguments: &[&str]) -> Program {
        let log = self.path(&format!("{name}.log"));
        let stderr = File::create(&log).expect("the test's directory is writable");
        let mut command = self.command(program);
        let stdout = stderr.try_clone().expect("a log can be shared");
        command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        Program { child: command.spawn().expect("nsenter runs: apt-get install util-linux"), log }
    }

    /// Runs a program inside to its end.
    pub(crate) fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        self.command(program).args(arguments).output().expect("nsenter runs: apt-get install util-linux")
    }

    /// Joins this namespace to another by a cable: an interface `cable` at each end.
    pub(crate) fn connect(&self, other: &Namespace) {
        self.ip(&format!("link add cable type veth peer name cable netns {}", other.holder.id()));
    }

    /// Runs ip(8) inside.
    pub(crate) fn ip(&self, arguments: &str) {
        let output = self.run(Path::new("ip"), &arguments.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "ip {arguments}: {output:?}");
    }

    /// Datagrams that programs in here have sent, also those that still wait for the address of their neighbour.
    pub(crate) fn datagrams_sent(&self) -> u64 {
        let text = self.proc_net("snmp");
        let line = text.lines().filter(|line| line.starts_with("Udp: ")).nth(1);
        line.and_then(|line| line.split(' ').nth(4)?.parse().ok()).expect("the kernel counts datagrams")
    }

    /// TCP connections that programs in here have begun.
    pub(crate) fn connections_made(&self) -> u64 {
        let text = self.proc_net("snmp");
        let line = text.lines().filter(|line| line.starts_with("Tcp: ")).nth(1);
        line.and_then(|line| line.split(' ').nth(5)?.parse().ok()).expect("the kernel counts connections")
    }

    /// The kernel's list of sockets.
    pub(crate) fn udp_sockets(&self) -> String {
        self.proc_net("udp")
    }

    fn proc_net(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/net/{name}", self.holder.id())).expect("the namespace is there")
    }

    /// Hides a directory of the machine behind an empty one.
    pub(crate) fn empty(&self, directory: &str) {
        let output = self.run(Path::new("mount"), &["-t", "tmpfs", "none", directory]);
        assert!(output.status.success(), "{output:?}");
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.holder.id().to_string()).args(["--net", "--mount", "--ipc"]);
        if !root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time", "--"]).arg(program);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

impl Program {
    /// What it has logged up to now.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log is there")
    }

    /// Waits for exactly this message, after the time stamp of `YYYY-MM-DDTHH:MM:SSZ ` that begins each line.
    pub(crate) fn wait_for(&mut self, message: &str, patience: Duration) {
        self.wait_until(message, patience, |line| without_time(line) == Some(message));
    }

    /// Waits for exactly this line.
    pub(crate) fn wait_for_line(&mut self, text: &str, patience: Duration) {
        self.wait_until(text, patience, |line| line == text);
    }

    /// Waits for a line like this.
    pub(crate) fn wait_until_line(&mut self, patience: Duration, found: impl Fn(&str) -> bool) {
        self.wait_until("such line", patience, found);
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// It has not ended.
    pub(crate) fn still_runs(&mut self) {
        let ended = self.child.try_wait().expect("it is our child");
        assert!(ended.is_none(), "{ended:?}:\n{}", self.log());
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        kill(pid, signal).expect("it is our child");
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it is our child")
    }

    fn wait_until(&mut self, what: &str, patience: Duration, found: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + patience;
        while !self.log().lines().any(&found) {
            let ended = self.child.try_wait().expect("it is our child");
            let over = Instant::now() >= deadline || ended.is_some();
            assert!(!over, "no \"{what}\" within {patience:?} (exit: {ended:?}) in {:?}:\n{}", self.log, self.log());
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // nsenter and setpriv both replace themselves, so this is the program itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rest of a log line after its time stamp, if it begins with one.
fn without_time(line: &str) -> Option<&str> {
    let (stamp, rest) = line.split_at_checked(21)?;
    let fits = |(c, p): (char, char)| if p == '0' { c.is_ascii_digit() } else { c == p };
    stamp.chars().zip("0000-00-00T00:00:00Z ".chars()).all(fits).then_some(rest)
}

/// chronyd as a server on both families, with more lines of configuration.
pub(crate) fn start_chronyd(space: &Namespace, more: &str) -> Program {
    let socket = space.path("chronyd.sock");
    let conf = format!(
        "local stratum 8\nallow all\ncmdport 0\nbindcmdaddress {}\npidfile {}\n{more}",
        socket.display(),
        space.path("chronyd.pid").display()
    );
    let conf = space.file("chronyd.conf", &conf);
    let arguments = ["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()];
    let mut server = space.start(&chrony().join("chronyd"), &arguments);
    server.wait_for("Disabled control of system clock", STARTS_WITHIN);
    let deadline = Instant::now() + STARTS_WITHIN;
    while !socket.exists() {
        assert!(Instant::now() < deadline, "chronyd opened no command socket:\n{}", server.log());
        sleep(Duration::from_millis(20));
    }
    server
}

/// Debian's chronyd and chronyc as files: the directory with both.
pub(crate) fn chrony() -> PathBuf {
    static FETCHED: OnceLock<PathBuf> = OnceLock::new();
    FETCHED.get_or_init(|| fetch("fetch-chrony", "chrony", &[])).clone()
}

/// The same of the next release of Debian, chrony 4.6.
pub(crate) fn newer_chrony() -> PathBuf {
    static FETCHED: OnceLock<PathBuf> = OnceLock::new();
    FETCHED.get_or_init(|| fetch("fetch-chrony", "chrony-trixie", &["trixie"])).clone()
}

/// Programs of Debian as files, unpacked by a script of tests/support: the directory with them.
pub(crate) fn fetch(script: &str, name: &str, arguments: &[&str]) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(script);
    let status = Command::new(path).arg(&directory).args(arguments).status().expect("the script is executable");
    assert!(status.success(), "tests/support/{script} failed: its message is above");
    directory.join("bin")
}

fn root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
