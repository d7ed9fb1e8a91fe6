//! What can be asked of a daemon, one report at a time or all in one snapshot.

use std::sync::Arc;

use crate::cli::client::{Client, Failure};
use crate::core::api::monitoring::{
    Activity, Address, AuthData, NtpData, SelectData, ServerStats, SourceData, SourceStats, Status, Tracking,
};
use crate::core::api::snapshot::{Snapshot, SourceReport};
use crate::wire::cmdmon::reply::{Body, ReplyStatus};
use crate::wire::cmdmon::request::ControlRequest;

/// More sources than any daemon has: an index is a signed number, and a liar shall not keep us busy.
const MAX_SOURCES: u32 = 1024;

/// The reports that a command wants of each source, besides the last measurement.
#[derive(Clone, Copy, Default)]
pub(super) struct Parts {
    pub(super) stats: bool,
    pub(super) name: bool,
    pub(super) selection: bool,
    pub(super) ntp: bool,
    pub(super) authentication: bool,
}

impl Parts {
    /// All.
    pub(super) const ALL: Parts = Parts { stats: true, name: true, selection: true, ntp: true, authentication: true };
}

impl Client {
    /// `tracking`.
    pub(super) fn tracking(&mut self) -> Result<Tracking, Failure> {
        match self.request(&ControlRequest::Tracking)? {
            Body::Tracking(tracking) => {
                Ok(Tracking { address: tracking.address.or_clock(tracking.reference_id), ..tracking })
            }
            _ => Err(Failure::BadReply),
        }
    }

    /// slewd's own report; `None` if the daemon is not slewd, or an answer is not to be had.
    pub(super) fn status(&mut self) -> Result<Option<Status>, Failure> {
        match self.request(&ControlRequest::Status) {
            Ok(Body::Status(status)) => Ok(Some(status)),
            Ok(_) | Err(Failure::Refused(_) | Failure::BadReply) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// `activity`.
    pub(super) fn activity(&mut self) -> Result<Activity, Failure> {
        match self.request(&ControlRequest::Activity)? {
            Body::Activity(activity) => Ok(activity),
            _ => Err(Failure::BadReply),
        }
    }

    /// `serverstats`.
    pub(super) fn server_stats(&mut self) -> Result<ServerStats, Failure> {
        match self.request(&ControlRequest::ServerStats)? {
            Body::ServerStats(stats) => Ok(stats),
            _ => Err(Failure::BadReply),
        }
    }

    /// What a source is called in the configuration.
    pub(super) fn source_name(&mut self, address: Address) -> Result<Arc<str>, Failure> {
        match self.request(&ControlRequest::SourceName(address))? {
            Body::SourceName(name) => Ok(name.into()),
            _ => Err(Failure::BadReply),
        }
    }

    /// `ntpdata` of one source.
    pub(super) fn ntp_data(&mut self, address: Address) -> Result<NtpData, Failure> {
        match self.request(&ControlRequest::NtpData(address))? {
            Body::NtpData(data) => Ok(data),
            _ => Err(Failure::BadReply),
        }
    }

    /// How many sources there are.
    pub(super) fn source_count(&mut self) -> Result<i32, Failure> {
        match self.request(&ControlRequest::SourceCount)? {
            Body::SourceCount(count) => Ok(count.min(MAX_SOURCES) as i32),
            _ => Err(Failure::BadReply),
        }
    }

    /// One source. What is refused is an error, or missing if `leniently` asked for.
    pub(super) fn source(&mut self, index: i32, parts: Parts, leniently: bool) -> Result<SourceReport, Failure> {
        let data = self.source_data(index)?;
        let (who, has_address) = (data.address, matches!(data.address, Address::Ip(_)));
        // What is told by address alone is not told of reference clocks, whose name is their reference ID.
        let is_server = !matches!(who, Address::Clock(_));
        let stats = if parts.stats { self.source_stats(index)? } else { SourceStats::default() };
        // A source may be gone before its name is asked for.
        let name = part(parts.name && is_server, true, || self.source_name(who))?.unwrap_or_default();
        let selection = part(parts.selection, leniently, || self.select_data(index))?;
        let ntp = part(parts.ntp && has_address, leniently, || self.ntp_data(who))?;
        let authentication = part(parts.authentication && is_server, leniently, || self.auth_data(who))?;
        Ok(SourceReport { name, data, stats, selection, ntp, authentication, flaw: None })
    }

    /// Everything wanted that this client may know.
    pub(super) fn snapshot(&mut self, mut parts: Parts, server: bool) -> Result<Snapshot, Failure> {
        let (tracking, status, activity) = (self.tracking()?, self.status()?, self.activity()?);
        let server = part(server, true, || self.server_stats())?;
        let mut sources = Vec::new();
        for index in 0..self.source_count()? {
            let flaw = status.as_ref().and_then(|status| status.flaws.get(index as usize).copied().flatten());
            // One of which something is said is called by its name.
            let wanted = Parts { name: parts.name || flaw.is_some(), ..parts };
            let source = match self.source(index, wanted, true) {
                Ok(source) => SourceReport { flaw, ..source },
                // The source has just been removed.
                Err(Failure::Refused(ReplyStatus::NoSuchSource)) => break,
                Err(failure) => return Err(failure),
            };
            // What is refused for one source is refused for all.
            parts.selection &= source.selection.is_some();
            let is_server = !matches!(source.data.address, Address::Clock(_));
            parts.authentication &= source.authentication.is_some() || !is_server;
            parts.ntp &= source.ntp.is_some() || !matches!(source.data.address, Address::Ip(_));
            sources.push(source);
        }
        Ok(Snapshot { tracking, status, activity, server, sources })
    }

    fn source_data(&mut self, index: i32) -> Result<SourceData, Failure> {
        match self.request(&ControlRequest::SourceData(index))? {
            Body::SourceData(data) => Ok(data),
            _ => Err(Failure::BadReply),
        }
    }

    fn source_stats(&mut self, index: i32) -> Result<SourceStats, Failure> {
        match self.request(&ControlRequest::SourceStats(index))? {
            Body::SourceStats(stats) => {
                Ok(SourceStats { address: stats.address.or_clock(stats.reference_id), ..stats })
            }
            _ => Err(Failure::BadReply),
        }
    }

    fn select_data(&mut self, index: i32) -> Result<SelectData, Failure> {
        match self.request(&ControlRequest::SelectData(index))? {
            Body::SelectData(data) => Ok(SelectData { address: data.address.or_clock(data.reference_id), ..data }),
            _ => Err(Failure::BadReply),
        }
    }

    fn auth_data(&mut self, address: Address) -> Result<AuthData, Failure> {
        match self.request(&ControlRequest::AuthData(address))? {
            Body::AuthData(data) => Ok(data),
            _ => Err(Failure::BadReply),
        }
    }
}

/// A report that may not be wanted, or may be refused without harm.
fn part<T>(is_wanted: bool, leniently: bool, ask: impl FnOnce() -> Result<T, Failure>) -> Result<Option<T>, Failure> {
    if !is_wanted {
        return Ok(None);
    }
    match ask() {
        Err(Failure::Refused(_) | Failure::BadReply) if leniently => Ok(None),
        result => result.map(Some),
    }
}
