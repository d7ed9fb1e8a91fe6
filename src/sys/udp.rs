//! One connected UDP socket per exchange, with the kernel's time stamps of both directions.
//!
//! Stamps of the kernel are taken close to the device driver and so leave out this process's scheduling delay. Those of
//! network cards leave out the kernel's as well, and are by clocks of their own.
// The fields of `msghdr` differ between C libraries.
#![allow(clippy::unnecessary_cast)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use libc::c_int;
use nix::errno::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

pub use super::stamp::{PacketStamps, Timestamping};
use super::stamp::{enable_stamps, find_stamps, set_option};

/// Room for a stamp, and for whatever else the kernel attaches (an extended error with an IPv6 address is 48 bytes).
const CONTROL_LEN: usize = 256;
/// At most this many entries of the error queue are looked at: one request causes one.
const MAX_ERROR_QUEUE: usize = 8;

/// How to open a [`ClientSocket`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SocketOptions {
    /// Local address (`bindacqaddress`), of the family of the server.
    pub bind: Option<IpAddr>,
    /// Network device to be bound to (`bindacqdevice`); needs CAP_NET_RAW before Linux 5.7.
    pub device: Option<String>,
    /// Local port (`acquisitionport`), shared between sockets; below 1024 it needs CAP_NET_BIND_SERVICE.
    pub port: Option<u16>,
    /// Differentiated services code point of requests (`dscp`), 0 to 63.
    pub dscp: u8,
    /// Stamps of network cards are wanted (`hwtimestamp`).
    pub hardware_stamps: bool,
}

/// One datagram received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// Bytes of the buffer that are filled.
    pub len: usize,
    /// When it arrived. That is absent without [`Timestamping`], and when the datagram arrived within microseconds of opening
    /// the first socket that asks for stamps.
    pub stamps: PacketStamps,
    /// The datagram was longer than the buffer.
    pub truncated: bool,
}

/// A non-blocking UDP socket that talks to one server.
#[derive(Debug)]
pub struct ClientSocket {
    socket: Socket,
    timestamping: Timestamping,
}

impl ClientSocket {
    /// Opens and connects a socket with a port of the kernel's choice, unless `options` name one.
    ///
    /// # Errors
    /// The errors of socket(7), bind(2) and connect(2): no such family, address, device or route, or no permission. Stamps that
    /// cannot be had are not an error, see [`ClientSocket::timestamping`].
    pub fn open(to: SocketAddr, options: &SocketOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if let Some(device) = &options.device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        let traffic_class = u32::from(options.dscp & 0x3f) << 2;
        if traffic_class != 0 {
            match to {
                SocketAddr::V4(_) => socket.set_tos_v4(traffic_class)?,
                SocketAddr::V6(_) => socket.set_tclass_v6(traffic_class)?,
            }
        }
        if options.bind.is_some() || options.port.is_some() {
            let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            // Several exchanges may share the port: being connected tells their replies apart.
            socket.set_reuse_address(options.port.is_some())?;
            socket.bind(&SocketAddr::new(options.bind.unwrap_or(any), options.port.unwrap_or(0)).into())?;
        }
        let timestamping = enable_stamps(&socket, to.is_ipv4(), options.hardware_stamps);
        socket.connect(&to.into())?;
        Ok(ClientSocket { socket, timestamping })
    }

    /// Which stamps to expect.
    pub fn timestamping(&self) -> Timestamping {
        self.timestamping
    }

    /// The local end, as the kernel chose it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable.into())
    }

    /// Sends one datagram; ICMP errors caused by an earlier one may be reported here (ECONNREFUSED, EHOSTUNREACH).
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        match retry(|| self.socket.send(datagram))? {
            sent if sent == datagram.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// When the last datagram left, as far as that has been said since it was last asked for. Never blocks.
    ///
    /// Ask right after [`ClientSocket::send`], when most drivers have stamped by software, and again when poll reports
    /// POLLERR: cards need some microseconds, and some drivers give the packet to the card later. Each stamp is given once.
    pub fn transmit_stamps(&self) -> PacketStamps {
        let mut found = PacketStamps::default();
        if self.timestamping >= Timestamping::Full {
            let read = || receive_message(&self.socket, &mut [], libc::MSG_ERRQUEUE).ok();
            (0..MAX_ERROR_QUEUE).map_while(|_| read()).for_each(|message| found.add(message.stamps));
        }
        found
    }

    /// One datagram, or `None` if there is none yet. Never blocks.
    ///
    /// # Errors
    /// ICMP errors that earlier requests caused (ECONNREFUSED, EHOSTUNREACH, ...); each is reported once.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        match receive_message(&self.socket, buffer, 0) {
            Ok(received) => Ok(Some(received)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for ClientSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Asks the kernel to stamp what a server's socket receives; `false` if it cannot.
pub fn stamp_received(socket: &UdpSocket) -> bool {
    set_option(&SockRef::from(socket), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// One datagram of a non-blocking server's socket, and who sent it.
///
/// # Errors
/// `WouldBlock` if there is none; those of recvmsg(2).
pub fn receive_from(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(Received, SocketAddr)> {
    let (_, from) = socket.peek_from(&mut [])?;
    Ok((receive_message(&SockRef::from(socket), buffer, 0)?, from))
}

/// recvmsg(2) without an address: fills the buffer and finds the stamp among the control messages.
fn receive_message(socket: &Socket, buffer: &mut [u8], flags: c_int) -> io::Result<Received> {
    let mut control = [0u8; CONTROL_LEN];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: `msghdr` holds integers and raw pointers, for which all bits zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_LEN as _;
    // SAFETY: `message` points to `part`, `buffer` and `control` with their true lengths, all live during the call.
    let receive = || unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, flags | libc::MSG_DONTWAIT) };
    let len = retry_raw(receive)?;
    let filled = control.get(..message.msg_controllen as usize).unwrap_or_default();
    Ok(Received { len, stamps: find_stamps(filled), truncated: message.msg_flags & libc::MSG_TRUNC != 0 })
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn retry_raw(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    retry(|| Errno::result(call()).map(|len| len as usize).map_err(io::Error::from))
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;
    use crate::not_run::not_run;
    use crate::sys::clock;
    use crate::time::{Span, Utc};

    /// How long a reply lies in the socket before it is read: this must not show in its stamp.
    const LAZINESS: Duration = Duration::from_millis(20);

    /// A server on loopback, or `None` where this machine has no such family.
    fn server(address: IpAddr) -> Option<UdpSocket> {
        match UdpSocket::bind((address, 0)) {
            Ok(server) => {
                server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                Some(server)
            }
            Err(error) => {
                assert!(address.is_ipv6(), "IPv4 loopback: {error}");
                not_run(&format!("no IPv6 loopback: {error}"));
                None
            }
        }
    }

    fn wait_readable(socket: &ClientSocket) {
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::from(5000u16)), Ok(1), "nothing arrived");
    }

    /// Kernel and user space read the clock by different routes, which may disagree by a clock tick's rounding.
    fn assert_between(before: Utc, stamp: Utc, after: Utc) {
        let slack = Span::from_nanos(1000);
        assert!(before - slack <= stamp && stamp <= after + slack, "{before:?} {stamp:?} {after:?}");
    }

    fn exchange(loopback: IpAddr, options: &SocketOptions) {
        let Some(server) = server(loopback) else { return };
        let client = ClientSocket::open(server.local_addr().unwrap(), options).unwrap();
        assert_eq!(client.timestamping(), Timestamping::Full);
        let traffic_class = if loopback.is_ipv4() { client.socket.tos_v4() } else { client.socket.tclass_v6() };
        assert_eq!(traffic_class.unwrap(), u32::from(options.dscp) << 2);
        let mut buffer = [0; 64];
        assert_eq!(client.receive(&mut buffer).unwrap(), None);
        assert_eq!(client.transmit_stamps(), PacketStamps::default());

        let before_send = clock::read().utc;
        client.send(b"request").unwrap();
        let sent = client.transmit_stamps().software.expect("loopback stamps what it sends at once");
        assert_between(before_send, sent, clock::read().utc);
        assert_eq!(client.transmit_stamps(), PacketStamps::default(), "a stamp is given once");

        let (len, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], from), (&b"request"[..], client.local_addr().unwrap()));
        // The kernel starts to stamp a moment after the first socket asked for it; until then there is no stamp.
        let stamped_reply = || {
            let before_reply = clock::read().utc;
            server.send_to(b"the reply", from).unwrap();
            let after_reply = clock::read().utc;
            wait_readable(&client);
            sleep(LAZINESS);
            let mut buffer = [0; 64];
            let received = client.receive(&mut buffer).unwrap().expect("poll said readable");
            assert_eq!((received.truncated, &buffer[..received.len]), (false, &b"the reply"[..]));
            received.stamps.software.map(|stamp| assert_between(before_reply, stamp, after_reply))
        };
        assert!((0..10).any(|_| stamped_reply().is_some()), "ten replies without a stamp");

        server.send_to(b"too long for four", from).unwrap();
        wait_readable(&client);
        let cut = client.receive(&mut buffer[..4]).unwrap().expect("poll said readable");
        assert!(cut.truncated && cut.len == 4);
    }

    #[test]
    fn both_directions_are_stamped_over_ipv4() {
        exchange(Ipv4Addr::LOCALHOST.into(), &SocketOptions { dscp: 46, ..SocketOptions::default() });
    }

    #[test]
    fn both_directions_are_stamped_over_ipv6() {
        exchange(Ipv6Addr::LOCALHOST.into(), &SocketOptions { dscp: 46, ..SocketOptions::default() });
    }

    /// Loopback has no card: the stamps are those of the kernel, and the interface is told with them.
    #[test]
    fn who_wants_stamps_of_cards_learns_the_interface_and_has_the_kernels_stamps_as_well() {
        for loopback in [Ipv4Addr::LOCALHOST.into(), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let Some(server) = server(loopback) else { continue };
            let options = SocketOptions { hardware_stamps: true, ..SocketOptions::default() };
            let client = ClientSocket::open(server.local_addr().unwrap(), &options).unwrap();
            assert_eq!(client.timestamping(), Timestamping::Hardware);
            client.send(b"request").unwrap();
            let sent = client.transmit_stamps();
            assert_eq!((sent.software.is_some(), sent.hardware, sent.interface), (true, None, Some(1)), "{loopback}");
            server.send_to(b"reply", client.local_addr().unwrap()).unwrap();
            wait_readable(&client);
            let received = client.receive(&mut [0; 8]).unwrap().expect("poll said readable").stamps;
            assert_eq!((received.hardware, received.interface), (None, Some(1)), "{loopback}");
        }
    }

    #[test]
    fn a_device_can_be_named() {
        let device = Some("lo".to_owned());
        exchange(Ipv4Addr::LOCALHOST.into(), &SocketOptions { device, ..SocketOptions::default() });
    }

    #[test]
    fn the_local_address_is_the_one_asked_for() {
        let bind = Some(Ipv4Addr::new(127, 0, 0, 5).into());
        let server = server(Ipv4Addr::LOCALHOST.into()).unwrap();
        let options = SocketOptions { bind, ..SocketOptions::default() };
        let client = ClientSocket::open(server.local_addr().unwrap(), &options).unwrap();
        assert_eq!(Some(client.local_addr().unwrap().ip()), bind);
    }

    #[test]
    fn sockets_to_different_servers_share_a_port() {
        let (one, two) = (server(Ipv4Addr::LOCALHOST.into()).unwrap(), server(Ipv4Addr::LOCALHOST.into()).unwrap());
        let free = UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
        let options = SocketOptions { port: Some(free), ..SocketOptions::default() };
        let clients = [&one, &two].map(|s| ClientSocket::open(s.local_addr().unwrap(), &options).unwrap());
        for (server, client) in [&one, &two].into_iter().zip(&clients) {
            assert_eq!(client.local_addr().unwrap().port(), free);
            server.send_to(&server.local_addr().unwrap().port().to_be_bytes(), client.local_addr().unwrap()).unwrap();
            wait_readable(client);
            let mut buffer = [0; 2];
            client.receive(&mut buffer).unwrap().expect("poll said readable");
            assert_eq!(u16::from_be_bytes(buffer), server.local_addr().unwrap().port());
        }
    }

    #[test]
    fn a_closed_port_is_an_error_and_not_silence() {
        for loopback in [Ipv4Addr::LOCALHOST.into(), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let Some(gone) = server(loopback) else { continue };
            let to = gone.local_addr().unwrap();
            drop(gone);
            let client = ClientSocket::open(to, &SocketOptions::default()).unwrap();
            client.send(b"anybody?").unwrap();
            assert!(client.transmit_stamps().software.is_some(), "the stamp survives the ICMP error");
            let deadline = Instant::now() + Duration::from_secs(5);
            let error = loop {
                match client.receive(&mut [0; 8]) {
                    Ok(None) => assert!(Instant::now() < deadline, "no error from {to}"),
                    other => break other.expect_err("nobody can have answered"),
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            assert_eq!(client.receive(&mut [0; 8]).unwrap(), None, "reported once");
        }
    }

    #[test]
    fn options_that_cannot_be_had_are_errors() {
        let to = "127.0.0.1:123".parse().unwrap();
        let device = SocketOptions { device: Some("no-such-device".into()), ..SocketOptions::default() };
        assert!(ClientSocket::open(to, &device).is_err());
        let foreign = SocketOptions { bind: Some("192.0.2.1".parse().unwrap()), ..SocketOptions::default() };
        assert_eq!(ClientSocket::open(to, &foreign).unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn sockets_without_stamps_still_carry_datagrams() {
        let server = server(Ipv4Addr::LOCALHOST.into()).unwrap();
        let mut client = ClientSocket::open(server.local_addr().unwrap(), &SocketOptions::default()).unwrap();
        assert!(set_option(&client.socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, 0));
        client.timestamping = Timestamping::None;
        server.send_to(b"bare", client.local_addr().unwrap()).unwrap();
        wait_readable(&client);
        let bare = client.receive(&mut [0; 8]).unwrap().expect("poll said readable");
        assert_eq!((bare.len, bare.stamps), (4, PacketStamps::default()));

        assert!(set_option(&client.socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1));
        let before = clock::read().utc;
        server.send_to(b"stamped", client.local_addr().unwrap()).unwrap();
        wait_readable(&client);
        let stamped = client.receive(&mut [0; 8]).unwrap().expect("poll said readable");
        assert_between(before, stamped.stamps.software.expect("SO_TIMESTAMPNS is on"), clock::read().utc);
    }
}
