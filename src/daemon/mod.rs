//! The shell: feeds the engine and carries out what it says. One thread, one wait.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod address_file;
pub mod announce;
pub mod clock;
pub mod control;
pub mod drift_file;
pub mod dump_files;
pub mod event_loop;
pub mod exchanges;
pub mod files;
pub mod hardware_clock;
pub mod hook;
pub mod hosts;
pub mod leap_file;
pub mod log_files;
pub mod logging;
pub mod metrics_file;
pub mod network;
pub mod observer;
pub mod pid_file;
pub mod reason;
pub mod resolver;
pub mod rightness;
pub mod rivals;
pub mod run;
pub mod service_manager;
pub mod source_dirs;
pub mod state_file;
pub mod synchronized_file;
pub mod thermometer;
