//! Samples that contradict the prediction: mad replies, a jump of our counter, or a jump of one server.

use super::asymmetry::Lean;
use super::history::{Held, Waiting};
use super::joint::Joint;
use super::oscillator_models::MOST_WANDER;
use super::{Outcome, Sample, Slot};
use crate::time::Span;

/// Doubtful samples that must agree before they are believed.
const CONFIRMATIONS: usize = 3;
/// Regular samples of other sources that make a doubtful one its source's own affair.
const CONTRADICTIONS: u32 = 2;
/// A jump is taken to have come about over at least this time, in seconds.
const JUMP_OVER_S: f64 = 64.0;
/// No oscillator changes its frequency by more than this, be it by another temperature or another host. What stays within
/// it is no lie but a clock that strayed, and after a jump the frequency is in doubt by as much.
pub const JUMP_FREQUENCY: f64 = 1e-4;
/// What samples that contradict each other's neighbours say of the frequency is believed up to so many deviations.
const SIGMAS: f64 = 3.0;

impl Joint {
    /// Keeps a doubtful sample; if enough of them agree the world has changed, not the messenger.
    pub(super) fn hold(&mut self, new: Held, active: &[Slot]) -> Outcome {
        self.waiting.push(new);
        let deviation = self.filter.deviation(&new.sample);
        let mut agreeing = self.waiting;
        // What others' traffic explains is no news of our clock.
        let (paths, filter) = (&self.known.paths, &self.filter);
        agreeing.retain(|held| {
            let path = &paths[held.sample.slot.index()];
            filter.deviation(&held.sample).abs() > path.excess_over_lowest_s(held.sample.delay.secs_f64())
        });
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
            let since_s = since.secs_f64().max(JUMP_OVER_S);
            // One source alone may be running away: what it says of the frequency counts as far as an oscillator wanders.
            let most = if sources > 1 { JUMP_FREQUENCY } else { MOST_WANDER * since_s.sqrt() };
            let frequency = (deviation.abs() / since_s).min(most);
            let before = self.filter.bank.track()[1];
            self.filter.bank.distrust(deviation * deviation, frequency * frequency);
            let most_change = SIGMAS * self.filter.bank.frequency_variance().sqrt();
            self.accept(&agreeing, &new.sample);
            let change = self.filter.bank.track()[1] - before;
            self.turn(change.clamp(-most_change, most_change) - change);
            Outcome::Reacquired
        } else {
            Outcome::Held
        }
    }

    /// A source repeats what made it doubtful, and others were regular in between: it is the source that has moved, not
    /// our clock. Its bias is set free before the sample is judged.
    pub(super) fn blame_source(&mut self, sample: &Sample) {
        let (slot, deviation) = (sample.slot, self.filter.deviation(sample));
        let half_width = self.known.paths[slot.index()].interval(sample.delay.secs_f64(), Lean::Learnt(0.0)).half_width;
        let repeated = self.waiting.iter().any(|held| {
            let tolerance = half_width + held.interval.half_width;
            held.sample.slot == slot
                && held.contradictions >= CONTRADICTIONS
                && deviation.abs() > tolerance
                && (self.filter.deviation(&held.sample) - deviation).abs() < 0.5 * deviation.abs() + tolerance
        });
        if repeated {
            self.filter.bank.distrust_source(slot.index(), deviation * deviation);
            self.waiting.retain(|held| held.sample.slot != slot);
            self.set_checkpoint();
        }
    }

    /// A regular sample contradicts the doubtful ones of other sources, if its interval is tight enough to tell.
    pub(super) fn contradict(&mut self, slot: Slot, half_width: f64) {
        let filter = &self.filter;
        self.waiting.for_each(|held| {
            if held.sample.slot != slot && 2.0 * half_width < filter.deviation(&held.sample).abs() {
                held.contradictions += 1;
            }
        });
    }

    /// Applies confirmed samples to a state widened enough to make them regular.
    fn accept(&mut self, agreeing: &Waiting, newest: &Sample) {
        for held in agreeing.iter() {
            self.filter.confirm(&held.sample, &held.interval);
        }
        if !self.filter.bank.tidy() {
            self.restart(newest);
            return;
        }
        self.waiting = Waiting::NEW;
        self.last_used[newest.slot.index()] = Some(newest.at);
        self.set_checkpoint();
    }
}
