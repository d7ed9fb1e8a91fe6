//! Servers, good and bad. They speak real packets.

use std::net::IpAddr;

use crate::sim::authentication::Authenticates;
use crate::sim::link::Link;
use crate::sim::timeline::Timeline;
use crate::time::{Leap, NtpTimestamp, Span, Utc};
use crate::wire::ntp::{HEADER_LEN, Header, Request, TimeReply, encode_kiss};

/// A server and the path to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// The address that the server listens at.
    pub address: IpAddr,
    /// The path to the server.
    pub link: Link,
    /// How the server answers.
    pub manner: Manner,
    /// How far its clock is ahead of the truth.
    pub ahead: Span,
    /// What the server claims to be.
    pub stratum: u8,
    /// Precision that it states, log2 of seconds.
    pub precision: i8,
    /// The stamps of the server are multiples of this, rounded down; zero: as fine as the wire tells.
    pub tick: Span,
    /// The receive stamps of the server are late by this much: those of its card and its program do not agree.
    pub receives_late: Span,
    /// The leap second that the server announces.
    pub announces: Announces,
    /// The server takes this long to follow a leap second, which it never announces.
    pub smears: Option<Span>,
    /// From this many seconds after the start its clock is ahead by so much more.
    pub step: Option<(f64, Span)>,
    /// From this many seconds after the start its clock runs away at this rate.
    pub drift: Option<(f64, f64)>,
    /// The clock of the server swings: amplitude and period (s).
    pub swings: Option<(f64, f64)>,
    /// The replies of the server leave later than they say by this much on average (s), exponentially distributed: it stamps them itself.
    pub dawdles_s: f64,
    /// The server tells in the next reply when one really left, to those who ask for it (RFC 9769).
    pub interleaves: bool,
    /// The server claims that requests arrived so much earlier, and replies left so much later, than they did (s): its path looks
    /// shorter than it is.
    pub inflates_turnaround_s: (f64, f64),
    /// What it says of its own root: delay and dispersion (s).
    pub root_s: (f64, f64),
    /// Somebody on the path answers with this kiss-o'-death between these moments, in seconds after the start.
    pub kisses_between: Option<([u8; 4], f64, f64)>,
    /// The server answers only between these moments, in seconds after the start.
    pub alive: (f64, f64),
    /// How it authenticates what it says.
    pub authenticates: Authenticates,
}

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// The server tells its time.
    Tells,
    /// The server does not answer at all.
    Dead,
    /// The host of the server says that nobody listens (ICMP port unreachable).
    Refuses,
    /// The first answers of the server are off by this much, the rest are honest.
    LiesAtFirst {
        /// How many.
        answers: u64,
        /// By how much its clock is ahead.
        ahead: Span,
    },
    /// The server answers with this kiss-o'-death, after so many honest answers.
    Kisses([u8; 4], u64),
    /// The server says that it does not know the time.
    Unsynchronised,
}

/// What a server says of leap seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Announces {
    /// The truth, on the last day.
    Truth,
    /// This, between these moments in seconds after the start.
    Always(Leap, f64, f64),
}

/// Time a server takes to answer.
const PROCESSING: Span = Span::from_nanos(20_000);

impl Server {
    /// An honest stratum 2 server.
    pub fn honest(address: IpAddr, link: Link) -> Self {
        Server {
            address,
            link,
            manner: Manner::Tells,
            ahead: Span::ZERO,
            stratum: 2,
            precision: -25,
            tick: Span::ZERO,
            receives_late: Span::ZERO,
            announces: Announces::Truth,
            smears: None,
            step: None,
            drift: None,
            swings: None,
            dawdles_s: 0.0,
            interleaves: false,
            inflates_turnaround_s: (0.0, 0.0),
            root_s: (0.0, 0.0),
            kisses_between: None,
            alive: (f64::NEG_INFINITY, f64::INFINITY),
            authenticates: Authenticates::No,
        }
    }

    /// With its clock ahead of the truth.
    pub fn ahead(mut self, by: Span) -> Self {
        self.ahead = by;
        self
    }

    /// With other manners.
    pub fn with(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    /// Answers a request that arrives at true time `now` (the steady one of `timeline`), `since_s` after the start, as
    /// its `served`th (from 0), and says when the answer leaves.
    pub fn answer(
        &self,
        request: &[u8],
        timeline: &Timeline,
        now: Utc,
        since_s: f64,
        served: u64,
    ) -> Option<(Vec<u8>, Utc)> {
        let request = Request::decode(request)?;
        let leaves = now + PROCESSING;
        let is_kissed = |(_, from_s, until_s): &([u8; 4], f64, f64)| (*from_s..*until_s).contains(&since_s);
        if let Some((code, ..)) = self.kisses_between.filter(is_kissed) {
            return Some((encode_kiss(&request, &code).to_vec(), leaves));
        }
        let ahead = match self.manner {
            Manner::Dead | Manner::Refuses => return None,
            Manner::LiesAtFirst { answers, ahead } if served < answers => ahead,
            Manner::Kisses(code, after) if served >= after => {
                return Some((encode_kiss(&request, &code).to_vec(), leaves));
            }
            Manner::Unsynchronised => return Some((encode_kiss(&request, &[0; 4]).to_vec(), leaves)),
            _ => Span::ZERO,
        };
        if !(self.alive.0..self.alive.1).contains(&since_s) {
            return None;
        }
        let stepped = self.step.filter(|(at, _)| since_s >= *at).map_or(Span::ZERO, |(_, by)| by);
        let drifted = self.drift.map_or(Span::ZERO, |(at, rate)| Span::from_secs_f64((since_s - at).max(0.0) * rate));
        let swing = |(amplitude_s, period_s): (f64, f64)| {
            Span::from_secs_f64(amplitude_s * libm::sin(std::f64::consts::TAU * since_s / period_s))
        };
        let ahead = ahead + self.ahead + stepped + drifted + self.swings.map_or(Span::ZERO, swing);
        let told = |steady| self.smears.map_or(timeline.utc(steady), |length| timeline.smeared(steady, length)) + ahead;
        let leap = match self.announces {
            Announces::Always(leap, from_s, until_s) if (from_s..until_s).contains(&since_s) => leap,
            Announces::Truth if self.smears.is_none() => timeline.announced(now),
            _ => Leap::Normal,
        };
        let (earlier_s, later_s) = self.inflates_turnaround_s;
        let receive = told(now) - Span::from_secs_f64(earlier_s) + self.receives_late;
        let transmit = told(leaves) + Span::from_secs_f64(later_s);
        Some((self.reply(&request, leap, self.stamp(receive), self.stamp(transmit)).to_vec(), leaves))
    }

    fn stamp(&self, at: Utc) -> Utc {
        let tick_ns = self.tick.nanos().max(1);
        Utc::from_nanos(at.nanos().div_euclid(tick_ns) * tick_ns)
    }

    fn reply(&self, request: &Request, leap: Leap, receive: Utc, transmit: Utc) -> [u8; HEADER_LEN] {
        let header = Header {
            leap: Some(leap),
            version: request.version,
            stratum: self.stratum,
            poll: request.poll,
            precision: self.precision,
            root_delay: Span::from_secs_f64(self.root_s.0),
            root_dispersion: Span::from_secs_f64(self.root_s.1),
            reference_id: [192, 0, 2, 1],
            reference: NtpTimestamp::from_utc(receive - Span::from_secs(16)),
            ..Header::default()
        };
        TimeReply {
            header,
            origin: request.cookie,
            receive: NtpTimestamp::from_utc(receive),
            transmit: NtpTimestamp::from_utc(transmit),
            authenticated: false,
        }
        .encode()
    }
}
