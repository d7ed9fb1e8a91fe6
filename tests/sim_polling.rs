//! No request leaves earlier than `minpoll` after the one before, but for the bursts that chrony.conf(5) and
//! docs/how-it-works.md tell of: at the start, after a change of the network, during a vote.

use slewd::core::api::settings::SourceOptions;
use slewd::sim::link::Link;
use slewd::sim::{Happening, Scenario, World};
use slewd::time::{Raw, Span};

/// The start is over (s).
const SETTLED_S: f64 = 1200.0;
const LENGTH_S: f64 = 40_000.0;

/// The gaps between the requests to the first source, in seconds, from [`SETTLED_S`] on.
fn gaps_s(scenario: Scenario) -> Vec<f64> {
    let (mut world, mut gaps, mut last) = (World::new(scenario), Vec::new(), None::<Raw>);
    let mut now_s = SETTLED_S;
    while now_s < LENGTH_S {
        now_s += 0.5;
        world.run_for(now_s);
        let sent = world.engine().and_then(|engine| engine.sources()[0].schedule.sent());
        if sent != last {
            gaps.extend(last.zip(sent).map(|(before, now)| (now - before).secs_f64()));
            last = sent;
        }
    }
    gaps
}

fn lossy(seed: u64, loss: f64, options: SourceOptions) -> Scenario {
    let mut link = Link::symmetric(0.01, 1e-3);
    link.loss = loss;
    let mut scenario = Scenario::new(seed, &[link]);
    scenario.sources[0].options = options;
    scenario.length_s = LENGTH_S;
    scenario
}

#[test]
fn minpoll_holds_under_loss() {
    for loss in [0.3, 0.8] {
        for seed in 1..4 {
            let options = SourceOptions { iburst: true, min_poll: 8, max_poll: 9, ..SourceOptions::default() };
            let gaps = gaps_s(lossy(seed, loss, options));
            let least_s = gaps.iter().copied().fold(f64::INFINITY, f64::min);
            let mean_s = gaps.iter().sum::<f64>() / gaps.len() as f64;
            println!("loss {loss}, seed {seed}: {} gaps, least {least_s:.1} s, mean {mean_s:.1} s", gaps.len());
            // Early second opinions are paid from a bucket: one in eight requests.
            let early = gaps.iter().filter(|gap_s| **gap_s < 255.0).count();
            assert!(gaps.len() > 50 && mean_s >= 256.0 && early * 8 <= gaps.len() + 48, "{loss} {seed}: {gaps:?}");
        }
    }
}

#[test]
fn a_fixed_minpoll_holds_after_the_start() {
    for loss in [0.0, 0.3] {
        for seed in 1..4 {
            let options = SourceOptions { iburst: true, min_poll: 8, max_poll: 8, ..SourceOptions::default() };
            let gaps = gaps_s(lossy(seed, loss, options));
            assert!(
                gaps.len() > 50 && gaps.iter().all(|gap_s| (255.9..265.0).contains(gap_s)),
                "{loss} {seed}: {gaps:?}"
            );
        }
    }
}

/// The server wants a pause; then the machine gets another address.
#[test]
fn a_pause_after_rate_holds_when_the_network_changes() {
    for seed in 1..4 {
        let options = SourceOptions { iburst: true, min_poll: 6, max_poll: 6, ..SourceOptions::default() };
        let mut scenario = lossy(seed, 0.0, options);
        scenario.servers[0].kisses_between = Some((*b"RATE", 5000.0, 5070.0));
        scenario.happenings = vec![(5080.0, Happening::NetworkChanged)];
        let mut world = World::new(scenario);
        world.run_for(5079.0);
        let asked = world.engine().and_then(|engine| engine.sources()[0].schedule.sent()).expect("it was asked");
        world.run_for(5080.0 + 180.0);
        let later = world.engine().and_then(|engine| engine.sources()[0].schedule.sent());
        assert_eq!(later, Some(asked), "seed {seed}: asked in the pause");
        // The longer interval was meant for the old address.
        world.run_for(8000.0);
        let interval = world.engine().map(|engine| engine.sources()[0].schedule.interval());
        assert!(interval.is_some_and(|interval| interval < Span::from_secs(70)), "seed {seed}: {interval:?}");
    }
}
