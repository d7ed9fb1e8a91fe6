//! Facts into words.

pub mod log;
