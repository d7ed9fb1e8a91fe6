//! The arguments of `allow` and its kin: `[all] [SUBNET]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::Fault;
use super::lex::Words;
use super::model::Subnet;

/// Whether the rule overrides others (`all`), and whom it is about.
pub(crate) fn parse(words: &mut Words) -> Result<(bool, Subnet), Fault> {
    let mut word = words.next();
    let all = word == Some("all");
    if all {
        word = words.next();
    }
    words.end()?;
    let subnet = match word {
        Some(word) => subnet(word).ok_or_else(|| wrong(word))?,
        None => Subnet::Any,
    };
    Ok((all, subnet))
}

/// Whether nobody but this machine is meant: 127.0.0.0/8, `::1`, `localhost`.
pub(crate) fn is_of_this_machine(words: &Words) -> bool {
    const LOOPBACK_BITS: u8 = 8;
    match parse(&mut words.clone()) {
        Ok((_, Subnet::Net { address: IpAddr::V4(v4), bits })) => v4.is_loopback() && bits >= LOOPBACK_BITS,
        Ok((_, Subnet::Net { address: IpAddr::V6(v6), bits })) => v6.is_loopback() && bits == 128,
        Ok((_, Subnet::Name(name))) => name.eq_ignore_ascii_case("localhost"),
        Ok((_, Subnet::Any)) | Err(_) => false,
    }
}

fn wrong(word: &str) -> Fault {
    Fault::Parse(format!(
        "\"{word}\" is neither an address, nor a subnet like 192.168.0.0/16 or 2001:db8::/32, nor a name"
    ))
}

/// `None` if it is neither a network nor a plausible name.
fn subnet(word: &str) -> Option<Subnet> {
    let (address, bits) = match word.split_once('/') {
        Some((address, bits)) => (address, Some(prefix_length(bits)?)),
        None => (word, None),
    };
    if let Ok(v6) = address.parse::<Ipv6Addr>() {
        let bits = bits.unwrap_or(128).min(128);
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        return Some(net(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask)), bits));
    }
    if let Some((v4, default_bits)) = dotted(address) {
        let bits = bits.unwrap_or(default_bits).min(32);
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        return Some(net(IpAddr::V4(Ipv4Addr::from_bits(v4 & mask)), bits));
    }
    let is_name = bits.is_none() && is_host_name(word) && !word.eq_ignore_ascii_case("all");
    is_name.then(|| Subnet::Name(word.to_string()))
}

fn net(address: IpAddr, bits: u32) -> Subnet {
    Subnet::Net { address, bits: bits as u8 }
}

/// Larger values mean the full length; signs are not welcome.
fn prefix_length(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u32::MAX))
}

/// One to four numbers with dots between them: the address and eight bits for each.
fn dotted(text: &str) -> Option<(u32, u32)> {
    let mut address = 0;
    let mut bits = 0;
    for part in text.split('.') {
        if bits == 32 {
            return None;
        }
        bits += 8;
        address |= u32::from(part.parse::<u8>().ok()?) << (32 - bits);
    }
    Some((address, bits))
}

/// A name has a letter in it: what has none is a mistyped address, which no resolver would find.
fn is_host_name(word: &str) -> bool {
    let ordinary = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let labels_filled = !word.trim_end_matches('.').split('.').any(str::is_empty);
    word.chars().all(ordinary) && labels_filled && word.contains(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(bool, Subnet), Fault> {
        parse(&mut Words::split_directive(line).1)
    }

    fn read_net(address: &str, bits: u8) -> Subnet {
        Subnet::Net { address: address.parse().expect("an address"), bits }
    }

    #[test]
    fn subnets_are_masked_and_shortened_addresses_count_eight_bits_for_each_number() {
        for (text, address, bits) in [
            ("1.2.3.4", "1.2.3.4", 32),
            ("1.2.3.4/24", "1.2.3.0", 24),
            ("1.2.3", "1.2.3.0", 24),
            ("1.2", "1.2.0.0", 16),
            ("10", "10.0.0.0", 8),
            ("10/4", "0.0.0.0", 4),
            ("0/0", "0.0.0.0", 0),
            ("1.2.3.4/33", "1.2.3.4", 32),
            ("fe80::1/10", "fe80::", 10),
            ("::1", "::1", 128),
            ("::/0", "::", 0),
            ("::1/999", "::1", 128),
        ] {
            assert_eq!(read(&format!("allow {text}")), Ok((false, read_net(address, bits))), "{text}");
        }
    }

    #[test]
    fn no_subnet_is_everybody_and_all_is_said_in_lower_case() {
        assert_eq!(read("allow"), Ok((false, Subnet::Any)));
        assert_eq!(read("allow all"), Ok((true, Subnet::Any)));
        assert_eq!(read("allow all 10"), Ok((true, read_net("10.0.0.0", 8))));
        assert!(read("allow ALL").is_err(), "which must not be taken for the name of a host");
    }

    #[test]
    fn names_are_left_to_the_caller() {
        assert_eq!(read("allow ntp.example.net"), Ok((false, Subnet::Name("ntp.example.net".to_string()))));
    }

    #[test]
    fn what_is_neither_address_nor_name_is_refused() {
        for text in
            ["300", "1.2.", "1..2", "1.2.3.4.5", "256.1.1.1", "1.2/-1", "1.2/x", "1.2.3.4/", "1.2 3", "all all x"]
        {
            assert!(read(&format!("allow {text}")).is_err(), "{text}");
        }
        for text in ["localhost/24", "fe80:/10", "fe80::%eth0", "#", "x..y"] {
            assert!(read(&format!("allow {text}")).is_err(), "{text}");
        }
    }
}
