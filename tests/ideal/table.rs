//! The scenarios of the estimator's own world, and their figures.

use super::{QUIET, Scenario, Score, median, run};

/// Scenario, the median RMS error (us) of the model it was designed with in the same kind of world (pool-heavy: in the
/// packet simulator), and the error of a filter told all parameters.
pub(crate) const MAIN: [(Scenario, f64, f64); 12] = [
    (Scenario { name: "lan-10us", base: 5e-5, jitter: 1e-5, duration: 10_000, ..QUIET }, 7.8, 7.5),
    (Scenario { name: "lan-100us", base: 1e-4, jitter: 1e-4, duration: 10_000, ..QUIET }, 52.0, 50.0),
    (Scenario { name: "wan-1ms", ..QUIET }, 209.0, 189.0),
    (Scenario { name: "wan-10ms", base: 3e-2, jitter: 1e-2, duration: 80_000, ..QUIET }, 842.0, 822.0),
    (Scenario { name: "pool-4", sources: 4, ..QUIET }, 107.0, 92.0),
    (Scenario { name: "wander-hi", wander: 1e-8, ..QUIET }, 579.0, 540.0),
    (Scenario { name: "vm-wander", base: 1e-3, jitter: 1e-4, wander: 1e-7, duration: 20_000, ..QUIET }, 80.0, 73.0),
    (Scenario { name: "asym", jitter: 5e-3, asymmetry: 0.45, ..QUIET }, 266.0, 191.0),
    (Scenario { name: "boot", sources: 4, frequency: 5e-5, duration: 4000, ..QUIET }, 60.0, 29.6),
    (Scenario { name: "loss-30", loss: 0.3, ..QUIET }, 255.0, 241.0),
    (Scenario { name: "pool-bias", sources: 4, bias: [1e-3, -1e-3, 5e-4, -5e-4], ..QUIET }, 107.0, 92.0),
    (Scenario { name: "pool-heavy", sources: 4, lomax: Some(1.6), ..QUIET }, 122.0, f64::NAN),
];

/// Cases without a figure of the model in this world.
pub(crate) const OTHERS: [Scenario; 12] = [
    Scenario { name: "route", route: Some([26e3, 4e-3, 4e-3]), ..QUIET },
    Scenario { name: "route-asym", sources: 4, route: Some([26e3, 4e-3, 0.0]), ..QUIET },
    Scenario { name: "diurnal", sine: Some([1e-6, 86_400.0]), duration: 172_800, ..QUIET },
    Scenario { name: "sine-6h", sources: 2, sine: Some([5e-7, 21_600.0]), duration: 86_400, ..QUIET },
    Scenario { name: "pareto", lomax: Some(2.2), ..QUIET },
    Scenario { name: "heavy-1", lomax: Some(1.6), ..QUIET },
    Scenario { name: "fstep", frequency_step: Some([26e3, 1e-6]), ..QUIET },
    Scenario { name: "congest", congestion: Some([24e3, 32e3]), ..QUIET },
    Scenario { name: "pool-5ms", sources: 4, bias: [5e-3, 0.0, 0.0, 0.0], ..QUIET },
    Scenario { name: "cstep", clock_step: Some([26e3, 5e-2]), ..QUIET },
    Scenario { name: "server-step", sources: 4, server_step: Some([26e3, 8e-3]), ..QUIET },
    Scenario { name: "bimodal", bimodal: 0.2, ..QUIET },
];

/// Runs the seeds of a scenario.
pub(crate) fn scores(scenario: Scenario, seeds: std::ops::Range<u64>) -> Vec<Score> {
    seeds.map(|seed| run(scenario, seed)).collect()
}

/// Prints one line of the table and returns the median.
pub(crate) fn report(scenario: &Scenario, scores: &[Score], model: f64, floor: f64) -> f64 {
    let of = |pick: fn(&Score) -> f64| median(&mut scores.iter().map(pick).collect::<Vec<_>>());
    let rms = of(|s| s.rms_us);
    let mut all: Vec<_> = scores.iter().map(|s| s.rms_us).collect();
    all.sort_by(f64::total_cmp);
    let (high, worst_seed) = (all[all.len() * 9 / 10], all[all.len() - 1]);
    println!(
        "{:12} rms {rms:7.1} us (model {model:6.1}, floor {floor:6.1}; 90 % {high:6.1}, worst seed {worst_seed:7.1})  max {:7.0} us  frequency {:6.0} ppb  {:5.1}/h",
        scenario.name,
        of(|s| s.worst_us),
        of(|s| s.frequency_rms_ppb),
        of(|s| s.requests_per_hour),
    );
    rms
}

/// The whole table, for people.
pub(crate) fn print(seeds: std::ops::Range<u64>, only: &[&str]) {
    let wanted = |scenario: &Scenario| only.is_empty() || only.contains(&scenario.name);
    for (scenario, model, floor) in MAIN.iter().filter(|(scenario, ..)| wanted(scenario)) {
        report(scenario, &scores(*scenario, seeds.clone()), *model, *floor);
    }
    for scenario in OTHERS.iter().filter(|scenario| wanted(scenario)) {
        report(scenario, &scores(*scenario, seeds.clone()), f64::NAN, f64::NAN);
    }
}
