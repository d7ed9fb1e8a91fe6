//! Which system calls are filtered, as `-F` has it (chronyd(8)).

use log::{Level, debug, log, warn};

use crate::daemon::os_error::plain;
use crate::sys::seccomp::{self, List, Otherwise};

/// Without `-F`. A call that was forgotten must not pass unseen by tests, and must not stop the clock of a machine.
const DEFAULT_LEVEL: i32 = if cfg!(debug_assertions) { -1 } else { 1 };

/// Filters the calls of the daemon and of all threads that it starts from now on.
pub fn install(level: Option<i32>) {
    let Some((list, otherwise)) = meaning(level.unwrap_or(DEFAULT_LEVEL)) else { return };
    match seccomp::install(list, otherwise) {
        Ok(()) => debug!("System calls are filtered: {list:?}"),
        // Who has asked for it is warned.
        Err(reason) => {
            let severity = if level.is_some() { Level::Warn } else { Level::Info };
            log!(severity, "System calls are not filtered : {} (rights are given up all the same)", plain(&reason));
        }
    }
}

/// In the process that starts commands: nobody knows which calls they need, so that only harmful ones are refused.
pub fn install_for_commands(level: Option<i32>) {
    if level != Some(0) {
        // The daemon itself says that there are no filters.
        let _ = seccomp::install(List::Harmless, Otherwise::Fails);
    }
}

fn meaning(level: i32) -> Option<(List, Otherwise)> {
    let list = match level.abs() {
        0 => return None,
        1 => List::Needed,
        _ => List::Harmless,
    };
    Some((list, if level < 0 { Otherwise::Ends } else { Otherwise::Fails }))
}

/// Says which calls were refused, each once.
#[derive(Default)]
pub struct Refusals(Vec<i32>);

impl Refusals {
    /// Looks whether there is a new one. Never blocks.
    pub fn report(&mut self) {
        let Some(number) = seccomp::refused().filter(|number| !self.0.contains(number)) else { return };
        self.0.push(number);
        warn!(
            "System call {number} on {} is not among those that slewd needs and was refused (please report it; the flag \
             -F 0 turns the filter off)",
            std::env::consts::ARCH
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_chronyd() {
        assert_eq!(meaning(0), None);
        assert_eq!(meaning(1), Some((List::Needed, Otherwise::Fails)));
        assert_eq!(meaning(-1), Some((List::Needed, Otherwise::Ends)));
        assert_eq!(meaning(2), Some((List::Harmless, Otherwise::Fails)));
        assert_eq!(meaning(-2), Some((List::Harmless, Otherwise::Ends)));
    }
}
