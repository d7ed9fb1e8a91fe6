//! The record in shared memory that gpsd and others write (NTP's type 28 driver).

use crate::core::api::reference_clock::{DeviceTime, Moment, Reading};
use crate::time::{Span, Utc};

/// What the segment says, read as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShmRecord {
    /// 0: valid says that it may be used; 1: also the count must not have changed while it was read.
    pub mode: i32,
    /// Counts what was written.
    pub count: i32,
    /// The device's time: seconds since 1970...
    pub clock_s: i64,
    /// ...microseconds...
    pub clock_us: i32,
    /// ...and nanoseconds, if they agree with the microseconds.
    pub clock_ns: u32,
    /// The system clock's at the same moment.
    pub received_s: i64,
    /// The microseconds of the time.
    pub received_us: i32,
    /// The nanoseconds of the time, if they agree.
    pub received_ns: u32,
    /// 0 for none, 1 for an inserted second, 2 for a deleted one.
    pub leap: i32,
    /// log2 of seconds.
    pub precision: i32,
    /// Not 0: the record is new.
    pub valid: i32,
}

/// What a record says. `count` is that of the segment after the record was read.
pub fn reading(record: &ShmRecord, count: i32) -> Reading {
    let is_whole = record.valid != 0 && (record.mode == 0 || record.mode == 1 && record.count == count);
    let (clock, received) = (
        time(record.clock_s, record.clock_us, record.clock_ns, has_nanos(record)),
        time(record.received_s, record.received_us, record.received_ns, has_nanos(record)),
    );
    let (Some(time), Some(at), Some(leap), true) = (clock, received, super::leap(record.leap), is_whole) else {
        return Reading::Nothing;
    };
    let precision = i8::try_from(record.precision).ok().filter(|precision| (-30..0).contains(precision));
    let at = Moment::System(at);
    Reading::Time(DeviceTime { at, time, margin: Span::ZERO, is_pulse: false, leap, precision })
}

/// Who writes no nanoseconds leaves the fields empty, or fills them with something else.
fn has_nanos(record: &ShmRecord) -> bool {
    let agrees = |ns: u32, us: i32| i64::from(ns / 1000) == i64::from(us);
    agrees(record.clock_ns, record.clock_us) && agrees(record.received_ns, record.received_us)
}

fn time(s: i64, us: i32, ns: u32, has_nanos: bool) -> Option<Utc> {
    let fraction = if has_nanos { i64::from(ns) } else { i64::from(us) * 1000 };
    let is_possible = (0..=i64::from(u32::MAX) * 2).contains(&s) && (0..1_000_000_000).contains(&fraction);
    is_possible.then(|| Utc::from_secs(s) + Span::from_nanos(fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: ShmRecord = ShmRecord {
        mode: 1,
        count: 7,
        clock_s: 1_800_000_000,
        clock_us: 250_000,
        clock_ns: 250_000_123,
        received_s: 1_800_000_000,
        received_us: 200_000,
        received_ns: 200_000_456,
        leap: 0,
        precision: -20,
        valid: 1,
    };

    fn times(record: &ShmRecord, count: i32) -> Option<(i64, i64)> {
        match reading(record, count) {
            Reading::Time(DeviceTime { at: Moment::System(at), time, .. }) => {
                Some((time.nanos() % 1_000_000_000, at.nanos() % 1_000_000_000))
            }
            _ => None,
        }
    }

    #[test]
    fn nanoseconds_count_where_they_agree_with_the_microseconds() {
        assert_eq!(times(&RECORD, 7), Some((250_000_123, 200_000_456)));
        assert_eq!(times(&ShmRecord { clock_ns: 0, ..RECORD }, 7), Some((250_000_000, 200_000_000)));
        assert_eq!(times(&ShmRecord { received_ns: 999_999_999, ..RECORD }, 7), Some((250_000_000, 200_000_000)));
    }

    #[test]
    fn a_record_that_is_being_written_or_makes_no_sense_is_nothing() {
        assert_eq!(times(&RECORD, 8), None, "written meanwhile");
        assert!(times(&ShmRecord { mode: 0, ..RECORD }, 8).is_some(), "mode 0 has no count");
        for record in [
            ShmRecord { valid: 0, ..RECORD },
            ShmRecord { mode: 2, ..RECORD },
            ShmRecord { leap: 3, ..RECORD },
            ShmRecord { leap: -1, ..RECORD },
            ShmRecord { clock_s: -1, ..RECORD },
            ShmRecord { clock_s: i64::MAX, ..RECORD },
            ShmRecord { clock_us: -1, ..RECORD },
            ShmRecord { received_us: i32::MAX, ..RECORD },
        ] {
            assert_eq!(times(&record, 7), None, "{record:?}");
        }
    }
}
