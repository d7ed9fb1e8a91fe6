//! A chronyd and a second daemon beside it, with the same servers, and chronyc to ask both.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use slewd::cli::demo::servers::{Truth, raw_now};
use slewd::time::{Span, Utc};

use crate::agreement::disagreements;
use crate::namespace::{Namespace, Program};

/// Long enough for what takes seconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Servers of [`SOURCES`]: three are right, one is 3 ms ahead of them, one more is there to be added.
const SERVERS: &[&str] = &[
    "127.0.0.11:123",
    "127.0.0.12:123",
    "lie=3ms",
    "127.0.0.13:123",
    "127.0.0.14:123",
    "[fd00::15]:123",
    "127.0.0.17:123",
];

/// One good majority with a preferred member, one off by 3 ms, one for show, one never asked, one that nobody knows.
pub(crate) const SOURCES: &str = "server ntp-a.test iburst minpoll 0 maxpoll 0
server 127.0.0.12 iburst minpoll 0 maxpoll 0
server 127.0.0.13 iburst minpoll 0 maxpoll 0 prefer
server 127.0.0.14 iburst minpoll 0 maxpoll 0 noselect
server fd00::15 iburst minpoll 0 maxpoll 0
server 127.0.0.16 offline
server nowhere.test iburst
";

/// Names inside: `ntp-b.test` is there to be added.
pub(crate) const HOSTS: &str = "127.0.0.1 localhost\n127.0.0.11 ntp-a.test\n127.0.0.17 ntp-b.test\n";

/// nobody and nogroup.
const NOBODY: &str = "65534";

/// Both daemons in one namespace.
pub(crate) struct Twins {
    pub(crate) space: Namespace,
    /// The real chronyd.
    pub(crate) theirs: Daemon,
    /// The one that is to be like it.
    pub(crate) ours: Daemon,
    chronyc: PathBuf,
    _servers: Program,
}

/// A daemon and where it is reached.
pub(crate) struct Daemon {
    pub(crate) program: Program,
    pub(crate) socket: PathBuf,
    pub(crate) port: u16,
}

/// How chronyc reaches a daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    Unix,
    V4,
    V6,
}

/// What chronyc said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) code: Option<i32>,
}

impl Twins {
    /// Both are started with these sources; the truth differs from this machine's clock by `offset_s`, and from its
    /// frequency by `ppm`.
    pub(crate) fn start(name: &str, chrony: &Path, second: &Path, sources: &str, (offset_s, ppm): (f64, f64)) -> Self {
        let space = Namespace::new(name);
        space.ip("-6 addr add fd00::15/128 dev lo nodad");
        space.hosts(HOSTS);
        let servers = start_servers(&space, offset_s, ppm);
        let theirs = Daemon::start(&space, &chrony.join("chronyd"), "theirs", 1323, sources);
        let ours = Daemon::start(&space, second, "ours", 1324, sources);
        Twins { space, theirs, ours, chronyc: chrony.join("chronyc"), _servers: servers }
    }

    /// chronyc's words about one of them; `-n` keeps it from asking for the names of addresses.
    pub(crate) fn ask(&self, daemon: &Daemon, way: Way, arguments: &str) -> Said {
        chronyc(&self.space, &self.chronyc, &[&daemon.reached(way), arguments].join(" "))
    }

    /// Both say the same within our patience, as far as they can; returns what they say. A packet that was late at one of
    /// them is no reason to complain.
    pub(crate) fn agree(&self, way: Way, arguments: &str) -> (Said, Said) {
        self.come_to_agree_over(way, arguments, |_| true)
    }

    /// The same of the Unix socket, with something that holds for both.
    pub(crate) fn come_to_agree(&self, arguments: &str, settled: impl Fn(&str) -> bool) -> (Said, Said) {
        self.come_to_agree_over(Way::Unix, arguments, settled)
    }

    fn come_to_agree_over(&self, way: Way, arguments: &str, settled: impl Fn(&str) -> bool) -> (Said, Said) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (theirs, ours) = (self.ask(&self.theirs, way, arguments), self.ask(&self.ours, way, arguments));
            let differing = differences(arguments, &theirs, &ours);
            if differing.is_empty() && settled(&theirs.text) && settled(&ours.text) {
                return (theirs, ours);
            }
            if Instant::now() > deadline {
                let logs = [self.theirs.program.log(), self.ours.program.log()].join("\n----\n");
                panic!("{}\n{logs}", complaint(way, arguments, &theirs, &ours, &differing));
            }
            sleep(Duration::from_millis(300));
        }
    }

    /// Both are told the same, and both carry it out.
    pub(crate) fn order(&self, arguments: &str) {
        for daemon in [&self.theirs, &self.ours] {
            let said = self.ask(daemon, Way::Unix, arguments);
            assert_eq!((said.text.as_str(), said.code), ("200 OK\n", Some(0)), "{arguments} on port {}", daemon.port);
        }
    }

    /// Each order is answered by both with the same words, and refused by both over UDP.
    pub(crate) fn agree_on_orders(&self, orders: &[&str]) {
        for order in orders {
            for way in [Way::V4, Way::V6, Way::Unix] {
                let (theirs, ours) = (self.ask(&self.theirs, way, order), self.ask(&self.ours, way, order));
                assert_eq!(theirs, ours, "{order} ({way:?})");
                println!("{order} ({way:?}): {} (exit status {:?})", ours.text.trim_end(), ours.code);
            }
        }
    }

    /// Both are synchronised, and all that answer have been heard eight times.
    pub(crate) fn settle(&self) {
        self.come_to_agree("-c -n sources", |text| text.matches(",377,").count() == 5 && text.contains("^,x,"));
        self.come_to_agree("-c -n tracking", |text| text.ends_with(",Normal\n"));
    }
}

impl Daemon {
    /// Starts chronyd or slewd with `-x`, and waits for its socket. `OWN` in the sources begins the paths of its files.
    pub(crate) fn start(space: &Namespace, program: &Path, name: &str, port: u16, sources: &str) -> Self {
        let path = |suffix: &str| space.path(&format!("{name}.{suffix}"));
        let socket = path("sock");
        std::fs::create_dir_all(path("d")).expect("the test's directory is writable");
        let conf = format!(
            "{}port 0\ncmdport {port}\nbindcmdaddress {}\nbindcmdaddress 127.0.0.1\nbindcmdaddress ::1\n\
             noclientlog\npidfile {}\n",
            sources.replace("OWN", &space.path(name).to_string_lossy()),
            socket.display(),
            path("pid").display()
        );
        let conf = space.file(&format!("{name}.conf"), &conf);
        let arguments = ["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()];
        let mut program = space.start_as(name, program, &arguments);
        program.wait_for("Disabled control of system clock", PATIENCE);
        let deadline = Instant::now() + PATIENCE;
        while !socket.exists() {
            assert!(Instant::now() < deadline, "no command socket was opened:\n{}", program.log());
            sleep(Duration::from_millis(20));
        }
        Daemon { program, socket, port }
    }

    /// The options of chronyc that lead to it.
    fn reached(&self, way: Way) -> String {
        match way {
            Way::Unix => format!("-h {}", self.socket.display()),
            Way::V4 => format!("-h 127.0.0.1 -p {}", self.port),
            Way::V6 => format!("-h ::1 -p {}", self.port),
        }
    }
}

/// Runs chronyc inside to its end.
pub(crate) fn chronyc(space: &Namespace, program: &Path, arguments: &str) -> Said {
    let output = space.run(program, &arguments.split_whitespace().collect::<Vec<_>>());
    let text = [&output.stdout[..], &output.stderr].concat();
    Said { text: String::from_utf8_lossy(&text).into_owned(), code: output.status.code() }
}

/// Runs chronyc inside as a user without any rights.
pub(crate) fn chronyc_as_nobody(space: &Namespace, chrony: &Path, arguments: &str) -> Said {
    // The way to the build directory may be closed to others.
    let mounted = Path::new("/mnt/bin/chronyc");
    let parent = chrony.parent().expect("bin is in a directory");
    let script = format!(
        "mountpoint -q /mnt || mount --bind {} /mnt; exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups \
         --bounding-set=-all --inh-caps=-all {} {arguments}",
        parent.display(),
        mounted.display(),
    );
    let output = space.run(Path::new("sh"), &["-c", &script]);
    let text = [&output.stdout[..], &output.stderr].concat();
    Said { text: String::from_utf8_lossy(&text).into_owned(), code: output.status.code() }
}

/// Servers that tell this machine's time as it is at the start, off by `offset_s`, at `ppm` more than its frequency.
pub(crate) fn start_servers(space: &Namespace, offset_s: f64, ppm: f64) -> Program {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let now = Utc::from_secs(0) + Span::from_secs_f64(now.as_secs_f64() + offset_s);
    let epoch_ns = Truth::starting(now, raw_now(), ppm).epoch.nanos().to_string();
    let ppm = ppm.to_string();
    let arguments = [&["--epoch-ns", &epoch_ns, "--ppm", &ppm][..], SERVERS].concat();
    let mut servers = space.start(&example("testserver"), &arguments);
    let last = SERVERS.last().expect("there are servers");
    let deadline = Instant::now() + PATIENCE;
    while !servers.log().contains(last) {
        servers.still_runs();
        assert!(Instant::now() < deadline, "{}", servers.log());
        sleep(Duration::from_millis(20));
    }
    servers
}

/// slewd as this build made it.
pub(crate) fn slewd() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_slewd"))
}

/// One of the rig's own programs.
pub(crate) fn example(name: &str) -> PathBuf {
    let path = slewd().with_file_name("examples").join(name);
    assert!(path.exists(), "{path:?} is missing: cargo build --examples (with the profile of this test)");
    path
}

/// Everything in which two answers differ and should not.
pub(crate) fn differences(arguments: &str, theirs: &Said, ours: &Said) -> Vec<String> {
    let mut differing = disagreements(arguments, &theirs.text, &ours.text);
    if theirs.code != ours.code {
        differing.push(format!("exit status {:?} and {:?}", theirs.code, ours.code));
    }
    differing
}

fn complaint(way: Way, arguments: &str, theirs: &Said, ours: &Said, differing: &[String]) -> String {
    let differing = differing.join("\n  ");
    format!("chronyc {arguments} ({way:?})\n  {differing}\n---- chronyd\n{}\n---- ours\n{}", theirs.text, ours.text)
}
