//! What the samples of a source said, kept from one run to the next (`dumpdir` of chrony.conf(5), `-r` of chronyd(8)).
//!
//! Chrony's file has no place for the raw counter: its samples are at times of the system clock, which may be set by
//! anybody before the next start. So slewd adds a line with an [`Anchor`], which chronyd passes over. As long as the
//! machine has neither been booted nor slept since, the samples are what they were, whatever became of the clock. Without
//! that, only what does not depend on the phase is taken from them: delays, how the sources differ, and the frequency.

use std::collections::VecDeque;

use crate::core::api::limits::MAX_SAMPLES;
use crate::core::api::source_id::SourceId;
use crate::core::estimate::FrequencyPrior;
use crate::time::{ClockReading, Lead, Leap, Raw, Span, Utc};

/// Samples kept of each source: as many as chronyd keeps.
const KEPT: usize = MAX_SAMPLES as usize;

/// Two measures of how long the machine has slept differ by less than this.
const LEAST_SLEEP: Span = Span::from_millis(50);

/// A file of the last run.
#[derive(Clone, Debug, PartialEq)]
pub struct Dump {
    /// The source that the dump is about.
    pub source: SourceId,
    /// The source as it was configured.
    pub name: String,
    /// Outcome of the last eight requests, newest in the lowest bit.
    pub reach: u8,
    /// The stratum of the source.
    pub stratum: u8,
    /// The leap warning of the source; `None` if it did not know the time.
    pub leap: Option<Leap>,
    /// Oldest first.
    pub samples: Vec<DumpedSample>,
    /// Absent in chronyd's files.
    pub anchor: Option<Anchor>,
}

/// One sample, by the system clock as it was when the file was written: corrections made since the sample was taken are
/// as if they had been made before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DumpedSample {
    /// When.
    pub at: Utc,
    /// How far that clock is ahead of the source, in seconds.
    pub ahead_s: f64,
    /// How far the clock was ahead at the time, in seconds.
    pub was_ahead_s: f64,
    /// Round trip in seconds.
    pub delay_s: f64,
    /// Error of the measurement in seconds.
    pub dispersion_s: f64,
    /// Round trip to the primary reference in seconds.
    pub root_delay_s: f64,
    /// Error accumulated from there in seconds.
    pub root_dispersion_s: f64,
}

/// How the times in a file relate to the raw counter.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchor {
    /// Names this boot of the machine.
    pub boot: String,
    /// The raw counter...
    pub raw: Raw,
    /// ...when the clock said this...
    pub utc: Utc,
    /// ...and was taken to run at this rate against it, minus one.
    pub frequency: f64,
    /// How long the machine had slept since it was booted.
    pub slept: Span,
}

/// A sample that may be dumped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// When.
    pub at: Raw,
    /// The source's lead over the counter.
    pub lead: Lead,
    /// Round trip.
    pub delay: Span,
    /// How far the clock was ahead.
    pub was_ahead: Span,
    /// Error of the measurement in seconds.
    pub dispersion_s: f64,
    /// Round trip to the primary reference, this one included.
    pub root_delay: Span,
    /// Error accumulated from there in seconds, this one's included.
    pub root_dispersion_s: f64,
}

/// The last samples of a source, of this run and of the last one.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    kept: VecDeque<Kept>,
}

/// What a file says in terms of this run.
#[derive(Clone, Debug, PartialEq)]
pub struct PastSamples {
    /// Oldest first.
    pub samples: Vec<Kept>,
    /// The samples are right in phase, too: the counter has run on since.
    pub is_exact: bool,
}

impl Dump {
    /// What is known of a source, to be read at times of the present clock, which is taken to run at `frequency`.
    pub fn of(archive: &Archive, now: &ClockReading, frequency: f64) -> Vec<DumpedSample> {
        let dumped = |kept: &Kept| {
            let at = now.utc + (kept.at - now.raw).scaled(1.0 + frequency);
            DumpedSample {
                at,
                ahead_s: (at - kept.at.with_lead(kept.lead)).secs_f64(),
                was_ahead_s: kept.was_ahead.secs_f64(),
                delay_s: kept.delay.secs_f64(),
                dispersion_s: kept.dispersion_s,
                root_delay_s: kept.root_delay.secs_f64(),
                root_dispersion_s: kept.root_dispersion_s,
            }
        };
        archive.kept.iter().map(dumped).collect()
    }

    /// The samples by the counter of today. `boot` names this boot, and the clock is taken to have run at `frequency`
    /// against the counter if the file does not say. `None` if the times are impossible: in the future, or too old.
    pub fn recall(&self, now: &ClockReading, boot: Option<&str>, frequency: f64) -> Option<PastSamples> {
        let anchor = self.anchor.as_ref();
        let has_slept = |anchor: &Anchor| (now.slept - anchor.slept).abs() > LEAST_SLEEP;
        let exact = anchor.filter(|anchor| Some(anchor.boot.as_str()) == boot && !has_slept(anchor));
        let (raw, utc) =
            exact.map_or((now.raw, now.utc), |anchor| (anchor.raw + (now.slept - anchor.slept), anchor.utc));
        let rate = anchor.map_or(frequency, |anchor| anchor.frequency);
        let recalled = |sample: &DumpedSample| {
            let at = raw + (sample.at - utc).scaled(1.0 / (1.0 + rate));
            Kept {
                at,
                lead: Lead::between(sample.at - Span::from_secs_f64(sample.ahead_s), at),
                delay: Span::from_secs_f64(sample.delay_s),
                was_ahead: Span::from_secs_f64(sample.was_ahead_s),
                dispersion_s: sample.dispersion_s,
                root_delay: Span::from_secs_f64(sample.root_delay_s),
                root_dispersion_s: sample.root_dispersion_s,
            }
        };
        let samples: Vec<Kept> = self.samples.iter().map(recalled).collect();
        let (first, last) = (samples.first()?, samples.last()?);
        // As old as a drift file may be: older samples say nothing of today's paths.
        let is_possible = last.at <= now.raw && now.raw - first.at < FrequencyPrior::OLDEST;
        is_possible.then_some(PastSamples { samples, is_exact: exact.is_some() })
    }
}

impl Archive {
    /// With room, so that nothing is allocated later.
    pub fn new() -> Self {
        Archive { kept: VecDeque::with_capacity(KEPT) }
    }

    /// Adds a sample; the oldest goes.
    pub fn push(&mut self, kept: Kept) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(kept);
    }

    /// The samples from before this moment, oldest first.
    pub fn before(&self, at: Raw) -> impl Iterator<Item = &Kept> {
        self.kept.iter().filter(move |kept| kept.at < at)
    }

    /// Forgets those from before this moment.
    pub fn forget_before(&mut self, at: Raw) {
        self.kept.retain(|kept| kept.at >= at);
    }

    /// Forgets all: they contradict what came later.
    pub fn clear(&mut self) {
        self.kept.clear();
    }

    /// There is nothing to dump.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// True time has moved by this much against the raw counter.
    pub fn shift(&mut self, by: Span) {
        self.kept.iter_mut().for_each(|kept| kept.lead += by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn reading(raw_s: i64, utc_s: i64, slept_s: i64) -> ClockReading {
        ClockReading {
            raw: Raw::from_nanos(raw_s * SECOND),
            utc: Utc::from_secs(utc_s),
            width: Span::ZERO,
            slept: Span::from_secs(slept_s),
        }
    }

    fn archive() -> Archive {
        let mut archive = Archive::new();
        for second in [100, 200] {
            archive.push(Kept {
                at: Raw::from_nanos(second * SECOND),
                lead: Lead::from_nanos(1_800_000_000 * SECOND + second * 20_000),
                delay: Span::from_millis(20),
                was_ahead: Span::from_millis(-3),
                dispersion_s: 1e-6,
                root_delay: Span::from_millis(21),
                root_dispersion_s: 1e-3,
            });
        }
        archive
    }

    fn dump(boot: Option<&str>) -> Dump {
        let (now, frequency) = (reading(300, 1_800_000_301, 5), 20e-6);
        let anchor =
            |boot: &str| Anchor { boot: boot.to_owned(), raw: now.raw, utc: now.utc, frequency, slept: now.slept };
        Dump {
            source: SourceId::Server([192, 0, 2, 1].into()),
            name: "ntp.example".to_owned(),
            reach: 0o377,
            stratum: 2,
            leap: Some(Leap::Normal),
            samples: Dump::of(&archive(), &now, frequency),
            anchor: boot.map(anchor),
        }
    }

    /// Nanoseconds are lost when seconds become a float with seven digits; these are offsets of a second.
    fn assert_same(past: &PastSamples, shifted: Span) {
        for (recalled, kept) in past.samples.iter().zip(&archive().kept) {
            assert!((recalled.at - (kept.at + shifted)).abs() < Span::from_nanos(3), "{recalled:?}");
            assert!((recalled.lead - kept.lead + shifted).abs() < Span::from_nanos(3), "{recalled:?} {kept:?}");
        }
    }

    #[test]
    fn within_a_boot_nothing_is_lost_whatever_became_of_the_clock() {
        let later = reading(400, 1_700_000_000, 5);
        let past = dump(Some("a")).recall(&later, Some("a"), 0.0).expect("it is the past");
        assert!(past.is_exact);
        assert_same(&past, Span::ZERO);
    }

    #[test]
    fn after_a_boot_or_a_sleep_the_clock_has_to_do() {
        // The counter has begun anew.
        let later = reading(40, 1_800_000_401, 5);
        let past = dump(Some("a")).recall(&later, Some("b"), 0.0).expect("it is the past");
        assert!(!past.is_exact);
        let between = past.samples[1].at - past.samples[0].at;
        assert!((between - Span::from_secs(100)).abs() < Span::from_nanos(3), "{between:?}");
        let gained = past.samples[1].lead - past.samples[0].lead;
        assert!((gained - Span::from_nanos(100 * 20_000)).abs() < Span::from_nanos(3), "the frequency is the same");
        let slept = reading(460, 1_800_000_461, 65);
        assert!(!dump(Some("a")).recall(&slept, Some("a"), 0.0).expect("it is the past").is_exact);
        assert!(!dump(None).recall(&reading(400, 1_800_000_401, 5), Some("a"), 20e-6).expect("past").is_exact);
    }

    #[test]
    fn the_future_and_the_distant_past_are_refused() {
        assert_eq!(dump(None).recall(&reading(400, 1_800_000_100, 5), None, 0.0), None);
        assert_eq!(dump(None).recall(&reading(400, 1_803_000_000, 5), None, 0.0), None);
        let early = reading(150, 1_800_000_151, 5);
        assert_eq!(dump(Some("a")).recall(&early, Some("a"), 0.0), None, "a counter does not run backwards");
        assert_eq!(Dump { samples: Vec::new(), ..dump(None) }.recall(&early, None, 0.0), None);
    }

    #[test]
    fn the_oldest_go_first() {
        let mut archive = archive();
        let newest = *archive.kept.back().expect("two");
        (0..KEPT).for_each(|_| archive.push(newest));
        assert_eq!((archive.kept.len(), archive.before(newest.at).count()), (KEPT, 0));
    }
}
