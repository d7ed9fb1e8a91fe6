//! The clock of a network card or of a hypervisor (PTP hardware clock), read together with one of our own clocks.

use crate::core::api::reference_clock::{DeviceTime, Moment, Reading};
use crate::time::{Leap, Span, Utc};

/// Windows this much longer than the shortest are not used: something interrupted the reading.
const LONGER: f64 = 1.25;
/// What is as short as this (ns) is short enough.
const SHORT_NS: i64 = 100;

/// One reading: our clock, the device, and our clock again, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadingWindow {
    /// Our clock before.
    pub before: i64,
    /// The device.
    pub device: i64,
    /// Our clock after.
    pub after: i64,
}

/// What some readings in a row say together: the mean of those with the shortest windows. `moment` makes a moment of
/// nanoseconds of our clock.
pub fn reading(windows: &[ReadingWindow], moment: impl Fn(i64) -> Moment) -> Reading {
    let length = |window: &ReadingWindow| window.after.saturating_sub(window.before);
    let possible = || windows.iter().filter(|window| length(window) >= 0 && window.device > 0);
    let Some(best) = possible().min_by_key(|window| length(window)) else { return Reading::Nothing };
    let longest = (LONGER * length(best) as f64) as i64 + SHORT_NS;
    let middle = |window: &ReadingWindow| window.before + length(window) / 2;
    // From the best one, so that no digits are lost.
    let apart = |window: &ReadingWindow| (window.device - best.device) - (middle(window) - middle(best));
    let near = || possible().filter(|window| length(window) <= longest);
    let mean = near().map(|window| apart(window) as f64).sum::<f64>() / near().count() as f64;
    Reading::Time(DeviceTime {
        at: moment(middle(best)),
        time: Utc::from_nanos(best.device) + Span::from_nanos(mean.round() as i64),
        margin: Span::from_nanos(length(best) / 2),
        is_pulse: false,
        leap: Leap::Normal,
        precision: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(before: i64, device: i64, length: i64) -> ReadingWindow {
        ReadingWindow { before, device, after: before + length }
    }

    #[test]
    fn interrupted_readings_do_not_count() {
        let at = |ns| Moment::System(Utc::from_nanos(ns));
        let windows = [window(0, 1_000_500, 1000), window(2000, 1_002_540, 1000), window(4000, 1_090_000, 90_000)];
        let Reading::Time(said) = reading(&windows, at) else { panic!("{windows:?}") };
        assert_eq!((said.at, said.time), (at(500), Utc::from_nanos(1_000_520)));
        assert_eq!(said.margin, Span::from_nanos(500));
    }

    #[test]
    fn nonsense_is_nothing() {
        let at = |ns| Moment::System(Utc::from_nanos(ns));
        assert_eq!(reading(&[], at), Reading::Nothing);
        assert_eq!(reading(&[window(5, 10, -1)], at), Reading::Nothing);
        assert_eq!(reading(&[window(0, 0, 10)], at), Reading::Nothing, "the device says 1970");
    }
}
