//! What slewd tells whoever started it, and what it leaves where others look: the real daemon, a server of ours, and the
//! test in the place of systemd. The clock is only observed.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;
#[path = "support/service.rs"]
mod service;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use namespace::Namespace;
use nix::sys::signal::Signal;
use service::{Manager, PATIENCE, QUICK, Serving, start_server, wait_until};

#[test]
fn systemd_is_told_what_happens_in_order() {
    let space = Namespace::new("order");
    let manager = Manager::new(&space);
    let server = start_server(&space, Serving::Now);
    let mut slewd = manager.start(&space, "WATCHDOG_USEC=400000", QUICK, "");
    manager.wait_for("STATUS=Synchronised to 127.0.0.1");
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");
    slewd.signal(Signal::SIGUSR2);
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
    drop(server);
    manager.wait_for("STATUS=Synchronisation lost: no selectable sources (1 unreachable sources)");
    slewd.signal(Signal::SIGTERM);
    assert!(slewd.wait().success(), "{}", slewd.log());
    let told = manager.all();
    let is_alive = |state: &&String| *state != "WATCHDOG=1";
    let reload = told.iter().find(|state| state.starts_with("RELOADING=1")).expect("it was told");
    let expected = [
        "READY=1\nSTATUS=Waiting for the first answers",
        "STATUS=Synchronised to 127.0.0.1",
        reload,
        "READY=1",
        "STATUS=Synchronisation lost: no selectable sources (1 unreachable sources)",
        "STOPPING=1",
    ];
    assert_eq!(told.iter().filter(is_alive).collect::<Vec<_>>(), expected);
    let usec = reload.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|text| text.parse::<u64>().ok());
    // Since the machine was started.
    let uptime = fs::read_to_string("/proc/uptime").expect("Linux knows");
    let uptime_s: f64 = uptime.split(' ').next().and_then(|text| text.parse().ok()).expect("seconds");
    assert!(usec.is_some_and(|usec| (usec as f64 * 1e-6 - uptime_s).abs() < 60.0), "{reload}, {uptime_s}");
}

/// Whoever asks for a reload over the socket has it told to systemd too.
#[test]
fn a_reload_by_command_is_told_as_well() {
    let space = Namespace::new("reload");
    let manager = Manager::new(&space);
    let socket = space.path("socket").display().to_string();
    let _slewd = manager.start(&space, "", &format!("{QUICK}user root\nbindcmdaddress {socket}\n"), "");
    manager.wait_for("READY=1");
    let output = space.run(Path::new(env!("CARGO_BIN_EXE_slewd")), &["reload", "-h", &socket]);
    assert!(output.status.success(), "{output:?}");
    manager.wait_for("RELOADING=1\nMONOTONIC_USEC=");
    manager.wait_for("READY=1");
}

/// The process that was started ends when the one in the background is ready.
#[test]
fn the_foreground_waits_for_the_clock_too() {
    let space = Namespace::new("foreground");
    let (pid_file, file) = (space.path("slewd.pid"), space.path("synchronized"));
    let lines = format!(
        "{QUICK}user root\ncmdport 0\nbindcmdaddress /\npidfile {}\nreadywhen synchronized\nsynchronizedfile {}\n",
        pid_file.display(),
        file.display()
    );
    let conf = space.file("slewd.conf", &lines).display().to_string();
    let log = space.path("log").display().to_string();
    // It ends by itself, should this test not end it.
    let flags = ["-x", "-t", "120", "-l", &log, "-f", &conf];
    let mut foreground = space.start(Path::new(env!("CARGO_BIN_EXE_slewd")), &flags);
    wait_until("daemon", || fs::read_to_string(&pid_file).is_ok_and(|pid| pid.trim() != foreground.id().to_string()));
    sleep(Duration::from_secs(2));
    let status = fs::read_to_string(format!("/proc/{}/status", foreground.id())).expect("it is our child");
    assert!(status.contains("State:\tS"), "it has ended: {status}");
    let _server = start_server(&space, Serving::Now);
    assert!(foreground.wait().success(), "{}", foreground.log());
    wait_until("file", || file.exists());
    let pid = fs::read_to_string(&pid_file).ok().and_then(|pid| pid.trim().parse().ok()).expect("a process");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).expect("our own daemon");
    wait_until("end", || !pid_file.exists() && !file.exists());
}

/// Without an answer it is not ready; with one it is, and says so to everybody.
#[test]
fn readiness_may_wait_for_the_clock() {
    let space = Namespace::new("readywhen");
    let manager = Manager::new(&space);
    let (file, timesync, fd) = (space.path("synchronized"), space.path("timesync/synchronized"), space.path("fd"));
    fs::write(&file, "left behind").expect("the test's directory is writable");
    let conf = format!(
        "{QUICK}user root\nreadywhen synchronized\nsynchronizedfile {} {}\n",
        file.display(),
        timesync.display()
    );
    let mut slewd = manager.start(&space, "", &conf, &format!("-N 7 7>{}", fd.display()));
    manager.wait_for("STATUS=Waiting for the first answers");
    sleep(Duration::from_secs(3));
    assert!(!manager.all().iter().any(|state| state.contains("READY")), "{:?}", manager.all());
    assert!(!file.exists() && timesync.parent().is_some_and(Path::is_dir));
    assert_eq!(fs::read_to_string(&fd).expect("the shell made it"), "");
    let _server = start_server(&space, Serving::Now);
    manager.wait_for("READY=1\nSTATUS=Synchronised to 127.0.0.1");
    wait_until("both files", || file.exists() && timesync.exists());
    assert_eq!(fs::read_to_string(&fd).expect("the shell made it"), "\n");
    for path in [&file, &timesync] {
        assert_eq!(fs::metadata(path).expect("it is there").permissions().mode() & 0o777, 0o644);
        let text = fs::read_to_string(path).expect("it is there");
        assert!(text.starts_with("20") && text.ends_with("Z\n"), "{text}");
    }
    slewd.signal(Signal::SIGTERM);
    assert!(slewd.wait().success(), "{}", slewd.log());
    assert!(!file.exists() && !timesync.exists());
}

/// The sources agree, but the clock is an hour from where they are, and nobody may put it right.
#[test]
fn a_wrong_clock_is_not_called_right() {
    let space = Namespace::new("wrong");
    let manager = Manager::new(&space);
    let file = space.path("synchronized");
    let _server = start_server(&space, Serving::AnHourAhead);
    let conf = format!("{QUICK}user root\nreadywhen synchronized\nsynchronizedfile {}\n", file.display());
    let _slewd = manager.start(&space, "", &conf, "");
    manager.wait_for("STATUS=Synchronised to 127.0.0.1");
    sleep(Duration::from_secs(3));
    assert!(!manager.all().iter().any(|state| state.contains("READY")), "{:?}", manager.all());
    assert!(!file.exists());
}

#[test]
fn a_loop_that_hangs_is_not_kept_alive() {
    let space = Namespace::new("hang");
    let manager = Manager::new(&space);
    let _server = start_server(&space, Serving::Now);
    let slewd = manager.start(&space, "WATCHDOG_USEC=200000", QUICK, "");
    manager.wait_for("WATCHDOG=1");
    slewd.signal(Signal::SIGSTOP);
    // One may be on its way.
    sleep(Duration::from_millis(300));
    let before = manager.all().len();
    sleep(Duration::from_secs(2));
    assert_eq!(manager.all().len(), before, "{:?}", manager.all());
    slewd.signal(Signal::SIGCONT);
    manager.wait_for("WATCHDOG=1");
}

/// Another process's watchdog is none of ours, and without one nothing wakes a daemon that has nothing to do.
#[test]
fn only_a_watchdog_wakes_an_idle_daemon() {
    let space = Namespace::new("idle");
    // Nobody is asked.
    let conf = "server 192.0.2.1 offline\n";
    for (variables, wakes) in
        [("", 0..=1), ("WATCHDOG_PID=1 WATCHDOG_USEC=200000", 0..=1), ("WATCHDOG_PID=$$ WATCHDOG_USEC=200000", 15..=60)]
    {
        let manager = Manager::new(&space);
        let slewd = manager.start(&space, variables, conf, "");
        manager.wait_for("READY=1");
        sleep(Duration::from_secs(1));
        let before = service::wakes(slewd.id());
        sleep(Duration::from_secs(3));
        let woken = service::wakes(slewd.id()) - before;
        println!("{variables}: woken {woken} times in 3 s");
        assert!(wakes.contains(&woken), "{variables}: {woken}");
    }
}

#[test]
fn metrics_are_replaced_whole() {
    let space = Namespace::new("metrics");
    let manager = Manager::new(&space);
    let path = space.path("later/slewd.prom");
    let _server = start_server(&space, Serving::Now);
    let mut slewd = manager.start(&space, "", &format!("{QUICK}user root\nmetricsfile {} 1\n", path.display()), "");
    slewd.wait_for("Selected source 127.0.0.1", PATIENCE);
    sleep(Duration::from_secs(2));
    assert_eq!(
        slewd.log().matches("slewd.prom.tmp : No such file or directory (no metrics)").count(),
        1,
        "{}",
        slewd.log()
    );
    fs::create_dir(space.path("later")).expect("the test's directory is writable");
    let (mut seen, mut opened) = (Vec::new(), None);
    wait_until("three generations", || {
        let Ok(text) = fs::read_to_string(&path) else { return false };
        opened.get_or_insert_with(|| fs::File::open(&path).expect("it was there"));
        service::check_metrics(&text);
        if seen.last() != Some(&text) {
            seen.push(text);
        }
        seen.len() >= 3
    });
    // Who has opened it reads the old one to its end, which is not that of the last.
    let old = std::io::read_to_string(opened.expect("it was there")).expect("an open file");
    assert!(seen.contains(&old) && seen.last() != Some(&old), "written in place");
    assert!(seen.iter().all(|text| text.contains("\nslewd_up 1\n")), "{seen:?}");
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o644);
    let names: Vec<_> =
        fs::read_dir(space.path("later")).expect("it is there").flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["slewd.prom"]);
    slewd.signal(Signal::SIGTERM);
    assert!(slewd.wait().success(), "{}", slewd.log());
    let last = fs::read_to_string(&path).expect("it is there");
    service::check_metrics(&last);
    assert!(last.contains("slewd_up 0\n"), "{last}");
    assert_eq!(slewd.log().matches("Could not open").count(), 1, "{}", slewd.log());
}
