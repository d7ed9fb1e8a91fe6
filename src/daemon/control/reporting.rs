//! Requests that only want to know something.

use crate::core::api::monitoring::ServerStats;
use crate::core::api::snapshot::SourceReport;
use crate::core::engine::Engine;
use crate::time::ClockReading;
use crate::wire::cmdmon::reply::{Body, ReplyStatus};
use crate::wire::cmdmon::request::ControlRequest;

/// The answer; `None` if it is another kind of request.
pub(super) fn report(
    request: &ControlRequest,
    engine: &Engine,
    now: &ClockReading,
    counts: ServerStats,
) -> Option<Result<Body, ReplyStatus>> {
    let index = match request {
        ControlRequest::SourceData(index) | ControlRequest::SourceStats(index) | ControlRequest::SelectData(index) => {
            usize::try_from(*index).ok()
        }
        ControlRequest::NtpData(address) | ControlRequest::AuthData(address) | ControlRequest::SourceName(address) => {
            engine.find_source(*address)
        }
        _ => return of_the_daemon(request, engine, now, counts).map(Ok),
    };
    let source = index.and_then(|index| engine.source_report(index, now));
    Some(source.and_then(|source| of_a_source(request, source)).ok_or(ReplyStatus::NoSuchSource))
}

fn of_the_daemon(request: &ControlRequest, engine: &Engine, now: &ClockReading, counts: ServerStats) -> Option<Body> {
    Some(match request {
        ControlRequest::SourceCount => Body::SourceCount(u32::try_from(engine.source_count()).unwrap_or(u32::MAX)),
        ControlRequest::Tracking => Body::Tracking(engine.tracking_report(now)),
        ControlRequest::Activity => Body::Activity(engine.activity()),
        ControlRequest::Status => Body::Status(engine.status(now)),
        ControlRequest::ServerStats => Body::ServerStats(counts),
        _ => return None,
    })
}

/// `None`: a source without an address has nothing of that kind to tell.
fn of_a_source(request: &ControlRequest, source: SourceReport) -> Option<Body> {
    Some(match request {
        ControlRequest::SourceData(_) => Body::SourceData(source.data),
        ControlRequest::SourceStats(_) => Body::SourceStats(source.stats),
        ControlRequest::SelectData(_) => Body::SelectData(source.selection?),
        ControlRequest::NtpData(_) => Body::NtpData(source.ntp?),
        ControlRequest::AuthData(_) => Body::AuthData(source.authentication.unwrap_or_default()),
        ControlRequest::SourceName(_) => Body::SourceName(source.name.as_ref().to_owned()),
        _ => return None,
    })
}
