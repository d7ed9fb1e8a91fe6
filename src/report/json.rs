//! The reports as JSON (RFC 8259). Units are in the names; what is not known is `null`.

use std::fmt::Write;

use crate::core::api::monitoring::{Activity, ServerStats, Tracking};
use crate::core::api::snapshot::{Snapshot, SourceReport};
use crate::report::fields::{self, Field, Unit, Value};
use crate::report::source_fields;
use crate::report::units::unix_time;

/// The part of each source that is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// `sources`.
    Data,
    /// `sourcestats`.
    Stats,
    /// `selectdata`.
    Selection,
    /// `ntpdata`.
    Ntp,
    /// `authdata`.
    Authentication,
}

/// Everything, as `status` gives it.
pub fn snapshot(snapshot: &Snapshot) -> String {
    let parts = fields::parts(snapshot);
    let mut text = String::from("{");
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

/// `tracking`.
pub fn tracking(tracking: &Tracking) -> String {
    object(&fields::tracking(tracking))
}

/// `activity`.
pub fn activity(activity: &Activity) -> String {
    object(&fields::activity(activity))
}

/// `serverstats`.
pub fn server_stats(stats: &ServerStats) -> String {
    object(&fields::server_stats(stats))
}

/// A list with one part of each source.
pub fn sources<'a>(sources: impl Iterator<Item = &'a SourceReport>, part: Part) -> String {
    let entry = |source: &SourceReport| {
        let mut text = String::from("{");
        push_name(&mut text, source);
        let fields = match part {
            Part::Data => Some(source_fields::source_data(&source.data)),
            Part::Stats => Some(source_fields::source_stats(&source.stats)),
            Part::Selection => source.selection.as_ref().map(source_fields::select_data),
            Part::Ntp => source.ntp.as_ref().map(source_fields::ntp_data),
            Part::Authentication => source.authentication.as_ref().map(|data| {
                let address = source_fields::source_data(&source.data).into_iter().take(1);
                address.chain(source_fields::auth_data(data)).collect()
            }),
        };
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

fn object(fields: &[Field]) -> String {
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
    match &field.value {
        Value::Word(word) => push_string(text, word),
        other => text.push_str(&plain(other).unwrap_or("null".to_owned())),
    }
}

/// What is added to a name.
pub(crate) fn suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::None | Unit::Total => "",
        Unit::Seconds => "_s",
        Unit::Ppm => "_ppm",
    }
}

/// A value without quotes; `None` if it is not known or not a number.
pub(crate) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Unknown => None,
        Value::Flag(flag) => Some(flag.to_string()),
        Value::Whole(number) => Some(number.to_string()),
        Value::Number(number) => number.is_finite().then(|| number.to_string()),
        Value::Word(word) => Some(word.clone()),
        Value::Moment(at) => Some(unix_time(Some(*at))),
    }
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
