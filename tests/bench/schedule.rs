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
        let mut order: Vec<usize> = (0..self.cases.len() * seeds).collect();
        let length_s = |job: &usize| self.cases[job / seeds].length_s;
        order.sort_by(|one, other| length_s(other).total_cmp(&length_s(one)));
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, Score)>> = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    while let Some(&job) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let score =
                            run(self.cases[job / seeds], self.seeds.start + (job % seeds) as u64, self.corr_time_ratio);
                        done.lock().expect("no run has failed").push((job, score));
                    }
                });
            }
        });
        let mut done = done.into_inner().expect("no run has failed");
        done.sort_by_key(|(job, _)| *job);
        let scores: Vec<Score> = done.into_iter().map(|(_, score)| score).collect();
        scores.chunks(seeds).map(|scores| summary(self.seeds.start, scores)).collect()
    }
}
