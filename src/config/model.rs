//! What a configuration says, once it has been understood.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::announce::Notifications;
use super::error::{Error, Warning};
use crate::core::api::network_card::CardConfig;
use crate::core::api::reference_clock::ClockConfig;
use crate::core::api::settings::{Settings, SourceConfig};
use crate::time::Span;
use crate::wire::cmdmon;

/// A whole configuration.
///
/// Values are in range. Things that this client does not do are stored all the same where somebody else may want to know.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Config {
    /// What the engine is told.
    pub settings: Settings,
    /// `server` and `pool` lines in order.
    pub sources: Vec<SourceConfig>,
    /// `refclock` lines in order.
    pub clocks: Vec<ClockConfig>,
    /// How many `refclock` lines there were, whatever became of them.
    pub refclock_lines: usize,
    /// The first `refclock` line that keeps the daemon from starting: see [`Config::conflict`].
    pub refclock_error: Option<Error>,
    /// `sourcedir` lines in order, each with its directories. See [`read_source_dirs`](super::read_source_dirs).
    pub source_dirs: Vec<Vec<String>>,
    /// How the process runs.
    pub process: Process,
    /// The sockets that requests leave from.
    pub network: Network,
    /// Files that are read and written.
    pub files: FilePaths,
    /// Log files.
    pub logs: Logs,
    /// Network Time Security.
    pub nts: Nts,
    /// Monitoring and control.
    pub commands: Commands,
    /// Whom to tell of the state of the clock.
    pub announcements: Notifications,
    /// The hardware clock.
    pub rtc: Rtc,
    /// `ptpport`: 0 if NTP over PTP is off, which it always is here.
    pub ptp_port: u16,
    /// `clientonly`, or the flag: directives that serve others are ignored instead of refused.
    pub client_only: bool,
    /// What was accepted but is not what its author may expect, in the order of the file.
    pub warnings: Vec<Warning>,
    /// What `-p` prints: each directive as typed with single spaces, in processing order, `include` and `confdir`
    /// replaced by what they pulled in.
    pub printed: Vec<String>,
}

/// Why a configuration was not accepted, and how far it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigFailure {
    /// The first error.
    pub error: Error,
    /// Warnings about the lines before the error.
    pub warnings: Vec<Warning>,
    /// What `-p` prints before the error; the offending line is the last one.
    pub printed: Vec<String>,
}

/// How the process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// `user`: the account after dropping root; the caller's default if `None`.
    pub user: Option<String>,
    /// `pidfile`; `None` if the directive is `/`.
    pub pid_file: Option<String>,
    /// `lock_all`: keep all memory resident.
    pub lock_all: bool,
    /// `sched_priority` of SCHED_FIFO, 1 to 100; 0 for ordinary scheduling.
    pub sched_priority: u8,
}

/// The sockets that requests leave from.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Network {
    /// `acquisitionport`: `None` for a new random port per request, 0 for one random port, else that port.
    pub acquisition_port: Option<u16>,
    /// `bindacqaddress` of IPv4.
    pub bind_acq_v4: Option<Ipv4Addr>,
    /// `bindacqaddress` of IPv6.
    pub bind_acq_v6: Option<Ipv6Addr>,
    /// `bindacqdevice`: the interface to bind to.
    pub bind_acq_device: Option<String>,
    /// `dscp` of requests, 0 to 63.
    pub dscp: u8,
    /// `hwtimestamp` lines in order.
    pub cards: Vec<CardConfig>,
}

/// Files that are read and written.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FilePaths {
    /// `driftfile`.
    pub drift: Option<DriftFileDirective>,
    /// `dumpdir`: where sample history is saved.
    pub dump_dir: Option<String>,
    /// `keyfile`: symmetric keys.
    pub keys: Option<String>,
    /// `leapsectz`: a time zone that knows leap seconds, for example `right/UTC`.
    pub leap_sec_tz: Option<String>,
    /// `leapseclist`: a file in the format of IERS and NIST; preferred over the time zone.
    pub leap_sec_list: Option<String>,
    /// `tempcomp`: the sensor.
    pub thermometer: Option<TempCompDirective>,
}

/// `tempcomp FILE INTERVAL ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TempCompDirective {
    /// A file with a number.
    pub sensor: String,
    /// Time between two readings of the sensor.
    pub interval: Span,
    /// The file with points; `None` if the directive has coefficients instead.
    pub points: Option<String>,
}

/// `driftfile FILE [interval SECONDS]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftFileDirective {
    /// Path of the file.
    pub path: String,
    /// Shortest time between two writes in seconds, 3600 by default.
    pub interval_s: u32,
}

/// Log files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// `logdir`.
    pub dir: Option<String>,
    /// `logbanner`: the heading is repeated after this many lines; 0 for never.
    pub banner: u32,
    /// `log measurements`: replies that passed the tests. Implied by `raw_measurements`.
    pub measurements: bool,
    /// `log rawmeasurements`: all replies.
    pub raw_measurements: bool,
    /// `log statistics`.
    pub statistics: bool,
    /// `log tracking`.
    pub tracking: bool,
    /// `log selection`.
    pub selection: bool,
    /// `log rtc`.
    pub rtc: bool,
    /// `log refclocks`.
    pub refclocks: bool,
    /// `log tempcomp`.
    pub tempcomp: bool,
}

/// Network Time Security, client side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nts {
    /// `ntsdumpdir` or `ntscachedir`: where keys and cookies are kept.
    pub dump_dir: Option<String>,
    /// `ntsrefresh`: the oldest keys may get, in seconds.
    pub refresh_s: u32,
    /// `ntstrustedcerts`: files or directories of certificates, with the number of the set they belong to.
    pub trusted_certs: Vec<(u32, String)>,
    /// Set 0 includes the certificates of the system; unset by `nosystemcert`.
    pub system_certs: bool,
    /// `nocerttimecheck`: validity times are not checked before this many updates of the clock.
    pub no_cert_time_check: u32,
    /// `certtimecheck strict`: no certificate is accepted provisionally.
    pub strict_cert_time: bool,
    /// `ntsaeads`: numbers of the algorithms offered, most wanted first.
    pub aeads: Vec<u16>,
}

/// Monitoring and control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commands {
    /// `cmdport`; 0 opens no UDP socket.
    pub port: u16,
    /// `bindcmdaddress` of IPv4.
    pub bind_v4: Ipv4Addr,
    /// `bindcmdaddress` of IPv6.
    pub bind_v6: Ipv6Addr,
    /// `bindcmdaddress /PATH`: the Unix socket; `None` if the directive is `/`.
    pub socket: Option<String>,
    /// `bindcmddevice`: the interface to bind to.
    pub device: Option<String>,
    /// `cmdallow` and `cmddeny` lines in order. Loopback is allowed whatever they say.
    pub access: Vec<AccessRule>,
    /// `opencommands` in lower case.
    pub open_commands: Vec<String>,
    /// `cmdratelimit`: how often somebody who is not on this machine is answered; `None` for no limit.
    pub rate_limit: Option<RateLimit>,
}

/// How often one address is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Average time between answers, log2 of seconds: -12 to 12.
    pub interval: i8,
    /// Answers in a row that may come faster: 1 to 255.
    pub burst: u8,
    /// Beyond that one request in 2 to this power is answered at random: 1 to 4.
    pub leak: u8,
}

/// One `cmdallow` or `cmddeny` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// `cmdallow` rather than `cmddeny`.
    pub allow: bool,
    /// `all`: overrides the rules for smaller subnets within this one.
    pub all: bool,
    /// Whom the rule is about.
    pub subnet: Subnet,
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subnet {
    /// Everybody.
    Any,
    /// Addresses that agree in the first `bits` bits.
    Net {
        /// The bits after the prefix are zero.
        address: IpAddr,
        /// Length of the prefix: at most 32 or 128.
        bits: u8,
    },
    /// The addresses of a host, which the caller has to look up.
    Name(String),
}

/// The hardware clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtc {
    /// `rtcdevice`.
    pub device: String,
    /// `rtcfile`: cannot be used with `rtcsync`.
    pub file: Option<String>,
    /// `rtconutc`.
    pub on_utc: bool,
    /// `hwclockfile`: says whether the hardware clock is on UTC, and overrides `rtconutc`.
    pub hwclock_file: Option<String>,
}

impl Config {
    /// Directives that are each right but not together. chronyd finds this at start, not with `-p`.
    pub fn conflict(&self) -> Option<Error> {
        if self.refclock_error.is_some() {
            return self.refclock_error.clone();
        }
        let has_leap_data = self.files.leap_sec_list.is_some() || self.files.leap_sec_tz.is_some();
        if self.clocks.iter().any(|clock| clock.tai) && !has_leap_data {
            return Some(Error {
                message: "refclock tai option requires leapseclist or leapsectz".to_string(),
                remedy: "for example: leapseclist /usr/share/zoneinfo/leap-seconds.list".to_string(),
                place: None,
            });
        }
        (self.settings.rtc_sync && self.rtc.file.is_some()).then(|| Error {
            message: "rtcfile directive cannot be used with rtcsync".to_string(),
            remedy: "remove the rtcfile directive: it is not used by this client".to_string(),
            place: None,
        })
    }
}

impl Default for Process {
    fn default() -> Self {
        let pid_file = Some("/run/chrony/chronyd.pid".to_string());
        Process { user: None, pid_file, lock_all: false, sched_priority: 0 }
    }
}

impl Default for Logs {
    fn default() -> Self {
        Logs {
            dir: None,
            banner: 32,
            measurements: false,
            raw_measurements: false,
            statistics: false,
            tracking: false,
            selection: false,
            rtc: false,
            refclocks: false,
            tempcomp: false,
        }
    }
}

impl Default for Nts {
    fn default() -> Self {
        Nts {
            dump_dir: None,
            refresh_s: 2_419_200,
            trusted_certs: Vec::new(),
            system_certs: true,
            no_cert_time_check: 0,
            strict_cert_time: false,
            aeads: vec![30, 15],
        }
    }
}

impl Default for Commands {
    fn default() -> Self {
        let open = ["activity", "manual", "rtcdata", "smoothing", "sourcename", "sources", "sourcestats", "tracking"];
        Commands {
            port: cmdmon::PORT,
            bind_v4: Ipv4Addr::LOCALHOST,
            bind_v6: Ipv6Addr::LOCALHOST,
            socket: Some(cmdmon::SOCKET.to_string()),
            device: None,
            access: Vec::new(),
            open_commands: open.map(str::to_string).to_vec(),
            rate_limit: None,
        }
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        RateLimit { interval: -4, burst: 8, leak: 2 }
    }
}

impl Default for Rtc {
    fn default() -> Self {
        Rtc { device: "/dev/rtc".to_string(), file: None, on_utc: false, hwclock_file: None }
    }
}
