//! A bank of Kalman filters that differ only in how much the oscillator is believed to wander.
//!
//! State: `[x, f, ...]`, then a bias per source and, while a source is on a detour, a second one. `x` is true time
//! minus the raw counter, in seconds relative to `reference`; `f` is its rate. All models observe the same samples
//! in the same way, so every number is kept as eight lanes, one per model, and covariances as packed triangles.
//! The bank is an interacting multiple model filter (Blom and Bar-Shalom, 1988).

#![allow(clippy::needless_range_loop)] // Matrix code reads best with its indices.

use super::MAX_SOURCES;
use super::oscillator_models::{Beliefs, LEAST_WEIGHT, Lanes, MODELS, exponentiate, normalise};
use super::prior::FrequencyPrior;
use crate::time::{Lead, Raw, Span};

/// Detours that can be followed at once.
const MAX_DETOURS: usize = 4;
/// Largest state: lead, frequency, biases, detours.
pub(super) const DIMS: usize = 2 + MAX_SOURCES + MAX_DETOURS;
const PACKED: usize = DIMS * (DIMS + 1) / 2;
/// White frequency noise of the counter (s^2 per s): 1 ns after a second.
const PHASE_NOISE: f64 = 1e-18;
/// A bias drifts in a day by this part of its prior deviation.
const BIAS_DRIFT: f64 = 0.1;
const DAY_S: f64 = 86_400.0;
/// The lead is unknown before the first sample: its deviation is this many round trips (the error of an honest
/// reply is at most half of one) ...
const FIRST_ROUND_TRIPS: f64 = 10.0;
/// ... plus this, in seconds. More would only cost digits.
const FIRST_MARGIN_S: f64 = 1e-3;
/// The reference follows the lead when it is off by more than this, in seconds: differences stay exact.
const REBASE_S: f64 = 1.0;
/// Variances never fall below this: the square of any deviation that matters here is larger.
const LEAST_VARIANCE: f64 = 1e-30;
/// A filter that finds a larger frequency has been fed nonsense: [`LARGEST`] and what is not known at the start.
const LARGEST_FREQUENCY: f64 = 2.0 * FrequencyPrior::LARGEST;
/// No lead is further than this from the reference, in seconds: i64 nanoseconds end at 292 years.
const LARGEST_LEAD_S: f64 = 1e10;

/// The place of "no such state".
const ABSENT: u8 = 0;
const LEAD: usize = 0;
const FREQUENCY: usize = 1;

/// The state of all models.
#[derive(Clone)]
pub(super) struct Bank {
    /// The instant the state holds for; `None` before the first sample.
    pub(super) at: Option<Raw>,
    /// What `x` is counted from.
    pub(super) reference: Lead,
    pub(super) dims: usize,
    pub(super) weights: Lanes,
    pub(super) mean: [Lanes; DIMS],
    pub(super) cov: [Lanes; PACKED],
    bias_at: [u8; MAX_SOURCES],
    detour_at: [u8; MAX_SOURCES],
    /// Growth of each bias's variance, s^2 per s.
    bias_drift: [f64; MAX_SOURCES],
    /// What is added to the growth for a source that has been seen to drift, s^2 per s.
    extra_drift: [f64; MAX_SOURCES],
}

/// Where an element of a symmetric matrix is in its packed lower triangle.
pub(super) const fn packed(a: usize, b: usize) -> usize {
    if a >= b { a * (a + 1) / 2 + b } else { b * (b + 1) / 2 + a }
}

impl Bank {
    /// Before the first sample.
    pub(super) fn new(beliefs: &Beliefs, prior: &FrequencyPrior) -> Self {
        let mut bank = Bank {
            at: None,
            reference: Lead::from_nanos(0),
            dims: 2,
            weights: beliefs.start,
            mean: [[0.0; MODELS]; DIMS],
            cov: [[0.0; MODELS]; PACKED],
            bias_at: [ABSENT; MAX_SOURCES],
            detour_at: [ABSENT; MAX_SOURCES],
            bias_drift: [0.0; MAX_SOURCES],
            extra_drift: [0.0; MAX_SOURCES],
        };
        bank.mean[FREQUENCY] = [prior.frequency; MODELS];
        bank.cov[packed(FREQUENCY, FREQUENCY)] = [prior.sd * prior.sd; MODELS];
        bank
    }

    /// The first sample sets the lead, to within its round trip.
    pub(super) fn start(&mut self, at: Raw, lead: Lead, delay_s: f64) {
        let deviation = FIRST_ROUND_TRIPS * delay_s + FIRST_MARGIN_S;
        self.at = Some(at);
        self.reference = lead;
        self.mean[LEAD] = [0.0; MODELS];
        self.cov[packed(LEAD, LEAD)] = [deviation * deviation; MODELS];
    }

    /// Moves the state to `at`, with no more squared wander than `most`; a step back in time does nothing.
    pub(super) fn predict(&mut self, beliefs: &Beliefs, at: Raw, most: f64) {
        let Some(last) = self.at.filter(|&last| at > last) else { return };
        let dt = (at - last).secs_f64();
        self.at = Some(at);
        let (xx, fx, ff) = (packed(LEAD, LEAD), packed(FREQUENCY, LEAD), packed(FREQUENCY, FREQUENCY));
        for k in 0..MODELS {
            let q = beliefs.wander_squared[k].min(most);
            self.mean[LEAD][k] += dt * self.mean[FREQUENCY][k];
            self.cov[xx][k] += dt * (2.0 * self.cov[fx][k] + dt * self.cov[ff][k]);
            self.cov[xx][k] += q * dt * dt * dt / 3.0 + PHASE_NOISE * dt;
            self.cov[fx][k] += dt * self.cov[ff][k] + q * dt * dt / 2.0;
            self.cov[ff][k] += q * dt;
        }
        for a in 2..self.dims {
            for k in 0..MODELS {
                self.cov[packed(a, LEAD)][k] += dt * self.cov[packed(a, FREQUENCY)][k];
            }
        }
        for slot in 0..MAX_SOURCES {
            let dim = usize::from(self.bias_at[slot]);
            if self.bias_at[slot] != ABSENT {
                self.widen(dim, dt * (self.bias_drift[slot] + self.extra_drift[slot]));
            }
        }
    }

    /// Lets the models exchange beliefs, since the wander may have changed.
    pub(super) fn mix(&mut self, beliefs: &Beliefs) {
        let mut weights = [0.0; MODELS];
        let mut share = [[0.0; MODELS]; MODELS];
        for (from, row) in share.iter_mut().enumerate() {
            for to in 0..MODELS {
                row[to] = self.weights[from] * beliefs.transition[from][to];
                weights[to] += row[to];
            }
        }
        for row in &mut share {
            for (part, total) in row.iter_mut().zip(weights) {
                *part /= total;
            }
        }
        self.weights = weights;
        let old = self.mean;
        for a in 0..self.dims {
            let mut mean = [0.0; MODELS];
            for (row, value) in share.iter().zip(old[a]) {
                for (sum, part) in mean.iter_mut().zip(row) {
                    *sum += part * value;
                }
            }
            self.mean[a] = mean;
        }
        for a in 0..self.dims {
            for b in 0..=a {
                let from = self.cov[packed(a, b)];
                self.cov[packed(a, b)] = mix_element(&share, &from, [&old[a], &old[b]], [&self.mean[a], &self.mean[b]]);
            }
        }
    }

    /// Makes room for the bias of a source, of the given prior deviation, if there is none yet.
    pub(super) fn admit(&mut self, slot: usize, deviation_s: f64) {
        if self.bias_at[slot] == ABSENT {
            self.bias_at[slot] = self.append(deviation_s * deviation_s);
            self.bias_drift[slot] = (BIAS_DRIFT * deviation_s).powi(2) / DAY_S;
        }
    }

    /// Whether the bias of this source is part of the state.
    pub(super) fn knows(&self, slot: usize) -> bool {
        self.bias_at[slot] != ABSENT
    }

    /// The element of the state that is the bias of this source on its usual path.
    pub(super) fn bias_element(&self, slot: usize) -> Option<usize> {
        self.knows(slot).then(|| usize::from(self.bias_at[slot]))
    }

    /// Forgets a source; what it taught about the others remains.
    pub(super) fn dismiss(&mut self, slot: usize) {
        self.end_detour(slot);
        if self.knows(slot) {
            self.remove(usize::from(self.bias_at[slot]));
            self.extra_drift[slot] = 0.0;
        }
    }

    /// The round trip of a source changed by so many seconds: its bias by up to half of that, either way. Returns
    /// the source whose detour had to be taken as permanent to make room.
    pub(super) fn detour(&mut self, slot: usize, change_s: f64) -> Option<usize> {
        if !self.knows(slot) {
            return None;
        }
        let mut settled = None;
        if self.detour_at[slot] == ABSENT {
            if self.detour_at.iter().filter(|&&dim| dim != ABSENT).count() == MAX_DETOURS {
                settled = (0..MAX_SOURCES).filter(|&s| self.detour_at[s] != ABSENT).min_by_key(|&s| self.detour_at[s]);
                settled.iter().for_each(|&s| self.settle(s));
            }
            self.detour_at[slot] = self.append(0.0);
        }
        self.widen(usize::from(self.detour_at[slot]), 0.25 * change_s * change_s);
        settled
    }

    /// The source is back on its usual path.
    pub(super) fn end_detour(&mut self, slot: usize) {
        if self.detour_at[slot] != ABSENT {
            self.remove(usize::from(self.detour_at[slot]));
        }
    }

    /// Lets what is known of the lead and of the frequency lose this factor in weight.
    pub(super) fn fade(&mut self, factor: f64) {
        let each = factor.sqrt();
        for a in 0..self.dims {
            self.cov[packed(a, LEAD)].iter_mut().for_each(|p| *p *= each);
            self.cov[packed(a, FREQUENCY)].iter_mut().for_each(|p| *p *= each);
        }
        // Once for the row and once for the column.
        self.cov[packed(LEAD, LEAD)].iter_mut().for_each(|p| *p *= each);
        self.cov[packed(FREQUENCY, FREQUENCY)].iter_mut().for_each(|p| *p *= each);
    }

    /// Adds to the variance of the lead and of the frequency.
    pub(super) fn distrust(&mut self, lead_variance: f64, frequency_variance: f64) {
        self.widen(LEAD, lead_variance);
        self.widen(FREQUENCY, frequency_variance);
    }

    /// Adds to the frequency.
    pub(super) fn turn(&mut self, rate: f64) {
        self.mean[FREQUENCY].iter_mut().for_each(|f| *f += rate);
    }

    /// Adds to the variance of a source's bias, if it is known.
    pub(super) fn distrust_source(&mut self, slot: usize, variance: f64) {
        if self.knows(slot) {
            self.widen(usize::from(self.bias_at[slot]), variance);
        }
    }

    /// The bias of a source has been seen to drift: it may be off by `variance` now, and by so much more each second.
    pub(super) fn let_drift(&mut self, slot: usize, variance: f64, per_second: f64) {
        self.distrust_source(slot, variance);
        self.extra_drift[slot] = self.extra_drift[slot].max(per_second);
    }

    /// Keeps this part of what a source was allowed to drift.
    pub(super) fn forgive(&mut self, slot: usize, keep: f64) {
        self.extra_drift[slot] *= keep;
    }

    /// The states whose sum the samples of this source measure.
    pub(super) fn observed(&self, slot: usize) -> impl Iterator<Item = usize> + use<> {
        let dims = [LEAD as u8, self.bias_at[slot], self.detour_at[slot]];
        dims.into_iter().enumerate().filter(|&(i, dim)| i == 0 || dim != ABSENT).map(|(_, dim)| usize::from(dim))
    }

    /// The mixture's mean of one state.
    pub(super) fn mean_of(&self, dim: usize) -> f64 {
        (0..MODELS).map(|k| self.weights[k] * self.mean[dim][k]).sum()
    }

    /// The mixture's covariance of two states.
    pub(super) fn covariance(&self, a: usize, b: usize) -> f64 {
        let (mean_a, mean_b) = (self.mean_of(a), self.mean_of(b));
        let spread = |k: usize| (self.mean[a][k] - mean_a) * (self.mean[b][k] - mean_b);
        (0..MODELS).map(|k| self.weights[k] * (self.cov[packed(a, b)][k] + spread(k))).sum()
    }

    /// Lead (seconds from the reference) and frequency.
    pub(super) fn track(&self) -> [f64; 2] {
        [self.mean_of(LEAD), self.mean_of(FREQUENCY)]
    }

    /// Variance of the frequency.
    pub(super) fn frequency_variance(&self) -> f64 {
        self.covariance(FREQUENCY, FREQUENCY)
    }

    /// What a sample of this source should show at the state's instant, in seconds from the reference.
    pub(super) fn expected(&self, slot: usize) -> f64 {
        self.observed(slot).map(|dim| self.mean_of(dim)).sum()
    }

    /// Mean of a source's bias on its usual path.
    pub(super) fn usual_bias(&self, slot: usize) -> Option<f64> {
        self.bias_element(slot).map(|bias| self.mean_of(bias))
    }

    /// Mean and variance of a source's bias, detour included.
    pub(super) fn bias(&self, slot: usize) -> Option<[f64; 2]> {
        if !self.knows(slot) {
            return None;
        }
        let mut sums = [0.0; 2];
        for a in self.observed(slot).skip(1) {
            sums[0] += self.mean_of(a);
            sums[1] += self.observed(slot).skip(1).map(|b| self.covariance(a, b)).sum::<f64>();
        }
        Some(sums)
    }

    /// The mean of [`Bank::bias`] alone: that of a source nothing is known of is 0.
    pub(super) fn mean_bias(&self, slot: usize) -> f64 {
        if self.knows(slot) { self.observed(slot).skip(1).map(|a| self.mean_of(a)).sum() } else { 0.0 }
    }

    /// The part of the lead's variance that is a bias common to all sources. Samples only tell how biases differ.
    pub(super) fn hidden_variance(&self) -> f64 {
        // Each source counts as much as the prior of its bias is narrow, as in the lead itself.
        let mut part = [0.0; MAX_SOURCES];
        let known = || (0..MAX_SOURCES).filter(|&slot| self.knows(slot));
        known().for_each(|slot| part[slot] = self.bias_drift[slot].recip());
        let total: f64 = part.iter().sum();
        part.iter_mut().for_each(|part| *part /= total);
        let (lead, mut with_lead, mut own) = (self.mean_of(LEAD), 0.0, 0.0);
        let mut common = [0.0; MODELS];
        for k in 0..MODELS {
            common[k] = known().map(|slot| part[slot] * self.mean[usize::from(self.bias_at[slot])][k]).sum();
        }
        let mean: f64 = common.iter().zip(self.weights).map(|(common, weight)| weight * common).sum();
        for k in 0..MODELS {
            let off = common[k] - mean;
            let (mut with_lead_k, mut own_k) = (off * (self.mean[LEAD][k] - lead), off * off);
            for one in known() {
                let dim = usize::from(self.bias_at[one]);
                with_lead_k += part[one] * self.cov[packed(dim, LEAD)][k];
                let row = known().map(|other| part[other] * self.cov[packed(dim, usize::from(self.bias_at[other]))][k]);
                own_k += part[one] * row.sum::<f64>();
            }
            with_lead += self.weights[k] * with_lead_k;
            own += self.weights[k] * own_k;
        }
        if own > 0.0 { with_lead * with_lead / own } else { 0.0 }
    }

    /// The square of the log-mean wander.
    pub(super) fn wander_squared(&self, beliefs: &Beliefs) -> f64 {
        let log_mean: f64 = (0..MODELS).map(|k| self.weights[k] * libm::log(beliefs.wander_squared[k])).sum();
        libm::exp(log_mean)
    }

    /// Sets the weights from logarithms.
    pub(super) fn reweigh(&mut self, ln_weights: &Lanes) {
        self.weights = *ln_weights;
        exponentiate(&mut self.weights);
        self.weights.iter_mut().for_each(|w| *w = w.max(LEAST_WEIGHT));
        normalise(&mut self.weights);
    }

    /// Keeps `x` small and the variances positive. `false`: the state makes no sense.
    pub(super) fn tidy(&mut self) -> bool {
        for a in 0..self.dims {
            self.cov[packed(a, a)].iter_mut().for_each(|p| *p = p.max(LEAST_VARIANCE));
        }
        let finite = self.mean[..self.dims].iter().chain(&self.cov[..packed(self.dims, 0)]).flatten();
        let sane = finite.fold(true, |sane, value| sane & value.is_finite());
        let [lead, frequency] = self.track();
        if !sane || frequency.abs() > LARGEST_FREQUENCY || lead.abs() > LARGEST_LEAD_S {
            return false;
        }
        if lead.abs() > REBASE_S {
            let shift = Span::from_secs_f64(lead);
            self.reference += shift;
            self.mean[LEAD].iter_mut().for_each(|x| *x -= shift.secs_f64());
        }
        true
    }

    /// A detour becomes part of the bias.
    fn settle(&mut self, slot: usize) {
        let (bias, detour) = (usize::from(self.bias_at[slot]), usize::from(self.detour_at[slot]));
        for k in 0..MODELS {
            self.mean[bias][k] += self.mean[detour][k];
            let both = 2.0 * self.cov[packed(bias, detour)][k] + self.cov[packed(detour, detour)][k];
            for a in (0..self.dims).filter(|&a| a != bias) {
                self.cov[packed(bias, a)][k] += self.cov[packed(detour, a)][k];
            }
            self.cov[packed(bias, bias)][k] += both;
        }
        self.remove(detour);
    }

    /// A new state, uncorrelated with all others.
    fn append(&mut self, variance: f64) -> u8 {
        let new = self.dims;
        self.dims += 1;
        self.mean[new] = [0.0; MODELS];
        for a in 0..new {
            self.cov[packed(new, a)] = [0.0; MODELS];
        }
        self.cov[packed(new, new)] = [variance; MODELS];
        new as u8
    }

    /// Integrates a state out; the last one takes its place.
    fn remove(&mut self, dim: usize) {
        let last = self.dims - 1;
        self.mean[dim] = self.mean[last];
        for a in (0..last).filter(|&a| a != dim) {
            self.cov[packed(dim, a)] = self.cov[packed(last, a)];
        }
        self.cov[packed(dim, dim)] = self.cov[packed(last, last)];
        self.dims = last;
        for place in self.bias_at.iter_mut().chain(&mut self.detour_at) {
            if usize::from(*place) == dim {
                *place = ABSENT;
            } else if usize::from(*place) == last {
                *place = dim as u8;
            }
        }
    }

    fn widen(&mut self, dim: usize, variance: f64) {
        self.cov[packed(dim, dim)].iter_mut().for_each(|p| *p += variance);
    }
}

/// One covariance of every mixed model: the parts' own and the spread of their means.
fn mix_element(share: &[Lanes; MODELS], from: &Lanes, old: [&Lanes; 2], new: [&Lanes; 2]) -> Lanes {
    let mut mixed = [0.0; MODELS];
    for i in 0..MODELS {
        for j in 0..MODELS {
            mixed[j] += share[i][j] * (from[i] + (old[0][i] - new[0][j]) * (old[1][i] - new[1][j]));
        }
    }
    mixed
}
