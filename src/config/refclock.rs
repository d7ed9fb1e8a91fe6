//! `refclock` lines.

use super::directive::Class;
use super::error::{Error, Fault};
use super::lex::Words;
use super::model::Config;
use super::refclock_table::{RefclockOption, RefclockSyntax, refclock_options};
use super::suggest;
use crate::core::api::reference_clock::{ClockConfig, Driver, IS_BUILT, PulseInput};
use crate::core::api::source_id::ReferenceId;

/// Limits of `poll` and `dpoll`, log2 of seconds.
const POLL_MIN: i8 = -7;
const POLL_MAX: i8 = 24;

/// Permissions of a segment that has to be made: nobody else can tell us the time.
const PERMISSIONS: u32 = 0o600;

/// A `refclock` line. A driver or a parameter that cannot be used is found when the daemon starts, as in chronyd.
pub(crate) fn refclock(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    if words.count() < 2 {
        return Err(Fault::Parse(String::new()));
    }
    let (name, parameter) = (words.required()?.to_string(), words.required()?.to_string());
    let number = config.refclock_lines;
    config.refclock_lines += 1;
    if !IS_BUILT {
        while words.next().is_some() {}
        words.notes.push("line ignored: this slewd was built without reference clocks (feature refclock)".to_owned());
        return Ok(());
    }
    let id = default_id(&name, number);
    let driver = driver(&name, &parameter);
    let mut clock = ClockConfig::new(id, driver.clone().unwrap_or(Driver::Sock { path: String::new() }));
    while let Some(word) = words.next() {
        let option = RefclockOption::find(word).ok_or_else(|| unknown(word))?;
        read_value(option, &mut clock, words)?;
        if option.class == Class::Planned {
            words.notes.push(format!("the {} option means that {}", option.name, option.help));
        }
    }
    settle(&mut clock, words);
    match driver {
        Ok(_) => {
            if config.clocks.iter().any(|other| other.id == clock.id) {
                words.notes.push(format!("refid {} is taken: commands will mean the first of this name", clock.id));
            }
            config.clocks.push(clock);
        }
        Err(LineFault::Unused(why)) => words.notes.push(format!("line ignored: {why}")),
        Err(LineFault::Fatal(message, remedy)) => {
            config.refclock_error.get_or_insert(Error { message, remedy, place: None });
        }
    }
    Ok(())
}

/// Why there is no such clock.
#[derive(Clone, Debug)]
enum LineFault {
    /// The daemon does not start.
    Fatal(String, String),
    /// The line is passed over.
    Unused(String),
}

/// The driver and its parameter, behind which options of the driver may follow, each after a colon.
fn driver(name: &str, parameter: &str) -> Result<Driver, LineFault> {
    let mut parts = parameter.split(':');
    let parameter = parts.next().unwrap_or_default().to_string();
    let options: Vec<&str> = parts.collect();
    let known: &[&str] = match name {
        "PHC" => &["nocrossts", "extpps", "pin", "channel", "clear"],
        "PPS" => &["clear"],
        "SHM" => &["perm"],
        "SOCK" => &[],
        "RTC" => return Err(LineFault::Unused("driver RTC is not supported by this client".to_string())),
        _ => {
            let remedy = "the drivers are, in capitals: PHC PPS SHM SOCK".to_string();
            return Err(LineFault::Fatal(format!("unknown refclock driver {name}"), remedy));
        }
    };
    let value_of = |wanted: &str| options.iter().find_map(|option| option.strip_prefix(wanted)?.strip_prefix('='));
    let has = |wanted: &str| options.contains(&wanted);
    if let Some(wrong) = options.iter().find(|option| !known.contains(&option.split('=').next().unwrap_or_default())) {
        let takes = if known.is_empty() { "none".to_string() } else { known.join(" ") };
        let remedy = format!("driver {name} takes the options: {takes}");
        return Err(LineFault::Fatal(format!("Invalid refclock driver option {wrong}"), remedy));
    }
    match name {
        "PHC" if has("extpps") => {
            let number = |wanted: &str| value_of(wanted).map_or(Some(0), |text| text.parse().ok());
            let (Some(pin), Some(channel)) = (number("pin"), number("channel")) else {
                let remedy = "pin= and channel= take a number from 0 on".to_string();
                return Err(LineFault::Fatal("Invalid parameter of refclock PHC".to_string(), remedy));
            };
            let input = PulseInput { pin, channel, clear: has("clear") };
            Ok(Driver::ExternalPulses { device: parameter, cross: !has("nocrossts"), input })
        }
        "PHC" => Ok(Driver::Phc { device: parameter, cross: !has("nocrossts") }),
        "PPS" => Ok(Driver::Pps { device: parameter, clear: has("clear") }),
        "SHM" => {
            let permissions = value_of("perm").map_or(Some(PERMISSIONS), |text| u32::from_str_radix(text, 8).ok());
            match (parameter.parse(), permissions.filter(|permissions| *permissions <= 0o777)) {
                (Ok(unit), Some(permissions)) => Ok(Driver::Shm { unit, permissions }),
                _ => {
                    let remedy = "SHM takes the number of a segment, and perm= an octal number up to 777".to_string();
                    Err(LineFault::Fatal("Invalid parameter of refclock SHM".to_string(), remedy))
                }
            }
        }
        _ => Ok(Driver::Sock { path: parameter }),
    }
}

/// Three letters of the driver and the number of the line.
fn default_id(driver: &str, number: usize) -> ReferenceId {
    let letters: String = driver.chars().filter(char::is_ascii_graphic).take(3).collect();
    let id = ReferenceId::new(&format!("{letters}{}", number % 10));
    id.or_else(|| ReferenceId::new("REF")).unwrap_or(ReferenceId::NONE)
}

fn unknown(word: &str) -> Fault {
    let guess = suggest::near(word, refclock_options().map(|option| option.name));
    Fault::Option(guess.unwrap_or_else(|| format!("\"{word}\" is not an option of reference clocks")))
}

fn read_value(option: &RefclockOption, clock: &mut ClockConfig, words: &mut Words) -> Result<(), Fault> {
    let wanted = || Fault::Value(format!("{} takes a number: {}", option.name, option.range().unwrap_or_default()));
    match option.syntax {
        RefclockSyntax::Flag(set) => set(clock),
        RefclockSyntax::Int(min, max, set) => {
            let value = words.option_integer().filter(|value| (min..=max).contains(value)).ok_or_else(wanted)?;
            set(clock, value);
        }
        RefclockSyntax::Real(min, max, set) => {
            let value = words.option_real().ok_or_else(wanted)?;
            if let Some(value) = words.bring_into(value, (min, max)) {
                set(clock, value);
            }
        }
        RefclockSyntax::Id(set) => {
            let id = words.next().and_then(ReferenceId::new);
            set(clock, id.ok_or_else(|| Fault::Value(format!("{} takes one to four characters", option.name)))?);
        }
    }
    Ok(())
}

/// Applies the rules that involve more than one option.
fn settle(clock: &mut ClockConfig, words: &mut Words) {
    let typed = (clock.poll, clock.dpoll);
    clock.poll = clock.poll.clamp(POLL_MIN, POLL_MAX);
    clock.dpoll = clock.dpoll.clamp(POLL_MIN, POLL_MAX).min(clock.poll);
    if clock.poll != typed.0 {
        words.notes.push(format!("poll {} is out of range, {} is used", typed.0, clock.poll));
    }
    if clock.dpoll != typed.1 && typed.1 != 0 {
        let why = if (POLL_MIN..=POLL_MAX).contains(&typed.1) { "above poll" } else { "out of range" };
        words.notes.push(format!("dpoll {} is {why}, {} is used", typed.1, clock.dpoll));
    }
    clock.options.min_poll = clock.poll;
    clock.options.max_poll = clock.poll;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_and_a_channel_are_numbers() {
        let input = |options: &str| match driver("PHC", &format!("/dev/ptp0:extpps{options}")) {
            Ok(Driver::ExternalPulses { input, cross, .. }) => Some((input.pin, input.channel, input.clear, cross)),
            _ => None,
        };
        assert_eq!(input(""), Some((0, 0, false, true)));
        assert_eq!(input(":pin=2:channel=1:clear:nocrossts"), Some((2, 1, true, false)));
        for wrong in [":pin=x", ":channel=-1", ":pins=1"] {
            assert_eq!(input(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn options_and_their_table_agree_on_defaults() {
        let line = "refclock SOCK /s poll 4 dpoll 0 filter 64 rate 1 maxlockage 2 width 0 offset 0 delay 1e-9 \
            maxdispersion 0 stratum 0 maxunreach 100000";
        let mut config = Config::default();
        refclock(&mut config, &mut Words::split_directive(line).1).expect("a line");
        let id = ReferenceId::new("SOC0").expect("an ID");
        assert_eq!(config.clocks, [ClockConfig::new(id, Driver::Sock { path: "/s".to_string() })]);
        for pair in line.split_ascii_whitespace().skip(3).collect::<Vec<_>>().chunks(2) {
            assert_eq!(RefclockOption::find(pair[0]).expect("an option").default, pair[1], "{}", pair[0]);
        }
    }
}
