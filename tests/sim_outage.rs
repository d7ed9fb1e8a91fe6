//! Back from an outage: a vote like the one at the start, in which what we still know counts.

mod support;

use slewd::core::api::event::{Event, Obstacle};
use slewd::sim::link::{Detour, Link, Shape};
use slewd::sim::oscillator::Sine;
use slewd::sim::server::Manner;
use slewd::sim::{Happening, Scenario};
use slewd::time::Span;
use support::{Run, hours, runs};

/// Nobody is heard from here...
const LOST_S: f64 = 7200.0;
/// ...to here.
const BACK_S: f64 = LOST_S + 7200.0;
/// Servers that have not answered for hours are asked every 1024 s.
const FIRST_POLL_S: f64 = 1100.0;

/// Four servers that cannot be reached for two hours, and a quiet crystal.
fn cut_off(seed: u64, count: usize) -> Scenario {
    let mut scenario = Scenario::pool(seed, count);
    scenario.length_s = 21_600.0;
    scenario.servers.iter_mut().for_each(|server| server.link.outage = Some((LOST_S, BACK_S)));
    scenario
}

fn never_misled(run: &Run, limit_s: f64) {
    let worst_s = run.trace.max_s(60.0, f64::INFINITY);
    assert!(worst_s < limit_s, "seed {}: {worst_s} s off", run.seed);
}

fn no_majority(event: &Event) -> bool {
    matches!(event, Event::CannotSynchronise(Obstacle::NoMajority { .. }))
}

#[test]
fn a_liar_is_not_followed_after_an_outage_whenever_it_answers() {
    for lie in [Span::from_secs(3), Span::from_secs(10), hours(10), hours(-10)] {
        for (others_back_s, name) in [(BACK_S, "with"), (BACK_S + 1800.0, "before"), (BACK_S - 1800.0, "after")] {
            let name = format!("outage, liar by {} s {name} the others", lie.secs_f64());
            let result = runs(|seed| {
                let mut scenario = cut_off(seed, 4);
                scenario.servers[2].step = Some((LOST_S, lie));
                for honest in [0, 1, 3] {
                    scenario.servers[honest].link.outage = Some((LOST_S, others_back_s));
                }
                scenario
            });
            result.print(&name);
            for run in &result.runs {
                never_misled(run, 0.01);
                assert!(run.trace.steps.is_empty(), "{:?}", run.trace.steps);
                let synchronised = run.trace.events.iter().rev().find_map(|(_, event)| match event {
                    Event::Selected(_) => Some(true),
                    Event::CannotSynchronise(_) => Some(false),
                    _ => None,
                });
                assert_eq!(synchronised, Some(true), "{name}, seed {}", run.seed);
            }
        }
    }
}

#[test]
fn a_lie_within_the_bound_is_outvoted_at_once() {
    let result = runs(|seed| {
        let mut scenario = cut_off(seed, 4);
        scenario.servers[2].link = Link { outage: Some((LOST_S, BACK_S - 600.0)), ..Link::symmetric(0.001, 0.0001) };
        scenario.servers[2].step = Some((LOST_S, Span::from_millis(20)));
        scenario
    });
    result.print("lie within the bound");
    for run in &result.runs {
        never_misled(run, 0.025);
        assert!(run.trace.max_s(BACK_S + FIRST_POLL_S + 60.0, f64::INFINITY) < 0.002, "seed {}", run.seed);
    }
}

#[test]
fn two_of_four_dying_for_ever_changes_nothing() {
    let result = runs(|seed| {
        let mut scenario = cut_off(seed, 4);
        scenario.servers.iter_mut().for_each(|server| server.link.outage = None);
        for dead in [0, 1] {
            scenario.servers[dead].alive.1 = LOST_S;
        }
        scenario
    });
    result.expect("two of four die", 12.0, 6e-4, 0);
    result.expect_told("two of four die", 0, |event| matches!(event, Event::CannotSynchronise(_)));
}

#[test]
fn of_two_survivors_the_one_that_agrees_with_our_clock_is_followed() {
    for lie in [Span::from_secs(1), hours(-10)] {
        let result = runs(|seed| {
            let mut scenario = cut_off(seed, 4);
            for dead in [0, 1] {
                scenario.servers[dead].alive.1 = LOST_S;
            }
            scenario.servers[2].step = Some((LOST_S, lie));
            scenario
        });
        result.expect("one of two survivors lies", 12.0, 1e-3, 0);
        result.expect_told("one of two survivors lies", 1, |event| matches!(event, Event::Falseticker(_)));
    }
}

#[test]
fn two_survivors_that_agree_overrule_our_clock() {
    let result = runs(|seed| {
        let mut scenario = cut_off(seed, 4);
        for dead in [0, 1] {
            scenario.servers[dead].alive.1 = LOST_S;
        }
        scenario.servers[2..].iter_mut().for_each(|server| server.step = Some((LOST_S, hours(1))));
        scenario
    });
    result.print("two survivors agree on another time");
    for run in &result.runs {
        assert_eq!(run.trace.steps.len(), 1);
        assert!((run.final_error_s() - 3600.0).abs() < 1e-3);
    }
}

#[test]
fn a_lone_survivor_that_contradicts_what_several_said_is_not_believed_for_a_day_and_never_steps() {
    let day = 86_400.0;
    let result = runs(|seed| {
        let mut scenario = cut_off(seed, 4);
        for dead in [0, 1, 3] {
            scenario.servers[dead].alive.1 = LOST_S;
        }
        scenario.servers[2].step = Some((LOST_S, hours(10)));
        scenario.length_s = 3.0 * day;
        scenario.record_every = Span::from_secs(64);
        scenario
    });
    result.print("a liar survives");
    result.expect_told("a liar survives", 1, no_majority);
    for run in &result.runs {
        let misled_s = run.trace.points.iter().find(|point| point.error_s > 1.0).map_or(f64::INFINITY, |p| p.at_s);
        assert!((LOST_S + day - 1200.0..LOST_S + day + 6000.0).contains(&misled_s), "seed {}: {misled_s}", run.seed);
        assert!(run.trace.steps.is_empty());
    }
}

#[test]
fn a_foreign_change_is_put_right_while_a_liar_is_the_only_one_that_speaks() {
    let result = runs(|seed| {
        let mut scenario = cut_off(seed, 4);
        for dead in [0, 1, 3] {
            scenario.servers[dead].alive.1 = LOST_S;
        }
        scenario.servers[2].step = Some((LOST_S, hours(10)));
        scenario.notices_clock_set = true;
        scenario.happenings = vec![(BACK_S + 2000.5, Happening::ForeignStep(Span::from_secs(7)))];
        scenario
    });
    result.print("foreign step while a liar speaks");
    for run in &result.runs {
        never_misled(run, 0.1);
        assert_eq!(run.trace.steps.len(), 1, "{:?}", run.trace.steps);
    }
}

#[test]
fn a_lone_survivor_that_is_right_is_followed() {
    let result = runs(|seed| {
        let mut scenario = cut_off(seed, 4);
        for dead in [0, 1, 3] {
            scenario.servers[dead].alive.1 = LOST_S;
        }
        scenario
    });
    result.expect("the honest one survives", 12.0, 6e-4, 0);
}

#[test]
fn a_lone_survivor_is_followed_when_our_own_frequency_jumps() {
    for link in [Link::symmetric(0.01, 0.001), Link::symmetric(50e-6, 10e-6)] {
        for change in [5e-6, -50e-6] {
            let result = runs(|seed| {
                let mut scenario = cut_off(seed, 4);
                scenario.servers.iter_mut().for_each(|server| server.link = link.clone());
                for dead in [0, 1, 3] {
                    scenario.servers[dead].alive.1 = LOST_S;
                }
                scenario.crystal.steps = vec![(LOST_S + 3600.0, change)];
                scenario
            });
            result.print("survivor, frequency jumps");
            for run in &result.runs {
                assert!(run.final_error_s() < 2e-3, "seed {}: {} s", run.seed, run.final_error_s());
            }
        }
    }
}

#[test]
fn an_oscillator_that_strayed_during_an_outage_is_put_right_at_once() {
    for count in [1, 4] {
        let result = runs(|seed| {
            let mut scenario = cut_off(seed, count);
            scenario.crystal.steps = vec![(LOST_S, 20e-6)];
            scenario
        });
        let is_told = |event: &Event| matches!(event, Event::Reacquired(_));
        result.print("20 ppm for two hours");
        result.expect_told("20 ppm for two hours", 1, is_told);
        for run in &result.runs {
            assert!(run.trace.max_s(BACK_S + FIRST_POLL_S + 60.0, f64::INFINITY) < 0.002, "seed {}", run.seed);
        }
    }
}

#[test]
fn twelve_hours_without_a_network_end_with_the_first_answer() {
    for count in [1, 4] {
        let back_s = LOST_S + 43_200.0;
        let result = runs(|seed| {
            let mut scenario = cut_off(seed, count);
            scenario.crystal.frequency = 40e-6;
            scenario.servers.iter_mut().for_each(|server| server.link.outage = Some((LOST_S, back_s)));
            scenario.length_s = back_s + 14_400.0;
            scenario
        });
        result.expect("12 h without a network", back_s + FIRST_POLL_S, 1e-3, 0);
        result.expect_told("12 h without a network", 0, |event| matches!(event, Event::Reacquired(_)));
    }
}

#[test]
fn a_single_server_is_followed_after_an_outage_whatever_it_says() {
    let result = runs(|seed| {
        let mut scenario = cut_off(seed, 1);
        scenario.servers[0].step = Some((LOST_S, Span::from_secs(3)));
        scenario
    });
    result.print("a single server comes back with another time");
    result
        .expect_told("a single server comes back with another time", 1, |event| matches!(event, Event::Reacquired(_)));
    for run in &result.runs {
        assert!((run.final_error_s() - 3.0).abs() < 1e-3, "seed {}: {}", run.seed, run.final_error_s());
        assert!(run.trace.steps.is_empty());
    }
}

#[test]
fn a_required_source_is_missed_after_an_outage() {
    let result = runs(|seed| {
        let mut scenario = cut_off(seed, 4);
        scenario.sources[0].options.require = true;
        scenario.servers[0].alive.1 = LOST_S;
        scenario.servers[1..].iter_mut().for_each(|server| server.step = Some((LOST_S, hours(1))));
        scenario
    });
    result.print("the required source is gone");
    for run in &result.runs {
        never_misled(run, 0.1);
        assert!(run.count(|event| *event == Event::CannotSynchronise(Obstacle::NoRequired)) > 0);
    }
}

#[test]
fn a_source_that_denies_does_not_delay_the_vote_after_an_outage() {
    let result = runs(|seed| {
        let mut scenario = cut_off(seed, 4);
        scenario.servers[1].manner = Manner::Kisses(*b"DENY", 30);
        scenario.servers[2].step = Some((LOST_S, Span::from_secs(10)));
        scenario
    });
    result.print("one denies");
    for run in &result.runs {
        never_misled(run, 0.02);
    }
}

#[test]
fn noise_and_wander_never_call_a_vote() {
    let longer_way = Detour { from_s: LOST_S, until_s: BACK_S, forward_s: 0.03, backward_s: 0.0 };
    let links = [
        Link::symmetric(50e-6, 10e-6),
        Link::symmetric(0.01, 0.003).shaped(Shape::Lomax(1.5)),
        Link { congestion: Some((LOST_S, BACK_S, 0.05)), ..Link::symmetric(0.01, 0.001) },
        Link { detour: Some(longer_way), ..Link::symmetric(0.01, 0.001) },
        Link { loss: 0.3, ..Link::symmetric(0.01, 0.001) },
    ];
    for link in links {
        for count in [1, 4] {
            let result = runs(|seed| {
                let mut scenario = Scenario::new(seed, &vec![link.clone(); count]);
                scenario.crystal.wander = 1e-8;
                scenario.crystal.sine = Some(Sine { amplitude: 1e-6, period_s: 3600.0 });
                scenario.length_s = 21_600.0;
                scenario
            });
            result.expect_told("noise", 0, |event| {
                no_majority(event) || matches!(event, Event::LoneSourceContradicted(_) | Event::Reacquired(_))
            });
        }
    }
}
