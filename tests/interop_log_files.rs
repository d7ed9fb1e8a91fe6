//! The log files of slewd beside those of a real chronyd in the same situation, and what becomes of them, and of the
//! drift file, on disks that cannot be written.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use namespace::{Namespace, Program, chrony};
use nix::sys::signal::Signal;

/// Long enough for anything that takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Both clients run this long: eight polls at least.
const RUN: Duration = Duration::from_secs(12);

/// Columns (counted from 0) that have the same value in both, in the last line with these words: stratum, tests (all
/// passed: a busy machine fails some), root delay and dispersion of the server, ... All there is to say of a source with
/// `noselect`.
const EQUAL: [(&str, &[&str], &[usize]); 4] = [
    ("measurements.log", &[" 127.0.0.9 ", " 111 111 1111 "], &[2, 3, 4, 5, 6, 7, 14, 15, 16, 17, 18, 19]),
    ("statistics.log", &[" 127.0.0.9 "], &[2]),
    ("tracking.log", &[], &[3, 7]),
    ("selection.log", &[" ::1 "], &[2, 3, 4, 5, 6, 7, 8, 9]),
];

#[test]
fn each_file_has_chronyds_columns() {
    let space = Namespace::new("columns");
    let _server = start_server(&space);
    let logs = |client: &str| space.path(client);
    let conf = |client: &str| {
        format!(
            "server 127.0.0.1 iburst minpoll 0 maxpoll 0\nserver 127.0.0.9 iburst minpoll 0 maxpoll 0\n\
             server ::1 iburst minpoll 0 maxpoll 0 noselect\nlogdir {}\nlogbanner 5\n\
             log rawmeasurements measurements statistics tracking selection\n",
            logs(client).display()
        )
    };
    let theirs = start_client(&space, &chrony().join("chronyd"), "chronyd", &conf("chronyd"));
    let ours = start_client(&space, slewd(), "slewd", &conf("slewd"));
    sleep(RUN);
    for (file, words, equal) in EQUAL {
        let read = |client: &str| fs::read_to_string(logs(client).join(file)).expect("the file is there");
        let (theirs, ours) = (read("chronyd"), read("slewd"));
        let mode = |path: PathBuf| fs::metadata(path).expect("it is there").permissions().mode();
        assert_eq!(mode(logs("slewd").join(file)), mode(logs("chronyd").join(file)));
        assert_eq!(mode(logs("slewd")), mode(logs("chronyd")), "the directory");
        compare(file, &theirs, &ours);
        let settled = |text: &str| fields(entries(text).rfind(|line| words.iter().all(|word| line.contains(word))));
        let pairs = settled(&theirs).into_iter().zip(settled(&ours)).enumerate();
        let differing: Vec<_> = pairs.filter(|(column, pair)| equal.contains(column) && pair.0 != pair.1).collect();
        assert!(differing.is_empty(), "{file}: {differing:?}\n{}\n{}", tail(&theirs), tail(&ours));
        println!("{file}:\n{}\n{}", tail(&theirs), tail(&ours));
    }
    for complaint in ["Could not", "logdir"] {
        assert!(!ours.log().contains(complaint), "{}", ours.log());
    }
    drop(theirs);
}

/// A file that was moved away is written to until the signal comes; then there is a new one with a banner.
#[test]
fn the_files_begin_anew_after_sigusr1() {
    let space = Namespace::new("rotation");
    let _server = start_server(&space);
    let logs = space.path("logs");
    let conf = format!("server 127.0.0.1 iburst minpoll 0 maxpoll 0\nlogdir {}\nlog measurements\n", logs.display());
    let mut client = start_client(&space, slewd(), "slewd", &conf);
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    let (path, moved) = (logs.join("measurements.log"), logs.join("measurements.log.1"));
    fs::rename(&path, &moved).expect("there have been measurements");
    sleep(Duration::from_secs(2));
    assert!(!path.exists(), "nobody has asked for it");
    client.signal(Signal::SIGUSR1);
    wait_for_file(&path, 4);
    let text = fs::read_to_string(&path).expect("it is there");
    assert!(
        text.starts_with("=====") && text.lines().nth(3).is_some_and(|line| line.contains(" 127.0.0.1 ")),
        "{text}"
    );
    client.signal(Signal::SIGTERM);
    assert!(client.wait().success(), "{}", client.log());
}

#[test]
fn a_log_directory_that_cannot_be_made_is_one_warning() {
    let space = Namespace::new("nologdir");
    let _server = start_server(&space);
    let conf = "server 127.0.0.1 iburst minpoll 0 maxpoll 0\nlogdir /proc/nowhere\n\
                log measurements statistics tracking selection\n";
    let mut client = start_client(&space, slewd(), "slewd", conf);
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    sleep(Duration::from_secs(3));
    let log = client.log();
    assert_eq!(log.matches("Could not create directory /proc/nowhere : ").count(), 1, "{log}");
    assert_eq!(log.matches("Could not").count(), 1, "{log}");
}

#[test]
fn logs_without_a_directory_are_one_warning() {
    let space = Namespace::new("unsaid");
    let _server = start_server(&space);
    let conf = "server 127.0.0.1 iburst minpoll 0 maxpoll 0\nlog measurements tracking\n";
    let mut client = start_client(&space, slewd(), "slewd", conf);
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    assert_eq!(client.log().matches("logdir not specified").count(), 1, "{}", client.log());
}

/// No drift file and no log files: an empty, read-only /var is no reason to complain.
#[test]
fn nothing_of_var_is_needed() {
    let space = Namespace::new("novar");
    let _server = start_server(&space);
    let mount = "mount -t tmpfs -o ro none /var";
    let mut client = start_mounted(&space, mount, "server 127.0.0.1 iburst minpoll 0 maxpoll 0\n");
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    client.signal(Signal::SIGTERM);
    assert!(client.wait().success(), "{}", client.log());
    assert!(!client.log().contains("Could not"), "{}", client.log());
}

/// The frequency cannot be kept after the first second, nor at exit: one line for both.
#[test]
fn a_drift_file_on_a_read_only_disk_is_one_warning() {
    let space = Namespace::new("readonly");
    let log = run_with_drift_file(&space, "mount -t tmpfs -o ro none /var", "/var/drift");
    assert_eq!(log.matches("Could not open /var/drift.tmp : Read-only file system").count(), 1, "{log}");
    assert_eq!(log.matches("Could not").count(), 1, "{log}");
}

/// The same with a full disk, which takes empty files and 96 bytes more: nothing is left of the drift file, and no half of
/// a line.
#[test]
fn a_full_disk_is_one_warning_for_the_drift_file_and_one_for_the_logs() {
    let space = Namespace::new("full");
    let mount = "mount -t tmpfs -o size=8k none /var && head -c 4096 /dev/zero >/var/filling && \
                 yes | head -c 4000 >/var/measurements.log";
    let log =
        run_with_drift_file(&space, mount, "/var/drift\nuser root\nlogdir /var\nlog measurements tracking statistics");
    assert_eq!(log.matches("Could not open /var/drift.tmp : No space left on device").count(), 1, "{log}");
    assert_eq!(log.matches(".log : No space left on device").count(), 1, "{log}");
    assert_eq!(log.matches("Could not").count(), 2, "{log}");
    let left = "/var/filling 4096\n/var/measurements.log 4000\n/var/statistics.log 0\n/var/tracking.log 0\n";
    assert!(log.ends_with(left), "{log}");
}

/// What slewd says from its start to its end, a while after the drift file was due, and what it leaves in /var.
fn run_with_drift_file(space: &Namespace, mount: &str, drift_file: &str) -> String {
    let _server = start_server(space);
    let conf = drift_file.replacen("/var/drift", "driftfile /var/drift interval 1", 1);
    let mut client = start_mounted(space, mount, &format!("server 127.0.0.1 iburst minpoll 0 maxpoll 0\n{conf}\n"));
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    sleep(Duration::from_secs(8));
    client.signal(Signal::SIGTERM);
    assert!(client.wait().success(), "{}", client.log());
    client.log()
}

/// slewd in a mount namespace of its own, which is listed at the end.
fn start_mounted(space: &Namespace, mount: &str, conf: &str) -> Program {
    let conf = space.file("slewd.conf", &format!("{conf}{}", quiet(space, "slewd")));
    let script = format!(
        "{mount} && trap : INT TERM && {{ setpriv --pdeathsig KILL {} -x -d -f {} & }} && child=$! && wait $child; kill $child; wait $child; \
         status=$?; LC_ALL=C stat -c '%n %s' /var/*; exit $status",
        slewd().display(),
        conf.display()
    );
    space.start(Path::new("unshare"), &["--mount", "sh", "-c", &script])
}

/// chronyd as a server of both families.
fn start_server(space: &Namespace) -> Program {
    let conf = format!("local stratum 8\nallow all\n{}", quiet(space, "server"));
    let conf = space.file("server.conf", &conf);
    // Under a name of its own, for there may be another chronyd that is a client.
    let program = space.path("server");
    let _ = fs::remove_file(&program);
    std::os::unix::fs::symlink(chrony().join("chronyd"), &program).expect("the test's directory is writable");
    let mut server = space.start(&program, &["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()]);
    server.wait_for("Disabled control of system clock", PATIENCE);
    server
}

fn start_client(space: &Namespace, program: &Path, name: &str, conf: &str) -> Program {
    let port = if name == "chronyd" { "port 0\n" } else { "" };
    let conf = space.file(&format!("{name}.conf"), &format!("{conf}{port}{}", quiet(space, name)));
    space.start(program, &["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()])
}

/// No control sockets, and a pid file of its own.
fn quiet(space: &Namespace, name: &str) -> String {
    format!("cmdport 0\nbindcmdaddress /\npidfile {}\n", space.path(&format!("{name}.pid")).display())
}

/// The same banner at the same places, and lines that cannot be told from one another by their form.
fn compare(file: &str, theirs: &str, ours: &str) {
    let banner = |text: &str| text.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(banner(theirs), banner(ours), "{file}");
    for text in [theirs, ours] {
        let rulers: Vec<usize> =
            (0..).zip(text.lines()).filter(|(_, l)| l.starts_with('=')).map(|(at, _)| at).collect();
        let is_due = |at: &usize| [0, 2].contains(&(at % 8));
        assert!(rulers.len() > 2 && rulers.iter().all(is_due), "{file}: a banner every 5 lines: {rulers:?}");
    }
    let model = Form::of(entries(theirs).last().expect("chronyd writes lines"));
    assert!(entries(ours).count() >= 3, "{file}: {ours}");
    // chronyd's first line overflows its column: the skew of somebody who knows nothing.
    let regular = entries(theirs).filter(|line| !line.contains(" 1000000.000 "));
    for line in regular.chain(entries(ours)) {
        let form = Form::of(line);
        assert_eq!(form.columns, model.columns, "{file}:\n{line}\n{}", entries(theirs).last().unwrap_or_default());
        assert_eq!(form.numbers, model.numbers, "{file}: {line}");
    }
}

/// The words of a line.
fn fields(line: Option<&str>) -> Vec<String> {
    line.expect("there is such a line").split_whitespace().map(str::to_owned).collect()
}

/// Where the columns of a line are, and how numbers are written.
#[derive(Debug)]
struct Form {
    /// The beginnings of the first three, which are aligned to the left; the ends of the others.
    columns: Vec<usize>,
    numbers: Vec<String>,
}

impl Form {
    fn of(line: &str) -> Form {
        let mut at = 0;
        let (mut columns, mut numbers) = (Vec::new(), Vec::new());
        for (index, word) in line.split_whitespace().enumerate() {
            let begin = at + line[at..].find(word).expect("it is there");
            at = begin + word.len();
            columns.push(if index < 3 { begin } else { at });
            if index > 2 {
                numbers.push(number_form(word));
            }
        }
        Form { columns, numbers }
    }
}

/// `-1.234e-05` becomes `0.000e-00`: what is left is the format, not the value. Words become `word`.
fn number_form(word: &str) -> String {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    if unsigned.parse::<f64>().is_err() {
        return format!("{} letters", word.len());
    }
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |text: &str| text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>();
    format!("{}.{}", if whole.is_empty() { "" } else { "0" }, digits(fraction).replace("e+", "e-"))
}

fn entries(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with(['=', ' ']))
}

fn tail(text: &str) -> String {
    let mut last: Vec<&str> = entries(text).rev().take(3).collect();
    last.reverse();
    last.join("\n")
}

fn wait_for_file(path: &PathBuf, lines: usize) {
    let deadline = Instant::now() + PATIENCE;
    while fs::read_to_string(path).map_or(0, |text| text.lines().count()) < lines {
        assert!(Instant::now() < deadline, "no {lines} lines in {}", path.display());
        sleep(Duration::from_millis(50));
    }
}

fn slewd() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_slewd"))
}
