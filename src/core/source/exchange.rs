//! The request in flight: what was asked, when it left, and whether a datagram answers it.

use super::packet_counters::Refusal;
use super::{NEAR, Source};
use crate::core::api::exchange::{ExchangeId, Stamp, StampSource, Undelivered};
use crate::core::api::flaw::Flaw;
use crate::core::api::measurement::Measurement;
use crate::core::estimate::Estimate;
use crate::core::random::Random;
use crate::core::source::departure::Departure;
use crate::time::{Raw, Span};
use crate::wire::ntp::{Cookie, Interleaved, KissCode, Reply, Request};
use crate::wire::packet::Packet;

/// Sockets wait this much longer than `maxdelay` for a reply: as long as chronyd's.
const GRACE: Span = Span::from_secs(4);

/// After so many requests in a row without an answer, interleaved mode begins anew: an old exchange is no news.
const MAX_UNANSWERED: u32 = 4;

/// A request in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) id: ExchangeId,
    pub(super) cookie: Cookie,
    pub(super) asked: Raw,
    pub(super) sent: Option<Departure>,
    /// The request only wakes the path (`presend`).
    pub(super) waking: bool,
    /// The second cookie of a request in interleaved mode.
    pub(super) interleaved: Option<Cookie>,
}

/// A reply that answered our request.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Answer {
    /// The reply tells the time, and passed every check.
    Measured(Measurement),
    /// The reply tells the time and passed every check, but `filter` waits for more before a sample is made.
    Collected,
    /// The server does not know the time.
    Unsynchronised,
    /// The server wants to be asked less, or not at all.
    Kiss(KissCode),
}

impl Source {
    /// Opens a new exchange. One still open is lost, and returned for closing. `needed` as in [`Schedule::asked`](super::poll::Schedule::asked). Without
    /// a packet the poll counts as missed: there are no keys for it.
    pub fn ask(
        &mut self,
        id: ExchangeId,
        now: Raw,
        needed: bool,
        random: &mut Random,
    ) -> (Option<Packet>, Option<ExchangeId>) {
        debug_assert!(self.authentication().is_hopeful(), "a source without the protection it wants is not asked");
        self.authenticator.begin_poll();
        let cookie = random.cookie();
        let about = self.previous.filter(|_| self.schedule.unanswered() < MAX_UNANSWERED);
        let interleaved = about.map(|about| Interleaved { about: about.reply.receive, cookie: random.cookie() });
        let was_lost = self.schedule.unanswered() > 0;
        self.schedule.asked(now, needed, random);
        let waking = self.schedule.is_waking();
        let second = interleaved.map(|interleaved| interleaved.cookie);
        if was_lost && !waking {
            self.missed();
            self.filter.miss();
        }
        let request = Request { version: self.version(), poll: self.schedule.poll(), cookie, interleaved };
        let packet = self.authenticator.seal(request.encode(), request.version, random);
        if packet.is_none() {
            self.schedule.left_out();
            return (None, self.expire());
        }
        let exchange = Exchange { id, cookie, asked: now, sent: None, waking, interleaved: second };
        let lost = self.exchange.replace(exchange);
        self.tally.sent += 1;
        self.conduct.asked();
        (packet, lost.map(|exchange| exchange.id))
    }

    /// The request left at this moment. `awaits_hardware`: the network card may yet say it better.
    pub fn sent(&mut self, id: ExchangeId, stamp: Stamp, awaits_hardware: bool) {
        if let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.id == id) {
            exchange.sent = Some(Departure::new(stamp, awaits_hardware));
            self.schedule.could_send();
            self.conduct.could_send();
        }
    }

    /// The kernel would not send, or the network says the server is unreachable. Closes the exchange.
    pub fn failed(&mut self, id: ExchangeId, why: Undelivered, now: Raw) {
        if self.exchange.take_if(|exchange| exchange.id == id).is_none() {
            return;
        }
        match why {
            Undelivered::NeverLeft(flaw) => {
                self.tally.sent -= 1;
                self.conduct.never_asked(flaw);
                self.tally.send_failures += 1;
                self.schedule.could_not_send(now);
            }
            Undelivered::PortClosed => self.conduct.hinted(Flaw::PortClosed),
            Undelivered::AddressGone => {}
        }
    }

    /// The open exchange, if any.
    pub fn in_flight(&self) -> Option<ExchangeId> {
        self.exchange.map(|exchange| exchange.id)
    }

    /// When the request in flight left (or was to leave).
    pub fn asked_at(&self) -> Option<Raw> {
        self.exchange.map(|exchange| exchange.asked)
    }

    /// Who noted the departure of the request in flight.
    pub fn sent_by(&self) -> StampSource {
        let sent = self.exchange.and_then(|exchange| exchange.sent);
        sent.map_or(StampSource::Daemon, |sent| sent.stamp().source)
    }

    /// When the open exchange is to be given up.
    pub fn expires(&self) -> Option<Raw> {
        let patience = Span::from_secs_f64(self.options.max_delay_s) + GRACE;
        self.exchange.map(|exchange| exchange.asked + patience)
    }

    /// Gives up the open exchange.
    pub fn expire(&mut self) -> Option<ExchangeId> {
        self.exchange.take().map(|exchange| exchange.id)
    }

    /// Takes a datagram that arrived on the socket of the open exchange. An `Ok` closes the exchange, and so does a
    /// refusal that [`Refusal::is_answer`]. `estimate` is what is known of true time.
    pub fn receive(&mut self, bytes: &[u8], arrived: Stamp, estimate: Option<&Estimate>) -> Result<Answer, Refusal> {
        self.tally.received += 1;
        self.tally.received_by.count(arrived.source);
        let mut result = self.examine(bytes, arrived, estimate);
        match result {
            Ok(_) => self.conclude(),
            Err(refusal) => {
                self.tally.count(refusal);
                self.conduct.refused(refusal);
                if refusal.is_answer() || refusal == Refusal::Waking {
                    self.conclude();
                }
            }
        }
        match result {
            Ok(Answer::Measured(measurement)) => {
                self.tally.accepted += 1;
                self.conduct.told_time();
                self.schedule.told_time();
                self.reach = self.reach << 1 | 1;
                self.empty_polls = 0;
                self.last = Some(measurement);
                self.previous.iter_mut().for_each(|previous| previous.is_measured = !measurement.interleaved);
                result = Ok(Answer::Collected);
                if let Some(filtered) = self.filter.take(measurement, estimate.map_or(0.0, |e| e.frequency)) {
                    self.recent.push(filtered);
                    self.trail.push(filtered);
                    let least = self.recent.iter().map(|m| m.sample.delay).min();
                    self.schedule.set_near(least.is_some_and(|delay| delay <= NEAR));
                    result = Ok(Answer::Measured(filtered));
                }
            }
            Ok(Answer::Collected) => {}
            Ok(Answer::Unsynchronised) => {
                self.tally.unsynchronised += 1;
                self.filter.miss();
                self.conduct.useless(Flaw::Unsynchronised);
                self.missed();
            }
            Ok(Answer::Kiss(code)) => {
                self.tally.kisses += 1;
                self.filter.miss();
                // INIT, STEP and the like: it has nothing to tell yet.
                if let KissCode::Other(_) = code {
                    self.conduct.useless(Flaw::Unsynchronised);
                }
            }
            Err(refusal) if refusal.is_answer() => {
                self.reach = self.reach << 1 | 1;
                self.filter.miss();
            }
            Err(_) => {}
        }
        result
    }

    fn conclude(&mut self) {
        if let Some(sent) = self.exchange.take().and_then(|exchange| exchange.sent) {
            self.tally.sent_by.count(sent.stamp().source);
        }
    }

    fn examine(&mut self, bytes: &[u8], arrived: Stamp, estimate: Option<&Estimate>) -> Result<Answer, Refusal> {
        let exchange = self.exchange.ok_or(Refusal::NoRequest)?;
        let version = self.version();
        let reply = Reply::parse(self.authenticator.open(bytes, version)?)?;
        let is_interleaved = exchange.interleaved == Some(reply.origin());
        if reply.origin() != exchange.cookie && !is_interleaved {
            return Err(Refusal::Origin);
        }
        self.is_interleaved = is_interleaved;
        match reply {
            Reply::Kiss { code, .. } => Ok(Answer::Kiss(code)),
            Reply::Unsynchronised { .. } if exchange.waking => Err(Refusal::Waking),
            Reply::Unsynchronised { .. } => Ok(Answer::Unsynchronised),
            Reply::Time(reply) if !self.authenticator.may_tell(reply.transmit.to_utc()) => {
                Err(Refusal::CertificateDates)
            }
            Reply::Time(reply) => self.take(&exchange, reply, arrived, estimate).map(Answer::Measured),
        }
    }
}
