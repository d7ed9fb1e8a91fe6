//! Where the log goes: the system log, standard error, or a file; in chronyd's formats.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use env_logger::{Builder, Target};
use log::{Level, LevelFilter, Record};
use nix::poll::{PollFd, PollFlags, poll};

use crate::sys::clock;
use crate::sys::syslog::{DEV_LOG, Syslog};

/// Facility `daemon` of syslog(3), shifted into place.
const FACILITY_DAEMON: u8 = 3 << 3;

/// How long a reader may take to make room for a message, in milliseconds.
const PATIENCE_MS: u8 = 10;

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The system log.
    Syslog,
    /// Standard error, with a time stamp.
    Stderr,
    /// The end of this file, with a time stamp.
    File(PathBuf),
}

/// Starts logging. `ident` names the program in the system log. Fails if the file cannot be opened.
pub fn init(destination: &Destination, level: LevelFilter, ident: &str) -> io::Result<()> {
    let mut builder = Builder::new();
    builder.filter_level(level).write_style(env_logger::WriteStyle::Never);
    match destination {
        Destination::Syslog => {
            let prefix = format!("{ident}[{}]", std::process::id());
            builder.format(move |to, record| write!(to, "<{}>{prefix}: {}", priority(record), record.args()));
            let mut syslog = Syslog::new(DEV_LOG);
            // Connected now, because after a change of root directory or account it may be too late.
            let _ = syslog.connect();
            builder.target(Target::Pipe(Box::new(syslog)));
        }
        Destination::Stderr => {
            builder.format(stamped).target(Target::Pipe(Box::new(Prompt(io::stderr()))));
        }
        Destination::File(path) => {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o640)
                // A pipe that nobody reads is an error, and not to be waited for.
                .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
                .open(path)?;
            builder.format(stamped).target(Target::Pipe(Box::new(Prompt(file))));
        }
    }
    builder.try_init().map_err(io::Error::other)
}

/// What nobody takes, from a pipe that is full or a terminal that is stopped, is dropped: a clock does not wait for its
/// log. A pipe with room has room for a whole message (PIPE_BUF of pipe(7)).
struct Prompt<T>(T);

impl<T: AsFd + Write> Write for Prompt<T> {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let is_full = poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLOUT)], PATIENCE_MS) == Ok(0);
        if is_full { Ok(message.len()) } else { self.0.write(message) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn stamped(to: &mut env_logger::fmt::Formatter, record: &Record<'_>) -> io::Result<()> {
    writeln!(to, "{} {}", clock::read().utc, record.args())
}

fn priority(record: &Record<'_>) -> u8 {
    let severity = match record.level() {
        // syslog's LOG_CRIT, as chronyd has it for what ends the program.
        Level::Error if record.target() == FATAL => 2,
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    FACILITY_DAEMON | severity
}

/// Log target of messages after which the program ends.
pub const FATAL: &str = "fatal";

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_reader_who_does_not_read_does_not_stop_us() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let mut log = Prompt(writer);
        let message = [&[b'x'; 999][..], b"\n"].concat();
        for _ in 0..100 {
            log.write_all(&message).expect("it is dropped, or taken");
        }
        drop(log);
        let mut taken = String::new();
        reader.read_to_string(&mut taken).expect("text");
        assert!(taken.lines().count() > 50 && taken.lines().all(|line| line.len() == 999), "{} bytes", taken.len());
    }
}
