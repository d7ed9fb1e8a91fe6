//! Limits that an administrator sets, and clocks that swing with the temperature.

#![allow(missing_docs)]

use slewd::core::discipline::ClockCommand;
use slewd::core::event::Event;
use slewd::core::settings::MaxChange;
use slewd::sim::oscillator::Sine;
use slewd::sim::{Scenario, World};
use slewd::time::{Span, Utc};
use slewd::wire::ntp::Leap;

#[test]
fn maxchange_refuses_as_often_as_it_is_told_and_then_gives_up() {
    for seed in 0..5 {
        let mut scenario = Scenario::pool(seed, 4);
        scenario.settings.max_change = Some(MaxChange { offset_s: 1.0, start: 1, ignore: 2 });
        scenario.servers.iter_mut().for_each(|server| server.step = Some((1000.0, Span::from_secs(5))));
        let trace = World::new(scenario).run();
        let refusals: Vec<bool> = trace
            .events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::MaxChange { exiting, .. } => Some(*exiting),
                _ => None,
            })
            .collect();
        assert_eq!(refusals, [false, false, true], "seed {seed}");
        assert_eq!(trace.finished, Some(false));
        assert!(trace.max_s(60.0, 4000.0) < 0.01, "the clock was not moved: {}", trace.max_s(60.0, 4000.0));
    }
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
        scenario.servers.iter_mut().take(announcing).for_each(|server| server.leap = Leap::Insert);
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
    scenario.servers.iter_mut().for_each(|server| server.leap = Leap::Insert);
    let mut world = World::new(scenario);
    world.run_for(60.0);
    assert_eq!(world.kernel().report().leap, Leap::Insert);
    let parting = world.engine().and_then(|engine| engine.parting(&world.reading()));
    let Some(ClockCommand::Report(report)) = parting else { panic!("{parting:?}") };
    assert_eq!(report.leap, Leap::None);
    assert!(report.synchronized && report.max_error < Span::from_millis(100), "{report:?}");
}
