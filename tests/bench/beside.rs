//! slewd's engine and the real chronyd in the same worlds, in one run.

use std::ops::Range;

use slewd::sim::trace::Point;
use slewd::sim::{Scenario, World};

use super::case::Case;
use super::chronyd::{ChronydWorld, Installation};
use super::regimes::Regime;
use super::schedule::spread;
use super::table::short;

/// So many moments of a run are looked at.
const MOMENTS: f64 = 10_000.0;

/// Seconds after the start.
const WINDOWS: [(f64, f64); 5] = [(5.0, 10.0), (10.0, 20.0), (20.0, 60.0), (60.0, 180.0), (180.0, 600.0)];

/// The regimes whose starts are looked at: a local network, one server, four, a noisy one, a measured path.
pub(crate) const STARTS: [&str; 5] = ["off-lan", "off-wan", "off-pool", "off-noisy", "home-1"];

/// What is compared.
#[derive(Clone, Copy)]
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    scenario: Source,
    counts: (f64, f64),
}

#[derive(Clone, Copy)]
enum Source {
    Case(&'static Case),
    Regime(&'static Regime),
}

/// One run of one daemon.
#[derive(Clone, Copy, Default)]
struct Score {
    rms_us: f64,
    largest_us: f64,
    frequency_ppb: f64,
    requests_per_hour: f64,
}

/// Medians over the seeds: chronyd's and slewd's. The largest errors are those of all seeds.
pub(crate) struct Row {
    name: &'static str,
    chronyd: Score,
    slewd: Score,
    /// The largest ratio of the RMS errors of one seed.
    worst_ratio: f64,
}

impl Comparison {
    pub(crate) fn of_case(case: &'static Case) -> Self {
        Comparison { name: case.name, scenario: Source::Case(case), counts: (0.5 * case.length_s, case.length_s) }
    }

    pub(crate) fn of_regime(regime: &'static Regime) -> Self {
        let counts = (regime.counts.start, regime.counts.end);
        Comparison { name: regime.name, scenario: Source::Regime(regime), counts }
    }

    /// The first ten minutes of these worlds, window by window.
    pub(crate) fn starts(regimes: impl Iterator<Item = &'static Regime>) -> Vec<Self> {
        let windows = |regime| WINDOWS.map(|counts| Comparison { counts, ..Comparison::of_regime(regime) });
        regimes.flat_map(windows).collect()
    }

    fn scenario(&self, seed: u64) -> Scenario {
        match self.scenario {
            Source::Case(case) => case.scenario(seed),
            Source::Regime(regime) => (regime.scenario)(seed),
        }
    }

    fn can_play(&self) -> bool {
        ChronydWorld::can_play(&self.scenario(0))
    }

    fn ours(&self, seed: u64) -> Score {
        let mut world = World::new(self.scenario(seed));
        let look = |at_s: f64| {
            world.run_for(at_s);
            (world.point(), world.trace().requests)
        };
        self.score(look)
    }

    fn theirs(&self, installation: &Installation, seed: u64) -> Score {
        let mut world = ChronydWorld::new(installation, self.scenario(seed));
        let look = |at_s: f64| {
            world.run_for(at_s);
            (world.point(), world.requests())
        };
        self.score(look)
    }

    fn score(&self, mut look: impl FnMut(f64) -> (Point, u64)) -> Score {
        let (from_s, until_s) = self.counts;
        let step_s = ((until_s - from_s) / MOMENTS).max(0.5);
        let (mut at_s, mut count, mut square, mut largest_s, mut frequency) = (from_s, 0.0, 0.0, 0.0f64, 0.0);
        let mut requests = 0;
        while at_s < until_s {
            let (point, sent) = look(at_s);
            count += 1.0;
            square += point.error_s * point.error_s;
            largest_s = largest_s.max(point.error_s.abs());
            frequency += point.frequency_error * point.frequency_error;
            requests = sent;
            at_s += step_s;
        }
        Score {
            rms_us: 1e6 * f64::sqrt(square / count),
            largest_us: 1e6 * largest_s,
            frequency_ppb: 1e9 * f64::sqrt(frequency / count),
            requests_per_hour: requests as f64 * 3600.0 / until_s,
        }
    }
}

/// Runs all seeds of all comparisons that chronyd can take part in.
pub(crate) fn run(
    installation: &Installation,
    comparisons: &[Comparison],
    seeds: Range<u64>,
    cores: usize,
) -> Vec<Row> {
    let chosen: Vec<&Comparison> = comparisons.iter().filter(|comparison| comparison.can_play()).collect();
    let each = (seeds.end - seeds.start) as usize;
    let scores: Vec<(Score, Score)> = spread(
        cores,
        chosen.len() * each,
        |job| chosen[job / each].counts.1,
        |job| {
            let seed = seeds.start + (job % each) as u64;
            (chosen[job / each].theirs(installation, seed), chosen[job / each].ours(seed))
        },
    );
    let row = |(comparison, scores): (&&Comparison, &[(Score, Score)])| {
        let pick = |which: fn(&(Score, Score)) -> Score| summary(&scores.iter().map(which).collect::<Vec<_>>());
        let ratios = scores.iter().map(|(theirs, ours)| ours.rms_us / theirs.rms_us);
        Row {
            name: comparison.name,
            chronyd: pick(|pair| pair.0),
            slewd: pick(|pair| pair.1),
            worst_ratio: ratios.fold(0.0, f64::max),
        }
    };
    chosen.iter().zip(scores.chunks(each)).map(row).collect()
}

fn summary(scores: &[Score]) -> Score {
    let median = |pick: fn(&Score) -> f64| {
        let mut all: Vec<f64> = scores.iter().map(pick).collect();
        all.sort_by(f64::total_cmp);
        0.5 * (all[(all.len() - 1) / 2] + all[all.len() / 2])
    };
    Score {
        rms_us: median(|score| score.rms_us),
        largest_us: scores.iter().map(|score| score.largest_us).fold(0.0, f64::max),
        frequency_ppb: median(|score| score.frequency_ppb),
        requests_per_hour: median(|score| score.requests_per_hour),
    }
}

impl Row {
    fn ratio(&self) -> f64 {
        self.slewd.rms_us / self.chronyd.rms_us
    }
}

/// The windows of the starts, for docs/benchmarks.md: the ratio, and the two errors.
pub(crate) fn starts_table(rows: &[Row]) -> String {
    let windows: String = WINDOWS.iter().map(|(from_s, until_s)| format!(" {from_s} to {until_s} s |")).collect();
    let cell =
        |row: &Row| format!(" {:.2} ({} / {}) |", row.ratio(), short(row.slewd.rms_us), short(row.chronyd.rms_us));
    let line = |rows: &[Row]| format!("| {} |{}\n", rows[0].name, rows.iter().map(cell).collect::<String>());
    let body: String = rows.chunks(WINDOWS.len()).map(line).collect();
    let mean = rows.iter().map(|row| row.ratio().ln()).sum::<f64>() / rows.len() as f64;
    let worst = rows.iter().map(Row::ratio).fold(0.0, f64::max);
    let rule = "---|".repeat(WINDOWS.len() + 1);
    format!("| |{windows}\n|{rule}\n{body}\nGeometric mean {:.2}, worst {worst:.2}.\n", mean.exp())
}

const COLUMNS: [&str; 11] = [
    "scenario",
    "RMS us",
    "chronyd",
    "ratio",
    "worst ratio",
    "largest",
    "chronyd",
    "ppb",
    "chronyd",
    "requests/h",
    "chronyd",
];

impl Row {
    fn cells(&self) -> [String; 11] {
        let Row { name, chronyd, slewd, worst_ratio, .. } = self;
        [
            (*name).into(),
            short(slewd.rms_us),
            short(chronyd.rms_us),
            format!("{:.2}", self.ratio()),
            format!("{worst_ratio:.2}"),
            short(slewd.largest_us),
            short(chronyd.largest_us),
            short(slewd.frequency_ppb),
            short(chronyd.frequency_ppb),
            format!("{:.1}", slewd.requests_per_hour),
            format!("{:.1}", chronyd.requests_per_hour),
        ]
    }
}

/// For the terminal.
pub(crate) fn text(rows: &[Row]) -> String {
    let line = |cells: &[String; 11]| {
        let [name, rest @ ..] = cells;
        let rest: String = rest.iter().map(|cell| format!("{cell:>12}")).collect();
        format!("{name:16}{rest}\n")
    };
    let body: String = rows.iter().map(|row| line(&row.cells())).collect();
    format!("{}{body}", line(&COLUMNS.map(String::from)))
}

/// For docs/benchmarks.md.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let body: String = rows.iter().map(|row| line(&row.cells())).collect();
    format!("{}|{}\n{body}", line(&COLUMNS.map(String::from)), "---|".repeat(COLUMNS.len()))
}
