//! A request as it leaves: the header, and what authenticates it.

use std::ops::Deref;

use super::ntp::HEADER_LEN;

/// A packet to send. Plain ones, which are nearly all, need no memory of their own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// A header alone.
    Plain([u8; HEADER_LEN]),
    /// A header with a trailer.
    Authenticated(Box<[u8]>),
}

impl Deref for Packet {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Packet::Plain(bytes) => bytes,
            Packet::Authenticated(bytes) => bytes,
        }
    }
}
