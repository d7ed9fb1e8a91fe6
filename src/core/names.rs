//! Configured lines and the addresses they stand for.

use std::net::IpAddr;

use crate::core::settings::{Host, SourceConfig};
use crate::time::{Raw, Span};

/// Lookups are repeated after 1, 2, 4 ... 60 s: any failure may be a network that is not up yet.
const FIRST_RETRY: Span = Span::from_secs(1);
const MAX_RETRY: Span = Span::from_secs(60);

/// A `server` or `pool` line.
#[derive(Clone, Debug)]
pub struct Association {
    /// The line.
    pub config: SourceConfig,
    lookup: Lookup,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    /// Due at this moment.
    Due(Raw),
    /// With the resolver.
    Running,
    /// Enough addresses are known.
    Done,
}

impl Association {
    /// A line whose name, if it has one, is to be looked up at once.
    pub fn new(config: SourceConfig, now: Raw) -> Self {
        let lookup = match config.host {
            Host::Address(_) => Lookup::Done,
            Host::Name(_) => Lookup::Due(now),
        };
        Association { config, lookup, failures: 0 }
    }

    /// Sources this line should yield.
    pub fn wanted(&self) -> usize {
        if self.config.pool { self.config.options.max_sources } else { 1 }
    }

    /// The address, if the line names one.
    pub fn literal(&self) -> Option<IpAddr> {
        match self.config.host {
            Host::Address(address) => Some(address),
            Host::Name(_) => None,
        }
    }

    /// When to look its name up.
    pub fn due(&self) -> Option<Raw> {
        match self.lookup {
            Lookup::Due(at) => Some(at),
            Lookup::Running | Lookup::Done => None,
        }
    }

    /// Its first lookup has not failed yet: it may still yield sources.
    pub fn is_pending(&self) -> bool {
        self.failures == 0 && self.lookup != Lookup::Done
    }

    /// A name that could not be looked up may be by now: the network has changed.
    pub fn hurry(&mut self, now: Raw) {
        if let Lookup::Due(at) = &mut self.lookup {
            *at = (*at).min(now);
            self.failures = self.failures.min(1);
        }
    }

    /// The resolver has the name.
    pub fn asked(&mut self) {
        self.lookup = Lookup::Running;
    }

    /// The resolver is back; `enough` addresses were found, or not.
    pub fn answered(&mut self, enough: bool, now: Raw) {
        if enough {
            self.lookup = Lookup::Done;
            return;
        }
        let wait = FIRST_RETRY.times(1 << self.failures.min(6)).min(MAX_RETRY);
        self.failures += 1;
        self.lookup = Lookup::Due(now + wait);
    }
}
