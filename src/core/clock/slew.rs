//! How fast a phase error is taken out: an exact offset against a smooth frequency.
//!
//! The kernel takes out a constant share of what is left each second, so an error decays exponentially. That is also
//! the best shape there is: if news moves the estimate by a variance of `v` per second, a decay time `T` adds `v T / 2`
//! to the variance of the offset and `v / (2 T)` to that of the frequency, and by the theory of the linear quadratic
//! regulator no other rule is better at both. What remains is to choose `T`, and to keep it: each change costs more than
//! it gains. So it comes from the noise of the paths and the wander of the oscillator, which hardly move, and not from
//! the covariance, which a single lucky packet can halve.
//!
//! What is no noise, such as the error of a hardware clock at the start, should not decay but end. As each second of the
//! clock begins the kernel fixes a quarter of the phase it then holds as the rate of that second, whatever it is told
//! later. So it is given four times what is wanted just before a second begins, and what is really left just after. That
//! second then takes out all of it, or as much as `maxslewrate` allows. Whoever kills slewd leaves a kernel that takes out
//! the rest by itself, as always; but in the thirty milliseconds in between it would take out four times the rest.

use crate::core::estimate::{Estimate, PollTerms};
use crate::time::{ClockReading, NANOS_PER_SEC, Span};

/// The kernel's phase slew takes at most this much (MAXPHASE in the kernel's timex.h).
pub const MAX_PHASE: Span = Span::from_millis(500);

/// Largest time constant of the kernel's phase slew (MAXTC).
const MAX_TIME_CONSTANT: u8 = 10;

/// With time constant 0 the rest decays to 1/e in about this many seconds; each step doubles it.
const SHORTEST_DECAY_S: f64 = 4.0;

/// The decay time as a part of the filter's memory: costs about 4 % of the offset (docs/benchmarks.md).
const SMOOTHING: f64 = 0.4;

/// Where the clock strays far between two samples smoothing gains little: by this much less.
const STRAYING: f64 = 2.0;

/// While the history is shorter than this part of the steady filter's memory, each sample moves the estimate by much, and
/// there is nothing to smooth yet: the memory is taken for shorter, by the fourth power of what is missing. Less costs the
/// first ten minutes (`off-wan`), more the rate after a jump (`tests/sim_rate.rs`). A quiet oscillator has something to smooth
/// as much sooner as it is quieter than [`QUIET_WANDER`].
const GROWN: f64 = 0.22;

/// The longest time that a slew takes, unless the oscillator wanders less than [`QUIET_WANDER`]: then by as much longer.
const LONGEST_DECAY_S: f64 = 512.0;
/// Per square root of a second: temperature controlled oscillators wander less.
const QUIET_WANDER: f64 = 6.5e-10;
/// The kernel's slowest slew.
const SLOWEST_DECAY_S: f64 = 4096.0;

/// An error of more standard deviations is no noise, and is taken out faster by the square of the excess.
const LARGE_ERROR: f64 = 5.0;

/// An error is urgent if it should decay faster than this, which the kernel's own slew cannot do...
const URGENT_DECAY_S: f64 = 2.0;
/// ...and if it is worth two wake-ups a second, and a rate that programs notice.
const LEAST_URGENT: Span = Span::from_millis(1);

/// This long before a second of the clock begins the kernel is told what to do in it: timers are late by milliseconds.
const EVE: Span = Span::from_millis(15);
/// A wake-up this long before that second is early enough.
const LONGEST_EVE: Span = Span::from_millis(30);
/// This long after the beginning of a second the kernel has noticed it, at its tick: every 10 ms at the least.
const NOTICED: Span = Span::from_millis(15);

/// A moment within a second of the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecondPart {
    /// The next second is about to begin, and will have been noticed so much later.
    Eve {
        /// By the raw counter.
        until_noticed: Span,
    },
    /// The moment is early enough for the present second.
    Within {
        /// By the raw counter.
        until_eve: Span,
    },
}

impl SecondPart {
    /// Of a clock that runs at this rate against the counter, minus one, until its second ends.
    pub fn of(now: &ClockReading, rate: f64) -> SecondPart {
        let left = Span::from_nanos(NANOS_PER_SEC - now.utc.nanos().rem_euclid(NANOS_PER_SEC));
        let by_counter = |span: Span| span.scaled((1.0 + rate).recip());
        if left <= LONGEST_EVE {
            SecondPart::Eve { until_noticed: by_counter(left) + NOTICED }
        } else {
            SecondPart::Within { until_eve: by_counter(left - EVE) }
        }
    }
}

/// What is wanted is too much to decay, and `max_rate` is high enough to take it out second by second.
pub fn is_urgent(decay_s: f64, wanted: Span, max_rate: f64) -> bool {
    let is_fast = Span::from_secs_f64(SHORTEST_DECAY_S * max_rate) >= MAX_PHASE.half();
    is_fast && decay_s < URGENT_DECAY_S && wanted.abs() > LEAST_URGENT
}

/// The phase of which the kernel takes out `wanted` in one second, or what `max_rate` allows.
pub fn phase_for_one_second(wanted: Span, max_rate: f64) -> Span {
    let most = Span::from_secs_f64(max_rate / share(0)).min(MAX_PHASE).nanos();
    Span::from_nanos(wanted.scaled(share(0).recip()).nanos().clamp(-most, most))
}

/// The decay time for `error` in seconds, if the next sample comes after `news`.
pub fn decay_s(estimate: &Estimate, terms: &PollTerms, error: Span, news: Span) -> f64 {
    let news_s = news.secs_f64().max(1.0);
    // How long a filter of this noise and wander remembers once it is steady; its covariance tells how much of that it has.
    let steady_s = libm::sqrt(libm::sqrt(terms.sample_variance * news_s / terms.wander_squared));
    let [_, covariance, of_frequency] = estimate.covariance;
    let history = (covariance / of_frequency + news_s) / steady_s;
    let quietness = (QUIET_WANDER / libm::sqrt(terms.wander_squared)).max(1.0);
    let memory_s = steady_s * (quietness * history / GROWN).min(1.0).powi(4);
    let straying = news_s / memory_s;
    let longest_s = (LONGEST_DECAY_S * quietness).min(SLOWEST_DECAY_S);
    let calm_s = (SMOOTHING * memory_s / (1.0 + STRAYING * straying * straying)).clamp(URGENT_DECAY_S, longest_s);
    let excess = error.secs_f64().abs() / (LARGE_ERROR * estimate.offset_variance(news_s).sqrt());
    calm_s / excess.max(1.0).powi(2)
}

/// The largest part of an error to hand to the kernel at once, below `max_rate`.
///
/// Renewed every second with time constant 0, this phase is taken out at `max_rate`. If the rate is so low that the
/// part would be small, the kernel's largest phase and a longer time constant need fewer wake-ups.
pub fn largest_phase(max_rate: f64) -> Span {
    let part = Span::from_secs_f64(SHORTEST_DECAY_S * max_rate);
    let stretched = if part < MAX_PHASE.half() { part.times(1 << MAX_TIME_CONSTANT) } else { part };
    stretched.min(MAX_PHASE)
}

/// The kernel's time constant nearest to a decay time, but long enough for `phase` to stay below `max_rate`.
pub fn time_constant(decay_s: f64, phase: Span, max_rate: f64) -> u8 {
    let wanted = libm::log2(decay_s / SHORTEST_DECAY_S).round();
    // Rounding must not make a phase that just fits take twice as long.
    let fastest = (libm::log2(phase.secs_f64().abs() / (SHORTEST_DECAY_S * max_rate)) - 1e-6).ceil();
    wanted.max(fastest).clamp(0.0, f64::from(MAX_TIME_CONSTANT)) as u8
}

/// What the kernel takes out of the rest each second.
pub fn share(time_constant: u8) -> f64 {
    libm::exp2(2.0 + f64::from(time_constant.min(MAX_TIME_CONSTANT))).recip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_part_goes_at_the_largest_rate() {
        for max_rate in [1e-6, 1e-3, 0.03, 0.08, 0.083_333, 0.1] {
            let part = largest_phase(max_rate);
            let rate = part.secs_f64() * share(time_constant(0.0, part, max_rate));
            assert!(rate < max_rate * 1.001, "{rate} at {max_rate}");
            assert!(rate > 0.5 * max_rate, "{rate} at {max_rate}");
        }
    }

    #[test]
    fn decay_times_double_with_the_time_constant() {
        let of = |decay_s| time_constant(decay_s, Span::from_nanos(1000), 0.08);
        assert_eq!([0.1, 4.0, 8.0, 512.0, 1e9].map(of), [0, 0, 1, 7, 10]);
        assert_eq!(of(f64::NAN), 0);
    }
}
