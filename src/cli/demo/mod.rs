//! The demonstration: real sockets and a real clock, wrong on purpose.

pub mod servers;
mod spec;
