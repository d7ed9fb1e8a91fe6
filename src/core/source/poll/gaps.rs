//! How long until the next request: after an answer, and without one.

use super::{Demand, GROWTH, MAX_START_REQUESTS, MAX_TOKENS, MIN_SPACING, Place, Schedule, UNREACHABLE_AFTER, Urgency};
use crate::time::{Raw, Span};

/// Gap after a lost packet while starting: gives a struggling network some room.
const LOST_AT_START: Span = Span::from_secs(4);

/// Early polls are paid from a bucket: at most 12 % extra requests.
const TOKENS_PER_POLL: f64 = 0.12;

/// A lost packet shortens the next gap a little, until so many in a row are lost that the server is away.
const LOST_FACTOR: f64 = 0.75;

/// Servers that are not near are never asked more often than this.
const SHORTEST_IF_FAR: Span = Span::from_secs(1);

/// `burst`: most requests of one poll.
const BURST_REQUESTS: u32 = 4;

impl Schedule {
    pub(super) fn earliest(&self, now: Raw) -> Raw {
        let spaced = self.sent.map_or(now, |sent| now.max(sent + self.spacing()));
        self.paused_until.map_or(spaced, |until| spaced.max(until))
    }

    pub(super) fn shortest(&self) -> Span {
        let configured = if self.is_near { self.shortest } else { self.shortest.max(SHORTEST_IF_FAR) };
        configured.times(1 << self.slowed).min(self.longest.max(configured))
    }

    pub(super) fn longest(&self) -> Span {
        self.longest.max(self.shortest())
    }

    pub(super) fn spacing(&self) -> Span {
        self.shortest().min(MIN_SPACING)
    }

    /// `minpoll` is `maxpoll`: after the start there is nothing to choose.
    pub(super) fn is_fixed(&self) -> bool {
        self.shortest >= self.longest
    }

    pub(super) fn starting(&self) -> bool {
        self.answers < self.burst_answers && self.requests < MAX_START_REQUESTS
    }

    /// Requests that one poll may cost: on average no more than one for each of the shortest intervals.
    pub(super) fn burst_requests(&self) -> u32 {
        let shares = self.interval.secs_f64() / self.shortest().secs_f64();
        if self.repeats { (shares as u32).clamp(1, BURST_REQUESTS) } else { 1 }
    }

    pub(super) fn wakes_path(&self) -> bool {
        self.presend.is_some_and(|from| self.interval >= from) && self.begins_poll() && !self.starting()
    }

    pub(super) fn begins_poll(&self) -> bool {
        self.tries == 0 || self.tries >= self.burst_requests()
    }

    /// The longest interval for which the frequency is known well enough.
    pub(super) fn deserved(&self) -> Span {
        self.history.scaled(GROWTH.recip()).clamp(self.shortest(), self.longest())
    }

    pub(super) fn gap_if_lost(&self, needed: bool) -> Span {
        if self.burst.is_some() {
            return self.spacing();
        }
        if self.starting() {
            let gap = if self.unanswered <= 1 { MIN_SPACING } else { LOST_AT_START };
            return gap.min(self.shortest().max(self.spacing()));
        }
        if self.tries < self.burst_requests() {
            return self.spacing();
        }
        if self.unanswered > UNREACHABLE_AFTER || self.first_answer.is_none() {
            let doublings = self.unanswered.saturating_sub(UNREACHABLE_AFTER).min(16);
            let longest = if needed { self.deserved() } else { self.longest() };
            return self.interval.max(self.shortest()).times(1 << doublings).min(longest);
        }
        // While the gaps still grow from those of the start they are shorter than `minpoll` anyway.
        let least = if self.interval < self.shortest() { self.spacing() } else { self.shortest() };
        self.interval.scaled(LOST_FACTOR).max(least)
    }

    pub(super) fn gap_after_answer(&mut self, demand: Option<Demand>, urgency: Urgency, place: Place) -> Span {
        if self.starting() || self.burst.is_some() {
            return self.spacing();
        }
        if self.is_fixed() {
            return self.shortest();
        }
        self.tokens = (self.tokens + TOKENS_PER_POLL).min(MAX_TOKENS);
        if urgency != Urgency::Calm && self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return if urgency == Urgency::Contradicted { self.spacing() } else { self.shortest() };
        }
        if self.history < self.shortest() && self.slowed == 0 {
            return self.history.max(self.spacing());
        }
        let wanted = demand.map_or(self.longest(), |demand| Span::from_secs_f64(self.pace * demand.interval_s()));
        let gap = wanted.min(self.deserved()).max(self.shortest());
        if !self.staggered && place.of > 1 {
            self.staggered = true;
            return gap.scaled(0.5 + 0.5 * (place.index + 1) as f64 / place.of as f64).max(self.spacing());
        }
        gap
    }
}
