//! Corpora of the fuzzer (tests/fuzz), replayed as they are and changed at random: what was found once stays found, where no
//! fuzzer can be built.
#![cfg(feature = "nts")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::path::Path;

use fastrand::Rng;

/// Changed inputs for each target: a second for all of them.
const CHANGED: usize = 2_000;

/// No input is longer: what needs more is found by tests of its own.
const LONGEST: usize = 4096;

#[test]
fn every_target_survives_its_corpus_and_what_is_like_it() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let corpus = read(&corpora.join(name));
        corpus.iter().for_each(|input| target(input));
        let mut rng = Rng::with_seed(1);
        for _ in 0..CHANGED {
            target(&changed(&corpus, &mut rng));
        }
    }
    let directories = fs::read_dir(corpora).expect("corpora").count();
    assert_eq!(directories, targets::TARGETS.len(), "a corpus without a target");
}

fn read(directory: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(directory).unwrap_or_else(|reason| panic!("no corpus {directory:?}: {reason}"));
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{directory:?} is empty");
    paths.iter().map(|path| fs::read(path).expect("a file of the corpus")).collect()
}

/// One of them, with a few bytes replaced, removed, repeated, or taken from another.
fn changed(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = corpus[rng.usize(..corpus.len())].clone();
    for _ in 0..rng.usize(1..6) {
        let at = rng.usize(..=input.len());
        let end = (at + rng.usize(..16)).min(input.len());
        match rng.u8(..5) {
            0 => drop(input.drain(at..end)),
            1 => input.splice(at..at, [rng.u8(..), [0, 0xff, b'0', b'\n'][rng.usize(..4)]]).for_each(drop),
            2 => input[at..end].iter_mut().for_each(|byte| *byte ^= 1 << rng.u8(..8)),
            3 => input.extend_from_within(at..end),
            _ => {
                let other = &corpus[rng.usize(..corpus.len())];
                let from = rng.usize(..=other.len());
                input.splice(at..end, other[from..].iter().take(32).copied()).for_each(drop);
            }
        }
    }
    input.truncate(LONGEST);
    input
}
