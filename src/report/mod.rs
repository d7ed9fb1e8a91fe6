//! Facts into words.

pub mod csv;
pub mod dump_file;
mod fields;
pub mod json;
pub mod log;
pub mod log_file;
pub mod metrics;
mod names;
mod source_fields;
pub mod status;
pub mod table;
pub(crate) mod units;
pub mod verdict;
