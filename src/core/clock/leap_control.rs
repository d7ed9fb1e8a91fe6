//! Leap seconds: when true time moves by a second, and who moves the clock.
//!
//! In mode `system` the kernel moves the clock itself; the estimate follows when it has. In the others slewd steps or
//! slews. `ignore` leaves the estimate where it is, until the sources contradict it.

use crate::core::api::command::ClockCommand;
use crate::core::api::output::{Output, Outputs};
use crate::core::api::settings::LeapMode;
use crate::core::clock::leap::{Announcements, CLOSE, LeapSecond};
use crate::core::clock::{ClockControl, View};
use crate::core::estimate::Estimate;
use crate::core::true_time::TrueTime;
use crate::time::{ClockReading, Leap, Raw, Span, Utc};

/// A kernel looks at its clock every 10 ms at least (100 Hz), or as soon as something wakes it.
const KERNEL_LATENESS: Span = Span::from_millis(20);
/// The clock is looked at again this often...
const LOOK_AGAIN: Span = Span::from_millis(200);
/// ...until it is certain that the kernel will not move the clock: somebody disarmed it, or the machine slept.
const KERNEL_PATIENCE: Span = Span::from_secs(2);

/// A clock that has moved by this much more than half a second has moved by a whole one.
const HALF_SECOND: Span = Span::from_millis(500);

/// A leap second has come.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct LeapDue {
    /// The leap second.
    pub(in crate::core) second: LeapSecond,
    /// When it was.
    pub(in crate::core) moment: Raw,
    /// Who moves the clock.
    pub(in crate::core) mover: Mover,
}

/// Who moves the clock by a leap second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::core) enum Mover {
    /// The kernel has moved it.
    Kernel,
    /// The kernel was to move it, and has not.
    KernelFailed,
    /// The clock is only observed.
    Others,
    /// slewd, by a step.
    Step,
    /// slewd, by a slew.
    Slew,
    /// Neither kernel nor slewd: the clock is not moved, nor is true time.
    Nobody,
}

impl ClockControl {
    /// Counts what the sources that agree announce, and looks at what the file says.
    pub(super) fn look_for_leap(&mut self, estimate: &Estimate, view: &View<'_>, outputs: &mut Outputs) {
        let now = view.now.raw;
        let utc = estimate.true_time(now);
        let voters = || view.sources.of(view.selector.selection().agreeing);
        let announce = |leap: Leap| voters().filter(|s| s.last.is_some_and(|last| last.leap == leap)).count();
        let announced =
            Announcements { insert: announce(Leap::Insert), delete: announce(Leap::Delete), voters: voters().count() };
        let news = [self.leap.elect(announced, utc), self.leap.expiry(utc)];
        news.into_iter().flatten().for_each(|event| outputs.tell(event));
        if let Some(tai_s) = self.leap.new_tai_s(utc) {
            outputs.command(ClockCommand::SetTai { tai_s });
        }
        if self.leap.wants_table(now) {
            outputs.push(Output::ReadLeapData);
        }
    }

    /// Has the leap second come?
    pub(in crate::core) fn leap_due(&self, estimate: &Estimate, now: &ClockReading) -> Option<LeapDue> {
        let second = self.leap.expected()?;
        let moment = moment(estimate, second.instant());
        let late = now.raw - moment;
        let has_moved = self.deviation(now).map(|by| (by - second.step()).abs() < HALF_SECOND);
        let mover = match (self.leap.mode(), has_moved) {
            (LeapMode::System, Some(true)) if late > Span::ZERO - CLOSE => Mover::Kernel,
            (LeapMode::System, None) if late >= Span::ZERO => Mover::Others,
            (LeapMode::System, Some(_)) if late >= KERNEL_PATIENCE => Mover::KernelFailed,
            (LeapMode::Step, _) if late >= Span::ZERO => Mover::Step,
            (LeapMode::Slew, _) if late >= Span::ZERO => Mover::Slew,
            (LeapMode::Ignore, _) if late >= Span::ZERO => Mover::Nobody,
            _ => return None,
        };
        Some(LeapDue { second, moment, mover })
    }

    /// The kernel has moved the clock by this much.
    pub(in crate::core) fn was_moved_by_kernel(&mut self, by: Span) {
        self.discipline.clock_leapt(by);
    }

    /// The leap second that has just moved true time is made up for by a slew.
    pub(in crate::core) fn slew_leap(&mut self) {
        self.discipline.slew_leap();
    }

    /// When the next thing about a leap second is to be done.
    pub(in crate::core) fn next_leap(&self, time: &TrueTime, now: Raw) -> Option<Raw> {
        let expected = self.leap_moment(time).map(|moment| match self.leap.mode() {
            LeapMode::System if moment + KERNEL_LATENESS > now => moment + KERNEL_LATENESS,
            LeapMode::System => now + LOOK_AGAIN,
            LeapMode::Step | LeapMode::Slew | LeapMode::Ignore => moment,
        });
        let clears = self.leap.clear_flag_at().filter(|_| time.estimate().is_some());
        expected.into_iter().chain(clears).min()
    }

    /// Moves a moment for a request out of the quiet time around a leap second.
    pub(in crate::core) fn after_quiet(&self, time: &TrueTime, at: Raw) -> Raw {
        self.leap.quiet_until(at, self.leap_moment(time)).unwrap_or(at)
    }

    /// When the next request is to be sent, not before `now`.
    pub(in crate::core) fn next_request(&self, view: &View<'_>, now: Raw) -> Option<Raw> {
        view.sources.next_poll().map(|due| self.after_quiet(view.time, due.max(now)))
    }

    fn leap_moment(&self, time: &TrueTime) -> Option<Raw> {
        let second = self.leap.expected()?;
        time.estimate().map(|estimate| moment(&estimate, second.instant()))
    }
}

/// When true time will be `utc`, or was.
fn moment(estimate: &Estimate, utc: Utc) -> Raw {
    estimate.at + (utc - estimate.true_time(estimate.at)).scaled((1.0 + estimate.frequency).recip())
}
