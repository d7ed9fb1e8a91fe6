//! How finely a server's stamps tell the time: what it says of that, and what its stamps show.

use crate::time::{NtpTimestamp, Span, Utc};
use crate::wire::ntp::TimeReply;

/// Ticks of clocks that are met in the field, in nanoseconds: whole seconds (routers, microcontrollers), 1/64 s (Windows),
/// 1/100 s (kernels with HZ=100), and milliseconds. A server may state a finer precision all the same.
const TICKS_NS: [i64; 5] = [1_000_000_000, 100_000_000, 15_625_000, 10_000_000, 1_000_000];

/// A stamp is a multiple of a tick to within this: the fraction of 2^-32 s rounds.
const ROUNDING_NS: i64 = 1;

/// What is known of the stamps of one server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resolution {
    /// The first of [`TICKS_NS`] that all stamps so far are multiples of; past the end if there is none.
    tick: usize,
}

impl Resolution {
    /// Takes the stamps of one more reply, and says what they cannot tell.
    pub(super) fn observe(&mut self, reply: &TimeReply) -> Span {
        for stamp in [reply.receive, reply.transmit] {
            while TICKS_NS.get(self.tick).is_some_and(|tick_ns| !is_multiple(stamp, *tick_ns)) {
                self.tick += 1;
            }
        }
        // Fine stamps hit a tick by chance once in 300,000 replies: one interval is then wider by a millisecond.
        let seen = TICKS_NS.get(self.tick).map_or(Span::ZERO, |tick_ns| Span::from_nanos(*tick_ns));
        stated(reply.header.precision).max(seen)
    }
}

/// The precision field as a span, at least a nanosecond.
fn stated(precision: i8) -> Span {
    Span::from_secs_f64(libm::exp2(f64::from(precision))).max(Span::from_nanos(1))
}

fn is_multiple(stamp: NtpTimestamp, tick_ns: i64) -> bool {
    let off_ns = (stamp.to_utc() - Utc::from_secs(0)).nanos().rem_euclid(tick_ns);
    off_ns.min(tick_ns - off_ns) <= ROUNDING_NS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::BUILD_EPOCH;

    #[test]
    fn ticks_are_multiples_whatever_the_fraction_rounds_to() {
        for tick_ns in TICKS_NS {
            for count in 0..1000 {
                let stamp = NtpTimestamp::from_utc(BUILD_EPOCH + Span::from_nanos(tick_ns).times(count));
                assert!(is_multiple(stamp, tick_ns), "{tick_ns} {count}");
            }
            assert!(!is_multiple(NtpTimestamp::from_utc(BUILD_EPOCH + Span::from_nanos(123_456)), tick_ns));
        }
    }

    #[test]
    fn precision_spans_from_nanoseconds_to_beyond_all_use() {
        assert_eq!(stated(-32), Span::from_nanos(1));
        assert_eq!(stated(0), Span::from_secs(1));
        assert_eq!(stated(127), Span::MAX);
    }
}
