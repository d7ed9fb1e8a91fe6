//! slewd: an NTP client that sets a wrong clock in one round trip and then keeps it.
//!
//! The modules below are listed in the order data flows. Everything above [`sys`] is *pure*: it owns no socket,
//! file, clock or thread, and is given the time inside its inputs. `clippy.toml` enforces this. `docs/architecture.md`
//! is the map of these modules, and `docs/how-it-works.md` has the rules.

pub mod cli;
pub mod config;
pub mod core;
pub mod daemon;
#[cfg(test)]
mod not_run;
#[cfg(feature = "nts")]
pub mod nts;
pub mod recording;
pub mod report;
pub mod sim;
pub mod sys;
pub mod time;
pub mod wire;
