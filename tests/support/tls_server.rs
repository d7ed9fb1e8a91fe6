//! A server of NTS keys that answers what a test wants, with `server.crt` and `server.key` of the test.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::inside::path;

/// A record of key establishment.
pub(crate) fn record(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(body.len() as u16).to_be_bytes(), body].concat()
}

/// Next protocol, algorithm, cookie.
pub(crate) fn good() -> Vec<u8> {
    [record(0x8001, &[0, 0]), record(0x8004, &[0, 15]), record(5, &[7; 100])].concat()
}

/// End of message.
pub(crate) fn end() -> Vec<u8> {
    record(0x8000, &[])
}

/// TLS with this protocol, and an answer to what is asked. The connection lasts as long as what is returned.
pub(crate) fn answer(
    connection: TcpStream,
    protocol: Option<&[u8]>,
    reply: impl FnOnce(&[u8]) -> Vec<u8>,
) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let certificate = CertificateDer::from_pem_file(path("server.crt")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(path("server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let config = config.expect("TLS 1.3").with_no_client_auth().with_single_cert(vec![certificate], key);
    let mut config = config.expect("they match");
    config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
    let tls = ServerConnection::new(Arc::new(config)).expect("a session");
    let mut stream = StreamOwned::new(tls, connection);
    let mut request = [0; 1024];
    let count = stream.read(&mut request)?;
    stream.write_all(&reply(&request[..count]))?;
    stream.flush()?;
    Ok(stream)
}
