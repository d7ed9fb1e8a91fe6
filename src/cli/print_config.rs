//! `slewd -p`: what the configuration says, without running it; the option `-p` of chronyd(8).

use std::process::ExitCode;

use crate::cli::say;
use crate::config::read_source_dirs;
use crate::daemon::files::configuration::PromptFiles;
use crate::daemon::files::key_file::Keys;
use crate::daemon::run::{Options, load};
use crate::sys::clock;

/// Prints each directive; warnings and the error go to standard error.
pub(super) fn run(options: &Options) -> ExitCode {
    let now = clock::read().utc;
    match load(options) {
        Ok(config) => {
            let is_written = say(&lines(&config.printed));
            let of_sources = read_source_dirs(&PromptFiles, &config.source_dirs).warnings;
            config.warnings.iter().chain(&of_sources).for_each(|warning| eprintln!("{now} {warning}"));
            Keys::open(&config).1.iter().for_each(|warning| eprintln!("{now} {warning}"));
            if is_written { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(failure) => {
            say(&lines(&failure.printed));
            failure.warnings.iter().for_each(|warning| eprintln!("{now} {warning}"));
            eprintln!("{now} Fatal error : {}", failure.error);
            if !failure.error.remedy.is_empty() {
                eprintln!("{now} {}", failure.error.remedy);
            }
            ExitCode::FAILURE
        }
    }
}

fn lines(printed: &[String]) -> String {
    printed.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}
