//! Where leap seconds are read from: `leapseclist` or `leapsectz`.

use std::env;
use std::path::{Path, PathBuf};

use log::{info, warn};

use crate::config::FilePaths;
use crate::core::clock::leap::LeapTable;
use crate::daemon::files::opening::read_promptly;
use crate::daemon::os_error::plain;

/// Where the tz database is, unless TZDIR says otherwise.
const ZONES: &str = "/usr/share/zoneinfo";
/// The list of 2025 has 11 kB. What is longer than this is something else.
const MOST_BYTES: u64 = 1 << 20;

/// A file that has been read and made sense.
pub enum LeapFile {
    /// Path of a leap-seconds.list.
    List(String),
    /// Name of a time zone.
    Zone(String),
}

impl LeapFile {
    /// The list, or else the time zone, whichever is configured and can be used. The log says which.
    pub fn find(files: &FilePaths) -> Option<(LeapFile, LeapTable)> {
        let list = files.leap_sec_list.clone().map(LeapFile::List);
        let zone = files.leap_sec_tz.clone().map(LeapFile::Zone);
        list.into_iter().chain(zone).find_map(|file| match file.read() {
            Ok(table) => {
                match &file {
                    LeapFile::List(path) => info!("Using leap second list {path}"),
                    LeapFile::Zone(zone) => info!("Using {zone} timezone to obtain leap second data"),
                }
                Some((file, table))
            }
            Err(reason) => {
                let check = if matches!(file, LeapFile::List(_)) { "check" } else { "leap second check" };
                warn!("{} failed {check}, ignoring ({reason})", file.name());
                None
            }
        })
    }

    /// Reads the file, again or for the first time.
    pub fn read(&self) -> Result<LeapTable, String> {
        let bytes = read_promptly(&self.path(), MOST_BYTES).map_err(|reason| plain(&reason))?;
        match self {
            LeapFile::List(_) => LeapTable::from_list(&self.name(), &bytes),
            LeapFile::Zone(_) => LeapTable::from_zone(&self.name(), &bytes),
        }
        .map_err(|reason| reason.to_string())
    }

    fn name(&self) -> String {
        match self {
            LeapFile::List(path) => format!("Leap second list {path}"),
            LeapFile::Zone(zone) => format!("Timezone {zone}"),
        }
    }

    fn path(&self) -> PathBuf {
        match self {
            LeapFile::List(path) => path.into(),
            // A zone may also be an absolute path, and as in TZ a colon may stand before it.
            LeapFile::Zone(zone) => {
                let directory = env::var("TZDIR").unwrap_or_else(|_| ZONES.to_owned());
                Path::new(&directory).join(zone.strip_prefix(':').unwrap_or(zone))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::not_run::not_run;
    use crate::time::Utc;

    #[test]
    fn the_files_of_the_tz_database_agree() {
        let zone = LeapFile::Zone("right/UTC".to_owned()).read();
        let list = LeapFile::List(format!("{ZONES}/leap-seconds.list")).read();
        let (Ok(zone), Ok(list)) = (zone, list) else {
            return not_run("no zone right/UTC or no leap-seconds.list (Debian: tzdata, tzdata-legacy)");
        };
        for day in 0..60 * 365 {
            let utc = Utc::from_secs(63_072_000 + day * 86_400);
            assert_eq!(zone.tai_s(utc), list.tai_s(utc), "{utc}");
            assert_eq!(zone.at_end_of_day(utc), list.at_end_of_day(utc), "{utc}");
        }
        assert!(list.expires().is_some());
    }

    #[test]
    fn a_zone_without_leap_seconds_and_a_missing_file_are_refused() {
        let read = |file: LeapFile| file.read().err();
        assert_eq!(read(LeapFile::List("/nowhere/list".to_owned())).as_deref(), Some("No such file or directory"));
        assert!(read(LeapFile::Zone(":/proc/version".to_owned())).is_some_and(|reason| reason.contains("tz database")));
    }

    #[test]
    fn the_list_is_preferred_and_the_zone_stands_in_for_it() {
        let list = env::temp_dir().join(format!("slewd-leap-{}.list", std::process::id()));
        fs::write(&list, "3439756800 34\n3550089600 35\n3692217600 36\n").expect("a file in the temporary directory");
        let path = list.to_str().expect("a plain path").to_owned();
        let both =
            FilePaths { leap_sec_list: Some(path), leap_sec_tz: Some("/nowhere".to_owned()), ..Default::default() };
        assert!(matches!(LeapFile::find(&both), Some((LeapFile::List(_), _))));
        fs::remove_file(&list).expect("it was there");
        assert!(LeapFile::find(&both).is_none());
    }
}
