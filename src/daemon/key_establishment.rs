//! Connections to servers of NTS key establishment: all of them in the one loop, none of them blocking.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{debug, warn};
use nix::poll::PollFlags;

use crate::config::{Network, Nts};
use crate::core::api::flaw::Flaw;
use crate::core::api::nts::{Established, EstablishmentId, KeyFailure, KeyRequest, Stage};
use crate::daemon::files::opening::read_promptly;
use crate::daemon::os_error::plain;
use crate::nts::session::{Session, peer};
use crate::nts::trust::{SYSTEM_BUNDLES, Trust};
use crate::sys::tcp::ClientStream;
use crate::wire::nts::aead::Algorithm;

/// A bundle of certificates that is longer is something else: Mozilla's has 220 kB.
const MOST_BYTES: u64 = 4 << 20;

/// Where the kernel says that only approved cryptography may be used. NTS has none of it (SIV is not).
const FIPS: &str = "/proc/sys/crypto/fips_enabled";

/// Bytes taken from one connection before the others are heard.
const MOST_AT_ONCE: usize = 16 * 1024;

/// Establishments in progress.
#[derive(Default)]
pub struct KeyConnections {
    config: Nts,
    network: Network,
    open: Vec<Connection>,
    /// Certificates of each set, as long as there are connections.
    trust: Vec<(u32, Arc<Trust>)>,
}

struct Connection {
    id: EstablishmentId,
    stream: ClientStream,
    session: Session,
    is_connected: bool,
    /// What did not fit the socket's buffer yet.
    unsent: Vec<u8>,
    /// The keys are there, and the name of the server that tells the time is being looked up.
    looked_up: Option<Established>,
}

/// The end of an establishment of keys, or its progress.
pub enum KeyNews {
    /// The keys, or why there are none.
    Ended(EstablishmentId, Result<Box<Established>, KeyFailure>),
    /// The name of the server that tells the time is to be looked up, for [`KeyConnections::resolved`].
    Lookup(EstablishmentId, String),
}

impl KeyConnections {
    /// No connections yet.
    pub fn new(config: Nts, network: Network) -> Self {
        KeyConnections { config, network, ..Self::default() }
    }

    /// Begins one. News that come at once are bad.
    pub fn start(&mut self, request: &KeyRequest) -> Option<KeyNews> {
        match self.open(request) {
            Ok(connection) => {
                self.open.push(connection);
                None
            }
            Err(failure) => {
                self.tidy();
                Some(KeyNews::Ended(request.id, Err(failure)))
            }
        }
    }

    fn open(&mut self, request: &KeyRequest) -> Result<Connection, KeyFailure> {
        if is_fips() {
            let text = format!(
                "NTS-KE session with {} not started : this system is in FIPS mode, which NTS cannot follow (fips_enabled)",
                peer(request)
            );
            return Err(KeyFailure { stage: Stage::Session, flaw: Flaw::KeyEstablishment, text });
        }
        let trust = self.trust(request.cert_set);
        let algorithms: Vec<Algorithm> = self.config.aeads.iter().filter_map(|id| Algorithm::find(*id)).collect();
        if algorithms.is_empty() {
            let text = format!("NTS-KE session with {} not started : ntsaeads has no supported number", peer(request));
            return Err(KeyFailure { stage: Stage::Session, flaw: Flaw::KeyEstablishment, text });
        }
        let session = Session::new(request, &algorithms, trust)?;
        let bind = match request.server {
            SocketAddr::V4(_) => self.network.bind_acq_v4.map(IpAddr::V4),
            SocketAddr::V6(_) => self.network.bind_acq_v6.map(IpAddr::V6),
        };
        let stream = ClientStream::open(request.server, bind, self.network.bind_acq_device.as_deref())
            .map_err(|reason| not_connected(request, Stage::Start, &reason))?;
        Ok(Connection { id: request.id, stream, session, is_connected: false, unsent: Vec::new(), looked_up: None })
    }

    /// Gives an establishment up.
    pub fn abandon(&mut self, id: EstablishmentId) {
        self.open.retain(|connection| connection.id != id);
        self.tidy();
    }

    /// Names the descriptors to wait for, and what is wanted of them.
    pub fn watch(&self, mut watch: impl FnMut(EstablishmentId, BorrowedFd<'_>, PollFlags)) {
        for connection in self.open.iter().filter(|connection| connection.looked_up.is_none()) {
            let is_writing = !connection.is_connected || !connection.unsent.is_empty();
            let wanted = if is_writing { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
            watch(connection.id, connection.stream.as_fd(), wanted);
        }
    }

    /// Goes on with one of them, which has something to say.
    pub fn advance(&mut self, id: EstablishmentId) -> Option<KeyNews> {
        let index = self.open.iter().position(|connection| connection.id == id)?;
        let connection = self.open.get_mut(index)?;
        let outcome = match connection.advance() {
            Ok(None) => return None,
            Ok(Some(established)) => match place(established) {
                Ok(established) => Ok(established),
                Err((established, name)) => {
                    connection.looked_up = Some(*established);
                    return Some(KeyNews::Lookup(id, name));
                }
            },
            Err(failure) => Err(failure),
        };
        self.open.remove(index);
        self.tidy();
        Some(KeyNews::Ended(id, outcome))
    }

    /// The name of a server that tells the time has been looked up.
    pub fn resolved(&mut self, id: EstablishmentId, addresses: &[IpAddr]) -> Option<KeyNews> {
        let index = self.open.iter().position(|connection| connection.id == id)?;
        let connection = self.open.remove(index);
        self.tidy();
        let mut established = connection.looked_up?;
        let request = connection.session.request();
        let is_near = |address: &&IpAddr| address.is_ipv4() == request.server.is_ipv4();
        let outcome = match addresses.iter().find(is_near).or(addresses.first()) {
            Some(address) => {
                established.address.set_ip(*address);
                Ok(Box::new(established))
            }
            None => {
                let server = established.server.as_deref().unwrap_or_default();
                let from = request.name.clone().unwrap_or_else(|| request.server.to_string());
                let text = format!("Could not resolve NTP server {server} from {from}");
                Err(KeyFailure { stage: Stage::Session, flaw: Flaw::KeyEstablishment, text })
            }
        };
        Some(KeyNews::Ended(id, outcome))
    }

    /// Certificates are read when they are needed, and forgotten when nobody needs them.
    fn trust(&mut self, set: u32) -> Arc<Trust> {
        if let Some((_, known)) = self.trust.iter().find(|(known, _)| *known == set) {
            return known.clone();
        }
        let trust = Arc::new(read_trust(&self.config, set));
        self.trust.push((set, trust.clone()));
        trust
    }

    fn tidy(&mut self) {
        if self.open.is_empty() {
            self.trust.clear();
        }
    }
}

impl Connection {
    fn advance(&mut self) -> Result<Option<Established>, KeyFailure> {
        if !self.is_connected {
            self.stream.connected().map_err(|reason| self.broken(&reason))?;
        }
        let sent = self.send();
        let mut buffer = [0; 4096];
        let mut taken = 0;
        while taken < MOST_AT_ONCE {
            match self.stream.receive(&mut buffer) {
                Ok(0) => return Err(self.session.closed()),
                Ok(count) => {
                    self.is_connected = true;
                    taken += count;
                    let outcome = self.session.receive(&buffer[..count]);
                    // An alert tells the server what is wrong; nobody waits for it to arrive.
                    let _ = self.send();
                    if let Some(established) = outcome? {
                        return Ok(Some(established));
                    }
                }
                Err(reason) if is_patient(&reason) => break,
                // The socket is not connected yet.
                Err(reason) if reason.raw_os_error() == Some(libc::ENOTCONN) => break,
                Err(reason) => return Err(self.broken(&reason)),
            }
        }
        sent.map(|()| None).map_err(|reason| self.broken(&reason))
    }

    /// What a server closes with unread data is reset, or not: that is a matter of moments.
    fn broken(&self, reason: &io::Error) -> KeyFailure {
        match reason.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => self.session.closed(),
            _ => not_connected(self.session.request(), Stage::Connection, reason),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        self.unsent.extend(self.session.outgoing());
        while !self.unsent.is_empty() {
            match self.stream.send(&self.unsent) {
                Ok(count) => {
                    self.is_connected = true;
                    self.unsent.drain(..count);
                }
                Err(reason) if is_patient(&reason) => return Ok(()),
                Err(reason) if reason.raw_os_error() == Some(libc::ENOTCONN) => return Ok(()),
                Err(reason) => return Err(reason),
            }
        }
        Ok(())
    }
}

fn is_patient(reason: &io::Error) -> bool {
    matches!(reason.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// The server of key establishment may name another: by its address, or by a name, which the error is.
fn place(mut established: Established) -> Result<Box<Established>, (Box<Established>, String)> {
    let Some(server) = &established.server else { return Ok(Box::new(established)) };
    match server.parse() {
        Ok(address) => {
            established.address.set_ip(address);
            Ok(Box::new(established))
        }
        Err(_) => {
            // A final dot keeps resolvers from trying names of the local domain.
            let name = format!("{}.", server.trim_end_matches('.'));
            Err((Box::new(established), name))
        }
    }
}

fn not_connected(request: &KeyRequest, stage: Stage, reason: &io::Error) -> KeyFailure {
    let text = format!("Could not connect to {} : {}", peer(request), plain(reason));
    KeyFailure { stage, flaw: Flaw::KeyServerAway, text }
}

fn is_fips() -> bool {
    read_promptly(Path::new(FIPS), 16).is_ok_and(|content| content.first() == Some(&b'1'))
}

/// Set 0 includes the authorities of the system unless the configuration says otherwise.
fn read_trust(config: &Nts, set: u32) -> Trust {
    let mut trust = Trust::nobody();
    for (_, path) in config.trusted_certs.iter().filter(|(of, _)| *of == set) {
        if add(&mut trust, Path::new(path), true) == 0 {
            warn!("No certificate in {path} (ntstrustedcerts wants PEM)");
        }
    }
    if set == 0 && config.system_certs {
        let found = SYSTEM_BUNDLES.iter().find(|path| add(&mut trust, Path::new(path), false) > 0);
        debug!("Certificates of authorities: {}", found.unwrap_or(&"none"));
    }
    trust
}

/// Adds the certificates in a file, or in the files of a directory; returns how many there were.
fn add(trust: &mut Trust, path: &Path, named: bool) -> usize {
    let Ok(entries) = std::fs::read_dir(path) else {
        return match read_promptly(path, MOST_BYTES) {
            Ok(pem) => trust.add_pem(&pem, named),
            Err(reason) => {
                if named {
                    warn!("Could not read {} : {}", path.display(), plain(&reason));
                }
                0
            }
        };
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    tiny_sort::unstable::sort_by(&mut files, |a, b| a.as_os_str().cmp(b.as_os_str()));
    files.iter().filter_map(|file| read_promptly(file, MOST_BYTES).ok()).map(|pem| trust.add_pem(&pem, named)).sum()
}
