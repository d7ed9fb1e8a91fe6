//! The measured paths and oscillators of `data/`, and queues that several paths share.

use std::sync::{Arc, LazyLock};

use slewd::sim::link::{self, Load};
use slewd::sim::oscillator;
use slewd::sim::random::Dice;

const HOUR_S: usize = 3600;
const DAY_S: usize = 86_400;

/// One-way delays that were measured.
type Rows = LazyLock<Arc<[[f64; 2]]>>;

pub(crate) static DOCSIS: [Rows; 2] = [
    LazyLock::new(|| delays(include_str!("data/path-docsis-1.txt"))),
    LazyLock::new(|| delays(include_str!("data/path-docsis-2.txt"))),
];
pub(crate) static NIST: [Rows; 3] = [
    LazyLock::new(|| delays(include_str!("data/path-nist-1.txt"))),
    LazyLock::new(|| delays(include_str!("data/path-nist-2.txt"))),
    LazyLock::new(|| delays(include_str!("data/path-nist-3.txt"))),
];
pub(crate) static HOME: [Rows; 1] = [LazyLock::new(|| delays(include_str!("data/path-home.txt")))];
pub(crate) static MOBILE_5G: [Rows; 1] = [LazyLock::new(|| delays(include_str!("data/path-5g.txt")))];
pub(crate) static MOBILE: [Rows; 2] = [
    LazyLock::new(|| delays(include_str!("data/path-mobile-oran.txt"))),
    LazyLock::new(|| delays(include_str!("data/path-mobile-cmwave.txt"))),
];
static OSCILLATORS: [LazyLock<Arc<[f64]>>; 2] = [
    LazyLock::new(|| numbers(include_str!("data/oscillator-1.txt")).collect()),
    LazyLock::new(|| numbers(include_str!("data/oscillator-2.txt")).collect()),
];

/// Seconds from one measured frequency to the next.
const OSCILLATOR_EACH_S: f64 = 64.0;

/// A measured path from a row on that the dice choose.
pub(crate) fn path(rows: &Rows, dice: &mut Dice) -> link::DelayReplay {
    let rows = Arc::clone(rows);
    let first = choose(rows.len(), dice);
    link::DelayReplay { rows, first }
}

/// One of the measured oscillators, from a row on that the dice choose.
pub(crate) fn oscillator(seed: u64, dice: &mut Dice) -> oscillator::Replay {
    let rows = Arc::clone(&OSCILLATORS[(seed % 2) as usize]);
    let first = choose(rows.len(), dice);
    oscillator::Replay { rows, each_s: OSCILLATOR_EACH_S, first }
}

/// A home's access link that buffers too much, for one day: bursts of 20 to 120 ms, rare until 18 h, and from then on more
/// often than not. Replies wait for this part of what requests do.
pub(crate) fn bufferbloat(replies: f32, dice: &mut Dice) -> Load {
    const EVENING_S: usize = 18 * HOUR_S;
    /// The queue fills and drains with this time constant, in seconds.
    const INERTIA_S: f32 = 8.0;
    let mut levels = Vec::with_capacity(DAY_S);
    let (mut level, mut target, mut lasts_s) = (0.0f32, 0.0f32, 0.0);
    for second in 0..DAY_S {
        if lasts_s <= 0.0 {
            let is_evening = second >= EVENING_S;
            let was_busy = target > 0.0;
            target = if was_busy { 0.0 } else { (0.02 + 0.1 * dice.uniform()) as f32 };
            let mean_s = match (was_busy, is_evening) {
                (true, true) => 300.0,
                (true, false) => 3000.0,
                (false, true) => 400.0,
                (false, false) => 60.0,
            };
            lasts_s = mean_s * dice.exponential();
        }
        lasts_s = if second + 1 == EVENING_S { 0.0 } else { lasts_s - 1.0 };
        level += (target - level) / INERTIA_S;
        levels.push([level, replies * level]);
    }
    Load { levels: levels.into(), each_s: 1.0, began_s: 0.0, part: (0.6, 1.1), jitter_s: 0.5e-3 }
}

/// A satellite that hands over every 15 s, a level of up to 12 ms each way.
pub(crate) fn handovers(dice: &mut Dice) -> Load {
    const EACH_S: f64 = 15.0;
    let count = DAY_S / 15;
    let levels = (0..count).map(|_| [0; 2].map(|_| 0.012 * dice.uniform() as f32)).collect();
    Load { levels, each_s: EACH_S, began_s: 0.0, part: (1.0, 1.0), jitter_s: 0.0 }
}

/// Requests take so much longer, and then do not, in turn.
pub(crate) fn switching(more_s: f32, each_s: f64, began_s: f64) -> Load {
    Load { levels: [[more_s, 0.0], [0.0, 0.0]].into(), each_s, began_s, part: (1.0, 1.0), jitter_s: 0.0 }
}

fn choose(count: usize, dice: &mut Dice) -> usize {
    (dice.uniform() * count as f64) as usize
}

fn numbers(text: &str) -> impl Iterator<Item = f64> + use<'_> {
    text.split_whitespace().map(|number| number.parse().expect("data/ holds numbers"))
}

fn delays(text: &str) -> Arc<[[f64; 2]]> {
    let numbers: Vec<f64> = numbers(text).collect();
    numbers.chunks_exact(2).map(|row| [row[0], row[1]]).collect()
}
