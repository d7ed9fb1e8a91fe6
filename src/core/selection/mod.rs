//! Whom to believe: which sources agree, who may set the clock, and whether it is synchronised.

mod intersection;
pub mod quorum;
mod score;
mod select;
pub(in crate::core) mod selector;
pub mod sync_state;
pub(in crate::core) mod votes;

pub use score::SelectionScore;
pub use select::{Candidate, Selection, SourceStatus, select};
