//! libchrony's view of slewd is its view of chronyd: a decoder of the protocol that is neither chronyc nor ours.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/agreement.rs"]
mod agreement;
#[path = "support/namespace.rs"]
mod namespace;
#[path = "support/twins.rs"]
mod twins;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use agreement::disagreements;
use namespace::chrony;
use twins::{Daemon, PATIENCE, SOURCES, Twins, slewd};

/// A failed packet on a busy machine may spoil one comparison.
const AGAIN: Duration = Duration::from_secs(1);

#[test]
fn libchrony_reads_the_same() {
    let libchrony = fetch_libchrony();
    let twins = Twins::start("libchrony", &chrony(), slewd(), SOURCES, (0.0, 0.0));
    twins.settle();
    for reached in [unix as fn(&Daemon) -> String, over_ipv4, over_ipv6] {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let [theirs, ours] = [&twins.theirs, &twins.ours].map(|daemon| ask(&twins, &libchrony, &reached(daemon)));
            let kinds = ["tracking", "sources", "sourcestats", "rtcdata"];
            let compare = |kind| disagreements(&format!("-c {kind}"), &of_kind(&theirs, kind), &of_kind(&ours, kind));
            let differing: Vec<String> = kinds.into_iter().flat_map(compare).collect();
            if differing.is_empty() && of_kind(&ours, "sources").lines().count() == 7 {
                println!("{}:\n{ours}", reached(&twins.ours));
                break;
            }
            assert!(Instant::now() < deadline, "{differing:?}\n---- chronyd\n{theirs}\n---- slewd\n{ours}");
            sleep(AGAIN);
        }
    }
}

fn unix(daemon: &Daemon) -> String {
    daemon.socket.to_string_lossy().into_owned()
}

fn over_ipv4(daemon: &Daemon) -> String {
    format!("127.0.0.1:{}", daemon.port)
}

fn over_ipv6(daemon: &Daemon) -> String {
    format!("[::1]:{}", daemon.port)
}

/// The records of one report, without its name.
fn of_kind(text: &str, kind: &str) -> String {
    let of_line = |line: &str| line.strip_prefix(kind)?.strip_prefix(',').map(|rest| format!("{rest}\n"));
    text.lines().filter_map(of_line).collect()
}

fn ask(twins: &Twins, libchrony: &Path, address: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/libchrony.py");
    let path = format!("PYTHONPATH={}", libchrony.display());
    let output = twins.space.run(Path::new("env"), &[&path, "python3", &script.to_string_lossy(), address]);
    assert!(output.status.success(), "{address}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn fetch_libchrony() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libchrony");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/fetch-libchrony");
    let status = Command::new(script).arg(&directory).status().expect("fetch-libchrony is executable");
    assert!(status.success(), "tests/support/fetch-libchrony failed: its message is above");
    directory
}
