//! The command of directive `onchange`, run by the real daemon when a server of ours comes and goes.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;
#[path = "support/service.rs"]
mod service;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use namespace::Namespace;
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use service::{Manager, PATIENCE, QUICK, Serving, start_server, wait_until};
use slewd::core::api::alarm::Alarm;
use slewd::time::Span;

/// The account `nobody` of every distribution.
const NOBODY: &str = "65534";

/// A directory in which everybody may write, and a command that leaves there what it finds out, one file a run.
struct Command {
    program: PathBuf,
    directory: PathBuf,
}

impl Command {
    /// `first` is what it does before anything else.
    fn new(space: &Namespace, first: &str) -> Self {
        assert!(geteuid().is_root(), "run as root: a namespace of one user has nobody else to be");
        let directory = space.path("runs");
        fs::create_dir(&directory).expect("the test's directory is writable");
        let script = format!(
            "#!/bin/sh\n{first}\ncd {}\n{{\nenv | grep -vE '^(_|PWD|OLDPWD|SHLVL)='\necho \"uid=$(id -u)\"\n\
             echo \"groups=$(id -G)\"\necho \"argument=$1\"\necho \"policy=$(cut -d' ' -f41 /proc/self/stat)\"\n\
             echo \"capabilities=$(grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | cut -f2 | sort -u | xargs)\"\n\
             echo \"streams=$(readlink /proc/self/fd/[012] | sort -u | xargs)\"\n\
             echo \"descriptors=$(ls /proc/self/fd | wc -l)\"\n}} >part\n\
             mv part $(($(ls | grep -c run) + 1)).run\n",
            directory.display()
        );
        let program = space.file("hook", &script);
        for (path, mode) in [(&directory, 0o777), (&program, 0o755), (&space.path(""), 0o755)] {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own files");
        }
        Command { program, directory }
    }

    fn directive(&self) -> String {
        format!("{QUICK}onchange {} word\n", self.program.display())
    }

    /// Waits for this run, and returns what it found out.
    fn run(&self, number: usize) -> BTreeMap<String, String> {
        let path = self.directory.join(format!("{number}.run"));
        wait_until(&format!("run {number}"), || path.exists());
        let text = fs::read_to_string(path).expect("it is there");
        text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    /// How often it was run to its end.
    fn runs(&self) -> usize {
        let files = fs::read_dir(&self.directory).expect("it is there").flatten();
        files.filter(|file| file.path().extension().is_some_and(|end| end == "run")).count()
    }
}

#[test]
fn each_change_of_state_runs_it_once_with_the_facts() {
    let space = Namespace::new("facts");
    let (manager, command) = (Manager::new(&space), Command::new(&space, ":"));
    let server = start_server(&space, Serving::Now);
    // Descriptor 9 is inherited by slewd, and must not be by the command.
    let mut slewd = manager.start(&space, "SECRET=1", &command.directive(), "-P 1 9</dev/zero");
    let facts = command.run(1);
    let fact = |name: &str| facts.get(name).map(String::as_str).unwrap_or_else(|| panic!("no {name} in {facts:?}"));
    let number = |name: &str| fact(name).parse::<f64>().unwrap_or_else(|_| panic!("{name} in {facts:?}"));
    assert_eq!(fact("SLEWD_EVENT"), "synchronised");
    assert_eq!((fact("SLEWD_SYNCHRONISED"), fact("SLEWD_SOURCE")), ("yes", "127.0.0.1"));
    assert_eq!((fact("SLEWD_MESSAGE"), fact("SLEWD_SKIPPED")), ("Selected source 127.0.0.1", "0"));
    assert!(fact("SLEWD_TIME").starts_with("20") && fact("SLEWD_TIME").ends_with('Z'));
    assert!(number("SLEWD_OFFSET").abs() < 0.05, "{facts:?}");
    assert!(number("SLEWD_ESTIMATED_ERROR") > 0.0 && number("SLEWD_MAXIMUM_ERROR") > number("SLEWD_OFFSET").abs());
    // And no other, above all not the socket of the service manager.
    let names: Vec<_> = facts.keys().filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')).collect();
    assert_eq!(names.len(), 10, "PATH and nine others: {names:?}");
    let manual = include_str!("../docs/slewd.conf.5");
    assert!(names.iter().all(|name| manual.contains(name.as_str())), "not in the manual: {names:?}");
    assert_eq!((fact("uid"), fact("groups"), fact("argument")), (NOBODY, NOBODY, "word"));
    assert_eq!((fact("capabilities"), fact("policy")), ("0000000000000000", "0"));
    // The standard streams, and the one through which ls reads. Standard output is the file of the facts.
    assert_eq!(fact("descriptors"), "4", "{facts:?}");
    drop(server);
    let facts = command.run(2);
    assert_eq!((facts["SLEWD_EVENT"].as_str(), facts["SLEWD_SYNCHRONISED"].as_str()), ("lost", "no"));
    assert_eq!(facts["SLEWD_MESSAGE"], "Can't synchronise: no selectable sources (1 unreachable sources)");
    slewd.signal(Signal::SIGTERM);
    assert!(slewd.wait().success(), "{}", slewd.log());
    assert_eq!(command.runs(), 2);
    assert!(!slewd.log().contains("failed"), "{}", slewd.log());
}

#[test]
fn the_manual_has_all_events() {
    let by = Span::ZERO;
    let all = [
        Alarm::Synchronised,
        Alarm::Lost,
        Alarm::Never,
        Alarm::NoMajority,
        Alarm::Refused,
        Alarm::SourceUnusable,
        Alarm::Stepped(by),
        Alarm::Changed(None),
    ];
    for alarm in all {
        let item = format!("\n.It Cm {}\n", alarm.name());
        assert!(include_str!("../docs/slewd.conf.5").contains(&item), "{item}");
    }
}

/// As a service of systemd, which has the right it needs from the start and hands it on to whatever it runs.
#[test]
fn rights_of_the_service_are_not_handed_on() {
    let space = Namespace::new("rights");
    let (manager, command) = (Manager::new(&space), Command::new(&space, ":"));
    let _server = start_server(&space, Serving::Now);
    let become_nobody = format!(
        "setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --inh-caps=+net_bind_service --ambient-caps=+net_bind_service"
    );
    let slewd = manager.start_through(&space, &become_nobody, "", &command.directive(), "");
    let facts = command.run(1);
    assert_eq!((facts["uid"].as_str(), facts["capabilities"].as_str()), (NOBODY, "0000000000000000"), "{facts:?}");
    let own = fs::read_to_string(format!("/proc/{}/status", slewd.id())).expect("it runs");
    assert!(own.contains("CapAmb:\t0000000000000000"), "{own}");
}

/// The first run never ends. Time is kept all the while, and what has happened is told when the run has been killed.
#[test]
fn a_command_that_hangs_is_killed_and_disturbs_nobody() {
    let space = Namespace::new("hanging");
    let first = "[ \"$SLEWD_EVENT\" != synchronised ] || { sleep 1000 & sleep 1000; }";
    let (manager, command) = (Manager::new(&space), Command::new(&space, first));
    let server = start_server(&space, Serving::Now);
    let slewd = manager.start(&space, "WATCHDOG_USEC=400000", &command.directive(), "");
    manager.wait_for("STATUS=Synchronised to 127.0.0.1");
    drop(server);
    manager.wait_for("STATUS=Synchronisation lost");
    let alive = || manager.all().iter().filter(|state| *state == "WATCHDOG=1").count();
    let before = alive();
    wait_until("ten keep-alives more", || alive() >= before + 10);
    assert_eq!(command.runs(), 0);
    assert!(!slewd.log().contains("failed"), "{}", slewd.log());
    let facts = command.run(1);
    assert_eq!(facts["SLEWD_EVENT"], "lost");
    let complaint = "failed : killed after 30 seconds";
    assert_eq!(slewd.log().matches(complaint).count(), 1, "{}", slewd.log());
}

#[test]
fn a_command_that_is_not_there_is_one_warning() {
    let space = Namespace::new("absent");
    let manager = Manager::new(&space);
    fails(
        &space,
        &manager,
        "/no/such/command",
        "/no/such/command of directive onchange failed : No such file or directory",
    );
}

#[test]
fn a_command_that_fails_is_one_warning() {
    let space = Namespace::new("failing");
    let manager = Manager::new(&space);
    fails(&space, &manager, "/bin/false", "/bin/false of directive onchange failed : exit status 1");
}

/// Two changes, one warning, and the daemon goes on.
fn fails(space: &Namespace, manager: &Manager, program: &str, warning: &str) {
    let server = start_server(space, Serving::Now);
    let mut slewd = manager.start(space, "", &format!("{QUICK}onchange {program}\n"), "");
    slewd.wait_for(&format!("Command {warning}"), PATIENCE);
    drop(server);
    slewd.wait_for(&format!("Running {program} for lost"), PATIENCE);
    let _server = start_server(space, Serving::Now);
    slewd.wait_for(&format!("Running {program} for synchronised"), PATIENCE);
    wait_until("a second change", || slewd.log().matches(&format!("Running {program} for synchronised")).count() == 2);
    slewd.signal(Signal::SIGTERM);
    assert!(slewd.wait().success(), "{}", slewd.log());
    assert_eq!(slewd.log().matches("failed").count(), 1, "{}", slewd.log());
}
