//! One daemon at a time.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::sys::process;

/// Exists while the daemon runs; removed when dropped.
#[derive(Debug)]
pub struct PidFile(PathBuf);

/// Why the file could not be taken.
#[derive(Debug)]
pub enum Refusal {
    /// Its owner is alive.
    Running(i32),
    /// It cannot be written.
    Unwritable(io::Error),
}

impl PidFile {
    /// Takes the file over from a dead owner, or says who is alive.
    pub fn create(path: &Path) -> Result<Self, Refusal> {
        if let Some(pid) = owner(path).filter(|pid| process::is_alive(*pid)) {
            return Err(Refusal::Running(pid));
        }
        Self::try_create(path).map_err(Refusal::Unwritable)
    }

    fn try_create(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        if path.exists() {
            fs::remove_file(path)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(PidFile(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // The directory may not be ours any more after dropping root: a stale file is overwritten next time.
        let _ = fs::remove_file(&self.0);
    }
}

fn owner(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok().filter(|pid| *pid > 0 && *pid as u32 != std::process::id())
}
