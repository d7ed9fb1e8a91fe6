//! What is shipped for service managers, read by the programs it is for. Nothing is installed or started.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/documents.rs"]
mod documents;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PACKAGING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging");

const UNITS: &[&str] = &["slewd.service", "slewd-wait.service", "slewd-check.service", "slewd-check.timer"];

/// Debian's systemd-analyze and the libraries it is linked with.
const PACKAGES: &[&str] = &[
    "systemd",
    "libsystemd-shared",
    "libacl1",
    "libapparmor1",
    "libaudit1",
    "libblkid1",
    "libcap-ng0",
    "libcap2",
    "libcrypt1",
    "libgcrypt20",
    "libgpg-error0",
    "libip4tc2",
    "libkmod2",
    "liblz4-1",
    "liblzma5",
    "libmount1",
    "libpam0g",
    "libpcre2-8-0",
    "libseccomp2",
    "libselinux1",
    "libssl3",
    "libzstd1",
];

#[test]
fn systemd_finds_no_fault_with_the_units() {
    let root = root("fine", |text| text);
    let output = verify(&root);
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

/// Each drop-in that the documents show, for the unit that they name.
#[test]
fn systemd_finds_no_fault_with_the_drop_ins_of_the_documents() {
    let mut tried = 0;
    for (path, text) in documents::documents() {
        for (_, drop_in) in documents::blocks(&text).into_iter().filter(|(language, _)| language == "ini") {
            let root = root("drop-in", |text| text);
            let unit = if drop_in.contains("ExecStart=") { "slewd-alarm@.service.d" } else { "slewd.service.d" };
            let directory = root.join("etc/systemd/system").join(unit);
            fs::create_dir_all(&directory).expect("our own directory");
            fs::write(directory.join("shown.conf"), &drop_in).expect("our own directory");
            fs::copy(root.join("usr/bin/logger"), root.join("usr/bin/curl")).expect("any program will do");
            let output = verify(&root);
            let said = [output.stdout, output.stderr].concat();
            let is_fine = output.status.success() && said.is_empty();
            assert!(is_fine, "{path}:\n{drop_in}{}", String::from_utf8_lossy(&said));
            tried += 1;
        }
    }
    assert!(tried > 4, "only {tried} drop-ins found");
}

/// The tests above can fail.
#[test]
fn systemd_finds_faults() {
    for (right, wrong) in [("WatchdogSec=", "WatchdogSecs="), ("/usr/sbin/slewd", "/usr/sbin/slewed")] {
        let output = verify(&root("faulty", |text| text.replace(right, wrong)));
        assert!(!output.status.success(), "{wrong}");
    }
}

#[test]
fn the_service_is_exposed_to_little() {
    assert!(exposure_is_at_most_2(&read("systemd/slewd.service")));
    // What the limit is worth: one line less is too much.
    let without = read("systemd/slewd.service").replace("SystemCallFilter=~@resources\n", "");
    assert!(!exposure_is_at_most_2(&without));
}

/// systemd-analyze counts in tenths.
fn exposure_is_at_most_2(unit: &str) -> bool {
    static TURN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let turn = TURN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("exposure-{}-{turn}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory for the test");
    let path = directory.join("slewd.service");
    fs::write(&path, unit).expect("our own directory");
    let output = systemd_analyze().args(["security", "--offline=yes", "--threshold=20"]).arg(&path).output();
    fs::remove_dir_all(directory).expect("our own directory");
    let output = output.expect("systemd-analyze runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("Overall exposure level for slewd.service"), "{output:?}");
    output.status.success()
}

/// A start of systemd-timesyncd must neither stop slewd nor run beside it.
#[test]
fn timesyncd_does_not_stop_slewd() {
    let unit = read("systemd/slewd.service");
    let conflicts = unit.lines().find(|line| line.starts_with("Conflicts=")).expect("others that steer the clock");
    assert!(!conflicts.contains("timesyncd"), "{conflicts}");
    let condition = read("systemd/systemd-timesyncd.service.d/slewd.conf");
    assert!(condition.contains("[Unit]\nConditionFileIsExecutable=!/usr/sbin/slewd\n"), "{condition}");
}

/// SIGHUP ends slewd with exit status 0, after which `on-failure` and `on-abnormal` start nothing.
#[test]
fn a_service_ended_by_sighup_is_started_again() {
    let unit = read("systemd/slewd.service");
    for line in ["Restart=always", "RestartPreventExitStatus=1"] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn the_configuration_is_accepted_without_a_warning() {
    let output = slewd(&["-p", "-f", &format!("{PACKAGING}/slewd.conf")]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("pool 2.pool.ntp.org iburst"), "{output:?}");
}

/// The command lines of units and scripts, with something added that ends them before they do anything.
#[test]
fn the_flags_are_understood() {
    let unit = read("systemd/slewd-wait.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/sbin/slewd ")).expect("a command");
    let words: Vec<&str> = line.split(' ').collect();
    // Nobody is there: not the exit code of a mistake.
    let output = slewd(&[&words[..], &["--running", "-h", "/nowhere"]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    for script in ["runit/run", "s6/slewd/run"] {
        let text = read(script);
        let line = text.lines().find_map(|line| line.strip_prefix("exec /usr/sbin/slewd ")).expect("a command");
        let words: Vec<&str> = line.split(' ').collect();
        let output = slewd(&[&words[..], &["-p", "server 192.0.2.1"]].concat());
        assert!(output.status.success(), "{script}: {output:?}");
    }
}

#[test]
fn scripts_are_scripts() {
    for script in ["runit/run", "runit/finish", "s6/slewd/run", "s6/slewd/finish", "openrc/slewd", "sysvinit/slewd"] {
        let path = format!("{PACKAGING}/{script}");
        let output = Command::new("sh").args(["-n", &path]).output().expect("sh runs");
        assert!(output.status.success(), "{script}: {output:?}");
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).expect("it is there").permissions());
        assert_eq!(mode & 0o111, 0o111, "{script} is executable");
    }
    assert_eq!(read("s6/slewd/notification-fd").trim(), "3");
    assert!(read("s6/slewd/run").contains(" -N 3 "));
}

/// What supervisors run when slewd has ended: a daemon that was killed has left files that say that all is well.
#[test]
fn after_a_kill_nothing_says_that_all_is_well() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cleanup-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory for the test");
    let path = |name: &str| directory.join(name).display().to_string();
    let (config, metrics, synchronized) = (path("slewd.conf"), path("slewd.prom"), path("synchronized"));
    let text = format!(
        "user root\nserver 127.0.0.1 port 9\ncmdport 0\nbindcmdaddress /\npidfile {}\nmetricsfile {metrics} 1\nsynchronizedfile {synchronized}\n",
        path("slewd.pid")
    );
    fs::write(&config, text).expect("our own directory");
    let mut daemon =
        Command::new(env!("CARGO_BIN_EXE_slewd")).args(["-x", "-d", "-f", &config]).spawn().expect("slewd");
    let says = |word: &str| fs::read_to_string(&metrics).is_ok_and(|text| text.contains(word));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !says("slewd_up 1\n") {
        assert!(std::time::Instant::now() < deadline, "no metrics");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    fs::write(&synchronized, "").expect("our own directory");
    let output = slewd(&["cleanup", "-f", &config]);
    assert_eq!(output.status.code(), Some(1), "it runs: {output:?}");
    assert!(says("slewd_up 1\n") && Path::new(&synchronized).exists());
    daemon.kill().expect("it runs");
    daemon.wait().expect("it has ended");
    assert!(says("slewd_up 1\n") && Path::new(&synchronized).exists(), "what the test is about");
    let output = slewd(&["cleanup", "-f", &config]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(says("slewd_up 0\n") && says("\nslewd_written_timestamp_seconds "));
    assert!(!Path::new(&synchronized).exists());
    fs::remove_dir_all(directory).expect("our own directory");
    for (file, call) in [
        ("systemd/slewd.service", "ExecStopPost=-/usr/sbin/slewd cleanup\n"),
        ("runit/finish", "exec /usr/sbin/slewd cleanup\n"),
        ("s6/slewd/finish", "exec /usr/sbin/slewd cleanup\n"),
        ("openrc/slewd", "$command cleanup\n"),
        ("sysvinit/slewd", "$daemon cleanup"),
    ] {
        assert!(read(file).contains(call), "{file}");
    }
}

/// A line, and what shells offer for its last word.
const COMPLETIONS: [(&str, &str); 5] = [
    ("slewd st", "status\n"),
    ("slewd check --k", "--kernel\n"),
    ("slewd wait --max", "--max-error\n--max-skew\n"),
    ("slewd demo -", "--help\n"),
    ("slewd wait --timeout ", ""),
];

#[test]
fn bash_and_fish_complete_commands_and_flags() {
    for (words, offered) in COMPLETIONS {
        let script = "source \"$0\"; COMP_WORDS=($1); [ \"${1% }\" = \"$1\" ] || COMP_WORDS+=(''); \
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _slewd; [ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' \"${COMPREPLY[@]}\"";
        let file = format!("{PACKAGING}/completions/slewd.bash");
        let output = Command::new("bash").args(["-c", script, &file, words]).output().expect("bash runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), offered, "{words}: {output:?}");
        let file = format!("{PACKAGING}/completions/slewd.fish");
        let script = "source $argv[1]; complete -C $argv[2] | string split -f 1 \\t";
        let output =
            Command::new("fish").args(["-N", "-c", script, &file, words]).output().expect("apt-get install fish");
        assert_eq!(String::from_utf8_lossy(&output.stdout), offered, "{words}: {output:?}");
    }
}

/// zsh completes only what is typed: it gets a terminal, the line, and twice the key Tab.
#[test]
fn zsh_completes_commands_and_flags() {
    let script = r#"zmodload zsh/zpty
        zpty z TERM=dumb COLUMNS=80 zsh -f -i
        zpty -w z "PROMPT=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -D -u; slewd() { echo en''d }; echo REA''DY"
        zpty -r z said '*READY*'
        zpty -n -w z "$2"$'\t\t\n'
        zpty -r z said $'*\nend*'
        print -r -- "$said""#;
    for (words, offered) in COMPLETIONS {
        let directory = format!("{PACKAGING}/completions");
        let output = Command::new("timeout").args(["20", "zsh", "-f", "-c", script, "zsh", &directory, words]).output();
        let output = output.expect("apt-get install zsh");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(words), "{words}: {output:?}");
        assert!(offered.lines().all(|word| said.contains(word)), "{words}: {said}");
        assert!(!offered.is_empty() || !said.replace(words, "").contains("--"), "{words}: {said}");
    }
}

#[test]
fn hooks_of_leases_are_short() {
    for hook in ["dhclient-exit-hook", "networkmanager-dispatcher", "networkd-dispatcher", "write-servers"] {
        assert!(read(&format!("dhcp/{hook}")).lines().count() < 15, "{hook}");
    }
}

/// A root directory with systemd's own units, ours and the programs they name.
fn root(name: &str, change: impl Fn(String) -> String) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("systemd-root-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    for directory in ["usr/sbin", "usr/bin", "usr/lib/systemd", "bin", "etc/systemd/system"] {
        fs::create_dir_all(root.join(directory)).expect("a directory for the test");
    }
    let link = |from: &Path, to: &str| symlink(from, root.join(to)).expect("a link");
    link(Path::new("usr/lib"), "lib");
    for program in ["usr/sbin/slewd", "usr/bin/logger", "bin/sh"] {
        fs::copy(env!("CARGO_BIN_EXE_slewd"), root.join(program)).expect("any program will do");
    }
    let units = fetched().join("lib/systemd/system");
    let copied = Command::new("cp").arg("-r").arg(&units).arg(root.join("usr/lib/systemd")).status();
    assert!(copied.is_ok_and(|status| status.success()), "{units:?}");
    fs::create_dir_all(root.join("etc/systemd/system/systemd-timesyncd.service.d")).expect("a directory for the test");
    for unit in UNITS.iter().chain(&["slewd-alarm@.service", "systemd-timesyncd.service.d/slewd.conf"]) {
        let text = change(read(&format!("systemd/{unit}")));
        fs::write(root.join("etc/systemd/system").join(unit), text).expect("our own directory");
    }
    root
}

fn verify(root: &Path) -> Output {
    let mut command = systemd_analyze();
    command.args(["verify", "--man=no", "--recursive-errors=no"]);
    command.arg(format!("--root={}", root.display())).args(UNITS);
    let output = command.output().expect("systemd-analyze runs");
    fs::remove_dir_all(root).expect("our own directory");
    output
}

fn systemd_analyze() -> Command {
    let fetched = fetched();
    let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd"];
    let libraries = libraries.map(|path| fetched.join(path).display().to_string()).join(":");
    let mut command = Command::new(fetched.join("usr/bin/systemd-analyze"));
    command.env("LD_LIBRARY_PATH", libraries);
    command
}

/// The packages as files.
fn fetched() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("systemd");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/fetch-debian");
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let status = Command::new(script).arg(&directory).args(PACKAGES).status().expect("fetch-debian is executable");
    assert!(status.success(), "tests/support/fetch-debian failed: its message is above");
    directory
}

fn slewd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_slewd")).args(arguments).output().expect("slewd runs")
}

fn read(name: &str) -> String {
    fs::read_to_string(format!("{PACKAGING}/{name}")).expect("it is shipped")
}
