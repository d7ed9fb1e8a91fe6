//! Repeats what slewd has recorded with `--record`: the engine is told all that it was told, and has to want all that it
//! wanted.
//!
//! ```text
//! replay [-v] FILE
//! ```
//! It prints what the engine said and did, after so many seconds of the run and by the system clock as it was then; with
//! `-v` everything that it was told and wanted. Then it says whether that is what was recorded, and else what the first
//! difference is. The exit status is 0 if all is as recorded, 1 if something differs or a run breaks off, 2 if the file
//! cannot be read.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod replayed_run;

use std::process::ExitCode;

use replayed_run::{End, Outcome, repeat, runs};
use slewd::time::ClockReading;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_verbose = arguments.first().is_some_and(|first| first == "-v");
    let [path] = &arguments[usize::from(is_verbose)..] else {
        eprintln!("replay: which recording? replay [-v] FILE");
        return ExitCode::from(2);
    };
    match std::fs::read(path) {
        Ok(bytes) => repeat_all(path, &String::from_utf8_lossy(&bytes), is_verbose),
        Err(reason) => {
            eprintln!("replay: {path}: {reason}");
            ExitCode::from(2)
        }
    }
}

fn repeat_all(path: &str, text: &str, is_verbose: bool) -> ExitCode {
    let runs = match runs(text) {
        Ok(runs) => runs,
        Err(mistake) => {
            eprintln!("replay: {path}: {mistake}");
            return ExitCode::from(2);
        }
    };
    let mut are_all_same = true;
    for (index, run) in runs.iter().enumerate() {
        println!("run {} of {}", index + 1, runs.len());
        let mut began = None;
        let mut tell = |now: &ClockReading, line: &str| {
            let since_s = (now.raw - *began.get_or_insert(now.raw)).secs_f64();
            if is_verbose || is_telling(line) {
                println!("{since_s:14.6} {} {line}", now.utc);
            }
        };
        match repeat(run, &mut tell) {
            Ok(outcome) => {
                println!("{}", verdict(&outcome));
                are_all_same &= matches!(outcome.end, End::Whole | End::Full);
            }
            Err(mistake) => {
                eprintln!("replay: {path}: {mistake}");
                return ExitCode::from(2);
            }
        }
    }
    if are_all_same { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What people want to see: the log, and what is done to the clock.
fn is_telling(line: &str) -> bool {
    ["log ", "step ", "steer ", "finish "].iter().any(|kind| line.starts_with(kind))
}

fn verdict(outcome: &Outcome) -> String {
    let Outcome { inputs, outputs, end } = outcome;
    let end = match end {
        End::Whole => "all as recorded".to_owned(),
        End::Full => "all as recorded, until the file had no more room".to_owned(),
        End::CutOff(line) => {
            format!(
                "as recorded up to line {line}, where the recording breaks off: slewd was killed, or the file is cut off"
            )
        }
        End::Differs { line, recorded, repeated } => {
            format!("DIFFERENT from line {line} on\n  recorded: {recorded}\n  repeated: {repeated}")
        }
    };
    format!("{inputs} inputs, {outputs} outputs: {end}")
}
