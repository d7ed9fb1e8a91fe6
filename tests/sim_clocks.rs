//! Reference clocks in the simulator: each option, devices that come late, die, freeze, jump or run at another speed, and
//! what a clock and servers do together.

#![allow(missing_docs)]

mod support;

use slewd::core::api::event::Event;
use slewd::core::api::flaw::Flaw;
use slewd::core::api::monitoring::{Address, Standing};
use slewd::core::api::reference_clock::{ClockConfig, Driver};
use slewd::core::api::source_id::ReferenceId;
use slewd::sim::device::{Ailment, Device};
use slewd::sim::{Scenario, World};
use slewd::time::Span;
use support::runs;

fn id(text: &str) -> ReferenceId {
    ReferenceId::new(text).expect("a reference ID")
}

fn line(text: &str, driver: Driver, poll: i8, dpoll: i8) -> ClockConfig {
    ClockConfig { poll, dpoll, ..ClockConfig::new(id(text), driver) }
}

/// A PTP hardware clock read four times a second, with 1 us of noise.
fn phc() -> Device {
    Device::new(line("PHC0", Driver::Phc { device: "/dev/ptp0".into(), cross: true }, 0, -2), 1e-6)
}

/// A GPS receiver over a serial line: 20 ms of noise, 130 ms late.
fn nmea() -> Device {
    let mut config = line("NMEA", Driver::Shm { unit: 0, permissions: 0o600 }, 4, 0);
    config.options.offset_s = 0.13;
    Device { ahead: Span::from_millis(-130), ..Device::new(config, 20e-3) }
}

fn pps() -> Device {
    let config = line("PPS0", Driver::Pps { device: "/dev/pps0".into(), clear: false }, 4, 0);
    Device { pulses: true, ..Device::new(config, 1e-6) }
}

fn alone(seed: u64, devices: Vec<Device>) -> Scenario {
    let mut scenario = Scenario::pool(seed, 0);
    scenario.devices = devices;
    scenario.length_s = 1200.0;
    scenario
}

fn rms_s(world: &World, from_s: f64) -> f64 {
    let errors = world.trace().points.iter().filter(|point| point.at_s >= from_s).map(|point| point.error_s);
    let squares: Vec<f64> = errors.map(|error_s| error_s * error_s).collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

fn standing(world: &World, name: &str) -> Standing {
    report(world, name).data.standing
}

fn report(world: &World, name: &str) -> slewd::core::api::snapshot::SourceReport {
    let engine = world.engine().expect("it runs");
    let snapshot = engine.snapshot(&world.reading());
    snapshot.sources.into_iter().find(|s| s.data.address == Address::Clock(id(name))).expect("the clock")
}

fn flaws(world: &World) -> Vec<Flaw> {
    let told = world.trace().events.iter().filter_map(|(_, event)| match event {
        Event::SourceUnusable(_, flaw) => Some(*flaw),
        _ => None,
    });
    told.collect()
}

fn run(scenario: Scenario) -> World {
    let length_s = scenario.length_s;
    let mut world = World::new(scenario);
    world.run_for(length_s);
    world
}

#[test]
fn a_hardware_clock_alone_keeps_the_clock_to_a_fraction_of_its_noise() {
    for seed in 1..6 {
        let mut scenario = alone(seed, vec![phc()]);
        scenario.clock_ahead = Span::from_millis(-300);
        let world = run(scenario);
        let rms_s = rms_s(&world, 600.0);
        println!("seed {seed}: {:.0} ns", 1e9 * rms_s);
        assert!(rms_s < 0.35e-6, "{rms_s:e}");
        assert_eq!(standing(&world, "PHC0"), Standing::Selected);
        let settled_s = world.trace().settled_s(1e-4).expect("it settles");
        assert!(settled_s < 60.0, "{settled_s}");
        assert_eq!(flaws(&world), []);
    }
}

#[test]
fn a_device_is_read_every_dpoll_and_nothing_else_wakes() {
    let world = run(alone(1, vec![phc()]));
    let wakes = world.trace().wakes;
    assert!((4700..5000).contains(&wakes), "{wakes} in 1200 s");
}

#[test]
fn pulses_get_their_seconds_from_the_clock_that_they_are_locked_to() {
    for seed in 1..4 {
        let mut pulses = pps();
        pulses.config.lock = Some(id("NMEA"));
        let mut serial = nmea();
        serial.config.options.no_select = true;
        let world = run(alone(seed, vec![serial, pulses]));
        let rms_s = rms_s(&world, 600.0);
        println!("seed {seed}: {:.0} ns", 1e9 * rms_s);
        assert!(rms_s < 2e-6, "{rms_s:e}");
        assert_eq!(standing(&world, "PPS0"), Standing::Selected);
    }
}

#[test]
fn pulses_without_a_lock_get_their_seconds_from_servers() {
    for seed in 1..4 {
        let mut scenario = Scenario::pool(seed, 4);
        scenario.devices = vec![pps()];
        scenario.clock_ahead = Span::from_millis(200);
        scenario.length_s = 2000.0;
        let world = run(scenario);
        let rms_s = rms_s(&world, 1500.0);
        println!("seed {seed}: {:.0} ns", 1e9 * rms_s);
        assert!(rms_s < 3e-6, "{rms_s:e}");
    }
}

#[test]
fn pulses_alone_are_no_time_and_the_log_says_so() {
    let world = run(alone(1, vec![pps()]));
    assert_eq!(flaws(&world), [Flaw::NoSeconds]);
    assert!(world.trace().steps.is_empty() && !world.engine().expect("it runs").is_synchronised());
}

/// What the system clock stamps is not used while its rate changes fast: that is no fault of the device.
#[test]
fn a_hard_slew_is_no_fault_of_a_clock() {
    for (name, device) in [("PHC0", phc()), ("NMEA", nmea()), ("PPS0", pps())] {
        let servers = if device.pulses { 4 } else { 0 };
        let mut scenario = Scenario::pool(1, servers);
        (scenario.devices, scenario.length_s) = (vec![device], 600.0);
        scenario.settings.makestep = None;
        scenario.clock_ahead = Span::from_secs(5);
        let mut world = World::new(scenario);
        let mut unheard_s = 0.0_f64;
        for second in 1..=600 {
            world.run_for(f64::from(second));
            unheard_s = unheard_s.max(report(&world, name).data.since_sample_s.map_or(0.0, f64::from));
        }
        println!("{name}: not heard for {unheard_s} s at most");
        assert!(unheard_s < 60.0, "{name}: {unheard_s}");
        assert_eq!(flaws(&world), [], "{name}");
        let is_lost = |event: &Event| matches!(event, Event::CannotSynchronise(_));
        assert!(!world.trace().events.iter().any(|(_, event)| is_lost(event)), "{name}");
        assert_eq!(standing(&world, name), Standing::Selected);
    }
}

#[test]
fn a_device_that_comes_late_is_taken_when_it_appears() {
    let late = Device { ailments: vec![(0.0, Ailment::Absent), (300.0, Ailment::None)], ..phc() };
    let mut scenario = alone(1, vec![late]);
    scenario.clock_ahead = Span::from_millis(50);
    let world = run(scenario);
    let settled_s = world.trace().settled_s(1e-3).expect("it settles");
    assert!((300.0..330.0).contains(&settled_s), "{settled_s}");
}

#[test]
fn a_sick_device_is_named_once_and_never_followed() {
    let sick = [
        (Ailment::Frozen, Flaw::DeviceFrozen),
        (Ailment::Speed(2.5), Flaw::DeviceRate),
        (Ailment::Ahead(Span::from_secs(37)), Flaw::DeviceTai),
    ];
    for (ailment, flaw) in sick {
        for servers in [0, 4] {
            let mut scenario = Scenario::pool(1, servers);
            scenario.devices = vec![Device { ailments: vec![(600.0, ailment)], ..phc() }];
            scenario.length_s = 1200.0;
            let world = run(scenario);
            let worst_s = world.trace().max_s(300.0, 1200.0);
            println!("{ailment:?} with {servers} servers: {worst_s:e}");
            assert_eq!(flaws(&world), [flaw], "{ailment:?}");
            assert!(worst_s < 2e-3, "{ailment:?} {worst_s:e}");
            assert_eq!(standing(&world, "PHC0"), Standing::Unselectable);
            assert_eq!(report(&world, "PHC0").flaw, Some(flaw));
        }
    }
}

#[test]
fn a_clock_that_may_keep_tai_is_named_at_its_first_reading() {
    let suspected = |device: Device| {
        let world = run(alone(1, vec![device]));
        let is_it = |(_, event): &&(f64, Event)| matches!(event, Event::DeviceMayKeepTai(_));
        world.trace().events.iter().filter(is_it).count()
    };
    let ahead = |ahead_s| Device { ahead: Span::from_secs(ahead_s), ..phc() };
    assert_eq!([37, 0, -37, 33].map(|ahead_s| suspected(ahead(ahead_s))), [1, 0, 0, 0]);
    let mut told = ahead(37);
    told.config.options.offset_s = -37.0;
    assert_eq!(suspected(told), 0, "its line says so");
}

#[test]
fn a_device_that_was_sick_from_the_start_is_never_believed() {
    for (ailment, flaw) in [(Ailment::Frozen, Flaw::DeviceFrozen), (Ailment::Speed(2.5), Flaw::DeviceRate)] {
        let world = run(alone(1, vec![Device { ailments: vec![(0.0, ailment)], ..phc() }]));
        assert_eq!(flaws(&world), [flaw]);
        assert!(world.trace().steps.is_empty());
    }
}

#[test]
fn a_device_that_dies_leaves_the_clock_to_the_servers() {
    let mut scenario = Scenario::pool(1, 4);
    scenario.devices = vec![Device { ailments: vec![(600.0, Ailment::Absent)], ..phc() }];
    let world = run(scenario);
    assert_eq!(standing(&world, "PHC0"), Standing::Unselectable);
    assert!(world.engine().expect("it runs").is_synchronised());
    assert!(world.trace().max_s(600.0, 4000.0) < 1e-3);
}

#[test]
fn a_clock_that_recovers_is_followed_again() {
    let device = Device { ailments: vec![(600.0, Ailment::Frozen), (700.0, Ailment::None)], ..phc() };
    let world = run(alone(1, vec![device]));
    assert_eq!(standing(&world, "PHC0"), Standing::Selected);
    assert!(rms_s(&world, 1000.0) < 1e-6);
}

#[test]
fn a_jump_of_a_lone_clock_is_told_and_followed_as_that_of_a_lone_server() {
    let device = Device { ailments: vec![(600.0, Ailment::Ahead(Span::from_secs(5)))], ..phc() };
    let world = run(alone(1, vec![device]));
    let jumps = world.trace().events.iter().filter(|(_, event)| matches!(event, Event::DeviceJumped(..))).count();
    assert_eq!(jumps, 1);
}

#[test]
fn a_lying_clock_is_outvoted_by_servers_and_a_lying_server_by_the_others() {
    for seed in 1..4 {
        let mut scenario = Scenario::pool(seed, 4);
        scenario.devices = vec![Device { ahead: Span::from_millis(400), ..phc() }];
        scenario.length_s = 1200.0;
        let world = run(scenario);
        assert_eq!(standing(&world, "PHC0"), Standing::Falseticker);
        assert!(world.trace().max_s(300.0, 1200.0) < 3e-3);

        let mut scenario = Scenario::pool(seed, 4);
        scenario.servers[0] = scenario.servers[0].clone().ahead(Span::from_millis(400));
        scenario.devices = vec![phc()];
        scenario.length_s = 1200.0;
        let world = run(scenario);
        let rms_s = rms_s(&world, 600.0);
        println!("seed {seed}: {:.0} ns beside a liar", 1e9 * rms_s);
        assert!(rms_s < 2e-6, "{rms_s:e}");
        assert_eq!(standing(&world, "PHC0"), Standing::Selected);
    }
}

#[test]
fn a_clock_beside_servers_decides_and_the_servers_are_asked_rarely() {
    let requests = |devices: Vec<Device>| {
        let mut scenario = Scenario::pool(1, 4);
        scenario.devices = devices;
        run(scenario).trace().requests
    };
    let (with, without) = (requests(vec![phc()]), requests(vec![]));
    assert!(5 * with <= 6 * without, "{with} requests beside a clock, {without} without");
}

#[test]
fn all_runs_with_a_serial_clock_stay_within_its_noise() {
    let worst = runs(|seed| alone(seed, vec![nmea()]));
    for run in &worst.runs {
        let error_s = run.trace.max_s(600.0, 1200.0);
        println!("seed {}: {error_s:e}", run.seed);
        assert!(error_s < 50e-3, "{error_s:e}");
    }
}
