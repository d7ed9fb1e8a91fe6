//! One screen: is it synchronised or why not, how wrong can it be, and what is it doing.

use std::fmt::Write;

use crate::core::api::flaw::Flaw;
use crate::core::api::monitoring::{Address, Hindrance, Standing, Status, Tracking};
use crate::core::api::snapshot::{Snapshot, SourceReport};
use crate::report::field::Field;
use crate::report::fields;
use crate::report::json;
use crate::report::names::{flaw_words, hindrance_words, standing_words};
use crate::report::units::{ago, clean, ppm, signed, size, who};
use crate::time::Leap;

/// Where a value is not known: the daemon is not slewd, or nothing has been measured.
const UNKNOWN: &str = "unknown";

/// Sources of no use that are named in the line that says why the clock is not synchronised.
const FLAWS_NAMED: usize = 3;

/// The screen; `colour` for terminals.
pub fn text(snapshot: &Snapshot, colour: bool) -> String {
    let Snapshot { tracking, status, activity, server: _, sources } = snapshot;
    let paint = |code: &'static str| if colour { code } else { "" };
    let (good, bad, plain) = (paint("\x1b[32m"), paint("\x1b[31m"), paint("\x1b[0m"));
    let mut text = String::new();
    let _ = match why_not(snapshot) {
        None => writeln!(text, "{good}Synchronised{plain}    {}", selected(snapshot)),
        Some(reason) => writeln!(text, "{bad}NOT synchronised{plain}: {reason}"),
    };
    push_errors(&mut text, snapshot);
    push_clock(&mut text, tracking);
    if let Some(status) = status {
        push_past(&mut text, status);
    }
    let _ = write!(text, "Sources         {} online, {} offline", activity.online, activity.offline);
    let clocks = sources.iter().filter(|source| matches!(source.data.address, Address::Clock(_))).count();
    for (count, what) in [
        // The report `activity` is about servers alone.
        (clocks as u32, if clocks == 1 { "reference clock" } else { "reference clocks" }),
        (activity.burst_online.saturating_add(activity.burst_offline), "in a burst"),
        (activity.unresolved, "without an address"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    if let Some(status) = status {
        let _ = write!(text, "; {} of {} agree", status.agreeing, status.voters);
    }
    text.push('\n');
    for source in sources {
        let code = match source.data.standing {
            Standing::Selected | Standing::Combined => good,
            Standing::Falseticker => bad,
            _ => "",
        };
        push_source(&mut text, source, code, if code.is_empty() { "" } else { plain });
    }
    text
}

/// Everything, one `name,value` a line; a value that is not known is empty.
pub fn csv(snapshot: &Snapshot) -> String {
    let parts = fields::parts(snapshot);
    let mut text = String::new();
    let mut push = |prefix: &str, part: &str, fields: &Option<Vec<Field>>| {
        for field in fields.iter().flatten() {
            let value = json::plain(field).unwrap_or_default();
            let suffix = json::suffix(field.unit);
            let _ = writeln!(text, "{prefix}{part}.{}{suffix},{}", field.name, quoted(&value));
        }
    };
    for (part, fields) in &parts.whole {
        push("", part, fields);
    }
    for (index, (source, parts)) in snapshot.sources.iter().zip(&parts.sources).enumerate() {
        let name = fields::name(source);
        push(&format!("sources.{index}."), "source", &Some(vec![name]));
        for (part, fields) in parts {
            push(&format!("sources.{index}."), part, fields);
        }
    }
    text
}

/// A value of RFC 4180.
fn quoted(value: &str) -> String {
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

/// What stands between the clock and the sources; `None` if nothing does.
pub fn why_not(snapshot: &Snapshot) -> Option<String> {
    let with_flaws = |reason: &str| match flaws(snapshot, |_, _| true) {
        Some(flaws) => format!("{reason}: {flaws}"),
        None => reason.to_owned(),
    };
    match &snapshot.status {
        Some(Status { synchronised: true, .. }) => None,
        Some(Status { hindrance: Hindrance::Acquiring, last_answer_ago_s: None, .. }) => {
            Some(with_flaws("no source has given a good answer yet"))
        }
        Some(status) => match status.hindrance {
            Hindrance::None => Some(hindrance_words(Hindrance::None).1.to_owned()),
            other => Some(with_flaws(hindrance_words(other).1)),
        },
        // `waitsync` of chronyc(1) decides by the reference as well; the leap status tells as much.
        None if follows_somebody(&snapshot.tracking) => None,
        None => Some("no source is selected".to_owned()),
    }
}

/// What somebody should see to although the clock follows other sources.
pub fn faults(snapshot: &Snapshot) -> Option<String> {
    // What is wrong with one answer is no fault of a source that is used.
    flaws(snapshot, |source, flaw| flaw.calls_for_action() && source.data.standing == Standing::Unselectable)
}

/// What is wrong with those sources that count: the first few of them by name.
fn flaws(snapshot: &Snapshot, counts: impl Fn(&SourceReport, Flaw) -> bool) -> Option<String> {
    let all = || snapshot.sources.iter().filter_map(|source| Some((source, source.flaw?)));
    let flawed = || all().filter(|(source, flaw)| counts(source, *flaw));
    let named = flawed().take(FLAWS_NAMED).map(|(source, flaw)| format!("{}: {}", name(source), flaw_words(flaw).1));
    let named = named.collect::<Vec<_>>().join("; ");
    match flawed().count().saturating_sub(FLAWS_NAMED) {
        _ if named.is_empty() => None,
        0 => Some(named),
        more => Some(format!("{named}; and {more} more")),
    }
}

/// The name of a source as it is configured, else its address.
fn name(source: &SourceReport) -> String {
    if source.name.is_empty() { who(source.data.address, source.stats.reference_id) } else { clean(&source.name) }
}

/// chronyd's own sign of being synchronised: it names a source, and not itself (127.127.1.1).
fn follows_somebody(tracking: &Tracking) -> bool {
    !matches!(tracking.reference_id, 0 | 0x7f7f_0101) && tracking.leap.is_some()
}

fn selected(snapshot: &Snapshot) -> String {
    let tracking = &snapshot.tracking;
    let address = who(tracking.address, tracking.reference_id);
    let name = snapshot.sources.iter().find(|source| source.data.address == tracking.address);
    let name = name.map(|source| source.name.as_ref()).filter(|name| *name != address && !name.is_empty());
    let name = name.map_or(String::new(), |name| format!(" ({})", clean(name)));
    let leap = match tracking.leap {
        Some(Leap::Insert) => ", a leap second will be inserted today",
        Some(Leap::Delete) => ", a leap second will be left out today",
        Some(Leap::Normal) | None => "",
    };
    format!("to {address}{name}, stratum {}{leap}", tracking.stratum)
}

/// Largest possible error of the clock in seconds: slewd's own figure, or what chrony's manual says is the bound. `None` while
/// nothing is known.
pub fn maximum_error_s(snapshot: &Snapshot) -> Option<f64> {
    let tracking = &snapshot.tracking;
    match &snapshot.status {
        Some(status) => status.maximum_error_s,
        None if why_not(snapshot).is_none() => {
            Some(tracking.correction_s.abs() + tracking.root_dispersion_s + 0.5 * tracking.root_delay_s)
        }
        None => None,
    }
}

fn push_errors(text: &mut String, snapshot: &Snapshot) {
    let or_unknown = |value: Option<f64>| value.map_or(UNKNOWN.to_owned(), size);
    let expected = or_unknown(snapshot.status.as_ref().and_then(|status| status.estimated_error_s));
    let most = or_unknown(maximum_error_s(snapshot));
    let _ = match (&*expected, &*most) {
        (UNKNOWN, UNKNOWN) => writeln!(text, "Error           unknown"),
        _ => writeln!(text, "Error           {expected} expected, {most} at most"),
    };
}

fn push_clock(text: &mut String, tracking: &Tracking) {
    let side = if tracking.correction_s > 0.0 { "behind" } else { "ahead" };
    let speed = if tracking.frequency_ppm > 0.0 { "fast" } else { "slow" };
    // Without a source the protocol has zero here.
    let skew = match tracking.reference_id {
        0 => String::new(),
        _ => format!(", good to {} ppm", ppm(tracking.skew_ppm)),
    };
    let _ = writeln!(
        text,
        "Still to slew   {} {side}\nFrequency       {} ppm {speed}{skew}",
        size(tracking.correction_s),
        ppm(tracking.frequency_ppm.abs()),
    );
}

fn push_past(text: &mut String, status: &Status) {
    let since = |ago: Option<f64>| ago.map_or(UNKNOWN.to_owned(), |s| format!("{} ago", seconds(s)));
    let _ = match (status.last_step_s, status.last_step_ago_s) {
        (Some(by), at) => {
            writeln!(text, "Last step       {} {}, {} since the start", signed(by), since(at), status.steps)
        }
        (None, _) => writeln!(text, "Last step       none since the start"),
    };
    let others = match status.foreign_changes {
        0 => String::new(),
        1 => ", changed by another program once".to_owned(),
        count => format!(", changed by other programs {count} times"),
    };
    let next = status.next_poll_s.map_or(UNKNOWN.to_owned(), |s| format!("in {}", seconds(s)));
    let steers = if status.controls_clock { "steers the clock" } else { "only observes the clock" };
    let never = if status.controls_clock { "not set yet" } else { "not set by slewd" };
    let first = status.set_ago_s.map_or(never.to_owned(), |s| format!("first set {} ago", seconds(s)));
    let _ = writeln!(
        text,
        "Clock           {first}{others}\nLast answer     {}, next poll {next}\nDaemon          slewd {}, running for {}, {steers}",
        status.last_answer_ago_s.map_or("none yet".to_owned(), |s| format!("{} ago", seconds(s))),
        clean(&status.version),
        seconds(status.uptime_s),
    );
}

/// `12s`, `20m`: whole seconds in the unit that fits.
fn seconds(value: f64) -> String {
    let whole = value.max(0.0) as u32;
    let unit = if whole < 1200 { "s" } else { "" };
    format!("{}{unit}", ago(Some(whole)))
}

fn push_source(text: &mut String, source: &SourceReport, code: &str, end: &str) {
    let (data, stats) = (&source.data, &source.stats);
    let address = who(data.address, stats.reference_id);
    let (_, mark) = standing_words(data.standing);
    let _ = write!(text, "  {code}{mark}{end} {address:<23} stratum {:>2}  reach {:>3o}  ", data.stratum, data.reach);
    let _ = match data.since_sample_s {
        None => write!(text, "no sample yet"),
        Some(age) => {
            let age = seconds(f64::from(age));
            write!(text, "{:>7} +/- {:>6}  {age:>5} ago", signed(stats.offset_s), size(stats.offset_error_s))
        }
    };
    let is_named = !source.name.is_empty() && *source.name != *address;
    if is_named {
        let _ = write!(text, "  {}", clean(&source.name));
    }
    if let Some(flaw) = source.flaw {
        let _ = write!(text, "  ({})", flaw_words(flaw).1);
    }
    text.push('\n');
}
