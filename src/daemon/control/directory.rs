//! The directory of the Unix socket. Who can search it can do with the daemon what he likes, so it is closed to others.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;

use crate::daemon::drift_file::plain;
use crate::sys::privileges;

/// Bits that the directory may have: all of its owner and its group.
const ALLOWED: u32 = 0o770;
/// What becomes of a directory that is made for this purpose alone, and is open to others.
const TIGHTENED: u32 = 0o750;
/// Made for this purpose alone, as it is called by the various builds of chrony. Service managers make it with the bits
/// 0755, and so does whoever writes the PID file.
const OURS: [&str; 2] = ["/run/chrony", "/var/run/chrony"];

/// Who the daemon is going to be once root is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// Makes the directory if it is missing, and closes the default one to others.
///
/// # Errors
/// Why there can be no socket in it, in chronyd's words where it has some.
pub(super) fn prepare(directory: &Path, owner: Owner) -> Result<(), String> {
    let shown = directory.display();
    match fs::metadata(directory) {
        Ok(there) if there.is_dir() => check(directory, &there, owner),
        Ok(_) => Err(format!("{shown} is not a directory")),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => create(directory, owner)
            .map_err(|reason| format!("Could not create directory {shown} : {}", plain(&reason))),
        Err(reason) => Err(format!("Could not access {shown} : {}", plain(&reason))),
    }
}

fn create(directory: &Path, owner: Owner) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    DirBuilder::new().mode(0o700).create(directory)?;
    own(directory, owner, ALLOWED)
}

fn check(directory: &Path, there: &Metadata, owner: Owner) -> Result<(), String> {
    let is_closed = there.mode() & 0o777 & !ALLOWED == 0;
    if is_closed && there.uid() == owner.uid {
        return Ok(());
    }
    // A service manager or an earlier run may have made it for another account than the one that runs now.
    let is_ours = there.uid() == owner.uid || privileges::is_root();
    let is_default = OURS.iter().any(|ours| directory == Path::new(ours));
    if is_default && is_ours && own(directory, owner, TIGHTENED).is_ok() {
        return Ok(());
    }
    let shown = directory.display();
    Err(if is_closed {
        format!("Wrong owner of {shown} (it has to be that of the daemon: chown {} {shown})", owner.uid)
    } else {
        format!("Wrong permissions on {shown} (nobody but its owner and group may get in: chmod 0750 {shown})")
    })
}

fn own(directory: &Path, owner: Owner, mode: u32) -> io::Result<()> {
    if privileges::is_root() {
        chown(directory, Some(owner.uid), Some(owner.gid))?;
    }
    fs::set_permissions(directory, Permissions::from_mode(mode))
}
