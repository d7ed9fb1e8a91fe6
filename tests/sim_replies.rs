//! Servers whose stamps are coarse, or disagree with each other, are used for what they are worth.

#![allow(missing_docs, clippy::disallowed_methods)]

use slewd::sim::link::Link;
use slewd::sim::{Scenario, World};
use slewd::time::Span;

const LENGTH_S: f64 = 4000.0;
/// From here on the figures count.
const SETTLED_S: f64 = 600.0;

/// Figures of one run.
#[derive(Debug)]
struct Figures {
    synchronised: f64,
    worst_s: f64,
    rms_s: f64,
    bound_s: f64,
    beyond: u32,
}

/// Servers 10 ms away, each with a precision and a tick.
fn run(servers: &[(i8, Span)], receives_late: Span) -> Figures {
    let mut scenario = Scenario::new(1, &vec![Link::symmetric(0.01, 1e-4); servers.len()]);
    for (server, (precision, tick)) in scenario.servers.iter_mut().zip(servers) {
        (server.precision, server.tick, server.receives_late) = (*precision, *tick, receives_late);
    }
    watch(scenario)
}

fn watch(scenario: Scenario) -> Figures {
    let mut world = World::new(scenario);
    let mut figures = Figures { synchronised: 0.0, worst_s: 0.0, rms_s: 0.0, bound_s: 0.0, beyond: 0 };
    let mut looks = 0.0;
    let mut at_s = SETTLED_S;
    while at_s < LENGTH_S {
        world.run_for(at_s);
        let status = world.engine().expect("it runs").status(&world.reading());
        let error_s = world.point().error_s.abs();
        looks += 1.0;
        if let Some(most_s) = status.maximum_error_s.filter(|_| status.synchronised) {
            figures.synchronised += 1.0;
            figures.beyond += u32::from(error_s > most_s);
            figures.bound_s = figures.bound_s.max(most_s);
        }
        figures.worst_s = figures.worst_s.max(error_s);
        figures.rms_s += error_s * error_s;
        at_s += 7.0;
    }
    figures.rms_s = (figures.rms_s / looks).sqrt();
    figures.synchronised /= looks;
    figures
}

fn tick(precision: i8) -> Span {
    Span::from_secs_f64(2_f64.powi(i32::from(precision)))
}

fn print(what: &str, f: &Figures) {
    println!(
        "| {what} | {:.3} | {:.1} | {:.1} | {:.1} | {} |",
        f.synchronised,
        1e6 * f.rms_s,
        1e6 * f.worst_s,
        1e6 * f.bound_s,
        f.beyond
    );
}

/// The precision is what the stamps are multiples of, or is stated although the stamps are fine.
#[test]
fn every_precision_is_used_for_what_it_is_worth() {
    println!("| servers | synchronised | rms (us) | worst (us) | bound (us) | beyond |");
    for count in [1, 3] {
        for precision in (-32..=-2).step_by(3) {
            for is_real in [true, false] {
                let tick = if is_real { tick(precision) } else { Span::ZERO };
                let figures = run(&vec![(precision, tick); count], Span::ZERO);
                print(
                    &format!("{count}, precision {precision}, {}", if is_real { "real" } else { "stated" }),
                    &figures,
                );
                assert!(
                    figures.synchronised > 0.99 && figures.beyond == 0,
                    "{count} {precision} {is_real}: {figures:?}"
                );
                assert!(figures.worst_s < 2e-3 + 1.2 * tick.secs_f64(), "{count} {precision} {is_real}: {figures:?}");
            }
        }
    }
}

/// Routers, Windows, HZ=100: such ticks are seen in the stamps even if the server states a microsecond.
#[test]
fn ticks_that_the_precision_does_not_admit_are_seen() {
    for tick in [Span::from_secs(1), Span::from_nanos(15_625_000), Span::from_millis(10), Span::from_millis(1)] {
        let figures = run(&[(-20, tick); 2], Span::ZERO);
        print(&format!("2, tick {tick:?}, precision -20"), &figures);
        assert!(figures.synchronised > 0.99 && figures.beyond == 0, "{tick:?}: {figures:?}");
    }
}

/// A coarse server neither votes the fine ones down nor drags them along.
#[test]
fn coarse_servers_agree_with_fine_ones_and_leave_them_alone() {
    let fine = (-25, Span::ZERO);
    for coarse in [(0, Span::from_secs(1)), (-6, Span::from_nanos(15_625_000)), (-6, Span::from_millis(10))] {
        let figures = run(&[coarse, fine, coarse], Span::ZERO);
        print(&format!("1 fine, 2 of {:?}", coarse.1), &figures);
        assert!(figures.synchronised > 0.99 && figures.beyond == 0, "{coarse:?}: {figures:?}");
        assert!(figures.worst_s < 1e-3, "{coarse:?}: {figures:?}");
    }
}

/// The receive stamp is up to the stated precision later than the transmit stamp.
#[test]
fn a_reply_that_left_before_it_came_by_less_than_the_precision_is_good() {
    let figures = run(&[(-10, Span::ZERO)], Span::from_nanos(900_000));
    assert!(figures.synchronised > 0.99 && figures.beyond == 0, "{figures:?}");
    let refused = run(&[(-20, Span::ZERO)], Span::from_nanos(900_000));
    assert_eq!(refused.synchronised, 0.0, "a precision of a microsecond does not explain it");
}

/// All jitter is in the replies, and the user says so: what is left is the noise of stamps and of the shortest delay, 1.0 us of
/// 100 us of jitter.
#[test]
fn asymmetry_of_the_user_is_used_as_given() {
    let rms_us = |asymmetry| {
        let mut scenario = Scenario::new(1, &[Link::symmetric(0.01, 0.0)]);
        scenario.servers[0].link.backward.jitter_s = 1e-4;
        scenario.sources[0].options.asymmetry = Some(asymmetry);
        // What the crystal does between two answers is not what is measured here.
        scenario.crystal.wander = 0.0;
        let figures = watch(scenario);
        print(&format!("asymmetry {asymmetry}"), &figures);
        1e6 * figures.rms_s
    };
    let (full, cut, none) = (rms_us(0.5), rms_us(0.475), rms_us(0.0));
    assert!(full < 1.5 && full <= cut && cut < 0.1 * none, "{full} {cut} {none}");
}
