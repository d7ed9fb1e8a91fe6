//! The check of a server's certificate, by dates that the caller knows better than the system's clock.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::der;
use super::provider::provider;
use super::trust::Trust;
use crate::core::api::nts::{DateRule, Dates, Window};
use crate::time::Utc;

/// Each certificate of a chain may make the check be done again at its own date.
const MOST_CHECKS: usize = 8;

/// Certificates that end later end here, in 2200.
const LAST_S: u64 = 7_258_118_400;

/// What came of the check.
#[derive(Clone, Debug, Default)]
pub(super) struct CertificateVerdict {
    /// What is wrong, for people.
    pub(super) complaint: Option<String>,
    /// When all certificates are valid, if the present is uncertain.
    pub(super) window: Option<Window>,
}

/// Checks the certificate of one server.
pub(super) struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    trust: Arc<Trust>,
    dates: Dates,
    verdict: Arc<Mutex<CertificateVerdict>>,
}

impl Verifier {
    /// `None` if nobody is trusted. The verdict is told to the second part of the result.
    pub(super) fn new(trust: Arc<Trust>, dates: Dates) -> Option<(Arc<Verifier>, Arc<Mutex<CertificateVerdict>>)> {
        let roots = Arc::new(trust.roots.clone());
        let inner = WebPkiServerVerifier::builder_with_provider(roots, provider()).build().ok()?;
        let verdict = Arc::new(Mutex::new(CertificateVerdict::default()));
        Some((Arc::new(Verifier { inner, trust, dates, verdict: verdict.clone() }), verdict))
    }

    /// One check at one time.
    fn check(&self, chain: &Chain<'_>, at: UnixTime) -> Result<(), Error> {
        let checked = self.inner.verify_server_cert(chain.leaf, chain.intermediates, chain.name, &[], at).map(|_| ());
        match checked {
            Err(Error::InvalidCertificate(error))
                if is_authority_as_server(&error) && self.trust.named.iter().any(|named| named == chain.leaf) =>
            {
                // What `openssl req -x509` makes: an authority that serves by itself. Its dates have been checked.
                verify_server_name(&ParsedCertificate::try_from(chain.leaf)?, chain.name)
            }
            checked => checked,
        }
    }

    /// The check without regard to dates; the time at which all certificates were valid.
    fn check_at_some_time(&self, chain: &Chain<'_>) -> Result<UnixTime, Error> {
        let mut at = unix(self.dates.present);
        for _ in 0..MOST_CHECKS {
            match self.check(chain, at) {
                Ok(()) => return Ok(at),
                Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => at = not_after,
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
                    at = not_before;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::InvalidCertificate(CertificateError::Expired))
    }

    /// When all certificates are valid, around a time at which they are.
    fn window(&self, chain: &Chain<'_>, valid: UnixTime) -> Window {
        let edge = |mut at: UnixTime| {
            for _ in 0..MOST_CHECKS {
                match self.check(chain, at) {
                    Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                        at = not_after
                    }
                    Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
                        at = not_before;
                    }
                    Ok(()) => return at,
                    Err(_) => break,
                }
            }
            valid
        };
        let first = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        let last = UnixTime::since_unix_epoch(std::time::Duration::from_secs(LAST_S));
        Window { from: utc(edge(first)), until: utc(edge(last)) }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = Chain { leaf, intermediates, name };
        let mut verdict = CertificateVerdict::default();
        let checked = self.check(&chain, unix(self.dates.present));
        let valid = match &checked {
            Ok(()) => Ok(unix(self.dates.present)),
            Err(error) if self.dates.rule != DateRule::Strict && is_about_dates(error) => {
                self.check_at_some_time(&chain)
            }
            Err(error) => Err(error.clone()),
        };
        let result = valid.and_then(|valid| {
            // Dates that include a present that nobody knows say no more than others.
            if self.dates.rule == DateRule::Provisional {
                let window = self.window(&chain, valid).not_before(self.dates.floor);
                if window.is_empty() {
                    // It expired before the earliest time that it can be.
                    return checked;
                }
                verdict.window = Some(window);
            }
            Ok(())
        });
        if let Err(error) = &result {
            verdict.complaint = Some(chain.complaint(error, self.dates.present));
        }
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = verdict;
        result.map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier at {:?}", self.dates)
    }
}

/// What a server shows, and what it should be called.
struct Chain<'a> {
    leaf: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    name: &'a ServerName<'a>,
}

impl Chain<'_> {
    /// What is wrong with which certificate, and the remedy.
    fn complaint(&self, error: &Error, present: Utc) -> String {
        let Error::InvalidCertificate(error) = error else { return error.to_string() };
        let names = der::names(self.leaf);
        let whose = names
            .as_ref()
            .map_or_else(String::new, |names| format!(" of \"{}\" issued by \"{}\"", names.subject, names.issuer));
        match error {
            CertificateError::Other(_) if is_authority_as_server(error) => format!(
                "the certificate{whose} is that of an authority, and not one of those that ntstrustedcerts names (name it, if it is the server's own)"
            ),
            CertificateError::ExpiredContext { not_after, .. } => format!(
                "a certificate{whose} expired at {} and it is {present} (renew it on the server; if the clock is wrong, set it)",
                utc(*not_after)
            ),
            CertificateError::NotValidYetContext { not_before, .. } => format!(
                "a certificate{whose} is not valid before {} and it is {present} (set the clock, or see nocerttimecheck)",
                utc(*not_before)
            ),
            CertificateError::NotValidForNameContext { presented, .. } => format!(
                "the certificate{whose} is not for \"{}\" but for {} (use that name in the configuration)",
                self.name.to_str(),
                if presented.is_empty() { "no name at all".to_owned() } else { plain_names(presented) }
            ),
            CertificateError::UnknownIssuer => {
                let last = self.intermediates.last().unwrap_or(self.leaf);
                let issuer = der::names(last).map_or_else(|| "(no name)".to_owned(), |names| names.issuer);
                format!(
                    "the issuer \"{issuer}\" of the certificate is not trusted (name its certificate with ntstrustedcerts)"
                )
            }
            CertificateError::BadSignature => format!("the certificate{whose} is not signed by its issuer"),
            other => format!("the certificate{whose} is not accepted: {other}"),
        }
    }
}

/// As they are typed: rustls writes `DnsName("a.example")`.
fn plain_names(presented: &[String]) -> String {
    let plain = |name: &String| match name.split_once('(') {
        Some((_, rest)) => rest.trim_end_matches(')').trim_matches('"').to_owned(),
        None => name.clone(),
    };
    presented.iter().take(8).map(plain).collect::<Vec<_>>().join(", ")
}

fn is_about_dates(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::ExpiredContext { .. } | CertificateError::NotValidYetContext { .. }
        )
    )
}

fn is_authority_as_server(error: &CertificateError) -> bool {
    let CertificateError::Other(other) = error else { return false };
    matches!(other.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// Before 1970 there is no certificate.
fn unix(at: Utc) -> UnixTime {
    let secs = u64::try_from(at.nanos() / crate::time::NANOS_PER_SEC).unwrap_or(0);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs))
}

fn utc(at: UnixTime) -> Utc {
    Utc::from_secs(i64::try_from(at.as_secs().min(LAST_S)).unwrap_or(0))
}
