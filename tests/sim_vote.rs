//! Whom to believe at the start: the boot rule, one case each.

mod support;

use slewd::core::api::event::{Event, Obstacle};
use slewd::core::selection::SourceStatus;
use slewd::sim::link::Link;
use slewd::sim::server::Manner;
use slewd::sim::{Scenario, World};
use slewd::time::Span;
use support::{Run, hours, runs};

/// `count` servers 20 ms away and a clock 4 h behind.
fn wrong(seed: u64, count: usize) -> Scenario {
    Scenario { clock_ahead: hours(-4), ..Scenario::pool(seed, count) }
}

fn no_majority(event: &Event) -> bool {
    matches!(event, Event::CannotSynchronise(Obstacle::NoMajority { .. }))
}

fn first_step_s(run: &Run) -> f64 {
    run.trace.steps.first().map_or(f64::INFINITY, |(at, _)| *at)
}

fn told_s(run: &Run, which: impl Fn(&Event) -> bool) -> f64 {
    run.trace.events.iter().find(|(_, event)| which(event)).map_or(f64::INFINITY, |(at, _)| *at)
}

#[test]
fn one_liar_of_four_is_never_followed() {
    for lie in [Span::from_secs(10), Span::from_secs(-10), hours(10), hours(-10), Span::from_millis(200)] {
        let name = format!("one of four lies by {} s", lie.secs_f64());
        let result = runs(|seed| {
            let mut scenario = wrong(seed, 4);
            scenario.servers[1].ahead = lie;
            scenario
        });
        result.expect(&name, 1.0, 7e-4, 1);
        result.expect_told(&name, 1, |event| matches!(event, Event::Falseticker(_)));
        assert!(result.worst(first_step_s) < 0.1, "{name}: the fourth answer decides");
    }
}

#[test]
fn a_liar_that_answers_first_waits_for_the_others() {
    for lie in [Span::from_secs(10), hours(10)] {
        let result = runs(|seed| {
            let mut scenario = wrong(seed, 4);
            scenario.servers[2].ahead = lie;
            scenario.servers[2].link = Link::symmetric(0.0005, 0.0001);
            scenario
        });
        result.expect("the nearest of four lies", 1.0, 7e-4, 1);
        assert!(result.worst(first_step_s) < 0.1);
    }
}

#[test]
fn two_liars_of_four_that_agree_never_move_the_clock() {
    for lie in [Span::from_secs(10), hours(10)] {
        let result = runs(|seed| {
            let mut scenario = wrong(seed, 4);
            for liar in [0, 3] {
                scenario.servers[liar].ahead = lie;
            }
            scenario
        });
        result.print("two of four lie");
        result.expect_told("two of four lie", 1, no_majority);
        result.expect_told("two of four lie", 0, |event| matches!(event, Event::Stepped(_)));
        for run in &result.runs {
            assert!(run.trace.steps.is_empty());
            let is_untouched = |error_s: f64| (error_s + 14_400.0).abs() < 1e-3;
            assert!(run.trace.points.iter().all(|p| is_untouched(p.error_s) && !p.is_synchronised));
        }
    }
}

#[test]
fn two_sources_that_disagree_never_move_the_clock() {
    let result = runs(|seed| {
        let mut scenario = wrong(seed, 2);
        scenario.servers[1].ahead = Span::from_secs(10);
        scenario
    });
    result.print("two disagree");
    result.expect_told("two disagree", 1, no_majority);
    assert!(result.runs.iter().all(|run| run.trace.steps.is_empty()));
}

#[test]
fn two_sources_that_agree_set_it_at_once() {
    let result = runs(|seed| wrong(seed, 2));
    result.expect("two agree", 1.0, 7e-4, 1);
    assert!(result.worst(first_step_s) < 0.1);
}

#[test]
fn one_that_speaks_among_silent_ones_is_believed_after_four_seconds() {
    let result = runs(|seed| {
        let mut scenario = wrong(seed, 4);
        for dead in [0, 1, 3] {
            scenario.servers[dead].manner = Manner::Dead;
        }
        scenario
    });
    result.expect("three of four dead", 5.0, 7e-4, 1);
    for run in &result.runs {
        assert!((4.0..4.5).contains(&first_step_s(run)), "{}", first_step_s(run));
    }
}

#[test]
fn two_of_four_that_speak_and_agree_wait_for_patience_only() {
    let result = runs(|seed| {
        let mut scenario = wrong(seed, 4);
        for dead in [0, 1] {
            scenario.servers[dead].manner = Manner::Dead;
        }
        scenario
    });
    result.expect("two of four dead", 4.0, 7e-4, 1);
}

#[test]
fn a_single_server_is_believed_at_its_first_answer() {
    let result = runs(|seed| wrong(seed, 1));
    result.expect("single server", 1.0, 7e-4, 1);
    assert!(result.worst(first_step_s) < 0.1);
}

#[test]
fn a_single_server_that_lied_once_is_corrected_after_three_agree() {
    for lie in [Span::from_secs(10), hours(10), hours(-2)] {
        let name = format!("single server, first answer off by {} s", lie.secs_f64());
        let result = runs(|seed| {
            let mut scenario = wrong(seed, 1);
            scenario.servers[0].manner = Manner::LiesAtFirst { answers: 1, ahead: lie };
            scenario
        });
        result.expect_deceived(&name, 8.0, 7e-4, 2);
        result.expect_told(&name, 1, |event| matches!(event, Event::LoneSourceContradicted(_)));
    }
}

#[test]
fn the_lie_of_a_single_server_is_undone_whenever_it_ends() {
    for lie in [Span::from_secs(10), Span::from_secs(-10), hours(10), hours(-3)] {
        for answers in [1, 3, 4, 8, 20] {
            let name = format!("single server, first {answers} answers off by {} s", lie.secs_f64());
            let result = runs(|seed| {
                let mut scenario = wrong(seed, 1);
                scenario.servers[0].manner = Manner::LiesAtFirst { answers, ahead: lie };
                scenario
            });
            result.expect_deceived(&name, 4000.0, 7e-4, 2);
            let honest_s = |run: &Run| told_s(run, |event| matches!(event, Event::LoneSourceContradicted(_)));
            let delay_s = result.worst(|run| run.good_after_s() - honest_s(run));
            assert!(delay_s < 8.0, "{name}: {delay_s} s after its first honest answer");
            result.expect_told(&name, 1, |event| matches!(event, Event::LoneSourceContradicted(_)));
        }
    }
}

#[test]
fn a_single_server_that_goes_mad_after_a_day_does_not_step_the_clock() {
    for lie in [hours(10), hours(-10)] {
        let result = runs(|seed| {
            let mut scenario = wrong(seed, 1);
            scenario.servers[0].step = Some((86_400.0, lie));
            scenario.length_s = 90_000.0;
            scenario.record_every = Span::from_secs(16);
            scenario
        });
        result.print("mad after a day");
        result.expect_told("mad after a day", 1, |event| matches!(event, Event::LoneSourceContradicted(_)));
        for run in &result.runs {
            assert_eq!(run.trace.steps.len(), 1, "the one at the start: {:?}", run.trace.steps);
        }
    }
}

#[test]
fn a_single_server_that_keeps_changing_its_mind_steps_the_clock_in_the_first_hour_only() {
    let result = runs(|seed| {
        let mut scenario = wrong(seed, 1);
        scenario.servers[0].manner = Manner::LiesAtFirst { answers: 8, ahead: hours(5) };
        scenario.servers[0].step = Some((5000.0, hours(-7)));
        scenario.length_s = 20_000.0;
        scenario
    });
    result.print("keeps changing its mind");
    for run in &result.runs {
        assert_eq!(run.trace.steps.len(), 2, "{:?}", run.trace.steps);
    }
}

#[test]
fn a_falseticker_that_reforms_is_used_again() {
    for seed in 1..6 {
        let mut scenario = wrong(seed, 4);
        scenario.servers[1].manner = Manner::LiesAtFirst { answers: 8, ahead: Span::from_secs(10) };
        let mut world = World::new(scenario);
        world.run_for(60.0);
        let status = |world: &World, index: usize| world.engine().map(|engine| engine.selection().status[index]);
        assert_eq!(status(&world, 1), Some(Some(SourceStatus::Falseticker)), "seed {seed}");
        world.run_for(4000.0);
        assert!((0..4).all(|index| status(&world, index) == Some(Some(SourceStatus::Active))), "seed {seed}");
    }
}

#[test]
fn a_lone_liar_that_was_believed_is_overruled_when_the_others_come() {
    for lie in [Span::from_secs(5), hours(10)] {
        let result = runs(|seed| {
            let mut scenario = wrong(seed, 4);
            scenario.servers[0].ahead = lie;
            scenario.servers[1..].iter_mut().for_each(|server| server.alive = (300.0, f64::INFINITY));
            scenario
        });
        result.expect_deceived("a lone liar first, others after 5 min", 1200.0, 7e-4, 2);
    }
}

#[test]
fn unsynchronised_servers_are_no_voters() {
    let result = runs(|seed| {
        let mut scenario = wrong(seed, 4);
        for mute in [0, 1] {
            scenario.servers[mute].manner = Manner::Unsynchronised;
        }
        scenario
    });
    result.expect("two of four unsynchronised", 1.0, 7e-4, 1);
}

#[test]
fn too_few_for_minsources_is_said() {
    let result = runs(|seed| {
        let mut scenario = wrong(seed, 4);
        scenario.settings.min_sources = 3;
        for dead in [0, 1] {
            scenario.servers[dead].manner = Manner::Dead;
        }
        scenario
    });
    result.print("two of three");
    result.expect_told("two of three", 1, |event| *event == Event::CannotSynchronise(Obstacle::NotEnough));
    assert!(result.runs.iter().all(|run| run.trace.steps.is_empty()));
}

#[test]
fn a_source_that_is_only_watched_does_not_start_the_clock_of_the_vote() {
    let result = runs(|seed| {
        let mut scenario = wrong(seed, 3);
        // Watched only; the second is slow to come, the third never does.
        scenario.sources[0].options.no_select = true;
        scenario.servers[1].alive.0 = 30.0;
        scenario.servers[2].manner = Manner::Dead;
        scenario
    });
    result.expect("one watched, one late, one dead", 50.0, 7e-4, 1);
    for run in &result.runs {
        assert!(first_step_s(run) > 34.0, "4 s after the first answer that counts: {}", first_step_s(run));
    }
}
