//! What stands between an exchange and the measurement: it signs requests, and lets only authentic replies through.

use crate::core::api::flaw::Flaw;
use crate::core::api::monitoring::AuthData;
use crate::core::api::settings::SourceOptions;
use crate::core::random::Random;
use crate::core::source::Refusal;
use crate::core::source::authentication::{Authentication, Protection};
use crate::core::source::nts::NtsClient;
use crate::time::{Raw, Utc};
use crate::wire::ntp::HEADER_LEN;
use crate::wire::packet::Packet;
use crate::wire::symmetric::{KeyTable, SymmetricKey};

/// How the packets of one source are protected.
#[derive(Clone, PartialEq, Debug)]
pub enum Authenticator {
    /// No authentication: the line does not ask for it.
    None,
    /// The line asks for protection, and it cannot be had.
    Missing(Protection),
    /// With a symmetric key.
    Symmetric(SymmetricKey),
    /// With NTS, as soon as there are keys.
    Nts(Box<NtsClient>),
}

impl Authenticator {
    /// What a line with these options has before anything was done for it.
    pub fn of(options: &SourceOptions) -> Authenticator {
        match Authentication::of(options) {
            Authentication::Pending(Protection::Nts) => Authenticator::Nts(Box::default()),
            Authentication::Missing(protection) | Authentication::Pending(protection) => {
                Authenticator::Missing(protection)
            }
            Authentication::Unwanted | Authentication::Established(_) => Authenticator::None,
        }
    }

    /// That of the keys there are.
    pub fn with(options: &SourceOptions, keys: &KeyTable) -> Authenticator {
        let key = match Protection::of(options) {
            Some(Protection::Key(id)) => keys.find(id).cloned(),
            Some(Protection::Nts) | None => None,
        };
        key.map_or_else(|| Authenticator::of(options), Authenticator::Symmetric)
    }

    /// Version 4 has no room for the whole digest.
    pub fn wants_version_3(&self) -> bool {
        matches!(self, Authenticator::Symmetric(key) if key.algorithm().is_cut_in_version_4())
    }

    /// The state that follows from it.
    pub fn state(&self) -> Authentication {
        match self {
            Authenticator::None => Authentication::Unwanted,
            Authenticator::Missing(protection) => Authentication::Missing(*protection),
            Authenticator::Symmetric(key) => Authentication::Established(Protection::Key(key.id())),
            Authenticator::Nts(client) if client.has_keys() => Authentication::Established(Protection::Nts),
            Authenticator::Nts(_) => Authentication::Pending(Protection::Nts),
        }
    }

    /// A poll begins.
    pub fn begin_poll(&mut self) {
        if let Authenticator::Nts(client) = self {
            client.begin_poll();
        }
    }

    /// A request can be made now.
    pub fn can_seal(&self) -> bool {
        match self {
            Authenticator::None | Authenticator::Symmetric(_) => true,
            Authenticator::Missing(_) => false,
            Authenticator::Nts(client) => client.has_cookie(),
        }
    }

    /// The request as it leaves; `None` if it must not.
    pub fn seal(&mut self, header: [u8; HEADER_LEN], version: u8, random: &mut Random) -> Option<Packet> {
        Some(match self {
            Authenticator::None => Packet::Plain(header),
            Authenticator::Missing(_) => return None,
            Authenticator::Nts(client) => Packet::Authenticated(client.seal(&header, random)?.into()),
            Authenticator::Symmetric(key) => {
                let mut packet = header.to_vec();
                key.sign(&mut packet, version);
                Packet::Authenticated(packet.into())
            }
        })
    }

    /// The part of a datagram that may be looked at. Without authentication the caller refuses what bears a MAC.
    ///
    /// # Errors
    /// [`Refusal::Authentication`]: the datagram is not from a server that has the key.
    pub fn open<'a>(&mut self, datagram: &'a [u8], version: u8) -> Result<&'a [u8], Refusal> {
        match self {
            Authenticator::None => Ok(datagram),
            Authenticator::Missing(_) => Err(Refusal::Authentication),
            Authenticator::Symmetric(key) => key.verified(datagram, version).ok_or(Refusal::Authentication),
            Authenticator::Nts(client) => client.open(datagram).map(|()| datagram),
        }
    }

    /// The server may say this time.
    pub fn may_tell(&self, time: Utc) -> bool {
        !matches!(self, Authenticator::Nts(client) if !client.may_tell(time))
    }

    /// Why the source is not asked, if it is not.
    pub fn flaw(&self) -> Option<Flaw> {
        match self {
            Authenticator::Missing(protection) => Some(protection.flaw()),
            Authenticator::Nts(client) => (!client.has_keys()).then(|| client.flaw()),
            Authenticator::None | Authenticator::Symmetric(_) => None,
        }
    }

    /// The report `authdata`.
    pub fn report(&self, now: Raw) -> AuthData {
        match self {
            Authenticator::None => AuthData::default(),
            Authenticator::Missing(Protection::Key(key_id)) => {
                AuthData { mode: AuthData::SYMMETRIC_KEY, key_id: *key_id, ..AuthData::default() }
            }
            Authenticator::Missing(Protection::Nts) => AuthData { mode: AuthData::NTS, ..AuthData::default() },
            Authenticator::Nts(client) => client.report(now),
            Authenticator::Symmetric(key) => AuthData {
                mode: AuthData::SYMMETRIC_KEY,
                key_type: key.algorithm().code(),
                key_id: key.id(),
                key_length: u16::try_from(key.bits()).unwrap_or(u16::MAX),
                ..AuthData::default()
            },
        }
    }
}
