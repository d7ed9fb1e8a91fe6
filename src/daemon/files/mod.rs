//! The files the daemon reads and writes.

pub mod address_file;
pub mod configuration;
pub mod drift_file;
pub mod dump_files;
pub mod hardware_clock;
pub mod key_file;
pub mod leap_file;
pub mod log_files;
pub mod nts_files;
pub mod opening;
pub mod pid_file;
#[cfg(feature = "record")]
pub mod recording_file;
pub mod source_dirs;
pub mod state_file;
pub mod thermometer;
