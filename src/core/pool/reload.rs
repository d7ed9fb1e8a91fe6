//! Lines come and go: those of the configuration at the start, those of `.sources` files while the clock is being kept
//! (`sourcedir` of chrony.conf(5)).

use std::net::SocketAddr;

use crate::core::api::event::Event;
use crate::core::api::order::Refused;
use crate::core::api::output::Outputs;
use crate::core::api::reference_clock::{ClockConfig, ClockId, IS_BUILT};
use crate::core::api::settings::{Host, InitStepSlew, Mode, SourceConfig, SourceOptions};
use crate::core::estimate::MAX_SOURCES;
use crate::core::pool::auth_mode::Policy;
use crate::core::pool::line::{Line, Origin};
use crate::core::pool::source_set::{Opinion, SourceSet};
use crate::core::refclock::ReferenceClock;
use crate::core::source::Measurer;
use crate::core::source::authentication::Protection;
use crate::time::{Raw, Span};

/// Nobody may add more lines than this while slewd runs: twice as many names as there are places.
const MAX_LINES: usize = 2 * MAX_SOURCES;

/// The hosts of `initstepslew` have this long; chronyd gives up as late when they are dead. A liar among them thus delays
/// the others, but does not stop them.
const INITIAL_PATIENCE: Span = Span::from_secs(10);

impl SourceSet {
    /// The lines of the configuration itself, and the hosts of `initstepslew`.
    pub(in crate::core) fn add_configured_lines(
        &mut self,
        configured: Vec<SourceConfig>,
        init: Option<&InitStepSlew>,
        now: Raw,
        outputs: &mut Outputs,
    ) {
        let hosts = init.filter(|_| self.mode == Mode::Discipline).map_or(Vec::new(), |init| init.hosts.clone());
        let options = SourceOptions { iburst: true, ..SourceOptions::default() };
        self.initial_until = (!hosts.is_empty()).then(|| now + INITIAL_PATIENCE);
        // A server of the configuration has one vote, not two.
        let is_new = |host: &Host| !configured.iter().any(|line| line.host == *host);
        let hosts: Vec<Host> = hosts.into_iter().filter(is_new).collect();
        let initial = hosts.into_iter().map(|host| SourceConfig { host, pool: false, options: options.clone() });
        let first = self.lines.len();
        for typed in configured {
            self.push_line(typed, Origin::Configuration, now);
        }
        for typed in initial {
            self.push_line(typed, Origin::Initial, now);
        }
        self.apply_auth_mode();
        self.add_first_sources(first..self.lines.len(), now, outputs);
    }

    /// The reference clocks of the configuration. They are listed before all other sources, as in chronyd.
    pub(in crate::core) fn add_clocks(&mut self, configured: Vec<ClockConfig>, now: Raw, outputs: &mut Outputs) {
        for (place, config) in configured.into_iter().enumerate().filter(|_| IS_BUILT) {
            let host = Host::Clock(config.id);
            let typed = SourceConfig { host, pool: false, options: config.options.clone() };
            let line = self.push_line(typed, Origin::Configuration, now);
            let Some(slot) = self.free_slot() else {
                self.refuse_line(line, outputs);
                continue;
            };
            let clock = ReferenceClock::new(ClockId(place), config, now);
            let source = self.new_source(line, slot, Measurer::Clock(Box::new(clock)), now);
            self.sources.push(source);
        }
    }

    /// The clock has been set (`has_set`), or they have had their time: the hosts of `initstepslew` have done their part.
    /// Returns whether they have done it in vain.
    pub(in crate::core) fn remove_initial_lines(
        &mut self,
        has_set: bool,
        opinion: &Opinion,
        now: Raw,
        outputs: &mut Outputs,
    ) -> bool {
        let is_late = self.initial_until.is_some_and(|until| until <= now);
        if !has_set && !is_late {
            return false;
        }
        self.initial_until = None;
        for line in 0..self.lines.len() {
            if self.lines[line].origin == Origin::Initial && !self.lines[line].is_retired() {
                self.remove_line(line, opinion, now, outputs);
            }
        }
        !has_set
    }

    /// Makes `wanted` the lines of the `.sources` files. A line that was there already keeps all that is known of its
    /// sources; the vanished go before the new ones come.
    pub(in crate::core) fn reload(
        &mut self,
        wanted: &[SourceConfig],
        opinion: &Opinion,
        now: Raw,
        outputs: &mut Outputs,
    ) {
        let mut missing: Vec<&SourceConfig> = wanted.iter().collect();
        for index in 0..self.lines.len() {
            let line = &self.lines[index];
            if line.origin != Origin::SourcesFile || line.is_retired() {
                continue;
            }
            match missing.iter().position(|typed| **typed == line.typed) {
                Some(known) => drop(missing.remove(known)),
                None => {
                    let (name, is_pool) = (line.typed.host.to_string(), line.typed.pool);
                    self.remove_line(index, opinion, now, outputs);
                    outputs.tell(Event::SourceRemoved { name, is_pool });
                }
            }
        }
        for typed in missing {
            let reason = match self.add_line(typed, Origin::SourcesFile, now, outputs) {
                Ok(()) => continue,
                Err(Refused::AlreadyKnown) => "Already in use",
                Err(_) => "Too many sources",
            };
            outputs.tell(Event::CannotAddSource { name: typed.host.to_string(), reason });
        }
        self.apply_auth_mode();
    }

    /// One more line. Those that use it have to follow up with [`SourceSet::apply_auth_mode`].
    pub(super) fn add_line(
        &mut self,
        typed: &SourceConfig,
        origin: Origin,
        now: Raw,
        outputs: &mut Outputs,
    ) -> Result<(), Refused> {
        if let Host::Address(address) = typed.host {
            let address = SocketAddr::new(address, typed.options.port);
            if self.sources.iter().any(|source| source.address() == Some(address)) {
                return Err(Refused::AlreadyKnown);
            }
            // One of a file is told of, and waits for a place.
            if origin == Origin::Order {
                self.free_slot().ok_or(Refused::TooMany)?;
            }
        }
        if origin == Origin::Order && self.lines.iter().filter(|line| !line.is_retired()).count() >= MAX_LINES {
            return Err(Refused::TooMany);
        }
        let index = self.push_line(typed.clone(), origin, now);
        self.authenticate_line(index, now);
        self.add_first_sources(index..index + 1, now, outputs);
        if self.lines[index].is_out_of_room {
            return Ok(());
        }
        outputs.tell(Event::SourceAdded { name: typed.host.to_string(), is_pool: typed.pool });
        Ok(())
    }

    /// Puts a line into the first gap, or at the end.
    fn push_line(&mut self, typed: SourceConfig, origin: Origin, now: Raw) -> usize {
        let id = match typed.host {
            Host::Address(_) | Host::Clock(_) => 0,
            Host::Name(_) => self.next_id(),
        };
        let line = Line::new(typed, origin, id, now);
        if let Some(free) = self.lines.iter().position(Line::is_free) {
            self.lines[free] = line;
            return free;
        }
        self.lines.push(line);
        self.lines.len() - 1
    }

    /// A number that no line has had.
    pub(super) fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }

    /// What its sources taught about the clock and about the others remains.
    pub(super) fn remove_line(&mut self, line: usize, opinion: &Opinion, now: Raw, outputs: &mut Outputs) {
        while let Some(index) = self.sources.iter().position(|source| source.line == line) {
            self.remove(index, opinion, now, outputs);
        }
        self.lines[line].retire();
    }

    /// The mode depends on which lines there are.
    pub(super) fn apply_auth_mode(&mut self) {
        let wants = |options: &SourceOptions| Protection::of(options).is_some();
        let lines = self.lines.iter().filter(|line| !line.is_retired());
        let servers = lines.filter(|line| !line.is_clock());
        let policy = Policy::new(self.auth_mode, servers.map(|line| (line.select, wants(&line.typed.options))));
        for line in &mut self.lines {
            let is_clock = line.is_clock();
            let options = &mut line.config.options;
            // What a device says nobody on the way can have made.
            options.set_selection(policy.effective(line.select, is_clock || wants(options)));
        }
        for source in &mut self.sources {
            let is_safe = source.clock().is_some() || wants(&source.options);
            let effective = policy.effective(source.configured, is_safe);
            source.options.set_selection(effective);
        }
    }
}
