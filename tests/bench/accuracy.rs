//! How well slewd keeps time: the real engine in the simulator, many seeds of many scenarios.
//!
//!     cargo bench --bench accuracy
//!     cargo bench --bench accuracy -- --only pool-4,wan-1ms --seeds 0-100
//!     cargo bench --bench accuracy -- --regimes

#![allow(clippy::disallowed_methods, reason = "a benchmark may look at the clock")]

mod beside;
mod case;
mod chronyd;
#[path = "../ideal/mod.rs"]
mod ideal;
mod regime_table;
mod regimes;
mod replays;
mod report;
mod scenarios;
mod schedule;
mod score;
mod table;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use beside::Comparison;
use lexopt::prelude::*;
use schedule::{DEFAULT_RATIO, Plan};

const USAGE: &str = "\
cargo bench --bench accuracy -- [OPTION]...
  --seeds FIRST-END   run these seeds, without END (0-50)
  --only NAME,NAME    run these scenarios
  --jobs N            on so many cores (all)
  --corrtimeratio X   with this directive: larger is smoother and less exact (3)
  --write             all of them with the committed seeds: renew table.txt and docs/benchmarks.md
  --regimes           networks as they are, measured paths among them, instead of the table (some minutes)
  --held-out          the regimes with seeds that nothing was tuned with
  --chronyd           beside Debian's chronyd in the same worlds; also with --regimes
  --starts            the same, the first ten minutes window by window
  --ideal             the estimator alone, in a world without clocks and packets (docs/estimator.md)
  --scenario-list     name the scenarios and what they are";

/// What to do.
struct Task {
    plan: Plan,
    /// Names of scenarios, with commas; all if empty.
    only: String,
    writes: bool,
    ideal: bool,
    regimes: bool,
    held_out: bool,
    chronyd: bool,
    starts: bool,
}

fn main() -> ExitCode {
    match options() {
        Ok(Some(task)) => match perform(&task) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// `None` if everything wanted has been said.
fn options() -> Result<Option<Task>, lexopt::Error> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let plan = Plan {
        cases: scenarios::SCENARIOS.iter().collect(),
        seeds: table::SEEDS,
        jobs,
        corr_time_ratio: DEFAULT_RATIO,
    };
    let mut task = Task {
        plan,
        only: String::new(),
        writes: false,
        ideal: false,
        regimes: false,
        held_out: false,
        chronyd: false,
        starts: false,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("bench") => {} // Cargo's own.
            Long("seeds") => task.plan.seeds = arguments.value()?.parse_with(seeds)?,
            Long("jobs") => task.plan.jobs = arguments.value()?.parse::<usize>()?.max(1),
            Long("only") => task.only = arguments.value()?.string()?,
            Long("corrtimeratio") => task.plan.corr_time_ratio = arguments.value()?.parse()?,
            Long("ideal") => task.ideal = true,
            Long("regimes") => task.regimes = true,
            Long("chronyd") => task.chronyd = true,
            Long("starts") => task.starts = true,
            Long("held-out") => task.held_out = true,
            Long("write") => task.writes = true,
            Long("scenario-list") => {
                scenarios::SCENARIOS.iter().for_each(|case| println!("{:15} {}", case.name, case.about));
                println!("With --regimes:");
                regimes::REGIMES.iter().for_each(|regime| println!("{:15} {}", regime.name, regime.about));
                return Ok(None);
            }
            Long("help") => {
                println!("{USAGE}");
                return Ok(None);
            }
            other => return Err(other.unexpected()),
        }
    }
    if task.regimes {
        return Ok(Some(task));
    }
    if !task.ideal && !task.only.is_empty() {
        task.plan.cases = chosen(&task.only)?;
    }
    let plan = &task.plan;
    let is_whole = plan.cases.len() == scenarios::SCENARIOS.len();
    if task.writes && (plan.seeds != table::SEEDS || !is_whole || plan.corr_time_ratio != DEFAULT_RATIO) {
        return Err("--write needs all scenarios, the committed seeds and the default settings".into());
    }
    Ok(Some(task))
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

fn perform(task: &Task) -> Result<(), Box<dyn Error>> {
    let plan = &task.plan;
    if task.ideal {
        let only: Vec<&str> = task.only.split(',').filter(|name| !name.is_empty()).collect();
        ideal::table::print(plan.seeds.clone(), &only);
        return Ok(());
    }
    if task.chronyd || task.starts {
        return compare(task);
    }
    if task.regimes {
        return perform_regimes(task);
    }
    let begun = Instant::now();
    let results: Vec<_> = plan.cases.iter().copied().zip(plan.run()).collect();
    let took_s = begun.elapsed().as_secs_f64();
    println!("{}", report::HEADING);
    for (case, summary) in &results {
        println!("{}", report::line(case, summary));
    }
    println!("{}", report::speed(plan, took_s));
    if plan.seeds == table::SEEDS && plan.corr_time_ratio == DEFAULT_RATIO {
        for (case, summary) in &results {
            table::changes(case, summary, table::COMMITTED).iter().for_each(|change| println!("{change}"));
        }
    }
    if task.writes {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::write(home.join("tests/bench/table.txt"), table::text(&results))?;
        renew(&home.join("docs/benchmarks.md"), BEGIN, &table::markdown(&results))?;
    }
    Ok(())
}

fn perform_regimes(task: &Task) -> Result<(), Box<dyn Error>> {
    let seeds = if task.held_out { regime_table::HELD_OUT } else { task.plan.seeds.clone() };
    let rows = regime_table::run(&task.only, seeds, task.plan.jobs);
    println!("{}", regime_table::text(&rows));
    if task.writes {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        renew(&home.join("docs/benchmarks.md"), REGIMES_BEGIN, &regime_table::markdown(&rows))?;
    }
    Ok(())
}

fn compare(task: &Task) -> Result<(), Box<dyn Error>> {
    let installation = chronyd::Installation::new()?;
    let seeds = if task.held_out { regime_table::HELD_OUT } else { task.plan.seeds.clone() };
    let is_wanted = |name: &str| task.only.is_empty() || task.only.split(',').any(|wanted| wanted == name);
    let regimes = regimes::REGIMES.iter();
    if task.starts {
        let regimes = regimes.filter(|regime| beside::STARTS.contains(&regime.name));
        let rows = beside::run(&installation, &Comparison::starts(regimes), seeds, task.plan.jobs);
        let table = beside::starts_table(&rows);
        println!("{table}");
        return write(task, STARTS_BEGIN, &table);
    }
    let comparisons: Vec<Comparison> = if task.regimes {
        regimes.filter(|regime| is_wanted(regime.name)).map(Comparison::of_regime).collect()
    } else {
        task.plan.cases.iter().copied().map(Comparison::of_case).collect()
    };
    let rows = beside::run(&installation, &comparisons, seeds, task.plan.jobs);
    println!("{}", beside::text(&rows));
    let begin = if task.regimes { REGIMES_BESIDE_BEGIN } else { BESIDE_BEGIN };
    write(task, begin, &beside::markdown(&rows))
}

/// Renews a table of docs/benchmarks.md, if that is wanted.
fn write(task: &Task, begin: &str, table: &str) -> Result<(), Box<dyn Error>> {
    if task.writes {
        renew(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks.md"), begin, table)?;
    }
    Ok(())
}

const BESIDE_BEGIN: &str = "<!-- made by cargo bench --bench accuracy -- --chronyd --write -->\n";
const REGIMES_BESIDE_BEGIN: &str =
    "<!-- made by cargo bench --bench accuracy -- --chronyd --regimes --held-out --write -->\n";
const STARTS_BEGIN: &str = "<!-- made by cargo bench --bench accuracy -- --starts --held-out --write -->\n";
const BEGIN: &str = "<!-- made by cargo bench --bench accuracy -- --write -->\n";
const REGIMES_BEGIN: &str = "<!-- made by cargo bench --bench accuracy -- --regimes --held-out --write -->\n";
const END: &str = "<!-- end -->\n";

/// Replaces what stands between two marks of a document.
fn renew(document: &Path, begin: &str, with: &str) -> std::io::Result<()> {
    let text = std::fs::read_to_string(document)?;
    let marks = text.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = marks else {
        return Err(std::io::Error::other(format!("{}: no marks", document.display())));
    };
    std::fs::write(document, format!("{before}{begin}{with}{END}{after}"))
}
