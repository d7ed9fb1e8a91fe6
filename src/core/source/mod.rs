//! One source: a server, with the request in flight and whether a reply answers it and makes sense, or a reference clock;
//! and what it last said.

pub mod authentication;
pub mod authenticator;
mod delay_tests;
mod departure;
mod exchange;
pub mod health;
mod held_reply;
mod measurer;
mod measuring;
pub mod network_changes;
pub mod nts;
mod packet_counters;
pub mod poll;
mod rate_range;
mod recent;
mod resolution;
mod sample_filter;

use std::net::{IpAddr, SocketAddr};

use crate::core::api::dump::Archive;
use crate::core::api::event::Label;
use crate::core::api::measurement::Measurement;
use crate::core::api::monitoring::{AuthData, SelectOptions};
use crate::core::api::response::Response;
use crate::core::api::settings::SourceOptions;
use crate::core::api::source_id::SourceId;
use crate::core::estimate::Slot;
use crate::core::refclock::ReferenceClock;
use crate::core::source::authentication::Authentication;
use crate::core::source::authenticator::Authenticator;
use crate::core::source::delay_tests::DelayTests;
pub use crate::core::source::exchange::Answer;
use crate::core::source::exchange::Exchange;
use crate::core::source::health::Conduct;
pub use crate::core::source::held_reply::HeldReply;
pub use crate::core::source::measurer::Measurer;
use crate::core::source::nts::NtsClient;
pub use crate::core::source::packet_counters::{Refusal, Tally};
use crate::core::source::poll::{Schedule, UNREACHABLE_AFTER};
pub use crate::core::source::rate_range::RateRange;
use crate::core::source::recent::Recent;
use crate::core::source::resolution::Resolution;
use crate::core::source::sample_filter::SampleFilter;
use crate::time::{Lead, NtpTimestamp, Raw, Span};
use measuring::Previous;

/// A server this near may be asked more than once a second: chronyd's limit for a negative `minpoll`.
const NEAR: Span = Span::from_millis(10);

/// Delays below this are time stamping noise, unless `clockprecision` says more.
pub const MIN_DELAY: Span = Span::from_nanos(100);

/// A source being measured.
#[derive(Clone, Debug)]
pub struct Source {
    /// The place of the source in the estimator.
    pub slot: Slot,
    /// What measures it: exchanges with a server, or a device.
    measurer: Measurer,
    /// How the log names the source.
    pub label: Label,
    /// The configured line that the source came from.
    pub line: usize,
    /// The options of that line.
    pub options: SourceOptions,
    /// What makes sure that its replies are its own: without that it is not asked.
    authenticator: Authenticator,
    /// When the source is asked.
    pub schedule: Schedule,
    /// Outcome of the last eight requests, newest in the lowest bit (RFC 5905 section 9.2).
    pub reach: u8,
    /// Polls in a row after which `reach` was empty.
    pub empty_polls: u32,
    /// What happened to the packets of the source.
    pub tally: Tally,
    /// The last reply that told the time.
    pub last: Option<Measurement>,
    /// No delay is shorter: the resolution of our clock.
    pub precision: Span,
    /// What its stamps cannot tell, as the estimator was last told.
    pub tuned_resolution: Span,
    /// The estimator has not been told of the options of the source.
    pub is_untuned: bool,
    /// Whether another address would do better.
    pub conduct: Conduct,
    /// The last reply that told the time and took too long: for the log of measurements.
    pub refused: Option<Measurement>,
    /// The last reply that answered a request was interleaved.
    pub is_interleaved: bool,
    /// Samples for the next run, and of the last one.
    pub archive: Archive,
    /// There are samples of the last run, which the clock has not been set by yet. `true`: the counter has run on since.
    pub has_exact_past: Option<bool>,
    /// How far the clock was ahead by `last`.
    pub clock_ahead: Span,
    /// The last response, for people.
    pub response: Option<Response>,
    /// Where the last request left from.
    pub local: Option<IpAddr>,
    /// Options for selection as configured, or as people changed them: `options` has those that hold.
    pub configured: SelectOptions,
    exchange: Option<Exchange>,
    /// The reply of the open exchange that waits for a stamp of its request.
    held: Option<HeldReply>,
    /// What interleaved mode asks about.
    previous: Option<Previous>,
    /// The last reply that told the time bore these timestamps.
    heard: Option<(NtpTimestamp, NtpTimestamp)>,
    resolution: Resolution,
    recent: Recent,
    /// The last replies, also those that contradict what was believed: for [`Source::rate_range`].
    trail: Recent,
    delay_tests: DelayTests,
    filter: SampleFilter,
}

impl Source {
    /// A source that has not been measured. A server is to be asked at `due`.
    pub fn new(slot: Slot, measurer: Measurer, label: Label, line: usize, options: SourceOptions, due: Raw) -> Self {
        let authenticator = Authenticator::of(&options);
        let mut schedule = Schedule::new(&options, due);
        // A device has a schedule of its own, and is asked over no network.
        schedule.permit(authenticator.state().is_hopeful() && measurer.address().is_some());
        Source {
            slot,
            measurer,
            label,
            line,
            authenticator,
            schedule,
            reach: 0,
            empty_polls: 0,
            tally: Tally::default(),
            last: None,
            precision: MIN_DELAY,
            tuned_resolution: Span::ZERO,
            is_untuned: true,
            conduct: Conduct::default(),
            refused: None,
            is_interleaved: false,
            archive: Archive::default(),
            has_exact_past: None,
            clock_ahead: Span::ZERO,
            response: None,
            local: None,
            configured: options.selection(),
            exchange: None,
            held: None,
            previous: None,
            heard: None,
            resolution: Resolution::default(),
            recent: Recent::default(),
            trail: Recent::default(),
            delay_tests: DelayTests::new(&options),
            filter: SampleFilter::new(options.filter),
            options,
        }
    }

    /// Who it is.
    pub fn id(&self) -> SourceId {
        self.measurer.id()
    }

    /// Address and port that requests go to, if it is a server.
    pub fn address(&self) -> Option<SocketAddr> {
        self.measurer.address()
    }

    /// The server is at another address from now on.
    pub fn move_to(&mut self, address: SocketAddr, label: Label) {
        (self.measurer, self.label) = (Measurer::Network(address), label);
    }

    /// The address of a server.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address().map(|address| address.ip())
    }

    /// The device, if it is a reference clock.
    pub fn clock(&self) -> Option<&ReferenceClock> {
        self.measurer.clock()
    }

    /// The device, to be read.
    pub fn clock_mut(&mut self) -> Option<&mut ReferenceClock> {
        self.measurer.clock_mut()
    }

    /// How its replies are protected.
    pub fn authentication(&self) -> Authentication {
        self.authenticator.state()
    }

    /// What makes sure that its replies are its own.
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// The key is this one from now on, or there is none.
    pub fn set_authenticator(&mut self, authenticator: Authenticator) {
        self.schedule.permit(authenticator.state().is_hopeful() && self.address().is_some());
        self.authenticator = authenticator;
    }

    /// The state of NTS, if the line asks for it.
    pub fn nts(&self) -> Option<&NtsClient> {
        match &self.authenticator {
            Authenticator::Nts(client) => Some(client),
            _ => None,
        }
    }

    /// The state of NTS, to establish keys.
    pub fn nts_mut(&mut self) -> Option<&mut NtsClient> {
        match &mut self.authenticator {
            Authenticator::Nts(client) => Some(client),
            _ => None,
        }
    }

    /// When it is to be asked. Who has no keys is not, as soon as nothing of it is left to be missed.
    pub fn due(&self) -> Option<Raw> {
        let waits_for_keys = self.reach == 0 && !self.authenticator.can_seal();
        self.schedule.due().filter(|_| !waits_for_keys)
    }

    /// Keys are being established.
    pub fn is_establishing_keys(&self) -> bool {
        self.nts().is_some_and(|nts| nts.running().is_some())
    }

    /// The source cannot be asked for lack of keys, and nothing is being done about it.
    pub fn lacks_keys(&self) -> bool {
        !self.authentication().is_hopeful() || self.nts().is_some_and(NtsClient::has_failed)
    }

    /// The address that its name has: with NTS, the one of the server of key establishment, which may have named another.
    pub fn named_address(&self) -> Option<IpAddr> {
        self.nts().and_then(NtsClient::server).map(|server| server.ip()).or(self.ip())
    }

    /// The server of NTS key establishment has named another than itself.
    pub fn has_moved(&self) -> bool {
        self.named_address() != self.ip()
    }

    /// The report about its keys.
    pub fn auth_data(&self, now: Raw) -> AuthData {
        self.authenticator.report(now)
    }

    /// The version of its requests. Version 3 has room for digests that version 4 cuts, as chronyd has it.
    fn version(&self) -> u8 {
        let has_choice = !self.options.typed_version && !self.options.xleave;
        if has_choice && self.authenticator.wants_version_3() { 3 } else { self.options.version }
    }

    /// A reference clock has told the time.
    pub fn told_time(&mut self, measurement: Measurement) {
        self.conduct.told_time();
        self.schedule.told_time();
        self.reach = self.reach << 1 | 1;
        self.empty_polls = 0;
        self.last = Some(measurement);
        self.recent.push(measurement);
        self.trail.push(measurement);
    }

    /// A poll of a reference clock was in vain.
    pub fn told_nothing(&mut self) {
        if let Some(flaw) = self.clock().and_then(ReferenceClock::flaw) {
            self.conduct.useless(flaw);
        }
        self.missed();
    }

    /// The last accepted replies, oldest first.
    pub fn recent(&self) -> impl DoubleEndedIterator<Item = &Measurement> + Clone {
        self.recent.iter()
    }

    /// The source has not told the time since its replies were last forgotten.
    pub fn is_silent(&self) -> bool {
        self.recent().next().is_none()
    }

    /// The source has not answered for long enough to count as unreachable in the log.
    pub fn is_unreachable(&self) -> bool {
        self.reach == 0 && self.schedule.unanswered() >= UNREACHABLE_AFTER
    }

    /// The source has not answered for longer than its word counts, or is not to be asked.
    pub fn is_away(&self) -> bool {
        let is_overdue = || self.empty_polls > self.options.max_unreach;
        let is_sick = self.clock().is_some_and(ReferenceClock::is_out);
        is_sick || self.reach == 0 && (self.schedule.is_offline() || is_overdue())
    }

    /// What the oldest and the newest recent reply say about the frequency, with hard bounds.
    pub fn frequency_bounds(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.recent().next()?, self.recent().last()?);
        let apart_s = (last.sample.at - first.sample.at).secs_f64();
        let delays = (first.sample.delay + last.sample.delay).half();
        let margin_s = (delays + first.stamp_bound() + last.stamp_bound()).secs_f64();
        (apart_s > 1.0).then(|| ((last.sample.lead - first.sample.lead).secs_f64() / apart_s, margin_s / apart_s))
    }

    /// Whether the newest reply cannot be true together with the one before, if true time runs at this frequency, which may
    /// be wrong by `rate`.
    pub fn has_turned(&self, (frequency, rate): (f64, f64)) -> bool {
        let mut newest = self.recent().rev();
        let (Some(new), Some(old)) = (newest.next(), newest.next()) else { return false };
        let between = new.sample.at - old.sample.at;
        let moved = new.sample.lead - old.sample.lead - between.scaled(frequency);
        moved.abs() > new.bound() + old.bound() + between.scaled(rate)
    }

    /// True time has moved by this much against the raw counter.
    pub fn shift(&mut self, by: Span) {
        self.last.iter_mut().for_each(|last| last.sample.lead += by);
        self.recent.shift(by);
        self.trail.shift(by);
        self.filter.shift(by);
        self.archive.shift(by);
        self.previous = None;
        self.clock_mut().into_iter().for_each(|clock| clock.shift(by));
    }

    /// Where true time is now according to its best recent reply: a lead, give or take so many seconds. `rate` bounds
    /// how fast an old reply loses its worth.
    pub fn interval(&self, now: Raw, frequency: f64, rate: f64) -> Option<(Lead, f64)> {
        let aged = |m: &Measurement| m.bound().secs_f64() + rate * (now - m.sample.at).secs_f64().max(0.0);
        let best = self.recent.iter().min_by(|a, b| aged(a).total_cmp(&aged(b)))?;
        let drift = (now - best.sample.at).scaled(frequency);
        Some((best.sample.lead + drift, aged(best)))
    }

    /// Forgets its replies: the raw counter has lost its grip on time, or the source contradicted itself.
    pub fn forget(&mut self) {
        self.recent = Recent::default();
        self.previous = None;
    }

    /// The rate begins anew: the raw counter has lost its grip on time, or true time has jumped, perhaps before the last
    /// reply, which then begins it.
    pub fn forget_rate(&mut self, but_last: bool) {
        self.trail = Recent::default();
        self.last.iter().filter(|_| but_last).for_each(|last| self.trail.push(*last));
        if !but_last {
            self.clock_mut().into_iter().for_each(ReferenceClock::interrupt);
        }
    }

    /// What its last replies say of the rate of true time against the raw counter. `jitter_s` is that of its path.
    pub fn rate_range(&self, jitter_s: f64) -> Option<RateRange> {
        RateRange::of(&self.trail, jitter_s)
    }

    /// The last replies count again, those that contradicted each other too: it was the rate that was wrong.
    pub fn restore(&mut self, replies: usize) {
        self.recent = Recent::default();
        let skipped = self.trail.iter().count().saturating_sub(replies);
        self.trail.iter().skip(skipped).for_each(|measurement| self.recent.push(*measurement));
    }

    /// A source that was asked for hours before `began`, with a counter that has run on since, need not be asked every minute.
    pub fn resume_polls(&mut self, began: Raw, now: Raw) {
        let ends = self.archive.before(began).next().zip(self.archive.before(began).last());
        if let Some((first, last)) = ends.filter(|_| self.has_exact_past == Some(true)) {
            self.schedule.resume(first.at, last.at, now);
        }
    }

    /// Forgets all that it has said, and that it ever answered.
    pub fn reset(&mut self) {
        self.forget();
        self.forget_rate(false);
        self.archive.clear();
        self.last = None;
        self.reach = 0;
        self.empty_polls = 0;
        self.clock_ahead = Span::ZERO;
        self.delay_tests = DelayTests::new(&self.options);
        self.filter = SampleFilter::new(self.options.filter);
    }

    /// Forgets all but the newest reply.
    pub fn forget_all_but_last(&mut self) {
        self.recent = Recent::default();
        self.last.iter().for_each(|last| self.recent.push(*last));
    }

    fn missed(&mut self) {
        self.reach <<= 1;
        if self.reach == 0 {
            self.schedule.set_near(false);
            self.empty_polls = self.empty_polls.saturating_add(1);
        }
    }
}
