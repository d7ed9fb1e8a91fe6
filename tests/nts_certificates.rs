//! Where certificates of authorities are found, whose dates are good enough when, and a system that forbids the cryptography
//! of NTS.
#![cfg(feature = "nts")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/inside.rs"]
mod inside;
#[path = "support/tls_server.rs"]
mod tls_server;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::thread::spawn;

use certificates::Authority;
use inside::{PATIENCE, inside, path, run, start};
use slewd::core::api::nts::{DateRule, Dates, Established, EstablishmentId, KeyFailure, KeyRequest};
use slewd::core::api::settings::Family;
use slewd::nts::session::Session;
use slewd::nts::trust::Trust;
use slewd::time::{Span, Utc};
use slewd::wire::nts::aead::Algorithm;
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

/// Keys of a server on this machine, whose certificate is judged like this.
fn establish(trust: &Arc<Trust>, dates: Dates) -> Result<Established, KeyFailure> {
    let server: SocketAddr = "127.0.0.1:4460".parse().expect("an address");
    let request = KeyRequest {
        id: EstablishmentId(1),
        server,
        name: None,
        cert_set: 0,
        dates,
        denied: Vec::new(),
        port: 123,
        family: Family::Any,
    };
    let mut session = Session::new(&request, &[Algorithm::SivCmac256], trust.clone())?;
    let mut stream = TcpStream::connect(server).expect("it listens");
    let mut buffer = [0; 4096];
    loop {
        stream.write_all(&session.outgoing()).expect("it reads");
        let count = stream.read(&mut buffer).expect("it answers");
        assert!(count > 0, "it closes");
        if let Some(established) = session.receive(&buffer[..count])? {
            return Ok(established);
        }
    }
}

/// What becomes of a certificate.
#[derive(Clone, Copy)]
enum Outcome {
    Refused,
    Accepted,
    /// As long as what is told lies between these days from now.
    Between(i64, i64),
}

/// Days from now that a certificate is valid, the rule, and the outcome. It cannot be earlier than fifty days ago.
#[test]
fn dates_are_judged_by_their_rule() {
    use DateRule::{Provisional, Strict, Unchecked};
    use Outcome::{Accepted, Between, Refused};
    let table = [
        (-1, 100, Strict, Accepted),
        (-100, -10, Strict, Refused),
        (10, 100, Strict, Refused),
        (-1, 100, Unchecked, Accepted),
        (-100, -10, Unchecked, Accepted),
        (10, 100, Unchecked, Accepted),
        // Also where the dates include the present, for that is uncertain.
        (-1, 100, Provisional, Between(-1, 100)),
        (-100, 100, Provisional, Between(-50, 100)),
        (-100, -10, Provisional, Between(-50, -10)),
        (10, 100, Provisional, Between(10, 100)),
        (-100, -60, Provisional, Refused),
    ];
    inside(|| {
        serve_keys();
        let authority = Authority::new(path(""));
        let mut trust = Trust::nobody();
        trust.add_pem(&fs::read(path("ca.crt")).expect("it is there"), false);
        let trust = Arc::new(trust);
        for (from, until, rule, expected) in table {
            authority.issue("server", "IP:127.0.0.1", from, until);
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later");
            let present = Utc::from_secs(now.as_secs() as i64);
            let day = |days: i64| present + Span::from_secs(86_400 * days);
            let outcome = establish(&trust, Dates { floor: day(-50), present, rule });
            let is_near = |one: Utc, days: i64| (one - day(days)).abs() < Span::from_secs(60);
            let is_right = match (&outcome, expected) {
                (Err(failure), Refused) => {
                    failure.text.contains("expired at") || failure.text.contains("not valid before")
                }
                (Ok(established), Accepted) => established.provisional.is_none(),
                (Ok(Established { provisional: Some(window), .. }), Between(first, last)) => {
                    is_near(window.from, first) && is_near(window.until, last)
                }
                _ => false,
            };
            assert!(is_right, "{from} to {until}, {rule:?}: {outcome:?}");
        }
    });
}
