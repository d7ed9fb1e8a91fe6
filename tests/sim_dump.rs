//! `dumpdir` and `-r`: what a restart keeps, and that no change of the clock meanwhile can turn it against the clock.

#![allow(missing_docs)]

use slewd::core::api::event::Event;
use slewd::core::api::settings::Host;
use slewd::sim::{Happening, Scenario, World};
use slewd::time::Span;

const SEEDS: u64 = 12;

/// slewd ends then, after five hours and a half.
const ENDS_S: f64 = 20_000.0;
const STOPPED: Span = Span::from_secs(8);

/// How the quarter of an hour after a restart was.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    requests: f64,
    /// From a minute after the start on.
    rms_us: f64,
    worst_us: f64,
    /// How far the frequency of the clock was off on average from the first seconds on.
    ppb: f64,
    recalled: f64,
    contradicted: f64,
}

/// What happens at the end of the first run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    /// It goes on.
    Never,
    Without,
    With,
}

/// Mean figures of several runs, without and with `-r`.
fn both(alter: impl Fn(&mut Scenario)) -> [Figures; 2] {
    [Start::Without, Start::With].map(|start| mean(start, &alter))
}

fn mean(start: Start, alter: &impl Fn(&mut Scenario)) -> Figures {
    let mut sum = Figures::default();
    for seed in 1..=SEEDS {
        let one = run(seed, start, alter);
        for (sum, one) in [
            (&mut sum.requests, one.requests),
            (&mut sum.rms_us, one.rms_us),
            (&mut sum.worst_us, one.worst_us),
            (&mut sum.ppb, one.ppb),
            (&mut sum.recalled, one.recalled),
            (&mut sum.contradicted, one.contradicted),
        ] {
            *sum += one / SEEDS as f64;
        }
    }
    println!("{:8} {sum:.1?}", format!("{start:?}"));
    sum
}

fn run(seed: u64, start: Start, alter: &impl Fn(&mut Scenario)) -> Figures {
    let mut scenario = Scenario::pool(seed, 4);
    scenario.crystal.frequency = 12e-6;
    scenario.settings.keep_samples = true;
    scenario.recalls = start == Start::With;
    scenario.happenings = vec![(ENDS_S, Happening::Stop(STOPPED))];
    alter(&mut scenario);
    let starts_s = match scenario.happenings[0].1 {
        Happening::Stop(pause) => ENDS_S + pause.secs_f64(),
        _ => panic!("the first is the stop"),
    };
    if start == Start::Never {
        scenario.happenings.clear();
    }
    let mut world = World::new(scenario);
    world.run_for(starts_s - 0.1);
    let before = world.trace().requests;
    world.run_for(starts_s + 900.0);
    let trace = world.trace();
    let told = |what: fn(&Event) -> bool| trace.events.iter().filter(|(_, event)| what(event)).count() as f64;
    Figures {
        requests: (trace.requests - before) as f64,
        rms_us: trace.rms_s(starts_s + 60.0, starts_s + 900.0) * 1e6,
        worst_us: trace.max_s(starts_s + 60.0, starts_s + 900.0) * 1e6,
        ppb: trace.rms_frequency(starts_s + 4.0, starts_s + 900.0) * 1e9,
        recalled: told(|event| matches!(event, Event::PastRecalled(_))),
        contradicted: told(|event| matches!(event, Event::PastContradicted)),
    }
}

#[test]
fn a_restart_within_seconds_loses_nothing() {
    let [without, with] = both(|_| {});
    let never = mean(Start::Never, &|_| {});
    assert_eq!((without.recalled, with.recalled), (0.0, 4.0));
    assert_eq!(with.contradicted, 0.0);
    assert!(with.requests < 0.3 * without.requests, "as many packets as at any other time, and a burst");
    assert!(with.ppb < 0.5 * without.ppb, "the frequency is right at once");
    assert!(with.rms_us < never.rms_us && with.worst_us < 1.2 * never.worst_us, "as if nothing had happened");
}

#[test]
fn a_clock_that_was_set_meanwhile_by_a_second_and_a_half_does_no_harm() {
    let set = Happening::ForeignStep(Span::from_millis(1500));
    let [without, with] = both(|scenario| scenario.happenings.push((ENDS_S + 4.0, set)));
    // The counter knows better than the clock.
    assert!(with.rms_us < 1.1 * without.rms_us && with.worst_us < without.worst_us);
    assert!(with.requests < 0.3 * without.requests && with.ppb < 0.1 * without.ppb);
}

#[test]
fn a_clock_that_was_set_a_little_does_no_harm() {
    let set = Happening::ForeignStep(Span::from_millis(3));
    let [without, with] = both(|scenario| scenario.happenings.push((ENDS_S + 4.0, set)));
    let never = mean(Start::Never, &|_| {});
    assert!(with.rms_us < 1.15 * never.rms_us && with.requests < 0.3 * without.requests);
    assert_eq!(with.contradicted, 0.0);
}

/// After a boot only the clock relates the past to the present, and it was set: by much or by a little.
#[test]
fn a_clock_that_was_set_during_a_boot_does_no_harm() {
    for ms in [0, 3, -3, 1500, -1500] {
        println!("{ms} ms");
        let set = Happening::ForeignStep(Span::from_millis(ms));
        let [without, with] = both(|scenario| {
            scenario.boots = true;
            scenario.happenings.push((ENDS_S + 4.0, set));
        });
        assert_eq!(with.recalled, 4.0);
        assert!(with.rms_us < 1.1 * without.rms_us && with.worst_us < 1.2 * without.worst_us);
        assert!(with.requests <= 1.1 * without.requests);
    }
}

/// The counter stood still and nobody noticed: what it says about the past is wrong.
#[test]
fn a_pause_of_the_machine_meanwhile_is_found_out() {
    for ms in [5, 50, 1500] {
        println!("{ms} ms");
        let pause = Happening::Pause(Span::from_millis(ms));
        let [without, with] = both(|scenario| scenario.happenings.push((ENDS_S + 4.0, pause)));
        assert!(with.contradicted > 0.99, "by all seeds");
        assert!(with.rms_us < 1.1 * without.rms_us && with.worst_us < 1.1 * without.worst_us);
    }
}

#[test]
fn hours_later_it_is_still_worth_something() {
    for minutes in [5, 15, 60, 480] {
        println!("{minutes} minutes");
        let [without, with] =
            both(|scenario| scenario.happenings[0].1 = Happening::Stop(Span::from_secs(minutes * 60)));
        let never = mean(Start::Never, &|_| {});
        if minutes < 60 {
            assert!(with.rms_us < 1.3 * never.rms_us && with.requests < without.requests);
        } else {
            // It is asked as if nothing were known, and more is.
            assert!(with.rms_us < without.rms_us && with.requests < 1.05 * without.requests);
        }
    }
}

/// What was said before a sleep cannot be dated after it, not even of a source that is only found then.
#[test]
fn a_sleep_before_the_clock_is_set_ends_the_past() {
    let mut scenario = Scenario::pool(1, 2);
    let late = scenario.servers[1].address;
    scenario.sources[1].host = Host::from("late.example");
    // Too early for the address file.
    scenario.names = [(0.0, vec![late]), (45.0, vec![]), (140.0, vec![late])]
        .map(|(from_s, addresses)| ("late.example".to_owned(), from_s, addresses))
        .to_vec();
    scenario.settings.keep_samples = true;
    scenario.recalls = true;
    scenario.outages = vec![(50.0, 135.0)];
    let sleep = Happening::Suspend(Span::from_secs(60), Span::from_millis(400));
    scenario.happenings = vec![(50.0, Happening::Stop(STOPPED)), (70.0, sleep)];
    let mut world = World::new(scenario);
    world.run_for(60.0);
    assert!(world.trace().told(|event| matches!(event, Event::PastRecalled(_))), "that of the other one is");
    world.run_for(2000.0);
    let heard = world.engine().expect("it runs").sources().iter().filter(|source| source.reach != 0).count();
    let recalled = world.trace().events.iter().filter(|(_, event)| matches!(event, Event::PastRecalled(_))).count();
    assert_eq!((heard, recalled), (2, 1));
}

/// One that lies now is no better for having told the truth before.
#[test]
fn the_past_has_no_vote() {
    let lies = |scenario: &mut Scenario| {
        scenario.servers.iter_mut().take(3).for_each(|server| server.step = Some((ENDS_S, Span::from_secs(5))));
    };
    let mut scenario = Scenario::pool(1, 4);
    scenario.settings.keep_samples = true;
    scenario.recalls = true;
    scenario.happenings = vec![(ENDS_S, Happening::Stop(STOPPED))];
    lies(&mut scenario);
    let mut world = World::new(scenario);
    world.run_for(ENDS_S + 900.0);
    assert!(world.trace().told(|event| matches!(event, Event::PastContradicted)));
    assert!(oldest(&world) < Span::from_secs(900), "what contradicts the present is not kept: {:?}", oldest(&world));
    assert!((world.point().error_s - 5.0).abs() < 0.01, "a majority is believed at a start: {:?}", world.point());
}

/// The age of the oldest sample that would be written to a file now.
fn oldest(world: &World) -> Span {
    let now = world.reading();
    let dumps = world.engine().expect("it runs").dumps(&now, Some("boot"));
    let ages = dumps.iter().flat_map(|dump| &dump.samples).map(|sample| now.utc - sample.at);
    ages.max().expect("there are samples")
}

/// Runs on from `from_s`, a second at a time, until something is so; returns when.
fn run_until(world: &mut World, from_s: f64, is_so: impl Fn(&World) -> bool) -> f64 {
    let mut now_s = from_s;
    while !is_so(world) {
        now_s += 1.0;
        assert!(now_s < from_s + 4000.0, "never: {:?}", world.trace().events);
        world.run_for(now_s);
    }
    now_s
}

/// From a contradiction on that is believed, nothing older is kept: the next run would be told of two times.
fn forgets_what_was_before(scenario: Scenario, is_believed: fn(&Event) -> bool) {
    let mut scenario = scenario;
    scenario.settings.keep_samples = true;
    let mut world = World::new(scenario);
    world.run_for(ENDS_S);
    assert!(oldest(&world) > Span::from_secs(3600), "until then it was: {:?}", oldest(&world));
    let now_s = run_until(&mut world, ENDS_S, |world| world.trace().told(is_believed));
    world.run_for(now_s + 300.0);
    let since = Span::from_secs_f64(now_s + 300.0 - ENDS_S);
    assert!(oldest(&world) <= since, "{since:?} after it: {:?}", oldest(&world));
}

#[test]
fn what_was_said_before_all_servers_jumped_is_not_kept() {
    let mut scenario = Scenario::pool(1, 4);
    for server in &mut scenario.servers {
        server.step = Some((ENDS_S, Span::from_secs(5)));
    }
    forgets_what_was_before(scenario, |event| matches!(event, Event::Reacquired(_)));
}

#[test]
fn what_a_lone_server_said_before_it_jumped_is_not_kept() {
    let mut scenario = Scenario::pool(1, 1);
    scenario.servers[0].step = Some((ENDS_S, Span::from_millis(8)));
    forgets_what_was_before(scenario, |event| matches!(event, Event::Reacquired(_)));
}

/// A server, asked every second.
fn lone_and_asked_often(seed: u64) -> Scenario {
    let mut scenario = Scenario::pool(seed, 1);
    scenario.settings.keep_samples = true;
    (scenario.sources[0].options.min_poll, scenario.sources[0].options.max_poll) = (0, 0);
    scenario
}

fn rates_found(world: &World) -> usize {
    world.trace().events.iter().filter(|(_, event)| matches!(event, Event::RateFound(_))).count()
}

/// What is true at one rate of the counter is wrong at another one.
#[test]
fn what_was_said_before_the_rate_of_the_counter_was_found_is_not_kept() {
    let mut scenario = lone_and_asked_often(1);
    scenario.crystal.frequency = -2000e-6;
    let mut world = World::new(scenario);
    let found_s = run_until(&mut world, 0.0, |world| rates_found(world) == 1);
    world.run_for(found_s + 10.0);
    assert!(oldest(&world) <= Span::from_secs(11), "found after {found_s} s, and kept: {:?}", oldest(&world));
}

/// The clock of the server swings, and shows one rate after another: it is the server that is off.
#[test]
fn what_a_lone_server_said_until_it_showed_a_third_rate_is_not_kept() {
    let mut scenario = lone_and_asked_often(2);
    scenario.servers[0].swings = Some((0.01, 31.0));
    let mut world = World::new(scenario);
    let found_s = run_until(&mut world, 0.0, |world| rates_found(world) == 2);
    // The clock then runs at the rate that it had before the server spoke.
    let has_abandoned = |world: &World| {
        let engine = world.engine().expect("it runs");
        engine.tracking_report(&world.reading()).frequency_ppm.abs() < 1.0
    };
    let abandoned_s = run_until(&mut world, found_s, has_abandoned);
    assert!(abandoned_s > found_s + 2.0, "something was said meanwhile");
    world.run_for(abandoned_s + 3.0);
    assert!(oldest(&world) <= Span::from_secs(4), "abandoned after {abandoned_s} s, and kept: {:?}", oldest(&world));
}
