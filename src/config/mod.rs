//! chrony.conf: text to [`Config`], with chronyd's rules and messages.
//!
//! Pure: files are reached through [`Files`], which the caller provides. One [table](directives) says what each
//! directive is called, takes and means, others do so for the options of [sources](source_options) and of
//! [reference clocks](refclock_options); the parser
//! and the manual both work from them.
//!
//! ```
//! use slewd::config::{Config, MemoryFiles};
//!
//! let files = MemoryFiles::new().with("/etc/chrony.conf", "server ntp.example.net iburst # fast\n");
//! let failure = Config::from_file(&files, "/etc/chrony.conf", false).unwrap_err();
//! assert_eq!(failure.error.to_string(), "Invalid option in server directive at line 1 in file /etc/chrony.conf");
//! assert_eq!(failure.error.remedy, "comments must stand on their own line");
//! ```

mod access;
mod announce;
mod directive;
mod error;
mod files;
mod foreign;
mod ignored;
mod keys;
mod lex;
mod model;
mod network_card;
mod number;
mod parse;
mod read;
mod refclock;
mod refclock_table;
mod source;
mod source_table;
mod suggest;
mod table;

pub use announce::{MetricsFileDirective, Notifications, ReadyWhen};
pub use directive::{Class, Directive, Section, directives, sections};
pub use error::{Error, Location, Warning};
pub use files::{Files, MemoryFiles, SearchFailed};
pub use keys::KeyFile;
pub use model::{
    AccessRule, Commands, Config, ConfigFailure, DriftFileDirective, FilePaths, Logs, Network, Nts, Process, RateLimit,
    Rtc, Subnet, TempCompDirective,
};
pub use parse::BUILT_IN;
pub use refclock_table::{RefclockOption, refclock_options};
pub use source::{SourceFiles, not_asked, parse_sources, read_source_dirs};
pub use source_table::{SourceOption, source_options};
pub(crate) use suggest::near;
