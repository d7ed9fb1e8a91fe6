//! The control and monitoring protocol of chrony, version 6, which `chronyc` and the exporters speak.
//!
//! One datagram asks, one answers. Numbers are big-endian, fractions have a format of their own (`float`). A request is padded to the length
//! of the longest answer it may get, so that an answer is never longer than what asked for it. Each layout is written
//! once and serves both directions (`field`). What the reports say is in `core::api::monitoring`.

mod content;
mod field;
mod flaw;
mod float;
mod layout;
pub mod reply;
pub mod request;

/// UDP port of a daemon, unless `cmdport` says another.
pub const PORT: u16 = 323;
/// Unix socket of a daemon, unless `bindcmdaddress` says another.
pub const SOCKET: &str = "/run/chrony/chronyd.sock";

/// Longest datagram considered. Requests are 28 to 520 bytes long, and some clients pad more than they need to.
pub const MAX_LEN: usize = 860;

/// The version we speak: chrony's since 2009.
const VERSION: u8 = 6;

/// Second byte of a request.
const KIND_REQUEST: u8 = 1;
/// Second byte of a reply.
const KIND_REPLY: u8 = 2;

/// Bytes before the body of a request.
const REQUEST_HEADER_LEN: usize = 20;
/// Bytes before the body of a reply: also the shortest reply, and so the shortest request.
const REPLY_HEADER_LEN: usize = 28;
