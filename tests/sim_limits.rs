//! Limits that an administrator sets, and clocks that swing with the temperature.

#![allow(missing_docs)]

mod support;

use slewd::core::api::command::ClockCommand;
use slewd::core::api::event::Event;
use slewd::core::api::settings::{MakeStep, MaxChange};
use slewd::sim::oscillator::Sine;
use slewd::sim::server::{Announces, Manner};
use slewd::sim::{Happening, Scenario, Trace, World};
use slewd::time::{Leap, Span, Utc};
use support::hours;

#[test]
fn maxchange_refuses_as_often_as_it_is_told_and_then_gives_up() {
    for (servers, by) in [(4, 5), (4, 50), (4, 36_000), (4, -36_000), (1, 5), (1, 36_000)] {
        for seed in 0..5 {
            let mut scenario = cautious(seed, servers);
            scenario.servers.iter_mut().for_each(|server| server.step = Some((1000.0, Span::from_secs(by))));
            let trace = World::new(scenario).run();
            assert_eq!(refusals(&trace), [false, false, true], "seed {seed}");
            assert_eq!(trace.finished, Some(false));
            assert!(trace.max_s(60.0, 4000.0) < 0.01, "the clock was not moved: {}", trace.max_s(60.0, 4000.0));
        }
    }
}

#[test]
fn maxchange_judges_what_servers_say_after_a_sleep() {
    for seed in 0..5 {
        let mut scenario = cautious(seed, 4);
        scenario.length_s = 10_000.0;
        scenario.happenings = vec![(1000.0, Happening::Suspend(Span::from_secs(3600), Span::from_secs(20)))];
        let trace = World::new(scenario).run();
        assert_eq!(refusals(&trace), [false, false, true], "seed {seed}: {:?}", trace.events);
        assert!(trace.steps.is_empty());
    }
}

#[test]
fn maxchange_does_not_mind_a_foreign_change_that_is_put_right() {
    for seed in 0..5 {
        let mut scenario = cautious(seed, 4);
        scenario.happenings = vec![(1000.0, Happening::ForeignStep(Span::from_secs(50)))];
        scenario.notices_clock_set = true;
        let trace = World::new(scenario).run();
        assert_eq!(refusals(&trace), []);
        assert_eq!(trace.steps.len(), 1, "seed {seed}: put right at once: {:?}", trace.steps);
        assert!(trace.max_s(1001.0, 4000.0) < 0.01);
    }
}

#[test]
fn maxchange_does_not_mind_a_large_slew_that_was_allowed() {
    for seed in 0..5 {
        let mut scenario = cautious(seed, 4);
        scenario.clock_ahead = Span::from_secs(-60);
        scenario.settings.makestep = Some(MakeStep { threshold_s: 1.0, limit: 0 });
        let trace = World::new(scenario).run();
        assert_eq!(refusals(&trace), [], "seed {seed}: what is left of a slew is no new offset");
        assert!(trace.max_s(2000.0, 4000.0) < 0.01);
    }
}

#[test]
fn maxchange_is_not_evaded_by_a_slew_in_progress_or_a_foreign_change() {
    for seed in 0..5 {
        let mut scenario = cautious(seed, 4);
        scenario.settings.max_change = Some(MaxChange { offset_s: 1.0, start: 1, ignore: -1 });
        scenario.settings.makestep = Some(MakeStep { threshold_s: 1.0, limit: 0 });
        scenario.clock_ahead = Span::from_secs(-60);
        // In the middle of the slew, and after it.
        scenario.happenings = vec![(2000.0, Happening::ForeignStep(Span::from_secs(3)))];
        scenario.servers.iter_mut().for_each(|server| server.step = Some((300.0, hours(10))));
        let trace = World::new(scenario).run();
        assert!(refusals(&trace).len() > 3, "seed {seed}");
        assert!(trace.max_s(0.0, 4000.0) < 64.0, "seed {seed}: {} s", trace.max_s(0.0, 4000.0));
    }
}

#[test]
fn maxchange_applies_when_the_lie_of_a_single_server_is_undone() {
    for seed in 0..5 {
        let mut scenario = cautious(seed, 1);
        scenario.clock_ahead = hours(-4);
        scenario.servers[0].manner = Manner::LiesAtFirst { answers: 3, ahead: hours(10) };
        let trace = World::new(scenario).run();
        assert_eq!(refusals(&trace), [false, false, true], "seed {seed}");
        assert_eq!(trace.steps.len(), 1, "only the first is free: {:?}", trace.steps);
    }
}

/// A clock that is right, and `maxchange 1 1 2`.
fn cautious(seed: u64, servers: usize) -> Scenario {
    let mut scenario = Scenario::pool(seed, servers);
    scenario.settings.max_change = Some(MaxChange { offset_s: 1.0, start: 1, ignore: 2 });
    scenario
}

/// Whether slewd gave up, for each refusal.
fn refusals(trace: &Trace) -> Vec<bool> {
    let exiting = |event: &Event| match event {
        Event::MaxChange { exiting, .. } => Some(*exiting),
        _ => None,
    };
    trace.events.iter().filter_map(|(_, event)| exiting(event)).collect()
}

#[test]
fn a_swing_of_the_temperature_is_followed() {
    for seed in 0..5 {
        let mut scenario = Scenario::pool(seed, 2);
        scenario.crystal.sine = Some(Sine { amplitude: 0.5e-6, period_s: 6.0 * 3600.0 });
        scenario.length_s = 86_400.0;
        scenario.record_every = Span::from_secs(8);
        let trace = World::new(scenario).run();
        let rms_us = trace.rms_s(43_200.0, 86_400.0) * 1e6;
        println!("seed {seed}: {rms_us:.0} us RMS with 0.5 ppm over 6 h");
        assert!(rms_us < 500.0, "seed {seed}: {rms_us} us; left alone it would swing by 1.7 ms");
    }
}

#[test]
fn a_leap_second_is_armed_by_a_majority_on_the_last_day_of_the_year_only() {
    let armed = |start: i64, announcing: usize| {
        let mut scenario = Scenario::pool(1, 4);
        scenario.start = Utc::from_secs(start);
        let insert = Announces::Always(Leap::Insert, 0.0, 60.0);
        scenario.servers.iter_mut().take(announcing).for_each(|server| server.announces = insert);
        scenario.length_s = 60.0;
        World::new(scenario).run().told(|event| *event == Event::Leap(Leap::Insert))
    };
    let (new_years_eve, mid_november) = (1_798_718_400, 1_794_700_800);
    assert_eq!(Utc::from_secs(new_years_eve).to_string(), "2026-12-31T12:00:00Z");
    assert!(armed(new_years_eve, 3));
    assert!(!armed(new_years_eve, 2), "two of four are no majority");
    assert!(!armed(mid_november, 4), "no leap second ends November");
}

#[test]
fn an_armed_leap_second_is_disarmed_at_exit() {
    let mut scenario = Scenario::pool(1, 4);
    scenario.start = Utc::from_secs(1_798_718_400);
    scenario.servers.iter_mut().for_each(|server| server.announces = Announces::Always(Leap::Insert, 0.0, 60.0));
    let mut world = World::new(scenario);
    world.run_for(60.0);
    assert_eq!(world.kernel().report().leap, Leap::Insert);
    let parting = world.engine().and_then(|engine| engine.parting(&world.reading()).last());
    let Some(ClockCommand::Report(report)) = parting else { panic!("{parting:?}") };
    assert_eq!(report.leap, Leap::Normal);
    assert!(report.synchronized && report.max_error < Span::from_millis(100), "{report:?}");
}
