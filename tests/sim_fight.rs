//! Other hands on the clock: one that sets it, one that steers it, and one that does not stop.

mod support;

use slewd::core::api::event::Event;
use slewd::core::api::settings::MakeStep;
use slewd::sim::{Happening, Scenario};
use slewd::time::Span;
use support::{hours, runs};

const THEN_S: f64 = 7200.0;

fn pool(seed: u64) -> Scenario {
    let mut scenario = Scenario::pool(seed, 4);
    scenario.crystal.frequency = 40e-6;
    scenario.length_s = 21_600.0;
    scenario
}

/// The same, `count` times.
fn again(count: u32, every_s: f64, what: Happening) -> Vec<(f64, Happening)> {
    (0..count).map(|nth| (THEN_S + f64::from(nth) * every_s, what)).collect()
}

fn is_interference(event: &Event) -> bool {
    matches!(event, Event::Interference)
}

fn is_foreign(event: &Event) -> bool {
    matches!(event, Event::ForeignChange(_) | Event::ForeignSteering(_))
}

#[test]
fn a_step_by_another_program_is_undone_at_once() {
    let result = runs(|seed| Scenario {
        notices_clock_set: true,
        happenings: vec![(THEN_S + 0.3, Happening::ForeignStep(Span::from_secs(5)))],
        record_every: Span::from_millis(20),
        length_s: THEN_S + 600.0,
        ..pool(seed)
    });
    result.expect("foreign step of 5 s, noticed", THEN_S + 0.4, 6e-4, 1);
    result.expect_told("foreign step of 5 s", 1, is_foreign);
    result.expect_told("foreign step of 5 s", 0, is_interference);
}

/// Somebody sets the clock to a date that programs and files have trouble with: 1970, the eras of NTP and of 32 bits, 2100.
#[test]
fn a_clock_set_to_any_year_is_put_right() {
    let now_s = Scenario::pool(1, 4).start.nanos() / 1_000_000_000 + THEN_S as i64;
    for (name, to_s) in [("1970", 10), ("2036", 2_085_978_496), ("2038", 2_147_483_648), ("2100", 4_102_444_800)] {
        for servers in [1, 4] {
            for notices_clock_set in [true, false] {
                let by = Span::from_secs(to_s - now_s);
                let result = runs(|seed| Scenario {
                    notices_clock_set,
                    happenings: vec![(THEN_S + 0.3, Happening::ForeignStep(by))],
                    length_s: THEN_S + 7200.0,
                    ..Scenario { sources: pool(seed).sources[..servers].to_vec(), ..pool(seed) }
                });
                let name = format!("set to {name}, {servers} servers, noticed: {notices_clock_set}");
                let soon_s = if notices_clock_set { 1.4 } else { 1100.0 };
                result.expect(&name, THEN_S + soon_s, 6e-4, 1);
                result.expect_told(&name, 1, is_foreign);
                result.expect_told(&name, 0, is_interference);
            }
        }
    }
}

#[test]
fn a_foreign_rate_or_slew_is_put_right_within_a_poll() {
    for (name, ppb, phase) in [("100 ppm", 60_000, Span::ZERO), ("5 ms slewed", -40_000, Span::from_millis(5))] {
        let result = runs(|seed| Scenario {
            happenings: vec![(THEN_S + 0.3, Happening::ForeignSteering(ppb, phase))],
            ..pool(seed)
        });
        result.print(name);
        result.expect_told(name, 0, is_interference);
        // An update that happens to come at that moment undoes it before anybody can tell.
        let noticed = result.runs.iter().filter(|run| run.count(is_foreign) == 1).count();
        assert!(noticed >= 4, "{name}: noticed in {noticed} of 5 runs");
        for run in &result.runs {
            assert!(run.trace.max_s(THEN_S + 600.0, f64::INFINITY) < 1e-3, "{name}, seed {}", run.seed);
        }
    }
}

#[test]
fn a_rival_that_steps_is_named_once() {
    for notices_clock_set in [true, false] {
        let result = runs(|seed| Scenario {
            notices_clock_set,
            happenings: again(20, 300.0, Happening::ForeignStep(Span::from_secs(1))),
            ..pool(seed)
        });
        let name = format!("a rival that steps, noticed: {notices_clock_set}");
        result.print(&name);
        result.expect_told(&name, 1, is_interference);
        for run in &result.runs {
            assert!(run.count(is_foreign) <= 2, "{name}: {:?}", run.trace.events);
            let after = run.trace.events.iter().skip_while(|(_, event)| !is_interference(event)).skip(1);
            assert_eq!(
                after.filter(|(_, event)| matches!(event, Event::Stepped(_))).count(),
                1,
                "the step of the third"
            );
            assert!(run.final_error_s() < 1e-3, "{name}, seed {}: {}", run.seed, run.final_error_s());
        }
    }
}

#[test]
fn a_rival_that_steers_is_named_once() {
    // As another client of a server with other ideas would, every 64 s.
    let result = runs(|seed| Scenario {
        happenings: again(60, 64.0, Happening::ForeignSteering(60_000, Span::from_millis(8))),
        ..pool(seed)
    });
    result.print("a rival that steers");
    result.expect_told("a rival that steers", 1, is_interference);
    for run in &result.runs {
        assert!(run.count(is_foreign) <= 2, "{:?}", run.trace.events);
        assert!(run.final_error_s() < 1e-3, "seed {}: {}", run.seed, run.final_error_s());
    }
}

#[test]
fn a_rival_in_a_hurry_is_answered_at_a_walk() {
    let make = |seed| Scenario {
        notices_clock_set: true,
        happenings: again(6000, 0.1, Happening::ForeignStep(Span::from_millis(300))),
        length_s: THEN_S + 3600.0,
        ..pool(seed)
    };
    let quiet = runs(|seed| Scenario { happenings: Vec::new(), ..make(seed) });
    let result = runs(make);
    result.expect_told("a rival in a hurry", 1, is_interference);
    for (run, quiet) in result.runs.iter().zip(&quiet.runs) {
        println!(
            "{} steps in 600 s, {} requests ({})",
            run.trace.steps.len(),
            run.trace.requests,
            quiet.trace.requests
        );
        assert!(run.trace.steps.len() < 320, "{}", run.trace.steps.len());
        assert!(run.trace.requests < quiet.trace.requests + 60, "{}", run.trace.requests);
        assert!(run.final_error_s() < 1e-3, "seed {}: {}", run.seed, run.final_error_s());
    }
}

#[test]
fn what_slewd_and_the_kernel_do_themselves_is_no_interference() {
    let scenarios: [&dyn Fn(&mut Scenario); 6] = [
        &|scenario| scenario.kernel_rate_error = 10e-6,
        &|scenario| scenario.kernel_rate_error = -10e-6,
        &|scenario| scenario.crystal.steps = vec![(THEN_S, 50e-6)],
        &|scenario| scenario.clock_ahead = Span::from_millis(-90),
        &|scenario| {
            scenario.clock_ahead = Span::from_secs(-30);
            scenario.settings.makestep = Some(MakeStep { threshold_s: 1.0, limit: 0 });
        },
        &|scenario| {
            scenario.servers.iter_mut().for_each(|server| server.step = Some((THEN_S, Span::from_millis(700))));
        },
    ];
    for change in scenarios {
        let result = runs(|seed| {
            let mut scenario = pool(seed);
            change(&mut scenario);
            scenario
        });
        result.expect_told("alone", 0, |event| is_foreign(event) || is_interference(event));
    }
}

#[test]
fn resumed_after_eight_hours() {
    for misjudged in [0, 1000] {
        let resumed_s = THEN_S + 28_800.0;
        let result = runs(|seed| Scenario {
            length_s: resumed_s + 10_000.0,
            happenings: vec![(THEN_S, Happening::Suspend(hours(8), Span::from_millis(misjudged)))],
            record_every: Span::from_millis(100),
            ..pool(seed)
        });
        let name = format!("resumed after 8 h, misjudged by {misjudged} ms");
        result.expect(&name, resumed_s + 0.15, 6e-4, usize::from(misjudged != 0));
    }
}

#[test]
fn a_guest_agent_that_knows_of_a_pause_is_believed_once_a_source_confirms_it() {
    let paused_s = 3600.0;
    let resumed_s = THEN_S + paused_s;
    for count in [1, 4] {
        let result = runs(|seed| {
            let mut scenario = Scenario::pool(seed, count);
            scenario.length_s = 21_600.0;
            scenario.notices_clock_set = true;
            let agent = Happening::ForeignStep(hours(1) + Span::from_millis(300));
            scenario.happenings = vec![(THEN_S, Happening::Pause(hours(1))), (resumed_s + 2.0, agent)];
            scenario
        });
        let name = format!("paused for an hour, a guest agent sets the clock, {count} servers");
        result.print(&name);
        for run in &result.runs {
            assert!(run.good_after_s() < resumed_s + 10.0, "{name}, seed {}: {}", run.seed, run.good_after_s());
            assert_eq!(run.count(is_interference), 0);
        }
    }
}

#[test]
fn everybody_is_asked_after_a_stop_that_the_counter_went_on_in() {
    let stopped_s = 240.0;
    let requests = |seed, until_s| {
        let happenings = vec![(THEN_S, Happening::Stall(Span::from_secs_f64(stopped_s)))];
        let scenario = Scenario { happenings, length_s: until_s, ..pool(seed) };
        slewd::sim::World::new(scenario).run().requests
    };
    for seed in support::SEEDS {
        let (before, after) = (requests(seed, THEN_S - 1.0), requests(seed, THEN_S + stopped_s + 0.1));
        assert!(after - before >= 4, "seed {seed}: {before} {after}");
    }
}

#[test]
fn a_gap_is_stepped_when_makestep_is_used_up_unless_that_is_switched_off() {
    for (gap_step, steps) in [(true, 2), (false, 1)] {
        let result = runs(|seed| {
            let mut scenario = pool(seed);
            scenario.clock_ahead = hours(-4);
            scenario.settings.gap_step = gap_step;
            scenario.notices_clock_set = true;
            scenario.happenings = vec![(THEN_S, Happening::ForeignStep(Span::from_secs(3)))];
            scenario
        });
        result.print(&format!("gap step allowed: {gap_step}"));
        for run in &result.runs {
            assert_eq!(run.trace.steps.len(), steps, "{:?}", run.trace.steps);
            assert!(run.final_error_s() < 1e-3);
        }
    }
}
