//! When a request left: who can say so says it at different times, and who was nearest to the cable says it last.

use crate::core::api::exchange::{Stamp, StampSource};
use crate::time::Raw;

/// What is known of the departure of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    /// The first stamp: the request did not leave before it.
    earliest: Raw,
    best: Stamp,
    /// The network card may still say when it was.
    awaits_hardware: bool,
}

impl Departure {
    /// The system call that sent the request has returned.
    pub(super) fn new(stamp: Stamp, awaits_hardware: bool) -> Self {
        let awaits_hardware = awaits_hardware && stamp.source < StampSource::Hardware;
        Departure { earliest: stamp.at - stamp.margin, best: stamp, awaits_hardware }
    }

    /// Takes another stamp of the same request. It counts if it comes from somebody nearer to the cable, and lies between
    /// the first stamp and `now`: a stamp of another packet, or of a clock that is wrong, does not.
    pub(super) fn improve(&mut self, stamp: Stamp, now: Raw) {
        if stamp.source == StampSource::Hardware {
            self.awaits_hardware = false;
        }
        if stamp.source > self.best.source && stamp.is_within(self.earliest, now) {
            self.best = stamp;
        }
    }

    /// The best stamp so far.
    pub(super) fn stamp(&self) -> Stamp {
        self.best
    }

    /// A better one may be on its way.
    pub(super) fn awaits_hardware(&self) -> bool {
        self.awaits_hardware
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn at(us: i64) -> Raw {
        Raw::from_nanos(1000 * us)
    }

    const MARGIN: Span = Span::from_nanos(500);

    #[test]
    fn the_nearest_to_the_cable_counts_whatever_the_order() {
        let (kernel, hardware) = (Stamp::of_kernel(at(20)), Stamp::of_hardware(at(25), MARGIN));
        let orders: [&[Stamp]; 5] =
            [&[kernel, hardware], &[hardware, kernel], &[hardware], &[hardware, hardware], &[kernel, hardware, kernel]];
        for order in orders {
            let mut departure = Departure::new(Stamp::of_daemon(at(10)), true);
            order.iter().for_each(|stamp| departure.improve(*stamp, at(100)));
            assert_eq!((departure.stamp(), departure.awaits_hardware()), (hardware, false), "{order:?}");
        }
    }

    #[test]
    fn impossible_stamps_do_not_count() {
        for impossible in [at(9), at(101)] {
            let mut departure = Departure::new(Stamp::of_daemon(at(10)), true);
            departure.improve(Stamp::of_hardware(impossible, MARGIN), at(100));
            assert_eq!(departure.stamp(), Stamp::of_daemon(at(10)));
            departure.improve(Stamp::of_kernel(impossible), at(100));
            assert_eq!(departure.stamp(), Stamp::of_daemon(at(10)));
            assert!(!departure.awaits_hardware(), "it has come, and there is no other");
        }
        // A card whose clock is known to 500 ns may say that a packet left 400 ns before it was sent.
        let mut departure = Departure::new(Stamp::of_kernel(at(10)), true);
        let slightly_early = Stamp::of_hardware(at(10) - Span::from_nanos(400), MARGIN);
        departure.improve(slightly_early, at(100));
        assert_eq!(departure.stamp(), slightly_early);
    }

    #[test]
    fn a_second_stamp_of_the_same_kind_is_no_better() {
        let mut departure = Departure::new(Stamp::of_daemon(at(10)), false);
        departure.improve(Stamp::of_kernel(at(20)), at(100));
        departure.improve(Stamp::of_kernel(at(30)), at(100));
        assert_eq!(departure.stamp(), Stamp::of_kernel(at(20)));
    }
}
