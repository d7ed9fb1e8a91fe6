//! Talks to the daemon, slewd or chronyd, as chronyc(1) does: over its Unix socket where that is allowed, else
//! over UDP, where everybody may ask and nobody may order.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::stat::{Mode, umask};

use crate::cli::words::Arguments;
use crate::core::api::settings::Family;
use crate::daemon::resolver::look_up;
use crate::sys::process;
use crate::wire::cmdmon::reply::{self, Body, MalformedReply, ReplyStatus};
use crate::wire::cmdmon::request::{ControlRequest, RequestId};
use crate::wire::cmdmon::{self, MAX_LEN};

/// Where a daemon is looked for, in this order.
const USUAL_TARGETS: [&str; 3] = [cmdmon::SOCKET, "127.0.0.1", "::1"];

/// How long each attempt waits for an answer.
const PATIENCE: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// A place where a daemon may be.
#[derive(Clone, Debug)]
enum DaemonAddress {
    Unix(PathBuf),
    Udp(SocketAddr),
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// No socket could be opened.
    NoConnection,
    /// Nobody answers.
    NoAnswer,
    /// What came is not an answer to this.
    BadReply,
    /// The daemon says no.
    Refused(ReplyStatus),
}

/// A conversation. Our own Unix socket is gone when it ends.
pub(super) struct Client {
    targets: Vec<DaemonAddress>,
    next: usize,
    socket: Option<Socket>,
    patience: &'static [Duration],
}

enum Socket {
    Unix { socket: UnixDatagram, _path: OwnPath },
    Udp(UdpSocket),
}

/// The name of our socket, removed in the end.
struct OwnPath(PathBuf);

impl Client {
    /// Finds the places to look at, `-h` and `-p`; nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with the places, for people.
    pub(super) fn new(words: &Arguments) -> Result<Client, String> {
        let port = words.number("-p")?.unwrap_or(cmdmon::PORT);
        let mut targets = Vec::new();
        let places = words.value("-h").map_or(USUAL_TARGETS.to_vec(), |places| places.split(',').collect());
        for place in places {
            if place.starts_with('/') {
                targets.push(DaemonAddress::Unix(place.into()));
                continue;
            }
            let addresses = place.parse().map_or_else(|_| look_up(place, Family::Any), |address: IpAddr| vec![address]);
            targets.extend(addresses.into_iter().map(|address| DaemonAddress::Udp(SocketAddr::new(address, port))));
        }
        Ok(Client { targets, next: 0, socket: None, patience: &PATIENCE })
    }

    /// Wait so long for the answer to each attempt, and make no more of them.
    pub(super) fn hurry(&mut self, patience: &'static [Duration]) {
        self.patience = patience;
    }

    /// Forgets who answered, and removes our socket until the next request.
    pub(super) fn hang_up(&mut self) {
        self.socket = None;
        self.next = 0;
    }

    /// Asks, at each place in turn until there is an answer.
    pub(super) fn request(&mut self, request: &ControlRequest) -> Result<Body, Failure> {
        let mut failure = Failure::NoConnection;
        loop {
            while self.socket.is_none() {
                let Some(target) = self.targets.get(self.next) else { return Err(failure) };
                self.socket = Socket::connect(target).ok();
                self.next += 1;
            }
            failure = match self.try_here(request) {
                Err(Failure::NoAnswer) => Failure::NoAnswer,
                result => return result,
            };
            self.socket = None;
        }
    }

    /// All attempts at one place.
    fn try_here(&mut self, request: &ControlRequest) -> Result<Body, Failure> {
        let Some(socket) = &self.socket else { return Err(Failure::NoConnection) };
        for (attempt, patience) in self.patience.iter().enumerate() {
            let seed = process::random_seed().map_err(|_| Failure::NoConnection)?;
            let [a, b, c, d, ..] = seed;
            let header = RequestId { command: request.command(), sequence: [a, b, c, d] };
            let mut buffer = [0; MAX_LEN];
            let length = request.encode(header.sequence, attempt as u16, &mut buffer);
            // An error is that of an earlier request, or says that nobody listens: the next attempt tells.
            let datagram = buffer.get(..length).unwrap_or(&buffer);
            if socket.send(datagram).is_ok()
                && let Some(answer) = wait_for_answer(socket, &header, *patience)
            {
                return answer;
            }
        }
        Err(Failure::NoAnswer)
    }
}

/// `None`: ask again.
fn wait_for_answer(socket: &Socket, header: &RequestId, patience: Duration) -> Option<Result<Body, Failure>> {
    let deadline = Instant::now() + patience;
    let mut buffer = [0; MAX_LEN];
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return None;
        }
        // An error is a refused connection, or that the time is up.
        let length = socket.receive(&mut buffer, rest).ok()?;
        match reply::parse(buffer.get(..length)?, header) {
            Ok(Ok(body)) => return Some(Ok(body)),
            Ok(Err(status)) => return Some(Err(Failure::Refused(status))),
            Err(MalformedReply::Stray) => {}
            Err(MalformedReply::Length) => return None,
            Err(MalformedReply::Code) => return Some(Err(Failure::BadReply)),
        }
    }
}

impl Socket {
    fn connect(target: &DaemonAddress) -> io::Result<Socket> {
        match target {
            DaemonAddress::Unix(path) => Socket::connect_unix(path),
            DaemonAddress::Udp(address) => {
                let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
                let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
                socket.connect(address)?;
                Ok(Socket::Udp(socket))
            }
        }
    }

    /// The daemon can answer only to a name, which is beside its own and cannot be guessed.
    fn connect_unix(path: &Path) -> io::Result<Socket> {
        // Without a name first: where the daemon cannot be reached nothing is left behind.
        UnixDatagram::unbound()?.connect(path)?;
        let [a, b, c, d, e, f, g, h, ..] = process::random_seed()?;
        let random = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let name = format!("slewd.{}.{random:016x}.sock", std::process::id());
        let own = OwnPath(path.with_file_name(name));
        let socket = bind_for_everybody(&own.0)?;
        socket.connect(path)?;
        Ok(Socket::Unix { socket, _path: own })
    }

    fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Unix { socket, .. } => {
                // A daemon that does not read must not keep us waiting.
                socket.set_write_timeout(Some(Duration::from_secs(1)))?;
                socket.send(datagram)
            }
            Socket::Udp(socket) => socket.send(datagram),
        }
    }

    fn receive(&self, buffer: &mut [u8], patience: Duration) -> io::Result<usize> {
        match self {
            Socket::Unix { socket, .. } => {
                socket.set_read_timeout(Some(patience))?;
                socket.recv(buffer)
            }
            Socket::Udp(socket) => {
                socket.set_read_timeout(Some(patience))?;
                socket.recv(buffer)
            }
        }
    }
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Failure {
    /// Nobody is there.
    pub(super) fn is_absence(self) -> bool {
        matches!(self, Failure::NoConnection | Failure::NoAnswer)
    }
}

/// chronyc's texts.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NoConnection => f.write_str("Could not open connection to daemon"),
            Failure::NoAnswer => f.write_str("506 Cannot talk to daemon"),
            Failure::BadReply => f.write_str("508 Bad reply from daemon"),
            Failure::Refused(status) => write!(f, "{} {status}", number(*status)),
        }
    }
}

/// What chronyc prints before the text of a status: neither the code on the wire nor in its order.
fn number(status: ReplyStatus) -> u16 {
    match status {
        ReplyStatus::AccessAllowed => 208,
        ReplyStatus::AccessDenied => 209,
        ReplyStatus::Failed => 500,
        ReplyStatus::Unauthorised => 501,
        ReplyStatus::Invalid => 502,
        ReplyStatus::NoSuchSource => 503,
        ReplyStatus::NotEnabled => 505,
        ReplyStatus::BadSubnet => 507,
        ReplyStatus::AlreadyKnown => 511,
        ReplyStatus::TooManySources => 512,
        ReplyStatus::NoRtc => 513,
        ReplyStatus::BadRtcFile => 514,
        ReplyStatus::InvalidFamily => 515,
        ReplyStatus::BadSample => 516,
        ReplyStatus::BadVersion => 517,
        ReplyStatus::BadLength => 518,
        ReplyStatus::Inactive => 519,
        ReplyStatus::Other(_) => 520,
        ReplyStatus::InvalidName => 521,
    }
}

/// A daemon without privileges must be able to write to it. The mode is right from the start: a change of it by name could
/// be led elsewhere by whoever owns the directory.
fn bind_for_everybody(path: &Path) -> io::Result<UnixDatagram> {
    // The mask is the whole process's.
    static MASK: Mutex<()> = Mutex::new(());
    let _alone = MASK.lock().unwrap_or_else(PoisonError::into_inner);
    let before = umask(Mode::from_bits_truncate(0o111));
    let socket = UnixDatagram::bind(path);
    umask(before);
    socket
}

#[cfg(test)]
mod tests;
