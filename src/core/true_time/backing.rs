//! What stands behind the estimate: several sources, or the word of one.

use crate::core::estimate::{JUMP_FREQUENCY, SlotSet};
use crate::core::source::Source;
use crate::core::true_time::error_bound::BOUND_SIGMAS;
use crate::core::true_time::{TrueTime, UNKNOWN_FREQUENCY};
use crate::time::{Raw, Span};

/// What several sources said together outweighs what one of them says alone for this long. In that time a clock left
/// to itself strays by a second at most; a lone survivor may be wrong by anything. Its lie is then slewed, not stepped.
/// On the other hand a machine that nobody looks after must not depend for ever on servers that are no more.
const TESTIMONY: Span = Span::from_secs(86_400);

/// A step made on the word of a lone source may be revised for this long. Later the clock counts as good, and what a
/// lone source says against it is slewed.
const PROBATION: Span = Span::from_secs(3600);

/// Who stands behind the estimate.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(in crate::core) struct Backing {
    /// When several sources last agreed on the estimate.
    several: Option<Raw>,
    /// When the clock was stepped on the word of a lone source.
    stepped_alone: Option<Raw>,
    /// What the asymmetry of the paths it was made from may hide.
    hidden: Span,
}

impl Backing {
    /// What the asymmetry of the paths may hide.
    pub(in crate::core) fn hidden(&self) -> Span {
        self.hidden
    }

    /// Several sources have agreed on the estimate not long ago.
    pub(in crate::core) fn is_vouched_for(&self, now: Raw) -> bool {
        self.several.is_some_and(|at| now - at < TESTIMONY)
    }

    /// The clock was stepped on the word of a lone source not long ago.
    pub(in crate::core) fn is_on_probation(&self, now: Raw) -> bool {
        self.stepped_alone.is_some_and(|at| now - at < PROBATION)
    }

    /// The clock is stepped to where so many agreeing sources want it.
    pub(in crate::core) fn stepped(&mut self, agreeing: usize, now: Raw) {
        if agreeing == 1 && !self.is_on_probation(now) {
            self.stepped_alone = Some(now);
        }
    }

    /// The number of agreeing sources that have been followed.
    fn followed(&mut self, agreeing: usize, hidden: Span, now: Raw) {
        self.hidden = hidden;
        if agreeing > 1 {
            self.several = Some(now);
            self.stepped_alone = None;
        }
    }
}

impl TrueTime {
    /// The agreeing sources have been followed, by way of the active ones.
    pub(in crate::core) fn note_followed(&mut self, sources: &[Source], active: SlotSet, agreeing: usize, now: Raw) {
        let members = sources.iter().filter(|source| active.contains(source.slot));
        let hidden = members.filter_map(|source| self.hidden_by_path(source)).max();
        self.backing.followed(agreeing, hidden.unwrap_or(Span::ZERO), now);
    }

    /// How far true time may be from the estimate by now: the estimate's own bound, asymmetry, and a frequency that
    /// changed unseen since the last sample.
    pub(in crate::core) fn prediction_bound(&self, now: Raw) -> Option<Span> {
        let estimate = self.estimate()?;
        let rate = if self.knows_frequency(&estimate) { self.least_rate() } else { UNKNOWN_FREQUENCY };
        let strayed = (now - estimate.at).max(Span::ZERO).scaled(rate);
        Some(Span::from_secs_f64(BOUND_SIGMAS * estimate.offset_sd_s(now)) + self.backing.hidden + strayed)
    }

    /// [`TrueTime::prediction_bound`] if the oscillator has done the worst it can: no lone source is called a liar for that.
    pub(in crate::core) fn straying_bound(&self, now: Raw) -> Option<Span> {
        let since = (now - self.estimate()?.at).max(Span::ZERO);
        Some(self.prediction_bound(now)? + since.scaled(JUMP_FREQUENCY))
    }

    /// Bound of the estimate in seconds, if it has a say when the sources are divided.
    pub(in crate::core) fn witness_s(&self, now: Raw) -> Option<f64> {
        self.prediction_bound(now).filter(|_| self.backing.is_vouched_for(now)).map(Span::secs_f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Raw {
        Raw::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_step_on_the_word_of_one_is_on_probation_for_an_hour_and_the_hour_does_not_begin_anew() {
        let mut backing = Backing::default();
        backing.stepped(1, at(0));
        backing.stepped(1, at(1800));
        assert!(backing.is_on_probation(at(3599)) && !backing.is_on_probation(at(3600)));
        backing.stepped(1, at(3600));
        assert!(backing.is_on_probation(at(7199)));
    }

    #[test]
    fn a_step_that_several_agree_on_is_not_on_probation() {
        let mut backing = Backing::default();
        backing.stepped(2, at(0));
        assert!(!backing.is_on_probation(at(1)));
    }

    #[test]
    fn several_sources_that_are_followed_end_the_probation_and_vouch_for_a_day() {
        let mut backing = Backing::default();
        backing.stepped(1, at(0));
        backing.followed(1, Span::from_millis(3), at(5));
        assert!(backing.is_on_probation(at(6)) && !backing.is_vouched_for(at(6)));
        backing.followed(3, Span::from_millis(2), at(10));
        assert!(!backing.is_on_probation(at(11)));
        assert!(backing.is_vouched_for(at(10 + 86_399)) && !backing.is_vouched_for(at(10 + 86_400)));
        assert_eq!(backing.hidden(), Span::from_millis(2));
    }
}
