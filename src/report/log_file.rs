//! The log files in chrony's columns, to the byte (`log` of chrony.conf(5)): programs read them by position.
//!
//! What each column holds here is told in docs/log-files.md.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use crate::core::api::exchange::StampSource;
use crate::core::api::record::{
    ClockEntry, LogEntry, MeasurementEntry, Record, SelectionEntry, StatisticsEntry, Test, TrackingEntry,
};
use crate::core::api::source_id::SourceId;
use crate::report::names::leap_words;
use crate::time::{NANOS_PER_SEC, Utc};

/// One of the log files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFile {
    /// Replies.
    Measurements,
    /// What is known of each source.
    Statistics,
    /// Updates of the clock.
    Tracking,
    /// What selection makes of each source.
    Selection,
    /// Temperatures and what is done about them.
    Temperatures,
    /// Readings of reference clocks.
    ReferenceClocks,
}

/// The address while nobody is followed.
const NOBODY: SourceId = SourceId::Server(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

/// The names of the tests in the columns `123`, `567` and `ABCD`; C and D have no equivalent here and are passed.
const TESTS: [&[Option<Test>]; 3] = [
    &[Some(Test::Repetition), Some(Test::Origin), Some(Test::Timestamps)],
    &[Some(Test::Authentication), Some(Test::Synchronisation), Some(Test::RootDistance)],
    &[Some(Test::Delay), Some(Test::DelayRatio), Some(Test::DelayDeviation), None],
];

impl LogFile {
    /// All log files.
    pub const ALL: [LogFile; 6] = [
        LogFile::Measurements,
        LogFile::Statistics,
        LogFile::Tracking,
        LogFile::Selection,
        LogFile::Temperatures,
        LogFile::ReferenceClocks,
    ];

    /// Where a record belongs.
    pub fn of(record: &Record) -> LogFile {
        match record.entry {
            LogEntry::Measurement(_) => LogFile::Measurements,
            LogEntry::Statistics(_) => LogFile::Statistics,
            LogEntry::Tracking(_) => LogFile::Tracking,
            LogEntry::Selection(_) => LogFile::Selection,
            LogEntry::Temperature { .. } => LogFile::Temperatures,
            LogEntry::ReferenceClock(_) => LogFile::ReferenceClocks,
        }
    }

    /// The name of the file in `logdir`.
    pub fn name(self) -> &'static str {
        match self {
            LogFile::Measurements => "measurements.log",
            LogFile::Statistics => "statistics.log",
            LogFile::Tracking => "tracking.log",
            LogFile::Selection => "selection.log",
            LogFile::Temperatures => "tempcomp.log",
            LogFile::ReferenceClocks => "refclocks.log",
        }
    }

    /// Three lines: the names of the columns between two rulers.
    pub fn banner(self) -> String {
        let caption = self.caption();
        let ruler = "=".repeat(caption.len());
        format!("{ruler}\n{caption}\n{ruler}\n")
    }

    fn caption(self) -> &'static str {
        match self {
            LogFile::Measurements => concat!(
                "   Date (UTC) Time     IP Address   L St 123 567 ABCD  LP RP Score    Offset  Peer del. Peer disp.",
                "  Root del. Root disp. Refid     MTxRx"
            ),
            LogFile::Statistics => concat!(
                "   Date (UTC) Time     IP Address    Std dev'n Est offset  Offset sd  Diff freq   Est skew  Stress",
                "  Ns  Bs  Nr  Asym"
            ),
            LogFile::Tracking => concat!(
                "   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm     Offset L Co  Offset sd Rem. corr.",
                " Root delay Root disp. Max. error"
            ),
            LogFile::Selection => {
                "   Date (UTC) Time     IP Address   S EOpts Reach Score Last sample  Low end   High end"
            }
            LogFile::Temperatures => "   Date (UTC) Time        Temp.       Comp.",
            LogFile::ReferenceClocks => {
                "   Date (UTC) Time         Refid  DP L P  Raw offset   Cooked offset      Disp."
            }
        }
    }
}

/// The line of a record, with its end.
pub fn line(record: &Record) -> String {
    let mut line = String::with_capacity(160);
    push_time(&mut line, record.at);
    let source = record.source.unwrap_or(NOBODY);
    match record.entry {
        LogEntry::Temperature { .. } => {}
        LogEntry::ReferenceClock(_) => {
            let micros = record.at.nanos().rem_euclid(NANOS_PER_SEC) / 1000;
            let _ = write!(line, ".{micros:06} {source:<5}");
        }
        _ => {
            let _ = write!(line, " {source:<15}");
        }
    }
    match &record.entry {
        LogEntry::Measurement(entry) => push_measurement(&mut line, entry),
        LogEntry::Statistics(entry) => push_statistics(&mut line, entry),
        LogEntry::Tracking(entry) => push_tracking(&mut line, entry),
        LogEntry::Selection(entry) => push_selection(&mut line, entry),
        LogEntry::ReferenceClock(entry) => push_reading(&mut line, entry),
        LogEntry::Temperature { temperature, ppm } => {
            let _ = write!(line, " {:>11} {:>11}", exponential(*temperature, 4), exponential(*ppm, 4));
        }
    }
    line.push('\n');
    line
}

fn push_time(line: &mut String, at: Utc) {
    let c = at.civil();
    let _ = write!(line, "{:04}-{:02}-{:02} {:02}:{:02}:{:02}", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

fn push_measurement(line: &mut String, entry: &MeasurementEntry) {
    let header = &entry.header;
    let _ = write!(line, " {} {:2}", leap_words(header.leap).1, header.stratum);
    for group in TESTS {
        line.push(' ');
        line.extend(group.iter().map(|test| if is_passed(*test, entry.failed) { '1' } else { '0' }));
    }
    let _ = write!(line, "  {:2} {:2} {:4.2}", entry.poll, header.poll, entry.poll_excess);
    let root = (header.root_delay.secs_f64(), header.root_dispersion.secs_f64());
    for value in [entry.offset.secs_f64(), entry.delay.secs_f64(), entry.dispersion_s, root.0, root.1] {
        push_exponential(line, value);
    }
    let _ = write!(line, " {:08X}", u32::from_be_bytes(header.reference_id));
    let kind = if entry.interleaved { 'I' } else { 'B' };
    let _ = write!(line, " {}{kind} {} {}", header.mode, stamp_letter(entry.sent_by), stamp_letter(entry.received_by));
}

/// As in chronyd, a server that does not know the time has passed none of the tests A to D.
fn is_passed(test: Option<Test>, failed: Option<Test>) -> bool {
    let Some(failed) = failed else { return true };
    let is_later = |test: Test| test >= Test::Delay;
    match test {
        Some(test) if is_later(test) && !is_later(failed) => false,
        Some(test) => test != failed,
        None => is_later(failed),
    }
}

fn push_statistics(line: &mut String, entry: &StatisticsEntry) {
    let (offset_s, frequency) = (-entry.offset.secs_f64(), -entry.frequency_change);
    for value in [entry.sd_s, offset_s, entry.offset_sd_s, frequency, entry.skew] {
        push_exponential(line, value);
    }
    let _ = write!(line, " {:>7}", exponential(entry.stress, 1));
    // No samples are discarded: the filter forgets them by itself.
    let _ = write!(line, " {:3} {:3} {:3} {:5.2}", entry.samples, 0, entry.runs, 0.0 - 0.5 * entry.lean);
}

fn push_tracking(line: &mut String, entry: &TrackingEntry) {
    let _ = write!(line, " {:2} {:10.3} {:10.3}", entry.stratum, 0.0 - 1e6 * entry.frequency, 1e6 * entry.skew);
    push_exponential(line, -entry.offset.secs_f64());
    let leap = leap_words(entry.leap).1;
    let _ = write!(line, " {leap} {:2}", entry.combined);
    let remaining_s = entry.remaining.secs_f64();
    for value in [entry.offset_sd_s, remaining_s, entry.root_delay_s, entry.root_dispersion_s, entry.max_error_s] {
        push_exponential(line, value);
    }
}

fn push_selection(line: &mut String, entry: &SelectionEntry) {
    let _ = write!(line, " {} -", entry.standing.letter());
    line.extend(entry.options.iter().zip("NPTR".chars()).map(|(is_set, letter)| if *is_set { letter } else { '-' }));
    let _ = write!(line, " {:4o} {:5.2}", entry.reach, entry.score);
    push_exponential(line, entry.age.secs_f64());
    // The file counts the clock's lead over the source, so that the ends change places.
    push_exponential(line, -entry.high_s);
    push_exponential(line, -entry.low_s);
}

fn push_reading(line: &mut String, entry: &ClockEntry) {
    let (_, leap, _) = leap_words(Some(entry.leap));
    match entry.reading {
        Some(reading) => {
            let raw = exponential(reading.offset.secs_f64(), 6);
            let _ = write!(line, " {:3} {leap} {} {raw:>13}", reading.number, u8::from(reading.is_pulse));
        }
        None => {
            let _ = write!(line, "   - {leap} -       -      ");
        }
    }
    let _ = write!(line, " {:>13} {:>10}", exponential(entry.offset.secs_f64(), 6), exponential(entry.dispersion_s, 3));
}

/// A blank, and a number in ten columns.
fn push_exponential(line: &mut String, value: f64) {
    let _ = write!(line, " {:>10}", exponential(value, 3));
}

/// C's `%.*e`: an exponent has a sign and at least two digits. There is no minus before a zero.
pub(crate) fn exponential(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$e}", value + 0.0);
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
    format!("{mantissa}e{sign}{size:0>2}")
}

fn stamp_letter(source: StampSource) -> char {
    match source {
        StampSource::Hardware => 'H',
        StampSource::Kernel => 'K',
        StampSource::Daemon => 'D',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::api::record::SelectionState;
    use crate::time::{Leap, NtpTimestamp, Span};
    use crate::wire::ntp::Header;

    /// The lines below were written by chronyd 4.3.
    fn written(entry: LogEntry) -> String {
        let source = Some(SourceId::Server(IpAddr::from([127, 0, 0, 9])));
        line(&Record { at: Utc::from_secs(1_795_441_120), source, entry })
    }

    #[test]
    fn a_measurement_is_chronyds_to_the_byte() {
        let header = Header {
            leap: Some(Leap::Normal),
            version: 4,
            mode: 4,
            stratum: 8,
            poll: 0,
            precision: -25,
            root_delay: Span::ZERO,
            root_dispersion: Span::ZERO,
            reference_id: [127, 127, 1, 1],
            reference: NtpTimestamp::ZERO,
        };
        let entry = MeasurementEntry {
            header,
            failed: None,
            interleaved: false,
            poll: 0,
            poll_excess: 0.0,
            offset: Span::from_nanos(-1612),
            delay: Span::from_nanos(7487),
            dispersion_s: 1.690e-7,
            sent_by: StampSource::Kernel,
            received_by: StampSource::Kernel,
        };
        assert_eq!(
            written(LogEntry::Measurement(entry.clone())),
            "2026-11-23 13:38:40 127.0.0.9       N  8 111 111 1111   0  0 0.00 -1.612e-06  7.487e-06  1.690e-07  \
             0.000e+00  0.000e+00 7F7F0101 4B K K\n"
        );
        let again = MeasurementEntry { interleaved: true, ..entry.clone() };
        assert!(written(LogEntry::Measurement(again)).ends_with(" 7F7F0101 4I K K\n"));
        let second = Span::from_secs(1);
        let unknown = Header { leap: None, stratum: 0, root_delay: second, root_dispersion: second, ..header };
        let refused = MeasurementEntry {
            header: Header { reference_id: [0; 4], ..unknown },
            failed: Some(Test::Synchronisation),
            poll_excess: 0.1,
            offset: Span::ZERO,
            delay: Span::ZERO,
            dispersion_s: 0.0,
            ..entry
        };
        assert_eq!(
            written(LogEntry::Measurement(refused)),
            "2026-11-23 13:38:40 127.0.0.9       ?  0 111 101 0000   0  0 0.10  0.000e+00  0.000e+00  0.000e+00  \
             1.000e+00  1.000e+00 00000000 4B K K\n"
        );
    }

    #[test]
    fn statistics_are_chronyds_to_the_byte() {
        let entry = StatisticsEntry {
            sd_s: 7.449e-8,
            offset: Span::from_nanos(-1612),
            offset_sd_s: 7.158e-8,
            frequency_change: 2.475e-7,
            skew: 1.498e-4,
            stress: 1.2e-4,
            samples: 3,
            runs: 3,
            lean: 0.0,
        };
        assert_eq!(
            written(LogEntry::Statistics(entry)),
            "2026-11-23 13:38:40 127.0.0.9        7.449e-08  1.612e-06  7.158e-08 -2.475e-07  1.498e-04 \
             1.2e-04   3   0   3  0.00\n"
        );
    }

    #[test]
    fn tracking_is_chronyds_to_the_byte() {
        let entry = TrackingEntry {
            stratum: 9,
            frequency: -0.096e-6,
            skew: 12.793e-6,
            offset: Span::from_nanos(-172),
            offset_sd_s: 4.616e-7,
            remaining: Span::from_nanos(-1518),
            leap: Some(Leap::Normal),
            combined: 2,
            root_delay_s: 8.098e-6,
            root_dispersion_s: 1.290e-6,
            max_error_s: 1.304e-4,
        };
        assert_eq!(
            written(LogEntry::Tracking(entry)),
            "2026-11-23 13:38:40 127.0.0.9        9      0.096     12.793  1.720e-07 N  2  4.616e-07 -1.518e-06  \
             8.098e-06  1.290e-06  1.304e-04\n"
        );
    }

    #[test]
    fn a_selection_is_chronyds_to_the_byte() {
        let entry = SelectionEntry {
            standing: SelectionState::NoMeasurements,
            options: [false; 4],
            reach: 3,
            score: 1.0,
            age: Span::from_nanos(44_320),
            low_s: -5.669e-6,
            high_s: 2.257e-6,
        };
        assert_eq!(
            written(LogEntry::Selection(entry.clone())),
            "2026-11-23 13:38:40 127.0.0.9       M -----    3  1.00  4.432e-05 -2.257e-06  5.669e-06\n"
        );
        let options = SelectionEntry { options: [true, false, true, true], reach: 0o377, ..entry };
        assert!(written(LogEntry::Selection(options)).contains(" M -N-TR  377  1.00 "));
    }

    #[test]
    fn a_temperature_is_chronyds_to_the_byte() {
        let entry = LogEntry::Temperature { temperature: 26_000.0, ppm: -1.46 };
        assert_eq!(written(entry), "2026-11-23 13:38:40  2.6000e+04 -1.4600e+00\n");
    }

    #[test]
    fn a_banner_is_as_wide_as_its_caption() {
        let widths = LogFile::ALL.map(|file| file.banner().lines().map(str::len).collect::<Vec<_>>());
        assert_eq!(widths, [[136; 3], [116; 3], [131; 3], [87; 3], [43; 3], [79; 3]]);
    }

    #[test]
    fn exponents_are_those_of_c() {
        let texts = [0.0, -0.0, 1.0, -12_345.6, 9.9996e-10, 1e-300, 3e120].map(|value| exponential(value, 3));
        assert_eq!(
            texts,
            ["0.000e+00", "0.000e+00", "1.000e+00", "-1.235e+04", "1.000e-09", "1.000e-300", "3.000e+120"]
        );
    }
}
