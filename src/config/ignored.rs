//! The syntax of directives that nothing here uses yet: they are checked, so that a mistake is found before the change
//! to a client that uses them, and then dropped.

use super::access;
use super::error::Fault;
use super::lex::Words;
use super::model::Config;
use super::{read, source};

/// The kind of value that an option takes.
#[derive(Clone, Copy)]
enum OptionKind {
    None,
    Integer(i64, i64),
    Real,
}

use OptionKind::{Integer, None as Flag, Real};

/// Options by name. Names are unique whatever their case.
type OptionTable = &'static [(&'static str, OptionKind)];

const LOCAL: OptionTable = &[
    ("stratum", Integer(1, 15)),
    ("distance", Real),
    ("activate", Real),
    ("orphan", Flag),
    ("waitsynced", Real),
    ("waitunsynced", Real),
];

const RATE_LIMIT: OptionTable = &[("interval", LIMIT), ("burst", LIMIT), ("leak", LIMIT)];
const KOD_RATE_LIMIT: OptionTable = &[("interval", LIMIT), ("burst", LIMIT), ("leak", LIMIT), ("kod", LIMIT)];
/// chronyd brings what is within these limits into a smaller range.
const LIMIT: OptionKind = Integer(-32, 255);

/// Checked like a `server` line.
pub(crate) fn peer(_: &mut Config, words: &mut Words) -> Result<(), Fault> {
    source::parse(words, false).map(drop)
}

pub(crate) fn local(_: &mut Config, words: &mut Words) -> Result<(), Fault> {
    check(LOCAL, words)
}

pub(crate) fn rate_limit(_: &mut Config, words: &mut Words) -> Result<(), Fault> {
    check(RATE_LIMIT, words).map_err(Fault::without_kind)
}

pub(crate) fn kod_rate_limit(_: &mut Config, words: &mut Words) -> Result<(), Fault> {
    check(KOD_RATE_LIMIT, words).map_err(Fault::without_kind)
}

pub(crate) fn access(_: &mut Config, words: &mut Words) -> Result<(), Fault> {
    access::parse(words).map(drop)
}

/// Three words (with a file of points) or six (with coefficients): nothing in between.
pub(crate) fn mail_on_change(_: &mut Config, words: &mut Words) -> Result<(), Fault> {
    words.required()?;
    words.real().map(drop)
}

pub(crate) fn smooth_time(_: &mut Config, words: &mut Words) -> Result<(), Fault> {
    words.real()?;
    words.real()?;
    match words.next() {
        Some(word) if !word.eq_ignore_ascii_case("leaponly") => Err(Fault::Parse(String::new())),
        _ => Ok(()),
    }
}

pub(crate) fn broadcast(_: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let wrong = |_| Fault::Parse(String::new());
    words.integer().map_err(wrong)?;
    read::address(words.next().unwrap_or_default())?;
    if words.count() > 0 {
        words.integer().map_err(wrong)?;
    }
    words.end()
}

pub(crate) fn bind_address(_: &mut Config, words: &mut Words) -> Result<(), Fault> {
    read::address(words.required()?).map(drop)
}

pub(crate) fn client_log_limit(_: &mut Config, words: &mut Words) -> Result<(), Fault> {
    words.integer().map(drop)
}

impl Fault {
    /// Some directives do not say whether an option or its value is wrong.
    fn without_kind(self) -> Fault {
        match self {
            Fault::Option(remedy) | Fault::Value(remedy) => Fault::Parse(remedy),
            other => other,
        }
    }
}

fn check(options: OptionTable, words: &mut Words) -> Result<(), Fault> {
    while let Some(word) = words.next() {
        let Some((name, value)) = options.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) else {
            let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
            return Err(Fault::Option(format!("\"{word}\" is none of the options {}", names.join(" "))));
        };
        match value {
            Flag => {}
            Integer(min, max) => {
                let fits = words.option_integer().is_some_and(|value| (*min..=*max).contains(&value));
                wanted(fits, name, || format!("a whole number from {min} to {max}"))?;
            }
            Real => wanted(words.option_real().is_some(), name, || "a number".to_string())?,
        }
    }
    Ok(())
}

fn wanted(fits: bool, name: &str, what: impl Fn() -> String) -> Result<(), Fault> {
    if fits { Ok(()) } else { Err(Fault::Value(format!("{name} takes {}", what()))) }
}
