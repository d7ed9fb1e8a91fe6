//! Facts into words.

pub mod log;
pub mod log_file;
