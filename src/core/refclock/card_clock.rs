//! The clock of a network card that stamps packets: where it is against the raw counter, and how well that is known.
//!
//! The time that the card tells does not matter, it may be TAI or nothing at all: only its pace does. Each reading says
//! between which two moments of the counter the card had this time, which is a hard bound. A line through the last
//! readings that keeps within the bounds of all of them places a stamp. A stamp is placed between two readings only, so
//! that nothing can have happened to the clock which the second reading would not show.

use crate::core::api::flaw::Flaw;
use crate::core::api::network_card::CardConfig;
use crate::core::api::reference_clock::Reading;
use crate::core::refclock::health::{Health, Observation};
use crate::core::refclock::moments::Moments;
use crate::time::{ClockReading, Raw, Span, Utc};

/// A card whose speed is off by more than this is not followed, however steady it is: ptp4l steers by less.
const LARGEST_RATE: f64 = 0.1;

/// From one reading to the next nobody changes the speed by more than this...
const LARGEST_CHANGE: f64 = 1e-3;
/// ...and what differs by this much more has jumped.
const LEAST_JUMP: Span = Span::from_millis(1);

/// Good readings in a row after which a clock that has jumped is well again.
const GOOD_READINGS: u32 = 8;

/// A card may change between UTC and TAI as it likes.
const NO_TAI: Option<i32> = Some(0);

/// A stamp that is not known better than this is not better than one of the kernel.
const LARGEST_MARGIN: Span = Span::from_nanos(50_000);

/// A card's clock, as its readings show it.
#[derive(Clone, Debug)]
pub struct CardClock {
    least_gap: Span,
    samples: (usize, usize),
    precision: Span,
    moments: Moments,
    health: Health,
    /// The last readings, oldest first. The last one may be near to the one before; all others are apart.
    points: Vec<CardReading>,
    /// By how much readings were off of late from the line through those before them: half as much after each reading.
    bend: Span,
    /// By how much the clock has just jumped, if it has.
    jump: Option<Span>,
    /// The clock has jumped by so much, and has not been well for long enough since.
    jumped: Option<Span>,
    good: u32,
}

/// One reading of the clock of a card.
#[derive(Clone, Copy, Debug)]
struct CardReading {
    card: Utc,
    at: Raw,
    /// The moment lies within so much of `at`, for sure.
    margin: Span,
    /// How far the reading was off from the line through those before it, if that is more than what the readings may be
    /// off by: so far off may be what lies between this reading and the one before.
    doubt: Span,
}

/// The line through the readings: so many nanoseconds of the counter after the newest one, for nanoseconds of the card after it.
#[derive(Clone, Copy, Debug)]
struct CardPace {
    offset_ns: f64,
    pace: f64,
}

/// Why the stamps of a card are not used.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum CardFlaw {
    /// The clock of the card stands still.
    Frozen,
    /// The clock of the card is too fast or too slow to be one.
    WrongSpeed,
    /// The clock of the card has jumped by so much.
    Jumped(Span),
}

impl CardClock {
    /// Nothing has been read.
    pub fn new(config: &CardConfig) -> Self {
        CardClock {
            least_gap: config.least_gap(),
            samples: (config.min_samples, config.max_samples),
            precision: config.precision,
            moments: Moments::new(false),
            health: Health::new(false),
            points: Vec::new(),
            bend: Span::ZERO,
            jump: None,
            jumped: None,
            good: 0,
        }
    }

    /// Takes a reading, made just before `now`.
    pub fn take(&mut self, reading: Reading, now: &ClockReading) {
        let Reading::Time(time) = reading else { return };
        if let Some(at) = self.moments.on_counter(time.at, now) {
            self.add(CardReading { card: time.time, at, margin: time.margin.max(self.precision), doubt: Span::ZERO });
        }
        self.moments.pass(now);
    }

    fn add(&mut self, mut point: CardReading) {
        let fixed = self.fixed();
        self.points.truncate(fixed);
        let Some(last) = self.points.last().copied() else {
            self.health.observe(point.at, point.card, NO_TAI);
            return self.points.push(point);
        };
        let gap = point.at - last.at;
        let is_apart = gap >= self.least_gap;
        let is_well = !is_apart || self.health.observe(point.at, point.card, NO_TAI) != Observation::Odd;
        let gained = (point.card - last.card) - gap;
        let slack = self.margin() + point.margin;
        // Without a line nothing is known of the speed, and all that was gained may have been a jump.
        let off = self.line().map_or(gained, |line| point.card - self.expected(line, point.at));
        point.doubt = if off.abs() > slack { off.abs() } else { Span::ZERO };
        if self.points.len() >= 2 {
            self.bend = self.bend.half().max(point.doubt);
        }
        let is_fast = gained.abs() > gap.scaled(LARGEST_RATE) + slack;
        let has_jumped = self.points.len() >= 2 && off.abs() > gap.scaled(LARGEST_CHANGE) + LEAST_JUMP;
        if has_jumped && self.jump.is_none() {
            self.jump = Some(off);
        }
        if self.health.flaw().is_some() {
            self.jump = None;
        }
        if !is_well || is_fast || has_jumped {
            self.points.clear();
            self.bend = Span::ZERO;
            self.good = 0;
        } else if is_apart {
            self.settle();
        }
        self.points.push(point);
        self.trim();
    }

    /// A reading was as it should be.
    fn settle(&mut self) {
        self.good = self.good.saturating_add(1);
        if let Some(by) = self.jump.take() {
            self.jumped = Some(by);
        } else if self.good >= GOOD_READINGS {
            self.jumped = None;
        }
    }

    /// How many readings there are that are apart from each other.
    fn fixed(&self) -> usize {
        match self.points[..] {
            [.., before, newest] if newest.at - before.at < self.least_gap => self.points.len() - 1,
            _ => self.points.len(),
        }
    }

    /// The oldest readings go, until those that are left lie on a line.
    fn trim(&mut self) {
        while self.points.len() > self.samples.1 || self.points.len() > 2 && !self.is_straight() {
            self.points.remove(0);
        }
    }

    fn is_straight(&self) -> bool {
        let Some(line) = self.line() else { return true };
        // The reading is off by up to its margin, and the line by up to that of others.
        let slack = self.margin();
        self.points.iter().all(|point| (point.at - self.place(line, point.card)).abs() <= point.margin + slack)
    }

    /// The line through the readings by least squares.
    fn line(&self) -> Option<CardPace> {
        let newest = *self.points.last().filter(|_| self.points.len() >= 2)?;
        let count = self.points.len() as f64;
        let pairs =
            self.points.iter().map(|p| ((p.card - newest.card).nanos() as f64, (p.at - newest.at).nanos() as f64));
        let (x, y) = pairs.clone().fold((0.0, 0.0), |(x, y), pair| (x + pair.0, y + pair.1));
        let (mean_x, mean_y) = (x / count, y / count);
        let (xx, xy) = pairs
            .fold((0.0, 0.0), |(xx, xy), (x, y)| (xx + (x - mean_x) * (x - mean_x), xy + (x - mean_x) * (y - mean_y)));
        let pace = xy / xx;
        (pace - 1.0).abs().le(&LARGEST_RATE).then_some(CardPace { offset_ns: mean_y - pace * mean_x, pace })
    }

    fn place(&self, line: CardPace, card: Utc) -> Raw {
        let Some(newest) = self.points.last() else { return Raw::from_nanos(0) };
        let after_ns = (card - newest.card).nanos() as f64;
        newest.at + Span::from_nanos((line.offset_ns + line.pace * after_ns).round() as i64)
    }

    /// What the card should say at this moment.
    fn expected(&self, line: CardPace, at: Raw) -> Utc {
        let Some(newest) = self.points.last() else { return Utc::from_nanos(0) };
        let after_ns = ((at - newest.at).nanos() as f64 - line.offset_ns) / line.pace;
        newest.card + Span::from_nanos(after_ns.round() as i64)
    }

    /// How far the line may be off at a reading.
    fn margin(&self) -> Span {
        self.points.iter().map(|point| point.margin).max().unwrap_or(Span::ZERO)
    }

    /// The newest reading was made after this moment of the card's clock, so that a stamp can be placed before it.
    pub fn is_known_at(&self, card: Utc) -> bool {
        self.points.last().is_some_and(|newest| newest.card >= card)
    }

    /// The moment on the raw counter at which the card's clock had this time, and by how much that may be wrong. `None` if
    /// the time does not lie between two readings, or the clock is not well.
    pub fn on_counter(&self, card: Utc) -> Option<(Raw, Span)> {
        if self.flaw().is_some() || self.points.len() < self.samples.0 || !self.is_known_at(card) {
            return None;
        }
        let after = self.points.iter().position(|point| point.card >= card).filter(|after| *after > 0)?;
        let line = self.line()?;
        // At each of the two readings the truth is within its bound, and the line off by so much from it. In between the
        // clock may have bent as it has been seen to.
        let off = |point: &CardReading| point.margin + (point.at - self.place(line, point.card)).abs();
        let doubt = self.points[after].doubt.max(self.bend);
        let margin = off(&self.points[after - 1]).max(off(&self.points[after])) + doubt;
        Some((self.place(line, card), margin)).filter(|_| margin <= LARGEST_MARGIN)
    }

    /// What is wrong with the clock.
    pub fn flaw(&self) -> Option<CardFlaw> {
        match self.health.flaw() {
            Some(Flaw::DeviceFrozen) => Some(CardFlaw::Frozen),
            Some(_) => Some(CardFlaw::WrongSpeed),
            None => self.jumped.map(CardFlaw::Jumped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::api::reference_clock::{DeviceTime, Moment};
    use crate::core::random::Random;
    use crate::time::Leap;

    const MARGIN: Span = Span::from_nanos(500);

    fn raw(at_s: f64) -> Raw {
        Raw::from_nanos(1_000_000_000_000) + Span::from_secs_f64(at_s)
    }

    fn card(told_s: f64) -> Utc {
        Utc::from_secs(86_400) + Span::from_secs_f64(told_s)
    }

    /// Readings are a second apart, give or take what they are off by.
    fn config() -> CardConfig {
        CardConfig { min_poll: -1, ..CardConfig::new("eth0") }
    }

    /// The card is read and says this; `error_ns` within the window.
    fn read(clock: &mut CardClock, at_s: f64, told_s: f64, error_ns: f64) {
        let at = Moment::Counter(raw(at_s) + Span::from_nanos(error_ns as i64));
        let time = card(told_s);
        let reading = DeviceTime { at, time, margin: MARGIN, is_pulse: false, leap: Leap::Normal, precision: None };
        let now = raw(at_s) + MARGIN;
        let now = ClockReading { raw: now, utc: Utc::from_secs(1_800_000_000), width: Span::ZERO, slept: Span::ZERO };
        clock.take(Reading::Time(reading), &now);
    }

    /// Reads a clock every second, with a stamp half a second before each reading from the third on. Returns how many
    /// stamps were placed, after making sure that none was wrong by more than it said.
    fn watch(clock: &mut CardClock, seconds: std::ops::Range<i32>, says: &dyn Fn(f64) -> f64) -> usize {
        let mut random = Random::new([seconds.start as u8; 16]);
        let mut placed = 0;
        for second in seconds {
            let at_s = f64::from(second);
            read(clock, at_s, says(at_s), MARGIN.nanos() as f64 * (2.0 * random.fraction() - 1.0));
            let stamped_s = at_s - 0.5;
            if let Some((at, margin)) = clock.on_counter(card(says(stamped_s))) {
                let error = at - raw(stamped_s);
                assert!(error.abs() <= margin, "second {second}: off by {error:?} of {margin:?}");
                placed += 1;
            }
        }
        placed
    }

    #[test]
    fn stamps_are_placed_to_within_what_is_said_whatever_the_pace() {
        for (pace, placed) in [(1.0, 58), (1.0 + 3e-5, 58), (1.0 - 4e-4, 57), (1.06, 57)] {
            let mut clock = CardClock::new(&config());
            // One reading says nothing, and two do not tell an odd speed from a jump.
            assert_eq!(watch(&mut clock, 1..60, &|at_s| pace * at_s), placed, "{pace}");
            let (_, margin) = clock.on_counter(card(pace * 58.5)).expect("it is known");
            assert!(margin <= MARGIN + MARGIN, "{margin:?}");
            assert_eq!(clock.flaw(), None);
        }
    }

    #[test]
    fn a_clock_that_is_steered_is_followed_to_within_what_is_said() {
        // 50 ppm to and fro within a minute, as ptp4l at its start, and the wander of a bad crystal.
        for (depth_s, period_s) in [(5e-4, 60.0), (1e-6, 10.0)] {
            let says = |at_s: f64| at_s + depth_s * libm::sin(std::f64::consts::TAU * at_s / period_s);
            let mut clock = CardClock::new(&config());
            assert!(watch(&mut clock, 1..200, &says) >= 190);
            assert_eq!(clock.flaw(), None);
        }
    }

    #[test]
    fn a_small_step_between_two_readings_is_within_the_bound_of_what_lies_between_them() {
        let mut clock = CardClock::new(&config());
        let says = |at_s: f64| if at_s < 30.75 { at_s } else { at_s + 3e-4 };
        assert!(watch(&mut clock, 1..60, &says) >= 50);
        assert_eq!(clock.flaw(), None, "0.3 ms are not worth a line");
    }

    #[test]
    fn a_clock_that_stands_still_or_runs_too_fast_is_named_and_never_used() {
        for (speed, flaw) in [(0.0, CardFlaw::Frozen), (2.5, CardFlaw::WrongSpeed)] {
            let mut clock = CardClock::new(&config());
            assert_eq!(watch(&mut clock, 1..20, &|at_s| speed * at_s), 0);
            assert_eq!(clock.flaw(), Some(flaw));
            // It was well once, and is again.
            let says = |at_s: f64| if at_s < 10.2 { at_s } else { 10.2 + speed * (at_s - 10.2) };
            let mut clock = CardClock::new(&config());
            assert!(watch(&mut clock, 1..10, &says) >= 7);
            assert_eq!(watch(&mut clock, 11..30, &says), 0);
            assert_eq!(clock.flaw(), Some(flaw));
            assert!(watch(&mut clock, 30..60, &|at_s| at_s + 1000.0) >= 15);
            assert_eq!(clock.flaw(), None);
        }
    }

    #[test]
    fn a_jump_is_named_and_waited_out() {
        for by_s in [37.0, -37.0, 0.005, -0.2, 1e9] {
            let says = |at_s: f64| if at_s < 20.25 { at_s } else { at_s + by_s };
            let mut clock = CardClock::new(&config());
            assert!(watch(&mut clock, 1..20, &says) >= 17);
            assert_eq!(watch(&mut clock, 20..24, &says), 1, "{by_s}: second 20 is before the jump");
            match clock.flaw() {
                Some(CardFlaw::Jumped(by)) => assert!((by.secs_f64() - by_s).abs() < 1e-3, "{by:?} of {by_s}"),
                other => panic!("{other:?} after a jump by {by_s}"),
            }
            assert!(watch(&mut clock, 24..50, &says) >= 15);
            assert_eq!(clock.flaw(), None);
        }
    }

    #[test]
    fn readings_that_are_near_to_each_other_count_as_one_and_show_a_jump_all_the_same() {
        let mut clock = CardClock::new(&config());
        watch(&mut clock, 1..10, &|at_s| at_s);
        for at_s in [9.1, 9.2, 9.3] {
            read(&mut clock, at_s, at_s, 100.0);
            assert!(clock.on_counter(card(at_s - 0.05)).is_some());
            assert_eq!(clock.points.len(), 10);
        }
        assert_eq!(clock.on_counter(card(9.31)), None, "nothing was read since");
        read(&mut clock, 9.4, 9.43, 0.0);
        assert_eq!(clock.on_counter(card(9.42)), None);
    }

    #[test]
    fn options_are_heeded() {
        let mut clock = CardClock::new(&CardConfig { min_samples: 5, max_samples: 6, ..config() });
        assert_eq!(watch(&mut clock, 1..20, &|at_s| at_s), 15, "from the fifth reading on");
        assert_eq!(clock.points.len(), 6);
        let precision = Span::from_nanos(3000);
        let mut clock = CardClock::new(&CardConfig { precision, ..config() });
        watch(&mut clock, 1..20, &|at_s| at_s);
        assert!(clock.on_counter(card(18.5)).expect("it is known").1 >= precision);
    }
}
