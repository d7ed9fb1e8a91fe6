//! Who may ask over UDP: this machine, and whom `cmdallow` and `cmddeny` let in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::{AccessRule, Subnet};

/// The rules that hold now. The smallest subnet that an address belongs to decides; without one it is a stranger.
#[derive(Debug, Default)]
pub(super) struct Access(Vec<NetRule>);

#[derive(Clone, Copy, Debug)]
struct NetRule {
    net: Net,
    allow: bool,
}

/// Addresses of one family that agree in the first bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Net {
    is_v6: bool,
    /// Left-aligned; zero after the prefix.
    prefix: u128,
    bits: u32,
}

/// Who sends a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AskerKind {
    /// A program on this machine.
    Local,
    /// A host that the configuration lets in.
    Guest,
    /// Any other host.
    Stranger,
}

impl Access {
    /// From the lines of the configuration, in order. Names are looked up with `look_up`, which blocks.
    ///
    /// Returns as well the names that nobody knows. Where one of them was to be denied, only this machine is let in:
    /// who it is cannot be told.
    pub(super) fn new(rules: &[AccessRule], look_up: impl Fn(&str) -> Vec<IpAddr>) -> (Self, Vec<&str>) {
        let mut access = Access::default();
        let (mut unknown, mut is_closed) = (Vec::new(), false);
        for rule in rules {
            let nets: Vec<Net> = match &rule.subnet {
                Subnet::Any => Net::everybody().to_vec(),
                Subnet::Net { address, bits } => vec![Net::new(*address, u32::from(*bits))],
                Subnet::Name(name) => {
                    let found = look_up(name);
                    if found.is_empty() {
                        unknown.push(name.as_str());
                        is_closed |= !rule.allow;
                    }
                    found.into_iter().map(|address| Net::new(address, u32::MAX)).collect()
                }
            };
            nets.into_iter().for_each(|net| access.set(net, rule.allow, rule.all));
        }
        (if is_closed { Access::default() } else { access }, unknown)
    }

    /// Adds a rule; with `all` it overrides those for smaller subnets within this one.
    pub(super) fn set(&mut self, net: Net, allow: bool, all: bool) {
        self.0.retain(|rule| rule.net != net && !(all && net.includes(&rule.net)));
        self.0.push(NetRule { net, allow });
    }

    /// Exactly the two loopback addresses are this machine: it has others in 127.0.0.0/8, which are anybody's to forge
    /// from a container that shares its network.
    pub(super) fn standing(&self, address: IpAddr) -> AskerKind {
        if address == IpAddr::V4(Ipv4Addr::LOCALHOST) || address == IpAddr::V6(Ipv6Addr::LOCALHOST) {
            AskerKind::Local
        } else if self.allows(address) {
            AskerKind::Guest
        } else {
            AskerKind::Stranger
        }
    }

    /// What the rules say of an address.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        let one = Net::new(address, u32::MAX);
        let meant = self.0.iter().filter(|rule| rule.net.includes(&one));
        meant.max_by_key(|rule| rule.net.bits).is_some_and(|rule| rule.allow)
    }
}

impl Net {
    /// At most as many bits as the address has; what follows them does not count.
    pub(super) fn new(address: IpAddr, bits: u32) -> Self {
        let (is_v6, all_bits, len) = match address {
            IpAddr::V4(v4) => (false, u128::from(v4.to_bits()) << 96, 32),
            IpAddr::V6(v6) => (true, v6.to_bits(), 128),
        };
        let bits = bits.min(len);
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        Net { is_v6, prefix: all_bits & mask, bits }
    }

    /// All addresses of both families.
    pub(super) fn everybody() -> [Self; 2] {
        [Net::new(Ipv4Addr::UNSPECIFIED.into(), 0), Net::new(Ipv6Addr::UNSPECIFIED.into(), 0)]
    }

    fn includes(&self, other: &Net) -> bool {
        let differing = self.prefix ^ other.prefix;
        self.is_v6 == other.is_v6 && self.bits <= other.bits && differing.leading_zeros() >= self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn net(text: &str, bits: u8) -> Subnet {
        Subnet::Net { address: ip(text), bits }
    }

    fn rule(allow: bool, all: bool, subnet: Subnet) -> AccessRule {
        AccessRule { allow, all, subnet }
    }

    #[test]
    fn the_smallest_subnet_decides_whatever_the_order_and_all_overrides() {
        let mut rules = vec![
            rule(false, false, net("10.1.2.3", 32)),
            rule(true, false, net("10.0.0.0", 8)),
            rule(false, false, net("10.1.0.0", 16)),
            rule(true, false, net("2001:db8::", 32)),
        ];
        let allowed = |rules: &[AccessRule], address| Access::new(rules, |_| Vec::new()).0.allows(ip(address));
        for (address, is_allowed) in [
            ("10.9.9.9", true),
            ("10.1.9.9", false),
            ("10.1.2.3", false),
            ("11.0.0.1", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
            ("::ffff:10.9.9.9", false),
        ] {
            assert_eq!(allowed(&rules, address), is_allowed, "{address}");
        }
        rules.push(rule(true, true, net("10.0.0.0", 8)));
        assert!(allowed(&rules, "10.1.2.3"));
        rules.push(rule(false, false, net("10.1.2.3", 32)));
        assert!(!allowed(&rules, "10.1.2.3"));
        rules.push(rule(true, true, Subnet::Any));
        assert!(allowed(&rules, "10.1.2.3") && allowed(&rules, "192.0.2.1") && allowed(&rules, "fe80::1"));
    }

    #[test]
    fn only_the_two_loopback_addresses_are_this_machine() {
        let (access, _) = Access::new(&[rule(false, true, Subnet::Any)], |_| Vec::new());
        for local in ["127.0.0.1", "::1"] {
            assert_eq!(access.standing(ip(local)), AskerKind::Local);
        }
        for stranger in ["127.0.0.2", "127.1.0.1", "::ffff:127.0.0.1", "::2", "0.0.0.0"] {
            assert_eq!(access.standing(ip(stranger)), AskerKind::Stranger, "{stranger}");
        }
    }

    #[test]
    fn a_name_nobody_knows_lets_nobody_in_and_one_to_be_denied_shuts_everybody_out() {
        let known = |name: &str| if name == "known" { vec![ip("192.0.2.1"), ip("2001:db8::1")] } else { Vec::new() };
        let name = |allow, name: &str| rule(allow, false, Subnet::Name(name.to_owned()));
        let rules = [name(true, "known"), name(true, "gone")];
        let (access, unknown) = Access::new(&rules, known);
        assert!(access.allows(ip("192.0.2.1")) && access.allows(ip("2001:db8::1")) && !access.allows(ip("192.0.2.2")));
        assert_eq!(unknown, ["gone"]);
        let rules = [rule(true, false, Subnet::Any), name(false, "gone")];
        assert!(!Access::new(&rules, known).0.allows(ip("192.0.2.1")));
    }
}
