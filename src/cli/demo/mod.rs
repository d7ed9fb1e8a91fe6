//! `slewd demo`: real sockets and the real daemon on a make-believe clock that is wrong on purpose.

mod clock;
mod plot;
pub mod servers;
mod spec;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::say;
use crate::config::Network;
use crate::core::api::event::Event;
use crate::core::api::settings::Mode;
use crate::core::api::settings::{Family, Host, MakeStep, Settings, SourceConfig, SourceOptions};
use crate::core::engine::{Engine, Floor, NtsPolicy, Start};
use crate::core::estimate::FrequencyPrior;
use crate::daemon::devices::Devices;
use crate::daemon::event_loop::{self, Environment};
use crate::daemon::exchanges::Exchanges;
use crate::daemon::files::source_dirs::SourceDirs;
#[cfg(feature = "nts")]
use crate::daemon::key_establishment::KeyConnections;
use crate::daemon::notify::observer::Observer;
use crate::report;
use crate::report::status::maximum_error_s;
use crate::report::units::size;
use crate::sys::process;
use crate::time::{BUILD_EPOCH, ClockReading, Raw, Span};
use clock::WrongClock;
use servers::{Behaviour, ServerSpec, Servers, Truth, raw_now};

/// How long to watch.
const LENGTH: Span = Span::from_secs(16);

/// A datagram to this machine itself takes microseconds, on a busy one milliseconds.
const ARRIVES_WITHIN: Duration = Duration::from_secs(2);

/// The clock is this much ahead at the start, and gains this much.
const AHEAD: Span = Span::from_secs(4 * 3600);
const GAINS_PPM: f64 = 40.0;

/// How far the fourth server is ahead of the truth.
const LIE: Span = Span::from_secs(7);

/// The clock must end within this.
const GOAL: Span = Span::from_millis(1);

/// Shows it, and fails if the clock did not end right.
pub fn run() -> ExitCode {
    match show() {
        Ok(error) if error.abs() < GOAL => {
            say(&format!(
                "Verdict: the clock is right to {:.0} us. Four hours wrong took one round trip.\n",
                micros(error)
            ));
            ExitCode::SUCCESS
        }
        Ok(error) => {
            say(&format!("Verdict: FAILED, the clock is still wrong by {:.0} us.\n", micros(error)));
            ExitCode::FAILURE
        }
        Err(reason) => {
            eprintln!("slewd demo: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> io::Result<Span> {
    let truth = Truth::starting(BUILD_EPOCH + Span::from_secs(30 * 86_400), raw_now(), 0.0);
    let servers = Servers::start(truth, cast())?;
    reach_loopback()?;
    let mut clock = WrongClock::new(truth, AHEAD, GAINS_PPM);
    say("A clock that is 4 hours ahead and gains 40 ppm, four servers 20 ms away:\n");
    for address in servers.addresses().iter().take(3) {
        say(&format!("  {address} tells the truth\n"));
    }
    say(&format!("  {} is {:.0} s ahead of it\n\n", servers.addresses()[3], LIE.secs_f64()));
    let mut narrator = Narrator { began: raw_now(), last: raw_now() };
    let world = Environment {
        control: None,
        recording: None,
        clock: &mut clock,
        exchanges: Exchanges::new(Network::default()),
        signals: None,
        watch: None,
        network: None,
        leap_file: None,
        keys: None,
        nts: NtsPolicy::STRICT,
        nts_files: None,
        #[cfg(feature = "nts")]
        key_connections: KeyConnections::default(),
        thermometer: None,
        devices: Devices::default(),
        drift_file: None,
        dump_files: None,
        recalls: false,
        address_file: None,
        log_files: None,
        family: Family::Any,
        timeout: Some(LENGTH),
        observer: &mut narrator,
        source_files: SourceDirs::default(),
    };
    event_loop::run(start(servers.addresses())?, world)?;
    let error = clock.error();
    say(&format!("\n{}\n", plot::draw(clock.history())));
    Ok(error)
}

/// Without the loopback interface nothing can be shown, and servers that do not answer would be blamed.
fn reach_loopback() -> io::Result<()> {
    let remedy = "The servers of the demo are on the loopback interface. Is it up? ip link set lo up";
    send_to_itself().map_err(|reason| {
        io::Error::new(reason.kind(), format!("a datagram to 127.0.0.1 does not arrive ({reason})\n{remedy}"))
    })
}

/// An interface that was taken down keeps its address: what is sent to it is lost without an error.
fn send_to_itself() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(ARRIVES_WITHIN))?;
    socket.send_to(&[0], socket.local_addr()?)?;
    socket.recv(&mut [0]).map(|_| ())
}

/// Three honest servers and a liar, on addresses of their own as real ones would be.
fn cast() -> Vec<ServerSpec> {
    let listen = |host| SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0));
    let server =
        |host| ServerSpec::honest(listen(host)).path_each_way(Span::from_millis(10), Span::from_nanos(300_000));
    vec![server(1), server(2), server(3), server(4).behaving(Behaviour::Lies(LIE))]
}

fn start(addresses: &[SocketAddr]) -> io::Result<Start> {
    let source = |address: &SocketAddr| SourceConfig {
        host: Host::Address(address.ip()),
        pool: false,
        options: SourceOptions { iburst: true, min_poll: 1, port: address.port(), ..SourceOptions::default() },
    };
    let mut seed = [0; 16];
    seed.copy_from_slice(&process::random_seed()?[..16]);
    Ok(Start {
        is_brief: false,
        settings: Settings { makestep: Some(MakeStep { threshold_s: 1.0, limit: 3 }), ..Settings::default() },
        sources: addresses.iter().map(source).collect(),
        clocks: Vec::new(),
        last_good: Vec::new(),
        mode: Mode::Discipline,
        prior: FrequencyPrior::unknown(),
        floor: Floor { utc: BUILD_EPOCH, from_drift_file: false },
        drift_interval: Span::from_secs(3600),
        leap_table: None,
        seed,
    })
}

/// Prints each event as it happens.
struct Narrator {
    began: Raw,
    /// When something was said last.
    last: Raw,
}

/// Nobody who watches is left without a word for longer.
const SILENCE: Span = Span::from_millis(2500);

impl Observer for Narrator {
    fn event(&mut self, event: &Event) {
        let since = (raw_now() - self.began).secs_f64();
        say_wrapped(&format!("{since:7.3} s  {}", report::log::line(event).1));
        self.last = raw_now();
    }

    fn rest(&mut self, engine: &Engine, now: &ClockReading) -> Option<Raw> {
        if now.raw - self.last >= SILENCE {
            self.last = now.raw;
            let snapshot = engine.snapshot(now);
            let error_s = maximum_error_s(&snapshot).map_or("an unknown amount".to_owned(), size);
            let agreeing = snapshot.status.map_or(0, |status| status.agreeing);
            let since = (now.raw - self.began).secs_f64();
            say(&format!("{since:7.3} s  {agreeing} servers agree; the clock can be wrong by {error_s} at most\n"));
        }
        Some(self.last + SILENCE)
    }
}

/// Lines of 80 columns, those that follow under the text of the first.
fn say_wrapped(line: &str) {
    let mut text = String::new();
    let mut column = 0;
    for word in line.split_inclusive(' ') {
        if column > 0 && column + word.trim_end().len() > 80 {
            text.push_str("\n           ");
            column = 11;
        }
        text.push_str(word);
        column += word.len();
    }
    say(&(text + "\n"));
}

fn micros(span: Span) -> f64 {
    span.abs().secs_f64() * 1e6
}
