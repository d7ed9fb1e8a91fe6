//! The commands for people, with the real program: against a real chronyd and against slewd, compared with what the real
//! chronyc says of the same daemon at the same moment.
//!
//! Each test runs in a network namespace of its own with an empty /run, which only root can make.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/formats.rs"]
mod formats;
#[path = "support/inside.rs"]
mod inside;
#[path = "support/namespace.rs"]
mod namespace;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use formats::{Json, exposition};
use inside::{PATIENCE, as_user, inside, path, start_as};

const SOCKET: &str = "/run/chrony/chronyd.sock";

/// Sources of every kind: preferred, trusted, unused, offline, without an address, not to be reached.
const SOURCES: [&str; 6] = [
    "server 127.0.0.11 iburst minpoll 3 maxpoll 3 prefer",
    "server 127.0.0.12 iburst minpoll 3 maxpoll 3",
    "server ::1 iburst minpoll 3 maxpoll 3 noselect",
    "server 127.0.0.13 offline",
    "server nosuch.invalid",
    "server 10.1.1.1 minpoll 4",
];

const REPORTS: [&str; 10] = [
    "tracking",
    "sources",
    "sources -a",
    "sourcestats",
    "sourcestats -a",
    "activity",
    "selectdata -a",
    "authdata -a",
    "ntpdata",
    "ntpdata 127.0.0.12",
];

/// Those that everybody may see.
const OPEN: usize = 6;

/// A full disk is said and told by the exit status; nothing panics, and the codes of `wait` do not need standard error.
#[test]
fn output_that_cannot_be_written_is_no_panic() {
    let full = || File::options().write(true).open("/dev/full").expect("Linux has it");
    let command = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slewd"));
        command.args(words);
        command
    };
    for words in [&["-p", "server 192.0.2.1"][..], &["query", "127.0.0.1"]] {
        let output = command(words).stdout(full()).output().expect("slewd starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
        assert!(said.starts_with("slewd: cannot write standard output: "), "{words:?}: {said}");
    }
    let nowhere = ["wait", "--running", "-h", "/nowhere/slewd.sock"];
    let status = command(&nowhere).stderr(full()).status().expect("slewd starts");
    assert_eq!(status.code(), Some(2));
}

#[test]
fn reports_of_chronyd_are_those_of_chronyc() {
    inside(|| {
        let (_server, _client) = (server(), chronyd("client", &client_lines()));
        wait_until_synchronised();
        for command in REPORTS {
            same_as_chronyc("root", SOCKET, command);
        }
        for (user, host) in [("nobody", "127.0.0.1"), ("nobody", "::1"), ("root", "127.0.0.1")] {
            REPORTS[..OPEN].iter().for_each(|command| same_as_chronyc(user, host, command));
            // Not for everybody: the head of the list, and why there is no more.
            ["selectdata", "authdata", "ntpdata"].iter().for_each(|command| same_as_chronyc(user, host, command));
        }
    });
}

#[test]
fn reports_of_slewd_are_those_of_chronyc() {
    inside(|| {
        let _server = server();
        let mut slewd = slewd_client("root");
        slewd.wait_for("Selected source 127.0.0.1");
        for command in REPORTS {
            same_as_chronyc("root", SOCKET, command);
        }
        for host in ["127.0.0.1", "::1"] {
            REPORTS[..OPEN].iter().for_each(|command| same_as_chronyc("nobody", host, command));
            same_as_chronyc("nobody", host, "selectdata");
        }
        slewd.stop();
    });
}

/// slewd and chronyd without root: they must be able to answer to a socket of root's.
#[test]
fn a_daemon_without_root_answers_root_and_others() {
    inside(|| {
        let _server = server();
        let mut slewd = slewd_client("nobody");
        slewd.wait_for("Selected source 127.0.0.1");
        check_access();
        slewd.stop();
        let _client = chronyd_as("nobody", "client", &client_lines());
        wait_until_synchronised();
        check_access();
    });
}

fn check_access() {
    for (user, host, works) in
        [("root", SOCKET, true), ("nobody", SOCKET, true), ("daemon", SOCKET, false), ("daemon", "127.0.0.1", true)]
    {
        let output = slewd(user, &["tracking", "-h", host]);
        assert_eq!(output.status.success(), works, "{user} {host}: {output:?}");
    }
    // Whoever cannot use the socket goes on to UDP without a word.
    let output = slewd("daemon", &["status"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(text(&output).starts_with("Synchronised"), "{output:?}");
    assert_eq!(sockets(), ["chronyd.sock"]);
}

#[test]
fn orders_are_answered_as_chronyc_prints_them() {
    inside(|| {
        let (_server, client) = (server(), chronyd("client", &client_lines()));
        wait_until_synchronised();
        orders_are_the_same("chronyd");
        drop(client);
        fs::remove_file(SOCKET).expect("it was killed and has left it");
        let slewd = slewd_client("root");
        wait_until_synchronised();
        orders_are_the_same("slewd");
        slewd.stop();
    });
}

fn orders_are_the_same(daemon: &str) {
    for (host, order) in [
        (SOCKET, "makestep"),
        (SOCKET, "burst 1/2"),
        (SOCKET, "burst 1/2 127.0.0.12"),
        (SOCKET, "burst 1/2 127.0.0.0/8"),
        (SOCKET, "online"),
        (SOCKET, "online 127.0.0.13"),
        (SOCKET, "online 192.0.2.1"),
        (SOCKET, "offline 255.255.255.255/127.0.0.13"),
        (SOCKET, "offline fd00::/8"),
        (SOCKET, "refresh"),
        (SOCKET, "reload sources"),
        ("127.0.0.1", "makestep"),
        ("127.0.0.1", "offline"),
        ("127.0.0.1", "ntpdata 127.0.0.11"),
        (SOCKET, "ntpdata 192.0.2.1"),
    ] {
        let theirs = chronyc("root", &["-h", host, order]);
        let words: Vec<&str> = order.split(' ').chain(["-h", host]).collect();
        let ours = slewd("root", &words);
        assert_eq!(text(&ours), text(&theirs), "{daemon}: {order} {host}");
        assert_eq!(ours.status.code(), theirs.status.code(), "{daemon}: {order} {host}");
    }
    // They were not only answered.
    let activity = || text(&slewd("root", &["activity", "-c"])).to_owned();
    let fields = |text: String| text.trim().split(',').map(|n| n.parse().expect("a count")).collect::<Vec<u32>>();
    slewd("root", &["online"]);
    let online = fields(activity());
    slewd("root", &["offline", "127.0.0.0/8"]);
    let offline = fields(activity());
    // A burst of before may still be running.
    assert_eq!(online[1] + online[3] + 3, offline[1] + offline[3], "{daemon}: {online:?} {offline:?}");
    slewd("root", &["online"]);
    slewd("root", &["offline", "127.0.0.13"]);
}

#[test]
fn programs_can_read_it_all() {
    inside(|| {
        let _server = server();
        let mut slewd = slewd_client("root");
        slewd.wait_for("Selected source 127.0.0.1");
        all_formats(true);
        slewd.stop();
        let _client = chronyd("client", &client_lines());
        wait_until_synchronised();
        all_formats(false);
    });
}

fn all_formats(is_slewd: bool) {
    for command in
        ["tracking", "activity", "serverstats", "sources -a", "sourcestats", "selectdata", "authdata", "ntpdata"]
    {
        let words: Vec<&str> = command.split(' ').chain(["--json"]).collect();
        Json::parse(text(&slewd("root", &words)));
    }
    let all = Json::parse(text(&slewd("root", &["status", "--json"])));
    assert_eq!(*all.get("status") != Json::Null, is_slewd, "what chronyd does not say is not known");
    assert_eq!(all.get("sources").items().len(), SOURCES.len());
    let unresolved = all.get("sources").items().iter().find(|source| source.get("name").text() == "nosuch.invalid");
    assert!(unresolved.is_some_and(|source| source.get("source").get("address").text().starts_with("ID#")), "{all:?}");
    let samples = exposition(text(&slewd("root", &["metrics"])));
    assert_eq!(samples["slewd_up"], 1.0);
    assert_eq!(samples.contains_key("slewd_status_maximum_error_seconds"), is_slewd);
    assert_eq!(samples.contains_key("slewd_status_synchronised"), is_slewd);
    let preferred = "slewd_source_reach{source=\"127.0.0.11\",name=\"127.0.0.11\"}";
    assert!(samples[preferred] >= 1.0, "{samples:?}");
    // Without the right to it, everything else.
    let few = exposition(text(&slewd("nobody", &["metrics", "-h", "127.0.0.1"])));
    assert!(few.contains_key(preferred) && !few.keys().any(|name| name.starts_with("slewd_source_ntp")), "{few:?}");
    let values = slewd("root", &["status", "-c"]);
    assert!(text(&values).lines().any(|line| line == "sources.0.source.name,127.0.0.11"), "{values:?}");
    let screen = slewd("root", &["status"]);
    assert!(text(&screen).starts_with("Synchronised    to 127.0.0.1"), "{screen:?}");
    assert_eq!(text(&screen).contains("Daemon          slewd "), is_slewd, "{screen:?}");
    let expected = if is_slewd { "s expected, " } else { "Error           unknown expected, " };
    assert!(text(&screen).contains(expected) && !text(&screen).contains("unknown at most"), "{screen:?}");
}

#[test]
fn a_file_of_metrics_is_whole_or_not_there() {
    inside(|| {
        let _server = server();
        let mut slewd_client = slewd_client("root");
        slewd_client.wait_for("Selected source 127.0.0.1");
        fs::create_dir(path("collector")).expect("a directory");
        let file = path("collector/slewd.prom");
        let name = file.to_string_lossy().into_owned();
        let mut inodes = Vec::new();
        for _ in 0..2 {
            let mut command = Command::new("sh");
            command.args([
                "-c",
                "umask 077; exec \"$@\"",
                "sh",
                env!("CARGO_BIN_EXE_slewd"),
                "metrics",
                "--output",
                &name,
            ]);
            let output = command.output().expect("a shell");
            assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
            let meta = fs::metadata(&file).expect("it was written");
            assert_eq!(meta.permissions().mode() & 0o777, 0o644);
            assert_eq!(exposition(&fs::read_to_string(&file).expect("it can be read"))["slewd_up"], 1.0);
            inodes.push(File::open(&file).expect("it can be read").metadata().expect("it is there").ino());
        }
        assert_eq!(fs::read_dir(path("collector")).expect("a directory").count(), 1, "nothing is left beside it");
        slewd_client.stop();
        let output = slewd("root", &["metrics", "--output", &name]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(exposition(&fs::read_to_string(&file).expect("it can be read"))["slewd_up"], 0.0);
        let output = slewd("root", &["metrics", "--output", "/nowhere/slewd.prom"]);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    });
}

#[test]
fn nobody_is_there() {
    inside(|| {
        fs::create_dir_all("/run/chrony").expect("a directory");
        drop(std::os::unix::net::UnixDatagram::bind(SOCKET).expect("a stale socket"));
        for command in ["status", "tracking", "sources", "ntpdata", "activity", "makestep"] {
            let ours = slewd("root", &[command]);
            let theirs = chronyc("root", &[if command == "status" { "tracking" } else { command }]);
            assert_eq!(text(&ours), text(&theirs), "{command}");
            assert_eq!(ours.status.code(), theirs.status.code(), "{command}");
        }
        let ours = slewd("root", &["tracking", "-h", SOCKET]);
        let theirs = chronyc("root", &["-h", SOCKET, "tracking"]);
        assert_eq!(ours.stdout, theirs.stdout);
        // What chronyc says comes first.
        assert!(!theirs.stderr.is_empty() && ours.stderr.starts_with(&theirs.stderr), "{ours:?} {theirs:?}");
        let json = slewd("root", &["status", "--json"]);
        assert!(json.stdout.is_empty() && !json.status.success(), "{json:?}");
        assert_eq!(sockets(), ["chronyd.sock"]);
    });
}

/// Colour is for terminals, and for those who want it.
#[test]
fn colour_is_for_terminals() {
    inside(|| {
        let _server = server();
        let slewd_client = slewd_client("root");
        wait_until_synchronised();
        let coloured = typed("slewd status");
        assert!(coloured.starts_with("\u{1b}[32mSynchronised\u{1b}[0m"), "{coloured:?}");
        for plain in [
            typed("NO_COLOR=1 slewd status"),
            typed("TERM=dumb slewd status"),
            text(&slewd("root", &["status"])).to_owned(),
        ] {
            assert!(plain.starts_with("Synchronised") && !plain.contains('\u{1b}'), "{plain:?}");
        }
        slewd_client.stop();
    });
}

#[test]
fn words_that_are_none_are_named() {
    for (words, complaint) in [
        (&["trackin"][..], "'trackin' is neither a command nor a directive (did you mean tracking?)"),
        (&["tracking", "--jsn"], "slewd tracking: invalid option '--jsn' (did you mean --json?)"),
        (&["help", "statsu"], "'statsu' is no command (did you mean status?)"),
        (&["--watch"], "invalid option '--watch' (a flag of commands: slewd status --watch)"),
        (&["-d", "status"], "'status' is a command, and a command comes before its flags: slewd status ..."),
        (&["tracking", "-c", "--json"], "slewd tracking: -c and --json exclude each other"),
        (&["sources", "now"], "slewd sources: unexpected argument 'now'"),
        (&["burst", "many"], "slewd burst: say how many: GOOD/MAX, such as 4/8"),
        (&["online", "10.0.0.0/33"], "slewd online: '10.0.0.0/33' is not ADDRESS, ADDRESS/BITS or MASK/ADDRESS"),
        (&["reload", "keys"], "slewd reload: cannot reload 'keys', only sources"),
        (&["tracking", "-p", "x"], "slewd tracking: 'x' is no value for -p"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_slewd")).args(words).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.lines().next(), Some(complaint), "{words:?}");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
    }
}

/// What a person sees who types this.
fn typed(line: &str) -> String {
    let line = line.replace("slewd", env!("CARGO_BIN_EXE_slewd"));
    let output = Command::new("script").args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").output();
    String::from_utf8(output.expect("apt-get install bsdutils").stdout).expect("text")
}

#[test]
fn people_are_told_what_to_do_next() {
    inside(|| {
        let bare = as_user("nobody", Path::new(env!("CARGO_BIN_EXE_slewd"))).output().expect("setpriv runs");
        assert_eq!(bare.status.code(), Some(1), "{bare:?}");
        assert!(String::from_utf8_lossy(&bare.stderr).contains("\n  slewd status "), "{bare:?}");
        assert!(typed("slewd tracking -h /nowhere").contains("\nNo time daemon answers here"));
        // A script's log gets one line of advice.
        let scripted = slewd("root", &["tracking", "-h", "/nowhere"]);
        let lines: Vec<&str> = std::str::from_utf8(&scripted.stderr).expect("text").lines().collect();
        assert_eq!(lines.len(), 2, "{scripted:?}");
        assert!(lines[1].contains("slewd query HOST") && lines[1].contains("check --kernel"), "{scripted:?}");
        let in_vain = typed("slewd -Q -t 1 'server 127.0.0.99'");
        assert!(in_vain.starts_with("Asking the servers. The clock is measured as soon"), "{in_vain}");
        assert!(in_vain.contains("\nslewd: the clock was not measured: "), "{in_vain}");
        // What is known is said before the end, which a second refusal or lookup does not hasten.
        for (server, reason) in [
            ("127.0.0.99", "it refuses connections, no NTP server runs there"),
            ("nosuch.invalid", "its name has no address"),
        ] {
            let begun = Instant::now();
            let mut client = start_as("root", &["-Q", "-t", "60"], &[&format!("server {server} iburst")]);
            client.wait_for(&format!("Source {server} is not usable: {reason}"));
            assert!(begun.elapsed() < Duration::from_secs(8), "{server}: {:?}", begun.elapsed());
        }
        let waited = typed("slewd wait --timeout 1 -h /nowhere");
        assert_eq!(waited.matches("; waiting").count(), 1, "each reason once: {waited}");
        // Without the loopback interface the servers of the demo are not to blame.
        for before in ["", "ip link set lo up && ip link set lo down && "] {
            let line = format!("{before}exec {} demo", env!("CARGO_BIN_EXE_slewd"));
            let demo = Command::new("unshare").args(["-n", "sh", "-c", &line]).output().expect("it runs");
            assert!(!demo.status.success(), "{demo:?}");
            let said = [demo.stdout, demo.stderr].concat();
            assert!(String::from_utf8_lossy(&said).contains("ip link set lo up"), "{}", String::from_utf8_lossy(&said));
        }
    });
}

/// chronyc's answer goes to standard output, and why to standard error.
#[test]
fn who_is_refused_is_told_why_and_what_to_do() {
    inside(|| {
        let observer = slewd_client("root");
        wait_until_answered();
        let refused = |words: &[&str], answer: &str, why: &str| {
            let output = slewd("root", words);
            assert_eq!((text(&output), output.status.code()), (answer, Some(1)), "{words:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains(why), "{words:?}: {output:?}");
        };
        refused(&["makestep"], "500 Failure\n", "was started with -x and does not touch the clock");
        refused(&["online", "192.0.2.1"], "503 No such source\n", "slewd sources -a lists them");
        refused(&["offline", "-h", "127.0.0.1"], "501 Not authorised\n", "use sudo");
        assert!(slewd("root", &["online"]).stderr.is_empty());
        observer.stop();
        let _client = chronyd("client", &client_lines());
        wait_until_answered();
        refused(&["makestep"], "500 Failure\n", "The daemon does not say why. It may not know the time yet");
    });
}

/// As of chronyd 4.3 and 4.6.1, which say nothing: a boot may be waiting for its network.
#[test]
fn a_run_without_a_limit_says_that_it_may_wait_for_ever_for_an_address() {
    inside(|| {
        let limit = "without a limit of time (check the name and the resolver; -t SECONDS sets a limit)";
        for mode in ["-Q", "-q"] {
            let mut endless = start_as("root", &["-x", mode], &["server nosuch.invalid iburst"]);
            endless.wait_for(limit);
            assert!(endless.is_running(), "{mode}");
            endless.stop();
        }
        let limited = slewd("root", &["-Q", "-t", "2", "server nosuch.invalid iburst"]);
        let said = String::from_utf8_lossy(&limited.stderr);
        assert!(said.contains("its name has no address") && !said.contains(limit), "{limited:?}");
        assert_eq!(limited.status.code(), Some(1), "{limited:?}");
        assert!(said.lines().last().is_some_and(|line| line.contains("slewd query HOST")), "{limited:?}");
    });
}

#[test]
fn a_watched_status_ends_with_its_reader() {
    inside(|| {
        let _server = server();
        let slewd = slewd_client("root");
        wait_until_synchronised();
        let watch = |flags: &str, lines: &str| {
            let line = format!("timeout 20 {} status --watch {flags} | head -n {lines}", env!("CARGO_BIN_EXE_slewd"));
            let output = Command::new("sh").args(["-c", &line]).output().expect("a shell");
            assert!(output.stderr.is_empty(), "{output:?}");
            String::from_utf8(output.stdout).expect("text")
        };
        let reports = watch("--json", "2");
        assert_eq!(
            reports.split_inclusive('\n').map(|report| Json::parse(report).get("version").number()).sum::<f64>(),
            2.0
        );
        assert!(watch("", "20").matches("Synchronised  ").count() == 2, "a screen has 13 lines");
        slewd.stop();
    });
}

#[test]
fn columns_are_explained() {
    inside(|| {
        let _server = server();
        let slewd_client = slewd_client("root");
        wait_until_synchronised();
        for report in ["sources", "sourcestats", "selectdata", "authdata"] {
            let (plain, explained) = (slewd("root", &[report]), slewd("root", &[report, "-v"]));
            let head = text(&plain).lines().next().expect("a head");
            let (legend, _) = text(&explained).split_once(head).expect("the list follows");
            let columns = head.replace("Name/IP address", "Name").replace("Name/IP Address", "Name");
            let columns = columns.replace("Last sample", "Last_sample").replace("Freq Skew", "Freq_Skew");
            for column in columns.replace("Std Dev", "Std_Dev").replace("MS", "M S").split_whitespace() {
                let column = column.replace('_', " ");
                assert!(legend.lines().any(|line| line.starts_with(&column)), "{report}: {column}");
            }
            assert_eq!(
                slewd("root", &[report, "-v", "-c"]).stdout.first(),
                slewd("root", &[report, "-c"]).stdout.first()
            );
        }
        slewd_client.stop();
    });
}

#[test]
fn answers_of_servers_fit_a_screen() {
    inside(|| {
        let _server = server();
        sleep(Duration::from_millis(300));
        let output = slewd("root", &["query", "127.0.0.1", "::1", "localhost", "127.0.0.2"]);
        assert!(output.status.success() && text(&output).lines().all(|line| line.len() <= 80), "{output:?}");
        assert!(text(&output).contains("(localhost)"), "{output:?}");
        let nobody = slewd("root", &["query", "::2"]);
        assert!(String::from_utf8_lossy(&nobody.stderr).contains("No server told the time."), "{nobody:?}");
    });
}

/// A program that ends with its handle.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server on every address.
fn server() -> Daemon {
    chronyd("server", &["local stratum 8", "allow all", "cmdport 0", "bindcmdaddress /"].map(str::to_owned))
}

/// What both daemons are told. Debian's chronyd has its sockets where slewd has them.
fn client_lines() -> Vec<String> {
    SOURCES.iter().copied().chain(["port 0"]).map(str::to_owned).collect()
}

fn chronyd(name: &str, lines: &[String]) -> Daemon {
    chronyd_as("root", name, lines)
}

fn chronyd_as(user: &str, name: &str, lines: &[String]) -> Daemon {
    let conf = path(&format!("{name}.conf"));
    let pid = format!("pidfile {}\n", path(&format!("{name}.pid")).display());
    fs::write(&conf, lines.join("\n") + "\n" + &pid).expect("the test's directory is writable");
    let log = File::create(path(&format!("{name}.log"))).expect("the test's directory is writable");
    let mut command = Command::new(namespace::chrony().join("chronyd"));
    command.args(["-x", "-d", "-u", user, "-f"]).arg(conf).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    Daemon(command.spawn().expect("chronyd starts"))
}

fn slewd_client(user: &str) -> inside::Slewd {
    let lines: Vec<&str> = SOURCES.iter().copied().chain(["pidfile /"]).collect();
    start_as("root", &["-x", "-d", "-u", user], &lines)
}

fn wait_until_answered() {
    let deadline = Instant::now() + PATIENCE;
    while !slewd("root", &["activity", "-h", SOCKET]).status.success() {
        assert!(Instant::now() < deadline, "no daemon answers");
        sleep(Duration::from_millis(50));
    }
}

fn wait_until_synchronised() {
    let output = slewd("root", &["wait", "--timeout", "30"]);
    assert!(output.status.success(), "{output:?}");
}

fn slewd(user: &str, words: &[&str]) -> Output {
    let output = as_user(user, Path::new(env!("CARGO_BIN_EXE_slewd"))).args(words).output();
    output.expect("setpriv runs: apt-get install util-linux")
}

fn chronyc(user: &str, words: &[&str]) -> Output {
    as_user(user, &namespace::chrony().join("chronyc")).arg("-n").args(words).output().expect("chronyc runs")
}

fn text(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

/// What is in the directory of the daemon's socket.
fn sockets() -> Vec<String> {
    let entries = fs::read_dir("/run/chrony").expect("a directory").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Text and values of a report, with and without names. chronyc is asked before and after: each line that is the same both
/// times has to be ours too, and the others may differ in their digits.
fn same_as_chronyc(user: &str, host: &str, command: &str) {
    for flags in [&[][..], &["-c"], &["-N"], &["-N", "-c"]] {
        // -N is about lists and tracking.
        if flags.contains(&"-N") && (command.starts_with("ntpdata") || command == "activity") {
            continue;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let theirs = || chronyc(user, &[flags, &["-h", host, command]].concat());
            let words: Vec<&str> = command.split(' ').chain(flags.iter().copied()).chain(["-h", host]).collect();
            let (before, ours, after) = (theirs(), slewd(user, &words), theirs());
            let (exit, wanted) = (ours.status.code(), before.status.code());
            let ours_text = if command.starts_with("ntpdata") { without_stamps(&ours) } else { text(&ours).to_owned() };
            let difference = difference(text(&before), &ours_text, text(&after));
            if difference.is_none() && exit == wanted {
                break;
            }
            // A number may come and go between the two.
            let told = format!("{user} {host} {command} {flags:?}, {exit:?} for {wanted:?}: {difference:?}");
            assert!(Instant::now() < deadline, "{told}\n{}\n{}", text(&before), text(&ours));
            sleep(Duration::from_millis(50));
        }
    }
}

/// chronyc 4.3 knows nothing of the counts of time stamps, which have come with 4.6.
fn without_stamps(ours: &Output) -> String {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let known = fields.get(..34).unwrap_or(&fields);
        (!line.starts_with("Total kernel ") && !line.starts_with("Total HW ")).then(|| known.join(",") + "\n")
    };
    text(ours).lines().filter_map(line).collect()
}

fn difference(before: &str, ours: &str, after: &str) -> Option<String> {
    let count = before.lines().count();
    if ours.lines().count() != count || after.lines().count() != count {
        return Some("number of lines".to_owned());
    }
    let shape = |line: &str| line.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect::<String>();
    let mut lines = before.lines().zip(ours.lines()).zip(after.lines());
    lines.find_map(|((before, ours), after)| {
        let same = if before == after { before == ours } else { shape(before) == shape(ours) };
        (!same).then(|| format!("{ours:?} for {before:?}"))
    })
}
