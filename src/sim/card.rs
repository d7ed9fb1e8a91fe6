//! A network card that stamps packets: exactly, but late, and not always as it should.

use crate::core::api::exchange::{ExchangeId, Stamp};
use crate::sim::random::Dice;
use crate::time::{Raw, Span};

/// A card, and what lies between it and the kernel's stamps.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// From the kernel's stamp of a request to the cable, and from the cable to the kernel's stamp of a reply, it takes so
    /// many seconds on average, exponentially distributed.
    pub lag_s: f64,
    /// The card's stamps are off by up to this, and it is known.
    pub margin: Span,
    /// The stamps are wrong by this as well, and nobody knows: `txcomp` and `rxcomp` of another card.
    pub wrong_by: Span,
    /// The stamp of a request is told so many seconds after it left, between the two.
    pub told_after_s: (f64, f64),
    /// The kernel's own stamp of a request is told so many seconds after it was sent; 0 for at once.
    pub software_after_s: f64,
    /// The card stamps replies too.
    pub receives: bool,
    /// The part of the stamps that go wrong in one way or another.
    pub mishaps: f64,
}

/// A stamp that is told in so many seconds.
pub type Told = (f64, ExchangeId, Stamp);

impl Default for Card {
    fn default() -> Self {
        Card {
            lag_s: 20e-6,
            margin: Span::from_nanos(500),
            wrong_by: Span::ZERO,
            told_after_s: (20e-6, 100e-6),
            software_after_s: 0.0,
            receives: true,
            mishaps: 0.0,
        }
    }
}

impl Card {
    /// The stamp of the card for what passed the cable at this moment.
    pub fn stamp(&self, at: Raw, dice: &mut Dice) -> Stamp {
        let off = self.margin.scaled(2.0 * dice.uniform() - 1.0);
        Stamp::of_hardware(at + off + self.wrong_by, self.margin)
    }

    /// What is told of a request that the kernel stamped at `sent`, and that left at `left`. `before` is what was told of
    /// another one.
    pub fn tell(
        &self,
        exchange: ExchangeId,
        (sent, left): (Raw, Raw),
        before: Option<Told>,
        dice: &mut Dice,
    ) -> Vec<Told> {
        let mut told = Vec::new();
        if self.software_after_s > 0.0 {
            told.push((self.software_after_s, exchange, Stamp::of_kernel(sent)));
        }
        let (from_s, to_s) = self.told_after_s;
        let own =
            ((left - sent).secs_f64() + from_s + (to_s - from_s) * dice.uniform(), exchange, self.stamp(left, dice));
        if dice.uniform() >= self.mishaps {
            told.push(own);
            return told;
        }
        match (6.0 * dice.uniform()) as u32 {
            // It never comes.
            0 => {}
            1 => told.extend([own, own]),
            // Long after the reply.
            2 => told.push((own.0 + 1.0, own.1, own.2)),
            // That of the request before.
            3 => told.extend(before.map(|(_, _, stamp)| (own.0, exchange, stamp))),
            // For the request before.
            4 => told.extend(before.map(|(_, other, _)| (own.0, other, own.2))),
            // From before the request was sent.
            _ => told.push((own.0, exchange, Stamp::of_hardware(sent - Span::from_millis(3), self.margin))),
        }
        told
    }
}
