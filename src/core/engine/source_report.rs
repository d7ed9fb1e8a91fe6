//! The sources, for people and programs: what was measured last, what the samples say together, why one is in or out.
//!
//! An index counts the sources first and then the names that have no address yet.

use std::net::SocketAddr;

use crate::core::api::exchange::StampSource;
use crate::core::api::measurement::Measurement;
use crate::core::api::monitoring::{self, Address, NtpData, SelectData, SourceData, SourceStats, StampedBy};
use crate::core::api::record::SelectionState;
use crate::core::api::response::{Measured, Response};
use crate::core::api::snapshot::SourceReport;
use crate::core::engine::Engine;
use crate::core::engine::recorder::failed_test;
use crate::core::pool::line::Line;
use crate::core::source::authenticator::Authenticator;
use crate::core::source::{Answer, Refusal, Source};
use crate::core::true_time::{BOUND_SIGMAS, Prediction};
use crate::time::{ClockReading, Lead, Leap, NtpTimestamp, Raw, Span};
use crate::wire::ntp::Header;
use crate::wire::symmetric::KeyTable;

/// Fewer samples have no standard deviation; chronyd's regression needs three as well.
pub(super) const LEAST_SAMPLES: usize = 3;

/// What chronyd says of a source with fewer: standard deviation in seconds, bound of the frequency in ppm.
const UNKNOWN_SD_S: f64 = 4.0;
const UNKNOWN_SKEW_PPM: f64 = 2000.0;

/// What the recent samples of a source say together, compared with what is predicted.
pub(super) struct Statistics {
    pub(super) samples: usize,
    /// Runs of residuals of the same sign.
    pub(super) runs: usize,
    /// Standard deviation of a sample.
    pub(super) sd_s: f64,
    /// The source is ahead by so much...
    pub(super) bias_s: f64,
    /// ...give or take one deviation...
    pub(super) bias_sd_s: f64,
    /// ...and gains so much.
    pub(super) rate: f64,
    pub(super) rate_sd: f64,
}

impl Engine {
    /// Sources, and names without an address.
    pub fn source_count(&self) -> usize {
        self.sources.count()
    }

    /// The index of one of them.
    pub fn find_source(&self, address: Address) -> Option<usize> {
        self.sources.find(address)
    }

    /// One source or line, by its index.
    pub fn source_report(&self, index: usize, now: &ClockReading) -> Option<SourceReport> {
        let Some(source) = self.sources.at_index(index) else {
            let line = self.sources.unresolved_at_index(index)?;
            return Some(SourceReport {
                flaw: self.flaw_of_line(line),
                ..describe_name(&self.sources.lines()[line], self.sources.keys(), self.seen)
            });
        };
        Some(SourceReport {
            name: self.sources.line_of(source).label.clone(),
            data: self.describe_data(source, now),
            stats: self.describe_stats(source, now),
            selection: Some(self.describe_selection(source, now)),
            ntp: source.address().map(|address| self.describe_response(source, address)),
            authentication: source.address().map(|_| source.auth_data(now.raw)),
            flaw: self.flaw(source),
        })
    }

    fn describe_data(&self, source: &Source, now: &ClockReading) -> SourceData {
        let last = source.last.as_ref();
        let now_ahead = |m: &Measurement| now.lead() - m.sample.lead - self.gained(m, now);
        SourceData {
            address: source.id().into(),
            // chronyd never shows less than `minpoll`, however quickly it asks at the start.
            poll: i16::from(
                source.clock().map_or(source.schedule.poll(), |clock| clock.config().poll).max(source.options.min_poll),
            ),
            stratum: last.map_or(0, |m| u16::from(m.stratum)),
            standing: class(self.selector.standing(source, &self.sources)),
            reach: source.reach,
            since_sample_s: last.map(|m| whole_s(now.raw - m.sample.at)),
            measured_offset_s: last.map_or(0.0, |_| source.clock_ahead.secs_f64()),
            offset_s: last.map_or(0.0, |m| now_ahead(m).secs_f64()),
            error_s: last.map_or(0.0, |m| (m.bound() - m.stamp_bound()).secs_f64() + self.dispersion_s(m, now)),
        }
    }

    /// What true time has gained on the counter since a sample.
    fn gained(&self, m: &Measurement, now: &ClockReading) -> Span {
        (now.raw - m.sample.at).scaled(self.time.prediction(now).frequency)
    }

    fn describe_stats(&self, source: &Source, now: &ClockReading) -> SourceStats {
        let id = source.id();
        let who = SourceStats { reference_id: id.reference_id(), address: id.into(), ..unknown_stats() };
        let (first, last) = (source.recent().next(), source.recent().next_back());
        let Some((first, last)) = first.zip(last) else { return who };
        let predicted = self.time.prediction(now);
        let Some(known) = self.statistics(source, &predicted) else {
            let offset = now.lead() - last.sample.lead - self.gained(last, now);
            let samples = source.recent().count() as u32;
            let offset_error_s = last.bound().secs_f64();
            return SourceStats { samples, runs: samples.min(1), offset_s: offset.secs_f64(), offset_error_s, ..who };
        };
        let in_force = self.clock.frequency(&self.time);
        let predicted_ahead_s = (now.lead() - predicted.lead_at(now.raw)).secs_f64();
        SourceStats {
            samples: known.samples as u32,
            runs: known.runs as u32,
            span_s: whole_s(last.sample.at - first.sample.at),
            sd_s: known.sd_s,
            residual_frequency_ppm: 1e6 * (in_force - predicted.frequency - known.rate),
            skew_ppm: 1e6 * BOUND_SIGMAS * known.rate_sd,
            offset_s: predicted_ahead_s - known.bias_s,
            offset_error_s: BOUND_SIGMAS * known.bias_sd_s,
            ..who
        }
    }

    /// `None` if there are too few samples.
    pub(super) fn statistics(&self, source: &Source, predicted: &Prediction) -> Option<Statistics> {
        let samples = source.recent().count();
        let origin = source.recent().next_back().filter(|_| samples >= LEAST_SAMPLES)?.sample.at;
        let count = samples as f64;
        let residual_s = |m: &Measurement| (m.sample.lead - predicted.lead_at(m.sample.at)).secs_f64();
        let since_s = |m: &Measurement| (m.sample.at - origin).secs_f64();
        let mean_s = source.recent().map(residual_s).sum::<f64>() / count;
        let middle_s = source.recent().map(since_s).sum::<f64>() / count;
        let (mut squares, mut products, mut spread) = (0.0, 0.0, 0.0);
        for m in source.recent() {
            let (residual_s, since_s) = (residual_s(m) - mean_s, since_s(m) - middle_s);
            squares += residual_s * residual_s;
            products += residual_s * since_s;
            spread += since_s * since_s;
        }
        let sd_s = (squares / (count - 1.0)).sqrt();
        let rate = if spread > 0.0 { products / spread } else { 0.0 };
        let around_line = (squares - rate * products).max(0.0) / (count - 2.0);
        let rate_sd = if spread > 0.0 { (around_line / spread).sqrt() } else { UNKNOWN_SKEW_PPM * 1e-6 };
        // The filter does not follow a source that is not predicted.
        let followed = self.time.bias(source.slot).filter(|_| self.selector.selection().active.contains(source.slot));
        let (bias_s, bias_sd_s) =
            followed.map_or((mean_s, sd_s / count.sqrt()), |followed| (followed.bias_s, followed.sd_s));
        let runs = runs(source.recent().map(|m| residual_s(m) > bias_s));
        Some(Statistics { samples, runs, sd_s, bias_s, bias_sd_s, rate, rate_sd })
    }

    fn describe_selection(&self, source: &Source, now: &ClockReading) -> SelectData {
        let id = source.id();
        let ages = source.last.map(|last| whole_s(now.raw - last.sample.at));
        let frequency = self.time.prediction(now).frequency;
        let interval = source.interval(now.raw, frequency, self.time.rate_bound());
        let ahead_s = |(lead, bound_s): (Lead, f64), side: f64| (now.lead() - lead).secs_f64() + side * bound_s;
        SelectData {
            reference_id: id.reference_id(),
            address: id.into(),
            state: self.selector.standing(source, &self.sources).letter(),
            authenticated: source.authentication().is_established(),
            leap: source.last.map(|last| last.leap),
            configured: source.configured,
            effective: source.options.selection(),
            last_sample_ago_s: ages.unwrap_or(0),
            score: self.selector.score(source.slot),
            low_limit_s: interval.map_or(0.0, |interval| ahead_s(interval, -1.0)),
            high_limit_s: interval.map_or(0.0, |interval| ahead_s(interval, 1.0)),
        }
    }

    /// A reply has been examined: what people may see of it.
    pub(super) fn note_response(
        &mut self,
        index: usize,
        header: Header,
        (sent_by, received_by): (StampSource, StampSource),
        result: &Result<Answer, Refusal>,
        now: &ClockReading,
    ) {
        let is_response = match result {
            Ok(Answer::Measured(_) | Answer::Collected | Answer::Unsynchronised) => true,
            Ok(Answer::Kiss(_)) => false,
            Err(refusal) => refusal.is_of_valid(),
        };
        let Some(failed) = failed_test(result).filter(|_| is_response) else { return };
        let measurement = self.measured_by(index, result);
        let measured = measurement.map(|m| Measured {
            ahead: now.lead() - m.sample.lead - self.gained(&m, now),
            delay: m.sample.delay,
            dispersion_s: self.dispersion_s(&m, now),
            response_time: m.server_stamps.1.to_utc() - m.server_stamps.0.to_utc(),
        });
        let source = &mut self.sources.all_mut()[index];
        if let Some(measured) = measured.filter(|_| result.is_ok()) {
            source.clock_ahead = measured.ahead;
            self.clock.history.last_answer = Some(now.raw);
        }
        let local = source.local;
        let interleaved = source.is_interleaved;
        let authenticated = source.authentication().is_established();
        let (sent_by, received_by) = measurement.map_or((sent_by, received_by), |m| (m.sent_by, m.received_by));
        source.response =
            Some(Response { header, failed, interleaved, authenticated, local, sent_by, received_by, measured });
    }

    fn describe_response(&self, source: &Source, address: SocketAddr) -> NtpData {
        let tally = &source.tally;
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let counts = NtpData {
            address: Address::Ip(address.ip()),
            port: address.port(),
            total_sent: count(tally.sent),
            total_received: count(tally.received),
            total_valid: count(tally.valid()),
            total_good: count(tally.accepted),
            kernel_sent: count(tally.sent_by.kernel),
            kernel_received: count(tally.received_by.kernel),
            hardware_sent: count(tally.sent_by.hardware),
            hardware_received: count(tally.received_by.hardware),
            ..NtpData::default()
        };
        let Some(response) = &source.response else { return NtpData { leap: Some(Leap::Normal), ..counts } };
        let asymmetry = source.options.asymmetry.unwrap_or(0.0 - 0.5 * self.time.lean(source.slot));
        let (header, measured) = (&response.header, response.measured.as_ref());
        NtpData {
            local_address: response.local.map_or(Address::Unspecified, Address::Ip),
            leap: header.leap,
            version: header.version,
            mode: header.mode,
            stratum: header.stratum,
            poll: header.poll,
            precision: header.precision,
            root_delay_s: header.root_delay.secs_f64(),
            root_dispersion_s: header.root_dispersion.secs_f64(),
            reference_id: u32::from_be_bytes(header.reference_id),
            reference_time: (header.reference != NtpTimestamp::ZERO).then(|| header.reference.to_utc()),
            offset_s: measured.map_or(0.0, |m| -m.ahead.secs_f64()),
            delay_s: measured.map_or(0.0, |m| m.delay.secs_f64()),
            dispersion_s: measured.map_or(0.0, |m| m.dispersion_s),
            response_time_s: measured.map_or(0.0, |m| m.response_time.secs_f64().max(0.0)),
            // Negative if requests wait for longer than replies, as in chronyd's log of statistics.
            jitter_asymmetry: asymmetry,
            flags: response.flags(),
            sent_by: stamped_by(response.sent_by),
            received_by: stamped_by(response.received_by),
            ..counts
        }
    }

    /// What a reply itself said, not what a filter made of it.
    pub(super) fn measured_by(&self, index: usize, result: &Result<Answer, Refusal>) -> Option<Measurement> {
        match result {
            Ok(Answer::Measured(_) | Answer::Collected) => self.sources.all()[index].last,
            Err(refusal) if refusal.is_about_delay() || *refusal == Refusal::Known => self.sources.all()[index].refused,
            _ => None,
        }
    }
}

/// A name that has no address yet.
fn describe_name(line: &Line, keys: &KeyTable, now: Raw) -> SourceReport {
    let options = &line.config.options;
    let address = Address::Id(line.id);
    let selection = SelectData {
        reference_id: 0,
        address,
        state: if options.no_select { SelectionState::NotToBeSelected } else { SelectionState::NoMeasurements }
            .letter(),
        authenticated: false,
        leap: None,
        configured: line.select,
        effective: options.selection(),
        last_sample_ago_s: 0,
        score: 1.0,
        low_limit_s: 0.0,
        high_limit_s: 0.0,
    };
    SourceReport {
        name: line.label.clone(),
        data: SourceData { address, poll: i16::from(options.min_poll), ..SourceData::default() },
        stats: SourceStats { address, ..unknown_stats() },
        selection: Some(selection),
        ntp: None,
        authentication: Some(Authenticator::with(options, keys).report(now)),
        flaw: None,
    }
}

fn unknown_stats() -> SourceStats {
    SourceStats { sd_s: UNKNOWN_SD_S, skew_ppm: UNKNOWN_SKEW_PPM, ..SourceStats::default() }
}

fn stamped_by(source: StampSource) -> StampedBy {
    match source {
        StampSource::Hardware => StampedBy::Hardware,
        StampSource::Kernel => StampedBy::Kernel,
        StampSource::Daemon => StampedBy::Daemon,
    }
}

/// The class that chronyc's report `sources` has for each letter of `selectdata`.
fn class(standing: SelectionState) -> monitoring::Standing {
    match standing {
        SelectionState::Selected => monitoring::Standing::Selected,
        SelectionState::Combined => monitoring::Standing::Combined,
        SelectionState::Falseticker => monitoring::Standing::Falseticker,
        SelectionState::TooJittery => monitoring::Standing::Jittery,
        SelectionState::Insufficient | SelectionState::NotPreferred | SelectionState::Distant => {
            monitoring::Standing::NotCombined
        }
        SelectionState::NotToBeSelected
        | SelectionState::NoMeasurements
        | SelectionState::Unsynchronised
        | SelectionState::Stale
        | SelectionState::BadStratum
        | SelectionState::TooDistant
        | SelectionState::Untrusted
        | SelectionState::Waiting => monitoring::Standing::Unselectable,
    }
}

/// How many stretches of equal signs there are.
fn runs(signs: impl Iterator<Item = bool>) -> usize {
    let mut last = None;
    signs.filter(|sign| last.replace(*sign) != Some(*sign)).count()
}

fn whole_s(span: Span) -> u32 {
    u32::try_from(span.nanos().max(0) / crate::time::NANOS_PER_SEC).unwrap_or(u32::MAX)
}
