//! Configurations of several files, on the command line, in `.sources` files, and how they are printed.

use slewd::config::{BUILT_IN, Config, ConfigFailure, MemoryFiles, parse_sources, read_source_dirs};
use slewd::core::api::settings::Host;

fn load(files: &MemoryFiles) -> Result<Config, Box<ConfigFailure>> {
    Config::from_file(files, "main", false)
}

fn printed(files: &MemoryFiles) -> Vec<String> {
    load(files).unwrap_or_else(|failure| panic!("{}", failure.error)).printed
}

fn hosts(config: &[slewd::core::api::settings::SourceConfig]) -> Vec<String> {
    config.iter().map(|source| source.host.to_string()).collect()
}

#[test]
fn include_reads_its_files_in_place_and_in_sorted_order() {
    let files = MemoryFiles::new()
        .with("main", "logbanner 1\ninclude /d/*.conf\nlogbanner 9\n")
        .with("/d/b.conf", "logbanner 3\n")
        .with("/d/a.conf", "logbanner 2")
        .with("/d/Z.conf", "logbanner 4")
        .with("/d/.h.conf", "bogus");
    assert_eq!(printed(&files), ["logbanner 1", "logbanner 4", "logbanner 2", "logbanner 3", "logbanner 9"]);
}

#[test]
fn include_of_nothing_is_fine_only_with_a_wildcard() {
    let wild = MemoryFiles::new().with("main", "include /d/*.conf\n").with("/d/x", "");
    assert_eq!(printed(&wild), Vec::<String>::new());
    let literal = MemoryFiles::new().with("main", "include /d/x.conf\n");
    let error = load(&literal).expect_err("an error").error;
    assert_eq!(error.message, "Could not open /d/x.conf : No such file or directory");
}

#[test]
fn include_from_a_directory_that_is_missing_is_an_error() {
    let files = MemoryFiles::new().with("main", "include /none/*.conf\n");
    let error = load(&files).expect_err("an error").error;
    assert_eq!(error.message, "Could not search for files matching /none/*.conf");
}

#[test]
fn include_takes_one_pattern() {
    for (line, what) in [("include", "Missing"), ("include a b", "Too many")] {
        let failure = load(&MemoryFiles::new().with("main", line)).expect_err("an error");
        assert_eq!(failure.error.message, format!("{what} arguments for include directive at line 1 in file main"));
        assert_eq!(failure.printed, Vec::<String>::new(), "an include is never printed");
    }
}

#[test]
fn ten_files_deep_is_deep_enough() {
    let chain = |last: usize| {
        (1..last).fold(MemoryFiles::new().with(&last.to_string(), "logbanner 99"), |files, n| {
            files.with(&n.to_string(), format!("include {}\n", n + 1))
        })
    };
    let ten = Config::from_file(&chain(10), "1", false);
    assert!(ten.is_ok_and(|config| config.logs.banner == 99));
    let eleven = Config::from_file(&chain(11), "1", false).expect_err("an error");
    assert_eq!(eleven.error.message, "Maximum include level reached");
    let ten_below_the_command_line = Config::from_arguments(&chain(11), &["include 2"], false);
    assert!(ten_below_the_command_line.is_ok());
}

#[test]
fn errors_and_warnings_name_the_included_file() {
    let files = MemoryFiles::new().with("main", "\ninclude sub\n").with("sub", "\nmanual\nbogus\n");
    let failure = load(&files).expect_err("an error");
    assert_eq!(failure.error.message, "Invalid directive bogus at line 3 in file sub");
    assert_eq!(failure.warnings[0].to_string(), "manual directive is not used by this client at line 2 in file sub");
    assert_eq!(failure.printed, ["manual", "bogus"], "the offending line is printed too");
}

#[test]
fn confdir_goes_by_file_name_and_the_first_directory_wins() {
    let files = MemoryFiles::new()
        .with("main", "confdir /a /b /missing\n")
        .with("/a/20.conf", "logbanner 1")
        .with("/a/a.conf", "logbanner 2")
        .with("/a/Z.conf", "logbanner 3")
        .with("/a/.x.conf", "bogus")
        .with("/a/30.conf.bak", "bogus")
        .with("/b/20.conf", "bogus")
        .with("/b/10.conf", "logbanner 4");
    assert_eq!(printed(&files), ["logbanner 4", "logbanner 1", "logbanner 3", "logbanner 2"]);
}

#[test]
fn confdir_takes_one_to_ten_literal_directories() {
    let files = MemoryFiles::new().with("main", "confdir /* /d?\n").with("/d1/x.conf", "bogus");
    assert!(load(&files).is_ok(), "wildcards match nothing");
    for directories in ["", " 1 2 3 4 5 6 7 8 9 10 11"] {
        let files = MemoryFiles::new().with("main", format!("confdir{directories}"));
        let error = load(&files).expect_err("an error").error;
        assert_eq!(error.message, "Could not parse confdir directive at line 1 in file main");
    }
    assert!(load(&MemoryFiles::new().with("main", "confdir 1 2 3 4 5 6 7 8 9 10")).is_ok());
}

#[test]
fn confdir_reads_a_directory_called_like_a_file_as_empty() {
    let files = MemoryFiles::new().with("main", "confdir /a\nlogbanner 1").with("/a/dir.conf/x", "bogus");
    assert_eq!(printed(&files), ["logbanner 1"]);
}

#[test]
fn sourcedir_is_only_noted_and_its_files_are_read_on_demand() {
    let files = MemoryFiles::new()
        .with("main", "sourcedir /a /b\nsourcedir /b\n")
        .with("/a/x.sources", "server one\n")
        .with("/b/x.sources", "server two\n")
        .with("/b/w.sources", "pool three iburst\n")
        .with("/b/v.conf", "server four\n");
    let config = load(&files).expect("a configuration");
    assert_eq!(config.printed, ["sourcedir /a /b", "sourcedir /b"]);
    assert_eq!(config.sources, []);
    let sources = read_source_dirs(&files, &config.source_dirs).sources;
    assert_eq!(hosts(&sources), ["three", "one", "three", "two"], "no override between two directives");
    assert!(sources[0].pool && sources[0].options.iburst);
}

#[test]
fn sourcedir_with_no_or_too_many_directories_loads_nothing() {
    for directories in ["", " 1 2 3 4 5 6 7 8 9 10 11"] {
        let files = MemoryFiles::new().with("main", format!("sourcedir{directories}"));
        let config = load(&files).expect("a configuration");
        assert_eq!((config.source_dirs.len(), config.warnings.len()), (0, 1));
    }
}

#[test]
fn sources_files_warn_of_what_is_wrong_and_lose_nothing_else() {
    let text =
        b"server a ibrust\n# c\nlogbanner 1\nserver b minpoll 4\npeer c\n\nPOOL d copy\nserver e maxpoll x\nserver\n";
    let found = parse_sources("f", text);
    assert_eq!(hosts(&found.sources), ["b", "d"]);
    let warnings: Vec<String> = found.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "Invalid option in server directive (did you mean iburst?), line ignored at line 1 in file f",
            "logbanner directive does not belong into a .sources file, line ignored at line 3 in file f",
            "peer directive does not belong into a .sources file, line ignored at line 5 in file f",
            "POOL directive: the copy option is not used by this client at line 7 in file f",
            "Invalid value in server directive (maxpoll takes a number: -32 to 32), line ignored at line 8 in file f",
            "Invalid syntax for server directive (the syntax is: server NAME [OPTION]...), line ignored at line 9 in file f",
        ]
    );
}

#[test]
fn sources_files_end_at_a_line_without_newline() {
    let unfinished = parse_sources("f", b"server a\nserver b");
    assert_eq!(hosts(&unfinished.sources), ["a"]);
    assert_eq!(unfinished.warnings[0].to_string(), "the line does not end, it is ignored at line 2 in file f");
    let too_long = format!("server a\n#{}\nserver b\n", "x".repeat(2047));
    assert_eq!(hosts(&parse_sources("f", too_long.as_bytes()).sources), ["a"]);
    assert_eq!(parse_sources("f", b""), Default::default());
}

#[test]
fn sources_files_of_dhcp_hold_addresses() {
    let sources = parse_sources("f", b"server 192.0.2.1 iburst\nserver 2001:db8::1 iburst\n").sources;
    let addresses = ["192.0.2.1", "2001:db8::1"].map(|a| Host::Address(a.parse().expect("an address")));
    assert_eq!(sources.into_iter().map(|source| source.host).collect::<Vec<_>>(), addresses);
}

#[test]
fn arguments_are_lines_without_a_file() {
    let files = MemoryFiles::new().with("sub", "logbanner 3");
    let config = Config::from_arguments(&files, &["  server   a  iburst ", "# c", "", "include sub"], false);
    assert_eq!(config.expect("a configuration").printed, ["server a iburst", "logbanner 3"]);
    let failure = Config::from_arguments(&files, &["server a", "bogus x"], false).expect_err("an error");
    assert_eq!(failure.error.message, "Invalid directive bogus at line 2");
    assert_eq!(failure.printed, ["server a", "bogus x"]);
    let long = "#".repeat(2048);
    let failure = Config::from_arguments(&files, &[long], false).expect_err("an error");
    assert_eq!(failure.error.message, "String too long at line 1");
}

#[test]
fn printing_keeps_the_case_and_collapses_white_space() {
    let files = MemoryFiles::new().with("main", "SERVER \t a   IBURST\n\n# c\nuser  _chrony\r\n");
    assert_eq!(printed(&files), ["SERVER a IBURST", "user _chrony"]);
}

#[test]
fn without_a_file_there_is_a_sound_configuration() {
    let config = Config::built_in(&MemoryFiles::new()).expect("a configuration");
    assert_eq!(config.warnings, []);
    assert_eq!(config.printed, BUILT_IN.lines().collect::<Vec<_>>());
    assert_eq!(hosts(&config.sources), ["2.pool.ntp.org"]);
    assert!(config.sources[0].pool && config.sources[0].options.iburst && config.settings.rtc_sync);
    assert_eq!(config.settings.makestep.map(|m| (m.threshold_s, m.limit)), Some((1.0, 3)));
    assert_eq!(config.files.drift.map(|d| (d.path, d.interval_s)), Some(("/var/lib/slewd/drift".to_string(), 3600)));
}
