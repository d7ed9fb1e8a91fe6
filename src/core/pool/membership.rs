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

use crate::core::api::event::Event;
use crate::core::api::output::{Output, Outputs};
use crate::core::api::settings::Mode;
use crate::core::estimate::MAX_SOURCES;
use crate::core::pool::line::{Purpose, Yield};
use crate::core::pool::source_set::{Opinion, SourceSet};
use crate::core::random::Random;
use crate::core::source::{Measurer, Source};
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

impl SourceSet {
    /// Literal addresses, and those that were good in the last run, of some lines.
    pub(in crate::core) fn add_first_sources(&mut self, lines: Range<usize>, now: Raw, outputs: &mut Outputs) {
        for line in lines.clone() {
            if let Some(address) = self.lines[line].literal()
                && self.add_source(line, address, now).is_none()
            {
                self.refuse_line(line, outputs);
            }
        }
        let is_remembered = |source: &&Source| !source.conduct.is_listed;
        let mut room = MAX_REMEMBERED.saturating_sub(self.sources.iter().filter(is_remembered).count());
        for index in lines {
            let line = &mut self.lines[index];
            let entries = self.last_good.iter().filter(|entry| line.name() == Some(&entry.name));
            let known = entries.flat_map(|entry| &entry.addresses).copied().take(line.wanted());
            line.last_good = known.collect();
            for address in line.eligible(&line.last_good, now).into_iter().take(room) {
                room -= 1;
                if let Some(source) = self.add_source(index, address, now) {
                    source.conduct.is_listed = false;
                }
            }
        }
    }

    /// Drops the superfluous, and looks up names that are due. Called at every wake-up.
    pub(in crate::core) fn tend_lines(
        &mut self,
        opinion: &Opinion,
        random: &mut Random,
        now: Raw,
        outputs: &mut Outputs,
    ) {
        if opinion.is_decided {
            self.set_at.get_or_insert(now);
            self.drop_superfluous(opinion, now, outputs);
        }
        self.seek_replacement(random, now);
        self.fill_places(now);
        for (index, line) in self.lines.iter_mut().enumerate() {
            if line.due().is_some_and(|due| due <= now) {
                line.asked();
                outputs.push(Output::Resolve { line: index });
            }
        }
    }

    /// A lookup ended.
    pub(in crate::core) fn resolved(
        &mut self,
        index: usize,
        addresses: &[IpAddr],
        opinion: &Opinion,
        now: Raw,
        outputs: &mut Outputs,
    ) {
        if let Some(gone) = self.lines.get_mut(index).filter(|line| line.is_retired()) {
            return gone.let_go();
        }
        let Some(line) = self.lines.get(index).filter(|line| line.name().is_some()) else { return };
        let is_calm = self.set_at.is_some();
        let (wanted, purpose) = (line.wanted(), line.purpose());
        self.note_listed(index, addresses, purpose == Some(Purpose::Refresh));
        let mut fresh = self.unused(index, addresses, now).into_iter();
        let is_bad = |source: &Source| source.line == index && self.is_bad(source, now);
        let bad: Vec<usize> = (0..self.sources.len()).filter(|place| is_bad(&self.sources[*place])).collect();
        let allowed = match (is_calm, purpose) {
            (false, _) => bad.len(),
            (true, Some(Purpose::Replace)) => 1,
            (true, _) => 0,
        };
        for (place, address) in bad.into_iter().take(allowed).zip(fresh.by_ref()) {
            self.replace(place, address, opinion, now, outputs);
        }
        let mut left = None;
        for address in fresh {
            if self.has_room(index, opinion, now) {
                self.add_source(index, address, now);
            } else {
                left.get_or_insert(address);
            }
        }
        // The new one cannot prove itself beside the old one when all places are taken.
        let moved = |source: &Source| source.line == index && !source.conduct.is_listed;
        if let (Some(address), Some(Purpose::Refresh), None) = (left, purpose, self.free_slot())
            && let Some(place) = self.sources.iter().position(moved)
        {
            self.replace(place, address, opinion, now, outputs);
        }
        self.note_room(index, !addresses.is_empty(), outputs);
        let listed = self.members(index).filter(|source| source.conduct.is_listed).count();
        let found = match listed {
            0 => Yield::Nothing,
            _ if listed < wanted => Yield::TooFew,
            _ => Yield::Enough,
        };
        self.lines[index].answered(found, is_calm, self.refresh, now);
    }

    /// Addresses that the line may use, and no source has.
    fn unused(&self, index: usize, addresses: &[IpAddr], now: Raw) -> Vec<IpAddr> {
        let line = &self.lines[index];
        let (is_pool, port) = (line.config.pool, line.config.options.port);
        // The server of NTS keys that a pool names may know more than one that tells the time.
        let is_inexhaustible = |source: &Source| source.line == index && is_pool && source.has_moved();
        let has = |source: &Source, address: SocketAddr| {
            source.address() == Some(address)
                || source.named_address() == Some(address.ip()) && port == address.port() && !is_inexhaustible(source)
        };
        let mut unused = line.eligible(addresses, now);
        unused.retain(|address| !self.sources.iter().any(|source| has(source, SocketAddr::new(*address, port))));
        unused
    }

    /// A line whose name has addresses and for which there is no place is told of once.
    fn note_room(&mut self, index: usize, has_addresses: bool, outputs: &mut Outputs) {
        let has_place = self.members(index).next().is_some() || self.free_slot().is_some();
        let is_out_of_room = has_addresses && !has_place;
        if is_out_of_room && !self.lines[index].is_out_of_room {
            self.refuse_line(index, outputs);
        }
        self.lines[index].is_out_of_room = is_out_of_room;
    }

    /// The source answers with a time that selection considers, right or wrong.
    fn has_say(&self, source: &Source, opinion: &Opinion) -> bool {
        source.reach != 0 && (source.options.no_select || opinion.considered.contains(source.slot))
    }

    /// Another address would do better.
    fn is_bad(&self, source: &Source, now: Raw) -> bool {
        let has_no_route = || {
            source.schedule.send_failures() >= SEND_FAILURES
                && self.sources.iter().any(|other| other.reach != 0 && other.schedule.send_failures() == 0)
        };
        source.conduct.is_bad(now) || has_no_route()
    }

    fn note_listed(&mut self, line: usize, addresses: &[IpAddr], is_refresh: bool) {
        let mut unlisted = None;
        for source in self.sources.iter_mut().filter(|source| source.line == line) {
            let is_listed = source.named_address().is_some_and(|ip| addresses.contains(&ip));
            source.conduct.is_listed |= is_listed;
            if !is_listed {
                unlisted.get_or_insert(source);
            }
        }
        // A pool shows other addresses each time: one member a lookup is enough.
        if let Some(moved) = unlisted.filter(|_| is_refresh && !addresses.is_empty()) {
            moved.conduct.is_listed = false;
        }
    }

    /// One more address of this line may be tried. The places other lines are still to have are not taken.
    fn has_room(&self, index: usize, opinion: &Opinion, now: Raw) -> bool {
        let line = &self.lines[index];
        let members = self.members(index).count();
        let unlisted = self.members(index).filter(|source| !source.conduct.is_listed).count();
        let has_good = self.members(index).any(|source| self.is_good(source, opinion, now));
        let most = if has_good { line.wanted() + unlisted } else { line.candidates() + unlisted };
        let others = self.lines.iter().enumerate().filter(|(other, _)| *other != index);
        let reserved: usize =
            others.map(|(index, other)| other.wanted().saturating_sub(self.members(index).count())).sum();
        let free = MAX_SOURCES.saturating_sub(self.sources.len());
        members < most && (members < line.wanted() || free > reserved)
    }

    /// A line yields no source at all.
    pub(super) fn refuse_line(&mut self, line: usize, outputs: &mut Outputs) {
        let is_out_of_room = self.free_slot().is_none();
        let reason = if is_out_of_room { "Too many sources" } else { "Already in use" };
        if is_out_of_room && self.lines[line].id == 0 {
            self.lines[line].id = self.next_id();
        }
        self.lines[line].is_out_of_room = is_out_of_room;
        self.lines[line].is_flaw_told = true;
        outputs.tell(Event::CannotAddSource { name: self.lines[line].label.to_string(), reason });
    }

    /// Addresses of the configuration that have had no place take one that has become free.
    fn fill_places(&mut self, now: Raw) {
        for line in 0..self.lines.len() {
            let waits = self.lines[line].is_out_of_room && !self.lines[line].is_retired();
            let Some(address) = self.lines[line].literal().filter(|_| waits) else { continue };
            if self.add_source(line, address, now).is_some() {
                (self.lines[line].is_out_of_room, self.lines[line].is_flaw_told) = (false, false);
            }
        }
    }

    /// An address that is already used is skipped: it would vote twice.
    fn add_source(&mut self, line: usize, address: IpAddr, now: Raw) -> Option<&mut Source> {
        let address = SocketAddr::new(address, self.lines[line].config.options.port);
        let is_known = self.sources.iter().any(|source| source.address() == Some(address));
        let slot = self.free_slot().filter(|_| !is_known)?;
        let listed = self.members(line).filter(|source| source.conduct.is_listed).count();
        let delay = if listed < self.lines[line].wanted() { Span::ZERO } else { HEAD_START };
        let source = self.new_source(line, slot, Measurer::Network(address), now + delay);
        self.sources.push(source);
        self.sources.last_mut()
    }

    fn replace(&mut self, index: usize, address: IpAddr, opinion: &Opinion, now: Raw, outputs: &mut Outputs) {
        let old = &self.sources[index];
        let (slot, line) = (old.slot, old.line);
        let Some(old_address) = old.address() else { return };
        self.dismiss(index, opinion, now, outputs);
        self.sources[index] =
            self.new_source(line, slot, Measurer::Network(SocketAddr::new(address, old_address.port())), now);
        let name = Arc::from(self.lines[line].name().unwrap_or_default());
        outputs.tell(Event::Replaced { old: old_address.ip(), new: address, name });
    }

    /// Looks up the name of a bad member, but not often.
    fn seek_replacement(&mut self, random: &mut Random, now: Raw) {
        if self.mode != Mode::Discipline || self.replace_after.is_some_and(|after| now < after) {
            return;
        }
        let is_replaceable = |source: &Source| self.line_of(source).name().is_some() && self.is_bad(source, now);
        let mut bad = [0; MAX_SOURCES];
        let mut count = 0;
        for source in self.sources.iter().filter(|source| is_replaceable(source)) {
            bad[count] = source.line;
            count += 1;
        }
        if count == 0 {
            return;
        }
        // Not always the first: its name may have no other address.
        let line = bad[(random.fraction() * count as f64) as usize];
        self.lines[line].hasten(now);
        let pause = match self.set_at {
            Some(_) => REPLACEMENT_PAUSE.scaled(random.fraction()),
            None => REPLACEMENT_PAUSE_AT_START,
        };
        self.replace_after = Some(now + pause);
    }

    /// Once enough of a line's sources are good, the others go.
    fn drop_superfluous(&mut self, opinion: &Opinion, now: Raw, outputs: &mut Outputs) {
        for line in 0..self.lines.len() {
            let wanted = self.lines[line].wanted();
            let members = self.members(line).count();
            if members <= wanted && self.members(line).all(|source| source.conduct.is_listed) {
                continue;
            }
            let listed = || self.members(line).filter(|source| source.conduct.is_listed);
            let good = listed().filter(|source| self.is_good(source, opinion, now)).count();
            // Right or wrong: the configuration trusts the name, not what it once stood for.
            let answering = listed().filter(|source| self.has_say(source, opinion)).count();
            let (mut seen, mut left) = (0, members);
            for index in (0..self.sources.len()).rev() {
                let source = &self.sources[index];
                if source.line != line {
                    continue;
                }
                let is_good = self.is_good(source, opinion, now) && source.conduct.is_listed;
                seen += usize::from(is_good);
                let is_superfluous = match source.conduct.is_listed {
                    // The first to be added stay.
                    true if good >= wanted => !is_good || good - seen >= wanted,
                    true => left > wanted && self.is_bad(source, now),
                    false => 2 * answering > wanted,
                };
                if is_superfluous {
                    left -= 1;
                    self.remove(index, opinion, now, outputs);
                }
            }
        }
    }
}
