//! Which account the daemon runs as, and what of root's rights it keeps: as little as its configuration needs.

use std::io;
use std::path::Path;

use log::{debug, warn};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::config::Config;
use crate::core::api::settings::Mode;
use crate::daemon::control::Owner;
use crate::daemon::files::log_files::{self, create_directory};
use crate::daemon::os_error::plain;
use crate::daemon::run::Options;
use crate::sys::privileges::{self, Capability, User};
use crate::sys::{confinement, process};

/// Accounts that were made for a time daemon, ours and those of chrony's packages (Debian, then the others).
const ACCOUNTS: [&str; 3] = ["slewd", "_chrony", "chrony"];

/// Everybody's account, if there is none of these.
const LAST_RESORT: &str = "nobody";

/// The number of `nobody` where there is no list of accounts, and what the kernel itself calls the overflow user.
const LAST_RESORT_ID: u32 = 65_534;

/// Ports below it are for the privileged (ip_unprivileged_port_start of ip(7), if nobody has changed it).
const FIRST_FREE_PORT: u16 = 1024;

/// Since this version of Linux everybody may bind a socket to a device (SO_BINDTODEVICE of socket(7)).
const FREE_DEVICES_SINCE: (u32, u32) = (5, 7);

/// Who the daemon is going to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Whom root becomes; `None` if the daemon remains who it is.
    user: Option<User>,
    /// Root was asked for, by the directive or the flag.
    is_root_wanted: bool,
}

impl Account {
    /// The one of `-u` or the directive `user`. Root without either takes an account without rights; never itself, unless
    /// a container lets nobody change.
    ///
    /// # Errors
    /// The message of a fatal error: no such account.
    pub fn choose(options: &Options, config: &Config) -> Result<Self, String> {
        let itself = |is_root_wanted| Account { user: None, is_root_wanted };
        if !privileges::is_root() {
            return Ok(itself(false));
        }
        if let Some(name) = options.user.as_ref().or(config.process.user.as_ref()) {
            let user = named(name).ok_or_else(|| format!("Could not get user/group ID of {name}"))?;
            return Ok(if user.uid == 0 { itself(true) } else { Account { user: Some(user), is_root_wanted: false } });
        }
        let user = ACCOUNTS.iter().find_map(|name| privileges::find_user(name).ok().flatten());
        let is_last_resort = user.is_none();
        let user = user.unwrap_or_else(last_resort);
        let is_daemon = options.mode == Mode::Discipline;
        if let Err(reason) = privileges::can_become(&user) {
            if is_daemon {
                warn!("Could not become user {} : {} (running as root of a container)", user.name, plain(&reason));
            }
            return Ok(itself(false));
        }
        if is_last_resort && is_daemon {
            warn!(
                "No account {}: running as {} (make an account slewd, or choose one with the directive user)",
                ACCOUNTS.join(", "),
                user.name
            );
        }
        Ok(Account { user: Some(user), is_root_wanted: false })
    }

    /// Whom files are to be given to while there are rights to; `None` if nobody else.
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// Whose files the daemon will be able to write.
    pub fn owner(&self) -> Owner {
        let (uid, gid) = self.user.as_ref().map_or_else(privileges::own_ids, |user| (user.uid, user.gid));
        Owner { uid, gid }
    }

    /// The daemon is going to be root.
    pub fn is_root(&self) -> bool {
        self.owner().uid == 0
    }

    /// Becomes it for good, with no right that is not needed. `cards_may_come`: network cards that have yet to be told to
    /// stamp packets.
    ///
    /// # Errors
    /// The message of a fatal error.
    pub fn assume(
        &self,
        options: &Options,
        config: &Config,
        controls_clock: bool,
        cards_may_come: bool,
    ) -> Result<(), String> {
        let mut kept = needed_later(config, controls_clock, cards_may_come);
        if self.is_root_wanted {
            // Its files may belong to others.
            kept.extend(held(&[(Capability::DacOverride, true)]));
        }
        self.become_with(&kept)?;
        match &self.user {
            Some(user) => debug!("Running as user {}", user.name),
            None if self.is_root_wanted && options.mode == Mode::Discipline => warn!("Running with root privileges"),
            None => {}
        }
        Ok(())
    }

    /// In the process that runs commands: root may run them as somebody else, and kill them, and nothing more.
    ///
    /// # Errors
    /// The message of a fatal error.
    pub fn assume_for_commands(&self) -> Result<(), String> {
        let kept = [Capability::Kill, Capability::SetGid, Capability::SetUid].map(|right| (right, self.is_root()));
        self.become_with(&held(&kept))
    }

    fn become_with(&self, kept: &[Capability]) -> Result<(), String> {
        confinement::bound_capabilities(kept);
        match &self.user {
            Some(user) => privileges::drop_root(user, kept)
                .map_err(|reason| format!("Could not become user {} : {reason}", user.name))?,
            None => privileges::keep_only(kept).map_err(|reason| format!("Could not give up privileges : {reason}"))?,
        }
        confinement::confine();
        Ok(())
    }

    /// Says at once what could not be read or written later.
    pub fn check_directories(&self, config: &Config) {
        let drift = config.files.drift.as_ref().and_then(|drift| Path::new(&drift.path).parent());
        let logs = config.logs.dir.as_ref().filter(|_| log_files::is_wanted(&config.logs)).map(Path::new);
        let (read, write) = (("read", AccessFlags::R_OK), ("write in", AccessFlags::W_OK));
        let needed = [
            (drift, write, "the frequency is not remembered"),
            (config.files.dump_dir.as_ref().map(Path::new), write, "the samples are not remembered"),
            (config.nts.dump_dir.as_ref().map(Path::new), write, "keys of NTS are not remembered"),
            (logs, write, "no log files"),
        ];
        let sources =
            config.source_dirs.iter().flatten().map(|path| (Some(Path::new(path)), read, "no source from there"));
        let known = needed.into_iter().chain(sources).filter_map(|(path, how, loss)| Some((path?, how, loss)));
        for (directory, (verb, flags), loss) in known {
            let Err(errno) = access(directory, flags | AccessFlags::X_OK) else { continue };
            if errno == Errno::ENOENT {
                continue;
            }
            let (shown, name) = (directory.display(), self.name());
            warn!(
                "User {name} cannot {verb} {shown} : {} ({loss}: chown -R {name} {shown}, or choose the account with the \
                 directive user)",
                errno.desc()
            );
        }
    }

    /// Makes the directory of the drift file if there is none, as long as there are rights to.
    pub fn prepare_directories(&self, config: &Config) {
        let Some(user) = &self.user else { return };
        let drift = config.files.drift.as_ref().and_then(|drift| Path::new(&drift.path).parent());
        if let Some(directory) = drift.filter(|directory| !directory.as_os_str().is_empty())
            && let Err(reason) = create_directory(directory, Some(user))
        {
            warn!("Could not create directory {} : {}", directory.display(), plain(&reason));
        }
    }

    fn name(&self) -> String {
        self.user.as_ref().map_or_else(|| privileges::own_ids().0.to_string(), |user| user.name.clone())
    }
}

/// An account by its name or its number. A number needs no list of accounts: its group is then that of this number.
fn named(name: &str) -> Option<User> {
    let find = |found: io::Result<Option<User>>| found.ok().flatten();
    find(privileges::find_user(name)).or_else(|| {
        let uid: u32 = name.parse().ok()?;
        // All bits set would mean "do not change" to setuid(2).
        let is_id = uid != u32::MAX && name.bytes().all(|byte| byte.is_ascii_digit());
        let unlisted = || User { name: name.to_owned(), uid, gid: uid };
        is_id.then(|| find(privileges::find_user_id(uid)).unwrap_or_else(unlisted))
    })
}

fn last_resort() -> User {
    let unlisted = || User { name: LAST_RESORT.to_owned(), uid: LAST_RESORT_ID, gid: LAST_RESORT_ID };
    privileges::find_user(LAST_RESORT).ok().flatten().unwrap_or_else(unlisted)
}

/// What the daemon still has to be able to do when it is not root any more, as far as it may do it now.
fn needed_later(config: &Config, controls_clock: bool, cards_may_come: bool) -> Vec<Capability> {
    let has_privileged_port = config.network.acquisition_port.is_some_and(|port| (1..FIRST_FREE_PORT).contains(&port));
    let has_guarded_device = config.network.bind_acq_device.is_some()
        && process::kernel_version().is_some_and(|version| version < FREE_DEVICES_SINCE);
    let needed = [
        (Capability::SysTime, controls_clock),
        (Capability::NetBindService, has_privileged_port),
        (Capability::NetAdmin, cards_may_come),
        (Capability::NetRaw, has_guarded_device),
    ];
    held(&needed)
}

/// The rights that are needed, as far as there are any.
fn held(rights: &[(Capability, bool)]) -> Vec<Capability> {
    rights
        .iter()
        .filter(|(right, is_needed)| *is_needed && privileges::holds(*right))
        .map(|(right, _)| *right)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_may_be_a_number_that_nobody_has_listed() {
        assert_eq!(named("root").map(|user| (user.uid, user.gid)), Some((0, 0)));
        assert_eq!(named("0").map(|user| user.name), Some("root".to_owned()));
        let unlisted = User { name: "54321".to_owned(), uid: 54_321, gid: 54_321 };
        assert_eq!(named("54321"), Some(unlisted));
        for wrong in ["no-such-user-here", "", "-1", "+5", "4294967295", "4294967296", "1.5"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nobody_is_not_root() {
        assert_ne!(last_resort().uid, 0);
    }
}
