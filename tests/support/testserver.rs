//! NTP servers with a time of their own, for tests and trials.
//!
//! ```text
//! testserver --epoch-ns N [--ppm X] [--count] [--realtime] SERVER...
//! SERVER = ADDRESS:PORT [WORD...]
//! ```
//! Each address begins a server; the words after it describe that server:
//! `honest`, `dead`, `lie=3600s`, `kiss=RATE:4` (four answers, then kisses), `delay=10ms` (each way), `jitter=0.5ms` (mean,
//! each way), `forward=`, `back=` (one way), `turnaround=1s`, `stratum=2`, `leap=1`, `refid=GPS`, `root-delay=`,
//! `root-dispersion=`. It prints one line when all sockets are open and serves until it is killed; with `--count` it
//! prints a server's counts whenever they have changed; with `--realtime` it is scheduled before ordinary programs.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(unsafe_code)]

mod args;

use std::net::SocketAddr;
use std::time::Duration;

use lexopt::prelude::*;
use slewd::cli::demo::servers::{Behaviour, ServerSpec, Servers, Truth};
use slewd::time::Span;

fn main() {
    args::finish("testserver", run());
}

/// What the command line says.
struct Options {
    truth: Truth,
    specs: Vec<ServerSpec>,
    count: bool,
    realtime: bool,
}

fn run() -> Result<(), String> {
    let options = command_line().map_err(|e| e.to_string())?;
    if options.realtime {
        become_realtime()?;
    }
    let servers = Servers::start(options.truth, options.specs).map_err(|e| e.to_string())?;
    let addresses: Vec<String> = servers.addresses().iter().map(SocketAddr::to_string).collect();
    println!("serving on {}", addresses.join(" "));
    let mut last = vec![0; addresses.len()];
    loop {
        std::thread::sleep(Duration::from_millis(200));
        for (server, address) in addresses.iter().enumerate().filter(|_| options.count) {
            let Some(counts) = servers.counters(server) else { continue };
            let (requests, replies, refused) = (counts.requests(), counts.replies(), counts.refused());
            if std::mem::replace(&mut last[server], requests + replies + refused) != requests + replies + refused {
                println!("{address} requests={requests} replies={replies} refused={refused}");
            }
        }
    }
}

fn command_line() -> Result<Options, lexopt::Error> {
    let (mut epoch_ns, mut ppm, mut count, mut realtime) = (None, 0.0, false, false);
    let mut specs: Vec<ServerSpec> = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("epoch-ns") => epoch_ns = Some(parser.value()?.parse()?),
            Long("ppm") => ppm = parser.value()?.parse()?,
            Long("count") => count = true,
            Long("realtime") => realtime = true,
            Value(word) => {
                let word = word.string()?;
                match (word.parse::<SocketAddr>(), specs.last_mut()) {
                    (Ok(address), _) => specs.push(ServerSpec::honest(address)),
                    (Err(_), Some(spec)) => describe(spec, &word)?,
                    (Err(_), None) => return Err(format!("{word}: a server begins with ADDRESS:PORT").into()),
                }
            }
            other => return Err(other.unexpected()),
        }
    }
    if specs.is_empty() {
        return Err("no server given: ADDRESS:PORT [WORD...]".into());
    }
    Ok(Options { truth: args::truth(epoch_ns, ppm)?, specs, count, realtime })
}

/// The threads started from now on run before ordinary ones.
fn become_realtime() -> Result<(), String> {
    // SAFETY: it holds only integers, more of them in some C libraries than in others, for which zero is a value.
    let mut priority: libc::sched_param = unsafe { std::mem::zeroed() };
    priority.sched_priority = 50;
    // SAFETY: the pointer is to a live `sched_param`, and 0 is the calling thread.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &priority) } {
        0 => Ok(()),
        _ => Err(format!("sched_setscheduler: {}", std::io::Error::last_os_error())),
    }
}

/// Changes a server by one word of its description.
fn describe(spec: &mut ServerSpec, word: &str) -> Result<(), String> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    match key {
        "honest" => spec.behaviour = Behaviour::Honest,
        "dead" => spec.behaviour = Behaviour::Dead,
        "lie" => spec.behaviour = Behaviour::Lies(args::span(value)?),
        "kiss" => spec.behaviour = kiss(value)?,
        "delay" => (spec.forward.delay, spec.back.delay) = (args::span(value)?, args::span(value)?),
        "jitter" => (spec.forward.jitter, spec.back.jitter) = (args::span(value)?, args::span(value)?),
        "forward" => spec.forward.delay = args::span(value)?,
        "back" => spec.back.delay = args::span(value)?,
        "turnaround" => spec.turnaround = args::span(value)?,
        "stratum" => spec.stratum = args::number(value)?,
        "leap" => spec.leap = args::number(value)?,
        "refid" => spec.refid = letters(value)?,
        "root-delay" => spec.root_delay = args::span(value)?,
        "root-dispersion" => spec.root_dispersion = args::span(value)?,
        _ => return Err(format!("{word}: no such property of a server")),
    }
    let spans = [spec.forward.delay, spec.forward.jitter, spec.back.delay, spec.back.jitter, spec.turnaround];
    if spans.iter().any(|&s| s < Span::ZERO) {
        return Err(format!("{word}: nothing arrives before it was sent"));
    }
    Ok(())
}

/// `CODE:N`: the code after N answers.
fn kiss(value: &str) -> Result<Behaviour, String> {
    let (code, after) = value.split_once(':').unwrap_or((value, "0"));
    Ok(Behaviour::Kiss { code: letters(code)?, after: args::number(after)? })
}

/// Up to four ASCII letters, padded with zeros.
fn letters(value: &str) -> Result<[u8; 4], String> {
    let mut letters = [0; 4];
    if value.is_empty() || value.len() > 4 || !value.is_ascii() {
        return Err(format!("{value}: one to four ASCII letters expected"));
    }
    letters[..value.len()].copy_from_slice(value.as_bytes());
    Ok(letters)
}
