//! Errors are chronyd's, word for word, and say what would be right.

use slewd::config::{Config, Error, MemoryFiles, directives, source_options};

/// `LINE => MESSAGE`, where MESSAGE is what `chronyd -p` said about a file with just this line, or `ok`.
const RECORDED: &str = include_str!("fixtures/chronyd-4.9-messages.txt");

/// Lines that we judge differently, on purpose.
const JUDGED_DIFFERENTLY: [&str; 7] = [
    // Numbers that chronyd takes modulo 2^32: another key or set of certificates than the one that was asked for.
    "server a key -1",
    "server a certset -1",
    "server a certset 4294967296",
    "ntstrustedcerts -1 a",
    "ntstrustedcerts 4294967296 a",
    // Names that chronyd looks up while it reads the file; we look them up when we use them.
    "allow all x.",
    "allow x.y.z",
];

#[test]
fn every_directive_and_option_of_chronyd_was_tried() {
    let tried = |prefix: &str| {
        let starts = |line: &str| line.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        RECORDED.lines().any(|line| starts(line) && !line.contains("Invalid directive"))
    };
    for directive in directives() {
        let ours =
            ["clientonly", "nogapstep", "certtimecheck", "readywhen", "synchronizedfile", "onchange", "metricsfile"];
        // Those about files: see config_include.rs.
        let exempt = ours.contains(&directive.name) || ["include", "confdir"].contains(&directive.name);
        assert!(tried(&format!("{} ", directive.name)) != exempt, "{}", directive.name);
    }
    for option in source_options() {
        let alone = format!("server a {} ", option.name);
        assert!(tried(&alone) || RECORDED.contains(&format!(" {} ", option.name)), "{}", option.name);
    }
}

fn error_of(text: &str) -> Error {
    let result = Config::from_text(&MemoryFiles::new(), "/etc/chrony.conf", text.as_bytes(), false);
    result.expect_err("an error").error
}

#[track_caller]
fn assert_message(text: &str, message: &str) {
    assert_eq!(error_of(text).message, message);
}

#[test]
fn each_line_gets_the_verdict_that_chronyd_gives_it() {
    let mut differences = Vec::new();
    for (line, theirs) in RECORDED.lines().filter_map(|line| line.rsplit_once(" => ")) {
        let ours = match Config::from_text(&MemoryFiles::new(), "f", line.as_bytes(), true) {
            Ok(config) => match config.warnings.iter().find(|warning| warning.text.contains("no longer")) {
                Some(warning) => warning.text.clone(),
                None => "ok".to_string(),
            },
            Err(failure) => failure.error.message.replace(" at line 1 in file f", ""),
        };
        if (ours != theirs) != JUDGED_DIFFERENTLY.contains(&line) {
            differences.push(format!("{line}\n    chronyd: {theirs}\n    slewd:   {ours}"));
        }
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn an_unknown_directive_is_named_as_typed() {
    assert_message("\nFoo 1\n", "Invalid directive Foo at line 2 in file /etc/chrony.conf");
}

#[test]
fn a_wrong_value_names_the_directive() {
    assert_message("leapsecmode fast", "Could not parse leapsecmode directive at line 1 in file /etc/chrony.conf");
}

#[test]
fn a_number_out_of_range_shows_the_range() {
    let message = "Invalid value 64 in dscp directive (min 0, max 63) at line 1 in file /etc/chrony.conf";
    assert_message("dscp 64", message);
}

#[test]
fn too_few_and_too_many_words_are_told_apart() {
    assert_message("logdir", "Missing arguments for logdir directive at line 1 in file /etc/chrony.conf");
    assert_message("logdir a b", "Too many arguments for logdir directive at line 1 in file /etc/chrony.conf");
}

#[test]
fn an_unknown_option_and_a_bad_value_of_a_source_are_told_apart() {
    let place = "at line 1 in file /etc/chrony.conf";
    assert_message("server a fast", &format!("Invalid option in server directive {place}"));
    assert_message("pool a version 5", &format!("Invalid value in pool directive {place}"));
    assert_message("refclock SHM 0 fast", &format!("Invalid option in refclock directive {place}"));
    assert_message("refclock SHM 0 poll x", &format!("Invalid value in refclock directive {place}"));
}

#[test]
fn a_source_needs_a_host() {
    assert_message("SERVER", "Invalid syntax for SERVER directive at line 1 in file /etc/chrony.conf");
}

#[test]
fn a_bad_log_word_is_a_message_of_its_own() {
    assert_message("log Tracking", "Invalid log parameter at line 1 in file /etc/chrony.conf");
}

#[test]
fn an_over_long_line_is_an_error_even_in_a_comment() {
    let text = format!("\n#{}\n", "x".repeat(2047));
    assert_message(&text, "String too long at line 2 in file /etc/chrony.conf");
}

#[test]
fn a_missing_file_is_named_with_the_reason() {
    let error = Config::from_file(&MemoryFiles::new(), "/none", false).expect_err("an error").error;
    assert_eq!(error.message, "Could not open /none : No such file or directory");
    assert_eq!(error.place, None);
}

#[test]
fn a_retired_directive_is_a_warning() {
    for name in ["commandkey", "generatecommandkey", "linux_freq_scale", "LINUX_HZ"] {
        let text = format!("{name} 1 2 3\nlogbanner 5");
        let config = Config::from_text(&MemoryFiles::new(), "f", text.as_bytes(), false).expect("a configuration");
        assert_eq!(config.warnings.len(), 1);
        assert_eq!(config.warnings[0].text, format!("{name} directive is no longer supported"));
        assert_eq!(config.warnings[0].place.to_string(), "at line 1 in file f");
        assert_eq!(config.logs.banner, 5);
    }
}

#[test]
fn the_first_error_ends_it() {
    assert_message("logdir\nfoo\n", "Missing arguments for logdir directive at line 1 in file /etc/chrony.conf");
}

#[test]
fn a_comment_after_a_directive_is_explained() {
    for line in ["server a iburst # near", "rtcsync ! yes", "logdir /var/log ;x", "port 0 %", "makestep 1 3 #"] {
        assert_eq!(error_of(line).remedy, "comments must stand on their own line", "{line}");
    }
}

#[test]
fn errors_say_what_would_be_right() {
    for (line, remedy) in [
        ("makstep 1 3", "did you mean makestep?"),
        ("frobnicate", "no directive has a name like this"),
        ("server a ibrust", "did you mean iburst?"),
        ("server a fast", "\"fast\" is not an option of sources"),
        ("server a version 5", "version takes a number: 1 to 4"),
        ("server", "the syntax is: server NAME [OPTION]..."),
        ("makestep 1", "the syntax is: makestep SECONDS LIMIT"),
        ("leapsecmode x", "the syntax is: leapsecmode system|step|slew|ignore"),
        ("dscp 64", "a whole number from 0 to 63 would be right"),
        ("dscp x", "\"x\" is not a whole number"),
        ("maxjitter x", "\"x\" is not a number"),
        ("bindacqaddress a", "\"a\" is not an IP address; host names are not accepted here"),
        ("hwtimestamp e rxfilter x", "rxfilter takes one of none ntp ptp all"),
        ("confdir", "confdir takes 1 to 10 directories"),
        ("allow", "remove the line, or add the directive clientonly to ignore it"),
    ] {
        assert_eq!(error_of(line).remedy, remedy, "{line}");
    }
}
