//! `trust` and `require`: whom the others have to agree with, and for how long they wait for him.

#![allow(missing_docs)]

mod support;

use slewd::core::api::event::{Event, Obstacle};
use slewd::sim::link::Link;
use slewd::sim::server::Manner;
use slewd::sim::{Scenario, World};
use slewd::time::Span;
use support::run_until;

const SEEDS: std::ops::Range<u64> = 1..21;

/// Liars in the next room, 0.2 ms of round trip away, and a good server at 20 ms; the clock is two seconds behind.
fn good_and_liars(seed: u64, liars: usize) -> Scenario {
    let mut links = vec![Link::symmetric(0.02, 1e-4)];
    links.resize(1 + liars, Link::symmetric(2e-4, 1e-5));
    let mut scenario = Scenario { clock_ahead: Span::from_secs(-2), ..Scenario::new(seed, &links) };
    scenario.servers[1..].iter_mut().for_each(|liar| liar.ahead = Span::from_secs(3600));
    scenario
}

fn first_step(world: &World) -> (f64, f64) {
    world.trace().steps.first().map_or((f64::INFINITY, 0.0), |(at, by)| (*at, by.secs_f64()))
}

fn told(world: &World, obstacle: Obstacle) -> Vec<f64> {
    let events = world.trace().events.iter();
    events.filter(|(_, event)| *event == Event::CannotSynchronise(obstacle)).map(|(at, _)| *at).collect()
}

#[test]
fn a_trusted_source_that_is_far_away_beats_liars_that_answer_first() {
    for (seed, liars) in SEEDS.flat_map(|seed| [(seed, 2), (seed, 3), (seed, 6)]) {
        let mut scenario = good_and_liars(seed, liars);
        scenario.sources[0].options.trust = true;
        let world = run_until(scenario, 600.0);
        assert_eq!(world.trace().steps.len(), 1, "{:?}", world.trace().steps);
        let (at, by) = first_step(&world);
        assert!(at < 0.05 && (by - 2.0).abs() < 0.02, "{at} s: {by} s");
        assert!(world.point().error_s.abs() < 0.01);
    }
    let without = run_until(good_and_liars(1, 2), 600.0);
    assert!((first_step(&without).1 - 3602.0).abs() < 0.1, "without the option the liars win");
}

#[test]
fn the_vote_waits_for_a_trusted_source_as_long_as_it_may_still_answer_and_not_longer() {
    for seed in SEEDS {
        let mut scenario = good_and_liars(seed, 2);
        scenario.servers[1..].iter_mut().for_each(|server| server.ahead = Span::ZERO);
        scenario.sources[0].options.trust = true;
        scenario.servers[0].manner = Manner::Dead;
        let (at, by) = first_step(&run_until(scenario, 60.0));
        assert!((2.9..3.3).contains(&at) && (by - 2.0).abs() < 0.02, "{at} s: {by} s");
    }
}

/// Two liars were all there was for an hour; then the one that is trusted comes up.
#[test]
fn a_trusted_source_that_comes_late_overrules_what_several_others_said() {
    for seed in SEEDS {
        let mut scenario = good_and_liars(seed, 2);
        scenario.servers[1..].iter_mut().for_each(|liar| liar.ahead = Span::from_millis(300));
        scenario.sources[0].options.trust = true;
        scenario.servers[0].alive = (3600.0, f64::INFINITY);
        let world = run_until(scenario, 10_000.0);
        let engine = world.engine().expect("it runs");
        assert!(engine.is_synchronised());
        assert_eq!(engine.selection().agreeing.len(), 1);
        assert!(world.point().error_s.abs() < 0.01, "{}", world.point().error_s);
    }
}

/// Its absence is no news while its answer is on the way.
#[test]
fn the_vote_waits_for_a_required_source_without_a_word() {
    for seed in SEEDS {
        let scenario = |manner| {
            let mut scenario = good_and_liars(seed, 2);
            scenario.servers[1..].iter_mut().for_each(|server| server.ahead = Span::ZERO);
            scenario.sources[0].options.require = true;
            scenario.servers[0].manner = manner;
            scenario
        };
        let world = run_until(scenario(Manner::Tells), 60.0);
        assert!(first_step(&world).0 < 0.05);
        assert_eq!(told(&world, Obstacle::NoRequired), [] as [f64; 0]);
        let world = run_until(scenario(Manner::Dead), 60.0);
        assert!(world.trace().steps.is_empty());
        let at = told(&world, Obstacle::NoRequired);
        assert!(at.len() == 1 && (2.9..3.3).contains(&at[0]), "{at:?}");
    }
}

/// `minsources` counts those that agree with the trusted one as well, as chronyd does.
#[test]
fn sources_within_the_trusted_interval_count_for_minsources() {
    let scenario = |liars: bool| {
        let mut scenario = good_and_liars(1, 2);
        scenario.servers[1..].iter_mut().for_each(|s| s.ahead = Span::from_secs(if liars { 3600 } else { 0 }));
        scenario.sources[0].options.trust = true;
        scenario.settings.min_sources = 3;
        scenario
    };
    assert!(run_until(scenario(false), 60.0).engine().is_some_and(|engine| engine.is_synchronised()));
    let alone = run_until(scenario(true), 60.0);
    assert!(alone.trace().steps.is_empty());
    assert_eq!(told(&alone, Obstacle::NotEnough).len(), 1);
}
