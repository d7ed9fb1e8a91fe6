//! Answers chronyc and everybody who speaks its protocol: who may ask what, and what becomes of it.
//!
//! `sockets` and `directory` open the doors, `access` and `rate` say who is let in, `reporting` and `ordering` do what was
//! asked, `adding` makes a source of what somebody typed.

mod access;
mod adding;
mod directory;
mod ordering;
mod rate;
mod reporting;
mod sockets;

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use log::{debug, info, warn};

pub use self::directory::{Owner, own};
pub use self::ordering::order;

use self::access::{Access, AskerKind};
use self::rate::Limiter;
use self::sockets::{Endpoint, Sender};
use crate::config::{Commands, Subnet};
use crate::core::api::monitoring::ServerStats;
use crate::core::api::order::{Order, Refused};
use crate::core::api::settings::Family;
use crate::core::engine::Engine;
use crate::daemon::{hosts, resolver};
use crate::time::{ClockReading, Raw};
use crate::wire::cmdmon::MAX_LEN;
use crate::wire::cmdmon::reply::{self, Body, ReplyStatus};
use crate::wire::cmdmon::request::{self, ControlRequest, Disposition, RequestId};

/// Datagrams taken from one socket before the servers are heard again: a flood cannot keep the clock waiting.
const MOST_AT_ONCE: usize = 16;

/// What the daemon does for those who ask.
pub trait Daemon {
    /// The engine, which has all that is reported.
    fn engine(&self) -> &Engine;
    /// The clocks.
    fn read_clock(&mut self) -> ClockReading;
    /// Has the engine carry out an order, and carries out what follows from it. `request`: the datagram that it was made of.
    fn obey(&mut self, order: Order, request: Option<&[u8]>) -> Result<(), Refused>;
    /// Reads the `.sources` files again.
    fn reload_sources(&mut self);
    /// Begins the log files anew.
    fn reopen_logs(&mut self);
    /// Reads the file of symmetric keys again.
    fn read_keys(&mut self);
    /// Writes the measurements to files, if there is a place for them.
    fn dump(&mut self);
    /// Whether there is a way to a server.
    fn has_route(&self, to: SocketAddr) -> bool;
    /// Ends the run, cleanly and soon.
    fn shut_down(&mut self);
}

/// Everything about being asked.
#[derive(Debug)]
pub struct Control {
    endpoints: Vec<Endpoint>,
    access: Access,
    /// Names of the commands that are answered over UDP.
    open: Vec<String>,
    limiter: Option<Limiter>,
    counts: ServerStats,
    /// One byte more than the longest request, so that a longer one is seen to be.
    inbox: [u8; MAX_LEN + 1],
    outbox: [u8; MAX_LEN],
}

/// Makes the directory of the Unix socket, or closes it to others, ahead of [`Control::open`]: which says what is wrong.
pub fn prepare_directory(commands: &Commands, owner: Owner) {
    if let Some(path) = &commands.socket {
        let _ = directory::prepare(Path::new(path), owner);
    }
}

impl Control {
    /// Opens the sockets, as long as there are rights to, for the `owner` the daemon is going to be. `None` if nobody
    /// can ask. Names of `cmdallow` and `cmddeny` are looked up, which blocks.
    pub fn open(commands: &Commands, owner: Owner, seed: [u8; 16]) -> Option<Box<Self>> {
        let endpoints = sockets::open(commands, owner);
        if endpoints.is_empty() {
            return None;
        }
        let (access, unknown) = Access::new(&commands.access, |name| match hosts::look_up(name) {
            known if known.is_empty() => resolver::look_up(name, Family::Any),
            known => known,
        });
        for name in unknown {
            let denied = commands.access.iter().any(|rule| !rule.allow && rule.subnet == Subnet::Name(name.to_owned()));
            let effect = if denied { "only this machine may send commands" } else { "it may not send commands" };
            warn!("Could not resolve {name} of cmdallow or cmddeny : {effect}");
        }
        Some(Box::new(Control {
            endpoints,
            access,
            open: commands.open_commands.clone(),
            limiter: commands.rate_limit.map(|limit| Limiter::new(limit, seed)),
            counts: ServerStats::default(),
            inbox: [0; MAX_LEN + 1],
            outbox: [0; MAX_LEN],
        }))
    }

    /// The descriptors to wait for.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.endpoints.iter().map(AsFd::as_fd)
    }

    /// Answers what has arrived at the socket with this place in [`Control::descriptors`], a limited number of requests at
    /// a time.
    pub fn serve(&mut self, place: usize, daemon: &mut dyn Daemon) {
        for _ in 0..MOST_AT_ONCE {
            if !self.serve_next(place, daemon) {
                break;
            }
        }
    }

    /// One datagram; `false`: there was none.
    fn serve_next(&mut self, index: usize, daemon: &mut dyn Daemon) -> bool {
        let Some((len, sender)) = self.endpoints[index].receive(&mut self.inbox) else { return false };
        match self.read(len, sender.as_ref(), daemon.read_clock().raw) {
            Disposition::Drop => self.counts.command_drops += 1,
            Disposition::Refuse(header, status) => self.reply(index, sender, &header, Err(status), len),
            Disposition::Request(header, request) => {
                let answer = self.carry_out(&request, len, daemon);
                self.reply(index, sender, &header, answer.as_ref().map_err(|status| *status), len);
                if request == ControlRequest::Shutdown {
                    info!("Received shutdown command");
                    daemon.shut_down();
                }
            }
        }
        true
    }

    /// The checks of chronyd in their order, but that the rate is checked last: a request that is dropped anyway does not
    /// count against the asker.
    fn read(&mut self, len: usize, sender: Option<&Sender>, now: Raw) -> Disposition {
        let (everything, guest) = match sender {
            None => return Disposition::Drop,
            Some(Sender::Unix(_)) => (true, None),
            Some(Sender::Udp(envelope)) => match self.access.standing(envelope.from.ip()) {
                AskerKind::Local => (false, None),
                AskerKind::Guest => (false, Some(envelope.from.ip())),
                AskerKind::Stranger => return Disposition::Drop,
            },
        };
        let Some(datagram) = self.inbox.get(..len) else { return Disposition::Drop };
        let received = request::receive(datagram, |code| everything || is_open(&self.open, code));
        let (Some(limiter), Some(guest)) = (&mut self.limiter, guest) else { return received };
        match received {
            Disposition::Drop => received,
            _ if limiter.admits(guest, now) => received,
            _ => Disposition::Drop,
        }
    }

    fn reply(
        &mut self,
        index: usize,
        sender: Option<Sender>,
        header: &RequestId,
        answer: Result<&Body, ReplyStatus>,
        request_len: usize,
    ) {
        let Some(sender) = sender else { return };
        match answer {
            Ok(_) => debug!("Request {} of {sender}", header.command),
            Err(status) => debug!("Request {} of {sender}: {status:?}", header.command),
        }
        self.counts.command_hits += 1;
        let len = reply::encode(header, answer, request_len, &mut self.outbox);
        if let Some(datagram) = len.and_then(|len| self.outbox.get(..len)) {
            self.endpoints[index].answer(datagram, &sender);
        }
    }
}

/// Whether everybody who is let in may use this command.
fn is_open(open: &[String], command: u16) -> bool {
    request::is_open(command, |name| open.iter().any(|open| open == name))
}
