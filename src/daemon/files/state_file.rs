//! Small files that are replaced at once or not at all, so that a power cut leaves the old or the new one.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use log::{Level, log};

use crate::daemon::os_error::plain;

/// A file that is written from time to time.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
    loss: &'static str,
    /// The file is to survive a power cut.
    is_lasting: bool,
    has_failed: bool,
}

impl StateFile {
    /// Nothing is done to it yet. `loss`: what follows if it cannot be written.
    pub fn new(path: impl Into<PathBuf>, loss: &'static str) -> Self {
        StateFile { path: path.into(), loss, is_lasting: true, has_failed: false }
    }

    /// A file whose content is soon replaced: disks are spared, and it is less of a loss.
    pub fn fleeting(path: impl Into<PathBuf>, loss: &'static str) -> Self {
        StateFile { is_lasting: false, ..Self::new(path, loss) }
    }

    /// Replaces its content. Failure is one line in the log, and the next one not before it has worked again: a disk
    /// that is read-only or full stays so for long.
    pub fn replace(&mut self, text: &str) {
        let temporary = beside(&self.path, ".tmp");
        let result = try_write(&temporary, text, self.is_lasting).and_then(|()| fs::rename(&temporary, &self.path));
        if let Err(reason) = &result {
            let _ = fs::remove_file(&temporary);
            let level = if self.is_lasting { Level::Error } else { Level::Warn };
            if !self.has_failed {
                log!(level, "Could not open {} : {} ({})", temporary.display(), plain(reason), self.loss);
            }
        }
        self.has_failed = result.is_err();
    }
}

/// The path with an ending added to the name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn try_write(temporary: &Path, text: &str, is_lasting: bool) -> io::Result<()> {
    match fs::remove_file(temporary) {
        Err(reason) if reason.kind() != ErrorKind::NotFound => return Err(reason),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(temporary)?;
    file.write_all(text.as_bytes())?;
    if is_lasting { file.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_remembered_until_it_works_again() {
        let parent = std::env::temp_dir().join(format!("slewd-failure-{}", std::process::id()));
        let directory = parent.join("below");
        let mut file = StateFile::new(directory.join("drift"), "nothing is remembered");
        for is_possible in [false, false, true, true] {
            if is_possible {
                fs::create_dir_all(&directory).expect("a temporary directory");
            }
            file.replace("1 0.1\n");
            assert_eq!(file.has_failed, !is_possible);
        }
        fs::remove_dir_all(parent).expect("own directory");
    }
}
