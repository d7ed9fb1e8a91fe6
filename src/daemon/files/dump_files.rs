//! The files in `dumpdir`: what was known of each source, for the next run.

use std::fs;
use std::path::{Path, PathBuf};

use log::{debug, warn};

use crate::core::api::dump::Dump;
use crate::core::engine::PastFile;
use crate::daemon::files::log_files::create_directory;
use crate::daemon::files::opening::read_regular;
use crate::daemon::files::state_file::StateFile;
use crate::daemon::os_error::plain;
use crate::report::dump_file;
use crate::sys::privileges::User;

/// Names the present boot of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Longer than any dump file; what is longer is something else.
const MAX_BYTES: u64 = 65_536;

/// The directory.
#[derive(Debug)]
pub struct DumpFiles {
    directory: PathBuf,
}

impl DumpFiles {
    /// Nothing is done to it yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        DumpFiles { directory: directory.into() }
    }

    /// Makes the directory as long as there are rights to, for the `owner` slewd is going to be.
    pub fn prepare(&self, owner: Option<&User>) {
        if let Err(reason) = create_directory(&self.directory, owner) {
            warn!("Could not create directory {} : {}", self.directory.display(), plain(&reason));
        }
    }

    /// Reads the files of the last run if they are `wanted`, and removes them in any case: they are not to be read twice.
    pub fn take(&self, wanted: bool) -> Vec<PastFile> {
        let mut past = Vec::new();
        for path in self.files() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some(subject) = dump_file::subject(&name) else { continue };
            if wanted {
                past.push((subject, read(&path).and_then(|text| dump_file::parse(subject, &text))));
            }
            if let Err(reason) = fs::remove_file(&path) {
                debug!("Could not remove {} : {}", path.display(), plain(&reason));
            }
        }
        past
    }

    /// Writes a file for each source.
    pub fn write(&self, dumps: &[Dump]) {
        for dump in dumps {
            let path = self.directory.join(dump_file::file_name(dump.source));
            StateFile::fleeting(path, "the samples are not remembered").replace(dump_file::text(dump));
        }
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        fs::read_dir(&self.directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
    }
}

/// Names this boot; `None` if the kernel does not.
pub fn boot() -> Option<String> {
    let id = fs::read_to_string(BOOT_ID).ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty() && !id.contains(char::is_whitespace))
}

fn read(path: &Path) -> Option<String> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let bytes = metadata.is_file().then(|| read_regular(path, MAX_BYTES).ok())??;
    String::from_utf8(bytes).ok()
}
