//! Establishment of NTS keys over TLS (RFC 8915 section 4): bytes in, bytes out.
//!
//! `session` is one establishment from the first byte to the keys, `verifier` judges certificates by the dates it is
//! told, `trust` reads certificates of authorities, and `provider` says which cryptography TLS uses. Nothing here
//! opens a socket or a file, or asks for the time.

mod der;
mod provider;
pub mod session;
pub mod trust;
mod verifier;
