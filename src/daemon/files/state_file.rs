//! Small files that are replaced at once or not at all, so that a power cut leaves the old or the new one.
//!
//! They are written off the main thread: a disk takes as long as it likes for fsync(2), a broken one for ever.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use log::{Level, log, warn};

use crate::daemon::os_error::plain;
use crate::sys::privileges::Capability;
use crate::sys::seccomp;

/// At the end of a run the disk is waited for, but not longer: whoever has sent SIGTERM expects an end within a second.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// The thread writes files, and lines of the log.
const STACK_BYTES: usize = 64 * 1024;

/// A file that is written from time to time.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
    loss: &'static str,
    /// The file is to survive a power cut.
    is_lasting: bool,
    has_failed: Arc<AtomicBool>,
}

impl StateFile {
    /// Nothing is done to it yet. `loss`: what follows if it cannot be written.
    pub fn new(path: impl Into<PathBuf>, loss: &'static str) -> Self {
        StateFile { path: path.into(), loss, is_lasting: true, has_failed: Arc::default() }
    }

    /// A file whose content is soon replaced: disks are spared, and it is less of a loss.
    pub fn fleeting(path: impl Into<PathBuf>, loss: &'static str) -> Self {
        StateFile { is_lasting: false, ..Self::new(path, loss) }
    }

    /// Has its content replaced soon. Failure is one line in the log, and the next one not before it has worked again: a
    /// disk that is read-only or full stays so for long.
    pub fn replace(&self, text: String) {
        QUEUE.add(self.clone(), text);
    }

    fn write(&self, text: &str) {
        let temporary = beside(&self.path, ".tmp");
        let result = try_write(&temporary, text, self.is_lasting).and_then(|()| fs::rename(&temporary, &self.path));
        let had_failed = self.has_failed.swap(result.is_err(), Ordering::Relaxed);
        if let Err(reason) = &result {
            let _ = fs::remove_file(&temporary);
            let level = if self.is_lasting { Level::Error } else { Level::Warn };
            if !had_failed {
                log!(level, "Could not open {} : {} ({})", temporary.display(), plain(reason), self.loss);
            }
        }
    }
}

/// Waits until everything is written that was to be, but not for ever.
pub fn finish(patience: Duration) {
    let late = QUEUE.finish(patience);
    if let Some(path) = late.first() {
        warn!("Could not write {} in time ({} files late: the disk does not answer)", path.display(), late.len());
    }
}

/// The path with an ending added to the name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// What is to be written.
static QUEUE: Queue = Queue { work: Mutex::new(Work { waiting: Vec::new(), writing: None }), changed: Condvar::new() };

struct Queue {
    work: Mutex<Work>,
    changed: Condvar,
}

struct Work {
    /// In order, at most one for each path.
    waiting: Vec<(StateFile, String)>,
    /// What a thread is at. It ends when nothing waits any more.
    writing: Option<PathBuf>,
}

impl Queue {
    fn work(&self) -> MutexGuard<'_, Work> {
        // Nothing that is done under the lock panics.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&'static self, file: StateFile, text: String) {
        let mut work = self.work();
        match work.waiting.iter_mut().find(|(other, _)| other.path == file.path) {
            Some(waiting) => *waiting = (file, text),
            None => work.waiting.push((file, text)),
        }
        if work.writing.is_some() {
            return;
        }
        work.writing = Some(PathBuf::new());
        drop(work);
        let begun = thread::Builder::new().stack_size(STACK_BYTES).spawn(|| {
            // Root that remains root may write what belongs to others.
            seccomp::confine_thread(&[Capability::DacOverride]);
            self.write_all();
        });
        if begun.is_err() {
            self.write_all();
        }
    }

    fn write_all(&self) {
        loop {
            let mut work = self.work();
            if work.waiting.is_empty() {
                work.writing = None;
                return self.changed.notify_all();
            }
            let (file, text) = work.waiting.remove(0);
            work.writing = Some(file.path.clone());
            drop(work);
            file.write(&text);
        }
    }

    /// What is not written after this time.
    fn finish(&self, patience: Duration) -> Vec<PathBuf> {
        let is_busy = |work: &mut Work| work.writing.is_some();
        let waited = self.changed.wait_timeout_while(self.work(), patience, is_busy);
        let (work, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let waiting = work.waiting.iter().map(|(file, _)| &file.path);
        let late = work.writing.iter().chain(waiting.filter(|path| Some(*path) != work.writing.as_ref()));
        late.cloned().collect()
    }
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

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_failure_is_remembered_until_it_works_again() {
        let parent = std::env::temp_dir().join(format!("slewd-failure-{}", std::process::id()));
        let directory = parent.join("below");
        let file = StateFile::new(directory.join("drift"), "nothing is remembered");
        for is_possible in [false, false, true, true] {
            if is_possible {
                fs::create_dir_all(&directory).expect("a temporary directory");
            }
            file.replace("1 0.1\n".to_owned());
            finish(LONG);
            assert_eq!(file.has_failed.load(Ordering::Relaxed), !is_possible);
        }
        fs::remove_dir_all(parent).expect("own directory");
    }

    #[test]
    fn the_last_of_many_contents_stays() {
        let path = std::env::temp_dir().join(format!("slewd-many-{}", std::process::id()));
        let file = StateFile::fleeting(&path, "nothing");
        (0..=1000).for_each(|number| file.replace(format!("{number}\n")));
        finish(LONG);
        assert_eq!(fs::read_to_string(&path).expect("written"), "1000\n");
        fs::remove_file(path).expect("own file");
    }
}
