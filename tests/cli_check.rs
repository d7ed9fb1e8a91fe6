//! `slewd check`: verdicts on states made in the simulator, and the real program on real daemons.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use namespace::{Namespace, Program, chrony};
use slewd::report::verdict::{CheckResult, Facts, Level, Limits, Thresholds, facts, judge};
use slewd::sim::server::Manner;
use slewd::sim::{Scenario, World};
use slewd::time::Span;

const PATIENCE: Duration = Duration::from_secs(20);

/// Four good servers, 10 ms away.
fn pool() -> Scenario {
    let mut scenario = Scenario::pool(1, 4);
    scenario.crystal.frequency = 20e-6;
    scenario
}

/// The state after so many seconds.
fn facts_after(scenario: Scenario, seconds: f64) -> Facts {
    let mut world = World::new(scenario);
    world.run_for(seconds);
    facts(&world.engine().expect("it runs").snapshot(&world.reading()))
}

fn limits(warning: &str, critical: &str) -> Limits {
    let range = |text: &str| (!text.is_empty()).then(|| text.parse().expect("a range"));
    Limits { warning: range(warning), critical: range(critical), is_explicit: true }
}

/// The text before the performance data.
fn said(verdict: &CheckResult) -> &str {
    verdict.line.split(" |").next().expect("a line")
}

#[test]
fn a_good_clock_is_ok() {
    let facts = facts_after(pool(), 600.0);
    let verdict = judge(&facts, &Thresholds::default());
    assert_eq!(verdict.level, Level::Ok, "{}", verdict.line);
    assert!(said(&verdict).starts_with("CLOCK OK: synchronised to 192.0.2."), "{}", verdict.line);
    assert_eq!(facts.agreeing, Some(4));
    assert!(facts.offset_s.is_some_and(|s| s.abs() < 1e-3) && facts.error_s.is_some_and(|s| s < 0.1), "{facts:?}");
    let labels: Vec<&str> = verdict.line.split(" | ").nth(1).expect("data").split(' ').collect();
    let names: Vec<&str> = labels.iter().filter_map(|label| label.split('=').next()).collect();
    assert_eq!(names, ["offset", "error", "age", "agreeing", "stratum"]);
    assert_eq!(labels[3], "agreeing=4;;");
}

#[test]
fn before_the_first_answer_nothing_is_known() {
    let mut scenario = pool();
    scenario.servers.iter_mut().for_each(|server| server.manner = Manner::Dead);
    let facts = facts_after(scenario, 40.0);
    let verdict = judge(&facts, &Thresholds::default());
    assert_eq!(verdict.level, Level::Critical);
    assert_eq!(
        verdict.line,
        "CLOCK CRITICAL: not synchronised: no source can be used: 192.0.2.1: it does not answer; 192.0.2.2: it does not \
         answer; 192.0.2.3: it does not answer; and 1 more, offset unknown, error unknown, age unknown, agreeing 0, stratum unknown | offset=U;-0.1:0.1;-0.5:0.5 error=U;0.5;1.5 age=U;4200;10800 \
         agreeing=0;; stratum=U;1:15;1:15"
    );
}

/// The bound grows while nobody answers, and so does the age of the last answer.
#[test]
fn silence_is_noticed() {
    let mut scenario = pool();
    scenario.outages = vec![(600.0, 1e9)];
    let facts = facts_after(scenario, 6000.0);
    let thresholds = Thresholds { age: limits("3000", "100000"), ..Thresholds::default() };
    let verdict = judge(&facts, &thresholds);
    let age = facts.age_s.expect("there was an answer");
    assert!((5000.0..6000.0).contains(&age), "{age}");
    let remark = format!("age {age:.0}s (limit 3000)");
    assert!(verdict.line.contains(&remark), "{}", verdict.line);
    assert_eq!(verdict.level, Level::Critical, "{}", verdict.line);
    assert!(said(&verdict).starts_with("CLOCK CRITICAL: not synchronised: "), "{}", verdict.line);
}

#[test]
fn two_against_two_is_no_majority() {
    let mut scenario = pool();
    scenario.servers[2].ahead = Span::from_secs(5);
    scenario.servers[3].ahead = Span::from_secs(5);
    let facts = facts_after(scenario, 60.0);
    let verdict = judge(&facts, &Thresholds::default());
    assert_eq!(verdict.level, Level::Critical, "{}", verdict.line);
    assert!(said(&verdict).contains("the sources contradict each other"), "{}", verdict.line);
}

#[test]
fn one_liar_is_a_warning_to_whoever_counts() {
    let mut scenario = pool();
    scenario.servers[3].ahead = Span::from_secs(5);
    let facts = facts_after(scenario, 600.0);
    assert_eq!(judge(&facts, &Thresholds::default()).level, Level::Ok);
    let strict = Thresholds { agreeing: limits("4:", "2:"), ..Thresholds::default() };
    let verdict = judge(&facts, &strict);
    assert_eq!(verdict.level, Level::Warning, "{}", verdict.line);
    assert!(verdict.line.contains("agreeing 3 (limit 4:)") && verdict.line.contains(" agreeing=3;4:;2: "));
}

#[test]
fn every_limit_can_be_reached() {
    let facts = facts_after(pool(), 600.0);
    let usual = Thresholds::default;
    for (name, thresholds) in [
        ("offset", Thresholds { offset: limits("", "1:2"), ..usual() }),
        ("error", Thresholds { error: limits("", "1e-9"), ..usual() }),
        ("age", Thresholds { age: limits("", "@0:100000"), ..usual() }),
        ("agreeing", Thresholds { agreeing: limits("", "5:"), ..usual() }),
        ("stratum", Thresholds { stratum: limits("", "10:"), ..usual() }),
    ] {
        let verdict = judge(&facts, &thresholds);
        assert_eq!(verdict.level, Level::Critical, "{name}: {}", verdict.line);
        assert_eq!(verdict.line.matches("(limit ").count(), 1, "{name}: {}", verdict.line);
    }
}

/// A limit that somebody asked for, on a value that nobody knows.
#[test]
fn unknown_is_unknown() {
    let facts = Facts { summary: "synchronised, says the kernel".to_owned(), offset_s: Some(0.0), ..Facts::default() };
    assert_eq!(judge(&facts, &Thresholds::default()).level, Level::Ok);
    let asked = Thresholds { age: limits("10", "20"), ..Thresholds::default() };
    let verdict = judge(&facts, &asked);
    assert_eq!(verdict.level, Level::Unknown);
    assert!(verdict.line.contains("age unknown") && verdict.line.contains(" age=U;10;20"), "{}", verdict.line);
    let worse = Thresholds { offset: limits("1:", ""), ..asked };
    assert_eq!(judge(&facts, &worse).level, Level::Warning, "what is known to be wrong comes first");
}

#[test]
fn names_cannot_forge_performance_data() {
    let facts = Facts { summary: "synchronised to x | offset=0s\nCLOCK OK".to_owned(), ..Facts::default() };
    let line = judge(&facts, &Thresholds::default()).line;
    assert_eq!((line.matches('|').count(), line.lines().count()), (1, 1), "{line}");
}

/// Everything the real program says of real daemons. The clocks of server and client are one.
#[test]
fn the_program_checks_any_daemon() {
    let space = Namespace::new("check");
    let socket = space.path("chronyd.sock");
    let at = socket.to_string_lossy().into_owned();
    let nobody = check(&space, &["-h", &at]);
    assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");
    assert!(line(&nobody).starts_with("CLOCK CRITICAL: no daemon: "), "{nobody:?}");
    let _server = start(&space, "server", "local stratum 8\nallow all\ncmdport 0\nbindcmdaddress /\n");
    let sources = "server 127.0.0.1 iburst minpoll 0 maxpoll 0\nport 0\n";
    let mut client = start(&space, "client", &format!("{sources}bindcmdaddress {at}\n"));
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    // chronyd doubts its frequency for some seconds.
    let slewd = Path::new(env!("CARGO_BIN_EXE_slewd"));
    let waited = space.run(slewd, &["wait", "-h", &at, "--max-error", "0.1", "--timeout", "60"]);
    assert!(waited.status.success(), "{waited:?}");
    let good = check(&space, &["-h", &at]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(line(&good).starts_with("CLOCK OK: synchronised to 127.0.0.1, offset "), "{good:?}");
    assert!(line(&good).ends_with(" agreeing=1;; stratum=9;1:15;1:15"), "{good:?}");
    for (flags, code) in [
        (&["--stratum-warning", "1:8"][..], 1),
        (&["--stratum-critical", "1:8"], 2),
        (&["--agreeing-critical", "2:"], 2),
        (&["--error-critical", "1e-12"], 2),
        (&["--offset-critical", "1:"], 2),
        (&["--age-critical", "@0:1000"], 2),
        (&["--age-critical", "nonsense"], 3),
        (&["--nonsense"], 3),
        (&["--kernel", "--server", "127.0.0.1"], 3),
    ] {
        let output = check(&space, &[flags, &["-h", &at]].concat());
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {output:?}");
    }
    let server = check(&space, &["--server", "127.0.0.1"]);
    assert_eq!(server.status.code(), Some(0), "{server:?}");
    assert!(line(&server).starts_with("CLOCK OK: 127.0.0.1 answers, offset "), "{server:?}");
    assert!(line(&server).contains(" agreeing=U;; stratum=8;"), "{server:?}");
    let dead = check(&space, &["--server", "127.0.0.1", "--agreeing-warning", "1:"]);
    assert_eq!(dead.status.code(), Some(3), "how many agree is not known: {dead:?}");
}

/// The kernel of this machine may or may not be synchronised: the verdict has to say the same.
#[test]
fn the_kernel_is_believed() {
    let space = Namespace::new("check-kernel");
    let synchronized = slewd::sys::clock::state().expect("reading is allowed").synchronized;
    let output = check(&space, &["--kernel", "--error-warning", "~:", "--error-critical", "~:"]);
    let expected = if synchronized { (0, "CLOCK OK: synchronised") } else { (2, "CLOCK CRITICAL: not synchronised") };
    assert_eq!(output.status.code(), Some(expected.0), "{output:?}");
    assert!(line(&output).starts_with(expected.1), "{output:?}");
    assert!(line(&output).contains(" stratum=U;"), "{output:?}");
}

#[test]
fn a_server_that_is_not_there_is_critical() {
    let space = Namespace::new("check-dead");
    let output = check(&space, &["--server", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(line(&output).contains("no NTP server there"), "{output:?}");
}

fn check(space: &Namespace, flags: &[&str]) -> Output {
    space.run(Path::new(env!("CARGO_BIN_EXE_slewd")), &[&["check"], flags].concat())
}

fn line(output: &Output) -> &str {
    let text = std::str::from_utf8(&output.stdout).expect("text");
    assert_eq!(text.lines().count(), 1, "{output:?}");
    text.trim_end()
}

fn start(space: &Namespace, name: &str, conf: &str) -> Program {
    let conf = space
        .file(&format!("{name}.conf"), &format!("{conf}pidfile {}\n", space.path(&format!("{name}.pid")).display()));
    let mut daemon = space.start(&chrony().join("chronyd"), &["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()]);
    daemon.wait_for("Disabled control of system clock", PATIENCE);
    daemon
}
