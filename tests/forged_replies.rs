//! Somebody on the path who sees where requests come from, but not what is in them, floods the daemon with forged replies:
//! none is accepted, and each costs a few microseconds.
//!
//! `SLEWD_FORGED=1000000 cargo test --release --test forged_replies -- --nocapture` sends more than the usual run.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/inside.rs"]
mod inside;

use std::fs;
use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use inside::{PATIENCE, inside, start};

/// Datagrams that reach the daemon in the usual run.
const FORGED: u64 = 100_000;

/// So many are sent at once: the daemon's queue takes about three times as many.
const BURST: u64 = 100;

/// The goal is 8; a test has a debug build, and a busy machine.
const MOST_US: f64 = 30.0;

/// Seconds from 1900 to 1970.
const NTP_OFFSET_S: u64 = 2_208_988_800;

#[test]
fn forged_replies_are_refused_and_cost_little() {
    inside(|| {
        let wanted = std::env::var("SLEWD_FORGED").ok().and_then(|count| count.parse().ok()).unwrap_or(FORGED);
        let server = UdpSocket::bind("127.0.0.1:123").expect("nobody else is in here");
        server.set_read_timeout(Some(PATIENCE)).expect("a socket has timeouts");
        let own = ["cmdport 0", "bindcmdaddress /", "pidfile /", "server 127.0.0.1 iburst minpoll 0 maxpoll 0"];
        let slewd = start(&own);
        let mut dice = fastrand::Rng::with_seed(1);
        let (mut request, mut sent) = ([0; 48], 0u64);
        let (mut before, mut began) = (None, Instant::now());
        let delivered = |before: &Option<(u64, u64)>| before.map_or(0, |(read, _)| datagrams_read() - read);
        while delivered(&before) < wanted {
            let (_, victim) = server.recv_from(&mut request).expect("a request");
            // What the start costs is not of the flood.
            if before.is_none() {
                (before, began) = (Some((datagrams_read(), cpu_ns(slewd.pid()))), Instant::now());
            }
            server.set_nonblocking(true).expect("it is a socket");
            while server.peek_from(&mut request).is_err() && delivered(&before) < wanted {
                for _ in 0..BURST {
                    // The port may be closed by now.
                    let _ = server.send_to(&forged(&mut dice), victim);
                    sent += 1;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            server.set_nonblocking(false).expect("it is a socket");
        }
        let (read, spent) =
            before.map(|(read, ns)| (datagrams_read() - read, cpu_ns(slewd.pid()) - ns)).expect("a flood");
        let each_us = spent as f64 / 1e3 / read as f64;
        println!(
            "{sent} forged replies in {:.1} s, {read} reached the daemon: {each_us:.2} us each",
            began.elapsed().as_secs_f64()
        );
        let log = slewd.stop();
        assert!(!log.contains("Selected source") && !log.contains("System clock wrong"), "one was accepted: {log}");
        assert!(each_us < MOST_US, "{each_us} us for each");
    });
}

/// A good reply of stratum 1 but for the time stamp of the request, which only the server has seen.
fn forged(dice: &mut fastrand::Rng) -> [u8; 48] {
    let mut packet = [0; 48];
    packet[..4].copy_from_slice(&[0x24, 1, 0, 0xec]);
    packet[12..16].copy_from_slice(b"GPS\0");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let stamp = (now.as_secs() + NTP_OFFSET_S) << 32 | u64::from(now.subsec_nanos()) << 2;
    for (at, value) in [(16, stamp), (24, dice.u64(..)), (32, stamp), (40, stamp)] {
        packet[at..at + 8].copy_from_slice(&value.to_be_bytes());
    }
    packet
}

/// Datagrams that programs in here have read: the second number of the kernel's line for UDP.
fn datagrams_read() -> u64 {
    let text = fs::read_to_string("/proc/net/snmp").expect("the kernel counts");
    let line = text.lines().filter(|line| line.starts_with("Udp: ")).nth(1);
    line.and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("the kernel counts datagrams")
}

/// What a process has had of the processors, all its threads.
fn cpu_ns(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
    let spent = threads.filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok());
    spent.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum()
}
