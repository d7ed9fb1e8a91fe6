//! What is wrong with each source.

use crate::core::api::flaw::Flaw;
use crate::core::api::monitoring::FLAWS;
use crate::core::engine::Engine;
use crate::core::selection::SourceStatus;
use crate::core::source::Source;
use crate::core::source::authentication::Authentication;
use crate::time::{Raw, Span};

/// Requests without an answer after which a source is silent: one may be on its way, and the one before is lost.
pub(super) const SILENT_AFTER: u32 = 2;

/// Lookups without an address, about 7 s, after which a name is said to have none: networks take some seconds to come up.
const FRUITLESS_LOOKUPS: u32 = 4;
/// Lookups that take longer count as failed: resolvers wait for 5 s or 10 s for servers that do not answer.
pub(super) const LOOKUP_PATIENCE: Span = Span::from_secs(15);

/// Failures to send, about 7 s, after which they are told: addresses and devices come up late.
const SEND_FAILURES: u32 = 4;

impl Engine {
    /// What is wrong with a source at present, said already or not.
    pub(super) fn flaw(&self, source: &Source) -> Option<Flaw> {
        self.present_flaw(source, SILENT_AFTER, self.seen)
    }

    /// Why a line has no source.
    pub(super) fn flaw_of_line(&self, line: usize) -> Option<Flaw> {
        let line = self.sources.lines().get(line)?;
        if let Authentication::Missing(protection) = line.authentication() {
            return Some(protection.flaw());
        }
        if line.is_out_of_room {
            return Some(Flaw::NoPlace);
        }
        (line.fruitless_lookups() > 0 || line.is_flaw_told).then_some(Flaw::NoAddress)
    }

    /// The flaws of all sources by their index, as far as there is room for them.
    pub(super) fn flaws(&self) -> [Option<Flaw>; FLAWS] {
        let mut flaws = [None; FLAWS];
        let of_sources =
            (0..self.sources.all().len()).filter_map(|index| self.sources.at_index(index)).map(|s| self.flaw(s));
        flaws.iter_mut().zip(of_sources).for_each(|(place, flaw)| *place = flaw);
        let of_lines = self.sources.unresolved_in_order().map(|line| self.flaw_of_line(line));
        flaws.iter_mut().skip(self.sources.all().len()).zip(of_lines).for_each(|(place, flaw)| *place = flaw);
        flaws
    }

    pub(super) fn present_flaw(&self, source: &Source, silent_after: u32, now: Raw) -> Option<Flaw> {
        if let Some(flaw) = source.authenticator().flaw() {
            return Some(flaw);
        }
        if source.options.no_select {
            return Some(Flaw::NotToBeSelected);
        }
        if source.schedule.is_offline() {
            return Some(Flaw::Offline);
        }
        if is_denying(source, now) {
            return Some(Flaw::Denied);
        }
        if let Some(flaw) = source.clock().and_then(|clock| clock.flaw()) {
            return Some(flaw);
        }
        let is_silent = source.reach == 0 && source.schedule.unanswered() >= silent_after;
        let flaw = if source.is_unreachable() { None } else { source.conduct.flaw(now) };
        let silence = || is_silent.then(|| source.conduct.hint().unwrap_or(Flaw::Silent));
        source.conduct.unsent().or(flaw).or_else(silence).or_else(|| self.flaw_in_selection(source))
    }

    fn flaw_in_selection(&self, source: &Source) -> Option<Flaw> {
        match self.selector.selection().status[source.slot.index()]? {
            SourceStatus::BadStratum => Some(Flaw::BadStratum),
            SourceStatus::TooDistant => Some(Flaw::TooDistant),
            SourceStatus::TooJittery => Some(Flaw::TooJittery),
            SourceStatus::Falseticker => self.selector.selection().is_majority.then_some(Flaw::Falseticker),
            SourceStatus::Untrusted | SourceStatus::NotPreferred | SourceStatus::Distant | SourceStatus::Active => None,
        }
    }

    /// The name of a line has been looked up in vain for long enough.
    pub(super) fn is_without_address(&self, index: usize, now: Raw) -> bool {
        let line = &self.sources.lines()[index];
        let is_tried = line.fruitless_lookups() >= FRUITLESS_LOOKUPS || now - line.addressed() >= LOOKUP_PATIENCE;
        let is_looked_up = line.name().is_some() && line.authentication().is_hopeful();
        is_looked_up && is_tried && self.sources.members(index).next().is_none()
    }
}

/// What has been wrong with a source for long enough to be said. Kisses have events of their own.
pub(super) fn lasting_flaw(source: &Source, now: Raw) -> Option<Flaw> {
    if !source.authentication().is_hopeful() {
        return source.authenticator().flaw();
    }
    // To have no route is a matter of the network, like silence.
    let unsent = source.conduct.unsent().filter(|flaw| *flaw != Flaw::NoRoute);
    let unsent = unsent.filter(|_| source.schedule.send_failures() >= SEND_FAILURES);
    let device = source.clock().filter(|clock| clock.is_out()).and_then(|clock| clock.flaw());
    // The shell has said why a device is absent.
    if let Some(flaw) = device {
        return Some(flaw).filter(|flaw| *flaw != Flaw::DeviceAbsent);
    }
    let useless = || source.conduct.flaw(now).filter(|_| source.conduct.is_useless(&source.options));
    unsent.or_else(useless).filter(|flaw| !matches!(flaw, Flaw::Denied | Flaw::RateLimited | Flaw::DeviceAbsent))
}

/// The source is not asked, for its answers could not be authenticated.
pub(super) fn is_unprotected(source: &Source) -> bool {
    source.lacks_keys()
}

pub(super) fn is_denying(source: &Source, now: Raw) -> bool {
    source.conduct.denied_until().is_some_and(|until| until > now)
}
