//! Writes the log files of directive `log` (chrony.conf(5)): appended to, a line at a time, and begun anew when asked.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, lchown};
use std::path::{Path, PathBuf};

use log::{Level, debug, log, warn};

use crate::config::Logs;
use crate::core::api::record::{Record, Wanted};
use crate::daemon::files::opening::append_regular;
use crate::daemon::os_error::plain;
use crate::report::log_file::{self, LogFile};
use crate::sys::privileges::User;

/// What a user who misses a file is to do.
const REMEDY: &str = "tried again after SIGUSR1: put the directory right, or remove the directive log";

/// The files below `logdir`.
#[derive(Debug)]
pub struct LogFiles {
    directory: PathBuf,
    /// The banner is repeated after this many lines; 0 for none at all.
    banner: u32,
    open: [Option<Open>; LogFile::ALL.len()],
    /// Cannot be opened: not tried again, and said only of the first.
    failed: [bool; LogFile::ALL.len()],
    /// The disk is full: said, and tried again with each line.
    is_full: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    lines: u32,
}

/// What the engine has to note for these files.
pub fn wanted(logs: &Logs) -> Wanted {
    Wanted {
        measurements: logs.measurements,
        raw_measurements: logs.raw_measurements,
        statistics: logs.statistics,
        tracking: logs.tracking,
        selection: logs.selection,
        temperature: logs.tempcomp,
        reference_clocks: logs.refclocks,
    }
}

/// Whether there is anything to note for them.
pub fn is_wanted(logs: &Logs) -> bool {
    wanted(logs) != Wanted::default()
}

impl LogFiles {
    /// Nothing is opened before there is something to write.
    pub fn new(directory: impl Into<PathBuf>, banner: u32) -> Self {
        let (open, failed) = Default::default();
        LogFiles { directory: directory.into(), banner, open, failed, is_full: false }
    }

    /// Makes the directory as long as there are rights to, for the `owner` slewd is going to be: 0750, its parents 0755.
    pub fn prepare(&mut self, owner: Option<&User>) {
        if let Err(reason) = create_directory(&self.directory, owner) {
            self.failed = [true; LogFile::ALL.len()];
            warn!("Could not create directory {} : {} ({REMEDY})", self.directory.display(), plain(&reason));
        }
    }

    /// Closes the files. They are opened again, or made, at the next line: what had been there can be moved away.
    pub fn reopen(&mut self) {
        self.open = Default::default();
        self.failed = Default::default();
    }

    /// Adds a line to the file it belongs to. Whatever goes wrong is said once.
    pub fn write(&mut self, record: &Record) {
        let which = LogFile::of(record);
        if self.failed[which as usize] {
            return;
        }
        let path = self.directory.join(which.name());
        let place = &mut self.open[which as usize];
        let open = match place {
            Some(open) => open,
            None => match append_regular(&path, 0o644) {
                Ok(file) => place.insert(Open { file, lines: 0 }),
                Err(reason) => {
                    let level = if self.failed.contains(&true) { Level::Debug } else { Level::Warn };
                    self.failed[which as usize] = true;
                    return log!(level, "Could not open {} : {} ({REMEDY})", path.display(), plain(&reason));
                }
            },
        };
        let is_due = self.banner > 0 && open.lines.is_multiple_of(self.banner);
        let mut text = if is_due { which.banner() } else { String::new() };
        text.push_str(&log_file::line(record));
        let result = append(&mut open.file, &text);
        match result {
            Ok(()) => {
                open.lines = open.lines.wrapping_add(1);
                if std::mem::take(&mut self.is_full) {
                    debug!("{} is written again", path.display());
                }
            }
            Err(reason) if !self.is_full => {
                self.is_full = true;
                warn!("Could not write {} : {} (tried again with each line)", path.display(), plain(&reason));
            }
            Err(_) => {}
        }
    }
}

/// A directory for files of ours: 0750, its parents 0755.
pub fn create_directory(path: &Path, owner: Option<&User>) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    DirBuilder::new().mode(0o750).create(path)?;
    owner.map_or(Ok(()), |owner| lchown(path, Some(owner.uid), Some(owner.gid)))
}

/// The whole text or, on a full disk, nothing of it: half a line would spoil the next.
fn append(file: &mut File, text: &str) -> io::Result<()> {
    let before = file.metadata()?.len();
    let result = file.write_all(text.as_bytes());
    if result.is_err() {
        let _ = file.set_len(before);
    }
    result
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::core::api::record::{LogEntry, SelectionEntry, SelectionState};
    use crate::time::{Span, Utc};

    #[test]
    fn the_banner_is_repeated_and_files_begin_anew_when_asked() {
        let directory = own_directory("rotation");
        let path = directory.join("selection.log");
        let mut files = LogFiles::new(&directory, 3);
        files.prepare(None);
        (0..4).for_each(|_| files.write(&record()));
        let text = fs::read_to_string(&path).expect("written");
        let is_banner: Vec<bool> = text.lines().map(|line| line.starts_with(['=', ' '])).collect();
        assert_eq!(is_banner, [true, true, true, false, false, false, true, true, true, false]);

        let rotated = directory.join("selection.log.1");
        fs::rename(&path, &rotated).expect("own directory");
        files.write(&record());
        assert!(!path.exists(), "the file that was moved is still the one written to");
        files.reopen();
        assert!(!path.exists(), "nothing is made before there is something to write");
        files.write(&record());
        assert_eq!(fs::read_to_string(&path).expect("made").lines().count(), 4, "a banner and a line");
        assert_eq!(fs::read_to_string(&rotated).expect("still there").lines().count(), 11);
        fs::remove_dir_all(directory).expect("own directory");
    }

    #[test]
    fn files_are_appended_to_and_a_banner_of_zero_is_none() {
        let directory = own_directory("append");
        let path = directory.join("selection.log");
        for lines in 1..=2 {
            let mut files = LogFiles::new(&directory, 0);
            files.prepare(None);
            files.write(&record());
            let text = fs::read_to_string(&path).expect("written");
            assert_eq!(text.lines().count(), lines, "{text}");
            assert!(text.ends_with('\n'));
        }
        fs::remove_dir_all(directory).expect("own directory");
    }

    #[test]
    fn a_file_that_cannot_be_opened_does_not_stop_the_others() {
        let directory = own_directory("one");
        fs::create_dir_all(directory.join("selection.log")).expect("a temporary directory");
        let mut files = LogFiles::new(&directory, 32);
        files.prepare(None);
        files.write(&record());
        assert_eq!(files.failed, LogFile::ALL.map(|file| file == LogFile::Selection));
        fs::remove_dir_all(directory).expect("own directory");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_tried_again_when_asked() {
        let parent = own_directory("missing");
        fs::write(&parent, "a file where a directory should be").expect("a temporary directory");
        let mut files = LogFiles::new(parent.join("logs"), 32);
        files.prepare(None);
        assert!(!files.failed.contains(&false));
        files.write(&record());
        fs::remove_file(&parent).expect("own file");
        fs::create_dir_all(parent.join("logs")).expect("a temporary directory");
        files.write(&record());
        assert!(!parent.join("logs/selection.log").exists());
        files.reopen();
        files.write(&record());
        assert!(parent.join("logs/selection.log").exists());
        fs::remove_dir_all(parent).expect("own directory");
    }

    fn record() -> Record {
        let entry = SelectionEntry {
            standing: SelectionState::Selected,
            options: [false; 4],
            reach: 1,
            score: 1.0,
            age: Span::ZERO,
            low_s: 0.0,
            high_s: 0.0,
        };
        Record { at: Utc::from_secs(0), source: None, entry: LogEntry::Selection(entry) }
    }

    fn own_directory(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("slewd-log-{name}-{}", std::process::id()))
    }
}
