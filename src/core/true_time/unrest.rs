//! What is known is contradicted: how often that may cost a burst of requests and lines in the log.
//!
//! One contradiction is a jump. Several within an hour are a server that runs away or swings, or a counter whose rate keeps
//! changing: that is said once, and the sources are not asked in bursts each time, for these would never end.

use crate::time::{Raw, Span};

/// Contradictions are unrest if there are so many...
const SEVERAL: usize = 3;
/// ...within this time are no single event.
const WITHIN: Span = Span::from_secs(3600);

/// The number of bursts that are free; the next one has to wait...
const FREE_BURSTS: u32 = 2;
/// ...for this long at first, and then for twice as long as the one before...
const FIRST_WAIT: Span = Span::from_secs(128);
/// ...up to this many doublings.
const DOUBLINGS: u32 = 5;

/// Remembers contradictions.
#[derive(Clone, Debug, Default)]
pub(in crate::core) struct Unrest {
    recent: [Option<Raw>; SEVERAL],
    is_known: bool,
    bursts: u32,
    burst_after: Option<Raw>,
}

impl Unrest {
    /// What was known was found wrong. Returns whether this makes it evident that it will be so again and again.
    pub(in crate::core) fn see(&mut self, now: Raw) -> bool {
        let last = self.recent[SEVERAL - 1];
        if last.is_none_or(|last| now - last > WITHIN) {
            *self = Unrest::default();
        }
        self.recent.rotate_left(1);
        self.recent[SEVERAL - 1] = Some(now);
        let was_known = self.is_known;
        self.is_known |= self.recent[0].is_some_and(|first| now - first < WITHIN);
        self.is_known && !was_known
    }

    /// The log says already that there is unrest, and it lasts: more lines would say nothing new.
    pub(in crate::core) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whether all sources may be asked in a burst for what has just been seen.
    pub(in crate::core) fn may_burst(&mut self, now: Raw) -> bool {
        if self.burst_after.is_some_and(|after| now < after) {
            return false;
        }
        self.bursts += 1;
        let doublings = self.bursts.saturating_sub(FREE_BURSTS).min(DOUBLINGS);
        self.burst_after = (self.bursts >= FREE_BURSTS).then(|| now + FIRST_WAIT.times(1 << doublings));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Raw {
        Raw::from_nanos(1_000_000_000 * seconds)
    }

    #[test]
    fn the_third_contradiction_in_an_hour_is_unrest_and_said_once() {
        let mut unrest = Unrest::default();
        let said: Vec<bool> = [0, 60, 120, 180, 3700].map(|second| unrest.see(at(second))).into();
        assert_eq!(said, [false, false, true, false, false]);
        assert!(unrest.is_known());
        assert!(!unrest.see(at(7400)) && !unrest.is_known(), "there was an hour of peace");
    }

    #[test]
    fn bursts_become_rare() {
        let mut unrest = Unrest::default();
        let seen = |second: &i64| {
            unrest.see(at(*second));
            unrest.may_burst(at(*second))
        };
        let bursts: Vec<i64> = (0..36_000).step_by(64).filter(seen).collect();
        assert_eq!(bursts[..5], [0, 64, 192, 448, 960], "{bursts:?}");
        assert!(bursts.len() < 17, "{bursts:?}");
    }
}
