//! A pulse says when a second begins, and not which: that is for another source to say.

use crate::core::api::reference_clock::ClockConfig;
use crate::time::{Lead, NANOS_PER_SEC, Raw, Span};

/// A pulse is dropped if what says its second is off by more than this part of the interval between pulses, or of the
/// shorter part of one if both edges are reported (chrony.conf(5), `refclock PPS` and `width`).
const TOLERANCE: f64 = 0.4;

/// What says which second it is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::core) struct Seconds {
    /// The lead of true time...
    pub(in crate::core) lead: Lead,
    /// ...as of this moment...
    pub(in crate::core) at: Raw,
    /// ...give or take this.
    pub(in crate::core) bound: Span,
    /// Rate of true time against the counter.
    pub(in crate::core) frequency: f64,
}

/// The lead of true time by a pulse at this moment, of which only the fraction within the interval between pulses is known.
pub(super) fn complete(fraction: Lead, at: Raw, seconds: &Seconds, config: &ClockConfig) -> Option<Lead> {
    let interval = Span::from_nanos(NANOS_PER_SEC / i64::from(config.rate.max(1)));
    let offset = Span::from_secs_f64(config.options.offset_s);
    let expected = seconds.lead + (at - seconds.at).scaled(seconds.frequency) + (-offset);
    let apart = (expected - fraction).nanos();
    let whole = (apart + interval.nanos() / 2).div_euclid(interval.nanos());
    let completed = fraction + interval.times(whole);
    let width_s = config.width_s.min(interval.secs_f64() - config.width_s);
    let room_s = if width_s > 0.0 { width_s } else { interval.secs_f64() };
    let disagreement = (expected - completed).abs() + seconds.bound;
    (disagreement.secs_f64() <= TOLERANCE * room_s).then_some(completed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::api::reference_clock::Driver;
    use crate::core::api::source_id::ReferenceId;

    fn config() -> ClockConfig {
        ClockConfig::new(ReferenceId::new("PPS").expect("an ID"), Driver::Sock { path: String::new() })
    }

    fn seconds(ahead_s: f64, bound_s: f64) -> Seconds {
        let lead = Lead::from_nanos(1_800_000_000_000_000_000) + Span::from_secs_f64(ahead_s);
        Seconds { lead, at: Raw::from_nanos(0), bound: Span::from_secs_f64(bound_s), frequency: 0.0 }
    }

    #[test]
    fn a_pulse_gets_the_nearest_second_if_that_is_clear() {
        let fraction = Lead::from_nanos(250_000_000);
        let second = |ahead_s, bound_s, config: &ClockConfig| {
            let completed = complete(fraction, Raw::from_nanos(0), &seconds(ahead_s, bound_s), config)?;
            Some((completed - Lead::from_nanos(1_800_000_000_000_000_000)).secs_f64())
        };
        assert_eq!(second(0.25, 0.1, &config()), Some(0.25));
        assert_eq!(second(3.5, 0.1, &config()), Some(3.25));
        assert_eq!(second(-0.5, 0.1, &config()), Some(-0.75));
        assert_eq!(second(0.25, 0.5, &config()), None, "who says the second may be wrong by half of one");
        assert_eq!(second(0.7, 0.0, &config()), None, "it is too far from it");
        let ten = ClockConfig { rate: 10, ..config() };
        assert_eq!(second(0.262, 0.01, &ten), Some(0.25));
        assert_eq!(second(0.262, 0.05, &ten), None);
        let both_edges = ClockConfig { width_s: 0.1, ..config() };
        assert_eq!(second(0.26, 0.01, &both_edges), Some(0.25));
        assert_eq!(second(0.16, 0.01, &both_edges), None, "the other edge");
    }
}
