//! What the engine can be told: the directives and source options that change its behaviour, with chrony's defaults.
//!
//! `config` fills these from chrony.conf; tests and the simulator build them directly. Values here are already valid:
//! ranges are enforced where text is parsed.

use std::net::IpAddr;

use crate::core::api::limits::POLLS;
use crate::core::api::monitoring::SelectOptions;
use crate::core::api::record::Wanted;
use crate::core::api::source_id::ReferenceId;
use crate::core::api::temp_comp::TempComp;
use crate::time::Span;

/// How long to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Keep the clock right.
    Discipline,
    /// `-q`: set it once.
    SetOnce,
    /// `-Q`: say how wrong it is.
    MeasureOnce,
}

/// Everything that is not about one particular source.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `makestep`: when stepping is allowed. `None` if the directive is absent.
    pub makestep: Option<MakeStep>,
    /// A proven gap or a foreign change may be stepped when the updates of `makestep` are used up; `nogapstep` forbids it.
    pub gap_step: bool,
    /// `maxchange`: refuse large corrections. `None` if the directive is absent.
    pub max_change: Option<MaxChange>,
    /// `maxslewrate` in ppm: the fastest slew.
    pub max_slew_rate_ppm: f64,
    /// `maxdrift` in ppm: the largest frequency correction.
    pub max_drift_ppm: f64,
    /// `maxupdateskew` in ppm: estimates of the frequency that are less certain than this are not applied.
    pub max_update_skew_ppm: f64,
    /// `maxclockerror` in ppm: how fast the error of an uncorrected clock is assumed to grow.
    pub max_clock_error_ppm: f64,
    /// `maxdistance` in seconds: sources with a larger root distance are not selected.
    pub max_distance_s: f64,
    /// `maxjitter` in seconds: sources with a larger jitter are not selected.
    pub max_jitter_s: f64,
    /// `minsources`: selectable sources needed before the clock is touched.
    pub min_sources: usize,
    /// `minsamples`: floor on samples per source.
    pub min_samples: u32,
    /// `maxsamples`: cap on samples per source, 0 for no cap.
    pub max_samples: u32,
    /// `corrtimeratio`: time taken by a correction, relative to chrony's default of 3.
    pub corr_time_ratio: f64,
    /// `combinelimit`: 0 uses only the best source.
    pub combine_limit: f64,
    /// `reselectdist` in seconds: handicap of sources that are not selected.
    pub reselect_distance_s: f64,
    /// `stratumweight` in seconds per stratum.
    pub stratum_weight_s: f64,
    /// `minstratum`: sources below this stratum are not selected.
    pub min_stratum: u8,
    /// `maxstratum`: sources above this stratum are not selected.
    pub max_stratum: u8,
    /// `rtcsync`: clear STA_UNSYNC while synchronised, so that the kernel copies the time to the hardware clock.
    pub rtc_sync: bool,
    /// `leapsecmode`: who applies a leap second.
    pub leap_mode: LeapMode,
    /// `logchange` in seconds: larger corrections are logged as "System clock wrong by".
    pub log_change_s: f64,
    /// `hwtstimeout` in seconds: how long a reply waits for the network card to stamp its request.
    pub stamp_timeout_s: f64,
    /// `clockprecision` in seconds; measured if `None`.
    pub clock_precision_s: Option<f64>,
    /// `refresh` in seconds: how often names are looked up again, 0 for never.
    pub refresh_s: u32,
    /// `authselectmode`: what authentication means for selection.
    pub auth_select_mode: AuthSelectMode,
    /// `log`: what the engine notes for the log files.
    pub records: Wanted,
    /// `fallbackdrift`: range of averaging intervals, log2 of seconds. `None` if off.
    pub fallback_drift: Option<(u8, u8)>,
    /// `initstepslew`. `None` if the directive is absent.
    pub init_step_slew: Option<InitStepSlew>,
    /// `dumpdir`: samples are kept for the next run.
    pub keep_samples: bool,
    /// `tempcomp`. `None` if the directive is absent.
    pub temp_comp: Option<TempComp>,
}

/// `initstepslew SECONDS HOST...`.
#[derive(Clone, Debug, PartialEq)]
pub struct InitStepSlew {
    /// The first correction is a step if it is at least this many seconds.
    pub threshold_s: f64,
    /// Servers that are asked until then, beside the others.
    pub hosts: Vec<Host>,
}

/// `makestep THRESHOLD LIMIT`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MakeStep {
    /// Step when the correction is larger than this many seconds.
    pub threshold_s: f64,
    /// In the first this many updates; negative: always; 0: never.
    pub limit: i32,
}

/// `maxchange OFFSET START IGNORE`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxChange {
    /// Corrections larger than this many seconds are refused.
    pub offset_s: f64,
    /// The first updates that are not checked.
    pub start: i32,
    /// Refuse this many times, then exit; negative: refuse for ever.
    pub ignore: i32,
}

/// `leapsecmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LeapMode {
    /// The kernel inserts or deletes the second.
    #[default]
    System,
    /// slewd steps the clock.
    Step,
    /// slewd slews the clock after the event.
    Slew,
    /// The leap second shows up as an ordinary offset.
    Ignore,
}

/// `authselectmode`: what authentication means for selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AuthSelectMode {
    /// Sources without authentication are never selected.
    Require,
    /// Sources without authentication are never selected if there is at least one with it in the configuration.
    Prefer,
    /// If both kinds are configured, the ones with authentication get `trust` and `require`.
    #[default]
    Mix,
    /// Authentication makes no difference.
    Ignore,
}

/// Options of one `server` or `pool` line.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceOptions {
    /// `minpoll`, log2 of seconds, -7 to 24.
    pub min_poll: i8,
    /// `maxpoll`, log2 of seconds, never below `min_poll`.
    pub max_poll: i8,
    /// `iburst`: measure quickly at the start.
    pub iburst: bool,
    /// `burst`: a few requests at each poll, the best of which is used.
    pub burst: bool,
    /// `polltarget`: samples wanted in the estimate.
    pub poll_target: u32,
    /// `presend`, log2 of seconds: 100 is off.
    pub presend: i8,
    /// `maxdelay` in seconds: slower replies are refused.
    pub max_delay_s: f64,
    /// `maxdelayratio`: 0 is off.
    pub max_delay_ratio: f64,
    /// `maxdelaydevratio`: 0 is off, the default, for the estimator weighs each reply by its delay.
    pub max_delay_dev_ratio: f64,
    /// `maxdelayquant`: 0 is off.
    pub max_delay_quant: f64,
    /// `mindelay` in seconds: 0 is off.
    pub min_delay_s: f64,
    /// `asymmetry`: fixed jitter asymmetry, -0.5 to 0.5; `None` estimates it.
    pub asymmetry: Option<f64>,
    /// `offset` in seconds, added to every measured offset.
    pub offset_s: f64,
    /// `minsamples`, if it overrides the global directive.
    pub min_samples: Option<u32>,
    /// `maxsamples`, if it overrides the global directive.
    pub max_samples: Option<u32>,
    /// `maxunreach`: old replies count for so many polls after the last eight went unanswered.
    pub max_unreach: u32,
    /// `filter`: polls combined into one sample, 0 is off.
    pub filter: u32,
    /// `offline`: not asked until told.
    pub offline: bool,
    /// `auto_offline`: not asked again after a failure to send.
    pub auto_offline: bool,
    /// `prefer`.
    pub prefer: bool,
    /// `noselect`: measured, never used.
    pub no_select: bool,
    /// `trust`.
    pub trust: bool,
    /// `require`.
    pub require: bool,
    /// `xleave`: interleaved mode wanted.
    pub xleave: bool,
    /// `minstratum`: reported stratum is raised to at least this.
    pub min_stratum: u8,
    /// `version` of the requests, 1 to 4.
    pub version: u8,
    /// `version` was given: it is not chosen by what the key needs.
    pub typed_version: bool,
    /// `port` of the server.
    pub port: u16,
    /// `key` of the symmetric authentication.
    pub key: Option<u32>,
    /// `nts`: authenticated with Network Time Security.
    pub nts: bool,
    /// `ntsport`.
    pub nts_port: u16,
    /// `certset`.
    pub cert_set: u32,
    /// `maxsources` of a pool.
    pub max_sources: usize,
    /// `ipv4`, `ipv6`, or both.
    pub family: Family,
}

/// The address family that the name of a source is looked up in (`ipv4`, `ipv6`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Family {
    /// Either.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// One `server` or `pool` line.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// Address literal or host name as typed.
    pub host: Host,
    /// `pool` rather than `server`: the name stands for several sources.
    pub pool: bool,
    /// The options of the line.
    pub options: SourceOptions,
}

/// What the first word of a `server` line names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// An address literal: never looked up, never replaced.
    Address(IpAddr),
    /// A name for the resolver.
    Name(String),
    /// No host: a reference clock of this machine.
    Clock(ReferenceId),
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            makestep: None,
            gap_step: true,
            max_change: None,
            max_slew_rate_ppm: 83_333.333,
            max_drift_ppm: 500_000.0,
            max_update_skew_ppm: 1000.0,
            max_clock_error_ppm: 1.0,
            max_distance_s: 3.0,
            max_jitter_s: 1.0,
            min_sources: 1,
            min_samples: 6,
            max_samples: 0,
            corr_time_ratio: 3.0,
            combine_limit: 3.0,
            reselect_distance_s: 1e-4,
            stratum_weight_s: 1e-3,
            min_stratum: 0,
            max_stratum: 15,
            rtc_sync: false,
            leap_mode: LeapMode::System,
            log_change_s: 1.0,
            stamp_timeout_s: 0.001,
            clock_precision_s: None,
            refresh_s: 1_209_600,
            auth_select_mode: AuthSelectMode::Mix,
            records: Wanted::default(),
            fallback_drift: None,
            init_step_slew: None,
            keep_samples: false,
            temp_comp: None,
        }
    }
}

impl Default for SourceOptions {
    fn default() -> Self {
        SourceOptions {
            min_poll: 6,
            max_poll: 10,
            iburst: false,
            burst: false,
            poll_target: 8,
            presend: 100,
            max_delay_s: 3.0,
            max_delay_ratio: 0.0,
            max_delay_dev_ratio: 0.0,
            max_delay_quant: 0.0,
            min_delay_s: 0.0,
            asymmetry: None,
            offset_s: 0.0,
            min_samples: None,
            max_samples: None,
            max_unreach: 0,
            filter: 0,
            offline: false,
            auto_offline: false,
            prefer: false,
            no_select: false,
            trust: false,
            require: false,
            xleave: false,
            min_stratum: 0,
            version: 4,
            typed_version: false,
            port: 123,
            key: None,
            nts: false,
            nts_port: 4460,
            cert_set: 0,
            max_sources: 4,
            family: Family::Any,
        }
    }
}

impl Family {
    /// Is the address of this family?
    pub fn includes(self, address: &IpAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }
}

impl SourceOptions {
    /// The shortest interval between polls.
    pub fn min_interval(&self) -> Span {
        poll_interval(self.min_poll)
    }

    /// `noselect`, `prefer`, `trust` and `require`.
    pub fn selection(&self) -> SelectOptions {
        let bit = |is_set: bool, bit: u16| if is_set { bit } else { 0 };
        SelectOptions(
            bit(self.no_select, SelectOptions::NO_SELECT)
                | bit(self.prefer, SelectOptions::PREFER)
                | bit(self.trust, SelectOptions::TRUST)
                | bit(self.require, SelectOptions::REQUIRE),
        )
    }

    /// Sets these four.
    pub fn set_selection(&mut self, to: SelectOptions) {
        self.no_select = to.contains(SelectOptions::NO_SELECT);
        self.prefer = to.contains(SelectOptions::PREFER);
        self.trust = to.contains(SelectOptions::TRUST);
        self.require = to.contains(SelectOptions::REQUIRE);
    }

    /// The longest interval between polls.
    pub fn max_interval(&self) -> Span {
        poll_interval(self.max_poll)
    }
}

/// 2^poll seconds.
pub fn poll_interval(poll: i8) -> Span {
    Span::from_secs_f64(libm::exp2(f64::from(poll.clamp(*POLLS.start(), *POLLS.end()))))
}

impl From<&str> for Host {
    fn from(word: &str) -> Self {
        word.parse().map_or_else(|_| Host::Name(word.to_owned()), Host::Address)
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Host::Address(address) => address.fmt(f),
            Host::Name(name) => f.write_str(name),
            Host::Clock(id) => id.fmt(f),
        }
    }
}
