//! `slewd demo` is what a newcomer sees first: it fits a screen of 80 columns and is never silent for long.

#![allow(missing_docs, clippy::disallowed_methods, clippy::disallowed_types)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const COLUMNS: usize = 80;
const LONGEST_SILENCE: Duration = Duration::from_secs(3);

/// Whether the clock is right in the end is for the stage `demo` of tests/run, on a machine that does nothing else.
#[test]
fn the_demo_fits_a_screen_and_keeps_talking() {
    let mut demo =
        Command::new(env!("CARGO_BIN_EXE_slewd")).arg("demo").stdout(Stdio::piped()).spawn().expect("slewd starts");
    let (mut lines, mut last) = (0, Instant::now());
    for line in BufReader::new(demo.stdout.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        assert!(line.chars().count() <= COLUMNS, "{line}");
        assert!(last.elapsed() <= LONGEST_SILENCE, "{:?} before: {line}", last.elapsed());
        (lines, last) = (lines + 1, Instant::now());
    }
    demo.wait().expect("it has ended");
    assert!(lines > 30, "a cast, a log, a picture and a verdict: {lines} lines");
}
