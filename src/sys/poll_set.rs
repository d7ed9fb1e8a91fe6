//! One wait for many descriptors, each under the name that its owner knows it by.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::PollFlags;

use crate::time::Span;

/// The descriptors of one wait. It is filled anew for each, and allocates only when there are more of them than ever before.
#[derive(Debug)]
pub struct PollSet<T> {
    descriptors: Vec<libc::pollfd>,
    tokens: Vec<T>,
}

impl<T> Default for PollSet<T> {
    fn default() -> Self {
        PollSet { descriptors: Vec::new(), tokens: Vec::new() }
    }
}

impl<T: Copy> PollSet<T> {
    /// Forgets all descriptors.
    pub fn clear(&mut self) {
        self.descriptors.clear();
        self.tokens.clear();
    }

    /// The next wait ends when this descriptor can be read. Errors and hang-ups always end it.
    pub fn watch(&mut self, descriptor: BorrowedFd<'_>, token: T) {
        self.watch_for(PollFlags::POLLIN, descriptor, token);
    }

    /// The next wait ends when this descriptor is as wanted.
    pub fn watch_for(&mut self, wanted: PollFlags, descriptor: BorrowedFd<'_>, token: T) {
        self.descriptors.push(libc::pollfd { fd: descriptor.as_raw_fd(), events: wanted.bits(), revents: 0 });
        self.tokens.push(token);
    }

    /// Waits for one of them, or for this long; without a time for ever. A signal ends the wait early.
    ///
    /// # Errors
    /// The errors of poll(2) but EINTR: there are more descriptors than RLIMIT_NOFILE allows, or there is no memory.
    pub fn wait(&mut self, time: Option<Span>) -> io::Result<()> {
        let count = libc::nfds_t::try_from(self.descriptors.len()).unwrap_or(libc::nfds_t::MAX);
        // SAFETY: the vector has `count` entries. A number that was closed since is reported as such, nothing worse.
        let found = unsafe { libc::poll(self.descriptors.as_mut_ptr(), count, milliseconds(time)) };
        match Errno::result(found) {
            Ok(_) => Ok(()),
            Err(Errno::EINTR) => {
                self.descriptors.iter_mut().for_each(|descriptor| descriptor.revents = 0);
                Ok(())
            }
            Err(reason) => Err(reason.into()),
        }
    }

    /// The tokens of the descriptors that ended the wait, in the order in which they were added.
    pub fn ready(&self) -> impl Iterator<Item = T> {
        let all = self.descriptors.iter().zip(&self.tokens);
        all.filter(|(descriptor, _)| descriptor.revents != 0).map(|(_, token)| *token)
    }
}

/// Rounded up: waking a moment too early would only mean to wait again. A negative number is for ever.
fn milliseconds(time: Option<Span>) -> libc::c_int {
    let Some(time) = time else { return -1 };
    let milliseconds = time.nanos().max(0).saturating_add(999_999) / 1_000_000;
    libc::c_int::try_from(milliseconds).unwrap_or(libc::c_int::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn who_is_ready_is_named_in_order_and_nobody_else() {
        let pairs: Vec<_> = (0..3).map(|_| UnixStream::pair().expect("sockets")).collect();
        let mut set = PollSet::default();
        let mut ready = |written: &[usize]| {
            for place in written {
                (&pairs[*place].1).write_all(b"x").expect("room");
            }
            set.clear();
            pairs.iter().enumerate().for_each(|(place, pair)| set.watch(pair.0.as_fd(), place));
            set.wait(Some(Span::ZERO)).expect("poll");
            set.ready().collect::<Vec<_>>()
        };
        assert_eq!(ready(&[]), []);
        assert_eq!(ready(&[2]), [2]);
        assert_eq!(ready(&[0]), [0, 2]);
    }

    #[test]
    fn a_descriptor_that_can_be_written_is_waited_for_when_that_is_wanted() {
        let (near, _far) = UnixStream::pair().expect("sockets");
        let mut set = PollSet::default();
        set.watch(near.as_fd(), 'r');
        set.watch_for(PollFlags::POLLOUT, near.as_fd(), 'w');
        set.wait(None).expect("poll");
        assert_eq!(set.ready().collect::<Vec<_>>(), ['w']);
    }

    #[test]
    fn a_wait_is_rounded_up_to_milliseconds() {
        assert_eq!(milliseconds(None), -1);
        assert_eq!(milliseconds(Some(Span::from_nanos(-1))), 0);
        assert_eq!(milliseconds(Some(Span::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Span::from_nanos(2_000_000))), 2);
        assert_eq!(milliseconds(Some(Span::from_secs(10_000_000))), libc::c_int::MAX);
    }
}
