//! The sockets of the requests in flight: a fresh one, on a fresh port, for each.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use log::debug;

use crate::config::Network;
use crate::core::api::exchange::{ExchangeId, Stamp, StampSource};
use crate::core::api::flaw::Flaw;
use crate::daemon::clock::Clock;
use crate::daemon::network_cards::{Direction, NetworkCards};
use crate::sys::udp::{ClientSocket, PacketStamps, SocketOptions, Timestamping};
use crate::time::Raw;
use crate::wire::ntp::MAX_LEN;

/// Open exchanges.
#[derive(Default)]
pub struct Exchanges {
    open: Vec<OpenSocket>,
    /// Cards that stamp what goes through these sockets.
    pub cards: NetworkCards,
    network: Network,
    /// `acquisitionport 0`: the port that the kernel chose for the first request, kept for all.
    port: Option<u16>,
    said: Option<Timestamping>,
    /// Why nothing could be sent of late: said once, not for each request.
    failing: Option<io::ErrorKind>,
}

/// A request in flight.
struct OpenSocket {
    exchange: ExchangeId,
    socket: ClientSocket,
    /// Before it was sent: no stamp of its reply can be earlier.
    asked_at: Raw,
}

/// A request has left.
pub struct Dispatch {
    /// When.
    pub stamp: Stamp,
    /// The network card may say it better in a moment.
    pub awaits_hardware: bool,
}

/// What was read from a socket.
pub enum Delivery {
    /// When the request left, as somebody says who is nearer to the cable than those before.
    Departed(Stamp),
    /// A datagram of this length, which arrived at this moment.
    Datagram(usize, Stamp),
    /// An ICMP error: nobody will answer.
    Unreachable,
}

/// Longer than any packet, so that too long ones are seen to be.
pub type Buffer = [u8; MAX_LEN + 4];

impl Exchanges {
    /// No exchange yet; sockets will be bound as configured. Network cards are told to stamp, as long as there are rights to.
    pub fn new(network: Network) -> Self {
        Exchanges { cards: NetworkCards::open(&network.cards), network, ..Self::default() }
    }

    /// Sends a request and says when it left.
    ///
    /// # Errors
    /// Why nothing could be sent.
    pub fn send(
        &mut self,
        exchange: ExchangeId,
        to: SocketAddr,
        packet: &[u8],
        clock: &mut dyn Clock,
    ) -> Result<Dispatch, Flaw> {
        match self.try_send(exchange, to, packet, clock) {
            Ok(dispatch) => {
                self.failing = None;
                Ok(dispatch)
            }
            Err(reason) => {
                if self.failing.replace(reason.kind()) != Some(reason.kind()) {
                    debug!("Could not send to {to}: {reason}");
                }
                Err(flaw(&reason, self.options(to).bind.is_some()))
            }
        }
    }

    fn try_send(
        &mut self,
        exchange: ExchangeId,
        to: SocketAddr,
        packet: &[u8],
        clock: &mut dyn Clock,
    ) -> io::Result<Dispatch> {
        let socket = ClientSocket::open(to, &self.options(to))?;
        if self.network.acquisition_port == Some(0) && self.port.is_none() {
            self.port = socket.local_addr().ok().map(|address| address.port());
        }
        if self.said != Some(socket.timestamping()) {
            self.said = Some(socket.timestamping());
            debug!("Time stamping of packets: {:?}", socket.timestamping());
        }
        let before = clock.read();
        socket.send(packet)?;
        let stamps = socket.transmit_stamps();
        let stamp = departure(&stamps, before.raw, &mut self.cards, clock).unwrap_or(Stamp::of_daemon(before.raw));
        let may_stamp = socket.timestamping() == Timestamping::Hardware && self.cards.may_stamp(stamps.interface);
        self.open.push(OpenSocket { exchange, socket, asked_at: before.raw });
        Ok(Dispatch { stamp, awaits_hardware: may_stamp && stamp.source < StampSource::Hardware })
    }

    /// Whether there is a way to a server: the kernel looks for a route when a socket is connected, and sends nothing.
    pub fn can_reach(&self, to: SocketAddr) -> bool {
        ClientSocket::open(to, &self.options(to)).is_ok()
    }

    /// The local end of an open exchange, as the kernel chose it.
    pub fn local_address(&self, exchange: ExchangeId) -> Option<IpAddr> {
        let OpenSocket { socket, .. } = self.open.iter().find(|open| open.exchange == exchange)?;
        socket.local_addr().ok().map(|address| address.ip())
    }

    /// Closes the socket of an exchange, if it is still open.
    pub fn close(&mut self, exchange: ExchangeId) {
        self.open.retain(|open| open.exchange != exchange);
    }

    /// The open exchanges whose socket has one of these addresses: no reply can reach them.
    pub fn bound_to(&self, addresses: &[IpAddr]) -> Vec<ExchangeId> {
        let is_lost = |socket: &ClientSocket| socket.local_addr().is_ok_and(|own| addresses.contains(&own.ip()));
        self.open.iter().filter(|open| is_lost(&open.socket)).map(|open| open.exchange).collect()
    }

    /// The descriptors to wait for, and whose they are.
    pub fn descriptors(&self) -> impl Iterator<Item = (ExchangeId, BorrowedFd<'_>)> {
        self.open.iter().map(|open| (open.exchange, open.socket.as_fd()))
    }

    /// Takes the next thing a socket has to say; `None` if there is nothing more.
    pub fn receive(&mut self, exchange: ExchangeId, buffer: &mut Buffer, clock: &mut dyn Clock) -> Option<Delivery> {
        let OpenSocket { socket, asked_at, .. } = self.open.iter().find(|open| open.exchange == exchange)?;
        // First: what is said of the request is wanted before the reply is measured.
        if let Some(stamp) = departure(&socket.transmit_stamps(), *asked_at, &mut self.cards, clock) {
            return Some(Delivery::Departed(stamp));
        }
        match socket.receive(buffer) {
            Ok(Some(received)) => {
                let now = clock.read();
                // A clock that was set behind our back, or a driver whose clock is not the system's, places it elsewhere.
                let is_possible = |at: &Raw| (*asked_at..=now.raw).contains(at);
                let kernel = received.stamps.software.map(|stamp| clock.raw_of(stamp)).filter(is_possible);
                let software = kernel.map_or(Stamp::of_daemon(now.raw), Stamp::of_kernel);
                // The card has a packet before the kernel has it.
                let hardware = self.cards.place(&received.stamps, Direction::In, clock);
                let hardware = hardware.filter(|stamp| stamp.is_within(*asked_at, software.at));
                Some(Delivery::Datagram(received.len, hardware.unwrap_or(software)))
            }
            Ok(None) => None,
            Err(reason) => {
                debug!("Exchange {}: {reason}", exchange.0);
                Some(Delivery::Unreachable)
            }
        }
    }

    fn options(&self, to: SocketAddr) -> SocketOptions {
        let bind = match to {
            SocketAddr::V4(_) => self.network.bind_acq_v4.map(IpAddr::V4),
            SocketAddr::V6(_) => self.network.bind_acq_v6.map(IpAddr::V6),
        };
        SocketOptions {
            bind,
            device: self.network.bind_acq_device.clone(),
            port: match self.network.acquisition_port {
                Some(0) => Some(self.port.unwrap_or(0)),
                port => port,
            },
            dscp: self.network.dscp,
            hardware_stamps: self.cards.are_wanted(),
        }
    }
}

/// The best stamp of a request that was sent after `asked_at`. A stamp from before that, or from the future, belongs to
/// something else.
fn departure(stamps: &PacketStamps, asked_at: Raw, cards: &mut NetworkCards, clock: &mut dyn Clock) -> Option<Stamp> {
    if stamps.software.is_none() && stamps.hardware.is_none() {
        return None;
    }
    let hardware = cards.place(stamps, Direction::Out, clock);
    let now = clock.read().raw;
    let software = stamps.software.map(|stamp| Stamp::of_kernel(clock.raw_of(stamp)));
    [hardware, software].into_iter().flatten().find(|stamp| stamp.is_within(asked_at, now))
}

/// Who is at fault for a request that could not be sent.
fn flaw(reason: &io::Error, is_bound: bool) -> Flaw {
    match reason.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => Flaw::NoDescriptors,
        Some(libc::ENODEV | libc::EADDRINUSE) => Flaw::LocalEnd,
        Some(libc::EADDRNOTAVAIL) if is_bound => Flaw::LocalEnd,
        Some(libc::EPERM | libc::EACCES) => Flaw::NotPermitted,
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT) => {
            Flaw::NoRoute
        }
        _ => Flaw::Unsent,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::daemon::clock::ObservedClock;

    #[test]
    fn the_port_is_new_for_each_request_or_one_for_all_or_the_one_that_was_asked_for() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let to = server.local_addr().expect("an address");
        let spare = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let ports = |acquisition_port| {
            let mut exchanges = Exchanges::new(Network { acquisition_port, ..Network::default() });
            let mut port = |id| {
                exchanges.send(ExchangeId(id), to, &[0; 48], &mut ObservedClock::new()).expect("it is sent");
                server.recv_from(&mut [0; 48]).expect("it arrives").1.port()
            };
            [port(1), port(2), port(3)]
        };
        let [first, second, _] = ports(None);
        assert_ne!(first, second);
        let [first, second, third] = ports(Some(0));
        assert_eq!((first, first), (second, third));
        assert_eq!(ports(Some(spare)), [spare; 3]);
    }
}
