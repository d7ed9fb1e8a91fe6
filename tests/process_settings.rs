//! Directives about requests and the process, on the real thing: what a server receives, and what /proc says.
//!
//! Each test runs in a network namespace of its own, which only root can make.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/inside.rs"]
mod inside;

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

use inside::{PATIENCE, as_user, inside, path, start};

/// Opens no socket for commands.
const QUIET: [&str; 2] = ["cmdport 0", "bindcmdaddress /"];

/// Where the first request came from that slewd sends to 127.0.0.1 with these lines.
fn first_request(lines: &[&str]) -> SocketAddr {
    let server = UdpSocket::bind("127.0.0.1:123").expect("nobody else is in here");
    server.set_read_timeout(Some(PATIENCE)).expect("a socket has timeouts");
    let _slewd = start(&[&QUIET, &["pidfile /", "server 127.0.0.1"], lines].concat());
    let (_, from) = server.recv_from(&mut [0; 48]).expect("a request");
    from
}

#[test]
fn requests_leave_from_the_configured_port_and_address() {
    inside(|| {
        assert_eq!(first_request(&["acquisitionport 4123"]).port(), 4123);
        assert_eq!(first_request(&["bindacqaddress 127.0.0.77"]).ip().to_string(), "127.0.0.77");
        assert_ne!(first_request(&[]).port(), 4123);
    });
}

#[test]
fn requests_leave_by_the_configured_device_or_not_at_all() {
    inside(|| {
        assert_eq!(first_request(&["bindacqdevice lo"]).ip().to_string(), "127.0.0.1");
        let server = UdpSocket::bind("127.0.0.1:123").expect("nobody else is in here");
        server.set_nonblocking(true).expect("it is a socket");
        let mut slewd = start(&[&QUIET[..], &["pidfile /", "server 127.0.0.1", "bindacqdevice missing0"]].concat());
        slewd.wait_until("a second of life", |slewd| runs_since(slewd.pid()) > 1.0);
        assert!(server.recv_from(&mut [0; 48]).is_err(), "by another device");
    });
}

#[test]
fn the_process_has_the_user_the_memory_the_priority_and_the_file_that_are_configured() {
    inside(|| {
        let file = path("slewd.pid");
        let pid_file = format!("pidfile {}", file.display());
        let lines = [&QUIET[..], &[&pid_file, "user nobody", "lock_all", "sched_priority 7"]].concat();
        let mut slewd = start(&lines);
        let pid = slewd.pid();
        slewd.wait_until("another user", |_| status(pid, "Uid:") == "65534");
        assert_eq!(fs::read_to_string(&file).expect("the pid file").trim(), pid.to_string());
        assert_ne!(status(pid, "VmLck:"), "0", "memory is locked");
        // Behind the name, which may contain anything: rt_priority and policy are the 38th and 39th (proc(5)).
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        assert_eq!((fields[37], fields[38]), ("7", "1"), "SCHED_FIFO");
    });
}

/// Of root's rights only what the sockets still need is kept.
#[test]
fn a_privileged_port_and_an_account_go_together() {
    inside(|| {
        let server = UdpSocket::bind("127.0.0.1:1123").expect("nobody else is in here");
        server.set_read_timeout(Some(PATIENCE)).expect("a socket has timeouts");
        let lines = ["pidfile /", "server 127.0.0.1 port 1123", "acquisitionport 124", "user nobody"];
        let slewd = start(&[&QUIET[..], &lines].concat());
        let (_, from) = server.recv_from(&mut [0; 48]).expect("a request");
        assert_eq!(from.port(), 124);
        assert_eq!(status(slewd.pid(), "Uid:"), "65534");
        assert_eq!(status(slewd.pid(), "CapPrm:"), format!("{:016x}", 1 << 10), "CAP_NET_BIND_SERVICE");
        drop(slewd);
        let slewd = start(&[&QUIET[..], &["pidfile /", "server 127.0.0.1 port 1123", "user nobody"]].concat());
        let (_, from) = server.recv_from(&mut [0; 48]).expect("a request");
        assert_ne!(from.port(), 124);
        assert_eq!(status(slewd.pid(), "CapPrm:"), format!("{:016x}", 0), "nothing is needed");
    });
}

/// In a user namespace the capability is there and does not count: what the kernel answers decides. Nobody in one made by
/// `nobody` can touch the clock of the machine.
#[test]
fn a_capability_that_does_not_count_is_none() {
    inside(|| {
        let program = path("slewd");
        fs::copy(env!("CARGO_BIN_EXE_slewd"), &program).expect("the test's directory is writable");
        let in_namespace = |more: &[&str]| {
            let mut command = as_user("nobody", Path::new("unshare"));
            command
                .args(["--user", "--map-root-user"])
                .arg(&program)
                .args(more)
                .args(["cmdport 0", "bindcmdaddress /"]);
            command.args(["pidfile /", "server 127.0.0.1 port 1123"]);
            command
        };
        let once = in_namespace(&["-q", "-t", "20"]).output().expect("unshare runs");
        let text = String::from_utf8_lossy(&once.stderr).into_owned();
        assert_eq!(once.status.code(), Some(1), "{text}");
        assert!(text.contains("Fatal error : Not permitted to adjust the clock"), "{text}");
        let daemon = in_namespace(&["-d", "-t", "1"]).output().expect("unshare runs");
        let text = String::from_utf8_lossy(&daemon.stderr).into_owned();
        assert!(text.contains("Disabled control of system clock: it is observed only"), "{text}");
    });
}

/// The first number behind this word in its status.
fn status(pid: u32, word: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(word)).expect("a line");
    line.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Seconds since the process began.
fn runs_since(pid: u32) -> f64 {
    let began = fs::metadata(format!("/proc/{pid}")).and_then(|entry| entry.modified()).expect("it runs");
    began.elapsed().map_or(0.0, |age| age.as_secs_f64())
}
