//! Names and addresses: what is configured, how many servers each line wants, which to replace, and what worked last time.

mod auth_mode;
mod changing;
mod key_establishment;
mod keys;
pub mod line;
mod membership;
mod past;
mod reload;
mod remembered;
mod source_set;

pub use key_establishment::NtsPolicy;
pub use past::PastFile;
pub(in crate::core) use source_set::{Opinion, SourceSet};
