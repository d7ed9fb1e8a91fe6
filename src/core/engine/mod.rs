//! The deterministic engine: one call in, drain out.
//!
//! Call [`Engine::handle_input`] once, then [`Engine::poll_output`] until it returns [`Output::Timeout`]; perform each
//! output as it comes, and feed what became of it back as an input. Time enters only inside an [`Input`]. The engine
//! never blocks, and after the start it allocates nothing per packet.
//!
//! ```
//! use slewd::core::api::settings::{Settings, SourceConfig, SourceOptions};
//! use slewd::core::engine::{Engine, Floor, Input, Mode, Output, Start, What};
//! use slewd::core::estimate::FrequencyPrior;
//! use slewd::time::{BUILD_EPOCH, ClockReading, Raw, Span};
//!
//! let start = Start {
//!     settings: Settings::default(),
//!     sources: vec![SourceConfig { host: "192.0.2.1".into(), pool: false, options: SourceOptions::default() }],
//!     last_good: Vec::new(),
//!     mode: Mode::Discipline,
//!     is_brief: false,
//!     prior: FrequencyPrior::measured(0.0, 1e-4),
//!     floor: Floor { utc: BUILD_EPOCH, from_drift_file: false },
//!     drift_interval: Span::from_secs(3600),
//!     leap_table: None,
//!     seed: [7; 16],
//! };
//! let now = ClockReading { raw: Raw::from_nanos(0), utc: BUILD_EPOCH, width: Span::ZERO, slept: Span::ZERO };
//! let mut engine = Engine::new(start, now);
//! engine.handle_input(Input { now, what: What::Wake });
//! let mut requests = 0;
//! let wake_at = loop {
//!     match engine.poll_output() {
//!         Output::Send { to, .. } => {
//!             assert_eq!(to.port(), 123);
//!             requests += 1;
//!         }
//!         Output::Timeout { at, .. } => break at,
//!         // A real caller sets the clock's frequency here, tells people, and so on.
//!         _ => {}
//!     }
//! };
//! assert_eq!(requests, 1);
//! assert!(wake_at.is_some_and(|at| at > now.raw));
//! ```
//!
//! `membership` keeps the lines filled with sources, `exchanges` sends requests and takes replies, `network` heeds where they
//! can go, `selecting` decides whom to believe, `acquisition` holds the vote when that is not clear, `clock_control` moves the
//! clock, `rate` finds a counter that is far off, `leap_seconds` deals with leap seconds, `temp_comp` with the temperature, `reload` changes the lines, `recorder`
//! notes for the log files what the others do, `keys` says which sources have theirs, `dump_restore` keeps samples for the next run. `reporting` and `describing`
//! tell people who ask, `commands` and `source_commands` do what they order.

mod acquisition;
mod believed;
mod clock_control;
mod commands;
mod describing;
mod dump_restore;
mod exchanges;
mod flaws;
mod keys;
mod leap_seconds;
mod membership;
mod network;
mod rate;
mod recorder;
mod reload;
mod reporting;
mod selecting;
mod source_commands;
mod temp_comp;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use crate::core::api::command::{Applied, ClockCommand, ClockReport};
use crate::core::api::event::Event;
use crate::core::api::flaw::Flaw;
use crate::core::api::record::Record;
use crate::core::api::settings::{Settings, SourceConfig};
use crate::core::clock::discipline::Discipline;
use crate::core::clock::drift::DriftRecord;
use crate::core::clock::fallback_drift::Fallback;
use crate::core::clock::foreign_adjustments::Rivalry;
use crate::core::clock::leap::{LeapTable, LeapWatch};
use crate::core::clock::unrest::Unrest;
use crate::core::clock::update_history::Chronicle;
use crate::core::estimate::{Estimate, Estimator, FrequencyPrior, MAX_SOURCES};
use crate::core::pool::configured::Association;
use crate::core::pool::last_good::LastGood;
use crate::core::random::Random;
use crate::core::selection::sync_state::SyncState;
use crate::core::selection::{Favourite, Selection, Status};
use crate::core::source::Source;
use crate::core::source::measurement::{ExchangeId, Stamp, Undelivered};
use crate::core::source::network_changes::Changes;
use crate::time::{ClockReading, Leap, Raw, Span, Utc};
use crate::wire::packet::Packet;
use crate::wire::symmetric::KeyTable;

pub use dump_restore::PastFile;

/// What the engine is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Directives.
    pub settings: Settings,
    /// `server` and `pool` lines, in order.
    pub sources: Vec<SourceConfig>,
    /// From the address file: asked at once, beside the lookups.
    pub last_good: Vec<LastGood>,
    /// Run for ever, or once.
    pub mode: Mode,
    /// It ends soon (`-t`): as in one-shot mode, hosts that do not answer are not waited for.
    pub is_brief: bool,
    /// Frequency from the drift file or the kernel.
    pub prior: FrequencyPrior,
    /// Before any server has answered, the clock is not left earlier than this.
    pub floor: Floor,
    /// How often the drift file is written, at most.
    pub drift_interval: Span,
    /// What `leapseclist` or `leapsectz` says.
    pub leap_table: Option<LeapTable>,
    /// For cookies and for spreading requests.
    pub seed: [u8; 16],
}

/// The earliest believable time before any server has answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Floor {
    /// The time.
    pub utc: Utc,
    /// It is when the drift file was written, rather than the build epoch.
    pub from_drift_file: bool,
}

/// How long to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Keep the clock right.
    Discipline,
    /// `-q`: set it once.
    SetOnce,
    /// `-Q`: say how wrong it is.
    MeasureOnce,
}

/// Something happened.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// The clocks, read at this wake-up.
    pub now: ClockReading,
    /// What happened.
    pub what: What<'a>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What<'a> {
    /// The timeout was reached, or nothing in particular.
    Wake,
    /// A request left.
    Sent {
        /// The exchange of this request.
        exchange: ExchangeId,
        /// When the request left.
        stamp: Stamp,
        /// From which address, if that is known: the response will arrive there.
        from: Option<IpAddr>,
    },
    /// A request could not be sent, or an ICMP error answered it.
    Unreachable {
        /// The exchange of this request.
        exchange: ExchangeId,
        /// Why the request remains without an answer.
        why: Undelivered,
    },
    /// A datagram arrived on the socket of an exchange.
    Datagram {
        /// The exchange whose socket it is.
        exchange: ExchangeId,
        /// The content of the datagram.
        bytes: &'a [u8],
        /// When the datagram arrived.
        arrived: Stamp,
    },
    /// A lookup ended. Every failure is transient, and is an empty list.
    Resolved {
        /// From [`Output::Resolve`].
        association: usize,
        /// In the resolver's order.
        addresses: &'a [IpAddr],
    },
    /// The `.sources` files have been read, at the start or again: these are all their lines.
    Reload {
        /// In order.
        lines: &'a [SourceConfig],
    },
    /// A clock command was carried out.
    Applied(Applied),
    /// An interface, an address or a route has appeared: servers may be reachable that were not, or by another way.
    NetworkChanged,
    /// The file with leap seconds was read again.
    LeapData(&'a LeapTable),
    /// The sensor of `tempcomp` says this, in its own unit.
    Temperature(f64),
}

/// Something is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this from a new socket, and answer with [`What::Sent`] or [`What::Unreachable`].
    Send {
        /// Names the socket.
        exchange: ExchangeId,
        /// The server.
        to: SocketAddr,
        /// The request.
        packet: Packet,
    },
    /// Close the socket of this exchange.
    Close(ExchangeId),
    /// Look up the name of this association, and answer with [`What::Resolved`].
    Resolve {
        /// Its line is [`Engine::line`].
        association: usize,
    },
    /// Carry this out, and answer with [`What::Applied`].
    Clock(ClockCommand),
    /// Read the file with leap seconds again, and answer with [`What::LeapData`] if it could be read.
    ReadLeapData,
    /// Read the sensor of `tempcomp`, and answer with [`What::Temperature`] if it could be read.
    ReadTemperature,
    /// Write the drift file.
    Save(DriftRecord),
    /// Write the address file.
    SaveAddresses(Vec<LastGood>),
    /// Tell people.
    Event(Event),
    /// A line for a log file, if [`Settings::records`] wants it.
    Record(Box<Record>),
    /// Exit: with success or not.
    Finish {
        /// Exit status 0.
        success: bool,
    },
    /// Nothing more to do until this moment.
    Timeout {
        /// The moment; `None` is for ever.
        at: Option<Raw>,
        /// What will be due then: for debugging idle wake-ups.
        why: &'static str,
    },
}

/// A first frequency less certain than this is not worth disproving.
const WEAK_PRIOR_SD: f64 = 5e-5;

/// The whole client, without the world.
pub struct Engine {
    settings: Settings,
    mode: Mode,
    is_brief: bool,
    drift_interval: Span,
    random: Random,
    lines: Vec<reload::Line>,
    /// See [`reload::Line`].
    last_id: u32,
    /// From the last run.
    last_good: Vec<LastGood>,
    associations: Vec<Association>,
    sources: Vec<Source>,
    keys: KeyTable,
    /// When the clock was first set.
    set_at: Option<Raw>,
    /// The hosts of `initstepslew` are asked until then.
    initial_until: Option<Raw>,
    /// No source is replaced before this moment.
    replace_after: Option<Raw>,
    estimator: Estimator,
    prior: FrequencyPrior,
    prior_is_proven: bool,
    selection: Selection,
    favourite: Favourite,
    sync: SyncState,
    backing: acquisition::Backing,
    rate: rate::RateWatch,
    unrest: Unrest,
    discipline: Discipline,
    fallback: Fallback,
    seen: Raw,
    promised: Option<Raw>,
    slept: Span,
    changes: Changes,
    rivalry: Rivalry,
    leap: LeapWatch,
    warmth: Option<temp_comp::Warmth>,
    memory: dump_restore::Memory,
    announced: Announced,
    saved_at: Option<Raw>,
    saved: Option<DriftRecord>,
    last_exchange: ExchangeId,
    recorder: recorder::Recorder,
    chronicle: Chronicle,
    finished: bool,
    outputs: VecDeque<Output>,
}

/// What the log already says.
#[derive(Clone, Debug, Default)]
struct Announced {
    selected: Option<crate::core::api::event::Label>,
    error: Span,
    step_failed: bool,
    /// One-shot mode: the clock was told to step, and the answer decides how the run ends.
    one_shot: bool,
    /// Why each source is out, as far as that has been said.
    status: [Option<Status>; MAX_SOURCES],
    /// What is wrong with each source, as far as that has been said.
    flaw: [Option<Flaw>; MAX_SOURCES],
}

/// The state of the clock, for people and programs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tracking {
    /// The sources agree and the clock follows them.
    pub is_synchronised: bool,
    /// How far the clock is behind the estimate.
    pub error: Span,
    /// Expected error of the clock: standard deviation of the estimate, and what is still to be slewed.
    pub est_error: Span,
    /// Bound on the error of the estimate.
    pub bound: Span,
    /// The estimate itself.
    pub estimate: Estimate,
}

impl Engine {
    /// Everything is due at once: the first inputs should follow immediately.
    pub fn new(start: Start, now: ClockReading) -> Self {
        let recorder = recorder::Recorder::new(start.settings.records, now);
        let mut engine = Engine {
            discipline: Discipline::new(&start.settings),
            fallback: Fallback::new(start.settings.fallback_drift),
            leap: LeapWatch::new(&start.settings, start.leap_table, now.raw),
            warmth: start.settings.temp_comp.clone().map(|comp| temp_comp::Warmth::new(comp, now.raw)),
            settings: start.settings,
            mode: start.mode,
            is_brief: start.is_brief || start.mode != Mode::Discipline,
            drift_interval: start.drift_interval,
            random: Random::new(start.seed),
            lines: Vec::new(),
            last_id: 0,
            last_good: start.last_good,
            associations: Vec::new(),
            sources: Vec::new(),
            keys: KeyTable::default(),
            set_at: None,
            initial_until: None,
            replace_after: None,
            estimator: Estimator::new(start.prior),
            prior: start.prior,
            // A weak prior yields to the samples by itself.
            prior_is_proven: start.prior.sd > WEAK_PRIOR_SD,
            selection: Selection::empty(),
            favourite: Favourite::default(),
            sync: SyncState::START,
            backing: acquisition::Backing::default(),
            rate: rate::RateWatch::new(&start.prior),
            unrest: Unrest::default(),
            memory: dump_restore::Memory::default(),
            seen: now.raw,
            promised: None,
            slept: now.slept,
            changes: Changes::new(now.raw),
            rivalry: Rivalry::default(),
            announced: Announced::default(),
            saved_at: None,
            saved: None,
            last_exchange: ExchangeId(0),
            recorder,
            chronicle: Chronicle::new(now.raw),
            finished: false,
            outputs: VecDeque::with_capacity(64),
        };
        engine.record_unsynchronised();
        engine.feel(now.raw);
        engine.prepare_clock(start.floor, &now);
        engine.add_configured_lines(start.sources, now.raw);
        engine.add_first_sources(0..engine.associations.len(), now.raw);
        engine
    }

    /// Takes one input. Follow with [`Engine::poll_output`] until it returns a timeout.
    pub fn handle_input(&mut self, input: Input<'_>) {
        let now = input.now;
        self.seen = now.raw;
        self.recorder.begin(&now);
        if let What::Applied(applied) = input.what {
            // Our own step must be known before the clock is compared with where it should be.
            return self.applied(applied, now);
        }
        self.notice_gaps(&now);
        match input.what {
            What::Wake | What::Applied(_) => {}
            What::Sent { exchange, stamp, from } => self.sent(exchange, stamp, from),
            What::Unreachable { exchange, why } => self.unreachable(exchange, why, now.raw),
            What::Datagram { exchange, bytes, arrived } => self.datagram(exchange, bytes, arrived, &now),
            What::Reload { lines } => self.reload(lines, now.raw),
            What::Resolved { association, addresses } => self.resolved(association, addresses, now.raw),
            What::NetworkChanged => self.changes.note(now.raw),
            What::LeapData(table) => self.leap_data(table),
            What::Temperature(temperature) => self.felt(temperature, &now),
        }
        if !self.finished {
            self.run_due(&now);
        }
        self.end_records();
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let (at, why) = self.deadline();
        self.promised = at;
        Output::Timeout { at, why }
    }

    /// The sources, in the order they were added.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// What the last selection made of them.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Is the clock following the sources?
    pub fn is_synchronised(&self) -> bool {
        self.sync.is_synchronised() && !self.chronicle.is_refused
    }

    /// The clock does as it is told, as far as it has been told anything.
    fn obeys(&self) -> bool {
        !self.chronicle.is_observed && !self.chronicle.is_refused
    }

    /// The state of the clock as of `now`; `None` before the first correction.
    pub fn tracking(&self, now: &ClockReading) -> Option<Tracking> {
        let estimate = self.estimator.estimate()?;
        let error = estimate.true_time(now.raw) - now.utc;
        Some(Tracking {
            is_synchronised: self.is_synchronised(),
            error,
            est_error: clock_control::expected_error(&estimate, now.raw, error),
            bound: self.bound(&estimate, now.raw),
            estimate,
        })
    }

    /// What to write to the drift file at exit; `None` if nothing worth keeping is known.
    pub fn drift(&self) -> Option<DriftRecord> {
        let estimate = self.estimator.estimate()?;
        let is_worth_keeping = estimate.frequency_sd() < clock_control::KEEP_FREQUENCY_SD;
        is_worth_keeping.then(|| DriftRecord::new(estimate.frequency - self.known_rate(), estimate.frequency_sd()))
    }

    /// What to tell the clock at exit, if anything: a leap second is not left armed when nobody watches.
    pub fn parting(&self, now: &ClockReading) -> Option<ClockCommand> {
        let tracking = self.tracking(now).filter(|_| self.leap.armed() != Leap::Normal)?;
        let left = tracking.error.abs();
        Some(ClockCommand::Report(ClockReport {
            synchronized: self.settings.rtc_sync && tracking.is_synchronised,
            max_error: tracking.bound + left,
            est_error: tracking.est_error,
            leap: Leap::Normal,
        }))
    }

    fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    fn tell(&mut self, event: Event) {
        self.emit(Output::Event(event));
    }

    fn finish(&mut self, success: bool) {
        self.finished = true;
        self.emit(Output::Finish { success });
    }

    fn run_due(&mut self, now: &ClockReading) {
        self.feel(now.raw);
        self.heed_network(now.raw);
        self.tend_lines(now.raw);
        self.give_up_exchanges(now.raw);
        self.ask_due_sources(now.raw);
        self.report_flaws(now.raw);
        if let Some(acquisition) = self.sync.vote() {
            self.acquire(acquisition, now);
        }
        self.remove_initial_lines(now.raw);
        self.continue_slew(now);
        self.fall_back(now.raw);
    }

    fn deadline(&self) -> (Option<Raw>, &'static str) {
        let deadlines = [
            (self.next_lookup(), "lookup"),
            (self.initial_until, "initstepslew"),
            (self.next_request(), "request"),
            (self.next_expiry(), "expiry"),
            (self.next_vote(), "vote"),
            (self.next_notice(), "notice"),
            (self.discipline.continue_at(), "slew"),
            (self.fallback.due(), "fallback"),
            (self.changes.due(), "network"),
            (self.rivalry.due(), "interference"),
            (self.next_leap(), "leap second"),
            (self.next_feeling(), "temperature"),
        ];
        let earliest = deadlines.iter().filter_map(|(at, why)| at.map(|at| (at, *why))).min();
        earliest.map_or((None, "nothing"), |(at, why)| (Some(at), why))
    }
}
