//! What a server of the demonstration is and says: its truth, its path, its behaviour, its packets.

use std::net::SocketAddr;

use crate::time::{NANOS_PER_SEC, NtpTimestamp, Raw, Span, Utc};

/// What the honest servers say: a clock that ran uniformly since the raw counter was zero.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// The time when the raw counter was zero.
    pub epoch: Utc,
    /// How much faster than the raw counter true time runs, in parts per million.
    pub ppm: f64,
}

/// One direction of the way between client and server.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkPath {
    /// The shortest possible delay.
    pub delay: Span,
    /// Mean of the exponentially distributed delay that comes on top.
    pub jitter: Span,
}

/// What a server does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behaviour {
    /// Tells the truth.
    Honest,
    /// Tells the truth plus a constant.
    Lies(Span),
    /// Takes requests and never answers.
    Dead,
    /// Tells the truth to the first `after` requests, then sends this kiss code (RFC 5905 section 7.4).
    Kiss {
        /// Four ASCII letters, for example `RATE` or `DENY`.
        code: [u8; 4],
        /// Number of requests answered normally.
        after: u64,
    },
}

/// One server: where it listens, how it is reached and what it says.
#[derive(Clone, Copy, Debug)]
pub struct ServerSpec {
    /// Address to listen on; port 0 lets the kernel choose.
    pub listen: SocketAddr,
    /// Honest or not.
    pub behaviour: Behaviour,
    /// From client to server.
    pub forward: NetworkPath,
    /// From server to client.
    pub back: NetworkPath,
    /// Time between the server's receive and transmit time stamps.
    pub turnaround: Span,
    /// Stratum, 1 to 15.
    pub stratum: u8,
    /// Leap indicator, 0 to 3.
    pub leap: u8,
    /// Reference identifier.
    pub refid: [u8; 4],
    /// Round trip from this server to its reference clock.
    pub root_delay: Span,
    /// Error bound of this server's time.
    pub root_dispersion: Span,
}

/// Length of a plain NTP packet (RFC 5905 section 7.3).
pub(super) const PACKET: usize = 48;

impl Truth {
    /// True time at a moment of the raw counter, exact to the nanosecond.
    pub fn at(&self, raw: Raw) -> Utc {
        let parts_per_trillion = (self.ppm * 1e6).round() as i128;
        let gained = i128::from(raw.nanos()) * parts_per_trillion / 1_000_000_000_000;
        self.epoch + Span::from_nanos(raw.nanos()) + Span::from_nanos(gained as i64)
    }

    /// The truth that is `now` at this moment of the counter and runs `ppm` faster than it.
    pub fn starting(now: Utc, raw: Raw, ppm: f64) -> Self {
        let since_zero = Truth { epoch: Utc::from_nanos(0), ppm }.at(raw) - Utc::from_nanos(0);
        Truth { epoch: now - since_zero, ppm }
    }
}

impl NetworkPath {
    /// The delay of one packet.
    pub(super) fn draw(&self, random: &mut fastrand::Rng) -> Span {
        self.delay + self.jitter.scaled(-libm::log(1.0 - random.f64()))
    }
}

impl ServerSpec {
    /// An honest stratum 1 server at the end of a perfect path.
    pub fn honest(listen: SocketAddr) -> Self {
        ServerSpec {
            listen,
            behaviour: Behaviour::Honest,
            forward: NetworkPath::default(),
            back: NetworkPath::default(),
            turnaround: Span::from_nanos(10_000),
            stratum: 1,
            leap: 0,
            refid: *b"TEST",
            root_delay: Span::ZERO,
            root_dispersion: Span::from_nanos(50_000),
        }
    }

    /// Gives both directions this path.
    pub fn path_each_way(mut self, delay: Span, jitter: Span) -> Self {
        self.forward = NetworkPath { delay, jitter };
        self.back = self.forward;
        self
    }

    /// Gives the server another behaviour.
    pub fn behaving(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }
}

/// The datagram as a request, if it is one that a plain server answers.
pub(super) fn client_request(datagram: &[u8]) -> Option<&[u8; PACKET]> {
    let request: &[u8; PACKET] = datagram.try_into().ok()?;
    let (version, mode) = (request[0] >> 3 & 7, request[0] & 7);
    ((1..=4).contains(&version) && mode == 3).then_some(request)
}

impl ServerSpec {
    /// The answer to a request when `earlier` requests came before it.
    pub(super) fn reply(&self, request: &[u8; PACKET], earlier: u64, received: Utc, sent: Utc) -> [u8; PACKET] {
        let (lie, kiss) = match self.behaviour {
            Behaviour::Lies(by) => (by, None),
            Behaviour::Kiss { code, after } if earlier >= after => (Span::ZERO, Some(code)),
            _ => (Span::ZERO, None),
        };
        let leap = if kiss.is_some() { 3 } else { self.leap & 3 };
        let mut packet = [0; PACKET];
        packet[0] = leap << 6 | request[0] & 0x38 | 4;
        packet[1] = if kiss.is_some() { 0 } else { self.stratum };
        packet[2] = request[2];
        packet[3] = -20_i8 as u8;
        packet[4..8].copy_from_slice(&short(self.root_delay));
        packet[8..12].copy_from_slice(&short(self.root_dispersion));
        packet[12..16].copy_from_slice(&kiss.unwrap_or(self.refid));
        packet[16..24].copy_from_slice(&stamp(received + lie - Span::from_secs(8)));
        packet[24..32].copy_from_slice(&request[40..48]);
        packet[32..40].copy_from_slice(&stamp(received + lie));
        packet[40..48].copy_from_slice(&stamp(sent + lie));
        packet
    }
}

fn stamp(utc: Utc) -> [u8; 8] {
    NtpTimestamp::from_utc(utc).0.to_be_bytes()
}

/// 16 bits of seconds, 16 bits of fraction (RFC 5905 section 6).
fn short(span: Span) -> [u8; 4] {
    let units = i128::from(span.nanos().max(0)) * 65_536 / i128::from(NANOS_PER_SEC);
    u32::try_from(units).unwrap_or(u32::MAX).to_be_bytes()
}
