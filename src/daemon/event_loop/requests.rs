//! What the loop does for those who ask over the control sockets.

use std::net::SocketAddr;
use std::time::Duration;

use crate::core::api::order::{Order, Refused};
use crate::core::engine::{Engine, What};
use crate::daemon::control::Daemon;
use crate::daemon::event_loop::{Ending, Loop};
use crate::daemon::files::state_file;
use crate::time::ClockReading;

/// How long the command `dump` waits for a disk. No request to a server is late by as much that it matters.
const ORDER_PATIENCE: Duration = Duration::from_millis(100);

impl Loop<'_> {
    /// Answers what has arrived at one socket of [`Control`](crate::daemon::control::Control).
    pub(super) fn serve(&mut self, place: usize) {
        if let Some(mut control) = self.world.control.take() {
            control.serve(place, self);
            self.world.control = Some(control);
        }
    }
}

impl Daemon for Loop<'_> {
    fn engine(&self) -> &Engine {
        &self.engine
    }

    fn read_clock(&mut self) -> ClockReading {
        self.world.clock.read()
    }

    fn obey(&mut self, order: Order, request: Option<&[u8]>) -> Result<(), Refused> {
        let now = self.world.clock.read();
        let result = self.engine.handle_order(order, &now, request);
        self.drain();
        result
    }

    fn reload_sources(&mut self) {
        self.reload_sources();
    }

    fn reopen_logs(&mut self) {
        if let Some(logs) = &mut self.world.log_files {
            logs.reopen();
        }
    }

    fn read_keys(&mut self) {
        self.read_keys();
        self.feed(What::Wake);
    }

    fn dump(&mut self) {
        self.save_dumps();
        // Whoever asks for them copies them as soon as there is an answer.
        state_file::finish(ORDER_PATIENCE);
    }

    fn has_route(&self, to: SocketAddr) -> bool {
        self.world.exchanges.can_reach(to)
    }

    fn shut_down(&mut self) {
        self.ending = Some(Ending::Signal);
    }
}
