//! The name that was probably meant.

/// `did you mean NAME?`, if a name is near enough to what was typed.
pub(crate) fn near<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let typed = typed.to_ascii_lowercase();
    // Longer words are no mistyped names, and comparing them would take time.
    if typed.len() > 24 {
        return None;
    }
    let (edits, name) = names.map(|name| (distance(typed.as_bytes(), name.as_bytes()), name)).min()?;
    let enough = if typed.len() < 5 { 1 } else { 2 };
    (edits <= enough).then(|| format!("did you mean {name}?"))
}

/// How many bytes have to be inserted, removed or replaced to make one from the other.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(to) {
            let here = (diagonal + usize::from(a != b)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (from, to, edits) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("makstep", "makestep", 1),
            ("servr", "server", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(from.as_bytes(), to.as_bytes()), edits, "{from} {to}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = || ["server", "pool", "makestep"].into_iter();
        assert_eq!(near("Makstep", names()).as_deref(), Some("did you mean makestep?"));
        assert_eq!(near("frobnicate", names()), None);
        assert_eq!(near("x", names()), None);
    }
}
