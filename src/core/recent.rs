//! What a source said last.

use crate::core::source::Measurement;

/// Replies kept per source for selection and for the first correction.
pub const RECENT: usize = 8;

/// A ring of the last few measurements.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    ring: [Option<Measurement>; RECENT],
    next: usize,
    len: usize,
}

impl Recent {
    /// Forgets the oldest in favour of this one.
    pub fn push(&mut self, measurement: Measurement) {
        self.ring[self.next] = Some(measurement);
        self.next = (self.next + 1) % RECENT;
        self.len = (self.len + 1).min(RECENT);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Measurement> {
        let (newer, older) = self.ring.split_at(self.next);
        older.iter().chain(newer).flatten()
    }
}
