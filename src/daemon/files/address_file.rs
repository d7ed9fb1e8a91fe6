//! The addresses that last told the time, beside the drift file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use log::{info, warn};

use crate::core::api::last_good::{self, LastGood};
use crate::core::api::settings::Family;
use crate::daemon::files::opening::read_regular;
use crate::daemon::files::state_file::{self, StateFile};
use crate::daemon::os_error::plain;

/// Sixteen addresses and their names fit many times.
const MAX_BYTES: u64 = 16 * 1024;

/// Where it is.
pub fn path(drift_file: &Path) -> PathBuf {
    state_file::beside(drift_file, ".addresses")
}

/// Reads it, without addresses of a family that is not wanted. A missing file is silent, an unreadable one is one line
/// in the log.
pub fn read(path: &Path, family: Family) -> Vec<LastGood> {
    let bytes = match read_regular(path, MAX_BYTES) {
        Err(reason) if reason.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(reason) => {
            warn!("Could not read {} : {}", path.display(), plain(&reason));
            return Vec::new();
        }
        Ok(bytes) => bytes,
    };
    let mut known = last_good::parse(&String::from_utf8_lossy(&bytes));
    for good in &mut known {
        good.addresses.retain(|address| family.includes(address));
    }
    let count: usize = known.iter().map(|good| good.addresses.len()).sum();
    if count > 0 {
        info!("{count} addresses that were good last time read from {}", path.display());
    }
    known
}

/// The file, to be written.
#[derive(Clone, Debug)]
pub struct AddressFile(StateFile);

impl AddressFile {
    /// Nothing is done to it yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        AddressFile(StateFile::new(path, "the addresses are not remembered"))
    }

    /// Replaces the file at once or not at all.
    pub fn write(&self, known: &[LastGood]) {
        self.0.replace(last_good::to_text(known));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_is_read_back_and_garbage_is_survived() {
        let directory = std::env::temp_dir().join(format!("slewd-addresses-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a temporary directory");
        let path = path(&directory.join("drift"));
        assert_eq!(path.file_name().and_then(|name| name.to_str()), Some("drift.addresses"));
        assert_eq!(read(&path, Family::Any), []);
        let addresses = ["2001:db8::1", "192.0.2.1"].map(|text| text.parse().expect("an address")).to_vec();
        AddressFile::new(&path).write(&[LastGood { name: "pool.example".into(), addresses: addresses.clone() }]);
        state_file::finish(Duration::from_secs(60));
        assert_eq!(read(&path, Family::Any)[0].addresses, addresses);
        assert_eq!(read(&path, Family::V4)[0].addresses, addresses[1..]);
        fs::write(&path, [0xff; 100_000]).expect("own directory");
        assert_eq!(read(&path, Family::Any), []);
        assert_eq!(read(&directory, Family::Any), [], "a directory");
        fs::remove_dir_all(directory).expect("own directory");
    }
}
