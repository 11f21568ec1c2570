// SPDX-License-Identifier: GPL-2.0-or-later
//! Bulk and interrupt transfers, by nusb.

use nusb::transfer::{Buffer as Bytes, BulkOrInterrupt, EndpointDirection, TransferError};
use nusb::{Endpoint, Interface};
use rdp_usb::{Buffer, Done, OperationId, UsbdStatus};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::status::{failed, of};
use crate::device::{DeviceId, Ended};

/// What is done at an endpoint.
pub(super) enum Command {
    Transfer(OperationId, Buffer),
    ClearHalt(OperationId),
    Cancel(OperationId),
}

/// An endpoint that is used: its interface's number, and its task, which ends when it gets no more
/// commands.
pub(super) struct Used {
    pub interface: u8,
    pub commands: mpsc::UnboundedSender<Command>,
    pub task: JoinHandle<()>,
}

/// Whose operations an endpoint's task ends.
pub(super) struct End {
    pub device: DeviceId,
    pub address: u8,
    pub ended: Ended,
}

impl End {
    fn end(&self, id: OperationId, done: Done) {
        let _ = self.ended.send((self.device, id, done));
    }
}

pub(super) type Commands = mpsc::UnboundedReceiver<Command>;

pub(super) fn start<T, D>(
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
