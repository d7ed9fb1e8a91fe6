//! Directive `metricsfile`: what `slewd metrics` prints, for node_exporter's textfile collector.

use crate::config;
use crate::core::engine::Engine;
use crate::daemon::files::state_file::StateFile;
use crate::daemon::notify::observer::Observer;
use crate::report::metrics;
use crate::sys::clock;
use crate::time::{ClockReading, Raw, Span};

/// The file. When this is dropped, it says that slewd does not run: old figures would look like new ones.
#[derive(Debug)]
pub struct MetricsFile {
    file: StateFile,
    interval: Span,
    due: Option<Raw>,
}

impl MetricsFile {
    /// Remembers the path; the file is not touched yet.
    pub fn new(wanted: &config::MetricsFileDirective) -> Self {
        MetricsFile {
            file: StateFile::fleeting(&wanted.path, "no metrics"),
            interval: Span::from_secs(i64::from(wanted.interval_s)),
            due: None,
        }
    }
}

impl Observer for MetricsFile {
    fn rest(&mut self, engine: &Engine, now: &ClockReading) -> Option<Raw> {
        if self.due.is_none_or(|due| due <= now.raw) {
            self.file.replace(metrics::text(&engine.snapshot(now)) + &metrics::written(now.utc));
            self.due = Some(now.raw + self.interval);
        }
        self.due
    }
}

impl Drop for MetricsFile {
    fn drop(&mut self) {
        self.file.replace(metrics::down() + &metrics::written(clock::read().utc));
    }
}
