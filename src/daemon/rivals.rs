//! Which other program may be changing the clock: looked up in /proc when the engine says that one does.

use std::fs;
use std::path::Path;

/// Programs that set the clock, as the kernel names them (at most 15 characters).
const SUSPECTS: [&str; 15] = [
    "chronyd",
    "ntpd",
    "ntpsec",
    "openntpd",
    "ntp-daemon",
    "systemd-timesyn",
    "connmand",
    "sntp",
    "phc2sys",
    "timemaster",
    "vmtoolsd",
    "VBoxService",
    "qemu-ga",
    "prltoolsd",
    "slewd",
];

/// The process that proves that we may see those of others.
const INIT: &str = "1";

/// Words for the log: who runs here that may do it.
pub fn describe() -> String {
    sentence(Path::new("/proc"), std::process::id())
}

fn sentence(proc: &Path, own: u32) -> String {
    let found = suspects(proc, own);
    if !found.is_empty() {
        format!("{} may be doing it, only one program should set the clock", found.join(", "))
    } else if !proc.join(INIT).exists() {
        "other processes are hidden from here, look for another time daemon or a guest agent".to_owned()
    } else {
        "no time daemon or guest agent that is known here runs on this system".to_owned()
    }
}

/// Name and number of each suspect, in the order of their numbers.
fn suspects(proc: &Path, own: u32) -> Vec<String> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    tiny_sort::unstable::sort(&mut numbers);
    let others = numbers.into_iter().filter(|number| *number != own);
    others
        .filter_map(|number| {
            let name = suspect(&proc.join(number.to_string()))?;
            Some(format!("{name} (pid {number})"))
        })
        .collect()
}

fn suspect(process: &Path) -> Option<String> {
    let name = fs::read_to_string(process.join("comm")).ok()?.trim().to_owned();
    if SUSPECTS.contains(&name.as_str()) {
        return Some(name);
    }
    // One program with many names, which it may be given as an argument.
    let arguments = fs::read(process.join("cmdline")).ok().filter(|_| name == "busybox")?;
    let is_ntpd = arguments.split(|byte| *byte == 0).nth(1) == Some(b"ntpd");
    is_ntpd.then(|| "busybox ntpd".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(proc: &Path, number: u32, name: &str, arguments: &[u8]) {
        let directory = proc.join(number.to_string());
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("comm"), format!("{name}\n")).unwrap();
        fs::write(directory.join("cmdline"), arguments).unwrap();
    }

    #[test]
    fn time_daemons_are_found_by_name_and_we_do_not_suspect_ourselves() {
        let proc = std::env::temp_dir().join(format!("slewd-rivals-{}", std::process::id()));
        process(&proc, 77, "slewd", b"slewd\0");
        assert!(sentence(&proc, 77).starts_with("other processes are hidden"));
        process(&proc, 1, "systemd", b"/sbin/init\0");
        process(&proc, 20, "busybox", b"busybox\0sh\0");
        assert!(sentence(&proc, 77).starts_with("no time daemon"));
        process(&proc, 300, "systemd-timesyn", b"/lib/systemd/systemd-timesyncd\0");
        process(&proc, 40, "busybox", b"busybox\0ntpd\0-n\0");
        assert_eq!(
            sentence(&proc, 77),
            "busybox ntpd (pid 40), systemd-timesyn (pid 300) may be doing it, only one program should set the clock"
        );
        fs::remove_dir_all(&proc).unwrap();
    }
}
