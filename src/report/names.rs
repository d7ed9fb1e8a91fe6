//! Words for each state: for JSON and metrics, for people, and as chronyc prints it.

use crate::core::api::flaw::Flaw;
use crate::core::api::monitoring::{AuthData, Hindrance, SelectOptions, StampedBy, Standing};
use crate::time::Leap;

/// A leap indicator: our word, chronyc's letter, and chronyc's words.
pub(super) fn leap_words(leap: Option<Leap>) -> (&'static str, char, &'static str) {
    match leap {
        Some(Leap::Normal) => ("normal", 'N', "Normal"),
        Some(Leap::Insert) => ("insert", '+', "Insert second"),
        Some(Leap::Delete) => ("delete", '-', "Delete second"),
        None => ("unsynchronised", '?', "Not synchronised"),
    }
}

/// What selection makes of a source: our word, and chronyc's mark.
pub(super) fn standing_words(standing: Standing) -> (&'static str, char) {
    match standing {
        Standing::Selected => ("selected", '*'),
        Standing::Unselectable => ("unselectable", '?'),
        Standing::Falseticker => ("falseticker", 'x'),
        Standing::Jittery => ("jittery", '~'),
        Standing::Combined => ("combined", '+'),
        Standing::NotCombined => ("not-combined", '-'),
    }
}

/// Who stamped a packet: our word, and chronyc's.
pub(super) fn stamp_words(by: StampedBy) -> (&'static str, &'static str) {
    match by {
        StampedBy::Nobody => ("nobody", "Invalid"),
        StampedBy::Daemon => ("daemon", "Daemon"),
        StampedBy::Kernel => ("kernel", "Kernel"),
        StampedBy::Hardware => ("hardware", "Hardware"),
    }
}

/// chronyc's words for the mode of a packet.
pub(super) fn mode_words(mode: u8) -> &'static str {
    match mode {
        1 => "Symmetric active",
        2 => "Symmetric passive",
        4 => "Server",
        _ => "Invalid",
    }
}

/// chronyc's letters for the mode of authentication.
pub(super) fn auth_mode(mode: u16) -> &'static str {
    match mode {
        0 => "-",
        AuthData::SYMMETRIC_KEY => "SK",
        AuthData::NTS => "NTS",
        _ => "?",
    }
}

/// What stands between the clock and the sources: our word for programs, and our text for people.
pub(super) fn hindrance_words(hindrance: Hindrance) -> (&'static str, &'static str) {
    match hindrance {
        Hindrance::None => ("none", "the clock does not follow the sources yet"),
        Hindrance::NoSources => ("no-sources", "no source is configured"),
        Hindrance::Acquiring => ("acquiring", "the first answers are awaited"),
        Hindrance::NoSelectableSources => ("no-selectable-sources", "no source can be used"),
        Hindrance::NoMajority => ("no-majority", "the sources contradict each other"),
        Hindrance::NotEnough => ("not-enough", "fewer sources agree than minsources wants"),
        Hindrance::NoRequired => ("no-required", "no source with the option require agrees"),
        Hindrance::Reacquiring => ("reacquiring", "the sources vote anew, as the clock or the machine was interrupted"),
        Hindrance::ClockRefused => ("clock-refused", "the kernel refuses to adjust the clock"),
        Hindrance::LoneAndFar => (
            "lone-and-far",
            "the only source is decades away from the clock: add a second one, or set the date by hand",
        ),
        Hindrance::RateBeyond => ("rate-beyond", "the clock's rate is off by more than the kernel can correct"),
    }
}

const OPTIONS: [(u16, char, &str); 4] = [
    (SelectOptions::NO_SELECT, 'N', "noselect"),
    (SelectOptions::PREFER, 'P', "prefer"),
    (SelectOptions::TRUST, 'T', "trust"),
    (SelectOptions::REQUIRE, 'R', "require"),
];

pub(super) fn option_names(options: SelectOptions) -> String {
    let set: Vec<&str> = OPTIONS.iter().filter(|(bit, ..)| options.contains(*bit)).map(|(.., name)| *name).collect();
    set.join(" ")
}

/// chronyc's five columns, of which the last has no meaning.
pub(super) fn option_letters(options: SelectOptions) -> String {
    let letters = OPTIONS.iter().map(|(bit, letter, _)| if options.contains(*bit) { *letter } else { '-' });
    letters.chain(['-']).collect()
}

/// Why a source is of no use: our word for programs, and what people read after the name of the source.
pub(super) fn flaw_words(flaw: Flaw) -> (&'static str, &'static str) {
    match flaw {
        Flaw::NoAddress => ("no-address", "its name has no address"),
        Flaw::NoPlace => ("no-place", "all 16 places for sources are taken"),
        Flaw::Offline => ("offline", "it is set offline"),
        Flaw::NoRoute => ("no-route", "there is no route to it"),
        Flaw::NoDescriptors => ("no-descriptors", "slewd has too many open files to ask it"),
        Flaw::NotPermitted => ("not-permitted", "this system does not permit asking it"),
        Flaw::Unsent => ("unsent", "requests to it cannot be sent"),
        Flaw::Silent => ("silent", "it does not answer"),
        Flaw::PortClosed => ("port-closed", "it refuses connections, no NTP server runs there"),
        Flaw::Senseless => ("senseless", "its answers are no NTP replies to the requests"),
        Flaw::Unsynchronised => ("unsynchronised", "it does not know the time itself (stratum 16 or leap 3)"),
        Flaw::Denied => ("denied", "it refuses to serve this client (KoD DENY or RSTR)"),
        Flaw::RateLimited => ("rate-limited", "it wants to be asked less often (KoD RATE)"),
        Flaw::Authentication => ("authentication", "its answers are not authenticated as configured"),
        Flaw::RootDistance => ("root-distance", "it says itself that it may be wrong by 16 s or more"),
        Flaw::Delay => ("delay", "its answers take longer than maxdelay and the like allow"),
        Flaw::ImpossibleTimes => ("impossible-times", "the times in its answers are impossible"),
        Flaw::Repetition => ("repetition", "its answers repeat the same times"),
        Flaw::BadStratum => ("bad-stratum", "its stratum is outside minstratum to maxstratum"),
        Flaw::TooDistant => ("too-distant", "its root distance exceeds maxdistance"),
        Flaw::TooJittery => ("too-jittery", "its jitter exceeds maxjitter"),
        Flaw::Falseticker => ("falseticker", "it contradicts the majority"),
        Flaw::NotToBeSelected => ("noselect", "it has the option noselect"),
        Flaw::LocalEnd => ("local-end", "the local address, port or device of the configuration cannot be used"),
        Flaw::Unprotected => ("unprotected", "it is not asked, this slewd was built without NTS"),
        Flaw::KeyMissing => ("key-missing", "it is not asked, its key is not in the key file"),
        Flaw::KeysAwaited => ("keys-awaited", "its NTS keys are being established"),
        Flaw::KeyServerAway => ("key-server-away", "it is not asked, its NTS-KE server cannot be reached"),
        Flaw::KeyEstablishment => ("key-establishment", "it is not asked, its NTS-KE server gives no keys"),
        Flaw::Certificate => ("certificate", "it is not asked, the certificate of its NTS-KE server is not accepted"),
        Flaw::DeviceAbsent => ("device-absent", "its device cannot be opened or read"),
        Flaw::DeviceFrozen => ("device-frozen", "its device stands still"),
        Flaw::DeviceRate => ("device-rate", "its device runs at the wrong speed"),
        Flaw::DeviceTai => ("device-tai", "its device has jumped between UTC and TAI"),
        Flaw::NoSeconds => ("no-seconds", "no other source says which seconds its pulses mean"),
    }
}
