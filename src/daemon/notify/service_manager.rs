//! What whoever started the daemon is told of it: systemd in the protocol of sd_notify(3), others by a descriptor.

use std::env;
use std::io;
use std::os::fd::RawFd;

use log::{debug, warn};

use crate::config::ReadyWhen;
use crate::core::api::event::Event;
use crate::core::engine::Engine;
use crate::daemon::notify::observer::Observer;
use crate::daemon::notify::ready_condition::{self, ReadyCondition};
use crate::report;
use crate::sys::daemonize::Foreground;
use crate::sys::notify;
use crate::time::{ClockReading, Raw, Span};

/// A manager that is too busy to be told something is left alone for so long.
const PAUSE: Span = Span::from_secs(1);

/// The link to whoever started the daemon. Dropped at the end, which is told as well.
pub struct ServiceManager {
    /// NOTIFY_SOCKET.
    socket: Option<String>,
    watchdog: Option<Watchdog>,
    /// Not told yet that we are ready; then there is nobody to tell any more.
    unready: Option<Unready>,
    controls_clock: bool,
    is_reloading: bool,
    /// The service manager was too busy to hear that we are ready: without that it would give us up.
    is_unheard: bool,
    status: String,
    /// The status is what was told last.
    is_told: bool,
    was_synchronised: bool,
}

/// Programs that wait for readiness, beside systemd.
#[derive(Default)]
pub struct Unready {
    /// The process that was started, while this one is in the background.
    pub foreground: Option<Foreground>,
    /// `-N`.
    pub descriptor: Option<RawFd>,
}

/// Keep-alives.
struct Watchdog {
    every: Span,
    due: Option<Raw>,
}

impl ServiceManager {
    /// The watchdog that the environment asks for.
    pub fn new(unready: Unready, controls_clock: bool) -> Self {
        ServiceManager {
            socket: env::var("NOTIFY_SOCKET").ok(),
            watchdog: Watchdog::wanted(),
            unready: Some(unready),
            controls_clock,
            is_reloading: false,
            is_unheard: false,
            status: "Waiting for the first answers".to_owned(),
            is_told: false,
            was_synchronised: false,
        }
    }

    /// The daemon runs.
    pub fn running(&mut self, ready_when: ReadyWhen) {
        match ready_when {
            ReadyWhen::Running => self.ready(),
            ReadyWhen::Synchronized => self.tell_status(),
        }
    }

    fn ready(&mut self) {
        let Some(unready) = self.unready.take() else { return };
        if let Some(foreground) = unready.foreground {
            foreground.ready();
        }
        if let Some(descriptor) = unready.descriptor
            && let Err(reason) = notify::readiness(descriptor)
        {
            warn!("Could not tell that slewd is ready on descriptor {descriptor} of option -N : {reason}");
        }
        self.is_told = true;
        self.is_unheard = !self.tell(&format!("READY=1\nSTATUS={}", self.status));
    }

    /// Tells again what was not heard; returns when to try once more.
    fn repeat(&mut self, now: Raw) -> Option<Raw> {
        self.is_unheard = self.is_unheard && !self.tell("READY=1");
        self.is_unheard.then_some(now + PAUSE)
    }

    fn tell_status(&mut self) {
        if !self.is_told {
            self.is_told = self.tell(&format!("STATUS={}", self.status));
        }
    }

    /// `false`: it is too busy, and may hear it later.
    fn tell(&self, state: &str) -> bool {
        let result = self.socket.as_ref().map_or(Ok(()), |socket| notify::service_manager(socket, state));
        if let Err(reason) = &result {
            debug!("Could not tell the service manager {state:?}: {reason}");
        }
        !result.is_err_and(|reason| reason.kind() == io::ErrorKind::WouldBlock)
    }

    /// Others than systemd may wait for the clock to be right.
    fn wait_until_right(&mut self, engine: &Engine, now: &ClockReading) -> Option<Raw> {
        self.unready.as_ref()?;
        match ready_condition::of(engine, self.controls_clock, now) {
            ReadyCondition::Right => self.ready(),
            ReadyCondition::Later(at) => return Some(at),
            ReadyCondition::Unknown => {}
        }
        None
    }
}

impl Observer for ServiceManager {
    fn event(&mut self, event: &Event) {
        let status = match event {
            Event::Selected(source) => {
                self.was_synchronised = true;
                format!("Synchronised to {source}")
            }
            Event::CannotSynchronise(obstacle) => {
                let state = if self.was_synchronised { "Synchronisation lost" } else { "Waiting" };
                format!("{state}: {}", report::log::reason(obstacle))
            }
            Event::FallenBack(silence, _) => {
                format!("Synchronisation lost: no update for {:.0} seconds", silence.secs_f64())
            }
            Event::ClockRefused => "The kernel refuses to adjust the clock".to_owned(),
            Event::Slept(_) => "Asking all sources after a suspend".to_owned(),
            _ => return,
        };
        self.is_told &= status == self.status;
        self.status = status;
    }

    fn reloading(&mut self) {
        if self.unready.is_none() {
            self.is_reloading = true;
            self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", notify::monotonic_usec()));
        }
    }

    fn rest(&mut self, engine: &Engine, now: &ClockReading) -> Option<Raw> {
        if std::mem::take(&mut self.is_reloading) {
            self.is_unheard = true;
        }
        let again = self.repeat(now.raw);
        self.tell_status();
        let look = self.wait_until_right(engine, now);
        let is_due = self.watchdog.as_mut().is_some_and(|watchdog| watchdog.is_due(now.raw));
        if is_due {
            self.tell("WATCHDOG=1");
        }
        let due = self.watchdog.as_ref().and_then(|watchdog| watchdog.due);
        [again, look, due].into_iter().flatten().min()
    }
}

impl Drop for ServiceManager {
    fn drop(&mut self) {
        self.tell("STOPPING=1");
    }
}

impl Watchdog {
    /// If whoever watches wants it, and from this process (sd_watchdog_enabled(3)).
    fn wanted() -> Option<Self> {
        let number = |name| env::var(name).ok()?.parse::<u64>().ok();
        let is_other =
            env::var_os("WATCHDOG_PID").is_some() && number("WATCHDOG_PID") != Some(std::process::id().into());
        Self::within(number("WATCHDOG_USEC").filter(|_| !is_other)?)
    }

    /// Twice as often as it has to be, which sd_watchdog_enabled(3) recommends.
    fn within(usec: u64) -> Option<Self> {
        let nanos = i64::try_from(usec).ok()?.checked_mul(500)?;
        (nanos > 0).then(|| Watchdog { every: Span::from_nanos(nanos), due: None })
    }

    fn is_due(&mut self, now: Raw) -> bool {
        let is_due = self.due.is_none_or(|due| due <= now);
        if is_due {
            self.due = Some(now + self.every);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn a_busy_manager_hears_in_the_end_that_we_are_ready() {
        let path = env::temp_dir().join(format!("slewd-busy-{}", std::process::id()));
        let manager = UnixDatagram::bind(&path).expect("a temporary directory");
        manager.set_nonblocking(true).expect("a socket");
        let others = UnixDatagram::unbound().expect("a socket");
        others.set_nonblocking(true).expect("a socket");
        while others.send_to(b"STATUS=others", &path).is_ok() {}
        let mut ours = ServiceManager::new(Unready::default(), false);
        ours.socket = path.to_str().map(str::to_owned);
        let now = Raw::from_nanos(0);
        ours.running(ReadyWhen::Running);
        assert_eq!(ours.repeat(now), Some(now + PAUSE));
        let heard = || std::iter::from_fn(|| manager.recv(&mut [0; 64]).ok()).count();
        assert!(heard() > 0);
        assert_eq!(ours.repeat(now), None);
        assert_eq!((heard(), ours.repeat(now), heard()), (1, None, 0), "told once");
        std::fs::remove_file(path).expect("it was there");
    }

    #[test]
    fn the_watchdog_is_fed_twice_in_its_time() {
        let at = |millis: i64| Raw::from_nanos(1_000_000 * millis);
        let mut watchdog = Watchdog::within(2_000_000).expect("a time");
        let fed: Vec<i64> = (0..40).map(|n| 100 * n).filter(|millis| watchdog.is_due(at(*millis))).collect();
        assert_eq!(fed, [0, 1000, 2000, 3000]);
        assert!(Watchdog::within(0).is_none() && Watchdog::within(u64::MAX).is_none());
    }
}
