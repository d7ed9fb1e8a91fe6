//! Every fact of a snapshot with its name, unit and meaning: JSON, metrics and the values of `status -c` are made from this.
//!
//! Each report is taken apart without `..`, so that a new field does not compile until it has a place here.

use crate::core::snapshot::{Snapshot, SourceReport};
use crate::report::names::{hindrance_name, leap_name, option_names, stamp_name, standing_name};
use crate::report::table;
use crate::report::units::who;
use crate::time::Utc;
use crate::wire::cmdmon::report::{
    Activity, AuthData, NtpData, SelectData, ServerStats, SourceData, SourceStats, Status, Tracking,
};

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
    let SourceReport { name: _, data, stats, selection, ntp, authentication } = source;
    vec![
        ("source", Some(source_data(data))),
        ("stats", Some(source_stats(stats))),
        ("selection", selection.as_ref().map(select_data)),
        ("ntp", ntp.as_ref().map(ntp_data)),
        ("authentication", authentication.as_ref().map(auth_data)),
    ]
}

fn field(name: &'static str, unit: Unit, value: Value, help: &'static str) -> Field {
    Field { name, unit, value, help }
}

fn seconds(name: &'static str, value: impl Into<Option<f64>>, help: &'static str) -> Field {
    field(name, Unit::Seconds, value.into().map_or(Value::Unknown, Value::Number), help)
}

fn ppm(name: &'static str, value: f64, help: &'static str) -> Field {
    field(name, Unit::Ppm, Value::Number(value), help)
}

fn whole(name: &'static str, value: impl Into<i64>, help: &'static str) -> Field {
    field(name, Unit::None, Value::Whole(value.into()), help)
}

fn total(name: &'static str, value: impl Into<i64>, help: &'static str) -> Field {
    field(name, Unit::Total, Value::Whole(value.into()), help)
}

fn flag(name: &'static str, value: bool, help: &'static str) -> Field {
    field(name, Unit::None, Value::Flag(value), help)
}

fn word(name: &'static str, value: impl Into<String>, help: &'static str) -> Field {
    field(name, Unit::None, Value::Word(value.into()), help)
}

fn moment(name: &'static str, value: Option<Utc>, help: &'static str) -> Field {
    field(name, Unit::None, value.map_or(Value::Unknown, Value::Moment), help)
}

/// An age in whole seconds.
fn age(name: &'static str, value: Option<u32>, help: &'static str) -> Field {
    field(name, Unit::Seconds, value.map_or(Value::Unknown, |value| Value::Whole(value.into())), help)
}

fn hexadecimal(id: u32) -> String {
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
    vec![
        word("reference_id", hexadecimal(reference_id), "Reference ID of the selected source"),
        word("address", who(address, reference_id), "Address of the selected source"),
        whole("stratum", stratum, "Stratum of this clock, 0 if not synchronised"),
        word("leap", leap_name(leap), "Leap second at the end of this day"),
        moment("reference_time", reference_time, "Time of the last correction"),
        seconds("correction", correction_s, "What is still to be slewed: positive, the clock is behind"),
        seconds("last_offset", last_offset_s, "Offset at the last correction: positive, the clock was ahead"),
        seconds("rms_offset", rms_offset_s, "Long-term root mean square of the offsets"),
        ppm("frequency", frequency_ppm, "How fast the clock would run if left alone: positive is fast"),
        ppm(
            "residual_frequency",
            residual_frequency_ppm,
            "By how much the clock is too fast in spite of the correction",
        ),
        ppm("skew", skew_ppm, "Bound on the error of the frequency"),
        seconds("root_delay", root_delay_s, "Round trip to the primary reference"),
        seconds("root_dispersion", root_dispersion_s, "Error accumulated from the primary reference"),
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

pub(crate) fn source_data(data: &SourceData) -> Vec<Field> {
    let SourceData { address, poll, stratum, standing, reach, since_sample_s, measured_offset_s, offset_s, error_s } =
        *data;
    vec![
        word("address", who(address, 0), "Address of the source"),
        whole("poll", poll, "Interval between polls as a power of two of seconds"),
        whole("stratum", stratum, "Stratum of the source, 0 before the first sample"),
        word("standing", standing_name(standing), "What selection makes of the source"),
        whole("reach", reach, "Outcomes of the last eight requests as bits, the latest is the lowest"),
        age("since_sample", since_sample_s, "Time since the last good sample"),
        seconds(
            "measured_offset",
            measured_offset_s,
            "The last sample as it was measured: positive, the clock was ahead",
        ),
        seconds("offset", offset_s, "The last sample with the corrections since then: positive, the clock is ahead"),
        seconds("error", error_s, "Bound on the error of the last sample"),
    ]
}

pub(crate) fn source_stats(stats: &SourceStats) -> Vec<Field> {
    let SourceStats {
        reference_id,
        address,
        samples,
        runs,
        span_s,
        sd_s,
        residual_frequency_ppm,
        skew_ppm,
        offset_s,
        offset_error_s,
    } = *stats;
    vec![
        word("reference_id", hexadecimal(reference_id), "Reference ID that stands for the source"),
        word("address", who(address, reference_id), "Address of the source"),
        whole("samples", samples, "Samples that count"),
        whole("runs", runs, "Runs of residuals of the same sign among them"),
        age("span", Some(span_s), "Time from the oldest sample to the newest"),
        seconds("sd", sd_s, "Standard deviation of a sample"),
        ppm("residual_frequency", residual_frequency_ppm, "By how much the clock gains on the source"),
        ppm("skew", skew_ppm, "Bound on the error of the residual frequency"),
        seconds("offset", offset_s, "Estimated offset now: positive, the clock is ahead"),
        seconds("offset_error", offset_error_s, "Bound on the error of the estimated offset"),
    ]
}

pub(crate) fn select_data(data: &SelectData) -> Vec<Field> {
    let SelectData {
        reference_id,
        address,
        state,
        authenticated,
        leap,
        configured,
        effective,
        last_sample_ago_s,
        score,
        low_limit_s,
        high_limit_s,
    } = *data;
    vec![
        word("reference_id", hexadecimal(reference_id), "Reference ID that stands for the source"),
        word("address", who(address, reference_id), "Address of the source"),
        word("state", state, "Letter of selectdata"),
        flag("authenticated", authenticated, "The answers of the source are authenticated"),
        word("leap", leap_name(leap), "What the source says of leap seconds"),
        word("configured", option_names(configured), "Selection options of the configuration"),
        word("effective", option_names(effective), "Selection options that hold"),
        age("last_sample_ago", Some(last_sample_ago_s), "Age of the newest sample at the last selection"),
        field("score", Unit::None, Value::Number(score), "How well it does against the selected source, 10 takes over"),
        seconds("low_limit", low_limit_s, "By this source the clock is ahead by at least this"),
        seconds("high_limit", high_limit_s, "By this source the clock is ahead by at most this"),
    ]
}

pub(crate) fn ntp_data(data: &NtpData) -> Vec<Field> {
    let NtpData {
        address,
        local_address,
        port,
        leap,
        version,
        mode,
        stratum,
        poll,
        precision,
        root_delay_s,
        root_dispersion_s,
        reference_id,
        reference_time,
        offset_s,
        delay_s,
        dispersion_s,
        response_time_s,
        jitter_asymmetry,
        flags,
        sent_by,
        received_by,
        total_sent,
        total_received,
        total_valid,
        total_good,
        kernel_sent: _,
        kernel_received: _,
        hardware_sent: _,
        hardware_received: _,
    } = *data;
    let counts = table::stamp_counts(data);
    let stamped = |name, which: usize, help| {
        let count = counts.and_then(|counts| counts.get(which).copied());
        field(name, Unit::Total, count.map_or(Value::Unknown, |count| Value::Whole(count.into())), help)
    };
    vec![
        word("address", who(address, 0), "Address of the source"),
        word("local_address", who(local_address, 0), "Address at which its last response arrived"),
        whole("port", port, "UDP port of the source"),
        word("leap", leap_name(leap), "What its last response says of leap seconds"),
        whole("version", version, "NTP version of its last response"),
        whole("mode", mode, "Mode of its last response: 4 is a server, 0 before the first"),
        whole("stratum", stratum, "Stratum in its last response"),
        whole("poll", poll, "Interval between polls in its last response as a power of two of seconds"),
        whole("precision", precision, "Precision in its last response as a power of two of seconds"),
        seconds("root_delay", root_delay_s, "Root delay in its last response"),
        seconds("root_dispersion", root_dispersion_s, "Root dispersion in its last response"),
        word("reference_id", hexadecimal(reference_id), "What the source follows"),
        moment("reference_time", reference_time, "When the source was last corrected"),
        seconds("offset", offset_s, "Offset by its last response: positive, the clock is behind"),
        seconds("delay", delay_s, "Round trip of its last response"),
        seconds("dispersion", dispersion_s, "Dispersion of its last response"),
        seconds("response_time", response_time_s, "How long the source took to answer"),
        field(
            "jitter_asymmetry",
            Unit::None,
            Value::Number(jitter_asymmetry),
            "On which way the jitter is, -0.5 to 0.5",
        ),
        word("tests", table::tests(flags), "Tests of its last response, 1 is passed"),
        flag("interleaved", flags & table::INTERLEAVED != 0, "Its last response was interleaved"),
        flag("authenticated", flags & table::AUTHENTICATED != 0, "Its last response was authenticated"),
        word("sent_by", stamp_name(sent_by), "Who stamped the last request"),
        word("received_by", stamp_name(received_by), "Who stamped the last response"),
        total("sent", total_sent, "Requests"),
        total("received", total_received, "Packets received"),
        total("valid", total_valid, "Valid responses"),
        total("good", total_good, "Accepted measurements"),
        stamped("kernel_sent", 0, "Requests with a time stamp of the kernel"),
        stamped("kernel_received", 1, "Packets received with a time stamp of the kernel"),
        stamped("hardware_sent", 2, "Requests with a time stamp of the network card"),
        stamped("hardware_received", 3, "Packets received with a time stamp of the network card"),
    ]
}

pub(crate) fn auth_data(data: &AuthData) -> Vec<Field> {
    let AuthData { mode, key_type, key_id, key_length, attempts, last_success_ago_s, cookies, cookie_length, nak } =
        *data;
    vec![
        whole("mode", mode, "0 none, 1 symmetric key, 2 NTS"),
        whole("key_type", key_type, "Algorithm of the key"),
        whole("key_id", key_id, "Number of the key, or of key establishments"),
        whole("key_length", key_length, "Bits of the key"),
        whole("attempts", attempts, "NTS key establishments tried since the last success"),
        age("last_success_ago", last_success_ago_s, "Time since the last NTS key establishment"),
        whole("cookies", cookies, "NTS cookies held"),
        whole("cookie_length", cookie_length, "Bytes of the next NTS cookie"),
        flag("nak", nak, "An NTS NAK was received since the last request"),
    ]
}
