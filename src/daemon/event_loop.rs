//! The one wait: feeds the engine what happened, and carries out what it says.

mod key_establishment;
mod requests;

use std::io;
use std::os::fd::AsFd;

use log::{debug, info, warn};

use crate::core::api::drift::DriftRecord;
use crate::core::api::exchange::{ExchangeId, Undelivered};
use crate::core::api::last_good::LastGood;
use crate::core::api::nts::EstablishmentId;
use crate::core::api::output::Output;
use crate::core::api::reference_clock::{ClockId, Reading};
use crate::core::api::settings::{Family, Host};
use crate::core::engine::{Input, NtsPolicy, Start, What};
use crate::daemon::call_filter::Refusals;
use crate::daemon::clock::Clock;
use crate::daemon::control::{Control, Daemon};
use crate::daemon::devices::Devices;
use crate::daemon::exchanges::{Buffer, Delivery, Dispatch, Exchanges};
use crate::daemon::files::address_file::AddressFile;
use crate::daemon::files::drift_file::DriftFile;
use crate::daemon::files::dump_files::{self, DumpFiles};
use crate::daemon::files::key_file::Keys;
use crate::daemon::files::leap_file::LeapFile;
use crate::daemon::files::log_files::LogFiles;
use crate::daemon::files::nts_files::NtsFiles;
use crate::daemon::files::source_dirs::SourceDirs;
use crate::daemon::files::thermometer::Thermometer;
#[cfg(feature = "nts")]
use crate::daemon::key_establishment::KeyConnections;
use crate::daemon::network::NetworkWatch;
use crate::daemon::notify::observer::Observer;
use crate::daemon::resolver::{LookupPurpose, Resolver};
use crate::recording::{RecordedEngine, Recording};
use crate::sys::clock::ClockWatch;
use crate::sys::poll_set::PollSet;
use crate::sys::signals::{RELOAD, REOPEN, Signals};
use crate::time::{Raw, Span};
use crate::wire::ntp::MAX_LEN;

/// Datagrams taken from one socket before the others are heard: who forges answers faster than they are read would
/// otherwise have the loop alone.
const MOST_AT_ONCE: usize = 32;

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The engine is done: one-shot mode succeeded, or it gave up.
    Finished {
        /// Exit status 0.
        success: bool,
    },
    /// A signal asked for it, or the command `shutdown`.
    Signal,
    /// `-t`: the time was up.
    TimedOut {
        /// The clock was synchronised at that moment.
        synchronised: bool,
    },
}

/// What the loop needs: clock, sockets, files, observers.
pub struct Environment<'a> {
    /// The clock to steer.
    pub clock: &'a mut dyn Clock,
    /// Sockets.
    pub exchanges: Exchanges,
    /// Signals that end the run; `None` in the demo, where the terminal's default is right.
    pub signals: Option<Signals>,
    /// Notices that somebody else set the clock.
    pub watch: Option<ClockWatch>,
    /// Notices that the network has changed.
    pub network: Option<NetworkWatch>,
    /// Where leap seconds are read from.
    pub leap_file: Option<LeapFile>,
    /// Reference clocks.
    pub devices: Devices,
    /// The sensor of `tempcomp`.
    pub thermometer: Option<Thermometer>,
    /// Where the frequency is remembered.
    pub drift_file: Option<DriftFile>,
    /// Where samples are kept for the next run.
    pub dump_files: Option<DumpFiles>,
    /// `-r`: those of the last one are read.
    pub recalls: bool,
    /// Where good addresses are remembered.
    pub address_file: Option<AddressFile>,
    /// What the configuration says of NTS.
    pub nts: NtsPolicy,
    /// Where NTS keys and cookies are kept from one run to the next.
    pub nts_files: Option<NtsFiles>,
    /// Where NTS keys are established.
    #[cfg(feature = "nts")]
    pub key_connections: KeyConnections,
    /// Where symmetric keys are.
    pub keys: Option<Keys>,
    /// Where measurements and the like are written, if anywhere.
    pub log_files: Option<LogFiles>,
    /// `-4`, `-6`: overrides what each line says.
    pub family: Family,
    /// `-t`: give up after this long.
    pub timeout: Option<Span>,
    /// Told of events.
    pub observer: &'a mut dyn Observer,
    /// Where `.sources` files are.
    pub source_files: SourceDirs,
    /// Where chronyc and its like are answered.
    pub control: Option<Box<Control>>,
    /// `--record`.
    pub recording: Option<Recording>,
}

/// Runs the engine until something ends it.
pub fn run(start: Start, mut world: Environment<'_>) -> io::Result<Ending> {
    let now = world.clock.read();
    let mut engine = RecordedEngine::new(start, now, world.recording.take());
    if let Some(files) = &world.dump_files {
        engine.recall(files.take(world.recalls), dump_files::boot(), &now);
    }
    let gives_up = world.timeout.map(|timeout| now.raw + timeout);
    let mut turner = Loop {
        engine,
        resolver: Resolver::new()?,
        world,
        gives_up,
        buffer: [0; MAX_LEN + 4],
        waited_for: PollSet::default(),
        ready: Vec::new(),
        deadline: None,
        ending: None,
        refusals: Refusals::default(),
    };
    turner.engine.unrecorded().use_nts(turner.world.nts);
    turner.recall_keys();
    turner.use_keys();
    turner.read_sources();
    turner.feed(What::Wake);
    let ending = loop {
        if let Some(ending) = turner.ending {
            break ending;
        }
        turner.wait()?;
    };
    turner.leave();
    Ok(ending)
}

/// Whose descriptor is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    Signals,
    ClockWatch,
    Resolver,
    Thermometer,
    Exchange(ExchangeId),
    /// An establishment of NTS keys.
    #[cfg_attr(not(feature = "nts"), expect(dead_code))]
    Keys(EstablishmentId),
    Device(ClockId),
    Network,
    /// A socket of [`Control`], by its place.
    Asker(usize),
    Observer,
}

struct Loop<'a> {
    engine: RecordedEngine,
    resolver: Resolver,
    world: Environment<'a>,
    gives_up: Option<Raw>,
    buffer: Buffer,
    waited_for: PollSet<Token>,
    ready: Vec<Token>,
    deadline: Option<Raw>,
    ending: Option<Ending>,
    refusals: Refusals,
}

impl Loop<'_> {
    /// Tells the engine what happened, and carries out what it says: before it hears of anything else, for a step would
    /// be made twice.
    fn feed(&mut self, what: What<'_>) {
        self.tell(what);
        self.drain();
    }

    fn tell(&mut self, what: What<'_>) {
        let now = self.world.clock.read();
        self.engine.handle_input(Input { now, what });
    }

    /// Carries out everything the engine wants, until it wants to be woken.
    fn drain(&mut self) {
        while self.ending.is_none() {
            match self.engine.poll_output() {
                Output::Send { exchange, to, packet } => {
                    let what = match self.world.exchanges.send(exchange, to, &packet, self.world.clock) {
                        Ok(Dispatch { stamp, awaits_hardware }) => {
                            let from = self.world.exchanges.local_address(exchange);
                            What::Sent { exchange, stamp, from, awaits_hardware }
                        }
                        Err(flaw) => What::Unreachable { exchange, why: Undelivered::NeverLeft(flaw) },
                    };
                    self.tell(what);
                }
                Output::Close(exchange) => self.world.exchanges.close(exchange),
                Output::EstablishKeys(request) => self.establish_keys(&request),
                Output::AbandonKeys(id) => self.abandon_keys(id),
                Output::Resolve { line } => self.resolve(line),
                Output::Clock(command) => {
                    let applied = self.world.clock.apply(command);
                    self.tell(What::Applied(applied));
                }
                Output::ReadClock(clock) => {
                    let reading = self.world.devices.read(clock, &mut *self.world.clock);
                    self.tell(What::Reading { clock, reading });
                }
                Output::ReadLeapData => self.read_leap_data(),
                Output::ReadTemperature => self.world.thermometer.iter_mut().for_each(Thermometer::ask),
                Output::Save(record) => self.save(&record),
                Output::SaveAddresses(known) => self.save_addresses(&known),
                Output::Event(event) => self.world.observer.event(&event),
                Output::Record(record) => self.world.log_files.iter_mut().for_each(|logs| logs.write(&record)),
                Output::Finish { success } => self.ending = Some(Ending::Finished { success }),
                Output::Timeout { at, why } => {
                    debug!("Waiting for {why}");
                    self.deadline = at;
                    return;
                }
            }
        }
    }

    fn resolve(&mut self, line: usize) {
        let Some(typed) = self.engine.line(line) else { return };
        let family = match self.world.family {
            Family::Any => typed.options.family,
            family => family,
        };
        if let Host::Name(name) = &typed.host {
            self.resolver.ask(LookupPurpose::Line(line), name.clone(), family);
        }
    }

    /// Reads the `.sources` files again: lines that are still there keep the state of their sources.
    fn reload_sources(&mut self) {
        self.world.observer.reloading();
        self.read_sources();
    }

    fn read_sources(&mut self) {
        let now = self.world.clock.read();
        let files = self.world.source_files.read();
        self.engine.source_lines(&files.typed);
        self.engine.handle_input(Input { now, what: What::Reload { lines: &files.sources } });
        self.drain();
    }

    /// Sleeps until something happens, and feeds it.
    fn wait(&mut self) -> io::Result<()> {
        let reading = self.world.clock.read();
        let now = reading.raw;
        if self.gives_up.is_some_and(|at| at <= now) {
            info!("Timeout reached");
            let synchronised = self.engine.is_synchronised();
            if !synchronised {
                self.engine.explain(now);
                self.drain();
            }
            self.ending = Some(Ending::TimedOut { synchronised });
            return Ok(());
        }
        let listens = self.world.network.as_ref().and_then(NetworkWatch::resumes_at);
        let watched = self.world.observer.rest(&self.engine, &reading);
        let cards = self.world.exchanges.cards.due(now);
        let earliest = [self.deadline, self.gives_up, listens, watched, cards].into_iter().flatten().min();
        self.watch_all();
        self.waited_for.wait(earliest.map(|at| at - now))?;
        self.ready.clear();
        self.ready.extend(self.waited_for.ready());
        self.world.exchanges.cards.tend(self.world.clock);
        let listens_again = listens.is_some_and(|at| at <= self.world.clock.read().raw);
        self.attend(listens_again);
        Ok(())
    }

    /// Whoever may end the next wait, in the order in which they are attended to.
    fn watch_all(&mut self) {
        let set = &mut self.waited_for;
        set.clear();
        self.world.signals.iter().for_each(|signals| set.watch(signals.as_fd(), Token::Signals));
        self.world.watch.iter().for_each(|watch| set.watch(watch.as_fd(), Token::ClockWatch));
        set.watch(self.resolver.as_fd(), Token::Resolver);
        self.world.thermometer.iter().for_each(|sensor| set.watch(sensor.as_fd(), Token::Thermometer));
        self.world.exchanges.descriptors().for_each(|(id, socket)| set.watch(socket, Token::Exchange(id)));
        #[cfg(feature = "nts")]
        self.world.key_connections.watch(|id, stream, wanted| set.watch_for(wanted, stream, Token::Keys(id)));
        self.world.devices.descriptors().for_each(|(clock, device)| set.watch(device, Token::Device(clock)));
        let network = self.world.network.as_ref().and_then(NetworkWatch::descriptor);
        network.into_iter().for_each(|socket| set.watch(socket, Token::Network));
        let askers = self.world.control.iter().flat_map(|control| control.descriptors()).enumerate();
        askers.for_each(|(place, socket)| set.watch(socket, Token::Asker(place)));
        // The observer reads its descriptor itself, in its rest before the next wait.
        self.world.observer.descriptor().into_iter().for_each(|end| set.watch(end, Token::Observer));
    }

    /// Feeds what those who are ready have to say. The engine hears of the time alone if no server and no reference clock
    /// has spoken; people are answered after both.
    fn attend(&mut self, listens_again: bool) {
        let mut has_measured = false;
        let mut has_advanced_keys = false;
        let mut network_speaks = listens_again;
        for index in 0..self.ready.len() {
            match self.ready[index] {
                Token::Signals => {
                    if self.signalled() {
                        self.ending = Some(Ending::Signal);
                        return;
                    }
                }
                Token::ClockWatch => {
                    if self.world.watch.as_ref().is_some_and(ClockWatch::was_set) {
                        debug!("The clock was set");
                    }
                }
                Token::Resolver => self.take_addresses(),
                Token::Thermometer => {
                    if let Some(temperature) = self.world.thermometer.as_mut().and_then(Thermometer::answer) {
                        self.feed(What::Temperature(temperature));
                    }
                }
                Token::Exchange(exchange) => {
                    has_measured = true;
                    self.receive(exchange);
                }
                // One at a time, so that nobody waits for several handshakes.
                Token::Keys(id) => {
                    if !std::mem::replace(&mut has_advanced_keys, true) {
                        self.advance_keys(id);
                    }
                }
                Token::Device(clock) => {
                    has_measured = true;
                    self.hear(clock);
                }
                Token::Network => network_speaks = true,
                Token::Asker(_) | Token::Observer => {}
            }
        }
        if network_speaks {
            self.heed_network();
        }
        if !has_measured {
            self.feed(What::Wake);
        }
        for index in 0..self.ready.len() {
            if let Token::Asker(place) = self.ready[index] {
                self.serve(place);
            }
        }
        self.refusals.report();
    }

    fn take_addresses(&mut self) {
        while let Some(answer) = self.resolver.answer() {
            match answer.purpose {
                LookupPurpose::Line(line) => self.feed(What::Resolved { line, addresses: &answer.addresses }),
                LookupPurpose::Keys(id) => self.resolved_for_keys(id, &answer.addresses),
            }
        }
    }

    /// Takes what signals there are; `true`: one of them ends the run.
    fn signalled(&mut self) -> bool {
        while let Some(name) = self.world.signals.as_ref().and_then(Signals::next_name) {
            debug!("Received {name}");
            match name {
                REOPEN => self.reopen_logs(),
                RELOAD => self.reload_sources(),
                _ => return true,
            }
        }
        false
    }

    /// Requests sent from addresses that went away are given up before anything is asked again.
    fn heed_network(&mut self) {
        let now = self.world.clock.read().raw;
        let Some(network) = &mut self.world.network else { return };
        let news = network.read(now);
        let lost = self.world.exchanges.bound_to(&news.gone);
        for exchange in &lost {
            self.feed(What::Unreachable { exchange: *exchange, why: Undelivered::AddressGone });
        }
        if news.is_better || !lost.is_empty() {
            debug!("The network has changed");
            self.world.exchanges.cards.look();
            self.feed(What::NetworkChanged);
        }
    }

    /// Feeds what has arrived at a socket.
    fn receive(&mut self, exchange: ExchangeId) {
        for _ in 0..MOST_AT_ONCE {
            let arrival = self.world.exchanges.receive(exchange, &mut self.buffer, self.world.clock);
            let Some(arrival) = arrival else { break };
            let now = self.world.clock.read();
            let what = match arrival {
                Delivery::Departed(stamp) => What::Stamped { exchange, stamp },
                Delivery::Datagram(length, arrived) => {
                    What::Datagram { exchange, bytes: &self.buffer[..length], arrived }
                }
                Delivery::Unreachable => What::Unreachable { exchange, why: Undelivered::PortClosed },
            };
            self.engine.handle_input(Input { now, what });
            self.drain();
        }
    }

    /// Feeds what a device that speaks by itself has said.
    fn hear(&mut self, clock: ClockId) {
        for _ in 0..MOST_AT_ONCE {
            let reading = self.world.devices.read(clock, &mut *self.world.clock);
            if !matches!(reading, Reading::Time(_)) {
                break;
            }
            self.feed(What::Reading { clock, reading });
        }
    }

    /// Reads the file of symmetric keys again.
    fn read_keys(&mut self) {
        let said = self.world.keys.as_mut().map(Keys::read).unwrap_or_default();
        said.iter().for_each(|line| warn!("{line}"));
        self.use_keys();
    }

    fn use_keys(&mut self) {
        let Some(keys) = self.world.keys.as_ref().map(Keys::table) else { return };
        if keys.count() > 0 {
            info!("Loaded {} symmetric keys", keys.count());
        }
        self.engine.unrecorded().use_keys(keys.clone(), self.world.clock.read().raw);
    }

    fn read_leap_data(&mut self) {
        match self.world.leap_file.as_ref().map(LeapFile::read) {
            Some(Ok(table)) => self.tell(What::LeapData(&table)),
            Some(Err(reason)) => debug!("Leap seconds not read again: {reason}"),
            None => {}
        }
    }

    fn save(&mut self, record: &DriftRecord) {
        self.world.drift_file.iter_mut().for_each(|file| file.write(record));
    }

    fn save_addresses(&mut self, known: &[LastGood]) {
        self.world.address_file.iter_mut().for_each(|file| file.write(known));
    }

    /// Writes what is known of each source to files, if there is a place for them.
    fn save_dumps(&mut self) {
        if let Some(files) = &self.world.dump_files {
            let now = self.world.clock.read();
            files.write(&self.engine.dumps(&now, dump_files::boot().as_deref()));
        }
        self.save_keys();
    }

    fn leave(&mut self) {
        self.save_dumps();
        let now = self.world.clock.read();
        for command in self.engine.parting(&now) {
            self.world.clock.apply(command);
        }
        if let Some(record) = self.engine.drift() {
            self.save(&record);
        }
        if let Some(known) = self.engine.unrecorded().addresses() {
            self.save_addresses(&known);
        }
        self.engine.end();
    }
}
