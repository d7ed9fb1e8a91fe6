//! Requests that want something done, and those about things that a client has not got.

use log::{debug, info};

use crate::core::api::limits;
use crate::core::api::monitoring::Address;
use crate::core::api::order::{Order, Parameter, Refused, Whom};
use crate::core::api::settings::MakeStep;
use crate::core::source::Source;
use crate::daemon::control::access::Net;
use crate::daemon::control::{Control, Daemon, adding, reporting};
use crate::wire::cmdmon::reply::{Body, ReplyStatus};
use crate::wire::cmdmon::request::{self, ControlRequest, NewSource2, Prefix};

impl Control {
    /// Does what was asked with the `len` bytes in the inbox, and says what to answer.
    // Inlined into the loop over sockets it makes the binary 9 kB larger.
    #[inline(never)]
    pub(super) fn carry_out(
        &mut self,
        request: &ControlRequest,
        len: usize,
        daemon: &mut dyn Daemon,
    ) -> Result<Body, ReplyStatus> {
        let now = daemon.read_clock();
        if let Some(report) = reporting::report(request, daemon.engine(), &now, self.counts) {
            return report;
        }
        if let Some(lacking) = self.without_facility(request) {
            return lacking;
        }
        match request {
            ControlRequest::CommandAllow(subnet) => self.set_access(subnet, true, false)?,
            ControlRequest::CommandAllowAll(subnet) => self.set_access(subnet, true, true)?,
            ControlRequest::CommandDeny(subnet) => self.set_access(subnet, false, false)?,
            ControlRequest::CommandDenyAll(subnet) => self.set_access(subnet, false, true)?,
            ControlRequest::OnOffline => follow_routes(daemon),
            ControlRequest::ReloadSources => daemon.reload_sources(),
            ControlRequest::CycleLogs => daemon.reopen_logs(),
            ControlRequest::Dump => daemon.dump(),
            ControlRequest::Rekey => daemon.read_keys(),
            // The answer comes first.
            ControlRequest::Shutdown => {}
            other => {
                let order = order(other)?.within_limits().ok_or(ReplyStatus::Failed)?;
                let said = words(&order);
                daemon.obey(order, self.inbox.get(..len)).map_err(status)?;
                if let Some(said) = said {
                    info!("{said}");
                }
            }
        }
        Ok(Body::Null)
    }

    /// `cmdallow` and `cmddeny` while it runs.
    fn set_access(&mut self, subnet: &Prefix, allow: bool, all: bool) -> Result<(), ReplyStatus> {
        let nets = match (subnet.address, u32::try_from(subnet.bits)) {
            (Address::Unspecified, Ok(0)) => &Net::everybody()[..],
            (Address::Ip(address), Ok(bits)) if bits <= if address.is_ipv4() { 32 } else { 128 } => {
                &[Net::new(address, bits)]
            }
            _ => return Err(ReplyStatus::BadSubnet),
        };
        nets.iter().for_each(|net| self.access.set(*net, allow, all));
        Ok(())
    }

    /// What chronyd says without a hardware clock, without clients of its own, without time typed in by hand.
    fn without_facility(&self, request: &ControlRequest) -> Option<Result<Body, ReplyStatus>> {
        const NOT_USED: i32 = 0;
        const RESET: i32 = 2;
        Some(match request {
            ControlRequest::ManualList => Ok(Body::ManualList),
            ControlRequest::Manual(NOT_USED | RESET) => Ok(Body::Null),
            ControlRequest::Manual(1) => Err(ReplyStatus::NotEnabled),
            ControlRequest::Manual(_) => Err(ReplyStatus::Invalid),
            ControlRequest::ManualDelete => Err(ReplyStatus::BadSample),
            ControlRequest::RtcReport | ControlRequest::TrimRtc | ControlRequest::WriteRtc => Err(ReplyStatus::NoRtc),
            ControlRequest::ClientAccesses => Err(ReplyStatus::Inactive),
            ControlRequest::AccessCheck => Err(ReplyStatus::AccessDenied),
            ControlRequest::CommandAccessCheck(Address::Ip(host)) if self.access.allows(*host) => {
                Err(ReplyStatus::AccessAllowed)
            }
            ControlRequest::CommandAccessCheck(_) => Err(ReplyStatus::AccessDenied),
            ControlRequest::Smoothing
            | ControlRequest::SmoothTime
            | ControlRequest::SetTime
            | ControlRequest::Allow
            | ControlRequest::AllowAll
            | ControlRequest::Deny
            | ControlRequest::DenyAll
            | ControlRequest::Local2
            | ControlRequest::Local3 => Err(ReplyStatus::NotEnabled),
            _ => return None,
        })
    }
}

/// What the engine is to do.
///
/// # Errors
/// chronyd's answers to what is no order, or none that can be carried out.
pub fn order(request: &ControlRequest) -> Result<Order, ReplyStatus> {
    let change = |source: &Address, parameter| Order::Change { source: *source, parameter };
    Ok(match request {
        ControlRequest::Online(net) => Order::SetOnline { whom: whom(net), online: true },
        ControlRequest::Offline(net) => Order::SetOnline { whom: whom(net), online: false },
        ControlRequest::Burst(burst) => {
            let count = |wanted: i32| u32::try_from(wanted.max(1)).unwrap_or(1);
            Order::Burst { whom: whom(&burst.net), good: count(burst.good), most: count(burst.most) }
        }
        ControlRequest::MinPoll(source, poll) => change(source, Parameter::MinPoll(*poll)),
        ControlRequest::MaxPoll(source, poll) => change(source, Parameter::MaxPoll(*poll)),
        ControlRequest::MaxDelay(source, s) => change(source, Parameter::MaxDelay(*s)),
        ControlRequest::MaxDelayRatio(source, ratio) => change(source, Parameter::MaxDelayRatio(*ratio)),
        ControlRequest::MaxDelayDevRatio(source, ratio) => change(source, Parameter::MaxDelayDevRatio(*ratio)),
        ControlRequest::MinStratum(source, stratum) => change(source, Parameter::MinStratum(*stratum)),
        ControlRequest::PollTarget(source, samples) => change(source, Parameter::PollTarget(*samples)),
        ControlRequest::Offset(new) => change(&new.source, Parameter::Offset(new.offset_s)),
        ControlRequest::SelectOptions(new) => {
            change(&new.source, Parameter::Select { mask: new.mask, options: new.options })
        }
        ControlRequest::AddSource(typed) | ControlRequest::AddSource2(NewSource2(typed)) => {
            Order::Add(Box::new(adding::source(typed)?))
        }
        ControlRequest::DeleteSource(address) => Order::Delete(*address),
        ControlRequest::Refresh => Order::Refresh,
        ControlRequest::ResetSources => Order::ResetSources,
        ControlRequest::Reselect => Order::Reselect,
        ControlRequest::ReselectDistance(s) => Order::ReselectDistance(*s),
        ControlRequest::MakeStep => Order::MakeStep,
        ControlRequest::SetMakeStep(new) => {
            Order::SetMakeStep(MakeStep { threshold_s: new.threshold_s, limit: new.limit })
        }
        ControlRequest::MaxUpdateSkew(ppm) => Order::MaxUpdateSkew(*ppm),
        ControlRequest::AddFrequency(ppm) => Order::AddFrequency(*ppm),
        ControlRequest::AddOffset(s) => Order::AddOffset(*s),
        _ => return Err(ReplyStatus::Invalid),
    })
}

/// A mask of another family than the address means the address itself.
fn whom(net: &request::AddressMask) -> Whom {
    match (net.address, net.mask) {
        (Address::Unspecified, _) => Whom::All,
        (Address::Ip(address), Address::Ip(mask)) if address.is_ipv4() == mask.is_ipv4() => Whom::Net { address, mask },
        (address, _) => Whom::One(address),
    }
}

/// Does what `chronyc onoffline` does: each source with an address is asked if there is a way to it.
fn follow_routes(daemon: &mut dyn Daemon) {
    let addresses: Vec<_> = daemon.engine().sources().iter().filter_map(Source::address).collect();
    for address in addresses {
        let online = daemon.has_route(address);
        let whom = Whom::One(Address::Ip(address.ip()));
        if let Err(refused) = daemon.obey(Order::SetOnline { whom, online }, None) {
            debug!("{address} is not set online ({online}): {refused:?}");
        }
    }
}

fn status(refused: Refused) -> ReplyStatus {
    match refused {
        Refused::NoSuchSource => ReplyStatus::NoSuchSource,
        Refused::AlreadyKnown => ReplyStatus::AlreadyKnown,
        Refused::TooMany => ReplyStatus::TooManySources,
        Refused::Failed => ReplyStatus::Failed,
    }
}

/// What the log says of a setting that somebody has changed: nothing else would tell. Of sources the engine speaks.
fn words(order: &Order) -> Option<String> {
    // Numbers as chronyd prints them: whole ones, and others with six decimals.
    let (name, value) = match *order {
        Order::Change { source, parameter } => {
            let (name, value, decimals) = match parameter {
                Parameter::MinPoll(poll) | Parameter::MaxPoll(poll) if limits::poll(poll).is_none() => return None,
                Parameter::MinPoll(poll) => ("minpoll", f64::from(poll), 0),
                Parameter::MaxPoll(poll) => ("maxpoll", f64::from(poll), 0),
                Parameter::MinStratum(stratum) => ("minstratum", f64::from(stratum), 0),
                Parameter::PollTarget(samples) => ("polltarget", f64::from(samples), 0),
                Parameter::MaxDelay(s) => ("maxdelay", s, 6),
                Parameter::MaxDelayRatio(ratio) => ("maxdelayratio", ratio, 6),
                Parameter::MaxDelayDevRatio(ratio) => ("maxdelaydevratio", ratio, 6),
                Parameter::Offset(s) => ("offset", s, 6),
                Parameter::Select { .. } => return Some(format!("Source {} new selection options", shown(source))),
            };
            return Some(format!("Source {} new {name} {value:.decimals$}", shown(source)));
        }
        Order::SetMakeStep(MakeStep { threshold_s, limit }) => {
            return Some(format!("New makestep {threshold_s:.6} {limit}"));
        }
        Order::ResetSources => return Some("Reset all sources".to_owned()),
        Order::MaxUpdateSkew(ppm) => ("maxupdateskew", ppm),
        Order::ReselectDistance(s) => ("reselectdist", s),
        _ => return None,
    };
    Some(format!("New {name} {value:.6}"))
}

fn shown(source: Address) -> String {
    match source {
        Address::Unspecified => "?".to_owned(),
        Address::Ip(address) => address.to_string(),
        Address::Id(id) => format!("ID#{id:010}"),
        Address::Clock(id) => id.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::wire::cmdmon::request::{AddressMask, BurstRequest};

    #[test]
    fn a_mask_of_another_family_means_the_address_itself() {
        let (v4, v6): (IpAddr, IpAddr) = ("192.0.2.7".parse().unwrap(), "ffff::".parse().unwrap());
        let net = |address, mask| whom(&AddressMask { address, mask });
        assert_eq!(net(Address::Unspecified, Address::Unspecified), Whom::All);
        assert_eq!(net(Address::Ip(v4), Address::Ip(v6)), Whom::One(Address::Ip(v4)));
        assert_eq!(net(Address::Ip(v4), Address::Ip(v4)), Whom::Net { address: v4, mask: v4 });
        assert_eq!(net(Address::Id(6), Address::Unspecified), Whom::One(Address::Id(6)));
    }

    #[test]
    fn nobody_is_asked_less_than_once() {
        let burst = BurstRequest { good: -3, most: i32::MAX, ..BurstRequest::default() };
        let wanted = Order::Burst { whom: Whom::All, good: 1, most: i32::MAX as u32 };
        assert_eq!(order(&ControlRequest::Burst(burst)), Ok(wanted));
    }
}
