//! Reads and writes the drift file; survives whatever is found there.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use log::{error, info, warn};

use crate::core::drift::DriftRecord;
use crate::time::{Span, Utc};

/// Longer than any drift file; what is longer is something else.
const MAX_BYTES: u64 = 4096;

/// What was found at the start.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Found {
    /// The contents.
    pub record: DriftRecord,
    /// When it was written.
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
pub struct DriftFile {
    path: PathBuf,
    has_failed: bool,
}

impl DriftFile {
    /// Nothing is done to it yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        DriftFile { path: path.into(), has_failed: false }
    }

    /// Replaces the file at once or not at all. Failure is one line in the log, and the next one not before it has
    /// worked again: a disk that is read-only or full stays so for long.
    pub fn write(&mut self, record: &DriftRecord) {
        let temporary = temporary(&self.path);
        let result = try_write(&temporary, record).and_then(|()| fs::rename(&temporary, &self.path));
        if let Err(reason) = &result {
            let _ = fs::remove_file(&temporary);
            if !self.has_failed {
                let reason = plain(reason);
                error!("Could not open {} : {reason} (the frequency is not remembered)", temporary.display());
            }
        }
        self.has_failed = result.is_err();
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
    let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
    let written = written(path).unwrap_or(Utc::from_secs(0));
    Ok(DriftRecord::parse(&text).map(|record| Found { record, written }))
}

fn try_write(temporary: &Path, record: &DriftRecord) -> io::Result<()> {
    match fs::remove_file(temporary) {
        Err(reason) if reason.kind() != ErrorKind::NotFound => return Err(reason),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(temporary)?;
    file.write_all(record.to_text().as_bytes())?;
    file.sync_all()
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// The kernel's words without Rust's `(os error 2)`.
pub fn plain(reason: &io::Error) -> String {
    reason.raw_os_error().map_or_else(|| reason.to_string(), |code| nix::errno::Errno::from_raw(code).desc().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_read_back() {
        let directory = tempdir("drift");
        let path = directory.join("drift");
        let record = DriftRecord { frequency_ppm: -12.5, skew_ppm: 0.25 };
        let mut file = DriftFile::new(&path);
        file.write(&record);
        file.write(&record);
        assert_eq!(fs::read(&path).expect("written").len(), 42);
        assert_eq!(read(&path).map(|found| found.record), Some(record));
        assert_eq!(fs::read_dir(&directory).expect("own directory").count(), 1, "no temporary file is left");
        fs::remove_dir_all(directory).expect("own directory");
    }

    #[test]
    fn a_failure_is_remembered_until_it_works_again() {
        let directory = tempdir("failure").join("below");
        let mut file = DriftFile::new(directory.join("drift"));
        let record = DriftRecord { frequency_ppm: 1.0, skew_ppm: 0.1 };
        for is_possible in [false, false, true, true] {
            if is_possible {
                fs::create_dir_all(&directory).expect("a temporary directory");
            }
            file.write(&record);
            assert_eq!(file.has_failed, !is_possible);
        }
        fs::remove_dir_all(tempdir("failure")).expect("own directory");
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
