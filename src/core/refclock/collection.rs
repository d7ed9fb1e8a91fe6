//! The readings of one poll, and the measurement made of them: the median filter of `filter` (chrony.conf(5)).

use crate::time::{Lead, Leap, Raw, Span};

/// Part of the readings that are combined: those nearest to the median (chrony.conf(5)).
const NEAR_MEDIAN: f64 = 0.6;

/// Fewer readings have no scatter to speak of.
pub(super) const LEAST_READINGS: usize = 4;
/// From so many on one that is far off does not count.
const MANY_READINGS: usize = 8;

/// The median of the distances from the median of normal readings, over their standard deviation.
pub(super) const MEDIAN_DISTANCE: f64 = 0.6745;

/// A reading that counts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::core) struct Collected {
    /// When it was taken.
    pub(in crate::core) at: Raw,
    /// The lead of true time by this reading, without option `offset`.
    pub(in crate::core) lead: Lead,
    /// The device's leap warning.
    pub(in crate::core) leap: Leap,
    /// By so much the moment may be wrong.
    pub(in crate::core) margin: Span,
    /// How precise the device says it is, in seconds; 0 if it does not.
    pub(super) precision_s: f64,
    /// The reading was a pulse.
    pub(in crate::core) is_pulse: bool,
    /// The place of the reading among the readings of the poll, from 0 on.
    pub(in crate::core) number: u32,
}

/// The newest readings of the present poll.
#[derive(Clone, Debug)]
pub(super) struct Collection {
    readings: Vec<Collected>,
    most: usize,
}

/// What the readings of a poll say together.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Combined {
    pub(super) at: Raw,
    pub(super) lead: Lead,
    pub(super) leap: Leap,
    /// How far one reading is from the others, as a standard deviation; `None` if there were too few.
    pub(super) scatter_s: Option<f64>,
    /// The number of readings that were combined.
    pub(super) count: usize,
    pub(super) margin_s: f64,
    pub(super) precision_s: f64,
}

impl Collection {
    /// No reading yet; no more than `most` will be kept.
    pub(super) fn new(most: usize) -> Self {
        Collection { readings: Vec::new(), most: most.max(1) }
    }

    /// Takes one more reading; the oldest goes if there are too many.
    pub(super) fn push(&mut self, reading: Collected) {
        if self.readings.len() >= self.most {
            self.readings.remove(0);
        }
        self.readings.push(reading);
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.readings.len() as u32
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.readings.clear();
    }

    /// The mean of those nearest to the median. `frequency` is that of true time against the raw counter, as far as it is
    /// known.
    pub(super) fn combine(&mut self, frequency: f64) -> Option<Combined> {
        let newest = *self.readings.last()?;
        let ahead_s = |reading: &Collected| {
            (reading.lead - newest.lead).secs_f64() - frequency * (reading.at - newest.at).secs_f64()
        };
        let all = self.readings.len();
        let middle_s = median(&mut self.readings.iter().map(ahead_s).collect::<Vec<f64>>());
        let apart_s = |reading: &Collected| (ahead_s(reading) - middle_s).abs();
        tiny_sort::unstable::sort_by(&mut self.readings, |a, b| apart_s(a).total_cmp(&apart_s(b)));
        let count = ((NEAR_MEDIAN * all as f64).ceil() as usize).clamp(1, all);
        let near = &self.readings[..count];
        let mean = |value: &dyn Fn(&Collected) -> f64| near.iter().map(value).sum::<f64>() / count as f64;
        let before = Span::from_secs_f64(mean(&|reading| (reading.at - newest.at).secs_f64()));
        let mut apart = self.readings.iter().map(apart_s).collect::<Vec<f64>>();
        // The median of a handful is small too often.
        let squares = apart.iter().map(|apart_s| apart_s * apart_s).sum::<f64>();
        let scatter_s = match all {
            0..LEAST_READINGS => None,
            LEAST_READINGS..MANY_READINGS => Some((squares / (all - 1) as f64).sqrt()),
            _ => Some(median(&mut apart) / MEDIAN_DISTANCE),
        };
        Some(Combined {
            at: newest.at + before,
            lead: newest.lead + Span::from_secs_f64(mean(&ahead_s)) + before.scaled(frequency),
            leap: newest.leap,
            scatter_s,
            count,
            margin_s: mean(&|reading| reading.margin.secs_f64()),
            precision_s: newest.precision_s,
        })
    }
}

/// Of a list that is not empty.
pub(super) fn median(values: &mut [f64]) -> f64 {
    tiny_sort::unstable::sort_by(values, f64::total_cmp);
    0.5 * (values[(values.len() - 1) / 2] + values[values.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at_s: i64, lead_us: i64) -> Collected {
        let at = Raw::from_nanos(1_000_000_000 * at_s);
        let lead = Lead::from_nanos(1000 * lead_us);
        Collected { at, lead, leap: Leap::Normal, margin: Span::ZERO, precision_s: 0.0, is_pulse: false, number: 0 }
    }

    #[test]
    fn outliers_do_not_count_and_a_known_drift_is_no_scatter() {
        let mut collection = Collection::new(64);
        for (at_s, noise_us) in [(0, 1), (1, -900), (2, -1), (3, 0), (4, 700), (5, 2), (6, -2), (7, 0)] {
            // 10 ppm.
            collection.push(reading(at_s, 10 * at_s + noise_us));
        }
        let combined = collection.combine(1e-5).expect("there are readings");
        let expected_us = 10.0 * (combined.at - Raw::from_nanos(0)).secs_f64();
        assert!((combined.lead.nanos() as f64 / 1e3 - expected_us).abs() < 1.0, "{combined:?}");
        assert!(combined.scatter_s.is_some_and(|scatter_s| scatter_s < 5e-6), "{combined:?}");
    }

    #[test]
    fn the_newest_are_kept() {
        let mut collection = Collection::new(2);
        for at_s in 0..5 {
            collection.push(reading(at_s, at_s));
        }
        let combined = collection.combine(0.0).expect("there are readings");
        assert_eq!((combined.count, combined.scatter_s), (2, None));
        assert_eq!(combined.lead, Lead::from_nanos(3500));
        collection.clear();
        assert_eq!(collection.combine(0.0), None);
    }
}
