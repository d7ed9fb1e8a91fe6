//! The one wait: feeds the engine what happened, and carries out what it says.

mod key_establishment;
mod requests;

use std::io;
use std::os::fd::AsFd;

use log::{debug, info, warn};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::core::api::drift::DriftRecord;
use crate::core::api::exchange::{ExchangeId, Undelivered};
use crate::core::api::last_good::LastGood;
use crate::core::api::output::Output;
use crate::core::api::reference_clock::{ClockId, Reading};
use crate::core::api::settings::{Family, Host};
use crate::core::engine::{Engine, Input, NtsPolicy, Start, What};
use crate::daemon::call_filter::Refusals;
use crate::daemon::clock::Clock;
use crate::daemon::control::{Control, Daemon, ReadySockets};
use crate::daemon::devices::Devices;
use crate::daemon::exchanges::{Buffer, Delivery, Exchanges};
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
use crate::sys::clock::ClockWatch;
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
}

/// Runs the engine until something ends it.
pub fn run(start: Start, world: Environment<'_>) -> io::Result<Ending> {
    let now = world.clock.read();
    let mut engine = Engine::new(start, now);
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
        ready: Vec::with_capacity(8),
        heard: Vec::new(),
        asked: ReadySockets::default(),
        deadline: None,
        ending: None,
        refusals: Refusals::default(),
    };
    turner.engine.use_nts(turner.world.nts);
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

struct Loop<'a> {
    engine: Engine,
    resolver: Resolver,
    world: Environment<'a>,
    gives_up: Option<Raw>,
    buffer: Buffer,
    ready: Vec<ExchangeId>,
    heard: Vec<ClockId>,
    asked: ReadySockets,
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
                        Ok(stamp) => {
                            let from = self.world.exchanges.local_address(exchange);
                            What::Sent { exchange, stamp, from }
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
                    let now = self.world.clock.read();
                    let reading = self.world.devices.read(clock, &now);
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
        let lines = self.world.source_files.read();
        self.engine.handle_input(Input { now, what: What::Reload { lines } });
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
        let earliest = [self.deadline, self.gives_up, listens, watched].into_iter().flatten().min();
        let awake = self.sleep(earliest.map(|at| at - now))?;
        if awake.signal && self.signalled() {
            self.ending = Some(Ending::Signal);
            return Ok(());
        }
        if awake.clock_set && self.world.watch.as_ref().is_some_and(ClockWatch::was_set) {
            debug!("The clock was set");
        }
        if awake.resolver {
            while let Some(answer) = self.resolver.answer() {
                match answer.purpose {
                    LookupPurpose::Line(line) => self.feed(What::Resolved { line, addresses: &answer.addresses }),
                    LookupPurpose::Keys(id) => self.resolved_for_keys(id, &answer.addresses),
                }
            }
        }
        if awake.thermometer
            && let Some(temperature) = self.world.thermometer.as_mut().and_then(Thermometer::answer)
        {
            self.feed(What::Temperature(temperature));
        }
        self.receive();
        if let Some(ready) = awake.keys {
            self.advance_keys(ready);
        }
        self.hear();
        if awake.network || listens.is_some_and(|at| at <= self.world.clock.read().raw) {
            self.heed_network();
        }
        if self.ready.is_empty() && self.heard.is_empty() {
            self.feed(What::Wake);
        }
        self.serve();
        self.refusals.report();
        Ok(())
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
            self.feed(What::NetworkChanged);
        }
    }

    /// Feeds what the sockets that woke us have to say.
    fn receive(&mut self) {
        for index in 0..self.ready.len() {
            let exchange = self.ready[index];
            for _ in 0..MOST_AT_ONCE {
                let arrival = self.world.exchanges.receive(exchange, &mut self.buffer, self.world.clock);
                let Some(arrival) = arrival else { break };
                let now = self.world.clock.read();
                let what = match arrival {
                    Delivery::Datagram(length, arrived) => {
                        What::Datagram { exchange, bytes: &self.buffer[..length], arrived }
                    }
                    Delivery::Unreachable => What::Unreachable { exchange, why: Undelivered::PortClosed },
                };
                self.engine.handle_input(Input { now, what });
                self.drain();
            }
        }
    }

    /// Feeds what the devices that woke us have to say.
    fn hear(&mut self) {
        for index in 0..self.heard.len() {
            let clock = self.heard[index];
            for _ in 0..MOST_AT_ONCE {
                let now = self.world.clock.read();
                let reading = self.world.devices.read(clock, &now);
                if !matches!(reading, Reading::Time(_)) {
                    break;
                }
                self.feed(What::Reading { clock, reading });
            }
        }
    }

    /// Leaves the exchanges that have something to say in `ready`, and the devices in `heard`.
    fn sleep(&mut self, time: Option<Span>) -> io::Result<Awake> {
        let signals = self.world.signals.as_ref().map(|signals| signals.as_fd());
        let network = self.world.network.as_ref().and_then(NetworkWatch::descriptor);
        let watch = self.world.watch.as_ref().map(|watch| watch.as_fd());
        let wanted = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut descriptors = vec![wanted(self.resolver.as_fd())];
        descriptors.extend(signals.map(wanted));
        descriptors.extend(network.map(wanted));
        descriptors.extend(watch.map(wanted));
        let own = descriptors.len();
        descriptors.extend(self.world.exchanges.descriptors().map(wanted));
        let exchanges = descriptors.len();
        descriptors.extend(self.world.control.iter().flat_map(|control| control.descriptors()).map(wanted));
        let asked = descriptors.len();
        descriptors.extend(self.world.thermometer.iter().map(|thermometer| wanted(thermometer.as_fd())));
        let keys = descriptors.len();
        #[cfg(feature = "nts")]
        descriptors.extend(self.world.key_connections.descriptors());
        let devices = descriptors.len();
        descriptors.extend(self.world.devices.descriptors().map(wanted));
        let last = descriptors.len();
        // The observer reads its descriptor itself, in its rest before the next wait.
        descriptors.extend(self.world.observer.descriptor().map(wanted));
        match poll(&mut descriptors, timeout(time)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(reason) => return Err(reason.into()),
        }
        let is_ready = |fd: &PollFd| fd.any().unwrap_or(false);
        let awake = Awake {
            resolver: is_ready(&descriptors[0]),
            signal: signals.is_some() && is_ready(&descriptors[1]),
            network: network.is_some() && is_ready(&descriptors[own - 1 - usize::from(watch.is_some())]),
            clock_set: watch.is_some() && is_ready(&descriptors[own - 1]),
            thermometer: descriptors[asked..keys].iter().any(is_ready),
            keys: descriptors[keys..devices].iter().position(is_ready),
        };
        self.ready.clear();
        self.asked = descriptors[exchanges..asked].iter().map(is_ready).collect();
        let sockets = self.world.exchanges.ids().zip(&descriptors[own..exchanges]);
        self.ready.extend(sockets.filter(|(_, fd)| is_ready(fd)).map(|(exchange, _)| exchange));
        self.heard.clear();
        let heard = self.world.devices.waited_for().zip(&descriptors[devices..last]);
        self.heard.extend(heard.filter(|(_, fd)| is_ready(fd)).map(|(clock, _)| clock));
        Ok(awake)
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
        self.engine.use_keys(keys.clone(), self.world.clock.read().raw);
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
        if let Some(known) = self.engine.addresses() {
            self.save_addresses(&known);
        }
    }
}

struct Awake {
    resolver: bool,
    signal: bool,
    network: bool,
    clock_set: bool,
    thermometer: bool,
    /// The first establishment of NTS keys that can go on: one at a time, so that nobody waits for several handshakes.
    keys: Option<usize>,
}

/// Rounded up: waking a moment too early would only mean to wait again.
fn timeout(time: Option<Span>) -> PollTimeout {
    let Some(time) = time else { return PollTimeout::NONE };
    let millis = time.nanos().max(0).saturating_add(999_999) / 1_000_000;
    PollTimeout::try_from(millis.min(i64::from(i32::MAX))).unwrap_or(PollTimeout::MAX)
}
