//! The kernel's clocks: reading them, every way of changing CLOCK_REALTIME, and hearing that somebody else did.
//!
//! Reading needs no privilege. Changing needs CAP_SYS_TIME, and goes through adjtimex(2): frequency, phase slew, relative
//! step and the published status. Signs are ours, not chrony's: a positive frequency makes the system clock run faster, a
//! positive phase or step moves it forward.
// The fields of a C `timespec` are i64 on some targets and i32 on others.
#![allow(clippy::unnecessary_cast)]

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{self, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId, clock_getres, clock_gettime};
use nix::unistd;

pub use super::adjtimex::{
    ClockError, ClockStatus, KernelState, MAX_ERROR, MAX_FREQUENCY_PPM, MAX_PHASE, MAX_TIME_CONSTANT, PhaseSlew,
    cancel_adjtime, set_status, set_tai, state, steer, step, try_control,
};
use crate::time::{ClockReading, NANOS_PER_SEC, Raw, Span, Utc};

/// A pairing this tight is not worth another try: it is below the cost of a system call.
const TIGHT: Span = Span::from_nanos(1000);
/// One try is enough unless something interrupts it; five in a row are hardly ever interrupted.
const TRIES: usize = 5;

/// When the timer of [`ClockWatch`] would expire: in 2242, or as late as 32 bits can say.
const NEVER_S: i64 = if size_of::<libc::c_long>() == 8 { 1 << 33 } else { i32::MAX as i64 };

/// Reads the counter and the system clock together.
///
/// The raw counter is CLOCK_MONOTONIC_RAW, or CLOCK_MONOTONIC where the kernel lacks it (it is then steered, but not
/// stepped). `slept` is good to about a microsecond, and 0 where the kernel lacks CLOCK_BOOTTIME.
pub fn read() -> ClockReading {
    let ruler = if nanos(ClockId::CLOCK_MONOTONIC_RAW).is_some() {
        ClockId::CLOCK_MONOTONIC_RAW
    } else {
        ClockId::CLOCK_MONOTONIC
    };
    let time = paired(ruler, ClockId::CLOCK_REALTIME).unwrap_or_default();
    let sleep = paired(ClockId::CLOCK_MONOTONIC, ClockId::CLOCK_BOOTTIME).unwrap_or_default();
    ClockReading {
        raw: Raw::from_nanos(time.ruler_ns),
        utc: Utc::from_nanos(time.subject_ns),
        width: Span::from_nanos(time.width_ns),
        slept: Span::from_nanos(sleep.subject_ns - sleep.ruler_ns),
    }
}

/// The resolution of the system clock as measured: the smallest step seen between successive readings, at least 1 ns.
pub fn precision() -> Span {
    const STEPS: usize = 100;
    const READINGS: usize = 100_000;
    let readings = (0..READINGS).map_while(|_| nanos(ClockId::CLOCK_REALTIME));
    let mut last = None;
    let steps = readings.filter_map(|now| last.replace(now).map(|before| now - before)).filter(|&step| step > 0);
    let finest = steps.take(STEPS).min();
    let stated = || clock_getres(ClockId::CLOCK_REALTIME).map_or(NANOS_PER_SEC / 100, in_nanos);
    Span::from_nanos(finest.unwrap_or_else(stated).max(1))
}

/// A timer that never expires but is cancelled whenever CLOCK_REALTIME jumps (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
///
/// The descriptor becomes readable on steps, ours included, and on newer kernels when the machine wakes from suspend; not on slews.
#[derive(Debug)]
pub struct ClockWatch(TimerFd);

impl ClockWatch {
    /// `None` if the kernel lacks it (before Linux 3.0) or forbids it: the next reading of the clock tells as well.
    pub fn new() -> Option<Self> {
        let timer =
            TimerFd::new(timerfd::ClockId::CLOCK_REALTIME, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC).ok()?;
        let watch = ClockWatch(timer);
        watch.arm().then_some(watch)
    }

    /// Whether the clock was set since the last call. Never blocks; call it when poll says readable.
    pub fn was_set(&self) -> bool {
        let cancelled = unistd::read(&self.0, &mut [0; 8]) == Err(Errno::ECANCELED);
        if cancelled {
            self.arm();
        }
        cancelled
    }

    fn arm(&self) -> bool {
        let never = TimeSpec::new(NEVER_S as _, 0);
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        match self.0.set(Expiration::OneShot(never), flags) {
            // The timer is armed all the same: the clock was set between the last reading and now.
            Ok(()) | Err(Errno::ECANCELED) => true,
            Err(_) => false,
        }
    }
}

impl AsFd for ClockWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// One clock read between two readings of another.
#[derive(Default)]
struct Pair {
    ruler_ns: i64,
    subject_ns: i64,
    width_ns: i64,
}

fn paired(ruler: ClockId, subject: ClockId) -> Option<Pair> {
    let mut best: Option<Pair> = None;
    for _ in 0..TRIES {
        let (before, subject_ns, after) = (nanos(ruler)?, nanos(subject)?, nanos(ruler)?);
        let width_ns = after - before;
        if best.as_ref().is_none_or(|best| width_ns < best.width_ns) {
            best = Some(Pair { ruler_ns: before + width_ns / 2, subject_ns, width_ns });
        }
        if width_ns < TIGHT.nanos() {
            break;
        }
    }
    best
}

fn nanos(clock: ClockId) -> Option<i64> {
    clock_gettime(clock).ok().map(in_nanos)
}

fn in_nanos(time: TimeSpec) -> i64 {
    (time.tv_sec() as i64).saturating_mul(NANOS_PER_SEC).saturating_add(time.tv_nsec() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_ordered_and_tight() {
        let first = read();
        let second = read();
        assert!(second.raw > first.raw && second.utc >= first.utc);
        assert!(first.width >= Span::ZERO && first.width < Span::from_millis(1), "width {:?}", first.width);
        assert!((second.lead() - first.lead()).abs() < Span::from_millis(1));
        assert!((second.slept - first.slept).abs() < Span::from_millis(1));
    }

    #[test]
    fn precision_is_that_of_a_clock() {
        assert!((1..=10_000_000).contains(&precision().nanos()), "{:?}", precision());
    }

    /// That it does fire is shown in a virtual machine, where the clock may be set.
    #[test]
    fn a_clock_left_alone_is_quiet() {
        let watch = ClockWatch::new().expect("Linux since 3.0 has cancellable timers");
        assert!(!watch.was_set());
        assert!(!watch.was_set());
    }
}
