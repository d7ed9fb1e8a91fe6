//! Names and dates of a certificate (X.509, RFC 5280 section 4.1), for messages: nothing is decided by them.

/// Object identifiers of the parts of a name that people know.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANISATION: &[u8] = &[0x55, 4, 10];

/// Universal tags (X.690).
mod tag {
    pub(super) const OBJECT: u8 = 0x06;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const SET: u8 = 0x31;
    pub(super) const VERSION: u8 = 0xa0;
}

/// Who a certificate is of, and who has signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Names {
    pub(super) issuer: String,
    pub(super) subject: String,
}

/// The names in a certificate; `None` if it is none.
pub(super) fn names(certificate: &[u8]) -> Option<Names> {
    let (tag::SEQUENCE, certificate, _) = element(certificate)? else { return None };
    let (tag::SEQUENCE, mut rest, _) = element(certificate)? else { return None };
    if rest.first() == Some(&tag::VERSION) {
        rest = element(rest)?.2;
    }
    // Serial number and algorithm, issuer, dates, subject.
    let rest = element(element(rest)?.2)?.2;
    let (_, issuer, rest) = element(rest)?;
    let (_, subject, _) = element(element(rest)?.2)?;
    Some(Names { issuer: name(issuer), subject: name(subject) })
}

/// The common name, or else the organisation.
fn name(parts: &[u8]) -> String {
    let find = |wanted: &[u8]| {
        let mut rest = parts;
        while let Some((tag::SET, set, after)) = element(rest) {
            rest = after;
            let Some((tag::SEQUENCE, pair, _)) = element(set) else { continue };
            if let Some((tag::OBJECT, object, value)) = element(pair)
                && object == wanted
            {
                return element(value).map(|(_, text, _)| printable(text));
            }
        }
        None
    };
    find(COMMON_NAME).or_else(|| find(ORGANISATION)).unwrap_or_else(|| "(no name)".to_owned())
}

/// Nothing that a terminal would take for more than text.
fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(80).collect()
}

/// Tag, content and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, short], rest) = bytes.split_first_chunk::<2>()?;
    let (len, rest) = match short {
        ..=0x7f => (usize::from(short), rest),
        0x81 | 0x82 => {
            let (len, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
            (len.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_can_make_reading_panic() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..random.usize(..60))
                .map(|_| random.choice([0x30, 0x31, 0x82, 0x81, 0x06, 0x02, 0xa0, 5, 0, 0xff]).unwrap_or(0))
                .collect();
            let _ = names(&bytes);
        }
    }
}
