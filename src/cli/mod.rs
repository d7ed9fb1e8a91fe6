//! Placeholder.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod demo;

/// Placeholder.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
