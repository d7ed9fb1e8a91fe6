//! Symmetric keys: which sources have theirs.

use crate::core::engine::Engine;
use crate::core::source::Source;
use crate::core::source::authenticator::Authenticator;
use crate::time::Raw;
use crate::wire::symmetric::KeyTable;

impl Engine {
    /// The key file was read, for the first time or again. A source whose key has gone is not asked any more.
    pub fn use_keys(&mut self, keys: KeyTable, now: Raw) {
        self.keys = keys;
        for index in 0..self.associations.len() {
            self.authenticate_line(index, now);
        }
        for source in &mut self.sources {
            give_key(source, &self.keys);
        }
    }

    /// A line has been added.
    pub(super) fn authenticate_line(&mut self, association: usize, now: Raw) {
        let line = &mut self.associations[association];
        let state = Authenticator::with(&line.config.options, &self.keys).state();
        line.set_authentication(state, now);
    }
}

/// A key that is as it was changes nothing.
pub(super) fn give_key(source: &mut Source, keys: &KeyTable) {
    let fresh = Authenticator::with(&source.options, keys);
    if *source.authenticator() == fresh {
        return;
    }
    if matches!(fresh, Authenticator::Missing(_)) {
        source.reach = 0;
    }
    source.set_authenticator(fresh);
}
