//! Every fact of one source: see [`super::fields`].

use crate::core::api::monitoring::{AuthData, NtpData, SelectData, SourceData, SourceStats};
use crate::report::fields::{
    Field, Unit, Value, age, field, flag, hexadecimal, moment, ppm, seconds, total, whole, word,
};
use crate::report::names::{leap_name, option_names, stamp_name, standing_name};
use crate::report::table;
use crate::report::units::who;

pub(crate) fn source_data(data: &SourceData) -> Vec<Field> {
    let SourceData { address, poll, stratum, standing, reach, since_sample_s, measured_offset_s, offset_s, error_s } =
        *data;
    let is_measured = since_sample_s.is_some();
    vec![
        word("address", who(address, 0), "Address of the source"),
        whole("poll", poll, "Interval between polls as a power of two of seconds"),
        whole("stratum", stratum, "Stratum of the source").only_if(is_measured),
        word("standing", standing_name(standing), "What selection makes of the source"),
        whole("reach", reach, "Outcomes of the last eight requests as bits, the latest is the lowest"),
        age("since_sample", since_sample_s, "Time since the last good sample"),
        seconds(
            "measured_offset",
            measured_offset_s,
            "The last sample as it was measured: positive, the clock was ahead",
        )
        .only_if(is_measured),
        seconds("offset", offset_s, "The last sample with the corrections since then: positive, the clock is ahead")
            .only_if(is_measured),
        seconds("error", error_s, "Bound on the error of the last sample").only_if(is_measured),
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
    let is_measured = samples > 0;
    vec![
        word("reference_id", hexadecimal(reference_id), "Reference ID that stands for the source"),
        word("address", who(address, reference_id), "Address of the source"),
        whole("samples", samples, "Samples that count"),
        whole("runs", runs, "Runs of residuals of the same sign among them"),
        age("span", Some(span_s), "Time from the oldest sample to the newest").only_if(is_measured),
        seconds("sd", sd_s, "Standard deviation of a sample").only_if(is_measured),
        ppm("residual_frequency", residual_frequency_ppm, "By how much the clock gains on the source")
            .only_if(is_measured),
        ppm("skew", skew_ppm, "Bound on the error of the residual frequency").only_if(is_measured),
        seconds("offset", offset_s, "Estimated offset now: positive, the clock is ahead").only_if(is_measured),
        seconds("offset_error", offset_error_s, "Bound on the error of the estimated offset").only_if(is_measured),
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
    let is_measured = leap.is_some();
    vec![
        word("reference_id", hexadecimal(reference_id), "Reference ID that stands for the source"),
        word("address", who(address, reference_id), "Address of the source"),
        word("state", state, "Letter of selectdata"),
        flag("authenticated", authenticated, "The answers of the source are authenticated"),
        word("leap", leap_name(leap), "What the source says of leap seconds"),
        word("configured", option_names(configured), "Selection options of the configuration"),
        word("effective", option_names(effective), "Selection options that hold"),
        age("last_sample_ago", Some(last_sample_ago_s), "Age of the newest sample at the last selection")
            .only_if(is_measured),
        field("score", Unit::None, Value::Number(score), "How well it does against the selected source, 10 takes over"),
        seconds("low_limit", low_limit_s, "By this source the clock is ahead by at least this").only_if(is_measured),
        seconds("high_limit", high_limit_s, "By this source the clock is ahead by at most this").only_if(is_measured),
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
    let is_heard = mode != 0;
    vec![
        word("address", who(address, 0), "Address of the source"),
        word("local_address", who(local_address, 0), "Address at which its last response arrived"),
        whole("port", port, "UDP port of the source"),
        word("leap", leap_name(leap), "What its last response says of leap seconds").only_if(is_heard),
        whole("version", version, "NTP version of its last response").only_if(is_heard),
        whole("mode", mode, "Mode of its last response: 4 is a server, 0 before the first"),
        whole("stratum", stratum, "Stratum in its last response").only_if(is_heard),
        whole("poll", poll, "Interval between polls in its last response as a power of two of seconds")
            .only_if(is_heard),
        whole("precision", precision, "Precision in its last response as a power of two of seconds").only_if(is_heard),
        seconds("root_delay", root_delay_s, "Root delay in its last response").only_if(is_heard),
        seconds("root_dispersion", root_dispersion_s, "Root dispersion in its last response").only_if(is_heard),
        word("reference_id", hexadecimal(reference_id), "What the source follows").only_if(is_heard),
        moment("reference_time", reference_time, "When the source was last corrected"),
        seconds("offset", offset_s, "Offset by its last response: positive, the clock is behind").only_if(is_heard),
        seconds("delay", delay_s, "Round trip of its last response").only_if(is_heard),
        seconds("dispersion", dispersion_s, "Dispersion of its last response").only_if(is_heard),
        seconds("response_time", response_time_s, "How long the source took to answer").only_if(is_heard),
        field(
            "jitter_asymmetry",
            Unit::None,
            Value::Number(jitter_asymmetry),
            "On which way the jitter is, -0.5 to 0.5",
        )
        .only_if(is_heard),
        word("tests", table::tests(flags), "Tests of its last response, 1 is passed").only_if(is_heard),
        flag("interleaved", flags & table::INTERLEAVED != 0, "Its last response was interleaved").only_if(is_heard),
        flag("authenticated", flags & table::AUTHENTICATED != 0, "Its last response was authenticated")
            .only_if(is_heard),
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
