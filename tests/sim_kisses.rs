//! Kisses-o'-death outlive their sender by no more than two minutes, whoever sent them and whenever.

use slewd::sim::{Scenario, World};
use slewd::time::Span;

const SEEDS: std::ops::Range<u64> = 1..6;

/// Right again this long after the last kiss, in seconds.
const RIGHT_AGAIN_S: f64 = 120.0;

/// All of `servers` kiss with `code` between two moments; the clock is four hours behind at the start.
fn kissed(seed: u64, servers: usize, code: [u8; 4], from_s: f64, until_s: f64) -> World {
    let mut scenario = Scenario::pool(seed, servers);
    scenario.clock_ahead = Span::from_secs(-4 * 3600);
    scenario.length_s = until_s + 4000.0;
    for server in &mut scenario.servers {
        server.kisses_between = Some((code, from_s, until_s));
    }
    World::new(scenario)
}

#[test]
fn kisses_from_all_servers_at_the_start_end_with_their_sender() {
    for code in [*b"DENY", *b"RSTR", *b"RATE"] {
        for servers in [1, 2, 4] {
            for until_s in [10.0, 60.0, 600.0, 3600.0] {
                for seed in SEEDS {
                    let mut world = kissed(seed, servers, code, 0.0, until_s);
                    world.run_for(until_s + RIGHT_AGAIN_S);
                    let error_s = world.point().error_s;
                    let name = String::from_utf8_lossy(&code);
                    assert!(error_s.abs() < 0.01, "{name} from {servers} for {until_s} s, seed {seed}: {error_s}");
                }
            }
        }
    }
}

#[test]
fn kisses_from_all_servers_later_end_with_their_sender() {
    for code in [*b"DENY", *b"RSTR", *b"RATE"] {
        for servers in [1, 4] {
            for length_s in [60.0, 3600.0] {
                for seed in SEEDS {
                    let until_s = 8000.0 + length_s;
                    let mut world = kissed(seed, servers, code, 8000.0, until_s);
                    let name = String::from_utf8_lossy(&code).into_owned();
                    let what = format!("{name} from {servers} for {length_s} s, seed {seed}");
                    world.run_for(until_s + RIGHT_AGAIN_S);
                    let engine = world.engine().expect("it runs");
                    let status = engine.status(&world.reading());
                    assert!(status.synchronised && world.point().error_s.abs() < 0.01, "{what}: {status:?}");
                    // Those that were denied are asked again within two minutes, even if they hardly poll.
                    let is_overdue = engine.sources().iter().all(|source| source.reach == 0);
                    assert!(code == *b"RATE" || !is_overdue, "{what}: nobody answers");
                    world.run_for(until_s + 4000.0);
                    let status = world.engine().expect("it runs").status(&world.reading());
                    assert!(status.last_answer_ago_s.is_some_and(|ago_s| ago_s < 2000.0), "{what}: {status:?}");
                }
            }
        }
    }
}
