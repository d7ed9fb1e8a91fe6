//! What slewd costs: processor time for each sample, and the speed of the simulator.
//!
//!     cargo bench --manifest-path tests/bench/Cargo.toml

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::disallowed_methods, reason = "a benchmark may look at the clock")]

#[path = "../ideal/mod.rs"]
mod ideal;

use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ideal::{QUIET, slot};
use slewd::core::api::command::{Applied, ClockCommand};
use slewd::core::api::exchange::{ExchangeId, Stamp};
use slewd::core::api::output::Output;
use slewd::core::api::settings::Mode;
use slewd::core::engine::{Engine, Floor, Input, Start, What};
use slewd::core::estimate::{Estimator, FrequencyPrior, Sample, Slot};
use slewd::sim::random::Dice;
use slewd::sim::server::Server;
use slewd::sim::timeline::Timeline;
use slewd::sim::{Scenario, World};
use slewd::time::{BUILD_EPOCH, ClockReading, Lead, Raw, Span};

/// Numbers of sources.
const SOURCES: [usize; 3] = [1, 4, 16];

/// So many samples come before the ones that count: the start is replayed again and again.
const WARM_UP: usize = 1000;

/// A month.
const MONTH_S: f64 = 30.0 * 86_400.0;

criterion_group! {
    name = cost;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = estimator, engine, reports, simulator
}
criterion_main!(cost);

/// One sample through the filter.
fn estimator(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("estimator, one sample");
    for sources in SOURCES {
        let mut world = ideal::World::new(ideal::Scenario { sources, duration: 400_000, ..QUIET }, 1);
        let active: Vec<Slot> = (0..sources).map(slot).collect();
        let exchanges = (0..4000).filter_map(|i| world.exchange(i % sources, 10.0 + 90.0 * i as f64));
        let samples: Vec<Sample> = exchanges.map(|exchange| exchange.sample).collect();
        let (warm_up, rest) = samples.split_at(WARM_UP);
        group.bench_function(BenchmarkId::from_parameter(sources), |bencher| {
            bencher.iter_custom(|iterations| {
                let (mut spent, mut left) = (Duration::ZERO, iterations as usize);
                while left > 0 {
                    let mut estimator = Estimator::new(FrequencyPrior::unknown());
                    for sample in warm_up {
                        estimator.feed(sample, &active);
                    }
                    let now = &rest[..left.min(rest.len())];
                    let begun = Instant::now();
                    for sample in now {
                        black_box(estimator.feed(sample, &active));
                    }
                    spent += begun.elapsed();
                    left -= now.len();
                }
                spent
            });
        });
    }
}

/// One exchange through the whole engine: the timer, the request, the reply, the clock.
fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine, one exchange");
    for sources in SOURCES {
        group.bench_function(BenchmarkId::from_parameter(sources), |bencher| {
            let mut rig = Rig::new(sources);
            rig.run(WARM_UP);
            bencher.iter(|| rig.run(1));
        });
    }
}

/// What people are told: the clock, and everything.
fn reports(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reports");
    for sources in SOURCES {
        let mut rig = Rig::new(sources);
        rig.run(WARM_UP);
        let now = reading(rig.now + Span::from_secs(10));
        group.bench_function(BenchmarkId::new("tracking", sources), |bencher| {
            bencher.iter(|| rig.engine.tracking_report(black_box(&now)));
        });
        group.bench_function(BenchmarkId::new("snapshot", sources), |bencher| {
            bencher.iter(|| rig.engine.snapshot(black_box(&now)));
        });
    }
}

/// Simulated seconds per second, the engine included.
fn simulator(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("simulator, a month");
    group.throughput(Throughput::Elements(MONTH_S as u64));
    for sources in [1, 4] {
        group.bench_function(BenchmarkId::from_parameter(sources), |bencher| {
            bencher.iter(|| {
                let mut scenario = Scenario::pool(1, sources);
                scenario.length_s = MONTH_S;
                scenario.record_every = Span::from_secs(60);
                World::new(scenario).run().requests
            });
        });
    }
}

/// An engine that may only watch the clock, and servers that answer its requests: as little around it as possible.
struct Rig {
    engine: Engine,
    servers: Vec<Server>,
    dice: Dice,
    now: Raw,
    wake_at: Option<Raw>,
    /// Answers on their way: when they arrive, and what they are.
    replies: Vec<(Raw, ExchangeId, Vec<u8>)>,
}

impl Rig {
    fn new(sources: usize) -> Self {
        let scenario = Scenario::pool(1, sources);
        let now = Raw::from_nanos(0);
        let start = Start {
            is_brief: false,
            settings: scenario.settings,
            sources: scenario.sources,
            clocks: Vec::new(),
            last_good: Vec::new(),
            mode: Mode::Discipline,
            prior: FrequencyPrior::unknown(),
            floor: Floor { utc: BUILD_EPOCH, from_drift_file: false },
            drift_interval: Span::from_secs(3600),
            leap_table: None,
            seed: [1; 16],
        };
        let engine = Engine::new(start, reading(now));
        let mut rig =
            Rig { engine, servers: scenario.servers, dice: Dice::new(1), now, wake_at: None, replies: Vec::new() };
        rig.input(What::Wake);
        rig
    }

    /// Lives until so many replies have been taken.
    fn run(&mut self, replies: usize) {
        for _ in 0..replies {
            while self.replies.is_empty() {
                self.now = self.wake_at.expect("it always wants to ask again").max(self.now);
                self.input(What::Wake);
            }
            let (at, exchange, bytes) = self.replies.swap_remove(0);
            self.now = at.max(self.now);
            self.input(What::Datagram { exchange, bytes: &bytes, arrived: stamp(self.now) });
        }
    }

    fn input(&mut self, what: What<'_>) {
        let now = reading(self.now);
        self.engine.handle_input(Input { now, what });
        loop {
            let what = match self.engine.poll_output() {
                Output::Timeout { at, .. } => {
                    self.wake_at = at;
                    return;
                }
                Output::Send { exchange, to, packet } => {
                    self.answer(exchange, to.ip(), &packet);
                    What::Sent { exchange, stamp: stamp(self.now), from: None, awaits_hardware: false }
                }
                Output::Clock(command) => {
                    What::Applied(Applied::Observed { is_step: matches!(command, ClockCommand::Step { .. }) })
                }
                _ => continue,
            };
            self.engine.handle_input(Input { now, what });
        }
    }

    fn answer(&mut self, exchange: ExchangeId, to: IpAddr, packet: &[u8]) {
        let server = self.servers.iter().find(|server| server.address == to).expect("a server of the scenario");
        let (forward_s, backward_s) = server.link.delays(0.0, 0, &mut self.dice).expect("nothing is lost");
        let reaches = self.now + Span::from_secs_f64(forward_s);
        if let Some((bytes, leaves)) = server.answer(packet, &Timeline::default(), reading(reaches).utc, 0.0, 0) {
            let arrives = reaches + (leaves - reading(reaches).utc) + Span::from_secs_f64(backward_s);
            self.replies.push((arrives, exchange, bytes));
        }
    }
}

/// A clock that is right.
fn reading(raw: Raw) -> ClockReading {
    let utc = raw.with_lead(Lead::from_nanos(ideal::START_LEAD_NS));
    ClockReading { raw, utc, width: Span::ZERO, slept: Span::ZERO }
}

fn stamp(at: Raw) -> Stamp {
    Stamp::of_kernel(at)
}
