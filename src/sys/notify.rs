//! Telling whoever started the daemon that it is ready.

use std::io;
use std::os::fd::RawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

/// Sends a state such as `READY=1` or `STOPPING=1` to the service manager (sd_notify(3)).
///
/// `socket` is the value of NOTIFY_SOCKET: an absolute path, or `@` and an abstract name. Never blocks.
///
/// # Errors
/// InvalidInput for any other form of name; those of connecting to a socket that is not there or busy.
pub fn service_manager(socket: &str, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(socket)?,
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither an absolute path nor an abstract name")),
    };
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

/// Writes a newline to a descriptor inherited from the parent (option `-N`) and closes it.
///
/// # Errors
/// The errors of write(2), EBADF for a number that is not open; InvalidInput for the standard streams and negative numbers,
/// which are not there to be closed.
pub fn readiness(fd: RawFd) -> io::Result<()> {
    if fd <= libc::STDERR_FILENO {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: one byte from a constant; a descriptor that is not open is an error, not undefined.
    let written = Errno::result(unsafe { libc::write(fd, b"\n".as_ptr().cast(), 1) });
    // SAFETY: the number is the parent's gift for this purpose alone, so nothing of ours owns it.
    let closed = Errno::result(unsafe { libc::close(fd) });
    written?;
    closed?;
    Ok(())
}

/// CLOCK_MONOTONIC in microseconds, which goes with `RELOADING=1` (sd_notify(3)).
pub fn monotonic_usec() -> u128 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| Duration::from(now).as_micros())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::IntoRawFd;
    use std::{env, fs, process};

    use super::*;

    fn read(manager: &UnixDatagram) -> String {
        let mut buffer = [0; 32];
        let len = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    }

    #[test]
    fn both_kinds_of_names_are_reached() {
        let path = env::temp_dir().join(format!("slewd-notify-{}", process::id()));
        let manager = UnixDatagram::bind(&path).unwrap();
        service_manager(path.to_str().unwrap(), "READY=1").unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&manager), "READY=1");

        let name = format!("slewd-notify-{}", process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        service_manager(&format!("@{name}"), "STOPPING=1").unwrap();
        assert_eq!(read(&manager), "STOPPING=1");
    }

    #[test]
    fn other_names_and_absent_managers_are_errors() {
        assert_eq!(service_manager("relative", "READY=1").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(service_manager("/no/such/socket", "READY=1").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_readiness_descriptor_gets_a_newline_and_the_end() {
        let (mut reader, writer) = io::pipe().unwrap();
        readiness(writer.into_raw_fd()).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "\n");
        assert_eq!(readiness(1).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(readiness(9999).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }
}
