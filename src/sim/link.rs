//! The path between us and a server.

use std::sync::Arc;

use crate::sim::random::Dice;

/// One direction or both of a network path.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Towards the server.
    pub forward: Way,
    /// Back to us.
    pub backward: Way,
    /// Share of packets lost, each way.
    pub loss: f64,
    /// Packets take another way for some time, or for ever.
    pub detour: Option<Detour>,
    /// Between these moments, this much is added forward (s), and its jitter is tripled.
    pub congestion: Option<(f64, f64, f64)>,
    /// Between these moments, every packet is lost.
    pub outage: Option<(f64, f64)>,
    /// Measured delays take the place of `forward` and `backward`.
    pub replay: Option<DelayReplay>,
    /// What others send through the same bottleneck.
    pub load: Option<Load>,
}

/// Measured one-way delays, one row for each exchange. After the last row comes the first.
#[derive(Clone, Debug, PartialEq)]
pub struct DelayReplay {
    /// Seconds of the request and of the reply.
    pub rows: Arc<[[f64; 2]]>,
    /// The row of the first exchange.
    pub first: usize,
}

/// A queue that several links may share.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Seconds that requests and replies wait, for each stretch of time. After the last comes the first.
    pub levels: Arc<[[f32; 2]]>,
    /// The length of such a stretch in seconds.
    pub each_s: f64,
    /// How long before the start of the run the first stretch begins, in seconds.
    pub began_s: f64,
    /// A packet waits for a part of the level between these two...
    pub part: (f64, f64),
    /// ...and for this long more on average, exponentially distributed, in seconds.
    pub jitter_s: f64,
}

/// Another way for the packets: longer, or longer in one direction only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detour {
    /// The beginning, in seconds after the start.
    pub from_s: f64,
    /// The end, in seconds after the start.
    pub until_s: f64,
    /// Added towards the server, in seconds.
    pub forward_s: f64,
    /// Added on the way back, in seconds.
    pub backward_s: f64,
}

/// One direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Way {
    /// Delay without queueing, in seconds.
    pub base_s: f64,
    /// Mean queueing delay, in seconds.
    pub jitter_s: f64,
    /// How queueing delays are distributed.
    pub shape: Shape,
}

/// Distribution of queueing delays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// A single queue.
    Exponential,
    /// Heavy tail with this exponent.
    Lomax(f64),
    /// Many queues in a row: hardly any packet is near the minimum. Scaled to the standard deviation of an exponential.
    Gamma(u32),
    /// As exponential, but this share of packets waits five means longer.
    Bimodal(f64),
}

impl Link {
    /// A path whose two directions are alike, with exponential jitter.
    pub fn symmetric(base_s: f64, jitter_s: f64) -> Self {
        let way = Way { base_s, jitter_s, shape: Shape::Exponential };
        Link {
            forward: way,
            backward: way,
            loss: 0.0,
            detour: None,
            congestion: None,
            outage: None,
            replay: None,
            load: None,
        }
    }

    /// With this distribution of queueing delays.
    pub fn shaped(mut self, shape: Shape) -> Self {
        self.forward.shape = shape;
        self.backward.shape = shape;
        self
    }

    /// Delays of the `exchange`-th request and its reply, `at_s` seconds after the start; `None` if one of them is lost.
    pub fn delays(&self, at_s: f64, exchange: u64, dice: &mut Dice) -> Option<(f64, f64)> {
        let [mut forward, mut backward] = match &self.replay {
            Some(replay) => replay.row(exchange),
            None => [self.forward.delay(dice), self.backward.delay(dice)],
        };
        if let Some(load) = &self.load {
            let [request_s, reply_s] = load.waits(at_s, dice);
            forward += request_s;
            backward += reply_s;
        }
        if let Some(detour) = self.detour
            && (detour.from_s..detour.until_s).contains(&at_s)
        {
            forward += detour.forward_s;
            backward += detour.backward_s;
        }
        if let Some((since, until, more)) = self.congestion
            && (since..until).contains(&at_s)
        {
            forward += more + 2.0 * self.forward.queueing(dice);
        }
        let is_out = self.outage.is_some_and(|(since, until)| (since..until).contains(&at_s));
        let lost = is_out || self.loss > 0.0 && (dice.uniform() < self.loss || dice.uniform() < self.loss);
        (!lost).then_some((forward, backward))
    }
}

impl DelayReplay {
    fn row(&self, exchange: u64) -> [f64; 2] {
        let count = self.rows.len() as u64;
        self.rows[((self.first as u64 + exchange) % count) as usize]
    }
}

impl Load {
    fn waits(&self, at_s: f64, dice: &mut Dice) -> [f64; 2] {
        let stretch = ((at_s + self.began_s) / self.each_s) as usize % self.levels.len();
        self.levels[stretch].map(|level| {
            let (least, most) = self.part;
            let part = if least < most { least + (most - least) * dice.uniform() } else { least };
            let more_s = if self.jitter_s > 0.0 { self.jitter_s * dice.exponential() } else { 0.0 };
            f64::from(level) * part + more_s
        })
    }
}

impl Way {
    fn delay(&self, dice: &mut Dice) -> f64 {
        self.base_s + self.queueing(dice)
    }

    fn queueing(&self, dice: &mut Dice) -> f64 {
        self.jitter_s
            * match self.shape {
                Shape::Exponential => dice.exponential(),
                Shape::Lomax(exponent) => dice.lomax(exponent),
                Shape::Gamma(shape) => dice.gamma(shape) / f64::from(shape).sqrt(),
                Shape::Bimodal(share) => dice.exponential() + if dice.uniform() < share { 5.0 } else { 0.0 },
            }
    }
}
