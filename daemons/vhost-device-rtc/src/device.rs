// SPDX-License-Identifier: GPL-2.0-or-later
//! The device: its clocks, their alarms, the guest's counter, and what each message does with
//! them. No I/O. The table of messages is in protocol.rs.

use crate::alarm::Alarm;
use crate::clocks::{Clocks, Deadline, Unreadable};
use crate::counter::Counter;
use crate::host::Host;
use crate::protocol::{
    Fields, Status, COUNTER_ARM_VCT, COUNTER_X86_TSC, FLAG_ALARM_CAP, FLAG_ALARM_ENABLED,
    FLAG_CROSS_CAP, MAX_ANSWER,
};

impl From<Unreadable> for Status {
    fn from(_: Unreadable) -> Status {
        Status::Io
    }
}

/// A virtio-rtc device.
#[derive(Clone, Debug)]
pub struct Device {
    clocks: Clocks,
    /// One for each clock.
    alarms: Vec<Alarm>,
    counter: Counter,
    /// Whether the driver has accepted VIRTIO_RTC_F_ALARM.
    has_alarms: bool,
    /// A message has set an alarm since this was last asked.
    alarms_changed: bool,
}

type Bytes = [u8; MAX_ANSWER];

fn put16(bytes: &mut Bytes, at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn put64(bytes: &mut Bytes, at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// What handlers of messages do; see the table for their fields.
impl Device {
    fn clock(&self, fields: &Fields, at: usize) -> Result<u16, Status> {
        let id = fields.le16(at);
        self.clocks.kind(id).map(|_| id).ok_or(Status::NoDevice)
    }

    /// Whether the guest has the counter that a request asks for, and this host can tell it.
    fn counter(&self, fields: &Fields, host: &dyn Host) -> Result<bool, Status> {
        match fields.u8(10) {
            kind @ (COUNTER_ARM_VCT | COUNTER_X86_TSC) => {
                Ok(self.counter.kind() == Some(kind) && host.has_counter())
            }
            _ => Err(Status::Unsupported),
        }
    }

    /// What the clock shows, for an alarm that waits. Others can be set without.
    fn now_if(&mut self, waits: bool, id: u16, host: &mut dyn Host) -> Result<u64, Status> {
        Ok(if waits {
            self.clocks.read(id, host)?
        } else {
            0
        })
    }

    pub(crate) fn read(
        &mut self,
        host: &mut dyn Host,
        fields: &Fields,
        answer: &mut Bytes,
    ) -> Result<(), Status> {
        let id = self.clock(fields, 8)?;
        put64(answer, 8, self.clocks.read(id, host)?);
        Ok(())
    }

    pub(crate) fn read_cross(
        &mut self,
        host: &mut dyn Host,
        fields: &Fields,
        answer: &mut Bytes,
    ) -> Result<(), Status> {
        let id = self.clock(fields, 8)?;
        if !self.counter(fields, host)? {
            return Err(Status::Unsupported);
        }
        let (reading, counter) = self.clocks.read_cross(id, host)?;
        put64(answer, 8, reading);
        put64(answer, 16, self.counter.guest(counter).ok_or(Status::Io)?);
        Ok(())
    }

    pub(crate) fn cfg(
        &mut self,
        _: &mut dyn Host,
        _: &Fields,
        answer: &mut Bytes,
    ) -> Result<(), Status> {
        put16(answer, 8, self.clocks.number());
        Ok(())
    }

    pub(crate) fn clock_cap(
        &mut self,
        _: &mut dyn Host,
        fields: &Fields,
        answer: &mut Bytes,
    ) -> Result<(), Status> {
        let kind = self.clocks.kind(fields.le16(8)).ok_or(Status::NoDevice)?;
        answer[8] = kind.number();
        answer[9] = kind.smearing();
        answer[10] = if self.has_alarms { FLAG_ALARM_CAP } else { 0 };
        Ok(())
    }

    pub(crate) fn cross_cap(
        &mut self,
        host: &mut dyn Host,
        fields: &Fields,
        answer: &mut Bytes,
    ) -> Result<(), Status> {
        self.clock(fields, 8)?;
        answer[8] = if self.counter(fields, host)? {
            FLAG_CROSS_CAP
        } else {
            0
        };
        Ok(())
    }

    pub(crate) fn read_alarm(
        &mut self,
        _: &mut dyn Host,
        fields: &Fields,
        answer: &mut Bytes,
    ) -> Result<(), Status> {
        let alarm = &self.alarms[usize::from(self.clock(fields, 8)?)];
        put64(answer, 8, alarm.time());
        answer[16] = if alarm.enabled() {
            FLAG_ALARM_ENABLED
        } else {
            0
        };
        Ok(())
    }

    pub(crate) fn set_alarm(
        &mut self,
        host: &mut dyn Host,
        fields: &Fields,
        _: &mut Bytes,
    ) -> Result<(), Status> {
        let (id, enabled) = (self.clock(fields, 16)?, enabled(fields.u8(18))?);
        let now = self.now_if(enabled, id, host)?;
        self.alarms_changed = true;
        self.alarms[usize::from(id)].set(fields.le64(8), enabled, now);
        Ok(())
    }

    pub(crate) fn set_alarm_enabled(
        &mut self,
        host: &mut dyn Host,
        fields: &Fields,
        _: &mut Bytes,
    ) -> Result<(), Status> {
        let (id, enabled) = (self.clock(fields, 8)?, enabled(fields.u8(10))?);
        let now = self.now_if(enabled, id, host)?;
        self.alarms_changed = true;
        self.alarms[usize::from(id)].enable(enabled, now);
        Ok(())
    }
}

fn enabled(flags: u8) -> Result<bool, Status> {
    match flags {
        0 => Ok(false),
        FLAG_ALARM_ENABLED => Ok(true),
        _ => Err(Status::Invalid),
    }
}

/// What the daemon does with it.
impl Device {
    /// A device with these clocks, none of whose alarms was ever set.
    pub fn new(clocks: Clocks) -> Device {
        let alarms = vec![Alarm::default(); usize::from(clocks.number())];
        Device {
            clocks,
            alarms,
            counter: Counter::default(),
            has_alarms: false,
            alarms_changed: false,
        }
    }

    /// Its clocks.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// Its clocks, and its alarms in the same order, to be carried over from another host.
    pub fn parts_mut(&mut self) -> (&mut Clocks, &mut [Alarm]) {
        (&mut self.clocks, &mut self.alarms)
    }

    /// The alarms, in the order of the clocks' ids.
    pub fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }

    /// Whether the driver has accepted VIRTIO_RTC_F_ALARM.
    pub fn has_alarms(&self) -> bool {
        self.has_alarms
    }

    /// The driver has accepted VIRTIO_RTC_F_ALARM, or not.
    pub fn set_has_alarms(&mut self, has_alarms: bool) {
        self.has_alarms = has_alarms;
    }

    /// How the guest's counter follows from the host's.
    pub fn set_counter(&mut self, counter: Counter) {
        self.counter = counter;
    }

    /// The driver has reset the device. Alarms are disabled, as the specification has it, and
    /// keep their times: a driver that enables one whose time has passed is told at once.
    pub fn reset(&mut self) {
        self.has_alarms = false;
        self.alarms.iter_mut().for_each(Alarm::reset);
        self.alarms_changed = true;
    }

    /// Another guest comes: it gets none of the alarms that the last one left.
    pub fn forget(&mut self) {
        self.alarms.fill(Alarm::default());
        self.alarms_changed = true;
    }

    /// Whether an alarm was set since this was last asked, so that it has to be looked at.
    pub fn alarms_changed(&mut self) -> bool {
        std::mem::take(&mut self.alarms_changed)
    }

    /// Look whether alarms have expired. True if one has just now.
    pub fn look(&mut self, host: &mut dyn Host) -> bool {
        let mut expired = false;
        for (id, alarm) in self.alarms.iter_mut().enumerate() {
            // Who isn't enabled needn't look.
            if alarm.enabled() {
                if let Ok(now) = self.clocks.read(id as u16, host) {
                    expired |= alarm.look(now);
                }
            }
        }
        expired
    }

    /// A clock whose expired alarm the driver hasn't been told of.
    pub fn due(&self) -> Option<u16> {
        self.alarms.iter().position(Alarm::due).map(|id| id as u16)
    }

    /// The driver has been told.
    pub fn delivered(&mut self, id: u16) {
        self.alarms[usize::from(id)].delivered();
    }

    /// When to look at a clock's alarm again: not before, or None if there is nothing to wait for.
    pub fn deadline(&mut self, id: u16, host: &mut dyn Host) -> Option<Deadline> {
        let time = self.alarms[usize::from(id)].awaits()?;
        Some(self.clocks.deadline(id, time, host))
    }
}
