//! One daemon at a time.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::daemon::files::read_promptly;
use crate::sys::process;

/// A file that is longer holds more than a number.
const MOST_BYTES: u64 = 64;

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
        // A link that leads nowhere is in the way as well.
        match fs::remove_file(path) {
            Err(reason) if reason.kind() != io::ErrorKind::NotFound => return Err(reason),
            _ => {}
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
    let bytes = read_promptly(path, MOST_BYTES).ok()?;
    let pid = String::from_utf8_lossy(&bytes).trim().parse().ok();
    pid.filter(|pid| *pid > 0 && *pid as u32 != std::process::id())
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_or_a_pipe_in_its_place_is_replaced() {
        let path = std::env::temp_dir().join(format!("slewd-pid-{}", std::process::id()));
        let own = format!("{}\n", std::process::id());
        std::os::unix::fs::symlink("/nowhere/at/all", &path).expect("a temporary directory");
        let file = PidFile::create(&path).expect("it is replaced");
        assert!(fs::symlink_metadata(&path).expect("it is there").is_file());
        assert_eq!(fs::read_to_string(&path).expect("it is there"), own);
        drop(file);
        mkfifo(&path, Mode::S_IRWXU).expect("a temporary directory");
        let file = PidFile::create(&path).expect("it is replaced");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), own);
        drop(file);
        assert!(fs::symlink_metadata(&path).is_err());
    }
}
