//! What the engine wants done.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::core::api::command::ClockCommand;
use crate::core::api::drift::DriftRecord;
use crate::core::api::event::Event;
use crate::core::api::exchange::ExchangeId;
use crate::core::api::last_good::LastGood;
use crate::core::api::nts::{EstablishmentId, KeyRequest};
use crate::core::api::record::Record;
use crate::core::api::reference_clock::ClockId;
use crate::time::Raw;
use crate::wire::packet::Packet;

/// Something is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this from a new socket, and answer with `What::Sent` or `What::Unreachable`.
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
    /// Look up the name of this line, and answer with `What::Resolved`.
    Resolve {
        /// The line is `Engine::line`.
        line: usize,
    },
    /// Establish NTS keys, and answer with `What::Keys`.
    EstablishKeys(Box<KeyRequest>),
    /// That has taken too long: give it up, and answer nothing.
    AbandonKeys(EstablishmentId),
    /// Carry this out, and answer with `What::Applied`.
    Clock(ClockCommand),
    /// Read this device, and answer with `What::Reading`.
    ReadClock(ClockId),
    /// Read the file with leap seconds again, and answer with `What::LeapData` if it could be read.
    ReadLeapData,
    /// Read the sensor of `tempcomp`, and answer with `What::Temperature` if it could be read.
    ReadTemperature,
    /// Write the drift file.
    Save(DriftRecord),
    /// Write the address file.
    SaveAddresses(Vec<LastGood>),
    /// Tell people.
    Event(Event),
    /// A line for a log file, if `Settings::records` wants it.
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

/// Outputs in the order in which they are to be done.
#[derive(Clone, Debug)]
pub(in crate::core) struct Outputs {
    queue: VecDeque<Output>,
    is_finished: bool,
}

impl Outputs {
    /// Nothing is to be done yet.
    pub(in crate::core) fn new() -> Self {
        Outputs { queue: VecDeque::with_capacity(64), is_finished: false }
    }

    /// One more.
    pub(in crate::core) fn push(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    /// People are told.
    pub(in crate::core) fn tell(&mut self, event: Event) {
        self.push(Output::Event(event));
    }

    /// The clock is told.
    pub(in crate::core) fn command(&mut self, command: ClockCommand) {
        if let ClockCommand::Steer { frequency, .. } = command {
            debug_assert!(frequency.is_finite(), "the clock runs at {frequency}");
        }
        self.push(Output::Clock(command));
    }

    /// The run ends.
    pub(in crate::core) fn finish(&mut self, success: bool) {
        self.is_finished = true;
        self.push(Output::Finish { success });
    }

    /// Whether the run has ended.
    pub(in crate::core) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// The next one.
    pub(in crate::core) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}
