//! The table of the options of `refclock` lines: name, value, default, class, range and one line of documentation.

use super::directive::Class::{self, Planned, Used};
use super::directive::range_text;
use crate::core::api::limits::{ANY, MAX_INT, MAX_SAMPLES};
use crate::core::api::reference_clock::ClockConfig;
use crate::core::api::source_id::ReferenceId;

/// One option of `refclock` lines: everything that the parser and the manual need to know about it.
#[derive(Clone, Copy, Debug)]
pub struct RefclockOption {
    /// The name in lower case; case does not matter in a file.
    pub name: &'static str,
    /// The value, in the notation of manual pages; empty if there is none.
    pub value: &'static str,
    /// What holds without the option.
    pub default: &'static str,
    /// What becomes of the option here: [`Class::Used`] or [`Class::Planned`].
    pub class: Class,
    /// What the option does, in one line.
    pub help: &'static str,
    pub(crate) syntax: RefclockSyntax,
}

/// How the value is read, and where it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RefclockSyntax {
    /// No value.
    Flag(fn(&mut ClockConfig)),
    /// A whole number from the first to the second value.
    Int(i64, i64, fn(&mut ClockConfig, i64)),
    /// A real number, brought into the range from the first to the second value.
    Real(f64, f64, fn(&mut ClockConfig, f64)),
    /// A reference ID.
    Id(fn(&mut ClockConfig, ReferenceId)),
}

/// All options of `refclock` lines, grouped by subject in the order of the manual.
pub fn refclock_options() -> impl Iterator<Item = &'static RefclockOption> {
    OPTIONS.iter()
}

impl RefclockOption {
    /// The option of this name, whatever its case.
    pub fn find(name: &str) -> Option<&'static RefclockOption> {
        refclock_options().find(|option| option.name.eq_ignore_ascii_case(name))
    }

    /// The accepted values, for example `0 to 15`; `None` if the option takes no number.
    pub fn range(&self) -> Option<String> {
        match self.syntax {
            RefclockSyntax::Flag(_) | RefclockSyntax::Id(_) => None,
            RefclockSyntax::Int(min, max, _) => Some(range_text(min as f64, max as f64)),
            RefclockSyntax::Real(min, max, _) => Some(range_text(min, max)),
        }
    }
}

use RefclockSyntax::{Flag, Id, Int, Real};

/// Largest value that is taken for a number of seconds.
const HUGE: f64 = ANY.1;
/// Samples that chronyd keeps of a source.
const SAMPLES: i64 = MAX_SAMPLES as i64;
/// Longest filter.
const FILTER: i64 = 256;
/// Most pulses in a second that a clock can be told by.
const RATE: i64 = 1_000_000;

const fn option(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    class: Class,
    syntax: RefclockSyntax,
    help: &'static str,
) -> RefclockOption {
    RefclockOption { name, value, default, class, help, syntax }
}

#[rustfmt::skip]
static OPTIONS: &[RefclockOption] = &[
    // When to read.
    option("poll", "POLL", "4", Used, Int(-32, 32, |c, v| c.poll = v as i8),
        "a sample is made of the readings of so long, log2 of seconds, -7 to 24"),
    option("dpoll", "POLL", "0", Used, Int(-32, 32, |c, v| c.dpoll = v as i8),
        "how often the device is read, log2 of seconds, -7 to 24 and at most poll; a SOCK is heard at any time"),
    option("filter", "READINGS", "64", Used, Int(0, MAX_INT, |c, v| c.filter = v.clamp(1, FILTER) as usize),
        "of the readings of a poll so many are kept, at most 256; the 60 % nearest to the median make the sample"),

    // What it is called.
    option("refid", "ID", "three letters of the driver and a number", Used, Id(|c, v| c.id = v),
        "what the clock is called, one to four characters"),

    // Pulses.
    option("lock", "ID", "none", Used, Id(|c, v| (c.lock, c.pps) = (Some(v), true)),
        "pulses get their seconds from the reference clock of this refid, instead of all sources together"),
    option("rate", "HZ", "1", Used, Int(1, MAX_INT, |c, v| c.rate = v.min(RATE) as u32),
        "pulses in a second"),
    option("maxlockage", "PULSES", "2", Used, Int(0, MAX_INT, |c, v| c.max_lock_age = v.max(1) as u32),
        "what tells the seconds of a pulse may be older than it by so many pulses"),
    option("width", "SECONDS", "0", Used, Real(0.0, 1.0, |c, v| c.width_s = v),
        "width of the pulses, if the device reports both edges: only one of them counts; 0 if it reports one"),
    option("pps", "", "off", Used, Flag(|c| c.pps = true),
        "of what the device says only the fraction of a second counts"),

    // What its time is worth.
    option("offset", "SECONDS", "0", Used, Real(-HUGE, HUGE, |c, v| c.options.offset_s = v),
        "correction added to each measured offset"),
    option("delay", "SECONDS", "1e-9", Used, Real(0.0, HUGE, |c, v| c.delay_s = v),
        "twice what may be wrong with the time of the device for good"),
    option("precision", "SECONDS", "that of the device or the clock", Used,
        Real(0.0, HUGE, |c, v| c.precision_s = (v > 0.0).then_some(v)),
        "how precise a reading is"),
    option("maxdispersion", "SECONDS", "0", Used,
        Real(0.0, HUGE, |c, v| c.max_dispersion_s = (v > 0.0).then_some(v)),
        "samples whose readings scatter more are not used; 0 for no limit"),
    option("stratum", "STRATUM", "0", Used, Int(0, 15, |c, v| c.stratum = v as u8),
        "stratum of the clock"),
    option("tai", "", "off", Used, Flag(|c| c.tai = true),
        "the device keeps TAI instead of UTC; needs leapseclist or leapsectz"),
    option("local", "", "off", Planned, Flag(|c| c.options.no_select = true),
        "the device has no right time, only a steady rate: it is measured and not used"),
    option("minsamples", "SAMPLES", "the directive", Used,
        Int(0, MAX_INT, |c, v| c.options.min_samples = Some(v.min(SAMPLES) as u32)),
        "smallest number of samples, instead of the directive minsamples"),
    option("maxsamples", "SAMPLES", "the directive", Used,
        Int(0, MAX_INT, |c, v| c.options.max_samples = Some(v.min(SAMPLES) as u32)),
        "largest number of samples, instead of the directive maxsamples; 0 for no limit"),
    option("maxunreach", "POLLS", "100000", Used, Int(0, MAX_INT, |c, v| c.options.max_unreach = v as u32),
        "how many polls old samples still count after the last eight brought none"),

    // Selection.
    option("prefer", "", "off", Used, Flag(|c| c.options.prefer = true),
        "prefer this source to those without the option"),
    option("noselect", "", "off", Used, Flag(|c| c.options.no_select = true),
        "only measure this source, never use it"),
    option("trust", "", "off", Used, Flag(|c| c.options.trust = true),
        "sources without the option count only if they lie wholly within the interval of those with it"),
    option("require", "", "off", Used, Flag(|c| c.options.require = true),
        "do not touch the clock unless a source with this option is selectable"),
];
