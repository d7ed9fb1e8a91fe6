//! What a simulated run is made of.

use std::net::{IpAddr, Ipv4Addr};

use crate::core::api::drift::DriftRecord;
use crate::core::api::last_good::LastGood;
use crate::core::api::settings::Mode;
use crate::core::api::settings::{Host, MakeStep, Settings, SourceConfig, SourceOptions};
use crate::core::clock::leap::LeapTable;
use crate::core::engine::NtsPolicy;
use crate::sim::card::Card;
use crate::sim::device::Device;
use crate::sim::link::Link;
use crate::sim::oscillator::Crystal;
use crate::sim::server::Server;
use crate::sim::timeline::Timeline;
use crate::time::{Span, Utc};
use crate::wire::symmetric::KeyTable;

/// A run, before it starts. Public fields: build one with [`Scenario::new`] and change what matters.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Seed of all randomness: equal seeds give equal runs.
    pub seed: u64,
    /// What slewd is asked to do.
    pub mode: Mode,
    /// The daemon is started with `-t`.
    pub is_brief: bool,
    /// True time at the start.
    pub start: Utc,
    /// How far the system clock is ahead of the truth at the start.
    pub clock_ahead: Span,
    /// The machine's crystal.
    pub crystal: Crystal,
    /// What the kernel's rounding adds to the rate of its clock.
    pub kernel_rate_error: f64,
    /// The servers that exist.
    pub servers: Vec<Server>,
    /// The reference clocks of the machine, with their lines.
    pub devices: Vec<Device>,
    /// The network card, if it stamps packets.
    pub card: Option<Card>,
    /// The configured lines.
    pub sources: Vec<SourceConfig>,
    /// Names the resolver knows, and from how many seconds after the start on. Of several entries the last one that
    /// has begun holds; a name without one takes long to fail.
    pub names: Vec<(String, f64, Vec<IpAddr>)>,
    /// The address file.
    pub last_good: Vec<LastGood>,
    /// There is no route to these: nothing can be sent to them.
    pub unroutable: Vec<IpAddr>,
    /// The key file.
    pub keys: KeyTable,
    /// What the configuration says of NTS.
    pub nts: NtsPolicy,
    /// Directives.
    pub settings: Settings,
    /// True time; `start` and all other moments are steady.
    pub timeline: Timeline,
    /// What the leap second file says, each from so many seconds after the start on.
    pub leap_tables: Vec<(f64, LeapTable)>,
    /// slewd is started with `-r`: it reads the dump files of the last run.
    pub recalls: bool,
    /// When slewd is started again the machine counts as booted anew.
    pub boots: bool,
    /// The sensor of `tempcomp`.
    pub thermometer: Option<SensorModel>,
    /// Contents and age of the drift file.
    pub drift: Option<(DriftRecord, Span)>,
    /// Packets cannot be sent before this many seconds after the start.
    pub network_up_s: f64,
    /// There is no network between these moments, in seconds after the start.
    pub outages: Vec<(f64, f64)>,
    /// The clock may only be looked at (`-x`, or no privilege).
    pub observes_only: bool,
    /// The kernel refuses every command between these moments, in seconds after the start.
    pub refusals: Vec<(f64, f64)>,
    /// The daemon is told at once when somebody else sets the clock.
    pub notices_clock_set: bool,
    /// What else happens, in seconds after the start.
    pub happenings: Vec<(f64, Happening)>,
    /// Length of the run in seconds.
    pub length_s: f64,
    /// The error of the clock is recorded this often.
    pub record_every: Span,
}

/// A sensor beside the crystal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SensorModel {
    /// Temperature on average.
    pub mean: f64,
    /// How far it swings, with a sine that begins with the run...
    pub swing: f64,
    /// ...and has this period in seconds.
    pub period_s: f64,
    /// The sensor rounds to multiples of this.
    pub resolution: f64,
}

impl SensorModel {
    /// What it says so many seconds after the start.
    pub fn read(&self, since_s: f64) -> f64 {
        let temperature = self.mean + self.swing * libm::sin(std::f64::consts::TAU * since_s / self.period_s);
        (temperature / self.resolution).round() * self.resolution
    }
}

/// Something that happens to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Another program sets the clock forward by this much.
    ForeignStep(Span),
    /// Another program gives the clock this rate (parts in 10^9) and this slew.
    ForeignSteering(i64, Span),
    /// slewd is stopped for this long, and everything else goes on.
    Stall(Span),
    /// The kernel reports that the network has changed.
    NetworkChanged,
    /// Somebody sets all sources online or offline.
    SetOnline(bool),
    /// Suspended for this long; the kernel's idea of how long is off by the second number.
    Suspend(Span, Span),
    /// A virtual machine is paused for this long and is not told.
    Pause(Span),
    /// slewd is killed, and started again with the files it last wrote.
    Restart,
    /// slewd ends in peace, and is started again after this long.
    Stop(Span),
}

impl Scenario {
    /// One server at each of these links, `iburst`, `makestep 1 3`, a clock that is right and a quiet crystal.
    pub fn new(seed: u64, links: &[Link]) -> Self {
        let addresses = || (0..links.len()).map(|index| IpAddr::V4(Ipv4Addr::new(192, 0, 2, index as u8 + 1)));
        let source = |address| SourceConfig {
            host: Host::Address(address),
            pool: false,
            options: SourceOptions { iburst: true, ..SourceOptions::default() },
        };
        let makestep = Some(MakeStep { threshold_s: 1.0, limit: 3 });
        Scenario {
            seed,
            // 2026-11-20: an ordinary day, not the end of a month.
            mode: Mode::Discipline,
            is_brief: false,
            start: Utc::from_secs(1_795_132_800),
            clock_ahead: Span::ZERO,
            crystal: Crystal::default(),
            kernel_rate_error: 0.0,
            servers: addresses().zip(links).map(|(address, link)| Server::honest(address, link.clone())).collect(),
            devices: Vec::new(),
            card: None,
            sources: addresses().map(source).collect(),
            names: Vec::new(),
            last_good: Vec::new(),
            unroutable: Vec::new(),
            keys: KeyTable::default(),
            nts: NtsPolicy::STRICT,
            settings: Settings { makestep, rtc_sync: true, ..Settings::default() },
            timeline: Timeline::default(),
            leap_tables: Vec::new(),
            recalls: false,
            boots: false,
            thermometer: None,
            drift: None,
            network_up_s: 0.0,
            outages: Vec::new(),
            observes_only: false,
            refusals: Vec::new(),
            notices_clock_set: false,
            happenings: Vec::new(),
            length_s: 4000.0,
            record_every: Span::from_secs(1),
        }
    }

    /// `count` servers on equal links: 10 ms away, 1 ms of jitter each way.
    pub fn pool(seed: u64, count: usize) -> Self {
        Scenario::new(seed, &vec![Link::symmetric(0.01, 0.001); count])
    }
}
