//! The samples kept: those a replay runs over, and those that wait for confirmation.

use super::interval::Interval;
use super::{MAX_SOURCES, Sample, Slot};
use crate::time::{Lead, Raw, Span};

/// Samples replayed: with four sources the first hours. 160 updates take less than a millisecond.
const REPLAYED: usize = 160;
/// Doubtful samples kept.
const HELD: usize = 8;
/// A doubtful sample is forgotten after 3000 s: nothing confirmed it.
const HELD_FOR: Span = Span::from_secs(3000);

/// All samples since the last checkpoint, or none if there were too many.
pub(super) struct History {
    samples: [Sample; REPLAYED],
    len: usize,
    overflowed: bool,
}

/// A sample that waits for confirmation, and its interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) sample: Sample,
    pub(super) interval: Interval,
    /// Regular samples of other sources since.
    pub(super) contradictions: u32,
}

/// The samples that wait, oldest first.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    held: [Option<Held>; HELD],
}

const BLANK: Sample =
    Sample { slot: Slot::FIRST, at: Raw::from_nanos(0), lead: Lead::from_nanos(0), delay: Span::ZERO };

impl History {
    /// No samples.
    pub(super) const NEW: History = History { samples: [BLANK; REPLAYED], len: 0, overflowed: false };

    /// Every sample since the checkpoint is here.
    pub(super) fn complete(&self) -> bool {
        !self.overflowed
    }

    /// A checkpoint was taken: nothing before it will be replayed.
    pub(super) fn clear(&mut self) {
        (self.len, self.overflowed) = (0, false);
    }

    /// Adds a sample, if there is room.
    pub(super) fn push(&mut self, sample: &Sample) {
        match self.samples.get_mut(self.len) {
            Some(place) if !self.overflowed => {
                *place = *sample;
                self.len += 1;
            }
            _ => self.overflowed = true,
        }
    }

    /// Drops the samples of one source; `true` if there were any.
    pub(super) fn drop_source(&mut self, slot: Slot) -> bool {
        let before = self.len;
        self.len = 0;
        for i in 0..before {
            if self.samples[i].slot != slot {
                self.samples[self.len] = self.samples[i];
                self.len += 1;
            }
        }
        self.len < before
    }

    /// The samples in order of arrival.
    pub(super) fn samples(&self) -> &[Sample] {
        &self.samples[..self.len]
    }
}

impl Waiting {
    /// The state in which no sample waits.
    pub(super) const NEW: Waiting = Waiting { held: [None; HELD] };

    /// Adds a sample; the oldest makes room.
    pub(super) fn push(&mut self, held: Held) {
        let now = held.sample.at;
        self.retain(|old| (now - old.sample.at).abs() < HELD_FOR);
        if self.held.iter().all(Option::is_some) {
            self.held[0] = None;
        }
        self.held.rotate_left(1);
        self.held[HELD - 1] = Some(held);
        tiny_sort::unstable::sort_by_key(&mut self.held, |place| place.map(|held| held.sample.at));
    }

    /// Keeps what the predicate approves.
    pub(super) fn retain(&mut self, keep: impl Fn(&Held) -> bool) {
        for place in &mut self.held {
            *place = place.filter(&keep);
        }
    }

    /// Shows each to `change`.
    pub(super) fn for_each(&mut self, change: impl FnMut(&mut Held)) {
        self.held.iter_mut().flatten().for_each(change);
    }

    /// How many different sources sent them.
    pub(super) fn sources(&self) -> usize {
        let mut present = [false; MAX_SOURCES];
        self.iter().for_each(|held| present[held.sample.slot.index()] = true);
        present.iter().filter(|&&is| is).count()
    }

    /// The samples that wait.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().flatten()
    }
}
