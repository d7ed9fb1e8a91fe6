//! The state of the engine, for people and programs.

use crate::core::engine::Engine;
use crate::core::snapshot::{Snapshot, SourceReport};
use crate::time::ClockReading;
use crate::wire::cmdmon::report::{Activity, Address, Status, Tracking};

impl Engine {
    /// Everything at once.
    pub fn snapshot(&self, now: &ClockReading) -> Snapshot {
        Snapshot {
            tracking: self.tracking_report(now),
            status: Some(self.status(now)),
            activity: self.activity(),
            server: None,
            sources: (0..self.source_count()).filter_map(|index| self.source_report(index, now)).collect(),
        }
    }

    /// The clock.
    pub fn tracking_report(&self, _now: &ClockReading) -> Tracking {
        Tracking::default()
    }

    /// The clock, beyond chrony's terms.
    pub fn status(&self, _now: &ClockReading) -> Status {
        Status::default()
    }

    /// How many sources are asked.
    pub fn activity(&self) -> Activity {
        Activity::default()
    }

    /// Sources, and names without an address.
    pub fn source_count(&self) -> usize {
        0
    }

    /// One of them.
    pub fn source_report(&self, _index: usize, _now: &ClockReading) -> Option<SourceReport> {
        None
    }

    /// The index of one of them.
    pub fn find_source(&self, _address: Address) -> Option<usize> {
        None
    }
}
