//! Lines of `.sources` files come and go while the clock is being kept (spec 1.3).

use std::net::SocketAddr;

use crate::core::authentication::selectable;
use crate::core::engine::{Engine, Mode, Phase};
use crate::core::event::Event;
use crate::core::names::Association;
use crate::core::settings::{Host, SourceConfig, SourceOptions};
use crate::time::Raw;

/// A `server` or `pool` line as typed. It has the index of its association.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) typed: SourceConfig,
    origin: Origin,
}

/// Where a line comes from, which decides how long it stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    /// The configuration itself.
    Configuration,
    /// `initstepslew`: until the clock has been set.
    Initial,
    /// A `.sources` file.
    SourcesFile,
}

impl Engine {
    /// Associations for the lines of the configuration itself.
    pub(super) fn add_configured_lines(&mut self, configured: Vec<SourceConfig>, now: Raw) {
        let from = |origin| move |typed: SourceConfig| Line { typed, origin };
        let init = self.settings.init_step_slew.as_ref().filter(|_| self.mode == Mode::Discipline);
        let hosts = init.map_or(Vec::new(), |init| init.hosts.clone());
        let options = SourceOptions { iburst: true, ..SourceOptions::default() };
        let initial = hosts.into_iter().map(|host| SourceConfig { host, pool: false, options: options.clone() });
        let configured = configured.into_iter().map(from(Origin::Configuration));
        self.lines = configured.chain(initial.map(from(Origin::Initial))).collect();
        self.associations = self.lines.iter().map(|line| Association::new(line.typed.clone(), now)).collect();
        self.apply_auth_mode();
    }

    /// The clock has been set: the hosts of `initstepslew` have done their part.
    pub(super) fn remove_initial_lines(&mut self, now: Raw) {
        if self.phase != Phase::Tracking || self.discipline.is_untouched() {
            return;
        }
        for association in 0..self.lines.len() {
            if self.lines[association].origin == Origin::Initial && !self.associations[association].is_retired() {
                self.remove_line(association, now);
            }
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
            self.add_line(typed, now);
        }
        self.apply_auth_mode();
        self.reselect(now, None);
    }

    /// The line behind an association, as typed.
    pub fn line(&self, association: usize) -> Option<&SourceConfig> {
        self.lines.get(association).map(|line| &line.typed)
    }

    fn add_line(&mut self, typed: &SourceConfig, now: Raw) {
        let name = typed.host.to_string();
        if let Host::Address(address) = typed.host {
            let address = SocketAddr::new(address, typed.options.port);
            let is_used = self.sources.iter().any(|source| source.address == address);
            if is_used || self.free_slot().is_none() {
                let reason = if is_used { "Already in use" } else { "Too many sources" };
                return self.tell(Event::CannotAddSource { name, reason });
            }
        }
        let line = Line { typed: typed.clone(), origin: Origin::SourcesFile };
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
        self.add_first_sources(index..index + 1, now);
        self.tell(Event::SourceAdded { name, is_pool: typed.pool });
    }

    /// What its sources taught about the clock and about the others remains.
    fn remove_line(&mut self, association: usize, now: Raw) {
        while let Some(index) = self.sources.iter().position(|source| source.association == association) {
            self.dismiss(index, now);
            self.sources.remove(index);
        }
        self.associations[association].retire();
    }

    /// The mode depends on which lines there are.
    fn apply_auth_mode(&mut self) {
        let is_present = |index: &usize| !self.associations[*index].is_retired();
        let present: Vec<usize> = (0..self.lines.len()).filter(is_present).collect();
        let typed = present.iter().map(|index| self.lines[*index].typed.clone()).collect();
        for (index, line) in present.into_iter().zip(selectable(typed, self.settings.auth_select_mode)) {
            for source in self.sources.iter_mut().filter(|source| source.association == index) {
                let (options, wanted) = (&mut source.options, &line.options);
                options.no_select = wanted.no_select;
                options.require = wanted.require;
                options.trust = wanted.trust;
            }
            let (options, wanted) = (&mut self.associations[index].config.options, &line.options);
            options.no_select = wanted.no_select;
            options.require = wanted.require;
            options.trust = wanted.trust;
        }
    }
}
