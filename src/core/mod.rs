//! The decisions: inputs in, outputs out, no contact with the world.
//!
//! [`engine`] owns the other modules and is the only one the shell talks to. A sample travels
//! [`source`] → [`select`] (and, until the clock is first set, [`quorum`]) → [`estimate`] → [`discipline`].

pub mod alarm;
mod authentication;
pub mod chronicle;
pub mod command;
pub mod conduct;
pub mod course;
mod delay;
pub mod discipline;
pub mod drift;
pub mod dump;
pub mod engine;
pub mod estimate;
pub mod event;
pub mod fallback;
pub mod last_good;
pub mod leap;
pub mod measurement;
pub mod names;
pub mod order;
pub mod poll;
pub mod quorum;
pub mod random;
pub mod reachability;
mod recent;
pub mod record;
pub mod response;
pub mod rivalry;
mod sample_filter;
mod sanity;
pub mod select;
pub mod settings;
pub mod slew;
pub mod smear;
pub mod snapshot;
pub mod source;
mod tally;
pub mod temperature;
