//! The bodies of replies: each report is a list of fields in the order of the wire.

use std::net::{IpAddr, Ipv4Addr};

use super::field::{Coded, Cursor, WireField, codes, layout};
use super::reply::ReplyStatus;
use crate::core::api::monitoring::FLAWS;
use crate::core::api::monitoring::{
    Activity, Address, AuthData, Hindrance, NtpData, SelectData, SelectOptions, ServerStats, SourceData, SourceStats,
    StampedBy, Standing, Status, Tracking,
};
use crate::core::api::source_id::ReferenceId;
use crate::time::Leap;

/// Number of the layout of [`Status`]. It changes when what is there gets another meaning, not when something is
/// appended.
const STATUS_LAYOUT: u16 = 1;

/// How a source is measured: exchanges with a server that we ask, or a reference clock.
const MODE_SERVER: u16 = 0;
const MODE_CLOCK: u16 = 2;

const FLAG_SYNCHRONISED: u16 = 1;
const FLAG_CONTROLS_CLOCK: u16 = 2;

/// Room for "0.1.0" and what comes after it.
const VERSION_LEN: usize = 32;

/// The latter half of the layout of [`NtpData`], by reply code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NtpCounts {
    /// 16, before chrony 4.6: ends after the four totals.
    Totals,
    /// 26.
    ByStamp,
}

/// Width of the numbers of [`ServerStats`], by reply code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerCounts {
    /// 24, before chrony 4.4: eleven numbers of 32 bits.
    Narrow,
    /// 25: seventeen of 64.
    Wide,
}

impl WireField for SourceData {
    fn pass(&mut self, cursor: &mut Cursor<'_>) {
        // A reference clock is told by its ID in the place of an IPv4 address, and by the mode.
        let mut told = match self.address {
            Address::Clock(id) => Address::Ip(Ipv4Addr::from_bits(id.bits()).into()),
            address => address,
        };
        let mut mode = if matches!(self.address, Address::Clock(_)) { MODE_CLOCK } else { MODE_SERVER };
        told.pass(cursor);
        self.poll.pass(cursor);
        self.stratum.pass(cursor);
        cursor.wide(&mut self.standing);
        mode.pass(cursor);
        self.address = match told {
            Address::Ip(IpAddr::V4(id)) if mode == MODE_CLOCK => {
                ReferenceId::from_bits(id.to_bits()).map_or(told, Address::Clock)
            }
            address => address,
        };
        // Flags that nobody has defined.
        cursor.skip::<2>(0);
        cursor.wide(&mut self.reach);
        self.since_sample_s.pass(cursor);
        self.measured_offset_s.pass(cursor);
        self.offset_s.pass(cursor);
        self.error_s.pass(cursor);
    }
}

layout!(Tracking: reference_id, address, stratum, leap(wide), reference_time, correction_s, last_offset_s, rms_offset_s,
    frequency_ppm, residual_frequency_ppm, skew_ppm, root_delay_s, root_dispersion_s, update_interval_s);

layout!(SourceStats: reference_id, address, samples, runs, span_s, sd_s, residual_frequency_ppm, skew_ppm, offset_s,
    offset_error_s);

layout!(Activity: online, offline, burst_online, burst_offline, unresolved);

layout!(SelectData: reference_id, address, state(narrow), authenticated(narrow), leap(narrow) + 1, configured(wide),
    effective(wide), last_sample_ago_s, score, low_limit_s, high_limit_s);

layout!(AuthData: mode, key_type, key_id, key_length, attempts, last_success_ago_s, cookies, cookie_length,
    nak(wide) + 2);

impl NtpData {
    pub(super) fn pass(&mut self, counts: NtpCounts, cursor: &mut Cursor<'_>) {
        self.address.pass(cursor);
        self.local_address.pass(cursor);
        self.port.pass(cursor);
        cursor.narrow(&mut self.leap);
        self.version.pass(cursor);
        self.mode.pass(cursor);
        self.stratum.pass(cursor);
        self.poll.pass(cursor);
        self.precision.pass(cursor);
        self.root_delay_s.pass(cursor);
        self.root_dispersion_s.pass(cursor);
        self.reference_id.pass(cursor);
        self.reference_time.pass(cursor);
        self.offset_s.pass(cursor);
        self.delay_s.pass(cursor);
        self.dispersion_s.pass(cursor);
        self.response_time_s.pass(cursor);
        self.jitter_asymmetry.pass(cursor);
        self.flags.pass(cursor);
        // Before the first response (mode 0) nobody has stamped anything: chronyc says "Invalid".
        if self.mode == 0 {
            cursor.skip::<2>(0);
        } else {
            cursor.narrow(&mut self.sent_by);
            cursor.narrow(&mut self.received_by);
        }
        self.total_sent.pass(cursor);
        self.total_received.pass(cursor);
        self.total_valid.pass(cursor);
        self.total_good.pass(cursor);
        if counts == NtpCounts::Totals {
            cursor.skip::<12>(0xff);
            return;
        }
        self.kernel_sent.pass(cursor);
        self.kernel_received.pass(cursor);
        self.hardware_sent.pass(cursor);
        self.hardware_received.pass(cursor);
        cursor.skip::<16>(0xff);
    }
}

impl ServerStats {
    pub(super) fn pass(&mut self, counts: ServerCounts, cursor: &mut Cursor<'_>) {
        // Requests for time, for keys and for reports, those three dropped, lines of log dropped, and ten more that
        // only a server counts.
        let mut all = [0; 17];
        all[2] = self.command_hits;
        all[5] = self.command_drops;
        match counts {
            ServerCounts::Wide => {
                for count in &mut all {
                    count.pass(cursor);
                }
                cursor.skip::<32>(0xff);
            }
            ServerCounts::Narrow => {
                for count in &mut all[..11] {
                    let mut narrow = u32::try_from(*count).unwrap_or(u32::MAX);
                    narrow.pass(cursor);
                    *count = u64::from(narrow);
                }
            }
        }
        (self.command_hits, self.command_drops) = (all[2], all[5]);
    }
}

/// slewd's own, documented in `reply`. The version is at the end, and is not part of this.
impl WireField for Status {
    fn pass(&mut self, cursor: &mut Cursor<'_>) {
        let mut layout = STATUS_LAYOUT;
        layout.pass(cursor);
        if layout != STATUS_LAYOUT {
            cursor.fault = Some(ReplyStatus::Invalid);
        }
        let mut flags =
            FLAG_SYNCHRONISED * u16::from(self.synchronised) + FLAG_CONTROLS_CLOCK * u16::from(self.controls_clock);
        flags.pass(cursor);
        self.synchronised = flags & FLAG_SYNCHRONISED != 0;
        self.controls_clock = flags & FLAG_CONTROLS_CLOCK != 0;
        cursor.wide(&mut self.hindrance);
        self.agreeing.pass(cursor);
        self.voters.pass(cursor);
        cursor.skip::<2>(0);
        self.steps.pass(cursor);
        self.foreign_changes.pass(cursor);
        cursor.double(&mut self.estimated_error_s);
        cursor.double(&mut self.maximum_error_s);
        cursor.double(&mut self.last_answer_ago_s);
        cursor.double(&mut self.next_poll_s);
        cursor.double(&mut self.set_ago_s);
        let mut uptime = Some(self.uptime_s);
        cursor.double(&mut uptime);
        self.uptime_s = uptime.unwrap_or(0.0);
        cursor.double(&mut self.last_step_s);
        cursor.double(&mut self.last_step_ago_s);
    }
}

impl Status {
    /// Everything but the text, which is not worth an allocation.
    pub(super) fn write(&self, cursor: &mut Cursor<'_>) {
        cursor.put(Status { version: String::new(), ..*self });
        cursor.put_text::<VERSION_LEN>(&self.version);
        for mut flaw in self.flaws {
            cursor.narrow(&mut flaw);
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Status {
        let fields: Status = cursor.take();
        let version = cursor.take_text::<VERSION_LEN>().unwrap_or_default();
        let mut flaws = [None; FLAWS];
        flaws.iter_mut().for_each(|flaw| cursor.narrow(flaw));
        Status { version, flaws, ..fields }
    }
}

impl Coded for Option<Leap> {
    fn code(&self) -> u16 {
        u16::from(Leap::indicator(*self))
    }

    fn from_code(code: u16) -> Option<Leap> {
        u8::try_from(code).ok().filter(|code| *code < 3).and_then(Leap::from_indicator)
    }
}

codes!(Standing, other: Unselectable, Selected = 0, Unselectable = 1, Falseticker = 2, Jittery = 3, Combined = 4,
    NotCombined = 5);

// ASCII letters: D, K and H.
codes!(StampedBy, other: Nobody, Nobody = 0, Daemon = 0x44, Kernel = 0x4b, Hardware = 0x48);

// An obstacle that only a later daemon knows is read as none. That the clock is not synchronised is said by a flag.
codes!(Hindrance, other: None, None = 0, NoSources = 1, Acquiring = 2, NoSelectableSources = 3, NoMajority = 4,
    NotEnough = 5, NoRequired = 6, Reacquiring = 7, ClockRefused = 8, RateBeyond = 9, LoneAndFar = 10);

impl Coded for SelectOptions {
    fn code(&self) -> u16 {
        self.0
    }

    fn from_code(code: u16) -> SelectOptions {
        SelectOptions(code)
    }
}

/// An ASCII letter; what cannot be printed is a question mark.
impl Coded for char {
    fn code(&self) -> u16 {
        u16::from(u8::try_from(*self).unwrap_or(b'?'))
    }

    fn from_code(code: u16) -> char {
        u8::try_from(code).ok().filter(|byte| (b' '..=b'~').contains(byte)).map_or('?', char::from)
    }
}
