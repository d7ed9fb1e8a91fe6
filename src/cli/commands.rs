//! The commands for people: one table says what they are called, take and do. Parser, `--help` and a test of the manual work
//! from it, so that they cannot drift.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::words::{Arguments, Flag, Row, flag, push_flags};
use crate::cli::{check, cleanup, metrics, orders, query, show, wait};

/// Understands what follows the program's name; `None` if it is not a command.
///
/// # Errors
/// What is wrong, and the exit code for that.
pub(super) fn parse(words: &[OsString]) -> Option<Result<Arguments, (String, u8)>> {
    let (first, rest) = words.split_first()?;
    let row = TABLE.iter().find(|row| first.to_str() == Some(row.name))?;
    Some(Arguments::parse(row, rest))
}

/// The help of one command.
pub(super) fn long_help(name: &str) -> Option<String> {
    TABLE.iter().find(|row| row.name == name).map(Row::long_help)
}

/// The part of the help that is about commands.
pub(super) fn help() -> String {
    let mut text = String::from("Commands (slewd COMMAND --help):\n");
    for row in TABLE {
        text.push_str(&format!("  {:30} {}\n", format!("{} {}", row.name, row.arguments), row.help));
    }
    text.push_str("\nFlags of commands:\n");
    for group in [FORMAT, NAMES, LIST, WATCH, CONNECTION, WAIT, CHECK, METRICS, CLEANUP, FAMILY, CLOCKS] {
        push_flags(&mut text, group.iter());
    }
    text
}

const CONNECTION: &[Flag] = &[
    flag("-h", "HOST|/PATH[,...]", "where the daemon is: /run/chrony/chronyd.sock, then 127.0.0.1, then ::1"),
    flag("-p", "PORT", "UDP port of the daemon, 323"),
];
const FORMAT: &[Flag] = &[
    flag("-c", "", "comma-separated values, as chronyc prints them"),
    flag("--json", "", "JSON, with units in the names and null for what is not known"),
];
const NAMES: &[Flag] = &[
    flag("-N", "", "print sources by the name they are configured with"),
    flag("-n", "", "print sources by address: this is the default"),
];
const WATCH: &[Flag] = &[flag("--watch", "", "again every two seconds, until Ctrl-C")];
const LIST: &[Flag] =
    &[flag("-a", "", "also names that have no address yet"), flag("-v", "", "explain the columns first")];
const CLOCKS: &[Flag] = &[flag("--clocks", "", "list the reference clocks of this machine, with a line for each")];
const FAMILY: &[Flag] =
    &[flag("-4", "", "only IPv4 addresses of names"), flag("-6", "", "only IPv6 addresses of names")];
const WAIT: &[Flag] = &[
    flag("--timeout", "SECONDS", "give up after this long: 600, or infinity; 0 asks once"),
    flag("--max-error", "SECONDS", "wait until the clock can be wrong by no more than this; 0 for no limit"),
    flag("--max-skew", "PPM", "the same for the frequency"),
    flag("--running", "", "the daemon must be there already: do not wait for it"),
];
const CHECK: &[Flag] = &[
    flag("--offset-warning", "RANGE", "seconds that the clock is ahead: -0.1:0.1"),
    flag("--offset-critical", "RANGE", "the same: -0.5:0.5"),
    flag("--error-warning", "RANGE", "largest possible error in seconds: 0.5"),
    flag("--error-critical", "RANGE", "the same: 1.5"),
    flag("--age-warning", "RANGE", "seconds since the last good answer: 4200"),
    flag("--age-critical", "RANGE", "the same: 10800"),
    flag("--agreeing-warning", "RANGE", "number of sources that agree: no limit"),
    flag("--agreeing-critical", "RANGE", "the same: no limit"),
    flag("--stratum-warning", "RANGE", "stratum: 1:15"),
    flag("--stratum-critical", "RANGE", "the same: 1:15"),
    flag("--kernel", "", "ask no daemon, only what the kernel has been told (adjtimex)"),
    flag("--server", "HOST", "ask no daemon, but this NTP server"),
];
const METRICS: &[Flag] = &[flag("--output", "FILE", "replace this file instead of writing to standard output")];

const CLEANUP: &[Flag] = &[flag("-f", "FILE", "the configuration file of that daemon")];

/// A report of chronyc.
const fn report(
    name: &'static str,
    flags: &'static [&'static [Flag]],
    help: &'static str,
    run: fn(&Arguments) -> Result<ExitCode, String>,
) -> Row {
    Row { name, arguments: "", flags, help, run, misuse: 1 }
}

/// An order of chronyc.
const fn order(name: &'static str, arguments: &'static str, help: &'static str) -> Row {
    Row { name, arguments, flags: &[CONNECTION], help, run: orders::run, misuse: 1 }
}

/// All commands.
pub(super) const TABLE: &[Row] = &[
    report(
        "status",
        &[WATCH, FORMAT, CONNECTION],
        "synchronised or not and why, how wrong it can be, sources",
        show::status,
    ),
    report("tracking", &[FORMAT, NAMES, CONNECTION], "the clock", show::tracking),
    report("sources", &[LIST, FORMAT, NAMES, CONNECTION], "the sources and their last samples", show::sources),
    report(
        "sourcestats",
        &[LIST, FORMAT, NAMES, CONNECTION],
        "what the samples of each source say",
        show::source_stats,
    ),
    report("selectdata", &[LIST, FORMAT, NAMES, CONNECTION], "why each source is in or out (root)", show::select_data),
    Row {
        arguments: "[ADDRESS]",
        ..report("ntpdata", &[FORMAT, CONNECTION], "the last response of each source (root)", show::ntp_data)
    },
    report("authdata", &[LIST, FORMAT, NAMES, CONNECTION], "how each source is authenticated (root)", show::auth_data),
    report("activity", &[FORMAT, CONNECTION], "how many sources are asked", show::activity),
    report("serverstats", &[FORMAT, CONNECTION], "counts of control requests (root)", show::server_stats),
    order("makestep", "", "step the clock by all that is still to be slewed, now"),
    order("burst", "GOOD/MAX [ADDRESS]", "ask until there are GOOD answers, MAX times at most"),
    order("online", "[ADDRESS]", "ask the sources, or those at ADDRESS, ADDRESS/BITS or MASK/ADDRESS"),
    order("offline", "[ADDRESS]", "stop asking them"),
    order("refresh", "", "look up all names again"),
    order("reload", "[sources]", "read the files of sources again"),
    Row {
        name: "wait",
        arguments: "",
        flags: &[WAIT, CONNECTION],
        help: "wait until the clock is synchronised; exit status 1: it is not, 2: no daemon, 3: misuse",
        run: wait::run,
        misuse: wait::MISUSE,
    },
    Row {
        name: "check",
        arguments: "",
        flags: &[CHECK, CONNECTION],
        help: "one line for monitoring; exit status 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
        run: check::run,
        misuse: check::MISUSE,
    },
    Row {
        name: "metrics",
        arguments: "",
        flags: &[METRICS, CONNECTION],
        help: "everything, for Prometheus",
        run: metrics::run,
        misuse: 1,
    },
    Row {
        name: "cleanup",
        arguments: "",
        flags: &[CLEANUP],
        help: "after a daemon that was killed: remove what says that the clock is right",
        run: cleanup::run,
        misuse: 1,
    },
    Row {
        name: "query",
        arguments: "HOST...",
        flags: &[FAMILY, CLOCKS],
        help: "how wrong is this clock, by these servers",
        run: query::run,
        misuse: 1,
    },
    #[cfg(feature = "demo")]
    Row {
        name: "demo",
        arguments: "",
        flags: &[],
        help: "watch it work on a make-believe clock (no root, no network)",
        run: demo_run,
        misuse: 1,
    },
];

#[cfg(feature = "demo")]
fn demo_run(_words: &Arguments) -> Result<ExitCode, String> {
    Ok(crate::cli::demo::run())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Arguments, (String, u8)> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        super::parse(&words).expect("a command")
    }

    #[test]
    fn every_flag_in_the_table_is_understood_and_no_other() {
        for row in TABLE {
            for flag in row.all_flags() {
                let value = if flag.value.is_empty() { "" } else { " -1" };
                let words = parse_line(&format!("{} {}{value}", row.name, flag.name));
                assert!(words.is_ok_and(|words| words.value(flag.name) == Some(value.trim())), "{}", flag.name);
            }
            assert!(parse_line(&format!("{} --nonsense", row.name)).is_err_and(|(_, code)| code == row.misuse));
            assert!(parse_line(&format!("{} --help", row.name)).is_ok_and(|words| words.wants_help));
        }
    }

    #[test]
    fn the_help_has_every_command_and_flag() {
        let help = help();
        for row in TABLE {
            assert!(help.contains(row.help), "{}", row.name);
            for flag in row.all_flags() {
                assert!(help.contains(flag.help) && row.long_help().contains(flag.help), "{}", flag.name);
            }
        }
    }

    /// The manual names them all, with what they take.
    #[test]
    fn the_manual_has_every_command_and_flag() {
        let page = include_str!("../../docs/slewd.8");
        let page = page.split_once(".Ss Reports\n").and_then(|(_, rest)| rest.split_once(".Ss Flags of the daemon\n"));
        let (page, _) = page.expect("the sections on commands");
        for row in TABLE {
            assert!(page.contains(&format!("\n.It Cm {}", row.name)), "{}", row.name);
            for flag in row.all_flags() {
                let name = flag.name.strip_prefix('-').unwrap_or(flag.name);
                let escaped = name.replace('-', "\\-");
                let entry = [name, &escaped].iter().any(|name| page.contains(&format!("\n.It Fl {name}")));
                let shared = page.contains(&format!(", {name}\n")) || page.contains(&format!(", {name} "));
                assert!(entry || shared, "{} of {}", flag.name, row.name);
            }
        }
    }

    #[test]
    fn surplus_and_missing_words_are_errors() {
        for line in ["demo now", "tracking x", "ntpdata a b", "wait --timeout", "burst 1/2 a b"] {
            assert!(parse_line(line).is_err(), "{line}");
        }
        assert_eq!(parse_line("query a b c -4").map(|words| words.free.len()).ok(), Some(3));
    }
}
