//! What the engine has to tell people. `report::log` puts it into words.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::core::api::flaw::Flaw;
use crate::core::api::settings::LeapMode;
use crate::time::{Leap, Span};

/// How the log names a source: its address, and the configured name if that differs.
pub type Label = Arc<str>;

/// A change of state worth a line in the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// This source is now the best of those that agree.
    Selected(Label),
    /// This source contradicts the majority.
    Falseticker(Label),
    /// The root distance of the source exceeds `maxdistance` (seconds).
    TooDistant(Label, f64),
    /// The jitter of the source exceeds `maxjitter` (seconds).
    TooJittery(Label, f64),
    /// This source, or a name that has none yet, is of no use: why.
    SourceUnusable(Label, Flaw),
    /// No NTS keys: who is at fault, and what to do about it.
    KeysFailed(String),
    /// The server of key establishment has named another address or port for this source.
    SourceMoved {
        /// What it was.
        old: SocketAddr,
        /// What it is.
        new: SocketAddr,
        /// The name as configured.
        name: Label,
    },
    /// The stratum of this source is below `minstratum`.
    StratumBelow(Label, u8),
    /// The stratum of this source is above `maxstratum`.
    StratumAbove(Label, u8),
    /// The clock cannot be disciplined now.
    CannotSynchronise(Obstacle),
    /// The clock is off by more than `logchange`. Positive: it was behind.
    ClockWrong(Span),
    /// The clock was stepped by this much.
    Stepped(Span),
    /// The kernel refuses to move or steer the clock.
    ClockRefused,
    /// The kernel moves or steers the clock again.
    ClockObeys,
    /// The clock should have been stepped, and was not.
    StepFailed,
    /// One-shot mode: the clock is off by this much, and is stepped (`true`) or left alone.
    OneShot(Span, bool),
    /// One-shot mode: nobody usable answered.
    NoSuitableSource,
    /// The hosts of `initstepslew` have had their time, and the clock is not set.
    NoInitialSource,
    /// The clock was behind any plausible time and was moved forward before any server was heard.
    MovedToFloor {
        /// The floor was the drift file's time rather than the build epoch.
        from_drift_file: bool,
        /// How far it was moved.
        by: Span,
    },
    /// Somebody else set the clock by this much.
    ForeignChange(Span),
    /// Somebody else steers the clock: by a frequency or a slew it was moved this far off its course.
    ForeignSteering(Span),
    /// Somebody else changes the clock again and again. Said once; what follows is put right in silence.
    Interference,
    /// This source is asked from now on, or no longer.
    Online(Label, bool),
    /// The machine slept for this long.
    Slept(Span),
    /// The measured time jumped by this much: every source says so.
    Reacquired(Span),
    /// The measured time has jumped again and again. Said once; what follows is followed in silence.
    Unrest,
    /// Kiss-o'-death RATE.
    KissRate(IpAddr),
    /// Kiss-o'-death DENY or RSTR: the address is not asked for this long.
    KissDeny(IpAddr, Span),
    /// This address gave its place to another of the same name.
    Replaced {
        /// The address of the bad source.
        old: IpAddr,
        /// The new address, fresh from the resolver.
        new: IpAddr,
        /// The configured name.
        name: Label,
    },
    /// The initial frequency contradicts the measurements and was discarded (ppm, positive: clock gains).
    PriorDiscarded(f64),
    /// The raw counter is far off, by this rate (ppm, positive: clock gains).
    RateFound(f64),
    /// `maxchange` exceeded: by this correction, with this limit (seconds), and whether slewd gives up.
    MaxChange {
        /// The correction that was refused.
        offset: Span,
        /// The limit in seconds.
        limit_s: f64,
        /// No more refusals are allowed.
        exiting: bool,
    },
    /// A leap second is armed in the kernel (`Insert`, `Delete`) or disarmed (`Normal`).
    Leap(Leap),
    /// A leap second is expected (or no longer), and slewd itself deals with it, or nobody does.
    LeapExpected(Leap),
    /// A leap second has passed, and was dealt with in this way.
    LeapSecond(LeapMode),
    /// The kernel was told how many seconds TAI is ahead of UTC.
    TaiOffset(i32),
    /// The file with leap seconds (or the time zone), so called, has expired.
    LeapDataExpired(Label),
    /// Around a leap second some sources drift away from others, as servers do that smear it.
    SmearMixed {
        /// The sources whose time runs slower.
        slower: Vec<Label>,
        /// The sources whose time runs faster.
        faster: Vec<Label>,
        /// By so many ppm.
        gap_ppm: f64,
    },
    /// The frequency correction wanted (ppm) is beyond `maxdrift`.
    FrequencyLimited(f64),
    /// `initstepslew`: the clock was off by this much at the start, and is stepped (`true`) or slewed.
    InitialOffset(Span, bool),
    /// No update for this long: the frequency is now its average over as long (ppm, positive: clock gains).
    FallenBack(Span, f64),
    /// A line of a `.sources` file is new.
    SourceAdded {
        /// Name or address, as typed.
        name: String,
        /// `pool` rather than `server`.
        is_pool: bool,
    },
    /// A line of a `.sources` file is gone.
    SourceRemoved {
        /// Name or address, as typed.
        name: String,
        /// `pool` rather than `server`.
        is_pool: bool,
    },
    /// A line could not be used.
    CannotAddSource {
        /// Name or address, as typed.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// `tempcomp`: the compensation (ppm) is too large to be true, and is not applied.
    CompensationBeyond(f64),
    /// There are samples of this source from the last run.
    PastRecalled(Label),
    /// There is a file about this source from the last run, which cannot be used.
    PastRefused(Label),
    /// What the sources say now contradicts what they said in the last run, which is forgotten.
    PastContradicted,
    /// The device of this reference clock has jumped by this much, as compared with itself.
    DeviceJumped(Label, Span),
    /// The first time that this reference clock told is ahead of the system clock as TAI is of UTC.
    DeviceMayKeepTai(Label),
    /// A lone source contradicted itself; three agreeing answers are now wanted.
    LoneSourceContradicted(Label),
}

/// Why the clock cannot be disciplined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// No source is configured, or no name is resolved.
    NoSources,
    /// No source is usable; this many do not answer.
    NoSelectableSources {
        /// Sources that do not answer.
        unreachable: usize,
    },
    /// The largest group that agrees is no majority.
    NoMajority {
        /// Size of the group.
        agreeing: usize,
        /// Sources that voted.
        voters: usize,
    },
    /// Fewer sources agree than `minsources` asks for.
    NotEnough,
    /// A source with `require` is missing.
    NoRequired,
    /// The clock runs at a rate that the kernel cannot correct.
    RateBeyond {
        /// By so much it gains.
        ppm: i32,
    },
    /// Only one source answers, and its time is decades away from the clock and from the last time that is known.
    LoneAndFar {
        /// The distance from the clock in years.
        years: i32,
    },
}

impl Obstacle {
    /// Differs at most in its numbers.
    pub fn is_same_kind(&self, other: &Obstacle) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}
