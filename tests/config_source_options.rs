//! The options of `server` and `pool` lines: ranges, defaults, and what becomes of values beyond them.

use slewd::config::{Class, Config, MemoryFiles, SourceOption, source_options};
use slewd::core::api::settings::{Family, SourceOptions};

fn load(line: &str) -> Result<Config, String> {
    let result = Config::from_text(&MemoryFiles::new(), "f", line.as_bytes(), false);
    result.map_err(|failure| failure.error.message.replace(" at line 1 in file f", ""))
}

fn options(line: &str) -> SourceOptions {
    let config = load(&format!("server a {line}")).unwrap_or_else(|error| panic!("{line}: {error}"));
    config.sources[0].options.clone()
}

fn warnings(line: &str) -> Vec<String> {
    let config = load(&format!("server a {line}")).unwrap_or_else(|error| panic!("{line}: {error}"));
    config.warnings.into_iter().map(|warning| warning.text).collect()
}

#[track_caller]
fn assert_option<T: PartialEq + std::fmt::Debug>(get: fn(&SourceOptions) -> T, cases: &[(&str, T)]) {
    for (line, expected) in cases {
        assert_eq!(get(&options(line)), *expected, "{line}");
    }
}

#[test]
fn a_bare_server_has_the_defaults() {
    assert_eq!(options(""), SourceOptions::default());
    assert_eq!(load("pool a").map(|config| config.sources[0].options.clone()), Ok(SourceOptions::default()));
}

#[test]
fn whole_numbers_are_refused_just_outside_their_range() {
    for (name, min, max) in [
        ("minpoll", -32, 32),
        ("maxpoll", -32, 32),
        ("presend", -32, 32),
        ("polltarget", 1, i64::from(i32::MAX)),
        ("minsamples", 0, i64::from(i32::MAX)),
        ("maxsamples", 0, i64::from(i32::MAX)),
        ("maxunreach", 0, i64::from(i32::MAX)),
        ("filter", 0, i64::from(i32::MAX)),
        ("minstratum", 0, 16),
        ("version", 1, 4),
        ("port", 0, 65535),
        ("key", 1, i64::from(u32::MAX)),
        ("ntsport", 0, 65535),
        ("certset", 0, i64::from(u32::MAX)),
        ("maxsources", 1, i64::from(i32::MAX)),
    ] {
        for (value, fits) in [(min - 1, false), (min, true), (max, true), (max + 1, false)] {
            let result = load(&format!("server a {name} {value}")).map(drop);
            let expected = if fits { Ok(()) } else { Err("Invalid value in server directive".to_string()) };
            assert_eq!(result, expected, "{name} {value}");
        }
    }
}

#[test]
fn values_are_required_and_must_be_numbers() {
    for option in source_options().filter(|option| option.range().is_some()) {
        for value in ["", "x", "iburst", "-"] {
            let result = load(&format!("server a {} {value}", option.name)).map(drop);
            assert_eq!(result, Err("Invalid value in server directive".to_string()), "{} {value}", option.name);
        }
    }
}

#[test]
fn flags_take_no_value() {
    for option in source_options().filter(|option| option.range().is_none()) {
        assert!(load(&format!("server a {}", option.name.to_uppercase())).is_ok(), "{}", option.name);
        let result = load(&format!("server a {} 1", option.name)).map(drop);
        assert_eq!(result, Err("Invalid option in server directive".to_string()), "{}", option.name);
    }
}

#[test]
fn flags_set_what_they_name() {
    let all = options("iburst burst offline auto_offline prefer noselect trust require xleave nts");
    let expected = SourceOptions {
        iburst: true,
        burst: true,
        offline: true,
        auto_offline: true,
        prefer: true,
        no_select: true,
        trust: true,
        require: true,
        xleave: true,
        nts: true,
        ..SourceOptions::default()
    };
    assert_eq!(all, expected);
}

#[test]
fn polls_below_minus_7_are_the_default_and_above_24_are_24() {
    assert_option(
        |o| (o.min_poll, o.max_poll),
        &[
            ("minpoll 4 maxpoll 5", (4, 5)),
            ("minpoll -7 maxpoll -7", (-7, -7)),
            ("minpoll -8", (6, 10)),
            ("minpoll -10", (6, 10)),
            ("minpoll 25", (24, 24)),
            ("maxpoll -8", (6, 10)),
            ("maxpoll 30", (6, 24)),
        ],
    );
}

#[test]
fn maxpoll_is_raised_to_minpoll() {
    assert_option(
        |o| (o.min_poll, o.max_poll),
        &[("maxpoll 5", (6, 6)), ("minpoll 12", (12, 12)), ("maxpoll 5 minpoll 5", (5, 5))],
    );
}

#[test]
fn polls_that_are_not_as_typed_are_mentioned() {
    assert_eq!(warnings("maxpoll 5"), ["server directive: maxpoll 5 is below minpoll, 6 is used"]);
    assert_eq!(warnings("minpoll -10"), ["server directive: minpoll -10 is out of range, 6 is used"]);
    assert_eq!(warnings("maxpoll 30"), ["server directive: maxpoll 30 is out of range, 24 is used"]);
    assert_eq!(warnings("minpoll 12"), Vec::<String>::new(), "nobody typed a maxpoll");
    assert_eq!(warnings("minpoll 4 maxpoll 4"), Vec::<String>::new());
}

#[test]
fn delays_and_ratios_are_brought_into_range() {
    assert_option(
        |o| o.max_delay_s,
        &[("", 3.0), ("maxdelay 0.1", 0.1), ("maxdelay 5000", 1000.0), ("maxdelay -1", 0.0)],
    );
    assert_option(|o| o.max_delay_ratio, &[("", 0.0), ("maxdelayratio 2.5", 2.5), ("maxdelayratio 1e9", 1e6)]);
    assert_option(|o| o.max_delay_dev_ratio, &[("", 0.0), ("maxdelaydevratio 5", 5.0), ("maxdelaydevratio 1e9", 1e6)]);
    assert_option(|o| o.min_delay_s, &[("", 0.0), ("mindelay 1e-3", 1e-3), ("mindelay -1", 0.0)]);
    assert_option(|o| o.offset_s, &[("", 0.0), ("offset -0.5", -0.5), ("offset 1e300", 1e9)]);
    assert_eq!(warnings("maxdelay 5000"), ["server directive: 5000 is out of range, 1000 is used"]);
}

#[test]
fn a_quantile_is_between_5_and_95_percent_or_off() {
    assert_option(
        |o| o.max_delay_quant,
        &[
            ("", 0.0),
            ("maxdelayquant 0.2", 0.2),
            ("maxdelayquant 0.01", 0.05),
            ("maxdelayquant 2", 0.95),
            ("maxdelayquant 0", 0.0),
            ("maxdelayquant -1", 0.0),
        ],
    );
}

#[test]
fn asymmetry_beyond_a_half_is_estimated() {
    assert_option(
        |o| o.asymmetry,
        &[
            ("", None),
            ("asymmetry 0", Some(0.0)),
            ("asymmetry -0.5", Some(-0.5)),
            ("asymmetry 0.5", Some(0.5)),
            ("asymmetry 1", None),
            ("asymmetry 0.2 asymmetry -0.6", None),
        ],
    );
}

#[test]
fn samples_are_inherited_unless_given_and_at_most_64() {
    assert_option(|o| o.min_samples, &[("", None), ("minsamples 0", Some(0)), ("minsamples 1000", Some(64))]);
    assert_option(|o| o.max_samples, &[("", None), ("maxsamples 1", Some(1)), ("maxsamples 1000", Some(64))]);
}

#[test]
fn counts_have_their_defaults_and_limits() {
    assert_option(|o| o.poll_target, &[("", 8), ("polltarget 60", 60)]);
    assert_option(|o| o.presend, &[("", 100), ("presend 9", 9), ("presend -32", -32)]);
    assert_option(|o| o.max_unreach, &[("", 0), ("maxunreach 100000", 100_000)]);
    assert_option(|o| o.filter, &[("", 0), ("filter 5", 5), ("filter 1000", 256)]);
    assert_option(|o| o.max_sources, &[("", 4), ("maxsources 1", 1), ("maxsources 17", 16)]);
    assert_option(|o| o.min_stratum, &[("", 0), ("minstratum 5", 5), ("minstratum 16", 15)]);
}

#[test]
fn the_protocol_has_its_defaults_and_interleaved_mode_is_version_4() {
    assert_option(|o| o.version, &[("", 4), ("version 3", 3), ("version 1", 1), ("xleave version 3", 4)]);
    assert_option(|o| o.port, &[("", 123), ("port 11123", 11123)]);
    assert_option(|o| o.key, &[("", None), ("key 1", Some(1)), ("key 4294967295", Some(u32::MAX))]);
    assert_option(|o| (o.nts, o.nts_port), &[("", (false, 4460)), ("nts ntsport 4461", (true, 4461))]);
    assert_option(|o| o.cert_set, &[("", 0), ("certset 1", 1)]);
}

#[test]
fn the_last_family_counts() {
    assert_option(
        |o| o.family,
        &[("", Family::Any), ("ipv4", Family::V4), ("ipv6", Family::V6), ("ipv4 ipv6", Family::V6)],
    );
}

#[test]
fn the_last_value_counts() {
    assert_option(|o| o.min_poll, &[("minpoll 4 minpoll 5", 5)]);
}

/// Wherever the line stands: the log and `slewd -p` show these warnings.
#[test]
fn a_source_that_cannot_be_authenticated_says_that_it_is_not_asked() {
    let not_asked = "server directive: a is not asked: this slewd was built without the feature nts \
        (remove the option nts to ask without authentication)";
    let without_nts = if cfg!(feature = "nts") { Vec::new() } else { vec![not_asked] };
    assert_eq!(warnings("key 1"), [] as [&str; 0], "what its key file has is not known yet");
    assert_eq!(warnings("nts key 1 ntsport 4461"), without_nts);
    assert_eq!(warnings("ntsport 4461 certset 1"), [] as [&str; 0], "without nts they mean nothing");
}

#[test]
fn options_that_do_nothing_yet_are_mentioned() {
    assert_eq!(warnings("copy"), ["server directive: the copy option is not used by this client"]);
    for id in ["F323", "f324", "0x10A"] {
        let expected = ["server directive: the extfield option is not used by this client"];
        assert_eq!(warnings(&format!("extfield {id}")), expected, "{id}");
    }
    assert_eq!(load("server a extfield 1").map(drop), Err("Invalid value in server directive".to_string()));
    let planned: Vec<_> = source_options().filter(|o| o.class == Class::Planned).map(|o| o.name).collect();
    assert_eq!(planned, ["extfield", "copy"]);
}

#[test]
fn every_option_is_documented_once() {
    for option in source_options() {
        assert!(std::ptr::eq(SourceOption::find(option.name).expect("found"), option), "{} twice", option.name);
        assert_eq!(option.name, option.name.to_ascii_lowercase());
        assert!((5..=110).contains(&option.help.len()), "{}", option.name);
        assert_eq!(option.value.is_empty(), option.range().is_none(), "{}", option.name);
        assert!(!option.default.is_empty(), "{}", option.name);
    }
    assert_eq!(SourceOption::find("version").and_then(SourceOption::range).as_deref(), Some("1 to 4"));
}
