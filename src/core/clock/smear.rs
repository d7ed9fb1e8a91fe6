//! Servers that smear a leap second among servers that do not.
//!
//! A smearing server makes its seconds longer or shorter for hours, most of them by 11.6 ppm for a day, and in between is
//! off by up to half a second. So the sources fall into two groups, each of which agrees on the rate of time. Together
//! they are no source of time (RFC 8633 section 3.7.1).

use crate::time::{Lead, Raw};

/// A line needs so many answers...
const LEAST_ANSWERS: usize = 5;
/// ...over so many seconds.
const LEAST_SPAN_S: f64 = 900.0;

/// The rates of the two groups differ by more than this: a second in two days...
const LEAST_GAP: f64 = 5e-6;
/// ...and by less than this: a second in five hours. Faster ones are falsetickers at once.
const LARGEST_GAP: f64 = 55e-6;
/// Two rates are different if they are apart by so many standard deviations,
const CERTAIN: f64 = 5.0;
/// and by so many times what the rates in each group do.
const TIGHT: f64 = 3.0;

/// No rate is known better than this.
const LEAST_SD: f64 = 1e-8;

/// How fast a source's time runs against the raw counter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rate {
    /// Rate of the source against the counter, minus one.
    pub rate: f64,
    /// Standard deviation of `rate`.
    pub sd: f64,
}

impl Rate {
    /// The straight line through a source's answers; `None` if they are too few or too close together.
    pub fn of(answers: impl Iterator<Item = (Raw, Lead)> + Clone) -> Option<Rate> {
        let (first, count) = (answers.clone().next()?, answers.clone().count());
        let points = answers.map(|(at, lead)| ((at - first.0).secs_f64(), (lead - first.1).secs_f64()));
        let n = count as f64;
        let (sum_x, sum_y) = points.clone().fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x, sy + y));
        let (mean_x, mean_y) = (sum_x / n, sum_y / n);
        let (xx, xy) = points
            .clone()
            .fold((0.0, 0.0), |(xx, xy), (x, y)| (xx + (x - mean_x) * (x - mean_x), xy + (x - mean_x) * (y - mean_y)));
        let span_s = points.clone().map(|(x, _)| x).fold(0.0, f64::max);
        if count < LEAST_ANSWERS || span_s < LEAST_SPAN_S {
            return None;
        }
        let rate = xy / xx;
        let misses: f64 = points.map(|(x, y)| (y - mean_y - rate * (x - mean_x)).powi(2)).sum();
        Some(Rate { rate, sd: (misses / (n - 2.0) / xx).sqrt().max(LEAST_SD) })
    }
}

/// Splits rates in ascending order into a slower and a faster group if they look like a smear: the index of the first of
/// the faster.
pub fn split(rates: &[Rate]) -> Option<usize> {
    let gap = |index: &usize| rates[*index].rate - rates[*index - 1].rate;
    let first = (1..rates.len()).max_by(|a, b| gap(a).total_cmp(&gap(b)))?;
    let width = |group: &[Rate]| group.last().map_or(0.0, |last| last.rate - group[0].rate);
    let (slower, faster) = rates.split_at(first);
    let gap = gap(&first);
    let sd = libm::hypot(rates[first - 1].sd, rates[first].sd);
    let is_smear =
        (LEAST_GAP..LARGEST_GAP).contains(&gap) && gap > CERTAIN * sd && gap > TIGHT * width(slower).max(width(faster));
    is_smear.then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_LONG: f64 = -1.0 / 86_400.0;

    fn answers(rate: f64, noise_s: f64) -> impl Iterator<Item = (Raw, Lead)> + Clone {
        (0..8).map(move |k| {
            let noise = if k % 2 == 0 { noise_s } else { -noise_s };
            let at = Raw::from_nanos(5_000_000_000_000 + k * 600_000_000_000);
            (at, Lead::from_nanos(1_800_000_000_000_000_000 + ((k as f64 * 600.0 * rate + noise) * 1e9) as i64))
        })
    }

    fn rates(list: &[(f64, f64)]) -> Vec<Rate> {
        list.iter().map(|(rate, noise_s)| Rate::of(answers(*rate, *noise_s)).unwrap()).collect()
    }

    #[test]
    fn a_line_is_found_through_noise() {
        let exact = Rate::of(answers(DAY_LONG, 0.0)).unwrap();
        assert!((exact.rate - DAY_LONG).abs() < 1e-9, "{exact:?}");
        let noisy = Rate::of(answers(DAY_LONG, 0.001)).unwrap();
        assert!((noisy.rate - DAY_LONG).abs() < 3.0 * noisy.sd && noisy.sd < 1e-6, "{noisy:?}");
        assert_eq!(Rate::of(answers(0.0, 0.0).take(4)), None);
        assert_eq!(Rate::of(answers(0.0, 0.0).take(0)), None);
    }

    #[test]
    fn two_groups_a_smear_apart_are_split() {
        for (list, first) in [
            (&[(DAY_LONG, 1e-3), (0.0, 1e-3)][..], Some(1)),
            (&[(40e-6 + DAY_LONG, 1e-3), (40e-6, 1e-3), (40e-6, 2e-3), (40.2e-6, 1e-3)], Some(1)),
            (&[(DAY_LONG, 1e-3), (DAY_LONG, 1e-3), (DAY_LONG, 1e-3), (0.0, 1e-3)], Some(3)),
            (&[(0.0, 1e-3), (0.1e-6, 1e-3), (0.2e-6, 1e-3)], None),
            (&[(-1e-3, 1e-3), (0.0, 1e-3)], None),
            (&[(DAY_LONG, 20e-3), (0.0, 20e-3)], None),
            (&[(-15e-6, 1e-3), (-7e-6, 1e-3), (0.0, 1e-3)], None),
            (&[(0.0, 1e-3)], None),
            (&[], None),
        ] {
            assert_eq!(split(&rates(list)), first, "{list:?}");
        }
    }
}
