//! Somebody on the path between slewd and a real server with NTS: he reads, changes, repeats and forges what he likes, and
//! no sample of his is accepted. When he leaves, slewd goes on.
#![cfg(feature = "nts")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/inside.rs"]
mod inside;
#[path = "support/namespace.rs"]
mod namespace;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use certificates::Authority;
use inside::{PATIENCE, Slewd, inside, path, run, start};

/// Where the real server is; the attacker has its address as far as slewd knows.
const SERVER: &str = "127.0.0.9";
const ATTACKER: &str = "127.0.0.1";

/// Octets of an NTP header.
const HEADER: usize = 48;

/// What the attacker does to each packet.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Deed {
    Nothing,
    /// Nothing of NTS is left in requests, nor in what comes back.
    StripsRequests,
    /// The reply loses what vouches for it.
    StripsReplies,
    /// The reply is an earlier one, whose origin time stamp is made to fit.
    Replays,
    /// The request shows the cookie of an earlier one.
    SwapsCookies,
    /// The server's time is moved by an hour.
    MovesTime,
    /// NAK, with our identifier.
    Naks,
    /// Kisses of all kinds, one after the other, with our identifier.
    Kisses,
    /// Nothing comes through.
    Drops,
}

use Deed::*;

const DEEDS: [Deed; 9] =
    [Nothing, StripsRequests, StripsReplies, Replays, SwapsCookies, MovesTime, Naks, Kisses, Drops];

const KISSES: [&[u8; 4]; 3] = [b"DENY", b"RSTR", b"RATE"];

/// Passes on what is said over TCP, and does its deed to packets.
struct Attacker {
    deed: Arc<AtomicU8>,
    /// Packets it has had its hands on.
    touched: Arc<Mutex<u64>>,
}

impl Attacker {
    fn start() -> Attacker {
        let listener = TcpListener::bind((ATTACKER, 4460)).expect("the address is ours");
        spawn(move || listener.incoming().flatten().for_each(|client| drop(spawn(move || relay(client)))));
        let socket = UdpSocket::bind((ATTACKER, 123)).expect("the address is ours");
        let attacker = Attacker { deed: Arc::default(), touched: Arc::default() };
        let (deed, touched) = (attacker.deed.clone(), attacker.touched.clone());
        spawn(move || intercept(&socket, &deed, &touched));
        attacker
    }

    fn begin(&self, deed: Deed) {
        self.deed.store(deed as u8, Relaxed);
    }

    fn touched(&self) -> u64 {
        *self.touched.lock().expect("no panic")
    }
}

/// Both directions of one connection.
fn relay(mut client: TcpStream) {
    let Ok(mut server) = TcpStream::connect((SERVER, 4460)) else { return };
    let (Ok(mut from), Ok(mut to)) = (client.try_clone(), server.try_clone()) else { return };
    spawn(move || io::copy(&mut from, &mut to));
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        if client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(std::net::Shutdown::Both);
}

fn intercept(socket: &UdpSocket, deed: &AtomicU8, touched: &Mutex<u64>) {
    let ours = UdpSocket::bind("127.0.0.1:0").expect("a port");
    ours.set_read_timeout(Some(Duration::from_millis(200))).expect("a time");
    let (mut request, mut reply) = ([0; 2048], [0; 2048]);
    let mut kissed = 0..;
    let mut earlier: Option<(Vec<u8>, Vec<u8>)> = None;
    while let Ok((len, client)) = socket.recv_from(&mut request) {
        let deed = DEEDS[usize::from(deed.load(Relaxed))];
        let original = request[..len].to_vec();
        let sent = match (deed, &earlier) {
            (StripsRequests, _) => original[..HEADER].to_vec(),
            (SwapsCookies, Some((old, _))) => with_cookie_of(&original, old),
            _ => original.clone(),
        };
        if deed != Nothing {
            *touched.lock().expect("no panic") += 1;
        }
        let said = match deed {
            Drops => continue,
            Naks => kiss(&original, b"NTSN"),
            Kisses => kiss(&original, KISSES[kissed.next().unwrap_or_default() % KISSES.len()]),
            _ => {
                let server: SocketAddr = format!("{SERVER}:123").parse().expect("an address");
                let _ = ours.send_to(&sent, server);
                let Ok(count) = ours.recv(&mut reply) else { continue };
                reply[..count].to_vec()
            }
        };
        let told = match (deed, &earlier) {
            (StripsReplies, _) => said[..HEADER].to_vec(),
            (Replays, Some((_, old))) => {
                let mut old = old.clone();
                old[24..32].copy_from_slice(&said[24..32]);
                old
            }
            (MovesTime, _) => {
                let mut moved = said.clone();
                moved[34] = moved[34].wrapping_add(14);
                moved[42] = moved[42].wrapping_add(14);
                moved
            }
            _ => said.clone(),
        };
        let _ = socket.send_to(&told, client);
        if deed == Nothing {
            earlier = Some((original, said));
        }
    }
}

/// Both have the same lengths: identifier of 36 octets, then the cookie.
fn with_cookie_of(request: &[u8], old: &[u8]) -> Vec<u8> {
    let (from, until) = (HEADER + 36, HEADER + 36 + 104);
    let mut changed = request.to_vec();
    changed[from..until].copy_from_slice(&old[from..until]);
    changed
}

/// A kiss-o'-death with what a client can check without keys: its own time stamp and its own identifier.
fn kiss(request: &[u8], code: &[u8; 4]) -> Vec<u8> {
    let mut kiss = vec![0; HEADER];
    (kiss[0], kiss[2]) = (0xe4, request[2]);
    kiss[12..16].copy_from_slice(code);
    kiss[24..32].copy_from_slice(&request[40..48]);
    kiss.extend_from_slice(&request[HEADER..HEADER + 36]);
    kiss
}

fn start_server() -> Child {
    Authority::new(path("")).issue("server", &format!("IP:{ATTACKER}"), 0, 100);
    let conf = format!(
        "local stratum 8\nallow all\nbindaddress {SERVER}\ncmdport 0\nbindcmdaddress /\npidfile /run/chronyd.pid\n\
         ntsserverkey {0}\nntsservercert {1}\n",
        path("server.key").display(),
        path("server.crt").display()
    );
    fs::write(path("server.conf"), conf).expect("the test's directory is writable");
    let log = fs::File::create(path("chronyd.log")).expect("the test's directory is writable");
    let mut server = Command::new(namespace::chrony().join("chronyd"));
    server.args(["-x", "-d", "-u", "root", "-f"]).arg(path("server.conf")).stdin(Stdio::null());
    let server = server.stdout(log.try_clone().expect("a log can be shared")).stderr(log).spawn();
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect((SERVER, 4460)).is_err() {
        assert!(Instant::now() < deadline, "{:?}", fs::read_to_string(path("chronyd.log")));
        sleep(Duration::from_millis(20));
    }
    server.expect("chronyd starts")
}

/// A line of `ntpdata`.
fn told(name: &str) -> String {
    let chronyc = namespace::chrony().join("chronyc");
    let output = run(&chronyc.to_string_lossy(), "ntpdata");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split(" : ").nth(1).unwrap_or_default().to_owned()
}

fn good() -> u64 {
    told("Total good RX").parse().expect("a number")
}

/// A server, an attacker who does nothing yet, and slewd between them, which follows the server.
struct Path {
    server: Child,
    attacker: Attacker,
    slewd: Slewd,
}

impl Path {
    fn new() -> Path {
        let server = start_server();
        let attacker = Attacker::start();
        let mut slewd = start(&[
            &format!("server {ATTACKER} iburst nts minpoll -2 maxpoll -2"),
            "nosystemcert",
            "cmdport 0",
            &format!("ntstrustedcerts {}", path("ca.crt").display()),
        ]);
        slewd.wait_for(&format!("Selected source {ATTACKER}"));
        let mut path = Path { server, attacker, slewd };
        path.wait_for_samples(4, PATIENCE);
        path
    }

    fn wait_for_samples(&mut self, count: u64, patience: Duration) {
        let (before, deadline) = (good(), Instant::now() + patience);
        while good() < before + count {
            assert!(Instant::now() < deadline && self.slewd.is_running(), "no sample:\n{}", self.slewd.log());
            sleep(Duration::from_millis(100));
        }
    }

    /// The attacker comes and goes; returns how long it then takes until a sample is accepted.
    fn attack(&mut self, deed: Deed, patience: Duration) -> Duration {
        let touched = self.attacker.touched();
        let packets = if deed == Kisses { KISSES.len() as u64 } else { 2 };
        self.attacker.begin(deed);
        // What was on its way may still arrive.
        sleep(Duration::from_millis(300));
        let before = good();
        self.slewd.wait_until("attacks", |_| self.attacker.touched() >= touched + packets);
        sleep(Duration::from_millis(500));
        assert_eq!(good(), before, "{deed:?}:\n{}", self.slewd.log());
        self.attacker.begin(Nothing);
        let left = Instant::now();
        self.wait_for_samples(1, patience);
        let offset: f64 = told("Offset").split(' ').next().and_then(|s| s.parse().ok()).expect("a number");
        assert!(offset.abs() < 0.1, "{deed:?}: {offset} s");
        left.elapsed()
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A few polls of a quarter of a second, on a busy machine.
const SOON: Duration = Duration::from_secs(4);

/// A NAK costs the keys, for others are established at once, and those are refused as well: then a pause of 16 s, as
/// chronyd's.
const PAUSE: Duration = Duration::from_secs(25);

#[test]
fn nothing_of_his_is_believed_and_the_next_sample_comes_when_he_leaves() {
    inside(|| {
        let mut path = Path::new();
        for deed in [StripsRequests, StripsReplies, Replays, MovesTime, Kisses, Drops] {
            let took = path.attack(deed, PATIENCE);
            println!("{deed:?}: {took:?}");
            assert!(took < SOON, "{deed:?}: {took:?}");
        }
        // The real server does not know this request, and says so.
        println!("{SwapsCookies:?}: {:?}", path.attack(SwapsCookies, PAUSE));
    });
}

#[test]
fn a_forged_nak_costs_the_keys_and_no_more() {
    inside(|| println!("{Naks:?}: {:?}", Path::new().attack(Naks, PAUSE)));
}
