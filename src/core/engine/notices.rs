//! What the log already says: each thing is told once.

use crate::core::api::event::{Event, Label};
use crate::core::api::flaw::Flaw;
use crate::core::api::output::Outputs;
use crate::core::api::settings::Settings;
use crate::core::estimate::{MAX_SOURCES, Slot};
use crate::core::selection::{Selection, SourceStatus};
use crate::core::source::Source;

/// What has been told.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices {
    selected: Option<Label>,
    /// Why each source is out.
    status: [Option<SourceStatus>; MAX_SOURCES],
    /// What is wrong with each source.
    flaw: [Option<Flaw>; MAX_SOURCES],
}

impl Notices {
    /// The place has a new source, or none.
    pub(super) fn vacate(&mut self, slot: Slot) {
        self.status[slot.index()] = None;
        self.flaw[slot.index()] = None;
    }

    /// No source is selected any more, so that the next one will be news.
    pub(super) fn forget_selected(&mut self) {
        self.selected = None;
    }

    /// This source is the one that the clock follows.
    pub(super) fn selected(&mut self, label: &Label, outputs: &mut Outputs) {
        if self.selected.as_ref() != Some(label) {
            outputs.tell(Event::Selected(label.clone()));
            self.selected = Some(label.clone());
        }
    }

    /// What selection has made of a source. `is_excused`: it may be called a falseticker only because our rate is not what
    /// it is taken for. Returns whether the source has newly fallen out.
    pub(super) fn judged(
        &mut self,
        source: &Source,
        selection: &Selection,
        is_excused: impl Fn() -> bool,
        settings: &Settings,
        outputs: &mut Outputs,
    ) -> bool {
        let told = &mut self.status[source.slot.index()];
        let status = selection.status[source.slot.index()];
        if status == Some(SourceStatus::Active) {
            *told = None;
        }
        let label = || source.label.clone();
        let event = match status.filter(|_| status != *told) {
            Some(SourceStatus::Falseticker) if selection.is_majority && !is_excused() => Event::Falseticker(label()),
            Some(SourceStatus::TooDistant) => Event::TooDistant(label(), settings.max_distance_s),
            Some(SourceStatus::TooJittery) => Event::TooJittery(label(), settings.max_jitter_s),
            Some(SourceStatus::BadStratum) if source.last.is_some_and(|m| m.stratum < settings.min_stratum) => {
                Event::StratumBelow(label(), settings.min_stratum)
            }
            Some(SourceStatus::BadStratum) => Event::StratumAbove(label(), settings.max_stratum),
            _ => return false,
        };
        *told = status;
        outputs.tell(event);
        true
    }

    /// A flaw has lasted for long enough.
    pub(super) fn flawed(&mut self, source: &Source, flaw: Option<Flaw>, outputs: &mut Outputs) {
        let told = &mut self.flaw[source.slot.index()];
        if source.conduct.has_recovered() {
            *told = None;
        }
        if let (None, Some(flaw)) = (*told, flaw) {
            *told = Some(flaw);
            outputs.tell(Event::SourceUnusable(source.label.clone(), flaw));
        }
    }

    /// A flaw of the source has been told.
    pub(super) fn has_flaw(&self, source: &Source) -> bool {
        self.flaw[source.slot.index()].is_some()
    }
}
