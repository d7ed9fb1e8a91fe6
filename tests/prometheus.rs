//! The rules and the dashboard for Prometheus, read by Debian's promtool, and the names of metrics in them.
#![allow(missing_docs, clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/prometheus");
const RULES: &str = "slewd.rules.yml";
const TESTS: &str = "slewd.rules.test.yml";
const DASHBOARD: &str = "slewd.dashboard.json";

#[test]
fn the_alarms_ring_when_they_should() {
    for words in [["check", "rules", RULES], ["test", "rules", TESTS]] {
        let output = promtool(Path::new(SHIPPED), &words);
        assert!(output.status.success(), "{output:?}");
    }
}

/// The test above can fail: with any of these changes one alarm does not ring, or rings for nothing.
#[test]
fn wrong_alarms_are_found() {
    let rules = read(RULES);
    for (right, wrong) in [
        ("slewd_up == 0", "slewd_up == 2"),
        ("slewd_status_synchronised == 0", "slewd_status_synchronised == 1"),
        ("> 600", "> 6000"),
        ("foreign_changes_total[1h]", "foreign_changes_total[1m]"),
        ("agreeing < 2", "agreeing < 5"),
    ] {
        assert!(rules.contains(right), "{right}");
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rules-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory for the test");
        fs::write(directory.join(RULES), rules.replace(right, wrong)).expect("our own directory");
        fs::write(directory.join(TESTS), read(TESTS)).expect("our own directory");
        let output = promtool(&directory, &["test", "rules", TESTS]);
        fs::remove_dir_all(directory).expect("our own directory");
        assert!(!output.status.success(), "{wrong}: {output:?}");
    }
}

#[test]
fn every_metric_in_them_exists() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).expect("the page is there");
    let known: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    for file in [RULES, TESTS, DASHBOARD] {
        let text = read(file);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let used: BTreeSet<&str> = words.filter(|word| word.starts_with("slewd_")).collect();
        assert!(used.len() > 5, "{file}: {used:?}");
        assert_eq!(used.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "{file}");
    }
}

#[test]
fn the_dashboard_is_json() {
    let output =
        Command::new("python3").args(["-m", "json.tool", &format!("{SHIPPED}/{DASHBOARD}"), "/dev/null"]).output();
    let output = output.expect("apt-get install python3");
    assert!(output.status.success(), "{output:?}");
}

fn promtool(directory: &Path, words: &[&str]) -> Output {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let fetched = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prometheus");
    let guard = ONE_AT_A_TIME.lock();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/fetch-debian");
    let status = Command::new(script).arg(&fetched).arg("prometheus").status().expect("fetch-debian is executable");
    assert!(status.success(), "tests/support/fetch-debian failed: its message is above");
    drop(guard);
    let promtool = fetched.join("usr/bin/promtool");
    Command::new(promtool).args(words).current_dir(directory).output().expect("promtool runs")
}

fn read(name: &str) -> String {
    fs::read_to_string(format!("{SHIPPED}/{name}")).expect("it is shipped")
}
