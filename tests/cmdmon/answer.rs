//! A daemon that answers everything, with whatever the dice say.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::net::IpAddr;

use fastrand::Rng;
use slewd::core::api::flaw::Flaw;
use slewd::core::api::monitoring::{
    Activity, Address, AuthData, Hindrance, NtpData, SelectData, SelectOptions, ServerStats, SourceData, SourceStats,
    StampedBy, Standing, Status, Tracking,
};
use slewd::time::{Leap, Utc};
use slewd::wire::cmdmon::MAX_LEN;
use slewd::wire::cmdmon::reply::{self, Body, ReplyStatus};
use slewd::wire::cmdmon::request::{ControlRequest, Disposition, receive};

/// The reply to a datagram; `None` if there is none.
pub(crate) fn answer(datagram: &[u8], dice: &mut Rng) -> Option<Vec<u8>> {
    let mut buffer = [0xaa; MAX_LEN];
    let len = match receive(datagram, |command| command != 62) {
        Disposition::Drop => return None,
        Disposition::Refuse(header, status) => reply::encode(&header, Err(status), datagram.len(), &mut buffer),
        Disposition::Request(header, request) => {
            let body = body(&request, dice);
            reply::encode(&header, body.as_ref().map_err(|status| *status), datagram.len(), &mut buffer)
        }
    };
    // Whoever passed all the checks has asked with enough room.
    let len = len.expect("a reply that fits");
    assert!((28..=datagram.len()).contains(&len), "{len} bytes for {}", datagram.len());
    Some(buffer[..len].to_vec())
}

/// The report that was asked for.
pub(crate) fn body(request: &ControlRequest, dice: &mut Rng) -> Result<Body, ReplyStatus> {
    Ok(match request {
        ControlRequest::SourceCount => Body::SourceCount(dice.u32(..)),
        ControlRequest::SourceData(_) => Body::SourceData(source_data(dice)),
        ControlRequest::Tracking => Body::Tracking(tracking(dice)),
        ControlRequest::SourceStats(_) => Body::SourceStats(source_stats(dice)),
        ControlRequest::Activity => Body::Activity(activity(dice)),
        ControlRequest::NtpData(_) => Body::NtpData(ntp_data(dice)),
        ControlRequest::ManualList => Body::ManualList,
        ControlRequest::ServerStats => {
            Body::ServerStats(ServerStats { command_hits: dice.u64(..), command_drops: dice.u64(..) })
        }
        ControlRequest::SourceName(_) => Body::SourceName(text(dice, 255)),
        ControlRequest::AuthData(_) => Body::AuthData(auth_data(dice)),
        ControlRequest::SelectData(_) => Body::SelectData(select_data(dice)),
        ControlRequest::Status => Body::Status(status(dice)),
        ControlRequest::RtcReport => return Err(ReplyStatus::NoRtc),
        ControlRequest::Smoothing | ControlRequest::SetTime => return Err(ReplyStatus::NotEnabled),
        ControlRequest::ClientAccesses => return Err(ReplyStatus::Inactive),
        _ => Body::Null,
    })
}

/// One that the wire can hold: 24 bits and an exponent.
pub(crate) fn fraction(dice: &mut Rng) -> f64 {
    f64::from(dice.i32(-(1 << 23)..1 << 23)) * 2f64.powi(dice.i32(-80..38))
}

pub(crate) fn address(dice: &mut Rng) -> Address {
    match dice.u8(..4) {
        0 => Address::Unspecified,
        1 => Address::Ip(IpAddr::V4(dice.u32(..).into())),
        2 => Address::Ip(IpAddr::V6(dice.u128(..).into())),
        _ => Address::Id(dice.u32(..)),
    }
}

pub(crate) fn text(dice: &mut Rng, longest: usize) -> String {
    (0..dice.usize(1..=longest)).map(|_| char::from(dice.u8(b'!'..=b'~'))).collect()
}

fn leap(dice: &mut Rng) -> Option<Leap> {
    [Some(Leap::Normal), Some(Leap::Insert), Some(Leap::Delete), None][dice.usize(..4)]
}

fn time(dice: &mut Rng) -> Option<Utc> {
    dice.bool().then(|| Utc::from_nanos(dice.i64(1..)))
}

fn age(dice: &mut Rng) -> Option<u32> {
    dice.bool().then(|| dice.u32(..u32::MAX))
}

fn options(dice: &mut Rng) -> SelectOptions {
    SelectOptions(dice.u16(..16))
}

fn stamp(dice: &mut Rng) -> StampedBy {
    [StampedBy::Nobody, StampedBy::Daemon, StampedBy::Kernel, StampedBy::Hardware][dice.usize(..4)]
}

fn double(dice: &mut Rng) -> Option<f64> {
    Some(f64::from_bits(dice.u64(..))).filter(|value| value.is_finite() && dice.bool())
}

fn tracking(dice: &mut Rng) -> Tracking {
    Tracking {
        reference_id: dice.u32(..),
        address: address(dice),
        stratum: dice.u16(..),
        leap: leap(dice),
        reference_time: time(dice),
        correction_s: fraction(dice),
        last_offset_s: fraction(dice),
        rms_offset_s: fraction(dice),
        frequency_ppm: fraction(dice),
        residual_frequency_ppm: fraction(dice),
        skew_ppm: fraction(dice),
        root_delay_s: fraction(dice),
        root_dispersion_s: fraction(dice),
        update_interval_s: fraction(dice),
    }
}

fn activity(dice: &mut Rng) -> Activity {
    Activity {
        online: dice.u32(..),
        offline: dice.u32(..),
        burst_online: dice.u32(..),
        burst_offline: dice.u32(..),
        unresolved: dice.u32(..),
    }
}

fn source_data(dice: &mut Rng) -> SourceData {
    let standings = [
        Standing::Selected,
        Standing::Unselectable,
        Standing::Falseticker,
        Standing::Jittery,
        Standing::Combined,
        Standing::NotCombined,
    ];
    SourceData {
        address: address(dice),
        poll: dice.i16(..),
        stratum: dice.u16(..),
        standing: standings[dice.usize(..standings.len())],
        reach: dice.u8(..),
        since_sample_s: age(dice),
        measured_offset_s: fraction(dice),
        offset_s: fraction(dice),
        error_s: fraction(dice),
    }
}

fn source_stats(dice: &mut Rng) -> SourceStats {
    SourceStats {
        reference_id: dice.u32(..),
        address: address(dice),
        samples: dice.u32(..),
        runs: dice.u32(..),
        span_s: dice.u32(..),
        sd_s: fraction(dice),
        residual_frequency_ppm: fraction(dice),
        skew_ppm: fraction(dice),
        offset_s: fraction(dice),
        offset_error_s: fraction(dice),
    }
}

fn select_data(dice: &mut Rng) -> SelectData {
    SelectData {
        reference_id: dice.u32(..),
        address: address(dice),
        state: char::from(dice.u8(b' '..=b'~')),
        authenticated: dice.bool(),
        leap: leap(dice),
        configured: options(dice),
        effective: options(dice),
        last_sample_ago_s: dice.u32(..),
        score: fraction(dice),
        low_limit_s: fraction(dice),
        high_limit_s: fraction(dice),
    }
}

fn ntp_data(dice: &mut Rng) -> NtpData {
    NtpData {
        address: address(dice),
        local_address: address(dice),
        port: dice.u16(..),
        leap: leap(dice),
        version: dice.u8(..),
        // 0, before the first response, has no stamps.
        mode: dice.u8(1..),
        stratum: dice.u8(..),
        poll: dice.i8(..),
        precision: dice.i8(..),
        root_delay_s: fraction(dice),
        root_dispersion_s: fraction(dice),
        reference_id: dice.u32(..),
        reference_time: time(dice),
        offset_s: fraction(dice),
        delay_s: fraction(dice),
        dispersion_s: fraction(dice),
        response_time_s: fraction(dice),
        jitter_asymmetry: fraction(dice),
        flags: dice.u16(..),
        sent_by: stamp(dice),
        received_by: stamp(dice),
        total_sent: dice.u32(..),
        total_received: dice.u32(..),
        total_valid: dice.u32(..),
        total_good: dice.u32(..),
        kernel_sent: dice.u32(..),
        kernel_received: dice.u32(..),
        hardware_sent: dice.u32(..),
        hardware_received: dice.u32(..),
    }
}

fn auth_data(dice: &mut Rng) -> AuthData {
    AuthData {
        mode: dice.u16(..),
        key_type: dice.u16(..),
        key_id: dice.u32(..),
        key_length: dice.u16(..),
        attempts: dice.u16(..),
        last_success_ago_s: age(dice),
        cookies: dice.u16(..),
        cookie_length: dice.u16(..),
        nak: dice.bool(),
    }
}

fn status(dice: &mut Rng) -> Status {
    let hindrances = [
        Hindrance::None,
        Hindrance::NoSources,
        Hindrance::Acquiring,
        Hindrance::NoSelectableSources,
        Hindrance::NoMajority,
        Hindrance::NotEnough,
        Hindrance::NoRequired,
        Hindrance::Reacquiring,
    ];
    Status {
        synchronised: dice.bool(),
        hindrance: hindrances[dice.usize(..hindrances.len())],
        controls_clock: dice.bool(),
        estimated_error_s: double(dice),
        maximum_error_s: double(dice),
        agreeing: dice.u16(..),
        voters: dice.u16(..),
        last_answer_ago_s: double(dice),
        next_poll_s: double(dice),
        set_ago_s: double(dice),
        uptime_s: dice.f64(),
        steps: dice.u32(..),
        last_step_s: double(dice),
        last_step_ago_s: double(dice),
        foreign_changes: dice.u32(..),
        version: text(dice, 31),
        flaws: std::array::from_fn(|_| Flaw::ALL.get(dice.usize(..2 * Flaw::ALL.len())).copied()),
    }
}
