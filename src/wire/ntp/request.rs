//! Requests of a client.

use byteorder::{BigEndian, ByteOrder};

use super::{HEADER_LEN, MODE_CLIENT, field};
use crate::time::NtpTimestamp;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
