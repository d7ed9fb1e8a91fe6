//! Going to the background, with a foreground process that waits until there is something to report.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::process;

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};

/// What the background process writes before an error's text.
const FAILED: u8 = b'E';
/// What it writes when it is ready.
const READY: u8 = b'R';

/// The link to the foreground process, which exits as soon as it is told how the start went.
///
/// Dropping it without a word, or dying, makes the foreground process report failure.
#[derive(Debug)]
#[must_use = "the foreground process waits for this"]
pub struct Foreground(PipeWriter);

/// Forks twice and returns in the background process: session of its own but not its leader, working directory `/`,
/// standard streams on /dev/null. The foreground process does not return; it exits 0 once told [`Foreground::ready`],
/// and otherwise prints why not and exits 1.
///
/// Call it while there is one thread only: no other survives the fork.
///
/// # Errors
/// Returned in the foreground process only, if there can be no pipe or first fork.
pub fn daemonize() -> io::Result<Foreground> {
    let (reader, writer) = io::pipe()?;
    // SAFETY: the caller has one thread, so nothing is locked or half written in the copy.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            drop(writer);
            // The child ends at once. Whatever wait says, the pipe knows how the start went.
            let _ = waitpid(child, None);
            process::exit(report(reader));
        }
        ForkResult::Child => drop(reader),
    }
    let foreground = Foreground(writer);
    match detach() {
        Ok(()) => Ok(foreground),
        Err(error) => {
            foreground.failed(&format!("Could not detach from the terminal: {error}"));
            process::exit(1);
        }
    }
}

impl Foreground {
    /// The start succeeded: the foreground process exits with status 0.
    pub fn ready(mut self) {
        // If the foreground process was killed meanwhile, there is nobody to tell.
        let _ = self.0.write_all(&[READY]);
    }

    /// The start failed: the foreground process prints `message` and exits with status 1.
    pub fn failed(mut self, message: &str) {
        let _ = self.0.write_all(&[FAILED]);
        let _ = self.0.write_all(message.as_bytes());
    }
}

/// In the middle process until the second fork, in the background process after it.
fn detach() -> io::Result<()> {
    setsid()?;
    // SAFETY: still the one thread of the first fork.
    if let ForkResult::Parent { .. } = unsafe { fork() }? {
        // SAFETY: _exit takes any status; exit handlers belong to the foreground process.
        unsafe { libc::_exit(0) };
    }
    chdir("/")?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(())
}

/// Waits for the verdict, prints what is wrong, returns the exit status.
fn report(mut reader: PipeReader) -> i32 {
    let mut verdict = Vec::new();
    let end = reader.read_to_end(&mut verdict);
    let complaint = match (end, verdict.as_slice()) {
        (Ok(_), [READY]) => return 0,
        (Ok(_), [FAILED, text @ ..]) => String::from_utf8_lossy(text).into_owned(),
        (Ok(_), _) => "The background process ended before it was ready".to_owned(),
        (Err(error), _) => format!("Lost the background process: {error}"),
    };
    // With standard error closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{complaint}");
    1
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::path::Path;
    use std::process::{Command, Output};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use nix::unistd::{getpid, getsid};

    use super::*;

    const ROLE: &str = "SLEWD_TEST_DAEMON_ROLE";
    const FACTS: &str = "SLEWD_TEST_DAEMON_FACTS";
    const START_UP: Duration = Duration::from_millis(300);

    /// The body of the daemon that the tests below start: this test program, run again.
    #[test]
    fn daemon() {
        let Ok(role) = env::var(ROLE) else { return };
        let foreground = daemonize().unwrap();
        match role.as_str() {
            "ready" => {
                let stream = |fd| fs::read_link(format!("/proc/self/fd/{fd}")).unwrap().display().to_string();
                let detached = getsid(None).unwrap() != getpid();
                let facts = [env::current_dir().unwrap().display().to_string(), detached.to_string()];
                let facts = [&facts[..], &[stream(0), stream(1), stream(2)]].concat();
                sleep(START_UP);
                fs::write(env::var_os(FACTS).unwrap(), facts.join(" ")).unwrap();
                foreground.ready();
            }
            "failed" => foreground.failed("no such file: /etc/chrony.conf"),
            _ => drop(foreground),
        }
        // SAFETY: _exit takes any status; the test harness of this copy must not go on.
        unsafe { libc::_exit(0) };
    }

    fn start(role: &str, facts: &Path) -> Output {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "sys::daemonize::tests::daemon", "--nocapture"]).env(ROLE, role).env(FACTS, facts);
        command.output().unwrap()
    }

    #[test]
    fn the_foreground_waits_until_the_daemon_is_ready() {
        let facts = env::temp_dir().join(format!("slewd-daemon-{}", process::id()));
        let began = Instant::now();
        let output = start("ready", &facts);
        let written = fs::read_to_string(&facts);
        let _ = fs::remove_file(&facts);
        assert!(output.status.success(), "{output:?}");
        assert!(began.elapsed() >= START_UP);
        assert_eq!(written.unwrap(), "/ true /dev/null /dev/null /dev/null");
    }

    #[test]
    fn the_foreground_reports_failure() {
        let output = start("failed", Path::new("/"));
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "no such file: /etc/chrony.conf\n");
    }

    #[test]
    fn a_daemon_that_dies_silently_is_a_failure() {
        let output = start("dies", Path::new("/"));
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("ended before it was ready"), "{output:?}");
    }
}
