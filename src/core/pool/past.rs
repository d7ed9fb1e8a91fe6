//! The samples of the last run (`dumpdir`, `-r`): which source they belong to, and what is kept for the next one.

use crate::core::api::dump::{Anchor, Archive, Dump, Kept};
use crate::core::api::event::Event;
use crate::core::api::measurement::Measurement;
use crate::core::api::output::Outputs;
use crate::core::api::source_id::SourceId;
use crate::core::pool::line::Line;
use crate::core::pool::source_set::SourceSet;
use crate::core::source::Source;
use crate::time::ClockReading;

/// A file of the last run: whom it is about, and what it says, if that makes sense.
pub type PastFile = (SourceId, Option<Dump>);

/// The files that no source has claimed yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    files: Vec<PastFile>,
    boot: Option<String>,
}

impl SourceSet {
    /// Files of the last run; `boot` names this boot of the machine.
    pub(in crate::core) fn set_past(&mut self, files: Vec<PastFile>, boot: Option<String>) {
        self.past = Past { files, boot };
    }

    /// Files that no source has claimed are void.
    pub(in crate::core) fn forget_past(&mut self) {
        self.past.files.clear();
    }

    /// A source has been added. Its file counts if it is about the same configured name.
    pub(in crate::core) fn recall_past(
        &mut self,
        index: usize,
        frequency: f64,
        now: &ClockReading,
        outputs: &mut Outputs,
    ) {
        let source = &mut self.sources[index];
        if !source.authentication().is_hopeful() {
            return;
        }
        let Some(place) = self.past.files.iter().position(|(subject, _)| *subject == source.id()) else {
            return;
        };
        let (_, dump) = self.past.files.swap_remove(place);
        let label = source.label.clone();
        let dump = dump.filter(|dump| dump.name == dumped_name(&self.lines[source.line]));
        let past = dump.and_then(|dump| dump.recall(now, self.past.boot.as_deref(), frequency));
        let Some(past) = past else { return outputs.tell(Event::PastRefused(label)) };
        source.archive = Archive::new();
        past.samples.into_iter().for_each(|kept| source.archive.push(kept));
        source.has_exact_past = Some(past.is_exact);
        outputs.tell(Event::PastRecalled(label));
    }

    /// A sample to be kept for the next run.
    pub(in crate::core) fn keep(&mut self, index: usize, measurement: &Measurement, dispersion_s: f64) {
        if !self.keeps_samples {
            return;
        }
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

    /// What is going to be measured has no relation to what was, neither in this run nor in the last one.
    pub(in crate::core) fn forget_archives(&mut self) {
        self.forget_past();
        for source in &mut self.sources {
            source.archive.clear();
            source.has_exact_past = None;
        }
    }

    /// What to write to files, so that the next run knows what this one did. `frequency` is that of true time.
    pub(in crate::core) fn dumps(&self, now: &ClockReading, frequency: f64, boot: Option<&str>) -> Vec<Dump> {
        let anchor =
            |boot: &str| Anchor { boot: boot.to_owned(), raw: now.raw, utc: now.utc, frequency, slept: now.slept };
        let dump = |source: &Source| Dump {
            source: source.id(),
            name: dumped_name(self.line_of(source)),
            reach: source.reach,
            stratum: source.last.map_or(0, |last| last.stratum),
            leap: source.last.map(|last| last.leap),
            samples: Dump::of(&source.archive, now, frequency),
            anchor: boot.map(anchor),
        };
        self.sources.iter().filter(|source| !source.archive.is_empty()).map(dump).collect()
    }
}

/// What a line is called in a dump file. The name of the file says all of a reference clock: chronyd writes a dot.
fn dumped_name(line: &Line) -> String {
    if line.is_clock() { ".".to_owned() } else { line.label.to_string() }
}
