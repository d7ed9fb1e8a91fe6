//! chronyc's reports, to the byte (chronyc(1)): people compare them, and scripts cut them by column.

use std::fmt::Write;

use crate::core::api::monitoring::{
    Activity, Address, AuthData, NtpData, SelectData, SelectOptions, ServerStats, SourceData, SourceStats, StampedBy,
    Standing, Tracking,
};
use crate::core::api::snapshot::SourceReport;
use crate::report::units::{self, ago, leap_letter, left, right, signed, signed_ppm, size, title, yes};
use crate::wire::reference_id;

/// `tracking`. `name`: of the selected source, if names are wanted.
pub fn tracking(tracking: &Tracking, name: Option<&str>) -> String {
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
    let who = name.map_or_else(|| units::who(address, reference_id), str::to_owned);
    let side = if correction_s > 0.0 { "slow" } else { "fast" };
    let speed = if frequency_ppm > 0.0 { "fast" } else { "slow" };
    format!(
        "Reference ID    : {reference_id:08X} ({who})\n\
         Stratum         : {stratum}\n\
         Ref time (UTC)  : {}\n\
         System time     : {:.9} seconds {side} of NTP time\n\
         Last offset     : {last_offset_s:+.9} seconds\n\
         RMS offset      : {rms_offset_s:.9} seconds\n\
         Frequency       : {:.3} ppm {speed}\n\
         Residual freq   : {residual_frequency_ppm:+.3} ppm\n\
         Skew            : {skew_ppm:.3} ppm\n\
         Root delay      : {root_delay_s:.9} seconds\n\
         Root dispersion : {root_dispersion_s:.9} seconds\n\
         Update interval : {update_interval_s:.1} seconds\n\
         Leap status     : {}\n",
        units::moment(reference_time),
        correction_s.abs(),
        frequency_ppm.abs(),
        units::leap(leap),
    )
}

/// `activity`.
pub fn activity(activity: &Activity) -> String {
    let Activity { online, offline, burst_online, burst_offline, unresolved } = *activity;
    format!(
        "200 OK\n{online} sources online\n{offline} sources offline\n\
         {burst_online} sources doing burst (return to online)\n\
         {burst_offline} sources doing burst (return to offline)\n\
         {unresolved} sources with unknown address\n"
    )
}

/// The head of `sources`.
pub const SOURCES: &str = concat!(
    "MS Name/IP address         Stratum Poll Reach LastRx Last sample               \n",
    "===============================================================================\n"
);

/// A line of `sources`.
pub fn source(source: &SourceReport, by_name: bool) -> String {
    let SourceData { address, poll, stratum, standing, reach, since_sample_s, measured_offset_s, offset_s, error_s } =
        source.data;
    let mut line = String::new();
    let name = title(source, by_name, address, 0);
    let _ = write!(line, "^{} {name:<27}  {stratum:>2}  {poll:>2}   {reach:>3o}", standing_mark(standing));
    let _ = writeln!(
        line,
        "  {:>4}  {:>7}[{:>7}] +/- {:>6}",
        ago(since_sample_s),
        signed(offset_s),
        signed(measured_offset_s),
        size(error_s)
    );
    line
}

/// The head of `sourcestats`.
pub const SOURCE_STATS: &str = concat!(
    "Name/IP Address            NP  NR  Span  Frequency  Freq Skew  Offset  Std Dev\n",
    "==============================================================================\n"
);

/// A line of `sourcestats`.
pub fn source_stats(source: &SourceReport, by_name: bool) -> String {
    // The error of the offset is in `status`.
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
    let mut line = String::new();
    let name = title(source, by_name, address, reference_id);
    let _ = write!(line, "{name:<25} {samples:>3} {runs:>3}  {:>4}", ago(Some(span_s)));
    right(&mut line, 11, &signed_ppm(residual_frequency_ppm));
    right(&mut line, 11, &units::ppm(skew_ppm));
    right(&mut line, 9, &signed(offset_s));
    right(&mut line, 8, &size(sd_s));
    line.push('\n');
    line
}

/// The head of `selectdata`.
pub const SELECT_DATA: &str = concat!(
    "S Name/IP Address        Auth COpts EOpts Last Score     Interval  Leap\n",
    "=======================================================================\n"
);

/// A line of `selectdata`; nothing if that is not known.
pub fn select_data(source: &SourceReport, by_name: bool) -> String {
    let Some(data) = source.selection else { return String::new() };
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
    } = data;
    let name = title(source, by_name, address, reference_id);
    let mut line = String::new();
    let authenticated = if authenticated { 'Y' } else { 'N' };
    let leap = leap_letter(leap);
    let _ = write!(line, "{state} {name:<25} {authenticated} ");
    line.extend(option_letters(configured));
    line.push(' ');
    line.extend(option_letters(effective));
    right(&mut line, 5, &ago(Some(last_sample_ago_s)));
    let _ = write!(line, " {score:>5.1}");
    right(&mut line, 8, &signed(low_limit_s));
    right(&mut line, 8, &signed(high_limit_s));
    let _ = writeln!(line, "  {leap}");
    line
}

/// Five columns, of which the last has no meaning.
pub(super) fn option_letters(options: SelectOptions) -> [char; 5] {
    let letter = |bit, letter| if options.0 & bit != 0 { letter } else { '-' };
    [
        letter(SelectOptions::NO_SELECT, 'N'),
        letter(SelectOptions::PREFER, 'P'),
        letter(SelectOptions::TRUST, 'T'),
        letter(SelectOptions::REQUIRE, 'R'),
        '-',
    ]
}

/// The head of `authdata`.
pub const AUTH_DATA: &str = concat!(
    "Name/IP address             Mode KeyID Type KLen Last Atmp  NAK Cook CLen\n",
    "=========================================================================\n"
);

/// A line of `authdata`; nothing if that is not known.
pub fn auth_data(source: &SourceReport, by_name: bool) -> String {
    let Some(data) = source.authentication else { return String::new() };
    let AuthData { mode, key_type, key_id, key_length, attempts, last_success_ago_s, cookies, cookie_length, nak } =
        data;
    let name = title(source, by_name, source.data.address, 0);
    let mut line = String::new();
    left(&mut line, 27, &name);
    right(&mut line, 5, auth_mode(mode));
    right(&mut line, 6, &key_id.to_string());
    let ago = ago(last_success_ago_s);
    let nak = u16::from(nak);
    let _ = writeln!(
        line,
        " {key_type:>4} {key_length:>4} {ago:>4} {attempts:>4} {nak:>4} {cookies:>4} {cookie_length:>4}"
    );
    line
}

pub(super) fn auth_mode(mode: u16) -> &'static str {
    match mode {
        0 => "-",
        AuthData::SYMMETRIC_KEY => "SK",
        AuthData::NTS => "NTS",
        _ => "?",
    }
}

/// `serverstats`: what a client has of it.
pub fn server_stats(stats: &ServerStats) -> String {
    let ServerStats { command_hits, command_drops } = *stats;
    format!("Command packets received   : {command_hits}\nCommand packets dropped    : {command_drops}\n")
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
    let tests = tests(flags);
    let (first, second, third) = (&tests[..3], &tests[3..6], &tests[6..]);
    let mut text = format!(
        "Remote address  : {} ({:08X})\n\
         Remote port     : {port}\n\
         Local address   : {} ({:08X})\n\
         Leap status     : {}\n\
         Version         : {version}\n\
         Mode            : {}\n\
         Stratum         : {stratum}\n\
         Poll interval   : {poll} ({:.0} seconds)\n\
         Precision       : {precision} ({:.9} seconds)\n\
         Root delay      : {root_delay_s:.6} seconds\n\
         Root dispersion : {root_dispersion_s:.6} seconds\n\
         Reference ID    : {upstream:08X} ({})\n\
         Reference time  : {}\n",
        plain_address(address),
        own_id(address),
        plain_address(local_address),
        own_id(local_address),
        units::leap(leap_status),
        mode_name(mode),
        power_of_two(poll),
        power_of_two(precision),
        upstream_letters(stratum, upstream),
        units::moment(reference_time),
    );
    let _ = write!(
        text,
        "Offset          : {offset_s:+.9} seconds\n\
         Peer delay      : {delay_s:.9} seconds\n\
         Peer dispersion : {dispersion_s:.9} seconds\n\
         Response time   : {response_time_s:.9} seconds\n\
         Jitter asymmetry: {jitter_asymmetry:+.2}\n\
         NTP tests       : {first} {second} {third}\n\
         Interleaved     : {}\n\
         Authenticated   : {}\n\
         TX timestamping : {}\n\
         RX timestamping : {}\n\
         Total TX        : {total_sent}\n\
         Total RX        : {total_received}\n\
         Total valid RX  : {total_valid}\n\
         Total good RX   : {total_good}\n",
        yes(flags & INTERLEAVED != 0),
        yes(flags & AUTHENTICATED != 0),
        stamp_name(sent_by),
        stamp_name(received_by),
    );
    if let Some([kernel_sent, kernel_received, hardware_sent, hardware_received]) = stamp_counts(data) {
        let _ = write!(
            text,
            "Total kernel TX : {kernel_sent}\n\
             Total kernel RX : {kernel_received}\n\
             Total HW TX     : {hardware_sent}\n\
             Total HW RX     : {hardware_received}\n"
        );
    }
    text
}

pub(super) const INTERLEAVED: u16 = 1 << 14;
pub(super) const AUTHENTICATED: u16 = 1 << 15;

/// How many packets had which stamps. chronyd before 4.6 does not count them and so says nothing: four zeros are either
/// that or a source that was never asked.
pub(super) fn stamp_counts(data: &NtpData) -> Option<[u32; 4]> {
    let counts = [data.kernel_sent, data.kernel_received, data.hardware_sent, data.hardware_received];
    counts.iter().any(|count| *count > 0).then_some(counts)
}

/// The ten tests, a `1` is passed.
pub(super) fn tests(flags: u16) -> String {
    (0..10).rev().map(|bit| if flags >> bit & 1 == 1 { '1' } else { '0' }).collect()
}

pub(super) fn plain_address(address: Address) -> String {
    match address {
        Address::Unspecified => "[UNSPEC]".to_owned(),
        other => units::who(other, 0),
    }
}

/// The reference ID that stands for an address.
pub(super) fn own_id(address: Address) -> u32 {
    match address {
        Address::Ip(ip) => reference_id(ip),
        Address::Unspecified | Address::Id(_) => 0,
    }
}

pub(super) fn power_of_two(exponent: i8) -> f64 {
    2f64.powi(exponent.into())
}

/// A primary server says in letters what it follows.
pub(super) fn upstream_letters(stratum: u8, reference_id: u32) -> String {
    if stratum <= 1 { units::letters(reference_id) } else { String::new() }
}

pub(super) fn mode_name(mode: u8) -> &'static str {
    match mode {
        1 => "Symmetric active",
        2 => "Symmetric passive",
        4 => "Server",
        _ => "Invalid",
    }
}

pub(super) fn stamp_name(by: StampedBy) -> &'static str {
    match by {
        StampedBy::Nobody => "Invalid",
        StampedBy::Daemon => "Daemon",
        StampedBy::Kernel => "Kernel",
        StampedBy::Hardware => "Hardware",
    }
}

/// The mark beside a source.
pub fn standing_mark(standing: Standing) -> char {
    match standing {
        Standing::Selected => '*',
        Standing::Unselectable => '?',
        Standing::Falseticker => 'x',
        Standing::Jittery => '~',
        Standing::Combined => '+',
        Standing::NotCombined => '-',
    }
}
