//! What chronyc and chronyd said to each other: understood, and said again byte for byte, in both directions.

#[path = "cmdmon/values.rs"]
mod values;
#[path = "cmdmon/vectors.rs"]
mod vectors;

use slewd::core::api::monitoring::{Address, SelectOptions};
use slewd::wire::cmdmon::MAX_LEN;
use slewd::wire::cmdmon::reply::{self, Body, ReplyStatus};
use slewd::wire::cmdmon::request::{
    AddressMask, BurstRequest, ControlRequest, Disposition, MakeStepRequest, NewSource, NewSource2, RequestId,
    SelectChange, SourceFlags, SourceKind, open_command, receive,
};
use slewd::wire::reference_id;
use values::value_of;
use vectors::vectors;

fn ip(text: &str) -> Address {
    Address::Ip(text.parse().expect("an address"))
}

/// What each request asks, by the command that was typed.
fn asked(name: &str) -> ControlRequest {
    match name {
        "V1" => ControlRequest::SourceCount,
        "V2a" => ControlRequest::SourceData(1),
        "V2b" => ControlRequest::SourceData(2),
        "V2c" => ControlRequest::SourceData(5),
        "V2d" => ControlRequest::SourceData(7),
        "V3a" | "V3b" | "V3c" => ControlRequest::Tracking,
        "V4a" => ControlRequest::SourceStats(2),
        "V4b" => ControlRequest::SourceStats(5),
        "V5" => ControlRequest::Activity,
        "V6a" | "V6b" => ControlRequest::NtpData(ip("127.0.0.12")),
        "V7a" => ControlRequest::SelectData(2),
        "V7b" => ControlRequest::SelectData(4),
        "V7c" => ControlRequest::SelectData(7),
        "V8a" => ControlRequest::AuthData(ip("127.0.0.11")),
        "V8b" => ControlRequest::AuthData(ip("127.0.0.14")),
        "V8c" => ControlRequest::AuthData(ip("127.0.0.12")),
        "V9" => ControlRequest::SourceName(ip("127.0.0.12")),
        "V14" => ControlRequest::SourceData(99),
        "V15a" | "V15b" => ControlRequest::ServerStats,
        "V16" => ControlRequest::SetMakeStep(MakeStepRequest { limit: -1, threshold_s: 0.1 }),
        "V17" => ControlRequest::Burst(BurstRequest {
            net: AddressMask { mask: ip("255.0.0.0"), address: ip("127.0.0.0") },
            good: 2,
            most: 4,
        }),
        "V18" => ControlRequest::Online(AddressMask { mask: ip("ffff::"), address: ip("fd00::") }),
        "V19" => ControlRequest::DeleteSource(Address::Id(6)),
        "V20" => ControlRequest::SelectOptions(SelectChange {
            source: ip("127.0.0.12"),
            mask: SelectOptions(SelectOptions::PREFER | SelectOptions::TRUST),
            options: SelectOptions(SelectOptions::TRUST),
        }),
        "V21" => ControlRequest::AddOffset(-0.25),
        "V22" => ControlRequest::AddSource(NewSource {
            kind: SourceKind::Server,
            name: "ntp-e.test".into(),
            port: 1234,
            min_poll: 4,
            max_poll: 6,
            presend: 100,
            min_stratum: 0,
            poll_target: 8,
            version: 0,
            max_sources: 4,
            min_samples: 5,
            max_samples: -1,
            key: 7,
            nts_port: 4460,
            max_delay_s: 0.1,
            max_delay_ratio: 0.0,
            max_delay_dev_ratio: 10.0,
            min_delay_s: 0.0,
            asymmetry: 1.0,
            offset_s: 0.0,
            flags: SourceFlags(SourceFlags::ONLINE | SourceFlags::IBURST | SourceFlags::PREFER | SourceFlags::IPV6),
            filter: 3,
            certificates: 0,
            max_delay_quant: 0.0,
            max_unreach: 9,
        }),
        "V23" => ControlRequest::AddSource2(NewSource2(NewSource {
            kind: SourceKind::Server,
            name: "192.0.2.9".into(),
            port: 1,
            min_poll: 3,
            max_poll: 5,
            presend: 4,
            min_stratum: 2,
            poll_target: 9,
            version: 3,
            max_sources: 4,
            min_samples: 7,
            max_samples: 8,
            key: 9,
            nts_port: 99,
            max_delay_s: 0.5,
            max_delay_ratio: 2.0,
            max_delay_dev_ratio: 4.0,
            min_delay_s: 0.25,
            asymmetry: 0.125,
            offset_s: -0.5,
            flags: SourceFlags(
                SourceFlags::IBURST
                    | SourceFlags::PREFER
                    | SourceFlags::TRUST
                    | SourceFlags::INTERLEAVED
                    | SourceFlags::IPV4,
            ),
            filter: 5,
            certificates: 3,
            max_delay_quant: 0.75,
            max_unreach: 6,
        })),
        _ => panic!("{name}: nobody says what it asks"),
    }
}

/// Fractions of 25 bits, rounded.
fn rounded(request: ControlRequest) -> ControlRequest {
    let near = |value: f64, wanted: f64| if (value - wanted).abs() < 1e-8 { wanted } else { value };
    match request {
        ControlRequest::SetMakeStep(step) => {
            ControlRequest::SetMakeStep(MakeStepRequest { threshold_s: near(step.threshold_s, 0.1), ..step })
        }
        ControlRequest::AddSource(source) => {
            ControlRequest::AddSource(NewSource { max_delay_s: near(source.max_delay_s, 0.1), ..source })
        }
        other => other,
    }
}

#[test]
fn requests_are_understood_and_written_again() {
    let mut understood = 0;
    for vector in vectors() {
        let header = vector.header();
        let Disposition::Request(decoded_header, request) = receive(&vector.request, |_| true) else { continue };
        if vector.name == "V10" {
            assert_eq!(request, ControlRequest::MakeStep);
            continue;
        }
        if vector.name == "V12b" {
            // Refused by chronyd 4.8 only: see below.
            continue;
        }
        assert_eq!(decoded_header, header, "{}", vector.name);
        assert_eq!(rounded(request.clone()), asked(&vector.name), "{}", vector.name);
        for request in [request, asked(&vector.name)] {
            let mut buffer = [0xaa; MAX_LEN];
            let len = request.encode(header.sequence, 0, &mut buffer);
            assert_eq!(request.command(), header.command);
            // Since chronyc 4.3 two replies have grown, and so have the requests for them.
            let longer = if matches!(vector.name.as_str(), "V6b" | "V15b") { len - vector.request.len() } else { 0 };
            assert_eq!(
                longer,
                match vector.name.as_str() {
                    "V6b" => 20,
                    "V15b" => 124,
                    _ => 0,
                }
            );
            assert_eq!(buffer[..len - longer], vector.request, "{}", vector.name);
            assert!(buffer[len - longer..].iter().all(|byte| *byte == 0));
        }
        understood += 1;
    }
    assert_eq!(understood, 31);
}

#[test]
fn replies_are_understood_and_written_again() {
    let (mut understood, mut compared) = (0, 0);
    for vector in vectors().iter().filter(|vector| !vector.reply.is_empty()) {
        let header = vector.header();
        let answer = reply::parse(&vector.reply, &header).unwrap_or_else(|error| panic!("{}: {error:?}", vector.name));
        let status = u16::from_be_bytes([vector.reply[8], vector.reply[9]]);
        assert_eq!(answer.is_ok(), status == 0, "{}", vector.name);
        for (place, name, recorded) in &vector.fields {
            let body = answer.as_ref().expect("fields are of a success");
            match value_of(body, name) {
                Some(value) => assert!(value.is(recorded), "{}: {place}:{name}={recorded}, not {value:?}", vector.name),
                // Nobody needs them, and they are 0; that they are written is checked below.
                None => {
                    assert!(matches!(name.as_str(), "mode" | "flags" | "pad") && recorded == "0", "{name}={recorded}");
                    continue;
                }
            }
            compared += 1;
        }
        let mut buffer = [0xaa; MAX_LEN];
        let len = reply::encode(&header, answer.as_ref().map_err(|status| *status), vector.request.len(), &mut buffer);
        assert_eq!(len, Some(vector.reply.len()), "{}", vector.name);
        assert_eq!(buffer[..vector.reply.len()], vector.reply, "{}", vector.name);
        understood += 1;
    }
    println!("{understood} replies, {compared} fields");
    assert_eq!((understood, compared), (31, 218));
}

#[test]
fn names_and_counts_have_no_field_list() {
    let body = |name: &str| {
        let vectors = vectors();
        let vector = vectors.iter().find(|vector| vector.name == name).expect("such a vector");
        reply::parse(&vector.reply, &vector.header()).expect("a reply").expect("a success")
    };
    assert_eq!(body("V9"), Body::SourceName("ntp-b.test".into()));
    for (name, hits) in [("V15a", 189), ("V15b", 2)] {
        let Body::ServerStats(stats) = body(name) else { panic!("{name}") };
        assert_eq!((stats.command_hits, stats.command_drops), (hits, 0), "{name}");
    }
    assert_eq!(body("V16"), Body::Null);
}

/// What everybody may ask over UDP, unless `opencommands` says something else.
fn open_over_udp(command: u16) -> bool {
    let words = "activity manual rtcdata smoothing sourcename sources sourcestats tracking";
    open_command(command).is_some_and(|word| words.split(' ').any(|open| open == word))
}

#[test]
fn refusals_are_those_of_chronyd() {
    let mut refused = 0;
    for vector in vectors() {
        let expected = match vector.name.as_str() {
            "V10" => ReplyStatus::Unauthorised,
            "V11a" | "V11b" => ReplyStatus::BadVersion,
            "V12a" => ReplyStatus::BadLength,
            // To chronyd 4.8 this is too short; to us, who also know the older format, it is not.
            "V12b" => ReplyStatus::Unauthorised,
            // 75 has got a meaning in chrony 4.9, whose daemon says the same to so short a request.
            "V13" => ReplyStatus::BadLength,
            // Only who has the sources can refuse that.
            "V14" => {
                assert!(matches!(
                    receive(&vector.request, open_over_udp),
                    Disposition::Request(_, ControlRequest::SourceData(99))
                ));
                ReplyStatus::NoSuchSource
            }
            _ => continue,
        };
        let header = vector.header();
        if vector.name != "V14" {
            assert_eq!(
                receive(&vector.request, open_over_udp),
                Disposition::Refuse(header, expected),
                "{}",
                vector.name
            );
        }
        let mut buffer = [0xaa; MAX_LEN];
        let len = reply::encode(&header, Err(expected), vector.request.len(), &mut buffer).expect("a reply");
        let mut recorded = vector.reply.clone();
        match vector.name.as_str() {
            "V12b" => recorded[9] = 2,
            "V13" => recorded[9] = 19,
            _ => (),
        }
        assert_eq!(buffer[..len], recorded, "{}", vector.name);
        refused += 1;
    }
    assert_eq!(refused, 7);
    // What V13 meant.
    let unknown = [&[6, 1, 0, 0, 0, 76][..], &[0; 22]].concat();
    let header = RequestId { command: 76, sequence: [0; 4] };
    assert_eq!(receive(&unknown, |_| true), Disposition::Refuse(header, ReplyStatus::Invalid));
}

#[test]
fn no_answer_to_what_is_no_request() {
    let good = &vectors()[0].request;
    let altered = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        receive(&bytes, |_| true)
    };
    for (at, value) in [(0, 4), (0, 0), (1, 0), (1, 2), (2, 1), (3, 1)] {
        assert_eq!(altered(at, value), Disposition::Drop, "byte {at} = {value}");
    }
    assert_eq!(receive(&good[..27], |_| true), Disposition::Drop);
    let mut long = good.clone();
    long.resize(MAX_LEN, 0);
    assert!(matches!(receive(&long, |_| true), Disposition::Request(_, ControlRequest::SourceCount)));
    long.push(0);
    assert_eq!(receive(&long, |_| true), Disposition::Drop);
}

#[test]
fn the_same_set_is_open_as_in_chronyd() {
    let open: Vec<u16> = (0..=u16::MAX).filter(|command| open_over_udp(*command)).collect();
    assert_eq!(open, [14, 15, 33, 34, 35, 41, 44, 51, 65, 0x736c]);
}

#[test]
fn reference_ids_are_those_of_the_replies() {
    let mut compared = 0;
    for vector in vectors() {
        if vector.reply.is_empty() {
            continue;
        }
        let (known, id) = match reply::parse(&vector.reply, &vector.header()) {
            Ok(Ok(Body::SourceStats(report))) => (report.address, report.reference_id),
            Ok(Ok(Body::SelectData(report))) => (report.address, report.reference_id),
            Ok(Ok(Body::Tracking(report))) => (report.address, report.reference_id),
            _ => continue,
        };
        if let Address::Ip(address) = known {
            assert_eq!(reference_id(address), id, "{}", vector.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 6);
}
