//! Samples of the last run (`dumpdir`, `-r`): what they say goes into the estimate ahead of the present.
//!
//! They have no vote. Who sets the clock is decided as ever by those who answer now; what these have said before is fed
//! to the estimator ahead of it. If the counter has run on since, that is all there is to know about true time, and the
//! present answers only have to agree with it. Otherwise it must not decide about the phase: the clock that dated the
//! samples may have been set meanwhile.

use crate::core::api::dump::Kept;
use crate::core::estimate::{Sample, SlotSet};
use crate::core::source::Source;
use crate::core::true_time::TrueTime;
use crate::time::Raw;

/// Samples fed at the start, of all sources together: the work of a few milliseconds.
const MOST_FED: usize = 256;

/// After a boot the oscillator may run at another rate, by as much as is assumed of a drift file.
const FREQUENCY_SD_AFTER_BOOT: f64 = 1e-7;

/// The kernel measures the length of a sleep by the hardware clock: to a second.
pub(in crate::core) const PHASE_SD_AFTER_SLEEP_S: f64 = 1.0;

/// What the samples of the last run are good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::core) enum PastUse {
    /// There are none of those who agree.
    Nothing,
    /// The samples say at which rate true time runs; the phase is left to the present.
    Rate,
    /// The samples say what the time is: the counter has run on since.
    Time,
}

impl TrueTime {
    /// Feeds what the active sources said before `began`.
    pub(in crate::core) fn feed_past(&mut self, sources: &[Source], active: SlotSet, began: Raw) -> PastUse {
        let share = MOST_FED / active.len().max(1);
        let mut samples = Vec::new();
        for source in sources.iter().filter(|source| source.has_exact_past.is_some()) {
            let past = || source.archive.before(began);
            let sample = |kept: &Kept| Sample { slot: source.slot, at: kept.at, lead: kept.lead, delay: kept.delay };
            if active.contains(source.slot) {
                samples.extend(past().skip(past().count().saturating_sub(share)).map(sample));
            } else {
                past().for_each(|kept| self.estimator.observe(&sample(kept)));
            }
        }
        tiny_sort::stable::sort_by_key(&mut samples, |sample| sample.at);
        for sample in &samples {
            self.feed(sample, active);
        }
        let is_exact = sources.iter().all(|source| source.has_exact_past != Some(false));
        match (samples.is_empty(), is_exact) {
            (true, _) => PastUse::Nothing,
            (false, true) => PastUse::Time,
            (false, false) => {
                self.distrust(PHASE_SD_AFTER_SLEEP_S, FREQUENCY_SD_AFTER_BOOT);
                PastUse::Rate
            }
        }
    }
}
