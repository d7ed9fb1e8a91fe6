//! What is known of true time: the estimate, what it began with, what stands behind it, and how far it can be wrong.
//!
//! [`crate::core::estimate`] turns samples into an estimate. This wing decides what the estimate is worth: whether the
//! frequency it began with was right, whether the counter runs at another rate altogether, who stands behind it, and what
//! liars could have made of it. It is told who agrees, and never asks.

mod backing;
mod error_bound;
mod lone_source;
mod past;
mod rate_watch;
mod unrest;
mod watch;

use crate::core::api::settings::Settings;
use crate::core::estimate::{
    Bias, Estimate, Estimator, FrequencyPrior, JUMP_FREQUENCY, Outcome, PathNoise, PollTerms, Sample, Slot, SlotSet,
    Tuning,
};
use crate::core::refclock::ReferenceClock;
use crate::core::source::Source;
use crate::time::{ClockReading, Lead, Raw, Span};

pub(in crate::core) use backing::Backing;
pub(in crate::core) use error_bound::{BOUND_SIGMAS, expected_error};
use lone_source::LoneSource;
pub(in crate::core) use past::{PHASE_SD_AFTER_SLEEP_S, PastUse};
pub(in crate::core) use rate_watch::{RateFinding, RateWatch, Shown, is_extraordinary};
pub(in crate::core) use unrest::Unrest;

/// A first frequency less certain than this is not worth disproving.
pub(in crate::core) const WEAK_PRIOR_SD: f64 = 5e-5;

/// Bounds on the frequency narrower than this prove the initial frequency right or wrong.
const PROVEN_WITHIN: f64 = 10e-6;

/// Frequency error assumed until enough samples are in: 100 ppm, more than a crystal is usually off.
const UNKNOWN_RATE: f64 = 1e-4;

/// The least assumed afterwards, in units of `maxclockerror`: our clock has one, and so has the server's.
const CLOCKS: f64 = 2.0;

/// As long as the frequency is not known it may be wrong by this much.
pub(in crate::core) const UNKNOWN_FREQUENCY: f64 = 1e-3;

/// The frequency may have changed as lately as this (s).
const LATELY_S: f64 = 64.0;

/// A reset may mean another machine room, or another machine: the frequency is in doubt as after a sleep.
const FREQUENCY_SD_AFTER_RESET: f64 = 1e-6;

/// The estimate, and what it is worth.
pub(in crate::core) struct TrueTime {
    estimator: Estimator,
    prior: FrequencyPrior,
    prior_is_proven: bool,
    rate: RateWatch,
    lone: LoneSource,
    /// Who stands behind the estimate.
    pub(in crate::core) backing: Backing,
    /// How often it has been found wrong.
    pub(in crate::core) unrest: Unrest,
    /// `maxclockerror`, as a fraction.
    max_clock_error: f64,
    min_samples: u32,
    max_samples: u32,
}

/// A line through true time: the estimate, or the clock itself while there is none.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Prediction {
    /// The moment where the line is anchored.
    pub(in crate::core) at: Raw,
    /// Lead of true time over the counter at that moment.
    pub(in crate::core) lead: Lead,
    /// Rate of true time against the counter.
    pub(in crate::core) frequency: f64,
}

impl Prediction {
    /// Lead of true time over the counter.
    pub(in crate::core) fn lead_at(&self, raw: Raw) -> Lead {
        self.lead + (raw - self.at).scaled(self.frequency)
    }
}

impl From<&Estimate> for Prediction {
    fn from(estimate: &Estimate) -> Self {
        Prediction { at: estimate.at, lead: estimate.lead, frequency: estimate.frequency }
    }
}

impl TrueTime {
    /// Nothing is known but the frequency of the last run.
    pub(in crate::core) fn new(settings: &Settings, prior: FrequencyPrior) -> Self {
        TrueTime {
            estimator: Estimator::new(prior),
            prior,
            // A weak prior yields to the samples by itself.
            prior_is_proven: prior.sd > WEAK_PRIOR_SD,
            rate: RateWatch::new(&prior),
            backing: Backing::default(),
            lone: LoneSource::default(),
            unrest: Unrest::default(),
            max_clock_error: settings.max_clock_error_ppm * 1e-6,
            min_samples: settings.min_samples,
            max_samples: settings.max_samples,
        }
    }

    /// The estimate, once a sample is in.
    pub(in crate::core) fn estimate(&self) -> Option<Estimate> {
        self.estimator.estimate()
    }

    /// Where true time is taken to be as of now.
    pub(in crate::core) fn prediction(&self, now: &ClockReading) -> Prediction {
        let nothing = || Prediction { at: now.raw, lead: now.lead(), frequency: self.first_frequency() };
        self.estimate().as_ref().map_or_else(nothing, Prediction::from)
    }

    /// The frequency that is followed: the estimate's, or the first one.
    pub(in crate::core) fn frequency(&self) -> f64 {
        self.estimate().map_or(self.first_frequency(), |estimate| estimate.frequency)
    }

    /// How uncertain that frequency is.
    pub(in crate::core) fn frequency_sd(&self) -> f64 {
        self.estimate().map_or(self.prior.sd, |estimate| estimate.frequency_sd())
    }

    /// What the temperature compensation adds to the rate of true time against the counter.
    pub(in crate::core) fn known_rate(&self) -> f64 {
        self.estimator.known_rate()
    }

    /// The frequency before there is an estimate.
    pub(in crate::core) fn first_frequency(&self) -> f64 {
        self.prior.frequency + self.known_rate()
    }

    /// What is known of the path of a source.
    pub(in crate::core) fn path_noise(&self, slot: Slot) -> Option<PathNoise> {
        self.estimator.path_noise(slot)
    }

    /// How far a source is from the estimate.
    pub(in crate::core) fn bias(&self, slot: Slot) -> Option<Bias> {
        self.estimator.bias(slot)
    }

    /// Which way the asymmetry of a source's path leans.
    pub(in crate::core) fn lean(&self, slot: Slot) -> f64 {
        self.estimator.lean(slot)
    }

    /// What decides how often the active sources are asked.
    pub(in crate::core) fn poll_terms(&self, active: SlotSet) -> Option<PollTerms> {
        self.estimator.poll_terms(&active.list())
    }

    /// Takes a sample of an active source.
    pub(in crate::core) fn feed(&mut self, sample: &Sample, active: SlotSet) -> Outcome {
        let outcome = self.estimator.feed(sample, &active.list());
        if let Some(estimate) = self.estimate() {
            self.lone.record(sample, &estimate);
        }
        outcome
    }

    /// Feeds what the active sources have said so far, in the order of time. `false`: some of it was a surprise.
    pub(in crate::core) fn feed_recent(&mut self, sources: &[Source], active: SlotSet) -> bool {
        let members = sources.iter().filter(|source| active.contains(source.slot));
        let mut samples: Vec<Sample> = members.flat_map(Source::recent).map(|m| m.sample).collect();
        tiny_sort::stable::sort_by_key(&mut samples, |sample| sample.at);
        let mut is_expected = true;
        for sample in &samples {
            let outcome = self.feed(sample, active);
            is_expected &= matches!(outcome, Outcome::Used { .. }) && !self.estimator.was_surprised();
        }
        is_expected
    }

    /// What a source has taught is kept no longer: it has fallen out.
    pub(in crate::core) fn exclude(&mut self, slot: Slot) {
        self.estimator.exclude(slot);
    }

    /// The place of a source is free.
    pub(in crate::core) fn vacate(&mut self, slot: Slot) {
        self.estimator.vacate(slot);
    }

    /// Takes over what the configuration and its stamps say of a source.
    pub(in crate::core) fn tune(&mut self, source: &mut Source) {
        let resolution = source.last.map_or(Span::ZERO, |last| last.resolution);
        source.tuned_resolution = resolution;
        let resolution = resolution.max(self.lone.coarseness());
        source.is_untuned = false;
        let options = &source.options;
        let clock = source.clock();
        let noise_s = source.last.as_ref().filter(|_| clock.is_some()).map_or(0.0, ReferenceClock::noise_s);
        let tuning = Tuning {
            min_delay_s: clock.map_or(options.min_delay_s, |clock| clock.config().delay_s),
            asymmetry: options.asymmetry,
            min_samples: options.min_samples.unwrap_or(self.min_samples),
            max_samples: options.max_samples.unwrap_or(self.max_samples),
            // What a device cannot tell is in its noise already.
            resolution_s: if clock.is_some() { 0.0 } else { resolution.secs_f64() },
            noise_s,
        };
        self.estimator.tune(source.slot, tuning);
    }

    /// The estimate begins anew with this prior.
    pub(in crate::core) fn restart(&mut self, prior: FrequencyPrior, sources: &mut [Source]) {
        self.prior = prior;
        self.lone = LoneSource::default();
        self.estimator.restart(prior);
        sources.iter_mut().for_each(|source| self.tune(source));
    }

    /// True time has moved by this much: a leap second.
    pub(in crate::core) fn shift(&mut self, by: Span) {
        self.lone.shift(by);
        self.estimator.shift(by);
    }

    /// The phase and the frequency may be wrong by this much.
    pub(in crate::core) fn distrust(&mut self, phase_sd_s: f64, frequency_sd: f64) {
        self.estimator.distrust(phase_sd_s, frequency_sd);
    }

    /// The temperature compensation adds this rate from now on.
    pub(in crate::core) fn compensate(&mut self, at: Raw, rate: f64) {
        self.estimator.compensate(at, rate);
    }
}

/// What people order about the estimate.
impl TrueTime {
    /// All measurements are void, and with them what was learnt from them; only the frequency is still a good guess.
    pub(in crate::core) fn reset(&mut self, sources: &mut [Source], now: Raw) {
        let known = self.estimate().map(|estimate| FrequencyPrior {
            frequency: estimate.frequency - self.known_rate(),
            sd: libm::hypot(estimate.frequency_sd_at(now), FREQUENCY_SD_AFTER_RESET),
            ..self.prior
        });
        self.restart(known.unwrap_or(self.prior), sources);
        self.prior_is_proven = self.prior.sd > WEAK_PRIOR_SD;
        self.backing = Backing::default();
        self.rate = RateWatch::new(&self.prior);
    }

    /// True time runs faster by this rate than was thought. What the time is now stays as it is.
    pub(in crate::core) fn revise_rate(&mut self, rate: f64, now: Raw) {
        let since = self.estimate().map_or(Span::ZERO, |estimate| now - estimate.at);
        self.estimator.revise(-since.scaled(rate), rate);
    }

    /// There is no estimate yet, and the first frequency is another one.
    pub(in crate::core) fn revise_first_frequency(&mut self, rate: f64) {
        self.prior.frequency += rate;
        self.prior.sd = self.prior.sd.max(rate.abs());
    }

    /// True time is ahead by this of what was thought. Sources have the last word: what they say next counts as much as if
    /// the time were not known any better than by this change.
    pub(in crate::core) fn revise_phase(&mut self, by: Span) {
        self.lone.shift(by);
        self.estimator.revise(by, 0.0);
    }
}

/// The frequency, and whether it is known.
impl TrueTime {
    /// How fast an old answer loses its worth.
    pub(in crate::core) fn rate_bound(&self) -> f64 {
        let least = self.least_rate();
        (3.0 * self.frequency_sd()).clamp(least, UNKNOWN_RATE.max(least))
    }

    /// How far clocks that are known well may stray all the same.
    fn least_rate(&self) -> f64 {
        CLOCKS * self.max_clock_error
    }

    fn knows_frequency(&self, estimate: &Estimate) -> bool {
        self.prior_is_proven && estimate.frequency_sd() < PROVEN_WITHIN
    }

    /// The frequency to compare two answers of a source by, and how far it may be wrong. `is_decided`: no vote is held, in
    /// which it might be our frequency that is wrong.
    pub(in crate::core) fn frequency_within(&self, is_decided: bool) -> (f64, f64) {
        match self.estimate().filter(|estimate| is_decided && self.knows_frequency(estimate)) {
            Some(known) => (known.frequency, self.rate_bound()),
            None => (0.0, UNKNOWN_FREQUENCY),
        }
    }

    /// A drift file can be wrong: two samples of one server bound the frequency, whatever the file says.
    pub(in crate::core) fn prior_is_wrong(&mut self, source: &Source) -> bool {
        if self.prior_is_proven {
            return false;
        }
        let Some((frequency, margin)) = source.frequency_bounds() else { return false };
        self.prior_is_proven = margin < PROVEN_WITHIN;
        (self.first_frequency() - frequency).abs() > margin + 3.0 * self.prior.sd
    }

    /// The frequency that the run began with, of true time against the counter, without compensation.
    pub(in crate::core) fn prior_frequency(&self) -> f64 {
        self.prior.frequency
    }

    /// The estimate begins anew without the first frequency.
    pub(in crate::core) fn discard_prior(&mut self, sources: &mut [Source], active: SlotSet) {
        self.prior_is_proven = true;
        self.restart(FrequencyPrior::unknown(), sources);
        self.feed_recent(sources, active);
    }

    /// The estimate begins anew with the first frequency: what the last run left is contradicted.
    pub(in crate::core) fn begin_anew(&mut self, sources: &mut [Source]) {
        self.restart(self.prior, sources);
    }

    /// True time is found to have jumped. Whether it was the phase or the frequency that jumped, and when, is for the next
    /// samples to say. `width_s` is that of the interval that the agreeing sources have in common.
    pub(in crate::core) fn follow_jump(&mut self, jump: Span, width_s: f64, is_told_by_several: bool, now: Raw) {
        let Some(estimate) = self.estimate() else { return };
        let size_s = jump.secs_f64().abs();
        let frequency_sd = if is_told_by_several || self.is_rate_open() {
            (size_s / LATELY_S).min(JUMP_FREQUENCY)
        } else {
            self.drift_with(jump, &estimate, now)
        };
        let explained_s = frequency_sd * (now - estimate.at).secs_f64().max(0.0);
        if size_s > explained_s {
            self.estimator.shift(jump);
        }
        self.estimator.distrust(0.5 * width_s + explained_s, frequency_sd);
    }
}
