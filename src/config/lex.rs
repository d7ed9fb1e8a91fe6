//! Bytes to lines to words: everything about the form of a configuration that does not depend on the directive.

use super::error::Fault;
use super::number;
use crate::core::api::limits::RealRange;

/// A line of this many bytes or more, its newline included, is an error.
const LINE_LIMIT: usize = 2048;

/// One physical line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextLine {
    /// Counted from 1.
    pub(crate) number: usize,
    /// The words with one space between them; empty for a blank line or a comment. `None` if the line is too long.
    pub(crate) text: Option<String>,
    /// The line ended with a newline.
    pub(crate) terminated: bool,
}

/// What some editors put in front of a text, although nobody asked them to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    /// The byte order mark of UTF-8, which has no byte order.
    Utf8,
    /// The mark of UTF-16: every other byte is zero, and nothing can be read.
    Wide,
}

impl Mark {
    /// The warning about this byte order mark.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Mark::Utf8 => "a byte order mark (BOM, the bytes EF BB BF) is ignored: save the file as plain UTF-8",
            Mark::Wide => "the file is in UTF-16 (it starts with a byte order mark): save it as plain UTF-8",
        }
    }
}

/// The content of a file without the mark in front, and the mark.
pub(crate) fn without_mark(content: &[u8]) -> (&[u8], Option<Mark>) {
    if let Some(rest) = content.strip_prefix(b"\xef\xbb\xbf") {
        return (rest, Some(Mark::Utf8));
    }
    let is_wide = content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff");
    if is_wide { (&[], Some(Mark::Wide)) } else { (content, None) }
}

/// The lines of a file, comments and blank ones included because they count.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = TextLine> {
    bytes.split_inclusive(|&byte| byte == b'\n').enumerate().map(|(index, line)| TextLine {
        number: index + 1,
        text: normalize(line),
        terminated: line.ends_with(b"\n"),
    })
}

/// The words of a line with one space between them; empty for a comment. `None` if the line is too long.
///
/// Like chronyd, a line ends at a zero byte. Bytes that are not UTF-8 become U+FFFD, which no name and few paths contain.
pub(crate) fn normalize(line: &[u8]) -> Option<String> {
    if line.len() >= LINE_LIMIT {
        return None;
    }
    let line = line.split(|&byte| byte == 0).next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(is_space).filter(|word| !word.is_empty()).peekable();
    if words.peek().is_some_and(|word| starts_comment(word)) {
        return Some(String::new());
    }
    Some(words.collect::<Vec<_>>().join(" "))
}

/// Whether a word would start a comment if it were the first of its line.
pub(crate) fn starts_comment(word: &str) -> bool {
    word.starts_with(['!', ';', '#', '%'])
}

/// White space of the C locale.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// The arguments of one directive, taken from the front.
///
/// Numbers inside option lists are read as prefixes: what follows the number is the next word, as in chronyd.
#[derive(Clone, Debug)]
pub(crate) struct Words<'a> {
    rest: &'a str,
    /// Things worth telling that are not errors; the parser makes warnings of them.
    pub(crate) notes: Vec<String>,
}

impl<'a> Words<'a> {
    /// The first word of a normalised line, and the others.
    pub(crate) fn split_directive(line: &'a str) -> (&'a str, Words<'a>) {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        (name, Words { rest, notes: Vec::new() })
    }

    /// How many words are left.
    pub(crate) fn count(&self) -> usize {
        self.rest.split_ascii_whitespace().count()
    }

    /// The next word.
    pub(crate) fn next(&mut self) -> Option<&'a str> {
        let (word, rest) = self.rest.split_once(' ').unwrap_or((self.rest, ""));
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// The next word of a directive that cannot do without it.
    pub(crate) fn required(&mut self) -> Result<&'a str, Fault> {
        self.next().ok_or(Fault::Missing)
    }

    /// Succeeds if nothing is left.
    pub(crate) fn end(&self) -> Result<(), Fault> {
        if self.rest.is_empty() { Ok(()) } else { Err(Fault::Parse(String::new())) }
    }

    /// The value of an option, a whole number in 32 bits.
    pub(crate) fn option_integer(&mut self) -> Option<i64> {
        self.prefix(number::integer_prefix)
    }

    /// The value of an option, a real number.
    pub(crate) fn option_real(&mut self) -> Option<f64> {
        self.prefix(number::real_prefix)
    }

    /// The value of an option, a hexadecimal number.
    pub(crate) fn option_hex(&mut self) -> Option<u32> {
        self.prefix(number::hex_prefix)
    }

    /// The next word as a whole number. If it is the last of its line, what follows the number is only remarked upon.
    pub(crate) fn integer(&mut self) -> Result<i64, Fault> {
        self.whole_word(number::integer_prefix)
    }

    /// The next word as a real number. If it is the last of its line, what follows the number is only remarked upon.
    pub(crate) fn real(&mut self) -> Result<f64, Fault> {
        self.whole_word(number::real_prefix)
    }

    /// The next word as a whole number; what follows the number in the same word is only remarked upon.
    pub(crate) fn loose_integer(&mut self) -> Result<i64, Fault> {
        let word = self.required()?;
        self.number_in(word, number::integer_prefix).map(|(value, _)| value)
    }

    /// The next word as a real number; what follows the number in the same word is only remarked upon.
    pub(crate) fn loose_real(&mut self) -> Result<f64, Fault> {
        let word = self.required()?;
        self.number_in(word, number::real_prefix).map(|(value, _)| value)
    }

    /// The next word, all of it, as a whole number in a range.
    pub(crate) fn strict_integer(&mut self, min: i64, max: i64) -> Result<i64, Fault> {
        let word = self.required()?;
        let value = number::integer(word).ok_or_else(|| Fault::Parse(format!("\"{word}\" is not a whole number")))?;
        if (min..=max).contains(&value) { Ok(value) } else { Err(Fault::OutOfRange { value, min, max }) }
    }

    /// A real number brought into a range, which is remarked upon; `None` if it is not a number.
    pub(crate) fn bring_into(&mut self, value: f64, (min, max): RealRange) -> Option<f64> {
        if value.is_nan() {
            self.notes.push("\"nan\" is not used, the default is".to_string());
            return None;
        }
        let used = value.clamp(min, max);
        // Infinity is the usual way to say "no limit", and gets what it wants.
        if used != value && value.is_finite() {
            self.notes.push(format!("{value} is out of range, {used} is used"));
        }
        Some(used)
    }

    fn prefix<T>(&mut self, read: fn(&'a str) -> Option<(T, &'a str)>) -> Option<T> {
        let (value, rest) = read(self.rest)?;
        self.rest = rest.strip_prefix(' ').unwrap_or(rest);
        Some(value)
    }

    fn whole_word<T>(&mut self, read: fn(&'a str) -> Option<(T, &'a str)>) -> Result<T, Fault> {
        let word = self.required()?;
        match self.number_in(word, read)? {
            (_, true) if !self.rest.is_empty() => Err(not_a_number(word)),
            (value, _) => Ok(value),
        }
    }

    /// The number that a word starts with, and whether something follows it.
    fn number_in<T>(&mut self, word: &'a str, read: fn(&'a str) -> Option<(T, &'a str)>) -> Result<(T, bool), Fault> {
        let (value, rest) = read(word).ok_or_else(|| not_a_number(word))?;
        if !rest.is_empty() {
            self.notes.push(format!("\"{rest}\" after the number in \"{word}\" is ignored"));
        }
        Ok((value, !rest.is_empty()))
    }
}

fn not_a_number(word: &str) -> Fault {
    Fault::Parse(format!("\"{word}\" is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_that_of_the_c_locale_and_collapses() {
        assert_eq!(normalize(b" server\ta  iburst\x0b\x0c x\r\n").as_deref(), Some("server a iburst x"));
        assert_eq!(normalize("a\u{a0}b".as_bytes()).as_deref(), Some("a\u{a0}b"));
        assert_eq!(normalize(b"\t \r\n").as_deref(), Some(""));
    }

    #[test]
    fn only_whole_lines_are_comments() {
        for line in ["# x", " ! x", "\t;x", "%", "#"] {
            assert_eq!(normalize(line.as_bytes()).as_deref(), Some(""), "{line}");
        }
        assert_eq!(normalize(b"a # x").as_deref(), Some("a # x"));
    }

    #[test]
    fn a_line_of_2048_bytes_is_too_long_even_if_it_is_a_comment() {
        let with_newline = |length: usize| format!("{}\n", "#".repeat(length - 1));
        assert!(normalize(with_newline(2047).as_bytes()).is_some());
        assert!(normalize(with_newline(2048).as_bytes()).is_none());
        assert!(normalize("#".repeat(2047).as_bytes()).is_some());
        assert!(normalize("#".repeat(2048).as_bytes()).is_none());
    }

    #[test]
    fn lines_are_counted_from_one_and_know_whether_they_ended() {
        let read: Vec<_> =
            lines(b"a\n\n# c\nb").map(|l| (l.number, l.text.unwrap_or_default(), l.terminated)).collect();
        let expected = [(1, "a", true), (2, "", true), (3, "", true), (4, "b", false)];
        assert_eq!(read, expected.map(|(number, text, terminated)| (number, text.to_string(), terminated)));
    }

    #[test]
    fn a_line_ends_at_a_zero_byte() {
        assert_eq!(normalize(b"logbanner 1\0junk\n").as_deref(), Some("logbanner 1"));
    }

    #[test]
    fn what_follows_the_number_of_an_option_is_the_next_word() {
        let (_, mut words) = Words::split_directive("x 4iburst 5 0.1");
        assert_eq!(words.option_integer(), Some(4));
        assert_eq!(words.next(), Some("iburst"));
        assert_eq!(words.option_integer(), Some(5));
        assert_eq!(words.option_real(), Some(0.1));
        assert_eq!(words.next(), None);
    }
}
