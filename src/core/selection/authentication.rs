//! `authselectmode`: what authentication means for selection (spec 4.9.2).

use crate::core::api::settings::{AuthSelectMode, SourceOptions};
use crate::wire::cmdmon::report::SelectOptions;

/// The mode, and what there is for it to choose from.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Policy {
    mode: AuthSelectMode,
    has_trusted: bool,
    has_others: bool,
}

impl Policy {
    /// For lines with these options, with authentication or not. Those with `noselect` neither count nor change.
    pub(in crate::core) fn new(mode: AuthSelectMode, lines: impl Iterator<Item = (SelectOptions, bool)>) -> Self {
        let mut policy = Policy { mode, has_trusted: false, has_others: false };
        for (_, is_trusted) in lines.filter(|(options, _)| !options.contains(SelectOptions::NO_SELECT)) {
            policy.has_trusted |= is_trusted;
            policy.has_others |= !is_trusted;
        }
        policy
    }

    /// The options that hold.
    pub(in crate::core) fn effective(&self, configured: SelectOptions, is_authenticated: bool) -> SelectOptions {
        if configured.contains(SelectOptions::NO_SELECT) {
            return configured;
        }
        let more = match (self.mode, is_authenticated) {
            (AuthSelectMode::Require, false) => SelectOptions::NO_SELECT,
            (AuthSelectMode::Prefer, false) if self.has_trusted => SelectOptions::NO_SELECT,
            (AuthSelectMode::Mix, true) if self.has_others => SelectOptions::REQUIRE | SelectOptions::TRUST,
            _ => 0,
        };
        SelectOptions(configured.0 | more)
    }
}

/// Whether the line asks for authentication.
pub(in crate::core) fn is_authenticated(options: &SourceOptions) -> bool {
    options.nts || options.key.is_some()
}
