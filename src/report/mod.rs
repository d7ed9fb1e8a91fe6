//! Facts into words.

pub mod dump_file;
pub mod log;
pub mod log_file;
