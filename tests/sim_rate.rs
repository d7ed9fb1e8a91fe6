//! Clocks that are far off in rate: emulators, a badly calibrated counter, a crystal of another frequency.
//!
//! `cargo test --test sim_rate -- --nocapture` prints the tables of docs/benchmarks.md.

#![allow(missing_docs)]

use slewd::core::api::drift::DriftRecord;
use slewd::core::api::event::{Event, Obstacle};
use slewd::core::api::monitoring::Hindrance;
use slewd::sim::{Happening, Scenario, Trace, World};
use slewd::time::Span;

const SEEDS: std::ops::Range<u64> = 0..10;

/// The frequency changes this long after the start.
const JUMP_S: f64 = 4000.0;

/// What the kernel must correct, in ppm: positive is a slow counter.
const CORRECTABLE: [i32; 13] =
    [100, 500, 700, 1500, 5000, 20_000, 50_000, 100_000, -700, -5000, -20_000, -50_000, -100_000];

#[test]
fn a_counter_that_is_far_off_is_found_within_a_minute_of_the_start() {
    println!(
        "| rate, ppm | servers | error below 10 ms from | rate within 100 ppm from | worst after a minute | beyond the bound | requests in the first hour | lines |\n|---|---|---|---|---|---|---|---|"
    );
    for ppm in CORRECTABLE {
        for servers in [1, 2, 4] {
            let runs: Vec<Run> = SEEDS.map(|seed| Run::new(off_by(seed, servers, ppm), 0.0)).collect();
            println!("| {ppm} | {servers} | {} |", row(&runs));
            for run in &runs {
                let name = format!("{ppm} ppm, {servers} servers: {:?}", run.trace.events);
                let limit_s = if ppm.abs() < 1000 { 130.0 } else { 60.0 };
                assert!(run.settled_s <= limit_s, "{name}: after {} s", run.settled_s);
                let is_found = run.known_s <= 130.0 || ppm.abs() < 1000;
                assert!(is_found, "{name}: rate known after {} s", run.known_s);
                assert!(run.beyond_s <= 1, "{name}: {} s beyond the bound", run.beyond_s);
                assert!(run.trace.requests <= 48 * servers as u64, "{name}: {} requests", run.trace.requests);
                assert!(run.lines <= 5, "{name}");
            }
        }
    }
}

#[test]
fn what_the_kernel_cannot_correct_is_one_line_and_no_claim() {
    for ppm in [150_000, -150_000, 300_000] {
        for servers in [1, 2, 4] {
            for seed in SEEDS {
                let mut world = World::new(off_by(seed, servers, ppm));
                world.run_for(3600.0);
                let name = format!("{ppm} ppm, {servers} servers, seed {seed}: {:?}", world.trace().events);
                let said = |event: &Event| matches!(event, Event::CannotSynchronise(Obstacle::RateBeyond { ppm: said }) if (said + ppm).abs() < 5000);
                assert_eq!(world.trace().events.iter().filter(|(_, event)| said(event)).count(), 1, "{name}");
                assert!(world.trace().events.len() <= 4, "{name}");
                assert!(world.trace().requests < 33 * servers as u64, "{name}: {}", world.trace().requests);
                let points = &world.trace().points;
                assert!(points.iter().all(|point| point.at_s < 6.0 || !point.is_synchronised), "{name}");
                let (now, engine) = (world.reading(), world.engine().expect("it runs"));
                let (status, tracking) = (engine.status(&now), engine.tracking_report(&now));
                assert_eq!((status.synchronised, status.hindrance), (false, Hindrance::RateBeyond), "{name}");
                assert_eq!((status.maximum_error_s, tracking.stratum), (None, 0), "{name}");
                assert_eq!(engine.drift(), None, "{name}: not worth keeping");
            }
        }
    }
}

#[test]
fn a_rate_that_is_far_off_is_saved_and_used_at_the_next_start() {
    for ppm in [700, 5000, 100_000, -90_000] {
        for seed in SEEDS {
            let mut scenario = off_by(seed, 1, ppm);
            scenario.happenings = vec![(3600.0, Happening::Stop(Span::from_secs(60)))];
            scenario.length_s = 3900.0;
            let trace = World::new(scenario).run();
            let worst_ms = 1e3 * trace.max_s(3661.0, 3900.0);
            assert!(worst_ms < 3.0, "{ppm} ppm, seed {seed}: {worst_ms} ms");
            let found = |(at, event): &(f64, Event)| *at > 3600.0 && matches!(event, Event::RateFound(_));
            assert!(!trace.events.iter().any(found), "{:?}", trace.events);
        }
    }
}

#[test]
fn a_drift_file_that_is_far_off_is_disproved_within_a_minute() {
    for (file_ppm, ppm) in [(-5000.0, 0), (90_000.0, 50), (0.0, 5000), (20.0, 700)] {
        for seed in SEEDS {
            let mut scenario = off_by(seed, 1, ppm);
            scenario.drift = Some((DriftRecord { frequency_ppm: file_ppm, skew_ppm: 0.01 }, Span::from_secs(3600)));
            let trace = World::new(scenario).run();
            assert!(trace.told(|event| matches!(event, Event::PriorDiscarded(_))), "{:?}", trace.events);
            let worst_ms = 1e3 * trace.max_s(60.0, 3600.0);
            assert!(worst_ms < 10.0, "{file_ppm} ppm in the file, {ppm} ppm, seed {seed}: {worst_ms} ms");
        }
    }
}

#[test]
fn a_jump_of_the_rate_that_several_servers_show_is_followed_as_at_the_start() {
    println!(
        "| jump, ppm | servers | error below 10 ms from | rate within 100 ppm from | beyond the bound | requests in that hour | lines |\n|---|---|---|---|---|---|---|"
    );
    // 200 ppm is what a change of the kernel's clock source may make.
    for ppm in [100, 200, 1000, -1000, 10_000] {
        for servers in [2, 3, 4] {
            let runs: Vec<Run> = SEEDS.map(|seed| jumping(seed, servers, ppm)).collect();
            println!("| {ppm} | {servers} | {} |", row_after(&runs));
            for run in &runs {
                let name =
                    format!("{ppm} ppm, {servers} servers, answer after {} s: {:?}", run.answer_s, run.trace.events);
                assert!(run.settled_s <= run.answer_s + 60.0, "{name}: after {} s", run.settled_s);
                assert!(run.known_s <= run.answer_s + 190.0, "{name}: rate known after {} s", run.known_s);
                assert!(run.beyond_s <= 10, "{name}: {} s beyond the bound", run.beyond_s);
                assert!(run.requests <= 60 * servers as u64, "{name}: {} requests", run.requests);
                assert!(run.lines <= 9, "{name}");
            }
        }
    }
}

#[test]
fn a_jump_of_the_rate_that_one_server_shows_is_followed_in_phase_and_as_fast_as_oscillators_wander() {
    println!(
        "| jump, ppm | servers | error below 10 ms from | rate within 100 ppm from | beyond the bound | requests in that hour | lines |\n|---|---|---|---|---|---|---|"
    );
    for ppm in [100, 200, 1000, -1000, 10_000] {
        let runs: Vec<Run> = SEEDS.map(|seed| jumping(seed, 1, ppm)).collect();
        println!("| {ppm} | 1 | {} |", row_after(&runs));
        for run in &runs {
            let name = format!("{ppm} ppm, answer after {} s: {:?}", run.answer_s, run.trace.events);
            assert!(run.beyond_s <= 10, "{name}: {} s beyond the bound", run.beyond_s);
            assert!(run.requests <= 130, "{name}: {} requests", run.requests);
            assert!(run.lines <= 9, "{name}");
            let mut rates_ppm: Vec<f64> =
                run.trace.points.iter().rev().take(600).map(|point| 1e6 * point.frequency_error).collect();
            rates_ppm.sort_by(f64::total_cmp);
            let kept_ppm = rates_ppm[300] * f64::from(ppm.signum());
            assert!(ppm.abs() < 1000 || kept_ppm > 300.0, "{name}: only {kept_ppm} ppm are left");
        }
    }
}

/// What only wander may move is learnt in hours, not in one: 3 * 3e-7 * sqrt(t) are 100 ppm after 3.4 hours.
#[test]
fn a_jump_of_100_ppm_that_one_server_shows_is_learnt_in_hours() {
    for ppm in [100, -100] {
        for seed in SEEDS {
            let mut scenario = Scenario::pool(seed, 1);
            scenario.crystal.steps = vec![(JUMP_S, f64::from(ppm) * 1e-6)];
            scenario.length_s = JUMP_S + 8.0 * 3600.0;
            let trace = World::new(scenario).run();
            let settled_h = trace.settled_s(0.01).map_or(f64::INFINITY, |at_s| (at_s - JUMP_S) / 3600.0);
            let worst_s = trace.max_s(JUMP_S, f64::INFINITY);
            println!("{ppm} ppm, seed {seed}: below 10 ms after {settled_h:.1} h, {:.0} ms at most", 1e3 * worst_s);
            assert!(settled_h < 3.0 && worst_s < 0.08, "{ppm} ppm, seed {seed}: {settled_h} h, {worst_s} s");
        }
    }
}

/// A lone server's clock swings: the clock follows it, and hardly overshoots. A swing as small as the noise of the path is
/// told from it late, and costs more.
#[test]
fn the_error_of_a_lone_server_that_swings_is_not_amplified() {
    println!(
        "| period, s | gain at 1 ms | worst error | gain at 9 ms | worst error | gain at 100 ms | worst error |\n|---|---|---|---|---|---|---|"
    );
    for period_s in [16.0, 60.0, 200.0, 600.0, 2000.0, 6000.0, 20_000.0, 86_400.0] {
        let gains = [1e-3, 9e-3, 0.1].map(|amplitude_s| gain(amplitude_s, period_s));
        println!("| {period_s} | {} |", gains.map(|gain| format!("{:.2} | {:.2}", gain.0, gain.1)).join(" | "));
        for ((gain, worst), (most, most_worst)) in gains.into_iter().zip([(1.7, 3.5), (1.2, 1.6), (1.2, 2.1)]) {
            assert!(gain <= most && worst <= most_worst, "period {period_s} s: {gains:?}");
        }
    }
}

/// A lone server walks away at a rate that no oscillator takes on: the clock follows, and says how far that may lead it.
#[test]
fn a_lone_server_that_walks_away_is_followed_under_a_bound_that_holds() {
    for seed in SEEDS {
        let mut scenario = Scenario::pool(seed, 1);
        scenario.servers[0].drift = Some((JUMP_S, 500e-6));
        let run = Run::new(scenario, JUMP_S + 600.0);
        assert!(run.trace.max_s(JUMP_S, JUMP_S + 4200.0) > 1.0, "it is followed, or this tells nothing");
        assert!(run.beyond_s <= 10, "seed {seed}: {} s beyond the bound", run.beyond_s);
    }
}

/// The amplitude of the clock's error at that period, in amplitudes of the server's, and the worst error beyond that of a
/// steady server, likewise.
fn gain(amplitude_s: f64, period_s: f64) -> (f64, f64) {
    let start_s = 3600.0 + period_s;
    let end_s = start_s + period_s * (2.0_f64).max((7200.0 / period_s).ceil());
    let run = |seed, swings| {
        let mut scenario = Scenario::pool(seed, 1);
        scenario.servers[0].swings = swings;
        scenario.length_s = end_s;
        let mut world = World::new(scenario);
        world.run_for(end_s);
        let points = world.trace().points.iter().filter(|point| point.at_s >= start_s && point.at_s < end_s);
        let phase = |at_s: f64| std::f64::consts::TAU * at_s / period_s;
        let (mut sine, mut cosine, mut count) = (0.0, 0.0, 0.0);
        for point in points {
            sine += point.error_s * libm::sin(phase(point.at_s));
            cosine += point.error_s * libm::cos(phase(point.at_s));
            count += 1.0;
        }
        (2.0 * libm::hypot(sine, cosine) / count, world.trace().max_s(start_s, end_s))
    };
    let of_seed = |seed| {
        let (harmonic, worst) = run(seed, Some((amplitude_s, period_s)));
        (harmonic / amplitude_s, (worst - run(seed, None).1) / amplitude_s)
    };
    (0..4).map(of_seed).fold((0.0, 0.0), |most, one| (f64::max(most.0, one.0), f64::max(most.1, one.1)))
}

/// What happened after `from_s`.
struct Run {
    trace: Trace,
    /// Seconds until the error stays below 10 ms, and the rate within 100 ppm.
    settled_s: f64,
    known_s: f64,
    /// When the first server answered.
    answer_s: f64,
    /// Seconds after that in which the kernel claimed a bound that did not hold.
    beyond_s: usize,
    requests: u64,
    lines: usize,
}

impl Run {
    fn new(scenario: Scenario, from_s: f64) -> Run {
        let mut world = World::new(scenario);
        world.run_for(from_s);
        let (before, mut answer_s) = (world.trace().requests, from_s);
        while world.trace().requests == before && answer_s < from_s + 2000.0 {
            answer_s += 1.0;
            world.run_for(answer_s);
        }
        world.run_for(from_s + 3600.0);
        let requests = world.trace().requests - before;
        let trace = world.trace().clone();
        let after = || trace.points.iter().filter(|point| point.at_s > from_s);
        let is_beyond = |at_s: f64, error_s: f64, bound_s: f64| at_s > answer_s + 1.0 && error_s.abs() > bound_s;
        let known = after().filter(|point| point.frequency_error.abs() >= 1e-4 && point.error_s.abs() < 1e-3);
        let known_s = known.map(|point| point.at_s - from_s).fold(0.0, f64::max);
        let said = trace.events.iter().filter(|(at, _)| *at >= from_s);
        Run {
            settled_s: trace.settled_s(0.01).map_or(f64::INFINITY, |at_s| (at_s - from_s).max(0.0)),
            known_s,
            answer_s: answer_s - from_s,
            beyond_s: after().filter(|p| p.is_synchronised && is_beyond(p.at_s, p.error_s, p.max_error_s)).count(),
            requests,
            lines: said.count(),
            trace,
        }
    }
}

/// `ppm` is what the kernel must correct.
fn off_by(seed: u64, servers: usize, ppm: i32) -> Scenario {
    let mut scenario = Scenario::pool(seed, servers);
    scenario.crystal.frequency = 1.0 / (1.0 + f64::from(ppm) * 1e-6) - 1.0;
    scenario.length_s = 3600.0;
    scenario
}

fn jumping(seed: u64, servers: usize, ppm: i32) -> Run {
    let mut scenario = Scenario::pool(seed, servers);
    scenario.crystal.steps = vec![(JUMP_S, f64::from(ppm) * 1e-6)];
    Run::new(scenario, JUMP_S)
}

fn row(runs: &[Run]) -> String {
    let worst_ms = most(runs, |run| 1e3 * run.trace.max_s(60.0, 3600.0));
    let (settled, rate) = (most(runs, |run| run.settled_s), most(runs, |run| run.known_s));
    let (beyond, requests) = (most(runs, |run| run.beyond_s as f64), most(runs, |run| run.requests as f64));
    let lines = most(runs, |run| run.lines as f64);
    format!("{settled:.0} s | {rate:.0} s | {worst_ms:.1} ms | {beyond:.0} s | {requests:.0} | {lines:.0}")
}

fn row_after(runs: &[Run]) -> String {
    let settled = most(runs, |run| run.settled_s - run.answer_s);
    let rate = most(runs, |run| run.known_s - run.answer_s);
    let (beyond, requests) = (most(runs, |run| run.beyond_s as f64), most(runs, |run| run.requests as f64));
    let lines = most(runs, |run| run.lines as f64);
    format!("{settled:.0} s | {rate:.0} s | {beyond:.0} s | {requests:.0} | {lines:.0}")
}

fn most(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    runs.iter().map(of).fold(f64::NEG_INFINITY, f64::max)
}
