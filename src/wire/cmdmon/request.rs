//! What is asked: decoding for a daemon, encoding for its clients.

pub use super::content::{
    AddressMask, BurstRequest, MakeStepRequest, NewSource, NewSource2, OffsetChange, Prefix, SelectChange, SourceFlags,
    SourceKind,
};
use super::field::{Cursor, WireField};
use super::reply::{self, ReplyStatus, STATUS};
use super::{KIND_REQUEST, MAX_LEN, REPLY_HEADER_LEN, REQUEST_HEADER_LEN, VERSION};
use crate::core::api::monitoring::Address;

/// What a reply must repeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestId {
    /// Code of the command; it may be one that nobody knows.
    pub command: u16,
    /// Chosen by the client, anew for each attempt.
    pub sequence: [u8; 4],
}

/// What to do about a datagram.
#[derive(Clone, PartialEq, Debug)]
pub enum Disposition {
    /// Ignore the datagram: it is no request, or too short for any answer.
    Drop,
    /// Answer with an error.
    Refuse(RequestId, ReplyStatus),
    /// Carry out this request.
    Request(RequestId, ControlRequest),
}

/// A command of the table below.
struct CommandRow {
    /// Length of the request: that of its fields or of its longest answer.
    len: usize,
    /// Code of the longest answer.
    reply: u16,
}

/// One row per command: code, length of the request, code of the reply, variant and the fields in it.
macro_rules! commands {
    ($($(#[$doc:meta])* $code:literal $len:literal $reply:path, $variant:ident $(($($field:ident: $type:ty),+))?;)*) => {
        /// A command with what came with it, decoded and not yet judged.
        ///
        /// Those about facilities that a client has not got bring nothing: the answer is the same whatever is in them.
        #[derive(Clone, PartialEq, Debug)]
        pub enum ControlRequest {
            $($(#[$doc])* $variant $(($($type),+))?,)*
        }

        impl ControlRequest {
            /// The code of the command.
            pub fn command(&self) -> u16 {
                match self {
                    $(ControlRequest::$variant { .. } => $code,)*
                }
            }

            /// The command of this code, with nothing in it.
            fn blank(command: u16) -> Option<ControlRequest> {
                match command {
                    $($code => Some(ControlRequest::$variant $(($(<$type>::default()),+))?),)*
                    _ => None,
                }
            }

            fn row(command: u16) -> Option<CommandRow> {
                match command {
                    $($code => Some(CommandRow { len: $len, reply: $reply }),)*
                    _ => None,
                }
            }
        }

        impl WireField for ControlRequest {
            fn pass(&mut self, _cursor: &mut Cursor<'_>) {
                match self {
                    $(ControlRequest::$variant $(($($field),+))? => { $($($field.pass(_cursor);)+)? })*
                }
            }
        }

        #[cfg(test)]
        const CODES: &[u16] = &[$($code),*];
    };
}

commands! {
    /// Ask these sources.
    1 60 reply::NULL, Online(net: AddressMask);
    /// Stop asking these sources.
    2 60 reply::NULL, Offline(net: AddressMask);
    /// Ask these sources in quick succession.
    3 68 reply::NULL, Burst(burst: BurstRequest);
    /// `minpoll`, log2 of seconds.
    4 44 reply::NULL, MinPoll(source: Address, exponent: i32);
    /// `maxpoll`, log2 of seconds.
    5 44 reply::NULL, MaxPoll(source: Address, exponent: i32);
    /// Write measurements to files.
    6 28 reply::NULL, Dump;
    /// `maxdelay`, in seconds.
    7 44 reply::NULL, MaxDelay(source: Address, seconds: f64);
    /// `maxdelayratio`: delay against the least delay.
    8 44 reply::NULL, MaxDelayRatio(source: Address, ratio: f64);
    /// `maxupdateskew`, in parts per million.
    9 28 reply::NULL, MaxUpdateSkew(ppm: f64);
    /// Time typed in by a person.
    11 40 reply::MANUAL_TIMESTAMP, SetTime;
    /// Whether times typed in by a person are used: 0 no, 1 yes, 2 forget them.
    13 28 reply::NULL, Manual(option: i32);
    /// How many sources there are.
    14 32 reply::SOURCE_COUNT, SourceCount;
    /// What was measured last of the source with this index.
    15 76 reply::SOURCE_DATA, SourceData(index: i32);
    /// Read keys again.
    16 28 reply::NULL, Rekey;
    /// Serve time to a net.
    17 44 reply::NULL, Allow;
    /// Serve time to a net and to all nets within.
    18 44 reply::NULL, AllowAll;
    /// Serve no time to a net.
    19 44 reply::NULL, Deny;
    /// Serve no time to a net or to any net within.
    20 44 reply::NULL, DenyAll;
    /// Answer monitoring requests from a net.
    21 44 reply::NULL, CommandAllow(subnet: Prefix);
    /// Answer monitoring requests from a net and from all nets within.
    22 44 reply::NULL, CommandAllowAll(subnet: Prefix);
    /// Answer no monitoring requests from a net.
    23 44 reply::NULL, CommandDeny(subnet: Prefix);
    /// Answer no monitoring requests from a net or from any net within.
    24 44 reply::NULL, CommandDenyAll(subnet: Prefix);
    /// Is time served to this host?
    25 40 reply::NULL, AccessCheck;
    /// Are monitoring requests of this host answered?
    26 40 reply::NULL, CommandAccessCheck(host: Address);
    /// Delete a source.
    29 40 reply::NULL, DeleteSource(source: Address);
    /// Write the drift of the real-time clock.
    30 28 reply::NULL, WriteRtc;
    /// Parts per million by which the clock runs faster than was thought.
    31 28 reply::NULL, AddFrequency(ppm: f64);
    /// The clock.
    33 104 reply::TRACKING, Tracking;
    /// What the samples of the source with this index say together.
    34 84 reply::SOURCE_STATS, SourceStats(index: i32);
    /// The real-time clock.
    35 56 reply::RTC, RtcReport;
    /// Set the real-time clock.
    36 28 reply::NULL, TrimRtc;
    /// Open log files anew.
    37 28 reply::NULL, CycleLogs;
    /// Times typed in by a person.
    41 416 reply::MANUAL_LIST, ManualList;
    /// Delete a time that a person typed in.
    42 28 reply::NULL, ManualDelete;
    /// Step the clock by all that is still to be slewed.
    43 28 reply::NULL, MakeStep;
    /// How many sources are asked.
    44 48 reply::ACTIVITY, Activity;
    /// Least stratum that is assumed.
    45 44 reply::NULL, MinStratum(source: Address, stratum: i32);
    /// Samples to keep by choice of the polling interval.
    46 44 reply::NULL, PollTarget(source: Address, samples: i32);
    /// `maxdelaydevratio`: delay against the deviation of the delay.
    47 44 reply::NULL, MaxDelayDevRatio(source: Address, ratio: f64);
    /// Select anew.
    48 28 reply::NULL, Reselect;
    /// `reselectdist`, in seconds.
    49 28 reply::NULL, ReselectDistance(seconds: f64);
    /// `makestep`: when the clock may be stepped.
    50 28 reply::NULL, SetMakeStep(makestep: MakeStepRequest);
    /// Smoothing of served time.
    51 52 reply::SMOOTHING, Smoothing;
    /// Reset the smoothing of served time.
    52 28 reply::NULL, SmoothTime;
    /// Look up names again.
    53 28 reply::NULL, Refresh;
    /// Counts of a server.
    54 196 reply::SERVER_STATS, ServerStats;
    /// Serve time without sources: as chrony asked before 4.6.
    56 36 reply::NULL, Local2;
    /// The last response of the source with this address.
    57 172 reply::NTP_DATA, NtpData(source: Address);
    /// End the daemon.
    62 28 reply::NULL, Shutdown;
    /// Ask each source if there is a route to it.
    63 28 reply::NULL, OnOffline;
    /// Add a source, as chrony asks before 4.9.
    64 372 reply::NULL, AddSource(source: NewSource);
    /// Name or address as configured, by address.
    65 284 reply::SOURCE_NAME, SourceName(source: Address);
    /// Forget all measurements.
    66 28 reply::NULL, ResetSources;
    /// How the source with this address is authenticated.
    67 52 reply::AUTH_DATA, AuthData(source: Address);
    /// Clients of a server.
    68 520 reply::CLIENT_ACCESSES, ClientAccesses;
    /// Why the source with this index is in or out.
    69 76 reply::SELECT_DATA, SelectData(index: i32);
    /// Read files of sources again.
    70 28 reply::NULL, ReloadSources;
    /// Seconds by which the clock is further ahead than was thought.
    71 28 reply::NULL, AddOffset(seconds: f64);
    /// `noselect`, `prefer`, `trust` and `require`.
    72 52 reply::NULL, SelectOptions(change: SelectChange);
    /// Correction of what a source says.
    73 48 reply::NULL, Offset(change: OffsetChange);
    /// Serve time without sources.
    74 48 reply::NULL, Local3;
    /// Add a source, as chrony 4.9 asks.
    75 408 reply::NULL, AddSource2(source: NewSource2);
    /// slewd's own report: see [`super::reply`]. chrony counts its codes up and is at 75; to this one it says that there
    /// is no such command.
    0x736c 176 reply::STATUS, Status;
}

/// The word of `opencommands` that lets everybody use this command; `None` if nothing does.
pub fn open_command(command: u16) -> Option<&'static str> {
    Some(match command {
        14 | 15 => "sources",
        33 | STATUS => "tracking",
        34 => "sourcestats",
        35 => "rtcdata",
        41 => "manual",
        44 => "activity",
        51 => "smoothing",
        54 => "serverstats",
        57 => "ntpdata",
        65 => "sourcename",
        67 => "authdata",
        68 => "clients",
        69 => "selectdata",
        _ => return None,
    })
}

/// Whether a command is open where these words of `opencommands` are. The reports about all sources begin with the number
/// of sources, which is open with any of them.
pub fn is_open(command: u16, open: impl Fn(&str) -> bool) -> bool {
    const COUNT: u16 = 14;
    const BEGIN_WITH_COUNT: [&str; 4] = ["sourcestats", "selectdata", "authdata", "ntpdata"];
    let is_needed = command == COUNT && BEGIN_WITH_COUNT.iter().any(|name| open(name));
    is_needed || open_command(command).is_some_and(open)
}

/// Judges a datagram as chronyd does, in its order. `may` says whether the sender may use the command of a code. A limit
/// on the rate of requests is the caller's, who knows from where they come.
pub fn receive(datagram: &[u8], may: impl Fn(u16) -> bool) -> Disposition {
    if !(REPLY_HEADER_LEN..=MAX_LEN).contains(&datagram.len()) {
        return Disposition::Drop;
    }
    let mut cursor = Cursor::reader(datagram);
    let [version, kind, first_reserved, second_reserved] = [(); 4].map(|()| cursor.take::<u8>());
    if kind != KIND_REQUEST || first_reserved != 0 || second_reserved != 0 || version < VERSION - 1 {
        return Disposition::Drop;
    }
    let command = cursor.take();
    cursor.skip::<2>(0);
    let mut sequence = [0; 4];
    cursor.bytes(&mut sequence);
    cursor.skip::<8>(0);
    let header = RequestId { command, sequence };
    if version != VERSION {
        return Disposition::Refuse(header, ReplyStatus::BadVersion);
    }
    let (Some(mut request), Some(row)) = (ControlRequest::blank(command), ControlRequest::row(command)) else {
        return Disposition::Refuse(header, ReplyStatus::Invalid);
    };
    if datagram.len() < reply::shortest(row.reply, row.len) {
        return Disposition::Refuse(header, ReplyStatus::BadLength);
    }
    if !may(command) {
        return Disposition::Refuse(header, ReplyStatus::Unauthorised);
    }
    request.pass(&mut cursor);
    match cursor.fault {
        Some(fault) => Disposition::Refuse(header, fault),
        None => Disposition::Request(header, request),
    }
}

impl ControlRequest {
    /// Writes the request as a client sends it, and gives its length. `attempt` counts from 0.
    pub fn encode(&self, sequence: [u8; 4], attempt: u16, buffer: &mut [u8; MAX_LEN]) -> usize {
        let command = self.command();
        let len = ControlRequest::row(command).map_or(REPLY_HEADER_LEN, |row| row.len);
        buffer.fill(0);
        let mut cursor = Cursor::writer(buffer);
        for byte in [VERSION, KIND_REQUEST, 0, 0] {
            cursor.put(byte);
        }
        cursor.put(command);
        cursor.put(attempt);
        cursor.bytes(&mut sequence.clone());
        cursor.skip::<{ REQUEST_HEADER_LEN - 12 }>(0);
        cursor.put(self.clone());
        len
    }

    /// Code of the reply to a command.
    pub(super) fn reply_code(command: u16) -> Option<u16> {
        ControlRequest::row(command).map(|row| row.reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_as_long_as_its_fields_or_its_answer() {
        for command in CODES.iter().copied() {
            let row = ControlRequest::row(command).expect("a row");
            let mut request = ControlRequest::blank(command).expect("a variant");
            assert_eq!(request.command(), command);
            let mut buffer = [0; MAX_LEN];
            let mut cursor = Cursor::writer(&mut buffer[REQUEST_HEADER_LEN..]);
            request.pass(&mut cursor);
            let needed = MAX_LEN - cursor.left();
            // Replies that we do not send, and requests whose content does not matter, are not measured.
            match reply::len(row.reply) {
                Some(REPLY_HEADER_LEN) if needed == REQUEST_HEADER_LEN => assert!(row.len >= REPLY_HEADER_LEN),
                Some(answer) => assert_eq!(row.len, needed.max(answer), "{request:?}"),
                None => assert!(row.len >= needed, "{request:?}"),
            }
        }
    }

    #[test]
    fn nothing_else_is_a_command() {
        let known = (0..=u16::MAX).filter(|command| ControlRequest::blank(*command).is_some());
        assert!(known.eq(CODES.iter().copied()));
        for unused in [0, 10, 12, 27, 28, 32, 38, 39, 40, 55, 58, 59, 60, 61, 76, u16::MAX] {
            assert!(ControlRequest::blank(unused).is_none(), "{unused}");
        }
    }
}
