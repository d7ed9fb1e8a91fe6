//! Anything from the network, and clock readings that cannot be: refused and counted, never a panic, and never a
//! command that no clock could carry out.

use std::net::{IpAddr, Ipv4Addr};

use fastrand::Rng;
use slewd::core::api::command::{Applied, ClockCommand};
use slewd::core::api::event::Event;
use slewd::core::api::exchange::{ExchangeId, Stamp, Undelivered};
use slewd::core::api::flaw::Flaw;
use slewd::core::api::monitoring::{Address, SelectOptions};
use slewd::core::api::order::{Order, Parameter, Whom};
use slewd::core::api::output::Output;
use slewd::core::api::record::Wanted;
use slewd::core::api::reference_clock::{ClockConfig, ClockId, DeviceTime, Driver, Moment, Reading};
use slewd::core::api::settings::Mode;
use slewd::core::api::settings::{Host, MakeStep, Settings, SourceConfig, SourceOptions};
use slewd::core::api::source_id::ReferenceId;
use slewd::core::clock::slew::MAX_PHASE;
use slewd::core::engine::{Engine, Floor, Input, Start, What};
use slewd::core::estimate::FrequencyPrior;
use slewd::core::source::Refusal;
use slewd::report::log_file;
use slewd::sim::link::Link;
use slewd::sim::server::Server;
use slewd::sim::timeline::Timeline;
use slewd::time::{BUILD_EPOCH, ClockReading, Leap, NtpTimestamp, Raw, Span, Utc};
use slewd::wire::ntp::{HEADER_LEN, Request, encode_kiss};

/// All log files.
const EVERYTHING: Wanted = Wanted {
    measurements: true,
    raw_measurements: true,
    statistics: true,
    tracking: true,
    selection: true,
    temperature: true,
    reference_clocks: true,
};

/// True time at the start of each run.
const START: Utc = Utc::from_secs(1_795_132_800);
const SOURCES: u8 = 5;
/// Replies kept for being played again.
const REPLAYED: usize = 32;

/// A clock of the machine, and pulses that are locked to it.
fn clocks() -> Vec<ClockConfig> {
    let id = |text| ReferenceId::new(text).expect("a reference ID");
    let phc = Driver::Phc { device: "/dev/ptp0".to_owned(), cross: true };
    let pps = Driver::Pps { device: "/dev/pps0".to_owned(), clear: false };
    vec![
        ClockConfig { poll: 3, ..ClockConfig::new(id("PHC"), phc) },
        ClockConfig { poll: 3, lock: Some(id("PHC")), pps: true, ..ClockConfig::new(id("PPS"), pps) },
    ]
}

/// An engine, its open requests, and a clock that may lie.
struct Rig {
    engine: Engine,
    rng: Rng,
    /// Seconds since the start, by truth and by the counter.
    elapsed: Span,
    /// How far the clock is ahead.
    ahead: Span,
    slept: Span,
    open: Vec<(ExchangeId, [u8; HEADER_LEN])>,
    old: Vec<Vec<u8>>,
    inputs: u64,
    steps: u64,
    steers: u64,
    events: Vec<Event>,
    finished: bool,
}

impl Rig {
    fn new(seed: u64, mode: Mode, clocks: Vec<ClockConfig>) -> Rig {
        let source = |index: u8| SourceConfig {
            host: match index {
                4 => Host::Name("pool.example".into()),
                _ => Host::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, index + 1))),
            },
            pool: index == 4,
            options: SourceOptions {
                iburst: true,
                max_delay_ratio: if index == 0 { 1.5 } else { 0.0 },
                max_delay_dev_ratio: if index == 1 { 0.1 } else { 0.0 },
                max_delay_quant: if index == 2 { 0.5 } else { 0.0 },
                presend: if index == 3 { 6 } else { 100 },
                xleave: index == 1 || index == 3,
                ..SourceOptions::default()
            },
        };
        let makestep = Some(MakeStep { threshold_s: 1.0, limit: if seed.is_multiple_of(2) { 3 } else { -1 } });
        let start = Start {
            is_brief: false,
            settings: Settings { makestep, rtc_sync: true, records: EVERYTHING, ..Settings::default() },
            sources: (0..SOURCES).map(source).collect(),
            clocks,
            last_good: Vec::new(),
            mode,
            prior: FrequencyPrior::unknown(),
            floor: Floor { utc: BUILD_EPOCH, from_drift_file: false },
            drift_interval: Span::from_secs(3600),
            leap_table: None,
            seed: (u128::from(seed) + 1).to_le_bytes(),
        };
        let ahead = Span::from_secs(if seed.is_multiple_of(3) { 0 } else { 100 });
        let now = ClockReading {
            raw: Raw::from_nanos(1_000_000_000),
            utc: START + ahead,
            width: Span::ZERO,
            slept: Span::ZERO,
        };
        let mut rig = Rig {
            engine: Engine::new(start, now),
            rng: Rng::with_seed(seed),
            elapsed: Span::ZERO,
            ahead,
            slept: Span::ZERO,
            open: Vec::new(),
            old: Vec::new(),
            inputs: 0,
            steps: 0,
            steers: 0,
            events: Vec::new(),
            finished: false,
        };
        rig.drain();
        rig.feed(What::Wake);
        rig
    }

    fn now(&self) -> ClockReading {
        ClockReading {
            raw: Raw::from_nanos(1_000_000_000) + self.elapsed,
            utc: START + self.elapsed + self.ahead,
            width: Span::ZERO,
            slept: self.slept,
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp::of_kernel(self.now().raw)
    }

    fn feed(&mut self, what: What<'_>) {
        self.feed_at(self.now(), what);
    }

    fn feed_at(&mut self, now: ClockReading, what: What<'_>) {
        self.inputs += 1;
        self.engine.handle_input(Input { now, what });
        self.drain();
        let sources = self.engine.sources();
        for (index, source) in sources.iter().enumerate() {
            let mut others = sources[..index].iter();
            assert!(others.all(|other| other.slot != source.slot && other.id() != source.id()), "{sources:?}");
        }
    }

    /// Performs what the engine wants, with suspicion.
    fn drain(&mut self) {
        for _ in 0..10_000 {
            match self.engine.poll_output() {
                Output::Timeout { .. } => return,
                Output::Clock(command) => self.command(command),
                Output::Send { exchange, packet, .. } => {
                    let header = *packet.first_chunk().expect("a header");
                    self.open.push((exchange, header));
                    if self.rng.f64() < 0.9 {
                        let stamp = self.stamp();
                        let awaits_hardware = self.rng.f64() < 0.1;
                        let what = What::Sent { exchange, stamp, from: None, awaits_hardware };
                        self.engine.handle_input(Input { now: self.now(), what });
                    }
                }
                Output::Close(exchange) => self.open.retain(|(open, _)| *open != exchange),
                Output::Event(event) => self.events.push(event),
                Output::Finish { .. } => self.finished = true,
                Output::Record(record) => {
                    let line = log_file::line(&record);
                    assert!(line.is_ascii() && !line.contains("NaN") && !line.contains("inf"), "{line}");
                }
                Output::Resolve { .. } | Output::Save(_) | Output::SaveAddresses(_) => {}
                Output::ReadClock(clock) => self.read_clock(clock),
                Output::ReadLeapData | Output::ReadTemperature => {}
                Output::EstablishKeys(_) | Output::AbandonKeys(_) => {}
            }
        }
        panic!("the engine does not come to rest");
    }

    /// A device that tells the time, or anything else.
    fn read_clock(&mut self, clock: ClockId) {
        let now = self.now();
        let off = match self.rng.u8(..8) {
            0 => Span::from_secs(self.rng.i64(-100..100)),
            1 => Span::from_nanos(self.rng.i64(..)),
            _ => Span::from_nanos(self.rng.i64(-1_000_000..1_000_000)),
        };
        let at = if self.rng.bool() { Moment::System(now.utc - off) } else { Moment::Counter(now.raw - off) };
        let time = DeviceTime {
            at,
            time: now.utc + Span::from_nanos(self.rng.i64(-1000..1000)) + off,
            margin: Span::from_nanos(self.rng.i64(0..1000)),
            is_pulse: clock.0 == 1,
            leap: Leap::Normal,
            precision: self.rng.bool().then(|| self.rng.i8(..)),
        };
        let reading = match self.rng.u8(..6) {
            0 => Reading::Absent,
            1 => Reading::Nothing,
            2 => Reading::Unwell(Flaw::DeviceRate),
            _ => Reading::Time(time),
        };
        self.engine.handle_input(Input { now, what: What::Reading { clock, reading } });
    }

    fn command(&mut self, command: ClockCommand) {
        let applied = match command {
            ClockCommand::Step { by } => {
                self.steps += 1;
                self.ahead += by;
                Applied::Stepped { by }
            }
            ClockCommand::Steer { frequency, phase, time_constant } => {
                self.steers += 1;
                assert!(frequency.is_finite() && frequency.abs() <= 0.1, "{command:?}");
                assert!(phase.abs() <= MAX_PHASE && time_constant <= 10, "{command:?}");
                // A clock that slews at once: what it cannot do yet is not the matter here.
                self.ahead += phase;
                Applied::Steered { frequency, phase: Span::ZERO, time_constant }
            }
            ClockCommand::SetTai { tai_s } => Applied::TaiSet { tai_s },
            ClockCommand::Report(report) => {
                assert!(report.max_error >= Span::ZERO && report.est_error >= Span::ZERO, "{command:?}");
                Applied::Reported
            }
        };
        self.engine.handle_input(Input { now: self.now(), what: What::Applied(applied) });
    }

    /// Lets time pass: mostly until something is due.
    fn pass(&mut self) {
        let ms = match self.rng.u32(..10) {
            0..=5 => self.rng.i64(1..100),
            6..=8 => self.rng.i64(1..4000),
            _ => self.rng.i64(1..300_000),
        };
        self.elapsed += Span::from_millis(ms);
    }

    /// An honest answer to an open request: the way there and back takes 10 ms each.
    fn honest(&mut self) -> Option<(ExchangeId, Vec<u8>)> {
        let place = self.rng.usize(..self.open.len().max(1));
        let (exchange, packet) = *self.open.get(place)?;
        let link = Link::symmetric(0.01, 0.0);
        let server = Server::honest(IpAddr::V4(Ipv4Addr::LOCALHOST), link);
        let (bytes, _) = server.answer(&packet, &Timeline::default(), START + self.elapsed, 0.0, 0)?;
        self.old.push(bytes.clone());
        if self.old.len() > REPLAYED {
            self.old.remove(0);
        }
        Some((exchange, bytes))
    }

    /// A datagram of some evil kind for an open (or long closed) exchange.
    fn evil(&mut self) -> Option<(ExchangeId, Vec<u8>)> {
        let (exchange, mut bytes) = self.honest()?;
        let rng = &mut self.rng;
        match rng.u32(..14) {
            0 => bytes = (0..rng.usize(..1200)).map(|_| rng.u8(..)).collect(),
            1 => bytes.truncate(rng.usize(..HEADER_LEN)),
            2 => bytes.extend((0..4 * rng.usize(1..20)).map(|_| rng.u8(..))),
            3 => bytes[rng.usize(..HEADER_LEN)] ^= 1 << rng.u32(..8),
            4 => {
                let from = 4 * rng.usize(..HEADER_LEN / 4);
                bytes[from..from + 4].copy_from_slice(&rng.u32(..).to_be_bytes());
            }
            5 => {
                // Everything but the cookie is random.
                let cookie: Vec<u8> = bytes[24..32].to_vec();
                (3..HEADER_LEN).for_each(|at| bytes[at] = rng.u8(..));
                bytes[24..32].copy_from_slice(&cookie);
            }
            6 => bytes = self.old[self.rng.usize(..self.old.len())].clone(),
            7 => {
                let request = self.open.iter().find(|(open, _)| *open == exchange)?.1;
                let mut request = Request::decode(&request)?;
                request.cookie.0 ^= 1;
                let code = [b"RATE", b"DENY", b"RSTR", b"XXXX"][rng.usize(..4)];
                bytes = encode_kiss(&request, code).to_vec();
            }
            12 => {
                // What the server said before, as if it answered this request.
                let cookie = bytes[24..32].to_vec();
                let old = self.old.len().saturating_sub(2);
                bytes = self.old[old].clone();
                bytes[24..32].copy_from_slice(&cookie);
            }
            13 => {
                // As if the server told of an exchange before.
                let request = self.open.iter().find(|(open, _)| *open == exchange)?.1;
                let asked = Request::decode(&request)?.interleaved?;
                bytes[24..32].copy_from_slice(&asked.cookie.0.to_be_bytes());
                let odd = START + self.elapsed - Span::from_millis(self.rng.i64(-10..200_000));
                let about = asked.about.0.to_be_bytes();
                let told =
                    self.old.iter().find(|old| old.get(32..40) == Some(&about[..])).and_then(|old| old.get(40..48));
                let transmit = NtpTimestamp::from_utc(odd).0.to_be_bytes();
                bytes[40..48].copy_from_slice(told.filter(|_| self.rng.bool()).unwrap_or(&transmit));
            }
            8 => bytes[4..12].copy_from_slice(&rng.u64(..).to_be_bytes()),
            9 => bytes[32..48].fill(0),
            10 => bytes.extend([0; 20]),
            _ => {
                let receive = rng.u64(..);
                // Less than a second apart, or anything.
                let transmit = if rng.bool() { receive.wrapping_add(rng.u64(..1 << 32)) } else { rng.u64(..) };
                bytes[32..40].copy_from_slice(&receive.to_be_bytes());
                bytes[40..48].copy_from_slice(&transmit.to_be_bytes());
            }
        }
        Some((exchange, bytes))
    }

    fn datagram(&mut self, packet: Option<(ExchangeId, Vec<u8>)>) {
        match packet {
            Some((exchange, bytes)) => {
                let arrived = self.stamp();
                self.feed(What::Datagram { exchange, bytes: &bytes, arrived });
            }
            None => self.feed(What::Wake),
        }
    }

    /// Numbers that a broken kernel or a broken shell might come up with.
    fn absurd(&mut self) -> i64 {
        let exponent = self.rng.u32(..63);
        let around = self.now().raw.nanos();
        match self.rng.u32(..8) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => 0,
            3 => -1,
            4 => around.saturating_add(self.rng.i64(-5_000_000_000..5_000_000_000)),
            _ => self.rng.i64(..) >> exponent,
        }
    }

    fn absurd_input(&mut self) {
        let mut now = self.now();
        for part in 0..4 {
            if self.rng.u32(..4) == 0 {
                let number = self.absurd();
                match part {
                    0 => now.raw = Raw::from_nanos(number),
                    1 => now.utc = Utc::from_nanos(number),
                    2 => now.width = Span::from_nanos(number),
                    _ => now.slept = Span::from_nanos(number),
                }
            }
        }
        let exchange = ExchangeId(self.rng.u64(..self.inputs + 10));
        let at = Raw::from_nanos(self.absurd());
        let stamp = match self.rng.u32(..3) {
            0 => Stamp::of_daemon(at),
            1 => Stamp::of_kernel(at),
            _ => Stamp::of_hardware(at, Span::from_nanos(self.absurd())),
        };
        match self.rng.u32(..12) {
            11 => self.feed_at(now, What::Stamped { exchange, stamp }),
            0 => self.feed_at(now, What::Wake),
            10 => self.absurd_order(now),
            9 => {
                let line = |_| SourceConfig {
                    host: Host::Address(IpAddr::from([192, 0, 2, self.rng.u8(..40)])),
                    pool: self.rng.bool(),
                    options: SourceOptions { filter: self.rng.u32(..3), ..SourceOptions::default() },
                };
                let lines: Vec<SourceConfig> = (0..20).map(line).collect();
                self.feed_at(now, What::Reload { lines: &lines[..lines.len() / 2] });
            }
            1 => {
                let awaits_hardware = self.rng.bool();
                self.feed_at(now, What::Sent { exchange, stamp, from: None, awaits_hardware });
            }
            2 => {
                let all = [Undelivered::NeverLeft(Flaw::NoRoute), Undelivered::PortClosed, Undelivered::AddressGone];
                let why = all[self.rng.usize(..all.len())];
                self.feed_at(now, What::Unreachable { exchange, why });
            }
            3 => {
                let addresses: Vec<IpAddr> =
                    (0..self.rng.usize(..20)).map(|_| IpAddr::from(self.rng.u32(..).to_be_bytes())).collect();
                let line = self.rng.usize(..usize::from(SOURCES) + 2);
                self.feed_at(now, What::Resolved { line, addresses: &addresses });
            }
            4 => {
                let by = Span::from_nanos(self.absurd());
                let frequency = [f64::NAN, f64::INFINITY, -1e300, 0.05, 0.0][self.rng.usize(..5)];
                let applied = match self.rng.u32(..4) {
                    0 => Applied::Stepped { by },
                    1 => Applied::Steered { frequency, phase: by, time_constant: self.rng.u8(..) },
                    2 => Applied::Observed { is_step: self.rng.bool() },
                    _ => Applied::Failed { disobeys: self.rng.bool() },
                };
                self.feed_at(now, What::Applied(applied));
            }
            _ => {
                let packet = if self.rng.bool() { self.honest() } else { self.evil() };
                let Some((exchange, bytes)) = packet else { return self.feed_at(now, What::Wake) };
                let arrived = if self.rng.bool() { stamp } else { self.stamp() };
                self.feed_at(now, What::Datagram { exchange, bytes: &bytes, arrived });
            }
        }
    }
}

impl Rig {
    /// Nothing that people order does harm, nor what they see then.
    fn absurd_order(&mut self, now: ClockReading) {
        let order = self.some_order();
        let result = self.engine.handle_order(order.clone(), &now);
        self.drain();
        let snapshot = self.engine.snapshot(&now);
        let text = format!("{snapshot:?}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{order:?} {result:?}: {text}");
        assert_eq!(snapshot.sources.len(), self.engine.source_count());
        for (index, source) in snapshot.sources.iter().enumerate() {
            assert_eq!(self.engine.find_source(source.data.address), Some(index), "{text}");
        }
    }

    fn some_order(&mut self) -> Order {
        let number = self.absurd();
        let real = [f64::NAN, f64::INFINITY, f64::MIN, -1.0, 0.0, 1e-6, 10.0, 1e9, number as f64][self.rng.usize(..9)];
        let ip = IpAddr::from([192, 0, 2, self.rng.u8(..40)]);
        let address = match self.rng.u32(..8) {
            0 => Address::Unspecified,
            1 => Address::Id(self.rng.u32(..20)),
            _ => Address::Ip(ip),
        };
        let whom = match self.rng.u32(..3) {
            0 => Whom::All,
            1 => Whom::One(address),
            _ => Whom::Net { address: ip, mask: IpAddr::from(self.rng.u32(..).to_be_bytes()) },
        };
        let whole = self.rng.i32(..) >> self.rng.u32(..32);
        let parameter = match self.rng.u32(..9) {
            0 => Parameter::MinPoll(whole),
            1 => Parameter::MaxPoll(whole),
            2 => Parameter::MaxDelay(real),
            3 => Parameter::MaxDelayRatio(real),
            4 => Parameter::MaxDelayDevRatio(real),
            5 => Parameter::MinStratum(whole),
            6 => Parameter::PollTarget(whole),
            7 => Parameter::Offset(real),
            _ => {
                let mut options = || SelectOptions(self.rng.u16(..16));
                Parameter::Select { mask: options(), options: options() }
            }
        };
        match self.rng.u32(..16) {
            0 => Order::SetOnline { whom, online: self.rng.bool() },
            1 => Order::Burst { whom, good: self.rng.u32(..5), most: self.rng.u32(..9) },
            2 => {
                let host =
                    if self.rng.bool() { Host::Address(ip) } else { Host::Name(format!("name-{whole}.example")) };
                let options = SourceOptions { offset_s: real, ..SourceOptions::default() };
                Order::Add(Box::new(SourceConfig { host, pool: self.rng.bool(), options }))
            }
            3 => Order::Delete(address),
            4 => Order::Refresh,
            5 => Order::ResetSources,
            6 => Order::Reselect,
            7 => Order::ReselectDistance(real),
            8 => Order::MakeStep,
            9 => Order::SetMakeStep(MakeStep { threshold_s: real, limit: whole }),
            10 => Order::MaxUpdateSkew(real),
            11 => Order::AddFrequency(real),
            12 => Order::AddOffset(real),
            _ => Order::Change { source: address, parameter },
        }
    }
}

/// Every datagram is either used or counted under its reason.
fn check_tallies(engine: &Engine, refused: &mut [u64; Refusal::ALL.len()]) {
    for source in engine.sources() {
        let tally = &source.tally;
        let reasons: u64 = Refusal::ALL.iter().map(|reason| tally.refused(*reason)).sum();
        let accounted = tally.accepted + tally.unsynchronised + tally.kisses + reasons;
        assert_eq!(accounted, tally.received, "{tally:?}");
        for (sum, reason) in refused.iter_mut().zip(Refusal::ALL) {
            *sum += tally.refused(reason);
        }
    }
}

#[test]
fn hostile_packets_are_refused_and_counted() {
    let (mut inputs, mut refused) = (0, [0; Refusal::ALL.len()]);
    for seed in 0..60 {
        let mut rig = Rig::new(seed, Mode::Discipline, clocks());
        for _ in 0..2000 {
            rig.pass();
            let packet = if rig.rng.f64() < 0.4 { rig.honest() } else { rig.evil() };
            rig.datagram(packet);
        }
        check_tallies(&rig.engine, &mut refused);
        inputs += rig.inputs;
    }
    println!("{inputs} inputs");
    for (count, reason) in refused.iter().zip(Refusal::ALL) {
        println!("{count:>8} {reason:?}");
        // The engine closes sockets it expects nothing from: nothing reaches a source without a request. No source here has
        // a certificate.
        let is_possible = !matches!(reason, Refusal::NoRequest | Refusal::CertificateDates);
        assert_eq!(*count > 0, is_possible, "{reason:?}");
    }
    assert!(inputs >= 100_000);
}

#[test]
fn kisses_that_answer_nothing_have_no_effect() {
    for seed in 0..20 {
        let mut rig = Rig::new(seed, Mode::Discipline, Vec::new());
        for _ in 0..500 {
            rig.elapsed += Span::from_millis(500);
            for (exchange, packet) in rig.open.clone() {
                for code in [b"RATE", b"DENY", b"RSTR"] {
                    let mut request = Request::decode(&packet).expect("our own request");
                    request.cookie.0 = request.cookie.0.wrapping_add(rig.rng.u64(1..));
                    let bytes = encode_kiss(&request, code);
                    let arrived = rig.stamp();
                    rig.feed(What::Datagram { exchange, bytes: &bytes, arrived });
                }
            }
            let packet = rig.honest();
            rig.datagram(packet);
        }
        let is_kiss = |event: &Event| matches!(event, Event::KissRate(_) | Event::KissDeny(..));
        assert!(!rig.events.iter().any(is_kiss), "{:?}", rig.events);
        assert!(rig.engine.sources().iter().all(|source| source.tally.kisses == 0));
        assert!(rig.engine.is_synchronised() && rig.ahead.abs() < Span::from_secs(2), "{:?}", rig.ahead);
    }
}

#[test]
fn absurd_readings_do_no_harm() {
    let (mut inputs, mut steps, mut steers) = (0, 0, 0);
    for seed in 0..150 {
        let mode =
            [Mode::Discipline, Mode::Discipline, Mode::Discipline, Mode::SetOnce, Mode::MeasureOnce][seed as usize % 5];
        let mut rig = Rig::new(1000 + seed, mode, clocks());
        for _ in 0..1000 {
            rig.pass();
            if rig.rng.f64() < 0.3 {
                let packet = rig.honest();
                rig.datagram(packet);
            } else {
                rig.absurd_input();
            }
        }
        check_tallies(&rig.engine, &mut [0; Refusal::ALL.len()]);
        (inputs, steps, steers) = (inputs + rig.inputs, steps + rig.steps, steers + rig.steers);
    }
    println!("{inputs} inputs, {steps} steps, {steers} slews");
    assert!(inputs >= 100_000 && steps > 0 && steers > 0);
}
