//! Reference identifiers of addresses (RFC 5905 section 7.3).

use std::net::IpAddr;

/// What stands for a source in the packets of those who follow it: an IPv4 address itself, or the first four bytes of
/// the MD5 of an IPv6 address.
pub fn reference_id(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = md5::compute(address.octets()).0;
            u32::from_be_bytes([a, b, c, d])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_chronyd_computes_it() {
        let id = |address: &str| reference_id(address.parse().expect("an address"));
        assert_eq!(id("127.0.0.12"), 0x7f00_000c);
        assert_eq!(id("fd00::15"), 0xcfb5_cc8e);
    }
}
