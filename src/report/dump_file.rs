//! A dump file in chrony's format (`dumpdir` of chrony.conf(5)), with one line more.
//!
//! ```text
//! SRC0
//! ntp.example.net
//! 0 377 8 2 0
//! 2 0
//! 1795447869.576061823 2.053733e-06 1.522000e-06 7.265000e-06 2.006252e-07 7.265000e-06 2.006252e-07
//! 1795447869.830081607 2.513519e-06 1.476000e-06 8.717000e-06 1.656532e-07 8.717000e-06 1.656532e-07
//! slewd 1 BOOT RAW UTC FREQUENCY SLEPT
//! ```
//! After the source's name: authentication, reach register (octal) and its length, stratum, leap; the number of samples
//! and the run of their asymmetry; the samples; then how they relate to the raw counter, which is not in chronyd's files
//! and which chronyd does not read.

use crate::core::api::dump::{Anchor, Dump, DumpedSample};
use crate::core::api::limits::MAX_SAMPLES;
use crate::core::api::source_id::{ReferenceId, SourceId};
use crate::report::log_file::exponential;
use crate::time::{Leap, NANOS_PER_SEC, Raw, Span, Utc};
use std::fmt::Write;

/// The first line.
const FORMAT: &str = "SRC0";

/// The beginning of the line that is ours.
const OURS: [&str; 2] = ["slewd", "1"];

/// No number in a file is larger, in seconds; what is rounded up to it when written is no larger either.
const LARGEST_S: f64 = 1e9;

/// Digits after the point in chronyd's numbers.
const DIGITS: usize = 6;

/// The text of the file.
pub fn text(dump: &Dump) -> String {
    let mut text = format!("{FORMAT}\n{}\n", dump.name);
    let _ = writeln!(text, "0 {:o} 8 {} {}", dump.reach, dump.stratum, Leap::indicator(dump.leap));
    let _ = writeln!(text, "{} 0", dump.samples.len());
    for sample in &dump.samples {
        push_time(&mut text, sample.at);
        let DumpedSample { at: _, ahead_s, was_ahead_s, delay_s, dispersion_s, root_delay_s, root_dispersion_s } =
            *sample;
        for value in [ahead_s, was_ahead_s, delay_s, dispersion_s, root_delay_s, root_dispersion_s] {
            let _ = write!(text, " {}", exponential(value, DIGITS));
        }
        text.push('\n');
    }
    if let Some(Anchor { boot, raw, utc, frequency, slept }) = &dump.anchor {
        let (raw, utc, slept) = (raw.nanos(), utc.nanos(), slept.nanos());
        let _ = writeln!(text, "{} {} {boot} {raw} {utc} {frequency:e} {slept}", OURS[0], OURS[1]);
    }
    text
}

/// Reads a file, ours or chronyd's, about this source; `None` if it is anything else.
pub fn parse(source: SourceId, text: &str) -> Option<Dump> {
    let mut lines = text.lines();
    (lines.next()? == FORMAT).then_some(())?;
    let name = lines.next()?.to_owned();
    let mut state = lines.next()?.split_ascii_whitespace();
    let _authenticated: u8 = state.next()?.parse().ok()?;
    let reach = u8::from_str_radix(state.next()?, 8).ok()?;
    let _length: u8 = state.next()?.parse().ok()?;
    let stratum: u8 = state.next()?.parse().ok()?;
    let leap = Leap::from_indicator(state.next()?.parse().ok().filter(|indicator| *indicator <= 3)?);
    let mut sizes = lines.next()?.split_ascii_whitespace();
    let count: usize = sizes.next()?.parse().ok().filter(|count| *count <= MAX_SAMPLES as usize)?;
    let samples = (0..count).map(|_| lines.next().and_then(sample)).collect::<Option<Vec<_>>>()?;
    let is_ordered = samples.windows(2).all(|pair| pair[0].at < pair[1].at);
    let anchor = lines.next().and_then(anchor);
    is_ordered.then_some(Dump { source, name, reach, stratum, leap, samples, anchor })
}

/// Whom a file of this name is about; `None` if it is no dump.
pub fn subject(file_name: &str) -> Option<SourceId> {
    let stem = file_name.strip_suffix(".dat")?;
    let id = stem.strip_prefix("refid:").filter(|id| id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    match id {
        Some(id) => ReferenceId::from_bits(u32::from_str_radix(id, 16).ok()?).map(SourceId::Clock),
        None => stem.parse().ok().map(SourceId::Server),
    }
}

/// The name of the file about this source.
pub fn file_name(source: SourceId) -> String {
    match source {
        SourceId::Server(address) => format!("{address}.dat"),
        SourceId::Clock(id) => format!("refid:{:08x}.dat", id.bits()),
    }
}

fn push_time(text: &mut String, at: Utc) {
    let (seconds, nanos) = (at.nanos().div_euclid(NANOS_PER_SEC), at.nanos().rem_euclid(NANOS_PER_SEC));
    let _ = write!(text, "{seconds}.{nanos:09}");
}

fn sample(line: &str) -> Option<DumpedSample> {
    let mut words = line.split_ascii_whitespace();
    let at = time(words.next()?)?;
    let mut number = || words.next()?.parse::<f64>().ok().filter(|number| number.abs() <= LARGEST_S);
    let (ahead_s, was_ahead_s) = (number()?, number()?);
    let mut size = || number().filter(|number| *number >= 0.0);
    let (delay_s, dispersion_s, root_delay_s, root_dispersion_s) = (size()?, size()?, size()?, size()?);
    Some(DumpedSample { at, ahead_s, was_ahead_s, delay_s, dispersion_s, root_delay_s, root_dispersion_s })
}

/// Seconds since 1970 with up to nine decimals.
fn time(word: &str) -> Option<Utc> {
    let (seconds, decimals) = word.split_once('.').unwrap_or((word, ""));
    let is_number = decimals.len() <= 9 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let nanos: i64 = format!("{decimals:0<9}").parse().ok().filter(|_| is_number)?;
    let seconds: i64 = seconds.parse().ok().filter(|seconds| (0..i64::from(u32::MAX) * 2).contains(seconds))?;
    Some(Utc::from_secs(seconds) + Span::from_nanos(nanos))
}

fn anchor(line: &str) -> Option<Anchor> {
    let mut words = line.split_ascii_whitespace();
    OURS.iter().all(|ours| words.next() == Some(ours)).then_some(())?;
    let boot = words.next()?.to_owned();
    let mut nanos = || words.next()?.parse::<i64>().ok().filter(|nanos| (0..i64::MAX / 4).contains(nanos));
    let (raw, utc) = (Raw::from_nanos(nanos()?), Utc::from_nanos(nanos()?));
    let frequency = words.next()?.parse::<f64>().ok().filter(|frequency| frequency.abs() < 0.1)?;
    // The difference of two clocks: a machine that has never slept may have done so for -40 ns.
    let slept = words.next()?.parse::<i64>().ok().filter(|slept| slept.abs_diff(0) < i64::MAX as u64 / 4)?;
    Some(Anchor { boot, raw, utc, frequency, slept: Span::from_nanos(slept) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by chronyd 4.3.
    const THEIRS: &str = "SRC0\n127.0.0.1\n0 377 8 8 0\n2 0\n\
        1795449288.236972359 2.037133e-06 2.549000e-06 9.148000e-06 2.646232e-07 9.148000e-06 2.646232e-07\n\
        1795449288.492067093 -1.033793e-06 1.485000e-06 7.220000e-06 1.756712e-07 7.220000e-06 1.756712e-07\n";

    fn address() -> SourceId {
        SourceId::Server([127, 0, 0, 1].into())
    }

    #[test]
    fn chronyds_file_is_read_and_written_to_the_byte() {
        let dump = parse(address(), THEIRS).expect("it is chronyd's");
        assert_eq!((dump.reach, dump.stratum, dump.leap), (0o377, 8, Some(Leap::Normal)));
        assert_eq!(dump.samples[0].at, Utc::from_nanos(1_795_449_288_236_972_359));
        assert_eq!((dump.samples[1].ahead_s, dump.samples[1].delay_s), (-1.033793e-6, 7.22e-6));
        assert_eq!((text(&dump).as_str(), &dump.anchor), (THEIRS, &None));
    }

    #[test]
    fn the_line_that_is_ours_is_read_back() {
        let anchor = Some(Anchor {
            boot: "0a1b".to_owned(),
            raw: Raw::from_nanos(12_345),
            utc: Utc::from_nanos(1_795_449_288_236_972_359),
            frequency: -12.345_678_9e-6,
            slept: Span::from_secs(5),
        });
        let dump = Dump { anchor: anchor.clone(), ..parse(address(), THEIRS).expect("it is chronyd's") };
        assert_eq!(parse(address(), &text(&dump)), Some(dump.clone()));
        let never = Dump { anchor: anchor.map(|anchor| Anchor { slept: Span::from_nanos(-40), ..anchor }), ..dump };
        assert_eq!(parse(address(), &text(&never)), Some(never), "two clocks were read one after the other");
    }

    #[test]
    fn whatever_else_is_refused_and_nothing_panics() {
        for (good, bad) in [
            ("SRC0", "SRC1"),
            ("377", "999"),
            ("8 0\n2", "8 4\n2"),
            ("\n2 0", "\n3 0"),
            ("\n2 0", "\n65 0"),
            ("1795449288.49", "1795449287.49"),
            ("9.148000e-06 2.6", "-9.148000e-06 2.6"),
            ("2.549000e-06", "nan"),
            ("2.549000e-06", "1e300"),
            ("288.236972359", "288.2369723590"),
        ] {
            let broken = THEIRS.replacen(good, bad, 1);
            assert_ne!(broken, THEIRS);
            assert_eq!(parse(address(), &broken), None, "{good} to {bad}");
        }
        for end in 0..THEIRS.len() - 1 {
            let _ = parse(address(), &THEIRS[..end]);
        }
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let mut bytes = THEIRS.as_bytes().to_vec();
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..128);
            let _ = parse(address(), &String::from_utf8_lossy(&bytes));
        }
    }

    /// Files that chronyd 4.3 deletes.
    #[test]
    fn names_of_dump_files_are_told_from_others() {
        assert_eq!(subject("1.2.3.4.dat"), Some(SourceId::Server([1, 2, 3, 4].into())));
        assert_eq!(subject("fe80::1.dat"), "fe80::1".parse().ok().map(SourceId::Server));
        let clock = ReferenceId::new("PHC0").map(SourceId::Clock);
        assert_eq!(
            (subject("refid:50484330.dat"), clock.map(file_name)),
            (clock, Some("refid:50484330.dat".to_owned()))
        );
        for other in ["foo.dat", "notes.txt", "127.0.0.1.dat.tmp", "refid:0.dat", "refid:00000000.dat", ".dat"] {
            assert_eq!(subject(other), None, "{other}");
        }
        assert_eq!(subject(&file_name(address())), Some(address()));
    }
}
