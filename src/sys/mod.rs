//! The kernel, thin and typed: the only unsafe code, and no policy.
//!
//! Nothing here decides anything. Every function is one request to the kernel with its units and errors put into types,
//! and everything optional says what it obtained, so that the callers can take the next best way.
#![allow(unsafe_code)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod adjtimex;
pub mod clock;
pub mod confinement;
pub mod daemonize;
pub mod glob;
pub mod netlink;
pub mod network_card;
pub mod notify;
pub mod poll_set;
pub mod pps;
pub mod privileges;
pub mod process;
pub mod ptp;
pub mod seccomp;
pub mod shared_memory;
pub mod signals;
mod stamp;
pub mod starter;
pub mod syslog;
pub mod tcp;
pub mod udp;
pub mod udp_server;
