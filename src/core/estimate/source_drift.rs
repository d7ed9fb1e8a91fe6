//! Sources whose clocks run away from the others': too slowly for selection to see, or for any one sample to look mad.
//!
//! Each sample is a little ahead of what was expected of its source, or a little behind. If our own oscillator wanders,
//! all sources are off to the same side; if one keeps to a side of its own, that source drifts.

use super::filter::Filter;
use super::update::GateVerdict;
use super::{MAX_SOURCES, Sample, Slot};
use crate::time::Raw;

/// With so many sources one can be seen to drift.
const WITNESSES: usize = 3;
/// Samples over which the side is averaged.
const MEMORY: f64 = 8.0;
/// One sample counts for no more than this many deviations.
const LOUDEST: f64 = 3.0;
/// So many deviations on average apart from the others are no chance: the average's own deviation is a quarter...
const APART: f64 = 1.0;
/// ...and it must be this many times what the others have in common.
const AGAINST_COMMON: f64 = 2.0;
/// The bias has probably strayed by so many times what one sample shows.
const STRAYED: f64 = 3.0;
/// What is left of a drift's allowance after each further sample: it is forgotten after some thirty.
const FORGIVING: f64 = 0.97;

/// The average side of each source, in expected deviations; positive: ahead.
#[derive(Clone, Copy)]
pub(super) struct Discord {
    side: [f64; MAX_SOURCES],
}

impl Discord {
    /// No source is apart.
    pub(super) const NEW: Discord = Discord { side: [0.0; MAX_SOURCES] };

    /// Forgets a source.
    pub(super) fn forget(&mut self, slot: usize) {
        self.side[slot] = 0.0;
    }

    /// Takes what a sample told, and lets the bias of its source drift if it has kept apart from the other active ones.
    /// `last` is when its sample before was used. Returns whether it has.
    pub(super) fn watch(
        &mut self,
        filter: &mut Filter,
        sample: &Sample,
        verdict: &GateVerdict,
        active: &[Slot],
        last: Option<Raw>,
    ) -> bool {
        let slot = sample.slot.index();
        let told = (verdict.ahead_s / verdict.expected_s).clamp(-LOUDEST, LOUDEST);
        self.side[slot] += (told - self.side[slot]) / MEMORY;
        filter.bank.forgive(slot, FORGIVING);
        let (common, elapsed) = match (self.common(slot, active), last) {
            (Some(common), Some(last)) => (common, (sample.at - last).secs_f64().max(1.0)),
            _ => return false,
        };
        let apart = self.side[slot] - common;
        if apart.abs() < APART || apart.abs() < AGAINST_COMMON * common.abs() {
            return false;
        }
        let shift = apart * verdict.expected_s;
        filter.bank.let_drift(slot, (STRAYED * shift).powi(2), shift * shift / elapsed);
        self.side[slot] = 0.0;
        true
    }

    /// The median side of the other active sources, if there are enough.
    fn common(&self, slot: usize, active: &[Slot]) -> Option<f64> {
        let mut others = [0.0; MAX_SOURCES];
        let mut count = 0;
        for other in active.iter().filter(|other| other.index() != slot) {
            others[count] = self.side[other.index()];
            count += 1;
        }
        let others = &mut others[..count];
        tiny_sort::unstable::sort_by(others, f64::total_cmp);
        (count + 1 >= WITNESSES).then(|| 0.5 * (others[(count - 1) / 2] + others[count / 2]))
    }
}
