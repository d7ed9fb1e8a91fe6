//! The command line: chronyd's flags for the daemon, and commands for people.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod demo;
mod flags;
mod print_config;
mod query;

use std::process::ExitCode;

use flags::{Command, parse};

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    match parse(&arguments) {
        Ok(Command::Help) => {
            print!("{}", flags::help());
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("slewd version {} (client of chrony.conf 4.8)", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Command::PrintConfig(options)) => print_config::run(&options),
        Ok(Command::Run(options)) => crate::daemon::run::run(*options),
        Ok(Command::Demo) => demo::run(),
        Ok(Command::Query(query)) => query::run(&query),
        Err(reason) => {
            eprintln!("{reason}\n\n{}", flags::usage());
            ExitCode::FAILURE
        }
    }
}
