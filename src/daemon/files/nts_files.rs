//! The files in `ntsdumpdir`: keys and cookies for the next run. They are as good as the keys: nobody else may read them,
//! and they are removed once they are read, for a cookie is not shown twice.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use log::{debug, warn};

use crate::core::api::nts::SavedKeys;
use crate::daemon::files::log_files::create_directory;
use crate::daemon::files::opening::read_regular;
use crate::daemon::os_error::plain;
use crate::report::nts_file;
use crate::sys::privileges::User;
use crate::wire::secret::wipe;

/// Longer than any of these files.
const MAX_BYTES: u64 = 16_384;

/// The directory.
#[derive(Debug)]
pub struct NtsFiles {
    directory: PathBuf,
}

impl NtsFiles {
    /// Nothing is done to it yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        NtsFiles { directory: directory.into() }
    }

    /// Makes the directory as long as there are rights to, for the `owner` slewd is going to be.
    pub fn prepare(&self, owner: Option<&User>) {
        if let Err(reason) = create_directory(&self.directory, owner) {
            warn!("Could not create directory {} : {}", self.directory.display(), plain(&reason));
        }
    }

    /// Reads and removes the files of the last run.
    pub fn take(&self) -> Vec<SavedKeys> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let mut all = Vec::new();
        for path in entries.map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some(server) = nts_file::server(&name) else { continue };
            let mut content = read_regular(&path, MAX_BYTES).unwrap_or_default();
            all.extend(str::from_utf8(&content).ok().and_then(|text| nts_file::parse(server, text)));
            wipe(&mut content);
            if let Err(reason) = fs::remove_file(&path) {
                debug!("Could not remove {} : {}", path.display(), plain(&reason));
            }
        }
        all
    }

    /// Writes a file for each source that has keys.
    pub fn write(&self, all: &[SavedKeys]) {
        for saved in all {
            let path = self.directory.join(nts_file::file_name(saved.server));
            if let Err(reason) = write_secret(&path, &nts_file::text(saved)) {
                warn!("Could not write {} : {} (keys are established anew)", path.display(), plain(&reason));
            }
        }
    }
}

/// Replaces the file as a whole; nobody else ever may read it.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("nts.tmp");
    let _ = fs::remove_file(&draft);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&draft, path)
}
