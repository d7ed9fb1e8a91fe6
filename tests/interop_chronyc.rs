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

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use namespace::{Namespace, chrony, newer_chrony};
use twins::{HOSTS, PATIENCE, SOURCES, Twins, Way, chronyc, chronyc_as_nobody, slewd, start_servers};

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

/// What changes something, and what both say to it, in this order.
const ORDERS: &[&str] = &[
    "makestep",
    "makestep 0.1 3",
    "makestep 1 -1",
    "offline 127.0.0.99",
    "offline 10.0.0.0/8",
    "offline fd01::/16",
    "online 127.0.0.99",
    "offline 127.0.0.11",
    "online 127.0.0.11",
    "offline 127.0.0.8/255.255.255.248",
    "online 127.0.0.8/29",
    "offline fd00::/16",
    "online fd00::/16",
    "offline",
    "online",
    "offline 127.0.0.16",
    "burst 1/2 127.0.0.99",
    "burst 1/2 127.0.0.11",
    "burst 1/2 127.0.0.0/8",
    "burst 1/2",
    "minpoll 127.0.0.99 1",
    "maxpoll 127.0.0.99 1",
    "maxdelay 127.0.0.99 1",
    "maxdelayratio 127.0.0.99 1",
    "maxdelaydevratio 127.0.0.99 1",
    "minstratum 127.0.0.99 1",
    "polltarget 127.0.0.99 1",
    "minpoll 127.0.0.11 0",
    "minpoll 127.0.0.11 30",
    "maxpoll 127.0.0.11 0",
    "maxdelay 127.0.0.11 0.5",
    "maxdelayratio fd00::15 1000",
    "maxdelaydevratio 127.0.0.11 1000",
    "minstratum 127.0.0.14 1",
    "polltarget 127.0.0.11 20",
    "delete 127.0.0.99",
    "delete fd01::1",
    "add server 127.0.0.11",
    "add server 127.0.0.18 offline",
    "add server 127.0.0.18",
    "delete 127.0.0.18",
    "delete 127.0.0.18",
    "add server nowhere.test",
    "refresh",
    "reload sources",
    "reselect",
    "reselectdist 0.0001",
    "maxupdateskew 500",
    "dfreq 0",
    "doffset 0",
    "dump",
    "cyclelogs",
    "rekey",
    "settime 12:00",
    "manual off",
    "manual reset",
    "manual delete 0",
    "trimrtc",
    "writertc",
    "smoothtime reset",
    "smoothtime activate",
    "onoffline",
];

/// What chronyd does and a client without a server does not: chronyc's words, chronyd's first.
const NOT_OURS: &[(&str, &str, &str)] = &[
    ("manual on", "200 OK\n", "505 Facility not enabled in daemon\n"),
    ("allow 192.0.2.1", "200 OK\n", "505 Facility not enabled in daemon\n"),
    ("allow all", "200 OK\n", "505 Facility not enabled in daemon\n"),
    ("deny 192.0.2.1", "200 OK\n", "505 Facility not enabled in daemon\n"),
    ("deny all", "200 OK\n", "505 Facility not enabled in daemon\n"),
    ("local stratum 10", "200 OK\n", "505 Facility not enabled in daemon\n"),
    ("local off", "200 OK\n", "505 Facility not enabled in daemon\n"),
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
    orders_agree(&twins, &["selectopts 127.0.0.99 +prefer", "offset 127.0.0.99 0.1"]);
    for (order, words) in [
        ("selectopts fd00::15 +noselect +trust", "\nN,fd00::15,N,N,-,T,-,-,N,-,T,-,-,"),
        ("selectopts 127.0.0.13 +require", "\n*,127.0.0.13,N,-,P,-,R,-,-,P,-,R,-,"),
        ("selectopts 127.0.0.12 +prefer", "\nx,127.0.0.12,N,-,P,-,-,-,-,P,-,-,-,"),
        ("selectopts 127.0.0.12 -prefer", "\nx,127.0.0.12,N,-,-,-,-,-,-,-,-,"),
    ] {
        orders_agree(&twins, &[order]);
        twins.come_to_agree("-c -n selectdata -a", |text| text.contains(words));
    }
    orders_agree(&twins, &["offset 127.0.0.14 0.002"]);
    twins.come_to_agree("-c -n sources", |text| text.contains("^,?,127.0.0.14,1,0,377,0,-0.0019"));
    // The only one that is trusted contradicts the one that is required.
    orders_agree(&twins, &["selectopts fd00::15 -noselect", "offset fd00::15 0.002"]);
    twins.come_to_agree("-c -n sources", |text| text.contains("^,-,fd00::15,") && text.contains("^,x,127.0.0.13,"));
}

/// What the rules above ask of slewd holds between two chronyds.
#[test]
fn two_chronyds_agree() {
    let twins = Twins::start("chronyds", &chrony(), &chrony().join("chronyd"), SOURCES, (0.0, 0.0));
    twins.settle();
    reports_agree(&twins);
    orders_agree(&twins, ORDERS);
}

#[test]
fn each_order_is_answered_as_by_chronyd() {
    let twins = Twins::start("orders", &chrony(), slewd(), SOURCES, (0.0, 0.0));
    orders_agree(&twins, ORDERS);
    for &(order, theirs, ours) in NOT_OURS {
        assert_eq!(twins.ask(&twins.theirs, Way::Unix, order).text, theirs, "{order}");
        let said = twins.ask(&twins.ours, Way::Unix, order);
        assert_eq!((said.text.as_str(), said.code), (ours, Some(1)), "{order}");
    }
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

/// Each is answered by both with the same words, and refused by both over UDP.
fn orders_agree(twins: &Twins, orders: &[&str]) {
    for order in orders {
        for way in [Way::V4, Way::V6, Way::Unix] {
            let (theirs, ours) = (twins.ask(&twins.theirs, way, order), twins.ask(&twins.ours, way, order));
            assert_eq!(theirs, ours, "{order} ({way:?})");
            println!("{order} ({way:?}): {} (exit status {:?})", ours.text.trim_end(), ours.code);
        }
    }
}

/// What an order does is seen in the reports, in both alike.
#[test]
fn each_order_has_chronyds_effect() {
    effects("effects", slewd());
}

#[test]
fn two_chronyds_obey_alike() {
    effects("obeying", &chrony().join("chronyd"));
}

/// Where each of both keeps its files.
const FILES: &str = "sourcedir OWN.d\nlogdir OWN.logs\nlog measurements\n";

fn effects(name: &str, second: &Path) {
    let twins = Twins::start(name, &chrony(), second, &format!("{SOURCES}{FILES}"), (0.0, 0.0));
    twins.settle();
    asked_or_not(&twins);
    parameters(&twins);
    sources_come_and_go(&twins);
    clock_adjustments(&twins);
    files(&twins);
    end(twins);
}

fn asked_or_not(twins: &Twins) {
    for (order, activity) in [
        ("offline 127.0.0.12", "4,2,0,0,1\n"),
        ("online 127.0.0.12", "5,1,0,0,1\n"),
        ("offline 127.0.0.8/29", "1,5,0,0,1\n"),
        ("online 127.0.0.8/29", "5,1,0,0,1\n"),
        ("offline fd00::/16", "4,2,0,0,1\n"),
        ("offline", "0,6,0,0,1\n"),
        ("online", "6,0,0,0,1\n"),
        ("offline 127.0.0.16", "5,1,0,0,1\n"),
        ("burst 1/2 127.0.0.16", "5,0,0,1,1\n"),
    ] {
        twins.order(order);
        twins.come_to_agree("-c activity", |text| text == activity);
    }
    // Nobody answers there: after two requests it is offline again.
    twins.come_to_agree("-c activity", |text| text == "5,1,0,0,1\n");
}

fn parameters(twins: &Twins) {
    for (orders, reports, words) in [
        (&["minpoll 127.0.0.14 2"][..], "-c -n sources", ",127.0.0.14,1,2,"),
        (&["maxpoll 127.0.0.14 1"], "-c -n sources", ",127.0.0.14,1,1,"),
        (&["maxpoll 127.0.0.14 0"], "-c -n sources", ",127.0.0.14,1,0,"),
        (&["minstratum 127.0.0.14 5"], "-c -n sources", ",127.0.0.14,5,0,"),
        (&["maxdelay 127.0.0.14 0.000000001"], "-c -n ntpdata 127.0.0.14", ",111,111,0"),
        (&["maxdelay 127.0.0.14 1", "maxdelayratio 127.0.0.14 1"], "-c -n ntpdata 127.0.0.14", ",111,111,10"),
    ] {
        orders.iter().for_each(|order| twins.order(order));
        twins.come_to_agree(reports, |text| text.contains(words));
    }
    twins.order("maxdelayratio 127.0.0.14 1000");
}

fn sources_come_and_go(twins: &Twins) {
    twins.order("add server ntp-b.test minpoll 0 maxpoll 0 iburst");
    twins.come_to_agree("-c -n sources", |text| text.contains(",127.0.0.17,1,0,377,"));
    twins.agree(Way::Unix, "sourcename 127.0.0.17");
    for daemon in [&twins.theirs, &twins.ours] {
        let again = twins.ask(daemon, Way::Unix, "add server 127.0.0.17");
        assert_eq!((again.text.as_str(), again.code), ("511 Source already present\n", Some(1)));
    }
    twins.order("delete 127.0.0.17");
    twins.come_to_agree("-c -n sources", |text| !text.contains("127.0.0.17"));
    // The name has moved: who is asked now says who has looked.
    twins.space.hosts(&HOSTS.replace("127.0.0.11", "127.0.0.17"));
    twins.order("refresh");
    twins.come_to_agree("-c -n sources", |text| text.contains(",127.0.0.17,1,0,") && !text.contains("127.0.0.11"));
    for name in ["theirs", "ours"] {
        twins.space.file(&format!("{name}.d/dhcp.sources"), "server 127.0.0.11 minpoll 0 maxpoll 0 iburst\n");
    }
    twins.order("reload sources");
    twins.come_to_agree("-c -n sources", |text| text.contains(",127.0.0.11,1,0,377,"));
    for name in ["theirs", "ours"] {
        fs::remove_file(twins.space.path(&format!("{name}.d/dhcp.sources"))).expect("it was written above");
    }
    twins.order("reload sources");
    twins.come_to_agree("-c -n sources", |text| !text.contains("127.0.0.11"));
}

/// While nobody is asked, nothing but the orders moves the clock.
fn clock_adjustments(twins: &Twins) {
    twins.order("offline");
    let numbers = |daemon| {
        let said = twins.ask(daemon, Way::Unix, "-c -n tracking").text;
        let field = |column| said.split(',').nth(column).and_then(|text| text.parse::<f64>().ok());
        [4, 7].map(|column| field(column).unwrap_or_else(|| panic!("{said}")))
    };
    for daemon in [&twins.theirs, &twins.ours] {
        let [correction, frequency] = numbers(daemon);
        for order in ["dfreq 7", "doffset 0.02"] {
            assert_eq!(twins.ask(daemon, Way::Unix, order).text, "200 OK\n", "{order}");
        }
        let now = numbers(daemon);
        let (turned, moved) = (now[1] - frequency, now[0] - correction);
        assert!((turned - 7.0).abs() < 0.5, "port {}: dfreq 7 turned it by {turned} ppm", daemon.port);
        assert!((moved + 0.02).abs() < 0.004, "port {}: doffset 0.02 moved it by {moved} s", daemon.port);
    }
    twins.order("reset sources");
    let (_, ours) = twins.come_to_agree("-c -n sources -a", |text| !text.contains(",377,"));
    println!("after reset sources:\n{}", ours.text);
    for report in ["-c -n sourcestats -a", "-c -n selectdata -a", "-n sources -a", "waitsync 1 0 0 0.1"] {
        let (_, ours) = twins.agree(Way::Unix, report);
        println!("{report}:\n{}", ours.text);
    }
    let unknown = twins.ask(&twins.ours, Way::Unix, "-c -n tracking").text;
    assert!(unknown.starts_with("00000000,,0,0.000000000,") && unknown.ends_with(",Not synchronised\n"), "{unknown}");
    twins.order("online");
    twins.come_to_agree("waitsync 1 0 0 0.1", |text| !text.contains("refid: 00000000"));
}

fn files(twins: &Twins) {
    let log = |name: &str| twins.space.path(&format!("{name}.logs/measurements.log"));
    for name in ["theirs", "ours"] {
        fs::rename(log(name), log(name).with_extension("old")).expect("there have been measurements");
    }
    twins.order("cyclelogs");
    let deadline = Instant::now() + PATIENCE;
    while !(log("theirs").exists() && log("ours").exists()) {
        assert!(Instant::now() < deadline, "cyclelogs begins no new files");
        sleep(Duration::from_millis(50));
    }
}

/// Both say so before they go, and leave nothing behind.
fn end(mut twins: Twins) {
    twins.order("shutdown");
    for daemon in [&mut twins.theirs, &mut twins.ours] {
        assert!(daemon.program.wait().success(), "{}", daemon.program.log());
        assert!(!daemon.socket.exists(), "{:?} is left", daemon.socket);
    }
    for (way, words) in [
        (Way::Unix, "Could not open connection to daemon\n"),
        (Way::V4, "506 Cannot talk to daemon\n"),
        (Way::V6, "506 Cannot talk to daemon\n"),
    ] {
        let (theirs, ours) = twins.agree(way, "tracking");
        assert_eq!((theirs.text.as_str(), ours.code), (words, Some(1)));
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
