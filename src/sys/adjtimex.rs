//! Changing CLOCK_REALTIME, and the kernel's published account of it, by adjtimex(2). Public through [`super::clock`].
// The fields of `timex` are `c_long`, which is i64 on some targets and i32 on others.
#![allow(clippy::unnecessary_cast)]

use std::fmt;
use std::io;

use libc::{c_int, c_long, timex};
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use nix::unistd::{SysconfVar, sysconf};

use super::clock;
use crate::time::{Leap, NANOS_PER_SEC, Span};

/// The largest phase the kernel slews in one go (MAXPHASE of Linux's timex.h).
pub const MAX_PHASE: Span = Span::from_millis(500);
/// The largest frequency correction, in ppm: a tick of 9000 to 11000 us at 100 Hz (adjtimex(2), ADJ_TICK).
pub const MAX_FREQUENCY_PPM: f64 = 100_000.0;
/// The largest error the kernel counts: beyond it the clock is unsynchronised (NTP_PHASE_LIMIT of Linux's timex.h).
pub const MAX_ERROR: Span = Span::from_secs(16);
/// The slowest phase slew (MAXTC of Linux's timex.h).
pub const MAX_TIME_CONSTANT: u8 = 10;

/// What ADJ_FREQUENCY covers alone, in ppm (MAXFREQ of Linux's timex.h).
const MAX_FREQ_FIELD_PPM: f64 = 500.0;
/// `timex.freq` counts 2^-16 ppm.
const FREQ_UNITS_PER_PPM: f64 = 65_536.0;
/// The kernel's own account of the system clock, read from adjtimex(2).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct KernelState {
    /// Frequency correction in ppm, `freq` and `tick` together; positive: the system clock is sped up.
    pub frequency_ppm: f64,
    /// Phase still to be slewed; positive: the system clock is being moved forward. Good to 1 ns (1 us before the first
    /// request in nanoseconds).
    pub phase: Span,
    /// Bound of the error as published, 0 to 16 s; the kernel lets it grow by 500 ppm.
    pub max_error: Span,
    /// Estimated error as published.
    pub est_error: Span,
    /// STA_UNSYNC is clear: the kernel copies the time to the hardware clock every 11 minutes.
    pub synchronized: bool,
    /// Leap second armed for the end of this UTC day.
    pub leap: Leap,
    /// STA_PLL: the kernel accepts a phase to slew.
    pub pll: bool,
    /// STA_FREQHOLD: slewing a phase does not change the frequency.
    pub frequency_held: bool,
    /// Shift of the phase slew, 0 to 10.
    pub time_constant: u8,
    /// TAI minus UTC in seconds, 0 if nobody told the kernel.
    pub tai_s: i32,
}

impl KernelState {
    /// No program keeps the clock, nor has for hours: so it is after the start of the machine.
    pub fn is_unset(&self) -> bool {
        !self.synchronized && self.max_error >= MAX_ERROR
    }
}

/// A phase for the kernel to slew with the frequency held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhaseSlew {
    /// Positive moves the clock forward; clamped to ±[`MAX_PHASE`]. Zero cancels a running slew.
    pub amount: Span,
    /// Each second removes 1/2^(2+constant) of what is left; clamped to [`MAX_TIME_CONSTANT`].
    pub time_constant: u8,
}

/// What the clock tells everybody else about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockStatus {
    /// Clears STA_UNSYNC, which also lets the kernel copy the time to the hardware clock.
    pub synchronized: bool,
    /// Bound of the error, rounded up to a microsecond, capped at [`MAX_ERROR`].
    pub max_error: Span,
    /// Estimated error, rounded up to a microsecond, capped at [`MAX_ERROR`].
    pub est_error: Span,
    /// Leap second at the end of this UTC day.
    pub leap: Leap,
}

/// Why the kernel did not touch the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClockError {
    /// EPERM: this process, its container or its service unit lacks a capability.
    NoPermission {
        /// The capability that is missing.
        capability: &'static str,
    },
    /// Any other refusal.
    Refused {
        /// The call that failed.
        call: &'static str,
        /// The errno.
        errno: i32,
    },
}

/// Reads the kernel's state and changes nothing. Needs no privilege, but a strict sandbox may refuse it.
pub fn state() -> Result<KernelState, ClockError> {
    let reply = adjtimex(empty_request())?;
    Ok(decode(&reply))
}

/// Sets the frequency, and the phase to be slewed if there is one; returns what the kernel really took.
///
/// `frequency_ppm` is clamped to ±[`MAX_FREQUENCY_PPM`] and quantised to 2^-16 ppm; not-a-number is refused as EINVAL.
/// ADJ_TICK is used beyond ±500 ppm only. Without a `phase` a running slew goes on. A slew leaves the frequency alone and
/// ends by itself (STA_PLL and STA_FREQHOLD, kernel/time/ntp.c); the synchronisation and leap bits stay as they are.
pub fn steer(frequency_ppm: f64, phase: Option<PhaseSlew>) -> Result<KernelState, ClockError> {
    let now = adjtimex(empty_request())?;
    let reply = adjtimex(steer_request(&now, frequency_ppm, phase)?)?;
    Ok(decode(&reply))
}

/// Steps the system clock by a relative amount; positive is forward.
///
/// The kernel marks the clock unsynchronised, sets both errors to 16 s and cancels a running slew: call [`set_status`]
/// afterwards. Where the kernel lacks ADJ_SETOFFSET (before Linux 2.6.39) the clock is read and set, which costs a few
/// microseconds of accuracy.
pub fn step(by: Span) -> Result<(), ClockError> {
    match adjtimex(step_request(by)) {
        Err(ClockError::Refused { errno: libc::EINVAL | libc::ENOSYS, .. }) => {
            let target = clock::read().utc + by;
            let target = TimeSpec::new(target.secs() as _, target.nanos().rem_euclid(NANOS_PER_SEC) as _);
            clock_settime(ClockId::CLOCK_REALTIME, target).map_err(|errno| ClockError::new("clock_settime", errno))
        }
        other => other.map(drop),
    }
}

/// Publishes the error bounds, the synchronisation state and the leap second; frequency and phase are not touched.
pub fn set_status(status: ClockStatus) -> Result<KernelState, ClockError> {
    let now = adjtimex(empty_request())?;
    let reply = adjtimex(status_request(&now, status))?;
    Ok(decode(&reply))
}

/// Whether the kernel would let this process change the clock, asked by a change that changes nothing: the estimated error
/// is set to what it is.
///
/// A capability tells less: in a user namespace it is there and does not count, and a seccomp filter asks for none.
pub fn try_control() -> Result<(), ClockError> {
    let now = adjtimex(empty_request())?;
    adjtimex(timex { modes: libc::ADJ_ESTERROR, esterror: now.esterror, ..empty_request() }).map(drop)
}

/// Ends a slew that some other program began with adjtime(3) and that would add itself to ours.
pub fn cancel_adjtime() -> Result<(), ClockError> {
    adjtimex(timex { modes: libc::ADJ_OFFSET_SINGLESHOT, ..empty_request() }).map(drop)
}

/// Tells the kernel TAI minus UTC, in seconds, for CLOCK_TAI.
pub fn set_tai(offset_s: i32) -> Result<(), ClockError> {
    adjtimex(timex { modes: libc::ADJ_TAI, constant: offset_s as c_long, ..empty_request() }).map(drop)
}

/// Ticks per second of the kernel's interface, and the length of one in microseconds.
fn nominal_tick() -> (f64, c_long) {
    let hz = sysconf(SysconfVar::CLK_TCK).ok().flatten().filter(|&hz| hz > 0).unwrap_or(100);
    (hz as f64, (1_000_000 + hz / 2) / hz)
}

fn steer_request(now: &timex, frequency_ppm: f64, phase: Option<PhaseSlew>) -> Result<timex, ClockError> {
    if frequency_ppm.is_nan() {
        return Err(ClockError::new("adjtimex", Errno::EINVAL));
    }
    let (hz, nominal) = nominal_tick();
    let ppm = frequency_ppm.clamp(-MAX_FREQUENCY_PPM, MAX_FREQUENCY_PPM);
    // One microsecond more per tick, hz times a second, is hz ppm.
    let ticks = if ppm.abs() <= MAX_FREQ_FIELD_PPM { 0.0 } else { (ppm / hz).round() };
    let mut request = empty_request();
    request.modes = libc::ADJ_FREQUENCY;
    request.freq = ((ppm - ticks * hz) * FREQ_UNITS_PER_PPM).round() as c_long;
    request.tick = nominal + ticks as c_long;
    if request.tick != now.tick {
        request.modes |= libc::ADJ_TICK;
    }
    if let Some(phase) = phase {
        // Without STA_NANO the kernel takes microseconds, and adds 4 to the time constant.
        request.modes |= libc::ADJ_OFFSET | libc::ADJ_STATUS | libc::ADJ_TIMECONST | libc::ADJ_NANO;
        let kept = now.status & (libc::STA_UNSYNC | libc::STA_INS | libc::STA_DEL);
        request.status = kept | libc::STA_PLL | libc::STA_FREQHOLD;
        request.offset = phase.amount.nanos().clamp(-MAX_PHASE.nanos(), MAX_PHASE.nanos()) as c_long;
        request.constant = c_long::from(phase.time_constant.min(MAX_TIME_CONSTANT));
    }
    Ok(request)
}

fn step_request(by: Span) -> timex {
    let mut request = empty_request();
    request.modes = libc::ADJ_SETOFFSET | libc::ADJ_NANO;
    // With ADJ_NANO the field named for microseconds holds nanoseconds, and it must not be negative.
    request.time.tv_sec = by.nanos().div_euclid(NANOS_PER_SEC) as _;
    request.time.tv_usec = by.nanos().rem_euclid(NANOS_PER_SEC) as _;
    request
}

fn status_request(now: &timex, status: ClockStatus) -> timex {
    let micros = |span: Span| ((span.nanos().clamp(0, MAX_ERROR.nanos()) + 999) / 1000) as c_long;
    let mut request = empty_request();
    request.modes = libc::ADJ_STATUS | libc::ADJ_MAXERROR | libc::ADJ_ESTERROR;
    request.maxerror = micros(status.max_error);
    request.esterror = micros(status.est_error);
    request.status = now.status & !(libc::STA_UNSYNC | libc::STA_INS | libc::STA_DEL);
    request.status |= if status.synchronized { 0 } else { libc::STA_UNSYNC };
    request.status |= match status.leap {
        Leap::Normal => 0,
        Leap::Insert => libc::STA_INS,
        Leap::Delete => libc::STA_DEL,
    };
    request
}

fn decode(reply: &timex) -> KernelState {
    let (hz, nominal) = nominal_tick();
    let has = |bit: c_int| reply.status & bit != 0;
    let phase_unit_ns = if has(libc::STA_NANO) { 1 } else { 1000 };
    let micros = |us: c_long| Span::from_nanos((us as i64).saturating_mul(1000));
    KernelState {
        frequency_ppm: reply.freq as f64 / FREQ_UNITS_PER_PPM + (reply.tick - nominal) as f64 * hz,
        phase: Span::from_nanos((reply.offset as i64).saturating_mul(phase_unit_ns)),
        max_error: micros(reply.maxerror),
        est_error: micros(reply.esterror),
        synchronized: !has(libc::STA_UNSYNC),
        leap: match (has(libc::STA_INS), has(libc::STA_DEL)) {
            (true, _) => Leap::Insert,
            (false, true) => Leap::Delete,
            (false, false) => Leap::Normal,
        },
        pll: has(libc::STA_PLL),
        frequency_held: has(libc::STA_FREQHOLD),
        time_constant: reply.constant.clamp(0, MAX_TIME_CONSTANT as c_long) as u8,
        tai_s: reply.tai,
    }
}

fn empty_request() -> timex {
    // SAFETY: `timex` holds only integers, for which all bits zero is a value; modes 0 asks for no change.
    unsafe { std::mem::zeroed() }
}

/// Makes one call; returns the kernel's answer.
fn adjtimex(mut request: timex) -> Result<timex, ClockError> {
    // SAFETY: the pointer is to a live `timex` that the call fills in, and nothing keeps it.
    let result = Errno::result(unsafe { libc::adjtimex(&mut request) });
    // Success is the leap state, which says nothing that the status bits do not.
    result.map(|_leap_state| request).map_err(|errno| ClockError::new("adjtimex", errno))
}

impl ClockError {
    fn new(call: &'static str, errno: Errno) -> Self {
        match errno {
            Errno::EPERM => ClockError::NoPermission { capability: "CAP_SYS_TIME" },
            errno => ClockError::Refused { call, errno: errno as i32 },
        }
    }
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClockError::NoPermission { capability } => write!(
                f,
                "Not permitted to adjust the clock: {capability} is missing, or does not count in this container or \
                 sandbox. Run as root, add the capability to the service or container, or use -x to leave the clock alone"
            ),
            ClockError::Refused { call, errno } => {
                write!(f, "The kernel refused {call}: {}", io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

impl std::error::Error for ClockError {}

#[cfg(test)]
mod tests {
    //! Nothing here may change the clock: requests are built and inspected, only reading calls are made.
    use super::*;

    fn nominal(status: c_int) -> timex {
        timex { tick: nominal_tick().1, status, ..empty_request() }
    }

    #[test]
    fn reading_the_state_needs_no_change() {
        let state = state().expect("adjtimex with modes 0 is allowed to everybody");
        assert!(state.frequency_ppm.abs() <= MAX_FREQUENCY_PPM + MAX_FREQ_FIELD_PPM, "{state:?}");
        assert!(state.max_error >= Span::ZERO && state.max_error <= MAX_ERROR, "{state:?}");
    }

    #[test]
    fn frequencies_come_back_as_commanded() {
        for ppm in [0.0, 12.345, -500.0, 500.0, 500.1, -83_333.333, 99_999.99, -MAX_FREQUENCY_PPM] {
            let request = steer_request(&nominal(0), ppm, None).unwrap();
            assert!((decode(&request).frequency_ppm - ppm).abs() <= 0.5 / FREQ_UNITS_PER_PPM + 1e-9, "{ppm}");
            assert_eq!(request.modes & libc::ADJ_TICK != 0, ppm.abs() > 500.0, "{ppm}");
            assert_eq!(request.modes & (libc::ADJ_OFFSET | libc::ADJ_STATUS), 0, "a running slew goes on");
        }
        let wild = steer_request(&nominal(0), f64::INFINITY, None).unwrap();
        assert_eq!(decode(&wild).frequency_ppm, MAX_FREQUENCY_PPM);
        assert!(steer_request(&nominal(0), f64::NAN, None).is_err());
    }

    #[test]
    fn a_tick_left_by_somebody_else_is_put_right() {
        let left = timex { tick: nominal_tick().1 + 833, ..nominal(0) };
        let request = steer_request(&left, 5.0, None).unwrap();
        assert_ne!(request.modes & libc::ADJ_TICK, 0);
        assert_eq!((request.tick, request.freq), (nominal_tick().1, 327_680));
    }

    #[test]
    fn a_phase_slew_holds_the_frequency_and_keeps_the_published_bits() {
        let kept = libc::STA_UNSYNC | libc::STA_INS;
        let now = nominal(kept | libc::STA_FLL | libc::STA_PPSTIME);
        let slew = PhaseSlew { amount: Span::from_nanos(-123_456_789), time_constant: 3 };
        let request = steer_request(&now, 1.0, Some(slew)).unwrap();
        assert_eq!(request.status, kept | libc::STA_PLL | libc::STA_FREQHOLD);
        assert_eq!((request.offset, request.constant), (-123_456_789, 3));
        assert_ne!(request.modes & libc::ADJ_NANO, 0);
        let wild = PhaseSlew { amount: Span::from_secs(3), time_constant: 99 };
        let request = steer_request(&now, 1.0, Some(wild)).unwrap();
        assert_eq!((request.offset, request.constant), (500_000_000, 10));
    }

    #[test]
    fn negative_steps_have_positive_nanoseconds() {
        for (ns, sec, rest) in [(-1, -1, 999_999_999), (-1_500_000_000, -2, 500_000_000), (2_000_000_003, 2, 3)] {
            let request = step_request(Span::from_nanos(ns));
            assert_eq!((request.time.tv_sec as i64, request.time.tv_usec as i64), (sec, rest));
            assert_eq!(request.modes, libc::ADJ_SETOFFSET | libc::ADJ_NANO);
        }
    }

    #[test]
    fn status_is_capped_rounded_up_and_leaves_the_slew_alone() {
        let slewing = libc::STA_PLL | libc::STA_FREQHOLD | libc::STA_NANO;
        let now = nominal(slewing | libc::STA_UNSYNC | libc::STA_DEL);
        let (max_error, est_error) = (Span::from_secs(99), Span::from_nanos(1001));
        let status = ClockStatus { synchronized: true, max_error, est_error, leap: Leap::Insert };
        let request = status_request(&now, status);
        assert_eq!(request.status, slewing | libc::STA_INS);
        assert_eq!((request.maxerror, request.esterror), (16_000_000, 2));
        let unknown = status_request(&now, ClockStatus { synchronized: false, leap: Leap::Normal, ..status });
        assert_eq!(unknown.status, slewing | libc::STA_UNSYNC);
    }

    #[test]
    fn the_phase_is_read_in_the_unit_of_the_mode() {
        let coarse = timex { offset: 7, ..nominal(libc::STA_PLL) };
        assert_eq!(decode(&coarse).phase, Span::from_nanos(7000));
        let fine = timex { status: libc::STA_PLL | libc::STA_NANO, ..coarse };
        assert_eq!(decode(&fine).phase, Span::from_nanos(7));
    }

    #[test]
    fn refusals_say_what_to_do() {
        let text = ClockError::new("adjtimex", Errno::EPERM).to_string();
        assert!(text.contains("CAP_SYS_TIME") && text.contains("-x"), "{text}");
        let text = ClockError::new("adjtimex", Errno::ENOSYS).to_string();
        assert!(text.contains("adjtimex") && text.contains("not implemented"), "{text}");
    }
}
