//! `chronyc add`: a source as it would be on a line of the configuration. The engine applies the ranges of the options.

use log::warn;

use crate::config::not_asked;
use crate::core::api::settings::{Family, Host, SourceConfig, SourceOptions};
use crate::wire::cmdmon::reply::ReplyStatus;
use crate::wire::cmdmon::request::{NewSource, SourceFlags, SourceKind};

/// What chronyc sends of these two when nothing was typed. Our defaults are others.
const DEV_RATIO_DEFAULT: f64 = 10.0;
const UNREACH_DEFAULT: i32 = 100_000;

/// The line that was typed.
///
/// # Errors
/// chronyd's answers to what cannot be one.
pub(super) fn source(typed: &NewSource) -> Result<SourceConfig, ReplyStatus> {
    let is_name = !typed.name.is_empty() && typed.name.chars().all(|c| c.is_ascii_graphic());
    if !is_name {
        return Err(ReplyStatus::InvalidName);
    }
    let pool = match typed.kind {
        SourceKind::Server => false,
        SourceKind::Pool => true,
        // A partner would be left waiting for our requests.
        SourceKind::Peer => return Err(ReplyStatus::NotEnabled),
    };
    let host = Host::from(typed.name.as_str());
    let options = options(typed)?;
    if let Host::Address(address) = &host
        && !options.family.includes(address)
    {
        return Err(ReplyStatus::InvalidFamily);
    }
    if let Some(why) = not_asked(&options) {
        warn!("Source {host} {why}");
    }
    Ok(SourceConfig { host, pool, options })
}

fn options(typed: &NewSource) -> Result<SourceOptions, ReplyStatus> {
    let has = |flag| typed.flags.0 & flag != 0;
    let port = |port: u32| u16::try_from(port).map_err(|_| ReplyStatus::Invalid);
    let samples = |samples: i32| u32::try_from(samples).ok();
    let exponent = |exponent: i32| exponent.clamp(i8::MIN.into(), i8::MAX.into()) as i8;
    Ok(SourceOptions {
        min_poll: exponent(typed.min_poll),
        max_poll: exponent(typed.max_poll),
        iburst: has(SourceFlags::IBURST),
        burst: has(SourceFlags::BURST),
        poll_target: typed.poll_target,
        presend: exponent(typed.presend),
        max_delay_s: typed.max_delay_s,
        max_delay_ratio: typed.max_delay_ratio,
        max_delay_dev_ratio: match typed.max_delay_dev_ratio {
            DEV_RATIO_DEFAULT => SourceOptions::default().max_delay_dev_ratio,
            ratio => ratio,
        },
        max_delay_quant: typed.max_delay_quant,
        min_delay_s: typed.min_delay_s,
        asymmetry: Some(typed.asymmetry),
        offset_s: typed.offset_s,
        min_samples: samples(typed.min_samples),
        max_samples: samples(typed.max_samples),
        max_unreach: match typed.max_unreach {
            UNREACH_DEFAULT => SourceOptions::default().max_unreach,
            polls => u32::try_from(polls).unwrap_or(0),
        },
        filter: u32::try_from(typed.filter).unwrap_or(0),
        offline: !has(SourceFlags::ONLINE),
        auto_offline: has(SourceFlags::AUTO_OFFLINE),
        prefer: has(SourceFlags::PREFER),
        no_select: has(SourceFlags::NO_SELECT),
        trust: has(SourceFlags::TRUST),
        require: has(SourceFlags::REQUIRE),
        xleave: has(SourceFlags::INTERLEAVED),
        min_stratum: u8::try_from(typed.min_stratum).unwrap_or(u8::MAX),
        typed_version: typed.version != 0,
        version: match typed.version {
            0 => SourceOptions::default().version,
            version @ 1..=4 => version as u8,
            _ => return Err(ReplyStatus::Invalid),
        },
        port: port(typed.port)?,
        key: Some(typed.key).filter(|key| *key != 0),
        nts: has(SourceFlags::NTS),
        nts_port: port(typed.nts_port)?,
        cert_set: typed.certificates,
        max_sources: typed.max_sources as usize,
        family: match (has(SourceFlags::IPV4), has(SourceFlags::IPV6)) {
            (true, false) => Family::V4,
            (false, true) => Family::V6,
            _ => Family::Any,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What chronyc 4.8 sends for `add server 192.0.2.1`.
    fn plain() -> NewSource {
        NewSource {
            name: "192.0.2.1".to_owned(),
            port: 123,
            min_poll: 6,
            max_poll: 10,
            presend: 100,
            poll_target: 8,
            max_sources: 4,
            min_samples: -1,
            max_samples: -1,
            nts_port: 4460,
            max_delay_s: 3.0,
            max_delay_dev_ratio: 10.0,
            asymmetry: 1.0,
            flags: SourceFlags(SourceFlags::ONLINE),
            max_unreach: 100_000,
            ..NewSource::default()
        }
    }

    #[test]
    fn without_options_it_is_a_line_without_options() {
        // chronyc 4.3 has no maxunreach.
        for typed in [plain(), NewSource { max_unreach: 0, ..plain() }] {
            let line = source(&typed).expect("a source");
            assert_eq!((line.host, line.pool), (Host::from("192.0.2.1"), false));
            assert_eq!(line.options.within_limits(), Some(SourceOptions::default()));
        }
    }

    #[test]
    fn options_have_the_ranges_of_the_configuration() {
        let typed = NewSource {
            min_poll: 7,
            max_poll: 5,
            max_delay_s: 5000.0,
            filter: 1000,
            min_samples: 5,
            max_samples: 100,
            max_unreach: 9,
            flags: SourceFlags(SourceFlags::IBURST | SourceFlags::REQUIRE),
            ..plain()
        };
        let options = source(&typed).expect("a source").options.within_limits().expect("numbers");
        assert_eq!((options.min_poll, options.max_poll), (7, 7));
        assert_eq!((options.max_delay_s, options.filter, options.max_unreach), (1000.0, 256, 9));
        assert_eq!((options.min_samples, options.max_samples), (Some(5), Some(64)));
        assert!(options.iburst && options.require && options.offline && !options.prefer);
    }

    #[test]
    fn what_cannot_be_a_source_is_refused_as_chronyd_does() {
        let refused = |typed| source(&typed).expect_err("refused");
        assert_eq!(refused(NewSource { name: String::new(), ..plain() }), ReplyStatus::InvalidName);
        assert_eq!(refused(NewSource { name: "a b".to_owned(), ..plain() }), ReplyStatus::InvalidName);
        assert_eq!(refused(NewSource { name: "z\u{fc}ri".to_owned(), ..plain() }), ReplyStatus::InvalidName);
        let v6 = SourceFlags(SourceFlags::ONLINE | SourceFlags::IPV6);
        assert_eq!(refused(NewSource { flags: v6, ..plain() }), ReplyStatus::InvalidFamily);
        assert_eq!(refused(NewSource { kind: SourceKind::Peer, ..plain() }), ReplyStatus::NotEnabled);
        assert_eq!(refused(NewSource { port: 65_536, ..plain() }), ReplyStatus::Invalid);
        assert_eq!(refused(NewSource { version: 5, ..plain() }), ReplyStatus::Invalid);
    }
}
