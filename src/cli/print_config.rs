//! `slewd -p`: what the configuration says, without running it (spec 1.5).

use std::process::ExitCode;

use crate::daemon::run::{Options, load};
use crate::sys::clock;

/// Prints each directive; warnings and the error go to standard error.
pub(super) fn run(options: &Options) -> ExitCode {
    let now = clock::read().utc;
    match load(options) {
        Ok(config) => {
            config.printed.iter().for_each(|line| println!("{line}"));
            config.warnings.iter().for_each(|warning| eprintln!("{now} {warning}"));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            failure.printed.iter().for_each(|line| println!("{line}"));
            failure.warnings.iter().for_each(|warning| eprintln!("{now} {warning}"));
            eprintln!("{now} Fatal error : {}", failure.error);
            if !failure.error.remedy.is_empty() {
                eprintln!("{now} {}", failure.error.remedy);
            }
            ExitCode::FAILURE
        }
    }
}
