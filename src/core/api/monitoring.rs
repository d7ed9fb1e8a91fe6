//! What a daemon says about itself: the parts of the engine's snapshot.
//!
//! `wire::cmdmon` encodes these structs as bodies of replies to chronyc. Signs are chrony's, and they differ from field to
//! field: each says which.

use std::net::IpAddr;

use crate::core::api::flaw::Flaw;
use crate::core::api::source_id::{ReferenceId, SourceId};
use crate::time::{Leap, Utc};

/// Sources of which [`Status`] says what is wrong with them.
pub const FLAWS: usize = 32;

/// Whom a report is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Address {
    /// No address.
    #[default]
    Unspecified,
    /// A source with an address.
    Ip(IpAddr),
    /// A name that has no address yet, by a number that is its own.
    Id(u32),
    /// A reference clock.
    Clock(ReferenceId),
}

impl Address {
    /// A reference clock has no address where its reference ID is told as well.
    pub fn or_clock(self, reference_id: u32) -> Address {
        match self {
            Address::Unspecified => ReferenceId::from_bits(reference_id).map_or(self, Address::Clock),
            address => address,
        }
    }
}

impl From<SourceId> for Address {
    fn from(source: SourceId) -> Self {
        match source {
            SourceId::Server(ip) => Address::Ip(ip),
            SourceId::Clock(id) => Address::Clock(id),
        }
    }
}

/// The clock, in chronyd's terms. The default is that of a daemon which knows nothing yet, but for the root values.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Tracking {
    /// Reference ID of the selected source: its IPv4 address, or the first bytes of the MD5 of its IPv6 address; 0 if not
    /// synchronised.
    pub reference_id: u32,
    /// Address of the selected source; unspecified if not synchronised.
    pub address: Address,
    /// Stratum of this clock: 0 if not synchronised.
    pub stratum: u16,
    /// Leap second at the end of this day; `None` if not synchronised.
    pub leap: Option<Leap>,
    /// When the clock was last corrected; `None` if not synchronised.
    pub reference_time: Option<Utc>,
    /// Seconds that the clock is behind the estimate: what is still to be slewed.
    pub correction_s: f64,
    /// Seconds that the clock was *ahead* at the last correction.
    pub last_offset_s: f64,
    /// Long-term root mean square of the last offsets, in seconds.
    pub rms_offset_s: f64,
    /// How fast the clock would run if left alone, in parts per million: positive is fast.
    pub frequency_ppm: f64,
    /// By how much the clock runs faster than it should in spite of the correction, in parts per million.
    pub residual_frequency_ppm: f64,
    /// Bound on the error of the frequency, in parts per million.
    pub skew_ppm: f64,
    /// Round trip to the primary reference, in seconds.
    pub root_delay_s: f64,
    /// Error accumulated from the primary reference until now, in seconds.
    pub root_dispersion_s: f64,
    /// Seconds between the last two corrections.
    pub update_interval_s: f64,
}

/// How many sources are asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Activity {
    /// Sources that are asked.
    pub online: u32,
    /// Sources that are not asked.
    pub offline: u32,
    /// Sources in a burst that are asked afterwards.
    pub burst_online: u32,
    /// Sources in a burst that are not asked afterwards.
    pub burst_offline: u32,
    /// Names without an address.
    pub unresolved: u32,
}

/// What selection makes of a source, in six classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Standing {
    /// `*`: the best.
    Selected,
    /// `?`: not to be selected.
    #[default]
    Unselectable,
    /// `x`: contradicts the majority.
    Falseticker,
    /// `~`: too much jitter.
    Jittery,
    /// `+`: combined with the best.
    Combined,
    /// `-`: could be selected, and is not.
    NotCombined,
}

/// One source: what was measured last.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct SourceData {
    /// The source.
    pub address: Address,
    /// Interval between polls as a power of two of seconds.
    pub poll: i16,
    /// Stratum of the source; 0 before the first sample.
    pub stratum: u16,
    /// What selection makes of it.
    pub standing: Standing,
    /// Outcomes of the last eight requests, the latest in bit 0.
    pub reach: u8,
    /// Seconds since the last good sample; `None` before the first.
    pub since_sample_s: Option<u32>,
    /// The last sample as it was measured: seconds that the clock was *ahead*.
    pub measured_offset_s: f64,
    /// The last sample with the corrections since then: seconds that the clock is *ahead*.
    pub offset_s: f64,
    /// Bound on the error of the last sample: half the root delay and the root dispersion, in seconds.
    pub error_s: f64,
}

/// One source: what its samples say together.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct SourceStats {
    /// The reference ID, as in [`Tracking`]; 0 without an address.
    pub reference_id: u32,
    /// The source.
    pub address: Address,
    /// Samples that count.
    pub samples: u32,
    /// Runs of residuals of the same sign among them.
    pub runs: u32,
    /// Seconds from the oldest sample to the newest.
    pub span_s: u32,
    /// Standard deviation of a sample, in seconds.
    pub sd_s: f64,
    /// By how much our clock gains on the source, in parts per million.
    pub residual_frequency_ppm: f64,
    /// Bound on the error of the residual frequency, in parts per million.
    pub skew_ppm: f64,
    /// Seconds that the clock is *ahead* now.
    pub offset_s: f64,
    /// Bound on the error of the offset, in seconds.
    pub offset_error_s: f64,
}

/// Options `noselect`, `prefer`, `trust`, `require` as a set of bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SelectOptions(pub u16);

impl SelectOptions {
    /// `noselect`.
    pub const NO_SELECT: u16 = 1;
    /// `prefer`.
    pub const PREFER: u16 = 2;
    /// `trust`.
    pub const TRUST: u16 = 4;
    /// `require`.
    pub const REQUIRE: u16 = 8;

    /// Is this one set?
    pub fn contains(self, option: u16) -> bool {
        self.0 & option != 0
    }
}

/// One source: why it is in or out. By default nothing is known of it.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct SelectData {
    /// The reference ID, as in [`Tracking`]; 0 without an address.
    pub reference_id: u32,
    /// The source.
    pub address: Address,
    /// chrony's letter.
    pub state: char,
    /// The answers of the source are authenticated.
    pub authenticated: bool,
    /// What it says of leap seconds; `None` before the first sample.
    pub leap: Option<Leap>,
    /// Options from the configuration.
    pub configured: SelectOptions,
    /// Options that hold now.
    pub effective: SelectOptions,
    /// Age of its newest sample in seconds; 0 if there is none.
    pub last_sample_ago_s: u32,
    /// How well it does against the selected source: at 10 it takes over.
    pub score: f64,
    /// Seconds that the clock is *ahead* by this source at least.
    pub low_limit_s: f64,
    /// Seconds that the clock is *ahead* by this source at most.
    pub high_limit_s: f64,
}

/// Who put a time stamp on a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StampedBy {
    /// Nobody: there was no packet yet.
    #[default]
    Nobody,
    /// The program.
    Daemon,
    /// The kernel.
    Kernel,
    /// The network card.
    Hardware,
}

/// One source: its last valid response, and counts of packets.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct NtpData {
    /// The source.
    pub address: Address,
    /// Where the last response arrived; unspecified before.
    pub local_address: Address,
    /// UDP port it is asked at.
    pub port: u16,
    /// From the packet, as are the next eight; `None` is a server that does not know the time.
    pub leap: Option<Leap>,
    /// NTP version.
    pub version: u8,
    /// 4 is a server; 0 before the first response.
    pub mode: u8,
    /// Stratum.
    pub stratum: u8,
    /// Interval between polls in the packet, log2 of seconds.
    pub poll: i8,
    /// Precision of the server's clock, log2 of seconds.
    pub precision: i8,
    /// Root delay in seconds.
    pub root_delay_s: f64,
    /// Root dispersion in seconds.
    pub root_dispersion_s: f64,
    /// Reference ID of what the server follows.
    pub reference_id: u32,
    /// When the server was last set; `None` if the packet says nothing.
    pub reference_time: Option<Utc>,
    /// Seconds that the clock was *behind* (not ahead, as everywhere else).
    pub offset_s: f64,
    /// Round trip in seconds.
    pub delay_s: f64,
    /// Dispersion of the sample in seconds.
    pub dispersion_s: f64,
    /// Seconds the server took to answer.
    pub response_time_s: f64,
    /// -0.5 to 0.5: on which way the jitter is; 0 if unknown.
    pub jitter_asymmetry: f64,
    /// Results of the tests: bits 9 to 0, a 1 is passed; bit 14 interleaved, bit 15 authenticated.
    pub flags: u16,
    /// Who stamped the last request.
    pub sent_by: StampedBy,
    /// Who stamped the last response.
    pub received_by: StampedBy,
    /// Requests.
    pub total_sent: u32,
    /// Packets received.
    pub total_received: u32,
    /// Valid responses.
    pub total_valid: u32,
    /// Accepted measurements.
    pub total_good: u32,
    /// Requests with a time stamp of the kernel.
    pub kernel_sent: u32,
    /// Packets received with a time stamp of the kernel.
    pub kernel_received: u32,
    /// Requests with a time stamp of the network card.
    pub hardware_sent: u32,
    /// Packets received with a time stamp of the network card.
    pub hardware_received: u32,
}

/// One source: how it is authenticated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AuthData {
    /// 0 none, 1 symmetric key, 2 NTS.
    pub mode: u16,
    /// Number of the algorithm of the key.
    pub key_type: u16,
    /// Number of the key, or of the key establishments.
    pub key_id: u32,
    /// Length of the key in bits.
    pub key_length: u16,
    /// NTS key establishments tried since the last success.
    pub attempts: u16,
    /// Seconds since the last NTS key establishment; `None` is never.
    pub last_success_ago_s: Option<u32>,
    /// NTS cookies held.
    pub cookies: u16,
    /// Length of the next NTS cookie in bytes.
    pub cookie_length: u16,
    /// A NAK was received since the last request.
    pub nak: bool,
}

impl AuthData {
    /// The mode of symmetric keys.
    pub const SYMMETRIC_KEY: u16 = 1;
    /// The mode of Network Time Security.
    pub const NTS: u16 = 2;
}

/// Counts of a server: a client has only those of control requests, the others are 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ServerStats {
    /// Control requests answered.
    pub command_hits: u64,
    /// Control requests dropped.
    pub command_drops: u64,
}

/// What stands between the clock and the sources.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Hindrance {
    /// Nothing: the clock follows the sources.
    #[default]
    None,
    /// No source is configured.
    NoSources,
    /// The first answers are awaited.
    Acquiring,
    /// No source can be used.
    NoSelectableSources,
    /// The sources contradict each other.
    NoMajority,
    /// Fewer agree than `minsources` wants.
    NotEnough,
    /// No source with the option `require` agrees.
    NoRequired,
    /// The machine slept, or the sources contradict the clock: there is a new vote.
    Reacquiring,
    /// The kernel refuses to move or steer the clock.
    ClockRefused,
    /// The clock runs at a rate that the kernel cannot correct.
    RateBeyond,
    /// Only one source answers, and its time is decades away from the clock.
    LoneAndFar,
}

/// What slewd knows beyond chrony's protocol. No other daemon answers the request for it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Status {
    /// The sources agree and the clock follows them.
    pub synchronised: bool,
    /// Why the clock is not synchronised, if it is not.
    pub hindrance: Hindrance,
    /// The clock is steered, not only observed.
    pub controls_clock: bool,
    /// Expected error of the clock in seconds, standard deviation; `None` while nothing is known.
    pub estimated_error_s: Option<f64>,
    /// Largest possible error of the clock in seconds, by what servers promise; `None` while nothing is known.
    pub maximum_error_s: Option<f64>,
    /// Sources that agree with each other.
    pub agreeing: u16,
    /// Sources that had a vote.
    pub voters: u16,
    /// Seconds since the last good answer of any source.
    pub last_answer_ago_s: Option<f64>,
    /// Seconds until the next request.
    pub next_poll_s: Option<f64>,
    /// Seconds since the clock was first set.
    pub set_ago_s: Option<f64>,
    /// Seconds since the start of the daemon.
    pub uptime_s: f64,
    /// Steps of the clock since the start.
    pub steps: u32,
    /// By how much the last step moved the clock, in seconds: positive is forward.
    pub last_step_s: Option<f64>,
    /// Seconds since the last step.
    pub last_step_ago_s: Option<f64>,
    /// How often somebody else changed the clock.
    pub foreign_changes: u32,
    /// Version of the daemon: "0.1.0".
    pub version: String,
    /// Why sources are of no use, by their index; `None` for those that are of use.
    pub flaws: [Option<Flaw>; FLAWS],
}
