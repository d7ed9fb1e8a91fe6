//! What the clock is steered by, as of one moment.

use crate::core::clock::update_history::Reference;
use crate::core::estimate::Estimate;
use crate::core::pool::SourceSet;
use crate::core::selection::selector::Selector;
use crate::core::true_time::TrueTime;
use crate::time::{ClockReading, Span};

/// The sources, what they agree on, and what is known of true time: to be looked at, not touched.
#[derive(Clone, Copy)]
pub(in crate::core) struct View<'a> {
    /// The sources and their lines.
    pub(in crate::core) sources: &'a SourceSet,
    /// Who agrees.
    pub(in crate::core) selector: &'a Selector,
    /// What is known.
    pub(in crate::core) time: &'a TrueTime,
    /// The clocks.
    pub(in crate::core) now: &'a ClockReading,
}

impl View<'_> {
    /// Bound on the error of the estimate.
    pub(in crate::core) fn bound(&self, estimate: &Estimate) -> Span {
        let bound = self.time.bound(estimate, self.sources.all(), self.selector.active(), self.now.raw);
        debug_assert!(bound >= Span::ZERO, "a bound of {bound:?}");
        bound
    }

    /// Bound on the error of a clock that is off the estimate by `left`. While what sources say contradicts the estimate
    /// either of them may be right.
    pub(in crate::core) fn maximum_error(&self, estimate: &Estimate, left: Span) -> Span {
        self.bound(estimate) + self.contested() + left.abs()
    }

    /// How far what most sources say is from the estimate, while there is a vote on that.
    pub(in crate::core) fn contested(&self) -> Span {
        if self.selector.sync.is_decided() || self.selector.selection().agreeing.is_empty() {
            return Span::ZERO;
        }
        let (low_s, high_s) = self.selector.agreed_s(self.sources, self.time, self.now.raw);
        Span::from_secs_f64(low_s.abs().max(high_s.abs()))
    }

    /// How far the clock is behind the estimate.
    pub(in crate::core) fn error(&self, estimate: &Estimate) -> Span {
        estimate.true_time(self.now.raw) - self.now.utc
    }

    /// The best source, as it describes itself.
    pub(in crate::core) fn reference(&self) -> Option<Reference> {
        let best = self.sources.in_slot(self.selector.selection().best?)?;
        let last = best.last.as_ref()?;
        let path = self.time.path_noise(best.slot);
        let delay_s = path.map_or(last.sample.delay.secs_f64(), |path| path.min_delay_s);
        Some(Reference {
            source: best.id(),
            stratum: last.stratum,
            root_delay_s: last.root_delay.secs_f64() + delay_s,
            root_dispersion_s: last.root_dispersion.secs_f64(),
        })
    }
}
