//! When packets left and arrived, and what an exchange with a server says.

use crate::core::api::flaw::Flaw;
use crate::core::estimate::Sample;
use crate::time::{Leap, NtpTimestamp, Raw, Span};

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
    /// Who noted the moment.
    pub source: StampSource,
}

/// Why a request remains without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undelivered {
    /// The kernel refused to send it, and no packet left. The flaw is one of [`Flaw::NoRoute`],
    /// [`Flaw::NoDescriptors`], [`Flaw::NotPermitted`], [`Flaw::LocalEnd`] and [`Flaw::Unsent`].
    NeverLeft(Flaw),
    /// An ICMP error came back: nobody listens there.
    PortClosed,
    /// The local address that it was sent from is gone.
    AddressGone,
}

/// One accepted reply, reduced to what matters.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Measurement {
    /// For the estimator.
    pub sample: Sample,
    /// When the server received the request and sent the reply, by its own clock.
    pub server_stamps: (NtpTimestamp, NtpTimestamp),
    /// The measurement is about the exchange before: the reply to this one told when that one's really left.
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
    /// What the server's stamps cannot tell: its precision, or the tick that they are seen to be multiples of.
    pub resolution: Span,
    /// Who noted the departure of our request.
    pub sent_by: StampSource,
    /// Who noted the arrival of the reply.
    pub received_by: StampSource,
}

impl Measurement {
    /// Half-width of the interval that holds true time, at the moment of the sample (RFC 5905 root distance).
    pub fn bound(&self) -> Span {
        self.sample.delay.half() + self.root_bound()
    }

    /// The part of [`Measurement::bound`] that the server answers for: its root distance, and what its stamps cannot tell.
    pub fn root_bound(&self) -> Span {
        self.root_delay.half() + self.root_dispersion + self.resolution
    }
}
