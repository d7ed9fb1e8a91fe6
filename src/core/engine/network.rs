//! Where requests can go: changes of the network, and sources that are set online or offline.

use std::net::IpAddr;

use crate::core::engine::{Engine, Phase};
use crate::core::event::Event;
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
        let is_starting = matches!(self.phase, Phase::Acquiring(_));
        let answers = if is_starting { ANSWERS_TO_START } else { ANSWERS_TO_GO_ON };
        let mut asks = false;
        for source in &mut self.sources {
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

    /// As chronyc's commands `online` and `offline`.
    pub(super) fn set_online(&mut self, whom: Option<IpAddr>, online: bool, now: Raw) {
        if whom.is_none() {
            for association in &mut self.associations {
                association.config.options.offline = !online;
                if online {
                    association.hurry(now);
                }
            }
        }
        for index in 0..self.sources.len() {
            let source = &mut self.sources[index];
            let is_meant = whom.is_none_or(|whom| source.address.ip() == whom);
            if is_meant && source.schedule.set_online(online, now) {
                let label = source.label.clone();
                self.tell(Event::Online(label, online));
            }
        }
    }
}

fn is_hoped_for(source: &Source, now: Raw) -> bool {
    source.asked_at().is_some_and(|asked| now - asked < STILL_HOPED_FOR)
}
