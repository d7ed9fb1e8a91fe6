//! The sockets of chronyc: who is answered, where they are opened, and what happens when they cannot be.
//!
//! Each test runs in a network namespace of its own with an empty /run, which only root can make.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/asker.rs"]
mod asker;
#[path = "support/inside.rs"]
mod inside;
#[path = "support/namespace.rs"]
mod namespace;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use asker::{Client, SOCKET, UnixClient, chronyc, encode};
use inside::{Slewd, as_user, inside, path, run, start, start_as};
use slewd::wire::cmdmon::reply::{Body, ReplyStatus};
use slewd::wire::cmdmon::request::ControlRequest;

/// Opens no socket unless another line says so.
const NONE: [&str; 3] = ["cmdport 0", "bindcmdaddress /", "pidfile /"];

#[test]
fn chronyc_is_answered_everywhere_and_obeyed_over_the_unix_socket() {
    inside(|| {
        let slewd = started(&[]);
        for (user, host) in [("root", SOCKET), ("root", "127.0.0.1"), ("nobody", "127.0.0.1"), ("nobody", "::1")] {
            let said = chronyc(user, host, "tracking");
            assert!(said.0.contains("Leap status     : Not synchronised"), "{user} {host}: {said:?}");
            let said = chronyc(user, host, "activity");
            assert!(said.1 && said.0.starts_with("200 OK\n"), "{user} {host}: {said:?}");
            let (said, done) = chronyc(user, host, "cyclelogs");
            let wanted = if host == SOCKET { ("200 OK\n", true) } else { ("501 Not authorised\n", false) };
            assert_eq!((said.as_str(), done), wanted, "{user} {host}");
        }
        for server in ["127.0.0.1:323", "[::1]:323"] {
            let own = server.trim_end_matches(":323").trim_matches(['[', ']']);
            let Ok(Body::Status(status)) = Client::new(own, server).ask(&ControlRequest::Status) else {
                panic!("no status")
            };
            assert_eq!((status.version.as_str(), status.controls_clock), (env!("CARGO_PKG_VERSION"), false));
        }
        // Without a path to the Unix socket chronyc goes on to UDP in silence.
        let output = as_user("nobody", &namespace::chrony().join("chronyc")).args(["-n", "tracking"]).output();
        let output = output.expect("chronyc starts");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        slewd.stop();
    });
}

#[test]
fn answers_to_everything_that_a_client_has_not_got() {
    inside(|| {
        let _slewd = started(&[]);
        for (command, said) in [
            ("rtcdata", "513 RTC driver not running"),
            ("writertc", "513 RTC driver not running"),
            ("smoothing", "505 Facility not enabled in daemon"),
            ("manual on", "505 Facility not enabled in daemon"),
            ("manual off", "200 OK"),
            ("manual reset", "200 OK"),
            ("manual delete 0", "516 Sample index out of range"),
            ("settime 12:00", "505 Facility not enabled in daemon"),
            ("allow 10/8", "505 Facility not enabled in daemon"),
            ("local stratum 5", "505 Facility not enabled in daemon"),
            ("accheck 127.0.0.1", "209 Access denied"),
            ("cmdaccheck 127.0.0.1", "209 Access denied"),
            ("rekey", "200 OK"),
            ("dump", "200 OK"),
        ] {
            assert_eq!(chronyc("root", SOCKET, command).0.lines().next(), Some(said), "{command}");
        }
        let clients = chronyc("root", SOCKET, "clients").0;
        assert!(clients.ends_with("519 Client logging is not active in the daemon\n"), "{clients}");
        assert!(chronyc("root", SOCKET, "manual list").0.starts_with("210 n_samples = 0\n"));
    });
}

/// What scripts of distributions do with sources, and people at a prompt.
#[test]
fn sources_are_added_changed_set_online_and_deleted() {
    inside(|| {
        fs::create_dir(path("dhcp")).expect("the test's directory");
        let sourcedir = format!("sourcedir {}", path("dhcp").display());
        let mut slewd = started(&["server 127.0.0.9", "server 192.0.2.1", &sourcedir]);
        let said = |command: &str| chronyc("root", SOCKET, command).0;
        let activity = |online: u32, offline: u32| {
            let wanted = format!("200 OK\n{online} sources online\n{offline} sources offline\n");
            let said = chronyc("root", SOCKET, "activity").0;
            assert!(said.starts_with(&wanted), "{online} and {offline} wanted: {said}");
        };
        activity(2, 0);
        // There is a route to one of them only.
        assert_eq!(said("onoffline"), "200 OK\n");
        activity(1, 1);
        slewd.wait_for("Source 192.0.2.1 offline");
        run("ip", "route add 192.0.2.0/24 dev lo");
        assert_eq!(said("onoffline"), "200 OK\n");
        activity(2, 0);
        slewd.wait_for("Source 192.0.2.1 online");
        assert_eq!(said("offline 127.0.0.0/8"), "200 OK\n");
        activity(1, 1);
        assert_eq!(said("online 10.0.0.0/8"), "503 No such source\n");
        assert_eq!(said("online"), "200 OK\n");
        activity(2, 0);
        assert_eq!(said("add server 127.0.0.8 iburst minpoll 4 maxpoll 5"), "200 OK\n");
        slewd.wait_for("Added source 127.0.0.8");
        activity(3, 0);
        assert_eq!(said("add server 127.0.0.8"), "511 Source already present\n");
        assert_eq!(said("add peer 127.0.0.7"), "505 Facility not enabled in daemon\n");
        assert_eq!(said("minpoll 127.0.0.8 3"), "200 OK\n");
        slewd.wait_for("Source 127.0.0.8 new minpoll 3");
        assert_eq!(said("maxpoll 127.0.0.8 99"), "200 OK\n", "and nothing follows");
        assert_eq!(said("maxdelay 127.0.0.7 0.1"), "503 No such source\n");
        assert_eq!(said("delete 127.0.0.8"), "200 OK\n");
        slewd.wait_for("Removed source 127.0.0.8");
        assert_eq!(said("delete 127.0.0.8"), "503 No such source\n");
        activity(2, 0);
        fs::write(path("dhcp/eth0.sources"), "server 127.0.0.6\n").expect("the test's directory");
        assert_eq!(said("reload sources"), "200 OK\n");
        slewd.wait_for("Added source 127.0.0.6");
        activity(3, 0);
        for command in ["reselect", "refresh", "makestep 0.1 3", "maxupdateskew 100", "reset sources", "burst 1/2"] {
            assert_eq!(said(command), "200 OK\n", "{command}");
        }
        slewd.wait_for("New maxupdateskew 100.000000");
        assert!(Client::new("127.0.0.1", "127.0.0.1:323").ask(&ControlRequest::Online(Default::default())).is_err());
        let log = slewd.stop();
        assert!(!log.contains("new maxpoll"), "{log}");
    });
}

/// As logrotate does it.
#[test]
fn cyclelogs_begins_new_log_files() {
    inside(|| {
        let logdir = format!("logdir {}", path("logs").display());
        let mut slewd = started(&["server 127.0.0.9 iburst", "log selection", &logdir, "local"]);
        let (log, old) = (path("logs/selection.log"), path("logs/selection.log.1"));
        let reselect = || assert_eq!(chronyc("root", SOCKET, "reselect").0, "200 OK\n");
        reselect();
        slewd.wait_until("a log file", |_| log.exists());
        fs::rename(&log, &old).expect("it is there");
        reselect();
        assert!(!log.exists(), "the old file is still written to");
        assert_eq!(chronyc("root", SOCKET, "cyclelogs").0, "200 OK\n");
        reselect();
        assert!(log.exists(), "a new file is written to");
    });
}

/// The refusals of the specification byte for byte, as chronyd 4.8 was seen to answer.
#[test]
fn refusals_are_those_of_chronyd() {
    inside(|| {
        let _slewd = started(&[]);
        let client = Client::new("127.0.0.1", "127.0.0.1:323");
        let request = |version: u8, command: u8, len: usize| {
            let mut datagram = vec![0; len];
            datagram[..12].copy_from_slice(&[version, 1, 0, 0, 0, command, 0, 0, 1, 2, 3, 4]);
            datagram
        };
        for (what, datagram, command, status) in [
            ("no permission", request(6, 43, 28), 43, 2),
            ("version 5", request(5, 14, 32), 14, 18),
            ("version 7", request(7, 14, 32), 14, 18),
            ("too short", request(6, 33, 28), 33, 19),
            ("too short and no permission", request(6, 57, 60), 57, 19),
            ("unknown", request(6, 76, 28), 76, 3),
            ("no such index", [&request(6, 15, 20)[..], &[0, 0, 0, 99], &[0; 52]].concat(), 15, 4),
        ] {
            client.socket.send(&datagram).expect("it is sent");
            let wanted =
                [&[6, 2, 0, 0, 0, command, 0, 1, 0, status, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4][..], &[0; 8]].concat();
            assert_eq!(client.hear(), wanted, "{what}");
        }
        let mut kind = request(6, 33, 104);
        kind[1] = 2;
        let mut reserved = request(6, 33, 104);
        reserved[3] = 1;
        let silent = [
            ("27 bytes", request(6, 33, 27)),
            ("861 bytes", request(6, 33, 861)),
            ("version 4", request(4, 33, 104)),
            ("a reply", kind),
            ("something reserved", reserved),
            ("nothing", Vec::new()),
        ];
        for (what, datagram) in &silent {
            client.socket.send(datagram).expect("it is sent");
            // Requests are answered in order: had there been an answer, it would be the first.
            assert_eq!(client.ask(&ControlRequest::SourceCount), Ok(Body::SourceCount(0)), "after {what}");
        }
        let full = |command: u8| request(6, command, 860);
        client.socket.send(&full(33)).expect("it is sent");
        assert_eq!(client.hear().len(), 104, "padding is welcome, and not sent back");
    });
}

/// Only 127.0.0.1 itself is this machine.
#[test]
fn others_are_not_answered_even_in_127() {
    inside(|| {
        run("ip", "address add 10.9.9.9/32 dev lo");
        let _slewd = started(&["bindcmdaddress 0.0.0.0"]);
        let local = Client::new("127.0.0.1", "127.0.0.1:323");
        for stranger in ["127.0.0.2", "127.9.9.9", "10.9.9.9"] {
            let stranger = Client::new(stranger, "127.0.0.1:323");
            stranger.send(&ControlRequest::Tracking);
            // The one socket is served in order: when this is answered, the other has been dropped.
            assert!(local.ask(&ControlRequest::Tracking).is_ok());
            assert!(!stranger.has_heard());
        }
        let unix = UnixClient::new();
        let Ok(Body::ServerStats(counts)) = unix.ask(&ControlRequest::ServerStats) else { panic!("no counts") };
        assert_eq!((counts.command_hits, counts.command_drops), (3, 3));
    });
}

#[test]
fn cmdallow_lets_others_in_and_cmddeny_keeps_some_of_them_out() {
    inside(|| {
        for address in ["10.1.1.1/32", "10.1.1.2/32", "fd00::1/128"] {
            run("ip", &format!("address add {address} dev lo nodad"));
        }
        let rules = ["cmdallow 10.1/16", "cmddeny 10.1.1.2", "cmdallow fd00::/64"];
        let _slewd = started(&[&["bindcmdaddress 0.0.0.0", "bindcmdaddress ::"], &rules[..]].concat());
        // Answers come from the address that was asked: a connected socket hears no other.
        for (own, server) in [("10.1.1.1", "127.0.0.1:323"), ("10.1.1.1", "10.1.1.2:323"), ("fd00::1", "[fd00::1]:323")]
        {
            let guest = Client::new(own, server);
            assert!(guest.ask(&ControlRequest::Tracking).is_ok(), "{own} asks {server}");
            assert_eq!(guest.ask(&ControlRequest::MakeStep), Err(ReplyStatus::Unauthorised), "{own} asks {server}");
        }
        let denied = Client::new("10.1.1.2", "10.1.1.1:323");
        denied.send(&ControlRequest::Tracking);
        assert!(Client::new("127.0.0.1", "127.0.0.1:323").ask(&ControlRequest::Tracking).is_ok());
        assert!(!denied.has_heard());
        for (host, said) in [("10.1.1.1", "208"), ("10.1.1.2", "209"), ("fd00::77", "208"), ("fd01::77", "209")] {
            let answer = chronyc("root", SOCKET, &format!("cmdaccheck {host}")).0;
            assert!(answer.starts_with(said), "{host}: {answer}");
        }
        // While it runs, rules are made over the Unix socket.
        for (command, guest, is_answered) in [
            ("cmdallow 10.1.1.2", "10.1.1.2", true),
            ("cmddeny all 10.0.0.0/8", "10.1.1.1", false),
            ("cmdallow all", "10.1.1.1", true),
            ("cmddeny", "fd00::1", false),
        ] {
            assert_eq!(chronyc("root", SOCKET, command).0, "200 OK\n", "{command}");
            let server = if guest.contains(':') { "[::1]:323" } else { "127.0.0.1:323" };
            let local = if guest.contains(':') { "::1" } else { "127.0.0.1" };
            let guest = Client::new(guest, server);
            guest.send(&ControlRequest::Tracking);
            assert!(Client::new(local, server).ask(&ControlRequest::Tracking).is_ok());
            assert_eq!(guest.has_heard(), is_answered, "{command}");
        }
    });
}

#[test]
fn bindcmddevice_binds_to_an_interface_that_is_there() {
    inside(|| {
        let slewd = started(&["bindcmddevice lo"]);
        assert!(Client::new("127.0.0.1", "127.0.0.1:323").ask(&ControlRequest::Tracking).is_ok());
        slewd.stop();
        let slewd = started(&["bindcmddevice nosuch"]);
        assert!(UnixClient::new().ask(&ControlRequest::Tracking).is_ok(), "the Unix socket is not concerned");
        let log = slewd.stop();
        assert!(log.contains("Could not open command socket on 127.0.0.1:323 : No such device"), "{log}");
    });
}

#[test]
fn opencommands_replaces_the_list() {
    inside(|| {
        let _slewd = started(&["opencommands tracking SERVERSTATS"]);
        let client = Client::new("127.0.0.1", "127.0.0.1:323");
        assert!(client.ask(&ControlRequest::Tracking).is_ok());
        assert!(client.ask(&ControlRequest::ServerStats).is_ok());
        for closed in [
            ControlRequest::Activity,
            ControlRequest::SourceCount,
            ControlRequest::SourceData(0),
            ControlRequest::Shutdown,
        ] {
            assert_eq!(client.ask(&closed), Err(ReplyStatus::Unauthorised), "{closed:?}");
        }
        let unix = UnixClient::new();
        assert!(unix.ask(&ControlRequest::Activity).is_ok());
    });
}

/// Reports about all sources begin with their number.
#[test]
fn opencommands_opens_what_the_reports_need() {
    inside(|| {
        for name in ["authdata", "ntpdata", "selectdata", "sourcestats", "sources"] {
            let slewd = started(&[&format!("opencommands {name}")]);
            let client = Client::new("127.0.0.1", "127.0.0.1:323");
            assert!(client.ask(&ControlRequest::SourceCount).is_ok(), "{name}");
            assert_eq!(client.ask(&ControlRequest::Tracking), Err(ReplyStatus::Unauthorised), "{name}");
            let is_closed = client.ask(&ControlRequest::SourceData(0)) == Err(ReplyStatus::Unauthorised);
            assert_eq!(is_closed, name != "sources", "{name}");
            slewd.stop();
        }
        let _slewd = started(&["opencommands sourcename activity"]);
        let client = Client::new("127.0.0.1", "127.0.0.1:323");
        assert_eq!(client.ask(&ControlRequest::SourceCount), Err(ReplyStatus::Unauthorised));
    });
}

#[test]
fn only_guests_are_limited_by_cmdratelimit() {
    inside(|| {
        run("ip", "address add 10.1.1.1/32 dev lo");
        let lines = ["bindcmdaddress 0.0.0.0", "cmdallow all", "cmdratelimit interval 12 burst 3 leak 4"];
        let _slewd = started(&lines);
        let guest = Client::new("10.1.1.1", "127.0.0.1:323");
        assert!((0..3).all(|_| guest.ask(&ControlRequest::Activity).is_ok()), "the burst");
        let local = Client::new("127.0.0.1", "127.0.0.1:323");
        let mut answered = 0;
        for _ in 0..320 {
            guest.send(&ControlRequest::Activity);
            assert!(local.ask(&ControlRequest::Activity).is_ok(), "this machine is not limited");
            answered += u32::from(guest.has_heard());
        }
        // One in 16 is answered at random: 20 expected, standard deviation 4.3.
        assert!((2..=45).contains(&answered), "{answered} of 320");
    });
}

#[test]
fn a_missing_directory_is_made_and_the_default_one_is_closed_to_others() {
    inside(|| {
        let slewd = started(&[]);
        assert_eq!(mode_of(Path::new("/run/chrony")), 0o770);
        assert!(fs::metadata(SOCKET).expect("a socket").file_type().is_socket());
        slewd.stop();
        assert!(!Path::new(SOCKET).exists(), "removed at the end");
        // As a service manager makes it for an account of its choice.
        set_mode(Path::new("/run/chrony"), 0o755);
        chown("/run/chrony", Some(1), Some(1)).expect("root may");
        let slewd = started(&["user nobody"]);
        assert_eq!((mode_of(Path::new("/run/chrony")), owner("/run/chrony"), owner(SOCKET)), (0o750, 65_534, 65_534));
        assert_eq!(chronyc("root", SOCKET, "cyclelogs").0, "200 OK\n");
        let log = slewd.stop();
        assert!(!log.contains("command socket") && !Path::new(SOCKET).exists(), "{log}");
        assert!(!Path::new("/run/chrony/chronyd.pid").exists(), "in the same directory");
    });
}

#[test]
fn another_directory_has_to_be_closed_already() {
    inside(|| {
        let directory = path("own");
        fs::create_dir(&directory).expect("the test's directory");
        let socket = directory.join("s.sock");
        let line = format!("bindcmdaddress {}", socket.display());
        let lines = ["cmdport 1323", "pidfile /", "user nobody", &line];
        for (mode, owner, complaint) in [
            (0o755, 65_534, Some("Wrong permissions on /run/test/own")),
            (0o771, 65_534, Some("Wrong permissions on /run/test/own")),
            (0o750, 0, Some("Wrong owner of /run/test/own")),
            (0o770, 65_534, None),
            (0o700, 65_534, None),
        ] {
            set_mode(&directory, mode);
            chown(&directory, Some(owner), Some(owner)).expect("root may");
            let slewd = started_with(&lines);
            assert!(Client::new("::1", "[::1]:1323").ask(&ControlRequest::Tracking).is_ok(), "UDP is not concerned");
            assert_eq!(socket.exists(), complaint.is_none(), "{mode:o} of {owner}");
            assert_eq!(mode_of(&directory), mode, "it is left as it is");
            let log = slewd.stop();
            let disabled = format!("Disabled command socket {} : ", socket.display());
            assert_eq!(log.contains(&disabled), complaint.is_some(), "{log}");
            assert!(complaint.is_none_or(|complaint| log.contains(complaint)), "{log}");
        }
    });
}

#[test]
fn a_stale_socket_is_replaced_and_anything_else_is_left_alone() {
    inside(|| {
        let first = started(&[]);
        let pid = nix::unistd::Pid::from_raw(first.pid() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it is ours");
        drop(first);
        assert!(Path::new(SOCKET).exists(), "killed, it cannot clean up");
        let second = started(&[]);
        assert_eq!(chronyc("root", SOCKET, "cyclelogs").0, "200 OK\n");
        // A second daemon takes neither the file nor the port from the first.
        let log = started_with(&["pidfile /"]).stop();
        assert!(log.contains("Disabled command socket /run/chrony/chronyd.sock : Address already in use"), "{log}");
        assert!(log.contains("Could not open command socket on 127.0.0.1:323 : Address already in use"), "{log}");
        assert_eq!(chronyc("root", SOCKET, "cyclelogs").0, "200 OK\n");
        second.stop();
        fs::write(SOCKET, "precious").expect("the directory is there");
        let log = started(&[]).stop();
        assert!(log.contains("Disabled command socket /run/chrony/chronyd.sock : File exists"), "{log}");
        assert_eq!(fs::read_to_string(SOCKET).ok().as_deref(), Some("precious"));
    });
}

#[test]
fn clients_that_cannot_be_answered_do_no_harm() {
    inside(|| {
        let slewd = started(&[]);
        let (datagram, len) = encode(&ControlRequest::Tracking);
        // Without a name, with a name that is gone, and with a queue that nobody empties.
        let nameless = UnixDatagram::unbound().expect("a socket");
        nameless.send_to(&datagram[..len], SOCKET).expect("it is sent");
        let gone = path("gone.sock");
        let client = UnixDatagram::bind(&gone).expect("a socket");
        client.send_to(&datagram[..len], SOCKET).expect("it is sent");
        fs::remove_file(&gone).expect("it is there");
        drop(client);
        let full = UnixDatagram::bind(path("full.sock")).expect("a socket");
        for _ in 0..500 {
            full.send_to(&datagram[..len], SOCKET).expect("it is sent");
        }
        assert!(UnixClient::new().ask(&ControlRequest::Tracking).is_ok());
        slewd.stop();
    });
}

#[test]
fn shutdown_is_answered_first() {
    inside(|| {
        let mut slewd = started(&[]);
        assert_eq!(chronyc("nobody", "127.0.0.1", "shutdown").0, "501 Not authorised\n");
        assert_eq!(chronyc("root", SOCKET, "shutdown"), ("200 OK\n".to_owned(), true));
        assert!(slewd.wait().success());
        assert!(slewd.log().contains("Received shutdown command\n"), "{}", slewd.log());
        assert!(slewd.log().ends_with("slewd exiting\n"), "{}", slewd.log());
        assert!(fs::read_dir("/run/chrony").expect("it is there").next().is_none(), "socket and PID file are gone");
    });
}

#[test]
fn without_privileges_time_is_kept_and_the_sockets_are_missed_in_two_lines() {
    inside(|| {
        let mut slewd = start_as("nobody", &["-x", "-d"], &["server 127.0.0.9"]);
        slewd.wait_for("Could not open command socket on 127.0.0.1:323 : Permission denied (needs root or");
        slewd.wait_for("Disabled command socket /run/chrony/chronyd.sock : Could not create directory /run/chrony");
        slewd.wait_until("a request", |_| sent());
        assert!(slewd.is_running());
        assert_eq!(slewd.log().matches("socket").count(), 2, "{}", slewd.log());
    });
}

#[test]
fn without_privileges_but_with_a_directory_and_a_port_all_is_well() {
    inside(|| {
        let directory = path("mine");
        fs::create_dir(&directory).expect("the test's directory");
        set_mode(&directory, 0o700);
        chown(&directory, Some(65_534), Some(65_534)).expect("root may");
        let socket = directory.join("s.sock");
        let line = format!("bindcmdaddress {}", socket.display());
        let mut slewd = start_as("nobody", &["-x", "-d"], &["cmdport 1323", "pidfile /", &line]);
        slewd.wait_until("the socket", |_| socket.exists());
        slewd.wait_until("the port", |_| udp_ports().contains(&1323));
        assert!(Client::new("127.0.0.1", "127.0.0.1:1323").ask(&ControlRequest::Tracking).is_ok());
        assert_eq!(chronyc("nobody", &socket.to_string_lossy(), "cyclelogs").0, "200 OK\n");
        let log = slewd.stop();
        assert!(!log.contains("command socket") && !socket.exists(), "{log}");
    });
}

#[test]
fn nothing_is_opened_where_it_is_not_wanted() {
    inside(|| {
        let is_shut = || !Path::new(SOCKET).exists() && udp_ports().iter().all(|port| *port != 323);
        let mut once = start_as("root", &["-Q", "-t", "60"], &["server 127.0.0.9"]);
        once.wait_until("a request", |_| sent());
        assert!(is_shut(), "-Q");
        drop(once);
        let mut off = start(&[&NONE[..], &["server 127.0.0.9"]].concat());
        off.wait_until("a request", |_| sent());
        assert!(is_shut(), "cmdport 0, bindcmdaddress /");
        let _only_unix = started_with(&["cmdport 0", "pidfile /"]);
        assert!(Path::new(SOCKET).exists() && !udp_ports().contains(&323));
    });
}

/// slewd with its default sockets and more lines, once they are there.
fn started(lines: &[&str]) -> Slewd {
    started_with(&[&["pidfile /run/chrony/chronyd.pid"], lines].concat())
}

/// The first thing it waits for comes after the sockets.
fn started_with(lines: &[&str]) -> Slewd {
    let mut slewd = start_as("root", &["-x", "-d", "-d"], lines);
    slewd.wait_for("Waiting for");
    slewd
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("root may");
}

fn owner(path: &str) -> u32 {
    fs::metadata(path).expect("it is there").uid()
}

/// Whether any program in here has sent a datagram, also to nobody.
fn sent() -> bool {
    let text = fs::read_to_string("/proc/net/snmp").expect("the kernel counts datagrams");
    let counts = text.lines().filter(|line| line.starts_with("Udp: ")).nth(1).expect("of UDP");
    counts.split(' ').nth(4).is_some_and(|count| count != "0")
}

/// Local ports of the UDP sockets in here.
fn udp_ports() -> Vec<u16> {
    let sockets = ["/proc/net/udp", "/proc/net/udp6"].map(|path| fs::read_to_string(path).expect("the kernel's list"));
    let port = |line: &str| u16::from_str_radix(line.split_whitespace().nth(1)?.rsplit_once(':')?.1, 16).ok();
    sockets.iter().flat_map(|list| list.lines().skip(1).filter_map(port)).collect()
}
