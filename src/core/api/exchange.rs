//! One request on its way: its name, when it left and what came of it.

use crate::core::api::flaw::Flaw;
use crate::time::{Raw, Span};

/// Names one request and its socket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ExchangeId(pub u64);

/// Who noted the time of a packet, the nearest to the cable last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum StampSource {
    /// slewd, around its own system call.
    Daemon,
    /// The kernel, as it handled the packet.
    Kernel,
    /// The network card, by its own clock.
    Hardware,
}

/// When a packet left or arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The moment.
    pub at: Raw,
    /// Who noted the moment.
    pub source: StampSource,
    /// The moment may be wrong by so much to either side. A stamp of the kernel or of slewd is right, only early for a
    /// packet that leaves and late for one that arrives, which the round trip covers.
    pub margin: Span,
}

impl Stamp {
    /// slewd itself was there at this moment.
    pub const fn of_daemon(at: Raw) -> Self {
        Stamp { at, source: StampSource::Daemon, margin: Span::ZERO }
    }

    /// The kernel says this moment.
    pub const fn of_kernel(at: Raw) -> Self {
        Stamp { at, source: StampSource::Kernel, margin: Span::ZERO }
    }

    /// The network card says this moment, and its clock is known to within `margin`.
    pub fn of_hardware(at: Raw, margin: Span) -> Self {
        Stamp { at, source: StampSource::Hardware, margin: margin.max(Span::ZERO) }
    }

    /// The moment can lie from the first to the second one, as far as this stamp knows.
    pub fn is_within(&self, first: Raw, last: Raw) -> bool {
        self.at + self.margin >= first && self.at - self.margin <= last
    }
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
