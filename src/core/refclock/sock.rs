//! The datagrams that gpsd and others send to the socket of driver SOCK (chrony.conf(5)).
//!
//! A datagram is a C structure in the order of this machine: a `timeval`, the offset as a double, then `pulse`, `leap`,
//! padding and a magic number as ints. The `timeval` is 16 bytes, or 8 on machines and from programs with 32-bit time.
//!
//! The offset is by how much true time is ahead of the system clock; of a pulse, by how much the system clock was ahead of the
//! second (chronyd 4.3 and 4.6 do so, their manual does not say it).

use crate::core::api::reference_clock::{DeviceTime, Moment, Reading};
use crate::time::{Span, Utc};

/// Longer than any datagram that makes sense, so that a too long one is seen to be.
pub const MAX_LEN: usize = 64;

/// "SOCK".
const MAGIC: i32 = 0x534f_434b;

/// What is not off by less is no time at all: 2^31 s.
const LARGEST_OFFSET_S: f64 = 2_147_483_648.0;

/// What a datagram says.
pub fn reading(datagram: &[u8]) -> Reading {
    parse(datagram).map_or(Reading::Nothing, Reading::Time)
}

fn parse(datagram: &[u8]) -> Option<DeviceTime> {
    let (stamp, rest) = match datagram.len() {
        40 => {
            let (s, us) = (i64::from_ne_bytes(field(datagram, 0)?), i64::from_ne_bytes(field(datagram, 8)?));
            ((s, us), 16)
        }
        32 => {
            let (s, us) = (i32::from_ne_bytes(field(datagram, 0)?), i32::from_ne_bytes(field(datagram, 4)?));
            ((i64::from(s), i64::from(us)), 8)
        }
        _ => return None,
    };
    let offset_s = f64::from_ne_bytes(field(datagram, rest)?);
    let int = |at: usize| Some(i32::from_ne_bytes(field(datagram, rest + 8 + at)?));
    let (pulse, leap) = (int(0)?, super::leap(int(4)?)?);
    let is_sane = int(12)? == MAGIC && offset_s.abs() < LARGEST_OFFSET_S;
    let is_possible = (0..=i64::from(u32::MAX) * 2).contains(&stamp.0) && (0..1_000_000).contains(&stamp.1);
    if !is_sane || !is_possible {
        return None;
    }
    let at = Utc::from_secs(stamp.0) + Span::from_nanos(1000 * stamp.1);
    let is_pulse = pulse != 0;
    let ahead_s = if is_pulse { -offset_s } else { offset_s };
    let time = at + Span::from_secs_f64(ahead_s);
    Some(DeviceTime { at: Moment::System(at), time, margin: Span::ZERO, is_pulse, leap, precision: None })
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(s: i64, us: i64, offset_s: f64, ints: [i32; 4]) -> Vec<u8> {
        let mut bytes = [s.to_ne_bytes(), us.to_ne_bytes(), offset_s.to_ne_bytes()].concat();
        ints.iter().for_each(|int| bytes.extend(int.to_ne_bytes()));
        bytes
    }

    #[test]
    fn both_widths_of_a_timeval_are_read() {
        let wide = datagram(1_800_000_000, 500_000, 0.25, [0, 1, 0, MAGIC]);
        let Reading::Time(said) = reading(&wide) else { panic!("{wide:?}") };
        assert_eq!(said.time, Utc::from_nanos(1_800_000_000_750_000_000));
        assert_eq!(said.at, Moment::System(Utc::from_nanos(1_800_000_000_500_000_000)));
        assert_eq!((said.leap, said.is_pulse), (crate::time::Leap::Insert, false));
        let Reading::Time(pulse) = reading(&datagram(1_800_000_000, 500_000, 0.25, [1, 0, 0, MAGIC])) else { panic!() };
        assert_eq!((pulse.time, pulse.is_pulse), (Utc::from_nanos(1_800_000_000_250_000_000), true));
        let narrow = [&1_800_000_000_i32.to_ne_bytes()[..], &500_000_i32.to_ne_bytes(), &wide[16..]].concat();
        assert_eq!(reading(&narrow), Reading::Time(said));
    }

    #[test]
    fn what_is_no_sample_is_nothing() {
        for (s, us, offset_s, ints) in [
            (1_800_000_000, 0, 0.0, [0, 0, 0, 1]),
            (1_800_000_000, 0, f64::NAN, [0, 0, 0, MAGIC]),
            (1_800_000_000, 0, f64::INFINITY, [0, 0, 0, MAGIC]),
            (1_800_000_000, 0, 0.0, [0, 3, 0, MAGIC]),
            (-1, 0, 0.0, [0, 0, 0, MAGIC]),
            (1_800_000_000, 1_000_000, 0.0, [0, 0, 0, MAGIC]),
            (i64::MAX, i64::MIN, 1e300, [0, 0, 0, MAGIC]),
        ] {
            assert_eq!(reading(&datagram(s, us, offset_s, ints)), Reading::Nothing);
        }
        let good = datagram(1_800_000_000, 0, 0.0, [0, 0, 0, MAGIC]);
        for length in (0..good.len()).filter(|length| *length != 32) {
            assert_eq!(reading(&good[..length]), Reading::Nothing, "{length}");
        }
    }
}
