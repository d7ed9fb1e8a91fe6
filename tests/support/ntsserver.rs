//! Servers with NTS and a time of their own, for a guest whose clock is wrong.
//!
//! ```text
//! ntsserver --epoch-ns N [--ppm X] --certificate FILE --key FILE [--delay SPAN] ADDRESS...
//! ```
//! Each address serves keys at TCP port 4460 and time at UDP port 123, whose path takes `--delay` each way. It prints one
//! line when all sockets are open and serves until it is killed.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod args;

use std::error::Error;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;

use lexopt::prelude::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use slewd::cli::demo::servers::{ServerSpec, Servers, Truth};
use slewd::time::Span;
use slewd::wire::nts::aead::{Algorithm, Key};
use slewd::wire::nts::fields::{Asked, reply};
use slewd::wire::nts::{MOST_COOKIES, NtsCookie};
use slewd::wire::secret::Secret;

/// The one algorithm: AEAD_AES_SIV_CMAC_256, which every client has.
const ALGORITHM: Algorithm = Algorithm::SivCmac256;

/// Bytes of a cookie: those of chronyd. They begin with the number of the keys.
const COOKIE_LEN: usize = 100;

/// Keys of all clients: for requests, and for replies.
type Keys = Arc<Mutex<Vec<(Key, Key)>>>;

/// Replies so far: a nonce is not used twice.
static SERVED: AtomicU64 = AtomicU64::new(0);

fn main() {
    args::finish("ntsserver", run().map_err(|reason| reason.to_string()));
}

/// What the command line says.
struct Options {
    truth: Truth,
    certificate: String,
    key: String,
    delay: Span,
    addresses: Vec<IpAddr>,
}

fn run() -> Result<(), Box<dyn Error>> {
    let options = command_line()?;
    let tls = tls(&options)?;
    let mut threads = Vec::new();
    for address in &options.addresses {
        let keys = Keys::default();
        let listener = TcpListener::bind((*address, 4460))?;
        let socket = UdpSocket::bind((*address, 123))?;
        // Who knows the time: a plain server behind this one.
        let plain = ServerSpec::honest(SocketAddr::new(*address, 0)).path_each_way(options.delay, Span::ZERO);
        let servers = Servers::start(options.truth, vec![plain])?;
        let (tls, known) = (tls.clone(), keys.clone());
        threads.push(spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that gives up is no concern of the others.
                let _ = give_keys(client, &tls, &known);
            }
        }));
        threads.push(spawn(move || tell_time(&socket, &servers, &keys)));
    }
    println!("serving");
    threads.into_iter().for_each(|thread| drop(thread.join()));
    Ok(())
}

fn command_line() -> Result<Options, Box<dyn Error>> {
    let (mut epoch_ns, mut ppm, mut delay) = (None, 0.0, Span::ZERO);
    let (mut certificate, mut key, mut addresses) = (String::new(), String::new(), Vec::new());
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("epoch-ns") => epoch_ns = Some(parser.value()?.parse()?),
            Long("ppm") => ppm = args::number(&parser.value()?.string()?)?,
            Long("delay") => delay = args::span(&parser.value()?.string()?)?,
            Long("certificate") => certificate = parser.value()?.string()?,
            Long("key") => key = parser.value()?.string()?,
            Value(word) => addresses.push(word.parse()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Options { truth: args::truth(epoch_ns, ppm)?, certificate, key, delay, addresses })
}

fn tls(options: &Options) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let certificate = CertificateDer::from_pem_file(&options.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&options.key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"ntske/1".to_vec()];
    Ok(Arc::new(config))
}

/// One establishment (RFC 8915 section 4).
fn give_keys(client: TcpStream, tls: &Arc<ServerConfig>, keys: &Keys) -> Result<(), Box<dyn Error>> {
    client.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut stream = StreamOwned::new(ServerConnection::new(tls.clone())?, client);
    let mut request = [0; 1024];
    let _ = stream.read(&mut request)?;
    let export = |direction| -> Result<Key, Box<dyn Error>> {
        let [high, low] = ALGORITHM.id().to_be_bytes();
        let secret = vec![0; ALGORITHM.key_len()];
        let label = b"EXPORTER-network-time-security";
        let secret = stream.conn.export_keying_material(secret, label, Some(&[0, 0, high, low, direction]))?;
        Ok(Key::new(ALGORITHM, Secret::new(secret)).ok_or("a key of another length")?)
    };
    let pair = (export(0)?, export(1)?);
    let mut known = keys.lock().map_err(|_| "a thread has failed")?;
    known.push(pair);
    let number = known.len() - 1;
    drop(known);
    let mut answer = [record(0x8001, &[0, 0]), record(0x8004, &ALGORITHM.id().to_be_bytes())].concat();
    cookies(number, MOST_COOKIES).iter().for_each(|cookie| answer.extend(record(5, cookie.bytes())));
    answer.extend(record(0x8000, &[]));
    stream.write_all(&answer)?;
    stream.conn.send_close_notify();
    Ok(stream.flush()?)
}

fn record(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(body.len() as u16).to_be_bytes(), body].concat()
}

/// All cookies of a client are the same: nobody here minds being recognised.
fn cookies(number: usize, count: usize) -> Vec<NtsCookie> {
    let mut content = [0; COOKIE_LEN];
    content[..4].copy_from_slice(&(number as u32).to_be_bytes());
    (0..count).filter_map(|_| NtsCookie::new(&content)).collect()
}

/// Requests with a cookie of ours go on to the plain server, and its replies come back with what vouches for them.
fn tell_time(socket: &UdpSocket, servers: &Servers, keys: &Keys) {
    let mut buffer = [0; 2048];
    while let Ok((len, client)) = socket.recv_from(&mut buffer) {
        if let Some(answer) = authentic_reply(&buffer[..len], servers.addresses()[0], keys) {
            let _ = socket.send_to(&answer, client);
        }
    }
}

fn authentic_reply(request: &[u8], plain: SocketAddr, keys: &Keys) -> Option<Vec<u8>> {
    let asked = Asked::read(request)?;
    let number = u32::from_be_bytes(*asked.cookie.first_chunk()?) as usize;
    let (to_server, to_client) = keys.lock().ok()?.get(number)?.clone();
    if !asked.is_authentic(request, &to_server) {
        return None;
    }
    let way = UdpSocket::bind((plain.ip(), 0)).ok()?;
    way.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    way.send_to(&request[..48], plain).ok()?;
    let mut header = [0; 48];
    way.recv(&mut header).ok()?;
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&SERVED.fetch_add(1, Relaxed).to_be_bytes());
    reply(&header, &asked.unique, &cookies(number, asked.wanted), &to_client, &nonce[..ALGORITHM.nonce_len()])
}
