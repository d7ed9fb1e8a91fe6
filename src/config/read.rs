//! Reading the arguments of directives that are more than one number or word.

use std::net::IpAddr;

use super::access;
use super::error::Fault;
use super::lex::Words;
use super::model::{AccessRule, Config, DriftFileDirective, Logs, RateLimit, TempCompDirective};
use super::source;
use crate::core::api::limits::{ANY, MAX_INT};
use crate::core::api::settings::{AuthSelectMode, Host, InitStepSlew, LeapMode, MakeStep, MaxChange};
use crate::core::api::temp_comp::{Curve, TempComp};
use crate::time::Span;

/// A word of `log`.
struct Log {
    name: &'static str,
    /// Whether this client writes the file.
    written: bool,
    set: fn(&mut Logs),
}

const fn log_file(name: &'static str, written: bool, set: fn(&mut Logs)) -> Log {
    Log { name, written, set }
}

const LOGS: [Log; 8] = [
    log_file("measurements", true, |logs| logs.measurements = true),
    log_file("rawmeasurements", true, |logs| {
        logs.measurements = true;
        logs.raw_measurements = true;
    }),
    log_file("statistics", true, |logs| logs.statistics = true),
    log_file("tracking", true, |logs| logs.tracking = true),
    log_file("selection", true, |logs| logs.selection = true),
    log_file("rtc", false, |logs| logs.rtc = true),
    log_file("refclocks", true, |logs| logs.refclocks = true),
    log_file("tempcomp", true, |logs| logs.tempcomp = true),
];

/// The commands that `opencommands` accepts.
const OPEN_COMMANDS: [&str; 13] = [
    "activity",
    "authdata",
    "clients",
    "manual",
    "ntpdata",
    "rtcdata",
    "selectdata",
    "serverstats",
    "smoothing",
    "sourcename",
    "sources",
    "sourcestats",
    "tracking",
];

/// Most directories of one `confdir` or `sourcedir`.
pub(crate) const DIRECTORIES_MAX: usize = 10;

const DRIFT_INTERVAL_S: u32 = 3600;
/// Temperatures do not change faster than this, and each reading wakes the machine.
const SENSOR_INTERVAL_MIN_S: f64 = 0.1;

pub(crate) fn server(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    config.sources.extend(source::parse(words, false)?);
    Ok(())
}

pub(crate) fn pool(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    config.sources.extend(source::parse(words, true)?);
    Ok(())
}

/// Nothing is loaded from no directory or from more than ten: chronyd does not say so, we do.
pub(crate) fn source_dir(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let directories: Vec<String> = std::iter::from_fn(|| words.next()).map(str::to_string).collect();
    if (1..=DIRECTORIES_MAX).contains(&directories.len()) {
        config.source_dirs.push(directories);
    } else {
        words.notes.push(format!("nothing is loaded: only 1 to {DIRECTORIES_MAX} directories are accepted"));
    }
    Ok(())
}

pub(crate) fn init_step_slew(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    if words.count() == 0 {
        return Err(Fault::Parse(String::new()));
    }
    let threshold = words.loose_real()?;
    let hosts = std::iter::from_fn(|| words.next()).map(Host::from).collect();
    if let Some(threshold_s) = words.bring_into(threshold, ANY) {
        config.settings.init_step_slew = Some(InitStepSlew { threshold_s, hosts });
    }
    Ok(())
}

/// Nobody needs an average over less than a second or more than a century.
pub(crate) fn fallback_drift(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    const LONGEST: i64 = 31;
    let (min, max) = (words.integer()?, words.integer()?);
    let is_range = max > 0 && min <= max;
    config.settings.fallback_drift = is_range.then(|| (min.clamp(0, LONGEST) as u8, max.min(LONGEST) as u8));
    Ok(())
}

pub(crate) fn bind_acq_address(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    match address(words.required()?)? {
        IpAddr::V4(v4) => config.network.bind_acq_v4 = Some(v4),
        IpAddr::V6(v6) => config.network.bind_acq_v6 = Some(v6),
    }
    Ok(())
}

pub(crate) fn bind_cmd_address(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let word = words.required()?;
    if word.starts_with('/') {
        config.commands.socket = (word != "/").then(|| word.to_string());
        return Ok(());
    }
    match address(word)? {
        IpAddr::V4(v4) => config.commands.bind_v4 = v4,
        IpAddr::V6(v6) => config.commands.bind_v6 = v6,
    }
    Ok(())
}

pub(crate) fn address(word: &str) -> Result<IpAddr, Fault> {
    word.parse().map_err(|_| Fault::Parse(format!("\"{word}\" is not an IP address; host names are not accepted here")))
}

pub(crate) fn nts_trusted_certs(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let set = if words.count() == 2 { words.loose_integer()? } else { 0 };
    let set = u32::try_from(set).map_err(|_| Fault::Parse(format!("the number of a set is 0 to {}", u32::MAX)))?;
    config.nts.trusted_certs.push((set, words.required()?.to_string()));
    Ok(())
}

pub(crate) fn cert_time_check(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    config.nts.strict_cert_time = match keyword(words)?.as_str() {
        "strict" => true,
        "provisional" => false,
        _ => return Err(Fault::Parse("certtimecheck is followed by strict or provisional".to_owned())),
    };
    Ok(())
}

/// Numbers that no algorithm we know has are left out, as in chronyd.
pub(crate) fn nts_aeads(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    const AES_SIV_CMAC_256: i64 = 15;
    const AES_128_GCM_SIV: i64 = 30;
    let mut aeads = Vec::new();
    while words.count() > 0 {
        let id = words.strict_integer(0, MAX_INT)?;
        if [AES_SIV_CMAC_256, AES_128_GCM_SIV].contains(&id) {
            aeads.push(id as u16);
        }
    }
    config.nts.aeads = aeads;
    Ok(())
}

pub(crate) fn auth_select_mode(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    config.settings.auth_select_mode = match keyword(words)?.as_str() {
        "require" => AuthSelectMode::Require,
        "prefer" => AuthSelectMode::Prefer,
        "mix" => AuthSelectMode::Mix,
        "ignore" => AuthSelectMode::Ignore,
        _ => return Err(Fault::Parse(String::new())),
    };
    Ok(())
}

pub(crate) fn leap_sec_mode(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    config.settings.leap_mode = match keyword(words)?.as_str() {
        "system" => LeapMode::System,
        "step" => LeapMode::Step,
        "slew" => LeapMode::Slew,
        "ignore" => LeapMode::Ignore,
        _ => return Err(Fault::Parse(String::new())),
    };
    Ok(())
}

/// The only argument, in lower case. These directives are not counted: no argument is as wrong as a bad one.
fn keyword(words: &mut Words) -> Result<String, Fault> {
    let word = words.next().unwrap_or_default().to_ascii_lowercase();
    words.end()?;
    Ok(word)
}

pub(crate) fn drift_file(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let wrong = || Fault::Parse(String::new());
    let path = words.next().ok_or_else(wrong)?.to_string();
    let mut interval_s = DRIFT_INTERVAL_S;
    if let Some(word) = words.next() {
        if !word.eq_ignore_ascii_case("interval") || words.count() != 1 {
            return Err(wrong());
        }
        interval_s = u32::try_from(words.integer()?.max(0)).unwrap_or(u32::MAX);
    }
    config.files.drift = Some(DriftFileDirective { path, interval_s });
    Ok(())
}

pub(crate) fn make_step(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let (threshold, limit) = (words.real()?, words.integer()?);
    if let Some(threshold_s) = words.bring_into(threshold, ANY) {
        config.settings.makestep = Some(MakeStep { threshold_s, limit: saturate(limit) });
    }
    Ok(())
}

pub(crate) fn temp_comp(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let with_points = match words.count() {
        3 => true,
        6 => false,
        _ => return Err(Fault::Missing),
    };
    let sensor = words.required()?.to_string();
    let interval_s = words.real()?;
    let Some(interval_s) = words.bring_into(interval_s, (SENSOR_INTERVAL_MIN_S, ANY.1)) else { return Ok(()) };
    let interval = Span::from_secs_f64(interval_s);
    let points = if with_points { Some(words.required()?.to_string()) } else { None };
    config.settings.temp_comp = None;
    if points.is_none() {
        let curve = Curve::Quadratic { t0: words.real()?, k: [words.real()?, words.real()?, words.real()?] };
        config.settings.temp_comp = Some(TempComp { interval, curve });
    }
    config.files.thermometer = Some(TempCompDirective { sensor, interval, points });
    Ok(())
}

pub(crate) fn max_change(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let (offset, start, ignore) = (words.real()?, words.integer()?, words.integer()?);
    if let Some(offset_s) = words.bring_into(offset, ANY) {
        config.settings.max_change = Some(MaxChange { offset_s, start: saturate(start), ignore: saturate(ignore) });
    }
    Ok(())
}

fn saturate(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

pub(crate) fn log(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    while let Some(word) = words.next() {
        let Some(log) = LOGS.iter().find(|log| log.name == word) else {
            let names = LOGS.map(|log| log.name).join(" ");
            return Err(Fault::LogParameter(format!("the logs are, in lower case: {names}")));
        };
        (log.set)(&mut config.logs);
        if !log.written {
            words.notes.push(format!("the {word} log is not written by this client"));
        }
    }
    Ok(())
}

pub(crate) fn pid_file(config: &mut Config, path: &str) {
    config.process.pid_file = (path != "/").then(|| path.to_string());
}

pub(crate) fn cmd_allow(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let (all, subnet) = access::parse(words)?;
    config.commands.access.push(AccessRule { allow: true, all, subnet });
    Ok(())
}

pub(crate) fn cmd_deny(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let (all, subnet) = access::parse(words)?;
    config.commands.access.push(AccessRule { allow: false, all, subnet });
    Ok(())
}

/// Values within -32 to 255 are brought into the range of each option, as in chronyd.
pub(crate) fn cmd_rate_limit(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let mut limit = RateLimit::default();
    while let Some(name) = words.next() {
        let wrong =
            || Fault::Parse("cmdratelimit takes interval, burst and leak, each with a whole number".to_string());
        let value = words.option_integer().filter(|value| (-32..=255).contains(value)).ok_or_else(wrong)?;
        match name.to_ascii_lowercase().as_str() {
            "interval" => limit.interval = value.clamp(-12, 12) as i8,
            "burst" => limit.burst = value.clamp(1, 255) as u8,
            "leak" => limit.leak = value.clamp(1, 4) as u8,
            _ => return Err(wrong()),
        }
    }
    config.commands.rate_limit = Some(limit);
    Ok(())
}

pub(crate) fn open_commands(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let mut open = Vec::new();
    while let Some(word) = words.next() {
        let word = word.to_ascii_lowercase();
        if !OPEN_COMMANDS.contains(&word.as_str()) {
            return Err(Fault::Parse(format!("the commands are: {}", OPEN_COMMANDS.join(" "))));
        }
        open.push(word);
    }
    config.commands.open_commands = open;
    Ok(())
}
