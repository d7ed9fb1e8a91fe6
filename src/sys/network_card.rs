//! Network cards that stamp packets (Documentation/networking/timestamping.rst of Linux): what they can do, and making
//! them do it. A question or an order is an ioctl(2) on any socket, with the name of the interface.

use std::ffi::CStr;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;

use libc::{c_int, hwtstamp_config, ifreq};
use nix::errno::Errno;
use socket2::{Domain, Socket, Type};

/// Request of SIOCETHTOOL for [`TimestampInfo`] (linux/ethtool.h).
const ETHTOOL_GET_TS_INFO: u32 = 0x41;

/// Packets that arrive and are stamped (`hwtstamp_rx_filters` of linux/net_tstamp.h): none, all, those of PTP version 2,
/// those of NTP.
pub const RECEIVE_NONE: u32 = 0;
/// All.
pub const RECEIVE_ALL: u32 = 1;
/// The filter for events of PTP version 2, over UDP or not.
pub const RECEIVE_PTP: u32 = 12;
/// The filter for packets of NTP.
pub const RECEIVE_NTP: u32 = 15;

/// The answer to ETHTOOL_GET_TS_INFO.
#[repr(C)]
struct TimestampInfo {
    command: u32,
    so_timestamping: u32,
    phc_index: i32,
    tx_types: u32,
    tx_reserved: [u32; 3],
    rx_filters: u32,
    rx_reserved: [u32; 3],
}

/// What a card can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Abilities {
    /// The number of its PTP hardware clock, if it has one.
    pub clock: Option<u32>,
    /// The card can stamp what is sent.
    pub transmits: bool,
    /// One bit for each filter.
    filters: u32,
}

/// What a card is told to stamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamping {
    /// What is sent.
    pub transmits: bool,
    /// What arrives: one of the constants above, or another of the kernel's numbers.
    pub filter: u32,
}

impl Abilities {
    /// A card that stamps what it sends, and has these filters.
    #[cfg(test)]
    pub fn with_filters(filters: &[u32]) -> Self {
        let filters = filters.iter().fold(0, |bits, filter| bits | 1 << filter);
        Abilities { clock: Some(0), transmits: true, filters }
    }

    /// Whether it has a filter.
    pub fn has(&self, filter: u32) -> bool {
        self.filters & (1 << filter) != 0
    }
}

/// What the card of an interface can do.
///
/// # Errors
/// ENODEV if there is no such interface; EOPNOTSUPP if its driver does not say.
pub fn abilities(interface: &str) -> io::Result<Abilities> {
    // SAFETY: the structure has integers only, for which zeros are valid.
    let mut info: TimestampInfo = unsafe { mem::zeroed() };
    info.command = ETHTOOL_GET_TS_INFO;
    // SAFETY: the request fills in a structure of this type.
    unsafe { request(interface, libc::SIOCETHTOOL as libc::Ioctl, &mut info) }?;
    Ok(Abilities {
        clock: u32::try_from(info.phc_index).ok(),
        transmits: info.tx_types & (1 << libc::HWTSTAMP_TX_ON) != 0,
        filters: info.rx_filters,
    })
}

/// What the card of an interface stamps now.
///
/// # Errors
/// EOPNOTSUPP if its driver does not say.
pub fn stamping(interface: &str) -> io::Result<Stamping> {
    let mut config = hwtstamp_config { flags: 0, tx_type: 0, rx_filter: 0 };
    // SAFETY: the request fills in a structure of this type.
    unsafe { request(interface, libc::SIOCGHWTSTAMP as libc::Ioctl, &mut config) }?;
    Ok(Stamping { transmits: config.tx_type == libc::HWTSTAMP_TX_ON as c_int, filter: config.rx_filter as u32 })
}

/// Makes the card of an interface stamp what is sent, and what passes a filter. Answers with what it does: it may stamp
/// more than it was asked to.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN, ERANGE if the card cannot do it.
pub fn set_stamping(interface: &str, filter: u32) -> io::Result<Stamping> {
    let mut config = hwtstamp_config { flags: 0, tx_type: libc::HWTSTAMP_TX_ON as c_int, rx_filter: filter as c_int };
    // SAFETY: the request reads and fills in a structure of this type.
    unsafe { request(interface, libc::SIOCSHWTSTAMP as libc::Ioctl, &mut config) }?;
    Ok(Stamping { transmits: config.tx_type == libc::HWTSTAMP_TX_ON as c_int, filter: config.rx_filter as u32 })
}

/// The network interfaces there are: numbers and names.
///
/// # Errors
/// The errors of if_nameindex(3).
pub fn interfaces() -> io::Result<Vec<(u32, String)>> {
    // SAFETY: the call takes nothing.
    let list = unsafe { libc::if_nameindex() };
    if list.is_null() {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: the list ends with an entry whose number is 0 and whose name is null, and each name before is a C string.
    while let Some(entry) = unsafe { next.as_ref() }.filter(|entry| entry.if_index != 0) {
        // SAFETY: as above.
        let name = unsafe { CStr::from_ptr(entry.if_name) };
        found.push((entry.if_index, name.to_string_lossy().into_owned()));
        // SAFETY: this was not the last entry.
        next = unsafe { next.add(1) };
    }
    // SAFETY: the list came from if_nameindex and is not used any more.
    unsafe { libc::if_freenameindex(list) };
    Ok(found)
}

/// # Safety
/// The request must be one whose argument is a `T`, behind the pointer `ifr_data`.
unsafe fn request<T>(interface: &str, request: libc::Ioctl, argument: &mut T) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    // SAFETY: the structure has integers and a union of plain values only, for which zeros are valid.
    let mut question: ifreq = unsafe { mem::zeroed() };
    // A name is shorter than its place, which ends with a zero.
    if interface.len() >= question.ifr_name.len() {
        return Err(Errno::ENODEV.into());
    }
    for (place, byte) in question.ifr_name.iter_mut().zip(interface.bytes()) {
        *place = byte as libc::c_char;
    }
    question.ifr_ifru.ifru_data = std::ptr::from_mut(argument).cast();
    // SAFETY: the caller says that the request is about a `T`; the reference to it and the question outlive the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut question) };
    Errno::result(result).map(drop).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there_and_stamps_nothing() {
        assert!(interfaces().unwrap().contains(&(1, "lo".to_owned())));
        let code = |result: io::Result<Stamping>| result.unwrap_err().raw_os_error();
        assert_eq!(code(stamping("lo")), Some(libc::EOPNOTSUPP));
        for absent in ["none-such0", "a-name-that-is-too-long-for-an-interface"] {
            assert_eq!(abilities(absent).unwrap_err().raw_os_error(), Some(libc::ENODEV));
            assert_eq!(code(set_stamping(absent, RECEIVE_NONE)), Some(libc::ENODEV));
        }
        // Loopback has no clock: older kernels say so, newer ones that they stamp by software only.
        let unable = |abilities: Abilities| abilities.clock.is_none() && !abilities.transmits;
        assert!(abilities("lo").map_or_else(|e| e.raw_os_error() == Some(libc::EOPNOTSUPP), unable));
    }

    #[test]
    fn structures_have_the_sizes_of_the_kernel() {
        assert_eq!((size_of::<TimestampInfo>(), size_of::<hwtstamp_config>()), (44, 12));
    }
}
