//! Ranges of what people order while slewd runs: those of the configuration, where `config` has made sure of them.

use std::ops::RangeInclusive;

use crate::core::api::settings::{Host, SourceConfig, SourceOptions};
use crate::core::estimate::MAX_SOURCES;

/// `minpoll` and `maxpoll`, log2 of seconds.
pub(in crate::core) const POLLS: RangeInclusive<i8> = -7..=24;
/// `maxdelay`.
pub(in crate::core) const DELAYS_S: (f64, f64) = (0.0, 1000.0);
/// `maxdelayratio`, `maxdelaydevratio`.
pub(in crate::core) const RATIOS: (f64, f64) = (0.0, 1e6);
/// What has no other range, such as `makestep`, `reselectdist` and, in ppm, `maxupdateskew`: keeps arithmetic finite,
/// harms nobody.
pub(in crate::core) const ANY: (f64, f64) = (0.0, 1e9);
/// `offset`.
pub(in crate::core) const OFFSETS_S: (f64, f64) = (-1e9, 1e9);

/// `maxdelayquant`, unless it is off.
const QUANTILES: (f64, f64) = (0.05, 0.95);
/// Samples that chronyd keeps of a source.
const MOST_SAMPLES: u32 = 64;
/// Longest filter.
const LONGEST_FILTER: u32 = 256;
/// Longest name of a host (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 255;

/// The value, brought into a range; `None` if it is not a number.
pub(in crate::core) fn within(value: f64, (min, max): (f64, f64)) -> Option<f64> {
    (!value.is_nan()).then(|| value.clamp(min, max))
}

/// A line as the configuration could have it; `None` if it could not.
pub(in crate::core) fn sane_line(line: SourceConfig) -> Option<SourceConfig> {
    if let Host::Name(name) = &line.host
        && (name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(|c| c.is_ascii_graphic()))
    {
        return None;
    }
    let (o, defaults) = (line.options, SourceOptions::default());
    let poll = |poll: i8, default| if poll < *POLLS.start() { default } else { poll.min(*POLLS.end()) };
    let min_poll = poll(o.min_poll, defaults.min_poll);
    let quantile = within(o.max_delay_quant, (0.0, 1.0))?;
    let options = SourceOptions {
        min_poll,
        max_poll: poll(o.max_poll, defaults.max_poll).max(min_poll),
        poll_target: o.poll_target.max(1),
        max_delay_s: within(o.max_delay_s, DELAYS_S)?,
        max_delay_ratio: within(o.max_delay_ratio, RATIOS)?,
        max_delay_dev_ratio: within(o.max_delay_dev_ratio, RATIOS)?,
        max_delay_quant: if quantile > 0.0 { within(quantile, QUANTILES)? } else { 0.0 },
        min_delay_s: within(o.min_delay_s, ANY)?,
        asymmetry: o.asymmetry.filter(|asymmetry| asymmetry.abs() <= 0.5),
        offset_s: within(o.offset_s, OFFSETS_S)?,
        min_samples: o.min_samples.map(|samples| samples.min(MOST_SAMPLES)),
        max_samples: o.max_samples.map(|samples| samples.min(MOST_SAMPLES)),
        filter: o.filter.min(LONGEST_FILTER),
        min_stratum: o.min_stratum.min(15),
        version: if o.xleave { 4 } else { o.version.clamp(1, 4) },
        max_sources: o.max_sources.clamp(1, MAX_SOURCES),
        ..o
    };
    Some(SourceConfig { options, ..line })
}
