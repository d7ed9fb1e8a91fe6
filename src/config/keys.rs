//! The file of symmetric keys (directive `keyfile`): one key a line, `ID [TYPE] KEY`.
//!
//! A line that is wrong costs that key and no other, and the message never shows what may be a secret.

use super::error::{Location, Warning};
use super::lex::{self, starts_comment};
use crate::wire::secret::{Secret, wipe};
use crate::wire::symmetric::{KeyTable, MacAlgorithm, SymmetricKey};

/// Keys shorter than this can be guessed: chronyd's limit.
const SHORTEST_BITS: usize = 80;

/// A file with more keys is something else.
const MOST_KEYS: usize = 4096;

/// The keys there are, and what is wrong with the others.
#[derive(Clone, Debug, Default)]
pub struct KeyFile {
    /// The keys.
    pub keys: KeyTable,
    /// One for each line that is not right.
    pub warnings: Vec<Warning>,
}

impl KeyFile {
    /// Reads the content of a file that messages call `name`.
    pub fn parse(name: &str, content: &[u8]) -> KeyFile {
        let (mut keys, mut warnings) = (KeyTable::default(), Vec::new());
        let (content, mark) = lex::without_mark(content);
        let mut warn = |line: usize, text: String| {
            warnings.push(Warning { place: Location { file: Some(name.to_owned()), line }, text });
        };
        if let Some(mark) = mark {
            warn(1, mark.text().to_owned());
        }
        for line in lex::lines(content) {
            let text = line.text.ok_or_else(|| "the line is too long".to_owned());
            let key = text.and_then(|text| {
                let key = parse_line(&text);
                wipe(&mut text.into_bytes());
                key
            });
            match key {
                Ok(None) => {}
                Ok(Some(_)) if keys.count() >= MOST_KEYS => {
                    warn(line.number, format!("Could not use more than {MOST_KEYS} keys (the rest is ignored)"));
                    break;
                }
                Ok(Some(key)) => {
                    let id = key.id();
                    if !keys.add(key) {
                        warn(line.number, format!("Detected duplicate key {id} (the first one is used)"));
                    }
                }
                Err(remedy) => warn(line.number, format!("Could not parse key ({remedy})")),
            }
        }
        KeyFile { keys, warnings }
    }

    /// What is to be said of a key that a source wants; nothing if all is well.
    pub fn complaint(&self, id: u32) -> Option<String> {
        match self.keys.find(id) {
            None => Some(format!("Key {id} is missing")),
            Some(key) if key.bits() < SHORTEST_BITS => Some(format!("Key {id} is too short")),
            Some(_) => None,
        }
    }
}

/// `None` for a blank line or a comment; else a key, or what would be right.
fn parse_line(line: &str) -> Result<Option<SymmetricKey>, String> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (id, algorithm, key) = match words[..] {
        [] => return Ok(None),
        [first, ..] if starts_comment(first) => return Ok(None),
        [id, key] => (id, "MD5", key),
        [id, algorithm, key] => (id, algorithm, key),
        _ => return Err("the syntax is: ID [TYPE] KEY".to_owned()),
    };
    let id = id.parse().ok().filter(|id| *id != 0);
    let id: u32 = id.ok_or_else(|| format!("the number must be from 1 to {}", u32::MAX))?;
    let algorithm = find_algorithm(algorithm)?;
    if line.contains(char::REPLACEMENT_CHARACTER) {
        return Err("the key has bytes that are not UTF-8: write it as HEX:".to_owned());
    }
    let secret = decode(key)?;
    if let Some(len) = algorithm.key_len().filter(|len| secret.bytes().len() != *len) {
        let (name, found) = (algorithm.name(), secret.bytes().len());
        return Err(format!("a key of the type {name} has {len} bytes, this one has {found}"));
    }
    let key = SymmetricKey::new(id, algorithm, secret.bytes().to_vec());
    key.map(Some).ok_or_else(|| "the key is empty".to_owned())
}

/// An unknown word may be part of a secret: it is not repeated.
fn find_algorithm(name: &str) -> Result<MacAlgorithm, String> {
    let known = || MacAlgorithm::ALL.map(MacAlgorithm::name).join(", ");
    let algorithm = MacAlgorithm::find(name).ok_or_else(|| format!("the type must be one of {}", known()))?;
    if !algorithm.is_built_in() {
        let name = algorithm.name();
        return Err(format!("the type {name} needs a slewd that was built with the feature nts, MD5 does not"));
    }
    Ok(algorithm)
}

fn decode(key: &str) -> Result<Secret, String> {
    match key.strip_prefix("HEX:") {
        Some(digits) => {
            Secret::from_hex(digits).ok_or_else(|| "after HEX: come pairs of digits from 0 to F".to_owned())
        }
        None => Ok(Secret::new(key.strip_prefix("ASCII:").unwrap_or(key).as_bytes().to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(content: &str) -> Vec<String> {
        KeyFile::parse("keys", content.as_bytes()).warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_forms_of_chronys_manual_are_read() {
        let keys =
            KeyFile::parse("keys", b"# comment\n\n10 plain\n 20 MD5 ASCII:text\n30\tMD5  HEX:00ff\n40 MD5 HEX:0aF1");
        assert_eq!(keys.warnings, []);
        let expected = [(10, "plain".as_bytes()), (20, b"text"), (30, &[0, 0xff]), (40, &[0x0a, 0xf1])];
        assert_eq!(keys.keys.count(), expected.len());
        for (id, secret) in expected {
            assert_eq!(keys.keys.find(id), SymmetricKey::new(id, MacAlgorithm::Md5, secret.to_vec()).as_ref(), "{id}");
        }
        assert_eq!(keys.keys.find(11), None);
    }

    #[cfg(feature = "nts")]
    #[test]
    fn every_type_is_read_and_a_cipher_wants_a_key_of_its_length() {
        let text: String = MacAlgorithm::ALL
            .iter()
            .zip(1..)
            .map(|(algorithm, id)| {
                format!("{id} {} HEX:{}\n", algorithm.name(), "5a".repeat(algorithm.key_len().unwrap_or(20)))
            })
            .collect();
        let keys = KeyFile::parse("keys", text.as_bytes());
        assert_eq!((keys.keys.count(), keys.warnings.len()), (MacAlgorithm::ALL.len(), 0));
        let short = messages("1 AES128 HEX:00112233");
        assert_eq!(
            short,
            ["Could not parse key (a key of the type AES128 has 16 bytes, this one has 4) at line 1 in file keys"]
        );
    }

    #[test]
    fn a_wrong_line_costs_one_key_and_is_named_without_its_secret() {
        let text = "1 MD5 good-enough-key\nx MD5 secret1\n0 secret2\n2 sha1 secret3\n3 MD5 HEX:secret4\n4 a b secret5\n5\n1 secret6\n9 other-good-key\n";
        let keys = KeyFile::parse("keys", text.as_bytes());
        assert_eq!(keys.keys.count(), 2);
        let messages = messages(text);
        let lines: Vec<usize> = keys.warnings.iter().map(|warning| warning.place.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8]);
        assert!(messages[0].contains("the number must be from 1 to 4294967295"), "{messages:?}");
        assert!(messages[2].contains("the type must be one of MD5, SHA1"), "{messages:?}");
        assert!(messages[3].contains("after HEX: come pairs of digits"), "{messages:?}");
        assert_eq!(messages[6], "Detected duplicate key 1 (the first one is used) at line 8 in file keys");
        assert!(messages.iter().all(|message| !message.contains("secret")), "{messages:?}");
    }

    #[test]
    fn what_a_source_wants_and_cannot_have_is_said() {
        let keys = KeyFile::parse("keys", b"1 short\n2 long-enough-for-anybody\n");
        assert_eq!(keys.complaint(1).as_deref(), Some("Key 1 is too short"));
        assert_eq!(keys.complaint(2), None);
        assert_eq!(keys.complaint(3).as_deref(), Some("Key 3 is missing"));
    }

    #[test]
    fn no_bytes_can_make_reading_panic() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let mut bytes = vec![0; random.usize(..80)];
            bytes.fill_with(|| random.choice(b"0123459 \n\tMDSHAES:HEXASCII#\xff\x00".iter().copied()).unwrap_or(b' '));
            let _ = KeyFile::parse("keys", &bytes);
        }
    }
}
