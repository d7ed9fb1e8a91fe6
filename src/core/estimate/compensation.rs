//! What is known of the oscillator's frequency beforehand: how it has followed the temperature.
//!
//! The filter estimates what is left when this is taken away, so that a change that is known about is no surprise to it.

use crate::time::{Lead, Raw, Span};

use super::{Estimate, Sample};

/// Changes remembered: samples are hardly ever older than the first of them.
const REMEMBERED: usize = 64;

/// The integral of the compensation over time, a straight line from each change to the next. Before the first it is
/// taken to have been the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Compensation {
    changes: Vec<Change>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    at: Raw,
    /// Sum of all that came before, in seconds.
    gained_s: f64,
    /// From here on.
    rate: f64,
}

impl Compensation {
    /// Nothing has been known yet.
    pub(super) fn is_unknown(&self) -> bool {
        self.changes.is_empty()
    }

    /// The rate of true time against the counter that is known now.
    pub(super) fn rate(&self) -> f64 {
        self.changes.last().map_or(0.0, |last| last.rate)
    }

    /// From `at` on the rate is this.
    pub(super) fn change(&mut self, at: Raw, rate: f64) {
        let gained_s = self.changes.last().map_or(0.0, |last| last.gained_at(at));
        if self.changes.len() == REMEMBERED {
            self.changes.remove(0);
        }
        self.changes.push(Change { at, gained_s, rate });
    }

    /// The sample that an oscillator at constant temperature would have given.
    pub(super) fn removed(&self, sample: &Sample) -> Sample {
        let known = self.changes.iter().rev().find(|change| change.at <= sample.at).or(self.changes.first());
        let gained = known.map_or(Span::ZERO, |change| Span::from_secs_f64(change.gained_at(sample.at)));
        Sample { lead: sample.lead - gained, ..*sample }
    }

    /// The estimate of true time: right from the last change on.
    pub(super) fn restored(&self, estimate: Estimate) -> Estimate {
        let Some(last) = self.changes.last() else { return estimate };
        let lead: Lead = estimate.lead + Span::from_secs_f64(last.gained_at(estimate.at));
        Estimate { lead, frequency: estimate.frequency + last.rate, ..estimate }
    }
}

impl Change {
    fn gained_at(&self, at: Raw) -> f64 {
        self.gained_s + self.rate * (at - self.at).secs_f64()
    }
}
