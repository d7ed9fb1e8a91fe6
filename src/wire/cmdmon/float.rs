//! Fractions on the wire: 7 bits of exponent and 25 of coefficient, both in two's complement.
//!
//! The value is coefficient * 2^(exponent - 25): no hidden bit, no infinity, no NaN. 24 bits of precision; magnitudes
//! from 2^-89 to 2^62.

const COEFFICIENT_BITS: i32 = 25;
const EXPONENT_MIN: i32 = -64;
const EXPONENT_MAX: i32 = 63;

/// Bit for bit what chronyd makes of `value`. Too large is the largest, NaN and too small are 0.
pub(super) fn encode(value: f64) -> u32 {
    let size = value.abs();
    if value.is_nan() || size < 1e-100 {
        return 0;
    }
    let negative = value < 0.0;
    let most = if negative { 1 << 24 } else { (1 << 24) - 1 };
    let (mut exponent, mut coefficient) = if size > 1e100 { (EXPONENT_MAX + 1, most) } else { scale(size) };
    while coefficient > most {
        coefficient >>= 1;
        exponent += 1;
    }
    if exponent > EXPONENT_MAX {
        (exponent, coefficient) = (EXPONENT_MAX, most);
    } else if exponent < EXPONENT_MIN {
        let shift = EXPONENT_MIN - exponent;
        if shift > COEFFICIENT_BITS {
            return 0;
        }
        (exponent, coefficient) = (EXPONENT_MIN, coefficient >> shift);
    }
    let signed = if negative { -coefficient } else { coefficient };
    ((exponent << COEFFICIENT_BITS) | (signed & ((1 << COEFFICIENT_BITS) - 1))) as u32
}

/// Exact.
pub(super) fn decode(word: u32) -> f64 {
    let exponent = word as i32 >> COEFFICIENT_BITS;
    let coefficient = (word << 7) as i32 >> 7;
    f64::from(coefficient) * power_of_two(exponent - COEFFICIENT_BITS)
}

/// Exponent and rounded coefficient of a number from 1e-100 to 1e100. chronyd rounds the exponent towards zero: it is
/// one larger than needed below 0.5 unless the number is a power of two.
fn scale(size: f64) -> (i32, i32) {
    let bits = size.to_bits();
    let floor_log2 = (bits >> 52) as i32 - 1023;
    let is_power = bits << 12 == 0;
    let exponent = if floor_log2 < -1 && !is_power { floor_log2 + 2 } else { floor_log2 + 1 };
    let coefficient = size * power_of_two(COEFFICIENT_BITS - exponent) + 0.5;
    // At most 2^25, and truncated.
    (exponent, coefficient as i32)
}

/// For exponents of normal numbers.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that chronyd sent.
    const CHRONYD: [(f64, u32); 29] = [
        (0.0, 0),
        (-0.0, 0),
        (f64::NAN, 0),
        (1.0, 0x0480_0000),
        (-1.0, 0x0300_0000),
        (0.5, 0x0280_0000),
        (-0.5, 0x0100_0000),
        (0.25, 0x0080_0000),
        (2.0, 0x0680_0000),
        (-2.0, 0x0500_0000),
        (1.5, 0x04c0_0000),
        (-1.5, 0x0540_0000),
        (10.0, 0x0aa0_0000),
        (100.0, 0x10c8_0000),
        (0.1, 0xfccc_cccd),
        (-0.1, 0xfd33_3333),
        (0.001, 0xf083_126f),
        (-0.001, 0xf17c_ed91),
        (1e-6, 0xdc86_37bd),
        (-1e-6, 0xdd79_c843),
        (1e-9, 0xc889_705f),
        (1.0 / 3.0, 0x00aa_aaab),
        (3.225, 0x06ce_6666),
        (16_777_215.0, 0x32ff_ffff),
        (16_777_216.0, 0x3480_0000),
        (123_456_789.0, 0x38eb_79a2),
        (4e18, 0x7ede_0b6b),
        (4.62e18, 0x7eff_ffff),
        (-4.62e18, 0x7f00_0000),
    ];

    #[test]
    fn as_chronyd_writes_them() {
        for (value, word) in CHRONYD {
            assert_eq!(encode(value), word, "{value}: {:08x}", encode(value));
        }
        assert_eq!(encode(f64::INFINITY), 0x7eff_ffff);
        assert_eq!(encode(f64::NEG_INFINITY), 0x7f00_0000);
        assert_eq!(encode(f64::MAX), 0x7eff_ffff);
        assert_eq!(encode(2f64.powi(-89)), 0x8000_0001);
        assert_eq!(encode(f64::MIN_POSITIVE), 0);
        assert_eq!(decode(0x38eb_79a2), 123_456_784.0);
        assert_eq!(decode(0x7f00_0000), -2f64.powi(62));
        assert_eq!(decode(0x8000_0001), 2f64.powi(-89));
    }

    /// The rule of the protocol in its own words, with logarithms and powers.
    #[allow(clippy::disallowed_methods)]
    fn by_the_rule(x: f64) -> u32 {
        let a = x.abs();
        if a < 1e-100 {
            return 0;
        }
        let m = if x < 0.0 { 2f64.powi(24) } else { 2f64.powi(24) - 1.0 };
        let (mut e, mut c) = (63.0, m);
        if a <= 1e100 {
            e = (a.log2() + 1.0).trunc();
            c = (a * 2f64.powf(25.0 - e) + 0.5).floor();
            while c > m {
                (c, e) = ((c / 2.0).floor(), e + 1.0);
            }
            if e > 63.0 {
                (e, c) = (63.0, m);
            } else if e < -89.0 {
                return 0;
            } else if e < -64.0 {
                (c, e) = ((c / 2f64.powf(-64.0 - e)).floor(), -64.0);
            }
        }
        let c = if x < 0.0 { (2f64.powi(25) - c).rem_euclid(2f64.powi(25)) } else { c };
        (e.rem_euclid(128.0) * 2f64.powi(25) + c) as u32
    }

    #[test]
    fn any_number_follows_the_rule() {
        let mut random = fastrand::Rng::with_seed(1);
        for round in 0..300_000 {
            let value = match round % 3 {
                // Any bits at all.
                0 => f64::from_bits(random.u64(..)),
                // What the wire can tell apart, and a little beyond both ends.
                1 => (random.f64() - 0.5) * 2f64.powi(random.i32(-100..70)),
                // Close to where exponents and rounding change.
                _ => (random.i32(-4..4) as f64 + (random.f64() - 0.5) * 1e-6) * 2f64.powi(random.i32(-95..66)),
            };
            if value.is_nan() {
                assert_eq!(encode(value), 0);
                continue;
            }
            let word = encode(value);
            assert_eq!(word, by_the_rule(value), "{value:e}");
            if (1e-18..4e18).contains(&value.abs()) {
                assert!((decode(word) / value - 1.0).abs() <= 6e-8 * 2.0, "{value:e}: {:e}", decode(word));
            }
        }
    }

    #[test]
    fn any_word_is_a_number_that_keeps_its_value() {
        let mut random = fastrand::Rng::with_seed(2);
        for _ in 0..300_000 {
            let value = decode(random.u32(..));
            assert!(value.is_finite());
            let again = decode(encode(value));
            assert_eq!(again, value, "{value:e}");
        }
    }
}
