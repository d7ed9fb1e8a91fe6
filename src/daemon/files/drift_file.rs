//! Reads and writes the drift file; survives whatever is found there.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use log::{info, warn};

use crate::core::api::drift::DriftRecord;
use crate::daemon::files::opening::read_regular;
use crate::daemon::files::state_file::StateFile;
use crate::daemon::os_error::plain;
use crate::time::{Span, Utc};

/// Longer than any drift file; what is longer is something else.
const MAX_BYTES: u64 = 4096;

/// What was found at the start.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Found {
    /// The contents.
    pub record: DriftRecord,
    /// When the file was written.
    pub written: Utc,
}

/// Reads the file. A missing one is silent, an unusable one is one line in the log.
pub fn read(path: &Path) -> Option<Found> {
    match try_read(path) {
        Ok(Some(found)) => {
            let DriftRecord { frequency_ppm, skew_ppm } = found.record;
            info!("Frequency {frequency_ppm:.3} +/- {skew_ppm:.3} ppm read from {}", path.display());
            Some(found)
        }
        Ok(None) => {
            warn!("Could not read valid frequency and skew from driftfile {}", path.display());
            None
        }
        Err(reason) if reason.kind() == ErrorKind::NotFound => None,
        Err(reason) => {
            warn!("Could not open {} : {}", path.display(), plain(&reason));
            None
        }
    }
}

/// When the file was last written, whatever is in it.
pub fn written(path: &Path) -> Option<Utc> {
    let modified = fs::metadata(path).ok()?.modified().ok()?;
    let since_1970 = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(Utc::from_secs(i64::try_from(since_1970.as_secs()).unwrap_or(0)))
}

/// The file, to be written.
#[derive(Clone, Debug)]
pub struct DriftFile(StateFile);

impl DriftFile {
    /// Nothing is done to it yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        DriftFile(StateFile::new(path, "the frequency is not remembered"))
    }

    /// Replaces the file at once or not at all.
    pub fn write(&self, record: &DriftRecord) {
        self.0.replace(record.to_text());
    }
}

/// Age of a file by a clock that may be wrong: never negative.
pub fn age(found: &Found, now: Utc) -> Span {
    (now - found.written).max(Span::ZERO)
}

fn try_read(path: &Path) -> io::Result<Option<Found>> {
    let metadata = fs::metadata(path)?;
    if metadata.len() > MAX_BYTES || !metadata.is_file() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&read_regular(path, MAX_BYTES)?).into_owned();
    let written = written(path).unwrap_or(Utc::from_secs(0));
    Ok(DriftRecord::parse(&text).map(|record| Found { record, written }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::daemon::files::state_file::finish;

    #[test]
    fn a_file_is_replaced_whole_and_read_back() {
        let directory = tempdir("drift");
        let path = directory.join("drift");
        let record = DriftRecord { frequency_ppm: -12.5, skew_ppm: 0.25 };
        let file = DriftFile::new(&path);
        file.write(&record);
        file.write(&record);
        finish(Duration::from_secs(60));
        assert_eq!(fs::read(&path).expect("written").len(), 42);
        assert_eq!(read(&path).map(|found| found.record), Some(record));
        assert_eq!(fs::read_dir(&directory).expect("own directory").count(), 1, "no temporary file is left");
        fs::remove_dir_all(directory).expect("own directory");
    }

    #[test]
    fn missing_empty_garbage_and_absurd_files_are_survived() {
        let directory = tempdir("garbage");
        let path = directory.join("drift");
        assert_eq!(read(&path), None, "missing");
        for content in [&b""[..], b"\xff\xfe\0", b"12", b"1e9 1", b"nan nan", &[b'1'; 5000]] {
            fs::write(&path, content).expect("own directory");
            assert_eq!(read(&path), None, "{content:?}");
        }
        assert_eq!(read(&directory), None, "a directory");
        fs::remove_dir_all(directory).expect("own directory");
    }

    fn tempdir(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("slewd-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary directory");
        path
    }
}
