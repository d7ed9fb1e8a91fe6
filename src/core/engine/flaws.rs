//! Why the clock is not being synchronised: what is wrong with each source is said once, and so is that none is left.
//!
//! Silence of a single source is not worth a line, for networks come and go; that of all is. A source that answers to no
//! avail is, for it will not get better by waiting.

use crate::core::api::event::{Event, Label, Obstacle};
use crate::core::api::flaw::Flaw;
use crate::core::api::monitoring::FLAWS;
use crate::core::engine::exchanges::UNREACHABLE_AFTER;
use crate::core::engine::{Engine, Mode};
use crate::core::pool::configured::Association;
use crate::core::selection::Status;
use crate::core::source::Source;
use crate::core::source::authentication::{Authentication, Protection};
use crate::time::{Raw, Span};

/// One may be on its way, and the one before is lost.
const SILENT_AFTER: u32 = 2;

/// Lookups without an address, about 7 s, after which a name is said to have none: networks take some seconds to come up.
const FRUITLESS_LOOKUPS: u32 = 4;
/// So it is if lookups take longer: resolvers wait for 5 s or 10 s for servers that do not answer.
const LOOKUP_PATIENCE: Span = Span::from_secs(15);

/// Failures to send, about 7 s, after which they are told: addresses and devices come up late.
const SEND_FAILURES: u32 = 4;

/// Sources may come from elsewhere in so much time after the start: files of DHCP, a person, a script that sets them online.
const SOURCES_AWAITED: Span = Span::from_secs(10);

impl Engine {
    /// Tells what is newly wrong with sources, and that none is left. Called at every wake-up.
    pub(super) fn report_flaws(&mut self, now: Raw) {
        if self.mode != Mode::Discipline {
            if self.has_nobody_to_ask(now) {
                self.give_up(now);
            }
            return;
        }
        for index in 0..self.sources.len() {
            let source = &self.sources[index];
            let told = &mut self.announced.flaw[source.slot.index()];
            if source.conduct.has_recovered() {
                *told = None;
            }
            if let (None, Some(flaw)) = (*told, lasting_flaw(source, now)) {
                *told = Some(flaw);
                let label = source.label.clone();
                self.tell(Event::SourceUnusable(label, flaw));
            }
        }
        for index in 0..self.associations.len() {
            if self.is_without_address(index, now) && !self.associations[index].is_flaw_told {
                self.associations[index].is_flaw_told = true;
                let name = self.lines[index].name.clone();
                self.tell(Event::SourceUnusable(name, Flaw::NoAddress));
            }
        }
        self.report_unusable(now);
    }

    /// When something will have to be said although nothing happens.
    pub(super) fn next_notice(&self) -> Option<Raw> {
        let is_idle = |source: &Source| is_offline(source) || source.options.no_select;
        let awaited = self.sources.iter().all(is_idle).then_some(self.chronicle.started + SOURCES_AWAITED);
        let is_looked_up = |line: &Association| !line.is_flaw_told && line.authentication().is_sufficient();
        let looked_up = self.unresolved().filter(|(_, line)| is_looked_up(line));
        let lookups = looked_up.map(|(_, line)| line.addressed() + LOOKUP_PATIENCE);
        lookups.chain(awaited).filter(|at| *at > self.seen && self.mode == Mode::Discipline).min()
    }

    /// Said once, when the last source falls silent, answers to no avail, is set offline, or goes.
    fn report_unusable(&mut self, now: Raw) {
        let has_no_line = self.associations.iter().all(Association::is_retired);
        let is_useless = |source: &Source| {
            let is_slowed = source.conduct.is_slowed() && source.reach == 0;
            let is_refused = matches!(
                self.selection.status[source.slot.index()],
                Some(Status::BadStratum | Status::TooDistant | Status::TooJittery)
            );
            source.conduct.is_useless(&source.options) || is_denying(source, now) || is_slowed || is_refused
        };
        let is_idle = |source: &Source| is_offline(source) || source.options.no_select;
        let is_out =
            |source: &Source| is_away(source) || is_idle(source) || is_useless(source) || is_unprotected(source);
        let is_hopeful = |index: usize, line: &Association| {
            line.authentication().is_sufficient() && !self.is_without_address(index, now)
        };
        let hopeful = self.unresolved().filter(|(index, line)| is_hopeful(*index, line)).count();
        if !self.sources.iter().all(is_out) || hopeful > 0 {
            return;
        }
        // One that was followed until somebody took it away, or went offline with all others, will be missed.
        let is_forsaken = self.sync.is_decided() && !self.sources.iter().any(|s| s.schedule.is_bursting());
        let has_waited = now - self.chronicle.started >= SOURCES_AWAITED;
        // A lookup in vain is a try as well.
        let has_looked_up = self.unresolved().next().is_some();
        let is_in_vain = |source: &Source| is_away(source) || is_useless(source) || is_unprotected(source);
        let has_tried = has_looked_up || self.sources.iter().any(is_in_vain);
        if has_no_line && (is_forsaken || has_waited) {
            self.cannot_synchronise(Obstacle::NoSources);
        } else if !has_no_line && (has_tried || is_forsaken || has_waited) {
            let is_gone = |source: &&Source| is_away(source) || is_offline(source) || is_unprotected(source);
            let gone = self.sources.iter().filter(is_gone).count();
            let unreachable = gone + self.unresolved().count();
            self.cannot_synchronise(Obstacle::NoSelectableSources { unreachable });
        }
    }

    /// One-shot mode: there is no source, or none that may be asked.
    fn has_nobody_to_ask(&self, now: Raw) -> bool {
        let is_barred = |source: &Source| is_offline(source) || is_denying(source, now) || is_unprotected(source);
        let has_name = self.unresolved().any(|(_, line)| line.authentication().is_sufficient());
        !has_name && self.sources.iter().all(is_barred)
    }

    /// One-shot mode ends in vain.
    pub(super) fn give_up(&mut self, now: Raw) {
        self.explain(now);
        self.tell(Event::NoSuitableSource);
        self.finish(false);
    }

    /// Tells what is in the way, source by source, as far as it has not been told: the run ends without success.
    pub fn explain(&mut self, now: Raw) {
        let told = |source: &Source| self.announced.flaw[source.slot.index()].is_some();
        let found = |source: &Source| Some((source.label.clone(), self.present_flaw(source, SILENT_AFTER - 1, now)?));
        let of_sources = self.sources.iter().filter(|source| !told(source)).filter_map(found);
        let is_told = |line: &Association| line.is_flaw_told;
        let names = self.unresolved().filter(|(_, line)| !is_told(line));
        let flaw_of = |index| self.flaw_of_line(index).unwrap_or(Flaw::NoAddress);
        let of_names = names.map(|(index, _)| (self.lines[index].name.clone(), flaw_of(index)));
        let flaws: Vec<(Label, Flaw)> = of_sources.chain(of_names).collect();
        for (label, flaw) in flaws {
            self.tell(Event::SourceUnusable(label, flaw));
        }
        let is_empty = self.associations.iter().all(Association::is_retired);
        if let Some(obstacle) = self.sync.obstacle().or(is_empty.then_some(Obstacle::NoSources)) {
            self.tell(Event::CannotSynchronise(obstacle));
        }
    }

    /// What is wrong with a source at present, said already or not.
    pub(super) fn flaw(&self, source: &Source) -> Option<Flaw> {
        self.present_flaw(source, SILENT_AFTER, self.seen)
    }

    /// Why a line has no source.
    pub(super) fn flaw_of_line(&self, association: usize) -> Option<Flaw> {
        let line = self.associations.get(association)?;
        if !line.authentication().is_sufficient() {
            return Some(missing(line.authentication()));
        }
        if line.is_out_of_room {
            return Some(Flaw::NoPlace);
        }
        (line.fruitless_lookups() > 0 || line.is_flaw_told).then_some(Flaw::NoAddress)
    }

    /// Those of all sources by their index, as far as there is room for them.
    pub(super) fn flaws(&self) -> [Option<Flaw>; FLAWS] {
        let mut flaws = [None; FLAWS];
        let of_sources = (0..self.sources.len()).filter_map(|index| self.source_at(index)).map(|s| self.flaw(s));
        flaws.iter_mut().zip(of_sources).for_each(|(place, flaw)| *place = flaw);
        for (line, _) in self.unresolved() {
            if let Some(place) = flaws.get_mut(self.sources.len() + self.place_of_name(line)) {
                *place = self.flaw_of_line(line);
            }
        }
        flaws
    }

    fn present_flaw(&self, source: &Source, silent_after: u32, now: Raw) -> Option<Flaw> {
        if is_unprotected(source) {
            return Some(missing(source.authentication()));
        }
        if source.options.no_select {
            return Some(Flaw::NotToBeSelected);
        }
        if is_offline(source) {
            return Some(Flaw::Offline);
        }
        if is_denying(source, now) {
            return Some(Flaw::Denied);
        }
        let is_silent = source.reach == 0 && source.schedule.unanswered() >= silent_after;
        let flaw = if is_away(source) { None } else { source.conduct.flaw(now) };
        let silence = || is_silent.then(|| source.conduct.hint().unwrap_or(Flaw::Silent));
        source.conduct.unsent().or(flaw).or_else(silence).or_else(|| self.flaw_in_selection(source))
    }

    fn flaw_in_selection(&self, source: &Source) -> Option<Flaw> {
        match self.selection.status[source.slot.index()]? {
            Status::BadStratum => Some(Flaw::BadStratum),
            Status::TooDistant => Some(Flaw::TooDistant),
            Status::TooJittery => Some(Flaw::TooJittery),
            Status::Falseticker => self.selection.is_majority.then_some(Flaw::Falseticker),
            Status::Untrusted | Status::NotPreferred | Status::Distant | Status::Active => None,
        }
    }

    /// Its name has been looked up in vain for long enough.
    fn is_without_address(&self, association: usize, now: Raw) -> bool {
        let line = &self.associations[association];
        let has_source = || self.sources.iter().any(|source| source.association == association);
        let is_tried = line.fruitless_lookups() >= FRUITLESS_LOOKUPS || now - line.addressed() >= LOOKUP_PATIENCE;
        line.name().is_some() && line.authentication().is_sufficient() && is_tried && !has_source()
    }
}

/// What has been wrong with a source for long enough to be said. Kisses have events of their own.
fn lasting_flaw(source: &Source, now: Raw) -> Option<Flaw> {
    if is_unprotected(source) {
        return Some(missing(source.authentication()));
    }
    // To have no route is a matter of the network, like silence.
    let unsent = source.conduct.unsent().filter(|flaw| *flaw != Flaw::NoRoute);
    let unsent = unsent.filter(|_| source.schedule.send_failures() >= SEND_FAILURES);
    let useless = || source.conduct.flaw(now).filter(|_| source.conduct.is_useless(&source.options));
    unsent.or_else(useless).filter(|flaw| !matches!(flaw, Flaw::Denied | Flaw::RateLimited))
}

fn is_away(source: &Source) -> bool {
    source.reach == 0 && source.schedule.unanswered() >= UNREACHABLE_AFTER
}

/// What a line lacks that cannot be authenticated.
fn missing(authentication: Authentication) -> Flaw {
    match authentication {
        Authentication::Missing(Protection::Key(_)) => Flaw::KeyMissing,
        _ => Flaw::Unprotected,
    }
}

/// It is not asked, for its answers could not be authenticated.
fn is_unprotected(source: &Source) -> bool {
    !source.authentication().is_sufficient()
}

fn is_offline(source: &Source) -> bool {
    source.schedule.is_offline()
}

fn is_denying(source: &Source, now: Raw) -> bool {
    source.conduct.denied_until().is_some_and(|until| until > now)
}
