//! One word for each state, as JSON and metrics have them.

use crate::core::api::flaw::Flaw;
use crate::core::api::monitoring::{Hindrance, SelectOptions, StampedBy, Standing};
use crate::time::Leap;

pub(super) fn leap_name(leap: Option<Leap>) -> &'static str {
    match leap {
        Some(Leap::Normal) => "normal",
        Some(Leap::Insert) => "insert",
        Some(Leap::Delete) => "delete",
        None => "unsynchronised",
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
        Hindrance::RateBeyond => "rate-beyond",
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

/// For programs.
pub(super) fn flaw_name(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::NoAddress => "no-address",
        Flaw::NoPlace => "no-place",
        Flaw::Offline => "offline",
        Flaw::NoRoute => "no-route",
        Flaw::NoDescriptors => "no-descriptors",
        Flaw::NotPermitted => "not-permitted",
        Flaw::Unsent => "unsent",
        Flaw::Silent => "silent",
        Flaw::PortClosed => "port-closed",
        Flaw::Senseless => "senseless",
        Flaw::Unsynchronised => "unsynchronised",
        Flaw::Denied => "denied",
        Flaw::RateLimited => "rate-limited",
        Flaw::Authentication => "authentication",
        Flaw::RootDistance => "root-distance",
        Flaw::Delay => "delay",
        Flaw::ImpossibleTimes => "impossible-times",
        Flaw::Repetition => "repetition",
        Flaw::BadStratum => "bad-stratum",
        Flaw::TooDistant => "too-distant",
        Flaw::TooJittery => "too-jittery",
        Flaw::Falseticker => "falseticker",
        Flaw::NotToBeSelected => "noselect",
        Flaw::LocalEnd => "local-end",
        Flaw::Unprotected => "unprotected",
        Flaw::KeyMissing => "key-missing",
        Flaw::KeysAwaited => "keys-awaited",
        Flaw::KeyServerAway => "key-server-away",
        Flaw::KeyEstablishment => "key-establishment",
        Flaw::Certificate => "certificate",
    }
}

/// For people, after the name of the source.
pub(super) fn flaw_text(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::NoAddress => "its name has no address",
        Flaw::NoPlace => "all 16 places for sources are taken",
        Flaw::Offline => "it is set offline",
        Flaw::NoRoute => "there is no route to it",
        Flaw::NoDescriptors => "slewd has too many open files to ask it",
        Flaw::NotPermitted => "this system does not permit asking it",
        Flaw::Unsent => "requests to it cannot be sent",
        Flaw::Silent => "it does not answer",
        Flaw::PortClosed => "it refuses connections, no NTP server runs there",
        Flaw::Senseless => "its answers are no NTP replies to the requests",
        Flaw::Unsynchronised => "it does not know the time itself (stratum 16 or leap 3)",
        Flaw::Denied => "it refuses to serve this client (KoD DENY or RSTR)",
        Flaw::RateLimited => "it wants to be asked less often (KoD RATE)",
        Flaw::Authentication => "its answers are not authenticated as configured",
        Flaw::RootDistance => "it says itself that it may be wrong by 16 s or more",
        Flaw::Delay => "its answers take longer than maxdelay and the like allow",
        Flaw::ImpossibleTimes => "the times in its answers are impossible",
        Flaw::Repetition => "its answers repeat the same times",
        Flaw::BadStratum => "its stratum is outside minstratum to maxstratum",
        Flaw::TooDistant => "its root distance exceeds maxdistance",
        Flaw::TooJittery => "its jitter exceeds maxjitter",
        Flaw::Falseticker => "it contradicts the majority",
        Flaw::NotToBeSelected => "it has the option noselect",
        Flaw::LocalEnd => "the local address, port or device of the configuration cannot be used",
        Flaw::Unprotected => "it is not asked, this slewd was built without NTS",
        Flaw::KeyMissing => "it is not asked, its key is not in the key file",
        Flaw::KeysAwaited => "its NTS keys are being established",
        Flaw::KeyServerAway => "it is not asked, its NTS-KE server cannot be reached",
        Flaw::KeyEstablishment => "it is not asked, its NTS-KE server gives no keys",
        Flaw::Certificate => "it is not asked, the certificate of its NTS-KE server is not accepted",
    }
}
