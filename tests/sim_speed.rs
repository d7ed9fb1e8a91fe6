//! How much faster than real time the simulator runs the real engine.

#![allow(clippy::disallowed_methods, reason = "tests may look at the clock")]

mod support;

use std::time::Instant;

use slewd::sim::{Scenario, World};
use slewd::time::Span;

/// A month.
const LENGTH_S: f64 = 30.0 * 86_400.0;

#[test]
fn ten_thousand_times_faster_than_real_time() {
    let mut scenario = Scenario::pool(1, 4);
    scenario.length_s = LENGTH_S;
    scenario.record_every = Span::from_secs(60);
    let begun = Instant::now();
    let trace = World::new(scenario).run();
    let speed = LENGTH_S / begun.elapsed().as_secs_f64();
    let rms_us = trace.rms_s(86_400.0, LENGTH_S) * 1e6;
    println!("{speed:.0} simulated seconds per second; {} requests, {} wake-ups", trace.requests, trace.wakes);
    println!("error {rms_us:.0} us RMS");
    assert!(speed > 10_000.0);
    assert!(rms_us < 200.0);
}
