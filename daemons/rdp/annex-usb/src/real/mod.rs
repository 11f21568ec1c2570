// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices of this machine, by nusb, which has no C beneath it. It has no isochronous transfers,
//! either: those of a device with such endpoints, and what belongs to them, are done beside it.
//!
//! | module | what it does |
//! |---|---|
//! | `control`, `endpoint` | control, and bulk and interrupt transfers, by nusb |
//! | `isochronous` | all transfers of a device that has isochronous ones |
//! | `status` | errors as USBD has them |
//! | `urbs` | operations as URBs, and what came of these |
//! | `usbfs` | Linux's URBs: what isn't safe about them |

mod control;
mod endpoint;
mod isochronous;
mod status;
mod urbs;
mod usbfs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};
use nusb::transfer::{Bulk, In, Interrupt, Out};
use nusb::{DeviceInfo, ErrorKind, Interface};
use rdp_usb::{Done, Operation, OperationId, UsbdStatus};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use usbredir::Speed;

use control::control;
use endpoint::{start, Command, End, Used};
use isochronous::Isochronous;
use status::of;

use crate::device::{Description, Device, DeviceId, Ended};

/// The bit of bEndpointAddress and bmRequestType for data to the host.
const IN: u8 = 0x80;

/// A device that is open, and which no driver of the kernel has. It is given back to them when this
/// is dropped: by a task, which holds the [`Held`] that it was opened with until then.
pub struct Real {
    commands: mpsc::UnboundedSender<(OperationId, Operation)>,
}

impl Device for Real {
    fn begin(&mut self, id: OperationId, operation: Operation) {
        // Without a task the device is gone, which its watcher tells.
        let _ = self.commands.send((id, operation));
    }
}

/// That a device isn't given back yet.
pub type Held = mpsc::Sender<()>;

/// Where the operating system has the device: what has to be readable and writable.
pub fn node(info: &DeviceInfo) -> PathBuf {
    format!(
        "/dev/bus/usb/{:03}/{:03}",
        info.busnum(),
        info.device_address()
    )
    .into()
}

/// A udev rule that gives a device to whoever is logged in.
pub fn udev_rule(info: &DeviceInfo) -> String {
    format!(
        "SUBSYSTEM==\"usb\", ATTR{{idVendor}}==\"{:04x}\", ATTR{{idProduct}}==\"{:04x}\", TAG+=\"uaccess\"",
        info.vendor_id(),
        info.product_id()
    )
}

/// Opens a device, and takes it from the kernel's drivers.
///
/// # Errors
///
/// It is gone, or another program has it, or it belongs to somebody else: the error then says which
/// rule of udev mends that.
pub async fn open(
    info: &DeviceInfo,
    id: DeviceId,
    ended: Ended,
    held: Held,
) -> Result<(Real, Description)> {
    let device = match info.open().await {
        Ok(device) => device,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(error).with_context(|| {
                format!(
                    "{} may not be opened: put this line into \
                     /etc/udev/rules.d/70-annex-usb.rules, run `udevadm control --reload`, and \
                     plug the device in again:\n{}",
                    node(info).display(),
                    udev_rule(info)
                )
            });
        }
        Err(error) => return Err(error).with_context(|| node(info).display().to_string()),
    };
    let speed = match device.speed() {
        Some(nusb::Speed::Low) => Speed::LOW,
        Some(nusb::Speed::Full) => Speed::FULL,
        Some(nusb::Speed::High) => Speed::HIGH,
        Some(nusb::Speed::Super | nusb::Speed::SuperPlus) => Speed::SUPER,
        _ => Speed::UNKNOWN,
    };
    let description = Description {
        bus: info.busnum(),
        address: info.device_address(),
        ports: info.port_chain().to_vec(),
        speed,
        device: device.device_descriptor().as_bytes().to_vec(),
        configurations: device
            .configurations()
            .map(|it| it.as_bytes().to_vec())
            .collect(),
    };
    let mut task = Task {
        first: active(&device),
        device,
        sysfs: info.sysfs_path().to_owned(),
        node: node(info),
        id,
        ended,
        interfaces: BTreeMap::new(),
        endpoints: BTreeMap::new(),
        operations: BTreeMap::new(),
        isochronous: None,
        _held: held,
    };
    // If this is given up, the device is given back.
    let (commands, receiver) = mpsc::unbounded_channel();
    let (sender, claimed) = oneshot::channel();
    tokio::spawn(async move {
        let result = task.claim().await;
        if result.is_ok() {
            let _ = sender.send(result);
            task.run(receiver).await;
        } else {
            task.release().await;
            task.attach().await;
            let _ = sender.send(result);
        }
    });
    claimed
        .await?
        .with_context(|| node(info).display().to_string())?;
    Ok((Real { commands }, description))
}

/// The value of the configuration that a device has.
fn active(device: &nusb::Device) -> Option<u8> {
    let active = device.active_configuration().ok()?;
    Some(active.configuration_value())
}

/// The numbers of its interfaces.
fn interfaces(device: &nusb::Device) -> Vec<u8> {
    device
        .active_configuration()
        .map(|it| it.interfaces().map(|it| it.interface_number()).collect())
        .unwrap_or_default()
}

/// Does what is about the whole device, in order; endpoints have tasks of their own.
struct Task {
    device: nusb::Device,
    /// Where sysfs has it.
    sysfs: PathBuf,
    node: PathBuf,
    /// The configuration that it had.
    first: Option<u8>,
    id: DeviceId,
    ended: Ended,
    interfaces: BTreeMap<u8, Interface>,
    /// By address.
    endpoints: BTreeMap<u8, Used>,
    /// Which endpoint an operation is at, for those that may be in flight.
    operations: BTreeMap<OperationId, u8>,
    /// Has the interfaces, and what is done at them, if the device has isochronous endpoints.
    isochronous: Option<Isochronous>,
    _held: Held,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<(OperationId, Operation)>) {
        while let Some((id, operation)) = commands.recv().await {
            let is_of_device =
                matches!(operation, Operation::SetConfiguration(_) | Operation::Reset);
            if let Some(it) = self.isochronous.as_ref().filter(|_| !is_of_device) {
                it.begin(id, operation);
                continue;
            }
            match operation {
                Operation::Control { setup, buffer } => {
                    let done = control(&self.device, setup, buffer).await;
                    self.end(id, done);
                }
                Operation::SetConfiguration(value) => {
                    let status = self.configure(value).await;
                    self.end(id, Done::with(status));
                }
                Operation::SetInterface { interface, alt } => {
                    self.close(Some(interface)).await;
                    let status = match self.interfaces.get(&interface) {
                        Some(it) => of(it.set_alt_setting(alt).await),
                        None => UsbdStatus::INVALID_PARAMETER,
                    };
                    self.end(id, Done::with(status));
                }
                Operation::Reset => {
                    let status = self.reset().await;
                    self.end(id, Done::with(status));
                }
                Operation::ClearHalt { endpoint } => self.at(id, endpoint, Command::ClearHalt(id)),
                Operation::Bulk { endpoint, buffer }
                | Operation::Interrupt { endpoint, buffer } => {
                    self.at(id, endpoint, Command::Transfer(id, buffer));
                }
                Operation::Iso { .. } => self.end(id, Done::with(UsbdStatus::INVALID_PARAMETER)),
                Operation::Cancel(wanted) => {
                    let endpoint = self.operations.get(&wanted);
                    if let Some(used) = endpoint.and_then(|it| self.endpoints.get(it)) {
                        let _ = used.commands.send(Command::Cancel(wanted));
                    }
                }
            }
        }
        // Nobody wants it any more.
        self.give_back().await;
    }

    fn end(&self, id: OperationId, done: Done) {
        let _ = self.ended.send((self.id, id, done));
    }

    /// Takes the interfaces of the active configuration from the kernel's drivers.
    async fn claim(&mut self) -> Result<()> {
        let numbers = interfaces(&self.device);
        for number in &numbers {
            // Linux would take it from another program, too.
            let driver = driver(&self.sysfs, active(&self.device), *number);
            ensure!(
                driver.is_none_or(|it| !it.ends_with("usbfs")),
                "another program has interface {number}"
            );
        }
        for number in &numbers {
            let (device, number) = (self.device.clone(), *number);
            let detached = spawn_blocking(move || device.detach_kernel_driver(number)).await?;
            if let Err(error) = detached {
                log::debug!("interface {number} has no driver of the kernel: {error}");
            }
        }
        if isochronous::has_endpoints(&self.device) {
            let ended = self.ended.clone();
            let claimed = Isochronous::claim(&self.node, &numbers, self.id, ended);
            self.isochronous = Some(claimed.await?);
            return Ok(());
        }
        for number in numbers {
            let claimed = self.device.claim_interface(number).await;
            let interface = claimed.with_context(|| format!("interface {number}"))?;
            self.interfaces.insert(number, interface);
        }
        Ok(())
    }

    /// The same for an operation.
    async fn claim_again(&mut self) -> UsbdStatus {
        match self.claim().await {
            Ok(()) => UsbdStatus::SUCCESS,
            Err(error) => {
                log::warn!("device {}: {error:#}", self.id.0);
                UsbdStatus::DEV_NOT_RESPONDING
            }
        }
    }

    /// Lets go of all interfaces, which no driver gets by that.
    async fn release(&mut self) {
        self.close(None).await;
        self.interfaces.clear();
        if let Some(it) = self.isochronous.take() {
            it.release().await;
        }
    }

    /// Resets the device. Linux takes interfaces from whoever has them at a reset, and gives them to
    /// drivers behind it. It doesn't with those that nobody has.
    async fn reset(&mut self) -> UsbdStatus {
        self.release().await;
        let status = of(self.device.reset().await);
        if status.is_success() {
            self.claim_again().await
        } else {
            status
        }
    }

    /// Gives the device back as it was, to drivers that have never seen it.
    async fn give_back(&mut self) {
        self.release().await;
        let mut result = self.device.reset().await;
        if matches!(&result, Err(error) if error.kind() == ErrorKind::Disconnected) {
            return;
        }
        if let Some(first) = self.first.filter(|it| active(&self.device) != Some(*it)) {
            result = result.and(self.device.set_configuration(first).await);
        }
        if let Err(error) = result {
            log::warn!("device {}, given back: {error}", self.id.0);
        }
        self.attach().await;
    }

    /// Gives interfaces that nobody has to drivers of the kernel.
    async fn attach(&self) {
        for number in interfaces(&self.device) {
            let device = self.device.clone();
            let attached = spawn_blocking(move || device.attach_kernel_driver(number)).await;
            if let Ok(Err(error)) = attached {
                log::debug!("interface {number} gets no driver of the kernel: {error}");
            }
        }
    }

    /// Ends what is done at an interface's endpoints, or at all.
    async fn close(&mut self, interface: Option<u8>) {
        let (ending, rest): (BTreeMap<u8, Used>, _) = std::mem::take(&mut self.endpoints)
            .into_iter()
            .partition(|(_, it)| interface.is_none_or(|wanted| wanted == it.interface));
        self.endpoints = rest;
        // All of them begin to end before one is waited for.
        let tasks: Vec<_> = ending.into_values().map(|it| it.task).collect();
        for task in tasks {
            let _ = task.await;
        }
    }

    async fn configure(&mut self, value: Option<u8>) -> UsbdStatus {
        // Some devices don't bear to get again what they have: Linux gave it to them.
        if value.is_some() && value == active(&self.device) {
            if self.isochronous.is_some() {
                // Linux selects the alternate setting 0 of interfaces that nobody has any more.
                self.release().await;
                return self.claim_again().await;
            }
            self.close(None).await;
            for interface in self.interfaces.values() {
                if interface.get_alt_setting() == 0 {
                    continue;
                }
                let status = of(interface.set_alt_setting(0).await);
                if !status.is_success() {
                    return status;
                }
            }
            return UsbdStatus::SUCCESS;
        }
        self.release().await;
        let status = of(self.device.set_configuration(value.unwrap_or(0)).await);
        if status.is_success() {
            self.claim_again().await
        } else {
            status
        }
    }

    /// Hands a command to an endpoint's task, which is begun if there is none.
    fn at(&mut self, id: OperationId, address: u8, command: Command) {
        if !self.endpoints.contains_key(&address) && !self.begin(address) {
            return self.end(id, Done::with(UsbdStatus::INVALID_PIPE_HANDLE));
        }
        // Old ones are of no use: a cancellation of what has ended does nothing.
        while self.operations.len() > 4096 {
            self.operations.pop_first();
        }
        self.operations.insert(id, address);
        if let Some(used) = self.endpoints.get(&address) {
            let _ = used.commands.send(command);
        }
    }

    fn begin(&mut self, address: u8) -> bool {
        for (number, interface) in &self.interfaces {
            let (commands, receiver) = mpsc::unbounded_channel();
            let end = End {
                device: self.id,
                address,
                ended: self.ended.clone(),
            };
            let begun = if address & IN != 0 {
                start::<Bulk, In>(interface, end, receiver)
                    .or_else(|(end, receiver)| start::<Interrupt, In>(interface, end, receiver))
            } else {
                start::<Bulk, Out>(interface, end, receiver)
                    .or_else(|(end, receiver)| start::<Interrupt, Out>(interface, end, receiver))
            };
            if let Ok(task) = begun {
                let interface = *number;
                let used = Used {
                    interface,
                    commands,
                    task,
                };
                self.endpoints.insert(address, used);
                return true;
            }
        }
        false
    }
}

/// The driver of an interface, as sysfs links to it.
fn driver(sysfs: &Path, configuration: Option<u8>, interface: u8) -> Option<PathBuf> {
    let (name, value) = (sysfs.file_name()?.to_str()?, configuration?);
    let interface = sysfs.join(format!("{name}:{value}.{interface}"));
    std::fs::read_link(interface.join("driver")).ok()
}
