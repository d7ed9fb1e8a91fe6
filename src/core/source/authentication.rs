//! Whether what a source says can be known to come from the server that its line names.
//!
//! A line with `nts` or `key` asks for that. As long as it cannot be had the source is not asked at all: an answer that
//! anybody on the path could have made would be worth less than none, for it would be believed.

use crate::core::api::flaw::Flaw;
use crate::core::api::settings::SourceOptions;

/// How the replies of a source are protected. What brings keys or cookies changes it, and nothing else does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authentication {
    /// The line asks for no protection.
    Unwanted,
    /// The line asks for protection, and it cannot be had as things are.
    Missing(Protection),
    /// The line asks for protection, and keys for it are yet to be established.
    Pending(Protection),
    /// Each reply is authenticated before anything in it is believed.
    Established(Protection),
}

/// What a line asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// Option `nts`.
    Nts,
    /// Option `key`: the key of this number.
    Key(u32),
}

impl Authentication {
    /// The state of a line with these options, before anything was done for it.
    pub fn of(options: &SourceOptions) -> Self {
        match Protection::of(options) {
            None => Authentication::Unwanted,
            Some(Protection::Nts) if cfg!(feature = "nts") => Authentication::Pending(Protection::Nts),
            Some(protection) => Authentication::Missing(protection),
        }
    }

    /// The source may be asked, and what it says counts.
    pub fn is_sufficient(self) -> bool {
        matches!(self, Authentication::Unwanted | Authentication::Established(_))
    }

    /// The source may be asked, or will be when there are keys.
    pub fn is_hopeful(self) -> bool {
        !matches!(self, Authentication::Missing(_))
    }

    /// The replies of the source are authenticated.
    pub fn is_established(self) -> bool {
        matches!(self, Authentication::Established(_))
    }
}

impl Protection {
    /// What the options ask for, if anything. As in chronyd, `nts` makes `key` void.
    pub fn of(options: &SourceOptions) -> Option<Self> {
        if options.nts { Some(Protection::Nts) } else { options.key.map(Protection::Key) }
    }

    /// What is wrong with a line that asks for this protection and cannot have it.
    pub fn flaw(self) -> Flaw {
        match self {
            Protection::Nts => Flaw::Unprotected,
            Protection::Key(_) => Flaw::KeyMissing,
        }
    }

    /// The option that asks for this protection.
    pub fn option(self) -> &'static str {
        match self {
            Protection::Nts => "nts",
            Protection::Key(_) => "key",
        }
    }
}
