//! Dump files (`dumpdir`, `-r`) beside the real chronyd's: the same form, read by the other, and never to be feared.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use namespace::{Namespace, Program, chrony};
use nix::sys::signal::Signal;

/// Long enough for anything that takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Seven samples at least.
const RUN: Duration = Duration::from_secs(8);

const LOADED: &str = "Loaded dump file for 127.0.0.1";
const REFUSED: &str = "Could not load dump file for 127.0.0.1";
const CONTRADICTED: &str = "Samples of the dump files contradict what the sources say now, discarded";

#[test]
fn the_file_is_chronyds_and_each_reads_the_others() {
    let space = Namespace::new("dump");
    let _server = start_server(&space);
    for program in [chrony().join("chronyd"), slewd().to_owned()] {
        let mut client = start(&space, &program, &[]);
        sleep(RUN);
        end(&mut client);
        let name = if program == slewd() { "ours" } else { "theirs" };
        fs::rename(file(&space), space.path(name)).expect("the client has written it");
    }
    let read = |name: &str| fs::read_to_string(space.path(name)).expect("it is there");
    let (theirs, ours) = (read("theirs"), read("ours"));
    println!("{theirs}\n{ours}");
    let mode = |name: &str| fs::metadata(space.path(name)).expect("it is there").permissions().mode();
    assert_eq!(mode("ours"), mode("theirs"));
    let head = |text: &str| text.lines().take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(head(&ours), head(&theirs));
    // Authentication, reach (both have had eight answers, or nearly), its length, stratum and leap.
    let state = |text: &str| text.lines().nth(2).map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let (a, b) = (state(&theirs).expect("a line"), state(&ours).expect("a line"));
    assert_eq!((a.len(), &a[0], &a[3..]), (b.len(), &b[0], &b[3..]));
    let samples = |text: &str| text.lines().skip(4).filter(|line| line.starts_with('1')).map(form).collect::<Vec<_>>();
    assert!(samples(&ours).len() >= 7, "{ours}");
    assert_eq!(samples(&ours)[0], samples(&theirs)[0]);
    assert!(samples(&ours).iter().all(|form| *form == samples(&theirs)[0]), "{ours}");
    for (program, name) in [(chrony().join("chronyd"), "ours"), (slewd().to_owned(), "theirs")] {
        fs::copy(space.path(name), file(&space)).expect("the test's directory is writable");
        let mut client = start(&space, &program, &["-r"]);
        client.wait_for(LOADED, PATIENCE);
        client.wait_for("Selected source 127.0.0.1", PATIENCE);
        end(&mut client);
    }
}

#[test]
fn a_restart_begins_where_the_last_run_ended() {
    let space = Namespace::new("dump-restart");
    let _server = start_server(&space);
    let mut client = start(&space, slewd(), &[]);
    sleep(RUN);
    end(&mut client);
    let before = samples(&space);
    let mut client = start(&space, slewd(), &["-r"]);
    client.wait_for(LOADED, PATIENCE);
    assert!(!file(&space).exists(), "it is not to be read twice");
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    sleep(Duration::from_secs(2));
    end(&mut client);
    let after = samples(&space);
    assert!(client.log().contains(CONTRADICTED) || after > before, "{before}, then {after}: {}", client.log());
    // Without -r it is removed all the same.
    let mut client = start(&space, slewd(), &[]);
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    end(&mut client);
    assert!(!client.log().contains("dump file") && samples(&space) < before, "{}", client.log());
}

#[test]
fn garbage_and_other_names_are_one_warning_and_other_files_stay() {
    let space = Namespace::new("dump-garbage");
    let _server = start_server(&space);
    let mut client = start(&space, slewd(), &[]);
    sleep(Duration::from_secs(4));
    end(&mut client);
    let good = fs::read_to_string(file(&space)).expect("it is there");
    for bad in ["", "junk\n", &good[..good.len() / 2], &good.replacen("\n127.0.0.1\n", "\nntp.example\n", 1)] {
        fs::write(file(&space), bad).expect("the test's directory is writable");
        let stays = ["notes.txt", "foo.dat", "127.0.0.9.dat.old"].map(|name| dump_dir(&space).join(name));
        let goes = ["192.0.2.1.dat", "refid:50505300.dat", "fe80::1.dat"].map(|name| dump_dir(&space).join(name));
        stays.iter().chain(&goes).for_each(|path| fs::write(path, "junk\n").expect("writable"));
        let mut client = start(&space, slewd(), &["-r"]);
        client.wait_for(REFUSED, PATIENCE);
        client.wait_for("Selected source 127.0.0.1", PATIENCE);
        assert_eq!(client.log().matches("dump file").count(), 1, "{}", client.log());
        assert!(stays.iter().all(|path| path.exists()) && !goes.iter().any(|path| path.exists()));
        end(&mut client);
    }
}

/// The clock cannot be set here, but it is the same to move the times in the file.
#[test]
fn a_clock_that_was_set_or_a_counter_that_stood_still_does_no_harm() {
    let space = Namespace::new("dump-set");
    let _server = start_server(&space);
    let mut client = start(&space, slewd(), &[]);
    sleep(RUN);
    end(&mut client);
    let good = fs::read_to_string(file(&space)).expect("it is there");
    let (theirs, ours) = good.split_at(good.rfind("slewd 1 ").expect("a line of our own"));
    let ours: Vec<&str> = ours.split_whitespace().collect();
    // Words of our own line: slewd 1 BOOT RAW UTC FREQUENCY SLEPT.
    let moved = |word: usize, by_ns: i64| {
        let mut words: Vec<String> = ours.iter().map(|word| (*word).to_owned()).collect();
        words[word] = (words[word].parse::<i64>().expect("nanoseconds") + by_ns).to_string();
        format!("{theirs}{}\n", words.join(" "))
    };
    let booted = good.replacen(ours[2], "another-boot", 1);
    let earlier: String = theirs.lines().map(|line| format!("{}\n", shifted(line, -1))).collect();
    for (what, text, is_contradicted) in [
        ("nothing", good.clone(), false),
        ("another boot", booted, false),
        ("the clock, by a second, and nobody knows the counter", earlier, false),
        ("the counter, by a second", moved(3, -1_000_000_000), true),
        ("the counter, by 5 ms", moved(3, -5_000_000), true),
    ] {
        // On a busy machine the one sample that counts may be off by more than any before, and than what was moved.
        let is_as_expected = (0..4).any(|_| is_discarded(&space, &text, what) == is_contradicted);
        assert!(is_as_expected, "{what}");
    }
}

/// slewd begins with this file, is right, and says that what the file says is not.
fn is_discarded(space: &Namespace, text: &str, what: &str) -> bool {
    fs::write(file(space), text).expect("the test's directory is writable");
    let mut client = start(space, slewd(), &["-r"]);
    client.wait_for(LOADED, PATIENCE);
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    sleep(Duration::from_secs(2));
    let log = client.log();
    assert!(!log.contains("System clock wrong") && !log.contains("step"), "{what}: {log}");
    end(&mut client);
    log.contains(CONTRADICTED)
}

/// The real chronyc asks for the files while slewd runs.
#[test]
fn chronyc_dump_writes_them_at_once() {
    let space = Namespace::new("dump-chronyc");
    let _server = start_server(&space);
    let socket = space.path("slewd.sock");
    let socket = socket.to_string_lossy();
    let conf = format!(
        "server 127.0.0.1 iburst minpoll 0 maxpoll 0\ndumpdir {}\ncmdport 0\nbindcmdaddress {socket}\npidfile /\n",
        dump_dir(&space).display()
    );
    let conf = space.file("client.conf", &conf);
    let mut client = space.start(slewd(), &["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()]);
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    let output = space.run(&chrony().join("chronyc"), &["-h", &socket, "dump"]);
    assert!(output.status.success() && output.stdout == b"200 OK\n", "{output:?}");
    assert!(samples(&space) >= 1);
}

/// A line of a file by a clock that is so many seconds ahead.
fn shifted(line: &str, seconds: i64) -> String {
    match line.split_once('.').filter(|(whole, _)| whole.len() == 10) {
        Some((whole, rest)) => format!("{}.{rest}", whole.parse::<i64>().expect("seconds") + seconds),
        None => line.to_owned(),
    }
}

/// `-1.234567e-05` becomes `0.000000e00`: what is left is the format.
fn form(line: &str) -> String {
    let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
    line.replace(" -", " ").replace("e+", "e-").chars().map(digits).collect()
}

fn samples(space: &Namespace) -> usize {
    let text = fs::read_to_string(file(space)).expect("it is there");
    let line = text.lines().nth(3).expect("the fourth line");
    line.split(' ').next().and_then(|count| count.parse().ok()).expect("a count")
}

fn dump_dir(space: &Namespace) -> PathBuf {
    space.path("dump")
}

fn file(space: &Namespace) -> PathBuf {
    dump_dir(space).join("127.0.0.1.dat")
}

fn start(space: &Namespace, program: &Path, flags: &[&str]) -> Program {
    let conf = format!(
        "server 127.0.0.1 iburst minpoll 0 maxpoll 0\nport 0\ndumpdir {}\n{}",
        dump_dir(space).display(),
        quiet(space, "client")
    );
    let conf = space.file("client.conf", &conf);
    let conf = conf.to_string_lossy();
    let arguments = [&["-x", "-d", "-u", "root", "-f", &conf], flags].concat();
    space.start(program, &arguments)
}

fn end(client: &mut Program) {
    client.signal(Signal::SIGTERM);
    assert!(client.wait().success(), "{}", client.log());
}

/// chronyd as a server, under a name of its own.
fn start_server(space: &Namespace) -> Program {
    let conf = space.file("server.conf", &format!("local stratum 8\nallow all\n{}", quiet(space, "server")));
    let link = space.path("server");
    std::os::unix::fs::symlink(chrony().join("chronyd"), &link).expect("the test's directory is writable");
    let mut server = space.start(&link, &["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()]);
    server.wait_for("Disabled control of system clock", PATIENCE);
    server
}

/// No control sockets, and a pid file of its own.
fn quiet(space: &Namespace, name: &str) -> String {
    format!("cmdport 0\nbindcmdaddress /\npidfile {}\n", space.path(&format!("{name}.pid")).display())
}

fn slewd() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_slewd"))
}
