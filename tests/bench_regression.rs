//! slewd keeps time as well as it did: the scenarios of the benchmark, against the committed figures.
//!
//! All seeds are the same and so is every run: a figure that differs was changed by a change of the code. If it is meant,
//! renew the table: `cargo bench --bench accuracy -- --write`.

#![allow(clippy::disallowed_methods, reason = "tests may use threads")]

use std::io::Write;

#[path = "bench/case.rs"]
#[allow(dead_code, reason = "the published figures are for people")]
mod case;
#[path = "bench/scenarios.rs"]
mod scenarios;
#[path = "bench/schedule.rs"]
mod schedule;
#[path = "bench/score.rs"]
mod score;
#[path = "bench/table.rs"]
#[allow(dead_code, reason = "a test writes no table")]
mod table;

use schedule::{DEFAULT_RATIO, Plan};
use table::{COMMITTED, Change, SEEDS, changes};

/// Longer scenarios are left to the benchmark.
const LONGEST_S: f64 = 100_000.0;

#[test]
fn no_scenario_is_worse_than_committed() {
    let cases = scenarios::SCENARIOS.iter().filter(|case| case.length_s <= LONGEST_S).collect();
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let plan = Plan { cases, seeds: SEEDS, jobs, corr_time_ratio: DEFAULT_RATIO };
    let mut worse = Vec::new();
    let mut better = Vec::new();
    for (case, summary) in plan.cases.iter().zip(plan.run()) {
        if summary.rms_us > case.chronyd.rms_us {
            worse.push(format!("{:16} rms: {:.1} us, chronyd has {}", case.name, summary.rms_us, case.chronyd.rms_us));
        }
        for change in changes(case, &summary, COMMITTED) {
            match change {
                Change::Worse(told) => worse.push(told),
                Change::Better(told) => better.push(told),
            }
        }
    }
    if !better.is_empty() {
        // Past the test harness, which keeps to itself what a test that succeeds has printed.
        let call = "BETTER THAN COMMITTED, old -> new. Renew the table: cargo bench --bench accuracy -- --write";
        writeln!(std::io::stderr(), "\n{call}\n{}", better.join("\n")).expect("somebody reads this");
    }
    assert!(worse.is_empty(), "worse than committed, old -> new:\n{}", worse.join("\n"));
}
