//! The crystal behind the raw counter: how it runs against true time.

use std::f64::consts::TAU;
use std::sync::Arc;

use crate::sim::random::Dice;
use crate::time::{Raw, Span, Utc};

/// What is wrong with a crystal.
#[derive(Clone, Debug, PartialEq)]
pub struct Crystal {
    /// Frequency error at the start; positive: fast.
    pub frequency: f64,
    /// Random walk of the frequency, per square root of a second.
    pub wander: f64,
    /// A daily or hourly swing, if any.
    pub sine: Option<Sine>,
    /// Jumps of the frequency: seconds after the start, and by how much.
    pub steps: Vec<(f64, f64)>,
    /// White noise of the frequency: what it adds to the phase grows by this per square root of a second.
    pub white_noise: f64,
    /// A measured course of the frequency on top of the rest.
    pub replay: Option<Replay>,
}

/// Measured frequencies, evenly spaced, with straight lines between them. After the last they are run through backwards,
/// and so on.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// The frequencies (positive: fast).
    pub rows: Arc<[f64]>,
    /// Seconds from one to the next.
    pub each_s: f64,
    /// The row at the start of the run.
    pub first: usize,
}

/// A swing of the frequency with the temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sine {
    /// Largest frequency error.
    pub amplitude: f64,
    /// Period in seconds.
    pub period_s: f64,
}

/// A running crystal. Time only goes forward.
#[derive(Clone, Debug)]
pub struct Oscillator {
    crystal: Crystal,
    started: Utc,
    now: Utc,
    raw: Raw,
    /// What `raw` has lost by rounding, in nanoseconds.
    fraction_ns: f64,
    walk: f64,
    dice: Dice,
}

impl Default for Crystal {
    /// An ordinary computer's, left alone at a constant temperature.
    fn default() -> Self {
        Crystal { frequency: 0.0, wander: 1e-9, sine: None, steps: Vec::new(), white_noise: 0.0, replay: None }
    }
}

impl Replay {
    /// The frequency so many seconds after the start.
    fn frequency(&self, at_s: f64) -> f64 {
        let place = at_s / self.each_s;
        let part = place.fract();
        self.row(place as usize) * (1.0 - part) + self.row(place as usize + 1) * part
    }

    fn row(&self, steps: usize) -> f64 {
        let (last, turn) = (self.rows.len() - 1, 2 * (self.rows.len() - 1));
        let place = (self.first + steps) % turn;
        self.rows[if place > last { turn - place } else { place }]
    }

    /// What the clock gains between two moments: the area below the straight lines.
    fn gained_s(&self, begin_s: f64, end_s: f64) -> f64 {
        let (mut at_s, mut sum) = (begin_s, 0.0);
        while at_s < end_s {
            let next_s = (((at_s / self.each_s).floor() + 1.0) * self.each_s).min(end_s);
            // A straight line has its mean in the middle.
            sum += self.frequency(0.5 * (at_s + next_s)) * (next_s - at_s);
            at_s = next_s;
        }
        sum
    }
}

impl Oscillator {
    /// Starts counting at `raw` when true time is `now`.
    pub fn new(crystal: Crystal, now: Utc, raw: Raw, seed: u64) -> Self {
        let walk = crystal.frequency;
        Oscillator { crystal, started: now, now, raw, fraction_ns: 0.0, walk, dice: Dice::new(seed) }
    }

    /// True time it was last advanced to.
    pub fn now(&self) -> Utc {
        self.now
    }

    /// The counter.
    pub fn raw(&self) -> Raw {
        self.raw
    }

    /// The counter without rounding: what is left over, in nanoseconds.
    pub fn fraction_ns(&self) -> f64 {
        self.fraction_ns
    }

    /// Frequency error now; positive: fast.
    pub fn frequency(&self) -> f64 {
        let since_s = (self.now - self.started).secs_f64();
        let sine = self.crystal.sine.map_or(0.0, |sine| sine.amplitude * libm::sin(TAU * since_s / sine.period_s));
        let steps: f64 = self.crystal.steps.iter().filter(|(at, _)| *at <= since_s).map(|(_, by)| by).sum();
        self.walk + sine + steps + self.crystal.replay.as_ref().map_or(0.0, |replay| replay.frequency(since_s))
    }

    /// Runs until true time `to`. The random walk and its integral are drawn jointly, so that the result does not
    /// depend on how finely time is cut.
    pub fn advance(&mut self, to: Utc) {
        let elapsed = to - self.now;
        if elapsed <= Span::ZERO {
            return;
        }
        let (begin_s, dt) = ((self.now - self.started).secs_f64(), elapsed.secs_f64());
        let mut gained_s = self.walk * dt + self.swing(begin_s, begin_s + dt) + self.stepped(begin_s, begin_s + dt);
        if self.crystal.wander > 0.0 {
            let (first, second) = (self.dice.normal(), self.dice.normal());
            let spread = self.crystal.wander * dt.sqrt();
            gained_s += spread * dt * (0.5 * first + second / 12f64.sqrt());
            self.walk += spread * first;
        }
        if let Some(replay) = &self.crystal.replay {
            gained_s += replay.gained_s(begin_s, begin_s + dt);
        }
        if self.crystal.white_noise > 0.0 {
            gained_s += self.crystal.white_noise * dt.sqrt() * self.dice.normal();
        }
        self.now = to;
        let gained_ns = gained_s * 1e9 + self.fraction_ns;
        let whole_ns = gained_ns.floor();
        self.fraction_ns = gained_ns - whole_ns;
        self.raw += elapsed + Span::from_nanos(whole_ns as i64);
    }

    /// When the counter will reach `raw`, as far as that can be known.
    pub fn when(&self, raw: Raw) -> Utc {
        self.now + (raw - self.raw).scaled(1.0 / (1.0 + self.frequency()))
    }

    /// The machine is suspended or paused: true time passes, the counter stands still.
    pub fn stand_still(&mut self, until: Utc) {
        self.now = self.now.max(until);
    }

    /// The counter is made to count a sleep (CLOCK_BOOTTIME's way).
    pub fn jump(&mut self, by: Span) {
        self.raw += by;
    }

    fn swing(&self, begin_s: f64, end_s: f64) -> f64 {
        self.crystal.sine.map_or(0.0, |Sine { amplitude, period_s }| {
            amplitude * period_s / TAU * (libm::cos(TAU * begin_s / period_s) - libm::cos(TAU * end_s / period_s))
        })
    }

    fn stepped(&self, begin_s: f64, end_s: f64) -> f64 {
        let part = |(at, by): &(f64, f64)| by * (end_s - at.max(begin_s)).max(0.0);
        self.crystal.steps.iter().map(part).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_gains_the_same_however_finely_time_is_cut() {
        let rows: Arc<[f64]> = [1e-6, 3e-6, -2e-6].into();
        let replay = Replay { rows, each_s: 64.0, first: 1 };
        // 64 s from 3e-6 to -2e-6, and 64 s back, half of it.
        let whole_s = replay.gained_s(0.0, 96.0);
        let expected_s = 64.0 * 0.5e-6 + 32.0 * 0.5 * (-2e-6 + 0.5e-6);
        assert!((whole_s - expected_s).abs() < 1e-15, "{whole_s} {expected_s}");
        let parts_s: f64 =
            (0..960).map(|tenth| replay.gained_s(0.1 * f64::from(tenth), 0.1 * f64::from(tenth + 1))).sum();
        assert!((whole_s - parts_s).abs() < 1e-15, "{whole_s} {parts_s}");
    }
}
