//! The addresses that last told the time, by name. Asked at once at the next start: a resolver that checks signatures or
//! certificates may need the right time before it can say where to get it.

use std::net::IpAddr;

/// More addresses than any line can use are not read.
const MAX_ADDRESSES: usize = 64;

/// One name and the addresses that were good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastGood {
    /// The name as configured.
    pub name: String,
    /// Never empty.
    pub addresses: Vec<IpAddr>,
}

/// Reads `NAME ADDRESS...`, one name a line. What makes no sense is skipped: the addresses only save time.
pub fn parse(text: &str) -> Vec<LastGood> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let addresses: Vec<IpAddr> = words.filter_map(|word| word.parse().ok()).take(MAX_ADDRESSES).collect();
        (!addresses.is_empty()).then_some(LastGood { name, addresses })
    };
    text.lines().filter_map(line).collect()
}

/// The text that [`parse`] reads.
pub fn to_text(known: &[LastGood]) -> String {
    let line = |good: &LastGood| {
        let addresses: String = good.addresses.iter().map(|address| format!(" {address}")).collect();
        format!("{}{addresses}\n", good.name)
    };
    known.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_back_and_nonsense_is_skipped() {
        let known = vec![
            LastGood { name: "pool.example".into(), addresses: vec!["192.0.2.1".parse().expect("an address")] },
            LastGood { name: "b.example".into(), addresses: vec!["2001:db8::1".parse().expect("an address")] },
        ];
        assert_eq!(to_text(&known), "pool.example 192.0.2.1\nb.example 2001:db8::1\n");
        assert_eq!(parse(&to_text(&known)), known);
        assert_eq!(parse("pool.example nonsense 192.0.2.1 300.1.1.1\n\nlonely\n\u{fffd}\n"), known[..1]);
    }
}
