//! Replies of a server.

use byteorder::{BigEndian, ByteOrder};

use super::header::Header;
use super::request::{Cookie, Request};
use super::{HEADER_LEN, MODE_SERVER, field};
use crate::time::{Leap, NtpTimestamp};

/// Longest datagram considered: header, 1024 bytes of extension fields, and the longest MAC. chronyd takes no longer ones.
pub const MAX_LEN: usize = HEADER_LEN + 1024 + MAX_MAC_LEN;

/// Key identifier and a 160-bit digest: the longest trailer that is a MAC in version 4 (RFC 7822 section 7.5).
const MAX_MAC_LEN: usize = 24;

/// Shortest extension field when no MAC follows it (RFC 7822 section 7.5).
const MIN_EXTENSION_LEN: usize = 16;

/// A server's packet that answers some request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The server tells the time.
    Time(TimeReply),
    /// The server says it does not know the time: leap 3, stratum 0 or above 15.
    Unsynchronised {
        /// Echo of the cookie.
        origin: Cookie,
    },
    /// Kiss-o'-death (RFC 5905 section 7.4): stratum 0 with four letters in the reference identifier.
    Kiss {
        /// Echo of the cookie.
        origin: Cookie,
        /// What the server wants.
        code: KissCode,
    },
}

/// The kiss codes that change what a client does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KissCode {
    /// Ask less often.
    Rate,
    /// Do not ask this server again.
    Deny,
    /// Do not ask this server again, by local policy.
    Restrict,
    /// Any other code: informational.
    Other([u8; 4]),
}

/// A reply that tells the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeReply {
    /// What the server says of itself: synchronised, and of stratum 1 to 15. The version, 1 to 4, need not be the request's.
    pub header: Header,
    /// Echo of the cookie.
    pub origin: Cookie,
    /// When the request arrived, by the server's clock.
    pub receive: NtpTimestamp,
    /// When the reply left, by the server's clock.
    pub transmit: NtpTimestamp,
    /// A MAC follows: an answer to somebody who uses keys.
    pub authenticated: bool,
}

/// Why bytes are not a server's reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// Shorter than a header, longer than any packet, or not a multiple of four.
    Length,
    /// Version 0 or above 4.
    Version,
    /// Not from a server.
    Mode,
    /// What follows the header is neither extension fields nor a MAC.
    Trailer,
    /// Receive or transmit timestamp is zero although the server claims to know the time.
    Timestamp,
}

impl Reply {
    /// Checks form only; whether it answers *our* request is for the source to say.
    pub fn parse(bytes: &[u8]) -> Result<Reply, Malformed> {
        if bytes.len() > MAX_LEN || !bytes.len().is_multiple_of(4) {
            return Err(Malformed::Length);
        }
        let packet: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(Malformed::Length)?;
        let header = Header::read(packet);
        if !(1..=4).contains(&header.version) {
            return Err(Malformed::Version);
        }
        if header.mode != MODE_SERVER {
            return Err(Malformed::Mode);
        }
        let authenticated = parse_trailer(&bytes[HEADER_LEN..])?;
        let origin = Cookie(BigEndian::read_u64(&packet[field::ORIGIN]));
        match header {
            Header { leap: None, stratum: 0, reference_id, .. } if reference_id != [0; 4] => {
                return Ok(Reply::Kiss { origin, code: KissCode::from(reference_id) });
            }
            Header { leap: Some(_), stratum: 1..=15, .. } => {}
            _ => return Ok(Reply::Unsynchronised { origin }),
        }
        let receive = NtpTimestamp(BigEndian::read_u64(&packet[field::RECEIVE]));
        let transmit = NtpTimestamp(BigEndian::read_u64(&packet[field::TRANSMIT]));
        if receive == NtpTimestamp::ZERO || transmit == NtpTimestamp::ZERO {
            return Err(Malformed::Timestamp);
        }
        Ok(Reply::Time(TimeReply { header, origin, receive, transmit, authenticated }))
    }

    /// The cookie the server echoed.
    pub fn origin(&self) -> Cookie {
        match self {
            Reply::Time(reply) => reply.origin,
            Reply::Unsynchronised { origin } | Reply::Kiss { origin, .. } => *origin,
        }
    }
}

impl TimeReply {
    /// Leap warning.
    pub fn leap(&self) -> Leap {
        self.header.leap.unwrap_or_default()
    }

    /// The 48 bytes on the wire: for the servers of the simulator and the demo.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = Header { mode: MODE_SERVER, ..self.header }.encode();
        BigEndian::write_u64(&mut bytes[field::ORIGIN], self.origin.0);
        BigEndian::write_u64(&mut bytes[field::RECEIVE], self.receive.0);
        BigEndian::write_u64(&mut bytes[field::TRANSMIT], self.transmit.0);
        bytes
    }
}

/// A kiss-o'-death on the wire: for the servers of the simulator and the demo.
pub fn encode_kiss(request: &Request, code: &[u8; 4]) -> [u8; HEADER_LEN] {
    let Request { version, poll, cookie, .. } = *request;
    let mut bytes = Header { version, mode: MODE_SERVER, poll, reference_id: *code, ..Header::default() }.encode();
    BigEndian::write_u64(&mut bytes[field::ORIGIN], cookie.0);
    bytes
}

impl From<[u8; 4]> for KissCode {
    fn from(code: [u8; 4]) -> Self {
        match &code {
            b"RATE" => KissCode::Rate,
            b"DENY" => KissCode::Deny,
            b"RSTR" => KissCode::Restrict,
            _ => KissCode::Other(code),
        }
    }
}

/// Walks extension fields (RFC 7822 section 7.5); true if a MAC or a crypto-NAK ends the packet.
fn parse_trailer(mut rest: &[u8]) -> Result<bool, Malformed> {
    while rest.len() > MAX_MAC_LEN {
        let length = usize::from(BigEndian::read_u16(&rest[2..4]));
        if length < MIN_EXTENSION_LEN || length % 4 != 0 || length > rest.len() {
            return Err(Malformed::Trailer);
        }
        rest = &rest[length..];
    }
    match rest.len() {
        0 => Ok(false),
        4 | 20 | 24 => Ok(true),
        16 if usize::from(BigEndian::read_u16(&rest[2..4])) == 16 => Ok(false),
        _ => Err(Malformed::Trailer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn sample_reply() -> TimeReply {
        let header = Header {
            leap: Some(Leap::Insert),
            version: 4,
            mode: MODE_SERVER,
            stratum: 2,
            poll: 6,
            precision: -25,
            root_delay: Span::from_millis(500),
            root_dispersion: Span::from_millis(250),
            reference_id: [192, 0, 2, 1],
            reference: NtpTimestamp(1 << 63),
        };
        TimeReply {
            header,
            origin: Cookie(0x0123_4567_89ab_cdef),
            receive: NtpTimestamp(0xeb00_0000_0000_0000),
            transmit: NtpTimestamp(0xeb00_0000_0000_1000),
            authenticated: false,
        }
    }

    #[test]
    fn a_reply_survives_the_wire() {
        assert_eq!(Reply::parse(&sample_reply().encode()), Ok(Reply::Time(sample_reply())));
    }

    #[test]
    fn each_malformed_field_is_named() {
        let good = sample_reply().encode();
        let altered = |at: usize, value: u8| {
            let mut bytes = good;
            bytes[at] = value;
            Reply::parse(&bytes)
        };
        assert_eq!(Reply::parse(&good[..44]), Err(Malformed::Length));
        assert_eq!(Reply::parse(&[0x24; MAX_LEN + 4]), Err(Malformed::Length));
        assert_eq!(altered(0, 0x04), Err(Malformed::Version));
        assert_eq!(altered(0, 0x2c), Err(Malformed::Version));
        assert_eq!(altered(0, 0x23), Err(Malformed::Mode));
        let mut untimed = good;
        untimed[32..40].fill(0);
        assert_eq!(Reply::parse(&untimed), Err(Malformed::Timestamp));
    }

    #[test]
    fn a_server_that_does_not_know_the_time_is_told_apart() {
        let origin = sample_reply().origin;
        for (flags, stratum) in [(0xe4, 2), (0x24, 0), (0x24, 16)] {
            let mut bytes = sample_reply().encode();
            (bytes[0], bytes[1]) = (flags, stratum);
            assert_eq!(Reply::parse(&bytes), Ok(Reply::Unsynchronised { origin }), "{flags:x} {stratum}");
        }
        let request = Request { version: 4, poll: 6, cookie: origin, interleaved: None };
        for (text, code) in [
            (b"RATE", KissCode::Rate),
            (b"DENY", KissCode::Deny),
            (b"RSTR", KissCode::Restrict),
            (b"INIT", KissCode::Other(*b"INIT")),
        ] {
            assert_eq!(Reply::parse(&encode_kiss(&request, text)), Ok(Reply::Kiss { origin, code }));
        }
    }

    #[test]
    fn trailers_are_extension_fields_or_a_mac() {
        let parse_with = |trailer: &[u8]| Reply::parse(&[&sample_reply().encode(), trailer].concat());
        let authenticated = |trailer: &[u8]| match parse_with(trailer) {
            Ok(Reply::Time(reply)) => Some(reply.authenticated),
            _ => None,
        };
        let mut field = [0; 28];
        field[3] = 28;
        assert_eq!(authenticated(&field), Some(false));
        assert_eq!(authenticated(&[0; 4]), Some(true), "crypto-NAK");
        assert_eq!(authenticated(&[1; 20]), Some(true));
        assert_eq!(authenticated(&[1; 24]), Some(true));
        assert_eq!(parse_with(&[1; 12]), Err(Malformed::Trailer));
        assert_eq!(parse_with(&[0; 28]), Err(Malformed::Trailer), "a field of length 0 would never end");
        assert_eq!(parse_with(&[255; 28]), Err(Malformed::Trailer), "a field beyond the end");
    }

    #[test]
    fn no_bytes_can_make_parsing_panic() {
        let mut random = fastrand::Rng::with_seed(1);
        let template = sample_reply().encode();
        for round in 0..200_000 {
            let mut bytes = [0; MAX_LEN + 8];
            let length = random.usize(..=bytes.len());
            random.fill(&mut bytes[..length]);
            if round % 2 == 0 {
                bytes[..HEADER_LEN].copy_from_slice(&template);
                bytes[random.usize(..HEADER_LEN)] = random.u8(..);
            }
            let _ = Reply::parse(&bytes[..length]);
            let _ = Request::decode(&bytes[..length]);
        }
    }
}
