//! True time with a leap second in it.
//!
//! The world runs on a steady scale that never jumps: UTC as it would be counted without the leap second.

use crate::core::clock::leap::LeapSecond;
use crate::time::{Leap, Span, Utc};

/// A leap second is announced on its day.
const DAY: Span = Span::from_secs(86_400);

/// From steady time to UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The leap second that comes, if one does.
    pub leap: Option<LeapSecond>,
}

impl Timeline {
    /// UTC as CLOCK_REALTIME counts it.
    pub fn utc(&self, steady: Utc) -> Utc {
        match self.leap.filter(|leap| steady >= leap.instant()) {
            Some(leap) => steady + leap.step(),
            None => steady,
        }
    }

    /// The time of a server that takes as long as this to follow the leap second, half of it before and half after.
    pub fn smeared(&self, steady: Utc, length: Span) -> Utc {
        let Some(leap) = self.leap else { return steady };
        let begins = leap.instant() - length.half();
        let part = (steady - begins).secs_f64() / length.secs_f64();
        steady + leap.step().scaled(part.clamp(0.0, 1.0))
    }

    /// What an honest server announces.
    pub fn announced(&self, steady: Utc) -> Leap {
        let today = self.leap.filter(|leap| (leap.midnight() - DAY..leap.instant()).contains(&steady));
        today.map_or(Leap::Normal, LeapSecond::leap)
    }
}
