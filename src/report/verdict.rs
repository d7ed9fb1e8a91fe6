//! Is the clock as it should be? One line and a level, by the conventions of monitoring plugins
//! (<https://www.monitoring-plugins.org/doc/guidelines.html>).

use std::fmt::Write;
use std::str::FromStr;

use crate::core::api::monitoring::Standing;
use crate::core::api::snapshot::Snapshot;
use crate::report::status::{faults, maximum_error_s, why_not};
use crate::report::units::{clean, signed, size, who};

/// How bad it is; the number is the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// All is well.
    Ok = 0,
    /// WARNING: somebody should look at the clock some time.
    Warning = 1,
    /// CRITICAL: somebody should look at the clock now.
    Critical = 2,
    /// UNKNOWN: what was asked about is not known.
    Unknown = 3,
}

/// Values that are in order, as `10`, `10:`, `~:10`, `10:20`, or `@10:20` for all others.
#[derive(Clone, PartialEq, Debug)]
pub struct Range {
    start: f64,
    end: f64,
    is_inverted: bool,
    text: String,
}

/// When to warn, and when to cry.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Limits {
    /// Values outside are a warning.
    pub warning: Option<Range>,
    /// Values outside are critical.
    pub critical: Option<Range>,
    /// Somebody asked for this: then it is not enough that the value is not known.
    pub is_explicit: bool,
}

/// The limits of each value.
#[derive(Clone, PartialEq, Debug)]
pub struct Thresholds {
    /// Seconds that the clock is ahead.
    pub offset: Limits,
    /// Largest possible error in seconds.
    pub error: Limits,
    /// Seconds since the last good answer.
    pub age: Limits,
    /// Sources that agree.
    pub agreeing: Limits,
    /// Stratum.
    pub stratum: Limits,
}

/// What is known of a clock, from whatever source.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Facts {
    /// "synchronised to 192.0.2.1".
    pub summary: String,
    /// Why the clock is CRITICAL whatever the values.
    pub trouble: Option<String>,
    /// What is a WARNING whatever the values.
    pub faults: Option<String>,
    /// Seconds that the clock is ahead.
    pub offset_s: Option<f64>,
    /// Largest possible error in seconds.
    pub error_s: Option<f64>,
    /// Seconds since the last good answer.
    pub age_s: Option<f64>,
    /// Sources that agree.
    pub agreeing: Option<u32>,
    /// Stratum.
    pub stratum: Option<u32>,
}

/// The result of a check.
#[derive(Clone, PartialEq, Debug)]
pub struct CheckResult {
    /// How bad the state of the clock is.
    pub level: Level,
    /// One line with performance data, without its end.
    pub line: String,
}

impl Default for Thresholds {
    /// An error that matters to people, and a silence of more than four of the longest usual polls (2^10 s).
    fn default() -> Self {
        let limits = |warning: &str, critical: &str| Limits {
            warning: warning.parse().ok(),
            critical: critical.parse().ok(),
            is_explicit: false,
        };
        Thresholds {
            offset: limits("-0.1:0.1", "-0.5:0.5"),
            error: limits("0.5", "1.5"),
            age: limits("4200", "10800"),
            agreeing: Limits::default(),
            stratum: limits("1:15", "1:15"),
        }
    }
}

/// What a daemon's snapshot says.
pub fn facts(snapshot: &Snapshot) -> Facts {
    let tracking = &snapshot.tracking;
    let trouble = why_not(snapshot);
    let is_synchronised = trouble.is_none();
    let own = snapshot.status.as_ref();
    let youngest = snapshot.sources.iter().filter_map(|source| source.data.since_sample_s).min();
    let truechimer = |standing| matches!(standing, Standing::Selected | Standing::Combined | Standing::NotCombined);
    let counted = snapshot.sources.iter().filter(|source| truechimer(source.data.standing)).count();
    Facts {
        summary: format!("synchronised to {}", who(tracking.address, tracking.reference_id)),
        trouble: trouble.map(|reason| format!("not synchronised: {reason}")),
        faults: faults(snapshot),
        // The last values before synchronisation was lost say nothing of now.
        offset_s: is_synchronised.then_some(-tracking.correction_s),
        error_s: maximum_error_s(snapshot),
        age_s: own.map_or(youngest.map(f64::from), |status| status.last_answer_ago_s),
        agreeing: own.map_or(is_synchronised.then_some(counted as u32), |status| Some(status.agreeing.into())),
        stratum: is_synchronised.then_some(tracking.stratum.into()),
    }
}

/// Compares the facts with the limits.
pub fn judge(facts: &Facts, thresholds: &Thresholds) -> CheckResult {
    let Facts { summary, trouble, faults, offset_s, error_s, age_s, agreeing, stratum } = facts;
    let Thresholds { offset, error, age, agreeing: agreeing_limits, stratum: stratum_limits } = thresholds;
    let count = |n: &Option<u32>| n.map(f64::from);
    let values = [
        Judged { name: "offset", unit: "s", value: *offset_s, limits: offset, show: signed },
        Judged { name: "error", unit: "s", value: *error_s, limits: error, show: size },
        Judged { name: "age", unit: "s", value: *age_s, limits: age, show: whole_seconds },
        Judged { name: "agreeing", unit: "", value: count(agreeing), limits: agreeing_limits, show: plain },
        Judged { name: "stratum", unit: "", value: count(stratum), limits: stratum_limits, show: plain },
    ];
    let (mut level, said) = match (trouble, faults) {
        (Some(trouble), _) => (Level::Critical, trouble.clone()),
        (None, Some(faults)) => (Level::Warning, format!("{summary}, but {faults}")),
        (None, None) => (Level::Ok, summary.clone()),
    };
    // A bar would begin the performance data.
    let mut text = clean(&said).replace('|', "?");
    for value in &values {
        let (own, remark) = value.judge();
        level = worse(level, own);
        text.push_str(&remark);
    }
    let mut line = format!("CLOCK {}: {text} |", level.name());
    for value in &values {
        value.push_performance(&mut line);
    }
    CheckResult { level, line }
}

/// A value with its limits.
struct Judged<'a> {
    name: &'static str,
    unit: &'static str,
    value: Option<f64>,
    limits: &'a Limits,
    show: fn(f64) -> String,
}

impl Judged<'_> {
    /// How bad it is, and what there is to say.
    fn judge(&self) -> (Level, String) {
        let Some(value) = self.value.filter(|value| !value.is_nan()) else {
            let level = if self.limits.is_explicit { Level::Unknown } else { Level::Ok };
            return (level, format!(", {} unknown", self.name));
        };
        let outside = |range: &Option<Range>| range.as_ref().filter(|range| !range.is_in_order(value)).cloned();
        let shown = (self.show)(value);
        let found = outside(&self.limits.critical).map(|range| (Level::Critical, range));
        match found.or_else(|| outside(&self.limits.warning).map(|range| (Level::Warning, range))) {
            Some((level, range)) => (level, format!(", {} {shown} (limit {})", self.name, range.text)),
            None => (Level::Ok, format!(", {} {shown}", self.name)),
        }
    }

    /// `'label'=value[UOM];[warn];[crit]`; a value that is not known is `U`.
    fn push_performance(&self, line: &mut String) {
        let text = |range: &Option<Range>| range.as_ref().map_or(String::new(), |range| range.text.clone());
        let value = self.value.filter(|value| value.is_finite());
        let value = value.map_or("U".to_owned(), |value| format!("{}{}", nanos(value), self.unit));
        let _ = write!(line, " {}={value};{};{}", self.name, text(&self.limits.warning), text(&self.limits.critical));
    }
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Ok => "OK",
            Level::Warning => "WARNING",
            Level::Critical => "CRITICAL",
            Level::Unknown => "UNKNOWN",
        }
    }
}

/// Critical before warning before unknown: what is known to be wrong matters more than what is not known.
fn worse(one: Level, other: Level) -> Level {
    let rank = |level| match level {
        Level::Ok => 0,
        Level::Unknown => 1,
        Level::Warning => 2,
        Level::Critical => 3,
    };
    if rank(other) > rank(one) { other } else { one }
}

impl Range {
    fn is_in_order(&self, value: f64) -> bool {
        (self.start..=self.end).contains(&value) != self.is_inverted
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a range such as 10, 10:, ~:10, 10:20 or @10:20");
        let number = |part: &str| part.parse().ok().filter(|n: &f64| n.is_finite()).ok_or_else(wrong);
        let (is_inverted, bare) = text.strip_prefix('@').map_or((false, text), |bare| (true, bare));
        let (start, end) = bare.split_once(':').unwrap_or(("0", bare));
        let start = if start == "~" { f64::NEG_INFINITY } else { number(start)? };
        let end = if end.is_empty() && bare.contains(':') { f64::INFINITY } else { number(end)? };
        if start > end {
            return Err(wrong());
        }
        Ok(Range { start, end, is_inverted, text: text.to_owned() })
    }
}

/// Nine decimals at most.
fn nanos(value: f64) -> String {
    let text = format!("{value:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn whole_seconds(value: f64) -> String {
    format!("{value:.0}s")
}

fn plain(value: f64) -> String {
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_monitoring_plugins() {
        let in_order = |range: &str, value| range.parse::<Range>().map(|range| range.is_in_order(value));
        for (range, good, bad) in [
            ("10", [0.0, 10.0], [-0.1, 10.1]),
            ("10:", [10.0, 1e9], [9.9, -1.0]),
            ("~:10", [-1e9, 10.0], [10.1, 1e9]),
            ("10:20", [10.0, 20.0], [9.9, 20.1]),
            ("@10:20", [9.9, 20.1], [10.0, 20.0]),
            ("-0.1:0.1", [-0.1, 0.1], [-0.2, 0.2]),
        ] {
            assert_eq!(good.map(|value| in_order(range, value)), [Ok(true), Ok(true)], "{range}");
            assert_eq!(bad.map(|value| in_order(range, value)), [Ok(false), Ok(false)], "{range}");
        }
        for wrong in ["", ":", "20:10", "a", "1:b", "nan", "inf", "~", "@", "1:2:3", "~:~"] {
            assert!(wrong.parse::<Range>().is_err(), "{wrong}");
        }
    }
}
