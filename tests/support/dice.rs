//! Random paths, and numbers that are as often small as large.

use slewd::sim::link::Link;

pub(crate) fn between(dice: &mut fastrand::Rng, least: f64, most: f64) -> f64 {
    least * libm::pow(most / least, dice.f64())
}

pub(crate) fn signed(dice: &mut fastrand::Rng, least: f64, most: f64) -> f64 {
    between(dice, least, most) * if dice.bool() { 1.0 } else { -1.0 }
}

/// One way may take twice as long as the other.
pub(crate) fn link(dice: &mut fastrand::Rng) -> Link {
    let (base_s, jitter_s) = (between(dice, 1e-4, 0.05), between(dice, 1e-5, 5e-3));
    let mut link = Link::symmetric(base_s, jitter_s);
    let longer = if dice.bool() { &mut link.forward } else { &mut link.backward };
    longer.base_s *= 1.0 + dice.f64();
    link.loss = if dice.u8(..4) == 0 { 0.1 } else { 0.0 };
    link
}
