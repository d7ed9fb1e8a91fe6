//! Files with NTS keys and cookies for the next run (directive `ntsdumpdir`), in chronyd's format.
//!
//! ```text
//! NNC0
//! nts.example
//! 1795876900.8
//! 192.0.2.1 123
//! 1 15 S2C-KEY C2S-KEY
//! COOKIE
//! ...
//! ```
//! The lines are: the format, the configured name, when keys were established, who tells the time, the number of the keys
//! with their algorithm and the keys of both directions, and one cookie each.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use crate::core::api::nts::{KeyPair, SavedKeys};
use crate::time::{Span, Utc};
use crate::wire::nts::aead::{Algorithm, Key};
use crate::wire::nts::{MOST_COOKIES, NtsCookie};
use crate::wire::secret::Secret;

/// The first line.
const FORMAT: &str = "NNC0";

/// The end of a file's name.
const SUFFIX: &str = ".nts";

/// Longest line that is looked at: that of a cookie has 512 digits.
const MAX_LINE_LEN: usize = 1024;

/// The name of the file about the keys of a server.
pub fn file_name(server: IpAddr) -> String {
    format!("{server}{SUFFIX}")
}

/// The server that a file of this name is about, if it is one.
pub fn server(file_name: &str) -> Option<IpAddr> {
    file_name.strip_suffix(SUFFIX)?.parse().ok()
}

/// The content of the file.
pub fn text(saved: &SavedKeys) -> String {
    let mut text = String::with_capacity(2048);
    let since_s = saved.since.nanos() as f64 / 1e9;
    let (address, keys) = (saved.address, &saved.keys);
    let _ = writeln!(text, "{FORMAT}\n{}\n{since_s:.1}\n{} {}", saved.name, address.ip(), address.port());
    let _ = write!(text, "{} {} ", saved.number, keys.to_server.algorithm().id());
    put_hex(&mut text, keys.to_client.secret());
    text.push(' ');
    put_hex(&mut text, keys.to_server.secret());
    text.push('\n');
    for cookie in &saved.cookies {
        put_hex(&mut text, cookie.bytes());
        text.push('\n');
    }
    text
}

/// Reads the file about a server; `None` if it makes no sense.
pub fn parse(server: IpAddr, text: &str) -> Option<SavedKeys> {
    let mut lines = text.lines().filter(|line| line.len() <= MAX_LINE_LEN);
    if lines.next()? != FORMAT {
        return None;
    }
    let name = lines.next().filter(|name| !name.is_empty())?.to_owned();
    let since_s: f64 = lines.next()?.parse().ok().filter(|s: &f64| (0.0..1e10).contains(s))?;
    let (address, port) = lines.next()?.split_once(' ')?;
    let address = SocketAddr::new(address.parse().ok()?, port.parse().ok().filter(|port| *port != 0)?);
    let words: Vec<&str> = lines.next()?.split(' ').collect();
    let [number, algorithm, to_client, to_server] = words[..] else { return None };
    let algorithm = Algorithm::find(algorithm.parse().ok()?)?;
    let key = |hex| Key::new(algorithm, Secret::from_hex(hex)?);
    let keys = KeyPair { to_server: key(to_server)?, to_client: key(to_client)? };
    let cookies: Vec<NtsCookie> =
        lines.take(MOST_COOKIES).map_while(|hex| NtsCookie::new(Secret::from_hex(hex)?.bytes())).collect();
    let since = Utc::from_nanos(0) + Span::from_secs_f64(since_s);
    let number = number.parse().ok()?;
    (!cookies.is_empty()).then_some(SavedKeys { server, name, since, address, number, keys, cookies })
}

fn put_hex(text: &mut String, bytes: &[u8]) {
    bytes.iter().for_each(|byte| {
        let _ = write!(text, "{byte:02X}");
    });
}

#[cfg(all(test, feature = "nts"))]
mod tests {
    use super::*;

    /// Written by chronyd 4.6, with one of its cookies.
    const RECORDED: &str = "\
NNC0
nts.example
1795876910.4
127.0.0.1 123
1 30 4FE77ADB62FCE8A4465FA3DDF8146424 CA701CAA7F2FFCFF011022A45CDCFA19
45FF7B572D3BE56B17B46A5A23C2F0F35916B766D0DA79193D99BA760E13FFFE888706986AD6FC5C3DB943C6601946903436BB5E46F0B4456DB0D42FC7EA3A95
";

    fn server() -> IpAddr {
        IpAddr::from([127, 0, 0, 1])
    }

    #[test]
    fn a_file_of_chronyd_is_read_and_written_as_it_was() {
        let saved = parse(server(), RECORDED).expect("it makes sense");
        assert_eq!((&*saved.name, saved.number, saved.cookies.len()), ("nts.example", 1, 1));
        assert_eq!(saved.keys.to_server.secret()[..2], [0xca, 0x70]);
        assert_eq!(text(&saved), RECORDED);
        assert_eq!(file_name(server()), "127.0.0.1.nts");
        assert_eq!((super::server("127.0.0.1.nts"), super::server("x.nts")), (Some(server()), None));
    }

    #[test]
    fn what_was_cut_or_changed_is_read_or_not_but_never_makes_it_panic() {
        let mut random = fastrand::Rng::with_seed(13);
        for _ in 0..5_000 {
            let mut bytes = RECORDED.as_bytes()[..random.usize(..=RECORDED.len())].to_vec();
            if let Some(byte) = random.choice(bytes.iter_mut()) {
                *byte = random.u8(32..127);
            }
            let _ = parse(server(), &String::from_utf8_lossy(&bytes));
        }
        assert_eq!(parse(server(), &RECORDED.replace(" 30 ", " 31 ")), None);
        assert_eq!(parse(server(), &RECORDED.replace(" 30 ", " 15 ")), None, "keys of another length");
        assert_eq!(parse(server(), &RECORDED.replace("NNC0", "NNC1")), None);
    }
}
