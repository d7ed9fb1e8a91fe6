//! Virtual time: runs the engine against the scenario, event by event.

mod outputs;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use crate::core::api::command::ClockCommand;
use crate::core::api::drift::DriftRecord;
use crate::core::api::exchange::{ExchangeId, Stamp, Undelivered};
use crate::core::api::last_good::LastGood;
use crate::core::api::nts::KeyRequest;
use crate::core::api::order::{Order, Refused, Whom};
use crate::core::api::settings::SourceConfig;
use crate::core::api::source_id::SourceId;
use crate::core::clock::leap::LeapTable;
use crate::core::engine::{Engine, Floor, Input, Start, What};
use crate::core::estimate::FrequencyPrior;
use crate::recording::{RecordedEngine, Recording};
use crate::report::dump_file;
use crate::sim::card::Told;
use crate::sim::interleaving::Memory;
use crate::sim::kernel::SimulatedKernel;
use crate::sim::oscillator::Oscillator;
use crate::sim::random::Dice;
use crate::sim::scenario::{Happening, Scenario};
use crate::sim::trace::{Point, Trace};
use crate::time::{BUILD_EPOCH, ClockReading, Raw, Span, Utc};

/// Timers fire this late: poll(2) counts milliseconds.
const TIMER_LATENESS: Span = Span::from_millis(1);

/// A lookup takes this long. If nobody answers there is a second attempt, which takes as long as the first
/// (resolv.conf(5)).
const LOOKUP: Span = Span::from_millis(20);
const LOOKUP_TIMEOUT: Span = Span::from_secs(5);
const LOOKUP_ATTEMPTS: u32 = 2;

/// A killed daemon is started again after this long.
const RESTART: Span = Span::from_secs(2);

/// The counter at the start: nobody may rely on it being zero.
const FIRST_RAW: Raw = Raw::from_nanos(1_234_567_890_123);

/// The engine may want to be woken so often without that time passes; more is an endless loop.
const MAX_WAKES_AT_ONCE: u32 = 1000;

/// A running scenario.
pub struct World {
    scenario: Scenario,
    oscillator: Oscillator,
    kernel: SimulatedKernel,
    slept: Span,
    dice: Dice,
    served: Vec<u64>,
    remembered: Vec<Memory>,
    engine: Option<RecordedEngine>,
    queue: BinaryHeap<Reverse<Pending>>,
    sequence: u64,
    wake_at: Option<Raw>,
    /// What the engine waits for.
    waits_for: &'static str,
    /// Wake-ups by the timer since time last passed.
    wakes_at_once: u32,
    saved: Option<DriftRecord>,
    last_good: Vec<LastGood>,
    dumps: Vec<(SourceId, String)>,
    starts: u64,
    recorded: Utc,
    /// What the card said of the last request.
    told: Option<Told>,
    trace: Trace,
    /// Makes a recording for each start.
    recorder: Option<Box<dyn FnMut() -> Recording>>,
}

/// Something that is going to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pending {
    at: Utc,
    sequence: u64,
    what: Incident,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Incident {
    /// A reply reaches the card.
    Reception {
        exchange: ExchangeId,
        bytes: Vec<u8>,
    },
    /// A reply reaches slewd. `arrived`: stamped before.
    Reply {
        exchange: ExchangeId,
        bytes: Vec<u8>,
        arrived: Option<Stamp>,
    },
    Stamped {
        exchange: ExchangeId,
        stamp: Stamp,
    },
    Refusal {
        exchange: ExchangeId,
    },
    Resolved {
        line: usize,
        attempt: u32,
    },
    Keys(KeyRequest),
    Happens(Happening),
    Starts,
}

impl World {
    /// Everything is as the scenario says, and slewd has just been started.
    pub fn new(scenario: Scenario) -> Self {
        Self::recorded(scenario, None)
    }

    /// A world whose engine is recorded, anew each time that slewd starts.
    pub fn recorded(scenario: Scenario, recorder: Option<Box<dyn FnMut() -> Recording>>) -> Self {
        let oscillator = Oscillator::new(scenario.crystal.clone(), scenario.start, FIRST_RAW, scenario.seed);
        let clock = scenario.start + scenario.clock_ahead;
        let mut world = World {
            kernel: SimulatedKernel::new(FIRST_RAW, clock, scenario.kernel_rate_error),
            oscillator,
            slept: Span::ZERO,
            dice: Dice::new(scenario.seed ^ 0x5eed),
            served: vec![0; scenario.servers.len()],
            remembered: vec![Memory::default(); scenario.servers.len()],
            engine: None,
            queue: BinaryHeap::new(),
            sequence: 0,
            wake_at: None,
            waits_for: "",
            wakes_at_once: 0,
            saved: scenario.drift.map(|(record, _)| record),
            last_good: scenario.last_good.clone(),
            dumps: Vec::new(),
            starts: 0,
            recorded: scenario.start,
            told: None,
            trace: Trace::default(),
            recorder,
            scenario,
        };
        for (at_s, happening) in world.scenario.happenings.clone() {
            world.schedule(world.scenario.start + Span::from_secs_f64(at_s), Incident::Happens(happening));
        }
        world.start_engine();
        world
    }

    /// Runs to the end of the scenario and returns the record.
    pub fn run(mut self) -> Trace {
        self.run_for(self.scenario.length_s);
        self.trace
    }

    /// Runs until so many seconds after the start.
    pub fn run_for(&mut self, until_s: f64) {
        let end = self.scenario.start + Span::from_secs_f64(until_s);
        while let Some(next) = self.next_moment().filter(|next| *next <= end) {
            self.advance(next);
            self.handle_next();
        }
        self.advance(end);
    }

    /// The `.sources` files now have these lines, and slewd is told to read them.
    pub fn reload(&mut self, lines: &[SourceConfig]) {
        self.input(What::Reload { lines });
    }

    /// Somebody orders something.
    pub fn handle_order(&mut self, order: Order) -> Result<(), Refused> {
        let now = self.reading();
        let Some(mut engine) = self.engine.take() else { return Err(Refused::Failed) };
        let result = engine.handle_order(order, &now, None);
        self.drain(engine);
        result
    }

    /// The state of the clock now.
    pub fn point(&self) -> Point {
        let report = self.kernel.report();
        let tracking = self.engine.as_ref().and_then(|engine| engine.tracking(&self.reading()));
        Point {
            at_s: self.since_start_s(),
            error_s: self.error_s(),
            frequency_error: (1.0 + self.oscillator.frequency()) * (1.0 + self.kernel.rate()) - 1.0,
            max_error_s: report.max_error.secs_f64(),
            est_error_s: tracking.map_or(f64::NAN, |tracking| tracking.est_error.secs_f64()),
            is_synchronised: report.synchronized,
        }
    }

    /// How far the clock is ahead of the truth.
    fn error_s(&self) -> f64 {
        (self.kernel.utc() - self.scenario.timeline.utc(self.oscillator.now())).secs_f64()
    }

    /// The trace up to now.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The engine, while it runs.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_deref()
    }

    /// The clock.
    pub fn kernel(&self) -> &SimulatedKernel {
        &self.kernel
    }

    /// What the engine would read now.
    pub fn reading(&self) -> ClockReading {
        // A clock that only counts sleep apart would make every sample jump at a resume.
        let raw = self.oscillator.raw();
        ClockReading { raw, utc: self.kernel.utc(), width: Span::ZERO, slept: self.slept }
    }

    fn start_engine(&mut self) {
        let age = self.scenario.drift.map_or(Span::ZERO, |(_, age)| age);
        let known = self.saved.and_then(|record| record.prior(age));
        let sd = FrequencyPrior::unknown().sd;
        let kernel = FrequencyPrior { frequency: self.kernel.frequency(), sd, ..FrequencyPrior::unknown() };
        let start = Start {
            is_brief: self.scenario.is_brief,
            settings: self.scenario.settings.clone(),
            sources: self.scenario.sources.clone(),
            clocks: self.scenario.devices.iter().map(|device| device.config.clone()).collect(),
            last_good: self.last_good.clone(),
            mode: self.scenario.mode,
            prior: known.unwrap_or(kernel),
            floor: Floor { utc: BUILD_EPOCH, from_drift_file: false },
            drift_interval: Span::from_secs(3600),
            leap_table: self.leap_table(),
            seed: (u128::from(self.scenario.seed) << 64 | u128::from(self.sequence)).to_le_bytes(),
        };
        let now = self.reading();
        let recording = self.recorder.as_mut().map(|make| make());
        let mut engine = RecordedEngine::new(start, now, recording);
        engine.unrecorded().use_keys(self.scenario.keys.clone(), now.raw);
        engine.unrecorded().use_nts(self.scenario.nts);
        self.starts += 1;
        let dumps = std::mem::take(&mut self.dumps);
        if self.scenario.recalls {
            let read = |(source, text): (SourceId, String)| (source, dump_file::parse(source, &text));
            engine.recall(dumps.into_iter().map(read).collect(), Some(self.boot()), &now);
        }
        self.engine = Some(engine);
        self.input(What::Wake);
    }

    fn leap_table(&self) -> Option<LeapTable> {
        let mut written = self.scenario.leap_tables.iter().filter(|(from_s, _)| *from_s <= self.since_start_s());
        written.next_back().map(|(_, table)| table.clone())
    }

    fn next_moment(&self) -> Option<Utc> {
        let event = self.queue.peek().map(|Reverse(pending)| pending.at);
        let timer = self.wake_at.map(|at| self.oscillator.when(at) + TIMER_LATENESS);
        match (event, timer) {
            (Some(event), Some(timer)) => Some(event.min(timer)),
            (event, timer) => event.or(timer),
        }
        .map(|at| at.max(self.oscillator.now()))
    }

    fn handle_next(&mut self) {
        if self.queue.peek().is_none_or(|Reverse(pending)| pending.at > self.oscillator.now()) {
            self.trace.wakes += 1;
            self.wakes_at_once += 1;
            assert!(self.wakes_at_once <= MAX_WAKES_AT_ONCE, "the engine waits for what is due: {}", self.waits_for);
            return self.input(What::Wake);
        }
        let Some(Reverse(pending)) = self.queue.pop() else { return };
        match pending.what {
            Incident::Reply { exchange, bytes, arrived } => {
                self.trace.wakes += 1;
                let arrived = arrived.unwrap_or(Stamp::of_kernel(self.oscillator.raw()));
                self.input(What::Datagram { exchange, bytes: &bytes, arrived });
            }
            Incident::Reception { exchange, bytes } => self.receive(exchange, bytes),
            Incident::Stamped { exchange, stamp } => {
                self.trace.wakes += 1;
                self.input(What::Stamped { exchange, stamp });
            }
            Incident::Refusal { exchange } => {
                self.trace.wakes += 1;
                self.input(What::Unreachable { exchange, why: Undelivered::PortClosed });
            }
            Incident::Resolved { line, attempt } => self.resolve(line, attempt),
            Incident::Keys(request) => self.give_keys(&request),
            Incident::Happens(happening) => self.happen(happening),
            Incident::Starts => self.start_engine(),
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ForeignStep(by) => {
                self.kernel.step(by);
                if self.scenario.notices_clock_set {
                    self.input(What::Wake);
                }
            }
            Happening::ForeignSteering(frequency_ppb, phase) => {
                let frequency = frequency_ppb as f64 * 1e-9;
                self.kernel.apply(ClockCommand::Steer { frequency, phase, time_constant: 0 });
            }
            Happening::Stall(length) => self.stall(self.oscillator.now() + length),
            Happening::NetworkChanged => {
                self.trace.wakes += 1;
                self.input(What::NetworkChanged);
            }
            Happening::SetOnline(online) => {
                // Without a source there is nothing to set.
                let _ = self.handle_order(Order::SetOnline { whom: Whom::All, online });
            }
            Happening::Suspend(length, misjudged) => {
                self.oscillator.stand_still(self.oscillator.now() + length);
                self.recorded = self.oscillator.now();
                let counted = length + misjudged;
                self.kernel.sleep(counted);
                self.oscillator.jump(counted);
                self.slept += counted;
                self.input(What::Wake);
            }
            Happening::Pause(length) => {
                self.oscillator.stand_still(self.oscillator.now() + length);
                self.recorded = self.oscillator.now();
            }
            Happening::Restart => self.end(RESTART),
            Happening::Stop(pause) => {
                if let Some(engine) = &self.engine {
                    let dumps = engine.dumps(&self.reading(), Some(&self.boot()));
                    self.dumps = dumps.iter().map(|dump| (dump.source, dump_file::text(dump))).collect();
                    self.saved = engine.drift().or(self.saved);
                }
                self.end(pause);
            }
        }
    }

    /// slewd does nothing until then. The kernel stamps what arrives meanwhile.
    fn stall(&mut self, until: Utc) {
        let mut queue = std::mem::take(&mut self.queue).into_sorted_vec();
        // The earliest is the last.
        for Reverse(pending) in queue.iter_mut().rev().take_while(|Reverse(pending)| pending.at <= until) {
            if let Incident::Reply { arrived, .. } = &mut pending.what {
                self.advance(pending.at);
                *arrived = arrived.or(Some(Stamp::of_kernel(self.oscillator.raw())));
            }
        }
        self.queue = queue.into();
        self.advance(until);
    }

    /// slewd is no more, and will be started again after this long.
    fn end(&mut self, pause: Span) {
        self.engine = None;
        self.wake_at = None;
        self.queue.retain(|Reverse(pending)| matches!(pending.what, Incident::Happens(_)));
        self.schedule(self.oscillator.now() + pause, Incident::Starts);
    }

    fn boot(&self) -> String {
        let number = if self.scenario.boots { self.starts } else { 1 };
        format!("boot-{number}")
    }

    fn resolve(&mut self, line: usize, attempt: u32) {
        // Without a network there is nothing to wait for.
        let has_given_up = attempt == LOOKUP_ATTEMPTS || !self.is_network_up();
        let addresses = if has_given_up { Vec::new() } else { self.known_addresses(line).to_vec() };
        if addresses.is_empty() && !has_given_up {
            let at = self.oscillator.now() + LOOKUP_TIMEOUT;
            return self.schedule(at, Incident::Resolved { line, attempt: attempt + 1 });
        }
        self.input(What::Resolved { line, addresses: &addresses });
    }

    /// What the resolver knows of the name now.
    fn known_addresses(&self, line: usize) -> &[IpAddr] {
        let since_s = self.since_start_s();
        let typed = self.engine.as_ref().and_then(|engine| engine.line(line));
        let Some(host) = typed.map(|typed| typed.host.to_string()) else { return &[] };
        let mut entries = self.scenario.names.iter().rev();
        let known = entries.find(|(name, from_s, _)| *name == host && since_s >= *from_s);
        known.map_or(&[], |(_, _, addresses)| addresses)
    }

    /// One input, and all that follows from it.
    fn input(&mut self, what: What<'_>) {
        let now = self.reading();
        let Some(mut engine) = self.engine.take() else { return };
        engine.handle_input(Input { now, what });
        self.drain(engine);
    }

    fn schedule(&mut self, at: Utc, what: Incident) {
        self.sequence += 1;
        self.queue.push(Reverse(Pending { at, sequence: self.sequence, what }));
    }

    /// Lets time pass, and records the clock on the way.
    fn advance(&mut self, to: Utc) {
        while self.recorded + self.scenario.record_every <= to {
            self.recorded += self.scenario.record_every;
            self.run_to(self.recorded);
            self.record();
        }
        self.run_to(to);
    }

    fn run_to(&mut self, to: Utc) {
        if to > self.oscillator.now() {
            self.wakes_at_once = 0;
        }
        self.oscillator.advance(to);
        self.kernel.advance(self.oscillator.raw());
    }

    fn record(&mut self) {
        let point = self.point();
        self.trace.points.push(point);
    }

    fn is_network_up(&self) -> bool {
        let since_s = self.since_start_s();
        let is_out = self.scenario.outages.iter().any(|(from_s, until_s)| (*from_s..*until_s).contains(&since_s));
        since_s >= self.scenario.network_up_s && !is_out
    }

    fn since_start_s(&self) -> f64 {
        (self.oscillator.now() - self.scenario.start).secs_f64()
    }
}

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
