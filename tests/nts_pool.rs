//! A pool with NTS: one name with one address, behind which are several servers of time.
#![cfg(feature = "nts")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/inside.rs"]
mod inside;
#[path = "support/tls_server.rs"]
mod tls_server;

use std::fs;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use certificates::Authority;
use inside::{inside, path, run, start};
use tls_server::{answer, end, good, record};

/// Names of servers in records of type 13: those that the client does not want (draft-ietf-ntp-nts-keyexchange-pool).
fn denied(mut request: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let [a, b, c, d, rest @ ..] = request {
        let (body, after) = rest.split_at(usize::from(u16::from_be_bytes([*c, *d])));
        if u16::from_be_bytes([*a, *b]) == 13 {
            names.push(String::from_utf8_lossy(body).into_owned());
        }
        request = after;
    }
    names
}

/// Names the first of its servers that the client does not have, and notes what it was told.
#[test]
fn each_establishment_yields_a_server_that_the_line_does_not_have() {
    inside(|| {
        fs::write(path("hosts"), "127.0.0.1 pool.example\n").expect("the test's directory is writable");
        run("mount", &format!("--bind {} /etc/hosts", path("hosts").display()));
        Authority::new(path("")).issue("server", "DNS:pool.example", 0, 100);
        let asked: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
        let noted = asked.clone();
        let listener = TcpListener::bind("127.0.0.1:4460").expect("the address is ours");
        spawn(move || {
            for connection in listener.incoming().flatten() {
                let _ = answer(connection, Some(b"ntske/1"), |request| {
                    let denied = denied(request);
                    let servers = (2..9).map(|number| format!("127.0.0.{number}"));
                    let server = servers.into_iter().find(|server| !denied.contains(server)).expect("there are enough");
                    noted.lock().expect("no panic").push(denied);
                    [good(), record(6, server.as_bytes()), end()].concat()
                });
            }
        });
        let trusted = format!("ntstrustedcerts {}", path("ca.crt").display());
        let mut slewd = start(&["pool pool.example iburst nts maxsources 3", "nosystemcert", "cmdport 0", &trusted]);
        for number in 2..=4 {
            slewd.wait_for(&format!("changed to 127.0.0.{number} (pool.example)"));
        }
        let expected: [&[&str]; 3] = [&[], &["127.0.0.2"], &["127.0.0.2", "127.0.0.3"]];
        assert_eq!(*asked.lock().expect("no panic"), expected);
    });
}
