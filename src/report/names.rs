//! One word for each state, as JSON and metrics have them.

use crate::wire::cmdmon::report::{Hindrance, LeapStatus, SelectOptions, StampedBy, Standing};

pub(super) fn leap_name(leap: LeapStatus) -> &'static str {
    match leap {
        LeapStatus::Normal => "normal",
        LeapStatus::Insert => "insert",
        LeapStatus::Delete => "delete",
        LeapStatus::Unsynchronised => "unsynchronised",
    }
}

pub(super) fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Selected => "selected",
        Standing::Unselectable => "unselectable",
        Standing::Falseticker => "falseticker",
        Standing::Jittery => "jittery",
        Standing::Combined => "combined",
        Standing::NotCombined => "not-combined",
    }
}

pub(super) fn stamp_name(by: StampedBy) -> &'static str {
    match by {
        StampedBy::Nobody => "nobody",
        StampedBy::Daemon => "daemon",
        StampedBy::Kernel => "kernel",
        StampedBy::Hardware => "hardware",
    }
}

pub(super) fn hindrance_name(hindrance: Hindrance) -> &'static str {
    match hindrance {
        Hindrance::None => "none",
        Hindrance::NoSources => "no-sources",
        Hindrance::Acquiring => "acquiring",
        Hindrance::NoSelectableSources => "no-selectable-sources",
        Hindrance::NoMajority => "no-majority",
        Hindrance::NotEnough => "not-enough",
        Hindrance::NoRequired => "no-required",
        Hindrance::Reacquiring => "reacquiring",
        Hindrance::ClockRefused => "clock-refused",
    }
}

pub(super) fn option_names(options: SelectOptions) -> String {
    let all = [
        (SelectOptions::NO_SELECT, "noselect"),
        (SelectOptions::PREFER, "prefer"),
        (SelectOptions::TRUST, "trust"),
        (SelectOptions::REQUIRE, "require"),
    ];
    let set: Vec<&str> = all.iter().filter(|(bit, _)| options.0 & bit != 0).map(|(_, name)| *name).collect();
    set.join(" ")
}
