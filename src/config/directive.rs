//! What a row of the table of directives is, and how it is found.

use super::error::Fault;
use super::lex::Words;
use super::model::Config;
use super::table::SECTIONS;
use crate::core::api::limits::{ANY_SIGN, RealRange};

/// Text that only the manual is made of, which a test writes: a release build has no room for it.
pub(super) const fn manual(text: &'static str) -> &'static str {
    if cfg!(debug_assertions) { text } else { "" }
}

/// One directive: everything that the parser and the manual need to know about it.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// The name in lower case; case does not matter in a file.
    pub name: &'static str,
    /// The arguments, in the notation of manual pages; empty if there are none.
    pub arguments: &'static str,
    /// What holds without the directive; empty in a release build.
    pub default: &'static str,
    /// What becomes of the directive here.
    pub class: Class,
    /// What the directive does, in one line; empty in a release build.
    pub help: &'static str,
    pub(crate) syntax: Syntax,
}

/// What becomes of a directive, or of a source option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The directive does what it says.
    Used,
    /// Checked and accepted with a warning: it does nothing yet.
    Planned,
    /// Checked and accepted with a warning: a client has no use for it.
    Unused,
    /// Accepted without a word: what it asks for is so anyway.
    Harmless,
    /// An error unless `clientonly` is set: ignoring it would change what this machine does for others.
    Refused,
    /// Removed from chrony long ago: a warning.
    Retired,
}

/// How the arguments are read, and where they go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Syntax {
    /// A directive without an argument.
    Flag(fn(&mut Config)),
    /// One whole number from the first to the second value.
    Int(i64, i64, fn(&mut Config, i64)),
    /// One real number, brought into the range.
    Real(RealRange, fn(&mut Config, f64)),
    /// One word.
    Text(fn(&mut Config, &str)),
    /// So many words (least, most), read by a function.
    Words(usize, usize, fn(&mut Config, &mut Words) -> Result<(), Fault>),
    /// Words that are not even counted.
    Anything,
    /// `include`.
    Include,
    /// `confdir`.
    ConfDir,
}

/// Directives about one subject.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The subject.
    pub title: &'static str,
    /// Its directives, in the order of the manual.
    pub directives: &'static [Directive],
}

/// All directives, grouped by subject in the order of the manual.
pub fn sections() -> impl Iterator<Item = &'static Section> {
    SECTIONS.iter()
}

/// All directives in the order of the manual.
pub fn directives() -> impl Iterator<Item = &'static Directive> {
    sections().flat_map(|section| section.directives)
}

impl Directive {
    /// The directive of this name, whatever its case.
    pub fn find(name: &str) -> Option<&'static Directive> {
        directives().find(|directive| directive.name.eq_ignore_ascii_case(name))
    }

    /// Name and arguments.
    pub fn usage(&self) -> String {
        format!("{} {}", self.name, self.arguments).trim_end().to_string()
    }

    /// The accepted values, if the argument is one number: for example `0 to 63`.
    pub fn range(&self) -> Option<String> {
        match self.syntax {
            Syntax::Int(min, max, _) => Some(range_text(min as f64, max as f64)),
            Syntax::Real((min, max), _) => Some(range_text(min, max)),
            _ => None,
        }
    }

    /// Reads the arguments into `config`. Everything except `include` and `confdir`, which need files.
    pub(crate) fn apply(&self, config: &mut Config, words: &mut Words) -> Result<(), Fault> {
        match self.syntax {
            Syntax::Flag(set) => {
                expect_count(words, 0, 0)?;
                set(config);
            }
            Syntax::Int(min, max, set) => {
                expect_count(words, 1, 1)?;
                set(config, words.strict_integer(min, max)?);
            }
            Syntax::Real(range, set) => {
                expect_count(words, 1, 1)?;
                let value = words.real()?;
                if let Some(value) = words.bring_into(value, range) {
                    set(config, value);
                }
            }
            Syntax::Text(set) => {
                expect_count(words, 1, 1)?;
                set(config, words.required()?);
            }
            Syntax::Words(min, max, read) => {
                expect_count(words, min, max)?;
                read(config, words)?;
            }
            Syntax::Anything | Syntax::Include | Syntax::ConfDir => {}
        }
        Ok(())
    }
}

pub(crate) fn expect_count(words: &Words, min: usize, max: usize) -> Result<(), Fault> {
    match words.count() {
        count if count < min => Err(Fault::Missing),
        count if count > max => Err(Fault::TooMany),
        _ => Ok(()),
    }
}

/// Limits that are only there to keep arithmetic finite are not mentioned.
pub(crate) fn range_text(min: f64, max: f64) -> String {
    match (min > ANY_SIGN.0, max < ANY_SIGN.1) {
        (true, true) => format!("{min} to {max}"),
        (true, false) => format!("{min} or more"),
        (false, true) => format!("{max} or less"),
        (false, false) => "any".to_string(),
    }
}
