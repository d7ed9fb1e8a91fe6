//! What is wrong with a configuration, in chronyd's words, and what would be right.

use std::fmt;

/// A fatal error of the configuration. Displays as chronyd's message without the `Fatal error : ` prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// chronyd's message, for example `Invalid directive foo at line 3 in file /etc/chrony.conf`.
    pub message: String,
    /// What would be right, in one line; empty if there is nothing to add.
    pub remedy: String,
    /// Where, unless the message is about a file as a whole.
    pub place: Option<Location>,
}

/// Something in a configuration that is accepted but does not do what its author may expect.
///
/// Displays as the text followed by the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The line that the warning is about.
    pub place: Location,
    /// The message without the place.
    pub text: String,
}

/// A line of a file, or of the command line. Displays as chronyd's `at line N in file F`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file as it was named by the caller or by the `include` that led to it; `None` for the command line.
    pub file: Option<String>,
    /// Counted from 1; on the command line the index of the argument.
    pub line: usize,
}

/// What is wrong with the words of one directive; the parser adds its name and the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `Could not parse NAME directive`.
    Parse(String),
    /// `Missing arguments for NAME directive`.
    Missing,
    /// `Too many arguments for NAME directive`.
    TooMany,
    /// `Invalid value V in NAME directive (min A, max B)`.
    OutOfRange {
        /// The name as it was read.
        value: i64,
        /// Smallest accepted.
        min: i64,
        /// Largest accepted.
        max: i64,
    },
    /// `Invalid syntax for NAME directive`: a source without a host.
    NoHost,
    /// `Invalid option in NAME directive`.
    Option(String),
    /// `Invalid value in NAME directive`.
    Value(String),
    /// `Invalid log parameter`.
    LogParameter(String),
    /// The directive would serve others: ours, because chronyd does not refuse it.
    Refused(String),
}

impl Fault {
    /// The error for a directive that was typed as `name`.
    pub(crate) fn into_error(self, name: &str, usage: &str, place: Location) -> Error {
        let (message, remedy) = self.text(name, usage);
        Error { message: format!("{message} {place}"), remedy, place: Some(place) }
    }

    /// The message without the place, and the remedy given the directive's `usage`.
    pub(crate) fn text(self, name: &str, usage: &str) -> (String, String) {
        let usage = || format!("the syntax is: {usage}");
        match self {
            Fault::Parse(remedy) if remedy.is_empty() => (format!("Could not parse {name} directive"), usage()),
            Fault::Parse(remedy) => (format!("Could not parse {name} directive"), remedy),
            Fault::Missing => (format!("Missing arguments for {name} directive"), usage()),
            Fault::TooMany => (format!("Too many arguments for {name} directive"), usage()),
            Fault::OutOfRange { value, min, max } => (
                format!("Invalid value {value} in {name} directive (min {min}, max {max})"),
                format!("a whole number from {min} to {max} would be right"),
            ),
            Fault::NoHost => (format!("Invalid syntax for {name} directive"), usage()),
            Fault::Option(remedy) => (format!("Invalid option in {name} directive"), remedy),
            Fault::Value(remedy) => (format!("Invalid value in {name} directive"), remedy),
            Fault::LogParameter(remedy) => ("Invalid log parameter".to_string(), remedy),
            Fault::Refused(remedy) => (format!("{name} directive is not supported by this client"), remedy),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.text, self.place)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at line {}", self.line)?;
        match &self.file {
            Some(file) => write!(f, " in file {file}"),
            None => Ok(()),
        }
    }
}
