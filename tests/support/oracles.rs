//! What must hold in every random world, and what a run of one has shown.

#![allow(dead_code, reason = "each program uses its own part")]

use slewd::core::api::event::Event;
use slewd::core::api::order::{Order, Parameter};
use slewd::sim::World;
use slewd::sim::link::Link;

use crate::dice::between;
use crate::play::{LENGTH_S, Play, QUIET_S};

/// The bound contains three standard deviations: share of the moments at which they may be too few, in many worlds...
pub(crate) const TOLERATED: f64 = 2e-4;
/// ...and in a single one.
const TOLERATED_IN_ONE: f64 = 0.01;

/// No honest answer of these paths is wrong by so much, and most lies are larger (s): who is followed to there is a liar.
const HONEST_STEP_S: f64 = 0.3;

/// So long after an order that says that the time is another the clock may be there (s).
const MISLED_S: f64 = 1500.0;

/// The shortest interval of requests in the long run, log2 of seconds, unless it is ordered otherwise.
const MIN_POLL: i32 = 6;
/// Requests to each source on each occasion: a start, a fault, an order.
const REQUESTS_AT_ONCE: f64 = 40.0;

/// What wakes the daemon: replies, timers for requests and for those that are not answered...
const WAKES_PER_REQUEST: f64 = 3.0;
/// ...what follows from each occasion...
const WAKES_AT_ONCE: f64 = 200.0;
/// ...and a slew that is tried again and again while the kernel refuses it, each second.
const WAKES_PER_REFUSED_S: f64 = 3.0;

/// So long after the last fault the clock is right again (s).
const SETTLED_AFTER_S: f64 = 3000.0;

/// How far a clock may be from the truth that is followed from a symmetric path without jitter (s).
const GOOD_S: f64 = 0.001;

/// What a run has shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Moments at which the engine said that it was synchronised.
    pub(crate) synchronised: u32,
    /// Moments of these at which the error was larger than its bound.
    pub(crate) beyond: u32,
    /// The largest excess, relative to the bound.
    pub(crate) worst_excess: f64,
    /// When that was, in seconds after the start.
    pub(crate) worst_at_s: f64,
    pub(crate) requests: u64,
    pub(crate) wakes: u64,
    /// What the engine told, and when.
    pub(crate) events: Vec<(f64, Event)>,
    /// Steps of the clock: when, by how much and how wrong it was then (s).
    pub(crate) steps: Vec<(f64, f64, f64)>,
    /// From so long after the last fault on the error was within the limit (s).
    pub(crate) settled_s: Option<f64>,
    /// The limit (s): `None` if honest servers are not the majority of those that have a vote at the end.
    pub(crate) limit_s: Option<f64>,
    /// The error of the clock at the end (s).
    pub(crate) error_s: f64,
    /// What did not hold.
    pub(crate) broken: Vec<String>,
}

/// Runs a world from its beginning to its end.
pub(crate) fn run(play: &Play) -> Outcome {
    let mut dice = fastrand::Rng::with_seed(play.scenario.seed);
    let (mut world, mut outcome, mut now_s) = (World::new(play.scenario.clone()), Outcome::default(), 0.0);
    let mut orders = play.orders.iter().peekable();
    let mut quiet: Vec<(f64, f64)> = Vec::new();
    while now_s < LENGTH_S {
        now_s += between(&mut dice, 0.05, 30.0);
        while let Some((at_s, order)) = orders.next_if(|(at_s, _)| *at_s <= now_s) {
            world.run_for(*at_s);
            // There may be no such source, or no estimate.
            let _ = world.handle_order(order.clone());
        }
        world.run_for(now_s);
        outcome.look(&world, now_s);
        if now_s >= QUIET_S {
            quiet.push((now_s - QUIET_S, world.point().error_s.abs()));
        }
    }
    outcome.limit_s = limit_s(play, &world);
    outcome.error_s = world.point().error_s;
    if let Some(limit_s) = outcome.limit_s {
        let bad = quiet.iter().rposition(|(_, error_s)| *error_s > limit_s);
        outcome.settled_s = quiet.get(bad.map_or(0, |index| index + 1)).map(|(at_s, _)| *at_s);
    }
    outcome.judge(play, &world);
    outcome
}

/// How wrong the clock may be at the end: as the paths of the honest are asymmetric and noisy. Lies within the round trip
/// cannot be told from asymmetry.
fn limit_s(play: &Play, world: &World) -> Option<f64> {
    let voters: Vec<_> = world.engine()?.sources().iter().filter(|source| !source.options.no_select).collect();
    let known: Vec<_> = voters.iter().filter_map(|source| play.server(source.ip()?)).collect();
    let honest: Vec<_> = known.iter().filter(|(_, is_good)| *is_good).map(|(server, _)| &server.link).collect();
    let worst = |of: fn(&Link) -> f64| honest.iter().map(|link| of(link)).fold(0.0, f64::max);
    let round_trip_s = worst(|link| link.forward.base_s + link.backward.base_s);
    let asymmetry_s = worst(|link| (link.forward.base_s - link.backward.base_s).abs());
    let jitter_s = worst(|link| link.forward.jitter_s);
    let paths_s = if play.has_liars() { round_trip_s } else { asymmetry_s };
    (2 * honest.len() > voters.len()).then_some(GOOD_S + 0.5 * paths_s + jitter_s)
}

impl Outcome {
    fn look(&mut self, world: &World, now_s: f64) {
        let Some(engine) = world.engine() else { return };
        let (status, error_s) = (engine.status(&world.reading()), world.point().error_s.abs());
        if let Some(bound_s) = status.maximum_error_s.filter(|_| status.synchronised) {
            self.synchronised += 1;
            if error_s > bound_s {
                self.beyond += 1;
                if error_s / bound_s - 1.0 > self.worst_excess {
                    (self.worst_excess, self.worst_at_s) = (error_s / bound_s - 1.0, now_s);
                }
            }
        }
    }

    fn judge(&mut self, play: &Play, world: &World) {
        let trace = world.trace();
        (self.requests, self.wakes, self.events) = (trace.requests, trace.wakes, trace.events.clone());
        let ends_s = trace.stepped_to_s.iter();
        self.steps = trace.steps.iter().zip(ends_s).map(|((at_s, by), to_s)| (*at_s, by.secs_f64(), *to_s)).collect();
        if self.beyond > 0 && f64::from(self.beyond) > TOLERATED_IN_ONE * f64::from(self.synchronised) {
            self.broken.push(format!("bound: too small at {} of {} moments", self.beyond, self.synchronised));
        }
        self.judge_steps(play);
        self.judge_rates(play);
        if trace.finished.is_some() {
            self.broken.push("end: the engine has ended a run that has no end".to_owned());
        }
        if let Some(limit_s) = self.limit_s
            && self.settled_s.is_none_or(|settled_s| settled_s > SETTLED_AFTER_S)
        {
            let text = format!("liveness: {:.6} s off at the end, {limit_s:.6} s is the limit", self.error_s);
            self.broken.push(text);
        }
    }

    /// A step takes the clock away from the truth only if somebody has said that the honest are wrong.
    fn judge_steps(&mut self, play: &Play) {
        let offset_s = |order: &(f64, Order)| matches!(order.1, Order::AddOffset(_)).then_some(order.0);
        let offsets_s: Vec<_> = play.orders.iter().filter_map(offset_s).collect();
        for (at_s, by_s, to_s) in &self.steps {
            let is_ordered = offsets_s.iter().any(|offset_s| (*offset_s..offset_s + MISLED_S).contains(at_s));
            if to_s.abs() > (to_s - by_s).abs() + HONEST_STEP_S && !is_ordered {
                self.broken.push(format!("step: by {by_s:.6} s at {at_s:.1} s, to {to_s:.6} s from the truth"));
            }
        }
    }

    fn judge_rates(&mut self, play: &Play) {
        let shortest = |order: &(f64, Order)| match order.1 {
            Order::Change { parameter: Parameter::MinPoll(poll), .. } => Some(poll),
            _ => None,
        };
        let poll = play.orders.iter().filter_map(shortest).fold(MIN_POLL, i32::min);
        let sources = play.scenario.servers.len() as f64;
        let occasions = (play.disturbances() + play.bad.len() + 1) as f64;
        let most = sources * (LENGTH_S / f64::from(1 << poll) + REQUESTS_AT_ONCE * occasions);
        if self.requests as f64 > most {
            self.broken.push(format!("requests: {}, more than {most:.0}", self.requests));
        }
        let refused_s: f64 = play.scenario.refusals.iter().map(|(from_s, until_s)| until_s - from_s).sum();
        let trials = WAKES_PER_REFUSED_S * refused_s;
        let most = WAKES_PER_REQUEST * self.requests as f64 + WAKES_AT_ONCE * occasions + trials;
        if self.wakes as f64 > most {
            self.broken.push(format!("wakes: {}, more than {most:.0}", self.wakes));
        }
    }
}
