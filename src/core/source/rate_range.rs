//! What the last replies of one source say of the rate of our counter, whatever is believed of it.

use crate::core::api::measurement::Measurement;
use crate::core::source::recent::Recent;

/// The base of the path is not known exactly while there are few replies: by this part of the shortest round trip.
const UNKNOWN_BASE: f64 = 0.02;

/// From so many replies on, the shortest round trip and the jitter say how far a reply may be off. Before, it may be off by
/// half its round trip: with less, one start in ten over a path with 1 ms of jitter shows a rate that is not there.
const ENOUGH: usize = 4;

/// Stamps of the kernel and rounding (s).
const STAMPS_S: f64 = 5e-6;

/// Replies closer together than this (s) say nothing of a rate.
const LEAST_APART_S: f64 = 0.5;

/// Rates of true time against the raw counter, minus one, that some replies allow.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RateRange {
    /// No slower.
    pub low: f64,
    /// No faster.
    pub high: f64,
    /// The newest replies, so many, lie on a line of such a rate.
    pub replies: usize,
    /// None of the older replies is beside that line.
    pub is_whole: bool,
}

impl RateRange {
    /// Every rate.
    const ANY: RateRange = RateRange { low: f64::NEG_INFINITY, high: f64::INFINITY, replies: 0, is_whole: true };

    /// Of the newest replies that lie on a line; older ones are left out from the first that does not. What a reply was
    /// delayed beyond the shortest round trip, and `jitter_s`, may be an error of its time. `None`: there are not two.
    pub(super) fn of(recent: &Recent, jitter_s: f64) -> Option<RateRange> {
        let delay_s = |m: &Measurement| m.sample.delay.secs_f64();
        let is_known = recent.iter().count() >= ENOUGH;
        let least_s = recent.iter().map(delay_s).fold(f64::INFINITY, f64::min);
        let base_s = if is_known { least_s } else { 0.0 };
        let margin_s = if is_known { jitter_s.max(UNKNOWN_BASE * least_s) } else { 0.0 } + STAMPS_S;
        let half_width_s =
            |m: &Measurement| 0.5 * (delay_s(m) - base_s) + margin_s + libm::exp2(f64::from(m.precision.min(0)));
        let mut range = RateRange::ANY;
        for (index, old) in recent.iter().rev().enumerate() {
            let mut narrowed = range;
            for new in recent.iter().rev().take(index) {
                let apart_s = (new.sample.at - old.sample.at).secs_f64();
                if apart_s >= LEAST_APART_S {
                    let rate = (new.sample.lead - old.sample.lead).secs_f64() / apart_s;
                    let margin = (half_width_s(new) + half_width_s(old)) / apart_s;
                    (narrowed.low, narrowed.high) = (narrowed.low.max(rate - margin), narrowed.high.min(rate + margin));
                }
            }
            if narrowed.low > narrowed.high {
                range.is_whole = false;
                break;
            }
            range = RateRange { replies: range.replies + 1, ..narrowed };
        }
        range.low.is_finite().then_some(range)
    }

    /// The rate in the middle.
    pub fn middle(&self) -> f64 {
        0.5 * (self.low + self.high)
    }

    /// How far the rate may be from this one.
    pub fn farthest_from(&self, rate: f64) -> f64 {
        (self.low - rate).abs().max((self.high - rate).abs())
    }

    /// How far it may be off.
    pub fn margin(&self) -> f64 {
        0.5 * (self.high - self.low)
    }
}
