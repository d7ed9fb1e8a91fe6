//! What is answered: encoding for a daemon, decoding for its clients.
//!
//! # slewd's own report
//!
//! The request has code 0x736c and no body; it is padded to the length of the reply, 176 bytes. A chronyd answers that
//! there is no such command. The reply has code 0x736c too. Its body, from byte 28:
//!
//! | byte | type | field |
//! |---|---|---|
//! | 28 | u16 | number of this layout, 1; a client ignores what it does not know by its number |
//! | 30 | u16 | bit 0: synchronised; bit 1: controls the clock |
//! | 32 | u16 | [`Hindrance`](crate::core::api::monitoring::Hindrance), counted from 0 |
//! | 34 | u16 | sources that agree |
//! | 36 | u16 | sources that had a vote |
//! | 38 | u16 | 0 |
//! | 40 | u32 | steps made |
//! | 44 | u32 | changes of the clock by others |
//! | 48 | f64 | expected error, s |
//! | 56 | f64 | largest possible error, s |
//! | 64 | f64 | since the last answer, s |
//! | 72 | f64 | until the next request, s |
//! | 80 | f64 | since the clock was first set, s |
//! | 88 | f64 | since the start, s |
//! | 96 | f64 | last step, s, positive is forward |
//! | 104 | f64 | since the last step, s |
//! | 112 | 32 bytes | version of the daemon as text, padded with zeros |
//! | 144 | 32 bytes | code of the [`Flaw`](crate::core::api::flaw::Flaw) of each source by its index, 0 for none |
//!
//! Numbers are big-endian, an f64 is an IEEE 754 double, and one that is not finite (NaN is sent) says that the value is
//! not known. A later slewd may append fields. It sends no more than the request is long; a client that knows more
//! fields than it gets takes them as not known; both ignore what follows the fields they know.

use std::fmt;

use super::field::{Cursor, NAME_LEN};
use super::layout::{NtpCounts, ServerCounts};
use super::request::{ControlRequest, RequestId};
use super::{KIND_REPLY, MAX_LEN, REPLY_HEADER_LEN, VERSION};
use crate::core::api::monitoring::{
    Activity, AuthData, NtpData, SelectData, ServerStats, SourceData, SourceStats, Status, Tracking,
};

// Codes of replies.
pub(super) const NULL: u16 = 1;
pub(super) const SOURCE_COUNT: u16 = 2;
pub(super) const SOURCE_DATA: u16 = 3;
pub(super) const TRACKING: u16 = 5;
pub(super) const SOURCE_STATS: u16 = 6;
pub(super) const RTC: u16 = 7;
pub(super) const ACTIVITY: u16 = 12;
pub(super) const SMOOTHING: u16 = 13;
const OLD_NTP_DATA: u16 = 16;
pub(super) const MANUAL_TIMESTAMP: u16 = 17;
pub(super) const MANUAL_LIST: u16 = 18;
pub(super) const SOURCE_NAME: u16 = 19;
pub(super) const AUTH_DATA: u16 = 20;
pub(super) const CLIENT_ACCESSES: u16 = 21;
pub(super) const SELECT_DATA: u16 = 23;
const OLD_SERVER_STATS: u16 = 24;
pub(super) const SERVER_STATS: u16 = 25;
pub(super) const NTP_DATA: u16 = 26;
/// Code of the request for slewd's own report and of the reply: "sl".
pub(super) const STATUS: u16 = 0x736c;

/// Body of a reply.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// The order was carried out.
    Null,
    /// How many sources there are, names without an address included.
    SourceCount(u32),
    /// One source: what was measured last.
    SourceData(SourceData),
    /// The clock.
    Tracking(Tracking),
    /// One source: what its samples say together.
    SourceStats(SourceStats),
    /// How many sources are asked.
    Activity(Activity),
    /// One source: its last valid response.
    NtpData(NtpData),
    /// Times typed in by a person: there are none.
    ManualList,
    /// Counts of a server.
    ServerStats(ServerStats),
    /// Name or address as configured.
    SourceName(String),
    /// One source: how it is authenticated.
    AuthData(AuthData),
    /// One source: why it is in or out.
    SelectData(SelectData),
    /// slewd's own report.
    Status(Status),
}

/// Why a request was not carried out, or an answer in itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyStatus {
    /// The order was tried, in vain.
    Failed,
    /// The sender may not use this command.
    Unauthorised,
    /// No such command, or nonsense in it.
    Invalid,
    /// No such source.
    NoSuchSource,
    /// A facility that is not there or not on.
    NotEnabled,
    /// A net with an impossible prefix.
    BadSubnet,
    /// The answer to a question about access: yes.
    AccessAllowed,
    /// The answer to a question about access: no.
    AccessDenied,
    /// There is such a source already.
    AlreadyKnown,
    /// There is no room for one more.
    TooManySources,
    /// No real-time clock is used.
    NoRtc,
    /// The file of the real-time clock cannot be written.
    BadRtcFile,
    /// Clients are not counted.
    Inactive,
    /// No such sample.
    BadSample,
    /// An address of a family that is not used.
    InvalidFamily,
    /// Another version of the protocol.
    BadVersion,
    /// A request that is too short.
    BadLength,
    /// A name with letters that no host name has.
    InvalidName,
    /// A status that slewd never sends.
    Other(u16),
}

/// Number and text of each status.
const STATUSES: [(u16, ReplyStatus, &str); 18] = [
    (1, ReplyStatus::Failed, "Failure"),
    (2, ReplyStatus::Unauthorised, "Not authorised"),
    (3, ReplyStatus::Invalid, "Invalid command"),
    (4, ReplyStatus::NoSuchSource, "No such source"),
    (6, ReplyStatus::NotEnabled, "Facility not enabled in daemon"),
    (7, ReplyStatus::BadSubnet, "Bad subnet"),
    (8, ReplyStatus::AccessAllowed, "Access allowed"),
    (9, ReplyStatus::AccessDenied, "Access denied"),
    (11, ReplyStatus::AlreadyKnown, "Source already present"),
    (12, ReplyStatus::TooManySources, "Too many sources present"),
    (13, ReplyStatus::NoRtc, "RTC driver not running"),
    (14, ReplyStatus::BadRtcFile, "Can't write RTC parameters"),
    (15, ReplyStatus::Inactive, "Client logging is not active in the daemon"),
    (16, ReplyStatus::BadSample, "Sample index out of range"),
    (17, ReplyStatus::InvalidFamily, "Invalid address family"),
    (18, ReplyStatus::BadVersion, "Protocol version mismatch"),
    (19, ReplyStatus::BadLength, "Packet length mismatch"),
    (21, ReplyStatus::InvalidName, "Invalid name"),
];

/// Why a datagram is no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MalformedReply {
    /// The datagram does not answer this request: wait for another.
    Stray,
    /// The reply is shorter than its code says: ask again.
    Length,
    /// The reply has a code that does not belong to the request.
    Code,
}

/// Length of the reply of a code; `None` for those that we neither send nor read.
pub(super) fn len(code: u16) -> Option<usize> {
    Some(match code {
        NULL => REPLY_HEADER_LEN,
        SOURCE_COUNT => 32,
        SOURCE_DATA | SELECT_DATA => 76,
        TRACKING => 104,
        SOURCE_STATS => 84,
        ACTIVITY => 48,
        OLD_NTP_DATA => 152,
        MANUAL_LIST => 416,
        SOURCE_NAME => REPLY_HEADER_LEN + NAME_LEN,
        AUTH_DATA => 52,
        OLD_SERVER_STATS => 72,
        SERVER_STATS => 196,
        NTP_DATA => 172,
        STATUS => 176,
        _ => return None,
    })
}

/// The part of slewd's own report that is always there: up to the counts.
const STATUS_LEN_MIN: usize = 48;
/// Length of the shortest form of slewd's own report that was ever asked for: without the flaws of sources.
const STATUS_LEN_FIRST: usize = 144;

/// The code of the same report in the format of older clients.
fn older(code: u16) -> Option<u16> {
    match code {
        NTP_DATA => Some(OLD_NTP_DATA),
        SERVER_STATS => Some(OLD_SERVER_STATS),
        _ => None,
    }
}

/// Length of the shortest request that a reply of this code or its older format can answer, when clients of today pad to
/// `padded`.
pub(super) fn shortest(code: u16, padded: usize) -> usize {
    if code == STATUS {
        return STATUS_LEN_FIRST;
    }
    older(code).and_then(len).unwrap_or(padded)
}

impl Body {
    fn code(&self) -> u16 {
        match self {
            Body::Null => NULL,
            Body::SourceCount(_) => SOURCE_COUNT,
            Body::SourceData(_) => SOURCE_DATA,
            Body::Tracking(_) => TRACKING,
            Body::SourceStats(_) => SOURCE_STATS,
            Body::Activity(_) => ACTIVITY,
            Body::NtpData(_) => NTP_DATA,
            Body::ManualList => MANUAL_LIST,
            Body::ServerStats(_) => SERVER_STATS,
            Body::SourceName(_) => SOURCE_NAME,
            Body::AuthData(_) => AUTH_DATA,
            Body::SelectData(_) => SELECT_DATA,
            Body::Status(_) => STATUS,
        }
    }

    fn write(&self, code: u16, cursor: &mut Cursor<'_>) {
        match self {
            // The list is a count of 0 and empty places.
            Body::Null | Body::ManualList => (),
            Body::SourceCount(count) => cursor.put(*count),
            Body::SourceData(report) => cursor.put(*report),
            Body::Tracking(report) => cursor.put(*report),
            Body::SourceStats(report) => cursor.put(*report),
            Body::Activity(report) => cursor.put(*report),
            Body::NtpData(report) => report.clone().pass(ntp_counts(code), cursor),
            Body::ServerStats(report) => report.clone().pass(server_counts(code), cursor),
            Body::SourceName(name) => cursor.put_text::<NAME_LEN>(name),
            Body::AuthData(report) => cursor.put(*report),
            Body::SelectData(report) => cursor.put(*report),
            Body::Status(report) => report.write(cursor),
        }
    }

    fn read(code: u16, cursor: &mut Cursor<'_>) -> Option<Body> {
        Some(match code {
            NULL => Body::Null,
            SOURCE_COUNT => Body::SourceCount(cursor.take()),
            SOURCE_DATA => Body::SourceData(cursor.take()),
            TRACKING => Body::Tracking(cursor.take()),
            SOURCE_STATS => Body::SourceStats(cursor.take()),
            ACTIVITY => Body::Activity(cursor.take()),
            NTP_DATA | OLD_NTP_DATA => {
                let mut report = NtpData::default();
                report.pass(ntp_counts(code), cursor);
                Body::NtpData(report)
            }
            MANUAL_LIST => Body::ManualList,
            SERVER_STATS | OLD_SERVER_STATS => {
                let mut report = ServerStats::default();
                report.pass(server_counts(code), cursor);
                Body::ServerStats(report)
            }
            // chronyc shows a name that it cannot print as a question mark.
            SOURCE_NAME => Body::SourceName(cursor.take_text::<NAME_LEN>().unwrap_or_else(|| "?".to_owned())),
            AUTH_DATA => Body::AuthData(cursor.take()),
            SELECT_DATA => Body::SelectData(cursor.take()),
            STATUS => Body::Status(Status::read(cursor)),
            _ => return None,
        })
    }
}

fn ntp_counts(code: u16) -> NtpCounts {
    if code == OLD_NTP_DATA { NtpCounts::Totals } else { NtpCounts::ByStamp }
}

fn server_counts(code: u16) -> ServerCounts {
    if code == OLD_SERVER_STATS { ServerCounts::Narrow } else { ServerCounts::Wide }
}

/// Writes the reply to a request of `request_len` bytes, and gives its length. Two reports have an older format, for
/// those who ask with a shorter request. `None` if the reply would be longer than the request: then nothing is sent.
pub fn encode(
    header: &RequestId,
    answer: Result<&Body, ReplyStatus>,
    request_len: usize,
    buffer: &mut [u8; MAX_LEN],
) -> Option<usize> {
    let (body, status) = match answer {
        Ok(body) => (body, 0),
        Err(status) => (&Body::Null, status.code()),
    };
    // Fields may be appended to slewd's own report: it is as long as the request allows.
    let len = |code: u16| len(code).map(|len| if code == STATUS { len.min(request_len) } else { len });
    let fits = |code: &u16| len(*code).is_some_and(|len| len <= request_len);
    let newest = body.code();
    let code = [Some(newest), older(newest)].into_iter().flatten().find(fits)?;
    let len = len(code)?;
    buffer.fill(0);
    let mut cursor = Cursor::writer(buffer);
    for byte in [VERSION, KIND_REPLY, 0, 0] {
        cursor.put(byte);
    }
    for number in [header.command, code, status, 0, 0, 0] {
        cursor.put(number);
    }
    cursor.bytes(&mut header.sequence.clone());
    cursor.skip::<8>(0);
    body.write(code, &mut cursor);
    Some(len)
}

/// Reads the reply to the request with this header.
///
/// # Errors
///
/// See [`MalformedReply`].
pub fn parse(datagram: &[u8], header: &RequestId) -> Result<Result<Body, ReplyStatus>, MalformedReply> {
    if datagram.len() < REPLY_HEADER_LEN {
        return Err(MalformedReply::Stray);
    }
    let mut cursor = Cursor::reader(datagram);
    let start = [(); 4].map(|()| cursor.take::<u8>());
    let [command, code, status] = [(); 3].map(|()| cursor.take::<u16>());
    cursor.skip::<6>(0);
    let mut sequence = [0; 4];
    cursor.bytes(&mut sequence);
    cursor.skip::<8>(0);
    if start != [VERSION, KIND_REPLY, 0, 0] || (RequestId { command, sequence }) != *header {
        return Err(MalformedReply::Stray);
    }
    if status != 0 {
        return Ok(Err(ReplyStatus::from_code(status)));
    }
    let expected = ControlRequest::reply_code(command).ok_or(MalformedReply::Code)?;
    if code != expected && Some(code) != older(expected) {
        return Err(MalformedReply::Code);
    }
    let least = if code == STATUS { STATUS_LEN_MIN } else { len(code).ok_or(MalformedReply::Code)? };
    if datagram.len() < least {
        return Err(MalformedReply::Length);
    }
    let body = Body::read(code, &mut cursor).ok_or(MalformedReply::Code)?;
    if cursor.fault.is_some() { Err(MalformedReply::Code) } else { Ok(Ok(body)) }
}

impl ReplyStatus {
    fn code(self) -> u16 {
        match self {
            ReplyStatus::Other(code) => code,
            _ => STATUSES.iter().find(|row| row.1 == self).map_or(1, |row| row.0),
        }
    }

    fn from_code(code: u16) -> ReplyStatus {
        STATUSES.iter().find(|row| row.0 == code).map_or(ReplyStatus::Other(code), |row| row.1)
    }
}

/// The text that chronyc prints for a status, without the number.
impl fmt::Display for ReplyStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match STATUSES.iter().find(|row| row.1 == *self) {
            Some((_, _, text)) => formatter.write_str(text),
            None => formatter.write_str("Got unexpected error from daemon"),
        }
    }
}
