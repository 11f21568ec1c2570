// SPDX-License-Identifier: GPL-2.0-or-later
//! The device's clocks: what each shows, given the host's two.

use crate::host::{Base, Host, Kernel, SECOND};
use crate::kind::Kind;
use crate::leap::{Leap, List, DAY};
use crate::utc::{smear, utc, Utc};

/// TAI-UTC was 10 s when leap seconds began. An offset of the kernel's that is smaller was never
/// set; it may be 1, since the kernel counts leap seconds whether it was set or not.
const SMALLEST_TAI: i32 = 10;
/// A reading that would be behind the last one by no more than this is kept back until time has
/// caught up. More is taken for the host's clock having been set.
const KEPT_BACK: u64 = SECOND;
/// Clocks that don't run like the host's are looked at this often while an alarm waits: nobody
/// tells of a new TAI offset or an announced leap second.
const LOOK_AGAIN: u64 = 60 * SECOND;

/// The clock can't be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// When to look at a clock again: an absolute time of one of the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// On CLOCK_REALTIME, ns, which may step.
    Realtime(u64),
    /// On [`Base::Elapsed`], ns.
    Elapsed(u64),
}

#[derive(Clone, Debug)]
struct Clock {
    kind: Kind,
    /// The last reading given.
    last: u64,
    /// `last` comes from another host.
    carried: bool,
    /// The host's time when it was given.
    host: u64,
    /// What is added to the host's time; only for monotonic clocks.
    ahead: u64,
}

/// All clocks, in the order of their ids.
#[derive(Clone, Debug)]
pub struct Clocks {
    clocks: Vec<Clock>,
    list: Option<List>,
    /// The leap second that the kernel announced last, for a day after it as well.
    noted: Option<Leap>,
}

/// Whether TAI can be told here: by the kernel or by a list that hasn't expired.
pub fn knows_tai(host: &mut dyn Host, list: Option<&List>) -> bool {
    let civil = host.now(Base::Civil);
    let kernel = host.kernel();
    tai(civil, utc(civil, kernel), kernel, list).is_some()
}

fn tai(civil: u64, utc: Utc, kernel: Kernel, list: Option<&List>) -> Option<u64> {
    if kernel.tai >= SMALLEST_TAI {
        return Some(civil);
    }
    // The list has the offset of the second that is inserted at the midnight behind it.
    let midnight = utc
        .announced
        .filter(|_| utc.in_leap)
        .map(|leap| leap.midnight);
    let offset = list?.offset(midnight.unwrap_or(utc.ns))?;
    Some(
        utc.ns
            .saturating_add_signed(i64::from(offset) * SECOND as i64),
    )
}

impl Clocks {
    /// Clocks of these kinds, no more than 65,535 of them.
    pub fn new(kinds: &[Kind], list: Option<List>) -> Clocks {
        let clock = |&kind| Clock {
            kind,
            last: 0,
            carried: false,
            host: 0,
            ahead: 0,
        };
        let clocks = kinds
            .iter()
            .take(usize::from(u16::MAX))
            .map(clock)
            .collect();
        Clocks {
            clocks,
            list,
            noted: None,
        }
    }

    /// How many there are.
    pub fn number(&self) -> u16 {
        self.clocks.len() as u16
    }

    /// A clock's kind, if there is such a clock.
    pub fn kind(&self, id: u16) -> Option<Kind> {
        Some(self.clocks.get(usize::from(id))?.kind)
    }

    /// The last reading that was given of a clock, 0 if none was.
    pub fn last(&self, id: u16) -> u64 {
        self.clocks[usize::from(id)].last
    }

    /// The clock showed `reading` on another host. It doesn't go back from there: a monotonic
    /// clock goes on from it if this host's is behind, another waits for this host's time if that
    /// is behind by no more than a second.
    pub fn carry(&mut self, id: u16, reading: u64, host: &mut dyn Host) {
        let clock = &mut self.clocks[usize::from(id)];
        (clock.last, clock.carried, clock.host) = (reading, true, 0);
        if clock.kind == Kind::Monotonic {
            clock.ahead = reading.saturating_sub(host.now(Base::Elapsed));
        }
    }

    fn base(&self, id: u16) -> Base {
        match self.clocks[usize::from(id)].kind {
            Kind::Monotonic => Base::Elapsed,
            _ => Base::Civil,
        }
    }

    /// What the clock shows, ns.
    pub fn read(&mut self, id: u16, host: &mut dyn Host) -> Result<u64, Unreadable> {
        let now = host.now(self.base(id));
        self.show(id, now, host)
    }

    /// What the clock shows, and the host's counter at that instant.
    pub fn read_cross(&mut self, id: u16, host: &mut dyn Host) -> Result<(u64, u64), Unreadable> {
        let (now, counter) = host.now_with_counter(self.base(id)).ok_or(Unreadable)?;
        Ok((self.show(id, now, host)?, counter))
    }

    /// What the clock shows when the host's is `now`.
    fn show(&mut self, id: u16, now: u64, host: &mut dyn Host) -> Result<u64, Unreadable> {
        let Clock { kind, ahead, .. } = self.clocks[usize::from(id)];
        let reading = match kind {
            Kind::Monotonic => now.saturating_add(ahead),
            _ => self.civil_reading(kind, now, host.kernel())?,
        };
        let clock = &mut self.clocks[usize::from(id)];
        let set_back = now < clock.host;
        clock.host = now;
        let behind = clock.last.saturating_sub(reading);
        let keep = match kind {
            Kind::Monotonic => true,
            Kind::Tai | Kind::Smeared(_) => !set_back && behind <= KEPT_BACK,
            // These step back by themselves, at a leap second.
            Kind::Utc | Kind::MaybeSmeared => clock.carried && !set_back && behind <= KEPT_BACK,
        };
        if behind > 0 && keep {
            return Ok(clock.last);
        }
        (clock.last, clock.carried) = (reading, false);
        Ok(reading)
    }

    fn civil_reading(&mut self, kind: Kind, civil: u64, kernel: Kernel) -> Result<u64, Unreadable> {
        let utc = utc(civil, kernel);
        self.note(utc);
        match kind {
            Kind::Tai => tai(civil, utc, kernel, self.list.as_ref()).ok_or(Unreadable),
            Kind::Smeared(how) => Ok(self
                .leap(utc, kernel)
                .map_or(utc.ns, |leap| smear(utc, leap, how))),
            _ => Ok(utc.ns),
        }
    }

    /// Keep in mind what the kernel announces: once it is over, the kernel forgets.
    fn note(&mut self, utc: Utc) {
        self.noted = utc.announced.or(self
            .noted
            .filter(|leap| (leap.midnight..leap.midnight + DAY).contains(&utc.ns)));
    }

    /// The leap second to smear. A list may know it half a day before the kernel does, and after
    /// this daemon was started anew; but it counts only where the kernel keeps up with it, since
    /// elsewhere CLOCK_REALTIME won't step, or who knows when.
    fn leap(&self, utc: Utc, kernel: Kernel) -> Option<Leap> {
        let list = self
            .list
            .as_ref()
            .filter(|list| list.offset(utc.ns) == Some(kernel.tai));
        self.noted.or_else(|| list?.near(utc.ns))
    }

    /// When to look whether the clock has come to `time`.
    pub fn deadline(&mut self, id: u16, time: u64, host: &mut dyn Host) -> Deadline {
        let clock = &self.clocks[usize::from(id)];
        match clock.kind {
            Kind::Monotonic => Deadline::Elapsed(time.saturating_sub(clock.ahead)),
            // A reading that is kept back was behind only for a moment.
            Kind::Utc | Kind::MaybeSmeared => Deadline::Realtime(time),
            Kind::Tai | Kind::Smeared(_) => {
                let left = self
                    .read(id, host)
                    .map_or(u64::MAX, |now| time.saturating_sub(now));
                let civil = host.now(Base::Civil);
                let tai = host.kernel().tai.max(0) as u64 * SECOND;
                Deadline::Realtime(civil.saturating_sub(tai) + left.min(LOOK_AGAIN))
            }
        }
    }
}
