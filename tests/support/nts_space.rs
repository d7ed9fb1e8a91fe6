//! A namespace with a server of NTS keys and of time, slewd as its client, and what chronyc says of it.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::namespace::{Namespace, Program, chrony};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The name of the server in all tests that have a name.
pub(crate) const NAME: &str = "nts.example";

/// chronyd as NTS server, with this certificate and more lines.
pub(crate) fn start_server(space: &Namespace, bin: &Path, certificate: &str, more: &str) -> Program {
    let conf = format!(
        "local stratum 8\nallow all\ncmdport 0\nbindcmdaddress {0}/server.sock\npidfile {0}/server.pid\n\
         ntsserverkey {0}/{certificate}.key\nntsservercert {0}/{certificate}.crt\n{more}",
        space.path("").display()
    );
    let conf = space.file("server.conf", &conf);
    let arguments = ["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()];
    let mut server = space.start_as("server", &bin.join("chronyd"), &arguments);
    server.wait_for("Disabled control of system clock", PATIENCE);
    let deadline = Instant::now() + PATIENCE;
    while !space.path("server.sock").exists() {
        assert!(Instant::now() < deadline, "{}", server.log());
        sleep(Duration::from_millis(20));
    }
    server
}

/// slewd, which trusts the authority of the test.
pub(crate) fn start_client(space: &Namespace, lines: &str) -> Program {
    start_client_with(space, &[], lines)
}

/// The same, with more flags.
pub(crate) fn start_client_with(space: &Namespace, flags: &[&str], lines: &str) -> Program {
    let conf = format!(
        "{lines}port 0\ncmdport 0\nbindcmdaddress {0}/slewd.sock\npidfile {0}/slewd.pid\nuser root\n\
         nosystemcert\nntstrustedcerts {0}/ca.crt\n",
        space.path("").display()
    );
    let conf = space.file("slewd.conf", &conf);
    let program = Path::new(env!("CARGO_BIN_EXE_slewd"));
    space.start_as("slewd", program, &[&["-x", "-d", "-f", &conf.to_string_lossy()], flags].concat())
}

pub(crate) fn ask(space: &Namespace, command: &str) -> String {
    let socket = space.path("slewd.sock").to_string_lossy().into_owned();
    let arguments = [&["-n", "-h", &socket], &command.split(' ').collect::<Vec<_>>()[..]].concat();
    let output = space.run(&chrony().join("chronyc"), &arguments);
    assert!(output.status.success(), "chronyc {command}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A field of the one source in `authdata`, in the order of chronyc's columns from `Mode` on.
pub(crate) fn auth(space: &Namespace, column: usize) -> String {
    let text = ask(space, "authdata");
    let line = text.lines().last().unwrap_or_default();
    line.split_whitespace().nth(column + 1).unwrap_or_default().to_owned()
}

pub(crate) const MODE: usize = 0;
pub(crate) const KEY_ID: usize = 1;
pub(crate) const TYPE: usize = 2;
pub(crate) const ATTEMPTS: usize = 5;
pub(crate) const COOKIES: usize = 7;

/// Waits until one of the columns is what it should be.
pub(crate) fn wait_auth(space: &Namespace, column: usize, value: &str, client: &Program) {
    let deadline = Instant::now() + PATIENCE;
    while !client.log().contains("Running with root privileges") {
        assert!(Instant::now() < deadline, "{}", client.log());
        sleep(Duration::from_millis(20));
    }
    while auth(space, column) != value {
        assert!(Instant::now() < deadline, "not {value}:\n{}\n{}", ask(space, "authdata"), client.log());
        sleep(Duration::from_millis(50));
    }
}

/// A number of the one source in `ntpdata`.
pub(crate) fn count(space: &Namespace, what: &str) -> u64 {
    count_in(&ask(space, "ntpdata 127.0.0.1"), what)
}

/// The same, in what `ntpdata` has said.
pub(crate) fn count_in(data: &str, what: &str) -> u64 {
    let line = data.lines().find(|line| line.starts_with(what)).expect("it is there");
    line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a number")
}

/// Waits until so many replies of the one source were good.
pub(crate) fn wait_for_good(space: &Namespace, replies: u64, client: &Program) {
    let deadline = Instant::now() + 2 * PATIENCE;
    while count(space, "Total good RX") < replies {
        assert!(Instant::now() < deadline, "{}\n{}", ask(space, "ntpdata 127.0.0.1"), client.log());
        sleep(Duration::from_millis(200));
    }
}
