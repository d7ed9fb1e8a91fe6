//! The real files behind a configuration.

use std::fs::{self, File};

use crate::config::{Files, SearchFailed};
use crate::daemon::files::opening::{read_bounded, read_promptly};
use crate::daemon::os_error::plain;
use crate::sys::glob::glob;

/// A configuration that is longer is something else.
const MOST_BYTES: u64 = 1 << 20;

/// The file system.
pub struct RealFiles;

/// The file system, for what is read while the daemon runs.
pub struct PromptFiles;

impl Files for RealFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            return Ok(Vec::new());
        }
        // A pipe is waited for: before the first packet nothing else is to be done, and any signal still ends the wait.
        File::open(path).and_then(|file| read_bounded(file, MOST_BYTES)).map_err(|reason| plain(&reason))
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SearchFailed> {
        let found = glob(pattern).map_err(|_| SearchFailed)?;
        Ok(found.into_iter().filter_map(|path| path.into_os_string().into_string().ok()).collect())
    }

    fn list(&self, directory: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

impl Files for PromptFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        read_promptly(path.as_ref(), MOST_BYTES).map_err(|reason| plain(&reason))
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SearchFailed> {
        RealFiles.glob(pattern)
    }

    fn list(&self, directory: &str) -> Vec<String> {
        RealFiles.list(directory)
    }
}
