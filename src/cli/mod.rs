//! The command line: chronyd's flags for the daemon, and commands for people.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod ask;
mod check;
mod cleanup;
mod client;
mod clocks;
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
mod screen;
mod show;
mod wait;
mod words;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use crate::core::api::settings::Mode;
use crate::daemon::run::Options;
use flags::{Command, parse};

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    match parse(&arguments) {
        Ok(Command::Help) => {
            say(&screen::fitted(&flags::help()));
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            say(concat!("slewd version ", env!("CARGO_PKG_VERSION"), " (client of chrony.conf 4.8)\n"));
            ExitCode::SUCCESS
        }
        Ok(Command::PrintConfig(options)) => print_config::run(&options),
        Ok(Command::Run(_)) if arguments.len() < 2 && !may_set_clock() => {
            complain(&first_steps());
            ExitCode::FAILURE
        }
        Ok(Command::Run(options)) => run_daemon(*options),
        Ok(Command::Words(words)) => words.run(),
        Ok(Command::HelpFor(text)) => {
            say(&screen::fitted(&text));
            ExitCode::SUCCESS
        }
        Err((reason, code)) => {
            complain(&format!("{reason}\nHelp:  slewd --help, slewd(8)"));
            ExitCode::from(code)
        }
    }
}

/// For somebody who types the bare name.
fn first_steps() -> String {
    let demo =
        if cfg!(feature = "demo") { "  slewd demo           watch slewd work on a make-believe clock\n" } else { "" };
    format!(
        "slewd: nothing was started, because only root may set the clock. You can:
  slewd status         see whether the clock is right, if a daemon runs
  slewd query HOST     see how wrong the clock is, by a server of yours
{demo}  sudo slewd           start the daemon (a service: sudo systemctl start slewd)
  slewd -d -x          start a daemon that only observes
Help:  slewd --help, slewd(8)"
    )
}

fn may_set_clock() -> bool {
    crate::sys::privileges::is_root() || crate::sys::privileges::has_cap_sys_time()
}

/// Runs the daemon. In one-shot modes a terminal is told what is being waited for, and whoever waited in vain what to do next.
fn run_daemon(options: Options) -> ExitCode {
    let aim = match options.mode {
        Mode::Discipline => return crate::daemon::run::run(options),
        Mode::SetOnce => "set",
        Mode::MeasureOnce => "measured",
    };
    let is_watched = io::stderr().is_terminal();
    if is_watched {
        complain(&format!(
            "Asking the servers. The clock is {aim} as soon as enough of them agree.\n\
             Ctrl-C ends this; the flag -t SECONDS limits it."
        ));
    }
    let code = crate::daemon::run::run(options);
    if code != ExitCode::SUCCESS {
        advise(&format!(
            "slewd: the clock was not {aim}: the lines above say why.\n\
             What one server says: slewd query HOST.\n\
             If nobody answers, a firewall may block UDP port 123."
        ));
    }
    code
}

/// Prints advice to standard error: as it is for a person, as one line for the log of a script.
fn advise(text: &str) {
    complain(&if io::stderr().is_terminal() { text.to_owned() } else { text.replace('\n', " ") });
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
