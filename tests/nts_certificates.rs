//! Where certificates of authorities are found, and a system that forbids the cryptography of NTS.
#![cfg(feature = "nts")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/inside.rs"]
mod inside;
#[path = "support/tls_server.rs"]
mod tls_server;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::thread::spawn;

use certificates::Authority;
use inside::{PATIENCE, inside, path, run, start};
use tls_server::{answer, end, good, record};

/// A server of keys that names another for the time, which the log says when all went well.
fn serve_keys() {
    Authority::new(path("")).issue("server", "IP:127.0.0.1", 0, 100);
    let listener = TcpListener::bind("127.0.0.1:4460").expect("the address is ours");
    spawn(move || {
        for connection in listener.incoming().flatten() {
            let _ = answer(connection, Some(b"ntske/1"), |_| [good(), record(6, b"127.0.0.2"), end()].concat());
        }
    });
}

/// Bundles of Debian, Ubuntu, Arch and Alpine; Fedora; Red Hat; OpenSUSE, new and old; Alpine; and a directory of Buildroot.
const PLACES: [&str; 7] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs/Test_CA.pem",
];

#[test]
fn the_authorities_of_each_distribution_are_found() {
    inside(|| {
        serve_keys();
        // A machine with as little in /etc as slewd needs.
        run("mkdir", "/run/etc /run/lib");
        run("cp", "/etc/passwd /etc/group /etc/nsswitch.conf /run/etc");
        run("mount", "--bind /run/etc /etc");
        run("mount", "--bind /run/lib /var/lib");
        let mut slewd = start(&["server 127.0.0.1 nts", "cmdport 0"]);
        slewd.wait_for("no certificate of an authority is there (install ca-certificates, or see ntstrustedcerts)");
        drop(slewd);
        for place in PLACES {
            let directory = Path::new(place).parent().expect("it is in a directory");
            fs::create_dir_all(directory).expect("it is ours");
            fs::copy(path("ca.crt"), place).expect("it is ours");
            let mut slewd = start(&["server 127.0.0.1 nts", "cmdport 0"]);
            slewd.wait_for("Source 127.0.0.1 changed to 127.0.0.2");
            drop(slewd);
            fs::remove_file(place).expect("it is ours");
        }
    });
}

#[test]
fn in_fips_mode_one_line_says_so_and_other_sources_are_asked() {
    inside(|| {
        serve_keys();
        // What the kernel says with fips=1. One that knows no such mode has no such directory.
        run("mount", "-t tmpfs none /proc/sys");
        run("mkdir", "/proc/sys/crypto");
        fs::write("/proc/sys/crypto/fips_enabled", "1\n").expect("it is ours");
        let trusted = format!("ntstrustedcerts {}", path("ca.crt").display());
        let other = UdpSocket::bind("127.0.0.3:123").expect("the address is ours");
        other.set_read_timeout(Some(PATIENCE)).expect("a time");
        let mut slewd = start(&["server 127.0.0.1 nts", "server 127.0.0.3", "cmdport 0", &trusted]);
        slewd.wait_for("NTS-KE session with 127.0.0.1:4460 not started : this system is in FIPS mode");
        other.recv(&mut [0; 64]).expect("the other source is asked");
        assert!(slewd.is_running());
        assert_eq!(slewd.log().matches("FIPS").count(), 1, "{}", slewd.log());
    });
}
