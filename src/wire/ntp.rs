//! The NTP packet header (RFC 5905 section 7.3), as a client sends and receives it.
//!
//! A [`Request`] says nothing about us (data minimisation, draft-ietf-ntp-data-minimization): every field but version,
//! mode and poll is constant, and the transmit timestamp is a random [`Cookie`] that the server echoes. In interleaved
//! mode (RFC 9769) the origin timestamp is the server's own of before, and the receive timestamp is a second cookie.
//! Parsing yields a [`Reply`] that can only hold sense, or the [`Malformed`] field.
//!
//! ```
//! use slewd::wire::ntp::{Cookie, KissCode, Reply, Request, encode_kiss};
//!
//! let request = Request { version: 4, poll: 6, cookie: Cookie(0x0123_4567_89ab_cdef), interleaved: None };
//! assert_eq!(request.encode()[0], 0x23); // no leap second, version 4, mode 3 (client)
//!
//! let datagram = encode_kiss(&request, b"RATE");
//! let reply = Reply::parse(&datagram).expect("a reply");
//! assert_eq!(reply.origin(), request.cookie); // it answers this request
//! assert!(matches!(reply, Reply::Kiss { code: KissCode::Rate, .. }));
//! assert!(Reply::parse(&datagram[..47]).is_err()); // shorter than a header
//! ```

use byteorder::{BigEndian, ByteOrder};

use crate::time::{NtpTimestamp, Span};

/// Length of the header, and of every packet we send.
pub const HEADER_LEN: usize = 48;

/// Longest datagram considered: header, 1024 bytes of extension fields, and the longest MAC. chronyd takes no longer ones.
pub const MAX_LEN: usize = HEADER_LEN + 1024 + MAX_MAC_LEN;

/// Key identifier and a 160-bit digest: the longest trailer that is a MAC in version 4 (RFC 7822 section 7.5).
const MAX_MAC_LEN: usize = 24;

/// Shortest extension field when no MAC follows it (RFC 7822 section 7.5).
const MIN_EXTENSION_LEN: usize = 16;

const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;

/// Precision field of our requests: meaningless on purpose.
const NO_PRECISION: u8 = 32;

/// Random bits that tie a reply to its request; they stand where a naive client would tell its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cookie(pub u64);

/// A client request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Protocol version, 1 to 4.
    pub version: u8,
    /// Our poll interval, log2 of seconds.
    pub poll: i8,
    /// Echoed by the server as origin timestamp.
    pub cookie: Cookie,
    /// Asks when the reply before this one really left.
    pub interleaved: Option<Interleaved>,
}

/// What makes a request one of interleaved mode (RFC 9769 section 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interleaved {
    /// The receive timestamp of the reply whose departure is asked for.
    pub about: NtpTimestamp,
    /// Echoed, in the place of the other cookie, by a server that answers in this mode.
    pub cookie: Cookie,
}

/// Warning of a leap second at the end of the month (RFC 5905 figure 9).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Leap {
    /// No leap second announced.
    #[default]
    None,
    /// The last minute has 61 seconds.
    Insert,
    /// The last minute has 59 seconds.
    Delete,
}

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

/// The fields of a reply that tells the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeReply {
    /// Leap warning.
    pub leap: Leap,
    /// Version of the reply, 1 to 4; it need not equal the request's.
    pub version: u8,
    /// Stratum, 1 to 15.
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
    /// Echo of the cookie.
    pub origin: Cookie,
    /// When the request arrived, by the server's clock.
    pub receive: NtpTimestamp,
    /// When the reply left, by the server's clock.
    pub transmit: NtpTimestamp,
    /// A MAC follows: an answer to somebody who uses keys.
    pub authenticated: bool,
}

/// The descriptive fields of any server's packet, whether it tells the time or not: for the log of measurements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Leap warning; `None` if the server is not synchronised.
    pub leap: Option<Leap>,
    /// Protocol version.
    pub version: u8,
    /// Mode: 4 for a server.
    pub mode: u8,
    /// Stratum; 0 for a server that does not know the time, and for kisses-o'-death.
    pub stratum: u8,
    /// The server's poll field, log2 of seconds.
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

impl Request {
    /// The 48 bytes on the wire.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[field::FLAGS] = self.version << 3 | MODE_CLIENT;
        bytes[field::POLL] = self.poll as u8;
        bytes[field::PRECISION] = NO_PRECISION;
        if let Some(interleaved) = self.interleaved {
            BigEndian::write_u64(&mut bytes[field::ORIGIN], interleaved.about.0);
            BigEndian::write_u64(&mut bytes[field::RECEIVE], interleaved.cookie.0);
        }
        BigEndian::write_u64(&mut bytes[field::TRANSMIT], self.cookie.0);
        bytes
    }

    /// Reads a request, as a server would; `None` if it is not one.
    pub fn decode(bytes: &[u8]) -> Option<Request> {
        let header: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        let version = header[field::FLAGS] >> 3 & 7;
        let is_request = header[field::FLAGS] & 7 == MODE_CLIENT && (1..=4).contains(&version);
        let about = NtpTimestamp(BigEndian::read_u64(&header[field::ORIGIN]));
        let second = Cookie(BigEndian::read_u64(&header[field::RECEIVE]));
        let cookie = Cookie(BigEndian::read_u64(&header[field::TRANSMIT]));
        // Equal cookies cannot tell the modes apart (RFC 9769 section 2).
        let is_interleaved = about != NtpTimestamp::ZERO && second != cookie;
        is_request.then(|| Request {
            version,
            poll: header[field::POLL] as i8,
            cookie,
            interleaved: is_interleaved.then_some(Interleaved { about, cookie: second }),
        })
    }
}

impl Reply {
    /// Checks form only; whether it answers *our* request is for the source to say.
    pub fn parse(bytes: &[u8]) -> Result<Reply, Malformed> {
        if bytes.len() > MAX_LEN || !bytes.len().is_multiple_of(4) {
            return Err(Malformed::Length);
        }
        let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(Malformed::Length)?;
        let version = header[field::FLAGS] >> 3 & 7;
        if !(1..=4).contains(&version) {
            return Err(Malformed::Version);
        }
        if header[field::FLAGS] & 7 != MODE_SERVER {
            return Err(Malformed::Mode);
        }
        let authenticated = parse_trailer(&bytes[HEADER_LEN..])?;
        let origin = Cookie(BigEndian::read_u64(&header[field::ORIGIN]));
        let Header { leap, stratum, poll, root_delay, root_dispersion, reference_id, .. } = Header::read(header);
        let leap = match leap {
            Some(leap) => leap,
            None if stratum == 0 && reference_id != [0; 4] => {
                return Ok(Reply::Kiss { origin, code: KissCode::from(reference_id) });
            }
            None => return Ok(Reply::Unsynchronised { origin }),
        };
        if !(1..=15).contains(&stratum) {
            return Ok(Reply::Unsynchronised { origin });
        }
        let receive = NtpTimestamp(BigEndian::read_u64(&header[field::RECEIVE]));
        let transmit = NtpTimestamp(BigEndian::read_u64(&header[field::TRANSMIT]));
        if receive == NtpTimestamp::ZERO || transmit == NtpTimestamp::ZERO {
            return Err(Malformed::Timestamp);
        }
        Ok(Reply::Time(TimeReply {
            leap,
            version,
            stratum,
            poll,
            precision: header[field::PRECISION] as i8,
            root_delay,
            root_dispersion,
            reference_id,
            reference: NtpTimestamp(BigEndian::read_u64(&header[field::REFERENCE])),
            origin,
            receive,
            transmit,
            authenticated,
        }))
    }

    /// The cookie the server echoed.
    pub fn origin(&self) -> Cookie {
        match self {
            Reply::Time(reply) => reply.origin,
            Reply::Unsynchronised { origin } | Reply::Kiss { origin, .. } => *origin,
        }
    }
}

impl Header {
    /// The fields as they are on the wire, unchecked.
    pub fn read(header: &[u8; HEADER_LEN]) -> Header {
        Header {
            leap: match header[field::FLAGS] >> 6 {
                0 => Some(Leap::None),
                1 => Some(Leap::Insert),
                2 => Some(Leap::Delete),
                _ => None,
            },
            version: header[field::FLAGS] >> 3 & 7,
            mode: header[field::FLAGS] & 7,
            stratum: header[field::STRATUM],
            poll: header[field::POLL] as i8,
            precision: header[field::PRECISION] as i8,
            root_delay: short_to_span(BigEndian::read_u32(&header[field::ROOT_DELAY])),
            root_dispersion: short_to_span(BigEndian::read_u32(&header[field::ROOT_DISPERSION])),
            reference_id: [header[12], header[13], header[14], header[15]],
            reference: NtpTimestamp(BigEndian::read_u64(&header[field::REFERENCE])),
        }
    }
}

impl TimeReply {
    /// The 48 bytes on the wire: for the servers of the simulator and the demo.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let leap = match self.leap {
            Leap::None => 0,
            Leap::Insert => 1,
            Leap::Delete => 2,
        };
        let mut bytes = [0; HEADER_LEN];
        bytes[field::FLAGS] = leap << 6 | self.version << 3 | MODE_SERVER;
        bytes[field::STRATUM] = self.stratum;
        bytes[field::POLL] = self.poll as u8;
        bytes[field::PRECISION] = self.precision as u8;
        BigEndian::write_u32(&mut bytes[field::ROOT_DELAY], span_to_short(self.root_delay));
        BigEndian::write_u32(&mut bytes[field::ROOT_DISPERSION], span_to_short(self.root_dispersion));
        bytes[field::REFERENCE_ID].copy_from_slice(&self.reference_id);
        BigEndian::write_u64(&mut bytes[field::REFERENCE], self.reference.0);
        BigEndian::write_u64(&mut bytes[field::ORIGIN], self.origin.0);
        BigEndian::write_u64(&mut bytes[field::RECEIVE], self.receive.0);
        BigEndian::write_u64(&mut bytes[field::TRANSMIT], self.transmit.0);
        bytes
    }
}

/// A kiss-o'-death on the wire: for the servers of the simulator and the demo.
pub fn encode_kiss(request: &Request, code: &[u8; 4]) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[field::FLAGS] = 3 << 6 | request.version << 3 | MODE_SERVER;
    bytes[field::POLL] = request.poll as u8;
    bytes[field::REFERENCE_ID].copy_from_slice(code);
    BigEndian::write_u64(&mut bytes[field::ORIGIN], request.cookie.0);
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

/// Where the fields are (RFC 5905 figure 8).
mod field {
    use std::ops::Range;

    pub(super) const FLAGS: usize = 0;
    pub(super) const STRATUM: usize = 1;
    pub(super) const POLL: usize = 2;
    pub(super) const PRECISION: usize = 3;
    pub(super) const ROOT_DELAY: Range<usize> = 4..8;
    pub(super) const ROOT_DISPERSION: Range<usize> = 8..12;
    pub(super) const REFERENCE_ID: Range<usize> = 12..16;
    pub(super) const REFERENCE: Range<usize> = 16..24;
    pub(super) const ORIGIN: Range<usize> = 24..32;
    pub(super) const RECEIVE: Range<usize> = 32..40;
    pub(super) const TRANSMIT: Range<usize> = 40..48;
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

/// NTP short format: 16 bits of seconds, 16 of fraction (RFC 5905 section 6).
fn short_to_span(short: u32) -> Span {
    Span::from_nanos((i64::from(short) * crate::time::NANOS_PER_SEC) >> 16)
}

/// Rounds up, because it is a bound; saturates at 65536 s.
fn span_to_short(span: Span) -> u32 {
    let scaled = (i128::from(span.nanos().max(0)) << 16) + i128::from(crate::time::NANOS_PER_SEC - 1);
    u32::try_from(scaled / i128::from(crate::time::NANOS_PER_SEC)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_reply() -> TimeReply {
        TimeReply {
            leap: Leap::Insert,
            version: 4,
            stratum: 2,
            poll: 6,
            precision: -25,
            root_delay: Span::from_millis(500),
            root_dispersion: Span::from_millis(250),
            reference_id: [192, 0, 2, 1],
            reference: NtpTimestamp(1 << 63),
            origin: Cookie(0x0123_4567_89ab_cdef),
            receive: NtpTimestamp(0xeb00_0000_0000_0000),
            transmit: NtpTimestamp(0xeb00_0000_0000_1000),
            authenticated: false,
        }
    }

    #[test]
    fn a_request_tells_nothing_but_its_cookie() {
        let request = Request { version: 4, poll: 6, cookie: Cookie(0x1122_3344_5566_7788), interleaved: None };
        let bytes = request.encode();
        assert_eq!(bytes[..4], [0x23, 0, 6, 0x20]);
        assert_eq!(bytes[4..40], [0; 36]);
        assert_eq!(bytes[40..], [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
    }

    #[test]
    fn an_interleaved_request_tells_the_server_only_what_the_server_said() {
        let interleaved =
            Some(Interleaved { about: NtpTimestamp(0xeb00_0000_1234_5678), cookie: Cookie(0x99aa_bbcc_ddee_ff00) });
        let request = Request { version: 4, poll: 6, cookie: Cookie(0x1122_3344_5566_7788), interleaved };
        let bytes = request.encode();
        assert_eq!((&bytes[..4], &bytes[4..24]), (&[0x23, 0, 6, 0x20][..], &[0; 20][..]));
        assert_eq!(bytes[24..32], [0xeb, 0, 0, 0, 0x12, 0x34, 0x56, 0x78]);
        assert_eq!(bytes[32..40], [0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0]);
        assert_eq!(Request::decode(&bytes), Some(request));
        let equal =
            Request { interleaved: interleaved.map(|i| Interleaved { cookie: request.cookie, ..i }), ..request };
        assert_eq!(Request::decode(&equal.encode()), Some(Request { interleaved: None, ..request }));
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
