//! `authselectmode`: what authentication means for selection.
//!
//! What a source is *asked* to be decides what is demanded, as in chronyd: where `mix` demands that an authenticated source
//! agrees, nobody else sets the clock while there is none. What the source *is* decides whether the demand is met: without
//! the protection that its line wants it is not asked, and so never among those that agree.

use crate::core::api::monitoring::SelectOptions;
use crate::core::api::settings::AuthSelectMode;

/// The mode, and what there is for it to choose from.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Policy {
    mode: AuthSelectMode,
    has_protected: bool,
    has_others: bool,
}

impl Policy {
    /// For lines of servers with these options; `true`: they ask for authentication. Those with `noselect` neither count nor
    /// change.
    pub(in crate::core) fn new(mode: AuthSelectMode, lines: impl Iterator<Item = (SelectOptions, bool)>) -> Self {
        let mut policy = Policy { mode, has_protected: false, has_others: false };
        for (_, is_protected) in lines.filter(|(options, _)| !options.contains(SelectOptions::NO_SELECT)) {
            policy.has_protected |= is_protected;
            policy.has_others |= !is_protected;
        }
        policy
    }

    /// The options that hold. Reference clocks are as good as protected where that matters.
    pub(in crate::core) fn effective(&self, configured: SelectOptions, is_protected: bool) -> SelectOptions {
        if configured.contains(SelectOptions::NO_SELECT) {
            return configured;
        }
        let more = match (self.mode, is_protected) {
            (AuthSelectMode::Require, false) => SelectOptions::NO_SELECT,
            (AuthSelectMode::Prefer, false) if self.has_protected => SelectOptions::NO_SELECT,
            (AuthSelectMode::Mix, true) if self.has_protected && self.has_others => {
                SelectOptions::REQUIRE | SelectOptions::TRUST
            }
            _ => 0,
        };
        SelectOptions(configured.0 | more)
    }
}
