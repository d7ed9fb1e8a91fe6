//! The kernel's clock: CLOCK_REALTIME as adjtimex steers it over the raw counter (kernel/time/ntp.c behaviour, as
//! measured; see docs/how-it-works.md).
//!
//! Also the clock of `slewd demo`, there driven by the real counter.

use crate::core::discipline::{Applied, ClockCommand, ClockReport};
use crate::core::slew::MAX_PHASE;
use crate::time::{NANOS_PER_SEC, Raw, Span, Utc};
use crate::wire::ntp::Leap;

/// The kernel keeps frequencies as multiples of 2^-16 ppm.
const FREQUENCY_UNIT: f64 = 1e-6 / 65536.0;

/// Rate limits of the kernel: tick 9000 to 11000.
const MAX_FREQUENCY: f64 = 0.1;

/// How fast the kernel lets maxerror grow (MAXFREQ, 500 ppm).
const ERROR_GROWTH: f64 = 500e-6;

/// From here on the kernel itself sets STA_UNSYNC (NTP_PHASE_LIMIT).
const WORST_ERROR: Span = Span::from_secs(16);

/// A slew below this is over.
const NEGLIGIBLE_NS: f64 = 0.01;

/// A steered clock.
#[derive(Clone, Debug)]
pub struct KernelClock {
    raw: Raw,
    utc: Utc,
    /// What `utc` has lost by rounding, in nanoseconds.
    fraction_ns: f64,
    frequency: f64,
    rate_error: f64,
    slew_left_ns: f64,
    slew_now_ns: f64,
    time_constant: u8,
    report: ClockReport,
    reported: Raw,
}

impl KernelClock {
    /// A clock at boot: unsynchronised, frequency 0. `rate_error` is what the kernel's own rounding adds to its rate.
    pub fn new(raw: Raw, utc: Utc, rate_error: f64) -> Self {
        KernelClock {
            raw,
            utc,
            fraction_ns: 0.0,
            frequency: 0.0,
            rate_error,
            slew_left_ns: 0.0,
            slew_now_ns: 0.0,
            time_constant: 0,
            report: ClockReport {
                synchronized: false,
                max_error: WORST_ERROR,
                est_error: WORST_ERROR,
                leap: Leap::None,
            },
            reported: raw,
        }
    }

    /// What it shows. Call [`KernelClock::advance`] first.
    pub fn utc(&self) -> Utc {
        self.utc
    }

    /// The frequency it holds, without the slew.
    pub fn frequency(&self) -> f64 {
        self.frequency
    }

    /// Its rate against the raw counter, minus one, slew included.
    pub fn rate(&self) -> f64 {
        self.frequency + self.rate_error + self.slew_now_ns * 1e-9
    }

    /// What the slew has yet to take out.
    pub fn slew_left(&self) -> Span {
        Span::from_nanos(self.slew_left_ns.round() as i64)
    }

    /// What the rest of the system believes of it; maxerror grows with the age of the report.
    pub fn report(&self) -> ClockReport {
        let grown = (self.raw - self.reported).scaled(ERROR_GROWTH);
        let max_error = (self.report.max_error + grown).min(WORST_ERROR);
        ClockReport { max_error, synchronized: self.report.synchronized && max_error < WORST_ERROR, ..self.report }
    }

    /// Runs until the counter reads `raw`.
    pub fn advance(&mut self, raw: Raw) {
        while self.raw < raw {
            let left_ns = (raw - self.raw).nanos();
            if self.slew_left_ns.abs() < NEGLIGIBLE_NS && self.slew_now_ns == 0.0 {
                return self.run(left_ns);
            }
            // The share of each second is fixed as that second begins.
            let to_second_ns = NANOS_PER_SEC - self.utc.nanos().rem_euclid(NANOS_PER_SEC);
            let raw_to_second_ns = ((to_second_ns as f64 - self.fraction_ns) / (1.0 + self.rate())).ceil() as i64;
            if left_ns < raw_to_second_ns {
                return self.run(left_ns);
            }
            self.run(raw_to_second_ns.max(1));
            self.begin_second();
        }
    }

    /// Carries out a command as the kernel would.
    pub fn apply(&mut self, command: ClockCommand) -> Applied {
        match command {
            ClockCommand::Step { by } => {
                self.step(by);
                Applied::Stepped { by }
            }
            ClockCommand::Steer { frequency, phase, time_constant } => {
                let limited = frequency.clamp(-MAX_FREQUENCY, MAX_FREQUENCY);
                self.frequency = (limited / FREQUENCY_UNIT).round() * FREQUENCY_UNIT;
                let phase = Span::from_nanos(phase.nanos().clamp(-MAX_PHASE.nanos(), MAX_PHASE.nanos()));
                self.slew_left_ns = phase.nanos() as f64;
                self.time_constant = time_constant;
                Applied::Steered { frequency: self.frequency, phase, time_constant }
            }
            ClockCommand::Report(report) => {
                self.report = report;
                self.reported = self.raw;
                Applied::Reported
            }
        }
    }

    /// Sets the clock, as anybody with the privilege can: the slew ends, and the error bounds are lost.
    pub fn step(&mut self, by: Span) {
        self.utc += by;
        self.slew_left_ns = 0.0;
        self.slew_now_ns = 0.0;
        self.report =
            ClockReport { synchronized: false, max_error: WORST_ERROR, est_error: WORST_ERROR, leap: Leap::None };
    }

    /// The machine was suspended for this long, as the kernel counts it: both clocks jump.
    pub fn sleep(&mut self, counted: Span) {
        self.raw += counted;
        self.utc += counted;
    }

    fn begin_second(&mut self) {
        let share = libm::exp2(2.0 + f64::from(self.time_constant)).recip();
        self.slew_now_ns = self.slew_left_ns * share;
        self.slew_left_ns -= self.slew_now_ns;
        if self.slew_left_ns.abs() < NEGLIGIBLE_NS {
            self.slew_left_ns = 0.0;
            if self.slew_now_ns.abs() < NEGLIGIBLE_NS {
                self.slew_now_ns = 0.0;
            }
        }
    }

    fn run(&mut self, raw_ns: i64) {
        let gained_ns = raw_ns as f64 * self.rate() + self.fraction_ns;
        let whole_ns = gained_ns.floor();
        self.fraction_ns = gained_ns - whole_ns;
        self.raw += Span::from_nanos(raw_ns);
        self.utc += Span::from_nanos(raw_ns + whole_ns as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_after(clock: &mut KernelClock, seconds: i64) -> f64 {
        clock.advance(Raw::from_nanos(seconds * NANOS_PER_SEC));
        (clock.utc() - Utc::from_secs(1_800_000_000 + seconds)).secs_f64()
    }

    fn clock() -> KernelClock {
        KernelClock::new(Raw::from_nanos(0), Utc::from_secs(1_800_000_000), 0.0)
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
            assert!((at_the_end - phase.secs_f64()).abs() < 2e-9, "{at_the_end}");
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
            leap: Leap::None,
        };
        clock.apply(ClockCommand::Report(good));
        clock.advance(Raw::from_nanos(1000 * NANOS_PER_SEC));
        assert_eq!(clock.report().max_error, Span::from_millis(510));
        clock.advance(Raw::from_nanos(40_000 * NANOS_PER_SEC));
        assert!(!clock.report().synchronized);
    }
}
