//! Those who watch the engine at work: the log, the service manager, files and commands. None of them can disturb it.

use std::os::fd::BorrowedFd;

use log::{Level, log, warn};

use crate::core::api::event::Event;
use crate::core::api::flaw::Flaw;
use crate::core::engine::Engine;
use crate::daemon::rivals;
use crate::report;
use crate::time::{ClockReading, Raw};

/// Told of what happens. What is to be done at the end is done when it is dropped.
pub trait Observer {
    /// The engine has something to tell.
    fn event(&mut self, _event: &Event) {}

    /// The `.sources` files are about to be read again. It is over at the next [`Observer::rest`].
    fn reloading(&mut self) {}

    /// Whatever happened has been dealt with, and the loop is going to wait: until this moment at most, if one is
    /// returned. It may wake earlier, and then asks again.
    fn rest(&mut self, _engine: &Engine, _now: &ClockReading) -> Option<Raw> {
        None
    }

    /// Readable when something has happened that [`Observer::rest`] looks for.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// All observers of a daemon, told in this order.
#[derive(Default)]
pub struct Observers(pub Vec<Box<dyn Observer>>);

impl Observer for Observers {
    fn event(&mut self, event: &Event) {
        self.0.iter_mut().for_each(|observer| observer.event(event));
    }

    fn reloading(&mut self) {
        self.0.iter_mut().for_each(|observer| observer.reloading());
    }

    fn rest(&mut self, engine: &Engine, now: &ClockReading) -> Option<Raw> {
        // Each must be asked, whatever the others want.
        self.0
            .iter_mut()
            .fold(None, |earliest, observer| [earliest, observer.rest(engine, now)].into_iter().flatten().min())
    }

    /// The descriptor of the one observer that has one: the command of `onchange`.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.0.iter().find_map(|observer| observer.descriptor())
    }
}

/// Writes every event into the log.
pub struct Logger;

impl Observer for Logger {
    fn event(&mut self, event: &Event) {
        let (level, text) = report::log::line(event);
        match event {
            Event::Interference => log!(level, "{text}: {}", rivals::describe()),
            _ => log!(level, "{text}"),
        }
        debug_assert!(level <= Level::Info);
    }
}

/// A run that only sets or measures the clock and has no limit of time (`-t`) may wait for ever for the address of a name, as
/// chronyd does at a boot whose network comes late. Says so once.
#[derive(Default)]
pub struct UnlimitedWait {
    is_told: bool,
}

impl Observer for UnlimitedWait {
    fn event(&mut self, event: &Event) {
        if let Event::SourceUnusable(_, Flaw::NoAddress) = event
            && !std::mem::replace(&mut self.is_told, true)
        {
            warn!(
                "Waiting for an address without a limit of time (check the name and the resolver; -t SECONDS sets a limit)"
            );
        }
    }
}
