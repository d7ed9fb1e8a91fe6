//! Compares CLOCK_REALTIME with the truth of the test servers. It only ever reads clocks.
//!
//! ```text
//! timeprobe epoch   [--ppm X] [--ahead SPAN]                     the --epoch-ns of a truth that is ahead of the clock now
//! timeprobe now     --epoch-ns N [--ppm X]                       error= and truth= at this moment
//! timeprobe raw                                                  the raw counter in seconds
//! timeprobe watch   --epoch-ns N [--ppm X] --for SPAN [--every SPAN] [--device PATH]   lines "raw-seconds error"
//! timeprobe summary [--within SPAN] [--from S] [--to S] < lines  good_after, first, last, min, max, mean, sd, rms, rate_ppm, rms_rate_ppb
//! timeprobe kernel                                               what adjtimex(2) tells, read-only
//! ```
//! Errors are clock minus truth in seconds: positive means the clock is fast. `--from` and `--to` are readings of the raw
//! counter; `good_after` is the time from `--from` (else the first line) until the error stays `--within` (else 10 ms).
//! With `--device` lines have a third number, by how much a PTP hardware clock is ahead of the truth. Then the truth of the
//! summary is the straight line through those numbers, and `device_sd` is how much they scatter about it.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(unsafe_code)]

mod args;

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;

use lexopt::prelude::*;
use nix::time::{ClockId, clock_gettime};
use slewd::cli::demo::servers::{Truth, raw_now};
use slewd::sys::ptp::PtpClock;
use slewd::time::{ClockReading, NANOS_PER_SEC, Raw, Span, Utc};

fn main() {
    args::finish("timeprobe", run());
}

/// Everything the command line can say.
struct Options {
    mode: String,
    epoch_ns: Option<i64>,
    ppm: f64,
    ahead: Span,
    lasting: Span,
    every: Span,
    within: Span,
    from_s: f64,
    to_s: f64,
    device: Option<String>,
}

fn run() -> Result<(), String> {
    let options = command_line().map_err(|e| e.to_string())?;
    match options.mode.as_str() {
        "epoch" => {
            let now = reading();
            println!("{}", Truth::starting(now.utc + options.ahead, now.raw, options.ppm).epoch.nanos());
        }
        "now" => {
            let (now, truth) = (reading(), args::truth(options.epoch_ns, options.ppm)?);
            println!("error={:.9}", (now.utc - truth.at(now.raw)).secs_f64());
            println!("truth={}", truth.at(now.raw).secs());
        }
        "raw" => println!("{:.6}", (raw_now() - Raw::default()).secs_f64()),
        "watch" => watch(&options)?,
        "summary" => summary(&options)?,
        "kernel" => kernel()?,
        other => return Err(format!("{other}: modes are epoch, now, raw, watch, summary, kernel")),
    }
    Ok(())
}

fn command_line() -> Result<Options, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut options = Options {
        mode: String::new(),
        epoch_ns: None,
        ppm: 0.0,
        ahead: Span::ZERO,
        lasting: Span::from_secs(10),
        every: Span::from_millis(20),
        within: Span::from_millis(10),
        from_s: f64::NEG_INFINITY,
        to_s: f64::INFINITY,
        device: None,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Long("epoch-ns") => options.epoch_ns = Some(parser.value()?.parse()?),
            Long("ppm") => options.ppm = parser.value()?.parse()?,
            Long("ahead") => options.ahead = args::span(&parser.value()?.string()?)?,
            Long("for") => options.lasting = args::span(&parser.value()?.string()?)?,
            Long("every") => options.every = args::span(&parser.value()?.string()?)?,
            Long("within") => options.within = args::span(&parser.value()?.string()?)?,
            Long("from") => options.from_s = args::number(&parser.value()?.string()?)?,
            Long("to") => options.to_s = args::number(&parser.value()?.string()?)?,
            Long("device") => options.device = Some(parser.value()?.string()?),
            Value(mode) if options.mode.is_empty() => options.mode = mode.string()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

/// Both clocks at one moment: the tightest of five looks.
fn reading() -> ClockReading {
    let look = || {
        let before = raw_now();
        let now = clock_gettime(ClockId::CLOCK_REALTIME).expect("every kernel has CLOCK_REALTIME");
        let width = raw_now() - before;
        let utc = Utc::from_nanos(now.tv_sec() * NANOS_PER_SEC + now.tv_nsec());
        ClockReading { raw: before + width.half(), utc, width, slept: Span::ZERO }
    };
    (0..5).map(|_| look()).min_by_key(|r| r.width).expect("five is more than none")
}

/// Prints one line per look until the time is over. The spacing is kept on the raw counter: steps do not disturb it.
fn watch(options: &Options) -> Result<(), String> {
    let truth = args::truth(options.epoch_ns, options.ppm)?;
    let open = |path: &String| PtpClock::open(Path::new(path)).map_err(|e| format!("{path}: {e}"));
    let device = options.device.as_ref().map(open).transpose()?;
    let start = raw_now();
    let mut next = start;
    let mut out = std::io::stdout().lock();
    while next - start <= options.lasting {
        let wait = next - raw_now();
        std::thread::sleep(Duration::from_nanos(wait.nanos().max(0) as u64));
        let now = reading();
        let error = now.utc - truth.at(now.raw);
        write!(out, "{:.6} {:.9}", (now.raw - Raw::default()).secs_f64(), error.secs_f64())
            .map_err(|e| e.to_string())?;
        if let Some(device) = &device {
            write!(out, " {:.9}", (error - ahead_of(device)?).secs_f64()).map_err(|e| e.to_string())?;
        }
        writeln!(out).map_err(|e| e.to_string())?;
        next = (next + options.every).max(Raw::from_nanos(now.raw.nanos()));
    }
    Ok(())
}

/// By how much the system clock is ahead of a device: as the tightest of ten looks has it.
fn ahead_of(device: &PtpClock) -> Result<Span, String> {
    let looks = device.extended(false).map_err(|e| format!("PTP_SYS_OFFSET_EXTENDED: {e}"))?;
    let [before, told, after] = looks.into_iter().min_by_key(|look| look[2] - look[0]).expect("ten are more than none");
    Ok(Span::from_nanos(before + (after - before) / 2 - told))
}

/// Reads the lines of `watch` and prints what they say.
fn summary(options: &Options) -> Result<(), String> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut told: Vec<(f64, f64)> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| e.to_string())?;
        // The last line of a probe that was killed may be cut short.
        let mut numbers = line.split(' ').map_while(|number| number.parse::<f64>().ok());
        if let (Some(at), Some(error)) = (numbers.next(), numbers.next())
            && (options.from_s..=options.to_s).contains(&at)
        {
            points.push((at, error));
            told.extend(numbers.next().map(|device| (at, device)));
        }
    }
    if told.len() > 2 {
        println!("device_sd={:.9}", subtract_line(&mut points, &told));
    }
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Err("no samples to judge".into()) };
    let bad = points.iter().rposition(|p| p.1.abs() >= options.within.secs_f64());
    match bad.map_or(Some(0), |i| (i + 1 < points.len()).then_some(i + 1)) {
        Some(i) => println!(
            "good_after={:.3}",
            points[i].0 - if options.from_s.is_finite() { options.from_s } else { first.0 }
        ),
        None => println!("good_after=never"),
    }
    let count = points.len() as f64;
    let rms = (points.iter().map(|p| p.1 * p.1).sum::<f64>() / count).sqrt();
    println!("samples={}\nfirst={:.9}\nlast={:.9}", points.len(), first.1, last.1);
    println!("min={:.9}", points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min));
    println!("max={:.9}", points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max));
    let mean = points.iter().map(|p| p.1).sum::<f64>() / count;
    println!("mean={mean:.9}\nsd={:.9}", (rms * rms - mean * mean).max(0.0).sqrt());
    println!("rms={rms:.9}\nrate_ppm={:.4}\nrms_rate_ppb={:.1}", slope(&points) * 1e6, rms_rate(&points) * 1e9);
    Ok(())
}

/// Root mean square of the rates over stretches of a second: how evenly the clock runs.
fn rms_rate(points: &[(f64, f64)]) -> f64 {
    const STRETCH_S: f64 = 1.0;
    let Some(&first) = points.first() else { return f64::NAN };
    let (mut begun, mut sum, mut count) = (first, 0.0, 0.0);
    for &point in points {
        let lasted_s = point.0 - begun.0;
        if lasted_s >= STRETCH_S {
            sum += ((point.1 - begun.1) / lasted_s).powi(2);
            count += 1.0;
            begun = point;
        }
    }
    f64::sqrt(sum / count)
}

/// Slope of the least-squares line: how fast the clock gains on the truth.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean_t = points.iter().map(|p| p.0).sum::<f64>() / count;
    let mean_e = points.iter().map(|p| p.1).sum::<f64>() / count;
    let across: f64 = points.iter().map(|p| (p.0 - mean_t) * (p.1 - mean_e)).sum();
    across / points.iter().map(|p| (p.0 - mean_t).powi(2)).sum::<f64>()
}

/// Takes the straight line through what a device told off the errors, and returns how much that scatters about the line.
fn subtract_line(points: &mut [(f64, f64)], told: &[(f64, f64)]) -> f64 {
    let count = told.len() as f64;
    let mean_t = told.iter().map(|p| p.0).sum::<f64>() / count;
    let mean_e = told.iter().map(|p| p.1).sum::<f64>() / count;
    let rate = slope(told);
    let line = |at: f64| mean_e + rate * (at - mean_t);
    points.iter_mut().for_each(|(at, error)| *error -= line(*at));
    (told.iter().map(|(at, device)| (device - line(*at)).powi(2)).sum::<f64>() / count).sqrt()
}

/// Prints the kernel's idea of its clock. Offsets are in seconds, frequencies in parts per million.
fn kernel() -> Result<(), String> {
    // SAFETY: timex is plain data, for which all zeros is a valid value.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid for the call; modes is zero, so nothing is changed.
    let verdict = unsafe { libc::adjtimex(&mut state) };
    if verdict < 0 {
        return Err(format!("adjtimex: {}", std::io::Error::last_os_error()));
    }
    let unit = if state.status & libc::STA_NANO != 0 { 1e-9 } else { 1e-6 };
    println!("state={verdict}\nstatus={:#x}", state.status);
    println!("unsync={}", i32::from(state.status & libc::STA_UNSYNC != 0));
    println!("maxerror={:.6}\nesterror={:.6}", state.maxerror as f64 * 1e-6, state.esterror as f64 * 1e-6);
    println!("offset={:.9}", state.offset as f64 * unit);
    println!("freq_ppm={:.6}\ntick={}", state.freq as f64 / 65_536.0, state.tick);
    println!("total_ppm={:.6}", state.freq as f64 / 65_536.0 + (state.tick - 10_000) as f64 * 100.0);
    println!("constant={}\ntai={}", state.constant, state.tai);
    Ok(())
}
