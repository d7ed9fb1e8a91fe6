//! Leap seconds: who announces one, for which day, and what has become of it.
//!
//! UTC moves by a whole second at a moment that is known in advance, and so do the servers' clocks. Against the raw
//! counter true time therefore jumps, and everything that is known of it has to jump along: the engine does that in
//! `engine/leap_seconds.rs`, told by [`LeapWatch`] when.

mod list;
mod table;
mod tzif;

pub use table::{LeapTable, Unusable};

use crate::core::api::event::Event;
use crate::core::api::settings::{LeapMode, Settings};
use crate::time::{DAY_S, Leap, Raw, Span, Utc};

/// This close to the moment no request leaves and no decision is changed: servers may be a moment late. chronyd
/// drops samples within the same 5 s.
pub const CLOSE: Span = Span::from_secs(5);

/// The flag in the kernel is cleared so long after the moment: the inserted second is over by then.
const FLAG_STAYS: Span = Span::from_millis(1500);

/// A second slewed at a low `maxslewrate` takes very long: nobody is asked for no longer than this.
const LONGEST_QUIET: Span = Span::from_secs(60);

/// The leap second file is read again this often, if there is news of the clock: as often as by chronyd.
const TABLE_AGE: Span = Span::from_secs(43_200);

/// A smear lasts from a day before to a day after, at most, and is seen in samples up to an hour old.
const SEASON: Span = Span::from_secs(90_000);

/// A second that is inserted or left out at the end of a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeapSecond {
    is_inserted: bool,
    midnight: Utc,
}

/// How many of the sources that agree announce what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Announcements {
    /// A second will be inserted.
    pub insert: usize,
    /// A second will be left out.
    pub delete: usize,
    /// Sources that agree.
    pub voters: usize,
}

/// Watches for leap seconds.
#[derive(Clone, Debug)]
pub struct LeapWatch {
    mode: LeapMode,
    quiet_after: Span,
    table: Option<LeapTable>,
    read_at: Raw,
    told_expired: bool,
    expected: Option<LeapSecond>,
    past: Option<PastLeapSecond>,
    /// The last one that anybody has announced.
    rumour: Option<LeapSecond>,
    tai_s: Option<i32>,
    told_smear: Option<Utc>,
    is_stepping: bool,
}

/// A leap second that is over.
#[derive(Clone, Copy, Debug)]
struct PastLeapSecond {
    second: LeapSecond,
    at: Raw,
    is_flag_set: bool,
}

impl LeapSecond {
    /// At the end of the day of `utc`, which must be the last of June or December; `None` on other days.
    pub fn ending_day(utc: Utc, leap: Leap) -> Option<LeapSecond> {
        let date = utc.civil();
        if !matches!((date.month, date.day), (6, 30) | (12, 31)) {
            return None;
        }
        let midnight = Utc::from_secs((utc.secs().div_euclid(DAY_S) + 1) * DAY_S);
        match leap {
            Leap::Normal => None,
            Leap::Insert => Some(LeapSecond { is_inserted: true, midnight }),
            Leap::Delete => Some(LeapSecond { is_inserted: false, midnight }),
        }
    }

    /// The moment at which UTC moves, as UTC counted until then: when 23:59:59 ends to begin again, or would begin.
    pub fn instant(self) -> Utc {
        if self.is_inserted { self.midnight } else { self.midnight - Span::from_secs(1) }
    }

    /// By how much UTC, as CLOCK_REALTIME counts it, moves at that moment.
    pub fn step(self) -> Span {
        Span::from_secs(if self.is_inserted { -1 } else { 1 })
    }

    /// The end of its day.
    pub fn midnight(self) -> Utc {
        self.midnight
    }

    /// The leap warning as packets and the kernel put it.
    pub fn leap(self) -> Leap {
        if self.is_inserted { Leap::Insert } else { Leap::Delete }
    }
}

impl Announcements {
    /// What more than half of the sources announce.
    fn majority(self) -> Leap {
        if 2 * self.insert > self.voters {
            Leap::Insert
        } else if 2 * self.delete > self.voters {
            Leap::Delete
        } else {
            Leap::Normal
        }
    }

    /// What any of the sources announces.
    fn any(self) -> Leap {
        match (self.insert, self.delete) {
            (0, 0) => Leap::Normal,
            (insert, delete) if insert >= delete => Leap::Insert,
            _ => Leap::Delete,
        }
    }
}

impl LeapWatch {
    /// Nothing is announced. `table` was read just now.
    pub fn new(settings: &Settings, table: Option<LeapTable>, now: Raw) -> Self {
        let slewing = Span::from_secs_f64(1.2e6 / settings.max_slew_rate_ppm.max(1.0)).min(LONGEST_QUIET);
        LeapWatch {
            mode: settings.leap_mode,
            quiet_after: if settings.leap_mode == LeapMode::Slew { slewing.max(CLOSE) } else { CLOSE },
            table,
            read_at: now,
            told_expired: false,
            expected: None,
            past: None,
            rumour: None,
            tai_s: None,
            told_smear: None,
            is_stepping: false,
        }
    }

    /// `leapsecmode`.
    pub fn mode(&self) -> LeapMode {
        self.mode
    }

    /// The leap second that is to come at the end of this day.
    pub fn expected(&self) -> Option<LeapSecond> {
        self.expected
    }

    /// What the kernel is to be told.
    pub fn armed(&self) -> Leap {
        if self.mode != LeapMode::System {
            return Leap::Normal;
        }
        let still_set = self.past.filter(|past| past.is_flag_set).map(|past| past.second);
        self.expected.or(still_set).map_or(Leap::Normal, LeapSecond::leap)
    }

    /// Counts the announcements at true time `utc`. What is decided moments before midnight stands.
    pub fn elect(&mut self, announced: Announcements, utc: Utc) -> Option<Event> {
        let by_table = self.table.as_ref().map_or(Leap::Normal, |table| table.at_end_of_day(utc));
        if let Some(rumour) = LeapSecond::ending_day(utc, first(announced.any(), by_table)) {
            self.rumour = Some(rumour);
        }
        let elected = LeapSecond::ending_day(utc, first(announced.majority(), by_table))
            .filter(|second| self.past.is_none_or(|past| past.second.midnight != second.midnight));
        let is_close = |second: &LeapSecond| second.instant() - utc < CLOSE;
        if elected == self.expected || elected.or(self.expected).as_ref().is_some_and(is_close) {
            return None;
        }
        self.expected = elected;
        let leap = elected.map_or(Leap::Normal, LeapSecond::leap);
        Some(if self.mode == LeapMode::System { Event::Leap(leap) } else { Event::LeapExpected(leap) })
    }

    /// The leap second has come, at this moment of the counter.
    pub fn passed(&mut self, second: LeapSecond, at: Raw) {
        self.expected = None;
        self.past = Some(PastLeapSecond { second, at, is_flag_set: self.mode == LeapMode::System });
    }

    /// The flag in the kernel has served; said once.
    pub fn is_flag_to_be_cleared(&mut self, now: Raw) -> bool {
        let is_due = self.clear_flag_at().is_some_and(|at| at <= now);
        if let Some(past) = self.past.as_mut().filter(|_| is_due) {
            past.is_flag_set = false;
        }
        is_due
    }

    /// When the flag in the kernel is to be cleared.
    pub fn clear_flag_at(&self) -> Option<Raw> {
        self.past.filter(|past| past.is_flag_set).map(|past| past.at + FLAG_STAYS)
    }

    /// The end of the quiet time that `at` lies in, if it does. `moment` is when the expected leap second will come.
    pub fn quiet_until(&self, at: Raw, moment: Option<Raw>) -> Option<Raw> {
        let before = moment.filter(|moment| (*moment - CLOSE..*moment + self.quiet_after).contains(&at));
        let after = self.past.map(|past| past.at).filter(|past| (*past..*past + self.quiet_after).contains(&at));
        before.or(after).map(|moment| moment + self.quiet_after)
    }

    /// slewd has commanded the step itself.
    pub fn stepping(&mut self) {
        self.is_stepping = true;
    }

    /// Was it this step that has just been carried out, or refused?
    pub fn take_step(&mut self) -> bool {
        std::mem::take(&mut self.is_stepping)
    }

    /// TAI minus UTC at this time, as far as that is known.
    pub fn tai_s(&self, utc: Utc) -> Option<i32> {
        self.table.as_ref()?.tai_s(utc)
    }

    /// TAI minus UTC at this time, if the kernel is to be told and has not been.
    pub fn new_tai_s(&mut self, utc: Utc) -> Option<i32> {
        let tai_s = self.table.as_ref().filter(|_| self.mode == LeapMode::System)?.tai_s(utc)?;
        (self.tai_s.replace(tai_s) != Some(tai_s)).then_some(tai_s)
    }

    /// The file has a new content.
    pub fn renew(&mut self, table: LeapTable) {
        self.told_expired &= self.table.as_ref().is_some_and(|old| old.expires() == table.expires());
        self.table = Some(table);
    }

    /// Whether the file should be read again; true once.
    pub fn wants_table(&mut self, now: Raw) -> bool {
        let is_old = self.table.is_some() && now - self.read_at >= TABLE_AGE;
        if is_old {
            self.read_at = now;
        }
        is_old
    }

    /// The file no longer knows what comes; said once.
    pub fn expiry(&mut self, utc: Utc) -> Option<Event> {
        let table = self.table.as_ref().filter(|table| table.expires().is_some_and(|expires| expires <= utc))?;
        (!std::mem::replace(&mut self.told_expired, true)).then(|| Event::LeapDataExpired(table.name().clone()))
    }

    /// Servers that smear may now drift away from the others, and nobody has been told.
    pub fn is_smear_season(&self, utc: Utc) -> bool {
        let known = self.rumour.map(|second| second.midnight);
        known.is_some_and(|midnight| (utc - midnight).abs() < SEASON && self.told_smear != Some(midnight))
    }

    /// Marks the smear of this leap second as told.
    pub fn smear_told(&mut self) {
        self.told_smear = self.rumour.map(|second| second.midnight);
    }
}

/// Sources first; the file is asked if they say nothing.
fn first(sources: Leap, table: Leap) -> Leap {
    if sources == Leap::Normal { table } else { sources }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2027-01-01T00:00:00Z.
    const NEW_YEAR: Utc = Utc::from_secs(1_798_761_600);

    fn votes(insert: usize, delete: usize) -> Announcements {
        Announcements { insert, delete, voters: 4 }
    }

    fn watch(leap_mode: LeapMode) -> LeapWatch {
        LeapWatch::new(&Settings { leap_mode, ..Settings::default() }, None, Raw::from_nanos(0))
    }

    #[test]
    fn only_a_majority_on_the_last_day_of_june_or_december_counts() {
        let hour = Span::from_secs(3600);
        for (utc, announced, expected) in [
            (NEW_YEAR - hour, votes(3, 1), Leap::Insert),
            (NEW_YEAR - hour, votes(0, 4), Leap::Delete),
            (NEW_YEAR - hour, votes(2, 0), Leap::Normal),
            (NEW_YEAR - hour.times(25), votes(4, 0), Leap::Normal),
            (NEW_YEAR + hour, votes(4, 0), Leap::Normal),
            (NEW_YEAR - Span::from_secs(184 * 86_400) - hour, votes(4, 0), Leap::Insert),
            (NEW_YEAR - Span::from_secs(306 * 86_400) - hour, votes(4, 0), Leap::Normal),
        ] {
            let mut watch = watch(LeapMode::System);
            let event = watch.elect(announced, utc);
            assert_eq!(watch.armed(), expected, "{utc}");
            assert_eq!(event, (expected != Leap::Normal).then_some(Event::Leap(expected)), "{utc}");
        }
    }

    #[test]
    fn a_leap_second_that_has_passed_is_not_armed_again() {
        let mut watch = watch(LeapMode::System);
        watch.elect(votes(4, 0), NEW_YEAR - Span::from_secs(60));
        let second = watch.expected().unwrap();
        let moment = Raw::from_nanos(1 << 40);
        watch.passed(second, moment);
        // 23:59:59 begins again, and servers still announce.
        assert_eq!(watch.elect(votes(4, 0), NEW_YEAR - Span::from_millis(900)), None);
        assert_eq!((watch.expected(), watch.armed()), (None, Leap::Insert));
        assert!(!watch.is_flag_to_be_cleared(moment + Span::from_secs(1)));
        assert!(watch.is_flag_to_be_cleared(moment + Span::from_secs(2)));
        assert!(!watch.is_flag_to_be_cleared(moment + Span::from_secs(3)), "once");
        assert_eq!(watch.armed(), Leap::Normal);
    }

    #[test]
    fn nothing_changes_in_the_last_seconds() {
        let mut armed = watch(LeapMode::System);
        armed.elect(votes(4, 0), NEW_YEAR - Span::from_secs(60));
        assert_eq!(armed.elect(votes(0, 0), NEW_YEAR - Span::from_secs(4)), None);
        assert_eq!(armed.armed(), Leap::Insert);
        let mut late = watch(LeapMode::System);
        late.elect(votes(4, 0), NEW_YEAR - Span::from_secs(4));
        assert_eq!(late.expected(), None);
    }

    #[test]
    fn other_modes_do_not_arm_the_kernel() {
        for mode in [LeapMode::Step, LeapMode::Slew, LeapMode::Ignore] {
            let mut watch = watch(mode);
            let event = watch.elect(votes(0, 4), NEW_YEAR - Span::from_secs(60));
            assert_eq!(event, Some(Event::LeapExpected(Leap::Delete)));
            assert_eq!(watch.armed(), Leap::Normal);
            let second = watch.expected().unwrap();
            assert_eq!((second.instant(), second.step()), (NEW_YEAR - Span::from_secs(1), Span::from_secs(1)));
        }
    }

    #[test]
    fn nobody_is_asked_around_the_moment() {
        let mut watch = watch(LeapMode::Slew);
        let (moment, second) = (Raw::from_nanos(1 << 40), Span::from_secs(1));
        let end = moment + Span::from_secs_f64(1.2 / 0.083_333_333);
        let until = |watch: &LeapWatch, at, moment| watch.quiet_until(at, moment).map(|end| end - at);
        assert_eq!(until(&watch, moment - second.times(6), Some(moment)), None);
        assert!((until(&watch, moment - second, Some(moment)).unwrap() - (end - moment) - second).abs() < second);
        watch.passed(LeapSecond::ending_day(NEW_YEAR - second, Leap::Insert).unwrap(), moment);
        assert!(watch.quiet_until(moment + second.times(14), None).is_some());
        assert_eq!(watch.quiet_until(moment + second.times(15), None), None);
    }
}
