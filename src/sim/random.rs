//! The distributions of the world. Not for cookies: those come from `core::random`.

use std::f64::consts::TAU;

/// A seeded source of random numbers.
#[derive(Clone, Debug)]
pub struct Dice {
    uniform: fastrand::Rng,
    spare: Option<f64>,
}

impl Dice {
    /// A generator: equal seeds give equal numbers.
    pub fn new(seed: u64) -> Self {
        Dice { uniform: fastrand::Rng::with_seed(seed), spare: None }
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.uniform.f64()
    }

    /// Normal with mean 0 and variance 1 (Box and Muller's pairs).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        let (sine, cosine) = libm::sincos(TAU * self.uniform());
        self.spare = Some(radius * sine);
        radius * cosine
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.uniform())
    }

    /// Lomax (Pareto from 0) with mean 1; `shape` above 1. The variance is infinite for shapes up to 2.
    pub fn lomax(&mut self, shape: f64) -> f64 {
        (shape - 1.0) * (libm::pow(1.0 - self.uniform(), -1.0 / shape) - 1.0)
    }

    /// Gamma with a whole shape and scale 1: a sum of exponentials.
    pub fn gamma(&mut self, shape: u32) -> f64 {
        (0..shape).map(|_| self.exponential()).sum()
    }
}
