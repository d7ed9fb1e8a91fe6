//! The snapshot as Prometheus reads it (text format 0.0.4): from a file of node_exporter's textfile collector, or whoever
//! runs `slewd metrics`.
//!
//! Names begin with `slewd_`, units are seconds and ratios. What is not known has no sample, rather than a zero. Words,
//! of which a metric cannot have any, are labels of one `_info` metric for each part of the snapshot.

use std::fmt::Write;

use crate::core::api::snapshot::{Snapshot, SourceReport};
use crate::report::field::{Field, Unit, Value};
use crate::report::fields;
use crate::report::units::{unix_time, who};
use crate::time::Utc;

/// All metrics, the daemon being there.
pub fn text(snapshot: &Snapshot) -> String {
    let parts = fields::parts(snapshot);
    let mut text = String::new();
    push_up(&mut text, true);
    for (name, fields) in &parts.whole {
        let fields = fields.as_deref();
        push_families(&mut text, name, &[("", fields)]);
    }
    let labels: Vec<String> = snapshot.sources.iter().map(source_labels).collect();
    // A family holds the samples of all sources, so the parts of each kind are put side by side.
    for (index, (name, _)) in parts.sources.first().into_iter().flatten().enumerate() {
        let each = labels.iter().zip(&parts.sources);
        let sources: Vec<(&str, Option<&[Field]>)> = each
            .map(|(labels, parts)| (labels.as_str(), parts.get(index).and_then(|(_, fields)| fields.as_deref())))
            .collect();
        let name = if *name == "source" { "source".to_owned() } else { format!("source_{name}") };
        push_families(&mut text, &name, &sources);
    }
    text
}

/// The one metric there is while nobody answers.
pub fn down() -> String {
    let mut text = String::new();
    push_up(&mut text, false);
    text
}

/// When the figures were taken, which is said last: after a crash the file of a collector stays as it was.
pub fn written(now: Utc) -> String {
    let mut text = String::new();
    let help = "Time when this was written: old figures of a daemon that was killed have an old one";
    push_head(&mut text, "slewd_written_timestamp_seconds", "gauge", help, None);
    let _ = writeln!(text, "slewd_written_timestamp_seconds {}", now.secs());
    text
}

fn push_up(text: &mut String, is_up: bool) {
    push_head(text, "slewd_up", "gauge", "The daemon answers", None);
    let _ = writeln!(text, "slewd_up {}", u8::from(is_up));
}

fn source_labels(source: &SourceReport) -> String {
    let mut labels = String::new();
    push_label(&mut labels, "source", &who(source.data.address, source.stats.reference_id));
    push_label(&mut labels, "name", &source.name);
    labels
}

/// The families of one part. Each subject has its labels, and the fields of this part unless they are not known.
fn push_families(text: &mut String, part: &str, subjects: &[(&str, Option<&[Field]>)]) {
    let count = subjects.iter().filter_map(|(_, fields)| *fields).map(<[Field]>::len).max().unwrap_or(0);
    for index in 0..count {
        let each = |(labels, fields): &(&'_ str, Option<&'_ [Field]>)| {
            let field = fields.and_then(|fields| fields.get(index))?;
            Some((labels.to_string(), field.name, field.unit, field.help, sample(field)?))
        };
        let samples: Vec<_> = subjects.iter().filter_map(each).collect();
        let Some((_, name, unit, help, sample)) = samples.first() else { continue };
        let name = name.strip_suffix("_time").filter(|_| sample.is_moment).unwrap_or(name);
        let name = format!("slewd_{part}_{name}{}", suffix(*unit, sample.is_moment));
        let kind = if *unit == Unit::Total { "counter" } else { "gauge" };
        push_head(text, &name, kind, help, unit_name(*unit, sample.is_moment));
        for (labels, _, _, _, sample) in &samples {
            push_sample(text, &name, labels, &sample.value);
        }
    }
    push_info(text, part, subjects);
}

/// The fields of a part that are words, as labels of one metric.
fn push_info(text: &mut String, part: &str, subjects: &[(&str, Option<&[Field]>)]) {
    let name = format!("slewd_{part}_info");
    let mut is_headed = false;
    for (labels, fields) in subjects {
        let mut labels = (*labels).to_owned();
        let before = labels.len();
        for field in fields.unwrap_or_default() {
            if let Some(Value::Word(word)) = field.known() {
                push_label(&mut labels, field.name, word);
            }
        }
        if labels.len() == before {
            continue;
        }
        if !is_headed {
            push_head(text, &name, "gauge", "What is said in words, always 1", None);
            is_headed = true;
        }
        push_sample(text, &name, &labels, "1");
    }
}

struct MetricSample {
    value: String,
    is_moment: bool,
}

/// `None` if it is not known, or a word.
fn sample(field: &Field) -> Option<MetricSample> {
    let scale = if field.unit == Unit::Ppm { 1e-6 } else { 1.0 };
    let known = field.known()?;
    let value = match known {
        Value::Word(_) => return None,
        Value::Flag(flag) => u8::from(*flag).to_string(),
        Value::Whole(number) => number.to_string(),
        Value::Number(number) if !number.is_finite() => return None,
        // A product may have a tail of digits that nobody measured.
        Value::Number(number) if scale != 1.0 => trimmed(format!("{:.15}", number * scale)),
        Value::Number(number) => number.to_string(),
        Value::Moment(at) => unix_time(Some(*at)),
        Value::Age(age) => (*age)?.to_string(),
    };
    Some(MetricSample { value, is_moment: matches!(known, Value::Moment(_)) })
}

fn trimmed(number: String) -> String {
    let text = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { &number };
    text.to_owned()
}

fn suffix(unit: Unit, is_moment: bool) -> &'static str {
    match unit {
        _ if is_moment => "_timestamp_seconds",
        Unit::None => "",
        Unit::Seconds => "_seconds",
        Unit::Ppm => "_ratio",
        Unit::Total => "_total",
    }
}

fn unit_name(unit: Unit, is_moment: bool) -> Option<&'static str> {
    match unit {
        _ if is_moment => Some("seconds"),
        Unit::Seconds => Some("seconds"),
        Unit::Ppm => Some("ratio"),
        Unit::None | Unit::Total => None,
    }
}

/// The unit is OpenMetrics' and a comment to others.
fn push_head(text: &mut String, name: &str, kind: &str, help: &str, unit: Option<&str>) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    if let Some(unit) = unit {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
}

fn push_sample(text: &mut String, name: &str, labels: &str, value: &str) {
    let labels = labels.strip_prefix(',').unwrap_or(labels);
    let _ =
        if labels.is_empty() { writeln!(text, "{name} {value}") } else { writeln!(text, "{name}{{{labels}}} {value}") };
}

/// Each label is preceded by a comma.
fn push_label(labels: &mut String, name: &str, value: &str) {
    let _ = write!(labels, ",{name}=\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                labels.push('\\');
                labels.push(c);
            }
            '\n' => labels.push_str("\\n"),
            c => labels.push(c),
        }
    }
    labels.push('"');
}
