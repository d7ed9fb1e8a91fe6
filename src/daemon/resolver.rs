//! Names to addresses, off the main thread: getaddrinfo blocks, and NSS is what administrators configure. What
//! /etc/hosts knows is not asked of anybody.

use std::io::{self, Read, Write};
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use log::debug;

use crate::core::api::nts::EstablishmentId;
use crate::core::api::settings::Family;
use crate::daemon::hosts;
use crate::sys::seccomp;

/// NSS modules are not frugal, but this is what musl gives every thread.
const STACK_BYTES: usize = 256 * 1024;

/// Lookups in progress. Each has a thread of its own, which ends with it; IP literals and what /etc/hosts knows have
/// none.
pub struct Resolver {
    answers: Receiver<LookupAnswer>,
    sender: Sender<LookupAnswer>,
    bell: UnixStream,
    ringer: UnixStream,
}

/// What a name is looked up for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookupPurpose {
    /// The line with this index.
    Line(usize),
    /// The server that one of key establishment has named.
    Keys(EstablishmentId),
}

/// The end of a lookup. Every failure is transient, and is an empty list.
pub struct LookupAnswer {
    /// What the name was looked up for.
    pub purpose: LookupPurpose,
    /// In the resolver's order, without repetition.
    pub addresses: Vec<IpAddr>,
}

impl Resolver {
    /// Nothing is being looked up.
    pub fn new() -> io::Result<Self> {
        let (answers, bell) = (channel(), UnixStream::pair()?);
        bell.0.set_nonblocking(true)?;
        // As many lookups as there are names may be answered before anybody listens: a full bell rings all the same.
        bell.1.set_nonblocking(true)?;
        Ok(Resolver { answers: answers.1, sender: answers.0, bell: bell.0, ringer: bell.1 })
    }

    /// Starts a lookup; the answer makes [`Resolver::as_fd`] readable.
    pub fn ask(&self, purpose: LookupPurpose, name: String, family: Family) {
        let known = distinct(hosts::look_up(&name), family);
        if !known.is_empty() {
            return self.answer_at_once(purpose, known);
        }
        let sender = self.sender.clone();
        let mut ringer = match self.ringer.try_clone() {
            Ok(ringer) => ringer,
            Err(reason) => {
                debug!("Could not look up {name}: {reason}");
                return self.answer_at_once(purpose, Vec::new());
            }
        };
        let lookup = move || {
            seccomp::confine_thread(&[]);
            let addresses = look_up(&name, family);
            // The daemon may be gone: then nobody wants to know.
            let _ = sender.send(LookupAnswer { purpose, addresses });
            let _ = ringer.write_all(&[1]);
        };
        if let Err(reason) = thread::Builder::new().stack_size(STACK_BYTES).spawn(lookup) {
            debug!("No thread for a lookup: {reason}");
            self.answer_at_once(purpose, Vec::new());
        }
    }

    fn answer_at_once(&self, purpose: LookupPurpose, addresses: Vec<IpAddr>) {
        let _ = self.sender.send(LookupAnswer { purpose, addresses });
        let _ = (&self.ringer).write_all(&[1]);
    }

    /// The next answer, if there is one.
    pub fn answer(&self) -> Option<LookupAnswer> {
        let _ = (&self.bell).read(&mut [0; 16]);
        self.answers.try_recv().ok()
    }
}

impl AsFd for Resolver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// Blocks until the system's resolver has an answer.
pub fn look_up(name: &str, family: Family) -> Vec<IpAddr> {
    let found = match (name, 0u16).to_socket_addrs() {
        Ok(found) => found,
        Err(reason) => {
            debug!("Could not resolve {name}: {reason}");
            return Vec::new();
        }
    };
    distinct(found.map(|found| found.ip()).collect(), family)
}

/// The addresses of the family, without repetition.
fn distinct(found: Vec<IpAddr>, family: Family) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.into_iter().filter(|address| family.includes(address)) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_answers_than_the_bell_holds_keep_nobody_waiting() {
        let resolver = Resolver::new().expect("a socket pair");
        for line in 0..2000 {
            resolver.answer_at_once(LookupPurpose::Line(line), Vec::new());
        }
        let answered = std::iter::from_fn(|| resolver.answer()).map(|answer| answer.purpose);
        assert!(answered.eq((0..2000).map(LookupPurpose::Line)));
        assert!((&resolver.bell).read(&mut [0]).is_err(), "it has stopped ringing");
    }
}
