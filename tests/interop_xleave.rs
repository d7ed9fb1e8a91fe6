//! Interleaved mode (option `xleave`) with the real chronyd as server: what it counts, what the log of measurements says,
//! and that a server that has forgotten, or does not answer, is only measured in basic mode again.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use namespace::{Namespace, Program, chrony, start_chronyd};

/// Long enough for anything that takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Both clocks are the same: who says otherwise has mixed up time stamps of different exchanges.
const LARGEST_OFFSET_S: f64 = 0.005;

#[test]
fn chronyd_tells_when_its_replies_left() {
    let space = Namespace::new("xleave");
    let _server = start_chronyd(&space, "");
    let mut client = start_slewd(&space, "xleave");
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    wait_for_kinds(&space, 10);
    // The first reply is basic, and the request after it the first that chronyd remembers.
    let kinds = kinds(&space);
    assert!(kinds.starts_with("BB"), "{kinds}");
    assert!(kinds[3..].chars().all(|kind| kind == 'I'), "{kinds}");
    // What the third reply told of the second exchange was known.
    let third = measurements(&space).nth(2).expect("there are ten");
    assert!(third.contains(" 111 111 0111 ") && third.contains(" 4I "), "{third}");
    let socket = space.path("slewd.sock");
    let output = space.run(&chrony().join("chronyc"), &["-h", &socket.to_string_lossy(), "ntpdata", "127.0.0.1"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.lines().any(|line| line == "Interleaved     : Yes"), "{output:?}");
    let counted = interleaved_by_chronyd(&space);
    assert!(counted >= 7, "{counted} interleaved replies by chronyd's count");
    assert_offsets_are_small(&space, &client);
}

/// chronyd leaves every second request unanswered: an exchange is told of later, and is the right one.
#[test]
fn requests_may_be_lost() {
    let space = Namespace::new("xleave-lost");
    let _server = start_chronyd(&space, "ratelimit interval 3 burst 1 leak 1\n");
    let client = start_slewd(&space, "xleave");
    wait_for_kinds(&space, 12);
    let sent = space.datagrams_sent();
    let kinds = kinds(&space);
    assert!(kinds.matches('I').count() >= 4, "{kinds}");
    assert!(dropped_by_chronyd(&space) >= 3, "chronyd answered all {sent}");
    assert_offsets_are_small(&space, &client);
}

/// A new chronyd knows nothing of the old one's exchanges.
#[test]
fn a_server_that_has_forgotten_is_asked_anew() {
    let space = Namespace::new("xleave-restart");
    let server = start_chronyd(&space, "");
    let client = start_slewd(&space, "xleave");
    wait_for_kinds(&space, 6);
    drop(server);
    sleep(Duration::from_secs(2));
    let before = kinds(&space).len();
    let _server = start_chronyd(&space, "");
    wait_for_kinds(&space, before + 5);
    let kinds = kinds(&space);
    assert!(kinds[before..].starts_with('B') && kinds.ends_with('I'), "{} then {}", &kinds[..before], &kinds[before..]);
    assert_offsets_are_small(&space, &client);
}

#[test]
fn without_the_option_nothing_is_interleaved() {
    let space = Namespace::new("xleave-off");
    let _server = start_chronyd(&space, "");
    let client = start_slewd(&space, "");
    wait_for_kinds(&space, 6);
    assert_eq!(kinds(&space).replace('B', ""), "");
    assert_eq!(interleaved_by_chronyd(&space), 0);
    assert_offsets_are_small(&space, &client);
}

/// The mode of each reply measured so far: `B` or `I`.
fn kinds(space: &Namespace) -> String {
    measurements(space).filter_map(|line| line.split_whitespace().rev().nth(2)?.chars().nth(1)).collect()
}

fn measurements(space: &Namespace) -> impl Iterator<Item = String> {
    let text = std::fs::read_to_string(space.path("logs").join("measurements.log")).unwrap_or_default();
    let lines: Vec<String> = text.lines().filter(|line| !line.starts_with(['=', ' '])).map(str::to_owned).collect();
    lines.into_iter()
}

fn wait_for_kinds(space: &Namespace, count: usize) {
    let deadline = Instant::now() + 3 * PATIENCE;
    while kinds(space).len() < count {
        assert!(Instant::now() < deadline, "only {} measurements", kinds(space).len());
        sleep(Duration::from_millis(50));
    }
}

fn assert_offsets_are_small(space: &Namespace, client: &Program) {
    for line in measurements(space) {
        let offset_s = line.split_whitespace().nth(11).and_then(|word| word.parse::<f64>().ok());
        assert!(offset_s.is_some_and(|s| s.abs() < LARGEST_OFFSET_S), "{line}");
        println!("{line}");
    }
    for complaint in ["System clock wrong", "Can't synchronise", "falseticker", "Fatal"] {
        assert!(!client.log().contains(complaint), "{complaint}:\n{}", client.log());
    }
}

/// The last of the numbers that matter here: NTP packets in interleaved mode.
fn interleaved_by_chronyd(space: &Namespace) -> u64 {
    counted_by_chronyd(space, "Interleaved NTP packets")
}

fn dropped_by_chronyd(space: &Namespace) -> u64 {
    counted_by_chronyd(space, "NTP packets dropped")
}

fn counted_by_chronyd(space: &Namespace, what: &str) -> u64 {
    let socket = space.path("chronyd.sock");
    let output = space.run(&chrony().join("chronyc"), &["-h", &socket.to_string_lossy(), "serverstats"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with(what));
    let count = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    count.unwrap_or_else(|| panic!("no \"{what}\" in {output:?}"))
}

fn start_slewd(space: &Namespace, options: &str) -> Program {
    let conf = format!(
        "user root\nserver 127.0.0.1 iburst minpoll 0 maxpoll 0 {options}\nlogdir {}\nlog measurements\n\
         cmdport 0\nbindcmdaddress {}\npidfile {}\n",
        space.path("logs").display(),
        space.path("slewd.sock").display(),
        space.path("slewd.pid").display()
    );
    let conf = space.file("slewd.conf", &conf);
    space.start(Path::new(env!("CARGO_BIN_EXE_slewd")), &["-x", "-d", "-f", &conf.to_string_lossy()])
}
