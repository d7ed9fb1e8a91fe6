//! Symmetric keys: which lines and sources have theirs.

use crate::core::pool::source_set::SourceSet;
use crate::core::source::Source;
use crate::core::source::authenticator::Authenticator;
use crate::time::Raw;
use crate::wire::symmetric::KeyTable;

impl SourceSet {
    /// The key file was read, for the first time or again. A source whose key has gone is not asked any more.
    pub(in crate::core) fn use_keys(&mut self, keys: KeyTable, now: Raw) {
        self.keys = keys;
        for line in 0..self.lines.len() {
            self.authenticate_line(line, now);
        }
        for source in &mut self.sources {
            give_key(source, &self.keys);
        }
    }

    /// The symmetric keys.
    pub(in crate::core) fn keys(&self) -> &KeyTable {
        &self.keys
    }

    /// A line has been added, or there are other keys.
    pub(super) fn authenticate_line(&mut self, line: usize, now: Raw) {
        let line = &mut self.lines[line];
        let state = Authenticator::with(&line.config.options, &self.keys).state();
        line.set_authentication(state, now);
    }
}

/// A key that is as it was changes nothing.
pub(super) fn give_key(source: &mut Source, keys: &KeyTable) {
    let fresh = Authenticator::with(&source.options, keys);
    if *source.authenticator() == fresh || source.nts().is_some() {
        return;
    }
    if matches!(fresh, Authenticator::Missing(_)) {
        source.reach = 0;
    }
    source.set_authenticator(fresh);
}
