//! What the engine asks of whoever establishes NTS keys, and what it is told.

use std::net::{IpAddr, SocketAddr};

use crate::core::api::flaw::Flaw;
use crate::core::api::settings::Family;
use crate::time::Utc;
use crate::wire::nts::NtsCookie;
use crate::wire::nts::aead::Key;

/// Names one establishment of keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct EstablishmentId(pub u64);

/// Keys are to be established.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRequest {
    /// Names the establishment.
    pub id: EstablishmentId,
    /// The server of key establishment.
    pub server: SocketAddr,
    /// The name of the server as configured; `None` if the line has an address.
    pub name: Option<String>,
    /// `certset`.
    pub cert_set: u32,
    /// How the dates of certificates are judged.
    pub dates: Dates,
    /// Servers that are not wanted, for the line has them already.
    pub denied: Vec<String>,
    /// Port of the time service, unless the server says another.
    pub port: u16,
    /// Family of addresses that the time service may have.
    pub family: Family,
}

/// How the dates of certificates are judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dates {
    /// The present is not earlier than this: when the program was built, or the drift file was written.
    pub floor: Utc,
    /// The present, as far as it is known.
    pub present: Utc,
    /// What is made of dates that do not include it.
    pub rule: DateRule,
}

/// What is made of certificates whose dates do not include the present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateRule {
    /// Certificates whose dates are wrong are refused.
    Strict,
    /// The clock is uncertain: all dates are accepted for now, and what the server tells must lie within them.
    Provisional,
    /// Certificates are accepted whatever their dates are (`nocerttimecheck`).
    Unchecked,
}

/// The time in which all certificates of a chain are valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// From then on.
    pub from: Utc,
    /// Up to then.
    pub until: Utc,
}

/// Keys of both directions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyPair {
    /// For requests.
    pub to_server: Key,
    /// For replies.
    pub to_client: Key,
}

/// Keys and cookies from one run to the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SavedKeys {
    /// The server of key establishment.
    pub server: IpAddr,
    /// What the line names.
    pub name: String,
    /// When the keys were established.
    pub since: Utc,
    /// Who tells the time.
    pub address: SocketAddr,
    /// How many establishments there have been.
    pub number: u32,
    /// The keys.
    pub keys: KeyPair,
    /// At least one, none of them shown to anybody.
    pub cookies: Vec<NtsCookie>,
}

/// Keys have been established.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Established {
    /// The keys.
    pub keys: KeyPair,
    /// The keys of servers that export keys of algorithm 30 in another way.
    pub alternative: Option<KeyPair>,
    /// At least one.
    pub cookies: Vec<NtsCookie>,
    /// Who tells the time.
    pub address: SocketAddr,
    /// What that server was called, if the server of key establishment named another than itself.
    pub server: Option<String>,
    /// The dates of the certificate, if the clock is uncertain: what is told must lie in them.
    pub provisional: Option<Window>,
}

/// Keys have not been established.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyFailure {
    /// Where it went wrong: decides when it is tried again.
    pub stage: Stage,
    /// For reports.
    pub flaw: Flaw,
    /// For the log: who is at fault, and what to do about it.
    pub text: String,
}

/// Where an establishment of keys went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Before anything was sent.
    Start,
    /// The connection was refused, closed, or nothing came of it in time.
    Connection,
    /// In TLS, in its certificates, or in what was said over it.
    Session,
}

impl Window {
    /// What is left of the window from this time on.
    pub fn not_before(self, floor: Utc) -> Window {
        Window { from: self.from.max(floor), ..self }
    }

    /// No time lies in the window.
    pub fn is_empty(&self) -> bool {
        self.until < self.from
    }

    /// The time lies in the window.
    pub fn contains(&self, time: Utc) -> bool {
        (self.from..=self.until).contains(&time)
    }
}
