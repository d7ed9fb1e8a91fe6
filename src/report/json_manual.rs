//! The table of docs/json.md, made from the lists of fields.
//!
//! The names of version 1 are frozen by it: what is in the table keeps its name and meaning, new lines may come.
//! `cargo test --lib json_manual` prints the table that belongs there if it is another one.

use crate::core::api::monitoring::{AuthData, NtpData, SelectData, ServerStats, Status};
use crate::core::api::snapshot::{Snapshot, SourceReport};
use crate::report::field::{Field, Unit, Value};
use crate::report::fields::parts;
use crate::report::json::{self, suffix};

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md"));

fn everything() -> Snapshot {
    let source = SourceReport {
        selection: Some(SelectData::default()),
        ntp: Some(NtpData::default()),
        authentication: Some(AuthData::default()),
        ..SourceReport::default()
    };
    Snapshot {
        status: Some(Status::default()),
        server: Some(ServerStats::default()),
        sources: vec![source],
        ..Snapshot::default()
    }
}

fn unit(field: &Field) -> &'static str {
    match (field.unit, field.value()) {
        (_, Value::Word(_)) => "word",
        (_, Value::Flag(_)) => "true or false",
        (_, Value::Moment(_)) => "seconds since 1970",
        (Unit::Seconds, _) => "seconds",
        (Unit::Ppm, _) => "parts per million",
        (Unit::Total, _) => "count since the start",
        (Unit::None, _) => "number",
    }
}

fn table() -> String {
    let parts = parts(&everything());
    let mut text = String::from("| name | unit | meaning |\n|---|---|---|\n");
    let whole = parts.whole.iter().map(|(name, fields)| (format!("{name}."), fields));
    let first = parts.sources.iter().take(1).flatten();
    let sources = first.map(|(name, fields)| (format!("sources[].{name}."), fields));
    for (prefix, fields) in whole.chain(sources) {
        for field in fields.as_ref().expect("it was put there") {
            let (name, unit) = (field.name, unit(field));
            text += &format!("| `{prefix}{name}{}` | {unit} | {} |\n", suffix(field.unit), field.help);
        }
    }
    text
}

#[test]
fn the_names_of_json_are_frozen_and_documented() {
    let (_, old) = PAGE.split_once("| name | unit |").expect("a table");
    let now = table();
    for line in old.lines().filter(|line| line.starts_with("| `")) {
        let name = line.split('`').nth(1).expect("a name");
        assert!(now.contains(&format!("| `{name}` |")), "{name} is gone: programs of others read it");
    }
    assert!(PAGE.ends_with(&now), "the table of docs/json.md has to be this one:\n{now}");
}

#[test]
fn numbers_have_nine_decimals_at_most() {
    let mut snapshot = everything();
    snapshot.tracking.rms_offset_s = 1.0;
    snapshot.tracking.last_offset_s = 1.0 / 3e6;
    snapshot.tracking.frequency_ppm = -1e-12;
    let text = json::snapshot(&snapshot);
    assert!(text.starts_with("{\"version\":1,"), "{text}");
    assert!(text.contains("\"last_offset_s\":0.000000333,") && text.contains("\"frequency_ppm\":0,"), "{text}");
}
