//! A source whose line wants authentication that cannot be had: it is not asked, it has no say, and every report tells.

#![allow(missing_docs)]

mod support;

use std::net::{IpAddr, Ipv4Addr};

use slewd::core::api::event::{Event, Obstacle};
use slewd::core::api::flaw::Flaw;
use slewd::core::api::monitoring::{Address, AuthData, Hindrance, SelectOptions};
use slewd::core::api::order::{Order, Whom};
use slewd::core::api::settings::{AuthSelectMode, Host, SourceOptions};
use slewd::core::source::Refusal;
use slewd::core::source::authentication::{Authentication, Protection};
use slewd::sim::authentication::Authenticates;
use slewd::sim::{Happening, Scenario, World};
use slewd::time::Span;
use slewd::wire::symmetric::{MacAlgorithm, SymmetricKey};
use support::{reports, run_until};

const MODES: [AuthSelectMode; 4] =
    [AuthSelectMode::Require, AuthSelectMode::Prefer, AuthSelectMode::Mix, AuthSelectMode::Ignore];

fn with_key(options: &SourceOptions) -> SourceOptions {
    SourceOptions { key: Some(7), ..options.clone() }
}

/// A server of key establishment is not there, unless the scenario has one.
fn with_nts(options: &SourceOptions) -> SourceOptions {
    SourceOptions { nts: true, ..options.clone() }
}

/// `count` servers, the first of which is to be authenticated and lies; a clock that is two seconds behind.
fn first_is_protected(count: usize, mode: AuthSelectMode, want: fn(&SourceOptions) -> SourceOptions) -> Scenario {
    let mut scenario = Scenario { clock_ahead: Span::from_secs(-2), ..Scenario::pool(1, count) };
    scenario.settings.auth_select_mode = mode;
    scenario.sources[0].options = want(&scenario.sources[0].options);
    scenario.servers[0].ahead = Span::from_secs(3600);
    scenario
}

fn hindrance(world: &World) -> Hindrance {
    world.engine().expect("it runs").status(&world.reading()).hindrance
}

fn requests(world: &World, index: usize) -> u64 {
    world.engine().expect("it runs").sources()[index].tally.sent
}

#[test]
fn a_source_that_wants_a_key_or_nts_is_never_asked() {
    for (mode, want) in MODES.into_iter().flat_map(|mode| [(mode, with_key as fn(&_) -> _), (mode, with_nts)]) {
        let mut scenario = first_is_protected(1, mode, want);
        scenario.happenings = vec![
            (300.0, Happening::NetworkChanged),
            (400.0, Happening::Suspend(Span::from_secs(600), Span::ZERO)),
            (1200.0, Happening::ForeignStep(Span::from_secs(5))),
            (1300.0, Happening::SetOnline(false)),
            (1400.0, Happening::SetOnline(true)),
        ];
        let mut world = run_until(scenario, 2000.0);
        for order in [
            Order::SetOnline { whom: Whom::All, online: true },
            Order::Burst { whom: Whom::All, good: 4, most: 8 },
            Order::ResetSources,
            Order::Refresh,
            Order::Reselect,
        ] {
            world.handle_order(order).expect("it is obeyed");
        }
        world.run_for(4000.0);
        assert_eq!((requests(&world, 0), world.trace().requests), (0, 0), "{mode:?}");
        assert_eq!(hindrance(&world), Hindrance::NoSelectableSources, "{mode:?}");
        assert!(world.trace().steps.is_empty(), "{mode:?}");
    }
}

/// A liar with `key` used to beat three honest servers in the mode `mix`, and to be enough for `require`.
#[test]
fn a_word_in_the_configuration_authenticates_nobody() {
    for want in [with_key as fn(&_) -> _, with_nts] {
        for mode in [AuthSelectMode::Require, AuthSelectMode::Prefer, AuthSelectMode::Mix] {
            let world = run_until(first_is_protected(4, mode, want), 1000.0);
            assert!(world.trace().steps.is_empty(), "{mode:?}: nobody may set the clock");
            assert!((world.point().error_s.abs() - 2.0).abs() < 0.01, "{mode:?}");
            assert_ne!(hindrance(&world), Hindrance::None, "{mode:?}");
        }
        let world = run_until(first_is_protected(4, AuthSelectMode::Ignore, want), 1000.0);
        assert!(world.point().error_s.abs() < 0.01, "the three that need not be authenticated agree");
        assert_eq!(requests(&world, 0), 0);
    }
}

/// As chronyd: sources that need not be authenticated are not enough while one that must be cannot be.
#[test]
fn mix_demands_an_authenticated_source_and_says_that_it_is_missing() {
    let world = run_until(first_is_protected(4, AuthSelectMode::Mix, with_nts), 100.0);
    assert_eq!(hindrance(&world), Hindrance::NoRequired);
    let is_told = |event: &&(f64, Event)| event.1 == Event::CannotSynchronise(Obstacle::NoRequired);
    assert_eq!(world.trace().events.iter().filter(is_told).count(), 1);
}

#[test]
fn the_vote_of_the_others_does_not_wait_for_a_source_that_is_not_asked() {
    for count in [2, 3, 5] {
        let world = run_until(first_is_protected(count, AuthSelectMode::Ignore, with_key), 10.0);
        let (at, _) = *world.trace().steps.first().expect("the clock is set");
        assert!(at < 0.1, "{count} sources: {at} s");
    }
}

#[test]
fn a_name_that_wants_a_missing_key_is_neither_looked_up_nor_forgotten() {
    for mode in [AuthSelectMode::Mix, AuthSelectMode::Ignore] {
        let mut scenario = first_is_protected(3, mode, with_key);
        scenario.names = vec![("keys.example".to_owned(), 0.0, vec![scenario.servers[0].address])];
        scenario.sources[0].host = Host::Name("keys.example".to_owned());
        scenario.sources[0].pool = true;
        let mut world = run_until(scenario, 600.0);
        world.handle_order(Order::Refresh).expect("it is obeyed");
        world.run_for(1200.0);
        let engine = world.engine().expect("it runs");
        assert_eq!(engine.sources().len(), 2);
        assert_eq!(engine.activity().unresolved, 1);
        let last = reports(&world).pop().expect("it is listed");
        assert_eq!((&*last.name, last.data.address), ("keys.example", Address::Id(1)));
        assert_eq!(last.authentication.map(|data| data.mode), Some(AuthData::SYMMETRIC_KEY));
        assert_eq!(engine.is_synchronised(), mode == AuthSelectMode::Ignore, "{mode:?}");
    }
}

/// The letters and numbers of chronyd for a source whose key is missing, but that it is not called authenticated.
#[test]
fn reports_show_what_a_source_wants_and_that_it_has_it_not() {
    let world = run_until(first_is_protected(2, AuthSelectMode::Mix, with_key), 100.0);
    let first = reports(&world).swap_remove(0);
    assert_eq!(first.data.address, Address::Ip(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
    assert_eq!((first.data.reach, first.data.since_sample_s), (0, None));
    let select = first.selection.expect("it is known");
    assert_eq!((select.authenticated, select.configured.0), (false, 0));
    assert_eq!(select.effective.0, SelectOptions::TRUST | SelectOptions::REQUIRE);
    let key = AuthData { mode: AuthData::SYMMETRIC_KEY, key_id: 7, ..AuthData::default() };
    assert_eq!(first.authentication, Some(key));
    let engine = world.engine().expect("it runs");
    assert_eq!(engine.sources()[0].authentication(), Authentication::Missing(Protection::Key(7)));
    assert_eq!(engine.sources()[1].authentication(), Authentication::Unwanted);
}

/// Nobody has set anything, so there is no moment when.
#[test]
fn an_observer_does_not_say_that_the_clock_was_set() {
    let mut scenario = Scenario::pool(1, 2);
    scenario.observes_only = true;
    let world = run_until(scenario, 100.0);
    let status = world.engine().expect("it runs").status(&world.reading());
    assert_eq!((status.controls_clock, status.set_ago_s), (false, None));
    let obeyed = run_until(Scenario::pool(1, 2), 100.0);
    assert!(obeyed.engine().expect("it runs").status(&obeyed.reading()).set_ago_s.is_some());
}

#[test]
fn a_required_name_without_an_address_is_missed() {
    let mut scenario = Scenario::pool(1, 2);
    scenario.clock_ahead = Span::from_secs(-2);
    scenario.sources[0].host = Host::Name("gone.example".to_owned());
    scenario.sources[0].options.require = true;
    let world = run_until(scenario, 600.0);
    assert_eq!(hindrance(&world), Hindrance::NoRequired);
    assert!(world.trace().steps.is_empty());
}

fn key(id: u32, secret: &str) -> SymmetricKey {
    SymmetricKey::new(id, MacAlgorithm::Md5, secret.as_bytes().to_vec()).expect("a key")
}

#[test]
fn a_key_that_both_have_authenticates_and_another_gets_no_answer() {
    let mut scenario = Scenario { clock_ahead: Span::from_secs(-2), ..Scenario::pool(1, 2) };
    for source in &mut scenario.sources {
        source.options.key = Some(7);
    }
    scenario.keys.add(key(7, "the same on both sides"));
    scenario.servers[0].authenticates = Authenticates::Key(key(7, "the same on both sides"));
    scenario.servers[1].authenticates = Authenticates::Key(key(7, "another there"));
    let world = run_until(scenario, 200.0);
    let sources = world.engine().expect("it runs").sources();
    assert_eq!(sources[0].authentication(), Authentication::Established(Protection::Key(7)));
    assert_eq!((sources[0].reach, sources[1].reach), (0xff, 0));
    assert!(sources[0].tally.accepted > 3 && sources[1].tally.received == 0);
    assert!(world.point().error_s.abs() < 0.01);
}

/// One who answers without a digest, or relays what a server without the key says.
#[test]
fn an_answer_without_its_digest_is_counted_and_named() {
    let mut scenario = Scenario::pool(1, 1);
    scenario.sources[0].options.key = Some(7);
    scenario.keys.add(key(7, "a key that the server lacks"));
    let world = run_until(scenario, 200.0);
    let source = &world.engine().expect("it runs").sources()[0];
    assert!(source.tally.refused(Refusal::Authentication) > 3);
    assert_eq!((source.tally.accepted, reports(&world)[0].flaw), (0, Some(Flaw::Authentication)));
}
