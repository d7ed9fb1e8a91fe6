//! What the command lines of the rig's programs have in common.

use std::process::exit;

use slewd::cli::demo::servers::Truth;
use slewd::time::{Span, Utc};

/// The truth as two options give it: `--epoch-ns N` (UTC nanoseconds when the raw counter was zero) and `--ppm X`.
pub(crate) fn truth(epoch_ns: Option<i64>, ppm: f64) -> Result<Truth, String> {
    let epoch = Utc::from_nanos(epoch_ns.ok_or("--epoch-ns is missing")?);
    Ok(Truth { epoch, ppm })
}

/// A duration with its unit: `10ms`, `0.5ms`, `-3600s`, `20us`, `100ns`, `4h`.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    let unit_at = text.rfind(|c: char| c.is_ascii_digit() || c == '.').map_or(0, |i| i + 1);
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "h" => 3600.0,
        "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "ns" => 1e-9,
        _ => return Err(format!("{text}: a duration needs one of the units h, s, ms, us, ns")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text}: not a duration"))?;
    Ok(Span::from_secs_f64(number * seconds))
}

/// A number that has to be there.
pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text}: not a number of the right kind"))
}

/// Ends the program with its error, as 2 for a wrong command line.
pub(crate) fn finish(program: &str, outcome: Result<(), String>) {
    if let Err(message) = outcome {
        eprintln!("{program}: {message}");
        exit(2);
    }
}
