//! Numbers as C's `scanf` reads them: the longest prefix that could become a number must be one; what follows is left.

/// A whole number at the start of `text`, and what follows it. `None` if there is no digit; saturates at 64 bits.
pub(crate) fn integer_prefix(text: &str) -> Option<(i64, &str)> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (digits, rest) = split_while(unsigned, |c| c.is_ascii_digit());
    if digits.is_empty() {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some((if text.starts_with('-') { size.saturating_neg() } else { size }, rest))
}

/// The whole of `text` as a number in base 10. `None` if it is anything else, or beyond 64 bits.
pub(crate) fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// A hexadecimal number, with or without `0x`, at the start of `text`, and what follows it; saturates at 32 bits.
pub(crate) fn hex_prefix(text: &str) -> Option<(u32, &str)> {
    let bare = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let (digits, rest) = split_while(bare, |c| c.is_ascii_hexdigit());
    if digits.is_empty() {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).unwrap_or(u32::MAX), rest))
}

/// A real number at the start of `text`, and what follows it: decimal, hexadecimal, infinity or not-a-number.
pub(crate) fn real_prefix(text: &str) -> Option<(f64, &str)> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let (size, rest) = if strip_word(unsigned, "i").is_some() {
        (f64::INFINITY, infinity(unsigned)?)
    } else if let Some(rest) = strip_word(unsigned, "nan") {
        (f64::NAN, nan_payload(rest)?)
    } else if let Some(rest) = strip_word(unsigned, "0x") {
        hex_real(rest)?
    } else {
        decimal_real(unsigned)?
    };
    Some((sign * size, rest))
}

/// `inf` or `infinity`, not something in between.
fn infinity(text: &str) -> Option<&str> {
    let short = strip_word(text, "inf")?;
    match strip_word(short, "i") {
        Some(_) => strip_word(text, "infinity"),
        None => Some(short),
    }
}

/// `nan` may be followed by `(CHARACTERS)`, which must then be closed.
fn nan_payload(rest: &str) -> Option<&str> {
    match rest.strip_prefix('(') {
        Some(payload) => split_while(payload, |c| c.is_ascii_alphanumeric() || c == '_').1.strip_prefix(')'),
        None => Some(rest),
    }
}

fn decimal_real(text: &str) -> Option<(f64, &str)> {
    let after_mantissa = mantissa(text, |c| c.is_ascii_digit())?;
    let rest = match strip_word(after_mantissa, "e") {
        Some(exponent) => integer_prefix(exponent)?.1,
        None => after_mantissa,
    };
    let number = text.get(..text.len() - rest.len())?;
    Some((number.parse().ok()?, rest))
}

/// What follows `0x`.
fn hex_real(text: &str) -> Option<(f64, &str)> {
    let after_mantissa = mantissa(text, |c| c.is_ascii_hexdigit())?;
    let digits = text.get(..text.len() - after_mantissa.len())?;
    let (exponent, rest) = match strip_word(after_mantissa, "p") {
        Some(exponent) => integer_prefix(exponent)?,
        None => (0, after_mantissa),
    };
    let mut size = 0.0;
    let mut scale = exponent.clamp(-100_000, 100_000) as f64;
    let mut fraction = false;
    for c in digits.chars() {
        match c.to_digit(16) {
            // More digits than an f64 can hold only scale the number.
            Some(digit) if size < 1e60 => {
                size = size * 16.0 + f64::from(digit);
                scale -= if fraction { 4.0 } else { 0.0 };
            }
            Some(_) => scale += if fraction { 0.0 } else { 4.0 },
            None => fraction = true,
        }
    }
    Some((if size == 0.0 { 0.0 } else { size * libm::exp2(scale) }, rest))
}

/// Skips digits with at most one point among them; there must be a digit.
fn mantissa(text: &str, is_digit: fn(char) -> bool) -> Option<&str> {
    let (whole, rest) = split_while(text, is_digit);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_while(rest, is_digit),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() { None } else { Some(rest) }
}

fn split_while(text: &str, accept: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !accept(c)).unwrap_or(text.len()))
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_are_read_as_scanf_reads_them() {
        for (text, value, rest) in [
            ("3", 3.0, ""),
            ("+.5e-3x", 0.0005, "x"),
            ("5abc", 5.0, "abc"),
            ("1.5.2", 1.5, ".2"),
            ("-2.", -2.0, ""),
            ("1e400", f64::INFINITY, ""),
            ("infx", f64::INFINITY, "x"),
            ("-Infinity!", f64::NEG_INFINITY, "!"),
            ("0x10", 16.0, ""),
            ("0x1.8p3z", 12.0, "z"),
            ("0x0p99999", 0.0, ""),
            ("1,5", 1.0, ",5"),
        ] {
            assert_eq!(real_prefix(text), Some((value, rest)), "{text}");
        }
        assert!(real_prefix("nan(12)x").is_some_and(|(value, rest)| value.is_nan() && rest == "x"));
    }

    #[test]
    fn a_number_that_breaks_off_is_no_number() {
        for text in ["", ".", "-", "+-1", "e5", "1e", "1e+", "0x", "0x.", "0x1p", "infin", "i", "nan(1", "x", "é"] {
            assert_eq!(real_prefix(text), None, "{text}");
        }
    }

    #[test]
    fn very_long_hexadecimal_numbers_stay_numbers() {
        let digits = "f".repeat(1000);
        assert_eq!(real_prefix(&format!("0x{digits}")), Some((f64::INFINITY, "")));
        let (value, _) = real_prefix(&format!("0x0.{digits}")).expect("a number");
        assert!((value - 1.0).abs() < 1e-12, "{value}");
    }

    #[test]
    fn integers_saturate_and_leave_the_rest() {
        assert_eq!(integer_prefix("4x"), Some((4, "x")));
        assert_eq!(integer_prefix("+5"), Some((5, "")));
        assert_eq!(integer_prefix("-99999999999999999999 "), Some((-i64::MAX, " ")));
        assert_eq!(integer_prefix("x4"), None);
        assert_eq!(hex_prefix("F323x"), Some((0xf323, "x")));
        assert_eq!(hex_prefix("0x"), None);
        assert_eq!(integer("5x"), None);
        assert_eq!(integer("99999999999999999999"), None);
    }
}
