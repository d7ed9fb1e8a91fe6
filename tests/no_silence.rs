//! Nothing fails in silence: what hinders is said once in the log, and reaches `status`, its JSON, `onchange` and `check`.
//!
//! Real daemons, a table of what hinders them, and servers of ours. All run at once, in one network namespace, as observers or
//! without the right to set the clock. `tests/sim_silence.rs` has the same of the engine, over hours.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;
#[path = "support/refuse.rs"]
mod refuse;
#[path = "support/service.rs"]
mod service;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use namespace::{Namespace, Program};
use nix::sys::signal::Signal;
use refuse::library;
use service::{PATIENCE, start_servers};

/// The account `nobody` of every distribution.
const NOBODY: u32 = 65534;

/// What the servers are; all other addresses have none.
const SERVERS: &str = "127.0.0.1:123 127.0.0.2:123 stratum=16 127.0.0.3:123 kiss=DENY:0 127.0.0.4:123 lie=3600s \
     127.0.0.5:123";
const FIRST_OF_MANY: u8 = 20;
const MANY: u8 = 18;

/// A good server.
const GOOD: &str = "server 127.0.0.1 iburst minpoll 0 maxpoll 0";

/// The beginning of what `check` says beside a good server, and of the words of `status` without one.
const USED: &str = "CLOCK WARNING: synchronised to 127.0.0.1, but ";
const USELESS: &str = "no source can be used: ";

/// What hinders a daemon, and what is said of it.
struct Trouble {
    name: &'static str,
    /// What slewd is started through, and its flags.
    through: &'static [&'static str],
    /// Set in its environment.
    variables: Vec<String>,
    flags: &'static [&'static str],
    lines: Vec<String>,
    /// Of the log: so many lines have this in them, and no more come.
    log: (usize, &'static str),
    /// Of `slewd status`.
    status: String,
    /// Of `slewd status --json`.
    json: &'static str,
    /// Events of `onchange`, in any order; and no others.
    events: &'static [&'static str],
    /// Exit code of `slewd check`, and how its line begins.
    check: (i32, String),
}

/// A source that is of no use: alone, and beside a good server.
fn useless(
    name: [&'static str; 2],
    line: &str,
    log: &'static str,
    words: &str,
    json: &'static str,
    events: [&'static [&'static str]; 2],
) -> [Trouble; 2] {
    let base = || Trouble {
        name: name[0],
        through: &[],
        variables: vec![],
        flags: &["-x"],
        lines: line.split('\n').map(str::to_owned).collect(),
        log: (1, log),
        status: format!("NOT synchronised: {USELESS}{words}"),
        json,
        events: events[0],
        check: (2, format!("CLOCK CRITICAL: not synchronised: {USELESS}{words}")),
    };
    let mut beside = Trouble { name: name[1], events: events[1], ..base() };
    beside.lines.push(GOOD.to_owned());
    // The words stand behind the source in the list.
    beside.status = format!("({})", words.split_once(": ").expect("a name and words").1);
    beside.check = (1, format!("{USED}{words}"));
    [base(), beside]
}

fn troubles(space: &Namespace) -> Vec<Trouble> {
    const ALONE: &[&str] = &["source-unusable", "never-synchronised"];
    const BESIDE: &[&str] = &["source-unusable", "synchronised"];
    let keys = space.file("keys", "");
    let mut all: Vec<Trouble> = Vec::new();
    all.extend(useless(
        ["stratum-16", "stratum-16-beside"],
        "server 127.0.0.2 iburst minpoll 0 maxpoll 0",
        "Source 127.0.0.2 is not usable: it does not know the time itself (stratum 16 or leap 3), asking it again",
        "127.0.0.2: it does not know the time itself (stratum 16 or leap 3)",
        "\"flaw\":\"unsynchronised\"",
        [ALONE, BESIDE],
    ));
    all.extend(useless(
        ["denied", "denied-beside"],
        "server 127.0.0.3 iburst minpoll 0 maxpoll 0",
        "Received KoD DENY from 127.0.0.3, not asking it for ",
        "127.0.0.3: it refuses to serve this client (KoD DENY or RSTR)",
        "\"flaw\":\"denied\"",
        [ALONE, BESIDE],
    ));
    all.extend(useless(
        ["refused", "refused-beside"],
        "server 127.0.0.5 iburst minpoll 0 maxpoll 0 maxdelay 0.0000001",
        "Source 127.0.0.5 is not usable: its answers take longer than maxdelay and the like allow, asking it again",
        "127.0.0.5: its answers take longer than maxdelay and the like allow",
        "\"flaw\":\"delay\"",
        [ALONE, BESIDE],
    ));
    all.extend(useless(
        ["no-address", "no-address-beside"],
        "server gone.invalid iburst",
        "Source gone.invalid is not usable: its name has no address, looking it up again",
        "gone.invalid: its name has no address",
        "\"flaw\":\"no-address\"",
        [ALONE, BESIDE],
    ));
    all.extend(useless(
        ["no-key", "no-key-beside"],
        &format!("authselectmode ignore\nkeyfile {}\nserver 127.0.0.9 iburst key 7", keys.display()),
        "Source 127.0.0.9 is not usable: it is not asked, its key is not in the key file, add it to the file",
        "127.0.0.9: it is not asked, its key is not in the key file",
        "\"flaw\":\"key-missing\"",
        [ALONE, BESIDE],
    ));
    let mut descriptors = useless(
        ["descriptors", ""],
        GOOD,
        "Source 127.0.0.1 is not usable: slewd has too many open files to ask it, raise its limit",
        "127.0.0.1: slewd has too many open files to ask it",
        "\"flaw\":\"no-descriptors\"",
        [ALONE, &[]],
    );
    descriptors[0].through = &["prlimit", "--nofile=11:64"];
    all.extend(descriptors.into_iter().take(1));
    let many = (FIRST_OF_MANY..FIRST_OF_MANY + MANY).map(|last| format!("server 127.0.0.{last} iburst minpoll 4"));
    all.push(Trouble {
        name: "too-many",
        through: &[],
        variables: vec![],
        flags: &["-x"],
        lines: many.collect(),
        log: (2, "Too many sources"),
        status: "(all 16 places for sources are taken)".to_owned(),
        json: "\"flaw\":\"no-place\"",
        events: &["source-unusable", "synchronised"],
        check: (1, "CLOCK WARNING: synchronised to 127.0.0.".to_owned()),
    });
    let closed = useless(
        ["port-closed", ""],
        "server 127.0.0.9 iburst minpoll 0 maxpoll 0",
        "Can't synchronise: no selectable sources (1 unreachable sources)",
        "127.0.0.9: it refuses connections, no NTP server runs there",
        "\"flaw\":\"port-closed\"",
        [&["never-synchronised"], &[]],
    );
    all.extend(closed.into_iter().take(1));
    all.push(Trouble {
        name: "no-source",
        through: &[],
        variables: vec![],
        flags: &["-x"],
        lines: vec![],
        log: (1, "Can't synchronise: no sources"),
        status: "NOT synchronised: no source is configured".to_owned(),
        json: "\"hindrance\":\"no-sources\"",
        events: &["never-synchronised"],
        check: (2, "CLOCK CRITICAL: not synchronised: no source is configured".to_owned()),
    });
    // The capability is there and does not count: what the kernel did decides.
    let refused = |name, through, server: &str, log| Trouble {
        name,
        through,
        variables: vec![],
        flags: &[],
        lines: vec![server.to_owned()],
        log: (1, log),
        status: "NOT synchronised: the kernel refuses to adjust the clock".to_owned(),
        json: "\"hindrance\":\"clock-refused\"",
        events: &["clock-refused"],
        check: (2, "CLOCK CRITICAL: not synchronised: the kernel refuses to adjust the clock".to_owned()),
    };
    const IN_USER_NAMESPACE: &[&str] = &[
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--",
        "unshare",
        "--user",
        "--map-current-user",
        "--keep-caps",
    ];
    let says = "The kernel refuses to adjust the system clock, which is only observed until it does";
    all.push(refused("no-capability", &[], GOOD, says));
    all.push(refused("user-namespace", IN_USER_NAMESPACE, GOOD, says));
    // A kernel that has other reasons.
    for (name, says) in [
        ("clock-einval", "The kernel refused adjtimex: Invalid argument"),
        ("clock-ebusy", "The kernel refused adjtimex: Device or resource busy"),
    ] {
        let mut trouble = refused(name, &[], GOOD, says);
        trouble.variables = vec![format!("LD_PRELOAD={}", library().display()), format!("REFUSE={name}")];
        all.push(trouble);
    }
    let an_hour = "server 127.0.0.4 iburst minpoll 0 maxpoll 0";
    all.push(refused("no-step", &[], an_hour, "Could not step system clock"));
    all.push(Trouble {
        name: "stale-pid",
        through: &[],
        variables: vec![],
        flags: &["-x"],
        lines: vec![GOOD.to_owned()],
        log: (1, "is that of sleep by now: taken over"),
        // Nothing is left of it.
        status: "Synchronised    to 127.0.0.1".to_owned(),
        json: "\"hindrance\":\"none\"",
        events: &["synchronised"],
        check: (0, "CLOCK OK: synchronised to 127.0.0.1, ".to_owned()),
    });
    all
}

/// One of the table, running.
struct Running<'a> {
    space: &'a Namespace,
    trouble: Trouble,
    slewd: Program,
}

impl<'a> Running<'a> {
    fn start(space: &'a Namespace, trouble: Trouble, stranger: u32) -> Self {
        let name = trouble.name;
        let own = space.path(name);
        fs::create_dir(&own).expect("the test's directory is writable");
        fs::set_permissions(&own, Permissions::from_mode(0o700)).expect("our own");
        if trouble.through.first() == Some(&"setpriv") {
            chown(&own, Some(NOBODY), Some(NOBODY)).expect("root gives away");
        } else if name == "stale-pid" {
            fs::write(own.join("pid"), format!("{stranger}\n")).expect("our own");
        }
        let mut words: Vec<String> = trouble.through.iter().map(|word| (*word).to_owned()).collect();
        if !trouble.variables.is_empty() {
            words.push("env".to_owned());
            words.extend(trouble.variables.clone());
        }
        words.push(env!("CARGO_BIN_EXE_slewd").to_owned());
        words.push("-d".to_owned());
        words.extend(trouble.flags.iter().map(|flag| (*flag).to_owned()));
        words.extend([
            "user root".to_owned(),
            "cmdport 0".to_owned(),
            format!("bindcmdaddress {}", own.join("socket").display()),
            format!("pidfile {}", own.join("pid").display()),
            format!("onchange {} {name}", space.path("hook").display()),
        ]);
        words.extend(trouble.lines.clone());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let slewd = space.start_as(name, Path::new(words[0]), &words[1..]);
        Running { space, trouble, slewd }
    }

    /// The exit code and the output of a command of slewd.
    fn ask(&self, words: &[&str]) -> (Option<i32>, String) {
        let socket = self.space.path(self.trouble.name).join("socket").to_string_lossy().into_owned();
        let words = [words, &["-h", &socket]].concat();
        let output = self.space.run(Path::new(env!("CARGO_BIN_EXE_slewd")), &words);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What `onchange` was told, in the order of the alphabet.
    fn events(&self) -> Vec<String> {
        let told = fs::read_to_string(self.space.path("runs").join(self.trouble.name)).unwrap_or_default();
        let mut events: Vec<String> = told.lines().map(str::to_owned).collect();
        events.sort();
        events
    }

    /// What is not yet as the table has it.
    fn missing(&self) -> Option<String> {
        let Trouble { log, status, json, events, check, .. } = &self.trouble;
        let lines = self.slewd.log().matches(log.1).count();
        if lines != log.0 {
            return Some(format!("log: {lines} times {:?}", log.1));
        }
        let mut wanted = events.to_vec();
        wanted.sort_unstable();
        if self.events() != wanted {
            return Some(format!("onchange: {:?}, not {wanted:?}", self.events()));
        }
        let (code, line) = self.ask(&["check"]);
        if code != Some(check.0) || !line.starts_with(&check.1) {
            return Some(format!("check: {code:?} {line}"));
        }
        let (_, screen) = self.ask(&["status"]);
        if !screen.contains(status.as_str()) {
            return Some(format!("status: {screen}"));
        }
        let (_, text) = self.ask(&["status", "--json"]);
        (!text.contains(json)).then(|| format!("json: {text}"))
    }
}

#[test]
fn what_hinders_is_said_once_and_reaches_everybody_who_asks() {
    let space = Namespace::new("no-silence");
    let hook = format!("#!/bin/sh\nulimit -S -n 64; echo \"$SLEWD_EVENT\" >>{}/$1\n", space.path("runs").display());
    let hook = space.file("hook", &hook);
    fs::create_dir(space.path("runs")).expect("the test's directory is writable");
    for (path, mode) in [(&space.path("runs"), 0o777), (&hook, 0o755), (&space.path(""), 0o755)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own");
    }
    let many = (FIRST_OF_MANY..FIRST_OF_MANY + MANY).map(|last| format!("127.0.0.{last}:123"));
    let servers: Vec<String> = SERVERS.split_whitespace().map(str::to_owned).chain(many).collect();
    let _servers = start_servers(&space, &servers.iter().map(String::as_str).collect::<Vec<_>>());
    let stranger = Killed(Command::new("sleep").arg("600").spawn().expect("sleep"));
    let all: Vec<Running> =
        troubles(&space).into_iter().map(|trouble| Running::start(&space, trouble, stranger.0.id())).collect();
    let deadline = Instant::now() + PATIENCE;
    let mut waiting: Vec<&Running> = all.iter().collect();
    while !waiting.is_empty() {
        waiting.retain(|running| running.missing().is_some());
        if Instant::now() >= deadline {
            break;
        }
        sleep(Duration::from_millis(500));
    }
    // Nothing is repeated.
    sleep(Duration::from_secs(3));
    let missing = all.iter().filter_map(|running| Some((running, running.missing()?)));
    let missing: Vec<String> =
        missing.map(|(it, what)| format!("{}: {what}\n{}\n", it.trouble.name, it.slewd.log())).collect();
    assert!(missing.is_empty(), "{}", missing.concat());
    for mut running in all {
        println!("{:20} {}", running.trouble.name, running.ask(&["check"]).1.split(" |").next().unwrap_or_default());
        running.slewd.signal(Signal::SIGTERM);
        let status = running.slewd.wait();
        assert!(status.success(), "{}: {status}\n{}", running.trouble.name, running.slewd.log());
    }
}

/// Killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}
