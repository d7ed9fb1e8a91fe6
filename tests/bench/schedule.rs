//! Runs all seeds of all scenarios on several cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::case::Case;
use super::score::{Score, Summary, run, summary};

/// `corrtimeratio` where nothing is said.
pub(crate) const DEFAULT_RATIO: f64 = 3.0;

/// What to run.
pub(crate) struct Plan {
    pub(crate) cases: Vec<&'static Case>,
    pub(crate) seeds: std::ops::Range<u64>,
    pub(crate) jobs: usize,
    /// The directive: larger is smoother.
    pub(crate) corr_time_ratio: f64,
}

impl Plan {
    /// The results, in the order of the cases. The longest runs begin first, so that no core is left waiting.
    pub(crate) fn run(&self) -> Vec<Summary> {
        let seeds = (self.seeds.end - self.seeds.start) as usize;
        let scores: Vec<Score> = spread(
            self.jobs,
            self.cases.len() * seeds,
            |job| self.cases[job / seeds].length_s,
            |job| run(self.cases[job / seeds], self.seeds.start + (job % seeds) as u64, self.corr_time_ratio),
        );
        scores.chunks(seeds).map(|scores| summary(self.seeds.start, scores)).collect()
    }
}

/// Does `count` jobs on so many cores. Returns what they give, in their order.
pub(crate) fn spread<T: Send>(
    cores: usize,
    count: usize,
    length_s: impl Fn(usize) -> f64,
    perform: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|one, other| length_s(*other).total_cmp(&length_s(*one)));
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(&job) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = perform(job);
                    done.lock().expect("no job has failed").push((job, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no job has failed");
    done.sort_by_key(|(job, _)| *job);
    done.into_iter().map(|(_, result)| result).collect()
}
