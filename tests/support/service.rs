//! The test in the place of a service manager, and the daemon as a service.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::cell::RefCell;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use slewd::cli::demo::servers::{Truth, raw_now};
use slewd::time::{Span, Utc};

use crate::namespace::{Namespace, Program};

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A source that is soon missed.
pub(crate) const QUICK: &str = "server 127.0.0.1 iburst minpoll 0 maxpoll 0\n";

/// What a server tells.
pub(crate) enum Serving {
    /// The time of this machine.
    Now,
    /// An hour more.
    AnHourAhead,
}

/// Whoever listens at NOTIFY_SOCKET.
pub(crate) struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    told: RefCell<Vec<String>>,
    /// So many were waited for.
    seen: RefCell<usize>,
}

impl Manager {
    pub(crate) fn new(space: &Namespace) -> Self {
        // As systemd has it: whoever the service becomes may write to it.
        let path = space.path("").with_extension("notify");
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket in the test's directory");
        socket.set_nonblocking(true).expect("a socket");
        fs::set_permissions(&path, Permissions::from_mode(0o777)).expect("our own file");
        Manager { socket, path, told: RefCell::default(), seen: RefCell::default() }
    }

    /// slewd with these variables, lines of configuration, and flags or redirections.
    pub(crate) fn start(&self, space: &Namespace, variables: &str, conf: &str, flags: &str) -> Program {
        self.start_through(space, "", variables, conf, flags)
    }

    /// The same, through a program that replaces itself with it.
    pub(crate) fn start_through(
        &self,
        space: &Namespace,
        through: &str,
        variables: &str,
        conf: &str,
        flags: &str,
    ) -> Program {
        let quiet = format!("cmdport 0\nbindcmdaddress /\npidfile {}\n", space.path("slewd.pid").display());
        let conf = space.file("slewd.conf", &format!("{quiet}{conf}"));
        let script = format!(
            "NOTIFY_SOCKET={} {variables} exec {through} {} -x -d -L -1 -f {} {flags}",
            self.path.display(),
            env!("CARGO_BIN_EXE_slewd"),
            conf.display()
        );
        space.start(Path::new("sh"), &["-c", &script])
    }

    /// Everything that was told up to now.
    pub(crate) fn all(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.told.borrow_mut().push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        self.told.borrow().clone()
    }

    /// Waits until something is told that begins like this, after what was waited for before.
    pub(crate) fn wait_for(&self, state: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let all = self.all();
            let seen = *self.seen.borrow();
            if let Some(index) = all[seen..].iter().position(|told| told.starts_with(state)) {
                *self.seen.borrow_mut() += index + 1;
                return;
            }
            assert!(Instant::now() < deadline, "never told {state:?} after number {seen} of {all:#?}");
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A server at 127.0.0.1.
pub(crate) fn start_server(space: &Namespace, serving: Serving) -> Program {
    let ahead = match serving {
        Serving::Now => "honest",
        Serving::AnHourAhead => "lie=3600s",
    };
    start_servers(space, &["127.0.0.1:123", ahead])
}

/// Servers with the time of this machine, as the command line of tests/support/testserver.rs describes them.
pub(crate) fn start_servers(space: &Namespace, words: &[&str]) -> Program {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let now = Utc::from_secs(0) + Span::from_secs_f64(now.as_secs_f64());
    let epoch_ns = Truth::starting(now, raw_now(), 0.0).epoch.nanos().to_string();
    let program = Path::new(env!("CARGO_BIN_EXE_slewd")).with_file_name("examples").join("testserver");
    assert!(program.exists(), "{program:?} is missing: cargo build --examples (with the profile of this test)");
    let mut server = space.start(&program, &[&["--epoch-ns", &epoch_ns], words].concat());
    server.wait_until_line(PATIENCE, |line| line.starts_with("serving on "));
    server
}

/// Waits for something that cannot be waited for.
pub(crate) fn wait_until(what: &str, mut is_there: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_there() {
        assert!(Instant::now() < deadline, "no {what} within {PATIENCE:?}");
        sleep(Duration::from_millis(10));
    }
}

/// How often a process has slept and was woken.
pub(crate) fn wakes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).expect("the kernel counts them")
}

/// A whole file of Prometheus's text format: samples of one family together below its head, each a name, labels and a
/// number.
pub(crate) fn check_metrics(text: &str) {
    assert!(text.ends_with('\n'), "cut off: {text:?}");
    let mut families: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# ") {
            let mut words = head.split(' ');
            let (keyword, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            assert!(["HELP", "TYPE", "UNIT"].contains(&keyword), "{line}");
            if families.last() != Some(&name) {
                assert!(!families.contains(&name), "{name} twice");
                families.push(name);
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line:?}"));
        assert!(value.parse::<f64>().is_ok(), "no number: {line:?}");
        let name = sample.split('{').next().unwrap_or_default();
        assert_eq!(families.last(), Some(&name), "{line:?} is not below its head");
        assert!(sample.len() == name.len() || sample.ends_with("\"}"), "{line:?}");
    }
}
