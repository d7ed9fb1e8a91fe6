//! Floods of datagrams at the command sockets, and the books of what became of each of them.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use slewd::core::api::monitoring::ServerStats;
use slewd::wire::cmdmon::MAX_LEN;
use slewd::wire::cmdmon::reply::{self, Body, ReplyStatus};
use slewd::wire::cmdmon::request::{ControlRequest, RequestId};

/// Where chronyc looks for it.
pub(crate) const SOCKET: &str = "/run/chrony/chronyd.sock";
pub(crate) const PORT: u16 = 323;

/// Room for the longest datagram of a flood.
pub(crate) const LONGEST: usize = 9000;

/// Answers that come later than this are taken for lost.
const QUIET: Duration = Duration::from_millis(300);
/// Nobody waits longer for a daemon.
const PATIENCE: Duration = Duration::from_secs(30);
/// Ticks of /proc/PID/stat per second, on every architecture of today.
const TICKS_PER_S: f64 = 100.0;

/// Which of its sockets is flooded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    V4,
    V6,
    Unix,
}

/// A kind of flood.
pub(crate) struct Flood {
    pub(crate) name: &'static str,
    /// Writes one datagram, by its number; returns its length.
    pub(crate) make: fn(u32, &mut fastrand::Rng, &mut [u8; LONGEST]) -> usize,
    /// Somebody reads the answers.
    pub(crate) is_read: bool,
    /// All have the same sequence.
    pub(crate) is_replayed: bool,
    /// Requests whose answers are awaited at a time; as fast as possible if `None`.
    pub(crate) window: Option<u32>,
}

/// The books.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    /// Those of them that have to be answered.
    pub(crate) well_formed: u64,
    /// What the daemon says it has answered, and dropped.
    pub(crate) hits: u64,
    pub(crate) drops: u64,
    /// Answers that arrived.
    pub(crate) answers: u64,
    /// What the kernel dropped before the daemon could read it, and before the client could.
    pub(crate) lost_requests: u64,
    pub(crate) lost_answers: u64,
    pub(crate) seconds: f64,
    /// User and system time of the daemon.
    pub(crate) cpu_s: f64,
}

/// One client.
enum Client {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

/// Sends `count` datagrams, waits until all has become quiet, and closes the books.
pub(crate) fn flood(pid: u32, door: Door, flood: &Flood, count: u32) -> Outcome {
    let client = Client::open(door, flood.name);
    let (stats, cpu_s, dropped) = (server_stats(), cpu_s(pid), kernel_drops(door, PORT));
    let began = Instant::now();
    let mut lengths = vec![0u16; count as usize];
    let mut random = fastrand::Rng::with_seed(7);
    let mut outcome = Outcome::default();
    let is_over = AtomicBool::new(false);
    let arrived = AtomicU64::new(0);
    let answers = thread::scope(|scope| {
        // Also if something fails: else the scope would wait for the reader.
        let end = End(&is_over);
        let reader = flood.is_read.then(|| scope.spawn(|| client.read_all(&is_over, &arrived)));
        let mut buffer = [0; LONGEST];
        for number in 0..count {
            let len = (flood.make)(number, &mut random, &mut buffer);
            let datagram = &buffer[..len];
            lengths[number as usize] = len as u16;
            outcome.well_formed += u64::from(is_well_formed(datagram));
            let deadline = Instant::now() + QUIET;
            while flood
                .window
                .is_some_and(|most| outcome.well_formed > arrived.load(Ordering::Acquire) + u64::from(most))
                && Instant::now() < deadline
            {
                thread::yield_now();
            }
            client.send(datagram);
            outcome.sent += 1;
        }
        outcome.seconds = began.elapsed().as_secs_f64();
        if flood.is_read {
            wait_until_quiet(&arrived);
        } else {
            client.empty();
        }
        let now = settled_stats(door);
        outcome.cpu_s = self::cpu_s(pid) - cpu_s;
        // The question itself was answered too.
        outcome.hits = now.command_hits - stats.command_hits - 1;
        outcome.drops = now.command_drops - stats.command_drops;
        drop(end);
        reader.map(|reader| reader.join().expect("the reader has no complaints"))
    });
    outcome.lost_requests = kernel_drops(door, PORT) - dropped;
    outcome.lost_answers = client.port().map_or(0, |port| kernel_drops(door, port));
    if let Some(answers) = answers {
        outcome.answers = answers.len() as u64;
        check_answers(flood, &answers, &lengths);
    }
    outcome
}

/// Tells the reader of answers that nothing more will come.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Waits until the reader has caught up. Unread answers on a Unix socket use up the room that the kernel gives the daemon
/// for its answers to all: nobody else is answered until they are gone. So it is with chronyd.
fn wait_until_quiet(arrived: &AtomicU64) {
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    while last != Some(arrived.load(Ordering::Acquire)) {
        assert!(Instant::now() < deadline, "answers come without end");
        last = Some(arrived.load(Ordering::Acquire));
        sleep(QUIET / 2);
    }
}

/// By the rules of the protocol, this is answered, if only by a refusal.
fn is_well_formed(datagram: &[u8]) -> bool {
    (28..=MAX_LEN).contains(&datagram.len()) && datagram[0] >= 5 && datagram[1..4] == [1, 0, 0]
}

/// Each answers one request, is no longer than it, and comes once.
fn check_answers(flood: &Flood, answers: &[(u32, u16)], lengths: &[u16]) {
    let mut is_answered = vec![false; lengths.len()];
    for &(sequence, length) in answers {
        let number = if flood.is_replayed { 0 } else { sequence as usize };
        let asked = lengths.get(number).unwrap_or_else(|| panic!("{}: nobody asked {sequence}", flood.name));
        assert!(length <= *asked, "{}: {length} bytes answer {asked}", flood.name);
        let again = std::mem::replace(&mut is_answered[number], true);
        assert!(!again || flood.is_replayed, "{}: {sequence} was answered twice", flood.name);
    }
}

impl Client {
    fn open(door: Door, name: &str) -> Self {
        let udp = |own: &str, server: &str| {
            let socket = UdpSocket::bind((own, 0)).expect("a port");
            socket.connect((server, PORT)).expect("loopback");
            Client::Udp(socket)
        };
        match door {
            Door::V4 => udp("127.0.0.1", "127.0.0.1"),
            Door::V6 => udp("::1", "::1"),
            Door::Unix => {
                let path = format!("/run/test/{}.sock", name.replace(' ', "-"));
                let _ = fs::remove_file(&path);
                let socket = UnixDatagram::bind(&path).expect("a path");
                open_to_all(&path);
                socket.connect(SOCKET).expect("the daemon listens");
                Client::Unix(socket)
            }
        }
    }

    /// A Unix socket waits for room in the queue of the daemon, UDP does not.
    fn send(&self, datagram: &[u8]) {
        let result = match self {
            Client::Udp(socket) => socket.send(datagram),
            Client::Unix(socket) => socket.send(datagram),
        };
        assert_eq!(result.ok(), Some(datagram.len()), "it was sent");
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Client::Udp(socket) => socket.recv(buffer),
            Client::Unix(socket) => socket.recv(buffer),
        }
    }

    fn port(&self) -> Option<u16> {
        match self {
            Client::Udp(socket) => Some(socket.local_addr().expect("it is bound").port()),
            Client::Unix(_) => None,
        }
    }

    /// Throws away what has arrived, for the reason that [`wait_until_quiet`] has.
    fn empty(&self) {
        let nonblocking = match self {
            Client::Udp(socket) => socket.set_nonblocking(true),
            Client::Unix(socket) => socket.set_nonblocking(true),
        };
        nonblocking.expect("sockets can be asked without waiting");
        let deadline = Instant::now() + QUIET;
        while self.receive(&mut [0; LONGEST]).is_ok() || Instant::now() < deadline {}
    }

    /// Sequence and length of all that arrives, until it is over and quiet.
    fn read_all(&self, is_over: &AtomicBool, arrived: &AtomicU64) -> Vec<(u32, u16)> {
        let timeout = match self {
            Client::Udp(socket) => socket.set_read_timeout(Some(QUIET)),
            Client::Unix(socket) => socket.set_read_timeout(Some(QUIET)),
        };
        timeout.expect("sockets have time-outs");
        let (mut answers, mut buffer) = (Vec::new(), [0; LONGEST]);
        loop {
            match self.receive(&mut buffer) {
                Ok(len) => {
                    let is_reply = len >= 28 && buffer[..4] == [6, 2, 0, 0];
                    assert!(is_reply, "{len} bytes that are no reply: {:?}", &buffer[..len.min(28)]);
                    let sequence = u32::from_be_bytes([buffer[16], buffer[17], buffer[18], buffer[19]]);
                    answers.push((sequence, len as u16));
                    arrived.fetch_add(1, Ordering::Release);
                }
                Err(_) if is_over.load(Ordering::Acquire) => return answers,
                Err(_) => {}
            }
        }
    }
}

/// As chronyc has it: the daemon answers as its own account.
fn open_to_all(path: &str) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("our own socket");
}

/// Asks the daemon over the Unix socket.
pub(crate) fn ask(request: &ControlRequest) -> Result<Body, ReplyStatus> {
    let path = format!("/run/test/ask.{}.sock", std::process::id());
    let _ = fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path).expect("a path");
    open_to_all(&path);
    socket.connect(SOCKET).expect("the daemon listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("sockets have time-outs");
    let (mut buffer, sequence) = ([0; MAX_LEN], *b"askd");
    let len = request.encode(sequence, 0, &mut buffer);
    socket.send(&buffer[..len]).expect("the daemon listens");
    let len = socket.recv(&mut buffer).unwrap_or_else(|reason| panic!("no answer to {request:?}: {reason}"));
    let _ = fs::remove_file(&path);
    let header = RequestId { command: request.command(), sequence };
    reply::parse(&buffer[..len], &header).expect("a reply to this request")
}

fn server_stats() -> ServerStats {
    match ask(&ControlRequest::ServerStats) {
        Ok(Body::ServerStats(stats)) => stats,
        other => panic!("{other:?}"),
    }
}

/// Once nothing waits for the daemon any more.
fn settled_stats(door: Door) -> ServerStats {
    let deadline = Instant::now() + PATIENCE;
    while field(door, PORT, 4).is_some_and(|queues| !queues.ends_with(":00000000")) {
        assert!(Instant::now() < deadline, "the daemon reads no more");
        sleep(Duration::from_millis(1));
    }
    server_stats()
}

/// Datagrams that found no room in the socket of this port.
fn kernel_drops(door: Door, port: u16) -> u64 {
    field(door, port, 12).and_then(|drops| drops.parse().ok()).unwrap_or(0)
}

/// A field of the kernel's list of sockets (proc_pid_net(5)): 4 are the queues, 12 the drops.
fn field(door: Door, port: u16, index: usize) -> Option<String> {
    let list = match door {
        Door::V4 => "/proc/self/net/udp",
        Door::V6 => "/proc/self/net/udp6",
        Door::Unix => return None,
    };
    let text = fs::read_to_string(Path::new(list)).expect("the kernel lists its sockets");
    let port = format!(":{port:04X}");
    let mut rows = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.find(|row| row.get(1).is_some_and(|local| local.ends_with(&port)))?.get(index).map(|field| field.to_string())
}

/// User and system time of a process, in seconds.
pub(crate) fn cpu_s(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let after_name = text.rsplit(") ").next().expect("a name in brackets");
    let ticks = |index| after_name.split(' ').nth(index).and_then(|field: &str| field.parse::<f64>().ok());
    ticks(11).zip(ticks(12)).map(|(user, system)| (user + system) / TICKS_PER_S).expect("two times")
}

/// A number of /proc/PID/status: `RssAnon` in kB, `voluntary_ctxt_switches`.
pub(crate) fn status(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).expect("the kernel tells")
}
