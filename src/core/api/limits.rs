//! The range of each value that people can give: in the configuration, and as an order of chronyc while slewd runs.
//!
//! `config` quotes these ranges in its tables, errors and manual. The engine applies them once more to every order.

use std::ops::RangeInclusive;

use crate::core::api::order::{Order, Parameter};
use crate::core::api::settings::{Host, MakeStep, SourceConfig, SourceOptions};
use crate::core::estimate::MAX_SOURCES;

/// Range of a real number.
pub type RealRange = (f64, f64);

/// `minpoll` and `maxpoll`, log2 of seconds.
pub const POLLS: RangeInclusive<i8> = -7..=24;
/// `maxdelay`, in seconds.
pub const DELAYS_S: RealRange = (0.0, 1000.0);
/// `maxdelayratio` and `maxdelaydevratio`.
pub const RATIOS: RealRange = (0.0, 1e6);
/// Seconds, ratios and ppm that have no other range: keeps arithmetic finite, harms nobody.
pub const ANY: RealRange = (0.0, 1e9);
/// The range of [`ANY`] with both signs: `offset`, in seconds.
pub const ANY_SIGN: RealRange = (-1e9, 1e9);
/// `hwtstimeout`: a card that has not stamped a packet after a second never will.
pub const STAMP_TIMEOUTS_S: RealRange = (0.0, 1.0);
/// Whole numbers that have no other range: up to the largest `int`, as in chrony.
pub const MAX_INT: i64 = i32::MAX as i64;
/// Samples that chronyd keeps of a source, and we keep for the next run.
pub const MAX_SAMPLES: u32 = 64;
/// The kernel cannot change the rate of its clock by more than a tenth (tick 9000 to 11000, adjtimex(2)).
pub const MAX_FREQUENCY: f64 = 0.1;

/// `maxdelayquant`, unless it is 0 for off.
const QUANTILES: RealRange = (0.05, 0.95);
/// `asymmetry` is estimated if it is beyond this.
const MAX_ASYMMETRY: f64 = 0.5;
/// `filter`, in polls.
const MAX_FILTER: u32 = 256;
/// `minstratum`. A server of stratum 16 does not know the time (RFC 5905 section 7.3).
const MAX_STRATUM: u8 = 15;
/// `version` of NTP.
const VERSIONS: RangeInclusive<u8> = 1..=4;
/// Longest name of a host (RFC 1035 section 2.3.4).
const MAX_NAME_LEN: usize = 255;

/// The value, brought into a range; `None` if it is not a number.
pub(in crate::core) fn within(value: f64, (min, max): RealRange) -> Option<f64> {
    (!value.is_nan()).then(|| value.clamp(min, max))
}

/// A `minpoll` or `maxpoll` that is in the range.
pub fn poll(exponent: i32) -> Option<i8> {
    i8::try_from(exponent).ok().filter(|poll| POLLS.contains(poll))
}

impl SourceOptions {
    /// The options, each brought into its range; `None` if one is not a number. A poll below the range is the default.
    pub fn within_limits(self) -> Option<SourceOptions> {
        let defaults = SourceOptions::default();
        let poll = |poll: i8, default| if poll < *POLLS.start() { default } else { poll.min(*POLLS.end()) };
        let min_poll = poll(self.min_poll, defaults.min_poll);
        let quantile = within(self.max_delay_quant, (0.0, 1.0))?;
        Some(SourceOptions {
            min_poll,
            max_poll: poll(self.max_poll, defaults.max_poll).max(min_poll),
            poll_target: self.poll_target.max(1),
            max_delay_s: within(self.max_delay_s, DELAYS_S)?,
            max_delay_ratio: within(self.max_delay_ratio, RATIOS)?,
            max_delay_dev_ratio: within(self.max_delay_dev_ratio, RATIOS)?,
            max_delay_quant: if quantile > 0.0 { within(quantile, QUANTILES)? } else { 0.0 },
            min_delay_s: within(self.min_delay_s, ANY)?,
            asymmetry: self.asymmetry.filter(|asymmetry| asymmetry.abs() <= MAX_ASYMMETRY),
            offset_s: within(self.offset_s, ANY_SIGN)?,
            min_samples: self.min_samples.map(|samples| samples.min(MAX_SAMPLES)),
            max_samples: self.max_samples.map(|samples| samples.min(MAX_SAMPLES)),
            filter: self.filter.min(MAX_FILTER),
            min_stratum: self.min_stratum.min(MAX_STRATUM),
            // Interleaved mode is defined for version 4 (RFC 9769 section 2).
            version: if self.xleave { 4 } else { self.version.clamp(*VERSIONS.start(), *VERSIONS.end()) },
            max_sources: self.max_sources.clamp(1, MAX_SOURCES),
            ..self
        })
    }
}

impl Order {
    /// The order with each value brought into its range, as chronyd does; `None` if one is not a number, or a name is
    /// none. A poll that is out of range stays: it changes nothing.
    pub fn within_limits(self) -> Option<Order> {
        Some(match self {
            Order::Change { source, parameter } => Order::Change { source, parameter: parameter.within_limits()? },
            Order::Add(line) if !is_host(&line.host) => return None,
            Order::Add(line) => {
                let SourceConfig { host, pool, options } = *line;
                Order::Add(Box::new(SourceConfig { host, pool, options: options.within_limits()? }))
            }
            Order::ReselectDistance(distance_s) => Order::ReselectDistance(within(distance_s, ANY)?),
            Order::SetMakeStep(MakeStep { threshold_s, limit }) => {
                Order::SetMakeStep(MakeStep { threshold_s: within(threshold_s, ANY)?, limit })
            }
            Order::MaxUpdateSkew(ppm) => Order::MaxUpdateSkew(within(ppm, ANY)?),
            other => other,
        })
    }
}

fn is_host(host: &Host) -> bool {
    let is_name = |name: &str| (1..=MAX_NAME_LEN).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_graphic());
    match host {
        Host::Address(_) => true,
        Host::Name(name) => is_name(name),
        // Nobody can order one.
        Host::Clock(_) => false,
    }
}

impl Parameter {
    fn within_limits(self) -> Option<Parameter> {
        Some(match self {
            Parameter::MaxDelay(seconds) => Parameter::MaxDelay(within(seconds, DELAYS_S)?),
            Parameter::MaxDelayRatio(ratio) => Parameter::MaxDelayRatio(within(ratio, RATIOS)?),
            Parameter::MaxDelayDevRatio(ratio) => Parameter::MaxDelayDevRatio(within(ratio, RATIOS)?),
            Parameter::MinStratum(stratum) => Parameter::MinStratum(stratum.clamp(0, MAX_STRATUM.into())),
            Parameter::PollTarget(samples) => Parameter::PollTarget(samples.max(1)),
            Parameter::Offset(seconds) => Parameter::Offset(within(seconds, ANY_SIGN)?),
            other @ (Parameter::MinPoll(_) | Parameter::MaxPoll(_) | Parameter::Select { .. }) => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::api::monitoring::Address;

    #[test]
    fn options_are_brought_into_their_ranges() {
        let wild = SourceOptions {
            min_poll: 7,
            max_poll: 5,
            max_delay_s: 5000.0,
            max_delay_quant: 1.0,
            asymmetry: Some(0.6),
            filter: 1000,
            max_samples: Some(100),
            min_stratum: 16,
            version: 3,
            xleave: true,
            max_sources: 100,
            ..SourceOptions::default()
        };
        let tame = SourceOptions {
            max_poll: 7,
            max_delay_s: 1000.0,
            max_delay_quant: 0.95,
            asymmetry: None,
            filter: 256,
            max_samples: Some(64),
            min_stratum: 15,
            version: 4,
            max_sources: 16,
            ..wild.clone()
        };
        assert_eq!(wild.within_limits(), Some(tame.clone()));
        assert_eq!(tame.clone().within_limits(), Some(tame.clone()));
        assert_eq!(SourceOptions { offset_s: f64::NAN, ..tame }.within_limits(), None);
        assert_eq!(SourceOptions::default().within_limits(), Some(SourceOptions::default()));
    }

    #[test]
    fn orders_are_brought_into_their_ranges() {
        let parameter = |parameter| match (Order::Change { source: Address::Id(1), parameter }).within_limits() {
            Some(Order::Change { parameter, .. }) => Some(parameter),
            _ => None,
        };
        assert_eq!(parameter(Parameter::MaxDelay(1e12)), Some(Parameter::MaxDelay(1000.0)));
        assert_eq!(parameter(Parameter::MaxDelayRatio(-1.0)), Some(Parameter::MaxDelayRatio(0.0)));
        assert_eq!(parameter(Parameter::PollTarget(i32::MIN)), Some(Parameter::PollTarget(1)));
        assert_eq!(parameter(Parameter::MinStratum(99)), Some(Parameter::MinStratum(15)));
        assert_eq!(parameter(Parameter::MinPoll(25)), Some(Parameter::MinPoll(25)));
        assert_eq!(parameter(Parameter::Offset(f64::NAN)), None);
        let line = |name: String| {
            Order::Add(Box::new(SourceConfig {
                host: Host::Name(name),
                pool: false,
                options: SourceOptions::default(),
            }))
        };
        assert!(line("a".repeat(255)).within_limits().is_some());
        for name in [String::new(), "a".repeat(256), "a b".to_owned(), "\u{1b}[2J".to_owned(), "ü".to_owned()] {
            assert_eq!(line(name.clone()).within_limits(), None, "{name:?}");
        }
    }
}
