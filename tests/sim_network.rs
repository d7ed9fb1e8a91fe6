//! The network comes and goes, and sources are set offline.

mod support;

use slewd::core::api::event::{Event, Obstacle};
use slewd::sim::{Happening, Scenario};
use slewd::time::Span;
use support::{Run, hours, runs};

/// Four servers 20 to 24 ms of round trip away, and what two round trips take at most.
const TWO_ROUND_TRIPS_S: f64 = 0.05;
/// The network comes up, just after a try that was in vain...
const UP_S: f64 = 304.0;
/// ...and is lost for two hours.
const LOST_S: f64 = 7200.0;
const BACK_S: f64 = LOST_S + 7200.0;

fn pool(seed: u64) -> Scenario {
    let mut scenario = Scenario::pool(seed, 4);
    scenario.crystal.frequency = 40e-6;
    scenario
}

/// No network for the first five minutes; then the kernel gives notice, if at all.
fn late(seed: u64, is_noticed: bool) -> Scenario {
    Scenario {
        clock_ahead: hours(-4),
        network_up_s: UP_S,
        happenings: if is_noticed { vec![(UP_S, Happening::NetworkChanged)] } else { Vec::new() },
        length_s: UP_S + 60.0,
        record_every: Span::from_millis(5),
        ..pool(seed)
    }
}

/// Two hours without a network; `notices` come when it is back.
fn cut_off(seed: u64, count: usize, notices: Vec<(f64, Happening)>) -> Scenario {
    let mut scenario = Scenario::pool(seed, count);
    scenario.crystal.frequency = 40e-6;
    scenario.crystal.wander = 3e-9;
    scenario.outages = vec![(LOST_S, BACK_S)];
    scenario.happenings = notices;
    scenario.length_s = BACK_S + 3600.0;
    scenario
}

/// Requests that left between two moments are not recorded apart, so two runs of different length are compared.
fn requests_until(make: impl Fn(u64) -> Scenario, seed: u64, until_s: f64) -> u64 {
    let mut scenario = make(seed);
    scenario.length_s = until_s;
    slewd::sim::World::new(scenario).run().requests
}

fn first_selected_s(run: &Run, after_s: f64) -> f64 {
    let events = run.trace.events.iter();
    let selected = |(at, event): &&(f64, Event)| *at >= after_s && matches!(event, Event::Selected(_));
    events.clone().find(selected).map_or(f64::INFINITY, |(at, _)| *at)
}

#[test]
fn a_network_that_comes_up_after_five_minutes_is_used_at_once() {
    let result = runs(|seed| late(seed, true));
    result.print("network up after 5 min, noticed");
    let worst_s = result.worst(|run| first_selected_s(run, 0.0)) - UP_S;
    println!("synchronised {:.1} ms after the notice", worst_s * 1e3);
    assert!(worst_s < TWO_ROUND_TRIPS_S + 0.1, "{worst_s}");
    for run in &result.runs {
        assert!(run.good_after_s() < UP_S + TWO_ROUND_TRIPS_S + 0.1, "seed {}", run.seed);
        assert_eq!(run.dishonest_points(0.0), 0);
    }
}

#[test]
fn without_a_notice_it_is_used_within_the_longest_retry() {
    let result = runs(|seed| late(seed, false));
    let worst_s = result.worst(|run| first_selected_s(run, 0.0)) - UP_S;
    println!("synchronised {worst_s:.1} s after the network came up");
    assert!((1.0..17.0).contains(&worst_s), "{worst_s}: the other test would prove nothing");
}

#[test]
fn names_are_looked_up_again_when_the_network_comes_up() {
    let result = runs(|seed| {
        let mut scenario = late(seed, true);
        let name = "pool.example".to_owned();
        let addresses = scenario.servers.iter().map(|server| server.address).collect();
        scenario.names = vec![(name.clone(), UP_S, addresses)];
        scenario.sources.truncate(1);
        scenario.sources[0].host = slewd::core::api::settings::Host::Name(name);
        scenario.sources[0].pool = true;
        scenario
    });
    let worst_s = result.worst(|run| first_selected_s(run, 0.0)) - UP_S;
    assert!(worst_s < TWO_ROUND_TRIPS_S + 0.1, "{worst_s}");
}

#[test]
fn two_hours_offline_and_back_with_honest_bounds_throughout() {
    for count in [1, 4] {
        let result = runs(|seed| cut_off(seed, count, vec![(BACK_S, Happening::NetworkChanged)]));
        let name = format!("two hours offline, {count} servers");
        result.print(&name);
        let held_us = result.worst(|run| run.trace.max_s(LOST_S, BACK_S)) * 1e6;
        let after_s = result.worst(|run| first_selected_s(run, BACK_S)) - BACK_S;
        let bound_ms = result.worst(|run| {
            let last = run.trace.points.iter().rfind(|point| point.at_s < BACK_S);
            last.map_or(f64::NAN, |point| point.max_error_s)
        }) * 1e3;
        println!("{name}: {held_us:.0} us off at worst, bound {bound_ms:.0} ms; synchronised {after_s:.3} s after");
        for run in &result.runs {
            assert_eq!(run.dishonest_points(0.0), 0, "{name}, seed {}", run.seed);
            assert!(run.trace.steps.is_empty());
            assert!(first_selected_s(run, BACK_S) - BACK_S < TWO_ROUND_TRIPS_S + 0.1, "{name}, seed {}", run.seed);
            assert!(run.final_error_s() < 1e-3, "{name}, seed {}", run.seed);
        }
    }
}

#[test]
fn requests_that_cannot_leave_cost_nothing_and_are_not_told_of() {
    let make = |seed| cut_off(seed, 4, Vec::new());
    let result = runs(make);
    for run in &result.runs {
        let (before, during) = (requests_until(make, run.seed, LOST_S), requests_until(make, run.seed, BACK_S - 1.0));
        assert_eq!(before, during, "seed {}: something was sent without a network", run.seed);
        let lines = run.trace.events.iter().filter(|(at, _)| (LOST_S..BACK_S).contains(at)).count();
        assert!(lines <= 1, "seed {}: {:?}", run.seed, run.trace.events);
        assert_eq!(run.count(|e| matches!(e, Event::CannotSynchronise(Obstacle::NoSelectableSources { .. }))), 1);
    }
}

#[test]
fn a_change_of_the_network_is_worth_a_request_only_once_in_a_while() {
    let quiet = |seed| Scenario { length_s: 8000.0, ..pool(seed) };
    let noticed = |seed| {
        let happenings = vec![(7000.0, Happening::NetworkChanged), (7010.0, Happening::NetworkChanged)];
        Scenario { happenings, ..quiet(seed) }
    };
    for seed in support::SEEDS {
        let until = |s| requests_until(noticed, seed, s);
        assert!(until(7000.5) - until(6999.5) >= 4, "seed {seed}: everybody is asked at once");
        assert!(until(7030.0) - until(7009.0) <= 1, "seed {seed}: the second change means nothing new");
    }
}

#[test]
fn an_interface_that_flaps_causes_no_storm() {
    // Up for two seconds and down for one, for an hour, with four notices each time.
    let flaps = |seed| {
        let ups = (0..1200).map(|nth| LOST_S + 3.0 * f64::from(nth));
        let notices =
            ups.clone().flat_map(|at| [0.0, 0.01, 0.02, 1.0].map(|more| (at + more, Happening::NetworkChanged)));
        let downs = ups.map(|at| (at + 2.0, at + 3.0)).collect();
        Scenario { happenings: notices.collect(), outages: downs, length_s: LOST_S + 3600.0, ..pool(seed) }
    };
    let lost = |seed| {
        let mut scenario = flaps(seed);
        // Nobody answers either.
        scenario.servers.iter_mut().for_each(|server| server.link.outage = Some((LOST_S, LOST_S + 3600.0)));
        scenario
    };
    for (name, make) in [("flapping", &flaps as &dyn Fn(u64) -> Scenario), ("flapping, nobody answers", &lost)] {
        for seed in support::SEEDS {
            let count = requests_until(make, seed, LOST_S + 3600.0) - requests_until(make, seed, LOST_S);
            println!("{name}, seed {seed}: {count} requests to four servers in an hour, 4800 notices");
            // As many as a poll of 32 s makes.
            assert!(count < 450, "{name}, seed {seed}: {count}");
        }
        let result = runs(make);
        assert!(result.worst(|run| run.dishonest_points(0.0) as f64) == 0.0, "{name}");
    }
}

#[test]
fn offline_sources_are_asked_when_they_are_set_online() {
    let make = |seed| {
        let mut scenario = pool(seed);
        scenario.clock_ahead = hours(-4);
        scenario.sources.iter_mut().for_each(|line| line.options.offline = true);
        // A change of the network is no permission.
        scenario.happenings = vec![(100.0, Happening::NetworkChanged), (200.0, Happening::SetOnline(true))];
        scenario.length_s = 300.0;
        scenario.record_every = Span::from_millis(5);
        scenario
    };
    let result = runs(make);
    result.print("offline");
    result.expect_told("offline", 4, |event| matches!(event, Event::Online(_, true)));
    for run in &result.runs {
        assert_eq!(requests_until(make, run.seed, 199.9), 0);
        assert!(first_selected_s(run, 0.0) < 200.0 + TWO_ROUND_TRIPS_S, "seed {}", run.seed);
        let told = run.count(|event| matches!(event, Event::CannotSynchronise(_)));
        assert_eq!(told, 1, "that nobody may be asked is said once");
        assert!(run.trace.requests >= 16, "a burst of four");
    }
}

#[test]
fn sources_whose_name_is_not_known_yet_are_set_online_too() {
    for known_s in [0.0, 250.0] {
        let make = |seed| {
            let mut scenario = pool(seed);
            scenario.names = vec![(
                "pool.example".to_owned(),
                known_s,
                scenario.servers.iter().map(|server| server.address).collect(),
            )];
            scenario.sources.truncate(1);
            scenario.sources[0].host = slewd::core::api::settings::Host::Name("pool.example".to_owned());
            scenario.sources[0].pool = true;
            scenario.sources[0].options.offline = true;
            scenario.happenings = vec![(200.0, Happening::SetOnline(true))];
            scenario.length_s = 400.0;
            scenario
        };
        for run in &runs(make).runs {
            assert_eq!(requests_until(make, run.seed, 199.9), 0);
            assert!(first_selected_s(run, 0.0) < known_s.max(200.0) + 60.1, "seed {}", run.seed);
        }
    }
}

#[test]
fn a_source_left_offline_does_not_delay_the_others() {
    let result = runs(|seed| {
        let mut scenario = pool(seed);
        scenario.clock_ahead = hours(-4);
        scenario.sources[1..].iter_mut().for_each(|line| line.options.offline = true);
        scenario.length_s = 60.0;
        scenario
    });
    result.expect("three of four offline", 1.0, 0.01, 1);
}

#[test]
fn sources_set_offline_are_left_alone_and_it_is_said_once() {
    let make = |seed| {
        let happenings = vec![(1000.0, Happening::SetOnline(false)), (1001.0, Happening::SetOnline(false))];
        Scenario { happenings, ..pool(seed) }
    };
    let result = runs(make);
    result.expect_told("set offline", 4, |event| matches!(event, Event::Online(_, false)));
    for run in &result.runs {
        assert_eq!(requests_until(make, run.seed, 1000.5), run.trace.requests);
        assert_eq!(run.dishonest_points(0.0), 0);
    }
}

#[test]
fn auto_offline_sources_stay_away_after_a_failure_to_send() {
    let make = |seed| {
        let mut scenario = cut_off(seed, 4, vec![(BACK_S, Happening::NetworkChanged)]);
        scenario.sources[0].options.auto_offline = true;
        scenario
    };
    let result = runs(make);
    result.expect_told("auto_offline", 1, |event| matches!(event, Event::Online(_, false)));
    result.expect_told("auto_offline", 0, |event| matches!(event, Event::Online(_, true)));
    for run in &result.runs {
        assert!(first_selected_s(run, BACK_S) < BACK_S + 0.2, "the others are not affected");
    }
}
