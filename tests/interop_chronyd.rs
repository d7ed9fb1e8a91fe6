//! slewd as a client of the real chronyd, each test in a network namespace of its own.
//!
//! The machine's clock is the truth on both sides, so every offset has to be next to nothing. Nothing here can set it.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use namespace::{Namespace, Program, chrony, start_chronyd};
use slewd::cli::demo::servers::{Truth, raw_now};
use slewd::time::{Span, Utc};

/// Long enough for any client's start on a busy machine; chronyd itself takes 5 s.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn chronyd_is_selected_over_ipv4() {
    follows("ipv4", "127.0.0.1");
}

#[test]
fn chronyd_is_selected_over_ipv6() {
    follows("ipv6", "::1");
}

/// As the hooks of DHCP clients write them, with a bad line among the good ones.
#[test]
fn chronyd_is_selected_from_a_sources_file() {
    let space = Namespace::new("sourcedir");
    let _server = start_chronyd(&space, "");
    std::fs::create_dir(space.path("dhcp")).expect("a directory");
    space.file("dhcp/eth0.sources", "server 127.0.0.1 ibrust\nserver 127.0.0.1 iburst\n");
    let mut client = start_slewd(&space, &format!("user root\nsourcedir {}\n", space.path("dhcp").display()));
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    assert!(client.log().contains("(did you mean iburst?), line ignored at line 1 in file"), "{}", client.log());
    assert!(client.log().contains("Added source 127.0.0.1"), "{}", client.log());
}

#[test]
fn query_measures_both_families() {
    let space = Namespace::new("query");
    let _server = start_chronyd(&space, "");
    let output = space.run(slewd(), &["query", "127.0.0.1", "::1"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for address in ["127.0.0.1", "::1"] {
        let line = text.lines().find(|line| line.split_whitespace().any(|word| word == address));
        let offset_s = line.and_then(signed_seconds);
        assert!(offset_s.is_some_and(|s| s.abs() < 0.005), "no offset of nearly zero for {address} in:\n{text}");
    }
}

#[test]
fn query_of_nobody_fails() {
    let space = Namespace::new("nobody");
    let output = space.run(slewd(), &["query", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("127.0.0.1"), "it does not say who failed to answer: {said}");
}

/// chronyd answers too frequent requests with kisses only since 4.7, so a server of our own sends them.
#[test]
fn a_kiss_ends_the_burst_and_delays_the_next_request() {
    let space = Namespace::new("kiss");
    let truth = ["--epoch-ns", &epoch_ns(), "--count"];
    let mut server = space.start(&example("testserver"), &[&truth[..], &["127.0.0.1:123", "kiss=RATE:2"]].concat());
    server.wait_for_line("serving on 127.0.0.1:123", PATIENCE);
    let mut client = start_slewd(&space, "server 127.0.0.1 iburst minpoll 3 maxpoll 3\n");
    client.wait_for("Received KoD RATE from 127.0.0.1", PATIENCE);
    // Until then there were two answers and the kiss. The next request is due 8 s + 4 x 8 s later.
    sleep(Duration::from_secs(12));
    let counts = server.log();
    assert_eq!(counts.lines().last(), Some("127.0.0.1:123 requests=3 replies=3 refused=0"), "{counts}");
    assert_eq!(client.log().matches("Received KoD RATE from 127.0.0.1").count(), 1, "{}", client.log());
}

/// DENY is honoured (RFC 8633 section 5.4), which chronyd does not: nothing more is sent to that address for a minute.
#[test]
fn a_denial_ends_the_asking_for_a_while() {
    let space = Namespace::new("denial");
    let truth = ["--epoch-ns", &epoch_ns(), "--count"];
    let mut server = space.start(&example("testserver"), &[&truth[..], &["127.0.0.1:123", "kiss=DENY:0"]].concat());
    server.wait_for_line("serving on 127.0.0.1:123", PATIENCE);
    let mut client = start_slewd(&space, "server 127.0.0.1 iburst minpoll 3 maxpoll 3\n");
    client.wait_for("Received KoD DENY from 127.0.0.1, not asking it for 60 seconds, then ever more rarely", PATIENCE);
    sleep(Duration::from_secs(10));
    let counts = server.log();
    assert_eq!(counts.lines().last(), Some("127.0.0.1:123 requests=1 replies=1 refused=0"), "{counts}");
    assert!(!client.log().contains("Selected source"), "{}", client.log());
}

/// The server dies and its name gets another address: it is found without anybody's help.
#[test]
fn a_server_that_has_moved_is_found() {
    let space = Namespace::new("moved");
    space.hosts("127.0.0.1 ntp.example\n");
    let server = start_chronyd(&space, "bindaddress 127.0.0.1\n");
    let mut client = start_slewd(&space, "server ntp.example iburst minpoll 0 maxpoll 0\n");
    client.wait_for("Selected source 127.0.0.1 (ntp.example)", PATIENCE);
    drop(server);
    let _server = start_chronyd(&space, "bindaddress 127.0.0.2\n");
    space.hosts("127.0.0.2 ntp.example\n");
    client.wait_for("Source 127.0.0.1 replaced with 127.0.0.2 (ntp.example)", 3 * PATIENCE);
    client.wait_for("Selected source 127.0.0.2 (ntp.example)", PATIENCE);
}

/// A name that nobody knows any more: the address is still in the file beside the drift file.
#[test]
fn the_last_good_address_is_asked_when_the_name_is_unknown() {
    let space = Namespace::new("unknown");
    space.hosts("127.0.0.1 ntp.example\n");
    let _server = start_chronyd(&space, "");
    let drift = space.path("drift");
    let source = format!("user root\nserver ntp.example iburst\ndriftfile {}\n", drift.display());
    let lines: Vec<&str> = source.lines().chain(["pidfile /"]).collect();
    let first = space.run(slewd(), &[&["-x", "-d", "-t", "2"][..], &lines].concat());
    let known = std::fs::read_to_string(drift.with_extension("addresses"));
    assert_eq!(known.ok().as_deref(), Some("ntp.example 127.0.0.1\n"), "{first:?}");
    space.hosts("127.0.0.1 localhost\n");
    let mut client = start_slewd(&space, &source);
    client.wait_for("Selected source 127.0.0.1 (ntp.example)", PATIENCE);
}

/// slewd selects chronyd at this address, and chronyd has accepted every packet.
fn follows(name: &str, address: &str) {
    let space = Namespace::new(name);
    // chronyd's usual limit for one client: who exceeds it gets no answer, and is counted.
    let _server = start_chronyd(&space, "ratelimit\n");
    let mut client = start_slewd(&space, &format!("server {address} iburst minpoll 3 maxpoll 3\n"));
    let start = Instant::now();
    client.wait_for("Disabled control of system clock", PATIENCE);
    client.wait_for(&format!("Selected source {address}"), PATIENCE);
    println!("{address} selected after {:?}", start.elapsed());
    sleep(Duration::from_secs(10).saturating_sub(start.elapsed()));
    for complaint in ["System clock wrong", "System clock was stepped", "Can't synchronise", "Fatal", "adjtimex"] {
        assert!(!client.log().contains(complaint), "{complaint}:\n{}", client.log());
    }
    let seen = chronyc(&space, "clients");
    let fields = seen.lines().map(|line| line.split(',').collect::<Vec<_>>()).find(|fields| fields[0] == address);
    let fields = fields.unwrap_or_else(|| panic!("chronyd has never heard of {address}:\n{seen}"));
    let (packets, dropped): (u64, u64) = (fields[1].parse().expect("a count"), fields[2].parse().expect("a count"));
    assert!((4..=12).contains(&packets), "{packets} packets in 10 s: {seen}");
    assert_eq!(dropped, 0, "{seen}");
    let totals = chronyc(&space, "serverstats");
    let (received, dropped) = totals.trim().split_once(',').expect("several counts");
    assert!(received.parse::<u64>().is_ok_and(|n| n >= packets), "{totals}");
    assert!(dropped.starts_with("0,"), "{totals}");
}

/// The `--epoch-ns` of a test server that tells this machine's time.
fn epoch_ns() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let now = Utc::from_secs(0) + Span::from_secs_f64(now.as_secs_f64());
    Truth::starting(now, raw_now(), 0.0).epoch.nanos().to_string()
}

/// slewd as a client that leaves the clock alone.
fn start_slewd(space: &Namespace, sources: &str) -> Program {
    let conf = format!("{sources}cmdport 0\nbindcmdaddress /\npidfile {}\n", space.path("slewd.pid").display());
    let conf = space.file("slewd.conf", &conf);
    space.start(slewd(), &["-x", "-d", "-f", &conf.to_string_lossy()])
}

/// What chronyd reports, as comma-separated values.
fn chronyc(space: &Namespace, command: &str) -> String {
    let socket = space.path("chronyd.sock");
    let output = space.run(&chrony().join("chronyc"), &["-c", "-h", &socket.to_string_lossy(), command]);
    assert!(output.status.success(), "chronyc {command}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The first number with a sign in a line, in seconds: `+0.000012`, `-12us`, `+1.5 ms`.
fn signed_seconds(line: &str) -> Option<f64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let index =
        words.iter().position(|word| word.starts_with(['+', '-']) && word[1..].starts_with(char::is_numeric))?;
    let word = words[index];
    let unit_at = word.rfind(|c: char| c.is_ascii_digit()).map_or(word.len(), |i| i + 1);
    let unit = if unit_at < word.len() { &word[unit_at..] } else { words.get(index + 1).copied().unwrap_or("s") };
    let scale = match unit {
        "ms" => 1e-3,
        "us" | "µs" => 1e-6,
        "ns" => 1e-9,
        _ => 1.0,
    };
    Some(word[..unit_at].parse::<f64>().ok()? * scale)
}

fn slewd() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_slewd"))
}

/// One of the rig's own programs.
fn example(name: &str) -> PathBuf {
    let path = slewd().with_file_name("examples").join(name);
    assert!(path.exists(), "{path:?} is missing: cargo build --examples (with the profile of this test)");
    path
}
