// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices of this machine, by nusb: no C beneath it, and no isochronous transfers, which it
//! hasn't got. A device with such endpoints works but for these.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use nusb::transfer::{
    Buffer as Bytes, Bulk, BulkOrInterrupt, ControlIn, ControlOut, ControlType, EndpointDirection,
    In, Interrupt, Out, Recipient, TransferError,
};
use nusb::{DeviceInfo, Endpoint, ErrorKind, Interface};
use rdp_usb::{Buffer, Done, Operation, OperationId, UsbdStatus};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{spawn_blocking, JoinHandle};
use usbredir::Speed;

use crate::device::{Description, Device, DeviceId, Ended};

/// How long a control transfer may take: as long as Linux gives most of its own.
const CONTROL: Duration = Duration::from_secs(5);
/// An interface's number in wIndex, and an endpoint's address, are its low byte.
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
        id,
        ended,
        interfaces: BTreeMap::new(),
        endpoints: BTreeMap::new(),
        operations: BTreeMap::new(),
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

/// What is done at an endpoint.
enum Command {
    Transfer(OperationId, Buffer),
    ClearHalt(OperationId),
    Cancel(OperationId),
}

/// An endpoint that is used: its interface's number, and its task, which ends when it gets no more
/// commands.
struct Used {
    interface: u8,
    commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<()>,
}

/// Does what is about the whole device, in order; endpoints have tasks of their own.
struct Task {
    device: nusb::Device,
    /// Where sysfs has it.
    sysfs: PathBuf,
    /// The configuration that it had.
    first: Option<u8>,
    id: DeviceId,
    ended: Ended,
    interfaces: BTreeMap<u8, Interface>,
    /// By address.
    endpoints: BTreeMap<u8, Used>,
    /// Which endpoint an operation is at, for those that may be in flight.
    operations: BTreeMap<OperationId, u8>,
    _held: Held,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<(OperationId, Operation)>) {
        while let Some((id, operation)) = commands.recv().await {
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
        for number in numbers {
            let device = self.device.clone();
            let detached = spawn_blocking(move || device.detach_kernel_driver(number)).await?;
            if let Err(error) = detached {
                log::debug!("interface {number} has no driver of the kernel: {error}");
            }
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

/// Whose operations an endpoint's task ends.
struct End {
    device: DeviceId,
    address: u8,
    ended: Ended,
}

impl End {
    fn end(&self, id: OperationId, done: Done) {
        let _ = self.ended.send((self.device, id, done));
    }
}

type Commands = mpsc::UnboundedReceiver<Command>;

fn start<T, D>(
    interface: &Interface,
    end: End,
    commands: Commands,
) -> Result<JoinHandle<()>, (End, Commands)>
where
    T: BulkOrInterrupt + 'static,
    D: EndpointDirection + 'static,
{
    match interface.endpoint::<T, D>(end.address) {
        Ok(endpoint) => Ok(tokio::spawn(serve(endpoint, end, commands))),
        Err(_) => Err((end, commands)),
    }
}

/// Does what is asked for at an endpoint. nusb can cancel what is in flight at an endpoint only
/// together; what wasn't meant is begun again, in order, unless something was moved.
async fn serve<T, D>(mut endpoint: Endpoint<T, D>, end: End, mut commands: Commands)
where
    T: BulkOrInterrupt,
    D: EndpointDirection,
{
    let mut flying: std::collections::VecDeque<(OperationId, Buffer)> = Default::default();
    let mut cancelled = std::collections::BTreeSet::new();
    // How many were in flight when they were cancelled. Until they have ended nothing else is begun,
    // which would overtake those that are begun again.
    let mut stopping = 0_usize;
    loop {
        tokio::select! {
            command = commands.recv(), if stopping == 0 => match command {
                Some(Command::Transfer(id, buffer)) => {
                    endpoint.submit(bytes(&buffer, endpoint.max_packet_size()));
                    flying.push_back((id, buffer));
                }
                Some(Command::ClearHalt(id)) => {
                    let status = of(endpoint.clear_halt().await);
                    end.end(id, Done::with(status));
                }
                Some(Command::Cancel(id)) => {
                    if flying.iter().any(|(it, _)| *it == id) {
                        cancelled.insert(id);
                        endpoint.cancel_all();
                        stopping = flying.len();
                    }
                }
                None => break,
            },
            done = endpoint.next_complete(), if !flying.is_empty() => {
                let Some((id, buffer)) = flying.pop_front() else {
                    continue;
                };
                stopping = stopping.saturating_sub(1);
                let meant = cancelled.remove(&id);
                let stopped = matches!(done.status, Err(TransferError::Cancelled));
                if stopped && !meant && done.actual_len == 0 {
                    endpoint.submit(bytes(&buffer, endpoint.max_packet_size()));
                    flying.push_back((id, buffer));
                    continue;
                }
                end.end(id, finished(&buffer, &done.buffer, done.actual_len, done.status));
            }
        }
    }
    endpoint.cancel_all();
    while let Some((id, _)) = flying.pop_front() {
        endpoint.next_complete().await;
        end.end(id, Done::with(UsbdStatus::CANCELED));
    }
}

fn bytes(buffer: &Buffer, packet: usize) -> Bytes {
    match buffer {
        Buffer::Out(data) => data.clone().into(),
        // A host controller wants whole packets; what comes is cut off.
        Buffer::In(room) => Bytes::new((*room as usize).max(1).next_multiple_of(packet.max(1))),
    }
}

fn finished(asked: &Buffer, bytes: &[u8], moved: usize, status: Result<(), TransferError>) -> Done {
    let mut done = Done::with(match status {
        Ok(()) => UsbdStatus::SUCCESS,
        Err(error) => failed(error),
    });
    match asked {
        Buffer::Out(_) => done.sent = moved,
        Buffer::In(room) => {
            let room = *room as usize;
            if moved > room && status.is_ok() {
                done.status = UsbdStatus::DATA_OVERRUN;
            }
            done.data = bytes.get(..moved.min(room)).unwrap_or_default().to_vec();
        }
    }
    done
}

async fn control(device: &nusb::Device, setup: [u8; 8], buffer: Buffer) -> Done {
    let control_type = match setup[0] >> 5 & 3 {
        0 => ControlType::Standard,
        1 => ControlType::Class,
        2 => ControlType::Vendor,
        _ => return Done::with(UsbdStatus::INVALID_PARAMETER),
    };
    let recipient = match setup[0] & 0x1f {
        0 => Recipient::Device,
        1 => Recipient::Interface,
        2 => Recipient::Endpoint,
        3 => Recipient::Other,
        _ => return Done::with(UsbdStatus::INVALID_PARAMETER),
    };
    let word = |at: usize| u16::from_le_bytes([setup[at], setup[at + 1]]);
    let (request, value, index) = (setup[1], word(2), word(4));
    let result = if setup[0] & IN != 0 {
        let length = word(6);
        let transfer = ControlIn {
            control_type,
            recipient,
            request,
            value,
            index,
            length,
        };
        device.control_in(transfer, CONTROL).await
    } else {
        let data = match &buffer {
            Buffer::Out(data) => &data[..],
            Buffer::In(_) => &[],
        };
        let transfer = ControlOut {
            control_type,
            recipient,
            request,
            value,
            index,
            data,
        };
        let sent = data.len();
        return match device.control_out(transfer, CONTROL).await {
            Ok(()) => Done {
                sent,
                ..Done::with(UsbdStatus::SUCCESS)
            },
            Err(error) => Done::with(timed(error)),
        };
    };
    match result {
        Ok(data) => Done {
            data,
            ..Done::with(UsbdStatus::SUCCESS)
        },
        Err(error) => Done::with(timed(error)),
    }
}

/// A control transfer is only cancelled by its time.
fn timed(error: TransferError) -> UsbdStatus {
    match error {
        TransferError::Cancelled => UsbdStatus::TIMEOUT,
        other => failed(other),
    }
}

fn failed(error: TransferError) -> UsbdStatus {
    match error {
        TransferError::Cancelled => UsbdStatus::CANCELED,
        TransferError::Stall => UsbdStatus::STALL_PID,
        TransferError::Disconnected => UsbdStatus::DEVICE_GONE,
        TransferError::InvalidArgument => UsbdStatus::INVALID_PARAMETER,
        TransferError::Fault | TransferError::Unknown(_) => UsbdStatus::XACT_ERROR,
    }
}

fn of(result: Result<(), nusb::Error>) -> UsbdStatus {
    match result {
        Ok(()) => UsbdStatus::SUCCESS,
        Err(error) => match error.kind() {
            ErrorKind::Disconnected => UsbdStatus::DEVICE_GONE,
            ErrorKind::NotFound => UsbdStatus::INVALID_PARAMETER,
            _ => UsbdStatus::DEV_NOT_RESPONDING,
        },
    }
}
