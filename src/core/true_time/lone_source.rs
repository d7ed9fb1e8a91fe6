//! What a lone source may do to the estimate.
//!
//! A source that swings or runs away cannot be told from an oscillator that does. Its phase is followed, for want of a better
//! one. What it says of the rate is followed as fast as oscillators wander. If it contradicts itself again and again, only
//! what it has shown over a long time counts: an error that comes and goes adds the less to the mean rate the longer it is
//! watched. Such a source is weighed as if its stamps told the time no finer than it swings.

use crate::core::estimate::MOST_WANDER;
use crate::core::estimate::{Estimate, JUMP_FREQUENCY, Sample};
use crate::core::source::Source;
use crate::core::true_time::watch::{FittedLine, Watch};
use crate::core::true_time::{BOUND_SIGMAS, Prediction, TrueTime};
use crate::time::{Raw, Span};

/// What was seen of its swings counts half after this long without a jump, unless they go on.
const HALF_LIFE: Span = Span::from_secs(3600);

/// A rate is learnt if it was followed for this long without a jump.
const LEARNT_IN: Span = Span::from_secs(1800);

/// A good oscillator's wander per square root of a second: by so much the mean rate may differ from that of today.
const USUAL_WANDER: f64 = 1e-8;

/// What has been seen of the source that is alone.
#[derive(Clone, Debug, Default)]
pub(in crate::core) struct LoneSource {
    /// What it has said since the estimate began.
    watch: Watch,
    /// What had been learnt before it began to jump.
    learnt: Option<Prediction>,
    /// The directions of the last three jumps of the server, newest first; `true`: forward.
    ways: [Option<bool>; 3],
    /// When it last jumped, or half of its swings were taken off.
    last: Option<Raw>,
    /// The server is taken to tell the time no finer than this.
    coarseness: Span,
}

impl LoneSource {
    /// The server is taken to tell the time no finer than this.
    pub(in crate::core) fn coarseness(&self) -> Span {
        self.coarseness
    }

    /// One more sample has been taken, and this is the estimate now.
    pub(in crate::core) fn record(&mut self, sample: &Sample, estimate: &Estimate) {
        let is_calm = self.last.is_none_or(|last| sample.at - last > LEARNT_IN);
        if is_calm && self.watch.length() > LEARNT_IN {
            self.learnt = Some(estimate.into());
        }
        self.watch.push(sample.at, sample.lead);
    }

    /// True time is found to be elsewhere for a reason that says nothing of the rate.
    pub(in crate::core) fn shift(&mut self, by: Span) {
        self.watch.shift(by);
        if let Some(learnt) = &mut self.learnt {
            learnt.lead += by;
        }
    }

    /// The nearest rate to this one that an oscillator can have by now, if another was learnt.
    fn within_wander(&self, rate: f64, now: Raw) -> f64 {
        let Some(learnt) = self.learnt else { return rate };
        let most = BOUND_SIGMAS * MOST_WANDER * (now - learnt.at).secs_f64().max(0.0).sqrt();
        rate.clamp(learnt.frequency - most, learnt.frequency + most)
    }

    /// How far the source has led the estimate away from what was learnt, if no oscillator can have strayed so far.
    pub(in crate::core) fn led_astray(&self, estimate: &Estimate, now: Raw) -> Span {
        let (Some(learnt), Some(_)) = (self.learnt, self.last) else { return Span::ZERO };
        let apart = (estimate.lead_at(now) - learnt.lead_at(now)).abs();
        let since_s = (now - learnt.at).secs_f64().max(0.0);
        // The integral of a rate that is a random walk.
        let strayed_s = BOUND_SIGMAS * MOST_WANDER * (since_s.powi(3) / 3.0).sqrt();
        if apart.secs_f64() > strayed_s { apart } else { Span::ZERO }
    }

    fn jumped(&mut self, jump: Span, now: Raw) {
        self.ways.rotate_right(1);
        self.ways[0] = Some(jump > Span::ZERO);
        self.last = Some(now);
    }

    fn is_to_and_fro(&self) -> bool {
        let has_jumped = |up| self.ways.contains(&Some(up));
        has_jumped(true) && has_jumped(false)
    }

    /// The server has not jumped for a while. Returns whether it is taken to be finer than before.
    fn calmed(&mut self, now: Raw) -> bool {
        let is_calm = self.coarseness > Span::ZERO && self.last.is_none_or(|last| now - last > HALF_LIFE);
        if is_calm {
            let lately = self.watch.line().map_or(Span::ZERO, |line| line.beside_lately);
            self.coarseness = self.coarseness.min(lately.max(self.coarseness.scaled(0.5)));
            self.last = Some(now);
        }
        is_calm
    }
}

impl TrueTime {
    /// A lone source has jumped, and its phase has been followed. If it jumps to and fro, the rate goes back to what a long
    /// time has shown. If it always jumps the same way, and a rate had
    /// been learnt, that may have changed. A rate that was found by its word a
    /// moment ago was none: the estimate begins anew, and what it said last is to be fed.
    pub(in crate::core) fn follow_lone_jump(&mut self, jump: Span, sources: &mut [Source], now: Raw) {
        if self.is_rate_on_trial() {
            self.abandon_rate(sources);
            return self.lone.jumped(jump, now);
        }
        self.lone.jumped(jump, now);
        let Some(line) = self.mean_of_swings() else { return self.keep_within_wander(now) };
        self.lone.coarseness = line.beside;
        sources.iter_mut().for_each(|source| self.tune(source));
        let doubt = self.keep_to_mean(&line, now);
        self.estimator.distrust(0.0, doubt.min(JUMP_FREQUENCY));
    }

    /// A lone source has spoken, without a jump that is certain. `is_held`: what it said is in doubt.
    pub(in crate::core) fn follow_lone_source(&mut self, is_held: bool, sources: &mut [Source], now: Raw) {
        if self.lone.last.is_none() {
            return;
        }
        match self.mean_of_swings().filter(|_| is_held || self.rate.is_doubted()) {
            Some(line) => _ = self.keep_to_mean(&line, now),
            None => self.keep_within_wander(now),
        }
        if self.lone.calmed(now) {
            sources.iter_mut().for_each(|source| self.tune(source));
        }
    }

    /// The line through all that it has said, if it swings.
    fn mean_of_swings(&self) -> Option<FittedLine> {
        let may_swing = self.lone.learnt.is_none() || self.lone.is_to_and_fro();
        let is_swinging = self.lone.coarseness > Span::ZERO || self.unrest.is_known() && may_swing;
        self.lone.watch.line().filter(|_| is_swinging)
    }

    /// The rate is that of the line, to within what the swings let that be off.
    fn keep_to_mean(&mut self, line: &FittedLine, now: Raw) -> f64 {
        let Some(estimate) = self.estimate() else { return JUMP_FREQUENCY };
        let doubt = BOUND_SIGMAS * line.rate_sd + USUAL_WANDER * self.lone.watch.length().secs_f64().sqrt();
        let kept = estimate.frequency.clamp(line.rate - doubt, line.rate + doubt);
        self.turn_rate(self.lone.within_wander(kept, now) - estimate.frequency, now);
        self.rate.limit_doubt(2.0 * doubt);
        doubt
    }

    fn keep_within_wander(&mut self, now: Raw) {
        let Some(estimate) = self.estimate() else { return };
        self.turn_rate(self.lone.within_wander(estimate.frequency, now) - estimate.frequency, now);
    }

    /// What a lone source has shown counts no longer: others have spoken, or the counter has lost its grip.
    pub(in crate::core) fn forget_lone_source(&mut self, sources: &mut [Source]) {
        let was_coarse = std::mem::take(&mut self.lone).coarseness > Span::ZERO;
        if was_coarse {
            sources.iter_mut().for_each(|source| self.tune(source));
        }
    }

    /// True time runs faster by this rate than was thought; what the time is now stays as it is.
    pub(in crate::core) fn turn_rate(&mut self, rate: f64, now: Raw) {
        let Some(estimate) = self.estimate() else { return };
        if rate == 0.0 {
            return;
        }
        self.estimator.turn(rate);
        self.estimator.shift(-(now - estimate.at).scaled(rate));
    }
}
