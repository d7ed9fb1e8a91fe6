//! What the kernel is told of the clock's error, and what is kept for the next run.

use crate::core::api::command::{ClockCommand, ClockReport};
use crate::core::api::drift::DriftRecord;
use crate::core::api::output::{Output, Outputs};
use crate::core::api::settings::Mode;
use crate::core::clock::{ClockControl, View};
use crate::core::estimate::Estimate;
use crate::core::true_time::{TrueTime, expected_error};
use crate::time::{Leap, Span};

/// A frequency less certain than this is not worth keeping in the drift file: half of what is assumed without one.
const KEEP_FREQUENCY_SD: f64 = 5e-5;

impl ClockControl {
    /// Tells the kernel how far the clock can be trusted; `left` is still to be slewed.
    pub(in crate::core) fn report(&mut self, estimate: &Estimate, left: Span, view: &View<'_>, outputs: &mut Outputs) {
        let now = view.now.raw;
        // The kernel lets its bound grow by 500 ppm only until it is told again.
        let until_news = self.next_request(view, now).map_or(Span::ZERO, |at| at - now).max(Span::ZERO);
        let max_error = view.maximum_error(estimate, left) + view.time.strayed_by_rate(until_news);
        outputs.command(ClockCommand::Report(ClockReport {
            synchronized: self.reports_synchronised && self.is_synchronised(&view.selector.sync),
            max_error,
            est_error: expected_error(estimate, now, left),
            leap: self.leap.armed(),
        }));
    }

    /// While there is a vote against what is known, either may be right; and so it is while our rate is in doubt.
    pub(in crate::core) fn report_contested(&mut self, view: &View<'_>, outputs: &mut Outputs) {
        let sync = &view.selector.sync;
        let is_contested = sync.is_contested() || sync.is_decided() && view.time.is_rate_doubted();
        if let Some(estimate) = view.time.estimate().filter(|_| is_contested && self.mode == Mode::Discipline) {
            self.report(&estimate, view.error(&estimate).abs(), view, outputs);
        }
    }

    /// Tells the kernel that nothing is known.
    pub(in crate::core) fn report_unsynchronised(&mut self, outputs: &mut Outputs) {
        let worst = Span::from_secs(16);
        let report = ClockReport { synchronized: false, max_error: worst, est_error: worst, leap: Leap::Normal };
        outputs.command(ClockCommand::Report(report));
    }

    /// What to tell the clock at exit, if anything: a slew ends by itself, and a leap second is not left armed when nobody
    /// watches.
    pub(in crate::core) fn parting(&self, view: &View<'_>) -> impl Iterator<Item = ClockCommand> + use<> {
        let tamed = self.discipline.tame(view.now).filter(|_| self.mode == Mode::Discipline);
        tamed.into_iter().chain(self.disarmed(view))
    }

    fn disarmed(&self, view: &View<'_>) -> Option<ClockCommand> {
        let estimate = view.time.estimate().filter(|_| self.leap.armed() != Leap::Normal)?;
        let left = view.error(&estimate).abs();
        Some(ClockCommand::Report(ClockReport {
            synchronized: self.reports_synchronised && self.is_synchronised(&view.selector.sync),
            max_error: view.bound(&estimate) + left,
            est_error: expected_error(&estimate, view.now.raw, left),
            leap: Leap::Normal,
        }))
    }

    /// What to write to the drift file; `None` if nothing worth keeping is known.
    pub(in crate::core) fn drift(&self, time: &TrueTime) -> Option<DriftRecord> {
        let estimate = time.estimate()?;
        let is_worth_keeping = estimate.frequency_sd() < KEEP_FREQUENCY_SD;
        is_worth_keeping.then(|| DriftRecord::new(estimate.frequency - time.known_rate(), estimate.frequency_sd()))
    }

    pub(super) fn save_when_due(&mut self, estimate: &Estimate, view: &View<'_>, outputs: &mut Outputs) {
        let now = view.now.raw;
        let age = now - *self.saved_at.get_or_insert(now);
        if age < self.drift_interval || estimate.frequency_sd() > KEEP_FREQUENCY_SD {
            return;
        }
        let record = DriftRecord::new(estimate.frequency - view.time.known_rate(), estimate.frequency_sd());
        if self.saved.is_none_or(|saved| saved.is_worth_replacing(&record, age)) {
            self.saved_at = Some(now);
            self.saved = Some(record);
            outputs.push(Output::Save(record));
        }
    }
}
