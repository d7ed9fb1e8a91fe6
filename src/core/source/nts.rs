//! A source protected by NTS (RFC 8915): its keys and cookies, when keys are to be established, and what authenticates
//! its packets.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::core::api::flaw::Flaw;
use crate::core::api::monitoring::AuthData;
use crate::core::api::nts::{Established, EstablishmentId, KeyFailure, KeyPair, SavedKeys, Stage, Window};
use crate::core::random::Random;
use crate::core::source::Refusal;
use crate::time::{ClockReading, Raw, Span, Utc};
use crate::wire::ntp::HEADER_LEN;
use crate::wire::nts::fields::{self, Opened, Unique};
use crate::wire::nts::{MOST_COOKIES, NtsCookie};

/// An establishment that has not ended by then is given up: chronyd's limit.
const PATIENCE: Span = Span::from_secs(16);

/// What could not even be started is tried again after this long.
const RETRY_START: Span = Span::from_secs(2);

/// Exponents of 2 s: the pauses after attempts that failed double from there, as chronyd's do.
const CONNECTION_EXPONENT: u32 = 4;
const SESSION_EXPONENT: u32 = 10;
const MAX_EXPONENT: u32 = 19;

/// The NTS side of a source.
#[derive(Clone, PartialEq, Debug)]
pub struct NtsClient {
    session: Option<NtsSession>,
    /// Of the request in flight.
    unique: Option<Unique>,
    /// Somebody says that the server does not know our keys.
    nak: bool,
    /// Establishments since the last authentic reply.
    attempts: u32,
    /// Establishments that led to keys.
    successes: u32,
    running: Option<RunningHandshake>,
    /// No establishment is begun before this moment.
    not_before: Option<Raw>,
    /// Why there are no keys.
    flaw: Option<Flaw>,
    /// What the log last said about it.
    said: Option<String>,
    /// The server of key establishment, once there was one: the source itself may be another.
    server: Option<SocketAddr>,
    /// Who tells the time, in the words of the server of key establishment.
    told: Option<String>,
    /// Servers that were not wanted in the establishment in progress, or the last one.
    denied: Vec<String>,
}

#[derive(Clone, PartialEq, Debug)]
struct NtsSession {
    keys: KeyPair,
    alternative: Option<KeyPair>,
    cookies: VecDeque<NtsCookie>,
    /// A reply was authenticated with these keys.
    is_proven: bool,
    since: Raw,
    /// The dates of the certificate, if the clock was uncertain when it was accepted.
    dates: Option<Window>,
    /// The present is known, and lies in these dates.
    is_settled: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct RunningHandshake {
    id: EstablishmentId,
    until: Raw,
}

impl NtsClient {
    /// No keys yet.
    pub fn new() -> NtsClient {
        NtsClient {
            session: None,
            unique: None,
            nak: false,
            attempts: 0,
            successes: 0,
            running: None,
            not_before: None,
            flaw: None,
            said: None,
            server: None,
            told: None,
            denied: Vec::new(),
        }
    }

    /// There are keys.
    pub fn has_keys(&self) -> bool {
        self.session.is_some()
    }

    /// A request can be made.
    pub fn has_cookie(&self) -> bool {
        self.session.as_ref().is_some_and(|session| !session.cookies.is_empty())
    }

    /// There are no keys, and the last attempt to get some has failed.
    pub fn has_failed(&self) -> bool {
        !self.has_keys() && self.running.is_none() && self.flaw.is_some()
    }

    /// Why there are no keys.
    pub fn flaw(&self) -> Flaw {
        self.flaw.unwrap_or(Flaw::KeysAwaited)
    }

    /// When keys are to be established, if nothing changes. They are renewed at the age of `refresh`.
    pub fn due(&self, now: Raw, refresh: Option<Span>) -> Option<Raw> {
        if self.running.is_some() {
            return None;
        }
        let earliest = self.not_before.unwrap_or(now);
        match &self.session {
            Some(session) if !session.cookies.is_empty() => refresh.map(|age| (session.since + age).max(earliest)),
            _ => Some(earliest),
        }
    }

    /// An establishment has begun, with this server, which is not to name any of those `denied`.
    pub fn begin(&mut self, id: EstablishmentId, server: SocketAddr, denied: Vec<String>, now: Raw) {
        self.attempts = self.attempts.saturating_add(1);
        self.server = Some(server);
        self.denied = denied;
        self.running = Some(RunningHandshake { id, until: now + PATIENCE });
    }

    /// The establishment in progress.
    pub fn running(&self) -> Option<EstablishmentId> {
        self.running.map(|running| running.id)
    }

    /// When the establishment in progress has taken too long.
    pub fn expires(&self) -> Option<Raw> {
        self.running.map(|running| running.until)
    }

    /// The server of key establishment, once there was one.
    pub fn server(&self) -> Option<SocketAddr> {
        self.server
    }

    /// Who tells the time, in the words of the server of key establishment, if it has named somebody.
    pub fn told(&self) -> Option<&str> {
        self.told.as_deref()
    }

    /// The server of key establishment was told that this one is not wanted.
    pub fn has_denied(&self, server: &str) -> bool {
        self.denied.iter().any(|denied| denied == server)
    }

    /// The server of key establishment has named one that is not wanted, and did not know: it is asked again at once.
    pub fn begin_again(&mut self) {
        (self.running, self.not_before) = (None, None);
    }

    /// There are keys. If no authentic reply follows, they are not established again at once.
    pub fn succeed(&mut self, established: Established, now: Raw) {
        self.running = None;
        self.successes = self.successes.saturating_add(1);
        self.not_before = Some(now + pause(CONNECTION_EXPONENT, self.attempts));
        (self.nak, self.flaw, self.said) = (false, None, None);
        self.told = established.server;
        self.session = Some(NtsSession {
            keys: established.keys,
            alternative: established.alternative,
            cookies: established.cookies.into(),
            is_proven: false,
            since: now,
            dates: established.provisional,
            is_settled: false,
        });
    }

    /// There are keys of the last run. If the server does not know them any more, others are established at once.
    pub fn restore(&mut self, saved: SavedKeys, server: SocketAddr, since: Raw) {
        self.server = Some(server);
        self.successes = saved.number;
        self.flaw = None;
        self.session = Some(NtsSession {
            keys: saved.keys,
            alternative: None,
            cookies: saved.cookies.into(),
            is_proven: false,
            since,
            dates: None,
            is_settled: false,
        });
    }

    /// Keys for the next run, if there are any and it is known which. `name` is what the line says, `address` who
    /// tells the time.
    pub fn save(&self, name: String, address: SocketAddr, now: &ClockReading) -> Option<SavedKeys> {
        let session = self.session.as_ref().filter(|session| session.is_proven || session.alternative.is_none())?;
        if self.provisional().is_some() {
            return None;
        }
        let cookies: Vec<NtsCookie> = session.cookies.iter().cloned().collect();
        (!cookies.is_empty()).then_some(SavedKeys {
            server: self.server?.ip(),
            name,
            since: now.utc - (now.raw - session.since),
            address,
            number: self.successes,
            keys: session.keys.clone(),
            cookies,
        })
    }

    /// There are none. Returns whether the log does not say so yet.
    pub fn fail(&mut self, failure: &KeyFailure, now: Raw) -> bool {
        self.running = None;
        self.flaw = Some(failure.flaw);
        let pause = match failure.stage {
            Stage::Start => RETRY_START,
            Stage::Connection => pause(CONNECTION_EXPONENT, self.attempts),
            Stage::Session => pause(SESSION_EXPONENT, self.attempts),
        };
        self.not_before = Some(now + pause);
        self.said.replace(failure.text.clone()).as_ref() != Some(&failure.text)
    }

    /// What the last establishment failed of may be over: it is tried again at once.
    pub fn hurry(&mut self, over: Flaw) {
        if self.flaw == Some(over) {
            (self.not_before, self.attempts) = (None, 0);
        }
    }

    /// The keys are of no use: others are to be established.
    pub fn drop_keys(&mut self) {
        self.session = None;
        self.unique = None;
        self.nak = false;
    }

    /// A poll begins: what the server said to the last request counts if nothing better has come since.
    pub fn begin_poll(&mut self) {
        if !std::mem::take(&mut self.nak) {
            return;
        }
        let alternative = self.session.as_mut().filter(|session| !session.is_proven).and_then(|s| s.alternative.take());
        match (alternative, &mut self.session) {
            (Some(keys), Some(session)) => session.keys = keys,
            _ => self.drop_keys(),
        }
    }

    /// The request with what protects it; it spends a cookie. `None` without one.
    pub fn seal(&mut self, header: &[u8; HEADER_LEN], random: &mut Random) -> Option<Vec<u8>> {
        self.unique = None;
        let session = self.session.as_mut()?;
        let cookie = session.cookies.pop_front()?;
        let key = &session.keys.to_server;
        let (unique, nonce) = (random.bytes(), random.bytes::<16>());
        let nonce = &nonce[..key.algorithm().nonce_len()];
        let packet = fields::request(header, &unique, &cookie, session.cookies.len(), key, nonce);
        self.unique = Some(unique);
        packet
    }

    /// Lets an authentic reply through, once, and keeps its cookies.
    pub fn open(&mut self, datagram: &[u8]) -> Result<(), Refusal> {
        let (Some(unique), Some(session)) = (&self.unique, &mut self.session) else {
            return Err(Refusal::Authentication);
        };
        match fields::open_reply(datagram, unique, &session.keys.to_client) {
            Opened::Authentic(cookies) => {
                session.cookies.extend(cookies);
                session.cookies.truncate(MOST_COOKIES);
                session.is_proven = true;
                (self.unique, self.nak, self.attempts) = (None, false, 0);
                self.not_before = None;
                Ok(())
            }
            Opened::Nak => {
                self.nak = true;
                Err(Refusal::Authentication)
            }
            Opened::Forged => Err(Refusal::Authentication),
        }
    }

    /// The server may say this time: its certificate was right then, or was not asked.
    pub fn may_tell(&self, time: Utc) -> bool {
        self.provisional().is_none_or(|window| window.contains(time))
    }

    /// The dates of its certificate, as long as it is not known whether they include the present.
    pub fn provisional(&self) -> Option<Window> {
        self.session.as_ref().filter(|session| !session.is_settled).and_then(|session| session.dates)
    }

    /// The time is known, and the certificate is right.
    pub fn settle(&mut self) {
        self.session.iter_mut().for_each(|session| session.is_settled = true);
    }

    /// The time is another one than was thought when the certificate was judged.
    pub fn judge_dates_anew(&mut self) {
        self.session.iter_mut().for_each(|session| session.is_settled = false);
        self.hurry(Flaw::Certificate);
    }

    /// The report `authdata`, without the time since the last success.
    pub fn report(&self, now: Raw) -> AuthData {
        let attempts = u16::try_from(self.attempts).unwrap_or(u16::MAX);
        let data = AuthData { mode: AuthData::NTS, attempts, nak: self.nak, ..AuthData::default() };
        let Some(session) = &self.session else { return data };
        let algorithm = session.keys.to_server.algorithm();
        let next = session.cookies.front().map_or(0, |cookie| cookie.bytes().len());
        AuthData {
            key_type: algorithm.id(),
            key_id: self.successes,
            key_length: algorithm.key_len() as u16 * 8,
            last_success_ago_s: u32::try_from((now - session.since).nanos() / crate::time::NANOS_PER_SEC).ok(),
            cookies: session.cookies.len() as u16,
            cookie_length: next as u16,
            ..data
        }
    }
}

impl Default for NtsClient {
    fn default() -> Self {
        NtsClient::new()
    }
}

/// After so many attempts.
fn pause(exponent: u32, attempts: u32) -> Span {
    Span::from_secs(1 << (exponent + attempts.saturating_sub(1).min(MAX_EXPONENT)).min(MAX_EXPONENT))
}

#[cfg(all(test, feature = "nts"))]
mod tests {
    use super::*;
    use crate::wire::nts::aead::{Algorithm, Key};
    use crate::wire::secret::Secret;

    const SERVER: &str = "192.0.2.1:4460";

    fn pair(byte: u8) -> KeyPair {
        let key = |byte| Key::new(Algorithm::Gcm128Siv, Secret::new(vec![byte; 16])).expect("a key");
        KeyPair { to_server: key(byte), to_client: key(byte + 1) }
    }

    fn established(alternative: bool) -> Established {
        Established {
            keys: pair(1),
            alternative: alternative.then(|| pair(11)),
            cookies: vec![NtsCookie::new(&[1; 64]).expect("a cookie"); 8],
            address: "192.0.2.1:123".parse().expect("an address"),
            server: None,
            provisional: None,
        }
    }

    fn client(alternative: bool) -> NtsClient {
        let mut client = NtsClient::new();
        client.begin(EstablishmentId(1), SERVER.parse().expect("an address"), Vec::new(), Raw::from_nanos(0));
        client.succeed(established(alternative), Raw::from_nanos(0));
        client
    }

    fn ask(client: &mut NtsClient, random: &mut Random) -> Vec<u8> {
        client.begin_poll();
        client.seal(&[0x23; HEADER_LEN], random).expect("a cookie")
    }

    fn answer(request: &[u8], keys: &KeyPair) -> Vec<u8> {
        let asked = fields::Asked::read(request).expect("a request");
        let cookies = vec![NtsCookie::new(&[9; 64]).expect("a cookie"); asked.wanted];
        let mut header = [0; HEADER_LEN];
        (header[0], header[1]) = (0x24, 1);
        if !asked.is_authentic(request, &keys.to_server) {
            (header[0], header[1]) = (0xe4, 0);
            header[12..16].copy_from_slice(b"NTSN");
            return fields::nak(&header, &asked.unique);
        }
        fields::reply(&header, &asked.unique, &cookies, &keys.to_client, &[4; 12]).expect("the nonce fits")
    }

    #[test]
    fn a_cookie_is_spent_once_and_the_stock_is_refilled_after_losses() {
        let (mut client, mut random) = (client(false), Random::new([1; 16]));
        for _ in 0..5 {
            ask(&mut client, &mut random);
        }
        assert_eq!(client.report(Raw::from_nanos(0)).cookies, 3);
        let request = ask(&mut client, &mut random);
        assert_eq!(fields::Asked::read(&request).expect("a request").wanted, 6);
        client.open(&answer(&request, &pair(1))).expect("it is authentic");
        assert_eq!(client.report(Raw::from_nanos(0)).cookies, 8);
        let again = client.open(&answer(&request, &pair(1)));
        assert_eq!(again, Err(Refusal::Authentication), "a replay");
        for _ in 0..8 {
            ask(&mut client, &mut random);
        }
        assert_eq!(client.seal(&[0; HEADER_LEN], &mut random), None);
        assert_eq!(client.due(Raw::from_nanos(7), None), Some(Raw::from_nanos(7)));
    }

    #[test]
    fn a_nak_is_only_remembered_and_costs_the_keys_if_nothing_better_comes() {
        let (mut client, mut random) = (client(false), Random::new([1; 16]));
        let request = ask(&mut client, &mut random);
        let forged = answer(&request, &pair(5));
        assert_eq!(client.open(&forged), Err(Refusal::Authentication));
        assert!(client.report(Raw::from_nanos(0)).nak);
        client.open(&answer(&request, &pair(1))).expect("the real answer is taken all the same");
        let request = ask(&mut client, &mut random);
        assert!(client.has_keys());
        assert_eq!(client.open(&answer(&request, &pair(5))), Err(Refusal::Authentication));
        client.begin_poll();
        assert!(!client.has_keys());
    }

    /// A server of chrony that exports keys of algorithm 30 as the standard says, and does not say so.
    #[test]
    fn naks_to_the_first_requests_switch_to_the_other_export() {
        let (mut client, mut random) = (client(true), Random::new([1; 16]));
        let request = ask(&mut client, &mut random);
        assert_eq!(client.open(&answer(&request, &pair(11))), Err(Refusal::Authentication));
        let request = ask(&mut client, &mut random);
        client.open(&answer(&request, &pair(11))).expect("the other keys");
        let request = ask(&mut client, &mut random);
        assert_eq!(client.open(&answer(&request, &pair(1))), Err(Refusal::Authentication));
        client.begin_poll();
        assert!(!client.has_keys(), "they were proven: the server has new ones");
    }

    #[test]
    fn pauses_are_chronyds() {
        let mut client = NtsClient::new();
        let failed = |client: &mut NtsClient, stage| {
            client.begin(EstablishmentId(1), SERVER.parse().expect("an address"), Vec::new(), Raw::from_nanos(0));
            let text = "text".to_owned();
            client.fail(&KeyFailure { stage, flaw: Flaw::KeyServerAway, text }, Raw::from_nanos(0));
            client.due(Raw::from_nanos(0), None).expect("it is tried again").nanos() / crate::time::NANOS_PER_SEC
        };
        let pauses: Vec<i64> = (0..4).map(|_| failed(&mut client, Stage::Connection)).collect();
        assert_eq!(pauses, [16, 32, 64, 128]);
        assert_eq!(failed(&mut client, Stage::Session), 1 << 14);
        assert_eq!(failed(&mut client, Stage::Start), 2);
        for _ in 0..40 {
            failed(&mut client, Stage::Session);
        }
        assert_eq!(failed(&mut client, Stage::Session), 1 << 19);
        client.hurry(Flaw::KeyServerAway);
        assert_eq!(failed(&mut client, Stage::Connection), 16);
    }
}
