//! Reference clocks: reading devices, and what becomes of the readings.

use crate::core::api::event::Event;
use crate::core::api::output::Output;
use crate::core::api::record::{ClockEntry, LogEntry, RawReading};
use crate::core::api::reference_clock::{ClockId, Reading};
use crate::core::api::settings::Mode;
use crate::core::api::source_id::SourceId;
use crate::core::engine::Engine;
use crate::core::refclock::{Collected, ReferenceClock, Seconds, Taken, Task};
use crate::core::source::Source;
use crate::time::{ClockReading, NANOS_PER_SEC, Raw, Span};

impl Engine {
    /// When the first device is to be read.
    pub(super) fn next_reading(&self) -> Option<Raw> {
        self.sources.all().iter().filter_map(Source::clock).map(ReferenceClock::due).min()
    }

    /// Reads the devices that are due.
    pub(super) fn read_due_devices(&mut self, now: &ClockReading) {
        for index in 0..self.sources.all().len() {
            let source = &mut self.sources.all_mut()[index];
            let Some(clock) = source.clock_mut().filter(|clock| clock.due() <= now.raw) else { continue };
            let (id, task) = (clock.id(), clock.begin(now.raw));
            // A device that speaks by itself may have to be opened first.
            self.outputs.push(Output::ReadClock(id));
            if task == Task::Conclude {
                self.conclude_poll(index, now);
            }
            if self.outputs.is_finished() {
                return;
            }
        }
    }

    /// A device was read, or spoke by itself. `true`: it was read, and the reading waits for the others of its poll.
    pub(super) fn device_read(&mut self, id: ClockId, reading: Reading, now: &ClockReading) -> bool {
        let is_it = |source: &Source| source.clock().is_some_and(|clock| clock.id() == id);
        let Some(index) = self.sources.all().iter().position(is_it) else { return false };
        let seconds = self.seconds_for(index, now);
        let device_time = if let Reading::Time(device) = reading { device.time } else { now.utc };
        let tai_s = self.clock.leap.tai_s(device_time);
        let Some(clock) = self.sources.all_mut()[index].clock_mut() else { return false };
        let is_suspected_of_tai = clock.is_suspected_of_tai(&reading, tai_s, now);
        let taken = clock.take(reading, seconds, tai_s, now);
        let (is_out, flaw, is_over) = (clock.is_out(), clock.flaw(), clock.is_poll_over());
        let is_heard = clock.config().driver.is_heard();
        if is_suspected_of_tai {
            let label = self.sources.all()[index].label.clone();
            self.outputs.tell(Event::DeviceMayKeepTai(label));
        }
        match taken {
            Taken::Collected(collected) => self.record_reading(index, &collected, now),
            Taken::Jumped(by) => {
                let label = self.sources.all()[index].label.clone();
                self.outputs.tell(Event::DeviceJumped(label, by));
            }
            Taken::Dropped => {}
        }
        if let Some(flaw) = flaw.filter(|_| is_out) {
            // Its word counts no longer, from this moment on.
            let source = &mut self.sources.all_mut()[index];
            source.conduct.useless(flaw);
            if !source.is_silent() {
                source.forget();
                self.reselect(now.raw, None);
            }
        }
        if is_over && !is_heard {
            self.conclude_poll(index, now);
        }
        matches!(taken, Taken::Collected(_)) && !is_over && !is_heard && !is_out
    }

    /// A poll of a reference clock is over.
    fn conclude_poll(&mut self, index: usize, now: &ClockReading) {
        let prediction = self.time.prediction(now);
        let own_precision = self.sources.precision();
        let needed = self.sources.all().iter().all(|source| source.reach == 0);
        let source = &mut self.sources.all_mut()[index];
        let slot = source.slot;
        source.schedule.asked(now.raw, needed, &mut self.random);
        let Some(clock) = source.clock_mut() else { return };
        let measured = clock.conclude(slot, prediction.frequency, own_precision);
        let Some(measurement) = measured.filter(|_| !clock.is_out()) else {
            source.told_nothing();
            if self.mode != Mode::Discipline && self.is_everybody_exhausted(now.raw) {
                self.give_up(now.raw);
            }
            return;
        };
        source.told_time(measurement);
        let gained = (now.raw - measurement.sample.at).scaled(prediction.frequency);
        source.clock_ahead = now.lead() - measurement.sample.lead - gained;
        self.clock.history.last_answer = Some(now.raw);
        if self.settings.records.reference_clocks {
            let entry = ClockEntry {
                reading: None,
                leap: measurement.leap,
                offset: measurement.sample.lead - prediction.lead_at(measurement.sample.at),
                dispersion_s: measurement.root_dispersion.secs_f64(),
            };
            self.record(Some(index), LogEntry::ReferenceClock(entry), now);
        }
        let before = self.recorder.known_before(&self.time);
        self.measured(index, measurement, now);
        self.record_statistics(index, before, now);
    }

    /// What tells the seconds of the pulses of a clock: the clock that it is locked to, or all that is known.
    fn seconds_for(&self, index: usize, now: &ClockReading) -> Option<Seconds> {
        let config = self.sources.all()[index].clock()?.config();
        let frequency = self.time.frequency();
        if let Some(lock) = config.lock {
            let pulses = i64::from(config.max_lock_age) * NANOS_PER_SEC / i64::from(config.rate.max(1));
            let other = self.sources.all().iter().find(|source| source.id() == SourceId::Clock(lock))?;
            let (at, lead) = other.clock()?.newest(now.raw - Span::from_nanos(pulses))?;
            return Some(Seconds { lead, at, bound: Span::ZERO, frequency });
        }
        let estimate = self.time.estimate().filter(|_| self.selector.sync.has_target())?;
        let bound = self.view(now).bound(&estimate);
        Some(Seconds { lead: estimate.lead_at(now.raw), at: now.raw, bound, frequency })
    }

    /// A line of the log of reference clocks for one reading.
    fn record_reading(&mut self, index: usize, reading: &Collected, now: &ClockReading) {
        if !self.settings.records.reference_clocks {
            return;
        }
        let Some(config) = self.sources.all()[index].clock().map(ReferenceClock::config) else { return };
        // As in chronyd: against the clock as it is, and against where it is taken to.
        let (raw, cooked) = (reading.lead - now.lead(), reading.lead - self.time.prediction(now).lead_at(reading.at));
        let entry = ClockEntry {
            reading: Some(RawReading { number: reading.number, is_pulse: reading.is_pulse, offset: raw }),
            leap: reading.leap,
            offset: cooked + Span::from_secs_f64(config.options.offset_s),
            dispersion_s: reading.margin.max(self.sources.precision()).secs_f64(),
        };
        self.record_at(now.utc - (now.raw - reading.at), Some(index), LogEntry::ReferenceClock(entry));
    }
}
