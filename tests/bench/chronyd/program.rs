//! chronyd as a child, and the messages between it and the simulator (virtual_time.c has their layout).
#![allow(clippy::disallowed_types, reason = "a benchmark writes files")]

#[path = "../../support/refuse.rs"]
mod refuse;

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use slewd::time::{NANOS_PER_SEC, Raw, Span, Utc};

const NUMBERS: usize = 8;
const DATA: usize = 1000;
const LENGTH: usize = 8 * (NUMBERS + 2) + DATA;

/// The program and the library, ready to be started.
pub(crate) struct Installation {
    chronyd: PathBuf,
    library: PathBuf,
    directory: PathBuf,
}

/// A running chronyd.
pub(super) struct Program {
    child: Child,
    stream: UnixStream,
    directory: PathBuf,
}

/// What the program wants.
pub(super) enum Call {
    Wait { until: Option<Raw> },
    Send { socket: i64, to: Ipv4Addr, packet: Vec<u8> },
    Adjust { modes: i64, frequency: i64, tick: i64, status: i64, max_error: Span, offset: Span },
    Set(Utc),
}

/// What it gets.
pub(super) struct Reply<'a> {
    pub(super) utc: Utc,
    pub(super) raw: Raw,
    /// The socket at which `bytes` have arrived; 0: none.
    pub(super) socket: i64,
    pub(super) frequency: i64,
    pub(super) tick: i64,
    pub(super) status: i64,
    pub(super) max_error: Span,
    pub(super) bytes: &'a [u8],
}

impl Installation {
    /// Unpacks Debian's chronyd and compiles the library.
    pub(crate) fn new() -> Result<Self, String> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        let directory = std::env::temp_dir().join(format!("slewd-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let files = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chrony");
        perform(Command::new(home.join("tests/support/fetch-chrony")).arg(&files))?;
        Ok(Installation { chronyd: files.join("bin/chronyd"), library: refuse::compile("virtual_time"), directory })
    }

    /// Starts it at the beginning of a run.
    pub(super) fn start(&self, configuration: &str, seed: u64) -> Program {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let directory = self.directory.join(format!("{seed}-{:?}", std::thread::current().id()));
        std::fs::create_dir_all(&directory).expect("the directory is writable");
        let file = directory.join("chrony.conf");
        let text = format!("{configuration}pidfile {}/pid\n", directory.display());
        std::fs::write(&file, text).expect("the directory is writable");
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args(["--bounding-set=-sys_time", "--inh-caps=-sys_time", "env"]);
            command
        } else {
            Command::new("env")
        };
        let child = command
            .arg(format!("LD_PRELOAD={}", self.library.display()))
            .arg(&self.chronyd)
            .args(["-d", "-u", "root", "-f"])
            .arg(&file)
            .env("SEED", seed.to_string())
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.join("log")).expect("the directory is writable"))
            .spawn()
            .expect("setpriv and env are there");
        Program { child, stream: ours, directory }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn perform(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    status.success().then_some(()).ok_or_else(|| format!("{command:?} failed"))
}

impl Program {
    /// What the program wants next, and when by its counter.
    pub(super) fn next(&mut self) -> (Call, Raw) {
        let mut message = [0; LENGTH];
        if let Err(error) = self.stream.read_exact(&mut message) {
            let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            panic!("chronyd has ended: {error}\n{log}");
        }
        let (numbers, data) = message.split_at(8 * (NUMBERS + 2));
        let number = |place: usize| {
            let bytes = numbers[8 * place..8 * (place + 1)].try_into().expect("eight bytes");
            i64::from_ne_bytes(bytes)
        };
        let moment = |seconds: i64, nanos: i64| seconds * NANOS_PER_SEC + nanos;
        let call = match number(0) {
            0 => Call::Wait { until: (number(1) >= 0).then(|| Raw::from_nanos(number(1))) },
            1 => Call::Send {
                socket: number(1),
                to: Ipv4Addr::from(number(2) as u32),
                packet: data[..number(9) as usize].to_vec(),
            },
            2 => Call::Adjust {
                modes: number(1),
                frequency: number(2),
                tick: number(3),
                status: number(4),
                max_error: Span::from_nanos(number(5) * 1000),
                offset: Span::from_nanos(moment(number(6), number(7))),
            },
            _ => Call::Set(Utc::from_nanos(moment(number(1), number(2)))),
        };
        (call, Raw::from_nanos(number(8)))
    }

    pub(super) fn answer(&mut self, reply: &Reply<'_>) {
        let numbers = [
            0,
            reply.utc.nanos(),
            reply.raw.nanos(),
            reply.socket,
            reply.frequency,
            reply.tick,
            reply.status,
            reply.max_error.nanos() / 1000,
            0,
            reply.bytes.len() as i64,
        ];
        let mut message = [0; LENGTH];
        for (place, number) in numbers.iter().enumerate() {
            message[8 * place..8 * (place + 1)].copy_from_slice(&number.to_ne_bytes());
        }
        message[8 * numbers.len()..][..reply.bytes.len()].copy_from_slice(reply.bytes);
        self.stream.write_all(&message).expect("chronyd listens");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
