//! Faults of the machine around the daemon, on the real binary: rows of docs/reliability.md that no other test has.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;
#[path = "support/service.rs"]
mod service;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use namespace::{Namespace, Program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
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
