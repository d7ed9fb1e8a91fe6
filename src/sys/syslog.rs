//! The transport to the system log: one datagram per message on /dev/log (syslog(3)).

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// Where the local log daemon listens.
pub const DEV_LOG: &str = "/dev/log";

/// Sends each `write` as one message, as it is: the caller formats `<PRI>TIME IDENT[PID]: TEXT` into one buffer.
///
/// Logging never blocks and never fails: a clock does not wait for its log. What cannot be delivered is dropped, and a log
/// daemon that was restarted is found again with the next message.
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Syslog {
    /// Messages go to the log daemon at `path`, normally [`DEV_LOG`]. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Syslog { path: path.into(), socket: None }
    }

    /// Connects now, while /dev/log is in reach (before a chroot, or to learn whether anybody listens).
    pub fn connect(&mut self) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.path)?;
        self.socket = Some(socket);
        Ok(())
    }

    fn deliver(&mut self, message: &[u8]) -> io::Result<()> {
        let sent = self.socket.as_ref().map(|socket| socket.send(message));
        match sent {
            Some(Ok(_)) => Ok(()),
            // The log daemon is there, but busy.
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Some(Err(_)) | None => {
                self.socket = None;
                self.connect()?;
                self.socket.as_ref().map_or(Ok(0), |socket| socket.send(message)).map(drop)
            }
        }
    }
}

impl Write for Syslog {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        // Nobody to tell: the log itself is what failed.
        let _ = self.deliver(message);
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    #[test]
    fn messages_survive_a_restart_of_the_log_daemon() {
        let path = env::temp_dir().join(format!("slewd-log-{}", process::id()));
        let mut log = Syslog::new(&path);
        log.write_all(b"to nobody").unwrap();
        for message in ["<30>chronyd[1]: first", "<30>chronyd[1]: after a restart"] {
            let daemon = UnixDatagram::bind(&path).unwrap();
            daemon.set_nonblocking(true).unwrap();
            log.write_all(message.as_bytes()).unwrap();
            fs::remove_file(&path).unwrap();
            let mut buffer = [0; 64];
            let len = daemon.recv(&mut buffer).expect("the message is there");
            assert_eq!(&buffer[..len], message.as_bytes());
        }
        log.write_all(b"to nobody again").unwrap();
    }

    #[test]
    fn a_stuck_log_daemon_does_not_stop_us() {
        let path = env::temp_dir().join(format!("slewd-stuck-{}", process::id()));
        let _daemon = UnixDatagram::bind(&path).unwrap();
        let mut log = Syslog::new(&path);
        for _ in 0..10_000 {
            log.write_all(&[b'x'; 200]).unwrap();
        }
        fs::remove_file(&path).unwrap();
    }
}
