//! The reports as `chronyc -c` prints them: comma-separated values, one line each.

use crate::core::api::monitoring::{
    Activity, AuthData, NtpData, SelectData, ServerStats, SourceData, SourceStats, Tracking,
};
use crate::core::api::snapshot::SourceReport;
use crate::report::table;
use crate::report::units::{ago_number, leap, title, unix_time, who, yes};

/// `tracking`. `name`: of the selected source, if names are wanted.
pub fn tracking(tracking: &Tracking, name: Option<&str>) -> String {
    let Tracking {
        reference_id,
        address,
        stratum,
        leap: leap_status,
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
    let who = name.map_or_else(|| who(address, reference_id), str::to_owned);
    format!(
        "{reference_id:08X},{who},{stratum},{},{correction_s:.9},{last_offset_s:.9},{rms_offset_s:.9},\
         {frequency_ppm:.3},{residual_frequency_ppm:.3},{skew_ppm:.3},{root_delay_s:.9},{root_dispersion_s:.9},\
         {update_interval_s:.1},{}\n",
        unix_time(reference_time),
        leap(leap_status),
    )
}

/// `activity`.
pub fn activity(activity: &Activity) -> String {
    let Activity { online, offline, burst_online, burst_offline, unresolved } = *activity;
    format!("{online},{offline},{burst_online},{burst_offline},{unresolved}\n")
}

/// A line of `sources`.
pub fn source(source: &SourceReport, by_name: bool) -> String {
    let SourceData { address, poll, stratum, standing, reach, since_sample_s, measured_offset_s, offset_s, error_s } =
        source.data;
    format!(
        "^,{},{},{stratum},{poll},{reach:o},{},{offset_s:.9},{measured_offset_s:.9},{error_s:.9}\n",
        table::standing_mark(standing),
        title(source, by_name, address, 0),
        ago_number(since_sample_s),
    )
}

/// A line of `sourcestats`.
pub fn source_stats(source: &SourceReport, by_name: bool) -> String {
    // What chronyc leaves out is in `status -c`.
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
        offset_error_s: _,
    } = source.stats;
    let name = title(source, by_name, address, reference_id);
    format!("{name},{samples},{runs},{span_s},{residual_frequency_ppm:.3},{skew_ppm:.3},{offset_s:.9},{sd_s:.9}\n")
}

/// A line of `selectdata`; nothing if that is not known.
pub fn select_data(source: &SourceReport, by_name: bool) -> String {
    let Some(data) = source.selection else { return String::new() };
    let SelectData {
        reference_id,
        address,
        state,
        authenticated,
        leap: leap_status,
        configured,
        effective,
        last_sample_ago_s,
        score,
        low_limit_s,
        high_limit_s,
    } = data;
    let name = title(source, by_name, address, reference_id);
    let mut line = format!("{state},{name},{}", if authenticated { 'Y' } else { 'N' });
    for letter in table::option_letters(configured).into_iter().chain(table::option_letters(effective)) {
        line.push(',');
        line.push(letter);
    }
    let leap = leap(leap_status);
    line + &format!(",{last_sample_ago_s},{score:.1},{low_limit_s:.9},{high_limit_s:.9},{leap}\n")
}

/// A line of `authdata`; nothing if that is not known.
pub fn auth_data(source: &SourceReport, by_name: bool) -> String {
    let Some(data) = source.authentication else { return String::new() };
    let AuthData { mode, key_type, key_id, key_length, attempts, last_success_ago_s, cookies, cookie_length, nak } =
        data;
    let name = title(source, by_name, source.data.address, 0);
    let (mode, ago, nak) = (table::auth_mode(mode), ago_number(last_success_ago_s), u16::from(nak));
    format!("{name},{mode},{key_id},{key_type},{key_length},{ago},{attempts},{nak},{cookies},{cookie_length}\n")
}

/// `serverstats`: what a client has of it.
pub fn server_stats(stats: &ServerStats) -> String {
    let ServerStats { command_hits, command_drops } = *stats;
    format!("{command_hits},{command_drops}\n")
}

/// One source of `ntpdata`.
pub fn ntp_data(data: &NtpData) -> String {
    let NtpData {
        address,
        local_address,
        port,
        leap: leap_status,
        version,
        mode,
        stratum,
        poll,
        precision,
        root_delay_s,
        root_dispersion_s,
        reference_id: upstream,
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
    let tests = table::tests(flags);
    let mut line = format!(
        "{},{:08X},{port},{},{:08X},{},{version},{},{stratum},{poll},{:.0},{precision},{:.9},\
         {root_delay_s:.6},{root_dispersion_s:.6},{upstream:08X},{},{},",
        table::plain_address(address),
        table::own_id(address),
        table::plain_address(local_address),
        table::own_id(local_address),
        leap(leap_status),
        table::mode_name(mode),
        table::power_of_two(poll),
        table::power_of_two(precision),
        table::upstream_letters(stratum, upstream),
        unix_time(reference_time),
    );
    line += &format!(
        "{offset_s:.9},{delay_s:.9},{dispersion_s:.9},{response_time_s:.9},{jitter_asymmetry:.2},{},{},{},{},{},{},{},\
         {total_sent},{total_received},{total_valid},{total_good}",
        &tests[..3],
        &tests[3..6],
        &tests[6..],
        yes(flags & table::INTERLEAVED != 0),
        yes(flags & table::AUTHENTICATED != 0),
        table::stamp_name(sent_by),
        table::stamp_name(received_by),
    );
    for count in table::stamp_counts(data).into_iter().flatten() {
        line += &format!(",{count}");
    }
    line.push('\n');
    line
}
