//! Reference clocks: from readings of a device to measurements like those of a server.
//!
//! A device is read every `dpoll`, or speaks by itself. Each reading passes the same stations: its moment becomes one of the
//! raw counter (`moments.rs`), the device is compared with itself (`health.rs`), a pulse gets its second (`pulse.rs`). What
//! is left is collected, and once in a `poll` the collection becomes one measurement (`collection.rs`), whose noise is
//! learnt from the measurements before it (`noise.rs`): there is no round trip that could tell.
//!
//! What the devices themselves say is understood in `phc.rs`, `external_pulses.rs`, `shm.rs` and `sock.rs`. Nothing here touches
//! a device.

pub mod card_clock;
mod collection;
pub mod external_pulses;
mod health;
mod moments;
mod noise;
pub mod phc;
mod pulse;
pub mod shm;
pub mod sock;

use crate::core::api::exchange::StampSource;
use crate::core::api::flaw::Flaw;
use crate::core::api::measurement::Measurement;
use crate::core::api::reference_clock::{ClockConfig, ClockId, DeviceTime, Driver, Reading, looks_like_tai};
use crate::core::estimate::{Sample, Slot};
pub(in crate::core) use crate::core::refclock::collection::Collected;
use crate::core::refclock::collection::{Collection, LEAST_READINGS};
use crate::core::refclock::health::{Health, Observation};
use crate::core::refclock::moments::Moments;
use crate::core::refclock::noise::Noise;
pub(in crate::core) use crate::core::refclock::pulse::Seconds;
use crate::time::{BUILD_EPOCH, ClockReading, Lead, Leap, NtpTimestamp, Raw, Span};

/// At the start a measurement is made of so few readings...
const FIRST_READINGS: u32 = 4;
/// ...until there are so many measurements: as many as `iburst` makes of a server.
const FIRST_MEASUREMENTS: u32 = 4;

/// The interval that is said to hold true time reaches so many deviations of a measurement to either side.
const BOUND_SIGMAS: f64 = 4.0;

/// Half an NTP era: as for servers.
const BELIEVABLE_FUTURE: Span = Span::from_secs(1 << 31);

/// A device that has been read in vain so often in a row has gone.
const GONE_AFTER: u32 = 8;

/// A reference clock being measured.
#[derive(Clone, Debug)]
pub struct ReferenceClock {
    id: ClockId,
    config: Box<ClockConfig>,
    /// When the device is read next; of one that speaks by itself, when the poll ends.
    due: Raw,
    /// Readings of the present poll that are still to come.
    readings_left: u32,
    measurements: u32,
    moments: Moments,
    health: Health,
    noise: Noise,
    collection: Collection,
    /// The last reading that was collected: for the pulses of another clock.
    newest: Option<(Raw, Lead)>,
    /// Readings in a row in which the device was absent.
    absent: u32,
    /// What the last reading that said something has shown to be wrong with the device, if nothing else is known of it.
    unwell: Option<Flaw>,
    /// The last pulse came at no second that is known.
    lacks_seconds: bool,
    /// The device tells a time before this program was built.
    is_impossible: bool,
    /// The first time that the device told has been compared with the system clock.
    is_compared: bool,
}

/// What became of a reading.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::core) enum Taken {
    /// The reading counts.
    Collected(Collected),
    /// The device has jumped by so much against itself, and what it says counts from now on.
    Jumped(Span),
    /// The reading does not count.
    Dropped,
}

/// What is to be done with a reference clock that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::core) enum Task {
    /// Read the device.
    Read,
    /// Read the device, and the poll is over.
    Conclude,
}

impl ReferenceClock {
    /// Nothing has been read. The device is to be read at `due` for the first time.
    pub(in crate::core) fn new(id: ClockId, config: ClockConfig, due: Raw) -> Self {
        let is_coarse = matches!(config.driver, Driver::Shm { .. } | Driver::Sock { .. });
        let mut clock = ReferenceClock {
            id,
            due,
            readings_left: 0,
            measurements: 0,
            moments: Moments::new(is_coarse),
            health: Health::new(is_coarse),
            noise: Noise::new(is_coarse),
            collection: Collection::new(config.filter),
            newest: None,
            absent: 0,
            unwell: None,
            lacks_seconds: false,
            is_impossible: false,
            is_compared: false,
            config: Box::new(config),
        };
        clock.readings_left = clock.readings_of_poll();
        if clock.config.driver.is_heard() {
            clock.due = due + clock.config.device_interval().times(i64::from(clock.readings_left));
        }
        clock
    }

    /// The name of the clock.
    pub fn id(&self) -> ClockId {
        self.id
    }

    /// The line of the clock.
    pub fn config(&self) -> &ClockConfig {
        &self.config
    }

    /// When something is to be done.
    pub(in crate::core) fn due(&self) -> Raw {
        self.due
    }

    /// Something is due: what, and the next moment is planned.
    pub(in crate::core) fn begin(&mut self, now: Raw) -> Task {
        let (gap, task) = if self.config.driver.is_heard() {
            (self.config.device_interval().times(i64::from(self.readings_of_poll())), Task::Conclude)
        } else {
            self.readings_left = self.readings_left.saturating_sub(1);
            (self.config.device_interval(), Task::Read)
        };
        self.due += gap;
        if self.due <= now {
            self.due = now + gap;
        }
        task
    }

    /// The last reading of the poll has been made.
    pub(in crate::core) fn is_poll_over(&self) -> bool {
        self.readings_left == 0
    }

    /// Takes what came of a reading. `seconds` is what is known of the time to within a pulse interval, `tai_s` by how much
    /// TAI is ahead of UTC, as far as that is known.
    pub(in crate::core) fn take(
        &mut self,
        reading: Reading,
        seconds: Option<Seconds>,
        tai_s: Option<i32>,
        now: &ClockReading,
    ) -> Taken {
        let taken = match reading {
            Reading::Time(time) => self.take_time(&time, seconds, tai_s, now),
            Reading::Nothing => Taken::Dropped,
            Reading::Unwell(flaw) => {
                (self.absent, self.unwell) = (0, Some(flaw));
                self.collection.clear();
                Taken::Dropped
            }
            Reading::Absent => {
                self.absent = self.absent.saturating_add(1);
                Taken::Dropped
            }
        };
        self.moments.pass(now);
        taken
    }

    /// The first time that the device tells is ahead of the system clock as TAI is of UTC, and its line says nothing of TAI.
    pub(in crate::core) fn is_suspected_of_tai(
        &mut self,
        reading: &Reading,
        tai_s: Option<i32>,
        now: &ClockReading,
    ) -> bool {
        let Reading::Time(device) = reading else { return false };
        if device.is_pulse || self.config.pps || self.config.tai || self.is_compared {
            return false;
        }
        self.is_compared = true;
        looks_like_tai(device.time + self.offset() - now.utc, tai_s)
    }

    fn take_time(
        &mut self,
        device: &DeviceTime,
        seconds: Option<Seconds>,
        tai_s: Option<i32>,
        now: &ClockReading,
    ) -> Taken {
        (self.absent, self.unwell) = (0, None);
        let Some(at) = self.moments.on_counter(device.at, now) else { return Taken::Dropped };
        let is_pulse = device.is_pulse || self.config.pps;
        let mut time = device.time;
        if self.config.tai {
            let Some(tai_s) = tai_s else { return Taken::Dropped };
            time += -Span::from_secs(i64::from(tai_s));
        }
        if !device.is_pulse {
            let since_build = time - BUILD_EPOCH;
            self.is_impossible = !(Span::ZERO..BELIEVABLE_FUTURE).contains(&since_build);
            if self.is_impossible {
                return Taken::Dropped;
            }
        }
        let mut jump = None;
        if !device.is_pulse {
            match self.health.observe(at, time, tai_s) {
                Observation::Steady => {}
                Observation::Jumped(by) => jump = Some(by),
                Observation::Odd => {
                    self.collection.clear();
                    return Taken::Dropped;
                }
            }
        }
        let mut lead = Lead::between(time, at);
        if is_pulse {
            let completed = seconds.and_then(|seconds| pulse::complete(lead, at, &seconds, &self.config));
            self.lacks_seconds = completed.is_none();
            let Some(completed) = completed else { return Taken::Dropped };
            lead = completed;
        }
        if let Some(by) = jump {
            self.collection.clear();
            self.noise.interrupt();
            self.collect(at, lead, is_pulse, device);
            return Taken::Jumped(by);
        }
        Taken::Collected(self.collect(at, lead, is_pulse, device))
    }

    fn collect(&mut self, at: Raw, lead: Lead, is_pulse: bool, device: &DeviceTime) -> Collected {
        let precision_s = device.precision.map_or(0.0, |precision| libm::exp2(f64::from(precision)));
        let number = self.collection.count();
        let DeviceTime { leap, margin, .. } = *device;
        let collected = Collected { at, lead, leap, margin, precision_s, is_pulse, number };
        self.collection.push(collected);
        self.newest = Some((at, lead + self.offset()));
        collected
    }

    /// The poll is over: the measurement, if enough was collected. `frequency` is that of true time against the raw
    /// counter, as far as it is known, `own_precision` that of the system clock.
    pub(in crate::core) fn conclude(&mut self, slot: Slot, frequency: f64, own_precision: Span) -> Option<Measurement> {
        let combined = self.collection.combine(frequency);
        self.collection.clear();
        self.readings_left = self.readings_of_poll();
        let combined = combined?;
        let precision_s = self.config.precision_s.unwrap_or(own_precision.secs_f64());
        let scatter_s = combined.scatter_s.unwrap_or(0.0);
        let dispersion_s = precision_s.max(combined.margin_s) + scatter_s;
        // Too few readings, because some are missing, do not show how much they scatter.
        let expected = (self.config.readings() as usize).min(self.config.filter);
        let is_unknown = combined.scatter_s.is_none() && expected >= LEAST_READINGS;
        if self.config.max_dispersion_s.is_some_and(|most| is_unknown || dispersion_s > most) {
            return None;
        }
        self.measurements = self.measurements.saturating_add(1);
        self.readings_left = self.readings_of_poll();
        self.noise.learn(combined.at, combined.lead, frequency);
        let noise_s = self.noise.deviation_s(&combined, self.config.precision_s);
        Some(Measurement {
            sample: Sample {
                slot,
                at: combined.at,
                lead: combined.lead + self.offset(),
                delay: Span::from_secs_f64(self.config.delay_s),
            },
            server_stamps: (NtpTimestamp::ZERO, NtpTimestamp::ZERO),
            interleaved: false,
            version: 0,
            leap: combined.leap,
            stratum: self.config.stratum,
            reference_id: self.config.id.bits().to_be_bytes(),
            root_delay: Span::ZERO,
            root_dispersion: Span::from_secs_f64(dispersion_s),
            precision: libm::log2(precision_s.max(1e-9)).round() as i8,
            resolution: Span::from_secs_f64(BOUND_SIGMAS * noise_s),
            stamp_margin: Span::ZERO,
            sent_by: StampSource::Kernel,
            received_by: StampSource::Kernel,
        })
    }

    /// Standard deviation of its measurements in seconds, from what they bound.
    pub(in crate::core) fn noise_s(measurement: &Measurement) -> f64 {
        measurement.resolution.secs_f64() / BOUND_SIGMAS
    }

    /// What it last said of true time, for the pulses of another clock; `None` if that was before `since`.
    pub(in crate::core) fn newest(&self, since: Raw) -> Option<(Raw, Lead)> {
        self.newest.filter(|(at, _)| *at >= since && self.flaw().is_none())
    }

    /// True time has moved by this much against the raw counter.
    pub(in crate::core) fn shift(&mut self, by: Span) {
        self.collection.clear();
        self.noise.interrupt();
        // A leap second is a jump of the device as well.
        self.health.interrupt();
        self.newest.iter_mut().for_each(|(_, lead)| *lead += by);
    }

    /// What was read has no relation to what will be: the raw counter has lost its grip on time.
    pub(in crate::core) fn interrupt(&mut self) {
        self.collection.clear();
        self.noise.interrupt();
        self.health.interrupt();
        self.newest = None;
    }

    /// What is wrong with the device.
    pub(in crate::core) fn flaw(&self) -> Option<Flaw> {
        let absent = (self.absent > 0).then_some(Flaw::DeviceAbsent);
        let pulses = self.lacks_seconds.then_some(Flaw::NoSeconds);
        let impossible = self.is_impossible.then_some(Flaw::ImpossibleTimes);
        absent.or(impossible).or(self.device_flaw()).or(pulses)
    }

    /// What the device says is not to be believed, nor what it said.
    pub(in crate::core) fn is_out(&self) -> bool {
        self.is_impossible || self.device_flaw().is_some() || self.absent >= GONE_AFTER
    }

    fn device_flaw(&self) -> Option<Flaw> {
        self.unwell.or(self.health.flaw())
    }

    fn offset(&self) -> Span {
        Span::from_secs_f64(self.config.options.offset_s)
    }

    fn readings_of_poll(&self) -> u32 {
        let readings = self.config.readings();
        if self.measurements < FIRST_MEASUREMENTS { readings.min(FIRST_READINGS) } else { readings }
    }

    /// `offset` has been changed.
    pub(in crate::core) fn set_offset(&mut self, offset_s: f64) {
        self.config.options.offset_s = offset_s;
    }
}

/// A warning that a leap second is announced is worth as much as that of a server; that nobody knows is no time at all.
pub fn leap(code: i32) -> Option<Leap> {
    u8::try_from(code).ok().filter(|code| *code <= 2).and_then(Leap::from_indicator)
}
