//! From the estimate to the clock: corrections, frequency, leap seconds, and what others do to the clock.

pub mod discipline;
pub mod drift;
pub mod expected_clock;
pub mod fallback_drift;
pub mod foreign_adjustments;
pub mod leap;
pub mod slew;
pub mod smear;
pub mod temp_comp;
pub mod unrest;
pub mod update_history;
