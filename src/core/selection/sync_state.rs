//! Is the clock synchronised? One owner for the answer; who tells of it is somebody else.
//!
//! ```text
//!            elected                      hindered
//! Acquiring ─────────▶ Tracking ◀───────────────────▶ Holdover
//!     ▲                   │            agreed            │
//!     └───────────────────┴──────────── vote ────────────┘
//! ```

use crate::core::api::event::Obstacle;
use crate::time::Raw;

/// Whether the clock follows the sources.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum SyncState {
    /// Answers are collected until a majority agrees.
    Acquiring {
        /// The vote that is being held.
        vote: Acquisition,
        /// What has stood in the way of a decision, since the sources last agreed.
        obstacle: Option<Obstacle>,
    },
    /// The sources agree, and the estimate follows them.
    Tracking,
    /// The clock runs on by the estimate alone.
    Holdover(Obstacle),
}

/// A vote on who is right.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Acquisition {
    /// When the first source answered.
    pub first_answer: Option<Raw>,
    /// Why there is a vote.
    pub cause: VoteCause,
}

/// Why there is a vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VoteCause {
    /// Nothing is known.
    Start,
    /// The machine slept.
    Gap,
    /// The sources that speak contradict the estimate.
    Contradiction,
}

impl SyncState {
    /// Nothing is known, and nothing stands in the way yet.
    pub const START: SyncState =
        SyncState::Acquiring { vote: Acquisition { first_answer: None, cause: VoteCause::Start }, obstacle: None };

    /// The sources agree, and the clock follows them.
    pub fn is_synchronised(&self) -> bool {
        *self == SyncState::Tracking
    }

    /// A vote has been decided, and no other has been called since: there is an estimate to follow, hindered or not.
    pub fn is_decided(&self) -> bool {
        self.vote().is_none()
    }

    /// The vote that is being held.
    pub fn vote(&self) -> Option<Acquisition> {
        match self {
            SyncState::Acquiring { vote, .. } => Some(*vote),
            SyncState::Tracking | SyncState::Holdover(_) => None,
        }
    }

    /// What the sources that speak contradict is not known to be wrong yet.
    pub fn is_contested(&self) -> bool {
        self.vote().is_some_and(|vote| vote.cause == VoteCause::Contradiction)
    }

    /// The clock has somewhere to be, contested or not.
    pub fn has_target(&self) -> bool {
        self.is_decided() || self.is_contested()
    }

    /// What stands in the way.
    pub fn obstacle(&self) -> Option<Obstacle> {
        match self {
            SyncState::Acquiring { obstacle, .. } => *obstacle,
            SyncState::Tracking => None,
            SyncState::Holdover(obstacle) => Some(*obstacle),
        }
    }

    /// A source that may vote has answered.
    pub fn answered(&mut self, now: Raw) {
        if let SyncState::Acquiring { vote, .. } = self {
            vote.first_answer.get_or_insert(now);
        }
    }

    /// A vote is called. What stood in the way before still does, as far as anybody knows.
    pub fn call_vote(&mut self, cause: VoteCause, first_answer: Option<Raw>) {
        *self = SyncState::Acquiring { vote: Acquisition { first_answer, cause }, obstacle: self.obstacle() };
    }

    /// The vote has been decided, or needs no decision: the estimate is followed from now on.
    pub fn elected(&mut self) {
        *self = SyncState::Tracking;
    }

    /// The sources agree: nothing stands in the way any more. A vote goes on until it is decided.
    pub fn agreed(&mut self) {
        match self {
            SyncState::Acquiring { obstacle, .. } => *obstacle = None,
            SyncState::Tracking | SyncState::Holdover(_) => *self = SyncState::Tracking,
        }
    }

    /// Something stands in the way. Returns whether that is another thing than before.
    pub fn hindered(&mut self, by: Obstacle) -> bool {
        let is_news = self.obstacle().is_none_or(|known| !known.is_same_kind(&by));
        match self {
            SyncState::Acquiring { obstacle, .. } => *obstacle = Some(by),
            SyncState::Tracking | SyncState::Holdover(_) => *self = SyncState::Holdover(by),
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONE: Obstacle = Obstacle::NotEnough;
    const SILENT: Obstacle = Obstacle::NoSelectableSources { unreachable: 1 };

    #[test]
    fn only_tracking_is_synchronised() {
        let mut state = SyncState::START;
        assert!(!state.is_synchronised() && !state.is_decided() && state.obstacle().is_none());
        state.elected();
        assert!(state.is_synchronised() && state.is_decided());
        assert!(state.hindered(SILENT));
        assert_eq!((state, state.is_synchronised(), state.is_decided()), (SyncState::Holdover(SILENT), false, true));
        state.agreed();
        assert!(state.is_synchronised());
    }

    #[test]
    fn agreement_decides_no_vote() {
        let mut state = SyncState::START;
        state.hindered(LONE);
        state.agreed();
        assert_eq!(state, SyncState::START);
    }

    #[test]
    fn an_obstacle_is_news_once_and_again_after_agreement() {
        let mut state = SyncState::Tracking;
        assert!(state.hindered(SILENT));
        assert!(!state.hindered(Obstacle::NoSelectableSources { unreachable: 2 }), "only the number has changed");
        assert!(state.hindered(LONE));
        state.agreed();
        assert!(state.hindered(LONE));
    }

    #[test]
    fn a_vote_keeps_the_obstacle_and_the_first_answer() {
        let mut state = SyncState::Holdover(SILENT);
        state.call_vote(VoteCause::Gap, None);
        state.answered(Raw::from_nanos(5));
        state.answered(Raw::from_nanos(7));
        assert_eq!(state.obstacle(), Some(SILENT));
        assert_eq!(state.vote().and_then(|vote| vote.first_answer), Some(Raw::from_nanos(5)));
        assert!(!state.is_contested());
        state.call_vote(VoteCause::Contradiction, Some(Raw::from_nanos(9)));
        assert!(state.is_contested() && !state.is_synchronised());
    }
}
