//! Sources that want authentication: with the keys of the real chronyd, and beside it with no key.
//!
//! The server is chronyd at several loopback addresses. Nothing here can set the clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use namespace::{Namespace, Program, chrony, start_chronyd};

/// Long enough for chronyd's first update, which takes 6 s.
const RUN: Duration = Duration::from_secs(12);

const PATIENCE: Duration = Duration::from_secs(20);

/// A client that leaves the clock alone, with a command socket of its own.
fn start(space: &Namespace, program: &Path, name: &str, lines: &str) -> Program {
    let (socket, pid) = (space.path(&format!("{name}.sock")), space.path(&format!("{name}.pid")));
    let conf = format!(
        "{lines}port 0\ncmdport 0\nbindcmdaddress {}\npidfile {}\nuser root\n",
        socket.display(),
        pid.display()
    );
    let conf = space.file(&format!("{name}.conf"), &conf);
    space.start_as(name, program, &["-x", "-d", "-f", &conf.to_string_lossy()])
}

fn start_slewd(space: &Namespace, lines: &str) -> Program {
    start(space, Path::new(env!("CARGO_BIN_EXE_slewd")), "slewd", lines)
}

/// What chronyc prints of a client.
fn ask(space: &Namespace, client: &str, command: &str) -> String {
    let socket = space.path(&format!("{client}.sock")).to_string_lossy().into_owned();
    let arguments = [&["-n", "-h", &socket], &command.split(' ').collect::<Vec<_>>()[..]].concat();
    let output = space.run(&chrony().join("chronyc"), &arguments);
    assert!(output.status.success(), "chronyc {command} of {client}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Words of the line about a source.
fn line(text: &str, source: &str) -> Vec<String> {
    let line = text.lines().find(|line| line.contains(source));
    line.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_source_without_its_key_is_never_asked_and_the_others_wait_for_it_as_with_chronyd() {
    let space = Namespace::new("no-key");
    let _server = start_chronyd(&space, "");
    let lines = "server 127.0.0.2 iburst key 7\nserver 127.0.0.3 iburst\n";
    let _theirs = start(&space, &chrony().join("chronyd"), "theirs", lines);
    let ours = start_slewd(&space, lines);
    sleep(RUN);
    for client in ["theirs", "slewd"] {
        assert!(ask(&space, client, "tracking").contains("Leap status     : Not synchronised"), "{client}");
        let select = ask(&space, client, "selectdata");
        let (wants, other) = (line(&select, "127.0.0.2"), line(&select, "127.0.0.3"));
        assert_eq!(wants[3..5], ["-----", "--TR-"], "{client}: {select}");
        assert_eq!(other[..5], ["W", "127.0.0.3", "N", "-----", "-----"], "{client}: {select}");
        let sources = ask(&space, client, "sources");
        assert_eq!(line(&sources, "127.0.0.2")[..5], ["^?", "127.0.0.2", "0", "6", "0"], "{client}: {sources}");
    }
    let both = |command| (ask(&space, "theirs", command), ask(&space, "slewd", command));
    let (theirs, ours_too) = both("authdata");
    assert_eq!(ours_too, theirs);
    assert!(ask(&space, "slewd", "ntpdata 127.0.0.2").contains("Total TX        : 0\n"));
    let log = ours.log();
    let told = "Key 7 is missing (127.0.0.2 is not asked: name a file of keys with the directive keyfile)";
    assert!(log.contains(told), "{log}");
    let unusable = "Source 127.0.0.2 is not usable: it is not asked, its key is not in the key file";
    assert_eq!(log.matches(unusable).count(), 1, "{log}");
}

/// All types that chronyd knows and NTP uses. The numbers are those of the last byte of the server's address.
const KEYS: &str = "\
2 MD5 ASCII:a-long-key-of-md5
3 SHA1 HEX:000102030405060708090a0b0c0d0e0f10111213
4 SHA256 HEX:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
5 SHA384 a-plain-key-of-sha384
6 SHA512 a-plain-key-of-sha512
7 AES128 HEX:000102030405060708090a0b0c0d0e0f
8 AES256 HEX:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
9 a-key-without-a-type
";

/// Who has the wrong key gets no answer, until it has the right one and is told to read its file again.
#[test]
fn every_type_of_key_is_that_of_chronyd() {
    let space = Namespace::new("keys");
    let server_keys = space.file("server.keys", KEYS);
    let _server = start_chronyd(&space, &format!("keyfile {}\n", server_keys.display()));
    let own_keys = space.file("own.keys", &KEYS.replace("a-key-without-a-type", "another-key-of-number-9"));
    let types = if cfg!(feature = "nts") { 2..=9 } else { 2..=2 };
    let mut lines = format!("keyfile {}\n", own_keys.display());
    for id in types.clone().chain(9..=9) {
        lines += &format!("server 127.0.0.{id} iburst key {id}\n");
        // Version 4 cuts digests of more than 20 bytes; without this version 3 is used, which does not.
        if (4..=6).contains(&id) {
            lines += &format!("server 127.0.0.{} iburst key {id} version 4\n", id + 10);
        }
    }
    let mut ours = start_slewd(&space, &lines);
    ours.wait_until_line(PATIENCE, |line| line.contains("Selected source 127.0.0."));
    sleep(Duration::from_secs(4));
    let authentication = ask(&space, "slewd", "authdata -a");
    for (id, code, bits) in
        [(2, 1, 136), (3, 2, 160), (4, 3, 256), (5, 4, 168), (6, 5, 168), (7, 13, 128), (8, 14, 256)]
    {
        if !types.contains(&id) {
            continue;
        }
        let told = line(&authentication, &format!("127.0.0.{id} "));
        assert_eq!(told[1..5], ["SK", &id.to_string(), &code.to_string(), &bits.to_string()], "{authentication}");
        let data = ask(&space, "slewd", &format!("ntpdata 127.0.0.{id}"));
        assert!(data.contains("Authenticated   : Yes\n"), "{data}");
        assert!(!data.contains("Total good RX   : 0\n"), "{data}\n{}", ours.log());
    }
    if types.contains(&4) {
        for id in 4..=6 {
            for (address, version) in [(id, 3), (id + 10, 4)] {
                let data = ask(&space, "slewd", &format!("ntpdata 127.0.0.{address}"));
                assert!(data.contains(&format!("Version         : {version}\n")), "{data}");
                assert!(!data.contains("Total good RX   : 0\n"), "{data}");
            }
        }
    }
    let wrong = || ask(&space, "slewd", "ntpdata 127.0.0.9");
    assert!(wrong().contains("Total good RX   : 0\n"), "{}", wrong());
    assert!(ours.log().contains("own.keys are open to everybody"), "{}", ours.log());
    space.file("own.keys", KEYS);
    ask(&space, "slewd", "rekey");
    ask(&space, "slewd", "burst 1/4 127.0.0.9");
    sleep(Duration::from_secs(2));
    assert!(!wrong().contains("Total good RX   : 0\n"), "{}\n{}", wrong(), ours.log());
}

#[test]
fn printing_the_configuration_says_which_keys_are_missing() {
    let space = Namespace::new("missing-key");
    let keys = space.file("own.keys", "1 MD5 secret\n2 MD6 secret\n");
    let line = format!("keyfile {}", keys.display());
    let printed = space.run(
        Path::new(env!("CARGO_BIN_EXE_slewd")),
        &["-p", &line, "server 127.0.0.2 key 2", "server 127.0.0.3 key 1"],
    );
    let said = String::from_utf8_lossy(&printed.stderr);
    assert!(said.contains("Could not parse key (the type must be one of MD5, SHA1"), "{said}");
    assert!(said.contains("Key 2 is missing (127.0.0.2 is not asked: add it to "), "{said}");
    assert!(said.contains("Key 1 is too short (127.0.0.3: a key should have 10 bytes or more)"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

/// Built without NTS.
#[cfg(not(feature = "nts"))]
#[test]
fn names_that_want_nts_are_listed_and_cost_no_packet() {
    let space = Namespace::new("no-nts");
    space.hosts("127.0.0.2 nts.example\n");
    let before = space.datagrams_sent();
    let mut client = start_slewd(&space, "pool nts.example iburst nts\nserver 127.0.0.3 nts\n");
    client.wait_for("Can't synchronise: no selectable sources (2 unreachable sources)", PATIENCE);
    sleep(Duration::from_secs(3));
    assert_eq!(space.datagrams_sent(), before, "{}", client.log());
    let authentication = ask(&space, "slewd", "authdata -a");
    assert_eq!(line(&authentication, "ID#0000000001")[1], "NTS", "{authentication}");
    assert_eq!(line(&authentication, "127.0.0.3")[1], "NTS", "{authentication}");
}

#[test]
fn one_shot_modes_do_not_ask_it_either_and_end() {
    let space = Namespace::new("one-shot");
    let _server = start_chronyd(&space, "");
    for (lines, is_success) in [
        (&["server 127.0.0.2 key 1"][..], false),
        (&["server 127.0.0.2 key 1", "server 127.0.0.3 iburst"], false),
        (&["server 127.0.0.2 key 1", "server 127.0.0.3 iburst", "authselectmode ignore"], true),
    ] {
        let arguments = [&["-Q", "-t", "20"], lines].concat();
        let output = space.run(Path::new(env!("CARGO_BIN_EXE_slewd")), &arguments);
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), is_success, "{lines:?}:\n{log}");
        assert!(log.contains("127.0.0.2 is not asked: "), "{log}");
        assert!(!log.contains("Timeout"), "{lines:?}:\n{log}");
    }
    // Built without NTS, or with it but without a server of keys.
    let why = if cfg!(feature = "nts") { "Could not connect to 127.0.0.2:4460 : " } else { "127.0.0.2 is not asked: " };
    let output = space.run(Path::new(env!("CARGO_BIN_EXE_slewd")), &["-Q", "-t", "20", "server 127.0.0.2 iburst nts"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && log.contains(why) && !log.contains("Timeout"), "{log}");
    let printed = space.run(Path::new(env!("CARGO_BIN_EXE_slewd")), &["-p", "server 127.0.0.2 nts"]);
    assert!(printed.status.success());
    let is_told = String::from_utf8_lossy(&printed.stderr).contains("127.0.0.2 is not asked");
    assert_eq!(is_told, cfg!(not(feature = "nts")), "{printed:?}");
}
