//! What the scenario tests share: run a scenario with several seeds, and reduce each run to the figures that matter.

#![allow(dead_code, reason = "each test binary uses its own part")]

use slewd::core::api::event::Event;
use slewd::core::api::snapshot::SourceReport;
use slewd::sim::{Scenario, Trace, World};
use slewd::time::Span;

/// Every scenario runs with each of these.
pub(crate) const SEEDS: std::ops::Range<u64> = 1..6;

/// Good time, for "how long until".
pub(crate) const GOOD_S: f64 = 0.01;

/// One run.
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) length_s: f64,
    pub(crate) trace: Trace,
}

/// The worst over all seeds.
pub(crate) struct Worst {
    pub(crate) runs: Vec<Run>,
}

/// Runs the scenario that `make` builds for each seed.
pub(crate) fn runs(make: impl Fn(u64) -> Scenario) -> Worst {
    let run = |seed| {
        let scenario = make(seed);
        let length_s = scenario.length_s;
        Run { seed, length_s, trace: World::new(scenario).run() }
    };
    Worst { runs: SEEDS.map(run).collect() }
}

/// A world, run until so many seconds after its start.
pub(crate) fn run_until(scenario: Scenario, until_s: f64) -> World {
    let mut world = World::new(scenario);
    world.run_for(until_s);
    world
}

/// What a world's engine says of its sources.
pub(crate) fn reports(world: &World) -> Vec<SourceReport> {
    world.engine().expect("it runs").snapshot(&world.reading()).sources
}

impl Run {
    /// When the error fell below 10 ms for good.
    pub(crate) fn good_after_s(&self) -> f64 {
        self.trace.settled_s(GOOD_S).unwrap_or(f64::INFINITY)
    }

    /// Largest error in the last eighth of the run.
    pub(crate) fn final_error_s(&self) -> f64 {
        self.trace.max_s(self.length_s * 0.875, f64::INFINITY)
    }

    /// Root mean square of the frequency error in the last eighth of the run, in ppm.
    pub(crate) fn final_frequency_ppm(&self) -> f64 {
        self.trace.rms_frequency(self.length_s * 0.875, f64::INFINITY) * 1e6
    }

    /// Steps in seconds.
    pub(crate) fn steps_s(&self) -> Vec<f64> {
        self.trace.steps.iter().map(|(_, by)| by.secs_f64()).collect()
    }

    /// Median of the frequency error between two moments, in ppm: a decaying slew does not count.
    pub(crate) fn median_frequency_ppm(&self, from_s: f64, to_s: f64) -> f64 {
        let points = self.trace.points.iter().filter(|point| (from_s..to_s).contains(&point.at_s));
        let mut sizes: Vec<f64> = points.map(|point| point.frequency_error.abs() * 1e6).collect();
        sizes.sort_by(f64::total_cmp);
        sizes[sizes.len() / 2]
    }

    /// Recorded moments at which the kernel claims to be synchronised with a bound that does not hold.
    pub(crate) fn dishonest_points(&self, from_s: f64) -> usize {
        let points = self.trace.points.iter().filter(|point| point.at_s >= from_s);
        points.filter(|p| p.is_synchronised && p.error_s.abs() > p.max_error_s).count()
    }

    /// Number of such events.
    pub(crate) fn count(&self, which: impl Fn(&Event) -> bool) -> usize {
        self.trace.events.iter().filter(|(_, event)| which(event)).count()
    }
}

impl Worst {
    /// Largest value of a figure over all seeds.
    pub(crate) fn worst(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        self.runs.iter().map(figure).fold(f64::NEG_INFINITY, f64::max)
    }

    /// One line of the table a test prints.
    pub(crate) fn print(&self, name: &str) {
        println!(
            "{name:34} good after {:>8.2} s, final error {:>10.1} us, frequency {:>7.4} ppm, steps {:?}, dishonest {}",
            self.worst(Run::good_after_s),
            self.worst(Run::final_error_s) * 1e6,
            self.worst(Run::final_frequency_ppm),
            self.runs[0].trace.steps.iter().map(|(at, by)| (*at, by.secs_f64())).collect::<Vec<_>>(),
            self.worst(|run| run.dishonest_points(0.0) as f64),
        );
        for (at, event) in &self.runs[0].trace.events {
            println!("    {at:12.3} {event:?}");
        }
    }

    /// The clock became good within `good_s` and stayed below `final_s`, was stepped `steps` times, and never claimed
    /// a bound that did not hold.
    pub(crate) fn expect(&self, name: &str, good_s: f64, final_s: f64, steps: usize) {
        self.expect_deceived(name, good_s, final_s, steps);
        let dishonest = self.worst(|run| run.dishonest_points(0.0) as f64);
        assert_eq!(dishonest, 0.0, "{name}: maxerror did not hold");
    }

    /// As [`Worst::expect`], but until it is good slewd was deceived, and maxerror with it.
    pub(crate) fn expect_deceived(&self, name: &str, good_s: f64, final_s: f64, steps: usize) {
        self.print(name);
        for run in &self.runs {
            let seed = run.seed;
            assert!(run.good_after_s() <= good_s, "{name}, seed {seed}: good after {} s", run.good_after_s());
            assert!(run.final_error_s() <= final_s, "{name}, seed {seed}: final error {} s", run.final_error_s());
            assert_eq!(run.trace.steps.len(), steps, "{name}, seed {seed}: steps {:?}", run.trace.steps);
            assert_eq!(run.dishonest_points(run.good_after_s()), 0, "{name}, seed {seed}: maxerror did not hold");
        }
    }

    /// In every run, such an event was told so many times.
    pub(crate) fn expect_told(&self, name: &str, times: usize, which: impl Fn(&Event) -> bool) {
        for run in &self.runs {
            let seed = run.seed;
            assert_eq!(run.count(&which), times, "{name}, seed {seed}: events {:?}", run.trace.events);
        }
    }
}

/// Whole hours.
pub(crate) fn hours(hours: i64) -> Span {
    Span::from_secs(3600 * hours)
}
