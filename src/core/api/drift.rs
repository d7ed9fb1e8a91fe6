//! The drift file: two numbers that save hours of settling after a reboot (`driftfile`, in chrony's format).

use crate::core::estimate::FrequencyPrior;
use crate::time::{DAY_S, Span};

/// Written instead of a bound by a chronyd that never synchronised.
const UNKNOWN_SKEW_PPM: f64 = 10_000.0;

/// The file does not say how much the oscillator wanders: the middle of what computers do, per square root of a second.
const USUAL_WANDER: f64 = 2e-9;

/// A file is never left older than this while slewd runs.
const REFRESH: Span = Span::from_secs(DAY_S);

/// A bound tighter than this gains nobody anything: the oscillator strays as far in two hours.
const COARSE_PPM: f64 = 0.5;

/// A bound has improved when it was this many times larger.
const COARSER: f64 = 2.0;

/// Error bound of the frequency, in standard deviations.
const SKEW_SIGMAS: f64 = 3.0;

/// What one line of the file says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DriftRecord {
    /// How fast the clock gains when left alone, in ppm.
    pub frequency_ppm: f64,
    /// Bound on the error of `frequency_ppm`, in ppm.
    pub skew_ppm: f64,
}

impl DriftRecord {
    /// `None` if the text is not two finite numbers, or if they are absurd.
    pub fn parse(text: &str) -> Option<DriftRecord> {
        let mut words = text.split_ascii_whitespace();
        let mut number = || words.next()?.parse::<f64>().ok().filter(|number| number.is_finite());
        let record = DriftRecord { frequency_ppm: number()?, skew_ppm: number()? };
        (record.frequency_ppm.abs() <= FrequencyPrior::LARGEST * 1e6 && record.skew_ppm >= 0.0).then_some(record)
    }

    /// Of an estimate: `frequency` is the rate of true time against the clock.
    pub fn new(frequency: f64, sd: f64) -> DriftRecord {
        DriftRecord { frequency_ppm: -frequency * 1e6, skew_ppm: SKEW_SIGMAS * sd * 1e6 }
    }

    /// The 42 bytes of the file.
    pub fn to_text(&self) -> String {
        format!("{:20.6} {:20.6}\n", self.frequency_ppm, self.skew_ppm)
    }

    /// What the estimator may assume, given the age of the file; `None` if that is nothing.
    pub fn prior(&self, age: Span) -> Option<FrequencyPrior> {
        let is_usable = age < FrequencyPrior::OLDEST && self.skew_ppm < UNKNOWN_SKEW_PPM;
        let sd = self.skew_ppm / SKEW_SIGMAS * 1e-6;
        is_usable.then(|| FrequencyPrior::from_drift(self.frequency(), sd, USUAL_WANDER, age.secs_f64()))
    }

    /// Whether a file with this record, written `age` ago, is worth the wear of the disk that writing the `new` one
    /// costs: once a day, so that it does not look older than it is; when a reader would be off by more than the age of the
    /// file lets the reader expect; or when it was written before much was known.
    pub fn is_worth_replacing(&self, new: &DriftRecord, age: Span) -> bool {
        let is_misleading = |prior: FrequencyPrior| (new.frequency() - self.frequency()).abs() > SKEW_SIGMAS * prior.sd;
        let was_coarse = self.skew_ppm > COARSE_PPM && self.skew_ppm > COARSER * new.skew_ppm;
        age >= REFRESH || was_coarse || self.prior(age).is_none_or(is_misleading)
    }

    /// Rate of true time against the clock, minus one.
    pub fn frequency(&self) -> f64 {
        -self.frequency_ppm * 1e-6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_byte_for_byte_chronys() {
        let text = DriftRecord { frequency_ppm: -12.345_678_9, skew_ppm: 0.25 }.to_text();
        assert_eq!(text, "          -12.345679             0.250000\n");
        assert_eq!(text.len(), 42);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let record = DriftRecord::parse(&DriftRecord::new(40e-6, 1e-8).to_text()).expect("own text");
        assert!((record.frequency_ppm + 40.0).abs() < 1e-6 && (record.skew_ppm - 0.03).abs() < 1e-6);
        assert!((record.frequency() - 40e-6).abs() < 1e-12);
    }

    #[test]
    fn garbage_and_absurd_files_are_refused() {
        for text in ["", "\0\0", "12", "12 x", "nan 1", "1 inf", "100501 1", "-200000.0 0.1", "5 -1"] {
            assert_eq!(DriftRecord::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_file_is_replaced_when_it_is_a_day_old_misleading_or_coarse() {
        let record = |frequency_ppm, skew_ppm| DriftRecord { frequency_ppm, skew_ppm };
        let (old, hour, day) = (record(5.0, 0.05), Span::from_secs(3600), Span::from_secs(DAY_S));
        assert!(!old.is_worth_replacing(&old, day - hour));
        assert!(old.is_worth_replacing(&old, day));
        assert!(!old.is_worth_replacing(&record(5.4, 0.05), hour), "within what an hour does to any oscillator");
        assert!(old.is_worth_replacing(&record(5.6, 0.05), hour));
        assert!(!old.is_worth_replacing(&record(5.6, 0.05), hour.times(6)));
        assert!(record(5.0, 3.0).is_worth_replacing(&old, hour), "little was known");
        assert!(!old.is_worth_replacing(&record(5.0, 0.001), hour), "enough was known");
    }

    #[test]
    fn a_file_that_knows_nothing_or_is_old_is_no_prior() {
        let unknown = DriftRecord::parse("0.000000 1000000.000000").expect("chronyd writes this");
        assert_eq!(unknown.prior(Span::ZERO), None);
        let known = DriftRecord { frequency_ppm: 5.0, skew_ppm: 0.1 };
        assert_eq!(known.prior(Span::from_secs(31 * 86_400)), None);
        assert!(known.prior(Span::from_secs(3600)).is_some());
    }
}
