//! A command line of words and flags, understood by a row of the table of commands.

use std::ffi::OsString;
use std::process::ExitCode;
use std::str::FromStr;

use lexopt::prelude::*;

use crate::cli::screen::fitted;
use crate::cli::{complain, say};
use crate::config::near;
use crate::core::api::monitoring::Address;
use crate::core::api::settings::Family;
use crate::daemon::resolver::look_up;

/// A command: what it is called, takes and does.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// What follows the command, besides flags.
    pub(super) arguments: &'static str,
    pub(super) flags: &'static [&'static [Flag]],
    pub(super) help: &'static str,
    pub(super) run: fn(&Arguments) -> Result<ExitCode, String>,
    /// Exit code of a mistake on the command line.
    pub(super) misuse: u8,
}

/// A flag as `--help` shows it.
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) value: &'static str,
    pub(super) help: &'static str,
}

/// A row of a table of flags.
pub(super) const fn flag(name: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { name, value, help }
}

/// A command with what was given to it.
pub(super) struct Arguments {
    row: &'static Row,
    given: Vec<(&'static str, String)>,
    /// What is not a flag.
    pub(super) free: Vec<String>,
    pub(super) wants_help: bool,
}

impl Arguments {
    /// Understands what follows the command itself.
    ///
    /// # Errors
    /// What is wrong, and the exit code for that.
    pub(super) fn parse(row: &'static Row, rest: &[OsString]) -> Result<Arguments, (String, u8)> {
        Arguments::read(row, rest).map_err(|reason| (row.complaint(&reason), row.misuse))
    }

    fn read(row: &'static Row, rest: &[OsString]) -> Result<Arguments, String> {
        let mut words = Arguments { row, given: Vec::new(), free: Vec::new(), wants_help: false };
        let mut parser = lexopt::Parser::from_args(rest);
        let told = |reason: lexopt::Error| reason.to_string();
        while let Some(argument) = parser.next().map_err(told)? {
            let name = match argument {
                Value(word) => {
                    words.free.push(word.string().map_err(told)?);
                    continue;
                }
                Long("help") => {
                    words.wants_help = true;
                    return Ok(words);
                }
                Long(name) => format!("--{name}"),
                Short(letter) => format!("-{letter}"),
            };
            let flag = row.all_flags().find(|flag| flag.name == name);
            let flag = flag.ok_or_else(|| row.unknown(&name))?;
            let value = if flag.value.is_empty() {
                String::new()
            } else {
                parser.value().and_then(|value| value.string()).map_err(told)?
            };
            words.given.push((flag.name, value));
        }
        match words.free.get(row.places()) {
            Some(surplus) => Err(format!("unexpected argument '{surplus}'")),
            None => Ok(words),
        }
    }

    /// Runs the command.
    pub(super) fn run(&self) -> ExitCode {
        if self.wants_help {
            say(&fitted(&self.row.long_help()));
            return ExitCode::SUCCESS;
        }
        (self.row.run)(self).unwrap_or_else(|reason| {
            complain(&self.row.complaint(&reason));
            ExitCode::from(self.row.misuse)
        })
    }

    /// The command.
    pub(super) fn name(&self) -> &'static str {
        self.row.name
    }

    /// A flag was given.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.value(flag).is_some()
    }

    /// Its value; the last one counts.
    pub(super) fn value(&self, flag: &str) -> Option<&str> {
        debug_assert!(self.row.all_flags().any(|known| known.name == flag), "{flag} is not in the table");
        self.given.iter().rev().find(|(name, _)| *name == flag).map(|(_, value)| value.as_str())
    }

    /// Its value as a number.
    pub(super) fn number<T: FromStr>(&self, flag: &str) -> Result<Option<T>, String> {
        let parse = |text: &str| text.parse().map_err(|_| format!("'{text}' is no value for {flag}"));
        self.value(flag).map(parse).transpose()
    }
}

impl Row {
    pub(super) fn all_flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags.iter().flat_map(|group| group.iter())
    }

    /// How many arguments fit.
    fn places(&self) -> usize {
        if self.arguments.ends_with("...") { usize::MAX } else { self.arguments.split_whitespace().count() }
    }

    /// What to say of a flag that this command does not have.
    fn unknown(&self, name: &str) -> String {
        let hint = near(name, self.all_flags().map(|flag| flag.name).filter(|flag| flag.len() > 2).chain(["--help"]));
        format!("invalid option '{name}'{}", hint.map_or(String::new(), |hint| format!(" ({hint})")))
    }

    fn complaint(&self, reason: &str) -> String {
        format!("slewd {0}: {reason}\n{1}\nFlags: slewd help {0}", self.name, self.usage())
    }

    fn usage(&self) -> String {
        let gap = if self.arguments.is_empty() { "" } else { " " };
        format!("Usage: slewd {} [FLAG...]{gap}{}", self.name, self.arguments)
    }

    pub(super) fn long_help(&self) -> String {
        let mut text = format!("{}: {}\n\nFlags:\n", self.usage(), self.help);
        push_flags(&mut text, self.all_flags());
        text.push_str("  --help                    print this help\n");
        text
    }
}

/// Lines of a help.
pub(super) fn push_flags<'a>(text: &mut String, flags: impl Iterator<Item = &'a Flag>) {
    for Flag { name, value, help } in flags {
        text.push_str(&format!("  {:25} {help}\n", format!("{name} {value}")));
    }
}

/// An address, `ID#0000000006`, the reference ID of a reference clock, or a name.
pub(super) fn address(text: &str) -> Result<Address, String> {
    if let Ok(ip) = text.parse() {
        return Ok(Address::Ip(ip));
    }
    if let Some(id) = text.strip_prefix("ID#").and_then(|id| id.parse().ok()) {
        return Ok(Address::Id(id));
    }
    let found = look_up(text, Family::Any).first().copied();
    found.map(Address::Ip).ok_or_else(|| format!("'{text}' is neither an address nor a name that can be looked up"))
}
