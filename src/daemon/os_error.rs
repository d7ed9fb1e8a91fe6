//! Why the system would not do something, as chronyd says it.

use std::io;

/// The kernel's words without Rust's `(os error 2)`.
pub fn plain(reason: &io::Error) -> String {
    reason.raw_os_error().map_or_else(|| reason.to_string(), |code| nix::errno::Errno::from_raw(code).desc().to_owned())
}
