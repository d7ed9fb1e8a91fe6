//! What is written to disk, and how often: the drift file, and the records of the log files.

#![allow(missing_docs)]

mod support;

use slewd::core::api::record::{LogEntry, MeasurementEntry, SelectionState, Test, TrackingEntry, Wanted};
use slewd::report::log_file::{self, LogFile};
use slewd::sim::oscillator::Sine;
use slewd::sim::server::Manner;
use slewd::sim::{Scenario, Trace, World};
use slewd::time::Span;
use support::{hours, runs};

const HOUR_S: f64 = 3600.0;
const DAY_S: f64 = 86_400.0;

/// Everything directive `log` can ask for.
const ALL: Wanted = Wanted {
    measurements: true,
    raw_measurements: true,
    statistics: true,
    tracking: true,
    selection: true,
    temperature: true,
    reference_clocks: true,
};

#[test]
fn a_quiet_machine_writes_its_drift_file_about_once_a_day() {
    let result = runs(|seed| Scenario { length_s: 10.0 * DAY_S, ..quiet(seed) });
    for run in &result.runs {
        let saves = &run.trace.saves;
        assert!((10..=14).contains(&saves.len()), "seed {}: {saves:?}", run.seed);
        assert!(longest_gap_s(saves) < DAY_S + HOUR_S, "seed {}: {saves:?}", run.seed);
    }
}

#[test]
fn a_swinging_frequency_is_written_more_often_but_never_twice_an_hour() {
    let result = runs(|seed| {
        let mut scenario = Scenario { length_s: 5.0 * DAY_S, ..quiet(seed) };
        scenario.crystal.sine = Some(Sine { amplitude: 2e-6, period_s: DAY_S });
        scenario
    });
    for run in &result.runs {
        let saves = &run.trace.saves;
        assert!((10..=60).contains(&saves.len()), "seed {}: {} in five days", run.seed, saves.len());
        assert!(shortest_gap_s(saves) >= HOUR_S, "seed {}: {saves:?}", run.seed);
    }
}

#[test]
fn a_frequency_that_jumps_is_written_soon() {
    let jump_s = 3.0 * DAY_S;
    let result = runs(|seed| {
        let mut scenario = Scenario { length_s: 4.0 * DAY_S, ..quiet(seed) };
        scenario.crystal.steps = vec![(jump_s, 5e-6)];
        scenario
    });
    for run in &result.runs {
        let soon = run.trace.saves.iter().any(|at_s| (jump_s..jump_s + 2.0 * HOUR_S).contains(at_s));
        assert!(soon, "seed {}: {:?}", run.seed, run.trace.saves);
    }
}

#[test]
fn nothing_is_recorded_unless_it_is_wanted() {
    let trace = World::new(Scenario::pool(1, 4)).run();
    assert!(trace.records.is_empty());
    let settings = |wanted| Scenario { settings: with(wanted), ..Scenario::pool(1, 4) };
    let trace = World::new(settings(Wanted { tracking: true, ..Wanted::default() })).run();
    assert!(trace.records.iter().all(|(_, record)| LogFile::of(record) == LogFile::Tracking));
    assert_eq!(updates(&trace).first().map(|(_, update)| update.leap), Some(None), "first it is not synchronised");
}

#[test]
fn recording_changes_nothing_else() {
    let silent = World::new(Scenario::pool(3, 4)).run();
    let recorded = World::new(Scenario { settings: with(ALL), ..Scenario::pool(3, 4) }).run();
    assert_eq!(silent.points, recorded.points);
    assert_eq!(silent.requests, recorded.requests);
}

/// The clock is four hours behind: one offset of that size in each file, with the sign that each file has.
#[test]
fn the_first_correction_is_in_every_file() {
    let scenario = Scenario { clock_ahead: hours(-4), settings: with(ALL), ..Scenario::pool(1, 4) };
    let trace = World::new(scenario).run();
    let offsets: Vec<f64> = measurements(&trace).map(|(_, m)| m.offset.secs_f64()).collect();
    let (wrong, right): (Vec<f64>, Vec<f64>) = offsets.iter().partition(|offset| offset.abs() > 1.0);
    assert!(wrong.len() <= 4 && wrong.iter().all(|offset| (offset - 14_400.0).abs() < 0.1), "{wrong:?}");
    assert!(right.iter().all(|offset| offset.abs() < 0.05), "{right:?}");
    let corrections: Vec<f64> = updates(&trace).iter().map(|(_, update)| update.offset.secs_f64()).collect();
    assert!((corrections[1] - 14_400.0).abs() < 0.1, "{corrections:?}");
    assert!(corrections[2..].iter().all(|correction| correction.abs() < 0.05), "{corrections:?}");
    let lines = lines(&trace, LogFile::Tracking);
    assert_eq!(&lines[0][20..38], "0.0.0.0          0");
    assert_eq!(&lines[1][60..71], " -1.440e+04", "chrony: positive if the clock is fast: {}", lines[1]);
}

#[test]
fn statistics_agree_with_the_simulated_world() {
    let mut scenario = Scenario { settings: with(ALL), length_s: 40_000.0, ..Scenario::pool(2, 4) };
    scenario.crystal.frequency = 20e-6;
    let trace = World::new(scenario).run();
    let late = trace.records.iter().filter(|(at_s, _)| *at_s > 20_000.0);
    let statistics: Vec<_> = late.clone().filter_map(|(_, r)| statistics(&r.entry)).collect();
    assert!(statistics.len() > 20);
    for entry in &statistics {
        // 1 ms of jitter each way.
        assert!((1e-4..3e-3).contains(&entry.sd_s), "{entry:?}");
        assert!(entry.offset.secs_f64().abs() < 5e-3 && entry.skew < 1e-6 && entry.stress < 3.0, "{entry:?}");
        assert!((3..=8).contains(&entry.samples) && (1..=entry.samples).contains(&entry.runs), "{entry:?}");
    }
    for (_, update) in updates(&trace).iter().filter(|(at_s, _)| *at_s > 20_000.0) {
        assert!((update.frequency + 20e-6).abs() < 1e-6, "{update:?}");
        assert_eq!((update.stratum, update.combined), (3, 4));
        assert!(update.root_dispersion_s >= 3.0 * update.offset_sd_s && update.max_error_s > 0.005, "{update:?}");
    }
    for line in lines(&trace, LogFile::Tracking).iter().filter(|line| !line.contains('?')) {
        assert!(line[39..49].trim().parse::<f64>().is_ok_and(|ppm| ppm.abs() < 100.0), "{line}");
    }
}

#[test]
fn a_falseticker_is_marked_in_the_log_of_selection() {
    let mut scenario = Scenario { settings: with(ALL), ..Scenario::pool(1, 4) };
    scenario.servers[2].ahead = hours(1);
    let trace = World::new(scenario).run();
    let standing = |address: &str| {
        let about =
            |record: &&slewd::core::api::record::Record| record.source.is_some_and(|s| s.to_string() == address);
        let entries = trace.records.iter().map(|(_, record)| record).filter(about);
        entries
            .filter_map(|record| if let LogEntry::Selection(e) = &record.entry { Some(e.standing) } else { None })
            .next_back()
    };
    assert_eq!(standing("192.0.2.3"), Some(SelectionState::Falseticker));
    let others = ["192.0.2.1", "192.0.2.2", "192.0.2.4"].map(standing);
    assert_eq!(others.iter().filter(|standing| **standing == Some(SelectionState::Selected)).count(), 1, "{others:?}");
    assert_eq!(others.iter().filter(|standing| **standing == Some(SelectionState::Combined)).count(), 2, "{others:?}");
}

#[test]
fn lost_synchronisation_is_a_line_in_the_log_of_tracking() {
    let mut scenario = Scenario { settings: with(ALL), length_s: 10_000.0, ..Scenario::pool(1, 2) };
    scenario.servers[1].step = Some((2000.0, Span::from_secs(3)));
    scenario.servers[0].step = Some((2000.0, Span::from_secs(-3)));
    let trace = World::new(scenario).run();
    let lost: Vec<f64> = updates(&trace).iter().filter(|(_, u)| u.leap.is_none()).map(|(at_s, _)| *at_s).collect();
    assert!(lost.len() >= 2 && lost[0] == 0.0 && lost[1] > 2000.0, "{lost:?}");
}

/// A server that loses the time is in the file only if raw measurements are wanted, and says there which test it fails.
#[test]
fn refused_replies_are_raw_measurements() {
    for (raw_measurements, expected) in [(false, 0), (true, 1)] {
        let wanted = Wanted { measurements: true, raw_measurements, ..Wanted::default() };
        let mut scenario = Scenario { settings: with(wanted), ..Scenario::pool(1, 2) };
        scenario.servers[1].manner = Manner::Unsynchronised;
        let trace = World::new(scenario).run();
        let refused: Vec<&MeasurementEntry> =
            measurements(&trace).filter(|(_, m)| m.failed.is_some()).map(|(_, m)| m).collect();
        assert_eq!(usize::from(!refused.is_empty()), expected);
        for entry in refused {
            assert_eq!((entry.failed, entry.header.leap), (Some(Test::Synchronisation), None));
        }
        let lines = lines(&trace, LogFile::Measurements);
        assert!(lines.iter().all(|line| line.contains(" N  2 111 111 1111 ") || line.contains(" 111 101 0000 ")));
        assert!(lines.iter().any(|line| line.contains(" N  2 111 111 1111 ")));
    }
}

/// Its delay exceeds `maxdelay`: the line still has what was measured.
#[test]
fn a_reply_that_took_too_long_is_a_measurement_that_fails_test_a() {
    let wanted = Wanted { measurements: true, ..Wanted::default() };
    let mut scenario = Scenario { settings: with(wanted), ..Scenario::pool(1, 2) };
    scenario.sources[1].options.max_delay_s = 0.01;
    let trace = World::new(scenario).run();
    let failed: Vec<_> = measurements(&trace).filter(|(_, m)| m.failed == Some(Test::Delay)).collect();
    assert!(!failed.is_empty());
    assert!(failed.iter().all(|(_, m)| m.delay > Span::from_millis(10)));
    assert!(lines(&trace, LogFile::Measurements).iter().any(|line| line.contains(" 111 111 0111 ")));
}

fn quiet(seed: u64) -> Scenario {
    let mut scenario = Scenario { record_every: Span::from_secs(600), ..Scenario::pool(seed, 4) };
    scenario.crystal.frequency = 20e-6;
    scenario
}

fn with(records: Wanted) -> slewd::core::api::settings::Settings {
    slewd::core::api::settings::Settings { records, ..Scenario::pool(1, 1).settings }
}

fn measurements(trace: &Trace) -> impl Iterator<Item = (f64, &MeasurementEntry)> {
    trace.records.iter().filter_map(|(at_s, record)| match &record.entry {
        LogEntry::Measurement(entry) => Some((*at_s, entry)),
        _ => None,
    })
}

fn updates(trace: &Trace) -> Vec<(f64, TrackingEntry)> {
    let update = |entry: &LogEntry| if let LogEntry::Tracking(entry) = entry { Some(entry.clone()) } else { None };
    trace.records.iter().filter_map(|(at_s, record)| Some((*at_s, update(&record.entry)?))).collect()
}

fn statistics(entry: &LogEntry) -> Option<&slewd::core::api::record::StatisticsEntry> {
    if let LogEntry::Statistics(entry) = entry { Some(entry) } else { None }
}

/// The lines of one file, all of the same width as its caption or its last column.
fn lines(trace: &Trace, file: LogFile) -> Vec<String> {
    let records = trace.records.iter().map(|(_, record)| record).filter(|record| LogFile::of(record) == file);
    let lines: Vec<String> = records.map(log_file::line).collect();
    assert!(lines.windows(2).all(|pair| pair[0].len() == pair[1].len()), "{lines:#?}");
    lines
}

fn gaps_s(moments: &[f64]) -> impl Iterator<Item = f64> {
    moments.windows(2).map(|pair| pair[1] - pair[0])
}

fn longest_gap_s(moments: &[f64]) -> f64 {
    gaps_s(moments).fold(0.0, f64::max)
}

fn shortest_gap_s(moments: &[f64]) -> f64 {
    gaps_s(moments).fold(f64::INFINITY, f64::min)
}
