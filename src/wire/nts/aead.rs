//! Authenticated encryption of NTS: AEAD_AES_SIV_CMAC_256 (RFC 5297) and AEAD_AES_128_GCM_SIV (RFC 8452).

#[cfg(feature = "nts")]
use aes_gcm_siv::{AeadInOut, Aes128GcmSiv, KeyInit, Nonce, Tag};
#[cfg(feature = "nts")]
use aes_siv::siv::Aes128Siv;

use crate::wire::secret::Secret;

/// Bytes by which a ciphertext is longer than its plaintext.
pub const TAG_LEN: usize = 16;

/// An algorithm, by the name of its number in the IANA registry of AEAD algorithms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// AEAD_AES_SIV_CMAC_256: every NTS server has it.
    SivCmac256,
    /// AEAD_AES_128_GCM_SIV: faster, with shorter cookies.
    Gcm128Siv,
}

/// A key for one direction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    algorithm: Algorithm,
    secret: Secret,
}

impl Algorithm {
    /// All, most wanted first: the default of `ntsaeads`.
    pub const ALL: [Algorithm; 2] = [Algorithm::Gcm128Siv, Algorithm::SivCmac256];

    /// The number on the wire.
    pub fn id(self) -> u16 {
        match self {
            Algorithm::SivCmac256 => 15,
            Algorithm::Gcm128Siv => 30,
        }
    }

    /// The algorithm with this number.
    pub fn find(id: u16) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.id() == id)
    }

    /// Bytes of a key.
    pub fn key_len(self) -> usize {
        match self {
            Algorithm::SivCmac256 => 32,
            Algorithm::Gcm128Siv => 16,
        }
    }

    /// Bytes of the nonces that we use.
    pub fn nonce_len(self) -> usize {
        match self {
            Algorithm::SivCmac256 => 16,
            Algorithm::Gcm128Siv => 12,
        }
    }
}

impl Key {
    /// `None` if the secret is not as long as the algorithm wants it, or if this program was built without NTS.
    pub fn new(algorithm: Algorithm, secret: Secret) -> Option<Key> {
        let fits = secret.bytes().len() == algorithm.key_len();
        (fits && cfg!(feature = "nts")).then_some(Key { algorithm, secret })
    }

    /// What the key is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The bytes, for the file in which they survive a restart.
    pub fn secret(&self) -> &[u8] {
        self.secret.bytes()
    }

    /// The ciphertext, tag included; `None` for a nonce that does not fit the algorithm.
    pub fn seal(&self, nonce: &[u8], associated: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
        self.encrypt(nonce, associated, plaintext)
    }

    /// The plaintext, if the ciphertext and what goes with it are authentic.
    pub fn open(&self, nonce: &[u8], associated: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
        if ciphertext.len() < TAG_LEN {
            return None;
        }
        self.decrypt(nonce, associated, ciphertext)
    }

    #[cfg(not(feature = "nts"))]
    fn encrypt(&self, _: &[u8], _: &[u8], _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    #[cfg(not(feature = "nts"))]
    fn decrypt(&self, _: &[u8], _: &[u8], _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    #[cfg(feature = "nts")]
    fn encrypt(&self, nonce: &[u8], associated: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
        let mut text = Vec::with_capacity(plaintext.len() + TAG_LEN);
        match self.algorithm {
            // The tag comes first.
            Algorithm::SivCmac256 => {
                text.resize(TAG_LEN, 0);
                text.extend_from_slice(plaintext);
                let (tag, rest) = text.split_at_mut(TAG_LEN);
                let made = self.siv()?.encrypt_inout_detached([associated, nonce], rest.into()).ok()?;
                tag.copy_from_slice(&made);
            }
            Algorithm::Gcm128Siv => {
                text.extend_from_slice(plaintext);
                let nonce = Nonce::try_from(nonce).ok()?;
                let tag = self.gcm()?.encrypt_inout_detached(&nonce, associated, text.as_mut_slice().into()).ok()?;
                text.extend_from_slice(&tag);
            }
        }
        Some(text)
    }

    #[cfg(feature = "nts")]
    fn decrypt(&self, nonce: &[u8], associated: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
        match self.algorithm {
            Algorithm::SivCmac256 => {
                let (tag, rest) = ciphertext.split_at_checked(TAG_LEN)?;
                let (tag, mut text) = (Tag::try_from(tag).ok()?, rest.to_vec());
                let text_in_place = text.as_mut_slice().into();
                self.siv()?.decrypt_inout_detached([associated, nonce], text_in_place, &tag).ok()?;
                Some(text)
            }
            Algorithm::Gcm128Siv => {
                let (rest, tag) = ciphertext.split_at_checked(ciphertext.len() - TAG_LEN)?;
                let (tag, mut text) = (Tag::try_from(tag).ok()?, rest.to_vec());
                let nonce = Nonce::try_from(nonce).ok()?;
                self.gcm()?.decrypt_inout_detached(&nonce, associated, text.as_mut_slice().into(), &tag).ok()?;
                Some(text)
            }
        }
    }

    #[cfg(feature = "nts")]
    fn siv(&self) -> Option<Aes128Siv> {
        <Aes128Siv as KeyInit>::new_from_slice(self.secret.bytes()).ok()
    }

    #[cfg(feature = "nts")]
    fn gcm(&self) -> Option<Aes128GcmSiv> {
        Aes128GcmSiv::new_from_slice(self.secret.bytes()).ok()
    }
}

#[cfg(all(test, feature = "nts"))]
mod tests {
    use super::*;

    fn from_hex(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
        digits.map(|pair| u8::from_str_radix(pair, 16).expect("a byte")).collect()
    }

    fn key(algorithm: Algorithm, hex: &str) -> Key {
        Key::new(algorithm, Secret::new(from_hex(hex))).expect("a key")
    }

    /// RFC 8452 appendix C.1: three cases with and without plaintext and associated data.
    #[test]
    fn gcm_siv_agrees_with_rfc_8452() {
        let key = key(Algorithm::Gcm128Siv, "01000000000000000000000000000000");
        let nonce = from_hex("030000000000000000000000");
        for (associated, plaintext, result) in [
            ("", "", "dc20e2d83f25705bb49e439eca56de25"),
            ("", "0100000000000000", "b5d839330ac7b786578782fff6013b815b287c22493a364c"),
            ("01", "0200000000000000", "1e6daba35669f4273b0a1a2560969cdf790d99759abd1508"),
        ] {
            let (associated, plaintext) = (from_hex(associated), from_hex(plaintext));
            let sealed = key.seal(&nonce, &associated, &plaintext).expect("the nonce fits");
            assert_eq!(sealed, from_hex(result));
            assert_eq!(key.open(&nonce, &associated, &sealed), Some(plaintext));
        }
    }

    /// RFC 5297 A.2, which has one string of associated data more than NTS.
    #[test]
    fn siv_agrees_with_rfc_5297() {
        let secret = from_hex("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f");
        let mut siv = <Aes128Siv as KeyInit>::new_from_slice(&secret).expect("it fits");
        let first = from_hex("00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100");
        let (second, nonce) = (from_hex("102030405060708090a0"), from_hex("09f911029d74e35bd84156c5635688c0"));
        let mut text =
            from_hex("7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553");
        let tag = siv.encrypt_inout_detached([&first, &second, &nonce], text.as_mut_slice().into()).expect("it fits");
        assert_eq!(tag[..], from_hex("7bdb6e3b432667eb06f4d14bff2fbd0f"));
        assert_eq!(text[..4], from_hex("cb900f2f"));
    }

    #[test]
    fn what_was_changed_anywhere_does_not_open() {
        for algorithm in Algorithm::ALL {
            let key = Key::new(algorithm, Secret::new(vec![7; algorithm.key_len()])).expect("a key");
            let nonce = vec![9; algorithm.nonce_len()];
            let sealed = key.seal(&nonce, b"packet", b"cookies").expect("the nonce fits");
            assert_eq!(key.open(&nonce, b"packet", &sealed).as_deref(), Some(&b"cookies"[..]));
            for at in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert_eq!(key.open(&nonce, b"packet", &changed), None);
                assert_eq!(key.open(&nonce, b"packet", &sealed[..at]), None);
            }
            let mut other = nonce.clone();
            other[0] ^= 1;
            assert_eq!(key.open(&other, b"packet", &sealed), None);
            assert_eq!(key.open(&nonce, b"packed", &sealed), None);
            assert_eq!(key.open(&nonce[1..], b"packet", &sealed), None, "a nonce of another length");
        }
    }

    #[test]
    fn a_key_of_another_length_is_none_and_none_is_printed() {
        assert!(Key::new(Algorithm::SivCmac256, Secret::new(vec![1; 16])).is_none());
        let key = Key::new(Algorithm::Gcm128Siv, Secret::new(vec![42; 16])).expect("a key");
        assert!(!format!("{key:?}").contains("42"), "{key:?}");
    }
}
