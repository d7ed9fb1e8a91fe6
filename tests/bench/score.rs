//! Figures of one run, and of a scenario: many runs.

use slewd::sim::World;

use super::case::Case;

/// The bursts are over and the frequency is still being learnt.
const START_S: std::ops::Range<f64> = 7.0..600.0;

/// So many moments of each run are looked at, beside each second of [`START_S`].
const MOMENTS: f64 = 20_000.0;

/// One run. Errors are those of the second half, at regular moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    pub(crate) rms_us: f64,
    pub(crate) largest_us: f64,
    pub(crate) frequency_ppb: f64,
    /// Over the whole run.
    pub(crate) requests_per_hour: f64,
    /// Share of the moments at which the error was no more than the engine's standard deviation.
    pub(crate) within_sigma: f64,
    /// Share of the moments of the second half, and of the whole run, at which the kernel claimed to be synchronised
    /// with a bound that did not hold.
    pub(crate) beyond: f64,
    pub(crate) beyond_ever: f64,
    /// Largest error between 7 and 600 s.
    pub(crate) start_us: f64,
}

#[derive(Default)]
struct Sums {
    moments: f64,
    square_s: f64,
    largest_s: f64,
    frequency_square: f64,
    within: f64,
    beyond: f64,
    moments_ever: f64,
    beyond_ever: f64,
    start_s: f64,
}

/// Runs one seed of a scenario, with this `corrtimeratio`.
pub(crate) fn run(case: &Case, seed: u64, corr_time_ratio: f64) -> Score {
    let mut scenario = case.scenario(seed);
    scenario.settings.corr_time_ratio = corr_time_ratio;
    let mut world = World::new(scenario);
    let mut sums = Sums::default();
    let step_s = (case.length_s / MOMENTS).round().max(1.0);
    let mut at_s = 0.0;
    while at_s < case.length_s {
        at_s += if at_s < START_S.end { 1.0 } else { step_s };
        world.run_for(at_s);
        let point = world.point();
        if point.at_s > at_s + 0.5 {
            continue; // Suspended: nobody could look at the clock.
        }
        let error_s = point.error_s.abs();
        if START_S.contains(&at_s) {
            sums.start_s = sums.start_s.max(error_s);
        }
        let is_beyond = f64::from(point.is_synchronised && error_s > point.max_error_s);
        sums.moments_ever += 1.0;
        sums.beyond_ever += is_beyond;
        if at_s > 0.5 * case.length_s {
            sums.moments += 1.0;
            sums.beyond += is_beyond;
            sums.square_s += error_s * error_s;
            sums.largest_s = sums.largest_s.max(error_s);
            sums.frequency_square += point.frequency_error * point.frequency_error;
            sums.within += f64::from(error_s <= point.est_error_s);
        }
    }
    Score {
        rms_us: 1e6 * (sums.square_s / sums.moments).sqrt(),
        largest_us: 1e6 * sums.largest_s,
        frequency_ppb: 1e9 * (sums.frequency_square / sums.moments).sqrt(),
        requests_per_hour: world.trace().requests as f64 * 3600.0 / case.length_s,
        within_sigma: sums.within / sums.moments,
        beyond: sums.beyond / sums.moments,
        beyond_ever: sums.beyond_ever / sums.moments_ever,
        start_us: 1e6 * sums.start_s,
    }
}

/// A scenario over all its seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) rms_us: f64,
    /// 90 % of the seeds are no worse.
    pub(crate) high_us: f64,
    pub(crate) worst_us: f64,
    /// The seed of `worst_us`.
    pub(crate) worst_seed: u64,
    pub(crate) largest_us: f64,
    pub(crate) frequency_ppb: f64,
    pub(crate) requests_per_hour: f64,
    /// Means over the seeds.
    pub(crate) within_sigma: f64,
    pub(crate) beyond: f64,
    pub(crate) beyond_ever: f64,
    pub(crate) start_us: f64,
}

/// Medians, unless said otherwise. `scores` are those of consecutive seeds.
pub(crate) fn summary(first_seed: u64, scores: &[Score]) -> Summary {
    let sorted = |pick: fn(&Score) -> f64| {
        let mut all: Vec<f64> = scores.iter().map(pick).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let median = |pick| {
        let all = sorted(pick);
        0.5 * (all[(all.len() - 1) / 2] + all[all.len() / 2])
    };
    let mean = |pick: fn(&Score) -> f64| scores.iter().map(pick).sum::<f64>() / scores.len() as f64;
    let rms = sorted(|score| score.rms_us);
    let worst_us = rms[rms.len() - 1];
    let worst = scores.iter().position(|score| score.rms_us == worst_us).unwrap_or(0);
    Summary {
        rms_us: median(|score| score.rms_us),
        high_us: rms[rms.len() * 9 / 10],
        worst_us,
        worst_seed: first_seed + worst as u64,
        largest_us: median(|score| score.largest_us),
        frequency_ppb: median(|score| score.frequency_ppb),
        requests_per_hour: median(|score| score.requests_per_hour),
        within_sigma: mean(|score| score.within_sigma),
        beyond: mean(|score| score.beyond),
        beyond_ever: mean(|score| score.beyond_ever),
        start_us: median(|score| score.start_us),
    }
}
