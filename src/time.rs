//! The two time scales and their difference types.
//!
//! [`Raw`] is the ruler (CLOCK_MONOTONIC_RAW), [`Utc`] is what people read (CLOCK_REALTIME and the servers). They never
//! mix: the only bridge is a [`Lead`], the amount by which a UTC scale is ahead of the raw counter. Instants are integer
//! nanoseconds; floating point is for differences only, because an `f64` of seconds since 1970 resolves just 238 ns.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// Nanoseconds in a second.
pub const NANOS_PER_SEC: i64 = 1_000_000_000;

/// Seconds in a day of UTC, as CLOCK_REALTIME counts them.
pub const DAY_S: i64 = 86_400;

/// Seconds from the NTP epoch (1900-01-01) to the Unix epoch (RFC 5905 section 6).
const NTP_TO_UNIX_S: i64 = 2_208_988_800;

/// No clock that slewd steers is ever earlier than this: 2026-11-01T00:00:00Z.
///
/// It is a source constant rather than the date of the build, so that builds are reproducible. It is the floor of the
/// clock before any server has answered, and the earliest server time believed.
pub const BUILD_EPOCH: Utc = Utc::from_secs(1_793_491_200);

/// The pivot of NTP eras: a 32-bit NTP second is read as the one within 136 years *after* 1970-01-01. The kernel's clock
/// cannot be earlier. A time some decades before [`BUILD_EPOCH`] is seen as what it is, not as one of the next century.
const ERA_PIVOT: Utc = Utc::from_secs(0);

/// An instant of the unsteered counter CLOCK_MONOTONIC_RAW, in nanoseconds since an arbitrary start. The counter stands
/// still while the machine is suspended; the time slept is added, so that true time does not jump against it at a resume.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Raw(i64);

/// An instant of UTC in nanoseconds since 1970-01-01, without leap seconds, as CLOCK_REALTIME counts. Good to 2262.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Utc(i64);

/// A signed duration in nanoseconds. Arithmetic saturates at about 292 years: nothing the network says can overflow it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

/// How far a UTC scale (the system clock, a server) is ahead of the raw counter, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Lead(i64);

/// One simultaneous look at both scales.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockReading {
    /// The raw counter, half way between the two readings around `utc`. It includes the time suspended.
    pub raw: Raw,
    /// The system clock.
    pub utc: Utc,
    /// Time between the two raw readings: the pairing is good to half of this.
    pub width: Span,
    /// Total time this machine has been suspended (CLOCK_BOOTTIME minus CLOCK_MONOTONIC).
    pub slept: Span,
}

/// A 64-bit NTP timestamp (RFC 5905 section 6): 32 bits of seconds, 32 bits of fraction, era not stated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct NtpTimestamp(pub u64);

/// Whether a leap second comes at the end of the UTC day. Where the time itself may be unknown, an `Option` holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Leap {
    /// An ordinary day.
    #[default]
    Normal,
    /// The last minute has 61 seconds: 23:59:60 is inserted.
    Insert,
    /// The last minute has 59 seconds: 23:59:59 is left out.
    Delete,
}

impl Leap {
    /// The leap indicator (RFC 5905 figure 9); `None` is a clock that is not synchronised.
    pub fn indicator(leap: Option<Leap>) -> u8 {
        leap.map_or(3, |leap| leap as u8)
    }

    /// The leap indicator in the last two bits of `bits`.
    pub fn from_indicator(bits: u8) -> Option<Leap> {
        [Some(Leap::Normal), Some(Leap::Insert), Some(Leap::Delete), None][usize::from(bits & 3)]
    }
}

impl Raw {
    /// From nanoseconds of the counter.
    pub const fn from_nanos(ns: i64) -> Self {
        Raw(ns)
    }

    /// Nanoseconds of the counter.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The UTC instant at this moment of the counter, for a scale that leads it by `lead`.
    pub const fn with_lead(self, lead: Lead) -> Utc {
        Utc(self.0.saturating_add(lead.0))
    }
}

impl Utc {
    /// From nanoseconds since 1970.
    pub const fn from_nanos(ns: i64) -> Self {
        Utc(ns)
    }

    /// From whole seconds since 1970.
    pub const fn from_secs(s: i64) -> Self {
        Utc(s.saturating_mul(NANOS_PER_SEC))
    }

    /// Nanoseconds since 1970.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SEC)
    }

    /// Calendar date and time of day, proleptic Gregorian.
    pub fn civil(self) -> Civil {
        Civil::from_utc(self)
    }
}

impl ClockReading {
    /// How far the system clock leads the counter.
    pub const fn lead(&self) -> Lead {
        Lead::between(self.utc, self.raw)
    }
}

impl Lead {
    /// The lead of a scale that read `utc` when the counter read `raw`.
    pub const fn between(utc: Utc, raw: Raw) -> Self {
        Lead(utc.0.saturating_sub(raw.0))
    }

    /// From nanoseconds.
    pub const fn from_nanos(ns: i64) -> Self {
        Lead(ns)
    }

    /// In nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The lead half way between two leads: combines the two directions of an exchange.
    pub const fn midpoint(self, other: Lead) -> Self {
        Lead(((self.0 as i128 + other.0 as i128).div_euclid(2)) as i64)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// The longest span, about 292 years.
    pub const MAX: Span = Span(i64::MAX);

    /// From nanoseconds.
    pub const fn from_nanos(ns: i64) -> Self {
        Span(ns)
    }

    /// From milliseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Span(ms.saturating_mul(1_000_000))
    }

    /// From whole seconds.
    pub const fn from_secs(s: i64) -> Self {
        Span(s.saturating_mul(NANOS_PER_SEC))
    }

    /// From seconds, rounded to the nearest nanosecond; not-a-number becomes zero, infinities the extremes.
    pub fn from_secs_f64(s: f64) -> Self {
        Span((s * 1e9).round() as i64)
    }

    /// In nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// In seconds.
    pub fn secs_f64(self) -> f64 {
        self.0 as f64 * 1e-9
    }

    /// The size without the sign.
    pub const fn abs(self) -> Self {
        Span(self.0.saturating_abs())
    }

    /// A whole multiple.
    pub const fn times(self, n: i64) -> Self {
        Span(self.0.saturating_mul(n))
    }

    /// Half of it, rounded towards zero.
    pub const fn half(self) -> Self {
        Span(self.0 / 2)
    }

    /// Stretched by a factor.
    pub fn scaled(self, factor: f64) -> Self {
        Span((self.0 as f64 * factor).round() as i64)
    }
}

impl NtpTimestamp {
    /// The value that means "not set" (RFC 5905 section 6).
    pub const ZERO: NtpTimestamp = NtpTimestamp(0);

    /// Rounds down to a multiple of 2^-32 s; the era is lost.
    pub const fn from_utc(utc: Utc) -> Self {
        let secs = utc.0.div_euclid(NANOS_PER_SEC).wrapping_add(NTP_TO_UNIX_S) as u32;
        let fraction = ((utc.0.rem_euclid(NANOS_PER_SEC) as u64) << 32) / NANOS_PER_SEC as u64;
        NtpTimestamp(((secs as u64) << 32) | fraction)
    }

    /// The one instant from 1970 to 2106 that this timestamp can mean.
    pub const fn to_utc(self) -> Utc {
        let pivot_s = ERA_PIVOT.secs();
        let ntp_s = (self.0 >> 32) as i64 - NTP_TO_UNIX_S;
        let secs = pivot_s + (ntp_s - pivot_s).rem_euclid(1 << 32);
        let nanos = ((self.0 & 0xffff_ffff) * NANOS_PER_SEC as u64 + (1 << 31)) >> 32;
        Utc(secs * NANOS_PER_SEC + nanos as i64)
    }
}

macro_rules! instant_arithmetic {
    ($($instant:ident),*) => {$(
        impl Sub for $instant {
            type Output = Span;
            fn sub(self, earlier: Self) -> Span {
                Span(self.0.saturating_sub(earlier.0))
            }
        }
        impl Add<Span> for $instant {
            type Output = Self;
            fn add(self, span: Span) -> Self {
                $instant(self.0.saturating_add(span.0))
            }
        }
        impl Sub<Span> for $instant {
            type Output = Self;
            fn sub(self, span: Span) -> Self {
                $instant(self.0.saturating_sub(span.0))
            }
        }
        impl AddAssign<Span> for $instant {
            fn add_assign(&mut self, span: Span) {
                *self = *self + span;
            }
        }
    )*};
}
instant_arithmetic!(Raw, Utc, Lead);

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Neg for Span {
    type Output = Span;
    fn neg(self) -> Span {
        Span(self.0.saturating_neg())
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl SubAssign for Span {
    fn sub_assign(&mut self, other: Span) {
        *self = *self - other;
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.9}s", self.secs_f64())
    }
}

/// A calendar date and time of day in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Civil {
    /// Year, for example 2026.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59.
    pub second: u8,
}

impl Civil {
    /// Days are counted from 1 March of year 0, so that the leap day is the last of its year.
    fn from_utc(utc: Utc) -> Self {
        let secs = utc.secs();
        let days = secs.div_euclid(86_400) + 719_468;
        let of_day = secs.rem_euclid(86_400);
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u8,
            day: (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
        }
    }
}

/// `2026-11-01T00:00:00Z`, the form of chronyd's log lines.
impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = self.civil();
        write!(f, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_timestamps_resolve_across_the_era_of_2036() {
        for secs in [BUILD_EPOCH.secs(), 2_085_978_495, 2_085_978_496, 2_147_483_648, 4_102_444_800] {
            let utc = Utc::from_secs(secs) + Span::from_nanos(123_456_789);
            let back = NtpTimestamp::from_utc(utc).to_utc();
            assert!((back - utc).abs() <= Span::from_nanos(1), "{utc} became {back}");
        }
        for secs in [0, 1_262_304_000, BUILD_EPOCH.secs() - 1] {
            assert_eq!(NtpTimestamp::from_utc(Utc::from_secs(secs)).to_utc(), Utc::from_secs(secs), "before the build");
        }
        assert_eq!(NtpTimestamp(0).to_utc(), Utc::from_secs(2_085_978_496), "era 1 begins 2036-02-07");
    }

    #[test]
    fn dates_agree_with_the_calendar() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_793_491_200, "2026-11-01T00:00:00Z"),
            (2_147_483_648, "2038-01-19T03:14:08Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(Utc::from_secs(secs).to_string(), text);
        }
    }

    #[test]
    fn extreme_spans_saturate() {
        assert_eq!(Span::MAX + Span::from_secs(1), Span::MAX);
        assert_eq!(Utc::from_nanos(i64::MIN) - Utc::from_nanos(i64::MAX), Span::from_nanos(i64::MIN));
        assert_eq!(Span::from_secs_f64(f64::NAN), Span::ZERO);
        assert_eq!(Lead::from_nanos(i64::MAX).midpoint(Lead::from_nanos(i64::MAX - 2)).nanos(), i64::MAX - 1);
    }
}
