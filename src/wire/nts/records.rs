//! Records of key establishment (RFC 8915 section 4): what is asked, and the answer piece by piece as it arrives.

use std::fmt;

use byteorder::{BigEndian, ByteOrder};

use super::aead::Algorithm;
use super::{MOST_COOKIES, NtsCookie};

/// What TLS must agree on (RFC 8915 section 4).
pub const ALPN: &[u8] = b"ntske/1";

/// The port of key establishment.
pub const PORT: u16 = 4460;

/// A longer answer is none: chronyd's limit.
const MAX_MESSAGE_LEN: usize = 16_384;

/// Longest name of a server: chronyd's limit.
const MAX_NAME_LEN: usize = 256;

/// The only protocol there is.
const NTPV4: u16 = 0;

const CRITICAL: u16 = 1 << 15;

/// Types of records (IANA: NTS Key Establishment Record Types).
mod kind {
    pub(super) const END: u16 = 0;
    pub(super) const PROTOCOL: u16 = 1;
    pub(super) const ERROR: u16 = 2;
    pub(super) const WARNING: u16 = 3;
    pub(super) const AEAD: u16 = 4;
    pub(super) const COOKIE: u16 = 5;
    pub(super) const SERVER: u16 = 6;
    pub(super) const PORT: u16 = 7;
    /// Of pools: a server that is not wanted (draft-ietf-ntp-nts-keyexchange-pool).
    pub(super) const DENY: u16 = 13;
    /// chrony's: keys of AEAD 30 are exported with the number 30.
    pub(super) const COMPLIANT_EXPORT: u16 = 1024;
}

/// What a server answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeAnswer {
    /// The algorithm it chose among those offered.
    pub algorithm: Algorithm,
    /// Cookies, at least one.
    pub cookies: Vec<NtsCookie>,
    /// Where time is served, if not by the server of key establishment itself: a name or an address.
    pub server: Option<String>,
    /// Port of the NTP server, if it is not 123.
    pub port: Option<u16>,
    /// The server exports keys of algorithm 30 as RFC 8915 says.
    pub exports_as_specified: bool,
}

/// Why an answer is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// A critical record of a type that we do not know.
    UnknownCritical(u16),
    /// A record that may be there once is there again.
    Repeated(&'static str),
    /// A record without which there is no answer.
    Missing(&'static str),
    /// A record has a content that its type does not allow.
    Content(&'static str),
    /// No algorithm in common.
    NoAlgorithm,
    /// An algorithm that was not offered.
    NotOffered(u16),
    /// The server reports an error by its number.
    Error(u16),
    /// The server reports a warning by its number, and none are defined.
    Warning(u16),
    /// Something follows the end of the message.
    AfterEnd,
    /// Longer than any answer.
    TooLong,
}

/// The request for keys. `denied` are servers that the client has already.
pub fn request(algorithms: &[Algorithm], denied: &[String]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    put(&mut bytes, CRITICAL | kind::PROTOCOL, &NTPV4.to_be_bytes());
    let ids: Vec<u8> = algorithms.iter().flat_map(|algorithm| algorithm.id().to_be_bytes()).collect();
    put(&mut bytes, CRITICAL | kind::AEAD, &ids);
    if algorithms.contains(&Algorithm::Gcm128Siv) {
        put(&mut bytes, kind::COMPLIANT_EXPORT, &[]);
    }
    denied.iter().for_each(|server| put(&mut bytes, kind::DENY, server.as_bytes()));
    put(&mut bytes, CRITICAL | kind::END, &[]);
    bytes
}

/// An answer as it arrives.
#[derive(Debug)]
pub struct Reader {
    offered: Vec<Algorithm>,
    bytes: Vec<u8>,
}

impl Reader {
    /// Nothing has arrived yet.
    pub fn new(offered: &[Algorithm]) -> Reader {
        Reader { offered: offered.to_vec(), bytes: Vec::new() }
    }

    /// Takes what has arrived; the answer when it is complete.
    ///
    /// # Errors
    /// What is wrong with the answer, as soon as that is certain.
    pub fn take(&mut self, more: &[u8]) -> Result<Option<KeAnswer>, Wrong> {
        if self.bytes.len() + more.len() > MAX_MESSAGE_LEN {
            return Err(Wrong::TooLong);
        }
        self.bytes.extend_from_slice(more);
        let mut rest = self.bytes.as_slice();
        let mut found = FoundRecords::default();
        while let Some((kind, body, after)) = record(rest) {
            if kind & !CRITICAL == kind::END {
                return match (kind & CRITICAL, body, after) {
                    (CRITICAL, [], []) => found.answer().map(Some),
                    (CRITICAL, [], _) => Err(Wrong::AfterEnd),
                    _ => Err(Wrong::Content("end of message")),
                };
            }
            found.take(kind, body, &self.offered)?;
            rest = after;
        }
        Ok(None)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.bytes.fill(0);
        std::hint::black_box(&self.bytes);
    }
}

/// Type, content and what follows, if a whole record is there.
fn record(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(4)?;
    let (body, after) = rest.split_at_checked(usize::from(BigEndian::read_u16(&header[2..])))?;
    Some((BigEndian::read_u16(header), body, after))
}

#[derive(Default)]
struct FoundRecords {
    has_protocol: bool,
    algorithm: Option<Algorithm>,
    cookies: Vec<NtsCookie>,
    server: Option<String>,
    port: Option<u16>,
    exports_as_specified: bool,
}

impl FoundRecords {
    fn take(&mut self, kind: u16, body: &[u8], offered: &[Algorithm]) -> Result<(), Wrong> {
        let number = |name| match *body {
            [high, low] => Ok(u16::from_be_bytes([high, low])),
            _ => Err(Wrong::Content(name)),
        };
        let once = |is_again: bool, name| if is_again { Err(Wrong::Repeated(name)) } else { Ok(()) };
        match kind & !CRITICAL {
            kind::PROTOCOL => {
                once(std::mem::replace(&mut self.has_protocol, true), "next protocol")?;
                // An empty record says that there is none in common.
                if number("next protocol")? != NTPV4 {
                    return Err(Wrong::Content("next protocol"));
                }
            }
            kind::ERROR => return Err(Wrong::Error(number("error")?)),
            kind::WARNING => return Err(Wrong::Warning(number("warning")?)),
            kind::AEAD => {
                if body.is_empty() {
                    return Err(Wrong::NoAlgorithm);
                }
                let id = number("AEAD algorithm")?;
                let algorithm = Algorithm::find(id).filter(|algorithm| offered.contains(algorithm));
                once(self.algorithm.is_some(), "AEAD algorithm")?;
                self.algorithm = Some(algorithm.ok_or(Wrong::NotOffered(id))?);
            }
            kind::COOKIE => {
                let has_room = self.cookies.len() < MOST_COOKIES;
                self.cookies.extend(NtsCookie::new(body).filter(|_| has_room));
            }
            kind::SERVER => {
                let is_name = !body.is_empty() && body.len() <= MAX_NAME_LEN && body.iter().all(u8::is_ascii_graphic);
                let name = std::str::from_utf8(body).ok().filter(|_| is_name).ok_or(Wrong::Content("server"))?;
                once(self.server.replace(name.to_owned()).is_some(), "server")?;
            }
            kind::PORT => {
                let port = number("port")?;
                if port == 0 {
                    return Err(Wrong::Content("port"));
                }
                once(self.port.replace(port).is_some(), "port")?;
            }
            kind::COMPLIANT_EXPORT => self.exports_as_specified = true,
            other if kind & CRITICAL != 0 => return Err(Wrong::UnknownCritical(other)),
            _ => {}
        }
        Ok(())
    }

    fn answer(self) -> Result<KeAnswer, Wrong> {
        if !self.has_protocol {
            return Err(Wrong::Missing("next protocol"));
        }
        let algorithm = self.algorithm.ok_or(Wrong::Missing("AEAD algorithm"))?;
        if self.cookies.is_empty() {
            return Err(Wrong::Missing("cookie"));
        }
        Ok(KeAnswer {
            algorithm,
            cookies: self.cookies,
            server: self.server,
            port: self.port,
            exports_as_specified: self.exports_as_specified,
        })
    }
}

fn put(bytes: &mut Vec<u8>, kind: u16, body: &[u8]) {
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
    bytes.extend_from_slice(body);
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::UnknownCritical(kind) => write!(f, "critical record of unknown type {kind}"),
            Wrong::Repeated(name) => write!(f, "more than one record \"{name}\""),
            Wrong::Missing(name) => write!(f, "no usable record \"{name}\""),
            Wrong::Content(name) => write!(f, "wrong content of record \"{name}\""),
            Wrong::NoAlgorithm => write!(f, "no AEAD algorithm in common"),
            Wrong::NotOffered(id) => write!(f, "AEAD algorithm {id} was not offered"),
            Wrong::Error(0) => write!(f, "error 0: the server does not know a critical record"),
            Wrong::Error(1) => write!(f, "error 1: bad request"),
            Wrong::Error(2) => write!(f, "error 2: internal error of the server"),
            Wrong::Error(number) => write!(f, "error {number}"),
            Wrong::Warning(number) => write!(f, "warning {number}"),
            Wrong::AfterEnd => write!(f, "data after the end of the message"),
            Wrong::TooLong => write!(f, "more than {MAX_MESSAGE_LEN} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: [Algorithm; 2] = Algorithm::ALL;

    fn records(list: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        list.iter().for_each(|(kind, body)| put(&mut bytes, *kind, body));
        bytes
    }

    const PROTOCOL: (u16, &[u8]) = (CRITICAL | kind::PROTOCOL, &[0, 0]);
    const SIV: (u16, &[u8]) = (CRITICAL | kind::AEAD, &[0, 15]);
    const COOKIE: (u16, &[u8]) = (kind::COOKIE, &[5; 100]);
    const END: (u16, &[u8]) = (CRITICAL | kind::END, &[]);

    fn read(list: &[(u16, &[u8])]) -> Result<Option<KeAnswer>, Wrong> {
        Reader::new(&OFFER).take(&records(list))
    }

    #[test]
    fn the_request_is_that_of_the_rfc() {
        let expected = records(&[PROTOCOL, (CRITICAL | kind::AEAD, &[0, 30, 0, 15]), (1024, &[]), END]);
        assert_eq!(request(&OFFER, &[]), expected);
        let denying = request(&[Algorithm::SivCmac256], &["a.example".to_owned()]);
        assert_eq!(denying, records(&[PROTOCOL, SIV, (13, b"a.example"), END]));
    }

    #[test]
    fn an_answer_is_read_byte_by_byte() {
        let bytes = records(&[
            PROTOCOL,
            SIV,
            (kind::SERVER, b"ntp.example."),
            (kind::PORT, &[0x2b, 0x67]),
            (0x2000, b"unknown"),
            COOKIE,
            (kind::COOKIE, &[6; 96]),
            END,
        ]);
        let mut reader = Reader::new(&OFFER);
        let (last, first) = bytes.split_last().expect("not empty");
        for byte in first {
            assert_eq!(reader.take(&[*byte]), Ok(None));
        }
        let answer = reader.take(&[*last]).expect("it is right").expect("it is complete");
        assert_eq!(answer.algorithm, Algorithm::SivCmac256);
        assert_eq!(answer.cookies.iter().map(|cookie| cookie.bytes().len()).collect::<Vec<_>>(), [100, 96]);
        assert_eq!((answer.server.as_deref(), answer.port), (Some("ntp.example."), Some(11111)));
        assert!(!answer.exports_as_specified);
    }

    #[test]
    fn each_wrong_answer_is_named() {
        let with = |record: (u16, &'static [u8])| read(&[PROTOCOL, SIV, COOKIE, record, END]).err();
        for (list, wrong) in [
            (vec![SIV, COOKIE, END], Wrong::Missing("next protocol")),
            (vec![PROTOCOL, COOKIE, END], Wrong::Missing("AEAD algorithm")),
            (vec![PROTOCOL, SIV, END], Wrong::Missing("cookie")),
            (vec![PROTOCOL, SIV, (kind::COOKIE, &[]), END], Wrong::Missing("cookie")),
            (vec![PROTOCOL, SIV, (kind::COOKIE, &[1; 257]), END], Wrong::Missing("cookie")),
            (vec![(kind::PROTOCOL, &[0x80, 1])], Wrong::Content("next protocol")),
            (vec![(kind::PROTOCOL, &[])], Wrong::Content("next protocol")),
            (vec![PROTOCOL, (kind::AEAD, &[])], Wrong::NoAlgorithm),
            (vec![PROTOCOL, (kind::AEAD, &[0, 17])], Wrong::NotOffered(17)),
            (vec![PROTOCOL, SIV, COOKIE, (kind::END, &[])], Wrong::Content("end of message")),
            (vec![PROTOCOL, SIV, COOKIE, END, COOKIE], Wrong::AfterEnd),
        ] {
            assert_eq!(read(&list), Err(wrong), "{list:?}");
        }
        assert_eq!(with(PROTOCOL), Some(Wrong::Repeated("next protocol")));
        assert_eq!(with(SIV), Some(Wrong::Repeated("AEAD algorithm")));
        assert_eq!(with((CRITICAL | 77, &[])), Some(Wrong::UnknownCritical(77)));
        assert_eq!(with((CRITICAL | kind::ERROR, &[0, 1])), Some(Wrong::Error(1)));
        assert_eq!(with((kind::WARNING, &[0, 9])), Some(Wrong::Warning(9)));
        assert_eq!(with((kind::PORT, &[1])), Some(Wrong::Content("port")));
        assert_eq!(with((kind::SERVER, b"two words")), Some(Wrong::Content("server")));
        let only_siv = Reader::new(&[Algorithm::SivCmac256]).take(&records(&[PROTOCOL, (kind::AEAD, &[0, 30])]));
        assert_eq!(only_siv, Err(Wrong::NotOffered(30)));
    }

    #[test]
    fn records_without_end_come_to_an_end() {
        let mut reader = Reader::new(&OFFER);
        let endless = records(&[(0x2000, &[0; 1000])]);
        let refused = (0..100).find_map(|_| reader.take(&endless).err());
        assert_eq!(refused, Some(Wrong::TooLong));
    }

    #[test]
    fn no_bytes_can_make_reading_panic() {
        let mut random = fastrand::Rng::with_seed(7);
        let template = records(&[PROTOCOL, SIV, (kind::PORT, &[0, 123]), COOKIE, END]);
        for _ in 0..50_000 {
            let mut bytes = template[..random.usize(..=template.len())].to_vec();
            for _ in 0..random.usize(..4) {
                if let Some(byte) = random.choice(bytes.iter_mut()) {
                    *byte = random.u8(..);
                }
            }
            let _ = Reader::new(&OFFER).take(&bytes);
        }
    }
}
