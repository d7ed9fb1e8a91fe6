//! Who a source is, wherever one is named: in records, dumps, references and orders.

use std::fmt;
use std::net::IpAddr;

use crate::wire::reference_id;

/// Names one source. Two sources of one configuration never have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SourceId {
    /// A server, by its address.
    Server(IpAddr),
    /// A reference clock, by the reference ID of its line.
    Clock(ReferenceId),
}

/// The reference ID of a reference clock (RFC 5905 section 7.3): one to four printable characters of ASCII.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReferenceId([u8; 4]);

impl SourceId {
    /// What stands for the source in the packets of those who follow it, and in chronyc's reports.
    pub fn reference_id(self) -> u32 {
        match self {
            SourceId::Server(address) => reference_id(address),
            SourceId::Clock(id) => id.bits(),
        }
    }
}

impl ReferenceId {
    /// The ID of no source.
    pub const NONE: ReferenceId = ReferenceId([b'-', 0, 0, 0]);

    /// `None` if the text has no characters, more than four, or one that cannot be printed.
    pub fn new(text: &str) -> Option<Self> {
        let mut id = [0; 4];
        id.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(ReferenceId(id))
    }

    /// From the number in a report or in the name of a file; `None` if that is no reference ID of a reference clock.
    pub fn from_bits(bits: u32) -> Option<Self> {
        let bytes = bits.to_be_bytes();
        let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let (text, rest) = bytes.split_at(length);
        ReferenceId::new(std::str::from_utf8(text).ok()?).filter(|_| rest.iter().all(|byte| *byte == 0))
    }

    /// The number that stands for it on the wire.
    pub fn bits(self) -> u32 {
        u32::from_be_bytes(self.0)
    }
}

impl fmt::Display for ReferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.0.iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect();
        f.pad(&text)
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceId::Server(address) => address.fmt(f),
            SourceId::Clock(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_ids_are_one_to_four_printable_characters() {
        let bits = |text| ReferenceId::new(text).map(ReferenceId::bits);
        assert_eq!(bits("PHC0"), Some(0x5048_4330));
        assert_eq!(bits("GP"), Some(0x4750_0000));
        for wrong in ["", "ABCDE", "A B", "\u{e9}"] {
            assert_eq!(bits(wrong), None, "{wrong}");
        }
        assert_eq!(ReferenceId::from_bits(0x4750_0000), ReferenceId::new("GP"));
        for wrong in [0, 0x4700_5000, 0x7f00_0001] {
            assert_eq!(ReferenceId::from_bits(wrong), None, "{wrong:x}");
        }
        assert_eq!(format!("{:<5}|", SourceId::Clock(ReferenceId::new("GP").expect("an ID"))), "GP   |");
    }
}
