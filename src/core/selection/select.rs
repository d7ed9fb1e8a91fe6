//! Finds the sources that agree (RFC 5905 section 11.2.1, with the options of chrony.conf(5)).
//!
//! Each source says that true time lies in an interval: its offset, give or take its root distance. The largest group
//! of intervals that share a point is taken to be right. Its members are *active*; the others are falsetickers.
//!
//! Where some sources are *trusted* (option `trust`), only they vote, and of the others those count that lie wholly within
//! the interval that the trusted have in common: seen to be so with chronyd 4.3.

use crate::core::api::settings::Settings;
use crate::core::estimate::{MAX_SOURCES, Slot, SlotSet};
use crate::core::selection::intersection::{Voters, majority, narrowed};
use crate::core::selection::score::SelectionScore;

/// What one source says, as of now.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Candidate {
    /// The slot of the source in the estimator.
    pub slot: Slot,
    /// The middle of its interval, in seconds from a point common to all candidates.
    pub centre_s: f64,
    /// Half the width of its interval in seconds: its root distance and the age of the sample.
    pub distance_s: f64,
    /// Jitter of its path in seconds.
    pub jitter_s: f64,
    /// The stratum of the source, 1 to 15.
    pub stratum: u8,
    /// Option `trust`.
    pub trust: bool,
    /// Option `prefer`.
    pub prefer: bool,
}

impl Candidate {
    /// Fills the unused part of an array.
    pub const NONE: Candidate = Candidate {
        slot: Slot::FIRST,
        centre_s: 0.0,
        distance_s: f64::INFINITY,
        jitter_s: 0.0,
        stratum: 16,
        trust: false,
        prefer: false,
    };
}

impl Candidate {
    /// The interval of the other and this one have a point in common.
    pub(super) fn touches(&self, (low, high): (f64, f64)) -> bool {
        self.centre_s - self.distance_s <= high && self.centre_s + self.distance_s >= low
    }

    /// The interval of the other lies wholly in this one.
    pub(super) fn is_within(&self, (low, high): (f64, f64)) -> bool {
        self.centre_s - self.distance_s >= low && self.centre_s + self.distance_s <= high
    }
}

/// What selection made of one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceStatus {
    /// The interval of the source does not touch the majority's.
    Falseticker,
    /// The source is not wholly within the interval that the trusted sources have in common.
    Untrusted,
    /// The root distance of the source exceeds `maxdistance`.
    TooDistant,
    /// The jitter of the source exceeds `maxjitter`.
    TooJittery,
    /// The stratum of the source is outside `minstratum` to `maxstratum`.
    BadStratum,
    /// Agrees, but others are preferred.
    NotPreferred,
    /// Agrees, but is much further away than the best (`combinelimit`).
    Distant,
    /// Used.
    Active,
}

/// The outcome for all sources.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Largest group that agrees, before preferences: these may vote on time and leap seconds.
    pub agreeing: SlotSet,
    /// The sources of the group whose samples are used.
    pub active: SlotSet,
    /// The best of them, named in the log.
    pub best: Option<Slot>,
    /// The sources whose votes count: the trusted ones, if any has spoken.
    pub electorate: SlotSet,
    /// Their number.
    pub voters: usize,
    /// The group is more than half of the voters.
    pub is_majority: bool,
    /// Why each source is in or out; `None` for those that were no candidates.
    pub status: [Option<SourceStatus>; MAX_SOURCES],
}

/// Finds the group, and in it the sources to use. `fresh` is the source that has just answered, if any.
///
/// `witness_s` is the half-width of an interval around the common point that is known to hold the truth, if that is
/// known well enough to decide between two halves: it has no vote, except in a tie.
pub fn select(
    candidates: &[Candidate],
    witness_s: Option<f64>,
    settings: &Settings,
    score: &mut SelectionScore,
    fresh: Option<Slot>,
) -> Selection {
    let mut selection = Selection::empty();
    let mut voters = Voters::default();
    for candidate in candidates.iter().take(MAX_SOURCES) {
        match refusal(candidate, settings) {
            Some(status) => selection.status[candidate.slot.index()] = Some(status),
            None => voters.push(*candidate),
        }
    }
    let has_trusted = voters.iter().any(|voter| voter.trust);
    let electorate = voters.filter(|voter| voter.trust || !has_trusted);
    selection.voters = electorate.len;
    electorate.iter().for_each(|voter| selection.electorate.insert(voter.slot));
    let Some((low, high, is_majority)) = majority(&electorate, witness_s) else { return selection };
    selection.is_majority = is_majority;
    let common = if has_trusted { narrowed(&voters, (low, high)) } else { (low, high) };
    for voter in voters.iter() {
        let slot = voter.slot;
        let is_within = voter.trust || !has_trusted || voter.is_within((low, high));
        let status = match (voter.touches((low, high)), is_within) {
            (true, true) if voter.touches(common) => SourceStatus::Active,
            (true, false) => SourceStatus::Untrusted,
            _ => SourceStatus::Falseticker,
        };
        selection.status[slot.index()] = Some(status);
        if status == SourceStatus::Active {
            selection.agreeing.insert(slot);
        }
    }
    choose(&mut selection, &voters, settings, score, fresh);
    selection
}

/// Preferences, the best source, and the combining limit, applied to the agreeing group.
fn choose(
    selection: &mut Selection,
    voters: &Voters,
    settings: &Settings,
    score: &mut SelectionScore,
    fresh: Option<Slot>,
) {
    let agreeing = selection.agreeing;
    let preferred = voters.iter().any(|v| v.prefer && agreeing.contains(v.slot));
    let eligible = voters.filter(|v| agreeing.contains(v.slot) && (v.prefer || !preferred));
    let Some(best) = score.update(&eligible, settings, fresh) else { return };
    selection.best = Some(best.slot);
    let near_s = settings.combine_limit * (best.distance_s + settings.reselect_distance_s);
    // 0 means that sources are not to be combined.
    let limit_s = if settings.combine_limit > 0.0 { near_s.max(witnesses_within_s(&eligible)) } else { near_s };
    for voter in voters.iter().filter(|v| agreeing.contains(v.slot)) {
        let status = if preferred && !voter.prefer {
            SourceStatus::NotPreferred
        } else if voter.slot != best.slot && voter.distance_s > limit_s {
            SourceStatus::Distant
        } else {
            selection.active.insert(voter.slot);
            SourceStatus::Active
        };
        selection.status[voter.slot.index()] = Some(status);
    }
}

/// With so many sources the estimate can see that one of them is off.
const WITNESSES: usize = 3;

/// So near are the sources that are used in any case: three of them, and one more than there may be liars. How near a source
/// is, is its own claim in part, and a liar's must not put all others out of reach.
fn witnesses_within_s(eligible: &Voters) -> f64 {
    let mut distances_s = [f64::INFINITY; MAX_SOURCES];
    let distances_s = &mut distances_s[..eligible.len];
    for (distance_s, voter) in distances_s.iter_mut().zip(eligible.iter()) {
        *distance_s = voter.distance_s;
    }
    let liars = eligible.len.saturating_sub(1) / 2;
    let last = liars.max(WITNESSES - 1).min(eligible.len.saturating_sub(1));
    tiny_sort::unstable::sort_by(distances_s, f64::total_cmp);
    distances_s.get(last).copied().unwrap_or(0.0)
}

fn refusal(candidate: &Candidate, settings: &Settings) -> Option<SourceStatus> {
    if !(settings.min_stratum..=settings.max_stratum).contains(&candidate.stratum) {
        Some(SourceStatus::BadStratum)
    } else if candidate.distance_s.is_nan() || candidate.distance_s > settings.max_distance_s {
        Some(SourceStatus::TooDistant)
    } else if candidate.jitter_s > settings.max_jitter_s {
        Some(SourceStatus::TooJittery)
    } else {
        None
    }
}

impl Selection {
    /// Nobody has said anything.
    pub fn empty() -> Self {
        Selection {
            agreeing: SlotSet::default(),
            active: SlotSet::default(),
            best: None,
            electorate: SlotSet::default(),
            voters: 0,
            is_majority: false,
            status: [None; MAX_SOURCES],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(index: usize, centre_s: f64, distance_s: f64) -> Candidate {
        Candidate {
            slot: Slot::new(index).expect("small index"),
            centre_s,
            distance_s,
            jitter_s: 1e-3,
            stratum: 2,
            trust: false,
            prefer: false,
        }
    }

    fn indexes(set: SlotSet) -> Vec<usize> {
        set.iter().map(Slot::index).collect()
    }

    #[test]
    fn three_outvote_one_liar() {
        let candidates = [says(0, 5.0, 0.01), says(1, 0.0, 0.01), says(2, 0.005, 0.01), says(3, -0.004, 0.01)];
        let selection = select(&candidates, None, &Settings::default(), &mut SelectionScore::default(), None);
        assert!(selection.is_majority);
        assert_eq!(indexes(selection.active), [1, 2, 3]);
        assert_eq!(selection.status[0], Some(SourceStatus::Falseticker));
    }

    #[test]
    fn two_against_two_is_no_majority() {
        let candidates = [says(0, 1.0, 0.01), says(1, 1.0, 0.01), says(2, 0.0, 0.01), says(3, 0.0, 0.01)];
        assert!(!select(&candidates, None, &Settings::default(), &mut SelectionScore::default(), None).is_majority);
    }

    #[test]
    fn what_is_known_decides_between_halves_and_nothing_else() {
        let choose = |candidates: &[Candidate]| {
            let selection = select(candidates, Some(0.02), &Settings::default(), &mut SelectionScore::default(), None);
            (selection.is_majority, indexes(selection.agreeing))
        };
        let halves = [says(0, -1.0, 0.01), says(1, -1.0, 0.01), says(2, 0.0, 0.01), says(3, 0.0, 0.01)];
        assert_eq!(choose(&halves), (true, vec![2, 3]));
        assert_eq!(choose(&halves[..3]), (true, vec![0, 1]), "it does not outvote sources");
        assert!(!choose(&[says(0, -1.0, 0.01), says(1, 1.0, 0.01)]).0, "it is in neither half");
    }

    #[test]
    fn intervals_that_only_touch_agree() {
        let selection = select(
            &[says(0, 0.0, 1.0), says(1, 2.0, 1.0)],
            None,
            &Settings::default(),
            &mut SelectionScore::default(),
            None,
        );
        assert_eq!(selection.agreeing.len(), 2);
    }

    #[test]
    fn a_trusted_source_outweighs_the_many() {
        let trusted = Candidate { trust: true, ..says(0, 5.0, 0.01) };
        let selection = select(
            &[trusted, says(1, 0.0, 0.01), says(2, 0.0, 0.01)],
            None,
            &Settings::default(),
            &mut SelectionScore::default(),
            None,
        );
        assert_eq!(indexes(selection.active), [0]);
    }

    /// Six sources and their letters as chronyd 4.3 has them: T for the one that is too wide, x for those that are elsewhere.
    #[test]
    fn others_count_only_wholly_within_what_the_trusted_have_in_common() {
        let trusted = |index, centre_s, distance_s| Candidate { trust: true, ..says(index, centre_s, distance_s) };
        let candidates = [
            trusted(0, 0.0, 0.010),
            trusted(1, 0.010, 0.010),
            says(2, -0.007, 0.001),
            says(3, 0.005, 0.001),
            says(4, 0.005, 0.020),
            says(5, 0.018, 0.001),
            says(6, 0.001, 0.007),
        ];
        let selection = select(&candidates, None, &Settings::default(), &mut SelectionScore::default(), None);
        assert!(selection.is_majority);
        assert_eq!(indexes(selection.agreeing), [0, 1, 3]);
        assert_eq!(indexes(selection.electorate), [0, 1]);
        let [false_ones, untrusted] = [SourceStatus::Falseticker, SourceStatus::Untrusted]
            .map(|wanted| (0..7).filter(|index| selection.status[*index] == Some(wanted)).collect::<Vec<_>>());
        assert_eq!((false_ones, untrusted), (vec![2, 5], vec![4, 6]));
    }

    #[test]
    fn others_that_contradict_each_other_within_the_trusted_interval_do_not_both_count() {
        let trusted = Candidate { trust: true, ..says(0, 0.0, 0.010) };
        let candidates = [trusted, says(1, -0.007, 0.001), says(2, 0.007, 0.001), says(3, 0.0065, 0.001)];
        let selection = select(&candidates, None, &Settings::default(), &mut SelectionScore::default(), None);
        assert_eq!(indexes(selection.agreeing), [0, 2, 3]);
        assert_eq!(selection.status[1], Some(SourceStatus::Falseticker));
    }

    #[test]
    fn preferred_sources_are_used_alone() {
        let preferred = Candidate { prefer: true, ..says(1, 0.0, 0.02) };
        let selection = select(
            &[says(0, 0.0, 0.01), preferred, says(2, 0.0, 0.01)],
            None,
            &Settings::default(),
            &mut SelectionScore::default(),
            None,
        );
        assert_eq!(indexes(selection.active), [1]);
        assert_eq!(selection.status[0], Some(SourceStatus::NotPreferred));
        assert_eq!(selection.agreeing.len(), 3);
    }

    #[test]
    fn limits_on_distance_jitter_and_stratum_exclude() {
        let candidates = [
            says(0, 0.0, 3.5),
            Candidate { jitter_s: 1.5, ..says(1, 0.0, 0.1) },
            Candidate { stratum: 9, ..says(2, 0.0, 0.1) },
            says(3, 0.0, 0.1),
        ];
        let selection = select(
            &candidates,
            None,
            &Settings { max_stratum: 8, ..Settings::default() },
            &mut SelectionScore::default(),
            None,
        );
        let expected =
            [SourceStatus::TooDistant, SourceStatus::TooJittery, SourceStatus::BadStratum, SourceStatus::Active]
                .map(Some);
        assert_eq!(selection.status[..4], expected);
    }

    #[test]
    fn a_combine_limit_of_zero_uses_only_the_best() {
        let settings = Settings { combine_limit: 0.0, ..Settings::default() };
        let selection =
            select(&[says(0, 0.0, 0.02), says(1, 0.0, 0.01)], None, &settings, &mut SelectionScore::default(), None);
        assert_eq!(indexes(selection.active), [1]);
        assert_eq!(selection.status[0], Some(SourceStatus::Distant));
    }

    #[test]
    fn the_best_is_kept_until_another_has_been_better_for_long() {
        let candidates = [says(0, 0.0, 0.010), says(1, 0.0, 0.005)];
        let (settings, slots) = (Settings::default(), [Slot::new(0), Slot::new(1)]);
        let mut score = SelectionScore::default();
        assert_eq!(select(&candidates[..1], None, &settings, &mut score, slots[0]).best, slots[0]);
        let reigns: Vec<_> =
            (0..6).map(|_| select(&candidates, None, &settings, &mut score, slots[1]).best == slots[0]).collect();
        assert_eq!(reigns, [true, true, true, false, false, false], "halved distances multiply: 2, 4, 8, 16");
    }
}
