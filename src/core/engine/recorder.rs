//! What goes to the log files, if they are wanted.

use crate::core::api::exchange::StampSource;
use crate::core::api::output::Output;
use crate::core::api::record::{
    LogEntry, MeasurementEntry, Record, SelectionEntry, StatisticsEntry, Test, TrackingEntry, Wanted,
};
use crate::core::clock::clock_control::Correction;
use crate::core::clock::leap::LeapSecond;
use crate::core::engine::Engine;
use crate::core::engine::clock_report::UNKNOWN_ROOT_S;
use crate::core::estimate::Estimate;
use crate::core::selection::Candidate;
use crate::core::selection::selector::{candidates, reference_lead};
use crate::core::source::{Answer, Refusal};
use crate::core::true_time::{BOUND_SIGMAS, Prediction, TrueTime};
use crate::time::{ClockReading, Lead, Leap, Raw, Span, Utc};
use crate::wire::ntp::Header;

/// What chronyd writes as the bound of the error while nothing is known, in seconds.
const UNKNOWN_ERROR_S: f64 = 1.5;

/// What recording has to remember.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    wanted: Wanted,
    was_synchronised: bool,
    has_selected: bool,
    /// The state at the last update of the clock.
    previous: Option<Estimate>,
}

impl Recorder {
    /// Nothing has been recorded.
    pub(super) fn new(wanted: Wanted) -> Self {
        Recorder { wanted, was_synchronised: false, has_selected: false, previous: None }
    }

    /// What was known before a reply is taken, if a record is going to need it.
    pub(super) fn known_before(&self, time: &TrueTime) -> Option<Estimate> {
        time.estimate().filter(|_| self.wanted.statistics)
    }

    /// Sources have been selected.
    pub(super) fn note_selection(&mut self) {
        self.has_selected = self.wanted.selection;
    }
}

impl Engine {
    /// A reply has been examined; the estimate has not seen it.
    pub(super) fn record_reply(
        &mut self,
        index: usize,
        header: Header,
        (sent_by, received_by): (StampSource, StampSource),
        result: &Result<Answer, Refusal>,
        now: &ClockReading,
    ) {
        let wanted = self.recorder.wanted;
        if !wanted.measurements && !wanted.raw_measurements {
            return;
        }
        let Some(failed) = failed_test(result) else { return };
        if failed.is_some_and(|test| test < Test::Delay) && !wanted.raw_measurements {
            return;
        }
        let source = &self.sources.all()[index];
        let measured = self.measured_by(index, result);
        let interval_s = source.schedule.interval().secs_f64();
        let poll = source.schedule.poll();
        let entry = MeasurementEntry {
            header,
            failed,
            interleaved: source.is_interleaved,
            poll,
            poll_excess: (libm::log2(interval_s.max(1e-3)) - f64::from(poll)).clamp(0.0, 1.0),
            offset: measured.map_or(Span::ZERO, |m| m.sample.lead - self.predicted_lead(m.sample.at, now)),
            delay: measured.map_or(Span::ZERO, |m| m.sample.delay),
            dispersion_s: measured.map_or(0.0, |m| self.dispersion_s(&m, now)),
            sent_by: measured.map_or(sent_by, |m| m.sent_by),
            received_by: measured.map_or(received_by, |m| m.received_by),
        };
        self.record(Some(index), LogEntry::Measurement(entry), now);
    }

    /// A sample has been taken, and this is what was known before.
    pub(super) fn record_statistics(&mut self, index: usize, before: Option<Estimate>, now: &ClockReading) {
        let Some((before, estimate)) = before.zip(self.time.estimate()) else { return };
        let source = &self.sources.all()[index];
        let known = self.statistics(source, &Prediction::from(&estimate));
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
            lean: self.time.lean(source.slot),
        };
        self.record(Some(index), LogEntry::Statistics(entry), now);
    }

    /// The clock has been corrected.
    pub(super) fn record_update(&mut self, correction: &Correction, now: &ClockReading) {
        if !self.recorder.wanted.tracking {
            return;
        }
        let Correction { estimate, error, remaining, .. } = correction;
        let previous = self.recorder.previous.replace(*estimate);
        let view = self.view(now);
        let best = self.sources.all().iter().position(|source| self.selector.selection().best == Some(source.slot));
        let Some((best, reference)) = best.zip(view.reference()) else { return };
        let sd_s = estimate.offset_sd_s(now.raw);
        let bound = view.bound(&previous.unwrap_or(*estimate)) + remaining.abs();
        let entry = TrackingEntry {
            stratum: reference.stratum + 1,
            // As chronyd has it, without the compensation.
            frequency: estimate.frequency - self.known_rate(),
            skew: BOUND_SIGMAS * estimate.frequency_sd(),
            offset: *error - *remaining,
            offset_sd_s: sd_s,
            remaining: *remaining,
            leap: Some(self.clock.leap.expected().map_or(Leap::Normal, LeapSecond::leap)),
            combined: self.selector.active().len(),
            root_delay_s: reference.root_delay_s,
            root_dispersion_s: reference.root_dispersion_s + BOUND_SIGMAS * sd_s,
            max_error_s: if previous.is_some() { bound.secs_f64() } else { UNKNOWN_ERROR_S },
        };
        self.record(Some(best), LogEntry::Tracking(entry), now);
    }

    /// No source is followed: at the start, and when synchronisation is lost.
    pub(super) fn record_unsynchronised(&mut self, now: &ClockReading) {
        if !self.recorder.wanted.tracking {
            return;
        }
        let entry = TrackingEntry {
            stratum: 0,
            frequency: self.time.frequency() - self.known_rate(),
            skew: BOUND_SIGMAS * self.time.frequency_sd(),
            offset: Span::ZERO,
            offset_sd_s: 0.0,
            remaining: self.clock.remaining(now),
            leap: None,
            combined: 0,
            root_delay_s: UNKNOWN_ROOT_S,
            root_dispersion_s: UNKNOWN_ROOT_S,
            max_error_s: UNKNOWN_ERROR_S,
        };
        self.record(None, LogEntry::Tracking(entry), now);
    }

    /// The input has been handled.
    pub(super) fn end_records(&mut self, now: &ClockReading) {
        let is_synchronised = self.is_synchronised();
        if self.recorder.was_synchronised && !is_synchronised {
            self.record_unsynchronised(now);
        }
        self.recorder.was_synchronised = is_synchronised;
        if std::mem::take(&mut self.recorder.has_selected) {
            self.record_selection(now);
        }
    }

    fn record_selection(&mut self, now: &ClockReading) {
        let (candidates, count) = candidates(self.sources.all(), &self.time, now.raw);
        // Candidates count from a lead of their own.
        let shift_s =
            (reference_lead(self.sources.all(), &self.time, now.raw) - self.predicted_lead(now.raw, now)).secs_f64();
        for index in 0..self.sources.all().len() {
            let source = &self.sources.all()[index];
            let candidate = candidates[..count].iter().find(|candidate| candidate.slot == source.slot);
            let end_s = |of: fn(&Candidate) -> f64| candidate.map_or(0.0, |c| c.centre_s + of(c) + shift_s);
            let age = source.last.filter(|_| candidate.is_some()).map_or(Span::ZERO, |last| now.raw - last.sample.at);
            let options = &source.options;
            let entry = SelectionEntry {
                standing: self.selector.standing(source, &self.sources),
                options: [options.no_select, options.prefer, options.trust, options.require],
                reach: source.reach,
                score: self.selector.score(source.slot),
                age,
                low_s: end_s(|c| -c.distance_s),
                high_s: end_s(|c| c.distance_s),
            };
            self.record(Some(index), LogEntry::Selection(entry), now);
        }
    }

    /// Where the clock is heading: to the estimate, or nowhere while there is none.
    fn predicted_lead(&self, at: Raw, now: &ClockReading) -> Lead {
        self.time.estimate().map_or(now.lead(), |estimate| estimate.lead_at(at))
    }

    pub(super) fn record(&mut self, about: Option<usize>, entry: LogEntry, now: &ClockReading) {
        self.record_at(now.utc, about, entry);
    }

    /// A record of what happened at another moment of the system clock.
    pub(super) fn record_at(&mut self, at: Utc, about: Option<usize>, entry: LogEntry) {
        let source = about.map(|index| self.sources.all()[index].id());
        self.outputs.push(Output::Record(Box::new(Record { at, source, entry })));
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
            Refusal::Authentication | Refusal::CertificateDates => Test::Authentication,
            Refusal::RootDistance => Test::RootDistance,
            Refusal::Delay | Refusal::Turnaround | Refusal::Era | Refusal::Waking | Refusal::Known => Test::Delay,
            Refusal::DelayRatio => Test::DelayRatio,
            Refusal::DelayDeviation | Refusal::DelayQuantile => Test::DelayDeviation,
        }),
    })
}
