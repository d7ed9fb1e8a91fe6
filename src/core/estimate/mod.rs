//! Samples in, true time as a function of the raw counter out, with its uncertainty.

mod asymmetry;
mod bank;
mod compensation;
mod filter;
mod history;
mod interval;
mod joint;
mod oscillator_models;
mod outlier_hold;
mod path;
mod prior;
mod shortcut;
mod slots;
mod source_drift;
mod tuning;
mod update;

pub use oscillator_models::MOST_WANDER;
pub use outlier_hold::JUMP_FREQUENCY;
pub use prior::{FrequencyPrior, WanderPrior};
pub use slots::{MAX_SOURCES, Slot, SlotList, SlotSet};
pub use tuning::Tuning;

use crate::time::{Lead, Raw, Span, Utc};
use compensation::Compensation;
use joint::Joint;

/// One accepted exchange, independent of anything done to the system clock.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// The source that was asked.
    pub slot: Slot,
    /// The middle of the exchange on our side.
    pub at: Raw,
    /// The server's lead over the raw counter (RFC 5905 offset, feed-forward form).
    pub lead: Lead,
    /// Round trip without the server's own time.
    pub delay: Span,
}

/// What became of a sample.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Outcome {
    /// The sample entered the estimate. `surprise` asks for another one soon: the sample moved the estimate more than expected.
    Used {
        /// Worth asking again earlier than planned.
        surprise: bool,
    },
    /// The sample contradicts the prediction and waits for confirmation: ask again in about two seconds.
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
    /// The part of the lead's variance that no sample can tell of: an asymmetry common to all paths (s^2).
    pub hidden_variance: f64,
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
        raw.with_lead(self.lead_at(raw))
    }

    /// Lead of true time over the raw counter at a moment of it.
    pub fn lead_at(&self, raw: Raw) -> Lead {
        self.lead + Span::from_secs_f64((raw - self.at).secs_f64() * self.frequency)
    }

    /// Standard deviation of [`Estimate::true_time`] in seconds, if the paths are as symmetric on the whole as they can
    /// be: grows with the distance from the last sample.
    pub fn offset_sd_s(&self, raw: Raw) -> f64 {
        self.offset_variance((raw - self.at).secs_f64()).sqrt()
    }

    /// The square of [`Estimate::offset_sd_s`], so many seconds after the last sample.
    pub fn offset_variance(&self, dt: f64) -> f64 {
        let [xx, xf, ff] = self.covariance;
        let wander = self.wander * self.wander * dt.abs().powi(3) / 3.0;
        (xx - self.hidden_variance).max(0.0) + (2.0 * dt * xf + dt * dt * ff + wander).max(0.0)
    }

    /// Standard deviation of the frequency.
    pub fn frequency_sd(&self) -> f64 {
        self.covariance[2].max(0.0).sqrt()
    }

    /// Standard deviation of the frequency at another moment: the oscillator wanders.
    pub fn frequency_sd_at(&self, raw: Raw) -> f64 {
        let wandered = self.wander * self.wander * (raw - self.at).secs_f64().abs();
        (self.covariance[2].max(0.0) + wandered).sqrt()
    }
}

/// What the poll rule needs: `tau = active * (1.5 * sample_variance / wander_squared)^(1/3)`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PollTerms {
    /// Square of the log-mean wander, per second.
    pub wander_squared: f64,
    /// Harmonic mean over the sources of the variance of one sample, s^2.
    pub sample_variance: f64,
}

/// How far a source's time is from the estimate, as far as the samples can tell.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bias {
    /// Seconds; positive: the source is ahead. A detour of its packets is included.
    pub bias_s: f64,
    /// Standard deviation of `bias_s`.
    pub sd_s: f64,
}

/// The joint filter over all sources. One allocation of about 60 KiB, made by [`Estimator::new`].
pub struct Estimator {
    joint: Box<Joint>,
    compensation: Compensation,
    /// Asked for far more often than it changes.
    estimate: Option<Estimate>,
}

impl Estimator {
    /// An estimator that knows nothing but a prior for the frequency.
    pub fn new(prior: FrequencyPrior) -> Self {
        Estimator { joint: Joint::new(prior), compensation: Compensation::default(), estimate: None }
    }

    /// Begins anew, with another prior and nothing but what is known of the oscillator beforehand.
    pub fn restart(&mut self, prior: FrequencyPrior) {
        (self.joint, self.estimate) = (Joint::new(prior), None);
    }

    /// From `at` on true time is known to run at this rate against the counter because of the temperature; what is
    /// estimated is the rest. Samples from before are still welcome.
    pub fn compensate(&mut self, at: Raw, rate: f64) {
        let mut since = at;
        if self.compensation.is_unknown() {
            // What has been estimated so far was the whole, in phase up to its own instant.
            self.joint.turn(-rate);
            since = self.estimate.map_or(at, |estimate| estimate.at);
        }
        self.compensation.change(since, rate);
        self.estimate = self.joint.estimate().map(|estimate| self.compensation.restored(estimate));
    }

    /// The rate that is known beforehand.
    pub fn known_rate(&self) -> f64 {
        self.compensation.rate()
    }

    /// Takes one sample of an *active* source (one that selection believes); `active` names all of them.
    pub fn feed(&mut self, sample: &Sample, active: &[Slot]) -> Outcome {
        let sample = self.compensation.removed(sample);
        self.changed(|joint| joint.feed(&sample, active))
    }

    /// Takes one sample of a source that is not believed: for its delay statistics only.
    pub fn observe(&mut self, sample: &Sample) {
        self.changed(|joint| joint.observe(sample));
    }

    /// Whether the last sample was far from where it was expected, used or not. A long delay alone is no surprise.
    pub fn was_surprised(&self) -> bool {
        self.joint.was_surprised
    }

    /// The best estimate as of the last sample; `None` before the first.
    pub fn estimate(&self) -> Option<Estimate> {
        self.estimate
    }

    /// The jitter of one path; `None` before its first sample.
    pub fn path_noise(&self, slot: Slot) -> Option<PathNoise> {
        let path = &self.joint.known.paths[slot.index()];
        (path.seen() > 0).then(|| PathNoise {
            min_delay_s: path.base(),
            jitter_s: path.jitter(),
            count: path.remembered(),
        })
    }

    /// The bias of one source; `None` before its first sample.
    pub fn bias(&self, slot: Slot) -> Option<Bias> {
        let [bias_s, variance] = self.joint.filter.bank.bias(slot.index())?;
        Some(Bias { bias_s, sd_s: variance.max(0.0).sqrt() })
    }

    /// [`Bias::bias_s`] alone; 0 before the first sample.
    pub fn bias_s(&self, slot: Slot) -> f64 {
        self.joint.filter.bank.mean_bias(slot.index())
    }

    /// Whether requests (up to 1) or replies (down to -1) of a source queue more; 0 if that may be chance.
    pub fn lean(&self, slot: Slot) -> f64 {
        self.joint.filter.lean(slot.index())
    }

    /// The terms of the poll rule; `None` before the first sample of any of these sources.
    pub fn poll_terms(&self, active: &[Slot]) -> Option<PollTerms> {
        self.joint.poll_terms(active)
    }

    /// The place has a new occupant (another address): forget its bias, delays and samples, keep the estimate.
    pub fn vacate(&mut self, slot: Slot) {
        self.changed(|joint| joint.vacate(slot));
    }

    /// What the configuration says of the occupant of a place. Holds until the place is vacated.
    pub fn tune(&mut self, slot: Slot, tuning: Tuning) {
        self.changed(|joint| joint.known.tune(slot.index(), tuning));
    }

    /// The source turned out to be a falseticker: undo what its samples did, if they can all still be replayed.
    /// Returns whether they could; if not, it is enough not to feed it any more.
    pub fn exclude(&mut self, slot: Slot) -> bool {
        self.changed(|joint| joint.exclude(slot))
    }

    /// True time has moved by this much against the raw counter (which stood still, or was set): everything else that
    /// is known stays as it is.
    pub fn shift(&mut self, by: Span) {
        self.changed(|joint| joint.shift(by));
    }

    /// Somebody says that true time is ahead by so much more than was thought, and runs faster by `rate`. The samples
    /// that follow may say otherwise.
    pub fn revise(&mut self, by: Span, rate: f64) {
        self.changed(|joint| joint.revise(by, rate));
    }

    /// True time runs faster by this rate than was thought, since the last sample.
    pub fn turn(&mut self, rate: f64) {
        self.changed(|joint| joint.turn(rate));
    }

    /// The raw counter stopped or lost its grip (suspend, migration): keep the frequency, biases and delay
    /// statistics, widen the phase by `phase_sd_s` and the frequency by `frequency_sd`.
    pub fn distrust(&mut self, phase_sd_s: f64, frequency_sd: f64) {
        self.changed(|joint| joint.distrust(phase_sd_s, frequency_sd));
    }

    fn changed<T>(&mut self, change: impl FnOnce(&mut Joint) -> T) -> T {
        let result = change(&mut self.joint);
        self.estimate = self.joint.estimate().map(|estimate| self.compensation.restored(estimate));
        result
    }
}
