//! `slewd query HOST...`: asks servers and prints what they say; the clock is not touched.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::config::Network;
use crate::core::estimate::Slot;
use crate::core::random::Random;
use crate::core::settings::{Family, SourceOptions};
use crate::core::source::{Answer, ExchangeId, Measurement, Source};
use crate::daemon::clock::{Clock, ObservedClock};
use crate::daemon::exchanges::{Arrival, Buffer, Exchanges};
use crate::daemon::resolver::look_up;
use crate::sys::process;
use crate::time::{Raw, Span};
use crate::wire::ntp::{KissCode, Leap, MAX_LEN};

/// A server that has not answered is asked again after this long, as often as `REQUESTS` says.
const RETRY: Span = Span::from_secs(2);
const REQUESTS: u64 = 3;

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    hosts: Vec<String>,
    family: Family,
}

impl Query {
    /// Hosts, and `-4` or `-6`.
    pub(super) fn parse(words: &[OsString]) -> Result<Query, String> {
        let mut query = Query { hosts: Vec::new(), family: Family::Any };
        for word in words {
            match word.to_str() {
                Some("-4") => query.family = Family::V4,
                Some("-6") => query.family = Family::V6,
                Some(host) if !host.starts_with('-') => query.hosts.push(host.to_owned()),
                _ => return Err(format!("slewd query: unknown flag {}", word.to_string_lossy())),
            }
        }
        if query.hosts.is_empty() {
            return Err("slewd query: name at least one server".to_owned());
        }
        Ok(query)
    }
}

/// Status 0 if any server told the time.
pub(super) fn run(query: &Query) -> ExitCode {
    let mut servers = Vec::new();
    for host in &query.hosts {
        let addresses = addresses(host, query.family);
        if addresses.is_empty() {
            eprintln!("{host}: no address found");
        }
        servers.extend(addresses.into_iter().map(|address| (host.clone(), address)));
    }
    match ask(&servers) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("slewd query: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn addresses(host: &str, family: Family) -> Vec<IpAddr> {
    match host.parse() {
        Ok(address) => vec![address],
        Err(_) => look_up(host, family),
    }
}

/// Asks all at once, prints each as it answers, and says whether any did.
fn ask(servers: &[(String, IpAddr)]) -> io::Result<bool> {
    let mut asker = Asker::new(servers)?;
    println!("{:39} {:>14} {:>12} {:>12} {:>3}  reference", "server", "offset (s)", "bound (s)", "delay (s)", "st");
    while let Some(deadline) = asker.ask_due() {
        asker.wait(deadline)?;
    }
    Ok(asker.any)
}

struct Asker {
    clock: ObservedClock,
    exchanges: Exchanges,
    random: Random,
    inquiries: Vec<Inquiry>,
    last_exchange: u64,
    buffer: Buffer,
    any: bool,
}

struct Inquiry {
    name: String,
    source: Source,
    due: Option<Raw>,
    requests: u64,
    complaint: &'static str,
}

impl Asker {
    fn new(servers: &[(String, IpAddr)]) -> io::Result<Self> {
        let mut clock = ObservedClock::new();
        let now = clock.read().raw;
        let inquiry = |(name, address): &(String, IpAddr)| {
            let options = SourceOptions::default();
            let to = SocketAddr::new(*address, options.port);
            let label = address.to_string().into();
            Inquiry {
                name: name.clone(),
                source: Source::new(Slot::FIRST, to, label, 0, options, now),
                due: Some(now),
                requests: 0,
                complaint: "no answer",
            }
        };
        let mut seed = [0; 16];
        seed.copy_from_slice(&process::random_seed()?[..16]);
        Ok(Asker {
            inquiries: servers.iter().map(inquiry).collect(),
            clock,
            exchanges: Exchanges::new(Network::default()),
            random: Random::new(seed),
            last_exchange: 0,
            buffer: [0; MAX_LEN + 4],
            any: false,
        })
    }

    /// Sends what is due, gives up where that was in vain, and says when to come back; `None` when all is said.
    fn ask_due(&mut self) -> Option<Raw> {
        let now = self.clock.read().raw;
        for inquiry in &mut self.inquiries {
            if inquiry.due.is_none_or(|due| due > now) {
                continue;
            }
            if inquiry.requests == REQUESTS {
                inquiry.due = None;
                println!("{:39} {}", inquiry.source.label, inquiry.complaint);
                continue;
            }
            inquiry.requests += 1;
            inquiry.due = Some(now + RETRY);
            self.last_exchange += 1;
            let exchange = ExchangeId(self.last_exchange);
            let (packet, lost) = inquiry.source.ask(exchange, now, true, &mut self.random);
            lost.into_iter().for_each(|lost| self.exchanges.close(lost));
            match self.exchanges.send(exchange, inquiry.source.address, &packet, &mut self.clock) {
                Some(stamp) => inquiry.source.sent(exchange, stamp),
                None => inquiry.complaint = "cannot be reached from here",
            }
        }
        self.inquiries.iter().filter_map(|inquiry| inquiry.due).min()
    }

    fn wait(&mut self, deadline: Raw) -> io::Result<()> {
        let time = (deadline - self.clock.read().raw).nanos().max(0) / 1_000_000 + 1;
        let mut descriptors: Vec<_> =
            self.exchanges.descriptors().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        poll(&mut descriptors, PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX))?;
        let open: Vec<ExchangeId> = self.exchanges.ids().collect();
        for exchange in open {
            while let Some(arrival) = self.exchanges.receive(exchange, &mut self.buffer, &mut self.clock) {
                self.take(exchange, &arrival);
            }
        }
        Ok(())
    }

    fn take(&mut self, exchange: ExchangeId, arrival: &Arrival) {
        let asked = |inquiry: &&mut Inquiry| inquiry.source.in_flight() == Some(exchange);
        let Some(inquiry) = self.inquiries.iter_mut().find(asked) else { return };
        let Arrival::Datagram(length, arrived) = *arrival else {
            inquiry.complaint = "refuses connections: no NTP server there";
            inquiry.requests = REQUESTS;
            inquiry.due = Some(self.clock.read().raw);
            return self.exchanges.close(exchange);
        };
        match inquiry.source.receive(&self.buffer[..length], arrived, None) {
            Ok(Answer::Measured(measurement)) => {
                inquiry.due = None;
                self.any = true;
                print(inquiry, &measurement, &mut self.clock);
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

fn print(inquiry: &Inquiry, measurement: &Measurement, clock: &mut ObservedClock) {
    let offset = measurement.sample.lead - clock.read().lead();
    let address = inquiry.source.label.as_ref();
    let leap = match measurement.leap {
        Leap::None => "",
        Leap::Insert => "  leap second will be inserted",
        Leap::Delete => "  leap second will be deleted",
    };
    let name = if inquiry.name == address { String::new() } else { format!("  ({})", inquiry.name) };
    println!(
        "{address:39} {:>+14.6} {:>12.6} {:>12.6} {:>3}  {}{leap}{name}",
        offset.secs_f64(),
        measurement.bound().secs_f64(),
        measurement.sample.delay.secs_f64(),
        measurement.stratum,
        reference(measurement),
    );
}

/// Letters at stratum 1, else the IPv4 address (or a hash of the IPv6 one) of the server's server.
fn reference(measurement: &Measurement) -> String {
    let id = measurement.reference_id;
    if measurement.stratum == 1 {
        return id.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte)).collect();
    }
    IpAddr::from(id).to_string()
}
