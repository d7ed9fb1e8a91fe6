//! Samples in, true time as a function of the raw counter out, with its uncertainty.

use crate::time::{Lead, Raw, Span, Utc};

/// Sources one estimator can hold.
pub const MAX_SOURCES: usize = 16;

/// The place of a source in the estimator, below [`MAX_SOURCES`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Slot(u8);

impl Slot {
    /// `None` if there are not that many places.
    pub fn new(index: usize) -> Option<Slot> {
        (index < MAX_SOURCES).then_some(Slot(index as u8))
    }

    /// The index, below [`MAX_SOURCES`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// One accepted exchange, independent of anything done to the system clock.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// Who was asked.
    pub slot: Slot,
    /// The middle of the exchange on our side.
    pub at: Raw,
    /// The server's lead over the raw counter (RFC 5905 offset, feed-forward form).
    pub lead: Lead,
    /// Round trip without the server's own time.
    pub delay: Span,
}

/// What is known of the frequency before the first sample: from a drift file, or nothing much.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FrequencyPrior {
    /// Rate of true time against the raw counter, minus one.
    pub frequency: f64,
    /// Standard deviation of `frequency`.
    pub sd: f64,
}

/// What became of a sample.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Outcome {
    /// It entered the estimate. `surprise` asks for another one soon: it moved the estimate more than expected.
    Used {
        /// Worth asking again earlier than planned.
        surprise: bool,
    },
    /// It contradicts the prediction and waits for confirmation: ask again in about two seconds.
    Held,
    /// Several held samples agree: the estimate has jumped to them.
    Reacquired,
}

/// The estimate at one instant. Extrapolate with [`Estimate::true_time`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// The instant it holds for.
    pub at: Raw,
    /// Lead of true time over the raw counter at `at`.
    pub lead: Lead,
    /// Rate of true time against the raw counter, minus one.
    pub frequency: f64,
    /// Variance of the lead (s^2), its covariance with the frequency (s), and the variance of the frequency.
    pub covariance: [f64; 3],
    /// Log-mean wander of the oscillator per square root of a second.
    pub wander: f64,
}

/// The jitter of one path, from its recent delays.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PathNoise {
    /// Smallest recent delay in seconds.
    pub min_delay_s: f64,
    /// Mean one-way queueing in seconds.
    pub jitter_s: f64,
    /// Delays in memory.
    pub count: usize,
}

impl Estimate {
    /// True time at a moment of the raw counter.
    pub fn true_time(&self, raw: Raw) -> Utc {
        let ahead = Span::from_secs_f64((raw - self.at).secs_f64() * self.frequency);
        raw.with_lead(self.lead + ahead)
    }

    /// Standard deviation of [`Estimate::true_time`] in seconds: grows with the distance from the last sample.
    pub fn offset_sd_s(&self, raw: Raw) -> f64 {
        let dt = (raw - self.at).secs_f64();
        let [xx, xf, ff] = self.covariance;
        let wander = self.wander * self.wander * dt.abs().powi(3) / 3.0;
        (xx + 2.0 * dt * xf + dt * dt * ff + wander).max(0.0).sqrt()
    }

    /// Standard deviation of the frequency.
    pub fn frequency_sd(&self) -> f64 {
        self.covariance[2].max(0.0).sqrt()
    }
}

/// The joint filter over all sources.
pub struct Estimator {
    prior: FrequencyPrior,
}

impl Estimator {
    /// Nothing but a prior for the frequency.
    pub fn new(prior: FrequencyPrior) -> Self {
        Estimator { prior }
    }

    /// Takes one sample of an *active* source (one that selection believes); `active` names all of them.
    pub fn feed(&mut self, _sample: &Sample, _active: &[Slot]) -> Outcome {
        Outcome::Used { surprise: false }
    }

    /// The best estimate as of the last sample; `None` before the first.
    pub fn estimate(&self) -> Option<Estimate> {
        let _ = self.prior;
        None
    }

    /// The jitter of one path; `None` before its first sample.
    pub fn path_noise(&self, _slot: Slot) -> Option<PathNoise> {
        None
    }

    /// The place has a new occupant (another address): forget its bias, delays and samples, keep the estimate.
    pub fn vacate(&mut self, _slot: Slot) {}

    /// The raw counter stopped or lost its grip (suspend, migration): keep the frequency, biases and delay
    /// statistics, widen the phase by `phase_sd_s` and the frequency by `frequency_sd`.
    pub fn distrust(&mut self, _phase_sd_s: f64, _frequency_sd: f64) {}
}
