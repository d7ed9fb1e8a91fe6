//! The tests A to C of a reply (`log measurements` in chrony.conf(5)): its delay is too long for the sample to be worth anything.
//! The options `maxdelay`, `maxdelayratio` and the like set the limits.

use crate::core::api::settings::SourceOptions;
use crate::core::estimate::{Estimate, Sample};
use crate::core::source::packet_counters::Refusal;
use crate::core::source::recent::Recent;
use crate::time::Span;

/// Replies from which on the least delay and the deviation of the offsets mean something. chronyd needs as many.
const ENOUGH: usize = 6;

/// Delays from which the quantile of `maxdelayquant` is taken: as many as chronyd keeps samples.
const QUANTILE_MEMORY: usize = 64;

/// The tests of one source.
#[derive(Clone, Debug)]
pub(in crate::core) struct DelayTests {
    /// For `maxdelayquant`: the last delays, newest last.
    delays: Vec<Span>,
}

impl DelayTests {
    /// No delays yet.
    pub(in crate::core) fn new(options: &SourceOptions) -> Self {
        let memory = if options.max_delay_quant > 0.0 { QUANTILE_MEMORY } else { 0 };
        DelayTests { delays: Vec::with_capacity(memory) }
    }

    /// Judges the delay of a sample by those of `recent` replies.
    pub(in crate::core) fn judge(
        &mut self,
        sample: &Sample,
        recent: &Recent,
        options: &SourceOptions,
        estimate: Option<&Estimate>,
    ) -> Result<(), Refusal> {
        if sample.delay.secs_f64() > options.max_delay_s {
            return Err(Refusal::Delay);
        }
        if options.max_delay_quant > 0.0 && self.is_above_quantile(sample.delay, options.max_delay_quant) {
            return Err(Refusal::DelayQuantile);
        }
        if recent.iter().count() < ENOUGH {
            return Ok(());
        }
        let observed = recent.iter().map(|m| m.sample.delay).min().unwrap_or(Span::MAX);
        let known = Span::from_secs_f64(options.min_delay_s);
        let least = if known > Span::ZERO { known } else { observed };
        let newest = recent.iter().next_back().map_or(sample.at, |m| m.sample.at);
        let age_s = (sample.at - newest).secs_f64().max(0.0);
        let strayed_s = age_s * estimate.map_or(0.0, |estimate| estimate.frequency_sd());
        let excess_s = sample.delay.secs_f64() - least.secs_f64();
        let ratio = options.max_delay_ratio;
        if ratio >= 1.0 && excess_s > (ratio - 1.0) * least.secs_f64() + strayed_s {
            return Err(Refusal::DelayRatio);
        }
        let Some(estimate) = estimate.filter(|_| options.max_delay_dev_ratio > 0.0) else { return Ok(()) };
        let ahead_s = |sample: &Sample| (sample.lead - estimate.lead_at(sample.at)).secs_f64();
        let bound_s = options.max_delay_dev_ratio * deviation(recent.iter().map(|m| ahead_s(&m.sample))) + strayed_s;
        // A change of the clock that is larger than what the delay can hide is no matter of the delay.
        let is_news = ahead_s(sample).abs() - 0.5 * excess_s > bound_s;
        if 0.5 * excess_s > bound_s && !is_news {
            return Err(Refusal::DelayDeviation);
        }
        Ok(())
    }

    /// Each delay counts, whatever becomes of its reply.
    fn is_above_quantile(&mut self, delay: Span, quantile: f64) -> bool {
        let mut sorted = [Span::ZERO; QUANTILE_MEMORY];
        let sorted = &mut sorted[..self.delays.len()];
        sorted.copy_from_slice(&self.delays);
        tiny_sort::unstable::sort(sorted);
        let place = (quantile * sorted.len() as f64) as usize;
        let is_above = sorted.len() >= ENOUGH && sorted.get(place).is_some_and(|limit| delay > *limit);
        if self.delays.len() == QUANTILE_MEMORY {
            self.delays.remove(0);
        }
        self.delays.push(delay);
        is_above
    }
}

/// Standard deviation.
fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count().max(2) as f64;
    let mean = values.clone().sum::<f64>() / count;
    (values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / (count - 1.0)).sqrt()
}
