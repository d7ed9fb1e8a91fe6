//! Who is told of the state of the clock, and how, as the configuration has it.

use crate::config::{Notifications, ReadyWhen};
use crate::daemon::notify::hook::Hook;
use crate::daemon::notify::metrics_file::MetricsFile;
use crate::daemon::notify::observer::{Logger, Observer, Observers, UnlimitedWait};
use crate::daemon::notify::service_manager::{ServiceManager, Unready};
use crate::daemon::notify::synchronized_file::SynchronizedFiles;
use crate::sys::starter::Starter;

/// Everybody. The service manager is told now that slewd runs; `told` is `None` in the one-shot modes, which have nothing
/// else to tell. `has_limit`: the run ends by itself after a time.
pub fn observers(
    told: Option<&Notifications>,
    files: Option<SynchronizedFiles>,
    starter: Option<Starter>,
    unready: Unready,
    controls_clock: bool,
    has_limit: bool,
) -> Observers {
    let mut manager = ServiceManager::new(unready, controls_clock);
    manager.running(told.map_or(ReadyWhen::Running, |told| told.ready_when));
    let program = told.and_then(|told| told.on_change.first());
    let hook = program.zip(starter).map(|(program, starter)| Hook::new(program.clone(), starter));
    let mut observers: Vec<Box<dyn Observer>> = vec![Box::new(Logger), Box::new(manager)];
    observers.extend(files.map(|files| Box::new(files) as Box<dyn Observer>));
    observers.extend(hook.map(|hook| Box::new(hook) as Box<dyn Observer>));
    let metrics = told.and_then(|told| told.metrics_file.as_ref()).map(MetricsFile::new);
    observers.extend(metrics.map(|metrics| Box::new(metrics) as Box<dyn Observer>));
    if told.is_none() && !has_limit {
        observers.push(Box::<UnlimitedWait>::default());
    }
    Observers(observers)
}
