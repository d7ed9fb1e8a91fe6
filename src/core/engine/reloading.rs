//! Lines of `.sources` files come and go while the clock is being kept (spec 1.3).

use std::net::SocketAddr;

use crate::core::authentication::selectable;
use crate::core::engine::{Engine, Output};
use crate::core::event::Event;
use crate::core::names::Association;
use crate::core::settings::{Host, SourceConfig};
use crate::time::Raw;

/// A `server` or `pool` line as typed. It has the index of its association.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) typed: SourceConfig,
    /// It is from a `.sources` file.
    is_reloadable: bool,
}

impl Engine {
    /// Associations for the lines of the configuration itself.
    pub(super) fn add_configured_lines(&mut self, configured: Vec<SourceConfig>, now: Raw) {
        let permanent = |typed: &SourceConfig| Line { typed: typed.clone(), is_reloadable: false };
        self.lines = configured.iter().map(permanent).collect();
        self.associations = configured.into_iter().map(|line| Association::new(line, now)).collect();
        self.apply_auth_mode();
    }

    /// Makes `wanted` the lines of the `.sources` files. A line that was there already keeps all that is known of its
    /// sources; the vanished go before the new ones come.
    pub(super) fn reload(&mut self, wanted: &[SourceConfig], now: Raw) {
        let mut missing: Vec<&SourceConfig> = wanted.iter().collect();
        for association in 0..self.lines.len() {
            let line = &self.lines[association];
            if !line.is_reloadable || self.associations[association].is_retired() {
                continue;
            }
            match missing.iter().position(|typed| **typed == line.typed) {
                Some(known) => drop(missing.remove(known)),
                None => self.remove_line(association),
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
        let line = Line { typed: typed.clone(), is_reloadable: true };
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
        if let Some(address) = self.associations[index].literal() {
            self.add_source(index, address, now);
        }
        self.tell(Event::SourceAdded { name, is_pool: typed.pool });
    }

    fn remove_line(&mut self, association: usize) {
        while let Some(index) = self.sources.iter().position(|source| source.association == association) {
            self.remove_source(index);
        }
        self.associations[association].retire();
        let typed = &self.lines[association].typed;
        self.tell(Event::SourceRemoved { name: typed.host.to_string(), is_pool: typed.pool });
    }

    /// What it taught about the clock and about the others remains.
    fn remove_source(&mut self, index: usize) {
        let mut source = self.sources.remove(index);
        if let Some(exchange) = source.expire() {
            self.emit(Output::Close(exchange));
        }
        self.estimator.vacate(source.slot);
        self.favourite.forget(source.slot);
        self.announced.status[source.slot.index()] = None;
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
            self.associations[index].config = line;
        }
    }
}
