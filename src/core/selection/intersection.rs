//! Where most intervals overlap (RFC 5905 section 11.2.1, after Marzullo).

use crate::core::estimate::MAX_SOURCES;
use crate::core::selection::select::Candidate;

/// A short list without allocation.
#[derive(Default)]
pub(super) struct Voters {
    list: [Option<Candidate>; MAX_SOURCES],
    pub(super) len: usize,
}

impl Voters {
    pub(super) fn push(&mut self, candidate: Candidate) {
        if let Some(place) = self.list.get_mut(self.len) {
            *place = Some(candidate);
            self.len += 1;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.list.iter().flatten()
    }

    pub(super) fn filter(&self, keep: impl Fn(&Candidate) -> bool) -> Voters {
        let mut kept = Voters::default();
        self.iter().filter(|voter| keep(voter)).for_each(|voter| kept.push(*voter));
        kept
    }
}

/// The ends of the interval that most voters share, and whether these are a majority.
pub(super) fn majority(voters: &Voters, witness_s: Option<f64>) -> Option<(f64, f64, bool)> {
    let (low, high, depth) = deepest(voters, None)?;
    if 2 * depth == voters.len
        && let Some((low, high, with_witness)) = deepest(voters, witness_s)
        && with_witness > depth
    {
        return Some((low, high, true));
    }
    Some((low, high, 2 * depth > voters.len))
}

/// Of the interval that the trusted sources share, the part that most of the others which lie wholly within it share.
pub(super) fn narrowed(voters: &Voters, trusted: (f64, f64)) -> (f64, f64) {
    let others = voters.filter(|voter| !voter.trust && voter.is_within(trusted));
    deepest(&others, None).map_or(trusted, |(low, high, _)| (low, high))
}

/// The ends of the interval that most voters, and the witness, share; and how many they are.
fn deepest(voters: &Voters, witness_s: Option<f64>) -> Option<(f64, f64, usize)> {
    let mut ends = [(0.0, false); 2 * (MAX_SOURCES + 1)];
    let said = voters.iter().map(|voter| (voter.centre_s - voter.distance_s, voter.centre_s + voter.distance_s));
    let mut count = 0;
    for (pair, (low, high)) in ends.chunks_exact_mut(2).zip(said.chain(witness_s.map(|half| (-half, half)))) {
        pair[0] = (low, false);
        pair[1] = (high, true);
        count += 2;
    }
    let ends = &mut ends[..count];
    // Where one interval ends as another starts they share a point: starts come first.
    tiny_sort::unstable::sort_by(ends, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut depth = 0;
    let mut best: Option<(f64, f64, usize)> = None;
    for (at, &(position, is_end)) in ends.iter().enumerate() {
        if is_end {
            depth -= 1;
            continue;
        }
        depth += 1;
        if best.is_none_or(|(_, _, deepest)| depth > deepest) {
            let high = ends.get(at + 1).map_or(position, |next| next.0);
            best = Some((position, high, depth));
        }
    }
    best
}
