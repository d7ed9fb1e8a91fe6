//! The signals that the daemon heeds, delivered as bytes on a descriptor that poll can wait for.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::c_int;
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Signals that ask the daemon to end, and those below.
const HANDLED: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];

/// The signal that asks for new log files.
pub const REOPEN: &str = "SIGUSR1";

/// The signal that asks for another look at the `.sources` files.
pub const RELOAD: &str = "SIGUSR2";

/// Where the handler writes; stays open for the life of the process.
static WRITE_END: AtomicI32 = AtomicI32::new(-1);

/// The receiving end of SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1 and SIGUSR2.
#[derive(Debug)]
pub struct Signals(UnixStream);

impl Signals {
    /// Installs the handlers and ignores SIGPIPE and SIGXFSZ, whose calls then fail like others. Meant to be called once: a second call takes the signals over.
    ///
    /// # Errors
    /// The errors of socketpair(2) and sigaction(2).
    pub fn install() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        WRITE_END.store(writer.into_raw_fd(), Ordering::Relaxed);
        let forward = SigAction::new(SigHandler::Handler(forward), SaFlags::SA_RESTART, SigSet::empty());
        for signal in HANDLED {
            // SAFETY: `forward` only does what signal-safety(7) allows: an atomic load, write(2), and errno put back.
            unsafe { sigaction(signal, &forward) }?;
        }
        // Whoever started us may have blocked them for purposes of their own, and execve(2) keeps that.
        SigSet::from_iter(HANDLED).thread_unblock()?;
        let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
        for signal in [Signal::SIGPIPE, Signal::SIGXFSZ] {
            // SAFETY: no handler is involved.
            unsafe { sigaction(signal, &ignore) }?;
        }
        Ok(Signals(reader))
    }

    /// The name of the next signal that arrived, such as `SIGTERM`, or `None`. Never blocks.
    pub fn next_name(&self) -> Option<&'static str> {
        let mut byte = [0];
        let arrived = matches!((&self.0).read(&mut byte), Ok(1));
        arrived.then(|| Signal::try_from(c_int::from(byte[0])).map_or("unknown signal", Signal::as_str))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

extern "C" fn forward(signal: c_int) {
    let errno = Errno::last_raw();
    let byte = signal as u8;
    // SAFETY: one byte from a live variable; the descriptor is never closed. A full buffer already wakes the reader.
    unsafe { libc::write(WRITE_END.load(Ordering::Relaxed), (&raw const byte).cast(), 1) };
    Errno::set_raw(errno);
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::signal::raise;

    use super::*;

    fn wait(signals: &Signals) {
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::from(5000u16)), Ok(1));
    }

    #[test]
    fn signals_become_readable_and_keep_their_names() {
        // As some parents do.
        SigSet::from_iter([Signal::SIGTERM]).thread_block().unwrap();
        let signals = Signals::install().unwrap();
        assert_eq!(signals.next_name(), None);
        for (signal, name) in HANDLED.into_iter().zip(["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", REOPEN, RELOAD]) {
            raise(signal).unwrap();
            wait(&signals);
            assert_eq!(signals.next_name(), Some(name));
        }
        raise(Signal::SIGPIPE).unwrap();
        assert_eq!(signals.next_name(), None, "SIGPIPE is ignored");
        for signal in HANDLED {
            // SAFETY: no handler is involved; the tests can be interrupted again.
            unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.unwrap();
        }
    }
}
