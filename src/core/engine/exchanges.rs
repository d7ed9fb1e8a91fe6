//! Requests out, replies in.

use std::net::IpAddr;

use crate::core::api::event::Event;
use crate::core::engine::{Engine, Mode, Output};
use crate::core::estimate::MAX_SOURCES;
use crate::core::pool::configured::Association;
use crate::core::selection::quorum::PATIENCE;
use crate::core::source::measurement::{ExchangeId, Stamp, Undelivered};
use crate::core::source::{Answer, Source};
use crate::time::{ClockReading, Raw, Span};
use crate::wire::ntp::{Header, KissCode};

/// Before the clock was first set no kiss silences a server for longer than this.
const LONGEST_SILENCE_AT_START: Span = Span::from_secs(60);

/// Requests to each source after which one-shot mode gives up: about 10 s for dead hosts.
const ONE_SHOT_REQUESTS: u32 = 4;

/// Requests without an answer after which a source counts as unreachable in the log.
pub(super) const UNREACHABLE_AFTER: u32 = 8;

impl Engine {
    pub(super) fn ask_due_sources(&mut self, now: Raw) {
        if self.mode != Mode::Discipline && self.has_nobody_left() {
            return self.give_up(now);
        }
        let is_quiet = self.after_quiet(now) > now;
        for index in 0..self.sources.len() {
            if !is_quiet && self.sources[index].schedule.due().is_some_and(|due| due <= now) {
                self.ask(index, now);
            }
        }
    }

    fn ask(&mut self, index: usize, now: Raw) {
        if self.mode != Mode::Discipline && self.all_exhausted(now) {
            return self.give_up(now);
        }
        self.last_exchange.0 += 1;
        let exchange = self.last_exchange;
        let needed = self.sources.iter().all(|source| source.reach == 0);
        let source = &mut self.sources[index];
        let (packet, lost) = source.ask(exchange, now, needed, &mut self.random);
        let to = source.address;
        if let Some(lost) = lost {
            self.emit(Output::Close(lost));
        }
        self.emit(Output::Send { exchange, to, packet });
    }

    /// Everybody has been asked often enough, no name is still being looked up, and no answer waits for a second opinion.
    fn all_exhausted(&self, now: Raw) -> bool {
        let is_exhausted = |source: &Source| source.schedule.requests() >= ONE_SHOT_REQUESTS || is_out(source);
        let first_answer = self.sync.vote().and_then(|vote| vote.first_answer);
        let is_voting = first_answer.is_some_and(|first| now - first < PATIENCE);
        !is_voting && !self.associations.iter().any(Association::is_pending) && self.sources.iter().all(is_exhausted)
    }

    /// All sources there are said that they are not to be asked, or may not be.
    fn has_nobody_left(&self) -> bool {
        !self.sources.is_empty()
            && !self.associations.iter().any(Association::is_pending)
            && self.sources.iter().all(is_out)
    }

    pub(super) fn sent(&mut self, exchange: ExchangeId, stamp: Stamp, from: Option<IpAddr>) {
        if let Some(source) = self.source_of(exchange) {
            source.sent(exchange, stamp);
            source.local = from;
        }
    }

    pub(super) fn unreachable(&mut self, exchange: ExchangeId, why: Undelivered, now: Raw) {
        if let Some(source) = self.source_of(exchange) {
            source.failed(exchange, why, now);
            let never_left = matches!(why, Undelivered::NeverLeft(_));
            if never_left && source.options.auto_offline && source.schedule.set_online(false, now) {
                let label = source.label.clone();
                self.tell(Event::Online(label, false));
            }
        }
        self.emit(Output::Close(exchange));
    }

    pub(super) fn datagram(&mut self, exchange: ExchangeId, bytes: &[u8], arrived: Stamp, now: &ClockReading) {
        let Some(index) = self.sources.iter().position(|source| source.in_flight() == Some(exchange)) else {
            return self.emit(Output::Close(exchange));
        };
        let estimate = self.estimator.estimate();
        let stamped_by = (self.sources[index].sent_by(), arrived.source);
        let result = self.sources[index].receive(bytes, arrived, estimate.as_ref());
        if self.sources[index].in_flight().is_none() {
            self.emit(Output::Close(exchange));
        }
        if let Some(header) = bytes.first_chunk().map(Header::read) {
            self.note_response(index, header, stamped_by, &result, now);
            self.record_reply(index, header, stamped_by, &result);
        }
        match result {
            Ok(Answer::Measured(measurement)) => {
                let before = self.known_before();
                self.measured(index, measurement, now);
                self.record_statistics(index, before);
            }
            Ok(Answer::Kiss(code)) => self.kissed(index, code, now.raw),
            Ok(Answer::Collected | Answer::Unsynchronised) => self.plan_next(index, Default::default(), now.raw),
            Err(refusal) if refusal.is_answer() => {
                if !self.sources[index].schedule.repeat(now.raw) {
                    self.plan_next(index, Default::default(), now.raw);
                }
            }
            Err(_) => {}
        }
    }

    fn kissed(&mut self, index: usize, code: KissCode, now: Raw) {
        let is_needed = self.set_at.is_none() || !self.is_dispensable(index);
        let longest_pause = if self.set_at.is_none() { LONGEST_SILENCE_AT_START } else { Span::MAX };
        let source = &mut self.sources[index];
        let address = source.address.ip();
        match code {
            KissCode::Rate => {
                source.schedule.slow_down(now, longest_pause);
                source.conduct.slowed();
                self.tell(Event::KissRate(address));
            }
            KissCode::Deny | KissCode::Restrict => {
                let (length, is_news) = source.conduct.denied(is_needed, now);
                source.schedule.bar(now + length);
                source.reach = 0;
                source.forget();
                if is_news {
                    self.tell(Event::KissDeny(address, length));
                }
            }
            KissCode::Other(_) => self.plan_next(index, Default::default(), now),
        }
    }

    /// Another source tells the time.
    fn is_dispensable(&self, index: usize) -> bool {
        let tells = |source: &Source| source.reach != 0 && !source.options.no_select;
        self.sources.iter().enumerate().any(|(other, source)| other != index && tells(source))
    }

    pub(super) fn give_up_exchanges(&mut self, now: Raw) {
        for source in &mut self.sources {
            if source.expires().is_some_and(|at| at <= now)
                && let Some(exchange) = source.expire()
            {
                self.outputs.push_back(Output::Close(exchange));
            }
        }
    }

    pub(super) fn next_request(&self) -> Option<Raw> {
        let earliest = self.sources.iter().filter_map(|source| source.schedule.due()).min();
        earliest.map(|due| self.after_quiet(due.max(self.seen)))
    }

    pub(super) fn next_expiry(&self) -> Option<Raw> {
        self.sources.iter().filter_map(Source::expires).min()
    }

    /// Asks everybody again as soon as manners allow, with a burst.
    pub(super) fn restart_all(&mut self, now: Raw) {
        for source in &mut self.sources {
            source.schedule.restart(now);
        }
    }

    /// Asks those that have not answered since the vote began. One that is new will be asked anyway.
    pub(super) fn hurry_silent(&mut self, now: Raw) {
        debug_assert!(!self.sync.is_decided());
        for source in &mut self.sources {
            let is_silent = source.recent().next().is_none() && source.in_flight().is_none();
            if is_silent && source.schedule.requests() > 0 {
                source.schedule.hurry(now);
            }
        }
    }

    /// Asks those that are taken to be away. One that is new will be asked anyway.
    pub(super) fn hurry_away(&mut self, now: Raw) {
        for source in &mut self.sources {
            if source.reach == 0 && source.schedule.requests() > 0 {
                source.schedule.hurry(now);
            }
        }
    }

    /// Asks everybody for a second opinion.
    pub(super) fn consult_all(&mut self, now: Raw) {
        for source in &mut self.sources {
            if source.in_flight().is_none() {
                source.schedule.consult(now);
            }
        }
    }

    fn source_of(&mut self, exchange: ExchangeId) -> Option<&mut Source> {
        self.sources.iter_mut().find(|source| source.in_flight() == Some(exchange))
    }
}

const _: () = assert!(MAX_SOURCES <= 32, "a SlotSet has 32 bits");

/// In one-shot mode it will not be asked any more.
fn is_out(source: &Source) -> bool {
    source.conduct.denied_until().is_some() || source.schedule.is_offline() || !source.authentication().is_sufficient()
}
