//! Directives about requests and the process, on the real thing: what a server receives, and what /proc says.
//!
//! Each test runs in a network namespace of its own, which only root can make.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/inside.rs"]
mod inside;
#[path = "support/refuse.rs"]
mod refuse;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use inside::{PATIENCE, as_user, inside, path, start, start_as};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Opens no socket for commands.
const QUIET: [&str; 2] = ["cmdport 0", "bindcmdaddress /"];

/// Where the first request came from that slewd sends to 127.0.0.1 with these lines.
fn first_request(lines: &[&str]) -> SocketAddr {
    let server = UdpSocket::bind("127.0.0.1:123").expect("nobody else is in here");
    server.set_read_timeout(Some(PATIENCE)).expect("a socket has timeouts");
    let _slewd = start(&[&QUIET, &["pidfile /", "server 127.0.0.1"], lines].concat());
    let (_, from) = server.recv_from(&mut [0; 48]).expect("a request");
    from
}

#[test]
fn requests_leave_from_the_configured_port_and_address() {
    inside(|| {
        assert_eq!(first_request(&["acquisitionport 4123"]).port(), 4123);
        assert_eq!(first_request(&["bindacqaddress 127.0.0.77"]).ip().to_string(), "127.0.0.77");
        assert_ne!(first_request(&[]).port(), 4123);
    });
}

#[test]
fn requests_leave_by_the_configured_device_or_not_at_all() {
    inside(|| {
        assert_eq!(first_request(&["bindacqdevice lo"]).ip().to_string(), "127.0.0.1");
        let server = UdpSocket::bind("127.0.0.1:123").expect("nobody else is in here");
        server.set_nonblocking(true).expect("it is a socket");
        let mut slewd = start(&[&QUIET[..], &["pidfile /", "server 127.0.0.1", "bindacqdevice missing0"]].concat());
        slewd.wait_until("a second of life", |slewd| runs_since(slewd.pid()) > 1.0);
        assert!(server.recv_from(&mut [0; 48]).is_err(), "by another device");
    });
}

#[test]
fn the_process_has_the_user_the_memory_the_priority_and_the_file_that_are_configured() {
    inside(|| {
        let file = path("slewd.pid");
        let pid_file = format!("pidfile {}", file.display());
        let lines = [&QUIET[..], &[&pid_file, "user nobody", "lock_all", "sched_priority 7"]].concat();
        let mut slewd = start(&lines);
        let pid = slewd.pid();
        slewd.wait_until("another user", |_| status(pid, "Uid:") == "65534");
        assert_eq!(fs::read_to_string(&file).expect("the pid file").trim(), pid.to_string());
        assert_ne!(status(pid, "VmLck:"), "0", "memory is locked");
        // Behind the name, which may contain anything: rt_priority and policy are the 38th and 39th (proc(5)).
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        assert_eq!((fields[37], fields[38]), ("7", "1"), "SCHED_FIFO");
    });
}

/// Of root's rights only what the sockets still need is kept.
#[test]
fn a_privileged_port_and_an_account_go_together() {
    inside(|| {
        let server = UdpSocket::bind("127.0.0.1:1123").expect("nobody else is in here");
        server.set_read_timeout(Some(PATIENCE)).expect("a socket has timeouts");
        let lines = ["pidfile /", "server 127.0.0.1 port 1123", "acquisitionport 124", "user nobody"];
        let slewd = start(&[&QUIET[..], &lines].concat());
        let (_, from) = server.recv_from(&mut [0; 48]).expect("a request");
        assert_eq!(from.port(), 124);
        assert_eq!(status(slewd.pid(), "Uid:"), "65534");
        assert_eq!(status(slewd.pid(), "CapPrm:"), format!("{:016x}", 1 << 10), "CAP_NET_BIND_SERVICE");
        drop(slewd);
        let slewd = start(&[&QUIET[..], &["pidfile /", "server 127.0.0.1 port 1123", "user nobody"]].concat());
        let (_, from) = server.recv_from(&mut [0; 48]).expect("a request");
        assert_ne!(from.port(), 124);
        assert_eq!(status(slewd.pid(), "CapPrm:"), format!("{:016x}", 0), "nothing is needed");
    });
}

/// In a user namespace the capability is there and does not count: what the kernel answers decides. Nobody in one made by
/// `nobody` can touch the clock of the machine.
#[test]
fn a_capability_that_does_not_count_is_none() {
    inside(|| {
        let program = path("slewd");
        fs::copy(env!("CARGO_BIN_EXE_slewd"), &program).expect("the test's directory is writable");
        let in_namespace = |more: &[&str]| {
            let mut command = as_user("nobody", Path::new("unshare"));
            command
                .args(["--user", "--map-root-user"])
                .arg(&program)
                .args(more)
                .args(["cmdport 0", "bindcmdaddress /"]);
            command.args(["pidfile /", "server 127.0.0.1 port 1123"]);
            command
        };
        let once = in_namespace(&["-q", "-t", "20"]).output().expect("unshare runs");
        let text = String::from_utf8_lossy(&once.stderr).into_owned();
        assert_eq!(once.status.code(), Some(1), "{text}");
        assert!(text.contains("Fatal error : Not permitted to adjust the clock"), "{text}");
        let daemon = in_namespace(&["-d", "-t", "1"]).output().expect("unshare runs");
        let text = String::from_utf8_lossy(&daemon.stderr).into_owned();
        assert!(text.contains("Not permitted to adjust the clock"), "{text}");
    });
}

/// Nobody has chosen an account: the one without rights is taken, and with `-x` nothing is kept.
#[test]
fn root_takes_an_account_without_rights() {
    inside(|| {
        let mut slewd = start(&[&QUIET[..], &["pidfile /", "server 127.0.0.1 port 1123"]].concat());
        slewd.wait_until("another user", |slewd| status(slewd.pid(), "Uid:") != "0");
        assert_ne!(status(slewd.pid(), "Gid:"), "0");
        slewd.wait_until("no new privileges", |slewd| status(slewd.pid(), "NoNewPrivs:") == "1");
        for set in ["CapEff:", "CapPrm:", "CapInh:", "CapBnd:", "CapAmb:"] {
            assert_eq!(status(slewd.pid(), set), format!("{:016x}", 0), "{set}");
        }
        assert_eq!(status(slewd.pid(), "Umask:"), "0022");
        // What is not dumpable belongs to root in /proc, whoever runs it.
        assert_eq!(fs::metadata(format!("/proc/{}/environ", slewd.pid())).expect("it runs").uid(), 0);
        if fs::read_to_string("/etc/passwd").is_ok_and(|list| !list.contains("chrony:") && !list.contains("slewd:")) {
            slewd.wait_for("No account slewd, _chrony, chrony: running as nobody (make an account slewd");
        }
    });
}

/// The steering daemon as /proc shows it. It is in a user namespace, whose capabilities do not reach the clock, and the
/// library in its way has it believe the contrary.
#[test]
fn of_all_rights_that_to_the_clock_is_kept() {
    inside(|| {
        let slewd = in_user_namespace();
        wait_until("another user", || status(slewd.id(), "Uid:") != "0");
        wait_until("no new privileges", || status(slewd.id(), "NoNewPrivs:") == "1");
        for set in ["CapEff:", "CapPrm:", "CapBnd:"] {
            assert_eq!(status(slewd.id(), set), format!("{:016x}", 1 << 25), "{set}");
        }
    });
}

/// Levels of `-F` as the kernel sees them, and what becomes of a call that is not allowed.
#[test]
fn calls_that_no_time_daemon_makes_are_refused() {
    inside(|| {
        let own = [&QUIET[..], &["pidfile /", "server 127.0.0.1 port 1123"]].concat();
        let filters = |slewd: &inside::Slewd| (status(slewd.pid(), "Seccomp:"), threads_filtered(slewd.pid()));
        for (flags, mode) in
            [(&["-x", "-d"][..], "2"), (&["-x", "-d", "-F", "2"], "2"), (&["-x", "-d", "-F", "0"], "0")]
        {
            let mut slewd = start_as("root", flags, &own);
            slewd.wait_until("a second of life", |slewd| runs_since(slewd.pid()) > 1.0);
            assert_eq!(filters(&slewd), (mode.to_owned(), mode == "2"), "{flags:?}");
            assert!(slewd.is_running(), "{flags:?}: {}", slewd.log());
        }
        let mut slewd = forbidden(&["-F", "1"]);
        slewd.wait_for(&format!("System call {} on {}", nix::libc::SYS_unshare, env::consts::ARCH));
        slewd.wait_until("a second of life", |slewd| runs_since(slewd.pid()) > 1.0);
        assert!(slewd.is_running() && slewd.log().matches("System call").count() == 1, "{}", slewd.log());
        for level in ["-1", "-2"] {
            let mut slewd = forbidden(&["-F", level]);
            assert_eq!(slewd.wait().signal(), Some(nix::libc::SIGSYS), "-F {level}: {}", slewd.log());
        }
        for level in ["2", "0"] {
            let mut slewd = forbidden(&["-F", level]);
            slewd.wait_until("a second of life", |slewd| runs_since(slewd.pid()) > 1.0);
            assert!(slewd.is_running() && !slewd.log().contains("System call"), "-F {level}: {}", slewd.log());
        }
    });
}

/// A slewd whose library makes a forbidden call whenever the clock is read.
fn forbidden(flags: &[&str]) -> inside::Slewd {
    let preload = format!("LD_PRELOAD={}", refuse::library().display());
    let slewd = [preload.as_str(), "REFUSE=unshare", env!("CARGO_BIN_EXE_slewd"), "-x", "-d"];
    let own = [&QUIET[..], &["pidfile /", "server 127.0.0.1 port 1123"]].concat();
    inside::start_program("env", &[&slewd[..], flags, &own].concat())
}

/// Every thread of a process is filtered.
fn threads_filtered(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
    let status = threads.filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok());
    status.collect::<Vec<_>>().iter().all(|status| status.contains("Seccomp:\t2"))
}

/// Root only by its name, and then with the right to files alone.
#[test]
fn root_remains_root_if_told_so() {
    inside(|| {
        for flags in [&["-x", "-d", "-u", "root"][..], &["-x", "-d", "-u", "0"]] {
            let mut slewd = start_as("root", flags, &[&QUIET[..], &["pidfile /"]].concat());
            slewd.wait_for("Running with root privileges");
            slewd.wait_until("no new privileges", |slewd| status(slewd.pid(), "NoNewPrivs:") == "1");
            assert_eq!(status(slewd.pid(), "Uid:"), "0");
            assert_eq!(status(slewd.pid(), "CapEff:"), format!("{:016x}", 1 << 1), "CAP_DAC_OVERRIDE");
        }
    });
}

#[test]
fn an_account_may_be_a_number_without_a_list_of_accounts() {
    inside(|| {
        let list = path("no-accounts");
        fs::write(&list, "").expect("the test's directory is writable");
        inside::run("mount", &format!("--bind {} /etc/passwd", list.display()));
        let mut slewd = start_as("0", &["-x", "-d", "-u", "54321"], &[&QUIET[..], &["pidfile /"]].concat());
        slewd.wait_until("the account", |slewd| status(slewd.pid(), "Uid:") == "54321");
        assert_eq!(status(slewd.pid(), "Gid:"), "54321");
        let mut slewd = start_as("0", &["-x", "-d"], &[&QUIET[..], &["pidfile /"]].concat());
        slewd.wait_until("nobody", |slewd| status(slewd.pid(), "Uid:") == "65534");
        let mut slewd = start_as("0", &["-x", "-d", "-u", "somebody"], &[&QUIET[..], &["pidfile /"]].concat());
        assert!(!slewd.wait().success());
        assert!(slewd.log().contains("Fatal error : Could not get user/group ID of somebody"), "{}", slewd.log());
    });
}

/// A drift file of another account is found out at the start, not an hour later.
#[test]
fn a_directory_of_somebody_else_is_told_of_at_the_start() {
    inside(|| {
        for name in ["theirs", "ours"] {
            fs::create_dir(path(name)).expect("the test's directory is writable");
        }
        chown(path("ours"), Some(65_534), Some(65_534)).expect("root gives away");
        let lines = |name: &str| [format!("driftfile {}", path(name).join("drift").display()), "pidfile /".to_owned()];
        let started =
            |lines: [String; 2]| start(&[&QUIET[..], &["user nobody"], &lines.each_ref().map(String::as_str)].concat());
        let mut slewd = started(lines("theirs"));
        slewd.wait_for(
            "User nobody cannot write in /run/test/theirs : Permission denied (the frequency is not remembered: \
             chown -R nobody /run/test/theirs, or choose the account with the directive user)",
        );
        let mut slewd = started(lines("ours"));
        slewd.wait_until("no new privileges", |slewd| status(slewd.pid(), "NoNewPrivs:") == "1");
        sleep(Duration::from_millis(100));
        assert!(!slewd.log().contains("cannot write"), "{}", slewd.log());
        fs::set_permissions(path("theirs"), fs::Permissions::from_mode(0o700)).expect("root may");
        let mut slewd = start(&[&QUIET[..], &["user nobody", "pidfile /", "sourcedir /run/test/theirs"]].concat());
        slewd.wait_for("User nobody cannot read /run/test/theirs : Permission denied (no source from there: chown");
        // One that is missing is made for the account.
        let mut slewd = started(lines("new"));
        slewd.wait_until("the directory", |_| path("new").is_dir());
        slewd.wait_until("its owner", |_| fs::metadata(path("new")).is_ok_and(|new| new.uid() == 65_534));
        assert!(!slewd.log().contains("cannot write"), "{}", slewd.log());
    });
}

#[test]
fn descriptors_that_it_was_started_with_are_closed() {
    inside(|| {
        let (reader, writer) = io::pipe().expect("a pipe");
        fcntl(&writer, FcntlArg::F_SETFD(FdFlag::empty())).expect("a descriptor");
        let slewd = start(&[&QUIET[..], &["pidfile /", "server 127.0.0.1 port 1123"]].concat());
        let at = format!("/proc/{}/fd/{}", slewd.pid(), writer.as_raw_fd());
        let ours = fs::read_link(format!("/proc/self/fd/{}", writer.as_raw_fd())).expect("it is open");
        wait_until("the descriptor is closed", || fs::read_link(&at).ok() != Some(ours.clone()));
        drop(reader);
    });
}

/// The steering daemon in a user namespace that has all accounts, with the library in its way.
fn in_user_namespace() -> Started {
    let mut command = Command::new("unshare");
    // It becomes root of the namespace with the maps, and gets its capabilities with the next program.
    command.args(["--user", "sh", "-c", "read go && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_slewd"), "-d"]);
    command.args([&QUIET[..], &["pidfile /", "server 127.0.0.1 port 1123"]].concat());
    command.env("LD_PRELOAD", refuse::library()).env("REFUSE", "no-clock");
    let mut slewd = Started(command.stdin(Stdio::piped()).spawn().expect("unshare runs"));
    let at = |name: &str| format!("/proc/{}/{name}", slewd.id());
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/user")).ok();
    wait_until("the namespace", || namespace(&slewd.id().to_string()) != namespace("self"));
    for map in ["uid_map", "gid_map"] {
        fs::write(at(map), "0 0 65536\n").expect("root gives everybody");
    }
    slewd.0.stdin.take().expect("it is a pipe").write_all(b"go\n").expect("it reads");
    slewd
}

/// A program under test that is no plain slewd. Killed when dropped.
struct Started(Child);

impl Started {
    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "no {what}");
        sleep(Duration::from_millis(10));
    }
}

/// The first number behind this word in its status.
fn status(pid: u32, word: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(word)).expect("a line");
    line.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Seconds since the process began.
fn runs_since(pid: u32) -> f64 {
    let began = fs::metadata(format!("/proc/{pid}")).and_then(|entry| entry.modified()).expect("it runs");
    began.elapsed().map_or(0.0, |age| age.as_secs_f64())
}
