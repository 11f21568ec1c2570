// SPDX-License-Identifier: GPL-2.0-or-later
//! A device with isochronous endpoints, for which nusb has no transfers.
//!
//! To Linux an interface belongs to the descriptor that has claimed it, and so do its endpoints and
//! the requests that are about it. That is why all transfers of such a device are made here, on a
//! descriptor of its own. nusb resets it, selects its configuration, and gives it back.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use nusb::descriptors::TransferType;
use rdp_usb::{Done, Operation, OperationId, UsbdStatus};
use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio::task::{spawn_blocking, JoinHandle};
use tokio::time::{sleep_until, Instant};

use super::control::CONTROL;
use super::status::of_errno;
use super::urbs::{add, urbs};
use super::usbfs::{self, Node, Urb};
use crate::device::{DeviceId, Ended};

/// Whether a device has isochronous endpoints, in any alternate setting.
pub(super) fn has_endpoints(device: &nusb::Device) -> bool {
    let Ok(active) = device.active_configuration() else {
        return false;
    };
    let mut endpoints = active
        .interface_alt_settings()
        .flat_map(|it| it.endpoints().collect::<Vec<_>>());
    endpoints.any(|it| it.transfer_type() == TransferType::Isochronous)
}

/// The device's task, which ends when it gets no more operations.
pub(super) struct Isochronous {
    operations: mpsc::UnboundedSender<(OperationId, Operation)>,
    task: JoinHandle<()>,
}

impl Isochronous {
    /// Claims a device's interfaces, which no driver has.
    pub async fn claim(
        node: &Path,
        interfaces: &[u8],
        device: DeviceId,
        ended: Ended,
    ) -> Result<Self> {
        let node = Node::open(node)?;
        for number in interfaces {
            let claimed = node.claim(*number);
            claimed.with_context(|| format!("interface {number}"))?;
        }
        let task = Task {
            node,
            device,
            ended,
            asked: BTreeMap::new(),
            controls: VecDeque::new(),
        };
        let (operations, receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(task.run(receiver));
        Ok(Self { operations, task })
    }

    /// Begins an operation, which isn't about the whole device.
    pub fn begin(&self, id: OperationId, operation: Operation) {
        let _ = self.operations.send((id, operation));
    }

    /// Ends what is in flight, and lets go of the interfaces.
    pub async fn release(self) {
        drop(self.operations);
        let _ = self.task.await;
    }
}

/// An operation in flight.
struct Asked {
    /// URBs that haven't ended.
    urbs: usize,
    /// What came of the others.
    done: Done,
    /// Its status if it is cancelled.
    cancelled: UsbdStatus,
}

struct Task {
    node: Node,
    device: DeviceId,
    ended: Ended,
    asked: BTreeMap<OperationId, Asked>,
    /// Control transfers, and until when they may last, in order.
    controls: VecDeque<(Instant, OperationId)>,
}

impl Task {
    async fn run(mut self, mut operations: mpsc::UnboundedReceiver<(OperationId, Operation)>) {
        loop {
            let until = self.controls.front().map(|(until, _)| *until);
            tokio::select! {
                operation = operations.recv() => match operation {
                    Some((id, operation)) => self.begin(id, operation).await,
                    None => break,
                },
                reaped = self.node.reaped(), if !self.asked.is_empty() => match reaped {
                    Ok((id, urb)) => self.finish(id, urb),
                    // It is gone. What was in flight has been reaped, or ends some time.
                    Err(error) => {
                        log::debug!("device {}: {error}", self.device.0);
                        self.controls.clear();
                        for id in std::mem::take(&mut self.asked).into_keys() {
                            self.end(id, Done::with(UsbdStatus::DEVICE_GONE));
                        }
                    }
                },
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    if let Some((_, id)) = self.controls.pop_front() {
                        self.cancel(id, UsbdStatus::TIMEOUT);
                    }
                }
            }
        }
        let Self {
            node,
            device,
            ended,
            asked,
            ..
        } = self;
        // Linux ends what is in flight, and waits for that.
        let _ = spawn_blocking(move || drop(node)).await;
        for id in asked.into_keys() {
            let _ = ended.send((device, id, Done::with(UsbdStatus::CANCELED)));
        }
    }

    fn end(&self, id: OperationId, done: Done) {
        let _ = self.ended.send((self.device, id, done));
    }

    async fn begin(&mut self, id: OperationId, operation: Operation) {
        let status = match operation {
            Operation::Cancel(wanted) => return self.cancel(wanted, UsbdStatus::CANCELED),
            Operation::SetInterface { interface, alt } => {
                self.wait(move |file| usbfs::set_interface(file, interface, alt))
                    .await
            }
            Operation::ClearHalt { endpoint } => {
                self.wait(move |file| usbfs::clear_halt(file, endpoint))
                    .await
            }
            operation => {
                let is_control = matches!(operation, Operation::Control { .. });
                let status = self.submit(id, operation);
                if is_control && status.is_success() {
                    self.controls.push_back((Instant::now() + CONTROL, id));
                }
                if self.asked.contains_key(&id) {
                    return;
                }
                status
            }
        };
        self.end(id, Done::with(status));
    }

    /// Makes a call that waits for the device. What it has ended is told before it.
    async fn wait<F>(&mut self, call: F) -> UsbdStatus
    where
        F: FnOnce(&File) -> Result<(), Errno> + Send + 'static,
    {
        let file: Arc<File> = self.node.file();
        let result = spawn_blocking(move || call(&file)).await;
        while let Some((id, urb)) = self.node.reap_now() {
            self.finish(id, urb);
        }
        match result {
            Ok(Ok(())) => UsbdStatus::SUCCESS,
            Ok(Err(Errno::INVAL | Errno::NOENT)) => UsbdStatus::INVALID_PARAMETER,
            Ok(Err(Errno::NODEV | Errno::SHUTDOWN)) => UsbdStatus::DEVICE_GONE,
            _ => UsbdStatus::DEV_NOT_RESPONDING,
        }
    }

    /// Begins transfers. When one of an operation can't be begun, those before it are ended.
    fn submit(&mut self, id: OperationId, operation: Operation) -> UsbdStatus {
        for urb in urbs(operation) {
            let begun = self.node.submit(id, urb);
            let status = begun.map_or_else(refused, |()| UsbdStatus::SUCCESS);
            if !status.is_success() {
                if let Some(asked) = self.asked.get_mut(&id) {
                    asked.done.status = status;
                    self.node.discard(id);
                }
                return status;
            }
            let asked = self.asked.entry(id).or_insert_with(|| Asked {
                urbs: 0,
                done: Done::with(UsbdStatus::SUCCESS),
                cancelled: UsbdStatus::CANCELED,
            });
            asked.urbs += 1;
        }
        match self.asked.contains_key(&id) {
            true => UsbdStatus::SUCCESS,
            false => UsbdStatus::INVALID_PARAMETER,
        }
    }

    /// Ends what is in flight, with this status unless it ends by itself.
    fn cancel(&mut self, id: OperationId, status: UsbdStatus) {
        if let Some(asked) = self.asked.get_mut(&id) {
            asked.cancelled = status;
            self.node.discard(id);
        }
    }

    fn finish(&mut self, id: OperationId, urb: Urb) {
        let Some(asked) = self.asked.get_mut(&id) else {
            return;
        };
        asked.urbs -= 1;
        add(&mut asked.done, urb);
        if asked.urbs > 0 {
            return;
        }
        self.controls.retain(|(_, it)| *it != id);
        if let Some(mut asked) = self.asked.remove(&id) {
            if asked.done.status == UsbdStatus::CANCELED {
                asked.done.status = asked.cancelled;
            }
            self.end(id, asked.done);
        }
    }
}

/// Why Linux doesn't begin a transfer.
fn refused(error: Errno) -> UsbdStatus {
    match error {
        // No interface has the endpoint in its alternate setting.
        Errno::NOENT => UsbdStatus::INVALID_PIPE_HANDLE,
        error => of_errno(error),
    }
}
