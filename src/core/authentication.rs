//! `authselectmode`: what authentication means for selection (spec 4.9.2).

use crate::core::settings::{AuthSelectMode, SourceConfig};

/// The lines with the flags that the mode adds to them. Lines with `noselect` neither count nor change.
pub(super) fn selectable(mut lines: Vec<SourceConfig>, mode: AuthSelectMode) -> Vec<SourceConfig> {
    let counts = |line: &&SourceConfig| !line.options.no_select;
    let has_trusted = lines.iter().filter(counts).any(is_authenticated);
    let has_others = lines.iter().filter(counts).any(|line| !is_authenticated(line));
    for line in lines.iter_mut().filter(|line| !line.options.no_select) {
        match (mode, is_authenticated(line)) {
            (AuthSelectMode::Require, false) => line.options.no_select = true,
            (AuthSelectMode::Prefer, false) => line.options.no_select = has_trusted,
            (AuthSelectMode::Mix, true) if has_others => {
                line.options.require = true;
                line.options.trust = true;
            }
            _ => {}
        }
    }
    lines
}

fn is_authenticated(line: &SourceConfig) -> bool {
    line.options.nts || line.options.key.is_some()
}
