//! Driver SOCK: a Unix socket that gpsd or another program sends its samples to.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::core::api::reference_clock::Reading;
use crate::core::refclock::sock::{self, MAX_LEN};

/// The socket and its file, which is removed with it.
#[derive(Debug)]
pub(super) struct ClockSocket {
    socket: UnixDatagram,
    path: PathBuf,
    /// Device and inode of the file: another daemon may have put its own there.
    identity: Option<(u64, u64)>,
}

impl ClockSocket {
    /// Makes the socket. One that was left there by a daemon is replaced, as chronyd does; anything else is not.
    pub(super) fn open(path: &str) -> io::Result<Self> {
        let path = PathBuf::from(path);
        if let Ok(there) = fs::symlink_metadata(&path) {
            if !there.file_type().is_socket() {
                return Err(io::Error::from_raw_os_error(libc::EEXIST));
            }
            fs::remove_file(&path)?;
        }
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        Ok(ClockSocket { socket, identity: identity(&path), path })
    }

    /// The next sample; [`Reading::Nothing`] if there is none, or if what came is none.
    pub(super) fn read(&mut self) -> io::Result<Reading> {
        let mut buffer = [0; MAX_LEN];
        match self.socket.recv(&mut buffer) {
            Ok(length) => Ok(sock::reading(buffer.get(..length).unwrap_or(&[]))),
            Err(reason) if reason.kind() == io::ErrorKind::WouldBlock => Ok(Reading::Nothing),
            Err(reason) if reason.kind() == io::ErrorKind::Interrupted => Ok(Reading::Nothing),
            Err(reason) => Err(reason),
        }
    }
}

impl AsFd for ClockSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for ClockSocket {
    fn drop(&mut self) {
        let now = identity(&self.path);
        if now.is_some() && now == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}
