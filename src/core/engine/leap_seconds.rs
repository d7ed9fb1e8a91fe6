//! Leap seconds: true time moves by a second at a moment known in advance, and all that is known of it moves along.

use crate::core::api::command::ClockCommand;
use crate::core::api::event::{Event, Label};
use crate::core::api::output::Output;
use crate::core::api::settings::LeapMode;
use crate::core::clock::discipline::Occasion;
use crate::core::clock::leap::LeapSecond;
use crate::core::clock::smear::{Rate, split};
use crate::core::clock::{LeapDue, Mover};
use crate::core::engine::Engine;
use crate::core::estimate::MAX_SOURCES;
use crate::core::source::Source;
use crate::time::{ClockReading, Raw};

impl Engine {
    /// Has the leap second come? Called first at each wake-up: what the kernel does then is nobody's interference.
    pub(super) fn pass_leap(&mut self, now: &ClockReading) {
        let Some(estimate) = self.time.estimate() else { return };
        if self.clock.leap.is_flag_to_be_cleared(now.raw) {
            self.outputs.tell(Event::LeapSecond(LeapMode::System));
            let view = view!(self, now);
            self.clock.report(&estimate, view.error(&estimate).abs(), &view, &mut self.outputs);
        }
        let Some(LeapDue { second, moment, mover }) = self.clock.leap_due(&estimate, now) else { return };
        if mover == Mover::Nobody {
            self.close_leap(second, moment);
            return self.outputs.tell(Event::LeapSecond(LeapMode::Ignore));
        }
        if mover == Mover::Kernel {
            self.clock.was_moved_by_kernel(second.step());
        }
        self.move_true_time(second, moment);
        match mover {
            Mover::Kernel | Mover::Others | Mover::Nobody => {}
            Mover::KernelFailed => self.correct(Occasion::ForeignChange, now),
            Mover::Step => {
                self.clock.leap.stepping();
                self.outputs.command(ClockCommand::Step { by: second.step() });
            }
            Mover::Slew => {
                self.outputs.tell(Event::LeapSecond(LeapMode::Slew));
                self.clock.slew_leap();
                self.correct(Occasion::Continuation, now);
            }
        }
    }

    /// All that is known of true time moves along with it. A request that is under way would be half a second wrong.
    fn move_true_time(&mut self, second: LeapSecond, moment: Raw) {
        self.time.shift(second.step());
        self.clock.shift(second.step());
        for source in self.sources.all_mut() {
            source.shift(second.step());
            if let Some(exchange) = source.expire() {
                self.outputs.push(Output::Close(exchange));
            }
        }
        self.close_leap(second, moment);
    }

    /// Whether the servers' clocks moved as announced is asked as soon as the quiet time is over.
    fn close_leap(&mut self, second: LeapSecond, moment: Raw) {
        self.clock.leap.passed(second, moment);
        self.sources.all_mut().iter_mut().for_each(|source| source.schedule.poll_now(moment));
    }

    /// The clock was stepped for the leap second, which ended any slew.
    pub(super) fn stepped_for_leap(&mut self, now: &ClockReading) {
        self.outputs.tell(Event::LeapSecond(LeapMode::Step));
        self.correct(Occasion::Continuation, now);
    }

    /// Do some servers smear the leap second, and others not?
    pub(super) fn watch_for_smear(&mut self, now: Raw) {
        let utc = self.time.estimate().map(|estimate| estimate.true_time(now));
        if !utc.is_some_and(|utc| self.clock.leap.is_smear_season(utc)) {
            return;
        }
        let mut rates = [(Rate { rate: 0.0, sd: 0.0 }, 0); MAX_SOURCES];
        let speaking = self.sources.all().iter().enumerate().filter(|(_, source)| source.reach != 0);
        let mut count = 0;
        for (index, source) in speaking {
            // All are to be named: one whose rate is not known yet soon will be.
            let Some(rate) = rate(source) else { return };
            rates[count] = (rate, index);
            count += 1;
        }
        let rates = &mut rates[..count];
        tiny_sort::unstable::sort_by(rates, |(a, _), (b, _)| a.rate.total_cmp(&b.rate));
        let Some(first) = split(&rates.iter().map(|(rate, _)| *rate).collect::<Vec<_>>()) else { return };
        let labels = |group: &[(Rate, usize)]| -> Vec<Label> {
            group.iter().map(|(_, index)| self.sources.all()[*index].label.clone()).collect()
        };
        let (slower, faster) = rates.split_at(first);
        let gap_ppm = (faster[0].0.rate - slower[slower.len() - 1].0.rate) * 1e6;
        let event = Event::SmearMixed { slower: labels(slower), faster: labels(faster), gap_ppm };
        self.clock.leap.smear_told();
        self.outputs.tell(event);
    }
}

fn rate(source: &Source) -> Option<Rate> {
    Rate::of(source.recent().map(|measurement| (measurement.sample.at, measurement.sample.lead)))
}
