//! Stamps of departure that come late, twice, never or for another request, by the kernel and by the network card
//! (`hwtimestamp`, `hwtstimeout`): what they are worth, and that they never make a bound that does not hold.

use slewd::core::api::monitoring::{NtpData, StampedBy};
use slewd::sim::card::Card;
use slewd::sim::link::Link;
use slewd::sim::{Scenario, World};
use slewd::time::Span;

const SEEDS: std::ops::Range<u64> = 1..4;

const SETTLED_S: f64 = 600.0;
const LENGTH_S: f64 = 3000.0;

/// What a run came to.
#[derive(Debug)]
struct Figures {
    rms_us: f64,
    /// Moments at which the error was beyond the bound.
    beyond: u32,
    ntp: NtpData,
}

/// A server in the same rack, asked every 8 s, and the kernel 20 us from the cable on average.
fn near(seed: u64, card: Option<Card>) -> Scenario {
    let mut scenario = Scenario::new(seed, &[Link::symmetric(1e-4, 1e-7)]);
    scenario.servers[0].precision = -30;
    scenario.sources[0].options.min_poll = 3;
    scenario.sources[0].options.max_poll = 3;
    scenario.settings.clock_precision_s = Some(1e-8);
    scenario.card = card;
    scenario
}

fn run(scenario: Scenario) -> Figures {
    let mut world = World::new(scenario);
    let (mut squares, mut looks, mut beyond) = (0.0, 0.0, 0);
    let mut at_s = SETTLED_S;
    while at_s < LENGTH_S {
        world.run_for(at_s);
        let error_s = world.point().error_s;
        let status = world.engine().expect("it runs").status(&world.reading());
        assert!(status.synchronised, "at {at_s} s");
        beyond += u32::from(status.maximum_error_s.is_none_or(|most_s| error_s.abs() > most_s));
        (squares, looks) = (squares + error_s * error_s, looks + 1.0);
        at_s += 1.3;
    }
    let engine = world.engine().expect("it runs");
    let ntp = engine.source_report(0, &world.reading()).and_then(|report| report.ntp).expect("it is a server");
    Figures { rms_us: 1e6 * f64::sqrt(squares / looks), beyond, ntp }
}

/// All stamps by software: where the kernel is 20 us from the cable in both directions.
fn software() -> Card {
    Card { mishaps: 1.0, told_after_s: (100.0, 100.0), receives: false, ..Card::default() }
}

#[test]
fn a_card_takes_the_kernel_out_of_the_error() {
    for seed in SEEDS {
        let without = run(near(seed, Some(software())));
        let with = run(near(seed, Some(Card::default())));
        println!("seed {seed}: {:.2} us by the kernel, {:.2} us by the card", without.rms_us, with.rms_us);
        assert!(with.rms_us < 0.25 * without.rms_us, "seed {seed}: {with:?} {without:?}");
        assert_eq!((with.beyond, without.beyond), (0, 0));
        let ntp = with.ntp;
        assert_eq!((ntp.sent_by, ntp.received_by), (StampedBy::Hardware, StampedBy::Hardware));
        assert_eq!((ntp.hardware_sent, ntp.hardware_received), (ntp.total_received, ntp.total_received));
        assert_eq!((without.ntp.sent_by, without.ntp.received_by), (StampedBy::Kernel, StampedBy::Kernel));
    }
}

/// Such as cards that stamp only PTP when they receive: half of the lag is left, on one side of the exchange.
#[test]
fn an_exchange_with_one_stamp_of_either_kind_is_bounded() {
    for seed in SEEDS {
        let figures = run(near(seed, Some(Card { receives: false, ..Card::default() })));
        assert_eq!(figures.beyond, 0, "seed {seed}: {figures:?}");
        assert_eq!((figures.ntp.sent_by, figures.ntp.received_by), (StampedBy::Hardware, StampedBy::Kernel));
    }
}

#[test]
fn stamps_that_are_lost_repeated_late_or_of_another_request_cost_accuracy_only() {
    for seed in SEEDS {
        for receives in [true, false] {
            let figures = run(near(seed, Some(Card { mishaps: 0.5, receives, ..Card::default() })));
            let ntp = figures.ntp;
            assert_eq!(figures.beyond, 0, "seed {seed}: {figures:?}");
            assert_eq!(ntp.total_good, ntp.total_received, "seed {seed}: no reply is lost {figures:?}");
            assert_eq!(ntp.hardware_sent + ntp.kernel_sent, ntp.total_received, "seed {seed}: {figures:?}");
            let part = f64::from(ntp.hardware_sent) / f64::from(ntp.total_received);
            assert!((0.5..0.75).contains(&part), "seed {seed}: {part} by the card");
        }
    }
}

/// The card needs 300 us to say when the request left, and the reply is there after 200 us.
#[test]
fn a_reply_waits_for_the_card_as_long_as_hwtstimeout_says() {
    let slow = Card { told_after_s: (3e-4, 4e-4), ..Card::default() };
    for (stamp_timeout_s, by) in [(0.001, StampedBy::Hardware), (0.0, StampedBy::Kernel)] {
        let mut scenario = near(1, Some(slow.clone()));
        scenario.settings.stamp_timeout_s = stamp_timeout_s;
        let figures = run(scenario);
        assert_eq!((figures.ntp.sent_by, figures.beyond), (by, 0), "{figures:?}");
        assert_eq!(figures.ntp.total_good, figures.ntp.total_received);
    }
}

/// Drivers that hand packets to the card later stamp them when `send` has returned.
#[test]
fn a_software_stamp_that_comes_late_is_used() {
    let card = Card { software_after_s: 5e-5, ..software() };
    let figures = run(near(1, Some(card)));
    assert_eq!((figures.ntp.sent_by, figures.beyond), (StampedBy::Kernel, 0), "{figures:?}");
    assert_eq!(figures.ntp.kernel_sent, figures.ntp.total_received);
    let too_late = run(near(1, Some(Card { software_after_s: 0.1, ..software() })));
    assert_eq!((too_late.ntp.sent_by, too_late.beyond), (StampedBy::Daemon, 0), "{too_late:?}");
}

/// The clock of the card is known badly, and says so: its stamps are off by up to 40 us.
#[test]
fn what_is_not_known_of_the_cards_clock_is_in_the_bound() {
    for seed in SEEDS {
        let figures = run(near(seed, Some(Card { margin: Span::from_nanos(40_000), ..Card::default() })));
        assert_eq!(figures.beyond, 0, "seed {seed}: {figures:?}");
    }
}

/// The server's receive stamp is up to its precision later than its transmit stamp.
#[test]
fn a_reply_that_left_before_it_came_is_bounded_with_stamps_of_either_kind() {
    for (seed, receives) in [(1, true), (2, false)] {
        let mut scenario = near(seed, Some(Card { receives, ..Card::default() }));
        // 2^-17 s are 7.6 us.
        (scenario.servers[0].precision, scenario.servers[0].receives_late) = (-17, Span::from_nanos(7000));
        let figures = run(scenario);
        assert_eq!(figures.beyond, 0, "{figures:?}");
        assert_eq!(figures.ntp.total_good, figures.ntp.total_received, "{figures:?}");
    }
}

/// What is wrong by less than half of the round trip is within the bound. Stamps from the future, or from before the request,
/// do not count, and the kernel's do.
#[test]
fn a_card_that_is_wrong_and_does_not_know_makes_no_wrong_bound() {
    for (wrong_ns, is_used) in [(50_000, true), (-500_000, false), (500_000, false), (-3_600_000_000_000, false)] {
        let told_after_s = (1e-4, 1e-4);
        let card = Card { wrong_by: Span::from_nanos(wrong_ns), told_after_s, receives: false, ..Card::default() };
        let figures = run(near(1, Some(card)));
        let ntp = figures.ntp;
        assert_eq!(figures.beyond, 0, "{wrong_ns}: {figures:?}");
        let by_card = if is_used { ntp.total_received } else { 0 };
        assert_eq!((ntp.hardware_sent, ntp.kernel_sent), (by_card, ntp.total_received - by_card), "{wrong_ns}");
    }
}
