//! The descriptive fields of a packet.

use byteorder::{BigEndian, ByteOrder};

use super::{HEADER_LEN, field};
use crate::time::{Leap, NANOS_PER_SEC, NtpTimestamp, Span};

/// The descriptive fields of a packet (RFC 5905 section 7.3), whether it tells the time or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// Leap warning; `None` if the server is not synchronised.
    pub leap: Option<Leap>,
    /// Protocol version.
    pub version: u8,
    /// Mode: 4 for a server.
    pub mode: u8,
    /// Stratum; 0 for a server that does not know the time, and for kisses-o'-death.
    pub stratum: u8,
    /// The server's poll field, log2 of seconds; never obeyed.
    pub poll: i8,
    /// Precision of the server's clock, log2 of seconds.
    pub precision: i8,
    /// Round trip from the server to its primary reference.
    pub root_delay: Span,
    /// Error accumulated from the primary reference to the server.
    pub root_dispersion: Span,
    /// What the server is synchronised to.
    pub reference_id: [u8; 4],
    /// When the server was last set; zero if it does not say.
    pub reference: NtpTimestamp,
}

impl Header {
    /// The fields as they are on the wire, unchecked.
    pub fn read(bytes: &[u8; HEADER_LEN]) -> Header {
        let [flags, stratum, poll, precision, ..] = *bytes;
        Header {
            leap: Leap::from_indicator(flags >> 6),
            version: flags >> 3 & 7,
            mode: flags & 7,
            stratum,
            poll: poll as i8,
            precision: precision as i8,
            root_delay: short_to_span(BigEndian::read_u32(&bytes[field::ROOT_DELAY])),
            root_dispersion: short_to_span(BigEndian::read_u32(&bytes[field::ROOT_DISPERSION])),
            reference_id: [bytes[12], bytes[13], bytes[14], bytes[15]],
            reference: NtpTimestamp(BigEndian::read_u64(&bytes[field::REFERENCE])),
        }
    }

    /// The 48 bytes of a packet whose other fields are zero.
    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[field::FLAGS] = Leap::indicator(self.leap) << 6 | self.version << 3 | self.mode;
        bytes[field::STRATUM] = self.stratum;
        bytes[field::POLL] = self.poll as u8;
        bytes[field::PRECISION] = self.precision as u8;
        BigEndian::write_u32(&mut bytes[field::ROOT_DELAY], span_to_short(self.root_delay));
        BigEndian::write_u32(&mut bytes[field::ROOT_DISPERSION], span_to_short(self.root_dispersion));
        bytes[field::REFERENCE_ID].copy_from_slice(&self.reference_id);
        BigEndian::write_u64(&mut bytes[field::REFERENCE], self.reference.0);
        bytes
    }
}

/// NTP short format: 16 bits of seconds, 16 of fraction (RFC 5905 section 6).
fn short_to_span(short: u32) -> Span {
    Span::from_nanos((i64::from(short) * NANOS_PER_SEC) >> 16)
}

/// Rounds up, because it is a bound; saturates at 65536 s.
fn span_to_short(span: Span) -> u32 {
    let scaled = (i128::from(span.nanos().max(0)) << 16) + i128::from(NANOS_PER_SEC - 1);
    u32::try_from(scaled / i128::from(NANOS_PER_SEC)).unwrap_or(u32::MAX)
}
