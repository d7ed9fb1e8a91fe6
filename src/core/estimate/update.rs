//! How a sample changes the bank: Bayes' rule with an interval likelihood and a small chance of a mad reply.

#![allow(clippy::needless_range_loop)] // Matrix code reads best with its indices.

use super::bank::{Bank, DIMS, packed};
use super::interval::{Evidence, Interval};
use super::oscillator_models::{Lanes, MODELS, exponentiate};

/// Prior probability of a reply outside its interval (a glitch of the server, a base delay not yet seen).
const MAD: f64 = 0.001;
/// Deviation of mad replies in units of the interval's half-width plus softness.
const MAD_WIDTH: f64 = 10.0;
/// Part of the mad replies that may be off by anything: a server that was set wrong...
const LOST: f64 = 0.1;
/// ...with this deviation in the same unit. Without them a server that jumps by 8 ms passes for a clock whose wander
/// rose 300-fold, and drags the others along.
const LOST_WIDTH: f64 = 1000.0;
/// A sample less likely regular than this waits for confirmation.
const DOUBTFUL: f64 = 0.5;
/// Squared deviations in the *mad* distribution beyond which a sample is refused however young its source.
const ABSURD: f64 = 100.0;
/// Part of its variance that the observed sum keeps at least: Gaussian updates cannot leave less than zero.
const LEAST_REMAINDER: f64 = 1e-9;
/// The observed sum's variance is at least this.
const LEAST_VARIANCE: f64 = 1e-30;

/// The rule by which the estimator refuses samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gate {
    /// Samples more likely mad than regular are refused.
    Doubtful,
    /// Only samples far out even among the mad are refused: the path's statistics are young.
    Absurd,
    /// No sample is refused: they have been confirmed.
    Open,
}

/// What the bank thought of a sample.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct GateVerdict {
    /// The sample was applied to the state.
    pub(super) applied: bool,
    /// Squared innovation over its expected variance.
    pub(super) innovation: f64,
    /// By how much the sample was ahead of the prediction in seconds, and the deviation expected of that.
    pub(super) ahead_s: f64,
    pub(super) expected_s: f64,
}

/// Prediction against one sample, per model.
struct Comparison {
    /// Covariance of every state with the observed sum.
    gain: [Lanes; DIMS],
    /// Predicted minus measured, seconds.
    error: Lanes,
    /// Variance of the prediction.
    variance: Lanes,
}

impl Bank {
    /// Applies a sample of `slot` that measured `seconds` from the reference at the state's instant.
    pub(super) fn update(&mut self, slot: usize, seconds: f64, interval: &Interval, gate: Gate) -> GateVerdict {
        let seen = self.compare(slot, seconds);
        let mad_width = MAD_WIDTH * (interval.half_width + interval.softness);
        let lost_width = LOST_WIDTH * (interval.half_width + interval.softness);
        let spread = interval.half_width * interval.half_width / 3.0 + interval.softness * interval.softness;
        let mut posterior = self.weights.map(libm::log);
        let mut joint = [Evidence { ln: 0.0, slope: 0.0, curvature: 0.0 }; MODELS];
        let mut regular = [0.0; MODELS];
        let (mut innovation, mut wildness, mut ahead_s, mut expected) = (0.0, 0.0, 0.0, 0.0);
        for k in 0..MODELS {
            let (error, variance) = (seen.error[k], seen.variance[k]);
            let mad = Evidence::gaussian(error, variance + mad_width * mad_width);
            let lost = Evidence::gaussian(error, variance + lost_width * lost_width);
            let (mad, _) = either(mad, lost, LOST);
            (joint[k], regular[k]) = either(interval.evidence(error, variance), mad, MAD);
            posterior[k] += joint[k].ln;
            innovation += self.weights[k] * error * error / (variance + spread);
            ahead_s -= self.weights[k] * error;
            expected += self.weights[k] * (variance + spread);
            wildness += self.weights[k] * error * error / (variance + mad_width * mad_width);
        }
        let mut weights = posterior;
        exponentiate(&mut weights);
        let regular: f64 = weights.iter().zip(regular).map(|(w, p)| w * p).sum();
        let refused = match gate {
            Gate::Doubtful => regular < DOUBTFUL,
            Gate::Absurd => wildness > ABSURD,
            Gate::Open => false,
        };
        if !refused {
            self.absorb(&seen, &joint);
            self.reweigh(&posterior);
        }
        GateVerdict { applied: !refused, innovation, ahead_s, expected_s: expected.sqrt() }
    }

    fn compare(&self, slot: usize, seconds: f64) -> Comparison {
        let mut seen = Comparison { gain: [[0.0; MODELS]; DIMS], error: [-seconds; MODELS], variance: [0.0; MODELS] };
        for observed in self.observed(slot) {
            for k in 0..MODELS {
                seen.error[k] += self.mean[observed][k];
            }
            for a in 0..self.dims {
                let column = &self.cov[packed(a, observed)];
                for k in 0..MODELS {
                    seen.gain[a][k] += column[k];
                }
            }
        }
        for observed in self.observed(slot) {
            for k in 0..MODELS {
                seen.variance[k] += seen.gain[observed][k];
            }
        }
        seen.variance.iter_mut().for_each(|s| *s = s.max(LEAST_VARIANCE));
        seen
    }

    fn absorb(&mut self, seen: &Comparison, joint: &[Evidence; MODELS]) {
        let mut curvature = [0.0; MODELS];
        for k in 0..MODELS {
            curvature[k] = joint[k].curvature.max((LEAST_REMAINDER - 1.0) / seen.variance[k]);
        }
        for a in 0..self.dims {
            let mut scaled = [0.0; MODELS];
            for k in 0..MODELS {
                self.mean[a][k] += seen.gain[a][k] * joint[k].slope;
                scaled[k] = seen.gain[a][k] * curvature[k];
            }
            for b in 0..=a {
                let element = &mut self.cov[packed(a, b)];
                for k in 0..MODELS {
                    element[k] += scaled[k] * seen.gain[b][k];
                }
            }
        }
    }
}

/// The evidence of "one or, with this prior probability, the other", and the probability of the one. The curvature may
/// come out positive: a surprising sample can make the estimate less certain.
fn either(one: Evidence, other: Evidence, prior: f64) -> (Evidence, f64) {
    let (a, b) = (libm::log(1.0 - prior) + one.ln, libm::log(prior) + other.ln);
    let ln = a.max(b) + libm::log1p(libm::exp(-(a - b).abs()));
    let p = libm::exp(a - ln);
    let slope = p * one.slope + (1.0 - p) * other.slope;
    let second =
        p * (one.curvature + one.slope * one.slope) + (1.0 - p) * (other.curvature + other.slope * other.slope);
    (Evidence { ln, slope, curvature: second - slope * slope }, p)
}
