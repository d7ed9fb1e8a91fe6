//! The commands that the documents show, and who runs each of them.

use std::collections::BTreeSet;

use crate::documents::{blocks, documents, spans};

/// What tests/vm/systemd runs: a command as the documents show it on each line, but for comments.
const IN_THE_GUEST: &str = include_str!("../vm/systemd/guest/shown");

/// What another file of the tests runs: the command, the file, and what is found there. A command that ends with a space or a
/// slash stands for all that begin so.
pub(crate) const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("cargo bench ", "tests/run", "clippy of the benchmarks"),
    ("cargo build ", "tests/run", "cargo build --locked -q --release"),
    ("cargo doc", "tests/run", "cargo doc "),
    ("cargo run --release -- demo", "tests/run", "cargo run --locked -q --release -- demo"),
    ("cargo run --release --manifest-path tests/bench/Cargo.toml", "tests/run", "clippy of the benchmarks"),
    ("cargo test ", "tests/run", "cargo test --locked"),
    ("cargo tree ", "tests/run", "cargo tree --locked"),
    ("cargo vendor", "tests/packaging/reproducible", "packaging/vendor"),
    ("packaging/compile ", "tests/run", "packaging/compile -q --no-default-features"),
    ("packaging/debian/build", "tests/run", "packaging/debian/build --lint"),
    ("sudo apt-get install ./target/debian/slewd_*.deb", "tests/vm/systemd/guest/package.sh", "apt-get install -y"),
    ("sudo apt-get install ./slewd_*.deb", "tests/vm/systemd/guest/package.sh", "apt-get install -y"),
    ("sudo apt-get install chrony", "tests/vm/systemd/guest/package.sh", "/guest/chrony.deb"),
    ("packaging/recipes OUTPUT", "tests/packaging/run", "packaging/recipes"),
    ("packaging/install DESTDIR", "tests/packaging/inits.sh", "packaging/install\" \"$root\""),
    ("sudo packaging/install /", "tests/packaging/inits.sh", "packaging/install\" \"$root\""),
    ("INIT=openrc packaging/install /", "tests/packaging/inits.sh", "INIT=openrc BINARY=$program"),
    ("rustup target add x86_64-unknown-linux-musl", "tests/run", "rustup target add $machine"),
    ("slewd demo", "tests/run", "-- demo"),
    ("cc -shared -fPIC -o refuse.so tests/support/refuse.c -ldl", "tests/support/refuse.rs", "refuse.c"),
    ("unshare -n env LD_PRELOAD=$PWD/refuse.so ", "tests/degradation.rs", "LD_PRELOAD"),
    ("systemd-analyze verify", "tests/packaging.rs", "\"verify\""),
    ("sudo /usr/lib/slewd/from-chrony", "tests/vm/systemd/guest/package.sh", "quietly /usr/lib/slewd/from-chrony\n"),
    ("/usr/lib/slewd/from-chrony --dry-run", "tests/vm/systemd/guest/package.sh", "from-chrony --dry-run"),
    ("timedatectl timesync-status", "tests/vm/systemd/guest/timesyncd.sh", "timedatectl timesync-status"),
    ("timedatectl set-ntp", "tests/vm/systemd/guest/timesyncd.sh", "timedatectl set-ntp false"),
    ("man -l ", "tests/run", "mandoc -T lint"),
    ("openssl req -x509", "tests/support/certificates.rs", "openssl"),
];

/// What nobody runs, and why.
pub(crate) const NOT_RUN: &[(&str, &str)] = &[
    ("tests/", "these are the tests"),
    ("install -m 755 target/release/slewd /usr/sbin/slewd", "the package puts the file there"),
    ("install -D -m 644 packaging/", "the package puts the file there"),
    ("install -m 644 packaging/", "the package puts the file there"),
    ("sudo install -m 644 packaging/apparmor/slewd /etc/apparmor.d/slewd", "the package puts the file there"),
    ("sudo apparmor_parser -r /etc/apparmor.d/slewd", "the package does it"),
    ("systemctl disable --now systemd-timesyncd chrony ntp ntpsec", "whoever reads it names those of the machine"),
    ("adduser --system slewd", "adduser is another program in each distribution; the packages make the account"),
    ("LD_PRELOAD=./clknetsim.so ", "clknetsim is in no distribution"),
    ("slewd wait --timeout 60 --max-error 0.5 && exec /usr/bin/my-program", "the program is the reader's"),
    ("slewd query --clocks", "needs a clock in /dev/ptp"),
    ("cat /sys/class/ptp/ptp*/clock_name", "needs a clock in /dev/ptp"),
    ("slewd has too many open files to ask it", "what the program says"),
    ("slewd burst 4/8", "stands for any two numbers"),
    ("slewd query", "names no server"),
    ("date -s", "has no argument"),
    ("kill -9", "has no argument"),
    ("nft list ruleset", "a firewall is the reader's"),
    ("slewd=target/release/slewd", "the name of the program in the lines that follow it"),
    ("stat -c %s target/release/slewd", "how a figure was measured"),
    ("timedatectl set-local-rtc 0", "writes to the hardware clock, which the guest does not have"),
];

/// Programs that may be run here, where they can harm nobody.
const HERE: [&str; 5] = ["slewd", "chronyc", "date", "getent", "ip"];

/// A command as the documents show it, and where.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shown {
    pub(crate) line: String,
    pub(crate) path: String,
}

/// Everything that looks like a command for a shell.
pub(crate) fn shown() -> Vec<Shown> {
    let mut found = BTreeSet::new();
    for (path, text) in documents() {
        let mut lines: Vec<String> = Vec::new();
        if path.ends_with(".md") {
            for (language, body) in blocks(&text) {
                let known = ["conf", "ini", "sh", "text"].contains(&language.as_str());
                assert!(known, "{path}: a block has the language {language:?}:\n{body}");
                if language == "sh" && !body.starts_with("#!") {
                    let whole = body.replace("\\\n", " ");
                    lines.extend(whole.lines().map(without_comment).filter(|line| !line.is_empty()));
                }
            }
            lines.extend(spans(&text).into_iter().filter(|span| is_command(span)));
        } else {
            let displayed = text.lines().filter_map(|line| line.strip_prefix(".Dl "));
            lines.extend(displayed.map(|line| line.trim_start_matches("ExecStartPre=").to_owned()));
            lines.retain(|line| !line.starts_with("synchronizedfile "));
        }
        found.extend(lines.into_iter().map(|line| Shown { line: normal(&line), path: path.clone() }));
    }
    let mut lines = BTreeSet::new();
    found.into_iter().filter(|shown| lines.insert(shown.line.clone())).collect()
}

fn without_comment(line: &str) -> String {
    let line = line.trim();
    let end = if line.starts_with('#') { 0 } else { line.find(" #").unwrap_or(line.len()) };
    line[..end].trim_end().to_owned()
}

/// One space between words, and the program by its name.
fn normal(line: &str) -> String {
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.replace("$slewd", "slewd").replace("/usr/sbin/slewd wait", "slewd wait").replace("\\|", "|");
    line.trim_end_matches(" && ...").trim_end_matches(" ...").to_owned()
}

/// Code in the running text that is a command: a program that the guides name, with arguments.
fn is_command(span: &str) -> bool {
    const PROGRAMS: [&str; 24] = [
        "adduser",
        "cargo",
        "cat",
        "chronyc",
        "curl",
        "date",
        "getent",
        "ip",
        "journalctl",
        "kill",
        "ln",
        "man",
        "nft",
        "openssl",
        "slewd",
        "$slewd",
        "ss",
        "stat",
        "sudo",
        "systemctl",
        "systemd-analyze",
        "timedatectl",
        "rustup",
        "apt-get",
    ];
    let first = span.split_whitespace().next().unwrap_or_default();
    let is_ours = ["packaging/", "tests/"].iter().any(|directory| first.starts_with(directory));
    (PROGRAMS.contains(&first) || is_ours) && span.contains(' ')
}

/// Who runs a command.
#[derive(Debug, PartialEq)]
pub(crate) enum Runner {
    Here,
    Guest,
    Elsewhere,
    Nobody,
}

pub(crate) fn covers(entry: &str, line: &str) -> bool {
    if entry.ends_with([' ', '/']) { line.starts_with(entry) } else { line == entry }
}

pub(crate) fn guest_commands() -> impl Iterator<Item = &'static str> {
    IN_THE_GUEST.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

pub(crate) fn runners(line: &str) -> Vec<Runner> {
    let program = line.trim_start_matches("sudo ").split(' ').next().unwrap_or_default();
    let mut runners = Vec::new();
    if guest_commands().any(|entry| entry == line) {
        runners.push(Runner::Guest);
    }
    if ELSEWHERE.iter().any(|(entry, ..)| covers(entry, line)) {
        runners.push(Runner::Elsewhere);
    }
    if NOT_RUN.iter().any(|(entry, _)| covers(entry, line)) {
        runners.push(Runner::Nobody);
    }
    // What sets the clock is tried here as well, where it cannot.
    if HERE.contains(&program) && runners.iter().all(|runner| *runner == Runner::Guest) {
        runners.push(Runner::Here);
    }
    runners
}
