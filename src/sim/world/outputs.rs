//! What becomes of the outputs of the engine: packets, commands for the clock, readings of devices, keys.

use std::net::{IpAddr, Ipv4Addr};

use super::{Incident, LOOKUP, World};
use crate::core::api::command::{Applied, ClockCommand};
use crate::core::api::exchange::{ExchangeId, Stamp, Undelivered};
use crate::core::api::flaw::Flaw;
use crate::core::api::nts::{KeyFailure, KeyRequest, Stage};
use crate::core::api::output::Output;
use crate::core::api::reference_clock::{ClockId, Reading};
use crate::core::engine::{Input, What};
use crate::recording::RecordedEngine;
use crate::sim::authentication::Authenticates;
use crate::sim::server::Manner;
use crate::sim::server::Server;
use crate::time::{NtpTimestamp, Raw, Span};

/// Each wake-up may lead to so many outputs; more is an endless loop.
const MAX_OUTPUTS: usize = 10_000;

/// Requests leave from here.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 200));

impl World {
    pub(super) fn drain(&mut self, mut engine: RecordedEngine) {
        for _ in 0..MAX_OUTPUTS {
            let output = engine.poll_output();
            match output {
                Output::Timeout { at, why } => {
                    (self.wake_at, self.waits_for) = (at, why);
                    self.engine = Some(engine);
                    return;
                }
                Output::Finish { success } => {
                    self.trace.finished = Some(success);
                    self.wake_at = None;
                    return;
                }
                output => self.perform(&mut engine, output),
            }
        }
        panic!("the engine does not come to rest");
    }

    fn perform(&mut self, engine: &mut RecordedEngine, output: Output) {
        match output {
            Output::Send { exchange, to, packet } => {
                let what = if self.is_network_up() && !self.scenario.unroutable.contains(&to.ip()) {
                    let sent = self.oscillator.raw();
                    let lag_s = self.pass_card(exchange, sent);
                    self.transmit(exchange, to.ip(), &packet, lag_s);
                    let is_late = self.scenario.card.as_ref().is_some_and(|card| card.software_after_s > 0.0);
                    let stamp = if is_late { Stamp::of_daemon(sent) } else { Stamp::of_kernel(sent) };
                    What::Sent { exchange, stamp, from: Some(LOCAL), awaits_hardware: self.scenario.card.is_some() }
                } else {
                    What::Unreachable { exchange, why: Undelivered::NeverLeft(Flaw::NoRoute) }
                };
                engine.handle_input(Input { now: self.reading(), what });
            }
            Output::Clock(command) => {
                let applied = self.apply(command);
                engine.handle_input(Input { now: self.reading(), what: What::Applied(applied) });
            }
            Output::Resolve { line } => {
                self.schedule(self.oscillator.now() + LOOKUP, Incident::Resolved { line, attempt: 0 });
            }
            Output::ReadClock(clock) => {
                let reading = self.read_device(clock);
                engine.handle_input(Input { now: self.reading(), what: What::Reading { clock, reading } });
            }
            Output::ReadTemperature => {
                if let Some(thermometer) = self.scenario.thermometer {
                    let what = What::Temperature(thermometer.read(self.since_start_s()));
                    engine.handle_input(Input { now: self.reading(), what });
                }
            }
            Output::ReadLeapData => {
                if let Some(table) = self.leap_table() {
                    engine.handle_input(Input { now: self.reading(), what: What::LeapData(&table) });
                }
            }
            Output::Save(record) => {
                self.saved = Some(record);
                self.trace.saves.push(self.since_start_s());
            }
            Output::SaveAddresses(addresses) => {
                self.last_good = addresses;
                self.trace.address_saves += 1;
            }
            Output::Event(event) => self.trace.events.push((self.since_start_s(), event)),
            Output::Record(record) => self.trace.records.push((self.since_start_s(), *record)),
            Output::EstablishKeys(request) => {
                self.trace.establishments.push(self.since_start_s());
                self.establish_keys(*request);
            }
            Output::AbandonKeys(_) => {}
            Output::Close(_) | Output::Finish { .. } | Output::Timeout { .. } => {}
        }
    }

    fn read_device(&mut self, clock: ClockId) -> Reading {
        let since_s = self.since_start_s();
        let truth = self.scenario.timeline.utc(self.oscillator.now());
        let Some(device) = self.scenario.devices.get(clock.0) else { return Reading::Absent };
        device.read(since_s, truth, self.kernel.utc(), &mut self.dice)
    }

    pub(super) fn apply(&mut self, command: ClockCommand) -> Applied {
        if self.scenario.observes_only {
            return Applied::Observed { is_step: matches!(command, ClockCommand::Step { .. }) };
        }
        let since_s = self.since_start_s();
        if self.scenario.refusals.iter().any(|(from_s, until_s)| (*from_s..*until_s).contains(&since_s)) {
            return Applied::Failed { disobeys: command.is_control() };
        }
        let applied = self.kernel.apply(command);
        if let ClockCommand::Step { by } = command {
            self.trace.steps.push((since_s, by));
            self.trace.stepped_to_s.push(self.error_s());
        }
        applied
    }

    /// A request goes through the card, which tells of it later. Returns how long it takes to the cable.
    fn pass_card(&mut self, exchange: ExchangeId, sent: Raw) -> f64 {
        let Some(card) = &self.scenario.card else { return 0.0 };
        let lag_s = card.lag_s * self.dice.exponential();
        let left = sent + Span::from_secs_f64(lag_s);
        let told = card.tell(exchange, (sent, left), self.told, &mut self.dice);
        self.told = told.last().copied().or(self.told);
        for (in_s, exchange, stamp) in told {
            self.schedule(self.oscillator.now() + Span::from_secs_f64(in_s), Incident::Stamped { exchange, stamp });
        }
        lag_s
    }

    /// A reply comes from the cable.
    pub(super) fn receive(&mut self, exchange: ExchangeId, bytes: Vec<u8>) {
        let card = self.scenario.card.clone().unwrap_or_default();
        let arrived = card.receives.then(|| card.stamp(self.oscillator.raw(), &mut self.dice));
        let lag = Span::from_secs_f64(card.lag_s * self.dice.exponential());
        self.schedule(self.oscillator.now() + lag, Incident::Reply { exchange, bytes, arrived });
    }

    fn transmit(&mut self, exchange: ExchangeId, to: IpAddr, packet: &[u8], lag_s: f64) {
        self.trace.requests += 1;
        let since_s = self.since_start_s();
        let Some(index) = self.scenario.servers.iter().position(|server| server.address == to) else { return };
        let server = &self.scenario.servers[index];
        let Some((forward_s, backward_s)) = server.link.delays(since_s, self.served[index], &mut self.dice) else {
            return;
        };
        let forward_s = forward_s + lag_s;
        let reaches = self.oscillator.now() + Span::from_secs_f64(forward_s);
        let served = self.served[index];
        self.served[index] += 1;
        if server.manner == Manner::Refuses {
            self.schedule(reaches + Span::from_secs_f64(backward_s), Incident::Refusal { exchange });
        } else if let Some((bytes, leaves)) =
            server.answer(packet, &self.scenario.timeline, reaches, since_s + forward_s, served)
        {
            let dawdled_s = if server.dawdles_s > 0.0 { server.dawdles_s * self.dice.exponential() } else { 0.0 };
            let (bytes, leaves) = if server.interleaves {
                let departure = leaves + server.ahead + Span::from_secs_f64(dawdled_s);
                let departure = NtpTimestamp::from_utc(departure);
                (self.remembered[index].interleave(packet, bytes, departure), leaves + Span::from_secs_f64(dawdled_s))
            } else {
                (bytes, leaves + Span::from_secs_f64(dawdled_s))
            };
            let at = leaves + Span::from_secs_f64(backward_s);
            if let Some(bytes) = server.authenticates.protect(packet, bytes, since_s) {
                let reply = match self.scenario.card {
                    Some(_) => Incident::Reception { exchange, bytes },
                    None => Incident::Reply { exchange, bytes, arrived: None },
                };
                self.schedule(at, reply);
            }
        }
    }

    /// Three round trips: TCP, TLS, and what is asked for over it. Who does not answer is waited for in vain.
    fn establish_keys(&mut self, request: KeyRequest) {
        let at_server = |server: &&Server| server.address == request.server.ip();
        let Some(server) = self.scenario.servers.iter().find(at_server) else { return };
        let since_s = self.since_start_s();
        let round_trip = server.link.delays(since_s, 0, &mut self.dice).filter(|_| self.is_network_up());
        let is_alive = (server.alive.0..server.alive.1).contains(&since_s);
        if let Some((forward_s, backward_s)) = round_trip.filter(|_| is_alive) {
            let at = self.oscillator.now() + Span::from_secs_f64(3.0 * (forward_s + backward_s));
            self.schedule(at, Incident::Keys(request));
        }
    }

    pub(super) fn give_keys(&mut self, request: &KeyRequest) {
        let since_s = self.since_start_s();
        let mut servers = self.scenario.servers.iter().filter(|server| server.address == request.server.ip());
        let outcome = servers.find_map(|server| match &server.authenticates {
            Authenticates::Nts(nts) => Some(nts.establish(request, since_s)),
            _ => None,
        });
        let refused = || {
            let text = "connection refused".to_owned();
            Err(KeyFailure { stage: Stage::Connection, flaw: Flaw::KeyServerAway, text })
        };
        self.input(What::Keys { id: request.id, outcome: outcome.unwrap_or_else(refused) });
    }
}
