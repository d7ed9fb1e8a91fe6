//! The real files behind a configuration.

use std::fs;

use crate::config::{Files, SearchFailed};
use crate::daemon::drift_file::plain;
use crate::sys::glob::glob;

/// The file system.
pub struct RealFiles;

impl Files for RealFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            return Ok(Vec::new());
        }
        fs::read(path).map_err(|reason| plain(&reason))
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
