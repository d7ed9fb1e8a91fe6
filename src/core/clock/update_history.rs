//! What has happened to the clock, for people who ask later.

use crate::core::api::command::Applied;
use crate::core::api::source_id::SourceId;
use crate::time::{Raw, Span, Utc};

/// The long-term mean of the offsets is that of about so many updates.
const REMEMBERED_UPDATES: f64 = 32.0;

/// Steps, updates, and what they were about.
#[derive(Clone, Copy, Debug)]
pub struct UpdateHistory {
    /// When slewd was started.
    pub started: Raw,
    /// The last update of the clock; `None` before the first.
    pub update: Option<Update>,
    /// When the clock was first told the time.
    pub first_set: Option<Raw>,
    /// When a source last told the time.
    pub last_answer: Option<Raw>,
    /// Steps made.
    pub steps: u32,
    /// The last step: positive is forward.
    pub last_step: Option<(Raw, Span)>,
    /// How often somebody else changed the clock.
    pub foreign_changes: u32,
    /// The clock may only be looked at.
    pub is_observed: bool,
    /// The kernel refused the last command to move or steer the clock.
    pub is_refused: bool,
}

/// An update of the clock.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Update {
    /// When the update was made, by the raw counter.
    pub at: Raw,
    /// When the update was made, in true time by the estimate.
    pub utc: Utc,
    /// Whom the clock follows since.
    pub reference: Reference,
    /// How far the clock was ahead of where it was thought to be.
    pub ahead: Span,
    /// Time since the update before.
    pub interval: Span,
    /// Mean square of `ahead` over the last updates, in s^2.
    mean_square: f64,
    /// Updates in the mean.
    count: f64,
}

/// The best source at an update, as it described itself.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Reference {
    /// The source.
    pub source: SourceId,
    /// The stratum of the source.
    pub stratum: u8,
    /// Round trip to the primary reference, by way of this source, in seconds.
    pub root_delay_s: f64,
    /// Error from the primary reference to this source, in seconds.
    pub root_dispersion_s: f64,
}

impl UpdateHistory {
    /// The history of a clock that nothing has happened to.
    pub fn new(started: Raw) -> Self {
        UpdateHistory {
            started,
            update: None,
            first_set: None,
            last_answer: None,
            steps: 0,
            last_step: None,
            foreign_changes: 0,
            is_observed: false,
            is_refused: false,
        }
    }

    /// The clock is told the time, `utc`, which differs by `ahead` from what it was thought to be. `is_step`: that is
    /// made good by a step, after which the mean begins anew.
    pub fn updated(&mut self, at: Raw, utc: Utc, reference: Reference, ahead: Span, is_step: bool) {
        self.first_set.get_or_insert(at);
        let square = ahead.secs_f64() * ahead.secs_f64();
        let before = self.update;
        let known = before.filter(|before| before.count > 0.0 && !is_step);
        let (mean, count) = known.map_or((square, 0.0), |known| (known.mean_square, known.count));
        let count = (count + 1.0).min(REMEMBERED_UPDATES);
        self.update = Some(Update {
            at,
            utc,
            reference,
            ahead,
            interval: before.map_or(Span::ZERO, |before| at - before.at),
            mean_square: mean + (square - mean) / count,
            // What a step made good says nothing of the next offset.
            count: if is_step { 0.0 } else { count },
        });
    }

    /// The clock did this.
    pub fn applied(&mut self, applied: Applied, now: Raw) {
        match applied {
            Applied::Stepped { by } => {
                self.steps = self.steps.saturating_add(1);
                self.last_step = Some((now, by));
                (self.is_observed, self.is_refused) = (false, false);
            }
            Applied::Observed { .. } => self.is_observed = true,
            Applied::Steered { .. } => (self.is_observed, self.is_refused) = (false, false),
            Applied::Reported | Applied::TaiSet { .. } => self.is_observed = false,
            Applied::Failed { disobeys } => self.is_refused |= disobeys,
        }
    }

    /// Somebody else changed the clock.
    pub fn changed_by_others(&mut self) {
        self.foreign_changes = self.foreign_changes.saturating_add(1);
    }
}

impl Update {
    /// Root mean square of [`Update::ahead`] over the last updates, in seconds.
    pub fn rms_s(&self) -> f64 {
        self.mean_square.max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(offsets_s: &[(f64, bool)]) -> Update {
        let mut history = UpdateHistory::new(Raw::from_nanos(0));
        let reference = Reference {
            source: SourceId::Server([192, 0, 2, 1].into()),
            stratum: 2,
            root_delay_s: 0.01,
            root_dispersion_s: 0.0,
        };
        for (second, (offset_s, is_step)) in (1..).zip(offsets_s) {
            let (at, utc) = (Raw::from_nanos(second * 1_000_000_000), Utc::from_secs(second));
            history.updated(at, utc, reference, Span::from_secs_f64(*offset_s), *is_step);
        }
        history.update.expect("an update")
    }

    #[test]
    fn the_mean_is_that_of_the_updates_since_the_last_step() {
        assert!((told(&[(3e-3, false), (-4e-3, false)]).rms_s() - 12.5e-6_f64.sqrt()).abs() < 1e-9);
        assert!((told(&[(-3600.0, true), (1e-3, false), (-1e-3, false)]).rms_s() - 1e-3).abs() < 1e-9);
        assert_eq!(told(&[(1e-3, false), (0.0, false)]).interval, Span::from_secs(1));
    }

    #[test]
    fn old_offsets_fade() {
        let mut offsets = vec![(0.1, false)];
        offsets.extend([(1e-6, false); 1000]);
        assert!(told(&offsets).rms_s() < 2e-6);
    }
}
