//! What was measured on a real kernel, and what its manual page says.

use super::*;

fn error_after(clock: &mut SimulatedKernel, seconds: i64) -> f64 {
    clock.advance(Raw::from_nanos(seconds * NANOS_PER_SEC));
    (clock.utc() - Utc::from_secs(1_800_000_000 + seconds)).secs_f64()
}

fn clock() -> SimulatedKernel {
    SimulatedKernel::new(Raw::from_nanos(0), Utc::from_secs(1_800_000_000), 0.0)
}

#[test]
fn a_slew_ends_by_itself_and_takes_out_its_phase() {
    let mut clock = clock();
    clock.apply(ClockCommand::Steer { frequency: 0.0, phase: Span::from_millis(100), time_constant: 0 });
    let after_three = error_after(&mut clock, 3);
    assert!((0.0433..0.0435).contains(&after_three), "a quarter of the rest in each second: {after_three}");
    // The shares are rates for a second of the clock, and while it slews forward its seconds are short.
    let at_the_end = error_after(&mut clock, 300);
    assert!((at_the_end - (0.1 - 0.1 * 0.1 / 7.0)).abs() < 1e-4, "{at_the_end}");
    assert_eq!(clock.rate(), 0.0);
}

#[test]
fn a_small_slew_takes_out_all_of_its_phase() {
    for phase in [Span::from_nanos(100_000), Span::from_nanos(-100_000)] {
        let mut clock = clock();
        clock.apply(ClockCommand::Steer { frequency: 0.0, phase, time_constant: 2 });
        let at_the_end = error_after(&mut clock, 1000);
        // A sixteenth of it is the share; each begins and ends up to a tick late.
        assert!((at_the_end - phase.secs_f64()).abs() < 1e-4 / 16.0 * 4e-3 + 2e-9, "{at_the_end}");
    }
}

#[test]
fn frequency_is_held_to_a_fraction_of_a_ppb() {
    let mut clock = clock();
    clock.apply(ClockCommand::Steer { frequency: 40e-6, phase: Span::ZERO, time_constant: 0 });
    assert!((error_after(&mut clock, 100_000) - 4.0).abs() < 1e-5 * 100.0);
}

#[test]
fn an_abandoned_clock_admits_that_it_gets_worse() {
    let mut clock = clock();
    let good = ClockReport {
        synchronized: true,
        max_error: Span::from_millis(10),
        est_error: Span::from_millis(1),
        leap: Leap::Normal,
    };
    clock.apply(ClockCommand::Report(good));
    clock.advance(Raw::from_nanos(1000 * NANOS_PER_SEC));
    assert_eq!(clock.report().max_error, Span::from_millis(510));
    clock.advance(Raw::from_nanos(40_000 * NANOS_PER_SEC));
    assert!(!clock.report().synchronized);
}

/// Lead in nanoseconds when the raw counter reads this.
fn lead_at(clock: &mut SimulatedKernel, seconds: f64) -> f64 {
    let raw = Raw::from_nanos(libm::round(seconds * 1e9) as i64);
    clock.advance(raw);
    (clock.utc() - Utc::from_secs(1_800_000_000) - (raw - Raw::from_nanos(0))).nanos() as f64
}

fn steer(frequency: f64, phase_ns: i64, time_constant: u8) -> ClockCommand {
    ClockCommand::Steer { frequency, phase: Span::from_nanos(phase_ns), time_constant }
}

#[test]
fn the_share_in_force_outlives_a_new_phase() {
    for (renewed_ns, next_rate) in [(0, 0.0), (7_500_000, 1875e-6), (-10_000_000, -2500e-6)] {
        for at in [1.05, 1.5, 1.95] {
            let mut clock = clock();
            clock.apply(steer(0.0, 10_000_000, 0));
            lead_at(&mut clock, at);
            assert_eq!(clock.slew_left(), Span::from_nanos(7_500_000), "the whole share is gone from the rest");
            clock.apply(steer(0.0, renewed_ns, 0));
            lead_at(&mut clock, 1.99);
            assert!((clock.rate() - 2500e-6).abs() < 1e-9, "{renewed_ns} at {at}");
            lead_at(&mut clock, 2.01);
            assert!((clock.rate() - next_rate).abs() < 1e-9, "{renewed_ns} at {at}: {}", clock.rate());
        }
    }
}

#[test]
fn a_controller_that_subtracts_what_is_in_flight_hits_its_mark() {
    for at in [1.05, 1.5, 1.95] {
        let mut clock = clock();
        clock.apply(steer(0.0, 1_000_000, 0));
        let error_ns = 1e6 - lead_at(&mut clock, at);
        let in_flight = clock.in_flight();
        assert!((in_flight.nanos() as f64 - 250e3 * (2.0 - at)).abs() < 150.0, "{in_flight:?} at {at}");
        clock.apply(steer(0.0, error_ns as i64 - in_flight.nanos(), 0));
        // Ticks are late by less than 4 ms; a controller that ignores the share misses by up to 240 us.
        let missed_ns = lead_at(&mut clock, 200.0) - 1e6;
        assert!(missed_ns.abs() < 250e-6 * 4e6, "{missed_ns} at {at}");
    }
}

#[test]
fn a_command_before_the_tick_counts_for_the_second_that_has_begun() {
    let mut clock = clock();
    clock.apply(ClockCommand::Step { by: Span::from_nanos(-1_000_000) });
    lead_at(&mut clock, 0.5);
    clock.apply(steer(0.0, 10_000_000, 0));
    // The clock's second begins 1 ms after a tick, the next tick is 3 ms away.
    lead_at(&mut clock, 1.002);
    assert_eq!(clock.rate(), 0.0);
    clock.apply(steer(0.0, -10_000_000, 0));
    lead_at(&mut clock, 1.005);
    assert!((clock.rate() + 2500e-6).abs() < 1e-9);
    assert_eq!(clock.slew_left(), Span::from_nanos(-7_500_000));
}

#[test]
fn an_idle_kernel_begins_its_shares_late() {
    let mut clock = clock().woken_every(Span::from_millis(700));
    clock.apply(steer(0.0, 10_000_000, 0));
    assert_eq!(lead_at(&mut clock, 1.35), 0.0);
    let at_two = lead_at(&mut clock, 2.0);
    assert!((at_two - 2500e-6 * 0.6e9).abs() < 2.0, "{at_two}");
    let rest_ns = lead_at(&mut clock, 60.0) - 10e6;
    assert!((20e3..1e6).contains(&rest_ns.abs()), "what is lost stays lost: {rest_ns}");
}

#[test]
fn a_step_moves_the_seconds_and_ends_the_share_at_the_next_tick() {
    let mut clock = clock();
    clock.apply(steer(0.0, 10_000_000, 0));
    lead_at(&mut clock, 2.501);
    clock.apply(ClockCommand::Step { by: Span::from_millis(300) });
    assert_eq!(clock.slew_left(), Span::ZERO);
    assert!(clock.rate() > 1800e-6);
    lead_at(&mut clock, 2.505);
    assert_eq!(clock.rate(), 0.0);
    clock.apply(steer(0.0, 10_000_000, 0));
    lead_at(&mut clock, 2.68);
    assert_eq!(clock.rate(), 0.0);
    lead_at(&mut clock, 2.71);
    assert!(clock.rate() > 2400e-6, "the second begins at 2.7 on the counter");
}

#[test]
fn a_frequency_is_in_force_at_once_and_beside_the_share() {
    let mut clock = clock();
    clock.apply(steer(0.0, 10_000_000, 0));
    let before = lead_at(&mut clock, 1.5);
    clock.apply(steer(-100e-6, 7_500_000, 0));
    let gained = lead_at(&mut clock, 1.6) - before;
    assert!((gained - 2400e-6 * 0.1e9).abs() < 50.0, "{gained}");
}

#[test]
fn a_change_in_mid_tick_leaves_a_debt_paid_in_units() {
    let mut clock = clock();
    lead_at(&mut clock, 0.502);
    clock.apply(steer(-150e-6, 0, 0));
    let owed = -150e-6 * 2e6;
    let rate = clock.rate() + 150e-6;
    assert!((-RATE_UNIT..0.0).contains(&rate), "{rate}");
    let paid = lead_at(&mut clock, 60.0) + 150e-6 * (60.0 - 0.502) * 1e9;
    assert!((paid - owed).abs() < 2.0 + 60e9 * FREQUENCY_UNIT, "{paid}, {owed}");
    // At frequency zero the unit below would be too much: the debt remains, and the rate is exact.
    clock.apply(steer(0.0, 0, 0));
    assert_eq!(clock.rate(), 0.0);
}

#[test]
fn a_leap_second_takes_place_at_midnight_and_once() {
    // 2027-01-15T08:00:00Z: midnight is 57,600 s away.
    for (leap, at_s, by_s) in [(Leap::Insert, 57_600.0, -1), (Leap::Delete, 57_599.0, 1)] {
        let mut clock = clock();
        clock.apply(steer(0.0, 1000, 0));
        clock.apply(ClockCommand::SetTai { tai_s: 37 });
        let error = Span::from_millis(1);
        let report = ClockReport { synchronized: true, max_error: error, est_error: error, leap };
        let expect = |clock: &mut SimulatedKernel, seconds: f64, moved_s: i32| {
            // The slew of 1 us is rounded.
            let off_ns = lead_at(clock, seconds) - f64::from(moved_s) * 1e9 - 1000.0;
            assert!(off_ns.abs() <= 1.0, "{leap:?} after {seconds} s: {off_ns} ns");
        };
        clock.apply(ClockCommand::Report(report));
        expect(&mut clock, at_s - 0.001, 0);
        expect(&mut clock, at_s + 0.005, by_s);
        clock.apply(ClockCommand::Report(report));
        // The flag is still set, then set anew.
        expect(&mut clock, at_s + 2.0 * 86_400.0, by_s);
        assert_eq!(clock.tai_s(), 37 - by_s);
        clock.apply(ClockCommand::Report(ClockReport { leap: Leap::Normal, ..report }));
        clock.apply(ClockCommand::Report(report));
        expect(&mut clock, at_s + 3.0 * 86_400.0 + 2.0, 2 * by_s);
    }
}

#[test]
fn a_flag_that_is_withdrawn_does_nothing() {
    let mut clock = clock();
    let error = Span::from_millis(1);
    let report = |leap| ClockReport { synchronized: true, max_error: error, est_error: error, leap };
    clock.apply(ClockCommand::Report(report(Leap::Insert)));
    lead_at(&mut clock, 50_000.0);
    clock.apply(ClockCommand::Report(report(Leap::Normal)));
    assert!(lead_at(&mut clock, 86_400.0).abs() <= 1.0);
}

#[test]
fn phases_below_a_microsecond_are_taken_out() {
    for phase_ns in [100, 30, 3, -3] {
        let mut clock = clock();
        clock.apply(steer(0.0, phase_ns, 0));
        assert!((lead_at(&mut clock, 100.0) - phase_ns as f64).abs() <= 1.0, "{phase_ns}");
    }
}

#[test]
fn the_rest_is_read_back_rounded_towards_zero() {
    for (phase_ns, rest_ns) in [(10_000, 4_218), (-10_000, -4_218)] {
        let mut clock = clock();
        clock.apply(steer(0.0, phase_ns, 0));
        lead_at(&mut clock, 3.5);
        assert_eq!(clock.slew_left(), Span::from_nanos(rest_ns));
    }
}
