// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices of this machine, by nusb: no C beneath it, and no isochronous transfers, which it
//! hasn't got. A device with such endpoints works but for these.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use nusb::transfer::{
    Buffer as Bytes, Bulk, BulkOrInterrupt, ControlIn, ControlOut, ControlType, EndpointDirection,
    In, Interrupt, Out, Recipient, TransferError,
};
use nusb::{DeviceInfo, Endpoint, ErrorKind, Interface};
use rdp_usb::{Buffer, Done, Operation, OperationId, UsbdStatus};
use tokio::sync::mpsc;
use usbredir::Speed;

use crate::device::{Description, Device, DeviceId, Ended};

/// How long a control transfer may take: as long as Linux gives most of its own.
const CONTROL: Duration = Duration::from_secs(5);
/// An interface's number in wIndex, and an endpoint's address, are its low byte.
const IN: u8 = 0x80;

/// A device that is open. Its interfaces are given back to the kernel's drivers when this is
/// dropped.
pub struct Real {
    commands: mpsc::UnboundedSender<(OperationId, Operation)>,
}

impl Device for Real {
    fn begin(&mut self, id: OperationId, operation: Operation) {
        // Without a task the device is gone, which its watcher tells.
        let _ = self.commands.send((id, operation));
    }
}

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

/// Opens a device.
///
/// # Errors
///
/// It is gone, or belongs to somebody else: the error then says which rule of udev mends that.
pub async fn open(info: &DeviceInfo, id: DeviceId, ended: Ended) -> Result<(Real, Description)> {
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
    let (commands, receiver) = mpsc::unbounded_channel();
    let task = Task {
        device,
        id,
        ended,
        interfaces: BTreeMap::new(),
        endpoints: BTreeMap::new(),
        operations: BTreeMap::new(),
    };
    tokio::spawn(task.run(receiver));
    Ok((Real { commands }, description))
}

/// What is done at an endpoint.
enum Command {
    Transfer(OperationId, Buffer),
    ClearHalt(OperationId),
    Cancel(OperationId),
}

/// Does what is about the whole device, in order; endpoints have tasks of their own.
struct Task {
    device: nusb::Device,
    id: DeviceId,
    ended: Ended,
    interfaces: BTreeMap<u8, Interface>,
    /// By address, with the number of its interface.
    endpoints: BTreeMap<u8, (u8, mpsc::UnboundedSender<Command>)>,
    /// Which endpoint an operation is at, for those that may be in flight.
    operations: BTreeMap<OperationId, u8>,
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
                    self.close(Some(interface));
                    let status = match self.interfaces.get(&interface) {
                        Some(it) => of(it.set_alt_setting(alt).await),
                        None => UsbdStatus::INVALID_PARAMETER,
                    };
                    self.end(id, Done::with(status));
                }
                Operation::Reset => {
                    let status = of(self.device.reset().await);
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
                    if let Some((_, sender)) = endpoint.and_then(|it| self.endpoints.get(it)) {
                        let _ = sender.send(Command::Cancel(wanted));
                    }
                }
            }
        }
        // Nobody wants it any more.
        let numbers: Vec<u8> = self.interfaces.keys().copied().collect();
        self.close(None);
        // Endpoints end by themselves, and hold their interface until then.
        for _ in 0..50 {
            if self.endpoints.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.interfaces.clear();
        for number in numbers {
            if let Err(error) = self.device.attach_kernel_driver(number) {
                log::debug!("interface {number} has no driver of the kernel: {error}");
            }
        }
    }

    fn end(&self, id: OperationId, done: Done) {
        let _ = self.ended.send((self.id, id, done));
    }

    /// Ends the tasks of an interface's endpoints, or of all.
    fn close(&mut self, interface: Option<u8>) {
        self.endpoints
            .retain(|_, (of, _)| interface.is_some_and(|it| it != *of));
    }

    async fn configure(&mut self, value: Option<u8>) -> UsbdStatus {
        self.close(None);
        self.interfaces.clear();
        let active = self
            .device
            .active_configuration()
            .ok()
            .map(|it| it.configuration_value());
        let Some(value) = value else {
            return of(self.device.set_configuration(0).await);
        };
        let numbers = |device: &nusb::Device| -> Vec<u8> {
            device
                .active_configuration()
                .map(|it| it.interfaces().map(|it| it.interface_number()).collect())
                .unwrap_or_default()
        };
        if active != Some(value) {
            for number in numbers(&self.device) {
                // It may have none.
                let _ = self.device.detach_kernel_driver(number);
            }
            let status = of(self.device.set_configuration(value).await);
            if !status.is_success() {
                return status;
            }
        }
        for number in numbers(&self.device) {
            match self.device.detach_and_claim_interface(number).await {
                Ok(interface) => self.interfaces.insert(number, interface),
                Err(error) => {
                    log::warn!("interface {number} can't be claimed: {error}");
                    return UsbdStatus::DEV_NOT_RESPONDING;
                }
            };
        }
        UsbdStatus::SUCCESS
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
        if let Some((_, sender)) = self.endpoints.get(&address) {
            let _ = sender.send(command);
        }
    }

    fn begin(&mut self, address: u8) -> bool {
        for (number, interface) in &self.interfaces {
            let (sender, receiver) = mpsc::unbounded_channel();
            let end = End {
                device: self.id,
                address,
                ended: self.ended.clone(),
            };
            let begun = if address & IN != 0 {
                start::<Bulk, In>(interface, end, receiver)
                    .or_else(|(end, receiver)| start::<Interrupt, In>(interface, end, receiver))
                    .is_ok()
            } else {
                start::<Bulk, Out>(interface, end, receiver)
                    .or_else(|(end, receiver)| start::<Interrupt, Out>(interface, end, receiver))
                    .is_ok()
            };
            if begun {
                self.endpoints.insert(address, (*number, sender));
                return true;
            }
        }
        false
    }
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

fn start<T, D>(interface: &Interface, end: End, commands: Commands) -> Result<(), (End, Commands)>
where
    T: BulkOrInterrupt + 'static,
    D: EndpointDirection + 'static,
{
    match interface.endpoint::<T, D>(end.address) {
        Ok(endpoint) => {
            tokio::spawn(serve(endpoint, end, commands));
            Ok(())
        }
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
    loop {
        tokio::select! {
            command = commands.recv() => match command {
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
                    }
                }
                None => break,
            },
            done = endpoint.next_complete(), if !flying.is_empty() => {
                let Some((id, buffer)) = flying.pop_front() else {
                    continue;
                };
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
