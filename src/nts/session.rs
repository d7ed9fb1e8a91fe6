//! One establishment of keys: TLS 1.3 with the server, a request over it, the answer, and the keys that TLS exports.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, InvalidMessage};

use super::provider::{KINDS_OF_KEYS, provider};
use super::trust::Trust;
use super::verifier::{CertificateVerdict, Verifier};
use crate::core::api::flaw::Flaw;
use crate::core::api::nts::{Established, KeyFailure, KeyPair, KeyRequest, Stage};
use crate::wire::nts::aead::{Algorithm, Key};
use crate::wire::nts::records::{self, ALPN, KeAnswer, Reader};
use crate::wire::secret::Secret;

/// RFC 8915 section 5.1.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-network-time-security";

/// Directions of keys in the context of the exporter.
const TO_SERVER: u8 = 0;
const TO_CLIENT: u8 = 1;

/// A connection to a server of key establishment.
pub struct Session {
    tls: ClientConnection,
    reader: Reader,
    request: KeyRequest,
    algorithms: Vec<Algorithm>,
    verdict: Arc<Mutex<CertificateVerdict>>,
    has_asked: bool,
}

impl Session {
    /// Nothing has been sent; [`Session::outgoing`] has the first flight.
    ///
    /// # Errors
    /// A name that no certificate can have, or nobody to trust.
    pub fn new(request: &KeyRequest, algorithms: &[Algorithm], trust: Arc<Trust>) -> Result<Session, KeyFailure> {
        let local = |why: &str| failure(request, Stage::Connection, Flaw::KeyEstablishment, why);
        let (verifier, verdict) = Verifier::new(trust, request.dates).ok_or_else(|| {
            local("no certificate of an authority is there (install ca-certificates, or see ntstrustedcerts)")
        })?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| local(&error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        let name = match &request.name {
            // A final dot says that a name is complete, and is part of no certificate.
            Some(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|_| local("no certificate can have this name"))?,
            None => ServerName::IpAddress(request.server.ip().into()),
        };
        let tls = ClientConnection::new(Arc::new(config), name).map_err(|error| local(&error.to_string()))?;
        let reader = Reader::new(algorithms);
        let (request, algorithms) = (request.clone(), algorithms.to_vec());
        Ok(Session { tls, reader, request, algorithms, verdict, has_asked: false })
    }

    /// What is asked for.
    pub fn request(&self) -> &KeyRequest {
        &self.request
    }

    /// What is to be sent now.
    pub fn outgoing(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() && self.tls.write_tls(&mut bytes).is_ok_and(|count| count > 0) {}
        bytes
    }

    /// Takes what has arrived; the keys once they are established. Follow with [`Session::outgoing`].
    ///
    /// # Errors
    /// What is wrong with the server.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<Option<Established>, KeyFailure> {
        while !bytes.is_empty() {
            let is_stuck = self.tls.read_tls(&mut bytes).is_err();
            self.tls.process_new_packets().map_err(|error| self.tls_failure(&error))?;
            if is_stuck {
                return Err(self.failure(Stage::Session, Flaw::KeyEstablishment, "it sends more than fits TLS"));
            }
            if let Some(established) = self.advance()? {
                return Ok(Some(established));
            }
        }
        Ok(None)
    }

    /// The server has closed the connection, which is too early.
    pub fn closed(&self) -> KeyFailure {
        let why = if self.has_asked {
            "it closed the connection without an answer".to_owned()
        } else {
            // chronyd also says no more than this if its certificate has a key of another kind.
            format!("it closed the connection (is ntsport right? is the key of its certificate {KINDS_OF_KEYS}?)")
        };
        self.failure(Stage::Connection, Flaw::KeyEstablishment, &why)
    }

    /// Who the server is, for the log.
    pub fn peer(&self) -> String {
        peer(&self.request)
    }

    fn advance(&mut self) -> Result<Option<Established>, KeyFailure> {
        if self.tls.is_handshaking() {
            return Ok(None);
        }
        if !self.has_asked {
            // A server that ignores the protocol's name would be talked to all the same.
            if self.tls.alpn_protocol() != Some(ALPN) {
                return Err(self.no_nts());
            }
            let asked = records::request(&self.algorithms, &self.request.denied);
            let is_sent = self.tls.writer().write_all(&asked).is_ok();
            debug_assert!(is_sent, "TLS keeps what it cannot send yet");
            self.has_asked = true;
        }
        let mut buffer = [0; 2048];
        loop {
            match self.tls.reader().read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => {
                    let answer = self.reader.take(&buffer[..count]);
                    buffer.fill(0);
                    let answer = answer.map_err(|wrong| self.invalid(&wrong.to_string()))?;
                    if let Some(answer) = answer {
                        return self.established(answer).map(Some);
                    }
                }
                Err(reason) if reason.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(reason) => return Err(self.invalid(&reason.to_string())),
            }
        }
    }

    fn established(&self, answer: KeAnswer) -> Result<Established, KeyFailure> {
        let algorithm = answer.algorithm;
        // Servers of chrony export keys of algorithm 30 with the number 15, unless they say otherwise.
        let is_odd = algorithm == Algorithm::Gcm128Siv && !answer.exports_as_specified;
        let named = if is_odd { Algorithm::SivCmac256 } else { algorithm };
        let alternative = if is_odd { Some(self.export(algorithm, algorithm)?) } else { None };
        let window = self.verdict.lock().unwrap_or_else(PoisonError::into_inner).window;
        let port = answer.port.unwrap_or(self.request.port);
        Ok(Established {
            keys: self.export(algorithm, named)?,
            alternative,
            cookies: answer.cookies,
            address: SocketAddr::new(self.request.server.ip(), port),
            server: answer.server,
            provisional: window,
        })
    }

    fn export(&self, algorithm: Algorithm, named: Algorithm) -> Result<KeyPair, KeyFailure> {
        let key = |direction| {
            let [high, low] = named.id().to_be_bytes();
            let context = [0, 0, high, low, direction];
            let secret = vec![0; algorithm.key_len()];
            let secret = self.tls.export_keying_material(secret, EXPORTER_LABEL, Some(&context)).ok()?;
            Key::new(algorithm, Secret::new(secret))
        };
        let pair = key(TO_SERVER).zip(key(TO_CLIENT));
        let pair = pair.map(|(to_server, to_client)| KeyPair { to_server, to_client });
        pair.ok_or_else(|| self.invalid("TLS exports no keys"))
    }

    fn tls_failure(&self, error: &Error) -> KeyFailure {
        let complaint = self.verdict.lock().unwrap_or_else(PoisonError::into_inner).complaint.take();
        if let Some(complaint) = complaint {
            return self.failure(Stage::Session, Flaw::Certificate, &complaint);
        }
        match error {
            Error::AlertReceived(AlertDescription::NoApplicationProtocol) | Error::NoApplicationProtocol => {
                self.no_nts()
            }
            Error::AlertReceived(AlertDescription::ProtocolVersion) | Error::PeerIncompatible(_) => {
                self.failure(Stage::Session, Flaw::KeyEstablishment, "it does not speak TLS 1.3 as NTS needs it")
            }
            Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
                self.failure(Stage::Session, Flaw::KeyEstablishment, "it does not speak TLS (is ntsport right?)")
            }
            Error::AlertReceived(AlertDescription::HandshakeFailure) => {
                let why = format!("it has no certificate that is understood here: its key should be {KINDS_OF_KEYS}");
                self.failure(Stage::Session, Flaw::Certificate, &why)
            }
            Error::InvalidCertificate(CertificateError::BadSignature) => {
                let why = format!("it has not signed with the key of its certificate, which should be {KINDS_OF_KEYS}");
                self.failure(Stage::Session, Flaw::Certificate, &why)
            }
            other => self.failure(Stage::Session, Flaw::KeyEstablishment, &other.to_string()),
        }
    }

    fn failure(&self, stage: Stage, flaw: Flaw, why: &str) -> KeyFailure {
        failure(&self.request, stage, flaw, why)
    }

    fn no_nts(&self) -> KeyFailure {
        let text = format!("NTS-KE not supported by {} (is ntsport right?)", self.peer());
        KeyFailure { stage: Stage::Session, flaw: Flaw::KeyEstablishment, text }
    }

    fn invalid(&self, why: &str) -> KeyFailure {
        let text = format!("Received invalid NTS-KE response from {} : {why}", self.peer());
        KeyFailure { stage: Stage::Session, flaw: Flaw::KeyEstablishment, text }
    }
}

/// Address, port and name of the server, as chronyd's log has them.
pub fn peer(request: &KeyRequest) -> String {
    match &request.name {
        Some(name) => format!("{} ({name})", request.server),
        None => request.server.to_string(),
    }
}

fn failure(request: &KeyRequest, stage: Stage, flaw: Flaw, why: &str) -> KeyFailure {
    KeyFailure { stage, flaw, text: format!("TLS handshake with {} failed : {why}", peer(request)) }
}
