//! The sockets that requests arrive on: UDP on both loopback addresses, and a Unix socket in a directory of its own.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, lchown};
use std::os::unix::net::{self as unix, UnixDatagram};
use std::path::{Path, PathBuf};

use log::{Level, debug, log, warn};

use crate::config::Commands;
use crate::daemon::control::directory::{self, Owner, is_listened_on};
use crate::daemon::os_error::plain;
use crate::sys::privileges;
use crate::sys::udp_server::{Envelope, ServerSocket};

/// One control socket.
#[derive(Debug)]
pub(super) enum Endpoint {
    /// The Unix socket: whoever can reach it is allowed everything.
    Unix(UnixSocket),
    /// For everybody on this machine, and perhaps others.
    Udp(ServerSocket),
}

/// The address that the answer goes to.
#[derive(Debug)]
pub(super) enum Sender {
    /// A path, or an abstract name.
    Unix(unix::SocketAddr),
    /// An address.
    Udp(Envelope),
}

/// A Unix socket and its file, which is removed with it.
#[derive(Debug)]
pub(super) struct UnixSocket {
    socket: UnixDatagram,
    path: PathBuf,
    /// Device and inode of the file: another daemon may have put its own there.
    identity: Option<(u64, u64)>,
}

/// Opens what can be opened; a warning tells of each that cannot, for time can be kept without.
pub(super) fn open(commands: &Commands, owner: Owner) -> Vec<Endpoint> {
    let mut endpoints = Vec::with_capacity(3);
    if let Some(path) = &commands.socket {
        match UnixSocket::open(Path::new(path), owner) {
            Ok(socket) => endpoints.push(Endpoint::Unix(socket)),
            Err(reason) => warn!("Disabled command socket {path} : {reason}"),
        }
    }
    let mut said = None;
    let udp: [IpAddr; 2] = [commands.bind_v4.into(), commands.bind_v6.into()];
    for address in udp.into_iter().filter(|_| commands.port != 0) {
        let address = SocketAddr::new(address, commands.port);
        match ServerSocket::open(address, commands.device.as_deref()) {
            Ok(socket) => endpoints.push(Endpoint::Udp(socket)),
            Err(reason) => {
                let is_missing = reason.raw_os_error() == Some(libc::EAFNOSUPPORT);
                let level = if is_missing || said == Some(reason.kind()) { Level::Debug } else { Level::Warn };
                said = Some(reason.kind()).filter(|_| !is_missing).or(said);
                let what = plain(&reason);
                log!(level, "Could not open command socket on {address} : {what}{}", remedy(&reason));
            }
        }
    }
    endpoints
}

fn remedy(reason: &io::Error) -> &'static str {
    match reason.kind() {
        io::ErrorKind::PermissionDenied => " (needs root or CAP_NET_BIND_SERVICE; cmdport 0 if it is not wanted)",
        io::ErrorKind::AddrInUse => " (another daemon answers there; cmdport 0 if this one is not to)",
        _ => "",
    }
}

impl Endpoint {
    /// One datagram, or `None` if there is none. Never blocks. What cannot be answered has no sender.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<(usize, Option<Sender>)> {
        match self {
            Endpoint::Unix(unix) => {
                let (len, from) = unix.socket.recv_from(buffer).ok()?;
                Some((len, Some(from).filter(|from| !from.is_unnamed()).map(Sender::Unix)))
            }
            Endpoint::Udp(udp) => match udp.receive(buffer) {
                Ok(received) => received.map(|(len, envelope)| (len, Some(Sender::Udp(envelope)))),
                Err(reason) => {
                    debug!("Command socket: {reason}");
                    None
                }
            },
        }
    }

    /// Answers. Whatever goes wrong is the asker's affair: it is gone, or does not read. Never blocks.
    pub(super) fn answer(&self, datagram: &[u8], to: &Sender) {
        let result = match (self, to) {
            (Endpoint::Unix(unix), Sender::Unix(address)) => unix.socket.send_to_addr(datagram, address).map(drop),
            (Endpoint::Udp(udp), Sender::Udp(envelope)) => udp.answer(datagram, envelope),
            _ => Ok(()),
        };
        if let Err(reason) = result {
            debug!("Could not answer a request: {reason}");
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sender::Unix(address) => write!(f, "{address:?}"),
            Sender::Udp(envelope) => envelope.from.fmt(f),
        }
    }
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Endpoint::Unix(unix) => unix.socket.as_fd(),
            Endpoint::Udp(udp) => udp.as_fd(),
        }
    }
}

impl UnixSocket {
    fn open(path: &Path, owner: Owner) -> Result<Self, String> {
        directory::prepare(path, owner)?;
        let identity = || fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()));
        let open = || {
            remove_stale(path)?;
            let socket = UnixDatagram::bind(path)?;
            let unix = UnixSocket { socket, path: path.to_owned(), identity: identity() };
            unix.socket.set_nonblocking(true)?;
            give(path, owner)?;
            Ok(unix)
        };
        open().map_err(|reason: io::Error| plain(&reason))
    }
}

/// While we may. The directory may be of an account that is trusted less: it could have put a link there by now.
fn give(path: &Path, owner: Owner) -> io::Result<()> {
    if privileges::is_root() { lchown(path, Some(owner.uid), Some(owner.gid)) } else { Ok(()) }
}

/// A killed daemon leaves its socket behind. One that somebody listens on is left alone, and what is no socket
/// was not left by a daemon.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(there) = fs::symlink_metadata(path) else { return Ok(()) };
    if !there.file_type().is_socket() {
        return Err(io::Error::from_raw_os_error(libc::EEXIST));
    }
    if is_listened_on(path) {
        return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
    }
    fs::remove_file(path)
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let now = fs::symlink_metadata(&self.path).ok().map(|file| (file.dev(), file.ino()));
        if now.is_some() && now == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::not_run::not_run;

    #[test]
    fn a_link_in_the_place_of_the_socket_does_not_give_its_target_away() {
        if !privileges::is_root() {
            return not_run("only root can give files away");
        }
        let directory = std::env::temp_dir().join(format!("slewd-given-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a temporary directory");
        let (victim, link) = (directory.join("victim"), directory.join("link"));
        fs::write(&victim, "").expect("own directory");
        std::os::unix::fs::symlink(&victim, &link).expect("own directory");
        give(&link, Owner { uid: 65_534, gid: 65_534 }).expect("links have owners");
        assert_eq!(fs::metadata(&victim).expect("it is there").uid(), 0);
        assert_eq!(fs::symlink_metadata(&link).expect("it is there").uid(), 65_534);
        fs::remove_dir_all(directory).expect("own directory");
    }
}
