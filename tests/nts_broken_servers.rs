//! Servers of NTS keys that are broken, each in its own way: none of them is believed, each is named with what is wrong with
//! it, none keeps the others waiting, and each is tried again when it should be.
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
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use certificates::Authority;
use inside::{inside, path, start};
use tls_server::{answer, end, good, record};

/// What a server does before TLS, or in its place.
#[derive(Clone, Copy)]
enum Breaks {
    /// Closes the connection at once.
    ClosesAtOnce,
    /// Closes it when it has heard the client.
    ClosesAfterHello,
    /// Says nothing.
    Stalls,
    /// Answers so, and not in TLS.
    Says(&'static [u8]),
    /// Is done with TLS, and answers the request with this.
    Answers(fn() -> Vec<u8>),
    /// The same, and leaves the connection open.
    AnswersAndStalls(fn() -> Vec<u8>),
    /// TLS with another protocol, or none.
    Alpn(Option<&'static [u8]>),
    /// Begins to say this, not in TLS, and then nothing more.
    SaysAndStalls(&'static [u8]),
    /// Says this, not in TLS, again and again.
    Repeats(&'static [u8]),
}

/// When it is tried again (chronyd's pauses).
#[derive(Clone, Copy, PartialEq)]
enum Retry {
    /// After 16 s: the network may be at fault.
    Soon,
    /// After 1024 s at least: the server is.
    Late,
}

use Breaks::*;

/// The last byte of its address, what the server does, what the log says of it, when it is tried again.
type Server = (u8, Breaks, &'static str, Retry);

/// From the first byte to the end of the answer.
const SERVERS: [Server; 15] = [
    (2, ClosesAtOnce, "it closed the connection", Retry::Soon),
    (3, ClosesAfterHello, "it closed the connection", Retry::Soon),
    (4, Stalls, "NTS-KE session with 127.0.0.4:4460 timed out", Retry::Soon),
    (5, Says(b"SSH-2.0-OpenSSH_9.2\r\n"), "it does not speak TLS", Retry::Late),
    (6, Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "it does not speak TLS", Retry::Late),
    (7, Says(&[0x16, 3, 3, 0, 4, 2, 0, 0, 0]), "TLS handshake with 127.0.0.7:4460 failed : ", Retry::Late),
    (8, Alpn(None), "NTS-KE not supported by 127.0.0.8:4460", Retry::Late),
    (9, Alpn(Some(b"http/1.1")), "NTS-KE not supported by 127.0.0.9:4460", Retry::Late),
    (10, Answers(Vec::new), "it closed the connection without an answer", Retry::Soon),
    (11, Answers(|| b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(800)), "invalid NTS-KE response", Retry::Late),
    (12, Answers(|| record(0x2000, &[0; 1000]).repeat(100)), "more than 16384 bytes", Retry::Late),
    (13, Answers(|| [record(0x8001, &[0, 0]), record(0x8002, &[0, 1]), end()].concat()), "error 1", Retry::Late),
    (14, Answers(|| [good(), record(0x8077, &[]), end()].concat()), "unknown type 119", Retry::Late),
    (15, AnswersAndStalls(good), "NTS-KE session with 127.0.0.15:4460 timed out", Retry::Soon),
    (16, Answers(|| [record(0x8001, &[0, 0]), record(0x8004, &[0, 15]), end()].concat()), "\"cookie\"", Retry::Late),
];

/// In the middle of the handshake, and of the answer.
const IN_THE_MIDDLE: [Server; 7] = [
    (20, SaysAndStalls(&[0x16, 3]), "NTS-KE session with 127.0.0.20:4460 timed out", Retry::Soon),
    // A ServerHello of 122 bytes that ends after its first.
    (21, SaysAndStalls(&[0x16, 3, 3, 0, 122, 2]), "NTS-KE session with 127.0.0.21:4460 timed out", Retry::Soon),
    (22, Says(&[0x16, 3, 3, 0, 122, 2]), "it closed the connection", Retry::Soon),
    // Parts of a message that would have 16 MB.
    (
        23,
        Repeats(&[0x16, 3, 3, 0, 8, 2, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        "TLS handshake with 127.0.0.23:4460",
        Retry::Late,
    ),
    // Change cipher spec, of which one is ignored.
    (24, Repeats(&[0x14, 3, 3, 0, 1, 1]), "TLS handshake with 127.0.0.24:4460", Retry::Late),
    (25, Answers(good), "it closed the connection without an answer", Retry::Soon),
    (26, Answers(|| [good(), end(), record(5, &[7; 100])].concat()), "data after the end of the message", Retry::Late),
];

/// Moments at which somebody connected.
type Visits = Arc<Mutex<Vec<Instant>>>;

fn serve(number: u8, breaks: Breaks) -> Visits {
    let listener = TcpListener::bind(format!("127.0.0.{number}:4460")).expect("the address is ours");
    let visits = Visits::default();
    let noted = visits.clone();
    spawn(move || {
        for connection in listener.incoming().flatten() {
            noted.lock().expect("no panic").push(Instant::now());
            spawn(move || misbehave(connection, breaks));
        }
    });
    visits
}

/// The connection lasts as long as this takes. What the client makes of it is seen in its log.
fn misbehave(mut connection: TcpStream, breaks: Breaks) {
    let mut hello = [0; 4096];
    match breaks {
        ClosesAtOnce => {}
        ClosesAfterHello => {
            let _ = connection.read(&mut hello);
        }
        Stalls => sleep(Duration::from_secs(60)),
        Says(what) => {
            let _ = connection.read(&mut hello);
            let _ = connection.write_all(what);
            sleep(Duration::from_secs(2));
        }
        SaysAndStalls(what) => {
            let _ = connection.read(&mut hello);
            let _ = connection.write_all(what);
            sleep(Duration::from_secs(60));
        }
        Repeats(what) => {
            let _ = connection.read(&mut hello);
            while connection.write_all(what).is_ok() {}
        }
        Answers(what) => drop(answer(connection, Some(b"ntske/1"), |_| what())),
        AnswersAndStalls(what) => {
            let _open = answer(connection, Some(b"ntske/1"), |_| what());
            sleep(Duration::from_secs(60));
        }
        Alpn(protocol) => drop(answer(connection, protocol, |_| [good(), end()].concat())),
    }
}

#[test]
fn none_is_believed_and_each_is_named_and_tried_again_in_time() {
    inside(|| all_at_once(&SERVERS));
}

#[test]
fn what_breaks_in_the_middle_is_named_and_tried_again_in_time() {
    inside(|| all_at_once(&IN_THE_MIDDLE));
}

/// Beside one that is not there.
fn all_at_once(servers: &[Server]) {
    let ca = Authority::new(path(""));
    let names: Vec<String> = (1..=30).map(|number| format!("IP:127.0.0.{number}")).collect();
    ca.issue("server", &names.join(","), 0, 100);
    let visits: Vec<Visits> = servers.iter().map(|(number, breaks, ..)| serve(*number, *breaks)).collect();
    let mut lines: Vec<String> =
        servers.iter().map(|(number, ..)| format!("server 127.0.0.{number} iburst nts")).collect();
    lines.extend(["server 127.0.0.17 iburst nts".to_owned(), "nosystemcert".to_owned(), "cmdport 0".to_owned()]);
    lines.push(format!("ntstrustedcerts {}", path("ca.crt").display()));
    let began = Instant::now();
    let mut slewd = start(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    slewd.wait_for("Could not connect to 127.0.0.17:4460 : Connection refused");
    for (number, _, said, _) in servers {
        let server = format!("127.0.0.{number}:4460");
        slewd.wait_until(said, |slewd| slewd.log().lines().any(|line| line.contains(&server) && line.contains(said)));
    }
    // The first pause is over for those that are tried again soon. What stalls does so for 16 s before its pause.
    while began.elapsed() < Duration::from_millis(17_400) {
        sleep(Duration::from_millis(100));
    }
    assert!(slewd.is_running());
    let log = slewd.log();
    assert!(!log.contains("Selected source"), "{log}");
    for ((number, breaks, _, retry), visits) in servers.iter().zip(&visits) {
        let visits = visits.lock().expect("no panic");
        let gaps: Vec<f64> = visits.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        let expected = match (retry, breaks) {
            (Retry::Late, _) | (Retry::Soon, Stalls | Says(_) | SaysAndStalls(_) | AnswersAndStalls(_)) => None,
            (Retry::Soon, _) => Some(16.0),
        };
        let is_in_time = match (expected, gaps.first()) {
            (Some(expected), Some(gap)) => (gap - expected).abs() < 1.0,
            (expected, gap) => expected.is_none() == gap.is_none(),
        };
        assert!(is_in_time, "127.0.0.{number}: {gaps:?}, not {expected:?}:\n{log}");
        let server = format!("127.0.0.{number}:4460");
        let told: Vec<&str> = log.lines().filter(|line| line.contains(&server)).collect();
        assert_eq!(told.len(), 1, "{told:?}");
    }
}

/// openssl as a server that has nothing newer than TLS 1.2.
#[test]
fn tls_1_2_is_not_good_enough() {
    inside(|| {
        Authority::new(path("")).issue("server", "IP:127.0.0.1", 0, 100);
        let log = fs::File::create(path("openssl.log")).expect("the test's directory is writable");
        let server = Command::new("openssl")
            .args(["s_server", "-tls1_2", "-alpn", "ntske/1", "-accept", "127.0.0.1:4460", "-cert"])
            .arg(path("server.crt"))
            .arg("-key")
            .arg(path("server.key"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a log can be shared"))
            .stderr(log)
            .spawn();
        let mut server = server.expect("openssl runs: apt-get install openssl");
        while TcpStream::connect("127.0.0.1:4460").is_err() {
            sleep(Duration::from_millis(20));
        }
        let trusted = format!("ntstrustedcerts {}", path("ca.crt").display());
        let mut slewd = start(&["server 127.0.0.1 iburst nts", "nosystemcert", "cmdport 0", &trusted]);
        slewd.wait_for("TLS handshake with 127.0.0.1:4460 failed : it does not speak TLS 1.3 as NTS needs it");
        let _ = server.kill();
        let _ = server.wait();
    });
}
