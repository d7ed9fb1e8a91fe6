//! Pulses of a parallel port, for the driver pps_parport of a test guest: QEMU's port interrupts when its strobe is taken back.
//!
//! ```text
//! parportpulses --epoch-ns N [--ppm X] [--late SPAN]     a pulse so long after the beginning of each second of the truth
//! ```
//! It goes on until it is killed. It is scheduled before ordinary programs, waits for the last two milliseconds of a second without sleep, and refuses to run
//! anywhere but in a guest booted with `slewd.guest` on the kernel's command line.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(unsafe_code)]

mod args;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use lexopt::prelude::*;
use slewd::cli::demo::servers::{Truth, raw_now};
use slewd::time::{Raw, Span};

/// The registers of the first port.
const STATUS: u64 = 0x379;
const CONTROL: u64 = 0x37a;

/// Bits of the control register: the printer is selected and not reset, and the port interrupts.
const READY: u8 = 0x1c;
const STROBE: u8 = 0x01;

/// Sleep ends late.
const AWAKE: Span = Span::from_millis(2);

fn main() {
    args::finish("parportpulses", run());
}

fn run() -> Result<(), String> {
    let kernel_words = std::fs::read_to_string("/proc/cmdline").map_err(|e| e.to_string())?;
    if !kernel_words.split_whitespace().any(|word| word == "slewd.guest") {
        return Err("this is not a test guest (no slewd.guest on the kernel's command line)".into());
    }
    let (truth, late) = command_line().map_err(|e| e.to_string())?;
    let parameter = libc::sched_param { sched_priority: 1 };
    // SAFETY: the structure lives through the call, which keeps no pointer to it.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter) } != 0 {
        return Err(format!("sched_setscheduler: {}", std::io::Error::last_os_error()));
    }
    let port = File::options().read(true).write(true).open("/dev/port").map_err(|e| format!("/dev/port: {e}"))?;
    loop {
        let now = raw_now();
        let part = (truth.at(now) - late).nanos().rem_euclid(1_000_000_000);
        let second = now + Span::from_nanos(((1_000_000_000 - part) as f64 / (1.0 + truth.ppm * 1e-6)) as i64);
        pulse(&port, second).map_err(|e| format!("/dev/port: {e}"))?;
    }
}

fn command_line() -> Result<(Truth, Span), lexopt::Error> {
    let (mut epoch_ns, mut ppm, mut late) = (None, 0.0, Span::ZERO);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("epoch-ns") => epoch_ns = Some(parser.value()?.parse()?),
            Long("ppm") => ppm = args::number(&parser.value()?.string()?)?,
            Long("late") => late = args::span(&parser.value()?.string()?)?,
            other => return Err(other.unexpected()),
        }
    }
    Ok((args::truth(epoch_ns, ppm)?, late))
}

/// One pulse at this moment, with the strobe set before; then the port is made ready for the next.
fn pulse(port: &File, moment: Raw) -> std::io::Result<()> {
    let sleep = (moment - raw_now() - AWAKE).nanos().max(0);
    std::thread::sleep(Duration::from_nanos(sleep as u64));
    port.write_all_at(&[READY | STROBE], CONTROL)?;
    while raw_now() < moment {}
    port.write_all_at(&[READY], CONTROL)?;
    // Twice, so that the acknowledgement ends.
    (0..2).try_for_each(|_| port.read_exact_at(&mut [0], STATUS))
}
