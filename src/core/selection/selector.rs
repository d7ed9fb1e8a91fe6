//! The state of selection: who agrees, who is best, and whether the clock is synchronised.

use crate::core::api::event::Obstacle;
use crate::core::api::record::SelectionState;
use crate::core::api::settings::Settings;
use crate::core::estimate::{MAX_SOURCES, Slot, SlotSet};
use crate::core::pool::{Opinion, SourceSet};
use crate::core::selection::sync_state::SyncState;
use crate::core::selection::{Candidate, Selection, SelectionScore, SourceStatus, select};
use crate::core::source::Source;
use crate::core::true_time::TrueTime;
use crate::time::{Lead, Raw, Span};

/// Added to every interval: rounding and time stamping (s).
const INTERVAL_MARGIN_S: f64 = 1e-6;

/// Whom the clock follows.
pub(in crate::core) struct Selector {
    selection: Selection,
    score: SelectionScore,
    /// Whether the clock is synchronised.
    pub(in crate::core) sync: SyncState,
    /// The run ends soon: hosts that do not answer are not waited for.
    pub(super) is_brief: bool,
    /// `minsources`.
    min_sources: usize,
}

impl Selector {
    /// Nobody has said anything. `is_brief`: in one-shot modes, and with `-t`, hosts that do not answer are not waited for.
    pub(in crate::core) fn new(settings: &Settings, is_brief: bool) -> Self {
        Selector {
            selection: Selection::empty(),
            score: SelectionScore::default(),
            sync: SyncState::START,
            is_brief,
            min_sources: settings.min_sources,
        }
    }

    /// Nobody has said anything that counts any more.
    pub(in crate::core) fn reset(&mut self) {
        self.selection = Selection::empty();
        self.score = SelectionScore::default();
        self.sync = SyncState::START;
    }

    /// What the last selection made of the sources.
    pub(in crate::core) fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The sources whose samples are used.
    pub(in crate::core) fn active(&self) -> SlotSet {
        self.selection.active
    }

    /// How well a source has done against the best.
    pub(in crate::core) fn score(&self, slot: Slot) -> f64 {
        self.score.score(slot)
    }

    /// The best source has no advantage over the others any more.
    pub(in crate::core) fn forget_best(&mut self) {
        self.score = SelectionScore::default();
    }

    /// The place has a new source, or none.
    pub(in crate::core) fn vacate(&mut self, slot: Slot) {
        self.score.forget(slot);
    }

    /// `minsources`.
    pub(in crate::core) fn min_sources(&self) -> usize {
        self.min_sources
    }

    /// What membership has to know.
    pub(in crate::core) fn opinion(&self) -> Opinion {
        let mut considered = SlotSet::default();
        for slot in (0..MAX_SOURCES).filter_map(Slot::new) {
            use SourceStatus::{Active, Distant, Falseticker, NotPreferred};
            if matches!(self.selection.status[slot.index()], Some(Active | NotPreferred | Distant | Falseticker)) {
                considered.insert(slot);
            }
        }
        Opinion { is_decided: self.sync.is_decided(), agreeing: self.selection.agreeing, considered }
    }

    /// Selects anew, and returns what the selection was before. `fresh` has just answered.
    pub(in crate::core) fn select(
        &mut self,
        sources: &SourceSet,
        time: &TrueTime,
        settings: &Settings,
        now: Raw,
        fresh: Option<Slot>,
    ) -> Selection {
        let (candidates, count) = candidates(sources.all(), time, now);
        let selection = select(&candidates[..count], time.witness_s(now), settings, &mut self.score, fresh);
        debug_assert!(
            selection.active.iter().all(|slot| selection.agreeing.contains(slot)),
            "a source that is followed agrees: {selection:?}"
        );
        std::mem::replace(&mut self.selection, selection)
    }

    /// A source has been refused for long enough to be replaced, if this goes on.
    pub(in crate::core) fn is_refused(&self, slot: Slot) -> bool {
        match self.selection.status[slot.index()] {
            Some(SourceStatus::Falseticker) => self.selection.is_majority,
            Some(SourceStatus::TooDistant | SourceStatus::TooJittery | SourceStatus::BadStratum) => true,
            _ => false,
        }
    }

    /// Where sources are required, one of them agrees.
    pub(in crate::core) fn has_required(&self, sources: &SourceSet) -> bool {
        let mut required = sources.all().iter().filter(|source| source.options.require).peekable();
        let is_required =
            required.peek().is_some() || sources.unresolved().any(|(_, line)| line.config.options.require);
        !is_required || required.any(|source| self.selection.agreeing.contains(source.slot))
    }

    /// The ends of what the agreeing sources have in common, in seconds from the reference lead.
    pub(in crate::core) fn agreed_s(&self, sources: &SourceSet, time: &TrueTime, now: Raw) -> (f64, f64) {
        let (candidates, count) = candidates(sources.all(), time, now);
        let agreeing = candidates[..count].iter().filter(|c| self.selection.agreeing.contains(c.slot));
        agreeing.fold((f64::NEG_INFINITY, f64::INFINITY), |(low, high), c| {
            (low.max(c.centre_s - c.distance_s), high.min(c.centre_s + c.distance_s))
        })
    }

    /// The middle of what the agreeing sources have in common.
    pub(in crate::core) fn agreed_lead(&self, sources: &SourceSet, time: &TrueTime, now: Raw) -> Lead {
        let (low_s, high_s) = self.agreed_s(sources, time, now);
        reference_lead(sources.all(), time, now) + Span::from_secs_f64(0.5 * (low_s + high_s))
    }

    /// What the agreeing sources have in common lies outside the honest bound of the estimate.
    pub(in crate::core) fn contradicts_estimate(&self, sources: &SourceSet, time: &TrueTime, now: Raw) -> bool {
        self.contradicts(time.prediction_bound(now), sources, time, now)
    }

    pub(super) fn contradicts(&self, bound: Option<Span>, sources: &SourceSet, time: &TrueTime, now: Raw) -> bool {
        let Some(bound_s) = bound.map(Span::secs_f64) else { return false };
        let (low_s, high_s) = self.agreed_s(sources, time, now);
        // Both count from the estimate.
        low_s > bound_s || high_s < -bound_s
    }

    /// What keeps the clock from being followed although it could be: `None` if nothing does.
    pub(in crate::core) fn find_obstacle(&self, sources: &SourceSet) -> Option<Obstacle> {
        let selection = &self.selection;
        if !selection.is_majority {
            Some(self.no_majority(sources))
        } else if selection.agreeing.len() < self.min_sources {
            Some(Obstacle::NotEnough)
        } else if !self.has_required(sources) {
            Some(Obstacle::NoRequired)
        } else {
            None
        }
    }

    /// Why there is no majority.
    pub(in crate::core) fn no_majority(&self, sources: &SourceSet) -> Obstacle {
        let (agreeing, voters) = (self.selection.agreeing.len(), self.selection.voters);
        if voters == 0 {
            let unreachable = sources.all().iter().filter(|source| source.reach == 0).count();
            return Obstacle::NoSelectableSources { unreachable };
        }
        Obstacle::NoMajority { agreeing, voters }
    }

    /// Why a source is in or out.
    pub(in crate::core) fn standing(&self, source: &Source, sources: &SourceSet) -> SelectionState {
        let selection = &self.selection;
        let is_vote = !self.sync.is_decided();
        // Everybody has spoken, to no avail.
        let has_failed = matches!(
            self.sync.obstacle(),
            Some(Obstacle::NoMajority { .. } | Obstacle::NotEnough | Obstacle::NoRequired)
        );
        let status = selection.status[source.slot.index()];
        let is_out = source.options.no_select || source.is_away();
        let Some(status) = status.filter(|_| !is_out) else { return absence(source) };
        match status {
            SourceStatus::BadStratum => SelectionState::BadStratum,
            SourceStatus::TooDistant => SelectionState::TooDistant,
            SourceStatus::TooJittery => SelectionState::TooJittery,
            SourceStatus::Falseticker if selection.is_majority => SelectionState::Falseticker,
            _ if is_vote && !has_failed => SelectionState::Waiting,
            _ if !selection.is_majority => SelectionState::Falseticker,
            SourceStatus::Untrusted => SelectionState::Untrusted,
            _ if selection.agreeing.len() < self.min_sources || !self.has_required(sources) => {
                SelectionState::Insufficient
            }
            _ if is_vote => SelectionState::Waiting,
            SourceStatus::NotPreferred => SelectionState::NotPreferred,
            SourceStatus::Distant => SelectionState::Distant,
            _ if selection.best == Some(source.slot) => SelectionState::Selected,
            _ => SelectionState::Combined,
        }
    }
}

/// Why a source was no candidate.
fn absence(source: &Source) -> SelectionState {
    if source.options.no_select {
        SelectionState::NotToBeSelected
    } else if source.last.is_none() && source.tally.unsynchronised > 0 {
        SelectionState::Unsynchronised
    } else if source.last.is_some() && source.reach == 0 {
        SelectionState::Stale
    } else {
        SelectionState::NoMeasurements
    }
}

/// What the sources say as of now, from [`reference_lead`].
pub(in crate::core) fn candidates(sources: &[Source], time: &TrueTime, now: Raw) -> ([Candidate; MAX_SOURCES], usize) {
    let mut list = [Candidate::NONE; MAX_SOURCES];
    let mut count = 0;
    let (reference, rate, frequency) = (reference_lead(sources, time, now), time.rate_bound(), time.frequency());
    for source in sources {
        let is_unprotected = !source.authentication().is_hopeful();
        let is_out = source.options.no_select || is_unprotected || source.is_away();
        let Some((lead, bound_s)) = source.interval(now, frequency, rate).filter(|_| !is_out) else { continue };
        list[count] = Candidate {
            slot: source.slot,
            centre_s: (lead - reference).secs_f64(),
            distance_s: bound_s + INTERVAL_MARGIN_S,
            jitter_s: time.path_noise(source.slot).map_or(0.0, |noise| noise.jitter_s),
            stratum: source.last.map_or(16, |last| last.stratum),
            trust: source.options.trust,
            prefer: source.options.prefer,
        };
        count += 1;
    }
    (list, count)
}

/// Any lead near the truth will do: it keeps the numbers small.
pub(in crate::core) fn reference_lead(sources: &[Source], time: &TrueTime, now: Raw) -> Lead {
    let measured = || sources.iter().find_map(|source| source.last).map(|last| last.sample.lead);
    let estimated = time.estimate().map(|estimate| estimate.lead_at(now));
    estimated.or_else(measured).unwrap_or(Lead::from_nanos(0))
}
