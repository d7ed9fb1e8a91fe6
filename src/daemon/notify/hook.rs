//! Directive `onchange`: runs a command when the state of the clock changes, and never waits for it.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};

use log::{debug, warn};

use crate::core::api::alarm::{Alarm, AlarmWatch};
use crate::core::api::event::{Event, Label};
use crate::core::engine::Engine;
use crate::daemon::notify::observer::Observer;
use crate::daemon::os_error::plain;
use crate::report;
use crate::sys::privileges;
use crate::sys::starter::{Job, Starter};
use crate::time::{ClockReading, Raw, Span, Utc};

/// A command that runs longer is killed.
const LIMIT: Span = Span::from_secs(30);

/// Where commands find others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whom to be if slewd remains root.
const NOBODY: &str = "nobody";

/// How the names of all variables begin that commands get.
const PREFIX: &str = "SLEWD_";

/// The command, and what is to be told.
pub struct Hook {
    /// `None` if it has ended, which it never does by itself.
    starter: Option<Starter>,
    program: String,
    watch: AlarmWatch,
    source: Option<Label>,
    /// How the clock is after these events is not known yet.
    fresh: Vec<(Alarm, String)>,
    /// At most one of each kind.
    queue: VecDeque<Call>,
    running: Option<Running>,
    has_failed: bool,
}

/// What a command is told.
#[derive(Clone, PartialEq, Debug)]
struct Call {
    alarm: Alarm,
    /// The line of the log.
    message: String,
    at: Utc,
    is_synchronised: bool,
    /// Of the clock: how far it was moved, or else how far it still has to be.
    offset: Option<Span>,
    est_error: Option<Span>,
    max_error: Option<Span>,
    source: Option<Label>,
    /// The number of this kind that were not told because a command was running; this is the last.
    skipped: u32,
}

struct Running {
    /// When the command is killed; `None` once it was.
    until: Option<Raw>,
}

impl Hook {
    /// Of a command that is going to be run by this process.
    pub fn new(program: String, starter: Starter) -> Self {
        Hook {
            starter: Some(starter),
            program,
            watch: AlarmWatch::default(),
            source: None,
            fresh: Vec::new(),
            queue: VecDeque::new(),
            running: None,
            has_failed: false,
        }
    }

    /// Something has happened, and this is how things are after it.
    fn add(&mut self, alarm: Alarm, message: String, engine: &Engine, now: &ClockReading) {
        let tracking = engine.tracking(now);
        let call = Call {
            alarm,
            message,
            at: now.utc,
            is_synchronised: engine.is_synchronised(),
            offset: alarm.moved().or(tracking.map(|tracking| tracking.error)),
            est_error: tracking.map(|tracking| tracking.est_error),
            max_error: tracking.map(|tracking| tracking.bound + tracking.error.abs()),
            source: self.source.clone(),
            skipped: 0,
        };
        queue_up(&mut self.queue, call);
    }

    fn look_after(&mut self, now: Raw) {
        let Some(starter) = &self.starter else { return };
        match starter.ended() {
            Err(reason) => return self.lose(&plain(&reason)),
            Ok(Some(end)) => {
                let was_killed = self.running.take().is_some_and(|running| running.until.is_none());
                match end {
                    Ok(()) => self.has_failed = false,
                    Err(_) if was_killed => {}
                    Err(why) => self.failed(&why),
                }
            }
            Ok(None) => {}
        }
        let Some(running) = &mut self.running else { return };
        if running.until.is_some_and(|until| until <= now) {
            running.until = None;
            self.starter.iter().for_each(Starter::kill);
            self.failed(&format!("killed after {:.0} seconds", LIMIT.secs_f64()));
        }
    }

    fn start_next(&mut self, now: Raw) {
        let Some(starter) = self.starter.as_ref().filter(|_| self.running.is_none()) else { return };
        let Some(call) = self.queue.pop_front() else { return };
        debug!("Running {} for {}", self.program, call.alarm.name());
        match starter.start(&call.variables()) {
            Ok(()) => self.running = Some(Running { until: Some(now + LIMIT) }),
            Err(reason) => self.lose(&plain(&reason)),
        }
    }

    /// Somebody has killed the process that runs the command. Without root's rights there is no other.
    fn lose(&mut self, why: &str) {
        self.starter = None;
        self.running = None;
        self.queue.clear();
        warn!("Command {} of directive onchange is not run any more : {why} (restart slewd)", self.program);
    }

    /// Said once until it works again.
    fn failed(&mut self, why: &str) {
        if !std::mem::replace(&mut self.has_failed, true) {
            warn!("Command {} of directive onchange failed : {why}", self.program);
        }
    }
}

impl Observer for Hook {
    fn event(&mut self, event: &Event) {
        if let Event::Selected(source) = event {
            self.source = Some(source.clone());
        }
        if let Some(alarm) = self.watch.hear(event) {
            self.fresh.push((alarm, report::log::line(event).1));
        }
    }

    fn rest(&mut self, engine: &Engine, now: &ClockReading) -> Option<Raw> {
        for (alarm, message) in std::mem::take(&mut self.fresh) {
            self.add(alarm, message, engine, now);
        }
        self.look_after(now.raw);
        self.start_next(now.raw);
        self.running.as_ref().and_then(|running| running.until)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.starter.as_ref().map(|starter| starter.as_fd())
    }
}

impl Call {
    fn variables(&self) -> [(&'static str, String); 9] {
        let seconds = |span: Option<Span>| span.map_or(String::new(), |span| format!("{:.9}", span.secs_f64()));
        [
            ("SLEWD_EVENT", self.alarm.name().to_owned()),
            ("SLEWD_MESSAGE", self.message.trim_end().to_owned()),
            ("SLEWD_TIME", self.at.to_string()),
            ("SLEWD_SYNCHRONISED", if self.is_synchronised { "yes" } else { "no" }.to_owned()),
            ("SLEWD_SOURCE", self.source.as_deref().unwrap_or_default().to_owned()),
            ("SLEWD_OFFSET", seconds(self.offset)),
            ("SLEWD_ESTIMATED_ERROR", seconds(self.est_error)),
            ("SLEWD_MAXIMUM_ERROR", seconds(self.max_error)),
            ("SLEWD_SKIPPED", self.skipped.to_string()),
        ]
    }
}

/// The process that is going to run the command: as who the daemon is going to be, or as `nobody` if that is root.
/// `confine` is called in it. `None` if no command is configured, or nobody without privileges is there to run it.
///
/// Call it while there is one thread only.
pub fn starter(command: &[String], is_root: bool, confine: impl FnOnce() -> Result<(), String>) -> Option<Starter> {
    let program = command.first()?;
    let user = is_root.then(|| privileges::find_user(NOBODY).ok().flatten());
    if user == Some(None) {
        warn!("Command {program} is not run : no account {NOBODY} (run slewd as a user of its own: directive user)");
        return None;
    }
    let user = user.flatten();
    let job = Job { words: command, user: user.as_ref(), path: PATH, prefix: PREFIX };
    let starter = Starter::fork_off(&job, confine);
    starter.inspect_err(|reason| warn!("Command {program} is not run : {}", plain(reason))).ok()
}

/// Of each kind only the last waits, so that a command that hangs costs no memory and the last one run tells how things
/// are.
fn queue_up(queue: &mut VecDeque<Call>, mut call: Call) {
    if let Some(index) = queue.iter().position(|other| other.alarm.is_same_kind(&call.alarm))
        && let Some(older) = queue.remove(index)
    {
        call.skipped = older.skipped.saturating_add(1);
    }
    queue.push_back(call);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(alarm: Alarm) -> Call {
        Call {
            alarm,
            message: "text ".to_owned(),
            at: Utc::from_secs(0),
            is_synchronised: true,
            offset: alarm.moved(),
            est_error: None,
            max_error: Some(Span::from_millis(5)),
            source: None,
            skipped: 0,
        }
    }

    #[test]
    fn the_last_of_each_kind_waits() {
        let mut queue = VecDeque::new();
        let step = |seconds| Alarm::Stepped(Span::from_secs(seconds));
        for alarm in [step(1), Alarm::Lost, Alarm::Synchronised, step(2), Alarm::Lost, step(3)] {
            queue_up(&mut queue, call(alarm));
        }
        let waiting: Vec<_> = queue.iter().map(|call| (call.alarm, call.skipped)).collect();
        assert_eq!(waiting, [(Alarm::Synchronised, 0), (Alarm::Lost, 1), (step(3), 2)]);
    }

    #[test]
    fn what_is_not_known_is_empty() {
        let variables = call(Alarm::Stepped(Span::from_millis(-1500))).variables();
        let value = |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        assert_eq!(value("SLEWD_EVENT"), Some("step"));
        assert_eq!(value("SLEWD_MESSAGE"), Some("text"));
        assert_eq!(value("SLEWD_TIME"), Some("1970-01-01T00:00:00Z"));
        assert_eq!(value("SLEWD_OFFSET"), Some("-1.500000000"));
        assert_eq!(value("SLEWD_ESTIMATED_ERROR"), Some(""));
        assert_eq!(value("SLEWD_MAXIMUM_ERROR"), Some("0.005000000"));
    }
}
