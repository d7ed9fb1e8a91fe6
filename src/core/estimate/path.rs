//! Delay statistics of one path: base delay, jitter, and whether the packets now take another way.

use super::asymmetry::Lean;
use super::interval::Interval;

/// Delays remembered per source: at 1024 s polls most of a day.
const WINDOW: usize = 64;
/// The expected excess of the minimum of n sums of two exponentials over the base is 1.25 (sqrt(pi/2)) times the
/// mean one-way jitter over sqrt(n).
const MINIMUM_BIAS: f64 = 1.25;
/// The first few delays say little of the base: the gap is wider by this over the square of n. Without it one start in
/// two hundred is 20 ms off for minutes.
const YOUNG: f64 = 24.0;
/// Jitter assumed before any is seen: this part of the base delay plus [`PRIOR_JITTER_S`], weighing 2/n samples.
const PRIOR_JITTER_RATIO: f64 = 0.05;
/// The part of the assumed jitter that does not depend on the delay, in seconds.
const PRIOR_JITTER_S: f64 = 2e-6;
/// Jitter is never taken for less, in seconds: interrupts and caches alone cost 10 ns.
const LEAST_JITTER_S: f64 = 1e-8;
/// Softness of the interval as a part of the gap and what is unseen; 0.25 to 0.5 gave the same results.
const SOFTNESS_RATIO: f64 = 0.3;
/// Two queues, one each way, make the mean excess of 64 delays over the least 1.3 times their deviation (5 % of the time more
/// than 1.6); eight make it 1.8. Beyond this there are many queues, and hardly a packet comes near the base.
const FEW_QUEUES: f64 = 1.5;
/// Delays needed to tell: with half as many, chance makes one in twenty ratios of two queues larger than that.
const QUEUES_HISTORY: f64 = 32.0;
/// The interval of a reference clock is as good as a point: its half-width as a part of the noise.
const POINT_RATIO: f64 = 1e-3;
/// Queueing beyond this many times the usual is the traffic of others...
const UNUSUAL: f64 = 3.0;
/// ...of which the lean of the usual says little: the slope times the half-width is at most this, which leaves the error a
/// deviation of a third of the half-width. Where replies waited for 30 % of what requests did, four servers behind that
/// link were followed to 80 ms from the truth; so it is 2.5 ms. With one-sided jitter it costs 1 %.
const STEEPEST_UNUSUAL: f64 = 3.0;
/// Time-stamp noise in seconds.
const STAMP_NOISE_S: f64 = 1e-7;
/// Delays are taken to lie in this range, in seconds: the precision of a good clock, and beyond any patience.
const DELAY_RANGE_S: (f64, f64) = (1e-7, 1e3);
/// A rise of the base delay shows in this many of the last delays...
const RISE_RUN: std::ops::RangeInclusive<usize> = 3..=8;
/// ...seen against at least this many older ones...
const RISE_HISTORY: usize = 6;
/// ...if chance has less than exp(-14) = 1e-6 to make it with exponential jitter.
const RISE_LN_PROBABILITY: f64 = -14.0;
/// From so many delays on a detour is the way.
const SETTLED: usize = 24;
/// A fall of the base is a change of path, not a new minimum, beyond this many gaps and [`FALL_S`]...
const FALL_GAPS: f64 = 5.0;
/// ...(in seconds)...
const FALL_S: f64 = 1e-6;
/// ...once this many delays are known.
const FALL_HISTORY: usize = 8;
/// A delay returns to the old path within half of the rise or this many gaps of the old base.
const HOME_GAPS: f64 = 3.0;
/// A delay exceeding the base by this many jitters is worth another question.
const EXCESSIVE: f64 = 6.0;
/// Delays needed to call one excessive.
const EXCESS_HISTORY: u32 = 8;

/// The last delays in order of arrival, in seconds.
#[derive(Clone, Copy)]
struct Ring {
    delays: [f64; WINDOW],
    len: usize,
}

/// The path left behind by a detour.
#[derive(Clone, Copy)]
struct Home {
    ring: Ring,
    base: f64,
    gap: f64,
}

/// One path's statistics.
#[derive(Clone, Copy)]
pub(super) struct Path {
    ring: Ring,
    home: Option<Home>,
    seen: u32,
    base: f64,
    jitter: f64,
    gap: f64,
    /// By how much more the least delay may exceed the base because packets pass many queues, in seconds.
    unseen: f64,
    /// The base delay if it is known for certain, else 0.
    fixed: f64,
    /// What the server's stamps cannot tell, in seconds.
    resolution: f64,
    /// Standard deviation of the samples of a reference clock in seconds; 0 for a server.
    noise: f64,
}

/// What a delay told about the path.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Arrival {
    /// The base delay fell, or is known for the first time.
    pub(super) new_minimum: bool,
    /// The packets take another way.
    pub(super) change: Option<PathChange>,
    /// The delay is far above the base.
    pub(super) excessive: bool,
}

/// The packets take another way.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum PathChange {
    /// A new one, whose round trip is longer by so many seconds, or shorter but not shorter than it has ever been.
    Detour(f64),
    /// The round trip is shorter by so many seconds than it has ever been: all that was learnt before was learnt in a
    /// queue.
    Shortcut(f64),
    /// The one they used before the detour.
    Home,
}

impl Path {
    /// No delays yet.
    pub(super) const NEW: Path = Path {
        ring: Ring::EMPTY,
        home: None,
        seen: 0,
        base: 0.0,
        jitter: LEAST_JITTER_S,
        gap: 0.0,
        unseen: 0.0,
        fixed: 0.0,
        resolution: 0.0,
        noise: 0.0,
    };

    /// A delay in seconds brought into the range believed. Below a base that is known it is as much off as above.
    pub(super) fn plausible(&self, delay_s: f64) -> f64 {
        let mirrored = if self.fixed > 0.0 { self.fixed + (delay_s - self.fixed).abs() } else { delay_s };
        mirrored.clamp(DELAY_RANGE_S.0, DELAY_RANGE_S.1)
    }

    /// The base delay of this path is known, and need not be found out.
    pub(super) fn fix_base(&mut self, base_s: f64) {
        self.fixed = base_s.max(0.0);
    }

    /// Says what the server's stamps cannot tell, in seconds.
    pub(super) fn set_resolution(&mut self, resolution_s: f64) {
        self.resolution = resolution_s.clamp(0.0, DELAY_RANGE_S.1);
    }

    /// The samples are those of a reference clock: there is no round trip to learn from.
    pub(super) fn set_noise(&mut self, noise_s: f64) {
        self.noise = noise_s.clamp(0.0, DELAY_RANGE_S.1);
    }

    /// Standard deviation of the samples of a reference clock in seconds; `None` for a server.
    pub(super) fn noise(&self) -> Option<f64> {
        (self.noise > 0.0).then_some(self.noise)
    }

    /// The part of that which is more than the noise of any stamp, in seconds.
    pub(super) fn coarseness(&self) -> f64 {
        (self.resolution - STAMP_NOISE_S).max(0.0)
    }

    /// Takes one more delay in seconds.
    pub(super) fn add(&mut self, delay_s: f64) -> Arrival {
        let delay = self.plausible(delay_s);
        let previous = (self.seen > 0).then_some(self.base);
        let is_known = self.fixed > 0.0;
        let mut change = if is_known { None } else { self.fall_or_return(delay) };
        self.ring.push(delay);
        self.seen = self.seen.saturating_add(1);
        if change.is_none() && !is_known {
            change = self.rise().map(PathChange::Detour);
        }
        self.summarise();
        Arrival {
            new_minimum: previous.is_none_or(|base| self.base < base),
            change,
            excessive: self.seen > EXCESS_HISTORY && delay - self.base > EXCESSIVE * self.jitter,
        }
    }

    /// The interval of a sample with this delay.
    pub(super) fn interval(&self, delay_s: f64, lean: Lean) -> Interval {
        if let Some(noise) = self.noise() {
            // A bell curve: nothing has an edge, and nothing leans.
            return Interval::new(POINT_RATIO * noise, noise, 0.0);
        }
        let (Lean::Learnt(part) | Lean::Given(part)) = lean;
        let gap = self.gap * (1.0 - part * part).sqrt();
        let half_width = 0.5 * ((self.plausible(delay_s) - self.base).max(0.0) + gap) + self.coarseness();
        // What a coarse stamp hides has no direction.
        let jitter = self.jitter + self.coarseness();
        let tilt = 1.0 / (jitter * (1.0 + part)) - 1.0 / (jitter * (1.0 - part));
        let most = match lean {
            Lean::Learnt(_) if half_width > UNUSUAL * jitter => STEEPEST_UNUSUAL / half_width,
            _ => f64::INFINITY,
        };
        Interval::new(half_width, SOFTNESS_RATIO * (gap + self.unseen) + STAMP_NOISE_S, tilt.clamp(-most, most))
    }

    /// Half of what a delay exceeds the shortest way known lately: so far off may be what a reply says, if others' traffic
    /// delayed it.
    pub(super) fn excess_over_lowest_s(&self, delay_s: f64) -> f64 {
        let young = self.home.filter(|_| self.ring.len < SETTLED);
        let lowest = young.map_or(self.base, |home| home.base.min(self.base));
        0.5 * (self.plausible(delay_s) - lowest).max(0.0)
    }

    /// The detour has become the way: there is nothing to return to.
    pub(super) fn settle(&mut self) {
        self.home = None;
    }

    /// Delays taken since the beginning.
    pub(super) fn seen(&self) -> u32 {
        self.seen
    }

    /// Delays in memory.
    pub(super) fn remembered(&self) -> usize {
        self.ring.len
    }

    /// Smallest delay remembered, in seconds.
    pub(super) fn base(&self) -> f64 {
        self.base
    }

    /// Mean one-way queueing in seconds; of a reference clock, what would scatter samples as much.
    pub(super) fn jitter(&self) -> f64 {
        self.noise().map_or(self.jitter, |noise| 2.0 * noise)
    }

    fn summarise(&mut self) {
        let delays = self.ring.as_slice();
        let n = delays.len() as f64;
        self.base = if self.fixed > 0.0 { self.fixed } else { least(delays) };
        let prior = PRIOR_JITTER_RATIO * self.base + PRIOR_JITTER_S;
        self.jitter = ((n * raw_jitter(delays, self.base) + 2.0 / n * prior) / (n + 2.0 / n)).max(LEAST_JITTER_S);
        let unknown = MINIMUM_BIAS * self.jitter / n.sqrt() * (1.0 + YOUNG / (n * n));
        (self.gap, self.unseen) =
            if self.fixed > 0.0 { (LEAST_JITTER_S, 0.0) } else { (unknown, unseen(delays, self.base)) };
    }

    fn fall_or_return(&mut self, delay: f64) -> Option<PathChange> {
        if let Some(home) = &self.home
            && delay < home.base + (0.5 * (self.base - home.base)).max(HOME_GAPS * home.gap)
        {
            self.ring = home.ring;
            self.home = None;
            return Some(PathChange::Home);
        }
        let fall = self.base - delay;
        if self.ring.len >= FALL_HISTORY && fall > FALL_GAPS * self.gap + FALL_S {
            self.ring = Ring::EMPTY;
            return Some(if self.home.is_some() { PathChange::Detour(fall) } else { PathChange::Shortcut(fall) });
        }
        None
    }

    /// By how much the base has risen, if the last few delays can hardly be chance.
    fn rise(&mut self) -> Option<f64> {
        for run in RISE_RUN {
            let older_len = self.ring.len.saturating_sub(run);
            if older_len < RISE_HISTORY {
                return None;
            }
            let (older, newer) = self.ring.as_slice().split_at(older_len);
            let base = least(older);
            let rise = least(newer) - base;
            if rise <= 0.0 {
                continue;
            }
            let ratio = rise / raw_jitter(older, base).max(LEAST_JITTER_S);
            if run as f64 * (libm::log1p(ratio) - ratio) < RISE_LN_PROBABILITY {
                let (old, new) = (Ring::of(older), Ring::of(newer));
                self.home.get_or_insert(Home { ring: old, base, gap: self.gap });
                self.ring = new;
                return Some(rise);
            }
        }
        None
    }
}

impl Ring {
    const EMPTY: Ring = Ring { delays: [0.0; WINDOW], len: 0 };

    /// At most [`WINDOW`] delays.
    fn of(delays: &[f64]) -> Self {
        let mut ring = Ring::EMPTY;
        for &delay in delays {
            ring.push(delay);
        }
        ring
    }

    fn push(&mut self, delay: f64) {
        if self.len == WINDOW {
            self.delays.copy_within(1.., 0);
            self.len -= 1;
        }
        self.delays[self.len] = delay;
        self.len += 1;
    }

    fn as_slice(&self) -> &[f64] {
        &self.delays[..self.len]
    }
}

/// Mean one-way jitter without prior knowledge; the last factor undoes the minimum's bias.
fn raw_jitter(delays: &[f64], base: f64) -> f64 {
    if delays.len() < 2 {
        return 0.0;
    }
    let n = delays.len() as f64;
    let mean_excess = delays.iter().sum::<f64>() / n - base;
    0.5 * mean_excess * (1.0 + MINIMUM_BIAS / n.sqrt())
}

/// What many queues hide of the base, as their delays tell: about what gamma distributions of the same ratio have.
fn unseen(delays: &[f64], base: f64) -> f64 {
    let n = delays.len() as f64;
    if n < QUEUES_HISTORY {
        return 0.0;
    }
    let mean = delays.iter().sum::<f64>() / n;
    let deviation = (delays.iter().map(|delay| (delay - mean) * (delay - mean)).sum::<f64>() / n).sqrt();
    let excess = mean - base;
    (excess / deviation.max(LEAST_JITTER_S) - FEW_QUEUES).max(0.0) * excess
}

fn least(delays: &[f64]) -> f64 {
    delays.iter().copied().fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // Only what ships must do without the platform's mathematics.
mod tests {
    use super::*;

    fn exponential(rng: &mut fastrand::Rng) -> f64 {
        -(1.0 - rng.f64()).ln()
    }

    #[test]
    fn learns_the_jitter_and_the_base() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut sum = 0.0;
        for _ in 0..200 {
            let mut path = Path::NEW;
            for _ in 0..WINDOW {
                path.add(0.02 + 1e-3 * (exponential(&mut rng) + exponential(&mut rng)));
            }
            assert!(path.base() >= 0.02 && path.base() < 0.0212);
            sum += path.jitter() / 200.0;
        }
        // The correction for the minimum's bias is deliberately generous: 1.25 where theory has 0.63.
        assert!((1.0e-3..1.1e-3).contains(&sum), "{sum}");
    }

    #[test]
    fn many_queues_make_the_base_uncertain_and_two_do_not() {
        let mut rng = fastrand::Rng::with_seed(5);
        let mut unseen_of = |queues: usize| {
            let delays: Vec<f64> = (0..WINDOW).map(|_| (0..queues).map(|_| exponential(&mut rng)).sum()).collect();
            unseen(&delays, least(&delays))
        };
        let mean = |of: &mut dyn FnMut() -> f64| (0..200).map(|_| of()).sum::<f64>() / 200.0;
        let (two, twelve) = (mean(&mut || unseen_of(2)), mean(&mut || unseen_of(12)));
        assert!(two < 0.05 && twelve > 2.0, "{two} {twelve}");
    }

    #[test]
    fn a_detour_is_noticed_and_so_is_the_way_home() {
        let mut rng = fastrand::Rng::with_seed(4);
        let mut path = Path::NEW;
        for _ in 0..30 {
            assert_eq!(path.add(0.02 + 1e-3 * (exponential(&mut rng) + exponential(&mut rng))).change, None);
        }
        let noticed = (1..).find_map(|count| match path.add(0.03 + 1e-3 * exponential(&mut rng)).change {
            Some(PathChange::Detour(by)) => Some((count, by)),
            _ => None,
        });
        let (count, by) = noticed.expect("endless");
        assert!(count <= 5 && (by - 0.01).abs() < 1e-3, "{count} {by}");
        assert_eq!(path.add(0.0205).change, Some(PathChange::Home));
        assert!(path.base() < 0.0206 && path.remembered() > 20);
    }
}
