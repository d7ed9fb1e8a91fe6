//! Who is told of the state of the clock: the service manager, the hook, the metrics file, and whoever waits for the right time.

pub mod hook;
pub mod metrics_file;
pub mod observer;
pub mod observers;
pub mod ready_condition;
pub mod service_manager;
pub mod synchronized_file;
