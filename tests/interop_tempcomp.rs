//! `tempcomp` beside the real chronyd: the same sensor, the same lines of the log, and the same sign.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use namespace::{Namespace, Program, chrony};
use nix::sys::signal::Signal;

/// Long enough for anything that takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Frequencies are known this well after the run, on a busy machine (ppm).
const KNOWN_PPM: f64 = 1.0;

/// The compensation is 5 ppm whatever the sensor says, and the clock needs none. What is left for the drift file is the
/// opposite: that the clock gains 5 ppm. slewd's frequency is that of another counter, so it is compared with itself.
#[test]
fn a_positive_compensation_is_chronyds() {
    let space = Namespace::new("tempcomp");
    let _server = start_server(&space);
    space.file("sensor", "26.5\n");
    let comp = format!("tempcomp {} 1 20 5 0 0\nlog tempcomp\n", space.path("sensor").display());
    let mut clients = [
        ("chronyd", chrony().join("chronyd"), comp.as_str()),
        ("plain", slewd().to_owned(), ""),
        ("slewd", slewd().to_owned(), comp.as_str()),
    ]
    .map(|(name, program, more)| start_client(&space, &program, name, more));
    sleep(Duration::from_secs(15));
    let drift_ppm = ["chronyd", "plain", "slewd"].iter().zip(&mut clients).map(|(name, client)| {
        client.signal(Signal::SIGTERM);
        assert!(client.wait().success(), "{}", client.log());
        let text = fs::read_to_string(space.path(name).join("drift")).expect("a drift file");
        text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).expect("a frequency")
    });
    let drift_ppm: Vec<f64> = drift_ppm.collect();
    println!("chronyd, slewd without and with: {drift_ppm:?}");
    assert!((drift_ppm[0] - 5.0).abs() < KNOWN_PPM, "chronyd: {drift_ppm:?}");
    assert!((drift_ppm[2] - drift_ppm[1] - 5.0).abs() < KNOWN_PPM, "slewd: {drift_ppm:?}");
    let log = |name: &str| fs::read_to_string(space.path(name).join("tempcomp.log")).expect("the log is there");
    let entries = |name: &str| log(name).lines().skip(3).map(|line| line[19..].to_owned()).collect::<Vec<_>>();
    assert_eq!(log("slewd").lines().take(3).collect::<Vec<_>>(), log("chronyd").lines().take(3).collect::<Vec<_>>());
    let (theirs, ours) = (entries("chronyd"), entries("slewd"));
    assert!((14..=17).contains(&ours.len()) && theirs.len() >= 14, "one a second: {ours:?} {theirs:?}");
    assert!(ours.iter().chain(&theirs).all(|line| *line == theirs[0]), "{ours:?} {theirs:?}");
    assert_eq!(ours[0], "  2.6500e+01  5.0000e+00");
}

/// Points are joined as by chronyd; what cannot be read or believed is said once, until it is well again.
#[test]
fn a_sensor_may_fail() {
    let space = Namespace::new("sensor");
    let _server = start_server(&space);
    let sensor = space.file("sensor", "15\n");
    let points = space.file("points", "30 4\n10 1\n20 3\n");
    let comp = format!("tempcomp {} 0.2 {}\nlog tempcomp\n", sensor.display(), points.display());
    let mut client = start_client(&space, slewd(), "slewd", &comp);
    client.wait_for("Selected source 127.0.0.1", PATIENCE);
    let unreadable = format!("Could not read temperature from {}", sensor.display());
    space.file("sensor", "none\n");
    client.wait_for(&unreadable, PATIENCE);
    sleep(Duration::from_secs(1));
    assert_eq!(client.log().matches(&unreadable).count(), 1, "{}", client.log());
    space.file("sensor", "150\n");
    let beyond = "Temperature compensation of 16.000 ppm exceeds sanity limit of 10.0";
    client.wait_for(beyond, PATIENCE);
    space.file("sensor", "25\n");
    sleep(Duration::from_secs(1));
    fs::remove_file(&sensor).expect("it is there");
    let deadline = Instant::now() + PATIENCE;
    while client.log().matches(&unreadable).count() < 2 {
        assert!(Instant::now() < deadline, "{}", client.log());
        sleep(Duration::from_millis(50));
    }
    assert_eq!(client.log().matches(beyond).count(), 1, "{}", client.log());
    let text = fs::read_to_string(space.path("slewd").join("tempcomp.log")).expect("the log is there");
    let kinds = text.lines().filter(|line| line.starts_with('2')).map(|line| line[19..].to_owned());
    let mut kinds: Vec<String> = kinds.collect();
    kinds.dedup();
    assert_eq!(kinds, ["  1.5000e+01  2.0000e+00", "  2.5000e+01  3.5000e+00"]);
}

#[test]
fn points_that_make_no_sense_are_fatal_as_in_chronyd() {
    let space = Namespace::new("points");
    for (name, text, message) in [
        ("one", "10 1\n", "Not enough points in "),
        ("bad", "# temperature ppm\n10 1\n20 2\n", "Could not read tempcomp point from "),
        ("none", "", "Could not open "),
    ] {
        let path = space.path(name);
        if !text.is_empty() {
            space.file(name, text);
        }
        let line = format!("tempcomp /dev/null 1 {}", path.display());
        let quiet = format!("pidfile {}", space.path("pid").display());
        for program in [chrony().join("chronyd"), slewd().to_owned()] {
            let arguments = ["-x", "-d", "-u", "root", &line, &quiet, "port 0", "cmdport 0", "bindcmdaddress /"];
            let output = space.run(&program, &arguments);
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            let expected = format!("Fatal error : {message}{}", path.display());
            assert!(output.status.code() == Some(1) && said.contains(&expected), "{program:?}: {said}");
        }
    }
}

/// chronyd as a server, under a name of its own.
fn start_server(space: &Namespace) -> Program {
    let conf = format!("local stratum 8\nallow all\n{}", quiet(space, "server"));
    let conf = space.file("server.conf", &conf);
    let mut server = start_as(space, &chrony().join("chronyd"), "server", &conf);
    server.wait_for("Disabled control of system clock", PATIENCE);
    server
}

/// A client with a directory of its own, for its logs and its drift file.
fn start_client(space: &Namespace, program: &Path, name: &str, more: &str) -> Program {
    let directory = space.path(name);
    let directory = directory.display();
    let conf = format!(
        "server 127.0.0.1 iburst minpoll 0 maxpoll 0\nport 0\nlogdir {directory}\ndriftfile {directory}/drift\n{more}{}",
        quiet(space, name)
    );
    fs::create_dir(space.path(name)).expect("the test's directory is writable");
    let conf = space.file(&format!("{name}.conf"), &conf);
    start_as(space, program, name, &conf)
}

fn start_as(space: &Namespace, program: &Path, name: &str, conf: &Path) -> Program {
    let link = space.path(&format!("{name}.program"));
    std::os::unix::fs::symlink(program, &link).expect("the test's directory is writable");
    space.start(&link, &["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()])
}

/// No control sockets, and a pid file of its own.
fn quiet(space: &Namespace, name: &str) -> String {
    format!("cmdport 0\nbindcmdaddress /\npidfile {}\n", space.path(&format!("{name}.pid")).display())
}

fn slewd() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_slewd"))
}
