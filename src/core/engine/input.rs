//! What the engine is started with, and what it is told.

use std::net::IpAddr;

use crate::core::api::command::Applied;
use crate::core::api::exchange::{ExchangeId, Stamp, Undelivered};
use crate::core::api::last_good::LastGood;
use crate::core::api::nts::{Established, EstablishmentId, KeyFailure};
#[cfg(doc)]
use crate::core::api::output::Output;
use crate::core::api::reference_clock::{ClockConfig, ClockId, Reading};
use crate::core::api::settings::{Mode, Settings, SourceConfig};
use crate::core::clock::leap::LeapTable;
use crate::core::estimate::FrequencyPrior;
use crate::time::{ClockReading, Span, Utc};

/// What the engine is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Directives.
    pub settings: Settings,
    /// `server` and `pool` lines, in order.
    pub sources: Vec<SourceConfig>,
    /// `refclock` lines, in order: [`ClockId`] is the place in this list.
    pub clocks: Vec<ClockConfig>,
    /// From the address file: asked at once, beside the lookups.
    pub last_good: Vec<LastGood>,
    /// Run for ever, or once.
    pub mode: Mode,
    /// The run ends soon (`-t`): as in one-shot mode, hosts that do not answer are not waited for.
    pub is_brief: bool,
    /// Frequency from the drift file or the kernel.
    pub prior: FrequencyPrior,
    /// Before any server has answered, the clock is not left earlier than this.
    pub floor: Floor,
    /// How often the drift file is written, at most.
    pub drift_interval: Span,
    /// What `leapseclist` or `leapsectz` says.
    pub leap_table: Option<LeapTable>,
    /// For cookies and for spreading requests.
    pub seed: [u8; 16],
}

/// The earliest believable time before any server has answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Floor {
    /// The time.
    pub utc: Utc,
    /// The time is that at which the drift file was written, rather than the build epoch.
    pub from_drift_file: bool,
}

/// Something happened.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// The clocks, read at this wake-up.
    pub now: ClockReading,
    /// What happened.
    pub what: What<'a>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What<'a> {
    /// The timeout was reached, or nothing in particular.
    Wake,
    /// A request left.
    Sent {
        /// The exchange of this request.
        exchange: ExchangeId,
        /// When the request left.
        stamp: Stamp,
        /// From which address, if that is known: the response will arrive there.
        from: Option<IpAddr>,
        /// The network card may say later when it left: a reply that is faster waits for that.
        awaits_hardware: bool,
    },
    /// Somebody nearer to the cable says when a request left.
    Stamped {
        /// The exchange of this request.
        exchange: ExchangeId,
        /// When the request left.
        stamp: Stamp,
    },
    /// A request could not be sent, or an ICMP error answered it.
    Unreachable {
        /// The exchange of this request.
        exchange: ExchangeId,
        /// Why the request remains without an answer.
        why: Undelivered,
    },
    /// A datagram arrived on the socket of an exchange.
    Datagram {
        /// The exchange whose socket it is.
        exchange: ExchangeId,
        /// The content of the datagram.
        bytes: &'a [u8],
        /// When the datagram arrived.
        arrived: Stamp,
    },
    /// A device was read ([`Output::ReadClock`]), or spoke by itself.
    Reading {
        /// The reference clock.
        clock: ClockId,
        /// What came of it.
        reading: Reading,
    },
    /// A lookup ended. Every failure is transient, and is an empty list.
    Resolved {
        /// From [`Output::Resolve`].
        line: usize,
        /// In the resolver's order.
        addresses: &'a [IpAddr],
    },
    /// The `.sources` files have been read, at the start or again: these are all their lines.
    Reload {
        /// In order.
        lines: &'a [SourceConfig],
    },
    /// An establishment of NTS keys has ended.
    Keys {
        /// From [`Output::EstablishKeys`].
        id: EstablishmentId,
        /// The keys, or why there are none.
        outcome: Result<Box<Established>, KeyFailure>,
    },
    /// A clock command was carried out.
    Applied(Applied),
    /// An interface, an address or a route has appeared: servers may be reachable that were not, or by another way.
    NetworkChanged,
    /// The file with leap seconds was read again.
    LeapData(&'a LeapTable),
    /// The sensor of `tempcomp` says this, in its own unit.
    Temperature(f64),
}
