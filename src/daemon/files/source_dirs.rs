//! The `.sources` files of `sourcedir`: read at the start, and again whenever somebody asks.

use log::warn;

use crate::config::{SourceFiles, read_source_dirs};
use crate::daemon::files::configuration::PromptFiles;

/// Where they are, and what they said last.
#[derive(Default)]
pub struct SourceDirs {
    directories: Vec<Vec<String>>,
    known: SourceFiles,
}

impl SourceDirs {
    /// The directories, not read yet.
    pub fn new(directories: Vec<Vec<String>>) -> Self {
        SourceDirs { directories, known: SourceFiles::default() }
    }

    /// All their lines as they are now. Warns of what is wrong with them, once.
    pub fn read(&mut self) -> &SourceFiles {
        let found = read_source_dirs(&PromptFiles, &self.directories);
        found.warnings.iter().filter(|warning| !self.known.warnings.contains(warning)).for_each(|w| warn!("{w}"));
        self.known = found;
        &self.known
    }
}
