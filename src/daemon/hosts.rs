//! /etc/hosts: a name found there needs neither a resolver nor a thread.

use std::net::IpAddr;

use crate::daemon::files::opening::read_promptly;

/// Where it is (hosts(5)).
const PATH: &str = "/etc/hosts";

/// A list of names to block advertising has some megabytes. What is longer is something else.
const MOST_BYTES: u64 = 64 << 20;

/// The addresses the file has for a name, in its order; none if it cannot be read.
pub fn look_up(name: &str) -> Vec<IpAddr> {
    read_promptly(PATH.as_ref(), MOST_BYTES).map_or(Vec::new(), |bytes| find(&String::from_utf8_lossy(&bytes), name))
}

fn find(text: &str, name: &str) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.');
    let address_of = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    };
    text.lines().filter_map(address_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_found_and_comments_are_not() {
        let text = "127.0.0.1\tlocalhost\n# 192.0.2.9 ntp.example\n192.0.2.1 ntp.example NTP # 192.0.2.8 other\n\
                    nonsense ntp.example\n2001:db8::1 ntp.example\n";
        let both: Vec<IpAddr> = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().expect("an address")).to_vec();
        assert_eq!(find(text, "ntp.example"), both);
        assert_eq!(find(text, "ntp.example."), both);
        assert_eq!(find(text, "ntp"), both[..1]);
        for unknown in ["other", "example", ""] {
            assert_eq!(find(text, unknown), [] as [IpAddr; 0], "{unknown}");
        }
    }
}
