//! Capabilities, and giving up root while keeping the right to set the clock.
//!
//! Capabilities belong to a thread: call these before any other thread is started, which then inherits the result.

use std::io;

use libc::c_int;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{self, ForkResult, Gid, Uid};

/// The few capabilities a time daemon may need, by their numbers in linux/capability.h.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Capability {
    /// Files whatever their permissions say.
    DacOverride = 1,
    /// Signals to processes of others.
    Kill = 5,
    /// Becoming another group.
    SetGid = 6,
    /// Becoming another user.
    SetUid = 7,
    /// Ports below 1024 (`acquisitionport 123`).
    NetBindService = 10,
    /// Telling network cards to stamp packets (`hwtimestamp`).
    NetAdmin = 12,
    /// SO_BINDTODEVICE before Linux 5.7 (`bindacqdevice`).
    NetRaw = 13,
    /// Steering and setting the clock.
    SysTime = 25,
}

/// A user to become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
}

/// Looks a user up by name (getpwnam_r(3)); `None` if there is none.
pub fn find_user(name: &str) -> io::Result<Option<User>> {
    Ok(unistd::User::from_name(name)?.map(User::from))
}

/// Looks a user up by number (getpwuid_r(3)); `None` if there is none.
pub fn find_user_id(uid: u32) -> io::Result<Option<User>> {
    Ok(unistd::User::from_uid(Uid::from_raw(uid))?.map(User::from))
}

impl From<unistd::User> for User {
    fn from(user: unistd::User) -> Self {
        User { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() }
    }
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    unistd::geteuid().is_root()
}

/// Effective user and group id.
pub fn own_ids() -> (u32, u32) {
    (unistd::geteuid().as_raw(), unistd::getegid().as_raw())
}

/// Whether the kernel will let this process change the clock; true as well if capabilities cannot be read.
///
/// A user namespace or a sandbox may still refuse: only the attempt tells for sure (`clock::try_control`).
pub fn has_cap_sys_time() -> bool {
    holds(Capability::SysTime)
}

/// Whether this process has a capability; true as well if capabilities cannot be read.
pub fn holds(capability: Capability) -> bool {
    get_capabilities().map_or(true, |held| held.effective & held.permitted & capability.bit() != 0)
}

/// Becomes `user` for good: no supplementary groups, and of root's capabilities only those in `keep`.
///
/// # Errors
/// PermissionDenied naming the capability if one in `keep` is not held now; otherwise those of setgroups(2), setgid(2),
/// setuid(2), capset(2) and prctl(2). After an error the process may be half way and should end.
pub fn drop_root(user: &User, keep: &[Capability]) -> io::Result<()> {
    let held = get_capabilities()?;
    if let Some(missing) = keep.iter().find(|wanted| held.permitted & wanted.bit() == 0) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} is not held", missing.name())));
    }
    prctl::set_keepcaps(true)?;
    change_ids(user.uid, user.gid)?;
    keep_only(keep)?;
    prctl::set_keepcaps(false)?;
    Ok(())
}

/// Gives up all capabilities but these, which are held, for good: also those that survive exec(3), the ambient ones of a
/// service.
///
/// # Errors
/// The errors of capset(2).
pub fn keep_only(kept: &[Capability]) -> io::Result<()> {
    let bits = kept.iter().fold(0, |bits, capability| bits | capability.bit());
    clear_ambient();
    set_capabilities(CapabilitySet { effective: bits, permitted: bits, inheritable: 0 })
}

/// Whether root can become this user: tried in a process of its own, because in a user namespace the capability tells
/// nothing.
///
/// Call it while there is one thread only.
///
/// # Errors
/// The errors of fork(2), setgroups(2), setgid(2) and setuid(2).
pub fn can_become(user: &User) -> io::Result<()> {
    // SAFETY: the child makes system calls only, and ends.
    match unsafe { unistd::fork() }? {
        ForkResult::Child => {
            let errno = change_ids(user.uid, user.gid).err().map_or(0, |errno| errno as c_int);
            // SAFETY: _exit takes any status. Numbers of these errors fit in a byte.
            unsafe { libc::_exit(errno) }
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, errno) => Err(io::Error::from_raw_os_error(errno)),
            _ => Err(io::ErrorKind::Other.into()),
        },
    }
}

/// Without supplementary groups. Makes system calls only.
fn change_ids(uid: u32, gid: u32) -> nix::Result<()> {
    unistd::setgroups(&[])?;
    unistd::setgid(Gid::from_raw(gid))?;
    unistd::setuid(Uid::from_raw(uid))
}

fn clear_ambient() {
    // SAFETY: numbers only. Kernels before 4.3 do not know it and have none.
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
}

impl Capability {
    /// The name people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Capability::DacOverride => "CAP_DAC_OVERRIDE",
            Capability::Kill => "CAP_KILL",
            Capability::SetGid => "CAP_SETGID",
            Capability::SetUid => "CAP_SETUID",
            Capability::NetBindService => "CAP_NET_BIND_SERVICE",
            Capability::NetAdmin => "CAP_NET_ADMIN",
            Capability::NetRaw => "CAP_NET_RAW",
            Capability::SysTime => "CAP_SYS_TIME",
        }
    }

    fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// `struct __user_cap_header_struct` of linux/capability.h.
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

/// `struct __user_cap_data_struct`: one half (32 capabilities) of the sets.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct CapabilitySet {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// _LINUX_CAPABILITY_VERSION_3: two halves, 64 capabilities.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

// glibc and musl export these, but no header of theirs (and so not the libc crate) declares them.
unsafe extern "C" {
    fn capget(header: *mut CapabilityHeader, data: *mut CapabilitySet) -> c_int;
    fn capset(header: *mut CapabilityHeader, data: *const CapabilitySet) -> c_int;
}

/// The lower half, which has all that we know.
fn get_capabilities() -> io::Result<CapabilitySet> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let mut halves = [CapabilitySet::default(); 2];
    // SAFETY: version 3 writes two halves, and the array has two.
    Errno::result(unsafe { capget(&mut header, halves.as_mut_ptr()) })?;
    Ok(halves[0])
}

fn set_capabilities(lower: CapabilitySet) -> io::Result<()> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let halves = [lower, CapabilitySet::default()];
    // SAFETY: version 3 reads two halves, and the array has two.
    Errno::result(unsafe { capset(&mut header, halves.as_ptr()) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::not_run::not_run;

    const ROLE: &str = "SLEWD_TEST_DROPS_ROOT";

    /// One hexadecimal or decimal field of this thread's status file.
    fn status_field(name: &str) -> String {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    }

    #[test]
    fn the_kernel_and_we_agree_on_our_capabilities() {
        let effective = u64::from_str_radix(&status_field("CapEff"), 16).unwrap();
        assert_eq!(has_cap_sys_time(), effective & (1 << 25) != 0);
    }

    #[test]
    fn users_are_found_by_name() {
        let root = find_user("root").unwrap().expect("everybody has root");
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(find_user("no-such-user-here").unwrap(), None);
    }

    /// Runs itself again in a process of its own, which becomes nobody.
    #[test]
    fn root_is_dropped_for_good_and_the_clock_is_kept() {
        if env::var_os(ROLE).is_some() {
            return become_nobody();
        }
        if !is_root() || !has_cap_sys_time() {
            return not_run("only root with CAP_SYS_TIME can drop the rest");
        }
        let name = "sys::privileges::tests::root_is_dropped_for_good_and_the_clock_is_kept";
        let child = Command::new(env::current_exe().unwrap()).args(["--exact", name]).env(ROLE, "1").output().unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    }

    fn become_nobody() {
        let nobody = User { name: "nobody".into(), uid: 65_534, gid: 65_534 };
        drop_root(&nobody, &[Capability::SysTime]).unwrap();
        crate::sys::confinement::confine();
        assert!(!is_root() && has_cap_sys_time());
        assert_eq!(status_field("CapEff"), format!("{:016x}", 1 << 25));
        assert_eq!(status_field("CapPrm"), status_field("CapEff"));
        assert_eq!(status_field("Uid").split_whitespace().collect::<Vec<_>>(), ["65534"; 4]);
        assert_eq!(status_field("Gid").split_whitespace().collect::<Vec<_>>(), ["65534"; 4]);
        assert_eq!((status_field("Groups"), status_field("NoNewPrivs")), (String::new(), "1".to_owned()));
        assert!(unistd::setuid(Uid::from_raw(0)).is_err(), "root is gone");
        let error = drop_root(&nobody, &[Capability::NetRaw]).unwrap_err();
        assert!(error.to_string().contains("CAP_NET_RAW"), "{error}");
    }
}
