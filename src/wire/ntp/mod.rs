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

mod header;
mod reply;
mod request;

pub use header::Header;
pub use reply::{KissCode, MAX_LEN, Malformed, Reply, TimeReply, encode_kiss};
pub use request::{Cookie, Interleaved, Request};

/// Length of the header, and of a request without extension fields and MAC.
pub const HEADER_LEN: usize = 48;

const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;

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
