//! Links and addresses that come and go, between network namespaces, with the real chronyd as the server.
//!
//! Nobody tells slewd but the kernel: there is no dispatcher script and no control command.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use namespace::{Namespace, Program, chrony};

/// Long enough for any start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// From the link being up to the first request. Without notice of the kernel it would be seconds; beyond one, requests
/// that could not be sent are tried again by themselves.
const PROMPT: Duration = Duration::from_millis(300);

const SERVER: &str = "192.0.2.1";

/// A client and a server joined by a cable, the client's end of which is still down.
struct Rig {
    client: Namespace,
    server: Namespace,
    _chronyd: Program,
}

impl Rig {
    fn new(name: &str) -> Self {
        let client = Namespace::new(&format!("{name}-client"));
        let server = Namespace::new(&format!("{name}-server"));
        client.connect(&server);
        server.ip("address add 192.0.2.1/24 dev cable");
        server.ip("link set cable up");
        client.ip("address add 192.0.2.2/24 dev cable");
        let chronyd = start_chronyd(&server);
        Rig { client, server, _chronyd: chronyd }
    }

    /// How long it takes from this change of the client's network until its next request leaves.
    fn until_asked(&self, already: u64, change: &str) -> Duration {
        let start = Instant::now();
        self.client.ip(change);
        while self.client.datagrams_sent() == already {
            assert!(start.elapsed() < PATIENCE, "no request");
            sleep(Duration::from_millis(1));
        }
        start.elapsed()
    }
}

#[test]
fn a_link_that_comes_up_is_used_at_once() {
    let rig = Rig::new("up");
    let mut slewd = start_slewd(&rig.client);
    slewd.wait_for("Disabled control of system clock", PATIENCE);
    // By now the tries are 4 and 8 s apart.
    sleep(Duration::from_secs(8));
    assert_eq!(rig.client.datagrams_sent(), 0, "there is no way out yet");
    let asked = rig.until_asked(0, "link set cable up");
    let start = Instant::now();
    slewd.wait_for(&format!("Selected source {SERVER}"), PATIENCE);
    // The far end of a cable takes up to a second to notice that it is plugged in, and its ARP replies are lost till then.
    println!("link up: first request after {asked:?}, selected {:?} later", start.elapsed());
    assert!(asked < PROMPT, "{asked:?}");
    let log = slewd.log();
    assert_eq!(log.matches("Could not send").count(), 1, "not once for each packet:\n{log}");
    assert!(!log.contains("Can't synchronise"), "{log}");
}

#[test]
fn a_link_that_was_down_for_a_while_is_used_at_once() {
    let rig = Rig::new("again");
    rig.client.ip("link set cable up");
    let mut slewd = start_slewd(&rig.client);
    slewd.wait_for(&format!("Selected source {SERVER}"), PATIENCE);
    sleep(Duration::from_secs(3));
    rig.client.ip("link set cable down");
    // At minpoll 3 at least one request finds no way out.
    sleep(Duration::from_secs(22));
    let before = rig.client.datagrams_sent();
    let asked = rig.until_asked(before, "link set cable up");
    println!("link up again: first request after {asked:?}");
    assert!(asked < PROMPT, "{asked:?}");
}

#[test]
fn a_new_address_is_used_at_once_and_requests_from_the_old_one_are_dropped() {
    let rig = Rig::new("address");
    rig.client.ip("link set cable up");
    // The server does not answer, so that the request from the old address stays open.
    rig.server.ip("address del 192.0.2.1/24 dev cable");
    rig.server.ip("address add 192.0.2.9/24 dev cable");
    rig.client.ip("neighbour replace 192.0.2.1 lladdr 02:00:00:00:00:01 dev cable");
    let mut slewd = start_slewd(&rig.client);
    slewd.wait_for("Disabled control of system clock", PATIENCE);
    sleep(Duration::from_secs(1));
    assert!(rig.client.udp_sockets().contains("020200C0"), "a request is open:\n{}", rig.client.udp_sockets());
    rig.server.ip("address add 192.0.2.1/24 dev cable");
    rig.client.ip("neighbour del 192.0.2.1 dev cable");
    rig.client.ip("address del 192.0.2.2/24 dev cable");
    sleep(Duration::from_millis(100));
    assert!(!rig.client.udp_sockets().contains("020200C0"), "it is dropped:\n{}", rig.client.udp_sockets());
    sleep(Duration::from_secs(3));
    let before = rig.client.datagrams_sent();
    let asked = rig.until_asked(before, "address add 192.0.2.3/24 dev cable");
    println!("new address: first request after {asked:?}");
    assert!(asked < PROMPT, "{asked:?}");
    slewd.wait_for(&format!("Selected source {SERVER}"), PATIENCE);
}

#[test]
fn a_link_that_flaps_causes_no_storm() {
    let rig = Rig::new("flap");
    rig.client.ip("link set cable up");
    let mut slewd = start_slewd(&rig.client);
    slewd.wait_for(&format!("Selected source {SERVER}"), PATIENCE);
    let before = rig.client.datagrams_sent();
    let start = Instant::now();
    for _ in 0..100 {
        rig.client.ip("link set cable down");
        rig.client.ip("link set cable up");
        sleep(Duration::from_millis(100));
    }
    let requests = rig.client.datagrams_sent() - before;
    let heeded = slewd.log().matches("The network has changed").count();
    println!("100 times down and up in {:?}: {requests} requests, {heeded} times heeded", start.elapsed());
    assert!(heeded <= 33, "{heeded}");
    // Two seconds apart, whatever happens.
    assert!(requests <= start.elapsed().as_secs() / 2 + 2, "{requests}");
}

fn start_chronyd(space: &Namespace) -> Program {
    let socket = space.path("chronyd.sock");
    let pid_file = space.path("chronyd.pid");
    let conf = format!(
        "local stratum 8\nallow all\ncmdport 0\nbindcmdaddress {}\npidfile {}\n",
        socket.display(),
        pid_file.display()
    );
    let conf = space.file("chronyd.conf", &conf);
    let mut server = space.start(&chrony().join("chronyd"), &["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()]);
    server.wait_for("Disabled control of system clock", PATIENCE);
    let deadline = Instant::now() + PATIENCE;
    while !socket.exists() {
        assert!(Instant::now() < deadline, "chronyd opened no command socket:\n{}", server.log());
        sleep(Duration::from_millis(20));
    }
    server
}

/// slewd as a client that leaves the clock alone, with debug messages.
fn start_slewd(space: &Namespace) -> Program {
    let lines = format!("server {SERVER} iburst minpoll 3 maxpoll 3\n");
    let conf = format!("{lines}cmdport 0\nbindcmdaddress /\npidfile {}\n", space.path("slewd.pid").display());
    let conf = space.file("slewd.conf", &conf);
    let slewd = Path::new(env!("CARGO_BIN_EXE_slewd"));
    space.start(slewd, &["-x", "-d", "-L", "-1", "-f", &conf.to_string_lossy()])
}
