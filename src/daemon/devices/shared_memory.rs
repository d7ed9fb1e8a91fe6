//! Driver SHM: a segment of shared memory that gpsd or another program writes to.

use std::io;

use crate::core::api::reference_clock::Reading;
use crate::core::refclock::shm::{self, ShmRecord};
use crate::sys::shared_memory::{Segment, SegmentLayout};

/// The key of segment 0, "NTP0"; the others follow it.
const FIRST_KEY: u32 = 0x4e54_5030;

/// The segment.
#[derive(Debug)]
pub(super) struct SharedMemory(Segment);

impl SharedMemory {
    /// Attaches the segment, which is made if it is not there: whoever comes first makes it.
    pub(super) fn open(unit: u32, permissions: u32) -> io::Result<Self> {
        Segment::attach(FIRST_KEY.wrapping_add(unit), permissions).map(SharedMemory)
    }

    /// What it says, if that is new. It is marked as read.
    pub(super) fn read(&mut self) -> io::Result<Reading> {
        let SegmentLayout {
            mode,
            count,
            clock_s,
            clock_us,
            received_s,
            received_us,
            leap,
            precision,
            samples: _,
            valid,
            clock_ns,
            received_ns,
            unused: _,
        } = self.0.read();
        if valid == 0 {
            return Ok(Reading::Nothing);
        }
        // 32 bits on some machines.
        #[allow(clippy::useless_conversion)]
        let (clock_s, received_s) = (i64::from(clock_s), i64::from(received_s));
        let record = ShmRecord {
            mode,
            count,
            clock_s,
            clock_us,
            clock_ns,
            received_s,
            received_us,
            received_ns,
            leap,
            precision,
            valid,
        };
        let reading = shm::reading(&record, self.0.count());
        self.0.mark_read();
        Ok(reading)
    }
}
