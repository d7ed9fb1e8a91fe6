//! What the core shares with the floors above it, and its rooms with each other: settings, measurements, orders, events,
//! records, reports, outputs, and what is kept in files.

pub mod alarm;
pub mod command;
pub mod drift;
pub mod dump;
pub mod event;
pub mod exchange;
pub mod flaw;
pub mod last_good;
pub mod limits;
pub mod measurement;
pub mod monitoring;
pub mod network_card;
pub mod nts;
pub mod order;
pub mod output;
pub mod record;
pub mod reference_clock;
pub mod response;
pub mod settings;
pub mod snapshot;
pub mod source_id;
pub mod temp_comp;
