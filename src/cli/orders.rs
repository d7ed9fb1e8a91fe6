//! Orders to the daemon: what it says is printed as chronyc prints it.

use std::net::IpAddr;
use std::process::ExitCode;

use crate::cli::client::{Client, Failure};
use crate::cli::show::tell;
use crate::cli::words::{Arguments, address};
use crate::cli::{advise, say};
use crate::core::api::monitoring::{Address, Hindrance, Status};
use crate::wire::cmdmon::reply::{Body, ReplyStatus};
use crate::wire::cmdmon::request::{AddressMask, BurstRequest, ControlRequest};

/// Sends the order. Status 0 if it was carried out.
pub(super) fn run(words: &Arguments) -> Result<ExitCode, String> {
    let request = request(words)?;
    let mut client = Client::new(words)?;
    let result = match client.request(&request) {
        Ok(Body::Null) => Ok(()),
        Ok(_) => Err(Failure::BadReply),
        Err(failure) => Err(failure),
    };
    Ok(match result {
        Ok(()) => {
            say("200 OK\n");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            tell(failure, false);
            if let Failure::Refused(refusal) = failure
                && let Some(text) = advice(&request, refusal, client.status().ok().flatten().as_ref())
            {
                advise(text);
            }
            ExitCode::FAILURE
        }
    })
}

/// Why the daemon says no and what to do, in words that chronyc has not got. `status`: of a daemon that is slewd.
fn advice(order: &ControlRequest, refusal: ReplyStatus, status: Option<&Status>) -> Option<&'static str> {
    Some(match (refusal, status) {
        (ReplyStatus::Unauthorised, _) => {
            "Only root may give orders, through the daemon's socket: use sudo, and not -h HOST."
        }
        (ReplyStatus::NoSuchSource, _) => "No source has such an address: slewd sources -a lists them all.",
        (ReplyStatus::Invalid, None) => "This daemon does not know the order: it may be older than the order is.",
        (ReplyStatus::Failed, _) if *order != ControlRequest::MakeStep => return None,
        (ReplyStatus::Failed, None) => {
            "The daemon does not say why. It may not know the time yet (slewd tracking shows\n\
             whether it does), or may have been started with -x, not to touch the clock."
        }
        (ReplyStatus::Failed, Some(status)) if status.hindrance == Hindrance::ClockRefused => {
            "The kernel does not let the daemon set the clock: in a container it must not,\n\
             and the host sets it. The daemon's log has the reason: journalctl -u slewd"
        }
        (ReplyStatus::Failed, Some(Status { controls_clock: false, .. })) => {
            "The daemon was started with -x and does not touch the clock.\n\
             To let it set the clock, start it without -x."
        }
        (ReplyStatus::Failed, Some(_)) => {
            "The daemon has nothing to step the clock to, for it does not know the time:\n\
             slewd status shows what it waits for."
        }
        _ => return None,
    })
}

fn request(words: &Arguments) -> Result<ControlRequest, String> {
    let place = |index: usize| words.free.get(index).map(String::as_str);
    Ok(match words.name() {
        "makestep" => ControlRequest::MakeStep,
        "refresh" => ControlRequest::Refresh,
        "online" => ControlRequest::Online(net(place(0))?),
        "offline" => ControlRequest::Offline(net(place(0))?),
        "burst" => {
            let counts = place(0).and_then(|text| text.split_once('/'));
            let number = |text: &str| text.parse().ok().filter(|count| (1..=100).contains(count));
            let (good, most) = counts
                .and_then(|(good, most)| Some((number(good)?, number(most)?)))
                .ok_or("say how many: GOOD/MAX, such as 4/8")?;
            ControlRequest::Burst(BurstRequest { net: net(place(1))?, good, most })
        }
        _ => match place(0) {
            None | Some("sources") => ControlRequest::ReloadSources,
            Some(other) => return Err(format!("cannot reload '{other}', only sources")),
        },
    })
}

/// Sources by ADDRESS, ADDRESS/BITS or MASK/ADDRESS; all without any.
fn net(text: Option<&str>) -> Result<AddressMask, String> {
    let Some(text) = text else { return Ok(AddressMask::default()) };
    let wrong = || format!("'{text}' is not ADDRESS, ADDRESS/BITS or MASK/ADDRESS");
    let ip = |text: &str| text.parse::<IpAddr>().map_err(|_| wrong());
    let Some((before, after)) = text.split_once('/') else {
        let address = address(text)?;
        let mask = match address {
            Address::Ip(ip) => Address::Ip(mask(ip, u32::MAX).ok_or_else(wrong)?),
            other => other,
        };
        // A mask of another family means exactly this address.
        return Ok(AddressMask {
            mask: if matches!(mask, Address::Ip(_)) { mask } else { Address::Unspecified },
            address,
        });
    };
    let before = ip(before)?;
    if let Ok(bits) = after.parse::<u32>() {
        let mask = mask(before, bits).ok_or_else(wrong)?;
        return Ok(AddressMask { mask: Address::Ip(mask), address: Address::Ip(before) });
    }
    let after = ip(after)?;
    if before.is_ipv4() != after.is_ipv4() {
        return Err(wrong());
    }
    Ok(AddressMask { mask: Address::Ip(before), address: Address::Ip(after) })
}

/// So many ones, for an address of this family; `u32::MAX` is all.
fn mask(like: IpAddr, bits: u32) -> Option<IpAddr> {
    let width = if like.is_ipv4() { 32 } else { 128 };
    let bits = if bits == u32::MAX { width } else { bits };
    // A shift by the whole width is no shift.
    let ones = |bits: u32| u128::MAX.checked_shl(128 - bits).unwrap_or(0);
    match like {
        _ if bits > width => None,
        IpAddr::V4(_) => Some(((ones(bits) >> 96) as u32).to_be_bytes().into()),
        IpAddr::V6(_) => Some(ones(bits).to_be_bytes().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Address {
        Address::Ip(text.parse().expect("an address"))
    }

    /// Masks as chronyc 4.8 sends them (vectors V17 and V18 of the protocol's description).
    #[test]
    fn nets_are_masks_and_addresses() {
        for (text, mask, address) in [
            ("127.0.0.0/8", "255.0.0.0", "127.0.0.0"),
            ("255.0.0.0/127.0.0.0", "255.0.0.0", "127.0.0.0"),
            ("fd00::/16", "ffff::", "fd00::"),
            ("127.0.0.1", "255.255.255.255", "127.0.0.1"),
            ("10.0.0.0/0", "0.0.0.0", "10.0.0.0"),
            ("::1/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1"),
        ] {
            assert_eq!(net(Some(text)), Ok(AddressMask { mask: ip(mask), address: ip(address) }), "{text}");
        }
        assert_eq!(net(None), Ok(AddressMask::default()));
        let unresolved = AddressMask { mask: Address::Unspecified, address: Address::Id(6) };
        assert_eq!(net(Some("ID#0000000006")), Ok(unresolved));
        for wrong in ["10.0.0.0/33", "::/129", "255.0.0.0/::1", "x/8", "/", "10.0.0.0/"] {
            assert!(net(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
