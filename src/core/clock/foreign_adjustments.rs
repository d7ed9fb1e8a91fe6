//! Does another program keep changing the clock?
//!
//! One foreign change is an administrator. Several within an hour are a second time daemon, or a guest agent of a
//! hypervisor: that is said once, and then the clock is put right in silence, and not as fast as the other can change it.

use crate::time::{Raw, Span};

/// Changes by somebody else are a habit if there are so many...
const SEVERAL: usize = 3;
/// ...within this time are no accident.
const WITHIN: Span = Span::from_secs(3600);

/// The rivalry is over, and the next one news, after so long without a change.
const PEACE: Span = Span::from_secs(86_400);

/// While it lasts the clock is put right so often at most, lest two programs answer each other without end.
const PACE: Span = Span::from_secs(2);

/// What a guest agent set the clock by, and what sources say soon after, are the same if they differ by no more...
const SAME: Span = Span::from_secs(1);
/// ...and are a pause rather than a mistake if they are larger than this.
const PAUSE: Span = Span::from_secs(10);

/// What to make of a foreign change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// The change stands alone, so far: worth a line in the log.
    Single,
    /// The change makes it evident that another program keeps changing the clock.
    Several,
    /// The change is nothing new: put it right and say nothing.
    Known,
    /// The change is nothing new, and too soon after the last one: leave it until [`ForeignAdjustments::due`].
    TooSoon,
}

/// Remembers foreign changes.
#[derive(Clone, Debug, Default)]
pub struct ForeignAdjustments {
    recent: [Option<Raw>; SEVERAL],
    is_known: bool,
    due: Option<Raw>,
    /// The step that puts it right is not worth a line either.
    silences_step: bool,
    /// When the clock was last set, and by how much.
    set: Option<(Raw, Span)>,
}

impl ForeignAdjustments {
    /// The clock was found changed.
    pub fn see(&mut self, now: Raw) -> Sight {
        self.due = None;
        let last = self.recent[SEVERAL - 1];
        if self.is_known && last.is_some_and(|last| now - last < PACE) {
            self.due = last.map(|last| last + PACE);
            return Sight::TooSoon;
        }
        self.is_known &= last.is_some_and(|last| now - last < PEACE);
        self.recent.rotate_left(1);
        self.recent[SEVERAL - 1] = Some(now);
        self.silences_step = self.is_known;
        if self.is_known {
            return Sight::Known;
        }
        self.is_known = self.recent[0].is_some_and(|first| now - first < WITHIN);
        if self.is_known { Sight::Several } else { Sight::Single }
    }

    /// The change was that the clock was set.
    pub fn was_set(&mut self, by: Span, now: Raw) {
        self.set = Some((now, by));
    }

    /// Whether sources that find such a jump of true time only say what somebody who set the clock knew before: a guest
    /// agent that has heard of a pause.
    pub fn knew_of(&self, jump: Span, now: Raw) -> bool {
        self.set.is_some_and(|(at, by)| now - at < WITHIN && by.abs() > PAUSE && (jump - by).abs() < SAME)
    }

    /// When a change that was left alone is to be looked at again.
    pub fn due(&self) -> Option<Raw> {
        self.due
    }

    /// Whether the change just seen is put right without a word.
    pub fn is_silent(&self) -> bool {
        self.silences_step
    }

    /// The clock was stepped: whether that puts right what needs no word.
    pub fn was_silent_step(&mut self) -> bool {
        std::mem::take(&mut self.silences_step)
    }

    /// The clock was found where it should be.
    pub fn calm(&mut self) {
        self.due = None;
        self.silences_step = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Raw {
        Raw::from_nanos(1_000_000 * millis)
    }

    #[test]
    fn the_third_change_in_an_hour_is_a_rivalry_and_said_once() {
        let mut foreign = ForeignAdjustments::default();
        let sights: Vec<Sight> = [0, 60_000, 120_000, 180_000].map(|millis| foreign.see(at(millis))).into();
        assert_eq!(sights, [Sight::Single, Sight::Single, Sight::Several, Sight::Known]);
    }

    #[test]
    fn changes_hours_apart_are_no_rivalry() {
        let mut foreign = ForeignAdjustments::default();
        assert!((0..10).all(|nth| foreign.see(at(nth * 7_200_000)) == Sight::Single));
    }

    #[test]
    fn a_quick_rival_is_answered_at_a_walk() {
        let mut foreign = ForeignAdjustments::default();
        (0..3).for_each(|nth| _ = foreign.see(at(nth * 10)));
        assert_eq!(foreign.see(at(100)), Sight::TooSoon);
        assert_eq!(foreign.due(), Some(at(2020)));
        assert_eq!(foreign.see(at(2020)), Sight::Known);
        assert_eq!(foreign.due(), None);
    }

    #[test]
    fn after_a_day_of_peace_it_is_news_again() {
        let mut foreign = ForeignAdjustments::default();
        (0..3).for_each(|nth| _ = foreign.see(at(nth * 60_000)));
        assert_eq!(foreign.see(at(100_000_000)), Sight::Single);
    }
}
