//! When the clock is first set, for every combination of one to four servers, each honest, dead, refusing, lying or
//! unsynchronised.
//!
//! `cargo test --test sim_first_setting -- --nocapture` prints the table of docs/benchmarks.md.

#![allow(missing_docs)]

use std::collections::BTreeMap;

use slewd::sim::server::Manner;
use slewd::sim::{Scenario, World};
use slewd::time::Span;

/// How a server behaves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Honest,
    Dead,
    Refusing,
    /// By hours, and no two by the same.
    Lying,
    Unsynchronised,
}

const KINDS: [Kind; 5] = [Kind::Honest, Kind::Dead, Kind::Refusing, Kind::Lying, Kind::Unsynchronised];

/// chronyd with `iburst` sets the clock this long after the start at the earliest (s), when some of its servers are silent.
const CHRONYD_S: f64 = 5.0;

/// The clock is this much wrong at the start.
const WRONG: Span = Span::from_secs(-14_400);

/// An error (s) that none of the liars' clocks has.
const RIGHT_S: f64 = 1.0;

/// All multisets of so many kinds.
fn combinations(count: usize) -> Vec<Vec<Kind>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let longer = |shorter: Vec<Kind>| {
        let most = shorter.last().copied().unwrap_or(Kind::Honest);
        KINDS.into_iter().filter(move |kind| *kind >= most).map(move |kind| [shorter.clone(), vec![kind]].concat())
    };
    combinations(count - 1).into_iter().flat_map(longer).collect()
}

fn scenario(kinds: &[Kind], turned: usize) -> Scenario {
    let mut scenario = Scenario::pool(1, kinds.len());
    scenario.clock_ahead = WRONG;
    for (index, server) in scenario.servers.iter_mut().enumerate() {
        match kinds[(index + turned) % kinds.len()] {
            Kind::Honest => {}
            Kind::Dead => server.manner = Manner::Dead,
            Kind::Refusing => server.manner = Manner::Refuses,
            Kind::Lying => server.ahead = Span::from_secs(3600 * (index as i64 + 1)),
            Kind::Unsynchronised => server.manner = Manner::Unsynchronised,
        }
    }
    scenario
}

/// When the clock was first set, and whether it was then right.
fn first_setting(kinds: &[Kind], turned: usize) -> Option<(f64, bool)> {
    let mut world = World::new(scenario(kinds, turned));
    let mut at_s = 0.0;
    while at_s < 60.0 {
        at_s += 0.05;
        world.run_for(at_s);
        let step = world.trace().steps.first().copied();
        if let Some((stepped_s, _)) = step {
            return Some((stepped_s, world.point().error_s.abs() < RIGHT_S));
        }
    }
    None
}

#[test]
fn the_clock_is_never_set_later_than_by_chronyd_and_never_by_a_liar_in_a_minority() {
    let mut latest: BTreeMap<(usize, usize, usize), f64> = BTreeMap::new();
    for kinds in (1..=4).flat_map(combinations) {
        let count = |kind| kinds.iter().filter(|&&other| other == kind).count();
        let (honest, liars) = (count(Kind::Honest), count(Kind::Lying));
        for turned in 0..kinds.len() {
            let setting = first_setting(&kinds, turned);
            let name = format!("{kinds:?}, turned by {turned}: {setting:?}");
            if honest > liars {
                let (at_s, is_right) = setting.unwrap_or_else(|| panic!("{name}: never"));
                assert!(is_right && at_s < CHRONYD_S, "{name}");
                let silent = kinds.len() - honest - liars;
                let worst = latest.entry((honest, liars, silent)).or_default();
                *worst = worst.max(at_s);
            } else if honest > 0 {
                // Nobody can tell who is right: no two agree, or as many lie as do not.
                let is_right = setting.is_none_or(|(_, is_right)| is_right);
                assert!(is_right, "{name}: a liar was followed");
            } else if liars != 1 {
                assert_eq!(setting, None, "{name}");
            }
        }
    }
    println!("| honest | lying | dead, refusing or unsynchronised | set after |\n|---|---|---|---|");
    for ((honest, liars, silent), at_s) in latest {
        println!("| {honest} | {liars} | {silent} | {at_s:.2} s |");
    }
}
