//! From any wrong time to the right one: how fast, in one step, and how well.

mod support;

use slewd::core::api::event::{Event, Obstacle};
use slewd::core::api::monitoring::Hindrance;
use slewd::sim::{Scenario, World};
use slewd::time::{Span, Utc};
use support::{hours, runs};

/// 2036-02-07T06:28:16Z: NTP timestamps start again at zero.
const ERA_END: i64 = 2_085_978_496;
/// 2037-06-15T12:00:00Z.
const YEAR_2037: i64 = 2_128_680_000;
/// The default start of a scenario.
const TODAY: i64 = 1_795_132_800;

/// Four servers 20 ms away and a crystal 40 ppm fast.
fn wrong_by(seed: u64, ahead: Span) -> Scenario {
    let mut scenario = Scenario::pool(seed, 4);
    scenario.clock_ahead = ahead;
    scenario.crystal.frequency = 40e-6;
    scenario
}

#[test]
fn any_start_is_good_within_seconds() {
    // (name, true time, error, good within s, final error s, steps)
    let table = [
        ("right already", TODAY, Span::ZERO, 1.0, 4e-4, 0),
        ("0.1 s ahead", TODAY, Span::from_millis(100), 12.0, 4e-4, 0),
        ("0.1 s behind", TODAY, Span::from_millis(-100), 12.0, 4e-4, 0),
        ("1 h ahead", TODAY, hours(1), 1.0, 4e-4, 1),
        ("1 h behind", TODAY, hours(-1), 1.0, 4e-4, 1),
        ("1970", TODAY, Span::from_secs(10 - TODAY), 1.0, 4e-4, 2),
        ("just before the end of the era", ERA_END - 10, hours(1), 1.0, 4e-4, 1),
        ("just after the end of the era", ERA_END + 10, hours(1), 1.0, 4e-4, 1),
        ("1970, just after the era", ERA_END + 10, Span::from_secs(-ERA_END), 1.0, 4e-4, 2),
        ("2037", YEAR_2037, hours(-10_000), 1.0, 4e-4, 1),
        ("2037, clock in 1970", YEAR_2037, Span::from_secs(-YEAR_2037), 1.0, 4e-4, 2),
        ("clock in 2037", TODAY, Span::from_secs(YEAR_2037 - TODAY), 1.0, 4e-4, 1),
    ];
    for (name, start, ahead, good_s, final_s, steps) in table {
        let result = runs(|seed| Scenario { start: Utc::from_secs(start), ..wrong_by(seed, ahead) });
        result.expect(name, good_s, final_s, steps);
        let last_step_s = result.worst(|run| run.trace.steps.last().map_or(0.0, |(at, _)| *at));
        assert!(last_step_s < 0.05, "{name}: stepped after {last_step_s} s");
    }
}

/// A lone server that somebody has broken, or forged, sets no date decades away from all that is known.
#[test]
fn a_lone_server_decades_away_is_not_believed_and_two_are() {
    const YEAR_S: i64 = 31_557_600;
    let refused = |servers: usize, years: i64, ahead_years: i64| {
        let mut scenario = Scenario::pool(1, servers);
        scenario.start = Utc::from_secs(TODAY + years * YEAR_S);
        scenario.clock_ahead = Span::from_secs(ahead_years * YEAR_S);
        let mut world = World::new(scenario);
        world.run_for(60.0);
        let engine = world.engine().expect("it runs");
        let status = engine.status(&world.reading());
        let lines = world.trace().events.iter();
        let is_refusal = |event: &Event| matches!(event, Event::CannotSynchronise(Obstacle::LoneAndFar { .. }));
        let said = lines.filter(|(_, event)| is_refusal(event)).count();
        assert_eq!(said, usize::from(!status.synchronised), "{servers} servers, {years} years: said once");
        assert_eq!(status.hindrance == Hindrance::LoneAndFar, !status.synchronised);
        !status.synchronised
    };
    // (servers, their years after today, years of the clock after them)
    assert!(refused(1, 25, -25), "the clock is right about today, the server is not");
    assert!(!refused(2, 25, -25), "two servers agree");
    assert!(!refused(1, 15, -15), "a device that was on the shelf for 15 years");
    assert!(!refused(1, 25, 0), "somebody has set the clock about right");
    assert!(!refused(1, 0, 40), "the clock is wrong, and the server is near the build");
}
