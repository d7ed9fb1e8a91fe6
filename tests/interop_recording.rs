//! `--record`: what a real run has written down is repeated without its network and its clock, to the same outputs.
#![cfg(feature = "record")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;
#[path = "support/replayed_run.rs"]
mod replayed_run;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use namespace::{Namespace, Program, chrony, start_chronyd};
use nix::sys::signal::Signal;
use replayed_run::{End, Outcome, repeat, runs};

/// Long enough for any client's start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Good servers, one that lies, one that is dead, a name; orders; a second run that reads what the first one left behind.
#[test]
fn a_day_with_a_liar_a_dead_server_and_orders_is_repeated_exactly() {
    let space = Namespace::new("recording");
    space.hosts("127.0.0.4 ntp.example\n");
    let _server = start_chronyd(&space, "");
    let _liar = liar(&space);
    fs::create_dir(space.path("dhcp")).expect("a directory");
    space.file("dhcp/eth0.sources", "server 127.0.0.6 iburst minpoll 0 maxpoll 0\n");
    let conf = "server 127.0.0.1 iburst minpoll 0 maxpoll 0\nserver ::1 iburst minpoll 0 maxpoll 0\n\
                server 127.0.0.2 port 10123 iburst minpoll 0 maxpoll 0\nserver 127.0.0.3 port 10124 iburst\n\
                server ntp.example iburst minpoll 0 maxpoll 0\nlog measurements statistics tracking\n\
                sourcedir DIR/dhcp\nlogdir DIR/logs\ndumpdir DIR/dumps\ndriftfile DIR/drift\nmakestep 1 3\n";
    let conf = conf.replace("DIR", &space.path("").to_string_lossy());
    let mut client = start_slewd(&space, &conf, &[]);
    client.wait_until_line(PATIENCE, |line| line.contains("Selected source"));
    client.wait_until_line(PATIENCE, |line| line.ends_with("Detected falseticker 127.0.0.2"));
    for order in [
        "offline 127.0.0.1",
        "add server 127.0.0.5 minpoll 0 maxpoll 0 iburst",
        "minpoll ::1 1",
        "burst 1/2 127.0.0.5",
        "onoffline",
        "reload sources",
        "reselect",
    ] {
        let asked = format!("-h {} {order}", space.path("slewd.sock").display());
        let said = space.run(&chrony().join("chronyc"), &asked.split(' ').collect::<Vec<_>>());
        assert!(said.status.success(), "{order}: {said:?}");
        sleep(Duration::from_millis(300));
    }
    let log = end(client);
    let again = start_slewd(&space, &conf, &["-r", "-R"]);
    sleep(Duration::from_secs(2));
    let logs = log + &end(again);

    let file = space.path("run.rec");
    assert_eq!(fs::metadata(&file).expect("a recording").permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).expect("a recording");
    for kind in ["sent ", "datagram ", "unreachable ", "resolved ", "order ", "online ", "reload ", "applied ", "past "]
    {
        assert!(text.lines().any(|line| line.starts_with(kind)), "no {kind}in\n{text}");
    }
    let both = runs(&text).expect("a recording");
    assert_eq!(both.len(), 2);
    for run in &both {
        let mut told = Vec::new();
        let outcome = repeat(run, &mut |_, line| told.extend(line.strip_prefix("log ").map(str::to_owned)));
        let Outcome { inputs, outputs, end } = outcome.expect("every line makes sense");
        assert!(end == End::Whole && inputs > 20 && outputs > 50, "{inputs} inputs, {outputs} outputs, {end:?}");
        for line in told {
            let (_, said) = line.split_once(' ').expect("a level");
            assert!(logs.contains(said), "slewd has not said {said:?}:\n{logs}");
        }
    }
    let tool = space.run(&example("replay"), &[&file.to_string_lossy()]);
    let said = String::from_utf8_lossy(&tool.stdout);
    assert!(tool.status.success() && said.matches("all as recorded").count() == 2, "{tool:?}");
    assert!(said.contains("Detected falseticker 127.0.0.2"), "{said}");
    damaged(&space, &text);
}

/// A reference clock, the sensor of `tempcomp` with its points, and a leap second file.
#[test]
#[cfg(feature = "refclock")]
fn readings_temperatures_and_leap_seconds_are_repeated_exactly() {
    let space = Namespace::new("recording-devices");
    let _server = start_chronyd(&space, "");
    let (sensor, socket) = (space.file("sensor", "15\n"), space.path("clock.sock"));
    let points = space.file("points", "10 1\n20 3\n30 4\n");
    let list = "#@ 4102444800\n3439756800 34\n3550089600 35\n3644697600 36\n3692217600 37\n";
    let list = space.file("leap.list", list);
    let conf = format!(
        "server 127.0.0.1 iburst minpoll 0 maxpoll 0\nrefclock SOCK {} refid GPS poll 0 delay 0.1\n\
         tempcomp {} 0.2 {}\nleapseclist {}\n",
        socket.display(),
        sensor.display(),
        points.display(),
        list.display()
    );
    let mut client = start_slewd(&space, &conf, &[]);
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    let writer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/refclock_writer.py");
    let _writer = space.start_as("writer", Path::new("python3"), &[writer, "60", &socket.to_string_lossy()]);
    space.file("sensor", "25\n");
    let file = space.path("run.rec");
    let recorded = || fs::read_to_string(&file).expect("a recording");
    let has_told = |text: &str, kind: &str, word: &str| {
        text.lines().any(|line| line.split(' ').next() == Some(kind) && line.split(' ').any(|found| found == word))
    };
    let since = std::time::Instant::now();
    while !(has_told(&recorded(), "temperature", "2.5e1") && has_told(&recorded(), "reading", "utc")) {
        assert!(since.elapsed() < PATIENCE, "{}", recorded());
        client.still_runs();
        sleep(Duration::from_millis(100));
    }
    end(client);
    let text = recorded();
    assert!(text.contains("\ntable Leap second list "), "{text}");
    let run = runs(&text).expect("a recording");
    let outcome = repeat(&run[0], &mut |_, _| ()).expect("every line makes sense");
    assert!(outcome.end == End::Whole && outcome.inputs > 20 && outcome.outputs > 50, "{outcome:?}");
}

/// What becomes of a recording that somebody has changed, cut off, or made with something else.
fn damaged(space: &Namespace, text: &str) {
    let replay = |text: &str| {
        let file = space.file("damaged.rec", text);
        let tool = space.run(&example("replay"), &[&file.to_string_lossy()]);
        let said = [tool.stdout, tool.stderr].concat();
        (tool.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let expect = |text: &str, code: i32, words: &str| {
        let (found, said) = replay(text);
        assert!(found == Some(code) && said.contains(words), "{found:?}, not {words:?} in {said}");
    };
    expect(&text[..text.len() / 2], 1, "where the recording breaks off: slewd was killed, or the file is cut off");
    expect(&text.replacen("slewd-recording 1", "slewd-recording 2", 1), 2, "line 1: format 2 of recordings");
    let version = env!("CARGO_PKG_VERSION");
    let other = text.replacen(&format!("recording 1 {version}"), "recording 1 9.9.9", 1);
    expect(&other, 2, "line 1: recorded by slewd 9.9.9, and this is");
    expect("server ntp.example\n", 2, "line 1: this is no recording of slewd");
    expect("", 2, "the file is empty");
    let line = text.lines().position(|line| line.starts_with("datagram ")).expect("a reply") + 1;
    let broken = text.replacen("\ndatagram ", "\ndatagram x", 1);
    expect(&broken, 2, &format!("line {line}: "));
    // The second byte of a reply is the stratum.
    let reply = text.lines().find(|line| line.starts_with("datagram ")).expect("a reply");
    let (before, bytes) = reply.rsplit_once(' ').expect("bytes");
    let changed = text.replacen(reply, &format!("{before} {}10{}", &bytes[..2], &bytes[4..]), 1);
    expect(&changed, 1, "DIFFERENT from line ");
}

#[test]
fn keys_are_not_recorded() {
    let space = Namespace::new("recording-keys");
    let keys = space.file("keys", "1 MD5 HEX:000102030405060708090a0b0c0d0e0f\n");
    let conf = format!("keyfile {}\nserver 127.0.0.1 key 1\n", keys.display());
    let mut refused = start_slewd(&space, &conf, &[]);
    assert!(!refused.wait().success());
    let log = refused.log();
    assert!(log.contains("Fatal error : Could not record 127.0.0.1 : its replies are protected by keys"), "{log}");
    assert!(!space.path("run.rec").exists());

    let mut client = start_slewd(&space, &format!("keyfile {}\nserver 127.0.0.1\n", keys.display()), &[]);
    client.wait_until_line(PATIENCE, |line| line.contains("Recording to "));
    let socket = space.path("slewd.sock").display().to_string();
    while !space.path("slewd.sock").exists() {
        client.still_runs();
        sleep(Duration::from_millis(20));
    }
    let said = space.run(&chrony().join("chronyc"), &["-h", &socket, "add", "server", "127.0.0.2", "key", "1"]);
    assert!(said.status.success(), "{said:?}");
    client.wait_for("Recording stopped : 127.0.0.2 is protected by keys, which are not recorded", PATIENCE);
    end(client);
    let text = fs::read_to_string(space.path("run.rec")).expect("a recording");
    assert!(text.ends_with("\nend\n") && !text.contains("000102030405"), "{text}");
}

#[test]
fn a_recording_has_an_end() {
    let space = Namespace::new("recording-end");
    let file = space.file("run.rec", "");
    // Nothing but a hole of nearly the largest size: 2000 bytes are left.
    OpenOptions::new().write(true).open(&file).and_then(|file| file.set_len((64 << 20) - 2000)).expect("a sparse file");
    let mut client = start_slewd(&space, "server 127.0.0.1 iburst minpoll 0 maxpoll 0\n", &[]);
    let full = format!("Recording stopped : {} has 64 MiB", file.display());
    client.wait_for(&full, PATIENCE);
    sleep(Duration::from_secs(1));
    client.still_runs();
    let log = end(client);
    assert_eq!(log.matches("Recording stopped").count(), 1, "{log}");
    assert!(fs::metadata(&file).expect("it is there").len() <= (64 << 20) + 5);
    assert!(fs::read(&file).expect("it is there").ends_with(b"\nfull\n"));
}

fn start_slewd(space: &Namespace, conf: &str, flags: &[&str]) -> Program {
    let paths = format!(
        "user root\npidfile {}\ncmdport 0\nbindcmdaddress {}\n",
        space.path("slewd.pid").display(),
        space.path("slewd.sock").display()
    );
    let conf = space.file("slewd.conf", &(paths + conf));
    let file = space.path("run.rec").display().to_string();
    let usual = ["-x", "-d", "-f", &conf.to_string_lossy(), "--record", &file];
    space.start(Path::new(env!("CARGO_BIN_EXE_slewd")), &[&usual[..], flags].concat())
}

/// Ends it as a service manager does, and returns its log.
fn end(mut client: Program) -> String {
    client.signal(Signal::SIGTERM);
    assert!(client.wait().success(), "{}", client.log());
    client.log()
}

fn liar(space: &Namespace) -> Program {
    let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_nanos().to_string();
    let mut server = space.start(&example("testserver"), &["--epoch-ns", &now_ns, "127.0.0.2:10123", "lie=3600s"]);
    server.wait_for_line("serving on 127.0.0.2:10123", PATIENCE);
    server
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_slewd")).with_file_name("examples").join(name)
}
