//! Bytes to structs and back.

pub mod ntp;
