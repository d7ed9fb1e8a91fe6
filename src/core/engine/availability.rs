//! Whether any source is left to follow: when none is, that is said once, and one-shot modes end.
//!
//! Silence of a single source is not worth a line, for networks come and go; that of all is. A source that answers to no
//! avail is, for it will not get better by waiting.

use crate::core::api::event::{Event, Label, Obstacle};
use crate::core::api::flaw::Flaw;
use crate::core::api::settings::Mode;
use crate::core::engine::Engine;
use crate::core::engine::flaws::{LOOKUP_PATIENCE, SILENT_AFTER, is_denying, is_unprotected, lasting_flaw};
use crate::core::pool::line::Line;
use crate::core::selection::SourceStatus;
use crate::core::source::Source;
use crate::time::{Raw, Span};

/// Sources may come from elsewhere in so much time after the start: files of DHCP, a person, a script that sets them online.
const SOURCES_AWAITED: Span = Span::from_secs(10);

impl Engine {
    /// Tells what is newly wrong with sources, and that none is left. Called at every wake-up.
    pub(super) fn report_flaws(&mut self, now: Raw) {
        if self.mode != Mode::Discipline {
            self.report_first_flaws(now);
            if self.has_nobody_to_ask(now) {
                self.give_up(now);
            }
            return;
        }
        for source in self.sources.all() {
            self.notices.flawed(source, lasting_flaw(source, now), &mut self.outputs);
        }
        for index in 0..self.sources.lines().len() {
            if self.is_without_address(index, now) && !self.sources.lines()[index].is_flaw_told {
                self.tell_no_address(index);
            }
        }
        self.report_unusable(now);
    }

    /// One-shot mode: somebody waits for its end, and is told at once what is known. Silence is known at the end only.
    fn report_first_flaws(&mut self, now: Raw) {
        for source in self.sources.all().iter().filter(|source| source.reach == 0) {
            let health = &source.conduct;
            let flaw = health.unsent().or_else(|| health.flaw(now)).or_else(|| health.hint());
            // A kiss has been told as such.
            let flaw = flaw.filter(|flaw| !matches!(flaw, Flaw::Denied | Flaw::RateLimited | Flaw::DeviceAbsent));
            self.notices.flawed(source, flaw, &mut self.outputs);
        }
        for index in 0..self.sources.lines().len() {
            let line = &self.sources.lines()[index];
            if line.fruitless_lookups() > 0 && !line.is_flaw_told {
                self.tell_no_address(index);
            }
        }
    }

    fn tell_no_address(&mut self, line: usize) {
        self.sources.flaw_is_told(line);
        let name = self.sources.lines()[line].label.clone();
        self.outputs.tell(Event::SourceUnusable(name, Flaw::NoAddress));
    }

    /// When something will have to be said although nothing happens.
    pub(super) fn next_notice(&self) -> Option<Raw> {
        let is_idle = |source: &Source| source.schedule.is_offline() || source.options.no_select;
        let awaited = self.sources.all().iter().all(is_idle).then_some(self.clock.history.started + SOURCES_AWAITED);
        let is_looked_up = |line: &Line| !line.is_flaw_told && line.authentication().is_hopeful();
        let looked_up = self.sources.unresolved().filter(|(_, line)| is_looked_up(line));
        let lookups = looked_up.map(|(_, line)| line.addressed() + LOOKUP_PATIENCE);
        lookups.chain(awaited).filter(|at| *at > self.seen && self.mode == Mode::Discipline).min()
    }

    /// Said once, when the last source falls silent, answers to no avail, is set offline, or goes.
    fn report_unusable(&mut self, now: Raw) {
        let has_no_line = !self.sources.has_lines();
        let is_useless = |source: &Source| {
            let is_slowed = source.conduct.is_slowed() && source.reach == 0;
            let is_refused = matches!(
                self.selector.selection().status[source.slot.index()],
                Some(SourceStatus::BadStratum | SourceStatus::TooDistant | SourceStatus::TooJittery)
            );
            // Among others one that cannot be asked, for a reason that will last.
            let is_flawed = lasting_flaw(source, now).is_some();
            is_flawed
                || is_denying(source, now)
                || is_slowed
                || is_refused
                || source.conduct.is_useless(&source.options)
        };
        let is_idle = |source: &Source| source.schedule.is_offline() || source.options.no_select;
        let is_out = |source: &Source| {
            source.is_unreachable() || is_idle(source) || is_useless(source) || is_unprotected(source)
        };
        let is_hopeful = |index: usize, line: &Line| {
            line.authentication().is_hopeful() && !line.is_out_of_room && !self.is_without_address(index, now)
        };
        let hopeful = self.sources.unresolved().filter(|(index, line)| is_hopeful(*index, line)).count();
        if !self.sources.all().iter().all(is_out) || hopeful > 0 {
            return;
        }
        // One that was followed until somebody took it away, or went offline with all others, will be missed.
        let is_forsaken =
            self.selector.sync.is_decided() && !self.sources.all().iter().any(|s| s.schedule.is_bursting());
        let has_waited = now - self.clock.history.started >= SOURCES_AWAITED;
        // A lookup in vain is a try as well.
        let has_looked_up = self.sources.unresolved().next().is_some();
        let is_in_vain = |source: &Source| source.is_unreachable() || is_useless(source) || is_unprotected(source);
        let has_tried = has_looked_up || self.sources.all().iter().any(is_in_vain);
        if has_no_line && (is_forsaken || has_waited) {
            self.cannot_synchronise(Obstacle::NoSources);
        } else if !has_no_line && (has_tried || is_forsaken || has_waited) {
            let is_unasked = |source: &Source| is_unprotected(source) || source.conduct.unsent().is_some();
            let is_gone =
                |source: &&Source| source.is_unreachable() || source.schedule.is_offline() || is_unasked(source);
            let gone = self.sources.all().iter().filter(is_gone).count();
            let unreachable = gone + self.sources.unresolved().count();
            self.cannot_synchronise(Obstacle::NoSelectableSources { unreachable });
        }
    }

    /// One-shot mode: there is no source, or none that may be asked.
    fn has_nobody_to_ask(&self, now: Raw) -> bool {
        let is_barred =
            |source: &Source| source.schedule.is_offline() || is_denying(source, now) || is_unprotected(source);
        let has_name =
            self.sources.unresolved().any(|(_, line)| line.authentication().is_hopeful() && !line.is_out_of_room);
        !has_name && self.sources.all().iter().all(is_barred)
    }

    /// One-shot mode ends in vain.
    pub(super) fn give_up(&mut self, now: Raw) {
        self.explain(now);
        self.outputs.tell(Event::NoSuitableSource);
        self.outputs.finish(false);
    }

    /// Tells what is in the way, source by source, as far as it has not been told: the run ends without success.
    pub fn explain(&mut self, now: Raw) {
        let told = |source: &Source| self.notices.has_flaw(source);
        let found = |source: &Source| Some((source.label.clone(), self.present_flaw(source, SILENT_AFTER - 1, now)?));
        let of_sources = self.sources.all().iter().filter(|source| !told(source)).filter_map(found);
        let is_told = |line: &Line| line.is_flaw_told;
        let names = self.sources.unresolved().filter(|(_, line)| !is_told(line));
        let flaw_of = |index| self.flaw_of_line(index).unwrap_or(Flaw::NoAddress);
        let of_names = names.map(|(index, line)| (line.label.clone(), flaw_of(index)));
        let flaws: Vec<(Label, Flaw)> = of_sources.chain(of_names).collect();
        for (label, flaw) in flaws {
            self.outputs.tell(Event::SourceUnusable(label, flaw));
        }
        let is_empty = !self.sources.has_lines();
        if let Some(obstacle) = self.selector.sync.obstacle().or(is_empty.then_some(Obstacle::NoSources)) {
            self.outputs.tell(Event::CannotSynchronise(obstacle));
        }
    }
}
