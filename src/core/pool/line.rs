//! Configured lines, the addresses they stand for, and when to look them up.

use std::net::IpAddr;
use std::sync::Arc;

use crate::core::api::event::Label;
use crate::core::api::monitoring::SelectOptions;
use crate::core::api::settings::{Host, SourceConfig};
use crate::core::estimate::MAX_SOURCES;
use crate::core::source::authentication::Authentication;
use crate::time::{Raw, Span};

/// Lookups are repeated after 1, 2, 4 ... 60 s until the clock has been set: any failure may be a network that is not
/// up yet.
const FIRST_RETRY: Span = Span::from_secs(1);
const MAX_RETRY: Span = Span::from_secs(60);
/// From then on the intervals grow to this, as long as chronyd's: just under an hour.
const MAX_CALM_RETRY: Span = Span::from_secs(3584);

/// A name that yields too few addresses is given 2^6 s to yield others.
const DOUBLINGS_IF_FEW: u32 = 6;
const MAX_DOUBLINGS: u32 = 12;

/// Addresses that did not work remembered per line.
const MAX_SHUNNED: usize = 16;

/// Where a line comes from, which decides how long it stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The configuration itself.
    Configuration,
    /// `initstepslew`: until the clock has been set.
    Initial,
    /// A `.sources` file.
    SourcesFile,
    /// Somebody added it while slewd runs: it stays, whatever the files say.
    Order,
}

/// A `server`, `pool` or `refclock` line.
#[derive(Clone, Debug)]
pub struct Line {
    /// The line as typed.
    pub typed: SourceConfig,
    /// The line with the options that hold: `authselectmode` and people change them.
    pub config: SourceConfig,
    /// What the line names, as typed.
    pub label: Label,
    /// What people call a line by as long as it has no source, from 1 on; 0 for an address that has had a place from the
    /// start.
    pub id: u32,
    /// Options for selection, as typed or as people changed them.
    pub select: SelectOptions,
    /// Where the line comes from.
    pub origin: Origin,
    /// The addresses that last were worth keeping: what the address file says.
    pub last_good: Vec<IpAddr>,
    /// The log says already that its name has no address, or that there is no place for it.
    pub is_flaw_told: bool,
    /// The name has addresses, and there is no place for any of them.
    pub is_out_of_room: bool,
    lookup: Lookup,
    has_been_answered: bool,
    failures: u32,
    /// Lookups in a row without an address.
    fruitless: u32,
    /// When it last had an address, or else was added.
    addressed: Raw,
    retired: bool,
    shunned: Vec<(IpAddr, Raw)>,
    authentication: Authentication,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    /// Due at this moment.
    Due(Raw, Purpose),
    /// With the resolver.
    Running(Purpose),
    /// All is well.
    None,
}

/// What a lookup is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The line has fewer sources than it should.
    Fill,
    /// One of the sources of the line is bad.
    Replace,
    /// The name may have moved (directive `refresh`).
    Refresh,
}

/// What a lookup has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    /// No address. Every failure of a resolver is transient.
    Nothing,
    /// The line has fewer sources than it should.
    TooFew,
    /// The line has all its sources.
    Enough,
}

impl Line {
    /// A line whose name, if it has one, is to be looked up at once, unless its servers would not be asked anyway.
    pub fn new(typed: SourceConfig, origin: Origin, id: u32, now: Raw) -> Self {
        let authentication = Authentication::of(&typed.options);
        let lookup = match typed.host {
            Host::Name(_) if authentication.is_hopeful() => Lookup::Due(now, Purpose::Fill),
            Host::Address(_) | Host::Name(_) | Host::Clock(_) => Lookup::None,
        };
        Line {
            config: typed.clone(),
            label: Arc::from(typed.host.to_string()),
            id,
            select: typed.options.selection(),
            typed,
            origin,
            last_good: Vec::new(),
            is_flaw_told: false,
            is_out_of_room: false,
            lookup,
            has_been_answered: false,
            failures: 0,
            fruitless: 0,
            addressed: now,
            retired: false,
            shunned: Vec::new(),
            authentication,
        }
    }

    /// What its sources say can be authenticated now, or cannot any more.
    pub fn set_authentication(&mut self, authentication: Authentication, now: Raw) {
        self.authentication = authentication;
        let is_new = self.name().is_some() && self.lookup == Lookup::None && !self.has_been_answered;
        if authentication.is_hopeful() && is_new {
            self.lookup = Lookup::Due(now, Purpose::Fill);
        }
    }

    /// The line is gone: it yields nothing, whatever the resolver still says.
    pub fn retire(&mut self) {
        self.retired = true;
        if !matches!(self.lookup, Lookup::Running(_)) {
            self.lookup = Lookup::None;
        }
    }

    /// The resolver has answered for a line that is gone.
    pub fn let_go(&mut self) {
        self.lookup = Lookup::None;
    }

    /// The line is gone.
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    /// Another line may take its place: it is gone, and the resolver owes it nothing.
    pub fn is_free(&self) -> bool {
        self.retired && self.lookup == Lookup::None
    }

    /// Sources this line should yield.
    pub fn wanted(&self) -> usize {
        if self.retired || self.literal().is_none() && !self.authentication().is_hopeful() {
            return 0;
        }
        if self.config.pool { self.config.options.max_sources.min(MAX_SOURCES) } else { 1 }
    }

    /// Sources asked until enough of them have proved good: twice as many, as with chronyd; of a `server`, one per family.
    pub fn candidates(&self) -> usize {
        (2 * self.wanted()).min(MAX_SOURCES)
    }

    /// How what its sources say is protected.
    pub fn authentication(&self) -> Authentication {
        self.authentication
    }

    /// The address, if the line names one.
    pub fn literal(&self) -> Option<IpAddr> {
        match self.config.host {
            Host::Address(address) => Some(address),
            Host::Name(_) | Host::Clock(_) => None,
        }
    }

    /// The line is one of a reference clock.
    pub fn is_clock(&self) -> bool {
        matches!(self.config.host, Host::Clock(_))
    }

    /// The name, if the line has one and is not gone.
    pub fn name(&self) -> Option<&str> {
        match &self.config.host {
            _ if self.retired => None,
            Host::Address(_) | Host::Clock(_) => None,
            Host::Name(name) => Some(name),
        }
    }

    /// When to look its name up.
    pub fn due(&self) -> Option<Raw> {
        match self.lookup {
            Lookup::Due(at, _) => Some(at),
            Lookup::Running(_) | Lookup::None => None,
        }
    }

    /// The first lookup of the line has not ended yet: it may still yield sources.
    pub fn is_pending(&self) -> bool {
        self.name().is_some() && self.wanted() > 0 && !self.has_been_answered
    }

    /// Lookups in a row without an address.
    pub fn fruitless_lookups(&self) -> u32 {
        self.fruitless
    }

    /// When its name last had an address, or else was added.
    pub fn addressed(&self) -> Raw {
        self.addressed
    }

    /// What the lookup in progress is for.
    pub fn purpose(&self) -> Option<Purpose> {
        match self.lookup {
            Lookup::Running(purpose) => Some(purpose),
            Lookup::Due(..) | Lookup::None => None,
        }
    }

    /// A name that could not be looked up may be by now: the network has changed.
    pub fn look_up_now(&mut self, now: Raw) {
        if let Lookup::Due(at, Purpose::Fill) = &mut self.lookup {
            *at = (*at).min(now);
            self.failures = self.failures.min(1);
        }
    }

    /// Look the name up again, now: it may have moved.
    pub fn refresh(&mut self, now: Raw) {
        self.lookup = match self.lookup {
            Lookup::Due(at, purpose) => Lookup::Due(at.min(now), purpose),
            Lookup::None if self.name().is_some() && self.wanted() > 0 => Lookup::Due(now, Purpose::Refresh),
            lookup => lookup,
        };
    }

    /// The resolver has the name.
    pub fn asked(&mut self) {
        if let Lookup::Due(_, purpose) = self.lookup {
            self.lookup = Lookup::Running(purpose);
        }
    }

    /// A source is to be replaced: look the name up now, unless the resolver has it already.
    pub fn hasten(&mut self, now: Raw) {
        if self.purpose().is_none() {
            self.lookup = Lookup::Due(now, Purpose::Replace);
        }
    }

    /// The resolver is back. `is_calm`: the clock has been set. `refresh`: when to ask again even if all is well.
    pub fn answered(&mut self, found: Yield, is_calm: bool, refresh: Option<Span>, now: Raw) {
        self.has_been_answered = true;
        self.fruitless = if found == Yield::Nothing { self.fruitless.saturating_add(1) } else { 0 };
        if found != Yield::Nothing {
            (self.is_flaw_told, self.addressed) = (false, now);
        }
        match found {
            Yield::Enough => {
                self.failures = 0;
                self.lookup = refresh.map_or(Lookup::None, |after| Lookup::Due(now + after, Purpose::Refresh));
                return;
            }
            Yield::TooFew => self.failures = self.failures.max(DOUBLINGS_IF_FEW),
            Yield::Nothing => {}
        }
        let wait = FIRST_RETRY.times(1 << self.failures.min(MAX_DOUBLINGS));
        self.failures += 1;
        let wait = wait.min(if is_calm { MAX_CALM_RETRY } else { MAX_RETRY });
        self.lookup = Lookup::Due(now + wait, Purpose::Fill);
    }

    /// This address has not worked: it is not used again before `until`.
    pub fn shun(&mut self, address: IpAddr, until: Raw) {
        self.shunned.retain(|(known, _)| *known != address);
        if self.shunned.len() == MAX_SHUNNED {
            self.shunned.remove(0);
        }
        self.shunned.push((address, until));
    }

    /// Of these addresses, those that may be tried: the families in turn, so that a dead one costs little.
    pub fn eligible(&self, addresses: &[IpAddr], now: Raw) -> Vec<IpAddr> {
        let is_eligible = |address: &IpAddr| {
            let is_wanted = self.config.options.family.includes(address);
            is_wanted && !self.shunned.iter().any(|(shunned, until)| shunned == address && *until > now)
        };
        alternate(addresses.iter().copied().filter(is_eligible).collect())
    }
}

/// The resolver's order within each family, and its favourite family first (RFC 8305 section 4).
fn alternate(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let starts_with_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let count = addresses.len();
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == starts_with_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::with_capacity(count);
    while mixed.len() < count {
        mixed.extend(first.next());
        mixed.extend(second.next());
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::api::settings::SourceOptions;

    fn line(name: &str) -> Line {
        let config = SourceConfig { host: Host::Name(name.into()), pool: true, options: SourceOptions::default() };
        Line::new(config, Origin::Configuration, 1, Raw::from_nanos(0))
    }

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn lookups_are_repeated_after_1_2_4_to_60_seconds_and_more_rarely_once_the_clock_is_set() {
        let waits = |is_calm: bool| {
            let mut line = line("pool.example");
            let mut now = Raw::from_nanos(0);
            let wait = |_| {
                line.asked();
                line.answered(Yield::Nothing, is_calm, None, now);
                let wait = line.due().expect("it is tried again") - now;
                now += wait;
                wait.nanos() / 1_000_000_000
            };
            (0..14).map(wait).collect::<Vec<i64>>()
        };
        assert_eq!(waits(false)[..9], [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(waits(true)[5..], [32, 64, 128, 256, 512, 1024, 2048, 3584, 3584]);
    }

    #[test]
    fn families_take_turns_and_shunned_addresses_come_back() {
        let mut line = line("pool.example");
        let found = addresses(&["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"]);
        let later = Raw::from_nanos(1_000);
        line.shun(found[1], later);
        assert_eq!(line.eligible(&found, Raw::from_nanos(0)), addresses(&["2001:db8::1", "192.0.2.1", "2001:db8::3"]));
        assert_eq!(
            line.eligible(&found, later),
            addresses(&["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"])
        );
    }
}
