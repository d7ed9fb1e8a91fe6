//! NTS with servers of other kinds: certificates of every kind that openssl makes, chronyd whose exporter is odd, ntpd-rs.
//!
//! Everything runs in network namespaces of its own, and nothing here can set the clock.
#![cfg(feature = "nts")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/namespace.rs"]
mod namespace;
#[path = "../src/not_run.rs"]
mod not_run;
#[path = "support/nts_space.rs"]
mod nts_space;
#[path = "support/refuse.rs"]
mod preloaded;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use certificates::{Authority, P_256};
use namespace::{Namespace, Program, chrony, newer_chrony};
use not_run::not_run;
use nts_space::{
    COOKIES, KEY_ID, MODE, NAME, PATIENCE, TYPE, ask, auth, count, count_in, start_client, start_server, wait_auth,
    wait_for_good,
};

/// A kind of key as openssl(1) makes it, and the digest that its authority signs.
const KINDS: [(&str, &str, &str); 6] = [
    ("rsa-2048", "rsa:2048", "sha256"),
    ("rsa-4096", "rsa:4096", "sha512"),
    ("p-256", P_256, "sha256"),
    ("p-384", "ec -pkeyopt ec_paramgen_curve:P-384", "sha384"),
    ("p-384-256", "ec -pkeyopt ec_paramgen_curve:P-384", "sha256"),
    ("ed25519", "ed25519", "sha256"),
];

/// Lines of a server who is trusted with the certificates of this file alone.
fn line(address: &str, index: usize, file: &Path) -> String {
    let set = index + 1;
    format!("server {address} iburst nts certset {set}\nntstrustedcerts {set} {}\n", file.display())
}

/// chronyd at an address of its own, with one certificate.
fn start_server_at(space: &Namespace, address: &str, certificate: &str) -> Program {
    let conf = format!(
        "local stratum 8\nallow all\nbindaddress {address}\ncmdport 0\nbindcmdaddress /\npidfile {0}/{address}.pid\n\
         ntsserverkey {0}/{certificate}.key\nntsservercert {0}/{certificate}.crt\n",
        space.path("").display()
    );
    let conf = space.file(&format!("{certificate}.conf"), &conf);
    let arguments = ["-x", "-d", "-u", "root", "-f", &conf.to_string_lossy()];
    space.start_as(certificate, &chrony().join("chronyd"), &arguments)
}

/// Each kind twice: certified by an authority of the same kind, and as `openssl req -x509` makes it.
#[test]
fn every_kind_of_certificate_that_openssl_makes_is_good_enough() {
    let space = Namespace::new("nts-kinds");
    let (mut lines, mut servers) = (String::new(), Vec::new());
    for (index, (kind, key, digest)) in KINDS.into_iter().enumerate() {
        let ca = Authority::of_kind(space.path(""), key, digest);
        let (issued, own) = (format!("127.0.1.{index}"), format!("127.0.2.{index}"));
        ca.issue(kind, &format!("IP:{issued}"), 0, 100);
        fs::rename(space.path("ca.crt"), space.path(&format!("{kind}-ca.crt"))).expect("it is there");
        let itself = format!("{kind}-itself");
        ca.self_signed(&itself, &format!("IP:{own}"), true);
        for (address, certificate, trusted) in [(&issued, kind, format!("{kind}-ca")), (&own, &*itself, itself.clone())]
        {
            lines += &line(address, index, &space.path(&format!("{trusted}.crt")));
            servers.push((address.clone(), start_server_at(&space, address, certificate)));
        }
    }
    for (_, server) in &mut servers {
        server.wait_for("Disabled control of system clock", PATIENCE);
    }
    Authority::new(space.path(""));
    let mut client = start_client(&space, &lines);
    client.wait_until_line(PATIENCE, |line| line.contains("Selected source"));
    let deadline = Instant::now() + PATIENCE;
    let has_keys = |data: &str, address: &str| {
        let line = data.lines().find(|line| line.starts_with(&format!("{address} "))).unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(1 + MODE) == Some(&"NTS") && words.get(1 + COOKIES) == Some(&"8")
    };
    loop {
        let data = ask(&space, "authdata");
        let without: Vec<&str> =
            servers.iter().map(|(address, _)| &**address).filter(|address| !has_keys(&data, address)).collect();
        if without.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{without:?}:\n{data}\n{}", client.log());
        sleep(Duration::from_millis(100));
    }
}

/// Kinds that openssl makes as well, and nobody here can check: the log says which are good.
#[test]
fn certificates_of_other_kinds_are_refused_with_the_remedy() {
    let space = Namespace::new("nts-other-kinds");
    let closed = "it closed the connection (is ntsport right? is the key of its certificate RSA of 2048 bits or more";
    let kinds = [
        ("p-521", "ec -pkeyopt ec_paramgen_curve:P-521", closed),
        ("ed448", "ed448", closed),
        ("rsa-pss", "rsa-pss -pkeyopt rsa_keygen_bits:2048", closed),
        ("rsa-1024", "rsa:1024", "it has not signed with the key of its certificate, which should be RSA of 2048 bits"),
    ];
    let (mut lines, mut servers) = (String::new(), Vec::new());
    for (index, (kind, key, _)) in kinds.into_iter().enumerate() {
        let (address, file) = (format!("127.0.1.{index}"), space.path(&format!("{kind}.crt")));
        Authority::of_kind(space.path(""), key, "sha256").self_signed(kind, &format!("IP:{address}"), true);
        lines += &line(&address, index, &file);
        servers.push(start_server_at(&space, &address, kind));
    }
    for server in &mut servers {
        server.wait_for("Disabled control of system clock", PATIENCE);
    }
    Authority::new(space.path(""));
    let mut client = start_client(&space, &lines);
    for (index, (_, _, said)) in kinds.into_iter().enumerate() {
        let failed = format!("TLS handshake with 127.0.1.{index}:4460 failed : {said}");
        client.wait_until_line(PATIENCE, |line| line.contains(&failed));
    }
}

/// chronyd of Debian 13 that hides the record 1024 from one side.
fn start_odd_server(space: &Namespace, hidden_from: &str) -> Program {
    let library = preloaded::compile("hide_record");
    let script = format!(
        "#!/bin/sh\nexec env LD_PRELOAD={} HIDE={hidden_from} {} \"$@\"\n",
        library.display(),
        newer_chrony().join("chronyd").display()
    );
    let path = space.file("chronyd", &script);
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it is ours");
    start_server(space, &space.path(""), "server", "")
}

/// Without an echo of the record 1024 keys of algorithm 30 are first taken as chronyd before 4.6.1 exports them, and then, if
/// there is nothing but NAKs, as RFC 8915 says: without a new session.
#[test]
fn both_exports_of_algorithm_30_are_understood() {
    for (hidden_from, naks) in [("server", 0), ("client", 1)] {
        let space = Namespace::new(&format!("nts-export-{hidden_from}"));
        space.hosts(&format!("127.0.0.1 {NAME}\n"));
        Authority::new(space.path("")).issue("server", "DNS:nts.example", 0, 100);
        let mut server = start_odd_server(&space, hidden_from);
        let mut client = start_client(&space, &format!("server {NAME} iburst nts minpoll -2 maxpoll -2\n"));
        server.wait_for_line(&format!("record 1024 is hidden from the {hidden_from}"), PATIENCE);
        client.wait_for(&format!("Selected source 127.0.0.1 ({NAME})"), PATIENCE);
        wait_for_good(&space, 8, &client);
        wait_auth(&space, COOKIES, "8", &client);
        assert_eq!((auth(&space, TYPE), auth(&space, KEY_ID)), ("30".into(), "1".into()), "{}", client.log());
        assert_eq!(space.connections_made(), 1, "{}", client.log());
        let data = ask(&space, "ntpdata 127.0.0.1");
        let lost = count_in(&data, "Total RX") - count_in(&data, "Total good RX");
        assert_eq!(lost, naks, "{hidden_from}: {data}\n{}", client.log());
    }
}

/// The server of `tests/support/fetch-ntpd-rs`, if it is there: it takes minutes to build.
fn ntpd_rs() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ntpd-rs/bin/ntp-daemon");
    path.exists().then_some(path)
}

/// ntpd-rs with keys for cookies that outlive it. It has no source and no right to the clock: it tells what the clock says.
fn start_ntpd_rs(space: &Namespace, program: &Path) -> Program {
    let conf = format!(
        "[observability]\nlog-level = \"info\"\nansi-colors = false\n[synchronization]\nlocal-stratum = 1\n\
         [[server]]\nlisten = \"127.0.0.1:123\"\n[[nts-ke-server]]\nlisten = \"127.0.0.1:4460\"\n\
         certificate-chain-path = \"{0}/server.crt\"\nprivate-key-path = \"{0}/server.key\"\n\
         [keyset]\nkey-storage-path = \"{0}/cookies.key\"\n",
        space.path("").display()
    );
    let conf = space.file("ntp.toml", &conf);
    let server = space.start_as("ntpd-rs", program, &["-c", &conf.to_string_lossy()]);
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(space.path("ntpd-rs.log")).is_ok_and(|log| log.contains("will not change system time"))
        || !space.udp_sockets().contains("0100007F:007B")
    {
        assert!(Instant::now() < deadline, "{}", server.log());
        sleep(Duration::from_millis(20));
    }
    server
}

/// Another program for the server: a thousand exchanges, a restart with the keys it had, and one that has lost them.
#[test]
fn ntpd_rs_is_a_server_as_good_as_chronyd() {
    let Some(program) = ntpd_rs() else { return not_run("ntpd-rs: tests/support/fetch-ntpd-rs, or tests/run --full") };
    let space = Namespace::new("ntpd-rs");
    space.hosts(&format!("127.0.0.1 {NAME}\n"));
    Authority::new(space.path("")).issue("server", "DNS:nts.example", 0, 100);
    let server = start_ntpd_rs(&space, &program);
    let mut client = start_client(&space, &format!("server {NAME} iburst nts minpoll -6 maxpoll -6\n"));
    client.wait_for(&format!("Selected source 127.0.0.1 ({NAME})"), PATIENCE);
    wait_for_good(&space, 1000, &client);
    wait_auth(&space, COOKIES, "8", &client);
    assert_eq!((auth(&space, MODE), auth(&space, TYPE)), ("NTS".into(), "15".into()));
    // A busy machine may lose eight cookies in an eighth of a second. Without renewal there would be 125.
    assert!(space.connections_made() < 10, "{}\n{}", space.connections_made(), client.log());
    drop(client);
    let client = start_client(&space, &format!("server {NAME} iburst nts minpoll 0 maxpoll 0\n"));
    let go_on = |client: &Program| {
        let before = count(&space, "Total good RX");
        wait_for_good(&space, before + 2, client);
    };
    wait_auth(&space, KEY_ID, "1", &client);
    go_on(&client);
    drop(server);
    let server = start_ntpd_rs(&space, &program);
    go_on(&client);
    assert_eq!(auth(&space, KEY_ID), "1", "it knows its keys: {}", client.log());
    drop(server);
    fs::remove_file(space.path("cookies.key")).expect("it keeps its keys there");
    let _server = start_ntpd_rs(&space, &program);
    wait_auth(&space, KEY_ID, "2", &client);
    go_on(&client);
    drop(client);
    let mut client = start_client(&space, &format!("ntsaeads 30\nserver {NAME} iburst nts\n"));
    client.wait_until_line(PATIENCE, |line| line.contains("no AEAD algorithm in common"));
}
