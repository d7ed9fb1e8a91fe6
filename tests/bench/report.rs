//! The table for people.

use super::case::Case;
use super::schedule::Plan;
use super::score::Summary;
use super::table::{percent, short};

/// The first lines.
pub(crate) const HEADING: &str = "\
                  RMS error, us               largest  freq.  requests  share of the time    start |  chronyd, us                        our
scenario        median    90 %   worst (seed)      us    ppb  per hour <= 1 sd  beyond bound    us |  median   90 %  worst largest start  goal";

/// One line.
pub(crate) fn line(case: &Case, new: &Summary) -> String {
    let verdict = match (new.rms_us > case.goal_us, new.rms_us > case.chronyd.rms_us) {
        (_, true) => " WORSE THAN CHRONYD",
        (true, _) => " ABOVE THE GOAL",
        _ => "",
    };
    format!(
        "{:15} {:>6} {:>7} {:>7} {:>6} {:>7} {:>6} {:>9.1} {:>6.0} % {:>13} {:>5} | {:>7} {:>6} {:>6} {:>7} {:>5} {:>5}{verdict}",
        case.name,
        short(new.rms_us),
        short(new.high_us),
        short(new.worst_us),
        format!("({})", new.worst_seed),
        short(new.largest_us),
        short(new.frequency_ppb),
        new.requests_per_hour,
        100.0 * new.within_sigma,
        percent(new.beyond_ever),
        short(new.start_us),
        short(case.chronyd.rms_us),
        short(case.chronyd.high_us),
        short(case.chronyd.worst_us),
        short(case.chronyd.largest_us),
        short(case.chronyd.start_us),
        short(case.goal_us),
    )
}

/// The last line.
pub(crate) fn speed(plan: &Plan, took_s: f64) -> String {
    let seeds = plan.seeds.end - plan.seeds.start;
    let simulated_s = plan.cases.iter().map(|case| case.length_s).sum::<f64>() * seeds as f64;
    format!(
        "seeds {} to {}; {:.1} million simulated seconds in {took_s:.1} s on {} cores: {:.1} thousand per ms",
        plan.seeds.start,
        plan.seeds.end - 1,
        simulated_s * 1e-6,
        plan.jobs,
        simulated_s * 1e-6 / took_s,
    )
}
