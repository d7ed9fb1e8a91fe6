//! When the clock may be called right for the first time: others begin their work then.

use crate::core::engine::Engine;
use crate::time::{ClockReading, Raw, Span};

/// The largest correction that may still have to be slewed, as in chrony-wait.service.
const RIGHT: Span = Span::from_millis(100);

/// A slew is looked at so often at most, until it is over.
const LOOK: Span = Span::from_secs(1);

/// One slew of the kernel takes this much at most, and is over in seconds...
const ONE_SLEW: Span = Span::from_millis(500);
/// ...and what is beyond it is slewed at a tenth of a second in a second at most.
const SECONDS_PER_SECOND: f64 = 10.0;

/// How the clock is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadyCondition {
    /// The sources agree, and it is where they say, or very near.
    Right,
    /// The clock is being slewed there, and may have arrived at this moment.
    Later(Raw),
    /// The moment is not known.
    Unknown,
}

/// How the clock is now. One that is only observed goes nowhere.
pub fn of(engine: &Engine, controls_clock: bool, now: &ClockReading) -> ReadyCondition {
    match engine.tracking(now).filter(|tracking| tracking.is_synchronised) {
        Some(tracking) => judge(tracking.error.abs(), controls_clock, now.raw),
        None => ReadyCondition::Unknown,
    }
}

fn judge(error: Span, controls_clock: bool, now: Raw) -> ReadyCondition {
    if error <= RIGHT {
        return ReadyCondition::Right;
    }
    if !controls_clock {
        return ReadyCondition::Unknown;
    }
    ReadyCondition::Later(now + (error - ONE_SLEW).scaled(SECONDS_PER_SECOND).max(LOOK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slew_is_waited_for_without_looking_too_often() {
        let now = Raw::from_nanos(0);
        let later = |seconds| ReadyCondition::Later(now + Span::from_secs(seconds));
        assert_eq!(judge(Span::from_millis(100), true, now), ReadyCondition::Right);
        assert_eq!(judge(Span::from_millis(400), true, now), later(1));
        assert_eq!(judge(Span::from_millis(3500), true, now), later(30));
        assert_eq!(judge(Span::from_millis(400), false, now), ReadyCondition::Unknown);
    }
}
