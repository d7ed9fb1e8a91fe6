//! Names that resolve late, wrongly or never, and pools whose members go bad.

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use slewd::core::api::event::Event;
use slewd::core::api::last_good::LastGood;
use slewd::core::api::settings::{Host, SourceConfig, SourceOptions};
use slewd::sim::link::{Detour, Link};
use slewd::sim::server::{Manner, Server};
use slewd::sim::{Happening, Scenario, World};
use slewd::time::Span;
use support::{Run, Worst, hours, runs};

const NAME: &str = "pool.example";

fn v4(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, host))
}

fn v6(host: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host))
}

fn server(address: IpAddr) -> Server {
    Server::honest(address, Link::symmetric(0.01, 0.001))
}

fn line(pool: bool) -> SourceConfig {
    let options = SourceOptions { iburst: true, ..SourceOptions::default() };
    SourceConfig { host: Host::Name(NAME.into()), pool, options }
}

/// A clock four hours behind, and one line with a name that the resolver knows from the start.
fn named(seed: u64, pool: bool, servers: Vec<Server>) -> Scenario {
    let mut scenario = Scenario::new(seed, &[]);
    scenario.clock_ahead = hours(-4);
    scenario.crystal.frequency = 40e-6;
    scenario.sources = vec![line(pool)];
    scenario.names = vec![(NAME.into(), 0.0, servers.iter().map(|server| server.address).collect())];
    scenario.servers = servers;
    scenario
}

fn honest(count: u8) -> Vec<Server> {
    (1..=count).map(v4).map(server).collect()
}

fn remembered(addresses: &[IpAddr]) -> Vec<LastGood> {
    vec![LastGood { name: NAME.into(), addresses: addresses.to_vec() }]
}

fn replaced(run: &Run) -> Vec<(f64, IpAddr, IpAddr)> {
    let replaced = |(at, event): &(f64, Event)| match event {
        Event::Replaced { old, new, .. } => Some((*at, *old, *new)),
        _ => None,
    };
    run.trace.events.iter().filter_map(replaced).collect()
}

fn first_step_s(result: &Worst) -> f64 {
    result.worst(|run| run.trace.steps.first().map_or(f64::INFINITY, |(at, _)| *at))
}

/// The addresses in use after so many seconds.
fn members(scenario: Scenario, at_s: f64) -> Vec<IpAddr> {
    let mut world = World::new(scenario);
    world.run_for(at_s);
    let mut members: Vec<IpAddr> =
        world.engine().expect("it runs").sources().iter().map(|source| source.ip().expect("a server")).collect();
    members.sort();
    members
}

#[test]
fn names_that_resolve_after_90_s_are_found_within_a_minute() {
    let result = runs(|seed| {
        let mut scenario = named(seed, true, honest(4));
        scenario.names[0].1 = 90.0;
        scenario
    });
    result.expect("DNS dead for 90 s", 90.0 + 70.0, 4e-4, 1);
    println!("stepped after {} s", first_step_s(&result));
}

#[test]
fn last_good_addresses_set_the_clock_when_dns_is_dead() {
    let result = runs(|seed| {
        let mut scenario = named(seed, true, honest(4));
        scenario.names.clear();
        scenario.last_good = remembered(&[v4(1), v4(2), v4(3), v4(4)]);
        scenario
    });
    result.expect("DNS dead for ever, addresses known", 1.0, 4e-4, 1);
    println!("stepped after {} s", first_step_s(&result));
    assert!(first_step_s(&result) < 0.05, "{} s", first_step_s(&result));
}

/// The file of the first run is what the second one starts with.
#[test]
fn a_restart_without_dns_uses_what_the_last_run_has_learnt() {
    let result = runs(|seed| {
        let mut scenario = named(seed, true, honest(4));
        scenario.names.push((NAME.into(), 1000.0, Vec::new()));
        let wrong = Happening::ForeignStep(hours(1));
        scenario.happenings = vec![(2000.0, Happening::Restart), (2001.0, wrong)];
        scenario
    });
    result.print("restart without DNS");
    for run in &result.runs {
        assert!(run.good_after_s() < 2004.0, "seed {}: good after {} s", run.seed, run.good_after_s());
        assert_eq!(run.trace.address_saves, 1, "seed {}: the same addresses are written once", run.seed);
    }
}

#[test]
fn fresh_addresses_take_over_from_remembered_ones() {
    let make = |seed| {
        let mut scenario = named(seed, true, honest(8));
        scenario.names = vec![(NAME.into(), 0.0, (5..=8).map(v4).collect())];
        scenario.servers[0].ahead = hours(10);
        scenario.last_good = remembered(&[v4(1), v4(2), v4(3), v4(4)]);
        scenario
    };
    let result = runs(make);
    result.expect("fresh and remembered addresses", 1.0, 4e-4, 1);
    assert_eq!(members(make(1), 100.0), (5..=8).map(v4).collect::<Vec<_>>());
}

/// The last good addresses have become somebody else's, who is ten hours ahead.
#[test]
fn remembered_addresses_cannot_hold_out_against_fresh_ones() {
    for (pool, count) in [(false, 1), (true, 4)] {
        let make = |seed| {
            let mut scenario = named(seed, pool, honest(2 * count));
            scenario.names = vec![(NAME.into(), 0.0, (count + 1..=2 * count).map(v4).collect())];
            scenario.servers.iter_mut().take(count.into()).for_each(|server| server.ahead = hours(10));
            scenario.last_good = remembered(&(1..=count).map(v4).collect::<Vec<_>>());
            scenario
        };
        let name = format!("{count} remembered liars");
        runs(make).expect_deceived(&name, 30.0, 1e-3, 2);
        assert_eq!(members(make(1), 100.0), (count + 1..=2 * count).map(v4).collect::<Vec<_>>());
    }
}

#[test]
fn a_dead_family_delays_nothing() {
    let families: [(&str, Vec<IpAddr>, bool, bool); 5] = [
        ("server, IPv6 dead", vec![v6(1), v4(1)], false, false),
        ("server, IPv6 without a route", vec![v6(1), v4(1)], false, true),
        ("server, first IPv4 address dead", vec![v6(1), v4(1)], false, false),
        ("pool, IPv6 dead", (1..=4).map(v6).chain((1..=4).map(v4)).collect(), true, false),
        ("pool, IPv6 without a route", (1..=4).map(v6).chain((1..=4).map(v4)).collect(), true, true),
    ];
    for (name, mut addresses, pool, has_no_route) in families {
        let v4_is_dead = name.contains("IPv4");
        if v4_is_dead {
            addresses.reverse();
        }
        let dead = |address: &IpAddr| address.is_ipv4() == v4_is_dead;
        let make = |seed| {
            let servers = addresses.iter().map(|address| server(*address));
            let manners = |s: Server| if dead(&s.address) { s.with(Manner::Dead) } else { s };
            let mut scenario = named(seed, pool, servers.map(manners).collect());
            if has_no_route {
                scenario.unroutable = addresses.iter().copied().filter(|address| dead(address)).collect();
            }
            scenario
        };
        let result = runs(make);
        result.expect(name, 1.0, 4e-4, 1);
        println!("stepped after {} s", first_step_s(&result));
        assert!(first_step_s(&result) < 0.35, "{name}: {} s", first_step_s(&result));
        let mut alive: Vec<IpAddr> = addresses.iter().copied().filter(|address| !dead(address)).collect();
        alive.sort();
        assert_eq!(members(make(1), 100.0), alive, "{name}");
    }
}

/// Of eight addresses four are asked, and the others are not if the four are good.
#[test]
fn superfluous_addresses_are_not_asked() {
    let with = |count: u8| {
        let mut world = World::new(named(1, true, honest(count)));
        world.run_for(60.0);
        (world.trace().requests, world.engine().expect("it runs").sources().len())
    };
    assert_eq!(with(8), with(4));
    assert_eq!(with(8).1, 4);
}

/// Ten hours, silence, RATE and DENY; the resolver shows four addresses at a time.
#[test]
fn a_pool_of_four_bad_servers_is_replaced() {
    let bad = |mut servers: Vec<Server>| {
        servers[0].ahead = hours(10);
        servers[1].manner = Manner::Dead;
        servers[2].manner = Manner::Kisses(*b"RATE", 0);
        servers[3].manner = Manner::Kisses(*b"DENY", 0);
        servers
    };
    let make = |seed| {
        let mut scenario = named(seed, true, bad(honest(12)));
        scenario.length_s = 4.0 * 3600.0;
        scenario
    };
    let result = runs(make);
    result.expect("pool of four bad servers, 12 addresses", 1.0, 4e-4, 1);
    println!("stepped after {} s", first_step_s(&result));
    assert!(first_step_s(&result) < 0.35, "{} s", first_step_s(&result));
    let members = members(make(1), 10.0);
    assert_eq!(members.len(), 4);
    assert!((1..=4).map(v4).all(|bad| !members.contains(&bad)), "{members:?}");
}

/// The same after the start: the four went bad one after the other, and the resolver shows others from time to time.
#[test]
fn members_that_go_bad_are_replaced_one_at_a_time() {
    let make = |seed| {
        let mut servers = honest(8);
        servers[0].step = Some((2000.0, hours(10)));
        servers[1].alive = (0.0, 2000.0);
        servers[2].manner = Manner::Kisses(*b"DENY", 12);
        let mut scenario = named(seed, true, servers);
        scenario.names =
            vec![(NAME.into(), 0.0, (1..=4).map(v4).collect()), (NAME.into(), 3000.0, (1..=8).map(v4).collect())];
        scenario.clock_ahead = Span::ZERO;
        scenario.length_s = 10.0 * 3600.0;
        scenario
    };
    let result = runs(make);
    result.print("pool members go bad");
    for run in &result.runs {
        let replaced = replaced(run);
        let mut old: Vec<IpAddr> = replaced.iter().map(|(_, old, _)| *old).collect();
        old.sort();
        assert_eq!(old, [v4(1), v4(2), v4(3)], "seed {}", run.seed);
        assert!(replaced.iter().all(|(_, _, new)| (5..=8).map(v4).any(|good| good == *new)), "{replaced:?}");
        assert!(replaced.windows(2).all(|pair| pair[1].0 > pair[0].0), "seed {}: {replaced:?}", run.seed);
        assert!(run.trace.max_s(60.0, f64::INFINITY) < 0.002, "seed {}", run.seed);
    }
    let last_s = result.worst(|run| replaced(run).last().map_or(f64::INFINITY, |(at, ..)| *at));
    println!("the last is replaced after {last_s} s");
    assert!(last_s < 8.0 * 3600.0, "{last_s} s");
}

/// Each thing that makes a member bad, alone.
#[test]
fn whatever_is_wrong_with_a_member_it_is_replaced() {
    type Fault = fn(&mut Server);
    let faults: [(&str, Fault); 6] = [
        ("lies", |server| server.step = Some((2000.0, hours(10)))),
        ("falls silent", |server| server.alive = (0.0, 2000.0)),
        ("says RATE for ever", |server| server.manner = Manner::Kisses(*b"RATE", 12)),
        ("says DENY", |server| server.manner = Manner::Kisses(*b"DENY", 12)),
        ("loses its time", |server| server.manner = Manner::Kisses([0; 4], 12)),
        ("is too far away", |server| {
            server.link.detour =
                Some(Detour { from_s: 2000.0, until_s: f64::INFINITY, forward_s: 0.2, backward_s: 0.2 });
        }),
    ];
    for (name, fault) in faults {
        let result = runs(|seed| {
            let mut servers = honest(5);
            fault(&mut servers[2]);
            let mut scenario = named(seed, true, servers);
            scenario.names =
                vec![(NAME.into(), 0.0, (1..=4).map(v4).collect()), (NAME.into(), 1000.0, (1..=5).map(v4).collect())];
            scenario.settings.max_distance_s = 0.15;
            scenario.length_s = 12.0 * 3600.0;
            scenario
        });
        for run in &result.runs {
            let replaced = replaced(run);
            assert_eq!(replaced.len(), 1, "{name}, seed {}: {replaced:?}", run.seed);
            assert_eq!((replaced[0].1, replaced[0].2), (v4(3), v4(5)), "{name}");
            assert!(run.trace.max_s(60.0, f64::INFINITY) < 0.002, "{name}, seed {}", run.seed);
        }
        let after_s = result.worst(|run| replaced(run)[0].0);
        println!("a member that {name} is replaced after {after_s:.0} s");
        // Each kiss makes the next request later: eight of them would take seven hours.
        assert!(!name.contains("RATE") || after_s < 2.0 * 3600.0, "{name}: {after_s} s");
    }
}

/// The name has moved, and the old address is dead.
#[test]
fn a_server_that_has_moved_is_found() {
    let result = runs(|seed| {
        let mut servers = honest(2);
        servers[0].alive = (0.0, 5000.0);
        let mut scenario = named(seed, false, servers);
        scenario.names = vec![(NAME.into(), 0.0, vec![v4(1)]), (NAME.into(), 4000.0, vec![v4(2)])];
        scenario.length_s = 40_000.0;
        scenario
    });
    result.print("a server that has moved");
    for run in &result.runs {
        let replaced = replaced(run);
        assert_eq!(replaced.len(), 1, "seed {}", run.seed);
        assert_eq!((replaced[0].1, replaced[0].2), (v4(1), v4(2)));
        assert!(run.final_error_s() < 0.002, "seed {}: {} s", run.seed, run.final_error_s());
        assert_eq!(run.trace.address_saves, 2, "seed {}: each server is remembered", run.seed);
    }
    let found_s = result.worst(|run| replaced(run)[0].0) - 5000.0;
    println!("found {found_s} s after its death");
    assert!(found_s < 3.0 * 3600.0, "{found_s} s");
}

/// The old address still answers: `refresh` finds the new one, and the old one is used until that has answered.
#[test]
fn refresh_follows_a_name_that_has_moved() {
    let make = |refresh_s| {
        let mut scenario = named(1, false, honest(2));
        scenario.names = vec![(NAME.into(), 0.0, vec![v4(1)]), (NAME.into(), 1000.0, vec![v4(2)])];
        scenario.settings.refresh_s = refresh_s;
        scenario.length_s = 10_000.0;
        scenario
    };
    assert_eq!(members(make(3000), 2900.0), [v4(1)]);
    assert_eq!(members(make(3000), 5000.0), [v4(2)]);
    assert_eq!(members(make(0), 9000.0), [v4(1)]);
    assert_eq!(members(make(1_209_600), 9000.0), [v4(1)]);
}

/// The same with fifteen other sources, which leave no place to try the new address beside the old one.
#[test]
fn refresh_follows_a_name_that_has_moved_with_all_places_taken() {
    let mut scenario = named(1, false, honest(18));
    let more = (3..=17).map(|host| SourceConfig { host: Host::Address(v4(host)), ..line(false) });
    scenario.sources.extend(more);
    scenario.names = vec![(NAME.into(), 0.0, vec![v4(1)]), (NAME.into(), 1000.0, vec![v4(2)])];
    scenario.settings.refresh_s = 3000;
    scenario.length_s = 10_000.0;
    let before = members(scenario.clone(), 2900.0);
    assert!(before.len() == 16 && before.contains(&v4(1)), "{before:?}");
    let after = members(scenario, 5000.0);
    assert!(after.len() == 16 && after.contains(&v4(2)) && !after.contains(&v4(1)), "{after:?}");
}

/// The name has moved to a server that is too far away to be used: the old one stays.
#[test]
fn refresh_does_not_cost_the_last_good_server() {
    let mut scenario = named(1, false, honest(2));
    scenario.names = vec![(NAME.into(), 0.0, vec![v4(1)]), (NAME.into(), 1000.0, vec![v4(2)])];
    scenario.servers[1].link = Link::symmetric(0.2, 0.001);
    scenario.settings.max_distance_s = 0.15;
    scenario.settings.refresh_s = 3000;
    scenario.length_s = 20_000.0;
    assert!(members(scenario.clone(), 19_000.0).contains(&v4(1)));
    let trace = World::new(scenario).run();
    assert!(trace.max_s(60.0, f64::INFINITY) < 0.002);
}

/// A pool shows other addresses each time: `refresh` exchanges one member, not all.
#[test]
fn refresh_exchanges_one_member_of_a_pool() {
    let mut scenario = named(1, true, honest(8));
    let shown = |from_s, hosts: std::ops::RangeInclusive<u8>| (NAME.into(), from_s, hosts.map(v4).collect());
    scenario.names = vec![shown(0.0, 1..=4), shown(1000.0, 5..=8)];
    scenario.settings.refresh_s = 3000;
    scenario.length_s = 10_000.0;
    let after_s = |at_s| members(scenario.clone(), at_s);
    assert_eq!(after_s(2900.0), [v4(1), v4(2), v4(3), v4(4)]);
    assert_eq!(after_s(5900.0), [v4(2), v4(3), v4(4), v4(5)]);
    assert_eq!(after_s(8900.0), [v4(3), v4(4), v4(5), v4(6)]);
}

/// When nobody answers it is probably not the servers' fault: nothing is given up in a hurry.
#[test]
fn an_outage_does_not_cost_all_members() {
    let result = runs(|seed| {
        let mut servers = honest(8);
        servers.iter_mut().for_each(|server| server.link.outage = Some((3600.0, 3.0 * 3600.0)));
        let mut scenario = named(seed, true, servers);
        scenario.length_s = 5.0 * 3600.0;
        scenario
    });
    result.print("outage of a pool");
    for run in &result.runs {
        let count = replaced(run).len();
        assert!(count <= 8, "seed {}: {count} replaced", run.seed);
        assert!(run.final_error_s() < 0.002, "seed {}: {} s", run.seed, run.final_error_s());
    }
}

/// Two pools and a server whose names show other addresses from time to time, a fifth of them good for nothing.
#[test]
fn names_in_motion_keep_the_clock_right() {
    for seed in 0..10 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut scenario = Scenario::new(seed, &[]);
        scenario.clock_ahead = hours(-4);
        scenario.length_s = 86_400.0;
        scenario.settings.refresh_s = 20_000;
        for (index, pool) in [true, true, false].into_iter().enumerate() {
            let name = format!("{index}.example");
            let mut hosts: Vec<IpAddr> = (0..12).map(|host| v4(20 * index as u8 + host)).collect();
            let mut at_s = 0.0;
            while at_s < scenario.length_s {
                rng.shuffle(&mut hosts);
                scenario.names.push((name.clone(), at_s, hosts[..if pool { 4 } else { 2 }].to_vec()));
                at_s += 600.0 + 10_000.0 * rng.f64();
            }
            scenario.servers.extend(hosts.iter().map(|address| random_server(*address, &mut rng)));
            scenario.sources.push(SourceConfig { host: Host::Name(name), ..line(pool) });
        }
        let mut world = World::new(scenario);
        for hour in 1..=24 {
            world.run_for(3600.0 * f64::from(hour));
            let sources = world.engine().expect("it runs").sources().len();
            assert!((7..=16).contains(&sources), "seed {seed}: {sources} sources after {hour} h");
        }
        let trace = world.trace();
        let worst_s = trace.max_s(60.0, f64::INFINITY);
        let replaced = trace.events.iter().filter(|(_, event)| matches!(event, Event::Replaced { .. })).count();
        println!(
            "seed {seed}: {worst_s:.6} s, {replaced} replaced, {} requests, {} address files",
            trace.requests, trace.address_saves
        );
        assert!(worst_s < 0.02, "seed {seed}: {worst_s} s");
        assert!(replaced <= 48, "seed {seed}: {replaced} replaced");
        assert!(trace.address_saves <= 40, "seed {seed}: {} files", trace.address_saves);
    }
}

fn random_server(address: IpAddr, rng: &mut fastrand::Rng) -> Server {
    let mut server = server(address);
    if rng.f64() < 0.2 {
        let at_s = 80_000.0 * rng.f64();
        match rng.u32(..4) {
            0 => server.step = Some((at_s, hours(10))),
            1 => server.alive = (0.0, at_s),
            2 => server.manner = Manner::Kisses(*b"DENY", rng.u64(..100)),
            _ => server.manner = Manner::Dead,
        }
    }
    server
}

/// The network comes up after five minutes and the kernel tells: the clock is set from the last good addresses, or else
/// from the resolver's, within two round trips and 0.1 s.
#[test]
fn a_late_network_is_used_at_once_with_names_too() {
    const UP_S: f64 = 304.0;
    for (what, known) in [("resolver", Vec::new()), ("last good addresses", remembered(&[v4(1), v4(2), v4(3), v4(4)]))]
    {
        let result = runs(|seed| {
            let mut scenario = named(seed, true, honest(4));
            if known.is_empty() {
                scenario.names[0].1 = UP_S;
            } else {
                scenario.names.clear();
            }
            scenario.last_good = known.clone();
            scenario.network_up_s = UP_S;
            scenario.happenings = vec![(UP_S, Happening::NetworkChanged)];
            scenario
        });
        let after_s = first_step_s(&result) - UP_S;
        println!("network up after 5 minutes, {what}: stepped {after_s:.3} s later");
        assert!((0.0..0.04 + 0.1).contains(&after_s), "{what}: {after_s} s");
    }
}
