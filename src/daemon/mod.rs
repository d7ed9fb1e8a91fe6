//! The shell: feeds the engine and carries out what it says. One thread, one wait.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod account;
pub mod call_filter;
pub mod clock;
pub mod control;
pub mod devices;
pub mod event_loop;
pub mod exchanges;
pub mod files;
pub mod hosts;
#[cfg(feature = "nts")]
pub mod key_establishment;
pub mod logging;
pub mod network;
pub mod network_cards;
pub mod notify;
pub mod os_error;
pub mod resolver;
pub mod rivals;
pub mod run;
pub mod start;
