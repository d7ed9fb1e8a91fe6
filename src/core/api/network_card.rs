//! Network cards that stamp packets: what a `hwtimestamp` line asks for.

use crate::core::api::settings::poll_interval;
use crate::time::Span;

/// Whether stamps of network cards are part of this build (feature `hwtimestamp`). Without them the compiler drops what
/// tracks a card, for there never is one.
pub const IS_BUILT: bool = cfg!(feature = "hwtimestamp");

/// One `hwtimestamp` line.
#[derive(Clone, Debug, PartialEq)]
pub struct CardConfig {
    /// The name of a network interface, or its beginning and `*`.
    pub interface: String,
    /// `minpoll`: readings of the card's clock that are nearer to each other count as one, log2 of seconds.
    pub min_poll: i8,
    /// `maxpoll`: the card's clock is read at least as often as this, log2 of seconds.
    pub max_poll: i8,
    /// `minsamples`: with fewer readings no stamp is used; 2 at least.
    pub min_samples: usize,
    /// `maxsamples`: so many readings are kept.
    pub max_samples: usize,
    /// `precision`: a reading is not taken for better than this.
    pub precision: Span,
    /// `txcomp`: packets leave by so much later than the card says.
    pub transmit_compensation: Span,
    /// `rxcomp`: packets arrive by so much earlier than the card says.
    pub receive_compensation: Span,
    /// The card's clock may be read by cross time stamps: `nocrossts` forbids it.
    pub cross: bool,
    /// `rxfilter`; `None`: the narrowest that the card has for NTP.
    pub filter: Option<ReceiveFilter>,
}

/// The packets that a card stamps when they arrive (`rxfilter`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiveFilter {
    /// No packet.
    None,
    /// Packets of NTP.
    Ntp,
    /// Packets of PTP.
    Ptp,
    /// All.
    All,
}

impl CardConfig {
    /// chrony's defaults.
    pub fn new(interface: &str) -> Self {
        CardConfig {
            interface: interface.to_owned(),
            min_poll: 0,
            max_poll: 1,
            min_samples: 2,
            max_samples: 16,
            precision: Span::from_nanos(100),
            transmit_compensation: Span::ZERO,
            receive_compensation: Span::ZERO,
            cross: true,
            filter: None,
        }
    }

    /// The line is about this interface.
    pub fn is_about(&self, interface: &str) -> bool {
        match self.interface.strip_suffix('*') {
            Some(beginning) => interface.starts_with(beginning),
            None => self.interface == interface,
        }
    }

    /// The line is about all interfaces whose names begin in some way.
    pub fn is_pattern(&self) -> bool {
        self.interface.ends_with('*')
    }

    /// Time between two readings that are made without need.
    pub fn interval(&self) -> Span {
        poll_interval(self.max_poll)
    }

    /// Readings that are nearer to each other count as one.
    pub fn least_gap(&self) -> Span {
        poll_interval(self.min_poll)
    }
}
