//! Whom to follow when that is not clear: at the start, after a sleep, and when what sources say contradicts what is
//! known.
//!
//! Every configured source has a vote. The clock is set at the first moment when the sources that agree outnumber all
//! others that have answered *or still might*, so that no later answer can overturn the decision:
//!
//! | configured | set after |
//! |---|---|
//! | 1 | the first valid answer |
//! | 2 | both answers, if they agree |
//! | 3, 4 | two, three agreeing answers |
//!
//! A source that does not answer within [`PATIENCE`] stops counting. Two sources that disagree never have a majority.
//! One that answers alone among several silent ones is believed only after [`LONE_PATIENCE`].
//!
//! Where sources with the option `trust` have answered *or still might*, they alone are the sources that are meant here.
//!
//! What is known already is evidence, too. Answers that agree with it need not wait for others. One that contradicts it
//! and is not confirmed by another source has to repeat itself [`LONE_ANSWERS`] times; if several sources stand behind
//! what is known, it is not believed at all: a clock left to itself is wrong by milliseconds, a liar by anything.

use crate::time::Span;

/// A request that is older than this is not waited for.
pub const PATIENCE: Span = Span::from_secs(3);

/// How long a single answer waits for a second opinion, if others were configured and slewd runs on. Those that are silent
/// have been asked twice by then, with `iburst`. chronyd sets the clock five seconds after such an answer at the earliest.
pub const LONE_PATIENCE: Span = Span::from_secs(4);

/// Answers that must agree before a lone source is believed against what is known.
pub const LONE_ANSWERS: usize = 3;

/// What the agreeing answers make of what is known already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// Nothing is known.
    Nothing,
    /// The answers agree with what is known.
    Confirms,
    /// The answers contradict what is known.
    Refutes,
    /// The answers contradict what several sources together have said not long ago, by more than an oscillator can stray.
    RefutesSeveral,
}

/// The state of the vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ballot {
    /// Sources that were configured (a pool counts with all the members it should have).
    pub configured: usize,
    /// Sources that told the time.
    pub answered: usize,
    /// Sources that have not, but were asked less than [`PATIENCE`] ago.
    pub pending: usize,
    /// The largest group of answers that agree within their error bounds.
    pub agreeing: usize,
    /// Sources in that group, and those without a vote of their own that agree with them: where some sources are trusted,
    /// the others.
    pub selectable: usize,
    /// How many answers they have given since the vote began.
    pub answers: usize,
    /// What is known already.
    pub known: Known,
    /// `minsources`.
    pub required: usize,
    /// Time since the first answer.
    pub waited: Span,
    /// How long a single answer waits for a second opinion, if others were configured.
    pub lone_patience: Span,
}

/// What the vote says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The agreeing sources are right.
    Elected,
    /// More answers may decide it.
    Undecided,
    /// Everybody has spoken, and there is no majority.
    NoMajority,
    /// Everybody has spoken, and a majority agrees, but of fewer than `minsources`.
    NotEnough,
}

impl Ballot {
    /// Counts the votes.
    pub fn verdict(&self) -> Verdict {
        if self.answered == 0 {
            return Verdict::Undecided;
        }
        let is_lone = self.agreeing == 1;
        let is_alone = is_lone && self.configured > 1 && self.waited < self.lone_patience;
        let is_majority = 2 * self.agreeing > self.answered + self.pending;
        let (is_right, is_early) = match self.known {
            Known::Nothing => (is_majority, is_alone),
            Known::Confirms => (true, false),
            Known::Refutes => (is_majority, is_alone || is_lone && self.answers < LONE_ANSWERS),
            Known::RefutesSeveral => (is_majority && !is_lone, false),
        };
        match (is_right, is_early, self.selectable >= self.required) {
            (true, false, true) => Verdict::Elected,
            (false, ..) if self.pending == 0 => Verdict::NoMajority,
            (true, false, false) if self.pending == 0 => Verdict::NotEnough,
            _ => Verdict::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ballot(configured: usize, answered: usize, agreeing: usize) -> Ballot {
        let pending = configured - answered;
        Ballot {
            configured,
            answered,
            pending,
            agreeing,
            selectable: agreeing,
            answers: agreeing,
            known: Known::Nothing,
            required: 1,
            waited: Span::ZERO,
            lone_patience: LONE_PATIENCE,
        }
    }

    #[test]
    fn a_majority_of_all_that_could_still_speak_decides_at_once() {
        for (configured, needed) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (8, 5)] {
            for agreeing in 1..=configured {
                let expected = if agreeing >= needed { Verdict::Elected } else { Verdict::Undecided };
                assert_eq!(ballot(configured, agreeing, agreeing).verdict(), expected, "{agreeing} of {configured}");
            }
        }
    }

    #[test]
    fn a_liar_that_answers_first_waits_for_the_others() {
        assert_eq!(ballot(4, 1, 1).verdict(), Verdict::Undecided);
        assert_eq!(ballot(4, 3, 2).verdict(), Verdict::Undecided, "the liar and two honest ones: the fourth decides");
        assert_eq!(ballot(4, 4, 3).verdict(), Verdict::Elected);
    }

    #[test]
    fn two_sources_that_disagree_never_set_the_clock() {
        let late = Ballot { waited: Span::from_secs(3600), ..ballot(2, 2, 1) };
        assert_eq!(late.verdict(), Verdict::NoMajority);
    }

    #[test]
    fn two_against_two_is_no_majority() {
        assert_eq!(ballot(4, 4, 2).verdict(), Verdict::NoMajority);
    }

    #[test]
    fn silent_sources_lose_their_vote() {
        let two_of_four = Ballot { pending: 0, ..ballot(4, 2, 2) };
        assert_eq!(two_of_four.verdict(), Verdict::Elected);
        let alone = Ballot { pending: 0, ..ballot(4, 1, 1) };
        assert_eq!(alone.verdict(), Verdict::Undecided, "one of four is not believed at once");
        assert_eq!(Ballot { waited: LONE_PATIENCE, ..alone }.verdict(), Verdict::Elected);
    }

    #[test]
    fn minsources_is_honoured() {
        assert_eq!(Ballot { required: 4, ..ballot(4, 3, 3) }.verdict(), Verdict::Undecided);
        assert_eq!(Ballot { required: 3, pending: 0, ..ballot(4, 2, 2) }.verdict(), Verdict::NotEnough);
    }

    #[test]
    fn answers_that_confirm_what_is_known_wait_for_nobody() {
        assert_eq!(Ballot { known: Known::Confirms, ..ballot(4, 1, 1) }.verdict(), Verdict::Elected);
        assert_eq!(Ballot { known: Known::Confirms, required: 2, ..ballot(4, 1, 1) }.verdict(), Verdict::Undecided);
    }

    #[test]
    fn a_lone_source_against_what_it_said_itself_needs_three_answers() {
        let alone = Ballot { known: Known::Refutes, answers: LONE_ANSWERS - 1, ..ballot(1, 1, 1) };
        assert_eq!(alone.verdict(), Verdict::Undecided);
        assert_eq!(Ballot { answers: LONE_ANSWERS, ..alone }.verdict(), Verdict::Elected);
    }

    #[test]
    fn a_lone_source_is_not_believed_against_what_several_said() {
        let alone = Ballot { known: Known::RefutesSeveral, ..ballot(4, 1, 1) };
        assert_eq!(alone.verdict(), Verdict::Undecided);
        let late = Ballot { pending: 0, waited: Span::from_secs(3600), answers: 8, ..alone };
        assert_eq!(late.verdict(), Verdict::NoMajority);
        assert_eq!(
            Ballot { agreeing: 2, selectable: 2, answered: 2, ..late }.verdict(),
            Verdict::Elected,
            "two overrule it"
        );
    }
}
