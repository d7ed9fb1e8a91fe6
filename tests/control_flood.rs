//! Floods at the command sockets of the real daemon: nothing is answered twice or by more than was asked, nothing grows,
//! and time is kept all the while.
//!
//! `cargo test --release --test control_flood -- --nocapture --test-threads 1` prints the figures of docs/benchmarks.md.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/flood.rs"]
mod flood;
#[path = "support/inside.rs"]
mod inside;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flood::{Door, Flood, LONGEST, Outcome, ask, cpu_s, flood as pour, status};
use inside::{PATIENCE, Slewd, inside, start};
use slewd::cli::demo::servers::{Truth, raw_now};
use slewd::core::api::monitoring::{Address, NtpData, SourceData, Tracking};
use slewd::time::{Span, Utc};
use slewd::wire::cmdmon::reply::Body;
use slewd::wire::cmdmon::request::ControlRequest;

/// Datagrams of each flood.
const MANY: u32 = 100_000;

/// Requests to the servers go out four times a second.
const SOURCES: [&str; 4] = [
    "server 127.0.0.11 minpoll -2 maxpoll -2 iburst",
    "server 127.0.0.12 minpoll -2 maxpoll -2 iburst",
    "server 127.0.0.13 minpoll -2 maxpoll -2 iburst",
    "pidfile /",
];

/// What the process may weigh more than after the first small floods, in kB. Pages of the program itself do not count: some
/// are read for the first time.
const GROWTH_KB: u64 = 256;

/// A stretch of time whose requests are worth telling.
const LONG: Duration = Duration::from_secs(10);

/// How much the clock may seem to move through a flood, in seconds: a packet that waits for a busy processor.
const MOVED_S: f64 = 0.002;

const FLOODS: [Flood; 6] = [
    Flood { name: "tracking", make: tracking, is_read: true, is_replayed: false, window: Some(8) },
    Flood { name: "mute", make: tracking, is_read: false, is_replayed: false, window: None },
    Flood { name: "truncated", make: truncated, is_read: true, is_replayed: false, window: None },
    Flood { name: "oversized", make: oversized, is_read: true, is_replayed: false, window: None },
    Flood { name: "replayed", make: replayed, is_read: true, is_replayed: true, window: None },
    Flood { name: "random", make: random, is_read: true, is_replayed: false, window: None },
];

/// A request for `tracking`, as chronyc sends it.
const TRACKING_LEN: usize = 104;

fn tracking(number: u32, _: &mut fastrand::Rng, datagram: &mut [u8; LONGEST]) -> usize {
    datagram.fill(0);
    datagram[..6].copy_from_slice(&[6, 1, 0, 0, 0, 33]);
    datagram[8..12].copy_from_slice(&number.to_be_bytes());
    TRACKING_LEN
}

fn truncated(number: u32, dice: &mut fastrand::Rng, datagram: &mut [u8; LONGEST]) -> usize {
    tracking(number, dice, datagram);
    number as usize % TRACKING_LEN
}

fn oversized(number: u32, dice: &mut fastrand::Rng, datagram: &mut [u8; LONGEST]) -> usize {
    tracking(number, dice, datagram);
    dice.usize(861..LONGEST)
}

fn replayed(_: u32, dice: &mut fastrand::Rng, datagram: &mut [u8; LONGEST]) -> usize {
    tracking(0, dice, datagram)
}

/// Requests that change nothing: the Unix socket would obey the others.
const READING: [u8; 14] = [14, 15, 33, 34, 35, 41, 44, 51, 54, 57, 65, 67, 68, 69];

/// Bytes by the dice; every other datagram begins like a request.
fn random(number: u32, dice: &mut fastrand::Rng, datagram: &mut [u8; LONGEST]) -> usize {
    let len = dice.usize(0..=900);
    dice.fill(&mut datagram[..len.max(12)]);
    if number.is_multiple_of(2) {
        let command = READING[dice.usize(..READING.len())];
        datagram[..6].copy_from_slice(&[6, 1, 0, 0, 0, command]);
    }
    datagram[8..12].copy_from_slice(&number.to_be_bytes());
    len
}

/// Requests of all kinds with absurd contents, but that to end.
fn absurd(number: u32, dice: &mut fastrand::Rng, datagram: &mut [u8; LONGEST]) -> usize {
    const SHUTDOWN: u8 = 62;
    let len = dice.usize(28..=600);
    dice.fill(&mut datagram[..len]);
    let command = Some(dice.u8(0..=80)).filter(|command| *command != SHUTDOWN).unwrap_or(64);
    datagram[..6].copy_from_slice(&[6, 1, 0, 0, 0, command]);
    datagram[8..12].copy_from_slice(&number.to_be_bytes());
    // Often an address of the family that it is of, or a name that could be one.
    match dice.u8(..4) {
        0 => datagram[20..40].copy_from_slice(&[127, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]),
        1 => datagram[20..24].copy_from_slice(&dice.i32(-2..9).to_be_bytes()),
        2 => datagram[20..30].copy_from_slice(b"\0\0\0\x0110.9.8"),
        _ => {}
    }
    len
}

#[test]
fn floods_disturb_nobody() {
    inside(|| {
        let (_servers, slewd) = started();
        // The first use of each path takes memory that is kept.
        for door in [Door::V4, Door::V6, Door::Unix] {
            for kind in &FLOODS {
                pour(slewd.pid(), door, kind, 500);
            }
        }
        let weight_kb = status(slewd.pid(), "RssAnon");
        println!(
            "| flood | socket | sent | to answer | answered | lost before, after the daemon | s | CPU us each | grown kB | moved us |"
        );
        let (at_first, first) = (Timekeeping::now(), Instant::now());
        for kind in &FLOODS {
            for door in [Door::V4, Door::V6, Door::Unix] {
                let (before, began) = (Timekeeping::now(), Instant::now());
                let outcome = pour(slewd.pid(), door, kind, MANY);
                let after = Timekeeping::now();
                let grown_kb = status(slewd.pid(), "RssAnon").saturating_sub(weight_kb);
                let moved_s = after.clock.correction_s - before.clock.correction_s;
                println!("{}", row(kind.name, door, &outcome, grown_kb, moved_s));
                check(kind, door, &outcome);
                after.is_undisturbed(&before, began.elapsed());
                assert!(grown_kb <= GROWTH_KB, "{}: {grown_kb} kB more", kind.name);
                assert!(moved_s.abs() <= MOVED_S, "{}: the clock seems to have moved by {moved_s} s", kind.name);
            }
        }
        Timekeeping::now().is_undisturbed(&at_first, first.elapsed());
        let log = slewd.stop();
        for complaint in ["panicked", "Could not", "Can't synchronise", "System clock"] {
            assert!(!log.contains(complaint), "{log}");
        }
    });
}

/// Every command but one, with contents that nobody would send: the daemon lives, and has an answer for each.
#[test]
fn absurd_orders_are_survived() {
    inside(|| {
        let (_servers, mut slewd) = started();
        let kind = Flood { name: "absurd", make: absurd, is_read: true, is_replayed: false, window: Some(8) };
        for door in [Door::V4, Door::Unix] {
            let outcome = pour(slewd.pid(), door, &kind, MANY);
            println!("{}", row(kind.name, door, &outcome, 0, 0.0));
            assert_eq!(outcome.hits + outcome.drops + outcome.lost_requests, outcome.sent, "{outcome:?}");
        }
        assert!(slewd.is_running() && matches!(ask(&ControlRequest::Activity), Ok(Body::Activity(_))));
        assert!(!slewd.log().contains("panicked"), "{}", slewd.log());
    });
}

/// Printed, not judged: the processor time of one request.
#[test]
fn what_one_request_costs() {
    inside(|| {
        let (_servers, slewd) = started();
        let kind = Flood { name: "cost", make: tracking, is_read: true, is_replayed: false, window: Some(1) };
        for door in [Door::V4, Door::V6, Door::Unix] {
            let outcome = pour(slewd.pid(), door, &kind, MANY);
            let us = 1e6 * outcome.cpu_s / outcome.sent as f64;
            println!(
                "tracking, {door:?}: {us:.1} us of CPU each, {:.0} requests per second",
                outcome.sent as f64 / outcome.seconds
            );
            assert_eq!(outcome.answers, outcome.sent, "{outcome:?}");
        }
    });
}

/// Nobody asks, and no server is to be asked: nothing wakes the daemon.
#[test]
fn idle_sockets_wake_nobody() {
    inside(|| {
        let mut slewd = start(&["server 127.0.0.11 offline", "pidfile /"]);
        slewd.wait_until("a socket", |_| Path::new(flood::SOCKET).exists());
        // After ten seconds it says once that no source can be used.
        std::thread::sleep(Duration::from_secs(12));
        let wakes = |slewd: &Slewd| status(slewd.pid(), "voluntary_ctxt_switches");
        let (before, cpu_before_s) = (wakes(&slewd), cpu_s(slewd.pid()));
        std::thread::sleep(Duration::from_secs(10));
        let (woken, cpu_used_s) = (wakes(&slewd) - before, cpu_s(slewd.pid()) - cpu_before_s);
        println!("woken {woken} times in 10 s, {cpu_used_s} s of CPU");
        assert_eq!(woken, 0, "{}", slewd.log());
    });
}

fn check(kind: &Flood, door: Door, outcome: &Outcome) {
    let told = format!("{} {door:?}: {outcome:?}", kind.name);
    // Each datagram is in one place of the books.
    assert_eq!(outcome.hits + outcome.drops + outcome.lost_requests, outcome.sent, "{told}");
    assert!(outcome.hits <= outcome.well_formed, "{told}");
    assert!(outcome.hits + outcome.lost_requests >= outcome.well_formed, "{told}");
    if kind.is_read {
        assert!(outcome.answers <= outcome.hits, "{told}");
        let is_unix = door == Door::Unix;
        assert!(is_unix || outcome.answers + outcome.lost_answers == outcome.hits, "{told}");
    }
    if kind.window.is_some() {
        assert_eq!((outcome.answers, outcome.lost_requests), (outcome.sent, 0), "{told}");
    }
}

fn row(name: &str, door: Door, outcome: &Outcome, grown_kb: u64, moved_s: f64) -> String {
    let Outcome { sent, well_formed, answers, lost_requests, hits, seconds, cpu_s, .. } = outcome;
    let cpu_us = 1e6 * cpu_s / (sent - lost_requests).max(1) as f64;
    let lost_after = hits - answers;
    format!(
        "| {name} | {door:?} | {sent} | {well_formed} | {answers} | {lost_requests}, {lost_after} | {seconds:.2} | {cpu_us:.1} | {grown_kb} | {:.0} |",
        1e6 * moved_s
    )
}

/// What is known of the clock and the servers.
struct Timekeeping {
    clock: Tracking,
    sources: Vec<(SourceData, NtpData)>,
}

impl Timekeeping {
    fn now() -> Self {
        let Ok(Body::Tracking(clock)) = ask(&ControlRequest::Tracking) else { panic!("no tracking") };
        let source = |index| {
            let Ok(Body::SourceData(data)) = ask(&ControlRequest::SourceData(index)) else {
                panic!("no source {index}")
            };
            let Ok(Body::NtpData(ntp)) = ask(&ControlRequest::NtpData(data.address)) else {
                panic!("no data of {index}")
            };
            (data, ntp)
        };
        Timekeeping { clock, sources: (0..3).map(source).collect() }
    }

    /// Requests went out and came back all the while, and nothing else has changed.
    fn is_undisturbed(&self, before: &Timekeeping, took: Duration) {
        assert_eq!(self.clock.stratum, 2);
        assert_ne!(self.clock.address, Address::Unspecified);
        for ((data, ntp), (_, then)) in self.sources.iter().zip(&before.sources) {
            let (sent, good) = (ntp.total_sent - then.total_sent, ntp.total_valid - then.total_valid);
            // Four a second, of which one may be on its way at each end.
            let least = (took.as_secs_f64() * 4.0 * 0.5) as u32;
            assert!(sent >= least && good + 1 >= sent, "{sent} requests, {good} answers in {took:?}");
            if took > LONG {
                println!("{sent} requests to a server and {good} answers in {:.1} s", took.as_secs_f64());
            }
            assert_eq!(data.reach, 0xff, "{data:?}");
        }
    }
}

/// Three servers that tell this machine's time, and slewd when it has heard each of them eight times.
fn started() -> (Servers, Slewd) {
    let servers = Servers::start();
    let slewd = start(&SOURCES);
    let deadline = Instant::now() + PATIENCE;
    let is_heard = || {
        let reaches =
            |index| matches!(ask(&ControlRequest::SourceData(index)), Ok(Body::SourceData(data)) if data.reach == 0xff);
        Path::new(flood::SOCKET).exists() && (0..3).all(reaches)
    };
    while !is_heard() {
        assert!(Instant::now() < deadline, "{}", slewd.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    (servers, slewd)
}

struct Servers(Child);

impl Servers {
    fn start() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
        let now = Utc::from_secs(0) + Span::from_secs_f64(now.as_secs_f64());
        let epoch_ns = Truth::starting(now, raw_now(), 0.0).epoch.nanos().to_string();
        let program = Path::new(env!("CARGO_BIN_EXE_slewd")).with_file_name("examples").join("testserver");
        assert!(program.exists(), "{program:?} is missing: cargo build --examples (with the profile of this test)");
        let mut command = Command::new(program);
        command.args(["--epoch-ns", &epoch_ns, "127.0.0.11:123", "127.0.0.12:123", "127.0.0.13:123"]);
        Servers(command.stdout(Stdio::null()).spawn().expect("testserver starts"))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
