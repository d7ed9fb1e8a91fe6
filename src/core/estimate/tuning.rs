//! What is known of a source beside its samples: the options that bear on them, and how finely its stamps tell the time.

/// For one source. The default lets the samples speak for themselves.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Tuning {
    /// `mindelay` in seconds: the base delay of the path, 0 if it is not known.
    pub min_delay_s: f64,
    /// `asymmetry`: -0.5 if all jitter is in the requests, 0.5 if all is in the replies.
    pub asymmetry: Option<f64>,
    /// `minsamples`: the oscillator is not believed to wander so much that fewer samples would bear on the estimate.
    pub min_samples: u32,
    /// `maxsamples`: older samples fade away; 0 keeps them for as long as they are worth something.
    pub max_samples: u32,
    /// What the server's stamps cannot tell, in seconds.
    pub resolution_s: f64,
    /// The samples come from a reference clock, without a round trip, and scatter by this standard deviation in seconds; 0
    /// for a server.
    pub noise_s: f64,
}

/// Up to here (chrony's default) `minsamples` leaves the filter alone, which weighs each sample by its age anyway.
const NATURAL_SAMPLES: u32 = 6;

/// Keeps the fading of `maxsamples 1` finite.
const LEAST_FADING: f64 = 0.75;

impl Tuning {
    /// Nothing is known better.
    pub(super) const NONE: Tuning =
        Tuning { min_delay_s: 0.0, asymmetry: None, min_samples: 0, max_samples: 0, resolution_s: 0.0, noise_s: 0.0 };

    /// The lean of the jitter (-1 all in the replies, 1 all in the requests), if it is given.
    pub(super) fn lean(&self) -> Option<f64> {
        self.asymmetry.map(|asymmetry| -2.0 * asymmetry)
    }

    /// By this factor what was known before each sample loses weight, if `sources` take turns: the weights of the last
    /// ones then add up to `max_samples` for each.
    pub(super) fn fading(&self, sources: usize) -> Option<f64> {
        let samples = f64::from(self.max_samples) * sources as f64;
        (self.max_samples > 0).then(|| 1.0 + (samples - LEAST_FADING).recip())
    }

    /// The largest squared wander with which a filter remembers `min_samples` of each of the sources, for samples of
    /// this variance that are `gap_s` apart: it remembers for (variance gap / wander^2)^(1/4) seconds.
    pub(super) fn most_wander_squared(&self, sources: usize, variance: f64, gap_s: f64) -> f64 {
        if self.min_samples <= NATURAL_SAMPLES || gap_s <= 0.0 {
            return f64::INFINITY;
        }
        let samples = f64::from(self.min_samples) * sources as f64;
        variance / (samples.powi(4) * gap_s.powi(3))
    }
}
