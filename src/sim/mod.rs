//! A world for the engine to live in: oscillators, a kernel clock, links and servers, all in virtual time.
//!
//! Everything is seeded, so a run can be repeated bit for bit. [`World`] drives the real [`Engine`](crate::core::engine)
//! through its real inputs and outputs: only the shell is missing.

pub mod authentication;
pub mod card;
pub mod device;
mod interleaving;
pub mod kernel;
pub mod link;
pub mod oscillator;
pub mod random;
pub mod scenario;
pub mod server;
pub mod timeline;
pub mod trace;
pub mod world;

pub use scenario::{Happening, Scenario};
pub use trace::Trace;
pub use world::World;
