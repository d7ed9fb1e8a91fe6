//! `slewd metrics`: once, to standard output or to a file of node_exporter's textfile collector.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::client::Client;
use crate::cli::gather::Parts;
use crate::cli::words::Arguments;
use crate::cli::{complain, say};
use crate::report::metrics;
use crate::sys::clock;

/// Exit code: nobody answers, and `slewd_up` is all there is.
const NO_DAEMON: u8 = 2;

/// Status 0 if there is something to say.
pub(super) fn run(words: &Arguments) -> Result<ExitCode, String> {
    let (text, code) = match Client::new(words)?.snapshot(Parts::ALL, true) {
        Ok(snapshot) => (metrics::text(&snapshot), ExitCode::SUCCESS),
        Err(failure) => {
            complain(&format!("slewd metrics: {failure}"));
            (metrics::down(), ExitCode::from(NO_DAEMON))
        }
    };
    let text = text + &metrics::written(clock::read().utc);
    let is_written = match words.value("--output") {
        Some(path) => {
            let result = replace(Path::new(path), &text);
            result.inspect_err(|reason| complain(&format!("slewd metrics: cannot write {path}: {reason}"))).is_ok()
        }
        None => say(&text),
    };
    Ok(if is_written { code } else { ExitCode::FAILURE })
}

/// Whole or not at all: the collector may read at any moment. It may run as anybody.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    // The collector reads names that end in .prom.
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        // Whatever the umask is.
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.write_all(text.as_bytes())?;
        fs::rename(&temporary, path)
    };
    let result = write();
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}
