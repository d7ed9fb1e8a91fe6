//! The estimator against a second implementation of the same model, step by step.
//!
//! The table was made by `fixtures/estimate/reference.py`, which says what it contains and how to make it again.

mod ideal;

use ideal::slot;
use slewd::core::estimate::{Estimator, FrequencyPrior, Outcome, Sample, Slot};
use slewd::time::{Lead, Raw, Span};

/// Relative to the deviation for means, to the value for variances.
const TOLERANCE: f64 = 1e-6;
/// The estimate's lead is whole nanoseconds.
const ROUNDING_S: f64 = 0.6e-9;

struct Row {
    case: String,
    sample: Sample,
    outcome: String,
    /// Lead at the reference, then seconds from it.
    reference: i64,
    state: Vec<f64>,
}

fn parse(line: &str) -> Row {
    let words: Vec<&str> = line.split_whitespace().collect();
    let integer = |i: usize| words[i].parse::<i64>().expect("an integer");
    Row {
        case: words[0].to_string(),
        sample: Sample {
            slot: slot(integer(1) as usize),
            at: Raw::from_nanos(integer(2)),
            lead: Lead::from_nanos(integer(3)),
            delay: Span::from_nanos(integer(4)),
        },
        outcome: words[5].to_string(),
        reference: integer(6),
        state: words[7..].iter().map(|word| word.parse().expect("a number")).collect(),
    }
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Used { .. } => "used",
        Outcome::Held => "held",
        Outcome::Reacquired => "reacquired",
    }
}

#[test]
fn agrees_with_the_reference_step_by_step() {
    let rows = include_str!("fixtures/estimate/reference.txt").lines().filter(|line| !line.starts_with('#')).map(parse);
    let (mut case, mut estimator, mut active) = (String::new(), Estimator::new(FrequencyPrior::unknown()), Vec::new());
    let mut worst = 0.0f64;
    for (number, row) in rows.enumerate() {
        if row.case != case {
            case = row.case.clone();
            estimator = Estimator::new(FrequencyPrior::unknown());
            active = Vec::<Slot>::new();
        }
        if !active.contains(&row.sample.slot) {
            active.push(row.sample.slot);
        }
        let outcome = estimator.feed(&row.sample, &active);
        let estimate = estimator.estimate().expect("fed");
        let bias = estimator.bias(row.sample.slot).expect("fed");
        let [x_ns, f, xx, xf, ff, wander, bias_s] = row.state[..] else { panic!("row {number} is short") };
        let x_s = (estimate.lead - Lead::from_nanos(row.reference)).secs_f64();
        let (sd_x, sd_f) = (xx.sqrt(), ff.sqrt());
        let errors = [
            ((x_s - x_ns * 1e-9).abs() - ROUNDING_S).max(0.0) / sd_x,
            (estimate.frequency - f) / sd_f,
            (estimate.covariance[0] - xx) / xx,
            (estimate.covariance[1] - xf) / (sd_x * sd_f),
            (estimate.covariance[2] - ff) / ff,
            (estimate.wander - wander) / wander,
            (bias.bias_s - bias_s) / sd_x,
        ];
        assert_eq!(name(outcome), row.outcome, "row {number} of {case}");
        for error in errors.map(f64::abs) {
            assert!(error < TOLERANCE && error.is_finite(), "row {number} of {case}: {errors:?}");
            worst = worst.max(error);
        }
    }
    println!("largest relative difference {worst:.1e}");
}
