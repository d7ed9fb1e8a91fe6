//! The decisions: inputs in, outputs out, no contact with the world.

pub mod estimate;
pub mod settings;
