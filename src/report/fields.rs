//! Every fact of a snapshot with its name, unit and meaning: JSON, metrics and the values of `status -c` are made from this.
//!
//! Each report is taken apart without `..`, so that a new field does not compile until it has a place here.

use crate::core::api::monitoring::{Activity, Address, ServerStats, Status, Tracking};
use crate::core::api::snapshot::{Snapshot, SourceReport};
use crate::report::names::{flaw_name, hindrance_name, leap_name};
use crate::report::source_fields::{auth_data, ntp_data, select_data, source_data, source_stats};
use crate::report::units::who;
use crate::time::Utc;

/// One fact.
pub(crate) struct Field {
    /// Without its unit.
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) value: Value,
    /// What it means; starts with a capital and ends without a full stop.
    pub(crate) help: &'static str,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A number, a word or a yes or no.
    None,
    Seconds,
    /// Parts per million; a ratio among metrics.
    Ppm,
    /// Things that happened since the start.
    Total,
}

/// A value, or that it is not known.
pub(crate) enum Value {
    Unknown,
    Flag(bool),
    Whole(i64),
    Number(f64),
    Word(String),
    Moment(Utc),
}

impl Field {
    /// The protocol has a number for everything, also where there is nothing to be told yet.
    pub(super) fn only_if(self, is_known: bool) -> Field {
        if is_known { self } else { Field { value: Value::Unknown, ..self } }
    }
}

/// What a snapshot is made of, by the name of the part. The parts of one source have the same names for every source.
pub(crate) struct Parts {
    pub(crate) whole: Vec<Part>,
    pub(crate) sources: Vec<Vec<Part>>,
}

/// The name of a part and what is in it; `None` if that is not known.
pub(crate) type Part = (&'static str, Option<Vec<Field>>);

/// What a source is called in the configuration.
pub(crate) fn name(source: &SourceReport) -> Field {
    word("name", &*source.name, "Name or address as configured")
}

/// Takes a snapshot apart.
pub(crate) fn parts(snapshot: &Snapshot) -> Parts {
    let Snapshot { tracking: clock, status: own, activity: asked, server: control, sources } = snapshot;
    Parts {
        whole: vec![
            ("status", own.as_ref().map(status)),
            ("tracking", Some(tracking(clock))),
            ("activity", Some(activity(asked))),
            ("server", control.as_ref().map(server_stats)),
        ],
        sources: sources.iter().map(source_parts).collect(),
    }
}

fn source_parts(source: &SourceReport) -> Vec<Part> {
    let SourceReport { name: _, data, stats, selection, ntp, authentication, flaw } = source;
    let mut measured = source_data(data);
    measured.push(word("flaw", flaw.map_or("none", flaw_name), "Why the source is of no use, if it is not"));
    vec![
        ("source", Some(measured)),
        ("stats", Some(source_stats(stats))),
        ("selection", selection.as_ref().map(select_data)),
        ("ntp", ntp.as_ref().map(ntp_data)),
        ("authentication", authentication.as_ref().map(auth_data)),
    ]
}

pub(super) fn field(name: &'static str, unit: Unit, value: Value, help: &'static str) -> Field {
    Field { name, unit, value, help }
}

pub(super) fn seconds(name: &'static str, value: impl Into<Option<f64>>, help: &'static str) -> Field {
    field(name, Unit::Seconds, value.into().map_or(Value::Unknown, Value::Number), help)
}

pub(super) fn ppm(name: &'static str, value: f64, help: &'static str) -> Field {
    field(name, Unit::Ppm, Value::Number(value), help)
}

pub(super) fn whole(name: &'static str, value: impl Into<i64>, help: &'static str) -> Field {
    field(name, Unit::None, Value::Whole(value.into()), help)
}

pub(super) fn total(name: &'static str, value: impl Into<i64>, help: &'static str) -> Field {
    field(name, Unit::Total, Value::Whole(value.into()), help)
}

pub(super) fn flag(name: &'static str, value: bool, help: &'static str) -> Field {
    field(name, Unit::None, Value::Flag(value), help)
}

pub(super) fn word(name: &'static str, value: impl Into<String>, help: &'static str) -> Field {
    field(name, Unit::None, Value::Word(value.into()), help)
}

pub(super) fn moment(name: &'static str, value: Option<Utc>, help: &'static str) -> Field {
    field(name, Unit::None, value.map_or(Value::Unknown, Value::Moment), help)
}

/// An age in whole seconds.
pub(super) fn age(name: &'static str, value: Option<u32>, help: &'static str) -> Field {
    field(name, Unit::Seconds, value.map_or(Value::Unknown, |value| Value::Whole(value.into())), help)
}

pub(super) fn hexadecimal(id: u32) -> String {
    format!("{id:08X}")
}

pub(crate) fn status(status: &Status) -> Vec<Field> {
    let Status {
        synchronised,
        hindrance,
        controls_clock,
        estimated_error_s,
        maximum_error_s,
        agreeing,
        voters,
        last_answer_ago_s,
        next_poll_s,
        set_ago_s,
        uptime_s,
        steps,
        last_step_s,
        last_step_ago_s,
        foreign_changes,
        version,
        // Told with each source.
        flaws: _,
    } = status;
    vec![
        flag("synchronised", *synchronised, "The sources agree and the clock follows them"),
        word("hindrance", hindrance_name(*hindrance), "What stands between the clock and the sources"),
        flag("controls_clock", *controls_clock, "The clock is steered, not only observed"),
        seconds("estimated_error", *estimated_error_s, "Expected error of the clock, standard deviation"),
        seconds("maximum_error", *maximum_error_s, "Largest possible error of the clock, by what servers promise"),
        whole("agreeing", *agreeing, "Sources that agree with each other"),
        whole("voters", *voters, "Sources that had a vote"),
        seconds("last_answer_ago", *last_answer_ago_s, "Time since the last good answer of any source"),
        seconds("next_poll", *next_poll_s, "Time until the next request"),
        seconds("set_ago", *set_ago_s, "Time since the clock was first set"),
        seconds("uptime", *uptime_s, "Time since the start of the daemon"),
        total("steps", *steps, "Steps of the clock"),
        seconds("last_step", *last_step_s, "Size of the last step, positive is forward"),
        seconds("last_step_ago", *last_step_ago_s, "Time since the last step"),
        total("foreign_changes", *foreign_changes, "Changes of the clock by other programs"),
        word("version", version.as_str(), "Version of the daemon"),
    ]
}

pub(crate) fn tracking(tracking: &Tracking) -> Vec<Field> {
    let Tracking {
        reference_id,
        address,
        stratum,
        leap,
        reference_time,
        correction_s,
        last_offset_s,
        rms_offset_s,
        frequency_ppm,
        residual_frequency_ppm,
        skew_ppm,
        root_delay_s,
        root_dispersion_s,
        update_interval_s,
    } = *tracking;
    let is_synchronised = reference_id != 0 || address != Address::Unspecified;
    // After a loss of synchronisation these two stay.
    let was_corrected = rms_offset_s != 0.0;
    vec![
        word("reference_id", hexadecimal(reference_id), "Reference ID of the selected source"),
        word("address", who(address, reference_id), "Address of the selected source"),
        whole("stratum", stratum, "Stratum of this clock").only_if(is_synchronised),
        word("leap", leap_name(leap), "Leap second at the end of this day"),
        moment("reference_time", reference_time, "Time of the last correction"),
        seconds("correction", correction_s, "What is still to be slewed: positive, the clock is behind"),
        seconds("last_offset", last_offset_s, "Offset at the last correction: positive, the clock was ahead")
            .only_if(was_corrected),
        seconds("rms_offset", rms_offset_s, "Long-term root mean square of the offsets").only_if(was_corrected),
        ppm("frequency", frequency_ppm, "How fast the clock would run if left alone: positive is fast"),
        ppm(
            "residual_frequency",
            residual_frequency_ppm,
            "By how much the clock is too fast in spite of the correction",
        )
        .only_if(is_synchronised),
        ppm("skew", skew_ppm, "Bound on the error of the frequency").only_if(is_synchronised),
        seconds("root_delay", root_delay_s, "Round trip to the primary reference").only_if(is_synchronised),
        seconds("root_dispersion", root_dispersion_s, "Error accumulated from the primary reference")
            .only_if(is_synchronised),
        seconds("update_interval", update_interval_s, "Time between the last two corrections"),
    ]
}

pub(crate) fn activity(activity: &Activity) -> Vec<Field> {
    let Activity { online, offline, burst_online, burst_offline, unresolved } = *activity;
    vec![
        whole("online", online, "Sources that are asked"),
        whole("offline", offline, "Sources that are not asked"),
        whole("burst_online", burst_online, "Sources in a burst that are asked afterwards"),
        whole("burst_offline", burst_offline, "Sources in a burst that are not asked afterwards"),
        whole("unresolved", unresolved, "Names without an address"),
    ]
}

pub(crate) fn server_stats(stats: &ServerStats) -> Vec<Field> {
    let ServerStats { command_hits, command_drops } = *stats;
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    vec![
        total("command_hits", count(command_hits), "Control requests answered"),
        total("command_drops", count(command_drops), "Control requests dropped"),
    ]
}
