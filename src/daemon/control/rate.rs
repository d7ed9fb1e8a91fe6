//! `cmdratelimit`: how often somebody who is not on this machine is answered.

use std::net::{IpAddr, Ipv6Addr};

use crate::config::RateLimit;
use crate::core::random::Random;
use crate::time::{Raw, Span};

/// Addresses remembered: more askers than this share the patience of those that asked longest ago.
const REMEMBERED: usize = 64;
/// One IPv6 customer has at least this many addresses: they count as one.
const ONE_NETWORK: u32 = 64;

/// Answers that each address has had lately.
#[derive(Debug)]
pub(super) struct Limiter {
    interval: Span,
    /// How far ahead of the average rate an address may be.
    patience: Span,
    /// Of the requests that are too many one in 2 to this power is answered all the same, so that nobody can be silenced for good by
    /// requests forged in their name.
    leak: u8,
    random: Random,
    askers: Vec<Asker>,
}

#[derive(Clone, Copy, Debug)]
struct Asker {
    who: IpAddr,
    /// When it would be at the average rate again: later by one interval for each answer.
    even_at: Raw,
}

impl Limiter {
    /// No request has been counted yet.
    pub(super) fn new(limit: RateLimit, seed: [u8; 16]) -> Self {
        let interval = Span::from_secs_f64(libm::exp2(f64::from(limit.interval)));
        Limiter {
            interval,
            patience: Span::from_nanos(interval.nanos().saturating_mul(i64::from(limit.burst) - 1)),
            leak: limit.leak,
            random: Random::new(seed),
            askers: Vec::with_capacity(REMEMBERED),
        }
    }

    /// Whether one more request of this address is answered.
    pub(super) fn admits(&mut self, address: IpAddr, now: Raw) -> bool {
        let who = network(address);
        let asker = match self.askers.iter().position(|asker| asker.who == who) {
            Some(known) => &mut self.askers[known],
            None => {
                let new = Asker { who, even_at: now };
                if self.askers.len() < REMEMBERED {
                    self.askers.push(new);
                    let last = self.askers.len() - 1;
                    &mut self.askers[last]
                } else {
                    let Some(quietest) = self.askers.iter_mut().min_by_key(|asker| asker.even_at) else { return true };
                    *quietest = new;
                    quietest
                }
            }
        };
        let even_at = asker.even_at.max(now);
        if even_at - now <= self.patience {
            asker.even_at = even_at + self.interval;
            return true;
        }
        self.random.fraction() * f64::from(1u32 << self.leak) < 1.0
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - ONE_NETWORK))).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Raw {
        Raw::from_nanos(0) + Span::from_secs_f64(100.0 + seconds)
    }

    fn limiter() -> Limiter {
        // One in 16 leaks.
        Limiter::new(RateLimit { interval: 1, burst: 4, leak: 4 }, [7; 16])
    }

    #[test]
    fn a_burst_is_answered_then_one_per_interval_and_a_few_of_the_rest() {
        let mut limiter = limiter();
        let flooder: IpAddr = "192.0.2.1".parse().expect("an address");
        assert!((0..4).all(|_| limiter.admits(flooder, at(0.0))));
        let leaked = (0..1600).filter(|_| limiter.admits(flooder, at(0.0))).count();
        assert!((60..=140).contains(&leaked), "{leaked} of 1600 at one in 16");
        assert!(limiter.admits("192.0.2.2".parse().expect("an address"), at(0.0)), "somebody else is not concerned");
        // After 200 s it has the patience for a burst again, and no more.
        assert!((0..4).all(|_| limiter.admits(flooder, at(200.0))));
        let answered = (0..1000).filter(|i| limiter.admits(flooder, at(200.0 + 0.1 * f64::from(*i)))).count();
        assert!((50..=50 + 140).contains(&answered), "{answered} in 100 s at one per 2 s, one in 16 of the rest");
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let mut limiter = limiter();
        let asker = |host: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) + host));
        assert!((0..4).all(|host| limiter.admits(asker(host), at(0.0))));
        assert!((4..200).filter(|host| limiter.admits(asker(*host), at(0.0))).count() < 50);
        assert!(limiter.admits(asker(1 << 64), at(0.0)));
    }

    #[test]
    fn more_askers_than_are_remembered_take_no_more_room() {
        let mut limiter = limiter();
        for host in 0..10_000u32 {
            let _ = limiter.admits(std::net::Ipv4Addr::from_bits(host).into(), at(0.0));
        }
        assert_eq!(limiter.askers.len(), REMEMBERED);
    }
}
