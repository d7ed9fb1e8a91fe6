//! Each directive and each option of a source makes the difference it promises.
//!
//! The table has a line of configuration, a scenario, a figure of the run, and how that figure has to change when the
//! line is added. What is not about the engine (sockets, files, the process) is tested elsewhere.

#![allow(missing_docs, clippy::disallowed_methods)]

use std::fs;
use std::net::Ipv6Addr;
use std::path::Path;

use slewd::config::{Class, Config, MemoryFiles, directives, source_options};
use slewd::core::api::event::Event;
use slewd::core::api::measurement::Measurement;
use slewd::core::api::settings::{Host, SourceOptions};
use slewd::core::engine::Engine;
use slewd::core::source::{Refusal, Source};
use slewd::sim::link::{Link, Shape};
use slewd::sim::oscillator::Sine;
use slewd::sim::scenario::SensorModel;
use slewd::sim::server::Manner;
use slewd::sim::{Happening, Scenario, World};
use slewd::time::Span;

struct Case {
    /// Added to the configuration: a directive, or options of the first source.
    line: &'static str,
    scenario: fn() -> Scenario,
    /// What is looked at when the run has ended.
    figure: fn(&World) -> f64,
    /// How it has to change: the figure without the line, and with it.
    differs: fn(f64, f64) -> bool,
}

const fn case(
    line: &'static str,
    scenario: fn() -> Scenario,
    figure: fn(&World) -> f64,
    differs: fn(f64, f64) -> bool,
) -> Case {
    Case { line, scenario, figure, differs }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Selection.
    case("authselectmode require", four, synchronised, turned_off),
    case("authselectmode ignore", first_wants_a_key, synchronised, |without, with| (without, with) == (0.0, 1.0)),
    case("combinelimit 0", four, active, |without, with| (without, with) == (4.0, 1.0)),
    case("maxdistance 0.005", four, synchronised, turned_off),
    case("maxjitter 0.0001", four, synchronised, turned_off),
    case("minsources 5", four, synchronised, turned_off),
    case("minstratum 3", four, synchronised, turned_off),
    case("maxstratum 1", four, synchronised, turned_off),
    case("reselectdist 1", second_is_nearer, best, |without, with| (without, with) == (1.0, 0.0)),
    case("stratumweight 0", second_is_lower_but_further, best, |without, with| (without, with) == (1.0, 0.0)),

    // The clock.
    case("initstepslew 0.1 192.0.2.5", half_a_second_ahead, steps, |without, with| (without, with) == (0.0, 1.0)),
    case("initstepslew 1 192.0.2.4", only_the_first, told_of_start, |without, with| (without, with) == (0.0, 1.0)),
    case("fallbackdrift 10 12", last_frequency_is_odd, drifted_ms, |without, with| with < 0.3 * without),
    case("clockprecision 0.05", four, bound_ms, |without, with| without < 15.0 && with > 24.0),
    case("corrtimeratio 100", noisy, ppm_rms, |without, with| with < 0.8 * without),
    case("makestep 0.1 1", half_a_second_ahead, steps, |without, with| (without, with) == (0.0, 1.0)),
    case("maxchange 1 0 -1", servers_step, error_ms, |without, with| without > 4900.0 && with < 10.0),
    case("maxclockerror 100", servers_fall_silent, bound_ms, |without, with| with > 10.0 * without),
    case("maxdrift 10", fast_crystal, ppm_rms, |without, with| without < 1.0 && with > 30.0),
    case("maxslewrate 1000", half_a_second_ahead, settled_s, |without, with| with > 20.0 * without),
    case("maxupdateskew 0.00001", fast_crystal, ppm_rms, |without, with| without < 1.0 && with > 30.0),
    case("minsamples 64", restless, rms_ms, |without, with| with > 1.5 * without),
    case("maxsamples 3", noisy, ppm_rms, |without, with| with > 1.5 * without),
    case("nogapstep", somebody_sets_the_clock, steps, |without, with| (without, with) == (1.0, 0.0)),
    case("rtcsync", no_rtcsync, kernel_synchronised, |without, with| (without, with) == (0.0, 1.0)),
    case("logchange 0.1", half_a_second_ahead, wrong_told, |without, with| without == 0.0 && with > 0.0),

    case("tempcomp sensor 10 40 0 -0.2 0", warm_and_cold, rms_ms, |without, with| with < 0.7 * without),
    case("tempcomp sensor 10 40 0 -0.2 0", warm_and_alone, drifted_ms, |without, with| without > 3.0 && with < 0.3 * without),
    case("tempcomp sensor 10 40 0 0.2 0", warm_and_alone, drifted_ms, |without, with| with > 1.5 * without),
    case("tempcomp sensor 10 0 0 1 0", warm_and_cold, refused_warmths, |without, with| (without, with) == (0.0, 1.0)),

    // When to ask.
    case("server iburst", no_iburst, requests, |without, with| with > without),
    case("server burst", lossy, answered, |without, with| with > 1.3 * without),
    case("server minpoll 9", one, requests, |without, with| with < 0.7 * without),
    case("server maxpoll 6", one, requests, |without, with| with > 1.5 * without),
    case("server minpoll -3 maxpoll -3", one, requests, |without, with| without < 100.0 && (3500.0..4100.0).contains(&with)),
    case("server minpoll -3 maxpoll -3", near, requests, |without, with| without < 100.0 && with > 7000.0),
    case("server polltarget 32", restless, requests, |without, with| with > 1.5 * without),
    case("server presend 6", one, wakings, |without, with| without == 0.0 && with >= 15.0),
    case("server offline", one, requests, |without, with| without > 10.0 && with == 0.0),

    // Which replies count.
    case("server maxdelay 0.01", one, synchronised, turned_off),
    case("server maxdelayratio 1.05", one, beyond_ratio, |without, with| without == 0.0 && with > 5.0),
    case("server maxdelaydevratio 1", bimodal, beyond_deviation, |without, with| without == 0.0 && with > 5.0),
    case("server maxdelayquant 0.3", one, beyond_quantile, |without, with| without == 0.0 && with > 8.0),
    case("server mindelay 0.02", hardly_ever_unqueued, rms_ms, |without, with| with < 0.95 * without),
    case("server asymmetry 0", requests_queue, rms_ms, |without, with| with > 1.5 * without),
    case("server offset 0.05", one, error_ms, |without, with| without < 5.0 && (45.0..55.0).contains(&with)),
    case("server minsamples 64", restless, rms_ms, |without, with| with > 1.5 * without),
    case("server maxsamples 3", noisy, ppm_rms, |without, with| with > 1.5 * without),
    case("server maxunreach 1000", first_dies, voters, |without, with| (without, with) == (1.0, 2.0)),
    case("server filter 8 minpoll 4 maxpoll 4", noisy_16, scatter_ms, |without, with| with < 0.7 * without),

    // Which sources count.
    case("server prefer", four, active, |without, with| (without, with) == (4.0, 1.0)),
    case("server noselect", one, synchronised, turned_off),
    case("server trust", first_is_wrong, error_ms, |without, with| without < 10.0 && with > 4900.0),
    case("server require", first_is_dead, synchronised, turned_off),
    case("server minstratum 7", one, stratum, |without, with| (without, with) == (2.0, 7.0)),
    case("server ipv4", both_families, v6_sources, |without, with| (without, with) == (2.0, 0.0)),
    case("server ipv6", both_families, v4_sources, |without, with| (without, with) == (2.0, 0.0)),
    case("server maxsources 2", pool, sources, |without, with| (without, with) == (4.0, 2.0)),

    // The protocol.
    case("server version 3", one, version, |without, with| (without, with) == (4.0, 3.0)),
    case("server xleave", busy_server, rms_us, |without, with| without > 20.0 && with < 0.5 * without),
    case("server xleave", simple_server, accepted_basic, |without, with| without > 10.0 && with > 0.9 * without),
    case("server xleave presend 6", busy_server, told_of_wakings, |without, with| without == 0.0 && with > 10.0),
    case("server port 1123", one, port, |without, with| (without, with) == (123.0, 1123.0)),
];

/// What is not the engine's, or needs more than one figure: names, the file, a test in it, and the word by which that file
/// uses them where it is another one than the name.
const ELSEWHERE: &[(&str, &str, &str, &str)] = &[
    ("server pool include", "tests/config_include.rs", "include_reads_its_files_in_place_and_in_sorted_order", ""),
    ("confdir", "tests/config_include.rs", "confdir_goes_by_file_name_and_the_first_directory_wins", ""),
    ("sourcedir", "tests/interop_chronyd.rs", "chronyd_is_selected_from_a_sources_file", ""),
    ("clientonly", "tests/config_directives.rs", "serving_others_is_refused_unless_client_only", ""),
    ("refclock", "tests/interop_refclock.rs", "one_writer_and_two_daemons_agree_on_every_reading_and_report", ""),
    (
        "hwtimestamp",
        "tests/interop_stamps.rs",
        "an_interface_without_a_card_is_named_and_its_packets_have_stamps_of_the_kernel",
        "",
    ),
    ("hwtstimeout", "tests/sim_stamps.rs", "a_reply_waits_for_the_card_as_long_as_hwtstimeout_says", "stamp_timeout_s"),
    ("readywhen", "tests/service_manager.rs", "readiness_may_wait_for_the_clock", ""),
    ("synchronizedfile", "tests/service_manager.rs", "readiness_may_wait_for_the_clock", ""),
    ("metricsfile", "tests/service_manager.rs", "metrics_are_replaced_whole", ""),
    ("onchange", "tests/onchange.rs", "each_change_of_state_runs_it_once_with_the_facts", ""),
    ("acquisitionport", "tests/process_settings.rs", "requests_leave_from_the_configured_port_and_address", ""),
    ("bindacqaddress", "tests/process_settings.rs", "requests_leave_from_the_configured_port_and_address", ""),
    ("bindacqdevice", "tests/process_settings.rs", "requests_leave_by_the_configured_device_or_not_at_all", ""),
    ("dscp", "src/sys/udp.rs", "both_directions_are_stamped_over_ipv4", ""),
    (
        "user pidfile lock_all sched_priority",
        "tests/process_settings.rs",
        "the_process_has_the_user_the_memory_the_priority_and_the_file_that_are_configured",
        "",
    ),
    ("driftfile", "tests/interop_log_files.rs", "a_drift_file_on_a_read_only_disk_is_one_warning", ""),
    ("log logdir logbanner", "tests/interop_log_files.rs", "each_file_has_chronyds_columns", ""),
    ("dumpdir", "tests/interop_dump.rs", "a_restart_begins_where_the_last_run_ended", ""),
    ("key", "tests/sim_authentication.rs", "a_key_that_both_have_authenticates_and_another_gets_no_answer", ""),
    ("keyfile", "tests/interop_authentication.rs", "every_type_of_key_is_that_of_chronyd", ""),
    ("nts", "tests/interop_nts.rs", "the_clock_is_kept_with_keys_and_cookies_of_the_real_chronyd", ""),
    (
        "ntstrustedcerts nosystemcert certtimecheck",
        "tests/interop_nts.rs",
        "each_line_about_certificates_does_what_it_says",
        "",
    ),
    (
        "certset nocerttimecheck ntsaeads ntsport",
        "tests/interop_nts.rs",
        "each_line_about_certificates_does_what_it_says",
        "",
    ),
    ("ntsrefresh", "tests/interop_nts.rs", "keys_are_renewed_at_the_age_of_ntsrefresh", ""),
    ("ntsdumpdir ntscachedir", "tests/interop_nts.rs", "keys_are_kept_from_one_run_to_the_next_and_for_chronyd", ""),
    ("leapsecmode", "tests/sim_leap.rs", "a_leap_second_in_every_mode", "LeapMode::Slew"),
    ("leapsectz leapseclist", "tests/cli_leap.rs", "a_bad_list_and_a_bad_zone_are_ignored_with_the_reason", ""),
    ("refresh", "tests/sim_names.rs", "refresh_follows_a_name_that_has_moved", "refresh_s"),
    ("auto_offline", "tests/sim_network.rs", "auto_offline_sources_stay_away_after_a_failure_to_send", ""),
    ("cmdport", "tests/control_sockets.rs", "nothing_is_opened_where_it_is_not_wanted", ""),
    ("bindcmdaddress", "tests/control_sockets.rs", "another_directory_has_to_be_closed_already", ""),
    ("bindcmddevice", "tests/control_sockets.rs", "bindcmddevice_binds_to_an_interface_that_is_there", ""),
    ("cmdallow cmddeny", "tests/control_sockets.rs", "cmdallow_lets_others_in_and_cmddeny_keeps_some_of_them_out", ""),
    ("opencommands", "tests/control_sockets.rs", "opencommands_replaces_the_list", ""),
    ("cmdratelimit", "tests/control_sockets.rs", "only_guests_are_limited_by_cmdratelimit", ""),
];

#[test]
fn each_line_makes_its_difference() {
    let mut failures = Vec::new();
    for case in CASES {
        let run = |scenario: Scenario| {
            let length_s = scenario.length_s;
            let mut world = World::new(scenario);
            world.run_for(length_s);
            (case.figure)(&world)
        };
        let (without, with) = (run((case.scenario)()), run(configured((case.scenario)(), case.line)));
        let is_different = (case.differs)(without, with);
        println!("{:32} {without:12.4} {with:12.4} {}", case.line, if is_different { "" } else { "<- no" });
        if !is_different {
            failures.push(case.line);
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn no_directive_and_no_option_is_left_out() {
    let tried = |name: &str, prefix: &str| {
        let here = |case: &Case| case.line.strip_prefix(prefix).and_then(|line| line.split(' ').next()) == Some(name);
        CASES.iter().any(here) || ELSEWHERE.iter().any(|(names, ..)| names.split(' ').any(|other| other == name))
    };
    let used = directives().filter(|d| d.class == Class::Used && !tried(d.name, "")).map(|d| d.name);
    let options = source_options().filter(|o| o.class == Class::Used && !tried(o.name, "server ")).map(|o| o.name);
    assert_eq!(used.chain(options).collect::<Vec<_>>(), Vec::<&str>::new());
}

/// A name in the list above is worth nothing by itself: there has to be such a test, in a file whose code uses it.
#[test]
fn what_is_tried_elsewhere_is_tried_there() {
    for (names, file, test, word) in ELSEWHERE {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect(file);
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        // What stands behind a line break in a string is a word too.
        let text = text.replace("\\n", " ");
        let code: Vec<&str> = text.lines().filter(is_code).map(str::trim).collect();
        let is_there = code.windows(2).any(|pair| pair[0] == "#[test]" && pair[1] == format!("fn {test}() {{"));
        assert!(is_there, "{names}: no test {test} in {file}");
        for name in names.split(' ') {
            let wanted = if word.is_empty() { name } else { word };
            let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
            let uses = |line: &&str| line.split(|c| !is_word(c)).any(|other| other == wanted);
            assert!(code.iter().any(uses), "{name}: {file} does not use {wanted}");
        }
    }
}

/// The scenario with one more line of configuration; `server` stands for the first source's.
fn configured(mut scenario: Scenario, line: &str) -> Scenario {
    let line = line.replacen("server", "server 192.0.2.1", 1);
    let config = Config::from_arguments(&MemoryFiles::new(), &[&line], false);
    let config = config.unwrap_or_else(|failure| panic!("{line}: {}", failure.error));
    if let Some(source) = config.sources.into_iter().next() {
        let first = &mut scenario.sources[0].options;
        *first = SourceOptions { iburst: first.iburst || source.options.iburst, ..source.options };
        return scenario;
    }
    let (makestep, rtc_sync) = (scenario.settings.makestep, scenario.settings.rtc_sync);
    scenario.settings = config.settings;
    scenario.settings.makestep = scenario.settings.makestep.or(makestep);
    scenario.settings.rtc_sync |= rtc_sync;
    scenario
}

fn turned_off(without: f64, with: f64) -> bool {
    (without, with) == (1.0, 0.0)
}

// Scenarios.

fn one() -> Scenario {
    Scenario::pool(1, 1)
}

/// In the same building, but its replies wait in a queue after it has stamped them. It knows how long.
fn busy_server() -> Scenario {
    let mut scenario = Scenario::new(1, &[Link::symmetric(1e-4, 5e-6)]);
    (scenario.servers[0].dawdles_s, scenario.servers[0].interleaves) = (2e-4, true);
    scenario.length_s = 40_000.0;
    scenario
}

/// The same, and it does not know.
fn simple_server() -> Scenario {
    let mut scenario = busy_server();
    scenario.servers[0].interleaves = false;
    scenario
}

/// 2 ms away.
fn near() -> Scenario {
    let mut scenario = Scenario::new(1, &[Link::symmetric(0.001, 0.0001)]);
    scenario.length_s = 1000.0;
    scenario
}

fn four() -> Scenario {
    Scenario::pool(1, 4)
}

/// With the default mode the others may not set the clock without it.
fn first_wants_a_key() -> Scenario {
    let mut scenario = four();
    scenario.sources[0].options.key = Some(1);
    scenario
}

fn first_is_wrong() -> Scenario {
    let mut scenario = four();
    scenario.servers[0].ahead = Span::from_secs(5);
    scenario
}

fn first_is_dead() -> Scenario {
    let mut scenario = four();
    scenario.servers[0].manner = Manner::Dead;
    scenario
}

fn first_dies() -> Scenario {
    let mut scenario = Scenario::pool(1, 2);
    scenario.servers[0].alive = (0.0, 200.0);
    scenario.length_s = 20_000.0;
    scenario
}

/// The first answers first, and is selected before the other has spoken.
fn second_is_nearer() -> Scenario {
    let mut scenario = Scenario::new(1, &[Link::symmetric(0.02, 1e-4), Link::symmetric(0.002, 1e-4)]);
    scenario.servers[1].alive = (100.0, f64::INFINITY);
    scenario.length_s = 20_000.0;
    scenario
}

fn second_is_lower_but_further() -> Scenario {
    let mut scenario = Scenario::new(1, &[Link::symmetric(0.006, 1e-5), Link::symmetric(0.007, 1e-5)]);
    scenario.servers[0].stratum = 6;
    scenario
}

fn noisy() -> Scenario {
    let mut scenario = Scenario::new(1, &[Link::symmetric(0.01, 0.005)]);
    scenario.length_s = 40_000.0;
    scenario
}

fn noisy_16() -> Scenario {
    let mut scenario = noisy();
    (scenario.sources[0].options.min_poll, scenario.sources[0].options.max_poll) = (4, 4);
    scenario.length_s = 4000.0;
    scenario
}

fn lossy() -> Scenario {
    let mut scenario = one();
    scenario.servers[0].link.loss = 0.3;
    scenario.length_s = 40_000.0;
    scenario
}

fn bimodal() -> Scenario {
    Scenario::new(1, &[Link::symmetric(0.01, 0.0005).shaped(Shape::Bimodal(0.1))])
}

fn hardly_ever_unqueued() -> Scenario {
    Scenario::new(1, &[Link::symmetric(0.01, 0.005).shaped(Shape::Gamma(16))])
}

fn requests_queue() -> Scenario {
    let mut scenario = Scenario::new(3, &[Link::symmetric(0.01, 0.0)]);
    scenario.servers[0].link.forward.jitter_s = 0.005;
    scenario.length_s = 20_000.0;
    scenario
}

fn half_a_second_ahead() -> Scenario {
    let mut scenario = four();
    scenario.clock_ahead = Span::from_millis(500);
    scenario
}

fn servers_step() -> Scenario {
    let mut scenario = four();
    scenario.servers.iter_mut().for_each(|server| server.step = Some((1000.0, Span::from_secs(5))));
    scenario
}

fn servers_fall_silent() -> Scenario {
    let mut scenario = four();
    scenario.servers.iter_mut().for_each(|server| server.alive = (0.0, 2000.0));
    scenario.length_s = 6000.0;
    scenario
}

fn fast_crystal() -> Scenario {
    let mut scenario = four();
    scenario.crystal.frequency = 5e-5;
    scenario.length_s = 8000.0;
    scenario
}

fn restless() -> Scenario {
    let mut scenario = one();
    scenario.crystal.wander = 1e-7;
    scenario.length_s = 20_000.0;
    scenario
}

/// The second server exists, but is not configured.
fn only_the_first() -> Scenario {
    let mut scenario = four();
    scenario.sources.truncate(1);
    scenario.clock_ahead = Span::from_millis(-500);
    scenario
}

fn somebody_sets_the_clock() -> Scenario {
    let mut scenario = four();
    scenario.happenings = vec![(1000.0, Happening::ForeignStep(Span::from_secs(5)))];
    scenario
}

/// The crystal is warm for a quarter of an hour, then the network fails.
fn last_frequency_is_odd() -> Scenario {
    let mut scenario = four();
    scenario.crystal.steps = vec![(20_000.0, 2e-6), (21_000.0, -2e-6)];
    scenario.outages = vec![(20_900.0, f64::INFINITY)];
    scenario.length_s = 60_000.0;
    scenario
}

/// The crystal gains 0.2 ppm for each degree above 40.
fn warm_and_cold() -> Scenario {
    let mut scenario = one();
    let (mean, swing, period_s) = (40.0, 10.0, 7200.0);
    scenario.crystal.sine = Some(Sine { amplitude: 2e-6, period_s });
    scenario.thermometer = Some(SensorModel { mean, swing, period_s, resolution: 0.1 });
    scenario.length_s = 40_000.0;
    scenario
}

/// The same, and the network fails: only the temperature tells what the crystal does.
fn warm_and_alone() -> Scenario {
    let mut scenario = warm_and_cold();
    scenario.outages = vec![(20_900.0, f64::INFINITY)];
    scenario
}

fn no_rtcsync() -> Scenario {
    let mut scenario = four();
    scenario.settings.rtc_sync = false;
    scenario
}

fn no_iburst() -> Scenario {
    let mut scenario = one();
    scenario.sources[0].options.iburst = false;
    scenario.length_s = 7.0;
    scenario
}

fn pool() -> Scenario {
    let mut scenario = four();
    let addresses = scenario.servers.iter().map(|server| server.address).collect();
    scenario.names = vec![("pool.example".to_string(), 0.0, addresses)];
    scenario.sources.truncate(1);
    scenario.sources[0].host = Host::Name("pool.example".to_string());
    scenario.sources[0].pool = true;
    scenario
}

fn both_families() -> Scenario {
    let mut scenario = pool();
    for (last, server) in (1..).zip(&mut scenario.servers[..2]) {
        server.address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into();
    }
    scenario.names[0].2 = scenario.servers.iter().map(|server| server.address).collect();
    scenario
}

// Figures.

fn engine(world: &World) -> &Engine {
    world.engine().expect("it runs")
}

fn first(world: &World) -> &Source {
    &engine(world).sources()[0]
}

fn active(world: &World) -> f64 {
    engine(world).selection().active.len() as f64
}

fn voters(world: &World) -> f64 {
    engine(world).selection().voters as f64
}

fn best(world: &World) -> f64 {
    engine(world).selection().best.map_or(f64::NAN, |slot| slot.index() as f64)
}

fn sources(world: &World) -> f64 {
    engine(world).sources().len() as f64
}

fn v6_sources(world: &World) -> f64 {
    engine(world).sources().iter().filter(|source| source.ip().is_some_and(|ip| ip.is_ipv6())).count() as f64
}

fn v4_sources(world: &World) -> f64 {
    sources(world) - v6_sources(world)
}

fn synchronised(world: &World) -> f64 {
    f64::from(u8::from(engine(world).is_synchronised()))
}

fn kernel_synchronised(world: &World) -> f64 {
    f64::from(u8::from(world.point().is_synchronised))
}

fn error_ms(world: &World) -> f64 {
    world.point().error_s.abs() * 1e3
}

fn bound_ms(world: &World) -> f64 {
    engine(world).tracking(&world.reading()).map_or(f64::NAN, |tracking| tracking.bound.secs_f64() * 1e3)
}

fn rms_ms(world: &World) -> f64 {
    world.trace().rms_s(60.0, f64::INFINITY) * 1e3
}

fn rms_us(world: &World) -> f64 {
    1e3 * rms_ms(world)
}

fn accepted_basic(world: &World) -> f64 {
    let is_basic = !first(world).is_interleaved && first(world).last.is_some_and(|last| !last.interleaved);
    if is_basic { answered(world) } else { f64::NAN }
}

/// Answers, if the last one told of the request before it, which woke the path two seconds earlier.
fn told_of_wakings(world: &World) -> f64 {
    let source = first(world);
    let age = |last: &Measurement| (source.schedule.sent().unwrap_or(last.sample.at) - last.sample.at).secs_f64();
    let is_told = source.last.is_some_and(|last| last.interleaved && (1.5..2.5).contains(&age(&last)));
    if is_told { answered(world) } else { 0.0 }
}

fn ppm_rms(world: &World) -> f64 {
    world.trace().rms_frequency(4000.0, f64::INFINITY) * 1e6
}

fn settled_s(world: &World) -> f64 {
    world.trace().settled_s(0.01).unwrap_or(f64::INFINITY)
}

fn drifted_ms(world: &World) -> f64 {
    world.trace().max_s(20_900.0, f64::INFINITY) * 1e3
}

/// That the offset at the start was told, and that the host asked for it is gone.
fn told_of_start(world: &World) -> f64 {
    let is_told = world.trace().told(|event| matches!(event, Event::InitialOffset(by, false) if by.secs_f64() > 0.49));
    f64::from(u8::from(is_told && engine(world).sources().len() == 1))
}

fn refused_warmths(world: &World) -> f64 {
    world.trace().events.iter().filter(|(_, event)| matches!(event, Event::CompensationBeyond(_))).count() as f64
}

fn steps(world: &World) -> f64 {
    world.trace().steps.len() as f64
}

fn wrong_told(world: &World) -> f64 {
    world.trace().events.iter().filter(|(_, event)| matches!(event, Event::ClockWrong(_))).count() as f64
}

fn requests(world: &World) -> f64 {
    world.trace().requests as f64
}

fn answered(world: &World) -> f64 {
    first(world).tally.accepted as f64
}

fn wakings(world: &World) -> f64 {
    first(world).tally.refused(Refusal::Waking) as f64
}

fn beyond_ratio(world: &World) -> f64 {
    first(world).tally.refused(Refusal::DelayRatio) as f64
}

fn beyond_deviation(world: &World) -> f64 {
    first(world).tally.refused(Refusal::DelayDeviation) as f64
}

fn beyond_quantile(world: &World) -> f64 {
    first(world).tally.refused(Refusal::DelayQuantile) as f64
}

fn stratum(world: &World) -> f64 {
    first(world).last.map_or(f64::NAN, |last| f64::from(last.stratum))
}

fn port(world: &World) -> f64 {
    f64::from(first(world).address().expect("a server").port())
}

fn version(world: &World) -> f64 {
    f64::from(first(world).last.map_or(0, |last| last.version))
}

/// Root mean square of what a measurement is off by, as far as the clock is right.
fn scatter_ms(world: &World) -> f64 {
    let clock = world.reading().lead();
    let off = first(world).recent().map(|m| (m.sample.lead - clock).secs_f64().powi(2)).collect::<Vec<_>>();
    (off.iter().sum::<f64>() / off.len() as f64).sqrt() * 1e3
}
