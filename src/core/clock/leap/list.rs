//! The format of leap-seconds.list, as IERS and NIST publish it: lines of two numbers, NTP seconds of a midnight and TAI
//! minus UTC from then on. `#@` gives the day it expires; other lines with `#` are comments.

use super::table::{Entry, Unusable};
use crate::time::{NANOS_PER_SEC, Utc};

/// Seconds from 1900 to 1970. The list counts on beyond the NTP era that ends in 2036.
const NTP_TO_UNIX_S: i64 = 2_208_988_800;

/// No offset or date beyond these is sense.
const LARGEST_TAI_S: i32 = 1000;
const LARGEST_NTP_S: i64 = 10_000_000_000;

/// The entries and the expiry of a list.
pub(super) fn parse(text: &[u8]) -> Result<(Vec<Entry>, Option<Utc>), Unusable> {
    let (mut entries, mut expires) = (Vec::<Entry>::new(), None);
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let unusable = Unusable::Line(index + 1);
        let line = std::str::from_utf8(line).map_err(|_| unusable)?.trim();
        if let Some(date) = line.strip_prefix("#@") {
            expires = Some(midnight(date.trim()).ok_or(unusable)?);
            continue;
        }
        let mut words = line.split('#').next().unwrap_or("").split_whitespace();
        let Some(date) = words.next() else { continue };
        let entry = Entry { from: midnight(date).ok_or(unusable)?, tai_s: offset(words.next()).ok_or(unusable)? };
        if words.next().is_some() || entries.last().is_some_and(|last| last.from >= entry.from) {
            return Err(unusable);
        }
        entries.push(entry);
    }
    Ok((entries, expires))
}

/// The text that [`parse`] reads.
pub(super) fn text(entries: &[Entry], expires: Option<Utc>) -> String {
    let ntp_s = |utc: Utc| utc.nanos().div_euclid(NANOS_PER_SEC) + NTP_TO_UNIX_S;
    let expiry = expires.into_iter().map(|expires| format!("#@ {}\n", ntp_s(expires)));
    expiry.chain(entries.iter().map(|entry| format!("{} {}\n", ntp_s(entry.from), entry.tai_s))).collect()
}

fn midnight(word: &str) -> Option<Utc> {
    let ntp_s: i64 = word.parse().ok().filter(|s| (0..LARGEST_NTP_S).contains(s))?;
    Some(Utc::from_secs(ntp_s - NTP_TO_UNIX_S))
}

fn offset(word: Option<&str>) -> Option<i32> {
    word?.parse().ok().filter(|tai_s| (-LARGEST_TAI_S..=LARGEST_TAI_S).contains(tai_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::clock::leap::table::tests::LIST;

    #[test]
    fn comments_blanks_and_line_ends_of_any_kind_are_accepted() {
        let (plain, _) = parse(LIST.as_bytes()).unwrap();
        let (other, _) = parse(LIST.replace('\n', "  \r\n\n").as_bytes()).unwrap();
        assert_eq!(plain, other);
        assert_eq!(plain.len(), 5);
    }

    #[test]
    fn nonsense_is_refused_with_its_line() {
        for text in
            ["1 2 3", "99999999999 37", "3692217600", "3692217600 x", "3692217600 5000", "-1 10", "#@ x", "\u{0}"]
        {
            let text = format!("# a\n{text}\n");
            assert_eq!(parse(text.as_bytes()).err(), Some(Unusable::Line(2)), "{text}");
        }
        assert_eq!(parse(b"3692217600 37\n3644697600 36\n").err(), Some(Unusable::Line(2)), "order");
        assert_eq!(parse(b"\xff").err(), Some(Unusable::Line(1)));
    }
}
