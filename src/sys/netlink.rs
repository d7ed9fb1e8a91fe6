//! What the kernel tells of its interfaces, addresses and routes (rtnetlink(7)), as far as it matters to who sends packets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use libc::{RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE, RTMGRP_LINK};
use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

/// The groups of notices asked for.
const GROUPS: i32 = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;

/// Longest message read: a link's is about 1.5 kB; what is cut off is only attributes.
const MAX_MESSAGE: usize = 8192;

/// Lengths of `nlmsghdr`, `ifinfomsg`, `ifaddrmsg`, `rtmsg` and `rtattr`; each begins at a multiple of 4.
const MESSAGE_HEADER: usize = 16;
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const ROUTE_HEADER: usize = 12;
const ATTRIBUTE_HEADER: usize = 4;

/// Attributes (rtnetlink(7)).
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const IFLA_EVENT: u16 = 44;

/// Value of IFLA_EVENT: the interface announces itself to its neighbours, as a guest does after a migration.
const EVENT_NOTIFY_PEERS: u32 = 4;

/// One thing that happened to the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// State of an interface other than loopback.
    Link {
        /// The number of the link.
        index: i32,
        /// The link is up, and so is what it is connected to.
        is_running: bool,
        /// The link announces itself to its neighbours: the machine was migrated, or a bond failed over.
        is_announced: bool,
    },
    /// An address can be used.
    AddressAdded(IpAddr),
    /// An address cannot be used any more.
    AddressRemoved(IpAddr),
    /// A route beyond this machine and its link has appeared.
    RouteAdded,
    /// Notices were lost: there were too many.
    Overrun,
}

/// A non-blocking socket on which the kernel gives notice.
#[derive(Debug)]
pub struct RouteSocket(Socket);

impl RouteSocket {
    /// # Errors
    /// The errors of socket(2) and bind(2): no netlink in this kernel, or forbidden.
    pub fn open() -> io::Result<Self> {
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), kind, Some(Protocol::from(libc::NETLINK_ROUTE)))?;
        socket.bind(&group_address())?;
        Ok(RouteSocket(socket))
    }

    /// Calls `take` with each notice that waits. Never blocks.
    pub fn read(&self, mut take: impl FnMut(Notice)) {
        let mut buffer = [0u8; MAX_MESSAGE];
        loop {
            // SAFETY: the pointer and the length are those of `buffer`, which outlives the call.
            let received =
                unsafe { libc::recv(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), MAX_MESSAGE, libc::MSG_DONTWAIT) };
            match Errno::result(received) {
                Ok(len) => parse(&buffer[..(len as usize).min(MAX_MESSAGE)], &mut take),
                Err(Errno::EINTR) => {}
                Err(Errno::ENOBUFS) => take(Notice::Overrun),
                Err(_) => return,
            }
        }
    }
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The address that subscribes to [`GROUPS`].
fn group_address() -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: the storage is large enough for any socket address, aligned, and all its bits are zero.
    let address: &mut libc::sockaddr_nl = unsafe { storage.view_as() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address.nl_groups = GROUPS as u32;
    let len = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    // SAFETY: the storage holds a netlink address of this length.
    unsafe { SockAddr::new(storage, len) }
}

fn parse(mut bytes: &[u8], take: &mut impl FnMut(Notice)) {
    while let Some(len) = u32_at(bytes, 0).map(|len| len as usize).filter(|len| *len >= MESSAGE_HEADER) {
        let body = bytes.get(MESSAGE_HEADER..len.min(bytes.len())).unwrap_or_default();
        if let Some(notice) = u16_at(bytes, 4).and_then(|kind| notice(kind, body)) {
            take(notice);
        }
        bytes = bytes.get(aligned(len)..).unwrap_or_default();
    }
}

fn notice(kind: u16, body: &[u8]) -> Option<Notice> {
    match kind {
        libc::RTM_NEWLINK | libc::RTM_DELLINK => link(kind, body),
        libc::RTM_NEWADDR if body.get(2)? & libc::IFA_F_TENTATIVE as u8 == 0 => address(body).map(Notice::AddressAdded),
        libc::RTM_DELADDR => address(body).map(Notice::AddressRemoved),
        libc::RTM_NEWROUTE => route(body),
        _ => None,
    }
}

fn link(kind: u16, body: &[u8]) -> Option<Notice> {
    let (family, index, flags) = (*body.first()?, u32_at(body, 4)? as i32, u32_at(body, 8)?);
    if i32::from(family) != libc::AF_UNSPEC || flags & libc::IFF_LOOPBACK as u32 != 0 {
        return None;
    }
    let event = attribute(body.get(LINK_HEADER..)?, IFLA_EVENT).and_then(|value| u32_at(value, 0));
    Some(Notice::Link {
        index,
        is_running: kind == libc::RTM_NEWLINK && flags & libc::IFF_RUNNING as u32 != 0,
        is_announced: event == Some(EVENT_NOTIFY_PEERS),
    })
}

fn address(body: &[u8]) -> Option<IpAddr> {
    let attributes = body.get(ADDRESS_HEADER..)?;
    // On a point-to-point link IFA_ADDRESS is the other end's.
    let value = attribute(attributes, IFA_LOCAL).or_else(|| attribute(attributes, IFA_ADDRESS))?;
    match i32::from(*body.first()?) {
        libc::AF_INET => <[u8; 4]>::try_from(value).ok().map(|octets| Ipv4Addr::from(octets).into()),
        libc::AF_INET6 => <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

fn route(body: &[u8]) -> Option<Notice> {
    let (table, kind, flags) = (*body.get(4)?, *body.get(7)?, u32_at(body, 8)?);
    let to = attribute(body.get(ROUTE_HEADER..)?, RTA_DST).and_then(|value| <[u8; 16]>::try_from(value).ok());
    let is_on_link = to.is_some_and(|to| Ipv6Addr::from(to).is_unicast_link_local());
    let leads_somewhere = kind == libc::RTN_UNICAST && table != libc::RT_TABLE_LOCAL && !is_on_link;
    (leads_somewhere && flags & libc::RTM_F_CLONED == 0).then_some(Notice::RouteAdded)
}

/// Value of the first attribute of this type.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (len, kind) = (u16_at(bytes, 0)? as usize, u16_at(bytes, 2)?);
        let value = bytes.get(ATTRIBUTE_HEADER..len)?;
        if kind == wanted {
            return Some(value);
        }
        bytes = bytes.get(aligned(len)..)?;
    }
}

/// Messages and attributes begin at multiples of 4.
fn aligned(len: usize) -> usize {
    len.saturating_add(3) & !3
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let len = (MESSAGE_HEADER + body.len()) as u32;
        let mut bytes = [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], body].concat();
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    fn value(kind: u16, value: &[u8]) -> Vec<u8> {
        let len = (ATTRIBUTE_HEADER + value.len()) as u16;
        let mut bytes = [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    fn link_body(flags: i32, attributes: &[u8]) -> Vec<u8> {
        [&[0; 4][..], &7i32.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 4], attributes].concat()
    }

    fn notices(bytes: &[u8]) -> Vec<Notice> {
        let mut found = Vec::new();
        parse(bytes, &mut |notice| found.push(notice));
        found
    }

    #[test]
    fn addresses_come_and_go_and_tentative_ones_do_not_count() {
        let v4 = [&[libc::AF_INET as u8, 24, 0, 0, 7, 0, 0, 0][..], &value(IFA_LOCAL, &[192, 0, 2, 1])].concat();
        let v6 = |flags| {
            let octets = "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets();
            [&[libc::AF_INET6 as u8, 64, flags, 0, 7, 0, 0, 0][..], &value(IFA_ADDRESS, &octets)].concat()
        };
        let bytes = [
            message(libc::RTM_NEWADDR, &v4),
            message(libc::RTM_NEWADDR, &v6(libc::IFA_F_TENTATIVE as u8)),
            message(libc::RTM_NEWADDR, &v6(0)),
            message(libc::RTM_DELADDR, &v4),
        ];
        let (one, other) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        assert_eq!(
            notices(&bytes.concat()),
            [Notice::AddressAdded(one), Notice::AddressAdded(other), Notice::AddressRemoved(one)]
        );
    }

    #[test]
    fn loopback_is_no_link_and_a_migrated_guest_announces_itself() {
        let running = libc::IFF_UP | libc::IFF_RUNNING;
        let announces = value(IFLA_EVENT, &EVENT_NOTIFY_PEERS.to_ne_bytes());
        let bytes = [
            message(libc::RTM_NEWLINK, &link_body(running | libc::IFF_LOOPBACK, &[])),
            message(libc::RTM_NEWLINK, &link_body(libc::IFF_UP, &[])),
            message(libc::RTM_NEWLINK, &link_body(running, &announces)),
            message(libc::RTM_DELLINK, &link_body(running, &[])),
        ];
        let link = |is_running, is_announced| Notice::Link { index: 7, is_running, is_announced };
        assert_eq!(notices(&bytes.concat()), [link(false, false), link(true, true), link(false, false)]);
    }

    #[test]
    fn only_routes_that_lead_somewhere_count() {
        let body = |table, kind, flags: u32, attributes: &[u8]| {
            [&[libc::AF_INET6 as u8, 0, 0, 0, table, 0, 0, kind][..], &flags.to_ne_bytes(), attributes].concat()
        };
        let on_link = value(RTA_DST, &"fe80::".parse::<Ipv6Addr>().unwrap().octets());
        let bytes = [
            message(libc::RTM_NEWROUTE, &body(libc::RT_TABLE_MAIN, libc::RTN_UNICAST, 0, &[])),
            message(libc::RTM_NEWROUTE, &body(libc::RT_TABLE_LOCAL, libc::RTN_LOCAL, 0, &[])),
            message(libc::RTM_NEWROUTE, &body(libc::RT_TABLE_MAIN, libc::RTN_UNICAST, 0, &on_link)),
            message(libc::RTM_NEWROUTE, &body(libc::RT_TABLE_MAIN, libc::RTN_UNICAST, libc::RTM_F_CLONED, &[])),
        ];
        assert_eq!(notices(&bytes.concat()), [Notice::RouteAdded]);
    }

    #[test]
    fn nonsense_is_not_followed() {
        for kind in 0..40 {
            for len in 0..40 {
                let whole = message(kind, &[0xff; 40]);
                notices(&whole[..whole.len().min(len)]);
                notices(&message(kind, &vec![0; len]));
                notices(&message(kind, &vec![0xff; len]));
            }
        }
    }

    #[test]
    fn a_quiet_network_says_nothing() {
        let socket = RouteSocket::open().expect("Linux has rtnetlink");
        socket.read(|_| {});
    }
}
