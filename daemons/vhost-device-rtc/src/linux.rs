// SPDX-License-Identifier: GPL-2.0-or-later
//! The machine's own clocks, and the timers that wait on them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::time::{
    clock_gettime, timerfd_create, timerfd_settime, ClockId, Itimerspec, TimerfdClockId,
    TimerfdFlags, TimerfdTimerFlags, Timespec,
};

use crate::clocks::Deadline;
use crate::host::{Base, Host, Kernel, SECOND};
use crate::kind::Kind;
use crate::sys;

/// How often a clock is read between two counter readings, of which the closest two are taken.
const TRIES: usize = 5;

/// The machine this runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Linux;

fn read(base: Base) -> u64 {
    let time = clock_gettime(match base {
        Base::Civil => ClockId::Tai,
        Base::Elapsed => ClockId::Boottime,
    });
    // Before 1970 there were no such clocks.
    (time.tv_sec.max(0) as u64)
        .saturating_mul(SECOND)
        .saturating_add(time.tv_nsec as u64)
}

impl Host for Linux {
    fn now(&mut self, base: Base) -> u64 {
        read(base)
    }

    fn now_with_counter(&mut self, base: Base) -> Option<(u64, u64)> {
        let mut best: Option<(u64, u64, u64)> = None;
        let mut before = sys::counter()?;
        for _ in 0..TRIES {
            let now = read(base);
            let after = sys::counter()?;
            let apart = after.wrapping_sub(before);
            if best.is_none_or(|(least, ..)| apart < least) {
                best = Some((apart, now, before.wrapping_add(apart / 2)));
            }
            before = after;
        }
        best.map(|(_, now, counter)| (now, counter))
    }

    fn kernel(&mut self) -> Kernel {
        sys::kernel()
    }

    fn has_counter(&self) -> bool {
        sys::counter().is_some()
    }
}

/// A timer for the alarm of a clock.
#[derive(Debug)]
pub struct Timer {
    fd: OwnedFd,
    flags: TimerfdTimerFlags,
    armed: bool,
}

impl Timer {
    /// A timer on the host's clock that [`crate::clocks::Clocks::deadline`] gives for this kind.
    pub fn new(kind: Kind) -> io::Result<Timer> {
        let (clock, flags) = match kind {
            Kind::Monotonic => (TimerfdClockId::Boottime, TimerfdTimerFlags::ABSTIME),
            // A step of the clock, either way, wakes it.
            _ => (
                TimerfdClockId::Realtime,
                TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET,
            ),
        };
        let fd = timerfd_create(clock, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        Ok(Timer {
            fd,
            flags,
            armed: false,
        })
    }

    /// Wake at this time and no more at others, or not at all.
    pub fn set(&mut self, deadline: Option<Deadline>) -> io::Result<()> {
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let value = match deadline {
            None if !self.armed => return Ok(()),
            None => zero,
            Some(Deadline::Realtime(time) | Deadline::Elapsed(time)) => {
                // 0 would be never.
                let time = time.max(1);
                Timespec {
                    tv_sec: (time / SECOND) as i64,
                    tv_nsec: (time % SECOND) as i64,
                }
            }
        };
        let value = Itimerspec {
            it_interval: zero,
            it_value: value,
        };
        match timerfd_settime(&self.fd, self.flags, &value) {
            // The clock was stepped in the meantime, and the timer is set all the same.
            Ok(_) | Err(Errno::CANCELED) => {}
            Err(error) => return Err(error.into()),
        }
        self.armed = deadline.is_some();
        Ok(())
    }

    /// It is readable: let it become unreadable. Why it was doesn't matter, for the clock is
    /// looked at anyway.
    pub fn clear(&self) {
        let mut times = [0; 8];
        // ECANCELED: the clock was stepped. EAGAIN: it was set anew since.
        let _ = rustix::io::read(&self.fd, &mut times);
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{poll, PollFd, PollFlags};

    use super::*;

    fn readable(timer: &Timer, ms: i64) -> bool {
        let timeout = Timespec {
            tv_sec: ms / 1000,
            tv_nsec: ms % 1000 * 1_000_000,
        };
        let mut fds = [PollFd::new(timer, PollFlags::IN)];
        poll(&mut fds, Some(&timeout)).unwrap() == 1
    }

    #[test]
    fn clocks_go_forward() {
        let mut host = Linux;
        for base in [Base::Civil, Base::Elapsed] {
            let before = host.now(base);
            if let Some((now, counter)) = host.now_with_counter(base) {
                assert!(now >= before);
                assert!(host.now_with_counter(base).unwrap().1 > counter);
            }
            assert!(host.now(base) >= before);
        }
    }

    #[test]
    fn timers_wake_at_their_time_and_not_when_unset() {
        for (kind, base) in [(Kind::Monotonic, Base::Elapsed), (Kind::Utc, Base::Civil)] {
            let mut timer = Timer::new(kind).unwrap();
            let mut host = Linux;
            let tai = host.kernel().tai as u64 * SECOND;
            let now = host.now(base) - if base == Base::Civil { tai } else { 0 };
            timer.set(Some(Deadline::Realtime(now))).unwrap();
            assert!(readable(&timer, 10_000), "{kind} in the past");
            timer.clear();
            assert!(!readable(&timer, 0));
            for never in [now + 1000 * SECOND, u64::MAX] {
                timer.set(Some(Deadline::Realtime(never))).unwrap();
                assert!(!readable(&timer, 0), "{kind} {never}");
            }
            timer.set(Some(Deadline::Realtime(0))).unwrap();
            assert!(readable(&timer, 10_000), "{kind} 0");
            timer.set(None).unwrap();
            assert!(!readable(&timer, 0));
        }
    }
}
