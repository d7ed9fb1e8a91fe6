//! What each directive stores, and what becomes of those that a client has no use for.

use std::net::IpAddr;

use slewd::config::{
    Class, Config, ConfigFailure, Directive, MemoryFiles, MetricsFileDirective, ReadyWhen, TempCompDirective,
    directives,
};
use slewd::core::api::settings::{AuthSelectMode, Host, InitStepSlew, LeapMode, MakeStep, MaxChange, Settings};
use slewd::core::api::temp_comp::{Curve, TempComp};
use slewd::time::Span;

fn try_load(text: &str, client_only: bool) -> Result<Config, Box<ConfigFailure>> {
    Config::from_text(&MemoryFiles::new(), "f", text.as_bytes(), client_only)
}

fn load(text: &str) -> Config {
    try_load(text, false).unwrap_or_else(|failure| panic!("{text}: {}", failure.error))
}

fn warnings(config: &Config) -> Vec<String> {
    config.warnings.iter().map(ToString::to_string).collect()
}

/// A line that is right, for each directive whose arguments are neither one word nor one number nor nothing.
fn example(directive: &Directive) -> String {
    let arguments = match directive.name {
        "server" | "pool" | "peer" => "ntp.example.net iburst",
        "refclock" => "PHC /dev/ptp0:extpps:pin=1:nocrossts poll 0 dpoll -2 lock GPS tai",
        "initstepslew" => "30 ntp.example.net 192.0.2.1",
        "bindacqaddress" | "bindaddress" => "192.0.2.1",
        "bindcmdaddress" => "/run/x.sock",
        "authselectmode" => "require",
        "leapsecmode" => "slew",
        "fallbackdrift" => "16 19",
        "makestep" => "1 3",
        "maxchange" => "1000 1 2",
        "tempcomp" => "/sys/temp 30 26000 0.0 0.000183 0.0",
        "mailonchange" => "root@localhost 0.5",
        "certtimecheck" => "strict",
        "readywhen" => "synchronized",
        "onchange" | "synchronizedfile" => "/bin/true",
        "metricsfile" => "/run/slewd/slewd.prom 15",
        "hwtimestamp" => "eth0 minpoll 1 precision 1e-8 rxfilter ptp nocrossts",
        "local" => "stratum 10 orphan distance 0.1 activate 1 waitsynced 1 waitunsynced 2",
        "broadcast" => "60 192.0.2.255 123",
        "smoothtime" => "400 0.01 leaponly",
        "ratelimit" => "interval 1 burst 16 leak 2 kod 3",
        "ntsratelimit" | "cmdratelimit" => "interval -4 burst 16 leak 2",
        "allow" | "deny" | "cmdallow" | "cmddeny" => "all 192.168/16",
        "clockprecision" => "1e-7",
        "clientloglimit" => "100000",
        "include" | "confdir" | "driftfile" | "ntstrustedcerts" | "sourcedir" => "/dev/null",
        _ if directive.arguments.starts_with('[') || directive.arguments.is_empty() => "",
        _ if directive.range().is_some() => "1",
        _ => "word",
    };
    format!("{} {arguments}\n", directive.name)
}

#[test]
fn each_directive_is_treated_as_its_class_says() {
    let files = MemoryFiles::new().with("/dev/null", "");
    for directive in directives() {
        let line = example(directive);
        let name = directive.name;
        // Twice, because nothing is said twice about what is not used.
        let text = if directive.class == Class::Retired { line.clone() } else { line.repeat(2) };
        let result = Config::from_text(&files, "f", text.as_bytes(), false);
        let expected: &[String] = match directive.class {
            Class::Used | Class::Harmless => &[],
            Class::Planned | Class::Unused => {
                &[format!("{name} directive is not used by this client at line 1 in file f")]
            }
            Class::Retired => &[format!("{name} directive is no longer supported at line 1 in file f")],
            Class::Refused => {
                let error = result.expect_err("an error").error;
                let message = format!("{name} directive is not supported by this client at line 1 in file f");
                assert_eq!(error.message, message);
                assert!(error.remedy.contains("clientonly"));
                continue;
            }
        };
        let config = result.unwrap_or_else(|failure| panic!("{line}: {}", failure.error));
        assert_eq!(warnings(&config), expected, "{line}");
    }
}

#[test]
fn serving_others_is_refused_unless_client_only() {
    let refused: Vec<_> = directives().filter(|d| d.class == Class::Refused).map(|d| d.name).collect();
    assert_eq!(refused, ["peer", "allow", "broadcast", "ntsservercert", "ntsserverkey", "ntpsigndsocket"]);
    for name in refused {
        let line = example(Directive::find(name).expect("a directive"));
        let expected = [format!("{name} directive is not used by this client at line 1 in file f")];
        let by_flag = try_load(&line, true).unwrap_or_else(|failure| panic!("{line}: {}", failure.error));
        assert_eq!(warnings(&by_flag), expected);
        // The directive counts wherever it stands.
        let by_directive = load(&format!("{line}{line}clientonly\n"));
        assert_eq!(warnings(&by_directive), expected);
        assert_eq!(by_directive.sources, []);
    }
}

/// Nobody else loses anything by it.
#[test]
fn allow_that_only_admits_this_machine_is_no_reason_to_refuse_a_file() {
    for subnet in ["127.0.0.1", "127/8", "127.0.0.0/8", "127.1.2.3/16", "::1", "all ::1/128", "localhost"] {
        let config = load(&format!("allow {subnet}\n"));
        assert_eq!(warnings(&config), ["allow directive is not used by this client at line 1 in file f"], "{subnet}");
    }
    for subnet in
        ["", "all", "0/0", "126/7", "127/7", "::/127", "::1/127", "10.0.0.1", "::ffff:127.0.0.1", "localhost.example"]
    {
        assert!(try_load(&format!("allow {subnet}\n"), false).is_err(), "{subnet}");
        assert!(try_load(&format!("allow 127.0.0.1\nallow {subnet}\n"), false).is_err(), "{subnet}");
        assert!(try_load(&format!("allow {subnet}\nallow 127.0.0.1\n"), false).is_err(), "{subnet}");
    }
}

#[test]
fn warnings_are_in_the_order_of_the_file() {
    let config = load("manual\nallow\nlocal\nclientonly\nnoclientlog\n");
    assert_eq!(config.warnings.iter().map(|w| w.place.line).collect::<Vec<_>>(), [1, 2, 3, 5]);
}

#[test]
fn a_mistake_is_found_before_a_directive_is_refused_or_ignored() {
    for (text, message) in [
        ("allow 300", "Could not parse allow directive at line 1 in file f"),
        ("peer a fast", "Invalid option in peer directive at line 1 in file f"),
        ("allow\nfoo", "Invalid directive foo at line 2 in file f"),
        ("manual x", "Too many arguments for manual directive at line 1 in file f"),
        ("local stratum 16", "Invalid value in local directive at line 1 in file f"),
        ("hwtimestamp eth0 rxfilter x", "Could not parse hwtimestamp directive at line 1 in file f"),
    ] {
        assert_eq!(try_load(text, false).expect_err("an error").error.message, message);
    }
}

#[test]
fn single_whole_numbers_are_refused_just_outside_their_range() {
    let mut checked = 0;
    for directive in directives() {
        let name = directive.name;
        let Some((min, max)) = directive.range().as_deref().and_then(bounds) else { continue };
        // Real numbers are brought into range instead.
        if try_load(&format!("{name} {}", max + 1), false).is_ok() {
            continue;
        }
        checked += 1;
        for value in [min - 1, max + 1] {
            let error = try_load(&format!("{name} {value}"), false).expect_err("an error").error;
            let range = format!("(min {min}, max {max})");
            assert_eq!(error.message, format!("Invalid value {value} in {name} directive {range} at line 1 in file f"));
        }
        for value in [min, max] {
            assert!(try_load(&format!("{name} {value}"), false).is_ok(), "{name} {value}");
        }
    }
    assert!(checked >= 9, "{checked}");
}

/// `A to B`.
fn bounds(range: &str) -> Option<(i64, i64)> {
    let (min, max) = range.split_once(" to ")?;
    Some((min.parse().ok()?, max.parse().ok()?))
}

#[test]
fn the_defaults_of_the_table_are_those_of_the_settings() {
    let mut text = String::new();
    for directive in directives().filter(|d| d.class == Class::Used && d.range().is_some()) {
        if directive.default.parse::<f64>().is_ok() {
            text.push_str(&format!("{} {}\n", directive.name, directive.default));
        }
    }
    assert!(text.lines().count() > 20, "{text}");
    let config = load(&text);
    assert_eq!(warnings(&config), Vec::<String>::new());
    assert_eq!(Config { printed: Vec::new(), ..config }, Config::default());
}

#[test]
fn settings_of_the_engine_are_stored() {
    let text = "authselectmode prefer\ncombinelimit 0\nmaxdistance 1.5\nmaxjitter 0.5\nminsources 3\nminstratum 1\n\
        maxstratum 4\nreselectdist 1e-5\nstratumweight 0\nclockprecision 1e-8\ncorrtimeratio 10\nleapsecmode Ignore\n\
        makestep 0.1 -1\nmaxchange 1000 1 -2\nmaxclockerror 5\nmaxdrift 100\nmaxslewrate 500\nmaxupdateskew 100.0\n\
        minsamples 4\nmaxsamples 1\nrefresh 0\nrtcsync\nlogchange 0.5\nhwtstimeout 0.01\n\
        nogapstep\nfallbackdrift 16 19\ninitstepslew 30 ntp.example 192.0.2.1\n";
    let expected = Settings {
        makestep: Some(MakeStep { threshold_s: 0.1, limit: -1 }),
        gap_step: false,
        max_change: Some(MaxChange { offset_s: 1000.0, start: 1, ignore: -2 }),
        max_slew_rate_ppm: 500.0,
        max_drift_ppm: 100.0,
        max_update_skew_ppm: 100.0,
        max_clock_error_ppm: 5.0,
        max_distance_s: 1.5,
        max_jitter_s: 0.5,
        min_sources: 3,
        min_samples: 4,
        max_samples: 1,
        corr_time_ratio: 10.0,
        combine_limit: 0.0,
        reselect_distance_s: 1e-5,
        stratum_weight_s: 0.0,
        min_stratum: 1,
        max_stratum: 4,
        rtc_sync: true,
        leap_mode: LeapMode::Ignore,
        log_change_s: 0.5,
        stamp_timeout_s: 0.01,
        clock_precision_s: Some(1e-8),
        refresh_s: 0,
        auth_select_mode: AuthSelectMode::Prefer,
        fallback_drift: Some((16, 19)),
        keep_samples: false,
        temp_comp: None,
        init_step_slew: Some(InitStepSlew {
            threshold_s: 30.0,
            hosts: vec![Host::Name("ntp.example".to_string()), Host::Address(IpAddr::from([192, 0, 2, 1]))],
        }),
        records: Default::default(),
    };
    let config = load(text);
    assert_eq!(config.settings, expected);
    assert_eq!(warnings(&config), Vec::<String>::new());
}

#[test]
fn values_that_the_engine_could_not_stand_are_brought_into_range_with_a_warning() {
    let config = load("maxslewrate 0\nmaxdistance -1\nclockprecision 2\nmaxdrift 1e9\nmakestep -1 99999999999\n");
    assert_eq!((config.settings.max_slew_rate_ppm, config.settings.max_distance_s), (1e-3, 0.0));
    assert_eq!((config.settings.clock_precision_s, config.settings.max_drift_ppm), (Some(1.0), 500_000.0));
    assert_eq!(config.settings.makestep, Some(MakeStep { threshold_s: 0.0, limit: i32::MAX }));
    assert_eq!(config.warnings.len(), 5);
    assert_eq!(config.warnings[0].text, "maxslewrate directive: 0 is out of range, 0.001 is used");
}

#[test]
fn files_logs_and_certificates_are_stored() {
    let config = load(
        "driftfile /d interval 60\nkeyfile /k\nleapsectz right/UTC\nleapseclist /l\nlogdir /log\nlogbanner 0\n\
         log rawmeasurements tracking\nntsdumpdir /n\nntscachedir /m\nntsrefresh 5\nntstrustedcerts 1 /c\nnosystemcert\n\
         nocerttimecheck 7\ndumponexit x\n",
    );
    assert_eq!(config.files.drift.map(|d| (d.path, d.interval_s)), Some(("/d".to_string(), 60)));
    assert_eq!(config.files.keys.as_deref(), Some("/k"));
    assert_eq!(config.files.leap_sec_tz.as_deref(), Some("right/UTC"));
    assert_eq!(config.files.leap_sec_list.as_deref(), Some("/l"));
    assert_eq!((config.logs.dir.as_deref(), config.logs.banner), (Some("/log"), 0));
    assert!(config.logs.measurements && config.logs.raw_measurements && config.logs.tracking);
    assert_eq!((config.nts.dump_dir.as_deref(), config.nts.refresh_s), (Some("/m"), 5));
    assert_eq!((config.nts.system_certs, config.nts.no_cert_time_check), (false, 7));
    assert_eq!(config.nts.trusted_certs, [(1, "/c".to_string())]);
    assert_eq!(config.warnings, []);
}

#[test]
fn the_process_and_its_sockets_are_described() {
    let config = load(
        "user _chrony\npidfile /p\nlock_all\nsched_priority 50\nacquisitionport 0\nbindacqdevice eth0\ndscp 46\n\
         cmdport 0\nbindcmdaddress /\n",
    );
    let process = &config.process;
    assert_eq!((process.user.as_deref(), process.pid_file.as_deref()), (Some("_chrony"), Some("/p")));
    assert_eq!((process.lock_all, process.sched_priority), (true, 50));
    assert_eq!((config.network.acquisition_port, config.network.dscp), (Some(0), 46));
    assert_eq!(config.network.bind_acq_device.as_deref(), Some("eth0"));
    assert_eq!((config.commands.port, config.commands.socket), (0, None));
    assert_eq!(load("pidfile /").process.pid_file, None);
}

#[test]
fn those_who_are_told_of_the_clock_are_described() {
    let config = load(
        "readywhen Synchronized\nsynchronizedfile /run/a /run/b\nonchange /usr/bin/logger -t clock\n\
         metricsfile /var/lib/node/slewd.prom 60\n",
    );
    let told = &config.announcements;
    assert_eq!(told.ready_when, ReadyWhen::Synchronized);
    assert_eq!(told.synchronized_files(false), ["/run/a", "/run/b"]);
    assert_eq!(told.on_change, ["/usr/bin/logger", "-t", "clock"]);
    let file = MetricsFileDirective { path: "/var/lib/node/slewd.prom".to_string(), interval_s: 60 };
    assert_eq!(told.metrics_file.as_ref(), Some(&file));
    assert_eq!(config.warnings, []);
    let usual = Config::default().announcements;
    assert_eq!(usual.synchronized_files(true), ["/run/slewd/synchronized"]);
    assert_eq!(usual.synchronized_files(false), [] as [&str; 0]);
    assert_eq!(load("synchronizedfile /\n").announcements.synchronized_files(true), [] as [&str; 0]);
    for wrong in
        ["onchange logger", "onchange", "readywhen ready", "metricsfile /a 0", "metricsfile a 5", "metricsfile /a"]
    {
        assert!(try_load(wrong, false).is_err(), "{wrong}");
    }
}

#[test]
fn logs_that_are_not_written_are_mentioned() {
    let config = load("log selection rtc refclocks tempcomp statistics");
    assert_eq!(config.warnings.len(), 1);
    assert_eq!(config.warnings[0].text, "log directive: the rtc log is not written by this client");
}

#[test]
fn temperatures_have_coefficients_or_a_file_of_points() {
    let config = load("tempcomp /sys/t 30 26000 0.5 0.000183 1e-9\nlog tempcomp\n");
    let curve = Curve::Quadratic { t0: 26_000.0, k: [0.5, 0.000183, 1e-9] };
    assert_eq!(config.settings.temp_comp, Some(TempComp { interval: Span::from_secs(30), curve }));
    assert!(config.logs.tempcomp && config.warnings.is_empty());
    // The last line counts, whatever its kind.
    let config = load("tempcomp /sys/t 30 26000 0.5 0.000183 1e-9\ntempcomp /sys/u 0.25 /etc/points\n");
    assert_eq!(config.settings.temp_comp, None, "not before the file is read");
    let points = Some("/etc/points".to_string());
    let interval = Span::from_millis(250);
    assert_eq!(config.files.thermometer, Some(TempCompDirective { sensor: "/sys/u".to_string(), interval, points }));
    assert_eq!(load("tempcomp /sys/t 0 0 0 0 0\n").warnings.len(), 1, "not so often");
    for line in ["tempcomp /sys/t 30", "tempcomp /sys/t 30 1 2", "tempcomp /sys/t x 26 0 0 0"] {
        assert!(try_load(line, false).is_err(), "{line}");
    }
}

#[test]
fn a_source_on_the_ptp_port_is_an_error() {
    let error = try_load("server a port 319\n\nptpport 319\n", false).expect_err("an error").error;
    assert_eq!(error.message, "Invalid value in server directive at line 1 in file f");
    assert!(error.remedy.contains("PTP"));
    assert!(try_load("server a port 123\nptpport 319\n", false).is_ok());
    assert!(try_load("server a port 0\nptpport 0\n", false).is_ok());
}

#[test]
fn rtcfile_and_rtcsync_conflict_when_the_daemon_starts() {
    let conflict = load("rtcsync\nrtcfile /r\n").conflict().expect("a conflict");
    assert_eq!(conflict.message, "rtcfile directive cannot be used with rtcsync");
    assert_eq!(load("rtcsync\n").conflict(), None);
    assert_eq!(load("rtcfile /r\n").conflict(), None);
}

#[test]
fn every_directive_is_documented_once() {
    for directive in directives() {
        assert!(std::ptr::eq(Directive::find(directive.name).expect("found"), directive), "{} twice", directive.name);
        assert_eq!(directive.name, directive.name.to_ascii_lowercase());
        assert!((5..=110).contains(&directive.help.len()), "{}", directive.name);
        assert!(!directive.help.ends_with('.'), "{}", directive.name);
    }
    assert_eq!(Directive::find("DSCP").and_then(Directive::range).as_deref(), Some("0 to 63"));
    assert_eq!(Directive::find("maxchange").map(Directive::usage).as_deref(), Some("maxchange SECONDS START IGNORE"));
}
