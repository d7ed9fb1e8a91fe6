//! The deterministic engine: one call in, drain out.
//!
//! Call [`Engine::handle_input`] once, then [`Engine::poll_output`] until it returns [`Output::Timeout`]; perform each
//! output as it comes, and feed what became of it back as an input. Time enters only inside an [`Input`]. The engine
//! never blocks, and after the start it allocates nothing per packet.
//!
//! ```
//! use slewd::core::api::output::Output;
//! use slewd::core::api::settings::{Mode, Settings, SourceConfig, SourceOptions};
//! use slewd::core::engine::{Engine, Floor, Input, Start, What};
//! use slewd::core::estimate::FrequencyPrior;
//! use slewd::time::{BUILD_EPOCH, ClockReading, Raw, Span};
//!
//! let start = Start {
//!     settings: Settings::default(),
//!     sources: vec![SourceConfig { host: "192.0.2.1".into(), pool: false, options: SourceOptions::default() }],
//!     clocks: Vec::new(),
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
//! The engine owns four machines, each with its own state: the *sources* and their lines ([`crate::core::pool`]), the
//! *selector* ([`crate::core::selection`]), what is known of *true time*, and the *clock* ([`crate::core::clock`]). It
//! dispatches: `exchanges` sends requests and takes replies, `devices` reads reference clocks, `samples` carries what they say from selection to the clock,
//! `acquisition` holds the vote when it is not clear whom to believe, `leap_seconds` moves true time, `orders` does what
//! people want, `availability` says when no source is left. `notices` knows what the log already says, and `recorder` what
//! goes to the log files. `clock_report`, `source_report` and `flaws` only look.

/// What the clock is steered by, without borrowing the whole engine.
macro_rules! view {
    ($engine:expr, $now:expr) => {
        crate::core::clock::View {
            sources: &$engine.sources,
            selector: &$engine.selector,
            time: &$engine.time,
            now: $now,
        }
    };
}

mod acquisition;
mod availability;
mod clock_report;
mod devices;
mod exchanges;
mod flaws;
mod input;
mod leap_seconds;
mod notices;
mod orders;
mod recorder;
mod samples;
mod source_report;
mod timers;

use crate::core::api::command::{Applied, ClockCommand};
use crate::core::api::drift::DriftRecord;
use crate::core::api::dump::Dump;
use crate::core::api::event::{Event, Obstacle};
use crate::core::api::exchange::ExchangeId;
use crate::core::api::last_good::LastGood;
use crate::core::api::measurement::Measurement;
use crate::core::api::nts::{Dates, SavedKeys};
use crate::core::api::output::{Output, Outputs};
use crate::core::api::record::LogEntry;
use crate::core::api::settings::{Mode, Settings, SourceConfig};
use crate::core::clock::discipline::Occasion;
use crate::core::clock::foreign_adjustments::Sight;
use crate::core::clock::{ClockControl, View};
use crate::core::estimate::Estimate;
use crate::core::pool::SourceSet;
use crate::core::random::Random;
use crate::core::selection::Selection;
use crate::core::selection::selector::Selector;
use crate::core::source::Source;
use crate::core::source::network_changes::Changes;
use crate::core::true_time::{PHASE_SD_AFTER_SLEEP_S, TrueTime, expected_error};
use crate::time::{ClockReading, Raw, Span, Utc};
use crate::wire::symmetric::KeyTable;

use notices::Notices;
use recorder::Recorder;

pub use crate::core::pool::{NtsPolicy, PastFile};
pub use input::{Floor, Input, Start, What};

/// The raw counter may run at another rate after a sleep (another temperature, another host).
const FREQUENCY_SD_AFTER_SLEEP: f64 = 1e-6;

/// The whole client, without the world.
pub struct Engine {
    settings: Settings,
    mode: Mode,
    sources: SourceSet,
    selector: Selector,
    time: TrueTime,
    clock: ClockControl,
    notices: Notices,
    recorder: Recorder,
    random: Random,
    /// Changes of the network that have not been followed yet.
    changes: Changes,
    last_exchange: ExchangeId,
    /// No time before this one is believed.
    floor: Utc,
    /// When the last input was taken.
    seen: Raw,
    outputs: Outputs,
}

/// The state of the clock, for people and programs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ClockState {
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
        let Start { settings, mode, .. } = start;
        let mut engine = Engine {
            mode,
            sources: SourceSet::new(&settings, mode, start.last_good),
            selector: Selector::new(&settings, start.is_brief || mode != Mode::Discipline),
            time: TrueTime::new(&settings, start.prior),
            clock: ClockControl::new(&settings, mode, start.drift_interval, start.leap_table, &now),
            notices: Notices::default(),
            recorder: Recorder::new(settings.records),
            random: Random::new(start.seed),
            changes: Changes::new(now.raw),
            last_exchange: ExchangeId(0),
            floor: start.floor.utc,
            seen: now.raw,
            outputs: Outputs::new(),
            settings,
        };
        engine.record_unsynchronised(&now);
        engine.clock.read_temperature_when_due(now.raw, &mut engine.outputs);
        engine.prepare_clock(start.floor, &now);
        let init = engine.settings.init_step_slew.as_ref();
        engine.sources.add_clocks(start.clocks, now.raw, &mut engine.outputs);
        engine.sources.add_configured_lines(start.sources, init, now.raw, &mut engine.outputs);
        engine.settle_sources(&now);
        engine
    }

    /// Files of the last run, to be called before the first input; `boot` names this boot of the machine.
    pub fn recall(&mut self, files: Vec<PastFile>, boot: Option<String>, now: &ClockReading) {
        self.sources.set_past(files, boot);
        for index in 0..self.sources.all().len() {
            self.sources.recall_past(index, self.time.first_frequency(), now, &mut self.outputs);
        }
    }

    /// The key file was read, for the first time or again.
    pub fn use_keys(&mut self, keys: KeyTable, now: Raw) {
        self.sources.use_keys(keys, now);
    }

    /// What the configuration says about NTS.
    pub fn use_nts(&mut self, policy: NtsPolicy) {
        self.sources.use_nts(policy);
    }

    /// NTS keys of the last run, to be called before the first input.
    pub fn recall_keys(&mut self, saved: Vec<SavedKeys>) {
        self.sources.recall_keys(saved);
    }

    /// NTS keys and cookies for the next run.
    pub fn keys_to_save(&self, now: &ClockReading) -> Vec<SavedKeys> {
        self.sources.keys_to_save(now)
    }

    /// The frequency is set before the first packet, and an impossible time is put right as far as it can be.
    fn prepare_clock(&mut self, floor: Floor, now: &ClockReading) {
        if self.mode == Mode::MeasureOnce {
            return;
        }
        self.clock.coast(self.time.first_frequency(), &mut self.outputs);
        let behind = floor.utc - now.utc;
        if behind > Span::ZERO {
            self.outputs.command(ClockCommand::Step { by: behind });
            self.outputs.tell(Event::MovedToFloor { from_drift_file: floor.from_drift_file, by: behind });
        }
        self.clock.report_unsynchronised(&mut self.outputs);
    }

    /// Takes one input. Follow with [`Engine::poll_output`] until it returns a timeout.
    pub fn handle_input(&mut self, input: Input<'_>) {
        let now = &input.now;
        self.begin(now);
        if let What::Applied(applied) = input.what {
            // Our own step must be known before the clock is compared with where it should be.
            return self.applied(applied, now);
        }
        self.notice_gaps(now);
        let now = &self.clock.after_ordered_step(now);
        match input.what {
            What::Wake | What::Applied(_) => {}
            What::Sent { exchange, stamp, from, awaits_hardware } => self.sent(exchange, stamp, from, awaits_hardware),
            What::Stamped { exchange, stamp } => self.stamped(exchange, stamp, now),
            What::Unreachable { exchange, why } => self.unreachable(exchange, why, now.raw),
            What::Datagram { exchange, bytes, arrived } => self.datagram(exchange, bytes, arrived, now),
            What::Reload { lines } => {
                let opinion = self.selector.opinion();
                self.sources.reload(lines, &opinion, now.raw, &mut self.outputs);
                self.settle_sources(now);
                self.reselect(now.raw, None);
            }
            What::Reading { clock, reading } => {
                if self.device_read(clock, reading, now) {
                    // All that was due was done before the device was read, and nothing has become due since.
                    return self.end_records(now);
                }
            }
            What::Resolved { line, addresses } => {
                let opinion = self.selector.opinion();
                self.sources.resolved(line, addresses, &opinion, now.raw, &mut self.outputs);
                self.follow_membership(now);
            }
            What::Keys { id, outcome } => {
                self.sources.keys_ended(id, outcome, now.raw, &mut self.outputs);
            }
            What::NetworkChanged => self.changes.note(now.raw),
            What::LeapData(table) => self.clock.leap.renew(table.clone()),
            What::Temperature(temperature) => self.felt(temperature, now),
        }
        self.end(now);
    }

    fn begin(&mut self, now: &ClockReading) {
        self.seen = now.raw;
    }

    fn end(&mut self, now: &ClockReading) {
        if !self.outputs.is_finished() {
            self.run_due(now);
        }
        self.end_records(now);
    }

    fn run_due(&mut self, now: &ClockReading) {
        self.clock.read_temperature_when_due(now.raw, &mut self.outputs);
        self.follow_network(now.raw);
        let opinion = self.selector.opinion();
        self.sources.tend_lines(&opinion, &mut self.random, now.raw, &mut self.outputs);
        self.follow_membership(now);
        self.release_held(now);
        self.sources.expire_exchanges(now.raw, &mut self.outputs);
        self.establish_due_keys(now);
        self.ask_due_sources(now.raw);
        self.read_due_devices(now);
        self.report_flaws(now.raw);
        if let Some(acquisition) = self.selector.sync.vote() {
            self.acquire(acquisition, now);
        }
        self.remove_initial_lines(now);
        self.clock.continue_slew(&view!(self, now), &mut self.outputs);
        if self.clock.fall_back(&self.time, now.raw, &mut self.outputs) {
            let unreachable = self.sources.all().len();
            self.selector.sync.hindered(Obstacle::NoSelectableSources { unreachable });
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop() {
            return output;
        }
        let (at, why) = self.deadline();
        self.clock.promise(at);
        Output::Timeout { at, why }
    }

    /// The sources, in the order they were added.
    pub fn sources(&self) -> &[Source] {
        self.sources.all()
    }

    /// The line behind [`Output::Resolve`], as typed.
    pub fn line(&self, line: usize) -> Option<&SourceConfig> {
        self.sources.lines().get(line).map(|line| &line.typed)
    }

    /// What the last selection made of them.
    pub fn selection(&self) -> &Selection {
        self.selector.selection()
    }

    /// Is the clock following the sources?
    pub fn is_synchronised(&self) -> bool {
        self.clock.is_synchronised(&self.selector.sync)
    }

    /// The state of the clock as of `now`; `None` before the first correction.
    pub fn tracking(&self, now: &ClockReading) -> Option<ClockState> {
        let (view, estimate) = (self.view(now), self.time.estimate()?);
        let error = view.error(&estimate);
        Some(ClockState {
            is_synchronised: self.is_synchronised(),
            error,
            est_error: expected_error(&estimate, now.raw, error),
            bound: view.bound(&estimate),
            estimate,
        })
    }

    /// What to write to the drift file at exit; `None` if nothing worth keeping is known.
    pub fn drift(&self) -> Option<DriftRecord> {
        self.clock.drift(&self.time)
    }

    /// What the address file should say, if that has changed since it was last told. For the exit.
    pub fn addresses(&mut self) -> Option<Vec<LastGood>> {
        self.sources.addresses(&self.selector.opinion(), self.seen)
    }

    /// What to write to files, so that the next run knows what this one did.
    pub fn dumps(&self, now: &ClockReading, boot: Option<&str>) -> Vec<Dump> {
        self.sources.dumps(now, self.time.prediction(now).frequency, boot)
    }

    /// What to tell the clock at exit, if anything: a leap second is not left armed when nobody watches.
    pub fn parting(&self, now: &ClockReading) -> impl Iterator<Item = ClockCommand> + use<> {
        self.clock.parting(&self.view(now))
    }

    /// What the temperature compensation adds to the rate of true time against the counter.
    pub fn known_rate(&self) -> f64 {
        self.time.known_rate()
    }

    fn view<'a>(&'a self, now: &'a ClockReading) -> View<'a> {
        view!(self, now)
    }
}

/// What more than one machine has to know.
impl Engine {
    /// What is known of a source that has gone is void, and the estimator is told of new ones.
    fn settle_sources(&mut self, now: &ClockReading) {
        for slot in self.sources.take_vacated().iter() {
            self.time.vacate(slot);
            self.selector.vacate(slot);
            self.notices.vacate(slot);
        }
        for index in 0..self.sources.all().len() {
            if self.sources.all()[index].is_untuned {
                self.time.tune(&mut self.sources.all_mut()[index]);
                self.sources.recall_past(index, self.time.first_frequency(), now, &mut self.outputs);
            }
        }
        debug_assert!(
            self.sources
                .all()
                .iter()
                .enumerate()
                .all(|(index, source)| { self.sources.all()[..index].iter().all(|other| other.slot != source.slot) }),
            "a place of the estimator belongs to one source"
        );
    }

    /// NTS keys that are due, by the best that is known of the time: true time, else a clock that is not behind the floor.
    fn establish_due_keys(&mut self, now: &ClockReading) {
        let agreeing = self.selector.selection().agreeing;
        let is_known = self.selector.sync.is_decided() && self.sources.learn_date(agreeing, now.raw);
        let known = self.time.estimate().filter(|_| is_known).map(|estimate| estimate.true_time(now.raw));
        let dates = Dates {
            floor: self.floor,
            present: known.unwrap_or(now.utc).max(self.floor),
            rule: self.sources.date_rule(self.clock.updates()),
        };
        self.sources.establish_due_keys(dates, now, &mut self.outputs);
        if let Some(present) = known {
            self.sources.settle_certificates(present, now.raw, &mut self.outputs);
            self.follow_membership(now);
        }
    }

    /// Sources may have come and gone.
    fn follow_membership(&mut self, now: &ClockReading) {
        self.settle_sources(now);
        if self.sources.take_loss() {
            self.reselect(now.raw, None);
        }
    }

    fn remove_initial_lines(&mut self, now: &ClockReading) {
        let has_set = self.selector.sync.is_decided() && !self.clock.is_untouched();
        let opinion = self.selector.opinion();
        let was_in_vain = self.sources.remove_initial_lines(has_set, &opinion, now.raw, &mut self.outputs);
        self.settle_sources(now);
        if was_in_vain {
            self.clock.end_initial();
            self.outputs.tell(Event::NoInitialSource);
        }
    }

    /// Brings the clock to the estimate.
    fn correct(&mut self, occasion: Occasion, now: &ClockReading) {
        if let Some(correction) = self.clock.correct(occasion, &view!(self, now), &mut self.outputs) {
            if correction.is_step {
                let agreeing = self.selector.selection().agreeing.len();
                self.time.backing.stepped(agreeing, now.raw);
            }
            self.record_update(&correction, now);
        }
    }

    fn report_contested(&mut self, now: &ClockReading) {
        self.clock.report_contested(&view!(self, now), &mut self.outputs);
    }

    /// The clock did this.
    fn applied(&mut self, applied: Applied, now: &ClockReading) {
        let is_followed = self.selector.sync.has_target();
        if self.clock.applied(applied, is_followed, now, &mut self.outputs) {
            self.stepped_for_leap(now);
        }
    }

    /// Has the machine slept, or has somebody else set the clock?
    fn notice_gaps(&mut self, now: &ClockReading) {
        self.pass_leap(now);
        if let Some(slept) = self.clock.take_sleep(now) {
            self.outputs.tell(Event::Slept(slept));
            self.clock.accept(now);
            self.time.distrust(PHASE_SD_AFTER_SLEEP_S, FREQUENCY_SD_AFTER_SLEEP);
            return self.call_vote_after_gap(now.raw);
        }
        if self.clock.was_late(now.raw) {
            // The counter went on meanwhile: not a word is up to date.
            self.changes.note(now.raw);
        }
        let Some(sight) = self.clock.notice_foreign_change(now, &mut self.outputs) else { return };
        if self.selector.sync.has_target() {
            // The estimate does not depend on the system clock: it is as good as before.
            self.correct(Occasion::ForeignChange, now);
            if sight == Sight::Single {
                self.sources.all_mut().iter_mut().for_each(|source| source.schedule.poll_now(now.raw));
            }
        }
    }

    /// The sensor of `tempcomp` says this.
    fn felt(&mut self, temperature: f64, now: &ClockReading) {
        let Some(taken) = self.clock.take_temperature(temperature, &mut self.outputs) else { return };
        if self.settings.records.temperature {
            self.record(None, LogEntry::Temperature { temperature, ppm: taken.ppm }, now);
        }
        if taken.is_change {
            self.time.compensate(now.raw, taken.ppm * 1e-6);
            self.clock.retune(&view!(self, now), &mut self.outputs);
        }
    }

    /// What the precision of both clocks and the frequency during the round trip may have hidden.
    fn dispersion_s(&self, measurement: &Measurement, now: &ClockReading) -> f64 {
        let own_s = self.settings.clock_precision_s.unwrap_or(0.0).max(0.5 * now.width.secs_f64());
        let precision_s = own_s + measurement.stamp_bound().secs_f64();
        precision_s + self.time.rate_bound() * measurement.sample.delay.secs_f64()
    }
}
