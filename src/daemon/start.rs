//! What the engine is started with: from the configuration, the flags, and what the last run left behind.

use std::path::Path;

use log::{info, warn};

use crate::config::Config;
use crate::core::api::settings::{MakeStep, Settings};
use crate::core::api::temp_comp::TempComp;
use crate::core::clock::leap::LeapTable;
use crate::core::engine::{Floor, NtsPolicy, Start};
use crate::core::estimate::FrequencyPrior;
use crate::daemon::files::drift_file::{self, Found};
use crate::daemon::files::{address_file, log_files};
use crate::daemon::run::Options;
use crate::sys::{clock, process};
use crate::time::{BUILD_EPOCH, Span, Utc};

/// A drift file from further in the future was written by a clock that was wrong.
const PLAUSIBLE_AFTER_BUILD: Span = Span::from_secs(20 * 365 * 86_400);

/// What the engine is told of the configuration: with the curve of `tempcomp` if it is in a file of its own. `is_restarted`:
/// the flag `-R`.
pub fn settings(config: &Config, temp_comp: Option<TempComp>, is_restarted: bool, has_logs: bool) -> Settings {
    let mut settings = config.settings.clone();
    if is_restarted {
        settings.init_step_slew = None;
    }
    if let Some(makestep) = settings.makestep.as_mut().filter(|makestep| makestep.limit > 0 && is_restarted) {
        makestep.limit = 0;
    } else if is_restarted && settings.makestep.is_none() {
        settings.makestep = Some(MakeStep { threshold_s: 0.0, limit: 0 });
    }
    settings.temp_comp = temp_comp.or(settings.temp_comp);
    if has_logs {
        settings.records = log_files::wanted(&config.logs);
    }
    settings
}

/// How often the drift file is written, at most.
pub fn drift_interval(config: &Config) -> Span {
    Span::from_secs(config.files.drift.as_ref().map_or(3600, |drift| i64::from(drift.interval_s)))
}

/// All that the engine is started with.
pub(super) fn start(
    options: &Options,
    config: &Config,
    settings: Settings,
    leap_table: Option<LeapTable>,
    drift_path: Option<&Path>,
) -> Start {
    let found = drift_path.and_then(drift_file::read);
    Start {
        is_brief: options.timeout.is_some(),
        settings,
        sources: config.sources.clone(),
        clocks: config.clocks.clone(),
        last_good: drift_path.map_or(Vec::new(), |path| address_file::read(&address_file::path(path), options.family)),
        mode: options.mode,
        prior: prior(found.as_ref()),
        floor: floor(drift_path.and_then(drift_file::written)),
        drift_interval: drift_interval(config),
        leap_table,
        seed: seed(),
    }
}

/// Dates of certificates are only doubted for a clock that nobody has set since the machine was started.
pub(super) fn nts_policy(config: &Config) -> NtsPolicy {
    let is_uncertain = clock::state().is_ok_and(|state| state.is_unset());
    NtsPolicy {
        refresh: Some(Span::from_secs(i64::from(config.nts.refresh_s))),
        unchecked_updates: config.nts.no_cert_time_check,
        is_provisional: is_uncertain && !config.nts.strict_cert_time,
    }
}

/// What is known of the frequency: from the drift file, or else what the kernel runs at.
fn prior(found: Option<&Found>) -> FrequencyPrior {
    let age = |found: &Found| drift_file::age(found, clock::read().utc);
    if let Some(prior) = found.and_then(|found| found.record.prior(age(found))) {
        return prior;
    }
    let kernel_ppm = clock::state().map_or(0.0, |state| state.frequency_ppm);
    if kernel_ppm.abs() > clock::MAX_FREQUENCY_PPM / 2.0 || kernel_ppm == 0.0 {
        return FrequencyPrior::unknown();
    }
    info!("Initial frequency {:.3} ppm", -kernel_ppm);
    FrequencyPrior { frequency: kernel_ppm * 1e-6, ..FrequencyPrior::unknown() }
}

fn floor(written: Option<Utc>) -> Floor {
    let build = Floor { utc: BUILD_EPOCH, from_drift_file: false };
    match written.filter(|written| *written > BUILD_EPOCH && *written - BUILD_EPOCH < PLAUSIBLE_AFTER_BUILD) {
        Some(written) => Floor { utc: written, from_drift_file: true },
        None => build,
    }
}

/// Random bytes of the kernel.
pub(super) fn seed() -> [u8; 16] {
    let mut seed = [0; 16];
    match process::random_seed() {
        Ok(random) => seed.copy_from_slice(&random[..16]),
        Err(reason) => {
            warn!("No random numbers from the kernel ({reason}): cookies can be guessed");
            seed[..8].copy_from_slice(&clock::read().raw.nanos().to_le_bytes());
        }
    }
    seed
}
