//! One daemon at a time.
//!
//! After a crash the file stays, and its number may be that of another program by now. Who has it is looked up in /proc.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use log::warn;

use crate::daemon::files::opening::read_promptly;
use crate::sys::process;

/// A file that is longer holds more than a number.
const MOST_BYTES: u64 = 64;

/// What daemons are called that use such a file.
const DAEMONS: [&str; 2] = ["slewd", "chronyd"];

/// Exists while the daemon runs; removed when dropped.
#[derive(Debug)]
pub struct PidFile(PathBuf);

/// Why the file could not be taken.
#[derive(Debug)]
pub enum PidFileRefusal {
    /// The process that the file names is alive.
    Running(i32),
    /// The file cannot be written.
    Unwritable(io::Error),
}

impl PidFile {
    /// Takes the file over from a dead owner, or says who is alive.
    pub fn create(path: &Path) -> Result<Self, PidFileRefusal> {
        if let Some(pid) = alive(path) {
            match stranger(Path::new("/proc"), pid) {
                Some(name) => {
                    warn!("PID file {} is stale, its number {pid} is that of {name} by now: taken over", path.display())
                }
                None => return Err(PidFileRefusal::Running(pid)),
            }
        }
        Self::try_create(path).map_err(PidFileRefusal::Unwritable)
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

/// The daemon that has the file and is alive.
pub fn running(path: &Path) -> Option<i32> {
    alive(path).filter(|pid| stranger(Path::new("/proc"), *pid).is_none())
}

fn alive(path: &Path) -> Option<i32> {
    owner(path).filter(|pid| process::is_alive(*pid))
}

/// The name of a process that is no time daemon. `None` if it is one, or nobody will tell.
fn stranger(proc: &Path, pid: i32) -> Option<String> {
    let name = fs::read_to_string(proc.join(pid.to_string()).join("comm")).ok()?.trim().to_owned();
    // Installed under another name, it is called as we are.
    let own = fs::read_to_string(proc.join("self/comm")).ok()?;
    let is_daemon = DAEMONS.contains(&name.as_str()) || name == own.trim();
    (!is_daemon && !name.is_empty()).then(|| name.chars().map(|c| if c.is_control() { '?' } else { c }).collect())
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
    fn a_number_that_another_program_has_by_now_stops_nobody() {
        let path = std::env::temp_dir().join(format!("slewd-pid-reused-{}", std::process::id()));
        let mut other = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        fs::write(&path, format!("{}\n", other.id())).expect("a temporary directory");
        // Until it has become another program it is called as we are.
        while stranger(Path::new("/proc"), other.id() as i32).is_none() {
            std::thread::yield_now();
        }
        let file = PidFile::create(&path).expect("it is taken over");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), format!("{}\n", std::process::id()));
        drop(file);
        let _ = (other.kill(), other.wait());
    }

    #[test]
    fn a_daemon_and_one_that_cannot_be_looked_at_keep_others_out() {
        let proc = std::env::temp_dir().join(format!("slewd-pid-proc-{}", std::process::id()));
        for (directory, name) in [("self", "slewd-test"), ("7", "chronyd"), ("8", "slewd-test"), ("9", "nginx")] {
            fs::create_dir_all(proc.join(directory)).expect("a temporary directory");
            fs::write(proc.join(directory).join("comm"), format!("{name}\n")).expect("a temporary directory");
        }
        let strangers = [7, 8, 9, 10].map(|pid| stranger(&proc, pid));
        assert_eq!(strangers, [None, None, Some("nginx".to_owned()), None]);
        fs::remove_dir_all(&proc).expect("it was there");
    }

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
