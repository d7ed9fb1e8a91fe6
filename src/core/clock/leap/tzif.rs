//! Leap seconds in a TZif file (RFC 9636 section 3), as the tz database has them in the zones below `right/`.
//!
//! A header of 44 bytes with six counts is followed by a block for times of 32 bits; from version 2 on the same comes
//! once more for times of 64 bits. Of the block only the leap second records matter here: a moment, counted with all
//! leap seconds before it, and the sum of all corrections from then on. A last record that repeats the sum before it
//! tells when the file expires (version 4).

use byteorder::{BigEndian, ByteOrder};

use super::table::{Entry, FIRST_TAI_S};
use crate::time::{DAY_S, Utc};

const MAGIC: &[u8] = b"TZif";
const HEADER: usize = 44;

/// 1972-01-01: leap seconds are counted from here.
const FIRST: Utc = Utc::from_secs(63_072_000);

/// No sum of corrections beyond this is sense either.
const LARGEST_SUM: i32 = 1000;

/// No moment beyond this is sense, and it can be counted in nanoseconds (year 2200).
const LAST_S: i64 = 7_258_118_400;

/// The six counts of a header, in the order of the format.
struct Counts {
    version: u8,
    ut: usize,
    standard: usize,
    leaps: usize,
    times: usize,
    types: usize,
    chars: usize,
}

/// The entries and the expiry of a zone; `None` if it is no TZif file or makes no sense.
pub(super) fn parse(bytes: &[u8]) -> Option<(Vec<Entry>, Option<Utc>)> {
    let first = Counts::read(bytes)?;
    if first.version < b'2' {
        return first.leap_seconds(bytes.get(HEADER..)?, 4);
    }
    let second = bytes.get(HEADER + first.length(4)?..)?;
    Counts::read(second)?.leap_seconds(second.get(HEADER..)?, 8)
}

impl Counts {
    fn read(bytes: &[u8]) -> Option<Counts> {
        let header = bytes.get(..HEADER).filter(|header| header.starts_with(MAGIC))?;
        let count = |index: usize| BigEndian::read_u32(&header[20 + 4 * index..]) as usize;
        Some(Counts {
            version: header[4],
            ut: count(0),
            standard: count(1),
            leaps: count(2),
            times: count(3),
            types: count(4),
            chars: count(5),
        })
    }

    /// What stands before the leap second records, for times of `width` bytes.
    fn before_leaps(&self, width: usize) -> Option<usize> {
        let times = self.times.checked_mul(width + 1)?;
        times.checked_add(self.types.checked_mul(6)?)?.checked_add(self.chars)
    }

    /// Length of the whole block.
    fn length(&self, width: usize) -> Option<usize> {
        let leaps = self.leaps.checked_mul(width + 4)?;
        self.before_leaps(width)?.checked_add(leaps)?.checked_add(self.standard)?.checked_add(self.ut)
    }

    fn leap_seconds(&self, block: &[u8], width: usize) -> Option<(Vec<Entry>, Option<Utc>)> {
        let start = self.before_leaps(width)?;
        let records = block.get(start..start.checked_add(self.leaps.checked_mul(width + 4)?)?)?;
        let mut entries = vec![Entry { from: FIRST, tai_s: FIRST_TAI_S }];
        let (mut sum, mut expires) = (0, None);
        for record in records.chunks_exact(width + 4) {
            let counted_s = BigEndian::read_int(record, width);
            let correction = BigEndian::read_i32(&record[width..]);
            if !(-LARGEST_SUM..=LARGEST_SUM).contains(&correction) {
                return None;
            }
            let utc_s = counted_s.checked_sub(i64::from(sum)).filter(|s| (0..LAST_S).contains(s))?;
            if correction == sum {
                expires = Some(Utc::from_secs(utc_s));
                continue;
            }
            // A second left out is recorded a second before midnight.
            let midnight = (utc_s + DAY_S / 2).div_euclid(DAY_S) * DAY_S;
            sum = correction;
            entries.push(Entry { from: Utc::from_secs(midnight), tai_s: FIRST_TAI_S + sum });
        }
        entries.is_sorted_by_key(|entry| entry.from).then_some((entries, expires))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::clock::leap::LeapTable;

    /// A zone with these leap second records, both blocks.
    fn zone(version: u8, leaps: &[(i64, i32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for width in if version < b'2' { &[4][..] } else { &[4, 8] } {
            bytes.extend(MAGIC);
            bytes.push(version);
            bytes.extend([0; 15]);
            for count in [1, 1, leaps.len() as u32, 0, 1, 4] {
                bytes.extend(count.to_be_bytes());
            }
            bytes.extend(*b"\0\0\0\0\0\0UTC\0");
            for (at, correction) in leaps {
                bytes.extend(&at.to_be_bytes()[8 - width..]);
                bytes.extend(correction.to_be_bytes());
            }
            bytes.extend([0, 0]);
        }
        bytes
    }

    /// 1972-06-30, 1972-12-31, and a second left out at the end of 1973.
    const LEAPS: [(i64, i32); 3] = [(78_796_800, 1), (94_694_401, 2), (126_230_401, 1)];

    #[test]
    fn both_widths_say_the_same() {
        for version in [0, b'2', b'3'] {
            let (entries, expires) = parse(&zone(version, &LEAPS)).unwrap();
            let found: Vec<_> = entries.iter().map(|entry| (entry.from.secs(), entry.tai_s)).collect();
            assert_eq!(found, [(63_072_000, 10), (78_796_800, 11), (94_694_400, 12), (126_230_400, 11)]);
            assert_eq!(expires, None);
        }
    }

    #[test]
    fn a_repeated_sum_is_the_expiry() {
        let (entries, expires) = parse(&zone(b'4', &[LEAPS[0], (100_000_001, 1)])).unwrap();
        assert_eq!((entries.len(), expires), (2, Some(Utc::from_secs(100_000_000))));
    }

    #[test]
    fn cut_and_mangled_files_are_refused_or_make_sense() {
        let whole = zone(b'2', &LEAPS);
        for length in 0..whole.len() - 2 {
            assert!(parse(&whole[..length]).is_none(), "{length}");
        }
        for index in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut mangled = whole.clone();
                mangled[index] = byte;
                let table = LeapTable::from_zone("mangled", &mangled);
                assert!(table.is_err(), "it ends before 2012");
            }
        }
    }
}
