//! The models of the oscillator, what is believed of them at first, and how one turns into another.

use super::prior::FrequencyPrior;

/// Models in the bank.
pub(super) const MODELS: usize = 8;
/// Wander per square root of a second: from ovenised quartz to a virtual machine on a busy host.
pub(super) const WANDER_GRID: Lanes = [1e-10, 3e-10, 1e-9, 3e-9, 1e-8, 3e-8, 1e-7, 3e-7];
/// No oscillator wanders more than this per square root of a second: a virtual machine's on a busy host.
pub const MOST_WANDER: f64 = WANDER_GRID[MODELS - 1];
/// Probability per sample that the wander changes. 0.005 costs 4 % with steady strong wander and gains 2 % after a
/// frequency step; 0.015 costs another 11 % and gains 4 %.
const SWITCHING: f64 = 0.003;
/// Part of it that goes to the neighbours on the grid, in equal shares; the rest follows the prior.
const TO_NEIGHBOURS: f64 = 0.8;
/// Models keep this weight so that they can recover.
pub(super) const LEAST_WEIGHT: f64 = 1e-6;

/// One number per model.
pub(super) type Lanes = [f64; MODELS];

/// The constants of the bank: what it believes before any sample.
pub(super) struct Beliefs {
    /// Growth of the frequency's variance per second.
    pub(super) wander_squared: Lanes,
    /// Weights before the first sample.
    pub(super) start: Lanes,
    /// Probability that one model (first index) turns into another before the next sample.
    pub(super) transition: [Lanes; MODELS],
}

impl Beliefs {
    /// Makes the models from the prior of the wander.
    pub(super) fn new(prior: &FrequencyPrior) -> Self {
        let mut start = WANDER_GRID.map(|w| {
            let z = (libm::log10(w) - prior.wander.log10_centre) / prior.wander.log10_width;
            libm::exp(-0.5 * z * z).max(LEAST_WEIGHT)
        });
        normalise(&mut start);
        let mut transition = [[0.0; MODELS]; MODELS];
        for (from, row) in transition.iter_mut().enumerate() {
            let neighbours = [from.wrapping_sub(1), from + 1].map(|k| (k < MODELS).then_some(k));
            let count = neighbours.iter().flatten().count() as f64;
            for k in neighbours.into_iter().flatten() {
                row[k] += TO_NEIGHBOURS * SWITCHING / count;
            }
            row[from] += 1.0 - SWITCHING;
            for (chance, prior) in row.iter_mut().zip(start) {
                *chance += (1.0 - TO_NEIGHBOURS) * SWITCHING * prior;
            }
            normalise(row);
        }
        Beliefs { wander_squared: WANDER_GRID.map(|w| w * w), start, transition }
    }
}

/// Makes the sum one.
pub(super) fn normalise(weights: &mut Lanes) {
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
}

/// From logarithms to weights of sum one.
pub(super) fn exponentiate(weights: &mut Lanes) {
    let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    weights.iter_mut().for_each(|w| *w = libm::exp(*w - largest));
    normalise(weights);
}
