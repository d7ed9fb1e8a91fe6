//! What is due when.

use crate::core::engine::Engine;
use crate::core::source::Source;
use crate::time::Raw;

/// What the engine may wait for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Timer {
    Lookup,
    InitialHosts,
    Request,
    Device,
    Stamp,
    Expiry,
    Keys,
    Vote,
    Notice,
    Slew,
    FallbackDrift,
    Network,
    Interference,
    LeapSecond,
    Temperature,
}

impl Timer {
    const ALL: [Timer; 15] = [
        Timer::Lookup,
        Timer::InitialHosts,
        Timer::Request,
        Timer::Device,
        Timer::Stamp,
        Timer::Expiry,
        Timer::Keys,
        Timer::Vote,
        Timer::Notice,
        Timer::Slew,
        Timer::FallbackDrift,
        Timer::Network,
        Timer::Interference,
        Timer::LeapSecond,
        Timer::Temperature,
    ];

    /// For debugging idle wake-ups.
    fn name(self) -> &'static str {
        match self {
            Timer::Lookup => "lookup",
            Timer::InitialHosts => "initstepslew",
            Timer::Request => "request",
            Timer::Device => "reference clock",
            Timer::Stamp => "hardware time stamp",
            Timer::Expiry => "expiry",
            Timer::Keys => "NTS keys",
            Timer::Vote => "vote",
            Timer::Notice => "notice",
            Timer::Slew => "slew",
            Timer::FallbackDrift => "fallback",
            Timer::Network => "network",
            Timer::Interference => "interference",
            Timer::LeapSecond => "leap second",
            Timer::Temperature => "temperature",
        }
    }
}

impl Engine {
    /// The earliest timer, and what it is for.
    pub(super) fn deadline(&self) -> (Option<Raw>, &'static str) {
        let due = Timer::ALL.into_iter().filter_map(|timer| Some((self.due(timer)?, timer)));
        due.min().map_or((None, "nothing"), |(at, timer)| (Some(at), timer.name()))
    }

    fn due(&self, timer: Timer) -> Option<Raw> {
        match timer {
            Timer::Lookup => self.sources.next_lookup(),
            Timer::InitialHosts => self.sources.initial_until(),
            Timer::Request => self.next_request(),
            Timer::Device => self.next_reading(),
            Timer::Stamp => self.sources.all().iter().filter_map(Source::held_until).min(),
            Timer::Expiry => self.sources.next_expiry(),
            Timer::Keys => self.sources.next_establishment(self.seen),
            Timer::Vote => self.selector.next_vote(&self.sources, self.seen),
            Timer::Notice => self.next_notice(),
            Timer::Slew => self.clock.continue_at(),
            Timer::FallbackDrift => self.clock.falls_back_at(),
            Timer::Network => self.changes.due(),
            Timer::Interference => self.clock.foreign_due(),
            Timer::LeapSecond => self.clock.next_leap(&self.time, self.seen),
            Timer::Temperature => self.clock.temperature_due(),
        }
    }
}
