//! NTP servers on this machine that keep a time of their own.
//!
//! Their truth is computed from CLOCK_MONOTONIC_RAW, so whatever is done to the system clock they go on telling the same
//! time. Each server can sit at the end of a slow and noisy path, and each can misbehave in one way. A path is played
//! honestly: the request is held for the forward delay before it counts as received, the reply for the backward delay.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub use super::spec::{Behaviour, NetworkPath, ServerSpec, Truth};
use super::spec::{PACKET, client_request};
use crate::sys::{clock, udp};
use crate::time::{Raw, Span};

/// How often something happened at one server.
#[derive(Debug, Default)]
pub struct Counters {
    requests: AtomicU64,
    replies: AtomicU64,
    refused: AtomicU64,
}

/// Running servers; dropping them ends their thread and closes their sockets.
#[derive(Debug)]
pub struct Servers {
    addresses: Vec<SocketAddr>,
    counters: Vec<Arc<Counters>>,
    lifeline: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

/// The raw counter now.
pub fn raw_now() -> Raw {
    clock::read().raw
}

impl Counters {
    /// Well-formed requests received.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Replies sent, kisses included.
    pub fn replies(&self) -> u64 {
        self.replies.load(Ordering::Relaxed)
    }

    /// Datagrams dropped because they were no plain NTP client request.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Servers {
    /// Opens all sockets, then serves them from one thread.
    ///
    /// # Errors
    /// When an address cannot be bound or the thread cannot be started.
    pub fn start(truth: Truth, specs: Vec<ServerSpec>) -> io::Result<Servers> {
        let (lifeline, ended) = UnixStream::pair()?;
        let mut posts = Vec::with_capacity(specs.len());
        for spec in specs {
            let socket = UdpSocket::bind(spec.listen)
                .map_err(|e| io::Error::new(e.kind(), format!("cannot listen on {}: {e}", spec.listen)))?;
            socket.set_nonblocking(true)?;
            udp::stamp_received(&socket);
            posts.push(Post { spec, socket, counters: Arc::new(Counters::default()) });
        }
        let addresses = posts.iter().map(|p| p.socket.local_addr()).collect::<io::Result<_>>()?;
        let counters = posts.iter().map(|p| Arc::clone(&p.counters)).collect();
        let seed = raw_now().nanos() as u64;
        let desk = Desk { truth, posts, pending: BinaryHeap::new(), random: fastrand::Rng::with_seed(seed), ended };
        let thread = std::thread::Builder::new().name("ntp-servers".into()).spawn(move || desk.serve())?;
        Ok(Servers { addresses, counters, lifeline: Some(lifeline), thread: Some(thread) })
    }

    /// Where the servers listen, in the order of their specifications.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What the servers have done, in the order of their specifications.
    pub fn counters(&self, server: usize) -> Option<&Counters> {
        self.counters.get(server).map(Arc::as_ref)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        if let Some(thread) = self.thread.take() {
            // A panicked server thread has already said so on stderr.
            let _ = thread.join();
        }
    }
}

/// One socket and its server.
struct Post {
    spec: ServerSpec,
    socket: UdpSocket,
    counters: Arc<Counters>,
}

/// A reply on its way back.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct DelayedReply {
    due: Raw,
    post: usize,
    to: SocketAddr,
    packet: [u8; PACKET],
}

/// The thread's belongings.
struct Desk {
    truth: Truth,
    posts: Vec<Post>,
    pending: BinaryHeap<Reverse<DelayedReply>>,
    random: fastrand::Rng,
    ended: UnixStream,
}

/// How late poll(2) may wake without delaying a reply: three times what we have seen on an idle machine.
const WAKE_UP: Span = Span::from_nanos(500_000);

/// A request that seems to have waited longer for this thread was stamped before somebody set the clock.
const LONGEST_WAIT: Span = Span::from_millis(100);

impl Desk {
    fn serve(mut self) {
        while self.wait() {
            for post in 0..self.posts.len() {
                self.receive(post);
            }
            self.send_due();
        }
    }

    /// Sleeps until a request arrives or a reply is nearly due; false when the servers were dropped.
    ///
    /// poll(2) counts in milliseconds and wakes late, so the last one before a reply is spent calling it without a wait.
    fn wait(&self) -> bool {
        let timeout = match self.pending.peek() {
            None => PollTimeout::NONE,
            Some(Reverse(next)) => {
                let left_ms = (next.due - raw_now() - WAKE_UP).nanos().max(0) / 1_000_000;
                PollTimeout::try_from(left_ms).unwrap_or(PollTimeout::MAX)
            }
        };
        let mut fds = vec![PollFd::new(self.ended.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.posts.iter().map(|p| PollFd::new(p.socket.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, timeout) {
            Ok(_) => !fds[0].any().unwrap_or(true),
            Err(e) => e == nix::errno::Errno::EINTR,
        }
    }

    /// Takes every waiting request of one server.
    fn receive(&mut self, index: usize) {
        let post = &self.posts[index];
        let mut buffer = [0; PACKET + 1];
        // Any error but "nothing there" is a late ICMP message of an earlier reply: the next poll tells.
        while let Ok((received, from)) = udp::receive_from(&post.socket, &mut buffer) {
            // Not when this thread woke up: the forward path would be longer by that, and the backward path would not.
            let now = clock::read();
            let lain = received.stamps.software.map_or(Span::ZERO, |stamp| now.utc - stamp);
            let arrived = if (Span::ZERO..LONGEST_WAIT).contains(&lain) { now.raw - lain } else { now.raw };
            let Some(request) = client_request(&buffer[..received.len]) else {
                post.counters.refused.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let earlier = post.counters.requests.fetch_add(1, Ordering::Relaxed);
            if post.spec.behaviour == Behaviour::Dead {
                continue;
            }
            let received = arrived + post.spec.forward.draw(&mut self.random);
            let sent = received + post.spec.turnaround;
            let packet = post.spec.reply(request, earlier, self.truth.at(received), self.truth.at(sent));
            let due = sent + post.spec.back.draw(&mut self.random);
            self.pending.push(Reverse(DelayedReply { due, post: index, to: from, packet }));
        }
    }

    fn send_due(&mut self) {
        while self.pending.peek().is_some_and(|Reverse(next)| next.due <= raw_now()) {
            let Some(Reverse(reply)) = self.pending.pop() else { return };
            let post = &self.posts[reply.post];
            if post.socket.send_to(&reply.packet, reply.to).is_ok() {
                post.counters.replies.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{NtpTimestamp, Utc};
    use std::time::Duration;

    const NOON: Utc = Utc::from_secs(1_796_126_400);

    fn local() -> ServerSpec {
        ServerSpec::honest(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn ask(server: SocketAddr, first_byte: u8) -> Option<[u8; PACKET]> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut request = [0; PACKET];
        request[0] = first_byte;
        request[40..48].copy_from_slice(b"whatever");
        socket.send_to(&request, server).unwrap();
        let mut reply = [0; PACKET];
        socket.recv_from(&mut reply).ok().map(|_| reply)
    }

    fn time_at(reply: &[u8; PACKET], offset: usize) -> Utc {
        NtpTimestamp(u64::from_be_bytes(reply[offset..offset + 8].try_into().unwrap())).to_utc()
    }

    #[test]
    fn truth_runs_at_the_rate_asked_for() {
        let truth = Truth { epoch: NOON, ppm: 50.0 };
        assert_eq!((truth.at(Raw::from_nanos(1_000_000_000)) - NOON).nanos(), 1_000_050_000);
        let raw = Raw::from_nanos(123_456_789_012_345);
        assert_eq!(Truth::starting(NOON, raw, -37.5).at(raw), NOON);
    }

    #[test]
    fn the_path_delays_both_ways() {
        let truth = Truth::starting(NOON, raw_now(), 0.0);
        let spec = local().path_each_way(Span::from_millis(20), Span::ZERO);
        let servers = Servers::start(truth, vec![spec]).unwrap();
        let before = raw_now();
        let reply = ask(servers.addresses()[0], 0x23).expect("an honest server answers");
        let after = raw_now();
        assert_eq!(&reply[24..32], b"whatever");
        assert_eq!((reply[0], reply[1]), (0x24, 1));
        let arrived = time_at(&reply, 32);
        assert!(arrived - truth.at(before) >= Span::from_millis(20));
        assert!(truth.at(after) - arrived >= Span::from_millis(20));
        assert!(after - before < Span::from_millis(100), "{:?}", after - before);
    }

    #[test]
    fn each_behaviour_is_kept() {
        let kiss = Behaviour::Kiss { code: *b"RATE", after: 1 };
        let behaviours = [Behaviour::Lies(Span::from_secs(-7)), Behaviour::Dead, kiss];
        let truth = Truth::starting(NOON, raw_now(), 0.0);
        let servers = Servers::start(truth, behaviours.map(|b| local().behaving(b)).to_vec()).unwrap();
        let lie = ask(servers.addresses()[0], 0x23).expect("a liar answers");
        let error = time_at(&lie, 40) - truth.at(raw_now());
        assert!((error - Span::from_secs(-7)).abs() < Span::from_millis(100), "{error:?}");
        assert!(ask(servers.addresses()[1], 0x23).is_none());
        assert_eq!(ask(servers.addresses()[2], 0x1b).map(|r| (r[0], r[1])), Some((0x1c, 1)));
        assert_eq!(ask(servers.addresses()[2], 0x1b).map(|r| (r[0], r[1])), Some((0xdc, 0)));
        assert!(ask(servers.addresses()[0], 0x24).is_none(), "a server packet is not a request");
        let counts = servers.counters(0).unwrap();
        assert_eq!((counts.requests(), counts.replies(), counts.refused()), (1, 1, 1));
    }
}
