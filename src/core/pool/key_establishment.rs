//! NTS keys: when they are to be established and with whom, and what becomes of it.
//!
//! A certificate has dates, and a machine without a clock boots in 1970: it could check nothing, and so never learn the
//! time. As long as the clock is uncertain a certificate whose only fault is its dates is therefore accepted
//! *provisionally*: the server may only tell times that lie within them, and when the clock has been set the true time must
//! lie there as well, or the keys are dropped.
//!
//! The server of key establishment may name another that tells the time. Behind the name of a pool it names another each
//! time (draft-ietf-ntp-nts-keyexchange-pool): as long as the line has too few sources it is asked for one more, and told
//! those that the line has already.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::core::api::event::Event;
use crate::core::api::flaw::Flaw;
use crate::core::api::nts::{DateRule, Dates, Established, EstablishmentId, KeyFailure, KeyRequest, SavedKeys, Stage};
use crate::core::api::output::{Output, Outputs};
use crate::core::api::settings::Host;
use crate::core::api::source_id::SourceId;
use crate::core::estimate::SlotSet;
use crate::core::pool::source_set::{SourceSet, label};
use crate::core::source::nts::NtsClient;
use crate::core::source::{Measurer, Source};
use crate::time::{ClockReading, Raw, Span, Utc};

/// The other sources may be late by this much where one source alone has set the clock.
const LONGEST_DOUBT: Span = Span::from_secs(3600);

/// What the configuration says about NTS, as far as the engine decides it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NtsPolicy {
    /// `ntsrefresh`: the oldest that keys may get; `None` for no limit.
    pub refresh: Option<Span>,
    /// `nocerttimecheck`: dates are not checked before this many updates of the clock.
    pub unchecked_updates: u32,
    /// The clock was never set since the machine was started, and certificates may be accepted provisionally.
    pub is_provisional: bool,
}

impl NtsPolicy {
    /// chrony's defaults, with dates always checked.
    pub const STRICT: NtsPolicy =
        NtsPolicy { refresh: Some(Span::from_secs(2_419_200)), unchecked_updates: 0, is_provisional: false };
}

impl SourceSet {
    /// What the configuration says about NTS.
    pub(in crate::core) fn use_nts(&mut self, policy: NtsPolicy) {
        self.nts = policy;
    }

    /// Keys of the last run: a source that has some begins with them.
    pub(in crate::core) fn recall_keys(&mut self, saved: Vec<SavedKeys>) {
        self.saved_keys = saved;
    }

    /// Keys and cookies for the next run.
    pub(in crate::core) fn keys_to_save(&self, now: &ClockReading) -> Vec<SavedKeys> {
        let save = |source: &Source| source.nts()?.save(self.line_of(source).label.to_string(), source.address()?, now);
        self.sources.iter().filter_map(save).collect()
    }

    /// How dates of certificates are judged: `updates` says how often the clock has been set.
    pub(in crate::core) fn date_rule(&self, updates: u32) -> DateRule {
        if self.nts.unchecked_updates > updates {
            DateRule::Unchecked
        } else if self.nts.is_provisional && !self.is_date_known {
            DateRule::Provisional
        } else {
            DateRule::Strict
        }
    }

    /// The clock has been set by these: whether dates of certificates are judged by it from now on. One source alone, whose
    /// own certificate was accepted without knowing the date, does not make those of the others wrong.
    pub(in crate::core) fn learn_date(&mut self, agreeing: SlotSet, now: Raw) -> bool {
        let is_provisional = |source: &Source| source.nts().is_some_and(|nts| nts.provisional().is_some());
        let mut followed = self.sources.iter().filter(|source| agreeing.contains(source.slot));
        self.is_date_known |= agreeing.len() > 1
            || self.sources.len() == 1
            || followed.any(|source| !is_provisional(source))
            || self.set_at.is_some_and(|at| now - at >= LONGEST_DOUBT);
        self.is_date_known
    }

    /// When the next establishment begins, or has taken too long.
    pub(in crate::core) fn next_establishment(&self, now: Raw) -> Option<Raw> {
        let due = self.sources.iter().filter_map(|source| self.keys_due(source, now));
        let expiry = self.sources.iter().filter_map(|source| source.nts()?.expires());
        due.chain(expiry).min()
    }

    /// Begins what is due, and gives up what takes too long.
    pub(in crate::core) fn establish_due_keys(&mut self, dates: Dates, now: &ClockReading, outputs: &mut Outputs) {
        for index in 0..self.sources.len() {
            let source = &self.sources[index];
            let Some(nts) = source.nts() else { continue };
            if nts.expires().is_some_and(|at| at <= now.raw) {
                if let Some(id) = nts.running() {
                    outputs.push(Output::AbandonKeys(id));
                }
                let text = format!("NTS-KE session with {} timed out", self.key_server_of(index));
                let failure = KeyFailure { stage: Stage::Connection, flaw: Flaw::KeyServerAway, text };
                self.keys_failed(index, &failure, now.raw, outputs);
            }
            if self.keys_due(&self.sources[index], now.raw).is_some_and(|due| due <= now.raw)
                && !self.restore_keys(index, now, outputs)
            {
                self.establish_keys(index, dates, now.raw, outputs);
            }
        }
    }

    /// Keys are not established before the first request would be due, and not while the source is offline.
    fn keys_due(&self, source: &Source, now: Raw) -> Option<Raw> {
        let nts = source.nts()?;
        let polled = source.schedule.due()?;
        let due = nts.due(now, self.nts.refresh)?;
        Some(if source.schedule.requests() == 0 { due.max(polled) } else { due })
    }

    /// Whether the keys of the last run are used. They are used once: a cookie is not shown twice.
    fn restore_keys(&mut self, index: usize, now: &ClockReading, outputs: &mut Outputs) -> bool {
        let source = &self.sources[index];
        let Some(server) = source.named_address() else { return false };
        let name = &self.lines[source.line].label;
        let is_its = |saved: &SavedKeys| saved.server == server && *saved.name == **name;
        let Some(place) = self.saved_keys.iter().position(is_its) else { return false };
        let saved = self.saved_keys.swap_remove(place);
        // Nobody knows how old they are if the clock is wrong: the server will say so if it has forgotten them.
        let age = (now.utc - saved.since).max(Span::ZERO);
        let is_fresh = self.nts.refresh.is_none_or(|limit| age < limit);
        if !is_fresh || self.move_source(index, saved.address, outputs).is_err() {
            return false;
        }
        let source = &mut self.sources[index];
        let key_server = SocketAddr::new(server, source.options.nts_port);
        if let Some(nts) = source.nts_mut() {
            nts.restore(saved, key_server, now.raw - age);
        }
        true
    }

    fn establish_keys(&mut self, index: usize, dates: Dates, now: Raw, outputs: &mut Outputs) {
        self.last_establishment.0 += 1;
        let id = self.last_establishment;
        let source = &self.sources[index];
        let Some(address) = source.named_address() else { return };
        let server = SocketAddr::new(address, source.options.nts_port);
        let denied = self.servers_told(index);
        let request = KeyRequest {
            id,
            server,
            name: match &self.lines[source.line].config.host {
                Host::Name(name) => Some(name.clone()),
                Host::Address(_) | Host::Clock(_) => None,
            },
            cert_set: source.options.cert_set,
            dates,
            denied: denied.clone(),
            port: source.options.port,
            family: source.options.family,
        };
        if let Some(nts) = self.sources[index].nts_mut() {
            nts.begin(id, server, denied, now);
            outputs.push(Output::EstablishKeys(Box::new(request)));
        }
    }

    /// An establishment has ended.
    pub(in crate::core) fn keys_ended(
        &mut self,
        id: EstablishmentId,
        outcome: Result<Box<Established>, KeyFailure>,
        now: Raw,
        outputs: &mut Outputs,
    ) {
        let is_of = |source: &Source| source.nts().is_some_and(|nts| nts.running() == Some(id));
        let Some(index) = self.sources.iter().position(is_of) else { return };
        if let Ok(established) = &outcome
            && self.is_taken(index, established.address)
            && self.is_pool(index)
        {
            return self.refuse_duplicate(index, established, outputs);
        }
        let placed = outcome.and_then(|established| {
            self.move_source(index, established.address, outputs)?;
            Ok(established)
        });
        match placed {
            Ok(established) => {
                let source = &mut self.sources[index];
                let had_cookie = source.authenticator().can_seal();
                if let Some(nts) = source.nts_mut() {
                    nts.succeed(*established, now);
                }
                if !had_cookie {
                    source.schedule.restart(now);
                }
                if self.is_pool(index) {
                    self.add_another(index, now);
                }
            }
            Err(failure) => self.keys_failed(index, &failure, now, outputs),
        }
    }

    /// The line of this source is a pool.
    fn is_pool(&self, index: usize) -> bool {
        self.line_of(&self.sources[index]).config.pool
    }

    /// Another source has this address.
    fn is_taken(&self, index: usize, address: SocketAddr) -> bool {
        self.sources.iter().enumerate().any(|(other, source)| other != index && source.address() == Some(address))
    }

    /// Servers that servers of key establishment have named to other sources of the line.
    fn servers_told(&self, index: usize) -> Vec<String> {
        let line = self.sources[index].line;
        let others = self.sources.iter().enumerate().filter(|(other, source)| *other != index && source.line == line);
        others.filter_map(|(_, source)| Some(source.nts()?.told()?.to_owned())).collect()
    }

    /// The line has this server already. Who did not know that is told; who does not heed it is asked for no more until
    /// the name of the line is looked up again.
    fn refuse_duplicate(&mut self, index: usize, established: &Established, outputs: &mut Outputs) {
        let server = established.server.as_deref().unwrap_or_default();
        let is_named = self.servers_told(index).iter().any(|told| told == server);
        let source = &mut self.sources[index];
        if let Some(nts) = source.nts_mut().filter(|nts| is_named && !nts.has_denied(server)) {
            return nts.begin_again();
        }
        if let Some(exchange) = source.expire() {
            outputs.push(Output::Close(exchange));
        }
        self.vacated.insert(source.slot);
        self.has_loss = true;
        self.sources.remove(index);
    }

    /// The server of key establishment has named another than itself: it may know more, if the line has too few.
    fn add_another(&mut self, index: usize, now: Raw) {
        let source = &self.sources[index];
        let (line, port) = (source.line, source.options.port);
        let Some(address) = source.named_address().map(|address| SocketAddr::new(address, port)) else { return };
        let is_complete = self.members(line).count() >= self.lines[line].wanted();
        if is_complete || self.sources.iter().any(|source| source.address() == Some(address)) {
            return;
        }
        if let Some(slot) = self.free_slot() {
            let another = self.new_source(line, slot, Measurer::Network(address), now);
            self.sources.push(another);
        }
    }

    fn keys_failed(&mut self, index: usize, failure: &KeyFailure, now: Raw, outputs: &mut Outputs) {
        let is_news = self.sources[index].nts_mut().is_some_and(|nts| nts.fail(failure, now));
        if is_news {
            outputs.tell(Event::KeysFailed(failure.text.clone()));
        }
    }

    /// The server of key establishment says who tells the time.
    fn move_source(&mut self, index: usize, to: SocketAddr, outputs: &mut Outputs) -> Result<(), KeyFailure> {
        let source = &self.sources[index];
        let Some(old) = source.address().filter(|old| *old != to) else { return Ok(()) };
        if self.is_taken(index, to) {
            let text = format!("Could not change {old} to negotiated address {to} (another source has it already)");
            return Err(KeyFailure { stage: Stage::Session, flaw: Flaw::KeyEstablishment, text });
        }
        let host = &self.lines[source.line].config.host;
        let (name, label) = (Arc::from(host.to_string()), label(SourceId::Server(to.ip()), host));
        let source = &mut self.sources[index];
        source.move_to(to, label);
        if let Some(exchange) = source.expire() {
            outputs.push(Output::Close(exchange));
        }
        outputs.tell(Event::SourceMoved { old, new: to, name });
        Ok(())
    }

    /// The time is known: certificates that were accepted without it must be right. What was learnt by one that is not is
    /// forgotten.
    pub(in crate::core) fn settle_certificates(&mut self, present: Utc, now: Raw, outputs: &mut Outputs) {
        for index in 0..self.sources.len() {
            let Some(nts) = self.sources[index].nts_mut() else { continue };
            let Some(window) = nts.provisional() else { continue };
            if window.contains(present) {
                nts.settle();
                continue;
            }
            nts.drop_keys();
            let text = format!(
                "The certificate of {} is valid from {} until {} only, and it is {present}: the source is not asked any more",
                self.key_server_of(index),
                window.from,
                window.until
            );
            let failure = KeyFailure { stage: Stage::Session, flaw: Flaw::Certificate, text };
            self.keys_failed(index, &failure, now, outputs);
            self.sources[index].forget();
            self.vacated.insert(self.sources[index].slot);
            self.has_loss = true;
        }
    }

    /// The first vote, or a later one, has said that it is another time: dates of certificates are judged anew, those
    /// that were right and those that were not.
    pub(in crate::core) fn judge_certificates_anew(&mut self) {
        self.sources.iter_mut().filter_map(Source::nts_mut).for_each(NtsClient::judge_dates_anew);
    }

    /// The name of the server in the log.
    fn key_server_of(&self, index: usize) -> String {
        let source = &self.sources[index];
        let port = source.options.nts_port;
        let address = source.named_address().map_or_else(String::new, |ip| SocketAddr::new(ip, port).to_string());
        match &self.lines[source.line].config.host {
            Host::Name(name) => format!("{address} ({name})"),
            Host::Address(_) | Host::Clock(_) => address,
        }
    }
}
