//! Whom to tell of the state of the clock, and how: directives that chronyd does not have.

use super::error::Fault;
use super::lex::Words;
use super::model::Config;

/// Where everybody looks for the first synchronisation.
const SYNCHRONIZED_FILE: &str = "/run/slewd/synchronized";

/// Whom to tell of the state of the clock.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Notifications {
    /// `readywhen`: when the service manager is told that slewd is ready.
    pub ready_when: ReadyWhen,
    /// `synchronizedfile`: these exist from the first synchronisation to the end; `None` if nothing is said of them.
    synchronized_files: Option<Vec<String>>,
    /// `onchange`: a command and its arguments, run at changes of state; empty for none.
    pub on_change: Vec<String>,
    /// `metricsfile`.
    pub metrics_file: Option<MetricsFileDirective>,
}

/// When the service manager is told that slewd is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReadyWhen {
    /// As soon as the daemon runs.
    #[default]
    Running,
    /// When the clock is right for the first time.
    Synchronized,
}

/// `metricsfile FILE SECONDS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsFileDirective {
    /// Path of the file.
    pub path: String,
    /// Time between two writes in seconds, at least 1.
    pub interval_s: u32,
}

impl Notifications {
    /// The files that exist from the first synchronisation to the end. An observer makes only those it was told to: that
    /// of the daemon which sets the clock is not its own.
    pub fn synchronized_files(&self, controls_clock: bool) -> Vec<String> {
        let usual = || if controls_clock { vec![SYNCHRONIZED_FILE.to_string()] } else { Vec::new() };
        self.synchronized_files.clone().unwrap_or_else(usual)
    }
}

pub(crate) fn ready_when(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let word = words.required()?;
    config.announcements.ready_when = match word.to_ascii_lowercase().as_str() {
        "running" => ReadyWhen::Running,
        "synchronized" => ReadyWhen::Synchronized,
        _ => return Err(Fault::Parse(format!("\"{word}\" is neither running nor synchronized"))),
    };
    Ok(())
}

pub(crate) fn synchronized_file(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let mut files = Vec::new();
    while let Some(word) = words.next() {
        if word != "/" {
            files.push(full_path(word)?);
        }
    }
    config.announcements.synchronized_files = Some(files);
    Ok(())
}

pub(crate) fn on_change(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let mut command = vec![full_path(words.required()?)?];
    command.extend(std::iter::from_fn(|| words.next()).map(str::to_string));
    config.announcements.on_change = command;
    Ok(())
}

pub(crate) fn metrics_file(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    let path = full_path(words.required()?)?;
    let interval_s = words.strict_integer(1, i64::from(i32::MAX))? as u32;
    config.announcements.metrics_file = Some(MetricsFileDirective { path, interval_s });
    Ok(())
}

/// In the background the working directory is `/`, and there is no search path.
fn full_path(word: &str) -> Result<String, Fault> {
    if word.starts_with('/') {
        Ok(word.to_string())
    } else {
        Err(Fault::Parse(format!("\"{word}\" does not begin with /: the full path is wanted")))
    }
}
