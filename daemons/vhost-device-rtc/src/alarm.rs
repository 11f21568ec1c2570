// SPDX-License-Identifier: GPL-2.0-or-later
//! A clock's alarm (VIRTIO 1.4, "Alarm Operation"). No I/O: the clock's reading is an argument.

/// One alarm. An alarm that has expired is *due* until its notification is delivered or nobody
/// wants it any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarm {
    time: u64,
    enabled: bool,
    /// The clock was at the time or beyond when it was last looked at.
    reached: bool,
    due: bool,
}

impl Alarm {
    /// As it was elsewhere. If the clock isn't where it was there, `look` puts that right.
    pub fn restored(time: u64, enabled: bool, reached: bool, due: bool) -> Alarm {
        Alarm {
            time,
            enabled,
            reached,
            due: due && enabled && reached,
        }
    }

    /// The alarm's time, ns.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Whether it is enabled.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Whether there is a notification to deliver.
    pub fn due(&self) -> bool {
        self.due
    }

    /// Whether the clock was at the time or beyond when it was last looked at.
    pub fn reached(&self) -> bool {
        self.reached
    }

    /// The time that the clock has yet to reach, if there is something to wait for.
    pub fn awaits(&self) -> Option<u64> {
        (self.enabled && !self.reached).then_some(self.time)
    }

    /// SET_ALARM at the clock's reading `now`. What has expired before is obsolete.
    pub fn set(&mut self, time: u64, enabled: bool, now: u64) {
        self.time = time;
        self.enable(enabled, now);
    }

    /// SET_ALARM_ENABLED. An alarm whose time isn't in the future expires when it is enabled,
    /// even if it was before; one that is disabled is no longer due.
    pub fn enable(&mut self, enabled: bool, now: u64) {
        self.enabled = enabled;
        self.due = false;
        self.reached = false;
        self.look(now);
    }

    /// The device was reset: it is disabled, and its time kept.
    pub fn reset(&mut self) {
        *self = Alarm {
            time: self.time,
            ..Alarm::default()
        };
    }

    /// Look at the clock, which is at `now`. It expires if it has come to the time, or stepped
    /// over it. If it stepped back to before the time, what has expired is obsolete, and it
    /// expires again when the time comes again. True if it has expired just now.
    pub fn look(&mut self, now: u64) -> bool {
        let reached = now >= self.time;
        let expires = self.enabled && reached && !self.reached;
        self.reached = reached;
        self.due = self.enabled && reached && (self.due || expires);
        expires
    }

    /// The notification is with the driver.
    pub fn delivered(&mut self) {
        self.due = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armed(time: u64, now: u64) -> Alarm {
        let mut alarm = Alarm::default();
        alarm.set(time, true, now);
        alarm
    }

    #[test]
    fn begins_disabled_at_0() {
        let mut alarm = Alarm::default();
        assert_eq!(
            (alarm.time(), alarm.enabled(), alarm.awaits()),
            (0, false, None)
        );
        assert!(!alarm.look(5) && !alarm.due());
    }

    #[test]
    fn expires_once_at_its_time() {
        let mut alarm = armed(100, 10);
        assert_eq!(alarm.awaits(), Some(100));
        assert!(!alarm.look(99) && !alarm.due());
        assert!(alarm.look(100) && alarm.due());
        assert!(!alarm.look(101) && alarm.due());
        alarm.delivered();
        assert!(!alarm.look(102) && !alarm.due());
        assert_eq!(alarm.awaits(), None);
    }

    #[test]
    fn expires_at_once_in_the_past_and_when_enabled_late() {
        assert!(armed(100, 100).due());
        assert!(armed(0, 0).due());
        let mut alarm = Alarm::default();
        alarm.set(100, false, 50);
        assert!(!alarm.look(150) && !alarm.due());
        alarm.enable(true, 160);
        assert!(alarm.due());
        alarm.delivered();
        alarm.enable(true, 170);
        assert!(alarm.due(), "each time that it is enabled");
    }

    #[test]
    fn is_stepped_over_both_ways() {
        let mut alarm = armed(100, 10);
        assert!(alarm.look(1_000_000));
        assert!(!alarm.look(20), "back before the time");
        assert!(!alarm.due(), "obsolete");
        assert_eq!(alarm.awaits(), Some(100));
        assert!(alarm.look(100) && alarm.due());
    }

    #[test]
    fn is_not_due_when_disabled_or_set_anew() {
        let mut alarm = armed(100, 100);
        alarm.enable(false, 101);
        assert!(!alarm.due() && !alarm.look(102));
        let mut alarm = armed(100, 100);
        alarm.set(200, true, 101);
        assert!(!alarm.due());
        assert!(alarm.look(200));
    }

    #[test]
    fn the_end_of_time_can_be_waited_for() {
        let mut alarm = armed(u64::MAX, u64::MAX - 1);
        assert_eq!(alarm.awaits(), Some(u64::MAX));
        assert!(alarm.look(u64::MAX));
    }

    #[test]
    fn a_reset_disables_it_and_keeps_its_time() {
        let mut alarm = armed(100, 100);
        assert!(alarm.due());
        alarm.reset();
        assert!(!alarm.due() && !alarm.enabled() && alarm.awaits().is_none());
        assert!(!alarm.look(120) && !alarm.due());
        assert_eq!(alarm.time(), 100);
        alarm.enable(true, 120);
        assert!(alarm.due(), "enabled late");
    }

    #[test]
    fn what_is_restored_goes_on() {
        let mut alarm = Alarm::restored(100, true, true, true);
        assert!(!alarm.look(150) && alarm.due(), "once, not twice");
        let mut alarm = Alarm::restored(100, true, true, true);
        assert!(!alarm.look(50) && !alarm.due(), "the clock is behind here");
        assert!(alarm.look(100));
        let mut alarm = Alarm::restored(100, false, true, true);
        assert!(!alarm.look(150) && !alarm.due());
        let mut alarm = Alarm::restored(100, true, true, false);
        assert!(!alarm.look(150) && !alarm.due(), "it was delivered there");
        let mut alarm = Alarm::restored(100, true, false, false);
        assert!(alarm.look(150), "it passed on the way");
    }
}
