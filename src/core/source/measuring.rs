//! What an exchange measures: the times of both ends, and whether they make sense.

use crate::core::api::exchange::Stamp;
use crate::core::api::measurement::Measurement;
use crate::core::estimate::{Estimate, Sample};
use crate::core::source::{Exchange, Refusal, Source};
use crate::time::{BUILD_EPOCH, Lead, Span};
use crate::wire::ntp::{Header, TimeReply};

/// A server that holds a request longer than this cannot be measured through (part of chronyd's test A).
const MAX_TURNAROUND: Span = Span::from_secs(4);

/// No server takes longer to answer. What one says to have taken beyond this counts as time on the path: nobody but itself
/// confirms it, and a server that claims a long time would else claim to be near, and be believed more than others.
const CREDIBLE_TURNAROUND: Span = Span::from_millis(1);

/// Root delay / 2 + root dispersion from which a server is as good as unsynchronised (RFC 5905: MAXDISP, test 7).
const MAX_ROOT_DISTANCE: Span = Span::from_secs(16);

/// Noise of time stamps on a fast network: a delay that is negative by more has another cause.
const STAMP_NOISE: Span = Span::from_millis(1);

/// Half an NTP era. A server that lives before 1970 appears to live more than this after `BUILD_EPOCH`.
const BELIEVABLE_FUTURE: Span = Span::from_secs(1 << 31);

/// An exchange that the server can still tell more about: when its reply really left (RFC 9769).
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Previous {
    pub(in crate::core) reply: TimeReply,
    pub(in crate::core) sent: Stamp,
    pub(in crate::core) arrived: Stamp,
    /// By what the reply itself said.
    pub(in crate::core) is_measured: bool,
}

impl Source {
    /// A reply that tells the time.
    pub(super) fn take(
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
        if self.heard == Some(stamps) && !self.is_within_tick(arrived) {
            return Err(Refusal::Duplicate);
        }
        let sent = exchange.sent.map_or(Stamp::of_daemon(exchange.asked), |departure| departure.stamp());
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

    /// The clock of the server need not have ticked since its last reply.
    fn is_within_tick(&self, arrived: Stamp) -> bool {
        self.last.is_some_and(|last| arrived.at - last.sample.at <= last.resolution)
    }

    /// The packet tests that need the times (chrony.conf(5), `log measurements`), and the measurement itself. In
    /// interleaved mode `later` is the reply that tells when the one of this exchange left.
    fn measure(
        &mut self,
        exchange: &Previous,
        later: Option<&TimeReply>,
        estimate: Option<&Estimate>,
    ) -> Result<Measurement, Refusal> {
        let reply = exchange.told(later);
        if reply.header.root_delay.half() + reply.header.root_dispersion >= MAX_ROOT_DISTANCE {
            return Err(Refusal::RootDistance);
        }
        let (received, transmitted) = (reply.receive.to_utc(), reply.transmit.to_utc());
        let turnaround = transmitted - received;
        let resolution = self.resolution.observe(&reply);
        if turnaround < -resolution || turnaround > MAX_TURNAROUND {
            return Err(Refusal::Turnaround);
        }
        if transmitted < BUILD_EPOCH || transmitted - BUILD_EPOCH > BELIEVABLE_FUTURE {
            return Err(Refusal::Era);
        }
        // A difference that the stamps cannot resolve is no time at all.
        let credible = CREDIBLE_TURNAROUND.max(resolution);
        let held = if turnaround <= resolution { Span::ZERO } else { turnaround.min(credible) };
        let round_trip = exchange.arrived.at - exchange.sent.at;
        let delay = round_trip - held;
        let margins = exchange.sent.margin + exchange.arrived.margin;
        // A time on the path that is slightly negative is noise of the stamps, a very negative one is a lie.
        if round_trip - turnaround.max(Span::ZERO) < -STAMP_NOISE.max(resolution).max(margins) {
            return Err(Refusal::Turnaround);
        }
        let interleaved = later.is_some();
        let measurement = Measurement {
            interleaved,
            resolution,
            ..self.measurement(&reply, exchange.sent, exchange.arrived, delay.max(self.precision))
        };
        let verdict = self.delay_tests.judge(&measurement.sample, &self.recent, &self.options, estimate);
        verdict.inspect_err(|_| self.refused = Some(measurement))?;
        Ok(measurement)
    }

    fn measurement(&self, reply: &TimeReply, sent: Stamp, arrived: Stamp, delay: Span) -> Measurement {
        let header = &reply.header;
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
            version: header.version,
            leap: reply.leap(),
            stratum: header.stratum.max(self.options.min_stratum),
            reference_id: header.reference_id,
            root_delay: header.root_delay,
            root_dispersion: header.root_dispersion,
            precision: header.precision,
            resolution: Span::ZERO,
            // True time is not before one end of the round trip and not after the other: either end may be wrong.
            stamp_margin: sent.margin.max(arrived.margin),
            sent_by: sent.source,
            received_by: arrived.source,
        }
    }
}

impl Previous {
    /// What the server says of this exchange, if a `later` reply says more. The worse of the two root distances counts.
    fn told(&self, later: Option<&TimeReply>) -> TimeReply {
        let Some(later) = later else { return self.reply };
        let earlier = &self.reply.header;
        let header = Header {
            root_delay: later.header.root_delay.max(earlier.root_delay),
            root_dispersion: later.header.root_dispersion.max(earlier.root_dispersion),
            ..later.header
        };
        TimeReply { header, receive: self.reply.receive, ..*later }
    }
}
