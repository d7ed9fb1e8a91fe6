//! Whether requests or replies queue more: an expectation-maximisation estimate that learns as it goes.

/// Samples after which the estimate begins to forget.
const MEMORY: f64 = 64.0;
/// No opinion before so many samples.
const LEAST_SAMPLES: f64 = 8.0;
/// Samples' worth of belief that both directions are alike.
const PRIOR_SAMPLES: f64 = 3.0;
/// A lean beyond this would make one direction free of jitter.
pub(super) const STEEPEST: f64 = 0.95;

/// Mean queueing of the two directions in seconds, and the samples behind them.
#[derive(Clone, Copy)]
pub(super) struct Asymmetry {
    request: f64,
    reply: f64,
    samples: f64,
}

impl Asymmetry {
    /// Nothing known.
    pub(super) const NEW: Asymmetry = Asymmetry { request: 0.0, reply: 0.0, samples: 0.0 };

    /// Divides the queueing of one sample (`half_width` of its interval, seconds) between the directions, given its
    /// `residual`: measured minus estimated offset. A late request makes the server look ahead.
    pub(super) fn learn(&mut self, half_width: f64, residual: f64) {
        let total = 2.0 * half_width;
        let request = (half_width + residual).clamp(0.0, total);
        self.samples = (self.samples + 1.0).min(MEMORY);
        self.request += (request - self.request) / self.samples;
        self.reply += (total - request - self.reply) / self.samples;
    }

    /// From -1 (all jitter in the replies) to 1 (all in the requests); shrunk towards 0.
    pub(super) fn lean(&self) -> f64 {
        let total = self.request + self.reply;
        if self.samples < LEAST_SAMPLES || total <= 0.0 {
            return 0.0;
        }
        (self.request - self.reply) / total * self.samples / (self.samples + PRIOR_SAMPLES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sided_jitter_is_learnt() {
        let mut sides = Asymmetry::NEW;
        for _ in 0..64 {
            sides.learn(1e-3, 0.9e-3);
        }
        assert!((sides.lean() - 0.9 * 64.0 / 67.0).abs() < 1e-12);
        for _ in 0..400 {
            sides.learn(1e-3, 0.0);
        }
        assert!(sides.lean().abs() < 0.01);
    }
}
