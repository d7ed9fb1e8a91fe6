//! `slewd wait` with the real program: before, during and after a daemon's start.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/inside.rs"]
mod inside;
#[path = "support/namespace.rs"]
mod namespace;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use inside::inside;
use namespace::{Namespace, Program, chrony};

const PATIENCE: Duration = Duration::from_secs(20);

const SYNCHRONISED: Option<i32> = Some(0);
const TIMED_OUT: Option<i32> = Some(1);
const NO_DAEMON: Option<i32> = Some(2);
const MISUSE: Option<i32> = Some(3);

fn slewd() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_slewd"))
}

/// The socket at which the client daemons of a test answer.
fn socket(space: &Namespace) -> String {
    space.path("chronyd.sock").to_string_lossy().into_owned()
}

fn wait(space: &Namespace, flags: &[&str]) -> Output {
    space.run(slewd(), &[&["wait", "-h", &socket(space)], flags].concat())
}

fn said(output: &Output) -> String {
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn chronyd(space: &Namespace, name: &str, conf: &str) -> Program {
    let pid = space.path(&format!("{name}.pid"));
    let conf = space.file(&format!("{name}.conf"), &format!("{conf}pidfile {}\n", pid.display()));
    let flags = ["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()];
    let mut daemon = space.start(&chrony().join("chronyd"), &flags);
    daemon.wait_for("Disabled control of system clock", PATIENCE);
    daemon
}

fn server(space: &Namespace) -> Program {
    chronyd(space, "server", "local stratum 8\nallow all\ncmdport 0\nbindcmdaddress /\n")
}

fn client(space: &Namespace) -> Program {
    let sources = "server 127.0.0.1 iburst minpoll 0 maxpoll 0\nport 0\ncmdport 0\n";
    chronyd(space, "client", &format!("{sources}bindcmdaddress {}\n", socket(space)))
}

#[test]
fn nobody_is_there() {
    let space = Namespace::new("wait-nobody");
    for flags in [&["--running"][..], &["--timeout", "0"], &["--timeout", "0.3"]] {
        let output = wait(&space, flags);
        assert_eq!(output.status.code(), NO_DAEMON, "{output:?}");
        assert_eq!(said(&output), "slewd wait: Could not open connection to daemon\n");
    }
}

#[test]
fn a_mistake_is_none_of_the_answers() {
    let space = Namespace::new("wait-misuse");
    for flags in [&["--timeout", "soon"][..], &["--timeout", "-1"], &["--max-skew", "nan"], &["--nonsense"], &["now"]] {
        assert_eq!(wait(&space, flags).status.code(), MISUSE, "{flags:?}");
    }
}

/// Two waiters are there before the daemon; then the server appears, and both return.
#[test]
fn a_daemon_and_a_server_that_come_late_are_waited_for() {
    let space = Namespace::new("wait-late");
    let at = socket(&space);
    let mut patient = space.start(slewd(), &["wait", "--timeout", "infinity", "-h", &at]);
    let client = client(&space);
    let output = wait(&space, &["--timeout", "1"]);
    assert_eq!(output.status.code(), TIMED_OUT, "{output:?}");
    assert_eq!(said(&output), "slewd wait: not synchronised: no source is selected\n");
    let _server = server(&space);
    let output = wait(&space, &["--timeout", "60"]);
    assert_eq!((output.status.code(), said(&output)), (SYNCHRONISED, String::new()), "{}", client.log());
    assert_eq!(patient.wait().code(), SYNCHRONISED, "{}", patient.log());
    let mut wishes: Vec<(&[&str], Option<i32>, &str)> = vec![
        (&["--max-error", "0.1", "--max-skew", "100000", "--running"], SYNCHRONISED, ""),
        (&["--max-error", "0", "--max-skew", "0"], SYNCHRONISED, ""),
        (&["--max-error", "1e-12"], TIMED_OUT, "slewd wait: the clock can be wrong by "),
        (&["--max-skew", "1e-9"], TIMED_OUT, "slewd wait: the frequency can be wrong by "),
    ];
    for (flags, code, text) in wishes.drain(..) {
        let output = wait(&space, &[flags, &["--timeout", "0.5"]].concat());
        assert_eq!(output.status.code(), code, "{output:?}");
        assert!(said(&output).starts_with(text), "{output:?}");
    }
    let left = std::fs::read_dir(at.rsplit_once('/').expect("a directory").0).expect("the test's directory");
    let left: Vec<_> = left.flatten().map(|entry| entry.file_name()).collect();
    assert!(
        !left.iter().any(|name| name.to_string_lossy().ends_with("sock") && name != "chronyd.sock"),
        "sockets are left: {left:?}"
    );
}

/// One that is there and says nothing is not there.
#[test]
fn a_mute_daemon_is_no_daemon() {
    let space = Namespace::new("wait-mute");
    let _mute = std::os::unix::net::UnixDatagram::bind(socket(&space)).expect("the test's directory is writable");
    let output = wait(&space, &["--timeout", "1"]);
    assert_eq!(output.status.code(), NO_DAEMON, "{output:?}");
    assert_eq!(said(&output), "slewd wait: 506 Cannot talk to daemon\n");
}

/// slewd itself as the daemon, at its default sockets: it says more than a chronyd, and `check` and `wait` use it.
#[test]
fn slewd_is_waited_for_and_checked() {
    inside(|| {
        let ask = |words: &[&str]| Command::new(slewd()).args(words).output().expect("slewd starts");
        assert_eq!(ask(&["wait", "--running"]).status.code(), NO_DAEMON);
        assert_eq!(ask(&["check"]).status.code(), Some(2));
        let client = inside::start(&["server 127.0.0.1 iburst minpoll 0 maxpoll 0", "pidfile /"]);
        let output = ask(&["wait", "--timeout", "1"]);
        assert_eq!(output.status.code(), TIMED_OUT, "{output:?}");
        let reasons = ["no source has given a good answer yet", "no source can be used (see selectdata)"];
        let is_said = |text: &str| reasons.iter().any(|reason| text.contains(&format!("not synchronised: {reason}")));
        assert!(is_said(&said(&output)), "{output:?}");
        let output = ask(&["check"]);
        let line = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.code() == Some(2) && line.starts_with("CLOCK CRITICAL: ") && is_said(&line),
            "{output:?}"
        );
        assert!(line.contains(" offset=U;") && line.contains(" error=U;") && line.contains(" age=U;"), "{output:?}");
        std::fs::write(
            inside::path("server.conf"),
            "local stratum 8\nallow all\ncmdport 0\nbindcmdaddress /\npidfile /run/test/pid\n",
        )
        .expect("the test's directory is writable");
        let mut server = Command::new(chrony().join("chronyd"));
        server.args(["-x", "-d", "-u", "root", "-f"]).arg(inside::path("server.conf"));
        let mut server = server.stderr(std::process::Stdio::null()).spawn().expect("chronyd starts");
        let output = ask(&["wait", "--max-error", "0.1", "--max-skew", "100000"]);
        assert_eq!((output.status.code(), said(&output)), (SYNCHRONISED, String::new()), "{}", client.log());
        let output = ask(&["check", "--agreeing-critical", "1:1", "--age-critical", "100"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let line = String::from_utf8_lossy(&output.stdout);
        assert!(
            line.starts_with("CLOCK OK: synchronised to 127.0.0.1, offset ") && line.contains(" agreeing=1;"),
            "{line}"
        );
        assert_eq!(ask(&["check", "--agreeing-critical", "2:"]).status.code(), Some(2));
        server.kill().and_then(|()| server.wait()).expect("it is our child");
        client.stop();
    });
}
