//! Filters as the kernel wants them, and what happens to a call that they refuse.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;

use libc::{c_int, c_void};
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::calls::{self, Rule};
use super::{List, Otherwise, REFUSED};

/// What the kernel does with a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Allow,
    /// With this errno.
    Fail(libc::c_int),
    /// SIGSYS.
    Trap,
}

/// Filters the calls of this thread and of what it starts.
pub(super) fn install(list: List, otherwise: Otherwise) -> io::Result<()> {
    let refuse = |errno| if otherwise == Otherwise::Ends { Action::Trap } else { Action::Fail(errno) };
    match list {
        List::Needed => {
            if otherwise == Otherwise::Fails {
                handle_refusals()?;
            }
            apply(calls::QUIET, Action::Fail(libc::ENOSYS), Action::Allow)?;
            apply(calls::PROCESSES, refuse(libc::EPERM), Action::Allow)?;
            apply(&calls::needed(), Action::Allow, Action::Trap)?;
        }
        List::Harmless => apply(calls::HARMFUL, refuse(libc::EPERM), Action::Allow)?,
        List::NoClock => apply(calls::CLOCK, refuse(libc::EPERM), Action::Allow)?,
    }
    Ok(())
}

/// The part of `siginfo_t` that belongs to SIGSYS on machines of 64 bits (asm-generic/siginfo.h).
#[repr(C)]
struct Denial {
    signal: c_int,
    errno: c_int,
    code: c_int,
    padding: c_int,
    address: *mut c_void,
    call: c_int,
    machine: u32,
}

fn apply(rules: &[(i64, Rule)], on_match: Action, otherwise: Action) -> io::Result<()> {
    let program = compile(rules, on_match, otherwise).map_err(io::Error::other)?;
    let filter = libc::sock_fprog {
        len: program.len() as libc::c_ushort,
        // Both are the kernel's `struct sock_filter`.
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the pointers are live, and the kernel copies what they point to.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) })?;
    Ok(())
}

fn compile(
    rules: &[(i64, Rule)],
    on_match: Action,
    otherwise: Action,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut compiled = BTreeMap::new();
    for (call, rule) in rules {
        compiled.insert(*call, rule.compiled()?);
    }
    let machine = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(compiled, otherwise.into(), on_match.into(), machine)?.try_into()
}

impl From<Action> for SeccompAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Allow => SeccompAction::Allow,
            Action::Fail(errno) => SeccompAction::Errno(errno as u32),
            Action::Trap => SeccompAction::Trap,
        }
    }
}

impl Rule {
    fn compiled(self) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
        let one = |argument, mask, value| {
            let operator = SeccompCmpOp::MaskedEq(mask);
            let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
            SeccompRule::new(vec![condition])
        };
        match self {
            Rule::Always => Ok(Vec::new()),
            Rule::OneOf(argument, values) => {
                values.iter().map(|value| one(argument, u64::from(u32::MAX), *value)).collect()
            }
            Rule::Masked(argument, pairs) => pairs.iter().map(|(mask, value)| one(argument, *mask, *value)).collect(),
        }
    }
}

fn handle_refusals() -> io::Result<()> {
    let flags = SaFlags::SA_SIGINFO | SaFlags::SA_NODEFER | SaFlags::SA_RESTART;
    let action = SigAction::new(SigHandler::SigAction(refuse), flags, SigSet::empty());
    // SAFETY: `refuse` makes no call at all: two numbers are read and two are stored.
    unsafe { sigaction(Signal::SIGSYS, &action) }?;
    SigSet::from_iter([Signal::SIGSYS]).thread_unblock()?;
    Ok(())
}

extern "C" fn refuse(_: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes both, and for SIGSYS the first has this shape.
    unsafe {
        REFUSED.store((*info.cast::<Denial>()).call, Ordering::Relaxed);
        let machine = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext;
        // The register that holds the result of a call.
        #[cfg(target_arch = "x86_64")]
        let result = &mut machine.gregs[libc::REG_RAX as usize];
        #[cfg(target_arch = "aarch64")]
        let result = &mut machine.regs[0];
        #[cfg(target_arch = "riscv64")]
        let result = &mut machine.__gregs[FIRST_ARGUMENT];
        *result = -libc::ENOSYS as _;
    }
}

/// Register a0 of the RISC-V calling convention.
#[cfg(target_arch = "riscv64")]
const FIRST_ARGUMENT: usize = 10;
