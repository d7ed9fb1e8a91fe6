//! What people ask for while it runs.

use crate::core::engine::Engine;
use crate::core::order::{Order, Refused};
use crate::time::ClockReading;

impl Engine {
    /// Carries out an order as far as that is up to the engine. Follow with [`Engine::poll_output`] until it returns a
    /// timeout, as after any input.
    pub fn obey(&mut self, _order: Order, _now: &ClockReading) -> Result<(), Refused> {
        Err(Refused::Failed)
    }
}
