//! An ideal world for the estimator alone: a random-walk clock, jittery paths, the poll rule of the real client, and
//! an actuator that always shows the estimate. What remains is the error of estimation.
#![allow(dead_code)] // Each test file uses its own part.
#![allow(clippy::disallowed_methods)] // Only what ships must do without the platform's mathematics.

pub(crate) mod table;

use slewd::core::estimate::{Estimator, FrequencyPrior, MAX_SOURCES, Outcome, Sample, Slot};
use slewd::time::{Lead, Raw, Span};

/// Where UTC is ahead of the raw counter at the start: an arbitrary date.
pub(crate) const START_LEAD_NS: i64 = 1_800_000_000_000_000_000;

/// What the network and the oscillator do.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) sources: usize,
    /// Base delay of one direction, mean queueing of one direction (seconds), wander per square root of a second.
    pub(crate) base: f64,
    pub(crate) jitter: f64,
    pub(crate) wander: f64,
    pub(crate) frequency: f64,
    pub(crate) duration: usize,
    pub(crate) loss: f64,
    /// Requests queue (1-2a), replies (1+2a) times the jitter.
    pub(crate) asymmetry: f64,
    /// Exponent of Lomax jitter of the same mean.
    pub(crate) lomax: Option<f64>,
    /// From an instant on, the first source's requests and replies take longer.
    pub(crate) route: Option<[f64; 3]>,
    /// Between two instants requests take 3 ms longer and queue three times as much.
    pub(crate) congestion: Option<[f64; 2]>,
    /// Frequency sine: amplitude and period.
    pub(crate) sine: Option<[f64; 2]>,
    /// At an instant the frequency, or the clock, jumps.
    pub(crate) frequency_step: Option<[f64; 2]>,
    pub(crate) clock_step: Option<[f64; 2]>,
    /// Half the asymmetry of each source's path.
    pub(crate) bias: [f64; 4],
    /// At an instant the first server's clock jumps.
    pub(crate) server_step: Option<[f64; 2]>,
    /// Part of the packets that queue five jitters more.
    pub(crate) bimodal: f64,
}

pub(crate) const QUIET: Scenario = Scenario {
    name: "",
    sources: 1,
    base: 1e-2,
    jitter: 1e-3,
    wander: 1e-9,
    frequency: 1e-4,
    duration: 40_000,
    loss: 0.0,
    asymmetry: 0.0,
    lomax: None,
    route: None,
    congestion: None,
    sine: None,
    frequency_step: None,
    clock_step: None,
    bias: [0.0; 4],
    server_step: None,
    bimodal: 0.0,
};

/// One second's grid of the clock's error, and the random numbers of the network.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    lead: Vec<f64>,
    rate: Vec<f64>,
    rng: fastrand::Rng,
}

/// Errors over the second half of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Score {
    pub(crate) rms_us: f64,
    pub(crate) worst_us: f64,
    pub(crate) frequency_rms_ppb: f64,
    pub(crate) requests_per_hour: f64,
}

/// One answered request.
pub(crate) struct Exchange {
    pub(crate) sample: Sample,
    pub(crate) arrival: f64,
}

pub(crate) fn normal(rng: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

pub(crate) fn slot(index: usize) -> Slot {
    Slot::new(index).expect("a small index")
}

impl World {
    pub(crate) fn new(scenario: Scenario, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9) + 17);
        let n = scenario.duration + 60;
        let (mut walk, mut x) = (scenario.frequency, 0.0);
        let (mut lead, mut rate) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for i in 0..n {
            let t = i as f64;
            walk += scenario.wander * normal(&mut rng);
            let sine = scenario.sine.map_or(0.0, |[a, period]| a * (std::f64::consts::TAU * t / period).sin());
            let step = scenario.frequency_step.map_or(0.0, |[at, by]| if t >= at { by } else { 0.0 });
            let jump = scenario.clock_step.map_or(0.0, |[at, by]| if t >= at { by } else { 0.0 });
            let f = walk + sine + step;
            lead.push(-x - jump);
            rate.push(-f);
            x += f;
        }
        World { scenario, lead, rate, rng }
    }

    fn true_lead(&self, t: f64) -> f64 {
        let i = t as usize;
        self.lead[i] + self.rate[i] * (t - i as f64)
    }

    fn queue(&mut self, mean: f64) -> f64 {
        let u = 1.0 - self.rng.f64();
        let extra = if self.rng.f64() < self.scenario.bimodal { 5.0 * mean } else { 0.0 };
        extra
            + match self.scenario.lomax {
                Some(a) => mean * (a - 1.0) * (u.powf(-1.0 / a) - 1.0),
                None => -mean * u.ln(),
            }
    }

    /// A request sent at `t`; `None` if a packet was lost.
    pub(crate) fn exchange(&mut self, source: usize, t: f64) -> Option<Exchange> {
        let sc = self.scenario;
        let mut out = sc.base + self.queue(sc.jitter * (1.0 - 2.0 * sc.asymmetry));
        let mut back = sc.base + self.queue(sc.jitter * (1.0 + 2.0 * sc.asymmetry));
        if let Some([_, more_out, more_back]) = sc.route.filter(|r| source == 0 && t > r[0]) {
            (out, back) = (out + more_out, back + more_back);
        }
        if sc.congestion.is_some_and(|[from, to]| (from..to).contains(&t)) {
            out += 3e-3 + 2.0 * self.queue(sc.jitter);
        }
        let bias = sc.bias.get(source).copied().unwrap_or(0.0);
        (out, back) = (out + bias, back - bias);
        let server = sc.server_step.map_or(0.0, |[at, by]| if source == 0 && t > at { by } else { 0.0 });
        if self.rng.f64() < sc.loss {
            return None;
        }
        let (x1, x4) = (self.true_lead(t), self.true_lead(t + out + back));
        let measured = ((out + x1) + (x4 - back)) / 2.0 + server;
        let sample = Sample {
            slot: slot(source),
            at: Raw::from_nanos(((t + (out + back) / 2.0) * 1e9) as i64),
            lead: Lead::from_nanos(START_LEAD_NS) + Span::from_secs_f64(measured),
            delay: Span::from_secs_f64(out + back - (x4 - x1)),
        };
        Some(Exchange { sample, arrival: t + out + back })
    }
}

/// The poll rule: a burst, gaps that double, then wander against noise, with early polls paid from a bucket.
pub(crate) struct Polls {
    due: Vec<f64>,
    asked: Vec<usize>,
    staggered: Vec<bool>,
    tokens: f64,
    rng: fastrand::Rng,
}

impl Polls {
    const START: f64 = 5.0;
    const SHORTEST: f64 = 64.0;
    const LONGEST: f64 = 1024.0;

    pub(crate) fn new(sources: usize) -> Self {
        Polls {
            due: (0..sources).map(|j| Self::START + 0.01 * j as f64).collect(),
            asked: vec![0; sources],
            staggered: vec![false; sources],
            tokens: 6.0,
            rng: fastrand::Rng::with_seed(1),
        }
    }

    pub(crate) fn first(&self) -> (usize, f64) {
        let j = (0..self.due.len()).min_by(|&a, &b| self.due[a].total_cmp(&self.due[b])).expect("sources");
        (j, self.due[j])
    }

    pub(crate) fn plan(&mut self, j: usize, t: f64, outcome: Option<Outcome>, estimator: &Estimator, active: &[Slot]) {
        let asked = self.asked[j];
        self.asked[j] += 1;
        self.due[j] = t + self.gap(j, asked, t - Self::START, outcome, estimator, active);
    }

    fn gap(
        &mut self,
        j: usize,
        asked: usize,
        elapsed: f64,
        got: Option<Outcome>,
        e: &Estimator,
        active: &[Slot],
    ) -> f64 {
        let answers = e.path_noise(slot(j)).map_or(0, |noise| noise.count);
        if answers < 4 && asked < 8 {
            return 2.0;
        }
        if got.is_none() && elapsed < 64.0 && asked < 16 {
            return 4.0;
        }
        if elapsed < Self::SHORTEST {
            return elapsed;
        }
        let tau = e.poll_terms(active).map_or(Self::SHORTEST, |terms| {
            active.len() as f64 * (1.5 * terms.sample_variance / terms.wander_squared).cbrt()
        });
        let gap = (elapsed / 6.5).min(tau).clamp(Self::SHORTEST, Self::LONGEST);
        self.tokens = (self.tokens + 0.12).min(6.0);
        let hurry = match got {
            Some(Outcome::Held) => Some(2.0),
            Some(Outcome::Used { surprise: true } | Outcome::Reacquired) => Some(Self::SHORTEST),
            _ => None,
        };
        if let Some(early) = hurry.filter(|_| self.tokens >= 1.0 && gap > Self::SHORTEST) {
            self.tokens -= 1.0;
            return early;
        }
        let sources = self.due.len();
        if sources > 1 && !std::mem::replace(&mut self.staggered[j], true) {
            return gap * (0.5 + 0.5 * (j + 1) as f64 / sources as f64);
        }
        gap * (1.0 + 0.03 * self.rng.f64()) * if got.is_none() { 0.75 } else { 1.0 }
    }
}

/// Runs one seed and scores the second half.
pub(crate) fn run(scenario: Scenario, seed: u64) -> Score {
    let mut world = World::new(scenario, seed);
    let mut polls = Polls::new(scenario.sources);
    let mut estimator = Estimator::new(FrequencyPrior::unknown());
    let mut answered = [false; MAX_SOURCES];
    let (mut next, mut requests, mut sums, mut worst) = (0, 0, [0.0; 2], 0.0f64);
    let end = scenario.duration;
    loop {
        let (j, t) = polls.first();
        let exchange = if t < (end - 2) as f64 { world.exchange(j, t) } else { None };
        let until = if t < (end - 2) as f64 { exchange.as_ref().map_or(t, |e| e.arrival).ceil() as usize } else { end };
        while next < until {
            if next >= end / 2 {
                let estimate = estimator.estimate().expect("samples by half time");
                let raw = Raw::from_nanos(next as i64 * 1_000_000_000);
                let ahead = Span::from_secs_f64((raw - estimate.at).secs_f64() * estimate.frequency);
                let lead = (estimate.lead + ahead - Lead::from_nanos(START_LEAD_NS)).secs_f64();
                let error = world.lead[next] - lead;
                sums[0] += error * error;
                sums[1] += (world.rate[next] - estimate.frequency).powi(2);
                worst = worst.max(error.abs());
            }
            next += 1;
        }
        if t >= (end - 2) as f64 {
            break;
        }
        requests += 1;
        let mut active: Vec<Slot> = Vec::new();
        let outcome = exchange.map(|e| {
            answered[j] = true;
            active = (0..scenario.sources).filter(|&k| answered[k]).map(slot).collect();
            estimator.feed(&e.sample, &active)
        });
        if active.is_empty() {
            active = (0..scenario.sources).filter(|&k| answered[k]).map(slot).collect();
        }
        polls.plan(j, t, outcome, &estimator, &active);
    }
    let seconds = (end - end / 2) as f64;
    Score {
        rms_us: 1e6 * (sums[0] / seconds).sqrt(),
        worst_us: 1e6 * worst,
        frequency_rms_ppb: 1e9 * (sums[1] / seconds).sqrt(),
        requests_per_hour: f64::from(requests) * 3600.0 / end as f64,
    }
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    0.5 * (values[(n - 1) / 2] + values[n / 2])
}
