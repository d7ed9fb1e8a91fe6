//! The reports: `status` and those of chronyc.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use crate::cli::client::{Client, Failure};
use crate::cli::gather::Parts;
use crate::cli::screen::fitted;
use crate::cli::words::{Arguments, address};
use crate::cli::{advise, complain, say};
use crate::core::api::monitoring::{Address, SourceData, Tracking};
use crate::core::api::snapshot::SourceReport;
use crate::report::chronyc::{self, Format, SourceList};
use crate::report::{json, status};

/// Between two screens of `status --watch`.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// `status`: one screen, or one after the other.
pub(super) fn status(words: &Arguments) -> Result<ExitCode, String> {
    let format = format(words)?;
    if !words.has("--watch") {
        return Ok(print(format, status_report(words, format)?));
    }
    let is_screen = format == Format::Text && io::stdout().is_terminal();
    // Cursor to the top left and clear what follows, which does not flicker; elsewhere an empty line between two screens.
    let (before, after) = match format {
        Format::Text if is_screen => ("\x1b[H\x1b[J", ""),
        Format::Text => ("", "\n"),
        Format::Csv | Format::Json => ("", ""),
    };
    loop {
        let report = status_report(words, format)?;
        let text = report.as_deref().unwrap_or_default();
        let mut output = io::stdout();
        // The reader has gone: there is nobody to watch.
        if write!(output, "{before}{text}{after}").and_then(|()| output.flush()).is_err() {
            return Ok(ExitCode::SUCCESS);
        }
        if let Err(failure) = report {
            tell(failure, format == Format::Json);
        }
        sleep(WATCH_INTERVAL);
    }
}

fn status_report(words: &Arguments, format: Format) -> Result<Result<String, Failure>, String> {
    let mut client = Client::new(words)?;
    // The screen shows less than the lists.
    let parts = if format == Format::Text { Parts { stats: true, name: true, ..Parts::default() } } else { Parts::ALL };
    let snapshot = client.snapshot(parts, format != Format::Text);
    Ok(snapshot.map(|snapshot| match format {
        Format::Text if io::stdout().is_terminal() => fitted(&status::text(&snapshot, wants_colour())),
        // Programs that look for words find them on one line.
        Format::Text => status::text(&snapshot, false),
        Format::Csv => status::csv(&snapshot),
        Format::Json => json::snapshot(&snapshot),
    }))
}

/// `tracking`.
pub(super) fn tracking(words: &Arguments) -> Result<ExitCode, String> {
    let format = format(words)?;
    let mut client = Client::new(words)?;
    let result = client.tracking().map(|tracking| {
        let name = if words.has("-N") { name_of(&mut client, &tracking) } else { None };
        chronyc::tracking(&tracking, name.as_deref(), format)
    });
    Ok(print(format, result))
}

/// `activity`.
pub(super) fn activity(words: &Arguments) -> Result<ExitCode, String> {
    let format = format(words)?;
    let activity = Client::new(words)?.activity();
    Ok(print(format, activity.map(|activity| chronyc::activity(&activity, format))))
}

/// `serverstats`.
pub(super) fn server_stats(words: &Arguments) -> Result<ExitCode, String> {
    let format = format(words)?;
    let stats = Client::new(words)?.server_stats();
    Ok(print(format, stats.map(|stats| chronyc::server_stats(&stats, format))))
}

/// `sources`.
pub(super) fn sources(words: &Arguments) -> Result<ExitCode, String> {
    list(words, SourceList::Data, Parts::default())
}

/// `sourcestats`.
pub(super) fn source_stats(words: &Arguments) -> Result<ExitCode, String> {
    list(words, SourceList::Stats, Parts { stats: true, ..Parts::default() })
}

/// `selectdata`.
pub(super) fn select_data(words: &Arguments) -> Result<ExitCode, String> {
    list(words, SourceList::Selection, Parts { selection: true, ..Parts::default() })
}

/// `authdata`.
pub(super) fn auth_data(words: &Arguments) -> Result<ExitCode, String> {
    list(words, SourceList::Authentication, Parts { authentication: true, ..Parts::default() })
}

/// `ntpdata`: of all sources that have an address, or of one.
pub(super) fn ntp_data(words: &Arguments) -> Result<ExitCode, String> {
    let format = format(words)?;
    let mut client = Client::new(words)?;
    let named = words.free.first();
    let sources = match named {
        Some(text) => {
            let whom = address(text)?;
            one_ntp_data(&mut client, whom).map(|source| Listed { sources: vec![source], end: Ok(()) })
        }
        // Names without an address have no data.
        None => all(&mut client, Parts { ntp: true, name: format == Format::Json, ..Parts::default() }, false),
    };
    Ok(print_list(format, sources, |sources| match format {
        // chronyc sets off each source of many.
        Format::Text if named.is_none() => sources
            .iter()
            .filter(|source| source.ntp.is_some())
            .map(|source| "\n".to_owned() + &chronyc::line(source, SourceList::Ntp, false, format))
            .collect(),
        _ => chronyc::sources(sources, SourceList::Ntp, false, format),
    }))
}

fn one_ntp_data(client: &mut Client, whom: Address) -> Result<SourceReport, Failure> {
    let ntp = client.ntp_data(whom)?;
    let name = client.source_name(whom).unwrap_or_default();
    let data = SourceData { address: ntp.address, ..SourceData::default() };
    Ok(SourceReport { name, data, ntp: Some(ntp), ..SourceReport::default() })
}

fn list(words: &Arguments, list: SourceList, parts: Parts) -> Result<ExitCode, String> {
    let format = format(words)?;
    let mut client = Client::new(words)?;
    let by_name = words.has("-N");
    let parts = Parts { name: by_name || format == Format::Json, ..parts };
    let sources = all(&mut client, parts, words.has("-a"));
    let legend = if words.has("-v") && format == Format::Text { list.legend() } else { "" };
    Ok(print_list(format, sources, |sources| legend.to_owned() + &chronyc::sources(sources, list, by_name, format)))
}

/// Sources up to the first that cannot be had.
struct Listed {
    sources: Vec<SourceReport>,
    end: Result<(), Failure>,
}

/// The sources, without names that have no address unless they are wanted.
fn all(client: &mut Client, parts: Parts, with_unresolved: bool) -> Result<Listed, Failure> {
    let mut sources = Vec::new();
    for index in 0..client.source_count()? {
        match client.source(index, parts, false) {
            Ok(source) if with_unresolved || !matches!(source.data.address, Address::Id(_)) => sources.push(source),
            Ok(_) => {}
            Err(failure) => return Ok(Listed { sources, end: Err(failure) }),
        }
    }
    Ok(Listed { sources, end: Ok(()) })
}

/// Prints the sources there are and then why there are no more, as chronyc does. Half a list of JSON is none.
fn print_list(
    format: Format,
    listed: Result<Listed, Failure>,
    to_text: impl FnOnce(&[SourceReport]) -> String,
) -> ExitCode {
    match listed {
        Ok(Listed { sources, end: Ok(()) }) => print(format, Ok(to_text(&sources))),
        Ok(Listed { sources, end: Err(failure) }) => {
            if format != Format::Json {
                print(format, Ok(to_text(&sources)));
            }
            print(format, Err(failure))
        }
        Err(failure) => print(format, Err(failure)),
    }
}

fn name_of(client: &mut Client, tracking: &Tracking) -> Option<String> {
    match tracking.address {
        Address::Unspecified | Address::Clock(_) => None,
        address => client.source_name(address).ok().map(|name| name.to_string()),
    }
}

fn format(words: &Arguments) -> Result<Format, String> {
    match (words.has("-c"), words.has("--json")) {
        (false, false) => Ok(Format::Text),
        (true, false) => Ok(Format::Csv),
        (false, true) => Ok(Format::Json),
        (true, true) => Err("-c and --json exclude each other".to_owned()),
    }
}

/// Prints the report, or why there is none: where programs read JSON to standard error, else where chronyc says it.
fn print(format: Format, report: Result<String, Failure>) -> ExitCode {
    match report {
        Ok(text) => {
            if say(&text) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(failure) => {
            tell(failure, format == Format::Json);
            ExitCode::FAILURE
        }
    }
}

/// Says why there is no answer, where chronyc says it.
pub(super) fn tell(failure: Failure, to_stderr: bool) {
    tell_reason(failure, to_stderr);
    if failure.is_absence() {
        advise_without_daemon();
    }
}

/// For whom no daemon answers.
pub(super) fn advise_without_daemon() {
    advise(
        "No time daemon answers here: see systemctl status slewd.\n\
         Without a daemon slewd query HOST asks a server,\n\
         and slewd check --kernel the kernel.",
    );
}

fn tell_reason(failure: Failure, to_stderr: bool) {
    if to_stderr || failure == Failure::NoConnection {
        complain(&failure.to_string());
    } else {
        say(&format!("{failure}\n"));
    }
}

/// Only for people, and those who want it (<https://no-color.org>).
fn wants_colour() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
