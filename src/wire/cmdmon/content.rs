//! What comes with requests.

use super::field::{Cursor, NAME_LEN, WireField, layout};
use super::reply::ReplyStatus;
use crate::core::api::monitoring::{Address, SelectOptions};

/// `maxntsretry` of a source without the option: log2 of seconds.
const NTS_RETRY: u32 = 19;

/// Sources whose address agrees with this one in the bits of the mask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AddressMask {
    /// The bits that count; a mask of another family than the address means exactly the address.
    pub mask: Address,
    /// The address; unspecified for all sources.
    pub address: Address,
}

/// Addresses that agree in the first bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prefix {
    /// The address; unspecified for all addresses of both families.
    pub address: Address,
    /// Length of the prefix.
    pub bits: i32,
}

/// Quick requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BurstRequest {
    /// The sources that are asked.
    pub net: AddressMask,
    /// Good answers wanted.
    pub good: i32,
    /// Requests at most.
    pub most: i32,
}

/// `makestep THRESHOLD LIMIT`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct MakeStepRequest {
    /// Number of updates that may step: negative is no limit.
    pub limit: i32,
    /// Least step in seconds.
    pub threshold_s: f64,
}

/// Other options for a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SelectChange {
    /// The source that is meant.
    pub source: Address,
    /// The options that change.
    pub mask: SelectOptions,
    /// What these options become.
    pub options: SelectOptions,
}

/// Another correction for a source.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct OffsetChange {
    /// The source that is meant.
    pub source: Address,
    /// The correction in seconds.
    pub offset_s: f64,
}

/// The directive of a source in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SourceKind {
    /// `server`.
    #[default]
    Server,
    /// `peer`.
    Peer,
    /// `pool`.
    Pool,
}

/// A source to be added. Every option has a value: chronyc sends its defaults.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct NewSource {
    /// The directive: `server`, `peer` or `pool`.
    pub kind: SourceKind,
    /// Name or address.
    pub name: String,
    /// UDP port.
    pub port: u32,
    /// log2 of seconds.
    pub min_poll: i32,
    /// log2 of seconds.
    pub max_poll: i32,
    /// log2 of seconds.
    pub presend: i32,
    /// `minstratum`.
    pub min_stratum: u32,
    /// `polltarget`.
    pub poll_target: u32,
    /// NTP version; 0 is the daemon's choice.
    pub version: u32,
    /// `maxsources` of a pool.
    pub max_sources: u32,
    /// `minsamples`; -1 is the global one.
    pub min_samples: i32,
    /// `maxsamples`; -1 is the global one.
    pub max_samples: i32,
    /// Number of the key; 0 is none.
    pub key: u32,
    /// TCP port of NTS.
    pub nts_port: u32,
    /// Seconds.
    pub max_delay_s: f64,
    /// `maxdelayratio`.
    pub max_delay_ratio: f64,
    /// `maxdelaydevratio`.
    pub max_delay_dev_ratio: f64,
    /// Seconds.
    pub min_delay_s: f64,
    /// `asymmetry`.
    pub asymmetry: f64,
    /// Seconds.
    pub offset_s: f64,
    /// Options without a value.
    pub flags: SourceFlags,
    /// `filter`, in samples; 0 is none.
    pub filter: i32,
    /// Number of a set of certificates.
    pub certificates: u32,
    /// `maxdelayquant`.
    pub max_delay_quant: f64,
    /// `maxunreach`; chronyc 4.3 sends 0 and means the default.
    pub max_unreach: i32,
}

/// A new source in the layout of chrony 4.9.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct NewSource2(pub NewSource);

/// Options without a value as a set of bits, numbered as before chrony 4.9.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SourceFlags(pub u32);

impl SourceFlags {
    /// Not `offline`.
    pub const ONLINE: u32 = 0x1;
    /// `auto_offline`.
    pub const AUTO_OFFLINE: u32 = 0x2;
    /// `iburst`.
    pub const IBURST: u32 = 0x4;
    /// `prefer`.
    pub const PREFER: u32 = 0x8;
    /// `noselect`.
    pub const NO_SELECT: u32 = 0x10;
    /// `trust`.
    pub const TRUST: u32 = 0x20;
    /// `require`.
    pub const REQUIRE: u32 = 0x40;
    /// `xleave`.
    pub const INTERLEAVED: u32 = 0x80;
    /// `burst`.
    pub const BURST: u32 = 0x100;
    /// `nts`.
    pub const NTS: u32 = 0x200;
    /// `extfield F323`.
    const MONOTONIC_ROOT: u32 = 0x800;
    /// `extfield F324`.
    const NETWORK_CORRECTION: u32 = 0x1000;
    /// `ipv4`.
    pub const IPV4: u32 = 0x2000;
    /// `ipv6`.
    pub const IPV6: u32 = 0x4000;

    /// The two numberings of the same four options.
    const SELECT: [(u32, u16); 4] = [
        (SourceFlags::NO_SELECT, SelectOptions::NO_SELECT),
        (SourceFlags::PREFER, SelectOptions::PREFER),
        (SourceFlags::TRUST, SelectOptions::TRUST),
        (SourceFlags::REQUIRE, SelectOptions::REQUIRE),
    ];

    /// Options with another number since chrony 4.9.
    const MOVED: [(u32, u32); 4] = [
        (SourceFlags::IPV4, 0x800),
        (SourceFlags::IPV6, 0x1000),
        (SourceFlags::NETWORK_CORRECTION, 0x1_0000),
        (SourceFlags::MONOTONIC_ROOT, 0x8000_0000),
    ];
    /// Options with the same number as before chrony 4.9.
    const KEPT: u32 = 0x7ff;

    /// The options about selection.
    pub fn select_options(self) -> SelectOptions {
        let given = SourceFlags::SELECT.iter().filter(|(flag, _)| self.0 & flag != 0);
        SelectOptions(given.fold(0, |set, (_, option)| set | option))
    }

    pub(super) fn of_select_options(options: SelectOptions) -> SourceFlags {
        let given = SourceFlags::SELECT.iter().filter(|(_, option)| options.0 & option != 0);
        SourceFlags(given.fold(0, |set, (flag, _)| set | flag))
    }
}

layout!(AddressMask: mask, address);
layout!(Prefix: address, bits);
layout!(BurstRequest: net, good, most);
layout!(MakeStepRequest: limit, threshold_s);

impl WireField for SelectChange {
    fn pass(&mut self, cursor: &mut Cursor<'_>) {
        cursor.referent(&mut self.source);
        let mut mask = u32::from(self.mask.0);
        mask.pass(cursor);
        self.mask = SelectOptions(mask as u16);
        let mut flags = SourceFlags::of_select_options(self.options);
        flags.0.pass(cursor);
        self.options = flags.select_options();
    }
}

layout!(OffsetChange: source(referent), offset_s);

impl WireField for SourceKind {
    fn pass(&mut self, cursor: &mut Cursor<'_>) {
        let mut code = match self {
            SourceKind::Server => 1u32,
            SourceKind::Peer => 2,
            SourceKind::Pool => 3,
        };
        code.pass(cursor);
        match code {
            1 => *self = SourceKind::Server,
            2 => *self = SourceKind::Peer,
            3 => *self = SourceKind::Pool,
            _ => cursor.fault = Some(ReplyStatus::Invalid),
        }
    }
}

impl NewSource {
    /// The fields that both layouts begin with.
    fn pass_head(&mut self, cursor: &mut Cursor<'_>) {
        self.kind.pass(cursor);
        cursor.text::<NAME_LEN>(&mut self.name, ReplyStatus::InvalidName);
        self.port.pass(cursor);
        self.min_poll.pass(cursor);
        self.max_poll.pass(cursor);
        self.presend.pass(cursor);
        self.min_stratum.pass(cursor);
        self.poll_target.pass(cursor);
        self.version.pass(cursor);
        self.max_sources.pass(cursor);
        self.min_samples.pass(cursor);
        self.max_samples.pass(cursor);
    }
}

impl WireField for NewSource {
    fn pass(&mut self, cursor: &mut Cursor<'_>) {
        self.pass_head(cursor);
        self.key.pass(cursor);
        self.nts_port.pass(cursor);
        self.max_delay_s.pass(cursor);
        self.max_delay_ratio.pass(cursor);
        self.max_delay_dev_ratio.pass(cursor);
        self.min_delay_s.pass(cursor);
        self.asymmetry.pass(cursor);
        self.offset_s.pass(cursor);
        self.flags.0.pass(cursor);
        self.filter.pass(cursor);
        self.certificates.pass(cursor);
        self.max_delay_quant.pass(cursor);
        self.max_unreach.pass(cursor);
    }
}

impl WireField for NewSource2 {
    fn pass(&mut self, cursor: &mut Cursor<'_>) {
        let NewSource2(source) = self;
        source.pass_head(cursor);
        source.max_unreach.pass(cursor);
        source.filter.pass(cursor);
        source.key.pass(cursor);
        source.nts_port.pass(cursor);
        source.certificates.pass(cursor);
        // A request without NTS has no use for it.
        cursor.put(NTS_RETRY);
        source.max_delay_s.pass(cursor);
        source.max_delay_ratio.pass(cursor);
        source.max_delay_dev_ratio.pass(cursor);
        source.max_delay_quant.pass(cursor);
        source.min_delay_s.pass(cursor);
        source.asymmetry.pass(cursor);
        source.offset_s.pass(cursor);
        let mut flags = renumbered(source.flags.0, SourceFlags::MOVED);
        flags.pass(cursor);
        source.flags = SourceFlags(renumbered(flags, SourceFlags::MOVED.map(|(old, new)| (new, old))));
        // Reserved.
        cursor.skip::<32>(0);
    }
}

fn renumbered(flags: u32, pairs: [(u32, u32); 4]) -> u32 {
    let moved = pairs.iter().filter(|(from, _)| flags & from != 0);
    moved.fold(flags & SourceFlags::KEPT, |set, (_, to)| set | to)
}
