//! What became of the packets of one source.

use crate::core::source::Refusal;

/// How many of each there were.
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
    /// Requests stamped by the kernel.
    pub kernel_sent: u64,
    /// Replies stamped by the kernel.
    pub kernel_received: u64,
    refused: [u64; Refusal::ALL.len()],
}

impl Tally {
    /// Datagrams refused for this reason.
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refused[reason as usize]
    }

    /// One more.
    pub(super) fn count(&mut self, reason: Refusal) {
        self.refused[reason as usize] += 1;
    }
}
