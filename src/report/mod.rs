//! Facts into words.

pub mod chronyc;
pub mod dump_file;
mod field;
mod fields;
pub mod json;
#[cfg(test)]
mod json_manual;
pub mod log;
pub mod log_file;
pub mod metrics;
mod names;
pub mod nts_file;
mod source_fields;
pub mod status;
pub(crate) mod units;
pub mod verdict;
