//! Plays random worlds: servers good and bad, faults, orders, restarts, sleeps, changes of the network.
//!
//! ```text
//! worlds [--card] SEED|FIRST-LAST...
//! ```
//! With `--card` the network card of each stamps packets.
//!
//! Of a single world it tells everything that happens; of several each has two lines, and what did not hold. They say what
//! the world is, how long the engine was synchronised, its requests and steps, how soon after the last fault the clock was
//! right and how wrong it was at the end. What must hold is in `oracles.rs`. The exit status is 1 if something did not, 2 for a wrong command
//! line. Without `--release` the invariants of the core are checked as well.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod dice;
mod lies;
mod oracles;
mod play;

use std::ops::RangeInclusive;
use std::panic::catch_unwind;
use std::process::ExitCode;

use oracles::{Outcome, TOLERATED};
use play::Play;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has_card = arguments.first().is_some_and(|first| first == "--card");
    let ranges: Option<Vec<_>> = arguments[usize::from(has_card)..].iter().map(|argument| range(argument)).collect();
    match ranges.filter(|ranges| !ranges.is_empty()) {
        Some(ranges) => play_all(&ranges.into_iter().flatten().collect::<Vec<_>>(), has_card),
        None => {
            eprintln!(
                "worlds: which worlds? worlds [--card] SEED|FIRST-LAST..., for example: worlds 7, or worlds 1-100"
            );
            ExitCode::from(2)
        }
    }
}

fn range(text: &str) -> Option<RangeInclusive<u64>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?).filter(|range| !range.is_empty())
}

fn play_all(seeds: &[u64], has_card: bool) -> ExitCode {
    let (mut broken, mut beyond, mut synchronised) = (0, 0, 0);
    for seed in seeds {
        let play = if has_card { Play::with_card(*seed) } else { Play::new(*seed) };
        // Before it is played: without unwinding a panic ends the program.
        println!("world {seed}: {}", play.summary());
        let outcome = catch_unwind(|| oracles::run(&play))
            .unwrap_or_else(|_| Outcome { broken: vec!["panic".to_owned()], ..Outcome::default() });
        if seeds.len() == 1 {
            timeline(&play, &outcome).iter().for_each(|(at_s, what)| println!("  {at_s:9.1} s  {what}"));
        }
        println!("  {}", text(&outcome));
        outcome.broken.iter().for_each(|what| println!("  BROKEN {what}"));
        broken += usize::from(!outcome.broken.is_empty());
        beyond += outcome.beyond;
        synchronised += outcome.synchronised;
    }
    let share = f64::from(beyond) / f64::from(synchronised.max(1));
    println!("{} worlds, {broken} broken; bound too small at {share:.1e} of all moments", seeds.len());
    // Of one world that is judged with the rest.
    let is_bound_good = seeds.len() < MANY || share <= TOLERATED;
    if broken == 0 && is_bound_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Faults, orders, and what came of them.
fn timeline(play: &Play, outcome: &Outcome) -> Vec<(f64, String)> {
    let mut lines = play.happenings();
    lines.extend(outcome.events.iter().map(|(at_s, event)| (*at_s, format!("    {event:?}"))));
    let step = |by_s: f64, to_s: f64| format!("    stepped by {by_s:.6} s, to {to_s:.6} s from the truth");
    lines.extend(outcome.steps.iter().map(|(at_s, by_s, to_s)| (*at_s, step(*by_s, *to_s))));
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    lines
}

/// So many worlds say whether the bound is too small too often.
const MANY: usize = 20;

fn text(outcome: &Outcome) -> String {
    let Outcome { synchronised, beyond, requests, wakes, .. } = outcome;
    let settled = match (outcome.limit_s, outcome.settled_s) {
        (Some(limit_s), Some(settled_s)) => format!("within {:.2} ms after {settled_s:.0} s", 1e3 * limit_s),
        (Some(limit_s), None) => format!("not within {:.2} ms", 1e3 * limit_s),
        (None, _) => "no honest majority at the end".to_owned(),
    };
    let beyond = match beyond {
        0 => String::new(),
        _ => format!(" ({beyond} beyond the bound, worst {:.2} at {:.1} s)", outcome.worst_excess, outcome.worst_at_s),
    };
    let (steps, error_ms) = (outcome.steps.len(), 1e3 * outcome.error_s);
    format!(
        "synchronised at {synchronised} moments{beyond}; {requests} requests, {wakes} wake-ups, {steps} steps; {settled}, \
         {error_ms:+.3} ms at the end"
    )
}
