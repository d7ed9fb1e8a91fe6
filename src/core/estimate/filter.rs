//! The part of the estimator that a replay recomputes: the bank and what it has learnt of each source's jitter.

use super::asymmetry::{Asymmetry, Lean, STEEPEST, STEEPEST_GIVEN};
use super::bank::Bank;
use super::interval::Interval;
use super::oscillator_models::Beliefs;
use super::path::Path;
use super::prior::FrequencyPrior;
use super::tuning::Tuning;
use super::update::{Gate, GateVerdict};
use super::{MAX_SOURCES, Sample};

/// Paths are usually asymmetric by this part of the round trip. Without a bias prior four servers that disagree by
/// 1 ms look like wander, and the clock is 13 times worse.
const USUAL_BIAS: f64 = 0.05;
/// The round trip counts as at least this for the bias, in seconds.
const LEAST_ROUND_TRIP_S: f64 = 1e-5;
/// The bias prior never vanishes, in seconds.
const LEAST_BIAS_S: f64 = 1e-9;
/// From the ninth sample of a source its statistics are good enough to refuse one.
const GATE_AFTER: u32 = 8;

/// A sample that is older than the state by more than this (s) is an interleaved one, not a slow one.
const OLD_S: f64 = 4.0;

/// See the module.
#[derive(Clone)]
pub(super) struct Filter {
    pub(super) bank: Bank,
    sides: [Asymmetry; MAX_SOURCES],
    fed: [u32; MAX_SOURCES],
    /// The last gap between two samples in seconds; after an outage, twice the one before.
    gap_s: f64,
}

/// What is known from outside one pass over the samples.
#[derive(Clone)]
pub(super) struct Knowledge {
    pub(super) paths: [Path; MAX_SOURCES],
    /// The lean of each source's jitter found by the previous pass.
    pub(super) lean: [f64; MAX_SOURCES],
    /// Factor on each source's bias prior.
    pub(super) widening: [f64; MAX_SOURCES],
    /// What the configuration says.
    tuning: [Tuning; MAX_SOURCES],
}

/// What one sample did to the filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) verdict: GateVerdict,
    pub(super) interval: Interval,
    /// `false`: the state has lost all sense and must be thrown away.
    pub(super) sane: bool,
}

impl Knowledge {
    /// Of sources never heard of.
    pub(super) const NONE: Knowledge = Knowledge {
        paths: [Path::NEW; MAX_SOURCES],
        lean: [0.0; MAX_SOURCES],
        widening: [1.0; MAX_SOURCES],
        tuning: [Tuning::NONE; MAX_SOURCES],
    };

    /// What the configuration says of a source that has not been heard yet.
    pub(super) fn tune(&mut self, slot: usize, tuning: Tuning) {
        self.tuning[slot] = tuning;
        self.paths[slot].fix_base(tuning.min_delay_s);
        self.paths[slot].set_resolution(tuning.resolution_s);
        self.paths[slot].set_noise(tuning.noise_s);
    }

    /// Forgets one source.
    pub(super) fn forget(&mut self, slot: usize) {
        self.paths[slot] = Path::NEW;
        self.lean[slot] = 0.0;
        self.widening[slot] = 1.0;
        self.tuning[slot] = Tuning::NONE;
    }

    /// Prior deviation of the source's bias in seconds, before any widening.
    pub(super) fn usual_bias(&self, slot: usize) -> f64 {
        if self.paths[slot].noise().is_some() {
            // What may be wrong with a reference clock for good is for its line to say.
            return 0.5 * self.tuning[slot].min_delay_s;
        }
        // Stamps that are cut off tell the time too early by half a tick on average.
        USUAL_BIAS * self.paths[slot].base().max(LEAST_ROUND_TRIP_S) + 0.5 * self.paths[slot].coarseness()
    }

    /// Prior deviation of the source's bias in seconds.
    pub(super) fn bias_deviation(&self, slot: usize) -> f64 {
        self.widening[slot] * self.usual_bias(slot) + LEAST_BIAS_S
    }
}

impl Filter {
    /// Before the first sample.
    pub(super) fn new(beliefs: &Beliefs, prior: &FrequencyPrior) -> Self {
        Filter {
            bank: Bank::new(beliefs, prior),
            sides: [Asymmetry::NEW; MAX_SOURCES],
            fed: [0; MAX_SOURCES],
            gap_s: 0.0,
        }
    }

    /// Takes one sample.
    pub(super) fn step(&mut self, beliefs: &Beliefs, known: &Knowledge, sample: &Sample) -> Step {
        let slot = sample.slot.index();
        let delay_s = known.paths[slot].plausible(sample.delay.secs_f64());
        if self.bank.at.is_none() {
            self.bank.start(sample.at, sample.lead, delay_s);
        }
        self.bank.admit(slot, known.bias_deviation(slot));
        self.predict(beliefs, known, sample);
        self.bank.mix(beliefs);
        let lean = self.effective_lean(known, slot);
        let interval = known.paths[slot].interval(delay_s, lean).softened(self.moved_since(beliefs, sample));
        let measured = self.measured(sample);
        let gate = if self.fed[slot] < GATE_AFTER { Gate::Absurd } else { Gate::Doubtful };
        let verdict = self.bank.update(slot, measured, &interval, gate);
        self.fed[slot] = self.fed[slot].saturating_add(1);
        if verdict.applied {
            self.sides[slot].learn(interval.half_width, measured - self.bank.expected(slot));
        }
        Step { verdict, interval, sane: self.bank.tidy() }
    }

    /// Moves the bank to the instant of a sample, as fast and as far as its source's tuning allows.
    fn predict(&mut self, beliefs: &Beliefs, known: &Knowledge, sample: &Sample) {
        let slot = sample.slot.index();
        let (tuning, jitter_s) = (&known.tuning[slot], known.paths[slot].jitter());
        let since_s = self.bank.at.map_or(0.0, |last| (sample.at - last).secs_f64().max(0.0));
        self.gap_s = if self.gap_s > 0.0 { since_s.min(2.0 * self.gap_s) } else { since_s };
        let sources = (0..MAX_SOURCES).filter(|&slot| self.bank.knows(slot)).count();
        let most = tuning.most_wander_squared(sources, 0.25 * jitter_s * jitter_s, self.gap_s);
        self.bank.predict(beliefs, sample.at, most);
        if let Some(fading) = tuning.fading(sources) {
            self.bank.fade(fading);
        }
    }

    /// What is not known of how the clock got from an old sample to the state's instant, as a variance in s^2.
    fn moved_since(&self, beliefs: &Beliefs, sample: &Sample) -> f64 {
        let age = self.bank.at.map_or(0.0, |now| (now - sample.at).secs_f64());
        if age < OLD_S {
            return 0.0;
        }
        age * age * (self.bank.frequency_variance() + self.bank.wander_squared(beliefs) * age / 3.0)
    }

    /// Applies a sample that others have confirmed, at the present instant. The older it is, the less is known of how
    /// the clock got here from there.
    pub(super) fn confirm(&mut self, sample: &Sample, interval: &Interval) {
        let age = self.bank.at.map_or(0.0, |now| (now - sample.at).secs_f64());
        let moved = age * age * self.bank.frequency_variance();
        let softness = (interval.softness * interval.softness + moved).sqrt();
        let interval = Interval::new(interval.half_width, softness, 0.0);
        let measured = self.measured(sample);
        self.bank.update(sample.slot.index(), measured, &interval, Gate::Open);
    }

    /// By how much a sample exceeds what the present state says of its instant, in seconds.
    pub(super) fn deviation(&self, sample: &Sample) -> f64 {
        self.measured(sample) - self.bank.expected(sample.slot.index())
    }

    /// The lean of the source's jitter.
    pub(super) fn lean(&self, slot: usize) -> f64 {
        self.sides[slot].lean()
    }

    /// Forgets a source.
    pub(super) fn dismiss(&mut self, slot: usize) {
        self.bank.dismiss(slot);
        self.sides[slot] = Asymmetry::NEW;
        self.fed[slot] = 0;
    }

    /// A replay begins without an opinion; until there is one, that of the pass before is used.
    fn effective_lean(&self, known: &Knowledge, slot: usize) -> Lean {
        if let Some(lean) = known.tuning[slot].lean() {
            return Lean::Given(lean.clamp(-STEEPEST_GIVEN, STEEPEST_GIVEN));
        }
        let (now, before) = (self.lean(slot), known.lean[slot]);
        let stronger = if before.abs() > now.abs() { before } else { now };
        Lean::Learnt(stronger.clamp(-STEEPEST, STEEPEST))
    }

    /// The measured lead in seconds from the reference, moved to the state's instant with the estimated frequency.
    fn measured(&self, sample: &Sample) -> f64 {
        let since = self.bank.at.map_or(0.0, |now| (now - sample.at).secs_f64());
        (sample.lead - self.bank.reference).secs_f64() + since * self.bank.track()[1]
    }
}
