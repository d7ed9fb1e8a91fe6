//! Runs the regimes, and puts them in a table.

use std::ops::Range;

use slewd::sim::World;

use super::regimes::{Figure, REGIMES, Regime};
use super::schedule::spread;
use super::table::short;

/// Seeds that nothing was tuned with.
pub(crate) const HELD_OUT: Range<u64> = 5000..5050;

/// So many moments of a run are looked at.
const MOMENTS: f64 = 10_000.0;

/// One run. Errors in microseconds.
#[derive(Clone, Copy)]
struct Score {
    rms_us: f64,
    largest_us: f64,
    frequency_ppb: f64,
    requests_per_hour: f64,
    /// Share of the moments at which the kernel claimed to be synchronised with a bound that did not hold.
    beyond: f64,
}

/// A regime over all its seeds.
pub(crate) struct Row {
    regime: &'static Regime,
    seeds: Range<u64>,
    /// Ascending.
    rms_us: Vec<f64>,
    worst_seed: u64,
    largest_us: f64,
    frequency_ppb: f64,
    requests_per_hour: f64,
    beyond: f64,
}

/// Runs those whose names are in `only`, which has commas between them; all if that is empty.
pub(crate) fn run(only: &str, seeds: Range<u64>, cores: usize) -> Vec<Row> {
    let is_wanted = |regime: &&Regime| only.is_empty() || only.split(',').any(|name| name == regime.name);
    let chosen: Vec<&'static Regime> = REGIMES.iter().filter(is_wanted).collect();
    let each = (seeds.end - seeds.start) as usize;
    let scores = spread(
        cores,
        chosen.len() * each,
        |job| chosen[job / each].counts.end,
        |job| score(chosen[job / each], seeds.start + (job % each) as u64),
    );
    let row = |(regime, scores)| row(regime, seeds.clone(), scores);
    chosen.into_iter().zip(scores.chunks(each)).map(row).collect()
}

fn score(regime: &Regime, seed: u64) -> Score {
    let mut world = World::new((regime.scenario)(seed));
    let step_s = ((regime.counts.end - regime.counts.start) / MOMENTS).max(0.5);
    let mut at_s = regime.counts.start;
    let (mut count, mut square, mut largest_s, mut frequency, mut beyond) = (0.0, 0.0, 0.0f64, 0.0, 0.0);
    while at_s < regime.counts.end {
        world.run_for(at_s);
        let point = world.point();
        count += 1.0;
        square += point.error_s * point.error_s;
        largest_s = largest_s.max(point.error_s.abs());
        frequency += point.frequency_error * point.frequency_error;
        beyond += f64::from(point.is_synchronised && point.error_s.abs() > point.max_error_s);
        at_s += step_s;
    }
    Score {
        rms_us: 1e6 * f64::sqrt(square / count),
        largest_us: 1e6 * largest_s,
        frequency_ppb: 1e9 * f64::sqrt(frequency / count),
        requests_per_hour: world.trace().requests as f64 * 3600.0 / regime.counts.end,
        beyond: beyond / count,
    }
}

fn row(regime: &'static Regime, seeds: Range<u64>, scores: &[Score]) -> Row {
    let sorted = |pick: fn(&Score) -> f64| {
        let mut all: Vec<f64> = scores.iter().map(pick).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let rms_us = sorted(|score| score.rms_us);
    let worst = scores.iter().position(|score| score.rms_us == rms_us[rms_us.len() - 1]).unwrap_or(0);
    Row {
        regime,
        worst_seed: seeds.start + worst as u64,
        seeds,
        largest_us: sorted(|score| score.largest_us)[scores.len() - 1],
        frequency_ppb: median(&sorted(|score| score.frequency_ppb)),
        requests_per_hour: median(&sorted(|score| score.requests_per_hour)),
        beyond: scores.iter().map(|score| score.beyond).sum::<f64>() / scores.len() as f64,
        rms_us,
    }
}

fn median(sorted: &[f64]) -> f64 {
    0.5 * (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2])
}

impl Row {
    fn ratio(&self) -> f64 {
        let ours = match self.regime.figure {
            Figure::Rms => median(&self.rms_us),
            Figure::Frequency => self.frequency_ppb,
        };
        ours / self.regime.chronyd
    }

    fn cells(&self) -> [String; 11] {
        let ratio = |ratio: f64| if ratio.is_nan() { String::new() } else { format!("{ratio:.2}") };
        [
            self.regime.name.into(),
            short(median(&self.rms_us)),
            short(self.rms_us[self.rms_us.len() * 9 / 10]),
            format!("{} ({})", short(self.rms_us[self.rms_us.len() - 1]), self.worst_seed),
            short(self.largest_us),
            short(self.frequency_ppb),
            format!("{:.1}", self.requests_per_hour),
            super::table::percent(self.beyond),
            short(self.regime.chronyd),
            ratio(self.ratio()),
            ratio(self.regime.at_most),
        ]
    }
}

const COLUMNS: [&str; 11] = [
    "regime",
    "RMS us",
    "90 %",
    "worst (seed)",
    "largest",
    "ppb",
    "requests/h",
    "beyond",
    "chronyd",
    "ratio",
    "at most",
];

/// For the terminal.
pub(crate) fn text(rows: &[Row]) -> String {
    let line = |cells: &[String; 11]| {
        let [name, rest @ ..] = cells;
        let rest: String = rest.iter().map(|cell| format!("{cell:>12}")).collect();
        format!("{name:14}{rest}\n")
    };
    let seeds = rows.first().map_or(String::new(), |row| format!("seeds {} to {}", row.seeds.start, row.seeds.end - 1));
    let body: String = rows.iter().map(|row| line(&row.cells())).collect();
    format!("{}{body}{seeds}", line(&COLUMNS.map(String::from)))
}

/// For docs/benchmarks.md.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String], about: &str| format!("| {} | {about} |\n", cells.join(" | "));
    let rule = format!("|{}\n", "---|".repeat(COLUMNS.len() + 1));
    let body: String = rows.iter().map(|row| line(&row.cells(), row.regime.about)).collect();
    format!("{}{rule}{body}", line(&COLUMNS.map(String::from), ""))
}
