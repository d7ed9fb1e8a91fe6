//! The last few replies of a source.

use crate::core::source::{Measurement, RECENT};
use crate::time::Span;

/// A ring of the last few measurements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    ring: [Option<Measurement>; RECENT],
    next: usize,
}

impl Recent {
    pub(crate) fn push(&mut self, measurement: Measurement) {
        self.ring[self.next] = Some(measurement);
        self.next = (self.next + 1) % RECENT;
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Measurement> + Clone {
        let (newer, older) = self.ring.split_at(self.next);
        older.iter().chain(newer).flatten()
    }

    /// True time has moved by this much against the raw counter.
    pub(crate) fn shift(&mut self, by: Span) {
        self.ring.iter_mut().flatten().for_each(|measurement| measurement.sample.lead += by);
    }
}
