//! Who belongs to which line, and when to replace.
//!
//! A line that names an address has that one source for ever. A name is looked up, and *twice* as many of its addresses
//! are tried as the line should have: those beyond the wanted number are asked a moment later, and as soon as the wanted
//! number is good the rest is dropped, often before it was asked. A dead address family, a liar or a dead server thus
//! delays nothing.
//!
//! Later a member that is *bad* (silent, denying, or at odds with the others for long enough) gives its place to an
//! address fresh from the resolver: one at a time, and not often. A member that is only *not listed* (remembered from
//! the last run, or no longer among the addresses of its name) is used until a majority of its line answers without it.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use crate::core::api::dump::Archive;
use crate::core::api::event::{Event, Label};
use crate::core::api::settings::Host;
use crate::core::engine::keys::give_key;
use crate::core::engine::{Engine, Mode, Output};
use crate::core::estimate::{MAX_SOURCES, Slot};
use crate::core::pool::configured::{Purpose, Yield};
use crate::core::pool::last_good::LastGood;
use crate::core::selection::Status;
use crate::core::source::{MIN_DELAY, Source};
use crate::time::{Raw, Span};

/// Addresses beyond the wanted number are asked this much later (RFC 8305 section 5: connection attempt delay).
const HEAD_START: Span = Span::from_millis(250);

/// Failures to send after which there is no route, if others can be reached.
const SEND_FAILURES: u32 = 4;

/// Once the clock is set, replacements are a random time up to this apart: chronyd's limit.
const REPLACEMENT_PAUSE: Span = Span::from_secs(3584);
/// Before, they are this far apart.
const REPLACEMENT_PAUSE_AT_START: Span = Span::from_secs(60);

/// Addresses remembered from the last run are asked in so many places at most: there is room for the resolver's.
const MAX_REMEMBERED: usize = MAX_SOURCES / 2;

/// A replaced address is not used again for this long.
const SHUNNED_FOR: Span = Span::from_secs(4 * 3600);

/// Good addresses are remembered when the clock has been set for this long: the start is over.
const START_IS_OVER: Span = Span::from_secs(60);

impl Engine {
    /// Literal addresses, and those that were good in the last run, of some lines.
    pub(super) fn add_first_sources(&mut self, associations: Range<usize>, now: Raw) {
        for association in associations.clone() {
            if let Some(address) = self.associations[association].literal()
                && self.add_source(association, address, now).is_none()
            {
                self.refuse_line(association);
            }
        }
        let is_remembered = |source: &&Source| !source.conduct.is_listed;
        let mut room = MAX_REMEMBERED.saturating_sub(self.sources.iter().filter(is_remembered).count());
        for association in associations {
            let line = &mut self.associations[association];
            let entries = self.last_good.iter().filter(|entry| line.name() == Some(&entry.name));
            let known = entries.flat_map(|entry| &entry.addresses).copied().take(line.wanted());
            line.last_good = known.collect();
            for address in line.eligible(&line.last_good, now).into_iter().take(room) {
                room -= 1;
                if let Some(source) = self.add_source(association, address, now) {
                    source.conduct.is_listed = false;
                }
            }
        }
    }

    /// Drops the superfluous, and looks up names that are due. Called at every wake-up.
    pub(super) fn tend_lines(&mut self, now: Raw) {
        if self.sync.is_decided() {
            self.set_at.get_or_insert(now);
            self.drop_superfluous(now);
        }
        self.seek_replacement(now);
        for (index, association) in self.associations.iter_mut().enumerate() {
            if association.due().is_some_and(|due| due <= now) {
                association.asked();
                self.outputs.push_back(Output::Resolve { association: index });
            }
        }
    }

    pub(super) fn next_lookup(&self) -> Option<Raw> {
        self.associations.iter().filter_map(|association| association.due()).min()
    }

    /// A lookup ended.
    pub(super) fn resolved(&mut self, association: usize, addresses: &[IpAddr], now: Raw) {
        if let Some(gone) = self.associations.get_mut(association).filter(|line| line.is_retired()) {
            return gone.let_go();
        }
        let Some(line) = self.associations.get(association).filter(|line| line.name().is_some()) else { return };
        let is_calm = self.set_at.is_some();
        let (wanted, purpose) = (line.wanted(), line.purpose());
        let eligible = line.eligible(addresses, now);
        self.note_listed(association, addresses, purpose == Some(Purpose::Refresh));
        let port = self.associations[association].config.options.port;
        let is_used = |address: &IpAddr| self.sources.iter().any(|s| s.address == SocketAddr::new(*address, port));
        let mut fresh = eligible.into_iter().filter(|address| !is_used(address)).collect::<Vec<_>>().into_iter();
        let is_bad = |source: &Source| source.association == association && self.is_bad(source);
        let bad: Vec<usize> = (0..self.sources.len()).filter(|index| is_bad(&self.sources[*index])).collect();
        let allowed = match (is_calm, purpose) {
            (false, _) => bad.len(),
            (true, Some(Purpose::Replace)) => 1,
            (true, _) => 0,
        };
        for (index, address) in bad.into_iter().take(allowed).zip(fresh.by_ref()) {
            self.replace(index, address, now);
        }
        let mut left = None;
        for address in fresh {
            if self.has_room(association) {
                self.add_source(association, address, now);
            } else {
                left.get_or_insert(address);
            }
        }
        // The new one cannot prove itself beside the old one when all places are taken.
        let moved = |source: &Source| source.association == association && !source.conduct.is_listed;
        if let (Some(address), Some(Purpose::Refresh), None) = (left, purpose, self.free_slot())
            && let Some(index) = self.sources.iter().position(moved)
        {
            self.replace(index, address, now);
        }
        let listed = self.members(association).filter(|source| source.conduct.is_listed).count();
        let has_place = self.members(association).next().is_some() || self.free_slot().is_some();
        let is_out_of_room = !addresses.is_empty() && !has_place;
        if is_out_of_room && !std::mem::replace(&mut self.associations[association].is_out_of_room, true) {
            self.refuse_line(association);
        }
        self.associations[association].is_out_of_room = is_out_of_room;
        let found = match listed {
            0 => Yield::Nothing,
            _ if listed < wanted => Yield::TooFew,
            _ => Yield::Enough,
        };
        let refresh = (self.settings.refresh_s > 0).then(|| Span::from_secs(i64::from(self.settings.refresh_s)));
        self.associations[association].answered(found, is_calm, refresh, now);
    }

    /// A source has answered: has it been refused too often?
    pub(super) fn judge(&mut self, index: usize) {
        let source = &mut self.sources[index];
        let is_refused = match self.selection.status[source.slot.index()] {
            Some(Status::Falseticker) => self.selection.is_majority,
            Some(Status::TooDistant | Status::TooJittery | Status::BadStratum) => true,
            _ => false,
        };
        source.conduct.judged(is_refused);
    }

    /// What the address file should say, if that has changed since it was last told. For the exit.
    pub fn addresses(&mut self) -> Option<Vec<LastGood>> {
        let has_changed = self.sync.is_decided() && self.mode != Mode::MeasureOnce && self.last_good_changed();
        has_changed.then(|| self.remember_good())
    }

    /// Writes the address file while slewd runs.
    pub(super) fn save_addresses_when_due(&mut self, now: Raw) {
        if self.set_at.is_some_and(|at| now - at >= START_IS_OVER)
            && let Some(addresses) = self.addresses()
        {
            self.emit(Output::SaveAddresses(addresses));
        }
    }

    fn last_good_changed(&self) -> bool {
        self.associations.iter().enumerate().filter(|(_, line)| line.name().is_some()).any(|(index, line)| {
            let is_new = |source: &Source| !line.last_good.contains(&source.address.ip());
            let is_gone = |address: &IpAddr| self.members(index).all(|source| source.address.ip() != *address);
            let mut good = self.members(index).filter(|source| self.is_good(source)).peekable();
            good.peek().is_some() && (good.any(is_new) || line.last_good.iter().any(is_gone))
        })
    }

    /// One that was good and is still a member counts as good: the file is not written for every lost packet. A line none
    /// of whose sources is good keeps what it had.
    fn remember_good(&mut self) -> Vec<LastGood> {
        let mut known = Vec::new();
        for index in 0..self.associations.len() {
            let remembered = &self.associations[index].last_good;
            let is_kept = |source: &&Source| self.is_good(source) || remembered.contains(&source.address.ip());
            let has_good = self.members(index).any(|source| self.is_good(source));
            let kept: Vec<IpAddr> = self.members(index).filter(is_kept).map(|source| source.address.ip()).collect();
            let line = &mut self.associations[index];
            if has_good {
                line.last_good = kept;
            }
            if let Some(name) = line.name().filter(|_| !line.last_good.is_empty()) {
                known.push(LastGood { name: name.to_owned(), addresses: line.last_good.clone() });
            }
        }
        known
    }

    fn members(&self, association: usize) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(move |source| source.association == association)
    }

    /// It answers, and those that are believed agree with it.
    fn is_good(&self, source: &Source) -> bool {
        let is_believed = source.options.no_select || self.selection.agreeing.contains(source.slot);
        source.reach != 0 && is_believed && self.sync.is_decided() && !source.conduct.is_bad(self.seen)
    }

    /// It answers with a time that selection considers, right or wrong.
    fn has_say(&self, source: &Source) -> bool {
        let status = self.selection.status[source.slot.index()];
        let is_considered =
            matches!(status, Some(Status::Active | Status::NotPreferred | Status::Distant | Status::Falseticker));
        source.reach != 0 && (source.options.no_select || is_considered)
    }

    /// Another address would do better.
    fn is_bad(&self, source: &Source) -> bool {
        let has_no_route = || {
            source.schedule.send_failures() >= SEND_FAILURES
                && self.sources.iter().any(|other| other.reach != 0 && other.schedule.send_failures() == 0)
        };
        source.conduct.is_bad(self.seen) || has_no_route()
    }

    fn note_listed(&mut self, association: usize, addresses: &[IpAddr], is_refresh: bool) {
        let members = self.sources.iter_mut().filter(|source| source.association == association);
        for source in members {
            source.conduct.is_listed |= addresses.contains(&source.address.ip());
        }
        // A pool shows other addresses each time: one member a lookup is enough.
        if is_refresh && !addresses.is_empty() {
            let mut members = self.sources.iter_mut().filter(|source| source.association == association);
            if let Some(moved) = members.find(|source| !addresses.contains(&source.address.ip())) {
                moved.conduct.is_listed = false;
            }
        }
    }

    /// One more address of this line may be tried. The places other lines are still to have are not taken.
    fn has_room(&self, association: usize) -> bool {
        let line = &self.associations[association];
        let members = self.members(association).count();
        let unlisted = self.members(association).filter(|source| !source.conduct.is_listed).count();
        let has_good = self.members(association).any(|source| self.is_good(source));
        let most = if has_good { line.wanted() + unlisted } else { line.candidates() + unlisted };
        let others = self.associations.iter().enumerate().filter(|(index, _)| *index != association);
        let reserved: usize =
            others.map(|(index, other)| other.wanted().saturating_sub(self.members(index).count())).sum();
        let free = MAX_SOURCES.saturating_sub(self.sources.len());
        members < most && (members < line.wanted() || free > reserved)
    }

    /// The first place that nobody has.
    pub(super) fn free_slot(&self) -> Option<Slot> {
        let is_free = |slot: &Slot| self.sources.iter().all(|source| source.slot != *slot);
        (0..MAX_SOURCES).filter_map(Slot::new).find(is_free)
    }

    /// A line yields no source at all.
    fn refuse_line(&mut self, association: usize) {
        let reason = if self.free_slot().is_some() { "Already in use" } else { "Too many sources" };
        self.associations[association].is_flaw_told = true;
        self.tell(Event::CannotAddSource { name: self.lines[association].name.to_string(), reason });
    }

    /// An address that is already used is skipped: it would vote twice.
    fn add_source(&mut self, association: usize, address: IpAddr, now: Raw) -> Option<&mut Source> {
        let line = &self.associations[association];
        let address = SocketAddr::new(address, line.config.options.port);
        let is_known = self.sources.iter().any(|source| source.address == address);
        let slot = self.free_slot().filter(|_| !is_known)?;
        let listed = self.members(association).filter(|source| source.conduct.is_listed).count();
        let delay = if listed < line.wanted() { Span::ZERO } else { HEAD_START };
        let source = self.source(association, slot, address, now + delay);
        self.sources.push(source);
        self.tune(self.sources.len() - 1);
        self.recall_source(self.sources.len() - 1);
        self.sources.last_mut()
    }

    fn source(&self, association: usize, slot: Slot, address: SocketAddr, due: Raw) -> Source {
        let config = &self.associations[association].config;
        let label = label(address.ip(), &config.host);
        let mut source = Source::new(slot, address, label, association, config.options.clone(), due);
        if self.settings.keep_samples {
            source.archive = Archive::new();
        }
        give_key(&mut source, &self.keys);
        source.configured = self.lines[association].select;
        source.precision = self.settings.clock_precision_s.map_or(MIN_DELAY, Span::from_secs_f64);
        source
    }

    fn replace(&mut self, index: usize, address: IpAddr, now: Raw) {
        let old = &self.sources[index];
        let (slot, association, old_address) = (old.slot, old.association, old.address);
        self.dismiss(index, now);
        let address = SocketAddr::new(address, old_address.port());
        self.sources[index] = self.source(association, slot, address, now);
        self.tune(index);
        self.reselect(now, None);
        let name = Arc::from(self.associations[association].name().unwrap_or_default());
        self.tell(Event::Replaced { old: old_address.ip(), new: address.ip(), name });
    }

    /// Forgets everything about a source but its address, which is not to be used again for some time.
    pub(super) fn dismiss(&mut self, index: usize, now: Raw) {
        let is_good = self.is_good(&self.sources[index]);
        let source = &mut self.sources[index];
        let (slot, address) = (source.slot, source.address.ip());
        if let Some(exchange) = source.expire() {
            self.outputs.push_back(Output::Close(exchange));
        }
        if !is_good && source.schedule.requests() > 0 {
            let until = source.conduct.denied_until().unwrap_or(now).max(now + SHUNNED_FOR);
            self.associations[source.association].shun(address, until);
        }
        self.estimator.vacate(slot);
        self.favourite.forget(slot);
        self.announced.status[slot.index()] = None;
        self.announced.flaw[slot.index()] = None;
    }

    /// Looks up the name of a bad member, but not often.
    fn seek_replacement(&mut self, now: Raw) {
        if self.mode != Mode::Discipline || self.replace_after.is_some_and(|after| now < after) {
            return;
        }
        let is_replaceable =
            |source: &Source| self.associations[source.association].name().is_some() && self.is_bad(source);
        let mut bad = [0; MAX_SOURCES];
        let mut count = 0;
        for source in self.sources.iter().filter(|source| is_replaceable(source)) {
            bad[count] = source.association;
            count += 1;
        }
        if count == 0 {
            return;
        }
        // Not always the first: its name may have no other address.
        let association = bad[(self.random.fraction() * count as f64) as usize];
        self.associations[association].hasten(now);
        let pause = match self.set_at {
            Some(_) => REPLACEMENT_PAUSE.scaled(self.random.fraction()),
            None => REPLACEMENT_PAUSE_AT_START,
        };
        self.replace_after = Some(now + pause);
    }

    /// Once enough of a line's sources are good, the others go.
    fn drop_superfluous(&mut self, now: Raw) {
        for association in 0..self.associations.len() {
            let wanted = self.associations[association].wanted();
            let members = self.members(association).count();
            if members <= wanted && self.members(association).all(|source| source.conduct.is_listed) {
                continue;
            }
            let listed = || self.members(association).filter(|source| source.conduct.is_listed);
            let good = listed().filter(|source| self.is_good(source)).count();
            // Right or wrong: the configuration trusts the name, not what it once stood for.
            let answering = listed().filter(|source| self.has_say(source)).count();
            let (mut seen, mut left) = (0, members);
            for index in (0..self.sources.len()).rev() {
                let source = &self.sources[index];
                let is_good = self.is_good(source) && source.conduct.is_listed;
                if source.association != association {
                    continue;
                }
                seen += usize::from(is_good);
                let is_superfluous = match source.conduct.is_listed {
                    // The first to be added stay.
                    true if good >= wanted => !is_good || good - seen >= wanted,
                    true => left > wanted && self.is_bad(source),
                    false => 2 * answering > wanted,
                };
                if is_superfluous {
                    left -= 1;
                    self.dismiss(index, now);
                    self.sources.remove(index);
                }
            }
            if left < members {
                self.reselect(now, None);
            }
        }
    }
}

/// The address, with the configured name behind it if that differs.
fn label(address: IpAddr, host: &Host) -> Label {
    match host {
        Host::Address(_) => Arc::from(address.to_string()),
        Host::Name(name) => Arc::from(format!("{address} ({name})")),
    }
}
