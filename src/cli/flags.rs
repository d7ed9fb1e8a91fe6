//! The words of the command line. Each flag carries its documentation, so that `--help` cannot drift.

use std::ffi::OsString;
use std::path::Path;

use lexopt::prelude::*;
use log::LevelFilter;

use crate::cli::commands;
use crate::cli::words::{Arguments, Flag, flag};
use crate::config::{Directive, directives, near};
use crate::core::api::settings::Family;
use crate::core::api::settings::Mode;
use crate::daemon::logging::Destination;
use crate::daemon::run::Options;
use crate::time::Span;

/// What the command line asks for.
pub(super) enum Command {
    Help,
    /// The help of one command.
    HelpFor(String),
    Version,
    PrintConfig(Box<Options>),
    Run(Box<Options>),
    Words(Arguments),
}

pub(super) const FLAGS: &[Flag] = &[
    flag("-f", "FILE", "read this configuration file"),
    flag("-n", "", "stay in the foreground, log to the system log"),
    flag("-d", "", "stay in the foreground, log to standard error; twice: debug messages"),
    flag("-l", "FILE", "log to this file"),
    flag("-L", "LEVEL", "least severity logged: -1 debug, 0 informational, 1 warning, 2 error, 3 fatal"),
    flag("-p", "", "print the configuration and exit"),
    flag("-q", "", "set the clock once and exit"),
    flag("-Q", "", "measure once, print how wrong the clock is, and exit"),
    flag("-t", "SECONDS", "exit after this long; status 0 if synchronised then"),
    flag("-R", "", "after a restart: ignore makestep with a positive limit"),
    flag("-s", "", "first set the system clock from the hardware clock"),
    flag("-u", "USER", "become this user once the clock is in hand"),
    flag("-U", "", "accepted: root is never required"),
    flag(
        "-F",
        "LEVEL",
        "filter of system calls: 1 only those that are needed (default), 2 all but harmful ones, 0 none",
    ),
    flag("-P", "PRIORITY", "real-time priority, 0 to 100"),
    flag("-m", "", "lock memory"),
    flag("-x", "", "never touch the clock"),
    flag("-r", "", "read the samples that the last run has left in dumpdir"),
    flag("-4", "", "use only IPv4 addresses of names"),
    flag("-6", "", "use only IPv6 addresses of names"),
    flag("-N", "FD", "write a newline to this descriptor and close it once ready (s6)"),
    flag("--client-only", "", "ignore directives that would serve others (allow ...) instead of refusing them"),
    #[cfg(feature = "record")]
    flag("--record", "FILE", "write down all that happens, so that the run can be repeated"),
    flag("-v", "", "print the version (also --version)"),
    flag("-h", "", "print this help (also --help)"),
];

/// The first lines of the help.
fn usage() -> &'static str {
    "Usage: slewd [FLAG...] [DIRECTIVE...]   keep the clock right;
                                        DIRECTIVEs replace the configuration file
       slewd COMMAND [FLAG...] [ARGUMENT...]"
}

/// All of the help.
pub(super) fn help() -> String {
    let mut text = format!("{}\n\n{}\nFlags of the daemon (those of chronyd):\n", usage(), commands::help());
    for Flag { name, value, help } in FLAGS {
        text.push_str(&format!("  {:20} {help}\n", format!("{name} {value}")));
    }
    text.push_str("\nExample: slewd -Q 'server ntp.example.net iburst'\n");
    text
}

/// Understands the arguments, the program's name first.
///
/// # Errors
/// What is wrong, and the exit code for that.
pub(super) fn parse(arguments: &[OsString]) -> Result<Command, (String, u8)> {
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    let ident = name.map_or("slewd".to_owned(), |name| name.to_string_lossy().into_owned());
    let words = arguments.get(1..).unwrap_or_default();
    if words.first().is_some_and(|word| word == "help") {
        let Some(of) = words.get(1).map(|word| word.to_string_lossy()) else { return Ok(Command::Help) };
        return commands::long_help(&of).map(Command::HelpFor).ok_or_else(|| {
            let hint = near(&of, commands::TABLE.iter().map(|row| row.name));
            let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
            (format!("'{of}' is no command{hint}"), 1)
        });
    }
    if let Some(result) = commands::parse(words) {
        return result.map(Command::Words);
    }
    if let Some(reason) = words.first().and_then(|word| mistyped(&word.to_string_lossy())) {
        return Err((reason, 1));
    }
    let command = Flags::new(ident).read(words).map_err(|reason| (format!("{reason}\n{}", usage()), 1))?;
    if let Command::Run(options) | Command::PrintConfig(options) = &command
        && let Some(name) = options.config_lines.iter().find_map(|line| command_among(line))
    {
        return Err((format!("'{name}' is a command, and a command comes before its flags: slewd {name} ..."), 1));
    }
    Ok(command)
}

/// A daemon in the background would say to the log that this is no directive.
fn command_among(line: &str) -> Option<&'static str> {
    let first = line.split_whitespace().next().filter(|first| Directive::find(first).is_none())?;
    commands::TABLE.iter().map(|row| row.name).find(|name| *name == first)
}

/// Orders and reports of chronyc that have no command here.
const CHRONYC: [&str; 12] = [
    "add",
    "cyclelogs",
    "delete",
    "dump",
    "maxdelay",
    "minpoll",
    "onoffline",
    "reselect",
    "reset",
    "selectopts",
    "shutdown",
    "sourcename",
];

/// What to say of a first word that is neither a command nor the beginning of a directive: a daemon that started in the
/// background would say it to the log.
fn mistyped(word: &str) -> Option<String> {
    let first = word.split_whitespace().next()?;
    let is_comment = first.starts_with(['!', ';', '#', '%']);
    if first.starts_with('-') || is_comment || Directive::find(first).is_some() {
        return None;
    }
    let names = commands::TABLE.iter().map(|row| row.name).chain(directives().map(|directive| directive.name));
    let hint = match first {
        "waitsync" => Some("did you mean wait?".to_owned()),
        // What is rarely wanted is left to chronyc.
        _ if CHRONYC.contains(&first) => Some(format!("chronyc {first} works with slewd")),
        _ => near(first, names),
    };
    let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
    Some(format!("'{first}' is neither a command nor a directive{hint}"))
}

/// The options of a daemon that is started without flags, but perhaps with this configuration file.
pub(super) fn plain(config_file: Option<&str>) -> Options {
    Options { config_file: config_file.map(str::to_owned), ..Flags::new("slewd".to_owned()).options }
}

struct Flags {
    options: Options,
    foreground: bool,
    debugging: u8,
    to_stderr: bool,
    log_file: Option<String>,
    level: Option<LevelFilter>,
    print: bool,
}

impl Flags {
    fn new(ident: String) -> Self {
        let options = Options {
            config_file: None,
            config_lines: Vec::new(),
            mode: Mode::Discipline,
            background: false,
            destination: Destination::Syslog,
            level: LevelFilter::Info,
            observe_only: false,
            timeout: None,
            restarted: false,
            recalls: false,
            set_from_rtc: false,
            filter: None,
            user: None,
            priority: None,
            lock_memory: false,
            family: Family::Any,
            readiness: None,
            client_only: false,
            record: None,
            ident,
        };
        Flags { options, foreground: false, debugging: 0, to_stderr: false, log_file: None, level: None, print: false }
    }

    fn read(mut self, words: &[OsString]) -> Result<Command, lexopt::Error> {
        let mut parser = lexopt::Parser::from_args(words);
        while let Some(argument) = parser.next()? {
            let letter = match argument {
                Short('h') | Long("help") => return Ok(Command::Help),
                Short('v') | Long("version") => return Ok(Command::Version),
                Long("client-only") => {
                    self.options.client_only = true;
                    continue;
                }
                #[cfg(feature = "record")]
                Long("record") => {
                    self.options.record = Some(parser.value()?.string()?);
                    continue;
                }
                Value(line) => {
                    self.options.config_lines.push(line.string()?);
                    continue;
                }
                Short(letter) => letter,
                Long(name) => return Err(unknown(&format!("--{name}")).into()),
            };
            self.flag(letter, &mut parser)?;
        }
        Ok(self.command())
    }

    fn flag(&mut self, letter: char, parser: &mut lexopt::Parser) -> Result<(), lexopt::Error> {
        let options = &mut self.options;
        match letter {
            'l' => self.log_file = Some(parser.value()?.string()?),
            'L' => self.level = Some(level(parser.value()?.parse()?)),
            'p' => self.print = true,
            'n' => self.foreground = true,
            'd' => self.debugging += 1,
            'f' => options.config_file = Some(parser.value()?.string()?),
            'q' => options.mode = Mode::SetOnce,
            'Q' => options.mode = Mode::MeasureOnce,
            't' => options.timeout = Some(Span::from_secs_f64(parser.value()?.parse::<f64>()?)),
            'R' => options.restarted = true,
            's' => options.set_from_rtc = true,
            'u' => options.user = Some(parser.value()?.string()?),
            'P' => options.priority = Some(parser.value()?.parse()?),
            'm' => options.lock_memory = true,
            'x' => options.observe_only = true,
            'N' => options.readiness = Some(parser.value()?.parse()?),
            '4' => options.family = Family::V4,
            '6' => options.family = Family::V6,
            'F' => options.filter = Some(filter(parser.value()?.parse()?)?),
            'r' => options.recalls = true,
            'U' => {}
            letter => return Err(unknown(&format!("-{letter}")).into()),
        }
        Ok(())
    }

    fn command(mut self) -> Command {
        let is_one_shot = self.options.mode != Mode::Discipline;
        self.to_stderr = self.debugging > 0 || is_one_shot;
        self.options.background = !(self.foreground || self.to_stderr);
        self.options.destination = match self.log_file {
            Some(path) => Destination::File(path.into()),
            None if self.to_stderr => Destination::Stderr,
            None => Destination::Syslog,
        };
        let usual = if self.debugging > 1 { LevelFilter::Debug } else { LevelFilter::Info };
        self.options.level = self.level.unwrap_or(usual);
        let options = Box::new(self.options);
        if self.print { Command::PrintConfig(options) } else { Command::Run(options) }
    }
}

/// What to say of a flag of the daemon that there is not.
fn unknown(name: &str) -> String {
    let owner = commands::TABLE.iter().find(|row| row.all_flags().any(|flag| flag.name == name));
    let hint = match owner {
        Some(row) => Some(format!("a flag of commands: slewd {} {name}", row.name)),
        None => {
            near(name, FLAGS.iter().map(|flag| flag.name).filter(|flag| flag.len() > 2).chain(["--help", "--version"]))
        }
    };
    format!("invalid option '{name}'{}", hint.map_or(String::new(), |hint| format!(" ({hint})")))
}

fn filter(level: i32) -> Result<i32, lexopt::Error> {
    let known = -2..=2;
    if known.contains(&level) { Ok(level) } else { Err(format!("-F takes a level from -2 to 2, not {level}").into()) }
}

fn level(number: i32) -> LevelFilter {
    match number {
        ..0 => LevelFilter::Debug,
        0 => LevelFilter::Info,
        1 => LevelFilter::Warn,
        2.. => LevelFilter::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match parse(&words) {
            Ok(Command::Run(options) | Command::PrintConfig(options)) => *options,
            _ => panic!("{line}"),
        }
    }

    #[test]
    fn distributions_flags_are_accepted() {
        for line in ["chronyd -F 1", "chronyd -F 2 -n", "chronyd -F -1 -u _chrony", "chronyd -n -U -m -P 1 -r -s -R"] {
            options(line);
        }
        assert_eq!(options("/usr/sbin/chronyd -F 1").ident, "chronyd");
        assert!(options("slewd").background);
        assert!(!options("slewd -n").background);
        assert_eq!(options("slewd -dd").level, LevelFilter::Debug);
    }

    #[test]
    fn flags_may_follow_directives() {
        let options = options("slewd -Q server -t 30");
        assert_eq!((options.mode, options.timeout), (Mode::MeasureOnce, Some(Span::from_secs(30))));
        assert_eq!(options.config_lines, ["server"]);
    }

    #[test]
    fn unknown_flags_and_bad_numbers_are_errors() {
        for line in [
            "slewd -z",
            "slewd -F 3",
            "slewd -t soon",
            "slewd -P",
            "slewd demo now",
            "slewd trackin",
            "slewd sorces -c",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert!(parse(&words).is_err(), "{line}");
        }
    }

    #[test]
    fn every_flag_in_the_help_is_understood() {
        for Flag { name, value, .. } in FLAGS {
            let mut words = vec![OsString::from("slewd"), OsString::from(name)];
            if !value.is_empty() {
                words.push("1".into());
            }
            assert!(parse(&words).is_ok(), "{name}");
        }
    }
}
