//! What is fuzzed: each takes any bytes and panics if a promise is broken. Used by the fuzzer (fuzz.rs) and by the replay of
//! the corpora in tests/fuzz_corpus.rs.

mod engine;

use std::net::{IpAddr, Ipv4Addr};

use slewd::config::{Config, KeyFile, MemoryFiles, parse_sources};
use slewd::core::api::drift::DriftRecord;
use slewd::core::api::last_good;
use slewd::core::api::source_id::SourceId;
use slewd::core::api::temp_comp::{Points, parse_sensor};
use slewd::core::clock::leap::LeapTable;
use slewd::report::{dump_file, nts_file};
use slewd::time::Utc;
use slewd::wire::cmdmon::MAX_LEN;
use slewd::wire::cmdmon::reply;
use slewd::wire::cmdmon::request::{Disposition, RequestId, receive};
use slewd::wire::ntp::{HEADER_LEN, Reply, Request};
use slewd::wire::nts::NtsCookie;
use slewd::wire::nts::aead::{Algorithm, Key};
use slewd::wire::nts::fields::{Asked, Opened, open_reply};
use slewd::wire::nts::records::Reader;
use slewd::wire::secret::Secret;

/// Takes any bytes.
pub(crate) type Target = fn(&[u8]);

/// A target by its name. Its corpus is in a directory of this name.
pub(crate) const TARGETS: [(&str, Target); 12] = [
    ("reply", ntp_reply),
    ("request", ntp_request),
    ("cmdmon", cmdmon),
    ("config", config),
    ("sources", sources),
    ("drift", drift),
    ("leap", leap),
    ("dump", dump),
    ("fields", fields),
    ("records", records),
    ("keys", keys),
    ("engine", engine::run),
];

/// A datagram from a server, with whatever follows the header: extension fields, a digest.
fn ntp_reply(data: &[u8]) {
    if let Ok(reply) = Reply::parse(data) {
        let text = format!("{reply:?}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        // It answers one request, whichever.
        let _ = reply.origin();
    }
}

/// A request, as the simulator's servers read it: what is understood is written alike.
fn ntp_request(data: &[u8]) {
    if let Some(request) = Request::decode(data) {
        let written = request.encode();
        let again = Request::decode(&written).expect("slewd wrote it");
        assert_eq!(again.encode(), written);
    }
}

/// A datagram to the control socket, or from one. A request that is understood is written alike.
fn cmdmon(data: &[u8]) {
    if let Disposition::Request(header, request) = receive(data, |_| true) {
        let mut written = [0; MAX_LEN];
        let length = request.encode(header.sequence, 0, &mut written);
        let Disposition::Request(_, again) = receive(&written[..length], |_| true) else { panic!("{request:?}") };
        assert_eq!(format!("{again:?}"), format!("{request:?}"));
    }
    let Some([high, low, ..]) = data.get(4..) else { return };
    let header = RequestId { command: u16::from_be_bytes([*high, *low]), sequence: [0; 4] };
    if let Ok(Ok(body)) = reply::parse(data, &header) {
        assert!(!format!("{body:?}").is_empty());
    }
}

/// A configuration file. An error names a line; what is understood prints.
fn config(data: &[u8]) {
    let files = MemoryFiles::new().with("/slewd.conf", data).with("/d/a.conf", "server 192.0.2.1\n");
    match Config::from_file(&files, "/slewd.conf", false) {
        Ok(config) => {
            let text = format!("{config:?}");
            assert!(!text.contains("NaN"), "{text}");
        }
        Err(failure) => assert!(!failure.error.to_string().is_empty()),
    }
}

/// A `.sources` file.
fn sources(data: &[u8]) {
    let _ = parse_sources("dhcp.sources", data);
}

/// The drift file, the addresses beside it, and the files of `tempcomp`: what is believed can be written and read again.
fn drift(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(record) = DriftRecord::parse(&text) {
        assert!(
            record.frequency_ppm.is_finite() && record.skew_ppm.is_finite() && record.skew_ppm >= 0.0,
            "{record:?}"
        );
        assert!(DriftRecord::parse(&record.to_text()).is_some(), "{record:?}");
    }
    let known = last_good::parse(&text);
    assert_eq!(last_good::parse(&last_good::to_text(&known)), known);
    if let Some(temperature) = parse_sensor(&text) {
        assert!(temperature.is_finite());
    }
    let _ = Points::parse(&text);
}

/// A leap second list or a compiled time zone.
fn leap(data: &[u8]) {
    for table in [LeapTable::from_list("list", data), LeapTable::from_zone("zone", data)].into_iter().flatten() {
        for day in [0, 10_000, 17_166, 20_000, 40_000] {
            let utc = Utc::from_secs(day * 86_400);
            let _ = (table.tai_s(utc), table.at_end_of_day(utc));
        }
        let _ = table.expires();
    }
}

/// A file with samples of a server.
fn dump(data: &[u8]) {
    let source = SourceId::Server(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    let text = String::from_utf8_lossy(data);
    let name: String = text.chars().take(40).collect();
    let _ = dump_file::subject(&name);
    if let Some(dump) = dump_file::parse(source, &text) {
        let written = dump_file::text(&dump);
        assert!(dump_file::parse(source, &written).is_some(), "{written}");
    }
}

/// Extension fields of NTS, sealed ones too: whoever has not the key opens nothing, and whoever has it may say anything.
fn fields(data: &[u8]) {
    let unique = [7; 32];
    let Some(key) = Key::new(Algorithm::SivCmac256, Secret::new(vec![1; Algorithm::SivCmac256.key_len()])) else {
        return;
    };
    assert!(!matches!(open_reply(data, &unique, &key), Opened::Authentic(_)), "forged");
    if let Some(asked) = Asked::read(data) {
        assert!(!asked.is_authentic(data, &key), "forged");
    }
    let mut packet = vec![0x24; HEADER_LEN];
    packet.extend([0x01, 0x04, 0, 36]);
    packet.extend(unique);
    let nonce = [3; 16];
    let Some(sealed) = key.seal(&nonce, &packet, data) else { return };
    let padded = sealed.len().next_multiple_of(4);
    let length = 4 + 4 + nonce.len() + padded;
    let Ok(length) = u16::try_from(length) else { return };
    packet.extend([0x04, 0x04]);
    packet.extend(length.to_be_bytes());
    packet.extend((nonce.len() as u16).to_be_bytes());
    packet.extend((sealed.len() as u16).to_be_bytes());
    packet.extend(nonce);
    packet.extend(&sealed);
    packet.resize(packet.len() + padded - sealed.len(), 0);
    if let Opened::Authentic(cookies) = open_reply(&packet, &unique, &key) {
        assert!(!cookies.is_empty() && cookies.iter().all(|cookie| NtsCookie::new(cookie.bytes()).is_some()));
    }
}

/// A server of keys, its answer in pieces, and the file in which keys are kept: it makes no difference where the pieces end.
fn records(data: &[u8]) {
    let offered = [Algorithm::Gcm128Siv, Algorithm::SivCmac256];
    let whole = Reader::new(&offered).take(data);
    let mut reader = Reader::new(&offered);
    let mut pieces = data.chunks(7).map(|piece| reader.take(piece));
    let last = pieces.find(|result| !matches!(result, Ok(None))).unwrap_or(Ok(None));
    if let Ok(Some(answer)) = &whole {
        assert_eq!(format!("{answer:?}"), format!("{:?}", last.expect("it is an answer").expect("it is whole")));
    }
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let _ = nts_file::parse(address, &String::from_utf8_lossy(data));
}

/// A file of symmetric keys.
fn keys(data: &[u8]) {
    let file = KeyFile::parse("keys", data);
    let _ = file.keys.count();
    file.warnings.iter().for_each(|warning| assert!(!warning.to_string().is_empty()));
}
