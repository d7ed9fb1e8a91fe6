//! A UDP socket that anybody may send to, and that answers from the address it was asked at.
//!
//! Clients connect their sockets, so an answer from another address of this machine would never reach them. A socket bound
//! to one address answers from there anyway; one bound to all of them is told with each datagram (IP_PKTINFO of ip(7),
//! IPV6_RECVPKTINFO of ipv6(7)).
// The fields of `msghdr` differ between C libraries.
#![allow(clippy::unnecessary_cast)]

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use libc::c_int;
use nix::errno::Errno;
use socket2::{Domain, MsgHdr, Protocol, SockAddr, Socket, Type};

/// Room for one control message of 12 (IPv4) or 20 bytes, with the header and whatever else the kernel attaches.
const CONTROL_LEN: usize = 128;
/// Of a control message (cmsg(3)): size_t length, int level, int type.
const HEADER: usize = (size_of::<usize>() + 2 * size_of::<c_int>()).next_multiple_of(size_of::<usize>());

/// A non-blocking UDP socket without a peer.
#[derive(Debug)]
pub struct ServerSocket {
    socket: Socket,
    is_v6: bool,
}

/// Who sent a datagram, and where it arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Whom to answer.
    pub from: SocketAddr,
    /// Our own end, and the index of the interface: `None` if the socket is bound to one address.
    at: Option<(IpAddr, u32)>,
}

impl ServerSocket {
    /// Opens a socket at this address and port; an IPv6 socket does not hear IPv4. The address need not be there yet.
    ///
    /// # Errors
    /// The errors of socket(7) and bind(2): no such family, the port is taken or below 1024 (CAP_NET_BIND_SERVICE), no such
    /// device.
    pub fn open(bind: SocketAddr, device: Option<&str>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(bind), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        let is_v6 = bind.is_ipv6();
        // Kernels that cannot do this, for IPv6 those before 4.15, want the address to be there.
        let _ = if is_v6 { socket.set_freebind_v6(true) } else { socket.set_freebind_v4(true) };
        if is_v6 {
            socket.set_only_v6(true)?;
        }
        if let Some(device) = device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        if bind.ip().is_unspecified() {
            let (level, option) = match is_v6 {
                true => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
                false => (libc::IPPROTO_IP, libc::IP_PKTINFO),
            };
            let on: c_int = 1;
            let len = size_of::<c_int>() as libc::socklen_t;
            // SAFETY: the pointer and the length are those of `on`, which outlives the call.
            let set = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), len) };
            Errno::result(set)?;
        }
        socket.bind(&bind.into())?;
        Ok(ServerSocket { socket, is_v6 })
    }

    /// The local end: port 0 was replaced by one of the kernel's choice.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable.into())
    }

    /// One datagram and its envelope, or `None` if there is none. What does not fit into the buffer is cut off: let it
    /// be longer than any datagram that is welcome. Never blocks.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, Envelope)>> {
        let mut control = [0u8; CONTROL_LEN];
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: the closure gets storage for any address and its length, and recvmsg fills in both; `message` points
        // to `part`, `buffer` and `control` with their true lengths, all live during the call. All bits zero is a value
        // of `msghdr`, which holds integers and raw pointers.
        let received = unsafe {
            SockAddr::try_init(|storage, len| {
                let mut message: libc::msghdr = std::mem::zeroed();
                message.msg_name = storage.cast();
                message.msg_namelen = *len;
                message.msg_iov = &mut part;
                message.msg_iovlen = 1;
                message.msg_control = control.as_mut_ptr().cast();
                message.msg_controllen = CONTROL_LEN as _;
                let read = Errno::result(libc::recvmsg(self.socket.as_raw_fd(), &mut message, libc::MSG_DONTWAIT))?;
                *len = message.msg_namelen;
                Ok((read as usize, message.msg_controllen as usize))
            })
        };
        let ((len, control_len), from) = match received {
            Ok(received) => received,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => return Ok(None),
            Err(error) => return Err(error),
        };
        let from = from.as_socket().ok_or(io::ErrorKind::InvalidData)?;
        let at = control.get(..control_len).and_then(|control| arrived_at(control, self.is_v6));
        Ok(Some((len, Envelope { from, at })))
    }

    /// Answers from where the datagram arrived. Never blocks.
    pub fn answer(&self, datagram: &[u8], to: &Envelope) -> io::Result<()> {
        let mut control = [0u8; HEADER + 24];
        let control_len = to.at.map_or(0, |(at, interface)| leave_from(&mut control, at, interface));
        let (buffers, address) = ([IoSlice::new(datagram)], to.from.into());
        let mut message = MsgHdr::new().with_addr(&address).with_buffers(&buffers);
        if let Some(control) = control.get(..control_len).filter(|control| !control.is_empty()) {
            message = message.with_control(control);
        }
        self.socket.sendmsg(&message, libc::MSG_DONTWAIT).map(drop)
    }
}

impl AsFd for ServerSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The local address and the interface among control messages.
fn arrived_at(mut control: &[u8], is_v6: bool) -> Option<(IpAddr, u32)> {
    const WORD: usize = size_of::<usize>();
    loop {
        let len = usize::from_ne_bytes(control.first_chunk().copied()?);
        let level = c_int::from_ne_bytes(control.get(WORD..)?.first_chunk().copied()?);
        let kind = c_int::from_ne_bytes(control.get(WORD + 4..)?.first_chunk().copied()?);
        let data = control.get(HEADER..len)?;
        match (level, kind) {
            // struct in_pktinfo: int index, the local address, the destination of the header.
            (libc::IPPROTO_IP, libc::IP_PKTINFO) if !is_v6 => {
                let address: [u8; 4] = data.get(4..)?.first_chunk().copied()?;
                return Some((Ipv4Addr::from(address).into(), u32::from_ne_bytes(*data.first_chunk()?)));
            }
            // struct in6_pktinfo: the destination, unsigned index.
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if is_v6 => {
                let address: [u8; 16] = data.first_chunk().copied()?;
                return Some((Ipv6Addr::from(address).into(), u32::from_ne_bytes(*data.get(16..)?.first_chunk()?)));
            }
            _ => control = control.get(len.next_multiple_of(WORD)..)?,
        }
    }
}

/// Writes the control message that makes a datagram leave from `at`; returns its length. The route decides about the
/// interface, except where the address alone says nothing: the scope of link-local ones.
fn leave_from(control: &mut [u8], at: IpAddr, interface: u32) -> usize {
    let (level, kind, data, len) = match at {
        IpAddr::V4(v4) => {
            let mut data = [0; 20];
            data[4..8].copy_from_slice(&v4.octets());
            (libc::IPPROTO_IP, libc::IP_PKTINFO, data, 12)
        }
        IpAddr::V6(v6) => {
            let mut data = [0; 20];
            data[..16].copy_from_slice(&v6.octets());
            let interface = if v6.is_unicast_link_local() { interface } else { 0 };
            data[16..].copy_from_slice(&interface.to_ne_bytes());
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, data, 20)
        }
    };
    const WORD: usize = size_of::<usize>();
    control[..WORD].copy_from_slice(&(HEADER + len).to_ne_bytes());
    control[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
    control[WORD + 4..WORD + 8].copy_from_slice(&kind.to_ne_bytes());
    control[HEADER..HEADER + len].copy_from_slice(&data[..len]);
    (HEADER + len).next_multiple_of(WORD)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;
    use crate::not_run::not_run;

    fn wait_readable(socket: &ServerSocket) {
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::from(5000u16)), Ok(1), "nothing arrived");
    }

    /// A connected client accepts only what comes from where it sent its request.
    fn is_answered(bind: &str, ask: &str) {
        let bind: IpAddr = bind.parse().unwrap();
        let server = match ServerSocket::open(SocketAddr::new(bind, 0), None) {
            Ok(server) => server,
            Err(error) => {
                assert!(bind.is_ipv6(), "IPv4 loopback: {error}");
                return not_run(&format!("no IPv6: {error}"));
            }
        };
        let mut buffer = [0; 16];
        assert_eq!(server.receive(&mut buffer).unwrap(), None);
        let to = SocketAddr::new(ask.parse().unwrap(), server.local_addr().unwrap().port());
        let client = UdpSocket::bind(if bind.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" }).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.connect(to).unwrap();
        client.send(b"anybody?").unwrap();
        wait_readable(&server);
        let (len, envelope) = server.receive(&mut buffer).unwrap().expect("poll said readable");
        assert_eq!((&buffer[..len], envelope.from), (&b"anybody?"[..], client.local_addr().unwrap()));
        server.answer(b"yes", &envelope).unwrap();
        let len = client.recv(&mut buffer).unwrap_or_else(|error| panic!("{bind} asked at {ask}: {error}"));
        assert_eq!(&buffer[..len], b"yes");
    }

    #[test]
    fn an_answer_leaves_from_the_address_that_was_asked() {
        for (bind, ask) in [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("0.0.0.0", "127.0.0.7")] {
            is_answered(bind, ask);
        }
        is_answered("::1", "::1");
        is_answered("::", "::1");
    }

    #[test]
    fn a_taken_port_is_an_error_and_a_missing_address_is_not() {
        let server = ServerSocket::open("127.0.0.1:0".parse().unwrap(), Some("lo")).unwrap();
        let error = ServerSocket::open(server.local_addr().unwrap(), None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        ServerSocket::open("192.0.2.77:0".parse().unwrap(), None).unwrap();
    }

    #[test]
    fn broken_control_messages_are_survived() {
        let mut control = [0; 64];
        let len = leave_from(&mut control, "192.0.2.1".parse().unwrap(), 7);
        assert_eq!(arrived_at(&control[..len], false), Some(("192.0.2.1".parse().unwrap(), 0)));
        for cut in 0..HEADER + 8 {
            assert_eq!(arrived_at(&control[..cut], false), None);
        }
        for byte in 0..len {
            for value in [0, 1, 15, 17, 255] {
                let mut broken = control;
                broken[byte] = value;
                let _ = arrived_at(&broken[..len], false);
                let _ = arrived_at(&broken[..len], true);
            }
        }
    }
}
