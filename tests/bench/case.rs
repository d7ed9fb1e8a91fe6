//! What a scenario of the benchmark can say, and how it becomes a run of the simulator.

use slewd::sim::link::{Detour, Link, Shape};
use slewd::sim::oscillator::{Crystal, Sine};
use slewd::sim::random::Dice;
use slewd::sim::{Happening, Scenario};
use slewd::time::Span;

/// One scenario. All seconds count from the start.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) servers: usize,
    /// Delay of one direction without queueing.
    pub(crate) base_s: f64,
    /// Mean queueing of one direction, its distribution, and factors for requests and for replies.
    pub(crate) jitter_s: f64,
    pub(crate) shape: Shape,
    pub(crate) jitter_ways: [f64; 2],
    /// Share of the packets lost, each way.
    pub(crate) loss: f64,
    /// How far the path of each server (0 if none is given) shifts its offset: requests are slower by this, replies
    /// faster.
    pub(crate) path_bias_s: &'static [f64],
    pub(crate) detour: Option<Course>,
    /// Between two moments, requests to all servers take this much longer and queue three times as much.
    pub(crate) congestion: Option<(f64, f64, f64)>,
    /// Servers with a wrong clock.
    pub(crate) wrong: &'static [(usize, Wrong)],
    /// Random walk of the crystal's frequency per square root of a second.
    pub(crate) wander: f64,
    /// Amplitude and period of a swing of the frequency.
    pub(crate) sine: Option<(f64, f64)>,
    pub(crate) frequency_steps: &'static [(f64, f64)],
    pub(crate) clock_ahead: Span,
    pub(crate) happens: &'static [(f64, Happening)],
    pub(crate) notices_clock_set: bool,
    /// The network is there so long, and then away so long, in turn.
    pub(crate) network: Option<(f64, f64)>,
    pub(crate) length_s: f64,
    /// What the median RMS error is to be at most; NaN if there is no goal.
    pub(crate) goal_us: f64,
    pub(crate) chronyd: Published,
}

/// Packets to and from the first servers take longer for some time.
#[derive(Clone, Copy)]
pub(crate) struct Course {
    pub(crate) servers: usize,
    pub(crate) from_s: f64,
    pub(crate) until_s: f64,
    /// Added to requests and to replies.
    pub(crate) ways_s: [f64; 2],
}

/// How a server's clock is wrong.
#[derive(Clone, Copy)]
pub(crate) enum Wrong {
    By(f64),
    Drifts { from_s: f64, rate: f64 },
    Jumps { at_s: f64, by_s: f64 },
}

/// What was published of chronyd in the same scenario (another simulator: clknetsim); NaN if it was not.
#[derive(Clone, Copy)]
pub(crate) struct Published {
    pub(crate) rms_us: f64,
    pub(crate) largest_us: f64,
    pub(crate) frequency_ppb: f64,
    pub(crate) requests_per_hour: f64,
    /// 90 % of 12 other seeds, and the worst of them.
    pub(crate) high_us: f64,
    pub(crate) worst_us: f64,
    /// Largest error between 7 and 600 s.
    pub(crate) start_us: f64,
}

impl Published {
    pub(crate) const NOTHING: Published = chronyd(f64::NAN, f64::NAN, f64::NAN, f64::NAN);

    pub(crate) const fn held_out(self, high_us: f64, worst_us: f64) -> Published {
        Published { high_us, worst_us, ..self }
    }

    pub(crate) const fn start(self, start_us: f64) -> Published {
        Published { start_us, ..self }
    }
}

/// Medians of 20 seeds.
pub(crate) const fn chronyd(rms_us: f64, largest_us: f64, frequency_ppb: f64, requests_per_hour: f64) -> Published {
    let (high_us, worst_us, start_us) = (f64::NAN, f64::NAN, f64::NAN);
    Published { rms_us, largest_us, frequency_ppb, requests_per_hour, high_us, worst_us, start_us }
}

/// Frequency error at the start, either sign.
const FREQUENCY: std::ops::Range<f64> = 50e-6..100e-6;

impl Case {
    /// The run with this seed.
    pub(crate) fn scenario(&self, seed: u64) -> Scenario {
        let links: Vec<Link> = (0..self.servers).map(|server| self.link(server)).collect();
        let mut scenario = Scenario::new(seed, &links);
        scenario.crystal = self.crystal(seed);
        for (server, wrong) in self.wrong {
            let server = &mut scenario.servers[*server];
            match *wrong {
                Wrong::By(by_s) => server.ahead = Span::from_secs_f64(by_s),
                Wrong::Drifts { from_s, rate } => server.drift = Some((from_s, rate)),
                Wrong::Jumps { at_s, by_s } => server.step = Some((at_s, Span::from_secs_f64(by_s))),
            }
        }
        scenario.clock_ahead = self.clock_ahead;
        scenario.happenings = self.happens.to_vec();
        scenario.notices_clock_set = self.notices_clock_set;
        scenario.outages = self.outages();
        scenario.length_s = self.length_s;
        // The score looks at the clock itself.
        scenario.record_every = Span::from_secs_f64(2.0 * self.length_s);
        scenario
    }

    fn link(&self, server: usize) -> Link {
        let mut link = Link::symmetric(self.base_s, self.jitter_s).shaped(self.shape);
        let bias_s = self.path_bias_s.get(server).copied().unwrap_or(0.0);
        (link.forward.base_s, link.backward.base_s) = (self.base_s + bias_s, self.base_s - bias_s);
        link.forward.jitter_s *= self.jitter_ways[0];
        link.backward.jitter_s *= self.jitter_ways[1];
        link.loss = self.loss;
        link.congestion = self.congestion;
        link.detour = self.detour.filter(|course| server < course.servers).map(|course| Detour {
            from_s: course.from_s,
            until_s: course.until_s,
            forward_s: course.ways_s[0],
            backward_s: course.ways_s[1],
        });
        link
    }

    fn crystal(&self, seed: u64) -> Crystal {
        let mut dice = Dice::new(seed ^ 0xc5a1);
        let size = FREQUENCY.start + (FREQUENCY.end - FREQUENCY.start) * dice.uniform();
        Crystal {
            frequency: if dice.uniform() < 0.5 { -size } else { size },
            wander: self.wander,
            sine: self.sine.map(|(amplitude, period_s)| Sine { amplitude, period_s }),
            steps: self.frequency_steps.to_vec(),
            ..Crystal::default()
        }
    }

    fn outages(&self) -> Vec<(f64, f64)> {
        let Some((on_s, off_s)) = self.network else { return Vec::new() };
        let cycles = (self.length_s / (on_s + off_s)) as usize + 1;
        let begins = (0..cycles).map(|cycle| cycle as f64 * (on_s + off_s) + on_s);
        begins.map(|at_s| (at_s, at_s + off_s)).collect()
    }
}
