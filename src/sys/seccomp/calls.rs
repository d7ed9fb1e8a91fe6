//! Which system calls are needed, and which are harmful. Numbers differ by machine, names are those of its kernel.
//!
//! The list of the needed ones is verified by tests that run the daemon: in debug builds a call that is missing here is
//! the end of the process.
#![allow(clippy::unnecessary_cast, reason = "the types of these constants differ by C library")]

use libc::*;

/// When a call matches: always, or by one of its arguments, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rule {
    Always,
    /// The lower 32 bits of an argument have one of these values.
    OneOf(u8, &'static [u64]),
    /// The lower 32 bits of an argument, masked, have the value: pairs of both.
    Masked(u8, &'static [(u64, u64)]),
}

type Calls = &'static [(i64, Rule)];

/// All calls of these names, whatever their arguments.
macro_rules! always {
    ($($name:ident)*) => { &[$(($name as i64, Rule::Always)),*] };
}

/// Memory, threads, signals, and what the C library asks of the kernel for itself.
const RUNTIME: Calls = always!(
    SYS_brk SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_madvise SYS_membarrier
    SYS_futex SYS_rseq SYS_set_robust_list SYS_get_robust_list SYS_set_tid_address SYS_sched_yield
    SYS_sched_getaffinity SYS_sched_getparam SYS_sched_getscheduler SYS_sched_get_priority_min
    SYS_sched_get_priority_max SYS_getcpu SYS_exit SYS_exit_group SYS_restart_syscall
    SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigtimedwait SYS_rt_sigpending SYS_sigaltstack
    SYS_tgkill SYS_tkill SYS_wait4 SYS_waitid
    SYS_getpid SYS_getppid SYS_gettid SYS_getpgid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid
    SYS_getresgid SYS_getgroups SYS_getrandom SYS_getrusage SYS_prlimit64 SYS_sysinfo SYS_uname SYS_capget SYS_capset
    SYS_umask SYS_getcwd
);

/// Files of all kinds, and what is made of them.
const FILES: Calls = always!(
    SYS_openat SYS_openat2 SYS_close SYS_close_range SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64
    SYS_lseek SYS_fcntl SYS_flock SYS_dup SYS_dup3 SYS_pipe2 SYS_getdents64 SYS_statx SYS_newfstatat SYS_fstat
    SYS_statfs SYS_fstatfs SYS_faccessat SYS_faccessat2 SYS_readlinkat SYS_unlinkat SYS_renameat2
    SYS_mkdirat SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_ftruncate SYS_fsync SYS_fdatasync SYS_fadvise64
    SYS_utimensat
);

/// Sockets of the kinds that [`SOCKETS`] names, and waiting for them.
const NETWORK: Calls = always!(
    SYS_bind SYS_connect SYS_getsockname SYS_getpeername SYS_setsockopt SYS_getsockopt SYS_sendto SYS_sendmsg
    SYS_sendmmsg SYS_recvfrom SYS_recvmsg SYS_recvmmsg SYS_shutdown SYS_socketpair
    SYS_ppoll SYS_pselect6 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_eventfd2
);

/// Clocks, and memory shared with other programs that know the time.
const CLOCKS: Calls = always!(
    SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_nanosleep SYS_gettimeofday SYS_clock_adjtime SYS_adjtimex
    SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime SYS_signalfd4
    SYS_shmget SYS_shmat SYS_shmdt SYS_shmctl
);

/// The kinds of sockets (socket(2), first argument).
const SOCKETS: &[u64] = &[AF_UNIX as u64, AF_INET as u64, AF_INET6 as u64, AF_NETLINK as u64];

/// Signals that slewd sends to other processes: none, to see whether somebody is there.
const SENT_SIGNALS: &[u64] = &[0];

/// A new process, and not a thread.
const NEW_PROCESS: &[(u64, u64)] = &[(CLONE_THREAD as u64, 0)];

/// What prctl(2) is asked for: names, filters, rights given up, and names of memory (PR_SET_VMA).
const SETTINGS: &[u64] = &[
    PR_SET_NAME as u64,
    PR_GET_NAME as u64,
    PR_SET_SECCOMP as u64,
    PR_GET_SECCOMP as u64,
    PR_SET_NO_NEW_PRIVS as u64,
    PR_GET_NO_NEW_PRIVS as u64,
    PR_SET_DUMPABLE as u64,
    PR_GET_DUMPABLE as u64,
    PR_CAP_AMBIENT as u64,
    PR_CAPBSET_READ as u64,
    PR_SET_TIMERSLACK as u64,
    PR_SET_VMA as u64,
];

const WORD: u64 = u32::MAX as u64;

/// The group of an ioctl: its second byte (_IOC_TYPE of asm-generic/ioctl.h).
const GROUP: u64 = 0xff00;

/// Questions to sockets, terminals and clocks: not the input that a terminal would take for typed (TIOCSTI).
const REQUESTS: &[(u64, u64)] = &[
    (WORD, FIONREAD as u64),
    (WORD, FIONBIO as u64),
    (WORD, FIOCLEX as u64),
    (WORD, TCGETS as u64),
    (WORD, TIOCGWINSZ as u64),
    // Names, addresses and features of interfaces: 0x8900 to 0x89ff (linux/sockios.h).
    (GROUP, 0x8900),
    // Clocks of network devices (linux/ptp_clock.h).
    (GROUP, (b'=' as u64) << 8),
    // Pulses (linux/pps.h) and hardware clocks (linux/rtc.h).
    (GROUP, (b'p' as u64) << 8),
];

const BY_ARGUMENT: Calls = &[
    (SYS_socket as i64, Rule::OneOf(0, SOCKETS)),
    (SYS_kill as i64, Rule::OneOf(1, SENT_SIGNALS)),
    // See PROCESSES.
    (SYS_clone as i64, Rule::Always),
    // Its flags are in memory, where no filter looks: see QUIET.
    (SYS_clone3 as i64, Rule::Always),
    (SYS_prctl as i64, Rule::OneOf(0, SETTINGS)),
    (SYS_ioctl as i64, Rule::Masked(1, REQUESTS)),
];

/// Older names for some of the above, which libraries still use.
#[cfg(target_arch = "x86_64")]
const OLDER: Calls = always!(
    SYS_open SYS_stat SYS_lstat SYS_access SYS_readlink SYS_unlink SYS_rename SYS_renameat SYS_mkdir SYS_rmdir SYS_chmod
    SYS_chown SYS_lchown SYS_pipe SYS_dup2 SYS_poll SYS_select SYS_epoll_create SYS_epoll_wait SYS_eventfd SYS_signalfd
    SYS_time SYS_getrlimit SYS_arch_prctl SYS_getpgrp SYS_getdents
);
#[cfg(target_arch = "aarch64")]
const OLDER: Calls = always!(SYS_renameat SYS_getrlimit);
#[cfg(target_arch = "riscv64")]
const OLDER: Calls = &[
    // riscv_hwprobe(2) and riscv_flush_icache(2), which the libc crate does not name.
    (258, Rule::Always),
    (259, Rule::Always),
];

/// Everything that the daemon and its threads need.
pub(super) fn needed() -> Vec<(i64, Rule)> {
    [RUNTIME, FILES, NETWORK, CLOCKS, BY_ARGUMENT, OLDER].concat()
}

/// Refused without a word, because the C library expects that and then asks in a way that can be judged: a thread by
/// clone(2).
pub(super) const QUIET: Calls = always!(SYS_clone3);

/// Threads are needed, processes are not. The C library blocks all signals while it makes one, SIGSYS too, so that this
/// refusal cannot be told of.
pub(super) const PROCESSES: Calls = &[(SYS_clone as i64, Rule::Masked(0, NEW_PROCESS))];

/// What sets a clock.
pub(super) const CLOCK: Calls = always!(SYS_clock_settime SYS_clock_adjtime SYS_adjtimex SYS_settimeofday);

/// What administers a machine, looks into other processes, or has had many holes. No capability is left that most of them
/// need; some need none.
pub(super) const HARMFUL: Calls = always!(
    SYS_acct SYS_add_key SYS_bpf SYS_chroot SYS_clock_settime SYS_delete_module SYS_fanotify_init SYS_finit_module
    SYS_fsmount SYS_fsopen SYS_fspick SYS_init_module SYS_io_uring_enter SYS_io_uring_register SYS_io_uring_setup SYS_kcmp
    SYS_kexec_load SYS_keyctl SYS_mount SYS_move_mount SYS_name_to_handle_at SYS_nfsservctl SYS_open_by_handle_at
    SYS_open_tree SYS_perf_event_open SYS_pivot_root SYS_process_vm_readv SYS_process_vm_writev SYS_ptrace SYS_quotactl
    SYS_reboot SYS_request_key SYS_setdomainname SYS_sethostname SYS_setns SYS_settimeofday SYS_swapoff SYS_swapon
    SYS_syslog SYS_umount2 SYS_unshare SYS_userfaultfd SYS_vhangup
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_call_is_listed_twice_or_needed_and_harmful() {
        let needed = needed();
        let names: BTreeSet<i64> = needed.iter().map(|(call, _)| *call).collect();
        assert_eq!(names.len(), needed.len());
        assert!(HARMFUL.iter().all(|(call, _)| !names.contains(call)));
    }
}
