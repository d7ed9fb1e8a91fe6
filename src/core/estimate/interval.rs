//! What one exchange says about the offset: not a point with a deviation but an interval.
//!
//! A reply delayed by `s` beyond the base delay has its error inside `[-s/2, s/2]`; with exponential queues it is
//! uniform there, and exponential in it (the *tilt*) if the two directions queue unequally. A Gaussian prior times
//! such an interval has closed-form moments. Everything here is scaled so that nothing underflows at any distance.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Below this ratio of half-width to prior deviation the quadratic term inside the interval is expanded. The
/// expansion then errs by about (ratio^2)^2 = 1e-10, the direct formula by 1e-16/ratio^2 = 1e-11.
const NARROW: f64 = 0.003;
/// Beyond this many deviations from the nearer edge the posterior clings to it and is expanded there: the expansion
/// errs by about 10/edge^4 = 1e-7, the direct formula by 1e-16*edge^4 = 1e-8.
const CLINGING: f64 = 100.0;
/// `erfcx` by its product below, by its asymptotic series above.
const ERFCX_SERIES: f64 = 10.0;
/// Terms of the series; the first neglected one is below 1e-14. Variances lose up to nine digits of it.
const ERFCX_TERMS: i32 = 10;
/// Density of the standard normal distribution at zero.
const NORMAL_PEAK: f64 = 0.398_942_280_401_432_7;
/// Below this argument the cumulants of the tilted interval come from their power series (1e-12 either way).
const SMALL_TILT: f64 = 0.1;

/// The likelihood of one sample about its own measured offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    /// Half the width in seconds.
    pub(super) half_width: f64,
    /// Deviation by which both ends are smeared, in seconds.
    pub(super) softness: f64,
    /// Exponential slope of the density along the interval, per second.
    tilt: f64,
    ln_sinhc: f64,
}

/// The logarithm of the evidence and its first and second derivative with respect to the predicted offset.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Evidence {
    pub(super) ln: f64,
    pub(super) slope: f64,
    pub(super) curvature: f64,
}

/// First four cumulants of the density exp(a*v/h) on [-h, h].
struct Cumulants([f64; 4]);

impl Interval {
    /// All in seconds, `tilt` per second; the widths must be positive.
    pub(super) fn new(half_width: f64, softness: f64, tilt: f64) -> Self {
        Interval { half_width, softness, tilt, ln_sinhc: ln_sinhc(tilt * half_width) }
    }

    /// The interval if the measured offset is uncertain by so much more (s^2).
    pub(super) fn softened(self, variance: f64) -> Self {
        Interval { softness: (self.softness * self.softness + variance).sqrt(), ..self }
    }

    /// The evidence for a prediction `error` seconds above the interval's centre with variance `variance`.
    pub(super) fn evidence(&self, error: f64, variance: f64) -> Evidence {
        let total = variance + self.softness * self.softness;
        let deviation = total.sqrt();
        let shifted = error + self.tilt * total;
        let near = (shifted.abs() - self.half_width) / deviation;
        if self.half_width < NARROW * deviation {
            self.expanded(error, total, 0.0)
        } else if near > CLINGING {
            self.expanded(error, total, self.half_width.copysign(shifted))
        } else {
            self.direct(error, total, deviation, shifted)
        }
    }

    /// The truncated normal, mirrored so that its mean lies above the centre.
    fn direct(&self, error: f64, total: f64, deviation: f64, shifted: f64) -> Evidence {
        let distance = shifted.abs();
        let far = (distance + self.half_width) / deviation;
        let near = (distance - self.half_width) / deviation;
        let (mass, at_near, at_far, ln_scale);
        if near > 0.0 {
            // Scaled by exp(near^2/2).
            let ratio = libm::exp(-(self.half_width / deviation) * (far + near));
            mass = 0.5 * (erfcx(near * FRAC_1_SQRT_2) - ratio * erfcx(far * FRAC_1_SQRT_2));
            (at_near, at_far) = (NORMAL_PEAK, NORMAL_PEAK * ratio);
            ln_scale = -0.5 * near * near;
        } else {
            mass = 0.5 * (libm::erfc(near * FRAC_1_SQRT_2) - libm::erfc(far * FRAC_1_SQRT_2));
            (at_near, at_far) = (normal_density(near), normal_density(far));
            ln_scale = 0.0;
        }
        let mass = mass.max(f64::MIN_POSITIVE);
        let slope = (at_far - at_near) / (deviation * mass);
        let curvature = (near * at_near - far * at_far) / (total * mass) - slope * slope;
        let ln_norm = -libm::log(2.0 * self.half_width) - self.ln_sinhc;
        Evidence {
            ln: libm::log(mass) + ln_scale + self.tilt * error + 0.5 * self.tilt * self.tilt * total + ln_norm,
            slope: self.tilt + slope.copysign(-shifted),
            curvature,
        }
    }

    /// The prior's exponent is linear plus a quadratic about `origin`; the linear part joins the tilt exactly, the
    /// quadratic one, small wherever there is mass, enters to first order.
    fn expanded(&self, error: f64, total: f64, origin: f64) -> Evidence {
        let h = self.half_width;
        let tilt = self.tilt - (origin - error) / total;
        let Cumulants([k1, k2, k3, k4]) = Cumulants::of(tilt * h, h);
        let half_inverse = 0.5 / total;
        let from_origin = k1 - origin;
        let mean = k1 - half_inverse * (k3 + 2.0 * from_origin * k2);
        let variance = k2 - half_inverse * (k4 + 2.0 * k2 * k2 + 2.0 * from_origin * k3);
        let ln = ln_sinhc(tilt * h) - self.ln_sinhc + origin * (origin - error) / total
            - half_inverse * ((origin - error) * (origin - error) + k2 + from_origin * from_origin)
            - 0.5 * libm::log(2.0 * PI * total);
        Evidence { ln, slope: (mean - error) / total, curvature: variance.max(0.0) / (total * total) - 1.0 / total }
    }
}

impl Evidence {
    /// Of a Gaussian of variance `total` (prediction and measurement together).
    pub(super) fn gaussian(error: f64, total: f64) -> Self {
        Evidence {
            ln: -0.5 * (error * error / total + libm::log(2.0 * PI * total)),
            slope: -error / total,
            curvature: -1.0 / total,
        }
    }
}

impl Cumulants {
    fn of(a: f64, h: f64) -> Self {
        let a2 = a * a;
        let unit = if a.abs() < SMALL_TILT {
            [
                a * (1.0 / 3.0 - a2 * (1.0 / 45.0 - a2 * (2.0 / 945.0 - a2 / 4725.0))),
                1.0 / 3.0 - a2 * (1.0 / 15.0 - a2 * (2.0 / 189.0 - a2 / 675.0)),
                a * (-2.0 / 15.0 + a2 * (8.0 / 189.0 - a2 * 6.0 / 675.0)),
                -2.0 / 15.0 + a2 * (24.0 / 189.0 - a2 * 30.0 / 675.0),
            ]
        } else {
            let e = libm::exp(-2.0 * a.abs());
            let coth = ((1.0 + e) / (1.0 - e)).copysign(a);
            let csch2 = 4.0 * e / ((1.0 - e) * (1.0 - e));
            [
                coth - 1.0 / a,
                1.0 / a2 - csch2,
                2.0 * coth * csch2 - 2.0 / (a2 * a),
                6.0 / (a2 * a2) - 2.0 * csch2 * (csch2 + 2.0 * coth * coth),
            ]
        };
        let h2 = h * h;
        Cumulants([unit[0] * h, unit[1] * h2, unit[2] * h2 * h, unit[3] * h2 * h2])
    }
}

fn normal_density(x: f64) -> f64 {
    NORMAL_PEAK * libm::exp(-0.5 * x * x)
}

/// ln(sinh(a)/a).
fn ln_sinhc(a: f64) -> f64 {
    let a = a.abs();
    if a < 1e-4 { a * a / 6.0 } else { a + libm::log(-libm::expm1(-2.0 * a) / (2.0 * a)) }
}

/// exp(x^2)*erfc(x) for x >= 0, relative accuracy about 1e-14.
fn erfcx(x: f64) -> f64 {
    if x < ERFCX_SERIES {
        return libm::exp(x * x) * libm::erfc(x);
    }
    let half_square = 0.5 / (x * x);
    let (mut series, mut term) = (1.0, 1.0);
    for odd in (1..2 * ERFCX_TERMS).step_by(2) {
        term *= -half_square * f64::from(odd);
        series += term;
    }
    series / (x * PI.sqrt())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // Only what ships must do without the platform's mathematics.
mod tests {
    use super::*;

    /// Log evidence, mean and variance of the position inside the interval, by Simpson's rule around the peak.
    fn quadrature(w: f64, softness: f64, tilt: f64, error: f64, variance: f64) -> (f64, f64, f64) {
        const STEPS: usize = 4000;
        let total = variance + softness * softness;
        let peak = (error + tilt * total).clamp(-w, w);
        let slope = (tilt - (peak - error) / total).abs();
        let reach = (40.0 / slope.max(1e-300)).min(12.0 * total.sqrt());
        let (lo, hi) = ((peak - reach).max(-w), (peak + reach).min(w));
        let exponent = |v: f64| tilt * (v - peak) - (v - peak) * (v + peak - 2.0 * error) / (2.0 * total);
        let mut sums = [0.0; 3];
        for i in 0..=STEPS {
            let weight = if i == 0 || i == STEPS { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
            let v = lo + (hi - lo) * i as f64 / STEPS as f64;
            let mass = weight * exponent(v).exp();
            for (power, sum) in sums.iter_mut().enumerate() {
                *sum += mass * (v - peak).powi(power as i32);
            }
        }
        let mean = sums[1] / sums[0];
        let integral = sums[0] * (hi - lo) / (3.0 * STEPS as f64);
        let ln = integral.ln() + tilt * peak
            - (peak - error) * (peak - error) / (2.0 * total)
            - 0.5 * (2.0 * PI * total).ln()
            - (2.0 * w).ln()
            - ln_sinhc(tilt * w);
        (ln, peak + mean, sums[2] / sums[0] - mean * mean)
    }

    #[test]
    fn moments_agree_with_quadrature() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut uniform = |lo: f64, hi: f64| lo + (hi - lo) * rng.f64();
        let mut worst = [0.0f64; 3];
        for case in 0..4000 {
            let w = 10f64.powf(uniform(-7.0, -1.0));
            let variance = w * w * 10f64.powf(uniform(-6.0, 6.0));
            let softness = w * 10f64.powf(uniform(-2.0, 0.0));
            let tilt = if case % 3 == 0 { 0.0 } else { uniform(-30.0, 30.0) / w };
            let total = variance + softness * softness;
            let error = uniform(-1.0, 1.0) * (w + 40.0 * total.sqrt());
            let (ln, mean, var) = quadrature(w, softness, tilt, error, variance);
            let got = Interval::new(w, softness, tilt).evidence(error, variance);
            let (got_mean, got_var) = (error + total * got.slope, total + total * total * got.curvature);
            let posterior = variance * (1.0 + variance * got.curvature);
            let scale = total.sqrt().min(w);
            worst[0] = worst[0].max((got.ln - ln).abs() / (1.0 + ln.abs()));
            worst[1] = worst[1].max((got_mean - mean).abs() / scale);
            worst[2] = worst[2].max((got_var - var).abs() / (var + softness * softness));
            assert!(posterior > 0.0, "variance {posterior} for {w} {variance} {softness} {tilt} {error}");
        }
        println!("worst errors: ln evidence {:.1e}, mean {:.1e}, variance {:.1e}", worst[0], worst[1], worst[2]);
        assert!(worst[0] < 1e-6 && worst[1] < 1e-6 && worst[2] < 1e-5, "{worst:?}");
    }

    #[test]
    fn stays_finite_at_absurd_distances() {
        for error in [0.0, 1e-9, 1.0, 9.2e9, -9.2e9] {
            for variance in [1e-30, 1e-12, 1.0, 1e20] {
                for (w, softness, tilt) in [(1e-7, 1e-7, 0.0), (1e-3, 1e-5, 1e4), (1e4, 1.0, -1e7)] {
                    let e = Interval::new(w, softness, tilt).evidence(error, variance);
                    assert!(e.ln.is_finite() && e.slope.is_finite() && e.curvature.is_finite(), "{e:?} at {error}");
                }
            }
        }
    }
}
