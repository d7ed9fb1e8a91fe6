//! Carries out scripts of clock commands on the kernel of a test guest and on the simulator's model of it, and compares.
//!
//! ```text
//! clockmodel [--dump] < scripts
//! script  = NAME [every=20ms] [idle]: MOMENT COMMAND; MOMENT COMMAND; ... MOMENT end
//! COMMAND = steer PPM PHASE CONSTANT | step SPAN | read
//! ```
//! A moment is in seconds of CLOCK_REALTIME after the whole second in which the script begins: 2.95 is 50 ms before the
//! clock begins its fourth second. The clock is looked at `every` so often, and the processor is kept busy between, so that
//! the kernel hears all of its timer ticks; `idle` lets it sleep, and then the figures are printed but not judged.
//!
//! A line for each part of a script between two commands tells how far kernel and model were apart: largest and rms
//! deviation, and drift of one against the other. It ends with 1 if a script failed (see [`SLACK`]).
//!
//! It refuses to run anywhere but in a guest booted with `slewd.guest` on the kernel's command line.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[allow(dead_code)]
mod args;

use std::io::BufRead;
use std::process::exit;
use std::time::Duration;

use slewd::cli::demo::servers::raw_now;
use slewd::core::api::command::ClockCommand;
use slewd::sim::kernel::SimulatedKernel;
use slewd::sys::clock::{self, PhaseSlew};
use slewd::time::{ClockReading, Raw, Span, Utc};

/// Kernel and model agree if they are never further apart than this and what [`LATENESS`] amounts to. Readings of both
/// clocks scatter by 5 ns (rms) under TCG, 20 ns at most; a change of rate in mid-tick leaves up to 0.4 us at 100 ppm.
const SLACK: Span = Span::from_nanos(100);

/// A kernel notices the beginning of a second up to two ticks late (8 ms at 250 Hz), the model up to one, and neither
/// knows the other's ticks. At the fastest rate of a script that many seconds of deviation are no fault; a share dropped,
/// doubled or begun at the wrong moment shows as 50 ms or more.
const LATENESS: Span = Span::from_nanos(12_000_000);

fn main() {
    args::finish("clockmodel", run());
}

/// What a line of a script asks for.
#[derive(Clone, Copy, Debug)]
enum Action {
    Command(ClockCommand),
    Read,
    End,
}

/// One line of the input.
struct Script {
    name: String,
    every: Span,
    is_idle: bool,
    steps: Vec<(f64, Action)>,
}

/// What was done to the kernel's clock, or seen of it.
#[derive(Clone, Copy)]
enum Event {
    /// A command that took this long.
    Command(ClockCommand, Span),
    /// What adjtimex says is left of the phase.
    Left(Span),
    Look(ClockReading),
}

fn run() -> Result<(), String> {
    let kernel_words = std::fs::read_to_string("/proc/cmdline").map_err(|e| e.to_string())?;
    if !kernel_words.split_whitespace().any(|word| word == "slewd.guest") {
        return Err("this is not a test guest (no slewd.guest on the kernel's command line)".into());
    }
    let dump = std::env::args().any(|word| word == "--dump");
    let mut is_good = true;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| e.to_string())?;
        if !line.trim().is_empty() {
            let script = parse(&line)?;
            let (start, events) = perform(&script)?;
            is_good &= compare(&script, start, &events, dump);
        }
    }
    if is_good { Ok(()) } else { exit(1) }
}

fn parse(line: &str) -> Result<Script, String> {
    let (head, body) = line.split_once(':').ok_or(format!("{line}: NAME: is missing"))?;
    let mut words = head.split_whitespace();
    let name = words.next().unwrap_or_default().to_owned();
    let (mut every, mut is_idle) = (Span::from_millis(20), false);
    for word in words {
        match word.split_once('=') {
            Some(("every", value)) => every = args::span(value)?,
            _ if word == "idle" => is_idle = true,
            _ => return Err(format!("{word}: every=SPAN or idle expected")),
        }
    }
    let steps = body.split(';').map(step).collect::<Result<_, _>>()?;
    Ok(Script { name, every, is_idle, steps })
}

fn step(text: &str) -> Result<(f64, Action), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (at, action) = match words[..] {
        [at, "steer", ppm, phase, constant] => {
            let frequency = args::number::<f64>(ppm)? * 1e-6;
            let (phase, time_constant) = (args::span(phase)?, args::number(constant)?);
            (at, Action::Command(ClockCommand::Steer { frequency, phase, time_constant }))
        }
        [at, "step", by] => (at, Action::Command(ClockCommand::Step { by: args::span(by)? })),
        [at, "read"] => (at, Action::Read),
        [at, "end"] => (at, Action::End),
        _ => return Err(format!("{text}: no such command")),
    };
    Ok((args::number(at)?, action))
}

/// Runs a script from a clock that has no slew, no frequency and owes nothing.
fn perform(script: &Script) -> Result<(ClockReading, Vec<(Raw, Event)>), String> {
    apply(ClockCommand::Steer { frequency: 0.0, phase: Span::ZERO, time_constant: 0 })?;
    apply(ClockCommand::Step { by: Span::ZERO })?;
    let origin = Utc::from_secs(clock::read().utc.secs() + 2);
    let mut events = Vec::new();
    wait(origin, script, &mut Vec::new());
    let start = tight();
    for &(at, action) in &script.steps {
        wait(origin + Span::from_secs_f64(at), script, &mut events);
        match action {
            Action::Command(command) => {
                let before = raw_now();
                apply(command)?;
                let lasted = raw_now() - before;
                events.push((before + lasted.half(), Event::Command(command, lasted)));
            }
            Action::Read => {
                let left = clock::state().map_err(|e| e.to_string())?.phase;
                events.push((raw_now(), Event::Left(left)));
            }
            Action::End => break,
        }
    }
    Ok((start, events))
}

fn apply(command: ClockCommand) -> Result<(), String> {
    match command {
        ClockCommand::Step { by } => clock::step(by),
        ClockCommand::Steer { frequency, phase, time_constant } => {
            clock::steer(frequency * 1e6, Some(PhaseSlew { amount: phase, time_constant })).map(drop)
        }
        ClockCommand::Report(_) | ClockCommand::SetTai { .. } => Ok(()),
    }
    .map_err(|e| e.to_string())
}

/// Looks at the clock until it shows `target`.
fn wait(target: Utc, script: &Script, events: &mut Vec<(Raw, Event)>) {
    /// Emulated programs wake up late.
    const SPIN: Span = Span::from_millis(3);
    loop {
        let next = raw_now() + script.every;
        while raw_now() < next {
            let now = clock::read().utc;
            if now >= target {
                return;
            }
            let idle = (target - now).min(next - raw_now()) - SPIN;
            if script.is_idle && idle > Span::ZERO {
                std::thread::sleep(Duration::from_nanos(idle.nanos() as u64));
            }
        }
        let reading = tight();
        events.push((reading.raw, Event::Look(reading)));
    }
}

/// The tightest of some looks.
fn tight() -> ClockReading {
    (0..3).map(|_| clock::read()).min_by_key(|reading| reading.width).expect("three is more than none")
}

/// Plays the events to the model, prints how it did, and tells whether it is good.
fn compare(script: &Script, start: ClockReading, events: &[(Raw, Event)], dump: bool) -> bool {
    let name = &script.name;
    let mut model = SimulatedKernel::new(start.raw, start.utc, 0.0);
    let mut parts: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    let (mut slowest, mut fastest, mut lateness, mut is_good) = (0.0_f64, 0.0_f64, LATENESS, true);
    for &(raw, event) in events {
        model.advance(raw);
        let at_s = (raw - start.raw).secs_f64();
        match event {
            Event::Command(command, lasted) => {
                model.apply(command);
                lateness = lateness.max(LATENESS + lasted);
                parts.push(Vec::new());
            }
            Event::Left(left) => {
                let apart = (left - model.slew_left()).abs();
                println!(
                    "@MODEL {name} at {at_s:.3}: left {} ns, model {} ns",
                    left.nanos(),
                    model.slew_left().nanos()
                );
                is_good &= apart <= Span::from_nanos(1);
            }
            Event::Look(reading) => {
                let apart_s = (reading.utc - model.utc()).secs_f64();
                parts.last_mut().expect("it begins with one").push((at_s, apart_s));
                if dump {
                    let lead_ns = (reading.lead() - start.lead()).nanos();
                    println!("@D {name} {at_s:.6} {lead_ns} {:.0} {}", apart_s * 1e9, reading.width.nanos());
                }
            }
        }
        (slowest, fastest) = (slowest.min(model.rate()), fastest.max(model.rate()));
    }
    for (number, part) in parts.iter().enumerate().filter(|(_, part)| part.len() >= 3) {
        println!("@MODEL {name} part {number}: {}", Deviation::of(part));
    }
    let all = Deviation::of(&parts.concat());
    let allowed_s = SLACK.secs_f64() + (fastest - slowest) * lateness.secs_f64();
    is_good &= all.largest_s.abs() <= allowed_s;
    let verdict = if is_good || script.is_idle { "FIGURE" } else { "FAIL" };
    let late_ms = all.largest_s.abs() / (fastest - slowest).max(1e-9) * 1e3;
    println!("@{verdict} model {name}: {all}, allowed {:.3} us; as if {late_ms:.2} ms late", allowed_s * 1e6);
    is_good || script.is_idle
}

/// How far apart two clocks were.
struct Deviation {
    largest_s: f64,
    rms_s: f64,
    drift: f64,
}

impl Deviation {
    fn of(points: &[(f64, f64)]) -> Self {
        let count = points.len() as f64;
        let mean_t = points.iter().map(|p| p.0).sum::<f64>() / count;
        let mean_e = points.iter().map(|p| p.1).sum::<f64>() / count;
        let across: f64 = points.iter().map(|p| (p.0 - mean_t) * (p.1 - mean_e)).sum();
        Deviation {
            largest_s: points.iter().map(|p| p.1).fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a }),
            rms_s: (points.iter().map(|p| p.1 * p.1).sum::<f64>() / count).sqrt(),
            drift: across / points.iter().map(|p| (p.0 - mean_t).powi(2)).sum::<f64>(),
        }
    }
}

impl std::fmt::Display for Deviation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (largest_us, rms_us, drift_ppb) = (self.largest_s * 1e6, self.rms_s * 1e6, self.drift * 1e9);
        write!(f, "largest {largest_us:.3} us, rms {rms_us:.3} us, drift {drift_ppb:.1} ppb")
    }
}
