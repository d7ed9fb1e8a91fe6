//! Files that exist while slewd runs and the clock has been right once: what must not begin before waits for them.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use log::{debug, warn};

use crate::core::engine::Engine;
use crate::daemon::control::{Owner, own};
use crate::daemon::notify::observer::Observer;
use crate::daemon::notify::ready_condition::{self, ReadyCondition};
use crate::daemon::os_error::plain;
use crate::time::{ClockReading, Raw, Utc};

/// The files of directive `synchronizedfile`. They are removed when this is dropped.
#[derive(Debug)]
pub struct SynchronizedFiles {
    paths: Vec<PathBuf>,
    controls_clock: bool,
    /// There is nothing more to do.
    is_done: bool,
}

impl SynchronizedFiles {
    /// Files of an earlier run are removed, and directories made as long as there are rights to, for the `owner` slewd is
    /// going to be.
    pub fn prepare(paths: Vec<String>, controls_clock: bool, owner: Owner) -> Self {
        let files = SynchronizedFiles {
            is_done: paths.is_empty(),
            paths: paths.into_iter().map(Into::into).collect(),
            controls_clock,
        };
        files.remove();
        for directory in files.paths.iter().filter_map(|path| path.parent()) {
            if let Err(reason) = make_directory(directory, owner) {
                debug!("Could not create directory {} : {}", directory.display(), plain(&reason));
            }
        }
        files
    }

    fn make(&self, now: Utc) {
        for path in &self.paths {
            match write(path, now) {
                Ok(()) => debug!("{} tells that the clock is right", path.display()),
                Err(reason) => warn!(
                    "Could not open {} : {} (nobody can see there that the clock is right: make its directory writable, \
                     or choose with the directive synchronizedfile)",
                    path.display(),
                    plain(&reason)
                ),
            }
        }
    }

    fn remove(&self) {
        for path in &self.paths {
            match fs::remove_file(path) {
                Err(reason) if reason.kind() != ErrorKind::NotFound => {
                    warn!(
                        "Could not remove {} : {} (it tells that the clock is right)",
                        path.display(),
                        plain(&reason)
                    );
                }
                _ => {}
            }
        }
    }
}

impl Observer for SynchronizedFiles {
    fn rest(&mut self, engine: &Engine, now: &ClockReading) -> Option<Raw> {
        if self.is_done {
            return None;
        }
        match ready_condition::of(engine, self.controls_clock, now) {
            ReadyCondition::Right => {
                self.is_done = true;
                self.make(now.utc);
                None
            }
            ReadyCondition::Later(at) => Some(at),
            ReadyCondition::Unknown => None,
        }
    }
}

impl Drop for SynchronizedFiles {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Everybody may look into a directory that is made here. One that is there keeps its owner and its mode.
fn make_directory(path: &Path, owner: Owner) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o755).create(path)?;
    own(path, owner, 0o755)
}

/// Everybody may read the file, whatever the umask. What has come to be there since the start, a link perhaps, is not
/// written to.
fn write(path: &Path, now: Utc) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    writeln!(file, "{now}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_there_in_between_only() {
        let directory = std::env::temp_dir().join(format!("slewd-synchronized-{}", std::process::id()));
        let old = directory.join("old");
        let new = directory.join("made/for/it/synchronized");
        fs::create_dir_all(&directory).expect("a temporary directory");
        fs::write(&old, "").expect("own directory");
        let (uid, gid) = crate::sys::privileges::own_ids();
        let owner = Owner { uid, gid };
        let paths = [&old, &new].map(|path| path.to_str().expect("a name").to_string());
        let files = SynchronizedFiles::prepare(paths.to_vec(), true, owner);
        assert!(!old.exists() && !new.exists() && directory.join("made/for/it").is_dir());
        files.make(Utc::from_secs(1_796_126_400));
        assert_eq!(fs::read_to_string(&new).expect("it is there"), "2026-12-01T12:00:00Z\n");
        for path in [&old, &new] {
            assert_eq!(fs::metadata(path).expect("it is there").permissions().mode() & 0o777, 0o644);
        }
        drop(files);
        assert!(!old.exists() && !new.exists());
        fs::remove_dir_all(directory).expect("own directory");
    }
}
