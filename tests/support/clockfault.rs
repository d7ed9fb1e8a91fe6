//! Makes the clock of a test guest wrong, and the kernel as forgetful as after a boot.
//!
//! ```text
//! clockfault --epoch-ns N [--ppm X] --by SPAN       the clock is SPAN ahead of the truth, at its nominal frequency
//! ```
//! It refuses to run anywhere but in a guest booted with `slewd.guest` on the kernel's command line.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(unsafe_code)]

mod args;

use lexopt::prelude::*;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use slewd::cli::demo::servers::{Truth, raw_now};
use slewd::time::{NANOS_PER_SEC, Span};

fn main() {
    args::finish("clockfault", run());
}

fn run() -> Result<(), String> {
    let kernel_words = std::fs::read_to_string("/proc/cmdline").map_err(|e| e.to_string())?;
    if !kernel_words.split_whitespace().any(|word| word == "slewd.guest") {
        return Err("this is not a test guest (no slewd.guest on the kernel's command line)".into());
    }
    let (truth, by) = command_line().map_err(|e| e.to_string())?;
    forget()?;
    let wrong = truth.at(raw_now()) + by;
    let time = TimeSpec::new(wrong.secs(), wrong.nanos().rem_euclid(NANOS_PER_SEC));
    clock_settime(ClockId::CLOCK_REALTIME, time).map_err(|e| format!("clock_settime: {e}"))
}

fn command_line() -> Result<(Truth, Span), lexopt::Error> {
    let (mut epoch_ns, mut ppm, mut by) = (None, 0.0, Span::ZERO);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("epoch-ns") => epoch_ns = Some(parser.value()?.parse()?),
            Long("ppm") => ppm = args::number(&parser.value()?.string()?)?,
            Long("by") => by = args::span(&parser.value()?.string()?)?,
            other => return Err(other.unexpected()),
        }
    }
    Ok((args::truth(epoch_ns, ppm)?, by))
}

/// Nominal frequency, no slew, no leap second, unsynchronised.
fn forget() -> Result<(), String> {
    for status in [libc::STA_PLL | libc::STA_UNSYNC, libc::STA_UNSYNC] {
        // SAFETY: timex is plain data, for which all zeros is a valid value.
        let mut state: libc::timex = unsafe { std::mem::zeroed() };
        state.modes = libc::ADJ_OFFSET
            | libc::ADJ_FREQUENCY
            | libc::ADJ_TICK
            | libc::ADJ_STATUS
            | libc::ADJ_MAXERROR
            | libc::ADJ_ESTERROR;
        state.tick = 10_000;
        state.status = status;
        state.maxerror = 16_000_000;
        state.esterror = 16_000_000;
        // SAFETY: the pointer is valid for the call.
        if unsafe { libc::adjtimex(&mut state) } < 0 {
            return Err(format!("adjtimex: {}", std::io::Error::last_os_error()));
        }
    }
    Ok(())
}
