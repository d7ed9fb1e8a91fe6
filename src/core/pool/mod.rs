//! Names and addresses: what is configured, how many servers each line wants, and what worked last time.

pub mod configured;
pub mod last_good;
