//! The table for people.

use super::case::Case;
use super::score::Summary;

/// The first lines.
pub(crate) const HEADING: &str = "\
                     RMS error, us          largest freq.  requests  share of the time     start  | chronyd, us            limit
scenario        median    90 %   worst (seed)   us    ppb  per hour  <= 1 sd beyond bound     us  | median  worst  start      us";

/// One line.
pub(crate) fn line(case: &Case, summary: &Summary) -> String {
    let verdict = match (summary.rms_us > case.limit_us, summary.rms_us > case.chronyd.rms_us) {
        (_, true) => " WORSE THAN CHRONYD",
        (true, _) => " OVER THE LIMIT",
        _ => "",
    };
    format!(
        "{:15} {:>7} {:>7} {:>7} {:>4} {:>9} {:>6} {:>9.1}  {:>6.1} % {:>10} {:>8}  | {:>6} {:>6} {:>6} {:>7}{verdict}",
        case.name,
        figure(summary.rms_us),
        figure(summary.high_us),
        figure(summary.worst_us),
        format!("({})", summary.worst_seed),
        figure(summary.largest_us),
        figure(summary.frequency_ppb),
        summary.requests_per_hour,
        100.0 * summary.within_sigma,
        share(summary.beyond),
        figure(summary.start_us),
        figure(case.chronyd.rms_us),
        figure(case.chronyd.worst_us),
        figure(case.chronyd.start_us),
        figure(case.limit_us),
    )
}

/// A share of the time; small ones must not look like none.
fn share(share: f64) -> String {
    if share == 0.0 { "none".into() } else { format!("{:.3} %", 100.0 * share) }
}

/// Three digits; nothing for what is not known.
fn figure(value: f64) -> String {
    match value {
        unknown if unknown.is_nan() => "-".into(),
        small if small < 9.95 => format!("{small:.2}"),
        medium if medium < 99.5 => format!("{medium:.1}"),
        large => format!("{large:.0}"),
    }
}
