//! Those who ask slewd: the real chronyc, and clients that see each byte.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use slewd::wire::cmdmon::MAX_LEN;
use slewd::wire::cmdmon::reply::{self, Body, ReplyStatus};
use slewd::wire::cmdmon::request::{ControlRequest, RequestId};

use super::inside::{PATIENCE, as_user, path};

/// Where slewd listens by default.
pub(crate) const SOCKET: &str = "/run/chrony/chronyd.sock";

const SEQUENCE: [u8; 4] = *b"once";

/// What chronyc prints, and whether it is content.
pub(crate) fn chronyc(user: &str, host: &str, command: &str) -> (String, bool) {
    let mut chronyc = as_user(user, &super::namespace::chrony().join("chronyc"));
    let output = chronyc.args(["-n", "-h", host]).args(command.split(' ')).output().expect("chronyc starts");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

/// Somebody who asks over UDP.
pub(crate) struct Client {
    pub(crate) socket: UdpSocket,
}

impl Client {
    pub(crate) fn new(own: &str, server: &str) -> Self {
        let own: IpAddr = own.parse().expect("an address");
        let socket = UdpSocket::bind((own, 0)).expect("an address of this machine");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time");
        socket.connect(server.parse::<SocketAddr>().expect("an address")).expect("a route");
        Client { socket }
    }

    pub(crate) fn send(&self, request: &ControlRequest) {
        let (datagram, len) = encode(request);
        self.socket.send(&datagram[..len]).expect("it is sent");
    }

    pub(crate) fn hear(&self) -> Vec<u8> {
        let mut datagram = [0; MAX_LEN];
        let len = self.socket.recv(&mut datagram).expect("an answer");
        datagram[..len].to_vec()
    }

    pub(crate) fn ask(&self, request: &ControlRequest) -> Result<Body, ReplyStatus> {
        self.send(request);
        decode(request, &self.hear())
    }

    /// Whether something has arrived by now; it is forgotten.
    pub(crate) fn has_heard(&self) -> bool {
        self.socket.set_nonblocking(true).expect("a mode");
        let heard = self.socket.recv(&mut [0; MAX_LEN]);
        self.socket.set_nonblocking(false).expect("a mode");
        assert!(heard.as_ref().err().is_none_or(|error| error.kind() == io::ErrorKind::WouldBlock), "{heard:?}");
        heard.is_ok()
    }
}

/// Somebody who asks over the Unix socket.
pub(crate) struct UnixClient(UnixDatagram);

impl UnixClient {
    pub(crate) fn new() -> Self {
        let own = path("client.sock");
        let socket = UnixDatagram::bind(&own).expect("the test's directory is writable");
        // As chronyc has it: the daemon answers as its own account.
        fs::set_permissions(own, Permissions::from_mode(0o666)).expect("our own socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time");
        UnixClient(socket)
    }

    pub(crate) fn ask(&self, request: &ControlRequest) -> Result<Body, ReplyStatus> {
        let (mut datagram, len) = encode(request);
        self.0.send_to(&datagram[..len], SOCKET).expect("it is sent");
        let len = self.0.recv(&mut datagram).expect("an answer");
        decode(request, &datagram[..len])
    }
}

pub(crate) fn encode(request: &ControlRequest) -> ([u8; MAX_LEN], usize) {
    let mut datagram = [0; MAX_LEN];
    let len = request.encode(SEQUENCE, 0, &mut datagram);
    (datagram, len)
}

fn decode(request: &ControlRequest, reply: &[u8]) -> Result<Body, ReplyStatus> {
    let header = RequestId { command: request.command(), sequence: SEQUENCE };
    reply::parse(reply, &header).expect("an answer to this request")
}
