//! How well slewd keeps time: the real engine in the simulator, many seeds of many scenarios.
//!
//!     cargo bench --bench accuracy
//!     cargo bench --bench accuracy -- --only pool-4,wan-1ms --seeds 0-100

#![allow(clippy::disallowed_methods, reason = "a benchmark may look at the clock")]

mod case;
mod report;
mod scenarios;
mod schedule;
mod score;

use std::process::ExitCode;
use std::time::Instant;

use lexopt::prelude::*;
use schedule::Plan;

const USAGE: &str = "\
cargo bench --bench accuracy -- [OPTION]...
  --seeds FIRST-END   run these seeds, without END (0-20)
  --only NAME,NAME    run these scenarios
  --jobs N            on so many cores (all)
  --scenario-list     name the scenarios and what they are";

fn main() -> ExitCode {
    match options() {
        Ok(Some(plan)) => {
            table(&plan);
            ExitCode::SUCCESS
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// `None` if everything wanted has been said.
fn options() -> Result<Option<Plan>, lexopt::Error> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut plan = Plan { cases: scenarios::SCENARIOS.iter().collect(), seeds: 0..20, jobs };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("bench") => {} // Cargo's own.
            Long("seeds") => plan.seeds = arguments.value()?.parse_with(seeds)?,
            Long("jobs") => plan.jobs = arguments.value()?.parse::<usize>()?.max(1),
            Long("only") => plan.cases = arguments.value()?.parse_with(chosen)?,
            Long("scenario-list") => {
                scenarios::SCENARIOS.iter().for_each(|case| println!("{:15} {}", case.name, case.about));
                return Ok(None);
            }
            Long("help") => {
                println!("{USAGE}");
                return Ok(None);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(plan))
}

fn seeds(text: &str) -> Result<std::ops::Range<u64>, String> {
    let (first, end) = text.split_once('-').ok_or("seeds are FIRST-END")?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text}: not a number"));
    let seeds = number(first)?..number(end)?;
    if seeds.is_empty() { Err("no seeds".into()) } else { Ok(seeds) }
}

fn chosen(names: &str) -> Result<Vec<&'static case::Case>, String> {
    let find = |name: &str| {
        let found = scenarios::SCENARIOS.iter().find(|case| case.name == name);
        found.ok_or_else(|| format!("{name}: no such scenario (see --scenario-list)"))
    };
    names.split(',').map(find).collect()
}

fn table(plan: &Plan) {
    let begun = Instant::now();
    let summaries = plan.run();
    let took_s = begun.elapsed().as_secs_f64();
    println!("{}", report::HEADING);
    for (case, summary) in plan.cases.iter().zip(&summaries) {
        println!("{}", report::line(case, summary));
    }
    let seeds = plan.seeds.end - plan.seeds.start;
    let simulated_s = plan.cases.iter().map(|case| case.length_s).sum::<f64>() * seeds as f64;
    println!(
        "seeds {}-{}; {:.1} million simulated seconds in {took_s:.1} s on {} cores: {:.1} thousand per ms",
        plan.seeds.start,
        plan.seeds.end,
        simulated_s * 1e-6,
        plan.jobs,
        simulated_s * 1e-6 / took_s,
    );
}
