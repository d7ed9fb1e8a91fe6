//! The table of source options: name, value, default, class, range and one line of documentation, each said once.

use super::directive::Class::{self, Planned, Used};
use super::directive::{manual, range_text};
use crate::core::api::limits::{ANY, ANY_SIGN, DELAYS_S, MAX_INT, RATIOS, RealRange};
use crate::core::api::settings::{Family, SourceOptions};

/// One option of `server` and `pool` lines: everything that the parser and the manual need to know about it.
#[derive(Clone, Copy, Debug)]
pub struct SourceOption {
    /// The name in lower case; case does not matter in a file.
    pub name: &'static str,
    /// The value, in the notation of manual pages; empty if there is none.
    pub value: &'static str,
    /// What holds without the option.
    pub default: &'static str,
    /// What becomes of the option here: [`Class::Used`] or [`Class::Planned`].
    pub class: Class,
    /// What the option does, in one line; empty in a release build.
    pub help: &'static str,
    pub(crate) syntax: OptionSyntax,
}

/// How the value is read, and where it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OptionSyntax {
    /// An option without a value.
    Flag(fn(&mut SourceOptions)),
    /// A whole number from the first to the second value.
    Int(i64, i64, fn(&mut SourceOptions, i64)),
    /// A real number, brought into the range.
    Real(RealRange, fn(&mut SourceOptions, f64)),
    /// One of these numbers in hexadecimal.
    Hex(&'static [u32]),
}

/// All source options, grouped by subject in the order of the manual.
pub fn source_options() -> impl Iterator<Item = &'static SourceOption> {
    OPTIONS.iter()
}

impl SourceOption {
    /// The option of this name, whatever its case.
    pub fn find(name: &str) -> Option<&'static SourceOption> {
        source_options().find(|option| option.name.eq_ignore_ascii_case(name))
    }

    /// The accepted values, for example `1 to 4`; `None` if the option takes none.
    pub fn range(&self) -> Option<String> {
        match self.syntax {
            OptionSyntax::Flag(_) => None,
            OptionSyntax::Int(min, max, _) => Some(range_text(min as f64, max as f64)),
            OptionSyntax::Real((min, max), _) => Some(range_text(min, max)),
            OptionSyntax::Hex(ids) => Some(ids.iter().map(|id| format!("{id:X}")).collect::<Vec<_>>().join(", ")),
        }
    }
}

use OptionSyntax::{Flag, Hex, Int, Real};

const fn option(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    class: Class,
    syntax: OptionSyntax,
    help: &'static str,
) -> SourceOption {
    SourceOption { name, value, default, class, help: manual(help), syntax }
}

#[rustfmt::skip]
static OPTIONS: &[SourceOption] = &[
    // When to ask.
    option("iburst", "", "off", Used, Flag(|o| o.iburst = true),
        "ask a few times in quick succession at the start"),
    option("burst", "", "off", Used, Flag(|o| o.burst = true),
        "ask a few times at each poll and use the best reply"),
    option("minpoll", "POLL", "6", Used, Int(-32, 32, |o, v| o.min_poll = v as i8),
        "shortest interval between polls, log2 of seconds; below -7 is 6, above 24 is 24; negative within 10 ms only"),
    option("maxpoll", "POLL", "10", Used, Int(-32, 32, |o, v| o.max_poll = v as i8),
        "longest interval between polls, log2 of seconds; below -7 is 10, above 24 is 24, never below minpoll"),
    option("polltarget", "SAMPLES", "8", Used, Int(1, MAX_INT, |o, v| o.poll_target = v as u32),
        "how many samples the interval between polls is adjusted to"),
    option("presend", "POLL", "off", Used, Int(-32, 32, |o, v| o.presend = v as i8),
        "wake up the path with an extra request when polls are this far apart, log2 of seconds"),
    option("offline", "", "online", Used, Flag(|o| o.offline = true),
        "do not ask until told to"),
    option("auto_offline", "", "off", Used, Flag(|o| o.auto_offline = true),
        "do not ask again after a request could not be sent, until told to"),

    // Which replies and samples count.
    option("maxdelay", "SECONDS", "3", Used, Real(DELAYS_S, |o, v| o.max_delay_s = v),
        "slower replies are not used"),
    option("maxdelayratio", "RATIO", "0", Used, Real(RATIOS, |o, v| o.max_delay_ratio = v),
        "replies that took this many times the shortest delay are not used; 0 for off"),
    option("maxdelaydevratio", "RATIO", "0", Used, Real(RATIOS, |o, v| o.max_delay_dev_ratio = v),
        "replies whose delay stands out from the noise by this factor are not used; 0 for off"),
    option("maxdelayquant", "QUANTILE", "off", Used,
        Real((0.0, 1.0), |o, v| o.max_delay_quant = v),
        "replies whose delay is above this quantile, 0.05 to 0.95, are not used; 0 for off"),
    option("mindelay", "SECONDS", "0", Used, Real(ANY, |o, v| o.min_delay_s = v),
        "shortest delay of the path, if it is known; 0 for unknown"),
    option("asymmetry", "RATIO", "estimated", Used,
        Real(ANY_SIGN, |o, v| o.asymmetry = Some(v)),
        "asymmetry of the network's jitter, -0.5 to 0.5; estimated if beyond that"),
    option("offset", "SECONDS", "0", Used, Real(ANY_SIGN, |o, v| o.offset_s = v),
        "correction added to each measured offset"),
    option("minsamples", "SAMPLES", "the directive", Used,
        Int(0, MAX_INT, |o, v| o.min_samples = Some(v as u32)),
        "smallest number of samples, instead of the directive minsamples"),
    option("maxsamples", "SAMPLES", "the directive", Used,
        Int(0, MAX_INT, |o, v| o.max_samples = Some(v as u32)),
        "largest number of samples, instead of the directive maxsamples; 0 for no limit"),
    option("maxunreach", "POLLS", "0", Used, Int(0, MAX_INT, |o, v| o.max_unreach = v as u32),
        "how many polls old replies still count after the last eight went unanswered"),
    option("filter", "POLLS", "0", Used, Int(0, MAX_INT, |o, v| o.filter = v as u32),
        "combine so many polls into one sample, at most 256; 0 for off"),

    // Selection.
    option("prefer", "", "off", Used, Flag(|o| o.prefer = true),
        "prefer this source to those without the option"),
    option("noselect", "", "off", Used, Flag(|o| o.no_select = true),
        "only measure this source, never use it"),
    option("trust", "", "off", Used, Flag(|o| o.trust = true),
        "sources without the option count only if they lie wholly within the interval of those with it"),
    option("require", "", "off", Used, Flag(|o| o.require = true),
        "do not touch the clock unless a source with this option is selectable"),
    option("minstratum", "STRATUM", "0", Used, Int(0, 16, |o, v| o.min_stratum = v as u8),
        "take the server's stratum for at least this"),

    // The protocol.
    option("xleave", "", "off", Used, Flag(|o| o.xleave = true),
        "use interleaved mode if the server can"),
    option("version", "VERSION", "4", Used, Int(1, 4, |o, v| (o.version, o.typed_version) = (v as u8, true)),
        "NTP version of requests"),
    option("port", "PORT", "123", Used, Int(0, 65535, |o, v| o.port = v as u16),
        "UDP port of the server"),
    option("ipv4", "", "both", Used, Flag(|o| o.family = Family::V4),
        "use only the IPv4 addresses of the name"),
    option("ipv6", "", "both", Used, Flag(|o| o.family = Family::V6),
        "use only the IPv6 addresses of the name"),
    option("maxsources", "SOURCES", "4", Used, Int(1, MAX_INT, |o, v| o.max_sources = v as usize),
        "how many sources a pool provides, at most 16"),
    option("extfield", "ID", "none", Planned, Hex(&[0xF323, 0xF324, 0x10A]),
        "use an NTP extension field"),
    option("copy", "", "off", Planned, Flag(|_| {}),
        "take over the server's reference ID and stratum"),

    // Authentication.
    option("key", "ID", "none", Used, Int(1, u32::MAX as i64, |o, v| o.key = Some(v as u32)),
        "authenticate with this key of the key file"),
    option("nts", "", "off", Used, Flag(|o| o.nts = true),
        "authenticate with Network Time Security"),
    option("ntsport", "PORT", "4460", Used, Int(0, 65535, |o, v| o.nts_port = v as u16),
        "TCP port of the NTS server"),
    option("certset", "SET", "0", Used, Int(0, u32::MAX as i64, |o, v| o.cert_set = v as u32),
        "set of certificates that the NTS server is checked with"),
];
