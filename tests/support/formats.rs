//! Strict readers of JSON and of Prometheus' text, for tests: what they accept, everybody does.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::{BTreeMap, BTreeSet};

/// A JSON value. Numbers stay text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Parses one value with nothing after it but a line end (RFC 8259).
    pub(crate) fn parse(text: &str) -> Json {
        let text = text.strip_suffix('\n').expect("a line end");
        let mut reader = Reader { rest: text };
        let value = reader.value();
        assert_eq!(reader.rest, "", "something follows");
        value
    }

    /// The member of an object.
    pub(crate) fn get(&self, name: &str) -> &Json {
        match self {
            Json::Object(members) => members.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}")),
            _ => panic!("no object: {self:?}"),
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> &[Json] {
        match self {
            Json::List(items) => items,
            _ => panic!("no list: {self:?}"),
        }
    }

    /// A text.
    pub(crate) fn text(&self) -> &str {
        match self {
            Json::Text(text) => text,
            _ => panic!("no text: {self:?}"),
        }
    }

    /// A number.
    pub(crate) fn number(&self) -> f64 {
        match self {
            Json::Number(text) => text.parse().expect("a number"),
            _ => panic!("no number: {self:?}"),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn value(&mut self) -> Json {
        match self.peek() {
            '{' => self.object(),
            '[' => self.list(),
            '"' => Json::Text(self.string()),
            't' => self.word("true", Json::Bool(true)),
            'f' => self.word("false", Json::Bool(false)),
            'n' => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn peek(&self) -> char {
        self.rest.chars().next().expect("more text")
    }

    fn take(&mut self, wanted: char) {
        self.rest = self.rest.strip_prefix(wanted).unwrap_or_else(|| panic!("no {wanted} at {:.40}", self.rest));
    }

    fn word(&mut self, word: &str, value: Json) -> Json {
        self.rest = self.rest.strip_prefix(word).expect("a word");
        value
    }

    fn object(&mut self) -> Json {
        let mut members = BTreeMap::new();
        self.take('{');
        while self.peek() != '}' {
            if !members.is_empty() {
                self.take(',');
            }
            let name = self.string();
            self.take(':');
            let value = self.value();
            assert!(members.insert(name.clone(), value).is_none(), "{name} twice");
        }
        self.take('}');
        Json::Object(members)
    }

    fn list(&mut self) -> Json {
        let mut items = Vec::new();
        self.take('[');
        while self.peek() != ']' {
            if !items.is_empty() {
                self.take(',');
            }
            items.push(self.value());
        }
        self.take(']');
        Json::List(items)
    }

    fn string(&mut self) -> String {
        self.take('"');
        let mut text = String::new();
        loop {
            let c = self.peek();
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '"' => return text,
                '\\' => {
                    let escaped = self.peek();
                    self.rest = &self.rest[1..];
                    match escaped {
                        '"' | '\\' | '/' => text.push(escaped),
                        'u' => {
                            let code = u32::from_str_radix(&self.rest[..4], 16).expect("four digits");
                            text.push(char::from_u32(code).expect("a character"));
                            self.rest = &self.rest[4..];
                        }
                        other => panic!("\\{other}"),
                    }
                }
                c if u32::from(c) < 0x20 => panic!("a control character in a string"),
                c => text.push(c),
            }
        }
    }

    fn number(&mut self) -> Json {
        let end = self.rest.find([',', '}', ']']).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        let digits = number.strip_prefix('-').unwrap_or(number);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        assert!(all_digits(whole) && all_digits(fraction), "{number}");
        assert!(whole == "0" || !whole.starts_with('0'), "{number}");
        Json::Number(number.to_owned())
    }
}

/// The value of each series, by its name and labels as they stand.
pub(crate) type Series = BTreeMap<String, f64>;

/// Reads Prometheus' text format 0.0.4 and insists on what `promtool check metrics` does.
pub(crate) fn exposition(text: &str) -> Series {
    assert!(text.ends_with('\n'));
    let mut series = Series::new();
    let mut families = BTreeSet::new();
    let mut current = (String::new(), String::new());
    let mut helped = String::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            let [keyword, name, rest] = words[..] else { panic!("{line}") };
            assert!(is_name(name, true) && name.starts_with("slewd_"), "{line}");
            match keyword {
                "HELP" => {
                    assert!(!rest.is_empty() && rest.is_ascii() && !rest.ends_with('.'), "{line}");
                    assert!(!rest.contains(['\\', '"']), "{line}");
                    helped = name.to_owned();
                }
                "TYPE" => {
                    assert_eq!(helped, name, "HELP comes first");
                    assert!(families.insert(name.to_owned()), "{name} is in two places");
                    assert_eq!(rest == "counter", name.ends_with("_total"), "{line}");
                    assert!(["counter", "gauge"].contains(&rest), "{line}");
                    current = (name.to_owned(), rest.to_owned());
                }
                "UNIT" => {
                    assert_eq!(current.0, name, "{line}");
                    assert!(name.ends_with(&format!("_{rest}")), "{line}");
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, value) = sample(line);
        let bare = name.split('{').next().expect("a name");
        assert_eq!(bare, current.0, "a sample without its family: {line}");
        let number: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(number.is_finite() && !(current.1 == "counter" && number < 0.0), "{line}");
        assert!(series.insert(name, number).is_none(), "twice: {line}");
    }
    series
}

/// Name with labels, and value. Labels are checked to the letter.
fn sample(line: &str) -> (String, &str) {
    let (bare, rest) = line.split_at(line.find(['{', ' ']).expect("a value"));
    assert!(is_name(bare, true), "{line}");
    let Some(mut labels) = rest.strip_prefix('{') else { return (bare.to_owned(), &rest[1..]) };
    let mut names = BTreeSet::new();
    loop {
        let (name, after) = labels.split_once("=\"").expect("a label");
        assert!(is_name(name, false) && names.insert(name), "{line}");
        let mut is_escaped = false;
        let end = after.char_indices().find(|(_, c)| {
            let is_end = *c == '"' && !is_escaped;
            assert!(!is_escaped || ['"', '\\', 'n'].contains(c), "{line}");
            is_escaped = *c == '\\' && !is_escaped;
            is_end
        });
        let (end, _) = end.expect("the label ends");
        labels = &after[end + 1..];
        if let Some(value) = labels.strip_prefix("} ") {
            return (line[..line.len() - value.len() - 1].to_owned(), value);
        }
        labels = labels.strip_prefix(',').unwrap_or_else(|| panic!("{line}"));
    }
}

fn is_name(name: &str, may_have_colon: bool) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || (may_have_colon && c == ':');
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}
