//! Networks as they are: congestion at the start, one access link for all servers, paths whose asymmetry changes, measured
//! paths and oscillators, and the first ten minutes.
//!
//! Unless an entry says otherwise: 10 ms each way with exponential jitter of 1 ms, a crystal that is 100 ppm off and walks by
//! 1e-9 per square root of a second, a clock that is 0.1 s off, 40,000 s of which the second half counts.

use std::ops::Range;

use slewd::sim::Scenario;
use slewd::sim::link::{Detour, Link, Load};
use slewd::sim::oscillator::Crystal;
use slewd::sim::random::Dice;
use slewd::time::Span;

use super::replays::{self, DOCSIS, HOME, MOBILE, MOBILE_5G, NIST};

const MS: f64 = 1e-3;
const US: f64 = 1e-6;
const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;
const LENGTH_S: f64 = 40_000.0;
/// The starts end here.
const START_S: f64 = 600.0;

/// What chronyd's figure is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Median RMS error in microseconds.
    Rms,
    /// RMS frequency error in ppb.
    Frequency,
}

/// One regime.
pub(crate) struct Regime {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The run with a seed.
    pub(crate) scenario: fn(u64) -> Scenario,
    /// The seconds that count.
    pub(crate) counts: Range<f64>,
    pub(crate) figure: Figure,
    /// What chronyd has there (clknetsim); NaN if that was not measured.
    pub(crate) chronyd: f64,
    /// The ratio to it that is wanted at most; NaN if there is no goal.
    pub(crate) at_most: f64,
}

const ANY: Regime = Regime {
    name: "",
    about: "",
    scenario: |seed| run(seed, &[Link::symmetric(10.0 * MS, 1.0 * MS)]),
    counts: 0.5 * LENGTH_S..LENGTH_S,
    figure: Figure::Rms,
    chronyd: f64::NAN,
    at_most: f64::NAN,
};

const REAL: Regime = Regime { counts: DAY..2.0 * DAY, ..ANY };

/// All of them.
pub(crate) const REGIMES: &[Regime] = &[
    Regime {
        name: "slow-10min",
        about: "requests 8 ms slower for the first 10 min",
        scenario: |seed| slow(seed, 1, 600.0),
        chronyd: 284.0,
        at_most: 0.6,
        ..ANY
    },
    Regime {
        name: "slow-1h",
        about: "for the first hour",
        scenario: |seed| slow(seed, 1, HOUR),
        chronyd: 423.0,
        at_most: 0.6,
        ..ANY
    },
    Regime {
        name: "slow-3h",
        about: "for the first three hours",
        scenario: |seed| slow(seed, 1, 3.0 * HOUR),
        chronyd: 282.0,
        at_most: 0.6,
        ..ANY
    },
    Regime {
        name: "slow-10min-4",
        about: "four servers behind that link",
        scenario: |seed| slow(seed, 4, 600.0),
        chronyd: 615.0,
        at_most: 0.5,
        ..ANY
    },
    Regime {
        name: "slow-1h-4",
        about: "the same, an hour",
        scenario: |seed| slow(seed, 4, HOUR),
        chronyd: 478.0,
        at_most: 0.5,
        ..ANY
    },
    Regime {
        name: "slow-3h-4",
        about: "the same, three hours",
        scenario: |seed| slow(seed, 4, 3.0 * HOUR),
        chronyd: 409.0,
        at_most: 0.5,
        ..ANY
    },
    Regime {
        name: "bufferbloat-4",
        about: "an access link with bursts of 20 to 120 ms, six hours each evening; the second of two days",
        scenario: |seed| evening(seed, 1.0),
        counts: DAY..2.0 * DAY,
        chronyd: 515.0,
        at_most: 0.5,
        ..ANY
    },
    Regime {
        name: "bufferbloat-up",
        about: "replies wait for 30 % of what requests do",
        scenario: |seed| evening(seed, 0.3),
        counts: DAY..2.0 * DAY,
        ..ANY
    },
    Regime {
        name: "switching",
        about: "requests 8 ms slower every other hour",
        scenario: |seed| loaded(seed, 10.0, 1.0, &[replays::switching(8.0 * MS as f32, HOUR, 0.0)]),
        chronyd: 867.0,
        at_most: 0.5,
        ..ANY
    },
    Regime {
        name: "switching-4",
        about: "requests 4 ms slower in turn, each of four servers with its own period",
        scenario: |seed| {
            let mut dice = Dice::new(seed ^ 0x5317);
            let one = |index: usize| {
                let period_s = 7000.0 + 900.0 * index as f64;
                replays::switching(4.0 * MS as f32, 0.5 * period_s, period_s * dice.uniform())
            };
            loaded(seed, 10.0, 1.0, &[0, 1, 2, 3].map(one))
        },
        chronyd: 555.0,
        at_most: 0.5,
        ..ANY
    },
    Regime {
        name: "near-skewed",
        about: "the nearest of four servers is 3 ms off by the asymmetry of its path",
        scenario: |seed| {
            let mut near = Link::symmetric(2.0 * MS, 0.2 * MS);
            near.forward.base_s += 6.0 * MS;
            let far = Link::symmetric(30.0 * MS, 2.0 * MS);
            run(seed, &[near, far.clone(), far.clone(), far])
        },
        chronyd: 3000.0,
        at_most: 0.3,
        ..ANY
    },
    Regime {
        name: "satellite-4",
        about: "four servers behind a satellite that hands over every 15 s",
        scenario: |seed| {
            let load = replays::handovers(&mut Dice::new(seed ^ 0x5a7));
            let mut scenario = loaded(seed, 14.0, 3.5, &vec![load; 4]);
            for server in &mut scenario.servers {
                let link = &mut server.link;
                (link.forward.base_s, link.backward.base_s) = (15.0 * MS, 13.0 * MS);
                (link.forward.jitter_s, link.backward.jitter_s) = (4.0 * MS, 3.0 * MS);
                link.loss = 0.01;
            }
            scenario
        },
        chronyd: 2043.0,
        at_most: 0.7,
        ..ANY
    },
    Regime {
        name: "docsis-2",
        about: "measured: two servers over a cable link",
        scenario: |seed| real(seed, &DOCSIS, 2),
        chronyd: 1277.0,
        at_most: 0.40,
        ..REAL
    },
    Regime {
        name: "docsis-1",
        about: "measured: one of them",
        scenario: |seed| real(seed, &DOCSIS, 1),
        chronyd: 1198.0,
        at_most: 0.70,
        ..REAL
    },
    Regime {
        name: "nist-3",
        about: "measured: three servers with 0.56 ms of asymmetry in common",
        scenario: |seed| real(seed, &NIST, 3),
        chronyd: 632.0,
        at_most: 0.95,
        ..REAL
    },
    Regime { name: "home-4", about: "measured: a home link", scenario: |seed| real(seed, &HOME, 4), ..REAL },
    Regime { name: "home-1", about: "one server", scenario: |seed| real(seed, &HOME, 1), ..REAL },
    Regime { name: "5g-4", about: "measured: 5G", scenario: |seed| real(seed, &MOBILE_5G, 4), ..REAL },
    Regime { name: "5g-1", about: "one server", scenario: |seed| real(seed, &MOBILE_5G, 1), ..REAL },
    Regime { name: "mobile-4", about: "measured: mobile links", scenario: |seed| real(seed, &MOBILE, 4), ..REAL },
    Regime { name: "mobile-1", about: "one server", scenario: |seed| real(seed, &MOBILE, 1), ..REAL },
    Regime {
        name: "lan-wander",
        about: "LAN, wander 3e-9",
        scenario: |seed| wandering(run(seed, &[Link::symmetric(100.0 * US, 20.0 * US)])),
        ..ANY
    },
    Regime {
        name: "wan-wander",
        about: "one server, wander 3e-9",
        scenario: |seed| wandering(run(seed, &[Link::symmetric(10.0 * MS, 1.0 * MS)])),
        ..ANY
    },
    Regime {
        name: "pool-wander",
        about: "four servers, wander 3e-9",
        scenario: |seed| wandering(run(seed, &vec![Link::symmetric(10.0 * MS, 1.0 * MS); 4])),
        ..ANY
    },
    Regime {
        name: "quiet-4",
        about: "frequency error with a quiet oscillator, four servers",
        scenario: |seed| {
            let mut scenario = run(seed, &vec![Link::symmetric(10.0 * MS, 1.0 * MS); 4]);
            scenario.crystal = Crystal { wander: 3e-11, white_noise: 1e-10, ..scenario.crystal };
            scenario
        },
        figure: Figure::Frequency,
        chronyd: 16.0,
        at_most: 1.2,
        ..ANY
    },
    Regime {
        name: "off-lan",
        about: "LAN, from 7 to 600 s after the start",
        scenario: |seed| started(run(seed, &[Link::symmetric(100.0 * US, 20.0 * US)])),
        counts: 7.0..START_S,
        ..ANY
    },
    Regime {
        name: "off-wan",
        about: "one server, from 7 to 600 s after the start",
        scenario: |seed| started(run(seed, &[Link::symmetric(10.0 * MS, 1.0 * MS)])),
        counts: 7.0..START_S,
        ..ANY
    },
    Regime {
        name: "off-pool",
        about: "four servers, from 7 to 600 s after the start",
        scenario: |seed| started(run(seed, &vec![Link::symmetric(10.0 * MS, 1.0 * MS); 4])),
        counts: 7.0..START_S,
        ..ANY
    },
    Regime {
        name: "off-noisy",
        about: "one server 30 ms away, 10 ms of jitter, from 180 to 600 s after the start",
        scenario: |seed| started(run(seed, &[Link::symmetric(30.0 * MS, 10.0 * MS)])),
        counts: 180.0..START_S,
        chronyd: 2900.0,
        at_most: 1.0,
        ..ANY
    },
    Regime {
        name: "off-noisy-60",
        about: "the same, from 60 to 180 s after the start",
        scenario: |seed| started(run(seed, &[Link::symmetric(30.0 * MS, 10.0 * MS)])),
        counts: 60.0..180.0,
        chronyd: 5400.0,
        at_most: 1.0,
        ..ANY
    },
];

/// The base of all regimes.
fn run(seed: u64, links: &[Link]) -> Scenario {
    let mut scenario = Scenario::new(seed, links);
    let sign = if Dice::new(seed ^ 0xc5a1).uniform() < 0.5 { -1.0 } else { 1.0 };
    scenario.crystal = Crystal { frequency: sign * 100e-6, wander: 1e-9, ..Crystal::default() };
    scenario.clock_ahead = Span::from_secs_f64(-0.1);
    scenario.length_s = LENGTH_S;
    scenario
}

/// Two days of four servers behind an access link that is busy in the evening.
fn evening(seed: u64, replies: f32) -> Scenario {
    let mut scenario = run(seed, &vec![Link::symmetric(10.0 * MS, 1.0 * MS); 4]);
    let load = replays::bufferbloat(replies, &mut Dice::new(seed ^ 0xb10a7));
    scenario.servers.iter_mut().for_each(|server| server.link.load = Some(load.clone()));
    scenario.length_s = 2.0 * DAY;
    scenario
}

/// Requests to all servers are 8 ms slower until a moment.
fn slow(seed: u64, servers: usize, until_s: f64) -> Scenario {
    let mut link = Link::symmetric(10.0 * MS, 1.0 * MS);
    link.detour = Some(Detour { from_s: 0.0, until_s, forward_s: 8.0 * MS, backward_s: 0.0 });
    run(seed, &vec![link; servers])
}

/// One server for each load.
fn loaded(seed: u64, base_ms: f64, jitter_ms: f64, loads: &[Load]) -> Scenario {
    let link = |load: &Load| Link { load: Some(load.clone()), ..Link::symmetric(base_ms * MS, jitter_ms * MS) };
    run(seed, &loads.iter().map(link).collect::<Vec<_>>())
}

/// Measured paths, taken in turn, and a measured oscillator.
fn real(seed: u64, paths: &[std::sync::LazyLock<std::sync::Arc<[[f64; 2]]>>], servers: usize) -> Scenario {
    let mut dice = Dice::new(seed ^ 0x4ea1);
    let replay = |index: usize| replays::path(&paths[(index + seed as usize) % paths.len()], &mut dice);
    let link = |replay| Link { replay: Some(replay), ..Link::symmetric(10.0 * MS, 0.0) };
    let links: Vec<Link> = (0..servers).map(replay).map(link).collect();
    let mut scenario = run(seed, &links);
    let replay = Some(replays::oscillator(seed, &mut dice));
    scenario.crystal = Crystal { frequency: 0.0, wander: 0.0, replay, ..Crystal::default() };
    scenario.length_s = 2.0 * DAY;
    scenario
}

fn wandering(mut scenario: Scenario) -> Scenario {
    scenario.crystal.wander = 3e-9;
    scenario
}

fn started(mut scenario: Scenario) -> Scenario {
    scenario.length_s = START_S;
    scenario
}
