//! `filter`: one measurement made of the replies of several polls.

use crate::core::api::measurement::Measurement;
use crate::time::Span;

/// Part of the measurements that are combined: those nearest to the median (chrony.conf(5)).
const NEAR_MEDIAN: f64 = 0.6;

/// Collects the replies of several polls, and combines those nearest to the median.
#[derive(Clone, Debug)]
pub(in crate::core) struct SampleFilter {
    /// Polls for each measurement; 0 and 1 let everything through.
    length: usize,
    polls: usize,
    collected: Vec<Measurement>,
}

impl SampleFilter {
    /// For so many polls.
    pub(in crate::core) fn new(length: u32) -> Self {
        let length = length as usize;
        SampleFilter { length, polls: 0, collected: Vec::with_capacity(if length > 1 { length } else { 0 }) }
    }

    /// True time has moved by this much against the raw counter.
    pub(in crate::core) fn shift(&mut self, by: Span) {
        self.collected.iter_mut().for_each(|measurement| measurement.sample.lead += by);
    }

    /// A poll without a reply counts too.
    pub(in crate::core) fn miss(&mut self) {
        self.polls += 1;
    }

    /// Takes a reply; the combination of all once there have been enough polls. `frequency` is that of true time
    /// against the raw counter, as far as it is known.
    pub(in crate::core) fn take(&mut self, measurement: Measurement, frequency: f64) -> Option<Measurement> {
        if self.length <= 1 {
            return Some(measurement);
        }
        self.collected.push(measurement);
        self.polls += 1;
        if self.polls < self.length {
            return None;
        }
        let combined = combine(&mut self.collected, frequency);
        self.polls = 0;
        self.collected.clear();
        combined
    }
}

/// The mean of those nearest to the median; everything that is not a time is the newest one's.
fn combine(collected: &mut [Measurement], frequency: f64) -> Option<Measurement> {
    let newest = *collected.last()?;
    let origin = newest.sample;
    // Seconds ahead of what the newest one says of that moment.
    let ahead_s =
        |m: &Measurement| (m.sample.lead - origin.lead).secs_f64() - frequency * (m.sample.at - origin.at).secs_f64();
    tiny_sort::unstable::sort_by(collected, |a, b| ahead_s(a).total_cmp(&ahead_s(b)));
    let all = collected.len();
    let median_s = 0.5 * (ahead_s(&collected[(all - 1) / 2]) + ahead_s(&collected[all / 2]));
    let apart_s = |m: &Measurement| (ahead_s(m) - median_s).abs();
    tiny_sort::unstable::sort_by(collected, |a, b| apart_s(a).total_cmp(&apart_s(b)));
    let count = (NEAR_MEDIAN * all as f64).ceil() as usize;
    let near = &collected[..count];
    let mean =
        |value: &dyn Fn(&Measurement) -> f64| Span::from_secs_f64(near.iter().map(value).sum::<f64>() / count as f64);
    let before = mean(&|m| (m.sample.at - origin.at).secs_f64());
    let mut combined = newest;
    combined.sample.at = origin.at + before;
    combined.sample.lead = origin.lead + mean(&ahead_s) + before.scaled(frequency);
    combined.sample.delay = mean(&|m| m.sample.delay.secs_f64());
    Some(combined)
}
