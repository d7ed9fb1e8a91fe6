//! What the core shares with the floors above it: settings, orders, events, records, reports.

pub mod alarm;
pub mod command;
pub mod dump;
pub mod event;
pub mod flaw;
pub(in crate::core) mod limits;
pub mod monitoring;
pub mod order;
pub mod record;
pub mod response;
pub mod settings;
pub mod snapshot;
