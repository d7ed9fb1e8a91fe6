//! Samples over a long time, ever fewer the longer it gets, and the line through them.

use crate::time::{Lead, Raw, Span};

/// Samples kept.
const POINTS: usize = 32;

/// Samples from the first one on, evenly spread over the time since.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    points: Vec<(Raw, Lead)>,
    /// The next sample is kept if it comes so long after the last one.
    spacing: Span,
}

/// The line through them.
#[derive(Clone, Copy, Debug)]
pub(super) struct FittedLine {
    /// Rate of true time against the raw counter, minus one.
    pub(super) rate: f64,
    /// Standard deviation of that, if what lies beside the line is chance.
    pub(super) rate_sd: f64,
    /// How far the farthest sample is beside it.
    pub(super) beside: Span,
    /// The range of the newest quarter of the samples.
    pub(super) beside_lately: Span,
}

impl Watch {
    /// Takes one more sample.
    pub(super) fn push(&mut self, at: Raw, lead: Lead) {
        if self.points.last().is_some_and(|&(last, _)| at - last < self.spacing || at == last) {
            return;
        }
        if self.points.len() == POINTS {
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.spacing = self.length().scaled(1.0 / (self.points.len() - 1) as f64);
        }
        self.points.push((at, lead));
    }

    /// True time has moved by this much against the raw counter.
    pub(super) fn shift(&mut self, by: Span) {
        self.points.iter_mut().for_each(|(_, lead)| *lead += by);
    }

    /// From the first sample to the last.
    pub(super) fn length(&self) -> Span {
        self.points.first().zip(self.points.last()).map_or(Span::ZERO, |(first, last)| last.0 - first.0)
    }

    /// The line of least squares; `None` with fewer than four samples.
    pub(super) fn line(&self) -> Option<FittedLine> {
        let &(start, first) = self.points.first().filter(|_| self.points.len() >= 4)?;
        let count = self.points.len() as f64;
        let points = || self.points.iter().map(|&(at, lead)| ((at - start).secs_f64(), (lead - first).secs_f64()));
        let (mean_t, mean_x) =
            (points().map(|(t, _)| t).sum::<f64>() / count, points().map(|(_, x)| x).sum::<f64>() / count);
        let spread: f64 = points().map(|(t, _)| (t - mean_t) * (t - mean_t)).sum();
        if spread <= 0.0 {
            return None;
        }
        let rate = points().map(|(t, x)| (t - mean_t) * (x - mean_x)).sum::<f64>() / spread;
        let beside = || points().map(|(t, x)| x - mean_x - rate * (t - mean_t));
        let variance = beside().map(|x| x * x).sum::<f64>() / (count - 2.0);
        let farthest = |from| Span::from_secs_f64(beside().skip(from).map(f64::abs).fold(0.0, f64::max));
        Some(FittedLine {
            rate,
            rate_sd: (variance / spread).sqrt(),
            beside: farthest(0),
            beside_lately: farthest(self.points.len() - self.points.len() / 4),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stay_evenly_spread_and_a_swing_averages_out_of_the_rate() {
        let mut watch = Watch::default();
        for second in 0..10_000_i64 {
            let swing_s = 0.01 * libm::sin(second as f64 / 30.0);
            let lead = Lead::from_nanos(0) + Span::from_secs_f64(20e-6 * second as f64 + swing_s);
            watch.push(Raw::from_nanos(1_000_000_000 * second), lead);
        }
        let gaps: Vec<Span> = watch.points.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        let (least, most) = (gaps.iter().min().copied(), gaps.iter().max().copied());
        assert!(least.zip(most).is_some_and(|(least, most)| most <= least.times(2)), "{gaps:?}");
        let line = watch.line().expect("many samples");
        assert!((line.rate - 20e-6).abs() < 3.0 * line.rate_sd && line.rate_sd < 1e-6, "{line:?}");
        assert!(line.beside > Span::from_millis(8) && line.beside < Span::from_millis(12), "{line:?}");
    }
}
