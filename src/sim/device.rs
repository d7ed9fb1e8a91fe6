//! Reference clocks of the simulated machine, sound and sick.

use crate::core::api::reference_clock::{ClockConfig, DeviceTime, Moment, Reading};
use crate::sim::random::Dice;
use crate::time::{Leap, NANOS_PER_SEC, Span, Utc};

/// TAI minus UTC since 2017.
const TAI: Span = Span::from_secs(37);

/// A device and its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// The line.
    pub config: ClockConfig,
    /// Standard deviation of a reading in seconds.
    pub noise_s: f64,
    /// Its time is ahead of the truth by this much.
    pub ahead: Span,
    /// The device only tells when a second begins.
    pub pulses: bool,
    /// Pulses in a second.
    pub pulse_rate: u32,
    /// The device tells as well when a pulse ends, so many seconds after its beginning.
    pub pulse_end_s: Option<f64>,
    /// What happens to it, and how many seconds after the start. The last that has begun holds.
    pub ailments: Vec<(f64, Ailment)>,
}

/// What is wrong with a device.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Ailment {
    /// The device is well.
    None,
    /// The device is not there.
    Absent,
    /// The device has nothing to say.
    Silent,
    /// The device stands still.
    Frozen,
    /// The device runs at this speed; 1 is right.
    Speed(f64),
    /// The device is ahead by so much more.
    Ahead(Span),
}

impl Device {
    /// A sound device.
    pub fn new(config: ClockConfig, noise_s: f64) -> Self {
        Device {
            config,
            noise_s,
            ahead: Span::ZERO,
            pulses: false,
            pulse_rate: 1,
            pulse_end_s: None,
            ailments: Vec::new(),
        }
    }

    /// What it says at true time `truth`, when the system clock says `system`.
    pub fn read(&self, since_s: f64, truth: Utc, system: Utc, dice: &mut Dice) -> Reading {
        let begun = self.ailments.iter().rfind(|(from_s, _)| *from_s <= since_s);
        let (from_s, ailment) = begun.copied().unwrap_or((0.0, Ailment::None));
        let lasted = Span::from_secs_f64(since_s - from_s);
        let time = match ailment {
            Ailment::None => truth,
            Ailment::Absent => return Reading::Absent,
            Ailment::Silent => return Reading::Nothing,
            Ailment::Frozen => truth - lasted,
            Ailment::Speed(speed) => truth + lasted.scaled(speed - 1.0),
            Ailment::Ahead(by) => truth + by,
        };
        let noise = Span::from_secs_f64(self.noise_s * dice.normal());
        let scale = if self.config.tai { TAI } else { Span::ZERO };
        let time = time + self.ahead + noise + scale;
        let told = DeviceTime {
            at: Moment::System(system),
            time,
            margin: Span::ZERO,
            is_pulse: false,
            leap: Leap::Normal,
            precision: None,
        };
        if !self.pulses {
            return Reading::Time(told);
        }
        // The stamp of the last edge; the device does not say which second it began.
        let interval = NANOS_PER_SEC / i64::from(self.pulse_rate);
        let since_begin = Span::from_nanos((truth + self.ahead).nanos().rem_euclid(interval));
        let end = self.pulse_end_s.map(Span::from_secs_f64).filter(|end| since_begin >= *end);
        let since_pulse = since_begin - end.unwrap_or(Span::ZERO);
        let at = Moment::System(system - since_pulse + noise);
        Reading::Time(DeviceTime { at, time: Utc::from_nanos(0), is_pulse: true, ..told })
    }
}
