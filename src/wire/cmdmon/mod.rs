//! The control and monitoring protocol of chrony, version 6, which `chronyc` and the exporters speak.

pub mod report;
