//! What the real binary says of the files with leap seconds.

#![allow(clippy::disallowed_methods, reason = "tests may use files")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Two numbers too few for 2012.
const WITHOUT_HISTORY: &str = "3439756800 34\n3692217600 37\n";
const GOOD: &str = "#@ 3991593600\n3439756800 34\n3550089600 35\n3644697600 36\n3692217600 37\n";

/// A file that is gone when it goes out of scope.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("slewd-{}-{name}", std::process::id()));
        fs::write(&path, content).expect("the temporary directory can be written");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_file(&self.0).expect("it was there");
    }
}

/// Observes nobody for a second, and returns the log.
fn log_with(directives: &[&str]) -> String {
    let command = ["-x", "-d", "-t", "1", "pidfile /", "port 0", "cmdport 0"];
    let output = Command::new(env!("CARGO_BIN_EXE_slewd")).args(command).args(directives).output();
    String::from_utf8_lossy(&output.expect("the binary was built").stderr).into_owned()
}

#[test]
fn a_good_list_is_used() {
    let list = Scratch::new("good.list", GOOD);
    let path = list.0.display();
    let log = log_with(&[&format!("leapseclist {path}")]);
    assert!(log.contains(&format!("Using leap second list {path}")), "{log}");
}

#[test]
fn a_bad_list_and_a_bad_zone_are_ignored_with_the_reason() {
    let list = Scratch::new("bad.list", WITHOUT_HISTORY);
    let path = list.0.display();
    let log = log_with(&[&format!("leapseclist {path}"), "leapsectz No/Zone"]);
    let of_list =
        format!("Leap second list {path} failed check, ignoring (it does not know the leap second of June 2012)");
    assert!(log.contains(&of_list), "{log}");
    let of_zone = "Timezone No/Zone failed leap second check, ignoring (No such file or directory)";
    assert!(log.contains(of_zone), "{log}");
}
