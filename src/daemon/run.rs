//! From a configuration to a running daemon, in chronyd's order.

use std::os::fd::RawFd;
use std::path::Path;
use std::process::ExitCode;

use log::{LevelFilter, error, info, warn};

use crate::config::{Config, ConfigFailure};
use crate::core::api::settings::{Family, Mode};
use crate::core::api::temp_comp::TempComp;
use crate::daemon::account::Account;
use crate::daemon::call_filter;
use crate::daemon::clock::{Clock, KernelClock, ObservedClock};
use crate::daemon::control::{self, Control};
use crate::daemon::devices::Devices;
use crate::daemon::event_loop::{self, Ending};
use crate::daemon::exchanges::Exchanges;
use crate::daemon::files::address_file::{self, AddressFile};
use crate::daemon::files::configuration::RealFiles;
use crate::daemon::files::drift_file::DriftFile;
use crate::daemon::files::dump_files::DumpFiles;
use crate::daemon::files::hardware_clock::set_from_rtc;
use crate::daemon::files::key_file::Keys;
use crate::daemon::files::leap_file::LeapFile;
use crate::daemon::files::log_files::{self, LogFiles};
use crate::daemon::files::nts_files::NtsFiles;
use crate::daemon::files::pid_file::{PidFile, PidFileRefusal};
#[cfg(feature = "record")]
use crate::daemon::files::recording_file;
use crate::daemon::files::source_dirs::SourceDirs;
use crate::daemon::files::state_file;
use crate::daemon::files::thermometer::{self, Thermometer};
#[cfg(feature = "nts")]
use crate::daemon::key_establishment::KeyConnections;
use crate::daemon::logging::{self, Destination, FATAL};
use crate::daemon::network::NetworkWatch;
use crate::daemon::notify::service_manager::Unready;
use crate::daemon::notify::synchronized_file::SynchronizedFiles;
use crate::daemon::notify::{hook, observers};
use crate::daemon::os_error::plain;
use crate::daemon::start;
use crate::recording::Recording;
use crate::sys::clock::ClockWatch;
use crate::sys::confinement::Inherited;
use crate::sys::daemonize::{Foreground, daemonize};
use crate::sys::signals::Signals;
use crate::sys::starter::Starter;
use crate::sys::{clock, privileges, process};
use crate::time::Span;

/// Where a configuration is looked for, in this order.
const CONFIG_PATHS: [&str; 3] = ["/etc/slewd/slewd.conf", "/etc/chrony/chrony.conf", "/etc/chrony.conf"];

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// `-f`.
    pub config_file: Option<String>,
    /// Configuration given as arguments, one line each; replaces the file.
    pub config_lines: Vec<String>,
    /// `-q`, `-Q`.
    pub mode: Mode,
    /// Neither `-d` nor `-n` nor a one-shot mode: go into the background.
    pub background: bool,
    /// Where messages go, unless the caller decided otherwise.
    pub destination: Destination,
    /// `-L`.
    pub level: LevelFilter,
    /// `-x`.
    pub observe_only: bool,
    /// `-t`.
    pub timeout: Option<Span>,
    /// `-R`.
    pub restarted: bool,
    /// `-r`.
    pub recalls: bool,
    /// `-s`.
    pub set_from_rtc: bool,
    /// `-F`.
    pub filter: Option<i32>,
    /// `-u`.
    pub user: Option<String>,
    /// `-P`.
    pub priority: Option<u8>,
    /// `-m`.
    pub lock_memory: bool,
    /// `-4`, `-6`.
    pub family: Family,
    /// `-N`: a descriptor that gets a newline when slewd is ready.
    pub readiness: Option<RawFd>,
    /// `--client-only`.
    pub client_only: bool,
    /// `--record`.
    pub record: Option<String>,
    /// The name we were called by: `chronyd` if installed under that name.
    pub ident: String,
}

/// Reads the configuration; used by `-p` as well.
pub fn load(options: &Options) -> Result<Config, Box<ConfigFailure>> {
    let files = RealFiles;
    if !options.config_lines.is_empty() {
        return Config::from_arguments(&files, &options.config_lines, options.client_only);
    }
    if let Some(path) = &options.config_file {
        return Config::from_file(&files, path, options.client_only);
    }
    match CONFIG_PATHS.iter().find(|path| Path::new(path).exists()) {
        Some(path) => Config::from_file(&files, path, options.client_only),
        None => Config::built_in(&files),
    }
}

/// Runs the daemon to its end.
pub fn run(options: Options) -> ExitCode {
    let inherited = Inherited::now();
    let foreground = match options.background.then(daemonize).transpose() {
        Ok(foreground) => foreground,
        Err(reason) => return fail(None, &format!("Could not go into the background : {reason}")),
    };
    if let Err(reason) = logging::init(&options.destination, options.level, &options.ident) {
        return fail(foreground, &format!("Could not open log file : {}", plain(&reason)));
    }
    let config = match load(&options) {
        Ok(config) => config,
        Err(failure) => {
            failure.warnings.iter().for_each(|warning| warn!("{warning}"));
            let remedy = &failure.error.remedy;
            let hint = if remedy.is_empty() { String::new() } else { format!(" ({remedy})") };
            return fail(foreground, &format!("{}{hint}", failure.error));
        }
    };
    // Not earlier: the configuration or the log may be one of them (`-f /dev/fd/3`).
    inherited.close_except(options.readiness);
    match prepare(&options, &config) {
        Ok(prepared) => serve(&options, &config, prepared, foreground),
        Err(message) => fail(foreground, &message),
    }
}

/// What is acquired before root is dropped.
struct Prepared {
    _pid_file: Option<PidFile>,
    signals: Signals,
    log_files: Option<LogFiles>,
    dump_files: Option<DumpFiles>,
    nts_files: Option<NtsFiles>,
    synchronized_files: Option<SynchronizedFiles>,
    control: Option<Box<Control>>,
    /// Starts the command of `onchange`.
    starter: Option<Starter>,
    controls_clock: bool,
    keys: Keys,
    devices: Devices,
    exchanges: Exchanges,
    /// Read from a file of points.
    temp_comp: Option<TempComp>,
    recording: Option<Recording>,
}

fn prepare(options: &Options, config: &Config) -> Result<Prepared, String> {
    if let Some(conflict) = config.conflict() {
        return Err(conflict.to_string());
    }
    let account = Account::choose(options, config)?;
    let temp_comp = config.files.thermometer.as_ref().map(thermometer::compensation).transpose()?.flatten();
    if options.mode == Mode::Discipline {
        // Before the PID file, which usually is in the same directory.
        control::prepare_directory(&config.commands, account.owner());
    }
    let pid_file = take_pid_file(options, config)?;
    announce_start(options, config);
    let (keys, said) = Keys::open(config);
    said.iter().for_each(|line| warn!("{line}"));
    let controls_clock = wants_control(options)?;
    if options.set_from_rtc && controls_clock {
        set_from_rtc(config);
    }
    let signals = Signals::install().map_err(|reason| format!("Could not set up signals : {reason}"))?;
    claim_resources(options, config);
    let devices = Devices::open(&config.clocks, clock::read().raw);
    let exchanges = Exchanges::new(config.network.clone());
    let log_files = log_files(options, config, &account);
    let dump_files = dump_files(options, config, &account);
    let nts_files = nts_files(options, config, &account);
    // A run that ends by itself is over before anybody could ask, or wait.
    let is_daemon = options.mode == Mode::Discipline;
    let control = if is_daemon { Control::open(&config.commands, account.owner(), start::seed()) } else { None };
    let synchronized_files = is_daemon.then(|| synchronized_files(config, controls_clock, &account));
    if is_daemon {
        account.prepare_directories(config);
    }
    let starter = if is_daemon { starter(options, config, &account) } else { None };
    #[cfg(feature = "record")]
    let recording = recording_file::begin(options, config, temp_comp.as_ref(), log_files.is_some())?;
    #[cfg(not(feature = "record"))]
    let recording = None;
    account.assume(options, config, controls_clock, exchanges.cards.may_come())?;
    if is_daemon {
        account.check_directories(config);
    }
    call_filter::install(options.filter);
    Ok(Prepared {
        _pid_file: pid_file,
        signals,
        log_files,
        dump_files,
        nts_files,
        synchronized_files,
        control,
        starter,
        controls_clock,
        keys,
        devices,
        exchanges,
        temp_comp,
        recording,
    })
}

/// The first lines of the log: who starts, and what is odd about the configuration.
fn announce_start(options: &Options, config: &Config) {
    info!("{} version {} starting", options.ident, env!("CARGO_PKG_VERSION"));
    config.warnings.iter().for_each(|warning| warn!("{warning}"));
    let has_hosts = config.settings.init_step_slew.as_ref().is_some_and(|init| !init.hosts.is_empty());
    if config.sources.is_empty() && config.clocks.is_empty() && config.source_dirs.is_empty() && !has_hosts {
        warn!("No source is configured (add a line such as: pool pool.ntp.org iburst)");
    }
}

/// Forked off while there is one thread, and before rights are given up and calls are refused that commands need.
fn starter(options: &Options, config: &Config, account: &Account) -> Option<Starter> {
    hook::starter(&config.announcements.on_change, account.is_root(), || {
        account.assume_for_commands()?;
        call_filter::install_for_commands(options.filter);
        Ok(())
    })
}

fn take_pid_file(options: &Options, config: &Config) -> Result<Option<PidFile>, String> {
    if options.mode == Mode::MeasureOnce {
        return Ok(None);
    }
    let Some(path) = &config.process.pid_file else { return Ok(None) };
    match PidFile::create(Path::new(path)) {
        Ok(file) => Ok(Some(file)),
        Err(PidFileRefusal::Running(pid)) => {
            Err(format!("Another {} may already be running (pid={pid}), check {path}", options.ident))
        }
        // Without -x chronyd must be root and can write it; an observer need not.
        Err(PidFileRefusal::Unwritable(reason)) if options.observe_only || !privileges::is_root() => {
            warn!("Could not open {path} : {}", plain(&reason));
            Ok(None)
        }
        Err(PidFileRefusal::Unwritable(reason)) => Err(format!("Could not open {path} : {}", plain(&reason))),
    }
}

/// The log files, if any are wanted and there is a place for them. `-Q` leaves nothing behind.
fn log_files(options: &Options, config: &Config, account: &Account) -> Option<LogFiles> {
    if options.mode == Mode::MeasureOnce || !log_files::is_wanted(&config.logs) {
        return None;
    }
    let Some(directory) = &config.logs.dir else {
        warn!("logdir not specified (no log files: add the directive logdir, or remove the directive log)");
        return None;
    };
    let mut files = LogFiles::new(directory, config.logs.banner);
    files.prepare(account.user());
    Some(files)
}

/// The files with samples. Who only sets the clock, or only looks, leaves them to the daemon.
fn dump_files(options: &Options, config: &Config, account: &Account) -> Option<DumpFiles> {
    let directory = config.files.dump_dir.as_ref().filter(|_| options.mode == Mode::Discipline)?;
    let files = DumpFiles::new(directory);
    files.prepare(account.user());
    Some(files)
}

/// The files with NTS keys: as for those with samples.
fn nts_files(options: &Options, config: &Config, account: &Account) -> Option<NtsFiles> {
    let is_used = cfg!(feature = "nts") && options.mode == Mode::Discipline;
    let files = NtsFiles::new(config.nts.dump_dir.as_ref().filter(|_| is_used)?);
    files.prepare(account.user());
    Some(files)
}

/// The files that say that the clock is right. They are not there until it is.
fn synchronized_files(config: &Config, controls_clock: bool, account: &Account) -> SynchronizedFiles {
    let paths = config.announcements.synchronized_files(controls_clock);
    SynchronizedFiles::prepare(paths, controls_clock, account.owner())
}

/// Whether the clock is to be steered. A refusal of the kernel is fatal where setting the clock is all that was asked for; a
/// daemon goes on trying, and tells of it like of a refusal later on.
fn wants_control(options: &Options) -> Result<bool, String> {
    if options.observe_only || options.mode == Mode::MeasureOnce {
        if options.observe_only {
            info!("Disabled control of system clock");
        }
        return Ok(false);
    }
    match clock::try_control() {
        Err(_) if options.mode == Mode::SetOnce && !privileges::has_cap_sys_time() => {
            Err("CAP_SYS_TIME not present (-q needs it to set the clock: run as root, or use -Q)".to_owned())
        }
        Err(refusal) if options.mode == Mode::SetOnce => Err(refusal.to_string()),
        _ => Ok(true),
    }
}

fn claim_resources(options: &Options, config: &Config) {
    if (options.lock_memory || config.process.lock_all)
        && let Err(reason) = process::lock_memory()
    {
        warn!("Could not lock memory : {reason}");
    }
    let priority = options.priority.unwrap_or(config.process.sched_priority);
    if priority > 0
        && let Err(reason) = process::realtime_priority(priority)
    {
        warn!("Could not set scheduling priority {priority} : {reason}");
    }
}

fn serve(options: &Options, config: &Config, mut prepared: Prepared, foreground: Option<Foreground>) -> ExitCode {
    let mut clock: Box<dyn Clock> =
        if prepared.controls_clock { Box::new(KernelClock::new()) } else { Box::new(ObservedClock::new()) };
    let drift_path = config.files.drift.as_ref().map(|drift| drift.path.as_str());
    let (leap_file, leap_table) = LeapFile::find(&config.files).unzip();
    let settings = start::settings(config, prepared.temp_comp, options.restarted, prepared.log_files.is_some());
    let start = start::start(options, config, settings, leap_table, drift_path.map(Path::new));
    let network = NetworkWatch::new(clock.read().raw);
    let unready = Unready { foreground, descriptor: options.readiness };
    let told = Some(&config.announcements).filter(|_| options.mode == Mode::Discipline);
    let files = prepared.synchronized_files.take();
    let thermometer = match config.files.thermometer.as_ref().map(Thermometer::new).transpose() {
        Ok(thermometer) => thermometer,
        Err(reason) => {
            return fail(unready.foreground, &format!("Could not read temperatures : {}", plain(&reason)));
        }
    };
    let starter = prepared.starter.take();
    let has_limit = options.timeout.is_some();
    let mut observers = observers::observers(told, files, starter, unready, prepared.controls_clock, has_limit);
    let world = event_loop::Environment {
        clock: clock.as_mut(),
        exchanges: prepared.exchanges,
        signals: Some(prepared.signals),
        watch: ClockWatch::new(),
        network,
        leap_file,
        keys: Some(prepared.keys),
        nts: start::nts_policy(config),
        #[cfg(feature = "nts")]
        key_connections: KeyConnections::new(config.nts.clone(), config.network.clone()),
        devices: prepared.devices,
        thermometer,
        drift_file: drift_path.map(DriftFile::new),
        address_file: drift_path.map(|path| AddressFile::new(address_file::path(Path::new(path)))),
        log_files: prepared.log_files,
        dump_files: prepared.dump_files,
        nts_files: prepared.nts_files,
        recalls: options.recalls,
        family: options.family,
        timeout: options.timeout,
        observer: &mut observers,
        source_files: SourceDirs::new(config.source_dirs.clone()),
        control: prepared.control,
        recording: prepared.recording,
    };
    let ending = event_loop::run(start, world);
    drop(observers);
    state_file::finish(state_file::PATIENCE);
    info!("{} exiting", options.ident);
    match ending {
        Ok(Ending::Finished { success: true } | Ending::Signal | Ending::TimedOut { synchronised: true }) => {
            ExitCode::SUCCESS
        }
        Ok(Ending::Finished { success: false } | Ending::TimedOut { synchronised: false }) => ExitCode::FAILURE,
        Err(reason) => fail(None, &format!("Could not wait for events : {reason}")),
    }
}

/// In the background the waiting foreground process prints the message, and the log has it as well.
fn fail(foreground: Option<Foreground>, message: &str) -> ExitCode {
    if log::max_level() == LevelFilter::Off {
        eprintln!("Fatal error : {message}");
    } else {
        error!(target: FATAL, "Fatal error : {message}");
    }
    if let Some(foreground) = foreground {
        foreground.failed(message);
    }
    ExitCode::FAILURE
}
