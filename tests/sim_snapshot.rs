//! What the engine says of itself, against what the simulator knows to be true.

mod support;

use std::net::{IpAddr, Ipv4Addr};

use slewd::core::api::monitoring::{
    Activity, Address, Hindrance, SelectOptions, SourceData, StampedBy, Standing, Tracking,
};
use slewd::core::api::settings::Host;
use slewd::core::api::snapshot::{Snapshot, SourceReport};
use slewd::core::estimate::MAX_SOURCES;
use slewd::sim::server::Manner;
use slewd::sim::{Happening, Scenario, World};
use slewd::time::{Leap, Span};
use support::SEEDS;

/// One server of four is behind by this much: no root distance hides it.
const BEHIND_S: f64 = 0.03;

/// 10 ms there and back again.
const ROUND_TRIP_S: f64 = 0.02;

fn snapshot(world: &World) -> Snapshot {
    world.engine().expect("it runs").snapshot(&world.reading())
}

/// The world after so many seconds, as it tells of itself and as it is.
fn after(world: &mut World, seconds: f64) -> (Snapshot, f64) {
    world.run_for(seconds);
    (snapshot(world), world.point().error_s)
}

fn of(snapshot: &Snapshot, last: u8) -> &SourceReport {
    let address = Address::Ip(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)));
    snapshot.sources.iter().find(|source| source.data.address == address).expect("a source")
}

fn pool(seed: u64, count: usize) -> Scenario {
    let mut scenario = Scenario::pool(seed, count);
    scenario.crystal.frequency = 40e-6;
    scenario.kernel_rate_error = 2e-6;
    scenario
}

#[test]
fn nothing_is_known_before_the_first_answer() {
    let mut scenario = pool(1, 2);
    scenario.servers.iter_mut().for_each(|server| server.manner = Manner::Dead);
    let mut world = World::new(scenario);
    let (early, _) = after(&mut world, 5.0);
    assert_eq!(early.status.expect("it is slewd").hindrance, Hindrance::Acquiring);
    let (snapshot, _) = after(&mut world, 30.0);
    let unknown = Tracking { root_delay_s: 1.0, root_dispersion_s: 1.0, ..Tracking::default() };
    assert_eq!(Tracking { frequency_ppm: 0.0, ..snapshot.tracking }, unknown);
    let status = snapshot.status.expect("it is slewd");
    assert_eq!((status.synchronised, status.hindrance), (false, Hindrance::NoSelectableSources));
    assert_eq!((status.estimated_error_s, status.maximum_error_s), (None, None));
    assert_eq!((status.last_answer_ago_s, status.set_ago_s, status.last_step_s), (None, None, None));
    assert!((status.uptime_s - 30.0).abs() < 0.1 && status.next_poll_s.is_some_and(|next| next < 70.0), "{status:?}");
    for source in &snapshot.sources {
        let (address, poll) = (source.data.address, source.data.poll);
        assert_eq!(source.data, SourceData { address, poll, ..SourceData::default() });
        assert_eq!((source.stats.samples, source.stats.skew_ppm, source.stats.sd_s), (0, 2000.0, 4.0));
        let selection = source.selection.expect("it is known");
        assert_eq!((selection.state, selection.leap), ('M', None));
        let ntp = source.ntp.expect("it is known");
        assert_eq!((ntp.mode, ntp.total_received, ntp.local_address, ntp.port), (0, 0, Address::Unspecified, 123));
        assert!(ntp.total_sent >= 3, "{ntp:?}");
    }
}

/// chronyc's signs: a server that is behind is a clock that is ahead, except in `ntpdata`.
#[test]
fn a_server_that_is_behind_is_so_in_every_report() {
    for seed in SEEDS {
        let mut scenario = pool(seed, 4);
        scenario.servers[3].ahead = Span::from_secs_f64(-BEHIND_S);
        let (snapshot, error_s) = after(&mut World::new(scenario), 4000.0);
        let liar = of(&snapshot, 4);
        let near = |value: f64, expected: f64, within: f64| (value - expected).abs() < within;
        // Half of the jitter of one exchange is 1 ms at times; several of them are known better.
        assert!(near(liar.data.measured_offset_s, BEHIND_S, 5e-3), "seed {seed}: {:?}", liar.data);
        assert!(near(liar.data.offset_s, BEHIND_S + error_s, 5e-3), "seed {seed}: {:?}", liar.data);
        assert!(near(liar.stats.offset_s, BEHIND_S + error_s, 2e-3), "seed {seed}: {:?}", liar.stats);
        let selection = liar.selection.expect("it is known");
        let truth_s = BEHIND_S + error_s;
        assert!(selection.low_limit_s < truth_s && truth_s < selection.high_limit_s, "seed {seed}: {selection:?}");
        let width_s = selection.high_limit_s - selection.low_limit_s;
        assert!((ROUND_TRIP_S..2.0 * ROUND_TRIP_S).contains(&width_s), "seed {seed}: {selection:?}");
        assert_eq!((selection.state, liar.data.standing), ('x', Standing::Falseticker), "seed {seed}");
        let ntp = liar.ntp.expect("it is known");
        assert!(near(ntp.offset_s, -BEHIND_S, 5e-3), "seed {seed}: {ntp:?}");
        for honest in (1..4).map(|last| of(&snapshot, last)) {
            assert!(near(honest.stats.offset_s, error_s, 2e-3), "seed {seed}: {:?}", honest.stats);
        }
        let status = snapshot.status.as_ref().expect("it is slewd");
        assert_eq!((status.agreeing, status.voters), (3, 4), "seed {seed}");
    }
}

/// What the filter learnt while it was believed does not colour the report.
#[test]
fn a_server_that_falls_behind_later_is_seen_to() {
    for seed in SEEDS {
        let mut scenario = pool(seed, 4);
        scenario.servers[3].step = Some((400_000.0, Span::from_secs_f64(-BEHIND_S)));
        let (snapshot, _) = after(&mut World::new(scenario), 430_000.0);
        let liar = of(&snapshot, 4);
        assert_eq!(liar.data.standing, Standing::Falseticker, "seed {seed}");
        assert!((liar.stats.offset_s - BEHIND_S).abs() < 2e-3, "seed {seed}: {:?}", liar.stats);
    }
}

/// How long the machine slept is known to a second, and there is no network to ask.
#[test]
fn after_a_sleep_nothing_is_known_until_somebody_answers() {
    for seed in SEEDS {
        let mut scenario = pool(seed, 4);
        let sleep = Happening::Suspend(Span::from_secs(3600), Span::from_millis(700));
        scenario.happenings = vec![(4000.0, sleep)];
        scenario.outages = vec![(3999.0, 8000.0)];
        let mut world = World::new(scenario);
        let (snapshot, error_s) = after(&mut world, 7700.0);
        assert!(error_s.abs() > 0.5, "seed {seed}: {error_s}");
        let (tracking, status) = (snapshot.tracking, snapshot.status.expect("it is slewd"));
        assert_eq!((tracking.reference_id, tracking.address, tracking.stratum), (0, Address::Unspecified, 0));
        assert_eq!((tracking.leap, tracking.root_dispersion_s), (None, 1.0));
        assert_eq!((status.maximum_error_s, status.estimated_error_s), (None, None), "seed {seed}");
        assert_eq!((status.synchronised, status.hindrance), (false, Hindrance::NoSelectableSources), "seed {seed}");
        let (snapshot, error_s) = after(&mut world, 9000.0);
        let status = snapshot.status.expect("it is slewd");
        assert!(status.synchronised && snapshot.tracking.stratum == 3, "seed {seed}: {status:?}");
        assert!(status.maximum_error_s.is_some_and(|most_s| error_s.abs() < most_s), "seed {seed}: {status:?}");
    }
}

#[test]
fn what_is_said_of_the_clock_is_true() {
    for seed in SEEDS {
        let mut scenario = pool(seed, 4);
        scenario.clock_ahead = Span::from_secs(-7200);
        let mut world = World::new(scenario);
        let (snapshot, error_s) = after(&mut world, 4000.0);
        let (tracking, status) = (snapshot.tracking, snapshot.status.expect("it is slewd"));
        let Address::Ip(IpAddr::V4(best)) = tracking.address else { panic!("{tracking:?}") };
        assert_eq!((tracking.reference_id, tracking.stratum, tracking.leap), (best.to_bits(), 3, Some(Leap::Normal)));
        let selected = snapshot.sources.iter().filter(|source| source.data.standing == Standing::Selected);
        assert_eq!(selected.map(|source| source.data.address).collect::<Vec<_>>(), [tracking.address]);
        // True time runs faster than the counter if the crystal is slow: 40 ppm fast here.
        assert!((tracking.frequency_ppm - 40.0).abs() <= tracking.skew_ppm, "seed {seed}: {tracking:?}");
        assert!(tracking.skew_ppm < 1.0 && tracking.residual_frequency_ppm.abs() < 0.1, "seed {seed}: {tracking:?}");
        let interval_s = tracking.update_interval_s;
        assert!((1.0..1100.0).contains(&interval_s), "seed {seed}: {tracking:?}");
        assert!((1e-7..1e-3).contains(&tracking.rms_offset_s), "seed {seed}: {tracking:?}");
        assert!((0.02..0.022).contains(&tracking.root_delay_s), "seed {seed}: {tracking:?}");
        let age_s = (world.reading().utc - tracking.reference_time.expect("it is set")).secs_f64();
        assert!((0.0..600.0).contains(&age_s), "seed {seed}: {age_s}");
        let distance_s = tracking.root_dispersion_s + 0.5 * tracking.root_delay_s + tracking.correction_s.abs();
        let most_s = status.maximum_error_s.expect("it is known");
        assert!(error_s.abs() <= most_s && most_s <= distance_s + 1e-9, "seed {seed}: {most_s} {tracking:?}");
        let least_s = status.estimated_error_s.expect("it is known");
        assert!(least_s < most_s && least_s > 0.0, "seed {seed}: {status:?}");
        assert_eq!((status.synchronised, status.hindrance), (true, Hindrance::None));
        assert_eq!((status.steps, status.foreign_changes, status.controls_clock), (1, 0, true));
        assert!(status.last_step_s.is_some_and(|by| (by - 7200.0).abs() < 0.01), "seed {seed}: {status:?}");
        for ago_s in [status.last_step_ago_s, status.set_ago_s] {
            assert!(ago_s.is_some_and(|ago_s| (ago_s - 4000.0).abs() < 20.0), "seed {seed}: {status:?}");
        }
        assert!(status.last_answer_ago_s.is_some_and(|ago_s| ago_s <= age_s + 0.1), "seed {seed}: {status:?}");
    }
}

#[test]
fn the_bound_holds_at_the_start_in_good_times_in_an_outage_and_after_it() {
    for seed in SEEDS {
        for count in [1, 4] {
            let mut scenario = pool(seed, count);
            scenario.crystal.wander = 3e-9;
            scenario.clock_ahead = Span::from_secs(-3);
            scenario.outages = vec![(4000.0, 12_000.0)];
            let mut world = World::new(scenario);
            let (mut known, mut last) = (0, None::<(Tracking, f64)>);
            for at_s in (1..1000).map(|nth| 16.0 * f64::from(nth)) {
                let (snapshot, error_s) = after(&mut world, at_s);
                let (tracking, status) = (snapshot.tracking, snapshot.status.expect("it is slewd"));
                let Some(most_s) = status.maximum_error_s else { continue };
                known += 1;
                assert!(error_s.abs() <= most_s, "{count} servers, seed {seed}, {at_s} s: {error_s} {status:?}");
                // Some time after the network is lost.
                if (5000.0..12_000.0).contains(&at_s) {
                    let (dispersion_s, skew_ppm) = (tracking.root_dispersion_s, tracking.skew_ppm);
                    if let Some((before, before_s)) = last.replace((tracking, most_s)) {
                        assert!(dispersion_s > before.root_dispersion_s && skew_ppm > before.skew_ppm, "{at_s} s");
                        assert!(most_s > before_s - 1e-4, "{at_s} s: {most_s} after {before_s}");
                        assert_eq!((tracking.stratum, tracking.address), (before.stratum, before.address));
                    }
                }
                if (8000.0..12_000.0).contains(&at_s) {
                    assert_eq!(status.hindrance, Hindrance::NoSelectableSources, "{at_s} s");
                    assert_eq!((status.agreeing, status.synchronised), (0, false), "{at_s} s");
                    let is_out = |source: &SourceReport| source.data.standing == Standing::Unselectable;
                    assert!(snapshot.sources.iter().all(is_out), "{at_s} s: {:?}", snapshot.sources);
                }
            }
            assert!(known > 990, "{known}");
            let (snapshot, _) = after(&mut world, 16_000.0);
            assert_eq!(snapshot.status.expect("it is slewd").hindrance, Hindrance::None);
        }
    }
}

#[test]
fn packets_and_tests_are_counted() {
    for seed in SEEDS {
        let mut scenario = pool(seed, 3);
        scenario.servers[1].manner = Manner::Unsynchronised;
        scenario.sources[2].options.max_delay_s = 0.01;
        let (snapshot, _) = after(&mut World::new(scenario), 4000.0);
        let flags = |last| of(&snapshot, last).ntp.expect("it is known").flags;
        assert_eq!([1, 2, 3].map(flags), [0b11_1111_1111, 0b11_1101_0000, 0b11_1111_0111], "seed {seed}");
        let states = [1, 2, 3].map(|last| of(&snapshot, last).selection.expect("it is known").state);
        assert_eq!(states, ['*', 's', 'M'], "seed {seed}");
        for (last, good) in [(1, true), (2, false), (3, false)] {
            let ntp = of(&snapshot, last).ntp.expect("it is known");
            assert_eq!(ntp.total_valid, ntp.total_received, "seed {seed}: {ntp:?}");
            assert_eq!(ntp.total_good, if good { ntp.total_valid } else { 0 }, "seed {seed}: {ntp:?}");
            assert!((ntp.total_received..ntp.total_received + 2).contains(&ntp.total_sent), "seed {seed}: {ntp:?}");
            assert_eq!((ntp.kernel_received, ntp.kernel_sent), (ntp.total_received, ntp.total_received));
            assert_eq!((ntp.sent_by, ntp.received_by), (StampedBy::Kernel, StampedBy::Kernel));
            assert_eq!((ntp.mode, ntp.version), (4, 4));
            assert_eq!(ntp.local_address, Address::Ip([192, 0, 2, 200].into()));
        }
        let (good, slow) = (of(&snapshot, 1).ntp.expect("known"), of(&snapshot, 3).ntp.expect("known"));
        assert!((good.response_time_s - 20e-6).abs() < 1e-6, "the simulator's servers take 20 us: {good:?}");
        for ntp in [good, slow] {
            assert!((ROUND_TRIP_S..2.0 * ROUND_TRIP_S).contains(&ntp.delay_s), "seed {seed}: {ntp:?}");
        }
        assert_eq!(snapshot.activity, Activity { online: 3, ..Activity::default() });
    }
}

#[test]
fn a_vote_that_fails_says_why() {
    let told = |scenario: Scenario| {
        let (snapshot, _) = after(&mut World::new(scenario), 1000.0);
        let states = [1, 2].map(|last| of(&snapshot, last).selection.expect("it is known").state);
        (states, snapshot.status.expect("it is slewd").hindrance, snapshot.tracking.stratum)
    };
    let mut divided = pool(1, 2);
    divided.servers[1].ahead = Span::from_secs(60);
    assert_eq!(told(divided), (['x', 'x'], Hindrance::NoMajority, 0));
    let mut few = pool(1, 2);
    few.settings.min_sources = 3;
    assert_eq!(told(few), (['W', 'W'], Hindrance::NotEnough, 0));
    let mut headless = pool(1, 3);
    headless.servers[2].manner = Manner::Dead;
    headless.sources[2].options.require = true;
    assert_eq!(told(headless), (['W', 'W'], Hindrance::NoRequired, 0));
}

/// Negative if requests wait for longer.
#[test]
fn the_way_that_is_jittery_is_told() {
    for seed in SEEDS {
        let mut scenario = pool(seed, 2);
        scenario.servers[0].link.backward.jitter_s = 1e-6;
        let (snapshot, _) = after(&mut World::new(scenario), 20_000.0);
        let [slow_to, both] = [1, 2].map(|last| of(&snapshot, last).ntp.expect("it is known").jitter_asymmetry);
        assert!((-0.5..-0.2).contains(&slow_to) && both.abs() < 0.2, "seed {seed}: {slow_to} {both}");
    }
}

#[test]
fn names_without_an_address_have_numbers_and_come_last() {
    let mut scenario = pool(1, 3);
    let addresses: Vec<IpAddr> = scenario.servers.iter().map(|server| server.address).collect();
    scenario.names = vec![("second.example".to_owned(), 100.0, vec![addresses[1]])];
    for (line, name) in [(0, "first.example"), (1, "second.example")] {
        scenario.sources[line].host = Host::Name(name.to_owned());
    }
    scenario.sources[0].options.prefer = true;
    let mut world = World::new(scenario);
    let listed = |snapshot: &Snapshot| -> Vec<(Address, String)> {
        snapshot.sources.iter().map(|source| (source.data.address, source.name.to_string())).collect()
    };
    let third = (Address::Ip(addresses[2]), "192.0.2.3".to_owned());
    let (early, _) = after(&mut world, 50.0);
    let (first, second) = ((Address::Id(1), "first.example".to_owned()), (Address::Id(2), "second.example".to_owned()));
    assert_eq!(listed(&early), [third.clone(), first.clone(), second]);
    assert_eq!((early.activity.online, early.activity.unresolved), (1, 2));
    let (late, _) = after(&mut world, 300.0);
    let resolved = (Address::Ip(addresses[1]), "second.example".to_owned());
    // In the order of the lines, whenever the address was found.
    assert_eq!(listed(&late), [resolved, third, first]);
    assert_eq!((late.activity.online, late.activity.unresolved), (2, 1));
    let engine = world.engine().expect("it runs");
    assert_eq!(engine.source_count(), 3);
    for (index, source) in late.sources.iter().enumerate() {
        assert_eq!(engine.find_source(source.data.address), Some(index));
        assert_eq!(engine.source_report(index, &world.reading()).as_ref(), Some(source));
    }
    for stranger in [Address::Id(2), Address::Id(0), Address::Unspecified, Address::Ip([192, 0, 2, 99].into())] {
        assert_eq!(engine.find_source(stranger), None);
    }
    assert_eq!(engine.source_report(3, &world.reading()), None);
    assert_eq!(engine.source_report(usize::MAX, &world.reading()), None);
    let unresolved = late.sources[2].selection.expect("it is known");
    assert_eq!((unresolved.state, unresolved.leap, unresolved.score), ('M', None, 1.0));
    assert_eq!((unresolved.configured, late.sources[2].ntp), (SelectOptions(SelectOptions::PREFER), None));
}

/// A clock that may only be looked at stays wrong, and nobody is told otherwise.
#[test]
fn an_observed_clock_is_reported_as_wrong_as_it_is() {
    for seed in SEEDS {
        let mut scenario = pool(seed, 4);
        scenario.observes_only = true;
        scenario.clock_ahead = Span::from_millis(250);
        let (snapshot, error_s) = after(&mut World::new(scenario), 4000.0);
        let (tracking, status) = (snapshot.tracking, snapshot.status.expect("it is slewd"));
        assert!((tracking.correction_s + error_s).abs() < 1e-3, "seed {seed}: {tracking:?}, {error_s} ahead");
        assert!(tracking.correction_s < -0.25, "the crystal runs fast: {tracking:?}");
        assert!(!status.controls_clock && status.steps == 0, "seed {seed}: {status:?}");
        assert!(status.maximum_error_s.is_some_and(|most_s| error_s.abs() < most_s), "seed {seed}: {status:?}");
    }
}

#[test]
fn everything_has_a_place_when_the_house_is_full() {
    let (snapshot, _) = after(&mut World::new(pool(1, MAX_SOURCES)), 1000.0);
    assert_eq!(snapshot.sources.len(), MAX_SOURCES);
    let used = snapshot.sources.iter().filter(|s| matches!(s.data.standing, Standing::Selected | Standing::Combined));
    assert_eq!(used.count(), MAX_SOURCES);
}
