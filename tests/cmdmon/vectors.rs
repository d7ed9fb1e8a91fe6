//! Datagrams that passed between chronyc and chronyd.

#![allow(dead_code, reason = "each test binary uses its own part")]

use slewd::wire::cmdmon::request::RequestId;

/// What one vector says.
#[derive(Debug, Default)]
pub(crate) struct Vector {
    /// "V1".
    pub(crate) name: String,
    pub(crate) request: Vec<u8>,
    pub(crate) reply: Vec<u8>,
    /// Place, name and value.
    pub(crate) fields: Vec<(usize, String, String)>,
}

impl Vector {
    pub(crate) fn header(&self) -> RequestId {
        RequestId {
            command: u16::from_be_bytes([self.request[4], self.request[5]]),
            sequence: self.request[8..12].try_into().expect("four bytes"),
        }
    }
}

/// All of them.
pub(crate) fn vectors() -> Vec<Vector> {
    let text = include_str!("../fixtures/cmdmon/vectors.txt").replace("\n ", " ");
    let mut vectors: Vec<Vector> = Vec::new();
    for line in text.lines().skip_while(|line| !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix("# ").filter(|title| !title.starts_with(' ')) {
            let name = title.split([' ', ',']).next().expect("a name").to_owned();
            vectors.push(Vector { name, ..Vector::default() });
        }
        let vector = vectors.last_mut().expect("a title comes first");
        let Some((key, value)) = line.split_once(':') else { continue };
        match key.split_whitespace().collect::<Vec<_>>()[..] {
            ["req", len] => vector.request = bytes(len, value),
            ["rep", len] => vector.reply = bytes(len, value),
            ["fields"] => vector.fields = value.split_whitespace().map(field).collect(),
            _ => (),
        }
    }
    assert!(vectors.len() == 37 && vectors.iter().all(|vector| !vector.request.is_empty()), "{vectors:?}");
    vectors
}

fn bytes(len: &str, words: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in words.split_whitespace() {
        match word.strip_prefix("+00x") {
            Some(count) => bytes.resize(bytes.len() + count.parse::<usize>().expect("a count"), 0),
            None => bytes.extend(u32::from_str_radix(word, 16).expect("a word").to_be_bytes()),
        }
    }
    assert_eq!(bytes.len(), len.parse::<usize>().expect("a length"), "{words}");
    bytes
}

fn field(text: &str) -> (usize, String, String) {
    let (place, rest) = text.split_once(':').expect("a place");
    let (name, value) = rest.split_once('=').expect("a value");
    (place.parse().expect("a place"), name.to_owned(), value.to_owned())
}
