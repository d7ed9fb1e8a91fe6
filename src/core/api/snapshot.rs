//! Everything that can be said of the clock and its sources at one moment: what chronyc, text, JSON, CSV and metrics show.

use std::sync::Arc;

use crate::core::api::flaw::Flaw;
use crate::core::api::monitoring::{
    Activity, AuthData, NtpData, SelectData, ServerStats, SourceData, SourceStats, Status, Tracking,
};

/// The state of the daemon.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    /// The clock.
    pub tracking: Tracking,
    /// `None` if the daemon is not slewd.
    pub status: Option<Status>,
    /// How many sources are asked.
    pub activity: Activity,
    /// Of control requests; `None` where that is not for everybody to know.
    pub server: Option<ServerStats>,
    /// In the order of their indexes, names without an address last.
    pub sources: Vec<SourceReport>,
}

/// One source.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SourceReport {
    /// Name or address as configured.
    pub name: Arc<str>,
    /// What was measured last.
    pub data: SourceData,
    /// What its samples say together.
    pub stats: SourceStats,
    /// Why it is in or out; `None` where that is not for everybody to know, as are the next two.
    pub selection: Option<SelectData>,
    /// The last response of the source.
    pub ntp: Option<NtpData>,
    /// How it is authenticated.
    pub authentication: Option<AuthData>,
    /// Why it is of no use, if it is not; `None` if the daemon is not slewd.
    pub flaw: Option<Flaw>,
}
