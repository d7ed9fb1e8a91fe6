//! Whatever arrives, the estimator neither panics nor says "not a number".

mod ideal;

use ideal::slot;
use slewd::core::estimate::{Estimator, FrequencyPrior, MAX_SOURCES, Outcome, Sample, Slot, WanderPrior};
use slewd::time::{Lead, Raw, Span};

/// Short lives: most states are reached within a few hundred samples.
const LIVES: usize = 75;
const STEPS: usize = 400;

/// Spread over all magnitudes, either sign, now and then an extreme.
fn wild(rng: &mut fastrand::Rng) -> i64 {
    match rng.u32(0..40) {
        0 => i64::MIN,
        1 => i64::MAX,
        2 => 0,
        _ => rng.i64(..) >> rng.u32(0..63),
    }
}

fn wild_float(rng: &mut fastrand::Rng) -> f64 {
    *rng.choice([0.0, -1.0, 1e-6, 1.0, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]).as_ref().expect("some")
}

fn assert_finite(estimator: &Estimator, active: &[Slot]) {
    if let Some(e) = estimator.estimate() {
        assert!(e.frequency.is_finite() && e.covariance.iter().all(|c| c.is_finite()), "{e:?}");
        assert!(e.hidden_variance.is_finite() && e.hidden_variance >= 0.0, "{e:?}");
        assert!(e.covariance[0] > 0.0 && e.covariance[2] > 0.0, "{e:?}");
        assert!((1e-11..1e-6).contains(&e.wander), "{e:?}");
        assert!(e.offset_sd_s(e.at + Span::from_secs(1000)).is_finite());
        e.true_time(Raw::from_nanos(i64::MAX));
    }
    for k in (0..MAX_SOURCES).map(slot) {
        if let Some(bias) = estimator.bias(k) {
            assert!(bias.bias_s.is_finite() && bias.sd_s.is_finite(), "{bias:?}");
        }
        if let Some(noise) = estimator.path_noise(k) {
            assert!(noise.min_delay_s > 0.0 && noise.jitter_s > 0.0 && noise.jitter_s.is_finite(), "{noise:?}");
        }
    }
    if let Some(terms) = estimator.poll_terms(active) {
        assert!(terms.wander_squared > 0.0 && terms.sample_variance > 0.0 && terms.sample_variance.is_finite());
    }
}

fn nonsense_prior(rng: &mut fastrand::Rng) -> FrequencyPrior {
    let wander = WanderPrior { log10_centre: wild_float(rng), log10_width: wild_float(rng) };
    FrequencyPrior { frequency: wild_float(rng), sd: wild_float(rng), wander }
}

/// A life of mostly sane samples with nonsense mixed in at a rate of its own.
fn live(rng: &mut fastrand::Rng) {
    let mut estimator = Estimator::new(if rng.bool() { FrequencyPrior::unknown() } else { nonsense_prior(rng) });
    let sources = rng.usize(1..=MAX_SOURCES);
    let active: Vec<Slot> = (0..sources).map(slot).collect();
    let madness = rng.f64() * rng.f64();
    let (mut at, mut lead, mut delay) = (wild(rng) / 2, wild(rng) / 2, 1e7);
    for _ in 0..STEPS {
        let mad = |rng: &mut fastrand::Rng| rng.f64() < madness;
        at = if mad(rng) { wild(rng) } else { at.saturating_add(rng.i64(0..2_000_000_000_000)) };
        lead = if mad(rng) { wild(rng) } else { lead.saturating_add(rng.i64(-1_000_000..1_000_000)) };
        delay = if mad(rng) { wild(rng) as f64 } else { delay * (1.0 + 0.1 * (rng.f64() - 0.5)) };
        let sample = Sample {
            slot: slot(rng.usize(0..sources)),
            at: Raw::from_nanos(at),
            lead: Lead::from_nanos(lead),
            delay: Span::from_nanos(delay as i64),
        };
        let shown = if mad(rng) { &active[..rng.usize(0..=sources)] } else { &active[..] };
        match rng.u32(0..60) {
            0 => estimator.vacate(sample.slot),
            1 => estimator.distrust(wild_float(rng), wild_float(rng)),
            2 => {
                estimator.exclude(sample.slot);
            }
            3 => estimator.observe(&sample),
            _ => {
                estimator.feed(&sample, shown);
            }
        }
        assert_finite(&estimator, shown);
    }
}

#[test]
fn nothing_makes_it_panic_or_lose_its_numbers() {
    let mut rng = fastrand::Rng::with_seed(2026);
    for _ in 0..LIVES {
        live(&mut rng);
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "a minute; seconds in the release build, which tests/run uses")]
fn a_million_samples_of_nonsense() {
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..2500 {
        live(&mut rng);
    }
}

#[test]
fn a_clock_136_years_off_is_found() {
    let mut estimator = Estimator::new(FrequencyPrior::unknown());
    let mut last = None;
    for i in 0..40i64 {
        let lead = if i < 20 { 0 } else { 136 * 365 * 86_400 * 1_000_000_000 };
        let at = Raw::from_nanos(i * 10_000_000_000);
        let sample = Sample { slot: slot(0), at, lead: Lead::from_nanos(lead), delay: Span::from_millis(10) };
        last = Some(estimator.feed(&sample, &[slot(0)]));
    }
    let estimate = estimator.estimate().expect("fed");
    assert_eq!(last, Some(Outcome::Used { surprise: false }));
    assert!((estimate.lead.nanos() - 136 * 365 * 86_400 * 1_000_000_000).abs() < 10_000_000, "{estimate:?}");
}

#[test]
fn years_cost_no_digits() {
    const YEAR_S: i64 = 31_557_600;
    let mut estimator = Estimator::new(FrequencyPrior::unknown());
    let (gap_s, frequency_ppb) = (4096, 73_123);
    let truth = |t: i64| t * frequency_ppb + 1_800_000_000_000_000_000;
    for i in 0..20 * YEAR_S / gap_s / 8 {
        // Eight years out of twenty are asked for; the rest is a pause in the middle.
        let t = i * gap_s + if i > 1000 { 12 * YEAR_S } else { 0 };
        let sample = Sample {
            slot: slot(0),
            at: Raw::from_nanos(t * 1_000_000_000),
            lead: Lead::from_nanos(truth(t)),
            delay: Span::from_nanos(100_000),
        };
        estimator.feed(&sample, &[slot(0)]);
        let estimate = estimator.estimate().expect("fed");
        assert!(i < 20 || (estimate.lead.nanos() - truth(t)).abs() < 2_000, "after {t} s: {estimate:?}");
    }
}
