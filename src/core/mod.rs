//! The decisions: inputs in, outputs out, no contact with the world.
//!
//! [`engine`] owns the other modules and is the only one the shell talks to. A sample travels
//! [`source`] → [`selection`] → [`estimate`] → [`clock`]; [`pool`] finds the servers, `true_time` says what the estimate is
//! worth, and [`api`] holds what the core shares with the other floors.

pub mod api;
pub mod clock;
pub mod engine;
pub mod estimate;
pub mod pool;
pub mod random;
pub mod refclock;
pub mod selection;
pub mod source;
mod true_time;
