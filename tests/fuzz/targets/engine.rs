//! The engine with everything around it made of bytes: packets, stamps, clock readings, lookups, keys and cookies of NTS, what
//! the kernel did.
//!
//! However absurd that is, commands can be carried out, what is published is finite, and no bound is negative.

use std::net::{IpAddr, Ipv4Addr};

use slewd::core::api::command::{Applied, ClockCommand};
use slewd::core::api::exchange::{ExchangeId, Stamp, Undelivered};
use slewd::core::api::flaw::Flaw;
use slewd::core::api::nts::{Established, EstablishmentId, KeyFailure, KeyPair, Stage, Window};
use slewd::core::api::output::Output;
use slewd::core::api::settings::{Host, MakeStep, Mode, Settings, SourceConfig, SourceOptions};
use slewd::core::clock::slew::MAX_PHASE;
use slewd::core::engine::{Engine, Floor, Input, NtsPolicy, Start, What};
use slewd::core::estimate::FrequencyPrior;
use slewd::time::{BUILD_EPOCH, ClockReading, NtpTimestamp, Raw, Span, Utc};
use slewd::wire::ntp::HEADER_LEN;
use slewd::wire::nts::aead::{Algorithm, Key};
use slewd::wire::nts::fields::{Asked, nak, reply};
use slewd::wire::nts::{MOST_COOKIES, NtsCookie};
use slewd::wire::secret::Secret;

/// Most outputs between two inputs: an engine that has more to say never comes to rest.
const MOST_OUTPUTS: usize = 10_000;

/// Inputs of one run, so that a thousand runs take a second: what comes after them could as well come in another.
const MOST_INPUTS: usize = 60;

/// Inputs between two looks at the report, whose text takes longer than all the rest.
const REPORT_EACH: usize = 20;

/// The source whose number this divides has NTS if the first byte says so.
const NTS_EACH: u8 = 2;

/// No clock is steered by more: ten percent.
const MOST_FREQUENCY: f64 = 0.1;

/// Bytes, and nothing but zeros after them.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// Anything, but small numbers more often.
    fn nanos(&mut self) -> i64 {
        let shift = self.byte() % 64;
        self.number() as i64 >> shift
    }
}

struct Rig<'a> {
    bytes: Bytes<'a>,
    engine: Engine,
    elapsed: Span,
    ahead: Span,
    slept: Span,
    open: Vec<(ExchangeId, Vec<u8>)>,
    establishments: Vec<EstablishmentId>,
    is_finished: bool,
}

pub(crate) fn run(data: &[u8]) {
    let mut rig = Rig::new(Bytes(data));
    for input in 1..=MOST_INPUTS {
        if rig.bytes.0.is_empty() || rig.is_finished {
            break;
        }
        rig.turn();
        rig.check_numbers();
        if input.is_multiple_of(REPORT_EACH) {
            rig.check_report();
        }
    }
    rig.check_report();
}

impl<'a> Rig<'a> {
    fn new(mut bytes: Bytes<'a>) -> Self {
        let kind = bytes.byte();
        let source = |index: u8| SourceConfig {
            host: match index {
                3 => Host::Name("pool.example".into()),
                _ => Host::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, index + 1))),
            },
            pool: index == 3,
            options: SourceOptions {
                iburst: kind & 1 > 0,
                xleave: index == 1,
                nts: kind & 32 > 0 && index.is_multiple_of(NTS_EACH),
                ..SourceOptions::default()
            },
        };
        let makestep = Some(MakeStep { threshold_s: 1.0, limit: if kind & 2 > 0 { -1 } else { 3 } });
        let start = Start {
            is_brief: kind & 4 > 0,
            settings: Settings { makestep, ..Settings::default() },
            sources: (0..1 + kind / 8 % 4).map(source).collect(),
            clocks: Vec::new(),
            last_good: Vec::new(),
            mode: [Mode::Discipline, Mode::SetOnce, Mode::MeasureOnce, Mode::Discipline][usize::from(kind >> 6)],
            prior: FrequencyPrior::measured(0.0, 1e-4),
            floor: Floor { utc: BUILD_EPOCH, from_drift_file: false },
            drift_interval: Span::from_secs(3600),
            leap_table: None,
            seed: [7; 16],
        };
        let now = ClockReading { raw: Raw::from_nanos(0), utc: BUILD_EPOCH, width: Span::ZERO, slept: Span::ZERO };
        let mut engine = Engine::new(start, now);
        engine.use_nts(NtsPolicy { is_provisional: kind & 2 > 0, ..NtsPolicy::STRICT });
        let (elapsed, ahead, slept) = (Span::ZERO, Span::ZERO, Span::ZERO);
        Rig { bytes, engine, elapsed, ahead, slept, open: Vec::new(), establishments: Vec::new(), is_finished: false }
    }

    fn now(&self) -> ClockReading {
        let raw = Raw::from_nanos(0) + self.elapsed;
        ClockReading {
            raw,
            utc: BUILD_EPOCH + self.elapsed + self.ahead,
            width: Span::from_nanos(100),
            slept: self.slept,
        }
    }

    /// One input, of the kind that the next byte says.
    fn turn(&mut self) {
        let kind = self.bytes.byte();
        let stamp = |at| if kind & 16 > 0 { Stamp::of_kernel(at) } else { Stamp::of_daemon(at) };
        match kind % 16 {
            0..=2 => {
                self.elapsed += Span::from_millis(i64::from(self.bytes.byte()) << (kind >> 4));
                self.feed(self.now(), What::Wake);
            }
            3..=7 => {
                let Some((exchange, packet)) = self.answer() else { return self.feed(self.now(), What::Wake) };
                let at = self.now().raw + Span::from_nanos(1000 * i64::from(self.bytes.byte()));
                self.elapsed += Span::from_millis(1);
                self.feed(self.now(), What::Datagram { exchange, bytes: &packet, arrived: stamp(at) });
            }
            8 => {
                let packet = self.raw_packet();
                let exchange = ExchangeId(u64::from(self.bytes.byte()));
                let at = Raw::from_nanos(self.bytes.nanos());
                self.feed(self.now(), What::Datagram { exchange, bytes: &packet, arrived: stamp(at) });
            }
            9 => {
                let count = usize::from(self.bytes.byte() % 8);
                let addresses: Vec<_> = (0..count).map(|_| IpAddr::from([192, 0, 2, self.bytes.byte()])).collect();
                self.feed(self.now(), What::Resolved { line: usize::from(kind >> 5), addresses: &addresses });
            }
            10 => self.feed(self.now(), What::NetworkChanged),
            11 => {
                let why = [Undelivered::PortClosed, Undelivered::AddressGone, Undelivered::NeverLeft(Flaw::NoRoute)];
                let exchange = ExchangeId(u64::from(self.bytes.byte()));
                self.feed(self.now(), What::Unreachable { exchange, why: why[usize::from(kind >> 4) % 3] });
            }
            12 => {
                // Somebody sets the clock.
                self.ahead += Span::from_nanos(self.bytes.nanos() >> 8);
                self.feed(self.now(), What::Wake);
            }
            14 => {
                let Some(id) = self.establishments.pop() else { return self.feed(self.now(), What::Wake) };
                let outcome = self.keys();
                self.elapsed += Span::from_millis(1);
                self.feed(self.now(), What::Keys { id, outcome });
            }
            13 => {
                self.slept += Span::from_secs(i64::from(self.bytes.byte()));
                self.feed(self.now(), What::Wake);
            }
            _ => {
                let mut now = self.now();
                match kind >> 4 & 3 {
                    0 => now.raw = Raw::from_nanos(self.bytes.nanos()),
                    1 => now.utc = Utc::from_nanos(self.bytes.nanos()),
                    2 => now.width = Span::from_nanos(self.bytes.nanos()),
                    _ => now.slept = Span::from_nanos(self.bytes.nanos()),
                }
                self.feed(now, What::Wake);
            }
        }
    }

    /// A reply to an open request, honest but for the fields that bytes replace.
    fn answer(&mut self) -> Option<(ExchangeId, Vec<u8>)> {
        let choice = usize::from(self.bytes.byte());
        let (exchange, request) = self.open.get(choice % self.open.len().max(1))?;
        let exchange = *exchange;
        let ahead = Span::from_nanos(self.bytes.nanos() >> 16);
        let time = NtpTimestamp::from_utc(BUILD_EPOCH + self.elapsed + ahead).0.to_be_bytes();
        let mut packet = vec![0; HEADER_LEN];
        packet[..4].copy_from_slice(&[0x24, 2, request[2], 0xe8]);
        packet[16..24].copy_from_slice(&time);
        packet[24..32].copy_from_slice(&request[40..48]);
        packet[32..40].copy_from_slice(&time);
        packet[40..48].copy_from_slice(&time);
        for _ in 0..self.bytes.byte() % 8 {
            let at = usize::from(self.bytes.byte()) % HEADER_LEN;
            packet[at] = self.bytes.byte();
        }
        match Asked::read(request) {
            Some(asked) => self.vouched_for(&packet, &asked).map(|packet| (exchange, packet)),
            None => Some((exchange, packet)),
        }
    }

    /// The reply of a server with NTS: whoever has the keys may say anything. Others change what they like, or say NAK.
    fn vouched_for(&mut self, header: &[u8], asked: &Asked) -> Option<Vec<u8>> {
        let header = header.first_chunk()?;
        let how = self.bytes.byte();
        let cookies: Vec<NtsCookie> = (0..how % 16).filter_map(|number| NtsCookie::new(&[number; 64])).collect();
        let mut packet = match how >> 4 {
            0 => nak(header, &asked.unique),
            1 => header.to_vec(),
            _ => reply(header, &asked.unique, &cookies, &key(TO_CLIENT)?, &[how; 12])?,
        };
        if how >> 4 == 2 {
            let at = usize::from(self.bytes.byte()) % packet.len();
            packet[at] ^= self.bytes.byte();
        }
        Some(packet)
    }

    /// Keys, or none.
    fn keys(&mut self) -> Result<Box<Established>, KeyFailure> {
        let how = self.bytes.byte();
        let fail = |stage, flaw| Err(KeyFailure { stage, flaw, text: "text".to_owned() });
        let (Some(to_server), Some(to_client)) = (key(TO_SERVER), key(TO_CLIENT)) else {
            return fail(Stage::Start, Flaw::Unprotected);
        };
        match how >> 5 {
            0 => return fail(Stage::Connection, Flaw::KeyServerAway),
            1 => return fail(Stage::Session, Flaw::Certificate),
            _ => {}
        }
        let keys = KeyPair { to_server, to_client };
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1 + self.bytes.byte() % 6));
        let window = |bytes: &mut Bytes<'_>| {
            let from = BUILD_EPOCH + Span::from_nanos(bytes.nanos() >> 8);
            Window { from, until: from + Span::from_secs(i64::from(bytes.byte()) << 12) }
        };
        Ok(Box::new(Established {
            alternative: (how & 1 > 0).then(|| keys.clone()),
            keys,
            cookies: (0..=how % MOST_COOKIES as u8).filter_map(|number| NtsCookie::new(&[number; 64])).collect(),
            address: (address, 123).into(),
            server: (how & 8 > 0).then(|| address.to_string()),
            provisional: (how & 16 > 0).then(|| window(&mut self.bytes)),
        }))
    }

    fn raw_packet(&mut self) -> Vec<u8> {
        let length = usize::from(self.bytes.byte()).min(self.bytes.0.len());
        let (packet, rest) = self.bytes.0.split_at(length);
        self.bytes.0 = rest;
        packet.to_vec()
    }

    fn feed(&mut self, now: ClockReading, what: What<'_>) {
        self.engine.handle_input(Input { now, what });
        for _ in 0..MOST_OUTPUTS {
            match self.engine.poll_output() {
                Output::Timeout { .. } => return,
                Output::Clock(command) => {
                    let applied = self.carry_out(command);
                    self.engine.handle_input(Input { now: self.now(), what: What::Applied(applied) });
                }
                Output::Send { exchange, packet, .. } => {
                    self.open.push((exchange, packet.to_vec()));
                    let stamp = Stamp::of_kernel(self.now().raw);
                    let sent = What::Sent { exchange, stamp, from: None, awaits_hardware: false };
                    self.engine.handle_input(Input { now: self.now(), what: sent });
                }
                Output::EstablishKeys(request) => self.establishments.push(request.id),
                Output::Close(exchange) => self.open.retain(|(open, _)| *open != exchange),
                Output::Finish { .. } => {
                    self.is_finished = true;
                    return;
                }
                _ => {}
            }
        }
        panic!("the engine does not come to rest");
    }

    fn carry_out(&mut self, command: ClockCommand) -> Applied {
        match command {
            ClockCommand::Step { by } => {
                self.ahead += by;
                Applied::Stepped { by }
            }
            ClockCommand::Steer { frequency, phase, time_constant } => {
                assert!(frequency.is_finite() && frequency.abs() <= MOST_FREQUENCY, "{command:?}");
                assert!(phase.abs() <= MAX_PHASE && time_constant <= 10, "{command:?}");
                self.ahead += phase;
                Applied::Steered { frequency, phase: Span::ZERO, time_constant }
            }
            ClockCommand::SetTai { tai_s } => Applied::TaiSet { tai_s },
            ClockCommand::Report(report) => {
                assert!(report.max_error >= Span::ZERO && report.est_error >= Span::ZERO, "{command:?}");
                Applied::Reported
            }
        }
    }

    fn check_numbers(&self) {
        if let Some(tracking) = self.engine.tracking(&self.now()) {
            assert!(tracking.bound >= Span::ZERO && tracking.est_error >= Span::ZERO, "{tracking:?}");
        }
    }

    fn check_report(&self) {
        let text = format!("{:?}", self.engine.snapshot(&self.now()));
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}

/// Directions of keys.
const TO_SERVER: u8 = 1;
const TO_CLIENT: u8 = 2;

fn key(direction: u8) -> Option<Key> {
    Key::new(Algorithm::Gcm128Siv, Secret::new(vec![direction; Algorithm::Gcm128Siv.key_len()]))
}
