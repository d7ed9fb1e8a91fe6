//! Where requests can go: changes of the network.

use crate::core::engine::Engine;
use crate::core::source::Source;
use crate::time::{Raw, Span};

/// Answers wanted quickly after a change of the network: while nothing is known, all that `iburst` wants...
const ANSWERS_TO_START: u32 = 4;
/// ...and one that another confirms when the clock is already followed.
const ANSWERS_TO_GO_ON: u32 = 2;

/// A request that left this recently may still be answered: no other is sent for a change of the network.
const STILL_HOPED_FOR: Span = Span::from_secs(1);

impl Engine {
    /// Asks at once, with a short burst, those that were silent; everybody, if this is the first change in a while or
    /// the clock is not synchronised. Names that could not be looked up are looked up again.
    pub(super) fn heed_network(&mut self, now: Raw) {
        let Some(is_first) = self.changes.take(now) else { return };
        self.associations.iter_mut().for_each(|association| association.hurry(now));
        let everybody = is_first || !self.is_synchronised();
        let is_starting = !self.sync.is_decided();
        let answers = if is_starting { ANSWERS_TO_START } else { ANSWERS_TO_GO_ON };
        let mut asks = false;
        for source in &mut self.sources {
            source.schedule.lift_kisses();
            source.conduct.lift_denials();
            let is_silent = source.reach == 0 || source.schedule.unanswered() > 0;
            if (everybody || is_silent) && !source.schedule.is_offline() && !is_hoped_for(source, now) {
                source.schedule.revive(answers, now);
                asks = true;
            }
        }
        if asks {
            self.changes.spend(now);
        }
    }
}

fn is_hoped_for(source: &Source, now: Raw) -> bool {
    source.asked_at().is_some_and(|asked| now - asked < STILL_HOPED_FOR)
}
