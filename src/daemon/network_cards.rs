//! Network cards that stamp packets (`hwtimestamp`): told to, their clocks read, and their stamps placed on our own counter.

use std::io;
use std::mem;

use log::{debug, info, warn};

use crate::core::api::exchange::Stamp;
use crate::core::api::network_card::{CardConfig, IS_BUILT, ReceiveFilter};
use crate::core::refclock::card_clock::{CardClock, CardFlaw};
use crate::daemon::clock::Clock;
use crate::daemon::devices::hardware::HardwareClock;
use crate::daemon::os_error::plain;
use crate::sys::network_card::{self, Abilities, Stamping};
use crate::sys::udp::PacketStamps;
use crate::time::Raw;

/// The cards that stamp, and the lines that ask for them.
#[derive(Debug, Default)]
pub struct NetworkCards {
    lines: Vec<CardConfig>,
    cards: Vec<StampingCard>,
    /// Interfaces whose cards do not stamp although they are named, and why, as the log has it.
    refused: Vec<(String, String)>,
}

/// A card that stamps.
#[derive(Debug)]
struct StampingCard {
    /// The number of the interface, as packets have it.
    index: u32,
    interface: String,
    config: CardConfig,
    clock: HardwareClock,
    track: CardClock,
    /// What the log says is wrong with its clock.
    flaw: Option<CardFlaw>,
    /// When its clock is read next; at once if it has not been read.
    due: Option<Raw>,
}

/// Which way a packet went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The packet was sent.
    Out,
    /// The packet was received.
    In,
}

impl NetworkCards {
    /// Takes the cards there are, as long as there are rights to.
    pub fn open(lines: &[CardConfig]) -> Self {
        let mut cards = NetworkCards { lines: lines.to_vec(), ..NetworkCards::default() };
        cards.look();
        cards
    }

    /// Stamps of cards are asked for.
    pub fn are_wanted(&self) -> bool {
        IS_BUILT && !self.lines.is_empty()
    }

    /// A card may appear that is to be told to stamp.
    pub fn may_come(&self) -> bool {
        let is_here = |line: &CardConfig| self.cards.iter().any(|card| line.is_about(&card.interface));
        self.lines.iter().any(|line| line.is_pattern() || !is_here(line))
    }

    /// Takes the cards that are new, lets go those that are not there any more, and makes those stamp again that have
    /// forgotten to.
    pub fn look(&mut self) {
        if !self.are_wanted() {
            return;
        }
        let found = match network_card::interfaces() {
            Ok(found) => found,
            Err(reason) => return debug!("The network interfaces are not known: {reason}"),
        };
        let is_there =
            |card: &mut StampingCard| found.iter().any(|(index, name)| *index == card.index && *name == card.interface);
        self.cards.retain_mut(is_there);
        let lines = mem::take(&mut self.lines);
        for (index, interface) in &found {
            // The exact name comes first.
            let about = lines.iter().filter(|line| line.is_about(interface));
            if let Some(config) = about.min_by_key(|line| line.is_pattern()) {
                self.take(*index, interface, config);
            }
        }
        let is_absent = |line: &&CardConfig| !found.iter().any(|(_, interface)| line.is_about(interface));
        for line in lines.iter().filter(|line| !line.is_pattern()).filter(is_absent) {
            self.refuse(&line.interface, false, "no such interface (it is taken when it appears)".to_owned());
        }
        self.lines = lines;
    }

    fn take(&mut self, index: u32, interface: &str, config: &CardConfig) {
        let is_pattern = config.is_pattern();
        let stamping = match enable(interface, config) {
            Ok(stamping) => stamping,
            Err(reason) => {
                self.cards.retain(|card| card.index != index);
                return self.refuse(interface, is_pattern, reason);
            }
        };
        if self.cards.iter().any(|card| card.index == index) {
            return;
        }
        match HardwareClock::open(interface, config.cross) {
            Ok(clock) => {
                let only = if stamping.filter == network_card::RECEIVE_NONE { "(TX only) " } else { "" };
                info!("Enabled HW timestamping {only}on {interface}");
                self.refused.retain(|(refused, _)| refused != interface);
                let (track, config) = (CardClock::new(config), config.clone());
                let interface = interface.to_owned();
                self.cards.push(StampingCard { index, interface, config, clock, track, flaw: None, due: None });
            }
            Err(reason) => {
                self.refuse(interface, is_pattern, format!("its clock cannot be opened: {}", plain(&reason)))
            }
        }
    }

    /// Said once, until it works or fails in another way. Not every interface that a pattern fits has a card that can.
    fn refuse(&mut self, interface: &str, is_pattern: bool, reason: String) {
        if self.refused.iter().any(|(refused, said)| refused == interface && *said == reason) {
            return;
        }
        let text = format!("Could not enable HW timestamping on {interface} : {reason}");
        if is_pattern && !reason.contains(NO_RIGHT) {
            debug!("{text}");
        } else {
            warn!("{text}");
        }
        self.refused.retain(|(refused, _)| refused != interface);
        self.refused.push((interface.to_owned(), reason));
    }

    /// When a clock is to be read next.
    pub fn due(&self, now: Raw) -> Option<Raw> {
        self.cards.iter().filter(|_| IS_BUILT).map(|card| card.due.unwrap_or(now)).min()
    }

    /// Reads the clocks that are due.
    pub fn tend(&mut self, clock: &mut dyn Clock) {
        if !IS_BUILT || self.cards.is_empty() {
            return;
        }
        let now = clock.read().raw;
        self.cards.retain_mut(|card| card.due.is_some_and(|due| due > now) || card.read(clock));
    }

    /// A stamp of a card may come for a packet that left by this interface, or by one that is not known.
    pub fn may_stamp(&self, interface: Option<u32>) -> bool {
        let is_it = |card: &&StampingCard| interface.is_none_or(|index| index == card.index);
        IS_BUILT && self.cards.iter().filter(is_it).any(|card| card.flaw.is_none())
    }

    /// The stamp of a card, on our own counter. `None` if there is none, or the clock of the card is not known well enough.
    pub fn place(&mut self, stamps: &PacketStamps, direction: Direction, clock: &mut dyn Clock) -> Option<Stamp> {
        let (stamp, interface) = (stamps.hardware.filter(|_| IS_BUILT)?, stamps.interface?);
        let at = self.cards.iter().position(|card| card.index == interface)?;
        // Stamps are placed between two readings: what has happened to the clock meanwhile is then seen.
        if !self.cards[at].track.is_known_at(stamp) && !self.cards[at].read(clock) {
            self.cards.remove(at);
            return None;
        }
        let card = &self.cards[at];
        let (moment, margin) = card.track.on_counter(stamp)?;
        let moment = match direction {
            Direction::Out => moment + card.config.transmit_compensation,
            Direction::In => moment - card.config.receive_compensation,
        };
        Some(Stamp::of_hardware(moment, margin))
    }
}

impl StampingCard {
    /// `false` if it cannot be read any more.
    fn read(&mut self, clock: &mut dyn Clock) -> bool {
        let before = clock.read();
        self.due = Some(before.raw + self.config.interval());
        let reading = match self.clock.read(&before) {
            Ok(reading) => reading,
            Err(reason) => {
                let interface = &self.interface;
                warn!("Could not read hardware clock of {interface} : {} (its stamps are not used)", plain(&reason));
                return false;
            }
        };
        self.track.take(reading, &clock.read());
        let flaw = self.track.flaw();
        if flaw != self.flaw {
            self.flaw = flaw;
            self.report();
        }
        true
    }

    fn report(&self) {
        let interface = &self.interface;
        let what = match self.flaw {
            None => return info!("Hardware clock of {interface} runs as it should again"),
            Some(CardFlaw::Frozen) => "stands still".to_owned(),
            Some(CardFlaw::WrongSpeed) => "runs at the wrong speed".to_owned(),
            Some(CardFlaw::Jumped(by)) => format!("jumped by {:.6} seconds", by.secs_f64()),
        };
        warn!("Hardware clock of {interface} {what}: its stamps are not used until it runs as it should");
    }
}

/// What is missing when the kernel refuses an order.
const NO_RIGHT: &str = "CAP_NET_ADMIN";

/// Makes the card of an interface stamp, unless another program has done so already: what else that wants is kept.
fn enable(interface: &str, config: &CardConfig) -> Result<Stamping, String> {
    let abilities = network_card::abilities(interface).map_err(|reason| plain(&reason))?;
    if !abilities.transmits || abilities.clock.is_none() {
        return Err("its card does not stamp what it sends".to_owned());
    }
    let wanted = filter(config, &abilities);
    let passes =
        |filter: u32| wanted == network_card::RECEIVE_NONE || [wanted, network_card::RECEIVE_ALL].contains(&filter);
    let is_enough = |stamping: &Stamping| stamping.transmits && passes(stamping.filter);
    if let Some(stamping) = network_card::stamping(interface).ok().filter(is_enough) {
        return Ok(stamping);
    }
    let set = match network_card::set_stamping(interface, wanted) {
        // Some cards have fewer filters than they say.
        Err(reason) if reason.raw_os_error() == Some(libc::ERANGE) && config.filter.is_none() => {
            network_card::set_stamping(interface, network_card::RECEIVE_NONE)
        }
        set => set,
    };
    set.map_err(|reason| match reason.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("{} (it takes {NO_RIGHT}: see the drop-in hwtimestamp.conf)", plain(&reason))
        }
        _ => plain(&reason),
    })
}

/// The narrowest filter that lets replies pass.
fn filter(config: &CardConfig, abilities: &Abilities) -> u32 {
    match config.filter {
        Some(ReceiveFilter::None) => network_card::RECEIVE_NONE,
        Some(ReceiveFilter::Ntp) => network_card::RECEIVE_NTP,
        Some(ReceiveFilter::Ptp) => network_card::RECEIVE_PTP,
        Some(ReceiveFilter::All) => network_card::RECEIVE_ALL,
        None => {
            let fitting = [network_card::RECEIVE_NTP, network_card::RECEIVE_ALL];
            fitting.into_iter().find(|filter| abilities.has(*filter)).unwrap_or(network_card::RECEIVE_NONE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::clock::ObservedClock;
    use crate::time::Utc;

    #[test]
    fn an_interface_without_a_card_gives_no_stamps_and_is_waited_for() {
        let lines = [CardConfig::new("none-such0"), CardConfig::new("lo")];
        let mut cards = NetworkCards::open(&lines);
        assert!(cards.are_wanted() && cards.may_come());
        assert_eq!((cards.cards.len(), cards.refused.len()), (0, 2));
        cards.look();
        assert_eq!(cards.refused.len(), 2, "said once");
        let stamps = PacketStamps { hardware: Some(Utc::from_secs(5)), interface: Some(1), ..PacketStamps::default() };
        assert_eq!(cards.place(&stamps, Direction::Out, &mut ObservedClock::new()), None);
        assert!(!cards.may_stamp(Some(1)) && !cards.may_stamp(None));
    }

    #[test]
    fn the_narrowest_filter_is_taken() {
        let config = CardConfig::new("eth0");
        let with = Abilities::with_filters;
        assert_eq!(filter(&config, &with(&[0, 1, 12, 15])), network_card::RECEIVE_NTP);
        assert_eq!(filter(&config, &with(&[0, 1, 12])), network_card::RECEIVE_ALL);
        assert_eq!(filter(&config, &with(&[0, 12])), network_card::RECEIVE_NONE);
        let asked = CardConfig { filter: Some(ReceiveFilter::Ptp), ..config };
        assert_eq!(filter(&asked, &with(&[0, 1])), network_card::RECEIVE_PTP);
    }
}
