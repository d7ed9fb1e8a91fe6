//! Reference clocks beside the real chronyd: one writer, or a real gpsd, tells both the time through shared memory and sockets,
//! and what they make of it is compared reading by reading and field by field.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;
#[path = "support/refuse.rs"]
mod refuse;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use namespace::{Namespace, Program, chrony, fetch};
use nix::sys::signal::Signal;

const PATIENCE: Duration = Duration::from_secs(30);

/// Eight polls of 4 s fill a reach register.
const RUN: Duration = Duration::from_secs(40);

const WRITER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/refclock_writer.py");
const RECEIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/gps_receiver.py");

/// The reach register of a source whose last eight polls all brought something.
const ALL_REACHED: &str = "377";

fn slewd() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_slewd"))
}

/// One of the two daemons.
struct Side {
    name: &'static str,
    program: Program,
    directory: PathBuf,
    port: &'static str,
}

/// Starts both daemons with the lines of clocks that belong to chronyd (0) and slewd (1), and a library before the C library.
fn start_both(space: &Namespace, clocks: &dyn Fn(usize) -> String, preload: &Path) -> [Side; 2] {
    let theirs = chrony().join("chronyd");
    [
        start(space, "chronyd", &theirs, "1123", &clocks(0), preload),
        start(space, "slewd", slewd(), "1124", &clocks(1), preload),
    ]
}

fn start(
    space: &Namespace,
    name: &'static str,
    program: &Path,
    port: &'static str,
    clocks: &str,
    preload: &Path,
) -> Side {
    let directory = space.path(name);
    fs::create_dir(&directory).expect("the test's directory is writable");
    let at = directory.display();
    let config = space.file(
        &format!("{name}.conf"),
        &format!(
            "{clocks}log refclocks\nlogdir {at}\ndumpdir {at}\nbindcmdaddress /\ncmdport {port}\npidfile {at}/pid\n"
        ),
    );
    let preload = format!("LD_PRELOAD={}", preload.display());
    let (program, config) = (program.to_string_lossy(), config.to_string_lossy());
    let program =
        space.start_as(name, Path::new("env"), &[&preload, &program, "-x", "-d", "-u", "root", "-f", &config]);
    Side { name, program, directory, port }
}

impl Side {
    fn chronyc(&self, space: &Namespace, command: &str) -> String {
        let output = space.run(&chrony().join("chronyc"), &["-c", "-n", "-h", "127.0.0.1", "-p", self.port, command]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn stop(&mut self) {
        self.program.signal(Signal::SIGTERM);
        self.program.wait();
    }

    /// The offset of each reading against the system clock.
    fn readings(&self, clock: &str) -> Vec<f64> {
        self.column(clock, 6)
    }

    /// A column of the log for all readings of a clock.
    fn column(&self, clock: &str, column: usize) -> Vec<f64> {
        let text = fs::read_to_string(self.directory.join("refclocks.log")).expect("the log was written");
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let readings = lines.filter(|words| words.get(2) == Some(&clock) && words.get(3) != Some(&"-"));
        readings.map(|words| words[column].parse().expect("a number")).collect()
    }
}

/// What is the same whatever the clock does, in the reports of both daemons.
fn compare_reports(space: &Namespace, theirs: &Side, ours: &Side) {
    for command in ["sources", "sourcestats", "tracking", "activity", "ntpdata", "authdata"] {
        let (them, us) = (theirs.chronyc(space, command), ours.chronyc(space, command));
        println!("{command}\n{them}{us}");
        let columns: &[usize] = match command {
            "sourcestats" => &[0],
            "tracking" => &[0, 1, 2, 10],
            _ => &[0, 1, 2, 3, 4],
        };
        let fields = |text: &str| -> Vec<Vec<String>> {
            let line = |line: &str| {
                let words: Vec<&str> = line.split(',').collect();
                columns.iter().map(|column| words.get(*column).copied().unwrap_or_default().to_owned()).collect()
            };
            text.lines().map(line).collect()
        };
        assert_eq!(fields(&us), fields(&them), "{command}");
        let width = |text: &str| text.lines().next().map(|line| line.split(',').count());
        assert_eq!(width(&us), width(&them), "{command}");
    }
}

#[test]
fn one_writer_and_two_daemons_agree_on_every_reading_and_report() {
    let space = Namespace::new("refclock");
    let socket = |name: &str, file: &str| space.path(name).join(file).display().to_string();
    let sockets = ["chronyd", "slewd"].map(|name| socket(name, "clock.sock"));
    let pulses = ["chronyd", "slewd"].map(|name| socket(name, "pulse.sock"));
    let clocks = |side: usize| {
        let (path, pulse) = (&sockets[side], &pulses[side]);
        format!(
            "refclock SHM {side} refid SHM0 poll 2 offset 0.001 precision 1e-6\n\
             refclock SOCK {path} poll 2 delay 0.0002 stratum 3 noselect\n\
             refclock SOCK {pulse} poll 2 lock SHM0 refid PULS noselect\n"
        )
    };
    let mut sides = start_both(&space, &clocks, Path::new(""));
    sleep(Duration::from_secs(2));
    let length = (RUN.as_secs() + 10).to_string();
    let arguments = [WRITER, &length, "0", "1", &sockets[0], &sockets[1], &pulses[0], &pulses[1]];
    let mut writer = space.start_as("writer", Path::new("python3"), &arguments);
    for side in &mut sides {
        side.program.wait_for("Selected source SHM0", PATIENCE);
    }
    sleep(RUN);
    compare_reports(&space, &sides[0], &sides[1]);
    sides.iter_mut().for_each(Side::stop);
    for clock in ["SHM0", "SOC1", "PULS"] {
        let [them, us] = [&sides[0], &sides[1]].map(|side| side.readings(clock));
        // On a busy machine readings are missing. The first reading of a device has nothing to be compared with, and either may miss one at its ends.
        // The writer's offsets are whole microseconds.
        let is_same = |offset_s: &f64| them.iter().any(|theirs_s| (offset_s - theirs_s).abs() < 1e-7);
        let common = us.iter().filter(|reading| is_same(reading)).count();
        println!("{clock}: {} readings, {} of chronyd, {common} in common", us.len(), them.len());
        assert!(common + 3 >= us.len() && common >= 25, "{us:?}\n{them:?}");
    }
    for (side, socket) in sides.iter().zip(&sockets) {
        assert!(!Path::new(socket).exists(), "{} leaves its socket behind", side.name);
        let dump = fs::read_to_string(side.directory.join("refid:53484d30.dat")).expect("samples are kept");
        let head: Vec<&str> = dump.lines().take(3).collect();
        assert!(head[..2] == ["SRC0", "."] && head[2].ends_with(" 8 0 0"), "{}: {dump}", side.name);
    }
    writer.wait();
}

/// A receiver beside each daemon, since a record in shared memory is for one reader. gpsd reads both, and tells of each the
/// time of the sentences and that of the pulses.
#[test]
fn what_a_real_gpsd_says_reaches_both_daemons_unchanged() {
    let space = Namespace::new("gpsd");
    space.empty("/run");
    let lines = ["chronyd", "slewd"].map(|name| space.path(&format!("tty-{name}")));
    // slewd's is elsewhere, with a link where gpsd looks (docs/reference-clocks.md).
    let sockets = [PathBuf::from("/run/chrony.tty-chronyd.sock"), space.path("pulses.sock")];
    let linked = space.run(Path::new("ln"), &["-s", &sockets[1].to_string_lossy(), "/run/chrony.tty-slewd.sock"]);
    assert!(linked.status.success(), "{linked:?}");
    let clocks = |side: usize| {
        let (sentences, pulses) = (2 * side, 2 * side + 1);
        format!(
            "refclock SHM {sentences} refid NMEA poll 0 offset 0.13 delay 0.2 noselect\n\
             refclock SHM {pulses} refid PPS poll 0 precision 1e-4\n\
             refclock SOCK {} refid KPPS poll 0 noselect\n",
            sockets[side].display()
        )
    };
    let mut sides = start_both(&space, &clocks, Path::new(""));
    let [first, second] = lines.each_ref().map(|line| line.to_string_lossy());
    let mut receivers = space.start_as("receivers", Path::new("python3"), &[RECEIVER, &first, &second]);
    receivers.wait_for_line("receiving", PATIENCE);
    // A socket has to be there when gpsd opens the line.
    sleep(Duration::from_secs(1));
    let gpsd = fetch("fetch-gpsd", "gpsd", &[]).join("gpsd").to_string_lossy().into_owned();
    let preload = format!("LD_PRELOAD={}", refuse::compile("serial_line").display());
    // At once (-n), without writing to a receiver (-b), whatever it thinks of its position (-r); each sample in the log (-D 4).
    let arguments = [&preload, &gpsd, "-N", "-n", "-b", "-r", "-D", "4", &*first, &*second];
    let gpsd = space.start_as("gpsd", Path::new("env"), &arguments);
    for side in &mut sides {
        side.program.wait_for("Selected source PPS", PATIENCE);
    }
    let deadline = Instant::now() + PATIENCE;
    // chronyd makes a measurement of a socket from several datagrams, so that its polls of 1 s may have none.
    let is_reached = |side: &Side| {
        let report = side.chronyc(&space, "sources");
        report.lines().filter(|line| line.split(',').nth(5) == Some(ALL_REACHED)).count() >= 2
    };
    while !sides.iter().all(is_reached) {
        assert!(Instant::now() < deadline, "{}", gpsd.log());
        sleep(Duration::from_millis(200));
    }
    compare_reports(&space, &sides[0], &sides[1]);
    sides.iter_mut().for_each(Side::stop);
    for (side, line) in sides.iter().zip(&lines) {
        let (pulses, sentences): (Vec<f64>, Vec<f64>) =
            told(&gpsd.log(), line).iter().partition(|offset_s| **offset_s > -0.05);
        for (clock, told) in [("NMEA", &sentences), ("PPS", &pulses), ("KPPS", &pulses)] {
            let readings = side.readings(clock);
            // As exact as the log of a daemon, which has seven digits.
            let is_told = |reading: &&f64| told.iter().any(|offset_s| (offset_s - **reading).abs() < 1e-7);
            let exact = readings.iter().filter(is_told).count();
            println!("{} {clock}: gpsd said {}, {} readings, {exact} exact", side.name, told.len(), readings.len());
            assert!(exact == readings.len() && exact >= 8 && exact + 4 >= told.len(), "{readings:?}\n{told:?}");
        }
    }
}

/// The offsets of the samples that gpsd, by its log, has made of a line.
fn told(log: &str, line: &Path) -> Vec<f64> {
    let nanos = |word: &str| -> i64 { word.replace('.', "").parse().expect("a time in nanoseconds") };
    let marker = format!("ntpshm_put({},", line.display());
    let samples = log.lines().filter_map(|said| said.split_once(&marker)).map(|(_, sample)| {
        let words: Vec<&str> = sample.split_whitespace().collect();
        // -20) TIME @ SYSTEM
        (nanos(words[1]) - nanos(words[3])) as f64 / 1e9
    });
    samples.collect()
}

/// PTP hardware clocks of a library that stands before the kernel (fake_phc.c): one is 12.345 us ahead of the system clock, the
/// other keeps a time of its own and stamps pulses that come 123.456 us after each second of the system clock.
#[test]
fn hardware_clocks_and_the_pulses_at_their_pins_are_read_as_by_chronyd() {
    let space = Namespace::new("phc");
    let at = space.path("phc").display().to_string();
    let clocks = |_| {
        format!(
            "refclock PHC {at}/utc-phc poll 0 dpoll -2 refid PHC\n\
             refclock PHC {at}/free-phc:extpps:pin=1:channel=1 poll 0 refid EXT lock PHC noselect\n"
        )
    };
    let mut sides = start_both(&space, &clocks, &refuse::compile("fake_phc"));
    for side in &mut sides {
        side.program.wait_for("Selected source PHC", PATIENCE);
    }
    sleep(Duration::from_secs(10));
    compare_reports(&space, &sides[0], &sides[1]);
    sides.iter_mut().for_each(Side::stop);
    let told = sides.each_ref().map(|side| {
        let log = side.program.log();
        let mut told: Vec<String> = log.lines().filter(|line| line.contains("channel")).map(str::to_owned).collect();
        told.sort();
        told
    });
    assert_eq!(
        told[0],
        ["channel 1: flags 0", "channel 1: flags 3", "pin 1: function 0, channel 1", "pin 1: function 1, channel 1"]
    );
    assert_eq!(told[1], told[0]);
    for side in &sides {
        // The first second is that before the clock is known. chronyd's offsets before correction are against the free clock.
        let (readings, pulses) = (side.readings("PHC"), side.column("EXT", 7));
        for (what, offsets_s, expected_s) in
            [("PHC", &readings[..], 12.345e-6), ("EXT", &pulses[4..], -123.456e-6 - 12.345e-6)]
        {
            let mut apart_s: Vec<f64> = offsets_s.iter().map(|offset_s| (offset_s - expected_s).abs()).collect();
            apart_s.sort_by(f64::total_cmp);
            println!("{} {what}: {apart_s:?}", side.name);
            assert!(apart_s.len() >= 5 && apart_s[apart_s.len() / 2] < 1e-6, "{} {what}: {offsets_s:?}", side.name);
        }
    }
}

#[test]
fn a_device_that_comes_late_is_opened_and_the_log_says_why_not_before() {
    let space = Namespace::new("refclock-late");
    let directory = space.path("late");
    let at = directory.display();
    let config = space.file(
        "slewd.conf",
        &format!(
            "refclock SOCK {at}/clock.sock poll 0\nrefclock PHC /dev/null poll 0\nrefclock PPS {at}/pps poll 0 noselect\n\
             bindcmdaddress /\ncmdport 0\npidfile /\n"
        ),
    );
    let mut program = space.start(slewd(), &["-x", "-d", "-u", "root", "-f", &config.to_string_lossy()]);
    let missing = |what: &str| format!("Could not open {what} : No such file or directory (trying again)");
    program.wait_for(&missing(&format!("SOCK {at}/clock.sock")), PATIENCE);
    program.wait_for(&missing(&format!("PPS {at}/pps")), PATIENCE);
    program.wait_until_line(PATIENCE, |line| line.contains("Could not open PHC /dev/null : "));
    fs::create_dir(&directory).expect("the test's directory is writable");
    program.wait_for(&format!("Opened SOCK {at}/clock.sock"), PATIENCE);
    let socket = format!("{at}/clock.sock");
    let mut writer = space.start_as("writer", Path::new("python3"), &[WRITER, "10", &socket]);
    program.wait_for("Selected source SOC0", PATIENCE);
    assert_eq!(program.log().matches("Could not open").count(), 3, "{}", program.log());
    writer.wait();
    program.signal(Signal::SIGTERM);
    assert!(program.wait().success());
}
