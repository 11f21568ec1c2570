// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether to connect again when a connection has gone, and when. No I/O and no clock: times are
//! arguments, counted from any one moment.

use std::time::Duration;

/// The first pause, and the longest; each is twice the one before.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// A session that has lasted so long was a good one: pauses and tries are counted anew behind it.
/// A shorter one may be one of two that end each other, or a server that dies of it.
const LASTING: Duration = Duration::from_secs(60);

/// How a session ended, or a try to have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The connection has gone, or the server: there may be another one soon.
    Lost,
    /// The server doesn't want this user, or not here: another try would end the same way, and
    /// some servers lock users out who try often.
    Refused,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Connect, after so long.
    Connect(Duration),
    /// Don't.
    GiveUp,
}

/// The tries to connect. [`Reconnect::connected`] and [`Reconnect::ended`] are to be told in turn;
/// where a try has failed, only the latter.
#[derive(Clone, Debug)]
pub struct Reconnect {
    tries: Option<u32>,
    failed: u32,
    pause: Duration,
    /// When the session began that there is.
    since: Option<Duration>,
    /// The first session is to be had at once, or not at all: somebody waits for it, and a
    /// name may be wrong.
    was_connected: bool,
}

impl Reconnect {
    /// At most so many tries in a row; `None` for any number.
    pub fn new(tries: Option<u32>) -> Reconnect {
        Reconnect {
            tries,
            failed: 0,
            pause: SHORTEST,
            since: None,
            was_connected: false,
        }
    }

    /// A session has begun.
    pub fn connected(&mut self, now: Duration) {
        self.since = Some(now);
        self.was_connected = true;
    }

    /// A session has ended, or a try to have one.
    pub fn ended(&mut self, now: Duration, how: Ending) -> Next {
        let lasted = self.since.take().map(|since| now.saturating_sub(since));
        if lasted.is_some_and(|lasted| lasted >= LASTING) {
            self.failed = 0;
            self.pause = SHORTEST;
        }
        let all = self.tries.is_some_and(|tries| self.failed >= tries);
        if how == Ending::Refused || !self.was_connected || all {
            return Next::GiveUp;
        }
        self.failed = self.failed.saturating_add(1);
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST);
        Next::Connect(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(time: u64) -> Duration {
        Duration::from_secs(time)
    }

    fn pauses(it: &mut Reconnect, now: u64, count: usize) -> Vec<Option<u64>> {
        let next = || match it.ended(seconds(now), Ending::Lost) {
            Next::Connect(pause) => Some(pause.as_secs()),
            Next::GiveUp => None,
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn pauses_grow_up_to_half_a_minute() {
        let mut it = Reconnect::new(None);
        it.connected(seconds(5));
        let expected = [1, 2, 4, 8, 16, 30, 30].map(Some);
        assert_eq!(pauses(&mut it, 6, 7), expected);
    }

    #[test]
    fn pauses_begin_anew_behind_a_session_that_has_lasted() {
        let mut it = Reconnect::new(None);
        it.connected(seconds(0));
        assert_eq!(pauses(&mut it, 10, 3), [1, 2, 4].map(Some));
        it.connected(seconds(20));
        assert_eq!(pauses(&mut it, 79, 1), [Some(8)], "a short one");
        it.connected(seconds(100));
        assert_eq!(pauses(&mut it, 160, 2), [1, 2].map(Some), "a long one");
    }

    #[test]
    fn tries_are_counted_in_a_row() {
        let mut it = Reconnect::new(Some(2));
        it.connected(seconds(0));
        assert_eq!(pauses(&mut it, 5, 3), [Some(1), Some(2), None]);
        it.connected(seconds(10));
        assert_eq!(pauses(&mut it, 20, 1), [None], "a short session is a try");
        it.connected(seconds(30));
        assert_eq!(pauses(&mut it, 90, 3), [Some(1), Some(2), None]);
        let mut once = Reconnect::new(Some(0));
        once.connected(seconds(0));
        assert_eq!(pauses(&mut once, 1000, 1), [None]);
    }

    #[test]
    fn neither_a_refusal_nor_the_first_failure_is_tried_again() {
        let mut it = Reconnect::new(None);
        assert_eq!(it.ended(seconds(0), Ending::Lost), Next::GiveUp);
        it.connected(seconds(1));
        assert_eq!(pauses(&mut it, 2, 1), [Some(1)]);
        assert_eq!(it.ended(seconds(4), Ending::Refused), Next::GiveUp);
        // Not even behind a session that has lasted.
        it.connected(seconds(5));
        assert_eq!(it.ended(seconds(500), Ending::Refused), Next::GiveUp);
    }

    #[test]
    fn a_clock_that_goes_back_is_no_long_session() {
        let mut it = Reconnect::new(None);
        it.connected(seconds(100));
        assert_eq!(pauses(&mut it, 100, 2), [1, 2].map(Some));
        it.connected(seconds(100));
        assert_eq!(pauses(&mut it, 1, 1), [Some(4)]);
    }
}
