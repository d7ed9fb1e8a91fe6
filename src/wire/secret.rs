//! Bytes that nobody else may see: they are wiped when they go, and never printed.

use std::fmt;

/// Wiped when dropped.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(bytes)
    }

    /// Bytes from pairs of hexadecimal digits; `None` if there is anything else.
    pub fn from_hex(digits: &str) -> Option<Secret> {
        // As long as it will be: a vector that grows leaves its former self behind.
        let mut secret = Secret(Vec::with_capacity(digits.len() / 2));
        let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        for pair in digits.as_bytes().chunks(2) {
            let [high, low] = *pair else { return None };
            secret.0.push((value(high)? << 4) | value(low)?);
        }
        Some(secret)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        is_equal(&self.0, &other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} secret bytes)", self.0.len())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites what may hold a secret.
pub fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // Keeps the compiler from leaving out what nobody reads.
    std::hint::black_box(bytes);
}

/// Takes as long wherever the first difference is.
pub fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let difference = one.iter().zip(other).fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
    one.len() == other.len() && difference == 0
}
