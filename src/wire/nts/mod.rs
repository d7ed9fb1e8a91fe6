//! Network Time Security (RFC 8915): what client and server of key establishment say, and what protects NTP packets.
//!
//! [`records`] is the protocol spoken over TLS, [`fields`] the extension fields of NTP packets, [`aead`] the encryption
//! that both need keys for. Without the feature `nts` there is no algorithm and so no key: all of it is there, and
//! nothing can be done with it.

pub mod aead;
pub mod fields;
pub mod records;

use std::fmt;

use crate::wire::secret::Secret;

/// Cookies kept, and so the most that are asked for at a time: chronyd's number, and that of RFC 8915 section 6.
pub const MOST_COOKIES: usize = 8;

/// Longer cookies are not kept.
const MAX_COOKIE_LEN: usize = 256;

/// What a server gives away to be shown its keys again. Each is used once, so that requests cannot be linked.
#[derive(Clone, PartialEq, Eq)]
pub struct NtsCookie(Secret);

impl NtsCookie {
    /// `None` if no extension field can hold it, or if it is longer than any server's.
    pub fn new(bytes: &[u8]) -> Option<NtsCookie> {
        let fits = !bytes.is_empty() && bytes.len() <= MAX_COOKIE_LEN && bytes.len().is_multiple_of(4);
        fits.then(|| NtsCookie(Secret::new(bytes.to_vec())))
    }

    /// The content.
    pub fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl fmt::Debug for NtsCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cookie of {} bytes", self.bytes().len())
    }
}
