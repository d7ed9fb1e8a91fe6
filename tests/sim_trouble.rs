//! What goes wrong while slewd runs.

mod support;

use slewd::core::api::drift::DriftRecord;
use slewd::core::api::event::Event;
use slewd::core::api::monitoring::Hindrance;
use slewd::core::api::settings::Mode;
use slewd::core::api::settings::{Host, InitStepSlew, MakeStep};
use slewd::sim::server::Manner;
use slewd::sim::{Happening, Scenario, World};
use slewd::time::Span;
use support::{hours, runs};

/// Four servers, a crystal 40 ppm fast, a good start, six hours.
fn pool(seed: u64) -> Scenario {
    let mut scenario = Scenario::pool(seed, 4);
    scenario.crystal.frequency = 40e-6;
    scenario.length_s = 21_600.0;
    scenario
}

fn single(seed: u64) -> Scenario {
    let mut scenario = Scenario::pool(seed, 1);
    scenario.crystal.frequency = 40e-6;
    scenario.length_s = 21_600.0;
    scenario
}

/// When the trouble of a scenario begins.
const THEN_S: f64 = 7200.0;

#[test]
fn loss_of_thirty_percent() {
    runs(|seed| {
        let mut scenario = pool(seed);
        scenario.clock_ahead = hours(-4);
        scenario.servers.iter_mut().for_each(|server| server.link.loss = 0.3);
        scenario
    })
    .expect("loss 30 %", 12.0, 6e-4, 1);
}

#[test]
fn crystals_500_ppm_off() {
    for frequency in [500e-6, -500e-6] {
        let name = format!("crystal {} ppm off", frequency * 1e6);
        runs(|seed| {
            let mut scenario = pool(seed);
            scenario.clock_ahead = hours(-4);
            scenario.crystal.frequency = frequency;
            scenario
        })
        .expect(&name, 2.0, 6e-4, 1);
    }
}

#[test]
fn a_single_server_steps_by_a_second() {
    for by in [1000, -1000] {
        let result = runs(|seed| {
            let mut scenario = single(seed);
            scenario.servers[0].step = Some((THEN_S, Span::from_millis(by)));
            scenario
        });
        result.print("the only server steps 1 s");
        for run in &result.runs {
            assert!((run.final_error_s() - 1.0).abs() < 6e-4, "it is all we have: {}", run.final_error_s());
            assert!(run.trace.steps.is_empty(), "slewed");
        }
    }
}

#[test]
fn one_of_four_servers_steps_by_a_second() {
    let result = runs(|seed| {
        let mut scenario = pool(seed);
        scenario.servers[2].step = Some((THEN_S, Span::from_secs(1)));
        scenario
    });
    result.expect("one of four steps 1 s", 2.0, 6e-4, 0);
    result.expect_told("one of four steps 1 s", 1, |event| matches!(event, Event::Falseticker(_)));
}

#[test]
fn all_servers_step_by_a_second() {
    let result = runs(|seed| {
        let mut scenario = pool(seed);
        scenario.servers.iter_mut().for_each(|server| server.step = Some((THEN_S, Span::from_secs(1))));
        scenario
    });
    result.print("all servers step 1 s");
    for run in &result.runs {
        assert!((run.final_error_s() - 1.0).abs() < 6e-4, "seed {}: {}", run.seed, run.final_error_s());
    }
}

#[test]
fn somebody_sets_the_clock() {
    for notices_clock_set in [true, false] {
        for by in [5, -5] {
            let name = format!("foreign step of {by} s, noticed: {notices_clock_set}");
            let result = runs(|seed| Scenario {
                notices_clock_set,
                happenings: vec![(THEN_S, Happening::ForeignStep(Span::from_secs(by)))],
                ..pool(seed)
            });
            result.expect(&name, THEN_S + if notices_clock_set { 2.0 } else { 320.0 }, 6e-4, 1);
            result.expect_told(&name, 1, |event| matches!(event, Event::ForeignChange(_)));
        }
    }
}

#[test]
fn suspended_for_eight_hours() {
    for misjudged in [0, 1000, -1000] {
        let name = format!("suspended 8 h, misjudged by {misjudged} ms");
        let result = runs(|seed| Scenario {
            length_s: 60_000.0,
            happenings: vec![(THEN_S, Happening::Suspend(hours(8), Span::from_millis(misjudged)))],
            ..pool(seed)
        });
        result.expect(&name, THEN_S + 28_800.0 + 10.0, 6e-4, usize::from(misjudged != 0));
        result.expect_told(&name, 1, |event| matches!(event, Event::Slept(_)));
    }
}

#[test]
fn a_virtual_machine_paused_for_an_hour() {
    let result = runs(|seed| Scenario { happenings: vec![(THEN_S, Happening::Pause(hours(1)))], ..pool(seed) });
    result.expect_deceived("paused 1 h, not told", THEN_S + 3600.0 + 320.0, 6e-4, 1);
}

#[test]
fn a_poisoned_drift_file() {
    let result = runs(|seed| Scenario {
        clock_ahead: hours(-4),
        drift: Some((DriftRecord { frequency_ppm: -500.0, skew_ppm: 0.001 }, hours(1))),
        ..pool(seed)
    });
    result.expect_deceived("drift file says -500 ppm", 90.0, 6e-4, 1);
    result.expect_told("drift file says -500 ppm", 1, |event| matches!(event, Event::PriorDiscarded(_)));
}

#[test]
fn a_slightly_wrong_drift_file() {
    let result = runs(|seed| Scenario {
        clock_ahead: hours(-4),
        drift: Some((DriftRecord { frequency_ppm: 30.0, skew_ppm: 0.001 }, hours(1))),
        ..pool(seed)
    });
    result.expect_deceived("drift file wrong by 10 ppm", 2.0, 6e-4, 1);
}

#[test]
fn a_restart_uses_the_drift_file() {
    let result =
        runs(|seed| Scenario { length_s: 40_000.0, happenings: vec![(20_000.0, Happening::Restart)], ..pool(seed) });
    result.expect("restart", 2.0, 6e-4, 0);
    for run in &result.runs {
        assert!(!run.trace.saves.is_empty());
        let after_ppm = run.median_frequency_ppm(20_003.0, 20_100.0);
        // The crystal is 40 ppm fast; what is seen here is the first correction of the phase.
        assert!(after_ppm < 1.0, "seed {}: {after_ppm} ppm", run.seed);
    }
}

#[test]
fn the_network_comes_up_after_five_minutes() {
    let result = runs(|seed| Scenario { clock_ahead: hours(-4), network_up_s: 300.0, ..pool(seed) });
    // Nobody tells: found by the next try to send (tests/sim_network.rs: at once if the kernel tells).
    result.expect("network up after 5 min", 318.0, 6e-4, 1);
}

#[test]
fn a_server_that_wants_fewer_requests() {
    let result = runs(|seed| {
        let mut scenario = pool(seed);
        scenario.servers[0].manner = Manner::Kisses(*b"RATE", 10);
        scenario
    });
    result.expect("one kisses RATE", 2.0, 6e-4, 0);
    for run in &result.runs {
        assert!(run.count(|event| matches!(event, Event::KissRate(_))) > 0);
    }
}

#[test]
fn a_server_that_denies() {
    let result = runs(|seed| {
        let mut scenario = pool(seed);
        scenario.servers[0].manner = Manner::Kisses(*b"DENY", 10);
        scenario
    });
    result.expect("one kisses DENY", 2.0, 6e-4, 0);
    result.expect_told("one kisses DENY", 1, |event| matches!(event, Event::KissDeny(..)));
}

#[test]
fn kernels_round_their_rate() {
    for kernel_rate_error in [10e-6, -10e-6] {
        let name = format!("kernel rate error {} ppm", kernel_rate_error * 1e6);
        runs(|seed| Scenario { clock_ahead: hours(-4), kernel_rate_error, ..pool(seed) }).expect(&name, 2.0, 6e-4, 1);
    }
}

#[test]
fn three_seconds_without_permission_to_step() {
    let result = runs(|seed| {
        let mut scenario = pool(seed);
        scenario.clock_ahead = Span::from_secs(-3);
        scenario.settings.makestep = Some(MakeStep { threshold_s: 1.0, limit: 0 });
        scenario
    });
    result.expect("3 s slewed", 120.0, 6e-4, 0);
}

#[test]
fn killed_in_the_middle_of_a_slew() {
    let result = runs(|seed| {
        let mut scenario = pool(seed);
        scenario.clock_ahead = Span::from_secs(-30);
        scenario.settings.makestep = Some(MakeStep { threshold_s: 1.0, limit: 0 });
        // After the restart nobody answers any more.
        scenario.happenings = vec![(300.0, Happening::Restart)];
        scenario.servers.iter_mut().for_each(|server| server.alive = (f64::NEG_INFINITY, 300.0));
        scenario.length_s = 4000.0;
        scenario
    });
    result.print("killed while slewing");
    for run in &result.runs {
        let left_ppm = run.median_frequency_ppm(400.0, 4000.0);
        println!("seed {}: {left_ppm:.3} ppm left behind, error {:.3} s", run.seed, run.final_error_s());
        assert!(left_ppm < 1.5, "seed {}: {left_ppm} ppm left behind", run.seed);
    }
}

#[test]
fn a_large_slew_is_not_learnt_as_a_rate_error_of_the_kernel() {
    let result = runs(|seed| {
        let mut scenario = pool(seed);
        scenario.clock_ahead = Span::from_secs(-3);
        scenario.settings.makestep = Some(MakeStep { threshold_s: 1.0, limit: 0 });
        scenario
    });
    for run in &result.runs {
        let off_ppm = run.median_frequency_ppm(3600.0, 21_600.0);
        println!("seed {}: {off_ppm:.3} ppm", run.seed);
        assert!(off_ppm < 0.5, "seed {}: {off_ppm} ppm", run.seed);
    }
}

/// The privilege is taken away from a running daemon for 40 minutes, and the clock drifts.
#[test]
fn a_kernel_that_refuses_is_no_clock_that_obeys() {
    for seed in support::SEEDS {
        let mut scenario = pool(seed);
        scenario.refusals = vec![(THEN_S, THEN_S + 2400.0)];
        let mut world = World::new(scenario);
        world.run_for(THEN_S - 1.0);
        let state = |world: &World| world.engine().expect("it runs").status(&world.reading());
        assert!(state(&world).synchronised && state(&world).controls_clock, "seed {seed}");
        world.run_for(THEN_S + 2399.0);
        let status = state(&world);
        assert_eq!((status.synchronised, status.hindrance), (false, Hindrance::ClockRefused), "seed {seed}");
        assert!(!status.controls_clock, "seed {seed}");
        world.run_for(THEN_S + 6000.0);
        assert!(state(&world).synchronised && state(&world).controls_clock, "seed {seed}");
        assert!(world.point().error_s.abs() < 1e-3, "seed {seed}: {}", world.point().error_s);
        let told = |event: &Event| world.trace().events.iter().filter(|(_, told)| told == event).count();
        assert_eq!((told(&Event::ClockRefused), told(&Event::ClockObeys)), (1, 1), "seed {seed}");
    }
}

/// Every second command fails for two hours, as of a kernel that is busy: the clock stays right enough, and the bound holds.
#[test]
fn a_kernel_that_is_busy_now_and_then_costs_little() {
    let result = runs(|seed| {
        let mut scenario = pool(seed);
        scenario.refusals = (0..36).map(|nth| THEN_S + 200.0 * f64::from(nth)).map(|at| (at, at + 100.0)).collect();
        scenario
    });
    result.expect("refused every 100 s", 2.0, 6e-4, 0);
    for run in &result.runs {
        let worst_s = run.trace.max_s(THEN_S, THEN_S + 7200.0);
        assert!(worst_s < 1e-3, "seed {}: {worst_s} s", run.seed);
        let told = run.count(|event| matches!(event, Event::ClockRefused));
        assert!((1..=36).contains(&told), "seed {}: told {told} times", run.seed);
    }
}

#[test]
fn setting_the_clock_once_fails_if_the_kernel_refuses() {
    for (refuses, success) in [(true, false), (false, true)] {
        let mut scenario = pool(1);
        scenario.mode = Mode::SetOnce;
        scenario.clock_ahead = hours(-4);
        scenario.refusals = if refuses { vec![(0.0, 1e9)] } else { Vec::new() };
        let mut world = World::new(scenario);
        world.run_for(60.0);
        assert_eq!(world.trace().finished, Some(success), "refuses: {refuses}");
    }
}

/// A command that somebody waits for does not wait for hosts that deny, and for dead ones 3 s.
#[test]
fn one_shot_modes_succeed_when_one_good_server_answers() {
    for (name, manner, most_s) in [("dead", Manner::Dead, 4.0), ("denies", Manner::Kisses(*b"DENY", 0), 4.0)] {
        for mode in [Mode::SetOnce, Mode::MeasureOnce] {
            for seed in 1..6 {
                let mut scenario = Scenario { mode, clock_ahead: hours(-4), length_s: 30.0, ..pool(seed) };
                scenario.servers[1..].iter_mut().for_each(|server| server.manner = manner);
                let mut world = World::new(scenario);
                world.run_for(most_s);
                assert_eq!(world.trace().finished, Some(true), "{name}, {mode:?}, seed {seed}");
            }
        }
        for seed in 1..6 {
            let mut scenario = Scenario { is_brief: true, clock_ahead: hours(-4), length_s: 30.0, ..pool(seed) };
            scenario.servers[1..].iter_mut().for_each(|server| server.manner = manner);
            let mut world = World::new(scenario);
            world.run_for(most_s);
            assert!(world.engine().is_some_and(|engine| engine.is_synchronised()), "{name}, -t, seed {seed}");
        }
    }
}

#[test]
fn one_shot_modes_end_when_all_deny() {
    let mut scenario = Scenario { mode: Mode::MeasureOnce, length_s: 60.0, ..pool(1) };
    scenario.servers.iter_mut().for_each(|server| server.manner = Manner::Kisses(*b"DENY", 0));
    let mut world = World::new(scenario);
    world.run_for(5.0);
    assert_eq!(world.trace().finished, Some(false));
}

/// Its threshold decides about the first correction, and no other.
#[test]
fn initstepslew_has_a_threshold_of_its_own() {
    for (threshold_s, steps) in [(0.1, 1), (30.0, 0)] {
        let mut scenario = pool(1);
        scenario.clock_ahead = Span::from_secs(5);
        scenario.settings.makestep = None;
        let hosts = vec![Host::Address(scenario.servers[0].address)];
        scenario.settings.init_step_slew = Some(InitStepSlew { threshold_s, hosts });
        let mut world = World::new(scenario);
        world.run_for(600.0);
        assert_eq!(world.trace().steps.len(), steps, "{threshold_s}");
    }
}

/// A liar among the hosts of `initstepslew` makes a tie with the only server; it is asked no longer than 10 s.
#[test]
fn a_lying_host_of_initstepslew_does_not_block_for_ever() {
    for seed in 1..6 {
        let mut scenario = Scenario { clock_ahead: hours(-4), ..pool(seed) };
        scenario.servers[1].ahead = hours(9);
        let liar = Host::Address(scenario.servers[1].address);
        scenario.sources.truncate(1);
        scenario.settings.init_step_slew = Some(InitStepSlew { threshold_s: 1.0, hosts: vec![liar] });
        let mut world = World::new(scenario);
        world.run_for(25.0);
        assert!(world.point().error_s.abs() < 0.01, "seed {seed}: {:?}", world.trace().events);
        let told = |event: &Event| matches!(event, Event::NoInitialSource);
        assert_eq!(world.trace().events.iter().filter(|(_, event)| told(event)).count(), 1, "seed {seed}");
    }
}
