//! A minority of servers lies in every way a server can: the bound holds, and the clock is hardly worse for it.
//!
//! `SLEWD_PLAYS=3000 cargo test --release --test sim_liars -- --nocapture` plays more random worlds than the usual run.

#[path = "support/dice.rs"]
mod dice;
#[path = "support/lies.rs"]
mod lies;

use dice::{between, link, signed};
use lies::{LIES, tell};
use slewd::sim::{Scenario, World};
use slewd::time::Span;

/// Length of a random world in seconds, and how often the clock is looked at.
const LENGTH_S: f64 = 12_000.0;
const LOOK_EVERY_S: f64 = 5.0;

/// Random worlds of each kind in the usual run.
const PLAYS: u64 = 60;

#[allow(clippy::disallowed_methods)]
fn plays() -> u64 {
    std::env::var("SLEWD_PLAYS").ok().and_then(|plays| plays.parse().ok()).unwrap_or(PLAYS)
}

/// One to six honest servers, or three to six with a minority of liars.
fn scenario(seed: u64, with_liars: bool) -> Scenario {
    let mut dice = fastrand::Rng::with_seed(seed);
    let configured = if with_liars { dice.usize(3..7) } else { dice.usize(1..7) };
    let links: Vec<_> = (0..configured).map(|_| link(&mut dice)).collect();
    let mut scenario = Scenario::new(seed, &links);
    scenario.crystal.frequency = signed(&mut dice, 1e-6, 1e-4);
    scenario.clock_ahead = Span::from_secs_f64(signed(&mut dice, 1e-3, 10.0));
    scenario.length_s = LENGTH_S;
    scenario.record_every = Span::from_secs(100_000);
    let liars = if with_liars { dice.usize(1..=(configured - 1) / 2) } else { 0 };
    for (server, link) in scenario.servers[..liars].iter_mut().zip(&links) {
        let round_trip_s = link.forward.base_s + link.backward.base_s;
        let lie = dice.usize(..LIES.len());
        tell(server, lie, round_trip_s, &mut dice);
    }
    if dice.bool() {
        for server in &mut scenario.servers[liars..] {
            server.root_s = (between(&mut dice, 1e-4, 0.05), between(&mut dice, 1e-4, 0.05));
        }
    }
    scenario
}

/// Moments with a claim, those at which it did not hold, the worst of them, and the mean bound.
#[derive(Clone, Copy, Default, Debug)]
struct Tally {
    claims: u32,
    beyond: u32,
    worst_excess_s: f64,
    worst_error_s: f64,
    bounds_s: f64,
    errors_squared: f64,
}

fn watch(scenario: Scenario) -> Tally {
    let (mut world, mut tally, mut now_s) = (World::new(scenario), Tally::default(), 0.0);
    while now_s < LENGTH_S {
        now_s += LOOK_EVERY_S;
        world.run_for(now_s);
        let Some(engine) = world.engine() else { continue };
        let (status, error_s) = (engine.status(&world.reading()), world.point().error_s.abs());
        let Some(bound_s) = status.maximum_error_s.filter(|_| status.synchronised) else { continue };
        tally.claims += 1;
        tally.bounds_s += bound_s;
        tally.errors_squared += error_s * error_s;
        if error_s > bound_s {
            tally.beyond += 1;
            tally.worst_excess_s = tally.worst_excess_s.max(error_s - bound_s);
            tally.worst_error_s = tally.worst_error_s.max(error_s);
        }
    }
    tally
}

/// Runs beyond the bound, with a line for each; prints what a table needs.
fn play(name: &str, with_liars: bool) -> Vec<(u64, Tally)> {
    let (mut broken, mut bounds_s, mut claims) = (Vec::new(), 0.0, 0u32);
    for seed in 1..=plays() {
        let tally = watch(scenario(seed, with_liars));
        assert!(tally.claims > 1000, "{name}, seed {seed}: hardly ever synchronised: {tally:?}");
        bounds_s += tally.bounds_s;
        claims += tally.claims;
        if tally.beyond > 0 {
            broken.push((seed, tally));
        }
    }
    println!(
        "{name}: {} of {} runs beyond, mean bound {:.2} ms",
        broken.len(),
        plays(),
        1e3 * bounds_s / f64::from(claims)
    );
    for (seed, tally) in &broken {
        println!("  seed {seed}: {tally:?}");
    }
    broken
}

#[test]
fn the_bound_holds_with_honest_servers() {
    let broken = play("honest", false);
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn the_bound_holds_with_a_minority_of_liars() {
    let broken = play("liars", true);
    assert!(broken.is_empty(), "{broken:?}");
}

/// One of four servers lies: root mean squares of the clock's error (s) without that server and with it.
fn errors_s(seed: u64, lie: usize) -> [f64; 2] {
    let mut dice = fastrand::Rng::with_seed(seed);
    let links: Vec<_> = (0..4).map(|_| link(&mut dice)).collect();
    let mut scenario = Scenario::new(seed, &links);
    scenario.crystal.frequency = signed(&mut dice, 1e-6, 1e-4);
    scenario.length_s = LENGTH_S;
    scenario.record_every = Span::from_secs(100_000);
    let round_trip_s = links[0].forward.base_s + links[0].backward.base_s;
    let mut lying = scenario.clone();
    tell(&mut lying.servers[0], lie, round_trip_s, &mut dice);
    let mut without = scenario;
    without.servers.remove(0);
    [without, lying].map(|scenario| {
        let tally = watch(scenario);
        (tally.errors_squared / f64::from(tally.claims)).sqrt()
    })
}

/// What it would have told if it were honest is lost in any case. In single worlds it is the nearest, and has more say.
#[test]
fn the_clock_is_hardly_worse_for_one_liar_of_four() {
    println!("| one of four | mean error without, ms | with | worst run: without, with (ms) |\n|---|---|---|---|");
    for (lie, name) in LIES.into_iter().enumerate() {
        let runs: Vec<[f64; 2]> = (1..=plays().max(200)).map(|seed| errors_s(seed, lie)).collect();
        let mean_ms = |of: fn(&[f64; 2]) -> f64| 1e3 * runs.iter().map(of).sum::<f64>() / runs.len() as f64;
        let (without_ms, with_ms) = (mean_ms(|run| run[0]), mean_ms(|run| run[1]));
        let worst = runs.iter().max_by(|a, b| (a[1] - a[0]).total_cmp(&(b[1] - b[0]))).expect("there are runs");
        println!("| {name} | {without_ms:.2} | {with_ms:.2} | {:.2}, {:.2} |", 1e3 * worst[0], 1e3 * worst[1]);
        assert!(with_ms <= 1.5 * without_ms + 0.2, "{name}: {with_ms} ms, {without_ms} ms without");
    }
}
