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

#[cfg(test)]
mod tests {
    use super::*;

    const BEST: Slot = Slot::FIRST;

    fn other() -> Slot {
        Slot::new(1).expect("a small index")
    }

    fn voters(list: &[(Slot, f64, u8)]) -> Voters {
        let mut voters = Voters::default();
        for (slot, distance_s, stratum) in list {
            voters.push(Candidate { slot: *slot, distance_s: *distance_s, stratum: *stratum, ..Candidate::NONE });
        }
        voters
    }

    /// `reselectdist` and `stratumweight` in seconds.
    fn settings(reselect_distance_s: f64, stratum_weight_s: f64) -> Settings {
        Settings { reselect_distance_s, stratum_weight_s, ..Settings::default() }
    }

    /// `BEST` is the best, and the other one, this far away, has had one sample since. Returns the other's score.
    fn score_after_a_sample(settings: &Settings, distance_s: f64, stratum: u8) -> f64 {
        let mut score = SelectionScore::default();
        score.update(&voters(&[(BEST, 0.08, 2)]), settings, None);
        score.update(&voters(&[(BEST, 0.08, 2), (other(), distance_s, stratum)]), settings, Some(other()));
        score.score(other())
    }

    #[test]
    fn a_source_of_half_the_distance_takes_over_with_its_fourth_sample() {
        let mut score = SelectionScore::default();
        let (settings, both) = (settings(0.0, 0.0), voters(&[(BEST, 0.08, 2), (other(), 0.04, 2)]));
        score.update(&voters(&[(BEST, 0.08, 2)]), &settings, None);
        assert_eq!(score.score(other()), 1.0);
        for expected in [2.0, 4.0, 8.0] {
            let best = score.update(&both, &settings, Some(other())).expect("one is best");
            assert_eq!((best.slot, score.score(other())), (BEST, expected));
        }
        let nobody = score.update(&both, &settings, None).expect("one is best");
        assert_eq!((nobody.slot, score.score(other())), (BEST, 8.0), "nobody has said anything new");
        let best = score.update(&both, &settings, Some(BEST)).expect("one is best");
        assert_eq!((best.slot, score.score(other()), score.score(BEST)), (other(), 1.0, 1.0));
    }

    #[test]
    fn ten_is_not_enough() {
        let mut score = SelectionScore::default();
        let settings = settings(0.0, 0.0);
        score.update(&voters(&[(BEST, 10.0, 2)]), &settings, None);
        let both = voters(&[(BEST, 10.0, 2), (other(), 1.0, 2)]);
        let best = score.update(&both, &settings, Some(other())).expect("one is best");
        assert_eq!((best.slot, score.score(other())), (BEST, TAKEOVER_SCORE));
    }

    #[test]
    fn distance_and_stratum_count_as_the_directives_say() {
        assert_eq!(score_after_a_sample(&settings(0.0, 0.0), 0.02, 2), 4.0);
        assert_eq!(score_after_a_sample(&settings(0.02, 0.0), 0.02, 2), 2.0, "reselectdist handicaps the other");
        assert_eq!(score_after_a_sample(&settings(0.0, 0.01), 0.02, 4), 2.0, "so do two strata more");
        assert_eq!(score_after_a_sample(&settings(0.0, 0.0), 0.16, 2), 1.0, "a worse one has no less than nothing");
    }

    #[test]
    fn a_new_occupant_of_a_slot_has_nothing_to_its_credit() {
        let (settings, both) = (settings(0.0, 0.0), voters(&[(BEST, 0.08, 2), (other(), 0.04, 2)]));
        let mut score = SelectionScore::default();
        score.update(&voters(&[(BEST, 0.08, 2)]), &settings, None);
        score.update(&both, &settings, Some(other()));
        let earlier = score.clone();
        score.forget(other());
        assert_eq!(score.score(other()), 1.0);
        let best = score.update(&both, &settings, None).expect("one is best");
        assert_eq!(best.slot, BEST, "that of the other slot stays the best");
        let mut score = earlier;
        score.forget(BEST);
        let best = score.update(&both, &settings, None).expect("one is best");
        assert_eq!(best.slot, other(), "the nearest, as at the start");
    }
}
