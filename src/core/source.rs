//! One server: the request in flight, whether a reply answers it and makes sense, and what its last replies said.

use std::net::{IpAddr, SocketAddr};

use crate::core::conduct::Conduct;
use crate::core::delay::DelayTests;
use crate::core::dump::Archive;
use crate::core::estimate::{Estimate, Sample, Slot};
use crate::core::event::Label;
use crate::core::poll::Schedule;
use crate::core::random::Random;
use crate::core::recent::Recent;
use crate::core::response::Response;
use crate::core::sample_filter::Filter;
use crate::core::settings::SourceOptions;
pub use crate::core::tally::{Refusal, Tally};
use crate::time::{BUILD_EPOCH, Lead, NtpTimestamp, Raw, Span};
use crate::wire::cmdmon::report::SelectOptions;
use crate::wire::ntp::{Cookie, HEADER_LEN, Interleaved, KissCode, Leap, Reply, Request, TimeReply};

/// Sockets wait this much longer than `maxdelay` for a reply (spec 4.3).
const GRACE: Span = Span::from_secs(4);

/// A server that holds a request longer than this cannot be measured through (spec 4.4, test A).
const MAX_TURNAROUND: Span = Span::from_secs(4);

/// Root delay / 2 + root dispersion from which a server is as good as unsynchronised (spec 4.4, test 7).
const MAX_ROOT_DISTANCE: Span = Span::from_secs(16);

/// Half an NTP era. A server that lives before `BUILD_EPOCH` appears to live more than this after it.
const BELIEVABLE_FUTURE: Span = Span::from_secs(1 << 31);

/// A server this near may be asked more than once a second (spec 3: negative polls).
const NEAR: Span = Span::from_millis(10);

/// Delays below this are time stamping noise, unless `clockprecision` says more.
pub const MIN_DELAY: Span = Span::from_nanos(100);

/// After so many requests in a row without an answer, interleaved mode begins anew (spec 4.3): an old exchange is no news.
const MAX_UNANSWERED: u32 = 4;

/// Names one request and its socket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ExchangeId(pub u64);

/// Who noted the time of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StampSource {
    /// The kernel, as it handled the packet.
    Kernel,
    /// slewd, around its own system call.
    Daemon,
}

/// When a packet left or arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The moment.
    pub at: Raw,
    /// Who noted it.
    pub source: StampSource,
}

/// A server being measured.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its place in the estimator.
    pub slot: Slot,
    /// Where it is asked.
    pub address: SocketAddr,
    /// How the log names it.
    pub label: Label,
    /// Which configured line it came from.
    pub association: usize,
    /// The options of that line.
    pub options: SourceOptions,
    /// When it is asked.
    pub schedule: Schedule,
    /// Outcome of the last eight requests, newest in the lowest bit (RFC 5905 section 9.2).
    pub reach: u8,
    /// Polls in a row after which `reach` was empty.
    pub empty_polls: u32,
    /// What happened to its packets.
    pub tally: Tally,
    /// The last reply that told the time.
    pub last: Option<Measurement>,
    /// No delay is shorter: the resolution of our clock.
    pub precision: Span,
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
    /// Its last response, for people.
    pub response: Option<Response>,
    /// Where the last request left from.
    pub local: Option<IpAddr>,
    /// Options for selection as configured, or as people changed them: `options` has those that hold.
    pub configured: SelectOptions,
    exchange: Option<Exchange>,
    /// What interleaved mode asks about.
    previous: Option<Previous>,
    /// The last reply that told the time bore these timestamps.
    heard: Option<(NtpTimestamp, NtpTimestamp)>,
    recent: Recent,
    delay_tests: DelayTests,
    filter: Filter,
}

#[derive(Clone, Copy, Debug)]
struct Exchange {
    id: ExchangeId,
    cookie: Cookie,
    asked: Raw,
    sent: Option<Stamp>,
    /// It only wakes the path (`presend`).
    waking: bool,
    /// The second cookie of a request in interleaved mode.
    interleaved: Option<Cookie>,
}

/// An exchange that the server can still tell more about: when its reply really left (RFC 9769).
#[derive(Clone, Copy, Debug)]
struct Previous {
    reply: TimeReply,
    sent: Stamp,
    arrived: Stamp,
    /// By what the reply itself said.
    is_measured: bool,
}

/// One accepted reply, reduced to what matters.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Measurement {
    /// For the estimator.
    pub sample: Sample,
    /// When the server received the request and sent the reply, by its own clock.
    pub server_stamps: (NtpTimestamp, NtpTimestamp),
    /// It is about the exchange before: the reply to this one told when that one's really left.
    pub interleaved: bool,
    /// Protocol version of the reply.
    pub version: u8,
    /// Leap warning of the server.
    pub leap: Leap,
    /// Stratum of the server, raised by option `minstratum`.
    pub stratum: u8,
    /// What the server is synchronised to.
    pub reference_id: [u8; 4],
    /// Round trip from the server to its primary reference.
    pub root_delay: Span,
    /// Error from the primary reference to the server.
    pub root_dispersion: Span,
    /// Precision of the server's clock, log2 of seconds.
    pub precision: i8,
    /// Who noted the departure of our request.
    pub sent_by: StampSource,
    /// Who noted the arrival of the reply.
    pub received_by: StampSource,
}

/// A reply that answered our request.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Answer {
    /// It tells the time, and passed every check.
    Measured(Measurement),
    /// The same, but `filter` waits for more before it says anything.
    Collected,
    /// The server does not know the time.
    Unsynchronised,
    /// The server wants to be asked less, or not at all.
    Kiss(KissCode),
}

impl Source {
    /// A server that has not been asked, and is to be at `due`.
    pub fn new(
        slot: Slot,
        address: SocketAddr,
        label: Label,
        association: usize,
        options: SourceOptions,
        due: Raw,
    ) -> Self {
        let schedule = Schedule::new(&options, due);
        Source {
            slot,
            address,
            label,
            association,
            schedule,
            reach: 0,
            empty_polls: 0,
            tally: Tally::default(),
            last: None,
            precision: MIN_DELAY,
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
            previous: None,
            heard: None,
            recent: Recent::default(),
            delay_tests: DelayTests::new(&options),
            filter: Filter::new(options.filter),
            options,
        }
    }

    /// Opens a new exchange. One still open is lost, and returned for closing. `needed` as in [`Schedule::asked`].
    pub fn ask(
        &mut self,
        id: ExchangeId,
        now: Raw,
        needed: bool,
        random: &mut Random,
    ) -> ([u8; HEADER_LEN], Option<ExchangeId>) {
        let cookie = random.cookie();
        let about = self.previous.filter(|_| self.schedule.unanswered() < MAX_UNANSWERED);
        let interleaved = about.map(|about| Interleaved { about: about.reply.receive, cookie: random.cookie() });
        let was_lost = self.schedule.unanswered() > 0;
        self.schedule.asked(now, needed, random);
        let waking = self.schedule.is_waking();
        let second = interleaved.map(|interleaved| interleaved.cookie);
        let exchange = Exchange { id, cookie, asked: now, sent: None, waking, interleaved: second };
        let lost = self.exchange.replace(exchange);
        if was_lost && !waking {
            self.missed();
            self.filter.miss();
        }
        self.tally.sent += 1;
        self.conduct.asked();
        let request = Request { version: self.options.version, poll: self.schedule.poll(), cookie, interleaved };
        (request.encode(), lost.map(|exchange| exchange.id))
    }

    /// The request left at this moment.
    pub fn sent(&mut self, id: ExchangeId, stamp: Stamp) {
        if let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.id == id) {
            exchange.sent = Some(stamp);
            self.schedule.could_send();
        }
    }

    /// The kernel would not send, or the network says the server is unreachable. Closes the exchange.
    pub fn failed(&mut self, id: ExchangeId, never_left: bool, now: Raw) {
        if self.exchange.take_if(|exchange| exchange.id == id).is_some() && never_left {
            self.tally.sent -= 1;
            self.conduct.never_asked();
            self.tally.send_failures += 1;
            self.schedule.could_not_send(now);
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
        sent.map_or(StampSource::Daemon, |sent| sent.source)
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
        self.tally.kernel_received += u64::from(arrived.source == StampSource::Kernel);
        let mut result = self.examine(bytes, arrived, estimate);
        match result {
            Ok(_) => self.conclude(),
            Err(refusal) => {
                self.tally.count(refusal);
                if refusal.is_answer() || refusal == Refusal::Waking {
                    self.conclude();
                }
            }
        }
        match result {
            Ok(Answer::Measured(measurement)) => {
                self.tally.accepted += 1;
                self.conduct.told_time();
                self.reach = self.reach << 1 | 1;
                self.empty_polls = 0;
                self.last = Some(measurement);
                self.previous.iter_mut().for_each(|previous| previous.is_measured = !measurement.interleaved);
                result = Ok(Answer::Collected);
                if let Some(filtered) = self.filter.take(measurement, estimate.map_or(0.0, |e| e.frequency)) {
                    self.recent.push(filtered);
                    let least = self.recent.iter().map(|m| m.sample.delay).min();
                    self.schedule.set_near(least.is_some_and(|delay| delay <= NEAR));
                    result = Ok(Answer::Measured(filtered));
                }
            }
            Ok(Answer::Collected) => {}
            Ok(Answer::Unsynchronised) => {
                self.tally.unsynchronised += 1;
                self.missed();
            }
            Ok(Answer::Kiss(_)) => self.tally.kisses += 1,
            Err(refusal) if refusal.is_answer() => self.reach = self.reach << 1 | 1,
            Err(_) => {}
        }
        result
    }

    /// Its last accepted replies, oldest first.
    pub fn recent(&self) -> impl DoubleEndedIterator<Item = &Measurement> + Clone {
        self.recent.iter()
    }

    /// True time has moved by this much against the raw counter.
    pub fn shift(&mut self, by: Span) {
        self.last.iter_mut().for_each(|last| last.sample.lead += by);
        self.recent.shift(by);
        self.filter.shift(by);
        self.archive.shift(by);
        self.previous = None;
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
        self.archive.clear();
        self.previous = None;
    }

    /// Forgets all but the newest reply.
    pub fn forget_all_but_last(&mut self) {
        self.recent = Recent::default();
        self.archive.clear();
        self.last.iter().for_each(|last| self.recent.push(*last));
    }

    fn missed(&mut self) {
        self.reach <<= 1;
        if self.reach == 0 {
            self.schedule.set_near(false);
            self.empty_polls = self.empty_polls.saturating_add(1);
        }
    }

    fn conclude(&mut self) {
        if let Some(sent) = self.exchange.take().and_then(|exchange| exchange.sent) {
            self.tally.kernel_sent += u64::from(sent.source == StampSource::Kernel);
        }
    }

    fn examine(&mut self, bytes: &[u8], arrived: Stamp, estimate: Option<&Estimate>) -> Result<Answer, Refusal> {
        let exchange = self.exchange.ok_or(Refusal::NoRequest)?;
        let reply = Reply::parse(bytes)?;
        let is_interleaved = exchange.interleaved == Some(reply.origin());
        if reply.origin() != exchange.cookie && !is_interleaved {
            return Err(Refusal::Origin);
        }
        self.is_interleaved = is_interleaved;
        match reply {
            Reply::Kiss { code, .. } => Ok(Answer::Kiss(code)),
            Reply::Unsynchronised { .. } if exchange.waking => Err(Refusal::Waking),
            Reply::Unsynchronised { .. } => Ok(Answer::Unsynchronised),
            Reply::Time(reply) => self.take(&exchange, reply, arrived, estimate).map(Answer::Measured),
        }
    }

    /// A reply that tells the time.
    fn take(
        &mut self,
        exchange: &Exchange,
        reply: TimeReply,
        arrived: Stamp,
        estimate: Option<&Estimate>,
    ) -> Result<Measurement, Refusal> {
        if reply.authenticated {
            return Err(Refusal::Authentication);
        }
        let stamps = (reply.receive, reply.transmit);
        if self.heard == Some(stamps) {
            return Err(Refusal::Duplicate);
        }
        let sent = exchange.sent.unwrap_or(Stamp { at: exchange.asked, source: StampSource::Daemon });
        let present = Previous { reply, sent, arrived, is_measured: false };
        let before = self.previous.take();
        self.previous = self.options.xleave.then_some(present);
        if exchange.waking {
            return Err(Refusal::Waking);
        }
        let measurement = if self.is_interleaved {
            // It may have been forgotten since it was asked about.
            let before = before.ok_or(Refusal::Known)?;
            let measurement = self.measure(&before, Some(&reply), estimate)?;
            if before.is_measured {
                self.refused = Some(measurement);
                return Err(Refusal::Known);
            }
            measurement
        } else {
            self.measure(&present, None, estimate)?
        };
        self.heard = Some(stamps);
        Ok(measurement)
    }

    /// The checks of spec 4.4 that need the times, and the measurement itself. In interleaved mode `later` is the reply that
    /// tells when the one of this exchange left.
    fn measure(
        &mut self,
        exchange: &Previous,
        later: Option<&TimeReply>,
        estimate: Option<&Estimate>,
    ) -> Result<Measurement, Refusal> {
        let (reply, newest) = (exchange.told(later), later.unwrap_or(&exchange.reply));
        if reply.root_delay.half() + reply.root_dispersion >= MAX_ROOT_DISTANCE {
            return Err(Refusal::RootDistance);
        }
        let (received, transmitted) = (reply.receive.to_utc(), reply.transmit.to_utc());
        let turnaround = transmitted - received;
        if turnaround < Span::ZERO || turnaround > MAX_TURNAROUND {
            return Err(Refusal::Turnaround);
        }
        let is_before_build = transmitted - BUILD_EPOCH > BELIEVABLE_FUTURE;
        let replied = transmitted.max(newest.receive.to_utc());
        let was_set_later = newest.reference != NtpTimestamp::ZERO && newest.reference.to_utc() > replied;
        if is_before_build || was_set_later {
            return Err(Refusal::Era);
        }
        let delay = (exchange.arrived.at - exchange.sent.at) - turnaround;
        // A slightly negative delay is time stamping noise on a fast network, a very negative one is a lie.
        if delay < -Span::from_millis(1) {
            return Err(Refusal::Turnaround);
        }
        let interleaved = later.is_some();
        let measurement = Measurement {
            interleaved,
            ..self.measurement(&reply, exchange.sent, exchange.arrived, delay.max(self.precision))
        };
        let verdict = self.delay_tests.judge(&measurement.sample, &self.recent, &self.options, estimate);
        verdict.inspect_err(|_| self.refused = Some(measurement))?;
        Ok(measurement)
    }

    fn measurement(&self, reply: &TimeReply, sent: Stamp, arrived: Stamp, delay: Span) -> Measurement {
        let (received, transmitted) = (reply.receive.to_utc(), reply.transmit.to_utc());
        let outward = Lead::between(received, sent.at);
        let homeward = Lead::between(transmitted, arrived.at);
        let correction = Span::from_secs_f64(self.options.offset_s);
        Measurement {
            sample: Sample {
                slot: self.slot,
                at: sent.at + (arrived.at - sent.at).half(),
                lead: outward.midpoint(homeward) + correction,
                delay,
            },
            server_stamps: (reply.receive, reply.transmit),
            interleaved: false,
            version: reply.version,
            leap: reply.leap,
            stratum: reply.stratum.max(self.options.min_stratum),
            reference_id: reply.reference_id,
            root_delay: reply.root_delay,
            root_dispersion: reply.root_dispersion,
            precision: reply.precision,
            sent_by: sent.source,
            received_by: arrived.source,
        }
    }
}

impl Previous {
    /// What the server says of this exchange, if a `later` reply says more. The worse of the two root distances counts.
    fn told(&self, later: Option<&TimeReply>) -> TimeReply {
        let Some(later) = later else { return self.reply };
        TimeReply {
            receive: self.reply.receive,
            root_delay: later.root_delay.max(self.reply.root_delay),
            root_dispersion: later.root_dispersion.max(self.reply.root_dispersion),
            ..*later
        }
    }
}

impl Measurement {
    /// Half-width of the interval that holds true time, at the moment of the sample (RFC 5905 root distance).
    pub fn bound(&self) -> Span {
        self.sample.delay.half() + self.root_bound()
    }

    /// The part of [`Measurement::bound`] that the server answers for.
    pub fn root_bound(&self) -> Span {
        self.root_delay.half() + self.root_dispersion
    }
}
