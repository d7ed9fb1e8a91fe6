//! Each command and each configuration that the documents show is run by the real program.
//!
//! Here: what `slewd`, `chronyc` and a few tools do beside a daemon that only observes, and each command that starts a
//! daemon of its own. What needs systemd is run by tests/vm/systemd, in the order of its list; what is run by nobody has a
//! reason. A command that is none of these fails.

#![allow(missing_docs, clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/documents.rs"]
mod documents;
#[path = "support/inside.rs"]
mod inside;
#[path = "support/namespace.rs"]
mod namespace;
#[path = "support/shown.rs"]
mod shown;

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use documents::{ROOT, configurations, documents};
use inside::inside;
use shown::{ELSEWHERE, NOT_RUN, Runner, Shown, covers, guest_commands, runners, shown};

/// Whoever runs these next finds another daemon.
const ORDERS: &[&str] =
    &["burst", "cmdallow", "makestep", "offline", "online", "onoffline", "refresh", "rekey", "reload", "shutdown"];

/// These want a clock that is right to 10 ms, and run while nothing else makes packets late.
const EXACT: [&str; 2] = ["maximum_error_s", "--max-error 0.01"];

/// So many commands that only ask run at once.
const TOGETHER: usize = 6;

/// What the capitals of the documents stand for.
const PLACEHOLDERS: [(&str, &str); 4] =
    [("FILE", "/etc/slewd/slewd.conf"), ("HOST", "ntp.example.net"), ("NAME", "ntp1.example.net"), ("USER", "nobody")];

/// Commands that say no, rightly: the beginning, the exit status, and a word of what is said.
const REFUSED: &[(&str, i32, &str)] = &[
    ("slewd -p -f /etc/ntp.conf", 1, "docs/migrate.md"),
    ("slewd -p -f /etc/systemd/timesyncd.conf", 1, "docs/migrate.md"),
    // The daemon here only observes the clock, and the kernel's is nobody's.
    ("chronyc makestep", 1, "500 Failure"),
    ("slewd makestep", 1, "500 Failure"),
    ("sudo slewd makestep", 1, "500 Failure"),
    ("slewd check --kernel", 2, "not synchronised, says the kernel"),
];

/// Where the commands stand that are wrong on purpose.
const MISTYPED: &str = "mistyped";

#[test]
fn every_command_is_run_or_has_a_reason() {
    let shown = shown();
    assert!(shown.len() > 100, "only {} commands found", shown.len());
    let unclear: Vec<String> = shown
        .iter()
        .map(|shown| (shown, runners(&shown.line)))
        .filter(|(_, runners)| runners.is_empty() || runners.contains(&Runner::Nobody) && runners.len() > 1)
        .map(|(shown, runners)| format!("{}: {}: {runners:?}", shown.path, shown.line))
        .collect();
    assert!(unclear.is_empty(), "run by nobody without a reason, or named twice:\n{}", unclear.join("\n"));
    let entries = ELSEWHERE.iter().map(|(entry, ..)| *entry).chain(NOT_RUN.iter().map(|(entry, _)| *entry));
    let is_shown = |entry: &&str| shown.iter().any(|shown| covers(entry, &shown.line));
    let stale: Vec<&str> = entries.chain(guest_commands()).filter(|entry| !is_shown(entry)).collect();
    assert!(stale.is_empty(), "shown nowhere:\n{}", stale.join("\n"));
    for (entry, file, text) in ELSEWHERE {
        let found = fs::read_to_string(Path::new(ROOT).join(file)).expect(file).contains(text);
        assert!(found, "{file} does not run {entry:?}: it has no {text:?}");
    }
    let here = shown.iter().filter(|shown| runners(&shown.line).contains(&Runner::Here)).count();
    let counts = [ELSEWHERE.len(), NOT_RUN.len(), guest_commands().count()];
    println!("{} commands: {here} run here; entries elsewhere, not run, in the guest: {counts:?}", shown.len());
}

#[test]
fn every_command_for_this_machine_does_what_it_should() {
    inside(|| {
        let mut blocks: Vec<(String, String)> = documents()
            .iter()
            .flat_map(|(path, text)| configurations(path, text).into_iter().map(|block| (path.clone(), block)))
            .collect();
        let mut shown: Vec<Shown> =
            shown().into_iter().filter(|shown| runners(&shown.line).contains(&Runner::Here)).collect();
        // These have to be found.
        blocks.push((MISTYPED.to_owned(), "pol 2.pool.ntp.org iburst\n".to_owned()));
        let mistyped = ["slewd chekc", "sudo slewd -q 'pol pool.ntp.org iburst'"];
        shown.extend(mistyped.map(|line| Shown { line: line.to_owned(), path: MISTYPED.to_owned() }));
        prepare();
        let (alone, beside): (Vec<Shown>, Vec<Shown>) = shown.into_iter().partition(|shown| is_alone(&shown.line));
        assert!(blocks.len() > 20 && alone.len() > 10 && beside.len() > 40, "too few found");
        let mut wrong = Vec::new();
        std::thread::scope(|scope| {
            let alone: Vec<_> = alone.iter().map(|shown| scope.spawn(|| run_alone(shown))).collect();
            wrong.extend(blocks.iter().filter_map(|(path, text)| read_configuration(path, text)));
            wrong.extend(run_beside_a_daemon(&beside));
            wrong.extend(alone.into_iter().filter_map(|run| run.join().expect("no panic")));
        });
        let (found, wrong): (Vec<String>, Vec<String>) = wrong.into_iter().partition(|what| what.starts_with(MISTYPED));
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
        assert_eq!(found.len(), 3, "{found:?}");
    });
}

/// An /etc, a /var/lib and programs of our own.
fn prepare() {
    let (slewd, chrony) = (env!("CARGO_BIN_EXE_slewd"), namespace::chrony());
    let chrony = chrony.display();
    let script = format!(
        r#"set -e
        mkdir -p /run/etc/slewd/conf.d /run/etc/slewd/sources.d /run/etc/chrony /run/etc/systemd
        cp -a /etc/passwd /etc/group /etc/nsswitch.conf /run/etc/
        sed -i '/^slewd:/d' /run/etc/passwd /run/etc/group
        echo 'slewd:x:990:990::/:/usr/sbin/nologin' >>/run/etc/passwd
        echo 'slewd:x:990:' >>/run/etc/group
        cp {ROOT}/packaging/slewd.conf /run/etc/slewd/
        echo '1 SHA1 HEX:00112233445566778899aabbccddeeff00112233' >/run/etc/slewd/keys
        chmod 640 /run/etc/slewd/keys
        mount -t tmpfs programs /usr/local/sbin
        mkdir -p /usr/local/sbin/real /usr/local/sbin/chrony
        cp {slewd} /usr/local/sbin/real/
        mount --rbind {chrony}/.. /usr/local/sbin/chrony
        mount --bind /run/etc /etc
        mount -t tmpfs state /var/lib
        mkdir -p /var/lib/slewd /var/lib/prometheus/node-exporter
        chown slewd /var/lib/slewd
        for number in 1 2 3 4; do
            echo "127.0.1.$number pool.ntp.org 2.pool.ntp.org ntp.example.net ntp$number.example.net"
        done >/etc/hosts
        printf 'server ntp.example.net\nrestrict default\n' >/etc/ntp.conf
        printf '[Time]\nNTP=ntp.example.net\n' >/etc/systemd/timesyncd.conf
        printf 'pool 2.pool.ntp.org iburst\nmakestep 1 3\n' >/etc/chrony/chrony.conf
        printf 'local stratum 8\nallow all\ncmdport 0\nbindcmdaddress /\npidfile /run/server.pid\n' >/etc/server.conf"#
    );
    let status = Command::new("sh").args(["-c", &script]).status().expect("sh runs");
    assert!(status.success(), "the machine could not be prepared");
    program("sudo", "exec \"$@\"");
    program("chronyc", "exec /usr/local/sbin/chrony/bin/chronyc -n \"$@\"");
    // Nobody here may touch the clock.
    program(
        "slewd",
        "case ${1-} in --* | [!-]*) ;; *) set -- -x \"$@\" ;; esac\nexec /usr/local/sbin/real/slewd \"$@\"",
    );
}

/// Runs a script on a machine of its own, with a server behind all names. It can wait for a daemon there.
fn on_a_machine(script: &str, argument: &str) -> Output {
    let machine = r#"set -e
        ip link set lo up
        mount -t tmpfs -o mode=755 run /run
        mkdir -p /run/slewd/sources.d
        cd /run
        /usr/local/sbin/chrony/bin/chronyd -x -d -u root -f /etc/server.conf >/run/server.log 2>&1 &
        follows() {
            tries=0
            until [ "$(slewd sources 2>/dev/null | grep -c '^^[*+]')" -ge "${1:-1}" ]; do
                tries=$((tries + 1))
                [ $tries -lt 200 ] || { cat /run/*.log; exit 1; }
                sleep 0.1
            done
        }
"#;
    Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"])
        .args([&format!("{machine}{script}"), "sh", argument])
        .output()
        .expect("unshare runs")
}

fn program(name: &str, text: &str) {
    let path = Path::new("/usr/local/sbin").join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a program");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
}

/// The command with something for each placeholder.
fn filled_in(line: &str) -> String {
    let mut line = line.to_owned();
    for (name, value) in PLACEHOLDERS {
        line = line.split(' ').map(|word| if word == name { value } else { word }).collect::<Vec<_>>().join(" ");
        line = line.replace(&format!(" {name} "), &format!(" {value} "));
    }
    line
}

/// The flags of a command that is the daemon, or does its work once.
fn flags_of_the_daemon(line: &str) -> Option<Vec<&str>> {
    let mut words = line.trim_start_matches("sudo ").split(' ');
    let is_slewd = words.next() == Some("slewd");
    let flags: Vec<&str> = words.take_while(|word| word.starts_with('-')).collect();
    let only_prints = flags.iter().any(|flag| *flag == "-p" || flag.starts_with("--"));
    (is_slewd && !flags.is_empty() && !only_prints).then_some(flags)
}

/// No other daemon may run there.
fn is_alone(line: &str) -> bool {
    line == "slewd cleanup" || flags_of_the_daemon(line).is_some()
}

/// What the real program says of a block of configuration.
fn read_configuration(path: &str, text: &str) -> Option<String> {
    fs::write("/run/test/shown.conf", text).expect("a file");
    let output = Command::new("slewd").args(["-p", "-f", "/run/test/shown.conf"]).output().expect("slewd runs");
    let is_right = output.status.success() && output.stderr.is_empty();
    (!is_right).then(|| format!("{path}:\n{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// A daemon is right if it follows the servers; what ends by itself, if it ends well.
fn run_alone(shown: &Shown) -> Option<String> {
    let ends =
        flags_of_the_daemon(&shown.line).is_none_or(|flags| flags.iter().any(|flag| ["-q", "-Q"].contains(flag)));
    let script =
        if ends { "timeout 60 sh -c \"$1\" 2>&1" } else { "sh -c \"$1\" >/run/slewd.log 2>&1 </dev/null &\nfollows" };
    let output = on_a_machine(script, &filled_in(&shown.line));
    (!output.status.success()).then(|| format!("{}: {}: {output:?}", shown.path, shown.line))
}

/// The commands beside one daemon: first together those that only ask, then one after the other.
fn run_beside_a_daemon(shown: &[Shown]) -> Vec<String> {
    let results = Path::new("/usr/local/sbin/results");
    fs::create_dir(results).expect("a directory");
    let mut script = String::from(
        "slewd -d >/run/slewd.log 2>&1 &\nfollows 3\n\
         run() {\n    status=0\n    timeout 60 sh -c \"$(cat $results/$1.sh)\" >$results/$1.out 2>&1 </dev/null || status=$?\n    \
         echo $status >$results/$1.status\n}\nresults=$1\n",
    );
    let is_exact = |line: &str| EXACT.iter().any(|part| format!("{line} ").contains(&format!("{part} ")));
    let is_order = |line: &str| line.split(' ').any(|word| ORDERS.contains(&word)) || is_exact(line);
    let ends_it = |line: &str| line.ends_with("shutdown");
    for (number, shown) in shown.iter().enumerate() {
        fs::write(results.join(format!("{number}.sh")), filled_in(&shown.line)).expect("a file");
    }
    let (mut orders, others): (Vec<usize>, Vec<usize>) =
        (0..shown.len()).partition(|number| is_order(&shown[*number].line));
    // The queue of a Unix socket has room for ten requests: of more, chronyc sends some another way, with fewer rights.
    for some in others.chunks(TOGETHER) {
        script.push_str("others=\n");
        some.iter().for_each(|number| script.push_str(&format!("run {number} & others=\"$others $!\"\n")));
        script.push_str("wait $others\n");
    }
    orders.sort_by_key(|number| (!is_exact(&shown[*number].line), ends_it(&shown[*number].line)));
    for number in orders {
        let wait = if is_exact(&shown[number].line) { "slewd wait --timeout 60 --max-error 0.005; " } else { "" };
        let _ = writeln!(script, "{wait}run {number}");
    }
    let output = on_a_machine(&script, &results.to_string_lossy());
    assert!(output.status.success(), "{output:?}");
    shown.iter().enumerate().filter_map(|(number, shown)| judge(results, number, shown)).collect()
}

fn judge(results: &Path, number: usize, shown: &Shown) -> Option<String> {
    let read = |ending: &str| fs::read_to_string(results.join(format!("{number}.{ending}"))).unwrap_or_default();
    let (said, status) = (read("out"), read("status").trim().parse::<i32>());
    let refused = REFUSED.iter().find(|(line, ..)| *line == shown.line);
    let (wanted, word) = refused.map_or((0, ""), |(_, status, word)| (*status, *word));
    let is_right = status == Ok(wanted) && said.contains(word);
    (!is_right).then(|| format!("{}: {}: exit status {status:?} for {wanted}:\n{said}", shown.path, shown.line))
}
