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
    /// The rate from here on.
    rate: f64,
}

impl Compensation {
    /// The state in which nothing has been known yet.
    pub(super) fn is_unknown(&self) -> bool {
        self.changes.is_empty()
    }

    /// The rate of true time against the counter that is known now.
    pub(super) fn rate(&self) -> f64 {
        self.changes.last().map_or(0.0, |last| last.rate)
    }

    /// Notes that the rate is this from `at` on.
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

#[cfg(test)]
mod tests {
    use super::super::{Estimator, FrequencyPrior, Slot};
    use super::*;

    /// A sensor may appear long after the start, and long after the last sample.
    #[test]
    fn the_first_compensation_does_not_move_the_clock() {
        let raw = |second: i64| Raw::from_nanos(second * 1_000_000_000);
        // 20 ppm.
        let lead = |second: i64| Lead::from_nanos(second * 20_000);
        let mut estimator = Estimator::new(FrequencyPrior::unknown());
        let sample = |second| Sample {
            slot: Slot::FIRST,
            at: raw(second),
            lead: lead(second),
            delay: Span::from_nanos(100_000),
        };
        for index in 0..40 {
            estimator.feed(&sample(64 * index), &[Slot::FIRST]);
        }
        let at = |estimator: &Estimator, second| estimator.estimate().expect("samples").lead_at(raw(second));
        let before = at(&estimator, 3600);
        estimator.compensate(raw(3600), 10e-6);
        assert!((at(&estimator, 3600) - before).abs() < Span::from_nanos(100), "{:?}", at(&estimator, 3600) - before);
        estimator.feed(&sample(3700), &[Slot::FIRST]);
        assert!(!estimator.was_surprised() && (at(&estimator, 3700) - lead(3700)).abs() < Span::from_nanos(20_000));
        let before = at(&estimator, 4000);
        estimator.compensate(raw(4000), 9e-6);
        assert!((at(&estimator, 4000) - before).abs() < Span::from_nanos(100), "{:?}", at(&estimator, 4000) - before);
    }
}
