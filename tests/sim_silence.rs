//! Nothing is silent: each way not to be synchronised is told once, and to all who ask.

mod support;

use slewd::core::api::alarm::{Alarm, AlarmWatch};
use slewd::core::api::event::{Event, Obstacle};
use slewd::core::api::flaw::Flaw;
use slewd::core::api::settings::{Host, SourceConfig, SourceOptions};
use slewd::report::status::{faults, why_not};
use slewd::sim::server::Manner;
use slewd::sim::{Happening, Scenario, World};
use slewd::time::Span;
use support::runs;

/// A lone source is given up on within this.
const SOON_S: f64 = 20.0;

fn one(seed: u64) -> Scenario {
    let mut scenario = Scenario::pool(seed, 1);
    scenario.length_s = 7200.0;
    scenario.record_every = Span::from_secs(60);
    scenario
}

/// What was told, when, and what the reports said at the end.
struct Told {
    events: Vec<(f64, Event)>,
    /// The events that reach `onchange`.
    alarms: Vec<&'static str>,
    /// What `status` and `check` say, without the word before it.
    reason: Option<String>,
    /// What `check` warns of beside the time.
    faults: Option<String>,
    requests: u64,
}

fn told(scenario: Scenario, seconds: f64) -> Told {
    let mut world = World::new(scenario);
    world.run_for(seconds);
    let snapshot = world.engine().expect("it runs").snapshot(&world.reading());
    let trace = world.trace();
    let mut watch = AlarmWatch::default();
    let alarms = trace.events.iter().filter_map(|(_, event)| watch.hear(event)).map(Alarm::name).collect();
    Told {
        events: trace.events.clone(),
        alarms,
        reason: why_not(&snapshot),
        faults: faults(&snapshot),
        requests: trace.requests,
    }
}

/// The flaw of the lone source is one line, that no other is left is another; both soon, and never again.
fn expect_flaw(name: &str, flaw: Flaw, text: &str, make: impl Fn(u64) -> Scenario) {
    for seed in 0..4 {
        let told = told(make(seed), 7200.0);
        let said: Vec<_> = told.events.iter().filter(|(_, e)| matches!(e, Event::SourceUnusable(..))).collect();
        assert!(
            matches!(said[..], [(at_s, Event::SourceUnusable(_, it))] if *at_s < SOON_S && *it == flaw),
            "{name}: {said:?}"
        );
        let lost: Vec<_> = told.events.iter().filter(|(_, e)| matches!(e, Event::CannotSynchronise(_))).collect();
        let is_right = |(at_s, event): &(f64, Event)| {
            *at_s < SOON_S && matches!(event, Event::CannotSynchronise(Obstacle::NoSelectableSources { .. }))
        };
        assert!(lost.len() == 1 && is_right(lost[0]), "{name}: {lost:?}");
        assert_eq!(told.alarms, ["source-unusable", "never-synchronised"], "{name}");
        let reason = told.reason.expect("it is not synchronised");
        assert!(reason.starts_with("no source can be used: ") && reason.ends_with(text), "{name}: {reason}");
        println!("{name}, seed {seed}: {} requests in two hours, {reason}", told.requests);
    }
}

#[test]
fn a_server_that_does_not_know_the_time_is_named() {
    expect_flaw(
        "stratum 16",
        Flaw::Unsynchronised,
        "it does not know the time itself (stratum 16 or leap 3)",
        |seed| {
            let mut scenario = one(seed);
            scenario.servers[0].manner = Manner::Unsynchronised;
            scenario
        },
    );
}

#[test]
fn replies_that_are_refused_at_reach_377_are_named() {
    let slow = |seed: u64| {
        let mut scenario = one(seed);
        scenario.sources[0].options.max_delay_s = 1e-3;
        scenario.sources[0].options.min_poll = 0;
        scenario.sources[0].options.max_poll = 6;
        scenario
    };
    for seed in 0..4 {
        let told = told(slow(seed), 7200.0);
        let said: Vec<_> = told.events.iter().filter(|(_, e)| matches!(e, Event::SourceUnusable(..))).collect();
        assert!(matches!(said[..], [(_, Event::SourceUnusable(_, Flaw::Delay))]), "{said:?}");
        assert_eq!(told.alarms, ["source-unusable", "never-synchronised"]);
        assert!(
            told.reason
                .expect("not synchronised")
                .ends_with("its answers take longer than maxdelay and the like allow")
        );
    }
}

#[test]
fn a_server_that_denies_is_named() {
    let told = told(
        {
            let mut scenario = one(1);
            scenario.servers[0].manner = Manner::Kisses(*b"DENY", 0);
            scenario
        },
        30.0,
    );
    assert!(told.events.iter().any(|(_, event)| matches!(event, Event::KissDeny(..))), "{:?}", told.events);
    assert_eq!(told.alarms, ["source-unusable", "never-synchronised"]);
    let reason = told.reason.expect("it is not synchronised");
    assert!(reason.contains("192.0.2.1: it refuses to serve this client"), "{reason}");
}

#[test]
fn a_stratum_out_of_range_is_named_in_chronyds_words() {
    for (limits, below) in [((3, 15), true), ((0, 1), false)] {
        let mut scenario = one(1);
        (scenario.settings.min_stratum, scenario.settings.max_stratum) = limits;
        let told = told(scenario, 7200.0);
        let is_right = |event: &Event| match event {
            Event::StratumBelow(_, limit) => below && *limit == 3,
            Event::StratumAbove(_, limit) => !below && *limit == 1,
            _ => false,
        };
        assert_eq!(told.events.iter().filter(|(_, event)| is_right(event)).count(), 1, "{:?}", told.events);
        assert_eq!(told.alarms, ["source-unusable", "never-synchronised"]);
        let reason = told.reason.expect("it is not synchronised");
        assert!(reason.ends_with("its stratum is outside minstratum to maxstratum"), "{reason}");
    }
}

fn line(host: Host) -> SourceConfig {
    SourceConfig { host, pool: false, options: SourceOptions { iburst: true, ..SourceOptions::default() } }
}

#[test]
fn a_name_without_an_address_is_named() {
    let mut scenario = one(1);
    scenario.names = vec![("gone.example".to_owned(), 0.0, Vec::new())];
    scenario.sources = vec![line(Host::Name("gone.example".to_owned()))];
    let told = told(scenario, 7200.0);
    let names: Vec<_> =
        told.events.iter().filter(|(_, e)| matches!(e, Event::SourceUnusable(_, Flaw::NoAddress))).collect();
    assert!(names.len() == 1 && names[0].0 < SOON_S, "{names:?}");
    assert_eq!(told.alarms, ["source-unusable", "never-synchronised"]);
    assert_eq!(told.reason.as_deref(), Some("no source can be used: gone.example: its name has no address"));
}

#[test]
fn no_source_at_all_is_said() {
    let mut scenario = one(1);
    scenario.sources.clear();
    let told = told(scenario, 7200.0);
    assert_eq!(told.events.len(), 1, "{:?}", told.events);
    assert!(matches!(told.events[0], (at_s, Event::CannotSynchronise(Obstacle::NoSources)) if at_s < SOON_S));
    assert_eq!((told.alarms, told.reason.as_deref()), (vec!["never-synchronised"], Some("no source is configured")));
}

#[test]
fn a_source_beyond_the_sixteenth_and_one_named_twice_are_refused_aloud() {
    let mut scenario = Scenario::pool(1, 18);
    scenario.sources[5] = scenario.sources[4].clone();
    let told = told(scenario, 60.0);
    let refused: Vec<_> = told
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::CannotAddSource { name, reason } => Some((name.as_str(), *reason)),
            _ => None,
        })
        .collect();
    assert_eq!(refused, [("192.0.2.5", "Already in use"), ("192.0.2.18", "Too many sources")]);
    assert_eq!(told.reason, None, "the others are used");
    assert_eq!(told.faults.as_deref(), Some("192.0.2.18: all 16 places for sources are taken"));
}

#[test]
fn a_name_for_which_there_is_no_place_is_refused_aloud() {
    let mut scenario = Scenario::pool(1, 17);
    scenario.names = vec![("late.example".to_owned(), 0.0, vec!["192.0.2.17".parse().expect("an address")])];
    scenario.sources[16] = line(Host::Name("late.example".to_owned()));
    let told = told(scenario, 3000.0);
    let is_right = |event: &Event| matches!(event, Event::CannotAddSource { name, reason } if name == "late.example" && *reason == "Too many sources");
    assert_eq!(told.events.iter().filter(|(_, event)| is_right(event)).count(), 1, "{:?}", told.events);
}

#[test]
fn one_bad_server_among_good_ones_is_one_line_and_the_clock_is_right() {
    let result = runs(|seed| {
        let mut scenario = Scenario::pool(seed, 4);
        scenario.servers[2].manner = Manner::Unsynchronised;
        scenario.length_s = 21_600.0;
        scenario
    });
    result.expect("one of four does not know the time", 2.0, 6e-4, 0);
    result.expect_told("one of four", 1, |event| matches!(event, Event::SourceUnusable(_, Flaw::Unsynchronised)));
    result.expect_told("one of four", 0, |event| matches!(event, Event::CannotSynchronise(_)));
}

#[test]
fn a_server_that_recovers_is_followed_and_one_that_fails_again_is_told_of_again() {
    // It kisses for ever after so many good answers: INIT says that it has lost the time.
    let mut scenario = one(1);
    scenario.servers[0].manner = Manner::Kisses(*b"INIT", 12);
    let told = told(scenario, 14_400.0);
    let first = told.events.iter().find(|(_, event)| matches!(event, Event::SourceUnusable(..))).expect("it is told");
    assert!(matches!(first.1, Event::SourceUnusable(_, Flaw::Unsynchronised)), "{first:?}");
    assert_eq!(told.alarms, ["synchronised", "source-unusable", "lost"]);
    assert!(told.reason.expect("not synchronised").contains("it does not know the time itself"));
}

#[test]
fn to_be_set_offline_by_the_configuration_and_never_online_is_said() {
    let mut scenario = one(1);
    scenario.sources[0].options.offline = true;
    scenario.happenings = vec![(3000.0, Happening::SetOnline(true))];
    let told = told(scenario.clone(), 2000.0);
    assert_eq!((told.alarms, told.requests), (vec!["never-synchronised"], 0));
    assert_eq!(told.reason.as_deref(), Some("no source can be used: 192.0.2.1: it is set offline"));
    let told = self::told(scenario, 4000.0);
    assert_eq!((told.alarms, told.reason), (vec!["never-synchronised", "synchronised"], None));
}

#[test]
fn sources_none_of_which_may_be_selected_are_said() {
    let mut scenario = Scenario::pool(1, 2);
    scenario.sources.iter_mut().for_each(|line| line.options.no_select = true);
    let told = told(scenario, 600.0);
    assert_eq!(told.alarms, ["never-synchronised"]);
    let reason = told.reason.expect("it is not synchronised");
    assert!(reason.contains("192.0.2.1: it has the option noselect"), "{reason}");
}

#[test]
fn a_server_that_says_nothing_but_rate_is_said_at_once() {
    let mut scenario = one(1);
    scenario.servers[0].manner = Manner::Kisses(*b"RATE", 0);
    let told = told(scenario, 30.0);
    assert_eq!(told.alarms, ["never-synchronised"]);
    let reason = told.reason.expect("it is not synchronised");
    assert!(reason.ends_with("192.0.2.1: it wants to be asked less often (KoD RATE)"), "{reason}");
}

#[test]
fn a_name_whose_lookup_never_ends_is_named() {
    // The simulated resolver takes 10 s to fail for a name that it does not know at all.
    let mut scenario = one(1);
    scenario.sources = vec![line(Host::Name("slow.example".to_owned()))];
    let told = told(scenario, 30.0);
    assert_eq!(told.alarms, ["source-unusable", "never-synchronised"]);
}
