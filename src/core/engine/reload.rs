//! Lines of `.sources` files come and go while the clock is being kept (`sourcedir` of chrony.conf(5)).

use std::net::SocketAddr;
use std::sync::Arc;

use crate::core::api::event::Event;
use crate::core::api::monitoring::SelectOptions;
use crate::core::api::order::Refused;
use crate::core::api::settings::{Host, SourceConfig, SourceOptions};
use crate::core::engine::{Engine, Mode};
use crate::core::estimate::MAX_SOURCES;
use crate::core::pool::configured::Association;
use crate::core::selection::authentication::Policy;
use crate::core::source::authentication::Protection;
use crate::time::{Raw, Span};

/// A `server` or `pool` line as typed. It has the index of its association.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) typed: SourceConfig,
    /// What it names, as typed.
    pub(super) name: Arc<str>,
    /// What people call a name by as long as it has no address, from 1 on; 0 for an address.
    pub(super) id: u32,
    /// Options for selection, as typed or as people changed them.
    pub(super) select: SelectOptions,
    origin: Origin,
}

/// Nobody may add more lines than this while slewd runs: twice as many names as there are places.
const MAX_LINES: usize = 2 * MAX_SOURCES;

/// Where a line comes from, which decides how long it stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// The configuration itself.
    Configuration,
    /// `initstepslew`: until the clock has been set.
    Initial,
    /// A `.sources` file.
    SourcesFile,
    /// Somebody added it while slewd runs: it stays, whatever the files say.
    Order,
}

/// The hosts of `initstepslew` have this long; chronyd gives up as late when they are dead. A liar among them thus delays
/// the others, but does not stop them.
const INITIAL_PATIENCE: Span = Span::from_secs(10);

impl Engine {
    /// Associations for the lines of the configuration itself.
    pub(super) fn add_configured_lines(&mut self, configured: Vec<SourceConfig>, now: Raw) {
        let init = self.settings.init_step_slew.as_ref().filter(|_| self.mode == Mode::Discipline);
        let hosts = init.map_or(Vec::new(), |init| init.hosts.clone());
        let options = SourceOptions { iburst: true, ..SourceOptions::default() };
        self.initial_until = (!hosts.is_empty()).then(|| now + INITIAL_PATIENCE);
        // A server of the configuration has one vote, not two.
        let is_new = |host: &Host| !configured.iter().any(|line| line.host == *host);
        let hosts: Vec<Host> = hosts.into_iter().filter(is_new).collect();
        let initial = hosts.into_iter().map(|host| SourceConfig { host, pool: false, options: options.clone() });
        let configured = configured.into_iter().map(|typed| (typed, Origin::Configuration));
        let all: Vec<_> = configured.chain(initial.map(|typed| (typed, Origin::Initial))).collect();
        self.lines = all.into_iter().map(|(typed, origin)| self.new_line(typed, origin)).collect();
        self.associations = self.lines.iter().map(|line| Association::new(line.typed.clone(), now)).collect();
        self.apply_auth_mode();
    }

    /// The clock has been set, or they have had their time: the hosts of `initstepslew` have done their part.
    pub(super) fn remove_initial_lines(&mut self, now: Raw) {
        let has_set = self.sync.is_decided() && !self.discipline.is_untouched();
        let is_late = self.initial_until.is_some_and(|until| until <= now);
        if !has_set && !is_late {
            return;
        }
        self.initial_until = None;
        for association in 0..self.lines.len() {
            if self.lines[association].origin == Origin::Initial && !self.associations[association].is_retired() {
                self.remove_line(association, now);
            }
        }
        if !has_set {
            self.discipline.end_initial();
            self.tell(Event::NoInitialSource);
        }
    }

    /// Makes `wanted` the lines of the `.sources` files. A line that was there already keeps all that is known of its
    /// sources; the vanished go before the new ones come.
    pub(super) fn reload(&mut self, wanted: &[SourceConfig], now: Raw) {
        let mut missing: Vec<&SourceConfig> = wanted.iter().collect();
        for association in 0..self.lines.len() {
            let line = &self.lines[association];
            if line.origin != Origin::SourcesFile || self.associations[association].is_retired() {
                continue;
            }
            match missing.iter().position(|typed| **typed == line.typed) {
                Some(known) => drop(missing.remove(known)),
                None => {
                    let (name, is_pool) = (line.typed.host.to_string(), line.typed.pool);
                    self.remove_line(association, now);
                    self.tell(Event::SourceRemoved { name, is_pool });
                }
            }
        }
        for typed in missing {
            let reason = match self.add_line(typed, Origin::SourcesFile, now) {
                Ok(()) => continue,
                Err(Refused::AlreadyKnown) => "Already in use",
                Err(_) => "Too many sources",
            };
            self.tell(Event::CannotAddSource { name: typed.host.to_string(), reason });
        }
        self.apply_auth_mode();
        self.reselect(now, None);
    }

    /// The line behind an association, as typed.
    pub fn line(&self, association: usize) -> Option<&SourceConfig> {
        self.lines.get(association).map(|line| &line.typed)
    }

    /// One more line. Those that use it have to follow up with [`Engine::apply_auth_mode`].
    pub(super) fn add_line(&mut self, typed: &SourceConfig, origin: Origin, now: Raw) -> Result<(), Refused> {
        if let Host::Address(address) = typed.host {
            let address = SocketAddr::new(address, typed.options.port);
            if self.sources.iter().any(|source| source.address == address) {
                return Err(Refused::AlreadyKnown);
            }
            self.free_slot().ok_or(Refused::TooMany)?;
        }
        if origin == Origin::Order && self.associations.iter().filter(|line| !line.is_retired()).count() >= MAX_LINES {
            return Err(Refused::TooMany);
        }
        let line = self.new_line(typed.clone(), origin);
        let association = Association::new(typed.clone(), now);
        let index = match self.associations.iter().position(Association::is_free) {
            Some(free) => {
                (self.lines[free], self.associations[free]) = (line, association);
                free
            }
            None => {
                self.lines.push(line);
                self.associations.push(association);
                self.lines.len() - 1
            }
        };
        self.authenticate_line(index, now);
        self.add_first_sources(index..index + 1, now);
        self.tell(Event::SourceAdded { name: typed.host.to_string(), is_pool: typed.pool });
        Ok(())
    }

    fn new_line(&mut self, typed: SourceConfig, origin: Origin) -> Line {
        let id = match typed.host {
            Host::Address(_) => 0,
            Host::Name(_) => {
                self.last_id = self.last_id.saturating_add(1);
                self.last_id
            }
        };
        Line { name: Arc::from(typed.host.to_string()), id, select: typed.options.selection(), typed, origin }
    }

    /// What its sources taught about the clock and about the others remains.
    pub(super) fn remove_line(&mut self, association: usize, now: Raw) {
        while let Some(index) = self.sources.iter().position(|source| source.association == association) {
            self.dismiss(index, now);
            self.sources.remove(index);
        }
        self.associations[association].retire();
    }

    /// The mode depends on which lines there are.
    pub(super) fn apply_auth_mode(&mut self) {
        let lines = self.lines.iter().zip(&self.associations).filter(|(_, association)| !association.is_retired());
        let wants = |options: &SourceOptions| Protection::of(options).is_some();
        let counted = lines.map(|(line, _)| (line.select, wants(&line.typed.options)));
        let policy = Policy::new(self.settings.auth_select_mode, counted);
        for (line, association) in self.lines.iter().zip(&mut self.associations) {
            let options = &mut association.config.options;
            options.set_selection(policy.effective(line.select, wants(options)));
        }
        for source in &mut self.sources {
            let effective = policy.effective(source.configured, wants(&source.options));
            source.options.set_selection(effective);
        }
    }
}
