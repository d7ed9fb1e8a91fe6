//! All randomness below the shell: one seeded generator that the engine owns, so that every run can be replayed.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::wire::ntp::Cookie;

/// SipHash-2-4 of a counter under a secret key. A server that sees the cookies sent to it cannot compute the ones sent
/// to others, which a statistical generator would allow.
#[derive(Clone, Debug)]
pub struct Random {
    keyed: SipHasher24,
    counter: u64,
}

impl Random {
    /// From the kernel's entropy in the daemon, from the scenario in the simulator.
    pub fn new(seed: [u8; 16]) -> Self {
        Random { keyed: SipHasher24::new_with_key(&seed), counter: 0 }
    }

    /// 64 unpredictable bits, never all zero: zero means "not set" in a timestamp.
    pub fn cookie(&mut self) -> Cookie {
        Cookie(self.bits().max(1))
    }

    /// Unpredictable bytes, so many.
    pub fn bytes<const COUNT: usize>(&mut self) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.bits().to_ne_bytes()[..chunk.len()]));
        bytes
    }

    /// Uniform in [0, 1).
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn bits(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        let mut hash = self.keyed;
        hash.write_u64(self.counter);
        hash.finish()
    }
}
