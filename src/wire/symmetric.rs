//! Symmetric keys (RFC 5905 section 7.3, RFC 8573): a message authentication code behind the packet.
//!
//! The trailer is the number of the key and a digest of the packet before it. Version 4 has room for 20 bytes of digest,
//! so that longer ones are cut; version 3 carries them whole.
//!
//! ```
//! use slewd::wire::symmetric::{MacAlgorithm, SymmetricKey};
//!
//! let key = SymmetricKey::new(7, MacAlgorithm::Md5, b"correct horse".to_vec()).expect("a key");
//! let mut packet = vec![0x23; 48];
//! key.sign(&mut packet, 4);
//! assert_eq!(packet.len(), 48 + 4 + 16);
//! assert_eq!(key.verified(&packet, 4), Some(&packet[..48]));
//! packet[9] ^= 1;
//! assert_eq!(key.verified(&packet, 4), None);
//! ```

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "nts")]
use aes::{Aes128, Aes256};
#[cfg(feature = "nts")]
use cmac::{Cmac, KeyInit, Mac};

use super::secret::{Secret, is_equal};

/// The number of the key before the digest.
const ID_LEN: usize = 4;

/// Room for a digest in version 4 (RFC 7822 section 7.5).
const MAX_DIGEST_LEN_V4: usize = 20;

/// The longest digest: that of SHA-512.
const MAX_DIGEST_LEN: usize = 64;

/// What follows the longest packet that we send with a key.
pub const MAX_TRAILER_LEN: usize = ID_LEN + MAX_DIGEST_LEN;

/// How the digest is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MacAlgorithm {
    /// MD5 of key and packet (RFC 5905).
    Md5,
    /// SHA-1 of key and packet.
    Sha1,
    /// SHA-256 of key and packet.
    Sha256,
    /// SHA-384 of key and packet.
    Sha384,
    /// SHA-512 of key and packet.
    Sha512,
    /// CMAC with AES-128 (RFC 8573).
    Aes128,
    /// CMAC with AES-256.
    Aes256,
}

/// A key that both sides know. It is never printed, and wiped when the last copy goes.
#[derive(Clone)]
pub struct SymmetricKey {
    id: u32,
    algorithm: MacAlgorithm,
    secret: Arc<Secret>,
}

/// Keys by their numbers.
#[derive(Clone, Debug, Default)]
pub struct KeyTable {
    /// Sorted by number, none twice.
    keys: Vec<SymmetricKey>,
}

impl KeyTable {
    /// Adds a key; `false` if there is one of its number.
    pub fn add(&mut self, key: SymmetricKey) -> bool {
        let place = self.keys.binary_search_by_key(&key.id(), SymmetricKey::id);
        place.map_err(|place| self.keys.insert(place, key)).is_err()
    }

    /// The key of this number.
    pub fn find(&self, id: u32) -> Option<&SymmetricKey> {
        self.keys.binary_search_by_key(&id, SymmetricKey::id).ok().map(|place| &self.keys[place])
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }
}

impl MacAlgorithm {
    /// Every algorithm, in the order of the manual.
    pub const ALL: [MacAlgorithm; 7] = [
        MacAlgorithm::Md5,
        MacAlgorithm::Sha1,
        MacAlgorithm::Sha256,
        MacAlgorithm::Sha384,
        MacAlgorithm::Sha512,
        MacAlgorithm::Aes128,
        MacAlgorithm::Aes256,
    ];

    /// The name in key files.
    pub fn name(self) -> &'static str {
        match self {
            MacAlgorithm::Md5 => "MD5",
            MacAlgorithm::Sha1 => "SHA1",
            MacAlgorithm::Sha256 => "SHA256",
            MacAlgorithm::Sha384 => "SHA384",
            MacAlgorithm::Sha512 => "SHA512",
            MacAlgorithm::Aes128 => "AES128",
            MacAlgorithm::Aes256 => "AES256",
        }
    }

    /// The algorithm of this name.
    pub fn find(name: &str) -> Option<MacAlgorithm> {
        MacAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The number in the report `authdata` of chronyc(1).
    pub fn code(self) -> u16 {
        match self {
            MacAlgorithm::Md5 => 1,
            MacAlgorithm::Sha1 => 2,
            MacAlgorithm::Sha256 => 3,
            MacAlgorithm::Sha384 => 4,
            MacAlgorithm::Sha512 => 5,
            MacAlgorithm::Aes128 => 13,
            MacAlgorithm::Aes256 => 14,
        }
    }

    /// Bytes that the key must have; `None`: any number but 0.
    pub fn key_len(self) -> Option<usize> {
        match self {
            MacAlgorithm::Aes128 => Some(16),
            MacAlgorithm::Aes256 => Some(32),
            _ => None,
        }
    }

    /// This program was built with it. MD5 is always there, the others come with the feature `nts`.
    pub fn is_built_in(self) -> bool {
        self == MacAlgorithm::Md5 || cfg!(feature = "nts")
    }

    /// Bytes of the whole digest.
    pub fn digest_len(self) -> usize {
        match self {
            MacAlgorithm::Md5 | MacAlgorithm::Aes128 | MacAlgorithm::Aes256 => 16,
            MacAlgorithm::Sha1 => 20,
            MacAlgorithm::Sha256 => 32,
            MacAlgorithm::Sha384 => 48,
            MacAlgorithm::Sha512 => 64,
        }
    }

    /// Version 4 has no room for the whole digest.
    pub fn is_cut_in_version_4(self) -> bool {
        self.digest_len() > MAX_DIGEST_LEN_V4
    }
}

impl SymmetricKey {
    /// `None` if the algorithm is not built in, or a key of this length does not fit it.
    pub fn new(id: u32, algorithm: MacAlgorithm, secret: Vec<u8>) -> Option<SymmetricKey> {
        let fits = algorithm.key_len().map_or(!secret.is_empty(), |len| secret.len() == len);
        let secret = Secret::new(secret);
        (fits && id != 0 && algorithm.is_built_in()).then(|| SymmetricKey { id, algorithm, secret: Arc::new(secret) })
    }

    /// The number by which both sides call the key.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How digests are made with the key.
    pub fn algorithm(&self) -> MacAlgorithm {
        self.algorithm
    }

    /// Length of the key in bits.
    pub fn bits(&self) -> usize {
        self.secret.bytes().len() * 8
    }

    /// Appends number and digest to a packet of this version.
    pub fn sign(&self, packet: &mut Vec<u8>, version: u8) {
        let digest = self.digest(packet);
        packet.extend_from_slice(&self.id.to_be_bytes());
        packet.extend_from_slice(&digest[..self.sent_len(version)]);
    }

    /// The packet before the trailer, if the trailer is what [`SymmetricKey::sign`] appends to it.
    pub fn verified<'a>(&self, packet: &'a [u8], version: u8) -> Option<&'a [u8]> {
        let len = self.sent_len(version);
        let (signed, trailer) = packet.split_at_checked(packet.len().checked_sub(ID_LEN + len)?)?;
        let (id, digest) = trailer.split_at(ID_LEN);
        let is_ours = id == self.id.to_be_bytes() && is_equal(digest, &self.digest(signed)[..len]);
        is_ours.then_some(signed)
    }

    fn sent_len(&self, version: u8) -> usize {
        let whole = self.algorithm.digest_len();
        if version >= 4 { whole.min(MAX_DIGEST_LEN_V4) } else { whole }
    }

    /// The digest, in front of zeros.
    fn digest(&self, packet: &[u8]) -> [u8; MAX_DIGEST_LEN] {
        let mut digest = [0; MAX_DIGEST_LEN];
        let mut fill = |made: &[u8]| digest[..made.len()].copy_from_slice(made);
        match self.algorithm {
            MacAlgorithm::Md5 => {
                let mut context = md5::Context::new();
                context.consume(self.secret.bytes());
                context.consume(packet);
                fill(&context.finalize().0);
            }
            #[cfg(feature = "nts")]
            MacAlgorithm::Aes128 => fill(&cmac::<Cmac<Aes128>>(self.secret.bytes(), packet)),
            #[cfg(feature = "nts")]
            MacAlgorithm::Aes256 => fill(&cmac::<Cmac<Aes256>>(self.secret.bytes(), packet)),
            #[cfg(feature = "nts")]
            MacAlgorithm::Sha1 | MacAlgorithm::Sha256 | MacAlgorithm::Sha384 | MacAlgorithm::Sha512 => {
                let mut context = ring::digest::Context::new(match self.algorithm {
                    MacAlgorithm::Sha256 => &ring::digest::SHA256,
                    MacAlgorithm::Sha384 => &ring::digest::SHA384,
                    MacAlgorithm::Sha512 => &ring::digest::SHA512,
                    _ => &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
                });
                context.update(self.secret.bytes());
                context.update(packet);
                fill(context.finish().as_ref());
            }
            #[cfg(not(feature = "nts"))]
            _ => unreachable!("a key of an algorithm that is not built in has no constructor"),
        }
        digest
    }
}

#[cfg(feature = "nts")]
fn cmac<M: Mac + KeyInit>(key: &[u8], packet: &[u8]) -> cmac::digest::Output<M> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("the constructor has checked the length");
    mac.update(packet);
    mac.finalize().into_bytes()
}

impl PartialEq for SymmetricKey {
    fn eq(&self, other: &SymmetricKey) -> bool {
        let is_same = self.secret == other.secret;
        self.id == other.id && self.algorithm == other.algorithm && is_same
    }
}

impl fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} ({})", self.id, self.algorithm.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: MacAlgorithm) -> SymmetricKey {
        let secret = vec![0x5a; algorithm.key_len().unwrap_or(24)];
        SymmetricKey::new(0x0102_0304, algorithm, secret).expect("a key")
    }

    fn built_in() -> impl Iterator<Item = MacAlgorithm> {
        MacAlgorithm::ALL.into_iter().filter(|algorithm| algorithm.is_built_in())
    }

    /// chronyd 4.3 takes no other lengths.
    #[test]
    fn version_4_cuts_long_digests_and_version_3_does_not() {
        for algorithm in built_in() {
            let key = key(algorithm);
            for (version, len) in [(3, algorithm.digest_len()), (4, algorithm.digest_len().min(20))] {
                let mut packet = vec![version << 3 | 3; 48];
                key.sign(&mut packet, version);
                assert_eq!(packet.len(), 48 + 4 + len, "{algorithm:?} {version}");
                assert_eq!(packet[48..52], [1, 2, 3, 4]);
                assert_eq!(key.verified(&packet, version), Some(&packet[..48]));
            }
        }
    }

    #[test]
    fn a_packet_that_was_changed_anywhere_or_cut_is_not_verified() {
        for algorithm in built_in() {
            let key = key(algorithm);
            let mut packet = vec![0x24; 48];
            key.sign(&mut packet, 4);
            for at in 0..packet.len() {
                let mut changed = packet.clone();
                changed[at] ^= 0x10;
                assert_eq!(key.verified(&changed, 4), None, "{algorithm:?}, byte {at}");
            }
            for len in 0..packet.len() {
                assert_eq!(key.verified(&packet[..len], 4), None, "{algorithm:?}, {len} bytes");
            }
            packet.extend([0; 4]);
            assert_eq!(key.verified(&packet, 4), None);
        }
    }

    #[test]
    fn keys_that_do_not_fit_have_no_constructor() {
        assert!(SymmetricKey::new(0, MacAlgorithm::Md5, vec![1]).is_none(), "number 0 stands for no key");
        assert!(SymmetricKey::new(1, MacAlgorithm::Md5, Vec::new()).is_none());
        assert!(SymmetricKey::new(1, MacAlgorithm::Aes128, vec![1; 15]).is_none());
        assert!(SymmetricKey::new(1, MacAlgorithm::Aes256, vec![1; 16]).is_none());
    }

    #[test]
    fn a_key_is_not_printed() {
        let key = SymmetricKey::new(7, MacAlgorithm::Md5, b"secret".to_vec()).expect("a key");
        assert_eq!(format!("{key:?}"), "key 7 (MD5)");
    }

    #[cfg(feature = "nts")]
    fn from_hex(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
        digits.map(|pair| u8::from_str_radix(pair, 16).expect("a byte")).collect()
    }

    /// RFC 4493 section 4, and for AES-256 NIST SP 800-38B, appendix D.3.
    #[cfg(feature = "nts")]
    #[test]
    fn cmac_agrees_with_the_vectors_of_rfc_4493() {
        let message = from_hex(concat!(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
            "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
        ));
        let short = "2b7e151628aed2a6abf7158809cf4f3c";
        let long = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
        for (key, len, digest) in [
            (short, 0, "bb1d6929e95937287fa37d129b756746"),
            (short, 16, "070a16b46b4d4144f79bdd9dd04a287c"),
            (short, 40, "dfa66747de9ae63030ca32611497c827"),
            (short, 64, "51f0bebf7e3b9d92fc49741779363cfe"),
            (long, 0, "028962f61b7bf89efc6b551f4667d983"),
            (long, 64, "e1992190549f6ed5696a2c056c315410"),
        ] {
            let algorithm = if key == short { MacAlgorithm::Aes128 } else { MacAlgorithm::Aes256 };
            let made = SymmetricKey::new(1, algorithm, from_hex(key)).expect("a key").digest(&message[..len]);
            assert_eq!(made[..16], from_hex(digest), "{algorithm:?}, {len} bytes");
        }
    }

    /// RFC 1321 A.5 and FIPS 180-4: the digest of "abc", of which the key is the first letter.
    #[test]
    fn a_digest_is_that_of_key_and_packet() {
        for (algorithm, starts_with) in [
            (MacAlgorithm::Md5, [0x90, 0x01, 0x50, 0x98]),
            (MacAlgorithm::Sha1, [0xa9, 0x99, 0x3e, 0x36]),
            (MacAlgorithm::Sha256, [0xba, 0x78, 0x16, 0xbf]),
            (MacAlgorithm::Sha384, [0xcb, 0x00, 0x75, 0x3f]),
            (MacAlgorithm::Sha512, [0xdd, 0xaf, 0x35, 0xa1]),
        ] {
            if let Some(key) = SymmetricKey::new(1, algorithm, b"a".to_vec()) {
                assert_eq!(key.digest(b"bc")[..4], starts_with, "{algorithm:?}");
            }
        }
    }
}
