//! What measures a source: exchanges over the network, or readings of a device.

use std::net::SocketAddr;

use crate::core::api::reference_clock::IS_BUILT;
use crate::core::api::source_id::SourceId;
use crate::core::refclock::ReferenceClock;

/// Where the measurements of a source come from.
#[derive(Clone, Debug)]
pub enum Measurer {
    /// Requests to this address and port, and the replies.
    Network(SocketAddr),
    /// A device of this machine.
    Clock(Box<ReferenceClock>),
}

impl Measurer {
    /// Who the source is.
    pub(in crate::core) fn id(&self) -> SourceId {
        match self {
            Measurer::Network(address) => SourceId::Server(address.ip()),
            Measurer::Clock(clock) => SourceId::Clock(clock.config().id),
        }
    }

    /// Where requests go.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Measurer::Network(address) => Some(*address),
            Measurer::Clock(_) => None,
        }
    }

    /// The device.
    pub(super) fn clock(&self) -> Option<&ReferenceClock> {
        match self {
            Measurer::Clock(clock) if IS_BUILT => Some(clock),
            _ => None,
        }
    }

    /// The device, to be read.
    pub(super) fn clock_mut(&mut self) -> Option<&mut ReferenceClock> {
        match self {
            Measurer::Clock(clock) if IS_BUILT => Some(clock),
            _ => None,
        }
    }
}
