//! What the distributions install loads without a warning, and means what they meant.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use slewd::config::{Config, MemoryFiles, SourceFiles, read_source_dirs};
use slewd::core::api::settings::{Host, MakeStep, Settings, SourceConfig};
use slewd::sim::link::Link;
use slewd::sim::server::Server;
use slewd::sim::{Scenario, World};
use slewd::time::Span;

fn load(files: &MemoryFiles, path: &str) -> Config {
    let config = Config::from_file(files, path, false).unwrap_or_else(|failure| panic!("{path}: {}", failure.error));
    assert_eq!(config.warnings, [], "{path}");
    assert_eq!(config.conflict(), None);
    assert_eq!(read_source_dirs(files, &config.source_dirs).warnings, []);
    assert_keeps_time(files, &config);
    config
}

/// Started four hours behind with this configuration, and servers behind its names, slewd sets the clock and keeps it.
fn assert_keeps_time(files: &MemoryFiles, config: &Config) {
    let mut world = started(files, config);
    world.run_for(4000.0);
    let trace = world.trace();
    assert!(trace.settled_s(0.01).is_some_and(|at_s| at_s < 20.0), "{:?}: {:?}", config.printed, trace.events);
    assert!(world.point().is_synchronised, "{:?}: {:?}", config.printed, trace.events);
    assert_eq!(trace.steps.len(), 1);
}

/// A machine with this configuration whose clock is four hours behind, with servers behind all names.
fn started(files: &MemoryFiles, config: &Config) -> World {
    let found = read_source_dirs(files, &config.source_dirs);
    let mut scenario = Scenario::pool(1, 0);
    for (line, source) in config.sources.iter().chain(&found.sources).enumerate() {
        let address = |member| IpAddr::V4(Ipv4Addr::new(203, 0, 113, (4 * line + member) as u8));
        let addresses = match &source.host {
            Host::Address(address) => vec![*address],
            Host::Clock(id) => panic!("{id} is among the servers"),
            Host::Name(name) => {
                let addresses: Vec<IpAddr> = (0..4).map(address).collect();
                scenario.names.push((name.clone(), 1.0, addresses.clone()));
                addresses
            }
        };
        let server = |address: IpAddr| Server::honest(address, Link::symmetric(0.01, 0.001));
        scenario.servers.extend(addresses.into_iter().map(server));
    }
    scenario.settings = config.settings.clone();
    scenario.sources = config.sources.clone();
    scenario.clock_ahead = Span::from_secs(-4 * 3600);
    let mut world = World::new(scenario);
    world.reload(&found.sources);
    world
}

/// Names with the options that differ between distributions: `p` for pool, `i` for iburst, number of sources.
fn described(sources: &[SourceConfig]) -> Vec<String> {
    let describe = |source: &SourceConfig| {
        let pool = if source.pool { "p" } else { "s" };
        let iburst = if source.options.iburst { "i" } else { "" };
        format!("{} {pool}{iburst}{}", source.host, source.options.max_sources)
    };
    sources.iter().map(describe).collect()
}

fn step_in_first_three() -> Settings {
    Settings { makestep: Some(MakeStep { threshold_s: 1.0, limit: 3 }), rtc_sync: true, ..Settings::default() }
}

fn drift_path(config: &Config) -> Option<&str> {
    config.files.drift.as_ref().map(|drift| drift.path.as_str())
}

#[track_caller]
fn assert_debian_family(config: &Config) {
    assert_eq!(config.settings, Settings { max_update_skew_ppm: 100.0, ..step_in_first_three() });
    assert_eq!(drift_path(config), Some("/var/lib/chrony/chrony.drift"));
    assert_eq!(config.files.keys.as_deref(), Some("/etc/chrony/chrony.keys"));
    assert_eq!(config.nts.dump_dir.as_deref(), Some("/var/lib/chrony"));
    assert_eq!(config.logs.dir.as_deref(), Some("/var/log/chrony"));
    assert_eq!(config.source_dirs, [["/run/chrony-dhcp"], ["/etc/chrony/sources.d"]]);
}

#[test]
fn debian_12_with_a_cloud_fragment_and_dhcp() {
    let files = MemoryFiles::new()
        .with("/etc/chrony/chrony.conf", include_str!("fixtures/conf/debian-12.conf"))
        .with("/etc/chrony/conf.d/README", "not read")
        .with("/etc/chrony/conf.d/cloud.conf", include_str!("fixtures/conf/cloud-link-local.conf"))
        .with("/run/chrony-dhcp/eth0.sources", include_str!("fixtures/conf/dhcp.sources"))
        .with("/etc/chrony/sources.d/README", "not read\n");
    let config = load(&files, "/etc/chrony/chrony.conf");
    assert_debian_family(&config);
    assert_eq!(config.files.leap_sec_tz.as_deref(), Some("right/UTC"));
    assert_eq!(described(&config.sources), ["169.254.169.123 si4", "2.debian.pool.ntp.org pi4"]);
    let cloud = &config.sources[0].options;
    assert_eq!((cloud.prefer, cloud.min_poll, cloud.max_poll), (true, 4, 4));
    let dhcp = read_source_dirs(&files, &config.source_dirs).sources;
    assert_eq!(described(&dhcp), ["192.0.2.123 si4", "2001:db8::123 si4"]);
}

#[test]
fn debian_13() {
    let files = MemoryFiles::new().with("/etc/chrony/chrony.conf", include_str!("fixtures/conf/debian-13.conf"));
    let config = load(&files, "/etc/chrony/chrony.conf");
    assert_debian_family(&config);
    assert_eq!(config.files.leap_sec_tz, None);
    assert_eq!(config.files.leap_sec_list.as_deref(), Some("/usr/share/zoneinfo/leap-seconds.list"));
    assert_eq!(described(&config.sources), ["2.debian.pool.ntp.org pi4"]);
}

#[test]
fn ubuntu_24_04() {
    let files = MemoryFiles::new().with("/etc/chrony/chrony.conf", include_str!("fixtures/conf/ubuntu-24.04.conf"));
    let config = load(&files, "/etc/chrony/chrony.conf");
    assert_debian_family(&config);
    let pools =
        ["ntp.ubuntu.com pi4", "0.ubuntu.pool.ntp.org pi1", "1.ubuntu.pool.ntp.org pi1", "2.ubuntu.pool.ntp.org pi2"];
    assert_eq!(described(&config.sources), pools);
}

#[test]
fn ubuntu_25_10_uses_nts_by_default_and_none_of_its_sources_is_asked_without() {
    let files = MemoryFiles::new()
        .with("/etc/chrony/chrony.conf", include_str!("fixtures/conf/ubuntu-25.10.conf"))
        .with("/etc/chrony/conf.d/ubuntu-nts.conf", include_str!("fixtures/conf/ubuntu-25.10-nts.conf"))
        .with(
            "/etc/chrony/sources.d/ubuntu-ntp-pools.sources",
            include_str!("fixtures/conf/ubuntu-25.10-pools.sources"),
        );
    let config = Config::from_file(&files, "/etc/chrony/chrony.conf", false).expect("a configuration");
    assert_eq!(config.warnings, []);
    assert_debian_family(&config);
    assert_eq!(config.nts.trusted_certs, [(1, "/etc/chrony/nts-bootstrap-ubuntu.crt".to_string())]);
    let SourceFiles { sources, warnings, .. } = read_source_dirs(&files, &config.source_dirs);
    assert_eq!(sources.len(), 5);
    assert!(sources.iter().all(|s| s.pool && s.options.iburst && s.options.nts && s.options.max_sources == 1));
    let preferred: Vec<bool> = sources.iter().map(|s| s.options.prefer).collect();
    assert_eq!(preferred, [true, true, true, true, false]);
    assert_eq!(sources[4].options.cert_set, 1);
    let unasked = if cfg!(feature = "nts") { 0 } else { 5 };
    assert_eq!(warnings.len(), unasked, "each says what becomes of it: {warnings:?}");
    assert!(warnings.iter().all(|warning| warning.text.contains(" is not asked: this slewd was built without")));
    let mut world = started(&files, &config);
    world.run_for(4000.0);
    assert_eq!((world.trace().requests, world.trace().steps.len()), (0, 0));
}

#[test]
fn fedora_rhel_and_centos() {
    for (text, pool, keys, zone) in [
        (include_str!("fixtures/conf/fedora-43.conf"), "2.fedora.pool.ntp.org pi4", None, None),
        (include_str!("fixtures/conf/rhel-10.conf"), "2.rhel.pool.ntp.org pi4", None, None),
        (
            include_str!("fixtures/conf/rhel-9.conf"),
            "2.rhel.pool.ntp.org pi4",
            Some("/etc/chrony.keys"),
            Some("right/UTC"),
        ),
        (
            include_str!("fixtures/conf/centos-9.conf"),
            "2.centos.pool.ntp.org pi4",
            Some("/etc/chrony.keys"),
            Some("right/UTC"),
        ),
    ] {
        let config = load(&MemoryFiles::new().with("/etc/chrony.conf", text), "/etc/chrony.conf");
        assert_eq!(config.settings, step_in_first_three());
        assert_eq!(described(&config.sources), [pool]);
        assert_eq!(config.source_dirs, [["/run/chrony-dhcp"]]);
        assert_eq!(drift_path(&config), Some("/var/lib/chrony/drift"));
        assert_eq!(config.nts.dump_dir.as_deref(), Some("/var/lib/chrony"));
        assert_eq!(config.logs.dir.as_deref(), Some("/var/log/chrony"));
        assert_eq!((config.files.keys.as_deref(), config.files.leap_sec_tz.as_deref()), (keys, zone));
        assert_eq!(config.files.leap_sec_list.is_some(), zone.is_none());
    }
}

#[test]
fn alpine_closes_the_monitoring_port() {
    let files = MemoryFiles::new().with("/etc/chrony/chrony.conf", include_str!("fixtures/conf/alpine.conf"));
    let config = load(&files, "/etc/chrony/chrony.conf");
    assert_eq!(config.settings, step_in_first_three());
    assert_eq!(described(&config.sources), ["pool.ntp.org pi4"]);
    assert_eq!(drift_path(&config), Some("/var/lib/chrony/chrony.drift"));
    assert_eq!(config.commands.port, 0);
}

#[test]
fn arch() {
    let files = MemoryFiles::new().with("/etc/chrony.conf", include_str!("fixtures/conf/arch.conf"));
    let config = load(&files, "/etc/chrony.conf");
    assert_eq!(config.settings, step_in_first_three());
    assert_eq!(described(&config.sources), ["2.arch.pool.ntp.org pi4"]);
    assert_eq!(config.files.leap_sec_tz.as_deref(), Some("right/UTC"));
}

#[test]
fn opensuse_15_and_16() {
    let pool = include_str!("fixtures/conf/opensuse-pool.conf");
    let leap_15 = MemoryFiles::new()
        .with("/etc/chrony.conf", include_str!("fixtures/conf/opensuse-15.conf"))
        .with("/etc/chrony.d/pool.conf", pool);
    let leap_16 = MemoryFiles::new()
        .with("/usr/etc/chrony.conf", include_str!("fixtures/conf/opensuse-16.conf"))
        .with("/usr/etc/chrony.d/pool.conf", pool);
    for (files, path) in [(&leap_15, "/etc/chrony.conf"), (&leap_16, "/usr/etc/chrony.conf")] {
        let config = load(files, path);
        assert_eq!(config.settings, step_in_first_three());
        assert_eq!(described(&config.sources), ["2.opensuse.pool.ntp.org pi4"]);
        assert_eq!(drift_path(&config), Some("/var/lib/chrony/drift"));
    }
    let overridden = leap_16.with("/etc/chrony.d/pool.conf", "server ntp.example.net\n");
    assert_eq!(described(&load(&overridden, "/usr/etc/chrony.conf").sources), ["ntp.example.net s4"]);
}

/// Spec 1.5: as typed, with single spaces; comments are gone, and so is the line that names a directory of fragments.
#[test]
fn the_program_prints_each_of_them_as_it_is_understood() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/conf");
    let mut tried = 0;
    for entry in std::fs::read_dir(directory).expect("the fixtures are there") {
        let path = entry.expect("a fixture").path();
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a text");
        let is_comment = |line: &&str| line.trim_start().starts_with(['#', '!', ';', '%']) || line.trim().is_empty();
        let is_fragments = |line: &str| line.starts_with("confdir ") || line.starts_with("include ");
        let lines = text.lines().filter(|line| !is_comment(line) && !is_fragments(line));
        let expected: Vec<String> = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let slewd = Command::new(env!("CARGO_BIN_EXE_slewd")).arg("-p").arg("-f").arg(&path).output();
        let output = slewd.expect("slewd runs");
        // Fragments of the machine the test runs on are none of its business.
        let printed = String::from_utf8(output.stdout).expect("text");
        let printed: Vec<&str> = printed.lines().filter(|line| expected.iter().any(|known| known == line)).collect();
        assert_eq!(printed, expected, "{}", path.display());
        assert_eq!(output.status.code(), Some(0), "{}", path.display());
        tried += 1;
    }
    assert!(tried >= 14, "{tried}");
}
