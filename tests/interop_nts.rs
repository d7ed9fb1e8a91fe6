//! NTS with the real chronyd as server of keys and of time, certificates made by openssl, and servers that are none.
//!
//! Everything runs in network namespaces of its own, and nothing here can set the clock.
#![cfg(feature = "nts")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/namespace.rs"]
mod namespace;
#[path = "support/nts_space.rs"]
mod nts_space;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use certificates::Authority;
use namespace::{Namespace, Program, chrony, newer_chrony};
use nix::sys::signal::Signal;
use nts_space::{
    ATTEMPTS, COOKIES, KEY_ID, MODE, NAME, PATIENCE, TYPE, ask, auth, count, start_client, start_client_with,
    start_server, wait_auth, wait_for_good,
};

/// Each exchange spends a cookie and brings another.
fn exchange_a_thousand_times(name: &str, server: &Path, algorithm: &str) {
    let space = Namespace::new(name);
    space.hosts(&format!("127.0.0.1 {NAME}\n"));
    let ca = Authority::new(space.path(""));
    ca.issue("server", "DNS:nts.example", 0, 100);
    let _server = start_server(&space, server, "server", "");
    let mut client = start_client(&space, &format!("server {NAME} iburst nts minpoll -7 maxpoll -7\n"));
    client.wait_for(&format!("Selected source 127.0.0.1 ({NAME})"), PATIENCE);
    wait_for_good(&space, 1000, &client);
    let (good, sent) = (count(&space, "Total good RX"), count(&space, "Total TX"));
    assert!(sent - good <= good / 10, "{good} of {sent}, on a machine that may be busy");
    wait_auth(&space, COOKIES, "8", &client);
    assert_eq!((auth(&space, MODE), auth(&space, TYPE)), ("NTS".into(), algorithm.into()));
    // A busy machine may lose eight cookies in a sixteenth of a second. Without renewal there would be 125.
    assert!(space.connections_made() < 10, "{}\n{}", space.connections_made(), client.log());
    let data = ask(&space, "ntpdata 127.0.0.1");
    assert!(data.contains("Authenticated   : Yes\n"), "{data}");
    assert!(ask(&space, "selectdata").contains(" Y "), "{}", ask(&space, "selectdata"));
}

#[test]
fn the_clock_is_kept_with_keys_and_cookies_of_the_real_chronyd() {
    exchange_a_thousand_times("nts", &chrony(), "15");
}

/// chrony 4.6 of Debian 13 has AES-128-GCM-SIV.
#[test]
fn algorithm_30_is_that_of_a_newer_chronyd() {
    exchange_a_thousand_times("nts-30", &newer_chrony(), "30");
}

/// The server forgets its keys: it answers NAK, and keys are established anew.
#[test]
fn a_server_with_new_keys_is_asked_for_new_cookies() {
    let space = Namespace::new("nts-nak");
    space.hosts(&format!("127.0.0.1 {NAME}\n"));
    let ca = Authority::new(space.path(""));
    ca.issue("server", "DNS:nts.example", 0, 100);
    let server = start_server(&space, &chrony(), "server", "");
    let mut client = start_client(&space, &format!("server {NAME} iburst nts minpoll 0 maxpoll 0\n"));
    client.wait_for(&format!("Selected source 127.0.0.1 ({NAME})"), PATIENCE);
    drop(server);
    let _ = std::fs::remove_file(space.path("server.sock"));
    let _server = start_server(&space, &chrony(), "server", "");
    wait_auth(&space, KEY_ID, "2", &client);
    wait_auth(&space, COOKIES, "8", &client);
    client.still_runs();
}

/// Each certificate that is not right is one line that says what is wrong with it, and what to do.
#[test]
fn certificates_that_are_not_right_are_named_with_the_remedy() {
    let space = Namespace::new("nts-certificates");
    space.hosts(&format!("127.0.0.1 {NAME}\n127.0.0.1 other.example\n"));
    let ca = Authority::new(space.path(""));
    let failed = "TLS handshake with 127.0.0.1:4460 (nts.example) failed : ";
    ca.issue("expired", "DNS:nts.example", -100, -10);
    ca.issue("future", "DNS:nts.example", 10, 100);
    ca.issue("other", "DNS:other.example", 0, 100);
    ca.self_signed("foreign", "DNS:nts.example", true);
    ca.self_signed("unknown", "DNS:nts.example", false);
    for (certificate, said) in [
        ("expired", "a certificate of \"expired\" issued by \"Test CA\" expired at 20"),
        ("future", "a certificate of \"future\" issued by \"Test CA\" is not valid before 20"),
        (
            "other",
            "the certificate of \"other\" issued by \"Test CA\" is not for \"nts.example\" but for other.example",
        ),
        (
            "foreign",
            "the certificate of \"foreign\" issued by \"foreign\" is that of an authority, and not one of those",
        ),
        (
            "unknown",
            "the issuer \"unknown\" of the certificate is not trusted (name its certificate with ntstrustedcerts)",
        ),
    ] {
        let server = start_server(&space, &chrony(), certificate, "");
        let mut client = start_client(&space, &format!("certtimecheck strict\nserver {NAME} iburst nts\n"));
        client.wait_until_line(PATIENCE, |line| line.contains(failed) && line.contains(said));
        client.wait_for("Can't synchronise: no selectable sources (1 unreachable sources)", PATIENCE);
        assert!(ask(&space, "ntpdata").contains("Total TX        : 0\n"), "it is never asked without keys");
        every_report_says_so(&space);
        drop((client, server));
        let _ = std::fs::remove_file(space.path("server.sock"));
    }
}

/// A source whose certificate is not accepted, in the reports of slewd's own commands.
fn every_report_says_so(space: &Namespace) {
    let socket = space.path("slewd.sock").to_string_lossy().into_owned();
    let program = Path::new(env!("CARGO_BIN_EXE_slewd"));
    let report = |command: &[&str]| {
        let output = space.run(program, &[command, &["-h", &socket]].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let why = "the certificate of its NTS-KE server is not accepted";
    let (_, status) = report(&["status"]);
    assert!(status.contains(why), "{status}");
    let (code, check) = report(&["check"]);
    assert!(code == Some(2) && check.contains(why), "{code:?}: {check}");
    for command in [&["status", "--json"][..], &["metrics"]] {
        let (_, text) = report(command);
        assert!(text.contains("certificate"), "{command:?}: {text}");
    }
}

/// An address with a certificate for it, a self-signed one as `openssl req -x509` makes it, and one that is no authority.
#[test]
fn addresses_and_self_signed_certificates_are_good_enough() {
    let space = Namespace::new("nts-self-signed");
    space.hosts(&format!("127.0.0.1 {NAME}\n"));
    let ca = Authority::new(space.path(""));
    ca.issue("address", "IP:127.0.0.1", 0, 100);
    ca.self_signed("authority", "DNS:nts.example", true);
    ca.self_signed("leaf", "DNS:nts.example", false);
    for (certificate, name) in [("address", "127.0.0.1"), ("authority", NAME), ("leaf", "nts.example.")] {
        let server = start_server(&space, &chrony(), certificate, "");
        let trusted = space.path(&format!("{certificate}.crt"));
        let lines = format!("server {name} iburst nts\nntstrustedcerts {}\n", trusted.display());
        let mut client = start_client(&space, &lines);
        client.wait_until_line(PATIENCE, |line| line.contains("Selected source 127.0.0.1"));
        drop((client, server));
        let _ = std::fs::remove_file(space.path("server.sock"));
    }
}

/// The server of keys says that another one tells the time, at another port.
#[test]
fn the_server_of_keys_may_name_another_for_the_time() {
    let space = Namespace::new("nts-other");
    space.hosts(&format!("127.0.0.1 {NAME}\n127.0.0.3 time.example\n"));
    let ca = Authority::new(space.path(""));
    ca.issue("server", "DNS:nts.example", 0, 100);
    let _server = start_server(&space, &chrony(), "server", "ntsntpserver time.example\nport 11123\n");
    let mut client = start_client(&space, &format!("server {NAME} iburst nts\n"));
    client.wait_for(&format!("Source 127.0.0.1 changed to 127.0.0.3 ({NAME})"), PATIENCE);
    client.wait_for(&format!("Selected source 127.0.0.3 ({NAME})"), PATIENCE);
}

/// Each of these has one server for itself, with a certificate that only this line makes good, or bad.
#[test]
fn each_line_about_certificates_does_what_it_says() {
    let space = Namespace::new("nts-lines");
    space.hosts(&format!("127.0.0.1 {NAME}\n"));
    let ca = Authority::new(space.path(""));
    ca.issue("expired", "DNS:nts.example", -100, -10);
    ca.issue("good", "DNS:nts.example", 0, 100);
    let own = space.path("ca.crt");
    let trusted = format!("ntstrustedcerts 7 {}\n", own.display());
    let directory = space.path("authorities");
    std::fs::create_dir(&directory).expect("it is ours");
    std::fs::copy(&own, directory.join("one.pem")).expect("it is ours");
    let in_directory = format!("ntstrustedcerts 9 {}\n", directory.display());
    let selected = format!("Selected source 127.0.0.1 ({NAME})");
    for (certificate, server_lines, client_lines, said) in [
        ("expired", "", format!("nocerttimecheck 1\nserver {NAME} iburst nts\n"), selected.as_str()),
        ("good", "", format!("{trusted}server {NAME} iburst nts certset 7\n"), &selected),
        ("good", "", format!("{in_directory}server {NAME} iburst nts certset 9\n"), &selected),
        ("good", "", format!("server {NAME} iburst nts certset 8\n"), "no certificate of an authority is there"),
        ("good", "ntsport 14460\n", format!("server {NAME} iburst nts ntsport 14460\n"), &selected),
        ("good", "", format!("ntsaeads 30\nserver {NAME} iburst nts\n"), "no AEAD algorithm in common"),
        ("expired", "", format!("certtimecheck strict\nserver {NAME} iburst nts\n"), "expired at 20"),
    ] {
        let server = start_server(&space, &chrony(), certificate, server_lines);
        let mut client = start_client(&space, &client_lines);
        client.wait_until_line(PATIENCE, |line| line.contains(said));
        drop((client, server));
        let _ = std::fs::remove_file(space.path("server.sock"));
    }
}

/// An establishment that cannot even be started is tried again every two seconds, and the log says so once.
#[test]
fn what_cannot_be_started_is_tried_again_every_two_seconds() {
    let space = Namespace::new("nts-start");
    Authority::new(space.path(""));
    let mut client = start_client(&space, "bindacqaddress 192.0.2.1\nserver 127.0.0.1 iburst nts\n");
    let said = "Could not connect to 127.0.0.1:4460 : Cannot assign requested address";
    client.wait_for(said, PATIENCE);
    let began = Instant::now();
    wait_auth(&space, ATTEMPTS, "4", &client);
    let took = began.elapsed().as_secs_f64();
    assert!((5.5..8.0).contains(&took), "{took} s");
    assert_eq!(client.log().matches(said).count(), 1, "{}", client.log());
}

#[test]
fn keys_are_renewed_at_the_age_of_ntsrefresh() {
    let space = Namespace::new("nts-refresh");
    space.hosts(&format!("127.0.0.1 {NAME}\n"));
    let ca = Authority::new(space.path(""));
    ca.issue("server", "DNS:nts.example", 0, 100);
    let _server = start_server(&space, &chrony(), "server", "");
    let mut client = start_client(&space, &format!("ntsrefresh 3\nserver {NAME} iburst nts minpoll 0 maxpoll 0\n"));
    client.wait_for(&format!("Selected source 127.0.0.1 ({NAME})"), PATIENCE);
    wait_auth(&space, KEY_ID, "3", &client);
    let sources = ask(&space, "sources");
    assert!(sources.contains(" 377 ") || sources.contains(" 77 ") || sources.contains("^* 127.0.0.1"), "{sources}");
}

/// A client of chronyd, which trusts the authority of the test and keeps its keys where slewd does.
fn start_their_client(space: &Namespace, lines: &str) -> Program {
    let conf = format!(
        "{lines}port 0\ncmdport 0\nbindcmdaddress {0}/theirs.sock\npidfile {0}/theirs.pid\n\
         nosystemcert\nntstrustedcerts {0}/ca.crt\n",
        space.path("").display()
    );
    let conf = space.file("theirs.conf", &conf);
    let arguments = ["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()];
    space.start_as("theirs", &chrony().join("chronyd"), &arguments)
}

/// slewd, slewd again, chronyd, and slewd once more live on the keys of one establishment.
#[test]
fn keys_are_kept_from_one_run_to_the_next_and_for_chronyd() {
    let space = Namespace::new("nts-dump");
    space.hosts(&format!("127.0.0.1 {NAME}\n"));
    let ca = Authority::new(space.path(""));
    ca.issue("server", "DNS:nts.example", 0, 100);
    let _server = start_server(&space, &chrony(), "server", "");
    let kept = space.path("keys/127.0.0.1.nts");
    let lines = |word: &str| format!("{word} {}\nserver {NAME} iburst nts\n", space.path("keys").display());
    let selected = format!("Selected source 127.0.0.1 ({NAME})");
    let mut established = 0;
    let mut logs = String::new();
    for (run, word) in ["ntsdumpdir", "ntscachedir", "theirs", "ntsdumpdir"].into_iter().enumerate() {
        let is_theirs = word == "theirs";
        let mut client = if is_theirs {
            start_their_client(&space, &lines("ntsdumpdir"))
        } else {
            start_client_with(&space, &["-L", "-1"], &lines(word))
        };
        client.wait_until_line(PATIENCE, |line| line.ends_with(&selected));
        assert!(is_theirs || !kept.exists(), "a cookie is not shown twice");
        client.signal(Signal::SIGTERM);
        assert!(client.wait().success());
        let mode = std::fs::metadata(&kept).expect("keys are kept").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "run {run}");
        let connections = space.connections_made();
        assert!(run == 0 || connections == established, "run {run} has established keys anew");
        established = connections;
        logs += &client.log();
    }
    assert_eq!(established, 1);
    let secrets = std::fs::read_to_string(&kept).expect("keys are kept");
    let secrets: Vec<&str> = secrets.split_whitespace().filter(|word| word.len() >= 64).collect();
    assert!(secrets.len() >= 3 && logs.contains("Waiting for"), "keys of both directions and cookies:\n{logs}");
    let decimal = |secret: &str| {
        let byte = |at: usize| u8::from_str_radix(&secret[at..at + 2], 16).map(|byte| byte.to_string());
        (0..16).step_by(2).flat_map(byte).collect::<Vec<_>>().join(", ")
    };
    let is_told = |secret: &&str| logs.contains(&secret[..16]) || logs.contains(&decimal(secret));
    assert!(!secrets.iter().any(is_told), "no log has them, not even the most verbose:\n{logs}");
}
