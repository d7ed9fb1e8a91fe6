//! Time stamps of packets with the real kernel and the real chronyd as server: `hwtimestamp` where no card stamps, and stamps
//! of the kernel that come when `send` has long returned. Cards that stamp are in `tests/vm/stamps`.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/namespace.rs"]
mod namespace;

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use namespace::{Namespace, Program, chrony, start_chronyd};

const PATIENCE: Duration = Duration::from_secs(30);

/// A reply of another program on this machine takes no longer.
const LONGEST_DELAY_S: f64 = 0.05;

#[test]
fn an_interface_without_a_card_is_named_and_its_packets_have_stamps_of_the_kernel() {
    let space = Namespace::new("stamps-none");
    let _server = start_chronyd(&space, "");
    let lines = "server 127.0.0.1 iburst minpoll 0 maxpoll 0\nserver ::1 iburst minpoll 0 maxpoll 0\n\
                 hwtimestamp lo rxfilter all\nhwtimestamp cable0 minpoll 2\nhwtimestamp *\n";
    let mut client = start_slewd(&space, lines);
    let absent = "Could not enable HW timestamping on cable0 : no such interface (it is taken when it appears)";
    client.wait_for(absent, PATIENCE);
    let lo = |line: &str| line.contains("Could not enable HW timestamping on lo : ");
    client.wait_until_line(PATIENCE, lo);
    let measured = wait_for_measurements(&space, 8);
    assert!(measured.iter().all(|line| line.ends_with(" K K")), "{measured:?}");
    let socket = space.path("slewd.sock");
    for address in ["127.0.0.1", "::1"] {
        let output = space.run(&chrony().join("chronyc"), &["-h", &socket.to_string_lossy(), "ntpdata", address]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        for line in ["TX timestamping : Kernel", "RX timestamping : Kernel", "Total HW TX     : 0"] {
            // chronyc 4.3 does not know the last of these.
            assert!(told.contains(line) || !told.contains("Total HW"), "{line} is not in {told}");
        }
    }
    assert_eq!(client.log().lines().filter(|line| lo(line)).count(), 1, "it is said once:\n{}", client.log());
}

/// Of the bytes that may leave in a second a request takes nine tenths: those that follow each other faster wait in a queue,
/// and are stamped when they leave it.
#[test]
fn a_stamp_of_the_kernel_that_comes_long_after_the_request_was_sent_is_used() {
    let (space, other) = (Namespace::new("stamps-late"), Namespace::new("stamps-late-server"));
    space.connect(&other);
    space.ip("addr add 192.0.2.1/24 dev cable");
    other.ip("addr add 192.0.2.2/24 dev cable");
    [&space, &other].iter().for_each(|end| end.ip("link set cable up"));
    let _server = start_chronyd(&other, "");
    let slow = "qdisc add dev cable root tbf rate 800bit burst 100 limit 2000";
    let output = space.run(Path::new("tc"), &slow.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "tc {slow}: {output:?}");
    let _client = start_slewd(&space, "server 192.0.2.2 iburst minpoll 1 maxpoll 1\n");
    let measured = wait_for_measurements(&space, 8);
    for line in &measured {
        let delay_s = line.split_whitespace().nth(12).and_then(|word| word.parse::<f64>().ok());
        assert!(delay_s.is_some_and(|delay_s| delay_s < LONGEST_DELAY_S) && line.ends_with(" K K"), "{measured:#?}");
    }
    let queue = space.run(Path::new("tc"), &["-s", "qdisc", "show", "dev", "cable"]);
    let queue = String::from_utf8_lossy(&queue.stdout).into_owned();
    let waited = queue.split("overlimits ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
    assert!(waited.is_some_and(|waited| waited > 0), "no request had to wait: {queue}");
}

fn wait_for_measurements(space: &Namespace, count: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(space.path("logs").join("measurements.log")).unwrap_or_default();
        let lines: Vec<String> = text.lines().filter(|line| !line.starts_with(['=', ' '])).map(str::to_owned).collect();
        if lines.len() >= count {
            lines.iter().for_each(|line| println!("{line}"));
            return lines;
        }
        assert!(Instant::now() < deadline, "only {lines:?}");
        sleep(Duration::from_millis(50));
    }
}

fn start_slewd(space: &Namespace, lines: &str) -> Program {
    let conf = format!(
        "user root\n{lines}logdir {}\nlog measurements\ncmdport 0\nbindcmdaddress {}\npidfile {}\n",
        space.path("logs").display(),
        space.path("slewd.sock").display(),
        space.path("slewd.pid").display()
    );
    let conf = space.file("slewd.conf", &conf);
    space.start(Path::new(env!("CARGO_BIN_EXE_slewd")), &["-x", "-d", "-f", &conf.to_string_lossy()])
}
