//! A reply that came before the network card said when its request left (`hwtstimeout` of chrony.conf(5)).

use crate::core::api::exchange::{ExchangeId, Stamp};
use crate::core::source::Source;
use crate::core::source::departure::Departure;
use crate::time::Raw;

/// A datagram that has not been looked at.
#[derive(Clone, Debug)]
pub struct HeldReply {
    /// The exchange whose socket it came from.
    pub exchange: ExchangeId,
    /// The content of the reply.
    pub bytes: Vec<u8>,
    /// When it arrived.
    pub arrived: Stamp,
    /// The reply is not held longer than this.
    pub until: Raw,
}

impl Source {
    /// Whether a datagram should wait: the card may still say when the request left, and no other is waiting.
    pub fn awaits_stamp(&self) -> bool {
        let departure = self.exchange.and_then(|exchange| exchange.sent);
        departure.is_some_and(|departure| departure.awaits_hardware()) && self.held_until().is_none()
    }

    /// A datagram waits.
    pub fn hold(&mut self, reply: HeldReply) {
        self.held = Some(reply);
    }

    /// Until when a datagram of the open exchange waits.
    pub fn held_until(&self) -> Option<Raw> {
        self.held.as_ref().filter(|held| self.in_flight() == Some(held.exchange)).map(|held| held.until)
    }

    /// Takes the datagram that waits.
    pub fn take_held(&mut self) -> Option<HeldReply> {
        self.held.take()
    }

    /// The request left at this moment, as somebody nearer to the cable says.
    pub fn stamped(&mut self, id: ExchangeId, stamp: Stamp, now: Raw) {
        let sent: Option<&mut Departure> =
            self.exchange.as_mut().filter(|exchange| exchange.id == id).and_then(|exchange| exchange.sent.as_mut());
        if let Some(departure) = sent {
            departure.improve(stamp, now);
        }
    }
}
