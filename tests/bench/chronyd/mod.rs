//! The real chronyd in the worlds of the simulator: the same crystal, paths and servers that slewd's engine gets.
//!
//! Debian's program, unmodified. A preloaded library (tests/support/virtual_time.c) takes its clocks, its waits and its sockets here. It
//! runs without the right to set the machine's clock, and none of its packets reaches a network.
#![allow(dead_code, reason = "a test uses its own part")]

mod program;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};

use program::{Call, Program, Reply};
use slewd::core::api::command::ClockCommand;
use slewd::sim::kernel::SimulatedKernel;
use slewd::sim::oscillator::Oscillator;
use slewd::sim::random::Dice;
use slewd::sim::server::Manner;
use slewd::sim::trace::Point;
use slewd::sim::{Happening, Scenario};
use slewd::time::{Raw, Span, Utc};

pub(crate) use program::Installation;

/// The counter at the start.
const FIRST_RAW: Raw = Raw::from_nanos(1_234_567_890_123);

/// A wait ends this late: the kernel's timer slack.
const TIMER_LATENESS: Span = Span::from_nanos(50_000);

/// linux/timex.h
const ADJ_FREQUENCY: i64 = 0x2;
const ADJ_MAXERROR: i64 = 0x4;
const ADJ_STATUS: i64 = 0x10;
const ADJ_SETOFFSET: i64 = 0x100;
const ADJ_TICK: i64 = 0x4000;
const STA_UNSYNC: i64 = 0x40;

/// Microseconds of CLOCK_REALTIME for each of 100 ticks in a second.
const USUAL_TICK: i64 = 10_000;
/// `freq` counts multiples of 2^-16 ppm.
const FREQUENCY_UNIT: f64 = 1e-6 / 65536.0;

/// A scenario with chronyd in it.
pub(crate) struct ChronydWorld {
    scenario: Scenario,
    oscillator: Oscillator,
    kernel: SimulatedKernel,
    dice: Dice,
    served: Vec<u64>,
    program: Program,
    queue: BinaryHeap<Reverse<Arriving>>,
    sequence: u64,
    /// What happens yet, the next last.
    happenings: Vec<(f64, Happening)>,
    /// When the wait of the program ends, if nothing arrives.
    wakes_at: Option<Raw>,
    requests: u64,
    tick: i64,
    frequency: i64,
    status: i64,
}

/// A reply on its way. The number keeps the order of those that arrive together.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Arriving {
    at: Utc,
    number: u64,
    socket: i64,
    bytes: Vec<u8>,
}

impl ChronydWorld {
    /// Whether such a scenario can be played with a program: it is neither restarted nor told of the network.
    pub(crate) fn can_play(scenario: &Scenario) -> bool {
        let is_known = |(_, happening): &(f64, Happening)| matches!(happening, Happening::ForeignStep(_));
        scenario.happenings.iter().all(is_known)
            && scenario.devices.is_empty()
            && scenario.servers.iter().all(|server| matches!(server.manner, Manner::Tells | Manner::Dead))
    }

    /// Everything is as the scenario says, and chronyd has just been started.
    pub(crate) fn new(installation: &Installation, scenario: Scenario) -> Self {
        let oscillator = Oscillator::new(scenario.crystal.clone(), scenario.start, FIRST_RAW, scenario.seed);
        let clock = scenario.start + scenario.clock_ahead;
        let mut happenings = scenario.happenings.clone();
        happenings.sort_by(|one, other| other.0.total_cmp(&one.0));
        let mut world = ChronydWorld {
            oscillator,
            kernel: SimulatedKernel::new(FIRST_RAW, clock, scenario.kernel_rate_error),
            dice: Dice::new(scenario.seed ^ 0x5eed),
            served: vec![0; scenario.servers.len()],
            program: installation.start(&configuration(&scenario), scenario.seed),
            queue: BinaryHeap::new(),
            sequence: 0,
            happenings,
            wakes_at: None,
            requests: 0,
            tick: USUAL_TICK,
            frequency: 0,
            status: STA_UNSYNC,
            scenario,
        };
        world.serve();
        world
    }

    /// Runs until so many seconds after the start.
    pub(crate) fn run_for(&mut self, until_s: f64) {
        let end = self.scenario.start + Span::from_secs_f64(until_s);
        loop {
            let packet = self.queue.peek().map(|Reverse(reply)| reply.at);
            let timer = self.wakes_at.map(|at| self.oscillator.when(at) + TIMER_LATENESS);
            let happens = self.happenings.last().map(|(at_s, _)| self.scenario.start + Span::from_secs_f64(*at_s));
            let Some(next) = [packet, timer, happens].into_iter().flatten().min().filter(|next| *next <= end) else {
                break;
            };
            self.advance(next.max(self.oscillator.now()));
            if happens == Some(next) {
                if let Some((_, Happening::ForeignStep(by))) = self.happenings.pop() {
                    self.kernel.step(by);
                }
            } else if packet == Some(next) {
                let Some(Reverse(reply)) = self.queue.pop() else { continue };
                self.answer(reply.socket, &reply.bytes);
                self.serve();
            } else {
                self.answer(0, &[]);
                self.serve();
            }
        }
        self.advance(end);
    }

    /// The state of the clock now.
    pub(crate) fn point(&self) -> Point {
        let report = self.kernel.report();
        Point {
            at_s: (self.oscillator.now() - self.scenario.start).secs_f64(),
            error_s: (self.kernel.utc() - self.scenario.timeline.utc(self.oscillator.now())).secs_f64(),
            frequency_error: (1.0 + self.oscillator.frequency()) * (1.0 + self.kernel.rate()) - 1.0,
            max_error_s: report.max_error.secs_f64(),
            est_error_s: f64::NAN,
            is_synchronised: report.synchronized,
        }
    }

    /// Requests that left the machine.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    fn advance(&mut self, to: Utc) {
        self.oscillator.advance(to);
        self.kernel.advance(self.oscillator.raw());
    }

    /// Does what the program wants until it waits.
    fn serve(&mut self) {
        loop {
            let (call, raw) = self.program.next();
            let spent = raw - self.oscillator.raw();
            if spent > Span::ZERO {
                self.advance(self.oscillator.now() + spent);
            }
            match call {
                Call::Wait { until } => {
                    if until.is_none_or(|until| until > self.oscillator.raw()) {
                        self.wakes_at = until;
                        return;
                    }
                }
                Call::Send { socket, to, packet } => self.transmit(socket, to, &packet),
                Call::Adjust { modes, frequency, tick, status, max_error, offset } => {
                    self.adjust(modes, (frequency, tick), status, max_error, offset);
                }
                Call::Set(utc) => self.kernel.step(utc - self.kernel.utc()),
            }
            self.answer(0, &[]);
        }
    }

    fn adjust(&mut self, modes: i64, (frequency, tick): (i64, i64), status: i64, max_error: Span, offset: Span) {
        if modes & ADJ_FREQUENCY != 0 {
            self.frequency = frequency;
        }
        if modes & ADJ_TICK != 0 {
            self.tick = tick;
        }
        if modes & (ADJ_FREQUENCY | ADJ_TICK) != 0 {
            let frequency = self.frequency as f64 * FREQUENCY_UNIT + (self.tick as f64 / USUAL_TICK as f64 - 1.0);
            self.kernel.apply(ClockCommand::Steer { frequency, phase: Span::ZERO, time_constant: 0 });
        }
        if modes & ADJ_SETOFFSET != 0 {
            self.kernel.step(offset);
        }
        let mut report = self.kernel.report();
        if modes & ADJ_STATUS != 0 {
            self.status = status;
            report.synchronized = status & STA_UNSYNC == 0;
        }
        if modes & ADJ_MAXERROR != 0 {
            report.max_error = max_error;
        }
        if modes & (ADJ_STATUS | ADJ_MAXERROR) != 0 {
            self.kernel.apply(ClockCommand::Report(report));
        }
    }

    fn answer(&mut self, socket: i64, bytes: &[u8]) {
        self.program.answer(&Reply {
            utc: self.kernel.utc(),
            raw: self.oscillator.raw(),
            socket,
            frequency: self.frequency,
            tick: self.tick,
            status: self.status,
            max_error: self.kernel.report().max_error,
            bytes,
        });
    }

    fn transmit(&mut self, socket: i64, to: Ipv4Addr, packet: &[u8]) {
        let since_s = (self.oscillator.now() - self.scenario.start).secs_f64();
        self.requests += 1;
        let is_out = self.scenario.outages.iter().any(|(from_s, until_s)| (*from_s..*until_s).contains(&since_s));
        let Some(index) = self.scenario.servers.iter().position(|server| server.address == IpAddr::V4(to)) else {
            return;
        };
        let server = &self.scenario.servers[index];
        let delays = server.link.delays(since_s, self.served[index], &mut self.dice);
        let Some((forward_s, backward_s)) = delays.filter(|_| !is_out) else { return };
        let reaches = self.oscillator.now() + Span::from_secs_f64(forward_s);
        let answer = server.answer(packet, &self.scenario.timeline, reaches, since_s + forward_s, self.served[index]);
        self.served[index] += 1;
        if let Some((bytes, leaves)) = answer {
            self.sequence += 1;
            let at = leaves + Span::from_secs_f64(backward_s);
            self.queue.push(Reverse(Arriving { at, number: self.sequence, socket, bytes }));
        }
    }
}

/// What slewd is told of in the same scenario.
fn configuration(scenario: &Scenario) -> String {
    let lines: String = scenario
        .sources
        .iter()
        .map(|source| {
            let options = &source.options;
            let iburst = if options.iburst { " iburst" } else { "" };
            format!("server {} minpoll {} maxpoll {}{iburst}\n", source.host, options.min_poll, options.max_poll)
        })
        .collect();
    let step = scenario.settings.makestep.as_ref();
    let step = step.map_or(String::new(), |step| format!("makestep {} {}\n", step.threshold_s, step.limit));
    format!("{lines}{step}rtcsync\ncmdport 0\nbindcmdaddress /\n")
}
