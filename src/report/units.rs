//! Numbers as chronyc prints them: four or five digits and the unit that fits (chronyc(1)).

use crate::core::api::monitoring::Address;
use crate::core::api::snapshot::SourceReport;
use crate::time::Utc;

/// Units of an amount of time in seconds, each with the first value that is too large for it.
const UNITS: [(f64, f64, &str); 8] = [
    (1e-9, 9999.5e-9, "ns"),
    (1e-6, 9999.5e-6, "us"),
    (1e-3, 9999.5e-3, "ms"),
    (1.0, 99_999.5, "s"),
    (60.0, 99_999.5 * 60.0, "m"),
    (3600.0, 99_999.5 * 3600.0, "h"),
    (86_400.0, 99_999.5 * 86_400.0, "d"),
    (31_536_000.0, f64::INFINITY, "y"),
];

/// Seconds have a decimal up to here.
const TENTHS_UP_TO_S: f64 = 100.0;

/// `1418ns`, `3003us`, `12.3s`: an amount of time without a sign.
pub(crate) fn size(seconds: f64) -> String {
    let size = seconds.abs();
    let unit = UNITS.iter().find(|(_, limit, _)| size < *limit);
    let (scale, _, name) = unit.copied().unwrap_or((1.0, 0.0, "s"));
    let digits = usize::from(name == "s" && size < TENTHS_UP_TO_S);
    format!("{:.digits$}{name}", size / scale)
}

/// `+169ns`: an amount of time with a sign.
pub(crate) fn signed(seconds: f64) -> String {
    let sign = if seconds.is_sign_negative() { '-' } else { '+' };
    format!("{sign}{}", size(seconds))
}

/// Parts per million with three decimals, or none where there is no room for them.
pub(crate) fn ppm(value: f64) -> String {
    let digits = if value.abs() < 99_999.5 { 3 } else { 0 };
    format!("{value:.digits$}")
}

/// Parts per million as [`ppm`] has them, with a sign.
pub(crate) fn signed_ppm(value: f64) -> String {
    let sign = if value.is_sign_negative() { "" } else { "+" };
    format!("{sign}{}", ppm(value))
}

/// Whole seconds as `1199`, `20m`, `10h`, `4d`, `2y`; `-` is never.
pub(crate) fn ago(seconds: Option<u32>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(s @ ..1200) => s.to_string(),
        Some(s @ ..36_000) => format!("{}m", s / 60),
        Some(s @ ..345_600) => format!("{}h", s / 3600),
        Some(s) if s / 86_400 > 999 => format!("{}y", s / 86_400 / 365),
        Some(s) => format!("{}d", s / 86_400),
    }
}

/// The number that stands for never where programs read it.
pub(crate) fn ago_number(seconds: Option<u32>) -> u32 {
    seconds.unwrap_or(u32::MAX)
}

/// As people read a moment, `Mon Nov 23 15:28:34 2026`; the beginning of 1970 if there is none.
pub(crate) fn moment(at: Option<Utc>) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let at = at.unwrap_or_default();
    let c = at.civil();
    // 1970 began on a Thursday.
    let day = DAYS.get(at.secs().div_euclid(86_400).rem_euclid(7) as usize).copied().unwrap_or_default();
    let month = MONTHS.get(usize::from(c.month).wrapping_sub(1)).copied().unwrap_or_default();
    format!("{day} {month} {:02} {:02}:{:02}:{:02} {}", c.day, c.hour, c.minute, c.second, c.year)
}

/// Seconds since 1970 with nine decimals; zero if there is none.
pub(crate) fn unix_time(at: Option<Utc>) -> String {
    let at = at.unwrap_or_default();
    format!("{}.{:09}", at.secs(), at.nanos().rem_euclid(crate::time::NANOS_PER_SEC))
}

/// An address, `ID#0000000006` for a name without one, the letters of the reference ID for nobody.
pub(crate) fn who(address: Address, reference_id: u32) -> String {
    match address {
        Address::Unspecified => letters(reference_id),
        Address::Ip(ip) => ip.to_string(),
        Address::Id(id) => format!("ID#{id:010}"),
        Address::Clock(id) => id.to_string(),
    }
}

/// What is printable in a reference ID.
pub(crate) fn letters(reference_id: u32) -> String {
    reference_id.to_be_bytes().iter().filter(|b| (32..127).contains(*b)).map(|b| char::from(*b)).collect()
}

/// A source by its address, or by the name it was configured with.
pub(crate) fn title(source: &SourceReport, by_name: bool, address: Address, reference_id: u32) -> String {
    if by_name && !source.name.is_empty() { clean(&source.name) } else { who(address, reference_id) }
}

/// What others wrote, without what a terminal could take for a command.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// `Yes` or `No`.
pub(crate) fn yes(is_so: bool) -> &'static str {
    if is_so { "Yes" } else { "No" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What chronyc 4.3 printed for these values.
    #[test]
    fn amounts_are_chronycs() {
        for (seconds, text) in [
            (0.0, "+0ns"),
            (-1e-12, "-0ns"),
            (5.1e-10, "+1ns"),
            (1.5e-9, "+2ns"),
            (9.9994e-6, "+9999ns"),
            (-9.9996e-6, "-10us"),
            (9.9994e-3, "+9999us"),
            (0.0105, "+10ms"),
            (0.5, "+500ms"),
            (9.9994, "+9999ms"),
            (9.9996, "+10.0s"),
            (99.94, "+99.9s"),
            (99.96, "+100.0s"),
            (-12_345.6, "-12346s"),
            (99_999.4, "+99999s"),
            (99_999.6, "+1667m"),
            (5_999_964.0, "+99999m"),
            (5_999_976.0, "+1667h"),
            (3.599e8, "+99972h"),
            (3.601e8, "+4168d"),
            (86_400.0 * 99_999.6, "+274y"),
            (1e10, "+317y"),
        ] {
            assert_eq!(signed(seconds), text, "{seconds}");
        }
        assert_eq!(signed_ppm(12_345.6), "+12345.600");
        assert_eq!(signed_ppm(-123_456_784.0), "-123456784");
        assert_eq!(ppm(99_999.6), "100000");
    }

    /// What chronyc 4.3 printed for these values.
    #[test]
    fn ages_are_chronycs() {
        let ages = [0, 1199, 1200, 35_999, 36_000, 345_599, 345_600, 86_313_600, 86_400_000, 4_294_967_294];
        let texts = ["0", "1199", "20m", "599m", "10h", "95h", "4d", "999d", "2y", "136y"];
        assert_eq!(ages.map(|age| ago(Some(age))), texts);
        assert_eq!(ago(None), "-");
    }

    #[test]
    fn moments_are_chronycs() {
        assert_eq!(moment(Some(Utc::from_nanos(1_795_421_108_631_462_272))), "Mon Nov 23 08:05:08 2026");
        assert_eq!(moment(None), "Thu Jan 01 00:00:00 1970");
        assert_eq!(unix_time(Some(Utc::from_nanos(1_795_421_108_031_462_272))), "1795421108.031462272");
    }

    #[test]
    fn nonsense_is_printed_and_nothing_breaks() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!signed(value).is_empty() && !signed_ppm(value).is_empty());
        }
    }
}
