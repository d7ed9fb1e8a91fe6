//! A run of the engine as text: all that the engine was started with and told, and all that it wanted. The same version of
//! the engine, given the same, wants the same, so that a run can be repeated without its network and its clock.
//!
//! A recording is lines of words. Numbers are decimal, times are in nanoseconds, bytes are hexadecimal.
//!
//! ```text
//! slewd-recording 1 0.1.0            the format, and the version of slewd
//! conf server ntp.example.net        a line of the configuration, and others that say what the run starts with
//! started 71 1795447869000 40 0      the clocks then: raw counter, system clock, time between readings, time slept
//! wake 72 1795447870000 38 0         an input: its kind, the clocks, what it says
//! > wait 90 request                  an output
//! end
//! ```
//! `inputs` and `outputs` have the words of each. A further run in a file begins with a line as the first one.
//!
//! Keys are secrets, and are not recorded. Without them no reply of a protected source could be checked again: a recording
//! ends where such a source is added.

#[cfg(feature = "record")]
mod inputs;
#[cfg(feature = "record")]
mod outputs;
#[cfg(feature = "record")]
mod writer;

use std::ops::Deref;

#[cfg(not(feature = "record"))]
pub use absent::NoRecording as Recording;
#[cfg(feature = "record")]
pub use outputs::text as output_text;
#[cfg(feature = "record")]
pub use writer::{FORMAT, Recording, Sink, VERSION, is_protected};

use crate::core::api::order::{Order, Refused};
use crate::core::api::output::Output;
use crate::core::engine::{Engine, Input, PastFile, Start};
use crate::time::{ClockReading, Raw};

/// An engine whose run may be recorded.
pub struct RecordedEngine {
    engine: Engine,
    recording: Option<Recording>,
}

impl RecordedEngine {
    /// Starts an engine.
    pub fn new(start: Start, now: ClockReading, mut recording: Option<Recording>) -> Self {
        note(&mut recording, |recording| recording.started(&start, &now));
        RecordedEngine { engine: Engine::new(start, now), recording }
    }

    /// See [`Engine::recall`].
    pub fn recall(&mut self, files: Vec<PastFile>, boot: Option<String>, now: &ClockReading) {
        note(&mut self.recording, |recording| recording.recalled(&files, boot.as_deref()));
        self.engine.recall(files, boot, now);
    }

    /// See [`Engine::handle_input`].
    pub fn handle_input(&mut self, input: Input<'_>) {
        note(&mut self.recording, |recording| recording.input(&input));
        self.engine.handle_input(input);
    }

    /// The lines of `.sources` files, as they were typed, of which the next input tells.
    pub fn source_lines(&mut self, lines: &[String]) {
        note(&mut self.recording, |recording| recording.source_lines(lines));
    }

    /// See [`Engine::handle_order`]. `request`: the datagram of chronyc that the order was made of.
    pub fn handle_order(&mut self, order: Order, now: &ClockReading, request: Option<&[u8]>) -> Result<(), Refused> {
        note(&mut self.recording, |recording| recording.order(&order, now, request));
        self.engine.handle_order(order, now)
    }

    /// See [`Engine::explain`].
    pub fn explain(&mut self, now: Raw) {
        note(&mut self.recording, |recording| recording.explained(now));
        self.engine.explain(now);
    }

    /// See [`Engine::poll_output`].
    pub fn poll_output(&mut self) -> Output {
        let output = self.engine.poll_output();
        note(&mut self.recording, |recording| recording.output(&output));
        output
    }

    /// The engine, for what is not part of a recording: keys, and what is asked for when the run is over.
    pub fn unrecorded(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The run is over.
    pub fn end(&mut self) {
        note(&mut self.recording, Recording::end);
    }
}

impl Deref for RecordedEngine {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

/// Writes something down, unless nothing is recorded, or not any more.
fn note(recording: &mut Option<Recording>, write: impl FnOnce(&mut Recording)) {
    if let Some(present) = recording {
        write(present);
        if present.is_over() {
            *recording = None;
        }
    }
}

#[cfg(not(feature = "record"))]
mod absent {
    use super::*;

    /// What there never is without the feature.
    pub enum NoRecording {}

    impl NoRecording {
        pub(super) fn started(&mut self, _: &Start, _: &ClockReading) {}
        pub(super) fn recalled(&mut self, _: &[PastFile], _: Option<&str>) {}
        pub(super) fn input(&mut self, _: &Input<'_>) {}
        pub(super) fn source_lines(&mut self, _: &[String]) {}
        pub(super) fn order(&mut self, _: &Order, _: &ClockReading, _: Option<&[u8]>) {}
        pub(super) fn explained(&mut self, _: Raw) {}
        pub(super) fn output(&mut self, _: &Output) {}
        pub(super) fn end(&mut self) {}
        pub(super) fn is_over(&self) -> bool {
            match *self {}
        }
    }
}
