//! Options of `refclock` lines make the difference that they promise: runs with and without each. The last test knows where that
//! of each option is.

#![allow(missing_docs, clippy::disallowed_methods)]

use std::fs;
use std::path::Path;

use slewd::config::{Config, MemoryFiles, refclock_options};
use slewd::core::api::monitoring::{Address, SourceData, Standing};
use slewd::core::api::reference_clock::{ClockConfig, Driver};
use slewd::core::api::source_id::ReferenceId;
use slewd::core::clock::leap::LeapTable;
use slewd::sim::device::{Ailment, Device};
use slewd::sim::{Scenario, World};
use slewd::time::Span;

fn line(text: &str, driver: Driver, poll: i8, dpoll: i8) -> ClockConfig {
    let id = ReferenceId::new(text).expect("a reference ID");
    ClockConfig { poll, dpoll, ..ClockConfig::new(id, driver) }
}

fn phc(noise_s: f64) -> Device {
    Device::new(line("PHC0", Driver::Phc { device: "/dev/ptp0".into(), cross: true }, 2, -2), noise_s)
}

fn pps() -> Device {
    let config = line("PPS0", Driver::Pps { device: "/dev/pps0".into(), clear: false }, 4, -2);
    Device { pulses: true, ..Device::new(config, 1e-6) }
}

/// Runs these devices beside so many servers, and perhaps a leap second file.
fn run(seed: u64, servers: usize, devices: Vec<Device>, leap_table: Option<LeapTable>) -> World {
    let mut scenario = Scenario::pool(seed, servers);
    scenario.devices = devices;
    scenario.length_s = 1200.0;
    scenario.leap_tables = leap_table.into_iter().map(|table| (0.0, table)).collect();
    let mut world = World::new(scenario);
    world.run_for(1200.0);
    world
}

fn rms_s(world: &World) -> f64 {
    let errors = world.trace().points.iter().filter(|point| point.at_s >= 600.0).map(|point| point.error_s);
    let squares: Vec<f64> = errors.map(|error_s| error_s * error_s).collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

fn data(world: &World, name: &str) -> SourceData {
    let address = Address::Clock(ReferenceId::new(name).expect("a reference ID"));
    let snapshot = world.engine().expect("it runs").snapshot(&world.reading());
    snapshot.sources.into_iter().find(|source| source.data.address == address).expect("the clock").data
}

/// One device, whose line is changed, beside so many servers.
fn run_with(servers: usize, device: Device, change: impl FnOnce(&mut ClockConfig)) -> World {
    let mut device = device;
    change(&mut device.config);
    run(1, servers, vec![device], None)
}

#[test]
fn noselect_measures_and_does_not_follow() {
    let world = run_with(4, phc(1e-6), |line| line.options.no_select = true);
    assert_eq!((data(&world, "PHC0").standing, data(&world, "PHC0").reach), (Standing::Unselectable, 0o377));
    assert!(rms_s(&world) > 10.0 * rms_s(&run_with(4, phc(1e-6), |_| ())));
}

#[test]
fn require_wants_the_clock_before_anything_is_done() {
    let absent = Device { ailments: vec![(0.0, Ailment::Absent)], ..phc(1e-6) };
    let is_synchronised = |world: World| world.engine().expect("it runs").is_synchronised();
    assert!(!is_synchronised(run_with(4, absent.clone(), |line| line.options.require = true)));
    assert!(is_synchronised(run_with(4, absent, |_| ())));
}

#[test]
fn trust_believes_the_clock_against_all_servers() {
    let liar = Device { ahead: Span::from_millis(400), ..phc(1e-6) };
    let trusted = run_with(4, liar.clone(), |line| line.options.trust = true);
    assert_eq!(data(&trusted, "PHC0").standing, Standing::Selected);
    assert_eq!(data(&run_with(4, liar, |_| ()), "PHC0").standing, Standing::Falseticker);
}

#[test]
fn prefer_takes_the_worse_of_two_clocks() {
    let rms_s = |is_preferred| {
        let mut worse = phc(50e-6);
        worse.config.id = ReferenceId::new("PHC1").expect("a reference ID");
        worse.config.options.prefer = is_preferred;
        rms_s(&run(1, 0, vec![phc(1e-6), worse], None))
    };
    assert!(rms_s(true) > 3.0 * rms_s(false));
}

#[test]
fn pps_takes_only_the_fraction_of_a_second() {
    let ahead = Device { ahead: Span::from_secs(5), ..phc(1e-6) };
    let world = run_with(4, ahead.clone(), |line| line.pps = true);
    assert_eq!(data(&world, "PHC0").standing, Standing::Selected);
    assert!(rms_s(&world) < 2e-6, "{:e}", rms_s(&world));
    assert_eq!(data(&run_with(4, ahead, |_| ()), "PHC0").standing, Standing::Falseticker);
}

#[test]
fn offset_is_added_and_half_of_delay_is_part_of_the_error_bound() {
    let late = Device { ahead: Span::from_millis(-130), ..phc(1e-6) };
    assert!(rms_s(&run_with(0, late, |line| line.options.offset_s = 0.13)) < 1e-6);
    let bound_s =
        |delay_s| run_with(0, phc(1e-6), |line| line.delay_s = delay_s).kernel().report().max_error.secs_f64();
    assert!((0.1..0.11).contains(&bound_s(0.2)) && bound_s(1e-9) < 0.01, "{} {}", bound_s(0.2), bound_s(1e-9));
}

#[test]
fn filter_keeps_the_last_readings_of_a_poll() {
    let error_s = |filter| {
        let of_seed = |seed| {
            let mut device = phc(20e-6);
            device.config.filter = filter;
            rms_s(&run(seed, 0, vec![device], None))
        };
        (1..6).map(of_seed).sum::<f64>() / 5.0
    };
    let (one_s, all_s) = (error_s(1), error_s(64));
    println!("{one_s:e} with one reading of sixteen, {all_s:e} with all");
    assert!(all_s < 0.8 * one_s);
}

#[test]
fn maxdispersion_refuses_measurements_whose_readings_scatter() {
    let standing = |most_s| {
        let mut device = phc(100e-6);
        device.config.max_dispersion_s = Some(most_s);
        data(&run(1, 0, vec![device], None), "PHC0").standing
    };
    assert_eq!(standing(1e-2), Standing::Selected);
    assert_ne!(standing(1e-6), Standing::Selected);
}

#[test]
fn tai_takes_what_a_leap_file_says_off_and_without_one_there_is_no_time() {
    let list = "#@ 4102444800\n3439756800 34\n3550089600 35\n3644697600 36\n3692217600 37\n";
    let table = LeapTable::from_list("list", list.as_bytes()).expect("a good list");
    let mut device = phc(1e-6);
    device.config.tai = true;
    let world = run(1, 0, vec![device.clone()], Some(table));
    assert!(rms_s(&world) < 1e-6, "{:e}", rms_s(&world));
    assert_eq!(data(&world, "PHC0").standing, Standing::Selected);
    let without = run(1, 0, vec![device], None);
    assert!(!without.engine().expect("it runs").is_synchronised());
}

#[test]
fn width_tells_the_edges_of_a_pulse_apart() {
    let run_with = |width_s| {
        let mut device = Device { pulse_end_s: Some(0.2), ..pps() };
        device.config.width_s = width_s;
        run(1, 4, vec![device], None)
    };
    let (with, without) = (run_with(0.2), run_with(0.0));
    let spread = |world: &World| (data(world, "PPS0").standing, rms_s(world));
    println!("{:?} with width, {:?} without", spread(&with), spread(&without));
    assert_eq!(data(&with, "PPS0").standing, Standing::Selected);
    assert!(rms_s(&with) < 3e-6);
    assert_ne!(data(&without, "PPS0").standing, Standing::Selected);
}

#[test]
fn rate_says_how_many_pulses_there_are_in_a_second() {
    let run_with = |rate| {
        let mut device = Device { pulse_rate: 5, ..pps() };
        device.config.rate = rate;
        run(1, 4, vec![device], None)
    };
    let (with, without) = (run_with(5), run_with(1));
    assert_eq!(data(&with, "PPS0").standing, Standing::Selected);
    assert!(rms_s(&with) < 3e-6, "{:e}", rms_s(&with));
    assert_ne!(data(&without, "PPS0").standing, Standing::Selected);
}

#[test]
fn maxlockage_is_how_old_what_tells_the_seconds_may_be() {
    let reach = |pulses| {
        // A serial clock that is heard every 64 s.
        let mut config = line("NMEA", Driver::Shm { unit: 0, permissions: 0o600 }, 6, 6);
        config.options.offset_s = 0.13;
        config.options.no_select = true;
        let serial = Device { ahead: Span::from_millis(-130), ..Device::new(config, 5e-3) };
        let mut device = pps();
        device.config.lock = ReferenceId::new("NMEA");
        device.config.max_lock_age = pulses;
        data(&run(1, 0, vec![serial, device], None), "PPS0").reach
    };
    let (short, long) = (reach(2), reach(70));
    println!("reach {short:o} with 2 pulses, {long:o} with 70");
    assert_eq!(long, 0o377);
    assert!((1..5).contains(&short.count_ones()), "{short:o}");
}

#[test]
fn precision_is_the_least_error_of_a_measurement() {
    let error_s = |precision_s| {
        let world = run_with(0, phc(1e-6), |line| line.precision_s = precision_s);
        assert_eq!(data(&world, "PHC0").standing, Standing::Selected);
        data(&world, "PHC0").error_s
    };
    let (with_s, without_s) = (error_s(Some(1e-3)), error_s(None));
    println!("{with_s:e} with 1 ms, {without_s:e} without");
    assert!((1e-3..1.1e-3).contains(&with_s) && without_s < 1e-5);
}

#[test]
fn stratum_is_that_of_the_clock_and_we_are_one_more() {
    let strata = |stratum| {
        let world = run_with(0, phc(1e-6), |line| line.stratum = stratum);
        let snapshot = world.engine().expect("it runs").snapshot(&world.reading());
        (data(&world, "PHC0").stratum, snapshot.tracking.stratum)
    };
    assert_eq!((strata(0), strata(3)), ((0, 1), (3, 4)));
}

#[test]
fn maxsamples_forgets_what_would_have_averaged_out() {
    let rms_s = |most| rms_s(&run_with(0, phc(20e-6), |line| line.options.max_samples = most));
    let (with_s, without_s) = (rms_s(Some(3)), rms_s(None));
    println!("{with_s:e} with the last three samples, {without_s:e} with all that count");
    assert!(with_s > 1.5 * without_s);
}

#[test]
fn minsamples_does_not_believe_in_a_restless_oscillator() {
    let rms_s = |least| {
        let mut scenario = Scenario::pool(1, 0);
        scenario.crystal.wander = 1e-7;
        let mut device = phc(20e-6);
        device.config.options.min_samples = least;
        (scenario.devices, scenario.length_s) = (vec![device], 1200.0);
        let mut world = World::new(scenario);
        world.run_for(1200.0);
        rms_s(&world)
    };
    let (with_s, without_s) = (rms_s(Some(64)), rms_s(None));
    println!("{with_s:e} with 64 samples, {without_s:e} without");
    assert!(with_s > 1.5 * without_s);
}

#[test]
fn maxunreach_is_how_long_the_last_word_of_a_silent_clock_counts() {
    let standing = |polls: Option<u32>| {
        let silent = Device { ailments: vec![(600.0, Ailment::Silent)], ..phc(1e-6) };
        let world = run_with(0, silent, |line| {
            line.options.max_unreach = polls.unwrap_or(line.options.max_unreach);
        });
        let data = data(&world, "PHC0");
        assert_eq!(data.reach, 0);
        data.standing
    };
    assert_eq!((standing(None), standing(Some(10))), (Standing::Selected, Standing::Unselectable));
}

/// `local` needs no scenario of its own.
#[test]
fn local_is_what_noselect_is() {
    let line = |options: &str| {
        let text = format!("refclock PHC /dev/ptp0 {options}");
        Config::from_arguments(&MemoryFiles::new(), &[&text], false).expect("a good line").clocks
    };
    assert_eq!(line("local"), line("noselect"));
    assert_ne!(line("local"), line(""));
}

/// Where each option of a line is tried.
const TRIED: &[(&str, &str, &str)] = &[
    ("poll dpoll", "tests/sim_clocks.rs", "a_device_is_read_every_dpoll_and_nothing_else_wakes"),
    ("filter", "tests/sim_clock_options.rs", "filter_keeps_the_last_readings_of_a_poll"),
    ("refid", "tests/interop_refclock.rs", "one_writer_and_two_daemons_agree_on_every_reading_and_report"),
    ("lock", "tests/sim_clocks.rs", "pulses_get_their_seconds_from_the_clock_that_they_are_locked_to"),
    ("rate", "tests/sim_clock_options.rs", "rate_says_how_many_pulses_there_are_in_a_second"),
    ("maxlockage", "tests/sim_clock_options.rs", "maxlockage_is_how_old_what_tells_the_seconds_may_be"),
    ("width", "tests/sim_clock_options.rs", "width_tells_the_edges_of_a_pulse_apart"),
    ("pps", "tests/sim_clock_options.rs", "pps_takes_only_the_fraction_of_a_second"),
    ("offset delay", "tests/sim_clock_options.rs", "offset_is_added_and_half_of_delay_is_part_of_the_error_bound"),
    ("precision", "tests/sim_clock_options.rs", "precision_is_the_least_error_of_a_measurement"),
    ("maxdispersion", "tests/sim_clock_options.rs", "maxdispersion_refuses_measurements_whose_readings_scatter"),
    ("stratum", "tests/sim_clock_options.rs", "stratum_is_that_of_the_clock_and_we_are_one_more"),
    ("tai", "tests/sim_clock_options.rs", "tai_takes_what_a_leap_file_says_off_and_without_one_there_is_no_time"),
    ("local", "tests/sim_clock_options.rs", "local_is_what_noselect_is"),
    ("minsamples", "tests/sim_clock_options.rs", "minsamples_does_not_believe_in_a_restless_oscillator"),
    ("maxsamples", "tests/sim_clock_options.rs", "maxsamples_forgets_what_would_have_averaged_out"),
    ("maxunreach", "tests/sim_clock_options.rs", "maxunreach_is_how_long_the_last_word_of_a_silent_clock_counts"),
    ("prefer", "tests/sim_clock_options.rs", "prefer_takes_the_worse_of_two_clocks"),
    ("noselect", "tests/sim_clock_options.rs", "noselect_measures_and_does_not_follow"),
    ("trust", "tests/sim_clock_options.rs", "trust_believes_the_clock_against_all_servers"),
    ("require", "tests/sim_clock_options.rs", "require_wants_the_clock_before_anything_is_done"),
];

#[test]
fn no_option_is_left_out() {
    let is_tried = |name: &str| TRIED.iter().any(|(names, ..)| names.split(' ').any(|other| other == name));
    let missing: Vec<&str> = refclock_options().map(|option| option.name).filter(|name| !is_tried(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
    for (names, file, test) in TRIED {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect(file);
        assert!(text.contains(&format!("#[test]\nfn {test}() {{")), "{names}: no test {test} in {file}");
    }
}
