// SPDX-License-Identifier: GPL-2.0-or-later
//! The devices that are shared, whichever session there is, and between two.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use rdp_usb::{Done, Operation, OperationId};
use tokio::sync::mpsc;

use crate::device::{Description, Device, DeviceId, Ended};

/// A device that comes or goes.
pub enum Change {
    /// It has come.
    Arrived(DeviceId, Description, Box<dyn Device>),
    /// It has gone.
    Left(DeviceId),
}

/// What has happened to the devices.
#[derive(Debug, PartialEq, Eq)]
pub enum Happened {
    /// One has come.
    Arrived(DeviceId),
    /// One has gone.
    Left(DeviceId),
    /// An operation of one has ended.
    Ended(DeviceId, OperationId, Done),
    /// Nobody shares devices any more: there are no more changes.
    Over,
}

/// One that is open.
struct Open {
    description: Description,
    device: Box<dyn Device>,
    in_flight: BTreeSet<OperationId>,
}

/// Devices that are open, so that no driver of the kernel has them, until they leave or this is
/// dropped.
///
/// Each session numbers a device's operations anew. So a device is ready for a session only when
/// nothing is in flight that an earlier one has begun: see [`Devices::quiet`].
pub struct Devices {
    open: BTreeMap<DeviceId, Open>,
    changes: mpsc::Receiver<Change>,
    ended: mpsc::UnboundedReceiver<(DeviceId, OperationId, Done)>,
}

impl Devices {
    /// No devices yet; where they come and go, and what each is to be opened with.
    pub fn new() -> (Devices, mpsc::Sender<Change>, Ended) {
        let (sender, changes) = mpsc::channel(16);
        let (ends, ended) = mpsc::unbounded_channel();
        let open = BTreeMap::new();
        let devices = Devices {
            open,
            changes,
            ended,
        };
        (devices, sender, ends)
    }

    /// Waits until something happens. May be dropped while it waits: nothing is lost.
    pub async fn next(&mut self) -> Happened {
        loop {
            tokio::select! {
                change = self.changes.recv() => return match change {
                    Some(Change::Arrived(id, description, device)) => {
                        let in_flight = BTreeSet::new();
                        self.open.insert(id, Open { description, device, in_flight });
                        Happened::Arrived(id)
                    }
                    Some(Change::Left(id)) => {
                        self.open.remove(&id);
                        Happened::Left(id)
                    }
                    None => Happened::Over,
                },
                Some((id, operation, done)) = self.ended.recv() => {
                    let open = self.open.get_mut(&id);
                    if open.is_some_and(|it| it.in_flight.remove(&operation)) {
                        return Happened::Ended(id, operation, done);
                    }
                }
            }
        }
    }

    /// Lets devices come, go and end what they have begun while `future` runs. `None`: nobody
    /// shares devices any more, and `future` was given up.
    pub async fn during<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                it = &mut future => return Some(it),
                happened = self.next() => if happened == Happened::Over {
                    return None;
                },
            }
        }
    }

    /// The devices that there are.
    pub fn ids(&self) -> Vec<DeviceId> {
        self.open.keys().copied().collect()
    }

    /// What is to be told of a device that a session may begin to use. `None`: it is gone, or
    /// not ready yet.
    pub fn ready(&self, id: DeviceId) -> Option<&Description> {
        let open = self.open.get(&id)?;
        open.in_flight.is_empty().then_some(&open.description)
    }

    /// Begins an operation. Its number must be none that is in flight.
    pub fn begin(&mut self, id: DeviceId, operation: OperationId, what: Operation) {
        // Gone: it is a session's business to have heard of that.
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        // A cancellation is the only one without an end.
        if !matches!(what, Operation::Cancel(_)) {
            open.in_flight.insert(operation);
        }
        open.device.begin(operation, what);
    }

    /// A session uses a device no more: what is in flight is cancelled.
    pub fn quiet(&mut self, id: DeviceId) {
        if let Some(open) = self.open.get_mut(&id) {
            for operation in &open.in_flight {
                open.device.begin(*operation, Operation::Cancel(*operation));
            }
        }
    }

    /// Likewise for all devices: a session has ended.
    pub fn quiet_all(&mut self) {
        for id in self.ids() {
            self.quiet(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use rdp_usb::{Buffer, UsbdStatus};
    use usbredir::Speed;

    use super::*;

    /// A device that ends nothing but what is cancelled.
    struct Endless(DeviceId, Ended);

    impl Device for Endless {
        fn begin(&mut self, _: OperationId, operation: Operation) {
            if let Operation::Cancel(wanted) = operation {
                let done = Done::with(UsbdStatus::CANCELED);
                self.1.send((self.0, wanted, done)).expect("a receiver");
            }
        }
    }

    async fn arrived(id: DeviceId) -> (Devices, mpsc::Sender<Change>) {
        let (mut devices, changes, ended) = Devices::new();
        let description = Description {
            bus: 1,
            address: 2,
            ports: vec![3],
            speed: Speed::HIGH,
            device: vec![],
            configurations: vec![],
        };
        let device = Box::new(Endless(id, ended));
        let change = Change::Arrived(id, description, device);
        assert!(changes.send(change).await.is_ok());
        assert_eq!(devices.next().await, Happened::Arrived(id));
        (devices, changes)
    }

    fn read() -> Operation {
        Operation::Bulk {
            endpoint: 0x81,
            buffer: Buffer::In(512),
        }
    }

    #[tokio::test]
    async fn a_device_is_ready_when_the_last_session_has_left_nothing_in_flight() {
        let id = DeviceId(1);
        let (mut devices, _changes) = arrived(id).await;
        assert!(devices.ready(id).is_some());
        devices.begin(id, 0, read());
        devices.begin(id, 1, read());
        assert!(devices.ready(id).is_none());
        devices.quiet_all();
        for operation in [0, 1] {
            assert!(devices.ready(id).is_none());
            let done = Done::with(UsbdStatus::CANCELED);
            assert_eq!(devices.next().await, Happened::Ended(id, operation, done));
        }
        assert!(devices.ready(id).is_some());
        // The next session's numbers are the same ones.
        devices.begin(id, 0, read());
        assert!(devices.ready(id).is_none());
    }

    #[tokio::test]
    async fn what_ends_is_in_flight() {
        let id = DeviceId(1);
        let (mut devices, changes) = arrived(id).await;
        devices.begin(id, 0, Operation::Cancel(7));
        assert!(devices.ready(id).is_some(), "a cancellation has no end");
        devices.begin(id, 1, read());
        devices.quiet(id);
        devices.quiet(id);
        let done = Done::with(UsbdStatus::CANCELED);
        assert_eq!(devices.next().await, Happened::Ended(id, 1, done));
        // The end of 7, and the second one of 1, are nobody's.
        assert!(changes.send(Change::Left(id)).await.is_ok());
        assert_eq!(devices.next().await, Happened::Left(id));
        drop(changes);
        assert_eq!(devices.next().await, Happened::Over);
    }

    #[tokio::test]
    async fn devices_come_and_go_between_sessions() {
        let id = DeviceId(1);
        let (mut devices, changes) = arrived(id).await;
        devices.begin(id, 0, read());
        devices.quiet_all();
        assert_eq!(devices.during(tokio::task::yield_now()).await, Some(()));
        assert!(changes.send(Change::Left(id)).await.is_ok());
        drop(changes);
        assert_eq!(devices.during(pending::<()>()).await, None);
        assert_eq!(devices.ids(), []);
    }
}
