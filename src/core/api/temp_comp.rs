//! `tempcomp`: how the frequency of the oscillator follows its temperature (chrony.conf(5)).
//!
//! A positive compensation makes the clock run faster: an oscillator that is slow by 5 ppm at some temperature is
//! compensated there by 5 ppm. (So chronyd 4.3 does it: with a constant 5 ppm and a clock that needs nothing its drift
//! file says 5 ppm fast, after which the compensation leaves nothing.)

use crate::time::Span;

/// A larger compensation is a broken sensor or a wrong coefficient, and is not applied (ppm).
pub const LARGEST_PPM: f64 = 10.0;

/// `tempcomp`.
#[derive(Clone, Debug, PartialEq)]
pub struct TempComp {
    /// How often the sensor is read.
    pub interval: Span,
    /// What a temperature means.
    pub curve: Curve,
}

/// The compensation as a function of what the sensor says.
#[derive(Clone, Debug, PartialEq)]
pub enum Curve {
    /// `k0 + k1 (T - t0) + k2 (T - t0)^2`.
    Quadratic {
        /// Reference temperature, in the unit of the sensor.
        t0: f64,
        /// ppm, and per first and second power of the sensor's unit.
        k: [f64; 3],
    },
    /// Straight lines between points, continued beyond the first and the last.
    Points(Points),
}

/// Temperatures in ascending order, at least two, and their compensation in ppm.
#[derive(Clone, Debug, PartialEq)]
pub struct Points(Vec<(f64, f64)>);

/// Why text is no list of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPoints {
    /// A line is not two numbers.
    Line,
    /// There are fewer than two.
    TooFew,
}

impl Curve {
    /// The compensation in ppm; not finite if the sensor or the curve makes no sense.
    pub fn ppm(&self, temperature: f64) -> f64 {
        match self {
            Curve::Quadratic { t0, k } => {
                let above = temperature - t0;
                k[0] + above * (k[1] + above * k[2])
            }
            Curve::Points(points) => points.ppm(temperature),
        }
    }
}

impl Points {
    /// Temperature and compensation in ppm of each.
    pub fn all(&self) -> &[(f64, f64)] {
        &self.0
    }

    /// From a file with a temperature and a compensation per line, in any order.
    pub fn parse(text: &str) -> Result<Points, NoPoints> {
        let mut points = text.lines().map(point).collect::<Option<Vec<_>>>().ok_or(NoPoints::Line)?;
        tiny_sort::stable::sort_by(&mut points, |a, b| a.0.total_cmp(&b.0));
        if points.len() < 2 { Err(NoPoints::TooFew) } else { Ok(Points(points)) }
    }

    fn ppm(&self, temperature: f64) -> f64 {
        let above = self.0.partition_point(|(at, _)| *at <= temperature).clamp(1, self.0.len() - 1);
        let [(cold, low), (warm, high)] = [self.0[above - 1], self.0[above]];
        low + (temperature - cold) * (high - low) / (warm - cold)
    }
}

fn point(line: &str) -> Option<(f64, f64)> {
    let mut words = line.split_ascii_whitespace();
    let mut number = || words.next()?.parse::<f64>().ok().filter(|number| number.is_finite());
    Some((number()?, number()?))
}

/// What a sensor's file says: a number at its beginning, as C's `scanf` would read it.
pub fn parse_sensor(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The compensations below were written by chronyd 4.3 into its tempcomp.log.
    #[test]
    fn points_are_joined_and_continued() {
        let points = Points::parse("30 4\n10 1\n20 3\n").expect("three points");
        let ppm = [15.0, 0.0, 40.0, 20.0, 10.0, 30.0, 25_000.0].map(|t| points.ppm(t));
        assert_eq!(ppm, [2.0, -1.0, 5.0, 3.0, 1.0, 4.0, 2501.0]);
    }

    #[test]
    fn coefficients_are_of_the_distance_from_the_reference() {
        let curve = Curve::Quadratic { t0: 20.0, k: [0.5, 0.1, 0.01] };
        assert!((curve.ppm(26.0) - 1.46).abs() < 1e-12);
        assert!((curve.ppm(1000.0) - 9702.5).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_list_of_points_is_refused() {
        assert_eq!(Points::parse("10 1\n"), Err(NoPoints::TooFew));
        assert_eq!(Points::parse(""), Err(NoPoints::TooFew));
        for text in ["# c\n10 1\n20 2\n", "10 1\nfoo\n20 3\n", "10 1\n20\n", "10 1\nnan 2\n"] {
            assert_eq!(Points::parse(text), Err(NoPoints::Line), "{text:?}");
        }
        let same = Points::parse("10 1\n10 3\n30 4\n").expect("two at the same temperature");
        assert!(!same.ppm(0.0).is_finite() && same.ppm(20.0) == 3.5);
    }

    #[test]
    fn a_sensor_says_a_number_first() {
        let read = ["26 abc", "26abc", "  26", "26000\n", "-1.5"].map(parse_sensor);
        assert_eq!(read, [Some(26.0), Some(26.0), Some(26.0), Some(26_000.0), Some(-1.5)]);
        assert_eq!(["abc", "", "\n", "nan", "-"].map(parse_sensor), [None; 5]);
    }
}
