//! Leap seconds: inserted and left out, in every mode, announced by servers, by a file, by liars, or by nobody.

mod support;

use slewd::core::api::event::Event;
use slewd::core::api::settings::{LeapMode, MakeStep, MaxChange};
use slewd::core::clock::leap::{LeapSecond, LeapTable};
use slewd::sim::server::Announces;
use slewd::sim::{Happening, Scenario, World};
use slewd::time::{Leap, Span, Utc};
use support::{Run, Worst, runs};

/// 2027-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_798_761_600;

/// Midnight in seconds after the start. It is not recorded just then, when the kernel has not looked at its clock yet.
const MIDNIGHT_S: f64 = 7200.55;

const KINDS: [Leap; 2] = [Leap::Insert, Leap::Delete];
const MODES: [LeapMode; 4] = [LeapMode::System, LeapMode::Step, LeapMode::Slew, LeapMode::Ignore];

/// Two hours before the end of 2026 and two hours after it, with a leap second that all servers announce.
fn new_years_eve(seed: u64, servers: usize, leap: Leap, mode: LeapMode) -> Scenario {
    let mut scenario = Scenario::pool(seed, servers);
    scenario.start = Utc::from_secs(NEW_YEAR) - Span::from_secs_f64(MIDNIGHT_S);
    scenario.timeline.leap = LeapSecond::ending_day(Utc::from_secs(NEW_YEAR - 1), leap);
    scenario.settings.leap_mode = mode;
    scenario.settings.makestep = Some(MakeStep { threshold_s: 1.0, limit: 3 });
    scenario.crystal.frequency = 40e-6;
    scenario.length_s = 14_400.0;
    scenario.record_every = Span::from_millis(100);
    scenario
}

/// When it takes place, in seconds after the start.
fn moment_s(leap: Leap) -> f64 {
    if leap == Leap::Delete { MIDNIGHT_S - 1.0 } else { MIDNIGHT_S }
}

fn table(last: &str, expires_s: i64) -> LeapTable {
    let ntp = |unix_s: i64| unix_s + 2_208_988_800;
    let text = format!("#@ {}\n3439756800 34\n3550089600 35\n3644697600 36\n3692217600 37\n{last}", ntp(expires_s));
    LeapTable::from_list("Leap second list leap.list", text.as_bytes()).expect("a good list")
}

/// The seconds from the leap second until the error is below 10 ms for good.
fn recovery_s(run: &Run, leap: Leap) -> f64 {
    (run.good_after_s() - moment_s(leap)).max(0.0)
}

fn around_s(run: &Run, leap: Leap) -> f64 {
    run.trace.max_s(moment_s(leap) - 60.0, moment_s(leap) + 60.0)
}

fn print(result: &Worst, name: &str, leap: Leap) {
    println!(
        "| {name} | {:.1} ms | {:.0} s | {:.0} us | {} |",
        result.worst(|run| around_s(run, leap)) * 1e3,
        result.worst(|run| recovery_s(run, leap)).ceil(),
        result.worst(Run::final_error_s) * 1e6,
        result.runs[0].trace.steps.iter().filter(|(at, _)| *at > 60.0).count(),
    );
}

/// Nobody was blamed for what was known in advance, and nothing was claimed that did not hold.
fn expect_calm(result: &Worst, name: &str) {
    let is_alarm = |event: &Event| {
        matches!(
            event,
            Event::ForeignChange(_)
                | Event::Falseticker(_)
                | Event::Reacquired(_)
                | Event::CannotSynchronise(_)
                | Event::LoneSourceContradicted(_)
                | Event::SmearMixed { .. }
                | Event::ClockWrong(_)
        )
    };
    for run in &result.runs {
        let alarms: Vec<_> = run.trace.events.iter().filter(|(_, event)| is_alarm(event)).collect();
        assert!(alarms.is_empty(), "{name}, seed {}: {alarms:?}", run.seed);
        assert_eq!(run.dishonest_points(0.0), 0, "{name}, seed {}: maxerror did not hold", run.seed);
    }
}

/// What is to be told of it in this mode.
fn expect_told(result: &Worst, name: &str, leap: Leap, mode: LeapMode) {
    let is_system = mode == LeapMode::System;
    result.expect_told(name, usize::from(is_system), |event| *event == Event::Leap(leap));
    result.expect_told(name, usize::from(!is_system), |event| *event == Event::LeapExpected(leap));
    result.expect_told(name, 1, |event| *event == Event::LeapSecond(mode));
}

#[test]
fn a_leap_second_in_every_mode() {
    println!("| leap second | largest error | good after | final error | steps |\n|---|---|---|---|---|");
    for servers in [4, 1] {
        for mode in MODES {
            for leap in KINDS {
                let name = format!("{mode:?}, {leap:?}, {servers} servers");
                let result = runs(|seed| new_years_eve(seed, servers, leap, mode));
                print(&result, &name, leap);
                expect_told(&result, &name, leap, mode);
                let (largest_s, recovery_limit_s) = match mode {
                    LeapMode::System | LeapMode::Step => (0.005, 0.0),
                    LeapMode::Slew => (1.005, 25.0),
                    LeapMode::Ignore => (1.005, 45.0),
                };
                if mode != LeapMode::Ignore {
                    expect_calm(&result, &name);
                }
                for run in &result.runs {
                    assert!(around_s(run, leap) < largest_s, "{name}: {} s", around_s(run, leap));
                    assert!(recovery_s(run, leap) <= recovery_limit_s, "{name}: {} s", recovery_s(run, leap));
                    assert!(run.final_error_s() < 1e-3, "{name}: {} s", run.final_error_s());
                    let stepped = if mode != LeapMode::Step {
                        vec![]
                    } else {
                        vec![if leap == Leap::Insert { -1.0 } else { 1.0 }]
                    };
                    assert_eq!(run.steps_s(), stepped, "{name}");
                }
            }
        }
    }
}

/// A `makestep` that would step any offset does not turn the slew into a step on the way; a real offset is stepped all the
/// same, and what was left of the slew with it.
#[test]
fn a_leap_second_that_is_slewed_is_not_stepped_by_makestep() {
    for leap in KINDS {
        let eager = |seed| {
            let mut scenario = new_years_eve(seed, 4, leap, LeapMode::Slew);
            scenario.settings.makestep = Some(MakeStep { threshold_s: 0.01, limit: -1 });
            scenario
        };
        let result = runs(eager);
        for run in &result.runs {
            assert!(run.steps_s().is_empty(), "{leap:?}, seed {}: {:?}", run.seed, run.steps_s());
            assert!(recovery_s(run, leap) <= 25.0, "{leap:?}: {} s", recovery_s(run, leap));
        }
        let also_set = |seed| {
            let mut scenario = eager(seed);
            scenario.servers.iter_mut().for_each(|server| server.step = Some((MIDNIGHT_S - 1.0, Span::from_secs(3))));
            scenario
        };
        for run in &runs(also_set).runs {
            assert_eq!(run.trace.steps.len(), 1, "{leap:?}, seed {}: {:?}", run.seed, run.steps_s());
        }
    }
}

#[test]
fn the_flag_in_the_kernel_is_set_that_day_and_cleared_after_it() {
    let mut scenario = new_years_eve(1, 4, Leap::Insert, LeapMode::System);
    scenario.leap_tables = vec![(0.0, table("", NEW_YEAR + 86_400))];
    let mut world = World::new(scenario);
    for (until_s, leap) in [(60.0, Leap::Insert), (MIDNIGHT_S + 1.0, Leap::Insert), (MIDNIGHT_S + 3.0, Leap::Normal)] {
        world.run_for(until_s);
        assert_eq!(world.kernel().report().leap, leap, "after {until_s} s");
    }
    assert_eq!(world.kernel().tai_s(), 38, "37 was in the file, and the kernel counts on by itself");
    assert!(world.trace().told(|event| *event == Event::TaiOffset(37)));
}

#[test]
fn the_lying_leap_bit_of_one_of_four_is_ignored() {
    for leap in KINDS {
        let name = format!("one of four announces {leap:?}");
        let result = runs(|seed| {
            let mut scenario = new_years_eve(seed, 4, Leap::Normal, LeapMode::System);
            scenario.servers[2].announces = Announces::Always(leap, 0.0, 20_000.0);
            scenario
        });
        expect_calm(&result, &name);
        result.expect_told(&name, 0, |event| matches!(event, Event::Leap(_) | Event::LeapSecond(_)));
    }
}

#[test]
fn a_lone_server_that_announces_one_on_a_wrong_day_is_ignored() {
    let result = runs(|seed| {
        let mut scenario = new_years_eve(seed, 1, Leap::Normal, LeapMode::System);
        scenario.start = Utc::from_secs(NEW_YEAR - 3 * 86_400) - Span::from_secs_f64(MIDNIGHT_S);
        scenario.servers[0].announces = Announces::Always(Leap::Insert, 0.0, 20_000.0);
        scenario
    });
    expect_calm(&result, "wrong day");
    result.expect_told("wrong day", 0, |event| matches!(event, Event::Leap(_) | Event::LeapSecond(_)));
}

#[test]
fn a_lone_server_that_announces_one_that_does_not_come_costs_a_second_for_a_while() {
    for mode in [LeapMode::System, LeapMode::Step, LeapMode::Slew] {
        let name = format!("false announcement, {mode:?}");
        let result = runs(|seed| {
            let mut scenario = new_years_eve(seed, 1, Leap::Normal, mode);
            scenario.servers[0].announces = Announces::Always(Leap::Insert, 0.0, MIDNIGHT_S);
            scenario
        });
        print(&result, &name, Leap::Insert);
        for run in &result.runs {
            assert!(recovery_s(run, Leap::Insert) < 120.0, "{name}: {} s", recovery_s(run, Leap::Insert));
        }
    }
}

#[test]
fn an_announcement_that_is_withdrawn_is_forgotten() {
    for mode in [LeapMode::System, LeapMode::Step] {
        let name = format!("withdrawn, {mode:?}");
        let result = runs(|seed| {
            let mut scenario = new_years_eve(seed, 4, Leap::Normal, mode);
            scenario.servers.iter_mut().for_each(|s| s.announces = Announces::Always(Leap::Insert, 0.0, 3000.0));
            scenario
        });
        expect_calm(&result, &name);
        let is_news = |event: &Event| matches!(event, Event::Leap(_) | Event::LeapExpected(_));
        result.expect_told(&name, 2, is_news);
        result.expect_told(&name, 0, |event| matches!(event, Event::LeapSecond(_)));
    }
}

#[test]
fn a_restart_on_the_day_changes_nothing() {
    for mode in [LeapMode::System, LeapMode::Step] {
        // A restart takes 2 s: the last one is over 3 s after the leap second.
        for before_s in [3600.0, 60.0] {
            let name = format!("restart {before_s} s before, {mode:?}");
            let result = runs(|seed| {
                let mut scenario = new_years_eve(seed, 4, Leap::Insert, mode);
                scenario.happenings = vec![(MIDNIGHT_S - before_s, Happening::Restart)];
                scenario
            });
            expect_calm(&result, &name);
            for run in &result.runs {
                assert!(around_s(run, Leap::Insert) < 0.005, "{name}: {} s", around_s(run, Leap::Insert));
            }
        }
    }
}

#[test]
fn killed_before_and_started_after_it_the_kernel_has_done_it() {
    let result = runs(|seed| {
        let mut scenario = new_years_eve(seed, 4, Leap::Insert, LeapMode::System);
        scenario.happenings = vec![(MIDNIGHT_S - 1.0, Happening::Restart)];
        scenario
    });
    for run in &result.runs {
        assert!(around_s(run, Leap::Insert) < 0.005, "{} s", around_s(run, Leap::Insert));
        assert_eq!(run.trace.steps, [], "once only");
    }
}

#[test]
fn somebody_who_sets_the_clock_that_evening_does_not_disarm_it() {
    let result = runs(|seed| {
        let mut scenario = new_years_eve(seed, 4, Leap::Insert, LeapMode::System);
        scenario.happenings = vec![(MIDNIGHT_S - 300.0, Happening::ForeignStep(Span::from_secs(5)))];
        scenario.notices_clock_set = true;
        scenario
    });
    result.expect_told("foreign step", 1, |event| matches!(event, Event::ForeignChange(_)));
    for run in &result.runs {
        assert!(around_s(run, Leap::Insert) < 0.005, "{} s", around_s(run, Leap::Insert));
    }
}

#[test]
fn a_kernel_that_does_not_do_it_is_made_up_for() {
    // Setting the clock disarms the kernel. So small a change goes unnoticed, and nothing is reported that would arm it.
    let result = runs(|seed| {
        let mut scenario = new_years_eve(seed, 4, Leap::Insert, LeapMode::System);
        scenario.happenings = vec![(MIDNIGHT_S - 0.5, Happening::ForeignStep(Span::from_millis(-5)))];
        scenario
    });
    for run in &result.runs {
        assert!(recovery_s(run, Leap::Insert) < 3.0, "{} s", recovery_s(run, Leap::Insert));
    }
}

#[test]
fn a_leap_second_is_no_change_that_maxchange_refuses() {
    for mode in [LeapMode::System, LeapMode::Step, LeapMode::Slew] {
        for leap in KINDS {
            let name = format!("maxchange 0.1 1 0, {mode:?}, {leap:?}");
            let result = runs(|seed| {
                let mut scenario = new_years_eve(seed, 4, leap, mode);
                scenario.settings.max_change = Some(MaxChange { offset_s: 0.1, start: 1, ignore: 0 });
                scenario
            });
            expect_calm(&result, &name);
            expect_told(&result, &name, leap, mode);
            assert!(result.runs.iter().all(|run| run.trace.finished.is_none()), "{name}: it gave up");
        }
    }
}

#[test]
fn servers_that_announce_it_for_another_hour_are_not_taken_at_their_word() {
    let result = runs(|seed| {
        let mut scenario = new_years_eve(seed, 4, Leap::Insert, LeapMode::System);
        let forgetful = Announces::Always(Leap::Insert, 0.0, MIDNIGHT_S + 3600.0);
        scenario.servers.iter_mut().for_each(|server| server.announces = forgetful);
        scenario
    });
    expect_calm(&result, "forgetful servers");
    expect_told(&result, "forgetful servers", Leap::Insert, LeapMode::System);
}

#[test]
fn nobody_is_asked_around_it_and_everybody_right_after() {
    let mut scenario = new_years_eve(1, 4, Leap::Insert, LeapMode::System);
    for source in &mut scenario.sources {
        (source.options.min_poll, source.options.max_poll) = (1, 1);
    }
    let mut world = World::new(scenario);
    let mut requests = |until_s: f64| {
        world.run_for(MIDNIGHT_S + until_s);
        world.trace().requests
    };
    let [earlier, before, after, later] = [-10.0, -4.9, 4.9, 7.0].map(&mut requests);
    assert!(before - earlier >= 8, "every two seconds: {}", before - earlier);
    assert_eq!(after - before, 0);
    assert!(later - after >= 4, "{}", later - after);
}

#[test]
fn an_observer_knows_the_time_although_the_clock_stays() {
    for mode in [LeapMode::System, LeapMode::Slew] {
        let mut scenario = new_years_eve(1, 4, Leap::Insert, mode);
        scenario.observes_only = true;
        scenario.crystal.frequency = 0.0;
        let mut world = World::new(scenario);
        world.run_for(MIDNIGHT_S + 60.0);
        let tracking = world.engine().and_then(|engine| engine.tracking(&world.reading())).expect("it is known");
        assert!((tracking.error.secs_f64() + 1.0).abs() < 0.005, "{mode:?}: {tracking:?}");
        let is_alarm = |event: &Event| matches!(event, Event::Reacquired(_) | Event::Falseticker(_));
        assert!(!world.trace().told(is_alarm), "{mode:?}: {:?}", world.trace().events);
    }
}

#[test]
fn without_a_network_the_announcement_stands() {
    for mode in [LeapMode::System, LeapMode::Step] {
        let name = format!("no network for two hours, {mode:?}");
        let result = runs(|seed| {
            let mut scenario = new_years_eve(seed, 4, Leap::Delete, mode);
            scenario.outages = vec![(MIDNIGHT_S - 3600.0, MIDNIGHT_S + 3600.0)];
            scenario
        });
        print(&result, &name, Leap::Delete);
        for run in &result.runs {
            assert!(run.trace.max_s(60.0, f64::INFINITY) < 0.01, "{name}: {:?}", run.trace.events);
        }
    }
}

#[test]
fn a_machine_that_sleeps_over_it_is_right_soon_after() {
    for mode in MODES {
        let name = format!("asleep, {mode:?}");
        let result = runs(|seed| {
            let mut scenario = new_years_eve(seed, 4, Leap::Insert, mode);
            let length = Span::from_secs(3600);
            scenario.happenings = vec![(MIDNIGHT_S - 1800.0, Happening::Suspend(length, Span::from_millis(300)))];
            scenario
        });
        print(&result, &name, Leap::Insert);
        for run in &result.runs {
            let woken_s = MIDNIGHT_S + 1800.0;
            assert!(run.good_after_s() < woken_s + 60.0, "{name}: {} s", run.good_after_s() - woken_s);
        }
    }
}

#[test]
fn the_file_knows_what_the_servers_do_not_announce() {
    for mode in [LeapMode::System, LeapMode::Step, LeapMode::Slew] {
        let name = format!("leapseclist, {mode:?}");
        let result = runs(|seed| {
            let mut scenario = new_years_eve(seed, 4, Leap::Delete, mode);
            let silence = Announces::Always(Leap::Normal, 0.0, 0.0);
            scenario.servers.iter_mut().for_each(|server| server.announces = silence);
            scenario.leap_tables = vec![(0.0, table("4007750400 36\n", NEW_YEAR + 86_400))];
            scenario
        });
        expect_calm(&result, &name);
        expect_told(&result, &name, Leap::Delete, mode);
    }
}

#[test]
fn servers_that_announce_are_believed_against_the_file() {
    let result = runs(|seed| {
        let mut scenario = new_years_eve(seed, 4, Leap::Insert, LeapMode::System);
        scenario.leap_tables = vec![(0.0, table("", NEW_YEAR + 86_400))];
        scenario
    });
    expect_calm(&result, "no entry");
    expect_told(&result, "no entry", Leap::Insert, LeapMode::System);
}

#[test]
fn a_file_that_has_expired_is_a_warning() {
    let is_warning = |event: &Event| matches!(event, Event::LeapDataExpired(_));
    let result = runs(|seed| {
        let mut scenario = new_years_eve(seed, 4, Leap::Normal, LeapMode::System);
        scenario.leap_tables = vec![(0.0, table("", NEW_YEAR - 3600))];
        scenario
    });
    result.expect_told("it expires during the run", 1, is_warning);
    for run in &result.runs {
        let told = run.trace.events.iter().find(|(_, event)| is_warning(event));
        assert!(told.is_some_and(|(at, _)| (3600.0..5000.0).contains(at)), "{told:?}");
    }
    expect_calm(&result, "expired");
}

#[test]
fn a_file_that_was_renewed_is_read_again() {
    let result = runs(|seed| {
        let mut scenario = new_years_eve(seed, 4, Leap::Insert, LeapMode::System);
        scenario.start = scenario.start - Span::from_secs(86_400);
        let silence = Announces::Always(Leap::Normal, 0.0, 0.0);
        scenario.servers.iter_mut().for_each(|server| server.announces = silence);
        let expires_s = NEW_YEAR - 86_400;
        let renewed = table("4007750400 38\n", NEW_YEAR + 86_400);
        scenario.leap_tables = vec![(0.0, table("", expires_s)), (20_000.0, renewed)];
        scenario.length_s = 86_400.0 + 14_400.0;
        scenario.record_every = Span::from_secs(1);
        scenario
    });
    expect_calm(&result, "renewed");
    expect_told(&result, "renewed", Leap::Insert, LeapMode::System);
    result.expect_told("renewed", 1, |event| matches!(event, Event::LeapDataExpired(_)));
    result.expect_told("renewed", 1, |event| *event == Event::TaiOffset(38));
}

#[test]
fn one_that_nobody_announced_is_followed_like_any_change_of_the_servers() {
    for servers in [4, 1] {
        let name = format!("unannounced, {servers} servers");
        let result = runs(|seed| {
            let mut scenario = new_years_eve(seed, servers, Leap::Insert, LeapMode::System);
            let silence = Announces::Always(Leap::Normal, 0.0, 0.0);
            scenario.servers.iter_mut().for_each(|server| server.announces = silence);
            scenario
        });
        print(&result, &name, Leap::Insert);
        for run in &result.runs {
            assert!(recovery_s(run, Leap::Insert) < 1100.0, "{name}: {} s", recovery_s(run, Leap::Insert));
        }
    }
}

/// A day and a half around the leap second, with servers that smear it over 24 hours.
fn smeared(seed: u64, servers: usize, smearing: usize) -> Scenario {
    let mut scenario = new_years_eve(seed, servers, Leap::Insert, LeapMode::System);
    scenario.start = scenario.start - Span::from_secs(57_600);
    let day = Span::from_secs(86_400);
    scenario.servers.iter_mut().take(smearing).for_each(|server| server.smears = Some(day));
    scenario.length_s = 1.5 * 86_400.0;
    scenario.record_every = Span::from_secs(10);
    scenario
}

#[test]
fn smearing_servers_among_others_are_named_once() {
    for (servers, smearing) in [(4, 1), (4, 2), (4, 3), (2, 1)] {
        let name = format!("{smearing} of {servers} smear");
        let result = runs(|seed| smeared(seed, servers, smearing));
        result.expect_told(&name, 1, |event| matches!(event, Event::SmearMixed { .. }));
        for run in &result.runs {
            let told = run.trace.events.iter().find(|(_, event)| matches!(event, Event::SmearMixed { .. }));
            let Some((at, Event::SmearMixed { slower, faster, gap_ppm })) = told else { panic!("{name}") };
            assert_eq!((slower.len(), faster.len()), (smearing, servers - smearing), "{name}: {told:?}");
            assert!(slower.iter().any(|label| &**label == "192.0.2.1"), "{name}: {told:?}");
            assert!((5.0..13.0).contains(gap_ppm), "{name}: {gap_ppm}");
            // The smear begins at noon, half a day before midnight.
            let begins_s = 57_600.0 + MIDNIGHT_S - 43_200.0;
            println!("{name}: told {:.0} s after its begin", at - begins_s);
            assert!((0.0..14_400.0).contains(&(at - begins_s)), "{name}: {}", at - begins_s);
        }
    }
}

#[test]
fn nobody_is_called_a_smearer_when_all_or_none_smear() {
    for smearing in [0, 4] {
        let name = format!("{smearing} of 4 smear");
        let result = runs(|seed| smeared(seed, 4, smearing));
        result.expect_told(&name, 0, |event| matches!(event, Event::SmearMixed { .. } | Event::CannotSynchronise(_)));
    }
}

#[test]
fn one_smearing_server_of_four_does_not_move_the_clock() {
    let result = runs(|seed| smeared(seed, 4, 1));
    let largest_s = result.worst(|run| run.trace.max_s(60.0, f64::INFINITY));
    println!("largest error {:.3} ms", largest_s * 1e3);
    assert!(largest_s < 0.01, "{largest_s}");
}
