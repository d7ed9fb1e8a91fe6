//! The kernel's clock: CLOCK_REALTIME as adjtimex steers it over the raw counter, as measured on Linux 6.1
//! (`tests/vm/run --only model` compares the two again).
//!
//! * A slew takes `phase / 2^(2 + time constant)` out of what is left whenever CLOCK_REALTIME begins a whole second. That
//!   share is in force as a rate until the next second begins, on top of the frequency.
//! * The kernel looks for the beginning of a second at timer ticks. An idle one has none: shares then begin and end when
//!   something wakes it, and what is lost by that is not made up for.
//! * A new phase replaces what is left. The share in force goes on to the end of its second, whatever the new phase is.
//! * A step ends both, the share in force at the next tick.
//! * A frequency is in force at once. Rates come in units, between which the kernel alternates at each tick; a change in
//!   mid-tick leaves a small debt that it pays back at one unit at most, and a step cancels.
//!
//! * STA_INS and STA_DEL are obeyed at the next end of a UTC day, at the tick: the clock repeats 23:59:59, or leaves it
//!   out, and takes no notice of the flag after that until it is cleared.
//!
//! What a controller that renews a slew must not count twice is therefore what the clock goes on doing by itself. With
//! `phase`, `share = 1 / 2^(2 + time constant)`, `frequency` and `in_force` (the rate then in force from an older slew, 0
//! after a step) of its last command, `n` whole seconds of CLOCK_REALTIME begun since, and now `f` into the current one:
//!
//! ```text
//! rate      = in_force                           if n = 0
//!           = phase * share * (1 - share)^(n-1)  else
//! in flight = rate * (1 - f) / (1 + frequency + rate)
//! phase to command = error - in flight           where error = truth - clock, now; `rate` is the next `in_force`
//! ```
//! In the first 8 ms of a second it may not have been noticed yet: a command then still counts for that second, and ends
//! the share in force.
//!
//! Also the clock of `slewd demo`, there driven by the real counter.

use crate::core::api::command::{Applied, ClockCommand, ClockReport};
use crate::core::clock::slew::MAX_PHASE;
use crate::time::{Leap, NANOS_PER_SEC, Raw, Span, Utc};

/// The kernel keeps frequencies as multiples of 2^-16 ppm.
const FREQUENCY_UNIT: f64 = 1e-6 / 65536.0;

/// Rate limits of the kernel: tick 9000 to 11000.
const MAX_FREQUENCY: f64 = 0.1;

/// How fast the kernel lets maxerror grow (MAXFREQ, 500 ppm).
const ERROR_GROWTH: f64 = 500e-6;

/// From here on the kernel itself sets STA_UNSYNC (NTP_PHASE_LIMIT).
const WORST_ERROR: Span = Span::from_secs(16);

/// Seconds in a day of UTC, as the kernel counts.
const DAY_S: i64 = 86_400;

/// A slew of less than this (ns) is over.
const NEGLIGIBLE_NS: f64 = 0.01;

/// How often a busy kernel looks at its clock (250 Hz, as most distributions configure it).
const TICK: Span = Span::from_nanos(4_000_000);

/// The unit of rates: the clock source's multiplier is a whole number, 6.46 million at 2.6 GHz.
const RATE_UNIT: f64 = 1.55e-7;

/// A steered clock.
#[derive(Clone, Debug)]
pub struct SimulatedKernel {
    raw: Raw,
    utc: Utc,
    /// What `utc` has lost by rounding, in nanoseconds.
    fraction_ns: f64,
    frequency: f64,
    rate_error: f64,
    slew_left_ns: f64,
    /// The share in force, in nanoseconds per second of the raw counter.
    slew_now_ns: f64,
    time_constant: u8,
    /// The last second of its own whose beginning the kernel has noticed.
    second: i64,
    /// The kernel looks when the raw counter is a multiple of this.
    looks_every: Span,
    /// A step is to end the share in force.
    is_ending: bool,
    /// Positive: the clock is behind what its rates amount to.
    owed_ns: f64,
    report: ClockReport,
    reported: Raw,
    leap: LeapState,
    tai_s: i32,
}

/// Of the leap second (TIME_OK, TIME_INS and TIME_DEL, TIME_OOP and TIME_WAIT in adjtimex(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LeapState {
    Idle,
    /// The clock moves by so many seconds when it begins this second.
    Armed {
        second: i64,
        by: i64,
    },
    /// The kernel has done so, and will not again before the flag is cleared.
    Done,
}

impl SimulatedKernel {
    /// A clock at boot: unsynchronised, frequency 0. `rate_error` is what the kernel's own rounding adds to its rate.
    pub fn new(raw: Raw, utc: Utc, rate_error: f64) -> Self {
        SimulatedKernel {
            raw,
            utc,
            fraction_ns: 0.0,
            frequency: 0.0,
            rate_error,
            slew_left_ns: 0.0,
            slew_now_ns: 0.0,
            time_constant: 0,
            second: second(utc),
            looks_every: TICK,
            is_ending: false,
            owed_ns: 0.0,
            report: ClockReport {
                synchronized: false,
                max_error: WORST_ERROR,
                est_error: WORST_ERROR,
                leap: Leap::Normal,
            },
            reported: raw,
            leap: LeapState::Idle,
            tai_s: 0,
        }
    }

    /// The clock of a machine that is idle: something wakes the kernel only this often.
    pub fn woken_every(self, interval: Span) -> Self {
        SimulatedKernel { looks_every: interval.max(TICK), ..self }
    }

    /// What it shows. Call [`SimulatedKernel::advance`] first.
    pub fn utc(&self) -> Utc {
        self.utc
    }

    /// The frequency it holds, without the slew.
    pub fn frequency(&self) -> f64 {
        self.frequency
    }

    /// The rate of the clock against the raw counter, minus one, slew included.
    pub fn rate(&self) -> f64 {
        self.frequency + self.rate_error + self.slew_now_ns * 1e-9 + self.repayment()
    }

    /// What the share in force will still do, whatever phase is commanded now.
    pub fn in_flight(&self) -> Span {
        let to_second_ns = (self.second + 1) * NANOS_PER_SEC - self.utc.nanos();
        let raw_ns = (to_second_ns as f64 / (1.0 + self.rate())).max(0.0);
        Span::from_nanos((self.slew_now_ns * 1e-9 * raw_ns).round() as i64)
    }

    /// What the slew has yet to take out when the current second is over; what adjtimex reads back.
    pub fn slew_left(&self) -> Span {
        Span::from_nanos(self.slew_left_ns as i64)
    }

    /// What the rest of the system believes of it; maxerror grows with the age of the report.
    pub fn report(&self) -> ClockReport {
        let grown = (self.raw - self.reported).scaled(ERROR_GROWTH);
        let max_error = (self.report.max_error + grown).min(WORST_ERROR);
        ClockReport { max_error, synchronized: self.report.synchronized && max_error < WORST_ERROR, ..self.report }
    }

    /// TAI minus UTC in seconds, 0 if nobody told.
    pub fn tai_s(&self) -> i32 {
        self.tai_s
    }

    /// Runs until the counter reads `raw`.
    pub fn advance(&mut self, raw: Raw) {
        while self.raw < raw {
            let look_ns = self.next_look().map_or(i64::MAX, |look| (look - self.raw).nanos());
            let stretch_ns = (raw - self.raw).nanos().min(look_ns).min(self.until_paid_ns());
            self.run(stretch_ns);
            if stretch_ns == look_ns {
                self.look();
            }
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
                if !self.is_slewing() {
                    let since_look_ns = self.since_multiple_ns(self.looks_every) as f64 * (1.0 + self.rate());
                    self.second = second(self.utc - Span::from_nanos(since_look_ns as i64));
                }
                let before = self.frequency;
                let limited = frequency.clamp(-MAX_FREQUENCY, MAX_FREQUENCY);
                self.frequency = (limited / FREQUENCY_UNIT).round() * FREQUENCY_UNIT;
                self.owed_ns += (self.frequency - before) * self.since_multiple_ns(TICK) as f64;
                let phase = Span::from_nanos(phase.nanos().clamp(-MAX_PHASE.nanos(), MAX_PHASE.nanos()));
                self.slew_left_ns = phase.nanos() as f64;
                self.time_constant = time_constant;
                Applied::Steered { frequency: self.frequency, phase, time_constant }
            }
            ClockCommand::Report(report) => {
                self.report = report;
                self.reported = self.raw;
                self.arm(report.leap);
                Applied::Reported
            }
            ClockCommand::SetTai { tai_s } => {
                self.tai_s = tai_s;
                Applied::TaiSet { tai_s }
            }
        }
    }

    /// Sets the clock, as anybody with the privilege can: the slew ends, and the error bounds are lost.
    pub fn step(&mut self, by: Span) {
        self.utc += by;
        self.second = second(self.utc);
        self.slew_left_ns = 0.0;
        self.is_ending = self.slew_now_ns != 0.0;
        self.owed_ns = 0.0;
        self.leap = LeapState::Idle;
        self.report =
            ClockReport { synchronized: false, max_error: WORST_ERROR, est_error: WORST_ERROR, leap: Leap::Normal };
    }

    /// The machine was suspended for this long, as the kernel counts it: both clocks jump.
    pub fn sleep(&mut self, counted: Span) {
        self.raw += counted;
        self.utc += counted;
        self.second = second(self.utc);
    }

    /// When the kernel will next notice something; `None` if there is nothing to notice.
    fn next_look(&self) -> Option<Raw> {
        let next_second = match self.leap {
            _ if self.is_slewing() => self.second + 1,
            LeapState::Armed { second, .. } => second,
            LeapState::Idle | LeapState::Done => return None,
        };
        let to_second_ns = (next_second * NANOS_PER_SEC - self.utc.nanos()) as f64 - self.fraction_ns;
        let raw_to_second_ns = (to_second_ns / (1.0 + self.rate())).ceil() as i64;
        let earliest_ns = self.raw.nanos() + if self.is_ending { 1 } else { raw_to_second_ns.max(1) };
        let every_ns = self.looks_every.nanos();
        Some(Raw::from_nanos((earliest_ns + every_ns - 1).div_euclid(every_ns) * every_ns))
    }

    fn is_slewing(&self) -> bool {
        self.slew_left_ns != 0.0 || self.slew_now_ns != 0.0
    }

    /// A leap second takes place at the next end of a UTC day.
    fn arm(&mut self, leap: Leap) {
        let (before_midnight, by) = match leap {
            Leap::Normal => {
                self.leap = LeapState::Idle;
                return;
            }
            Leap::Insert => (0, -1),
            Leap::Delete => (1, 1),
        };
        let day = (second(self.utc) + before_midnight).div_euclid(DAY_S);
        let next = LeapState::Armed { second: (day + 1) * DAY_S - before_midnight, by };
        self.leap = if self.leap == LeapState::Done { LeapState::Done } else { next };
    }

    /// The clock has begun this second.
    fn leap(&mut self) {
        if let LeapState::Armed { second, by } = self.leap
            && self.second == second
        {
            self.utc += Span::from_secs(by);
            self.second += by;
            self.tai_s -= by as i32;
            self.leap = LeapState::Done;
        }
    }

    fn look(&mut self) {
        if std::mem::take(&mut self.is_ending) {
            self.slew_now_ns = 0.0;
        }
        while self.second < second(self.utc) {
            self.begin_second();
            self.second += 1;
            self.leap();
        }
    }

    /// Raw time since the counter was last a multiple of this.
    fn since_multiple_ns(&self, span: Span) -> i64 {
        self.raw.nanos().rem_euclid(span.nanos())
    }

    /// The rate at which the debt is paid: the next unit above or below the commanded rate is used until it is.
    fn repayment(&self) -> f64 {
        let units = (self.frequency + self.slew_now_ns * 1e-9) / RATE_UNIT;
        let above = units - units.floor();
        if self.owed_ns > 0.0 {
            (1.0 - above) * RATE_UNIT
        } else if self.owed_ns < 0.0 {
            -above * RATE_UNIT
        } else {
            0.0
        }
    }

    fn until_paid_ns(&self) -> i64 {
        // At a whole number of units a negative debt is never paid: infinity saturates.
        if self.owed_ns == 0.0 { i64::MAX } else { ((self.owed_ns / self.repayment()).ceil() as i64).max(1) }
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
        let owed_ns = self.owed_ns - raw_ns as f64 * self.repayment();
        self.owed_ns = if owed_ns * self.owed_ns > 0.0 { owed_ns } else { 0.0 };
        let whole_ns = gained_ns.floor();
        self.fraction_ns = gained_ns - whole_ns;
        self.raw += Span::from_nanos(raw_ns);
        self.utc += Span::from_nanos(raw_ns + whole_ns as i64);
    }
}

/// The whole second a clock is in.
fn second(utc: Utc) -> i64 {
    utc.nanos().div_euclid(NANOS_PER_SEC)
}

#[cfg(test)]
mod tests;
