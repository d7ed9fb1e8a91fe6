//! One request on its way: its name, when it left and what came of it.

use crate::core::api::flaw::Flaw;
use crate::time::Raw;

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
