//! Bytes to structs and back.

pub mod cmdmon;
pub mod ntp;
pub mod nts;
pub mod packet;
mod reference_id;
pub mod secret;
pub mod symmetric;

pub use reference_id::reference_id;
