//! What the clock is told, and what it really did.

use crate::time::{Leap, Span};

/// What the clock is to do.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ClockCommand {
    /// Jump by this much. Positive: forward. A slew in progress is cancelled.
    Step {
        /// By how much.
        by: Span,
    },
    /// Run at this rate, and take out `phase` by a decaying slew.
    Steer {
        /// Rate against the raw counter, minus one.
        frequency: f64,
        /// What is to be taken out, at most [`MAX_PHASE`](crate::core::clock::slew::MAX_PHASE). Positive: the clock is behind.
        phase: Span,
        /// Each second 1/2^(2 + this) of the rest is taken out; 0 to 10.
        time_constant: u8,
    },
    /// Tell the kernel how good its time is.
    Report(ClockReport),
    /// Tell the kernel how far TAI is ahead of UTC.
    SetTai {
        /// Seconds.
        tai_s: i32,
    },
}

/// What the rest of the system may believe about the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockReport {
    /// Clears STA_UNSYNC, which also makes the kernel copy the time to the hardware clock every 11 minutes.
    pub synchronized: bool,
    /// Bound on the error.
    pub max_error: Span,
    /// Expected error.
    pub est_error: Span,
    /// Leap second to apply at the end of the day.
    pub leap: Leap,
}

impl ClockCommand {
    /// Moves or steers the clock itself.
    pub fn is_control(&self) -> bool {
        matches!(self, ClockCommand::Step { .. } | ClockCommand::Steer { .. })
    }
}

/// What the clock really did.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Applied {
    /// The clock jumped.
    Stepped {
        /// By how much.
        by: Span,
    },
    /// The clock runs at this rate and takes out this phase.
    Steered {
        /// Rate against the raw counter, minus one, after rounding and limits.
        frequency: f64,
        /// Phase after rounding and limits.
        phase: Span,
        /// Time constant of the slew.
        time_constant: u8,
    },
    /// The report was taken.
    Reported,
    /// The TAI offset was taken.
    TaiSet {
        /// Seconds.
        tai_s: i32,
    },
    /// The clock may only be observed: nothing was done.
    Observed {
        /// A step would have been due.
        is_step: bool,
    },
    /// The kernel refused; the shell has logged why.
    Failed {
        /// The clock itself was to be moved or steered: it does not obey. Else only what the kernel says of it is stale.
        disobeys: bool,
    },
}
