//! The command line: chronyd's flags for the daemon, and commands for people.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod ask;
mod check;
mod client;
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
            println!("slewd version {} (client of chrony.conf 4.8)", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Command::PrintConfig(options)) => print_config::run(&options),
        Ok(Command::Run(options)) => crate::daemon::run::run(*options),
        Ok(Command::Words(words)) => words.run(),
        Err((reason, code)) => {
            eprintln!("{reason}\nHelp:  slewd --help, slewd(8)");
            ExitCode::from(code)
        }
    }
}

/// Prints to standard output. Whoever reads may have gone, as `head` does: nothing is left to be said then.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}
