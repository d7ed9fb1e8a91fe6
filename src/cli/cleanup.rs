//! `slewd cleanup`: after a daemon that was killed, no file may go on saying that the clock is right. Supervisors run it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::complain;
use crate::cli::flags::plain;
use crate::cli::words::Arguments;
use crate::daemon::files::pid_file::running;
use crate::daemon::files::state_file::{self, PATIENCE};
use crate::daemon::notify::metrics_file::MetricsFile;
use crate::daemon::run::load;

/// Status 0 if nothing is left that says so; also if there was nothing.
pub(super) fn run(words: &Arguments) -> Result<ExitCode, String> {
    let config = match load(&plain(words.value("-f"))) {
        Ok(config) => config,
        Err(failure) => {
            complain(&format!("slewd cleanup: {}", failure.error));
            return Ok(ExitCode::FAILURE);
        }
    };
    if let Some(pid) = config.process.pid_file.as_ref().and_then(|path| running(Path::new(path))) {
        complain(&format!("slewd cleanup: process {pid} runs and looks after its files itself: nothing is done"));
        return Ok(ExitCode::FAILURE);
    }
    let mut is_clean = true;
    for path in config.announcements.synchronized_files(true) {
        match fs::remove_file(&path) {
            Err(reason) if reason.kind() != ErrorKind::NotFound => {
                complain(&format!("slewd cleanup: cannot remove {path}: {reason}"));
                is_clean = false;
            }
            _ => {}
        }
    }
    // What is dropped says that nobody is there.
    drop(config.announcements.metrics_file.as_ref().map(MetricsFile::new));
    state_file::finish(PATIENCE);
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
