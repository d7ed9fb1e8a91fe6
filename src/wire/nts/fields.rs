//! Extension fields of NTP packets that NTS protects (RFC 8915 section 5, RFC 7822).
//!
//! A request is the header, a unique identifier, one cookie, placeholders for more of them, and the authenticator, which
//! vouches for all before it. A reply repeats the identifier, and has fresh cookies encrypted in its authenticator.

use std::ops::Range;

use byteorder::{BigEndian, ByteOrder};

use super::aead::{Key, TAG_LEN};
use super::{MOST_COOKIES, NtsCookie};
use crate::wire::ntp::HEADER_LEN;

/// Bytes of a unique identifier (RFC 8915 section 5.3).
pub const UNIQUE_LEN: usize = 32;

/// Ties a reply to its request.
pub type Unique = [u8; UNIQUE_LEN];

/// Bytes of all cookies and placeholders of a request together: no request is longer than chronyd's.
const MAX_COOKIES_LEN: usize = 8 * 108;

/// Type and length of a field.
const FIELD_HEADER: usize = 4;

/// A shorter field cannot be told from a MAC (RFC 7822 section 7.5).
const MIN_FIELD_LEN: usize = 16;

/// Lengths of nonce and ciphertext, at the start of an authenticator.
const AUTHENTICATOR_HEADER: usize = 4;

/// Types of fields.
mod kind {
    pub(super) const UNIQUE: u16 = 0x0104;
    pub(super) const COOKIE: u16 = 0x0204;
    pub(super) const PLACEHOLDER: u16 = 0x0304;
    pub(super) const AUTHENTICATOR: u16 = 0x0404;
}

/// What a packet is that bears our identifier, or is not ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opened {
    /// The server has made it for this request, and gives these cookies.
    Authentic(Vec<NtsCookie>),
    /// Somebody says that the server knows neither the cookie nor the keys: it need not be the server.
    Nak,
    /// Neither.
    Forged,
}

/// A request: protected with the key for requests and the first cookie. `stock` are the cookies that are left.
///
/// Placeholders ask for as many cookies as bring the stock back to eight. `None` if the nonce does not fit the key.
pub fn request(
    header: &[u8; HEADER_LEN],
    unique: &Unique,
    cookie: &NtsCookie,
    stock: usize,
    key: &Key,
    nonce: &[u8],
) -> Option<Vec<u8>> {
    let mut packet = Vec::with_capacity(1024);
    packet.extend_from_slice(header);
    put(&mut packet, kind::UNIQUE, unique);
    put(&mut packet, kind::COOKIE, cookie.bytes());
    let len = cookie.bytes().len();
    let room = MAX_COOKIES_LEN / (FIELD_HEADER + len);
    let wanted = MOST_COOKIES.saturating_sub(stock).min(room).saturating_sub(1);
    for _ in 0..wanted {
        put(&mut packet, kind::PLACEHOLDER, &vec![0; len]);
    }
    put_authenticator(&mut packet, key, nonce, &[])?;
    Some(packet)
}

/// What a reply to the request with this identifier is.
pub fn open_reply(packet: &[u8], unique: &Unique, key: &Key) -> Opened {
    let Some(fields) = Fields::of(packet) else { return Opened::Forged };
    if fields.unique.clone().is_none_or(|range| packet[range] != *unique) {
        return Opened::Forged;
    }
    let Some(authenticator) = fields.authenticator else {
        return if is_nak(packet) { Opened::Nak } else { Opened::Forged };
    };
    let Some(plain) = open(packet, authenticator, key) else { return Opened::Forged };
    match inner_cookies(&plain) {
        Some(cookies) if !cookies.is_empty() => Opened::Authentic(cookies),
        _ => Opened::Forged,
    }
}

/// A request as a server sees it: for the servers of the simulator.
pub struct Asked {
    /// Unique identifier, which the server has to repeat.
    pub unique: Unique,
    /// Cookie, by which the server finds the keys.
    pub cookie: Vec<u8>,
    /// Cookies wanted.
    pub wanted: usize,
    authenticator: Range<usize>,
}

impl Asked {
    /// Takes a request apart, unverified.
    pub fn read(packet: &[u8]) -> Option<Asked> {
        let fields = Fields::of(packet)?;
        let unique = packet.get(fields.unique?)?.try_into().ok()?;
        let cookie = packet.get(fields.cookie?)?.to_vec();
        Some(Asked { unique, cookie, wanted: 1 + fields.placeholders, authenticator: fields.authenticator? })
    }

    /// The request was made by who has the key.
    pub fn is_authentic(&self, packet: &[u8], key: &Key) -> bool {
        open(packet, self.authenticator.clone(), key).is_some_and(|plain| plain.is_empty())
    }
}

/// A server's reply: for the servers of the simulator.
pub fn reply(
    header: &[u8; HEADER_LEN],
    unique: &Unique,
    cookies: &[NtsCookie],
    key: &Key,
    nonce: &[u8],
) -> Option<Vec<u8>> {
    let mut packet = header.to_vec();
    put(&mut packet, kind::UNIQUE, unique);
    let mut plain = Vec::new();
    cookies.iter().for_each(|cookie| put(&mut plain, kind::COOKIE, cookie.bytes()));
    put_authenticator(&mut packet, key, nonce, &plain)?;
    Some(packet)
}

/// A server's word that it knows neither cookie nor keys: for the servers of the simulator. The header is that of a
/// kiss-o'-death.
pub fn nak(header: &[u8; HEADER_LEN], unique: &Unique) -> Vec<u8> {
    let mut packet = header.to_vec();
    put(&mut packet, kind::UNIQUE, unique);
    packet
}

/// Where the fields of a packet have their content.
#[derive(Default)]
struct Fields {
    unique: Option<Range<usize>>,
    cookie: Option<Range<usize>>,
    placeholders: usize,
    authenticator: Option<Range<usize>>,
}

impl Fields {
    /// `None` unless all is fields up to the end, identifier and authenticator are there at most once, and nothing follows
    /// the authenticator. Fields of other types are passed over.
    fn of(packet: &[u8]) -> Option<Fields> {
        let mut fields = Fields::default();
        let mut at = HEADER_LEN;
        while at < packet.len() {
            let (kind, len) = field_at(packet, at)?;
            if len < MIN_FIELD_LEN || fields.authenticator.is_some() {
                return None;
            }
            let content = at + FIELD_HEADER..at + len;
            let is_again = match kind {
                kind::UNIQUE => fields.unique.replace(content).is_some(),
                kind::COOKIE => fields.cookie.replace(content).is_some(),
                kind::AUTHENTICATOR => fields.authenticator.replace(content).is_some(),
                kind::PLACEHOLDER => {
                    fields.placeholders += 1;
                    false
                }
                _ => false,
            };
            if is_again {
                return None;
            }
            at += len;
        }
        Some(fields)
    }
}

/// Type and length, with its header, of the field that begins there.
fn field_at(bytes: &[u8], at: usize) -> Option<(u16, usize)> {
    let header = bytes.get(at..at + FIELD_HEADER)?;
    let len = usize::from(BigEndian::read_u16(&header[2..]));
    let fits = len >= FIELD_HEADER && len.is_multiple_of(4) && len <= bytes.len() - at;
    fits.then(|| (BigEndian::read_u16(header), len))
}

/// The plaintext of the authenticator with its content there, which vouches for all before it.
fn open(packet: &[u8], content: Range<usize>, key: &Key) -> Option<Vec<u8>> {
    let associated = packet.get(..content.start.checked_sub(FIELD_HEADER)?)?;
    let content = packet.get(content)?;
    let (header, rest) = content.split_at_checked(AUTHENTICATOR_HEADER)?;
    let nonce_len = usize::from(BigEndian::read_u16(header));
    let sealed_len = usize::from(BigEndian::read_u16(&header[2..]));
    let nonce = rest.get(..nonce_len)?;
    let sealed = rest.get(nonce_len.next_multiple_of(4)..)?.get(..sealed_len)?;
    key.open(nonce, associated, sealed)
}

/// Cookies among the fields of a plaintext; `None` if those are not well formed. Cookies that nobody could send back are
/// left out, and so are those beyond what a stock holds.
fn inner_cookies(plain: &[u8]) -> Option<Vec<NtsCookie>> {
    let (mut cookies, mut at) = (Vec::new(), 0);
    while at < plain.len() {
        let (kind, len) = field_at(plain, at)?;
        let content = &plain[at + FIELD_HEADER..at + len];
        if kind == kind::COOKIE && cookies.len() < MOST_COOKIES {
            cookies.extend(NtsCookie::new(content));
        }
        at += len;
    }
    Some(cookies)
}

/// Stratum 0 and the kiss code NTSN (RFC 8915 section 5.7).
fn is_nak(packet: &[u8]) -> bool {
    packet.get(1) == Some(&0) && packet.get(12..16) == Some(b"NTSN")
}

fn put(packet: &mut Vec<u8>, kind: u16, content: &[u8]) {
    let len = (FIELD_HEADER + content.len()).next_multiple_of(4).max(MIN_FIELD_LEN);
    let end = packet.len() + len;
    packet.extend_from_slice(&kind.to_be_bytes());
    packet.extend_from_slice(&(len as u16).to_be_bytes());
    packet.extend_from_slice(content);
    packet.resize(end, 0);
}

fn put_authenticator(packet: &mut Vec<u8>, key: &Key, nonce: &[u8], plain: &[u8]) -> Option<()> {
    if nonce.len() != key.algorithm().nonce_len() {
        return None;
    }
    let sealed = key.seal(nonce, packet, plain)?;
    debug_assert_eq!(sealed.len(), plain.len() + TAG_LEN);
    let mut content = Vec::with_capacity(AUTHENTICATOR_HEADER + nonce.len() + sealed.len());
    content.extend_from_slice(&(nonce.len() as u16).to_be_bytes());
    content.extend_from_slice(&(sealed.len() as u16).to_be_bytes());
    content.extend_from_slice(nonce);
    content.resize(content.len().next_multiple_of(4), 0);
    content.extend_from_slice(&sealed);
    put(packet, kind::AUTHENTICATOR, &content);
    Some(())
}

#[cfg(all(test, feature = "nts"))]
mod tests {
    use super::*;
    use crate::wire::nts::aead::Algorithm;
    use crate::wire::secret::Secret;

    const UNIQUE: Unique = [0xa5; UNIQUE_LEN];

    fn key(algorithm: Algorithm) -> Key {
        Key::new(algorithm, Secret::new(vec![3; algorithm.key_len()])).expect("a key")
    }

    fn cookie(len: usize) -> NtsCookie {
        NtsCookie::new(&vec![7; len]).expect("a cookie")
    }

    fn header() -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        (header[0], header[1]) = (0x24, 2);
        header
    }

    fn good_reply(algorithm: Algorithm, cookies: usize) -> Vec<u8> {
        let nonce = vec![1; algorithm.nonce_len()];
        reply(&header(), &UNIQUE, &vec![cookie(100); cookies], &key(algorithm), &nonce).expect("the nonce fits")
    }

    /// Measured with chronyd: 228 bytes with a full stock, 956 with seven placeholders.
    #[test]
    fn requests_are_as_long_as_chronyds() {
        let key = key(Algorithm::SivCmac256);
        let len =
            |stock| request(&header(), &UNIQUE, &cookie(100), stock, &key, &[2; 16]).expect("the nonce fits").len();
        assert_eq!((len(7), len(0), len(8)), (228, 956, 228));
        let long = request(&header(), &UNIQUE, &cookie(256), 0, &key, &[2; 16]).expect("the nonce fits");
        assert_eq!(long.len(), 48 + 36 + 3 * 260 + 40, "longer cookies come fewer at a time");
    }

    #[test]
    fn a_server_can_read_a_request_and_the_client_its_reply() {
        for algorithm in Algorithm::ALL {
            let key = key(algorithm);
            let nonce = vec![2; algorithm.nonce_len()];
            let packet = request(&header(), &UNIQUE, &cookie(96), 4, &key, &nonce).expect("the nonce fits");
            let asked = Asked::read(&packet).expect("a request");
            assert_eq!((asked.unique, asked.cookie.as_slice(), asked.wanted), (UNIQUE, cookie(96).bytes(), 4));
            assert!(asked.is_authentic(&packet, &key));
            for at in 0..packet.len() {
                let mut changed = packet.clone();
                changed[at] ^= 0x40;
                let is_taken = Asked::read(&changed).is_some_and(|asked| asked.is_authentic(&changed, &key));
                assert!(!is_taken, "{algorithm:?}, byte {at}");
            }
            assert_eq!(open_reply(&good_reply(algorithm, 3), &UNIQUE, &key), Opened::Authentic(vec![cookie(100); 3]));
        }
    }

    #[test]
    fn a_reply_that_was_cut_or_changed_anywhere_is_forged() {
        for algorithm in Algorithm::ALL {
            let (key, packet) = (key(algorithm), good_reply(algorithm, 1));
            for at in 0..packet.len() {
                assert_eq!(open_reply(&packet[..at], &UNIQUE, &key), Opened::Forged, "{at} bytes");
                for bit in [1, 0x80] {
                    let mut changed = packet.clone();
                    changed[at] ^= bit;
                    assert_eq!(open_reply(&changed, &UNIQUE, &key), Opened::Forged, "{algorithm:?}, byte {at}");
                }
            }
        }
    }

    #[test]
    fn a_replay_and_a_reply_to_somebody_else_are_forged() {
        let (key, packet) = (key(Algorithm::SivCmac256), good_reply(Algorithm::SivCmac256, 1));
        assert_eq!(open_reply(&packet, &[1; UNIQUE_LEN], &key), Opened::Forged);
        let other = Key::new(Algorithm::SivCmac256, Secret::new(vec![4; 32])).expect("a key");
        assert_eq!(open_reply(&packet, &UNIQUE, &other), Opened::Forged);
    }

    /// Fields that are moved, doubled, stripped, or come after the authenticator, which does not vouch for them.
    #[test]
    fn fields_in_another_order_or_number_are_forged() {
        let (key, packet) = (key(Algorithm::SivCmac256), good_reply(Algorithm::SivCmac256, 1));
        let (head, rest) = packet.split_at(HEADER_LEN);
        let (unique, authenticator) = rest.split_at(FIELD_HEADER + UNIQUE_LEN);
        let unknown = [&[0x7f, 1, 0, 16][..], &[0; 12]].concat();
        for parts in [
            vec![head, authenticator, unique],
            vec![head, authenticator],
            vec![head, unique],
            vec![head, unique, authenticator, authenticator],
            vec![head, unique, unique, authenticator],
            vec![head, unique, authenticator, &unknown],
            vec![head, unique, &unknown, authenticator],
            vec![head, unique, authenticator, &[0; 4]],
        ] {
            assert_eq!(open_reply(&parts.concat(), &UNIQUE, &key), Opened::Forged, "{parts:?}");
        }
    }

    #[test]
    fn a_nak_is_told_from_a_forgery_by_our_identifier() {
        let key = key(Algorithm::SivCmac256);
        let mut kiss = [0; HEADER_LEN];
        (kiss[0], kiss[1]) = (0xe4, 0);
        kiss[12..16].copy_from_slice(b"NTSN");
        let packet = nak(&kiss, &UNIQUE);
        assert_eq!(packet.len(), 84);
        assert_eq!(open_reply(&packet, &UNIQUE, &key), Opened::Nak);
        assert_eq!(open_reply(&packet, &[1; UNIQUE_LEN], &key), Opened::Forged);
        kiss[12..16].copy_from_slice(b"RATE");
        assert_eq!(open_reply(&nak(&kiss, &UNIQUE), &UNIQUE, &key), Opened::Forged, "an unauthenticated kiss");
    }

    /// Cookies of ntpd-rs's advisories: without content, and longer than anybody can send back.
    #[test]
    fn cookies_that_cannot_be_used_are_left_out_and_a_reply_without_one_is_refused() {
        let key = key(Algorithm::SivCmac256);
        let with = |plain: &[u8]| {
            let mut packet = header().to_vec();
            put(&mut packet, kind::UNIQUE, &UNIQUE);
            put_authenticator(&mut packet, &key, &[1; 16], plain).expect("the nonce fits");
            open_reply(&packet, &UNIQUE, &key)
        };
        let field =
            |len: usize| [&kind::COOKIE.to_be_bytes()[..], &(len as u16 + 4).to_be_bytes(), &vec![9; len]].concat();
        assert_eq!(with(&[]), Opened::Forged);
        assert_eq!(with(&field(0)), Opened::Forged);
        assert_eq!(with(&field(260)), Opened::Forged);
        assert_eq!(with(&field(6)), Opened::Forged, "no multiple of four");
        assert_eq!(with(&[&field(100)[..], &[2, 4, 0, 200]].concat()), Opened::Forged, "beyond the end");
        let good = NtsCookie::new(&[9; 100]).expect("a cookie");
        assert_eq!(with(&[field(0), field(100), field(260)].concat()), Opened::Authentic(vec![good.clone()]));
        assert_eq!(with(&field(100).repeat(20)), Opened::Authentic(vec![good; MOST_COOKIES]));
    }

    #[test]
    fn no_bytes_can_make_reading_panic() {
        let mut random = fastrand::Rng::with_seed(5);
        let (key, template) = (key(Algorithm::Gcm128Siv), good_reply(Algorithm::Gcm128Siv, 2));
        for _ in 0..50_000 {
            let mut packet = template[..random.usize(..=template.len())].to_vec();
            for _ in 0..random.usize(..4) {
                if let Some(byte) = random.choice(packet.iter_mut()) {
                    *byte = random.u8(..);
                }
            }
            let opened = open_reply(&packet, &UNIQUE, &key);
            assert!(packet == template || !matches!(opened, Opened::Authentic(_)));
            let _ = Asked::read(&packet);
        }
    }
}
