// SPDX-License-Identifier: GPL-2.0-or-later
//! The system calls that the daemon is left with once its socket, clocks and timers are there: it
//! can open no file, make no connection and start no program, and map nothing that can be run.

use std::collections::BTreeMap;

use seccompiler::{
    apply_filter, BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule,
};
use thiserror::Error;

use crate::args::Seccomp;

/// Why the filter can't be put on.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// It can't be compiled.
    #[error("the system call filter: {0}")]
    Compile(#[from] BackendError),
    /// The kernel doesn't take it.
    #[error("the system call filter isn't taken: {0}; --seccomp=off does without")]
    Apply(#[from] seccompiler::Error),
}

/// What is used in every state, and by what.
const ALLOWED: &[libc::c_long] = &[
    // The front-end's messages and descriptors.
    libc::SYS_accept4,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_lseek,
    libc::SYS_fstat,
    // The loop: kicks, calls, timers. And the log.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_settime,
    // Clocks; the first only where the vDSO can't.
    libc::SYS_clock_gettime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    // Memory and threads; a connection has two.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_prctl,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getpid,
    // Signals, and the end.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_tgkill,
    libc::SYS_unlinkat,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The older forms of some of them.
#[cfg(target_arch = "x86_64")]
const OLDER: &[libc::c_long] = &[libc::SYS_epoll_wait, libc::SYS_poll, libc::SYS_unlink];
/// The older forms of some of them.
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[libc::c_long] = &[];

/// What the C library and the standard library do where nobody asks for it (when memory is given
/// back, or a backtrace is printed), and do without where it fails: it fails.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_readlinkat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_getcwd,
    libc::SYS_ioctl,
];

/// The older forms of some of them.
#[cfg(target_arch = "x86_64")]
const OLDER_REFUSED: &[libc::c_long] = &[libc::SYS_open, libc::SYS_stat, libc::SYS_readlink];
/// The older forms of some of them.
#[cfg(not(target_arch = "x86_64"))]
const OLDER_REFUSED: &[libc::c_long] = &[];

/// Calls whose third argument says how memory may be used.
const MAPPING: &[libc::c_long] = &[libc::SYS_mmap, libc::SYS_mprotect];

fn filter(action: SeccompAction) -> Result<BpfProgram, BackendError> {
    let not_executable = SeccompCondition::new(
        2,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64),
        0,
    )?;
    let mut rules = BTreeMap::new();
    // Those that are refused are so by the other filter.
    for &call in [ALLOWED, OLDER, REFUSED, OLDER_REFUSED]
        .into_iter()
        .flatten()
    {
        rules.insert(call, vec![]);
    }
    for &call in MAPPING {
        rules.insert(call, vec![SeccompRule::new(vec![not_executable.clone()])?]);
    }
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, action, SeccompAction::Allow, arch)?.try_into()
}

/// Has the refused calls fail, and lets all others through to the filter above.
fn refusal() -> Result<BpfProgram, BackendError> {
    let calls = REFUSED.iter().chain(OLDER_REFUSED);
    let rules = calls.map(|&call| (call, vec![])).collect();
    let arch = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into()
}

/// Give up all other system calls, in this thread and those that it starts.
pub fn enter(how: Seccomp) -> Result<(), SandboxError> {
    let action = match how {
        Seccomp::Kill => {
            // The kernel does what the stricter of the two says; no more filters can be put on
            // once the other one is.
            apply_filter(&refusal()?)?;
            SeccompAction::KillProcess
        }
        Seccomp::Log => SeccompAction::Log,
        Seccomp::Off => return Ok(()),
    };
    Ok(apply_filter(&filter(action)?)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitStatus};

    use super::*;

    const CHILD: &str = "VHOST_DEVICE_RTC_SANDBOXED";

    /// Run the test of this name in a process of its own, which enters the sandbox.
    fn child(name: &str) -> Option<ExitStatus> {
        if std::env::var_os(CHILD).is_some() {
            enter(Seccomp::Kill).unwrap();
            return None;
        }
        let name = format!("sandbox::tests::{name}");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([&name, "--exact", "--test-threads=1"])
            .env(CHILD, "1");
        Some(command.status().unwrap())
    }

    fn is_killed(name: &str, act: fn()) {
        match child(name) {
            None => act(),
            Some(status) => assert_eq!(status.signal(), Some(libc::SIGSYS), "{status}"),
        }
    }

    #[test]
    fn opening_a_file_fails() {
        let Some(status) = child("opening_a_file_fails") else {
            let error = std::fs::File::open("/dev/null").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EPERM));
            // glibc looks into /proc before it gives memory back.
            let give = || drop((0..4096).map(|_| vec![1u8; 4096]).collect::<Vec<_>>());
            std::thread::spawn(give).join().unwrap();
            return;
        };
        assert!(status.success(), "{status}");
    }

    #[test]
    fn a_connection_kills() {
        is_killed("a_connection_kills", || {
            drop(std::net::TcpStream::connect("127.0.0.1:1"))
        });
    }

    #[test]
    fn a_program_kills() {
        is_killed("a_program_kills", || {
            drop(Command::new("/bin/true").status())
        });
    }

    #[test]
    fn executable_memory_kills() {
        is_killed("executable_memory_kills", || {
            use rustix::mm::{mmap_anonymous, MapFlags, ProtFlags};
            let prot = ProtFlags::READ | ProtFlags::EXEC;
            #[allow(unsafe_code)]
            // SAFETY: nobody uses what is mapped, and nothing is, for the process is killed.
            let _ = unsafe { mmap_anonymous(std::ptr::null_mut(), 4096, prot, MapFlags::PRIVATE) };
        });
    }

    #[test]
    fn threads_and_memory_are_left() {
        let status = child("threads_and_memory_are_left");
        let Some(status) = status else {
            let filled = std::thread::spawn(|| vec![1u8; 1 << 22]).join().unwrap();
            assert_eq!(filled.len(), 1 << 22);
            return;
        };
        assert!(status.success(), "{status}");
    }
}
