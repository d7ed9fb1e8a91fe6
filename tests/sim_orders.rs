//! What people order while it runs, and what comes of it.

mod support;

use std::net::{IpAddr, Ipv4Addr};

use slewd::core::api::event::Event;
use slewd::core::api::monitoring::{Activity, Address, Hindrance, SelectOptions, Standing, Status};
use slewd::core::api::order::{Order, Parameter, Refused, Whom};
use slewd::core::api::settings::{Host, MakeStep, SourceConfig, SourceOptions};
use slewd::core::api::snapshot::{Snapshot, SourceReport};
use slewd::core::estimate::MAX_SOURCES;
use slewd::sim::link::Link;
use slewd::sim::server::{Manner, Server};
use slewd::sim::{Scenario, World};
use slewd::time::Span;
use support::{SEEDS, run_until};

/// By now the clock is followed closely, and polls are far apart.
const SETTLED_S: f64 = 4000.0;

fn ip(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
}

fn source(last: u8) -> Address {
    Address::Ip(ip(last))
}

fn one(last: u8) -> Whom {
    Whom::One(source(last))
}

fn snapshot(world: &World) -> Snapshot {
    world.engine().expect("it runs").snapshot(&world.reading())
}

fn status(world: &World) -> Status {
    snapshot(world).status.expect("it is slewd")
}

fn report(world: &World, last: u8) -> SourceReport {
    let found = snapshot(world).sources.into_iter().find(|report| report.data.address == source(last));
    found.expect("there is such a source")
}

fn sent(world: &World, last: u8) -> u32 {
    report(world, last).ntp.expect("it is known").total_sent
}

fn pool(seed: u64, count: usize) -> Scenario {
    let mut scenario = Scenario::pool(seed, count);
    scenario.crystal.frequency = 40e-6;
    scenario
}

fn settled(seed: u64, count: usize) -> World {
    run_until(pool(seed, count), SETTLED_S)
}

fn named(name: &str) -> SourceConfig {
    let options = SourceOptions { iburst: true, ..SourceOptions::default() };
    SourceConfig { host: Host::from(name), pool: false, options }
}

fn add(name: &str) -> Order {
    Order::Add(Box::new(named(name)))
}

fn change(last: u8, parameter: Parameter) -> Order {
    Order::Change { source: source(last), parameter }
}

fn set_online(whom: Whom, online: bool) -> Order {
    Order::SetOnline { whom, online }
}

fn assert_bound_holds(world: &World) {
    let (status, error_s) = (status(world), world.point().error_s);
    assert!(status.maximum_error_s.is_none_or(|most_s| error_s.abs() <= most_s), "{error_s}: {status:?}");
}

#[test]
fn those_whose_address_agrees_in_the_bits_of_the_mask_go_offline() {
    let mut world = settled(1, 4);
    let net = |address: [u8; 4], mask: [u8; 4]| Whom::Net { address: address.into(), mask: mask.into() };
    // 192.0.2.2 and .3.
    assert_eq!(world.handle_order(set_online(net([192, 0, 2, 2], [255, 255, 255, 254]), false)), Ok(()));
    assert_eq!(snapshot(&world).activity, Activity { online: 2, offline: 2, ..Activity::default() });
    let state = |world: &World, last| report(world, last).selection.expect("it is known").state;
    assert_eq!([2, 3].map(|last| state(&world, last)), ['S', 'S'], "they have no say any more");
    assert_eq!(status(&world).voters, 2);
    let before = [1, 2, 3, 4].map(|last| sent(&world, last));
    world.run_for(SETTLED_S + 4000.0);
    let after = [1, 2, 3, 4].map(|last| sent(&world, last));
    assert_eq!([1, 2].map(|index| after[index] - before[index]), [0, 0]);
    assert!(after[0] > before[0] && after[3] > before[3]);

    assert_eq!(world.handle_order(set_online(one(2), true)), Ok(()));
    world.run_for(SETTLED_S + 4010.0);
    assert!(sent(&world, 2) - after[1] >= 4, "it is asked at once, with a burst");
    assert_eq!(snapshot(&world).activity, Activity { online: 3, offline: 1, ..Activity::default() });

    assert_eq!(world.handle_order(set_online(net([10, 0, 0, 0], [255, 0, 0, 0]), false)), Err(Refused::NoSuchSource));
    let other_family = Whom::Net { address: ip(3), mask: "ffff::".parse().expect("an address") };
    assert_eq!(world.handle_order(set_online(other_family, true)), Ok(()), "then the address has to be the same");
    assert_eq!(
        world.handle_order(set_online(Whom::Net { address: ip(0), mask: "ffff::".parse().expect("an address") }, true)),
        Err(Refused::NoSuchSource)
    );
    assert_eq!(world.handle_order(set_online(one(9), true)), Err(Refused::NoSuchSource));
    assert_eq!(world.handle_order(set_online(Whom::One(Address::Unspecified), true)), Err(Refused::NoSuchSource));
    assert_eq!(world.handle_order(set_online(Whom::All, false)), Ok(()));
    assert_eq!(snapshot(&world).activity, Activity { offline: 4, ..Activity::default() });
    world.run_for(SETTLED_S + 8000.0);
    let status_now = status(&world);
    assert_eq!((status_now.next_poll_s, status_now.hindrance), (None, Hindrance::NoSelectableSources));
    assert_eq!(snapshot(&world).tracking.stratum, 3, "chronyd goes on from what it knows, too");
    assert_bound_holds(&world);
}

#[test]
fn a_burst_ends_with_the_good_answers_wanted() {
    let mut world = settled(1, 2);
    assert_eq!(world.handle_order(set_online(one(2), false)), Ok(()));
    let before = [1, 2].map(|last| sent(&world, last));
    assert_eq!(world.handle_order(Order::Burst { whom: Whom::All, good: 3, most: 9 }), Ok(()));
    let bursting = Activity { burst_online: 1, burst_offline: 1, ..Activity::default() };
    assert_eq!(snapshot(&world).activity, bursting);
    world.run_for(SETTLED_S + 2.5);
    // In the middle of it nobody gets another.
    assert_eq!(world.handle_order(Order::Burst { whom: one(1), good: 100, most: 100 }), Ok(()));
    assert_eq!(snapshot(&world).activity, bursting);
    world.run_for(SETTLED_S + 20.0);
    assert_eq!([1, 2].map(|last| sent(&world, last)), before.map(|count| count + 3));
    assert_eq!(snapshot(&world).activity, Activity { online: 1, offline: 1, ..Activity::default() });
    world.run_for(SETTLED_S + 2000.0);
    assert_eq!(sent(&world, 2), before[1] + 3, "it is offline again");
    assert!(sent(&world, 1) > before[0] + 3, "it is asked as ever");
    assert_eq!(world.handle_order(Order::Burst { whom: one(9), good: 1, most: 1 }), Err(Refused::NoSuchSource));
}

#[test]
fn a_burst_ends_with_the_requests_allowed() {
    for (good, most, expected) in [(4, 5, 5), (4, 1, 1), (1, 1, 1), (0, 5, 0), (5, 0, 0)] {
        let mut scenario = pool(1, 2);
        scenario.servers[1].manner = Manner::Dead;
        scenario.sources[1].options.offline = true;
        let mut world = run_until(scenario, SETTLED_S);
        assert_eq!(sent(&world, 2), 0);
        assert_eq!(world.handle_order(Order::Burst { whom: one(2), good, most }), Ok(()));
        world.run_for(SETTLED_S + 1000.0);
        assert_eq!(sent(&world, 2), expected, "{good} good answers by {most} requests");
        assert_eq!(snapshot(&world).activity, Activity { online: 1, offline: 1, ..Activity::default() });
    }
}

#[test]
fn polls_are_kept_in_the_range_that_was_ordered() {
    let mut world = settled(1, 1);
    let poll = |world: &World| report(world, 1).data.poll;
    assert!(poll(&world) >= 6);
    assert_eq!(world.handle_order(change(1, Parameter::MaxPoll(4))), Ok(()));
    assert_eq!(poll(&world), 4, "and so is minpoll, which was 6");
    let before = sent(&world, 1);
    world.run_for(SETTLED_S + 160.0);
    assert!((9..=11).contains(&(sent(&world, 1) - before)), "{} requests", sent(&world, 1) - before);
    assert_eq!(world.handle_order(change(1, Parameter::MinPoll(9))), Ok(()));
    assert_eq!(poll(&world), 9, "and so is maxpoll, which was 4");
    for absurd in [-8, 25, i32::MIN, i32::MAX] {
        assert_eq!(world.handle_order(change(1, Parameter::MinPoll(absurd))), Ok(()));
        assert_eq!(world.handle_order(change(1, Parameter::MaxPoll(absurd))), Ok(()));
    }
    world.run_for(SETTLED_S + 2000.0);
    assert_eq!(poll(&world), 9);
    assert_eq!(world.handle_order(change(9, Parameter::MinPoll(6))), Err(Refused::NoSuchSource));
}

#[test]
fn more_samples_wanted_are_shorter_polls() {
    let poll_s = |target| {
        let mut world = settled(1, 1);
        assert_eq!(world.handle_order(change(1, Parameter::MinPoll(0))), Ok(()));
        assert_eq!(world.handle_order(change(1, Parameter::PollTarget(target))), Ok(()));
        let before = sent(&world, 1);
        world.run_for(SETTLED_S + 8000.0);
        8000.0 / f64::from(sent(&world, 1) - before)
    };
    let (usual_s, eager_s) = (poll_s(8), poll_s(1000));
    println!("polls are {usual_s:.0} s apart, with polltarget 1000 {eager_s:.0} s");
    assert!(eager_s < 0.2 * usual_s);
    assert!(poll_s(i32::MIN) >= usual_s, "it is taken for 1");
}

#[test]
fn slow_answers_are_refused_from_now_on() {
    let refuses = |parameter: Parameter, flags: u16| {
        let mut scenario = pool(3, 1);
        scenario.servers[0].link = Link::symmetric(0.01, 0.002);
        let mut world = run_until(scenario, SETTLED_S);
        let good = |world: &World| report(world, 1).ntp.expect("it is known").total_good;
        assert_eq!(report(&world, 1).ntp.expect("it is known").flags, 0x3ff);
        assert_eq!(world.handle_order(change(1, parameter)), Ok(()));
        let before = good(&world);
        world.run_for(SETTLED_S + 20_000.0);
        let ntp = report(&world, 1).ntp.expect("it is known");
        assert!(ntp.total_valid - ntp.total_good > 0, "{parameter:?}: {ntp:?}");
        if flags != 0 {
            assert_eq!((good(&world), ntp.flags), (before, flags), "{parameter:?}");
        }
    };
    refuses(Parameter::MaxDelay(0.01), 0x3f7);
    refuses(Parameter::MaxDelay(-1.0), 0x3f7);
    refuses(Parameter::MaxDelayRatio(1.01), 0);
    refuses(Parameter::MaxDelayDevRatio(1e-3), 0);
}

#[test]
fn a_stratum_is_taken_for_at_least_what_was_ordered() {
    for (ordered, expected) in [(5, 5), (-1, 2), (i32::MAX, 15)] {
        let mut world = settled(1, 1);
        assert_eq!(world.handle_order(change(1, Parameter::MinStratum(ordered))), Ok(()));
        world.run_for(SETTLED_S + 2000.0);
        assert_eq!(report(&world, 1).data.stratum, expected);
    }
}

/// The server is known to be 10 ms behind.
#[test]
fn an_offset_moves_the_source_and_the_clock_with_it_if_it_is_the_only_one() {
    for seed in SEEDS {
        for count in [1, 3] {
            let mut scenario = pool(seed, count);
            scenario.servers[0].ahead = Span::from_millis(-10);
            let mut world = run_until(scenario, SETTLED_S);
            let error_s = world.point().error_s;
            assert!(count > 1 || (error_s + 0.01).abs() < 2e-3, "seed {seed}: {error_s}");
            let before_s = report(&world, 1).data.offset_s;
            assert_eq!(world.handle_order(change(1, Parameter::Offset(0.01))), Ok(()));
            let moved_s = report(&world, 1).data.offset_s - before_s;
            assert!((moved_s + 0.01).abs() < 1e-6, "what it said already counts in the new way: {moved_s}");
            world.run_for(SETTLED_S + 4000.0);
            let (error_s, report) = (world.point().error_s, report(&world, 1));
            assert!(error_s.abs() < 2e-3, "{count} sources, seed {seed}: {error_s}");
            assert!(report.stats.offset_s.abs() < 3e-3, "{count} sources, seed {seed}: {report:?}");
            assert_bound_holds(&world);
            assert!(status(&world).synchronised, "{count} sources, seed {seed}");
        }
    }
}

#[test]
fn selection_heeds_the_options_that_were_ordered() {
    let mut world = settled(1, 3);
    let order = |last, mask, options| {
        let parameter = Parameter::Select { mask: SelectOptions(mask), options: SelectOptions(options) };
        change(last, parameter)
    };
    let states = |world: &World| [1, 2, 3].map(|last| report(world, last).selection.expect("it is known").state);
    assert_eq!(world.handle_order(order(2, SelectOptions::PREFER, SelectOptions::PREFER)), Ok(()));
    assert_eq!(states(&world), ['P', '*', 'P']);
    assert_eq!(world.handle_order(order(2, SelectOptions::NO_SELECT, SelectOptions::NO_SELECT)), Ok(()));
    assert_eq!(states(&world)[1], 'N');
    let selection = report(&world, 2).selection.expect("it is known");
    assert_eq!(selection.configured, SelectOptions(SelectOptions::PREFER | SelectOptions::NO_SELECT));
    // It outlives the files being read again.
    world.reload(&[named("192.0.2.77")]);
    assert_eq!(states(&world)[1], 'N');
    assert_eq!(world.handle_order(order(2, 0xffff, 0)), Ok(()));
    assert!("*+".contains(states(&world)[1]), "{:?}", states(&world));
    assert_eq!(report(&world, 2).selection.expect("it is known").configured, SelectOptions(0));
    // Bits that nobody asked to change stay.
    assert_eq!(world.handle_order(order(2, 0, 0xffff)), Ok(()));
    assert_eq!(report(&world, 2).selection.expect("it is known").configured, SelectOptions(0));
    // None of those that answer is required.
    assert_eq!(world.handle_order(set_online(one(3), false)), Ok(()));
    for last in [1, 2, 3] {
        assert_eq!(world.handle_order(order(last, SelectOptions::NO_SELECT, SelectOptions::NO_SELECT)), Ok(()));
    }
    world.run_for(SETTLED_S + 2000.0);
    assert_eq!(status(&world).hindrance, Hindrance::NoSelectableSources);
    assert_bound_holds(&world);
}

#[test]
fn a_name_without_an_address_can_be_changed_too() {
    let mut scenario = pool(1, 2);
    scenario.names = vec![("late.example".to_owned(), SETTLED_S + 1.0, vec![ip(2)])];
    scenario.sources[1].host = Host::from("late.example");
    let mut world = run_until(scenario, SETTLED_S);
    let name = Address::Id(1);
    let bits = SelectOptions(SelectOptions::NO_SELECT);
    for parameter in [Parameter::Select { mask: bits, options: bits }, Parameter::MaxPoll(3)] {
        assert_eq!(world.handle_order(Order::Change { source: name, parameter }), Ok(()));
    }
    assert_eq!(snapshot(&world).sources[1].selection.map(|selection| selection.state), Some('N'));
    assert_eq!(world.handle_order(set_online(Whom::One(name), false)), Ok(()));
    world.run_for(SETTLED_S + 8000.0);
    assert_eq!(snapshot(&world).activity, Activity { online: 1, offline: 1, ..Activity::default() });
    assert_eq!(world.handle_order(set_online(one(2), true)), Ok(()));
    world.run_for(SETTLED_S + 9000.0);
    let report = report(&world, 2);
    let selection = report.selection.expect("it is known");
    assert_eq!((selection.state, selection.configured, report.data.poll), ('N', bits, 3));
}

#[test]
fn sources_come_and_go() {
    let mut scenario = pool(1, 2);
    let link = scenario.servers[0].link.clone();
    scenario.servers.extend([5, 6, 7].map(|last| Server::honest(ip(last), link.clone())));
    scenario.names = vec![("new.example".to_owned(), 0.0, vec![ip(6), ip(7)])];
    let mut world = run_until(scenario, SETTLED_S);
    assert_eq!(world.handle_order(add("192.0.2.5")), Ok(()));
    assert_eq!(world.handle_order(add("192.0.2.5")), Err(Refused::AlreadyKnown));
    let mut elsewhere = named("192.0.2.5");
    elsewhere.options.port = 11_123;
    assert_eq!(
        world.handle_order(Order::Add(Box::new(elsewhere))),
        Err(Refused::AlreadyKnown),
        "the address is the name"
    );
    assert_eq!(world.handle_order(add("new.example")), Ok(()));
    assert_eq!(world.handle_order(add("unknown.example")), Ok(()));
    world.run_for(SETTLED_S + 60.0);
    let listed = |world: &World| snapshot(world).sources.iter().map(|s| s.data.address).collect::<Vec<_>>();
    assert_eq!(listed(&world), [source(1), source(2), source(5), source(6), Address::Id(2)]);
    assert!("*+".contains(report(&world, 5).selection.expect("it is known").state));
    assert_eq!(&*report(&world, 6).name, "new.example");
    // Files know nothing of them.
    world.reload(&[]);
    assert_eq!(listed(&world).len(), 5);

    assert_eq!(world.handle_order(Order::Delete(Address::Id(2))), Ok(()));
    assert_eq!(world.handle_order(Order::Delete(Address::Id(2))), Err(Refused::NoSuchSource));
    for last in [1, 2, 6] {
        assert_eq!(world.handle_order(Order::Delete(source(last))), Ok(()));
    }
    assert_eq!(world.handle_order(Order::Delete(source(1))), Err(Refused::NoSuchSource));
    assert_eq!(listed(&world), [source(5)]);
    assert_eq!(world.handle_order(add("192.0.2.1")), Ok(()), "it may come back");
    world.run_for(SETTLED_S + 4000.0);
    // In the order of the lines: it has got the place of one that was deleted.
    assert_eq!(listed(&world), [source(1), source(5)]);
    assert_bound_holds(&world);
    assert!(status(&world).synchronised);

    for last in [1, 5] {
        assert_eq!(world.handle_order(Order::Delete(source(last))), Ok(()));
    }
    world.run_for(SETTLED_S + 6000.0);
    assert_eq!((listed(&world).len(), status(&world).agreeing), (0, 0));
    assert_eq!((status(&world).hindrance, status(&world).synchronised), (Hindrance::NoSources, false));
    let bound_s = status(&world).maximum_error_s.expect("the clock goes on from what is known");
    assert!(bound_s > 0.01, "half of the round trip to those that are gone may still be hidden: {bound_s}");
    assert_bound_holds(&world);
}

#[test]
fn there_is_no_room_for_ever_more() {
    let mut world = settled(1, MAX_SOURCES - 1);
    assert_eq!(world.handle_order(add("192.0.2.100")), Ok(()));
    assert_eq!(world.handle_order(add("192.0.2.101")), Err(Refused::TooMany));
    let mut added = 0;
    while world.handle_order(add(&format!("name-{added}.example"))).is_ok() {
        added += 1;
        assert!(added < 1000);
    }
    assert_eq!(added, MAX_SOURCES, "names may be tried beyond the number of places, but not without end");
    for name in ["", "two words", "umlaut-\u{fc}", "x\u{7f}", &"x".repeat(256)] {
        let host = Host::Name(name.to_owned());
        let order = Order::Add(Box::new(SourceConfig { host, ..named("x") }));
        assert_eq!(world.handle_order(order), Err(Refused::Failed), "{name:?}");
    }
}

#[test]
fn a_deleted_member_of_a_pool_is_not_replaced() {
    let mut scenario = pool(1, 4);
    let addresses: Vec<IpAddr> = scenario.servers.iter().map(|server| server.address).collect();
    scenario.names = vec![("pool.example".to_owned(), 0.0, addresses)];
    let options = SourceOptions { max_sources: 3, ..scenario.sources[0].options.clone() };
    scenario.sources = vec![SourceConfig { host: Host::from("pool.example"), pool: true, options }];
    scenario.servers[0].alive = (0.0, 3.0 * SETTLED_S);
    let mut world = run_until(scenario, SETTLED_S);
    let listed = |world: &World| snapshot(world).sources.iter().map(|s| s.data.address).collect::<Vec<_>>();
    assert_eq!(listed(&world), [source(1), source(2), source(3)]);
    assert_eq!(world.handle_order(Order::Delete(source(2))), Ok(()));
    assert_eq!(world.handle_order(Order::Refresh), Ok(()));
    world.run_for(SETTLED_S + 4000.0);
    assert_eq!(listed(&world), [source(1), source(3)]);
    world.run_for(20.0 * SETTLED_S);
    assert_eq!(
        listed(&world),
        [source(4), source(3)],
        "one that died is replaced, but not by the one that was deleted"
    );
    assert_eq!(world.handle_order(Order::Delete(source(4))), Ok(()));
    assert_eq!(world.handle_order(Order::Delete(source(3))), Ok(()));
    assert_eq!(listed(&world), [], "and the name goes with the last of them");
    world.run_for(21.0 * SETTLED_S);
    assert_eq!(listed(&world), []);
}

/// The name moves from one server to another. Without the order that is noticed within two weeks.
#[test]
fn names_are_looked_up_again_when_that_is_ordered() {
    let moved = |refreshes: bool| {
        let mut scenario = pool(1, 2);
        let name = "moving.example".to_owned();
        scenario.names = vec![(name.clone(), 0.0, vec![ip(1)]), (name.clone(), 3000.0, vec![ip(2)])];
        scenario.sources = vec![named(&name)];
        let mut world = run_until(scenario, SETTLED_S);
        if refreshes {
            assert_eq!(world.handle_order(Order::Refresh), Ok(()));
        }
        world.run_for(SETTLED_S + 2000.0);
        snapshot(&world).sources.iter().map(|source| source.data.address).collect::<Vec<_>>()
    };
    assert_eq!(moved(false), [source(1)]);
    assert_eq!(moved(true), [source(2)]);
}

#[test]
fn a_reset_forgets_all_measurements_and_the_clock_is_set_anew() {
    for seed in SEEDS {
        for count in [1, 4] {
            let mut world = settled(seed, count);
            let before = snapshot(&world).tracking;
            assert_eq!(world.handle_order(Order::ResetSources), Ok(()));
            let (reset, kernel) = (snapshot(&world), world.kernel().report());
            let tracking = reset.tracking;
            assert_eq!((tracking.reference_id, tracking.address, tracking.stratum), (0, Address::Unspecified, 0));
            assert_eq!((tracking.leap, tracking.reference_time), (None, None));
            assert_eq!((tracking.skew_ppm, tracking.residual_frequency_ppm), (0.0, 0.0));
            assert_eq!((tracking.root_delay_s, tracking.root_dispersion_s), (1.0, 1.0));
            assert_eq!(tracking.frequency_ppm, before.frequency_ppm);
            assert_eq!((kernel.synchronized, kernel.max_error), (false, Span::from_secs(16)));
            let status = reset.status.expect("it is slewd");
            assert_eq!((status.synchronised, status.hindrance), (false, Hindrance::Acquiring));
            assert_eq!((status.maximum_error_s, status.agreeing), (None, 0));
            for source in &reset.sources {
                assert_eq!((source.data.since_sample_s, source.stats.samples, source.data.reach), (None, 0, 0));
                assert_eq!(source.data.standing, Standing::Unselectable);
            }
            // They are asked at once, and with a burst.
            world.run_for(SETTLED_S + 3.0);
            assert!(status_is_good(&world), "{count} sources, seed {seed}: {:?}", snapshot(&world));
            world.run_for(SETTLED_S + 1000.0);
            let after = snapshot(&world).tracking;
            assert!((after.frequency_ppm - 40.0).abs() <= after.skew_ppm, "{after:?}");
            assert!(world.trace().steps.is_empty(), "the clock was right all the time");
        }
    }
}

fn status_is_good(world: &World) -> bool {
    assert_bound_holds(world);
    status(world).synchronised
}

#[test]
fn the_reigning_source_has_no_advantage_in_a_new_selection() {
    for seed in SEEDS {
        let mut scenario = pool(seed, 2);
        // The nearer one comes too late to be chosen at first, and a large distance keeps it from taking over.
        scenario.settings.reselect_distance_s = 1.0;
        scenario.servers[0].link = Link::symmetric(0.03, 1e-4);
        scenario.servers[1].link = Link::symmetric(0.005, 1e-4);
        scenario.sources[1].options.offline = true;
        let mut world = run_until(scenario, SETTLED_S);
        assert_eq!(world.handle_order(set_online(one(2), true)), Ok(()));
        world.run_for(SETTLED_S + 4000.0);
        let best = |world: &World| [1, 2].map(|last| report(world, last).data.standing == Standing::Selected);
        assert_eq!(best(&world), [true, false], "seed {seed}");
        assert_eq!(world.handle_order(Order::Reselect), Ok(()));
        assert_eq!(best(&world), [false, true], "seed {seed}");
        let told = world.trace().events.iter().rev().find(|(_, event)| matches!(event, Event::Selected(_)));
        assert!(told.is_some_and(|(at_s, _)| *at_s > SETTLED_S + 3999.0), "seed {seed}");
    }
}

#[test]
fn a_shorter_distance_lets_another_source_take_over() {
    let takes_over = |distance_s: f64| {
        let mut scenario = pool(1, 2);
        scenario.settings.reselect_distance_s = 1.0;
        scenario.servers[0].link = Link::symmetric(0.03, 1e-4);
        scenario.servers[1].link = Link::symmetric(0.005, 1e-4);
        scenario.sources[1].options.offline = true;
        let mut world = run_until(scenario, SETTLED_S);
        assert_eq!(world.handle_order(Order::ReselectDistance(distance_s)), Ok(()));
        assert_eq!(world.handle_order(set_online(one(2), true)), Ok(()));
        world.run_for(SETTLED_S + 4000.0);
        report(&world, 2).data.standing == Standing::Selected
    };
    assert!(takes_over(1e-4) && takes_over(-5.0) && !takes_over(1.0) && !takes_over(f64::INFINITY));
}

#[test]
fn what_is_still_to_be_slewed_is_stepped() {
    for seed in SEEDS {
        let mut scenario = pool(seed, 4);
        scenario.settings.makestep = Some(MakeStep { threshold_s: 1.0, limit: 0 });
        scenario.settings.max_slew_rate_ppm = 100.0;
        scenario.clock_ahead = Span::from_secs(-5);
        let mut world = World::new(scenario);
        assert_eq!(world.handle_order(Order::MakeStep), Err(Refused::Failed), "nothing is known yet");
        world.run_for(100.0);
        assert!(world.point().error_s < -4.9 && world.trace().steps.is_empty());
        assert!(snapshot(&world).tracking.correction_s > 4.9);
        assert_eq!(world.handle_order(Order::MakeStep), Ok(()));
        assert!(world.point().error_s.abs() < 5e-3, "seed {seed}: {}", world.point().error_s);
        let status = status(&world);
        assert_eq!((status.steps, status.last_step_ago_s), (1, Some(0.0)), "seed {seed}");
        assert!(status.last_step_s.is_some_and(|by_s| by_s > 4.9), "seed {seed}: {status:?}");
        assert!(world.kernel().report().max_error < Span::from_secs(1), "seed {seed}");
        world.run_for(1000.0);
        assert!(world.point().error_s.abs() < 5e-3, "seed {seed}: {}", world.point().error_s);
        assert_eq!((world.trace().steps.len(), status.foreign_changes), (1, 0), "seed {seed}");
        assert_bound_holds(&world);
    }
}

#[test]
fn a_clock_that_may_only_be_looked_at_is_not_stepped() {
    let mut scenario = pool(1, 4);
    scenario.observes_only = true;
    scenario.clock_ahead = Span::from_millis(50);
    let mut world = run_until(scenario, SETTLED_S);
    assert_eq!(world.handle_order(Order::MakeStep), Err(Refused::Failed));
    assert_bound_holds(&world);
}

/// Time jumps by three seconds: first that of the server, and later by an order that the server contradicts.
#[test]
fn steps_are_allowed_for_as_many_updates_as_were_ordered() {
    for (limit, steps) in [(0, 0), (1, 1), (-1, 2)] {
        let mut scenario = pool(1, 1);
        scenario.settings.makestep = Some(MakeStep { threshold_s: 1.0, limit: 3 });
        scenario.servers[0].step = Some((SETTLED_S, Span::from_secs(3)));
        let mut world = run_until(scenario, SETTLED_S - 1.0);
        assert_eq!(world.handle_order(Order::SetMakeStep(MakeStep { threshold_s: 0.1, limit })), Ok(()));
        world.run_for(SETTLED_S + 4000.0);
        assert_eq!(world.handle_order(Order::AddOffset(3.0)), Ok(()));
        world.run_for(SETTLED_S + 8000.0);
        let told = &world.trace().steps;
        assert!(told.iter().all(|(_, by)| (by.secs_f64() - 3.0).abs() < 0.1), "limit {limit}: {told:?}");
        assert_eq!(told.len(), steps, "limit {limit}: {told:?}");
        // The server's time, which is three seconds ahead of ours.
        assert!((world.point().error_s - 3.0).abs() < 5e-3, "limit {limit}: {}", world.point().error_s);
    }
}

#[test]
fn an_uncertain_frequency_is_not_applied() {
    let mut world = settled(1, 1);
    let before = snapshot(&world).tracking;
    assert_eq!(world.handle_order(Order::MaxUpdateSkew(-1.0)), Ok(()));
    world.run_for(SETTLED_S + 4000.0);
    assert_eq!(snapshot(&world).tracking.frequency_ppm, before.frequency_ppm, "the one in force is kept");
    assert_eq!(world.handle_order(Order::MaxUpdateSkew(1000.0)), Ok(()));
    world.run_for(SETTLED_S + 8000.0);
    assert_ne!(snapshot(&world).tracking.frequency_ppm, before.frequency_ppm);
}

/// A human says that the clock runs 10 ppm faster than slewd believes. It does not, as the sources soon say.
#[test]
fn a_frequency_that_was_ordered_lasts_until_sources_say_otherwise() {
    for seed in SEEDS {
        for (ppm, count) in [(10.0, 1), (-10.0, 4)] {
            let mut world = settled(seed, count);
            let before = snapshot(&world);
            let error_before = world.point().frequency_error;
            assert_eq!(world.handle_order(Order::AddFrequency(ppm)), Ok(()));
            let after = snapshot(&world);
            let changed_ppm = after.tracking.frequency_ppm - before.tracking.frequency_ppm;
            assert!((changed_ppm - ppm).abs() < 1e-9, "seed {seed}: {changed_ppm}");
            let rate_ppm = (world.point().frequency_error - error_before) * 1e6;
            // A slew in progress adds to it.
            assert!((rate_ppm + ppm).abs() < 2.0, "{ppm} ppm, seed {seed}: the clock gains {rate_ppm} ppm");
            // Our clock loses on the source by as much.
            let residual = |snapshot: &Snapshot| snapshot.sources[0].stats.residual_frequency_ppm;
            let dropped_ppm = residual(&before) - residual(&after);
            assert!((dropped_ppm - ppm).abs() < 2.0, "seed {seed}: {dropped_ppm}");
            let moved_s = after.tracking.correction_s - before.tracking.correction_s;
            assert!(moved_s.abs() < 1e-6, "seed {seed}: what the time is now stays as it is: {moved_s}");
            for after_s in [10.0, 100.0, 1000.0, 4000.0] {
                world.run_for(SETTLED_S + after_s);
                assert_bound_holds(&world);
            }
            let tracking = snapshot(&world).tracking;
            assert!((tracking.frequency_ppm - 40.0).abs() < 0.5, "{ppm} ppm, seed {seed}: {tracking:?}");
            assert!(world.point().error_s.abs() < 5e-3, "{ppm} ppm, seed {seed}: {}", world.point().error_s);
            assert!(status(&world).synchronised);
        }
    }
}

#[test]
fn a_frequency_can_be_ordered_before_anything_is_known() {
    let mut scenario = pool(1, 1);
    scenario.network_up_s = 1000.0;
    let mut world = run_until(scenario, 100.0);
    assert_eq!(world.handle_order(Order::AddFrequency(40.0)), Ok(()));
    assert!((snapshot(&world).tracking.frequency_ppm - 40.0).abs() < 1e-9);
    assert!(world.point().frequency_error.abs() < 1e-6, "{}", world.point().frequency_error);
}

/// A human says that the clock is ahead by a quarter of a second. It is not, as the sources soon say.
#[test]
fn an_offset_that_was_ordered_is_slewed_and_lasts_until_sources_say_otherwise() {
    for seed in SEEDS {
        for (ahead_s, count) in [(0.25, 1), (-0.25, 1), (0.25, 4), (-3.0, 4)] {
            let mut world = settled(seed, count);
            assert_eq!(world.handle_order(Order::AddOffset(ahead_s)), Ok(()));
            let ordered = snapshot(&world).tracking;
            assert!((ordered.correction_s + ahead_s).abs() < 1e-3, "seed {seed}: {ordered:?}");
            assert_bound_holds(&world);
            world.run_for(SETTLED_S + 20.0);
            let error_s = world.point().error_s;
            assert!(error_s * ahead_s < 0.0 && error_s.abs() > 0.2, "{ahead_s}, seed {seed}: {error_s}");
            assert_bound_holds(&world);
            world.run_for(SETTLED_S + 4000.0);
            let error_s = world.point().error_s;
            assert!(error_s.abs() < 5e-3, "{ahead_s}, {count} sources, seed {seed}: {error_s}");
            assert!(world.trace().steps.is_empty(), "{ahead_s}, seed {seed}: {:?}", world.trace().steps);
            assert!(status(&world).synchronised, "{ahead_s}, {count} sources, seed {seed}");
            assert_bound_holds(&world);
        }
    }
}

#[test]
fn nonsense_is_refused_or_harmless() {
    let absurd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, -1.0, 0.0, 1e-300, 1e18];
    for nothing_known in [true, false] {
        let mut scenario = pool(1, 2);
        if nothing_known {
            scenario.servers.iter_mut().for_each(|server| server.manner = Manner::Dead);
        }
        let mut world = run_until(scenario, 500.0);
        let mut at_s = 500.0;
        for value in absurd {
            let step = MakeStep { threshold_s: value, limit: i32::MIN };
            let mut line = named("192.0.2.50");
            line.options = SourceOptions {
                min_poll: i8::MIN,
                max_poll: i8::MIN,
                max_delay_s: value,
                max_delay_quant: value,
                offset_s: value,
                asymmetry: Some(value),
                poll_target: 0,
                filter: u32::MAX,
                max_sources: usize::MAX,
                version: 0,
                min_stratum: u8::MAX,
                min_samples: Some(u32::MAX),
                max_unreach: u32::MAX,
                ..line.options
            };
            let orders = [
                Order::ReselectDistance(value),
                Order::SetMakeStep(step),
                Order::MaxUpdateSkew(value),
                Order::AddFrequency(value),
                Order::AddOffset(value),
                change(1, Parameter::MaxDelay(value)),
                change(1, Parameter::MaxDelayRatio(value)),
                change(1, Parameter::MaxDelayDevRatio(value)),
                change(2, Parameter::Offset(value)),
                Order::Add(Box::new(line)),
                Order::Burst { whom: Whom::All, good: u32::MAX, most: u32::MAX },
            ];
            for order in orders {
                let is_real = !matches!(order, Order::Burst { .. });
                let result = world.handle_order(order.clone());
                assert!(!(is_real && value.is_nan()) || result.is_err(), "{order:?}: {result:?}");
                at_s += 10.0;
                world.run_for(at_s);
                let text = format!("{:?}", snapshot(&world));
                assert!(!text.contains("NaN") && !text.contains("inf"), "{order:?}: {text}");
            }
            assert!(matches!(world.handle_order(Order::Delete(source(50))), Ok(()) | Err(Refused::NoSuchSource)));
        }
    }
}

/// The next part of a slew was due for ever, with nothing that would carry it out: the daemon was awake all the time.
#[test]
fn reset_sources_in_the_middle_of_a_slew_does_not_keep_the_daemon_awake() {
    for tenths in 0..20 {
        let mut scenario = pool(1, 2);
        scenario.settings.makestep = Some(MakeStep { threshold_s: 1.0, limit: 0 });
        scenario.clock_ahead = Span::from_millis(600);
        let mut world = run_until(scenario, 1.0 + 0.1 * f64::from(tenths));
        let before_s = world.point().error_s;
        assert!(before_s > 0.3, "it is being slewed: {before_s} s");
        world.handle_order(Order::SetOnline { whom: Whom::All, online: false }).expect("there are sources");
        world.handle_order(Order::ResetSources).expect("it can be done");
        let wakes = world.trace().wakes;
        world.run_for(100.0);
        assert!(world.trace().wakes - wakes < 50, "{} times", world.trace().wakes - wakes);
        assert!((-0.02..before_s).contains(&world.point().error_s), "{before_s} s, then {:?}", world.point());
    }
}
