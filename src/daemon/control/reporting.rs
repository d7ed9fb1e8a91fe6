//! Requests that only want to know something.

use crate::core::engine::Engine;
use crate::core::snapshot::SourceReport;
use crate::time::ClockReading;
use crate::wire::cmdmon::reply::{Body, ReplyStatus};
use crate::wire::cmdmon::report::{Address, ServerStats};
use crate::wire::cmdmon::request::Request;

/// The answer; `None` if it is another kind of request.
pub(super) fn report(
    request: &Request,
    engine: &Engine,
    now: &ClockReading,
    counts: ServerStats,
) -> Option<Result<Body, ReplyStatus>> {
    let by_index = |index: i32| {
        let index = usize::try_from(index).map_err(|_| ReplyStatus::NoSuchSource)?;
        engine.source_report(index, now).ok_or(ReplyStatus::NoSuchSource)
    };
    let by_address = |address: Address| {
        let index = engine.find_source(address).ok_or(ReplyStatus::NoSuchSource)?;
        engine.source_report(index, now).ok_or(ReplyStatus::NoSuchSource)
    };
    Some(match request {
        Request::SourceCount => Ok(Body::SourceCount(u32::try_from(engine.source_count()).unwrap_or(u32::MAX))),
        Request::SourceData(index) => by_index(*index).map(|source| Body::SourceData(source.data)),
        Request::SourceStats(index) => by_index(*index).map(|source| Body::SourceStats(source.stats)),
        Request::SelectData(index) => by_index(*index).and_then(|source| found(source.selection.map(Body::SelectData))),
        Request::NtpData(address) => by_address(*address).and_then(|source| found(source.ntp.map(Body::NtpData))),
        Request::AuthData(address) => {
            by_address(*address).map(|source| Body::AuthData(source.authentication.unwrap_or_default()))
        }
        Request::SourceName(address) => by_address(*address).map(name),
        Request::Tracking => Ok(Body::Tracking(engine.tracking_report(now))),
        Request::Activity => Ok(Body::Activity(engine.activity())),
        Request::Status => Ok(Body::Status(engine.status(now))),
        Request::ServerStats => Ok(Body::ServerStats(counts)),
        _ => return None,
    })
}

fn name(source: SourceReport) -> Body {
    Body::SourceName(source.name.as_ref().to_owned())
}

/// A source without an address has sent nothing that could be told.
fn found(body: Option<Body>) -> Result<Body, ReplyStatus> {
    body.ok_or(ReplyStatus::NoSuchSource)
}
