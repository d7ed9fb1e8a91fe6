//! From true time to the clock: corrections, frequency, leap seconds, and what others do to the clock.

pub(in crate::core) mod clock_control;
pub mod discipline;
pub mod expected_clock;
pub mod fallback_drift;
pub mod foreign_adjustments;
mod kernel_report;
pub mod leap;
mod leap_control;
pub mod slew;
pub mod smear;
mod temperature;
pub mod update_history;
mod view;

pub(in crate::core) use clock_control::ClockControl;
pub(in crate::core) use leap_control::{LeapDue, Mover};
pub(in crate::core) use view::View;
