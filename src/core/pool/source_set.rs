//! The sources and the lines they come from: one owner for who is a member and with which options.

use std::sync::Arc;

use crate::core::api::dump::Archive;
use crate::core::api::event::Label;
use crate::core::api::exchange::ExchangeId;
use crate::core::api::last_good::LastGood;
use crate::core::api::monitoring::Address;
use crate::core::api::nts::{EstablishmentId, SavedKeys};
use crate::core::api::output::{Output, Outputs};
use crate::core::api::settings::{AuthSelectMode, Host, Mode, Settings, SourceConfig};
use crate::core::api::source_id::SourceId;
use crate::core::estimate::{MAX_SOURCES, Slot, SlotSet};
use crate::core::pool::key_establishment::NtsPolicy;
use crate::core::pool::keys::give_key;
use crate::core::pool::line::Line;
use crate::core::pool::past::Past;
use crate::core::source::{MIN_DELAY, Measurer, Source};
use crate::time::{Raw, Span};
use crate::wire::symmetric::KeyTable;

/// A replaced address is not used again for this long.
const SHUNNED_FOR: Span = Span::from_secs(4 * 3600);

/// Lines, their sources, and what becomes of both.
pub(in crate::core) struct SourceSet {
    pub(super) lines: Vec<Line>,
    pub(super) sources: Vec<Source>,
    /// The last number given to a line, see [`Line::id`].
    pub(super) last_id: u32,
    /// From the last run.
    pub(super) last_good: Vec<LastGood>,
    pub(super) past: Past,
    /// When the clock was first set.
    pub(super) set_at: Option<Raw>,
    /// Certificates are judged by the clock; before, those of all dates may be right.
    pub(super) is_date_known: bool,
    /// The hosts of `initstepslew` are asked until then.
    pub(super) initial_until: Option<Raw>,
    /// No source is replaced before this moment.
    pub(super) replace_after: Option<Raw>,
    /// Places that have lost their source since [`SourceSet::take_vacated`].
    pub(super) vacated: SlotSet,
    /// Sources have gone since [`SourceSet::take_loss`].
    pub(super) has_loss: bool,
    pub(super) mode: Mode,
    pub(super) auth_mode: AuthSelectMode,
    /// Directive `refresh`.
    pub(super) refresh: Option<Span>,
    /// Symmetric keys.
    pub(super) keys: KeyTable,
    /// What the configuration says about NTS.
    pub(super) nts: NtsPolicy,
    pub(super) last_establishment: EstablishmentId,
    /// From the last run, until their source wants them.
    pub(super) saved_keys: Vec<SavedKeys>,
    pub(super) keeps_samples: bool,
    precision: Span,
}

/// What selection holds of the sources.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::core) struct Opinion {
    /// A vote has been decided, and no other has been called since.
    pub(in crate::core) is_decided: bool,
    /// The sources that agree.
    pub(in crate::core) agreeing: SlotSet,
    /// The sources that tell a time that selection considers, right or wrong.
    pub(in crate::core) considered: SlotSet,
}

impl SourceSet {
    /// No line, no source.
    pub(in crate::core) fn new(settings: &Settings, mode: Mode, last_good: Vec<LastGood>) -> Self {
        SourceSet {
            lines: Vec::new(),
            sources: Vec::new(),
            last_id: 0,
            last_good,
            past: Past::default(),
            set_at: None,
            is_date_known: false,
            initial_until: None,
            replace_after: None,
            vacated: SlotSet::default(),
            has_loss: false,
            mode,
            auth_mode: settings.auth_select_mode,
            refresh: (settings.refresh_s > 0).then(|| Span::from_secs(i64::from(settings.refresh_s))),
            keys: KeyTable::default(),
            nts: NtsPolicy::STRICT,
            last_establishment: EstablishmentId(0),
            saved_keys: Vec::new(),
            keeps_samples: settings.keep_samples,
            precision: settings.clock_precision_s.map_or(MIN_DELAY, Span::from_secs_f64),
        }
    }

    /// The sources, in the order they were added.
    pub(in crate::core) fn all(&self) -> &[Source] {
        &self.sources
    }

    /// The sources, to be told something.
    pub(in crate::core) fn all_mut(&mut self) -> &mut [Source] {
        &mut self.sources
    }

    /// The lines by their index; those that are gone leave a gap.
    pub(in crate::core) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The line of a source.
    pub(in crate::core) fn line_of(&self, source: &Source) -> &Line {
        &self.lines[source.line]
    }

    /// There is a line that is not gone.
    pub(in crate::core) fn has_lines(&self) -> bool {
        !self.lines.iter().all(Line::is_retired)
    }

    /// One of a set is a reference clock.
    pub(in crate::core) fn has_clock(&self, slots: SlotSet) -> bool {
        self.of(slots).any(|source| source.clock().is_some())
    }

    /// The resolution of the system clock.
    pub(in crate::core) fn precision(&self) -> Span {
        self.precision
    }

    /// The sources whose places are in this set.
    pub(in crate::core) fn of(&self, slots: SlotSet) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(move |source| slots.contains(source.slot))
    }

    /// The source in this place.
    pub(in crate::core) fn in_slot(&self, slot: Slot) -> Option<&Source> {
        self.sources.iter().find(|source| source.slot == slot)
    }

    /// The source that waits for an answer in this exchange, by index.
    pub(in crate::core) fn in_exchange(&self, exchange: ExchangeId) -> Option<usize> {
        self.sources.iter().position(|source| source.in_flight() == Some(exchange))
    }

    /// The sources of a line.
    pub(in crate::core) fn members(&self, line: usize) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(move |source| source.line == line)
    }

    /// Lines without a source, by index: their name has no address yet, or there is no place for them.
    pub(in crate::core) fn unresolved(&self) -> impl Iterator<Item = (usize, &Line)> {
        let is_one = |line: &Line| line.name().is_some() || line.is_out_of_room && !line.is_retired();
        let lines = self.lines.iter().enumerate().filter(move |(_, line)| is_one(line));
        lines.filter(|(index, _)| self.members(*index).next().is_none())
    }

    /// When the clock was first set by these sources.
    pub(in crate::core) fn set_at(&self) -> Option<Raw> {
        self.set_at
    }

    /// Another source tells the time.
    pub(in crate::core) fn is_dispensable(&self, index: usize) -> bool {
        let tells = |source: &Source| source.reach != 0 && !source.options.no_select;
        self.sources.iter().enumerate().any(|(other, source)| other != index && tells(source))
    }

    /// Asks everybody again as soon as manners allow, with a burst.
    pub(in crate::core) fn restart_polls(&mut self, now: Raw) {
        self.sources.iter_mut().for_each(|source| source.schedule.restart(now));
    }

    /// Asks everybody for a second opinion.
    pub(in crate::core) fn consult(&mut self, now: Raw) {
        let idle = self.sources.iter_mut().filter(|source| source.in_flight().is_none());
        idle.for_each(|source| source.schedule.consult(now));
    }

    /// Asks those that have not answered since the vote began. One that is new will be asked anyway.
    pub(in crate::core) fn poll_silent_now(&mut self, now: Raw) {
        for source in &mut self.sources {
            let is_silent = source.is_silent() && source.in_flight().is_none();
            if is_silent && source.schedule.requests() > 0 {
                source.schedule.poll_now(now);
            }
        }
    }

    /// Asks those that are taken to be away. One that is new will be asked anyway.
    pub(in crate::core) fn poll_unreachable_now(&mut self, now: Raw) {
        for source in &mut self.sources {
            if source.reach == 0 && source.schedule.requests() > 0 {
                source.schedule.poll_now(now);
            }
        }
    }

    /// When the first source is to be asked.
    pub(in crate::core) fn next_poll(&self) -> Option<Raw> {
        self.sources.iter().filter_map(Source::due).min()
    }

    /// When the first exchange is to be given up.
    pub(in crate::core) fn next_expiry(&self) -> Option<Raw> {
        self.sources.iter().filter_map(Source::expires).min()
    }

    /// Gives up exchanges that have had their time.
    pub(in crate::core) fn expire_exchanges(&mut self, now: Raw, outputs: &mut Outputs) {
        let late = self.sources.iter_mut().filter(|source| source.expires().is_some_and(|at| at <= now));
        late.filter_map(Source::expire).for_each(|exchange| outputs.push(Output::Close(exchange)));
    }

    /// When the first name is to be looked up.
    pub(in crate::core) fn next_lookup(&self) -> Option<Raw> {
        self.lines.iter().filter_map(Line::due).min()
    }

    /// When the hosts of `initstepslew` have had their time.
    pub(in crate::core) fn initial_until(&self) -> Option<Raw> {
        self.initial_until
    }

    /// Places that have lost their source since this was last called: what is known of that source is void.
    pub(in crate::core) fn take_vacated(&mut self) -> SlotSet {
        std::mem::take(&mut self.vacated)
    }

    /// Whether sources have gone since this was last called.
    pub(in crate::core) fn take_loss(&mut self) -> bool {
        std::mem::take(&mut self.has_loss)
    }

    /// People know that the name of a line has no address.
    pub(in crate::core) fn flaw_is_told(&mut self, line: usize) {
        self.lines[line].is_flaw_told = true;
    }

    /// Names that could not be looked up are looked up again.
    pub(in crate::core) fn look_up_now(&mut self, now: Raw) {
        self.lines.iter_mut().for_each(|line| line.look_up_now(now));
    }

    /// The first place that nobody has.
    pub(super) fn free_slot(&self) -> Option<Slot> {
        let is_free = |slot: &Slot| self.sources.iter().all(|source| source.slot != *slot);
        (0..MAX_SOURCES).filter_map(Slot::new).find(is_free)
    }

    /// A source of this line that has not been asked.
    pub(super) fn new_source(&mut self, line: usize, slot: Slot, measurer: Measurer, due: Raw) -> Source {
        let SourceConfig { host, options, .. } = &self.lines[line].config;
        let label = label(measurer.id(), host);
        let mut source = Source::new(slot, measurer, label, line, options.clone(), due);
        if self.keeps_samples {
            source.archive = Archive::new();
        }
        give_key(&mut source, &self.keys);
        source.configured = self.lines[line].select;
        source.precision = self.precision;
        source
    }

    /// Removes a source.
    pub(super) fn remove(&mut self, index: usize, opinion: &Opinion, now: Raw, outputs: &mut Outputs) {
        self.dismiss(index, opinion, now, outputs);
        self.sources.remove(index);
    }

    /// Forgets everything about a source but its address, which is not to be used again for some time.
    pub(super) fn dismiss(&mut self, index: usize, opinion: &Opinion, now: Raw, outputs: &mut Outputs) {
        let is_good = self.is_good(&self.sources[index], opinion, now);
        let source = &mut self.sources[index];
        if let Some(exchange) = source.expire() {
            outputs.push(Output::Close(exchange));
        }
        if !is_good && source.schedule.requests() > 0 {
            let until = source.conduct.denied_until().unwrap_or(now).max(now + SHUNNED_FOR);
            if let Some(address) = source.named_address() {
                self.lines[source.line].shun(address, until);
            }
        }
        self.vacated.insert(source.slot);
        self.has_loss = true;
    }

    /// The source answers, and those that are believed agree with it.
    pub(super) fn is_good(&self, source: &Source, opinion: &Opinion, now: Raw) -> bool {
        let is_believed = source.options.no_select || opinion.agreeing.contains(source.slot);
        source.reach != 0 && is_believed && opinion.is_decided && !source.conduct.is_bad(now)
    }
}

/// How people find a source. An index counts the sources first, in the order of their lines whenever their addresses were
/// found, and then the names that have no address yet.
impl SourceSet {
    /// Sources, and names without an address.
    pub(in crate::core) fn count(&self) -> usize {
        self.sources.len() + self.unresolved().count()
    }

    /// The index of one of them.
    pub(in crate::core) fn find(&self, address: Address) -> Option<usize> {
        match address {
            Address::Unspecified => None,
            Address::Ip(_) | Address::Clock(_) => {
                let place = self.sources.iter().position(|source| Address::from(source.id()) == address)?;
                let keys = || self.sources.iter().enumerate().map(|(place, source)| (source.line, place));
                let own = keys().nth(place);
                Some(keys().filter(|key| Some(*key) < own).count())
            }
            Address::Id(id) => {
                self.unresolved().find(|(_, line)| line.id == id)?;
                Some(self.sources.len() + self.unresolved_below(id))
            }
        }
    }

    /// The source with this index.
    pub(in crate::core) fn at_index(&self, index: usize) -> Option<&Source> {
        let mut places = [0; MAX_SOURCES];
        let places = places.get_mut(..self.sources.len())?;
        for (place, slot) in places.iter_mut().enumerate() {
            *slot = place;
        }
        tiny_sort::unstable::sort_by_key(places, |place| (self.sources[*place].line, *place));
        self.sources.get(*places.get(index)?)
    }

    /// The line without a source that has this index. Such lines are listed in the order of their numbers, although a new
    /// line may have taken the place of an old one.
    pub(in crate::core) fn unresolved_at_index(&self, index: usize) -> Option<usize> {
        let place = index.checked_sub(self.sources.len())?;
        let (mut low, mut high) = (0, self.last_id.saturating_add(1));
        // Bisection: there may be a thousand lines, each of which is asked for.
        while low < high {
            let middle = low + (high - low) / 2;
            if self.unresolved_below(middle.saturating_add(1)) > place {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        self.unresolved().find(|(_, line)| line.id == low).map(|(line, _)| line)
    }

    /// All of them in that order.
    pub(in crate::core) fn unresolved_in_order(&self) -> impl Iterator<Item = usize> {
        let after = |id: u32| self.unresolved().filter(move |(_, line)| line.id > id).min_by_key(|(_, line)| line.id);
        std::iter::successors(after(0), move |(_, line)| after(line.id)).map(|(line, _)| line)
    }

    /// How many have a smaller number.
    fn unresolved_below(&self, id: u32) -> usize {
        self.unresolved().filter(|(_, line)| line.id < id).count()
    }
}

/// The address or the reference ID, with the configured name behind it if that differs.
pub(super) fn label(id: SourceId, host: &Host) -> Label {
    match host {
        Host::Address(_) | Host::Clock(_) => Arc::from(id.to_string()),
        Host::Name(name) => Arc::from(format!("{id} ({name})")),
    }
}
