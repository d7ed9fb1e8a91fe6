//! chronyc's view of slewd is its view of chronyd: a real chronyc, a real chronyd, and slewd beside it in the same situation.
//!
//! The machine's clock is the truth of the servers; nothing here can set it. Fields that can be equal have to be.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/agreement.rs"]
mod agreement;
#[path = "support/namespace.rs"]
mod namespace;
#[path = "support/twins.rs"]
mod twins;

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use namespace::{Namespace, chrony, newer_chrony};
use twins::{PATIENCE, SOURCES, Twins, Way, chronyc, chronyc_as_nobody, slewd, start_servers};

/// What everybody may know, and how chronyc can be asked for it.
const OPEN: &[&str] = &[
    "-n tracking",
    "-N tracking",
    "-c -n tracking",
    "-n sources",
    "-n sources -a",
    "-n sources -v",
    "-N sources",
    "-N sources -a",
    "-c -n sources -a",
    "-c -N sources -a",
    "-n sourcestats",
    "-n sourcestats -a",
    "-N sourcestats -v",
    "-c -n sourcestats -a",
    "-c -N sourcestats -a",
    "activity",
    "-c activity",
    "-c rtcdata",
    "rtcdata",
    "smoothing",
    "manual list",
    "sourcename 127.0.0.11",
    "sourcename 127.0.0.12",
    "sourcename fd00::15",
    "sourcename 127.0.0.99",
    "sourcename ID#0000000099",
];

/// What only those may know who reach the Unix socket.
const CLOSED: &[&str] = &[
    "-n selectdata",
    "-n selectdata -a",
    "-N selectdata -v",
    "-c -n selectdata -a",
    "-c -N selectdata -a",
    "-n authdata",
    "-n authdata -a",
    "-c -N authdata -a",
    "-n ntpdata",
    "-n ntpdata 127.0.0.12",
    "-n ntpdata fd00::15",
    "-n ntpdata 127.0.0.99",
    "-c -n ntpdata",
    "serverstats",
    "-c serverstats",
    "clients",
    "-c clients",
    "accheck 192.0.2.1",
    "cmdaccheck 127.0.0.1",
    "cmdaccheck 192.0.2.1",
    "cmdaccheck ::1",
];

/// Said over UDP to all that is not for everybody.
const UNAUTHORISED: &str = "501 Not authorised\n";

#[test]
fn each_report_is_as_chronyds() {
    let twins = Twins::start("reports", &chrony(), slewd(), SOURCES, (0.0, 0.0));
    twins.settle();
    reports_agree(&twins);
}

/// Reports that have grown since: `serverstats` and `ntpdata`.
#[test]
fn each_report_is_as_a_newer_chronyds() {
    let twins = Twins::start("newer", &newer_chrony(), slewd(), SOURCES, (0.0, 0.0));
    twins.settle();
    reports_agree(&twins);
}

/// What the rules ask of slewd holds between two chronyds.
#[test]
fn two_chronyds_agree() {
    let twins = Twins::start("chronyds", &chrony(), &chrony().join("chronyd"), SOURCES, (0.0, 0.0));
    twins.settle();
    reports_agree(&twins);
}

/// All that is said is the same, by people's and by programs' eyes.
fn reports_agree(twins: &Twins) {
    for arguments in OPEN {
        for way in [Way::Unix, Way::V4, Way::V6] {
            twins.agree(way, arguments);
        }
    }
    for arguments in CLOSED {
        twins.agree(Way::Unix, arguments);
        for way in [Way::V4, Way::V6] {
            let (theirs, ours) = twins.agree(way, arguments);
            assert_eq!(theirs.text, ours.text, "{arguments}");
            assert!(ours.text.ends_with(UNAUTHORISED) && ours.code == Some(1), "{arguments}: {ours:?}");
        }
    }
}

/// Nobody answers: what is said of a clock of which nothing is known, and of sources that are silent.
#[test]
fn what_is_not_known_is_said_as_by_chronyd() {
    unknown("unknown", slewd());
}

#[test]
fn two_chronyds_know_nothing_alike() {
    unknown("ignorant", &chrony().join("chronyd"));
}

fn unknown(name: &str, second: &Path) {
    let silent = "server 127.0.0.41 minpoll 0 maxpoll 0\nserver 127.0.0.42 minpoll 0 maxpoll 0 prefer trust\n\
                  server fd00::15 port 9 minpoll 0 maxpoll 0 require\nserver nowhere.test\n";
    let twins = Twins::start(name, &chrony(), second, silent, (0.0, 0.0));
    for way in [Way::Unix, Way::V4, Way::V6] {
        for report in
            ["-n tracking", "-n sources", "-n sources -a", "-n sourcestats -a", "-N sources -a", "-c activity"]
        {
            twins.agree(way, report);
        }
        let (_, ours) = twins.agree(way, "waitsync 2 0.1 0.5 0.1");
        assert_eq!((ours.text.lines().count(), ours.code), (2, Some(1)), "{ours:?}");
    }
    for report in ["-c -n selectdata -a", "-c -n ntpdata", "-n ntpdata", "-n authdata -a"] {
        twins.agree(Way::Unix, report);
    }
    let (_, ours) = twins.agree(Way::Unix, "-c -n tracking");
    assert!(ours.text.starts_with("00000000,,0,0.000000000,0.000000000,0.000000000,"), "{}", ours.text);
    assert!(ours.text.ends_with(",Not synchronised\n"), "{}", ours.text);
}

/// A clock that is 20 ms behind and runs 30 ppm too slowly, which nobody may set: the signs.
#[test]
fn a_clock_that_is_off_is_reported_as_by_chronyd() {
    let twins = off("off", slewd());
    let text = twins.ask(&twins.ours, Way::Unix, "-c -n sourcestats").text;
    let offset =
        text.lines().find(|line| line.contains("127.0.0.13")).and_then(|line| line.split(',').nth(6)?.parse().ok());
    assert!(offset.is_some_and(|s: f64| (-0.1..-0.015).contains(&s)), "the clock is behind: {text}");
}

#[test]
fn two_chronyds_are_off_alike() {
    off("astray", &chrony().join("chronyd"));
}

fn off(name: &str, second: &Path) -> Twins {
    let twins = Twins::start(name, &chrony(), second, SOURCES, (0.02, 30.0));
    let is_settled = |text: &str| text.matches(",377,").count() == 5 && text.contains("^,x,") && text.contains("^,*,");
    let deadline = Instant::now() + PATIENCE;
    while ![&twins.theirs, &twins.ours].iter().all(|d| is_settled(&twins.ask(d, Way::Unix, "-c -n sources").text)) {
        assert!(Instant::now() < deadline, "{}", twins.ask(&twins.ours, Way::Unix, "-n sources").text);
        sleep(Duration::from_millis(300));
    }
    let (_, ours) = twins.agree(Way::Unix, "-n tracking");
    println!("{}", ours.text);
    for words in ["seconds slow of NTP time", "ppm slow"] {
        assert!(ours.text.contains(words), "{}", ours.text);
    }
    twins.agree(Way::Unix, "-c -n tracking");
    // The correction will never be made: with a bound on it, chronyc waits in vain.
    for (arguments, code) in
        [("waitsync 2 0.1 100 0.1", 0), ("waitsync 2 0.001 0 0.1", 1), ("waitsync 2 0 1e-9 0.1", 1)]
    {
        let (_, ours) = twins.agree(Way::Unix, arguments);
        assert_eq!(ours.code, Some(code), "{arguments}: {}", ours.text);
    }
    // chronyd with -x compares servers with the clock as it would be, slewd with the clock as it is. The server that is
    // 3 ms ahead finds both 3 ms further behind than the one they follow.
    for daemon in [&twins.theirs, &twins.ours] {
        for (report, column) in [("-c -n sources", 7), ("-c -n sources", 8), ("-c -n sourcestats", 6)] {
            let text = twins.ask(daemon, Way::Unix, report).text;
            let of = |address: &str| {
                let line = text.lines().find(|line| line.contains(address));
                line.and_then(|line| line.split(',').nth(column)?.parse::<f64>().ok())
                    .unwrap_or_else(|| panic!("{text}"))
            };
            let further_s = of("127.0.0.12") - of("127.0.0.13");
            assert!((further_s + 0.003).abs() < 0.001, "port {}: {report}: {further_s} s\n{text}", daemon.port);
        }
    }
    twins
}

/// chronyc without any options finds the daemon at its usual places, as root and as nobody.
#[test]
fn chronyc_finds_it_at_the_usual_places() {
    usual_places("usual", slewd());
}

#[test]
fn chronyc_finds_chronyd_at_the_usual_places() {
    usual_places("places", &chrony().join("chronyd"));
}

fn usual_places(name: &str, program: &Path) {
    let space = Namespace::new(name);
    space.ip("-6 addr add fd00::15/128 dev lo nodad");
    let mounted = space.run(Path::new("mount"), &["-t", "tmpfs", "none", "/run"]);
    assert!(mounted.status.success(), "{mounted:?}");
    let _servers = start_servers(&space, 0.0, 0.0);
    let sources = "server 127.0.0.11 iburst\nserver 127.0.0.13 iburst\n";
    let pid_file = space.path("pid");
    let conf = space.file("usual.conf", &format!("{sources}port 0\npidfile {}\n", pid_file.display()));
    let mut daemon = space.start(program, &["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()]);
    daemon.wait_for("Disabled control of system clock", PATIENCE);
    let chronyc_path = chrony().join("chronyc");
    let as_root = |arguments: &str| chronyc(&space, &chronyc_path, arguments);
    let as_nobody = |arguments: &str| chronyc_as_nobody(&space, &chrony(), arguments);
    let synchronised = as_root("waitsync 300 0 0 0.1");
    assert_eq!(synchronised.code, Some(0), "{synchronised:?}\n{}", daemon.log());
    let directory = space.run(Path::new("stat"), &["-c", "%a %u %g", "/run/chrony"]);
    let directory = String::from_utf8_lossy(&directory.stdout).into_owned();
    assert!(["750 0 0\n", "770 0 0\n"].contains(&directory.as_str()), "{directory}");
    for reached in ["", "-h /run/chrony/chronyd.sock ", "-h /nowhere,127.0.0.1 ", "-h ::1 ", "-h localhost "] {
        for command in ["-n sources", "serverstats", "makestep"] {
            let said = as_root(&format!("{reached}{command}"));
            let by_udp = reached.contains("1 ") || reached.contains("localhost");
            let (words, code) = match command {
                _ if by_udp && command != "-n sources" => ("501 Not authorised\n", 1),
                "makestep" => ("500 Failure\n", 1),
                "serverstats" => ("Command packets received", 0),
                _ => ("127.0.0.13 ", 0),
            };
            assert!(said.text.contains(words) && said.code == Some(code), "{reached}{command}: {said:?}");
        }
    }
    for (command, words, code) in [
        ("-n sources", "127.0.0.13 ", 0),
        ("-n tracking", "Leap status     : Normal", 0),
        ("activity", "0 sources offline", 0),
        ("serverstats", "501 Not authorised", 1),
        ("makestep", "501 Not authorised", 1),
        ("shutdown", "501 Not authorised", 1),
        ("-h /run/chrony/chronyd.sock tracking", "Could not open connection to daemon", 1),
        ("-h 127.0.0.2 tracking", "506 Cannot talk to daemon", 1),
        ("waitsync 1", "try: 1, refid: 7F0000", 0),
    ] {
        let said = as_nobody(command);
        assert!(said.text.contains(words) && said.code == Some(code), "{command}: {said:?}");
    }
    assert_eq!(as_root("shutdown").text, "200 OK\n");
    assert!(daemon.wait().success(), "{}", daemon.log());
    let left = space.run(Path::new("find"), &["/run/chrony", "-type", "s"]);
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "sockets are left");
}
