//! The last few replies of a source.

use crate::core::api::measurement::Measurement;
use crate::time::Span;

/// Replies kept per source for selection and for the first correction.
const RECENT: usize = 8;

/// A ring of the last few measurements.
#[derive(Clone, Debug, Default)]
pub(in crate::core) struct Recent {
    ring: [Option<Measurement>; RECENT],
    next: usize,
}

impl Recent {
    /// Adds a reply; the oldest goes.
    pub(in crate::core) fn push(&mut self, measurement: Measurement) {
        self.ring[self.next] = Some(measurement);
        self.next = (self.next + 1) % RECENT;
    }

    /// Oldest first.
    pub(in crate::core) fn iter(&self) -> impl DoubleEndedIterator<Item = &Measurement> + Clone {
        let (newer, older) = self.ring.split_at(self.next);
        older.iter().chain(newer).flatten()
    }

    /// True time has moved by this much against the raw counter.
    pub(in crate::core) fn shift(&mut self, by: Span) {
        self.ring.iter_mut().flatten().for_each(|measurement| measurement.sample.lead += by);
    }
}
