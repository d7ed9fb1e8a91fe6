//! What a run has shown.

use crate::core::api::event::Event;
use crate::core::api::record::Record;
use crate::time::Span;

/// The record of a run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The clock against the truth, at regular moments.
    pub points: Vec<Point>,
    /// What the engine told, and when (seconds after the start).
    pub events: Vec<(f64, Event)>,
    /// What the engine noted for the log files, and when.
    pub records: Vec<(f64, Record)>,
    /// When the clock was stepped by the engine, and by how much.
    pub steps: Vec<(f64, Span)>,
    /// How far each of these steps left the clock ahead of the truth (s).
    pub stepped_to_s: Vec<f64>,
    /// Requests sent.
    pub requests: u64,
    /// Times the daemon woke up.
    pub wakes: u64,
    /// When establishments of NTS keys began (seconds after the start).
    pub establishments: Vec<f64>,
    /// When the drift file was written (seconds after the start).
    pub saves: Vec<f64>,
    /// Address files written.
    pub address_saves: u64,
    /// Exit status, if the engine has finished.
    pub finished: Option<bool>,
}

/// The state of the clock at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Seconds after the start.
    pub at_s: f64,
    /// How far the clock is ahead of the truth.
    pub error_s: f64,
    /// Rate of the clock against the truth, minus one.
    pub frequency_error: f64,
    /// The bound the kernel reports (maxerror).
    pub max_error_s: f64,
    /// What the engine thinks the error may be: its standard deviation, and what is still to be slewed. NaN while it
    /// knows nothing.
    pub est_error_s: f64,
    /// The kernel says the clock is synchronised.
    pub is_synchronised: bool,
}

impl Trace {
    /// Root mean square of the error between two moments (seconds after the start).
    pub fn rms_s(&self, from_s: f64, to_s: f64) -> f64 {
        root_mean_square(self.between(from_s, to_s).map(|point| point.error_s))
    }

    /// Root mean square of the frequency error between two moments.
    pub fn rms_frequency(&self, from_s: f64, to_s: f64) -> f64 {
        root_mean_square(self.between(from_s, to_s).map(|point| point.frequency_error))
    }

    /// Largest error between two moments.
    pub fn max_s(&self, from_s: f64, to_s: f64) -> f64 {
        self.between(from_s, to_s).map(|point| point.error_s.abs()).fold(0.0, f64::max)
    }

    /// From when on the error stays below `limit_s`; `None` if it is larger at the end.
    pub fn settled_s(&self, limit_s: f64) -> Option<f64> {
        let bad = self.points.iter().rposition(|point| point.error_s.abs() >= limit_s);
        self.points.get(bad.map_or(0, |index| index + 1)).map(|point| point.at_s)
    }

    /// Has the engine told such a thing?
    pub fn told(&self, which: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(|(_, event)| which(event))
    }

    fn between(&self, from_s: f64, to_s: f64) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(move |point| (from_s..to_s).contains(&point.at_s))
    }
}

fn root_mean_square(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value * value, count + 1.0));
    if count == 0.0 { f64::NAN } else { (sum / count).sqrt() }
}
