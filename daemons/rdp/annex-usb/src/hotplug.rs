// SPDX-License-Identifier: GPL-2.0-or-later
//! Which of this machine's devices come and go: udev tells, or, where it doesn't run, a look at
//! them every second.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use anyhow::{bail, Result};
use futures_util::StreamExt;
use nusb::hotplug::{HotplugEvent, HotplugWatch};
use nusb::{DeviceId, DeviceInfo};
use tokio::time::{interval, Interval, MissedTickBehavior};

use crate::real::node;

/// There as long as udev runs.
const UDEV: &str = "/run/udev/control";
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// A device that has come, or gone.
pub enum Plugged {
    /// It has come.
    In(DeviceInfo),
    /// It has gone.
    Out(DeviceId),
}

enum Source {
    Udev(HotplugWatch),
    Looks(Interval),
}

/// The devices of this machine.
pub struct Hotplug {
    source: Source,
    /// Those that were there at the last look.
    present: Vec<DeviceInfo>,
    waiting: VecDeque<Plugged>,
}

impl Hotplug {
    /// Looks for the first time. What is there comes first, and may come twice.
    ///
    /// # Errors
    ///
    /// Linux doesn't say which devices there are.
    pub async fn new() -> Result<Self> {
        let source = if Path::new(UDEV).exists() {
            // Before the first look, so that nothing comes between the two.
            Source::Udev(nusb::watch_devices()?)
        } else {
            let mut looks = interval(LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Source::Looks(looks)
        };
        let mut hotplug = Self {
            source,
            present: Vec::new(),
            waiting: VecDeque::new(),
        };
        hotplug.look().await?;
        Ok(hotplug)
    }

    /// Those that were there at the last look.
    pub fn present(&self) -> impl Iterator<Item = &DeviceInfo> {
        self.present.iter()
    }

    /// Waits for the next to come or go. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    ///
    /// It can't be known any more.
    pub async fn next(&mut self) -> Result<Plugged> {
        loop {
            if let Some(next) = self.waiting.pop_front() {
                return Ok(next);
            }
            match &mut self.source {
                Source::Udev(watch) => match watch.next().await {
                    Some(HotplugEvent::Connected(info)) => return Ok(Plugged::In(info)),
                    Some(HotplugEvent::Disconnected(id)) => return Ok(Plugged::Out(id)),
                    None => bail!("udev tells of no more devices"),
                },
                Source::Looks(looks) => {
                    looks.tick().await;
                    self.look().await?;
                }
            }
        }
    }

    async fn look(&mut self) -> Result<()> {
        let before = std::mem::take(&mut self.present);
        // One without a node isn't ready yet.
        let is_there = |it: &DeviceInfo| (it.device_address() != 0).then(|| node(it).exists());
        let is_same = |one: &DeviceInfo, other: &DeviceInfo| {
            (one.busnum(), one.port_chain()) == (other.busnum(), other.port_chain())
        };
        self.present = settled(nusb::list_devices().await?, &before, is_there, is_same);
        let has = |list: &[DeviceInfo], it: &DeviceInfo| list.iter().any(|of| of.id() == it.id());
        for it in before.iter().filter(|it| !has(&self.present, it)) {
            self.waiting.push_back(Plugged::Out(it.id()));
        }
        for it in self.present.iter().filter(|it| !has(&before, it)) {
            self.waiting.push_back(Plugged::In(it.clone()));
        }
        Ok(())
    }
}

/// Those of a list that are there. While Linux resets a device, that has no address, and nothing can
/// be said of it: it is what was at the same place before.
fn settled<T: Clone>(
    listed: impl Iterator<Item = T>,
    before: &[T],
    is_there: impl Fn(&T) -> Option<bool>,
    is_same: impl Fn(&T, &T) -> bool,
) -> Vec<T> {
    let there = listed.filter_map(|it| match is_there(&it) {
        Some(there) => there.then_some(it),
        None => before.iter().find(|of| is_same(of, &it)).cloned(),
    });
    there.collect()
}

#[cfg(test)]
mod tests {
    use super::settled;

    #[test]
    fn a_device_that_is_reset_is_the_one_before() {
        // Places and addresses.
        let look = |before: &[(u8, u8)], listed: &[(u8, u8)]| {
            settled(
                listed.iter().copied(),
                before,
                |it| (it.1 != 0).then_some(it.1 != 99),
                |one, other| one.0 == other.0,
            )
        };
        let both = [(1, 2), (2, 3)];
        assert_eq!(look(&[], &both), both);
        assert_eq!(look(&both, &[(1, 0), (2, 3)]), both);
        assert_eq!(look(&both, &[(2, 3)]), [(2, 3)]);
        assert_eq!(look(&both, &[(1, 4), (2, 3)]), [(1, 4), (2, 3)]);
        // New, and not ready: in its first reset, or without a node.
        assert_eq!(look(&both, &[(1, 2), (2, 3), (3, 0), (4, 99)]), both);
    }
}
