//! Every fact of a snapshot: text, CSV, JSON, metrics and the values of `status -c` are made from these lists.
//!
//! `tests/report_fields.rs` fails for a field of a report that has no place here.

use crate::core::api::monitoring::{Activity, Address, ServerStats, Status, Tracking};
use crate::core::api::snapshot::{Snapshot, SourceReport};
use crate::report::field::{Field, Layout, flag, ppm_of, seconds, time, total, whole, word};
use crate::report::names::{flaw_words, hindrance_words, leap_words};
use crate::report::source_fields::{auth_data, ntp_data, select_data, source_data, source_stats};
use crate::report::units::who;

/// What a snapshot is made of, by the name of the part. The parts of one source have the same names for every source.
pub(crate) struct SnapshotParts {
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
pub(crate) fn parts(snapshot: &Snapshot) -> SnapshotParts {
    let Snapshot { tracking: clock, status: own, activity: asked, server: control, sources } = snapshot;
    SnapshotParts {
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
    measured.push(word(
        "flaw",
        flaw.map_or("none", |flaw| flaw_words(flaw).0),
        "Why the source is of no use, if it is not",
    ));
    vec![
        ("source", Some(measured)),
        ("stats", Some(source_stats(stats))),
        ("selection", selection.as_ref().map(select_data)),
        ("ntp", ntp.as_ref().map(ntp_data)),
        ("authentication", authentication.as_ref().map(auth_data)),
    ]
}

pub(super) fn hexadecimal(id: u32) -> String {
    format!("{id:08X}")
}

pub(crate) fn status(status: &Status) -> Vec<Field> {
    // Flaws are told with each source.
    vec![
        flag("synchronised", status.synchronised, "The sources agree and the clock follows them"),
        word("hindrance", hindrance_words(status.hindrance).0, "What stands between the clock and the sources"),
        flag("controls_clock", status.controls_clock, "The clock is steered, not only observed"),
        seconds("estimated_error", status.estimated_error_s, "Expected error of the clock, standard deviation"),
        seconds(
            "maximum_error",
            status.maximum_error_s,
            "Largest possible error of the clock, by what servers promise",
        ),
        whole("agreeing", status.agreeing, "Sources that agree with each other"),
        whole("voters", status.voters, "Sources that had a vote"),
        seconds("last_answer_ago", status.last_answer_ago_s, "Time since the last good answer of any source"),
        seconds("next_poll", status.next_poll_s, "Time until the next request"),
        seconds("set_ago", status.set_ago_s, "Time since the clock was first set"),
        seconds("uptime", status.uptime_s, "Time since the start of the daemon"),
        total("steps", status.steps, "Steps of the clock"),
        seconds("last_step", status.last_step_s, "Size of the last step, positive is forward"),
        seconds("last_step_ago", status.last_step_ago_s, "Time since the last step"),
        total("foreign_changes", status.foreign_changes, "Changes of the clock by other programs"),
        word("version", status.version.as_str(), "Version of the daemon"),
    ]
}

/// `tracking`. The title is the address or the name of the selected source.
pub(super) const TRACKING: Layout = Layout {
    legend: "",
    head: "",
    text: "Reference ID    : {reference_id} ({title})\n\
           Stratum         : {stratum}\n\
           Ref time (UTC)  : {reference_time}\n\
           System time     : {correction} of NTP time\n\
           Last offset     : {last_offset} seconds\n\
           RMS offset      : {rms_offset} seconds\n\
           Frequency       : {frequency}\n\
           Residual freq   : {residual_frequency} ppm\n\
           Skew            : {skew} ppm\n\
           Root delay      : {root_delay} seconds\n\
           Root dispersion : {root_dispersion} seconds\n\
           Update interval : {update_interval} seconds\n\
           Leap status     : {leap}\n",
    csv: "{reference_id},{title},{stratum},{reference_time},{correction},{last_offset},{rms_offset},{frequency},\
          {residual_frequency},{skew},{root_delay},{root_dispersion},{update_interval},{leap}",
};

pub(crate) fn tracking(data: &Tracking) -> Vec<Field> {
    let is_synchronised = data.reference_id != 0 || data.address != Address::Unspecified;
    // After a loss of synchronisation the offsets stay.
    let was_corrected = data.rms_offset_s != 0.0;
    let (leap, _, leap_text) = leap_words(data.leap);
    let side = if data.correction_s > 0.0 { "slow" } else { "fast" };
    let speed = if data.frequency_ppm > 0.0 { "fast" } else { "slow" };
    vec![
        word("reference_id", hexadecimal(data.reference_id), "Reference ID of the selected source"),
        word("address", who(data.address, data.reference_id), "Address of the selected source"),
        whole("stratum", data.stratum, "Stratum of this clock").only_if(is_synchronised),
        word("leap", leap, "Leap second at the end of this day").cell(leap_text),
        time("reference_time", data.reference_time, "Time of the last correction"),
        seconds("correction", data.correction_s, "What is still to be slewed: positive, the clock is behind")
            .text(format!("{:.9} seconds {side}", data.correction_s.abs())),
        seconds("last_offset", data.last_offset_s, "Offset at the last correction: positive, the clock was ahead")
            .signed_text(9)
            .only_if(was_corrected),
        seconds("rms_offset", data.rms_offset_s, "Long-term root mean square of the offsets").only_if(was_corrected),
        ppm_of("frequency", data.frequency_ppm, "How fast the clock would run if left alone: positive is fast")
            .text(format!("{:.3} ppm {speed}", data.frequency_ppm.abs())),
        ppm_of(
            "residual_frequency",
            data.residual_frequency_ppm,
            "By how much the clock is too fast in spite of the correction",
        )
        .signed_text(3)
        .only_if(is_synchronised),
        ppm_of("skew", data.skew_ppm, "Bound on the error of the frequency").decimals(3).only_if(is_synchronised),
        seconds("root_delay", data.root_delay_s, "Round trip to the primary reference").only_if(is_synchronised),
        seconds("root_dispersion", data.root_dispersion_s, "Error accumulated from the primary reference")
            .only_if(is_synchronised),
        seconds("update_interval", data.update_interval_s, "Time between the last two corrections").decimals(1),
    ]
}

/// `activity`.
pub(super) const ACTIVITY: Layout = Layout {
    legend: "",
    head: "",
    text: "200 OK\n\
           {online} sources online\n\
           {offline} sources offline\n\
           {burst_online} sources doing burst (return to online)\n\
           {burst_offline} sources doing burst (return to offline)\n\
           {unresolved} sources with unknown address\n",
    csv: "{online},{offline},{burst_online},{burst_offline},{unresolved}",
};

pub(crate) fn activity(activity: &Activity) -> Vec<Field> {
    vec![
        whole("online", activity.online, "Sources that are asked"),
        whole("offline", activity.offline, "Sources that are not asked"),
        whole("burst_online", activity.burst_online, "Sources in a burst that are asked afterwards"),
        whole("burst_offline", activity.burst_offline, "Sources in a burst that are not asked afterwards"),
        whole("unresolved", activity.unresolved, "Names without an address"),
    ]
}

/// `serverstats`: what a client has of it.
pub(super) const SERVER_STATS: Layout = Layout {
    legend: "",
    head: "",
    text: "Command packets received   : {command_hits}\nCommand packets dropped    : {command_drops}\n",
    csv: "{command_hits},{command_drops}",
};

pub(crate) fn server_stats(stats: &ServerStats) -> Vec<Field> {
    let count =
        |name, count: u64, help| total(name, i64::try_from(count).unwrap_or(i64::MAX), help).cell(count.to_string());
    vec![
        count("command_hits", stats.command_hits, "Control requests answered"),
        count("command_drops", stats.command_drops, "Control requests dropped"),
    ]
}
