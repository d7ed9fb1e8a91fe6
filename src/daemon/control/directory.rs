//! The directory of the Unix socket. Who can search it can do anything with the daemon, so it is closed to others.

use std::fs::{self, DirBuilder, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::errno::Errno;

use crate::daemon::os_error::plain;
use crate::sys::privileges;

/// Bits that the directory may have: all of its owner and its group.
const ALLOWED: u32 = 0o770;
/// What becomes of a directory that is made for this purpose alone, and is open to others.
const TIGHTENED: u32 = 0o750;
/// Made for this purpose alone, as it is called by the various builds of chrony. Service managers make it with the bits
/// 0755, and so does whoever writes the PID file.
const OURS: [&str; 2] = ["/run/chrony", "/var/run/chrony"];

/// The account that the daemon runs as once root is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// Makes the directory of this socket if it is missing, and closes the default one to others.
///
/// # Errors
/// Why there can be no socket in it, in chronyd's words where it has some.
pub(super) fn prepare(socket: &Path, owner: Owner) -> Result<(), String> {
    let directory = socket.parent().unwrap_or(socket);
    let shown = directory.display();
    match fs::metadata(directory) {
        // A daemon that runs there would lose the way to its own socket.
        Ok(_) if is_listened_on(socket) => Err(plain(&Errno::EADDRINUSE.into())),
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
    // For a dynamic user with RuntimeDirectoryPreserve= systemd makes a link to /run/private. Only root can make one in /run.
    let real = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    if is_default && is_ours && own(&real, owner, TIGHTENED).is_ok() {
        return Ok(());
    }
    let shown = directory.display();
    Err(if is_closed {
        format!("Wrong owner of {shown} (it has to be that of the daemon: chown {} {shown})", owner.uid)
    } else {
        format!("Wrong permissions on {shown} (nobody but its owner and group may get in: chmod 0750 {shown})")
    })
}

/// Gives a directory to its owner, as long as there are rights to, and these bits to it. Not what a link in its place
/// leads to: whoever owns its parent may have changed it meanwhile.
///
/// # Errors
/// ENOTDIR and ELOOP for anything else; those of fchown(2) and fchmod(2).
pub fn own(directory: &Path, owner: Owner, mode: u32) -> io::Result<()> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(directory)?;
    if privileges::is_root() {
        fchown(&opened, Some(owner.uid), Some(owner.gid))?;
    }
    opened.set_permissions(Permissions::from_mode(mode))
}

/// Whether a daemon answers there, or would.
pub(super) fn is_listened_on(path: &Path) -> bool {
    UnixDatagram::unbound().and_then(|socket| socket.connect(path)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn a_link_in_the_place_of_the_directory_is_not_followed() {
        let parent = std::env::temp_dir().join(format!("slewd-link-{}", std::process::id()));
        let (victim, link) = (parent.join("victim"), parent.join("link"));
        DirBuilder::new().recursive(true).mode(0o755).create(&victim).expect("a temporary directory");
        let before = fs::metadata(&victim).expect("it is there").mode();
        std::os::unix::fs::symlink(&victim, &link).expect("own directory");
        let (uid, gid) = privileges::own_ids();
        assert!(own(&link, Owner { uid, gid }, 0o700).is_err());
        assert_eq!(fs::metadata(&victim).expect("it is there").mode(), before);
        fs::remove_dir_all(parent).expect("own directory");
    }

    #[test]
    fn the_directory_of_a_daemon_that_runs_as_somebody_else_is_not_taken_over() {
        let directory = std::env::temp_dir().join(format!("slewd-neighbour-{}", std::process::id()));
        let socket = directory.join("chronyd.sock");
        DirBuilder::new().mode(0o700).create(&directory).expect("a temporary directory");
        let (uid, gid) = privileges::own_ids();
        let somebody = Owner { uid: uid + 1, gid };
        let neighbour = UnixDatagram::bind(&socket).expect("own directory");
        assert_eq!(prepare(&socket, somebody), Err("Address already in use".to_owned()));
        drop(neighbour);
        assert!(prepare(&socket, somebody).is_err_and(|reason| reason.starts_with("Wrong owner")));
        assert_eq!(prepare(&socket, Owner { uid, gid }), Ok(()));
        fs::remove_dir_all(directory).expect("own directory");
    }
}
