//! The command line: chronyd's flags for the daemon, and commands for people.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod ask;
mod check;
mod cleanup;
mod client;
mod commands;
#[cfg(test)]
mod completions;
pub mod demo;
mod flags;
mod gather;
mod metrics;
mod orders;
mod print_config;
mod query;
mod show;
mod wait;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

use flags::{Command, parse};

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    match parse(&arguments) {
        Ok(Command::Help) => {
            say(&flags::help());
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            say(concat!("slewd version ", env!("CARGO_PKG_VERSION"), " (client of chrony.conf 4.8)\n"));
            ExitCode::SUCCESS
        }
        Ok(Command::PrintConfig(options)) => print_config::run(&options),
        Ok(Command::Run(options)) => crate::daemon::run::run(*options),
        Ok(Command::Words(words)) => words.run(),
        Err((reason, code)) => {
            complain(&format!("{reason}\nHelp:  slewd --help, slewd(8)"));
            ExitCode::from(code)
        }
    }
}

/// Prints to standard error. The exit status tells the same, so that it does not matter if this fails.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints to standard output. Whoever reads may have gone, as `head` does: nothing is left to be said then. `false` if
/// what should have been kept could not be written: a full disk.
fn say(text: &str) -> bool {
    let mut output = io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(reason) if reason.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("slewd: cannot write standard output: {reason}"));
            false
        }
        _ => true,
    }
}
