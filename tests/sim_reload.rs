//! `.sources` files that change while the clock is being kept: what stays keeps its state, the rest comes and goes.

#![allow(missing_docs)]

use slewd::config::parse_sources;
use slewd::core::api::event::Event;
use slewd::core::api::last_good::LastGood;
use slewd::core::api::settings::{AuthSelectMode, SourceConfig};
use slewd::report::status::faults;
use slewd::sim::{Scenario, World};
use slewd::time::Span;

/// Six servers, of which the first two are in the configuration itself.
fn world(change: impl FnOnce(&mut Scenario)) -> World {
    let mut scenario = Scenario::pool(1, 6);
    scenario.sources.truncate(2);
    scenario.names = vec![("pool.example".to_string(), 0.0, vec!["192.0.2.5".parse().expect("an address")])];
    change(&mut scenario);
    World::new(scenario)
}

fn lines(text: &str) -> Vec<SourceConfig> {
    let found = parse_sources("dhcp.sources", text.as_bytes());
    assert_eq!(found.warnings, []);
    found.sources
}

/// Last number of the address of each source, and how many replies it has given.
fn sources(world: &World) -> Vec<(u8, u64)> {
    let last = |source: &slewd::core::source::Source| source.ip()?.to_string().rsplit('.').next()?.parse().ok();
    let engine = world.engine().expect("it runs");
    engine.sources().iter().map(|s| (last(s).expect("IPv4"), s.tally.accepted)).collect()
}

fn told(world: &World) -> Vec<String> {
    let tell = |(_, event): &(f64, Event)| match event {
        Event::SourceAdded { name, is_pool } => Some(format!("+{name}{}", if *is_pool { " pool" } else { "" })),
        Event::SourceRemoved { name, .. } => Some(format!("-{name}")),
        Event::CannotAddSource { name, reason } => Some(format!("!{name} {reason}")),
        _ => None,
    };
    world.trace().events.iter().filter_map(tell).collect()
}

#[test]
fn what_stays_keeps_its_state_and_the_rest_comes_and_goes() {
    let mut world = world(|_| {});
    world.reload(&lines("server 192.0.2.3 iburst\nserver 192.0.2.4 iburst\n"));
    world.run_for(1000.0);
    let before = sources(&world);
    assert_eq!(before.iter().map(|(last, _)| *last).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let error_s = world.point().error_s;
    world.reload(&lines("# DHCP\nserver 192.0.2.4 iburst\npool pool.example iburst\nserver 192.0.2.6 iburst\n"));
    let after = sources(&world);
    assert_eq!(after[..3], [before[0], before[1], before[3]], "nothing is forgotten of those that stay");
    assert_eq!(world.point().error_s, error_s, "and the clock has not noticed");
    world.run_for(3000.0);
    let later = sources(&world);
    assert_eq!(later.iter().map(|(last, _)| *last).collect::<Vec<_>>(), [1, 2, 4, 6, 5]);
    assert!(later.iter().all(|(_, replies)| *replies > 5), "{later:?}");
    assert_eq!(world.engine().expect("it runs").selection().agreeing.len(), 5);
    assert!(world.trace().max_s(60.0, 3000.0) < 0.002);
    let expected = ["+192.0.2.3", "+192.0.2.4", "-192.0.2.3", "+pool.example pool", "+192.0.2.6"];
    assert_eq!(told(&world), expected);
}

#[test]
fn another_option_makes_another_source() {
    let mut world = world(|_| {});
    world.reload(&lines("server 192.0.2.3 iburst\n"));
    world.run_for(1000.0);
    world.reload(&lines("server 192.0.2.3 iburst noselect\n"));
    assert_eq!(sources(&world)[2], (3, 0));
    world.run_for(1200.0);
    assert_eq!(told(&world), ["+192.0.2.3", "-192.0.2.3", "+192.0.2.3"]);
    assert_eq!(world.engine().expect("it runs").selection().voters, 2);
}

#[test]
fn a_liar_in_the_place_of_an_honest_source_has_its_own_record() {
    let mut world = world(|scenario| scenario.servers[3].ahead = Span::from_secs(5));
    world.reload(&lines("server 192.0.2.3 iburst prefer\n"));
    world.run_for(2000.0);
    world.reload(&lines("server 192.0.2.4 iburst prefer\n"));
    world.run_for(4000.0);
    assert!(world.trace().told(|event| matches!(event, Event::Falseticker(label) if &**label == "192.0.2.4")));
    assert!(world.trace().max_s(60.0, 4000.0) < 0.002);
}

#[test]
fn all_of_them_may_come_late_and_all_may_go() {
    let mut world = world(|scenario| {
        scenario.sources.clear();
        scenario.clock_ahead = Span::from_secs(-3600);
    });
    world.run_for(100.0);
    world.reload(&lines("server 192.0.2.3 iburst\nserver 192.0.2.4 iburst\n"));
    world.run_for(101.0);
    assert!(world.point().error_s.abs() < 0.002, "set at once");
    world.run_for(2000.0);
    world.reload(&[]);
    world.run_for(4000.0);
    assert_eq!(sources(&world), []);
    assert!(world.trace().max_s(101.0, 4000.0) < 0.005, "it runs on at its frequency");
    world.reload(&lines("server 192.0.2.5 iburst\n"));
    world.run_for(5000.0);
    assert!(world.engine().expect("it runs").is_synchronised());
}

#[test]
fn an_address_in_use_is_tried_again_at_the_next_reload() {
    let mut world = world(|_| {});
    let (both, second) = ("server 192.0.2.3\nserver 192.0.2.3 iburst\n", "server 192.0.2.3 iburst\n");
    world.reload(&lines(both));
    world.run_for(100.0);
    world.reload(&lines(second));
    assert_eq!(told(&world), ["+192.0.2.3", "!192.0.2.3 Already in use", "-192.0.2.3", "+192.0.2.3"]);
}

#[test]
fn only_so_many_fit_and_places_are_used_again() {
    let mut world = world(|_| {});
    for round in 0..20 {
        let text: String = (0..20).map(|n| format!("server 198.51.100.{}\n", 20 * (round % 2) + n)).collect();
        world.reload(&lines(&text));
        world.run_for(f64::from(round + 1) * 100.0);
        assert_eq!(sources(&world).len(), 16);
    }
    // Two of the configuration, and twenty of the files.
    assert!(world.engine().expect("it runs").line(22).is_none(), "nor do lines pile up");
    assert!(told(&world).contains(&"!198.51.100.14 Too many sources".to_string()));
}

/// What there was no place for is used as soon as there is one, and meanwhile `status` and `check` name it.
#[test]
fn addresses_wait_for_a_place() {
    let mut world = world(|_| {});
    let text = |from: usize| (from..20).map(|n| format!("server 198.51.100.{n}\n")).collect::<String>();
    world.reload(&lines(&text(0)));
    world.run_for(100.0);
    let snapshot = |world: &World| world.engine().expect("it runs").snapshot(&world.reading());
    let faults = faults(&snapshot(&world)).expect("some have no place");
    assert!(faults.contains("198.51.100.14: all 16 places for sources are taken; 198.51.100.15: "), "{faults}");
    assert_eq!(snapshot(&world).sources.len(), 22);
    assert_eq!(snapshot(&world).activity.unresolved, 0);
    world.reload(&lines(&text(10)));
    world.run_for(200.0);
    let used: Vec<u8> = sources(&world).iter().map(|(last, _)| *last).collect();
    assert_eq!(used, [&[1, 2], &(10..20).collect::<Vec<u8>>()[..]].concat());
    assert_eq!(told(&world).iter().filter(|line| line.contains("Too many sources")).count(), 6);
}

#[test]
fn a_name_that_is_gone_gets_no_sources_when_the_resolver_answers_at_last() {
    let mut world = world(|_| {});
    world.reload(&lines("pool pool.example\n"));
    world.reload(&[]);
    world.run_for(10.0);
    assert_eq!(sources(&world).len(), 2);
    world.reload(&lines("pool pool.example\n"));
    world.run_for(20.0);
    assert_eq!(sources(&world).len(), 3);
}

#[test]
fn the_mode_of_authentication_follows_the_lines_that_are_there() {
    let mut world = world(|scenario| {
        scenario.settings.auth_select_mode = AuthSelectMode::Prefer;
    });
    world.run_for(100.0);
    let voters = |world: &World| world.engine().expect("it runs").selection().voters;
    assert_eq!(voters(&world), 2);
    let with_key = parse_sources("dhcp.sources", b"server 192.0.2.3 iburst key 1\n");
    assert!(with_key.warnings.is_empty(), "whether there is such a key shows later");
    world.reload(&with_key.sources);
    world.run_for(400.0);
    assert_eq!(voters(&world), 0, "the others are not wanted beside it");
    world.reload(&[]);
    world.run_for(2000.0);
    assert_eq!(voters(&world), 2);
}

/// As on an installation whose pools are all in `sourcedir`: the address file is for them too.
#[test]
fn addresses_of_the_last_run_are_asked_before_the_resolver_answers() {
    let mut world = world(|scenario| {
        scenario.sources.clear();
        scenario.clock_ahead = Span::from_secs(-3600);
        scenario.names[0].1 = 100.0;
        let addresses = vec!["192.0.2.5".parse().expect("an address")];
        scenario.last_good = vec![LastGood { name: "pool.example".to_string(), addresses }];
    });
    world.reload(&lines("server pool.example iburst\n"));
    world.run_for(15.0);
    assert!(world.point().error_s.abs() < 0.002, "{:?}", world.trace().events);
}
