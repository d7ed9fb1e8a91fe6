//! What the loop does for NTS keys.

use std::net::IpAddr;

use crate::core::api::nts::{EstablishmentId, KeyRequest};
#[cfg(feature = "nts")]
use crate::core::engine::What;
use crate::daemon::event_loop::Loop;
#[cfg(feature = "nts")]
use crate::daemon::{key_establishment::KeyNews, resolver::LookupPurpose};

impl Loop<'_> {
    /// The engine is given the keys of the last run.
    pub(super) fn recall_keys(&mut self) {
        if let Some(files) = &self.world.nts_files {
            self.engine.unrecorded().recall_keys(files.take());
        }
    }

    /// Writes keys and cookies to files, if there is a place for them.
    pub(super) fn save_keys(&mut self) {
        if let Some(files) = &self.world.nts_files {
            files.write(&self.engine.keys_to_save(&self.world.clock.read()));
        }
    }
}

#[cfg(feature = "nts")]
impl Loop<'_> {
    /// News that come at once must not be told before the engine has been drained: they are told as outputs are.
    pub(super) fn establish_keys(&mut self, request: &KeyRequest) {
        if let Some(KeyNews::Ended(id, outcome)) = self.world.key_connections.start(request) {
            self.tell(What::Keys { id, outcome });
        }
    }

    pub(super) fn abandon_keys(&mut self, id: EstablishmentId) {
        self.world.key_connections.abandon(id);
    }

    pub(super) fn advance_keys(&mut self, id: EstablishmentId) {
        if let Some(news) = self.world.key_connections.advance(id) {
            self.take_news(news);
        }
    }

    pub(super) fn resolved_for_keys(&mut self, id: EstablishmentId, addresses: &[IpAddr]) {
        if let Some(news) = self.world.key_connections.resolved(id, addresses) {
            self.take_news(news);
        }
    }

    fn take_news(&mut self, news: KeyNews) {
        match news {
            KeyNews::Ended(id, outcome) => self.feed(What::Keys { id, outcome }),
            KeyNews::Lookup(id, name) => self.resolver.ask(LookupPurpose::Keys(id), name, self.world.family),
        }
    }
}

/// Without the feature there is no source that would want keys.
#[cfg(not(feature = "nts"))]
impl Loop<'_> {
    pub(super) fn establish_keys(&mut self, _: &KeyRequest) {}

    pub(super) fn abandon_keys(&mut self, _: EstablishmentId) {}

    pub(super) fn advance_keys(&mut self, _: EstablishmentId) {}

    pub(super) fn resolved_for_keys(&mut self, _: EstablishmentId, _: &[IpAddr]) {}
}
