//! The joint filter over all sources: what to do with a sample beyond Bayes' rule.

use super::filter::{Filter, Knowledge, Step};
use super::history::{Held, History, Waiting};
use super::oscillator_models::Beliefs;
use super::path::{Arrival, PathChange};
use super::prior::FrequencyPrior;
use super::shortcut::Shortcuts;
use super::source_drift::Discord;
use super::{Estimate, MAX_SOURCES, Outcome, PollTerms, Sample, Slot};
use crate::time::{Raw, Span};

/// Squared innovation over its variance that calls for an early poll: four deviations.
const SURPRISING: f64 = 16.0;
/// The first samples of a source, taken before its base delay was known, are worth a replay each.
const REPLAY_FIRST: u32 = 10;
/// A lean of the jitter that changed by this much deserves a replay.
const LEAN_MOVED: f64 = 0.15;
/// With so many sources one can be seen to lie.
const WITNESSES: usize = 3;
/// A bias this many prior deviations from the others' median makes its prior suspect...
const SUSPECT: f64 = 2.5;
/// ...if it also exceeds the widening already granted by this factor.
const WORSE: f64 = 1.5;
/// The widened prior's deviation in units of the bias seen.
const WIDENED: f64 = 2.0;
/// What the replays for one sample may cost, in units of [`step_work`]: as much as 24 steps with four sources. Replays
/// that cannot be paid for wait.
const WORK_PER_SAMPLE: u32 = 24 * step_work(2 + 4);
/// The most work that may be saved up: it bounds the work of one exchange.
const MOST_WORK: u32 = 320 * step_work(2 + 4);
/// Variance added to each jitter's in the poll rule, s^2: time stamps are no better than 0.1 us.
const STAMP_VARIANCE: f64 = 1e-14;

/// All state of the estimator, in one allocation.
pub(super) struct Joint {
    prior: FrequencyPrior,
    beliefs: Beliefs,
    pub(super) known: Knowledge,
    pub(super) filter: Filter,
    /// The filter as it was before the first sample in `history`.
    checkpoint: Filter,
    history: History,
    pub(super) waiting: Waiting,
    discord: Discord,
    /// The last sample was more than four deviations from where it was expected.
    pub(super) was_surprised: bool,
    pub(super) last_used: [Option<Raw>; MAX_SOURCES],
    /// Earlier samples were judged by what is now known to be wrong.
    is_stale: bool,
    /// What replays may still cost.
    credit: u32,
    pub(super) shortcuts: Shortcuts,
}

/// The work of one step with a state of so many dimensions: nearly all of it is the covariances.
const fn step_work(dims: usize) -> u32 {
    (dims * dims + 20) as u32
}

impl Joint {
    pub(super) fn new(prior: FrequencyPrior) -> Box<Self> {
        let prior = prior.sanitised();
        let beliefs = Beliefs::new(&prior);
        let filter = Filter::new(&beliefs, &prior);
        Box::new(Joint {
            prior,
            beliefs,
            known: Knowledge::NONE,
            checkpoint: filter.clone(),
            filter,
            history: History::NEW,
            waiting: Waiting::NEW,
            discord: Discord::NEW,
            was_surprised: false,
            last_used: [None; MAX_SOURCES],
            is_stale: false,
            credit: MOST_WORK,
            shortcuts: Shortcuts::NONE,
        })
    }

    pub(super) fn feed(&mut self, sample: &Sample, active: &[Slot]) -> Outcome {
        let slot = sample.slot.index();
        let arrival = self.observe(sample);
        self.blame_source(sample);
        self.history.push(sample);
        self.credit = (self.credit + WORK_PER_SAMPLE).min(MOST_WORK);
        self.is_stale |= self.wants_replay(slot, &arrival);
        let step = if self.is_stale && self.can_replay() {
            self.replay()
        } else {
            Some(self.filter.step(&self.beliefs, &self.known, sample))
        };
        self.was_surprised = step.is_none_or(|step| step.verdict.innovation > SURPRISING);
        match step {
            Some(step) if step.sane && step.verdict.applied => {
                let last = self.last_used[slot].replace(sample.at);
                // Servers cannot tell that a reference clock drifts by less than they are usually wrong.
                let is_beyond_them =
                    self.known.paths[slot].noise().is_none() || step.verdict.ahead_s.abs() > self.middling_bias(active);
                if is_beyond_them && self.discord.watch(&mut self.filter, sample, &step.verdict, active, last) {
                    self.set_checkpoint();
                }
                self.contradict(sample.slot, step.interval.half_width);
                self.widen_liars(active);
                let is_shorter = matches!(arrival.change, Some(PathChange::Shortcut(_)));
                Outcome::Used { surprise: self.was_surprised || arrival.excessive || is_shorter }
            }
            Some(step) if step.sane => {
                self.hold(Held { sample: *sample, interval: step.interval, contradictions: 0 }, active)
            }
            _ => self.restart(sample),
        }
    }

    /// Delay statistics only.
    pub(super) fn observe(&mut self, sample: &Sample) -> Arrival {
        let slot = sample.slot.index();
        let arrival = self.known.paths[slot].add(sample.delay.secs_f64());
        let Some(change) = arrival.change.filter(|_| self.filter.bank.knows(slot)) else { return arrival };
        match change {
            PathChange::Shortcut(by) => self.shortcut(slot, sample.at, by),
            PathChange::Detour(by) => self.detour(slot, by),
            PathChange::Home => self.filter.bank.end_detour(slot),
        }
        self.set_checkpoint();
        arrival
    }

    fn detour(&mut self, slot: usize, by_s: f64) {
        if let Some(settled) = self.filter.bank.detour(slot, by_s) {
            self.known.paths[settled].settle();
        }
    }

    pub(super) fn estimate(&self) -> Option<Estimate> {
        let bank = &self.filter.bank;
        let [lead_s, frequency] = bank.track();
        Some(Estimate {
            at: bank.at?,
            lead: bank.reference + Span::from_secs_f64(lead_s),
            frequency,
            covariance: [bank.covariance(0, 0), bank.covariance(0, 1), bank.covariance(1, 1)],
            hidden_variance: bank.hidden_variance(),
            wander: self.wander_squared().sqrt(),
        })
    }

    fn wander_squared(&self) -> f64 {
        self.filter.bank.wander_squared(&self.beliefs)
    }

    pub(super) fn poll_terms(&self, active: &[Slot]) -> Option<PollTerms> {
        let paths = active.iter().map(|slot| &self.known.paths[slot.index()]).filter(|path| path.seen() > 0);
        let (mut count, mut sum) = (0.0, 0.0);
        for path in paths {
            count += 1.0;
            sum += 1.0 / (0.25 * path.jitter() * path.jitter() + STAMP_VARIANCE);
        }
        (count > 0.0 && self.filter.bank.at.is_some())
            .then(|| PollTerms { wander_squared: self.wander_squared(), sample_variance: count / sum })
    }

    pub(super) fn vacate(&mut self, slot: Slot) {
        self.filter.dismiss(slot.index());
        self.known.forget(slot.index());
        self.discord.forget(slot.index());
        self.shortcuts.forget(slot.index());
        self.last_used[slot.index()] = None;
        self.waiting.retain(|held| held.sample.slot != slot);
        self.set_checkpoint();
    }

    pub(super) fn exclude(&mut self, slot: Slot) -> bool {
        self.waiting.retain(|held| held.sample.slot != slot);
        let possible = self.history.complete() && !self.checkpoint.bank.knows(slot.index());
        let others = self.history.samples().iter().any(|sample| sample.slot != slot);
        let possible = possible && self.can_replay();
        if !possible || !(others || self.checkpoint.bank.at.is_some()) || !self.history.drop_source(slot) {
            return false;
        }
        self.last_used[slot.index()] = None;
        self.replay().is_none_or(|step| step.sane)
    }

    pub(super) fn shift(&mut self, by: Span) {
        self.filter.bank.reference += by;
        self.waiting = Waiting::NEW;
        self.set_checkpoint();
    }

    /// The frequency is this much more than was estimated; before the first sample the prior is right.
    pub(super) fn turn(&mut self, by: f64) {
        if self.filter.bank.at.is_some() {
            self.filter.bank.turn(by);
            self.set_checkpoint();
        }
    }

    pub(super) fn revise(&mut self, by: Span, rate: f64) {
        self.filter.bank.reference += by;
        self.filter.bank.turn(rate);
        self.distrust(by.secs_f64(), rate);
    }

    pub(super) fn distrust(&mut self, phase_sd_s: f64, frequency_sd: f64) {
        let square = |sd: f64, most: f64| if sd.is_nan() { 0.0 } else { sd.abs().min(most).powi(2) };
        self.filter.bank.distrust(square(phase_sd_s, 1e9), square(frequency_sd, 1e-3));
        self.waiting = Waiting::NEW;
        self.set_checkpoint();
    }

    /// Earlier samples were judged by what is now known to be wrong.
    fn wants_replay(&mut self, slot: usize, arrival: &Arrival) -> bool {
        if !self.history.complete() {
            return false;
        }
        // A reference clock has no directions, and what its samples seem to lean by is chance.
        let leans = |k: &usize| self.known.paths[*k].noise().is_none();
        let moved =
            (0..MAX_SOURCES).filter(leans).any(|k| (self.filter.lean(k) - self.known.lean[k]).abs() > LEAN_MOVED);
        if moved {
            for k in 0..MAX_SOURCES {
                self.known.lean[k] = self.filter.lean(k);
            }
        }
        moved || arrival.new_minimum || self.known.paths[slot].seen() <= REPLAY_FIRST
    }

    /// All samples that count are there, and running over them again is not too much work for now.
    fn can_replay(&self) -> bool {
        self.history.complete() && self.replay_work() <= self.credit
    }

    fn replay_work(&self) -> u32 {
        self.history.samples().len() as u32 * step_work(self.filter.bank.dims)
    }

    /// Runs the filter over the history again; `None` if that is empty.
    fn replay(&mut self) -> Option<Step> {
        self.credit = self.credit.saturating_sub(self.replay_work());
        self.is_stale = false;
        self.filter.clone_from(&self.checkpoint);
        let mut last = None;
        for sample in self.history.samples() {
            let step = self.filter.step(&self.beliefs, &self.known, sample);
            if step.verdict.applied {
                self.waiting.retain(|held| held.sample != *sample);
            }
            last = Some(step);
            if !step.sane {
                break;
            }
        }
        last
    }

    /// What a replay starts from from now on.
    pub(super) fn set_checkpoint(&mut self) {
        self.checkpoint.clone_from(&self.filter);
        self.history.clear();
        self.is_stale = false;
    }

    /// How far a source is usually wrong: the median over the active ones.
    fn middling_bias(&self, active: &[Slot]) -> f64 {
        let mut usual = [0.0; MAX_SOURCES];
        for (place, slot) in usual.iter_mut().zip(active) {
            *place = self.known.usual_bias(slot.index());
        }
        let count = active.len().min(MAX_SOURCES);
        if count == 0 { 0.0 } else { median(&mut usual[..count]) }
    }

    /// An error inside the root distance is invisible to selection. Seen here, the source's prior is widened, so that
    /// it has little say in the lead but is still followed.
    fn widen_liars(&mut self, active: &[Slot]) {
        if active.len() < WITNESSES || !self.can_replay() {
            return;
        }
        let bank = &self.filter.bank;
        let mut biases = [0.0; MAX_SOURCES];
        let known = active.iter().filter_map(|slot| bank.usual_bias(slot.index()));
        let mut count = 0;
        for (place, bias) in biases.iter_mut().zip(known) {
            *place = bias;
            count += 1;
        }
        if count == 0 {
            return;
        }
        let middle = median(&mut biases[..count]);
        let mut coarseness = [0.0; MAX_SOURCES];
        for (place, slot) in coarseness.iter_mut().zip(active) {
            *place = self.known.paths[slot.index()].coarseness();
        }
        // Stamps that are cut off are half a tick early: a majority of coarse sources says nothing against a fine one.
        let blurred = 0.5 * median(&mut coarseness[..active.len().min(MAX_SOURCES)]);
        // How far the middle itself may be off: a reference clock is finer than a majority of servers.
        let middling = self.middling_bias(active);
        let mut widened = false;
        for slot in active.iter().map(|slot| slot.index()) {
            let Some(bias) = self.filter.bank.usual_bias(slot) else { continue };
            let is_clock = self.known.paths[slot].noise().is_some();
            let usual = if is_clock { self.known.usual_bias(slot).max(middling) } else { self.known.usual_bias(slot) };
            let excess = ((bias - middle).abs() - blurred).max(0.0) / usual;
            if excess > SUSPECT && excess > WORSE * self.known.widening[slot] {
                let before = self.known.bias_deviation(slot);
                self.known.widening[slot] = WIDENED * excess;
                let more = self.known.bias_deviation(slot).powi(2) - before * before;
                self.checkpoint.bank.distrust_source(slot, more);
                widened = true;
            }
        }
        if widened {
            self.replay();
        }
    }

    /// Nonsense went in: begin again with this sample.
    pub(super) fn restart(&mut self, sample: &Sample) -> Outcome {
        self.filter = Filter::new(&self.beliefs, &self.prior);
        self.waiting = Waiting::NEW;
        self.set_checkpoint();
        self.history.push(sample);
        self.filter.step(&self.beliefs, &self.known, sample);
        Outcome::Reacquired
    }
}

/// Of a list that is not empty.
fn median(values: &mut [f64]) -> f64 {
    tiny_sort::unstable::sort_by(values, f64::total_cmp);
    0.5 * (values[(values.len() - 1) / 2] + values[values.len() / 2])
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // Only what ships must do without the platform's mathematics.
mod tests {
    use super::super::oscillator_models::{MODELS, WANDER_GRID};
    use super::*;
    use crate::time::{Lead, Span};

    fn normal(rng: &mut fastrand::Rng) -> f64 {
        (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
    }

    fn slot(index: usize) -> Slot {
        Slot::new(index).expect("a small index")
    }

    /// Samples of a clock with constant wander, polled at the knee of the poll rule, jitter 1 ms.
    fn wandering(wander: f64, count: usize, rng: &mut fastrand::Rng) -> Vec<Sample> {
        const JITTER: f64 = 1e-3;
        let gap = (1.5 * 0.25 * JITTER * JITTER / (wander * wander)).cbrt();
        let (mut t, mut x, mut f) = (1e3, 0.0, 0.0);
        let mut one = |_| {
            // Phase and frequency after one gap of white frequency noise's integral.
            let (a, b) = (normal(rng), normal(rng));
            x += gap * f + wander * gap.powf(1.5) * (0.5 * a + b / 12f64.sqrt());
            f += wander * gap.sqrt() * a;
            t += gap;
            let (out, back) = (-JITTER * (1.0 - rng.f64()).ln(), -JITTER * (1.0 - rng.f64()).ln());
            Sample {
                slot: slot(0),
                at: Raw::from_nanos((t * 1e9) as i64),
                lead: Lead::from_nanos(((x + 0.5 * (out - back)) * 1e9) as i64),
                delay: Span::from_secs_f64(0.02 + out + back),
            }
        };
        (0..count).map(&mut one).collect()
    }

    #[test]
    fn the_wander_is_recognised() {
        for (wander, at) in [(1e-9, 2), (1e-7, 6)] {
            assert_eq!(WANDER_GRID[at], wander);
            let mut weights: Vec<f64> = (0..40)
                .map(|seed| {
                    let mut joint = Joint::new(FrequencyPrior::unknown());
                    for sample in wandering(wander, 100, &mut fastrand::Rng::with_seed(seed)) {
                        joint.feed(&sample, &[sample.slot]);
                    }
                    let w = &joint.filter.bank.weights;
                    w[at] + w[at - 1].max(w[(at + 1).min(MODELS - 1)])
                })
                .collect();
            tiny_sort::unstable::sort_by(&mut weights, f64::total_cmp);
            println!("wander {wander:e}: median weight {:.2}, least {:.2}", weights[20], weights[0]);
            assert!(weights[20] > 0.7, "{weights:?}");
        }
    }

    #[test]
    fn a_replay_changes_nothing_when_nothing_was_learnt() {
        let mut rng = fastrand::Rng::with_seed(5);
        let mut joint = Joint::new(FrequencyPrior::unknown());
        let samples: Vec<Sample> = wandering(1e-9, 60, &mut rng)
            .into_iter()
            .enumerate()
            .map(|(i, sample)| Sample { slot: slot(i % 3), ..sample })
            .collect();
        let active = [slot(0), slot(1), slot(2)];
        for sample in &samples[..40] {
            joint.feed(sample, &active);
        }
        joint.replay();
        for sample in &samples[40..] {
            joint.history.push(sample);
            joint.filter.step(&joint.beliefs, &joint.known, sample);
        }
        let incremental = joint.filter.clone();
        joint.replay();
        let (a, b) = (&incremental.bank, &joint.filter.bank);
        assert_eq!(joint.history.samples().len(), 60);
        assert_eq!((a.at, a.reference, a.dims, &a.weights), (b.at, b.reference, b.dims, &b.weights));
        assert_eq!(a.mean, b.mean);
        assert_eq!(a.cov, b.cov);
    }

    #[test]
    fn excluding_a_source_undoes_its_samples() {
        let mut rng = fastrand::Rng::with_seed(6);
        let good = wandering(1e-9, 30, &mut rng);
        let bad = |sample: &Sample| Sample { slot: slot(1), lead: sample.lead + Span::from_millis(3), ..*sample };
        let (mut with, mut without) = (Joint::new(FrequencyPrior::unknown()), Joint::new(FrequencyPrior::unknown()));
        for sample in &good {
            without.feed(sample, &[slot(0)]);
            with.feed(sample, &[slot(0), slot(1)]);
            with.feed(&bad(sample), &[slot(0), slot(1)]);
        }
        let apart = |with: &Joint| with.filter.bank.track()[0] - without.filter.bank.track()[0];
        assert!(apart(&with).abs() > 5e-4, "{}", apart(&with));
        assert!(with.exclude(slot(1)));
        assert!(apart(&with).abs() < 1e-4, "{}", apart(&with));
        assert!(!with.exclude(slot(0)), "the last source stays");
    }

    #[test]
    fn fits_in_64_kib() {
        let size = size_of::<Joint>();
        println!("{size} bytes");
        assert!(size <= 64 * 1024, "{size}");
    }
}
