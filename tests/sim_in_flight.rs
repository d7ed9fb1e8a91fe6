//! What happens to the machine while a reply is on its way.

use slewd::core::api::settings::MakeStep;
use slewd::sim::{Happening, Scenario, World};
use slewd::time::Span;

const SEEDS: std::ops::Range<u64> = 1..11;

/// Two servers, 10 ms away. A clock that strays by more than a second is stepped at any time.
fn scenario(seed: u64, at_s: f64, happening: Happening) -> Scenario {
    let mut scenario = Scenario::pool(seed, 2);
    scenario.settings.makestep = Some(MakeStep { threshold_s: 1.0, limit: -1 });
    scenario.happenings = vec![(at_s, happening)];
    scenario
}

/// From here on the world is looked at every 2 ms.
const QUIET_S: f64 = 300.0;
const LOOK_S: f64 = 0.002;

/// Runs on from `QUIET_S` for so many looks. The same looks give the same random numbers.
fn look(world: &mut World, looks: u32) {
    world.run_for(QUIET_S + LOOK_S * f64::from(looks));
}

/// Runs a world in which this happens while a reply is on its way.
fn run(seed: u64, happening: Happening) -> World {
    let mut world = World::new(scenario(seed, f64::from(u32::MAX), happening));
    look(&mut world, 0);
    let before = world.trace().requests;
    let asked = (1..).find(|looks| {
        look(&mut world, *looks);
        world.trace().requests > before
    });
    let asked = asked.expect("a request leaves");
    let mut world = World::new(scenario(seed, QUIET_S + LOOK_S * (f64::from(asked) + 0.5), happening));
    (0..=asked).for_each(|looks| look(&mut world, looks));
    assert!(world.trace().requests > before, "seed {seed}: the same world");
    look(&mut world, asked + 30_000);
    world
}

/// The reply tells that the clock is wrong, and so does the comparison with the counter: the clock was stepped for both.
#[test]
fn a_foreign_step_that_is_noticed_with_a_reply_is_made_up_for_once() {
    for seed in SEEDS {
        let world = run(seed, Happening::ForeignStep(Span::from_millis(-1300)));
        let (steps, to_s) = (&world.trace().steps, &world.trace().stepped_to_s);
        assert_eq!(steps.len(), 1, "seed {seed}: {steps:?}");
        assert!(to_s[0].abs() < 0.01, "seed {seed}: {to_s:?}");
    }
}
