//! What chronyc makes slewd do is what it makes chronyd do: each order beside a real chronyd, its words and its effects.
//!
//! The machine's clock is the truth of the servers; nothing here can set it.
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

use namespace::{chrony, newer_chrony};
use twins::{HOSTS, PATIENCE, SOURCES, Twins, Way, slewd};

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

#[test]
fn each_order_is_answered_as_by_chronyd() {
    let twins = Twins::start("orders", &chrony(), slewd(), SOURCES, (0.0, 0.0));
    twins.agree_on_orders(ORDERS);
    for &(order, theirs, ours) in NOT_OURS {
        assert_eq!(twins.ask(&twins.theirs, Way::Unix, order).text, theirs, "{order}");
        let said = twins.ask(&twins.ours, Way::Unix, order);
        assert_eq!((said.text.as_str(), said.code), (ours, Some(1)), "{order}");
    }
}

/// The rules hold between two chronyds.
#[test]
fn two_chronyds_answer_alike() {
    let twins = Twins::start("alike", &chrony(), &chrony().join("chronyd"), SOURCES, (0.0, 0.0));
    twins.agree_on_orders(ORDERS);
}

/// Orders that chronyc 4.3 does not know.
#[test]
fn newer_orders_have_a_newer_chronyds_effect() {
    let twins = Twins::start("newer-orders", &newer_chrony(), slewd(), SOURCES, (0.0, 0.0));
    twins.settle();
    twins.agree_on_orders(&["selectopts 127.0.0.99 +prefer", "offset 127.0.0.99 0.1"]);
    for (order, words) in [
        ("selectopts fd00::15 +noselect +trust", "\nN,fd00::15,N,N,-,T,-,-,N,-,T,-,-,"),
        ("selectopts 127.0.0.13 +require", "\n*,127.0.0.13,N,-,P,-,R,-,-,P,-,R,-,"),
        ("selectopts 127.0.0.12 +prefer", "\nx,127.0.0.12,N,-,P,-,-,-,-,P,-,-,-,"),
        ("selectopts 127.0.0.12 -prefer", "\nx,127.0.0.12,N,-,-,-,-,-,-,-,-,"),
    ] {
        twins.agree_on_orders(&[order]);
        twins.come_to_agree("-c -n selectdata -a", |text| text.contains(words));
    }
    twins.agree_on_orders(&["offset 127.0.0.14 0.002"]);
    twins.come_to_agree("-c -n sources", |text| text.contains("^,?,127.0.0.14,1,0,377,0,-0.0019"));
    // The only one that is trusted contradicts the one that is required.
    twins.agree_on_orders(&["selectopts fd00::15 -noselect", "offset fd00::15 0.002"]);
    twins.come_to_agree("-c -n sources", |text| text.contains("^,-,fd00::15,") && text.contains("^,x,127.0.0.13,"));
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
