//! What people may ask of the engine while it runs: the commands of chronyc that change something.

use std::net::IpAddr;

use crate::core::api::monitoring::{Address, SelectOptions};
use crate::core::api::settings::{MakeStep, SourceConfig};

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Ask these sources, or stop asking.
    SetOnline {
        /// The sources that are meant.
        whom: Whom,
        /// The sources are to be asked.
        online: bool,
    },
    /// Ask these sources in quick succession.
    Burst {
        /// The sources that are meant.
        whom: Whom,
        /// Good answers wanted.
        good: u32,
        /// Requests at most.
        most: u32,
    },
    /// Change one parameter of a source.
    Change {
        /// The source that is meant.
        source: Address,
        /// The parameter and its new value.
        parameter: Parameter,
    },
    /// Add a line.
    Add(Box<SourceConfig>),
    /// Delete a source.
    Delete(Address),
    /// Look up all names again.
    Refresh,
    /// Forget all measurements.
    ResetSources,
    /// Select anew, whoever was selected before.
    Reselect,
    /// `reselectdist`, in seconds.
    ReselectDistance(f64),
    /// Step the clock by all that is still to be slewed, now.
    MakeStep,
    /// `makestep THRESHOLD LIMIT`.
    SetMakeStep(MakeStep),
    /// `maxupdateskew`, in parts per million.
    MaxUpdateSkew(f64),
    /// The clock runs faster than was thought, by this many parts per million.
    AddFrequency(f64),
    /// The clock is ahead by this many seconds more than was thought.
    AddOffset(f64),
}

/// The sources that an order means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// All, and names without an address.
    All,
    /// The source with this address.
    One(Address),
    /// The sources whose address agrees with this one in the bits of the mask, of the same family.
    Net {
        /// The address.
        address: IpAddr,
        /// The bits that count.
        mask: IpAddr,
    },
}

/// A parameter of a source. Ranges are those of the options in the configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parameter {
    /// `minpoll`: out of -7 to 24 changes nothing.
    MinPoll(i32),
    /// `maxpoll`: out of -7 to 24 changes nothing.
    MaxPoll(i32),
    /// `maxdelay`, in seconds.
    MaxDelay(f64),
    /// `maxdelayratio`.
    MaxDelayRatio(f64),
    /// `maxdelaydevratio`.
    MaxDelayDevRatio(f64),
    /// `minstratum`.
    MinStratum(i32),
    /// `polltarget`.
    PollTarget(i32),
    /// `offset`, in seconds.
    Offset(f64),
    /// `noselect`, `prefer`, `trust` and `require`: those of `mask` become as in `options`.
    Select {
        /// The options that change.
        mask: SelectOptions,
        /// What they become.
        options: SelectOptions,
    },
}

/// Why an order was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No source is meant.
    NoSuchSource,
    /// There is such a source already.
    AlreadyKnown,
    /// There is no room.
    TooMany,
    /// The clock cannot be changed, or nothing is known of it.
    Failed,
}

impl Parameter {
    /// The parameter decides who may be selected.
    pub(in crate::core) fn is_about_selection(&self) -> bool {
        matches!(self, Parameter::Select { .. })
    }
}
