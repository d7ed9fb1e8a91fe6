//! Which notices of the kernel mean that servers may have become reachable, and which addresses are gone.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use log::debug;

use crate::sys::netlink::{Notice, RouteSocket};
use crate::time::{Raw, Span};

/// A network that has more to say than this many times...
const MOST_WAKES: u32 = 32;
/// ...within this time is not listened to for the rest of it.
const WITHIN: Span = Span::from_secs(60);

/// Listens to the kernel, with limited patience.
#[derive(Debug)]
pub struct NetworkWatch {
    socket: RouteSocket,
    known: KnownLinks,
    since: Raw,
    wakes: u32,
}

/// A change that the kernel has reported.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NetworkChange {
    /// Something has appeared through which servers may be reached.
    pub is_better: bool,
    /// Addresses that are no longer ours.
    pub gone: Vec<IpAddr>,
}

/// What has been heard of before: the kernel repeats itself when a lifetime is renewed or a wireless network is scanned.
#[derive(Debug, Default)]
struct KnownLinks {
    running: Vec<i32>,
    addresses: Vec<IpAddr>,
}

impl NetworkWatch {
    /// `None` if the kernel lacks rtnetlink or forbids it: requests are then repeated until they can be sent.
    pub fn new(now: Raw) -> Option<Self> {
        match RouteSocket::open() {
            Ok(socket) => Some(NetworkWatch { socket, known: KnownLinks::default(), since: now, wakes: 0 }),
            Err(reason) => {
                debug!("Changes of the network are not reported: {reason}");
                None
            }
        }
    }

    /// The descriptor to wait for; `None` while it has had more than its share.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (self.wakes < MOST_WAKES).then(|| self.socket.as_fd())
    }

    /// When the kernel is listened to again.
    pub fn resumes_at(&self) -> Option<Raw> {
        (self.wakes >= MOST_WAKES).then(|| self.since + WITHIN)
    }

    /// Everything new. Call it when poll says readable, and at [`NetworkWatch::resumes_at`].
    pub fn read(&mut self, now: Raw) -> NetworkChange {
        if now - self.since >= WITHIN {
            (self.since, self.wakes) = (now, 0);
        }
        self.wakes += 1;
        let mut news = NetworkChange::default();
        self.socket.read(|notice| self.known.hear(notice, &mut news));
        news
    }
}

impl KnownLinks {
    fn hear(&mut self, notice: Notice, news: &mut NetworkChange) {
        match notice {
            Notice::Link { index, is_running, is_announced } => {
                news.is_better |= renew(&mut self.running, index, is_running) || is_announced;
            }
            Notice::AddressAdded(address) => news.is_better |= renew(&mut self.addresses, address, true),
            Notice::AddressRemoved(address) => {
                renew(&mut self.addresses, address, false);
                news.gone.push(address);
            }
            Notice::RouteAdded | Notice::Overrun => news.is_better = true,
        }
    }
}

/// Notes whether something is there; `true` if it was not before.
fn renew<T: PartialEq>(list: &mut Vec<T>, item: T, is_there: bool) -> bool {
    let before = list.iter().position(|known| *known == item);
    match before {
        None if is_there => list.push(item),
        Some(at) if !is_there => {
            list.swap_remove(at);
        }
        _ => return false,
    }
    is_there
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(known: &mut KnownLinks, notice: Notice) -> NetworkChange {
        let mut news = NetworkChange::default();
        known.hear(notice, &mut news);
        news
    }

    #[test]
    fn repetition_is_no_news() {
        let mut known = KnownLinks::default();
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let link = |is_running| Notice::Link { index: 2, is_running, is_announced: false };
        for (notice, is_better) in [
            (link(true), true),
            (link(true), false),
            (link(false), false),
            (link(true), true),
            (Notice::AddressAdded(address), true),
            (Notice::AddressAdded(address), false),
            (Notice::RouteAdded, true),
        ] {
            assert_eq!(heard(&mut known, notice).is_better, is_better, "{notice:?}");
        }
        let gone = heard(&mut known, Notice::AddressRemoved(address));
        assert_eq!(gone, NetworkChange { is_better: false, gone: vec![address] });
        assert!(heard(&mut known, Notice::AddressAdded(address)).is_better);
    }

    #[test]
    fn a_migrated_guest_asks_although_its_link_was_up_all_along() {
        let mut known = KnownLinks::default();
        let link = |is_announced| Notice::Link { index: 2, is_running: true, is_announced };
        heard(&mut known, link(false));
        assert!(heard(&mut known, link(true)).is_better);
    }

    #[test]
    fn a_chatty_network_is_not_listened_to_for_the_rest_of_a_minute() {
        let at = |seconds: i64| Raw::from_nanos(1_000_000_000 * seconds);
        let mut watch = NetworkWatch::new(at(0)).expect("Linux has rtnetlink");
        for _ in 0..MOST_WAKES {
            assert!(watch.descriptor().is_some() && watch.resumes_at().is_none());
            watch.read(at(1));
        }
        assert!(watch.descriptor().is_none());
        assert_eq!(watch.resumes_at(), Some(at(60)));
        watch.read(at(60));
        assert!(watch.descriptor().is_some());
    }
}
