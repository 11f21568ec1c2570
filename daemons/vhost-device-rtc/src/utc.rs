// SPDX-License-Identifier: GPL-2.0-or-later
//! UTC and its smeared kinds, made from the host's continuous time.
//!
//! Linux's CLOCK_REALTIME does what the specification wants of UTC: at the start of an inserted
//! leap second it steps back by one second, so that 23:59:59 is counted twice; at the start of
//! one that is left out it steps forward. But it does so with the first timer tick behind that
//! instant, some milliseconds late. CLOCK_TAI doesn't step. So UTC is computed from CLOCK_TAI
//! and the leap second that the kernel has announced, and steps exactly.
//!
//! What the kernel isn't told of doesn't happen: CLOCK_REALTIME goes on without a step until
//! somebody sets it right, and so does UTC here. A list of leap seconds can't help that, since
//! afterwards it couldn't be known whether the clock has been set right.

use crate::host::{Announced, Kernel, SECOND};
use crate::kind::Smearing;
use crate::leap::{Leap, DAY};

/// UTC at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    /// Nanoseconds since 1970, as POSIX counts them.
    pub ns: u64,
    /// An inserted second is running.
    pub in_leap: bool,
    /// The leap second at the end of this day, or running, if the kernel announces one.
    pub announced: Option<Leap>,
}

fn shift(time: u64, seconds: i32) -> u64 {
    time.saturating_add_signed(i64::from(seconds) * SECOND as i64)
}

/// UTC when CLOCK_TAI is `civil` ns. `kernel` may have been asked a little later.
pub fn utc(civil: u64, kernel: Kernel) -> Utc {
    let ns = shift(civil, kernel.tai.saturating_neg());
    let next = (ns / DAY + 1) * DAY;
    match kernel.leap {
        Announced::Nothing => Utc {
            ns,
            in_leap: false,
            announced: None,
        },
        Announced::Insert => {
            let leap = Leap {
                midnight: next,
                inserted: true,
            };
            Utc {
                ns,
                in_leap: false,
                announced: Some(leap),
            }
        }
        Announced::Delete => {
            // The offset is still the one of before.
            let late = ns >= next - SECOND;
            let leap = Leap {
                midnight: next,
                inserted: false,
            };
            Utc {
                ns: if late { ns + SECOND } else { ns },
                in_leap: false,
                announced: Some(leap),
            }
        }
        Announced::Inserting => {
            // The offset is already the one of afterwards; the second lies before the midnight
            // that is nearest.
            let midnight = (ns + DAY / 2) / DAY * DAY;
            let leap = Leap {
                midnight,
                inserted: true,
            };
            let (ns, in_leap) = match midnight.checked_sub(ns) {
                None | Some(0) => (ns, false),
                Some(left) if left <= SECOND => (ns, true),
                // It began after `civil` was read.
                Some(_) => (ns + SECOND, false),
            };
            Utc {
                ns,
                in_leap,
                announced: Some(leap),
            }
        }
    }
}

/// What a smeared clock shows at `utc`, with a leap second that isn't more than a day away.
///
/// The clock is on UTC at both ends of a window, and runs evenly in between: from noon to noon,
/// or over the last 1000 seconds of the day, each of which lasts 1/86400 or 1/1000 longer or
/// shorter. (The specification speaks of a frequency that is lower by so much, which is the same
/// to first order; taken to the letter the clock would be off by 12 or 1000 µs at the end, and
/// had to step.)
pub fn smear(utc: Utc, leap: Leap, how: Smearing) -> u64 {
    let (before, after) = match how {
        Smearing::UtcSls => (1000 * SECOND, 0),
        Smearing::NoonLinear | Smearing::Unspecified => (DAY / 2, DAY / 2),
    };
    let Some(start) = leap.midnight.checked_sub(before) else {
        return utc.ns;
    };
    if utc.ns < start || utc.ns >= leap.midnight + after {
        return utc.ns;
    }
    // How long the window has lasted, and how long it lasts, in seconds that don't step.
    let (shown, behind) = (before + after, utc.in_leap || utc.ns >= leap.midnight);
    let (passed, lasts) = match (leap.inserted, behind) {
        (true, false) => (utc.ns - start, shown + SECOND),
        (true, true) => (utc.ns - start + SECOND, shown + SECOND),
        (false, false) => (utc.ns - start, shown - SECOND),
        (false, true) => ((utc.ns - start).saturating_sub(SECOND), shown - SECOND),
    };
    start + (u128::from(passed) * u128::from(shown) / u128::from(lasts)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Base, Host};
    use crate::testing::FakeHost;

    fn at(host: &mut FakeHost) -> Utc {
        let civil = host.now(Base::Civil);
        utc(civil, host.kernel())
    }

    /// Steps through a leap second by `step` ns, from a minute before to a minute after.
    fn through(inserted: bool, tick: u64, step: u64, mut see: impl FnMut(u64, Utc)) -> Leap {
        let (mut host, leap) = FakeHost::before_leap(inserted, 60 * SECOND, 37);
        host.tick_late = tick;
        for passed in (0..120 * SECOND).step_by(step as usize) {
            see(passed, at(&mut host));
            host.advance(step);
        }
        leap
    }

    #[test]
    fn an_inserted_second_is_counted_twice_exactly() {
        for tick in [0, 4_000_000] {
            let mut seen = Vec::new();
            let leap = through(true, tick, SECOND / 4, |passed, utc| {
                seen.push((passed, utc))
            });
            for (passed, utc) in seen {
                let since = leap.midnight - 60 * SECOND + passed;
                let running = (60 * SECOND..61 * SECOND).contains(&passed);
                let want = if passed < 60 * SECOND {
                    since
                } else {
                    since - SECOND
                };
                assert_eq!(
                    (utc.ns, utc.in_leap),
                    (want, running),
                    "{passed} tick {tick}"
                );
            }
        }
    }

    #[test]
    fn a_second_left_out_is_stepped_over_exactly() {
        for tick in [0, 4_000_000] {
            let mut seen = Vec::new();
            let leap = through(false, tick, SECOND / 4, |passed, utc| {
                seen.push((passed, utc))
            });
            for (passed, utc) in seen {
                let since = leap.midnight - 60 * SECOND + passed;
                let want = if passed < 59 * SECOND {
                    since
                } else {
                    since + SECOND
                };
                assert_eq!((utc.ns, utc.in_leap), (want, false), "{passed} tick {tick}");
            }
        }
    }

    #[test]
    fn a_smeared_clock_is_on_utc_at_the_ends_and_runs_evenly() {
        for (how, before, after) in [
            (Smearing::NoonLinear, DAY / 2, DAY / 2),
            (Smearing::Unspecified, DAY / 2, DAY / 2),
            (Smearing::UtcSls, 1000 * SECOND, 0),
        ] {
            for inserted in [true, false] {
                let (mut host, leap) = FakeHost::before_leap(inserted, before + SECOND, 37);
                let lasts = if inserted {
                    before + after + SECOND
                } else {
                    before + after - SECOND
                };
                let shown = before + after;
                assert_eq!(
                    smear(at(&mut host), leap, how),
                    leap.midnight - before - SECOND
                );
                host.advance(SECOND);
                let mut last = smear(at(&mut host), leap, how);
                assert_eq!(last, leap.midnight - before);
                let step = lasts / 1000;
                let mut passed = 0;
                while passed + step < lasts {
                    host.advance(step);
                    passed += step;
                    let now = smear(at(&mut host), leap, how);
                    let want = u128::from(passed) * u128::from(shown) / u128::from(lasts);
                    assert_eq!(u128::from(now - (leap.midnight - before)), want);
                    assert!((now - last).abs_diff(step) <= step / 900 + 1, "no step");
                    last = now;
                }
                host.advance(lasts - passed);
                let end = at(&mut host);
                assert_eq!(end.ns, leap.midnight + after);
                assert_eq!(smear(end, leap, how), end.ns);
            }
        }
    }

    #[test]
    fn halfway_it_is_half_a_second_off() {
        let leap = Leap {
            midnight: 1000 * DAY,
            inserted: true,
        };
        let utc = Utc {
            ns: leap.midnight - SECOND / 2,
            in_leap: true,
            announced: None,
        };
        assert_eq!(smear(utc, leap, Smearing::NoonLinear), leap.midnight);
    }

    #[test]
    fn nothing_is_too_early_or_too_late() {
        for civil in [0, SECOND, u64::MAX] {
            for leap in [
                Announced::Nothing,
                Announced::Insert,
                Announced::Inserting,
                Announced::Delete,
            ] {
                for tai in [i32::MIN, -1, 0, 37, i32::MAX] {
                    // Later than the year 2500 nobody's clock is; no panic is all.
                    let _ = utc(civil.min(u64::MAX / 2), Kernel { tai, leap });
                }
            }
        }
    }
}
