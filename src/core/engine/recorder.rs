//! What goes to the log files, if they are wanted.

use crate::core::api::record::{
    Entry, MeasurementEntry, Record, SelectionEntry, StatisticsEntry, Test, TrackingEntry, Wanted,
};
use crate::core::clock::leap::LeapSecond;
use crate::core::engine::believed::Believed;
use crate::core::engine::clock_control::BOUND_SIGMAS;
use crate::core::engine::{Engine, Output};
use crate::core::estimate::Estimate;
use crate::core::selection::Candidate;
use crate::core::source::measurement::{Measurement, StampSource};
use crate::core::source::{Answer, Refusal};
use crate::time::{ClockReading, Lead, Leap, Raw, Span};
use crate::wire::ntp::Header;

/// What chronyd writes while nothing is known, in seconds: root delay, root dispersion, and their bound.
const UNKNOWN_ROOT_S: f64 = 1.0;
const UNKNOWN_ERROR_S: f64 = 1.5;

/// What recording has to remember.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    wanted: Wanted,
    pub(super) now: ClockReading,
    was_synchronised: bool,
    has_selected: bool,
    /// As of the last update of the clock.
    previous: Option<Estimate>,
}

impl Recorder {
    pub(super) fn new(wanted: Wanted, now: ClockReading) -> Self {
        Recorder { wanted, now, was_synchronised: false, has_selected: false, previous: None }
    }

    /// A new input is being handled.
    pub(super) fn begin(&mut self, now: &ClockReading) {
        self.now = *now;
    }

    /// Sources have been selected.
    pub(super) fn note_selection(&mut self) {
        self.has_selected = self.wanted.selection;
    }
}

impl Engine {
    /// What was known before a reply is taken, if a record is going to need it.
    pub(super) fn known_before(&self) -> Option<Estimate> {
        self.estimator.estimate().filter(|_| self.recorder.wanted.statistics)
    }

    /// A reply has been examined; the estimate has not seen it.
    pub(super) fn record_reply(
        &mut self,
        index: usize,
        header: Header,
        (sent_by, received_by): (StampSource, StampSource),
        result: &Result<Answer, Refusal>,
    ) {
        let wanted = self.recorder.wanted;
        if !wanted.measurements && !wanted.raw_measurements {
            return;
        }
        let Some(failed) = failed_test(result) else { return };
        if failed.is_some_and(|test| test < Test::Delay) && !wanted.raw_measurements {
            return;
        }
        let source = &self.sources[index];
        let measured = self.measured_by(index, result);
        let interval_s = source.schedule.interval().secs_f64();
        let poll = source.schedule.poll();
        let entry = MeasurementEntry {
            header,
            failed,
            interleaved: source.is_interleaved,
            poll,
            poll_excess: (libm::log2(interval_s.max(1e-3)) - f64::from(poll)).clamp(0.0, 1.0),
            offset: measured.map_or(Span::ZERO, |m| m.sample.lead - self.believed_lead(m.sample.at)),
            delay: measured.map_or(Span::ZERO, |m| m.sample.delay),
            dispersion_s: measured.map_or(0.0, |m| self.dispersion_s(&m)),
            sent_by: measured.map_or(sent_by, |m| m.sent_by),
            received_by: measured.map_or(received_by, |m| m.received_by),
        };
        self.record(Some(index), Entry::Measurement(entry));
    }

    /// A sample has been taken, and this is what was known before.
    pub(super) fn record_statistics(&mut self, index: usize, before: Option<Estimate>) {
        let Some((before, estimate)) = before.zip(self.estimator.estimate()) else { return };
        let source = &self.sources[index];
        let known = self.statistics(source, &Believed::from(&estimate));
        let Some((last, known)) = source.last.zip(known) else { return };
        let told = estimate.lead_at(last.sample.at) + Span::from_secs_f64(known.bias_s);
        let frequency_change = estimate.frequency - before.frequency;
        let entry = StatisticsEntry {
            sd_s: known.sd_s,
            offset: told - before.lead_at(last.sample.at),
            offset_sd_s: known.bias_sd_s,
            frequency_change,
            skew: BOUND_SIGMAS * estimate.frequency_sd(),
            stress: frequency_change.abs() / (BOUND_SIGMAS * before.frequency_sd()).max(f64::MIN_POSITIVE),
            samples: known.samples,
            runs: known.runs,
            lean: self.estimator.lean(source.slot),
        };
        self.record(Some(index), Entry::Statistics(entry));
    }

    /// The clock has been told to correct `error`, of which `remaining` is old.
    pub(super) fn record_update(&mut self, estimate: &Estimate, now: &ClockReading, error: Span, remaining: Span) {
        if !self.recorder.wanted.tracking {
            return;
        }
        let previous = self.recorder.previous.replace(*estimate);
        let best = self.sources.iter().position(|source| self.selection.best == Some(source.slot));
        let Some((best, reference)) = best.zip(self.reference()) else { return };
        let sd_s = estimate.offset_sd_s(now.raw);
        let bound = self.bound(&previous.unwrap_or(*estimate), now.raw) + remaining.abs();
        let entry = TrackingEntry {
            stratum: reference.stratum + 1,
            // As chronyd has it, without the compensation.
            frequency: estimate.frequency - self.known_rate(),
            skew: BOUND_SIGMAS * estimate.frequency_sd(),
            offset: error - remaining,
            offset_sd_s: sd_s,
            remaining,
            leap: Some(self.leap.expected().map_or(Leap::Normal, LeapSecond::leap)),
            combined: self.selection.active.len(),
            root_delay_s: reference.root_delay_s,
            root_dispersion_s: reference.root_dispersion_s + BOUND_SIGMAS * sd_s,
            max_error_s: if previous.is_some() { bound.secs_f64() } else { UNKNOWN_ERROR_S },
        };
        self.record(Some(best), Entry::Tracking(entry));
    }

    /// Nobody is followed: at the start, and when synchronisation is lost.
    pub(super) fn record_unsynchronised(&mut self) {
        if !self.recorder.wanted.tracking {
            return;
        }
        let estimate = self.estimator.estimate();
        let (frequency, sd) =
            estimate.map_or((self.first_frequency(), self.prior.sd), |e| (e.frequency, e.frequency_sd()));
        let entry = TrackingEntry {
            stratum: 0,
            frequency: frequency - self.known_rate(),
            skew: BOUND_SIGMAS * sd,
            offset: Span::ZERO,
            offset_sd_s: 0.0,
            remaining: self.discipline.remaining(&self.recorder.now),
            leap: None,
            combined: 0,
            root_delay_s: UNKNOWN_ROOT_S,
            root_dispersion_s: UNKNOWN_ROOT_S,
            max_error_s: UNKNOWN_ERROR_S,
        };
        self.record(None, Entry::Tracking(entry));
    }

    /// The input has been handled.
    pub(super) fn end_records(&mut self) {
        let is_synchronised = self.is_synchronised();
        if self.recorder.was_synchronised && !is_synchronised {
            self.record_unsynchronised();
        }
        self.recorder.was_synchronised = is_synchronised;
        if std::mem::take(&mut self.recorder.has_selected) {
            self.record_selection();
        }
    }

    fn record_selection(&mut self) {
        let now = self.recorder.now;
        let (candidates, count) = self.candidates(now.raw);
        // Candidates count from a lead of their own.
        let shift_s = (self.reference_lead(now.raw) - self.believed_lead(now.raw)).secs_f64();
        for index in 0..self.sources.len() {
            let source = &self.sources[index];
            let candidate = candidates[..count].iter().find(|candidate| candidate.slot == source.slot);
            let end_s = |of: fn(&Candidate) -> f64| candidate.map_or(0.0, |c| c.centre_s + of(c) + shift_s);
            let age = source.last.filter(|_| candidate.is_some()).map_or(Span::ZERO, |last| now.raw - last.sample.at);
            let options = &source.options;
            let entry = SelectionEntry {
                standing: self.standing(source),
                options: [options.no_select, options.prefer, options.trust, options.require],
                reach: source.reach,
                score: self.favourite.score(source.slot),
                age,
                low_s: end_s(|c| -c.distance_s),
                high_s: end_s(|c| c.distance_s),
            };
            self.record(Some(index), Entry::Selection(entry));
        }
    }

    /// Where the clock is heading: to the estimate, or nowhere while there is none.
    fn believed_lead(&self, at: Raw) -> Lead {
        self.estimator.estimate().map_or(self.recorder.now.lead(), |estimate| estimate.lead_at(at))
    }

    /// What the precision of both clocks and the frequency during the round trip may have hidden.
    pub(super) fn dispersion_s(&self, measurement: &Measurement) -> f64 {
        let own_s = self.settings.clock_precision_s.unwrap_or(0.0).max(0.5 * self.recorder.now.width.secs_f64());
        let precision_s = own_s + measurement.resolution.secs_f64();
        precision_s + self.rate_bound() * measurement.sample.delay.secs_f64()
    }

    pub(super) fn record(&mut self, about: Option<usize>, entry: Entry) {
        let source = about.map(|index| self.sources[index].address.ip());
        self.emit(Output::Record(Box::new(Record { at: self.recorder.now.utc, source, entry })));
    }
}

/// `None`: no reply. `Some(None)`: all tests are passed.
pub(super) fn failed_test(result: &Result<Answer, Refusal>) -> Option<Option<Test>> {
    Some(match result {
        Ok(Answer::Measured(_) | Answer::Collected) => None,
        Ok(Answer::Unsynchronised | Answer::Kiss(_)) => Some(Test::Synchronisation),
        Err(refusal) => Some(match refusal {
            Refusal::NoRequest | Refusal::Length | Refusal::Version | Refusal::Mode | Refusal::Trailer => return None,
            Refusal::Duplicate => Test::Repetition,
            Refusal::Origin => Test::Origin,
            Refusal::Timestamp => Test::Timestamps,
            Refusal::Authentication => Test::Authentication,
            Refusal::RootDistance => Test::RootDistance,
            Refusal::Delay | Refusal::Turnaround | Refusal::Era | Refusal::Waking | Refusal::Known => Test::Delay,
            Refusal::DelayRatio => Test::DelayRatio,
            Refusal::DelayDeviation | Refusal::DelayQuantile => Test::DelayDeviation,
        }),
    })
}
