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

use namespace::{chrony, newer_chrony};
use twins::{SOURCES, Twins, Way, slewd};

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
    orders_agree(&twins, &["selectopts fd00::15 +noselect +trust", "selectopts 127.0.0.13 -prefer +require"]);
    twins.come_to_agree("-c -n selectdata -a", |text| text.contains("\nN,fd00::15,N,N,-,T,-,N,-,T,-,"));
    orders_agree(&twins, &["selectopts fd00::15 -noselect", "offset fd00::15 0.002"]);
    twins.come_to_agree("-c -n sources", |text| text.contains(",fd00::15,1,0,377,"));
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
            let (theirs, ours) = twins.agree(way, order);
            assert_eq!(theirs, ours, "{order} ({way:?})");
            println!("{order} ({way:?}): {} (exit status {:?})", ours.text.trim_end(), ours.code);
        }
    }
}
