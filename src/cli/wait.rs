//! `slewd wait`: returns when the clock is right, for scripts and units that must not start before.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cli::client::{Client, Failure};
use crate::cli::complain;
use crate::cli::show::advise_without_daemon;
use crate::cli::words::Arguments;
use crate::core::api::snapshot::Snapshot;
use crate::report::status::{maximum_error_s, why_not};
use crate::report::units::{ppm, size};

/// Exit code: it was asked for in vain.
const TIMED_OUT: u8 = 1;
/// Exit code: no daemon has answered up to now.
const NO_DAEMON: u8 = 2;
/// Exit code of a mistake on the command line.
pub(super) const MISUSE: u8 = 3;

const USUAL_TIMEOUT_S: f64 = 600.0;

/// A boot is waiting, so it is asked often at first; one question costs the daemon some 15 us.
const OFTEN: Duration = Duration::from_millis(100);
const OFTEN_FOR: Duration = Duration::from_secs(10);
const SELDOM: Duration = Duration::from_secs(1);

/// A daemon that does not answer is asked again at the next turn anyway.
const PATIENCE: [Duration; 1] = [Duration::from_secs(1)];

/// What has to hold besides being synchronised.
struct Wish {
    max_error_s: Option<f64>,
    max_skew_ppm: Option<f64>,
}

/// Status 0 when it is synchronised.
pub(super) fn run(words: &Arguments) -> Result<ExitCode, String> {
    let positive = |flag: &str| match words.number::<f64>(flag)? {
        Some(value) if value.is_nan() || value < 0.0 => Err(format!("{flag} must be a number that is not negative")),
        value => Ok(value),
    };
    // As in chronyc's waitsync, 0 is no limit.
    let limit = |flag: &str| positive(flag).map(|value| value.filter(|limit| *limit > 0.0));
    let wish = Wish { max_error_s: limit("--max-error")?, max_skew_ppm: limit("--max-skew")? };
    let timeout_s = positive("--timeout")?.unwrap_or(USUAL_TIMEOUT_S);
    let timeout = Duration::try_from_secs_f64(timeout_s).unwrap_or(Duration::MAX);
    let mut client = Client::new(words)?;
    client.hurry(&PATIENCE);
    let start = Instant::now();
    let is_watched = io::stderr().is_terminal();
    let mut told = String::new();
    loop {
        let answer = ask(&mut client, &wish);
        // Our socket is not left behind if we are killed while we sleep.
        client.hang_up();
        let (code, reason) = match answer {
            Ok(None) => return Ok(ExitCode::SUCCESS),
            Ok(Some(reason)) => (TIMED_OUT, reason),
            Err(failure) if failure.is_absence() => (NO_DAEMON, failure.to_string()),
            Err(failure) => (TIMED_OUT, failure.to_string()),
        };
        // Whoever looks on is told what it waits for, once for each reason.
        if is_watched && told != reason {
            complain(&format!("slewd wait: {reason}; waiting"));
            if code == NO_DAEMON {
                advise_without_daemon();
            }
            told.clone_from(&reason);
        }
        let gone = start.elapsed();
        let is_over = gone >= timeout || code == NO_DAEMON && words.has("--running");
        if is_over {
            complain(&format!("slewd wait: {reason}"));
            return Ok(ExitCode::from(code));
        }
        let pause = if gone < OFTEN_FOR { OFTEN } else { SELDOM };
        sleep(pause.min(timeout.saturating_sub(gone)));
    }
}

/// What is still missing.
fn ask(client: &mut Client, wish: &Wish) -> Result<Option<String>, Failure> {
    let snapshot = Snapshot { tracking: client.tracking()?, status: client.status()?, ..Snapshot::default() };
    if let Some(reason) = why_not(&snapshot) {
        return Ok(Some(format!("not synchronised: {reason}")));
    }
    let error_s = maximum_error_s(&snapshot);
    if let Some(limit_s) = wish.max_error_s
        && error_s.is_none_or(|error_s| error_s > limit_s)
    {
        let error = error_s.map_or("an unknown amount".to_owned(), size);
        return Ok(Some(format!("the clock can be wrong by {error}, more than {}", size(limit_s))));
    }
    let skew_ppm = snapshot.tracking.skew_ppm;
    match wish.max_skew_ppm {
        Some(limit_ppm) if skew_ppm > limit_ppm => {
            Ok(Some(format!("the frequency can be wrong by {} ppm, more than {} ppm", ppm(skew_ppm), ppm(limit_ppm))))
        }
        _ => Ok(None),
    }
}
