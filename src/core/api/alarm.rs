//! Alarms: the few events after which somebody should be woken. Each change of state is told once.

use crate::core::api::event::{Event, Obstacle};
use crate::time::Span;

/// A change of state.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Alarm {
    /// The clock follows its sources, for the first time or again.
    Synchronised,
    /// The clock does not follow its sources any more.
    Lost,
    /// The clock has not followed any source since the start, and something is in the way.
    Never,
    /// The sources contradict each other: no majority agrees.
    NoMajority,
    /// The kernel refuses to move or steer the clock.
    Refused,
    /// One source is of no use, whatever the others are.
    SourceUnusable,
    /// The clock was stepped by this much, to put it right; positive is forward.
    Stepped(Span),
    /// Somebody else set or steers the clock: by this much, if it was a single time; positive is forward.
    Changed(Option<Span>),
}

impl Alarm {
    /// What commands know it by.
    pub fn name(self) -> &'static str {
        match self {
            Alarm::Synchronised => "synchronised",
            Alarm::Lost => "lost",
            Alarm::Never => "never-synchronised",
            Alarm::NoMajority => "no-majority",
            Alarm::Refused => "clock-refused",
            Alarm::SourceUnusable => "source-unusable",
            Alarm::Stepped(_) => "step",
            Alarm::Changed(_) => "clock-changed",
        }
    }

    /// By how much the clock was moved, if it was moved.
    pub fn moved(self) -> Option<Span> {
        match self {
            Alarm::Stepped(by) => Some(by),
            Alarm::Changed(by) => by,
            _ => None,
        }
    }

    /// Differs at most in its numbers.
    pub fn is_same_kind(&self, other: &Alarm) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Finds them.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlarmWatch {
    state: State,
    /// The kernel does not do what the sources want.
    is_refused: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    /// Nothing has been said yet.
    #[default]
    Starting,
    Synchronised,
    /// And it was said that no majority agrees, or not.
    Lost {
        divided: bool,
    },
}

impl AlarmWatch {
    /// The engine has this to tell.
    pub fn hear(&mut self, event: &Event) -> Option<Alarm> {
        match event {
            // A source that takes another's place, and a vote after a sleep that comes to a good end, change nothing.
            Event::Selected(_) => self.turn(State::Synchronised, Alarm::Synchronised).filter(|_| !self.is_refused),
            Event::CannotSynchronise(Obstacle::NoMajority { .. }) => {
                self.turn(State::Lost { divided: true }, Alarm::NoMajority)
            }
            Event::CannotSynchronise(_) | Event::FallenBack(..) => match self.state {
                State::Starting => self.turn(State::Lost { divided: false }, Alarm::Never),
                State::Synchronised => self.turn(State::Lost { divided: false }, Alarm::Lost),
                State::Lost { .. } => None,
            },
            Event::ClockRefused => {
                self.is_refused = true;
                Some(Alarm::Refused)
            }
            Event::ClockObeys => {
                self.is_refused = false;
                (self.state == State::Synchronised).then_some(Alarm::Synchronised)
            }
            // What networks do to sources, and what contradicts the majority, comes and goes: there are others.
            Event::SourceUnusable(..)
            | Event::StratumBelow(..)
            | Event::StratumAbove(..)
            | Event::KissDeny(..)
            | Event::CannotAddSource { .. } => Some(Alarm::SourceUnusable),
            Event::Stepped(by) => Some(Alarm::Stepped(*by)),
            Event::ForeignChange(by) | Event::ForeignSteering(by) => Some(Alarm::Changed(Some(*by))),
            Event::Interference => Some(Alarm::Changed(None)),
            _ => None,
        }
    }

    fn turn(&mut self, to: State, alarm: Alarm) -> Option<Alarm> {
        (std::mem::replace(&mut self.state, to) != to).then_some(alarm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Event = Event::CannotSynchronise(Obstacle::NoSelectableSources { unreachable: 4 });
    const DIVIDED: Event = Event::CannotSynchronise(Obstacle::NoMajority { agreeing: 1, voters: 2 });

    fn names(events: &[Event]) -> Vec<&'static str> {
        let mut watch = AlarmWatch::default();
        events.iter().filter_map(|event| watch.hear(event)).map(Alarm::name).collect()
    }

    fn selected(name: &str) -> Event {
        Event::Selected(name.into())
    }

    #[test]
    fn only_changes_of_state_are_told() {
        let told = names(&[selected("a"), selected("b"), Event::Slept(Span::from_secs(9)), selected("b"), SILENCE]);
        assert_eq!(told, ["synchronised", "lost"]);
        let told = names(&[SILENCE, Event::CannotSynchronise(Obstacle::NotEnough), DIVIDED, SILENCE, DIVIDED]);
        assert_eq!(told, ["never-synchronised", "no-majority"]);
        assert_eq!(
            names(&[selected("a"), DIVIDED, SILENCE, selected("a")]),
            ["synchronised", "no-majority", "synchronised"]
        );
        assert_eq!(names(&[selected("a"), Event::FallenBack(Span::from_secs(99), 0.1)]), ["synchronised", "lost"]);
    }

    #[test]
    fn nobody_is_synchronised_whom_the_kernel_refuses() {
        let told = names(&[selected("a"), Event::ClockRefused, SILENCE, selected("a"), Event::ClockObeys, SILENCE]);
        assert_eq!(told, ["synchronised", "clock-refused", "lost", "synchronised", "lost"]);
    }

    #[test]
    fn what_happens_to_the_clock_is_told_each_time() {
        let by = Span::from_millis(1500);
        let told = names(&[Event::Stepped(by), Event::Stepped(by), Event::ForeignChange(by), Event::Interference]);
        assert_eq!(told, ["step", "step", "clock-changed", "clock-changed"]);
        assert_eq!(Alarm::Stepped(by).moved(), Some(by));
        assert!(Alarm::Stepped(by).is_same_kind(&Alarm::Stepped(Span::ZERO)));
    }
}
