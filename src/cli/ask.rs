//! Asks NTP servers directly, a few times at most, for `query` and `check --server`. The clock is not touched.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::config::Network;
use crate::core::api::exchange::ExchangeId;
use crate::core::api::measurement::Measurement;
use crate::core::api::settings::{Family, SourceOptions};
use crate::core::estimate::Slot;
use crate::core::random::Random;
use crate::core::source::{Answer, Measurer, Source};
use crate::daemon::clock::{Clock, ObservedClock};
use crate::daemon::exchanges::{Buffer, Delivery, Exchanges};
use crate::daemon::resolver::look_up;
use crate::sys::poll_set::PollSet;
use crate::sys::process;
use crate::time::{Raw, Span};
use crate::wire::ntp::{KissCode, MAX_LEN};

/// A server that has not answered is asked again after this long, as often as `REQUESTS` says.
const RETRY: Span = Span::from_secs(2);
const REQUESTS: u64 = 3;

/// A server to be asked: the name it was called by, and one of its addresses.
pub(super) type NamedAddress = (String, IpAddr);

/// What came of asking one server.
pub(super) struct QueryOutcome<'a> {
    pub(super) server: &'a NamedAddress,
    /// How far the server is ahead of the clock, and what it said; or why nothing came of it.
    pub(super) said: Result<(Span, Measurement), &'static str>,
}

/// The addresses of a host.
pub(super) fn addresses(host: &str, family: Family) -> Vec<IpAddr> {
    match host.parse() {
        Ok(address) => vec![address],
        Err(_) => look_up(host, family),
    }
}

/// Asks all at once and hands on each outcome as it is known.
pub(super) fn ask(servers: &[NamedAddress], tell: &mut dyn FnMut(QueryOutcome<'_>)) -> io::Result<()> {
    let mut asker = QueryClient::new(servers)?;
    while let Some(deadline) = asker.ask_due(tell) {
        asker.wait(deadline, tell)?;
    }
    Ok(())
}

struct QueryClient<'a> {
    clock: ObservedClock,
    exchanges: Exchanges,
    random: Random,
    inquiries: Vec<Inquiry<'a>>,
    last_exchange: u64,
    waited_for: PollSet<ExchangeId>,
    buffer: Buffer,
}

struct Inquiry<'a> {
    server: &'a NamedAddress,
    source: Source,
    due: Option<Raw>,
    requests: u64,
    complaint: &'static str,
}

impl<'a> QueryClient<'a> {
    fn new(servers: &'a [NamedAddress]) -> io::Result<Self> {
        let mut clock = ObservedClock::new();
        let now = clock.read().raw;
        let inquiry = |server: &'a NamedAddress| {
            let options = SourceOptions::default();
            let to = SocketAddr::new(server.1, options.port);
            let label = server.1.to_string().into();
            Inquiry {
                server,
                source: Source::new(Slot::FIRST, Measurer::Network(to), label, 0, options, now),
                due: Some(now),
                requests: 0,
                complaint: "no answer",
            }
        };
        let mut seed = [0; 16];
        seed.copy_from_slice(&process::random_seed()?[..16]);
        Ok(QueryClient {
            inquiries: servers.iter().map(inquiry).collect(),
            clock,
            exchanges: Exchanges::new(Network::default()),
            random: Random::new(seed),
            last_exchange: 0,
            waited_for: PollSet::default(),
            buffer: [0; MAX_LEN + 4],
        })
    }

    /// Sends what is due, gives up where that was in vain, and says when to come back; `None` when all is said.
    fn ask_due(&mut self, tell: &mut dyn FnMut(QueryOutcome<'_>)) -> Option<Raw> {
        let now = self.clock.read().raw;
        for inquiry in &mut self.inquiries {
            if inquiry.due.is_none_or(|due| due > now) {
                continue;
            }
            if inquiry.requests == REQUESTS {
                inquiry.due = None;
                tell(QueryOutcome { server: inquiry.server, said: Err(inquiry.complaint) });
                continue;
            }
            inquiry.requests += 1;
            inquiry.due = Some(now + RETRY);
            self.last_exchange += 1;
            let exchange = ExchangeId(self.last_exchange);
            let (packet, lost) = inquiry.source.ask(exchange, now, true, &mut self.random);
            lost.into_iter().for_each(|lost| self.exchanges.close(lost));
            let (Some(packet), Some(to)) = (packet, inquiry.source.address()) else { continue };
            match self.exchanges.send(exchange, to, &packet, &mut self.clock) {
                Ok(dispatch) => inquiry.source.sent(exchange, dispatch.stamp, dispatch.awaits_hardware),
                Err(_) => inquiry.complaint = "cannot be reached from here",
            }
        }
        self.inquiries.iter().filter_map(|inquiry| inquiry.due).min()
    }

    fn wait(&mut self, deadline: Raw, tell: &mut dyn FnMut(QueryOutcome<'_>)) -> io::Result<()> {
        let time = deadline - self.clock.read().raw;
        self.waited_for.clear();
        let sockets = self.exchanges.descriptors();
        sockets.for_each(|(exchange, socket)| self.waited_for.watch(socket, exchange));
        self.waited_for.wait(Some(time))?;
        let ready: Vec<ExchangeId> = self.waited_for.ready().collect();
        for exchange in ready {
            while let Some(arrival) = self.exchanges.receive(exchange, &mut self.buffer, &mut self.clock) {
                self.take(exchange, &arrival, tell);
            }
        }
        Ok(())
    }

    fn take(&mut self, exchange: ExchangeId, arrival: &Delivery, tell: &mut dyn FnMut(QueryOutcome<'_>)) {
        let asked = |inquiry: &&mut Inquiry| inquiry.source.in_flight() == Some(exchange);
        let Some(inquiry) = self.inquiries.iter_mut().find(asked) else { return };
        let (length, arrived) = match *arrival {
            Delivery::Datagram(length, arrived) => (length, arrived),
            Delivery::Departed(stamp) => return inquiry.source.stamped(exchange, stamp, self.clock.read().raw),
            Delivery::Unreachable => {
                inquiry.complaint = "refuses connections: no NTP server there";
                inquiry.requests = REQUESTS;
                inquiry.due = Some(self.clock.read().raw);
                return self.exchanges.close(exchange);
            }
        };
        match inquiry.source.receive(&self.buffer[..length], arrived, None) {
            Ok(Answer::Measured(measurement)) => {
                inquiry.due = None;
                let ahead = measurement.sample.lead - self.clock.read().lead();
                tell(QueryOutcome { server: inquiry.server, said: Ok((ahead, measurement)) });
            }
            // No filter was asked for, and no path to be woken.
            Ok(Answer::Collected) => {}
            Ok(Answer::Unsynchronised) => inquiry.complaint = "does not know the time",
            Ok(Answer::Kiss(KissCode::Rate)) => inquiry.complaint = "wants to be asked less often (KoD RATE)",
            Ok(Answer::Kiss(_)) => inquiry.complaint = "refuses to serve (kiss-o'-death)",
            Err(_) => inquiry.complaint = "sent only answers that make no sense",
        }
        if inquiry.source.in_flight().is_none() {
            self.exchanges.close(exchange);
        }
    }
}
