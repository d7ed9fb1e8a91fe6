//! `-s`: the time from the hardware clock, before anybody else is asked.

use std::fs;
use std::path::Path;

use log::{debug, info, warn};

use crate::config::Config;
use crate::daemon::files::drift_file;
use crate::daemon::files::opening::read_promptly;
use crate::sys::clock;
use crate::time::{Span, Utc};

/// `-s`: smaller differences between the hardware clock and the system clock are left alone.
const RTC_DIFFERENCE: Span = Span::from_secs(1);

/// Longer than any adjtime file of hwclock(8).
const MOST_BYTES: u64 = 4096;

/// Where the kernel shows the hardware clock, in seconds since 1970.
const RTC_TIME: &str = "/sys/class/rtc/rtc0/since_epoch";

/// The system clock from the hardware clock, unless that is earlier than the drift file (`-s` of chronyd(8)).
pub fn set_from_rtc(config: &Config) {
    let scale = config.rtc.hwclock_file.as_ref().and_then(|path| read_text(path));
    if scale.is_some_and(|text| is_on_local_time(&text)) {
        return warn!("The hardware clock is on local time: system time not set from it (set it to UTC: hwclock -wu)");
    }
    let text = fs::read_to_string(RTC_TIME).ok();
    let Some(rtc) = text.and_then(|text| text.trim().parse().ok()).map(Utc::from_secs) else {
        return debug!("No hardware clock at {RTC_TIME}");
    };
    let written = config.files.drift.as_ref().and_then(|drift| drift_file::written(Path::new(&drift.path)));
    if written.is_some_and(|written| rtc < written) {
        return warn!("RTC time before last driftfile modification (ignored)");
    }
    let behind = rtc - clock::read().utc;
    if behind.abs() >= RTC_DIFFERENCE {
        match clock::step(behind) {
            Ok(()) => info!("System time set from RTC"),
            Err(failure) => warn!("{failure}"),
        }
    }
}

/// What the third line of /etc/adjtime says (hwclock(8)). The kernel itself does not know.
fn read_text(path: &str) -> Option<String> {
    let bytes = read_promptly(Path::new(path), MOST_BYTES).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_on_local_time(adjtime: &str) -> bool {
    adjtime.lines().nth(2).is_some_and(|line| line.trim() == "LOCAL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_clock_on_local_time_is_recognised() {
        assert!(is_on_local_time("0.0 0 0.0\n0\nLOCAL\n"));
        assert!(!is_on_local_time("0.0 0 0.0\n0\nUTC\n"));
        assert!(!is_on_local_time("LOCAL\n"));
    }
}
