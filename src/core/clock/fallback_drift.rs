//! `fallbackdrift`: when no source is left, the frequency returns to what it was on average over a long time, and over a
//! longer one the longer the silence lasts (chrony.conf(5)).

use crate::time::{Raw, Span};

/// Averages of the frequency, from the shortest to the longest.
#[derive(Clone, Debug)]
pub struct Fallback {
    averages: Vec<Average>,
    updated: Option<Raw>,
    /// The fallback drifts that have had their turn since the last update.
    used: usize,
}

#[derive(Clone, Copy, Debug)]
struct Average {
    over: Span,
    frequency: f64,
    /// How much time is in it; it is used only when that is all of `over`.
    covered: Span,
}

impl Fallback {
    /// For intervals from 2^`min` to 2^`max` seconds; none if there is no range.
    pub fn new(range: Option<(u8, u8)>) -> Self {
        let exponents = range.into_iter().flat_map(|(min, max)| min..=max);
        let average =
            |exponent| Average { over: Span::from_secs(1_i64 << exponent), frequency: 0.0, covered: Span::ZERO };
        Fallback { averages: exponents.map(average).collect(), updated: None, used: 0 }
    }

    /// The clock follows its sources, at this frequency.
    pub fn update(&mut self, frequency: f64, now: Raw) {
        let since = self.updated.replace(now).map_or(Span::ZERO, |before| now - before);
        self.used = 0;
        for average in &mut self.averages {
            average.covered = (average.covered + since).min(average.over);
            // Until the average is complete it is that of all there was.
            let weight = since.secs_f64() / average.covered.secs_f64().max(since.secs_f64()).max(1.0);
            average.frequency += weight * (frequency - average.frequency);
        }
    }

    /// When the next average has its turn.
    pub fn due(&self) -> Option<Raw> {
        let next = self.averages.get(self.used).filter(|average| average.covered >= average.over)?;
        self.updated.map(|updated| updated + next.over)
    }

    /// The average whose turn it is now.
    pub fn take(&mut self, now: Raw) -> Option<f64> {
        self.due().filter(|due| *due <= now)?;
        self.used += 1;
        self.averages.get(self.used - 1).map(|average| average.frequency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_averages_follow_shorter_ones_once_they_are_complete() {
        let mut fallback = Fallback::new(Some((3, 5)));
        let at = |seconds: i64| Raw::from_nanos(seconds * 1_000_000_000);
        for second in 0..=20 {
            fallback.update(if second <= 10 { 1e-6 } else { 2e-6 }, at(second));
        }
        assert_eq!(fallback.due(), Some(at(28)));
        assert_eq!(fallback.take(at(27)), None);
        let shortest = fallback.take(at(28)).expect("complete");
        assert!((1.6e-6..1.8e-6).contains(&shortest), "{shortest}");
        assert_eq!(fallback.due(), Some(at(36)));
        let longer = fallback.take(at(40)).expect("complete");
        assert!(longer < shortest);
        assert_eq!(fallback.take(at(1000)), None, "32 s of history are not there");
        fallback.update(2e-6, at(1001));
        assert_eq!(fallback.due(), Some(at(1009)), "and all begins anew");
    }

    #[test]
    fn without_a_range_nothing_is_ever_due() {
        let mut fallback = Fallback::new(None);
        fallback.update(1e-6, Raw::from_nanos(0));
        assert_eq!(fallback.due(), None);
    }
}
