//! Bytes to structs and back.

pub mod cmdmon;
pub mod ntp;
