//! Packets' time stamps among the control messages of recvmsg(2), and how sockets are told to make them
//! (Documentation/networking/timestamping.rst of Linux).

use std::os::fd::AsRawFd;

use libc::{c_int, c_uint};
use socket2::Socket;

use crate::time::{NANOS_PER_SEC, Span, Utc};

/// Which stamps the kernel agreed to give.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timestamping {
    /// No stamps: read the clock after every call.
    None,
    /// Stamps only of what is received (SO_TIMESTAMPNS).
    ReceiveOnly,
    /// Of both directions (SO_TIMESTAMPING), as far as the network driver does its part.
    Full,
    /// Of both directions, by the kernel and by the network card.
    Hardware,
}

/// What is known of one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PacketStamps {
    /// By the kernel, on CLOCK_REALTIME.
    pub software: Option<Utc>,
    /// By the network card, on its own clock.
    pub hardware: Option<Utc>,
    /// The number of the interface that the packet went through.
    pub interface: Option<u32>,
}

impl PacketStamps {
    /// What `other` knows of the same packet counts as well. What is said first of the interface is right: a card says it
    /// before a bond of several cards does.
    pub(super) fn add(&mut self, other: PacketStamps) {
        self.software = other.software.or(self.software);
        self.hardware = other.hardware.or(self.hardware);
        self.interface = self.interface.or(other.interface);
    }
}

/// Asks for as many stamps as there are: also those of network cards, if `hardware`.
pub(super) fn enable_stamps(socket: &Socket, is_ipv4: bool, hardware: bool) -> Timestamping {
    let base =
        libc::SOF_TIMESTAMPING_SOFTWARE | libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_TX_SOFTWARE;
    if hardware {
        // The interface of a request is told only with a copy of it (no OPT_TSONLY), and to who asks for it.
        let cards = libc::SOF_TIMESTAMPING_RAW_HARDWARE
            | libc::SOF_TIMESTAMPING_RX_HARDWARE
            | libc::SOF_TIMESTAMPING_TX_HARDWARE
            | libc::SOF_TIMESTAMPING_OPT_CMSG
            | libc::SOF_TIMESTAMPING_OPT_PKTINFO
            | libc::SOF_TIMESTAMPING_OPT_TX_SWHW;
        let (level, told) =
            if is_ipv4 { (libc::IPPROTO_IP, libc::IP_PKTINFO) } else { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) };
        if set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, base | cards)
            && set_option(socket, level, told, 1)
        {
            return Timestamping::Hardware;
        }
    }
    // OPT_TSONLY returns the stamp without a copy of the datagram; OPT_CMSG is what older kernels want for IPv4 with it.
    let compact = base | libc::SOF_TIMESTAMPING_OPT_TSONLY | libc::SOF_TIMESTAMPING_OPT_CMSG;
    let is_set = |option, value| set_option(socket, libc::SOL_SOCKET, option, value);
    if is_set(libc::SO_TIMESTAMPING, compact) || is_set(libc::SO_TIMESTAMPING, base) {
        Timestamping::Full
    } else if is_set(libc::SO_TIMESTAMPNS, 1) {
        Timestamping::ReceiveOnly
    } else {
        Timestamping::None
    }
}

pub(super) fn set_option(socket: &Socket, level: c_int, option: c_int, value: c_uint) -> bool {
    let len = size_of::<c_uint>() as libc::socklen_t;
    // SAFETY: the pointer and the length are those of `value`, which outlives the call.
    unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), len) == 0 }
}

/// All that control messages (cmsg(3): size_t length, int level, int type, aligned data) tell of a packet.
pub(super) fn find_stamps(mut control: &[u8]) -> PacketStamps {
    let mut found = PacketStamps::default();
    while let Some((next, told)) = first_message(control) {
        found.add(told);
        control = next;
    }
    found
}

/// What the first message tells, and the messages after it.
fn first_message(control: &[u8]) -> Option<(&[u8], PacketStamps)> {
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = (WORD + 8).next_multiple_of(WORD);
    let len = usize::from_ne_bytes(control.first_chunk().copied()?);
    let level = c_int::from_ne_bytes(control.get(WORD..)?.first_chunk().copied()?);
    let kind = c_int::from_ne_bytes(control.get(WORD + 4..)?.first_chunk().copied()?);
    let data = control.get(HEADER..len)?;
    let number_at = |at: usize| Some(u32::from_ne_bytes(*data.get(at..)?.first_chunk()?)).filter(|number| *number != 0);
    let nothing = PacketStamps::default();
    let told = match (level, kind) {
        // Three times: software, unused, hardware.
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => {
            let third = data.len() / 3;
            PacketStamps { software: utc(data.get(..third)?), hardware: utc(data.get(2 * third..)?), ..nothing }
        }
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => PacketStamps { software: utc(data), ..nothing },
        // Only of what a card has stamped: the interface, and the length.
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING_PKTINFO) => PacketStamps { interface: number_at(0), ..nothing },
        // `in_pktinfo` begins with the interface, `in6_pktinfo` ends with it.
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => PacketStamps { interface: number_at(0), ..nothing },
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => PacketStamps { interface: number_at(16), ..nothing },
        _ => nothing,
    };
    Some((control.get(len.next_multiple_of(WORD)..).unwrap_or_default(), told))
}

/// A C `timespec` of either width; zero means "not stamped".
fn utc(timespec: &[u8]) -> Option<Utc> {
    let (secs, nanos) = match timespec.len() {
        16 => (i64::from_ne_bytes(*timespec.first_chunk()?), i64::from_ne_bytes(*timespec.last_chunk()?)),
        8 => (i32::from_ne_bytes(*timespec.first_chunk()?).into(), i32::from_ne_bytes(*timespec.last_chunk()?).into()),
        _ => return None,
    };
    let sane = (secs, nanos) != (0, 0) && (0..NANOS_PER_SEC).contains(&nanos);
    sane.then(|| Utc::from_secs(secs) + Span::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control_message(level: c_int, kind: c_int, data: &[u8]) -> Vec<u8> {
        let header = size_of::<usize>() + 8;
        let mut bytes = (header + data.len()).to_ne_bytes().to_vec();
        bytes.extend([level.to_ne_bytes(), kind.to_ne_bytes()].concat());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
        bytes
    }

    #[test]
    fn stamps_are_found_among_other_messages_and_nonsense_is_survived() {
        let time = [5i64.to_ne_bytes(), 7i64.to_ne_bytes()].concat();
        let card_time = [9i64.to_ne_bytes(), 8i64.to_ne_bytes()].concat();
        let stamp =
            control_message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, &[&time[..], &[0; 16], &card_time].concat());
        let other = control_message(libc::IPPROTO_IP, libc::IP_TTL, &[64, 0, 0, 0]);
        let interface =
            control_message(libc::IPPROTO_IP, libc::IP_PKTINFO, &[&3u32.to_ne_bytes()[..], &[0; 8]].concat());
        let all = [&other[..], &stamp, &interface].concat();
        let software = Some(Utc::from_nanos(5_000_000_007));
        let hardware = Some(Utc::from_nanos(9_000_000_008));
        assert_eq!(find_stamps(&all), PacketStamps { software, hardware, interface: Some(3) });
        let unstamped = control_message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, &[0; 48]);
        assert_eq!(find_stamps(&unstamped), PacketStamps::default());
        for len in 0..other.len() + stamp.len() {
            assert_eq!(find_stamps(&all[..len]), PacketStamps::default(), "cut to {len}");
        }
        for byte in 0..all.len() {
            for value in [0, 1, 15, 17, 255] {
                let mut broken = all.clone();
                broken[byte] = value;
                let _ = find_stamps(&broken);
            }
        }
    }

    #[test]
    fn the_interface_is_told_in_three_ways() {
        let ipv6 = [&[0; 16][..], &7u32.to_ne_bytes()].concat();
        for (level, kind, data) in [
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING_PKTINFO, [&7u32.to_ne_bytes()[..], &[0; 12]].concat()),
            (libc::IPPROTO_IP, libc::IP_PKTINFO, [&7u32.to_ne_bytes()[..], &[0; 8]].concat()),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, ipv6),
        ] {
            assert_eq!(find_stamps(&control_message(level, kind, &data)).interface, Some(7));
            assert_eq!(find_stamps(&control_message(level, kind, &vec![0; data.len()])).interface, None);
        }
    }

    #[test]
    fn a_32_bit_timespec_is_read_as_well() {
        assert_eq!(utc(&[5i32.to_ne_bytes(), 7i32.to_ne_bytes()].concat()), Some(Utc::from_nanos(5_000_000_007)));
        assert_eq!(utc(&[5i64.to_ne_bytes(), NANOS_PER_SEC.to_ne_bytes()].concat()), None);
    }
}
