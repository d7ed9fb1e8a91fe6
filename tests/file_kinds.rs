//! Whatever is at a configured path, nothing waits for it: the daemon ends when it is told to, and writes to no victim.
//!
//! The test runs in a network namespace of its own, which only root can make.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/inside.rs"]
mod inside;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use inside::{PATIENCE, inside, path, start_as};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

/// From SIGTERM to the end. A daemon that waits for one of these files never ends.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Long enough for a few answers.
const LIVES: Duration = Duration::from_millis(1500);

const KINDS: [&str; 5] = ["fifo", "directory", "socket", "link", "device"];

/// Read before anything else is done.
const CONFIGURATION: &str = "more.conf";

const VICTIM: &str = "/run/test/victim";

/// Where a file can be, and the line that says so; `{}` is the directory.
const PLACES: [(&str, &str); 20] = [
    ("drift", "driftfile {}/drift"),
    ("drift.addresses", "driftfile {}/drift"),
    ("drift.tmp", "driftfile {}/drift"),
    ("measurements.log", "log measurements rawmeasurements"),
    ("statistics.log", "log statistics"),
    ("tracking.log", "log tracking"),
    ("selection.log", "log selection"),
    ("slewd.pid", "pidfile {}/slewd.pid"),
    ("leap.list", "leapseclist {}/leap.list"),
    ("zone", "leapsectz {}/zone"),
    ("sensor", "tempcomp {}/sensor 1 20 0 0 0"),
    ("more.sources", "sourcedir {}"),
    ("C0A80001.dat", "dumpdir {}"),
    ("synchronized", "synchronizedfile {}/synchronized"),
    ("commands.sock", "bindcmdaddress {}/commands.sock"),
    ("keys", "keyfile {}/keys"),
    ("slewd.prom", "metricsfile {}/slewd.prom 1"),
    ("127.0.0.1.nts", "ntsdumpdir {}"),
    ("certs.pem", "ntstrustedcerts {}/certs.pem"),
    (CONFIGURATION, "include {}/more.conf"),
];

#[test]
fn whatever_is_at_a_path_sigterm_ends_it() {
    inside(|| {
        thread::spawn(serve);
        // One at a time would take minutes: each has a directory of its own.
        let cases: Vec<_> = KINDS.iter().flat_map(|kind| PLACES.map(|place| (*kind, place))).collect();
        for few in cases.chunks(10) {
            let running: Vec<_> = few
                .iter()
                .map(|case| {
                    thread::spawn({
                        let (kind, (name, line)) = *case;
                        move || live_and_die(kind, name, line)
                    })
                })
                .collect();
            running.into_iter().for_each(|case| case.join().expect("its message is above"));
        }
        assert_eq!(fs::read_to_string(VICTIM).expect("it is there"), "precious\n", "nobody wrote through a link");
    });
}

fn live_and_die(kind: &str, name: &str, line: &str) {
    let directory = path(&format!("{kind}-{name}"));
    fs::create_dir(&directory).expect("the test's directory is writable");
    place(kind, &directory.join(name));
    let line = line.replace("{}", &directory.to_string_lossy());
    let log_directory = format!("logdir {}", directory.display());
    let own = [&*log_directory, &line, "server 127.0.0.1 port 1123 iburst", "cmdport 0", "bindcmdaddress /"];
    // The pid file and the socket are given once: the last one counts.
    let mut lines = own.to_vec();
    lines.swap(1, 4);
    if !line.starts_with("pidfile") {
        lines.push("pidfile /");
    }
    // Root, so that permissions keep it from nothing.
    let mut slewd = start_as("root", &["-x", "-d", "-r", "-u", "root"], &lines);
    let begun = Instant::now();
    while slewd.is_running() && begun.elapsed() < LIVES {
        sleep(Duration::from_millis(20));
    }
    if !slewd.is_running() {
        // To refuse is an answer as well, if it says why.
        assert!(slewd.log().contains("Fatal error"), "{kind} {name}: {}", slewd.log());
        return;
    }
    let told = Instant::now();
    kill(Pid::from_raw(slewd.pid() as i32), Signal::SIGTERM).expect("it is our child");
    while slewd.is_running() && told.elapsed() < PATIENCE {
        sleep(Duration::from_millis(5));
    }
    let took = told.elapsed();
    assert!(took < ENDS_WITHIN, "{kind} {name}: {took:?} from SIGTERM to the end:\n{}", slewd.log());
    // The configuration is waited for if it is a pipe: before that there is nothing to end but the process.
    let is_begun = !(kind == "fifo" && name == CONFIGURATION);
    assert_eq!(slewd.log().contains("exiting"), is_begun, "{kind} {name}: {}", slewd.log());
}

fn place(kind: &str, at: &Path) {
    match kind {
        "fifo" => mkfifo(at, Mode::S_IRWXU).expect("a pipe can be made"),
        "directory" => fs::create_dir(at).expect("a directory can be made"),
        "socket" => drop(UnixListener::bind(at).expect("a socket can be made")),
        "link" => {
            fs::write(VICTIM, "precious\n").expect("the test's directory is writable");
            symlink(VICTIM, at).expect("a link can be made");
        }
        _ => symlink("/dev/zero", at).expect("a link can be made"),
    }
}

/// A server whose time is that of the system clock.
fn serve() {
    let socket = UdpSocket::bind("127.0.0.1:1123").expect("nobody else is in here");
    let mut packet = [0; 1024];
    while let Ok((_, from)) = socket.recv_from(&mut packet) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later");
        let seconds = (since.as_secs() + 2_208_988_800) as u32;
        let fraction = ((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000) as u32;
        let now = [seconds.to_be_bytes(), fraction.to_be_bytes()].concat();
        let mut reply = [0; 48];
        reply[..4].copy_from_slice(&[0x24, 1, packet[2], 0xec]);
        reply[12..16].copy_from_slice(b"TEST");
        reply[16..24].copy_from_slice(&now);
        reply[24..32].copy_from_slice(&packet[40..48]);
        reply[32..40].copy_from_slice(&now);
        reply[40..48].copy_from_slice(&now);
        let _ = socket.send_to(&reply, from);
    }
}
