//! The reports as JSON (RFC 8259). Units are in the names; what is not known is `null`.

use std::fmt::Write;

use crate::core::api::snapshot::{Snapshot, SourceReport};
use crate::report::field::{Field, Unit, Value};
use crate::report::fields;
use crate::report::units::unix_time;

/// Version of the names in `status --json`. A name keeps its meaning as long as the version stays; new names may come.
const VERSION: u32 = 1;

/// Everything, as `status` gives it.
pub fn snapshot(snapshot: &Snapshot) -> String {
    let parts = fields::parts(snapshot);
    let mut text = format!("{{\"version\":{VERSION},");
    for (name, part) in &parts.whole {
        push_key(&mut text, name, "");
        push_part(&mut text, part.as_deref());
        text.push(',');
    }
    push_key(&mut text, "sources", "");
    let sources = snapshot.sources.iter().zip(&parts.sources).map(|(source, parts)| {
        let mut text = String::from("{");
        push_name(&mut text, source);
        for (name, part) in parts {
            text.push(',');
            push_key(&mut text, name, "");
            push_part(&mut text, part.as_deref());
        }
        text + "}"
    });
    push_list(&mut text, sources);
    text + "}\n"
}

/// A list of sources with what is known of each.
pub(super) fn sources<'a>(sources: impl Iterator<Item = (&'a SourceReport, Option<Vec<Field>>)>) -> String {
    let entry = |(source, fields): (&SourceReport, Option<Vec<Field>>)| {
        let mut text = String::from("{");
        push_name(&mut text, source);
        for field in fields.iter().flatten() {
            text.push(',');
            push_field(&mut text, field);
        }
        text + "}"
    };
    let mut text = String::new();
    push_list(&mut text, sources.map(entry));
    text + "\n"
}

/// One report.
pub(super) fn object(fields: &[Field]) -> String {
    let mut text = String::new();
    push_part(&mut text, Some(fields));
    text + "\n"
}

fn push_list(text: &mut String, items: impl Iterator<Item = String>) {
    text.push('[');
    for (index, item) in items.enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        text.push_str(&item);
    }
    text.push(']');
}

fn push_part(text: &mut String, fields: Option<&[Field]>) {
    let Some(fields) = fields else { return text.push_str("null") };
    text.push('{');
    for (index, field) in fields.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        push_field(text, field);
    }
    text.push('}');
}

fn push_name(text: &mut String, source: &SourceReport) {
    push_key(text, "name", "");
    push_string(text, &source.name);
}

fn push_field(text: &mut String, field: &Field) {
    push_key(text, field.name, suffix(field.unit));
    match field.known() {
        Some(Value::Word(word)) => push_string(text, word),
        _ => text.push_str(&plain(field).unwrap_or("null".to_owned())),
    }
}

/// The suffix of a name that says its unit.
pub(crate) fn suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::None | Unit::Total => "",
        Unit::Seconds => "_s",
        Unit::Ppm => "_ppm",
    }
}

/// A value without quotes; `None` if it is not known or not a number.
pub(crate) fn plain(field: &Field) -> Option<String> {
    match field.known()? {
        Value::Flag(flag) => Some(flag.to_string()),
        Value::Whole(number) => Some(number.to_string()),
        Value::Number(number) => number.is_finite().then(|| nine_decimals(*number)),
        Value::Word(word) => Some(word.clone()),
        Value::Moment(at) => Some(unix_time(Some(*at))),
        Value::Age(age) => age.map(|age| age.to_string()),
    }
}

/// A number to a nanosecond, or to a billionth of its unit, without zeros at the end.
fn nine_decimals(number: f64) -> String {
    let text = format!("{number:.9}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

fn push_key(text: &mut String, name: &str, suffix: &str) {
    // Names are ours and hold nothing to escape.
    let _ = write!(text, "\"{name}{suffix}\":");
}

/// Names come from a configuration and a socket: anything may be in them.
fn push_string(text: &mut String, string: &str) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            c if c.is_control() => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}
