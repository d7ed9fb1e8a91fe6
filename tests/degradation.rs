//! What the kernel refuses costs one step of quality and nothing else: the real binary on a kernel that lacks single calls.
//!
//! The library tests/support/refuse.c is preloaded into slewd and refuses or distorts what `REFUSE` names.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;
#[path = "support/refuse.rs"]
mod refuse;
#[path = "support/service.rs"]
mod service;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use namespace::{Namespace, Program};
use nix::sys::signal::Signal;
use refuse::library;
use service::{PATIENCE, QUICK, Serving, start_server, wait_until, wakes};

/// What the server is ahead of this machine.
const AHEAD_S: f64 = 3600.0;

/// A wrong use of stamps that are a second off would show as half a second; a busy machine stays far below it.
const CLOSE_S: f64 = 0.1;

/// Wakes of a daemon that polls one server each second are a few per second; one that spins has thousands.
const MOST_WAKES: u64 = 200;

/// The arguments of env(1) for slewd with the library, lines of configuration and flags before them.
fn arguments(space: &Namespace, refused: &str, flags: &[&str], lines: &[&str]) -> Vec<String> {
    let mut words = vec![
        format!("LD_PRELOAD={}", library().display()),
        format!("REFUSE={refused}"),
        format!("SYSCALLS={}", space.path("syscalls").display()),
        env!("CARGO_BIN_EXE_slewd").to_owned(),
    ];
    words.extend(flags.iter().chain(lines).map(|word| (*word).to_owned()));
    words.extend(["cmdport 0".to_owned(), "bindcmdaddress /".to_owned()]);
    words.push(format!("pidfile {}", space.path("slewd.pid").display()));
    words
}

/// A daemon that leaves the clock alone, with debug messages.
fn start(space: &Namespace, refused: &str) -> Program {
    let words = arguments(space, refused, &["-x", "-d", "-L", "-1"], &[QUICK.trim_end()]);
    space.start_as("slewd", Path::new("env"), &words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The offset that `-Q` finds in seconds, positive if the server is ahead.
fn measured_s(space: &Namespace, refused: &str) -> f64 {
    let words = arguments(space, refused, &["-Q", "-t", "20"], &["server 127.0.0.1 iburst"]);
    let output = space.run(Path::new("env"), &words.iter().map(String::as_str).collect::<Vec<_>>());
    let log = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "without {refused}: {}\n{log}", output.status);
    let rest = log.split("System clock wrong by ").nth(1).unwrap_or_else(|| panic!("without {refused}:\n{log}"));
    rest.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no number: {log}"))
}

/// Without these calls the time is right, the daemon selects, does not spin, says these words and ends when asked.
/// Returns its log.
fn expect(name: &str, refused: &str, words: &[&str]) -> String {
    let space = Namespace::new(name);
    let _server = start_server(&space, Serving::AnHourAhead);
    let offset_s = measured_s(&space, refused);
    assert!((offset_s - AHEAD_S).abs() < CLOSE_S, "without {refused}: wrong by {offset_s} s");
    let mut slewd = start(&space, refused);
    slewd.wait_for("Selected source 127.0.0.1", PATIENCE);
    let before = wakes(slewd.id());
    sleep(Duration::from_secs(3));
    let woken = wakes(slewd.id()) - before;
    assert!(woken < MOST_WAKES, "without {refused} it woke {woken} times in 3 s:\n{}", slewd.log());
    slewd.still_runs();
    slewd.signal(Signal::SIGTERM);
    let status = slewd.wait();
    let log = slewd.log();
    assert!(status.success(), "without {refused}: {status}\n{log}");
    for word in words {
        assert!(log.contains(word), "without {refused} no \"{word}\":\n{log}");
    }
    println!("without {refused:16} offset {offset_s:.6} s, {woken} wakes in 3 s");
    log
}

#[test]
fn nothing_refused_and_only_futexes_through_syscall() {
    let space = Namespace::new("degradation-syscalls");
    let _server = start_server(&space, Serving::AnHourAhead);
    let mut slewd = start(&space, "");
    slewd.wait_for("Selected source 127.0.0.1", PATIENCE);
    assert!(slewd.log().contains("Time stamping of packets: Full"), "{}", slewd.log());
    let maps = fs::read_to_string(format!("/proc/{}/maps", slewd.id())).expect("it runs");
    assert!(maps.contains(&*library().to_string_lossy()), "the library is not loaded:\n{maps}");
    slewd.signal(Signal::SIGTERM);
    assert!(slewd.wait().success(), "{}", slewd.log());
    // Rust's standard library has no other way to a futex: a simulator lets them through.
    let made = fs::read_to_string(space.path("syscalls")).unwrap_or_default();
    let futex = libc::SYS_futex.to_string();
    let others: Vec<&str> = made.lines().filter(|number| *number != futex).collect();
    assert!(others.is_empty(), "calls that no preloaded library sees: {others:?}");
}

#[test]
fn without_timerfd_a_step_is_seen_at_the_next_reading() {
    expect("degradation-timerfd", "timerfd", &[]);
}

#[test]
fn without_netlink_requests_are_repeated() {
    expect("degradation-netlink", "netlink", &["Changes of the network are not reported"]);
}

#[test]
fn without_statx_files_are_found_by_stat() {
    expect("degradation-statx", "statx", &[]);
}

#[test]
fn without_close_range_descriptors_are_found_in_proc() {
    expect("degradation-close-range", "close_range", &[]);
}

/// The loop turns while the drift file is being written, and the end does not wait for the disk.
#[test]
fn a_disk_that_does_not_answer_stops_nobody() {
    let space = Namespace::new("degradation-disk");
    let _server = start_server(&space, Serving::Now);
    let drift = format!("driftfile {} interval 1", space.path("drift").display());
    let words = arguments(&space, "slow-disk", &["-x", "-d", "-L", "-1"], &[QUICK.trim_end(), "user root", &drift]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut slewd = space.start_as("slewd", Path::new("env"), &words);
    slewd.wait_for("Selected source 127.0.0.1", PATIENCE);
    wait_until("the draft", || space.path("drift.tmp").exists());
    let asked = || slewd.log().matches("Waiting for request").count();
    let before = asked();
    wait_until("three more requests", || asked() >= before + 3);
    assert!(space.path("drift.tmp").exists() && !space.path("drift").exists(), "the disk has answered");
    let told = Instant::now();
    slewd.signal(Signal::SIGTERM);
    assert!(slewd.wait().success(), "{}", slewd.log());
    let took = told.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?} from SIGTERM to the end");
    assert!(slewd.log().contains("in time (1 files late: the disk does not answer)"), "{}", slewd.log());
}

#[test]
fn without_getrandom_measurements_go_on() {
    expect("degradation-getrandom", "getrandom", &[]);
    expect("degradation-entropy", "entropy", &[]);
}

#[test]
fn without_timestamping_only_what_is_received_is_stamped() {
    expect("degradation-timestamping", "timestamping", &["Time stamping of packets: ReceiveOnly"]);
}

#[test]
fn without_any_stamps_the_clock_is_read() {
    expect("degradation-no-stamps", "timestamping timestampns", &["Time stamping of packets: None"]);
}

#[test]
fn stamps_that_are_promised_and_never_come_are_replaced_by_readings() {
    expect("degradation-tx-stamps", "tx-stamps", &[]);
    expect("degradation-rx-stamps", "rx-stamps", &[]);
}

#[test]
fn stamps_that_are_a_second_off_are_replaced_by_readings() {
    for word in ["tx-stamps-early", "tx-stamps-late", "rx-stamps-early", "rx-stamps-late"] {
        expect(&format!("degradation-{word}"), word, &[]);
    }
}

#[test]
fn without_the_raw_counter_the_monotonic_clock_is_the_ruler() {
    expect("degradation-raw-clock", "raw-clock", &[]);
    expect("degradation-boot-clock", "boot-clock", &[]);
}

#[test]
fn without_clock_adjtime_an_observer_observes() {
    expect("degradation-adjtimex", "clock_adjtime", &[]);
}
