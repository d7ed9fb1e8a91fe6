//! Leap seconds: true time moves by a second at a moment known in advance, and all that is known of it moves along.
//!
//! In mode `system` the kernel moves the clock itself; the estimate follows when it has. In the others slewd steps or
//! slews. `ignore` leaves the estimate where it is, until the sources contradict it.

use crate::core::api::command::ClockCommand;
use crate::core::api::event::{Event, Label};
use crate::core::api::settings::LeapMode;
use crate::core::clock::discipline::Occasion;
use crate::core::clock::leap::{Announcements, CLOSE, LeapSecond, LeapTable};
use crate::core::clock::smear::{Rate, split};
use crate::core::engine::{Engine, Output};
use crate::core::estimate::{Estimate, MAX_SOURCES};
use crate::core::source::Source;
use crate::time::{ClockReading, Leap, Raw, Span, Utc};

/// A kernel looks at its clock every 10 ms at least (100 Hz), or as soon as something wakes it.
const KERNEL_LATENESS: Span = Span::from_millis(20);
/// The clock is looked at again this often...
const LOOK_AGAIN: Span = Span::from_millis(200);
/// ...until it is certain that the kernel will not move the clock: somebody disarmed it, or the machine slept.
const KERNEL_PATIENCE: Span = Span::from_secs(2);

/// A clock that has moved by this much more than half a second has moved by a whole one.
const HALF_SECOND: Span = Span::from_millis(500);

impl Engine {
    /// What do the sources that agree announce, and what does the file say?
    pub(super) fn look_for_leap(&mut self, estimate: &Estimate, now: Raw) {
        let utc = estimate.true_time(now);
        let voters = || self.sources.iter().filter(|source| self.selection.agreeing.contains(source.slot));
        let announce = |leap: Leap| voters().filter(|s| s.last.is_some_and(|last| last.leap == leap)).count();
        let announced =
            Announcements { insert: announce(Leap::Insert), delete: announce(Leap::Delete), voters: voters().count() };
        let news = [self.leap.elect(announced, utc), self.leap.expiry(utc)];
        news.into_iter().flatten().for_each(|event| self.tell(event));
        if let Some(tai_s) = self.leap.new_tai_s(utc) {
            self.emit(Output::Clock(ClockCommand::SetTai { tai_s }));
        }
        if self.leap.wants_table(now) {
            self.emit(Output::ReadLeapData);
        }
    }

    /// The leap second file was read again.
    pub(super) fn leap_data(&mut self, table: &LeapTable) {
        self.leap.renew(table.clone());
    }

    /// Has the leap second come? Called first at each wake-up: what the kernel does then is nobody's interference.
    pub(super) fn pass_leap(&mut self, now: &ClockReading) {
        let Some(estimate) = self.estimator.estimate() else { return };
        if self.leap.is_flag_to_be_cleared(now.raw) {
            self.tell(Event::LeapSecond(LeapMode::System));
            self.report(&estimate, now, (estimate.true_time(now.raw) - now.utc).abs());
        }
        let Some(second) = self.leap.expected() else { return };
        let moment = moment(&estimate, second.instant());
        let late = now.raw - moment;
        let deviation = self.discipline.deviation(now).map(|deviation| deviation.by);
        let has_moved = deviation.map(|by| (by - second.step()).abs() < HALF_SECOND);
        match (self.leap.mode(), has_moved) {
            (LeapMode::System, Some(true)) if late > Span::ZERO - CLOSE => {
                self.discipline.clock_leapt(second.step());
                self.move_true_time(second, moment);
            }
            // The clock is only observed.
            (LeapMode::System, None) if late >= Span::ZERO => self.move_true_time(second, moment),
            (LeapMode::System, Some(_)) if late >= KERNEL_PATIENCE => {
                self.move_true_time(second, moment);
                self.correct(Occasion::ForeignChange, now);
            }
            (LeapMode::Step, _) if late >= Span::ZERO => {
                self.move_true_time(second, moment);
                self.leap.stepping();
                self.emit(Output::Clock(ClockCommand::Step { by: second.step() }));
            }
            (LeapMode::Slew, _) if late >= Span::ZERO => {
                self.move_true_time(second, moment);
                self.tell(Event::LeapSecond(LeapMode::Slew));
                self.discipline.slew_leap();
                self.correct(Occasion::Continuation, now);
            }
            (LeapMode::Ignore, _) if late >= Span::ZERO => {
                self.close_leap(second, moment);
                self.tell(Event::LeapSecond(LeapMode::Ignore));
            }
            _ => {}
        }
    }

    /// All that is known of true time moves along with it. A request that is under way would be half a second wrong.
    fn move_true_time(&mut self, second: LeapSecond, moment: Raw) {
        self.estimator.shift(second.step());
        self.discipline.shift(second.step());
        for source in &mut self.sources {
            source.shift(second.step());
            if let Some(exchange) = source.expire() {
                self.outputs.push_back(Output::Close(exchange));
            }
        }
        self.close_leap(second, moment);
    }

    /// Whether the servers' clocks moved as announced is asked as soon as the quiet time is over.
    fn close_leap(&mut self, second: LeapSecond, moment: Raw) {
        self.leap.passed(second, moment);
        for source in &mut self.sources {
            source.schedule.hurry(moment);
        }
    }

    /// The clock was stepped for the leap second, which ended any slew.
    pub(super) fn stepped_for_leap(&mut self, now: &ClockReading) {
        self.tell(Event::LeapSecond(LeapMode::Step));
        self.correct(Occasion::Continuation, now);
    }

    /// When the next thing about a leap second is to be done.
    pub(super) fn next_leap(&self) -> Option<Raw> {
        let expected = self.leap_moment().map(|moment| match self.leap.mode() {
            LeapMode::System if moment + KERNEL_LATENESS > self.seen => moment + KERNEL_LATENESS,
            LeapMode::System => self.seen + LOOK_AGAIN,
            LeapMode::Step | LeapMode::Slew | LeapMode::Ignore => moment,
        });
        let clears = self.leap.clear_flag_at().filter(|_| self.estimator.estimate().is_some());
        expected.into_iter().chain(clears).min()
    }

    /// Moves a moment for a request out of the quiet time around a leap second.
    pub(super) fn after_quiet(&self, at: Raw) -> Raw {
        self.leap.quiet_until(at, self.leap_moment()).unwrap_or(at)
    }

    fn leap_moment(&self) -> Option<Raw> {
        let second = self.leap.expected()?;
        self.estimator.estimate().map(|estimate| moment(&estimate, second.instant()))
    }

    /// Do some servers smear the leap second, and others not?
    pub(super) fn watch_for_smear(&mut self, now: Raw) {
        let utc = self.estimator.estimate().map(|estimate| estimate.true_time(now));
        if !utc.is_some_and(|utc| self.leap.is_smear_season(utc)) {
            return;
        }
        let mut rates = [(Rate { rate: 0.0, sd: 0.0 }, 0); MAX_SOURCES];
        let speaking = self.sources.iter().enumerate().filter(|(_, source)| source.reach != 0);
        let mut count = 0;
        for (index, source) in speaking {
            // All are to be named: one whose rate is not known yet soon will be.
            let Some(rate) = rate(source) else { return };
            rates[count] = (rate, index);
            count += 1;
        }
        let rates = &mut rates[..count];
        rates.sort_by(|(a, _), (b, _)| a.rate.total_cmp(&b.rate));
        let Some(first) = split(&rates.iter().map(|(rate, _)| *rate).collect::<Vec<_>>()) else { return };
        let labels = |group: &[(Rate, usize)]| -> Vec<Label> {
            group.iter().map(|(_, index)| self.sources[*index].label.clone()).collect()
        };
        let (slower, faster) = rates.split_at(first);
        let gap_ppm = (faster[0].0.rate - slower[slower.len() - 1].0.rate) * 1e6;
        let event = Event::SmearMixed { slower: labels(slower), faster: labels(faster), gap_ppm };
        self.leap.smear_told();
        self.tell(event);
    }
}

fn rate(source: &Source) -> Option<Rate> {
    Rate::of(source.recent().map(|measurement| (measurement.sample.at, measurement.sample.lead)))
}

/// When true time will be `utc`, or was.
fn moment(estimate: &Estimate, utc: Utc) -> Raw {
    estimate.at + (utc - estimate.true_time(estimate.at)).scaled((1.0 + estimate.frequency).recip())
}
