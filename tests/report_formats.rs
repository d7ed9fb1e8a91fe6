//! What programs read can be read, whatever is in it; and what chronyc printed is printed here too.

#[path = "support/formats.rs"]
mod formats;
#[path = "cmdmon/vectors.rs"]
mod vectors;

use formats::{Json, exposition};
use slewd::core::api::monitoring::{Activity, Address, SourceData, SourceStats, Status, Tracking};
use slewd::core::api::snapshot::{Snapshot, SourceReport};
use slewd::report::chronyc::{self, Format, SourceList};
use slewd::report::{json, metrics, status};
use slewd::wire::cmdmon::reply::{self, Body};
use slewd::wire::cmdmon::request::RequestId;
use vectors::{Vector, vectors};

/// A name that nobody has, with everything that is special anywhere.
const HOSTILE: &str = "a\"b\\c\nd\te,f|g{h}=\u{1}\u{fffd}ü %s";

fn hostile() -> Snapshot {
    let source = |last: u8, value: f64| SourceReport {
        name: HOSTILE.into(),
        data: SourceData {
            address: Address::Ip([192, 0, 2, last].into()),
            offset_s: value,
            measured_offset_s: -value,
            error_s: value,
            since_sample_s: Some(last.into()),
            ..SourceData::default()
        },
        stats: SourceStats { sd_s: value, residual_frequency_ppm: value, skew_ppm: -value, ..SourceStats::default() },
        ..SourceReport::default()
    };
    let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e-300, 4.6e18, f64::MAX, f64::MIN_POSITIVE];
    Snapshot {
        tracking: Tracking { correction_s: f64::NAN, skew_ppm: f64::INFINITY, ..Tracking::default() },
        status: Some(Status {
            version: HOSTILE.to_owned(),
            uptime_s: f64::INFINITY,
            last_step_s: Some(f64::NAN),
            next_poll_s: Some(-1.0),
            ..Status::default()
        }),
        activity: Activity { burst_online: u32::MAX, burst_offline: u32::MAX, ..Activity::default() },
        sources: values.iter().zip(1..).map(|(value, last)| source(last, *value)).collect(),
        ..Snapshot::default()
    }
}

#[test]
fn json_is_json_whatever_is_in_it() {
    let snapshot = hostile();
    let all = Json::parse(&json::snapshot(&snapshot));
    let first = &all.get("sources").items()[0];
    assert_eq!(first.get("name").text(), HOSTILE);
    assert_eq!(first.get("source").get("offset_s"), &Json::Null, "not a number");
    assert_eq!(all.get("sources").items()[5].get("source").get("offset_s").number(), 4.6e18);
    assert_eq!(all.get("status").get("version").text(), HOSTILE);
    assert_eq!(all.get("server"), &Json::Null);
    for list in
        [SourceList::Data, SourceList::Stats, SourceList::Selection, SourceList::Ntp, SourceList::Authentication]
    {
        assert_eq!(Json::parse(&chronyc::sources(&snapshot.sources, list, false, Format::Json)).items().len(), 8);
    }
    Json::parse(&chronyc::tracking(&snapshot.tracking, None, Format::Json));
    Json::parse(&chronyc::activity(&snapshot.activity, Format::Json));
}

#[test]
fn metrics_are_metrics_whatever_is_in_them() {
    for snapshot in [hostile(), Snapshot::default()] {
        let series = exposition(&metrics::text(&snapshot));
        assert_eq!(series.get("slewd_up"), Some(&1.0));
    }
    assert_eq!(exposition(&metrics::down()).into_iter().collect::<Vec<_>>(), [("slewd_up".to_owned(), 0.0)]);
}

/// Each of `key,value`, a comma in a value being quoted.
#[test]
fn values_are_one_a_line() {
    let text = status::csv(&hostile());
    assert!(text.contains("\nsources.0.source.name,\"a\"\"b\\c\nd\te,f|g{h}=\u{1}"), "{text}");
    assert!(text.contains("\nsources.3.source.offset_s,0\n"), "{text}");
}

/// The sum did not fit, and a debug build of `slewd status` panicked.
#[test]
fn more_bursts_than_can_be_counted() {
    let text = status::text(&hostile(), false);
    assert!(text.contains("4294967295 in a burst"), "{text}");
}

/// A screen is ruined by one control character, and a terminal can be led astray by some.
#[test]
fn text_has_no_control_characters_of_others() {
    let snapshot = hostile();
    let lines = chronyc::sources(&snapshot.sources, SourceList::Data, true, Format::Text);
    for text in [status::text(&snapshot, false), lines] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(text.lines().count() <= 20, "{text:?}");
    }
}

/// The lines that chronyc printed for these datagrams (chronyc 4.8, V6b: 4.3).
#[test]
fn what_chronyc_printed_is_printed() {
    for (name, line) in [
        ("V2a", "^* 127.0.0.11                    1   2   377     5   +169ns[ +138ns] +/- 1418ns"),
        ("V2b", "^x 127.0.0.12                    1   2   377     7  +3003us[+3003us] +/- 4003ns"),
        ("V2c", "^? fd00::15                      1   2   377     1  +4159ns[+4126ns] +/- 5461ns"),
        ("V2d", "^? ID#0000000006                 0   6     0     -     +0ns[   +0ns] +/-    0ns"),
        ("V3a", "System time     : 0.000000686 seconds slow of NTP time"),
        ("V3a", "Last offset     : -0.000000033 seconds"),
        ("V3b", "System time     : 0.250000060 seconds fast of NTP time"),
        ("V3c", "Reference ID    : 00000000 ()"),
        ("V3c", "Leap status     : Not synchronised"),
        ("V4a", "127.0.0.12                 20  11    42     -0.034      0.044  +3003us   651ns"),
        ("V4b", "fd00::15                   25  13    57     -0.013      0.047  +4785ns  1135ns"),
        ("V6a", "Precision       : -27 (0.000000007 seconds)"),
        ("V6a", "Offset          : -0.003023898 seconds"),
        ("V6a", "NTP tests       : 111 111 1101"),
        ("V6a", "Total kernel TX : 27"),
        ("V7a", "x 127.0.0.12                N -P--- -P---    6   1.0 +2999us +3007us  N"),
        ("V7b", "D 127.0.0.14                Y ---R- --TR-    2   1.0 -1032ns   +11us  N"),
        ("V7c", "M ID#0000000006             N ----- -----    0   1.0    +0ns    +0ns  ?"),
        ("V8a", "127.0.0.11                    SK     7    3  256    -    0    0    0    0"),
        ("V8b", "127.0.0.14                   NTS     1   15  256   57    0    0    8  100"),
    ] {
        let text = printed(&vector(name));
        assert!(text.lines().any(|printed| printed == line), "{name}: {line}\n{text}");
    }
}

fn vector(name: &str) -> Vector {
    vectors().into_iter().find(|vector| vector.name == name).expect("a vector")
}

fn printed(vector: &Vector) -> String {
    let command = u16::from_be_bytes([vector.reply[4], vector.reply[5]]);
    let sequence = vector.reply[16..20].try_into().expect("four bytes");
    let body = reply::parse(&vector.reply, &RequestId { command, sequence }).expect("a reply").expect("a success");
    let mut source = SourceReport::default();
    let list = match body {
        Body::SourceData(data) => {
            source.data = data;
            SourceList::Data
        }
        Body::SourceStats(stats) => {
            source.stats = stats;
            SourceList::Stats
        }
        Body::SelectData(data) => {
            source.selection = Some(data);
            SourceList::Selection
        }
        Body::AuthData(data) => {
            // The reply does not say for whom it is; the request does.
            let request = &vector.request;
            source.data.address = Address::Ip([request[20], request[21], request[22], request[23]].into());
            source.authentication = Some(data);
            SourceList::Authentication
        }
        Body::NtpData(data) => {
            source.ntp = Some(data);
            SourceList::Ntp
        }
        Body::Tracking(tracking) => return chronyc::tracking(&tracking, None, Format::Text),
        other => panic!("{other:?}"),
    };
    [Format::Text, Format::Csv].map(|format| chronyc::line(&source, list, false, format)).concat()
}
