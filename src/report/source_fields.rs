//! Every fact of one source: see [`super::fields`].

use crate::core::api::monitoring::{Address, AuthData, NtpData, SelectData, SourceData, SourceStats};
use crate::report::field::{Field, Layout, age, flag, number, ppm_of, seconds, time, total, whole, word};
use crate::report::fields::hexadecimal;
use crate::report::names::{
    auth_mode, leap_words, mode_words, option_letters, option_names, stamp_words, standing_words,
};
use crate::report::units::{letters, signed, signed_ppm, size, who};
use crate::wire::reference_id;

/// `sources`.
pub(super) const SOURCES: Layout = Layout {
    legend: "\
M         what it is: ^ a server, = a peer, # a clock of this machine
S         * followed, + combined with it, - not combined, x wrong by the vote,
          ~ varies too much, ? no usable answers yet
Name      address, or ID# of a name without an address; -N shows names
Stratum   servers between it and a reference clock, and one more
Poll      time between requests, as a power of 2 in seconds
Reach     the last 8 requests as an octal number: 377, all were answered
LastRx    time since the last good answer
Last sample
          the clock against it, corrected since [as measured] +/- error bound;
          positive: the clock is ahead

",
    head: "MS Name/IP address         Stratum Poll Reach LastRx Last sample               \n\
           ===============================================================================\n",
    text: "{mode}{standing} {title:<27}  {stratum:>2}  {poll:>2}   {reach:>3}  {since_sample:>4}  \
           {offset:>7}[{measured_offset:>7}] +/- {error:>6}\n",
    csv: "{mode},{standing},{title},{stratum},{poll},{reach},{since_sample},{offset},{measured_offset},{error}",
};

pub(crate) fn source_data(data: &SourceData) -> Vec<Field> {
    let is_measured = data.since_sample_s.is_some();
    let (standing, mark) = standing_words(data.standing);
    let (mode, mode_mark) = if matches!(data.address, Address::Clock(_)) { ("refclock", '#') } else { ("server", '^') };
    vec![
        word("address", who(data.address, 0), "Address of the source, or the reference ID of a reference clock"),
        word("mode", mode, "What the source is: server or refclock").cell(mode_mark),
        whole("poll", data.poll, "Interval between polls as a power of two of seconds"),
        whole("stratum", data.stratum, "Stratum of the source").only_if(is_measured),
        word("standing", standing, "What selection makes of the source").cell(mark),
        whole("reach", data.reach, "Outcomes of the last eight requests as bits, the latest is the lowest")
            .cell(format!("{:o}", data.reach)),
        age("since_sample", data.since_sample_s, "Time since the last good sample"),
        offset(
            "measured_offset",
            data.measured_offset_s,
            "The last sample as it was measured: positive, the clock was ahead",
        )
        .only_if(is_measured),
        offset(
            "offset",
            data.offset_s,
            "The last sample with the corrections since then: positive, the clock is ahead",
        )
        .only_if(is_measured),
        seconds("error", data.error_s, "Bound on the error of the last sample")
            .text(size(data.error_s))
            .only_if(is_measured),
    ]
}

/// `sourcestats`. The error of the offset is in `status`.
pub(super) const SOURCE_STATS: Layout = Layout {
    legend: "\
Name      address, or ID# of a name without an address; -N shows names
NP        samples that count
NR        runs of residuals of the same sign: few of them, the line fits badly
Span      time from the oldest of the samples to the newest
Frequency ppm that the clock gains on the source in spite of its correction
Freq Skew error bound of that in ppm
Offset    the clock against it, as estimated; positive: the clock is ahead
Std Dev   standard deviation of one sample

",
    head: "Name/IP Address            NP  NR  Span  Frequency  Freq Skew  Offset  Std Dev\n\
           ==============================================================================\n",
    text: "{title:<25} {samples:>3} {runs:>3}  {span:>4}{residual_frequency:>11}{skew:>11}{offset:>9}{sd:>8}\n",
    csv: "{title},{samples},{runs},{span},{residual_frequency},{skew},{offset},{sd}",
};

pub(crate) fn source_stats(data: &SourceStats) -> Vec<Field> {
    let is_measured = data.samples > 0;
    vec![
        word("reference_id", hexadecimal(data.reference_id), "Reference ID that stands for the source"),
        word("address", who(data.address, data.reference_id), "Address of the source"),
        whole("samples", data.samples, "Samples that count"),
        whole("runs", data.runs, "Runs of residuals of the same sign among them"),
        age("span", Some(data.span_s), "Time from the oldest sample to the newest").only_if(is_measured),
        seconds("sd", data.sd_s, "Standard deviation of a sample").text(size(data.sd_s)).only_if(is_measured),
        ppm_of("residual_frequency", data.residual_frequency_ppm, "By how much the clock gains on the source")
            .text(signed_ppm(data.residual_frequency_ppm))
            .only_if(is_measured),
        ppm_of("skew", data.skew_ppm, "Bound on the error of the residual frequency").only_if(is_measured),
        offset("offset", data.offset_s, "Estimated offset now: positive, the clock is ahead").only_if(is_measured),
        seconds("offset_error", data.offset_error_s, "Bound on the error of the estimated offset").only_if(is_measured),
    ]
}

/// `selectdata`.
pub(super) const SELECT_DATA: Layout = Layout {
    legend: "\
S         * followed, + combined with it, - not combined, x wrong by the vote,
          other letters: not selectable, chronyc(1) has the list
Name      address, or ID# of a name without an address; -N shows names
Auth      Y: its answers are authenticated
COpts     options of the configuration: N noselect, P prefer, T trust, R require
EOpts     options that hold, which orders may have changed
Last      age of its newest sample
Score     against the selected source: at 10 it takes over
Interval  the clock is ahead of it by at least and at most this
Leap      N none, + a second is inserted today, - one is left out, ? unknown

",
    head: "S Name/IP Address        Auth COpts EOpts Last Score     Interval  Leap\n\
           =======================================================================\n",
    text: "{state} {title:<25} {authenticated} {configured} {effective}{last_sample_ago:>5} {score:>5}\
           {low_limit:>8}{high_limit:>8}  {leap}\n",
    csv: "{state},{title},{authenticated},{configured},{effective},{last_sample_ago},{score},{low_limit},{high_limit},{leap}",
};

pub(crate) fn select_data(data: &SelectData) -> Vec<Field> {
    let is_measured = data.leap.is_some();
    let (leap, leap_letter, leap_text) = leap_words(data.leap);
    let options = |name, options, help| {
        let letters = option_letters(options);
        let columns: Vec<String> = letters.chars().map(String::from).collect();
        word(name, option_names(options), help).text(letters).csv(columns.join(","))
    };
    vec![
        word("reference_id", hexadecimal(data.reference_id), "Reference ID that stands for the source"),
        word("address", who(data.address, data.reference_id), "Address of the source"),
        word("state", data.state, "Letter of selectdata"),
        flag("authenticated", data.authenticated, "The answers of the source are authenticated")
            .cell(if data.authenticated { "Y" } else { "N" }),
        word("leap", leap, "What the source says of leap seconds").text(leap_letter).csv(leap_text),
        options("configured", data.configured, "Selection options of the configuration"),
        options("effective", data.effective, "Selection options that hold"),
        age("last_sample_ago", Some(data.last_sample_ago_s), "Age of the newest sample at the last selection")
            .only_if(is_measured),
        number("score", data.score, "How well it does against the selected source, 10 takes over").decimals(1),
        offset("low_limit", data.low_limit_s, "By this source the clock is ahead by at least this")
            .only_if(is_measured),
        offset("high_limit", data.high_limit_s, "By this source the clock is ahead by at most this")
            .only_if(is_measured),
    ]
}

const INTERLEAVED: u16 = 1 << 14;
const AUTHENTICATED: u16 = 1 << 15;

/// `ntpdata`.
pub(super) const NTP_DATA: Layout = Layout {
    legend: "",
    head: "",
    text: "Remote address  : {address}\n\
           Remote port     : {port}\n\
           Local address   : {local_address}\n\
           Leap status     : {leap}\n\
           Version         : {version}\n\
           Mode            : {mode}\n\
           Stratum         : {stratum}\n\
           Poll interval   : {poll}\n\
           Precision       : {precision}\n\
           Root delay      : {root_delay} seconds\n\
           Root dispersion : {root_dispersion} seconds\n\
           Reference ID    : {reference_id}\n\
           Reference time  : {reference_time}\n\
           Offset          : {offset} seconds\n\
           Peer delay      : {delay} seconds\n\
           Peer dispersion : {dispersion} seconds\n\
           Response time   : {response_time} seconds\n\
           Jitter asymmetry: {jitter_asymmetry}\n\
           NTP tests       : {tests}\n\
           Interleaved     : {interleaved}\n\
           Authenticated   : {authenticated}\n\
           TX timestamping : {sent_by}\n\
           RX timestamping : {received_by}\n\
           Total TX        : {sent}\n\
           Total RX        : {received}\n\
           Total valid RX  : {valid}\n\
           Total good RX   : {good}\n\
           {?kernel_sent}Total kernel TX : {kernel_sent}\n\
           Total kernel RX : {kernel_received}\n\
           Total HW TX     : {hardware_sent}\n\
           Total HW RX     : {hardware_received}\n",
    csv: "{address},{port},{local_address},{leap},{version},{mode},{stratum},{poll},{precision},{root_delay},\
          {root_dispersion},{reference_id},{reference_time},{offset},{delay},{dispersion},{response_time},\
          {jitter_asymmetry},{tests},{interleaved},{authenticated},{sent_by},{received_by},{sent},{received},{valid},\
          {good}{?kernel_sent},{kernel_sent},{kernel_received},{hardware_sent},{hardware_received}",
};

pub(crate) fn ntp_data(data: &NtpData) -> Vec<Field> {
    let is_heard = data.mode != 0;
    // chronyd before 4.6 counts no stamps and sends zeros. Four zeros are either that or a source that was never asked.
    let counts = [data.kernel_sent, data.kernel_received, data.hardware_sent, data.hardware_received];
    let stamped = |name, count: u32, help| total(name, count, help).only_if(counts != [0; 4]);
    let (leap, _, leap_text) = leap_words(data.leap);
    let (sent_by, sent_by_text) = stamp_words(data.sent_by);
    let (received_by, received_by_text) = stamp_words(data.received_by);
    let (id, tests) = (hexadecimal(data.reference_id), test_results(data.flags));
    // A primary server says in letters what it follows.
    let upstream = if data.stratum <= 1 { letters(data.reference_id) } else { String::new() };
    let power = |name, exponent: i8, digits: usize, help| {
        let interval_s = 2f64.powi(exponent.into());
        whole(name, exponent, help)
            .text(format!("{exponent} ({interval_s:.digits$} seconds)"))
            .csv(format!("{exponent},{interval_s:.digits$}"))
            .only_if(is_heard)
    };
    vec![
        address("address", data.address, "Address of the source"),
        address("local_address", data.local_address, "Address at which its last response arrived"),
        whole("port", data.port, "UDP port of the source"),
        word("leap", leap, "What its last response says of leap seconds").cell(leap_text).only_if(is_heard),
        whole("version", data.version, "NTP version of its last response").only_if(is_heard),
        whole("mode", data.mode, "Mode of its last response: 4 is a server, 0 before the first")
            .cell(mode_words(data.mode)),
        whole("stratum", data.stratum, "Stratum in its last response").only_if(is_heard),
        power("poll", data.poll, 0, "Interval between polls in its last response as a power of two of seconds"),
        power("precision", data.precision, 9, "Precision in its last response as a power of two of seconds"),
        seconds("root_delay", data.root_delay_s, "Root delay in its last response").decimals(6).only_if(is_heard),
        seconds("root_dispersion", data.root_dispersion_s, "Root dispersion in its last response")
            .decimals(6)
            .only_if(is_heard),
        word("reference_id", &*id, "What the source follows")
            .text(format!("{id} ({upstream})"))
            .csv(format!("{id},{upstream}"))
            .only_if(is_heard),
        time("reference_time", data.reference_time, "When the source was last corrected"),
        seconds("offset", data.offset_s, "Offset by its last response: positive, the clock is behind")
            .signed_text(9)
            .only_if(is_heard),
        seconds("delay", data.delay_s, "Round trip of its last response").only_if(is_heard),
        seconds("dispersion", data.dispersion_s, "Dispersion of its last response").only_if(is_heard),
        seconds("response_time", data.response_time_s, "How long the source took to answer").only_if(is_heard),
        number("jitter_asymmetry", data.jitter_asymmetry, "On which way the jitter is, -0.5 to 0.5")
            .decimals(2)
            .signed_text(2)
            .only_if(is_heard),
        word("tests", &*tests, "Tests of its last response, 1 is passed")
            .text(tests_apart(&tests, " "))
            .csv(tests_apart(&tests, ","))
            .only_if(is_heard),
        flag("interleaved", data.flags & INTERLEAVED != 0, "Its last response was interleaved").only_if(is_heard),
        flag("authenticated", data.flags & AUTHENTICATED != 0, "Its last response was authenticated").only_if(is_heard),
        word("sent_by", sent_by, "Who stamped the last request").cell(sent_by_text),
        word("received_by", received_by, "Who stamped the last response").cell(received_by_text),
        total("sent", data.total_sent, "Requests"),
        total("received", data.total_received, "Packets received"),
        total("valid", data.total_valid, "Valid responses"),
        total("good", data.total_good, "Accepted measurements"),
        stamped("kernel_sent", data.kernel_sent, "Requests with a time stamp of the kernel"),
        stamped("kernel_received", data.kernel_received, "Packets received with a time stamp of the kernel"),
        stamped("hardware_sent", data.hardware_sent, "Requests with a time stamp of the network card"),
        stamped("hardware_received", data.hardware_received, "Packets received with a time stamp of the network card"),
    ]
}

/// `authdata`.
pub(super) const AUTH_DATA: Layout = Layout {
    legend: "\
Name      address, or ID# of a name without an address; -N shows names
Mode      - none, SK symmetric key, NTS Network Time Security
KeyID     number of the key; with NTS, of the key establishment
Type      number of the algorithm
KLen      bits of the key
Last      time since the last NTS key establishment
Atmp      NTS key establishments tried since that one
NAK       1: since the last request the server has refused an NTS cookie
Cook      NTS cookies left
CLen      bytes of the next NTS cookie

",
    head: "Name/IP address             Mode KeyID Type KLen Last Atmp  NAK Cook CLen\n\
           =========================================================================\n",
    text: "{title:<27}{mode:>5}{key_id:>6} {key_type:>4} {key_length:>4} {last_success_ago:>4} {attempts:>4} {nak:>4} \
           {cookies:>4} {cookie_length:>4}\n",
    csv: "{title},{mode},{key_id},{key_type},{key_length},{last_success_ago},{attempts},{nak},{cookies},{cookie_length}",
};

pub(crate) fn auth_data(data: &AuthData) -> Vec<Field> {
    vec![
        whole("mode", data.mode, "0 none, 1 symmetric key, 2 NTS").cell(auth_mode(data.mode)),
        whole("key_type", data.key_type, "Algorithm of the key"),
        whole("key_id", data.key_id, "Number of the key, or of key establishments"),
        whole("key_length", data.key_length, "Bits of the key"),
        whole("attempts", data.attempts, "NTS key establishments tried since the last success"),
        age("last_success_ago", data.last_success_ago_s, "Time since the last NTS key establishment"),
        whole("cookies", data.cookies, "NTS cookies held"),
        whole("cookie_length", data.cookie_length, "Bytes of the next NTS cookie"),
        flag("nak", data.nak, "An NTS NAK was received since the last request").cell(u8::from(data.nak).to_string()),
    ]
}

/// An offset of the clock, which chronyc prints with a sign and in the unit that fits.
fn offset(name: &'static str, offset_s: f64, help: &'static str) -> Field {
    seconds(name, offset_s, help).text(signed(offset_s))
}

/// An address and the reference ID that stands for it.
fn address(name: &'static str, address: Address, help: &'static str) -> Field {
    let (text, id) = match address {
        Address::Unspecified => ("[UNSPEC]".to_owned(), 0),
        Address::Ip(ip) => (ip.to_string(), reference_id(ip)),
        Address::Id(_) => (who(address, 0), 0),
        Address::Clock(id) => (id.to_string(), id.bits()),
    };
    word(name, who(address, 0), help).text(format!("{text} ({id:08X})")).csv(format!("{text},{id:08X}"))
}

/// The ten tests, a `1` is passed.
fn test_results(flags: u16) -> String {
    (0..10).rev().map(|bit| if flags >> bit & 1 == 1 { '1' } else { '0' }).collect()
}

/// The tests in chronyc's groups: 1 to 3, 5 to 7, A to D.
fn tests_apart(tests: &str, between: &str) -> String {
    [&tests[..3], &tests[3..6], &tests[6..]].join(between)
}
