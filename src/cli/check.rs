//! `slewd check`: a plugin for monitoring systems. It watches slewd, chronyd, or with `--kernel` and `--server` any daemon.

use std::process::ExitCode;
use std::time::Duration;

use crate::cli::ask::{NamedAddress, QueryOutcome, addresses, ask};
use crate::cli::client::Client;
use crate::cli::gather::Parts;
use crate::cli::say;
use crate::cli::words::Arguments;
use crate::core::api::settings::Family;
use crate::report::verdict::{CheckResult, Facts, Level, Limits, Thresholds, facts, judge};
use crate::sys::clock;

/// Exit code of a mistake on the command line: nothing is known then.
pub(super) const MISUSE: u8 = Level::Unknown as u8;

/// Monitoring systems give up on a plugin after ten seconds or more, and there are three places to ask at.
const PATIENCE: [Duration; 2] = [Duration::from_secs(1); 2];

/// Prints one line; the level is the exit code.
pub(super) fn run(words: &Arguments) -> Result<ExitCode, String> {
    let thresholds = thresholds(words)?;
    let facts = match (words.has("--kernel"), words.value("--server")) {
        (true, Some(_)) => return Err("--kernel and --server exclude each other".to_owned()),
        (true, None) => of_kernel(),
        (false, Some(host)) => of_server(host),
        (false, None) => {
            let mut client = Client::new(words)?;
            client.hurry(&PATIENCE);
            of_daemon(client)
        }
    };
    let CheckResult { level, line } = judge(&facts, &thresholds);
    say(&(line + "\n"));
    Ok(ExitCode::from(level as u8))
}

fn thresholds(words: &Arguments) -> Result<Thresholds, String> {
    let mut thresholds = Thresholds::default();
    for (limits, warning, critical) in [
        (&mut thresholds.offset, "--offset-warning", "--offset-critical"),
        (&mut thresholds.error, "--error-warning", "--error-critical"),
        (&mut thresholds.age, "--age-warning", "--age-critical"),
        (&mut thresholds.agreeing, "--agreeing-warning", "--agreeing-critical"),
        (&mut thresholds.stratum, "--stratum-warning", "--stratum-critical"),
    ] {
        set(limits, words.value(warning), words.value(critical))?;
    }
    Ok(thresholds)
}

fn set(limits: &mut Limits, warning: Option<&str>, critical: Option<&str>) -> Result<(), String> {
    if let Some(text) = warning {
        limits.warning = Some(text.parse()?);
    }
    if let Some(text) = critical {
        limits.critical = Some(text.parse()?);
    }
    limits.is_explicit |= warning.is_some() || critical.is_some();
    Ok(())
}

fn trouble(reason: String) -> Facts {
    Facts { trouble: Some(reason), ..Facts::default() }
}

fn of_daemon(mut client: Client) -> Facts {
    match client.snapshot(Parts::default(), false) {
        Ok(snapshot) => facts(&snapshot),
        Err(failure) => trouble(format!("no daemon: {failure}")),
    }
}

/// What the kernel has been told, by whatever daemon; nothing is changed.
fn of_kernel() -> Facts {
    match clock::state() {
        Ok(state) => Facts {
            summary: "synchronised, says the kernel".to_owned(),
            trouble: (!state.synchronized).then(|| "not synchronised, says the kernel".to_owned()),
            // What is still to be slewed; a positive phase moves the clock forward.
            offset_s: state.synchronized.then_some(0.0 - state.phase.secs_f64()),
            error_s: Some(state.max_error.secs_f64()),
            ..Facts::default()
        },
        Err(reason) => trouble(reason.to_string()),
    }
}

/// The first address that tells the time counts.
fn of_server(host: &str) -> Facts {
    let servers: Vec<NamedAddress> =
        addresses(host, Family::Any).into_iter().map(|address| (host.to_owned(), address)).collect();
    let mut reason = "no address found";
    let mut found = None;
    let asked = ask(&servers, &mut |outcome: QueryOutcome<'_>| match outcome.said {
        Ok((ahead, measurement)) if found.is_none() => {
            let address = outcome.server.1;
            found = Some(Facts {
                summary: if address.to_string() == *host {
                    format!("{host} answers")
                } else {
                    format!("{host} ({address}) answers")
                },
                trouble: None,
                faults: None,
                offset_s: Some(0.0 - ahead.secs_f64()),
                error_s: Some(ahead.abs().secs_f64() + measurement.bound().secs_f64()),
                age_s: Some(0.0),
                agreeing: None,
                stratum: Some(measurement.stratum.into()),
            });
        }
        Ok(_) => {}
        Err(complaint) => reason = complaint,
    });
    match (found, asked) {
        (Some(facts), _) => facts,
        (None, Err(failure)) => trouble(format!("{host}: {failure}")),
        (None, Ok(())) => trouble(format!("{host}: {reason}")),
    }
}
