//! Where true time is taken to be.

use crate::core::engine::Engine;
use crate::core::estimate::Estimate;
use crate::time::{ClockReading, Lead, Raw};

/// A line through true time: the estimate, or the clock itself while there is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Believed {
    pub(super) at: Raw,
    pub(super) lead: Lead,
    pub(super) frequency: f64,
}

impl Believed {
    pub(super) fn lead_at(&self, raw: Raw) -> Lead {
        self.lead + (raw - self.at).scaled(self.frequency)
    }
}

impl From<&Estimate> for Believed {
    fn from(estimate: &Estimate) -> Self {
        Believed { at: estimate.at, lead: estimate.lead, frequency: estimate.frequency }
    }
}

impl Engine {
    /// Where true time is taken to be as of now.
    pub(super) fn believed(&self, now: &ClockReading) -> Believed {
        let nothing = || Believed { at: now.raw, lead: now.lead(), frequency: self.first_frequency() };
        self.estimator.estimate().as_ref().map_or_else(nothing, Believed::from)
    }
}
