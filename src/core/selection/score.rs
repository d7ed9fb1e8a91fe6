//! The score by which one of the agreeing sources is selected: a single lucky packet does not decide it.

use crate::core::api::settings::Settings;
use crate::core::estimate::{MAX_SOURCES, Slot};
use crate::core::selection::intersection::Voters;
use crate::core::selection::select::Candidate;

/// The best source, and how well others have done against it: the best is not replaced for one lucky packet.
#[derive(Clone, Debug, Default)]
pub struct SelectionScore {
    slot: Option<Slot>,
    scores: [f64; MAX_SOURCES],
}

/// A source takes over when the product of its advantages over the best exceeds this.
const TAKEOVER_SCORE: f64 = 10.0;

impl SelectionScore {
    /// The slot has a new occupant, which has nothing to its credit yet.
    pub fn forget(&mut self, slot: Slot) {
        self.scores[slot.index()] = 1.0;
        self.slot = self.slot.filter(|best| *best != slot);
    }

    /// How well a source has done against the best: 1 or more, it takes over at 10.
    pub fn score(&self, slot: Slot) -> f64 {
        self.scores[slot.index()].max(1.0)
    }

    /// The best source now: the last one, unless it is gone or another has been better for long enough.
    pub(super) fn update(&mut self, eligible: &Voters, settings: &Settings, fresh: Option<Slot>) -> Option<Candidate> {
        let lowest_stratum = eligible.iter().map(|v| v.stratum).min()?;
        let reign = eligible.iter().find(|v| self.slot == Some(v.slot)).copied();
        let rank = |v: &Candidate| {
            let handicap = if self.slot == Some(v.slot) { 0.0 } else { settings.reselect_distance_s };
            v.distance_s + f64::from(v.stratum - lowest_stratum) * settings.stratum_weight_s + handicap
        };
        let Some(reigning) = reign else {
            let best = eligible.iter().min_by(|a, b| rank(a).total_cmp(&rank(b))).copied();
            *self = SelectionScore { slot: best.map(|v| v.slot), scores: [1.0; MAX_SOURCES] };
            return best;
        };
        let mut challenger = None;
        let mut scores = self.scores;
        for v in eligible.iter().filter(|v| v.slot != reigning.slot) {
            let score = &mut scores[v.slot.index()];
            if fresh == Some(v.slot) || fresh == Some(reigning.slot) {
                *score = (*score * rank(&reigning) / rank(v)).clamp(1.0, 2.0 * TAKEOVER_SCORE);
            }
            if *score > TAKEOVER_SCORE {
                challenger = Some(*v);
            }
        }
        self.scores = scores;
        if let Some(challenger) = challenger {
            *self = SelectionScore { slot: Some(challenger.slot), scores: [1.0; MAX_SOURCES] };
        }
        Some(challenger.unwrap_or(reigning))
    }
}
