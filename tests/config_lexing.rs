//! The form of a configuration: case, white space, comments, repetition.

use slewd::config::{Config, MemoryFiles, Subnet};
use slewd::core::api::settings::Host;

fn load(text: &str) -> Config {
    match Config::from_text(&MemoryFiles::new(), "f", text.as_bytes(), true) {
        Ok(config) => config,
        Err(failure) => panic!("{}", failure.error),
    }
}

#[test]
fn an_empty_configuration_is_the_defaults() {
    assert_eq!(load(""), Config { client_only: true, ..Config::default() });
}

#[test]
fn names_and_keywords_ignore_case_and_words_that_are_data_do_not() {
    let config = load("SERVER Host.Example IBURST MinPoll 4\nMakeStep 1 3\nleapsecmode SLEW\nlogdir /Var\n");
    assert_eq!(config.sources[0].host, Host::Name("Host.Example".to_string()));
    assert_eq!((config.sources[0].options.iburst, config.sources[0].options.min_poll), (true, 4));
    assert!(config.settings.makestep.is_some());
    assert_eq!(config.logs.dir.as_deref(), Some("/Var"));
}

#[test]
fn files_with_carriage_returns_work() {
    let config = load("server a iburst\r\n\r\n# c\r\nlogbanner 7\r\n");
    assert_eq!((config.sources.len(), config.logs.banner), (1, 7));
    assert_eq!(config.printed, ["server a iburst", "logbanner 7"]);
}

#[test]
fn comments_are_indented_as_one_likes() {
    assert_eq!(load("  # a\n\t! b\n ;c\n%d\n").printed, Vec::<String>::new());
}

#[test]
fn the_last_line_needs_no_newline() {
    assert_eq!(load("logbanner 1\nlogbanner 2").logs.banner, 2);
}

#[test]
fn the_last_of_several_numbers_or_words_counts() {
    let config = load("maxjitter 5\nmaxjitter 2\nlogdir a\nlogdir b\nmakestep 1 3\nmakestep 2 -1\n");
    assert_eq!((config.settings.max_jitter_s, config.logs.dir.as_deref()), (2.0, Some("b")));
    assert_eq!(config.settings.makestep.map(|m| (m.threshold_s, m.limit)), Some((2.0, -1)));
}

#[test]
fn sources_logs_access_rules_and_certificates_add_up() {
    let config = load(
        "server a\npool b\nserver a\nlog tracking\nlog statistics\ncmdallow 10\ncmddeny all 10.1\nsourcedir /x\n\
         sourcedir /y /z\nntstrustedcerts a\nntstrustedcerts 7 b\n",
    );
    assert_eq!(config.sources.iter().map(|s| s.pool).collect::<Vec<_>>(), [false, true, false]);
    assert!(config.logs.tracking && config.logs.statistics && !config.logs.measurements);
    let rules: Vec<_> = config.commands.access.iter().map(|rule| (rule.allow, rule.all)).collect();
    assert_eq!(rules, [(true, false), (false, true)]);
    let ten_one = Subnet::Net { address: "10.1.0.0".parse().expect("an address"), bits: 16 };
    assert_eq!(config.commands.access[1].subnet, ten_one);
    assert_eq!(config.source_dirs, [vec!["/x"], vec!["/y", "/z"]]);
    assert_eq!(config.nts.trusted_certs, [(0, "a".to_string()), (7, "b".to_string())]);
}

#[test]
fn addresses_are_kept_per_family() {
    let config = load(
        "bindacqaddress 192.0.2.1\nbindacqaddress 2001:db8::1\nbindacqaddress 192.0.2.2\nbindcmdaddress ::\n\
         bindcmdaddress /run/x.sock\n",
    );
    assert_eq!(config.network.bind_acq_v4, Some([192, 0, 2, 2].into()));
    assert_eq!(config.network.bind_acq_v6, "2001:db8::1".parse().ok());
    assert_eq!(config.commands.bind_v4, std::net::Ipv4Addr::LOCALHOST);
    assert_eq!(config.commands.bind_v6, std::net::Ipv6Addr::UNSPECIFIED);
    assert_eq!(config.commands.socket.as_deref(), Some("/run/x.sock"));
}

#[test]
fn lists_are_replaced_as_a_whole() {
    let config = load("ntsaeads 30 15\nntsaeads 15 99\nopencommands tracking\nopencommands Sources activity\n");
    assert_eq!(config.nts.aeads, [15], "and algorithms that nobody knows are left out");
    assert_eq!(config.commands.open_commands, ["sources", "activity"]);
}

#[test]
fn integers_of_directives_are_whole_words_in_base_ten() {
    assert_eq!(load("logbanner +010").logs.banner, 10);
    for word in ["5x", "0x5", "1.5", ""] {
        let text = format!("logbanner {word}");
        assert!(Config::from_text(&MemoryFiles::new(), "f", text.as_bytes(), true).is_err(), "{word}");
    }
}

#[test]
fn integers_of_options_leave_what_follows_to_the_next_word() {
    let config = load("server a minpoll 4iburst maxdelay 0.5prefer");
    let options = &config.sources[0].options;
    assert_eq!((options.min_poll, options.iburst, options.max_delay_s, options.prefer), (4, true, 0.5, true));
}

#[test]
fn reals_are_those_of_c() {
    for (word, value) in [("1e-1", 0.1), ("0x1p3", 8.0), (".5", 0.5), ("+2.", 2.0)] {
        let config = load(&format!("maxjitter {word}"));
        assert_eq!(config.settings.max_jitter_s, value, "{word}");
        assert_eq!(config.warnings, [], "{word}");
    }
}

#[test]
fn junk_after_a_real_is_accepted_with_a_warning() {
    let config = load("maxupdateskew 5abc\n");
    assert_eq!(config.settings.max_update_skew_ppm, 5.0);
    let warning = "maxupdateskew directive: \"abc\" after the number in \"5abc\" is ignored at line 1 in file f";
    assert_eq!(config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [warning]);
}

#[test]
fn infinity_and_nan_are_accepted_and_never_stored() {
    let config = load("maxdistance inf\nmaxjitter nan\nmakestep nan 3\nserver a maxdelay inf offset nan\n");
    assert_eq!((config.settings.max_distance_s, config.settings.max_jitter_s), (1e9, 1.0));
    assert_eq!(config.settings.makestep, None);
    assert_eq!((config.sources[0].options.max_delay_s, config.sources[0].options.offset_s), (1000.0, 0.0));
    assert_eq!(config.warnings.len(), 3, "one for each nan: {:?}", config.warnings);
}

#[test]
fn bytes_that_are_not_text_reach_no_resolver() {
    let files = MemoryFiles::new();
    let config = Config::from_text(&files, "f", b"server \xff\xfe iburst\nserver a\x01b\nlogbanner 2\n", false);
    let config = config.unwrap_or_else(|failure| panic!("{}", failure.error));
    assert_eq!((config.sources.len(), config.warnings.len(), config.logs.banner), (0, 2, 2));
}
