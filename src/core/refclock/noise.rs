//! How much the measurements of a reference clock scatter: learnt from the measurements themselves.
//!
//! Each measurement is compared with the straight line between its two neighbours. What is known or not known of the
//! frequency plays no part in that, and neither does a constant offset.

use super::collection::{Combined, MEDIAN_DISTANCE, median};
use crate::time::{Lead, Raw};

/// Comparisons remembered.
const MEMORY: usize = 63;
/// Comparisons after which they are believed.
const ENOUGH: usize = 5;
/// Comparisons after which they are believed alone.
const MANY: usize = 20;

/// No device is better than this, in seconds: caches and buses alone cost as much.
const LEAST_S: f64 = 1e-8;
/// Before anything is known, of devices that cards read...
const FINE_S: f64 = 1e-6;
/// ...and of what programs heard over a serial line.
const COARSE_S: f64 = 1e-3;

/// Measurements this much further apart than their neighbours are not compared: some are missing.
const MOST_UNEVEN: f64 = 4.0;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    guess_s: f64,
    last: [Option<(Raw, Lead)>; 2],
    /// How far measurements were from the line, as deviations of a single one.
    apart_s: [f64; MEMORY],
    count: usize,
}

impl Noise {
    /// Nothing is known yet.
    pub(super) fn new(is_coarse: bool) -> Self {
        let guess_s = if is_coarse { COARSE_S } else { FINE_S };
        Noise { guess_s, last: [None; 2], apart_s: [0.0; MEMORY], count: 0 }
    }

    /// Learns from one more measurement.
    pub(super) fn learn(&mut self, at: Raw, lead: Lead, frequency: f64) {
        if let [Some(first), Some(middle)] = self.last {
            let (whole, part) = ((at - first.0).secs_f64(), (middle.0 - first.0).secs_f64());
            let rest = whole - part;
            if part > 0.0 && rest > 0.0 && part.max(rest) < MOST_UNEVEN * part.min(rest) {
                // From the first one, without what is known of the frequency, so that no digits are lost.
                let off_s =
                    |(at, lead): (Raw, Lead)| (lead - first.1).secs_f64() - frequency * (at - first.0).secs_f64();
                let weight = part / whole;
                let apart = off_s(middle) - weight * off_s((at, lead));
                let factor = 1.0 + weight * weight + (1.0 - weight) * (1.0 - weight);
                self.apart_s[self.count % MEMORY] = apart.abs() / factor.sqrt();
                self.count += 1;
            }
        }
        self.last = [self.last[1], Some((at, lead))];
    }

    /// Standard deviation of a measurement in seconds. `precision_s` is option `precision`.
    pub(super) fn deviation_s(&self, combined: &Combined, precision_s: Option<f64>) -> f64 {
        let known = self.count.min(MEMORY);
        let learnt_s = (known >= ENOUGH).then(|| median(&mut self.apart_s[..known].to_vec()) / MEDIAN_DISTANCE);
        let by_scatter_s = combined.scatter_s.map(|scatter_s| scatter_s / (combined.count as f64).sqrt());
        let said_s = precision_s.unwrap_or(combined.precision_s);
        let guess_s = if said_s > 0.0 { said_s } else { self.guess_s };
        let noise_s = match (learnt_s, by_scatter_s) {
            // Few comparisons say too little by chance as often as too much.
            (Some(learnt_s), Some(by_scatter_s)) if known < MANY => learnt_s.max(by_scatter_s),
            (learnt_s, by_scatter_s) => learnt_s.or(by_scatter_s).unwrap_or(guess_s),
        };
        noise_s.max(LEAST_S)
    }

    /// What was measured has no relation to what will be.
    pub(super) fn interrupt(&mut self) {
        self.last = [None; 2];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Leap;

    #[test]
    fn the_deviation_is_learnt_whatever_the_frequency() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut sum = 0.0;
        for _ in 0..200 {
            let mut noise = Noise::new(false);
            for step in 0..30 {
                // Twelve uniform numbers are normal enough: deviation 1.
                let normal = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
                let lead_s = 50e-6 * f64::from(step) + 3e-6 * normal;
                noise.learn(
                    Raw::from_nanos(i64::from(step) * 1_000_000_000),
                    Lead::from_nanos((1e9 * lead_s) as i64),
                    0.0,
                );
            }
            let combined = Combined {
                at: Raw::from_nanos(0),
                lead: Lead::from_nanos(0),
                leap: Leap::Normal,
                scatter_s: None,
                count: 1,
                margin_s: 0.0,
                precision_s: 0.0,
            };
            sum += noise.deviation_s(&combined, None) / 200.0;
        }
        assert!((2.5e-6..3.5e-6).contains(&sum), "{sum:e}");
    }
}
