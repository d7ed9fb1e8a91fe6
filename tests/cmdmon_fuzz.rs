//! Control requests and replies with anything in them: never a panic, never an answer longer than its request; and
//! whatever a report holds, it arrives.

#[path = "cmdmon/answer.rs"]
mod answer;
#[path = "cmdmon/vectors.rs"]
mod vectors;

use answer::{address, answer, body, fraction, text};
use fastrand::Rng;
use slewd::core::api::flaw::Flaw;
use slewd::core::api::monitoring::{FLAWS, NtpData, SelectOptions, ServerStats, Status};
use slewd::wire::cmdmon::MAX_LEN;
use slewd::wire::cmdmon::reply::{self, Body, MalformedReply};
use slewd::wire::cmdmon::request::{
    AddressMask, BurstRequest, ControlRequest, Disposition, MakeStepRequest, NewSource, NewSource2, OffsetChange,
    Prefix, RequestId, SelectChange, SourceFlags, SourceKind, receive,
};
use vectors::vectors;

/// The daemon's half and the client's half of a datagram that may be either.
fn take(datagram: &[u8], header: &RequestId, dice: &mut Rng) -> bool {
    let answered = answer(datagram, dice).is_some();
    let parsed = reply::parse(datagram, header).is_ok();
    assert!(!(answered && parsed), "nothing is both");
    answered || parsed
}

#[test]
fn each_vector_cut_anywhere() {
    let mut dice = Rng::with_seed(1);
    let (mut all, mut taken) = (0, 0);
    for vector in vectors() {
        for datagram in [&vector.request, &vector.reply] {
            for len in 0..datagram.len() {
                all += 1;
                taken += u32::from(take(&datagram[..len], &vector.header(), &mut dice));
            }
        }
        // A client that is told less than the reply code promises does not guess.
        for len in 28..vector.reply.len() {
            assert_eq!(
                reply::parse(&vector.reply[..len], &vector.header()),
                Err(MalformedReply::Length),
                "{}",
                vector.name
            );
        }
    }
    println!("{all} datagrams, {taken} taken");
}

#[test]
fn each_vector_with_each_byte_altered() {
    let mut dice = Rng::with_seed(2);
    let (mut all, mut taken) = (0u32, 0u32);
    for vector in vectors() {
        for datagram in [&vector.request, &vector.reply] {
            let mut altered = datagram.clone();
            for at in 0..datagram.len() {
                for value in 0..=u8::MAX {
                    altered[at] = value;
                    all += 1;
                    taken += u32::from(take(&altered, &vector.header(), &mut dice));
                }
                altered[at] = datagram[at];
            }
        }
    }
    println!("{all} datagrams, {taken} taken");
    assert!(all > 1_500_000 && taken > all / 2);
}

#[test]
fn random_bytes() {
    let mut dice = Rng::with_seed(3);
    let (mut requests, mut refusals, mut replies) = (0, 0, 0);
    for round in 0..300_000 {
        let mut bytes = [0; MAX_LEN + 8];
        let len = dice.usize(..=bytes.len());
        dice.fill(&mut bytes[..len]);
        let command = if dice.u8(..20) == 0 { 0x736c } else { dice.u16(..80) };
        let header = RequestId { command, sequence: [1, 2, 3, 4] };
        match round % 3 {
            0 => (),
            1 => {
                bytes[..4].copy_from_slice(&[6, 1, 0, 0]);
                bytes[4..6].copy_from_slice(&command.to_be_bytes());
            }
            _ => {
                let codes = [1, 2, 3, 5, 6, 7, 12, 13, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 0x736c];
                let code: u16 = codes[dice.usize(..codes.len())];
                bytes[..4].copy_from_slice(&[6, 2, 0, 0]);
                bytes[4..6].copy_from_slice(&command.to_be_bytes());
                bytes[6..8].copy_from_slice(&code.to_be_bytes());
                bytes[8..10].fill(0);
                bytes[16..20].copy_from_slice(&header.sequence);
            }
        }
        take(&bytes[..len], &header, &mut dice);
        match receive(&bytes[..len], |_| true) {
            Disposition::Drop => (),
            Disposition::Refuse(..) => refusals += 1,
            Disposition::Request(..) => requests += 1,
        }
        replies += u32::from(reply::parse(&bytes[..len], &header).is_ok());
    }
    println!("{requests} requests, {refusals} refusals, {replies} replies");
    assert!(requests > 10_000 && refusals > 10_000 && replies > 1000);
}

/// Everything there is to ask.
fn requests(dice: &mut Rng) -> Vec<ControlRequest> {
    let subnet = Prefix { address: address(dice), bits: dice.i32(..) };
    let net = AddressMask { mask: address(dice), address: address(dice) };
    let source = NewSource {
        kind: [SourceKind::Server, SourceKind::Peer, SourceKind::Pool][dice.usize(..3)],
        name: text(dice, 255),
        port: dice.u32(..),
        min_poll: dice.i32(..),
        max_poll: dice.i32(..),
        presend: dice.i32(..),
        min_stratum: dice.u32(..),
        poll_target: dice.u32(..),
        version: dice.u32(..),
        max_sources: dice.u32(..),
        min_samples: dice.i32(..),
        max_samples: dice.i32(..),
        key: dice.u32(..),
        nts_port: dice.u32(..),
        max_delay_s: fraction(dice),
        max_delay_ratio: fraction(dice),
        max_delay_dev_ratio: fraction(dice),
        min_delay_s: fraction(dice),
        asymmetry: fraction(dice),
        offset_s: fraction(dice),
        flags: SourceFlags(dice.u32(..0x8000)),
        filter: dice.i32(..),
        certificates: dice.u32(..),
        max_delay_quant: fraction(dice),
        max_unreach: dice.i32(..),
    };
    vec![
        ControlRequest::Online(net),
        ControlRequest::Offline(net),
        ControlRequest::Burst(BurstRequest { net, good: dice.i32(..), most: dice.i32(..) }),
        ControlRequest::MinPoll(address(dice), dice.i32(..)),
        ControlRequest::MaxPoll(address(dice), dice.i32(..)),
        ControlRequest::Dump,
        ControlRequest::MaxDelay(address(dice), fraction(dice)),
        ControlRequest::MaxDelayRatio(address(dice), fraction(dice)),
        ControlRequest::MaxUpdateSkew(fraction(dice)),
        ControlRequest::SetTime,
        ControlRequest::Manual(dice.i32(..)),
        ControlRequest::SourceCount,
        ControlRequest::SourceData(dice.i32(..)),
        ControlRequest::Rekey,
        ControlRequest::Allow,
        ControlRequest::AllowAll,
        ControlRequest::Deny,
        ControlRequest::DenyAll,
        ControlRequest::CommandAllow(subnet),
        ControlRequest::CommandAllowAll(subnet),
        ControlRequest::CommandDeny(subnet),
        ControlRequest::CommandDenyAll(subnet),
        ControlRequest::AccessCheck,
        ControlRequest::CommandAccessCheck(address(dice)),
        ControlRequest::DeleteSource(address(dice)),
        ControlRequest::WriteRtc,
        ControlRequest::AddFrequency(fraction(dice)),
        ControlRequest::Tracking,
        ControlRequest::SourceStats(dice.i32(..)),
        ControlRequest::RtcReport,
        ControlRequest::TrimRtc,
        ControlRequest::CycleLogs,
        ControlRequest::ManualList,
        ControlRequest::ManualDelete,
        ControlRequest::MakeStep,
        ControlRequest::Activity,
        ControlRequest::MinStratum(address(dice), dice.i32(..)),
        ControlRequest::PollTarget(address(dice), dice.i32(..)),
        ControlRequest::MaxDelayDevRatio(address(dice), fraction(dice)),
        ControlRequest::Reselect,
        ControlRequest::ReselectDistance(fraction(dice)),
        ControlRequest::SetMakeStep(MakeStepRequest { limit: dice.i32(..), threshold_s: fraction(dice) }),
        ControlRequest::Smoothing,
        ControlRequest::SmoothTime,
        ControlRequest::Refresh,
        ControlRequest::ServerStats,
        ControlRequest::Local2,
        ControlRequest::NtpData(address(dice)),
        ControlRequest::Shutdown,
        ControlRequest::OnOffline,
        ControlRequest::AddSource(source.clone()),
        ControlRequest::AddSource2(NewSource2(source)),
        ControlRequest::SourceName(address(dice)),
        ControlRequest::ResetSources,
        ControlRequest::AuthData(address(dice)),
        ControlRequest::ClientAccesses,
        ControlRequest::SelectData(dice.i32(..)),
        ControlRequest::ReloadSources,
        ControlRequest::AddOffset(fraction(dice)),
        ControlRequest::SelectOptions(SelectChange {
            source: address(dice),
            mask: SelectOptions(dice.u16(..16)),
            options: SelectOptions(dice.u16(..16)),
        }),
        ControlRequest::Offset(OffsetChange { source: address(dice), offset_s: fraction(dice) }),
        ControlRequest::Local3,
        ControlRequest::Status,
    ]
}

#[test]
fn whatever_is_asked_and_answered_arrives() {
    let mut dice = Rng::with_seed(4);
    for _ in 0..2000 {
        for request in requests(&mut dice) {
            let header = RequestId { command: request.command(), sequence: dice.u32(..).to_be_bytes() };
            let mut asked = [0xaa; MAX_LEN];
            let asked_len = request.encode(header.sequence, dice.u16(..), &mut asked);
            assert_eq!(receive(&asked[..asked_len], |_| true), Disposition::Request(header, request.clone()));
            let answer = body(&request, &mut dice);
            let mut answered = [0xaa; MAX_LEN];
            let answer_ref = answer.as_ref().map_err(|status| *status);
            let len = reply::encode(&header, answer_ref, asked_len, &mut answered).expect("room");
            assert_eq!(reply::parse(&answered[..len], &header), Ok(answer), "{request:?}");
            // Of another request, or late.
            let other = RequestId { sequence: dice.u32(..).to_be_bytes(), ..header };
            assert_eq!(reply::parse(&answered[..len], &other), Err(MalformedReply::Stray));
        }
    }
}

#[test]
fn older_clients_get_the_older_format() {
    let mut dice = Rng::with_seed(5);
    let reply_to = |request: &ControlRequest, body: &Body, request_len: usize| {
        let header = RequestId { command: request.command(), sequence: [9; 4] };
        let mut buffer = [0; MAX_LEN];
        let len = reply::encode(&header, Ok(body), request_len, &mut buffer)?;
        let parsed = reply::parse(&buffer[..len], &header).expect("a reply").expect("a success");
        Some((u16::from_be_bytes([buffer[6], buffer[7]]), len, parsed))
    };
    let ntp = ControlRequest::NtpData(address(&mut dice));
    let Ok(Body::NtpData(data)) = body(&ntp, &mut dice) else { panic!("a report") };
    let old = NtpData { kernel_sent: 0, kernel_received: 0, hardware_sent: 0, hardware_received: 0, ..data };
    let (data, old) = (Body::NtpData(data), Body::NtpData(old));
    assert_eq!(reply_to(&ntp, &data, 151), None);
    assert_eq!(reply_to(&ntp, &data, 152), Some((16, 152, old.clone())));
    assert_eq!(reply_to(&ntp, &data, 171), Some((16, 152, old)));
    assert_eq!(reply_to(&ntp, &data, 172), Some((26, 172, data.clone())));
    assert_eq!(reply_to(&ntp, &data, 424), Some((26, 172, data)));

    let stats = Body::ServerStats(ServerStats { command_hits: 7, command_drops: 1 << 40 });
    let old = Body::ServerStats(ServerStats { command_hits: 7, command_drops: u64::from(u32::MAX) });
    assert_eq!(reply_to(&ControlRequest::ServerStats, &stats, 71), None);
    assert_eq!(reply_to(&ControlRequest::ServerStats, &stats, 72), Some((24, 72, old.clone())));
    assert_eq!(reply_to(&ControlRequest::ServerStats, &stats, 195), Some((24, 72, old)));
    assert_eq!(reply_to(&ControlRequest::ServerStats, &stats, 196), Some((25, 196, stats.clone())));
    assert_eq!(reply_to(&ControlRequest::ServerStats, &stats, 860), Some((25, 196, stats)));
}

/// slewd's own report from a daemon that knows fewer fields, and from one that knows more.
#[test]
fn the_own_report_may_be_shorter_or_longer() {
    let header = RequestId { command: ControlRequest::Status.command(), sequence: [5; 4] };
    let full = Status {
        synchronised: true,
        agreeing: 3,
        steps: 2,
        foreign_changes: 1,
        estimated_error_s: Some(1e-6),
        last_step_s: Some(-0.5),
        uptime_s: 60.5,
        version: "0.1.0".into(),
        flaws: std::array::from_fn(|index| (index == 1).then_some(Flaw::Unsynchronised)),
        ..Status::default()
    };
    let mut buffer = [0; MAX_LEN];
    let len = reply::encode(&header, Ok(&Body::Status(full.clone())), MAX_LEN, &mut buffer).expect("room");
    let parse = |len: usize| reply::parse(&buffer[..len], &header);
    assert_eq!(parse(len), Ok(Ok(Body::Status(full.clone()))));
    assert_eq!(parse(len + 40), Ok(Ok(Body::Status(full.clone()))));
    let without_version = Status { version: String::new(), flaws: [None; FLAWS], ..full.clone() };
    assert_eq!(parse(112), Ok(Ok(Body::Status(without_version.clone()))));
    assert_eq!(parse(103), Ok(Ok(Body::Status(Status { last_step_s: None, ..without_version.clone() }))));
    let counts_only = Status { last_step_s: None, estimated_error_s: None, uptime_s: 0.0, ..without_version };
    assert_eq!(parse(48), Ok(Ok(Body::Status(counts_only))));
    assert_eq!(parse(47), Err(MalformedReply::Length));
    // The table in the documentation of `wire::cmdmon::reply`: other programs go by it.
    let words = |place: usize| buffer[place..place + 2].to_vec();
    let expected: [(usize, &[u8]); 8] = [
        (28, &[0, 1]),
        (30, &[0, 1]),
        (32, &[0, 0]),
        (34, &[0, 3]),
        (36, &[0, 0]),
        (38, &[0, 0]),
        (42, &[0, 2]),
        (46, &[0, 1]),
    ];
    for (place, bytes) in expected {
        assert_eq!(words(place), bytes, "{place}");
    }
    let doubles: Vec<f64> =
        buffer[48..112].chunks(8).map(|bytes| f64::from_be_bytes(bytes.try_into().expect("eight bytes"))).collect();
    assert_eq!((doubles[0], doubles[5], doubles[6]), (1e-6, 60.5, -0.5));
    assert!([1, 2, 3, 4, 7].iter().all(|index| doubles[*index].is_nan()), "{doubles:?}");
    assert_eq!(buffer[112..118], *b"0.1.0\0");
    assert_eq!(buffer[144..148], [0, 11, 0, 0], "the second source is not synchronised");
    assert_eq!(len, 176);
    let mut other_layout = buffer;
    other_layout[29] = 2;
    assert_eq!(reply::parse(&other_layout[..len], &header), Err(MalformedReply::Code));
    // A client that knows of no flaws asks with less, and gets no more.
    let short = reply::encode(&header, Ok(&Body::Status(full)), 144, &mut buffer);
    assert_eq!(short, Some(144));
    let Ok(Ok(Body::Status(read))) = reply::parse(&buffer[..144], &header) else { panic!("it is understood") };
    assert_eq!((read.version.as_str(), read.flaws), ("0.1.0", [None; FLAWS]));
}
