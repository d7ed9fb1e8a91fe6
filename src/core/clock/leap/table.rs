//! The leap seconds that a file knows.

use std::fmt;
use std::sync::Arc;

use super::{LeapSecond, list, tzif};
use crate::time::{Leap, Span, Utc};

/// TAI minus UTC as of 1972, when leap seconds began.
pub(super) const FIRST_TAI_S: i32 = 10;

/// 2012-07-01: a second was inserted before it, and TAI was 35 s ahead from then on...
const JULY_2012: Utc = Utc::from_secs(1_341_100_800);
/// ...up to and after 2013-01-01, before which there was none.
const JANUARY_2013: Utc = Utc::from_secs(1_356_998_400);
const TAI_S_IN_2012: i32 = 35;

/// All leap seconds up to some moment, and how far TAI is ahead of UTC between them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeapTable {
    name: Arc<str>,
    /// In the order of time.
    entries: Vec<Entry>,
    expires: Option<Utc>,
}

/// From this midnight on TAI is so far ahead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) from: Utc,
    pub(super) tai_s: i32,
}

/// Why a file is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unusable {
    /// This line of a list (from 1) is neither a comment nor two numbers, or not in the order of time.
    Line(usize),
    /// The file is not of the format that was expected.
    Format,
    /// The table lacks the leap second of June 2012, or has one of December 2012.
    History,
}

impl LeapTable {
    /// From a leap-seconds.list as IERS and NIST publish it. `name` is how the log calls it.
    pub fn from_list(name: &str, text: &[u8]) -> Result<Self, Unusable> {
        let (entries, expires) = list::parse(text)?;
        LeapTable { name: name.into(), entries, expires }.checked()
    }

    /// From a time zone that counts leap seconds, for example right/UTC (TZif, RFC 9636). `name` is how the log calls it.
    pub fn from_zone(name: &str, bytes: &[u8]) -> Result<Self, Unusable> {
        let (entries, expires) = tzif::parse(bytes).ok_or(Unusable::Format)?;
        LeapTable { name: name.into(), entries, expires }.checked()
    }

    /// Is there one at the end of the day of `utc`?
    pub fn at_end_of_day(&self, utc: Utc) -> Leap {
        // What is asked for is the midnight: which leap second is of no importance.
        LeapSecond::ending_day(utc, Leap::Insert).map_or(Leap::Normal, |second| self.before(second.midnight()))
    }

    /// TAI minus UTC in seconds; `None` before 1972.
    pub fn tai_s(&self, utc: Utc) -> Option<i32> {
        self.entries.iter().rev().find(|entry| entry.from <= utc).map(|entry| entry.tai_s)
    }

    /// When the file ceases to know what comes, if it says so.
    pub fn expires(&self) -> Option<Utc> {
        self.expires
    }

    /// The text of a list that [`LeapTable::from_list`] reads.
    pub fn list(&self) -> String {
        list::text(&self.entries, self.expires)
    }

    /// How the log calls it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn before(&self, midnight: Utc) -> Leap {
        let Some(index) = self.entries.iter().position(|entry| entry.from == midnight) else { return Leap::Normal };
        let before = self.tai_s(midnight - Span::from_secs(1));
        match before.map(|before| self.entries[index].tai_s - before) {
            Some(1) => Leap::Insert,
            Some(-1) => Leap::Delete,
            _ => Leap::Normal,
        }
    }

    /// A file about something else, or a zone that counts no leap seconds, does not know 2012.
    fn checked(self) -> Result<Self, Unusable> {
        let is_known = self.before(JULY_2012) == Leap::Insert
            && self.before(JANUARY_2013) == Leap::Normal
            && [JULY_2012, JANUARY_2013].iter().all(|at| self.tai_s(*at) == Some(TAI_S_IN_2012));
        if is_known { Ok(self) } else { Err(Unusable::History) }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Line(line) => write!(f, "line {line} is not a date and an offset"),
            Unusable::Format => f.write_str("it is no time zone of the tz database"),
            Unusable::History => f.write_str("it does not know the leap second of June 2012"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The recent end of IERS' list.
    pub(crate) const LIST: &str = "\
# comment
#$	 3676924800
#@	4023216000
2272060800	10	# 1 Jan 1972
3439756800	34	# 1 Jan 2009
3550089600	35	# 1 Jul 2012
3644697600	36	# 1 Jul 2015
3692217600	37	# 1 Jan 2017
#h	00 00 00 00 00
";

    #[test]
    fn a_list_tells_days_offsets_and_expiry() {
        let table = LeapTable::from_list("list", LIST.as_bytes()).unwrap();
        let end_of = |s: i64| table.at_end_of_day(Utc::from_secs(s));
        assert_eq!(end_of(1_483_228_799), Leap::Insert, "2016-12-31T23:59:59");
        assert_eq!(end_of(1_483_142_400), Leap::Insert, "2016-12-31T00:00:00");
        assert_eq!(end_of(1_483_142_399), Leap::Normal, "2016-12-30");
        assert_eq!(end_of(1_498_866_000), Leap::Normal, "2017-06-30");
        assert_eq!(table.tai_s(Utc::from_secs(1_483_228_799)), Some(36));
        assert_eq!(table.tai_s(Utc::from_secs(1_800_000_000)), Some(37));
        assert_eq!(table.tai_s(Utc::from_secs(0)), None);
        assert_eq!(table.expires(), Some(Utc::from_secs(1_814_227_200)));
    }

    #[test]
    fn a_second_left_out_is_known_by_the_smaller_offset() {
        let text = LIST.replace("#h", "3849120000\t36\n#h");
        let table = LeapTable::from_list("list", text.as_bytes()).unwrap();
        assert_eq!(
            table.at_end_of_day(Utc::from_secs(1_640_131_200 - 1)),
            Leap::Normal,
            "not the end of June or December"
        );
        let text = LIST.replace("#h", "4007750400\t36\n#h");
        let table = LeapTable::from_list("list", text.as_bytes()).unwrap();
        assert_eq!(table.at_end_of_day(Utc::from_secs(1_798_761_599)), Leap::Delete);
    }

    #[test]
    fn mangled_lists_are_refused_or_make_sense() {
        for index in 0..LIST.len() {
            for byte in *b"\n #-0\xff" {
                let mut mangled = LIST.as_bytes().to_vec();
                mangled[index] = byte;
                if let Ok(table) = LeapTable::from_list("list", &mangled) {
                    assert_eq!(table.tai_s(JULY_2012), Some(TAI_S_IN_2012));
                    table.at_end_of_day(Utc::from_secs(1_483_228_799));
                }
            }
        }
    }

    #[test]
    fn files_without_history_are_refused() {
        let wrong = LIST.replace("3550089600\t35", "3565987200\t35");
        assert_eq!(LeapTable::from_list("list", wrong.as_bytes()), Err(Unusable::History));
        assert_eq!(LeapTable::from_list("list", b""), Err(Unusable::History));
        assert_eq!(LeapTable::from_list("list", b"# a\nb c\n"), Err(Unusable::Line(2)));
        assert_eq!(LeapTable::from_zone("zone", b"TZif"), Err(Unusable::Format));
    }
}
