//! Reference clocks beside the real chronyd: one writer tells both the time through shared memory and sockets, and what
//! they make of it is compared reading by reading and field by field.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use namespace::{Namespace, Program, chrony};
use nix::sys::signal::Signal;

const PATIENCE: Duration = Duration::from_secs(30);

/// Eight polls of 4 s fill a reach register.
const RUN: Duration = Duration::from_secs(40);

const WRITER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/refclock_writer.py");

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

/// Numbers of segments are the machine's: those of this process are nobody else's.
fn unit(side: u32) -> String {
    (1000 + 2 * (std::process::id() % 100_000) + side).to_string()
}

fn start(space: &Namespace, name: &'static str, program: &Path, side: u32, port: &'static str) -> Side {
    let directory = space.path(name);
    fs::create_dir(&directory).expect("the test's directory is writable");
    let at = directory.display();
    let config = space.file(
        &format!("{name}.conf"),
        &format!(
            "refclock SHM {} refid SHM0 poll 2 offset 0.001 precision 1e-6\n\
             refclock SOCK {at}/clock.sock poll 2 delay 0.0002 stratum 3 noselect\n\
             log refclocks\nlogdir {at}\ndumpdir {at}\nbindcmdaddress /\ncmdport {port}\npidfile {at}/pid\n",
            unit(side)
        ),
    );
    let program = space.start_as(name, program, &["-x", "-d", "-u", "root", "-f", &config.to_string_lossy()]);
    Side { name, program, directory, port }
}

impl Side {
    fn socket(&self) -> String {
        self.directory.join("clock.sock").display().to_string()
    }

    fn chronyc(&self, space: &Namespace, command: &str) -> String {
        let output = space.run(&chrony().join("chronyc"), &["-c", "-n", "-h", "127.0.0.1", "-p", self.port, command]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The offset of each reading against the system clock.
    fn readings(&self, clock: &str) -> Vec<f64> {
        let text = fs::read_to_string(self.directory.join("refclocks.log")).expect("the log was written");
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let readings = lines.filter(|words| words.get(2) == Some(&clock) && words.get(3) != Some(&"-"));
        readings.map(|words| words[6].parse().expect("a number")).collect()
    }
}

#[test]
fn one_writer_and_two_daemons_agree_on_every_reading_and_report() {
    let space = Namespace::new("refclock");
    let theirs = start(&space, "chronyd", &chrony().join("chronyd"), 0, "1123");
    let ours = start(&space, "slewd", slewd(), 1, "1124");
    let mut sides = [theirs, ours];
    sleep(Duration::from_secs(2));
    let length = (RUN.as_secs() + 10).to_string();
    let sockets = [sides[0].socket(), sides[1].socket()];
    let arguments = [WRITER, &length, &unit(0), &unit(1), &sockets[0], &sockets[1]];
    let mut writer = space.start_as("writer", Path::new("python3"), &arguments);
    for side in &mut sides {
        side.program.wait_for("Selected source SHM0", PATIENCE);
    }
    sleep(RUN);
    let [theirs, ours] = &sides;
    for command in ["sources", "sourcestats", "tracking", "activity", "ntpdata", "authdata"] {
        let (them, us) = (theirs.chronyc(&space, command), ours.chronyc(&space, command));
        println!("{command}\n{them}{us}");
        // What is the same whatever the clock does, by column.
        let columns: &[usize] = match command {
            "sources" => &[0, 1, 2, 3, 4],
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
        assert_eq!(
            us.lines().next().map(|line| line.split(',').count()),
            them.lines().next().map(|l| l.split(',').count())
        );
    }
    for side in &mut sides {
        side.program.signal(Signal::SIGTERM);
        side.program.wait();
    }
    for clock in ["SHM0", "SOC1"] {
        let [them, us] = [&sides[0], &sides[1]].map(|side| side.readings(clock));
        // On a busy machine readings are missing. The first reading of a device has nothing to be compared with, and either may miss one at its ends.
        // The writer's offsets are whole microseconds.
        let is_same = |offset_s: &f64| them.iter().any(|theirs_s| (offset_s - theirs_s).abs() < 1e-7);
        let common = us.iter().filter(|reading| is_same(reading)).count();
        println!("{clock}: {} readings, {} of chronyd, {common} in common", us.len(), them.len());
        assert!(common + 3 >= us.len() && common >= 25, "{us:?}\n{them:?}");
    }
    for side in &sides {
        assert!(!side.directory.join("clock.sock").exists(), "{} leaves its socket behind", side.name);
        let dump = fs::read_to_string(side.directory.join("refid:53484d30.dat")).expect("samples are kept");
        let head: Vec<&str> = dump.lines().take(3).collect();
        assert!(head[..2] == ["SRC0", "."] && head[2].ends_with(" 8 0 0"), "{}: {dump}", side.name);
    }
    writer.wait();
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
