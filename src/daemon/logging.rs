//! Where the log goes: the system log, standard error, or a file; in chronyd's formats (spec 5.1).

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use env_logger::{Builder, Target};
use log::{Level, LevelFilter, Record};

use crate::sys::clock;
use crate::sys::syslog::{DEV_LOG, Syslog};

/// Facility `daemon` of syslog(3), shifted into place.
const FACILITY_DAEMON: u8 = 3 << 3;

/// Who is told.
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
            builder.format(stamped).target(Target::Stderr);
        }
        Destination::File(path) => {
            let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
            builder.format(stamped).target(Target::Pipe(Box::new(file)));
        }
    }
    builder.try_init().map_err(io::Error::other)
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
