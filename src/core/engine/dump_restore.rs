//! The samples of the last run (`dumpdir`, `-r`): how they get into the estimate, and what is kept for the next one.
//!
//! They have no vote. Who sets the clock is decided as ever by those who answer now; what these have said before is fed
//! to the estimator ahead of it. If the counter has run on since, that is all there is to know about true time, and the
//! present answers only have to agree with it. Otherwise it must not decide about the phase: the clock that dated the
//! samples may have been set meanwhile.

use std::net::IpAddr;

use crate::core::api::dump::{Anchor, Archive, Dump, Kept};
use crate::core::api::event::Event;
use crate::core::engine::Engine;
use crate::core::engine::clock_control::PHASE_SD_AFTER_SLEEP_S;
use crate::core::estimate::Sample;
use crate::core::source::Source;
use crate::core::source::measurement::Measurement;
use crate::time::{ClockReading, Raw, Span};

/// Samples fed at the start, of all sources together: the work of a few milliseconds.
const MOST_FED: usize = 256;

/// After a boot the oscillator may run at another rate, by as much as is assumed of a drift file.
const FREQUENCY_SD_AFTER_BOOT: f64 = 1e-7;

/// What the clock has strayed while nobody watched is no noise: the corrections of this long are quick, if it is known.
const HURRY: Span = Span::from_secs(16);

/// A file of the last run: whom it is about, and what it says, if that makes sense.
pub type PastFile = (IpAddr, Option<Dump>);

/// The files that no source has claimed yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    files: Vec<PastFile>,
    boot: Option<String>,
    hurries_until: Option<Raw>,
}

impl Memory {
    /// Whether the clock is brought to the estimate without regard to smoothness.
    pub(super) fn hurries(&self, now: Raw) -> bool {
        self.hurries_until.is_some_and(|until| now < until)
    }
}

impl Engine {
    /// Files of the last run, to be called before the first input; `boot` names this boot of the machine.
    pub fn recall(&mut self, files: Vec<PastFile>, boot: Option<String>) {
        self.memory = Memory { files, boot, hurries_until: None };
        for index in 0..self.sources.len() {
            self.recall_source(index);
        }
    }

    /// What to write to files, so that the next run knows what this one did.
    pub fn dumps(&self, now: &ClockReading, boot: Option<&str>) -> Vec<Dump> {
        let frequency = self.believed(now).frequency;
        let anchor =
            |boot: &str| Anchor { boot: boot.to_owned(), raw: now.raw, utc: now.utc, frequency, slept: now.slept };
        let dump = |source: &Source| Dump {
            address: source.address.ip(),
            name: self.lines[source.association].name.to_string(),
            reach: source.reach,
            stratum: source.last.map_or(0, |last| last.stratum),
            leap: source.last.map(|last| last.leap),
            samples: Dump::of(&source.archive, now, frequency),
            anchor: boot.map(anchor),
        };
        self.sources.iter().filter(|source| !source.archive.is_empty()).map(dump).collect()
    }

    /// A source has been added. Its file counts if it is about the same configured name, and until the clock is set.
    pub(super) fn recall_source(&mut self, index: usize) {
        let source = &self.sources[index];
        if !source.authentication().is_sufficient() {
            return;
        }
        let Some(place) = self.memory.files.iter().position(|(address, _)| *address == source.address.ip()) else {
            return;
        };
        let (_, dump) = self.memory.files.swap_remove(place);
        let (label, now) = (source.label.clone(), self.recorder.now);
        let dump = dump.filter(|dump| *dump.name == *self.lines[source.association].name);
        let past = dump.and_then(|dump| dump.recall(&now, self.memory.boot.as_deref(), self.first_frequency()));
        let Some(past) = past else { return self.tell(Event::PastRefused(label)) };
        let source = &mut self.sources[index];
        source.archive = Archive::new();
        past.samples.into_iter().for_each(|kept| source.archive.push(kept));
        source.has_exact_past = Some(past.is_exact);
        self.tell(Event::PastRecalled(label));
    }

    /// A sample to be kept for the next run.
    pub(super) fn keep(&mut self, index: usize, measurement: &Measurement) {
        if !self.settings.keep_samples {
            return;
        }
        let dispersion_s = self.dispersion_s(measurement);
        let source = &mut self.sources[index];
        source.archive.push(Kept {
            at: measurement.sample.at,
            lead: measurement.sample.lead,
            delay: measurement.sample.delay,
            was_ahead: source.clock_ahead,
            dispersion_s,
            root_delay: measurement.root_delay + measurement.sample.delay,
            root_dispersion_s: measurement.root_dispersion.secs_f64() + dispersion_s,
        });
    }

    /// The vote of the start is over: what the elected have said in the last run goes into the estimate, and then what they
    /// say now. If that is a surprise, the past is wrong: the counter has stood still meanwhile, or the servers were set.
    pub(super) fn feed_past_and_recent(&mut self, now: Raw) {
        debug_assert!(self.estimator.estimate().is_none());
        self.memory.files.clear();
        let is_fed = self.feed_past();
        let is_exact = self.sources.iter().all(|source| source.has_exact_past != Some(false));
        if is_fed && !is_exact {
            self.estimator.distrust(PHASE_SD_AFTER_SLEEP_S, FREQUENCY_SD_AFTER_BOOT);
        }
        let is_contradicted = is_fed && is_exact && self.contradicts_estimate(now);
        if is_contradicted || !self.feed_recent() && is_fed {
            self.discard_past();
            self.feed_recent();
        } else if is_fed && is_exact {
            self.resume_polls(now);
            self.memory.hurries_until = Some(now + HURRY);
        }
        let began = self.chronicle.started;
        for source in &mut self.sources {
            if source.has_exact_past.take() == Some(false) {
                // The phase of later samples is another one.
                source.archive.forget_before(began);
            }
        }
    }

    /// `false`: there is none.
    fn feed_past(&mut self) -> bool {
        let (active, began) = (self.selection.active, self.chronicle.started);
        let share = MOST_FED / active.len().max(1);
        let mut samples = Vec::new();
        for source in self.sources.iter().filter(|source| source.has_exact_past.is_some()) {
            let past = || source.archive.before(began);
            let sample = |kept: &Kept| Sample { slot: source.slot, at: kept.at, lead: kept.lead, delay: kept.delay };
            if active.contains(source.slot) {
                samples.extend(past().skip(past().count().saturating_sub(share)).map(sample));
            } else {
                past().for_each(|kept| self.estimator.observe(&sample(kept)));
            }
        }
        samples.sort_by_key(|sample| sample.at);
        for sample in &samples {
            self.estimator.feed(sample, &active.list());
        }
        !samples.is_empty()
    }

    /// What is going to be measured has no relation to what was, neither in this run nor in the last one.
    pub(super) fn forget_archives(&mut self) {
        self.memory.files.clear();
        for source in &mut self.sources {
            source.archive.clear();
            source.has_exact_past = None;
        }
    }

    fn discard_past(&mut self) {
        self.tell(Event::PastContradicted);
        self.estimator.restart(self.prior);
        for index in 0..self.sources.len() {
            self.tune(index);
            if self.sources[index].has_exact_past.is_some() {
                self.sources[index].has_exact_past = Some(false);
            }
        }
    }

    /// Who has just been asked for hours need not be asked every minute.
    fn resume_polls(&mut self, now: Raw) {
        let began = self.chronicle.started;
        for index in 0..self.sources.len() {
            let source = &mut self.sources[index];
            let ends = source.archive.before(began).next().zip(source.archive.before(began).last());
            if let Some((first, last)) = ends.filter(|_| source.has_exact_past == Some(true)) {
                source.schedule.resume(first.at, last.at, now);
            }
        }
    }
}
