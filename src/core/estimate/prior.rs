//! What is believed of the oscillator before the first sample.

use crate::time::{DAY_S, Span};

/// Any crystal in a computer is within 100 ppm of its label.
const UNKNOWN_SD: f64 = 1e-4;
/// Deviation added for a boot at another temperature.
const COLD_BOOT_SD: f64 = 1e-7;
/// Wander adds to a stored frequency's variance for at most a day; beyond, temperature repeats itself.
const LONGEST_WANDER_S: f64 = DAY_S as f64;
/// What is not known better than this is not known.
const LARGEST_SD: f64 = 0.1;

/// What is known of the frequency before the first sample: from a drift file, or nothing much.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FrequencyPrior {
    /// Rate of true time against the raw counter, minus one.
    pub frequency: f64,
    /// Standard deviation of `frequency`.
    pub sd: f64,
    /// How the oscillator is believed to wander.
    pub wander: WanderPrior,
}

/// A log-normal belief about the wander per square root of a second.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WanderPrior {
    /// Decimal logarithm of the most likely wander.
    pub log10_centre: f64,
    /// Standard deviation in decades.
    pub log10_width: f64,
}

impl FrequencyPrior {
    /// A larger frequency is absurd. Crystals are within 100 ppm, bad ones within 500, counters of virtual machines can be
    /// off by percents; the kernel can correct no more than this (tick 9000 to 11000 and 500 ppm, adjtimex(2)).
    pub const LARGEST: f64 = 0.1005;
    /// A stored frequency older than this is forgotten: components age.
    pub const OLDEST: Span = Span::from_secs(30 * DAY_S);

    /// No drift file: 0 +- 100 ppm, wander unknown.
    pub const fn unknown() -> Self {
        FrequencyPrior { frequency: 0.0, sd: UNKNOWN_SD, wander: WanderPrior::UNKNOWN }
    }

    /// From a drift file written `age_s` seconds ago: frequency, its deviation, and the log-mean wander per square
    /// root of a second. Absurd or old contents count as unknown.
    pub fn from_drift(frequency: f64, sd: f64, wander: f64, age_s: f64) -> Self {
        let usable = frequency.abs() <= Self::LARGEST
            && sd.is_finite()
            && (1e-12..1e-4).contains(&wander)
            && (0.0..=Self::OLDEST.secs_f64()).contains(&age_s);
        if !usable {
            return Self::unknown();
        }
        let variance = sd * sd + wander * wander * age_s.min(LONGEST_WANDER_S) + COLD_BOOT_SD * COLD_BOOT_SD;
        FrequencyPrior {
            frequency,
            sd: variance.sqrt().min(UNKNOWN_SD),
            wander: WanderPrior { log10_centre: libm::log10(wander), log10_width: WanderPrior::STORED_WIDTH },
        }
    }

    /// Measured, to within `margin`, on a clock that is not what clocks are.
    pub fn measured(frequency: f64, margin: f64) -> Self {
        let frequency = frequency.clamp(-Self::LARGEST, Self::LARGEST);
        FrequencyPrior { frequency, sd: margin.max(UNKNOWN_SD), wander: WanderPrior::UNKNOWN }
    }

    /// The prior with every number in its range, whoever made it.
    pub(super) fn sanitised(self) -> Self {
        if !(self.frequency.abs() <= Self::LARGEST && self.sd.is_finite()) {
            return Self::unknown();
        }
        let known = self.wander.log10_centre.is_finite() && self.wander.log10_width.is_finite();
        FrequencyPrior {
            frequency: self.frequency,
            sd: self.sd.abs().clamp(1e-12, LARGEST_SD),
            wander: if known { self.wander.sanitised() } else { WanderPrior::UNKNOWN },
        }
    }
}

impl WanderPrior {
    /// Crystals between 1e-10 (ovenised, quiet) and 1e-7 (virtual), most often near 2e-9.
    pub const UNKNOWN: WanderPrior = WanderPrior { log10_centre: -8.7, log10_width: 0.8 };
    /// The width when the centre was measured on this machine.
    const STORED_WIDTH: f64 = 0.5;

    fn sanitised(self) -> Self {
        WanderPrior {
            log10_centre: self.log10_centre.clamp(-12.0, -4.0),
            log10_width: self.log10_width.abs().clamp(0.2, 10.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drift_file_loses_value_with_age() {
        let fresh = FrequencyPrior::from_drift(2e-5, 1e-8, 1e-9, 0.0);
        let old = FrequencyPrior::from_drift(2e-5, 1e-8, 1e-9, 86_400.0);
        assert!(fresh.sd < old.sd && old.sd < 1e-6);
        assert_eq!(fresh.wander.log10_centre, -9.0);
        assert_eq!(FrequencyPrior::from_drift(-0.05, 1e-8, 1e-9, 0.0).frequency, -0.05, "clocks may be far off");
        for (f, sd, wander, age) in
            [(0.11, 0.0, 1e-9, 0.0), (f64::NAN, 0.0, 1e-9, 0.0), (0.0, 1e-9, 0.0, 0.0), (0.0, 1e-9, 1e-9, 3e6)]
        {
            assert_eq!(FrequencyPrior::from_drift(f, sd, wander, age), FrequencyPrior::unknown());
        }
    }
}
