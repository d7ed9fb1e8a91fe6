//! A daemon that does not behave, as far as that can be had from a thread of our own.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::SocketAddr as UnixAddress;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use super::*;
use crate::core::api::monitoring::Activity;
use crate::wire::cmdmon::reply::encode;

/// Short, as nobody in here needs longer.
const SHORT: [Duration; 3] = [Duration::from_millis(200); 3];

/// A place for the sockets of one test.
struct TestDirectory(PathBuf);

impl TestDirectory {
    fn new() -> Self {
        static PLACES: AtomicU32 = AtomicU32::new(0);
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("slewd-client-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary directory");
        TestDirectory(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("daemon.sock")
    }

    /// A daemon that answers each request as it is told, in as many datagrams as it likes, and counts the requests.
    fn daemon(&self, answer: impl Fn(&RequestId, u16) -> Vec<Vec<u8>> + Send + 'static) -> JoinHandle<Vec<[u8; 4]>> {
        let socket = UnixDatagram::bind(self.socket()).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
        thread::spawn(move || {
            let mut sequences = Vec::new();
            let mut buffer = [0; MAX_LEN];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                assert_eq!(length, 48, "padded to the length of the reply");
                let word = |at: usize| u16::from_be_bytes([buffer[at], buffer[at + 1]]);
                let sequence = [buffer[8], buffer[9], buffer[10], buffer[11]];
                let header = RequestId { command: word(4), sequence };
                sequences.push(sequence);
                check_mode(&from);
                for datagram in answer(&header, word(6)) {
                    let _ = socket.send_to_addr(&datagram, &from);
                }
            }
            sequences
        })
    }

    fn client(&self) -> Client {
        Client { targets: vec![DaemonAddress::Unix(self.socket())], next: 0, socket: None, patience: &SHORT }
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An unprivileged daemon can write to the client's socket.
fn check_mode(from: &UnixAddress) {
    let path = from.as_pathname().expect("the client has a name");
    assert_eq!(fs::metadata(path).expect("it is there").permissions().mode() & 0o777, 0o666);
}

const ACTIVITY: Activity = Activity { online: 1, offline: 2, burst_online: 3, burst_offline: 4, unresolved: 5 };

fn good(header: &RequestId) -> Vec<u8> {
    let mut buffer = [0; MAX_LEN];
    let length = encode(header, Ok(&Body::Activity(ACTIVITY)), 48, &mut buffer).expect("it fits");
    buffer[..length].to_vec()
}

#[test]
fn strangers_and_late_answers_are_passed_over() {
    let place = TestDirectory::new();
    let daemon = place.daemon(|header, _| {
        let stale = RequestId { sequence: [header.sequence[0] ^ 1, 0, 0, 0], ..*header };
        let other = RequestId { command: 33, ..*header };
        vec![Vec::new(), vec![0; 28], good(&stale), good(&other), good(header), good(header)]
    });
    let mut client = place.client();
    assert_eq!(client.activity(), Ok(ACTIVITY));
    // The second answer to the first request does not answer the second one.
    assert_eq!(client.activity(), Ok(ACTIVITY));
    drop(client);
    let left: Vec<_> = fs::read_dir(&place.0).expect("a directory").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["daemon.sock"], "our socket is gone");
    let sequences = daemon.join().expect("it ends");
    assert!(sequences.len() == 2 && sequences[0] != sequences[1], "{sequences:?}");
}

#[test]
fn what_is_lost_or_cut_off_is_asked_for_again() {
    let place = TestDirectory::new();
    let daemon = place.daemon(|header, attempt| match attempt {
        0 => Vec::new(),
        1 => vec![good(header)[..40].to_vec()],
        _ => vec![good(header)],
    });
    assert_eq!(place.client().activity(), Ok(ACTIVITY));
    let mut sequences = daemon.join().expect("it ends");
    sequences.dedup();
    assert_eq!(sequences.len(), 3, "a new sequence for each attempt");
}

#[test]
fn failures_are_told_apart() {
    let refusal = TestDirectory::new();
    let _refusing = refusal.daemon(|header, _| {
        let mut buffer = [0; MAX_LEN];
        let length = encode(header, Err(ReplyStatus::Unauthorised), 48, &mut buffer).expect("it fits");
        vec![buffer[..length].to_vec()]
    });
    let failure = refusal.client().activity().expect_err("it is refused");
    assert_eq!((failure.to_string().as_str(), failure.is_absence()), ("501 Not authorised", false));
    let nonsense = TestDirectory::new();
    let _talking = nonsense.daemon(|header, _| {
        let mut buffer = [0; MAX_LEN];
        let length = encode(header, Ok(&Body::SourceCount(7)), 48, &mut buffer).expect("it fits");
        vec![buffer[..length].to_vec()]
    });
    assert_eq!(nonsense.client().activity(), Err(Failure::BadReply));
    let mute = TestDirectory::new();
    let _listening = mute.daemon(|_, _| Vec::new());
    assert_eq!(mute.client().activity(), Err(Failure::NoAnswer));
    let empty = TestDirectory::new();
    assert_eq!(empty.client().activity(), Err(Failure::NoConnection));
}

/// As chronyc, who goes on to the next place only after all attempts at the one before.
#[test]
fn the_next_place_is_tried_when_one_is_mute() {
    let (mute, speaking) = (TestDirectory::new(), TestDirectory::new());
    let listening = mute.daemon(|_, _| Vec::new());
    let _answering = speaking.daemon(|header, _| vec![good(header)]);
    let mut client = mute.client();
    client.targets.insert(0, DaemonAddress::Unix("/nowhere/daemon.sock".into()));
    client.targets.push(DaemonAddress::Unix(speaking.socket()));
    assert_eq!(client.activity(), Ok(ACTIVITY));
    assert_eq!(client.activity(), Ok(ACTIVITY), "it stays where it was answered");
    assert_eq!(listening.join().expect("it ends").len(), 3);
}

/// The numbers of chronyc, which scripts look for.
#[test]
fn statuses_have_chronycs_numbers() {
    for (status, text) in [
        (ReplyStatus::Failed, "500 Failure"),
        (ReplyStatus::Invalid, "502 Invalid command"),
        (ReplyStatus::NoSuchSource, "503 No such source"),
        (ReplyStatus::NotEnabled, "505 Facility not enabled in daemon"),
        (ReplyStatus::AlreadyKnown, "511 Source already present"),
        (ReplyStatus::InvalidFamily, "515 Invalid address family"),
        (ReplyStatus::BadLength, "518 Packet length mismatch"),
        (ReplyStatus::Inactive, "519 Client logging is not active in the daemon"),
        (ReplyStatus::Other(99), "520 Got unexpected error from daemon"),
        (ReplyStatus::InvalidName, "521 Invalid name"),
    ] {
        assert_eq!(Failure::Refused(status).to_string(), text);
    }
}
