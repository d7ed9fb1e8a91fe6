//! Requests out, replies in.

use std::net::IpAddr;

use crate::core::api::event::Event;
use crate::core::api::exchange::{ExchangeId, Stamp, StampSource, Undelivered};
use crate::core::api::flaw::Flaw;
use crate::core::api::output::Output;
use crate::core::api::settings::Mode;
use crate::core::engine::Engine;
use crate::core::pool::line::Line;
use crate::core::selection::quorum::PATIENCE;
use crate::core::source::{Answer, HeldReply, Source};
use crate::time::{ClockReading, Raw, Span};
use crate::wire::ntp::{Header, KissCode};

/// Before the clock was first set no kiss silences a server for longer than this.
const LONGEST_SILENCE_AT_START: Span = Span::from_secs(60);

/// Requests to each source after which one-shot mode gives up: about 10 s for dead hosts.
const ONE_SHOT_REQUESTS: u32 = 4;

/// Answers wanted quickly after a change of the network: while nothing is known, all that `iburst` wants...
const ANSWERS_TO_START: u32 = 4;
/// ...and one that another confirms when the clock is already followed.
const ANSWERS_TO_GO_ON: u32 = 2;

/// A request that left this recently may still be answered: no other is sent for a change of the network.
const STILL_HOPED_FOR: Span = Span::from_secs(1);

impl Engine {
    pub(super) fn ask_due_sources(&mut self, now: Raw) {
        if self.mode != Mode::Discipline && self.has_nobody_left() {
            return self.give_up(now);
        }
        if self.clock.after_quiet(&self.time, now) > now {
            return;
        }
        for index in 0..self.sources.all().len() {
            if self.sources.all()[index].due().is_some_and(|due| due <= now) {
                self.ask(index, now);
            }
        }
    }

    fn ask(&mut self, index: usize, now: Raw) {
        if self.mode != Mode::Discipline && self.is_everybody_exhausted(now) {
            return self.give_up(now);
        }
        self.last_exchange.0 += 1;
        let exchange = self.last_exchange;
        let needed = self.sources.all().iter().all(|source| source.reach == 0);
        let source = &mut self.sources.all_mut()[index];
        let Some(to) = source.address() else { return };
        let (packet, lost) = source.ask(exchange, now, needed, &mut self.random);
        if let Some(lost) = lost {
            self.outputs.push(Output::Close(lost));
        }
        if let Some(packet) = packet {
            self.outputs.push(Output::Send { exchange, to, packet });
        }
    }

    /// Everybody has been asked often enough, no name is still being looked up, and no answer waits for a second opinion.
    pub(super) fn is_everybody_exhausted(&self, now: Raw) -> bool {
        let has_been_asked =
            |source: &Source| source.schedule.requests() >= ONE_SHOT_REQUESTS && !source.is_establishing_keys();
        let is_exhausted = |source: &Source| has_been_asked(source) || is_out(source);
        let first_answer = self.selector.sync.vote().and_then(|vote| vote.first_answer);
        let is_voting = first_answer.is_some_and(|first| now - first < PATIENCE);
        !is_voting && !self.is_lookup_pending() && self.sources.all().iter().all(is_exhausted)
    }

    /// All sources there are said that they are not to be asked, or may not be.
    fn has_nobody_left(&self) -> bool {
        let sources = self.sources.all();
        !sources.is_empty() && !self.is_lookup_pending() && sources.iter().all(is_out)
    }

    fn is_lookup_pending(&self) -> bool {
        self.sources.lines().iter().any(Line::is_pending)
    }

    pub(super) fn sent(&mut self, exchange: ExchangeId, stamp: Stamp, from: Option<IpAddr>, awaits_hardware: bool) {
        if let Some(index) = self.sources.in_exchange(exchange) {
            let source = &mut self.sources.all_mut()[index];
            source.sent(exchange, stamp, awaits_hardware);
            source.local = from;
        }
    }

    /// A reply that has waited for this stamp waits no longer.
    pub(super) fn stamped(&mut self, exchange: ExchangeId, stamp: Stamp, now: &ClockReading) {
        let Some(index) = self.sources.in_exchange(exchange) else { return };
        let source = &mut self.sources.all_mut()[index];
        source.stamped(exchange, stamp, now.raw);
        if source.held_until().is_some() && stamp.source == StampSource::Hardware {
            self.release(index, now);
        }
    }

    /// Replies that have waited long enough count with the stamps that there are.
    pub(super) fn release_held(&mut self, now: &ClockReading) {
        for index in 0..self.sources.all().len() {
            if self.sources.all()[index].held_until().is_some_and(|until| until <= now.raw) {
                self.release(index, now);
            }
        }
    }

    fn release(&mut self, index: usize, now: &ClockReading) {
        if let Some(held) = self.sources.all_mut()[index].take_held() {
            self.examine(held.exchange, &held.bytes, held.arrived, now);
        }
    }

    pub(super) fn unreachable(&mut self, exchange: ExchangeId, why: Undelivered, now: Raw) {
        if let Some(index) = self.sources.in_exchange(exchange) {
            let source = &mut self.sources.all_mut()[index];
            source.failed(exchange, why, now);
            let never_left = matches!(why, Undelivered::NeverLeft(_));
            if never_left && source.options.auto_offline && source.schedule.set_online(false, now) {
                self.outputs.tell(Event::Online(source.label.clone(), false));
            }
        }
        self.outputs.push(Output::Close(exchange));
    }

    /// A second datagram is a sign that the first may be forged: both are looked at, with the stamps that there are.
    pub(super) fn datagram(&mut self, exchange: ExchangeId, bytes: &[u8], arrived: Stamp, now: &ClockReading) {
        let patience = Span::from_secs_f64(self.settings.stamp_timeout_s);
        if let Some(index) = self.sources.in_exchange(exchange) {
            let source = &mut self.sources.all_mut()[index];
            if source.awaits_stamp() && patience > Span::ZERO {
                return source.hold(HeldReply { exchange, bytes: bytes.to_vec(), arrived, until: now.raw + patience });
            }
            self.release(index, now);
        }
        self.examine(exchange, bytes, arrived, now);
    }

    fn examine(&mut self, exchange: ExchangeId, bytes: &[u8], arrived: Stamp, now: &ClockReading) {
        let Some(index) = self.sources.in_exchange(exchange) else {
            return self.outputs.push(Output::Close(exchange));
        };
        let estimate = self.time.estimate();
        let source = &mut self.sources.all_mut()[index];
        let stamped_by = (source.sent_by(), arrived.source);
        let result = source.receive(bytes, arrived, estimate.as_ref());
        if source.in_flight().is_none() {
            self.outputs.push(Output::Close(exchange));
        }
        if let Some(header) = bytes.first_chunk().map(Header::read) {
            self.note_response(index, header, stamped_by, &result, now);
            self.record_reply(index, header, stamped_by, &result, now);
        }
        match result {
            Ok(Answer::Measured(measurement)) => {
                let before = self.recorder.known_before(&self.time);
                self.measured(index, measurement, now);
                self.record_statistics(index, before, now);
            }
            Ok(Answer::Kiss(code)) => self.kissed(index, code, now.raw),
            Ok(Answer::Collected | Answer::Unsynchronised) => self.plan_next(index, Default::default(), now.raw),
            Err(refusal) if refusal.is_answer() => {
                if !self.sources.all_mut()[index].schedule.repeat(now.raw) {
                    self.plan_next(index, Default::default(), now.raw);
                }
            }
            Err(_) => {}
        }
    }

    fn kissed(&mut self, index: usize, code: KissCode, now: Raw) {
        let is_unset = self.sources.set_at().is_none();
        let is_needed = is_unset || !self.sources.is_dispensable(index);
        let longest_pause = if is_unset { LONGEST_SILENCE_AT_START } else { Span::MAX };
        let source = &mut self.sources.all_mut()[index];
        let Some(address) = source.ip() else { return };
        match code {
            KissCode::Rate => {
                source.schedule.slow_down(now, longest_pause);
                source.conduct.slowed();
                self.outputs.tell(Event::KissRate(address));
            }
            KissCode::Deny | KissCode::Restrict => {
                let (length, is_news) = source.conduct.denied(is_needed, now);
                source.schedule.bar(now + length);
                source.reach = 0;
                source.forget();
                if is_news {
                    self.outputs.tell(Event::KissDeny(address, length));
                }
            }
            KissCode::Other(_) => self.plan_next(index, Default::default(), now),
        }
    }

    /// When the next request is to be sent.
    pub(super) fn next_request(&self) -> Option<Raw> {
        let due = self.sources.next_poll()?;
        Some(self.clock.after_quiet(&self.time, due.max(self.seen)))
    }

    /// After a change of the network, asks at once, with a short burst, those that were silent; everybody, if this is the
    /// first change in a while or the clock is not synchronised. Names that could not be looked up are looked up again.
    pub(super) fn follow_network(&mut self, now: Raw) {
        let Some(is_first) = self.changes.take(now) else { return };
        self.sources.look_up_now(now);
        let everybody = is_first || !self.is_synchronised();
        let is_starting = !self.selector.sync.is_decided();
        let answers = if is_starting { ANSWERS_TO_START } else { ANSWERS_TO_GO_ON };
        let mut asks = false;
        for source in self.sources.all_mut() {
            source.schedule.lift_kisses();
            source.conduct.lift_denials();
            let is_silent = source.reach == 0 || source.schedule.unanswered() > 0;
            let is_hoped_for = source.asked_at().is_some_and(|asked| now - asked < STILL_HOPED_FOR);
            if (everybody || is_silent) && !source.schedule.is_offline() && !is_hoped_for {
                source.schedule.revive(answers, now);
                if let Some(nts) = source.nts_mut() {
                    nts.hurry(Flaw::KeyServerAway);
                }
                asks = true;
            }
        }
        if asks {
            self.changes.spend(now);
        }
    }
}

/// In one-shot mode it will not be asked any more.
fn is_out(source: &Source) -> bool {
    source.conduct.denied_until().is_some() || source.schedule.is_offline() || source.lacks_keys()
}
