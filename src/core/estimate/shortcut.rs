//! Paths that become shorter than they had ever been: what they said before was said in a queue, and the queue is gone.
//!
//! If most paths do, that was one queue in front of them all, and what they agreed on was its error: the lead is in doubt. If
//! one does, its own word was worth less than was thought, and what it taught of the lead is taken back.

#![allow(clippy::needless_range_loop)] // Matrix code reads best with its indices.

use super::MAX_SOURCES;
use super::bank::{Bank, DIMS, packed};
use super::joint::Joint;
use super::oscillator_models::MODELS;
use crate::time::{Raw, Span};

/// Paths that become shorter within this time have lost the same queue.
const WITHIN: Span = Span::from_secs(7200);
/// The lead that was learnt in a common queue is as good as unknown: uncertain by so many times what the queue can hide.
const DOUBTS: f64 = 10.0;

/// The paths that became shorter than they had ever been, and when each did.
pub(super) struct Shortcuts {
    /// When the path of a source last became shorter than it had ever been, and by how many seconds.
    last: [Option<(Raw, f64)>; MAX_SOURCES],
    /// When a queue in front of most of them was last seen to have ended.
    common: Option<Raw>,
}

impl Shortcuts {
    pub(super) const NONE: Shortcuts = Shortcuts { last: [None; MAX_SOURCES], common: None };

    /// Forgets a source.
    pub(super) fn forget(&mut self, slot: usize) {
        self.last[slot] = None;
    }
}

impl Joint {
    /// The path of a source has become shorter than it had ever been, by so many seconds.
    pub(super) fn shortcut(&mut self, slot: usize, now: Raw, by_s: f64) {
        self.shortcuts.last[slot] = Some((now, by_s));
        let is_lately = |at: Raw| now - at < WITHIN;
        let lately = self.shortcuts.last.map(|shortcut| shortcut.filter(|&(at, _)| is_lately(at)));
        let bank = &mut self.filter.bank;
        let known = (0..MAX_SOURCES).filter(|&slot| bank.knows(slot)).count();
        let is_common = 2 * lately.iter().flatten().count() > known;
        if is_common && self.shortcuts.common.is_some_and(is_lately) {
            bank.renew(slot, self.known.bias_deviation(slot));
        } else if is_common {
            self.shortcuts.common = Some(now);
            for slot in (0..MAX_SOURCES).filter(|&slot| lately[slot].is_some()) {
                bank.renew(slot, self.known.bias_deviation(slot));
            }
            let longest_s = lately.iter().flatten().map(|(_, by_s)| *by_s).fold(0.0, f64::max);
            bank.distrust((DOUBTS * hidden_s(longest_s)).powi(2), 0.0);
        } else {
            bank.end_queue(slot, hidden_s(by_s), self.known.bias_deviation(slot));
        }
    }
}

/// The most that a queue in one direction can have hidden, if a round trip has lost so many seconds.
fn hidden_s(lost_s: f64) -> f64 {
    0.5 * lost_s
}

impl Bank {
    /// Nothing is known of the bias of a known source any more but its usual deviation.
    fn renew(&mut self, slot: usize, usual_s: f64) {
        if self.knows(slot) {
            self.dismiss(slot);
            self.admit(slot, usual_s);
        }
    }

    /// What a source's bias was thought to be was that of its path and of a queue: a deviation of `queue_s` beside the usual
    /// one. The bias is that of the path alone from now on.
    fn end_queue(&mut self, slot: usize, queue_s: f64, usual_s: f64) {
        self.end_detour(slot);
        let Some(bias) = self.bias_element(slot) else { return };
        self.widen_prior(bias, queue_s, usual_s);
        // Of a sum of two independent parts, this much is the path's on average, with the variance added below.
        let (queue, usual) = (queue_s * queue_s, usual_s * usual_s);
        let share = usual / (usual + queue);
        for k in 0..MODELS {
            self.mean[bias][k] *= share;
            for a in (0..self.dims).filter(|&a| a != bias) {
                self.cov[packed(a, bias)][k] *= share;
            }
            let own = &mut self.cov[packed(bias, bias)][k];
            *own = *own * share * share + queue * share;
        }
    }

    /// The state as it would be if one of its elements, with the prior mean 0 and the prior deviation `prior_s`, had been
    /// uncertain by another `more_s` from the start.
    ///
    /// The inverse of the covariance P then has less by d = 1/prior_s^2 - 1/(prior_s^2 + more_s^2) on its diagonal there, of
    /// which P + g p p' and m + g p m_i follow, with p the column of the element in P, and g = d / (1 - d P_ii) (Sherman and
    /// Morrison). The element itself gets no further from 0 than both deviations together.
    fn widen_prior(&mut self, element: usize, more_s: f64, prior_s: f64) {
        let more = more_s * more_s;
        for k in 0..MODELS {
            let (own, mean) = (self.cov[packed(element, element)][k], self.mean[element][k]);
            let prior = own.max(prior_s * prior_s);
            let less = more / (prior * (prior + more));
            let gain = less / (1.0 - less * own);
            let most = ((more_s + prior.sqrt()) / mean.abs() - 1.0).max(0.0) / own;
            let mut column = [0.0; DIMS];
            for a in 0..self.dims {
                column[a] = self.cov[packed(a, element)][k];
            }
            for a in 0..self.dims {
                self.mean[a][k] += gain.min(most) * column[a] * mean;
                for b in 0..=a {
                    self.cov[packed(a, b)][k] += gain * column[a] * column[b];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::interval::Interval;
    use super::super::oscillator_models::Beliefs;
    use super::super::prior::FrequencyPrior;
    use super::super::update::Gate;
    use super::*;
    use crate::time::Lead;

    const USUAL_S: f64 = 1e-3;
    const QUEUE_S: f64 = 4e-3;

    /// A bank that has seen these samples (slot, seconds from the reference), of which the first source's bias has this prior
    /// deviation. The noise of each is a bell curve of 0.3 ms, so that all is linear.
    fn taught(first_s: f64, samples: &[(usize, f64)]) -> Bank {
        let prior = FrequencyPrior::unknown();
        let mut bank = Bank::new(&Beliefs::new(&prior), &prior);
        bank.start(Raw::from_nanos(0), Lead::from_nanos(0), 0.02);
        for &(slot, seconds) in samples {
            bank.admit(slot, if slot == 0 { first_s } else { USUAL_S });
            bank.update(slot, seconds, &Interval::new(1e-7, 3e-4, 0.0), Gate::Open);
        }
        bank
    }

    fn moments(bank: &Bank) -> Vec<f64> {
        let means = (0..bank.dims).map(|a| bank.mean[a][0]);
        let covariances = (0..packed(bank.dims, 0)).map(|place| bank.cov[place][0].abs().sqrt());
        means.chain(covariances).collect()
    }

    #[test]
    fn a_prior_widened_later_is_one_that_was_wide_from_the_start() {
        let samples = [(0, 2e-3), (1, -1e-3), (0, 1.8e-3), (2, -0.5e-3), (1, -0.9e-3)];
        let mut later = taught(USUAL_S, &samples);
        let before = later.mean[0][0];
        later.widen_prior(2, QUEUE_S, USUAL_S);
        let start = taught((USUAL_S * USUAL_S + QUEUE_S * QUEUE_S).sqrt(), &samples);
        assert!((later.mean[0][0] - before).abs() > 2e-4, "the lead moves away from the first source");
        for (is, wanted) in moments(&later).iter().zip(moments(&start)) {
            assert!((is - wanted).abs() < 2e-5, "{is} {wanted}");
        }
    }

    #[test]
    fn a_lone_source_whose_queue_ends_leaves_the_lead_to_its_next_reply() {
        let mut bank = taught(USUAL_S, &[(0, 4e-3), (0, 4e-3)]);
        bank.end_queue(0, QUEUE_S, USUAL_S);
        let bias = bank.covariance(2, 2).sqrt();
        assert!((bias - USUAL_S).abs() < 5e-5, "{bias}: the path is as good as any");
        bank.update(0, 0.0, &Interval::new(1e-7, 3e-4, 0.0), Gate::Open);
        assert!(bank.track()[0].abs() < 2e-4, "{}", bank.track()[0]);
    }
}
