//! Changes of the network, and how many of them may cause requests.
//!
//! An interface that flaps, or a network manager that rebuilds its routes, reports dozens of changes. Each is a chance that
//! servers can be reached again, so the first few are acted on at once; after that there is a budget.

use crate::time::{Raw, Span};

/// Changes acted on at once. Coming up takes up to four: link, address, route, a second family.
const MOST_AT_ONCE: f64 = 8.0;

/// The bucket gains one burst each so often. A change causes at most eight requests to a server, so that a link that flaps for ever costs
/// no more than a poll of 32 s.
const REFILL: Span = Span::from_secs(256);

/// A change after so long without one is worth asking even where all is well: the paths are new.
const QUIET: Span = Span::from_secs(300);

/// Decides when a change of the network is acted on.
#[derive(Clone, Debug)]
pub struct Changes {
    /// What may still be acted on, as of `counted`.
    tokens: f64,
    counted: Raw,
    last: Option<Raw>,
    is_first: bool,
    pending: bool,
}

impl Changes {
    /// The network has not changed yet.
    pub fn new(now: Raw) -> Self {
        Changes { tokens: MOST_AT_ONCE, counted: now, last: None, is_first: false, pending: false }
    }

    /// The network has changed.
    pub fn note(&mut self, now: Raw) {
        self.is_first |= self.last.is_none_or(|last| now - last > QUIET);
        self.last = Some(now);
        self.pending = true;
    }

    /// When a change is to be acted on.
    pub fn due(&self) -> Option<Raw> {
        let missing = (1.0 - self.tokens).max(0.0);
        self.pending.then(|| self.counted + REFILL.scaled(missing))
    }

    /// Takes the change that is due: whether it was the first in a while. Pay for it with [`Changes::spend`] if
    /// anything is asked because of it.
    pub fn take(&mut self, now: Raw) -> Option<bool> {
        self.due().filter(|due| *due <= now)?;
        self.pending = false;
        Some(std::mem::take(&mut self.is_first))
    }

    /// Requests are made because of a change.
    pub fn spend(&mut self, now: Raw) {
        let earned = (now - self.counted).secs_f64().max(0.0) / REFILL.secs_f64();
        // Rounding must not make a change wait for ever.
        self.tokens = ((self.tokens + earned).min(MOST_AT_ONCE) - 1.0).max(0.0);
        self.counted = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Raw {
        Raw::from_nanos(1_000_000_000 * (1000 + seconds))
    }

    #[test]
    fn a_flood_of_changes_is_acted_on_a_few_times_and_then_seldom() {
        let mut changes = Changes::new(at(0));
        let mut acted = 0;
        for second in 0..3600 {
            changes.note(at(second));
            if changes.take(at(second)).is_some() {
                changes.spend(at(second));
                acted += 1;
            }
        }
        assert!((20..=23).contains(&acted), "{acted}");
    }

    #[test]
    fn only_the_first_in_a_while_is_called_so() {
        let mut changes = Changes::new(at(0));
        changes.note(at(0));
        assert_eq!(changes.take(at(0)), Some(true));
        changes.note(at(10));
        assert_eq!(changes.take(at(10)), Some(false));
        assert_eq!((changes.take(at(10)), changes.due()), (None, None));
        changes.note(at(400));
        assert_eq!(changes.take(at(400)), Some(true));
    }
}
