//! What became of the packets of one source.

use crate::core::api::exchange::StampSource;
use crate::wire::ntp::Malformed;

/// Why a datagram was not used. The first group leaves the request open for the real reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No request is in flight.
    NoRequest,
    /// Not a server's packet: length.
    Length,
    /// Not a server's packet: version.
    Version,
    /// Not a server's packet: mode.
    Mode,
    /// Neither extension fields nor a MAC after the header.
    Trailer,
    /// Does not echo our cookie (RFC 5905 test 2): late, forged or misdirected.
    Origin,
    /// Carries a MAC although we use no key (test 5 of `ntpdata` in chronyc(1)).
    Authentication,
    /// Receive or transmit timestamp zero (test 3).
    Timestamp,
    /// The reply repeats the timestamps of the last accepted one (test 1), though the server's clock has ticked since.
    Duplicate,
    /// Root distance of 16 s or more (test 7).
    RootDistance,
    /// Delay above `maxdelay` (test A).
    Delay,
    /// Server held the request for more than 4 s, or says it replied before it was asked by more than its precision (test A).
    Turnaround,
    /// The server lives before slewd was built, or in another era.
    Era,
    /// Delay above `maxdelayratio` times the minimum (test B).
    DelayRatio,
    /// Delay that stands out by more than `maxdelaydevratio` (test C).
    DelayDeviation,
    /// Delay above the quantile of `maxdelayquant` (test C).
    DelayQuantile,
    /// The request only woke the path (`presend`).
    Waking,
    /// An interleaved answer about an exchange that has been measured already (test A).
    Known,
    /// The certificate of the server of key establishment is not valid at the time that the server tells.
    CertificateDates,
}

/// How many packets of each kind there were.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Requests that left.
    pub sent: u64,
    /// Requests the kernel would not send.
    pub send_failures: u64,
    /// Datagrams that arrived.
    pub received: u64,
    /// Replies that were used.
    pub accepted: u64,
    /// Replies from a server that does not know the time.
    pub unsynchronised: u64,
    /// Kisses-o'-death.
    pub kisses: u64,
    /// Requests by who stamped them.
    pub sent_by: StampTally,
    /// Replies by who stamped them.
    pub received_by: StampTally,
    refused: [u64; Refusal::ALL.len()],
}

/// How many packets were stamped by somebody other than slewd.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StampTally {
    /// By the kernel.
    pub kernel: u64,
    /// By the network card.
    pub hardware: u64,
}

impl StampTally {
    pub(in crate::core) fn count(&mut self, source: StampSource) {
        match source {
            StampSource::Daemon => {}
            StampSource::Kernel => self.kernel += 1,
            StampSource::Hardware => self.hardware += 1,
        }
    }
}

impl Tally {
    /// Datagrams refused for this reason.
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refused[reason as usize]
    }

    /// Responses that pass tests 1, 2, 3 and 5, whether they were used or not.
    pub fn valid(&self) -> u64 {
        let refused = Refusal::ALL.into_iter().filter(|reason| reason.is_of_valid());
        self.accepted + self.unsynchronised + refused.map(|reason| self.refused(reason)).sum::<u64>()
    }

    /// Counts one more datagram that was refused for this reason.
    pub(in crate::core) fn count(&mut self, reason: Refusal) {
        self.refused[reason as usize] += 1;
    }
}

impl Refusal {
    /// Every reason, in the order of the counters.
    pub const ALL: [Refusal; 19] = [
        Refusal::NoRequest,
        Refusal::Length,
        Refusal::Version,
        Refusal::Mode,
        Refusal::Trailer,
        Refusal::Origin,
        Refusal::Authentication,
        Refusal::Timestamp,
        Refusal::Duplicate,
        Refusal::RootDistance,
        Refusal::Delay,
        Refusal::Turnaround,
        Refusal::Era,
        Refusal::DelayRatio,
        Refusal::DelayDeviation,
        Refusal::DelayQuantile,
        Refusal::Waking,
        Refusal::Known,
        Refusal::CertificateDates,
    ];

    /// The reply was refused because it took too long.
    pub fn is_about_delay(self) -> bool {
        use Refusal::{Delay, DelayDeviation, DelayQuantile, DelayRatio};
        matches!(self, Delay | DelayRatio | DelayDeviation | DelayQuantile)
    }

    /// The datagram passed tests 1, 2, 3 and 5: it is a response, only not one to measure by.
    pub fn is_of_valid(self) -> bool {
        matches!(self, Refusal::RootDistance | Refusal::Turnaround | Refusal::Era | Refusal::Known)
            || self.is_about_delay()
    }

    /// The packet was the answer to our request, only not a usable one: no other is to be expected.
    pub fn is_answer(self) -> bool {
        !matches!(
            self,
            Refusal::NoRequest
                | Refusal::Length
                | Refusal::Version
                | Refusal::Mode
                | Refusal::Trailer
                | Refusal::Origin
                | Refusal::Authentication
                | Refusal::Timestamp
                | Refusal::Waking
        )
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Length => Refusal::Length,
            Malformed::Version => Refusal::Version,
            Malformed::Mode => Refusal::Mode,
            Malformed::Trailer => Refusal::Trailer,
            Malformed::Timestamp => Refusal::Timestamp,
        }
    }
}
