//! Servers that authenticate what they say, with a symmetric key or with NTS, and the establishment of their keys.

use std::net::{IpAddr, SocketAddr};

use crate::core::api::flaw::Flaw;
use crate::core::api::nts::{DateRule, Established, KeyFailure, KeyPair, KeyRequest, Stage, Window};
use crate::time::Utc;
use crate::wire::ntp::HEADER_LEN;
use crate::wire::nts::aead::{self, Algorithm};
use crate::wire::nts::fields::{self, Asked};
use crate::wire::nts::{MOST_COOKIES, NtsCookie};
use crate::wire::secret::Secret;
use crate::wire::symmetric::SymmetricKey;

/// How a server authenticates what it says.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Authenticates {
    /// The server does not authenticate.
    #[default]
    No,
    /// With this key: requests without it get no answer.
    Key(SymmetricKey),
    /// With NTS: requests without it are answered all the same, without it.
    Nts(NtsServer),
}

/// A server of keys and of time.
#[derive(Clone, Debug, PartialEq)]
pub struct NtsServer {
    /// The dates of its certificate.
    pub certificate: Window,
    /// The server forgets its keys at these moments, in seconds after the start.
    pub forgets_at: Vec<f64>,
    /// No client can connect to it before this many seconds after the start.
    pub reachable_from_s: f64,
    /// Who tells the time in its place: the first that the client does not have already.
    pub names: Vec<IpAddr>,
    /// The server heeds what the client has already; else it always names the first.
    pub heeds_denials: bool,
}

impl NtsServer {
    /// Always there, with a certificate that is right for some years.
    pub fn new() -> NtsServer {
        // 2026 and 2030.
        let certificate = Window { from: Utc::from_secs(1_767_225_600), until: Utc::from_secs(1_893_456_000) };
        NtsServer { certificate, forgets_at: Vec::new(), reachable_from_s: 0.0, names: Vec::new(), heeds_denials: true }
    }

    fn generation(&self, since_s: f64) -> u32 {
        self.forgets_at.iter().filter(|at| **at <= since_s).count() as u32
    }

    /// What comes of an establishment that ends now.
    pub(super) fn establish(&self, request: &KeyRequest, since_s: f64) -> Result<Box<Established>, KeyFailure> {
        let fail = |stage, flaw, text: &str| Err(KeyFailure { stage, flaw, text: text.to_owned() });
        if since_s < self.reachable_from_s {
            return fail(Stage::Connection, Flaw::KeyServerAway, "connection refused");
        }
        let is_valid = self.certificate.contains(request.dates.present);
        if !is_valid && request.dates.rule == DateRule::Strict {
            return fail(Stage::Session, Flaw::Certificate, "wrong dates");
        }
        let provisional =
            (request.dates.rule == DateRule::Provisional).then(|| self.certificate.not_before(request.dates.floor));
        if provisional.is_some_and(|window| window.is_empty()) {
            return fail(Stage::Session, Flaw::Certificate, "expired before the floor");
        }
        let generation = self.generation(since_s);
        let (Some(keys), Some(cookies)) = (keys(generation), cookies(generation, MOST_COOKIES)) else {
            return fail(Stage::Start, Flaw::Unprotected, "built without NTS");
        };
        let is_wanted = |name: &&IpAddr| !self.heeds_denials || !request.denied.contains(&name.to_string());
        let named = self.names.iter().find(is_wanted).or(self.names.first());
        let address = SocketAddr::new(named.copied().unwrap_or(request.server.ip()), request.port);
        let server = named.map(IpAddr::to_string);
        Ok(Box::new(Established { keys, alternative: None, cookies, address, server, provisional }))
    }
}

impl Default for NtsServer {
    fn default() -> Self {
        NtsServer::new()
    }
}

impl Authenticates {
    /// The reply with what vouches for it; `None` if the request gets none.
    pub(super) fn protect(&self, request: &[u8], reply: Vec<u8>, since_s: f64) -> Option<Vec<u8>> {
        match self {
            Authenticates::No => Some(reply),
            Authenticates::Key(key) => {
                let version = request.first()? >> 3 & 7;
                key.verified(request, version)?;
                let mut reply = reply;
                key.sign(&mut reply, version);
                Some(reply)
            }
            Authenticates::Nts(server) => {
                let Some(asked) = Asked::read(request) else { return Some(reply) };
                let mut header: [u8; HEADER_LEN] = *reply.first_chunk()?;
                let generation = server.generation(since_s);
                let keys = keys(generation)?;
                let is_known = asked.cookie.get(..4) == Some(&generation.to_be_bytes());
                if !is_known || !asked.is_authentic(request, &keys.to_server) {
                    (header[0], header[1]) = (header[0] | 0xc0, 0);
                    header[12..16].copy_from_slice(b"NTSN");
                    return Some(fields::nak(&header, &asked.unique));
                }
                let cookies = cookies(generation, asked.wanted)?;
                fields::reply(&header, &asked.unique, &cookies, &keys.to_client, &[9; 12])
            }
        }
    }
}

/// All servers have the keys of their generation: nobody here tries to use those of another.
fn keys(generation: u32) -> Option<KeyPair> {
    let key = |side: u8| {
        let mut secret = vec![side; Algorithm::Gcm128Siv.key_len()];
        secret[..4].copy_from_slice(&generation.to_be_bytes());
        aead::Key::new(Algorithm::Gcm128Siv, Secret::new(secret))
    };
    Some(KeyPair { to_server: key(1)?, to_client: key(2)? })
}

fn cookies(generation: u32, count: usize) -> Option<Vec<NtsCookie>> {
    let mut content = [0x5a; 64];
    content[..4].copy_from_slice(&generation.to_be_bytes());
    (0..count).map(|_| NtsCookie::new(&content)).collect()
}
