//! What one exchange with a server says of true time, or one poll of a reference clock.

use crate::core::api::exchange::StampSource;
use crate::core::estimate::Sample;
use crate::time::{Leap, NtpTimestamp, Span};

/// One accepted reply, or the readings of a reference clock in one poll, reduced to what matters.
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
    /// Our own stamps may be wrong by so much: those of a network card are, as far as its clock is known.
    pub stamp_margin: Span,
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

    /// The part of [`Measurement::bound`] that no round trip tells: the root distance of the server, and what the stamps of
    /// either side cannot tell.
    pub fn root_bound(&self) -> Span {
        self.root_delay.half() + self.root_dispersion + self.stamp_bound()
    }

    /// What the stamps of the server, and our own, cannot tell.
    pub fn stamp_bound(&self) -> Span {
        self.resolution + self.stamp_margin
    }
}
