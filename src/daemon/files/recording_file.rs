//! The file of `--record`: added to, a line at a time, readable for its owner alone.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use log::{error, info, warn};

use crate::config::Config;
use crate::core::api::temp_comp::TempComp;
use crate::daemon::files::opening::append_regular;
use crate::daemon::os_error::plain;
use crate::daemon::run::Options;
use crate::recording::{Recording, Sink, is_protected};

/// A request and what follows from it take 600 bytes: four sources that are asked every 64 s fill it in 20 days.
const MOST_BYTES: u64 = 64 << 20;

/// The file.
struct RecordingFile {
    path: String,
    file: File,
    /// So much more may be written.
    room: u64,
}

/// The recording that `--record` asks for, opened while there are rights to. Who wants one is told at once if there will be
/// none.
///
/// # Errors
/// The message of a fatal error.
pub(in crate::daemon) fn begin(
    options: &Options,
    config: &Config,
    temp_comp: Option<&TempComp>,
    has_logs: bool,
) -> Result<Option<Recording>, String> {
    let Some(path) = &options.record else { return Ok(None) };
    if let Some(source) = config.sources.iter().find(|source| is_protected(source)) {
        return Err(format!(
            "Could not record {} : its replies are protected by keys, which are not recorded (remove nts and key for the \
             time of the recording, or --record)",
            source.host
        ));
    }
    let mut recording = Recording::new(Box::new(RecordingFile::open(path)?));
    recording.settings(config, temp_comp, options.restarted, has_logs);
    info!("Recording to {path}");
    Ok(Some(recording))
}

impl RecordingFile {
    /// Opens the file or makes it. What is in it stays: a daemon that is started again adds its run.
    fn open(path: &str) -> Result<Self, String> {
        let refuse = |reason: io::Error| format!("Could not open {path} : {}", plain(&reason));
        let mut file = append_regular(Path::new(path), 0o600).map_err(refuse)?;
        let size = file.metadata().map_err(refuse)?.len();
        if size > 0 {
            // The last line of a run that was killed may have no end.
            file.write_all(b"\n").map_err(refuse)?;
        }
        Ok(RecordingFile { path: path.to_owned(), file, room: MOST_BYTES.saturating_sub(size) })
    }
}

impl Sink for RecordingFile {
    fn write(&mut self, lines: &str) -> bool {
        let Some(room) = self.room.checked_sub(lines.len() as u64) else {
            let _ = self.file.write_all(b"full\n");
            warn!("Recording stopped : {} has {} MiB", self.path, MOST_BYTES >> 20);
            return false;
        };
        self.room = room;
        if let Err(reason) = self.file.write_all(lines.as_bytes()) {
            warn!("Recording stopped : could not write to {} : {}", self.path, plain(&reason));
            return false;
        }
        true
    }

    fn stop(&mut self, why: String) {
        error!("Recording stopped : {why}");
    }
}
