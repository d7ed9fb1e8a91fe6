//! Sources with NTS: when their keys are established, renewed and dropped, and whose certificate may set the clock.
#![cfg(feature = "nts")]
#![allow(missing_docs)]

mod support;

use std::net::IpAddr;

use slewd::core::api::event::Event;
use slewd::core::api::flaw::Flaw;
use slewd::core::api::monitoring::AuthData;
use slewd::core::api::settings::{AuthSelectMode, Host};
use slewd::core::source::Refusal;
use slewd::sim::authentication::{Authenticates, NtsServer};
use slewd::sim::server::Server;
use slewd::sim::{Happening, Scenario, World};
use slewd::time::{Span, Utc};
use support::{reports, run_until};

/// When establishments of keys began, to the second.
fn established_at(world: &World) -> Vec<i64> {
    world.trace().establishments.iter().map(|at| at.round() as i64).collect()
}

/// `count` servers with NTS; a clock that is two seconds behind.
fn protected(count: usize) -> Scenario {
    let mut scenario = Scenario { clock_ahead: Span::from_secs(-2), ..Scenario::pool(1, count) };
    scenario.sources.iter_mut().for_each(|source| source.options.nts = true);
    scenario.servers.iter_mut().for_each(|server| server.authenticates = Authenticates::Nts(NtsServer::new()));
    scenario
}

fn change(server: &mut Server, change: impl FnOnce(&mut NtsServer)) {
    match &mut server.authenticates {
        Authenticates::Nts(nts) => change(nts),
        _ => panic!("a server with NTS"),
    }
}

/// Three round trips for the keys, one for the time, and what the timers of the simulator are late.
#[test]
fn the_clock_is_set_after_four_round_trips() {
    let world = run_until(protected(4), 100.0);
    let (at, _) = *world.trace().steps.first().expect("the clock is set");
    assert!(at < 5.0 * 0.02 + 0.05, "{at} s");
    assert_eq!(world.trace().establishments.len(), 4, "once each");
    assert!(world.point().error_s.abs() < 0.01);
    for report in reports(&world) {
        let data = report.authentication.expect("it is known");
        assert_eq!((data.mode, data.key_type, data.key_id, data.cookies), (AuthData::NTS, 30, 1, 8));
    }
}

/// chronyd's pauses after connections that are refused.
#[test]
fn a_server_of_keys_that_cannot_be_reached_is_tried_again_after_16_32_and_64_seconds() {
    let mut scenario = protected(1);
    change(&mut scenario.servers[0], |nts| nts.reachable_from_s = 110.0);
    let world = run_until(scenario, 200.0);
    assert_eq!(established_at(&world), [0, 16, 48, 112]);
    assert!(world.point().error_s.abs() < 0.01, "{}", world.point().error_s);
    let is_told = |event: &&(f64, Event)| matches!(event.1, Event::KeysFailed(_));
    assert_eq!(world.trace().events.iter().filter(is_told).count(), 1, "the log says so once");
}

/// Nothing is done for it between two attempts, and the others do not wait for it.
#[test]
fn a_server_without_keys_costs_no_wakeup_and_no_time() {
    let mut scenario = protected(3);
    change(&mut scenario.servers[2], |nts| nts.reachable_from_s = 1e9);
    let world = run_until(scenario, 3600.0);
    let (at, _) = *world.trace().steps.first().expect("the clock is set");
    assert!(at < 5.0 * 0.02 + 0.05, "{at} s");
    let mut scenario = protected(1);
    change(&mut scenario.servers[0], |nts| nts.reachable_from_s = 1e9);
    let world = run_until(scenario, 3600.0);
    // After 16, 32 ... 2048 s.
    assert_eq!(world.trace().establishments.len(), 8);
    assert!(world.trace().wakes < 50, "{}", world.trace().wakes);
    assert_eq!(world.trace().requests, 0);
}

#[test]
fn a_server_that_forgets_its_keys_is_asked_for_others_and_goes_on() {
    let mut scenario = protected(2);
    change(&mut scenario.servers[0], |nts| nts.forgets_at = vec![300.0, 900.0]);
    let world = run_until(scenario, 2500.0);
    let report = reports(&world).swap_remove(0);
    let data = report.authentication.expect("it is known");
    assert_eq!((data.key_id, data.cookies, data.nak), (3, 8, false));
    assert_ne!(report.data.reach, 0);
    assert!(world.point().error_s.abs() < 1e-3);
}

/// The one that is authenticated is honest, and the two others agree on a lie: only `ignore` takes them for as good as it.
#[test]
fn modes_work_on_what_was_really_authenticated() {
    for (mode, is_right) in [
        (AuthSelectMode::Require, true),
        (AuthSelectMode::Prefer, true),
        (AuthSelectMode::Mix, true),
        (AuthSelectMode::Ignore, false),
    ] {
        let mut scenario = protected(3);
        scenario.settings.auth_select_mode = mode;
        for (source, server) in scenario.sources.iter_mut().zip(&mut scenario.servers).skip(1) {
            source.options.nts = false;
            server.authenticates = Authenticates::No;
            server.ahead = Span::from_secs(3600);
        }
        let world = run_until(scenario, 300.0);
        assert_eq!(world.point().error_s.abs() < 0.01, is_right, "{mode:?}");
    }
}

/// A machine without a hardware clock: every certificate is not valid yet.
#[test]
fn a_clock_in_1970_is_set_by_certificates_that_are_right_afterwards() {
    let mut scenario = protected(3);
    scenario.clock_ahead = Utc::from_secs(60) - scenario.start;
    scenario.servers.iter_mut().for_each(|server| {
        // Newer than the program.
        change(server, |nts| nts.certificate.from = Utc::from_secs(1_794_000_000));
    });
    let strict = run_until(scenario.clone(), 60.0);
    assert!(strict.point().error_s.abs() > 1e5, "without leave nothing can be checked");
    scenario.nts.is_provisional = true;
    let world = run_until(scenario, 60.0);
    assert!(world.point().error_s.abs() < 0.01, "{}", world.point().error_s);
    let (at, _) = *world.trace().steps.last().expect("the clock is set");
    assert!(at < 0.2, "{at} s");
}

/// Whoever has the key of a certificate that has expired can only tell times at which it was valid, and only as long as
/// nobody else has set the clock.
#[test]
fn an_old_certificate_tells_no_time_outside_its_dates() {
    let mut scenario = protected(1);
    scenario.nts.is_provisional = true;
    change(&mut scenario.servers[0], |nts| nts.certificate.until = Utc::from_secs(1_790_000_000));
    let world = run_until(scenario.clone(), 300.0);
    assert!(world.trace().steps.is_empty() && world.trace().requests == 0, "it expired before this program was built");
    assert_eq!(reports(&world)[0].flaw, Some(Flaw::Certificate));
    change(&mut scenario.servers[0], |nts| nts.certificate.until = Utc::from_secs(1_794_500_000));
    let world = run_until(scenario, 300.0);
    assert!(world.trace().steps.is_empty());
    let source = &world.engine().expect("it runs").sources()[0];
    assert!(source.tally.refused(Refusal::CertificateDates) > 0);
    assert_eq!(reports(&world)[0].flaw, Some(Flaw::Certificate));
}

/// chronyd's pauses: a server that closes or does not answer is tried again soon, one that is wrong much later.
#[test]
fn every_pause_between_two_attempts_is_chronyds() {
    let silent = |scenario: &mut Scenario| scenario.servers[0].alive = (1e9, 1e9);
    let wrong = |scenario: &mut Scenario| {
        change(&mut scenario.servers[0], |nts| nts.certificate.until = Utc::from_secs(1_780_000_000));
    };
    let day_s = 86_400.0;
    // Each attempt with a silent server takes 16 s: 16 + 16, 16 + 32 ...
    for (spoil, expected) in [
        (&silent as &dyn Fn(&mut Scenario), vec![0, 32, 80, 160, 304, 576]),
        (&wrong, vec![0, 1024, 3072, 7168, 15_360, 31_744, 64_512]),
    ] {
        let mut scenario = protected(1);
        spoil(&mut scenario);
        let began = established_at(&run_until(scenario, day_s));
        assert_eq!(began[..expected.len()], expected);
    }
}

/// A laptop without a network for hours: the wait is over when there is one again, or somebody says that there is.
#[test]
fn a_server_of_keys_that_was_away_is_tried_again_when_the_network_changes() {
    for happening in [Happening::NetworkChanged, Happening::SetOnline(true)] {
        let mut scenario = protected(1);
        change(&mut scenario.servers[0], |nts| nts.reachable_from_s = 5000.0);
        let offline = (5050.0, Happening::SetOnline(false));
        scenario.happenings = vec![(5100.0, happening)];
        if happening == Happening::SetOnline(true) {
            scenario.happenings.insert(0, offline);
        }
        let world = run_until(scenario, 5200.0);
        let began = established_at(&world);
        assert_eq!(
            (began.len(), began.last()),
            (10, Some(&5100)),
            "{happening:?}: {began:?}, the next would be at 8176 s"
        );
        assert!(world.point().error_s.abs() < 0.01, "{happening:?}");
    }
}

/// The time at which the holder of an old key would like it to be: its certificate was valid then, and the program is older.
const LONG_AGO_S: i64 = 1_794_400_000;

/// A machine that boots in 1970; its first server has the key of a certificate that has expired, and tells an old time.
fn with_an_old_certificate() -> Scenario {
    let mut scenario = protected(3);
    scenario.clock_ahead = Utc::from_secs(60) - scenario.start;
    scenario.nts.is_provisional = true;
    scenario.servers[0].ahead = Utc::from_secs(LONG_AGO_S) - scenario.start;
    change(&mut scenario.servers[0], |nts| nts.certificate.until = Utc::from_secs(LONG_AGO_S + 100_000));
    scenario
}

/// All answer: he is outvoted, and dropped because it is a time at which his certificate is not valid.
#[test]
fn an_old_certificate_is_outvoted_and_its_source_dropped() {
    let world = run_until(with_an_old_certificate(), 60.0);
    assert!(world.point().error_s.abs() < 0.01, "{}", world.point().error_s);
    assert_eq!(world.trace().steps.len(), 2, "the first is to when the program was built: {:?}", world.trace().steps);
    let first = reports(&world).swap_remove(0);
    assert_eq!((first.flaw, first.data.reach), (Some(Flaw::Certificate), 0));
    let is_told = |event: &&(f64, Event)| matches!(&event.1, Event::KeysFailed(text) if text.contains("is valid from"));
    assert_eq!(world.trace().events.iter().filter(is_told).count(), 1);
}

/// He alone answers at first, and sets the clock to a time at which his certificate was valid. When the others come the vote
/// undoes it, also if their certificates were not valid then; and judged by the new time his is wrong.
#[test]
fn a_step_that_an_old_certificate_has_made_is_undone_and_its_source_dropped() {
    for valid_from_s in [LONG_AGO_S - 1_000_000, LONG_AGO_S + 500_000] {
        let mut scenario = with_an_old_certificate();
        for server in &mut scenario.servers[1..] {
            change(server, |nts| {
                nts.reachable_from_s = 40.0;
                nts.certificate.from = Utc::from_secs(valid_from_s);
            });
        }
        let error_s = (Utc::from_secs(LONG_AGO_S) - scenario.start).secs_f64();
        let mut world = run_until(scenario, 40.0);
        assert!((world.point().error_s.abs() - error_s.abs()).abs() < 1.0, "{}", world.point().error_s);
        world.run_for(100.0);
        assert!(world.point().error_s.abs() < 0.01, "{}", world.point().error_s);
        let steps = &world.trace().steps;
        assert_eq!(steps.len(), 3, "the first is to when the program was built: {steps:?}");
        assert_eq!(reports(&world)[0].flaw, Some(Flaw::Certificate));
        let requests = |world: &World| world.engine().expect("it runs").sources()[0].tally.sent;
        let before = requests(&world);
        world.run_for(900.0);
        assert_eq!(requests(&world), before, "it is not asked any more");
    }
}

/// One server is never there: what the other says is believed, and after an hour it is the date by which certificates are judged.
#[test]
fn a_lone_source_leaves_the_date_in_doubt_for_an_hour() {
    let mut scenario = protected(2);
    scenario.nts.is_provisional = true;
    scenario.servers[1].alive = (1e9, 1e9);
    scenario.sources[0].options.max_poll = 8;
    // Nobody has another for it in time.
    let expires = scenario.start + Span::from_secs(1800);
    change(&mut scenario.servers[0], |nts| nts.certificate.until = expires);
    let accepted = |world: &World| world.engine().expect("it runs").sources()[0].tally.accepted;
    let mut world = run_until(scenario.clone(), 1700.0);
    assert!(world.point().error_s.abs() < 0.01 && accepted(&world) > 3);
    world.run_for(2700.0);
    let refused = world.engine().expect("it runs").sources()[0].tally.refused(Refusal::CertificateDates);
    assert!(refused > 0, "its certificate has expired, and may be all that spoke for this date");
    change(&mut scenario.servers[0], |nts| nts.certificate.until = expires + Span::from_secs(7200));
    let mut world = run_until(scenario, 9000.0);
    let before = accepted(&world);
    world.run_for(11_000.0);
    assert!(accepted(&world) > before, "who was right for an hour keeps the keys until they are renewed");
}

/// `certtimecheck strict`: the time comes from a source with a symmetric key, and then the certificates are right at once.
#[test]
fn certificates_that_were_refused_are_tried_again_when_the_clock_has_been_set() {
    let mut scenario = protected(3);
    scenario.clock_ahead = Utc::from_secs(60) - scenario.start;
    scenario.servers.iter_mut().skip(1).for_each(|server| {
        // Newer than the program.
        change(server, |nts| nts.certificate.from = Utc::from_secs(1_794_000_000));
    });
    scenario.sources[0].options.nts = false;
    scenario.servers[0].authenticates = Authenticates::No;
    scenario.settings.auth_select_mode = AuthSelectMode::Ignore;
    let world = run_until(scenario, 60.0);
    assert_eq!(world.trace().establishments.len(), 4, "{:?}", world.trace().establishments);
    assert!(world.trace().establishments.iter().all(|at| *at < 15.0), "{:?}", world.trace().establishments);
    assert!(reports(&world).iter().all(|report| report.data.reach != 0));
}

#[test]
fn keys_are_renewed_in_time_without_a_gap() {
    let mut scenario = protected(1);
    scenario.nts.refresh = Some(Span::from_secs(1000));
    let world = run_until(scenario, 3500.0);
    assert_eq!(established_at(&world), [0, 1000, 2000, 3000]);
    let source = &world.engine().expect("it runs").sources()[0];
    assert_eq!(source.tally.accepted, source.tally.sent);
}

#[test]
fn the_server_of_keys_may_name_another_for_the_time() {
    let mut scenario = protected(2);
    let other = scenario.servers[1].address;
    change(&mut scenario.servers[0], |nts| nts.names = vec![other]);
    scenario.sources.truncate(1);
    let world = run_until(scenario, 100.0);
    assert!(world.point().error_s.abs() < 0.01);
    assert_eq!(world.engine().expect("it runs").sources()[0].ip(), Some(other));
}

/// chronyd's rule: the other line has this server already, and keys are asked for again much later.
#[test]
fn a_server_that_another_line_has_is_refused() {
    let mut scenario = protected(2);
    let other = scenario.servers[1].address;
    change(&mut scenario.servers[0], |nts| nts.names = vec![other]);
    let world = run_until(scenario, 2000.0);
    assert_eq!(established_at(&world), [0, 0, 1024]);
    assert_eq!(reports(&world)[0].flaw, Some(Flaw::KeyEstablishment));
    let is_told = |event: &&(f64, Event)| matches!(&event.1, Event::KeysFailed(text) if text.contains("(another source has it already)"));
    assert_eq!(world.trace().events.iter().filter(is_told).count(), 1);
    assert!(world.point().error_s.abs() < 0.01);
}

/// A pool whose name has one address, behind which are four servers of time: each establishment yields one of them.
fn hidden_pool() -> Scenario {
    let mut scenario = protected(5);
    let told = scenario.servers[1..].iter().map(|server| server.address).collect();
    change(&mut scenario.servers[0], |nts| nts.names = told);
    scenario.names = vec![("pool.example".to_owned(), 0.0, vec![scenario.servers[0].address])];
    scenario.sources.truncate(1);
    scenario.sources[0].host = Host::Name("pool.example".to_owned());
    scenario.sources[0].pool = true;
    scenario
}

#[test]
fn one_name_of_a_pool_yields_several_servers() {
    let scenario = hidden_pool();
    let expected: Vec<IpAddr> = scenario.servers[1..].iter().map(|server| server.address).collect();
    let world = run_until(scenario, 600.0);
    let mut found: Vec<IpAddr> =
        world.engine().expect("it runs").sources().iter().map(|s| s.ip().expect("a server")).collect();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(world.trace().establishments.len(), 4, "{:?}", world.trace().establishments);
    assert!(world.trace().establishments[3] < 1.0, "one after the other: {:?}", world.trace().establishments);
    assert!(world.point().error_s.abs() < 0.01);
}

/// A pool that does not know the record yet, and names one server again and again.
#[test]
fn a_pool_that_repeats_itself_yields_each_server_once_and_is_not_pestered() {
    let mut scenario = hidden_pool();
    change(&mut scenario.servers[0], |nts| nts.heeds_denials = false);
    let world = run_until(scenario, 3600.0);
    assert_eq!(world.engine().expect("it runs").sources().len(), 1);
    assert!(world.trace().establishments.len() < 12, "{:?}", world.trace().establishments);
    assert!(world.point().error_s.abs() < 0.01);
    assert!(!world.trace().events.iter().any(|(_, event)| matches!(event, Event::KeysFailed(_))));
}
