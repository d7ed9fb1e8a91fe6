//! A random world: servers good and bad, faults, orders, restarts, sleeps, changes of the network.

#![allow(dead_code, reason = "each program uses its own part")]

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use slewd::core::api::monitoring::{Address, SelectOptions};
use slewd::core::api::order::{Order, Parameter, Whom};
use slewd::core::api::settings::{Host, SourceConfig, SourceOptions};
use slewd::sim::card::Card;
use slewd::sim::server::{Manner, Server};
use slewd::sim::{Happening, Scenario};
use slewd::time::Span;

use crate::dice::{between, link, signed};
use crate::lies::{LIES, tell};

/// Length of a world in seconds.
pub(crate) const LENGTH_S: f64 = 12_000.0;

/// All faults have ended by then, and the last order has been given, in seconds after the start.
pub(crate) const QUIET_S: f64 = 8_000.0;

/// Honest servers that an order may add.
const SPARE: usize = 2;

/// A world and what is ordered in it.
pub(crate) struct Play {
    pub(crate) scenario: Scenario,
    /// So many servers are configured. The others that there are may be added by an order.
    pub(crate) configured: usize,
    /// What is wrong with the first servers: with fewer than half of those that are configured.
    pub(crate) bad: Vec<Vice>,
    /// When it is ordered, in seconds after the start, and what.
    pub(crate) orders: Vec<(f64, Order)>,
}

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Vice {
    pub(crate) name: &'static str,
    /// What it says of the time is wrong.
    pub(crate) is_lie: bool,
}

impl Play {
    /// The world of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        let dice = &mut fastrand::Rng::with_seed(seed);
        let configured = dice.usize(1..7);
        let links: Vec<_> = (0..configured).map(|_| link(dice)).collect();
        let mut scenario = Scenario::new(seed, &links);
        scenario.crystal.frequency = signed(dice, 1e-6, 1e-4);
        scenario.clock_ahead = Span::from_secs_f64(signed(dice, 1e-3, 10.0));
        scenario.settings.keep_samples = true;
        (scenario.recalls, scenario.boots) = (dice.bool(), dice.u8(..3) == 0);
        scenario.length_s = LENGTH_S;
        scenario.record_every = Span::from_secs(100_000);
        let count = if configured >= 3 && dice.bool() { dice.usize(1..=(configured - 1) / 2) } else { 0 };
        let bad = scenario.servers[..count].iter_mut().map(|server| spoil(server, dice)).collect();
        configure(&mut scenario, dice);
        go_wrong(&mut scenario, dice);
        let spare = configured..configured + SPARE;
        scenario.servers.extend(spare.map(|index| Server::honest(address(index), link(dice))));
        let mut play = Play { scenario, configured, bad, orders: Vec::new() };
        play.give_orders(dice);
        play
    }

    /// The world of this seed, whose network card stamps packets, not always as it should.
    pub(crate) fn with_card(seed: u64) -> Self {
        let mut play = Play::new(seed);
        // What is drawn here changes nothing else.
        let dice = &mut fastrand::Rng::with_seed(!seed);
        let told_after_s = between(dice, 1e-6, 3e-3);
        play.scenario.card = Some(Card {
            lag_s: between(dice, 1e-6, 3e-4),
            margin: span(dice, 1e-7, 2e-5),
            wrong_by: Span::ZERO,
            told_after_s: (told_after_s, 2.0 * told_after_s),
            software_after_s: if dice.bool() { between(dice, 1e-5, 1e-2) } else { 0.0 },
            receives: dice.bool(),
            mishaps: if dice.bool() { 0.5 * dice.f64() } else { 0.0 },
        });
        play
    }

    /// Some of the servers lie.
    pub(crate) fn has_liars(&self) -> bool {
        self.bad.iter().any(|vice| vice.is_lie)
    }

    /// The server with this address, and whether it tells the time as well as it can.
    pub(crate) fn server(&self, address: IpAddr) -> Option<(&Server, bool)> {
        let index = self.scenario.servers.iter().position(|server| server.address == address)?;
        Some((&self.scenario.servers[index], index >= self.bad.len()))
    }

    /// Nothing is ordered at short intervals for long.
    fn give_orders(&mut self, dice: &mut fastrand::Rng) {
        let mut at_s = between(dice, 1.0, 3000.0);
        while at_s < QUIET_S {
            let order = self.order(dice);
            self.orders.push((at_s, order));
            at_s += between(dice, 1.0, 3000.0);
        }
        self.orders.push((QUIET_S, Order::SetOnline { whom: Whom::All, online: true }));
    }

    /// Nothing that silences honest servers and leaves liars.
    fn order(&self, dice: &mut fastrand::Rng) -> Order {
        let anybody = Address::Ip(address(dice.usize(..self.configured + SPARE)));
        let dispensable = if self.has_liars() { self.bad.len() } else { self.configured };
        let dispensable = Whom::One(Address::Ip(address(dice.usize(..dispensable))));
        match dice.u8(..15) {
            0 => Order::SetOnline { whom: dispensable, online: false },
            1 | 2 => Order::SetOnline { whom: Whom::All, online: true },
            3 => Order::SetOnline { whom: Whom::All, online: false },
            4 => Order::Burst { whom: Whom::All, good: dice.u32(1..8), most: dice.u32(1..12) },
            5 => Order::Change { source: anybody, parameter: Parameter::MinPoll(dice.i32(2..8)) },
            6 => Order::Change { source: anybody, parameter: Parameter::MaxPoll(dice.i32(4..11)) },
            7 | 8 => {
                let host = Host::Address(address(self.configured + dice.usize(..SPARE)));
                let options = SourceOptions { iburst: dice.bool(), ..SourceOptions::default() };
                Order::Add(Box::new(SourceConfig { host, pool: false, options }))
            }
            9 if !self.has_liars() => Order::Delete(anybody),
            10 if !self.has_liars() => {
                let flags = [SelectOptions::NO_SELECT, SelectOptions::PREFER, SelectOptions::TRUST];
                let mask = SelectOptions(flags[dice.usize(..3)]);
                let options = SelectOptions(if dice.bool() { mask.0 } else { 0 });
                Order::Change { source: anybody, parameter: Parameter::Select { mask, options } }
            }
            11 => Order::ResetSources,
            12 => Order::MakeStep,
            13 => Order::AddFrequency(signed(dice, 0.01, 50.0)),
            14 => Order::AddOffset(signed(dice, 1e-5, 2.0)),
            _ => Order::Reselect,
        }
    }

    /// How many faults and orders there are.
    pub(crate) fn disturbances(&self) -> usize {
        let scenario = &self.scenario;
        scenario.happenings.len() + scenario.outages.len() + scenario.refusals.len() + self.orders.len()
    }

    /// In one line.
    pub(crate) fn summary(&self) -> String {
        let bad: Vec<_> = self.bad.iter().map(|vice| vice.name).collect();
        let scenario = &self.scenario;
        let mut text = format!("{} servers", self.configured);
        if !bad.is_empty() {
            let _ = write!(text, " (bad: {})", bad.join(", "));
        }
        let faults = self.disturbances() - self.orders.len();
        let (ppm, ahead) = (scenario.crystal.frequency * 1e6, scenario.clock_ahead);
        let _ = write!(text, ", crystal {ppm:+.1} ppm, clock {ahead:?} ahead, {faults} faults");
        let _ = write!(text, ", {} orders", self.orders.len());
        text
    }

    /// Faults and orders in the order of time, one line each.
    pub(crate) fn happenings(&self) -> Vec<(f64, String)> {
        let scenario = &self.scenario;
        let mut lines: Vec<(f64, String)> = Vec::new();
        lines.extend(scenario.happenings.iter().map(|(at_s, what)| (*at_s, format!("{what:?}"))));
        lines
            .extend(scenario.outages.iter().map(|(at_s, until_s)| (*at_s, format!("no network until {until_s:.1} s"))));
        let refusal = |until_s: f64| format!("the kernel refuses commands until {until_s:.1} s");
        lines.extend(scenario.refusals.iter().map(|(at_s, until_s)| (*at_s, refusal(*until_s))));
        lines.extend(self.orders.iter().map(|(at_s, order)| (*at_s, order_text(order))));
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
        lines
    }
}

fn order_text(order: &Order) -> String {
    match order {
        Order::Add(line) => format!("order: Add({})", line.host),
        order => format!("order: {order:?}"),
    }
}

/// Servers have the addresses of the lines of [`Scenario::new`].
fn address(index: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, index as u8 + 1))
}

fn span(dice: &mut fastrand::Rng, least_s: f64, most_s: f64) -> Span {
    Span::from_secs_f64(between(dice, least_s, most_s))
}

/// Something is wrong with this server from the start, or becomes wrong.
fn spoil(server: &mut Server, dice: &mut fastrand::Rng) -> Vice {
    let by = Span::from_secs_f64(signed(dice, 0.5, 5.0));
    let at_s = dice.f64() * LENGTH_S;
    let (name, is_lie) = match dice.u8(..12) {
        0 | 1 => {
            server.ahead = by;
            ("is wrong", true)
        }
        2 | 3 => {
            server.step = Some((at_s, by));
            ("becomes wrong", true)
        }
        4 => {
            server.manner = Manner::LiesAtFirst { answers: dice.u64(1..20), ahead: by };
            ("lies at first", true)
        }
        5 => {
            server.manner = Manner::Dead;
            ("is dead", false)
        }
        6 => {
            server.manner = Manner::Refuses;
            ("refuses", false)
        }
        7 => {
            let code = [*b"RATE", *b"DENY", *b"RSTR"][dice.usize(..3)];
            server.manner = Manner::Kisses(code, dice.u64(..20));
            ("sends kisses", false)
        }
        8 => {
            let until_s = at_s + between(dice, 10.0, LENGTH_S);
            server.alive = if dice.bool() { (0.0, at_s) } else { (at_s, until_s) };
            ("comes and goes", false)
        }
        9 => {
            server.manner = Manner::Unsynchronised;
            ("does not know the time", false)
        }
        _ => {
            let lie = dice.usize(..LIES.len());
            let round_trip_s = server.link.forward.base_s + server.link.backward.base_s;
            tell(server, lie, round_trip_s, dice);
            (LIES[lie], true)
        }
    };
    Vice { name, is_lie }
}

/// What the configuration may say of a good server as well as of a bad one.
fn configure(scenario: &mut Scenario, dice: &mut fastrand::Rng) {
    let has_names = dice.u8(..3) == 0;
    for (index, source) in scenario.sources.iter_mut().enumerate() {
        if dice.u8(..3) == 0 {
            scenario.servers[index].interleaves = true;
            source.options.xleave = true;
        }
        if has_names {
            let name = format!("ntp{}.example", index + 1);
            scenario.names.push((name.clone(), 0.0, vec![address(index)]));
            source.host = Host::Name(name.as_str().into());
        }
    }
}

/// What happens to the machine and to the network.
fn go_wrong(scenario: &mut Scenario, dice: &mut fastrand::Rng) {
    for _ in 0..dice.usize(..6) {
        let at_s = between(dice, 1.0, QUIET_S);
        let most_s = QUIET_S - at_s;
        let happening = match dice.u8(..9) {
            0 => Happening::Suspend(span(dice, 1.0, 3000.0), Span::from_secs_f64(signed(dice, 1e-3, 0.5))),
            1 => Happening::ForeignStep(Span::from_secs_f64(signed(dice, 1e-3, 10.0))),
            2 => Happening::Restart,
            3 => Happening::Stop(span(dice, 1.0, 600.0)),
            4 => Happening::Stall(span(dice, 1.0, 60.0)),
            5 => {
                let ppb = signed(dice, 100.0, 100_000.0) as i64;
                Happening::ForeignSteering(ppb, Span::from_secs_f64(signed(dice, 1e-4, 0.1)))
            }
            6 => {
                scenario.refusals.push((at_s, at_s + between(dice, 1.0, 3000.0).min(most_s)));
                continue;
            }
            7 => {
                let back_s = at_s + between(dice, 1.0, 3000.0).min(most_s);
                scenario.outages.push((at_s, back_s));
                if dice.bool() {
                    continue;
                }
                scenario.happenings.push((back_s, Happening::NetworkChanged));
                continue;
            }
            _ => Happening::NetworkChanged,
        };
        scenario.happenings.push((at_s, happening));
    }
}
