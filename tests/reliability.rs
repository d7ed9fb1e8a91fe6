//! Faults of the machine around the daemon, on the real binary: rows of docs/reliability.md that no other test has.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;
#[path = "../src/not_run.rs"]
mod not_run;
#[path = "support/refuse.rs"]
mod refuse;
#[path = "support/service.rs"]
mod service;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use namespace::{Namespace, Program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use not_run::not_run;
use refuse::library;
use service::{PATIENCE, QUICK, Serving, start_server, wait_until};

/// slewd through prlimit(1), with lines of configuration beside a server.
fn start(space: &Namespace, limit: &str, lines: &str) -> Program {
    let own = format!("{QUICK}{lines}\ncmdport 0\nbindcmdaddress /\npidfile {}", space.path("slewd.pid").display());
    let mut words = vec![limit, env!("CARGO_BIN_EXE_slewd"), "-x", "-d"];
    words.extend(own.lines().filter(|line| !line.is_empty()));
    space.start_as("slewd", Path::new("prlimit"), &words)
}

fn end(mut slewd: Program) -> String {
    slewd.signal(Signal::SIGTERM);
    assert!(slewd.wait().success(), "{}", slewd.log());
    slewd.log()
}

#[test]
fn too_few_descriptors_are_named_and_a_few_suffice() {
    let space = Namespace::new("descriptors");
    let _server = start_server(&space, Serving::Now);
    let mut slewd = start(&space, "--nofile=9", "");
    slewd.wait_until_line(PATIENCE, |line| line.contains("slewd has too many open files to ask it, raise its limit"));
    end(slewd);
    let mut slewd = start(&space, "--nofile=12", "");
    slewd.wait_for("Selected source 127.0.0.1", PATIENCE);
    end(slewd);
}

#[test]
fn thirty_megabytes_of_addresses_suffice() {
    let space = Namespace::new("memory");
    let _server = start_server(&space, Serving::Now);
    let mut slewd = start(&space, "--as=31457280", "");
    slewd.wait_for("Selected source 127.0.0.1", PATIENCE);
    end(slewd);
}

/// A control group with a limit of memory, of either version.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    fn new(bytes: u64) -> Option<Self> {
        let places = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        places.iter().find_map(|(root, limit)| {
            let group = MemoryGroup(Path::new(root).join(format!("slewd-test-{}", std::process::id())));
            fs::create_dir(&group.0).ok()?;
            let mut limit = OpenOptions::new().write(true).open(group.0.join(limit)).ok()?;
            write!(limit, "{bytes}").ok().map(|()| group)
        })
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_control_group_of_six_megabytes_suffices() {
    let Some(group) = MemoryGroup::new(6 << 20) else {
        return not_run("no control group with a limit of memory can be made here");
    };
    let space = Namespace::new("group");
    let _server = start_server(&space, Serving::Now);
    let lines = format!(
        "{QUICK}driftfile {0}/drift interval 1\nlogdir {0}\nlog measurements tracking statistics\ncmdport 0\nbindcmdaddress /\n\
         pidfile {0}/slewd.pid",
        space.path("").display()
    );
    let script = format!("echo $$ >{}/cgroup.procs && exec \"$@\"", group.0.display());
    let mut words = vec!["-c", &script, "sh", env!("CARGO_BIN_EXE_slewd"), "-x", "-d", "-u", "root"];
    words.extend(lines.lines());
    let mut slewd = space.start_as("slewd", Path::new("sh"), &words);
    slewd.wait_for("Selected source 127.0.0.1", PATIENCE);
    sleep(Duration::from_secs(3));
    slewd.still_runs();
    let members = fs::read_to_string(group.0.join("cgroup.procs")).expect("the group is there");
    assert!(members.lines().any(|pid| pid == slewd.id().to_string()), "it is not in the group: {members}");
    end(slewd);
}

/// Files that may have no more than so many bytes (RLIMIT_FSIZE), which the kernel makes a signal of.
#[test]
fn a_limit_of_the_size_of_files_is_an_error_like_others() {
    let space = Namespace::new("file-size");
    let _server = start_server(&space, Serving::Now);
    let lines = format!("user root\nlogdir {}\nlog measurements tracking", space.path("logs").display());
    let mut slewd = start(&space, "--fsize=1000", &lines);
    slewd.wait_until_line(PATIENCE, |line| line.contains(".log : File too large"));
    let log = end(slewd);
    assert_eq!(log.matches("File too large").count(), 1, "{log}");
}

/// The disk is full, or the quota used up, in each of the first writes in turn: one line for each file, what is there is
/// whole, and the clock is kept.
#[test]
fn no_room_at_any_write_costs_no_more_than_files() {
    const PLACES: usize = 24;
    let space = Namespace::new("no-room");
    let _server = start_server(&space, Serving::Now);
    let preload = format!("LD_PRELOAD={}", library().display());
    let begun = (0..PLACES).map(|place| {
        let own = space.path(&place.to_string());
        fs::create_dir(&own).expect("the test's directory is writable");
        fs::write(own.join("drift"), "             1.000000             0.500000\n").expect("our own");
        let at = own.display();
        let lines = format!(
            "{QUICK}user root\ncmdport 0\nbindcmdaddress /\npidfile {at}/pid\ndriftfile {at}/drift interval 1\ndumpdir {at}\n\
             dumponexit\nlogdir {at}\nlog measurements tracking statistics\nmetricsfile {at}/metrics 1\nsynchronizedfile {at}/right"
        );
        let (room, kind) = (format!("FULL_AFTER={place}"), if place % 2 == 0 { "REFUSE=" } else { "REFUSE=quota" });
        let mut words = vec![&preload, room.as_str(), kind, env!("CARGO_BIN_EXE_slewd"), "-x", "-d"];
        words.extend(lines.lines());
        space.start_as(&format!("slewd-{place}"), Path::new("env"), &words)
    });
    let mut begun: Vec<Program> = begun.collect();
    begun.iter_mut().for_each(|slewd| slewd.wait_for("Selected source 127.0.0.1", PATIENCE));
    sleep(Duration::from_secs(5));
    for (place, slewd) in begun.into_iter().enumerate() {
        let log = end(slewd);
        let reason = if place % 2 == 0 { "No space left on device" } else { "Quota exceeded" };
        let complaints: Vec<&str> = log.lines().filter(|line| line.contains(reason)).map(|line| &line[21..]).collect();
        assert!(!complaints.is_empty(), "{place} writes: nothing is said:\n{log}");
        assert_eq!(
            complaints.len(),
            complaints.iter().collect::<BTreeSet<_>>().len(),
            "{place} writes: {complaints:#?}"
        );
        let drift = fs::read_to_string(space.path(&format!("{place}/drift"))).expect("an old one or a new one");
        let numbers: Vec<f64> = drift.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        assert!(numbers.len() == 2 && drift.ends_with('\n'), "{place} writes: {drift:?}");
        for name in ["measurements.log", "tracking.log", "statistics.log"] {
            let text = fs::read_to_string(space.path(&format!("{place}/{name}"))).unwrap_or_default();
            assert!(text.is_empty() || text.ends_with('\n'), "{place} writes, {name}: half a line: {text:?}");
        }
    }
}

#[test]
fn of_a_thousand_sources_sixteen_are_used_and_all_are_listed() {
    let space = Namespace::new("thousand");
    let _server = start_server(&space, Serving::Now);
    let others = (0..999).map(|number| format!("server 127.1.{}.{} iburst", number / 250, 1 + number % 250));
    let socket = space.path("socket").to_string_lossy().into_owned();
    let own = [format!("bindcmdaddress {socket}"), format!("pidfile {}", space.path("slewd.pid").display())];
    let lines: Vec<String> = [QUICK.trim_end().to_owned()].into_iter().chain(others).chain(own).collect();
    let mut words = vec!["-x", "-d", "-u", "root", "cmdport 0"];
    words.extend(lines.iter().map(String::as_str));
    let mut slewd = space.start(Path::new(env!("CARGO_BIN_EXE_slewd")), &words);
    slewd.wait_for("Selected source 127.0.0.1", PATIENCE);
    let ask = |words: &[&str]| {
        let output = space.run(Path::new(env!("CARGO_BIN_EXE_slewd")), &[words, &["-h", &socket]].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let screen = ask(&["status"]);
    assert!(screen.contains("Sources         16 online, 0 offline; 1 of 1 agree"), "{screen}");
    assert_eq!(screen.lines().filter(|line| line.contains(" stratum ") && line.contains("  reach ")).count(), 1000);
    assert!(ask(&["check"]).contains("all 16 places for sources are taken; and 13 more"), "{}", ask(&["check"]));
    let log = end(slewd);
    assert_eq!(log.matches("Too many sources").count(), 984);
}

/// No process gets on for ten seconds, and then all goes on: nothing was a change of the clock.
#[test]
fn a_stop_of_ten_seconds_is_no_fault_of_anybody() {
    let space = Namespace::new("stopped");
    let _server = start_server(&space, Serving::Now);
    let mut slewd = start(&space, "--nofile=1024", "");
    slewd.wait_for("Selected source 127.0.0.1", PATIENCE);
    slewd.signal(Signal::SIGSTOP);
    sleep(Duration::from_secs(10));
    slewd.signal(Signal::SIGCONT);
    sleep(Duration::from_secs(2));
    let log = end(slewd);
    for complaint in ["System clock", "Can't synchronise", "falseticker", "not usable", "Could not"] {
        assert!(!log.contains(complaint), "{complaint}: {log}");
    }
}

/// The process that runs the command of `onchange` is killed: said once, and the clock goes on.
#[test]
fn a_starter_that_was_killed_is_told_of() {
    let space = Namespace::new("starter");
    let _server = start_server(&space, Serving::Now);
    let mut slewd = start(&space, "--nofile=1024", "onchange /bin/true");
    slewd.wait_for("Selected source 127.0.0.1", PATIENCE);
    let children = format!("/proc/{0}/task/{0}/children", slewd.id());
    let starter: i32 = fs::read_to_string(children).expect("it runs").trim().parse().expect("one child");
    let name = || fs::read_to_string(format!("/proc/{starter}/comm")).expect("it runs");
    wait_until("its name", || name() == "slewd-commands\n");
    kill(Pid::from_raw(starter), Signal::SIGKILL).expect("it is ours");
    wait_until("a line", || slewd.log().contains("Command /bin/true of directive onchange is not run any more"));
    slewd.still_runs();
    assert_eq!(end(slewd).matches("is not run any more").count(), 1);
}
