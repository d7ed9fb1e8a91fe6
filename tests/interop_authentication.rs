//! Sources that want authentication, beside the real chronyd with the same configuration and no key.
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
    let told = "server directive: 127.0.0.2 is not asked: option key is not supported yet (remove it to ask without \
                authentication) at line 1 in file";
    assert_eq!(log.matches("127.0.0.2").count(), 1, "{log}");
    assert!(log.contains(told), "{log}");
}

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
        (&["server 127.0.0.2 iburst nts"][..], false),
        (&["server 127.0.0.2 key 1", "server 127.0.0.3 iburst"], false),
        (&["server 127.0.0.2 key 1", "server 127.0.0.3 iburst", "authselectmode ignore"], true),
    ] {
        let arguments = [&["-Q", "-t", "20"], lines].concat();
        let output = space.run(Path::new(env!("CARGO_BIN_EXE_slewd")), &arguments);
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), is_success, "{lines:?}:\n{log}");
        assert!(log.contains("127.0.0.2 is not asked: option "), "{log}");
        assert!(!log.contains("Timeout"), "{lines:?}:\n{log}");
    }
    let printed = space.run(Path::new(env!("CARGO_BIN_EXE_slewd")), &["-p", "server 127.0.0.2 nts"]);
    assert!(printed.status.success());
    assert!(String::from_utf8_lossy(&printed.stderr).contains("127.0.0.2 is not asked"), "{printed:?}");
}
