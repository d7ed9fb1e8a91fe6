//! Bytes to structs and back.

pub mod cmdmon;
pub mod ntp;
mod reference_id;

pub use reference_id::reference_id;
