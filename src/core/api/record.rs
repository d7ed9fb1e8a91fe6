//! What the engine notes for the log files, one record per line; `report::log_file` puts it into columns.
//!
//! Nothing here is made unless the configuration asks for it. Signs are the engine's: an offset is positive when the
//! clock is behind. Chrony's files mix both signs, which is for the report to know.

use crate::core::api::exchange::StampSource;
use crate::core::api::source_id::SourceId;
use crate::time::{Leap, Span, Utc};
use crate::wire::ntp::Header;

/// The log files that are written (directive `log`): their records are made, others are not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// A record for each reply that tells the time of a server that knows it.
    pub measurements: bool,
    /// A record for each reply.
    pub raw_measurements: bool,
    /// A record of what is known of a source, after each of its samples.
    pub statistics: bool,
    /// A record for each update of the clock, and when synchronisation is lost.
    pub tracking: bool,
    /// A record for each source at each selection.
    pub selection: bool,
    /// A record for each temperature that is compensated.
    pub temperature: bool,
    /// A record for each reading of a reference clock, and for each measurement made of them.
    pub reference_clocks: bool,
}

/// One line of a log file.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The system clock at the moment.
    pub at: Utc,
    /// Whom it is about; `None` where nobody is followed.
    pub source: Option<SourceId>,
    /// What there is to say.
    pub entry: LogEntry,
}

/// What a record is about.
#[derive(Clone, Debug, PartialEq)]
pub enum LogEntry {
    /// `measurements.log`.
    Measurement(MeasurementEntry),
    /// `statistics.log`.
    Statistics(StatisticsEntry),
    /// `tracking.log`.
    Tracking(TrackingEntry),
    /// `selection.log`.
    Selection(SelectionEntry),
    /// `tempcomp.log`.
    Temperature {
        /// What the sensor says, in its unit.
        temperature: f64,
        /// What is done about it.
        ppm: f64,
    },
    /// `refclocks.log`.
    ReferenceClock(ClockEntry),
}

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasurementEntry {
    /// What the packet says.
    pub header: Header,
    /// The first test that the reply fails, of those of `log measurements` in chrony.conf(5).
    pub failed: Option<Test>,
    /// The reply tells of the exchange before.
    pub interleaved: bool,
    /// Our interval between requests, log2 of seconds rounded down...
    pub poll: i8,
    /// ...and by how much it is longer, log2, 0 to 1.
    pub poll_excess: f64,
    /// What was measured; zero unless the server knows the time.
    pub offset: Span,
    /// Round trip.
    pub delay: Span,
    /// Error of the measurement by time stamping, and by the frequency during the round trip.
    pub dispersion_s: f64,
    /// Who noted the departure of the request.
    pub sent_by: StampSource,
    /// Who noted the arrival of the reply.
    pub received_by: StampSource,
}

/// The tests of a reply by the names they have in RFC 5905 and chrony's documentation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Test {
    /// 1: it is no repetition.
    Repetition,
    /// 2: it echoes our cookie.
    Origin,
    /// 3: its time stamps are set.
    Timestamps,
    /// 5: it is authenticated as configured.
    Authentication,
    /// 6: the server knows the time.
    Synchronisation,
    /// 7: the root distance is below 16 s.
    RootDistance,
    /// A: the delay is below `maxdelay`, and the times are possible.
    Delay,
    /// B: `maxdelayratio`.
    DelayRatio,
    /// C: `maxdelaydevratio` or `maxdelayquant`.
    DelayDeviation,
}

/// A reading of a reference clock, or the measurement made of the readings of one poll.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockEntry {
    /// The reading; `None` for a measurement.
    pub reading: Option<RawReading>,
    /// The leap warning of the clock.
    pub leap: Leap,
    /// By its time the clock is behind by this much.
    pub offset: Span,
    /// How far that may be off, in seconds.
    pub dispersion_s: f64,
}

/// What only a reading has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawReading {
    /// The place of the reading among the readings of the poll, from 0 on.
    pub number: u32,
    /// Only the fraction of the second counts.
    pub is_pulse: bool,
    /// The system clock itself is behind by this much, before option `offset` is applied.
    pub offset: Span,
}

/// What is known of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticsEntry {
    /// Standard deviation of its recent samples.
    pub sd_s: f64,
    /// By its time the clock is behind by this much.
    pub offset: Span,
    /// Standard deviation of `offset`.
    pub offset_sd_s: f64,
    /// By how much the sample has changed the frequency (rate of true time).
    pub frequency_change: f64,
    /// Bound on the error of the frequency.
    pub skew: f64,
    /// `frequency_change` over the bound before it, without sign.
    pub stress: f64,
    /// Recent samples.
    pub samples: usize,
    /// Runs of residuals of the same sign among them.
    pub runs: usize,
    /// -1 if all jitter is in the replies, 1 if all is in the requests.
    pub lean: f64,
}

/// The clock after an update, or when it is left to itself.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackingEntry {
    /// Our own stratum; 0 while not synchronised.
    pub stratum: u8,
    /// Rate of true time against the counter, minus one.
    pub frequency: f64,
    /// Bound on the error of `frequency`.
    pub skew: f64,
    /// By how much this update moves the target of the clock.
    pub offset: Span,
    /// Standard deviation of the estimate.
    pub offset_sd_s: f64,
    /// What was left of earlier corrections.
    pub remaining: Span,
    /// `None` while not synchronised.
    pub leap: Option<Leap>,
    /// Sources that are combined.
    pub combined: usize,
    /// Round trip to the primary reference.
    pub root_delay_s: f64,
    /// Error accumulated from there.
    pub root_dispersion_s: f64,
    /// Bound on the error of the clock since the last update.
    pub max_error_s: f64,
}

/// What selection made of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectionEntry {
    /// The result.
    pub standing: SelectionState,
    /// Options `noselect`, `prefer`, `trust`, `require`.
    pub options: [bool; 4],
    /// Outcome of the last eight requests.
    pub reach: u8,
    /// How well it does against the selected source.
    pub score: f64,
    /// Age of its last sample, and the interval of its time: the clock is behind by these amounts. Zero if it was no
    /// candidate.
    pub age: Span,
    /// The lesser end.
    pub low_s: f64,
    /// The greater end.
    pub high_s: f64,
}

/// Why a source is in or out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SelectionState {
    /// Option `noselect`.
    NotToBeSelected,
    /// Has not measured anything yet.
    NoMeasurements,
    /// Does not know the time.
    Unsynchronised,
    /// Does not answer any more.
    Stale,
    /// Stratum out of range.
    BadStratum,
    /// `maxdistance`.
    TooDistant,
    /// `maxjitter`.
    TooJittery,
    /// Waits for the answers of others: there is a vote.
    Waiting,
    /// Contradicts the majority, or there is none.
    Falseticker,
    /// Not wholly within what trusted sources say.
    Untrusted,
    /// Agrees, but `minsources` or `require` is not met.
    Insufficient,
    /// Others have `prefer`.
    NotPreferred,
    /// Much further away than the best.
    Distant,
    /// Used.
    Combined,
    /// The best.
    Selected,
}

impl SelectionState {
    /// chrony's letter for this state, in the log of selection and in `selectdata` (chronyc(1)).
    pub fn letter(self) -> char {
        match self {
            SelectionState::NotToBeSelected => 'N',
            SelectionState::NoMeasurements => 'M',
            SelectionState::Unsynchronised => 's',
            SelectionState::Stale => 'S',
            SelectionState::BadStratum => 'r',
            SelectionState::TooDistant => 'd',
            SelectionState::TooJittery => '~',
            SelectionState::Waiting => 'w',
            SelectionState::Falseticker => 'x',
            SelectionState::Untrusted => 'T',
            SelectionState::Insufficient => 'W',
            SelectionState::NotPreferred => 'P',
            SelectionState::Distant => 'D',
            SelectionState::Combined => '+',
            SelectionState::Selected => '*',
        }
    }
}
