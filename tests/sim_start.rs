//! From any wrong time to the right one: how fast, in one step, and how well.

mod support;

use slewd::sim::Scenario;
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
