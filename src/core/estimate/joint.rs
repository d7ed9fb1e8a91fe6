//! The joint filter over all sources: what to do with a sample beyond Bayes' rule.

use super::bank::Beliefs;
use super::filter::{Filter, Knowledge, Step};
use super::history::{Held, History, Waiting};
use super::path::{Arrival, Change};
use super::prior::FrequencyPrior;
use super::{MAX_SOURCES, Outcome, PollTerms, Sample, Slot};
use crate::time::{Raw, Span};

/// Squared innovation over its variance that calls for an early poll: four deviations.
const SURPRISING: f64 = 16.0;
/// The first samples of a source, taken before its base delay was known, are worth a replay each.
const REPLAY_FIRST: u32 = 10;
/// A lean of the jitter that changed by this much deserves a replay.
const LEAN_MOVED: f64 = 0.15;
/// Doubtful samples that must agree before they are believed.
const CONFIRMATIONS: usize = 3;
/// A jump is taken to have come about over at least this time, in seconds, ...
const JUMP_OVER_S: f64 = 64.0;
/// ... and not to need more frequency than this.
const JUMP_FREQUENCY: f64 = 1e-4;
/// With so many sources one can be seen to lie.
const WITNESSES: usize = 3;
/// A bias this many prior deviations from the others' median makes its prior suspect...
const SUSPECT: f64 = 2.5;
/// ...if it also exceeds the widening already granted by this factor.
const WORSE: f64 = 1.5;
/// The widened prior's deviation in units of the bias seen.
const WIDENED: f64 = 2.0;
/// Variance added to each jitter's in the poll rule, s^2: time stamps are no better than 0.1 us.
const STAMP_VARIANCE: f64 = 1e-14;

/// All state of the estimator, in one allocation.
pub(super) struct Joint {
    prior: FrequencyPrior,
    beliefs: Beliefs,
    pub(super) known: Knowledge,
    filter: Filter,
    /// The filter as it was before the first sample in `history`.
    checkpoint: Filter,
    history: History,
    waiting: Waiting,
    last_used: [Option<Raw>; MAX_SOURCES],
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
            last_used: [None; MAX_SOURCES],
        })
    }

    pub(super) fn feed(&mut self, sample: &Sample, active: &[Slot]) -> Outcome {
        let slot = sample.slot.index();
        let arrival = self.observe(sample);
        self.history.push(sample);
        let step = if self.wants_replay(slot, &arrival) {
            self.replay()
        } else {
            Some(self.filter.step(&self.beliefs, &self.known, sample))
        };
        match step {
            Some(step) if step.sane && step.verdict.applied => {
                self.last_used[slot] = Some(sample.at);
                self.widen_liars(active);
                Outcome::Used { surprise: step.verdict.innovation > SURPRISING || arrival.excessive }
            }
            Some(step) if step.sane => self.hold(Held { sample: *sample, interval: step.interval }, active),
            _ => self.restart(sample),
        }
    }

    /// Delay statistics only.
    pub(super) fn observe(&mut self, sample: &Sample) -> Arrival {
        let slot = sample.slot.index();
        let arrival = self.known.paths[slot].add(sample.delay.secs_f64());
        if let Some(change) = arrival.change.filter(|_| self.filter.bank.knows(slot)) {
            match change {
                Change::Detour(by) => {
                    if let Some(settled) = self.filter.bank.detour(slot, by) {
                        self.known.paths[settled].settle();
                    }
                }
                Change::Home => self.filter.bank.end_detour(slot),
            }
            self.set_checkpoint();
        }
        arrival
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(super) fn wander_squared(&self) -> f64 {
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
        self.last_used[slot.index()] = None;
        self.waiting.retain(|held| held.sample.slot != slot);
        self.set_checkpoint();
    }

    pub(super) fn exclude(&mut self, slot: Slot) -> bool {
        self.waiting.retain(|held| held.sample.slot != slot);
        let possible = self.history.complete() && !self.checkpoint.bank.knows(slot.index());
        let others = self.history.samples().iter().any(|sample| sample.slot != slot);
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
        let moved = (0..MAX_SOURCES).any(|k| (self.filter.lean(k) - self.known.lean[k]).abs() > LEAN_MOVED);
        if moved {
            for k in 0..MAX_SOURCES {
                self.known.lean[k] = self.filter.lean(k);
            }
        }
        moved || arrival.new_minimum || self.known.paths[slot].seen() <= REPLAY_FIRST
    }

    /// Runs the filter over the history again; `None` if that is empty.
    fn replay(&mut self) -> Option<Step> {
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

    fn set_checkpoint(&mut self) {
        self.checkpoint.clone_from(&self.filter);
        self.history.clear();
    }

    /// Keeps a doubtful sample; if enough of them agree the world has changed, not the messenger.
    fn hold(&mut self, new: Held, active: &[Slot]) -> Outcome {
        self.waiting.push(new);
        let deviation = self.filter.deviation(&new.sample);
        let mut agreeing = self.waiting;
        agreeing.retain(|held| {
            let tolerance = 0.5 * deviation.abs() + new.interval.half_width + held.interval.half_width;
            (self.filter.deviation(&held.sample) - deviation).abs() < tolerance
        });
        if agreeing.iter().count() < CONFIRMATIONS {
            return Outcome::Held;
        }
        let sources = agreeing.sources();
        if active.len() < 2 || sources > active.len() / 2 {
            let since = self.last_used.iter().flatten().max().map_or(Span::ZERO, |&last| new.sample.at - last);
            let frequency = (deviation.abs() / since.secs_f64().max(JUMP_OVER_S)).min(JUMP_FREQUENCY);
            self.filter.bank.distrust(deviation * deviation, frequency * frequency);
            self.accept(&agreeing, &new.sample);
            Outcome::Reacquired
        } else if sources == 1 && self.contradicted(&agreeing, new.sample.slot, active) {
            self.filter.bank.distrust_source(new.sample.slot.index(), deviation * deviation);
            self.accept(&agreeing, &new.sample);
            Outcome::Used { surprise: true }
        } else {
            Outcome::Held
        }
    }

    /// While this source alone said otherwise, another one was regular: the source has moved, not our clock.
    fn contradicted(&self, agreeing: &Waiting, slot: Slot, active: &[Slot]) -> bool {
        let first = agreeing.iter().map(|held| held.sample.at).min();
        active.iter().any(|&other| other != slot && self.last_used[other.index()] > first)
    }

    /// Applies confirmed samples to a state widened enough to make them regular.
    fn accept(&mut self, agreeing: &Waiting, newest: &Sample) {
        for held in agreeing.iter() {
            self.filter.confirm(&held.sample, &held.interval.without_tilt());
        }
        if !self.filter.bank.tidy() {
            self.restart(newest);
            return;
        }
        self.waiting = Waiting::NEW;
        self.last_used[newest.slot.index()] = Some(newest.at);
        self.set_checkpoint();
    }

    /// An error inside the root distance is invisible to selection. Seen here, the source's prior is widened, so that
    /// it has little say in the lead but is still followed.
    fn widen_liars(&mut self, active: &[Slot]) {
        if active.len() < WITNESSES || !self.history.complete() {
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
        biases[..count].sort_unstable_by(f64::total_cmp);
        let median = 0.5 * (biases[(count - 1) / 2] + biases[count / 2]);
        let mut widened = false;
        for slot in active.iter().map(|slot| slot.index()) {
            let Some(bias) = self.filter.bank.usual_bias(slot) else { continue };
            let excess = (bias - median).abs() / self.known.usual_bias(slot);
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
    fn restart(&mut self, sample: &Sample) -> Outcome {
        self.filter = Filter::new(&self.beliefs, &self.prior);
        self.waiting = Waiting::NEW;
        self.set_checkpoint();
        self.history.push(sample);
        self.filter.step(&self.beliefs, &self.known, sample);
        Outcome::Reacquired
    }
}
