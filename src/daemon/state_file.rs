//! Small files that are replaced at once or not at all, so that a power cut leaves the old or the new one.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use log::error;

use crate::daemon::drift_file::plain;

/// Replaces the content of a file. Failure is one line in the log.
pub fn replace(path: &Path, text: &str) {
    let temporary = beside(path, ".tmp");
    let result = try_write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if let Err(reason) = result {
        error!("Could not open {} : {}", temporary.display(), plain(&reason));
    }
}

/// The path with an ending added to the name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn try_write(temporary: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(temporary) {
        Err(reason) if reason.kind() != ErrorKind::NotFound => return Err(reason),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
