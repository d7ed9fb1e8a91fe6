//! The committed figures, `table.txt`: one line for each scenario, so that a diff shows what has changed.

use super::case::Case;
use super::score::Summary;

/// The figures as they were when they were last written.
pub(crate) const COMMITTED: &str = include_str!("table.txt");

/// The seeds of the committed figures.
pub(crate) const SEEDS: std::ops::Range<u64> = 0..50;

const HEADING: &str = "\
# How well slewd keeps time: made by `cargo bench --bench accuracy -- --write`, seeds 0 to 49; see docs/benchmarks.md.
# Errors in microseconds, frequencies in ppb; medians of the seeds over the second half of each run, but:
# high: 90 % of the seeds are no worse; worst: the worst seed; requests: per hour of the whole run; within: mean share of
# the time within one standard deviation; beyond, ever: mean share beyond the bound, second half and whole run;
# start: largest error between 7 and 600 s.
#";

/// One figure of the table.
struct Column {
    name: &'static str,
    of: fn(&Summary) -> f64,
    /// How much larger than the committed figure is too much; `None`: not compared.
    tolerance: Option<f64>,
}

const COLUMNS: [Column; 10] = [
    Column { name: "rms", of: |s| s.rms_us, tolerance: Some(0.15) },
    Column { name: "high", of: |s| s.high_us, tolerance: None },
    // A single run: chance weighs more.
    Column { name: "worst", of: |s| s.worst_us, tolerance: Some(0.5) },
    Column { name: "largest", of: |s| s.largest_us, tolerance: Some(0.15) },
    Column { name: "frequency", of: |s| s.frequency_ppb, tolerance: Some(0.15) },
    Column { name: "requests", of: |s| s.requests_per_hour, tolerance: Some(0.15) },
    Column { name: "within", of: |s| s.within_sigma, tolerance: None },
    Column { name: "beyond", of: |s| s.beyond, tolerance: None },
    Column { name: "ever", of: |s| s.beyond_ever, tolerance: Some(0.15) },
    Column { name: "start", of: |s| s.start_us, tolerance: Some(0.15) },
];

/// The text of the table.
pub(crate) fn text(results: &[(&Case, Summary)]) -> String {
    let names: String = COLUMNS.iter().map(|column| format!("{:>10}", column.name)).collect();
    let mut text = format!("{HEADING}\n{:16}{names}\n", "scenario");
    for (case, summary) in results {
        let figures: String = COLUMNS.iter().map(|column| format!("{:>10}", digits((column.of)(summary)))).collect();
        text += &format!("{:16}{figures}\n", case.name);
    }
    text
}

/// What has changed for one scenario against the committed table.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    Worse(String),
    Better(String),
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Change::Worse(told) => write!(f, "WORSE than committed:  {told}"),
            Change::Better(told) => write!(f, "BETTER than committed: {told}"),
        }
    }
}

/// Compares a scenario with its committed figures.
pub(crate) fn changes(case: &Case, summary: &Summary, committed: &str) -> Vec<Change> {
    let row = committed.lines().find(|line| line.split_whitespace().next() == Some(case.name));
    let Some(row) = row else { return vec![Change::Worse(format!("{}: not in the table", case.name))] };
    let old = row.split_whitespace().skip(1).map(|figure| figure.parse().unwrap_or(f64::NAN));
    let compare = |(column, old): (&Column, f64)| {
        let (new, tolerance) = ((column.of)(summary), column.tolerance?);
        let told = format!("{:16} {:10} {} -> {}", case.name, column.name, digits(old), digits(new));
        // A figure that is no number is worse, too.
        let is_fine = new <= old * (1.0 + tolerance);
        let is_better = new < old * (1.0 - tolerance);
        match (is_fine, is_better) {
            (false, _) => Some(Change::Worse(told)),
            (_, true) => Some(Change::Better(told)),
            _ => None,
        }
    };
    COLUMNS.iter().zip(old).filter_map(compare).collect()
}

/// The table of docs/benchmarks.md, in Markdown: chronyd's figures in brackets.
pub(crate) fn markdown(results: &[(&Case, Summary)]) -> String {
    let mut text = String::from(
        "| scenario | RMS us | goal | 90 % | worst | largest us | ppb | requests/h | <= 1 sd | beyond bound | start us | |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (case, new) in results {
        let old = case.chronyd;
        let cells = [
            case.name.into(),
            both(&format!("**{}**", short(new.rms_us)), old.rms_us),
            short(case.goal_us),
            both(&short(new.high_us), old.high_us),
            both(&short(new.worst_us), old.worst_us),
            both(&short(new.largest_us), old.largest_us),
            both(&short(new.frequency_ppb), old.frequency_ppb),
            both(&format!("{:.1}", new.requests_per_hour), old.requests_per_hour),
            format!("{:.0} %", 100.0 * new.within_sigma),
            percent(new.beyond_ever),
            both(&short(new.start_us), old.start_us),
            case.about.into(),
        ];
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text
}

/// Ours and, if it is known, chronyd's.
fn both(ours: &str, theirs: f64) -> String {
    match theirs {
        unknown if unknown.is_nan() => ours.into(),
        small if small < 99.5 && small.fract() != 0.0 => format!("{ours} ({small:.1})"),
        large => format!("{ours} ({})", short(large)),
    }
}

/// Four digits that count.
fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        tiny if tiny < 1e-3 => format!("{value:.2e}"),
        size => format!("{value:.*}", (3 - size.log10().floor() as i32).max(0) as usize),
    }
}

/// Two or three digits, for reading; nothing for what is not known.
pub(crate) fn short(value: f64) -> String {
    match value {
        unknown if unknown.is_nan() => String::new(),
        small if small < 9.95 => format!("{small:.1}"),
        large if large < 9999.5 => format!("{large:.0}"),
        huge => format!("{:.0}k", huge / 1000.0),
    }
}

/// A share of the time; small ones must not look like none.
pub(crate) fn percent(share: f64) -> String {
    match share {
        0.0 => "never".into(),
        some if some < 0.01 => format!("{:.2} %", 100.0 * some),
        more => format!("{:.0} %", 100.0 * more),
    }
}
