//! `slewd query --clocks`: the reference clocks that this machine has, how far they are from the system clock, and the line
//! for each. Nothing is used, and nothing is changed.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::say;
use crate::core::api::reference_clock::{ClockConfig, ClockId, Driver, IS_BUILT, Moment, Reading, looks_like_tai};
use crate::core::api::source_id::ReferenceId;
use crate::daemon::clock::{Clock, ObservedClock};
use crate::daemon::devices::{Devices, why_closed};
use crate::time::Span;

/// Where the kernel lists devices by class.
const CLASSES: &str = "/sys/class";

/// What the kernel calls the clocks of hypervisors, what they are, and the rest of the line.
const KNOWN: [(&str, &str, &str); 4] = [
    ("KVM virtual PTP", "host, KVM", "poll 2 dpoll -2 stratum 2"),
    ("hyperv", "host, Hyper-V", "poll 3 dpoll -2 stratum 2"),
    ("ena-ptp", "AWS ENA", "poll 0 delay 0.000010 prefer"),
    ("ptp_vmw", "host, VMware", "poll 2 dpoll -2 stratum 2"),
];

/// A device that could be a reference clock.
#[derive(Clone, Debug, PartialEq)]
struct FoundClock {
    device: String,
    /// What the kernel calls it.
    name: String,
    is_pulse: bool,
}

/// Status 0 if there is any.
pub(super) fn run() -> Result<ExitCode, String> {
    if !IS_BUILT {
        return Err("this slewd was built without reference clocks (feature refclock)".to_owned());
    }
    let found = find(Path::new(CLASSES));
    if found.is_empty() {
        say("This machine has no PTP hardware clock and no pulse-per-second device.\n");
        return Ok(ExitCode::FAILURE);
    }
    for device in &found {
        let offset = if device.is_pulse { Ok(None) } else { offset(&device.device).map(Some) };
        say(&describe(device, offset));
    }
    Ok(ExitCode::SUCCESS)
}

/// The devices that the kernel lists, in the order of their names.
fn find(classes: &Path) -> Vec<FoundClock> {
    let mut found = Vec::new();
    for (class, file, is_pulse) in [("ptp", "clock_name", false), ("pps", "name", true)] {
        let entries = fs::read_dir(classes.join(class)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        tiny_sort::unstable::sort(&mut names);
        for device in names {
            let name = fs::read_to_string(classes.join(class).join(&device).join(file)).unwrap_or_default();
            found.push(FoundClock { device: format!("/dev/{device}"), name: name.trim().to_owned(), is_pulse });
        }
    }
    found
}

/// How far a device is ahead of the system clock.
fn offset(device: &str) -> Result<Span, String> {
    let driver = Driver::Phc { device: device.to_owned(), cross: true };
    why_closed(&driver)?;
    let mut clock = ObservedClock::new();
    let now = clock.read();
    let mut devices = Devices::open(&[ClockConfig::new(ReferenceId::NONE, driver)], now.raw);
    let Reading::Time(read) = devices.read(ClockId(0), &mut clock) else {
        return Err("it does not tell the time".to_owned());
    };
    let now = clock.read();
    Ok(match read.at {
        Moment::System(at) => read.time - at,
        Moment::Counter(at) => read.time - (now.utc - (now.raw - at)),
    })
}

/// What a person wants to know of a device. Pulses have no offset.
fn describe(found: &FoundClock, offset: Result<Option<Span>, String>) -> String {
    let known = KNOWN.iter().find(|(name, ..)| found.name.starts_with(name));
    let what = known.map_or(if found.is_pulse { "pulses" } else { "network card" }, |(_, what, _)| *what);
    let mut text = format!("{}  {what} ({})\n", found.device, found.name.replace(char::is_control, "?"));
    let mut keeps_tai = false;
    match offset {
        Ok(Some(ahead)) => {
            keeps_tai = looks_like_tai(ahead, None);
            let scale = if keeps_tai { ", so it keeps TAI" } else { "" };
            text += &format!("  {:+.6} s from the system clock{scale}\n", ahead.secs_f64());
        }
        Ok(None) => {}
        Err(why) => text += &format!("  cannot be read: {why}\n"),
    }
    let line = match known {
        Some((_, _, rest)) => format!("refclock PHC {} {rest}", found.device),
        None if found.is_pulse => format!("refclock PPS {}", found.device),
        None => format!("refclock PHC {} poll 0 dpoll -2{}", found.device, if keeps_tai { " tai" } else { "" }),
    };
    text += &format!("  {line}\n");
    if found.is_pulse {
        text += "  with lock and another refclock, or a server, for the seconds\n";
    } else if known.is_none() {
        text += "  if something sets it, such as ptp4l\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_of_the_kernel_are_found_and_described() {
        let classes = std::env::temp_dir().join(format!("slewd-classes-{}", std::process::id()));
        let devices = [("ptp/ptp0/clock_name", "KVM virtual PTP\n"), ("ptp/ptp1/clock_name", "00:1b:21:00:00:01\n")];
        for (file, name) in devices.into_iter().chain([("pps/pps0/name", "pps-gpio.-1\n")]) {
            fs::create_dir_all(classes.join(file).parent().expect("a directory")).expect("a temporary directory");
            fs::write(classes.join(file), name).expect("own directory");
        }
        let found = find(&classes);
        fs::remove_dir_all(&classes).expect("own directory");
        assert_eq!(found.iter().map(|f| &*f.device).collect::<Vec<_>>(), ["/dev/ptp0", "/dev/ptp1", "/dev/pps0"]);
        let kvm = describe(&found[0], Ok(Some(Span::from_nanos(-1500))));
        assert!(kvm.contains("host, KVM (KVM virtual PTP)\n  -0.000002 s from the system clock\n"), "{kvm}");
        assert!(kvm.ends_with("  refclock PHC /dev/ptp0 poll 2 dpoll -2 stratum 2\n"), "{kvm}");
        let card = describe(&found[1], Ok(Some(Span::from_millis(37_001))));
        assert!(card.contains("so it keeps TAI\n  refclock PHC /dev/ptp1 poll 0 dpoll -2 tai\n"), "{card}");
        let closed = describe(&found[1], Err("Permission denied".to_owned()));
        assert!(closed.contains("cannot be read: Permission denied\n  refclock PHC"), "{closed}");
        assert!(describe(&found[2], Ok(None)).contains("  refclock PPS /dev/pps0\n"));
        assert_eq!(find(Path::new("/none")), []);
    }

    #[test]
    fn a_device_that_is_none_says_why() {
        assert!(offset("/dev/none").is_err_and(|why| why.contains("No such file")));
        assert!(offset("/dev/null").is_err());
    }
}
