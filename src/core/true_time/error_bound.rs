//! How far the estimate can be from true time.
//!
//! The proof is in docs/how-it-works.md, "How far off it can be".

use crate::core::estimate::{Estimate, MAX_SOURCES, SlotSet};
use crate::core::source::Source;
use crate::core::true_time::{TrueTime, UNKNOWN_FREQUENCY};
use crate::time::{Raw, Span};

/// Bound of a normal error, in standard deviations.
pub(in crate::core) const BOUND_SIGMAS: f64 = 3.0;

impl TrueTime {
    /// Bound on the error of the estimate: what the best path can hide, but no less than what a minority of liars could have
    /// made of it, nor than a lone source has led it away from what an oscillator can do.
    pub(in crate::core) fn bound(&self, estimate: &Estimate, sources: &[Source], active: SlotSet, now: Raw) -> Span {
        let by_best_path = self.bound_by_best_path(estimate, sources, active, now);
        by_best_path.max(self.bound_despite_liars(estimate, sources, now)).max(self.lone.led_astray(estimate, now))
    }

    /// The asymmetry of the best path counts in full, because no protocol can see it. It is about that source's own time,
    /// which the estimate may not share.
    fn bound_by_best_path(&self, estimate: &Estimate, sources: &[Source], active: SlotSet, now: Raw) -> Span {
        let members = sources.iter().filter(|source| active.contains(source.slot));
        let asymmetry = members.filter_map(|source| Some(self.hidden_by_path(source)? + self.apart(source))).min();
        // Those it came from may have been deleted.
        let asymmetry = asymmetry.unwrap_or(self.backing.hidden());
        Span::from_secs_f64(BOUND_SIGMAS * estimate.offset_sd_s(now)) + asymmetry + self.strayed(estimate, now)
    }

    /// As long as a majority of the sources is honest, one of any f + 1 of them is, where f = floor((n - 1) / 2). True time
    /// lies in the interval of an honest source, so that the estimate is wrong by no more than the far end of that interval
    /// is away. The nearest of the far ends may be lies; the one after f nearer ones cannot be exceeded by all honest ones.
    fn bound_despite_liars(&self, estimate: &Estimate, sources: &[Source], now: Raw) -> Span {
        let rate = self.rate_bound().max(rate_despite_liars(estimate, sources).min(UNKNOWN_FREQUENCY));
        let far_end_s = |source: &Source| {
            let interval = source.interval(now, estimate.frequency, rate);
            interval.map_or(f64::INFINITY, |(lead, distance_s)| {
                (lead - estimate.lead_at(now)).secs_f64().abs() + distance_s
            })
        };
        nearest_of_a_majority(present(sources).map(far_end_s)).map_or(Span::ZERO, Span::from_secs_f64)
    }

    /// How far the estimate is from what this source says.
    pub(in crate::core) fn apart(&self, source: &Source) -> Span {
        Span::from_secs_f64(self.estimator.bias_s(source.slot).abs())
    }

    /// How far the clock may have strayed since the last sample (`maxclockerror`).
    pub(in crate::core) fn strayed(&self, estimate: &Estimate, now: Raw) -> Span {
        let since = (now - estimate.at).max(Span::ZERO);
        since.scaled(self.max_clock_error) + self.strayed_by_rate(since)
    }

    /// What the asymmetry of its path and the server's own bound may hide.
    pub(in crate::core) fn hidden_by_path(&self, source: &Source) -> Option<Span> {
        let path = self.path_noise(source.slot)?;
        Some(Span::from_secs_f64(0.5 * path.min_delay_s) + source.last?.root_bound())
    }
}

/// Root mean square of the error to be expected of a clock that is off the estimate by `left`.
pub(in crate::core) fn expected_error(estimate: &Estimate, now: Raw, left: Span) -> Span {
    Span::from_secs_f64(libm::hypot(estimate.offset_sd_s(now), left.secs_f64()))
}

/// How far the frequency may be wrong by what a majority of the sources says of it, each by its own answers alone.
fn rate_despite_liars(estimate: &Estimate, sources: &[Source]) -> f64 {
    let far_end = |source: &Source| {
        let bounds = source.frequency_bounds();
        bounds.map_or(f64::INFINITY, |(frequency, margin)| (frequency - estimate.frequency).abs() + margin)
    };
    nearest_of_a_majority(present(sources).map(far_end)).unwrap_or(0.0)
}

/// The sources that answer, or may still do so.
fn present(sources: &[Source]) -> impl Iterator<Item = &Source> {
    let is_present = |source: &&Source| {
        let may_answer = !source.is_unreachable() && !source.schedule.is_offline();
        !source.options.no_select && (source.reach != 0 || may_answer)
    };
    sources.iter().filter(is_present)
}

/// With n sources of which a majority is honest, one of the f + 1 nearest is, where f = floor((n - 1) / 2). Those that have
/// said nothing count among the n, with a far end that is infinite. `None` if nobody has said anything.
fn nearest_of_a_majority(far_ends: impl Iterator<Item = f64>) -> Option<f64> {
    let mut list = [f64::INFINITY; MAX_SOURCES];
    let count = list.iter_mut().zip(far_ends).map(|(place, far_end)| *place = far_end).count();
    let list = &mut list[..count];
    tiny_sort::unstable::sort_by(list, f64::total_cmp);
    let liars = count.saturating_sub(1) / 2;
    list[..(liars + 1).min(count)].iter().rev().copied().find(|far_end| far_end.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(far_ends: &[f64]) -> Option<f64> {
        nearest_of_a_majority(far_ends.iter().copied())
    }

    #[test]
    fn one_far_end_more_than_there_may_be_liars_is_counted() {
        assert_eq!(nearest(&[]), None);
        assert_eq!(nearest(&[5.0]), Some(5.0));
        assert_eq!(nearest(&[5.0, 1.0]), Some(1.0));
        assert_eq!(nearest(&[5.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(nearest(&[5.0, 1.0, 3.0, 4.0]), Some(3.0));
        assert_eq!(nearest(&[5.0, 1.0, 3.0, 4.0, 2.0]), Some(3.0));
    }

    #[test]
    fn sources_that_have_said_nothing_count_among_all_but_bound_nothing() {
        assert_eq!(nearest(&[f64::INFINITY, 1.0, f64::INFINITY]), Some(1.0));
        assert_eq!(nearest(&[f64::INFINITY; 3]), None);
    }
}
